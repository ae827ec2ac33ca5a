/*
 * Tags: whoever changes one bit of a grant, a receipt or an order, or holds another node's key, is found out. And how a file is cut into blocks.
 */
#include "core/wire/grant.h"
#include "tests/support/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct dfs_key root = {{1, 2, 3}};

static void node_key(struct dfs_mac *mac, uint8_t node_byte, uint64_t incarnation, uint32_t key_id)
{
    const struct dfs_id node = {{node_byte}};
    struct dfs_key key;

    dfs_node_key_derive(&root, &node, incarnation, key_id, &key);
    dfs_mac_init(mac, &key);
}

static void a_grant_verifies_at_its_node_only(void **state)
{
    (void)state;
    struct dfs_arena arena;
    struct dfs_w_grant grant;
    struct dfs_mac mine;
    struct dfs_mac other_node;
    struct dfs_mac other_life;
    struct dfs_mac other_key;

    dfs_arena_init(&arena, 65536);
    sample_fill(&dfs_layout_grant, &grant, &arena, 1);
    node_key(&mine, 1, 1, 1);
    node_key(&other_node, 2, 1, 1);
    node_key(&other_life, 1, 2, 1);
    node_key(&other_key, 1, 1, 2);
    dfs_grant_sign(&grant, 0, &mine);
    dfs_grant_sign(&grant, 1, &other_node);

    assert_true(dfs_grant_check(&grant, 0, &mine));
    assert_true(dfs_grant_check(&grant, 1, &other_node));
    assert_false(dfs_grant_check(&grant, 0, &other_node));
    assert_false(dfs_grant_check(&grant, 0, &other_life));
    assert_false(dfs_grant_check(&grant, 0, &other_key));
    assert_false(dfs_grant_check(&grant, 2, &mine));

    grant.length_max_bytes ^= 1;
    assert_false(dfs_grant_check(&grant, 0, &mine));
    grant.length_max_bytes ^= 1;
    grant.bearer[31] ^= 1;
    assert_false(dfs_grant_check(&grant, 0, &mine));
    grant.bearer[31] ^= 1;
    grant.replicas[1].incarnation++;
    assert_false(dfs_grant_check(&grant, 0, &mine));
    grant.replicas[1].incarnation--;
    grant.replicas_count = 1;
    assert_false(dfs_grant_check(&grant, 0, &mine));
    grant.replicas_count = 2;
    assert_true(dfs_grant_check(&grant, 0, &mine));

    dfs_mac_close(&mine);
    dfs_mac_close(&other_node);
    dfs_mac_close(&other_life);
    dfs_mac_close(&other_key);
    dfs_arena_close(&arena);
}

static void receipts_and_orders_are_told_apart_and_cannot_be_changed(void **state)
{
    (void)state;
    struct dfs_w_receipt receipt;
    struct dfs_w_order order;
    struct dfs_mac key;

    sample_fill(&dfs_layout_receipt, &receipt, NULL, 1);
    sample_fill(&dfs_layout_order, &order, NULL, 1);
    node_key(&key, 1, 1, 1);
    dfs_receipt_sign(&receipt, &key);
    assert_true(dfs_receipt_check(&receipt, &key));
    receipt.durable ^= 1;
    assert_false(dfs_receipt_check(&receipt, &key));

    dfs_order_sign_source(&order, &key);
    dfs_order_sign_target(&order, &key);
    assert_true(dfs_order_check_source(&order, &key));
    assert_true(dfs_order_check_target(&order, &key));
    memcpy(order.target_mac, order.source_mac, sizeof order.target_mac);
    assert_false(dfs_order_check_target(&order, &key));
    dfs_order_sign_target(&order, &key);
    order.target_incarnation++;
    assert_false(dfs_order_check_source(&order, &key));
    assert_false(dfs_order_check_target(&order, &key));
    dfs_mac_close(&key);
}

/* Changes each byte of each field that is not in `outside` (and of the parts and items in it); the part must never pass. */
static void change_each_byte(const struct dfs_layout *layout, uint8_t *base, const char *outside, const void *part,
                             bool (*passes)(const void *part, struct dfs_mac *key), struct dfs_mac *key)
{
    for (size_t i = 0; i < layout->count; i++) {
        const struct dfs_field *field = &layout->fields[i];
        uint8_t *at = base + field->offset;
        size_t bytes = field->width;

        if (strstr(outside, field->name) != NULL)
            continue;
        if (field->kind == DFS_FIELD_PART) {
            change_each_byte(field->part, at, outside, part, passes, key);
            continue;
        }
        if (field->kind == DFS_FIELD_LIST) {
            uint8_t *items;
            uint32_t count;

            memcpy(&items, at, sizeof items);
            memcpy(&count, base + field->count_offset, sizeof count);
            assert_true(count > 1);
            for (uint32_t k = 0; k < count; k++)
                change_each_byte(field->part, items + k * field->part->bytes, outside, part, passes, key);
            continue;
        }
        assert_true(bytes > 0);
        for (size_t k = 0; k < bytes; k++) {
            at[k] ^= 0x10;
            assert_false(passes(part, key));
            at[k] ^= 0x10;
        }
    }
    assert_true(passes(part, key));
}

static bool grant_passes(const void *part, struct dfs_mac *key)
{
    return dfs_grant_check(part, 0, key);
}

static bool receipt_passes(const void *part, struct dfs_mac *key)
{
    return dfs_receipt_check(part, key);
}

static void every_field_is_covered(void **state)
{
    struct dfs_arena arena;
    struct dfs_w_grant grant;
    struct dfs_w_receipt receipt;
    struct dfs_mac key;

    (void)state;
    dfs_arena_init(&arena, 65536);
    node_key(&key, 1, 1, 1);
    sample_fill(&dfs_layout_grant, &grant, &arena, 1);
    dfs_grant_sign(&grant, 0, &key);
    change_each_byte(&dfs_layout_grant, (uint8_t *)&grant, "mac", &grant, grant_passes, &key);
    sample_fill(&dfs_layout_receipt, &receipt, NULL, 1);
    dfs_receipt_sign(&receipt, &key);
    /* node, incarnation and key_id are said by the key */
    change_each_byte(&dfs_layout_receipt, (uint8_t *)&receipt, "mac node incarnation key_id", &receipt, receipt_passes,
                     &key);
    dfs_mac_close(&key);
    dfs_arena_close(&arena);
}

static void files_are_cut_as_the_design_says(void **state)
{
    (void)state;
    static const struct {
        uint64_t size;
        uint32_t blocks;
    } table[] = {
        {0, 0},        {1, 1},        {99999, 1},        {100000, 1},   {199999, 1},
        {200000, 2},   {250000, 2},   {1000000, 4},      {400000, 4},   {399999, 3},
        {40000000, 4}, {40000001, 5}, {1073741824, 108}, {10000000, 4}, {100000000, 10},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(dfs_blocks_count(table[i].size, 100000, 10000000, 4, 0), table[i].blocks);
    assert_int_equal(dfs_blocks_count(10000001, 100000, 10000000, 4, 5000000), 3);
    assert_int_equal(dfs_blocks_count(UINT64_MAX - 1, 100000, 10000000, 4, 0), DFS_BLOCKS_PER_FILE_MAX + 1);
}

static void blocks_of_a_file_are_equal_to_within_a_byte(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 3, 250001, 1000003, 1073741824, UINT64_C(10995116277759)};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t blocks = dfs_blocks_count(sizes[i], 100000, 10000000, 4, 0);
        const uint64_t least = sizes[i] / blocks;

        if (blocks > 2000)
            blocks = 2000;
        assert_int_equal(dfs_block_offset(sizes[i], blocks, 0), 0);
        assert_int_equal(dfs_block_offset(sizes[i], blocks, blocks), sizes[i]);
        for (uint32_t k = 0; k < blocks && least > 0; k++) {
            const uint64_t length = dfs_block_offset(sizes[i], blocks, k + 1) - dfs_block_offset(sizes[i], blocks, k);

            assert_true(length == sizes[i] / blocks || length == sizes[i] / blocks + 1);
        }
    }
}

static void a_digest_does_not_depend_on_the_order_of_blocks(void **state)
{
    (void)state;
    const struct dfs_w_block a = {.file = {{1}}, .index = 0, .generation = 1};
    const struct dfs_w_block b = {.file = {{1}}, .index = 1, .generation = 1};

    assert_true(dfs_block_digest(&a, 5) != dfs_block_digest(&b, 5));
    assert_true(dfs_block_digest(&a, 5) != dfs_block_digest(&a, 6));
    assert_true(dfs_block_digest(&a, 5) == dfs_block_digest(&a, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_verifies_at_its_node_only),
        cmocka_unit_test(every_field_is_covered),
        cmocka_unit_test(receipts_and_orders_are_told_apart_and_cannot_be_changed),
        cmocka_unit_test(files_are_cut_as_the_design_says),
        cmocka_unit_test(blocks_of_a_file_are_equal_to_within_a_byte),
        cmocka_unit_test(a_digest_does_not_depend_on_the_order_of_blocks),
    };

    return cmocka_run_group_tests_name("wire/grant", tests, NULL, NULL);
}

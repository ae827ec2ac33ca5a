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

    assert_true(dfs_grant_check(NULL, &grant, 0, &mine));
    assert_true(dfs_grant_check(NULL, &grant, 1, &other_node));
    assert_false(dfs_grant_check(NULL, &grant, 0, &other_node));
    assert_false(dfs_grant_check(NULL, &grant, 0, &other_life));
    assert_false(dfs_grant_check(NULL, &grant, 0, &other_key));
    assert_false(dfs_grant_check(NULL, &grant, 2, &mine));

    grant.length_max_bytes ^= 1;
    assert_false(dfs_grant_check(NULL, &grant, 0, &mine));
    grant.length_max_bytes ^= 1;
    grant.bearer[31] ^= 1;
    assert_false(dfs_grant_check(NULL, &grant, 0, &mine));
    grant.bearer[31] ^= 1;
    grant.replicas[1].incarnation++;
    assert_false(dfs_grant_check(NULL, &grant, 0, &mine));
    grant.replicas[1].incarnation--;
    grant.replicas_count = 1;
    assert_false(dfs_grant_check(NULL, &grant, 0, &mine));
    grant.replicas_count = 2;
    assert_true(dfs_grant_check(NULL, &grant, 0, &mine));

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
    return dfs_grant_check(NULL, part, 0, key);
}

static struct dfs_grant_cache cache;

static bool cached_grant_passes(const void *part, struct dfs_mac *key)
{
    return dfs_grant_check(&cache, part, 0, key);
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
    /* The list is known, and then the bearer too: neither is believed for that. */
    assert_true(dfs_grant_check(&cache, &grant, 0, &key));
    change_each_byte(&dfs_layout_grant, (uint8_t *)&grant, "mac", &grant, cached_grant_passes, &key);
    dfs_grant_cache_close(&cache);
    sample_fill(&dfs_layout_receipt, &receipt, NULL, 1);
    dfs_receipt_sign(&receipt, &key);
    /* node, incarnation and key_id are said by the key */
    change_each_byte(&dfs_layout_receipt, (uint8_t *)&receipt, "mac node incarnation key_id", &receipt, receipt_passes,
                     &key);
    dfs_mac_close(&key);
    dfs_arena_close(&arena);
}

#define MANY_NODES 12
#define MANY_BEARERS 6

/* The grant of one of many lists and bearers, always the same for the same `which`. */
static void some_grant(struct dfs_w_grant *grant, struct dfs_w_replica replicas[3], struct dfs_mac *keys[3],
                       struct dfs_mac *macs, uint32_t which)
{
    *grant = (struct dfs_w_grant){.block = {.file = {{9, (uint8_t)which}}, .index = which, .generation = 1},
                                  .length_max_bytes = 4096,
                                  .operation = DFS_GRANT_WRITE,
                                  .epoch = 1 + which / 500,
                                  .key_id = 1,
                                  .replicas = replicas,
                                  .replicas_count = 3};
    grant->bearer[which % 7 * 4] = (uint8_t)(which % MANY_BEARERS);
    for (uint32_t i = 0; i < 3; i++) {
        const uint32_t node = (which / (i + 1) + 5 * i) % MANY_NODES;

        replicas[i] = (struct dfs_w_replica){.node = {{(uint8_t)(node + 1)}}, .incarnation = 1, .addr = {.port = 7}};
        keys[i] = &macs[node];
    }
}

/* Hundreds of lists push each other out, known ones come with other bearers, bearers become too many, and by turns one key is not there: the tags are those
 * of an empty cache. */
static void a_cache_changes_no_tag(void **state)
{
    struct dfs_mac macs[MANY_NODES];
    struct dfs_grant_cache checker;
    struct dfs_grant_cache signer;

    (void)state;
    dfs_grant_cache_init(&signer);
    dfs_grant_cache_init(&checker);
    for (uint32_t i = 0; i < MANY_NODES; i++)
        node_key(&macs[i], (uint8_t)(i + 1), 1, 1);
    for (uint32_t i = 0; i < 3000; i++) {
        struct dfs_w_replica replicas[3];
        struct dfs_w_grant grant;
        struct dfs_mac *keys[3];
        uint8_t tags[3][DFS_MAC_BYTES] = {{0}};

        some_grant(&grant, replicas, keys, macs, i * i % 1000);
        if (i % 10 == 0)
            keys[0] = NULL;
        dfs_grant_sign_all(&signer, &grant, keys);
        for (uint32_t hop = 0; hop < 3; hop++) {
            memcpy(tags[hop], replicas[hop].mac, sizeof tags[hop]);
            if (keys[hop] == NULL)
                continue;
            memset(replicas[hop].mac, 0, sizeof replicas[hop].mac);
            dfs_grant_sign(&grant, hop, keys[hop]);
            assert_memory_equal(tags[hop], replicas[hop].mac, sizeof tags[hop]);
        }
        for (uint32_t hop = 0; hop < 3 && keys[2] == &macs[5]; hop++) {
            if (keys[hop] != &macs[5])
                continue;
            assert_true(dfs_grant_check(&checker, &grant, hop, keys[hop]));
            grant.block.generation++;
            assert_false(dfs_grant_check(&checker, &grant, hop, keys[hop]));
        }
    }
    dfs_grant_cache_close(&signer);
    dfs_grant_cache_close(&checker);
    for (uint32_t i = 0; i < MANY_NODES; i++)
        dfs_mac_close(&macs[i]);
}

/* More replicas than a cache knows: it forgets them all, keeps nothing for a while, and then begins again. */
static void a_cache_that_meets_too_many_rests(void **state)
{
    struct dfs_w_replica replica = {.incarnation = 1, .addr = {.port = 7}};
    struct dfs_w_grant grant = {.block = {.generation = 1},
                                .operation = DFS_GRANT_READ,
                                .epoch = 1,
                                .key_id = 1,
                                .replicas = &replica,
                                .replicas_count = 1};
    struct dfs_grant_cache signer;
    struct dfs_mac key;
    struct dfs_mac *keys[1] = {&key};
    uint32_t met = 0;
    uint32_t rested = 0;

    (void)state;
    dfs_grant_cache_init(&signer);
    node_key(&key, 1, 1, 1);
    do {
        assert_in_range(++met, 1, 1000);
        replica.node.bytes[met % DFS_ID_BYTES]++;
        dfs_grant_sign_all(&signer, &grant, keys);
    } while (dfs_grant_cache_find(&signer, &grant) != NULL);
    assert_true(met > 32);
    do {
        assert_in_range(++rested, 1, 100000);
        dfs_grant_sign_all(&signer, &grant, keys);
    } while (dfs_grant_cache_find(&signer, &grant) == NULL);
    assert_true(rested > met);
    dfs_grant_cache_close(&signer);
    dfs_mac_close(&key);
}

/* What a checker was shown in vain leaves nothing behind, and other keys begin with nothing. */
static void a_checker_keeps_what_proved_genuine(void **state)
{
    struct dfs_grant_cache checker;
    struct dfs_w_replica replicas[3];
    struct dfs_mac macs[MANY_NODES];
    struct dfs_mac other;
    struct dfs_mac *keys[3];
    struct dfs_w_grant grant;

    (void)state;
    dfs_grant_cache_init(&checker);
    for (uint32_t i = 0; i < MANY_NODES; i++)
        node_key(&macs[i], (uint8_t)(i + 1), 1, 1);
    node_key(&other, 77, 1, 1);
    some_grant(&grant, replicas, keys, macs, 3);
    assert_false(dfs_grant_check(&checker, &grant, 1, keys[1]));
    assert_null(dfs_grant_cache_find(&checker, &grant));
    dfs_grant_sign(&grant, 1, keys[1]);
    assert_true(dfs_grant_check(&checker, &grant, 1, keys[1]));
    assert_non_null(dfs_grant_cache_find(&checker, &grant));
    assert_true(dfs_grant_check(&checker, &grant, 1, keys[1]));
    assert_false(dfs_grant_check(&checker, &grant, 3, keys[1]));
    dfs_grant_cache_close(&checker);
    assert_null(dfs_grant_cache_find(&checker, &grant));
    assert_false(dfs_grant_check(&checker, &grant, 1, &other));
    dfs_mac_close(&other);
    for (uint32_t i = 0; i < MANY_NODES; i++)
        dfs_mac_close(&macs[i]);
}

/* By another implementation of HMAC-SHA-256, over the bytes that grant.h names. */
static void a_tag_is_over_the_documented_bytes(void **state)
{
    static const uint8_t expected[DFS_MAC_BYTES] = {0xfd, 0x71, 0xb2, 0xe8, 0x43, 0xa1, 0x74, 0x01,
                                                    0x9d, 0x32, 0x7c, 0x34, 0x44, 0x36, 0x89, 0x10};
    static const struct dfs_key key = {{7, 7, 7}};
    struct dfs_w_replica replicas[2] = {
        {.node = {{0x11}}, .incarnation = 2, .addr = {.ip = {[15] = 5}, .port = 7001}},
        {.node = {{0x22}}, .incarnation = 3, .addr = {.ip = {[15] = 6}, .port = 7002}},
    };
    struct dfs_w_grant grant = {.block = {.file = {{0x33}}, .index = 4, .generation = 1},
                                .length_max_bytes = 4096,
                                .operation = DFS_GRANT_READ,
                                .bearer = {0x44},
                                .epoch = 9,
                                .key_id = 3,
                                .replicas = replicas,
                                .replicas_count = 2};
    struct dfs_mac mac;

    (void)state;
    dfs_mac_init(&mac, &key);
    dfs_grant_sign(&grant, 1, &mac);
    assert_memory_equal(replicas[1].mac, expected, sizeof expected);
    dfs_mac_close(&mac);
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
        cmocka_unit_test(a_tag_is_over_the_documented_bytes),
        cmocka_unit_test(a_cache_changes_no_tag),
        cmocka_unit_test(a_cache_that_meets_too_many_rests),
        cmocka_unit_test(a_checker_keeps_what_proved_genuine),
        cmocka_unit_test(receipts_and_orders_are_told_apart_and_cannot_be_changed),
        cmocka_unit_test(files_are_cut_as_the_design_says),
        cmocka_unit_test(blocks_of_a_file_are_equal_to_within_a_byte),
        cmocka_unit_test(a_digest_does_not_depend_on_the_order_of_blocks),
    };

    return cmocka_run_group_tests_name("wire/grant", tests, NULL, NULL);
}

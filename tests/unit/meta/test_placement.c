/* Placement: distinct nodes, zones first, who is not asked, and not enough of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/meta/placement.h"
#include "tests/unit/base/check.h"

static struct dfs_keyring ring;
static uint64_t allowed; /* a bit a node */

static bool eligible(void *ctx, uint16_t index)
{
    (void)ctx;
    return (allowed >> index & 1u) != 0;
}

/* One node a letter; the letter is its zone. */
static void members(const char *zones)
{
    dfs_keyring_init(&ring, 32);
    for (uint16_t i = 0; zones[i] != '\0'; i++) {
        struct dfs_id id = {{1, (uint8_t)i}};

        dfs_keyring_add(&ring, i, &id, (uint16_t)(zones[i] - 'a'), 1000);
    }
    allowed = UINT64_MAX;
}

static uint32_t choose(uint64_t hash, uint32_t count, const uint16_t *holders, uint32_t holders_count,
                       uint16_t *ret_nodes)
{
    const struct dfs_placement_rule rule = {.eligible = eligible, .holders = holders, .holders_count = holders_count};

    return dfs_placement_choose(&ring, hash, count, &rule, ret_nodes);
}

static unsigned zones_of(const char *zones, const uint16_t *nodes, uint32_t count)
{
    uint32_t seen = 0;
    unsigned distinct = 0;

    for (uint32_t i = 0; i < count; i++)
        seen |= 1u << (zones[nodes[i]] - 'a');
    for (; seen != 0; seen >>= 1)
        distinct += seen & 1u;
    return distinct;
}

static void nodes_are_distinct_and_zones_are_used_first(void **state)
{
    static const struct {
        const char *zones;
        uint32_t count;
        uint32_t found;
        unsigned distinct_zones;
    } rows[] = {
        {"aaaaa", 3, 3, 1},     {"abc", 3, 3, 3},       {"abcabc", 3, 3, 3}, {"aabb", 3, 3, 2},
        {"aaaaaaab", 2, 2, 2},  {"ab", 3, 2, 2},        {"a", 1, 1, 1},      {"", 3, 0, 0},
        {"abcdefghi", 9, 9, 9}, {"aaabbbccc", 9, 9, 3}, {"abcdef", 0, 0, 0}, {"aaaaaaaaaaaaaaaab", 9, 9, 2},
    };
    struct sequence sequence = {5};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        members(rows[i].zones);
        for (unsigned k = 0; k < 200; k++) {
            uint16_t nodes[DFS_REPLICAS_MAX];
            const uint32_t found = choose(draw(&sequence), rows[i].count, NULL, 0, nodes);

            assert_int_equal(found, rows[i].found);
            assert_int_equal(zones_of(rows[i].zones, nodes, found), rows[i].distinct_zones);
            for (uint32_t a = 0; a < found; a++) {
                for (uint32_t b = 0; b < a; b++)
                    assert_int_not_equal(nodes[a], nodes[b]);
            }
        }
        dfs_keyring_close(&ring);
    }
}

static void the_first_is_the_next_on_the_ring(void **state)
{
    struct sequence sequence = {6};

    (void)state;
    members("abcdef");
    for (unsigned k = 0; k < 500; k++) {
        const uint64_t hash = draw(&sequence);
        uint16_t nodes[DFS_REPLICAS_MAX];

        assert_int_equal(choose(hash, 3, NULL, 0, nodes), 3);
        assert_int_equal(nodes[0], dfs_keyring_at(&ring, hash)->index);
    }
    dfs_keyring_close(&ring);
}

static void who_is_not_eligible_is_passed_over(void **state)
{
    struct sequence sequence = {8};

    (void)state;
    members("abcabc");
    for (unsigned k = 0; k < 500; k++) {
        uint16_t nodes[DFS_REPLICAS_MAX];
        uint32_t found;

        allowed = draw(&sequence) & 0x3f;
        found = choose(draw(&sequence), 3, NULL, 0, nodes);
        for (uint32_t i = 0; i < found; i++)
            assert_true(allowed >> nodes[i] & 1u);
        if (found < 3)
            assert_int_equal(found, (uint32_t)__builtin_popcountll(allowed));
    }
    dfs_keyring_close(&ring);
}

static void holders_are_not_chosen_and_use_up_their_zones(void **state)
{
    const char *zones = "aabbcc";
    struct sequence sequence = {9};

    (void)state;
    members(zones);
    for (unsigned k = 0; k < 500; k++) {
        const uint16_t holders[2] = {0, 3};
        uint16_t nodes[DFS_REPLICAS_MAX];

        assert_int_equal(choose(draw(&sequence), 1, holders, 2, nodes), 1);
        assert_int_equal(zones[nodes[0]], 'c');
        assert_int_equal(choose(draw(&sequence), 9, holders, 2, nodes), 4);
        for (uint32_t i = 0; i < 4; i++)
            assert_true(nodes[i] != 0 && nodes[i] != 3);
        assert_int_equal(zones[nodes[0]], 'c');
    }
    /* A holder that is no member (it is joining, say) is nobody's hindrance. */
    const uint16_t stranger[1] = {77};
    uint16_t nodes[DFS_REPLICAS_MAX];

    assert_int_equal(choose(1, 9, stranger, 1, nodes), 6);
    dfs_keyring_close(&ring);
}

/* A zone with no eligible node must not keep the walk from using the others twice. */
static void a_zone_that_cannot_take_a_copy_does_not_count(void **state)
{
    uint16_t nodes[DFS_REPLICAS_MAX];

    (void)state;
    members("aabc");
    allowed = 0x3; /* the two of zone a only */
    assert_int_equal(choose(42, 3, NULL, 0, nodes), 2);
    dfs_keyring_close(&ring);
}

static void load_is_spread(void **state)
{
    unsigned got[10] = {0};
    unsigned first[10] = {0};

    (void)state;
    members("abcdefghij");
    for (unsigned k = 0; k < 10000; k++) {
        struct dfs_id file = {{9, (uint8_t)(k >> 8), (uint8_t)k}};
        uint16_t nodes[DFS_REPLICAS_MAX];

        assert_int_equal(choose(dfs_placement_hash(&file, k % 7, 1), 3, NULL, 0, nodes), 3);
        for (unsigned i = 0; i < 3; i++)
            got[nodes[i]]++;
        first[nodes[0]]++;
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_in_range(got[i], 1500, 4500);
        assert_in_range(first[i], 400, 1800);
    }
    dfs_keyring_close(&ring);
}

static void index_and_generation_move_the_place(void **state)
{
    const struct dfs_id file = {{1}};
    const struct dfs_id other = {{2}};

    (void)state;
    assert_true(dfs_placement_hash(&file, 0, 1) == dfs_placement_hash(&file, 0, 1));
    assert_true(dfs_placement_hash(&file, 0, 1) != dfs_placement_hash(&file, 1, 1));
    assert_true(dfs_placement_hash(&file, 0, 1) != dfs_placement_hash(&file, 0, 2));
    assert_true(dfs_placement_hash(&file, 0, 1) != dfs_placement_hash(&other, 0, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_distinct_and_zones_are_used_first),
        cmocka_unit_test(the_first_is_the_next_on_the_ring),
        cmocka_unit_test(who_is_not_eligible_is_passed_over),
        cmocka_unit_test(holders_are_not_chosen_and_use_up_their_zones),
        cmocka_unit_test(a_zone_that_cannot_take_a_copy_does_not_count),
        cmocka_unit_test(load_is_spread),
        cmocka_unit_test(index_and_generation_move_the_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The KeyRing: a balanced tree under any order of joins and leaves, against a naive model; proportion;
 * minimal movement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/meta/keyring.h"
#include "tests/unit/base/check.h"

#define GB UINT64_C(1000000000)

static struct dfs_id node_id(uint32_t number)
{
    struct dfs_id id = {{0}};

    id.bytes[0] = (uint8_t)(number >> 24);
    id.bytes[1] = (uint8_t)(number >> 16);
    id.bytes[2] = (uint8_t)(number >> 8);
    id.bytes[3] = (uint8_t)number;
    id.bytes[15] = 1;
    return id;
}

static void add(struct dfs_keyring *ring, uint16_t index, uint64_t capacity)
{
    const struct dfs_id id = node_id(index);

    dfs_keyring_add(ring, index, &id, index % 5, capacity);
}

/* The naive model: all positions in an array, sorted. */
struct model {
    struct model_position {
        uint64_t hash;
        uint16_t index;
    } * positions;
    size_t count;
};

static int by_hash(const void *a, const void *b)
{
    const struct model_position *left = a;
    const struct model_position *right = b;

    return left->hash < right->hash ? -1 : left->hash > right->hash;
}

static struct model model_of(const struct dfs_keyring *ring)
{
    struct model model = {.positions = dfs_alloc_zero_array(ring->tree.count + 1, sizeof(struct model_position))};

    for (uint32_t i = 0; i < ring->members_room; i++) {
        for (uint32_t k = 0; k < ring->members[i].positions_count; k++)
            model.positions[model.count++] = (struct model_position){ring->members[i].positions[k].hash, (uint16_t)i};
    }
    qsort(model.positions, model.count, sizeof model.positions[0], by_hash);
    return model;
}

static void assert_like_model(const struct dfs_keyring *ring, struct sequence *sequence)
{
    struct model model = model_of(ring);

    assert_int_equal(model.count, ring->tree.count);
    for (unsigned i = 0; i < 50; i++) {
        const uint64_t hash = i == 0 ? 0 : i == 1 ? UINT64_MAX : draw(sequence);
        const struct dfs_keyring_position *found = dfs_keyring_at(ring, hash);
        size_t at = 0;

        if (model.count == 0) {
            assert_null(found);
            continue;
        }
        while (at < model.count && model.positions[at].hash < hash)
            at++;
        for (unsigned k = 0; k < 5; k++) {
            assert_int_equal(found->hash, model.positions[at % model.count].hash);
            assert_int_equal(found->index, model.positions[at % model.count].index);
            found = dfs_keyring_next(ring, found);
            at++;
        }
    }
    dfs_free(model.positions);
}

static void random_joins_and_leaves_keep_it_sound(void **state)
{
    struct sequence sequence = {1};
    struct dfs_keyring ring;

    (void)state;
    dfs_keyring_init(&ring, 16);
    assert_null(dfs_keyring_at(&ring, 5));
    for (unsigned step = 0; step < 2000; step++) {
        const uint16_t index = (uint16_t)draw_below(&sequence, 60);

        if (dfs_keyring_has(&ring, index))
            dfs_keyring_remove(&ring, index);
        else
            add(&ring, index, (1 + draw_below(&sequence, 8)) * GB);
        if (step % 50 == 0) {
            assert_true(dfs_keyring_is_sound(&ring));
            assert_like_model(&ring, &sequence);
        }
    }
    for (uint16_t index = 0; index < 60; index++) {
        if (dfs_keyring_has(&ring, index))
            dfs_keyring_remove(&ring, index);
    }
    assert_int_equal(ring.tree.count, 0);
    assert_int_equal(ring.members_count, 0);
    assert_int_equal(ring.zones_count, 0);
    assert_true(dfs_keyring_is_sound(&ring));
    dfs_keyring_close(&ring);
}

static int height(const struct dfs_avl_node *node)
{
    return node == NULL ? 0 : node->height;
}

static unsigned log2_of(size_t count)
{
    unsigned log = 0;

    while (count >> log > 1)
        log++;
    return log;
}

/* What ruins a plain binary tree: ten thousand joins in ascending order of position, with leaves in
 * between. */
static void ten_thousand_sorted_joins_keep_it_logarithmic(void **state)
{
    struct dfs_keyring ring;
    uint32_t joins = 0;

    (void)state;
    dfs_keyring_init(&ring, 4);
    while (joins < 10000) {
        const uint16_t index = (uint16_t)(joins % DFS_NODES_MAX);

        if (dfs_keyring_has(&ring, index))
            dfs_keyring_remove(&ring, index);
        add(&ring, index, GB);
        joins++;
    }
    assert_true(dfs_keyring_is_sound(&ring));
    assert_int_equal(ring.members_count, DFS_NODES_MAX);
    /* 1.44 log2(n + 2) bounds an AVL tree */
    assert_in_range((unsigned)height(ring.tree.root), 1, log2_of(ring.tree.count) * 3 / 2 + 1);
    dfs_keyring_close(&ring);
}

/* The share of the ring that each node owns, in parts per million. */
static void shares(const struct dfs_keyring *ring, uint64_t *ret_shares)
{
    struct model model = model_of(ring);

    for (size_t i = 0; i < model.count; i++) {
        const uint64_t before = model.positions[(i + model.count - 1) % model.count].hash;

        ret_shares[model.positions[i].index] += (model.positions[i].hash - before) / (UINT64_MAX / 1000000);
    }
    dfs_free(model.positions);
}

static void positions_follow_capacity(void **state)
{
    static const struct {
        uint64_t capacity;
        uint32_t positions;
    } rows[] = {
        {10 * GB, 64}, {20 * GB, 128}, {5 * GB, 31},       {15 * GB, 95},      {GB, 6},
        {1, 4},        {0, 4},         {10000 * GB, 1024}, {UINT64_MAX, 1024},
    };
    struct dfs_keyring ring;

    (void)state;
    dfs_keyring_init(&ring, 64);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        add(&ring, (uint16_t)i, rows[i].capacity);
        assert_in_range(ring.members[i].positions_count, rows[i].positions, rows[i].positions + 1);
    }
    assert_true(dfs_keyring_is_sound(&ring));
    dfs_keyring_close(&ring);
}

static void shares_follow_capacity(void **state)
{
    uint64_t share[40] = {0};
    uint64_t small = 0;
    uint64_t large = 0;
    struct dfs_keyring ring;

    (void)state;
    dfs_keyring_init(&ring, 64);
    for (uint16_t i = 0; i < 40; i++)
        add(&ring, i, i % 2 == 0 ? 10 * GB : 20 * GB);
    shares(&ring, share);
    for (unsigned i = 0; i < 40; i++)
        *(i % 2 == 0 ? &small : &large) += share[i];
    /* twice the capacity, twice the load, within a tenth over twenty nodes each */
    assert_in_range(large * 100 / small, 180, 220);
    for (unsigned i = 0; i < 40; i++)
        assert_in_range(share[i], 1000000 / 60 / 2, 2 * 2 * 1000000 / 60);
    dfs_keyring_close(&ring);
}

/* A node that comes takes only what becomes its own; one that goes leaves it to all others. */
static void movement_is_minimal_and_spread(void **state)
{
    struct sequence sequence = {7};
    struct dfs_keyring ring;
    static uint16_t before[20000];
    static uint64_t hashes[20000];
    unsigned moved = 0;
    unsigned heirs[16] = {0};
    unsigned heirs_count = 0;

    (void)state;
    dfs_keyring_init(&ring, 64);
    for (uint16_t i = 0; i < 15; i++)
        add(&ring, i, GB);
    for (unsigned i = 0; i < 20000; i++) {
        hashes[i] = draw(&sequence);
        before[i] = dfs_keyring_at(&ring, hashes[i])->index;
    }
    add(&ring, 15, GB);
    for (unsigned i = 0; i < 20000; i++) {
        const uint16_t now = dfs_keyring_at(&ring, hashes[i])->index;

        if (now != before[i]) {
            assert_int_equal(now, 15);
            heirs[before[i]]++;
            moved++;
        }
    }
    assert_in_range(moved, 20000 / 16 / 2, 20000 / 16 * 2);
    for (unsigned i = 0; i < 15; i++)
        heirs_count += heirs[i] > 0;
    assert_int_equal(heirs_count, 15);
    dfs_keyring_remove(&ring, 15);
    for (unsigned i = 0; i < 20000; i++)
        assert_int_equal(dfs_keyring_at(&ring, hashes[i])->index, before[i]);
    dfs_keyring_close(&ring);
}

static void the_order_of_joining_does_not_matter(void **state)
{
    struct sequence sequence = {3};
    struct dfs_keyring up;
    struct dfs_keyring down;

    (void)state;
    dfs_keyring_init(&up, 32);
    dfs_keyring_init(&down, 32);
    for (uint16_t i = 0; i < 50; i++)
        add(&up, i, GB);
    for (uint16_t i = 50; i-- > 0;)
        add(&down, i, GB);
    for (unsigned i = 0; i < 1000; i++) {
        const uint64_t hash = draw(&sequence);

        assert_int_equal(dfs_keyring_at(&up, hash)->index, dfs_keyring_at(&down, hash)->index);
    }
    dfs_keyring_close(&up);
    dfs_keyring_close(&down);
}

static void add_twice(void)
{
    struct dfs_keyring ring;

    dfs_keyring_init(&ring, 4);
    add(&ring, 1, GB);
    add(&ring, 1, GB);
}

static void remove_absent(void)
{
    struct dfs_keyring ring;

    dfs_keyring_init(&ring, 4);
    dfs_keyring_remove(&ring, 1);
}

static void misuse_is_a_panic(void **state)
{
    (void)state;
    assert_true(panics(add_twice, "positions == NULL"));
    assert_true(panics(remove_absent, "dfs_keyring_has"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_joins_and_leaves_keep_it_sound),
        cmocka_unit_test(ten_thousand_sorted_joins_keep_it_logarithmic),
        cmocka_unit_test(positions_follow_capacity),
        cmocka_unit_test(shares_follow_capacity),
        cmocka_unit_test(movement_is_minimal_and_spread),
        cmocka_unit_test(the_order_of_joining_does_not_matter),
        cmocka_unit_test(misuse_is_a_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

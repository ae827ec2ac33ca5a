/* The map against a table of who is in. */
#include "tests/unit/base/check.h"

#include "core/base/map.h"

#include <stdlib.h>

#define VALUES 3000

struct value {
    uint64_t before; /* so that the key is not at the beginning */
    uint8_t key[20];
};

static void make_values(struct value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = (struct value){.before = i};
        memcpy(values[i].key, &i, sizeof i);
    }
}

static void init(struct dfs_map *map, uint64_t seed)
{
    dfs_map_init(map, offsetof(struct value, key), sizeof((struct value *)NULL)->key, seed);
}

static void an_empty_map_finds_and_removes_nothing(void **state)
{
    const uint8_t key[20] = {0};
    struct dfs_map map;

    (void)state;
    init(&map, 1);
    assert_null(dfs_map_find(&map, key));
    assert_null(dfs_map_remove(&map, key));
    assert_int_equal(map.count, 0);
    dfs_map_close(&map);
    assert_null(dfs_map_find(&map, key));
}

static void keys_are_compared_whole(void **state)
{
    struct value values[20] = {{.before = 0}};
    struct dfs_map map;

    (void)state;
    init(&map, 1);
    for (size_t i = 0; i < 20; i++) {
        values[i].key[i] = 1;
        dfs_map_insert(&map, &values[i]);
    }
    for (size_t i = 0; i < 20; i++)
        assert_ptr_equal(dfs_map_find(&map, values[i].key), &values[i]);
    dfs_map_close(&map);
}

static void check_against(const struct dfs_map *map, struct value *values, const bool *in)
{
    size_t count = 0;

    for (size_t i = 0; i < VALUES; i++) {
        assert_ptr_equal(dfs_map_find(map, values[i].key), in[i] ? &values[i] : NULL);
        count += in[i];
    }
    assert_int_equal(map->count, count);
}

static void play(uint64_t seed)
{
    static struct value values[VALUES];
    bool *in = calloc(VALUES, sizeof *in);
    struct sequence sequence = {seed};
    struct dfs_map map;

    make_values(values, VALUES);
    init(&map, seed);
    for (unsigned step = 0; step < 40000; step++) {
        const unsigned growing = step / 5000 % 2 == 0 ? 8 : 2; /* fill and drain by turns */
        const size_t i = draw_below(&sequence, VALUES);

        if (draw_below(&sequence, 10) >= growing)
            assert_ptr_equal(dfs_map_remove(&map, values[i].key), in[i] ? &values[i] : NULL);
        else if (!in[i])
            dfs_map_insert(&map, &values[i]);
        else
            assert_ptr_equal(dfs_map_find(&map, values[i].key), &values[i]);
        in[i] = dfs_map_find(&map, values[i].key) != NULL;
        if (step % 200 == 0)
            check_against(&map, values, in);
    }
    check_against(&map, values, in);
    dfs_map_close(&map);
    free(in);
}

static void any_sequence_of_insertions_and_removals_agrees_with_a_table(void **state)
{
    (void)state;
    for (uint64_t seed = 14; seed < 18; seed++)
        play(seed);
}

/* Tables of sixteen slots, half full, under many seeds: runs that wrap round the end are common, and each
 * removal has to close its hole. */
static void a_removal_hides_no_other_key_in_a_crowded_table(void **state)
{
    static struct value values[8];

    (void)state;
    make_values(values, 8);
    for (uint64_t seed = 0; seed < 6000; seed++) {
        struct dfs_map map;

        init(&map, seed);
        for (size_t i = 0; i < 8; i++)
            dfs_map_insert(&map, &values[i]);
        assert_int_equal(map.table.capacity, 16);
        for (size_t gone = 0; gone < 8; gone++) {
            assert_ptr_equal(dfs_map_remove(&map, values[gone].key), &values[gone]);
            assert_null(dfs_map_find(&map, values[gone].key));
            for (size_t i = gone + 1; i < 8; i++)
                assert_ptr_equal(dfs_map_find(&map, values[i].key), &values[i]);
        }
        assert_int_equal(map.count, 0);
        for (size_t i = 0; i < map.table.capacity; i++)
            assert_null(map.table.slots[i].value);
        dfs_map_close(&map);
    }
}

static void the_table_doubles_at_a_half(void **state)
{
    static struct value values[VALUES];
    struct dfs_map map;

    (void)state;
    make_values(values, VALUES);
    init(&map, 5);
    for (size_t i = 0; i < VALUES; i++) {
        dfs_map_insert(&map, &values[i]);
        assert_true(2 * map.count <= map.table.capacity);
        assert_true(map.table.capacity == 16 || 4 * map.count > map.table.capacity);
    }
    dfs_map_close(&map);
}

static void a_large_map_grows_a_few_entries_at_a_time(void **state)
{
    const size_t count = 200000;
    struct value *values = malloc(count * sizeof *values);
    struct dfs_map map;

    (void)state;
    make_values(values, count);
    init(&map, 6);
    for (size_t i = 0; i < count; i++) {
        const size_t capacity = map.table.capacity;
        const size_t left = map.old_count;

        dfs_map_insert(&map, &values[i]);
        if (map.table.capacity != capacity)
            assert_int_equal(map.old_count, i); /* doubled: nothing has moved yet */
        else
            assert_true(left - map.old_count < 500); /* a few and the rest of their run */
        assert_true(map.old.slots != NULL || map.old_count == 0);
    }
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(dfs_map_find(&map, values[i].key), &values[i]);
    dfs_map_close(&map);
    free(values);
}

/* Each moment of the moving is met: a table has just doubled, and its entries leave in every order of old and new. */
static void entries_are_found_and_removed_while_they_move(void **state)
{
    static struct value values[60];

    (void)state;
    make_values(values, 60);
    for (uint64_t seed = 0; seed < 2000; seed++) {
        const size_t count = 9 + seed % 44;
        struct sequence sequence = {seed};
        bool in[60] = {false};
        struct dfs_map map;

        init(&map, seed);
        for (size_t i = 0; i < count; i++) {
            dfs_map_insert(&map, &values[i]);
            in[i] = true;
        }
        while (map.count > 0) {
            const size_t i = draw_below(&sequence, count);

            assert_ptr_equal(dfs_map_remove(&map, values[i].key), in[i] ? &values[i] : NULL);
            in[i] = false;
            for (size_t k = 0; k < 60; k++)
                assert_ptr_equal(dfs_map_find(&map, values[k].key), in[k] ? &values[k] : NULL);
        }
        assert_int_equal(map.old_count, 0);
        dfs_map_close(&map);
    }
}

static void a_map_may_be_closed_while_its_entries_move_and_used_again(void **state)
{
    static struct value values[9];
    struct dfs_map map;

    (void)state;
    make_values(values, 9);
    init(&map, 1);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < 9; i++)
            dfs_map_insert(&map, &values[i]);
        assert_non_null(map.old.slots);
        dfs_map_close(&map);
        assert_null(dfs_map_find(&map, values[0].key));
    }
    dfs_map_close(&map);
}

static void insert_a_key_twice(void)
{
    struct value values[2] = {{.before = 1}, {.before = 2}};
    struct dfs_map map;

    init(&map, 1);
    dfs_map_insert(&map, &values[0]);
    dfs_map_insert(&map, &values[1]);
}

static void insert_a_key_twice_while_it_moves(void)
{
    struct value values[33]; /* the last one doubles a table of 64 */
    struct value twin;
    struct dfs_map map;
    size_t place;

    make_values(values, 33);
    init(&map, 1);
    for (size_t i = 0; i < 33; i++)
        dfs_map_insert(&map, &values[i]);
    DFS_ASSERT(map.old_count == 32);
    place = map.old_place;
    do
        place = (place + 63) % 64;
    while (map.old.slots[place].value == NULL); /* the last that will move */
    twin = *(struct value *)map.old.slots[place].value;
    dfs_map_insert(&map, &twin);
}

static void insert_nothing(void)
{
    struct dfs_map map;

    init(&map, 1);
    dfs_map_insert(&map, NULL);
}

/* A value whose key is changed behind the map's back still has the hash of the old one: only the comparison tells them apart. */
static void each_byte_of_a_key_counts_in_every_length(void **state)
{
    static const size_t lengths[] = {1, 8, 16, 20, 24, 26, 32};
    const uint8_t key[32] = {1, 2, 3};

    (void)state;
    for (size_t i = 0; i < 2 * (sizeof lengths / sizeof lengths[0]); i++) {
        const size_t length = lengths[i / 2];
        uint8_t value[40];
        struct dfs_map map;

        memcpy(value + 3, key, sizeof key);
        dfs_map_init(&map, 3, length, i % 2 == 0 ? 0 : 5);
        dfs_map_expect(&map, key); /* of an empty map: nothing */
        dfs_map_insert(&map, value);
        for (size_t k = 0; k < sizeof key; k++) {
            value[3 + k] ^= 0x80;
            dfs_map_expect(&map, key);
            assert_ptr_equal(dfs_map_find(&map, key), k < length ? NULL : value);
            value[3 + k] ^= 0x80;
            assert_ptr_equal(dfs_map_find(&map, key), value);
        }
        dfs_map_close(&map);
    }
}

/* How far the entries stand behind their places, together. */
static size_t distances(const struct dfs_map_table *table)
{
    size_t sum = 0;

    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].value != NULL)
            sum += (i - (size_t)(table->slots[i].hash >> table->shift)) & (table->capacity - 1);
    }
    return sum;
}

/* Without a seed: numbers that count up in any word of a key, or in its upper half, stand about as if they were random. */
static void keys_that_count_up_are_spread(void **state)
{
    struct counted {
        uint64_t words[3];
    };
    static struct counted values[8192]; /* what just fills the half of a table */
    const size_t count = sizeof values / sizeof values[0];

    (void)state;
    for (size_t words = 1; words <= 3; words++) {
        for (size_t at = 0; at < 2 * words; at++) {
            struct dfs_map map;

            memset(values, 0, sizeof values);
            dfs_map_init(&map, 0, 8 * words, 0);
            for (size_t i = 0; i < count; i++) {
                values[i].words[at / 2] = at % 2 == 0 ? i : (uint64_t)i << 32;
                dfs_map_insert(&map, &values[i]);
            }
            for (size_t i = 0; i < count; i++)
                assert_ptr_equal(dfs_map_find(&map, &values[i]), &values[i]);
            assert_int_equal(map.table.capacity, 2 * count);
            assert_true(distances(&map.table) < count); /* random ones: the half of that */
            dfs_map_close(&map);
        }
    }
}

static void a_key_twice_or_no_value_panics(void **state)
{
    (void)state;
    assert_true(panics(insert_a_key_twice, "find(map, entry.hash"));
    assert_true(panics(insert_a_key_twice_while_it_moves, "find(map, entry.hash"));
    assert_true(panics(insert_nothing, "value != NULL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_finds_and_removes_nothing),
        cmocka_unit_test(keys_are_compared_whole),
        cmocka_unit_test(any_sequence_of_insertions_and_removals_agrees_with_a_table),
        cmocka_unit_test(a_removal_hides_no_other_key_in_a_crowded_table),
        cmocka_unit_test(the_table_doubles_at_a_half),
        cmocka_unit_test(a_large_map_grows_a_few_entries_at_a_time),
        cmocka_unit_test(entries_are_found_and_removed_while_they_move),
        cmocka_unit_test(a_map_may_be_closed_while_its_entries_move_and_used_again),
        cmocka_unit_test(each_byte_of_a_key_counts_in_every_length),
        cmocka_unit_test(keys_that_count_up_are_spread),
        cmocka_unit_test(a_key_twice_or_no_value_panics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

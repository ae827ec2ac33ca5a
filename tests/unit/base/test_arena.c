/* Bump memory: zeroed, aligned, bounded, given back at once. */
#include "tests/unit/base/check.h"

#include "core/base/arena.h"

#include <stdalign.h>

static bool is_zero(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    struct sequence sequence = {19};
    struct dfs_arena arena;

    (void)state;
    dfs_arena_init(&arena, 1 << 20);
    for (unsigned round = 0; round < 20; round++) {
        struct {
            uint8_t *bytes;
            size_t count;
        } pieces[200];

        for (size_t i = 0; i < 200; i++) {
            const size_t size = 1 + draw_below(&sequence, 40);
            const size_t count = draw_below(&sequence, 60);

            pieces[i].bytes = dfs_arena_take(&arena, count, size);
            pieces[i].count = count * size;
            assert_non_null(pieces[i].bytes);
            assert_int_equal((uintptr_t)pieces[i].bytes % alignof(max_align_t), 0);
            assert_true(is_zero(pieces[i].bytes, pieces[i].count));
            memset(pieces[i].bytes, (int)(i + 1), pieces[i].count);
        }
        for (size_t i = 0; i < 200; i++) {
            for (size_t k = 0; k < pieces[i].count; k++)
                assert_int_equal(pieces[i].bytes[k], (uint8_t)(i + 1));
        }
        dfs_arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    dfs_arena_close(&arena);
}

static void no_more_than_the_limit_is_given(void **state)
{
    struct dfs_arena arena;

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        dfs_arena_init(&arena, 10000);
        assert_null(dfs_arena_take(&arena, 1, 10001));
        assert_non_null(dfs_arena_take(&arena, 1, 6000));
        assert_null(dfs_arena_take(&arena, 1, 4001));
        assert_non_null(dfs_arena_take(&arena, 250, 16));
        assert_int_equal(arena.used, 10000);
        assert_null(dfs_arena_take(&arena, 1, 1));
        assert_non_null(dfs_arena_take(&arena, 0, 16));
        dfs_arena_reset(&arena);
        assert_non_null(dfs_arena_take(&arena, 1, 10000));
        dfs_arena_close(&arena);
    }
}

static void raw_memory_counts_as_the_zeroed_does_and_keeps_what_was_in_it(void **state)
{
    struct dfs_arena arena;
    uint8_t *raw;

    (void)state;
    dfs_arena_init(&arena, 1000);
    raw = dfs_arena_take_raw(&arena, 3, 100);
    memset(raw, 0x5A, 300);
    assert_int_equal(arena.used, 304);
    assert_null(dfs_arena_take_raw(&arena, 700, 1));
    dfs_arena_reset(&arena);
    assert_ptr_equal(dfs_arena_take_raw(&arena, 3, 100), raw);
    assert_int_equal(raw[0], 0x5A);
    assert_int_equal(raw[299], 0x5A);
    dfs_arena_reset(&arena);
    assert_ptr_equal(dfs_arena_take(&arena, 3, 100), raw);
    assert_int_equal(raw[0], 0);
    assert_int_equal(raw[299], 0);
    dfs_arena_close(&arena);
}

static void nothing_is_still_a_pointer_even_without_a_limit_to_spend(void **state)
{
    struct dfs_arena arena;

    (void)state;
    dfs_arena_init(&arena, 0);
    assert_non_null(dfs_arena_take(&arena, 0, 8));
    assert_non_null(dfs_arena_take(&arena, 8, 0));
    assert_null(dfs_arena_take(&arena, 1, 1));
    dfs_arena_close(&arena);
}

static void a_product_that_overflows_is_refused(void **state)
{
    struct dfs_arena arena;

    (void)state;
    dfs_arena_init(&arena, SIZE_MAX);
    assert_null(dfs_arena_take(&arena, SIZE_MAX / 2 + 1, 2));
    assert_null(dfs_arena_take(&arena, 2, SIZE_MAX / 2 + 1));
    assert_null(dfs_arena_take(&arena, SIZE_MAX, 1));
    assert_null(dfs_arena_take(&arena, 1, SIZE_MAX - 3));
    assert_null(dfs_arena_take(&arena, SIZE_MAX / 3, SIZE_MAX / 3));
    assert_int_equal(arena.used, 0);
    dfs_arena_close(&arena);
}

static void the_largest_chunk_serves_the_next_message(void **state)
{
    struct dfs_arena arena;
    struct dfs_arena_chunk *kept;

    (void)state;
    dfs_arena_init(&arena, 1 << 20);
    dfs_arena_reset(&arena);
    assert_null(arena.chunks);
    assert_non_null(dfs_arena_take(&arena, 1, 100));
    assert_non_null(dfs_arena_take(&arena, 1, 50000));
    assert_non_null(dfs_arena_take(&arena, 1, 100000));
    kept = arena.chunks;
    dfs_arena_reset(&arena);
    assert_ptr_equal(arena.chunks, kept);
    for (unsigned i = 0; i < 100; i++)
        assert_non_null(dfs_arena_take(&arena, 10, 96));
    assert_ptr_equal(arena.chunks, kept);
    dfs_arena_close(&arena);
    assert_null(arena.chunks);
    dfs_arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(no_more_than_the_limit_is_given),
        cmocka_unit_test(raw_memory_counts_as_the_zeroed_does_and_keeps_what_was_in_it),
        cmocka_unit_test(nothing_is_still_a_pointer_even_without_a_limit_to_spend),
        cmocka_unit_test(a_product_that_overflows_is_refused),
        cmocka_unit_test(the_largest_chunk_serves_the_next_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

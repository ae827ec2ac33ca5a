/* Records: what was written is read, and nothing else is taken for a record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/meta/record.h"
#include "tests/support/sample.h"

static struct dfs_arena arena;
static struct dfs_arena decoded_arena;

static int set_up(void **state)
{
    (void)state;
    dfs_arena_init(&arena, DFS_DECODE_BYTES_MAX);
    dfs_arena_init(&decoded_arena, DFS_DECODE_BYTES_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dfs_arena_close(&arena);
    dfs_arena_close(&decoded_arena);
    return 0;
}

static void every_record_comes_back_as_it_was(void **state)
{
    (void)state;
    for (uint32_t number = 1; number <= META_RECORD_NUMBER_MAX; number++) {
        const struct dfs_layout *layout = meta_record_layout(number);
        union meta_any_record record;
        union meta_any_record back;
        enum meta_record_number back_number;
        uint8_t bytes[4096];
        uint8_t again[4096];
        struct dfs_wr w = dfs_wr_make(bytes, sizeof bytes);

        assert_non_null(layout);
        sample_fill(layout, &record, &arena, number);
        meta_record_encode((enum meta_record_number)number, &record, &w);
        assert_false(w.bad);
        assert_int_equal(dfs_wr_count(&w), meta_record_bytes((enum meta_record_number)number, &record));
        struct dfs_rd r = dfs_rd_make(bytes, dfs_wr_count(&w));

        assert_int_equal(meta_record_decode(&r, &decoded_arena, &back_number, &back), DFS_OK);
        assert_true(dfs_rd_done(&r));
        assert_int_equal(back_number, number);
        struct dfs_wr w2 = dfs_wr_make(again, sizeof again);

        meta_record_encode(back_number, &back, &w2);
        assert_int_equal(dfs_wr_count(&w2), dfs_wr_count(&w));
        assert_memory_equal(bytes, again, dfs_wr_count(&w));
        for (size_t cut = 0; cut < dfs_wr_count(&w); cut++) {
            r = dfs_rd_make(bytes, cut);
            assert_int_equal(meta_record_decode(&r, &decoded_arena, &back_number, &back), DFS_BAD_REQUEST);
        }
        dfs_arena_reset(&arena);
        dfs_arena_reset(&decoded_arena);
    }
}

static void numbers_that_are_no_records_are_refused(void **state)
{
    static const uint8_t unknown[][6] = {
        {0, 0, 0, 0, 0, 0}, {0, META_RECORD_NUMBER_MAX + 1, 0, 0, 0, 0}, {0xff, 0xff, 0, 0, 0, 0}};
    union meta_any_record record;
    enum meta_record_number number;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct dfs_rd r = dfs_rd_make(unknown[i], sizeof unknown[i]);

        assert_int_equal(meta_record_decode(&r, &decoded_arena, &number, &record), DFS_BAD_REQUEST);
    }
    static const uint8_t too_long[] = {0, META_RECORD_START, 0, 0, 0, 33};
    uint8_t bytes[64] = {0};

    memcpy(bytes, too_long, sizeof too_long); /* a START has 32 */
    struct dfs_rd r = dfs_rd_make(bytes, sizeof bytes);

    assert_int_equal(meta_record_decode(&r, &decoded_arena, &number, &record), DFS_BAD_REQUEST);
}

/* The disk format is a promise to the next version: one record of each kind that a journal of today holds. */
static void the_bytes_of_a_start_record_are_fixed(void **state)
{
    static const uint8_t golden[] = {0, 1, 0, 0, 0, 32,                                      /* number, length */
                                     1, 2, 3, 4, 5, 6,  7, 8, 9, 10, 11, 12, 13, 14, 15, 16, /* cluster */
                                     0, 0, 0, 0, 0, 0,  0, 9,                                /* epoch */
                                     0, 0, 0, 0, 0, 0,  1, 0};                               /* wall_ms */
    struct meta_r_start start = {.epoch = 9, .wall_ms = 256};
    uint8_t bytes[64];
    struct dfs_wr w = dfs_wr_make(bytes, sizeof bytes);

    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        start.cluster.bytes[i] = (uint8_t)(i + 1);
    meta_record_encode(META_RECORD_START, &start, &w);
    assert_int_equal(dfs_wr_count(&w), sizeof golden);
    assert_memory_equal(bytes, golden, sizeof golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_record_comes_back_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_that_are_no_records_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_bytes_of_a_start_record_are_fixed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

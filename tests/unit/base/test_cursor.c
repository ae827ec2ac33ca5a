/* Cursors never overrun, and their errors stick. */
#include "tests/unit/base/check.h"

#include "core/base/cursor.h"

#include <stdlib.h>

#define LENGTH_MAX 24

/* `count` bytes 1, 2, 3 ... in memory that ends where they end, so that a sanitizer sees one byte too many. */
static uint8_t *make_bytes(size_t count)
{
    uint8_t *bytes = malloc(count);

    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(i + 1);
    return bytes;
}

static uint64_t number_of(size_t first, size_t width)
{
    uint64_t value = 0;

    for (size_t i = 0; i < width; i++)
        value = value * 256 + first + i;
    return value;
}

static void numbers_are_read_until_the_bytes_end_and_never_beyond(void **state)
{
    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        for (size_t width = 1; width <= 8; width++) {
            uint8_t *bytes = make_bytes(length);
            struct dfs_rd r = dfs_rd_make(bytes, length);
            size_t at = 0;

            for (; at + width <= length; at += width) {
                assert_int_equal(dfs_rd_left(&r), length - at);
                assert_int_equal(dfs_rd_be(&r, width), number_of(at + 1, width));
            }
            assert_false(r.bad);
            assert_int_equal(dfs_rd_done(&r), at == length);
            assert_int_equal(dfs_rd_be(&r, width), 0);
            assert_true(r.bad);
            assert_false(dfs_rd_done(&r));
            free(bytes);
        }
    }
}

static void bytes_are_read_in_place_until_they_end(void **state)
{
    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        for (size_t count = 0; count <= LENGTH_MAX + 1; count++) {
            uint8_t *bytes = make_bytes(length);
            struct dfs_rd r = dfs_rd_make(bytes, length);

            if (count <= length) {
                assert_ptr_equal(dfs_rd_bytes(&r, count), bytes);
                assert_int_equal(dfs_rd_left(&r), length - count);
                assert_false(r.bad);
            } else {
                assert_null(dfs_rd_bytes(&r, count));
                assert_int_equal(dfs_rd_left(&r), length);
                assert_true(r.bad);
            }
            assert_int_equal(dfs_rd_done(&r), count == length);
            free(bytes);
        }
    }
}

static void a_bad_reader_stays_bad_though_bytes_are_left(void **state)
{
    static const uint8_t bytes[4] = {1, 2, 3, 4};
    struct dfs_rd r = dfs_rd_make(bytes, sizeof bytes);

    (void)state;
    assert_int_equal(dfs_rd_be(&r, 8), 0);
    assert_int_equal(dfs_rd_be(&r, 1), 0);
    assert_null(dfs_rd_bytes(&r, 0));
    assert_null(dfs_rd_bytes(&r, SIZE_MAX));
    assert_int_equal(dfs_rd_left(&r), 4);
    assert_false(dfs_rd_done(&r));
}

static void an_empty_reader_of_null_is_done(void **state)
{
    struct dfs_rd r = dfs_rd_make(NULL, 0);

    (void)state;
    assert_int_equal(dfs_rd_left(&r), 0);
    assert_true(dfs_rd_done(&r));
    (void)dfs_rd_bytes(&r, 0);
    assert_true(dfs_rd_done(&r));
    assert_int_equal(dfs_rd_be(&r, 1), 0);
    assert_true(r.bad);
}

static void numbers_are_written_until_the_room_ends_and_never_beyond(void **state)
{
    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        for (size_t width = 1; width <= 8; width++) {
            uint8_t *bytes = malloc(length);
            struct dfs_wr w = dfs_wr_make(bytes, length);
            size_t at = 0;

            for (; at + width <= length; at += width) {
                dfs_wr_be(&w, number_of(at + 1, width), width);
                assert_int_equal(dfs_wr_count(&w), at + width);
            }
            assert_false(w.bad);
            for (size_t i = 0; i < at; i++)
                assert_int_equal(bytes[i], i + 1);
            dfs_wr_be(&w, 7, width);
            assert_true(w.bad);
            assert_int_equal(dfs_wr_count(&w), at);
            free(bytes);
        }
    }
}

static void bytes_are_written_whole_or_not_at_all(void **state)
{
    uint8_t *source = make_bytes(LENGTH_MAX + 1);

    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        for (size_t count = 0; count <= LENGTH_MAX + 1; count++) {
            uint8_t *bytes = calloc(1, length + 1);
            struct dfs_wr w = dfs_wr_make(bytes, length);

            dfs_wr_bytes(&w, source, count);
            assert_int_equal(w.bad, count > length);
            assert_int_equal(dfs_wr_count(&w), count <= length ? count : 0);
            for (size_t i = 0; i <= length; i++)
                assert_int_equal(bytes[i], i < dfs_wr_count(&w) ? i + 1 : 0);
            free(bytes);
        }
    }
    free(source);
}

static void a_bad_writer_stays_bad_though_room_is_left(void **state)
{
    uint8_t bytes[4] = {0};
    struct dfs_wr w = dfs_wr_make(bytes, sizeof bytes);

    (void)state;
    dfs_wr_be(&w, 1, 8);
    dfs_wr_be(&w, 1, 1);
    dfs_wr_bytes(&w, "x", 1);
    dfs_wr_bytes(&w, NULL, 0);
    assert_true(w.bad);
    assert_int_equal(dfs_wr_count(&w), 0);
    assert_int_equal(bytes[0], 0);
}

static void an_empty_writer_of_null_takes_nothing(void **state)
{
    struct dfs_wr w = dfs_wr_make(NULL, 0);

    (void)state;
    dfs_wr_bytes(&w, NULL, 0);
    assert_false(w.bad);
    assert_int_equal(dfs_wr_count(&w), 0);
    dfs_wr_be(&w, 1, 1);
    assert_true(w.bad);
}

static void what_was_written_is_read_back(void **state)
{
    struct sequence sequence = {2};

    (void)state;
    for (unsigned round = 0; round < 1000; round++) {
        uint64_t values[20];
        size_t widths[20];
        uint8_t bytes[160];
        struct dfs_wr w = dfs_wr_make(bytes, sizeof bytes);
        struct dfs_rd r;

        for (size_t i = 0; i < 20; i++) {
            widths[i] = 1 + draw_below(&sequence, 8);
            values[i] = draw(&sequence) >> (64 - 8 * widths[i]);
            dfs_wr_be(&w, values[i], widths[i]);
        }
        assert_false(w.bad);
        r = dfs_rd_make(bytes, dfs_wr_count(&w));
        for (size_t i = 0; i < 20; i++)
            assert_true(dfs_rd_be(&r, widths[i]) == values[i]);
        assert_true(dfs_rd_done(&r));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_until_the_bytes_end_and_never_beyond),
        cmocka_unit_test(bytes_are_read_in_place_until_they_end),
        cmocka_unit_test(a_bad_reader_stays_bad_though_bytes_are_left),
        cmocka_unit_test(an_empty_reader_of_null_is_done),
        cmocka_unit_test(numbers_are_written_until_the_room_ends_and_never_beyond),
        cmocka_unit_test(bytes_are_written_whole_or_not_at_all),
        cmocka_unit_test(a_bad_writer_stays_bad_though_room_is_left),
        cmocka_unit_test(an_empty_writer_of_null_takes_nothing),
        cmocka_unit_test(what_was_written_is_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is given back is taken next, and a burst gives its memory back. */
#include "tests/unit/base/check.h"

#include "core/base/mem.h"
#include "core/base/stock.h"

#include <string.h>

#define BYTES 2000

static void the_last_given_is_taken_first(void **state)
{
    struct dfs_stock stock;
    void *a;
    void *b;

    (void)state;
    dfs_stock_init(&stock, BYTES);
    a = dfs_stock_take(&stock);
    b = dfs_stock_take(&stock);
    assert_ptr_not_equal(a, b);
    dfs_stock_give(&stock, a);
    dfs_stock_give(&stock, b);
    assert_ptr_equal(dfs_stock_take(&stock), b);
    assert_ptr_equal(dfs_stock_take(&stock), a);
    dfs_free(a);
    dfs_free(b);
    dfs_stock_close(&stock);
}

static void zeroed_is_zero_the_second_time_too(void **state)
{
    struct dfs_stock stock;
    uint8_t *bytes;

    (void)state;
    dfs_stock_init(&stock, BYTES);
    for (unsigned round = 0; round < 3; round++) {
        bytes = dfs_stock_take_zero(&stock);
        for (size_t i = 0; i < BYTES; i++)
            assert_int_equal(bytes[i], 0);
        memset(bytes, 0xff, BYTES);
        dfs_stock_give(&stock, bytes);
    }
    dfs_stock_close(&stock);
}

static void no_more_than_the_limit_is_kept(void **state)
{
    void *objects[DFS_STOCK_KEPT_MAX + 3];
    struct dfs_stock stock;

    (void)state;
    dfs_stock_init(&stock, BYTES);
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
        objects[i] = dfs_stock_take(&stock);
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
        dfs_stock_give(&stock, objects[i]);
    assert_int_equal(stock.kept_count, DFS_STOCK_KEPT_MAX);
    dfs_stock_close(&stock);
    assert_int_equal(stock.kept_count, 0);
}

static void too_small(void)
{
    struct dfs_stock stock;

    dfs_stock_init(&stock, sizeof(void *) - 1);
}

static void an_object_has_room_for_a_pointer(void **state)
{
    (void)state;
    assert_true(panics(too_small, "bytes >= sizeof(void *)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_given_is_taken_first),
        cmocka_unit_test(zeroed_is_zero_the_second_time_too),
        cmocka_unit_test(no_more_than_the_limit_is_kept),
        cmocka_unit_test(an_object_has_room_for_a_pointer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

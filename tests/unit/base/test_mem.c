/* Memory is there or the process ends. */
#include "tests/unit/base/check.h"

#include "core/base/mem.h"

static void nothing_is_still_a_pointer(void **state)
{
    void *pointers[] = {dfs_alloc(0),
                        dfs_alloc_zero(0),
                        dfs_alloc_zero_array(0, 8),
                        dfs_alloc_zero_array(8, 0),
                        dfs_alloc_aligned(64, 0),
                        dfs_realloc_array(NULL, 0, 8)};

    (void)state;
    for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
        assert_non_null(pointers[i]);
        dfs_free(pointers[i]);
    }
    dfs_free(NULL);
}

static void zeroed_memory_is_zero(void **state)
{
    uint8_t *bytes = dfs_alloc_zero(1000);
    uint64_t *numbers = dfs_alloc_zero_array(100, sizeof *numbers);

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(bytes[i], 0);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(numbers[i], 0);
    dfs_free(bytes);
    dfs_free(numbers);
}

static void aligned_memory_is_aligned(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
        void *memory = dfs_alloc_aligned(alignment, 3 * alignment);

        assert_int_equal((uintptr_t)memory % alignment, 0);
        dfs_free(memory);
    }
}

static void a_grown_array_keeps_its_elements(void **state)
{
    uint32_t *array = NULL;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        array = dfs_realloc_array(array, i + 1, sizeof *array);
        array[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    dfs_free(array);
}

static void take_more_than_can_be_counted(void)
{
    dfs_free(dfs_alloc_zero_array(SIZE_MAX / 8 + 1, 8));
}

static void grow_to_more_than_can_be_counted(void)
{
    dfs_free(dfs_realloc_array(NULL, 8, SIZE_MAX / 8 + 1));
}

static void align_to_three(void)
{
    dfs_free(dfs_alloc_aligned(3, 3));
}

static void align_a_part_of_a_page(void)
{
    dfs_free(dfs_alloc_aligned(4096, 100));
}

static void a_product_that_overflows_panics(void **state)
{
    (void)state;
    assert_true(panics(take_more_than_can_be_counted, "product"));
    assert_true(panics(grow_to_more_than_can_be_counted, "product"));
}

static void an_alignment_that_cannot_be_panics(void **state)
{
    (void)state;
    assert_true(panics(align_to_three, "dfs_alloc_aligned"));
    assert_true(panics(align_a_part_of_a_page, "dfs_alloc_aligned"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_still_a_pointer),      cmocka_unit_test(zeroed_memory_is_zero),
        cmocka_unit_test(aligned_memory_is_aligned),       cmocka_unit_test(a_grown_array_keeps_its_elements),
        cmocka_unit_test(a_product_that_overflows_panics), cmocka_unit_test(an_alignment_that_cannot_be_panics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

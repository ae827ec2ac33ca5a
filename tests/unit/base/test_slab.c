/* Objects of a slab lie apart, are aligned, and are taken again when they were given back. */
#include "tests/unit/base/check.h"

#include "core/base/slab.h"

#define OBJECTS 1000

static void objects_lie_apart_and_on_lines(void **state)
{
    uint8_t *objects[OBJECTS];
    struct dfs_slab slab;

    (void)state;
    dfs_slab_init(&slab, DFS_SLAB_LINE_BYTES);
    for (size_t i = 0; i < OBJECTS; i++) {
        objects[i] = dfs_slab_take(&slab);
        assert_int_equal((uintptr_t)objects[i] % DFS_SLAB_LINE_BYTES, 0);
        memset(objects[i], (int)(i % 251), DFS_SLAB_LINE_BYTES);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        for (size_t k = 0; k < DFS_SLAB_LINE_BYTES; k++)
            assert_int_equal(objects[i][k], i % 251);
    }
    dfs_slab_close(&slab);
}

static void what_is_given_back_is_taken_before_anything_new(void **state)
{
    void *objects[OBJECTS];
    struct dfs_slab slab;
    const void *fresh;

    (void)state;
    dfs_slab_init(&slab, 24);
    for (size_t i = 0; i < OBJECTS; i++)
        objects[i] = dfs_slab_take(&slab);
    fresh = slab.fresh;
    for (size_t i = 0; i < OBJECTS; i++)
        dfs_slab_give(&slab, objects[i]);
    for (size_t i = OBJECTS; i-- > 0;)
        assert_ptr_equal(dfs_slab_take(&slab), objects[i]);
    assert_ptr_equal(slab.fresh, fresh);
    assert_ptr_not_equal(dfs_slab_take(&slab), objects[0]);
    dfs_slab_close(&slab);
    assert_ptr_not_equal(dfs_slab_take(&slab), NULL); /* a closed one is an empty one */
    dfs_slab_close(&slab);
}

static void too_small(void)
{
    struct dfs_slab slab;

    dfs_slab_init(&slab, sizeof(void *) / 2);
}

static void too_large(void)
{
    struct dfs_slab slab;

    dfs_slab_init(&slab, DFS_SLAB_PAGE_BYTES);
}

static void sizes_have_bounds(void **state)
{
    (void)state;
    assert_true(panics(too_small, "bytes >= sizeof(void *)"));
    assert_true(panics(too_large, "DFS_SLAB_PAGE_BYTES"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_lie_apart_and_on_lines),
        cmocka_unit_test(what_is_given_back_is_taken_before_anything_new),
        cmocka_unit_test(sizes_have_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

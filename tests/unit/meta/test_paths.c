/* Paths in pools by length, found by an index, walked in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/meta/paths.h"

static struct meta_paths paths;

static int set_up(void **state)
{
    (void)state;
    meta_paths_init(&paths, 7);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    meta_paths_close(&paths);
    assert_int_equal(meta_paths_bytes(&paths), 0);
    return 0;
}

static void every_length_has_its_class(void **state)
{
    static meta_path_no numbers[DFS_PATH_BYTES_MAX + 1];
    char text[DFS_PATH_BYTES_MAX];

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t bytes = 1; bytes <= DFS_PATH_BYTES_MAX; bytes++) {
        numbers[bytes] = meta_paths_add(&paths, text, bytes);
        meta_paths_order(&paths, numbers[bytes], true);
    }
    assert_true(meta_paths_is_sound(&paths));
    const struct meta_path *path = meta_paths_at_least(&paths, "", 0);

    for (size_t bytes = 1; bytes <= DFS_PATH_BYTES_MAX; bytes++) {
        assert_int_equal(meta_paths_find(&paths, text, bytes), numbers[bytes]);
        assert_ptr_equal(path, meta_path_at(&paths, numbers[bytes])); /* a beginning comes first */
        assert_int_equal(path->text_bytes, bytes);
        assert_memory_equal(path->text, text, bytes);
        path = meta_paths_next(&paths, path);
    }
    assert_null(path);
    for (size_t bytes = 1; bytes <= DFS_PATH_BYTES_MAX; bytes += 2)
        meta_paths_remove(&paths, numbers[bytes]);
    assert_true(meta_paths_is_sound(&paths));
    for (size_t bytes = 1; bytes <= DFS_PATH_BYTES_MAX; bytes++)
        assert_int_equal(meta_paths_find(&paths, text, bytes), bytes % 2 == 0 ? numbers[bytes] : 0);
    for (size_t bytes = 2; bytes <= DFS_PATH_BYTES_MAX; bytes += 2)
        meta_paths_remove(&paths, numbers[bytes]);
}

static void only_what_is_in_the_order_is_walked(void **state)
{
    const meta_path_no a = meta_paths_add(&paths, "a", 1);
    const meta_path_no b = meta_paths_add(&paths, "b", 1);

    (void)state;
    assert_null(meta_paths_at_least(&paths, "", 0));
    meta_paths_order(&paths, b, true);
    meta_paths_order(&paths, b, true); /* it is already */
    assert_int_equal(paths.ordered, 1);
    assert_ptr_equal(meta_paths_at_least(&paths, "a", 1), meta_path_at(&paths, b));
    assert_int_equal(meta_paths_find(&paths, "a", 1), a);
    meta_paths_order(&paths, a, true);
    assert_ptr_equal(meta_paths_next(&paths, meta_path_at(&paths, a)), meta_path_at(&paths, b));
    meta_paths_order(&paths, b, false);
    assert_null(meta_paths_next(&paths, meta_path_at(&paths, a)));
    assert_int_equal(meta_paths_find(&paths, "b", 1), b);
    meta_paths_remove(&paths, a);
    meta_paths_remove(&paths, b);
}

enum { TEXTS = 4000 };

static struct {
    char text[64];
    meta_path_no number;
    bool ordered;
} texts[TEXTS];

static void walk_is_right(void)
{
    const struct meta_path *path = meta_paths_at_least(&paths, "", 0);
    uint32_t count = 0;
    uint32_t expected = 0;

    for (const struct meta_path *next; path != NULL; path = next, count++) {
        next = meta_paths_next(&paths, path);
        if (next != NULL)
            assert_true(meta_path_compare(path, next->text, next->text_bytes) < 0);
    }
    for (unsigned i = 0; i < TEXTS; i++) {
        expected += texts[i].ordered;
        assert_int_equal(meta_paths_find(&paths, texts[i].text, strlen(texts[i].text)), texts[i].number);
    }
    assert_int_equal(count, expected);
}

static void thousands_come_and_go(void **state)
{
    uint32_t random = 1;

    (void)state;
    for (unsigned i = 0; i < TEXTS; i++)
        (void)snprintf(texts[i].text, sizeof texts[i].text, "%.*s%u", (int)(i % 40),
                       "a/path/that/is/forty/characters/long/or/so", i * 2654435761u);
    for (unsigned i = 0; i < 60000; i++) {
        random = random * 1664525 + 1013904223;
        const unsigned at = (random >> 8) % TEXTS;

        if (texts[at].number == 0) {
            texts[at].number = meta_paths_add(&paths, texts[at].text, strlen(texts[at].text));
        } else if ((random >> 28) < 5) {
            meta_paths_remove(&paths, texts[at].number);
            texts[at].number = 0;
            texts[at].ordered = false;
        } else {
            texts[at].ordered = !texts[at].ordered;
            meta_paths_order(&paths, texts[at].number, texts[at].ordered);
        }
        if (i % 5000 == 0) {
            assert_true(meta_paths_is_sound(&paths));
            walk_is_right();
        }
    }
    assert_true(paths.index.buckets >= 2048); /* it grew with what came */
    for (unsigned i = 0; i < TEXTS; i++) {
        if (texts[i].number != 0)
            meta_paths_remove(&paths, texts[i].number);
    }
    assert_int_equal(paths.ordered, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_length_has_its_class, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_what_is_in_the_order_is_walked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(thousands_come_and_go, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

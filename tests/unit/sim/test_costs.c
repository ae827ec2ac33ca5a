/* What operations cost is in a file: whoever changes it changes the file too. */
#include "core/base/mem.h"
#include "sim/costs.h"
#include "sim/diff.h"
#include "sim/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *now;

static int count_once(void **state)
{
    size_t count = 0;

    (void)state;
    now = sim_costs_text(&count);
    assert_int_equal(strlen(now), count);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    dfs_free(now);
    return 0;
}

static void costs_are_those_of_the_golden(void **state)
{
    struct dfs_why why;
    char *golden = NULL;
    size_t count = 0;

    (void)state;
    if (sim_file_load(DFS_TESTS_DIR "/golden/costs.txt", &golden, &count, &why) != DFS_OK)
        fail_msg("%s", why.text);
    if (sim_diff_lines(stderr, golden, count, now, strlen(now)) > 0)
        fail_msg(
            "what operations cost has changed (- as it was, + as it is); if that is meant: dfs-sim costs --update");
    dfs_free(golden);
}

/* A figure of the text: the number behind `label` in the case that begins with `name`. */
static uint64_t figure(const char *name, const char *label)
{
    const char *at = strstr(now, name);

    assert_non_null(at);
    at = strstr(at, label);
    assert_non_null(at);
    return strtoull(at + strlen(label), NULL, 10);
}

/* What must be so whatever the golden says: bytes of a file go out once from the client, and once more for each further copy. */
static void figures_make_sense(void **state)
{
    (void)state;
    assert_int_equal(figure("PUT of 1 MB, 1 copy", " BLOCK_WRITTEN "), 4);
    assert_int_equal(figure("PUT of 1 MB, 3 copies", " BLOCK_WRITTEN "), 12);
    assert_int_equal(figure("PUT of 1 MB, 5 copies", " BLOCK_WRITTEN "), 20);
    assert_int_equal(figure("PUT of 1 MB, 3 copies", "disk of data  publish"), 12);
    assert_int_equal(figure("GET of 1 MB, 3 copies", " BLOCK_READ "), 4);
    assert_true(figure("eviction", "virtual time") > 1500000 && figure("eviction", "virtual time") < 3000000);
    assert_int_equal(figure("a minute", " HEARTBEAT "), 5 * 60);
    assert_int_equal(figure("a minute", " HEARTBEAT_ACK "), 5 * 60);
}

static size_t diff(char text[256], const char *old, const char *new)
{
    FILE *file = fmemopen(text, 256, "w");
    const size_t count = sim_diff_lines(file, old, strlen(old), new, strlen(new));

    (void)fclose(file);
    return count;
}

static void a_diff_names_what_only_one_has_and_where(void **state)
{
    char text[256] = "";

    (void)state;
    assert_int_equal(diff(text, "one\n  a\n  b\ntwo\n  c\n", "one\n  a\n  b\ntwo\n  d\n  e\n"), 3);
    assert_string_equal(text, "  two\n-   c\n+   d\n+   e\n");
    assert_int_equal(diff(text, "a\nb\n", "a\nb\n"), 0);
    assert_int_equal(diff(text, "", "a"), 1);
    assert_string_equal(text, "+ a\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_those_of_the_golden),
        cmocka_unit_test(figures_make_sense),
        cmocka_unit_test(a_diff_names_what_only_one_has_and_where),
    };

    return cmocka_run_group_tests(tests, count_once, forget);
}

/* The point of no return: the event that decides is found, branches have other futures and the same past, and it is the same every time. */
#include "core/base/mem.h"
#include "sim/why.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sim_why_result *search(const char *file, uint64_t seed, uint32_t suffixes, dfs_duration_ns time_ns)
{
    struct sim_source source;
    struct sim_why_result *result = dfs_alloc(sizeof *result);
    struct dfs_why why;
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", DFS_SOURCE_DIR, file);
    assert_int_equal(sim_source_load(&source, path, &why), DFS_OK);
    const struct sim_why_options options = {.source = &source, .seed = seed, .suffixes = suffixes, .time_ns = time_ns};

    if (sim_why(&options, result, &why) != DFS_OK)
        fail_msg("%s", why.text);
    sim_source_close(&source);
    return result;
}

/* The line of the trace at the point. */
static const char *line_at(const struct sim_why_result *result, const struct sim_why_search *search)
{
    static char line[1024];
    const char *at = result->context;

    for (uint64_t event = result->context_first; event < search->first; event++)
        at = strchr(at, '\n') + 1;
    (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}

static uint32_t survivors(const struct sim_why_search *search, uint64_t event)
{
    for (size_t i = 0; i < search->points_count; i++)
        if (search->points[i].event == event)
            return search->points[i].passed + search->points[i].otherwise;
    return 0;
}

static void assert_narrow(const struct sim_why_search *search, uint32_t suffixes)
{
    assert_true(search->found);
    assert_int_equal(search->first, search->last + 1);
    assert_true(survivors(search, search->last) > 0);
    assert_int_equal(search->more.failed, SIM_WHY_MORE * suffixes);
    for (size_t i = 0; i < search->points_count; i++) {
        const struct sim_why_point *point = &search->points[i];

        assert_int_equal(point->failed + point->passed + point->otherwise, suffixes);
        assert_int_equal(point->unknown, 0);
        assert_true(point->event < search->first || point->failed == suffixes);
    }
}

/* Whatever is drawn, all three disks rot: the last of them decides. */
static void a_written_fault_decides(void **state)
{
    struct sim_why_result *result = search("tests/why/every-copy-rots.json", 1, 4, 60 * DFS_SECONDS);
    const struct sim_why_search *calm = &result->searches[SIM_WHY_CALM];

    (void)state;
    assert_int_equal(result->verdict, SIM_FAIL);
    assert_non_null(strstr(result->words, "late ended with DATA_LOST"));
    assert_false(result->searches[SIM_WHY_DRAWN].survived);
    assert_false(result->searches[SIM_WHY_DRAWN].doubtful);
    assert_narrow(calm, 4);
    assert_int_equal(survivors(calm, 0), 4);
    assert_string_equal(line_at(result, calm), "     10.000000000 d3       fault      2: bit_rot takes hold");
    dfs_free(result);
}

/* The rot that the seed draws decides, not the written one after it; its moment is drawn anew until it has come. */
static void a_drawn_fault_decides(void **state)
{
    struct sim_why_result *result = search("tests/why/rot-drawn-early.json", 1, 8, 60 * DFS_SECONDS);
    const struct sim_why_search *drawn = &result->searches[SIM_WHY_DRAWN];

    (void)state;
    assert_narrow(drawn, 8);
    assert_int_equal(result->searches[SIM_WHY_CALM].points_count, 0);
    assert_non_null(strstr(line_at(result, drawn), " d2       fault      0: bit_rot takes hold"));
    assert_in_range(survivors(drawn, 0), 1, 7);
    dfs_free(result);
}

static void a_lost_message_decides(void **state)
{
    struct sim_why_result *result = search("tests/why/unlucky-heartbeats.json", 8, 16, 60 * DFS_SECONDS);
    struct sim_why_result *again = search("tests/why/unlucky-heartbeats.json", 8, 16, 60 * DFS_SECONDS);
    const struct sim_why_search *drawn = &result->searches[SIM_WHY_DRAWN];

    (void)state;
    assert_narrow(drawn, 16);
    assert_non_null(strstr(line_at(result, drawn), " d1       lost       -> meta     #0 HEARTBEAT{"));
    assert_string_equal(result->context, again->context);
    assert_int_equal(drawn->points_count, again->searches[SIM_WHY_DRAWN].points_count);
    for (size_t i = 0; i < drawn->points_count; i++) {
        const struct sim_why_point *other = &again->searches[SIM_WHY_DRAWN].points[i];

        assert_int_equal(drawn->points[i].event, other->event);
        assert_int_equal(drawn->points[i].failed, other->failed);
        assert_int_equal(drawn->points[i].passed, other->passed);
    }
    dfs_free(result);
    dfs_free(again);
}

static void a_run_that_passes_is_not_searched(void **state)
{
    struct sim_why_result *result = search("tests/why/unlucky-heartbeats.json", 1, 16, 60 * DFS_SECONDS);

    (void)state;
    assert_int_equal(result->verdict, SIM_PASS);
    assert_false(result->fails);
    assert_int_equal(result->branches, 0);
    dfs_free(result);
}

/* No time for any branch: nothing is claimed. */
static void without_time_nothing_is_known(void **state)
{
    struct sim_why_result *result = search("tests/why/every-copy-rots.json", 1, 4, 1);
    const struct sim_why_search *drawn = &result->searches[SIM_WHY_DRAWN];

    (void)state;
    assert_true(result->fails);
    assert_true(result->out_of_time);
    assert_false(drawn->found);
    assert_false(drawn->survived);
    assert_true(drawn->doubtful);
    assert_int_equal(result->branches, 0);
    dfs_free(result);
}

static void a_broken_scenario_is_refused(void **state)
{
    char text[] = "{\"dfs_scenario\":1,\"cluster\":{\"data\":\"x\"}}";
    const struct sim_source source = {.file = "broken.json", .bytes = text, .count = strlen(text)};
    const struct sim_why_options options = {.source = &source, .seed = 1, .suffixes = 1, .time_ns = 60 * DFS_SECONDS};
    struct sim_why_result *result = dfs_alloc(sizeof *result);
    struct dfs_why why;

    (void)state;
    assert_int_equal(sim_why(&options, result, &why), DFS_BAD_CONFIG);
    assert_non_null(strstr(why.text, "cluster.data"));
    dfs_free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_fault_decides),       cmocka_unit_test(a_drawn_fault_decides),
        cmocka_unit_test(a_lost_message_decides),        cmocka_unit_test(a_run_that_passes_is_not_searched),
        cmocka_unit_test(without_time_nothing_is_known), cmocka_unit_test(a_broken_scenario_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

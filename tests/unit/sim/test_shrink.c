/* A run as a file in which nothing is drawn, and the least file that still fails. */
#include "sim/report.h"
#include "sim/shrink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CLUSTER "\"cluster\":{\"data\":5,\"clients\":2,\"replication\":3},"
#define MIX \
    "{\"from\":\"0s\",\"to\":\"9s\",\"rate\":8,\"paths\":5,\"size\":{\"between\":[\"1KB\",\"90KB\"]}," \
    "\"mix\":{\"put\":4,\"get\":3,\"range_get\":1,\"stat\":1,\"list\":1,\"move\":1,\"remove\":1,\"abort_put\":1}}"

static const char drawn[] =
    "{\"dfs_scenario\":1,\"duration\":{\"one_of\":[\"10s\",\"11s\"]}," CLUSTER
    "\"network\":{\"latency\":{\"between\":[\"1ms\",\"3ms\"]},\"loss\":0.01},"
    "\"workload\":[" MIX ",{\"at\":\"2s\",\"put\":\"x\",\"id\":\"x\"}],"
    "\"faults\":[{\"at\":{\"between\":[\"1s\",\"4s\"]},\"pause\":{\"one_of\":[\"d1\",\"d2\"]},\"for\":\"2s\"},"
    "{\"at\":\"5s\",\"link\":{\"from\":\"d3\",\"to\":\"meta\",\"loss\":0.5},\"for\":\"1s\"},"
    "{\"on\":{\"event\":\"message\",\"from\":\"d4\",\"message\":\"HEARTBEAT\",\"nth\":3},"
    "\"partition\":[[\"d4\"],\"rest\"],\"one_way\":true,\"for\":\"1s\"}],"
    "\"expect\":[{\"operation\":\"x\",\"is\":\"OK\"}]}";

static const char random_faults[] =
    "{\"dfs_scenario\":1,\"duration\":\"10s\"," CLUSTER "\"workload\":[" MIX "],"
    "\"faults\":[{\"from\":\"1s\",\"to\":\"9s\",\"random\":{\"kinds\":[\"crash\",\"pause\",\"slow\"],"
    "\"count\":6}}]}";

static const char fails[] =
    "{\"dfs_scenario\":1,\"duration\":\"10s\"," CLUSTER "\"workload\":[" MIX "],\"faults\":["
    "{\"at\":\"1s\",\"pause\":\"d2\",\"for\":\"1s\"},{\"at\":\"3s\",\"crash\":\"d1\"},"
    "{\"at\":\"4s\",\"slow\":{\"host\":\"d3\"},\"for\":\"1s\"}],\"expect\":[{\"never_evicted\":\"d1\"}]}";

static char output[] = "/tmp/dfs-test-shrink-XXXXXX";

static struct sim_source source_of(const char *text)
{
    return (struct sim_source){.file = "test.json", .bytes = (char *)(uintptr_t)text, .count = strlen(text)};
}

/* The result of the file that was written. */
static json_t *replay(uint64_t seed)
{
    struct sim_source source;
    struct dfs_why why;

    assert_int_equal(sim_source_load(&source, output, &why), DFS_OK);
    const struct sim_job job = {.source = &source, .seed = seed};
    json_t *outcome = sim_job_run(&job);

    sim_source_close(&source);
    assert_non_null(json_object_get(outcome, "result"));
    return outcome;
}

static json_t *record(const char *text, uint64_t seed)
{
    struct sim_source source = source_of(text);
    const struct sim_job job = {.source = &source, .seed = seed, .record_file = output};
    json_t *outcome = sim_job_run(&job);

    assert_non_null(json_object_get(outcome, "result"));
    return outcome;
}

static const char *text_of(const json_t *outcome, const char *key)
{
    return json_string_value(json_object_get(json_object_get(outcome, "result"), key));
}

static void a_record_is_the_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        json_t *first = record(drawn, seed);
        json_t *again = replay(seed);
        json_t *file = json_load_file(output, 0, NULL);

        assert_string_equal(text_of(first, "trace_hash"), text_of(again, "trace_hash"));
        assert_string_equal(text_of(first, "verdict"), text_of(again, "verdict"));
        assert_true(json_array_size(json_object_get(file, "workload")) > 40);
        json_decref(file);
        json_decref(first);
        json_decref(again);
    }
}

static void random_faults_become_single_ones(void **state)
{
    json_t *first = record(random_faults, 4);
    json_t *again = replay(4);
    json_t *file = json_load_file(output, 0, NULL);
    const json_t *faults = json_object_get(file, "faults");

    (void)state;
    assert_true(json_array_size(faults) >= 2);
    for (size_t i = 0; i < json_array_size(faults); i++)
        assert_non_null(json_object_get(json_array_get(faults, i), "at"));
    assert_string_equal(text_of(first, "verdict"), text_of(again, "verdict"));
    json_decref(file);
    json_decref(first);
    json_decref(again);
}

static struct sim_shrink shrink_of(const struct sim_source *source, uint32_t workers)
{
    return (struct sim_shrink){
        .source = source, .seed = 2, .workers = workers, .time_ns = 60 * DFS_SECONDS, .output = output};
}

static void what_does_not_matter_goes(void **state)
{
    const struct sim_source source = source_of(fails);
    struct sim_shrink shrink = shrink_of(&source, 2);
    struct dfs_why why;

    (void)state;
    assert_int_equal(sim_shrink_run(&shrink, &why), DFS_OK);
    assert_true(shrink.works_before > 40);
    assert_int_equal(shrink.faults_before, 3);
    assert_int_equal(shrink.faults_after, 1);
    assert_int_equal(shrink.works_after, 0);
    json_t *again = replay(2);
    json_t *file = json_load_file(output, 0, NULL);

    assert_string_equal(text_of(again, "verdict"), "fail");
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(file, "faults"), 0), "crash")),
                        "d1");
    json_decref(again);
    json_decref(file);
}

static void what_passes_is_not_shrunk(void **state)
{
    const struct sim_source source = source_of(drawn);
    struct sim_shrink shrink = shrink_of(&source, 1);
    struct dfs_why why;

    (void)state;
    assert_int_equal(sim_shrink_run(&shrink, &why), DFS_NOT_FOUND);
    assert_non_null(strstr(why.text, "\"pass\""));
    assert_int_not_equal(access(output, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_the_run),
        cmocka_unit_test(random_faults_become_single_ones),
        cmocka_unit_test(what_does_not_matter_goes),
        cmocka_unit_test(what_passes_is_not_shrunk),
    };
    const int fd = mkstemp(output);

    if (fd < 0)
        return 1;
    (void)close(fd);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);

    (void)unlink(output);
    return failed;
}

/* A run as a file in which nothing is drawn, and the least file that still fails. */
#include "core/base/mem.h"
#include "sim/plainer.h"
#include "sim/record.h"
#include "sim/recording.h"
#include "sim/report.h"
#include "sim/scenario_write.h"
#include "sim/shrink.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Loss, repetition and disorder of datagrams, frames and handshakes; a fault that an event starts. */
static const char lossy[] =
    "{\"dfs_scenario\":1,\"duration\":\"20s\"," CLUSTER
    "\"network\":{\"latency\":{\"between\":[\"0.2ms\",\"3ms\"]},\"loss\":0.02,\"duplicate\":0.02,\"reorder\":0.05},"
    "\"workload\":[" MIX
    "],\"faults\":[{\"on\":{\"event\":\"put_acknowledged\",\"nth\":7},\"crash\":\"d2\",\"for\":\"4s\"},"
    "{\"at\":\"12s\",\"link\":{\"from\":\"d3\",\"to\":\"meta\",\"latency\":\"2ms\",\"loss\":0.3},\"for\":\"2s\"}]}";

static size_t count_of(const json_t *faults, const char *kind, const char *key)
{
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(faults); i++)
        count += json_object_get(json_object_get(json_array_get(faults, i), kind), key) != NULL;
    return count;
}

/* Nothing is lost any more but by faults that name the message, and it is the same run all the same. */
static void each_loss_becomes_a_fault(void **state)
{
    struct sim_source source = source_of(lossy);
    unsigned same = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        const struct sim_job plain = {.source = &source, .seed = seed};
        const struct sim_job job = {.source = &source, .seed = seed, .record_file = output};
        struct sim_recording recording;
        json_t *unrecorded = sim_job_run(&plain);
        json_t *outcome = sim_recording_run(&job, &recording);
        json_t *file = json_load_file(output, 0, NULL);
        const json_t *faults = json_object_get(file, "faults");

        /* Whoever listens changes nothing. */
        assert_string_equal(text_of(unrecorded, "trace_hash"), text_of(outcome, "trace_hash"));
        assert_int_not_equal(recording.end, SIM_RECORDING_OTHER);
        if (recording.detail == SIM_RECORD_ALL) {
            const json_t *off = json_object_get(json_array_get(faults, 0), "link");

            same++;
            assert_int_equal(recording.end, SIM_RECORDING_SAME);
            assert_int_equal(json_equal(json_object_get(json_object_get(outcome, "result"), "events"),
                                        json_object_get(recording.replay, "events")),
                             1);
            assert_true(json_number_value(json_object_get(off, "loss")) == 0.0);
            assert_string_equal(json_string_value(json_object_get(off, "from")), "all");
            assert_true(count_of(faults, "drop", "nth") >= 1);
            assert_true(count_of(faults, "delay", "by") >= 10);
            assert_true(count_of(faults, "duplicate", "message") >= 1);
            for (size_t i = 0; i < json_array_size(faults); i++)
                assert_null(json_object_get(json_array_get(faults, i), "on"));
        }
        sim_recording_close(&recording);
        json_decref(file);
        json_decref(outcome);
        json_decref(unrecorded);
    }
    assert_true(same >= 3);
}

/* What a record says of itself. */
static void words_say_why_the_hash_is_another(void **state)
{
    static const struct {
        struct sim_recording recording;
        const char *has;
    } cases[] = {
        {{.end = SIM_RECORDING_EQUAL}, "hash is the same\n"},
        {{.end = SIM_RECORDING_SAME, .detail = SIM_RECORD_ALL},
         "its trace hash is another, since the hash covers faults"},
        {{.end = SIM_RECORDING_EQUAL, .lossy = true}, "loss stays a probability"},
        {{.end = SIM_RECORDING_EQUAL, .triggers = true}, "triggers stay"},
        {{.end = SIM_RECORDING_OTHER}, "it ends with \"?\"\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = NULL;
        size_t count = 0;
        FILE *stream = open_memstream(&text, &count);

        assert_non_null(stream);
        sim_recording_print(stream, &cases[i].recording, "x.json");
        assert_int_equal(fclose(stream), 0);
        assert_non_null(strstr(text, "x.json is the run"));
        assert_non_null(strstr(text, cases[i].has));
        free(text);
    }
}

/* A machine that goes down in the middle of a step takes no record with it. */
static void an_aborted_run_leaves_its_record(void **state)
{
    static const char longer[] =
        "{\"dfs_scenario\":1,\"duration\":\"100d\",\"workload\":[{\"from\":\"0s\",\"rate\":2,\"paths\":5,"
        "\"size\":\"1KB\",\"mix\":{\"put\":1,\"get\":1}}]}";
    struct sim_source source = source_of(longer);
    const struct sim_job job = {.source = &source, .seed = 3, .record_file = output};
    json_t *outcome = NULL;
    json_t *file = NULL;

    (void)state;
    (void)unlink(output);
    /* Under a sanitizer, on a busy machine, a cluster takes its time to come up. */
    for (unsigned tenths = 3; json_array_size(json_object_get(file, "workload")) == 0 && tenths < 300; tenths *= 3) {
        struct sim_child child;

        json_decref(file);
        json_decref(outcome);
        assert_true(sim_child_start(&child, &job));
        (void)usleep(tenths * 100000);
        assert_int_equal(kill(child.pid, SIGSEGV), 0);
        while (!sim_child_read(&child))
            ;
        outcome = sim_child_end(&child);
        file = json_load_file(output, 0, NULL);
    }
    assert_string_equal(text_of(outcome, "verdict"), "aborted");
    assert_non_null(strstr(text_of(outcome, "reason"), "signal 11"));
    assert_true(json_array_size(json_object_get(file, "workload")) > 0);
    json_decref(file);
    json_decref(outcome);
}

static struct sim_shrink shrink_of(const struct sim_source *source, uint32_t workers)
{
    return (struct sim_shrink){
        .source = source, .seed = 2, .workers = workers, .time_ns = 600 * DFS_SECONDS, .output = output};
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

/* A claim that nothing came of: the fault that never took effect stays, the one that did goes. */
static void what_is_vacuous_is_shrunk(void **state)
{
    static const char vacuous[] =
        "{\"dfs_scenario\":1,\"duration\":\"10s\"," CLUSTER "\"workload\":[" MIX "],\"faults\":["
        "{\"at\":\"1s\",\"pause\":\"d2\",\"for\":\"1s\"},{\"at\":\"3s\",\"restart\":\"d4\"}]}";
    const struct sim_source source = source_of(vacuous);
    struct sim_shrink shrink = shrink_of(&source, 2);
    struct dfs_why why;

    (void)state;
    assert_int_equal(sim_shrink_run(&shrink, &why), DFS_OK);
    assert_string_equal(shrink.verdict, "vacuous");
    assert_non_null(strstr(shrink.way, "fault N (line N, restart) never took effect"));
    assert_int_equal(shrink.faults_after, 1);
    assert_int_equal(shrink.works_after, 0);
    json_t *again = replay(2);

    assert_string_equal(text_of(again, "verdict"), "vacuous");
    json_decref(again);
}

/* Hosts, copies, times: as few and as short as what happens needs. */
static void hosts_and_times_go_too(void **state)
{
    const struct sim_source source = source_of(fails);
    struct sim_shrink shrink = shrink_of(&source, 2);
    struct dfs_why why;

    (void)state;
    assert_int_equal(sim_shrink_run(&shrink, &why), DFS_OK);
    json_t *file = json_load_file(output, 0, NULL);
    const json_t *cluster = json_object_get(file, "cluster");

    assert_int_equal(json_integer_value(json_object_get(cluster, "data")), 1);
    assert_int_equal(json_integer_value(json_object_get(cluster, "clients")), 1);
    assert_int_equal(json_integer_value(json_object_get(cluster, "replication")), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(file, "faults"), 0), "unsynced")), "lose");
    json_decref(file);
}

/* If every step helps, they come to an end, and the file can be read at each. */
static void steps_lead_one_way(void **state)
{
    struct sim_scenario scenario;
    struct dfs_conf_error error;
    struct sim_source source;
    size_t taken = 0;

    (void)state;
    json_decref(record(lossy, 1));
    assert_int_equal(sim_source_load(&source, output, &(struct dfs_why){0}), DFS_OK);
    assert_int_equal(sim_source_read(&source, 1, &scenario, &error), DFS_OK);
    for (bool again = true; again;) {
        again = false;
        for (size_t kind = 0; kind < sim_plainer_kinds(); kind++) {
            for (size_t number = 0; number < sim_plainer_numbers(&scenario, kind); number++) {
                char *before = sim_scenario_text(&scenario);
                const bool step = sim_plainer_step(&scenario, kind, number);
                char *after = sim_scenario_text(&scenario);

                if (step && strcmp(before, after) != 0) {
                    again = true;
                    assert_true(++taken < 20000);
                }
                dfs_free(before);
                dfs_free(after);
            }
        }
    }
    assert_true(taken > 100);
    assert_int_equal(scenario.cluster.replication, 1);
    char *text = sim_scenario_text(&scenario);
    const struct sim_source least = {.file = "least", .bytes = text, .count = strlen(text)};
    struct sim_scenario read;

    assert_int_equal(sim_source_read(&least, 1, &read, &error), DFS_OK);
    sim_scenario_close(&read);
    sim_scenario_close(&scenario);
    sim_source_close(&source);
    dfs_free(text);
}

/* The output may be the scenario itself: it stays, and no record beside it. */
static void what_passes_is_not_shrunk(void **state)
{
    const struct sim_source source = source_of(drawn);
    struct sim_shrink shrink = shrink_of(&source, 1);
    struct dfs_why why;
    struct stat before, after;
    char record[sizeof output + 8];

    (void)state;
    (void)snprintf(record, sizeof record, "%s.record", output);
    assert_int_equal(stat(output, &before), 0);
    assert_int_equal(sim_shrink_run(&shrink, &why), DFS_NOT_FOUND);
    assert_non_null(strstr(why.text, "\"pass\""));
    assert_int_equal(stat(output, &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size);
    assert_int_not_equal(access(record, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_the_run),
        cmocka_unit_test(random_faults_become_single_ones),
        cmocka_unit_test(what_does_not_matter_goes),
        cmocka_unit_test(each_loss_becomes_a_fault),
        cmocka_unit_test(words_say_why_the_hash_is_another),
        cmocka_unit_test(an_aborted_run_leaves_its_record),
        cmocka_unit_test(what_is_vacuous_is_shrunk),
        cmocka_unit_test(hosts_and_times_go_too),
        cmocka_unit_test(steps_lead_one_way),
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

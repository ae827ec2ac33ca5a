/* Runs in processes of their own, and the command: results, verdicts, exit codes. */
#include "sim/job.h"
#include "sim/report.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/dfs-test-job-XXXXXX";

/* A file of that text in the test's folder; its name lives until the next call. */
static const char *file_with(const char *name, const char *text)
{
    static char path[256];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

static const char good[] = "{\"dfs_scenario\":1,\"duration\":\"5s\",\"workload\":[{\"at\":\"1s\",\"put\":\"x\"}]}";

static void a_child_says_its_result(void **state)
{
    struct sim_source source = {.file = "folder/good.json", .bytes = (char *)(uintptr_t)good, .count = sizeof good - 1};
    const struct sim_job job = {.source = &source, .seed = 5, .coverage = true};
    json_t *outcome = sim_job_run(&job);
    const json_t *result = json_object_get(outcome, "result");
    static const char *const keys[] = {"scenario",  "seed",     "verdict",    "trace_hash",   "virtual_ms",
                                       "events",    "messages", "violations", "expectations", "operations",
                                       "evictions", "repairs",  "stats"};

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_non_null(json_object_get(result, keys[i]));
    assert_int_equal(sim_result_verdict(result), SIM_PASS);
    assert_string_equal(json_string_value(json_object_get(result, "scenario")), "good");
    assert_int_equal(json_integer_value(json_object_get(result, "seed")), 5);
    assert_true(json_array_size(json_object_get(outcome, "coverage")) > 10);
    json_decref(outcome);
}

/* Whatever ends the process, the seed has a verdict. */
static void an_aborted_child_has_a_verdict(void **state)
{
    struct sim_source source = {.file = "good.json", .bytes = (char *)(uintptr_t)good, .count = sizeof good - 1};
    const struct sim_job job = {.source = &source, .seed = 5};
    struct sim_child child;

    (void)state;
    assert_true(sim_child_start(&child, &job));
    assert_int_equal(kill(child.pid, SIGKILL), 0);
    while (!sim_child_read(&child))
        ;
    json_t *outcome = sim_child_end(&child);
    const json_t *result = json_object_get(outcome, "result");

    assert_int_equal(sim_result_verdict(result), SIM_ABORTED);
    assert_non_null(strstr(json_string_value(json_object_get(result, "reason")), "signal 9"));
    json_decref(outcome);
}

/* --twice: equal hashes leave the verdict as it was, others are 5, and so is a second run that came to nothing. */
static void two_runs_are_compared(void **state)
{
    struct sim_source source = {.file = "good.json", .bytes = (char *)(uintptr_t)good, .count = sizeof good - 1};
    const struct sim_job job = {.source = &source, .seed = 5};
    const struct sim_job other_job = {.source = &source, .seed = 6};
    json_t *first = sim_job_run(&job);
    json_t *same = sim_job_run(&job);
    json_t *other = sim_job_run(&other_job);
    json_t *none = json_object();
    const json_t *result = json_object_get(first, "result");

    (void)state;
    sim_job_compare(first, same);
    assert_int_equal(sim_result_verdict(result), SIM_PASS);
    sim_job_compare(first, other);
    assert_int_equal(sim_result_verdict(result), SIM_NONDETERMINISTIC);
    assert_int_equal(sim_verdict_exit_code(sim_result_verdict(result)), 5);
    assert_non_null(strstr(json_string_value(json_object_get(result, "reason")),
                           json_string_value(json_object_get(json_object_get(other, "result"), "trace_hash"))));
    sim_job_compare(same, none);
    assert_int_equal(sim_result_verdict(json_object_get(same, "result")), SIM_NONDETERMINISTIC);
    json_decref(first);
    json_decref(same);
    json_decref(other);
    json_decref(none);
}

/* Runs the program; what it prints is in the folder's out. */
static int command(const char *arguments)
{
    char line[1024];
    const int length = snprintf(line, sizeof line, "cd %s && %s/dfs-sim %s >out 2>err", folder, DFS_BIN_DIR, arguments);

    assert_true(length > 0 && (size_t)length < sizeof line);
    const int status = system(line);

    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static json_t *printed(void)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/out", folder);
    return json_load_file(path, JSON_DISABLE_EOF_CHECK, NULL);
}

static void exit_codes(void **state)
{
    (void)state;
    (void)file_with("good.json", good);
    (void)file_with("bad.json", "{\"dfs_scenario\":1,\"workloda\":[]}");
    (void)file_with("fail.json", "{\"dfs_scenario\":1,\"duration\":\"5s\",\"workload\":[{\"at\":\"1s\",\"put\":\"x\"}],"
                                 "\"expect\":[{\"evicted\":\"d1\"}]}");
    (void)file_with("vacuous.json",
                    "{\"dfs_scenario\":1,\"duration\":\"5s\",\"workload\":[{\"at\":\"1s\",\"put\":\"x\"}],"
                    "\"faults\":[{\"at\":\"9s\",\"crash\":\"d1\"}]}");
    assert_int_equal(command("run good.json --seed 2"), 0);
    assert_int_equal(command("run good.json --twice"), 0);
    assert_int_equal(command("run fail.json"), 1);
    assert_int_equal(command("run bad.json"), 2);
    assert_int_equal(command("run vacuous.json"), 3);
    assert_int_equal(command("run nothing.json"), 7);
    assert_int_equal(command("run good.json --trace /nowhere/trace"), 7);
    assert_int_equal(command("run"), 2);
    assert_int_equal(command("walk good.json"), 2);
    assert_int_equal(command("run good.json --sede 1"), 2);
    assert_int_equal(command("check good.json fail.json"), 0);
    assert_int_equal(command("check good.json bad.json"), 2);
    assert_int_equal(command("check nothing.json"), 7);
    assert_int_equal(command("schema"), 0);
    assert_int_equal(command("--help"), 0);
    assert_int_equal(command("sweep good.json --seeds 1..3 -j 2"), 0);
    assert_int_equal(command("sweep good.json fail.json vacuous.json --seeds 1..2 -j 2"), 1);
    assert_int_equal(command("sweep good.json vacuous.json --seeds 1..2 -j 2"), 3);
    assert_int_equal(command("sweep bad.json --seeds 1..2"), 2);
    assert_int_equal(command("sweep good.json"), 2);
}

static void a_sweep_sums_up(void **state)
{
    (void)state;
    (void)file_with("good.json", good);
    assert_int_equal(command("sweep good.json --seeds 1..5 -j 2 --json --coverage edges --junit units"), 0);
    json_t *summary = printed();

    assert_int_equal(json_integer_value(json_object_get(summary, "seeds")), 5);
    assert_int_equal(json_integer_value(json_object_get(summary, "failed")), 0);
    assert_int_equal(json_integer_value(json_object_get(summary, "puts_acknowledged")), 5);
    json_decref(summary);
    /* a shard has its part: seeds 2 and 4 */
    assert_int_equal(command("sweep good.json --seeds 1..5 --shard 1/2 --json"), 0);
    summary = printed();
    assert_int_equal(json_integer_value(json_object_get(summary, "seeds")), 2);
    json_decref(summary);
    char path[256];

    (void)snprintf(path, sizeof path, "%s/edges", folder);
    json_t *edge = json_load_file(path, JSON_DISABLE_EOF_CHECK, NULL);

    assert_non_null(json_string_value(json_object_get(edge, "machine")));
    assert_true(json_integer_value(json_object_get(edge, "count")) > 0);
    json_decref(edge);
}

/* In a job of GitHub Actions the annotation is of the line that did not come about, and the hint names what to do next. */
static void a_failure_names_its_line(void **state)
{
    char path[256];
    char text[8192] = {0};

    (void)state;
    (void)file_with("lines.json",
                    "{\"dfs_scenario\":1,\"duration\":\"5s\",\"workload\":[{\"at\":\"1s\",\"put\":\"x\"}],\n"
                    "\"expect\":[{\"never_evicted\":\"d1\"},\n{\"evicted\":\"d1\"}]}");
    assert_int_equal(setenv("GITHUB_ACTIONS", "true", 1), 0);
    assert_int_equal(command("sweep lines.json --seeds 1..1"), 1);
    (void)unsetenv("GITHUB_ACTIONS");
    (void)snprintf(path, sizeof path, "%s/out", folder);
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    (void)fclose(file);
    assert_non_null(strstr(text, "::error file=lines.json,line=3,"));
    assert_non_null(strstr(text, "shrink lines.json --seed 1 -o small.json"));
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    char line[64];

    (void)state;
    (void)snprintf(line, sizeof line, "rm -r %s", folder);
    return system(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_says_its_result), cmocka_unit_test(an_aborted_child_has_a_verdict),
        cmocka_unit_test(two_runs_are_compared),   cmocka_unit_test(exit_codes),
        cmocka_unit_test(a_sweep_sums_up),         cmocka_unit_test(a_failure_names_its_line),
    };

    json_object_seed(1);
    return cmocka_run_group_tests(tests, setup, teardown);
}

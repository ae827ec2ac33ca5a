/* A scenario against real daemons: what has no real form, and how the answers of commands are judged. The commands are a script here. */
#include "sim/real/clients.h"
#include "sim/real/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void read_good(const char *text, struct sim_scenario *scenario)
{
    struct dfs_conf_error error = {.text = ""};

    if (sim_scenario_read(scenario, "test.json", text, strlen(text), 1, &error) != DFS_OK)
        fail_msg("%s", error.text);
}

static void no_form(const char *text, const char *word)
{
    struct sim_scenario scenario;
    struct dfs_why why;

    read_good(text, &scenario);
    assert_int_equal(sim_real_form(&scenario, &why), DFS_BAD_CONFIG);
    if (strstr(why.text, word) == NULL)
        fail_msg("\"%s\" is not in: %s", word, why.text);
    sim_scenario_close(&scenario);
}

static void what_only_the_simulator_can_do_is_named_with_its_line(void **state)
{
    struct sim_scenario scenario;
    struct dfs_why why;

    (void)state;
    no_form("{\"dfs_scenario\": 1,\n\"faults\": [{\"at\": \"1s\", \"clock\": {\"host\": \"d1\", \"offset\": \"5s\"}}]}",
            "line 2");
    no_form("{\"dfs_scenario\": 1,\n\"faults\": [{\"on\": {\"event\": \"evicted\"}, \"crash\": \"d1\"}]}", "\"on\"");
    no_form("{\"dfs_scenario\": 1,\n\n\"workload\": [{\"at\": \"1s\", \"put\": \"a\", \"token\": \"forged\"}]}",
            "line 3");
    read_good("{\"dfs_scenario\": 1, \"workload\": [{\"at\": \"1s\", \"put\": \"a\"}],"
              "\"faults\": [{\"at\": \"1s\", \"crash\": \"d1\"}]}",
              &scenario);
    assert_int_equal(sim_real_form(&scenario, &why), DFS_OK);
    sim_scenario_close(&scenario);
}

/* A `dfs` beside which files lie under their names; what `put` and `get` do after that is the test's. */
struct stage {
    struct sim_real_site home; /* where the script lies */
    struct sim_real_site site;
    struct sim_scenario scenario;
    struct sim_real_clients clients;
};

static void stage_open(struct stage *stage, const char *scenario, const char *put, const char *get)
{
    char program[SIM_REAL_PATH_BYTES];
    struct dfs_why why;

    assert_int_equal(sim_real_site_open(&stage->home, "./dfs-sim", &why), DFS_OK);
    sim_real_path(&stage->home, program, "dfs");
    FILE *file = fopen(program, "w");

    assert_non_null(file);
    (void)fprintf(file, "#!/bin/sh\nhere=${0%%/*}\ncase $1 in\nput) %s ;;\nget) %s ;;\nesac\n", put, get);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(program, 0700), 0);
    assert_int_equal(sim_real_site_open(&stage->site, program, &why), DFS_OK);
    read_good(scenario, &stage->scenario);
    sim_real_clients_init(&stage->clients, &stage->site, &stage->scenario, 1);
}

static void stage_run(struct stage *stage)
{
    while (!sim_real_clients_all_answered(&stage->clients) && sim_real_now(&stage->site) < 30 * DFS_SECONDS) {
        sim_real_clients_step(&stage->clients);
        sim_real_wait_tick();
    }
    assert_true(sim_real_clients_all_answered(&stage->clients));
}

static void stage_close(struct stage *stage)
{
    sim_real_clients_close(&stage->clients);
    sim_scenario_close(&stage->scenario);
    sim_real_site_close(&stage->site);
    sim_real_site_close(&stage->home);
}

static const char *message(const struct stage *stage, size_t number)
{
    return json_string_value(json_object_get(json_array_get(stage->clients.violations, number), "message"));
}

#define TWO_FILES \
    "{\"dfs_scenario\": 1, \"workload\": [" \
    "{\"at\": \"0s\", \"put\": \"a\", \"size\": \"1KB\"}, {\"at\": \"0s\", \"put\": \"b\", \"size\": \"2KB\"}," \
    "{\"at\": \"1s\", \"get\": \"a\", \"id\": \"a\"}, {\"at\": \"1s\", \"get\": \"b\", \"id\": \"b\"}]}"

/* `dfs put SOURCE PATH` has stored it, and its answer was lost: no version is known and no file. Bytes tell whose they are. */
static void files_of_puts_that_timed_out_may_be_read(void **state)
{
    struct stage stage;

    (void)state;
    stage_open(&stage, TWO_FILES,
               "cp \"$3\" \"$here/$4\"; echo \"dfs: put $4: TIMEOUT: no answer in time\" >&2; exit 3",
               "cp \"$here/$2\" \"$3\"");
    stage_run(&stage);
    if (json_array_size(stage.clients.violations) > 0)
        fail_msg("%s", message(&stage, 0));
    assert_int_equal(sim_real_clients_operation(&stage.clients, "a")->status, DFS_OK);
    assert_int_equal(sim_real_clients_operation(&stage.clients, "b")->status, DFS_OK);
    assert_int_equal(stage.clients.ledger.failed[SIM_OP_PUT], 2);
    stage_close(&stage);
}

static void bytes_that_nobody_has_put_are_found(void **state)
{
    struct stage stage;

    (void)state;
    stage_open(&stage, TWO_FILES, "cp \"$3\" \"$here/$4\"; echo \"[{\\\"version\\\": 1}]\"",
               "head -c 500 \"$here/$2\" >\"$3\"");
    stage_run(&stage);
    assert_int_equal(json_array_size(stage.clients.violations), 2);
    assert_non_null(strstr(message(&stage, 0), "bytes that nobody has put"));
    stage_close(&stage);
}

static void acknowledged_files_that_are_gone_are_found_by_the_audit(void **state)
{
    struct stage stage;

    (void)state;
    stage_open(&stage, "{\"dfs_scenario\": 1, \"workload\": [{\"at\": \"0s\", \"put\": \"a\"}]}",
               "echo \"[{\\\"version\\\": 1}]\"", "echo \"dfs: get $2: UNREACHABLE: no connection\" >&2; exit 3");
    stage_run(&stage);
    assert_int_equal(json_array_size(stage.clients.violations), 0);
    sim_real_clients_audit_begin(&stage.clients);
    sim_real_clients_audit_end(&stage.clients); /* not answered yet */
    assert_int_equal(json_array_size(stage.clients.violations), 1);
    stage_run(&stage);
    sim_real_clients_audit_end(&stage.clients);
    assert_int_equal(json_array_size(stage.clients.violations), 2);
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_the_simulator_can_do_is_named_with_its_line),
        cmocka_unit_test(files_of_puts_that_timed_out_may_be_read),
        cmocka_unit_test(bytes_that_nobody_has_put_are_found),
        cmocka_unit_test(acknowledged_files_that_are_gone_are_found_by_the_audit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

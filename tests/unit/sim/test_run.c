/* Runs of small scenarios: what becomes of steps and faults, and which verdict they end with. */
#include "core/base/mem.h"
#include "sim/copies.h"
#include "sim/expect.h"
#include "sim/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct story {
    struct sim_scenario scenario;
    struct sim_run *run;
};

static void play(struct story *story, const char *text, uint64_t seed)
{
    struct dfs_conf_error error = {.text = ""};
    const struct sim_run_options options = {.seed = seed, .coverage = true};

    if (sim_scenario_read(&story->scenario, "story", text, strlen(text), seed, &error) != DFS_OK)
        fail_msg("%s", error.text);
    story->run = sim_run_new(&story->scenario, &options);
    sim_run_go(story->run);
}

static void end(struct story *story)
{
    sim_run_free(story->run);
    sim_scenario_close(&story->scenario);
}

/* Plays it and expects the verdict; shows the reasons otherwise. */
static void ends_with(const char *text, enum sim_verdict_kind verdict, const char *word)
{
    struct story story;

    play(&story, text, 1);
    if (story.run->verdict != verdict || (word != NULL && strstr(story.run->reason, word) == NULL))
        fail_msg("%s instead of %s: %s%s", sim_verdict_name(story.run->verdict), sim_verdict_name(verdict),
                 story.run->reason, story.run->violations_count > 0 ? story.run->violations[0].message : "");
    end(&story);
}

#define HEAD "{\"dfs_scenario\":1,\"duration\":\"8s\",\"cluster\":{\"data\":4,\"clients\":2},"
#define PUT "{\"at\":\"1s\",\"client\":\"c1\",\"put\":\"x\",\"size\":\"300KB\",\"id\":\"put\"}"

static void a_file_is_put_read_and_audited(void **state)
{
    struct story story;

    (void)state;
    play(&story,
         HEAD "\"workload\":[" PUT ",{\"at\":\"3s\",\"client\":\"c2\",\"get\":\"x\"},"
              "{\"at\":\"4s\",\"range_get\":\"x\",\"range\":[150000,150099]},{\"at\":\"4s\",\"stat\":\"x\"},"
              "{\"at\":\"4s\",\"list\":\"\"},{\"at\":\"5s\",\"move\":\"x\",\"to_path\":\"y\"},"
              "{\"at\":\"6s\",\"get\":\"y\"},{\"at\":\"6s\",\"remove\":\"nothing\"},{\"at\":\"7s\",\"login\":\"c1\"}]}",
         3);
    assert_int_equal(story.run->verdict, SIM_PASS);
    assert_int_equal(story.run->ledger.put_acknowledged, 1);
    assert_int_equal(story.run->ledger.ok[SIM_OP_GET], 2);
    assert_int_equal(story.run->ledger.ok[SIM_OP_RANGE_GET], 1);
    assert_int_equal(story.run->ledger.ok[SIM_OP_STAT], 1);
    assert_int_equal(story.run->ledger.ok[SIM_OP_LIST], 1);
    assert_int_equal(story.run->ledger.ok[SIM_OP_MOVE], 1);
    assert_int_equal(story.run->ledger.ok[SIM_OP_LOGIN], 1);
    assert_int_equal(story.run->ledger.failed[SIM_OP_REMOVE], 1);
    assert_int_equal(story.run->audited, 1); /* y */
    assert_true(story.run->settled);
    end(&story);
}

/* Path coverage is told more, and the machines do the same. */
static void counting_paths_changes_nothing(void **state)
{
    static const char text[] = HEAD "\"workload\":[" PUT "],\"faults\":[{\"at\":\"3s\",\"crash\":\"d1\"}]}";
    struct dfs_conf_error error = {.text = ""};
    uint64_t hashes[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct sim_run_options options = {.seed = 9, .coverage = i != 0};
        struct sim_scenario scenario;

        assert_int_equal(sim_scenario_read(&scenario, "story", text, strlen(text), 9, &error), DFS_OK);
        struct sim_run *run = sim_run_new(&scenario, &options);

        sim_run_go(run);
        hashes[i] = sim_world_hash(run->world);
        assert_int_equal(run->coverage != NULL, i != 0);
        sim_run_free(run);
        sim_scenario_close(&scenario);
    }
    assert_true(hashes[0] == hashes[1]);
}

static void an_aborted_upload_is_aborted(void **state)
{
    struct story story;

    (void)state;
    play(&story,
         HEAD "\"workload\":[" PUT
              ",{\"at\":\"2s\",\"abort_put\":\"x\",\"size\":\"900KB\",\"after_bytes\":\"300KB\"}]}",
         1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    assert_int_equal(story.run->ledger.ok[SIM_OP_ABORT_PUT], 0);
    assert_int_equal(story.run->ledger.failed[SIM_OP_ABORT_PUT], 1);
    assert_int_equal(sim_ledger_operation(&story.run->ledger, 2)->status, DFS_ABORTED);
    assert_int_equal(story.run->audited, 1); /* the older x */
    end(&story);
}

/* Files that were replaced and whose copies are gone rest, and what could still be asked of them is known. */
static void what_is_gone_takes_little(void **state)
{
    struct story story;
    struct dfs_id file;

    (void)state;
    play(
        &story,
        "{\"dfs_scenario\":1,\"duration\":\"20s\",\"cluster\":{\"data\":4,\"clients\":2,\"config\":{\"trash_keep\":\"100ms\"}},"
        "\"workload\":[{\"from\":\"1s\",\"to\":\"19s\",\"rate\":20,\"paths\":3,\"size\":\"1KB\",\"mix\":{\"put\":3,\"get\":1}}]}",
        1);
    const struct sim_ledger *ledger = &story.run->ledger;

    assert_int_equal(story.run->verdict, SIM_PASS);
    assert_true(ledger->put_acknowledged > 200);
    assert_true(ledger->files.resting_count > 100);
    assert_true(ledger->files.count < 100);
    assert_null(sim_ledger_operation(ledger, 1));
    assert_true(ledger->running.next == &ledger->running);

    memcpy(&file, ledger->files.pages[0], sizeof file);
    const struct dfs_block_id id = {file, 0, 1};
    const struct sim_block *block = sim_copies_block(story.run->copies, &id);
    const struct sim_version *version = sim_copies_version_of(story.run->copies, &file);

    assert_non_null(block);
    assert_non_null(version);
    assert_true(version->committed && version->removed && !version->uncertain);
    assert_ptr_equal(version->blocks[0], block);
    assert_int_equal(block->length_bytes, 1000);
    assert_int_equal(block->holders_count, 3);
    assert_int_equal(block->holding, 0);
    end(&story);
}

static void a_mix_asks_as_often_as_it_says(void **state)
{
    struct story story;
    uint64_t asked = 0;

    (void)state;
    play(
        &story,
        HEAD
        "\"workload\":[{\"from\":\"1s\",\"to\":\"6s\",\"rate\":10,\"paths\":5,\"size\":\"1KB\",\"mix\":{\"put\":3,\"get\":1}}]}",
        1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    for (size_t kind = 0; kind < SIM_OP_COUNT; kind++) /* without those of the end */
        asked += story.run->ledger.ok[kind] + story.run->ledger.failed[kind];
    assert_int_equal(asked, 50);
    assert_true(story.run->ledger.ok[SIM_OP_PUT] > 25);
    end(&story);
}

/* ---- Verdicts ------------------------------------------------------------------------------------------------------ */

static void vacuous(void **state)
{
    (void)state;
    ends_with(HEAD "\"workload\":[" PUT "],\"faults\":[{\"at\":\"20s\",\"crash\":\"d1\"}]}", SIM_VACUOUS, "fault 0");
    ends_with(HEAD "\"workload\":[" PUT "],\"faults\":[{\"on\":{\"event\":\"evicted\"},\"pause\":\"d1\"}]}",
              SIM_VACUOUS, "never triggered");
    ends_with(HEAD "\"workload\":[" PUT
                   "],\"faults\":[{\"at\":\"1s\",\"drop\":{\"from\":\"c2\",\"message\":\"LEAVE\"}}]}",
              SIM_VACUOUS, "never took effect");
    ends_with(HEAD "\"workload\":[" PUT ",{\"at\":\"30s\",\"get\":\"x\"}]}", SIM_VACUOUS, "never asked");
    ends_with(HEAD "\"workload\":[{\"at\":\"2s\",\"put\":\"\",\"size\":\"1KB\"}]}", SIM_VACUOUS, "no PUT");
}

static void failed_expectations(void **state)
{
    (void)state;
    ends_with(HEAD "\"workload\":[" PUT "],\"expect\":[{\"operation\":\"put\",\"is\":\"NO_SPACE\"}]}", SIM_FAIL,
              "ended with OK");
    ends_with(HEAD "\"workload\":[" PUT "],\"expect\":[{\"evicted\":\"d1\"}]}", SIM_FAIL, "d1 was not evicted");
    ends_with(HEAD "\"workload\":[" PUT
                   "],\"faults\":[{\"at\":\"2s\",\"crash\":\"d1\"}],\"expect\":[{\"never_evicted\":\"data\"}]}",
              SIM_FAIL, "d1 was evicted");
    ends_with(HEAD "\"workload\":[" PUT "],\"expect\":[{\"event\":\"crashed\",\"at_least\":1}]}", SIM_FAIL,
              "0 crashed");
    ends_with(HEAD "\"workload\":[" PUT "],\"expect\":[{\"replicated\":\"z\",\"by\":\"5s\"}]}", SIM_FAIL, "replicated");
    ends_with(HEAD "\"workload\":[" PUT "],\"expect\":[{\"readable\":\"z\",\"at\":\"5s\"}]}", SIM_FAIL,
              "no acknowledged file");
    /* long repair_grace: the blocks are not whole in time */
    ends_with(
        "{\"dfs_scenario\":1,\"duration\":\"8s\",\"cluster\":{\"data\":4,\"config\":{\"repair_grace\":\"30s\"}},\"workload\":[" PUT
        "],\"faults\":[{\"at\":\"2s\",\"crash\":[\"d1\",\"d2\"]}],\"expect\":[{\"replicated\":\"all\",\"by\":\"2s\"}]}",
        SIM_FAIL, "replicated");
}

/* One word of a checker is enough, whatever else comes, and the first ones are kept. */
static void a_violation_fails_the_run(void **state)
{
    struct story story;

    (void)state;
    play(&story, HEAD "\"workload\":[" PUT "]}", 1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    sim_run_verdict(story.run, SIM_STUCK, "it spins");
    sim_run_violation(story.run, "copies", NULL, "number %d", 0);
    assert_int_equal(story.run->verdict, SIM_FAIL);
    sim_run_verdict(story.run, SIM_VACUOUS, "nothing was asked");
    assert_int_equal(story.run->verdict, SIM_FAIL);
    for (int i = 1; i < SIM_VIOLATIONS_MAX + 3; i++)
        sim_run_violation(story.run, "zones", NULL, "number %d", i);
    assert_int_equal(story.run->verdict, SIM_FAIL);
    assert_int_equal(story.run->violations_count, SIM_VIOLATIONS_MAX);
    assert_int_equal(story.run->violations_more, 3);
    assert_string_equal(story.run->violations[0].checker, "copies");
    assert_string_equal(story.run->violations[0].message, "number 0");
    end(&story);
}

static void stuck(void **state)
{
    (void)state;
    /* nobody may copy for longer than the time to settle */
    ends_with(
        "{\"dfs_scenario\":1,\"duration\":\"8s\",\"settle\":\"5s\",\"cluster\":{\"data\":4,\"config\":{\"repair_grace\":\"60s\"}},"
        "\"workload\":[" PUT
        ",{\"at\":\"1s\",\"put\":\"y\",\"size\":\"300KB\"},{\"at\":\"1s\",\"put\":\"z\",\"size\":\"300KB\"}],"
        "\"faults\":[{\"at\":\"3s\",\"crash\":\"d1\"}]}",
        SIM_STUCK, "fewer good copies");
}

/* ---- Faults -------------------------------------------------------------------------------------------------------- */

static uint64_t lives_of(const struct story *story, const char *host)
{
    return sim_host_lives(sim_world_host(story->run->world, host));
}

static void what_has_an_end_is_undone(void **state)
{
    struct story story;

    (void)state;
    play(
        &story,
        HEAD
        "\"workload\":[" PUT
        "],\"faults\":[{\"at\":\"2s\",\"crash\":\"d1\",\"for\":\"1s\"},{\"at\":\"3s\",\"pause\":\"d2\","
        "\"for\":\"1s\"},{\"at\":\"7s\",\"crash\":\"d3\",\"for\":\"60s\"},{\"at\":\"5s\",\"leave\":\"d4\",\"for\":\"2s\"}],"
        "\"expect\":[{\"event\":\"crashed\",\"at_least\":2,\"at_most\":2},{\"event\":\"restarted\",\"at_least\":3}]}",
        1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    assert_int_equal(lives_of(&story, "d1"), 2);
    assert_int_equal(lives_of(&story, "d2"), 1);
    assert_false(sim_host_is_paused(sim_world_host(story.run->world, "d2")));
    assert_int_equal(lives_of(&story, "d3"), 2); /* its minute ended with the scenario */
    assert_int_equal(lives_of(&story, "d4"), 2);
    end(&story);
}

static void triggers_fire_once_or_every_time(void **state)
{
    struct story story;

    (void)state;
    play(
        &story,
        HEAD
        "\"workload\":[" PUT ",{\"at\":\"2s\",\"put\":\"y\"},{\"at\":\"5s\",\"put\":\"z\"}],"
        "\"faults\":[{\"on\":{\"event\":\"put_acknowledged\"},\"crash\":\"d1\",\"for\":\"500ms\"},"
        "{\"on\":{\"event\":\"put_acknowledged\"},\"every\":true,\"after\":\"100ms\",\"crash\":\"d2\",\"for\":\"500ms\"},"
        "{\"on\":{\"event\":\"put_acknowledged\",\"nth\":3},\"crash\":\"d3\",\"for\":\"500ms\"}]}",
        1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    assert_int_equal(story.run->ledger.put_acknowledged, 3);
    assert_int_equal(lives_of(&story, "d1"), 2);
    assert_int_equal(lives_of(&story, "d2"), 4);
    assert_int_equal(lives_of(&story, "d3"), 2);
    end(&story);
}

static void messages_and_disk_operations_are_triggers(void **state)
{
    struct story story;

    (void)state;
    play(
        &story,
        HEAD
        "\"workload\":[" PUT
        ",{\"at\":\"6s\",\"put\":\"y\"}],\"faults\":[{\"on\":{\"event\":\"message\",\"from\":\"c1\",\"message\":\"PUT_COMMIT\"},"
        "\"crash\":\"meta\",\"for\":\"500ms\"},{\"on\":{\"event\":\"disk_operation\",\"host\":\"d1\",\"nth\":3},"
        "\"crash\":\"d1\",\"for\":\"500ms\"}],\"expect\":[{\"operation\":\"put\",\"is\":[\"OK\",\"UPLOAD_LOST\"]}]}",
        1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    assert_int_equal(lives_of(&story, "meta"), 2);
    assert_int_equal(lives_of(&story, "d1"), 2);
    end(&story);
}

static void each_kind_takes_hold_and_lets_go(void **state)
{
    /* of every kind that has no story of its own here; what they do is for the scenario files to say */
    static const char *const faults[] = {
        "{\"at\":\"2s\",\"slow\":{\"host\":\"d1\",\"factor\":3},\"for\":\"2s\"}",
        "{\"at\":\"2s\",\"partition\":[\"d1\",\"rest\"],\"for\":\"1s\"}",
        "{\"at\":\"2s\",\"partition\":[\"d1\",\"rest\"],\"one_way\":true,\"for\":\"1s\"}",
        "{\"at\":\"2s\",\"link\":{\"from\":\"d1\",\"to\":\"meta\",\"latency\":\"100ms\"},\"for\":\"2s\"}",
        "{\"at\":\"2s\",\"drop\":{\"message\":\"HEARTBEAT\",\"count\":2}}",
        "{\"at\":\"2s\",\"duplicate\":{\"message\":\"HEARTBEAT\",\"probability\":0.5},\"for\":\"3s\"}",
        "{\"at\":\"2s\",\"delay\":{\"from\":\"d1\",\"message\":\"HEARTBEAT\",\"by\":\"300ms\"},\"for\":\"2s\"}",
        "{\"at\":\"4500ms\",\"reset\":[\"d1\",\"meta\"]}",
        "{\"at\":\"3s\",\"stall\":[\"meta\",\"d1\"],\"for\":\"1s\"}",
        "{\"at\":\"3s\",\"half_open\":[\"d1\",\"meta\"]}",
        "{\"at\":\"2s\",\"clock\":{\"host\":\"d1\",\"offset\":\"-1h\",\"drift_ppm\":100},\"for\":\"2s\"}",
        "{\"at\":\"2s\",\"disk_full\":\"d1\",\"for\":\"1s\"}",
        "{\"at\":\"2s\",\"disk_slow\":{\"host\":\"d1\",\"factor\":5},\"for\":\"1s\"}",
        "{\"at\":\"500ms\",\"disk_error\":{\"host\":\"data\",\"operation\":\"create\",\"count\":1},\"for\":\"7s\"}",
        "{\"at\":\"500ms\",\"sync_error\":{\"host\":\"data\",\"count\":1},\"for\":\"7s\"}",
        "{\"at\":\"2s\",\"forge\":{\"message\":\"HEARTBEAT\",\"as\":\"d1\",\"count\":5}}",
        "{\"at\":\"2s\",\"replay\":{\"message\":\"HEARTBEAT\",\"of\":\"d1\",\"count\":5}}",
        "{\"at\":\"2s\",\"rotate_keys\":true}",
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        (void)snprintf(text, sizeof text,
                       HEAD "\"workload\":[" PUT
                            ",{\"rate\":10,\"size\":\"20KB\"}],\"faults\":[%s],\"expect\":[{\"never_evicted\":"
                            "\"data\"},{\"operation\":\"put\",\"is\":\"OK\"}]}",
                       faults[i]);
        ends_with(text, SIM_PASS, NULL);
    }
}

static void random_faults_stay_within_the_budget(void **state)
{
    (void)state;
    ends_with(
        "{\"dfs_scenario\":1,\"duration\":\"60s\",\"cluster\":{\"data\":5,\"clients\":2},\"workload\":[{\"rate\":5,\"size\":\"30KB\"}],"
        "\"faults\":[{\"random\":{\"kinds\":[\"crash\",\"pause\",\"partition\",\"link\",\"reset\",\"drop\",\"delay\",\"disk_slow\"],"
        "\"rate\":0.5,\"from\":\"2s\",\"to\":\"50s\"}}]}",
        SIM_PASS, NULL);
}

/* A probability of 0 is none of them, not all. */
static void a_probability_of_zero_hits_nothing(void **state)
{
    (void)state;
    ends_with(HEAD "\"workload\":[" PUT
                   "],\"faults\":[{\"at\":\"0s\",\"drop\":{\"message\":\"HEARTBEAT\",\"probability\":0}}]}",
              SIM_VACUOUS, "never took effect");
    ends_with(HEAD "\"workload\":[" PUT
                   "],\"faults\":[{\"at\":\"0s\",\"disk_error\":{\"host\":\"data\",\"probability\":0}}]}",
              SIM_VACUOUS, "never took effect");
}

/* One that ends does not end the others of its kind. */
static void overlapping_faults_end_one_by_one(void **state)
{
    struct story story;

    (void)state;
    play(
        &story,
        HEAD
        "\"workload\":[" PUT "],\"faults\":[{\"at\":\"2s\",\"clock\":{\"host\":\"d1\",\"offset\":\"1h\"}},"
        "{\"at\":\"3s\",\"clock\":{\"host\":\"d1\",\"offset\":\"10m\"},\"for\":\"1s\"},"
        "{\"at\":\"2s\",\"link\":{\"from\":\"d1\",\"to\":\"meta\",\"loss\":0.01}},"
        "{\"at\":\"3s\",\"link\":{\"from\":\"d1\",\"to\":\"data\",\"latency\":\"3ms\"}},"
        "{\"at\":\"3s\",\"link\":{\"from\":\"d1\",\"to\":\"meta\",\"latency\":\"3ms\"},\"for\":\"1s\"},"
        "{\"at\":\"2s\",\"crash\":\"d2\",\"for\":\"4s\"},{\"at\":\"4s\",\"restart\":\"d2\"},{\"at\":\"5s\",\"crash\":\"d2\"}]}",
        1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    struct sim_host *d1 = sim_world_host(story.run->world, "d1");
    struct sim_host *meta = sim_world_host(story.run->world, "meta");

    assert_int_equal((sim_host_wall(d1) - sim_host_wall(meta)) / DFS_SECONDS, 3600);
    assert_int_equal(sim_link_get(d1, meta)->loss_ppb, 10000000);
    assert_true(sim_link_get(d1, meta)->latency.max < 3 * DFS_MILLISECONDS);
    assert_int_equal(sim_link_get(d1, sim_world_host(story.run->world, "d3"))->latency.max, 3 * DFS_MILLISECONDS);
    assert_false(sim_host_is_up(sim_world_host(story.run->world, "d2"))); /* the second crash has no end */
    assert_int_equal(lives_of(&story, "d2"), 2);
    end(&story);
}

/* `offset` moves wall time only, `drift_ppm` both clocks. */
static void clocks_are_wrong_as_they_are_told(void **state)
{
    static const char *const words[] = {"\"offset\":\"-2h\"", "\"drift_ppm\":-100000"};

    (void)state;
    for (int drifts = 0; drifts < 2; drifts++) {
        struct story story;
        char text[1024];

        (void)snprintf(text, sizeof text,
                       HEAD "\"workload\":[" PUT "],\"faults\":[{\"at\":\"4s\",\"clock\":{\"host\":\"d1\",%s}}]}",
                       words[drifts]);
        struct dfs_conf_error error = {.text = ""};
        const struct sim_run_options options = {.seed = 1};

        assert_int_equal(sim_scenario_read(&story.scenario, "story", text, strlen(text), 1, &error), DFS_OK);
        story.run = sim_run_new(&story.scenario, &options);
        assert_true(sim_run_begin(story.run));
        const struct sim_host *d1 = sim_world_host(story.run->world, "d1");
        const dfs_time_ns mono = sim_host_mono(d1);
        const int64_t wall = (int64_t)sim_host_wall(d1);

        (void)sim_world_run(story.run->world, sim_run_world_time(story.run, 8 * DFS_SECONDS));
        const int64_t mono_passed = (int64_t)(sim_host_mono(d1) - mono);
        const int64_t wall_passed = (int64_t)sim_host_wall(d1) - wall;
        const int64_t s = (int64_t)DFS_SECONDS;

        assert_int_equal(mono_passed, drifts ? 8 * s - 4 * s / 10 : 8 * s);
        assert_int_equal(wall_passed, drifts ? 8 * s - 4 * s / 10 : 8 * s - 7200 * s);
        end(&story);
    }
}

/* `nth` and `count` count from the fault's start; a message trigger without a name is about any. */
static void messages_are_counted_from_the_start_of_the_fault(void **state)
{
    (void)state;
    ends_with(
        HEAD
        "\"workload\":[" PUT
        ",{\"at\":\"3s\",\"client\":\"c1\",\"stat\":\"x\",\"id\":\"a\"},{\"at\":\"4s\",\"client\":\"c1\",\"stat\":\"x\",\"id\":\"b\"},"
        "{\"at\":\"5s\",\"client\":\"c1\",\"stat\":\"x\",\"id\":\"c\"}],"
        "\"faults\":[{\"at\":\"3500ms\",\"delay\":{\"from\":\"c1\",\"message\":\"STAT\",\"nth\":2,\"by\":\"3s\"}},"
        "{\"on\":{\"event\":\"message\",\"from\":\"c1\",\"to\":\"meta\",\"nth\":5},\"pause\":\"d1\",\"for\":\"100ms\"}],"
        "\"expect\":[{\"operation\":\"a\",\"is\":\"OK\"},{\"operation\":\"c\",\"is\":\"OK\"},"
        "{\"event\":\"message\",\"from\":\"7s\",\"to\":\"8s\",\"at_least\":1},{\"event\":\"message\",\"from\":\"7s\",\"to\":\"7s\",\"at_most\":0},"
        "{\"event\":\"disk_operation\",\"to\":\"0s\",\"at_most\":0}]}",
        SIM_PASS, NULL);
}

/* A user who is not there does not get in. */
static void users_log_in_by_name(void **state)
{
    ends_with(
        HEAD "\"workload\":[" PUT
             ",{\"at\":\"2s\",\"login\":true,\"id\":\"own\"},{\"at\":\"3s\",\"login\":\"c2\",\"id\":\"other\"},"
             "{\"at\":\"4s\",\"login\":\"mallory\",\"id\":\"none\"}],\"expect\":[{\"operation\":\"own\",\"is\":\"OK\"},"
             "{\"operation\":\"other\",\"is\":\"OK\"},{\"operation\":\"none\",\"is\":\"LOGIN_FAILED\"}]}",
        SIM_PASS, NULL);
    (void)state;
}

/* Streams that are silent for a time go on where they were; half open ones are given up by the machines' own deadlines. */
static void streams_stall_and_stay_half_open(void **state)
{
    struct story story;

    (void)state;
    play(&story,
         HEAD "\"workload\":[" PUT ",{\"at\":\"3s\",\"client\":\"c1\",\"stat\":\"x\",\"id\":\"slow\"}],"
              "\"faults\":[{\"at\":\"2900ms\",\"stall\":[\"c1\",\"meta\"],\"for\":\"2s\"}],"
              "\"expect\":[{\"operation\":\"slow\",\"is\":\"OK\"}]}",
         1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    const struct sim_operation *stat = sim_ledger_operation(&story.run->ledger, 2);

    assert_in_range(stat->answered_at - story.run->zero, 4900 * DFS_MILLISECONDS, 6 * DFS_SECONDS);
    end(&story);
    ends_with(HEAD "\"workload\":[" PUT ",{\"at\":\"3s\",\"client\":\"c1\",\"stat\":\"x\",\"id\":\"stat\"}],"
                   "\"faults\":[{\"at\":\"2900ms\",\"half_open\":[\"meta\",\"c1\"]}],"
                   "\"expect\":[{\"operation\":\"stat\",\"is\":[\"OK\",\"TIMEOUT\",\"UNREACHABLE\"]}]}",
              SIM_PASS, NULL);
}

/* ---- Random faults ------------------------------------------------------------------------------------------------- */

struct watch {
    dfs_time_ns began[SIM_HOSTS_MAX];
    uint32_t down;
    uint32_t down_most;
    uint64_t crashes;
};

static void watch_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    struct watch *watch = state;
    const uint32_t number = sim_run_host_number(run, host);

    if (run->zero == DFS_NEVER)
        return;
    if (change == SIM_HOST_CRASHED) {
        assert_in_range(number, 2, 6); /* of the data servers */
        watch->began[number] = sim_run_time(run);
        watch->crashes++;
        watch->down++;
        watch->down_most = watch->down > watch->down_most ? watch->down : watch->down_most;
    } else if (change == SIM_HOST_STARTED) {
        const dfs_time_ns lasted = sim_run_time(run) - watch->began[number];

        watch->down--;
        assert_true(lasted <= 10 * DFS_SECONDS && (lasted >= DFS_SECONDS || run->over));
    }
}

static const struct sim_hooks watch_hooks = {.host_changed = watch_host};

static void attach_watch(struct sim_run *run, void *arg)
{
    sim_run_listen(run, "watch", &watch_hooks, arg);
}

/* Of the data servers, each 1 to 10 s, at most replication - 1 at a time, and all are up again. */
static void random_crashes_are_as_agreed(void **state)
{
    static const char text[] =
        "{\"dfs_scenario\":1,\"duration\":\"60s\",\"cluster\":{\"data\":5,\"clients\":2,\"replication\":3},"
        "\"workload\":[{\"rate\":2,\"size\":\"20KB\"}],\"faults\":[{\"random\":{\"kinds\":[\"crash\"],\"rate\":1,\"from\":\"2s\",\"to\":\"55s\"}}]}";

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct watch *watch = dfs_alloc_zero(sizeof *watch);
        const struct sim_run_options options = {.seed = seed, .attach = attach_watch, .attach_arg = watch};
        struct story story;
        struct dfs_conf_error error = {.text = ""};

        assert_int_equal(sim_scenario_read(&story.scenario, "story", text, strlen(text), seed, &error), DFS_OK);
        story.run = sim_run_new(&story.scenario, &options);
        sim_run_go(story.run);
        assert_int_equal(story.run->verdict, SIM_PASS);
        assert_true(watch->crashes >= 5);
        assert_int_equal(watch->down_most, 2);
        assert_int_equal(watch->down, 0);
        end(&story);
        dfs_free(watch);
    }
    /* one copy leaves no room for any */
    ends_with(
        "{\"dfs_scenario\":1,\"duration\":\"20s\",\"cluster\":{\"data\":3,\"replication\":1},\"workload\":[{\"rate\":2}],"
        "\"faults\":[{\"random\":{\"kinds\":[\"crash\"],\"count\":5}}]}",
        SIM_VACUOUS, "fault 0");
}

/* A bad token is one step's: those that come at the same time have a good one, or their own bad one. */
static void a_bad_token_is_one_steps(void **state)
{
    (void)state;
    ends_with(
        HEAD
        "\"workload\":[" PUT ",{\"at\":\"3s\",\"client\":\"c1\",\"get\":\"x\",\"token\":\"expired\",\"id\":\"a\"},"
        "{\"at\":\"3s\",\"client\":\"c1\",\"get\":\"x\",\"id\":\"b\"},{\"at\":\"3s\",\"client\":\"c1\",\"stat\":\"x\",\"token\":\"stolen\",\"id\":\"c\"},"
        "{\"at\":\"3001ms\",\"client\":\"c1\",\"stat\":\"x\",\"token\":\"none\",\"id\":\"d\"},{\"at\":\"3001ms\",\"client\":\"c1\",\"remove\":\"x\",\"id\":\"e\"}],"
        "\"expect\":[{\"operation\":\"a\",\"is\":\"TOKEN_EXPIRED\"},{\"operation\":\"b\",\"is\":[\"OK\",\"NOT_FOUND\"]},{\"operation\":\"c\",\"is\":\"TOKEN_NOT_YOURS\"},"
        "{\"operation\":\"d\",\"is\":\"TOKEN_MISSING\"},{\"operation\":\"e\",\"is\":\"OK\"}]}",
        SIM_PASS, NULL);
}

/* ---- Lines ----------------------------------------------------------------------------------------------------------- */

/* Who finds something wrong whenever a client hears an answer, a host dies, and at the end. */
static void blame(struct sim_run *run)
{
    sim_run_violation(run, "blamer", NULL, "something is wrong");
}

static void blame_answer(struct sim_run *run, void *state, const struct sim_operation *operation,
                         const struct dfs_client_result *result)
{
    (void)state, (void)result;
    if (!operation->audit)
        blame(run);
}

static void blame_death(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    (void)state, (void)host;
    if (change == SIM_HOST_CRASHED)
        blame(run);
}

static void blame_all(struct sim_run *run, void *state, bool settled)
{
    (void)state, (void)settled;
    blame(run);
}

static const struct sim_hooks blame_hooks = {.answered = blame_answer, .host_changed = blame_death, .end = blame_all};

static void attach_blame(struct sim_run *run, void *arg)
{
    sim_run_listen(run, "blamer", &blame_hooks, arg);
}

/* One after the other; several on one line count as one. */
static void lines_are(const char *text, const uint32_t *lines, size_t count)
{
    static unsigned nothing;
    const struct sim_run_options options = {.seed = 1, .attach = attach_blame, .attach_arg = &nothing};
    struct dfs_conf_error error = {.text = ""};
    struct story story;
    size_t seen = 0;

    if (sim_scenario_read(&story.scenario, "story", text, strlen(text), 1, &error) != DFS_OK)
        fail_msg("%s", error.text);
    story.run = sim_run_new(&story.scenario, &options);
    sim_run_go(story.run);
    for (size_t i = 0; i < story.run->violations_count; i++) {
        const uint32_t line = story.run->violations[i].line;

        if (i > 0 && line == story.run->violations[i - 1].line)
            continue;
        assert_true(seen < count);
        assert_int_equal(line, lines[seen++]);
    }
    assert_int_equal(seen, count);
    end(&story);
}

/* A violation is of the line of what happened last: a step, a fault when it begins and when it is undone, also one that was triggered. */
static void violations_know_their_line(void **state)
{
    static const uint32_t steps[] = {2, 5, 3, 5};
    static const uint32_t mixes[] = {2, 3};

    (void)state;
    lines_are(
        HEAD
        "\"workload\":[\n" PUT ",\n{\"at\":\"4s\",\"client\":\"c2\",\"get\":\"x\"}],\n"
        "\"faults\":[\n{\"on\":{\"event\":\"put_acknowledged\"},\"after\":\"1s\",\"crash\":\"d1\",\"for\":\"4s\"}]}",
        steps, sizeof steps / sizeof steps[0]);
    lines_are(
        HEAD
        "\"workload\":[\n{\"rate\":1,\"to\":\"5s\",\"size\":\"20KB\",\"mix\":{\"put\":1}}],\n\"faults\":[{\"at\":\"2s\",\"crash\":\"d1\"}]}",
        mixes, sizeof mixes / sizeof mixes[0]);
}

/* ---- How hosts die ------------------------------------------------------------------------------------------------- */

struct deaths {
    dfs_time_ns crashed_at;
    dfs_time_ns told_at; /* when metadata heard first that a stream is gone */
};

static void deaths_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    struct deaths *deaths = state;

    (void)host;
    if (change == SIM_HOST_CRASHED)
        deaths->crashed_at = sim_run_time(run);
}

static void deaths_closed(struct sim_run *run, void *state, const struct sim_connection *connection,
                          struct sim_host *told, enum dfs_status status)
{
    struct deaths *deaths = state;

    (void)connection, (void)status;
    if (deaths->crashed_at != DFS_NEVER && deaths->told_at == DFS_NEVER && strcmp(sim_host_name(told), "meta") == 0)
        deaths->told_at = sim_run_time(run);
}

static const struct sim_hooks deaths_hooks = {.host_changed = deaths_host, .connection_closed = deaths_closed};

static void attach_deaths(struct sim_run *run, void *arg)
{
    sim_run_listen(run, "deaths", &deaths_hooks, arg);
}

/* One process that ends resets its streams; several hosts in one fault lose power, and nobody is told; words say otherwise. */
static void streams_of_the_dead(void **state)
{
    static const struct {
        const char *fault;
        bool is_told;
    } cases[] = {
        {"\"crash\":\"d1\"", true},
        {"\"crash\":[\"d1\",\"d2\"]", false},
        {"\"crash\":\"d1\",\"streams\":\"silent\"", false},
        {"\"crash\":[\"d1\",\"d2\"],\"streams\":\"reset\"", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct deaths deaths = {DFS_NEVER, DFS_NEVER};
        const struct sim_run_options options = {.seed = 1, .attach = attach_deaths, .attach_arg = &deaths};
        struct story story;
        struct dfs_conf_error error = {.text = ""};
        char text[512];

        (void)snprintf(text, sizeof text, HEAD "\"workload\":[" PUT "],\"faults\":[{\"at\":\"4s\",%s}]}",
                       cases[i].fault);
        assert_int_equal(sim_scenario_read(&story.scenario, "story", text, strlen(text), 1, &error), DFS_OK);
        assert_int_equal(story.scenario.faults[0].unsynced, SIM_UNSYNCED_SEEDED);
        story.run = sim_run_new(&story.scenario, &options);
        sim_run_go(story.run);
        assert_int_equal(deaths.crashed_at, 4 * DFS_SECONDS);
        assert_true((deaths.told_at < 4 * DFS_SECONDS + 100 * DFS_MILLISECONDS) == cases[i].is_told);
        end(&story);
    }
}

/* Who is named in no group is not affected. */
static void partitions_are_of_those_who_are_named(void **state)
{
    ends_with(
        HEAD
        "\"workload\":[" PUT
        ",{\"at\":\"4s\",\"client\":\"c2\",\"get\":\"x\",\"id\":\"get\"},{\"at\":\"4s\",\"client\":\"c1\",\"stat\":\"x\",\"id\":\"cut\"}],"
        "\"faults\":[{\"at\":\"3s\",\"partition\":[[\"c1\"],[\"meta\"]],\"for\":\"2s\"},{\"at\":\"3s\",\"partition\":[[\"d1\"],[\"d2\",\"d3\"]],\"for\":\"4s\"}],"
        "\"expect\":[{\"never_evicted\":\"data\"},{\"operation\":\"get\",\"is\":\"OK\"},{\"readable\":\"x\",\"at\":\"4s\"}]}",
        SIM_PASS, NULL);
    (void)state;
}

/* ---- What is expected ---------------------------------------------------------------------------------------------- */

/* `replicated`: at a moment after the last fault was undone, or began for good. */
static void replicated_means_after_the_last_fault(void **state)
{
    (void)state;
    /* whole at 4 s, but a fault is undone later than that */
    ends_with(
        HEAD
        "\"workload\":[" PUT
        "],\"faults\":[{\"at\":\"3s\",\"pause\":\"d1\",\"for\":\"2s\"}],\"expect\":[{\"replicated\":\"all\",\"by\":\"4s\"}]}",
        SIM_FAIL, "the last fault was undone");
    ends_with(
        HEAD
        "\"workload\":[" PUT
        "],\"faults\":[{\"at\":\"3s\",\"pause\":\"d1\",\"for\":\"2s\"}],\"expect\":[{\"replicated\":\"x\",\"by\":\"6s\"}]}",
        SIM_PASS, NULL);
    /* with two servers left, two copies are all there can be */
    ends_with(
        "{\"dfs_scenario\":1,\"duration\":\"12s\",\"cluster\":{\"data\":3,\"config\":{\"repair_grace\":\"0s\"}},\"workload\":[" PUT
        "],\"faults\":[{\"at\":\"3s\",\"crash\":\"d1\"}],\"expect\":[{\"replicated\":\"all\",\"by\":\"12s\"}]}",
        SIM_PASS, NULL);
}

/* `readable`: the client that reads is one that no fault touches. */
static void readers_are_not_touched(void **state)
{
    (void)state;
    ends_with(
        HEAD
        "\"workload\":[" PUT
        "],\"faults\":[{\"at\":\"3s\",\"partition\":[[\"c1\"],[\"rest\"]]}],\"expect\":[{\"readable\":\"x\",\"at\":\"4s\"}]}",
        SIM_PASS, NULL);
    ends_with(HEAD "\"workload\":[" PUT
                   "],\"faults\":[{\"at\":\"3s\",\"crash\":\"data\"}],\"expect\":[{\"readable\":\"x\",\"at\":\"4s\"}]}",
              SIM_FAIL, "was not read within 30 s");
}

/* `duration` ends what has an end; what has none goes on. */
static void permanent_faults_stay(void **state)
{
    struct story story;

    (void)state;
    play(&story,
         HEAD "\"workload\":[" PUT
              "],\"faults\":[{\"at\":\"7900ms\",\"drop\":{\"from\":\"d1\",\"message\":\"HEARTBEAT\"}},"
              "{\"at\":\"1s\",\"drop\":{\"from\":\"clients\",\"message\":\"PUT_OPEN\",\"count\":1}}],"
              "\"expect\":[{\"evicted\":\"d1\",\"from\":\"8s\",\"to\":\"12s\"}]}",
         1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    assert_int_equal(story.run->audited,
                     1); /* the clients are no longer touched by the drop that has had its one message */
    end(&story);
}

/* The newest process of an identity has it; the copies are those on its disk. */
static void an_identity_has_one_holder(void **state)
{
    struct story story;

    (void)state;
    play(&story,
         HEAD "\"workload\":[" PUT
              ",{\"rate\":5,\"size\":\"20KB\"}],\"faults\":[{\"at\":\"3s\",\"impersonate\":\"d2\"}],"
              "\"expect\":[{\"replicated\":\"all\",\"by\":\"60s\"},{\"joined\":\"d2\",\"from\":\"3s\"}]}",
         1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    assert_non_null(sim_world_host(story.run->world, "d2-double-1"));
    end(&story);
}

/* A client that dies with its operations logs in again and goes on. */
static void clients_come_back(void **state)
{
    struct story story;

    (void)state;
    play(&story,
         HEAD "\"workload\":[" PUT
              ",{\"at\":\"2s\",\"put\":\"big\",\"size\":\"9MB\",\"id\":\"big\"},{\"at\":\"5s\",\"get\":\"x\"}],"
              "\"faults\":[{\"at\":\"2005ms\",\"crash\":\"c1\",\"for\":\"1s\"}]}",
         1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    assert_true(sim_ledger_operation(&story.run->ledger, 2)->lost);
    assert_int_equal(story.run->ledger.ok[SIM_OP_GET], 1);
    end(&story);
}

static void same_seed_same_run(void **state)
{
    static const char text[] = HEAD
        "\"network\":{\"loss\":0.01,\"reorder\":0.05},\"workload\":[{\"rate\":20,\"size\":{\"between\":[\"0B\",\"100KB\"]}}],"
        "\"faults\":[{\"at\":\"3s\",\"crash\":\"d1\",\"for\":\"2s\"}]}";
    uint64_t hashes[3];

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        struct story story;

        play(&story, text, i == 2 ? 8 : 7);
        assert_int_equal(story.run->verdict, SIM_PASS);
        hashes[i] = sim_world_hash(story.run->world);
        end(&story);
    }
    assert_true(hashes[0] == hashes[1]);
    assert_true(hashes[0] != hashes[2]);
}

/* They wait for each other, each under its own name. */
static void logins_at_once_keep_their_names(void **state)
{
    (void)state;
    ends_with(HEAD "\"workload\":[{\"at\":\"1s\",\"login\":true,\"id\":\"own\"},"
                   "{\"at\":\"1s\",\"login\":\"nobody\",\"id\":\"unknown\"},"
                   "{\"at\":\"1s\",\"login\":\"c2\",\"id\":\"other\"}],"
                   "\"expect\":[{\"operation\":\"own\",\"is\":\"OK\"},{\"operation\":\"other\",\"is\":\"OK\"},"
                   "{\"operation\":\"unknown\",\"is\":\"LOGIN_FAILED\"}]}",
              SIM_PASS, NULL);
}

/* Only a scrub would find it, and the next one comes in days; one that comes soon has to. */
static void rot_that_nobody_reads_is_no_lack_of_progress(void **state)
{
#define ROT "\"workload\":[" PUT "],\"faults\":[{\"at\":\"3s\",\"bit_rot\":{\"host\":\"data\",\"blocks\":1}}]"
    static const char by_count[] = ",\"expect\":[{\"event\":\"block_bad\",\"at_least\":1}]}";
    struct story story;

    (void)state;
    play(&story, HEAD ROT "}", 1);
    assert_int_equal(story.run->verdict, SIM_PASS);
    assert_true(story.run->settled);
    end(&story);
    play(&story, HEAD ROT ",\"expect\":[{\"replicated\":\"all\",\"by\":\"7s\"}]}", 1);
    assert_int_equal(story.run->verdict, SIM_FAIL); /* what counts there is that copies verify */
    end(&story);
    char text[1024];

    (void)snprintf(text, sizeof text,
                   "{\"dfs_scenario\":1,\"duration\":\"8s\",\"cluster\":{\"data\":4,\"clients\":2,"
                   "\"config\":{\"scrub_interval\":\"20s\",\"repair_grace\":\"0s\"}},%s%s",
                   ROT, by_count);
    ends_with(text, SIM_PASS, NULL);
#undef ROT
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_put_read_and_audited),
        cmocka_unit_test(counting_paths_changes_nothing),
        cmocka_unit_test(an_aborted_upload_is_aborted),
        cmocka_unit_test(what_is_gone_takes_little),
        cmocka_unit_test(a_mix_asks_as_often_as_it_says),
        cmocka_unit_test(vacuous),
        cmocka_unit_test(failed_expectations),
        cmocka_unit_test(a_violation_fails_the_run),
        cmocka_unit_test(stuck),
        cmocka_unit_test(what_has_an_end_is_undone),
        cmocka_unit_test(triggers_fire_once_or_every_time),
        cmocka_unit_test(messages_and_disk_operations_are_triggers),
        cmocka_unit_test(each_kind_takes_hold_and_lets_go),
        cmocka_unit_test(random_faults_stay_within_the_budget),
        cmocka_unit_test(permanent_faults_stay),
        cmocka_unit_test(a_probability_of_zero_hits_nothing),
        cmocka_unit_test(overlapping_faults_end_one_by_one),
        cmocka_unit_test(clocks_are_wrong_as_they_are_told),
        cmocka_unit_test(messages_are_counted_from_the_start_of_the_fault),
        cmocka_unit_test(users_log_in_by_name),
        cmocka_unit_test(streams_stall_and_stay_half_open),
        cmocka_unit_test(random_crashes_are_as_agreed),
        cmocka_unit_test(a_bad_token_is_one_steps),
        cmocka_unit_test(violations_know_their_line),
        cmocka_unit_test(streams_of_the_dead),
        cmocka_unit_test(partitions_are_of_those_who_are_named),
        cmocka_unit_test(replicated_means_after_the_last_fault),
        cmocka_unit_test(readers_are_not_touched),
        cmocka_unit_test(an_identity_has_one_holder),
        cmocka_unit_test(clients_come_back),
        cmocka_unit_test(logins_at_once_keep_their_names),
        cmocka_unit_test(rot_that_nobody_reads_is_no_lack_of_progress),
        cmocka_unit_test(same_seed_same_run),
    };

    json_object_seed(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The scenario language: what is read, what is drawn, and what is refused with file, line and key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/wire/message.h"
#include "sim/scenario.h"
#include "sim/scenario_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum dfs_status read_text(const char *text, uint64_t seed, struct sim_scenario *scenario,
                                 struct dfs_conf_error *error)
{
    return sim_scenario_read(scenario, "test.json", text, strlen(text), seed, error);
}

static void read_good(const char *text, uint64_t seed, struct sim_scenario *scenario)
{
    struct dfs_conf_error error = {.text = ""};
    const enum dfs_status status = read_text(text, seed, scenario, &error);

    if (status != DFS_OK)
        print_error("%s\n", error.text);
    assert_int_equal(status, DFS_OK);
}

/* The message must hold each of the words. */
static void refused(const char *text, const char *const *words)
{
    struct sim_scenario scenario;
    struct dfs_conf_error error = {.text = ""};

    assert_int_equal(read_text(text, 1, &scenario, &error), DFS_BAD_CONFIG);
    for (; *words != NULL; words++) {
        if (strstr(error.text, *words) == NULL)
            fail_msg("\"%s\" is not in: %s", *words, error.text);
    }
    sim_scenario_close(&scenario);
}

#define REFUSED(text, ...) \
    do { \
        static const char *const refused_words[] = {__VA_ARGS__, NULL}; \
        refused(text, refused_words); \
    } while (0)

/* ---- What is read -------------------------------------------------------------------------------------------------- */

static void defaults(void **state)
{
    struct sim_scenario scenario;

    (void)state;
    read_good("{\"dfs_scenario\": 1}", 1, &scenario);
    assert_int_equal(scenario.cluster.data, 5);
    assert_int_equal(scenario.cluster.clients, 2);
    assert_int_equal(scenario.cluster.replication, 3);
    assert_int_equal(scenario.cluster.settings.replication, 3);
    assert_int_equal(scenario.cluster.settings.scrypt_n, 16);
    assert_int_equal(scenario.duration_ns, INT64_C(60000000000));
    assert_int_equal(scenario.settle_ns, INT64_C(120000000000));
    assert_int_equal(scenario.network.latency.low, 200000);
    assert_int_equal(scenario.network.latency.high, 2000000);
    sim_scenario_close(&scenario);
}

/* The machines' bounds: what a daemon has, unless the file says less; what is written reads back. */
static void bounds(void **state)
{
    struct sim_scenario scenario;

    (void)state;
    read_good("{\"dfs_scenario\":1}", 1, &scenario);
    for (size_t i = 0; i < sim_bounds_table.count; i++) {
        const struct dfs_conf_key *row = &sim_bounds_table.rows[i];

        assert_int_equal(dfs_key_get(row, &scenario.cluster.bounds), row->max);
        assert_true(row->min < row->max && row->help[strlen(row->help) - 1] == '.');
    }
    sim_scenario_close(&scenario);
    read_good("{\"dfs_scenario\":1,\"cluster\":{\"bounds\":{\"data_writes\":4,\"meta_strays\":{\"between\":[1,9]}}}}",
              1, &scenario);
    assert_int_equal(scenario.cluster.bounds.data_writes, 4);
    assert_in_range(scenario.cluster.bounds.meta_strays, 1, 9);
    assert_int_equal(scenario.cluster.bounds.data_reads, 512);

    char *text = sim_scenario_text(&scenario);
    struct sim_scenario again;

    read_good(text, 1, &again);
    assert_memory_equal(&again.cluster.bounds, &scenario.cluster.bounds, sizeof again.cluster.bounds);
    dfs_free(text);
    sim_scenario_close(&again);
    sim_scenario_close(&scenario);

    /* Tables have names of their own in the schema: the bounds of "repairs" are others. */
    json_t *schema = sim_scenario_schema();
    const json_t *defs = json_object_get(schema, "$defs");

    assert_non_null(
        json_object_get(json_object_get(json_object_get(defs, "machine_bounds"), "properties"), "data_writes"));
    assert_non_null(json_object_get(json_object_get(json_object_get(defs, "bounds"), "properties"), "at_most"));
    json_decref(schema);

    REFUSED("{\"dfs_scenario\":1,\"cluster\":{\"bounds\":{\"data_writes\":3}}}", "data_writes", "4 to 256");
    REFUSED("{\"dfs_scenario\":1,\"cluster\":{\"bounds\":{\"data_write\":8}}}", "data_write", "data_writes");
}

static void workload(void **state)
{
    struct sim_scenario scenario;

    (void)state;
    read_good("{\"dfs_scenario\":1,\"workload\":["
              "{\"at\":\"1s\",\"client\":\"c2\",\"put\":\"a/b\",\"size\":\"1MB\",\"id\":\"one\",\"token\":\"stolen\"},"
              "{\"at\":\"2s\",\"range_get\":\"a/b\",\"range\":[10,\"1KB\"]},"
              "{\"at\":\"3s\",\"abort_put\":\"a/c\",\"size\":\"10KB\",\"after_bytes\":\"4KB\"},"
              "{\"rate\":2.5,\"mix\":{\"put\":1,\"move\":3},\"to\":\"9s\"}]}",
              1, &scenario);
    assert_int_equal(scenario.works_count, 4);
    assert_int_equal(scenario.works[0].kind, SIM_OP_PUT);
    assert_int_equal(scenario.works[0].client.index, 1);
    assert_int_equal(scenario.works[0].size.low, 1000000);
    assert_int_equal(scenario.works[0].token, SIM_TOKEN_STOLEN);
    assert_string_equal(scenario.works[0].id, "one");
    assert_int_equal(scenario.works[1].kind, SIM_OP_RANGE_GET);
    assert_int_equal(scenario.works[1].first, 10);
    assert_int_equal(scenario.works[1].last, 1000);
    assert_int_equal(scenario.works[2].after_bytes, 4000);
    assert_true(scenario.works[3].is_mix);
    assert_int_equal(scenario.works[3].rate_millionths, 2500000);
    assert_int_equal(scenario.works[3].weights[SIM_OP_MOVE], 3);
    assert_int_equal(scenario.works[3].clients.refs[0].kind, SIM_HOST_ALL_CLIENTS);
    sim_scenario_close(&scenario);
}

/* One of each kind, as the interfaces write it. */
static const char every_fault[] =
    "{\"dfs_scenario\":1,\"faults\":[\n"
    "{\"at\":\"1s\",\"crash\":\"d1\",\"unsynced\":\"torn\",\"streams\":\"silent\",\"for\":\"2s\"},\n"
    "{\"at\":\"1s\",\"restart\":\"d1\"},\n"
    "{\"at\":\"1s\",\"pause\":[\"d1\",\"meta\"],\"for\":\"1s\"},\n"
    "{\"at\":\"1s\",\"slow\":{\"host\":\"d1\",\"factor\":50}},\n"
    "{\"at\":\"1s\",\"leave\":\"d2\"},\n"
    "{\"at\":\"1s\",\"partition\":[[\"d1\",\"d2\"],\"rest\"],\"one_way\":true,\"for\":\"3s\"},\n"
    "{\"at\":\"1s\",\"link\":{\"from\":\"d1\",\"to\":\"meta\",\"loss\":0.5,\"latency\":{\"between\":[\"1ms\",\"9ms\"]}}},\n"
    "{\"at\":\"1s\",\"drop\":{\"from\":\"d1\",\"to\":\"meta\",\"message\":\"HEARTBEAT\",\"count\":3}},\n"
    "{\"at\":\"1s\",\"duplicate\":{\"message\":\"HEARTBEAT\",\"probability\":0.5}},\n"
    "{\"at\":\"1s\",\"delay\":{\"from\":\"c1\",\"to\":\"data\",\"message\":\"BLOCK_WRITE\",\"nth\":2}},\n"
    "{\"at\":\"1s\",\"reset\":[\"c1\",\"d2\"]},\n"
    "{\"at\":\"1s\",\"stall\":[\"c1\",\"data\"],\"for\":\"2s\"},\n"
    "{\"at\":\"1s\",\"half_open\":{\"from\":\"d1\",\"to\":\"meta\"}},\n"
    "{\"at\":\"1s\",\"clock\":{\"host\":\"d1\",\"offset\":\"-30s\",\"drift_ppm\":-100}},\n"
    "{\"at\":\"1s\",\"bit_rot\":{\"host\":\"d1\",\"blocks\":2}},\n"
    "{\"at\":\"1s\",\"disk_full\":\"d1\"},\n"
    "{\"at\":\"1s\",\"disk_error\":{\"host\":\"d1\",\"operation\":\"sync\",\"probability\":0.1}},\n"
    "{\"at\":\"1s\",\"disk_slow\":\"d1\"},\n"
    "{\"at\":\"1s\",\"disk_vanish\":\"d1\"},\n"
    "{\"at\":\"1s\",\"disk_stale\":\"d1\"},\n"
    "{\"at\":\"1s\",\"disk_misdirect\":{\"host\":\"d1\",\"count\":1}},\n"
    "{\"at\":\"1s\",\"sync_error\":\"d1\"},\n"
    "{\"at\":\"1s\",\"impersonate\":\"d1\"},\n"
    "{\"at\":\"1s\",\"forge\":{\"message\":\"HEARTBEAT\",\"as\":\"d1\",\"count\":5}},\n"
    "{\"at\":\"1s\",\"replay\":{\"message\":\"HEARTBEAT\",\"of\":\"d1\",\"count\":5}},\n"
    "{\"at\":\"1s\",\"rotate_keys\":true},\n"
    "{\"at\":\"1s\",\"corrupt\":{\"from\":\"c1\",\"count\":1}},\n"
    "{\"random\":{\"kinds\":[\"crash\",\"pause\"],\"rate\":0.2,\"from\":\"1s\",\"to\":\"9s\"}}\n"
    "]}";

static void faults(void **state)
{
    struct sim_scenario scenario;

    (void)state;
    read_good(every_fault, 1, &scenario);
    assert_int_equal(scenario.faults_count, SIM_FAULT_COUNT);
    for (unsigned kind = 0; kind < SIM_FAULT_COUNT; kind++) {
        assert_int_equal(scenario.faults[kind].kind, kind);
        assert_int_equal(scenario.faults[kind].line, kind + 2);
    }
    assert_int_equal(scenario.faults[SIM_FAULT_CRASH].unsynced, SIM_UNSYNCED_TORN);
    assert_int_equal(scenario.faults[SIM_FAULT_SLOW].factor, 50);
    assert_int_equal(scenario.faults[SIM_FAULT_PAUSE].hosts.count, 2);
    assert_int_equal(scenario.faults[SIM_FAULT_PARTITION].groups[1].refs[0].kind, SIM_HOST_REST);
    assert_true(scenario.faults[SIM_FAULT_PARTITION].one_way);
    assert_int_equal(scenario.faults[SIM_FAULT_LINK].network.loss_ppb, 500000000);
    assert_false(scenario.faults[SIM_FAULT_LINK].network.bandwidth_seen);
    assert_int_equal(scenario.faults[SIM_FAULT_DROP].message, DFS_MSG_HEARTBEAT);
    assert_int_equal(scenario.faults[SIM_FAULT_DELAY].nth, 2);
    assert_true(scenario.faults[SIM_FAULT_DELAY].by_ns > 0);
    assert_int_equal(scenario.faults[SIM_FAULT_CLOCK].offset_ns, INT64_C(-30000000000));
    assert_int_equal(scenario.faults[SIM_FAULT_DISK_ERROR].operation, 1 + DFS_DISK_SYNC);
    assert_true(scenario.faults[SIM_FAULT_DISK_SLOW].factor > 1);
    assert_int_equal(scenario.faults[SIM_FAULT_RANDOM].random.kinds, 1u << SIM_FAULT_CRASH | 1u << SIM_FAULT_PAUSE);
    sim_scenario_close(&scenario);
}

static void keys_are_rotated_by_auth(void **state)
{
    struct sim_scenario scenario;

    (void)state;
    read_good("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"2s\",\"rotate_keys\":{}},"
              "{\"at\":\"2s\",\"rotate_keys\":true},{\"at\":\"2s\",\"rotate_keys\":\"auth\"}]}",
              1, &scenario);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(scenario.faults[i].hosts.refs[0].kind, SIM_HOST_AUTH);
    sim_scenario_close(&scenario);
}

static void triggers(void **state)
{
    struct sim_scenario scenario;

    (void)state;
    read_good(
        "{\"dfs_scenario\":1,\"faults\":["
        "{\"on\":{\"event\":\"evicted\",\"host\":\"d3\"},\"after\":\"200ms\",\"crash\":\"meta\",\"for\":\"1s\"},"
        "{\"on\":{\"event\":\"message\",\"from\":\"c1\",\"to\":\"d2\",\"message\":\"BLOCK_WRITE\",\"nth\":3},\"crash\":\"d2\"},"
        "{\"on\":{\"event\":\"disk_operation\",\"host\":\"d2\",\"nth\":17},\"every\":true,\"crash\":\"d2\",\"for\":\"1s\"}]}",
        1, &scenario);
    assert_true(scenario.faults[0].triggered);
    assert_int_equal(scenario.faults[0].on.event, SIM_EVENT_EVICTED);
    assert_int_equal(scenario.faults[0].after_ns, 200000000);
    assert_int_equal(scenario.faults[0].on.nth, 1);
    assert_int_equal(scenario.faults[1].on.message, DFS_MSG_BLOCK_WRITE);
    assert_int_equal(scenario.faults[1].on.nth, 3);
    assert_int_equal(scenario.faults[2].on.operation, 0);
    assert_true(scenario.faults[2].every);
    sim_scenario_close(&scenario);
}

static void expectations(void **state)
{
    struct sim_scenario scenario;

    (void)state;
    read_good("{\"dfs_scenario\":1,\"workload\":[{\"at\":\"1s\",\"put\":\"x\",\"id\":\"one\"}],\"expect\":["
              "{\"evicted\":\"d1\",\"from\":\"1s\",\"to\":\"2s\"},{\"joined\":\"d1\"},{\"never_evicted\":\"data\"},"
              "{\"replicated\":\"all\",\"by\":\"30s\"},{\"readable\":\"x\",\"at\":\"3s\"},"
              "{\"operation\":\"one\",\"is\":[\"OK\",\"TIMEOUT\"]},{\"repairs\":{\"at_most\":3}},"
              "{\"event\":\"suspected\",\"at_least\":2}]}",
              1, &scenario);
    assert_int_equal(scenario.expects_count, SIM_EXPECT_COUNT);
    for (unsigned kind = 0; kind < SIM_EXPECT_COUNT; kind++)
        assert_int_equal(scenario.expects[kind].kind, kind);
    assert_true(scenario.expects[SIM_EXPECT_REPLICATED].all);
    assert_false(scenario.expects[SIM_EXPECT_READABLE].all);
    assert_int_equal(scenario.expects[SIM_EXPECT_OPERATION].statuses_count, 2);
    assert_int_equal(scenario.expects[SIM_EXPECT_OPERATION].statuses[1], DFS_TIMEOUT);
    assert_int_equal(scenario.expects[SIM_EXPECT_EVENT].event, SIM_EVENT_SUSPECTED);
    sim_scenario_close(&scenario);
}

/* ---- What is drawn ------------------------------------------------------------------------------------------------- */

static void draws(void **state)
{
    static const char text[] = "{\"dfs_scenario\":1,\"cluster\":{\"data\":{\"between\":[5,9]}},\"faults\":["
                               "{\"at\":{\"between\":[\"1s\",\"2s\"]},\"crash\":{\"one_of\":[\"d1\",\"d2\",\"d3\"]}}]}";
    bool host_seen[3] = {false};
    int64_t low = INT64_MAX;
    int64_t high = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 64; seed++) {
        struct sim_scenario first;
        struct sim_scenario again;

        read_good(text, seed, &first);
        read_good(text, seed, &again);
        assert_int_equal(first.cluster.data, again.cluster.data);
        assert_int_equal(first.faults[0].at_ns, again.faults[0].at_ns);
        assert_in_range(first.cluster.data, 5, 9);
        assert_in_range(first.faults[0].at_ns, 1000000000, 2000000000);
        assert_int_equal(first.faults[0].hosts.count, 1);
        host_seen[first.faults[0].hosts.refs[0].index] = true;
        low = first.cluster.data < low ? first.cluster.data : low;
        high = first.cluster.data > high ? first.cluster.data : high;
        sim_scenario_close(&first);
        sim_scenario_close(&again);
    }
    assert_true(host_seen[0] && host_seen[1] && host_seen[2]);
    assert_int_equal(low, 5);
    assert_int_equal(high, 9);
}

/* Wherever a number, duration, size, rate or host stands. */
static void everything_is_drawn(void **state)
{
    static const char text[] =
        "{\"dfs_scenario\":1,\"duration\":{\"one_of\":[\"20s\",\"30s\"]},\"cluster\":{\"capacity\":{\"between\":[\"1GB\",\"2GB\"]},"
        "\"config\":{\"heartbeat_interval\":{\"between\":[\"500ms\",\"1s\"]},\"brake_share\":{\"between\":[0.1,0.9]}}},"
        "\"network\":{\"loss\":{\"between\":[0,0.1]},\"bandwidth\":{\"between\":[\"1Mbps\",\"1Gbps\"]},"
        "\"latency\":{\"one_of\":[\"1ms\",\"9ms\"]}},\"disk\":{\"throughput\":{\"one_of\":[\"1MB/s\",\"200MB/s\"]}},"
        "\"workload\":[{\"at\":\"1s\",\"client\":{\"between\":[\"c1\",\"c2\"]},\"range_get\":\"x\","
        "\"range\":[{\"between\":[1,9]},{\"one_of\":[\"1KB\",\"2KB\"]}]},"
        "{\"at\":\"1s\",\"abort_put\":\"x\",\"after_bytes\":{\"between\":[\"1B\",\"9B\"]}},"
        "{\"rate\":{\"between\":[0.5,2]},\"paths\":{\"one_of\":[3,4]},\"mix\":{\"put\":{\"between\":[1,5]}}}],"
        "\"faults\":[{\"at\":\"1s\",\"crash\":[{\"between\":[\"d1\",\"d3\"]},\"d4\"],\"for\":{\"between\":[\"1s\",\"2s\"]}},"
        "{\"at\":\"1s\",\"disk_full\":{\"one_of\":[\"d1\",[\"d2\",\"d3\"]]}},"
        "{\"at\":\"1s\",\"slow\":{\"host\":{\"between\":[\"d2\",\"d4\"]},\"factor\":{\"between\":[2,9]}}}]}";
    bool crashed[3] = {false};
    bool full[3] = {false};

    (void)state;
    for (uint64_t seed = 1; seed <= 64; seed++) {
        struct sim_scenario scenario;

        read_good(text, seed, &scenario);
        assert_in_range(scenario.works[0].client.index, 0, 1);
        assert_in_range(scenario.works[0].first, 1, 9);
        assert_true(scenario.works[0].last == 1000 || scenario.works[0].last == 2000);
        assert_in_range(scenario.works[1].after_bytes, 1, 9);
        assert_in_range(scenario.works[2].rate_millionths, 500000, 2000000);
        assert_in_range(scenario.works[2].weights[SIM_OP_PUT], 1, 5);
        assert_int_equal(scenario.faults[0].hosts.count, 2);
        assert_in_range(scenario.faults[0].for_ns, 1000000000, 2000000000);
        crashed[scenario.faults[0].hosts.refs[0].index] = true;
        full[scenario.faults[1].hosts.count] = true;
        assert_in_range(scenario.faults[2].hosts.refs[0].index, 1, 3);
        assert_in_range(scenario.faults[2].factor, 2, 9);
        assert_in_range(scenario.network.loss_ppb, 0, 100000000);
        assert_int_equal(scenario.network.latency.count, 2); /* drawn for every message */
        sim_scenario_close(&scenario);
    }
    assert_true(crashed[0] && crashed[1] && crashed[2]);
    assert_true(full[1] && full[2]);
}

static void zones_are_sets(void **state)
{
    struct sim_scenario scenario;
    struct sim_host_set set = {{0}};

    (void)state;
    read_good(
        "{\"dfs_scenario\":1,\"cluster\":{\"data\":7,\"zones\":3},\"faults\":[{\"at\":\"1s\",\"crash\":\"zone-1\"}]}",
        1, &scenario);
    sim_host_refs_expand(&scenario.faults[0].hosts, sim_scenario_hosts(&scenario), &set);
    assert_int_equal(sim_host_set_count(&set), 2); /* (i - 1) mod 3 is 1: d2 and d5 */
    assert_true(sim_host_set_has(&set, 2 + 1) && sim_host_set_has(&set, 2 + 4));
    sim_scenario_close(&scenario);
    REFUSED("{\"dfs_scenario\":1,\"cluster\":{\"zones\":3},\"faults\":[{\"at\":\"1s\",\"crash\":\"zone-3\"}]}",
            "there is no zone-3", "\"zone-0\" to \"zone-2\"");
}

/* A host that is not there is refused whether it is drawn or not. */
static void hosts_that_are_not_drawn_count(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 16; seed++) {
        static const char text[] =
            "{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"crash\":{\"one_of\":[\"d1\",\"d2\",\"d9\"]}}]}";
        struct sim_scenario scenario;
        struct dfs_conf_error error = {.text = ""};

        assert_int_equal(read_text(text, seed, &scenario, &error), DFS_BAD_CONFIG);
        assert_non_null(strstr(error.text, "faults[0].crash.one_of[2]"));
        sim_scenario_close(&scenario);
    }
}

/* ---- What is refused ----------------------------------------------------------------------------------------------- */

static void wrong_words(void **state)
{
    (void)state;
    REFUSED("{\"dfs_scenario\":1,\n\"network\":{\"los\":0.1}}", "test.json:2", "network.los", "did you mean \"loss\"");
    REFUSED("{\"dfs_scenario\":1,\n\"fautls\":[]}", "test.json:2", "fautls", "faults");
    REFUSED("{}", "dfs_scenario", "missing");
    REFUSED("{\"dfs_scenario\":2}", "out of range");
    REFUSED("{\"dfs_scenario\":1,\"cluster\":{\"config\":{\"heartbeat_intervall\":\"1s\"}}}", "heartbeat_interval");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[\n{\"at\":\"1s\",\"crsh\":\"d1\"}]}", "test.json:2", "crsh", "crash");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\"}]}", "needs one of the keys", "crash");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"crash\":\"d1\"}]}", "\"at\", \"on\"");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"crash\":\"d1\",\"pause\":\"d1\"}]}", "stands beside");
    REFUSED("{\"dfs_scenario\":1,\"workload\":[{\"at\":\"1s\",\"put\":\"x\",\"get\":\"y\"}]}", "stands beside \"put\"");
    REFUSED("{\"dfs_scenario\":1,\"expect\":[{\"evicted\":\"d1\",\"by\":\"1s\"}]}", "by",
            "does not go with \"evicted\"");
}

static void wrong_hosts(void **state)
{
    (void)state;
    REFUSED("{\"dfs_scenario\":1,\n\"faults\":[\n{\"at\":\"1s\",\"crash\":\"d9\"}],\"cluster\":{\"data\":5}}",
            "test.json:3", "there is no host d9", "5 data servers");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"crash\":\"mata\"}]}", "mata", "did you mean \"meta\"");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"crash\":\"rest\"}]}", "rest", "partition");
    REFUSED("{\"dfs_scenario\":1,\"workload\":[{\"at\":\"1s\",\"client\":\"d1\",\"put\":\"x\"}]}",
            "expected one client");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"crash\":[]}]}", "empty list");
}

static void wrong_values(void **state)
{
    (void)state;
    REFUSED("{\"dfs_scenario\":1,\"duration\":\"60\"}", "duration", "60");
    REFUSED("{\"dfs_scenario\":1,\"network\":{\"loss\":1.5}}", "loss", "out of range");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"drop\":{\"message\":\"HARTBEAT\"}}]}", "HARTBEAT",
            "HEARTBEAT");
    REFUSED("{\"dfs_scenario\":1,\"expect\":[{\"operation\":\"one\",\"is\":\"OK\"}]}", "no step", "one");
    REFUSED(
        "{\"dfs_scenario\":1,\"workload\":[{\"at\":\"1s\",\"put\":\"x\",\"id\":\"a\"},{\"at\":\"2s\",\"put\":\"y\",\"id\":\"a\"}]}",
        "has this id too");
    REFUSED("{\"dfs_scenario\":1,\"cluster\":{\"replication\":3,\"config\":{\"replication\":2}}}", "another number");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"restart\":\"d1\",\"for\":\"1s\"}]}", "cannot be undone");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"random\":{\"kinds\":[\"crash\"]}}]}", "rate", "count");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"crash\":{\"between\":[\"d3\",\"d1\"]}}]}", "one_of");
}

/* A fault that cannot be injected is named, never silence. */
static void impossible_faults(void **state)
{
    (void)state;
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"forge\":{\"message\":\"PUT_COMMIT\",\"count\":1}}]}",
            "forge", "PUT_COMMIT", "cannot be injected");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"impersonate\":\"c1\"}]}", "impersonate", "of c1",
            "cannot be injected");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"disk_full\":\"clients\"}]}", "disk_full", "of clients",
            "cannot be injected");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"forge\":{\"message\":\"HEARTBEAT\",\"as\":\"meta\"}}]}",
            "forge", "from meta", "cannot be injected");
    REFUSED(
        "{\"dfs_scenario\":1,\"cluster\":{\"clients\":1},\"workload\":[{\"at\":\"1s\",\"put\":\"x\",\"token\":\"stolen\"}]}",
        "token", "stolen", "cannot be injected");
    REFUSED("{\"dfs_scenario\":1,\"faults\":[{\"at\":\"1s\",\"duplicate\":{\"message\":\"PUT_OPEN\"}}]}", "duplicate",
            "PUT_OPEN", "cannot be injected");
}

static void schema(void **state)
{
    json_t *made = sim_scenario_schema();
    char *text = json_dumps(made, 0);

    (void)state;
    assert_non_null(text);
    assert_non_null(strstr(text, "\"heartbeat_interval\""));
    assert_non_null(strstr(text, "\"partition\""));
    assert_non_null(strstr(text, "\"between\""));
    for (unsigned kind = 0; kind < SIM_FAULT_COUNT; kind++)
        assert_non_null(strstr(text, sim_fault_name((enum sim_fault_kind)kind)));
    free(text);
    json_decref(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(bounds),
        cmocka_unit_test(workload),
        cmocka_unit_test(faults),
        cmocka_unit_test(keys_are_rotated_by_auth),
        cmocka_unit_test(triggers),
        cmocka_unit_test(expectations),
        cmocka_unit_test(draws),
        cmocka_unit_test(everything_is_drawn),
        cmocka_unit_test(zones_are_sets),
        cmocka_unit_test(hosts_that_are_not_drawn_count),
        cmocka_unit_test(wrong_words),
        cmocka_unit_test(wrong_hosts),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(impossible_faults),
        cmocka_unit_test(schema),
    };

    json_object_seed(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

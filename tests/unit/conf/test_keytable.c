/* A small scenario language, read by a table: broken texts and the exact line that each gets. */
#include "core/conf/keytable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FAULTS_MAX 3

struct network {
    int64_t loss_ppb;
    struct dfs_spread latency_ns;
    int64_t bandwidth_bytes_per_s;
};

struct fault {
    int64_t at_ns;
    char crash[8];
    char pause[8];
    bool has_crash;
    int64_t factor_millionths;
};

struct scenario {
    char name[16];
    int64_t version;
    int64_t nodes;
    int64_t capacity_bytes;
    int64_t offset_ns;
    bool verbose;
    int ack;
    struct network network;
    struct fault faults[FAULTS_MAX];
    size_t faults_count;
    int64_t custom_line;
    bool checked;
};

static const struct dfs_conf_key network_rows[] = {
    {.name = "loss",
     .type = DFS_KEY_SHARE,
     .offset = offsetof(struct network, loss_ppb),
     .default_text = "0",
     .help = "Share of messages that are lost."},
    {.name = "latency",
     .type = DFS_KEY_DURATION,
     .flags = DFS_KEY_SPREAD,
     .offset = offsetof(struct network, latency_ns),
     .default_text = "1ms"},
    {.name = "bandwidth",
     .type = DFS_KEY_RATE,
     .offset = offsetof(struct network, bandwidth_bytes_per_s),
     .default_text = "1Gbps"},
};
static const struct dfs_keytable network_table = {.name = "network", .rows = network_rows, .count = 3};

static const struct dfs_conf_key fault_rows[] = {
    {.name = "at", .type = DFS_KEY_DURATION, .flags = DFS_KEY_REQUIRED, .offset = offsetof(struct fault, at_ns)},
    {.name = "crash",
     .type = DFS_KEY_TEXT,
     .group = 1,
     .min = 1,
     .offset = offsetof(struct fault, crash),
     .size = sizeof(((struct fault *)0)->crash),
     .seen = DFS_KEY_SEEN_AT(struct fault, has_crash)},
    {.name = "pause",
     .type = DFS_KEY_TEXT,
     .group = 1,
     .min = 1,
     .offset = offsetof(struct fault, pause),
     .size = sizeof(((struct fault *)0)->pause)},
    {.name = "factor",
     .type = DFS_KEY_DECIMAL,
     .min = -1000 * DFS_DECIMAL_ONE,
     .max = 1000 * DFS_DECIMAL_ONE,
     .offset = offsetof(struct fault, factor_millionths),
     .default_text = "2.5"},
};
static const struct dfs_keytable fault_table = {
    .name = "fault", .rows = fault_rows, .count = 4, .help = "Something that goes wrong."};
static const struct dfs_conf_key fault_item = {.name = "fault", .type = DFS_KEY_OBJECT, .table = &fault_table};

static void *fault_grow(struct dfs_key_reader *reader, void *field, size_t index)
{
    (void)reader;
    struct scenario *scenario = field;
    if (index == FAULTS_MAX)
        return NULL;
    scenario->faults_count = index + 1;
    scenario->faults[index] = (struct fault){0};
    return &scenario->faults[index];
}

static enum dfs_status custom_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                   const struct dfs_json_node *node, void *field)
{
    assert_string_equal(row->name, "custom");
    if (!json_is_integer(node->value))
        return dfs_key_refuse(reader, node, "expected my own thing, found %s", dfs_json_described(node->value).text);
    *(int64_t *)field = node->line;
    return DFS_OK;
}

static enum dfs_status scenario_check(struct dfs_key_reader *reader, const struct dfs_json_node *object, void *base)
{
    struct scenario *scenario = base;
    scenario->checked = true;
    const struct dfs_json_node *nodes = dfs_json_get(reader->doc, object, "nodes");
    if (scenario->nodes == 4)
        return dfs_key_refuse(reader, nodes, "four is an unlucky number");
    return DFS_OK;
}

static const struct dfs_conf_key scenario_rows[] = {
    {.name = "$schema", .type = DFS_KEY_IGNORED},
    {.name = "version",
     .type = DFS_KEY_COUNT,
     .flags = DFS_KEY_FIXED,
     .min = 1,
     .max = 2,
     .default_text = "1",
     .offset = offsetof(struct scenario, version)},
    {.name = "name",
     .type = DFS_KEY_TEXT,
     .flags = DFS_KEY_REQUIRED | DFS_KEY_FIXED,
     .min = 1,
     .offset = offsetof(struct scenario, name),
     .size = sizeof(((struct scenario *)0)->name)},
    {.name = "nodes",
     .type = DFS_KEY_COUNT,
     .flags = DFS_KEY_RELAXED,
     .min = 3,
     .max = 9,
     .relaxed_min = 1,
     .default_text = "5",
     .offset = offsetof(struct scenario, nodes),
     .help = "Data servers."},
    {.name = "capacity",
     .type = DFS_KEY_SIZE,
     .min = 1000,
     .default_text = "1GB",
     .offset = offsetof(struct scenario, capacity_bytes)},
    {.name = "offset",
     .type = DFS_KEY_DURATION,
     .min = -INT64_C(60000000000),
     .max = INT64_C(60000000000),
     .default_text = "0s",
     .offset = offsetof(struct scenario, offset_ns)},
    {.name = "verbose", .type = DFS_KEY_FLAG, .default_text = "true", .offset = offsetof(struct scenario, verbose)},
    {.name = "ack",
     .type = DFS_KEY_CHOICE,
     .words = "all|quorum",
     .default_text = "all",
     .offset = offsetof(struct scenario, ack)},
    {.name = "network", .type = DFS_KEY_OBJECT, .table = &network_table, .offset = offsetof(struct scenario, network)},
    {.name = "faults", .type = DFS_KEY_LIST, .items = &fault_item, .min = 1, .grow = fault_grow},
    {.name = "custom",
     .type = DFS_KEY_CUSTOM,
     .read = custom_read,
     .schema = "{\"type\": \"integer\"}",
     .offset = offsetof(struct scenario, custom_line)},
    {.name = "secret",
     .type = DFS_KEY_COUNT,
     .roles = DFS_FOR_AUTH | DFS_FOR_META | DFS_FOR_CLIENT,
     .offset = offsetof(struct scenario, custom_line)},
};
static const struct dfs_keytable scenario_table = {
    .name = "scenario",
    .rows = scenario_rows,
    .count = sizeof(scenario_rows) / sizeof(scenario_rows[0]),
    .check = scenario_check,
};

/* What the last read was asked to draw. */
static uint32_t draw_index[8];
static uint64_t draw_count[8];
static size_t draws;

static uint64_t draw_last(void *context, uint32_t index, uint64_t count)
{
    (void)context;
    assert_true(draws < 8);
    draw_index[draws] = index;
    draw_count[draws++] = count;
    return count - 1;
}

enum mode { CONFIG, SCENARIO };

static enum dfs_status read_text(const char *text, enum mode mode, unsigned roles, struct scenario *scenario,
                                 struct dfs_conf_error *error)
{
    struct dfs_json_doc *doc = NULL;
    memset(scenario, 0, sizeof(*scenario));
    draws = 0;
    enum dfs_status status = dfs_json_doc_new("a.json", text, strlen(text), &doc, error);
    if (status != DFS_OK)
        return status;
    struct dfs_key_reader reader = {.doc = doc,
                                    .roles = roles,
                                    .is_relaxed = mode == SCENARIO,
                                    .error = error,
                                    .draw = mode == SCENARIO ? draw_last : NULL};
    struct dfs_key_part part = {&scenario_table, scenario};
    status = dfs_keytable_read(&reader, dfs_json_root(doc), &part, 1);
    dfs_json_doc_free(doc);
    return status;
}

static struct scenario reads(const char *text, enum mode mode)
{
    struct scenario scenario;
    struct dfs_conf_error error = {0};
    if (read_text(text, mode, 0, &scenario, &error) != DFS_OK)
        fail_msg("%s", error.text);
    assert_true(scenario.checked);
    return scenario;
}

static void refuses(const char *text, enum mode mode, const char *expected)
{
    struct scenario scenario;
    struct dfs_conf_error error = {0};
    assert_int_equal(read_text(text, mode, DFS_FOR_DATA, &scenario, &error), DFS_BAD_CONFIG);
    assert_string_equal(error.text, expected);
}

static void a_whole_text(void **state)
{
    (void)state;
    struct scenario s = reads("{\"$schema\": {\"any\": 1}, \"version\": 2, \"name\": \"x\", \"nodes\": 7,\n"
                              "\"capacity\": \"1.5MB\", \"offset\": \"-2s\", \"verbose\": false, \"ack\": \"quorum\",\n"
                              "\"network\": {\"loss\": 0.001, \"latency\": \"3ms\", \"bandwidth\": \"8Mbps\"},\n"
                              "\"faults\": [{\"at\": \"5s\", \"crash\": \"d3\"}, {\"pause\": \"d1\", \"at\": \"6s\", "
                              "\"factor\": -1}],\n"
                              "\"custom\": 1, \"secret\": 9}",
                              CONFIG);
    assert_string_equal(s.name, "x");
    assert_true(s.version == 2 && s.nodes == 7 && s.capacity_bytes == 1500000 && s.offset_ns == -2000000000);
    assert_true(!s.verbose && s.ack == 1);
    assert_true(s.network.loss_ppb == 1000000 && s.network.bandwidth_bytes_per_s == 1000000);
    assert_true(s.network.latency_ns.low == 3000000 && s.network.latency_ns.high == 3000000);
    assert_true(s.network.latency_ns.count == 0 && dfs_spread_width(&s.network.latency_ns) == 1);
    assert_int_equal(s.faults_count, 2);
    assert_string_equal(s.faults[0].crash, "d3");
    assert_true(s.faults[0].has_crash && !s.faults[1].has_crash);
    assert_true(s.faults[0].factor_millionths == 2500000 && s.faults[1].factor_millionths == -1000000);
    assert_true(s.faults[1].at_ns == INT64_C(6000000000));
}

static void what_is_not_there_gets_its_default(void **state)
{
    (void)state;
    struct scenario s = reads("{\"name\": \"x\"}", CONFIG);
    assert_true(s.version == 1 && s.nodes == 5 && s.capacity_bytes == 1000000000 && s.verbose && s.ack == 0);
    assert_true(s.network.latency_ns.low == 1000000 && s.network.bandwidth_bytes_per_s == 125000000);
    s = reads("{\"name\": \"x\", \"network\": {}}", CONFIG);
    assert_true(s.network.latency_ns.low == 1000000);
    struct scenario again = {0};
    dfs_keytable_defaults(&scenario_table, &again);
    assert_true(again.network.bandwidth_bytes_per_s == 125000000 && again.nodes == 5);
}

static void unknown_keys(void **state)
{
    (void)state;
    refuses("{\n\"network\": {\n\"los\": 0.1}}", CONFIG,
            "a.json:3: key \"network.los\": unknown key; did you mean \"loss\"?");
    refuses("{\"name\": \"x\", \"faults\": [{\"at\": \"1s\",\n\"krash\": \"d1\"}]}", CONFIG,
            "a.json:2: key \"faults[0].krash\": unknown key; did you mean \"crash\"?");
    refuses("{\"network\": {\"colour\": 0.1}}", CONFIG,
            "a.json:1: key \"network.colour\": unknown key; known are loss, latency, bandwidth");
    refuses("{\"zzzzzzzzz\": 1}", CONFIG,
            "a.json:1: key \"zzzzzzzzz\": unknown key; known are $schema, version, name, nodes, capacity, offset, "
            "verbose, ack and 3 more");
    refuses(
        "{\"\": 1}", CONFIG,
        "a.json:1: unknown key; known are $schema, version, name, nodes, capacity, offset, verbose, ack and 3 more");
    refuses("{\"secret\": 1}", CONFIG,
            "a.json:1: key \"secret\": not a key of this program; it belongs to dfs-auth, dfs-meta and dfs");
    refuses("{\"secrt\": 1}", CONFIG,
            "a.json:1: key \"secrt\": unknown key; known are $schema, version, name, nodes, capacity, offset, verbose, "
            "ack and 3 more");
}

static void missing_keys(void **state)
{
    (void)state;
    refuses("\n{}", CONFIG, "a.json:2: the key \"name\" is missing; it is a text such as \"abc\"");
    refuses("{\"name\": \"x\", \"faults\": [\n{\"crash\": \"d1\"}]}", CONFIG,
            "a.json:2: key \"faults[0]\": the key \"at\" is missing; it is a duration such as \"250ms\", \"2s\" or "
            "\"10m\"");
    refuses("{\"name\": \"x\", \"faults\": [\n{\"at\": \"1s\"}]}", CONFIG,
            "a.json:2: key \"faults[0]\": needs one of the keys \"crash\", \"pause\"");
    refuses("{\"name\": \"x\", \"faults\": [{\"at\": \"1s\", \"pause\": \"d1\",\n\"crash\": \"d1\"}]}", CONFIG,
            "a.json:1: key \"faults[0].pause\": stands beside \"crash\"; only one of the two may be there");
}

static void wrong_types(void **state)
{
    (void)state;
    refuses("[]", CONFIG, "a.json:1: expected an object such as {\"key\": \"value\"}, found a list");
    refuses("{\"offset\": 5}", CONFIG,
            "a.json:1: key \"offset\": expected a duration such as \"250ms\", \"2s\" or \"10m\", found the number 5");
    refuses("{\"capacity\": 1000}", CONFIG,
            "a.json:1: key \"capacity\": expected a size such as \"100KB\" or \"64KiB\", found the number 1000");
    refuses("{\"network\": {\"bandwidth\": null}}", CONFIG,
            "a.json:1: key \"network.bandwidth\": expected a rate such as \"1Gbps\" or \"200MB/s\", found null");
    refuses("{\"nodes\": 3.0}", CONFIG,
            "a.json:1: key \"nodes\": expected a whole number such as 3, found the number 3.0");
    refuses("{\"nodes\": \"3\"}", CONFIG,
            "a.json:1: key \"nodes\": expected a whole number such as 3, found the text \"3\"");
    refuses("{\"network\": {\"loss\": \"1%\"}}", CONFIG,
            "a.json:1: key \"network.loss\": expected a share from 0 to 1 such as 0.05, found the text \"1%\"");
    refuses("{\"verbose\": 1}", CONFIG, "a.json:1: key \"verbose\": expected a flag such as true, found the number 1");
    refuses("{\"ack\": true}", CONFIG, "a.json:1: key \"ack\": expected \"all\" or \"quorum\", found true");
    refuses("{\"name\": {}}", CONFIG, "a.json:1: key \"name\": expected a text such as \"abc\", found an object");
    refuses("{\"network\": []}", CONFIG,
            "a.json:1: key \"network\": expected an object such as {\"key\": \"value\"}, found a list");
    refuses("{\"faults\": {}}", CONFIG, "a.json:1: key \"faults\": expected a list such as [...], found an object");
    refuses("{\"faults\": [1]}", CONFIG,
            "a.json:1: key \"faults[0]\": expected an object such as {\"key\": \"value\"}, found the number 1");
    refuses("{\"custom\": []}", CONFIG, "a.json:1: key \"custom\": expected my own thing, found a list");
}

static void wrong_values(void **state)
{
    (void)state;
    refuses("{\"nodes\": 2}", CONFIG, "a.json:1: key \"nodes\": 2 is out of range; allowed is 3 to 9");
    refuses("{\"nodes\": 0}", SCENARIO, "a.json:1: key \"nodes\": 0 is out of range; allowed is 1 to 9");
    refuses("{\"capacity\": \"1B\"}", CONFIG,
            "a.json:1: key \"capacity\": \"1B\" is out of range; allowed is at least \"1KB\"");
    refuses("{\"offset\": \"-2m\"}", CONFIG,
            "a.json:1: key \"offset\": \"-2m\" is out of range; allowed is \"-1m\" to \"1m\"");
    refuses("{\"offset\": \"5\"}", CONFIG,
            "a.json:1: key \"offset\": \"5\" has no unit; write for example \"250ms\", \"2s\", \"10m\", \"1h\" or "
            "\"14d\"");
    refuses("{\"network\": {\"loss\": 1.5}}", CONFIG,
            "a.json:1: key \"network.loss\": 1.5 is out of range; allowed is 0 to 1");
    refuses("{\"network\": {\"loss\": -0.5}}", CONFIG,
            "a.json:1: key \"network.loss\": -0.5 is out of range; allowed is 0 to 1");
    refuses("{\"network\": {\"loss\": 1e-12}}", CONFIG,
            "a.json:1: key \"network.loss\": the number 1e-12 is too small; allowed is 0 to 1 in steps of 0.000000001");
    refuses(
        "{\"network\": {\"loss\": 1e12}}", CONFIG,
        "a.json:1: key \"network.loss\": the number 1000000000000.0 is too large; allowed is 0 to 1 in steps of 0.000000001");
    refuses("{\"name\": \"x\", \"faults\": [{\"factor\": -1e15}]}", CONFIG,
            "a.json:1: key \"faults[0].factor\": the number -1e15 is too large; allowed is -1000 to 1000 in steps of "
            "0.000001");
    refuses("{\"ack\": \"qorum\"}", CONFIG,
            "a.json:1: key \"ack\": \"qorum\" is not one of \"all\" or \"quorum\"; did you mean \"quorum\"?");
    refuses("{\"name\": \"\"}", CONFIG, "a.json:1: key \"name\": must not be empty");
    refuses("{\"name\": \"0123456789abcdef\"}", CONFIG,
            "a.json:1: key \"name\": \"0123456789abcdef\" is 16 bytes long; allowed is 1 to 15");
    refuses("{\"faults\": []}", CONFIG, "a.json:1: key \"faults\": 0 elements; allowed is at least 1");
    refuses("{\"faults\": [{\"at\": \"1s\", \"crash\": \"a\"}, {\"at\": \"1s\", \"crash\": \"a\"},\n"
            "{\"at\": \"1s\", \"crash\": \"a\"}, {}]}",
            CONFIG, "a.json:2: key \"faults[3]\": no room for more than 3 elements");
    refuses("{\"name\": \"x\",\n\"nodes\": 4}", CONFIG, "a.json:2: key \"nodes\": four is an unlucky number");
}

static void the_first_error_of_the_file_is_told(void **state)
{
    (void)state;
    refuses("{\"ack\": 1,\n\"nodes\": 99}", CONFIG,
            "a.json:1: key \"ack\": expected \"all\" or \"quorum\", found the number 1");
}

static void drawn_values(void **state)
{
    (void)state;
    struct scenario s =
        reads("{\"name\": \"x\", \"nodes\": {\"between\": [2, 7]},\n"
              "\"capacity\": {\"one_of\": [\"1KB\", {\"between\": [\"1MB\", \"2MB\"]}]},\n"
              "\"offset\": {\"between\": [\"-1s\", \"1s\"]}, \"verbose\": {\"one_of\": [true, false]},\n"
              "\"ack\": {\"one_of\": [\"all\", \"all\", \"quorum\"]},\n"
              "\"faults\": [{\"at\": {\"between\": [\"5s\", \"5s\"]}, \"crash\": {\"one_of\": [\"d1\", "
              "\"d2\"]}}]}",
              SCENARIO);
    assert_true(s.nodes == 7 && s.capacity_bytes == 2000000 && s.offset_ns == 1000000000 && !s.verbose && s.ack == 1);
    assert_true(s.faults[0].at_ns == INT64_C(5000000000));
    assert_string_equal(s.faults[0].crash, "d2");
    assert_int_equal(draws, 8);
    static const uint64_t counts[8] = {6, 2, 1000001, 2000000001, 2, 3, 1, 2};
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(draw_index[i], i);
        assert_true(draw_count[i] == counts[i]);
    }
}

static void drawn_objects_and_custom_values(void **state)
{
    (void)state;
    struct scenario s = reads("{\"name\": \"x\", \"network\": {\"one_of\": [{\"loss\": 0.1}, {\"loss\": 0.2}]},\n"
                              "\"custom\": {\"one_of\": [1,\n\n2]},\n"
                              "\"faults\": {\"one_of\": [[], [{\"at\": \"1s\", \"crash\": \"d1\"}]]}}",
                              SCENARIO);
    assert_true(s.network.loss_ppb == 200000000);
    assert_true(s.custom_line == 4);
    assert_int_equal(s.faults_count, 1);
}

static void spreads(void **state)
{
    (void)state;
    struct scenario s =
        reads("{\"name\": \"x\", \"network\": {\"latency\": {\"between\": [\"0.2ms\", \"2ms\"]}}}", SCENARIO);
    const struct dfs_spread *latency = &s.network.latency_ns;
    assert_int_equal(draws, 0);
    assert_true(dfs_spread_width(latency) == 1800001);
    assert_true(dfs_spread_at(latency, 0) == 200000 && dfs_spread_at(latency, 1800000) == 2000000);
    s = reads("{\"name\": \"x\", \"network\": {\"latency\": {\"one_of\": [\"5ms\", \"1ms\", \"5ms\"]}}}", SCENARIO);
    assert_true(dfs_spread_width(latency) == 3 && latency->low == 1000000 && latency->high == 5000000);
    assert_true(dfs_spread_at(latency, 0) == 5000000 && dfs_spread_at(latency, 1) == 1000000);
    refuses("{\"network\": {\"latency\": {\"one_of\": [\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\","
            "\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\",\"1s\"]}}}",
            SCENARIO, "a.json:1: key \"network.latency.one_of\": 17 values; at most 16 are read");
    refuses("{\"network\": {\"latency\": {\"one_of\": [\"1s\", 2]}}}", SCENARIO,
            "a.json:1: key \"network.latency.one_of[1]\": expected a duration such as \"250ms\", \"2s\" or \"10m\", "
            "found the number 2");
    refuses("{\"network\": {\"latency\": {\"betwen\": [\"1s\", 2]}}}", SCENARIO,
            "a.json:1: key \"network.latency.betwen\": unknown key; did you mean \"between\"?");
    refuses("{\"network\": {\"latency\": 7}}", CONFIG,
            "a.json:1: key \"network.latency\": expected a duration such as \"250ms\", \"2s\" or \"10m\", found the "
            "number 7");
}

static void drawn_values_that_are_wrong(void **state)
{
    (void)state;
    refuses("{\"nodes\": {\"between\": [1, 2]}}", CONFIG,
            "a.json:1: key \"nodes\": expected a whole number such as 3, found an object; only scenarios draw their "
            "values");
    refuses("{\"nodes\": {}}", SCENARIO, "a.json:1: key \"nodes\": expected a whole number such as 3, found an object");
    refuses("{\"nodes\": {\"betwixt\": [1, 2]}}", SCENARIO,
            "a.json:1: key \"nodes.betwixt\": unknown key; did you mean \"between\"?");
    refuses("{\"nodes\": {\"from\": 1, \"to\": 2}}", SCENARIO,
            "a.json:1: key \"nodes.from\": unknown key; known are between, one_of");
    refuses("{\"nodes\": {\"between\": [1, 2], \"x\": 1}}", SCENARIO,
            "a.json:1: key \"nodes.between\": a drawn value has no other keys beside \"between\"");
    refuses("{\"nodes\": {\"between\": [2, 1]}}", SCENARIO,
            "a.json:1: key \"nodes.between\": expected [LOW, HIGH] with LOW not above HIGH, found [2, 1]");
    refuses("{\"offset\": {\"between\": [\"2s\", \"1s\"]}}", SCENARIO,
            "a.json:1: key \"offset.between\": expected [LOW, HIGH] with LOW not above HIGH, found [\"2s\", \"1s\"]");
    refuses("{\"nodes\": {\"between\": [1]}}", SCENARIO,
            "a.json:1: key \"nodes.between\": expected [LOW, HIGH], found a list of another length");
    refuses("{\"nodes\": {\"between\": 1}}", SCENARIO,
            "a.json:1: key \"nodes.between\": expected [LOW, HIGH], found the number 1");
    refuses("{\"nodes\": {\"between\": [1,\n99]}}", SCENARIO,
            "a.json:2: key \"nodes.between[1]\": 99 is out of range; allowed is 1 to 9");
    refuses("{\"nodes\": {\"one_of\": []}}", SCENARIO,
            "a.json:1: key \"nodes.one_of\": expected a list of at least one value, found an empty list");
    refuses("{\"nodes\": {\"one_of\": 3}}", SCENARIO,
            "a.json:1: key \"nodes.one_of\": expected a list of at least one value, found the number 3");
    /* Refused whatever is drawn. */
    refuses("{\"nodes\": {\"one_of\": [99, 3]}}", SCENARIO,
            "a.json:1: key \"nodes.one_of[0]\": 99 is out of range; allowed is 1 to 9");
    refuses("{\"faults\": [{\"crash\": {\"one_of\": [\"too long a name\", \"d1\"]}}]}", SCENARIO,
            "a.json:1: key \"faults[0].crash.one_of[0]\": \"too long a name\" is 15 bytes long; allowed is 1 to 7");
    refuses("{\"ack\": {\"between\": [\"all\", \"quorum\"]}}", SCENARIO,
            "a.json:1: key \"ack.between\": a word cannot be drawn from between two values; write \"one_of\"");
    refuses("{\"name\": {\"one_of\": [\"x\"]}}", SCENARIO,
            "a.json:1: key \"name\": expected a text such as \"abc\", found an object");
    refuses("{\"version\": {\"between\": [1, 2]}}", SCENARIO,
            "a.json:1: key \"version\": expected a whole number such as 3, found an object");
}

static void fields_by_text_and_number(void **state)
{
    (void)state;
    struct scenario s = {0};
    struct dfs_why why;
    const struct dfs_conf_key *nodes = dfs_keytable_find(&scenario_table, "nodes");
    const struct dfs_conf_key *ack = dfs_keytable_find(&scenario_table, "ack");
    const struct dfs_conf_key *verbose = dfs_keytable_find(&scenario_table, "verbose");
    const struct dfs_conf_key *name = dfs_keytable_find(&scenario_table, "name");
    assert_null(dfs_keytable_find(&scenario_table, "node"));
    assert_int_equal(dfs_key_set_text(nodes, &s, "7", false, &why), DFS_OK);
    assert_int_equal(dfs_key_set_text(ack, &s, "quorum", false, &why), DFS_OK);
    assert_int_equal(dfs_key_set_text(verbose, &s, "true", false, &why), DFS_OK);
    assert_int_equal(dfs_key_set_text(name, &s, "abc", false, &why), DFS_OK);
    assert_true(dfs_key_get(nodes, &s) == 7 && dfs_key_get(ack, &s) == 1 && dfs_key_get(verbose, &s) == 1);
    assert_string_equal(s.name, "abc");
    assert_int_equal(dfs_key_set_text(nodes, &s, "2", false, &why), DFS_BAD_CONFIG);
    assert_string_equal(why.text, "2 is out of range; allowed is 3 to 9");
    assert_int_equal(dfs_key_set_text(nodes, &s, "2", true, &why), DFS_OK);
    assert_int_equal(dfs_key_set_text(verbose, &s, "yes", false, &why), DFS_BAD_CONFIG);
    assert_string_equal(why.text, "\"yes\" is not one of \"false\" or \"true\"; known are false, true");
    dfs_key_put(ack, &s, 0);
    dfs_key_put(verbose, &s, 0);
    dfs_key_put(nodes, &s, 1);
    assert_true(s.ack == 0 && !s.verbose && s.nodes == 1);
    assert_string_equal(dfs_key_value_text(ack, 1).text, "quorum");
    assert_string_equal(dfs_key_value_text(verbose, 0).text, "false");
    assert_string_equal(dfs_key_value_text(&fault_rows[0], 1500000).text, "1500us");
    assert_true(dfs_key_is_number(nodes) && dfs_key_is_number(ack) && !dfs_key_is_number(name));
    assert_false(dfs_key_is_number(&network_rows[1]));
}

static void two_parts_of_one_object(void **state)
{
    (void)state;
    struct network network;
    struct fault fault;
    struct dfs_conf_error error;
    struct dfs_json_doc *doc = NULL;
    const char *text = "{\"at\": \"1s\", \"loss\": 0.5, \"pause\": \"d1\"}";
    assert_int_equal(dfs_json_doc_new("a.json", text, strlen(text), &doc, &error), DFS_OK);
    struct dfs_key_reader reader = {.doc = doc, .error = &error};
    struct dfs_key_part parts[] = {{&network_table, &network}, {&fault_table, &fault}};
    assert_int_equal(dfs_keytable_read(&reader, dfs_json_root(doc), parts, 2), DFS_OK);
    assert_true(network.loss_ppb == 500000000 && fault.at_ns == 1000000000 && !fault.has_crash);
    assert_string_equal(fault.pause, "d1");
    dfs_json_doc_free(doc);
}

static void help(void **state)
{
    (void)state;
    static const struct dfs_keytable *const tables[] = {&scenario_table};
    struct dfs_conf_text text = {0};
    dfs_keytable_help(tables, 1, DFS_FOR_DATA, &text);
    assert_string_equal(text.bytes, "version: whole number, 1 to 2; default 1\n"
                                    "name: text; required\n"
                                    "nodes: whole number, 3 to 9; default 5\n"
                                    "    Data servers.\n"
                                    "capacity: size, at least \"1KB\"; default \"1GB\"\n"
                                    "offset: duration, \"-1m\" to \"1m\"; default \"0s\"\n"
                                    "verbose: true or false; default true\n"
                                    "ack: \"all\" or \"quorum\"; default \"all\"\n"
                                    "network: object\n"
                                    "network.loss: share, 0 to 1; default 0\n"
                                    "    Share of messages that are lost.\n"
                                    "network.latency: duration, at least \"0s\"; default \"1ms\"\n"
                                    "network.bandwidth: rate, at least \"0B/s\"; default \"1Gbps\"\n"
                                    "faults: list\n"
                                    "custom: value\n");
    dfs_conf_text_close(&text);
}

static void expect_json(json_t *take_actual, const char *expected)
{
    char *text = json_dumps(take_actual, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    assert_string_equal(text, expected);
    free(text);
    json_decref(take_actual);
}

static void export_reads_back(void **state)
{
    (void)state;
    struct scenario s = reads("{\"name\": \"x\", \"network\": {\"loss\": 0.4}}", CONFIG);
    expect_json(dfs_keytable_export(&scenario_table, &s),
                "{\"version\":1,\"name\":\"x\",\"nodes\":5,\"capacity\":\"1GB\",\"offset\":\"0s\",\"verbose\":true,"
                "\"ack\":\"all\",\"network\":{\"loss\":0.4,\"bandwidth\":\"125MB/s\"},\"secret\":0}");
}

static json_t *at(json_t *schema, const char *key)
{
    json_t *found = json_object_get(schema, key);
    if (found == NULL)
        fail_msg("no \"%s\" in the schema", key);
    return found;
}

static void schema_of_a_configuration(void **state)
{
    (void)state;
    static const struct dfs_keytable *const tables[] = {&scenario_table};
    json_t *schema = dfs_keytable_schema(tables, 1, DFS_FOR_DATA, false, false);
    json_t *properties = at(schema, "properties");
    assert_true(json_is_false(at(schema, "additionalProperties")));
    expect_json(json_incref(at(schema, "required")), "[\"name\"]");
    assert_null(json_object_get(properties, "secret"));
    expect_json(json_incref(at(properties, "nodes")),
                "{\"type\":\"integer\",\"minimum\":3,\"maximum\":9,\"description\":\"Data servers.\",\"default\":5}");
    expect_json(json_incref(at(properties, "offset")), "{\"$ref\":\"#/$defs/signed_duration\",\"description\":\"Range: "
                                                       "\\\"-1m\\\" to \\\"1m\\\"\",\"default\":\"0s\"}");
    expect_json(json_incref(at(properties, "ack")), "{\"enum\":[\"all\",\"quorum\"],\"default\":\"all\"}");
    expect_json(json_incref(at(properties, "custom")), "{\"type\":\"integer\"}");
    expect_json(json_incref(at(properties, "faults")),
                "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/fault\"},\"minItems\":1}");
    json_t *fault = at(at(schema, "$defs"), "fault");
    expect_json(json_incref(at(fault, "allOf")),
                "[{\"oneOf\":[{\"required\":[\"crash\"]},{\"required\":[\"pause\"]}]}]");
    expect_json(json_incref(at(fault, "description")), "\"Something that goes wrong.\"");
    json_decref(schema);
}

static void schema_of_a_scenario(void **state)
{
    (void)state;
    static const struct dfs_keytable *const tables[] = {&scenario_table};
    json_t *schema = dfs_keytable_schema(tables, 1, 0, true, true);
    json_t *properties = at(schema, "properties");
    expect_json(
        json_incref(at(at(properties, "nodes"), "anyOf")),
        "[{\"type\":\"integer\",\"minimum\":1,\"maximum\":9},"
        "{\"type\":\"object\",\"properties\":{\"between\":{\"type\":\"array\",\"items\":{\"type\":\"integer\","
        "\"minimum\":1,\"maximum\":9},\"minItems\":2,\"maxItems\":2}},\"required\":[\"between\"],"
        "\"additionalProperties\":false},"
        "{\"type\":\"object\",\"properties\":{\"one_of\":{\"type\":\"array\",\"items\":{\"anyOf\":["
        "{\"type\":\"integer\",\"minimum\":1,\"maximum\":9},"
        "{\"type\":\"object\",\"properties\":{\"between\":{\"type\":\"array\",\"items\":{\"type\":\"integer\","
        "\"minimum\":1,\"maximum\":9},\"minItems\":2,\"maxItems\":2}},\"required\":[\"between\"],"
        "\"additionalProperties\":false},"
        "{\"type\":\"object\",\"properties\":{\"one_of\":{\"type\":\"array\",\"items\":{},\"minItems\":1}},"
        "\"required\":[\"one_of\"],\"additionalProperties\":false}]},\"minItems\":1}},\"required\":[\"one_of\"],"
        "\"additionalProperties\":false}]");
    expect_json(json_incref(at(properties, "version")),
                "{\"type\":\"integer\",\"minimum\":1,\"maximum\":2,\"default\":1}");
    assert_non_null(json_object_get(properties, "secret"));
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_text),
        cmocka_unit_test(what_is_not_there_gets_its_default),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(missing_keys),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(the_first_error_of_the_file_is_told),
        cmocka_unit_test(drawn_values),
        cmocka_unit_test(drawn_objects_and_custom_values),
        cmocka_unit_test(spreads),
        cmocka_unit_test(drawn_values_that_are_wrong),
        cmocka_unit_test(fields_by_text_and_number),
        cmocka_unit_test(two_parts_of_one_object),
        cmocka_unit_test(help),
        cmocka_unit_test(export_reads_back),
        cmocka_unit_test(schema_of_a_configuration),
        cmocka_unit_test(schema_of_a_scenario),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

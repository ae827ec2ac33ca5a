/* The language as JSON Schema: made from the tables, with what custom keys mean and which rules hold between keys. */
#include "sim/scenario_internal.h"

#include "core/base/assert.h"
#include "core/wire/message.h"

/* Definitions that custom keys refer to (scenario_internal.h), and rules between keys. */
static json_t *parse(const char *text)
{
    json_t *parsed = json_loads(text, 0, NULL);

    DFS_ASSERT(parsed != NULL);
    return parsed;
}

static json_t *enum_of(size_t count, const char *(*name)(size_t index))
{
    json_t *words = json_array();

    for (size_t i = 0; i < count; i++) {
        if (name(i) != NULL)
            (void)json_array_append_new(words, json_string(name(i)));
    }
    return json_pack("{s:o}", "enum", words);
}

static const char *event_at(size_t index)
{
    return sim_event_name((enum sim_event)index);
}

static const char *status_at(size_t index)
{
    return dfs_status_name((enum dfs_status)index);
}

static const char *message_at(size_t index)
{
    return dfs_message_layout((uint32_t)index) != NULL ? dfs_message_name((uint32_t)index) : NULL;
}

static const char *kind_at(size_t index)
{
    return sim_fault_is_drawn((enum sim_fault_kind)index) ? sim_fault_name((enum sim_fault_kind)index) : NULL;
}

#define ONE_OF(items) \
    "{\"type\":\"object\",\"required\":[\"one_of\"],\"additionalProperties\":false," \
    "\"properties\":{\"one_of\":{\"type\":\"array\",\"minItems\":1,\"items\":" items "}}}"
#define BETWEEN(items) \
    "{\"type\":\"object\",\"required\":[\"between\"],\"additionalProperties\":false," \
    "\"properties\":{\"between\":{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":" items "}}}"
#define ANY_OF(...) "{\"anyOf\":[" __VA_ARGS__ "]}"
#define REF SIM_REF_SCHEMA

static const struct {
    const char *name;
    const char *text;
} definitions[] = {
    {"host_name",
     "{\"type\":\"string\",\"pattern\":\"^(auth|meta|data|clients|all|rest|zone-(0|[1-9][0-9]{0,3})|[dc][1-9][0-9]{0,3})$\"}"},
    {"numbered_host", "{\"type\":\"string\",\"pattern\":\"^(zone-(0|[1-9][0-9]{0,3})|[dc][1-9][0-9]{0,3})$\"}"},
    {"host", ANY_OF(REF("host_name") "," ONE_OF(REF("host_name")) "," BETWEEN(REF("numbered_host")))},
    {"hosts", ANY_OF(REF("host_name") ",{\"type\":\"array\",\"minItems\":1,\"items\":" REF("hosts") "}," ONE_OF(
                  REF("hosts")) "," BETWEEN(REF("numbered_host")))},
    {"position", ANY_OF("{\"type\":\"integer\",\"minimum\":0}," REF("size") "," ONE_OF(REF("position")) "," BETWEEN(
                     REF("position")))},
    {"path", ANY_OF("{\"type\":\"string\"}," ONE_OF("{\"type\":\"string\"}"))},
    {"client_name", "{\"type\":\"string\",\"pattern\":\"^c[1-9][0-9]{0,3}$\"}"},
    {"client", ANY_OF(REF("client_name") "," ONE_OF(REF("client_name")) "," BETWEEN(REF("client_name")))},
    {"login", ANY_OF("{\"const\":true}," REF("path"))},
};

/* Rules between the keys of a fault, of a step and of an expectation that JSON Schema can say. */
#define HAS(key) "{\"required\":[\"" key "\"]}"
#define HAS_NOT(key) "{\"not\":" HAS(key) "}"
#define IS(key, words) "{\"properties\":{\"" key "\":{" words "}}}"
/* What is drawn is judged when it was drawn: it is no string here. */
#define DATAGRAM "\"not\":{\"type\":\"string\",\"not\":{\"enum\":[\"HEARTBEAT\",\"HEARTBEAT_ACK\"]}}"
#define IF(condition, then) "{\"if\":" condition ",\"then\":" then "}"
#define ALL_OF(...) "{\"allOf\":[" __VA_ARGS__ "]}"

static const struct {
    const char *table;
    const char *text;
} rules[] = {
    {"fault", "{\"if\":" HAS("random") ",\"then\":" ALL_OF(HAS_NOT("at") "," HAS_NOT("on") "," HAS_NOT("for")) //
     ",\"else\":" ALL_OF("{\"oneOf\":[" HAS("at") "," HAS("on") "]}," HAS_NOT("from") "," HAS_NOT("to")) "}"},
    {"fault", IF(HAS_NOT("on"), ALL_OF(HAS_NOT("after") "," HAS_NOT("every")))},
    {"fault", IF(HAS("stall"), HAS("for"))},
    {"fault", IF(HAS_NOT("partition"), HAS_NOT("one_way"))},
    {"fault", IF(HAS_NOT("crash"), ALL_OF(HAS_NOT("unsynced") "," HAS_NOT("streams")))},
    {"fault", IF(ANY_OF(HAS("restart") "," HAS("reset") "," HAS("half_open") "," HAS("bit_rot") "," HAS(
                     "forge") "," HAS("replay") "," HAS("rotate_keys") "," HAS("impersonate")),
                 HAS_NOT("for"))},
    {"clock", ANY_OF(HAS("offset") "," HAS("drift_ppm"))},
    {"link", "{\"minProperties\":3}"},
    {"message_fault", IF(HAS("nth"), ALL_OF(HAS_NOT("count") "," HAS_NOT("probability")))},
    {"delay", IF(HAS("nth"), ALL_OF(HAS_NOT("count") "," HAS_NOT("probability")))},
    {"random", "{\"oneOf\":[" HAS("rate") "," HAS("count") "]}"},
    {"work", IF(HAS("move"), HAS("to_path"))},
    {"work", IF(HAS_NOT("move"), HAS_NOT("to_path"))},
    {"work", IF(HAS("range_get"), HAS("range"))},
    {"work", IF(HAS_NOT("range_get"), HAS_NOT("range"))},
    {"work", IF(HAS_NOT("abort_put"), HAS_NOT("after_bytes"))},
    {"work", IF(HAS("login"), HAS_NOT("token"))},
    {"work", IF(ANY_OF(HAS("from") "," HAS("to") "," HAS("clients") "," HAS("rate") "," HAS("paths") "," HAS("mix")),
                ALL_OF(HAS_NOT("at") "," HAS_NOT("client") "," HAS_NOT("version")))},
    {"work", IF(HAS("size"), ANY_OF(HAS("put") "," HAS("abort_put") "," HAS("rate") "," HAS("mix")))},
    {"trigger", IF(IS("event", "\"const\":\"message\""), HAS_NOT("host"))},
    {"trigger", IF(IS("event", "\"type\":\"string\",\"not\":{\"const\":\"message\"}"),
                   ALL_OF(HAS_NOT("from") "," HAS_NOT("to") "," HAS_NOT("message")))},
    {"trigger", IF(IS("event", "\"type\":\"string\",\"not\":{\"const\":\"disk_operation\"}"), HAS_NOT("operation"))},
    {"forge", IS("message", DATAGRAM)},
    {"replay", IS("message", DATAGRAM)},
    {"fault", IS("duplicate", "\"properties\":{\"message\":{" DATAGRAM "}}")},
    {"fault",
     IS("corrupt", "\"properties\":{\"message\":{\"not\":{\"type\":\"string\",\"not\":{\"const\":\"BLOCK_DATA\"}}}}")},
    {"expectation", IF(HAS("replicated"), HAS("by"))},
    {"expectation", IF(HAS_NOT("replicated"), HAS_NOT("by"))},
    {"expectation", IF(HAS("readable"), HAS("at"))},
    {"expectation", IF(HAS_NOT("readable"), HAS_NOT("at"))},
    {"expectation", IF(HAS("operation"), HAS("is"))},
    {"expectation", IF(HAS_NOT("operation"), HAS_NOT("is"))},
    {"expectation", IF(HAS("event"), ANY_OF(HAS("at_least") "," HAS("at_most")))},
    {"expectation", IF(HAS_NOT("event"), ALL_OF(HAS_NOT("at_least") "," HAS_NOT("at_most")))},
    {"bounds", ANY_OF(HAS("at_least") "," HAS("at_most"))},
};

/* A work is one step, or a mix. */
static json_t *work_rule(void)
{
    json_t *ways = json_array();
    json_t *none = json_array();

    for (size_t i = 0; i < SIM_OP_COUNT; i++) {
        const char *name = sim_operation_name((enum sim_operation_kind)i);

        (void)json_array_append_new(ways, json_pack("{s:[s,s]}", "required", name, "at"));
        (void)json_array_append_new(none, json_pack("{s:[s]}", "required", name));
    }
    (void)json_array_append_new(ways, json_pack("{s:{s:o},s:[s]}", "not", "anyOf", none, "required", "rate"));
    return json_pack("{s:o}", "oneOf", ways);
}

static void rule_add(json_t *defs, const char *table, json_t *rule)
{
    json_t *object = json_object_get(defs, table);

    DFS_ASSERT(object != NULL);
    if (json_object_get(object, "allOf") == NULL)
        (void)json_object_set_new(object, "allOf", json_array());
    (void)json_array_append_new(json_object_get(object, "allOf"), rule);
}

json_t *sim_scenario_schema(void)
{
    static const struct dfs_keytable *const tables[] = {&sim_scenario_table};
    json_t *schema = dfs_keytable_schema(tables, 1, 0, true, true);
    json_t *defs = json_object_get(schema, "$defs");

    for (size_t i = 0; i < sizeof definitions / sizeof definitions[0]; i++)
        (void)json_object_set_new(defs, definitions[i].name, parse(definitions[i].text));
    (void)json_object_set_new(defs, "event", enum_of(SIM_EVENT_COUNT, event_at));
    (void)json_object_set_new(defs, "status", enum_of(DFS_STATUS_COUNT, status_at));
    (void)json_object_set_new(defs, "message", enum_of(DFS_MSG_NUMBER_MAX + 1, message_at));
    (void)json_object_set_new(defs, "fault_kind", enum_of(SIM_FAULT_COUNT, kind_at));
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        rule_add(defs, rules[i].table, parse(rules[i].text));
    rule_add(defs, "work", work_rule());
    (void)json_object_set_new(schema, "title", json_string("A scenario of dfs-sim"));
    return schema;
}

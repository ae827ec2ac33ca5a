#include "sim/scenario_write.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/wire/message.h"
#include "sim/scenario_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUMP (JSON_REAL_PRECISION(15))

static void put(json_t *object, const char *key, json_t *value)
{
    DFS_ASSERT(value != NULL && json_object_set_new(object, key, value) == 0);
}

static json_t *host_json(struct sim_host_ref ref)
{
    char name[SIM_HOST_NAME_BYTES];

    sim_host_ref_print(ref, name);
    return json_string(name);
}

static json_t *hosts_json(const struct sim_host_refs *refs)
{
    json_t *list;

    if (refs->count == 1)
        return host_json(refs->refs[0]);
    list = json_array();
    for (uint32_t i = 0; i < refs->count; i++)
        (void)json_array_append_new(list, host_json(refs->refs[i]));
    return list;
}

static json_t *spread_json(const struct dfs_conf_key *row, const struct dfs_spread *spread)
{
    json_t *list = json_array();

    if (spread->count == 0 && spread->low == spread->high) {
        json_decref(list);
        return json_string(dfs_key_value_text(row, spread->low).text);
    }
    for (uint32_t i = 0; i < spread->count; i++)
        (void)json_array_append_new(list, json_string(dfs_key_value_text(row, spread->values[i]).text));
    if (spread->count > 0)
        return json_pack("{s:o}", "one_of", list);
    (void)json_array_append_new(list, json_string(dfs_key_value_text(row, spread->low).text));
    (void)json_array_append_new(list, json_string(dfs_key_value_text(row, spread->high).text));
    return json_pack("{s:o}", "between", list);
}

/* A number, choice or flag in its unit. */
static void put_number(json_t *object, const struct dfs_conf_key *row, const void *base)
{
    const struct dfs_keytable one = {.name = "one", .rows = row, .count = 1};
    json_t *exported = dfs_keytable_export(&one, base);

    (void)json_object_update(object, exported);
    json_decref(exported);
}

static bool is_seen(const struct dfs_conf_key *row, const void *base)
{
    return row->seen != 0 && *((const bool *)base + row->seen - 1);
}

/* One row, unless it holds what `defaults` does and nobody has given it. */
static void put_row(json_t *object, const struct dfs_conf_key *row, const void *base, const void *defaults)
{
    const void *field = (const char *)base + row->offset;

    if ((row->flags & DFS_KEY_SPREAD) != 0) {
        const void *other = (const char *)defaults + row->offset;

        if (row->seen != 0 ? is_seen(row, base) : memcmp(field, other, sizeof(struct dfs_spread)) != 0)
            put(object, row->name, spread_json(row, field));
    } else if (dfs_key_is_number(row)) {
        if (is_seen(row, base) || dfs_key_get(row, base) != dfs_key_get(row, defaults))
            put_number(object, row, base);
    } else if (row->type == DFS_KEY_TEXT) {
        if (*(const char *)field != '\0')
            put(object, row->name, json_string(field));
    } else if (row->read == sim_hosts_read) {
        if (((const struct sim_host_refs *)field)->count > 0)
            put(object, row->name, hosts_json(field));
    } else if (row->read == sim_message_read) {
        uint32_t number;

        memcpy(&number, field, sizeof number);
        if (number != 0)
            put(object, row->name, json_string(dfs_message_name(number)));
    }
}

static json_t *table_json(const struct dfs_keytable *table, const void *base, const void *defaults)
{
    json_t *object = json_object();

    for (size_t i = 0; i < table->count; i++)
        put_row(object, &table->rows[i], base, defaults);
    return object;
}

static void put_named(json_t *object, const struct dfs_keytable *table, const char *name, const void *base)
{
    const struct dfs_conf_key *row = dfs_keytable_find(table, name);

    DFS_ASSERT(row != NULL);
    put_number(object, row, base);
}

static void put_duration(json_t *object, const char *name, int64_t ns)
{
    static const struct dfs_conf_key row = {.name = "duration", .type = DFS_KEY_DURATION};

    put(object, name, json_string(dfs_key_value_text(&row, ns).text));
}

/* Workload ---------------------------------------------------------------------------------------------------------------- */

static json_t *work_json(const struct sim_work *work)
{
    static const char *const of_all[] = {"id", "token", "to_path", "version", "ack", "durability", "if_absent"};
    struct sim_work *defaults = dfs_alloc_zero(sizeof *defaults);
    json_t *object = json_object();
    const bool puts = work->kind == SIM_OP_PUT || work->kind == SIM_OP_ABORT_PUT;

    DFS_ASSERT(!work->is_mix);
    dfs_keytable_defaults(&sim_work_table, defaults);
    put_duration(object, "at", work->at_ns);
    put(object, "client", host_json(work->client));
    put(object, sim_operation_name(work->kind),
        work->kind == SIM_OP_LOGIN && work->path[0] == '\0' ? json_true() : json_string(work->path));
    if (puts)
        put(object, "size", spread_json(dfs_keytable_find(&sim_work_table, "size"), &work->size));
    if (work->kind == SIM_OP_RANGE_GET)
        put(object, "range", json_pack("[I,I]", (json_int_t)work->first, (json_int_t)work->last));
    if (work->kind == SIM_OP_ABORT_PUT && work->after_bytes_seen)
        put(object, "after_bytes", json_integer((json_int_t)work->after_bytes));
    for (size_t i = 0; i < sizeof of_all / sizeof of_all[0]; i++)
        put_row(object, dfs_keytable_find(&sim_work_table, of_all[i]), work, defaults);
    dfs_free(defaults);
    return object;
}

/* Faults ------------------------------------------------------------------------------------------------------------------ */

static json_t *groups_json(const struct sim_fault *fault)
{
    json_t *groups = json_array();

    for (uint32_t i = 0; i < fault->groups_count; i++)
        (void)json_array_append_new(groups, hosts_json(&fault->groups[i]));
    return groups;
}

/* What stands under the kind's own key. */
static json_t *kind_json(const struct sim_fault *fault, const struct sim_fault *zero)
{
    const struct dfs_conf_key *row = dfs_keytable_find(&sim_fault_table, sim_fault_name(fault->kind));

    switch ((int)fault->kind) {
    case SIM_FAULT_PARTITION:
        return groups_json(fault);
    case SIM_FAULT_RESET:
    case SIM_FAULT_STALL:
    case SIM_FAULT_HALF_OPEN:
        return json_pack("{s:o, s:o}", "from", hosts_json(&fault->from), "to", hosts_json(&fault->to));
    case SIM_FAULT_ROTATE_KEYS:
        return json_true();
    default:
        return row->table != NULL ? table_json(row->table, fault, zero) : hosts_json(&fault->hosts);
    }
}

static json_t *trigger_json(const struct sim_fault *fault, const struct sim_fault *zero)
{
    json_t *object = table_json(dfs_keytable_find(&sim_fault_table, "on")->table, fault, zero);

    put(object, "event", json_string(sim_event_name(fault->on.event)));
    return object;
}

static json_t *fault_json(const struct sim_fault *fault)
{
    struct sim_fault *zero = dfs_alloc_zero(sizeof *zero);
    json_t *object = json_object();

    DFS_ASSERT(fault->kind != SIM_FAULT_RANDOM);
    if (fault->triggered) {
        put(object, "on", trigger_json(fault, zero));
        if (fault->after_ns > 0)
            put_duration(object, "after", fault->after_ns);
        if (fault->every)
            put(object, "every", json_true());
    } else {
        put_duration(object, "at", fault->at_ns);
    }
    put(object, sim_fault_name(fault->kind), kind_json(fault, zero));
    if (fault->for_ns > 0)
        put_duration(object, "for", fault->for_ns);
    if (fault->kind == SIM_FAULT_PARTITION && fault->one_way)
        put(object, "one_way", json_true());
    if (fault->kind == SIM_FAULT_CRASH) {
        put_named(object, &sim_fault_table, "unsynced", fault);
        if (fault->streams != 0)
            put_named(object, &sim_fault_table, "streams", fault);
    }
    dfs_free(zero);
    return object;
}

/* Expectations ------------------------------------------------------------------------------------------------------------ */

static void put_bounds(json_t *object, const struct sim_expect *expect)
{
    if (expect->at_least_seen)
        put(object, "at_least", json_integer((json_int_t)expect->at_least));
    if (expect->at_most_seen)
        put(object, "at_most", json_integer((json_int_t)expect->at_most));
}

static json_t *statuses_json(const struct sim_expect *expect)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < expect->statuses_count; i++)
        (void)json_array_append_new(list, json_string(dfs_status_name(expect->statuses[i])));
    return list;
}

static json_t *expect_json(const struct sim_expect *expect)
{
    const char *key = sim_expect_name(expect->kind);
    json_t *object = json_object();
    json_t *bounds = json_object();

    switch (expect->kind) {
    case SIM_EXPECT_EVICTED:
    case SIM_EXPECT_JOINED:
    case SIM_EXPECT_NEVER_EVICTED:
        put(object, key, hosts_json(&expect->hosts));
        break;
    case SIM_EXPECT_REPLICATED:
        put(object, key, json_string(expect->path));
        put_duration(object, "by", expect->by_ns);
        break;
    case SIM_EXPECT_READABLE:
        put(object, key, json_string(expect->path));
        put_duration(object, "at", expect->at_ns);
        break;
    case SIM_EXPECT_OPERATION:
        put(object, key, json_string(expect->id));
        put(object, "is", statuses_json(expect));
        break;
    case SIM_EXPECT_REPAIRS:
        put_bounds(bounds, expect);
        put(object, key, json_incref(bounds));
        break;
    case SIM_EXPECT_EVENT:
        put(object, key, json_string(sim_event_name(expect->event)));
        put_bounds(object, expect);
        break;
    case SIM_EXPECT_COUNT:
        dfs_unreachable("expect_json");
    }
    if (expect->from_seen)
        put_duration(object, "from", expect->from_ns);
    if (expect->to_seen)
        put_duration(object, "to", expect->to_ns);
    json_decref(bounds);
    return object;
}

/* The file ---------------------------------------------------------------------------------------------------------------- */

/* An object that says nothing is left out. Takes it. */
static void put_some(json_t *object, const char *key, json_t *part)
{
    if (json_object_size(part) > 0)
        put(object, key, json_incref(part));
    json_decref(part);
}

static json_t *cluster_json(const struct sim_scenario *scenario, const struct sim_scenario *defaults)
{
    static const char *const words[] = {"data", "clients", "zones", "capacity"};
    const struct dfs_keytable *table = sim_scenario_part("cluster");
    json_t *object = json_object();
    json_t *config = table_json(&dfs_settings_table, &scenario->cluster.settings, &defaults->cluster.settings);

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        put_named(object, table, words[i], &scenario->cluster);
    put_named(object, table, "replication", &scenario->cluster);
    (void)json_object_del(config, "replication"); /* the cluster's word says it */
    put_some(object, "config", config);
    put_some(object, "bounds", table_json(&sim_bounds_table, &scenario->cluster.bounds, &defaults->cluster.bounds));
    return object;
}

json_t *sim_scenario_json(const struct sim_scenario *scenario)
{
    struct sim_scenario defaults;
    json_t *object = json_object();
    json_t *works = json_array();
    json_t *faults = json_array();
    json_t *expects = json_array();

    sim_scenario_init(&defaults);
    put(object, "dfs_scenario", json_integer(SIM_SCENARIO_VERSION));
    put(object, "name", json_string(scenario->name));
    if (scenario->description[0] != '\0')
        put(object, "description", json_string(scenario->description));
    put_duration(object, "duration", scenario->duration_ns);
    put_duration(object, "settle", scenario->settle_ns);
    put(object, "cluster", cluster_json(scenario, &defaults));
    put(object, "network", table_json(sim_scenario_part("network"), &scenario->network, &defaults.network));
    put(object, "disk", table_json(sim_scenario_part("disk"), &scenario->disk, &defaults.disk));
    for (size_t i = 0; i < scenario->works_count; i++)
        (void)json_array_append_new(works, work_json(&scenario->works[i]));
    for (size_t i = 0; i < scenario->faults_count; i++)
        (void)json_array_append_new(faults, fault_json(&scenario->faults[i]));
    for (size_t i = 0; i < scenario->expects_count; i++)
        (void)json_array_append_new(expects, expect_json(&scenario->expects[i]));
    put(object, "workload", works);
    put(object, "faults", faults);
    put(object, "expect", expects);
    sim_scenario_close(&defaults);
    return object;
}

static void text_value(struct dfs_conf_text *text, const json_t *value)
{
    char *line = json_dumps(value, DUMP | JSON_ENCODE_ANY);

    DFS_ASSERT(line != NULL);
    dfs_conf_text_add(text, "%s", line);
    free(line); /* jansson's own allocation */
}

char *sim_scenario_text(const struct sim_scenario *scenario)
{
    struct dfs_conf_text text = {0};
    json_t *object = sim_scenario_json(scenario);
    const char *key;
    json_t *value;
    const char *before = "{\n";

    json_object_foreach(object, key, value)
    {
        dfs_conf_text_add(&text, "%s  \"%s\": ", before, key);
        before = ",\n";
        if (!json_is_array(value) || json_array_size(value) == 0) {
            text_value(&text, value);
            continue;
        }
        for (size_t i = 0; i < json_array_size(value); i++) {
            dfs_conf_text_add(&text, "%s    ", i == 0 ? "[\n" : ",\n");
            text_value(&text, json_array_get(value, i));
        }
        dfs_conf_text_add(&text, "\n  ]");
    }
    dfs_conf_text_add(&text, "\n}\n");
    json_decref(object);
    return dfs_conf_text_take(&text);
}

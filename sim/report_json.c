/* The result of a run as the object of `run --json`. */
#include "sim/copies.h"
#include "sim/expect.h"
#include "sim/run.h"

#include <inttypes.h>
#include <stdio.h>

static json_t *milliseconds(dfs_time_ns at)
{
    return at == DFS_NEVER ? json_null() : json_integer((json_int_t)(at / DFS_MILLISECONDS));
}

static json_t *text_or_null(const char *text)
{
    /* What is no UTF-8 cannot be a text of JSON; ours always is, unless a checker quotes what it should not. */
    json_t *value = text[0] == '\0' ? NULL : json_string(text);

    return value != NULL ? value : json_null();
}

static json_t *violations_json(const struct sim_run *run)
{
    json_t *list = json_array();

    for (size_t i = 0; i < run->violations_count; i++) {
        const struct sim_violation *violation = &run->violations[i];

        (void)json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o}", "checker", violation->checker, "at_ms",
                                                    violation->before_zero ? json_null() : milliseconds(violation->at),
                                                    "host", text_or_null(violation->host), "message",
                                                    text_or_null(violation->message), "line",
                                                    violation->line > 0 ? json_integer(violation->line) : json_null()));
    }
    return list;
}

static json_t *expectations_json(const struct sim_run *run)
{
    json_t *list = json_array();

    for (size_t i = 0; i < sim_expects_count(run->expects); i++) {
        const struct sim_expectation expectation = sim_expects_get(run->expects, i);

        (void)json_array_append_new(list, json_pack("{s:I, s:b, s:o, s:o}", "index", (json_int_t)i, "ok",
                                                    expectation.ok, "at_ms", milliseconds(expectation.at), "message",
                                                    text_or_null(expectation.message)));
    }
    return list;
}

static json_t *operations_json(const struct sim_run *run)
{
    json_t *object = json_object();

    for (unsigned kind = 0; kind < SIM_OP_COUNT; kind++) {
        (void)json_object_set_new(object, sim_operation_name((enum sim_operation_kind)kind),
                                  json_pack("{s:I, s:I}", "ok", (json_int_t)run->ledger.ok[kind], "failed",
                                            (json_int_t)run->ledger.failed[kind]));
    }
    return object;
}

static json_t *evictions_json(const struct sim_run *run)
{
    json_t *list = json_array();
    char name[SIM_HOST_NAME_BYTES];

    for (size_t i = 0; i < run->evictions_count; i++) {
        sim_host_ref_print((struct sim_host_ref){SIM_HOST_DATA, (uint16_t)run->evictions[i].data}, name);
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:o}", "host", name, "at_ms", milliseconds(run->evictions[i].at)));
    }
    return list;
}

static json_t *stats_json(const struct sim_run *run)
{
    const struct sim_counts *counts = sim_world_counts(run->world);
    json_t *stats = json_object();
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"datagrams", counts->datagrams},
        {"datagram_bytes", counts->datagram_bytes},
        {"datagrams_lost", counts->datagrams_lost},
        {"frames", counts->frames},
        {"frame_bytes", counts->frame_bytes},
        {"connects", counts->connects},
        {"disk_operations", counts->disk_operations},
        {"syncs", counts->syncs},
        {"disk_bytes_written", counts->disk_bytes_written},
        {"disk_bytes_read", counts->disk_bytes_read},
        {"crashes", counts->crashes},
        {"starts", counts->starts},
        {"puts_acknowledged", run->ledger.put_acknowledged},
        {"files_read_back", run->audited},
        {"violations_not_shown", run->violations_more},
    };

    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        (void)json_object_set_new(stats, figures[i].name, json_integer((json_int_t)figures[i].value));
    (void)json_object_set_new(stats, "start_ms", milliseconds(run->zero));
    (void)json_object_set_new(stats, "settled_at_ms", run->settled ? milliseconds(run->settled_at) : json_null());
    const struct sim_risk_figures risk = sim_copies_risk(run->copies);

    (void)json_object_set_new(stats, "under_replicated",
                              json_pack("{s:I, s:I, s:I, s:I}", "block_ms",
                                        (json_int_t)(risk.under_ns / DFS_MILLISECONDS), "longest_ms",
                                        (json_int_t)(risk.under_longest_ns / DFS_MILLISECONDS), "one_copy_block_ms",
                                        (json_int_t)(risk.one_ns / DFS_MILLISECONDS), "one_copy_longest_ms",
                                        (json_int_t)(risk.one_longest_ns / DFS_MILLISECONDS)));
    json_t *events = json_object();

    for (unsigned event = 0; event < SIM_EVENT_COUNT; event++) {
        if (run->events_seen[event] > 0)
            (void)json_object_set_new(events, sim_event_name((enum sim_event)event),
                                      json_integer((json_int_t)run->events_seen[event]));
    }
    (void)json_object_set_new(stats, "events_seen", events);
    return stats;
}

json_t *sim_run_json(const struct sim_run *run)
{
    const struct sim_counts *counts = sim_world_counts(run->world);
    char hash[17];

    (void)snprintf(hash, sizeof hash, "%016" PRIx64, sim_world_hash(run->world));
    return json_pack(
        "{s:s, s:I, s:s, s:o, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:o}, s:o}", "scenario",
        run->scenario->name, "seed", (json_int_t)run->options.seed, "verdict", sim_verdict_name(run->verdict), "reason",
        text_or_null(run->reason), "trace_hash", hash, "virtual_ms",
        (json_int_t)(sim_world_now(run->world) / DFS_MILLISECONDS), "events", (json_int_t)counts->events, "messages",
        (json_int_t)counts->frames + (json_int_t)counts->datagrams, "violations", violations_json(run), "expectations",
        expectations_json(run), "operations", operations_json(run), "evictions", evictions_json(run), "repairs",
        "copies", (json_int_t)run->repair_copies, "bytes", (json_int_t)run->repair_bytes, "last_at_ms",
        run->repair_copies > 0 ? milliseconds(run->repair_last_at) : json_null(), "stats", stats_json(run));
}

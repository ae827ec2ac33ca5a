#include "sim/real/judge.h"

#include "core/base/assert.h"
#include "sim/run.h"

#include <stdio.h>

/* Was it heard of each of the data servers, within the bounds; or (`wanted` is false) of none of them, ever? */
static bool each_host(const struct sim_real_course *course, const struct sim_expect *expect, enum sim_event event,
                      bool wanted)
{
    const dfs_time_ns first =
        (dfs_time_ns)expect->from_ns > SIM_REAL_SLACK_NS ? (dfs_time_ns)expect->from_ns - SIM_REAL_SLACK_NS : 0;
    const dfs_time_ns last = dfs_time_add((dfs_time_ns)expect->to_ns, SIM_REAL_SLACK_NS);
    struct sim_host_set hosts;

    sim_real_hosts(course->events->daemons, &expect->hosts, &hosts);
    for (uint32_t i = 2; i < course->events->daemons->count; i++) {
        if (sim_host_set_has(&hosts, i) && sim_real_events_within(course->events, event, i - 2, wanted ? first : 0,
                                                                  wanted ? last : DFS_NEVER) != wanted)
            return false;
    }
    return true;
}

/* Looked at from the end of the scenario on: what was whole before is whole then. */
static bool replicated(const struct sim_real_course *course, const struct sim_expect *expect)
{
    const dfs_time_ns by = dfs_time_max((dfs_time_ns)expect->by_ns, (dfs_time_ns)course->scenario->duration_ns);

    return course->replicated_at != DFS_NEVER && course->replicated_at <= by + 3 * SIM_REAL_SLACK_NS;
}

static bool operation_ended(const struct sim_real_course *course, const struct sim_expect *expect)
{
    const struct sim_operation *operation = sim_real_clients_operation(course->clients, expect->id);

    for (uint32_t i = 0; operation != NULL && i < expect->statuses_count; i++) {
        if (operation->answered_at != DFS_NEVER && operation->status == expect->statuses[i])
            return true;
    }
    return false;
}

static bool counts_within(const struct sim_expect *expect, uint64_t count)
{
    return count >= (uint64_t)expect->at_least && count <= (uint64_t)expect->at_most;
}

static bool expected(const struct sim_real_course *course, const struct sim_expect *expect, bool failed)
{
    switch (expect->kind) {
    case SIM_EXPECT_EVICTED:
        return each_host(course, expect, SIM_EVENT_EVICTED, true);
    case SIM_EXPECT_JOINED:
        return each_host(course, expect, SIM_EVENT_JOINED, true);
    case SIM_EXPECT_NEVER_EVICTED:
        return each_host(course, expect, SIM_EVENT_EVICTED, false);
    case SIM_EXPECT_REPLICATED:
        return replicated(course, expect);
    case SIM_EXPECT_READABLE:
        return !failed; /* the audit reads everything */
    case SIM_EXPECT_OPERATION:
        return operation_ended(course, expect);
    case SIM_EXPECT_REPAIRS:
        return counts_within(expect, course->events->copies);
    case SIM_EXPECT_EVENT:
        return counts_within(expect, expect->event == SIM_EVENT_PUT_ACKNOWLEDGED
                                         ? course->clients->ledger.put_acknowledged
                                         : sim_real_events_count(course->events, expect->event));
    case SIM_EXPECT_COUNT:
        break;
    }
    dfs_unreachable("expected");
}

/* All of them, as `run --json` shows them; *ret_failed becomes true when one did not come about. */
static json_t *expectations(const struct sim_real_course *course, bool *ret_failed)
{
    json_t *list = json_array();

    for (size_t i = 0; i < course->scenario->expects_count; i++) {
        const struct sim_expect *expect = &course->scenario->expects[i];
        const bool ok = expected(course, expect, *ret_failed);
        char words[64];

        (void)snprintf(words, sizeof words, "line %u did not come about", expect->line);
        (void)json_array_append_new(list, json_pack("{s:I, s:b, s:n, s:o}", "index", (json_int_t)i, "ok", ok, "at_ms",
                                                    "message", ok ? json_null() : json_string(words)));
        *ret_failed |= !ok;
    }
    return list;
}

/* Did the run show nothing? `reason` names a fault that took no part; it stays as it is when no PUT was acknowledged. */
static bool is_vacuous(const struct sim_real_course *course, char *reason, size_t room)
{
    const struct sim_ledger *ledger = &course->clients->ledger;

    for (size_t i = 0; i < course->scenario->faults_count; i++) {
        const struct sim_fault *fault = &course->scenario->faults[i];

        if (course->faults->took_effect[i])
            continue;
        (void)snprintf(reason, room, "fault %zu (line %u, %s) never took effect", i, fault->line,
                       sim_fault_name(fault->kind));
        return true;
    }
    return ledger->asked[SIM_OP_PUT] > 0 && ledger->put_acknowledged == 0;
}

static json_t *operations(const struct sim_ledger *ledger)
{
    json_t *counts = json_object();

    for (unsigned kind = 0; kind < SIM_OP_COUNT; kind++) {
        if (ledger->asked[kind] > 0)
            (void)json_object_set_new(counts, sim_operation_name((enum sim_operation_kind)kind),
                                      json_pack("{s:I, s:I}", "ok", (json_int_t)ledger->ok[kind], "failed",
                                                (json_int_t)ledger->failed[kind]));
    }
    return counts;
}

json_t *sim_real_judge(const struct sim_real_course *course)
{
    const struct sim_real_events *events = course->events;
    bool failed = json_array_size(course->clients->violations) > 0;
    json_t *expects = expectations(course, &failed);
    enum sim_verdict_kind verdict = failed ? SIM_FAIL : course->stuck != NULL ? SIM_STUCK : SIM_PASS;
    char reason[512] = "";

    if (course->stuck != NULL)
        (void)snprintf(reason, sizeof reason, "%s", course->stuck);
    if (verdict == SIM_PASS && is_vacuous(course, reason, sizeof reason))
        verdict = SIM_VACUOUS;
    json_t *result = json_pack(
        "{s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:O, s:o, s:o, s:O, s:{s:I, s:I, s:I}, s:{s:b}}", "scenario",
        course->scenario->name, "seed", (json_int_t)course->seed, "verdict", sim_verdict_name(verdict), "trace_hash",
        "", "virtual_ms", (json_int_t)(course->end / DFS_MILLISECONDS), "events", (json_int_t)events->count, "messages",
        (json_int_t)0, "violations", course->clients->violations, "expectations", expects, "operations",
        operations(&course->clients->ledger), "evictions", events->evictions, "repairs", "copies",
        (json_int_t)events->copies, "bytes", (json_int_t)events->copies_bytes, "last_at_ms",
        (json_int_t)(events->copies_last / DFS_MILLISECONDS), "stats", "real", 1);

    if (reason[0] != '\0')
        (void)json_object_set_new(result, "reason", json_string(reason));
    return result;
}

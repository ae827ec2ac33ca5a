#include "sim/costs.h"

#include "core/base/mem.h"
#include "sim/run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is counted begins and ends with: */
enum moment {
    ASKED,    /* operation "it" of the workload is asked */
    ANSWERED, /* it is answered; what follows from it within AFTER_NS counts too */
    CRASHED,  /* d3 is crashed */
    EVICTED,  /* d3 is evicted */
    REPAIRED, /* the last copy of the repair is made; the same */
    TIME      /* a second has passed; a minute later */
};

struct costs_case {
    const char *name;
    enum moment first;
    enum moment last;
    unsigned replication;
    const char *work; /* of the scenario: workload and faults */
};

#define PUT_AT(at, id) "{\"at\":\"" at "\",\"client\":\"c1\",\"put\":\"f\",\"size\":\"1MB\",\"id\":\"" id "\"}"
#define GET_AT(at, id) "{\"at\":\"" at "\",\"client\":\"c2\",\"get\":\"f\",\"id\":\"" id "\"}"
#define PUT_IT "\"workload\":[" PUT_AT("1s", "it") "]"
#define GET_IT "\"workload\":[" PUT_AT("1s", "before") "," GET_AT("4s", "it") "]"
#define CRASH_IT \
    "\"workload\":[" PUT_AT("1s", "before") "],\"faults\":[{\"at\":\"4s\",\"crash\":\"d3\",\"streams\":\"silent\"}]"

static const struct costs_case cases[] = {
    {"PUT of 1 MB, 1 copy", ASKED, ANSWERED, 1, PUT_IT},
    {"PUT of 1 MB, 3 copies", ASKED, ANSWERED, 3, PUT_IT},
    {"PUT of 1 MB, 5 copies", ASKED, ANSWERED, 5, PUT_IT},
    {"GET of 1 MB, 1 copy", ASKED, ANSWERED, 1, GET_IT},
    {"GET of 1 MB, 3 copies", ASKED, ANSWERED, 3, GET_IT},
    {"GET of 1 MB, 5 copies", ASKED, ANSWERED, 5, GET_IT},
    {"eviction of a data server, from its crash", CRASHED, EVICTED, 3, CRASH_IT},
    {"repair of the blocks of an evicted data server", EVICTED, REPAIRED, 3, CRASH_IT},
    {"a minute of five data servers without work", TIME, TIME, 3, "\"workload\":[]"},
};

/* Reports to metadata come right behind an answer; what comes later is the clock's. */
#define AFTER_NS DFS_SECONDS

/* Heartbeats come by the clock, not for an operation: only the case of time counts them. */
static bool is_by_the_clock(uint32_t number)
{
    return number == DFS_MSG_HEARTBEAT || number == DFS_MSG_HEARTBEAT_ACK;
}

struct tally {
    uint64_t count;
    uint64_t bytes;
};

struct costs {
    const struct costs_case *which;
    bool counts;
    dfs_time_ns from;
    dfs_time_ns to;
    struct tally messages[DFS_MSG_NUMBER_MAX + 1];
    struct tally disk[DFS_ROLE_COUNT][DFS_DISK_VERB_COUNT];
};

/* Counting ------------------------------------------------------------------------------------------------------------------- */

static void come(struct sim_run *run, struct costs *costs, enum moment moment)
{
    const dfs_time_ns now = sim_world_now(run->world);

    if (moment == costs->which->first && costs->from == DFS_NEVER) {
        costs->from = now;
        costs->counts = true;
        return;
    }
    if (moment != costs->which->last || costs->from == DFS_NEVER)
        return;
    costs->to = now; /* the last of several */
    if (moment == EVICTED || moment == TIME)
        costs->counts = false;
}

static bool is_counting(const struct sim_run *run, const struct costs *costs)
{
    return costs->counts &&
           sim_world_now(run->world) <= dfs_time_add(costs->to, AFTER_NS); /* to: DFS_NEVER until it is over */
}

static void on_message(struct sim_run *run, void *state, const struct sim_seen *seen, unsigned when)
{
    struct costs *costs = state;
    struct tally *tally = &costs->messages[seen->number];

    (void)when;
    if (!is_counting(run, costs) || (is_by_the_clock(seen->number) && costs->which->first != TIME))
        return;
    tally->count++;
    tally->bytes += seen->message->head_bytes + seen->message->bulk_bytes;
}

static void on_disk(struct sim_run *run, void *state, const struct sim_disk_event *event)
{
    struct costs *costs = state;
    const struct sim_node *node = sim_cluster_node(run->cluster, event->host);
    struct tally *tally;

    if (!is_counting(run, costs) || node == NULL)
        return;
    tally = &costs->disk[node->role][event->op->verb];
    tally->count++;
    if (event->op->verb == DFS_DISK_WRITE || event->op->verb == DFS_DISK_READ)
        tally->bytes += event->op->length;
}

static bool is_it(const struct sim_run *run, const struct sim_operation *operation)
{
    const uint32_t last = (uint32_t)run->scenario->works_count - 1; /* "it" is the last step of its case */

    return !operation->audit && operation->step == last;
}

static void on_asked(struct sim_run *run, void *state, const struct sim_operation *operation)
{
    if (is_it(run, operation))
        come(run, state, ASKED);
}

static void on_answered(struct sim_run *run, void *state, const struct sim_operation *operation,
                        const struct dfs_client_result *result)
{
    (void)result;
    if (is_it(run, operation))
        come(run, state, ANSWERED);
}

static void on_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    (void)host;
    if (change == SIM_HOST_CRASHED)
        come(run, state, CRASHED);
}

static void on_trace(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_trace *trace)
{
    (void)host;
    come(run, state, trace->kind == DFS_TRACE_EVICTED ? EVICTED : REPAIRED);
}

static void at_time(void *arg, struct sim_world *world)
{
    struct sim_run *run = arg;

    (void)world;
    come(run, run->options.attach_arg, TIME);
}

static void begun(struct sim_run *run, void *state)
{
    struct costs *costs = state;

    if (costs->which->first != TIME)
        return;
    sim_world_call(run->world, sim_run_world_time(run, DFS_SECONDS), at_time, run);
    sim_world_call(run->world, sim_run_world_time(run, 61 * DFS_SECONDS), at_time, run);
}

static void at_end(struct sim_run *run, void *state, bool settled)
{
    struct costs *costs = state;

    (void)run, (void)settled;
    costs->counts = false; /* before the audit reads everything */
}

static const struct sim_message_hook message_hooks[] = {
#define X(number_, NAME, name) {.number = (number_), .when = SIM_SENT, .seen = on_message},
    DFS_MESSAGE_MAP(X)
#undef X
};

static const struct sim_hooks hooks = {
    .begun = begun,
    .traces = 1u << DFS_TRACE_EVICTED | 1u << DFS_TRACE_REPAIR_DONE,
    .trace = on_trace,
    .messages = message_hooks,
    .messages_count = sizeof message_hooks / sizeof message_hooks[0],
    .disk_submitted = on_disk,
    .host_changed = on_host,
    .asked = on_asked,
    .answered = on_answered,
    .end = at_end,
};

static void attach(struct sim_run *run, void *arg)
{
    sim_run_listen(run, "costs", &hooks, arg);
}

/* Telling -------------------------------------------------------------------------------------------------------------------- */

struct text {
    char *at;
    size_t count;
    size_t room;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    char line[256];
    va_list arguments;
    int count;

    va_start(arguments, format);
    count = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    DFS_ASSERT(count >= 0 && (size_t)count < sizeof line);
    if (text->room - text->count < sizeof line) {
        text->room = text->room == 0 ? 8192 : text->room * 2;
        text->at = dfs_realloc_array(text->at, text->room, 1);
    }
    memcpy(text->at + text->count, line, (size_t)count + 1);
    text->count += (size_t)count;
}

static void tell_disks(struct text *text, const struct costs *costs)
{
    static const enum dfs_role roles[] = {DFS_ROLE_AUTH, DFS_ROLE_META, DFS_ROLE_DATA};

    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        for (unsigned verb = 0; verb < DFS_DISK_VERB_COUNT; verb++) {
            const struct tally *tally = &costs->disk[roles[i]][verb];
            const bool moves = verb == DFS_DISK_WRITE || verb == DFS_DISK_READ;

            if (tally->count > 0 && moves)
                say(text, "  disk of %-5s %-13s %8" PRIu64 " %12" PRIu64 " bytes\n", dfs_role_name(roles[i]),
                    dfs_disk_verb_name((enum dfs_disk_verb)verb), tally->count, tally->bytes);
            else if (tally->count > 0)
                say(text, "  disk of %-5s %-13s %8" PRIu64 "\n", dfs_role_name(roles[i]),
                    dfs_disk_verb_name((enum dfs_disk_verb)verb), tally->count);
        }
    }
}

static void tell(struct text *text, const struct costs *costs)
{
    struct tally all = {0};

    for (size_t i = 0; i <= DFS_MSG_NUMBER_MAX; i++) {
        all.count += costs->messages[i].count;
        all.bytes += costs->messages[i].bytes;
    }
    say(text, "\n%s\n", costs->which->name);
    say(text, "  %-27s %8" PRIu64 " us\n", "virtual time", (costs->to - costs->from) / DFS_MICROSECONDS);
    say(text, "  %-27s %8" PRIu64 " %12" PRIu64 " bytes\n", "messages", all.count, all.bytes);
    for (uint32_t i = 0; i <= DFS_MSG_NUMBER_MAX; i++) {
        if (costs->messages[i].count > 0)
            say(text, "    %-25s %8" PRIu64 " %12" PRIu64 " bytes\n", dfs_message_name(i), costs->messages[i].count,
                costs->messages[i].bytes);
    }
    tell_disks(text, costs);
}

/* Running -------------------------------------------------------------------------------------------------------------------- */

static void run_case(const struct costs_case *which, struct text *text)
{
    struct costs costs = {.which = which, .from = DFS_NEVER, .to = DFS_NEVER};
    const struct sim_run_options options = {.seed = 1, .attach = attach, .attach_arg = &costs};
    struct dfs_conf_error error = {.text = ""};
    struct sim_scenario scenario;
    char json[2048];
    const int count = snprintf(
        json, sizeof json,
        "{\"dfs_scenario\":1,\"name\":\"costs\",\"duration\":\"%s\",\"cluster\":{\"data\":%u,\"clients\":2,\"replication\":%u,"
        "\"config\":{\"heartbeat_interval\":\"1s\",\"repair_grace\":\"0s\",\"scrypt_n\":16}},"
        "\"network\":{\"latency\":\"1ms\",\"loss\":0,\"duplicate\":0,\"reorder\":0,\"bandwidth\":\"1Gbps\"},"
        "\"disk\":{\"latency\":\"0.1ms\",\"sync_latency\":\"1ms\",\"throughput\":\"200MB/s\"},%s}",
        which->first == TIME ? "62s" : "20s", which->replication < 5 ? 5 : which->replication + 1, which->replication,
        which->work);

    DFS_ASSERT(count > 0 && (size_t)count < sizeof json);
    if (sim_scenario_read(&scenario, "costs", json, (size_t)count, 1, &error) != DFS_OK) {
        (void)fprintf(stderr, "dfs-sim costs: %s\n", error.text);
        abort();
    }
    struct sim_run *run = sim_run_new(&scenario, &options);

    sim_run_go(run);
    if (run->verdict != SIM_PASS || costs.from == DFS_NEVER || costs.to == DFS_NEVER) {
        (void)fprintf(stderr, "dfs-sim costs: \"%s\" ended as %s: %s%s\n", which->name, sim_verdict_name(run->verdict),
                      run->reason, run->violations_count > 0 ? run->violations[0].message : "");
        abort();
    }
    tell(text, &costs);
    sim_run_free(run);
    sim_scenario_close(&scenario);
}

char *sim_costs_text(size_t *ret_count)
{
    struct text text = {0};

    say(&text,
        "# What operations cost: links of 1 ms and 1 Gbps, disks of 0.1 ms (a sync 1 ms) and 200 MB/s, blocks of 250 KB.\n");
    say(&text,
        "# Messages and bytes as sent; heartbeats are counted in the last case only. Rewritten by: dfs-sim costs --update\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        run_case(&cases[i], &text);
    *ret_count = text.count;
    return text.at;
}

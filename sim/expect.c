#include "sim/expect.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/copies.h"
#include "sim/listen.h"
#include "sim/nemesis.h"
#include "sim/workload.h"

#include <stdio.h>
#include <string.h>

/* How often the disks are looked at for `replicated`. */
#define LOOK_NS (100 * DFS_MILLISECONDS)

/* interfaces: what is readable is read within 30 s. */
#define READ_WITHIN_NS (30 * DFS_SECONDS)

/* Reads of one `readable` that run at a time: a client takes some hundred commands. */
#define READS_MAX 32

#define MESSAGE_BYTES (DFS_PATH_BYTES_MAX + 512) /* a path and a sentence */

struct reading {
    const struct sim_path *path;
    struct sim_operation *operation; /* NULL: not begun */
};

struct state {
    struct sim_expects *expects;
    const struct sim_expect *expect;
    struct sim_host_set wanted; /* EVICTED, JOINED, NEVER_EVICTED: hosts that have not shown it yet, or must not */
    bool ok;
    bool broken;
    dfs_time_ns at;
    uint64_t count;        /* EVENT */
    uint64_t counted_from; /* EVENT of messages and disk operations: the world's count at `from`, and at `to` */
    uint64_t counted_to;
    bool is_counting;
    bool is_counted;
    char message[MESSAGE_BYTES];
    struct sim_copies_count copies; /* REPLICATED: at the last look */
    struct reading *readings;       /* READABLE */
    size_t readings_count;
    size_t readings_next;
    size_t readings_done;
    uint32_t clients[SIM_CLIENTS_MAX];
    uint32_t clients_count;
    bool begun;
};

struct sim_expects {
    struct sim_run *run;
    struct state *states;
    size_t count;
    dfs_time_ns look_from; /* of the scenario: before it no fault that has a time is over */
};

static const char *path_of(const struct sim_expect *expect)
{
    return expect->all ? NULL : expect->path;
}

/* Events ----------------------------------------------------------------------------------------------------------------- */

static bool in_window(const struct sim_expect *expect, dfs_time_ns at)
{
    return at >= (dfs_time_ns)expect->from_ns && at <= (dfs_time_ns)expect->to_ns;
}

static void on_member(struct state *state, struct sim_host *host, dfs_time_ns at)
{
    const uint32_t number = host != NULL ? sim_run_host_number(state->expects->run, host) : UINT32_MAX;

    if (number == UINT32_MAX || !sim_host_set_has(&state->wanted, number))
        return;
    if (state->expect->kind == SIM_EXPECT_NEVER_EVICTED) {
        if (!state->broken)
            (void)snprintf(state->message, sizeof state->message, "%s was evicted", sim_host_name(host));
        state->broken = true;
        state->at = at < state->at ? at : state->at;
        return;
    }
    if (!in_window(state->expect, at))
        return;
    sim_host_set_remove(&state->wanted, number);
    state->at = at;
    state->ok = sim_host_set_count(&state->wanted) == 0;
}

void sim_expects_event(struct sim_expects *expects, enum sim_event event, struct sim_host *host)
{
    const dfs_time_ns at = sim_run_time(expects->run);

    for (size_t i = 0; i < expects->count; i++) {
        struct state *state = &expects->states[i];

        switch (state->expect->kind) {
        case SIM_EXPECT_EVICTED:
        case SIM_EXPECT_NEVER_EVICTED:
            if (event == SIM_EVENT_EVICTED)
                on_member(state, host, at);
            break;
        case SIM_EXPECT_JOINED:
            if (event == SIM_EVENT_JOINED)
                on_member(state, host, at);
            break;
        case SIM_EXPECT_EVENT:
            if (event == state->expect->event && in_window(state->expect, at)) {
                state->count++;
                state->at = at;
            }
            break;
        case SIM_EXPECT_REPLICATED:
        case SIM_EXPECT_READABLE:
        case SIM_EXPECT_OPERATION:
        case SIM_EXPECT_REPAIRS:
        case SIM_EXPECT_COUNT:
            break;
        }
    }
}

/* Too many to be told one by one: the world counts them, and its count is looked at when the window begins and ends. */
static bool is_counted_by_world(const struct sim_expect *expect)
{
    return expect->kind == SIM_EXPECT_EVENT &&
           (expect->event == SIM_EVENT_MESSAGE || expect->event == SIM_EVENT_DISK_OPERATION);
}

static uint64_t counted(const struct state *state)
{
    const struct sim_counts *counts = sim_world_counts(state->expects->run->world);

    return state->expect->event == SIM_EVENT_MESSAGE ? counts->frames + counts->datagrams : counts->disk_operations;
}

static void count_begin(void *arg, struct sim_world *world)
{
    struct state *state = arg;

    (void)world;
    state->counted_from = counted(state);
    state->is_counting = true;
}

static void count_end(void *arg, struct sim_world *world)
{
    struct state *state = arg;

    (void)world;
    state->counted_to = counted(state);
    state->is_counted = true;
}

static void count_window(struct state *state)
{
    struct sim_run *run = state->expects->run;

    if (state->expect->from_ns == 0)
        count_begin(state, run->world);
    else
        sim_world_call(run->world, sim_run_world_time(run, (dfs_time_ns)state->expect->from_ns), count_begin, state);
    if (state->expect->to_seen)
        sim_world_call(run->world, sim_run_world_time(run, (dfs_time_ns)state->expect->to_ns), count_end, state);
}

/* Copies ------------------------------------------------------------------------------------------------------------------- */

/* Later than the last fault was undone, or began for good. */
static bool is_after_faults(const struct sim_run *run, dfs_time_ns at)
{
    return run->fault_last == DFS_NEVER || at > run->fault_last;
}

static void look(void *arg, struct sim_world *world)
{
    struct state *state = arg;
    struct sim_run *run = state->expects->run;
    const dfs_time_ns now = sim_run_time(run);
    const dfs_time_ns by = (dfs_time_ns)state->expect->by_ns;

    /* A fault that came after it was fulfilled takes that back. */
    if (!state->ok || !is_after_faults(run, state->at)) {
        sim_copies_look(run, path_of(state->expect), &state->copies);
        state->ok = state->copies.under == 0 &&
                    (state->expect->all || state->copies.blocks > 0 || sim_copies_knows(run, state->expect->path));
        state->at = now;
    }
    if (now >= by)
        return;
    sim_world_call(world, sim_run_world_time(run, now + LOOK_NS < by ? now + LOOK_NS : by), look, state);
}

static void look_begin(struct state *state)
{
    struct sim_run *run = state->expects->run;
    const dfs_time_ns by = (dfs_time_ns)state->expect->by_ns;
    const dfs_time_ns from = state->expects->look_from < by ? state->expects->look_from : by;

    sim_world_call(run->world, sim_run_world_time(run, from), look, state);
}

/* When the last fault that has a time of its own is over, or has begun for good. */
static dfs_time_ns faults_known(const struct sim_scenario *scenario)
{
    dfs_time_ns last = 0;

    for (size_t i = 0; i < scenario->faults_count; i++) {
        const struct sim_fault *fault = &scenario->faults[i];
        dfs_time_ns at = 0;

        if (fault->kind == SIM_FAULT_RANDOM)
            at = (dfs_time_ns)fault->random.from_ns;
        else if (!fault->triggered)
            at = (dfs_time_ns)fault->at_ns + (dfs_time_ns)fault->for_ns;
        if (at > (dfs_time_ns)scenario->duration_ns)
            at = (dfs_time_ns)scenario->duration_ns;
        last = at > last ? at : last;
    }
    return last;
}

/* Reading ------------------------------------------------------------------------------------------------------------------ */

static void read_more(struct state *state)
{
    while (state->readings_next < state->readings_count && state->readings_next - state->readings_done < READS_MAX) {
        struct reading *reading = &state->readings[state->readings_next];
        const uint32_t client = state->clients[state->readings_next % state->clients_count];

        state->readings_next++;
        reading->operation = sim_workload_get(state->expects->run->workload, client, reading->path->name);
        if (reading->operation == NULL)
            state->readings_done++;
    }
}

static void pump(void *arg, struct sim_world *world)
{
    (void)world;
    read_more(arg);
}

static void on_answered(struct sim_run *run, void *listener, const struct sim_operation *operation,
                        const struct dfs_client_result *result)
{
    struct sim_expects *expects = *(struct sim_expects **)listener;

    (void)result;
    if (!operation->audit)
        return;
    for (size_t i = 0; i < expects->count; i++) {
        struct state *state = &expects->states[i];

        for (size_t r = state->readings_next; r-- > 0;) {
            if (state->readings[r].operation != operation)
                continue;
            state->readings_done++;
            sim_world_call(run->world, sim_world_now(run->world), pump, state);
            return;
        }
    }
}

/* Clients that nothing touches; or else all that run: a fault of the network may name everybody. */
static void choose_clients(struct state *state)
{
    struct sim_run *run = state->expects->run;
    const uint32_t first = 2 + run->cluster->options.data;

    for (int lenient = 0; lenient < 2 && state->clients_count == 0; lenient++) {
        for (uint32_t i = 0; i < run->cluster->options.clients; i++) {
            const bool fit = lenient ? sim_host_is_up(run->cluster->clients[i].host)
                                     : !sim_nemesis_touches(run->nemesis, first + i, 0);

            if (fit)
                state->clients[state->clients_count++] = i;
        }
    }
}

static void read_begin(void *arg, struct sim_world *world)
{
    struct state *state = arg;
    const struct sim_ledger *ledger = &state->expects->run->ledger;

    (void)world;
    state->begun = true;
    choose_clients(state);
    for (size_t i = 0; i < ledger->paths_count; i++) {
        const struct sim_path *path = ledger->paths[i];

        if (!sim_path_must_exist(path) || (!state->expect->all && strcmp(path->name, state->expect->path) != 0))
            continue;
        state->readings = dfs_realloc_array(state->readings, state->readings_count + 1, sizeof *state->readings);
        state->readings[state->readings_count++] = (struct reading){.path = path};
    }
    if (state->clients_count > 0)
        read_more(state);
}

static bool is_read(const struct sim_operation *operation)
{
    return operation != NULL && operation->answered_at != DFS_NEVER && operation->status == DFS_OK &&
           operation->answered_at - operation->asked_at <= READ_WITHIN_NS;
}

/* Somebody removed or replaced it while it was read: nothing was promised. */
static bool is_void(const struct sim_operation *operation)
{
    return operation != NULL && operation->answered_at != DFS_NEVER && operation->status == DFS_NOT_FOUND &&
           !sim_path_must_exist(operation->path);
}

static void decide_readable(struct state *state)
{
    const struct sim_run *run = state->expects->run;

    if (!state->begun || (!state->expect->all && state->readings_count == 0)) {
        (void)snprintf(state->message, sizeof state->message, "%s",
                       state->begun ? "no acknowledged file stands at this path at that time" : "its time never came");
        return;
    }
    state->ok = true;
    for (size_t i = 0; i < state->readings_count && state->ok; i++) {
        const struct sim_operation *operation = state->readings[i].operation;

        if (is_read(operation)) {
            const dfs_time_ns at = operation->answered_at - run->zero;

            state->at = state->at == DFS_NEVER || at > state->at ? at : state->at;
        } else if (!is_void(operation)) {
            state->ok = false;
            (void)snprintf(state->message, sizeof state->message, "%s was not read within 30 s: %s",
                           state->readings[i].path->name,
                           operation == NULL                     ? "no client was up"
                           : operation->answered_at == DFS_NEVER ? "no answer"
                                                                 : dfs_status_name(operation->status));
        }
    }
}

/* Deciding -------------------------------------------------------------------------------------------------------------------- */

static void name_wanted(const struct state *state, const char *what, char *text, size_t room)
{
    const struct sim_run *run = state->expects->run;
    size_t at = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < sim_hosts_count(sim_scenario_hosts(run->scenario)) && at + 32 < room; i++) {
        if (sim_host_set_has(&state->wanted, i))
            at +=
                (size_t)snprintf(text + at, room - at, "%s%s", at > 0 ? ", " : "", sim_host_name(sim_run_host(run, i)));
    }
    (void)snprintf(text + at, room - at, " %s", what);
}

static void decide_replicated(struct state *state)
{
    const struct sim_copies_count *count = &state->copies;
    const struct sim_run *run = state->expects->run;
    const dfs_time_ns by = (dfs_time_ns)state->expect->by_ns;
    char block[DFS_FILE_NAME_BYTES_MAX];

    state->ok = state->ok && is_after_faults(run, state->at) && state->at <= by;
    if (state->ok)
        return;
    if (run->fault_last != DFS_NEVER && run->fault_last >= by) {
        (void)snprintf(state->message, sizeof state->message,
                       "the last fault was undone (or began for good) at %.3f s, which is not before %.3f s",
                       (double)run->fault_last / 1e9, (double)by / 1e9);
        return;
    }
    if (count->under == 0) {
        (void)snprintf(state->message, sizeof state->message,
                       "no moment after the last fault and before the time was seen");
        return;
    }
    dfs_block_name(&count->first, block);
    (void)snprintf(state->message, sizeof state->message,
                   "%llu of %llu blocks have fewer good copies than wanted on %u active servers; block %s of %s has %u",
                   (unsigned long long)count->under, (unsigned long long)count->blocks, count->active, block,
                   count->first_of->path, count->first_copies);
}

static void decide_operation(struct state *state)
{
    const struct sim_run *run = state->expects->run;
    const struct sim_expect *expect = state->expect;
    const struct sim_operation *operation = NULL;

    for (size_t i = 0; i < run->scenario->works_count; i++) {
        if (strcmp(run->scenario->works[i].id, expect->id) == 0)
            operation = sim_workload_step(run->workload, i);
    }
    if (operation == NULL || operation->answered_at == DFS_NEVER) {
        (void)snprintf(state->message, sizeof state->message, "%s %s", expect->id,
                       operation == NULL ? "was never asked" : "was never answered");
        return;
    }
    state->at = operation->answered_at - run->zero;
    for (uint32_t i = 0; i < expect->statuses_count; i++)
        state->ok = state->ok || expect->statuses[i] == operation->status;
    if (!state->ok)
        (void)snprintf(state->message, sizeof state->message, "%s ended with %s, not with %s", expect->id,
                       dfs_status_name(operation->status), dfs_status_name(expect->statuses[0]));
}

static void decide_count(struct state *state, uint64_t count, const char *what)
{
    const struct sim_expect *expect = state->expect;

    state->ok = count >= (uint64_t)expect->at_least && count <= (uint64_t)expect->at_most;
    if (!state->ok)
        (void)snprintf(state->message, sizeof state->message, "%llu %s; expected %s %lld", (unsigned long long)count,
                       what, count < (uint64_t)expect->at_least ? "at least" : "at most",
                       (long long)(count < (uint64_t)expect->at_least ? expect->at_least : expect->at_most));
}

static uint64_t events_of(const struct state *state)
{
    if (!is_counted_by_world(state->expect))
        return state->count;
    if (!state->is_counting)
        return 0;
    return (state->is_counted ? state->counted_to : counted(state)) - state->counted_from;
}

static void decide(struct state *state)
{
    const struct sim_run *run = state->expects->run;

    switch (state->expect->kind) {
    case SIM_EXPECT_EVICTED:
        if (!state->ok)
            name_wanted(state, "was not evicted in this time", state->message, sizeof state->message);
        return;
    case SIM_EXPECT_JOINED:
        if (!state->ok)
            name_wanted(state, "did not become ACTIVE in this time", state->message, sizeof state->message);
        return;
    case SIM_EXPECT_NEVER_EVICTED:
        state->ok = !state->broken;
        return;
    case SIM_EXPECT_REPLICATED:
        decide_replicated(state);
        return;
    case SIM_EXPECT_READABLE:
        decide_readable(state);
        return;
    case SIM_EXPECT_OPERATION:
        decide_operation(state);
        return;
    case SIM_EXPECT_REPAIRS:
        decide_count(state, run->repair_copies, "copies were made by repair");
        return;
    case SIM_EXPECT_EVENT:
        decide_count(state, events_of(state), sim_event_name(state->expect->event));
        return;
    case SIM_EXPECT_COUNT:
        break;
    }
    dfs_unreachable("decide");
}

void sim_expects_decide(struct sim_expects *expects)
{
    for (size_t i = 0; i < expects->count; i++) {
        struct state *state = &expects->states[i];

        decide(state);
        if (!state->ok)
            sim_run_verdict(expects->run, SIM_FAIL, "expectation %zu (line %u, %s): %s", i, state->expect->line,
                            sim_expect_name(state->expect->kind), state->message);
    }
}

/* Is its time still to come? */
static bool waits(const struct state *state, dfs_time_ns now)
{
    const struct sim_expect *expect = state->expect;

    switch (expect->kind) {
    case SIM_EXPECT_EVICTED:
    case SIM_EXPECT_JOINED:
        return !state->ok && expect->to_seen && now <= (dfs_time_ns)expect->to_ns;
    case SIM_EXPECT_REPLICATED:
        return !state->ok && now <= (dfs_time_ns)expect->by_ns;
    case SIM_EXPECT_READABLE:
        return !state->begun ? now <= (dfs_time_ns)expect->at_ns
                             : state->readings_done < state->readings_count && state->clients_count > 0;
    case SIM_EXPECT_EVENT:
        return expect->to_seen && now <= (dfs_time_ns)expect->to_ns && events_of(state) < (uint64_t)expect->at_least;
    case SIM_EXPECT_NEVER_EVICTED:
    case SIM_EXPECT_OPERATION:
    case SIM_EXPECT_REPAIRS:
    case SIM_EXPECT_COUNT:
        return false;
    }
    dfs_unreachable("waits");
}

static bool at_rest(struct sim_run *run, void *listener, char *why, size_t room)
{
    struct sim_expects *expects = *(struct sim_expects **)listener;
    const dfs_time_ns end = (dfs_time_ns)run->scenario->duration_ns + (dfs_time_ns)run->scenario->settle_ns;
    const dfs_time_ns now = sim_run_time(run);

    for (size_t i = 0; i < expects->count; i++) {
        const struct state *state = &expects->states[i];

        if (now + LOOK_NS < end && waits(state, now)) {
            (void)snprintf(why, room, "expectation %zu (%s) still has time", i, sim_expect_name(state->expect->kind));
            return false;
        }
    }
    return true;
}

/* Life ------------------------------------------------------------------------------------------------------------------------ */

static const struct sim_hooks hooks = {.answered = on_answered, .at_rest = at_rest};

struct sim_expects *sim_expects_new(struct sim_run *run)
{
    const struct sim_scenario *scenario = run->scenario;
    struct sim_expects *expects = dfs_alloc_zero(sizeof *expects);

    expects->run = run;
    expects->count = scenario->expects_count;
    expects->states = dfs_alloc_zero_array(expects->count + 1, sizeof *expects->states);
    expects->look_from = faults_known(scenario);
    for (size_t i = 0; i < expects->count; i++) {
        struct state *state = &expects->states[i];

        state->expects = expects;
        state->expect = &scenario->expects[i];
        state->at = DFS_NEVER;
        sim_host_refs_expand(&state->expect->hosts, sim_scenario_hosts(scenario), &state->wanted);
    }
    *(struct sim_expects **)sim_listeners_add_owned(run, "expectations", &hooks, sizeof(void *)) = expects;
    return expects;
}

void sim_expects_free(struct sim_expects *expects)
{
    if (expects == NULL)
        return;
    for (size_t i = 0; i < expects->count; i++)
        dfs_free(expects->states[i].readings);
    dfs_free(expects->states);
    dfs_free(expects);
}

void sim_expects_begin(struct sim_expects *expects)
{
    struct sim_run *run = expects->run;

    for (size_t i = 0; i < expects->count; i++) {
        struct state *state = &expects->states[i];

        if (state->expect->kind == SIM_EXPECT_REPLICATED)
            look_begin(state);
        else if (is_counted_by_world(state->expect))
            count_window(state);
        else if (state->expect->kind == SIM_EXPECT_READABLE)
            sim_world_call(run->world, sim_run_world_time(run, (dfs_time_ns)state->expect->at_ns), read_begin, state);
    }
}

size_t sim_expects_count(const struct sim_expects *expects)
{
    return expects->count;
}

struct sim_expectation sim_expects_get(const struct sim_expects *expects, size_t index)
{
    DFS_ASSERT(index < expects->count);
    const struct state *state = &expects->states[index];

    return (struct sim_expectation){.ok = state->ok, .at = state->at, .message = state->message};
}

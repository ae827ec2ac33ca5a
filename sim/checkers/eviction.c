/*
 * eviction_time: let h be the time at which metadata accepted the node's newest heartbeat, or sent JOINED. It accepts one of a member's present incarnation with a newer
 * sequence, and says so with HEARTBEAT_ACK, unless nothing came through the node's control connection: then it is a sign of life that renews no lease. The node is
 * evicted never before h + 2 I and never after h + 3 I, metadata's own stalls subtracted. Exempt: STORE_LOST, the end of MAINTENANCE, a metadata server that was
 * started after h (it knows nothing of h) or that runs slow.
 *
 * no_false_eviction: no heartbeat of the node's present incarnation with a newer sequence than metadata acknowledged had reached it in the two intervals before; and nobody is evicted who runs, whom no
 * fault has touched for a while, nor metadata, on a network that does not lose six datagrams in a row. Who was never told of the life that ends, since the connection on which
 * he asked for it was given up before the answer came, has no heartbeats to send in it.
 */
#include "core/base/mem.h"
#include "sim/checkers/checkers.h"
#include "sim/nemesis.h"

/* Clocks of hosts may drift by what a scenario says; a tenth of an interval covers it and the latency of the step itself. */
#define TOLERANCE_PARTS 10

/* Nobody is evicted without a fault, on either side, in so many intervals before. */
#define CALM_INTERVALS 5

/* A share of lost datagrams with which six in a row are not lost in any sweep (1e-7 of the heartbeats at 7 of 100). */
#define LOSS_PPB_MAX 70000000

struct beat {
    uint64_t incarnation;
    uint64_t sequence;       /* of the newest that metadata acknowledged */
    dfs_time_ns heard_at;    /* h, of the world; DFS_NEVER: not in this life of metadata, or evicted */
    dfs_duration_ns stalled; /* metadata's pauses up to h */
    uint64_t arrived;        /* newest sequence that was delivered to metadata */
    dfs_time_ns arrived_at;
    bool told; /* JOINED has come to the server */
    bool exempt;
};

struct state {
    struct beat *beats;
    dfs_duration_ns stalled; /* metadata's pauses so far */
    dfs_time_ns paused_at;   /* DFS_NEVER: it runs */
    dfs_time_ns started_at;
    bool slow;
};

static void init(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    state->beats = dfs_alloc_zero((run->cluster->options.data + 1) * sizeof *state->beats);
    for (uint32_t i = 0; i < run->cluster->options.data; i++)
        state->beats[i].heard_at = DFS_NEVER;
    state->paused_at = DFS_NEVER;
}

static void close_state(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    dfs_free(state->beats);
}

static struct beat *beat_of(struct sim_run *run, struct state *state, const struct dfs_id *node)
{
    const uint32_t index = sim_checker_data_index(run, node);

    return index == UINT32_MAX ? NULL : &state->beats[index];
}

static void heard(struct sim_run *run, struct state *state, struct beat *beat)
{
    beat->heard_at = sim_world_now(run->world);
    beat->stalled = state->stalled;
}

/* How long metadata heard nothing, its own stalls subtracted. */
static dfs_duration_ns fair_wait(const struct sim_run *run, const struct state *state, const struct beat *beat)
{
    const dfs_duration_ns waited = sim_world_now(run->world) - beat->heard_at;
    const dfs_duration_ns stalled = state->stalled - beat->stalled;

    return waited > stalled ? waited - stalled : 0;
}

static void on_ack(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_heartbeat_ack *ack = seen->body;
    struct state *state = arg;

    (void)when;
    if (ack == NULL || seen->message->injected || seen->message->from != run->cluster->meta.host)
        return;
    struct beat *beat = beat_of(run, state, &ack->node);

    if (beat == NULL || ack->incarnation != beat->incarnation || ack->sequence <= beat->sequence)
        return; /* the newest once more, or the authority checker's business */
    beat->sequence = ack->sequence;
    heard(run, state, beat);
}

static void on_joined(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_joined *joined = seen->body;
    struct state *state = arg;
    struct sim_node *node = seen->message->to == NULL ? NULL : sim_cluster_node(run->cluster, seen->message->to);

    (void)when;
    if (joined == NULL || node == NULL || node->role != DFS_ROLE_DATA)
        return;
    struct beat *beat = beat_of(run, state, &node->id);

    if (beat == NULL)
        return;
    const dfs_time_ns kept = beat->arrived_at;

    *beat = (struct beat){.incarnation = joined->incarnation, .arrived_at = kept};
    heard(run, state, beat);
}

static void on_told(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_joined *joined = seen->body;
    const struct sim_node *node = seen->message->to == NULL ? NULL : sim_cluster_node(run->cluster, seen->message->to);
    struct beat *beat = joined == NULL || node == NULL ? NULL : beat_of(run, arg, &node->id);

    (void)when;
    if (beat != NULL && beat->incarnation == joined->incarnation)
        beat->told = true;
}

static void on_join(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_join *join = seen->body;
    struct beat *beat = join == NULL ? NULL : beat_of(run, arg, &join->node);

    (void)when;
    if (beat != NULL)
        beat->exempt = true; /* a new life ends the old one at once: by STORE_LOST, or superseded */
}

static void on_leave(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    struct sim_node *node = sim_cluster_node(run->cluster, seen->message->from);
    struct beat *beat = node == NULL ? NULL : beat_of(run, arg, &node->id);

    (void)when;
    if (beat != NULL)
        beat->exempt = true;
}

static void on_heartbeat(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_heartbeat *beat_message = seen->body;
    struct state *state = arg;

    (void)when;
    if (beat_message == NULL || seen->message->injected || seen->message->to != run->cluster->meta.host)
        return;
    const uint32_t index = sim_checker_data_index(run, &beat_message->node);

    if (index == UINT32_MAX || seen->message->from != run->cluster->data[index].host)
        return;
    struct beat *beat = &state->beats[index];

    if (beat_message->incarnation == beat->incarnation && beat_message->sequence > beat->arrived) {
        beat->arrived = beat_message->sequence;
        beat->arrived_at = sim_world_now(run->world);
        if (beat->heard_at != DFS_NEVER)
            heard(run, state, beat);
    }
}

static void on_host(struct sim_run *run, void *arg, struct sim_host *host, enum sim_host_change change)
{
    struct state *state = arg;
    const dfs_time_ns now = sim_world_now(run->world);

    if (host != run->cluster->meta.host)
        return;
    switch (change) {
    case SIM_HOST_STARTED:
        state->started_at = now;
        for (uint32_t i = 0; i < run->cluster->options.data; i++)
            state->beats[i].heard_at = DFS_NEVER;
        break;
    case SIM_HOST_PAUSED:
        if (state->paused_at == DFS_NEVER)
            state->paused_at = now;
        break;
    case SIM_HOST_RESUMED:
    case SIM_HOST_CRASHED:
    case SIM_HOST_STOPPED:
        if (state->paused_at != DFS_NEVER)
            state->stalled += now - state->paused_at;
        state->paused_at = DFS_NEVER;
        break;
    }
}

static void on_fault(struct sim_run *run, void *arg, size_t index, const struct sim_fault *fault, struct sim_host *host,
                     bool begins)
{
    struct state *state = arg;

    (void)index, (void)begins;
    if (host == run->cluster->meta.host && (fault->kind == SIM_FAULT_SLOW || fault->kind == SIM_FAULT_CLOCK))
        state->slow = true;
}

static void on_evicted_time(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    struct state *state = arg;
    struct beat *beat = beat_of(run, state, &trace->node);
    const dfs_duration_ns interval = (dfs_duration_ns)run->cluster->options.settings.heartbeat_interval_ns;

    if (beat == NULL || beat->exempt || state->slow || beat->heard_at == DFS_NEVER)
        return;
    const dfs_duration_ns fair = fair_wait(run, state, beat);
    const char *name = sim_host_name(run->cluster->data[sim_checker_data_index(run, &trace->node)].host);

    if (fair + interval / TOLERANCE_PARTS < 2 * interval)
        sim_run_violation(
            run, "eviction_time", host,
            "%s was evicted %llu ms after its last heartbeat was accepted (stalls subtracted), before two intervals of %llu ms",
            name, (unsigned long long)(fair / DFS_MILLISECONDS), (unsigned long long)(interval / DFS_MILLISECONDS));
    /* What metadata noticed of its own stall may lie between the whole pause and the pause less its last deadline: it may count up to all of it. */
    if (fair > 3 * interval + interval / TOLERANCE_PARTS)
        sim_run_violation(
            run, "eviction_time", host,
            "%s was evicted only %llu ms after its last heartbeat was accepted (stalls subtracted), later than three intervals of %llu ms",
            name, (unsigned long long)(fair / DFS_MILLISECONDS), (unsigned long long)(interval / DFS_MILLISECONDS));
}

/* Who was well, with a metadata server that was well too. */
static void check_calm(struct sim_run *run, struct sim_host *host, const struct state *state, uint32_t data)
{
    const dfs_duration_ns calm = CALM_INTERVALS * (dfs_duration_ns)run->cluster->options.settings.heartbeat_interval_ns;

    if (run->zero == DFS_NEVER || sim_run_time(run) < calm || run->scenario->network.loss_ppb > LOSS_PPB_MAX ||
        sim_world_now(run->world) - state->started_at < calm || sim_nemesis_touches(run->nemesis, 2 + data, calm) ||
        sim_nemesis_touches(run->nemesis, 1, calm))
        return;
    sim_run_violation(run, "no_false_eviction", host, "%s was evicted although it runs and no fault has touched it",
                      sim_host_name(run->cluster->data[data].host));
}

/* What reached metadata before it was started anew proves nothing: it knows nothing of it. */
static void on_evicted_false(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    struct state *state = arg;
    struct beat *beat = beat_of(run, state, &trace->node);

    if (beat == NULL || beat->exempt || beat->heard_at == DFS_NEVER)
        return;
    if (beat->told)
        check_calm(run, host, state, sim_checker_data_index(run, &trace->node));
    if (beat->arrived > beat->sequence && beat->arrived_at > state->started_at &&
        fair_wait(run, state, beat) < 2 * (dfs_duration_ns)run->cluster->options.settings.heartbeat_interval_ns)
        sim_run_violation(run, "no_false_eviction", host,
                          "%s was evicted although its heartbeat %llu (after %llu) had reached metadata",
                          sim_host_name(run->cluster->data[sim_checker_data_index(run, &trace->node)].host),
                          (unsigned long long)beat->arrived, (unsigned long long)beat->sequence);
}

static void note_evicted(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace,
                         bool time)
{
    struct beat *beat;

    if (time)
        on_evicted_time(run, arg, host, trace);
    else
        on_evicted_false(run, arg, host, trace);
    beat = beat_of(run, arg, &trace->node);
    if (beat != NULL) {
        beat->heard_at = DFS_NEVER;
        beat->exempt = false;
    }
}

static void time_trace(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    note_evicted(run, arg, host, trace, true);
}

static void false_trace(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    note_evicted(run, arg, host, trace, false);
}

/* A server whose heartbeats stopped long ago and that metadata still takes for a member. */
static void end(struct sim_run *run, void *arg, bool settled)
{
    struct state *state = arg;
    const dfs_duration_ns interval = (dfs_duration_ns)run->cluster->options.settings.heartbeat_interval_ns;
    const dfs_time_ns now = sim_world_now(run->world);

    if (!settled || state->slow || state->paused_at != DFS_NEVER || !sim_host_is_up(run->cluster->meta.host))
        return;
    for (uint32_t i = 0; i < run->cluster->options.data; i++) {
        const struct beat *beat = &state->beats[i];

        if (beat->heard_at == DFS_NEVER || beat->exempt)
            continue;
        const dfs_duration_ns fair = now - beat->heard_at - (state->stalled - beat->stalled);

        if (fair > 3 * interval + interval / TOLERANCE_PARTS)
            sim_run_violation(run, "eviction_time", run->cluster->meta.host,
                              "%s is still a member %llu ms after its last accepted heartbeat",
                              sim_host_name(run->cluster->data[i].host), (unsigned long long)(fair / DFS_MILLISECONDS));
    }
}

static const struct sim_message_hook messages[] = {
    {.number = DFS_MSG_HEARTBEAT_ACK, .when = SIM_SENT, .seen = on_ack},
    {.number = DFS_MSG_JOINED, .when = SIM_SENT, .seen = on_joined},
    {.number = DFS_MSG_JOIN, .when = SIM_DELIVERED, .seen = on_join},
    {.number = DFS_MSG_LEAVE, .when = SIM_DELIVERED, .seen = on_leave},
    {.number = DFS_MSG_HEARTBEAT, .when = SIM_DELIVERED, .seen = on_heartbeat},
    {.number = DFS_MSG_JOINED, .when = SIM_DELIVERED, .seen = on_told},
};

const struct sim_checker sim_checker_eviction_time = {.name = "eviction_time",
                                                      .state_bytes = sizeof(struct state),
                                                      .hooks = {.init = init,
                                                                .close = close_state,
                                                                .traces = 1u << DFS_TRACE_EVICTED,
                                                                .trace = time_trace,
                                                                .messages = messages,
                                                                .messages_count = 5,
                                                                .host_changed = on_host,
                                                                .fault = on_fault,
                                                                .end = end}};

const struct sim_checker sim_checker_no_false_eviction = {.name = "no_false_eviction",
                                                          .state_bytes = sizeof(struct state),
                                                          .hooks = {.init = init,
                                                                    .close = close_state,
                                                                    .traces = 1u << DFS_TRACE_EVICTED,
                                                                    .trace = false_trace,
                                                                    .messages = messages,
                                                                    .messages_count = 6,
                                                                    .host_changed = on_host}};

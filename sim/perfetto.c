#include "sim/perfetto.h"

#include "core/base/mem.h"
#include "sim/copies.h"

#include <inttypes.h>
#include <string.h>

/* Looks at the counters over the whole run: each look walks over all blocks. */
#define SAMPLES 300

/* Process 1 is the world, then the hosts in their order. */
enum { WORLD = 1, FIRST_HOST = 2 };
enum { TRACK_EVENTS = 1, TRACK_SENT = 2, TRACK_RECEIVED = 3, TRACK_STEPS = 4 };

/* Messages that arrived and whose step has not come, of one host. Beyond it (a paused host) they get no arrow to their step. */
#define ARRIVED_MAX 64

struct steps {
    dfs_time_ns end; /* of the last slice */
    uint64_t arrived[ARRIVED_MAX];
    uint32_t arrived_count;
};

struct sim_perfetto {
    struct sim_run *run;
    FILE *file;
    uint64_t flows;
    dfs_time_ns sample_next; /* of the scenario */
    struct steps *steps;     /* by the host's index */
    size_t steps_count;
};

static unsigned process_of(const struct sim_host *host)
{
    return host == NULL ? WORLD : FIRST_HOST + sim_host_index(host);
}

static void put_text(FILE *file, const char *text)
{
    (void)fputc('"', file);
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at < 0x20 || *at == '"' || *at == '\\')
            (void)fprintf(file, "\\u%04x", *at);
        else
            (void)fputc(*at, file);
    }
    (void)fputc('"', file);
}

/* The part that all events have; the caller adds its own and ends the object. Microseconds, with nanoseconds behind the point. */
static void put(struct sim_perfetto *perfetto, char phase, unsigned process, unsigned track, dfs_time_ns at,
                const char *name)
{
    (void)fprintf(perfetto->file,
                  ",\n{\"ph\":\"%c\",\"pid\":%u,\"tid\":%u,\"ts\":%" PRIu64 ".%03" PRIu64 ",\"name\":", phase, process,
                  track, at / 1000, at % 1000);
    put_text(perfetto->file, name);
}

static void put_instant(struct sim_perfetto *perfetto, const struct sim_host *host, dfs_time_ns at, const char *name,
                        const char *words)
{
    put(perfetto, 'i', process_of(host), TRACK_EVENTS, at, name);
    (void)fprintf(perfetto->file, ",\"s\":\"%c\",\"args\":{\"words\":", host == NULL ? 'g' : 'p');
    put_text(perfetto->file, words);
    (void)fputs("}}", perfetto->file);
}

static dfs_time_ns now_of(const struct sim_perfetto *perfetto)
{
    return sim_world_now(perfetto->run->world);
}

/* A host may come later: a second one with another's identity. */
static struct steps *steps_of(struct sim_perfetto *perfetto, const struct sim_host *host)
{
    const size_t index = sim_host_index(host);

    if (index >= perfetto->steps_count) {
        perfetto->steps = dfs_realloc_array(perfetto->steps, index + 1, sizeof *perfetto->steps);
        memset(perfetto->steps + perfetto->steps_count, 0,
               (index + 1 - perfetto->steps_count) * sizeof *perfetto->steps);
        perfetto->steps_count = index + 1;
    }
    return &perfetto->steps[index];
}

/* Messages -------------------------------------------------------------------------------------------------------------------- */

static void put_end(struct sim_perfetto *perfetto, const struct sim_message *message, const struct sim_host *host,
                    unsigned track, dfs_time_ns at, char flow)
{
    const char *name = dfs_message_name(sim_message_number(message));

    put(perfetto, 'X', process_of(host), track, at, name);
    (void)fprintf(perfetto->file, ",\"dur\":0.001,\"args\":{\"%s\":", track == TRACK_SENT ? "to" : "from");
    put_text(perfetto->file, sim_host_name(track == TRACK_SENT ? message->to : message->from));
    (void)fprintf(perfetto->file, ",\"bytes\":%zu}}", message->head_bytes + message->bulk_bytes);
    put(perfetto, flow, process_of(host), track, at, name);
    (void)fprintf(perfetto->file, ",\"cat\":\"message\",\"id\":%" PRIu64 "%s}", perfetto->flows,
                  flow == 't' ? ",\"bp\":\"e\"" : "");
}

static void on_delivered(void *arg, const struct sim_message *message)
{
    struct sim_perfetto *perfetto = arg;

    if (message->to == NULL)
        return;
    perfetto->flows++;
    put_end(perfetto, message, message->from, TRACK_SENT, message->sent_at, 's');
    put_end(perfetto, message, message->to, TRACK_RECEIVED, now_of(perfetto), 't');
    struct steps *steps = steps_of(perfetto, message->to);

    if (steps->arrived_count < ARRIVED_MAX)
        steps->arrived[steps->arrived_count++] = perfetto->flows;
}

static void on_lost(void *arg, const struct sim_message *message)
{
    struct sim_perfetto *perfetto = arg;

    put_instant(perfetto, message->from, now_of(perfetto), "lost", dfs_message_name(sim_message_number(message)));
}

/* Disks, operations ----------------------------------------------------------------------------------------------------------- */

static void put_disk(struct sim_perfetto *perfetto, const struct sim_disk_event *event, char phase,
                     enum dfs_disk_verb verb)
{
    put(perfetto, phase, process_of(event->host), TRACK_EVENTS, now_of(perfetto), dfs_disk_verb_name(verb));
    (void)fprintf(perfetto->file,
                  ",\"cat\":\"disk\",\"id\":\"%s.%" PRIu64 "\",\"args\":{\"file\":", sim_host_name(event->host),
                  event->number);
    put_text(perfetto->file, event->name);
    (void)fputs("}}", perfetto->file);
}

static void on_submitted(struct sim_run *run, void *state, const struct sim_disk_event *event)
{
    (void)run;
    put_disk(state, event, 'b', event->op->verb);
}

static void on_done(struct sim_run *run, void *state, const struct sim_disk_event *event)
{
    (void)run;
    put_disk(state, event, 'e', event->done->verb);
}

static void put_operation(struct sim_perfetto *perfetto, const struct sim_operation *operation, char phase,
                          dfs_time_ns at)
{
    const struct sim_host *host = perfetto->run->cluster->clients[operation->client].host;

    put(perfetto, phase, process_of(host), TRACK_EVENTS, at, sim_operation_name(operation->kind));
    (void)fprintf(perfetto->file, ",\"cat\":\"operation\",\"id\":%" PRIu64 ",\"args\":{\"path\":", operation->number);
    put_text(perfetto->file, operation->path != NULL ? operation->path->name : "");
    if (phase == 'e') {
        (void)fputs(",\"status\":", perfetto->file);
        put_text(perfetto->file, operation->lost ? "never answered" : dfs_status_name(operation->status));
    }
    (void)fputs("}}", perfetto->file);
}

static void on_asked(struct sim_run *run, void *state, const struct sim_operation *operation)
{
    (void)run;
    put_operation(state, operation, 'b', now_of(state));
}

static void on_answered(struct sim_run *run, void *state, const struct sim_operation *operation,
                        const struct dfs_client_result *result)
{
    (void)run, (void)result;
    put_operation(state, operation, 'e', now_of(state));
}

/* Steps ----------------------------------------------------------------------------------------------------------------------- */

/* A slice as long as it occupies the host, one behind the other: a step that takes no time is shown as a nanosecond, so that those of one moment can be told
 * apart. What arrived since the last one has its arrow's end here. */
static void put_step(struct sim_perfetto *perfetto, const struct sim_host *host, const struct dfs_event *event)
{
    struct steps *steps = steps_of(perfetto, host);
    const dfs_duration_ns cost = sim_host_step_cost(host);
    const dfs_duration_ns length = cost > 0 ? cost : 1;
    const dfs_time_ns at = dfs_time_max(now_of(perfetto), steps->end);
    const char *name = dfs_event_name(event->kind);

    put(perfetto, 'X', process_of(host), TRACK_STEPS, at, name);
    (void)fprintf(perfetto->file, ",\"dur\":%" PRIu64 ".%03" PRIu64 ",\"args\":{\"cost_ns\":%" PRIu64 "}}",
                  length / 1000, length % 1000, cost);
    for (uint32_t i = 0; i < steps->arrived_count; i++) {
        put(perfetto, 'f', process_of(host), TRACK_STEPS, at, "arrived");
        (void)fprintf(perfetto->file, ",\"cat\":\"message\",\"id\":%" PRIu64 ",\"bp\":\"e\"}", steps->arrived[i]);
    }
    steps->arrived_count = 0;
    steps->end = dfs_time_add(at, length);
}

/* What happens to hosts ------------------------------------------------------------------------------------------------------- */

static void on_trace(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_trace *trace)
{
    const struct sim_node *node = sim_cluster_data_by_id(run->cluster, &trace->node);

    put_instant(state, node != NULL ? node->host : host, now_of(state), dfs_trace_name(trace->kind), "");
}

static void on_fault(struct sim_run *run, void *state, size_t index, const struct sim_fault *fault,
                     struct sim_host *host, bool begins)
{
    char words[64];

    (void)run;
    (void)snprintf(words, sizeof words, "fault %zu %s", index, begins ? "takes hold" : "is over");
    put_instant(state, host, now_of(state), sim_fault_name(fault->kind), words);
}

static void on_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    static const char *const words[] = {[SIM_HOST_STARTED] = "started",
                                        [SIM_HOST_CRASHED] = "crashed",
                                        [SIM_HOST_STOPPED] = "stopped",
                                        [SIM_HOST_PAUSED] = "paused",
                                        [SIM_HOST_RESUMED] = "resumed"};

    (void)run;
    put_instant(state, host, now_of(state), words[change], "");
    if (change == SIM_HOST_CRASHED || change == SIM_HOST_STOPPED)
        steps_of(state, host)->arrived_count = 0;
}

static void put_counter(struct sim_perfetto *perfetto, const char *name, uint64_t value)
{
    put(perfetto, 'C', WORLD, 0, now_of(perfetto), name);
    (void)fprintf(perfetto->file, ",\"args\":{\"value\":%" PRIu64 "}}", value);
}

static void after_step(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_event *event,
                       dfs_time_ns deadline)
{
    struct sim_perfetto *perfetto = state;
    const dfs_time_ns now = sim_run_time(run);
    struct sim_copies_count count;

    (void)deadline;
    put_step(perfetto, host, event);
    if (run->zero == DFS_NEVER || now < perfetto->sample_next)
        return;
    perfetto->sample_next = now + (dfs_duration_ns)run->scenario->duration_ns / SAMPLES;
    sim_copies_look(run, NULL, &count);
    put_counter(perfetto, "blocks with all copies", count.whole);
    put_counter(perfetto, "blocks that lack copies", count.under);
    put_counter(perfetto, "blocks without a copy", count.lost);
    put_counter(perfetto, "active data servers", count.active);
    put_counter(perfetto, "in flight", sim_world_in_flight(run->world));
}

static void on_finish(struct sim_run *run, void *state)
{
    struct sim_perfetto *perfetto = state;

    for (size_t i = 0; i < run->violations_count; i++) {
        const struct sim_violation *violation = &run->violations[i];
        const struct sim_host *host = sim_world_host(run->world, violation->host);

        put_instant(perfetto, host, violation->before_zero ? violation->at : sim_run_world_time(run, violation->at),
                    violation->checker, violation->message);
    }
    (void)fputs("\n]}\n", perfetto->file);
}

static void put_process(struct sim_perfetto *perfetto, unsigned process, const char *name)
{
    static const char *const tracks[] = {
        [TRACK_EVENTS] = "events", [TRACK_SENT] = "sent", [TRACK_RECEIVED] = "received", [TRACK_STEPS] = "steps"};

    (void)fprintf(perfetto->file, "%s{\"ph\":\"M\",\"pid\":%u,\"name\":\"process_name\",\"args\":{\"name\":",
                  process == WORLD ? "" : ",\n", process);
    put_text(perfetto->file, name);
    (void)fputs("}}", perfetto->file);
    for (unsigned i = TRACK_EVENTS; i <= TRACK_STEPS; i++)
        (void)fprintf(perfetto->file,
                      ",\n{\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":\"%s\"}}",
                      process, i, tracks[i]);
}

struct sim_perfetto *sim_perfetto_attach(struct sim_run *run, FILE *file)
{
    static const struct sim_hooks hooks = {.traces = 1u << DFS_TRACE_EVICTED | 1u << DFS_TRACE_JOINED |
                                                     1u << DFS_TRACE_SUSPECTED | 1u << DFS_TRACE_FENCED,
                                           .trace = on_trace,
                                           .steps = UINT32_MAX,
                                           .after_step = after_step,
                                           .disk_submitted = on_submitted,
                                           .disk_done = on_done,
                                           .asked = on_asked,
                                           .answered = on_answered,
                                           .fault = on_fault,
                                           .host_changed = on_host,
                                           .finish = on_finish};
    struct sim_perfetto *perfetto = dfs_alloc_zero(sizeof *perfetto);
    const struct sim_observer observer = {.arg = perfetto,
                                          .frame_delivered = on_delivered,
                                          .datagram_delivered = on_delivered,
                                          .datagram_lost = on_lost,
                                          .frame_lost = on_lost};

    perfetto->run = run;
    perfetto->file = file;
    (void)fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", file);
    put_process(perfetto, WORLD, "world");
    for (size_t i = 0; i < sim_world_host_count(run->world); i++) {
        const struct sim_host *host = sim_world_host_get(run->world, i);

        put_process(perfetto, process_of(host), sim_host_name(host));
    }
    sim_world_observe(run->world, &observer);
    sim_run_listen(run, "perfetto", &hooks, perfetto);
    return perfetto;
}

void sim_perfetto_free(struct sim_perfetto *perfetto)
{
    if (perfetto == NULL)
        return;
    dfs_free(perfetto->steps);
    dfs_free(perfetto);
}

#include "sim/listen.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/wire/frame.h"

#include <string.h>

struct listener {
    const char *name;
    const struct sim_hooks *hooks;
    void *state;
    bool owned;
};

/* Who hears one kind of thing, in the order of addition. */
struct hearers {
    struct listener *at;
    size_t count;
};

struct message_hearer {
    void (*seen)(struct sim_run *run, void *state, const struct sim_seen *seen, unsigned when);
    void *state;
};

struct message_hearers {
    struct message_hearer *at;
    size_t count;
    bool read; /* some hearer wants the body */
};

struct trace_hearer {
    void (*trace)(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_trace *trace);
    void *state;
    uint32_t of; /* roles; 0: all */
};

struct trace_hearers {
    struct trace_hearer *at;
    size_t count;
};

struct sim_listeners {
    struct sim_run *run;
    struct listener *all;
    size_t count;
    struct trace_hearers traces[DFS_TRACE_COUNT];
    struct hearers before_step, after_step, disk_submitted, disk_done, datagram_lost, connection_opened,
        connection_closed, host_changed, asked, answered, fault;
    bool any_trace;
    uint32_t steps_before;
    uint32_t steps_after;
    struct message_hearers sent[DFS_MSG_NUMBER_MAX + 1];
    struct message_hearers delivered[DFS_MSG_NUMBER_MAX + 1];
    bool any_sent;
    bool any_delivered;
    struct dfs_arena arena;
    union dfs_any_message decoded;
};

struct sim_listeners *sim_listeners_new(struct sim_run *run)
{
    struct sim_listeners *listeners = dfs_alloc_zero(sizeof *listeners);

    listeners->run = run;
    dfs_arena_init(&listeners->arena, DFS_DECODE_BYTES_MAX);
    return listeners;
}

void sim_listeners_free(struct sim_listeners *listeners)
{
    struct hearers *const lists[] = {
        &listeners->before_step,       &listeners->after_step,    &listeners->disk_submitted,
        &listeners->disk_done,         &listeners->datagram_lost, &listeners->connection_opened,
        &listeners->connection_closed, &listeners->host_changed,  &listeners->asked,
        &listeners->answered,          &listeners->fault,
    };

    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->all[i];

        if (listener->hooks->close != NULL)
            listener->hooks->close(listeners->run, listener->state);
        if (listener->owned)
            dfs_free(listener->state);
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        dfs_free(lists[i]->at);
    for (size_t i = 0; i < DFS_TRACE_COUNT; i++)
        dfs_free(listeners->traces[i].at);
    for (size_t i = 0; i <= DFS_MSG_NUMBER_MAX; i++) {
        dfs_free(listeners->sent[i].at);
        dfs_free(listeners->delivered[i].at);
    }
    dfs_arena_close(&listeners->arena);
    dfs_free(listeners->all);
    dfs_free(listeners);
}

static void hear(struct hearers *hearers, const struct listener *listener)
{
    hearers->at = dfs_realloc_array(hearers->at, hearers->count + 1, sizeof *hearers->at);
    hearers->at[hearers->count++] = *listener;
}

static void hear_trace(struct trace_hearers *hearers, const struct listener *listener)
{
    hearers->at = dfs_realloc_array(hearers->at, hearers->count + 1, sizeof *hearers->at);
    hearers->at[hearers->count++] =
        (struct trace_hearer){listener->hooks->trace, listener->state, listener->hooks->traces_of};
}

static void hear_message(struct message_hearers *hearers, const struct sim_message_hook *hook, void *state)
{
    hearers->at = dfs_realloc_array(hearers->at, hearers->count + 1, sizeof *hearers->at);
    hearers->at[hearers->count++] = (struct message_hearer){hook->seen, state};
    hearers->read |= (hook->when & SIM_BLIND) == 0;
}

static void hear_messages(struct sim_listeners *listeners, const struct listener *listener)
{
    for (size_t i = 0; i < listener->hooks->messages_count; i++) {
        const struct sim_message_hook *hook = &listener->hooks->messages[i];

        DFS_ASSERT(dfs_message_layout(hook->number) != NULL);
        if ((hook->when & SIM_SENT) != 0) {
            hear_message(&listeners->sent[hook->number], hook, listener->state);
            listeners->any_sent = true;
        }
        if ((hook->when & SIM_DELIVERED) != 0) {
            hear_message(&listeners->delivered[hook->number], hook, listener->state);
            listeners->any_delivered = true;
        }
    }
}

static void add(struct sim_run *run, const struct listener *listener)
{
    struct sim_listeners *listeners = run->listeners;
    const struct sim_hooks *hooks = listener->hooks;

    listeners->all = dfs_realloc_array(listeners->all, listeners->count + 1, sizeof *listeners->all);
    listeners->all[listeners->count++] = *listener;
    hear_messages(listeners, listener);
    for (size_t i = 0; hooks->trace != NULL && i < DFS_TRACE_COUNT; i++) {
        if ((hooks->traces & UINT32_C(1) << i) == 0)
            continue;
        hear_trace(&listeners->traces[i], listener);
        listeners->any_trace = true;
    }
    if (hooks->before_step != NULL) {
        hear(&listeners->before_step, listener);
        listeners->steps_before |= hooks->steps;
    }
    if (hooks->after_step != NULL) {
        hear(&listeners->after_step, listener);
        listeners->steps_after |= hooks->asks_for_steps ? 0 : hooks->steps;
    }
#define HEAR(hook) \
    if (hooks->hook != NULL) \
    hear(&listeners->hook, listener)
    HEAR(disk_submitted);
    HEAR(disk_done);
    HEAR(datagram_lost);
    HEAR(connection_opened);
    HEAR(connection_closed);
    HEAR(host_changed);
    HEAR(asked);
    HEAR(answered);
    HEAR(fault);
#undef HEAR
}

void sim_run_listen(struct sim_run *run, const char *name, const struct sim_hooks *hooks, void *state)
{
    add(run, &(struct listener){.name = name, .hooks = hooks, .state = state});
}

void *sim_listeners_add_owned(struct sim_run *run, const char *name, const struct sim_hooks *hooks, size_t state_bytes)
{
    void *state = dfs_alloc_zero(state_bytes == 0 ? 1 : state_bytes);

    add(run, &(struct listener){.name = name, .hooks = hooks, .state = state, .owned = true});
    return state;
}

/* Messages ------------------------------------------------------------------------------------------------------------- */

uint32_t sim_message_number(const struct sim_message *message)
{
    /* frame.h: u32 body_bytes | u32 bulk_bytes | u16 type */
    if (message->head_bytes < DFS_FRAME_HEADER_BYTES)
        return 0;
    return (uint32_t)message->head[8] << 8 | message->head[9];
}

/* Of a message whose frame is good: NULL when its body does not decode, or is not as long as the frame says. Valid until the next message is read. */
static const void *body_of(struct sim_listeners *listeners, const struct sim_message *message, uint32_t number)
{
    const size_t left = message->head_bytes - DFS_FRAME_HEADER_BYTES;
    struct dfs_rd header = dfs_rd_make(message->head, DFS_FRAME_HEADER_BYTES);
    struct dfs_rd body = dfs_rd_make(message->head + DFS_FRAME_HEADER_BYTES, left);

    if (dfs_rd_be(&header, 4) != left)
        return NULL;
    dfs_arena_reset(&listeners->arena);
    return dfs_decode(dfs_message_layout(number), &body, &listeners->arena, &listeners->decoded) == DFS_OK
               ? &listeners->decoded
               : NULL;
}

const void *sim_seen_body(struct sim_run *run, const struct sim_seen *seen)
{
    return seen->body != NULL ? seen->body : body_of(run->listeners, seen->message, seen->number);
}

static void tell_message(struct sim_listeners *listeners, const struct message_hearers *hearers,
                         const struct sim_message *message, uint32_t number, unsigned when)
{
    struct sim_seen seen = {.message = message, .number = number};
    struct dfs_frame frame;

    if (dfs_frame_decode(message->head, &frame) != DFS_OK)
        return;
    seen.request = frame.request;
    if (hearers->read)
        seen.body = body_of(listeners, message, number);
    for (size_t i = 0; i < hearers->count; i++)
        hearers->at[i].seen(listeners->run, hearers->at[i].state, &seen, when);
}

static void on_sent(void *arg, const struct sim_message *message, struct sim_verdict *verdict)
{
    struct sim_listeners *listeners = arg;
    const uint32_t number = sim_message_number(message);

    (void)verdict;
    if (number <= DFS_MSG_NUMBER_MAX && listeners->sent[number].count > 0)
        tell_message(listeners, &listeners->sent[number], message, number, SIM_SENT);
}

static void on_delivered(void *arg, const struct sim_message *message)
{
    struct sim_listeners *listeners = arg;
    const uint32_t number = sim_message_number(message);

    if (number <= DFS_MSG_NUMBER_MAX && listeners->delivered[number].count > 0)
        tell_message(listeners, &listeners->delivered[number], message, number, SIM_DELIVERED);
}

/* The rest of what the world tells ---------------------------------------------------------------------------------------- */

#define TELL(listeners, list, function, ...) \
    for (size_t tell_i = 0; tell_i < (listeners)->list.count; tell_i++) \
    (listeners)->list.at[tell_i].hooks->function((listeners)->run, (listeners)->list.at[tell_i].state, __VA_ARGS__)

static uint32_t role_bit(const struct sim_host *host)
{
    const struct sim_node *node = sim_host_user(host);

    return UINT32_C(1) << node->role;
}

/* Of whom something is heard: `of` 0 is everybody. */
static bool hears_of(uint32_t of, uint32_t role)
{
    return of == 0 || (of & role) != 0;
}

static void on_trace(void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    struct sim_listeners *listeners = arg;
    const struct trace_hearers *hearers = &listeners->traces[trace->kind];

    for (size_t i = 0; i < hearers->count; i++) {
        const struct trace_hearer *hearer = &hearers->at[i];

        if (hearer->of == 0 || (hearer->of & role_bit(host)) != 0)
            hearer->trace(listeners->run, hearer->state, host, trace);
    }
}

/* The world asks once a life of a machine: most steps, and most traces, nobody listens to. */
static void hears(void *arg, const struct sim_host *host, struct sim_hearing *hearing)
{
    const struct sim_listeners *listeners = arg;
    const uint32_t role =
        sim_host_user(host) == NULL ? 0 : role_bit(host); /* while it is made: it is asked again when it starts */

    hearing->before_step = (listeners->steps_before & role) != 0;
    hearing->after_step = (listeners->steps_after & role) != 0;
    hearing->traces = 0;
    hearing->disk_done = 0;
    for (size_t i = 0; i < listeners->count; i++) {
        const struct sim_hooks *hooks = listeners->all[i].hooks;

        if (hooks->trace != NULL && hears_of(hooks->traces_of, role))
            hearing->traces |= hooks->traces;
        if (hooks->disk_done != NULL && hears_of(hooks->disk_done_of, role))
            hearing->disk_done |= hooks->disk_done_verbs == 0 ? UINT32_MAX : hooks->disk_done_verbs;
    }
}

static void on_before_step(void *arg, struct sim_host *host, const struct dfs_event *event)
{
    struct sim_listeners *listeners = arg;
    const uint32_t bit = role_bit(host);

    if ((listeners->steps_before & bit) == 0)
        return;
    for (size_t i = 0; i < listeners->before_step.count; i++) {
        const struct listener *listener = &listeners->before_step.at[i];

        if ((listener->hooks->steps & bit) != 0)
            listener->hooks->before_step(listeners->run, listener->state, host, event);
    }
}

static void on_after_step(void *arg, struct sim_host *host, const struct dfs_event *event, dfs_time_ns deadline)
{
    struct sim_listeners *listeners = arg;
    const uint32_t bit = role_bit(host);

    for (size_t i = 0; i < listeners->after_step.count; i++) {
        const struct listener *listener = &listeners->after_step.at[i];

        if ((listener->hooks->steps & bit) != 0)
            listener->hooks->after_step(listeners->run, listener->state, host, event, deadline);
    }
}

static void on_disk_submitted(void *arg, const struct sim_disk_event *event, struct sim_disk_verdict *verdict)
{
    struct sim_listeners *listeners = arg;

    (void)verdict;
    TELL(listeners, disk_submitted, disk_submitted, event);
}

static void on_disk_done(void *arg, const struct sim_disk_event *event)
{
    const struct sim_listeners *listeners = arg;
    const uint32_t role = role_bit(event->host);

    for (size_t i = 0; i < listeners->disk_done.count; i++) {
        const struct listener *listener = &listeners->disk_done.at[i];
        const uint32_t verbs = listener->hooks->disk_done_verbs;

        if (hears_of(listener->hooks->disk_done_of, role) && (verbs == 0 || (verbs >> event->done->verb & 1) != 0))
            listener->hooks->disk_done(listeners->run, listener->state, event);
    }
}

static void on_datagram_lost(void *arg, const struct sim_message *message)
{
    struct sim_listeners *listeners = arg;

    TELL(listeners, datagram_lost, datagram_lost, message);
}

static void on_opened(void *arg, const struct sim_connection *connection)
{
    struct sim_listeners *listeners = arg;

    TELL(listeners, connection_opened, connection_opened, connection);
}

static void on_closed(void *arg, const struct sim_connection *connection, struct sim_host *told, enum dfs_status status)
{
    struct sim_listeners *listeners = arg;

    TELL(listeners, connection_closed, connection_closed, connection, told, status);
}

static void on_host_changed(void *arg, struct sim_host *host, enum sim_host_change change)
{
    struct sim_listeners *listeners = arg;

    TELL(listeners, host_changed, host_changed, host, change);
}

void sim_listeners_begin(struct sim_run *run)
{
    struct sim_listeners *listeners = run->listeners;
    struct sim_observer observer = {.arg = listeners, .hears = hears};

    if (listeners->any_trace)
        observer.trace = on_trace;
    if (listeners->any_sent) {
        observer.frame_sent = on_sent;
        observer.datagram_sent = on_sent;
    }
    if (listeners->any_delivered) {
        observer.frame_delivered = on_delivered;
        observer.datagram_delivered = on_delivered;
    }
    if (listeners->before_step.count > 0)
        observer.before_step = on_before_step;
    if (listeners->after_step.count > 0)
        observer.after_step = on_after_step;
    if (listeners->disk_submitted.count > 0)
        observer.disk_submitted = on_disk_submitted;
    if (listeners->disk_done.count > 0)
        observer.disk_done = on_disk_done;
    if (listeners->datagram_lost.count > 0)
        observer.datagram_lost = on_datagram_lost;
    if (listeners->connection_opened.count > 0)
        observer.connection_opened = on_opened;
    if (listeners->connection_closed.count > 0)
        observer.connection_closed = on_closed;
    if (listeners->host_changed.count > 0)
        observer.host_changed = on_host_changed;
    sim_world_observe(run->world, &observer);
    for (size_t i = 0; i < listeners->count; i++) {
        if (listeners->all[i].hooks->init != NULL)
            listeners->all[i].hooks->init(run, listeners->all[i].state);
    }
}

/* What the run itself tells ------------------------------------------------------------------------------------------------ */

void sim_tell_begun(struct sim_run *run)
{
    for (size_t i = 0; i < run->listeners->count; i++) {
        if (run->listeners->all[i].hooks->begun != NULL)
            run->listeners->all[i].hooks->begun(run, run->listeners->all[i].state);
    }
}

void sim_tell_asked(struct sim_run *run, const struct sim_operation *operation)
{
    TELL(run->listeners, asked, asked, operation);
}

void sim_tell_answered(struct sim_run *run, const struct sim_operation *operation,
                       const struct dfs_client_result *result)
{
    TELL(run->listeners, answered, answered, operation, result);
}

void sim_tell_fault(struct sim_run *run, size_t index, const struct sim_fault *fault, struct sim_host *host,
                    bool begins)
{
    TELL(run->listeners, fault, fault, index, fault, host, begins);
}

bool sim_ask_at_rest(struct sim_run *run, char *why, size_t room)
{
    for (size_t i = 0; i < run->listeners->count; i++) {
        const struct listener *listener = &run->listeners->all[i];

        if (listener->hooks->at_rest != NULL && !listener->hooks->at_rest(run, listener->state, why, room))
            return false;
    }
    return true;
}

void sim_tell_end(struct sim_run *run, bool settled)
{
    for (size_t i = 0; i < run->listeners->count; i++) {
        if (run->listeners->all[i].hooks->end != NULL)
            run->listeners->all[i].hooks->end(run, run->listeners->all[i].state, settled);
    }
}

void sim_tell_finish(struct sim_run *run)
{
    for (size_t i = 0; i < run->listeners->count; i++) {
        if (run->listeners->all[i].hooks->finish != NULL)
            run->listeners->all[i].hooks->finish(run, run->listeners->all[i].state);
    }
}

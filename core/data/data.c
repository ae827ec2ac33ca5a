#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/wire/cause.h"

/* Timers ------------------------------------------------------------------------------------------------- */

void data_timer_init(struct data_timer *timer, void (*fire)(struct dfs_data *, struct data_timer *))
{
    dfs_heap_item_init(&timer->item);
    timer->fire = fire;
}

void data_timer_set(struct dfs_data *data, struct data_timer *timer, dfs_time_ns at)
{
    dfs_heap_set(&data->timers, &timer->item, at);
}

void data_patience_set(struct dfs_data *data, struct data_timer *timer, dfs_duration_ns length)
{
    dfs_heap_set(&data->patience, &timer->item, dfs_time_add(data->now_fair, length));
}

void data_timer_stop(struct dfs_data *data, struct data_timer *timer)
{
    dfs_heap_remove(&data->timers, &timer->item);
}

void data_patience_stop(struct dfs_data *data, struct data_timer *timer)
{
    dfs_heap_remove(&data->patience, &timer->item);
}

static void fire_due(struct dfs_data *data, struct dfs_heap *heap, dfs_time_ns now)
{
    struct dfs_heap_item *item;

    while ((item = dfs_heap_pop(heap, now)) != NULL) {
        struct data_timer *timer = dfs_container_of(item, struct data_timer, item);

        timer->fire(data, timer);
    }
}

/* Memory for what leaves --------------------------------------------------------------------------------- */

/*
 * What waits to leave may hold half of the pool. The other half always serves what arrives, and that waits
 * for our own disk only; so every server goes on reading, and two servers that send to each other cannot wait
 * for each other with full pools.
 */
static bool may_hold(const struct dfs_data *data, size_t bytes)
{
    return data->sending_bytes == 0 || data->sending_bytes + bytes <= data->config.pool_bytes / 2;
}

struct dfs_buf *data_sending_take(struct dfs_data *data, size_t bytes)
{
    struct dfs_buf *buf;

    if (!may_hold(data, bytes + DFS_BULK_SLACK_BYTES))
        return NULL;
    buf = dfs_buf_new(&data->pool, bytes);
    if (buf != NULL)
        data->sending_bytes += buf->capacity;
    return buf;
}

bool data_sending_add(struct dfs_data *data, struct dfs_buf *buf)
{
    if (!may_hold(data, buf->capacity))
        return false;
    data->sending_bytes += buf->capacity;
    (void)dfs_buf_ref(buf);
    return true;
}

void data_sending_drop(struct dfs_data *data, struct dfs_buf *buf)
{
    DFS_ASSERT(data->sending_bytes >= buf->capacity);
    data->sending_bytes -= buf->capacity;
    dfs_buf_unref(buf);
}

void data_hungry_init(struct data_hungry *hungry, void (*run)(struct data_hungry *))
{
    dfs_list_init(&hungry->link);
    hungry->run = run;
}

void data_hungry_wait(struct dfs_data *data, struct data_hungry *hungry)
{
    data->hungry_again = true;
    if (!dfs_list_linked(&hungry->link))
        dfs_list_push(&data->hungry, &hungry->link);
}

/* In the order of waiting, until one finds nothing: that one goes first the next time. */
static void feed_hungry(struct dfs_data *data)
{
    struct dfs_list *link;

    while ((link = dfs_list_pop(&data->hungry)) != NULL) {
        struct data_hungry *hungry = dfs_container_of(link, struct data_hungry, link);

        data->hungry_again = false;
        hungry->run(hungry);
        if (data->hungry_again) {
            struct dfs_list *last = data->hungry.prev;

            dfs_list_remove(last);
            dfs_list_push_front(&data->hungry, last);
            return;
        }
    }
}

/* Messages ----------------------------------------------------------------------------------------------- */

#define FROM_IN (1u << DATA_PEER_IN)
#define FROM_OUT (1u << DATA_PEER_OUT)
#define FROM_META (1u << DATA_PEER_CONTROL)

/* X(NAME, name, where it may come from) */
#define HANDLED(X) \
    X(STATUS, status, FROM_OUT | FROM_META) \
    X(HELLO, hello, FROM_IN) \
    X(JOINED, joined, FROM_META) \
    X(RESUMED, resumed, FROM_META) \
    X(COPY, copy, FROM_META) \
    X(REMOVE_BLOCK, remove_block, FROM_META) \
    X(KEYS_UPDATE, keys_update, FROM_META) \
    X(VERIFY, verify, FROM_META) \
    X(BLOCK_WRITE, block_write, FROM_IN) \
    X(BLOCK_DATA, block_data, FROM_IN) \
    X(BLOCK_COPY, block_copy, FROM_IN) \
    X(BLOCK_READ, block_read, FROM_IN) \
    X(BLOCK_WRITTEN, block_written, FROM_OUT)

static const struct {
    void (*handle)(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in);
    unsigned from;
} handlers[DFS_MSG_NUMBER_MAX + 1] = {
#define X(NAME, name, where) [DFS_MSG_##NAME] = {data_on_##name, where},
    HANDLED(X)
#undef X
};

/* Orders are for a server that has joined; before that nobody has any to give. */
static bool makes_sense(const struct dfs_data *data, const struct data_peer *peer, uint32_t number)
{
    if (number > DFS_MSG_NUMBER_MAX || (handlers[number].from & 1u << peer->kind) == 0)
        return false;
    if (peer->kind != DATA_PEER_CONTROL || number == DFS_MSG_STATUS || number == DFS_MSG_JOINED ||
        number == DFS_MSG_RESUMED)
        return true;
    return data->phase == DATA_NODE_SERVING || data->phase == DATA_NODE_REPORTING;
}

/* For who counts paths: the message was handled, and the machines that it was for are where they were. */
static void say_stays(const struct dfs_data *data, const struct data_peer *peer, uint32_t number,
                      enum data_node_phase phase, enum data_lease_state lease)
{
    const bool asks = number == DFS_MSG_BLOCK_WRITE || number == DFS_MSG_BLOCK_READ || number == DFS_MSG_BLOCK_COPY;

    if (data->phase == phase && peer->kind != DATA_PEER_OUT && number != DFS_MSG_BLOCK_DATA)
        DFS_GATE_STAY(&data->env, &data_node_gate, phase, dfs_cause_of_message(number));
    if (data->lease == lease && (asks || number == DFS_MSG_COPY))
        DFS_GATE_STAY(&data->env, &data_lease_gate, lease, dfs_cause_of_message(number));
}

static void on_recv(struct dfs_data *data, struct data_peer *peer)
{
    const enum data_node_phase phase = data->phase;
    const enum data_lease_state lease = data->lease;
    struct dfs_incoming in;
    enum dfs_status status;

    if (peer->dead)
        return;
    status = dfs_link_take(&peer->link, &in);
    if (status == DFS_UNAVAILABLE)
        return;
    if (status == DFS_OK && !makes_sense(data, peer, in.number)) {
        dfs_buf_unref(in.bulk);
        status = DFS_BAD_REQUEST;
    }
    if (status != DFS_OK) {
        data->counters.peers_bad++;
        data_peer_close(peer, status);
        return;
    }
    peer->frames++;
    peer->active = data->now_fair;
    handlers[in.number].handle(data, peer, &in);
    dfs_buf_unref(in.bulk);
    if (data->env.trace->stays)
        say_stays(data, peer, in.number, phase, lease);
}

const struct dfs_gate *const dfs_data_gates[] = {&data_node_gate, &data_lease_gate, &data_write_gate, &data_pass_gate,
                                                 NULL};

/* Life --------------------------------------------------------------------------------------------------- */

struct dfs_data *dfs_data_new(const struct dfs_data_config *config, const struct dfs_env *env)
{
    struct dfs_data *data = dfs_alloc_zero(sizeof *data);

    data->config = *config;
    data->env = *env;
    data->frame_bytes = config->frame_bytes / DFS_CHUNK_BYTES * DFS_CHUNK_BYTES;
    if (data->frame_bytes < DFS_CHUNK_BYTES)
        data->frame_bytes = DFS_CHUNK_BYTES; /* a frame is whole chunks */
    if (data->frame_bytes > DFS_FRAME_BULK_BYTES_MAX)
        data->frame_bytes = DFS_FRAME_BULK_BYTES_MAX;
    dfs_stall_init(&data->stall, DATA_INTERVAL_FIRST_NS);
    dfs_heap_init(&data->timers);
    dfs_heap_init(&data->patience);
    dfs_buf_pool_init(&data->pool, config->pool_bytes);
    dfs_links_init(&data->links);
    dfs_list_init(&data->hungry);
    dfs_list_init(&data->sent_free);
    for (unsigned i = 0; i < DATA_PEER_KINDS; i++)
        dfs_list_init(&data->peers[i]);
    dfs_map_init(&data->peers_out, offsetof(struct data_peer, to), sizeof(struct data_peer_key), 0);
    dfs_list_init(&data->dead);
    dfs_list_init(&data->writes);
    dfs_list_init(&data->reads);
    dfs_list_init(&data->copies);
    dfs_list_init(&data->checks);
    dfs_list_init(&data->removals);
    data_store_init(data);
    data_control_init(data);
    data_heartbeat_init(data);
    data_keys_init(data);
    data_scrub_init(data);
    data_leave_init(data);
    return data;
}

static void end_work(struct dfs_data *data)
{
    struct dfs_list *link;

    while ((link = dfs_list_first(&data->writes)) != NULL)
        data_write_free(dfs_container_of(link, struct data_write, at));
    while ((link = dfs_list_first(&data->reads)) != NULL)
        data_read_free(dfs_container_of(link, struct data_read, at));
    while ((link = dfs_list_first(&data->copies)) != NULL)
        data_copy_free(dfs_container_of(link, struct data_copy, at));
    while ((link = dfs_list_first(&data->checks)) != NULL)
        data_check_free(dfs_container_of(link, struct data_check, at));
    while ((link = dfs_list_first(&data->removals)) != NULL)
        data_removal_free(dfs_container_of(link, struct data_removal, at));
    data->scrub = NULL;
    data->checks_count = 0;
}

void data_retire(struct dfs_data *data)
{
    end_work(data);
    data->control = NULL;
    for (unsigned i = 0; i < DATA_PEER_KINDS; i++) {
        struct dfs_list *link;

        while ((link = dfs_list_first(&data->peers[i])) != NULL)
            data_peer_close(dfs_container_of(link, struct data_peer, at), DFS_ABORTED);
    }
    data_heartbeat_stop(data);
    data_io_forget(&data->store_ios);
    dfs_heap_close(&data->timers);
    dfs_heap_close(&data->patience);
    dfs_heap_init(&data->timers);
    dfs_heap_init(&data->patience);
}

void dfs_data_free(struct dfs_data *data)
{
    struct dfs_list *link;

    if (data == NULL)
        return;
    data->ending = true;
    data_retire(data);
    data_peer_settle(data);
    while ((link = dfs_list_pop(&data->sent_free)) != NULL)
        dfs_free(dfs_container_of(link, struct data_sent, at_peer));
    dfs_map_close(&data->peers_out);
    data_io_close(data);
    data_store_close(data);
    data_keys_close(data);
    dfs_free(data->changes);
    dfs_links_close(&data->links);
    dfs_buf_pool_close(&data->pool);
    dfs_heap_close(&data->timers);
    dfs_heap_close(&data->patience);
    dfs_free(data);
}

/* The door ----------------------------------------------------------------------------------------------- */

static void start(struct dfs_data *data)
{
    data->env.rng->random(data->env.ctx, DFS_RNG_ID, data->boot.bytes, DFS_ID_BYTES);
    dfs_id_make_random(&data->boot);
    data->scrub_finished = data->now; /* its age is counted from here until there was a pass */
    data_start(data);
}

static void dispatch(struct dfs_data *data, const struct dfs_event *event)
{
    switch (event->kind) {
    case DFS_EV_START:
        start(data);
        return;
    case DFS_EV_TICK:
        return;
    case DFS_EV_ACCEPT:
        data_peer_accept(data, event);
        return;
    case DFS_EV_OPEN:
        data_peer_opened(event->net.user, event->net.peer);
        return;
    case DFS_EV_RECV:
        on_recv(data, event->net.user);
        return;
    case DFS_EV_SENT:
        data_peer_sent(event->net.user, event->net.bulk);
        return;
    case DFS_EV_CLOSED:
        data_peer_lost(event->net.user, event->net.status);
        return;
    case DFS_EV_DATAGRAM:
        data_heartbeat_on_datagram(data, event->datagram.bytes, event->datagram.count);
        return;
    case DFS_EV_DISK:
        data_io_answer(data, &event->disk);
        return;
    case DFS_EV_COMMAND:
        if (event->command.code == DFS_DATA_LEAVE)
            data_leave(data, event->command.id);
        return;
    case DFS_EV_SOURCE:
    case DFS_EV_SINK:
        return; /* a data server has no local files */
    case DFS_EV_COUNT:
        break;
    }
    dfs_unreachable("dispatch");
}

static dfs_time_ns next_deadline(const struct dfs_data *data)
{
    dfs_time_ns next = dfs_heap_next(&data->timers);

    next = dfs_time_min(next, dfs_time_add(dfs_heap_next(&data->patience), data->stall.total_ns));
    if (!dfs_list_empty(&data->hungry) || !dfs_list_empty(&data->pool.waiters))
        next = dfs_time_min(next, dfs_time_add(data->now, DATA_STARVED_POLL_NS));
    return next;
}

dfs_time_ns dfs_data_step(struct dfs_data *data, const struct dfs_event *event)
{
    (void)dfs_stall_step(&data->stall, event->mono);
    data->now = event->mono;
    data->now_fair = event->mono - data->stall.total_ns;
    data->wall = event->wall;

    data_lease_test(data);
    dispatch(data, event);
    fire_due(data, &data->timers, data->now);
    fire_due(data, &data->patience, data->now_fair);
    feed_hungry(data);
    if (data->leaving)
        data_leave_continue(data);
    data_changes_flush(data);
    data_peer_settle(data);
    dfs_links_resume_due(&data->links);

    data->stall.deadline = next_deadline(data);
    return data->stall.deadline;
}

/* For the host ------------------------------------------------------------------------------------------- */

bool dfs_data_is_joined(const struct dfs_data *data)
{
    return data->phase == DATA_NODE_REPORTING || data->phase == DATA_NODE_SERVING;
}

enum dfs_status dfs_data_failure(const struct dfs_data *data, const char **ret_words)
{
    if (ret_words != NULL)
        *ret_words = data->failure_words;
    return data->failure;
}

void dfs_data_metrics(const struct dfs_data *data,
                      void (*emit)(void *ctx, const char *name, const char *help, uint64_t value), void *ctx)
{
#define X(field, help) emit(ctx, "dfs_data_" #field, help, data->counters.field);
    DATA_COUNTERS(X)
#undef X
    emit(ctx, "dfs_data_joined_now", "1 while metadata counts on this server", dfs_data_is_joined(data));
    emit(ctx, "dfs_data_is_fenced", "1 while the lease is out", data->lease == DATA_LEASE_FENCED);
    emit(ctx, "dfs_data_join_attempts", "connections to metadata in vain since the last heartbeat was acknowledged",
         data->backoff);
    emit(ctx, "dfs_data_incarnation", "given by metadata at the last JOIN", data->incarnation);
    emit(ctx, "dfs_data_blocks", "published blocks", data->blocks.count);
    emit(ctx, "dfs_data_blocks_bytes", "bytes of their files", data->blocks_bytes);
    emit(ctx, "dfs_data_capacity_bytes", "of the disk, or as configured", data->capacity_bytes);
    emit(ctx, "dfs_data_free_bytes", "left", data->free_bytes);
    emit(ctx, "dfs_data_write_refused", "1 while the store cannot be written and no room is offered",
         data->write_refused);
    emit(ctx, "dfs_data_writes_running", "block writes under way", data->writes_count);
    emit(ctx, "dfs_data_reads_running", "block reads under way", data->reads_count);
    emit(ctx, "dfs_data_copies_running", "copies under way", data->copies_count);
    emit(ctx, "dfs_data_peers", "accepted connections", data->peers_count[DATA_PEER_IN]);
    emit(ctx, "dfs_data_memory_bytes", "of block buffers in use", data->pool.bytes_out);
    emit(ctx, "dfs_data_memory_peak_bytes", "of block buffers in use, at most so far", data->pool.bytes_peak);
    emit(ctx, "dfs_data_changes_kept", "changes that metadata has not applied yet", data->changes_count);
    emit(ctx, "dfs_data_files_foreign", "files in the store that are not ours", data->files_foreign);
    emit(ctx, "dfs_data_stalled_ns", "time during which this process did not run though it should have",
         data->stall.total_ns);
    emit(ctx, "dfs_data_scrub_age_ns", "since the last whole pass; since the start if there was none",
         data->now - data->scrub_finished);
}

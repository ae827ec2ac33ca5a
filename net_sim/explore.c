#include "net_sim/explore.h"

#include "net_sim/disk_internal.h"
#include "net_sim/stream_internal.h"

#include "core/base/mem.h"

#include <string.h>

/* One host's past. */
/* Of so many hosts it is known in which order their connections came; of the rest each counts as one that came out of order. */
#define PAST_HOSTS 32

struct past {
    uint64_t history;              /* of its present life, and what it found on its disk */
    uint64_t told;                 /* what all its lives have said and heard */
    uint64_t accepted[PAST_HOSTS]; /* by the host that it came from: its latest connection so far */
};

struct waiting {
    struct sim_item *item;
    dfs_time_ns at;
};

struct sim_explorer {
    struct sim_world *world;
    struct past *pasts; /* by host index */
    size_t pasts_count;
    struct waiting *items; /* of the queue while it is looked at, in order */
    size_t items_count;
    size_t items_room;
};

/* The past ---------------------------------------------------------------------------------------------------------- */

static struct past *past_of(struct sim_explorer *explorer, const struct sim_host *host)
{
    if (host->index >= explorer->pasts_count) {
        const size_t count = host->index + 16;

        explorer->pasts = dfs_realloc_array(explorer->pasts, count, sizeof *explorer->pasts);
        memset(explorer->pasts + explorer->pasts_count, 0, (count - explorer->pasts_count) * sizeof *explorer->pasts);
        explorer->pasts_count = count;
    }
    return &explorer->pasts[host->index];
}

static void mix_in(uint64_t *hash, uint64_t a, uint64_t b)
{
    *hash = sim_mix(*hash ^ a, b + UINT64_C(0x51ed270b));
}

static uint64_t peer_hash(const struct dfs_peer *peer)
{
    uint64_t hash = sim_mix((uint64_t)peer->kind, (uint64_t)peer->role);

    hash = dfs_hash64(hash, peer->node.bytes, sizeof peer->node.bytes);
    return dfs_hash64(hash, peer->fingerprint, sizeof peer->fingerprint);
}

static void mix_disk(uint64_t *hash, const struct dfs_disk_done *done)
{
    mix_in(hash, done->token, (uint64_t)done->verb << 8 | (uint64_t)done->status);
    mix_in(hash, done->count, done->free_bytes);
    if (done->verb != DFS_DISK_LIST || done->entries == NULL)
        return;
    for (uint64_t i = 0; i < done->count; i++)
        *hash = dfs_hash64(*hash + done->entries[i].bytes, done->entries[i].name, strlen(done->entries[i].name));
}

/* The event says which of two connections of one host was begun first. Numbers of the world depend on what others did meanwhile, so they are left
 * out: one that comes behind a later one of the same host is told by its key. */
static void mix_order(struct past *past, struct sim_host *host, const struct dfs_event *event)
{
    struct sim_endpoint *end = sim_endpoint_find(host, event->net.conn);
    const uint32_t from = end == NULL ? PAST_HOSTS : sim_endpoint_other(end)->host->index;

    if (end == NULL)
        return; /* not taken */
    if (from >= PAST_HOSTS || event->net.order < past->accepted[from])
        mix_in(&past->history, sim_endpoint_conn(end)->key, 4);
    else
        past->accepted[from] = event->net.order;
}

static void on_step(void *arg, struct sim_host *host, const struct dfs_event *event)
{
    uint64_t *hash = &past_of(arg, host)->history;

    mix_in(hash, event->mono, (uint64_t)event->kind);
    mix_in(hash, event->wall, 0);
    switch (event->kind) {
    case DFS_EV_ACCEPT:
        mix_order(past_of(arg, host), host, event);
        mix_in(hash, event->net.conn, peer_hash(event->net.peer));
        break;
    case DFS_EV_OPEN:
        mix_in(hash, event->net.conn, event->net.peer != NULL ? peer_hash(event->net.peer) : 0);
        break;
    case DFS_EV_RECV:
    case DFS_EV_SENT:
    case DFS_EV_CLOSED:
        mix_in(hash, event->net.conn, (uint64_t)event->net.status);
        break;
    case DFS_EV_DATAGRAM:
        *hash = dfs_hash64(*hash, event->datagram.from, sizeof *event->datagram.from);
        *hash = dfs_hash64(*hash, event->datagram.bytes, event->datagram.count);
        break;
    case DFS_EV_DISK:
        mix_disk(hash, &event->disk);
        break;
    case DFS_EV_SOURCE:
    case DFS_EV_SINK:
        mix_in(hash, event->local.token, event->local.count << 8 | (uint64_t)event->local.status);
        break;
    case DFS_EV_COMMAND:
        mix_in(hash, event->command.id, event->command.code);
        break;
    case DFS_EV_START:
    case DFS_EV_TICK:
    case DFS_EV_COUNT:
        break;
    }
}

static uint64_t message_hash(const struct sim_message *message, uint64_t seed)
{
    uint64_t hash = sim_mix(seed ^ message->number, message->from->index);

    hash = dfs_hash64(hash, message->head, message->head_bytes);
    return message->bulk_bytes > 0 ? dfs_hash64(hash, message->bulk, message->bulk_bytes) : hash;
}

static void on_sent(void *arg, const struct sim_message *message, struct sim_verdict *verdict)
{
    (void)verdict;
    mix_in(&past_of(arg, message->from)->told, message_hash(message, 1), 1);
}

static void on_delivered(void *arg, const struct sim_message *message)
{
    struct past *past = past_of(arg, message->to);
    const uint64_t hash = message_hash(message, 2);

    mix_in(&past->told, hash, 2);
    if (message->conn != 0)
        mix_in(&past->history, hash, 3); /* a datagram's bytes are in its event */
}

static void on_disk_done(void *arg, const struct sim_disk_event *event)
{
    if (event->done->verb == DFS_DISK_SYNC && event->done->status == DFS_OK)
        mix_in(&past_of(arg, event->host)->told, dfs_hash64(4, event->name, strlen(event->name)), event->number);
}

static void on_trace(void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    struct past *past = past_of(arg, host);

    if (trace->kind == DFS_TRACE_STATE || trace->kind == DFS_TRACE_NOTE)
        return;
    mix_in(&past->told, (uint64_t)trace->kind << 8 | (uint64_t)trace->status, trace->a);
    past->told = dfs_hash64(past->told, trace->block.file.bytes, sizeof trace->block.file.bytes);
    mix_in(&past->told, (uint64_t)trace->block.index << 32 | trace->block.generation, trace->b);
}

static void on_host(void *arg, struct sim_host *host, enum sim_host_change change)
{
    struct past *past = past_of(arg, host);

    mix_in(&past->told, (uint64_t)change, host->world->now);
    if (change != SIM_HOST_CRASHED && change != SIM_HOST_STOPPED)
        return;
    past->history = sim_mix(past->told, host->disk != NULL ? sim_disk_fingerprint(host->disk) : 0);
    /* Handles of a new life are those of any new life: all connections of the old one are over. */
    dfs_free(host->slots);
    host->slots = NULL;
    host->slot_count = 0;
    host->slot_free = 0;
}

struct names {
    uint64_t hash;
    enum sim_view view;
};

static bool name_add(void *arg, const char *name, const struct sim_file *file)
{
    struct names *names = arg;

    names->hash = dfs_hash64(names->hash, name, strlen(name));
    names->hash = sim_mix(names->hash, sim_file_fingerprint(file, names->view));
    return true;
}

uint64_t sim_disk_fingerprint(const struct sim_disk *disk)
{
    struct names names = {.hash = sim_mix(disk->key, disk->used_bytes)};

    for (unsigned view = 0; view < 2; view++) {
        names.view = view == 0 ? SIM_NOW : SIM_DURABLE;
        mix_in(&names.hash, view, 5);
        sim_disk_each(disk, names.view, name_add, &names);
    }
    return names.hash;
}

/* What is under way ------------------------------------------------------------------------------------------------- */

/* Takes the queue apart, in order; queue_fill puts it together again. */
static void queue_look(struct sim_explorer *explorer)
{
    struct sim_queue *queue = &explorer->world->queue;

    explorer->items_count = 0;
    while (queue->count > 0) {
        const dfs_time_ns at = sim_queue_next(queue);

        if (explorer->items_count == explorer->items_room) {
            explorer->items_room = explorer->items_room == 0 ? 64 : 2 * explorer->items_room;
            explorer->items = dfs_realloc_array(explorer->items, explorer->items_room, sizeof *explorer->items);
        }
        explorer->items[explorer->items_count++] = (struct waiting){sim_queue_pop(queue), at};
    }
}

static void queue_fill(struct sim_explorer *explorer, const struct sim_item *without)
{
    for (size_t i = 0; i < explorer->items_count; i++)
        if (explorer->items[i].item != without)
            sim_queue_push(&explorer->world->queue, explorer->items[i].item, explorer->items[i].at);
}

static void queue_remove(struct sim_explorer *explorer, const struct sim_item *item)
{
    queue_look(explorer);
    queue_fill(explorer, item);
}

enum standing {
    AT_ONCE,  /* happens inside one host, or to nobody */
    POSSIBLE, /* a choice */
    BEHIND,   /* something else must come first */
    LATER     /* time must go on */
};

static bool end_hears(const struct sim_endpoint *end)
{
    return end->host != NULL && end->host->machine != NULL && end->life == end->host->life &&
           (end->state == SIM_ENDPOINT_OPEN || end->state == SIM_ENDPOINT_CONNECTING);
}

static enum standing arrive_standing(struct sim_pipe *pipe)
{
    const struct sim_endpoint *end = sim_endpoint_other(sim_pipe_end(pipe));

    if (pipe->flight == NULL || pipe->muted || !end_hears(end))
        return AT_ONCE;
    return pipe->flight->kind == SIM_SEGMENT_FRAME && end->sink == NULL ? AT_ONCE : POSSIBLE;
}

/* News of the network come behind what the other end had sent before. */
static enum standing closed_standing(struct sim_endpoint *end)
{
    const struct sim_endpoint *other = sim_endpoint_other(end);

    if (end->by_network && other->host != NULL && other->out.flight != NULL && !other->out.reader_waits &&
        !other->out.muted && (end->state == SIM_ENDPOINT_OPEN || end->state == SIM_ENDPOINT_CONNECTING))
        return BEHIND;
    return end->handle == 0 ? AT_ONCE : POSSIBLE;
}

static enum standing handshake_standing(const struct sim_conn *conn)
{
    const struct sim_endpoint *end = &conn->end[0];

    return end->state == SIM_ENDPOINT_CONNECTING ||
                   (end->state == SIM_ENDPOINT_DEAD && !end->gone && end->out.queue != NULL)
               ? POSSIBLE
               : AT_ONCE;
}

static bool names_meet(const struct sim_disk_pending *a, const struct sim_disk_pending *b)
{
    const struct sim_name *const of_a[] = {a->name, a->name2};
    const struct sim_name *const of_b[] = {b->name, b->name2};

    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < 2; k++)
            if (of_a[i] != NULL && of_a[i] == of_b[k])
                return true;
    return false;
}

/* In order per name; reads may overtake reads. */
static enum standing disk_standing(const struct sim_disk_pending *pending)
{
    if (pending->cancelled || pending->carried_out)
        return AT_ONCE;
    dfs_list_each(at, &pending->disk->pending)
    {
        const struct sim_disk_pending *before = dfs_container_of(at, struct sim_disk_pending, of_disk);

        if (before == pending)
            break;
        if (names_meet(before, pending) && (before->verb != DFS_DISK_READ || pending->verb != DFS_DISK_READ))
            return BEHIND;
    }
    return POSSIBLE;
}

static enum standing standing_of(const struct sim_world *world, const struct waiting *waiting)
{
    struct sim_item *item = waiting->item;

    switch (item->kind) {
    case SIM_ITEM_DATAGRAM:
        return item->host->machine == NULL ? BEHIND : POSSIBLE;
    case SIM_ITEM_ARRIVE:
        return arrive_standing(dfs_container_of(item, struct sim_pipe, arrive));
    case SIM_ITEM_CLOSED:
        return closed_standing(dfs_container_of(item, struct sim_endpoint, closed));
    case SIM_ITEM_HANDSHAKE:
        return handshake_standing(dfs_container_of(item, struct sim_conn, handshake));
    case SIM_ITEM_DISK:
        return disk_standing((const struct sim_disk_pending *)(const void *)item);
    case SIM_ITEM_CALL:
        return waiting->at <= world->now ? AT_ONCE : LATER;
    case SIM_ITEM_SENT:
    case SIM_ITEM_LOCAL:
    case SIM_ITEM_COMMAND:
    case SIM_ITEM_START:
    case SIM_ITEM_TICK:
    case SIM_ITEM_WAKE:
        return AT_ONCE;
    }
    dfs_unreachable("standing_of");
}

/* Choices ------------------------------------------------------------------------------------------------------------ */

static void choice_of_pipe(struct sim_pipe *pipe, struct sim_choice *choice)
{
    struct sim_endpoint *from = sim_pipe_end(pipe);
    const struct sim_segment *segment = pipe->flight;
    const uint64_t number = segment->kind == SIM_SEGMENT_ACCEPT ? 0 : segment->number;

    choice->kind = segment->kind == SIM_SEGMENT_FRAME    ? SIM_CHOICE_FRAME
                   : segment->kind == SIM_SEGMENT_ACCEPT ? SIM_CHOICE_ACCEPT
                                                         : SIM_CHOICE_END;
    choice->host = sim_endpoint_other(from)->host;
    choice->other = from->host;
    choice->number = number;
    choice->key = sim_mix(sim_pipe_key(from), number << 8 | segment->kind);
    if (segment->kind == SIM_SEGMENT_FRAME) {
        choice->head = segment->bytes;
        choice->head_bytes = segment->head_bytes;
    }
}

static void choice_of_item(struct sim_item *item, struct sim_choice *choice)
{
    *choice = (struct sim_choice){.item = item, .host = item->host, .verb = "", .name = ""};
    if (item->kind == SIM_ITEM_ARRIVE) {
        choice_of_pipe(dfs_container_of(item, struct sim_pipe, arrive), choice);
    } else if (item->kind == SIM_ITEM_CLOSED) {
        struct sim_endpoint *end = dfs_container_of(item, struct sim_endpoint, closed);

        choice->kind = SIM_CHOICE_CLOSED;
        choice->other = sim_endpoint_other(end)->host;
        choice->number = sim_endpoint_conn(end)->key;
        choice->key = sim_mix(sim_endpoint_conn(end)->key ^ end->handle, (uint64_t)end->status << 8 | end->side);
    } else if (item->kind == SIM_ITEM_HANDSHAKE) {
        struct sim_conn *conn = dfs_container_of(item, struct sim_conn, handshake);
        const struct sim_host *to = conn->end[1].host;

        choice->kind = SIM_CHOICE_CONNECT;
        choice->host = conn->end[0].host;
        choice->other = conn->end[1].host;
        choice->key = sim_mix(conn->key ^ conn->end[0].handle, 6);
        /* Whom it finds there is part of what happens. */
        if (to != NULL)
            mix_in(&choice->key, to->life, to->machine != NULL);
    } else if (item->kind == SIM_ITEM_DATAGRAM) {
        const struct sim_datagram *datagram = dfs_container_of(item, struct sim_datagram, item);

        choice->kind = SIM_CHOICE_DATAGRAM;
        choice->other = datagram->from;
        choice->number = datagram->number;
        choice->key = sim_mix(datagram->from->key ^ item->host->key, datagram->number);
        mix_in(&choice->key, item->host->life, 7);
        choice->head = datagram->bytes;
        choice->head_bytes = datagram->count;
    } else {
        const struct sim_disk_pending *pending = (const struct sim_disk_pending *)(const void *)item;

        choice->kind = SIM_CHOICE_DISK;
        choice->host = pending->host;
        choice->number = pending->number;
        choice->key = sim_mix(pending->disk->key, pending->number);
        choice->verb = dfs_disk_verb_name(pending->verb);
        choice->name = pending->name != NULL ? pending->name->text : "";
    }
}

static void choice_of_deadline(const struct sim_host *host, enum sim_choice_kind kind, dfs_time_ns at,
                               struct sim_choice *choice)
{
    *choice =
        (struct sim_choice){.kind = kind, .host = (struct sim_host *)(uintptr_t)host, .at = at, .verb = "", .name = ""};
    choice->key = sim_mix(at, host != NULL ? host->index + 1 : 0);
}

size_t sim_explorer_choices(struct sim_explorer *explorer, struct sim_choice choices[SIM_CHOICES_MAX])
{
    const struct sim_world *world = explorer->world;
    const struct sim_host *next = NULL;
    dfs_time_ns next_at = DFS_NEVER;
    size_t count = 0;

    DFS_ASSERT(world->stepping == NULL);
    queue_look(explorer);
    queue_fill(explorer, NULL);
    for (size_t i = 0; i < explorer->items_count; i++) {
        const enum standing standing = standing_of(world, &explorer->items[i]);

        DFS_ASSERT(standing != AT_ONCE && count + world->host_count + 2 < SIM_CHOICES_MAX);
        if (standing == POSSIBLE)
            choice_of_item(explorer->items[i].item, &choices[count++]);
        else if (standing == LATER && explorer->items[i].at < next_at)
            next_at = explorer->items[i].at;
    }
    for (size_t i = 0; i < world->host_count; i++) {
        const struct sim_host *host = world->hosts[i];

        if (host->machine == NULL || host->deadline == DFS_NEVER)
            continue;
        if (host->deadline <= world->now) {
            choice_of_deadline(host, SIM_CHOICE_TICK, world->now, &choices[count++]);
        } else if (host->deadline < next_at) {
            next = host;
            next_at = host->deadline;
        }
    }
    if (next_at != DFS_NEVER)
        choice_of_deadline(next, SIM_CHOICE_TIME, next_at, &choices[count++]);
    return count;
}

bool sim_choice_can_be_lost(const struct sim_choice *choice)
{
    return choice->kind == SIM_CHOICE_FRAME || choice->kind == SIM_CHOICE_DATAGRAM;
}

/* Taking ------------------------------------------------------------------------------------------------------------- */

/* The item, out of the queue, has its turn now, whatever time it was given. */
static void item_run(struct sim_explorer *explorer, struct sim_item *item)
{
    struct sim_world *world = explorer->world;

    if (item->kind == SIM_ITEM_ARRIVE) {
        struct sim_pipe *pipe = dfs_container_of(item, struct sim_pipe, arrive);

        pipe->hold_until = 0;
        if (pipe->flight != NULL)
            pipe->flight->arrive_at = world->now;
    } else if (item->kind == SIM_ITEM_SENT) {
        struct sim_pipe *pipe = dfs_container_of(item, struct sim_pipe, sent);

        if (pipe->bulk != NULL)
            pipe->bulk->leave_at = world->now;
    }
    if (item->host != NULL && item->host->held && item->kind != SIM_ITEM_WAKE)
        sim_host_hold(item->host, item);
    else
        sim_item_run(world, item);
}

void sim_explorer_follow(struct sim_explorer *explorer)
{
    for (;;) {
        struct sim_item *found = NULL;

        queue_look(explorer);
        for (size_t i = 0; i < explorer->items_count && found == NULL; i++)
            if (standing_of(explorer->world, &explorer->items[i]) == AT_ONCE)
                found = explorer->items[i].item;
        queue_fill(explorer, found);
        if (found == NULL)
            return;
        item_run(explorer, found);
    }
}

/* Both round trips at once: what could happen between them could as well happen before or after. */
static void connect_run(struct sim_explorer *explorer, struct sim_conn *conn)
{
    conn->queued++; /* it may end on the way */
    while (conn->handshake_queued) {
        queue_remove(explorer, &conn->handshake);
        sim_conn_on_handshake(explorer->world, conn);
    }
    conn->queued--;
    sim_conn_maybe_free(conn);
}

void sim_explorer_take(struct sim_explorer *explorer, const struct sim_choice *choice)
{
    struct sim_world *world = explorer->world;

    if (choice->kind == SIM_CHOICE_TIME)
        world->now = choice->at;
    if (choice->kind == SIM_CHOICE_TIME || choice->kind == SIM_CHOICE_TICK) {
        if (choice->host != NULL) {
            dfs_heap_remove(&world->timers, &choice->host->timer);
            sim_host_on_tick(choice->host);
        }
    } else if (choice->kind == SIM_CHOICE_CONNECT) {
        connect_run(explorer, dfs_container_of(choice->item, struct sim_conn, handshake));
    } else {
        queue_remove(explorer, choice->item);
        item_run(explorer, choice->item);
    }
    sim_explorer_follow(explorer);
}

/* As if the connection had broken in front of the frame: nothing of that direction comes any more; the other direction brings what is on its way. */
static void stream_cut(struct sim_endpoint *from)
{
    const dfs_time_ns now = from->host->world->now;

    sim_pipe_flight_clear(from);
    sim_pipe_queue_drop(from);
    sim_endpoint_tell(sim_endpoint_other(from), DFS_UNREACHABLE, now, false);
    sim_endpoint_tell(from, DFS_UNREACHABLE, now, true);
}

void sim_explorer_lose(struct sim_explorer *explorer, const struct sim_choice *choice)
{
    DFS_ASSERT(sim_choice_can_be_lost(choice));
    if (choice->kind == SIM_CHOICE_DATAGRAM) {
        queue_remove(explorer, choice->item);
        sim_datagram_drop(explorer->world, dfs_container_of(choice->item, struct sim_datagram, item));
    } else {
        stream_cut(sim_pipe_end(dfs_container_of(choice->item, struct sim_pipe, arrive)));
    }
    sim_explorer_follow(explorer);
}

/* The fingerprint ---------------------------------------------------------------------------------------------------- */

static uint64_t segments_hash(const struct sim_segment *segment)
{
    uint64_t hash = 0;

    for (; segment != NULL; segment = segment->next) {
        mix_in(&hash, segment->kind, segment->done_bytes);
        hash = dfs_hash64(hash, segment->bytes, sim_segment_bytes(segment));
    }
    return hash;
}

static uint64_t end_hash(const struct sim_endpoint *end)
{
    const struct sim_pipe *pipe = &end->out;
    uint64_t hash = sim_mix(end->handle, (uint64_t)end->state);

    if (end->host == NULL)
        return hash;
    mix_in(&hash, end->host->index, end->handle != 0 && end->life == end->host->life);
    mix_in(&hash, (uint64_t)end->closed_queued << 1 | end->by_network, (uint64_t)end->status);
    mix_in(&hash, (uint64_t)end->gone << 2 | (uint64_t)pipe->reader_waits << 1 | pipe->muted, pipe->control_bytes);
    mix_in(&hash, segments_hash(pipe->flight), segments_hash(pipe->queue));
    return hash;
}

static uint64_t conn_hash(const struct sim_conn *conn)
{
    uint64_t hash = sim_mix(end_hash(&conn->end[0]), end_hash(&conn->end[1]));

    mix_in(&hash, (uint64_t)conn->stage, conn->handshake_queued);
    return hash;
}

static uint64_t item_hash(const struct waiting *waiting)
{
    const struct sim_item *item = waiting->item;

    if (item->kind == SIM_ITEM_DATAGRAM) {
        const struct sim_datagram *datagram = dfs_container_of_const(item, struct sim_datagram, item);

        return sim_mix(dfs_hash64(8, datagram->bytes, datagram->count),
                       (uint64_t)datagram->from->index << 32 | item->host->index);
    }
    if (item->kind == SIM_ITEM_DISK) {
        const struct sim_disk_pending *pending = (const struct sim_disk_pending *)(const void *)item;

        return sim_mix(pending->disk->key ^ pending->token, (uint64_t)pending->verb << 8 | pending->cancelled);
    }
    return item->kind == SIM_ITEM_CALL ? sim_mix(9, waiting->at) : 0; /* the rest stands in the connections */
}

uint64_t sim_explorer_fingerprint(struct sim_explorer *explorer)
{
    const struct sim_world *world = explorer->world;
    uint64_t hash = world->now;
    uint64_t sum = 0;

    for (size_t i = 0; i < world->host_count; i++) {
        const struct sim_host *host = world->hosts[i];

        mix_in(&hash, past_of(explorer, host)->history, (uint64_t)host->life << 1 | (host->machine != NULL));
    }
    dfs_list_each(at, &world->conns)
    {
        sum += conn_hash(dfs_container_of(at, struct sim_conn, of_world));
    }
    queue_look(explorer);
    queue_fill(explorer, NULL);
    for (size_t i = 0; i < explorer->items_count; i++)
        sum += item_hash(&explorer->items[i]);
    return sim_mix(hash, sum);
}

uint64_t sim_explorer_order(struct sim_explorer *explorer)
{
    uint64_t hash = 0;

    queue_look(explorer);
    queue_fill(explorer, NULL);
    for (size_t i = 0; i < explorer->items_count; i++) {
        const enum standing standing = standing_of(explorer->world, &explorer->items[i]);
        struct sim_choice choice;

        if (standing != POSSIBLE && standing != BEHIND)
            continue;
        choice_of_item(explorer->items[i].item, &choice);
        mix_in(&hash, choice.key, (uint64_t)choice.kind);
    }
    return hash;
}

uint64_t sim_explorer_history(struct sim_explorer *explorer, const struct sim_host *host)
{
    return past_of(explorer, host)->history;
}

/* Life --------------------------------------------------------------------------------------------------------------- */

struct sim_explorer *sim_explorer_new(struct sim_world *world)
{
    struct sim_explorer *explorer = dfs_alloc_zero(sizeof *explorer);
    const struct sim_observer observer = {
        .arg = explorer,
        .before_step = on_step,
        .trace = on_trace,
        .frame_sent = on_sent,
        .frame_delivered = on_delivered,
        .datagram_sent = on_sent,
        .datagram_delivered = on_delivered,
        .disk_done = on_disk_done,
        .host_changed = on_host,
    };

    explorer->world = world;
    sim_world_observe(world, &observer);
    return explorer;
}

void sim_explorer_free(struct sim_explorer *explorer)
{
    if (explorer == NULL)
        return;
    dfs_free(explorer->pasts);
    dfs_free(explorer->items);
    dfs_free(explorer);
}

void sim_explorer_begin(struct sim_explorer *explorer)
{
    struct sim_world *world = explorer->world;
    const struct sim_link_options link = {.latency = {0, 0}};

    DFS_ASSERT(world->stepping == NULL);
    world->frame_by_frame = true;
    world->options.local_latency = (struct sim_range){0, 0};
    sim_world_link_set(world, &link);
    for (size_t i = 0; i < world->host_count; i++)
        for (size_t k = 0; k < world->hosts[i]->link_count; k++)
            if (world->hosts[i]->links[k] != NULL)
                sim_link_set(world->hosts[i], world->hosts[k], NULL);
    for (struct sim_disk *disk = world->disks; disk != NULL; disk = disk->next) {
        disk->options.latency = disk->options.sync_latency = (struct sim_range){0, 0};
        disk->options.bytes_per_second = 0;
    }
    sim_explorer_follow(explorer);
}

/* What lags behind is due now. */
void sim_explorer_end(struct sim_explorer *explorer)
{
    struct sim_world *world = explorer->world;

    world->frame_by_frame = false;
    queue_look(explorer);
    for (size_t i = 0; i < explorer->items_count; i++)
        explorer->items[i].at = dfs_time_max(explorer->items[i].at, world->now);
    queue_fill(explorer, NULL);
    for (size_t i = 0; i < world->host_count; i++) {
        struct sim_host *host = world->hosts[i];

        dfs_heap_remove(&world->timers, &host->timer);
        if (host->machine != NULL && host->deadline != DFS_NEVER) {
            host->deadline = dfs_time_max(host->deadline, world->now);
            dfs_heap_set(&world->timers, &host->timer, host->deadline);
        }
    }
}

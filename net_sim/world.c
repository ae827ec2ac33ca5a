#include "net_sim/world.h"

#include "net_sim/internal.h"

#include "core/base/mem.h"

#include <string.h>

#define ADDR_CAPACITY_FIRST 64
#define WALL_DEFAULT (UINT64_C(1704067200) * DFS_SECONDS) /* 2024-01-01T00:00:00Z */

struct sim_world_options sim_world_options_default(void)
{
    return (struct sim_world_options){
        .link = sim_link_options_default(),
        .wall = WALL_DEFAULT,
        .local_latency = {.min = 10 * DFS_MICROSECONDS, .max = 50 * DFS_MICROSECONDS},
    };
}

struct sim_world *sim_world_new(uint64_t seed, const struct sim_world_options *options)
{
    struct sim_world *world = dfs_alloc_zero(sizeof *world);

    world->seed = seed;
    world->key = seed;
    world->options = options != NULL ? *options : sim_world_options_default();
    world->hash = sim_mix(seed, UINT64_C(0x64667373696d)); /* "dfssim" */
    sim_queue_init(&world->queue);
    dfs_heap_init(&world->timers);
    sim_pool_init(&world->pool);
    sim_store_init(&world->store, &world->pool);
    dfs_list_init(&world->conns);
    dfs_list_init(&world->stalled_pipes);
    dfs_list_init(&world->stalled_handshakes);
    world->addr_capacity = ADDR_CAPACITY_FIRST;
    world->addrs = dfs_alloc_zero_array(world->addr_capacity, sizeof *world->addrs);
    return world;
}

static void observers_free(struct sim_world *world)
{
    for (size_t i = 0; i < SIM_SEES_COUNT; i++)
        dfs_free(world->hearers[i].at);
    for (size_t i = 0; i < world->observer_count; i++)
        dfs_free(world->observers[i]);
    dfs_free(world->observers);
}

void sim_world_free(struct sim_world *world)
{
    if (world == NULL)
        return;
    DFS_ASSERT(world->stepping == NULL);
    world->observed = 0; /* what ends here is not part of the run */
    for (size_t i = 0; i < world->host_count; i++)
        if (world->hosts[i]->machine != NULL)
            sim_host_crash(world->hosts[i], SIM_UNSYNCED_LOSE, SIM_STREAMS_SILENT);
    while (world->queue.count > 0)
        sim_item_drop(world, sim_queue_pop(&world->queue));
    sim_streams_free(world);
    for (size_t i = 0; i < world->host_count; i++)
        sim_host_free(world->hosts[i]);
    while (world->disks != NULL)
        sim_disk_free(world->disks);
    sim_partition_heal_all(world);
    sim_store_close(&world->store);
    sim_pool_close(&world->pool);
    dfs_heap_close(&world->timers);
    sim_queue_close(&world->queue);
    dfs_free(world->hosts);
    dfs_free(world->addrs);
    observers_free(world);
    dfs_free(world);
}

/* Running ---------------------------------------------------------------------------------------------------------- */

static void call_run(struct sim_world *world, struct sim_call *call)
{
    void (*const function)(void *arg, struct sim_world *world) = call->call;
    void *const arg = call->arg;

    sim_pool_give(&world->pool, call, call->pool_class);
    function(arg, world);
}

void sim_item_run(struct sim_world *world, struct sim_item *item)
{
    switch (item->kind) {
    case SIM_ITEM_DATAGRAM:
        sim_datagram_on_arrive(world, dfs_container_of(item, struct sim_datagram, item));
        return;
    case SIM_ITEM_ARRIVE:
        sim_pipe_on_arrive(world, dfs_container_of(item, struct sim_pipe, arrive));
        return;
    case SIM_ITEM_SENT:
        sim_pipe_on_sent(world, dfs_container_of(item, struct sim_pipe, sent));
        return;
    case SIM_ITEM_CLOSED:
        sim_endpoint_on_closed(world, dfs_container_of(item, struct sim_endpoint, closed));
        return;
    case SIM_ITEM_HANDSHAKE:
        sim_conn_on_handshake(world, dfs_container_of(item, struct sim_conn, handshake));
        return;
    case SIM_ITEM_DISK:
        sim_disk_on_done(world, (struct sim_disk_pending *)(void *)item);
        return;
    case SIM_ITEM_LOCAL:
        sim_local_on_done(world, dfs_container_of(item, struct sim_local_pending, item));
        return;
    case SIM_ITEM_COMMAND:
        sim_host_on_command(world, dfs_container_of(item, struct sim_command, item));
        return;
    case SIM_ITEM_START:
        sim_host_on_start(item->host);
        return;
    case SIM_ITEM_TICK:
        sim_host_on_tick(item->host);
        return;
    case SIM_ITEM_WAKE:
        sim_host_on_wake(item->host);
        return;
    case SIM_ITEM_CALL:
        call_run(world, dfs_container_of(item, struct sim_call, item));
        return;
    }
    dfs_unreachable("sim_item_run");
}

void sim_item_drop(struct sim_world *world, struct sim_item *item)
{
    switch (item->kind) {
    case SIM_ITEM_DATAGRAM:
        sim_datagram_drop(world, dfs_container_of(item, struct sim_datagram, item));
        return;
    case SIM_ITEM_ARRIVE:
    case SIM_ITEM_SENT:
    case SIM_ITEM_CLOSED:
    case SIM_ITEM_HANDSHAKE:
        sim_conn_item_drop(world, item);
        return;
    case SIM_ITEM_DISK:
        sim_disk_item_drop(world, item);
        return;
    case SIM_ITEM_LOCAL:
        sim_local_item_drop(world, item);
        return;
    case SIM_ITEM_COMMAND: {
        struct sim_command *command = dfs_container_of(item, struct sim_command, item);

        sim_pool_give(&world->pool, command, command->pool_class);
        return;
    }
    case SIM_ITEM_START:
        item->host->start_queued = false;
        return;
    case SIM_ITEM_TICK:
        item->host->tick_waits = false;
        return;
    case SIM_ITEM_WAKE:
        item->host->wake_queued = false;
        return;
    case SIM_ITEM_CALL: {
        struct sim_call *call = dfs_container_of(item, struct sim_call, item);

        sim_pool_give(&world->pool, call, call->pool_class);
        return;
    }
    }
    dfs_unreachable("sim_item_drop");
}

/* Takes up whatever is due first, if that is not after `until`. At equal times the queue goes before
 * deadlines. */
static bool run_next(struct sim_world *world, dfs_time_ns until)
{
    const dfs_time_ns queued = sim_queue_next(&world->queue);
    const dfs_time_ns timed = dfs_heap_next(&world->timers);
    struct sim_item *item;

    if (timed < queued) {
        if (timed > until)
            return false;
        DFS_ASSERT(timed >= world->now);
        world->now = timed;
        sim_host_on_timer(dfs_container_of(dfs_heap_pop(&world->timers, timed), struct sim_host, timer));
        return true;
    }
    if (queued == DFS_NEVER || queued > until)
        return false;
    DFS_ASSERT(queued >= world->now);
    world->now = queued;
    item = sim_queue_pop(&world->queue);
    if (item->host != NULL && item->host->held && item->kind != SIM_ITEM_WAKE)
        sim_host_hold(item->host, item);
    else
        sim_item_run(world, item);
    return true;
}

bool sim_world_step_one(struct sim_world *world)
{
    return run_next(world, DFS_NEVER - 1);
}

enum sim_end sim_world_run(struct sim_world *world, dfs_time_ns until)
{
    const uint64_t events_max = world->options.events_max == 0 ? UINT64_MAX : world->options.events_max;
    const dfs_time_ns last = until == DFS_NEVER ? DFS_NEVER - 1 : until;

    DFS_ASSERT(world->stepping == NULL);
    world->stopped = false;
    for (;;) {
        if (world->counts.events >= events_max)
            return SIM_END_BUDGET;
        if (!run_next(world, last))
            break;
        if (world->stopped)
            return SIM_END_STOPPED;
    }
    if (world->queue.count == 0 && world->timers.count == 0 && until == DFS_NEVER)
        return SIM_END_IDLE;
    if (until != DFS_NEVER && until > world->now)
        world->now = until;
    return world->queue.count == 0 && world->timers.count == 0 ? SIM_END_IDLE : SIM_END_TIME;
}

void sim_world_stop(struct sim_world *world)
{
    world->stopped = true;
}

void sim_world_call(struct sim_world *world, dfs_time_ns at, void (*call)(void *arg, struct sim_world *world),
                    void *arg)
{
    uint8_t pool_class;
    struct sim_call *item = sim_pool_take(&world->pool, sizeof *item, &pool_class);

    *item = (struct sim_call){.item = {.kind = SIM_ITEM_CALL}, .call = call, .arg = arg, .pool_class = pool_class};
    sim_push(world, &item->item, at);
}

/* Facts ------------------------------------------------------------------------------------------------------------ */

dfs_time_ns sim_world_now(const struct sim_world *world)
{
    return world->now;
}

uint64_t sim_world_seed(const struct sim_world *world)
{
    return world->seed;
}

struct sim_host *sim_world_stepping(const struct sim_world *world)
{
    return world->stepping;
}

uint64_t sim_world_hash(const struct sim_world *world)
{
    return sim_mix(world->hash ^ world->draws, world->now);
}

void sim_world_hash_add(struct sim_world *world, const void *bytes, size_t count)
{
    sim_trace_bytes(world, bytes, count);
}

const struct sim_counts *sim_world_counts(const struct sim_world *world)
{
    return &world->counts;
}

size_t sim_world_in_flight(const struct sim_world *world)
{
    size_t count = world->queue.count + world->timers.count;

    dfs_list_each(at, &world->conns)
    {
        const struct sim_conn *conn = dfs_container_of(at, struct sim_conn, of_world);

        for (unsigned side = 0; side < 2; side++) {
            const struct sim_segment *segment = conn->end[side].out.flight;

            /* The first one's arrival stands in the queue. */
            for (segment = segment == NULL ? NULL : segment->next; segment != NULL; segment = segment->next)
                count++;
        }
    }
    return count;
}

uint64_t sim_world_stream(const char *stream)
{
    return dfs_hash64(0, stream, strlen(stream));
}

uint64_t sim_world_draw_of(const struct sim_world *world, uint64_t stream, uint64_t number)
{
    return sim_prf(world->key, stream, number);
}

uint64_t sim_world_draw(const struct sim_world *world, const char *stream, uint64_t number)
{
    return sim_world_draw_of(world, sim_world_stream(stream), number);
}

uint64_t sim_world_identity(const struct sim_world *world, const char *stream, uint64_t number)
{
    return sim_prf(world->seed, dfs_hash64(0, stream, strlen(stream)), number);
}

static void key_suffix(uint64_t *key, uint64_t suffix)
{
    *key = sim_prf(*key, SIM_DRAW_SUFFIX, suffix);
}

void sim_world_suffix(struct sim_world *world, uint64_t suffix)
{
    key_suffix(&world->key, suffix);
    for (size_t i = 0; i < world->host_count; i++) {
        struct sim_host *host = world->hosts[i];

        key_suffix(&host->key, suffix);
        for (size_t to = 0; to < host->link_count; to++)
            if (host->links[to] != NULL)
                key_suffix(&host->links[to]->key, suffix);
    }
    dfs_list_each(at, &world->conns)
    {
        key_suffix(&dfs_container_of(at, struct sim_conn, of_world)->key, suffix);
    }
    sim_disks_suffix(world, suffix);
}

/* Hosts by name and address ---------------------------------------------------------------------------------------- */

struct sim_host *sim_world_host(const struct sim_world *world, const char *name)
{
    for (size_t i = 0; i < world->host_count; i++)
        if (strcmp(world->hosts[i]->name, name) == 0)
            return world->hosts[i];
    return NULL;
}

size_t sim_world_host_count(const struct sim_world *world)
{
    return world->host_count;
}

struct sim_host *sim_world_host_get(const struct sim_world *world, size_t index)
{
    DFS_ASSERT(index < world->host_count);
    return world->hosts[index];
}

_Static_assert(sizeof(struct dfs_addr) == 18, "an address is compared and hashed as bytes: no padding");

static uint64_t addr_hash(const struct dfs_addr *addr)
{
    uint64_t halves[2];

    memcpy(halves, addr->ip, sizeof halves);
    return sim_mix(halves[0] ^ (uint64_t)addr->port << 48, halves[1]);
}

static struct sim_addr_slot *addr_slot(const struct sim_world *world, const struct dfs_addr *addr)
{
    size_t place = addr_hash(addr) & (world->addr_capacity - 1);

    while (world->addrs[place].host != NULL && memcmp(&world->addrs[place].addr, addr, sizeof *addr) != 0)
        place = (place + 1) & (world->addr_capacity - 1);
    return &world->addrs[place];
}

struct sim_host *sim_world_host_at(const struct sim_world *world, const struct dfs_addr *addr)
{
    return addr_slot(world, addr)->host;
}

void sim_host_addr_add(struct sim_host *host, const struct dfs_addr *addr)
{
    struct sim_world *world = host->world;
    struct sim_addr_slot *slot;

    if (world->addr_count * 2 >= world->addr_capacity) {
        struct sim_addr_slot *old = world->addrs;
        const size_t old_capacity = world->addr_capacity;

        world->addr_capacity *= 2;
        world->addrs = dfs_alloc_zero_array(world->addr_capacity, sizeof *world->addrs);
        for (size_t i = 0; i < old_capacity; i++)
            if (old[i].host != NULL)
                *addr_slot(world, &old[i].addr) = old[i];
        dfs_free(old);
    }
    slot = addr_slot(world, addr);
    DFS_ASSERT(slot->host == NULL); /* one machine listens per ip and port */
    *slot = (struct sim_addr_slot){.addr = *addr, .host = host};
    world->addr_count++;
}

/* Observers -------------------------------------------------------------------------------------------------------- */

static void hear(struct sim_world *world, uint32_t bit, const struct sim_observer *observer)
{
    struct sim_hearers *hearers = &world->hearers[__builtin_ctz(bit)];

    hearers->at = dfs_realloc_array(hearers->at, hearers->count + 1, sizeof(const struct sim_observer *));
    hearers->at[hearers->count++] = observer;
    world->observed |= bit;
}

void sim_world_observe(struct sim_world *world, const struct sim_observer *observer)
{
    struct sim_observer *own = dfs_alloc(sizeof *own);

    *own = *observer;
    world->observers = dfs_realloc_array(world->observers, world->observer_count + 1, sizeof(struct sim_observer *));
    world->observers[world->observer_count++] = own;
#define HEAR(bit, function) \
    if (own->function != NULL) \
    hear(world, bit, own)
    HEAR(SIM_SEES_BEFORE, before_step);
    HEAR(SIM_SEES_AFTER, after_step);
    HEAR(SIM_SEES_TRACE, trace);
    HEAR(SIM_SEES_FRAME_SENT, frame_sent);
    HEAR(SIM_SEES_FRAME_DELIVERED, frame_delivered);
    HEAR(SIM_SEES_FRAME_LOST, frame_lost);
    HEAR(SIM_SEES_DATAGRAM_SENT, datagram_sent);
    HEAR(SIM_SEES_DATAGRAM_DELIVERED, datagram_delivered);
    HEAR(SIM_SEES_DATAGRAM_LOST, datagram_lost);
    HEAR(SIM_SEES_DISK_SUBMITTED, disk_submitted);
    HEAR(SIM_SEES_DISK_DONE, disk_done);
    HEAR(SIM_SEES_OPENED, connection_opened);
    HEAR(SIM_SEES_CLOSED, connection_closed);
    HEAR(SIM_SEES_HOST, host_changed);
    HEAR(SIM_SEES_LINK_HIT, link_hit);
#undef HEAR
    for (size_t i = 0; i < world->host_count; i++)
        sim_host_hearing(world->hosts[i]);
}

/*
 * host.c - one machine and what happens to it: steps, deadlines, holding (pause, slowness), start and crash.
 */
#include "net_sim/internal.h"

#include "core/base/mem.h"

#include <endian.h>
#include <string.h>

/* Hosts' monos begin anywhere in this range, so that nobody gets away with comparing two. */
#define BOOT_MIN_NS (1 * DFS_SECONDS)
#define BOOT_MAX_NS (1000 * DFS_SECONDS)

struct sim_host_options sim_host_options_default(void)
{
    return (struct sim_host_options){.listens = false};
}

/* What the env asks at once ---------------------------------------------------------------------------------------- */

static void env_random(void *ctx, uint32_t purpose, void *bytes, size_t count)
{
    struct sim_host *host = ctx;
    const uint32_t slot = purpose < DFS_RNG_PURPOSE_COUNT ? purpose : DFS_RNG_PURPOSE_COUNT;
    const uint64_t number = ++host->random_numbers[slot];
    const uint64_t key = sim_prf(host->key, SIM_DRAW_RANDOM, (uint64_t)host->life << 32 | purpose);
    uint8_t *at = bytes;

    for (uint64_t i = 0; count > 0; i++) {
        const uint64_t value = sim_draw(host->world, key, number, i);
        const uint64_t little = htole64(value); /* the same bytes on every machine */
        const size_t part = count < sizeof little ? count : sizeof little;

        memcpy(at, &little, part);
        at += part;
        count -= part;
    }
}

static uint64_t text_hash(const char *text)
{
    return text == NULL ? 0 : dfs_hash64(0, text, strlen(text));
}

static __attribute__((noinline)) void edge_learn(struct sim_edge *edge, const struct dfs_trace *trace)
{
    *edge = (struct sim_edge){.texts = {trace->text, trace->text2, trace->text3, trace->text4}};
    edge->hash = sim_mix(sim_mix(text_hash(trace->text), text_hash(trace->text2)),
                         sim_mix(text_hash(trace->text3), text_hash(trace->text4)));
}

/* Worked out once: by the bytes of the texts, so that it is the same wherever the compiler put them. */
static inline uint64_t edge_hash(struct sim_world *world, const struct dfs_trace *trace)
{
    const uint64_t sum = (uintptr_t)trace->text + (uintptr_t)trace->text2 * 3 + (uintptr_t)trace->text3 * 5 +
                         (uintptr_t)trace->text4 * 9;
    struct sim_edge *edge = &world->edges[sum * UINT64_C(0x9e3779b97f4a7c15) >> 32 & (SIM_EDGE_SLOTS - 1)];

    if (__builtin_expect(edge->texts[0] != trace->text || edge->texts[1] != trace->text2 ||
                             edge->texts[2] != trace->text3 || edge->texts[3] != trace->text4,
                         0))
        edge_learn(edge, trace);
    return edge->hash;
}

static void trace_id(struct sim_world *world, const struct dfs_id *id)
{
    uint64_t words[2];

    _Static_assert(sizeof words == DFS_ID_BYTES, "an id is two words");
    memcpy(words, id->bytes, sizeof words);
    sim_trace_mix(world, le64toh(words[0]), le64toh(words[1]));
}

static __attribute__((noinline)) void trace_fact(struct sim_world *world, const struct sim_host *host,
                                                 const struct dfs_trace *trace)
{
    sim_trace_mix(world, (uint64_t)trace->kind << 32 | (uint64_t)trace->status << 24 | host->index, trace->a);
    sim_trace_mix(world, trace->b, (uint64_t)trace->block.index << 32 | trace->block.generation);
    trace_id(world, &trace->node);
    trace_id(world, &trace->node2);
    trace_id(world, &trace->block.file);
    if (trace->text != NULL || trace->text2 != NULL)
        sim_trace_mix(world, text_hash(trace->text), text_hash(trace->text2));
    if (trace->text3 != NULL || trace->text4 != NULL)
        sim_trace_mix(world, text_hash(trace->text3), text_hash(trace->text4));
}

static __attribute__((noinline)) void tell_trace(struct sim_host *host, const struct dfs_trace *trace)
{
    SIM_TELL(host->world, SIM_SEES_TRACE, trace, host, trace);
}

/* Most are edges that nobody listens to: all else stands apart, so that this is short. */
static void env_trace(void *ctx, const struct dfs_trace *trace)
{
    struct sim_host *host = ctx;
    struct sim_world *world = host->world;

    if (trace->kind == DFS_TRACE_STATE)
        sim_trace_mix(world, edge_hash(world, trace), (uint64_t)trace->status << 24 | host->index);
    else
        trace_fact(world, host, trace);
    if ((host->hears_traces >> trace->kind & 1) != 0)
        tell_trace(host, trace);
}

/* With stays, which are for observers only: the hash is that of a run without. */
static void env_trace_stays(void *ctx, const struct dfs_trace *trace)
{
    struct sim_host *host = ctx;

    if (trace->kind != DFS_TRACE_STAY)
        env_trace(ctx, trace);
    else if ((host->hears_traces >> trace->kind & 1) != 0)
        tell_trace(host, trace);
}

static const struct dfs_rng_ops rng_ops = {.random = env_random};
static const struct dfs_trace_ops trace_ops = {.trace = env_trace};
static const struct dfs_trace_ops trace_ops_stays = {.trace = env_trace_stays, .stays = true};

/* Making and freeing ----------------------------------------------------------------------------------------------- */

static void host_register(struct sim_world *world, struct sim_host *host)
{
    if (world->host_count == world->host_capacity) {
        world->host_capacity = world->host_capacity == 0 ? 16 : world->host_capacity * 2;
        world->hosts = dfs_realloc_array(world->hosts, world->host_capacity, sizeof(struct sim_host *));
    }
    host->index = (uint32_t)world->host_count;
    world->hosts[world->host_count++] = host;
}

struct sim_host *sim_host_add(struct sim_world *world, const char *name, const struct dfs_addr *addr,
                              const struct sim_host_options *options)
{
    const size_t name_bytes = strlen(name) + 1;
    struct sim_host *host = dfs_alloc_aligned(SIM_POOL_STEP, sizeof *host);
    dfs_time_ns mono;

    DFS_ASSERT(sim_world_host(world, name) == NULL);
    memset(host, 0, sizeof *host);
    host->world = world;
    host->name = dfs_alloc(name_bytes);
    memcpy(host->name, name, name_bytes);
    host->key = sim_prf(world->seed, SIM_DRAW_HOST, dfs_hash64(0, name, name_bytes - 1));
    host->addr = *addr;
    host->peer = options->peer;
    host->listens = options->listens;
    host->disk = options->disk;
    host->local = options->local;
    host->local_arg = options->local_arg;
    host->step_cost_full_ns = options->step_cost_ns;
    sim_host_slow(host, 1);
    host->dark = true;
    host->deadline = DFS_NEVER;
    dfs_heap_item_init(&host->timer);
    dfs_list_init(&host->ends);
    host->start = (struct sim_item){.kind = SIM_ITEM_START, .host = host};
    host->tick = (struct sim_item){.kind = SIM_ITEM_TICK, .host = host};
    host->wake = (struct sim_item){.kind = SIM_ITEM_WAKE, .host = host};
    host->env = (struct dfs_env){
        .ctx = host,
        .net = &sim_net_ops,
        .disk = options->disk != NULL ? &sim_disk_ops : NULL,
        .local = options->local != NULL ? &sim_local_env_ops : NULL,
        .rng = &rng_ops,
        .trace = world->options.stays ? &trace_ops_stays : &trace_ops,
    };
    mono =
        sim_in_range(sim_prf(host->key, SIM_DRAW_BOOT, 0), (struct sim_range){.min = BOOT_MIN_NS, .max = BOOT_MAX_NS});
    sim_clock_init(&host->clock, 0, mono, world->options.wall);
    sim_clock_set(&host->clock, 0, options->wall_offset_ns, options->drift_ppm);
    host_register(world, host);
    sim_host_addr_add(host, addr);
    sim_host_hearing(host);
    return host;
}

void sim_host_free(struct sim_host *host)
{
    sim_links_free(host);
    dfs_free(host->slots);
    dfs_free(host->release);
    dfs_free(host->name);
    dfs_free(host);
}

/* Steps and deadlines ---------------------------------------------------------------------------------------------- */

void sim_host_buf_release(struct sim_host *host, struct dfs_buf *buf)
{
    if (host->world->stepping == NULL) {
        dfs_buf_unref(buf);
        return;
    }
    if (host->release_count == host->release_capacity) {
        host->release_capacity = host->release_capacity == 0 ? 16 : host->release_capacity * 2;
        host->release = dfs_realloc_array(host->release, host->release_capacity, sizeof(struct dfs_buf *));
    }
    host->release[host->release_count++] = buf;
}

/* A deadline that moved on is left where it stands in the heap and set again when it comes up: most never do. */
static void deadline_set(struct sim_host *host, dfs_time_ns mono)
{
    dfs_time_ns at;

    if (mono == host->deadline_mono && host->deadline != DFS_NEVER && host->deadline > host->world->now)
        return;
    host->deadline_mono = mono;
    at = sim_clock_world(&host->clock, mono);
    if (at < host->world->now)
        at = host->world->now;
    host->deadline = at;
    if (at == DFS_NEVER || (dfs_heap_has(&host->timer) && dfs_heap_time(&host->world->timers, &host->timer) <= at))
        return;
    dfs_heap_set(&host->world->timers, &host->timer, at);
}

dfs_duration_ns sim_host_step_cost(const struct sim_host *host)
{
    return host->step_cost_ns;
}

static void occupy(struct sim_host *host)
{
    host->busy_until = host->world->now + host->step_cost_ns;
    host->held = true;
    if (!host->wake_queued) {
        host->wake_queued = true;
        sim_push(host->world, &host->wake, host->busy_until);
    }
}

/* Apart, so that a step of which nobody hears is short. */
static __attribute__((noinline)) void tell_before(struct sim_host *host, const struct dfs_event *event)
{
    SIM_TELL(host->world, SIM_SEES_BEFORE, before_step, host, event);
}

static __attribute__((noinline)) void tell_after(struct sim_host *host, const struct dfs_event *event,
                                                 dfs_time_ns deadline)
{
    SIM_TELL(host->world, SIM_SEES_AFTER, after_step, host, event, deadline);
    host->hears_after &= SIM_HEARS_ALL;
}

void sim_host_hear_step(struct sim_host *host)
{
    DFS_ASSERT(host->world->stepping == host);
    host->hears_after |= SIM_HEARS_THIS;
}

void sim_host_hearing(struct sim_host *host)
{
    const struct sim_world *world = host->world;

    host->hears_before = false;
    host->hears_after &= SIM_HEARS_THIS;
    host->hears_traces = 0;
    host->hears_disk_done = 0;
    for (size_t i = 0; i < world->observer_count; i++) {
        const struct sim_observer *observer = world->observers[i];
        struct sim_hearing hearing = {.before_step = observer->before_step != NULL,
                                      .after_step = observer->after_step != NULL,
                                      .traces = observer->trace != NULL ? UINT32_MAX : 0,
                                      .disk_done = observer->disk_done != NULL ? UINT32_MAX : 0};

        if (observer->hears != NULL)
            observer->hears(observer->arg, host, &hearing);
        host->hears_before |= hearing.before_step;
        host->hears_after |= hearing.after_step ? SIM_HEARS_ALL : 0;
        host->hears_traces |= hearing.traces;
        host->hears_disk_done |= hearing.disk_done;
    }
}

void sim_host_step(struct sim_host *host, struct dfs_event *event, uint64_t detail)
{
    struct sim_world *world = host->world;
    dfs_time_ns deadline;

    DFS_ASSERT(world->stepping == NULL);
    event->mono = sim_clock_mono(&host->clock, world->now);
    event->wall = sim_clock_wall(&host->clock, world->now);
    sim_trace_mix(world, detail + world->draws, (uint64_t)event->kind << 32 | host->index);
    world->draws = 0;
    world->counts.events++;
    if (host->stepped_at != world->now) {
        host->stepped_at = world->now;
        host->steps_at_once = 0;
    } else if (++host->steps_at_once > SIM_STEPS_AT_ONCE_MAX) {
        dfs_panic(__FILE__, __LINE__, __func__, "a machine steps for ever without time passing");
    }
    if (host->hears_before)
        tell_before(host, event);
    world->stepping = host;
    deadline = host->step(host->machine, event);
    world->stepping = NULL;
    world->draws += deadline;
    while (host->release_count > 0)
        dfs_buf_unref(host->release[--host->release_count]);
    if (host->hears_after != 0)
        tell_after(host, event, deadline);
    deadline_set(host, deadline);
    if (host->step_cost_ns != 0)
        occupy(host);
}

void sim_host_on_tick(struct sim_host *host)
{
    struct dfs_event event = {.kind = DFS_EV_TICK};

    host->tick_waits = false;
    if (host->machine == NULL || host->deadline > host->world->now)
        return;
    host->deadline = DFS_NEVER;
    sim_host_step(host, &event, 0);
}

void sim_host_on_timer(struct sim_host *host)
{
    if (host->machine == NULL || host->deadline == DFS_NEVER)
        return;
    if (host->deadline > host->world->now) {
        dfs_heap_set(&host->world->timers, &host->timer, host->deadline);
        return;
    }
    if (!host->held) {
        sim_host_on_tick(host);
    } else if (!host->tick_waits) {
        host->tick_waits = true;
        sim_host_hold(host, &host->tick);
    }
}

/* Holding: what comes to a paused or busy host waits in its inbox -------------------------------------------------- */

void sim_host_hold(struct sim_host *host, struct sim_item *item)
{
    if (item->kind == SIM_ITEM_DATAGRAM) {
        if (host->inbox_datagrams >= SIM_INBOX_DATAGRAMS_MAX) {
            sim_item_drop(host->world, item);
            return;
        }
        host->inbox_datagrams++;
    }
    item->next = NULL;
    if (host->inbox == NULL)
        host->inbox = item;
    else
        host->inbox_last->next = item;
    host->inbox_last = item;
}

static void wake_at(struct sim_host *host, dfs_time_ns at)
{
    if (host->wake_queued)
        return;
    host->wake_queued = true;
    sim_push(host->world, &host->wake, at);
}

void sim_host_on_wake(struct sim_host *host)
{
    struct sim_world *world = host->world;
    struct sim_item *item = host->inbox;

    host->wake_queued = false;
    if (host->pauses > 0)
        return; /* resume wakes again */
    if (host->busy_until > world->now) {
        wake_at(host, host->busy_until);
        return;
    }
    host->held = false;
    if (item == NULL)
        return;
    host->inbox = item->next;
    if (item->kind == SIM_ITEM_DATAGRAM)
        host->inbox_datagrams--;
    sim_item_run(world, item);
    if (host->inbox != NULL) {
        host->held = true;
        wake_at(host, host->busy_until > world->now ? host->busy_until : world->now);
    }
}

void sim_host_pause(struct sim_host *host)
{
    DFS_ASSERT(host->world->stepping == NULL && host->machine != NULL);
    host->pauses++;
    host->held = true;
    if (host->pauses == 1) {
        sim_trace_mix(host->world, host->index, UINT64_C(1) << 40);
        SIM_TELL(host->world, SIM_SEES_HOST, host_changed, host, SIM_HOST_PAUSED);
    }
}

void sim_host_resume(struct sim_host *host)
{
    DFS_ASSERT(host->world->stepping == NULL);
    if (host->pauses == 0 || --host->pauses > 0)
        return;
    wake_at(host, host->world->now);
    sim_trace_mix(host->world, host->index, UINT64_C(2) << 40);
    SIM_TELL(host->world, SIM_SEES_HOST, host_changed, host, SIM_HOST_RESUMED);
}

void sim_host_slow(struct sim_host *host, uint32_t factor)
{
    const dfs_duration_ns cost = host->step_cost_full_ns;

    DFS_ASSERT(factor > 0);
    host->slow_factor = factor;
    host->step_cost_ns = factor > 1 ? (cost == 0 ? SIM_STEP_COST_NS : cost) * factor : cost;
}

/* Start and end ---------------------------------------------------------------------------------------------------- */

void sim_host_start(struct sim_host *host, const struct sim_machine_ops *ops, void *arg)
{
    struct sim_world *world = host->world;

    DFS_ASSERT(world->stepping == NULL && host->machine == NULL);
    host->ops = *ops;
    host->ops_arg = arg;
    host->life++;
    host->dark = false;
    memset(host->random_numbers, 0, sizeof host->random_numbers);
    host->step = ops->step;
    sim_host_hearing(host);
    host->machine = ops->create(arg, &host->env);
    DFS_ASSERT(host->machine != NULL);
    world->counts.starts++;
    sim_trace_mix(world, host->index, UINT64_C(3) << 40 | host->life);
    if (!host->start_queued) {
        host->start_queued = true;
        sim_push(world, &host->start, world->now);
    }
    sim_streams_heal(world);
    SIM_TELL(world, SIM_SEES_HOST, host_changed, host, SIM_HOST_STARTED);
}

void sim_host_restart(struct sim_host *host)
{
    const struct sim_machine_ops ops = host->ops;

    DFS_ASSERT(host->life > 0);
    sim_host_start(host, &ops, host->ops_arg);
}

void sim_host_on_start(struct sim_host *host)
{
    struct dfs_event event = {.kind = DFS_EV_START};

    host->start_queued = false;
    if (host->machine != NULL)
        sim_host_step(host, &event, host->life);
}

static void machine_end(struct sim_host *host, enum sim_streams_end streams)
{
    struct sim_world *world = host->world;

    sim_streams_host_down(host, streams);
    while (host->inbox != NULL) {
        struct sim_item *item = host->inbox;

        host->inbox = item->next;
        /* Streams have another end, which will want to know. */
        if (item->kind == SIM_ITEM_ARRIVE || item->kind == SIM_ITEM_HANDSHAKE)
            sim_push(world, item, world->now);
        else
            sim_item_drop(world, item);
    }
    host->inbox_datagrams = 0;
    host->held = false;
    host->pauses = 0;
    host->busy_until = 0;
    host->deadline = DFS_NEVER;
    host->deadline_mono = 0;
    dfs_heap_remove(&world->timers, &host->timer);
    host->ops.destroy(host->machine);
    host->machine = NULL;
    host->dark = streams == SIM_ENDS_SILENT;
}

void sim_host_crash(struct sim_host *host, enum sim_unsynced unsynced, enum sim_streams streams)
{
    struct sim_world *world = host->world;

    DFS_ASSERT(world->stepping == NULL && host->machine != NULL);
    sim_trace_mix(world, host->index, UINT64_C(4) << 40 | (uint64_t)unsynced << 8 | streams);
    if (host->disk != NULL)
        sim_disk_crash(host->disk, unsynced);
    machine_end(host, streams == SIM_STREAMS_SILENT ? SIM_ENDS_SILENT : SIM_ENDS_RESET);
    world->counts.crashes++;
    SIM_TELL(world, SIM_SEES_HOST, host_changed, host, SIM_HOST_CRASHED);
}

void sim_host_stop(struct sim_host *host)
{
    struct sim_world *world = host->world;

    DFS_ASSERT(world->stepping == NULL && host->machine != NULL);
    sim_trace_mix(world, host->index, UINT64_C(5) << 40);
    if (host->disk != NULL)
        sim_disk_settle(host->disk);
    machine_end(host, SIM_ENDS_ORDERLY);
    SIM_TELL(world, SIM_SEES_HOST, host_changed, host, SIM_HOST_STOPPED);
}

/* Commands --------------------------------------------------------------------------------------------------------- */

bool sim_host_command(struct sim_host *host, uint64_t id, uint32_t code, const void *argument, size_t argument_bytes)
{
    struct sim_world *world = host->world;
    struct sim_command *command;
    uint8_t pool_class;

    if (host->machine == NULL)
        return false;
    command = sim_pool_take(&world->pool, sizeof *command + argument_bytes, &pool_class);
    *command = (struct sim_command){
        .item = {.kind = SIM_ITEM_COMMAND, .host = host},
        .id = id,
        .code = code,
        .life = host->life,
        .argument = argument,
        .pool_class = pool_class,
    };
    if (argument_bytes > 0) {
        memcpy(command->bytes, argument, argument_bytes);
        command->argument = command->bytes;
    }
    sim_push(world, &command->item, world->now);
    return true;
}

void sim_host_on_command(struct sim_world *world, struct sim_command *command)
{
    struct sim_host *host = command->item.host;
    struct dfs_event event = {
        .kind = DFS_EV_COMMAND,
        .command = {.id = command->id, .code = command->code, .argument = command->argument},
    };

    if (host->machine != NULL && host->life == command->life)
        sim_host_step(host, &event, sim_mix(command->id, command->code));
    sim_pool_give(&world->pool, command, command->pool_class);
}

/* Clocks and facts ------------------------------------------------------------------------------------------------- */

void sim_host_clock(struct sim_host *host, int64_t offset_ns, int64_t drift_ppm)
{
    struct sim_world *world = host->world;

    DFS_ASSERT(world->stepping == NULL);
    sim_trace_mix(world, (uint64_t)offset_ns, (uint64_t)drift_ppm ^ UINT64_C(6) << 40);
    sim_clock_set(&host->clock, world->now, offset_ns, drift_ppm);
    if (host->deadline != DFS_NEVER) {
        const dfs_time_ns mono = host->deadline_mono;

        host->deadline = DFS_NEVER;
        dfs_heap_remove(&world->timers, &host->timer);
        deadline_set(host, mono);
    }
}

void sim_host_peer_set(struct sim_host *host, const struct dfs_peer *peer)
{
    host->peer = *peer;
}

bool sim_host_is_up(const struct sim_host *host)
{
    return host->machine != NULL;
}

bool sim_host_is_paused(const struct sim_host *host)
{
    return host->pauses > 0;
}

const char *sim_host_name(const struct sim_host *host)
{
    return host->name;
}

uint32_t sim_host_index(const struct sim_host *host)
{
    return host->index;
}

uint32_t sim_host_lives(const struct sim_host *host)
{
    return host->life;
}

const struct dfs_addr *sim_host_addr(const struct sim_host *host)
{
    return &host->addr;
}

const struct dfs_peer *sim_host_peer(const struct sim_host *host)
{
    return &host->peer;
}

struct sim_disk *sim_host_disk(struct sim_host *host)
{
    return host->disk;
}

struct sim_world *sim_host_world(struct sim_host *host)
{
    return host->world;
}

void *sim_host_machine(struct sim_host *host)
{
    return host->machine;
}

void sim_host_user_set(struct sim_host *host, void *user)
{
    host->user = user;
}

void *sim_host_user(const struct sim_host *host)
{
    return host->user;
}

dfs_time_ns sim_host_mono(const struct sim_host *host)
{
    return sim_clock_mono(&host->clock, host->world->now);
}

dfs_wall_ns sim_host_wall(const struct sim_host *host)
{
    return sim_clock_wall(&host->clock, host->world->now);
}

dfs_time_ns sim_host_world_time(const struct sim_host *host, dfs_time_ns mono)
{
    const struct sim_clock *clock = &host->clock;

    /* Before the last change of the clock: as if it had run true. */
    if (mono < clock->mono)
        return clock->mono - mono > clock->base ? 0 : clock->base - (clock->mono - mono);
    return sim_clock_world(clock, mono);
}

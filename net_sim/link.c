#include "net_sim/link.h"

#include "net_sim/internal.h"

#include "core/base/mem.h"

#include <string.h>

struct sim_link_options sim_link_options_default(void)
{
    return (struct sim_link_options){
        .latency = {.min = 500 * DFS_MICROSECONDS, .max = 500 * DFS_MICROSECONDS},
        .queue_max_ns = 100 * DFS_MILLISECONDS,
    };
}

/* Injected datagrams have numbers of their own: one more or less shifts no draw of the others. */
#define LINK_INJECTED (UINT64_C(1) << 63)

/* Links ------------------------------------------------------------------------------------------------------------ */

static struct sim_link *link_new(struct sim_host *from, struct sim_host *to)
{
    uint8_t pool_class;
    struct sim_link *link = sim_pool_take(&from->world->pool, sizeof *link, &pool_class);

    if (to->index >= from->link_count) {
        const size_t count = to->index + 1 > 2 * from->link_count ? to->index + 1 : 2 * from->link_count;

        from->links = dfs_realloc_array(from->links, count, sizeof(struct sim_link *));
        memset(from->links + from->link_count, 0, (count - from->link_count) * sizeof(struct sim_link *));
        from->link_count = count;
    }
    from->links[to->index] = link;
    *link = (struct sim_link){
        .from = from,
        .to = to,
        .key = sim_prf(from->key, SIM_DRAW_LINK, to->key),
        .options = &from->world->options.link,
    };
    return link;
}

struct sim_link *sim_link_between(struct sim_host *from, struct sim_host *to)
{
    if (to->index < from->link_count && from->links[to->index] != NULL)
        return from->links[to->index];
    return link_new(from, to);
}

static bool has_own_options(const struct sim_link *link)
{
    return link->options != &link->from->world->options.link;
}

/* The links themselves go with the pool. */
void sim_links_free(struct sim_host *host)
{
    for (size_t i = 0; i < host->link_count; i++)
        if (host->links[i] != NULL && has_own_options(host->links[i]))
            dfs_free(host->links[i]->options);
    dfs_free(host->links);
}

void sim_world_link_set(struct sim_world *world, const struct sim_link_options *options)
{
    world->options.link = *options;
}

const struct sim_link_options *sim_world_link_get(const struct sim_world *world)
{
    return &world->options.link;
}

void sim_link_set(struct sim_host *from, struct sim_host *to, const struct sim_link_options *options)
{
    struct sim_link *link = sim_link_between(from, to);

    if (options == NULL) {
        if (has_own_options(link))
            dfs_free(link->options);
        link->options = &from->world->options.link;
        return;
    }
    if (!has_own_options(link))
        link->options = dfs_alloc(sizeof *link->options);
    *link->options = *options;
}

const struct sim_link_options *sim_link_get(struct sim_host *from, struct sim_host *to)
{
    return sim_link_between(from, to)->options;
}

dfs_time_ns sim_link_reserve(struct sim_link *link, size_t bytes)
{
    const dfs_time_ns now = link->from->world->now;
    const uint64_t rate = link->options->bytes_per_second;

    if (rate == 0)
        return now;
    if (link->busy_until < now)
        link->busy_until = now;
    link->busy_until += sim_transfer_ns(bytes, rate);
    return link->busy_until;
}

dfs_duration_ns sim_link_latency(struct sim_link *link, uint64_t key, uint64_t stream, uint64_t number)
{
    const struct sim_range latency = link->options->latency;

    if (latency.min >= latency.max)
        return latency.min;
    const uint64_t drawn = sim_draw(link->from->world, key, stream, number);

    if (link->options->latencies_count > 0)
        return (dfs_duration_ns)link->options->latencies[sim_below(drawn, link->options->latencies_count)];
    return sim_in_range(drawn, latency);
}

/* Datagrams -------------------------------------------------------------------------------------------------------- */

static struct sim_message message_of(const struct sim_datagram *datagram)
{
    return (struct sim_message){
        .from = datagram->from,
        .to = datagram->item.host,
        .number = datagram->number & ~LINK_INJECTED,
        .sent_at = datagram->sent_at,
        .head = datagram->bytes,
        .head_bytes = datagram->count,
        .injected = datagram->injected,
    };
}

static void datagram_free(struct sim_world *world, struct sim_datagram *datagram)
{
    sim_pool_give(&world->pool, datagram, datagram->pool_class);
}

void sim_datagram_drop(struct sim_world *world, struct sim_datagram *datagram)
{
    world->counts.datagrams_lost++;
    if (world->observed & SIM_SEES_DATAGRAM_LOST) {
        const struct sim_message message = message_of(datagram);

        SIM_TELL(world, SIM_SEES_DATAGRAM_LOST, datagram_lost, &message);
    }
    datagram_free(world, datagram);
}

static struct sim_datagram *datagram_new(struct sim_world *world, struct sim_host *from, struct sim_host *to,
                                         const struct dfs_addr *shown_from, const void *bytes, size_t count)
{
    uint8_t pool_class;
    struct sim_datagram *datagram = sim_pool_take(&world->pool, sizeof *datagram + count, &pool_class);

    datagram->item.host = to;
    datagram->item.kind = SIM_ITEM_DATAGRAM;
    datagram->from = from;
    datagram->shown_from = *shown_from;
    datagram->sent_at = world->now;
    datagram->number = 0;
    datagram->count = (uint32_t)count;
    datagram->pool_class = pool_class;
    datagram->injected = false;
    memcpy(datagram->bytes, bytes, count);
    return datagram;
}

static void datagram_copy(struct sim_world *world, const struct sim_datagram *datagram, dfs_time_ns at)
{
    struct sim_datagram *copy = datagram_new(world, datagram->from, datagram->item.host, &datagram->shown_from,
                                             datagram->bytes, datagram->count);

    copy->number = datagram->number;
    copy->injected = datagram->injected;
    sim_push(world, &copy->item, at);
}

static void tell_hit(struct sim_world *world, enum sim_link_hit hit, const struct sim_datagram *datagram,
                     dfs_duration_ns by)
{
    if (world->observed & SIM_SEES_LINK_HIT) {
        const struct sim_link_event event = {.hit = hit, .message = message_of(datagram), .by = by};

        SIM_TELL(world, SIM_SEES_LINK_HIT, link_hit, &event);
    }
}

/* From the host's edge on: the link's queue, its faults, the way. Takes the datagram. */
static void datagram_launch(struct sim_link *link, struct sim_datagram *datagram, const struct sim_verdict *verdict)
{
    struct sim_world *world = link->from->world;
    const struct sim_link_options *options = link->options;
    const uint64_t number = datagram->number;
    uint64_t copies = verdict->copies;
    dfs_time_ns at = world->now;

    if (options->bytes_per_second != 0) {
        if (link->busy_until > world->now && link->busy_until - world->now > options->queue_max_ns) {
            sim_datagram_drop(world, datagram);
            return;
        }
        at = sim_link_reserve(link, datagram->count);
    }
    if (verdict->drop || sim_blocked(link->from, link->to)) {
        sim_datagram_drop(world, datagram);
        return;
    }
    if (options->loss_ppb != 0 && sim_hits(sim_draw(world, link->key, SIM_DRAW_LOSS, number), options->loss_ppb)) {
        tell_hit(world, SIM_LINK_LOST, datagram, 0);
        sim_datagram_drop(world, datagram);
        return;
    }
    if (options->duplicate_ppb != 0 &&
        sim_hits(sim_draw(world, link->key, SIM_DRAW_DUPLICATE, number), options->duplicate_ppb)) {
        copies++;
        tell_hit(world, SIM_LINK_COPIED, datagram, 0);
    }
    for (uint64_t i = 0; i < copies; i++)
        datagram_copy(
            world, datagram,
            at + sim_link_latency(link, sim_prf(link->key, SIM_DRAW_COPY_LATENCY, i), SIM_DRAW_COPY_LATENCY, number));
    at += verdict->delay + sim_link_latency(link, link->key, SIM_DRAW_LATENCY, number);
    if (options->reorder_ppb != 0 &&
        sim_hits(sim_draw(world, link->key, SIM_DRAW_REORDER, number), options->reorder_ppb)) {
        const struct sim_range range = {
            .min = 1,
            .max = options->reorder_max_ns != 0 ? options->reorder_max_ns : 10 * options->latency.max + 1,
        };

        const dfs_duration_ns by = sim_in_range(sim_draw(world, link->key, SIM_DRAW_REORDER_DELAY, number), range);

        at += by;
        tell_hit(world, SIM_LINK_HELD, datagram, by);
    }
    sim_push(world, &datagram->item, at);
}

void sim_datagram_send(void *ctx, const struct dfs_addr *to_addr, const void *bytes, size_t count)
{
    struct sim_host *from = ctx;
    struct sim_world *world = from->world;
    struct sim_host *to = sim_world_host_at(world, to_addr);
    struct sim_verdict verdict = {.drop = false};
    struct sim_datagram *datagram;
    struct sim_link *link;

    DFS_ASSERT(count <= DFS_DATAGRAM_BYTES_MAX);
    world->counts.datagrams++;
    world->counts.datagram_bytes += count;
    sim_trace_bytes(world, bytes, count);
    sim_trace_mix(world, (uint64_t)(to == NULL ? UINT32_MAX : to->index) << 32 | from->index, count);
    datagram = datagram_new(world, from, to, &from->addr, bytes, count);
    if (to == NULL) {
        sim_datagram_drop(world, datagram);
        return;
    }
    link = sim_link_between(from, to);
    datagram->number = ++link->datagrams;
    if (world->observed & SIM_SEES_DATAGRAM_SENT) {
        const struct sim_message message = message_of(datagram);

        SIM_TELL(world, SIM_SEES_DATAGRAM_SENT, datagram_sent, &message, &verdict);
        sim_trace_mix(world, verdict.delay, (uint64_t)verdict.copies << 1 | verdict.drop);
    }
    datagram_launch(link, datagram, &verdict);
}

void sim_datagram_inject(struct sim_host *from, struct sim_host *to, const struct dfs_addr *shown_from,
                         const void *bytes, size_t count)
{
    struct sim_world *world = from->world;
    struct sim_link *link = sim_link_between(from, to);
    struct sim_verdict verdict = {.drop = false};
    struct sim_datagram *datagram;

    DFS_ASSERT(count <= DFS_DATAGRAM_BYTES_MAX);
    sim_trace_bytes(world, bytes, count);
    sim_trace_mix(world, (uint64_t)to->index << 32 | from->index, UINT64_C(7) << 40 | count);
    datagram = datagram_new(world, from, to, shown_from != NULL ? shown_from : &from->addr, bytes, count);
    datagram->number = ++link->injected | LINK_INJECTED;
    datagram->injected = true;
    if (world->observed & SIM_SEES_DATAGRAM_SENT) {
        const struct sim_message message = message_of(datagram);
        struct sim_verdict ignored = {.drop = false};

        SIM_TELL(world, SIM_SEES_DATAGRAM_SENT, datagram_sent, &message, &ignored);
    }
    datagram_launch(link, datagram, &verdict);
}

void sim_datagram_on_arrive(struct sim_world *world, struct sim_datagram *datagram)
{
    struct sim_host *to = datagram->item.host;
    struct dfs_event event = {
        .kind = DFS_EV_DATAGRAM,
        .datagram = {.from = &datagram->shown_from, .bytes = datagram->bytes, .count = datagram->count},
    };

    if (to->machine == NULL || sim_blocked(datagram->from, to)) {
        sim_datagram_drop(world, datagram);
        return;
    }
    if (world->observed & SIM_SEES_DATAGRAM_DELIVERED) {
        const struct sim_message message = message_of(datagram);

        SIM_TELL(world, SIM_SEES_DATAGRAM_DELIVERED, datagram_delivered, &message);
    }
    sim_host_step(to, &event, (uint64_t)datagram->from->index << 32 | datagram->number);
    datagram_free(world, datagram);
}

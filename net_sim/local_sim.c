/*
 * local_sim.c - the client's local files: what the simulator holds for them, a little later.
 */
#include "net_sim/internal.h"

static void submit(struct sim_host *host, const struct sim_local_pending *wanted)
{
    struct sim_world *world = host->world;
    uint8_t pool_class;
    struct sim_local_pending *pending = sim_pool_take(&world->pool, sizeof *pending, &pool_class);
    const uint64_t draw = sim_draw(world, host->key, SIM_DRAW_LOCAL, ++host->local_number);

    *pending = *wanted;
    pending->item = (struct sim_item){.kind = SIM_ITEM_LOCAL, .host = host};
    pending->life = host->life;
    pending->pool_class = pool_class;
    sim_trace_mix(world, pending->token ^ pending->file << 32, pending->offset << 8 | pending->verb);
    sim_push(world, &pending->item, world->now + sim_in_range(draw, world->options.local_latency));
}

static void env_pull(void *ctx, uint64_t source, uint64_t offset, struct dfs_buf *buf, size_t buf_offset, size_t length,
                     uint64_t token)
{
    const struct sim_local_pending pending = {
        .verb = SIM_LOCAL_PULL,
        .file = source,
        .offset = offset,
        .token = token,
        .buf = buf,
        .buf_offset = buf_offset,
        .count = length,
    };

    submit(ctx, &pending);
}

static void env_push(void *ctx, uint64_t sink, uint64_t offset, struct dfs_buf *buf, size_t buf_offset, size_t length,
                     uint64_t token)
{
    const struct sim_local_pending pending = {
        .verb = SIM_LOCAL_PUSH,
        .file = sink,
        .offset = offset,
        .token = token,
        .buf = buf,
        .buf_offset = buf_offset,
        .count = length,
    };

    submit(ctx, &pending);
}

static void env_finish(void *ctx, uint64_t sink, bool commit, uint64_t token)
{
    const struct sim_local_pending pending = {.verb = SIM_LOCAL_FINISH, .file = sink, .token = token, .commit = commit};

    submit(ctx, &pending);
}

static void env_answer(void *ctx, uint64_t command, const void *result)
{
    struct sim_host *host = ctx;

    sim_trace_mix(host->world, command, UINT64_C(14) << 40 | host->index);
    host->local->answer(host->local_arg, command, result);
}

const struct dfs_local_ops sim_local_env_ops = {
    .pull = env_pull, .push = env_push, .finish = env_finish, .answer = env_answer};

static void pending_free(struct sim_world *world, struct sim_local_pending *pending)
{
    sim_pool_give(&world->pool, pending, pending->pool_class);
}

void sim_local_item_drop(struct sim_world *world, struct sim_item *item)
{
    pending_free(world, dfs_container_of(item, struct sim_local_pending, item));
}

void sim_local_on_done(struct sim_world *world, struct sim_local_pending *pending)
{
    struct sim_host *host = pending->item.host;
    struct dfs_event event = {.kind = DFS_EV_SINK, .local = {.token = pending->token, .status = DFS_OK}};
    uint8_t *bytes;

    if (host->machine == NULL || host->life != pending->life) {
        pending_free(world, pending);
        return;
    }
    switch (pending->verb) {
    case SIM_LOCAL_PULL:
        event.kind = DFS_EV_SOURCE;
        bytes = pending->buf->bytes + pending->buf_offset;
        event.local.count = host->local->fill(host->local_arg, pending->file, pending->offset, bytes, pending->count,
                                              &event.local.status);
        sim_trace_bytes(world, bytes, event.local.count);
        break;
    case SIM_LOCAL_PUSH:
        bytes = pending->buf->bytes + pending->buf_offset;
        sim_trace_bytes(world, bytes, pending->count);
        event.local.count = pending->count;
        event.local.status =
            host->local->accept(host->local_arg, pending->file, pending->offset, bytes, pending->count);
        break;
    case SIM_LOCAL_FINISH:
        event.local.finished = true;
        event.local.status = host->local->finish(host->local_arg, pending->file, pending->commit);
        break;
    }
    pending_free(world, pending);
    sim_host_step(host, &event, event.local.token ^ (uint64_t)event.local.status << 56);
}

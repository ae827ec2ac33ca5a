/* Pulls from sources and pushes to sinks: tokens are slot and generation, so that a late answer finds nobody. */
#include "core/client/client_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#define NO_SLOT UINT32_MAX

void dfs_client_local_init(struct client_local_owner *locals, void *owner,
                           void (*done)(struct client_local *, const struct dfs_event *))
{
    dfs_list_init(&locals->locals);
    locals->owner = owner;
    locals->done = done;
}

void dfs_client_local_leave(struct client_local_owner *locals)
{
    struct dfs_list *at;

    while ((at = dfs_list_pop(&locals->locals)) != NULL)
        dfs_container_of(at, struct client_local, link)->owner = NULL;
}

static struct client_local *take_slot(struct dfs_client *client)
{
    struct client_local *local;

    if (client->locals_free != NO_SLOT) {
        local = client->locals[client->locals_free];
        client->locals_free = local->next_free;
    } else {
        if (client->locals_count == client->locals_room) {
            client->locals_room = client->locals_room == 0 ? 16 : client->locals_room * 2;
            client->locals = dfs_realloc_array(client->locals, client->locals_room, sizeof(struct client_local *));
        }
        local = dfs_alloc_zero(sizeof *local);
        dfs_list_init(&local->link);
        local->slot = client->locals_count;
        client->locals[client->locals_count++] = local;
    }
    if (++local->generation == 0)
        local->generation = 1;
    local->busy = true;
    return local;
}

static uint64_t start(struct dfs_client *client, struct client_local_owner *owner, struct dfs_buf *buf, uint32_t tag)
{
    struct client_local *local = take_slot(client);

    local->owner = owner->owner;
    local->done = owner->done;
    local->tag = tag;
    local->buf = buf == NULL ? NULL : dfs_buf_ref(buf);
    dfs_list_push(&owner->locals, &local->link);
    return (uint64_t)local->generation << 32 | local->slot;
}

void dfs_client_pull(struct dfs_client *client, struct client_local_owner *owner, uint64_t source, uint64_t offset,
                     struct dfs_buf *buf, size_t length, uint32_t tag)
{
    const uint64_t token = start(client, owner, buf, tag);

    client->env.local->pull(client->env.ctx, source, offset, buf, 0, length, token);
}

void dfs_client_push(struct dfs_client *client, struct client_local_owner *owner, uint64_t sink, uint64_t offset,
                     struct dfs_buf *buf, size_t buf_offset, size_t length, uint32_t tag)
{
    const uint64_t token = start(client, owner, buf, tag);

    client->env.local->push(client->env.ctx, sink, offset, buf, buf_offset, length, token);
}

void dfs_client_finish(struct dfs_client *client, struct client_local_owner *owner, uint64_t sink, bool commit)
{
    const uint64_t token = start(client, owner, NULL, 0);

    client->env.local->finish(client->env.ctx, sink, commit, token);
}

static void give_slot(struct dfs_client *client, struct client_local *local)
{
    dfs_list_remove(&local->link);
    dfs_buf_unref(local->buf);
    local->buf = NULL;
    local->owner = NULL;
    local->busy = false;
    local->next_free = client->locals_free;
    client->locals_free = local->slot;
}

void dfs_client_local_on_event(struct dfs_client *client, const struct dfs_event *event)
{
    const uint32_t slot = (uint32_t)event->local.token;
    const uint32_t generation = (uint32_t)(event->local.token >> 32);

    if (slot >= client->locals_count || !client->locals[slot]->busy || client->locals[slot]->generation != generation)
        return;
    struct client_local *local = client->locals[slot];

    if (local->owner != NULL)
        local->done(local, event);
    give_slot(client, local);
}

void dfs_client_local_drop(struct dfs_client *client)
{
    for (uint32_t i = 0; i < client->locals_count; i++) {
        dfs_buf_unref(client->locals[i]->buf);
        dfs_free(client->locals[i]);
    }
    dfs_free(client->locals);
}

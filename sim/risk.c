#include "sim/risk.h"

#include "core/base/mem.h"
#include "sim/copies.h"

struct server {
    bool up;
    struct sim_block **blocks; /* that it has */
    size_t count;
    size_t room;
};

struct sim_risks {
    struct server *servers;
    uint32_t servers_count;
    uint32_t wanted;
    struct sim_risk_figures figures;
};

struct sim_risks *sim_risks_new(uint32_t servers, uint32_t copies_wanted)
{
    struct sim_risks *risks = dfs_alloc_zero(sizeof *risks);

    risks->servers = dfs_alloc_zero_array(servers + 1, sizeof *risks->servers);
    risks->servers_count = servers;
    risks->wanted = copies_wanted;
    return risks;
}

void sim_risks_free(struct sim_risks *risks)
{
    if (risks == NULL)
        return;
    for (uint32_t i = 0; i < risks->servers_count; i++)
        dfs_free(risks->servers[i].blocks);
    dfs_free(risks->servers);
    dfs_free(risks);
}

static void span(bool now_so, bool *was_so, dfs_time_ns *since, dfs_time_ns now, uint64_t *sum, uint64_t *longest)
{
    if (now_so == *was_so)
        return;
    *was_so = now_so;
    if (now_so) {
        *since = now;
        return;
    }
    *sum += now - *since;
    if (now - *since > *longest)
        *longest = now - *since;
}

static void count(struct sim_risks *risks, struct sim_block *block, dfs_time_ns now)
{
    struct sim_risk *risk = &block->risk;
    struct sim_risk_figures *figures = &risks->figures;

    span(risk->live && risk->copies < risks->wanted, &risk->is_under, &risk->under_since, now, &figures->under_ns,
         &figures->under_longest_ns);
    span(risk->live && risk->copies <= 1 && risks->wanted > 1, &risk->is_one, &risk->one_since, now, &figures->one_ns,
         &figures->one_longest_ns);
}

/* Who holds it now: bits by place in block->holders; places beyond are not counted. */
#define PLACES_MAX 64

/* The place that this server has there; PLACES_MAX: none. */
static uint32_t place_of(const struct sim_block *block, uint32_t server)
{
    for (uint32_t i = 0; i < block->holders_count && i < PLACES_MAX; i++) {
        if (block->holders[i].data == server)
            return i;
    }
    return PLACES_MAX;
}

static bool holds(const struct sim_block *block, uint32_t place)
{
    return place < PLACES_MAX && (block->holding & UINT64_C(1) << place) != 0;
}

void sim_risk_copy(struct sim_risks *risks, struct sim_block *block, uint32_t server, dfs_time_ns now)
{
    struct server *holder = &risks->servers[server];
    const uint32_t place = place_of(block, server);

    if (place == PLACES_MAX || holds(block, place))
        return;
    block->holding |= UINT64_C(1) << place;
    if (holder->count == holder->room) {
        holder->room = holder->room == 0 ? 64 : 2 * holder->room;
        holder->blocks = dfs_realloc_array(holder->blocks, holder->room, sizeof(struct sim_block *));
    }
    block->holders[place].listed = (uint32_t)holder->count;
    holder->blocks[holder->count++] = block;
    block->risk.copies += holder->up;
    count(risks, block, now);
}

void sim_risk_copy_gone(struct sim_risks *risks, struct sim_block *block, uint32_t server, dfs_time_ns now)
{
    struct server *holder = &risks->servers[server];
    const uint32_t place = place_of(block, server);

    if (!holds(block, place))
        return;
    const uint32_t listed = block->holders[place].listed;
    struct sim_block *last = holder->blocks[--holder->count]; /* takes its place in the list */

    holder->blocks[listed] = last;
    last->holders[place_of(last, server)].listed = listed;
    block->holding &= ~(UINT64_C(1) << place);
    block->risk.copies -= holder->up;
    count(risks, block, now);
}

void sim_risk_live(struct sim_risks *risks, struct sim_block *block, bool live, dfs_time_ns now)
{
    block->risk.live = live;
    count(risks, block, now);
}

void sim_risk_server(struct sim_risks *risks, uint32_t server, bool up, dfs_time_ns now)
{
    struct server *holder = &risks->servers[server];

    if (holder->up == up)
        return;
    holder->up = up;
    for (size_t i = 0; i < holder->count; i++) {
        struct sim_block *block = holder->blocks[i];

        block->risk.copies = up ? block->risk.copies + 1 : block->risk.copies - 1;
        count(risks, block, now);
    }
}

struct sim_risk_figures sim_risk_figures(const struct sim_risks *risks)
{
    return risks->figures;
}

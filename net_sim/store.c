#include "net_sim/store.h"

#include "net_sim/digest.h"
#include "net_sim/disk_sim.h"

#include "core/base/assert.h"

#include <string.h>

#define SLOTS_FIRST 1024

void sim_store_init(struct sim_store *store, struct sim_pool *pool)
{
    *store = (struct sim_store){.pool = pool};
    sim_table_init(&store->interned, SLOTS_FIRST);
}

void sim_store_close(struct sim_store *store)
{
    DFS_ASSERT(store->pages == 0);
    sim_table_close(&store->interned);
    *store = (struct sim_store){0};
}

struct sim_page *sim_page_new(struct sim_store *store, size_t room)
{
    uint8_t pool_class; /* follows from the room again */
    struct sim_page *page = sim_pool_take(store->pool, sizeof *page + room, &pool_class);

    *page = (struct sim_page){.references = 1, .room = (uint16_t)(room & 0x7fff)};
    store->pages++;
    store->bytes += room;
    return page;
}

struct sim_page *sim_page_intern(struct sim_store *store, const uint8_t *bytes, size_t count)
{
    const uint64_t hash = sim_digest(count, bytes, count);
    size_t place;
    struct sim_page *page = sim_table_first(&store->interned, hash, &place);

    while (page != NULL && (page->count != count || memcmp(page->bytes, bytes, count) != 0))
        page = sim_table_next(&store->interned, hash, &place);
    if (page != NULL)
        return sim_page_ref(page);
    page = sim_page_new(store, count);
    memcpy(page->bytes, bytes, count);
    page->count = (uint16_t)count;
    page->hash = hash;
    page->interned = 1;
    sim_table_add(&store->interned, hash, page);
    return page;
}

void sim_page_free(struct sim_store *store, struct sim_page *page)
{
    if (page->interned)
        sim_table_remove(&store->interned, page->hash, page);
    store->pages--;
    store->bytes -= page->room;
    sim_pool_give(store->pool, page, (uint8_t)sim_pool_class(sizeof *page + page->room));
}

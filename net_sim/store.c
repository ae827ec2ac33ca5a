#include "net_sim/store.h"

#include "net_sim/digest.h"
#include "net_sim/disk_sim.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <string.h>

#define BUCKETS_FIRST 1024

void sim_store_init(struct sim_store *store, struct sim_pool *pool)
{
    *store = (struct sim_store){.pool = pool, .capacity = BUCKETS_FIRST};
    store->buckets = dfs_alloc_zero_array(store->capacity, sizeof(struct sim_page *));
}

void sim_store_close(struct sim_store *store)
{
    DFS_ASSERT(store->pages == 0);
    dfs_free(store->buckets);
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

static void grow(struct sim_store *store)
{
    struct sim_page **old = store->buckets;
    const size_t old_capacity = store->capacity;

    store->capacity *= 2;
    store->buckets = dfs_alloc_zero_array(store->capacity, sizeof(struct sim_page *));
    for (size_t i = 0; i < old_capacity; i++) {
        while (old[i] != NULL) {
            struct sim_page *page = old[i];
            struct sim_page **bucket = &store->buckets[page->hash & (store->capacity - 1)];

            old[i] = page->chain;
            page->chain = *bucket;
            *bucket = page;
        }
    }
    dfs_free(old);
}

struct sim_page *sim_page_intern(struct sim_store *store, const uint8_t *bytes, size_t count)
{
    const uint64_t hash = sim_digest(count, bytes, count);
    struct sim_page **bucket = &store->buckets[hash & (store->capacity - 1)];
    struct sim_page *page;

    for (page = *bucket; page != NULL; page = page->chain)
        if (page->hash == hash && page->count == count && memcmp(page->bytes, bytes, count) == 0)
            return sim_page_ref(page);
    if (store->interned >= store->capacity) {
        grow(store);
        bucket = &store->buckets[hash & (store->capacity - 1)];
    }
    page = sim_page_new(store, count);
    memcpy(page->bytes, bytes, count);
    page->count = (uint16_t)count;
    page->hash = hash;
    page->interned = 1;
    page->chain = *bucket;
    *bucket = page;
    store->interned++;
    return page;
}

void sim_page_free(struct sim_store *store, struct sim_page *page)
{
    if (page->interned) {
        struct sim_page **at = &store->buckets[page->hash & (store->capacity - 1)];

        while (*at != page)
            at = &(*at)->chain;
        *at = page->chain;
        store->interned--;
    }
    store->pages--;
    store->bytes -= page->room;
    sim_pool_give(store->pool, page, (uint8_t)sim_pool_class(sizeof *page + page->room));
}

/*
 * store.h - the pages of all disks of a world: immutable once shared, counted, equal ones kept once.
 *
 * A page is up to SIM_PAGE_BYTES; what lies behind its count reads as zeros, and a missing page (NULL) is all
 * zeros. Interned pages are found again by their bytes, so that the copies of a block, on whatever disks,
 * cost the memory of one.
 */
#ifndef DFS_NET_SIM_STORE_H
#define DFS_NET_SIM_STORE_H

#include "net_sim/pool.h"
#include "net_sim/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_page {
    uint64_t hash; /* of the bytes; interned pages only */
    uint32_t references;
    uint16_t count; /* bytes that are there */
    uint16_t room : 15;
    uint16_t interned : 1;
    uint8_t bytes[];
};

struct sim_store {
    struct sim_pool *pool;     /* where the pages come from */
    struct sim_table interned; /* pages, by their bytes */
    uint64_t pages;            /* all that exist */
    uint64_t bytes;            /* their room */
};

void sim_store_init(struct sim_store *store, struct sim_pool *pool);
void sim_store_close(struct sim_store *store); /* every page must have been dropped */

/* One reference; count 0. The owner of the only reference may change it until it is interned. */
struct sim_page *sim_page_new(struct sim_store *store, size_t room);

/* A reference to the page with exactly these bytes. */
struct sim_page *sim_page_intern(struct sim_store *store, const uint8_t *bytes, size_t count);

/* NULL is fine for both. */
static inline struct sim_page *sim_page_ref(struct sim_page *page)
{
    if (page != NULL)
        page->references++;
    return page;
}

void sim_page_free(struct sim_store *store, struct sim_page *page);

static inline void sim_page_unref(struct sim_store *store, struct sim_page *page)
{
    if (page != NULL && --page->references == 0)
        sim_page_free(store, page);
}

#endif

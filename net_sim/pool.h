/*
 * pool.h - memory for what is in flight: taken and given back without malloc in the steady state.
 *
 * Pieces up to 1 KiB come in steps of 64 bytes out of slabs, larger ones in powers of two. What was given
 * back is handed out last in, first out. Under AddressSanitizer every piece is a malloc of its own, so that a
 * use after free is seen.
 */
#ifndef DFS_NET_SIM_POOL_H
#define DFS_NET_SIM_POOL_H

#include <stddef.h>
#include <stdint.h>

#define SIM_POOL_STEP 64
#define SIM_POOL_SMALL 16          /* classes of 64 ... 1024 bytes */
#define SIM_POOL_CLASSES (16 + 12) /* and 2 KiB ... 4 MiB */
/* Slabs double from the first size to that of a huge page, so that small worlds stay small and large ones
 * spare the TLB. */
#define SIM_POOL_SLAB_BYTES_FIRST ((size_t)64 * 1024)
#define SIM_POOL_SLAB_BYTES_MAX ((size_t)2 * 1024 * 1024)

struct sim_pool_free;
struct sim_pool_slab;

struct sim_pool {
    struct sim_pool_free *free[SIM_POOL_CLASSES];
    struct sim_pool_slab *slabs;
    uint8_t *slab_at;
    size_t slab_left;
    size_t slab_bytes; /* of the next one */
};

void sim_pool_init(struct sim_pool *pool);

/* Frees all small pieces, given back or not, and the large ones that were given back. */
void sim_pool_close(struct sim_pool *pool);

/* `bytes` at most 4 MiB; undefined contents; ret_class goes back with the piece. */
void *sim_pool_take(struct sim_pool *pool, size_t bytes, uint8_t *ret_class);
void sim_pool_give(struct sim_pool *pool, void *piece, uint8_t class_index);

#endif

/*
 * pool.h - memory for what is in flight and what stands on disks: taken and given back without malloc in the steady state.
 *
 * Pieces up to 8 KiB come in steps of 64 bytes out of slabs, larger ones in quarters of a power of two. What was given back is
 * handed out last in, first out. Pieces above 4 MiB are mallocs. Under AddressSanitizer every piece is a malloc of its own, so that
 * a use after free is seen.
 */
#ifndef DFS_NET_SIM_POOL_H
#define DFS_NET_SIM_POOL_H

#include <stddef.h>
#include <stdint.h>

#define SIM_POOL_STEP 64
#define SIM_POOL_SMALL 128                     /* classes of 64 ... 8192 bytes */
#define SIM_POOL_CLASSES (SIM_POOL_SMALL + 36) /* and 10 KiB ... 4 MiB */
#define SIM_POOL_BEYOND SIM_POOL_CLASSES       /* the class of what is larger: never kept */
#define SIM_POOL_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* Slabs double from the first size to that of a huge page, so that small worlds stay small and large ones
 * spare the TLB. */
#define SIM_POOL_SLAB_BYTES_FIRST ((size_t)64 * 1024)
#define SIM_POOL_SLAB_BYTES_MAX ((size_t)2 * 1024 * 1024)

#if defined(__SANITIZE_ADDRESS__)
#define SIM_POOL_PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_POOL_PLAIN 1
#endif
#endif
#ifndef SIM_POOL_PLAIN
#define SIM_POOL_PLAIN 0
#endif

struct sim_pool_free {
    struct sim_pool_free *next;
};
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

/* For what inlines below. */
void *sim_pool_take_new(struct sim_pool *pool, size_t bytes, unsigned class_index);
void sim_pool_give_plain(void *piece);

static inline unsigned sim_pool_class(size_t bytes)
{
    if (bytes <= (size_t)SIM_POOL_SMALL * SIM_POOL_STEP)
        return bytes == 0 ? 0 : (unsigned)((bytes - 1) / SIM_POOL_STEP);
    if (bytes > SIM_POOL_BYTES_MAX)
        return SIM_POOL_BEYOND;
    const unsigned octave = 63 - (unsigned)__builtin_clzll(bytes - 1); /* 13 ... 21 */

    return SIM_POOL_SMALL + (octave - 13) * 4 + (unsigned)((bytes - 1) >> (octave - 2) & 3);
}

/* Undefined contents; ret_class goes back with the piece. */
static inline void *sim_pool_take(struct sim_pool *pool, size_t bytes, uint8_t *ret_class)
{
    const unsigned class_index = sim_pool_class(bytes);

    *ret_class = (uint8_t)class_index;
    if (class_index < SIM_POOL_CLASSES && pool->free[class_index] != NULL) {
        struct sim_pool_free *piece = pool->free[class_index];

        pool->free[class_index] = piece->next;
        return piece;
    }
    return sim_pool_take_new(pool, bytes, class_index);
}

static inline void sim_pool_give(struct sim_pool *pool, void *piece, uint8_t class_index)
{
    struct sim_pool_free *entry = piece;

    if ((SIM_POOL_PLAIN && class_index > 0) || class_index == SIM_POOL_BEYOND) {
        sim_pool_give_plain(piece);
        return;
    }
    entry->next = pool->free[class_index];
    pool->free[class_index] = entry;
}

#endif

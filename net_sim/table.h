/*
 * table.h - a hash table of pointers with 32 bits of each hash beside them, so that looking for what is not there touches nothing else.
 *
 * Open addressing with linear probing and backward-shift deletion; at most half full. The tags stand in an array of their own: sixteen of them are a
 * cache line, and most of what is looked for is not there. The owner knows what equal means: it walks the values of a hash itself, from sim_table_first by
 * sim_table_next until NULL, and must not add what is there; now and then it meets a value of another hash.
 */
#ifndef DFS_NET_SIM_TABLE_H
#define DFS_NET_SIM_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct sim_table {
    void **values;   /* NULL: free */
    uint32_t *tags;  /* 0: free */
    size_t capacity; /* a power of two */
    size_t count;
};

/* A tag is also what says where a value belongs. */
#define SIM_TABLE_CAPACITY_MAX ((size_t)1 << 31)

void sim_table_init(struct sim_table *table, size_t capacity);
void sim_table_close(struct sim_table *table);
void sim_table_add(struct sim_table *table, uint64_t hash, void *value);
void sim_table_remove(struct sim_table *table, uint64_t hash, const void *value); /* must be there */

/* Never 0: the bit that stands for none names no place. */
static inline uint32_t sim_table_tag(uint64_t hash)
{
    return (uint32_t)hash == 0 ? (uint32_t)SIM_TABLE_CAPACITY_MAX : (uint32_t)hash;
}

/* The first value with that hash at or behind the place; NULL: there is none. */
static inline void *sim_table_from(const struct sim_table *table, uint64_t hash, size_t *place)
{
    const uint32_t wanted = sim_table_tag(hash);
    const size_t mask = table->capacity - 1;

    for (;; (*place)++) {
        const uint32_t tag = table->tags[*place & mask];

        if (tag == wanted)
            return table->values[*place & mask];
        if (tag == 0)
            return NULL;
    }
}

static inline void *sim_table_first(const struct sim_table *table, uint64_t hash, size_t *ret_place)
{
    *ret_place = hash & (table->capacity - 1);
    __builtin_prefetch(&table->values[*ret_place]); /* while the tags come */
    return sim_table_from(table, hash, ret_place);
}

static inline void *sim_table_next(const struct sim_table *table, uint64_t hash, size_t *place)
{
    (*place)++;
    return sim_table_from(table, hash, place);
}

#endif

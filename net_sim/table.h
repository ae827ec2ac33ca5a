/*
 * table.h - a hash table of pointers whose hashes stand beside them, so that looking for what is not there touches nothing else.
 *
 * Open addressing with linear probing and backward-shift deletion; at most half full. The owner knows what equal means: it walks the
 * values of a hash itself, from sim_table_first by sim_table_next until NULL, and must not add what is there.
 */
#ifndef DFS_NET_SIM_TABLE_H
#define DFS_NET_SIM_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct sim_table_slot {
    uint64_t hash;
    void *value; /* NULL: free */
};

struct sim_table {
    struct sim_table_slot *slots;
    size_t capacity; /* a power of two */
    size_t count;
};

void sim_table_init(struct sim_table *table, size_t capacity);
void sim_table_close(struct sim_table *table);
void sim_table_add(struct sim_table *table, uint64_t hash, void *value);
void sim_table_remove(struct sim_table *table, uint64_t hash, const void *value); /* must be there */

/* The first value with that hash at or behind the place; NULL: there is none. */
static inline void *sim_table_from(const struct sim_table *table, uint64_t hash, size_t *place)
{
    for (;; (*place)++) {
        const struct sim_table_slot *slot = &table->slots[*place & (table->capacity - 1)];

        if (slot->value == NULL || slot->hash == hash)
            return slot->value;
    }
}

static inline void *sim_table_first(const struct sim_table *table, uint64_t hash, size_t *ret_place)
{
    *ret_place = hash & (table->capacity - 1);
    return sim_table_from(table, hash, ret_place);
}

static inline void *sim_table_next(const struct sim_table *table, uint64_t hash, size_t *place)
{
    (*place)++;
    return sim_table_from(table, hash, place);
}

#endif

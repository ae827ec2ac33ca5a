/*
 * table.h - a hash table of pointers with a part of each hash in the same word, so that whatever is looked for costs one cache line.
 *
 * Open addressing with linear probing and backward-shift deletion; at most half full. An entry is eight bytes: the address, whose upper 16 and lower 4 bits
 * say nothing, and in their place 20 bits of the hash. The owner knows what equal means: it walks the values of a hash itself, from sim_table_first by
 * sim_table_next until NULL, and must not add what is there; now and then it meets a value of another hash.
 */
#ifndef DFS_NET_SIM_TABLE_H
#define DFS_NET_SIM_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define SIM_TABLE_ADDRESS_BITS 48
#define SIM_TABLE_ALIGN_BITS 4
#define SIM_TABLE_TAG_BITS (64 - SIM_TABLE_ADDRESS_BITS + SIM_TABLE_ALIGN_BITS)
#define SIM_TABLE_TAG_MASK ((UINT64_C(1) << SIM_TABLE_TAG_BITS) - 1)

struct sim_table {
    uint64_t *entries; /* 0: free */
    size_t capacity;   /* a power of two */
    size_t count;
    unsigned
        spread_bits; /* a tag says where a value belongs; a table with more places than there are tags has so many (as a power of two) for each */
};

void sim_table_init(struct sim_table *table, size_t capacity);
void sim_table_close(struct sim_table *table);

/* Asserts that the value is aligned to 16 bytes and that its address has no more than 48 bits, as those of processes have. */
void sim_table_add(struct sim_table *table, uint64_t hash, void *value);
void sim_table_remove(struct sim_table *table, uint64_t hash, const void *value); /* must be there */

static inline size_t sim_table_home(const struct sim_table *table, uint64_t hash_or_entry)
{
    return (size_t)(hash_or_entry & SIM_TABLE_TAG_MASK) << table->spread_bits & (table->capacity - 1);
}

static inline void *sim_table_value(uint64_t entry)
{
    return (void *)(uintptr_t)(entry >> SIM_TABLE_TAG_BITS << SIM_TABLE_ALIGN_BITS); /* NULL of what is free */
}

/* What stands in a place below the capacity; NULL: nothing. */
static inline void *sim_table_at(const struct sim_table *table, size_t place)
{
    return sim_table_value(table->entries[place]);
}

/* The first value with that hash at or behind the place; NULL: there is none. */
static inline void *sim_table_from(const struct sim_table *table, uint64_t hash, size_t *place)
{
    const size_t mask = table->capacity - 1;

    for (;; (*place)++) {
        const uint64_t entry = table->entries[*place & mask];

        if (entry == 0)
            return NULL;
        if (((entry ^ hash) & SIM_TABLE_TAG_MASK) == 0)
            return sim_table_value(entry);
    }
}

static inline void *sim_table_first(const struct sim_table *table, uint64_t hash, size_t *ret_place)
{
    *ret_place = sim_table_home(table, hash);
    return sim_table_from(table, hash, ret_place);
}

static inline void *sim_table_next(const struct sim_table *table, uint64_t hash, size_t *place)
{
    (*place)++;
    return sim_table_from(table, hash, place);
}

#endif

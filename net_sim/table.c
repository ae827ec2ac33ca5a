#include "net_sim/table.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

static void reserve(struct sim_table *table, size_t capacity)
{
    const unsigned capacity_bits = (unsigned)__builtin_ctzll(capacity);

    table->capacity = capacity;
    table->spread_bits = capacity_bits > SIM_TABLE_TAG_BITS ? capacity_bits - SIM_TABLE_TAG_BITS : 0;
    table->entries = dfs_alloc_zero_array(capacity, sizeof *table->entries);
}

void sim_table_init(struct sim_table *table, size_t capacity)
{
    DFS_ASSERT(capacity >= 2 && (capacity & (capacity - 1)) == 0);
    *table = (struct sim_table){.count = 0};
    reserve(table, capacity);
}

void sim_table_close(struct sim_table *table)
{
    dfs_free(table->entries);
    *table = (struct sim_table){0};
}

static uint64_t entry_of(uint64_t hash, const void *value)
{
    return (uint64_t)(uintptr_t)value >> SIM_TABLE_ALIGN_BITS << SIM_TABLE_TAG_BITS | (hash & SIM_TABLE_TAG_MASK);
}

static void put(struct sim_table *table, uint64_t entry)
{
    const size_t mask = table->capacity - 1;
    size_t place = sim_table_home(table, entry);

    while (table->entries[place] != 0)
        place = (place + 1) & mask;
    table->entries[place] = entry;
}

static void grow(struct sim_table *table)
{
    const struct sim_table old = *table;

    reserve(table, 2 * old.capacity);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.entries[i] != 0)
            put(table, old.entries[i]);
    dfs_free(old.entries);
}

void sim_table_add(struct sim_table *table, uint64_t hash, void *value)
{
    const uint64_t entry = entry_of(hash, value);

    DFS_ASSERT(value != NULL && sim_table_value(entry) == value);
    if (table->count >= table->capacity / 2)
        grow(table);
    put(table, entry);
    table->count++;
}

static size_t place_of(const struct sim_table *table, uint64_t entry)
{
    const size_t mask = table->capacity - 1;
    size_t place = sim_table_home(table, entry);

    while (table->entries[place] != entry) {
        DFS_ASSERT(table->entries[place] != 0);
        place = (place + 1) & mask;
    }
    return place;
}

void sim_table_remove(struct sim_table *table, uint64_t hash, const void *value)
{
    const size_t mask = table->capacity - 1;
    size_t hole = place_of(table, entry_of(hash, value));

    /* Whoever could stand nearer to its own place moves up, so that no walk ends too early. */
    for (size_t at = (hole + 1) & mask; table->entries[at] != 0; at = (at + 1) & mask) {
        const size_t wanted = sim_table_home(table, table->entries[at]);

        if (((at - wanted) & mask) >= ((at - hole) & mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
    }
    table->entries[hole] = 0;
    table->count--;
}

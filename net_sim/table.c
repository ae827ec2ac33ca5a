#include "net_sim/table.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

static void reserve(struct sim_table *table, size_t capacity)
{
    DFS_ASSERT(capacity <= SIM_TABLE_CAPACITY_MAX);
    table->capacity = capacity;
    table->values = dfs_alloc_zero_array(capacity, sizeof(void *));
    table->tags = dfs_alloc_zero_array(capacity, sizeof *table->tags);
}

void sim_table_init(struct sim_table *table, size_t capacity)
{
    DFS_ASSERT(capacity >= 2 && (capacity & (capacity - 1)) == 0);
    *table = (struct sim_table){.count = 0};
    reserve(table, capacity);
}

void sim_table_close(struct sim_table *table)
{
    dfs_free(table->values);
    dfs_free(table->tags);
    *table = (struct sim_table){0};
}

static void put(struct sim_table *table, uint32_t tag, void *value)
{
    const size_t mask = table->capacity - 1;
    size_t place = tag & mask;

    while (table->tags[place] != 0)
        place = (place + 1) & mask;
    table->tags[place] = tag;
    table->values[place] = value;
}

static void grow(struct sim_table *table)
{
    const struct sim_table old = *table;

    reserve(table, 2 * old.capacity);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.tags[i] != 0)
            put(table, old.tags[i], old.values[i]);
    dfs_free(old.values);
    dfs_free(old.tags);
}

void sim_table_add(struct sim_table *table, uint64_t hash, void *value)
{
    DFS_ASSERT(value != NULL);
    if (table->count >= table->capacity / 2)
        grow(table);
    put(table, sim_table_tag(hash), value);
    table->count++;
}

static size_t place_of(const struct sim_table *table, uint32_t tag, const void *value)
{
    const size_t mask = table->capacity - 1;
    size_t place = tag & mask;

    while (table->tags[place] != tag || table->values[place] != value) {
        DFS_ASSERT(table->tags[place] != 0);
        place = (place + 1) & mask;
    }
    return place;
}

void sim_table_remove(struct sim_table *table, uint64_t hash, const void *value)
{
    const size_t mask = table->capacity - 1;
    size_t hole = place_of(table, sim_table_tag(hash), value);

    /* Whoever could stand nearer to its own place moves up, so that no walk ends too early. */
    for (size_t at = (hole + 1) & mask; table->tags[at] != 0; at = (at + 1) & mask) {
        const size_t wanted = table->tags[at] & mask;

        if (((at - wanted) & mask) >= ((at - hole) & mask)) {
            table->tags[hole] = table->tags[at];
            table->values[hole] = table->values[at];
            hole = at;
        }
    }
    table->tags[hole] = 0;
    table->values[hole] = NULL;
    table->count--;
}

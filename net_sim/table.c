#include "net_sim/table.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

void sim_table_init(struct sim_table *table, size_t capacity)
{
    DFS_ASSERT(capacity >= 2 && (capacity & (capacity - 1)) == 0);
    *table = (struct sim_table){.capacity = capacity};
    table->slots = dfs_alloc_zero_array(capacity, sizeof *table->slots);
}

void sim_table_close(struct sim_table *table)
{
    dfs_free(table->slots);
    *table = (struct sim_table){0};
}

static void put(struct sim_table *table, uint64_t hash, void *value)
{
    const size_t mask = table->capacity - 1;
    size_t place = hash & mask;

    while (table->slots[place].value != NULL)
        place = (place + 1) & mask;
    table->slots[place] = (struct sim_table_slot){.hash = hash, .value = value};
}

static void grow(struct sim_table *table)
{
    struct sim_table_slot *old = table->slots;
    const size_t old_capacity = table->capacity;

    table->capacity *= 2;
    table->slots = dfs_alloc_zero_array(table->capacity, sizeof *table->slots);
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].value != NULL)
            put(table, old[i].hash, old[i].value);
    dfs_free(old);
}

void sim_table_add(struct sim_table *table, uint64_t hash, void *value)
{
    if (table->count >= table->capacity / 2)
        grow(table);
    put(table, hash, value);
    table->count++;
}

void sim_table_remove(struct sim_table *table, uint64_t hash, const void *value)
{
    const size_t mask = table->capacity - 1;
    size_t hole = hash & mask;

    while (table->slots[hole].value != value) {
        DFS_ASSERT(table->slots[hole].value != NULL);
        hole = (hole + 1) & mask;
    }
    /* Whoever could stand nearer to its own place moves up, so that no walk ends too early. */
    for (size_t at = (hole + 1) & mask; table->slots[at].value != NULL; at = (at + 1) & mask) {
        const size_t wanted = table->slots[at].hash & mask;

        if (((at - wanted) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole].value = NULL;
    table->count--;
}

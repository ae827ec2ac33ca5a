#include "sim/coverage.h"

#include "core/base/map.h"
#include "core/base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Names of machines, states and events: C identifiers of ours. */
#define NAME_BYTES 32

struct edge {
    char names[4][NAME_BYTES]; /* machine, from, why, to; the key: unused bytes are 0 */
    uint64_t count;
    uint64_t runs; /* merged ones in which it was taken */
};

struct sim_coverage {
    struct dfs_map by_names;
    struct edge **edges; /* owned */
    size_t count;
    size_t room;
};

struct sim_coverage *sim_coverage_new(void)
{
    struct sim_coverage *coverage = dfs_alloc_zero(sizeof *coverage);

    dfs_map_init(&coverage->by_names, offsetof(struct edge, names), sizeof(((struct edge *)NULL)->names), 0);
    return coverage;
}

void sim_coverage_free(struct sim_coverage *coverage)
{
    if (coverage == NULL)
        return;
    for (size_t i = 0; i < coverage->count; i++)
        dfs_free(coverage->edges[i]);
    dfs_free(coverage->edges);
    dfs_map_close(&coverage->by_names);
    dfs_free(coverage);
}

static void name_set(char name[NAME_BYTES], const char *text)
{
    const size_t count = strlen(text);

    memset(name, 0, NAME_BYTES);
    memcpy(name, text, count < NAME_BYTES ? count : NAME_BYTES - 1);
}

static struct edge *find_or_add(struct sim_coverage *coverage, const char *machine, const char *from, const char *why,
                                const char *to)
{
    struct edge key;

    name_set(key.names[0], machine);
    name_set(key.names[1], from);
    name_set(key.names[2], why);
    name_set(key.names[3], to);
    struct edge *edge = dfs_map_find(&coverage->by_names, key.names);

    if (edge == NULL) {
        edge = dfs_alloc_zero(sizeof *edge);
        memcpy(edge->names, key.names, sizeof edge->names);
        dfs_map_insert(&coverage->by_names, edge);
        if (coverage->count == coverage->room) {
            coverage->room = coverage->room == 0 ? 64 : coverage->room * 2;
            coverage->edges = dfs_realloc_array(coverage->edges, coverage->room, sizeof(struct edge *));
        }
        coverage->edges[coverage->count++] = edge;
    }
    return edge;
}

void sim_coverage_add(struct sim_coverage *coverage, const char *machine, const char *from, const char *why,
                      const char *to, uint64_t count)
{
    find_or_add(coverage, machine, from, why, to)->count += count;
}

json_t *sim_coverage_json(const struct sim_coverage *coverage)
{
    json_t *list = json_array();

    for (size_t i = 0; i < coverage->count; i++) {
        const struct edge *edge = coverage->edges[i];

        (void)json_array_append_new(list, json_pack("[ssssI]", edge->names[0], edge->names[1], edge->names[2],
                                                    edge->names[3], (json_int_t)edge->count));
    }
    return list;
}

bool sim_coverage_merge(struct sim_coverage *coverage, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *machine, *from, *why, *to;
        json_int_t count;

        if (json_unpack(json_array_get(list, i), "[ssssI]", &machine, &from, &why, &to, &count) != 0)
            return false;
        struct edge *edge = find_or_add(coverage, machine, from, why, to);

        edge->count += (uint64_t)count;
        edge->runs++;
    }
    return true;
}

static int by_names(const void *a, const void *b)
{
    const struct edge *const *left = a;
    const struct edge *const *right = b;

    return memcmp((*left)->names, (*right)->names, sizeof(*left)->names);
}

bool sim_coverage_write(const struct sim_coverage *coverage, FILE *file)
{
    struct edge **sorted = dfs_alloc_zero_array(coverage->count + 1, sizeof(struct edge *));

    for (size_t i = 0; i < coverage->count; i++)
        sorted[i] = coverage->edges[i];
    qsort(sorted, coverage->count, sizeof(struct edge *), by_names);
    for (size_t i = 0; i < coverage->count; i++)
        (void)fprintf(file,
                      "{\"machine\":\"%s\",\"from\":\"%s\",\"why\":\"%s\",\"to\":\"%s\",\"count\":%" PRIu64
                      ",\"runs\":%" PRIu64 "}\n",
                      sorted[i]->names[0], sorted[i]->names[1], sorted[i]->names[2], sorted[i]->names[3],
                      sorted[i]->count, sorted[i]->runs);
    dfs_free(sorted);
    return fflush(file) == 0 && ferror(file) == 0;
}

/*
 * bench_base.c - what one operation of core/base costs: a line of nanoseconds each. Best of five rounds, since the rest
 * of the machine only ever adds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/avl.h"
#include "core/base/buf.h"
#include "core/base/crc32c.h"
#include "core/base/hash.h"
#include "core/base/heap.h"
#include "core/base/id.h"
#include "core/base/limits.h"
#include "core/base/mac.h"
#include "core/base/map.h"

#define ROUNDS 5

static volatile uint64_t sink; /* what was computed, so that it is */

static double now_ns(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Runs `operation` count times per round. */
static void measure(const char *name, void (*operation)(void *context, uint64_t i), void *context, uint64_t count)
{
    double best = 1e300;

    for (unsigned round = 0; round < ROUNDS; round++) {
        const double begin = now_ns();

        for (uint64_t i = 0; i < count; i++)
            operation(context, i);
        if (now_ns() - begin < best)
            best = now_ns() - begin;
    }
    printf("%-40s %10.1f ns\n", name, best / (double)count);
}

/* Sums and tags -------------------------------------------------------------------------------------------------------- */

static uint8_t bytes[DFS_FRAME_BULK_BYTES_MAX];

static void op_crc_small(void *context, uint64_t i)
{
    (void)context;
    sink = dfs_crc32c((uint32_t)i, bytes, 100);
}

static void op_crc_chunk(void *context, uint64_t i)
{
    (void)context;
    sink = dfs_crc32c((uint32_t)i, bytes + i % 16 * DFS_CHUNK_BYTES, DFS_CHUNK_BYTES);
}

static void op_combine_chunk(void *context, uint64_t i)
{
    (void)context;
    sink = dfs_crc32c_combine((uint32_t)sink, (uint32_t)i, DFS_CHUNK_BYTES);
}

static void op_combine_any(void *context, uint64_t i)
{
    (void)context;
    sink = dfs_crc32c_combine((uint32_t)sink, (uint32_t)i, 9999999);
}

static void op_mac(void *context, uint64_t i)
{
    uint8_t tag[DFS_MAC_BYTES];

    (void)i;
    dfs_mac_make(context, bytes, 100, tag);
    sink = tag[0];
}

static void op_mac_init(void *context, uint64_t i)
{
    struct dfs_key *key = context;
    struct dfs_mac mac;

    key->bytes[0] = (uint8_t)i;
    dfs_mac_init(&mac, key);
    dfs_mac_close(&mac);
}

static void op_derive(void *context, uint64_t i)
{
    struct dfs_key key;

    (void)context;
    dfs_key_derive(bytes, 32, &i, sizeof i, &key);
    sink = key.bytes[0];
}

static void op_sha256(void *context, uint64_t i)
{
    uint8_t digest[32];

    (void)context;
    (void)i;
    dfs_sha256(bytes, 100, digest);
    sink = digest[0];
}

static void op_hash(void *context, uint64_t i)
{
    (void)context;
    sink = dfs_hash64(i, bytes, 16);
}

static void op_id_print(void *context, uint64_t i)
{
    struct dfs_id id = {{0}};
    char text[DFS_ID_TEXT_BYTES];

    (void)context;
    memcpy(id.bytes, &i, sizeof i);
    dfs_id_print(&id, text);
    sink = (uint64_t)text[0];
}

/* Containers ----------------------------------------------------------------------------------------------------------- */

struct timer {
    struct dfs_heap_item item;
    uint32_t padding[15]; /* a cache line, as a machine's struct would be larger than the item */
};

struct timers {
    struct dfs_heap heap;
    struct timer *timers;
    size_t count;
    uint64_t state;
    dfs_time_ns now;
};

/* One event out, one in: what the simulator does all the time. */
static void op_heap(void *context, uint64_t i)
{
    struct timers *timers = context;
    struct dfs_heap_item *item;

    (void)i;
    timers->now = dfs_heap_next(&timers->heap);
    item = dfs_heap_pop(&timers->heap, timers->now);
    dfs_heap_set(&timers->heap, item, timers->now + draw(&timers->state) % 1000000);
}

/* A deadline that is put off before it comes. */
static void op_heap_move(void *context, uint64_t i)
{
    struct timers *timers = context;

    (void)i;
    dfs_heap_set(&timers->heap, &timers->timers[draw(&timers->state) % timers->count].item,
                 timers->now + draw(&timers->state) % 1000000);
}

static void bench_heap(size_t count)
{
    struct timers timers = {.timers = calloc(count, sizeof *timers.timers), .count = count};
    char name[64];

    dfs_heap_init(&timers.heap);
    for (size_t i = 0; i < count; i++) {
        dfs_heap_item_init(&timers.timers[i].item);
        dfs_heap_set(&timers.heap, &timers.timers[i].item, draw(&timers.state) % 1000000);
    }
    (void)snprintf(name, sizeof name, "heap of %zu: pop and set", count);
    measure(name, op_heap, &timers, 1000000);
    (void)snprintf(name, sizeof name, "heap of %zu: move", count);
    measure(name, op_heap_move, &timers, 1000000);
    dfs_heap_close(&timers.heap);
    free(timers.timers);
}

struct value {
    struct dfs_id id;
    struct dfs_avl_node node;
    uint64_t padding[2];
};

struct values {
    struct dfs_map map;
    struct dfs_avl tree;
    struct value *values;
    size_t count;
    uint64_t state;
};

static struct value *any(struct values *values)
{
    return &values->values[draw(&values->state) % values->count];
}

static void op_map_find(void *context, uint64_t i)
{
    struct values *values = context;

    (void)i;
    sink = dfs_map_find(&values->map, &any(values)->id) != NULL;
}

static void op_map_absent(void *context, uint64_t i)
{
    struct values *values = context;
    const uint64_t absent[2] = {i, draw(&values->state)};

    sink = dfs_map_find(&values->map, absent) != NULL;
}

static void op_map_replace(void *context, uint64_t i)
{
    struct values *values = context;
    struct value *value = any(values);

    (void)i;
    dfs_map_insert(&values->map, dfs_map_remove(&values->map, &value->id));
}

static int compare(const struct dfs_avl_node *a, const struct dfs_avl_node *b)
{
    return dfs_id_compare(&((const struct value *)(const void *)((const char *)a - offsetof(struct value, node)))->id,
                          &((const struct value *)(const void *)((const char *)b - offsetof(struct value, node)))->id);
}

static void op_avl_find(void *context, uint64_t i)
{
    struct values *values = context;

    (void)i;
    sink = dfs_avl_find(&values->tree, &any(values)->node) != NULL;
}

static void op_avl_replace(void *context, uint64_t i)
{
    struct values *values = context;
    struct value *value = any(values);

    (void)i;
    dfs_avl_remove(&values->tree, &value->node);
    (void)dfs_avl_insert(&values->tree, &value->node);
}

static void bench_values(size_t count)
{
    struct values values = {.values = calloc(count, sizeof *values.values), .count = count};
    double longest = 0;
    double begin;
    char name[64];

    dfs_map_init(&values.map, offsetof(struct value, id), sizeof(struct dfs_id), 1);
    dfs_avl_init(&values.tree, compare);
    for (size_t i = 0; i < count; i++) {
        const uint64_t drawn[2] = {draw(&values.state), draw(&values.state)};

        memcpy(&values.values[i].id, drawn, sizeof drawn);
    }
    begin = now_ns();
    for (size_t i = 0; i < count; i++) {
        const double before = now_ns();

        dfs_map_insert(&values.map, &values.values[i]);
        if (now_ns() - before > longest)
            longest = now_ns() - before;
    }
    printf("map to %zu: insert                   %10.1f ns, the longest %.1f ms\n", count,
           (now_ns() - begin) / (double)count, longest / 1e6);
    for (size_t i = 0; i < count; i++)
        (void)dfs_avl_insert(&values.tree, &values.values[i].node);
    (void)snprintf(name, sizeof name, "map of %zu: find", count);
    measure(name, op_map_find, &values, 1000000);
    (void)snprintf(name, sizeof name, "map of %zu: find, absent", count);
    measure(name, op_map_absent, &values, 1000000);
    (void)snprintf(name, sizeof name, "map of %zu: remove and insert", count);
    measure(name, op_map_replace, &values, 1000000);
    (void)snprintf(name, sizeof name, "avl of %zu: find", count);
    measure(name, op_avl_find, &values, 1000000);
    (void)snprintf(name, sizeof name, "avl of %zu: remove and insert", count);
    measure(name, op_avl_replace, &values, 1000000);
    dfs_map_close(&values.map);
    free(values.values);
}

static void op_buf(void *context, uint64_t i)
{
    struct dfs_buf *buf = dfs_buf_new(context, (i & 1) != 0 ? 262144 : 65536);

    buf->bytes[0] = (uint8_t)i;
    dfs_buf_unref(buf);
}

int main(void)
{
    const size_t counts[] = {1000, 100000, 10000000};
    struct dfs_key key = {{1}};
    struct dfs_mac mac;
    struct dfs_buf_pool pool;

    dfs_mac_init(&mac, &key);
    measure("crc32c of 100 bytes", op_crc_small, NULL, 1000000);
    measure("crc32c of a chunk", op_crc_chunk, NULL, 20000);
    measure("crc32c combine, a chunk", op_combine_chunk, NULL, 1000000);
    measure("crc32c combine, 9999999 bytes", op_combine_any, NULL, 100000);
    measure("mac of 100 bytes", op_mac, &mac, 1000000);
    measure("mac init and close", op_mac_init, &key, 100000);
    measure("key derive", op_derive, NULL, 100000);
    measure("sha256 of 100 bytes", op_sha256, NULL, 1000000);
    measure("hash64 of 16 bytes", op_hash, NULL, 1000000);
    measure("id print", op_id_print, NULL, 1000000);
    dfs_mac_close(&mac);
    dfs_buf_pool_init(&pool, 16 * DFS_FRAME_BULK_BYTES_MAX);
    measure("buf new and unref", op_buf, &pool, 1000000);
    dfs_buf_pool_close(&pool);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (i < 2)
            bench_heap(counts[i]);
        bench_values(counts[i]);
    }
    return 0;
}

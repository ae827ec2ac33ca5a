/*
 * queue.h - the event queue of the world: a 4-ary min-heap by (time, order) of 16-byte entries.
 *
 * Nothing is ever taken out of the middle: an item that has become pointless is ignored when it comes up, and
 * what moves often (the deadline of a machine) lives in the indexed heap of core/base. So sifting touches no
 * item, and the four children of an entry are one cache line. Equal times leave in the order in which they
 * were pushed.
 */
#ifndef DFS_NET_SIM_QUEUE_H
#define DFS_NET_SIM_QUEUE_H

#include "core/base/assert.h"
#include "core/base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_host;

/* What an item is, and so which struct it stands in. */
enum sim_item_kind {
    SIM_ITEM_DATAGRAM,
    SIM_ITEM_ARRIVE,    /* struct sim_pipe: the oldest segment in flight comes in */
    SIM_ITEM_SENT,      /* struct sim_pipe: the oldest bulk frame has left */
    SIM_ITEM_CLOSED,    /* struct sim_end: EV_CLOSED is due */
    SIM_ITEM_HANDSHAKE, /* struct sim_conn */
    SIM_ITEM_DISK,      /* struct sim_disk_pending */
    SIM_ITEM_LOCAL,     /* struct sim_local_pending */
    SIM_ITEM_COMMAND,   /* struct sim_command */
    SIM_ITEM_START,     /* struct sim_host */
    SIM_ITEM_TICK,      /* struct sim_host: a deadline that found the host held */
    SIM_ITEM_WAKE,      /* struct sim_host: the host takes up what waited for it */
    SIM_ITEM_CALL       /* struct sim_call: of the simulator itself */
};

struct sim_item {
    uint64_t order;        /* among equal times */
    struct sim_item *next; /* in the inbox of a held host */
    struct sim_host *host; /* whose turn it is; NULL for calls */
    enum sim_item_kind kind;
};

struct sim_queue_entry {
    dfs_time_ns at;
    struct sim_item *item;
};

struct sim_queue {
    void *memory;                    /* what was allocated */
    struct sim_queue_entry *entries; /* entries[0] is the root, placed so that children share a cache line */
    size_t count;
    size_t capacity;
    uint64_t order_next;
};

void sim_queue_init(struct sim_queue *queue);
void sim_queue_close(struct sim_queue *queue);
void sim_queue_grow(struct sim_queue *queue);

static inline bool sim_queue_before(const struct sim_queue_entry *a, const struct sim_queue_entry *b)
{
    return a->at < b->at || (a->at == b->at && a->item->order < b->item->order);
}

static inline dfs_time_ns sim_queue_next(const struct sim_queue *queue)
{
    return queue->count == 0 ? DFS_NEVER : queue->entries[0].at;
}

static inline void sim_queue_push(struct sim_queue *queue, struct sim_item *item, dfs_time_ns at)
{
    struct sim_queue_entry *const entries = queue->entries;
    const struct sim_queue_entry entry = {.at = at, .item = item};
    size_t i = queue->count;

    item->order = queue->order_next++;
    /* A new item has the highest order: only strictly later parents give way. */
    while (i > 0) {
        const size_t parent = (i - 1) / 4;

        if (entries[parent].at <= at)
            break;
        entries[i] = entries[parent];
        i = parent;
    }
    entries[i] = entry;
    if (++queue->count == queue->capacity)
        sim_queue_grow(queue);
}

/* The place of the earliest of the four entries that stand at `first`. Their times are compared without a branch that would be guessed wrong every other
 * time; equal ones are rare. */
static inline size_t sim_queue_least(const struct sim_queue_entry four[4], size_t first)
{
    size_t low = four[1].at < four[0].at;
    size_t high = 2 + (size_t)(four[3].at < four[2].at);

    if (four[0].at == four[1].at)
        low = sim_queue_before(&four[1], &four[0]);
    if (four[2].at == four[3].at)
        high = 2 + (size_t)sim_queue_before(&four[3], &four[2]);
    if (four[low].at == four[high].at)
        return first + (sim_queue_before(&four[high], &four[low]) ? high : low);
    return first + (four[high].at < four[low].at ? high : low);
}

/* The earliest item; the queue must not be empty. */
static inline struct sim_item *sim_queue_pop(struct sim_queue *queue)
{
    struct sim_queue_entry *const entries = queue->entries;
    struct sim_item *const top = entries[0].item;
    const size_t count = --queue->count;
    const struct sim_queue_entry last = entries[count];
    size_t i = 0;

    for (;;) {
        const size_t first = i * 4 + 1;
        size_t least = first;

        if (first + 3 < count) {
            least = sim_queue_least(&entries[first], first);
        } else if (first < count) {
            for (size_t k = first + 1; k < count; k++)
                if (sim_queue_before(&entries[k], &entries[least]))
                    least = k;
        } else {
            break;
        }
        if (!sim_queue_before(&entries[least], &last))
            break;
        entries[i] = entries[least];
        i = least;
    }
    entries[i] = last;
    __builtin_prefetch(entries[0].item); /* the next to come up, while the machine is busy with this one */
    __builtin_prefetch((const void *)((uintptr_t)entries[0].item + 64));
    return top;
}

#endif

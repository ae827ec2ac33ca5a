/*
 * queue.h - the event queue of the world, by (time, order): the earliest items in a sorted row, all others in a 4-ary min-heap.
 *
 * What is pushed is mostly due soon, and behind most of what waits: it goes to the end of the row, or a few places before that, and comes off the front for
 * nothing. Only what finds the row full goes through the heap. Nothing is ever taken out of the middle: an item that has become pointless is
 * ignored when it comes up, and what moves often (the deadline of a machine) lives in the indexed heap of core/base. So no item is touched
 * before its turn. Equal times leave in the order in which they were pushed.
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

/* As many as a cluster of a few machines under load has waiting; inserting looks at a part of them. */
#define SIM_QUEUE_ROW_MAX 64

/* The row moves through so many places before it is moved back. */
#define SIM_QUEUE_ROW_PLACES 256

/* In front of the row stand entries of time 0, as many as inserting looks at together: it stops there without counting. */
#define SIM_QUEUE_ROW_FRONT 4

struct sim_queue {
    size_t count;
    uint64_t order_next;
    struct sim_queue_entry *first; /* the row, none later than any in the heap; not empty while the heap is not */
    struct sim_queue_entry *end;
    size_t heap_count;
    size_t heap_capacity;
    struct sim_queue_entry *heap; /* heap[0] is the root, placed so that children share a cache line */
    void *memory;                 /* the heap's */
    struct sim_queue_entry
        places[SIM_QUEUE_ROW_FRONT + SIM_QUEUE_ROW_PLACES + 1]; /* the last is empty: there is always one to fetch */
};

void sim_queue_init(struct sim_queue *queue);
void sim_queue_close(struct sim_queue *queue);

/* For what inlines below. */
void sim_queue_row_fill(struct sim_queue *queue); /* out of the heap, which has some */

static inline dfs_time_ns sim_queue_next(const struct sim_queue *queue)
{
    return queue->count == 0 ? DFS_NEVER : queue->first->at;
}

void sim_queue_push(struct sim_queue *queue, struct sim_item *item, dfs_time_ns at);

/* The earliest item; the queue must not be empty. */
static inline struct sim_item *sim_queue_pop(struct sim_queue *queue)
{
    struct sim_item *const item = queue->first->item;

    queue->first++->at = 0;
    queue->count--;
    if (queue->first == queue->end && queue->heap_count > 0)
        sim_queue_row_fill(queue);
    __builtin_prefetch(queue->first->item); /* the next to come up, while the machine is busy with this one */
    return item;
}

#endif

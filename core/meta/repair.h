/*
 * repair.h - which block is copied next, from where to where; which copies are too many.
 *
 * Pure: it reads the block map and the KeyRing, is told what each node may be used for, and answers with
 * actions; the machine carries them out and says how they ended. No env, no clock: `now` is fair time.
 *
 *   look      something about a block has changed: it enters, changes or leaves a queue. O(its copies).
 *   next      the next action. Blocks wait in queues by the number of live copies, those with one copy first
 *             of all, even under the brake. A block that
 *             cannot go for lack of a free source or target is parked at that node and comes back when the
 *             node has room; one for which there is no
 *             place at all waits for a change of membership. So no block ever stands in another's way, and no
 *             queue is searched.
 *   finish    a copy ended. Every copy has a deadline, and ends early with its source, its target or its
 *             block: nothing leaks.
 *
 * A block that is in a queue has a record with its links; most blocks are in none and need none. The fields queue, queued and mark
 * of a block belong to repair (repair.c repair_queues.c repair_choice.c).
 */
#ifndef DFS_CORE_META_REPAIR_H
#define DFS_CORE_META_REPAIR_H

#include "core/base/heap.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/status.h"
#include "core/meta/blockmap.h"
#include "core/meta/keyring.h"
#include "core/meta/placement.h"

/* A copy is given so much time beside the policy's time-out: a node that moves less than this is no help. */
#define META_COPY_SLOWEST_BYTES_PER_S 1000000

/* A failed block waits backoff_ns, 2, 4, ... times as long; then 32 times as long for ever, so the wait is
 * bounded. One whose source or target was busy (UNAVAILABLE) waits backoff_ns. */
#define META_BACKOFF_STEPS 6

/* Failures after which another target is taken even if it is in a worse zone. */
#define META_TARGET_TRIES 2

/* Copies of one block that are looked at. More than this is a fault somewhere else; the rest is left
 * alone. */
#define META_COPIES_LOOKED_AT_MAX 32

/* Queues: X(name, words for people). READY_n: n live copies. */
#define META_QUEUE_MAP(X) \
    X(NONE, "whole") \
    X(LOST, "no live copy: waits for a node to return") \
    X(READY_1, "next in line: one live copy") \
    X(READY_2, "in line: two live copies") \
    X(READY_3, "in line: three live copies") \
    X(READY_4, "in line: four live copies") \
    X(READY_5, "in line: five live copies") \
    X(READY_6, "in line: six live copies") \
    X(READY_7, "in line: seven live copies") \
    X(READY_8, "in line: eight or more live copies") \
    X(GRACE, "grace: its node may come back") \
    X(AWAY, "held: a node is in maintenance") \
    X(BACKOFF_0, "a copy failed: tried again soon") \
    X(BACKOFF_1, "copies failed: tried again") \
    X(BACKOFF_2, "copies failed: tried again later") \
    X(BACKOFF_3, "copies failed: tried again later") \
    X(BACKOFF_4, "copies failed: tried again much later") \
    X(BACKOFF_5, "copies failed: tried again much later") \
    X(UNPLACED, "no node may take a copy: waits for a change of membership") \
    X(PARKED, "waits for a busy node") \
    X(RUNNING, "being copied") \
    X(CLEAR, "whole: a bad copy is to be removed") \
    X(EXCESS, "whole: copies too many") \
    X(TRIMMING, "whole: copies are read before one too many is removed")

enum meta_queue_name {
#define X(name, words) META_QUEUE_##name,
    META_QUEUE_MAP(X)
#undef X
        META_QUEUE_COUNT
};
const char *meta_queue_words(enum meta_queue_name queue);

struct meta_repair_policy {
    dfs_duration_ns grace_ns;
    dfs_duration_ns backoff_ns;
    dfs_duration_ns trim_ns;    /* an excess copy is kept at least so long: its node may go again */
    dfs_duration_ns timeout_ns; /* of a copy, beside its transfer */
    uint32_t per_source;
    uint32_t per_target;
    uint32_t total;
    uint32_t graces;                /* blocks whose grace, or back-off, ends in one tick */
    uint64_t bandwidth_bytes_per_s; /* of one node; 0: no limit */
};

/* What a node may be used for. */
#define META_RIGHT_COUNTS 1u /* its copies are not lost */
#define META_RIGHT_STAYS 2u  /* and they count towards the wanted number (not: DRAINING) */
#define META_RIGHT_SOURCE 4u /* takes orders: may send copies, verify, remove */
#define META_RIGHT_TARGET 8u /* may receive copies */

/* What is known of a block while it is in a queue. */
struct meta_queued {
    dfs_time_ns due; /* not before; PARKED: where */
    meta_block_no next;
    meta_block_no prev;
};

struct meta_queue {
    meta_block_no first;
    meta_block_no last;
    uint32_t count;
};

#define META_PARK_SIDES 2  /* 0: waits for it as a source, 1: as a target */
#define META_PARK_LEVELS 3 /* one, two, more live copies */

struct meta_repair_node {
    uint16_t index;
    uint8_t rights;
    bool waking; /* in repair->wakes */
    uint32_t running[META_PARK_SIDES];
    dfs_time_ns free_at[META_PARK_SIDES]; /* by the bandwidth */
    uint64_t receiving_bytes;
    uint64_t room_bytes; /* free, over the reserve */
    uint32_t flaps;      /* how often it went lately: its copies are the first to be trimmed */
    struct meta_queue parked[META_PARK_SIDES][META_PARK_LEVELS];
    struct dfs_list copies[META_PARK_SIDES]; /* struct meta_copying.of_node */
    struct dfs_list wake;
    struct dfs_heap_item timer;
};

/* A copy under way. Named by slot and generation in orders. */
struct meta_copying {
    uint32_t slot;
    uint32_t generation;
    meta_block_no block;            /* 0: free */
    uint16_t node[META_PARK_SIDES]; /* source, target */
    uint32_t length_bytes;
    struct dfs_list of_node[META_PARK_SIDES];
    struct dfs_list all; /* or in `free` */
    struct dfs_heap_item timer;
};

struct meta_trouble;

struct meta_repair {
    struct meta_repair_policy policy;
    struct meta_blockmap *map;
    const struct dfs_keyring *ring;
    struct meta_repair_node **nodes; /* by index; NULL: not known */
    uint32_t nodes_room;
    struct meta_pool queued; /* struct meta_queued, by meta_block.queued */
    struct meta_queue queues[META_QUEUE_COUNT];
    uint32_t unplaced_left; /* of UNPLACED, to be tried again in this round */
    bool unplaced_again;    /* room came back: a round when unplaced_at has come */
    dfs_time_ns unplaced_at;
    bool settled;           /* warm-up is over: missing copies are missing */
    bool held;              /* the brake: only blocks with one copy, one copy a node */
    dfs_time_ns away_until; /* maintenance of a node that metadata has not met since its start; 0: none */

    struct meta_copying **copyings; /* by slot */
    uint32_t copyings_room;
    uint32_t copyings_used;
    uint32_t running;
    struct dfs_list all; /* running, oldest first */
    struct dfs_list free;
    struct dfs_heap deadlines; /* struct meta_copying.timer */
    struct dfs_heap frees;     /* struct meta_repair_node.timer */
    struct dfs_list wakes;     /* nodes with room for somebody who is parked there */
    /* A queue, a copy or a node's room has changed since the owner took this back: next() may have something. */
    bool stirred;

    struct dfs_map trouble; /* blocks whose copies failed */
    struct dfs_list troubles;

    /* Called for every copy that ends, whichever way. The copying is void afterwards. */
    void (*ended)(void *ctx, const struct meta_copying *copying, enum dfs_status status);
    /* Called by tick before `ended` for a copy that is overdue: its source has said nothing. */
    void (*overdue)(void *ctx, const struct meta_copying *copying);
    void *ctx;

    uint64_t under;    /* blocks with fewer live copies than wanted, lost ones included */
    uint64_t one_copy; /* of these, with a single one though more are wanted */
    uint64_t lost;
    uint64_t failures;
};

void meta_repair_init(struct meta_repair *repair, const struct meta_repair_policy *policy, struct meta_blockmap *map,
                      const struct dfs_keyring *ring);
void meta_repair_close(struct meta_repair *repair);

/* A node's rights, or its room. What it may no longer do ends: copies from it without SOURCE, copies to it
 * without TARGET. Blocks are not looked at: the caller walks them when COUNTS or STAYS changed. */
void meta_repair_rights(struct meta_repair *repair, uint16_t index, uint8_t rights, dfs_time_ns now);
void meta_repair_room(struct meta_repair *repair, uint16_t index, uint64_t room_bytes, dfs_time_ns now);
void meta_repair_flaps(struct meta_repair *repair, uint16_t index, uint32_t flaps);
uint8_t meta_repair_rights_of(const struct meta_repair *repair, uint16_t index);
/* Is there room for a new block of this length? */
bool meta_repair_has_room(const struct meta_repair *repair, uint16_t index, uint32_t length_bytes);
/* What all targets together have reserved for copies under way. */
uint64_t meta_repair_receiving(const struct meta_repair *repair);
/* All copies from a node end: its control connection broke, so orders and answers may be lost. */
void meta_repair_end_from(struct meta_repair *repair, uint16_t index, dfs_time_ns now);

/* The brake. */
void meta_repair_hold(struct meta_repair *repair, bool held, dfs_time_ns now);
/* Warm-up is over; the caller walks all blocks with META_REPAIR_ABSENT. */
void meta_repair_settle(struct meta_repair *repair);
/* Until when blocks found ABSENT wait: 0, or fair time. */
void meta_repair_away(struct meta_repair *repair, dfs_time_ns until);

enum meta_repair_cause {
    /* A node went: the grace holds. */
    META_REPAIR_LOSS,
    /* A node has not come since metadata's start: the grace holds, and its maintenance if it said that it leaves. */
    META_REPAIR_ABSENT,
    /* Anything else: at once. */
    META_REPAIR_NEWS
};
/* A block's copies, or their nodes' rights, have changed. Nothing happens before `settled`. */
void meta_repair_look(struct meta_repair *repair, meta_block_no number, enum meta_repair_cause cause, dfs_time_ns now);
/* The block leaves the map. */
void meta_repair_forget(struct meta_repair *repair, meta_block_no number, dfs_time_ns now);

enum meta_repair_verb {
    /* `copying` has begun: send the order. */
    META_REPAIR_COPY,
    /* `copy` is bad and is replaced, or stands in the way of its replacement: set META_COPY_EXCESS, order its removal
     * and look at the block. */
    META_REPAIR_CLEAR
};
struct meta_repair_action {
    enum meta_repair_verb verb;
    meta_block_no block;
    const struct meta_copying *copying;
    meta_copy_no copy;
};

/* The next action; false: none now. `*looks` is how many blocks may still be looked at in this step (begin
 * with the bound of a step); 0 afterwards: there may be more, come again at once. */
bool meta_repair_next(struct meta_repair *repair, dfs_time_ns now, uint32_t *looks,
                      struct meta_repair_action *ret_action);

/* The copy of that name, or NULL: it has ended. */
const struct meta_copying *meta_repair_find(const struct meta_repair *repair, uint32_t slot, uint32_t generation);
/* The copy of a block to a node, or NULL. */
const struct meta_copying *meta_repair_find_to(const struct meta_repair *repair, meta_block_no block, uint16_t target);

/* It ended with `status`. OK: the copy is in the map already. Otherwise the block waits a while and avoids
 * the two. */
void meta_repair_finish(struct meta_repair *repair, const struct meta_copying *ended, enum dfs_status status,
                        dfs_time_ns now);

/* Ends what is overdue, wakes what has waited. Before `next`. */
void meta_repair_tick(struct meta_repair *repair, dfs_time_ns now);
/* When tick and next have to do something by the passing of time alone (they may have at once: looks). */
dfs_time_ns meta_repair_deadline(const struct meta_repair *repair);

/* Trimming ----------------------------------------------------------------------------------------------- */

/*
 * Which copies of a block would be kept and which are too many. Kept are as many as wanted, in as many zones
 * as possible; victims are taken from nodes that went often, then from the fullest. Only copies on nodes that
 * take orders are named: what cannot be asked is neither trusted nor removed. false: nothing to trim now.
 */
struct meta_trim_plan {
    uint32_t keep_count;
    uint32_t victims_count;
    meta_copy_no keep[DFS_REPLICAS_MAX];
    meta_copy_no victims[META_COPIES_LOOKED_AT_MAX];
};
bool meta_repair_trim_plan(const struct meta_repair *repair, meta_block_no number, struct meta_trim_plan *ret_plan);

/* The oldest block of EXCESS whose time has come, moved to TRIMMING; 0: none. */
meta_block_no meta_repair_trim_next(struct meta_repair *repair, dfs_time_ns now);
dfs_time_ns meta_repair_trim_deadline(const struct meta_repair *repair);
/* The nodes are too busy to begin: back to the front of the queue. */
void meta_repair_trim_back(struct meta_repair *repair, meta_block_no number);
/* The trimming of a block is over, or given up for now: back to where it belongs. */
void meta_repair_trim_end(struct meta_repair *repair, meta_block_no number, dfs_time_ns now);

/* For EXPLAIN: the place of a block in its queue, counted from 1, or 0. Looks at `at_most` blocks. */
uint64_t meta_repair_position(const struct meta_repair *repair, meta_block_no number, uint64_t at_most);

/* For tests: queues, counters and copies agree with the blocks. O(n). */
bool meta_repair_is_sound(const struct meta_repair *repair);

#endif

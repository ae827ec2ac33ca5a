/*
 * nodes.h - the inside of the data-facing half of metadata: the table of nodes and what is under way with
 * each.
 *
 *   nodes.c         table, records, keys, ring, states; what the other half asks (placement, grants, pages)
 *   control.c       the control connection, and whether anything still comes through it
 *   nodes_step.c    time: evictions, warm-up, the brake, walks over a node's copies
 *   copies.c        orders to copy, and their ends
 *   verify.c        orders to read a copy and say whether it verifies
 *   trim.c          copies too many
 *   removals.c      orders to remove
 *   orphans.c       blocks on nodes that no file has
 *   join.c resume.c inventory.c inventory_end.c block_events.c copy_done.c remove_done.c verify_done.c
 *   leave.c heartbeat.c
 *   nodes_page.c drain.c health.c       one message a file
 *
 * Decisions are in the pure files (membership, repair, placement, keyring); here facts are gathered and
 * actions carried out. All times are fair time (meta_internal.h) unless said otherwise.
 */
#ifndef DFS_CORE_META_NODES_H
#define DFS_CORE_META_NODES_H

#include "core/meta/membership.h"
#include "core/meta/meta_internal.h"
#include "core/meta/repair.h"

/* Limits ------------------------------------------------------------------------------------------------- */

/* Boot ids of a node that were superseded: whoever comes with one of them stops for good. Two processes of
 * one identity need one; a machine that is cloned again and again a few more. */
#define META_BOOTS_GONE_MAX 8

/* A joining node that has told nothing for so many intervals no longer counts for its old copies: it may never
 * finish. */
#define META_JOINING_INTERVALS 30

/* So often is a node asked about one complaint. */
#define META_DOUBT_TRIES 5

/* A node's record of having gone (flaps) is halved once in so many intervals. */
#define META_FLAP_INTERVALS 600

/* The brake looks back so many intervals. */
#define META_BRAKE_WINDOW_INTERVALS 10

/* Copied bytes are summed up over so many intervals for HEALTH. */
#define META_RATE_INTERVALS 10

/* A copy whose DOUBTED is being looked into (flag of struct meta_copy, ours as SEEN and EXCESS are). */
#define META_COPY_ASKED 64u

/* Types -------------------------------------------------------------------------------------------------- */

struct meta_removal {
    struct dfs_list link; /* in node->removals or node->removals_sent */
    struct dfs_block_id block;
    uint8_t reason; /* enum dfs_remove_reason */
};

struct meta_stray {
    struct dfs_block_id block;
    uint32_t length_bytes;
};

/* What a joining node has told so far. */
struct meta_inventory {
    uint32_t pages;
    uint64_t count;
    uint64_t digest;
    uint64_t change; /* as of which change number; set by the end */
    struct meta_stray *strays;
    uint32_t strays_count;
    uint32_t strays_room;
    uint32_t strays_done; /* looked at after the end */
    bool strays_left;     /* there were more of them */
    struct dfs_w_change *early;
    uint32_t early_count;
    uint32_t early_room;
    uint64_t early_first; /* number of the first of them */
    uint32_t end_request;
    bool ended;
};

/* What is being done with all copies of a node, a slice at a time. */
enum meta_walk {
    META_WALK_NONE,
    META_WALK_DROP,   /* evicted: its copies leave the map */
    META_WALK_SWEEP,  /* told: copies that its inventory did not name leave the map */
    META_WALK_STRAYS, /* then: blocks that the map did not know */
    META_WALK_LOOK    /* its copies count otherwise than before: their blocks are looked at */
};

/* Batches of removals that may stay without an answer before the connection is taken for dead: one may be a slow disk. */
#define META_UNANSWERED_MAX 2

/* So many heartbeats must have come after an answer to our keys was due before the connection is taken for dead. */
#define META_ASKED_BEATS 2

/* A member without a control connection is not acknowledged after so many intervals: it may not know, and finds out when its lease ends. */
#define META_UNLINKED_INTERVALS 10

struct meta_node {
    uint16_t index;
    struct dfs_id id;
    struct dfs_id boot;
    struct dfs_id boots_gone[META_BOOTS_GONE_MAX];
    uint32_t boots_gone_next;

    struct meta_member member;
    enum dfs_node_state state;
    dfs_time_ns heard_mono;   /* of the last accepted heartbeat or JOINED, for traces and people; 0: never */
    dfs_time_ns gone_at;      /* when it was evicted last; 0: not since our start */
    dfs_time_ns counts_until; /* JOINING: its old copies count until then */
    uint32_t flaps;
    dfs_time_ns flaps_at;   /* when they were counted */
    bool counts;            /* its copies are not lost */
    bool expected;          /* known from the journal, not met since our start */
    bool rejoin_asked;      /* it was told that its incarnation is void */
    bool removals_forgot;   /* more was to be removed than is remembered: it is asked to join again */
    dfs_time_ns away_until; /* expected: it is in maintenance; 0: no */

    struct dfs_addr addr;
    uint16_t zone;
    uint64_t capacity_bytes;
    uint64_t free_bytes;
    uint32_t load;

    uint64_t applied; /* change number */
    uint64_t digest;  /* of what it has, by its own word */
    uint64_t blocks;

    struct meta_peer *peer; /* the control connection, or NULL */
    uint64_t order;         /* of the newest connection on which it has joined or resumed */
    /* Half of a connection may be dead and nobody is told: heartbeats go on beside it. Seen by what does not come (control.c). */
    dfs_time_ns
        behind_since; /* its heartbeats count changes that have not come, and none came since; 0: nothing is missing */
    uint64_t behind_applied;  /* `applied` then */
    dfs_time_ns unlinked_at;  /* when the control connection went; 0: it is there, or never was */
    uint32_t unanswered;      /* batches of removals in succession */
    uint32_t asked_request;   /* the newest KEYS_UPDATE */
    uint32_t asked_beats;     /* heartbeats since its answer is overdue */
    dfs_time_ns asked_since;  /* KEYS_UPDATEs are unanswered, and no answer came since; 0: none is */
    dfs_time_ns rejoin_since; /* heartbeats go on though it was told that its incarnation is void; 0: not so */
    struct meta_inventory *inventory;
    struct dfs_heap_item timer;
    struct dfs_mac heartbeat_mac;
    struct dfs_mac grant_macs[DFS_GRANT_KEYS_MAX]; /* by key id modulo DFS_GRANT_KEYS_MAX */

    struct dfs_list walking; /* in nodes->walks */
    enum meta_walk walk;
    enum meta_repair_cause walk_cause;
    meta_copy_no walk_at; /* the next copy */
    bool walk_again;      /* LOOK once more from the beginning */

    struct dfs_list removals;
    struct dfs_list removals_sent;
    uint32_t removals_count; /* both */
    uint32_t removals_sent_count;
    uint32_t removals_request;           /* of the batch that was sent */
    struct dfs_list removing;            /* in nodes->removing: has waiting ones */
    struct dfs_heap_item removals_timer; /* the answer is overdue, or a pause ends */

    uint32_t verifying;
    struct dfs_list verifies; /* struct meta_verify.of_node */
};

enum meta_verify_kind { META_VERIFY_DOUBT, META_VERIFY_TRIM };

struct meta_verify {
    uint32_t slot;
    uint32_t generation;
    enum meta_verify_kind kind;
    uint16_t node;
    bool running;
    uint32_t trim;  /* slot of the trim */
    uint32_t tries; /* of the doubt */
    struct dfs_block_id block;
    struct dfs_list of_node;
    struct dfs_list free;
    struct dfs_heap_item timer;
};

struct meta_doubt {
    struct dfs_list link;
    struct dfs_block_id block;
    uint16_t node;
    uint32_t tries;
    dfs_time_ns due;
};

struct meta_trim {
    bool running;
    struct dfs_block_id block;
    uint32_t keep_count;
    uint32_t kept;                   /* verified so far */
    uint16_t keep[DFS_REPLICAS_MAX]; /* nodes */
    uint64_t incarnations[DFS_REPLICAS_MAX];
    uint32_t verified; /* bits, by place in keep */
};

struct meta_nodes_counters {
    uint64_t joins;
    uint64_t joins_refused;
    uint64_t superseded;
    uint64_t older_journal;
    uint64_t resumes;
    uint64_t resumes_refused;
    uint64_t inventories;
    uint64_t inventories_bad;
    uint64_t inventory_missing; /* copies that an inventory did not name */
    uint64_t events;
    uint64_t events_bad;
    uint64_t heartbeats;
    uint64_t heartbeats_again;
    uint64_t heartbeats_late;
    uint64_t heartbeats_stale;
    uint64_t heartbeats_forged;
    uint64_t datagrams_bad;
    uint64_t digests_wrong;
    uint64_t controls_silent;
    uint64_t evictions;
    uint64_t copies_done;
    uint64_t copies_failed;
    uint64_t copies_cancelled;
    uint64_t copied_bytes;
    uint64_t receipts_bad;
    uint64_t copies_bad;
    uint64_t orphans;
    uint64_t removals;
    uint64_t removals_refused;
    uint64_t removals_forgotten;
    uint64_t verified;
    uint64_t verify_failed;
    uint64_t doubts_dropped;
    uint64_t trimmed;
    uint64_t trims_given_up;
    uint64_t brakes;
    uint64_t complaints; /* STATUS from data servers */
};

struct meta_nodes {
    dfs_time_ns next; /* fair: what the last whole look at all this wants to be woken for */
    dfs_time_ns due;  /* the next whole look, unless something happens before */
    uint32_t count;
    uint32_t states[DFS_NODE_STATE_COUNT];
    uint32_t placeable;
    uint64_t incarnation; /* the newest given */
    uint32_t key_id;      /* the newest grant key; it and the one before are accepted */
    uint32_t key_signing; /* what is signed with: the newest that all nodes have had time to hear of */
    dfs_time_ns key_due;  /* the next key, or the moment to sign with the newest */

    struct dfs_keyring ring;
    struct meta_repair repair;

    struct dfs_heap timers; /* meta_node.timer */
    struct dfs_list walks;
    meta_block_no sweep_at; /* blocks from here on are yet to be looked at after warm-up; 0: done */

    bool warm;
    dfs_time_ns warm_until;
    uint32_t expected; /* nodes not met since our start */

    bool braked;
    dfs_time_ns brake_until;

    struct dfs_list removing;
    struct dfs_heap removal_timers;
    uint64_t removals_count;

    struct meta_verify **verifies;
    uint32_t verifies_used;
    uint32_t verifies_running;
    struct dfs_list verifies_free;
    struct dfs_heap verify_timers;
    struct dfs_list doubts; /* in order of `due` */
    uint32_t doubts_count;
    struct meta_trim trims[DFS_META_MOST_trims];
    uint32_t trims_running;
    bool trims_blocked; /* by nodes that have too many to verify */

    dfs_time_ns rate_at; /* copied bytes since then */
    uint64_t rate_bytes;
    uint64_t rate_per_s; /* of the window before */

    struct meta_nodes_counters counters;

    char *zones[DFS_ZONES_MAX]; /* by zone number */
    uint32_t zones_count;
    struct meta_node *by_index[DFS_NODES_MAX];
    uint16_t by_id[DFS_NODES_MAX]; /* indices in ascending order of id: what is listed, and searched */
};

/* nodes.c ------------------------------------------------------------------------------------------------ */

static inline struct meta_node *meta_node_at(const struct dfs_meta *meta, uint16_t index)
{
    return meta->nodes->by_index[index];
}

struct meta_node *meta_node_by_id(const struct dfs_meta *meta, const struct dfs_id *id);

/* The member this connection speaks for, if it still does: NULL otherwise (it was superseded, or has not
 * joined); then the peer was told STALE_INCARNATION. */
struct meta_node *meta_node_of_peer(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request);

/* Lets the state follow the facts: through the gate, with all that belongs to a change of state. `why` names
 * the event. */
void meta_node_refresh(struct dfs_meta *meta, struct meta_node *node, const char *why);

/* The record of a node as it is now, and with the next incarnation. */
void meta_node_record(const struct dfs_meta *meta, const struct meta_node *node, struct meta_r_node *ret_record);

/* A new life: incarnation and boot were journaled. The inventory is awaited. */
void meta_node_begin(struct dfs_meta *meta, struct meta_node *node, struct meta_peer *peer, uint64_t incarnation);
/* Tells the node that its incarnation is void: it has to join again. */
void meta_node_ask_rejoin(struct dfs_meta *meta, struct meta_node *node, const char *words);

/* The number of a zone, made if need be; false: DFS_ZONES_MAX. */
bool meta_zone_number(struct meta_nodes *nodes, struct dfs_text text, uint16_t *ret_zone);
/* Derives the keys of a life that begins. */
void meta_node_keys_init(struct dfs_meta *meta, struct meta_node *node);
/* What the grant key's MAC of this key id is for the present incarnation; NULL: unknown key. */
struct dfs_mac *meta_node_mac(struct dfs_meta *meta, struct meta_node *node, uint32_t key_id);
/* The grant keys as JOINED and KEYS_UPDATE carry them; returns how many. */
uint32_t meta_node_grant_keys(const struct dfs_meta *meta, const struct meta_node *node,
                              struct dfs_w_grant_key ret_keys[DFS_GRANT_KEYS_MAX]);
/* A new grant key: journaled, then told to all; the newest two are accepted. */
void meta_nodes_rotate_key(struct dfs_meta *meta);
/* The time for a new key, or for signing with it. */
void meta_nodes_keys_step(struct dfs_meta *meta);
/* KEYS_UPDATE with all that the node needs to check what others show it. */
void meta_node_send_keys(struct dfs_meta *meta, struct meta_node *node);
/* What repair may expect of it, from its state. */
void meta_node_rights(struct dfs_meta *meta, struct meta_node *node);
/* Space as the node says. */
void meta_node_space(struct dfs_meta *meta, struct meta_node *node, uint64_t capacity_bytes, uint64_t free_bytes);

struct dfs_block_id meta_block_of_wire(const struct dfs_w_block *block);
struct dfs_w_block meta_block_to_wire(const struct dfs_block_id *block);

/* A copy leaves the map: every walk steps over it, and its block is looked at. */
void meta_copy_gone(struct dfs_meta *meta, meta_copy_no copy, enum meta_repair_cause cause);
/* A copy of a committed block with the right length: enters the map or is confirmed; a copy under way to it
 * has arrived. */
void meta_copy_here(struct dfs_meta *meta, struct meta_node *node, meta_block_no block, uint8_t flags);
/* A copy (made if need be) is bad: traced, replaced, then removed. */
void meta_copy_is_bad(struct dfs_meta *meta, struct meta_node *node, meta_block_no block, enum dfs_status status);

/* control.c ---------------------------------------------------------------------------------------------- */

/*
 * JOIN or RESUME of a connection that the node has given up, behind that of its next one? Nobody is there to hear the answer; taken for the
 * newest word it would end the life that the node lives, and tell a process to stop for good that has replaced one which is gone.
 */
bool meta_control_is_late(const struct meta_node *node, const struct meta_peer *peer);
/* Takes over the control connection; an older one is closed. */
void meta_node_link(struct dfs_meta *meta, struct meta_node *node, struct meta_peer *peer);
/* The control connection carries nothing any more, though both ends keep it: closed, the node becomes SUSPECT until it has another. */
void meta_node_cut(struct dfs_meta *meta, struct meta_node *node);
/* The request id of a KEYS_UPDATE that is to be sent now: its answer is awaited. */
uint32_t meta_control_ask(struct dfs_meta *meta, struct meta_node *node);
/* STATUS came for a request of ours. */
void meta_control_answered(struct dfs_meta *meta, struct meta_node *node, uint32_t request);
/* An order was not answered in time, which may have many reasons: does anything come through? Asks, unless that is being asked. */
void meta_control_sound(struct dfs_meta *meta, struct meta_node *node);
/* A heartbeat came beside the connection, and counts `change` changes: cuts a connection that is dead. */
void meta_control_test(struct dfs_meta *meta, struct meta_node *node, uint64_t change);
/* No lease without orders: a node whose control connection is dead at our end only keeps it until its lease runs out. */
bool meta_control_is_away(const struct dfs_meta *meta, const struct meta_node *node);

/* nodes_step.c ------------------------------------------------------------------------------------------- */

/* DROP ends any other walk; LOOK waits for the end of SWEEP and STRAYS. */
void meta_walk_begin(struct dfs_meta *meta, struct meta_node *node, enum meta_walk walk, enum meta_repair_cause cause);
/* Up to `count` copies at once; true when the node has no walk (any more). */
bool meta_walk_slice(struct dfs_meta *meta, struct meta_node *node, uint32_t count);
/* The inventory was broken off: its walk ends. */
void meta_walk_break_off(struct meta_node *node);
/* A node was evicted, or is missing at the end of warm-up: does that pull the brake? */
void meta_brake_test(struct dfs_meta *meta);
/* No deletions now: warm-up or the brake. */
bool meta_deletions_are_held(const struct dfs_meta *meta);
/* A node known from the journal is met. */
void meta_node_met(struct dfs_meta *meta, struct meta_node *node);

/* copies.c ----------------------------------------------------------------------------------------------- */

void meta_copies_init(struct dfs_meta *meta);
/* Repair's turn. Returns true when there is more to do at once. */
bool meta_copies_step(struct dfs_meta *meta);

/* Operation ids of orders: slot, generation, epoch. */
void meta_order_id(const struct dfs_meta *meta, uint32_t slot, uint32_t generation, struct dfs_id *ret_id);
bool meta_order_id_parse(const struct dfs_meta *meta, const struct dfs_id *id, uint32_t *ret_slot,
                         uint32_t *ret_generation);

/* verify.c ----------------------------------------------------------------------------------------------- */

void meta_verify_init(struct dfs_meta *meta);
void meta_verify_close(struct dfs_meta *meta);
/* Asks the node now; NULL: it, or all, have too many to read. The block is in the map. */
struct meta_verify *meta_verify_ask(struct dfs_meta *meta, struct meta_node *node, meta_block_no number,
                                    enum meta_verify_kind kind);
/* The answer, or that none came. */
void meta_verify_end(struct dfs_meta *meta, struct meta_verify *verify, enum dfs_status status);
/* The node cannot answer any more. */
void meta_verify_node_lost(struct dfs_meta *meta, struct meta_node *node);
void meta_verify_step(struct dfs_meta *meta);
dfs_time_ns meta_verify_deadline(const struct dfs_meta *meta);

/* trim.c ------------------------------------------------------------------------------------------------- */

void meta_trim_step(struct dfs_meta *meta);
dfs_time_ns meta_trim_deadline(const struct dfs_meta *meta);
void meta_trim_verified(struct dfs_meta *meta, uint32_t slot, uint16_t index, enum dfs_status status);

/* removals.c --------------------------------------------------------------------------------------------- */

/* Puts a removal in the node's queue; ignored for a node without a life: its next inventory tells. */
void meta_removal_add(struct dfs_meta *meta, struct meta_node *node, const struct dfs_block_id *block,
                      enum dfs_remove_reason reason);
/* Forgets all of a node's. */
void meta_removals_drop(struct dfs_meta *meta, struct meta_node *node);
/* The connection is new: what was sent may not have arrived. */
/* Its inventory named more than was kept: another one is asked for. */
void meta_removals_recall_later(struct dfs_meta *meta, struct meta_node *node);
void meta_removals_resend(struct dfs_meta *meta, struct meta_node *node);
void meta_removals_done(struct dfs_meta *meta, struct meta_node *node, const struct dfs_m_remove_done *done);
void meta_removals_step(struct dfs_meta *meta);
dfs_time_ns meta_removals_deadline(const struct dfs_meta *meta);

/* orphans.c ---------------------------------------------------------------------------------------------- */

/* The node has a block that no file has: left alone when an upload owns it, removed otherwise. */
void meta_orphan_here(struct dfs_meta *meta, struct meta_node *node, const struct dfs_block_id *id,
                      uint32_t length_bytes, bool confirmed);
/* The same for a block that a file may have got meanwhile. */
void meta_orphan_met(struct dfs_meta *meta, struct meta_node *node, const struct dfs_block_id *id,
                     uint32_t length_bytes, bool confirmed);

/* block_events.c ----------------------------------------------------------------------------------------- */

/* One change of a node whose inventory is complete. */
void meta_change_apply(struct dfs_meta *meta, struct meta_node *node, const struct dfs_w_change *change,
                       uint64_t number);

/* inventory.c -------------------------------------------------------------------------------------------- */

void meta_inventory_free(struct meta_node *node);
/* The sweep and the strays are done: the node has told. */
void meta_inventory_complete(struct dfs_meta *meta, struct meta_node *node);

#endif

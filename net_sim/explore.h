/*
 * explore.h - the world as a set of choices: what can come next, taken one at a time while virtual time stands still.
 *
 * sim_world_run takes what is due first. An explorer takes any of what is possible, so that every order can be tried. While it has begun,
 *   - latencies, bandwidth and chance are off: what is sent can arrive at once, and what is slow is a choice not taken yet;
 *   - time stands still while anything is under way. It goes on to the next deadline by a choice of its own (SIM_CHOICE_TIME), which the caller
 *     takes when nothing else is left (or, as an early timeout, before);
 *   - choices are: the next frame, accept or orderly end of a direction of a connection; a datagram; a connect (both of its round trips at once); the news that
 *     a connection is gone (behind what the other end had sent before); the completion of a disk operation (in order per name, any order between names);
 *     a deadline that is due now;
 *   - everything else follows at once, in a fixed order, because it happens inside one host and is heard by nobody else: starts, commands,
 *     local files, the leaving of a bulk frame, what finds no listener any more.
 * A datagram to a host that is down waits until the host is up again: it comes late.
 *
 * Two numbers stand for what has happened. The *key* of a choice is the same in every schedule that has done the same at the hosts concerned, so the keys taken at each
 * host, in order, name a schedule up to the order of things that do not touch each other. The *fingerprint* is that of the present state: for each host
 * the history of its machine since it was started (events with their times and contents; the machine is a function of it) and the disk it
 * found then, what all lives before have said and heard, and what is under way. Nothing private of a machine is looked at.
 *
 * Costs nothing while none is made: it is an observer.
 */
#ifndef DFS_NET_SIM_EXPLORE_H
#define DFS_NET_SIM_EXPLORE_H

#include "net_sim/world.h"

struct sim_explorer;
struct sim_item;

enum sim_choice_kind {
    SIM_CHOICE_FRAME,    /* the next frame of a stream is read */
    SIM_CHOICE_ACCEPT,   /* an incoming connection is told */
    SIM_CHOICE_END,      /* the orderly end of a stream is told */
    SIM_CHOICE_CLOSED,   /* a connection is gone */
    SIM_CHOICE_CONNECT,  /* a connect succeeds or is refused */
    SIM_CHOICE_DATAGRAM, /* a datagram arrives */
    SIM_CHOICE_DISK,     /* a disk operation is done */
    SIM_CHOICE_TICK,     /* a deadline that is due now */
    SIM_CHOICE_TIME      /* time goes on to the next deadline, or to a call of the simulator's own */
};

struct sim_choice {
    enum sim_choice_kind kind;
    struct sim_host *host;  /* whose turn it is; TIME: whose deadline comes, NULL: nobody's */
    struct sim_host *other; /* who sent, or is connected to; NULL: nobody */
    uint64_t key;
    uint64_t number;     /* of the frame, datagram or disk operation */
    const uint8_t *head; /* FRAME, DATAGRAM: valid until the world moves */
    size_t head_bytes;
    const char *verb; /* DISK */
    const char *name; /* DISK: of the file; "" none */
    dfs_time_ns at;   /* TIME: of the world */
    struct sim_item *item;
};

/* More can be possible at once in no world that could be explored. */
#define SIM_CHOICES_MAX 512

/* Watches the world from now on: made before anything runs, freed after the world. */
struct sim_explorer *sim_explorer_new(struct sim_world *world);
void sim_explorer_free(struct sim_explorer *explorer);

/* From now on time stands still; what follows at once has followed. */
void sim_explorer_begin(struct sim_explorer *explorer);

/* sim_world_run can be called again; latencies stay at zero. */
void sim_explorer_end(struct sim_explorer *explorer);

/* What is possible now, in the order in which it came about; TIME (if there is a next deadline) is the last. Returns how many. */
size_t sim_explorer_choices(struct sim_explorer *explorer, struct sim_choice choices[SIM_CHOICES_MAX]);

/* Lets it happen, and then whatever follows at once. A choice is good until the world moves. */
void sim_explorer_take(struct sim_explorer *explorer, const struct sim_choice *choice);

/* After the caller has changed a host (crash, restart): whatever follows at once. */
void sim_explorer_follow(struct sim_explorer *explorer);

/* Can it be lost? A datagram is gone; a stream breaks in front of a frame, and both ends will be told. */
bool sim_choice_can_be_lost(const struct sim_choice *choice);
void sim_explorer_lose(struct sim_explorer *explorer, const struct sim_choice *choice);

uint64_t sim_explorer_fingerprint(struct sim_explorer *explorer);

/* What is under way by age, the oldest first: what a fingerprint leaves out. */
uint64_t sim_explorer_order(struct sim_explorer *explorer);

/* One host's part of it: what has happened to its machine, in order. */
uint64_t sim_explorer_history(struct sim_explorer *explorer, const struct sim_host *host);

/* A hash of all that is on a disk, now and durably, under names in order: equal for disks that no machine and no crash can tell apart. */
uint64_t sim_disk_fingerprint(const struct sim_disk *disk);

#endif

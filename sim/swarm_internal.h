/*
 * swarm_internal.h - what the parts of the swarm share; nobody else includes it.
 */
#ifndef DFS_SIM_SWARM_INTERNAL_H
#define DFS_SIM_SWARM_INTERNAL_H

#include "sim/swarm.h"

#include "net_sim/prf.h"

/* What a draw is for: its own stream each, so that one more kind of draw shifts no other. Positions are part of what a seed means. */
enum draw {
    DRAW_CLUSTER,
    DRAW_KNOB_WANTED,
    DRAW_KNOB,
    DRAW_NETWORK,
    DRAW_DISK,
    DRAW_WORK,
    DRAW_MAIN,
    DRAW_FAULT_KIND,
    DRAW_FAULT_TIME,
    DRAW_FAULT_HOST,
    DRAW_FAULT_OTHER,
    DRAW_META,
    DRAW_MIX,
    DRAW_LASTING,
    DRAW_BEYOND,
    DRAW_LIMITS,
    DRAW_SECOND,
    DRAW_SILENT,
    DRAW_BOUND_WANTED,
    DRAW_BOUND
};

/* Faults beside the main one. */
#define FAULTS_MAX 6

/* Faults that stay when everything else is healed. */
#define LASTING_MAX 2

/* Streams that go dead, wrong clocks of others, acknowledgements made up. */
#define SECOND_MAX 2

/* These, the main one, and one to spare. */
#define WINDOWS_MAX (FAULTS_MAX + LASTING_MAX + SECOND_MAX + 2)

/* A server is out of order. */
struct window {
    uint32_t host;
    int64_t from_ns;
    int64_t to_ns; /* the recovery included */
};

struct swarm {
    struct sim_scenario *scenario;
    uint64_t key;
    int64_t interval_ns;
    int64_t recovery_ns; /* from the loss of a server to all copies back, generously */
    uint32_t data;
    uint32_t replication;
    bool beyond; /* more are lost than the copies allow */
    /* of the plan of the faults */
    struct window windows[WINDOWS_MAX];
    uint32_t windows_count;
    uint32_t gone;  /* servers that never come back */
    uint32_t kinds; /* bits of enum extra: this seed's mix */
};

static inline uint64_t swarm_draw(const struct swarm *swarm, enum draw what, uint64_t number)
{
    return sim_prf(swarm->key, what, number);
}

/* low..high, ends included */
static inline int64_t between(const struct swarm *swarm, enum draw what, uint64_t number, int64_t low, int64_t high)
{
    return low + (int64_t)sim_below(swarm_draw(swarm, what, number), (uint64_t)(high - low) + 1);
}

static inline bool chance(const struct swarm *swarm, enum draw what, uint64_t number, uint32_t percent)
{
    return sim_below(swarm_draw(swarm, what, number), 100) < percent;
}

#define MS(n) ((int64_t)(n)*1000000)
#define S(n) ((int64_t)(n)*1000000000)

/* swarm_faults.c: the faults of a seed whose cluster is drawn, so that nothing acknowledged may be lost. */
void sim_swarm_faults(struct swarm *swarm);

/* More servers than there are copies go for good, and nothing else happens. */
void sim_swarm_faults_beyond(struct swarm *swarm);

#endif

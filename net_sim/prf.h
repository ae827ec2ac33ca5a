/*
 * prf.h - keyed randomness: every draw is a function of (key, stream, number), never "the next number".
 *
 * A key names who draws (world, host, link, connection, disk); a stream what for; the number which one.
 * Taking one event away therefore shifts no other draw: shrinking converges, and a seed keeps its meaning
 * when code changes. Not a defence against forgers.
 *
 * The mixer is the folded 64 x 64 -> 128 bit product of wyhash (Wang Yi, public domain), two rounds a draw.
 */
#ifndef DFS_NET_SIM_PRF_H
#define DFS_NET_SIM_PRF_H

#include "core/base/time.h"

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 sim_u128;

/* Probabilities are whole numbers of 1e-9: no floating point reaches a decision. */
#define SIM_PPB_ONE UINT32_C(1000000000)

static inline uint64_t sim_mix(uint64_t a, uint64_t b)
{
    const sim_u128 product = (sim_u128)(a ^ UINT64_C(0xa0761d6478bd642f)) * (b ^ UINT64_C(0xe7037ed1a0b428db));

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t sim_prf(uint64_t key, uint64_t stream, uint64_t number)
{
    return sim_mix(sim_mix(key ^ stream * UINT64_C(0x9e3779b97f4a7c15), number), key + UINT64_C(0x8ebc6af09c88c6e3));
}

/* value scaled to 0 .. count - 1. */
static inline uint64_t sim_below(uint64_t value, uint64_t count)
{
    return (uint64_t)((sim_u128)value * count >> 64);
}

/* true for ppb of 1e9 values: never for 0, always for SIM_PPB_ONE. */
static inline bool sim_hits(uint64_t value, uint32_t ppb)
{
    return sim_below(value, SIM_PPB_ONE) < ppb;
}

/* A duration that is drawn uniformly from min .. max, both included. min == max costs no draw. */
struct sim_range {
    dfs_duration_ns min;
    dfs_duration_ns max;
};

static inline dfs_duration_ns sim_in_range(uint64_t value, struct sim_range range)
{
    return range.min + (range.max > range.min ? sim_below(value, range.max - range.min + 1) : 0);
}

/* How long `bytes` take at that rate, which is not 0; rounded down. */
static inline dfs_duration_ns sim_transfer_ns(uint64_t bytes, uint64_t bytes_per_second)
{
    if (bytes <= UINT64_MAX / DFS_SECONDS)
        return bytes * DFS_SECONDS / bytes_per_second; /* a division of 128 bits is a call */
    return (dfs_duration_ns)((sim_u128)bytes * DFS_SECONDS / bytes_per_second);
}

/* What a draw is for. Positions are part of what a seed means: new ones are added at the end. */
enum sim_draw {
    SIM_DRAW_HOST,   /* the key of a host */
    SIM_DRAW_LINK,   /* the key of a link */
    SIM_DRAW_CONN,   /* the key of a connection */
    SIM_DRAW_DISK,   /* the key of a disk */
    SIM_DRAW_RANDOM, /* the env's random verb */
    SIM_DRAW_BOOT,   /* mono at time 0 */
    SIM_DRAW_LOSS,   /* datagrams of a link */
    SIM_DRAW_LATENCY,
    SIM_DRAW_REORDER,
    SIM_DRAW_REORDER_DELAY,
    SIM_DRAW_DUPLICATE,
    SIM_DRAW_COPY_LATENCY,
    SIM_DRAW_SEGMENT_LATENCY, /* streams */
    SIM_DRAW_SEGMENT_LOSS,
    SIM_DRAW_SEGMENT_RETRY,
    SIM_DRAW_SEGMENT_CUT,
    SIM_DRAW_PIECE,
    SIM_DRAW_PIECE_DELAY,
    SIM_DRAW_HANDSHAKE,
    SIM_DRAW_HEAL,
    SIM_DRAW_RESET_LATENCY,
    SIM_DRAW_DISK_LATENCY, /* disks */
    SIM_DRAW_DISK_ERROR,
    SIM_DRAW_DISK_LIE,
    SIM_DRAW_DISK_LIE_PLACE,
    SIM_DRAW_DISK_ROT,
    SIM_DRAW_DISK_SYNC_FAILED,
    SIM_DRAW_CRASH_OP,
    SIM_DRAW_CRASH_NAME,
    SIM_DRAW_CRASH_MODE,
    SIM_DRAW_CRASH_SECTOR,
    SIM_DRAW_CRASH_SIZE,
    SIM_DRAW_LOCAL, /* local files */
    SIM_DRAW_SUFFIX /* keys of a branch (sim_world_suffix) */
};

#endif

/*
 * bench_bare.h - what a simulator of nothing costs on this machine, in this minute: what a bench divides by.
 *
 * A binary heap of (time, order, event); an event takes its message of 100 bytes into the digest, draws twice, touches the state of a host, copies the message out
 * and back, as through the queue of a network, and is scheduled again. No machine, no frame, no disk, nobody who looks.
 */
#ifndef DFS_SIM_BENCH_BARE_H
#define DFS_SIM_BENCH_BARE_H

#include <stddef.h>

/* Events a second with so many in flight, at least one; the best of a few runs, since a shared machine is noisy. */
double sim_bench_bare(size_t in_flight);

/* The processor's time that this process has used. */
double sim_bench_seconds(void);

#endif

/*
 * random.h - OpenSSL's random source is the seed's while the simulator runs.
 *
 * Every machine step begins a stream of its own, keyed by (seed, host, step of the host): how many bytes a library call takes inside one step then shifts
 * nothing in the next, and a build of OpenSSL that draws more or less changes no run beyond that call.
 */
#ifndef DFS_SIM_RANDOM_H
#define DFS_SIM_RANDOM_H

#include <stdint.h>

/* Replaces the process's RAND method. Once a process; false when OpenSSL refuses. */
_Bool sim_random_install(uint64_t seed);

/* From here on of another seed; the stream goes on. */
void sim_random_seed(uint64_t seed);

/* Asked when something is drawn: in whose step, and which one of it; false between steps, where the stream goes on. Steps in which nothing is drawn cost nothing so.
 * NULL: nobody is asked. */
void sim_random_follow(_Bool (*place)(void *arg, uint64_t *ret_host, uint64_t *ret_step), void *arg);

/* The stream of what comes next. */
void sim_random_stream(uint64_t host, uint64_t step);

#endif

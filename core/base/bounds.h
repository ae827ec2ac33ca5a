/*
 * bounds.h - how a machine writes down its bounds: the lengths of its queues, batches and windows.
 *
 * A bound is no limit (limits.h: both sides of a connection rely on it) and no setting (nobody gains from turning it): it is how much of one thing a machine
 * does or keeps at a time. `most` is what its memory, or the length of a step, was reckoned for, and what every daemon has. With anything down to `least` a
 * machine must come to the same end, only slower: simulations turn bounds down, because what is found at the end of a queue of one is never found at the end of
 * a queue of a million.
 *
 * A role lists its bounds as X(name, most, least, "reason") in its own bounds.h, `most` as a plain number; these make of the list a struct, its full value, and
 * the lengths of arrays.
 */
#ifndef DFS_CORE_BASE_BOUNDS_H
#define DFS_CORE_BASE_BOUNDS_H

#include <stdint.h>

#define DFS_BOUND_FIELD(name, most, least, reason) uint32_t name;
#define DFS_BOUND_FULL(name, most, least, reason) .name = (most),

#endif

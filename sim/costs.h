/*
 * costs.h - what operations cost, as exact integers: messages by kind, bytes, disk operations and virtual time of PUT and GET at 1, 3 and 5
 * copies, of an eviction, of the repair after it, and of a cluster that does nothing.
 *
 * Latencies are fixed, nothing is lost, the seed is 1: the same text on every machine. tests/golden/costs.txt holds it.
 */
#ifndef DFS_SIM_COSTS_H
#define DFS_SIM_COSTS_H

#include <stddef.h>

/* The text of all cases, to be freed with dfs_free; *ret_count without its final NUL. Ends the process when a case does not pass. */
char *sim_costs_text(size_t *ret_count);

#endif

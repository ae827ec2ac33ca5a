/*
 * output.h - files that a command writes.
 *
 * People may name anything: a device, a pipe, the scenario itself. Only plain files are ever taken away.
 */
#ifndef DFS_SIM_OUTPUT_H
#define DFS_SIM_OUTPUT_H

#include <stdbool.h>

/* A plain file, or nothing yet; not a device, a pipe or a folder. */
bool sim_output_is_plain(const char *name);

/* Takes a plain file away, so that an older one cannot pass for a newer; leaves everything else where it is. */
void sim_output_clear(const char *name);

#endif

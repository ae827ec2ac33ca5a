/*
 * fields.h - the fields of a message as JSON, for pages: {"path":"a/one","grant":{"block":{...}}}.
 *
 * Ids of data servers are said by name, a status by its word; secrets are "***". Numbers that a script cannot hold exactly are texts. "<" is escaped, so that
 * the text may stand in a script element. One line.
 */
#ifndef DFS_SIM_FIELDS_H
#define DFS_SIM_FIELDS_H

#include "core/wire/message.h"
#include "sim/cluster.h"

#include <stdio.h>

/* A text between quotes. */
void sim_fields_text(FILE *out, const char *text, size_t count);

/* Writes at most `max` values; returns how many more there are. */
uint32_t sim_fields_write(FILE *out, struct sim_cluster *cluster, const struct dfs_layout *layout, const void *value,
                          uint32_t max);

#endif

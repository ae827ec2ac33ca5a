/*
 * coverage.h - which paths the machines have taken: (machine, from, why, to), how often and in how many runs.
 *
 * `dfs-sim sweep --coverage FILE` writes them as JSON, one path a line, sorted; coverage/paths makes the report of them.
 */
#ifndef DFS_SIM_COVERAGE_H
#define DFS_SIM_COVERAGE_H

#include "core/env/env.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct sim_coverage;

struct sim_coverage *sim_coverage_new(void);
void sim_coverage_free(struct sim_coverage *coverage);
void sim_coverage_add(struct sim_coverage *coverage, const char *machine, const char *from, const char *why,
                      const char *to, uint64_t count);

/* As a list of [machine, from, why, to, count], and adding such a list, that of one run; false: it is no such list. */
json_t *sim_coverage_json(const struct sim_coverage *coverage);
bool sim_coverage_merge(struct sim_coverage *coverage, const json_t *list);

/* One object a line. false: the file takes no more. */
bool sim_coverage_write(const struct sim_coverage *coverage, FILE *file);

#endif

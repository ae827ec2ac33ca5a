/* annotate.h - a failing seed as a GitHub annotation, which is shown at the scenario's file in the pages of a change. */
#ifndef DFS_SIM_ANNOTATE_H
#define DFS_SIM_ANNOTATE_H

#include "sim/scenario.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Do we run in a job of GitHub Actions? */
bool sim_annotate_wanted(void);

/*
 * The line of the scenario's file (from 1) at which a failure is best shown: of the violation, what happened last before it (sim_run.line); else of the first expectation that did
 * not come about; else the one that the reason names; else 1. `scenario` NULL: it has no file.
 */
uint32_t sim_annotate_line(const json_t *result, const struct sim_scenario *scenario);

/* One line, escaped as that format wants it. `file` NULL: of no file; `line`: of the file, from 1. */
void sim_annotate(FILE *stream, const char *file, uint32_t line, const json_t *result, const char *repeat);

#endif

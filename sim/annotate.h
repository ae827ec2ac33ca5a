/* annotate.h - a failing seed as a GitHub annotation, which is shown at the scenario's file in the pages of a change. */
#ifndef DFS_SIM_ANNOTATE_H
#define DFS_SIM_ANNOTATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Do we run in a job of GitHub Actions? */
bool sim_annotate_wanted(void);

/* One line, escaped as that format wants it. `file` NULL: of no file; `line`: of the file, from 1. */
void sim_annotate(FILE *stream, const char *file, uint32_t line, const json_t *result, const char *repeat);

#endif

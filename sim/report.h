/*
 * report.h - results for people, from the object of `run --json`.
 */
#ifndef DFS_SIM_REPORT_H
#define DFS_SIM_REPORT_H

#include "sim/run.h"

/* SIM_VERDICT_COUNT when there is none. */
enum sim_verdict_kind sim_result_verdict(const json_t *result);

/* The report of one run; `repeat` is the command that repeats it, printed when it did not pass. */
void sim_report_run(FILE *out, const json_t *result, const char *repeat);

/* What a sweep says of a seed that did not pass. */
void sim_report_failure(FILE *out, const json_t *result, const char *repeat);

/* "1,234,567" */
#define SIM_GROUPED_BYTES 32
const char *sim_grouped(uint64_t value, char text[SIM_GROUPED_BYTES]);

#endif

/*
 * junit.h - the results of a sweep as one <testsuite>, the form of JUnit reports that Jenkins, GitLab and the reporters of GitHub Actions
 * read; tests/junit.xsd is what we hold to. A run is a <testcase>; one that did not pass has a <failure>, one that aborted an <error>.
 *
 * The head of the suite counts its cases, so that all is kept (a few hundred bytes a run) until the file is closed.
 */
#ifndef DFS_SIM_JUNIT_H
#define DFS_SIM_JUNIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct sim_junit {
    FILE *file;
    FILE *cases; /* in memory */
    char *cases_text;
    size_t cases_bytes;
    uint64_t tests_count;
    uint64_t failures_count;
    uint64_t errors_count;
};

/* False, errno says why: the file cannot be written. */
bool sim_junit_open(struct sim_junit *junit, const char *path);

void sim_junit_pass(struct sim_junit *junit, const char *scenario, uint64_t seed, double seconds);

/* `type` is the verdict; `text` follows, by sim_junit_text, until sim_junit_fail_end. `aborted`: an error, not a failure. */
void sim_junit_fail_begin(struct sim_junit *junit, const char *scenario, uint64_t seed, double seconds,
                          const char *type, const char *message, bool aborted);
void sim_junit_text(struct sim_junit *junit, const char *text);
void sim_junit_fail_end(struct sim_junit *junit, bool aborted);

/* Writes all and closes. False, errno says why: not all could be written, and what stands there is not a report. */
bool sim_junit_close(struct sim_junit *junit, double seconds);

#endif

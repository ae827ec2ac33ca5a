/*
 * check.h - what the tests of core/base share: cmocka, a fixed pseudo-random sequence, and deaths.
 */
#ifndef DFS_TESTS_UNIT_BASE_CHECK_H
#define DFS_TESTS_UNIT_BASE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/assert.h"

/* SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every machine. */
struct sequence {
    uint64_t state;
};

static inline uint64_t draw(struct sequence *sequence)
{
    uint64_t z = sequence->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A number from 0 to limit - 1. */
static inline size_t draw_below(struct sequence *sequence, size_t limit)
{
    return (size_t)(draw(sequence) % limit);
}

static inline void draw_bytes(struct sequence *sequence, void *bytes, size_t count)
{
    uint8_t *at = bytes;

    for (size_t i = 0; i < count; i++)
        at[i] = (uint8_t)draw(sequence);
}

/* Where a child that panics leaves its line. */
static int panic_line_fd = -1;

static inline void send_panic_line(const char *line)
{
    if (panic_line_fd >= 0 && write(panic_line_fd, line, strlen(line)) < 0)
        _exit(1);
}

/* true when `act` ends in a panic whose line contains `what`: SIGABRT in a child process. */
static inline bool panics(void (*act)(void), const char *what)
{
    const struct rlimit no_core = {0, 0};
    char line[512] = {0};
    int pipe_fds[2];
    int status = 0;
    pid_t child;

    assert_int_equal(pipe(pipe_fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &no_core);
        panic_line_fd = pipe_fds[1];
        dfs_panic_hook = send_panic_line;
        act();
        _exit(0);
    }
    (void)close(pipe_fds[1]);
    while (read(pipe_fds[0], line + strlen(line), sizeof line - 1 - strlen(line)) > 0)
        continue;
    (void)close(pipe_fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(line, what) != NULL;
}

#endif

/*
 * assert.h - assertions that stay on in release.
 *
 * For our own mistakes only: what a peer, a disk or a person can cause is a status. A failed assertion prints where and
 * what, and aborts; a daemon restarts from its disk, which is the state every crash test starts from.
 */
#ifndef DFS_CORE_BASE_ASSERT_H
#define DFS_CORE_BASE_ASSERT_H

/* Prints "FILE:LINE: FUNCTION: assertion failed: WHAT" through the panic hook and aborts. */
_Noreturn void dfs_panic(const char *file, int line, const char *function, const char *what) __attribute__((cold));

/*
 * What is called with the finished line just before abort(): a host points it at standard error or its log. There is one
 * per process because a panic ends the process. NULL (the default) prints nothing: core owns no descriptor.
 */
extern void (*dfs_panic_hook)(const char *line);

#define DFS_ASSERT(condition) \
    do { \
        if (__builtin_expect(!(condition), 0)) \
            dfs_panic(__FILE__, __LINE__, __func__, #condition); \
    } while (0)

/* For the end of a switch over an enum that names every case. */
#define dfs_unreachable(where) dfs_panic(__FILE__, __LINE__, __func__, "unreachable: " where)

#endif

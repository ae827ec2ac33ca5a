/*
 * paths.h - tests tell which paths of the machines they took, when DFS_PATHS_FILE names a file.
 *
 * Lines as `dfs-sim sweep --coverage` writes them are appended at the end of the process: programs that run at the same time share a file.
 */
#ifndef DFS_TESTS_SUPPORT_PATHS_H
#define DFS_TESTS_SUPPORT_PATHS_H

#include "core/env/env.h"

/* Does anybody want them? */
bool support_paths_wanted(void);

/* A trace; others than STATE and STAY are passed over. */
void support_paths_add(const struct dfs_trace *trace);

#endif

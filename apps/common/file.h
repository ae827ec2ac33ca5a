/*
 * file.h - small files of the programs themselves: configurations, keys, profiles, what `dfs local` keeps.
 */
#ifndef DFS_APPS_COMMON_FILE_H
#define DFS_APPS_COMMON_FILE_H

#include "core/base/status.h"
#include "core/conf/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * All of a file, ended with NUL (not counted), to be freed with dfs_free. ret_count may be NULL.
 *
 * NOT_FOUND, DENIED, IO, TOO_LARGE (over bytes_max)   ret_why, unless NULL, has "PATH: reason".
 */
enum dfs_status dfs_file_read(const char *path, size_t bytes_max, char **ret_bytes, size_t *ret_count,
                              struct dfs_why *ret_why) DFS_MUST_CHECK;

/* Writes a temporary beside it, syncs, renames: after a crash the file is the old or the new one. Errors as above. */
enum dfs_status dfs_file_write(const char *path, const void *bytes, size_t count, mode_t mode,
                               struct dfs_why *ret_why) DFS_MUST_CHECK;

/* With its parents. Fine when it is there. */
enum dfs_status dfs_directory_make(const char *path, mode_t mode, struct dfs_why *ret_why) DFS_MUST_CHECK;

bool dfs_file_exists(const char *path);

/* "DIR/NAME", to be freed with dfs_free. */
char *dfs_path_join(const char *directory, const char *name);

/* What a path in a file means: relative ones count from the file's directory. To be freed with dfs_free. */
char *dfs_path_beside(const char *file, const char *path);

/* The last component, without the slashes behind it; "" of "/". To be freed with dfs_free. */
char *dfs_path_base(const char *path);

/* Absolute, without looking at the file system's links. To be freed with dfs_free. */
char *dfs_path_absolute(const char *path);

#endif

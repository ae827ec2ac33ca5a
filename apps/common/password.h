/*
 * password.h - a password from a file, a terminal or standard input; never from the command line, which everybody can see.
 */
#ifndef DFS_APPS_COMMON_PASSWORD_H
#define DFS_APPS_COMMON_PASSWORD_H

#include "core/base/limits.h"
#include "core/base/status.h"
#include "core/conf/text.h"

#include <stdbool.h>

/*
 * The first line of `file`; without a file, asked for on the terminal without echo (`twice`: a new one, typed again), and where
 * standard input is no terminal its first line. The caller wipes it.
 *
 * BAD_USAGE: empty, too long, or the two differ; a file that cannot be read. ret_why says which.
 */
enum dfs_status dfs_password_read(const char *file, const char *prompt, bool twice,
                                  char ret_password[DFS_PASSWORD_BYTES_MAX + 1],
                                  struct dfs_why *ret_why) DFS_MUST_CHECK;

#endif

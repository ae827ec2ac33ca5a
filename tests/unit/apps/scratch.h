/* A directory that goes away with the test, and files in it. */
#ifndef DFS_TESTS_UNIT_APPS_SCRATCH_H
#define DFS_TESTS_UNIT_APPS_SCRATCH_H

#include "apps/common/file.h"
#include "core/base/mem.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scratch {
    char directory[64];
};

static inline int scratch_remove(const char *path, const struct stat *stat, int flag, struct FTW *ftw)
{
    (void)stat;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline struct scratch scratch_make(void)
{
    struct scratch scratch = {.directory = "/tmp/dfs-test-XXXXXX"};

    if (mkdtemp(scratch.directory) == NULL)
        abort();
    return scratch;
}

static inline void scratch_end(struct scratch *scratch)
{
    (void)nftw(scratch->directory, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* Static memory: used before the next call. */
static inline const char *scratch_path(const struct scratch *scratch, const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", scratch->directory, name);
    return path;
}

static inline const char *scratch_write(const struct scratch *scratch, const char *name, const char *text)
{
    const char *path = scratch_path(scratch, name);

    if (dfs_file_write(path, text, strlen(text), 0600, NULL) != DFS_OK)
        abort();
    return path;
}

#endif

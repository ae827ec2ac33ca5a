#include "core/base/status.h"

#include <string.h>

static const struct {
    const char *name;
    const char *words;
    int exit_code;
} statuses[DFS_STATUS_COUNT] = {
#define X(name_, exit_code_, words_) {.name = #name_, .words = (words_), .exit_code = (exit_code_)},
    DFS_STATUS_MAP(X)
#undef X
};

const char *dfs_status_name(enum dfs_status status)
{
    return (unsigned)status < DFS_STATUS_COUNT ? statuses[status].name : "?";
}

const char *dfs_status_words(enum dfs_status status)
{
    return (unsigned)status < DFS_STATUS_COUNT ? statuses[status].words : "unknown status";
}

int dfs_status_exit_code(enum dfs_status status)
{
    return (unsigned)status < DFS_STATUS_COUNT ? statuses[status].exit_code : 3;
}

bool dfs_status_find(const char *name, enum dfs_status *ret_status)
{
    for (unsigned i = 0; i < DFS_STATUS_COUNT; i++) {
        if (strcmp(statuses[i].name, name) == 0) {
            *ret_status = (enum dfs_status)i;
            return true;
        }
    }
    return false;
}

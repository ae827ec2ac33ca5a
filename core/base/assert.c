#include "core/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void (*dfs_panic_hook)(const char *line);

_Noreturn void dfs_panic(const char *file, int line, const char *function, const char *what)
{
    char text[512];

    (void)snprintf(text, sizeof text, "%s:%d: %s: assertion failed: %s", file, line, function, what);
    if (dfs_panic_hook != NULL)
        dfs_panic_hook(text);
    abort();
}

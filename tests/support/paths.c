#include "tests/support/paths.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of one test program: a machine has some hundreds. */
#define PATHS_MAX 1024
#define NAME_BYTES 32

static struct {
    char names[4][NAME_BYTES]; /* machine, from, why, to */
    uint64_t count;
} paths[PATHS_MAX];
static size_t paths_count;
static pid_t owner;
static const char *file_name;

bool support_paths_wanted(void)
{
    const char *name = getenv("DFS_PATHS_FILE");

    return name != NULL && name[0] != '\0';
}

/* One write: lines of programs that end at the same time do not mix. */
static void write_all(void)
{
    static char text[PATHS_MAX * (4 * NAME_BYTES + 80)];
    size_t count = 0;
    const int fd = getpid() == owner && file_name != NULL ? open(file_name, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;

    if (fd < 0)
        return;
    for (size_t i = 0; i < paths_count; i++)
        count += (size_t)snprintf(
            text + count, sizeof text - count,
            "{\"machine\":\"%s\",\"from\":\"%s\",\"why\":\"%s\",\"to\":\"%s\",\"count\":%llu,\"runs\":1}\n",
            paths[i].names[0], paths[i].names[1], paths[i].names[2], paths[i].names[3],
            (unsigned long long)paths[i].count);
    if (write(fd, text, count) != (ssize_t)count)
        (void)fprintf(stderr, "paths: %s takes no more\n", file_name);
    (void)close(fd);
}

void support_paths_add(const struct dfs_trace *trace)
{
    const char *const names[4] = {trace->text, trace->text2, trace->text4, trace->text3};
    size_t i = 0;

    if (trace->kind != DFS_TRACE_STATE && trace->kind != DFS_TRACE_STAY)
        return;
    if (owner == 0) {
        owner = getpid(); /* a child that a test forks tells nothing */
        file_name = getenv("DFS_PATHS_FILE");
        (void)atexit(write_all);
    }
    for (; i < paths_count; i++) {
        if (strcmp(paths[i].names[0], names[0]) == 0 && strcmp(paths[i].names[1], names[1]) == 0 &&
            strcmp(paths[i].names[2], names[2]) == 0 && strcmp(paths[i].names[3], names[3]) == 0)
            break;
    }
    if (i == PATHS_MAX)
        return;
    if (i == paths_count) {
        for (size_t k = 0; k < 4; k++)
            (void)snprintf(paths[i].names[k], NAME_BYTES, "%s", names[k]);
        paths_count++;
    }
    paths[i].count++;
}

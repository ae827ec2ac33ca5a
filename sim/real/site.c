#include "sim/real/site.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Between two looks at children, logs and the clock. */
#define TICK_NS (10 * DFS_MILLISECONDS)

/* Clock ------------------------------------------------------------------------------------------------------------- */

static dfs_time_ns machine_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (dfs_time_ns)now.tv_sec * DFS_SECONDS + (dfs_time_ns)now.tv_nsec;
}

void sim_real_site_zero(struct sim_real_site *site)
{
    site->zero = machine_now();
}

dfs_time_ns sim_real_now(const struct sim_real_site *site)
{
    return machine_now() - site->zero;
}

void sim_real_wait_tick(void)
{
    const struct timespec pause = {.tv_nsec = TICK_NS};

    (void)nanosleep(&pause, NULL);
}

/* Folder ------------------------------------------------------------------------------------------------------------ */

enum dfs_status sim_real_site_open(struct sim_real_site *site, const char *program, struct dfs_why *ret_why)
{
    const char *slash = strrchr(program, '/');
    const char *temporary = getenv("TMPDIR");

    (void)snprintf(site->bin, sizeof site->bin, "%.*s", slash == NULL ? 1 : (int)(slash - program),
                   slash == NULL ? "." : program);
    (void)snprintf(site->top, sizeof site->top, "%s/dfs-sim-XXXXXX", temporary == NULL ? "/tmp" : temporary);
    if (mkdtemp(site->top) == NULL) {
        dfs_why_set(ret_why, "%s: %s", site->top, strerror(errno));
        return DFS_IO;
    }
    sim_real_site_zero(site);
    return DFS_OK;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

void sim_real_site_close(struct sim_real_site *site)
{
    (void)nftw(site->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void sim_real_path(const struct sim_real_site *site, char *path, const char *format, ...)
{
    char rest[SIM_REAL_PATH_BYTES / 2];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(rest, sizeof rest, format, values);
    va_end(values);
    DFS_ASSERT(strlen(site->top) + strlen(rest) + 2 < SIM_REAL_PATH_BYTES);
    (void)stpcpy(stpcpy(stpcpy(path, site->top), "/"), rest);
}

char *sim_real_slurp(const char *path, size_t *ret_count)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long size;

    *ret_count = 0;
    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && size <= SIM_REAL_FILE_BYTES_MAX &&
        fseek(file, 0, SEEK_SET) == 0) {
        bytes = dfs_alloc((size_t)size + 1);
        *ret_count = fread(bytes, 1, (size_t)size, file);
        bytes[*ret_count] = '\0';
    }
    (void)fclose(file);
    return bytes;
}

json_t *sim_real_slurp_json(const char *path)
{
    size_t count;
    char *text = sim_real_slurp(path, &count);
    json_t *json = text == NULL ? NULL : json_loadb(text, count, 0, NULL);

    dfs_free(text);
    return json;
}

/* Processes --------------------------------------------------------------------------------------------------------- */

/* The rest of a child's life in this program. */
static _Noreturn void become(const struct sim_real_site *site, const char *const words[], struct sim_real_output output)
{
    const int flags = O_WRONLY | O_CREAT | (output.append ? O_APPEND : O_TRUNC);
    const int in_fd = open("/dev/null", O_RDONLY);
    const int out_fd = open(output.out != NULL ? output.out : "/dev/null", flags, 0600);
    const int err_fd = open(output.err != NULL ? output.err : "/dev/null", flags, 0600);
    char program[SIM_REAL_PATH_BYTES + 32];
    char *argv[SIM_REAL_WORDS_MAX + 1];
    size_t argc = 0;

    for (; words[argc] != NULL && argc < SIM_REAL_WORDS_MAX; argc++)
        argv[argc] = strdup(words[argc]); /* execv wants words that it could write to */
    argv[argc] = NULL;
    (void)snprintf(program, sizeof program, "%s/%s", site->bin, words[0]);
    if (in_fd >= 0 && out_fd >= 0 && err_fd >= 0 && dup2(in_fd, 0) >= 0 && dup2(out_fd, 1) >= 0 && dup2(err_fd, 2) >= 0)
        (void)execv(program, argv);
    _exit(127);
}

pid_t sim_real_start(const struct sim_real_site *site, const char *const words[], struct sim_real_output output)
{
    const pid_t pid = fork();

    if (pid == 0)
        become(site, words, output);
    return pid;
}

int sim_real_finish(pid_t pid, dfs_duration_ns limit)
{
    const dfs_time_ns end = machine_now() + limit;
    int status;

    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (machine_now() > end) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return -1;
        }
        sim_real_wait_tick();
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#include "apps/common/file.h"

#include "core/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum dfs_status failed(const char *path, int error, struct dfs_why *ret_why)
{
    dfs_why_set(ret_why, "%s: %s", path, strerror(error));
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return DFS_NOT_FOUND;
    case EACCES:
    case EPERM:
        return DFS_DENIED;
    case ENOSPC:
        return DFS_NO_SPACE;
    default:
        return DFS_IO;
    }
}

enum dfs_status dfs_file_read(const char *path, size_t bytes_max, char **ret_bytes, size_t *ret_count,
                              struct dfs_why *ret_why)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    size_t capacity = 4096;
    size_t count = 0;
    char *bytes;

    if (fd < 0)
        return failed(path, errno, ret_why);
    if (fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode)) {
        (void)close(fd);
        return failed(path, EISDIR, ret_why);
    }
    bytes = dfs_alloc(capacity);
    for (;;) {
        const ssize_t got = read(fd, bytes + count, capacity - count - 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            const int error = got < 0 ? errno : 0;

            (void)close(fd);
            if (error != 0) {
                dfs_free(bytes);
                return failed(path, error, ret_why);
            }
            break;
        }
        count += (size_t)got;
        if (count > bytes_max) {
            (void)close(fd);
            dfs_free(bytes);
            dfs_why_set(ret_why, "%s: longer than %zu bytes", path, bytes_max);
            return DFS_TOO_LARGE;
        }
        if (count + 1 == capacity) {
            capacity *= 2;
            bytes = dfs_realloc_array(bytes, capacity, 1);
        }
    }
    bytes[count] = '\0';
    *ret_bytes = bytes;
    if (ret_count != NULL)
        *ret_count = count;
    return DFS_OK;
}

static int write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t put = write(fd, bytes, count);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        bytes += put;
        count -= (size_t)put;
    }
    return 0;
}

enum dfs_status dfs_file_write(const char *path, const void *bytes, size_t count, mode_t mode, struct dfs_why *ret_why)
{
    const size_t room = strlen(path) + sizeof ".new-XXXXXX";
    char *temporary = dfs_alloc(room);
    int error = 0;
    int fd;

    (void)snprintf(temporary, room, "%s.new-XXXXXX", path);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        error = errno;
        dfs_free(temporary);
        return failed(path, error, ret_why);
    }
    error = write_all(fd, bytes, count);
    if (error == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0 && rename(temporary, path) != 0)
        error = errno;
    if (error != 0)
        (void)unlink(temporary);
    dfs_free(temporary);
    return error == 0 ? DFS_OK : failed(path, error, ret_why);
}

enum dfs_status dfs_directory_make(const char *path, mode_t mode, struct dfs_why *ret_why)
{
    char *part = dfs_path_join(path, "");
    enum dfs_status status = DFS_OK;
    struct stat stat_of;

    for (char *slash = strchr(part + 1, '/'); slash != NULL && status == DFS_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST)
            status = failed(part, errno, ret_why);
        *slash = '/';
    }
    if (status == DFS_OK && (stat(path, &stat_of) != 0 || !S_ISDIR(stat_of.st_mode)))
        status = failed(path, ENOTDIR, ret_why);
    dfs_free(part);
    return status;
}

bool dfs_file_exists(const char *path)
{
    struct stat stat_of;

    return stat(path, &stat_of) == 0;
}

char *dfs_path_join(const char *directory, const char *name)
{
    struct dfs_conf_text text = {0};

    dfs_conf_text_add(&text, "%s/%s", directory, name);
    return dfs_conf_text_take(&text);
}

static char *copy(const char *text, size_t count)
{
    char *bytes = dfs_alloc(count + 1);

    memcpy(bytes, text, count);
    bytes[count] = '\0';
    return bytes;
}

char *dfs_path_beside(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    struct dfs_conf_text text = {0};

    if (path[0] == '/' || slash == NULL)
        return copy(path, strlen(path));
    dfs_conf_text_add(&text, "%.*s/%s", (int)(slash - file), file, path);
    return dfs_conf_text_take(&text);
}

char *dfs_path_base(const char *path)
{
    size_t end = strlen(path);
    size_t begin;

    while (end > 0 && path[end - 1] == '/')
        end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';)
        begin--;
    return copy(path + begin, end - begin);
}

char *dfs_path_absolute(const char *path)
{
    char *here;
    char *joined;

    if (path[0] == '/')
        return copy(path, strlen(path));
    here = getcwd(NULL, 0);
    joined = dfs_path_join(here != NULL ? here : ".", path);
    free(here);
    return joined;
}

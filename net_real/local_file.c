#include "net_real/local_file.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/limits.h"
#include "net_real/local_table.h"
#include "net_real/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of a name kept in that of its temporary file, which has 255. */
#define TEMPORARY_NAME_BYTES 200
#define TEMPORARY_TRIES 100

/* A source or sink. `pending`, `forgotten` and `error` are under the table's mutex; `next` and `held` are the loop's. */
struct file {
    uint64_t number; /* the map's key */
    struct dfs_list link;
    struct dfs_local *local;
    struct dfs_pool_strand strand;
    unsigned pending;
    bool forgotten;
    int error;

    bool seekable;
    const struct dfs_local_source_ops *source; /* one of the two */
    const struct dfs_local_sink_ops *sink;
    void *ctx;

    uint64_t next;        /* of a sink that cannot seek: where the next push belongs */
    struct dfs_list held; /* pushes beyond that, by offset */
};

enum kind { PULL, PUSH, FINISH };

struct operation {
    struct dfs_pool_job job;
    struct dfs_list link; /* in `held` */
    struct dfs_local *local;
    struct file *file; /* NULL: there is no such number */
    enum kind kind;
    uint64_t token;
    uint64_t offset;
    uint8_t *bytes;
    size_t length;
    bool commit;
    enum dfs_status status; /* not OK before the run: nothing is to be done */
    size_t count;
    int error;
};

/* What stands behind files and descriptors. */
struct handle {
    struct dfs_local *local;
    int fd;
    bool own;       /* to be closed by us */
    bool waits;     /* a pipe or terminal: waited for together with the end of the host */
    uint64_t start; /* a regular file on standard input: where it stood */
    int directory;  /* of a file sink that is not committed: where its temporary is; -1 otherwise */
    bool durable;
    char *name;
    char temporary[NAME_MAX + 1];
};

/* Words ------------------------------------------------------------------------------------------------------------- */

static enum dfs_status refuse(char *ret_words, const char *path, int error)
{
    if (ret_words != NULL)
        (void)snprintf(ret_words, DFS_WORDS_BYTES_MAX, "%.180s: %s", path, strerror(error));
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return DFS_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return DFS_DENIED;
    case EISDIR:
        return DFS_BAD_USAGE;
    default:
        return DFS_IO;
    }
}

static enum dfs_status status_of_errno(int error)
{
    if (error == ENOSPC || error == EDQUOT)
        return DFS_NO_SPACE;
    return error == ECANCELED ? DFS_ABORTED : DFS_IO;
}

/* The table --------------------------------------------------------------------------------------------------------- */

static void file_free(struct file *file)
{
    if (file->source != NULL && file->source->close != NULL)
        file->source->close(file->ctx);
    if (file->sink != NULL && file->sink->close != NULL)
        file->sink->close(file->ctx);
    dfs_free(file);
}

static enum dfs_status file_register(struct dfs_local *local, const struct file *what, uint64_t *ret_number)
{
    struct file *file;
    bool full;

    file = dfs_alloc(sizeof *file);
    *file = *what;
    file->local = local;
    dfs_pool_strand_init(&file->strand);
    dfs_list_init(&file->held);
    pthread_mutex_lock(&local->mutex);
    full = local->files.count >= DFS_LOCAL_FILES_MAX;
    if (!full) {
        file->number = ++local->made;
        *ret_number = file->number;
        dfs_map_insert(&local->files, file);
        dfs_list_push(&local->all, &file->link);
    }
    pthread_mutex_unlock(&local->mutex);
    if (full)
        dfs_free(file);
    return full ? DFS_TOO_LARGE : DFS_OK;
}

/* Called with the mutex held. The caller frees it afterwards. */
static void file_unlink(struct file *file)
{
    (void)dfs_map_remove(&file->local->files, &file->number);
    dfs_list_remove(&file->link);
}

void dfs_local_forget(struct dfs_local *local, uint64_t number)
{
    struct file *file;
    bool idle = false;

    pthread_mutex_lock(&local->mutex);
    file = dfs_map_find(&local->files, &number);
    if (file != NULL) {
        file->forgotten = true;
        idle = file->pending == 0;
        if (idle)
            file_unlink(file);
    }
    pthread_mutex_unlock(&local->mutex);
    if (idle)
        file_free(file);
}

int dfs_local_error(struct dfs_local *local, uint64_t number)
{
    struct file *file;
    int error;

    pthread_mutex_lock(&local->mutex);
    file = dfs_map_find(&local->files, &number);
    error = file == NULL ? 0 : file->error;
    pthread_mutex_unlock(&local->mutex);
    return error;
}

/* Operations -------------------------------------------------------------------------------------------------------- */

static void run(struct dfs_pool_job *job)
{
    struct operation *op = dfs_container_of(job, struct operation, job);
    struct file *file = op->file;

    if (op->status != DFS_OK)
        return;
    errno = 0;
    switch (op->kind) {
    case PULL:
        op->status = file->source->read(file->ctx, op->offset, op->bytes, op->length, &op->count);
        break;
    case PUSH:
        op->status = file->sink->write(file->ctx, op->offset, op->bytes, op->length);
        break;
    case FINISH:
        if (file->sink->finish != NULL)
            op->status = file->sink->finish(file->ctx, op->commit);
        break;
    }
    if (op->status != DFS_OK)
        op->error = errno;
}

static void done(struct dfs_pool_job *job)
{
    struct operation *op = dfs_container_of(job, struct operation, job);
    struct dfs_local *local = op->local;
    struct file *file = op->file;
    bool over = false;

    pthread_mutex_lock(&local->mutex);
    if (file != NULL) {
        if (op->error != 0)
            file->error = op->error;
        over = --file->pending == 0 && file->forgotten;
        if (over)
            file_unlink(file);
    }
    pthread_mutex_unlock(&local->mutex);
    if (over)
        file_free(file);
    local->answer(local->ctx, op->kind != PULL, op->token, op->count, op->status, op->kind == FINISH);
    dfs_free(op);
}

/* Takes the number's file, if it is of that kind, with one more operation pending. */
static struct operation *operation_new(struct dfs_local *local, enum kind kind, uint64_t number, uint64_t token)
{
    struct operation *op = dfs_alloc_zero(sizeof *op);
    struct file *file;

    op->local = local;
    op->kind = kind;
    op->token = token;
    op->job.run = run;
    op->job.done = done;
    dfs_list_init(&op->link);
    pthread_mutex_lock(&local->mutex);
    file = dfs_map_find(&local->files, &number);
    if (file != NULL && !file->forgotten && (kind == PULL ? file->source != NULL : file->sink != NULL)) {
        file->pending++;
        op->file = file;
    } else {
        op->status = DFS_NOT_FOUND;
    }
    pthread_mutex_unlock(&local->mutex);
    return op;
}

static void submit(struct operation *op)
{
    op->job.shared = op->kind != FINISH && op->file != NULL && op->file->seekable;
    dfs_pool_submit(op->local->pool, &op->job, op->file == NULL ? NULL : &op->file->strand, NULL);
}

static void take_bytes(struct operation *op, uint64_t offset, struct dfs_buf *buf, size_t buf_offset, size_t length)
{
    DFS_ASSERT(buf_offset + length <= buf->capacity);
    op->offset = offset;
    op->bytes = buf->bytes + buf_offset;
    op->length = length;
}

void dfs_local_pull(struct dfs_local *local, uint64_t source, uint64_t offset, struct dfs_buf *buf, size_t buf_offset,
                    size_t length, uint64_t token)
{
    struct operation *op = operation_new(local, PULL, source, token);

    take_bytes(op, offset, buf, buf_offset, length);
    submit(op);
}

/* Blocks of a file arrive in any order, a pipe takes them in one. */
static void hold(struct file *file, struct operation *op)
{
    struct dfs_list *before = &file->held;

    dfs_list_each(link, &file->held)
    {
        if (dfs_container_of(link, struct operation, link)->offset > op->offset) {
            before = link;
            break;
        }
    }
    dfs_list_insert(before, &op->link);
}

static void submit_in_order(struct file *file, struct operation *op)
{
    for (;;) {
        struct dfs_list *first;

        file->next += op->length;
        submit(op);
        first = dfs_list_first(&file->held);
        if (first == NULL)
            return;
        op = dfs_container_of(first, struct operation, link);
        if (op->offset != file->next)
            return;
        dfs_list_remove(first);
    }
}

void dfs_local_push(struct dfs_local *local, uint64_t sink, uint64_t offset, struct dfs_buf *buf, size_t buf_offset,
                    size_t length, uint64_t token)
{
    struct operation *op = operation_new(local, PUSH, sink, token);

    take_bytes(op, offset, buf, buf_offset, length);
    if (op->file == NULL || op->file->seekable)
        submit(op);
    else if (offset == op->file->next)
        submit_in_order(op->file, op);
    else
        hold(op->file, op);
}

void dfs_local_finish(struct dfs_local *local, uint64_t sink, bool commit, uint64_t token)
{
    struct operation *op = operation_new(local, FINISH, sink, token);
    struct dfs_list *link;
    bool hole = false;

    while (op->file != NULL && (link = dfs_list_pop(&op->file->held)) != NULL) {
        struct operation *held = dfs_container_of(link, struct operation, link);

        held->status = DFS_ABORTED;
        submit(held);
        hole = true;
    }
    op->commit = commit && !hole;
    if (commit && hole)
        op->status = DFS_IO; /* something before it was never pushed */
    submit(op);
}

/* Descriptors ------------------------------------------------------------------------------------------------------- */

/* 0, or ECANCELED when the host ends, or errno. */
static int wait_ready(const struct handle *handle, short events)
{
    struct pollfd fds[2] = {{.fd = handle->fd, .events = events}, {.fd = handle->local->end_fd, .events = POLLIN}};

    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return errno;
    return fds[1].revents != 0 ? ECANCELED : 0;
}

static enum dfs_status fail_with(int error)
{
    errno = error;
    return status_of_errno(error);
}

/* In order: as much as there is until the end. */
static enum dfs_status read_stream(void *ctx, uint64_t offset, uint8_t *bytes, size_t length, size_t *ret_count)
{
    struct handle *handle = ctx;

    (void)offset;
    while (*ret_count < length) {
        const int error = wait_ready(handle, POLLIN);
        ssize_t got;

        if (error != 0)
            return fail_with(error);
        got = read(handle->fd, bytes + *ret_count, length - *ret_count);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return fail_with(errno);
        if (got == 0)
            break;
        *ret_count += (size_t)got;
    }
    return DFS_OK;
}

static enum dfs_status read_file(void *ctx, uint64_t offset, uint8_t *bytes, size_t length, size_t *ret_count)
{
    struct handle *handle = ctx;

    while (*ret_count < length) {
        const ssize_t got =
            pread(handle->fd, bytes + *ret_count, length - *ret_count, (off_t)(handle->start + offset + *ret_count));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_with(errno);
        if (got == 0)
            break;
        *ret_count += (size_t)got;
    }
    return DFS_OK;
}

static enum dfs_status write_stream(void *ctx, uint64_t offset, const uint8_t *bytes, size_t length)
{
    struct handle *handle = ctx;
    size_t at = 0;

    (void)offset;
    while (at < length) {
        const int error = handle->waits ? wait_ready(handle, POLLOUT) : 0;
        ssize_t written;

        if (error != 0)
            return fail_with(error);
        written = write(handle->fd, bytes + at, length - at);
        if (written < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (written < 0)
            return fail_with(errno);
        at += (size_t)written;
    }
    return DFS_OK;
}

static enum dfs_status write_file(void *ctx, uint64_t offset, const uint8_t *bytes, size_t length)
{
    struct handle *handle = ctx;
    size_t at = 0;

    while (at < length) {
        const ssize_t written = pwrite(handle->fd, bytes + at, length - at, (off_t)(offset + at));

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_with(errno);
        at += (size_t)written;
    }
    return DFS_OK;
}

/* The temporary goes, if it is still one. */
static void remove_temporary(struct handle *handle)
{
    if (handle->directory < 0)
        return;
    (void)unlinkat(handle->directory, handle->temporary, 0);
    (void)close(handle->directory);
    handle->directory = -1;
}

/* 0 or errno. */
static int publish_temporary(struct handle *handle)
{
    if (handle->durable && fdatasync(handle->fd) != 0)
        return errno;
    if (renameat(handle->directory, handle->temporary, handle->directory, handle->name) != 0)
        return errno;
    if (handle->durable && fsync(handle->directory) != 0)
        return errno;
    (void)close(handle->directory);
    handle->directory = -1;
    return 0;
}

static enum dfs_status finish_file(void *ctx, bool commit)
{
    struct handle *handle = ctx;
    const int error = commit ? publish_temporary(handle) : 0;

    remove_temporary(handle);
    return error == 0 ? DFS_OK : fail_with(error);
}

static void close_handle(void *ctx)
{
    struct handle *handle = ctx;

    remove_temporary(handle);
    if (handle->own)
        (void)close(handle->fd);
    dfs_free(handle->name);
    dfs_free(handle);
}

static const struct dfs_local_source_ops stream_source = {.read = read_stream, .close = close_handle};
static const struct dfs_local_source_ops file_source = {.read = read_file, .close = close_handle};
static const struct dfs_local_sink_ops stream_sink = {.write = write_stream, .close = close_handle};
static const struct dfs_local_sink_ops file_sink = {.write = write_file, .finish = finish_file, .close = close_handle};

static struct handle *handle_new(struct dfs_local *local, int fd, bool own)
{
    struct handle *handle = dfs_alloc_zero(sizeof *handle);

    handle->local = local;
    handle->fd = fd;
    handle->own = own;
    handle->directory = -1;
    return handle;
}

/* Registration ------------------------------------------------------------------------------------------------------ */

static enum dfs_status register_source(struct dfs_local *local, const struct dfs_local_source_ops *ops, void *take_ctx,
                                       bool seekable, uint64_t *ret_number)
{
    const struct file file = {.source = ops, .ctx = take_ctx, .seekable = seekable};
    const enum dfs_status status = file_register(local, &file, ret_number);

    if (status != DFS_OK && ops->close != NULL)
        ops->close(take_ctx);
    return status;
}

static enum dfs_status register_sink(struct dfs_local *local, const struct dfs_local_sink_ops *ops, void *take_ctx,
                                     bool seekable, uint64_t *ret_number)
{
    const struct file file = {.sink = ops, .ctx = take_ctx, .seekable = seekable};
    const enum dfs_status status = file_register(local, &file, ret_number);

    if (status != DFS_OK && ops->close != NULL)
        ops->close(take_ctx);
    return status;
}

enum dfs_status dfs_local_source_custom(struct dfs_local *local, const struct dfs_local_source_ops *ops, void *ctx,
                                        bool seekable, uint64_t *ret_number)
{
    return register_source(local, ops, ctx, seekable, ret_number);
}

enum dfs_status dfs_local_sink_custom(struct dfs_local *local, const struct dfs_local_sink_ops *ops, void *ctx,
                                      bool seekable, uint64_t *ret_number)
{
    return register_sink(local, ops, ctx, seekable, ret_number);
}

static enum dfs_status source_open(struct dfs_local *local, int fd, bool own, uint64_t *ret_number,
                                   struct dfs_local_info *ret_info)
{
    struct handle *handle = handle_new(local, fd, own);
    off_t at = 0;
    struct stat stat;

    *ret_info = (struct dfs_local_info){0};
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && (own || (at = lseek(fd, 0, SEEK_CUR)) >= 0)) {
        handle->start = (uint64_t)at;
        ret_info->seekable = true;
        ret_info->bytes = stat.st_size > at ? (uint64_t)(stat.st_size - at) : 0;
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return register_source(local, ret_info->seekable ? &file_source : &stream_source, handle, ret_info->seekable,
                           ret_number);
}

enum dfs_status dfs_local_source_file(struct dfs_local *local, const char *path, char *ret_words, uint64_t *ret_number,
                                      struct dfs_local_info *ret_info)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;

    if (fd < 0)
        return refuse(ret_words, path, errno);
    if (fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode)) {
        (void)close(fd);
        return refuse(ret_words, path, EISDIR);
    }
    return source_open(local, fd, true, ret_number, ret_info);
}

enum dfs_status dfs_local_source_descriptor(struct dfs_local *local, int descriptor, uint64_t *ret_number,
                                            struct dfs_local_info *ret_info)
{
    return source_open(local, descriptor, false, ret_number, ret_info);
}

/* A pipe is opened once more, without blocking: the flag on the descriptor that we were given would be shared with whoever else has it,
 * and a write that blocks could not be ended. */
enum dfs_status dfs_local_sink_descriptor(struct dfs_local *local, int descriptor, uint64_t *ret_number)
{
    struct handle *handle = handle_new(local, descriptor, false);
    char path[64];
    struct stat stat;
    int again;

    if (fstat(descriptor, &stat) == 0 && S_ISFIFO(stat.st_mode)) {
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        again = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        handle->own = again >= 0;
        handle->waits = again >= 0;
        handle->fd = again >= 0 ? again : descriptor;
    }
    return register_sink(local, &stream_sink, handle, false, ret_number);
}

static char *copy_text(const char *text)
{
    const size_t count = strlen(text) + 1;
    char *copy = dfs_alloc(count);

    memcpy(copy, text, count);
    return copy;
}

/* A link is followed, so that what it points to is replaced and not the link. To be freed with free(). */
static char *follow(const char *path)
{
    struct stat stat;
    char *real = NULL;

    if (lstat(path, &stat) == 0 && S_ISLNK(stat.st_mode))
        real = realpath(path, NULL);
    return real != NULL ? real : copy_text(path);
}

/* Cuts a path in directory and name. False: it has no name. */
static bool split(char *path, const char **ret_directory, const char **ret_name)
{
    char *slash = strrchr(path, '/');

    *ret_name = slash == NULL ? path : slash + 1;
    *ret_directory = slash == NULL ? "." : slash == path ? "/" : path;
    if (slash != NULL)
        *slash = '\0';
    return (*ret_name)[0] != '\0' && strcmp(*ret_name, ".") != 0 && strcmp(*ret_name, "..") != 0;
}

/* The descriptor, or -1 with errno. */
static int create_temporary(struct handle *handle)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        uint8_t random[6];
        char ending[sizeof random + 1] = {0};
        int fd;

        dfs_os_random(random, sizeof random);
        for (size_t j = 0; j < sizeof random; j++)
            ending[j] = letters[random[j] % 32];
        (void)snprintf(handle->temporary, sizeof handle->temporary, ".%.*s.part-%s", TEMPORARY_NAME_BYTES, handle->name,
                       ending);
        fd = openat(handle->directory, handle->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    errno = EEXIST;
    return -1;
}

/* 0 or errno. */
static int open_temporary(struct handle *handle, const char *directory, const char *name, bool durable)
{
    struct stat stat;

    handle->name = copy_text(name);
    handle->durable = durable;
    handle->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle->directory < 0)
        return errno;
    handle->fd = create_temporary(handle);
    if (handle->fd < 0) {
        const int error = errno;

        (void)close(handle->directory);
        handle->directory = -1;
        return error;
    }
    handle->own = true;
    if (fstatat(handle->directory, name, &stat, 0) == 0)
        (void)fchmod(handle->fd, stat.st_mode & 0777); /* what replaces a file may be read by the same people */
    return 0;
}

static enum dfs_status sink_temporary(struct dfs_local *local, const char *path, bool durable, char *ret_words,
                                      uint64_t *ret_number)
{
    char *real = follow(path);
    struct handle *handle = handle_new(local, -1, false);
    const char *directory;
    const char *name;
    int error = EISDIR;

    if (split(real, &directory, &name))
        error = open_temporary(handle, directory, name, durable);
    free(real);
    if (error == 0)
        return register_sink(local, &file_sink, handle, true, ret_number);
    close_handle(handle);
    return refuse(ret_words, path, error);
}

enum dfs_status dfs_local_sink_file(struct dfs_local *local, const char *path, bool durable, char *ret_words,
                                    uint64_t *ret_number)
{
    struct handle *handle;
    struct stat status;
    int fd;

    if (stat(path, &status) != 0 || S_ISREG(status.st_mode))
        return sink_temporary(local, path, durable, ret_words, ret_number);
    if (S_ISDIR(status.st_mode))
        return refuse(ret_words, path, EISDIR);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse(ret_words, path, errno);
    handle = handle_new(local, fd, true);
    return register_sink(local, &stream_sink, handle, false, ret_number);
}

/* Life -------------------------------------------------------------------------------------------------------------- */

void dfs_local_init(struct dfs_local *local, struct dfs_pool *pool)
{
    *local = (struct dfs_local){.pool = pool, .end_fd = eventfd(0, EFD_CLOEXEC)};
    DFS_ASSERT(local->end_fd >= 0);
    pthread_mutex_init(&local->mutex, NULL);
    dfs_map_init(&local->files, offsetof(struct file, number), sizeof(uint64_t), 0);
    dfs_list_init(&local->all);
}

void dfs_local_abort(struct dfs_local *local)
{
    const uint64_t one = 1;
    const ssize_t rc = write(local->end_fd, &one, sizeof one);

    (void)rc; /* the counter cannot be full */
    pthread_mutex_lock(&local->mutex);
    dfs_list_each(link, &local->all)
    {
        struct file *file = dfs_container_of(link, struct file, link);
        struct dfs_list *held;

        while ((held = dfs_list_pop(&file->held)) != NULL) {
            struct operation *op = dfs_container_of(held, struct operation, link);

            op->status = DFS_ABORTED;
            submit(op);
        }
    }
    pthread_mutex_unlock(&local->mutex);
}

void dfs_local_close(struct dfs_local *local)
{
    struct dfs_list *link;

    while ((link = dfs_list_pop(&local->all)) != NULL)
        file_free(dfs_container_of(link, struct file, link));
    dfs_map_close(&local->files);
    pthread_mutex_destroy(&local->mutex);
    (void)close(local->end_fd);
}

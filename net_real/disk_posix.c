#include "net_real/disk_posix.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A name with something going on. Made and freed by the loop's thread; its descriptors are changed by the jobs of its strand. */
struct file {
    char name[DFS_FILE_NAME_BYTES_MAX]; /* zero padded: the map's key */
    struct dfs_pool_strand strand;
    unsigned pending; /* loop's thread */

    int write_fd;        /* between CREATE and PUBLISH, REMOVE or FORGET; -1 otherwise. Exclusive jobs only */
    bool lost;           /* a sync of it failed: nothing of it can be trusted */
    uint64_t early_from; /* written and not yet asked to be written back */
    uint64_t early_to;

    int read_fd; /* under the disk's mutex, since reads share a strand */
    bool stale;  /* read_fd is no longer what the name says */
    struct dfs_list
        link; /* in `cold` when only open for reading and nothing is pending, else in `warm`; loop's thread */
    bool cold;
};

struct operation {
    struct dfs_pool_job job;
    struct dfs_disk_posix *disk;
    struct file *file;
    struct file *file2;
    struct dfs_list link; /* SYNC_DIR */
    struct dfs_disk_done done;
    uint8_t *bytes;
    uint64_t offset;
    uint64_t length;
    int error; /* errno behind a status that is not OK */
    struct dfs_disk_entry *entries;
    char *names;
};

/* Files ------------------------------------------------------------------------------------------------------------ */

static bool name_is_plain(const char *name)
{
    const size_t count = strlen(name);

    return count > 0 && count < DFS_FILE_NAME_BYTES_MAX && name[0] != '.' && strchr(name, '/') == NULL;
}

/* The one for `name`, made when new, with one more operation pending. */
static struct file *file_take(struct dfs_disk_posix *disk, const char *name)
{
    char key[DFS_FILE_NAME_BYTES_MAX] = {0};
    struct file *file;

    DFS_ASSERT(name != NULL && name_is_plain(name));
    memcpy(key, name, strlen(name));
    file = dfs_map_find(&disk->files, key);
    if (file == NULL) {
        file = dfs_alloc_zero(sizeof *file);
        memcpy(file->name, key, sizeof key);
        dfs_pool_strand_init(&file->strand);
        dfs_list_push(&disk->warm, &file->link);
        file->write_fd = -1;
        file->read_fd = -1;
        dfs_map_insert(&disk->files, file);
    }
    if (file->cold) {
        dfs_list_remove(&file->link);
        dfs_list_push(&disk->warm, &file->link);
        disk->cold_count--;
        file->cold = false;
    }
    file->pending++;
    return file;
}

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void file_free(struct dfs_disk_posix *disk, struct file *file)
{
    (void)dfs_map_remove(&disk->files, file->name);
    dfs_list_remove(&file->link);
    close_if_open(&file->write_fd);
    close_if_open(&file->read_fd);
    dfs_free(file);
}

static void cold_limit(struct dfs_disk_posix *disk)
{
    while (disk->cold_count > DFS_DISK_READ_FILES_MAX) {
        disk->cold_count--;
        file_free(disk, dfs_container_of(dfs_list_first(&disk->cold), struct file, link));
    }
}

/* One operation less. Nothing runs on an idle file, so its descriptors are the loop's to look at. */
static void file_release(struct dfs_disk_posix *disk, struct file *file)
{
    if (file == NULL || --file->pending > 0)
        return;
    if (file->stale)
        close_if_open(&file->read_fd);
    file->stale = false;
    if (file->write_fd >= 0)
        return; /* an idle temporary: stays until its verb comes */
    if (file->read_fd < 0) {
        file_free(disk, file);
        return;
    }
    dfs_list_remove(&file->link);
    dfs_list_push(&disk->cold, &file->link);
    disk->cold_count++;
    file->cold = true;
    cold_limit(disk);
}

/* Pool threads ----------------------------------------------------------------------------------------------------- */

static struct operation *operation_of(struct dfs_pool_job *job)
{
    return dfs_container_of(job, struct operation, job);
}

static enum dfs_status status_of_errno(int error)
{
    switch (error) {
    case ENOENT:
        return DFS_NOT_FOUND;
    case EEXIST:
        return DFS_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return DFS_NO_SPACE;
    default:
        return DFS_IO;
    }
}

static void set_failed(struct operation *op, int error)
{
    op->done.status = status_of_errno(error);
    op->error = error;
}

static void run_create(struct dfs_pool_job *job)
{
    struct operation *op = operation_of(job);
    struct file *file = op->file;
    const int directory = op->disk->directory;
    const int fd = openat(directory, file->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);

    if (fd < 0) {
        set_failed(op, errno);
        return;
    }
    /* Not posix_fallocate: where the file system has no such thing it writes zeros instead. */
    if (op->length > 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)op->length) != 0 && errno != EOPNOTSUPP) {
        set_failed(op, errno);
        (void)close(fd);
        (void)unlinkat(directory, file->name, 0);
        return;
    }
    file->write_fd = fd;
    file->lost = false;
    file->early_from = 0;
    file->early_to = 0;
}

/* The file that WRITE and SYNC are about, or false with the answer set. */
static bool needs_open(struct operation *op)
{
    if (op->file->write_fd < 0) {
        op->done.status = DFS_NOT_FOUND;
        op->error = EBADF;
    } else if (op->file->lost) {
        op->done.status = DFS_IO;
        op->error = EIO;
    }
    return op->done.status == DFS_OK;
}

static void write_back_early(struct file *file, uint64_t from, uint64_t to)
{
    if (file->early_from == file->early_to)
        file->early_from = from;
    file->early_from = from < file->early_from ? from : file->early_from;
    file->early_to = to > file->early_to ? to : file->early_to;
    if (file->early_to - file->early_from < DFS_DISK_EARLY_BYTES)
        return;
    /* A hint: the sync finds out what went wrong. */
    (void)sync_file_range(file->write_fd, (off_t)file->early_from, (off_t)(file->early_to - file->early_from),
                          SYNC_FILE_RANGE_WRITE);
    file->early_from = file->early_to;
}

static void run_write(struct dfs_pool_job *job)
{
    struct operation *op = operation_of(job);
    uint64_t at = 0;

    if (!needs_open(op))
        return;
    while (at < op->length) {
        const ssize_t count =
            pwrite(op->file->write_fd, op->bytes + at, (size_t)(op->length - at), (off_t)(op->offset + at));

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            set_failed(op, count < 0 ? errno : EIO);
            return;
        }
        at += (uint64_t)count;
    }
    write_back_early(op->file, op->offset, op->offset + op->length);
}

static void run_sync(struct dfs_pool_job *job)
{
    struct operation *op = operation_of(job);

    if (!needs_open(op))
        return;
    if (fdatasync(op->file->write_fd) == 0)
        return;
    set_failed(op, errno);
    op->file->lost = true;
}

/* rename without replace, for file systems that know only link(). */
static int publish_by_link(int directory, const char *from, const char *to)
{
    if (linkat(directory, from, directory, to, 0) != 0)
        return -1;
    return unlinkat(directory, from, 0);
}

static void close_reading(struct dfs_disk_posix *disk, struct file *file)
{
    pthread_mutex_lock(&disk->mutex);
    close_if_open(&file->read_fd);
    pthread_mutex_unlock(&disk->mutex);
}

static void run_publish(struct dfs_pool_job *job)
{
    struct operation *op = operation_of(job);
    const int directory = op->disk->directory;
    int rc;

    if (op->file->lost) {
        op->done.status = DFS_IO;
        op->error = EIO;
        return;
    }
    rc = renameat2(directory, op->file->name, directory, op->file2->name, RENAME_NOREPLACE);
    if (rc != 0 && (errno == EINVAL || errno == ENOSYS))
        rc = publish_by_link(directory, op->file->name, op->file2->name);
    if (rc != 0) {
        set_failed(op, errno);
        return;
    }
    close_if_open(&op->file->write_fd);
    close_reading(op->disk, op->file);
    close_reading(op->disk, op->file2);
}

static void run_remove(struct dfs_pool_job *job)
{
    struct operation *op = operation_of(job);

    if (unlinkat(op->disk->directory, op->file->name, 0) != 0)
        set_failed(op, errno);
    if (op->done.status != DFS_OK && op->done.status != DFS_NOT_FOUND)
        return;
    /* Here the last descriptor goes, and with it the file's blocks: work for a pool thread. */
    close_if_open(&op->file->write_fd);
    op->file->lost = false;
    close_reading(op->disk, op->file);
}

static void run_forget(struct dfs_pool_job *job)
{
    struct operation *op = operation_of(job);

    close_if_open(&op->file->write_fd);
    op->file->lost = false;
}

static bool is_removed(int fd)
{
    struct stat stat;

    return fstat(fd, &stat) == 0 && stat.st_nlink == 0;
}

static int open_for_reading(struct operation *op)
{
    const int fd = openat(op->disk->directory, op->file->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        set_failed(op, errno);
    else
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return fd;
}

/* The kept descriptor, or a new one that is kept from now on. *ret_own: it is this operation's alone. */
static int take_reading(struct operation *op, bool *ret_own)
{
    struct dfs_disk_posix *disk = op->disk;
    struct file *file = op->file;
    int kept;
    int fd;

    *ret_own = false;
    pthread_mutex_lock(&disk->mutex);
    kept = file->read_fd;
    pthread_mutex_unlock(&disk->mutex);
    if (kept >= 0 && !is_removed(kept))
        return kept;
    fd = open_for_reading(op);
    pthread_mutex_lock(&disk->mutex);
    if (kept >= 0)
        file->stale = true; /* another read may be using it: it is closed when all have ended */
    if (fd >= 0 && file->read_fd < 0)
        file->read_fd = fd;
    else
        *ret_own = true;
    pthread_mutex_unlock(&disk->mutex);
    return fd;
}

static void run_read(struct dfs_pool_job *job)
{
    struct operation *op = operation_of(job);
    bool own;
    int fd = take_reading(op, &own);
    uint64_t at = 0;

    while (fd >= 0 && at < op->length) {
        const ssize_t count = pread(fd, op->bytes + at, (size_t)(op->length - at), (off_t)(op->offset + at));

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            set_failed(op, errno);
        if (count <= 0)
            break;
        at += (uint64_t)count;
    }
    op->done.count = at;
    if (own)
        close_if_open(&fd);
}

/* Names one behind the other, each with its end; positions become pointers when the memory no longer moves. */
struct listing {
    char *names;
    size_t names_count;
    size_t names_capacity;
    struct dfs_disk_entry *entries;
    size_t *positions;
    size_t count;
    size_t capacity;
};

static void listing_add(struct listing *list, const char *name, uint64_t bytes)
{
    const size_t length = strlen(name) + 1;

    if (list->names_count + length > list->names_capacity) {
        list->names_capacity = 2 * list->names_capacity + 4096;
        list->names = dfs_realloc_array(list->names, list->names_capacity, 1);
    }
    if (list->count == list->capacity) {
        list->capacity = 2 * list->capacity + 64;
        list->entries = dfs_realloc_array(list->entries, list->capacity, sizeof list->entries[0]);
        list->positions = dfs_realloc_array(list->positions, list->capacity, sizeof list->positions[0]);
    }
    memcpy(list->names + list->names_count, name, length);
    list->positions[list->count] = list->names_count;
    list->entries[list->count++] = (struct dfs_disk_entry){.bytes = bytes};
    list->names_count += length;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct dfs_disk_entry *)a)->name, ((const struct dfs_disk_entry *)b)->name);
}

static DIR *open_listing(int directory)
{
    const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (dir == NULL && fd >= 0)
        (void)close(fd);
    return dir;
}

/* 0 or errno. A name that went away between readdir and fstatat was not there. */
static int list_all(DIR *dir, int directory, struct listing *list)
{
    for (;;) {
        struct dirent *entry;
        struct stat stat;

        errno = 0;
        entry = readdir(dir);
        if (entry == NULL)
            return errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(directory, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0)
            listing_add(list, entry->d_name, (uint64_t)stat.st_size);
        else if (errno != ENOENT)
            return errno;
    }
}

static void run_list(struct dfs_pool_job *job)
{
    struct operation *op = operation_of(job);
    struct listing list = {0};
    DIR *dir = open_listing(op->disk->directory);
    const int error = dir == NULL ? errno : list_all(dir, op->disk->directory, &list);

    if (dir != NULL)
        (void)closedir(dir);
    if (error != 0) {
        op->done.status = DFS_IO; /* never NOT_FOUND: a directory that is gone is not an empty one */
        op->error = error;
        list.count = 0;
    }
    for (size_t i = 0; i < list.count; i++)
        list.entries[i].name = list.names + list.positions[i];
    if (list.count > 0)
        qsort(list.entries, list.count, sizeof list.entries[0], compare_entries);
    dfs_free(list.positions);
    op->names = list.names;
    op->entries = list.entries;
    op->done.entries = list.entries;
    op->done.count = list.count;
}

static void run_space(struct dfs_pool_job *job)
{
    struct operation *op = operation_of(job);
    struct statvfs space;

    if (fstatvfs(op->disk->directory, &space) != 0) {
        set_failed(op, errno);
        return;
    }
    op->done.capacity_bytes = (uint64_t)space.f_blocks * space.f_frsize;
    op->done.free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
}

/* Takes up all SYNC_DIRs that wait now: they were submitted before this fsync, which is all that they ask for. */
static void run_sync_dir(struct dfs_pool_job *job)
{
    struct dfs_disk_posix *disk = dfs_container_of(job, struct dfs_disk_posix, sync_job);
    struct dfs_list *link;

    pthread_mutex_lock(&disk->mutex);
    while ((link = dfs_list_pop(&disk->syncs)) != NULL)
        dfs_list_push(&disk->syncs_done, link);
    pthread_mutex_unlock(&disk->mutex);
    disk->syncs_status = DFS_OK;
    disk->syncs_error = 0;
    if (disk->directory_lost || fsync(disk->directory) != 0) {
        disk->syncs_error = disk->directory_lost ? EIO : errno;
        disk->syncs_status = DFS_IO;
        disk->directory_lost = true;
    }
}

/* Loop's thread ---------------------------------------------------------------------------------------------------- */

static void complain(const struct operation *op)
{
    char text[DFS_WORDS_BYTES_MAX];

    (void)snprintf(text, sizeof text, "disk: %s %s: %s", dfs_disk_verb_name(op->done.verb),
                   op->file != NULL ? op->file->name : "(directory)", strerror(op->error));
    op->disk->complain(op->disk->ctx, text);
}

/* The names are released before the answer: the machine may submit for them again at once. */
static void operation_end(struct operation *op)
{
    struct dfs_disk_posix *disk = op->disk;

    if (op->done.status == DFS_IO || op->done.status == DFS_NO_SPACE)
        complain(op);
    file_release(disk, op->file);
    file_release(disk, op->file2);
    disk->answer(disk->ctx, &op->done);
    dfs_free(op->entries);
    dfs_free(op->names);
    dfs_free(op);
}

static void on_done(struct dfs_pool_job *job)
{
    operation_end(operation_of(job));
}

static void submit_sync_dir(struct dfs_disk_posix *disk)
{
    disk->sync_submitted = true;
    dfs_pool_submit(disk->pool, &disk->sync_job, NULL, NULL);
}

static void on_sync_dir_done(struct dfs_pool_job *job)
{
    struct dfs_disk_posix *disk = dfs_container_of(job, struct dfs_disk_posix, sync_job);
    const enum dfs_status status = disk->syncs_status;
    const int error = disk->syncs_error;
    struct dfs_list batch;
    struct dfs_list *link;
    bool more;

    dfs_list_init(&batch);
    while ((link = dfs_list_pop(&disk->syncs_done)) != NULL)
        dfs_list_push(&batch, link);
    pthread_mutex_lock(&disk->mutex);
    more = !dfs_list_empty(&disk->syncs);
    pthread_mutex_unlock(&disk->mutex);
    disk->sync_submitted = false;
    if (more)
        submit_sync_dir(disk);
    while ((link = dfs_list_pop(&batch)) != NULL) {
        struct operation *op = dfs_container_of(link, struct operation, link);

        op->done.status = status;
        op->error = error;
        operation_end(op);
    }
}

static void submit_to_directory(struct dfs_disk_posix *disk, struct operation *op)
{
    pthread_mutex_lock(&disk->mutex);
    dfs_list_push(&disk->syncs, &op->link);
    pthread_mutex_unlock(&disk->mutex);
    if (!disk->sync_submitted)
        submit_sync_dir(disk);
}

static void (*const runs[DFS_DISK_VERB_COUNT])(struct dfs_pool_job *job) = {
    [DFS_DISK_CREATE] = run_create,   [DFS_DISK_WRITE] = run_write, [DFS_DISK_SYNC] = run_sync,
    [DFS_DISK_PUBLISH] = run_publish, [DFS_DISK_READ] = run_read,   [DFS_DISK_REMOVE] = run_remove,
    [DFS_DISK_LIST] = run_list,       [DFS_DISK_SPACE] = run_space, [DFS_DISK_FORGET] = run_forget,
};

static bool has_name(enum dfs_disk_verb verb)
{
    return verb != DFS_DISK_SYNC_DIR && verb != DFS_DISK_LIST && verb != DFS_DISK_SPACE;
}

void dfs_disk_posix_submit(struct dfs_disk_posix *disk, const struct dfs_disk_op *what)
{
    struct operation *op = dfs_alloc_zero(sizeof *op);

    DFS_ASSERT(disk->directory >= 0 && what->verb < DFS_DISK_VERB_COUNT);
    op->disk = disk;
    op->done.verb = what->verb;
    op->done.token = what->token;
    op->offset = what->offset;
    op->length = what->length;
    dfs_list_init(&op->link);
    if (what->verb == DFS_DISK_SYNC_DIR) {
        submit_to_directory(disk, op);
        return;
    }
    if (what->buf != NULL) {
        DFS_ASSERT(what->buf_offset + what->length <= what->buf->capacity);
        op->bytes = what->buf->bytes + what->buf_offset;
    }
    if (has_name(what->verb))
        op->file = file_take(disk, what->name);
    if (what->verb == DFS_DISK_PUBLISH)
        op->file2 = file_take(disk, what->name2);
    op->job.shared = what->verb == DFS_DISK_READ;
    op->job.slow = what->verb == DFS_DISK_SYNC || what->verb == DFS_DISK_LIST;
    op->job.run = runs[what->verb];
    op->job.done = on_done;
    dfs_pool_submit(disk->pool, &op->job, op->file == NULL ? NULL : &op->file->strand,
                    op->file2 == NULL ? NULL : &op->file2->strand);
}

/* Life ------------------------------------------------------------------------------------------------------------- */

void dfs_disk_posix_init(struct dfs_disk_posix *disk, struct dfs_pool *pool)
{
    *disk = (struct dfs_disk_posix){.pool = pool, .directory = -1};
    disk->sync_job = (struct dfs_pool_job){.slow = true, .run = run_sync_dir, .done = on_sync_dir_done};
    dfs_map_init(&disk->files, offsetof(struct file, name), DFS_FILE_NAME_BYTES_MAX, 0);
    dfs_list_init(&disk->warm);
    dfs_list_init(&disk->cold);
    dfs_list_init(&disk->syncs);
    dfs_list_init(&disk->syncs_done);
    pthread_mutex_init(&disk->mutex, NULL);
}

enum dfs_status dfs_disk_posix_open(struct dfs_disk_posix *disk, const char *directory,
                                    char ret_words[DFS_WORDS_BYTES_MAX])
{
    disk->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->directory < 0) {
        (void)snprintf(ret_words, DFS_WORDS_BYTES_MAX, "%.150s: %s", directory, strerror(errno));
        return DFS_IO;
    }
    if (flock(disk->directory, LOCK_EX | LOCK_NB) == 0)
        return DFS_OK;
    (void)snprintf(ret_words, DFS_WORDS_BYTES_MAX, "%.150s: %s", directory,
                   errno == EWOULDBLOCK ? "in use by another process" : strerror(errno));
    close_if_open(&disk->directory);
    return DFS_IO;
}

static void free_all(struct dfs_disk_posix *disk, struct dfs_list *files)
{
    struct dfs_list *link;

    while ((link = dfs_list_first(files)) != NULL)
        file_free(disk, dfs_container_of(link, struct file, link));
}

void dfs_disk_posix_close(struct dfs_disk_posix *disk)
{
    free_all(disk, &disk->warm);
    free_all(disk, &disk->cold);
    dfs_map_close(&disk->files);
    close_if_open(&disk->directory);
    pthread_mutex_destroy(&disk->mutex);
}

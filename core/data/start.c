/*
 * start.c - what the disk says when the process starts, and whether it still is our disk later.
 *
 * The inventory comes from the disk, never from memory, and nothing but temporaries is removed at a start. A
 * store that lacks its marker is not vouched for: an unmounted disk is an empty directory (design, section 4;
 * HDFS and MooseFS both have deleted good copies over one).
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARKER_NAME "marker"
#define MARKER_TEMP "marker.tmp-0" /* published whole, so a marker is either there or not */
#define MARKER_MAGIC 0x4446534du   /* "DFSM" */
#define MARKER_VERSION 1
#define MARKER_LOOKS 3 /* one answer of a disk decides nothing */
#define MARKER_BYTES (4 + 2 + 2 * DFS_ID_BYTES + 4)

#define SEEN_PREFIX "seen-"
#define SEEN_DIGITS 16

static void load(struct dfs_data *data);

/* Marker ------------------------------------------------------------------------------------------------- */

static void marker_encode(const struct dfs_data *data, uint8_t ret_bytes[MARKER_BYTES])
{
    struct dfs_wr w = dfs_wr_make(ret_bytes, MARKER_BYTES);

    dfs_wr_be(&w, MARKER_MAGIC, 4);
    dfs_wr_be(&w, MARKER_VERSION, 2);
    dfs_wr_bytes(&w, data->config.cluster.bytes, DFS_ID_BYTES);
    dfs_wr_bytes(&w, data->config.node.bytes, DFS_ID_BYTES);
    dfs_wr_be(&w, dfs_crc32c(0, ret_bytes, dfs_wr_count(&w)), 4);
    DFS_ASSERT(!w.bad && w.at == w.end);
}

/* A marker at all? *ret_ours: this cluster's and this node's. */
static bool marker_decode(const struct dfs_data *data, const uint8_t *bytes, size_t count, bool *ret_ours)
{
    uint8_t ours[MARKER_BYTES];
    struct dfs_rd r = dfs_rd_make(bytes, count);

    if (count != MARKER_BYTES || dfs_rd_be(&r, 4) != MARKER_MAGIC)
        return false;
    r = dfs_rd_make(bytes + MARKER_BYTES - 4, 4);
    if (dfs_rd_be(&r, 4) != dfs_crc32c(0, bytes, MARKER_BYTES - 4))
        return false;
    marker_encode(data, ours);
    *ret_ours = memcmp(ours, bytes, MARKER_BYTES) == 0;
    return true;
}

/* The name of the position that a file keeps; false: not such a file. */
static bool seen_parse(const char *name, uint64_t *ret_position)
{
    const char *digits = name + strlen(SEEN_PREFIX);
    uint64_t value = 0;

    if (strncmp(name, SEEN_PREFIX, strlen(SEEN_PREFIX)) != 0 || strlen(digits) != SEEN_DIGITS)
        return false;
    for (unsigned i = 0; i < SEEN_DIGITS; i++) {
        const char c = digits[i];

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret_position = value;
    return true;
}

static void seen_name(uint64_t position, char ret_name[DFS_FILE_NAME_BYTES_MAX])
{
    (void)snprintf(ret_name, DFS_FILE_NAME_BYTES_MAX, SEEN_PREFIX "%016llx", (unsigned long long)position);
}

static void remove_file(struct dfs_data *data, const char *name)
{
    data_io_submit(data, NULL, NULL, NULL, 0, (struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = name});
}

static void remove_seen(struct dfs_data *data, uint64_t position)
{
    char name[DFS_FILE_NAME_BYTES_MAX];

    seen_name(position, name);
    remove_file(data, name);
}

/* Loading ------------------------------------------------------------------------------------------------ */

static void start_ready(struct dfs_data *data)
{
    data->start_failed = false;
    data_timer_set(data, &data->store_timer, dfs_time_add(data->now, DATA_STORE_CHECK_NS));
    data_scrub_begin(data);
    data_control_begin(data);
}

static void start_retry(struct dfs_data *data, enum dfs_status status, const char *words)
{
    dfs_trace_note(&data->env, status, words);
    data->start_failed = true;
    data_timer_set(data, &data->start_timer, dfs_time_add(data->now, DATA_START_RETRY_NS));
}

/* Everything has answered: is this the store that the node left behind? */
static void start_judge(struct dfs_data *data)
{
    if (data->phase != DATA_NODE_LOADING)
        return;
    if (data->start_failed) {
        start_retry(data, DFS_IO, "the store cannot be read; trying again");
        return;
    }
    if (data->marker_foreign) {
        data_control_stop(data, DFS_WRONG_CLUSTER, "disk");
        return;
    }
    if (data->marker_found) {
        start_ready(data);
        return;
    }
    if (data->config.fresh_store && data->blocks.count == 0) {
        data_start_write_marker(data);
        return;
    }
    /* Blocks without a marker may be anybody's: the node vouches for none of them. They stay on the disk. */
    data->store_lost = true;
    data_blocks_forget(data);
    dfs_trace_note(&data->env, DFS_STORE_LOST, "the store has no marker");
    start_ready(data);
}

static void start_answered(struct dfs_data *data)
{
    if (--data->start_pending == 0)
        start_judge(data);
}

static void on_temp_removed(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                            uint64_t tag)
{
    (void)owner;
    (void)done;
    (void)buf;
    (void)tag;
    start_answered(data);
}

/* "NAME.tmp-N": the number, so that ours will be others. */
static bool temp_parse(const char *name, uint64_t *ret_number)
{
    const char *mark = strstr(name, ".tmp-");

    if (mark == NULL)
        return false;
    *ret_number = strtoull(mark + strlen(".tmp-"), NULL, 16);
    return true;
}

static void list_entry(struct dfs_data *data, const struct dfs_disk_entry *entry)
{
    struct dfs_block_id block;
    uint64_t number;

    if (temp_parse(entry->name, &number)) {
        if (number >= data->temp_next && number < UINT64_MAX / 2)
            data->temp_next = number + 1;
        data->start_pending++;
        data_io_submit(data, &data->store_ios, on_temp_removed, data, 0,
                       (struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = entry->name});
    } else if (dfs_block_name_parse(entry->name, &block)) {
        (void)data_block_listed(data, &block, entry->bytes);
    } else if (seen_parse(entry->name, &number)) {
        if (number > data->seen_stored) {
            if (data->seen_stored > 0)
                remove_seen(data, data->seen_stored);
            data->seen_stored = number;
        }
    } else if (strcmp(entry->name, MARKER_NAME) != 0) {
        data->files_foreign++;
    }
}

static void on_list(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                    uint64_t tag)
{
    (void)owner;
    (void)buf;
    (void)tag;
    if (done->status != DFS_OK) {
        data->start_failed = true;
    } else {
        data_blocks_forget(data); /* of an earlier try */
        data->files_foreign = 0;
        for (uint64_t i = 0; i < done->count; i++)
            list_entry(data, &done->entries[i]);
        if (data->seen < data->seen_stored)
            data->seen = data->seen_stored;
    }
    start_answered(data);
}

void data_space_answer(struct dfs_data *data, const struct dfs_disk_done *done)
{
    data->capacity_bytes = done->capacity_bytes;
    data->free_bytes = done->free_bytes;
    if (data->config.capacity_bytes > 0 && data->config.capacity_bytes < data->capacity_bytes) {
        const uint64_t capacity = data->config.capacity_bytes;
        const uint64_t left = capacity > data->blocks_bytes ? capacity - data->blocks_bytes : 0;

        data->capacity_bytes = capacity;
        if (data->free_bytes > left)
            data->free_bytes = left;
    }
}

static void on_space(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                     uint64_t tag)
{
    (void)owner;
    (void)buf;
    (void)tag;
    if (done->status == DFS_OK)
        data_space_answer(data, done);
    else
        data->start_failed = true;
    start_answered(data);
}

static void on_marker(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                      uint64_t tag)
{
    bool ours = false;

    (void)owner;
    (void)tag;
    data->marker_found = false;
    if (done->status == DFS_OK) {
        data->marker_found = marker_decode(data, buf->bytes, done->count, &ours);
        if (!data->marker_found && ++data->marker_misses < MARKER_LOOKS)
            data->start_failed = true; /* the file is there: perhaps the disk read another one */
    } else if (done->status != DFS_NOT_FOUND) {
        data->start_failed = true;
    }
    data->marker_foreign = data->marker_found && !ours;
    start_answered(data);
}

static bool read_marker(struct dfs_data *data, data_io_done *done)
{
    struct dfs_buf *buf = dfs_buf_new(&data->pool, MARKER_BYTES + 1);

    if (buf == NULL)
        return false;
    /* One byte more than a marker has: a longer file is none. */
    data_io_submit(
        data, &data->store_ios, done, data, 0,
        (struct dfs_disk_op){.verb = DFS_DISK_READ, .name = MARKER_NAME, .buf = buf, .length = MARKER_BYTES + 1});
    dfs_buf_unref(buf);
    return true;
}

static void load(struct dfs_data *data)
{
    data->start_failed = false;
    data->start_pending = 3;
    data_io_submit(data, &data->store_ios, on_list, data, 0, (struct dfs_disk_op){.verb = DFS_DISK_LIST});
    data_io_submit(data, &data->store_ios, on_space, data, 0, (struct dfs_disk_op){.verb = DFS_DISK_SPACE});
    if (!read_marker(data, on_marker)) {
        data->start_failed = true;
        start_answered(data);
    }
}

/* Writing the marker ------------------------------------------------------------------------------------- */

static void marker_failed(struct dfs_data *data, enum dfs_status status)
{
    data->marker_writing = false;
    remove_file(data, MARKER_TEMP);
    if (data->phase == DATA_NODE_LOADING)
        start_retry(data, status, "the store's marker cannot be written; trying again");
    else
        dfs_trace_note(&data->env, status, "the store's marker cannot be written");
}

/* MARKER_REMOVE: one that is there and says nothing is in the way. */
enum marker_step { MARKER_CREATE, MARKER_WRITE, MARKER_SYNC, MARKER_REMOVE, MARKER_PUBLISH, MARKER_SYNC_DIR };

static void marker_step(struct dfs_data *data, enum marker_step step);

static void on_marker_step(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                           uint64_t tag)
{
    (void)owner;
    (void)buf;
    if (done->status != DFS_OK && !(tag == MARKER_REMOVE && done->status == DFS_NOT_FOUND)) {
        marker_failed(data, done->status);
        return;
    }
    if (tag != MARKER_SYNC_DIR) {
        marker_step(data, (enum marker_step)(tag + 1));
        return;
    }
    data->marker_found = true;
    data->marker_writing = false;
    data->store_lost = false;
    data->write_refused = false;
    if (data->phase == DATA_NODE_LOADING)
        start_ready(data);
}

static void marker_step(struct dfs_data *data, enum marker_step step)
{
    struct dfs_disk_op op = {.name = MARKER_TEMP};

    switch (step) {
    case MARKER_CREATE:
        op.verb = DFS_DISK_CREATE;
        break;
    case MARKER_WRITE:
        op.verb = DFS_DISK_WRITE;
        op.buf = dfs_buf_new(&data->pool, MARKER_BYTES);
        op.length = MARKER_BYTES;
        if (op.buf == NULL) {
            marker_failed(data, DFS_UNAVAILABLE);
            return;
        }
        marker_encode(data, op.buf->bytes);
        break;
    case MARKER_SYNC:
        op.verb = DFS_DISK_SYNC;
        break;
    case MARKER_REMOVE:
        op = (struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = MARKER_NAME};
        break;
    case MARKER_PUBLISH:
        op.verb = DFS_DISK_PUBLISH;
        op.name2 = MARKER_NAME;
        break;
    case MARKER_SYNC_DIR:
        op = (struct dfs_disk_op){.verb = DFS_DISK_SYNC_DIR};
        break;
    }
    data_io_submit(data, &data->store_ios, on_marker_step, data, step, op);
    dfs_buf_unref(op.buf);
}

void data_start_write_marker(struct dfs_data *data)
{
    if (data->marker_writing || data->marker_foreign)
        return; /* another node's store stays as it is */
    data->marker_writing = true;
    marker_step(data, MARKER_CREATE);
}

/* Later checks ------------------------------------------------------------------------------------------- */

/* The disk went away under us: whatever we said we have, we do not. */
static void store_vanished(struct dfs_data *data)
{
    data->marker_found = false;
    data->store_lost = true;
    data_blocks_forget(data);
    dfs_trace_note(&data->env, DFS_STORE_LOST, "the store's marker is gone");
    data_control_again(data, false, "disk");
}

static void look_for_marker(struct dfs_data *data);

static void on_marker_again(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                            uint64_t tag)
{
    bool ours = false;

    (void)owner;
    (void)tag;
    data->marker_checking = false;
    if (!data->marker_found)
        return; /* known already */
    if (done->status == DFS_OK && marker_decode(data, buf->bytes, done->count, &ours)) {
        data->marker_misses = 0;
        data->marker_foreign = !ours;
        if (!ours)
            store_vanished(data); /* another disk is mounted here */
    } else if (done->status == DFS_NOT_FOUND && ++data->marker_misses < MARKER_LOOKS) {
        look_for_marker(data);
    } else if (done->status == DFS_NOT_FOUND) {
        store_vanished(data);
    } /* a disk that fails, or reads nonsense, is sick, which is not the same as gone */
}

static void look_for_marker(struct dfs_data *data)
{
    data->marker_checking = read_marker(data, on_marker_again);
}

void data_store_check(struct dfs_data *data)
{
    /* One at a time; none for a store that is known to be lost, or before it was known at all. */
    if (data->marker_checking || !data->marker_found || data->phase == DATA_NODE_LOADING)
        return;
    data->marker_misses = 0;
    look_for_marker(data);
}

static void on_space_again(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                           uint64_t tag)
{
    (void)owner;
    (void)buf;
    (void)tag;
    if (done->status == DFS_OK)
        data_space_answer(data, done);
}

static void on_store_timer(struct dfs_data *data, struct data_timer *timer)
{
    data_timer_set(data, timer, dfs_time_add(data->now, DATA_STORE_CHECK_NS));
    data_io_submit(data, &data->store_ios, on_space_again, data, 0, (struct dfs_disk_op){.verb = DFS_DISK_SPACE});
    if (data->store_lost && data->phase == DATA_NODE_SERVING)
        data_start_write_marker(data); /* it could not be written then; perhaps there is a new disk now */
    if (data->write_refused)
        data_probe(data);
    data_store_check(data);
    data_stumps_remove(data);
}

/* The journal position that metadata was seen at --------------------------------------------------------- */

static void on_seen_named(struct data_dir_wait *wait, enum dfs_status status)
{
    struct dfs_data *data = dfs_container_of(wait, struct dfs_data, seen_wait);

    data->seen_writing = false;
    if (status != DFS_OK)
        return;
    if (data->seen_stored > 0)
        remove_seen(data, data->seen_stored);
    data->seen_stored = data->seen_target;
    if (data->seen != data->seen_stored && !dfs_heap_has(&data->seen_timer.item))
        data_timer_set(data, &data->seen_timer, dfs_time_add(data->now, DATA_SEEN_NS));
}

static void on_seen_created(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                            uint64_t tag)
{
    (void)owner;
    (void)buf;
    (void)tag;
    if (done->status != DFS_OK && done->status != DFS_EXISTS) {
        data->seen_writing = false;
        return; /* the next position tries again */
    }
    char name[DFS_FILE_NAME_BYTES_MAX];

    seen_name(data->seen_target, name);
    data_io_submit(data, NULL, NULL, NULL, 0, (struct dfs_disk_op){.verb = DFS_DISK_FORGET, .name = name});
    data_dir_sync(data, &data->seen_wait);
}

void data_seen_store(struct dfs_data *data)
{
    char name[DFS_FILE_NAME_BYTES_MAX];

    if (data->seen_writing || data->seen == data->seen_stored || !data->marker_found)
        return;
    data->seen_writing = true;
    data->seen_target = data->seen;
    seen_name(data->seen_target, name);
    data_io_submit(data, &data->store_ios, on_seen_created, data, 0,
                   (struct dfs_disk_op){.verb = DFS_DISK_CREATE, .name = name});
}

void data_seen(struct dfs_data *data, uint64_t journal)
{
    if (journal <= data->seen)
        return;
    data->seen = journal;
    if (!data->seen_writing && !dfs_heap_has(&data->seen_timer.item))
        data_timer_set(data, &data->seen_timer, dfs_time_add(data->now, DATA_SEEN_NS));
}

void data_seen_set_back(struct dfs_data *data, uint64_t journal)
{
    data->seen = journal;
    data_seen_store(data);
}

static void on_seen_timer(struct dfs_data *data, struct data_timer *timer)
{
    (void)timer;
    data_seen_store(data);
}

/* -------------------------------------------------------------------------------------------------------- */

static void on_start_timer(struct dfs_data *data, struct data_timer *timer)
{
    (void)timer;
    load(data);
}

void data_start(struct dfs_data *data)
{
    data_timer_init(&data->start_timer, on_start_timer);
    data_timer_init(&data->store_timer, on_store_timer);
    data_timer_init(&data->seen_timer, on_seen_timer);
    dfs_list_init(&data->seen_wait.link);
    data->seen_wait.done = on_seen_named;
    load(data);
}

/*
 * writable.c - whether the store can be written, and whether it has room: asked when a write says that it has not.
 *
 * A disk that turned read-only goes on answering reads. What it holds stays good and counts as copies; but each block
 * that is placed on it costs its writer a try. So a write that fails with IO raises the question, and a probe goes
 * through all that the write of a block needs, with files of its own. A step that fails PROBE_LOOKS times in
 * succession is the answer: the server offers no room, in heartbeats and at BLOCK_WRITE, until a later probe (one with
 * every look at the store) comes to its end. A disk that fails now and then passes.
 *
 * NO_SPACE asks for the room at once rather than at the next look. Either news goes out with a heartbeat of its own:
 * metadata chooses another server for the very next try.
 */
#include "core/data/data_internal.h"

#include <string.h>

/* Temporaries by their names: what a crash leaves of them goes at the next start. */
#define PROBE_TEMP "probe.tmp-0"
#define PROBE_NAMED "probe.tmp-1"
#define PROBE_BYTES 512
#define PROBE_LOOKS 3 /* one answer of a disk decides nothing */

/* The first two clear away what an earlier probe could not remove; how they end says nothing. */
enum probe_step {
    PROBE_CLEAR_TEMP,
    PROBE_CLEAR_NAMED,
    PROBE_CREATE,
    PROBE_WRITE,
    PROBE_SYNC,
    PROBE_PUBLISH,
    PROBE_SYNC_DIR,
    PROBE_COUNT
};
_Static_assert(PROBE_COUNT == DATA_PROBE_STEPS, "a count of failures a step");

uint64_t data_room_offered(const struct dfs_data *data)
{
    const bool takes = data->marker_found && !data->write_refused && !data->leaving;

    if (!takes)
        return DFS_ROOM_NONE;
    return data->free_bytes > DFS_ROOM_FULL ? data->free_bytes : DFS_ROOM_FULL;
}

/* Writes --------------------------------------------------------------------------------------------------- */

static void probe_step(struct dfs_data *data, enum probe_step step);

static void remove_file(struct dfs_data *data, const char *name)
{
    data_io_submit(data, NULL, NULL, NULL, 0, (struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = name});
}

static void probe_end(struct dfs_data *data, bool refused)
{
    const bool news = refused != data->write_refused;

    data->probing = false;
    data->write_refused = refused;
    remove_file(data, PROBE_TEMP);
    remove_file(data, PROBE_NAMED);
    if (!news)
        return;
    dfs_trace_note(&data->env, refused ? DFS_IO : DFS_OK,
                   refused ? "the store cannot be written: nothing is placed here until it can"
                           : "the store can be written again");
    data_heartbeat_news(data);
}

static void on_probed(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                      uint64_t tag)
{
    (void)owner;
    (void)buf;
    if (done->status != DFS_IO || tag < PROBE_CREATE) {
        data->probe_failures[tag] = 0;
        if (tag + 1 == PROBE_COUNT || done->status == DFS_NO_SPACE) /* a full disk is another matter */
            probe_end(data, false);
        else
            probe_step(data, (enum probe_step)(tag + 1));
    } else if (++data->probe_failures[tag] < PROBE_LOOKS) {
        probe_step(data, PROBE_CLEAR_TEMP);
    } else {
        data->probe_failures[tag] = 0;
        probe_end(data, true);
    }
}

static void probe_step(struct dfs_data *data, enum probe_step step)
{
    static const enum dfs_disk_verb verbs[PROBE_COUNT] = {
        DFS_DISK_REMOVE, DFS_DISK_REMOVE,  DFS_DISK_CREATE,   DFS_DISK_WRITE,
        DFS_DISK_SYNC,   DFS_DISK_PUBLISH, DFS_DISK_SYNC_DIR,
    };
    struct dfs_disk_op op = {.verb = verbs[step], .name = step == PROBE_CLEAR_NAMED ? PROBE_NAMED : PROBE_TEMP};

    if (step == PROBE_PUBLISH)
        op.name2 = PROBE_NAMED;
    if (step == PROBE_SYNC_DIR)
        op.name = NULL;
    if (step == PROBE_WRITE) {
        op.buf = dfs_buf_new(&data->pool, PROBE_BYTES);
        op.length = PROBE_BYTES;
        if (op.buf == NULL) { /* no memory for it: whoever fails next, or the next look, asks again */
            probe_end(data, data->write_refused);
            return;
        }
        memset(op.buf->bytes, 0, PROBE_BYTES);
    }
    data_io_submit(data, &data->store_ios, on_probed, data, step, op);
    dfs_buf_unref(op.buf);
}

void data_probe(struct dfs_data *data)
{
    if (data->probing)
        return;
    data->probing = true;
    memset(data->probe_failures, 0, sizeof data->probe_failures);
    probe_step(data, PROBE_CLEAR_TEMP);
}

/* Room ----------------------------------------------------------------------------------------------------- */

static void on_room(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                    uint64_t tag)
{
    (void)owner;
    (void)buf;
    (void)tag;
    data->room_asked = false;
    if (done->status != DFS_OK)
        return;
    data_space_answer(data, done);
    if (!data_room_is_left(data))
        data_room_short(data);
}

static void ask_for_room(struct dfs_data *data)
{
    if (data->room_asked)
        return;
    data->room_asked = true;
    data_io_submit(data, &data->store_ios, on_room, data, 0, (struct dfs_disk_op){.verb = DFS_DISK_SPACE});
}

/* Once between two heartbeats that come by themselves: a server that is filling up refuses many. */
void data_room_short(struct dfs_data *data)
{
    if (data->short_told || data->room_told <= data_room_offered(data))
        return;
    data->short_told = true;
    data_heartbeat_news(data);
}

/* ---------------------------------------------------------------------------------------------------------- */

void data_write_failed(struct dfs_data *data, enum dfs_status status)
{
    if (data->phase == DATA_NODE_LOADING || data->store_lost)
        return; /* not known yet, or known for worse */
    if (status == DFS_NO_SPACE)
        ask_for_room(data);
    else if (status == DFS_IO && !data->write_refused)
        data_probe(data);
}

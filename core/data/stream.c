/*
 * stream.c - bytes of a block file on their way to a connection: read, verified against the block's
 * checksums, sent in frames.
 *
 * One read at a time, while up to `window` frames wait to leave. No byte leaves that was not verified just
 * before, and one that does not verify is read once more before the file is called bad (a misdirected read is
 * not a damaged file).
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"

static void run(struct data_hungry *hungry)
{
    data_stream_pump(dfs_container_of(hungry, struct data_stream, hungry));
}

void data_stream_init(struct data_stream *stream, struct dfs_data *data)
{
    *stream = (struct data_stream){.data = data};
    data_hungry_init(&stream->hungry, run);
    dfs_list_init(&stream->ios);
    dfs_list_init(&stream->sent);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Where the next frame ends on the disk: whole chunks, as far as there are bytes. stream->offset itself when
 * there is nothing yet. */
static uint32_t piece_end(const struct data_stream *stream)
{
    const uint64_t rounded = ((uint64_t)stream->end + DFS_CHUNK_BYTES - 1) / DFS_CHUNK_BYTES * DFS_CHUNK_BYTES;
    uint32_t end = rounded < stream->length_bytes ? (uint32_t)rounded : stream->length_bytes;

    end = least(end, stream->offset + stream->data->frame_bytes);
    if (end > stream->available)
        end = stream->available == stream->length_bytes ? stream->available
                                                        : stream->available / DFS_CHUNK_BYTES * DFS_CHUNK_BYTES;
    return end > stream->offset ? end : stream->offset;
}

/* Do the bytes from stream->offset on have the checksums they ought to have? */
static bool verify(const struct data_stream *stream, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t at = 0; at < count; at += DFS_CHUNK_BYTES) {
        if (dfs_crc32c(0, bytes + at, least(count - at, DFS_CHUNK_BYTES)) !=
            stream->crcs[(stream->offset + at) / DFS_CHUNK_BYTES])
            return false;
    }
    return true;
}

/* Sends verified bytes (whole chunks) as far as they were asked for. The checksum of a chunk that is cut
 * short is made anew. */
static void send_piece(struct data_stream *stream, struct dfs_buf *buf, uint32_t buf_offset, uint32_t count)
{
    const uint32_t first = stream->offset / DFS_CHUNK_BYTES;
    const uint32_t wanted = least(count, stream->end - stream->offset);
    const uint32_t chunks = data_chunks_of(wanted);
    const uint32_t tail = wanted - (chunks - 1) * DFS_CHUNK_BYTES;
    uint32_t crcs[DFS_CHUNKS_PER_FRAME_MAX + 1];

    for (uint32_t i = 0; i < chunks; i++)
        crcs[i] = stream->crcs[first + i];
    if (wanted < count)
        crcs[chunks - 1] = dfs_crc32c(0, buf->bytes + buf_offset + wanted - tail, tail);
    stream->data->counters.reads_bytes += wanted;
    data_peer_send_frame(stream->peer, stream, stream->request, stream->offset, crcs, chunks, buf, buf_offset, wanted);
}

/* A piece lies in `buf`, whose share of the sending bytes passes on. */
static void take_piece(struct data_stream *stream, struct dfs_buf *buf, uint32_t buf_offset, uint32_t count)
{
    if (stream->peer != NULL) {
        send_piece(stream, buf, buf_offset, count);
        dfs_buf_unref(buf); /* the frame on its way has its own reference, and takes over the share */
    } else {
        data_sending_drop(stream->data, buf);
    }
    stream->offset = least(stream->offset + count, stream->end);
    stream->tried = false;
}

static void stream_failed(struct data_stream *stream, enum dfs_status status)
{
    stream->done = true;
    stream->failed(stream, status);
}

static void on_read(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                    uint64_t tag)
{
    struct data_stream *stream = owner;
    const uint32_t count = (uint32_t)tag;
    enum dfs_status status = done->status;

    stream->reading = false;
    if (status == DFS_OK && (done->count != count || !verify(stream, buf->bytes, count)))
        status = DFS_BLOCK_CORRUPT;
    if (status == DFS_OK) {
        take_piece(stream, buf, 0, count);
        data_stream_pump(stream);
        return;
    }
    data_sending_drop(data, buf);
    if (status == DFS_NOT_FOUND) {
        stream_failed(stream, DFS_BLOCK_MISSING);
    } else if (!stream->tried) {
        stream->tried = true;
        data_stream_pump(stream);
    } else {
        stream_failed(stream, status);
    }
}

/* The whole block was read with its footer. */
static void take_first(struct data_stream *stream)
{
    struct dfs_buf *buf = stream->first;
    const uint32_t begin = stream->offset;
    const uint32_t end = piece_end(stream);

    stream->first = NULL;
    if (!verify(stream, buf->bytes + begin, end - begin)) {
        data_sending_drop(stream->data, buf);
        stream->tried = true; /* that was the first try; read again, from the file */
        return;
    }
    take_piece(stream, buf, begin, end - begin);
}

static bool may_go_on(const struct data_stream *stream)
{
    return !stream->done && !stream->hold && !stream->reading && stream->offset < stream->end &&
           (stream->peer == NULL || stream->inflight < stream->window);
}

void data_stream_pump(struct data_stream *stream)
{
    struct dfs_data *data = stream->data;

    if (may_go_on(stream) && stream->first != NULL)
        take_first(stream);
    if (may_go_on(stream)) {
        const uint32_t end = piece_end(stream);
        struct dfs_buf *buf;

        if (end == stream->offset)
            return;
        buf = data_sending_take(data, end - stream->offset);
        if (buf == NULL) {
            data_hungry_wait(data, &stream->hungry);
            return;
        }
        stream->reading = true;
        data_io_submit(data, &stream->ios, on_read, stream, end - stream->offset,
                       (struct dfs_disk_op){.verb = DFS_DISK_READ,
                                            .name = stream->name,
                                            .buf = buf,
                                            .offset = stream->offset,
                                            .length = end - stream->offset});
        return;
    }
    if (!stream->done && !stream->reading && stream->offset == stream->end) {
        stream->done = true;
        stream->sent_all(stream);
    }
}

bool data_stream_forward(struct data_stream *stream, struct dfs_buf *buf, uint32_t offset, uint32_t count)
{
    if (!may_go_on(stream) || stream->offset != offset || !data_sending_add(stream->data, buf))
        return false;
    take_piece(stream, buf, 0, count);
    return true;
}

void data_stream_sent(struct data_stream *stream)
{
    if (stream->moved != NULL)
        stream->moved(stream);
    data_stream_pump(stream);
}

void data_stream_close(struct data_stream *stream)
{
    if (stream->data == NULL)
        return;
    dfs_list_remove(&stream->hungry.link);
    dfs_list_each(at, &stream->ios) data_sending_drop(stream->data, dfs_container_of(at, struct data_io, link)->buf);
    data_io_forget(&stream->ios);
    if (stream->first != NULL)
        data_sending_drop(stream->data, stream->first);
    stream->first = NULL;
    data_stream_detach_sent(stream);
    stream->data = NULL;
}

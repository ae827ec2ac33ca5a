/*
 * write.c - a block being written here: from the first frame to the receipt.
 *
 *     RECEIVING    frames are verified, written to a temporary from the buffer they came in, and forwarded out of the same buffer
 *     SYNCING      all bytes and the footer are written
 *     PUBLISHING   renamed, without replacing
 *     COMPARING    the name was taken: are these the same bytes?
 *     NAMING       the directory is being synced
 *     CHAINING     our copy is stored; the answer waits for those behind us
 *
 * A block that is published already is not written again: the frames are compared with what is stored
 * (`matching`), and what is passed on comes from our own copy, so that replicas agree whatever the sender
 * sends.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/mem.h"

#include <string.h>

static const char *const write_names[] = {
#define X(name) #name,
    DATA_WRITE_PHASES(X)
#undef X
};

#define TO(phase) (1u << DATA_WRITE_##phase)
static const uint32_t write_edges[DATA_WRITE_COUNT] = {
    [DATA_WRITE_RECEIVING] = TO(SYNCING) | TO(PUBLISHING) | TO(COMPARING) | TO(ENDED),
    [DATA_WRITE_SYNCING] = TO(PUBLISHING) | TO(ENDED),
    [DATA_WRITE_PUBLISHING] = TO(NAMING) | TO(COMPARING) | TO(CHAINING) | TO(ENDED),
    [DATA_WRITE_COMPARING] = TO(NAMING) | TO(CHAINING) | TO(ENDED),
    [DATA_WRITE_NAMING] = TO(CHAINING) | TO(ENDED),
    [DATA_WRITE_CHAINING] = TO(ENDED),
};
static const struct dfs_path paths[] = {
    /* Its own bytes are on their way to the disk when the last frame has come: only a comparison ends with a frame. */
    {DATA_WRITE_RECEIVING, "block_data", TO(RECEIVING) | TO(COMPARING) | TO(ENDED)},
    {DATA_WRITE_RECEIVING, "disk", TO(RECEIVING) | TO(SYNCING) | TO(PUBLISHING) | TO(COMPARING) | TO(ENDED)},
    {DATA_WRITE_RECEIVING, "block_write closed timeout", TO(ENDED)},
    {DATA_WRITE_SYNCING, "disk", TO(PUBLISHING) | TO(ENDED)},
    {DATA_WRITE_PUBLISHING, "disk", TO(NAMING) | TO(CHAINING) | TO(ENDED)},
    {DATA_WRITE_PUBLISHING, "exists", TO(COMPARING)},
    {DATA_WRITE_COMPARING, "disk", TO(NAMING) | TO(CHAINING)},
    {DATA_WRITE_COMPARING, "exists", TO(CHAINING) | TO(ENDED)},
    {DATA_WRITE_NAMING, "disk", TO(CHAINING) | TO(ENDED)},
    {DATA_WRITE_CHAINING, "stored disk", TO(ENDED)},
};
#undef TO

const struct dfs_gate data_write_gate = {
    "write", write_names, write_edges, DATA_WRITE_COUNT, "the write of a block", DFS_GATE_PATHS(paths)};

static void write_next_hop(struct data_write *write);

static void write_enter(struct data_write *write, enum data_write_phase phase, const char *why)
{
    DFS_GATE(&write->data->env, &data_write_gate, write->phase, phase, why);
}

/* The end ------------------------------------------------------------------------------------------------ */

void data_refuse_write(struct dfs_data *data, struct data_peer *peer, uint32_t request, const struct dfs_w_block *block,
                       uint32_t attempt, enum dfs_status status)
{
    struct dfs_w_failure self = {.node = data->config.node, .status = (uint8_t)status};
    const struct dfs_m_block_written message = {
        .block = *block, .attempt = attempt, .status = (uint8_t)status, .failures = &self, .failures_count = 1};

    data->counters.writes_refused++;
    dfs_link_send(&peer->link, request, DFS_MSG_BLOCK_WRITTEN, &message);
}

void data_write_free(struct data_write *write)
{
    struct dfs_data *data = write->data;

    data_pass_stop(&write->pass, "aborted");
    data_opening_close(&write->opening);
    data_io_forget(&write->ios);
    dfs_list_remove(&write->naming.link);
    data_patience_stop(data, &write->timer);
    if (write->temp_made)
        data_io_submit(data, NULL, NULL, NULL, 0, (struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = write->temp});
    if (write->room_taken)
        data_room_give(data, write->file_bytes);
    if (write->upstream != NULL) {
        dfs_list_remove(&write->at_peer);
        write->upstream->writes_count--;
    }
    dfs_list_remove(&write->at);
    data->writes_count--;
    data_block_written(data, &write->block, false);
    if (write->crcs != write->crcs_inline)
        dfs_free(write->crcs);
    dfs_free(write);
}

static struct data_write *find_rival(const struct data_write *write)
{
    dfs_list_each(at, &write->data->writes)
    {
        struct data_write *rival = dfs_container_of(at, struct data_write, at);

        if (rival != write && data_block_compare(&rival->block, &write->block) == 0)
            return rival;
    }
    return NULL;
}

/* It has published the block, and failed all the same: the name may be gone after a crash, so this is no copy to
 * count on. Another write of the same bytes may have found the file and vouch for it; otherwise it goes, and is known
 * until it is gone. */
static void write_disown(struct data_write *write)
{
    const struct data_block *block = write->here;
    struct data_write *rival = find_rival(write);

    if (block != NULL)
        write->room_taken = write->room_taken && block->bad; /* the file stands for the index's block, in our room */
    if (block != NULL || write->data->store_lost)
        return;
    if (rival != NULL) {
        rival->published = true;
        return;
    }
    data_stump_left(write->data, &write->block, write->file_bytes);
    write->room_taken = false;
}

void data_write_fail(struct data_write *write, enum dfs_status status, const char *why)
{
    struct dfs_data *data = write->data;
    const struct dfs_w_block block = data_w_block(&write->block);

    if (write->published)
        write_disown(write);
    write_enter(write, DATA_WRITE_ENDED, why);
    data->counters.writes_failed++;
    if (write->upstream != NULL) {
        struct dfs_w_failure failures[DFS_REPLICAS_MAX];
        struct dfs_m_block_written message = {.block = block,
                                              .attempt = write->attempt,
                                              .status = (uint8_t)status,
                                              .failures = failures,
                                              .failures_count = 1};

        failures[0] = (struct dfs_w_failure){.node = data->config.node, .status = (uint8_t)status};
        for (uint32_t i = 0; i < write->failures_count && message.failures_count < DFS_REPLICAS_MAX; i++)
            failures[message.failures_count++] = write->failures[i];
        dfs_link_send(&write->upstream->link, write->request, DFS_MSG_BLOCK_WRITTEN, &message);
    }
    data_write_free(write);
    data_stumps_remove(data);
}

/* Our copy is stored, and those behind us have answered or were given up. */
static void write_finish(struct data_write *write)
{
    struct dfs_data *data = write->data;
    const struct data_block *block = write->here;
    struct dfs_w_receipt receipts[DFS_REPLICAS_MAX];
    struct dfs_m_block_written message = {.block = data_w_block(&write->block),
                                          .attempt = write->attempt,
                                          .receipts = receipts,
                                          .receipts_count = 1,
                                          .failures = write->failures,
                                          .failures_count = write->failures_count};

    if (block == NULL || block->bad) { /* it went bad, or with the whole store, while we waited for the others */
        data_write_fail(write, block == NULL ? DFS_BLOCK_MISSING : DFS_BLOCK_CORRUPT, "disk");
        return;
    }
    write_enter(write, DATA_WRITE_ENDED, "stored");
    data->counters.writes_stored++;
    if (write->upstream != NULL) {
        data_receipt_make(data, &write->block, write->length_bytes, write->crc, block->change, block->durable,
                          &receipts[0]);
        for (uint32_t i = 0; i < write->receipts_count && message.receipts_count < DFS_REPLICAS_MAX; i++)
            receipts[message.receipts_count++] = write->receipts[i];
        dfs_link_send(&write->upstream->link, write->request, DFS_MSG_BLOCK_WRITTEN, &message);
    }
    data_write_free(write);
}

static bool pass_runs(const struct data_write *write)
{
    return write->pass.phase == DATA_PASS_SENDING || write->pass.phase == DATA_PASS_WAITING;
}

static void write_check_done(struct data_write *write)
{
    if (write->phase == DATA_WRITE_CHAINING && !pass_runs(write) && write->next_hop >= write->grant.replicas_count)
        write_finish(write);
}

/* Chain -------------------------------------------------------------------------------------------------- */

static bool is_settled(const struct data_write *write, const struct dfs_id *node)
{
    for (uint32_t i = 0; i < write->receipts_count; i++) {
        if (dfs_id_equal(&write->receipts[i].node, node))
            return true;
    }
    for (uint32_t i = 0; i < write->failures_count; i++) {
        if (dfs_id_equal(&write->failures[i].node, node))
            return true;
    }
    return false;
}

static bool is_replica(const struct data_write *write, const struct dfs_id *node)
{
    for (uint32_t i = write->hop + 1; i < write->grant.replicas_count; i++) {
        if (dfs_id_equal(&write->replicas[i].node, node))
            return true;
    }
    return false;
}

static void add_failure(struct data_write *write, const struct dfs_id *node, enum dfs_status status)
{
    if (is_settled(write, node) || write->failures_count == DFS_REPLICAS_MAX)
        return;
    write->failures[write->failures_count++] = (struct dfs_w_failure){.node = *node, .status = (uint8_t)status};
}

static void add_receipt(struct data_write *write, const struct dfs_w_receipt *receipt)
{
    const struct dfs_block_id block = data_block_id(&receipt->block);

    if (is_settled(write, &receipt->node) || !is_replica(write, &receipt->node) ||
        data_block_compare(&block, &write->block) != 0 || write->receipts_count == DFS_REPLICAS_MAX)
        return; /* whether it is true is metadata's to judge; that it is about this block is ours */
    write->receipts[write->receipts_count++] = *receipt;
}

static struct data_write *write_of_pass(struct data_pass *pass)
{
    return dfs_container_of(pass, struct data_write, pass);
}

static void send_header(struct data_pass *pass)
{
    const struct data_write *write = write_of_pass(pass);
    const struct dfs_m_block_write message = {
        .grant = write->grant,
        .attempt = write->attempt,
        .hop = (uint8_t)(write->next_hop - 1),
        .length_bytes = write->length_bytes,
        .durability = write->sync ? DFS_DURABILITY_SYNC : DFS_DURABILITY_ASYNC,
    };

    dfs_link_send(&pass->peer->link, pass->request, DFS_MSG_BLOCK_WRITE, &message);
}

static void on_pass_answered(struct data_pass *pass, const struct dfs_m_block_written *message)
{
    struct data_write *write = write_of_pass(pass);
    const struct dfs_block_id block = data_block_id(&message->block);
    enum dfs_status status = (enum dfs_status)message->status;

    if (data_block_compare(&block, &write->block) != 0)
        status = DFS_BAD_REQUEST;
    if (status != DFS_BAD_REQUEST) {
        for (uint32_t i = 0; i < message->receipts_count; i++)
            add_receipt(write, &message->receipts[i]);
        for (uint32_t i = 0; i < message->failures_count; i++) {
            if (is_replica(write, &message->failures[i].node))
                add_failure(write, &message->failures[i].node, (enum dfs_status)message->failures[i].status);
        }
    }
    add_failure(write, &pass->node, status == DFS_OK ? DFS_RECEIPT_INVALID : status); /* unless it is settled */
    write_next_hop(write);
}

static void on_pass_failed(struct data_pass *pass, enum dfs_status status, bool source_bad)
{
    struct data_write *write = write_of_pass(pass);

    if (source_bad) { /* what we wrote cannot be read back: our own copy is the one that failed */
        if (write->phase == DATA_WRITE_CHAINING || write->matching)
            data_block_failed(write->data, &write->block, status);
        data_write_fail(write, status == DFS_IO ? DFS_IO : DFS_BLOCK_CORRUPT, "disk");
        return;
    }
    write->data->counters.hops_skipped++;
    add_failure(write, &pass->node, status);
    write_next_hop(write);
}

/* Less for each hop further in, so that an inner hop gives up before the outer one does. */
static dfs_duration_ns hop_patience(const struct data_write *write)
{
    const uint32_t behind = write->grant.replicas_count - 1 - write->hop;
    const uint32_t hops = write->grant.replicas_count - 1;

    return write->data->config.hop_timeout_ns / hops * behind;
}

static void write_next_hop(struct data_write *write)
{
    while (write->next_hop < write->grant.replicas_count) {
        const struct dfs_w_replica *replica = &write->replicas[write->next_hop++];

        if (is_settled(write, &replica->node) || dfs_id_equal(&replica->node, &write->data->config.node))
            continue;
        data_pass_begin(&write->pass, &replica->node, &replica->addr, hop_patience(write));
        return; /* or it failed at once, and has called us again */
    }
    write_check_done(write);
}

/* Stored ------------------------------------------------------------------------------------------------- */

/* Is the file under our name the index's bad copy still, not one that we have published? Its footer says nothing of its bytes: it is no copy to vouch for. */
static bool stands_bad(const struct data_write *write)
{
    return !write->published && write->here != NULL && write->here->bad;
}

static void write_stored(struct data_write *write, const char *why)
{
    if (stands_bad(write)) {
        data_write_fail(write, DFS_UNAVAILABLE, why);
        return;
    }
    write->room_taken = write->room_taken && !write->published; /* a copy that was here before used its own room */
    write->published = false;                                   /* the index has it */
    data_block_added(write);
    write_enter(write, DATA_WRITE_CHAINING, why);
    write_check_done(write);
}

static void on_named(struct data_dir_wait *wait, enum dfs_status status)
{
    struct data_write *write = dfs_container_of(wait, struct data_write, naming);

    if (status == DFS_OK)
        write_stored(write, "disk");
    else
        data_write_fail(write, DFS_IO, "disk");
}

/* The file stands under its own name. */
static void write_named(struct data_write *write)
{
    write->pass.stream.name = write->name;
    write->pass.stream.hold = false;
    if (pass_runs(write))
        data_stream_pump(&write->pass.stream); /* submits a read at most */
    if (!write->sync) {
        write_stored(write, "disk");
        return;
    }
    write_enter(write, DATA_WRITE_NAMING, "disk");
    data_dir_sync(write->data, &write->naming);
}

static void drop_temp(struct data_write *write)
{
    write->temp_made = false;
    data_io_submit(write->data, NULL, NULL, NULL, 0,
                   (struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = write->temp});
}

static void on_compared(struct data_opening *opening, enum dfs_status status)
{
    struct data_write *write = dfs_container_of(opening, struct data_write, opening);

    if (status != DFS_OK ||
        memcmp(opening->crcs, write->crcs, data_chunks_of(write->length_bytes) * sizeof write->crcs[0]) != 0) {
        data_write_fail(write, status == DFS_IO ? DFS_IO : DFS_EXISTS, "exists");
        return;
    }
    if (stands_bad(write)) {
        data_write_fail(write, DFS_UNAVAILABLE, "exists");
        return;
    }
    drop_temp(write);
    write_named(write);
}

/* Publish ------------------------------------------------------------------------------------------------ */

static void on_published(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                         uint64_t tag)
{
    struct data_write *write = owner;

    (void)buf;
    (void)tag;
    if (done->status == DFS_OK) {
        write->temp_made = false;
        write->published = true;
        write_named(write);
    } else if (done->status == DFS_EXISTS) {
        write_enter(write, DATA_WRITE_COMPARING, "exists");
        data_opening_begin(&write->opening, data, &write->block, write->length_bytes, false, on_compared);
    } else {
        data_store_check(data);
        data_write_fail(write, DFS_IO, "disk");
    }
}

static void submit_publish(struct data_write *write)
{
    data_io_submit(write->data, &write->ios, on_published, write, 0,
                   (struct dfs_disk_op){.verb = DFS_DISK_PUBLISH, .name = write->temp, .name2 = write->name});
}

static void on_bad_removed(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                           uint64_t tag)
{
    (void)data;
    (void)done; /* if it is still there, PUBLISH says so */
    (void)buf;
    (void)tag;
    submit_publish(owner);
}

/* Another write of the block that removes the bad copy, or has put its own file there. */
static bool is_replaced(const struct data_write *write)
{
    dfs_list_each(at, &write->data->writes)
    {
        const struct data_write *other = dfs_container_of(at, struct data_write, at);

        if (other != write && (other->phase == DATA_WRITE_PUBLISHING || other->phase == DATA_WRITE_NAMING) &&
            data_block_compare(&other->block, &write->block) == 0)
            return true;
    }
    return false;
}

static void write_publish(struct data_write *write, const char *why)
{
    const struct data_block *block = write->here;
    const bool replaces = block != NULL && block->bad && !block->removing;
    const bool is_second = replaces && is_replaced(write);

    write_enter(write, DATA_WRITE_PUBLISHING, why);
    write->pass.stream.hold = true; /* until it is known under which name the file stands */
    if (is_second) /* its REMOVE could take the file that the other one is about to give a receipt for */
        data_write_fail(write, DFS_UNAVAILABLE, "disk");
    else if (replaces)
        data_io_submit(write->data, &write->ios, on_bad_removed, write, 0,
                       (struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = write->name});
    else
        submit_publish(write);
}

static void on_synced(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                      uint64_t tag)
{
    struct data_write *write = owner;

    (void)buf;
    (void)tag;
    if (done->status != DFS_OK) { /* never synced again: what is on the disk is unknown */
        data_store_check(data);
        data_write_fail(write, DFS_IO, "disk");
        return;
    }
    write_publish(write, "disk");
}

/* Receive ------------------------------------------------------------------------------------------------ */

/* All bytes came, and all were written or compared: on. */
static void write_advance(struct data_write *write, const char *why)
{
    if (write->phase != DATA_WRITE_RECEIVING)
        return;
    if (write->received < write->length_bytes || write->writing > 0 || (write->matching && !write->matched)) {
        DFS_GATE_STAY(&write->data->env, &data_write_gate, DATA_WRITE_RECEIVING, why);
        return;
    }
    if (write->matching) {
        write_enter(write, DATA_WRITE_COMPARING, why);
        if (memcmp(write->opening.crcs, write->crcs, data_chunks_of(write->length_bytes) * sizeof write->crcs[0]) != 0)
            data_write_fail(write, DFS_EXISTS, "exists");
        else if (write->here == NULL)
            data_write_fail(write, DFS_UNAVAILABLE, "exists"); /* went with the whole store */
        else
            write_stored(write, "exists");
        return;
    }
    if (!write->sync) {
        write_publish(write, why);
        return;
    }
    write_enter(write, DATA_WRITE_SYNCING, why);
    data_io_submit(write->data, &write->ios, on_synced, write, 0,
                   (struct dfs_disk_op){.verb = DFS_DISK_SYNC, .name = write->temp});
}

static void on_matched(struct data_opening *opening, enum dfs_status status)
{
    struct data_write *write = dfs_container_of(opening, struct data_write, opening);

    if (status != DFS_OK) { /* not as good as it looked: the sender comes again, and then it is written anew */
        data_block_failed(write->data, &write->block, status);
        data_write_fail(write, DFS_UNAVAILABLE, "disk");
        return;
    }
    write->matched = true;
    write->pass.stream.name = write->name;
    write->pass.stream.crcs = opening->crcs;
    write->pass.stream.available = write->length_bytes;
    write_next_hop(write); /* cannot finish the write: it is not CHAINING yet */
    write_advance(write, "disk");
}

static void on_written(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                       uint64_t tag)
{
    struct data_write *write = owner;

    (void)buf;
    (void)tag;
    write->writing--;
    if (done->status != DFS_OK) {
        data_store_check(data);
        data_write_fail(write, done->status == DFS_NO_SPACE ? DFS_NO_SPACE : DFS_IO, "disk");
        return;
    }
    write_advance(write, "disk");
}

static void on_created(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                       uint64_t tag)
{
    struct data_write *write = owner;

    (void)buf;
    (void)tag;
    if (done->status == DFS_OK)
        return; /* the WRITEs are on their way behind it */
    write->temp_made = false;
    if (done->status != DFS_NO_SPACE)
        data_store_check(data);
    data_write_fail(write, done->status == DFS_NO_SPACE ? DFS_NO_SPACE : DFS_IO, "disk");
}

static bool frame_is_next(const struct data_write *write, const struct dfs_m_block_data *message, size_t count)
{
    const uint32_t left = write->length_bytes - write->received;

    return message->offset == write->received && count > 0 && count <= left &&
           (count == left || count % DFS_CHUNK_BYTES == 0) && message->crcs_count == data_chunks_of((uint32_t)count);
}

static bool frame_verifies(const struct dfs_m_block_data *message, const struct dfs_buf *bulk)
{
    for (uint32_t i = 0; i < message->crcs_count; i++) {
        const size_t at = (size_t)i * DFS_CHUNK_BYTES;
        const size_t count = bulk->count - at < DFS_CHUNK_BYTES ? bulk->count - at : DFS_CHUNK_BYTES;

        if (dfs_crc32c(0, bulk->bytes + at, count) != message->crcs[i].crc32c)
            return false;
    }
    return true;
}

/* Writes the frame from where it lies. The footer goes out behind the last one, in the slack of the same buffer. */
static void write_frame(struct data_write *write, struct dfs_buf *bulk, uint32_t offset)
{
    size_t count = bulk->count;

    if (write->received == write->length_bytes) {
        const uint32_t footer_bytes = data_footer_bytes(write->length_bytes);

        DFS_ASSERT(bulk->capacity - count >= footer_bytes);
        data_footer_encode(&write->block, write->length_bytes, write->crc, write->crcs, bulk->bytes + count);
        count += footer_bytes;
    }
    write->writing++;
    data_io_submit(write->data, &write->ios, on_written, write, 0,
                   (struct dfs_disk_op){
                       .verb = DFS_DISK_WRITE, .name = write->temp, .buf = bulk, .offset = offset, .length = count});
}

static void take_frame(struct data_write *write, const struct dfs_m_block_data *message, struct dfs_buf *bulk)
{
    const uint32_t count = (uint32_t)bulk->count;

    for (uint32_t i = 0; i < message->crcs_count; i++)
        write->crcs[message->offset / DFS_CHUNK_BYTES + i] = message->crcs[i].crc32c;
    write->received += count;
    write->progress = write->data->now_fair;
    write->data->counters.writes_bytes += count;
    if (write->received == write->length_bytes) {
        data_patience_stop(write->data, &write->timer);
        write->crc = data_crc_of_chunks(write->crcs, write->length_bytes);
        if (write->ordered && write->crc != write->order_crc) {
            data_write_fail(write, DFS_BLOCK_CORRUPT, "block_data"); /* each frame is whole, the block is another one */
            return;
        }
    }
    if (!write->matching) {
        write_frame(write, bulk, message->offset);
        write->pass.stream.available = write->received;
        if (pass_runs(write) && !data_stream_forward(&write->pass.stream, bulk, message->offset, count))
            write->data->counters.frames_lagged++;
        if (pass_runs(write))
            data_stream_pump(&write->pass.stream); /* submits a read at most */
    }
    write_advance(write, "block_data");
}

static struct data_write *find_write(struct data_peer *peer, uint32_t request)
{
    dfs_list_each(at, &peer->writes)
    {
        struct data_write *write = dfs_container_of(at, struct data_write, at_peer);

        if (write->request == request)
            return write;
    }
    return NULL;
}

void data_on_block_data(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_block_data *message = in->body;
    struct data_write *write = find_write(peer, in->request);

    if (write == NULL) {
        data->counters.frames_discarded++; /* of a request that was refused or has ended: they were under way already */
        return;
    }
    if (in->bulk == NULL || !frame_is_next(write, message, in->bulk->count)) {
        data->counters.peers_bad++;
        data_peer_close(peer, DFS_BAD_REQUEST);
        return;
    }
    if (!frame_verifies(message, in->bulk)) {
        data->counters.frames_corrupt++;
        data_write_fail(write, DFS_BLOCK_CORRUPT, "block_data");
        return;
    }
    take_frame(write, message, in->bulk);
}

/* Begin -------------------------------------------------------------------------------------------------- */

static void on_write_timer(struct dfs_data *data, struct data_timer *timer)
{
    struct data_write *write = dfs_container_of(timer, struct data_write, timer);
    const dfs_duration_ns silent = data->now_fair - write->progress;

    if (silent < data->config.request_timeout_ns)
        data_patience_set(data, timer, data->config.request_timeout_ns - silent);
    else
        data_write_fail(write, DFS_TIMEOUT, "timeout");
}

void data_write_upstream_lost(struct data_write *write)
{
    dfs_list_remove(&write->at_peer);
    write->upstream->writes_count--;
    write->upstream = NULL;
    if (write->received < write->length_bytes)
        data_write_fail(write, DFS_ABORTED, "closed"); /* otherwise it is finished: a retry then finds it done */
}

enum dfs_status data_write_contest(struct dfs_data *data, const struct dfs_block_id *block, uint32_t attempt,
                                   int sender)
{
    if (!data_block_is_written(data, block))
        return DFS_OK;
    dfs_list_each(at, &data->writes)
    {
        struct data_write *write = dfs_container_of(at, struct data_write, at);

        if (data_block_compare(&write->block, block) != 0 || write->received == write->length_bytes)
            continue; /* one that has all its bytes is let be: PUBLISH decides between equals */
        if (attempt < write->attempt)
            return DFS_ABORTED;
        if (attempt == write->attempt && sender > write->sender)
            return DFS_UNAVAILABLE; /* an earlier hop has gone past this sender and writes here itself */
        data_write_fail(write, DFS_ABORTED, "block_write");
    }
    return DFS_OK;
}

enum dfs_status data_write_prepare(struct dfs_data *data, const struct dfs_block_id *id, uint32_t length_bytes,
                                   struct data_block **ret_here)
{
    struct data_block *block = data_block_find(data, id);

    *ret_here = block;
    if (block != NULL && block->removing)
        return DFS_UNAVAILABLE;
    if (block != NULL && !block->bad)
        return block->length_bytes == length_bytes ? DFS_OK : DFS_EXISTS;
    if (data->write_refused)
        return DFS_IO;
    if (data_room_take(data, (uint64_t)length_bytes + data_footer_bytes(length_bytes)))
        return DFS_OK;
    data_room_short(data);
    return DFS_NO_SPACE;
}

struct data_write *data_write_new(struct dfs_data *data, struct data_peer *upstream, uint32_t request,
                                  const struct dfs_block_id *block, uint32_t length_bytes, struct data_block *here)
{
    const uint32_t chunks = data_chunks_of(length_bytes);
    struct data_write *write = dfs_alloc(sizeof *write);

    memset(write, 0, offsetof(struct data_write, name));
    write->data = data;
    write->here = here;
    write->matching = here != NULL && !here->bad;
    write->room_taken = !write->matching;
    write->phase = DATA_WRITE_RECEIVING;
    write->upstream = upstream;
    write->request = request;
    write->block = *block;
    write->length_bytes = length_bytes;
    write->file_bytes = (uint64_t)length_bytes + data_footer_bytes(length_bytes);
    write->crcs = chunks <= DATA_CRCS_INLINE ? write->crcs_inline : dfs_alloc(chunks * sizeof write->crcs[0]);
    write->progress = data->now_fair;
    write->grant.replicas = write->replicas;
    dfs_list_init(&write->at);
    dfs_list_init(&write->at_peer);
    dfs_list_init(&write->ios);
    dfs_list_init(&write->naming.link);
    write->naming.done = on_named;
    data_timer_init(&write->timer, on_write_timer);
    data_pass_init(&write->pass, data);
    write->pass.header = send_header;
    write->pass.answered = on_pass_answered;
    write->pass.failed = on_pass_failed;
    write->pass.stream.length_bytes = length_bytes;
    dfs_block_name(block, write->name);
    dfs_list_push(&data->writes, &write->at);
    data->writes_count++;
    data_block_written(data, block, true);
    dfs_list_push(&upstream->writes, &write->at_peer);
    upstream->writes_count++;
    return write;
}

/* "NAME.tmp-1f" */
static void temp_name(const char *name, uint64_t number, char ret_name[DFS_FILE_NAME_BYTES_MAX])
{
    static const char mark[] = ".tmp-";
    const size_t name_bytes = strlen(name);
    char *at = ret_name + name_bytes;
    unsigned digits = 1;

    DFS_ASSERT(name_bytes + sizeof mark + 16 <= DFS_FILE_NAME_BYTES_MAX);
    memcpy(ret_name, name, name_bytes);
    memcpy(at, mark, sizeof mark - 1);
    at += sizeof mark - 1;
    while (digits < 16 && number >> 4 * digits != 0)
        digits++;
    while (digits-- > 0)
        *at++ = "0123456789abcdef"[number >> 4 * digits & 15];
    *at = '\0';
}

void data_write_begin(struct data_write *write)
{
    struct dfs_data *data = write->data;

    data->counters.writes_started++;
    write->next_hop = write->hop + 1;
    data_patience_set(data, &write->timer, data->config.request_timeout_ns);
    if (write->matching) {
        data_opening_begin(&write->opening, data, &write->block, write->length_bytes, false, on_matched);
        return;
    }
    temp_name(write->name, data->temp_next++, write->temp);
    write->temp_made = true;
    data_io_submit(data, &write->ios, on_created, write, 0,
                   (struct dfs_disk_op){.verb = DFS_DISK_CREATE, .name = write->temp, .length = write->file_bytes});
    write->pass.stream.name = write->temp;
    write->pass.stream.crcs = write->crcs;
    write_next_hop(write);
}

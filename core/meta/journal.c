#include "core/meta/journal.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/mem.h"

#include <stdio.h>
#include <string.h>

/* First room of the open batch; most batches are smaller. */
#define OPEN_ROOM_FIRST 8192

/* Where the checksum stands in a header; it is zero while the checksum is made. */
#define CRC_OFFSET 56

/* Batches ------------------------------------------------------------------------------------------------ */

static void header_encode(const struct meta_batch *batch, uint32_t crc, uint8_t bytes[META_BATCH_HEADER_BYTES])
{
    struct dfs_wr w = dfs_wr_make(bytes, META_BATCH_HEADER_BYTES);

    dfs_wr_be(&w, batch->magic, 8);
    dfs_wr_be(&w, batch->number, 8);
    dfs_wr_be(&w, batch->epoch, 8);
    dfs_wr_be(&w, batch->synced, 8);
    dfs_wr_be(&w, batch->own, 8);
    dfs_wr_be(&w, batch->segment, 8);
    dfs_wr_be(&w, batch->bytes, 4);
    dfs_wr_be(&w, batch->records, 4);
    dfs_wr_be(&w, crc, 4);
    dfs_wr_be(&w, 0, 4);
    DFS_ASSERT(dfs_rd_done(&(struct dfs_rd){.at = w.at, .end = w.end}) && !w.bad);
}

size_t meta_batch_seal(const struct meta_batch *batch, uint8_t *bytes, size_t room)
{
    const size_t padded = meta_batch_room(batch->bytes);
    const size_t count = META_BATCH_HEADER_BYTES + (size_t)batch->bytes;

    DFS_ASSERT(padded <= room && padded <= META_BATCH_BYTES_MAX);
    memset(bytes + count, 0, padded - count);
    header_encode(batch, 0, bytes);
    header_encode(batch, dfs_crc32c(0, bytes, count), bytes);
    return padded;
}

enum meta_batch_verdict meta_batch_parse(const uint8_t *bytes, size_t count, uint64_t magic,
                                         struct meta_batch *ret_batch)
{
    struct dfs_rd r = dfs_rd_make(bytes, count < META_BATCH_HEADER_BYTES ? count : META_BATCH_HEADER_BYTES);
    static const uint8_t zeros[4];
    struct meta_batch batch;
    uint32_t crc;

    if (count < META_BATCH_HEADER_BYTES)
        return META_BATCH_SHORT;
    batch.magic = dfs_rd_be(&r, 8);
    batch.number = dfs_rd_be(&r, 8);
    batch.epoch = dfs_rd_be(&r, 8);
    batch.synced = dfs_rd_be(&r, 8);
    batch.own = dfs_rd_be(&r, 8);
    batch.segment = dfs_rd_be(&r, 8);
    batch.bytes = (uint32_t)dfs_rd_be(&r, 4);
    batch.records = (uint32_t)dfs_rd_be(&r, 4);
    crc = (uint32_t)dfs_rd_be(&r, 4);
    if (batch.magic != magic || dfs_rd_be(&r, 4) != 0 || batch.bytes > META_BATCH_BYTES_MAX - META_BATCH_HEADER_BYTES)
        return META_BATCH_BAD;
    if (count < META_BATCH_HEADER_BYTES + (size_t)batch.bytes)
        return META_BATCH_SHORT;
    uint32_t sum = dfs_crc32c(0, bytes, CRC_OFFSET);

    sum = dfs_crc32c(sum, zeros, sizeof zeros);
    sum = dfs_crc32c(sum, bytes + CRC_OFFSET + sizeof zeros,
                     META_BATCH_HEADER_BYTES - CRC_OFFSET - sizeof zeros + batch.bytes);
    if (sum != crc)
        return META_BATCH_BAD;
    *ret_batch = batch;
    return META_BATCH_GOOD;
}

/* Scan --------------------------------------------------------------------------------------------------- */

enum meta_scan_verdict meta_scan_batch(struct meta_scan *scan, const struct meta_batch *batch, uint64_t limit)
{
    if (batch->epoch > scan->epoch_seen)
        scan->epoch_seen = batch->epoch;
    if (batch->number >= limit)
        return META_SCAN_SKIP; /* a later life has cut the tail here and gone on by itself */
    if (batch->epoch > scan->epoch && batch->own < scan->expected)
        /* the same, but what told us so could not be read, and the cut tail was applied */
        return META_SCAN_DAMAGED;
    if (batch->synced >= scan->expected)
        return META_SCAN_DAMAGED;
    if (batch->synced > scan->attested)
        scan->attested = batch->synced;
    if (batch->number != scan->expected)
        return META_SCAN_SKIP; /* known from the checkpoint or an older segment, or behind a torn one */
    scan->expected++;
    scan->epoch = batch->epoch;
    return META_SCAN_APPLY;
}

/* Names -------------------------------------------------------------------------------------------------- */

static void name_make(const char *what, uint64_t number, char ret_name[DFS_FILE_NAME_BYTES_MAX])
{
    (void)snprintf(ret_name, DFS_FILE_NAME_BYTES_MAX, "%s-%010llu", what, (unsigned long long)number);
}

static bool name_parse(const char *name, const char *what, uint64_t *ret_number)
{
    const size_t length = strlen(what);
    uint64_t number = 0;

    if (strncmp(name, what, length) != 0 || name[length] != '-')
        return false;
    name += length + 1;
    if (strlen(name) < 10 || strlen(name) > 19)
        return false;
    for (; *name != '\0'; name++) {
        if (*name < '0' || *name > '9')
            return false;
        number = number * 10 + (uint64_t)(*name - '0');
    }
    *ret_number = number;
    return true;
}

void meta_segment_name(uint64_t number, char ret_name[DFS_FILE_NAME_BYTES_MAX])
{
    name_make("journal", number, ret_name);
}

void meta_checkpoint_name(uint64_t number, char ret_name[DFS_FILE_NAME_BYTES_MAX])
{
    name_make("checkpoint", number, ret_name);
}

bool meta_segment_name_parse(const char *name, uint64_t *ret_number)
{
    return name_parse(name, "journal", ret_number);
}

bool meta_checkpoint_name_parse(const char *name, uint64_t *ret_number)
{
    return name_parse(name, "checkpoint", ret_number);
}

/* Tokens: what the operation was, and the flight or segment it belonged to, so that a stale answer finds nobody  */

enum operation { OPERATION_CREATE = 1, OPERATION_NAME, OPERATION_WRITE, OPERATION_SYNC };

#define OPERATION_SHIFT 52
#define OPERATION_KEY (((uint64_t)1 << OPERATION_SHIFT) - 1)

static uint64_t token_make(enum operation operation, uint64_t key)
{
    return META_DISK_TOKEN(META_DISK_JOURNAL, (uint64_t)operation << OPERATION_SHIFT | (key & OPERATION_KEY));
}

/* Life --------------------------------------------------------------------------------------------------- */

void meta_journal_init(struct meta_journal *journal, const struct dfs_env *env, uint32_t records_max)
{
    *journal = (struct meta_journal){.env = env, .records_max = records_max == 0 ? 1 : records_max, .number_next = 1};
    dfs_buf_pool_init(&journal->pool, META_JOURNAL_BYTES_MAX);
    dfs_list_init(&journal->sealed);
    dfs_list_init(&journal->flight);
    journal->open_count = META_BATCH_HEADER_BYTES;
}

static void bufs_drop(struct dfs_list *list)
{
    struct dfs_list *at;

    while ((at = dfs_list_pop(list)) != NULL)
        dfs_buf_unref(dfs_container_of(at, struct dfs_buf, link));
}

void meta_journal_close(struct meta_journal *journal)
{
    if (journal->env == NULL)
        return; /* zeroed */
    bufs_drop(&journal->sealed);
    bufs_drop(&journal->flight);
    dfs_buf_pool_close(&journal->pool);
    dfs_free(journal->open);
    *journal = (struct meta_journal){0};
}

static void segment_create(struct meta_journal *journal, struct meta_segment *segment, uint64_t number,
                           uint64_t reserve_bytes)
{
    const struct dfs_disk_op op = {.verb = DFS_DISK_CREATE,
                                   .token = token_make(OPERATION_CREATE, number),
                                   .name = segment->name,
                                   .length = reserve_bytes};

    *segment = (struct meta_segment){.phase = META_SEGMENT_CREATING, .number = number};
    meta_segment_name(number, segment->name);
    journal->env->disk->submit(journal->env->ctx, &op);
}

void meta_journal_open(struct meta_journal *journal, uint64_t epoch, uint64_t first, uint64_t own, uint64_t segment,
                       uint64_t reserve_bytes)
{
    DFS_ASSERT(journal->segment.phase == META_SEGMENT_NONE && first > 0 && own >= first);
    journal->epoch = epoch;
    journal->own = own;
    journal->number_next = first;
    journal->synced = first - 1;
    segment_create(journal, &journal->segment, segment, reserve_bytes);
}

/* Append ------------------------------------------------------------------------------------------------- */

static void open_reserve(struct meta_journal *journal, size_t bytes)
{
    if (journal->open_count + bytes <= journal->open_room)
        return;
    size_t room = journal->open_room == 0 ? OPEN_ROOM_FIRST : journal->open_room;

    while (room < journal->open_count + bytes)
        room *= 2;
    journal->open = dfs_realloc_array(journal->open, room, 1);
    journal->open_room = room;
}

/* The open batch gets its number and waits for the disk. Its header is written when it leaves: then it is
 * known what is synced. */
static void open_seal(struct meta_journal *journal)
{
    struct dfs_buf *buf;

    if (journal->open_records == 0)
        return;
    buf = dfs_buf_new(&journal->pool, meta_batch_room(journal->open_count - META_BATCH_HEADER_BYTES));
    DFS_ASSERT(buf != NULL); /* meta_journal_is_full refuses work long before */
    memcpy(buf->bytes + META_BATCH_HEADER_BYTES, journal->open + META_BATCH_HEADER_BYTES,
           journal->open_count - META_BATCH_HEADER_BYTES);
    buf->count = journal->open_count;
    const struct meta_batch batch = {.magic = META_MAGIC_JOURNAL,
                                     .number = journal->number_next,
                                     .bytes = (uint32_t)(journal->open_count - META_BATCH_HEADER_BYTES),
                                     .records = journal->open_records};

    header_encode(&batch, 0, buf->bytes);
    dfs_list_push(&journal->sealed, &buf->link);
    journal->number_next++;
    journal->batches++;
    journal->open_count = META_BATCH_HEADER_BYTES;
    journal->open_records = 0;
}

void meta_journal_group(struct meta_journal *journal)
{
    if (journal->open_records >= journal->records_max ||
        journal->open_count + META_GROUP_BYTES_MAX > META_BATCH_BYTES_MAX)
        open_seal(journal);
}

void meta_journal_append(struct meta_journal *journal, enum meta_record_number number, const void *record)
{
    const size_t bytes = meta_record_bytes(number, record);

    if (journal->failed)
        return; /* the machine has stopped serving; nothing more is promised */
    if (journal->open_count + bytes > META_BATCH_BYTES_MAX)
        open_seal(journal); /* pages of blocks: they may lie in batches before their file's */
    open_reserve(journal, bytes);
    struct dfs_wr w = dfs_wr_make(journal->open + journal->open_count, bytes);

    meta_record_encode(number, record, &w);
    DFS_ASSERT(!w.bad && w.at == w.end);
    journal->open_count += bytes;
    journal->open_records++;
    journal->records++;
}

void meta_journal_carry(struct meta_journal *journal, const uint8_t *records, size_t bytes, uint32_t count)
{
    DFS_ASSERT(journal->open_records == 0 && count > 0);
    open_reserve(journal, bytes);
    memcpy(journal->open + journal->open_count, records, bytes);
    journal->open_count += bytes;
    journal->open_records = count;
    journal->records += count;
    open_seal(journal);
}

/* Flight: write all that is sealed, sync once, land ------------------------------------------------------ */

/* A sealed batch carries its number; the rest of the header comes when it is written. */
static uint64_t sealed_number(const struct dfs_buf *buf)
{
    struct dfs_rd r = dfs_rd_make(buf->bytes + 8, 8);

    return dfs_rd_be(&r, 8);
}

static void batch_write(struct meta_journal *journal, struct dfs_buf *buf)
{
    struct dfs_rd r = dfs_rd_make(buf->bytes + CRC_OFFSET - 4, 4);
    struct meta_batch batch = {.magic = META_MAGIC_JOURNAL,
                               .number = sealed_number(buf),
                               .epoch = journal->epoch,
                               .synced = journal->synced,
                               .own = journal->own,
                               .segment = journal->segment.number,
                               .bytes = (uint32_t)(buf->count - META_BATCH_HEADER_BYTES)};

    batch.records = (uint32_t)dfs_rd_be(&r, 4);
    const size_t padded = meta_batch_seal(&batch, buf->bytes, buf->capacity);
    const struct dfs_disk_op op = {.verb = DFS_DISK_WRITE,
                                   .token = token_make(OPERATION_WRITE, journal->flight_number),
                                   .name = journal->segment.name,
                                   .buf = buf,
                                   .offset = journal->segment.offset,
                                   .length = padded};

    journal->env->disk->submit(journal->env->ctx, &op);
    journal->flight_writes++;
    journal->flight_last = batch.number;
    journal->segment.offset += padded;
    journal->bytes_written += padded;
    journal->bytes_since += padded;
}

void meta_journal_flush(struct meta_journal *journal)
{
    struct dfs_list *at;

    if (journal->failed || journal->segment.phase != META_SEGMENT_READY || !dfs_list_empty(&journal->flight))
        return;
    open_seal(journal);
    if (dfs_list_empty(&journal->sealed))
        return;
    journal->flight_number++;
    while ((at = dfs_list_pop(&journal->sealed)) != NULL) {
        dfs_list_push(&journal->flight, at);
        batch_write(journal, dfs_container_of(at, struct dfs_buf, link));
    }
}

static void flight_sync(struct meta_journal *journal)
{
    const struct dfs_disk_op op = {.verb = DFS_DISK_SYNC,
                                   .token = token_make(OPERATION_SYNC, journal->flight_number),
                                   .name = journal->segment.name};

    journal->flight_syncing = true;
    journal->env->disk->submit(journal->env->ctx, &op);
}

static void flight_land(struct meta_journal *journal)
{
    journal->flight_syncing = false;
    journal->synced = journal->flight_last;
    bufs_drop(&journal->flight);
}

/* What the disk says ------------------------------------------------------------------------------------- */

static bool journal_fail(struct meta_journal *journal)
{
    journal->failed = true;
    return true;
}

static void segment_name_sync(struct meta_journal *journal, struct meta_segment *segment)
{
    const struct dfs_disk_op op = {.verb = DFS_DISK_SYNC_DIR, .token = token_make(OPERATION_NAME, segment->number)};

    segment->phase = META_SEGMENT_NAMING;
    journal->env->disk->submit(journal->env->ctx, &op);
}

/* An answer about a segment's birth. A new segment that cannot be made is no harm to the present one. */
static bool segment_on_disk(struct meta_journal *journal, struct meta_segment *segment,
                            const struct dfs_disk_done *done)
{
    if (done->status != DFS_OK) {
        if (segment == &journal->segment)
            return journal_fail(journal);
        segment->phase = META_SEGMENT_NONE;
        return false;
    }
    if (segment->phase == META_SEGMENT_CREATING && done->verb == DFS_DISK_CREATE)
        segment_name_sync(journal, segment);
    else if (segment->phase == META_SEGMENT_NAMING && done->verb == DFS_DISK_SYNC_DIR)
        segment->phase = META_SEGMENT_READY;
    return false;
}

static bool flight_on_disk(struct meta_journal *journal, const struct dfs_disk_done *done)
{
    if (done->status != DFS_OK)
        return journal_fail(journal); /* a failed sync is never retried: what is on the disk is unknown */
    if (done->verb == DFS_DISK_WRITE && journal->flight_writes > 0) {
        if (--journal->flight_writes == 0)
            flight_sync(journal);
        return false;
    }
    if (done->verb == DFS_DISK_SYNC && journal->flight_syncing) {
        flight_land(journal);
        return true;
    }
    return false;
}

bool meta_journal_on_disk(struct meta_journal *journal, const struct dfs_disk_done *done)
{
    const uint64_t rest = done->token & ((UINT64_C(1) << 56) - 1);
    const uint64_t key = rest & OPERATION_KEY;

    if (journal->failed)
        return false;
    switch ((enum operation)(rest >> OPERATION_SHIFT)) {
    case OPERATION_CREATE:
    case OPERATION_NAME:
        if (journal->segment.number == key)
            return segment_on_disk(journal, &journal->segment, done);
        if (journal->coming.number == key)
            return segment_on_disk(journal, &journal->coming, done);
        return false;
    case OPERATION_WRITE:
    case OPERATION_SYNC:
        return key == journal->flight_number && flight_on_disk(journal, done);
    }
    return false;
}

/* The next segment --------------------------------------------------------------------------------------- */

void meta_journal_rotate(struct meta_journal *journal, uint64_t reserve_bytes)
{
    uint64_t number;

    if (journal->failed || journal->coming.phase != META_SEGMENT_NONE)
        return;
    /* A number whose creation failed is not tried again: the name may lie there, half made. */
    number = journal->coming.number > journal->segment.number ? journal->coming.number : journal->segment.number;
    segment_create(journal, &journal->coming, number + 1, reserve_bytes);
}

bool meta_journal_can_switch(const struct meta_journal *journal)
{
    return !journal->failed && journal->coming.phase == META_SEGMENT_READY && dfs_list_empty(&journal->flight);
}

uint64_t meta_journal_switch(struct meta_journal *journal)
{
    const struct dfs_disk_op op = {
        .verb = DFS_DISK_FORGET, .token = META_DISK_TOKEN(META_DISK_JOURNAL, 0), .name = journal->segment.name};
    struct dfs_list *at = dfs_list_first(&journal->sealed);

    DFS_ASSERT(meta_journal_can_switch(journal));
    journal->env->disk->submit(journal->env->ctx, &op);
    journal->segment = journal->coming;
    journal->coming.phase = META_SEGMENT_NONE;
    journal->bytes_since = 0;
    const uint64_t first =
        at == NULL ? journal->number_next : sealed_number(dfs_container_of(at, struct dfs_buf, link));

    DFS_ASSERT(first == journal->synced + 1);
    return first;
}

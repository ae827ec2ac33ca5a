#include "core/meta/boot.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/meta/apply.h"
#include "core/meta/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum boot_phase { BOOT_LISTING, BOOT_HEADS, BOOT_CHECKPOINT, BOOT_SEGMENTS, BOOT_OPENING };

/* Which life wrote a segment, by its first sector; epoch 0: not readable. */
struct boot_segment {
    uint64_t number;
    uint64_t epoch;
    uint64_t own;
};

/* A batch that may not be durable: its records, to be written again. */
struct boot_carry {
    struct dfs_list link;
    uint64_t number;
    uint32_t records;
    uint32_t bytes;
    uint8_t at[];
};

struct meta_boot {
    enum boot_phase phase;
    uint64_t reads; /* names the read that is under way */
    struct dfs_buf *buf;
    size_t wanted; /* bytes asked for: fewer mean the end of the file */

    struct boot_segment *segments; /* ascending */
    size_t segments_count;
    uint64_t *checkpoints; /* ascending */
    size_t checkpoints_count;
    size_t at;        /* segment, or checkpoint (counted down) */
    uint64_t offset;  /* in the file */
    uint64_t chunk;   /* CHECKPOINT: the next one's number */
    uint64_t records; /* CHECKPOINT: read so far */
    struct meta_r_checkpoint head;
    uint64_t loaded; /* checkpoint; 0: none */
    uint64_t loaded_segment;

    struct meta_scan scan;
    struct dfs_list carry; /* of scan.attested+1 .. scan.expected-1 */
    struct dfs_arena arena;
    uint64_t bytes; /* of journal read */
};

static void segment_next(struct dfs_meta *meta);
static void checkpoint_next(struct dfs_meta *meta);

/* Reads -------------------------------------------------------------------------------------------------- */

static void boot_read(struct dfs_meta *meta, const char *name, size_t bytes)
{
    struct meta_boot *boot = meta->boot;
    const struct dfs_disk_op op = {.verb = DFS_DISK_READ,
                                   .token = META_DISK_TOKEN(META_DISK_BOOT, ++boot->reads),
                                   .name = name,
                                   .buf = boot->buf,
                                   .offset = boot->offset,
                                   .length = bytes};

    boot->wanted = bytes;
    meta->env.disk->submit(meta->env.ctx, &op);
}

static void read_segment(struct dfs_meta *meta, size_t bytes)
{
    char name[DFS_FILE_NAME_BYTES_MAX];

    meta_segment_name(meta->boot->segments[meta->boot->at].number, name);
    boot_read(meta, name, bytes);
}

static void read_checkpoint(struct dfs_meta *meta)
{
    char name[DFS_FILE_NAME_BYTES_MAX];

    meta_checkpoint_name(meta->boot->checkpoints[meta->boot->at], name);
    boot_read(meta, name, DFS_FRAME_BULK_BYTES_MAX);
}

/* "what journal-0000000003 at 4096" */
static void boot_fail(struct dfs_meta *meta, enum dfs_status status, const char *what, uint64_t segment)
{
    char words[DFS_WORDS_BYTES_MAX];
    char name[DFS_FILE_NAME_BYTES_MAX];

    meta_segment_name(segment, name);
    (void)snprintf(words, sizeof words, "%s: %s at byte %llu", what, name, (unsigned long long)meta->boot->offset);
    meta_fail(meta, status, words);
}

/* Listing ------------------------------------------------------------------------------------------------ */

void meta_boot_start(struct dfs_meta *meta)
{
    struct meta_boot *boot = dfs_alloc_zero(sizeof *boot);
    const struct dfs_disk_op op = {.verb = DFS_DISK_LIST, .token = META_DISK_TOKEN(META_DISK_BOOT, 1)};

    boot->reads = 1;
    boot->buf = dfs_buf_new(&meta->journal.pool, DFS_FRAME_BULK_BYTES_MAX);
    DFS_ASSERT(boot->buf != NULL);
    dfs_list_init(&boot->carry);
    dfs_arena_init(&boot->arena, DFS_DECODE_BYTES_MAX);
    meta->boot = boot;
    meta_enter(meta, META_BOOTING, "start");
    meta->env.disk->submit(meta->env.ctx, &op);
}

static void carry_drop(struct meta_boot *boot)
{
    struct dfs_list *at = dfs_list_pop(&boot->carry);

    dfs_free(dfs_container_of(at, struct boot_carry, link));
}

void meta_boot_close(struct dfs_meta *meta)
{
    struct meta_boot *boot = meta->boot;

    if (boot == NULL)
        return;
    while (!dfs_list_empty(&boot->carry))
        carry_drop(boot);
    dfs_buf_unref(boot->buf);
    dfs_arena_close(&boot->arena);
    dfs_free(boot->segments);
    dfs_free(boot->checkpoints);
    dfs_free(boot);
    meta->boot = NULL;
}

static bool ends_with_tmp(const char *name)
{
    const size_t length = strlen(name);

    return length > 4 && strcmp(name + length - 4, ".tmp") == 0;
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static int compare_segments(const void *a, const void *b)
{
    return compare_numbers(&((const struct boot_segment *)a)->number, &((const struct boot_segment *)b)->number);
}

/* A checkpoint that was never finished. Nobody waits for the answer: a name that stays is met again at the
 * next start. */
static void remove_unfinished(struct dfs_meta *meta, const char *name)
{
    const struct dfs_disk_op op = {.verb = DFS_DISK_REMOVE, .token = META_DISK_TOKEN(META_DISK_BOOT, 0), .name = name};

    meta->env.disk->submit(meta->env.ctx, &op);
}

static void on_list(struct dfs_meta *meta, const struct dfs_disk_done *done)
{
    struct meta_boot *boot = meta->boot;

    boot->segments = dfs_alloc_zero_array((size_t)done->count, sizeof *boot->segments);
    boot->checkpoints = dfs_alloc_zero_array((size_t)done->count, sizeof *boot->checkpoints);
    for (uint64_t i = 0; i < done->count; i++) {
        const char *name = done->entries[i].name;
        uint64_t number;

        if (meta_segment_name_parse(name, &number))
            boot->segments[boot->segments_count++].number = number;
        else if (meta_checkpoint_name_parse(name, &number))
            boot->checkpoints[boot->checkpoints_count++] = number;
        else if (strncmp(name, "checkpoint-", 11) == 0 && ends_with_tmp(name))
            remove_unfinished(meta, name);
    }
    if (boot->segments_count > 1)
        qsort(boot->segments, boot->segments_count, sizeof *boot->segments, compare_segments);
    if (boot->checkpoints_count > 1)
        qsort(boot->checkpoints, boot->checkpoints_count, sizeof *boot->checkpoints, compare_numbers);
}

/* Heads -------------------------------------------------------------------------------------------------- */

static void head_next(struct dfs_meta *meta)
{
    struct meta_boot *boot = meta->boot;

    boot->phase = BOOT_HEADS;
    boot->offset = 0;
    if (boot->at < boot->segments_count) {
        /* The whole first batch may be needed for its checksum; a piece of this size holds any. */
        read_segment(meta, META_BATCH_BYTES_MAX);
        return;
    }
    boot->at = boot->checkpoints_count;
    checkpoint_next(meta);
}

static void on_head(struct dfs_meta *meta, const uint8_t *bytes, size_t count)
{
    struct boot_segment *segment = &meta->boot->segments[meta->boot->at];
    struct meta_batch batch;

    if (meta_batch_parse(bytes, count, META_MAGIC_JOURNAL, &batch) == META_BATCH_GOOD &&
        batch.segment == segment->number) {
        segment->epoch = batch.epoch;
        segment->own = batch.own;
    }
    meta->boot->at++;
    head_next(meta);
}

/* From which batch on a life later than `epoch` overrules: what lies behind in older segments is a tail
 * that was cut. */
static uint64_t later_own(const struct meta_boot *boot, uint64_t epoch)
{
    uint64_t limit = UINT64_MAX;

    for (size_t i = boot->at + 1; i < boot->segments_count; i++) {
        if (boot->segments[i].epoch > epoch && boot->segments[i].own < limit)
            limit = boot->segments[i].own;
    }
    return limit;
}

/* Records ------------------------------------------------------------------------------------------------ */

/* All records of a batch of the journal. */
static enum dfs_status apply_records(struct dfs_meta *meta, const uint8_t *bytes, size_t count)
{
    struct dfs_rd r = dfs_rd_make(bytes, count);

    while (!dfs_rd_done(&r)) {
        enum meta_record_number number;
        union meta_any_record record;
        enum dfs_status status;

        dfs_arena_reset(&meta->boot->arena);
        status = meta_record_decode(&r, &meta->boot->arena, &number, &record);
        if (status == DFS_OK)
            status = meta_apply(meta, number, &record);
        if (status != DFS_OK)
            return status;
    }
    return DFS_OK;
}

/* Checkpoint --------------------------------------------------------------------------------------------- */

static void segments_begin(struct dfs_meta *meta)
{
    struct meta_boot *boot = meta->boot;

    boot->phase = BOOT_SEGMENTS;
    boot->at = 0;
    while (boot->at < boot->segments_count && boot->segments[boot->at].number < boot->loaded_segment)
        boot->at++;
    segment_next(meta);
}

/* The next older checkpoint, or the journal from its beginning. */
static void checkpoint_next(struct dfs_meta *meta)
{
    struct meta_boot *boot = meta->boot;

    boot->phase = BOOT_CHECKPOINT;
    boot->offset = 0;
    boot->chunk = 1;
    boot->records = 0;
    boot->scan = (struct meta_scan){.expected = 1};
    if (boot->at == 0) {
        segments_begin(meta);
        return;
    }
    boot->at--;
    read_checkpoint(meta);
}

/* What was loaded of a bad checkpoint is forgotten. */
static void checkpoint_bad(struct dfs_meta *meta)
{
    char words[DFS_WORDS_BYTES_MAX];
    char name[DFS_FILE_NAME_BYTES_MAX];

    meta_checkpoint_name(meta->boot->checkpoints[meta->boot->at], name);
    (void)snprintf(words, sizeof words, "%s does not verify at byte %llu; going back to an older one", name,
                   (unsigned long long)meta->boot->offset);
    dfs_trace_note(&meta->env, DFS_IO, words);
    meta_state_close(meta);
    meta_state_init(meta);
    checkpoint_next(meta);
}

static void checkpoint_loaded(struct dfs_meta *meta)
{
    struct meta_boot *boot = meta->boot;

    boot->loaded = boot->head.number;
    boot->loaded_segment = boot->head.segment;
    boot->scan = (struct meta_scan){.expected = boot->head.batch,
                                    .attested = boot->head.batch - 1,
                                    .epoch = boot->head.epoch,
                                    .epoch_seen = boot->head.epoch};
    segments_begin(meta);
}

/* Records of one piece. *ret_end: the last one was met. */
static enum dfs_status checkpoint_records(struct dfs_meta *meta, const uint8_t *bytes, size_t count, bool *ret_end)
{
    struct meta_boot *boot = meta->boot;
    struct dfs_rd r = dfs_rd_make(bytes, count);

    while (!dfs_rd_done(&r)) {
        enum meta_record_number number;
        union meta_any_record record;
        enum dfs_status status;

        dfs_arena_reset(&boot->arena);
        status = meta_record_decode(&r, &boot->arena, &number, &record);
        if (status != DFS_OK || *ret_end || (boot->records == 0) != (number == META_RECORD_CHECKPOINT))
            return DFS_BAD_REQUEST;
        if (number == META_RECORD_CHECKPOINT) {
            if (record.checkpoint.number != boot->checkpoints[boot->at] || record.checkpoint.batch == 0)
                return DFS_BAD_REQUEST;
            boot->head = record.checkpoint;
            meta->epoch = record.checkpoint.epoch;
            meta->ns.sequence = record.checkpoint.sequence;
            if (!dfs_id_equal(&record.checkpoint.cluster, &meta->config.cluster))
                return DFS_WRONG_CLUSTER;
        } else if (number == META_RECORD_CHECKPOINT_END) {
            *ret_end = true;
            if (record.checkpoint_end.records != boot->records || record.checkpoint_end.number != boot->head.number)
                return DFS_BAD_REQUEST;
            if (record.checkpoint_end.sequence > meta->ns.sequence)
                meta->ns.sequence = record.checkpoint_end.sequence;
        } else {
            status = meta_apply(meta, number, &record);
            if (status != DFS_OK)
                return status;
        }
        boot->records++;
    }
    return DFS_OK;
}

static void on_checkpoint(struct dfs_meta *meta, const uint8_t *bytes, size_t count)
{
    struct meta_boot *boot = meta->boot;
    const uint64_t number = boot->checkpoints[boot->at];
    size_t at = 0;

    for (;;) {
        struct meta_batch batch;
        bool end = false;
        enum dfs_status status;
        const enum meta_batch_verdict verdict = meta_batch_parse(bytes + at, count - at, META_MAGIC_CHECKPOINT, &batch);

        if (verdict == META_BATCH_SHORT && count == boot->wanted && at > 0) {
            read_checkpoint(meta); /* the rest of this piece */
            return;
        }
        if (verdict != META_BATCH_GOOD || batch.number != boot->chunk || batch.segment != number) {
            checkpoint_bad(meta);
            return;
        }
        status = checkpoint_records(meta, bytes + at + META_BATCH_HEADER_BYTES, batch.bytes, &end);
        if (status == DFS_WRONG_CLUSTER) {
            meta_fail(meta, status, "the checkpoint belongs to another cluster");
            return;
        }
        if (status != DFS_OK) {
            checkpoint_bad(meta);
            return;
        }
        if (end) {
            checkpoint_loaded(meta);
            return;
        }
        boot->chunk++;
        at += meta_batch_room(batch.bytes);
        boot->offset += meta_batch_room(batch.bytes);
        if (at >= count) {
            read_checkpoint(meta);
            return;
        }
    }
}

/* Segments ----------------------------------------------------------------------------------------------- */

static void carry_keep(struct meta_boot *boot, const struct meta_batch *batch, const uint8_t *records)
{
    struct boot_carry *carry = dfs_alloc(sizeof *carry + batch->bytes);

    carry->number = batch->number;
    carry->records = batch->records;
    carry->bytes = batch->bytes;
    memcpy(carry->at, records, batch->bytes);
    dfs_list_init(&carry->link);
    dfs_list_push(&boot->carry, &carry->link);
}

static void carry_attested(struct meta_boot *boot)
{
    struct dfs_list *at;

    while ((at = dfs_list_first(&boot->carry)) != NULL &&
           dfs_container_of(at, struct boot_carry, link)->number <= boot->scan.attested)
        carry_drop(boot);
}

/* false: the start has failed. */
static bool batch_take(struct dfs_meta *meta, const struct meta_batch *batch, const uint8_t *records)
{
    struct meta_boot *boot = meta->boot;
    const uint64_t segment = boot->segments[boot->at].number;
    enum dfs_status status;

    switch (meta_scan_batch(&boot->scan, batch, later_own(boot, batch->epoch))) {
    case META_SCAN_SKIP:
        carry_attested(boot);
        return true;
    case META_SCAN_DAMAGED:
        boot_fail(meta, DFS_IO, "the journal is damaged: a batch that was synced cannot be read before", segment);
        return false;
    case META_SCAN_APPLY:
        break;
    }
    status = apply_records(meta, records, batch->bytes);
    if (status == DFS_WRONG_CLUSTER) {
        boot_fail(meta, status, "the journal belongs to another cluster", segment);
        return false;
    }
    if (status != DFS_OK) {
        boot_fail(meta, DFS_IO, "the journal is damaged: a record that makes no sense", segment);
        return false;
    }
    carry_keep(boot, batch, records);
    carry_attested(boot);
    return true;
}

static void boot_open(struct dfs_meta *meta)
{
    struct meta_boot *boot = meta->boot;
    const struct meta_scan *scan = &boot->scan;
    const uint64_t last = boot->segments_count == 0 ? 0 : boot->segments[boot->segments_count - 1].number;
    uint64_t carried = 0;
    uint64_t *numbers;

    if (boot->checkpoints_count > 0 && boot->loaded == 0 && scan->expected == 1) {
        meta_fail(meta, DFS_IO, "no checkpoint verifies, and the journal before them is gone");
        return;
    }
    if (scan->epoch_seen > meta->epoch)
        meta->epoch = scan->epoch_seen;
    meta->epoch++;
    dfs_list_each(at, &boot->carry) carried++;
    DFS_ASSERT(scan->expected > carried);
    meta->journal_recovered = scan->epoch << 40 | (scan->expected - 1);
    meta_journal_open(&meta->journal, meta->epoch, scan->expected - carried, scan->expected, last + 1,
                      meta_segment_reserve(meta));
    meta->journal.bytes_since = boot->bytes;
    dfs_list_each(at, &boot->carry)
    {
        const struct boot_carry *carry = dfs_container_of(at, struct boot_carry, link);

        meta_journal_carry(&meta->journal, carry->at, carry->bytes, carry->records);
    }
    numbers = dfs_alloc_zero_array(boot->segments_count + 1, sizeof *numbers);
    for (size_t i = 0; i < boot->segments_count; i++)
        numbers[i] = boot->segments[i].number;
    numbers[boot->segments_count] = last + 1;
    meta_checkpoint_found(meta, numbers, boot->segments_count + 1, boot->checkpoints, boot->checkpoints_count,
                          boot->loaded, boot->loaded_segment);
    dfs_free(numbers);
    boot->phase = BOOT_OPENING;
    meta_enter(meta, META_OPENING, "disk");
    meta_append(meta, META_RECORD_START,
                &(struct meta_r_start){
                    .cluster = meta->config.cluster, .epoch = meta->epoch, .wall_ms = meta->wall / DFS_MILLISECONDS});
}

static void segment_next(struct dfs_meta *meta)
{
    struct meta_boot *boot = meta->boot;

    boot->offset = 0;
    if (boot->at < boot->segments_count)
        read_segment(meta, DFS_FRAME_BULK_BYTES_MAX);
    else
        boot_open(meta);
}

/* A piece of a segment, beginning at a batch or, behind a bad one, at any sector. */
static void on_segment(struct dfs_meta *meta, const uint8_t *bytes, size_t count)
{
    struct meta_boot *boot = meta->boot;
    const bool last = count < boot->wanted;
    size_t at = 0;

    while (at < count) {
        struct meta_batch batch;
        const enum meta_batch_verdict verdict = meta_batch_parse(bytes + at, count - at, META_MAGIC_JOURNAL, &batch);

        if (verdict == META_BATCH_SHORT && !last && at > 0)
            break; /* read again from here */
        if (verdict == META_BATCH_GOOD && batch.segment == boot->segments[boot->at].number) {
            if (!batch_take(meta, &batch, bytes + at + META_BATCH_HEADER_BYTES))
                return;
            boot->bytes += meta_batch_room(batch.bytes);
            at += meta_batch_room(batch.bytes);
            boot->offset += meta_batch_room(batch.bytes);
            continue;
        }
        /* Nothing believable here; behind it may stand a witness that there was. */
        at += META_SECTOR_BYTES;
        boot->offset += META_SECTOR_BYTES;
    }
    if (last) {
        boot->at++;
        segment_next(meta);
        return;
    }
    read_segment(meta, DFS_FRAME_BULK_BYTES_MAX);
}

/* Answers ------------------------------------------------------------------------------------------------ */

static void on_read_failed(struct dfs_meta *meta, enum dfs_status status)
{
    struct meta_boot *boot = meta->boot;

    if (boot->phase == BOOT_CHECKPOINT) {
        checkpoint_bad(meta);
        return;
    }
    boot_fail(meta, status == DFS_NOT_FOUND ? DFS_IO : status, "the journal cannot be read",
              boot->segments[boot->at].number);
}

void meta_boot_on_disk(struct dfs_meta *meta, const struct dfs_disk_done *done)
{
    struct meta_boot *boot = meta->boot;
    const size_t count = (size_t)done->count;

    if (boot == NULL || done->token != META_DISK_TOKEN(META_DISK_BOOT, boot->reads))
        return;
    if (done->status != DFS_OK) {
        if (boot->phase == BOOT_LISTING)
            meta_fail(meta, done->status, "the journal's directory cannot be listed");
        else
            on_read_failed(meta, done->status);
        return;
    }
    switch (boot->phase) {
    case BOOT_LISTING:
        on_list(meta, done);
        head_next(meta);
        return;
    case BOOT_HEADS:
        on_head(meta, boot->buf->bytes, count);
        return;
    case BOOT_CHECKPOINT:
        on_checkpoint(meta, boot->buf->bytes, count);
        return;
    case BOOT_SEGMENTS:
        on_segment(meta, boot->buf->bytes, count);
        return;
    case BOOT_OPENING:
        return;
    }
}

void meta_boot_on_synced(struct dfs_meta *meta)
{
    if (meta->boot == NULL || meta->boot->phase != BOOT_OPENING || !meta_journal_is_synced(&meta->journal))
        return;
    meta_boot_close(meta);
    meta_namespace_replayed(&meta->ns);
    meta_enter(meta, META_SERVING, "disk");
    meta_nodes_started(meta);
}

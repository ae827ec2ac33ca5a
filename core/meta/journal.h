/*
 * journal.h - every change is a record: appended, synced by groups, then answered.
 *
 * On the disk: segments `journal-N` (ten digits), each begun by one life of the server and never opened
 * again, of batches. A batch is the atomic unit: a header with its number and the newest batch known synced
 * when it was sealed, records, a checksum; padded to a sector so that a torn write never touches an older
 * batch. Batches are numbered without gaps for ever. One group of batches is in flight (written, then synced)
 * while the next is filled.
 *
 * What a start believes (meta_scan): batches in the order of numbers. A bad or missing one is a torn tail and
 * ends the journal, unless some later valid batch says that it had been synced: then the start must stop.
 * Batches that no one attests as synced may sit in the page cache only: the next life writes them again in
 * its own segment before anything of its own (meta_journal_carry). From its first own batch on a later life
 * overrules what lies in the segments of older ones: that is a tail it has cut.
 *
 * Position: epoch << 40 | batch. Only grows, also over a cut tail: a node that was told more than the journal
 * remembers notices.
 */
#ifndef DFS_CORE_META_JOURNAL_H
#define DFS_CORE_META_JOURNAL_H

#include "core/base/buf.h"
#include "core/base/list.h"
#include "core/env/env.h"
#include "core/meta/record.h"

/* Batches ------------------------------------------------------------------------------------------------ */

#define META_BATCH_HEADER_BYTES 64

/* Batches begin at multiples of this, the smallest unit that a disk tears at. */
#define META_SECTOR_BYTES 512

/* A batch with its header; half of the largest buffer, so that a read which begins at a batch always holds
 * it whole. */
#define META_BATCH_BYTES_MAX (DFS_FRAME_BULK_BYTES_MAX / 2)

/* Records that must stand in one batch together: three with paths, or one page of blocks. */
#define META_GROUP_BYTES_MAX (META_RECORD_BYTES_MAX + 4096)

/* What waits in memory for the disk. The largest commit is 13 MB of records; beyond half of this new
 * changes are refused (UNAVAILABLE) until the disk has caught up. */
#define META_JOURNAL_BYTES_MAX (48u * 1024 * 1024)

#define META_MAGIC_JOURNAL UINT64_C(0x4446534a524e4c31)    /* "DFSJRNL1" */
#define META_MAGIC_CHECKPOINT UINT64_C(0x444653434b505431) /* "DFSCKPT1" */

struct meta_batch {
    uint64_t magic;
    uint64_t number;
    uint64_t epoch;
    uint64_t synced; /* the newest batch known to be on stable storage when this was sealed */
    uint64_t
        /* the first batch that this life has written of its own; those before it are carried from older
         * ones */
        own;
    uint64_t segment; /* its segment, or checkpoint */
    uint32_t bytes;   /* of the records */
    uint32_t records;
};

/* Header over `bytes` (header room and records already in place); `room` is the padded length: what is
 * behind the records is zeroed. */
size_t meta_batch_seal(const struct meta_batch *batch, uint8_t *bytes, size_t room);
static inline size_t meta_batch_room(size_t record_bytes)
{
    return (META_BATCH_HEADER_BYTES + record_bytes + META_SECTOR_BYTES - 1) / META_SECTOR_BYTES * META_SECTOR_BYTES;
}

enum meta_batch_verdict {
    META_BATCH_GOOD,
    META_BATCH_SHORT, /* may be whole when more bytes are read */
    META_BATCH_BAD    /* nothing, or torn, or rotten */
};
enum meta_batch_verdict meta_batch_parse(const uint8_t *bytes, size_t count, uint64_t magic,
                                         struct meta_batch *ret_batch);

/* Scan --------------------------------------------------------------------------------------------------- */

struct meta_scan {
    uint64_t expected;   /* the next batch to apply */
    uint64_t attested;   /* the newest that some valid batch says was synced */
    uint64_t epoch;      /* of the newest applied */
    uint64_t epoch_seen; /* the newest in any valid batch */
};

enum meta_scan_verdict { META_SCAN_APPLY, META_SCAN_SKIP, META_SCAN_DAMAGED };

/* What to do with a valid batch of a segment. `limit`: the least first own batch of all later lives that
 * have a segment, UINT64_MAX when there is none. */
enum meta_scan_verdict meta_scan_batch(struct meta_scan *scan, const struct meta_batch *batch, uint64_t limit);

/* The journal of this life ------------------------------------------------------------------------------- */

enum meta_segment_phase {
    META_SEGMENT_NONE,
    META_SEGMENT_CREATING,
    META_SEGMENT_NAMING,
    META_SEGMENT_READY,
    META_SEGMENT_PHASE_COUNT
};

struct meta_segment {
    enum meta_segment_phase phase;
    uint64_t number;
    uint64_t offset; /* where the next batch goes */
    char name[DFS_FILE_NAME_BYTES_MAX];
};

struct meta_journal {
    bool failed;
    uint64_t epoch;
    uint64_t own;         /* first own batch of this life */
    uint64_t number_next; /* of the open batch */
    uint64_t synced;      /* all batches up to here are on stable storage */
    uint8_t *open;        /* records of the open batch; grows to META_BATCH_BYTES_MAX */
    size_t open_room;
    size_t open_count; /* bytes, header room included */
    uint32_t open_records;
    uint32_t records_max; /* of a batch: journal_batch */

    struct dfs_list sealed; /* dfs_buf.link: waits for the flight to land */
    struct dfs_list flight;
    uint64_t flight_number; /* names the flight in disk tokens */
    uint64_t flight_last;   /* its newest batch */
    uint32_t flight_writes; /* not answered */
    bool flight_syncing;

    uint64_t bytes_written; /* ever, in this life */
    /* since the last checkpoint began, in older lives too: what a start would have to read */
    uint64_t bytes_since;
    uint64_t batches;
    uint64_t records;
    struct meta_segment segment;
    struct meta_segment coming; /* being made by meta_journal_rotate */
    const struct dfs_env *env;
    struct dfs_buf_pool pool;
};

/* Tokens of EV_DISK: the upper byte says whose. */
enum meta_disk_owner { META_DISK_BOOT = 1, META_DISK_JOURNAL, META_DISK_CHECKPOINT };
#define META_DISK_OWNER(token) ((unsigned)((token) >> 56))
#define META_DISK_TOKEN(owner, rest) ((uint64_t)(owner) << 56 | (rest))

void meta_journal_init(struct meta_journal *journal, const struct dfs_env *env, uint32_t records_max);
void meta_journal_close(struct meta_journal *journal);

/* Begins this life: creates segment `segment`; the next `own - first` batches are carried ones, then come
 * its own. Records may be appended at once. */
void meta_journal_open(struct meta_journal *journal, uint64_t epoch, uint64_t first, uint64_t own, uint64_t segment,
                       uint64_t reserve_bytes);

/* The records of an older batch again, as the next batch. */
void meta_journal_carry(struct meta_journal *journal, const uint8_t *records, size_t bytes, uint32_t count);

/* The records that follow are one atomic group (META_GROUP_BYTES_MAX). */
void meta_journal_group(struct meta_journal *journal);
void meta_journal_append(struct meta_journal *journal, enum meta_record_number number, const void *record);

/* The batch whose sync makes all appended records durable. */
static inline uint64_t meta_journal_newest(const struct meta_journal *journal)
{
    return journal->open_records > 0 ? journal->number_next : journal->number_next - 1;
}

static inline bool meta_journal_is_synced(const struct meta_journal *journal)
{
    return journal->synced >= meta_journal_newest(journal);
}

/* Too much waits for the disk: refuse new changes. */
static inline bool meta_journal_is_full(const struct meta_journal *journal)
{
    return journal->pool.bytes_out > META_JOURNAL_BYTES_MAX / 2;
}

/* The synced position: what data servers are told. */
static inline uint64_t meta_journal_position(const struct meta_journal *journal)
{
    return journal->epoch << 40 | journal->synced;
}

/* At the end of a step: sends what was appended to the disk, if nothing is in flight. */
void meta_journal_flush(struct meta_journal *journal);

/* EV_DISK with our token. true: `synced` has grown, or the journal has failed. */
bool meta_journal_on_disk(struct meta_journal *journal, const struct dfs_disk_done *done);

/* Makes the next segment (no effect while one is being made). When it is ready and nothing is in flight
 * (meta_journal_can_switch), meta_journal_switch begins it with what waits: the first batch's number is
 * returned; all before it is synced. */
void meta_journal_rotate(struct meta_journal *journal, uint64_t reserve_bytes);
bool meta_journal_can_switch(const struct meta_journal *journal);
uint64_t meta_journal_switch(struct meta_journal *journal);

/* "journal-0000000007"; and back. */
void meta_segment_name(uint64_t number, char ret_name[DFS_FILE_NAME_BYTES_MAX]);
void meta_checkpoint_name(uint64_t number, char ret_name[DFS_FILE_NAME_BYTES_MAX]);
bool meta_segment_name_parse(const char *name, uint64_t *ret_number);
bool meta_checkpoint_name_parse(const char *name, uint64_t *ret_number);

#endif

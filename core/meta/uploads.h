/*
 * uploads.h - files on their way in: what was placed, what is proved by receipts, and until when we wait.
 *
 * Not journaled: a restart of metadata loses them (UPLOAD_LOST), their blocks become orphans. An upload that
 * ends (aborted, lease ran out, committed, refused) is freed at once; who asks for it later is answered from the
 * namespace, the outcomes, or by its epoch.
 */
#ifndef DFS_CORE_META_UPLOADS_H
#define DFS_CORE_META_UPLOADS_H

#include "core/base/heap.h"
#include "core/base/id.h"
#include "core/base/limits.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/env/env.h"

/* Copies placed by all of them together: what bounds their memory (32 bytes each). Four files of the
 * largest size. */
#define META_UPLOADS_COPIES_MAX (12u * 1024 * 1024)

#define META_PLACED_RECEIPT 1u /* a good receipt was shown */
#define META_PLACED_DURABLE 2u /* it said durable */
#define META_PLACED_STORED 4u  /* the node itself said that it has the block */

struct meta_placed_copy {
    uint64_t incarnation; /* of the receipt */
    uint64_t confirmed;   /* an incarnation whose complete inventory had it; 0: none */
    uint64_t change;
    uint32_t length_bytes; /* STORED: as the node said */
    uint16_t node;
    uint8_t flags;
};

struct meta_placed_block {
    uint32_t generation;   /* 0: not placed yet */
    uint32_t length_bytes; /* of the receipts; 0: none yet */
    uint32_t crc32c;
    uint16_t copies_count;
    uint8_t conflict; /* 1: receipts of one generation disagree about the bytes; it has to be placed again */
    uint8_t lost;     /* 1: a commit was told that it is lost; it has to be placed again */
};

struct meta_vain_copy {
    uint32_t index;
    uint32_t generation;
    uint16_t node;
};

struct meta_upload {
    struct dfs_id file;
    struct dfs_id operation;
    struct dfs_list all; /* in order of opening */
    struct dfs_heap_item lease;
    dfs_time_ns heard_at; /* fair: the last sign of life */
    uint8_t bearer[DFS_FINGERPRINT_BYTES];
    char *path;
    uint32_t path_bytes;
    uint64_t size_bytes;       /* DFS_SIZE_UNKNOWN */
    uint32_t blocks;           /* of a known size */
    uint32_t block_size_bytes; /* even cut: the longest block; unknown size: every block but the last */
    uint64_t if_version;
    uint8_t precondition;
    uint8_t ack;
    uint8_t durability;
    uint8_t copies_wanted;
    uint32_t key_oldest;   /* no data server has signed a receipt of it with an earlier one */
    uint32_t placed_count; /* blocks 0..placed_count-1 may be placed */
    uint32_t placed_room;
    struct meta_placed_block *placed;
    struct meta_placed_copy *copies; /* copies_wanted for each placed block */
    struct meta_vain_copy *vain;
    uint32_t vain_count;
    uint32_t vain_room;
};

struct meta_uploads {
    struct dfs_map by_file;
    struct dfs_map by_operation;
    struct dfs_list all;
    struct dfs_heap leases; /* fair time */
    uint64_t count;
    uint64_t copies_count; /* room for copies of all */
};

void meta_uploads_init(struct meta_uploads *uploads);
void meta_uploads_close(struct meta_uploads *uploads);

static inline struct meta_upload *meta_uploads_find(const struct meta_uploads *uploads, const struct dfs_id *file)
{
    return dfs_map_find(&uploads->by_file, file->bytes);
}

static inline struct meta_upload *meta_uploads_find_operation(const struct meta_uploads *uploads,
                                                              const struct dfs_id *operation)
{
    return dfs_map_find(&uploads->by_operation, operation->bytes);
}

/* No more of them than `most`. */
static inline bool meta_uploads_is_full(const struct meta_uploads *uploads, uint32_t most)
{
    return uploads->count >= most || uploads->copies_count >= META_UPLOADS_COPIES_MAX;
}

/* Takes a filled upload (heap memory, `path` too); its ids are new. */
void meta_uploads_add(struct meta_uploads *uploads, struct meta_upload *upload, dfs_time_ns fair,
                      dfs_duration_ns lease_ns);
/* Takes it out and frees it. */
void meta_uploads_end(struct meta_uploads *uploads, struct meta_upload *upload);

/* An upload whose lease has run out, or NULL. Those with a newer sign of life are set anew. */
struct meta_upload *meta_uploads_expired(struct meta_uploads *uploads, dfs_time_ns fair, dfs_duration_ns lease_ns);
static inline dfs_time_ns meta_uploads_next(const struct meta_uploads *uploads) /* fair */
{
    return dfs_heap_next(&uploads->leases);
}

/* Room for blocks up to `index`. */
void meta_upload_grow(struct meta_uploads *uploads, struct meta_upload *upload, uint32_t index);

static inline struct meta_placed_copy *meta_upload_copies(const struct meta_upload *upload, uint32_t index)
{
    return upload->copies + (size_t)index * upload->copies_wanted;
}

/* The placed copy of a block's newest generation on a node, or NULL. */
struct meta_placed_copy *meta_upload_copy(const struct meta_upload *upload, uint32_t index, uint32_t generation,
                                          uint16_t node);

/* The block's present copies become vain, before it is placed again. false: there would be more than `most`. */
bool meta_upload_supersede(struct meta_upload *upload, uint32_t index, uint32_t most);

#endif

#include "core/meta/checkpoint.h"

#include "core/base/assert.h"
#include "core/base/gate.h"
#include "core/base/mem.h"
#include "core/meta/apply.h"

#include <stdio.h>
#include <string.h>

#define CHECKPOINT_PHASE_MAP(X) \
    X(IDLE) \
    X(ROTATING) /* the journal's next segment is made */ \
    X(CREATING) /* the temporary file */ \
    X(WALKING) \
    X(SETTLING) /* all pieces written; until all that was seen is synced in the journal */ \
    X(SYNCING) \
    X(PUBLISHING) \
    X(NAMING)    /* the directory */ \
    X(CLEANING)  /* what nobody needs any more is removed */ \
    X(GIVING_UP) /* the temporary file is removed */
enum checkpoint_phase {
#define X(name) CHECKPOINT_##name,
    CHECKPOINT_PHASE_MAP(X)
#undef X
        CHECKPOINT_PHASE_COUNT
};

static const char *const phase_names[CHECKPOINT_PHASE_COUNT] = {
#define X(name) #name,
    CHECKPOINT_PHASE_MAP(X)
#undef X
};

#define TO(phase) (1u << CHECKPOINT_##phase)
static const uint32_t phase_edges[CHECKPOINT_PHASE_COUNT] = {
    [CHECKPOINT_IDLE] = TO(ROTATING),
    [CHECKPOINT_ROTATING] = TO(CREATING) | TO(IDLE),
    [CHECKPOINT_CREATING] = TO(WALKING) | TO(GIVING_UP),
    [CHECKPOINT_WALKING] = TO(SETTLING) | TO(GIVING_UP),
    [CHECKPOINT_SETTLING] = TO(SYNCING),
    [CHECKPOINT_SYNCING] = TO(PUBLISHING) | TO(GIVING_UP),
    [CHECKPOINT_PUBLISHING] = TO(NAMING) | TO(GIVING_UP),
    [CHECKPOINT_NAMING] = TO(CLEANING) | TO(IDLE),
    [CHECKPOINT_CLEANING] = TO(IDLE),
    [CHECKPOINT_GIVING_UP] = TO(IDLE),
};
static const struct dfs_path paths[] = {
    {CHECKPOINT_IDLE, "journal", TO(ROTATING)},
    {CHECKPOINT_ROTATING, "disk", TO(CREATING) | TO(IDLE)},
    {CHECKPOINT_CREATING, "disk", TO(WALKING) | TO(GIVING_UP)},
    {CHECKPOINT_WALKING, "disk", TO(SETTLING) | TO(GIVING_UP)},
    {CHECKPOINT_SETTLING, "journal", TO(SYNCING)},
    {CHECKPOINT_SYNCING, "disk", TO(PUBLISHING) | TO(GIVING_UP)},
    {CHECKPOINT_PUBLISHING, "disk", TO(NAMING) | TO(GIVING_UP)},
    {CHECKPOINT_NAMING, "disk", TO(CLEANING) | TO(IDLE)},
    {CHECKPOINT_CLEANING, "disk", TO(IDLE)},
    {CHECKPOINT_GIVING_UP, "disk", TO(IDLE)},
};
#undef TO
const struct dfs_gate meta_checkpoint_gate = {
    "checkpoint", phase_names, phase_edges, CHECKPOINT_PHASE_COUNT, "metadata's checkpoint", DFS_GATE_PATHS(paths)};

/* What the walk is at. */
enum stage { STAGE_HEAD, STAGE_NODES, STAGE_KEY, STAGE_VERSIONS, STAGE_OUTCOMES, STAGE_END, STAGE_DONE };

struct numbers {
    uint64_t *at;
    size_t count;
    size_t room;
};

struct meta_checkpoint {
    enum checkpoint_phase phase;
    bool asked;
    uint64_t tokens;  /* names the operations of this attempt; older answers find nobody */
    uint32_t waiting; /* answers of this phase */
    bool broken;      /* one of them was bad */

    uint64_t number;
    uint64_t batch;
    uint64_t segment;
    uint64_t seen; /* batch that must be synced before publishing */
    uint64_t records;
    uint64_t chunk;
    uint64_t offset;

    enum stage stage;
    uint32_t node_cursor;
    meta_version_no version;      /* the walk goes on from here */
    meta_version_no version_last; /* numbers that were in use when the walk began */
    uint64_t serial_last;         /* the newest version then */
    uint32_t block;               /* of the version: next to write */
    struct dfs_list *outcome;

    uint8_t *piece; /* under construction; header room included */
    size_t piece_count;
    uint32_t piece_records;
    struct dfs_buf *writes[DFS_META_MOST_checkpoint_writes]; /* on their way; NULL: free */

    struct numbers segments;    /* on the disk, ascending */
    struct numbers checkpoints; /* on the disk, ascending */
    uint64_t older;             /* the newest published before this one that is believed; 0: none */
    uint64_t older_segment;
    uint64_t newest;
    uint64_t newest_segment;
};

/* Life --------------------------------------------------------------------------------------------------- */

void meta_checkpoint_init(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = dfs_alloc_zero(sizeof *checkpoint);

    meta->checkpoint = checkpoint;
}

static void write_drop(struct meta_checkpoint *checkpoint, size_t slot)
{
    struct dfs_buf *buf = checkpoint->writes[slot];

    checkpoint->writes[slot] = NULL;
    dfs_buf_unref(buf);
}

void meta_checkpoint_close(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;

    if (checkpoint == NULL)
        return;
    for (size_t i = 0; i < DFS_META_MOST_checkpoint_writes; i++)
        write_drop(checkpoint, i);
    dfs_free(checkpoint->piece);
    dfs_free(checkpoint->segments.at);
    dfs_free(checkpoint->checkpoints.at);
    dfs_free(checkpoint);
    meta->checkpoint = NULL;
}

static void numbers_push(struct numbers *numbers, uint64_t number)
{
    if (numbers->count == numbers->room) {
        numbers->room = numbers->room == 0 ? 8 : numbers->room * 2;
        numbers->at = dfs_realloc_array(numbers->at, numbers->room, sizeof *numbers->at);
    }
    numbers->at[numbers->count++] = number;
}

void meta_checkpoint_found(struct dfs_meta *meta, const uint64_t *segments, size_t segments_count,
                           const uint64_t *checkpoints, size_t checkpoints_count, uint64_t loaded,
                           uint64_t loaded_segment)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;

    for (size_t i = 0; i < segments_count; i++)
        numbers_push(&checkpoint->segments, segments[i]);
    for (size_t i = 0; i < checkpoints_count; i++)
        numbers_push(&checkpoint->checkpoints, checkpoints[i]);
    /* The next one gets a number that no file has, also not one that has gone bad. */
    checkpoint->number = checkpoints_count == 0 ? 0 : checkpoints[checkpoints_count - 1];
    checkpoint->newest = loaded;
    checkpoint->newest_segment = loaded_segment;
}

void meta_checkpoint_ask(struct dfs_meta *meta)
{
    meta->checkpoint->asked = true;
}

bool meta_checkpoint_is_running(const struct dfs_meta *meta)
{
    return meta->checkpoint->asked || meta->checkpoint->phase != CHECKPOINT_IDLE;
}

static void enter(struct dfs_meta *meta, enum checkpoint_phase phase, const char *why)
{
    DFS_GATE(&meta->env, &meta_checkpoint_gate, meta->checkpoint->phase, phase, why);
}

/* The disk ----------------------------------------------------------------------------------------------- */

static void temporary_name(const struct meta_checkpoint *checkpoint, char ret_name[DFS_FILE_NAME_BYTES_MAX])
{
    char name[DFS_FILE_NAME_BYTES_MAX - 4];

    meta_checkpoint_name(checkpoint->number, ret_name);
    memcpy(name, ret_name, sizeof name);
    name[sizeof name - 1] = '\0';
    (void)snprintf(ret_name, DFS_FILE_NAME_BYTES_MAX, "%s.tmp", name);
}

/* A token names the attempt and, for a write, its slot. */
static uint64_t token_of(const struct meta_checkpoint *checkpoint, size_t slot)
{
    return META_DISK_TOKEN(META_DISK_CHECKPOINT, checkpoint->tokens * DFS_META_MOST_checkpoint_writes + slot);
}

static void submit(struct dfs_meta *meta, size_t slot, struct dfs_disk_op op)
{
    op.token = token_of(meta->checkpoint, slot);
    meta->checkpoint->waiting++;
    meta->env.disk->submit(meta->env.ctx, &op);
}

/* From here on only answers of what is submitted next count. */
static void answers_forget(struct meta_checkpoint *checkpoint)
{
    checkpoint->tokens++;
    checkpoint->waiting = 0;
    checkpoint->broken = false;
}

static void submit_temporary(struct dfs_meta *meta, enum dfs_disk_verb verb)
{
    char name[DFS_FILE_NAME_BYTES_MAX];

    temporary_name(meta->checkpoint, name);
    submit(meta, 0, (struct dfs_disk_op){.verb = verb, .name = name});
}

static void checkpoint_end(struct dfs_meta *meta, enum dfs_status status, const char *why)
{
    enter(meta, CHECKPOINT_IDLE, why);
    meta_checkpoint_answer(meta, status);
}

static void give_up(struct dfs_meta *meta, const char *why)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;

    dfs_trace_note(&meta->env, DFS_IO, "a checkpoint could not be written; the journal goes on without it");
    answers_forget(checkpoint);
    enter(meta, CHECKPOINT_GIVING_UP, why);
    submit_temporary(meta, DFS_DISK_REMOVE);
}

/* Pieces ------------------------------------------------------------------------------------------------- */

static void piece_write(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;
    struct dfs_buf *buf =
        dfs_buf_new(&meta->journal.pool, meta_batch_room(checkpoint->piece_count - META_BATCH_HEADER_BYTES));
    const struct meta_batch batch = {.magic = META_MAGIC_CHECKPOINT,
                                     .number = ++checkpoint->chunk,
                                     .epoch = meta->epoch,
                                     .segment = checkpoint->number,
                                     .bytes = (uint32_t)(checkpoint->piece_count - META_BATCH_HEADER_BYTES),
                                     .records = checkpoint->piece_records};
    char name[DFS_FILE_NAME_BYTES_MAX];
    size_t slot = 0;
    size_t padded;

    while (checkpoint->writes[slot] != NULL)
        slot++;
    DFS_ASSERT(slot < DFS_META_MOST_checkpoint_writes);
    DFS_ASSERT(buf != NULL); /* the journal refuses work at half of the pool */
    memcpy(buf->bytes, checkpoint->piece, checkpoint->piece_count);
    padded = meta_batch_seal(&batch, buf->bytes, buf->capacity);
    checkpoint->writes[slot] = buf;
    temporary_name(checkpoint, name);
    submit(meta, slot,
           (struct dfs_disk_op){
               .verb = DFS_DISK_WRITE, .name = name, .buf = buf, .offset = checkpoint->offset, .length = padded});
    checkpoint->offset += padded;
    checkpoint->piece_count = META_BATCH_HEADER_BYTES;
    checkpoint->piece_records = 0;
}

/* A record may pass the piece's length by its own: the room is for both. */
#define PIECE_ROOM (DFS_META_MOST_checkpoint_piece + META_RECORD_BYTES_MAX)

static void piece_put(struct dfs_meta *meta, enum meta_record_number number, const void *record)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;
    struct dfs_wr w = dfs_wr_make(checkpoint->piece + checkpoint->piece_count, PIECE_ROOM - checkpoint->piece_count);

    meta_record_encode(number, record, &w);
    DFS_ASSERT(!w.bad);
    checkpoint->piece_count += dfs_wr_count(&w);
    checkpoint->piece_records++;
    checkpoint->records++;
}

/* Walk: each function puts at least one record or moves the stage on ------------------------------------- */

static void walk_head(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;
    const struct meta_r_checkpoint head = {.cluster = meta->config.cluster,
                                           .number = checkpoint->number,
                                           .epoch = meta->epoch,
                                           .sequence = meta->ns.sequence,
                                           .batch = checkpoint->batch,
                                           .segment = checkpoint->segment,
                                           .position = meta_journal_position(&meta->journal)};

    piece_put(meta, META_RECORD_CHECKPOINT, &head);
    checkpoint->stage = STAGE_NODES;
}

static void walk_node(struct dfs_meta *meta)
{
    struct meta_r_node record;

    if (meta_nodes_record_at(meta, &meta->checkpoint->node_cursor, &record))
        piece_put(meta, META_RECORD_NODE, &record);
    else
        meta->checkpoint->stage = STAGE_KEY;
}

static void walk_key(struct dfs_meta *meta)
{
    struct meta_r_key record;

    if (meta_nodes_record_key(meta, &record))
        piece_put(meta, META_RECORD_KEY, &record);
    meta->checkpoint->stage = STAGE_VERSIONS;
}

static void put_blocks(struct dfs_meta *meta, const struct meta_version *version)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;
    struct dfs_w_extent extents[DFS_META_MOST_checkpoint_extents];
    struct meta_r_blocks record = {.file = version->file.id, .first = checkpoint->block, .blocks = extents};

    while (record.blocks_count < meta->config.bounds.checkpoint_extents &&
           checkpoint->block < version->file.blocks_count) {
        const struct meta_block *block =
            meta_blockmap_block(&meta->map, meta_file_at(&version->file, checkpoint->block++));

        extents[record.blocks_count++] = (struct dfs_w_extent){
            .generation = block->generation, .length_bytes = block->length_bytes, .crc32c = block->crc32c};
    }
    piece_put(meta, META_RECORD_BLOCKS, &record);
}

static void version_record(const struct dfs_meta *meta, const struct meta_version *version,
                           struct meta_r_file *ret_record)
{
    const struct meta_path *path = meta_version_path(&meta->ns, version);

    *ret_record = (struct meta_r_file){
        .file = version->file.id,
        .path = {.at = path->text, .count = path->text_bytes},
        .current = version->trash == 0,
        .version = version->version,
        .serial = version->serial,
        .created_ms = version->created_ms,
        .removed_ms = meta_version_removed_ms(&meta->ns, version),
        .size_bytes = version->size_bytes,
        .digest = version->digest,
        .block_size_bytes = version->block_size_bytes,
        .even = (version->file.flags & META_FILE_EVEN) != 0,
        .blocks = version->file.blocks_count,
        .copies_wanted = version->file.copies_wanted,
        .ack = version->file.ack,
        .durability = version->file.durability,
    };
}

static void walk_version(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;
    const struct meta_version *version;
    struct meta_r_file record;

    if (checkpoint->version > checkpoint->version_last) {
        checkpoint->stage = STAGE_OUTCOMES;
        return;
    }
    version = meta_version_at(&meta->ns, checkpoint->version);
    /* A free number, one on its way out, or one of a newer version, which stands in the journal. */
    if (version->path != 0 && (version->file.flags & META_FILE_EXPIRING) == 0 &&
        version->serial <= checkpoint->serial_last) {
        if (checkpoint->block < version->file.blocks_count) {
            put_blocks(meta, version);
            return;
        }
        version_record(meta, version, &record);
        piece_put(meta, META_RECORD_FILE, &record);
    }
    checkpoint->version++;
    checkpoint->block = 0;
}

static void walk_outcome(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;
    const struct meta_outcome *outcome;

    if (checkpoint->outcome == NULL)
        checkpoint->outcome = meta->outcomes->all.next;
    if (checkpoint->outcome == &meta->outcomes->all) {
        checkpoint->stage = STAGE_END;
        return;
    }
    outcome = dfs_container_of(checkpoint->outcome, struct meta_outcome, age);
    piece_put(meta, META_RECORD_OUTCOME,
              &(struct meta_r_outcome){.operation = outcome->operation,
                                       .status = outcome->status,
                                       .version = outcome->version,
                                       .blocks = outcome->blocks,
                                       .replicas_durable = outcome->replicas_durable});
    checkpoint->outcome = checkpoint->outcome->next;
}

static void walk_end(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;
    const struct meta_r_checkpoint_end end = {
        .number = checkpoint->number, .records = checkpoint->records, .sequence = meta->ns.sequence};

    piece_put(meta, META_RECORD_CHECKPOINT_END, &end);
    checkpoint->seen = meta_journal_newest(&meta->journal);
    checkpoint->stage = STAGE_DONE;
}

static void walk_piece(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;

    while (checkpoint->stage != STAGE_DONE && checkpoint->piece_count < meta->config.bounds.checkpoint_piece) {
        switch (checkpoint->stage) {
        case STAGE_HEAD:
            walk_head(meta);
            break;
        case STAGE_NODES:
            walk_node(meta);
            break;
        case STAGE_KEY:
            walk_key(meta);
            break;
        case STAGE_VERSIONS:
            walk_version(meta);
            break;
        case STAGE_OUTCOMES:
            walk_outcome(meta);
            break;
        case STAGE_END:
            walk_end(meta);
            break;
        case STAGE_DONE:
            break;
        }
    }
    piece_write(meta);
}

void meta_checkpoint_version_dropped(struct dfs_meta *meta, const struct meta_version *version)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;

    if (checkpoint != NULL && checkpoint->version == version->number)
        checkpoint->block = 0; /* whoever has the number next begins with his first */
}

void meta_checkpoint_outcome_dropped(struct dfs_meta *meta, const struct meta_outcome *outcome)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;

    if (checkpoint != NULL && checkpoint->outcome == &outcome->age)
        checkpoint->outcome = checkpoint->outcome->next;
}

/* Phases ------------------------------------------------------------------------------------------------- */

static void walk_begin(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;

    checkpoint->batch = meta_journal_switch(&meta->journal);
    checkpoint->segment = meta->journal.segment.number;
    numbers_push(&checkpoint->segments, checkpoint->segment);
    checkpoint->number++;
    checkpoint->records = 0;
    checkpoint->chunk = 0;
    checkpoint->offset = 0;
    checkpoint->stage = STAGE_HEAD;
    checkpoint->node_cursor = 0;
    checkpoint->version = 1;
    checkpoint->version_last = meta->ns.versions.used;
    checkpoint->serial_last = meta->ns.sequence;
    checkpoint->block = 0;
    checkpoint->outcome = NULL;
    checkpoint->piece_count = META_BATCH_HEADER_BYTES;
    checkpoint->piece_records = 0;
    if (checkpoint->piece == NULL)
        checkpoint->piece = dfs_alloc(PIECE_ROOM);
    answers_forget(checkpoint);
    enter(meta, CHECKPOINT_CREATING, "disk");
    submit_temporary(meta, DFS_DISK_CREATE);
}

static bool is_due(const struct dfs_meta *meta)
{
    return meta->checkpoint->asked || meta->journal.bytes_since >= meta->config.checkpoint_every_bytes;
}

void meta_checkpoint_step(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;

    if (meta->journal.failed)
        return;
    if (checkpoint->phase == CHECKPOINT_IDLE && is_due(meta)) {
        checkpoint->asked = false;
        meta->journal.bytes_since = 0; /* a failure is tried again only after as much more */
        enter(meta, CHECKPOINT_ROTATING, "journal");
        meta_journal_rotate(&meta->journal, meta_segment_reserve(meta));
    }
    if (checkpoint->phase == CHECKPOINT_ROTATING) {
        if (meta_journal_can_switch(&meta->journal)) {
            walk_begin(meta);
        } else if (meta->journal.coming.phase == META_SEGMENT_NONE) {
            dfs_trace_note(&meta->env, DFS_IO,
                           "the next segment of the journal could not be made; no checkpoint for now");
            checkpoint_end(meta, DFS_IO, "disk");
        }
    }
    if (checkpoint->phase == CHECKPOINT_WALKING && checkpoint->waiting < meta->config.bounds.checkpoint_writes &&
        !checkpoint->broken) {
        if (checkpoint->stage != STAGE_DONE)
            walk_piece(meta);
        else if (checkpoint->waiting == 0)
            enter(meta, CHECKPOINT_SETTLING, "disk");
    }
    if (checkpoint->phase == CHECKPOINT_SETTLING && meta->journal.synced >= checkpoint->seen) {
        enter(meta, CHECKPOINT_SYNCING, "journal");
        submit_temporary(meta, DFS_DISK_SYNC);
    }
}

static void publish(struct dfs_meta *meta)
{
    char name[DFS_FILE_NAME_BYTES_MAX];
    char name2[DFS_FILE_NAME_BYTES_MAX];

    temporary_name(meta->checkpoint, name);
    meta_checkpoint_name(meta->checkpoint->number, name2);
    enter(meta, CHECKPOINT_PUBLISHING, "disk");
    submit(meta, 0, (struct dfs_disk_op){.verb = DFS_DISK_PUBLISH, .name = name, .name2 = name2});
}

static void numbers_remove_below(struct dfs_meta *meta, struct numbers *numbers, uint64_t floor,
                                 void (*name_of)(uint64_t number, char ret_name[DFS_FILE_NAME_BYTES_MAX]))
{
    char name[DFS_FILE_NAME_BYTES_MAX];
    size_t kept = 0;

    for (size_t i = 0; i < numbers->count; i++) {
        if (numbers->at[i] >= floor) {
            numbers->at[kept++] = numbers->at[i];
            continue;
        }
        name_of(numbers->at[i], name);
        submit(meta, 0, (struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = name});
    }
    numbers->count = kept;
}

/* It is there for good: the one before stays as its understudy, with its segments; what is older goes. */
static void published(struct dfs_meta *meta)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;
    const struct dfs_trace trace = {.kind = DFS_TRACE_CHECKPOINT, .a = meta_journal_position(&meta->journal)};

    checkpoint->older = checkpoint->newest;
    checkpoint->older_segment = checkpoint->newest_segment;
    checkpoint->newest = checkpoint->number;
    checkpoint->newest_segment = checkpoint->segment;
    dfs_trace_put(&meta->env, &trace);
    enter(meta, CHECKPOINT_CLEANING, "disk");
    if (checkpoint->older != 0) {
        numbers_remove_below(meta, &checkpoint->checkpoints, checkpoint->older, meta_checkpoint_name);
        numbers_remove_below(meta, &checkpoint->segments, checkpoint->older_segment, meta_segment_name);
    }
    if (checkpoint->waiting == 0)
        checkpoint_end(meta, DFS_OK, "disk");
}

void meta_checkpoint_on_disk(struct dfs_meta *meta, const struct dfs_disk_done *done)
{
    struct meta_checkpoint *checkpoint = meta->checkpoint;

    const uint64_t slot = done->token - token_of(checkpoint, 0);

    if (slot >= DFS_META_MOST_checkpoint_writes || checkpoint->waiting == 0)
        return;
    checkpoint->waiting--;
    checkpoint->broken = checkpoint->broken || done->status != DFS_OK;
    switch (checkpoint->phase) {
    case CHECKPOINT_CREATING:
        if (checkpoint->broken)
            give_up(meta, "disk");
        else
            enter(meta, CHECKPOINT_WALKING, "disk");
        return;
    case CHECKPOINT_WALKING:
        write_drop(checkpoint, (size_t)slot);
        if (checkpoint->broken && checkpoint->waiting == 0)
            give_up(meta, "disk");
        return;
    case CHECKPOINT_SYNCING:
        if (checkpoint->broken)
            give_up(meta, "disk");
        else
            publish(meta);
        return;
    case CHECKPOINT_PUBLISHING:
        if (checkpoint->broken) {
            give_up(meta, "disk");
            return;
        }
        numbers_push(&checkpoint->checkpoints, checkpoint->number);
        enter(meta, CHECKPOINT_NAMING, "disk");
        submit(meta, 0, (struct dfs_disk_op){.verb = DFS_DISK_SYNC_DIR});
        return;
    case CHECKPOINT_NAMING:
        /* Not on stable storage for certain: nothing older may go, and this one may yet vanish. */
        if (checkpoint->broken)
            checkpoint_end(meta, DFS_IO, "disk");
        else
            published(meta);
        return;
    case CHECKPOINT_CLEANING:
        /* A name that could not be removed is met again at the next start. */
        if (checkpoint->waiting == 0)
            checkpoint_end(meta, DFS_OK, "disk");
        return;
    case CHECKPOINT_GIVING_UP:
        checkpoint_end(meta, DFS_IO, "disk");
        return;
    case CHECKPOINT_IDLE:
    case CHECKPOINT_ROTATING:
    case CHECKPOINT_SETTLING:
        return; /* nothing was asked */
    case CHECKPOINT_PHASE_COUNT:
        break;
    }
    dfs_unreachable("meta_checkpoint_on_disk");
}

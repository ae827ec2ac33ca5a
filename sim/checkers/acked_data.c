/*
 * acked_data: what was acknowledged is on stable storage when it is said, and stays readable.
 *
 * The reading side is the ledger's (every GET, and the audit at the end). Here stands the order: a data server's receipt that says `durable` leaves
 * only when the block's file is in the durable image of its disk; metadata's PUT_DONE leaves only when the commit is in the durable image of
 * the journal, and when the receipts it was given satisfy the acknowledgement rule.
 */
#include "core/base/mem.h"
#include "core/data/data.h"
#include "sim/checkers/checkers.h"
#include "sim/copies.h"
#include "sim/loss.h"

#include <string.h>

/* Receipts of one block of an upload, by data server. */
struct stored {
    uint32_t generation;
    uint32_t nodes_count;
    uint32_t nodes[DFS_REPLICAS_MAX];
    uint64_t incarnations[DFS_REPLICAS_MAX]; /* of the receipts */
    bool durable[DFS_REPLICAS_MAX];
};

/* What metadata last said of a data server. */
struct member {
    uint64_t incarnation;
    bool evicted;
    dfs_time_ns evicted_at;
};

/* Of a file's record; zeroed: nothing was heard of it. */
struct upload {
    struct dfs_id file; /* once it is planned or committed */
    uint8_t ack;
    uint8_t copies_wanted;
    uint8_t durability;
    bool is_heard_of;
    bool journaled;        /* its id stands in the durable journal */
    bool waiting;          /* in state->pending */
    dfs_time_ns commit_at; /* its last page came: what counts is who is a member then, not when the journal has it */
    bool planned;
    bool acknowledged;
    struct stored *blocks; /* NULL: none */
    uint32_t blocks_room;
};

struct state {
    size_t part;             /* struct upload */
    struct upload **pending; /* commits that are not seen in the journal yet */
    size_t pending_count;
    size_t pending_room;
    struct sim_touched touched;
    struct member *members;                /* by data server */
    char segment[DFS_FILE_NAME_BYTES_MAX]; /* the journal file that was synced last, and how much of it was searched */
    uint64_t segment_bytes;
    uint8_t *bytes;
    size_t bytes_room;
};

/*
 * Rests when it was never heard of, or was acknowledged and found in the journal: no receipt of it is looked at again, and no rule is held against it. Kept is just that.
 */
enum { RESTING_HEARD_OF = 1, RESTING_PLANNED = 2 };

static enum sim_rest rest(void *arg, const void *part, uint8_t *ret_bytes)
{
    const struct upload *upload = part;

    (void)arg;
    if (upload->is_heard_of && (!upload->acknowledged || !upload->journaled || upload->waiting))
        return SIM_REST_NO;
    *ret_bytes = (uint8_t)((upload->is_heard_of ? RESTING_HEARD_OF : 0) | (upload->planned ? RESTING_PLANNED : 0));
    return SIM_REST_YES;
}

static void wake(void *arg, const struct dfs_id *file, void *part, const uint8_t *bytes)
{
    struct upload *upload = part;

    (void)arg;
    if ((*bytes & RESTING_HEARD_OF) != 0)
        *upload = (struct upload){.file = *file,
                                  .is_heard_of = true,
                                  .journaled = true,
                                  .acknowledged = true,
                                  .planned = (*bytes & RESTING_PLANNED) != 0};
}

static void init(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    state->members = dfs_alloc_zero((run->cluster->options.data + 1) * sizeof *state->members);
    state->part = sim_files_part(&run->ledger.files, sizeof(struct upload),
                                 &(struct sim_resting){.bytes = 1, .rest = rest, .wake = wake});
}

static void close_state(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    for (size_t i = 0; i < run->ledger.files.count; i++) {
        const struct upload *upload = sim_about_part(run->ledger.files.all[i], state->part);

        dfs_free(upload->blocks);
    }
    dfs_free(state->pending);
    dfs_free(state->bytes);
    dfs_free(state->members);
}

static struct upload *upload_of(struct sim_run *run, const struct state *state, const struct dfs_id *file)
{
    struct upload *upload = sim_about_part(sim_files_of(&run->ledger.files, file), state->part);

    upload->is_heard_of = true;
    upload->file = *file;
    return upload;
}

/* NULL: it was neither planned nor committed. */
static struct upload *upload_find(struct sim_run *run, const struct state *state, const struct dfs_id *file)
{
    struct sim_about *about = sim_files_find(&run->ledger.files, file);
    struct upload *upload = about == NULL ? NULL : sim_about_part(about, state->part);

    return upload != NULL && upload->is_heard_of ? upload : NULL;
}

static void on_put_plan(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_plan *plan = seen->body;
    struct upload *upload;

    (void)when;
    if (plan == NULL)
        return;
    upload = upload_of(run, arg, &plan->file);
    upload->planned = true;
    upload->ack = plan->ack;
    upload->copies_wanted = plan->copies_wanted;
    upload->durability = plan->durability;
}

static void note_receipt(struct sim_run *run, struct upload *upload, const struct dfs_w_receipt *receipt)
{
    const uint32_t node = sim_checker_data_index(run, &receipt->node);
    const uint32_t index = receipt->block.index;

    if (node == UINT32_MAX || index >= DFS_BLOCKS_PER_FILE_MAX)
        return;
    if (index >= upload->blocks_room) {
        uint32_t room = upload->blocks_room == 0 ? 1 : upload->blocks_room; /* most files are of one block */

        while (room <= index)
            room *= 2;
        upload->blocks = dfs_realloc_array(upload->blocks, room, sizeof *upload->blocks);
        memset(upload->blocks + upload->blocks_room, 0, (room - upload->blocks_room) * sizeof *upload->blocks);
        upload->blocks_room = room;
    }
    struct stored *stored = &upload->blocks[index];

    if (receipt->block.generation > stored->generation)
        *stored = (struct stored){.generation = receipt->block.generation};
    if (receipt->block.generation < stored->generation)
        return;
    for (uint32_t i = 0; i < stored->nodes_count; i++) {
        if (stored->nodes[i] != node)
            continue;
        if (receipt->incarnation > stored->incarnations[i]) {
            stored->incarnations[i] = receipt->incarnation;
            stored->durable[i] = receipt->durable != 0;
        }
        return;
    }
    if (stored->nodes_count == DFS_REPLICAS_MAX)
        return;
    stored->incarnations[stored->nodes_count] = receipt->incarnation;
    stored->durable[stored->nodes_count] = receipt->durable != 0;
    stored->nodes[stored->nodes_count++] = node;
}

static void on_put_commit(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_commit *commit = seen->body;
    struct state *state = arg;

    (void)when;
    if (commit == NULL)
        return;
    struct upload *upload = upload_of(run, state, &commit->file);

    for (uint32_t i = 0; i < commit->receipts_count && !upload->acknowledged; i++)
        note_receipt(run, upload, &commit->receipts[i]);
    if (commit->last && !upload->waiting && !upload->journaled) {
        if (state->pending_count == state->pending_room) {
            state->pending_room = state->pending_room == 0 ? 64 : 2 * state->pending_room;
            state->pending = dfs_realloc_array(state->pending, state->pending_room, sizeof(struct upload *));
        }
        upload->waiting = true;
        upload->commit_at = sim_world_now(run->world);
        state->pending[state->pending_count++] = upload;
    }
}

static void pending_forget(struct state *state, struct upload *upload)
{
    for (size_t i = 0; upload->waiting && i < state->pending_count; i++) {
        if (state->pending[i] != upload)
            continue;
        state->pending[i] = state->pending[--state->pending_count];
        upload->waiting = false;
    }
}

/* Which of the pending commits stand in bytes that have just become durable? */
static void search(struct state *state, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < state->pending_count;) {
        struct upload *upload = state->pending[i];

        if (memmem(bytes, count, upload->file.bytes, sizeof upload->file.bytes) == NULL) {
            i++;
            continue;
        }
        upload->journaled = true;
        upload->waiting = false;
        state->pending[i] = state->pending[--state->pending_count];
    }
}

static void on_disk_done(struct sim_run *run, void *arg, const struct sim_disk_event *event)
{
    struct state *state = arg;

    if (event->host != run->cluster->meta.host || event->done->status != DFS_OK)
        return;
    if (strncmp(event->name, "journal-", 8) != 0)
        return;
    const struct sim_file *file = sim_disk_find(event->disk, SIM_DURABLE, event->name);

    if (file == NULL)
        file = sim_disk_find(event->disk, SIM_NOW, event->name);
    if (file == NULL)
        return;
    if (strcmp(state->segment, event->name) != 0) {
        memset(state->segment, 0, sizeof state->segment);
        strncpy(state->segment, event->name, sizeof state->segment - 1);
        state->segment_bytes = 0;
    }
    const uint64_t end = sim_file_bytes(file, SIM_DURABLE);
    /* An id may begin before what was searched last. */
    const uint64_t begin = state->segment_bytes < DFS_ID_BYTES ? 0 : state->segment_bytes - DFS_ID_BYTES;

    if (end <= begin)
        return;
    const size_t count = (size_t)(end - begin);

    if (count > state->bytes_room) {
        state->bytes_room = 2 * count;
        state->bytes = dfs_realloc_array(state->bytes, state->bytes_room, 1);
    }
    search(state, state->bytes, sim_file_read(file, SIM_DURABLE, begin, state->bytes, count));
    state->segment_bytes = end;
}

/* Does the receipt prove a copy now? Its node is a member in that very life; or it is one in a later life, and its disk has the block (its inventory has told). */
static bool counts(struct sim_run *run, const struct state *state, const struct upload *upload, uint32_t index,
                   uint32_t which)
{
    const struct stored *stored = &upload->blocks[index];
    const struct member *member = &state->members[stored->nodes[which]];
    const struct dfs_block_id block = {upload->file, index, stored->generation};
    char name[DFS_FILE_NAME_BYTES_MAX];

    if (member->evicted && member->evicted_at < upload->commit_at)
        return false;
    if (member->incarnation == stored->incarnations[which])
        return true;
    dfs_block_name(&block, name);
    return sim_disk_find(sim_host_disk(sim_copies_host(run, stored->nodes[which])), SIM_NOW, name) != NULL;
}

static void check_rule(struct sim_run *run, const struct state *state, const struct upload *upload,
                       const struct dfs_m_put_done *done)
{
    const uint32_t wanted = upload->ack == DFS_ACK_QUORUM ? upload->copies_wanted / 2u + 1 : upload->copies_wanted;
    const bool sync = upload->durability == DFS_DURABILITY_SYNC;

    for (uint32_t i = 0; i < done->blocks; i++) {
        const struct stored *stored = i < upload->blocks_room ? &upload->blocks[i] : NULL;
        uint32_t copies = 0;

        for (uint32_t k = 0; stored != NULL && k < stored->nodes_count; k++)
            copies += (stored->durable[k] || !sync) && counts(run, state, upload, i, k);
        if (copies < wanted) {
            sim_run_violation(run, "acked_data", run->cluster->meta.host,
                              "a PUT was acknowledged with %u %scopies of block %u on members; its rule asks for %u",
                              copies, sync ? "durable " : "", i, wanted);
            return;
        }
    }
}

static void on_put_done(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_done *done = seen->body;
    struct state *state = arg;

    (void)when;
    if (done == NULL || seen->message->injected)
        return;
    struct upload *upload = upload_find(run, state, &done->file);

    if (upload != NULL && done->status != DFS_OK)
        pending_forget(state, upload); /* it is asked again, or never */
    if (upload == NULL || done->status != DFS_OK)
        return;
    if (!upload->journaled)
        sim_run_violation(run, "acked_data", run->cluster->meta.host,
                          "a commit was answered before the journal had it on stable storage");
    if (upload->planned && !upload->acknowledged)
        check_rule(run, state, upload, done);
    upload->acknowledged = true; /* said again, it says what was true then */
    dfs_free(upload->blocks);    /* nobody asks for its receipts again */
    upload->blocks = NULL;
    upload->blocks_room = 0;
}

static void on_joined(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_joined *joined = seen->body;
    const struct sim_node *node = seen->message->to == NULL ? NULL : sim_cluster_node(run->cluster, seen->message->to);
    const uint32_t index = joined == NULL || node == NULL ? UINT32_MAX : sim_checker_data_index(run, &node->id);
    struct state *state = arg;

    (void)when;
    if (index != UINT32_MAX)
        state->members[index] = (struct member){.incarnation = joined->incarnation};
}

static void on_evicted(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    const uint32_t index = sim_checker_data_index(run, &trace->node);
    struct state *state = arg;

    (void)host;
    if (index != UINT32_MAX && state->members[index].incarnation == trace->a)
        state->members[index].evicted = true;
    if (index != UINT32_MAX && state->members[index].incarnation == trace->a)
        state->members[index].evicted_at = sim_world_now(run->world);
}

static void on_block_written(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_block_written *written = seen->body;
    struct state *state = arg;

    (void)when;
    if (written == NULL || sim_checker_role(run, seen->message->from) != DFS_ROLE_DATA)
        return;
    struct sim_node *node = sim_cluster_node(run->cluster, seen->message->from);

    if (sim_host_set_has(&state->touched.hosts, sim_run_host_number(run, seen->message->from)))
        return;
    for (uint32_t i = 0; i < written->receipts_count; i++) {
        const struct dfs_w_receipt *receipt = &written->receipts[i];
        const struct dfs_block_id block = {receipt->block.file, receipt->block.index, receipt->block.generation};
        char name[DFS_FILE_NAME_BYTES_MAX];

        if (!dfs_id_equal(&receipt->node, &node->id) || !receipt->durable)
            continue;
        dfs_block_name(&block, name);
        const struct sim_file *file = sim_disk_find(node->disk, SIM_DURABLE, name);

        if (file == NULL || sim_file_bytes(file, SIM_DURABLE) <= receipt->length_bytes)
            sim_run_violation(run, "acked_data", seen->message->from,
                              "a durable receipt left while block %u of the file is not on stable storage",
                              block.index);
    }
}

static void on_fault(struct sim_run *run, void *arg, size_t index, const struct sim_fault *fault, struct sim_host *host,
                     bool begins)
{
    struct state *state = arg;

    (void)index, (void)begins;
    sim_touched_note(run, &state->touched, fault, host);
}

/* Without syncs a loss of power may take what was acknowledged: nothing else was promised. */
static bool forgets(const struct sim_run *run)
{
    return run->cluster->options.settings.durability == DFS_SETTING_DURABILITY_ASYNC;
}

/* Lost are blocks without a good copy on any disk, those of servers that are down included: no fault but one of the disks themselves takes these. */
static void end(struct sim_run *run, void *arg, bool settled)
{
    const struct state *state = arg;
    const struct sim_version *first = NULL;
    struct sim_copies_count count;
    uint64_t gone = 0;

    if (!settled || state->touched.any)
        return;
    sim_copies_look(run, NULL, &count);
    for (const struct sim_version *version = NULL;
         count.lost > 0 && (version = sim_copies_version_next(run->copies, version)) != NULL;) {
        if (!sim_version_is_live(version) || sim_loss_of(run, version, 0) != SIM_LOSS_GONE)
            continue;
        gone++;
        first = first == NULL ? version : first;
    }
    if (first != NULL && !forgets(run))
        sim_run_violation(run, "acked_data", NULL,
                          "%llu acknowledged files have blocks without a good copy on any disk; the first is \"%s\"",
                          (unsigned long long)gone, first->path);
}

static const struct sim_message_hook messages[] = {
    {.number = DFS_MSG_PUT_PLAN, .when = SIM_SENT, .seen = on_put_plan},
    {.number = DFS_MSG_PUT_COMMIT, .when = SIM_DELIVERED, .seen = on_put_commit},
    {.number = DFS_MSG_PUT_DONE, .when = SIM_SENT, .seen = on_put_done},
    {.number = DFS_MSG_BLOCK_WRITTEN, .when = SIM_SENT, .seen = on_block_written},
    {.number = DFS_MSG_JOINED, .when = SIM_SENT, .seen = on_joined},
};

const struct sim_checker sim_checker_acked_data = {.name = "acked_data",
                                                   .state_bytes = sizeof(struct state),
                                                   .hooks = {.init = init,
                                                             .close = close_state,
                                                             .traces = 1u << DFS_TRACE_EVICTED,
                                                             .trace = on_evicted,
                                                             .messages = messages,
                                                             .messages_count = sizeof messages / sizeof messages[0],
                                                             .disk_done_verbs = 1u << DFS_DISK_SYNC,
                                                             .disk_done_of = 1u << DFS_ROLE_META,
                                                             .disk_done = on_disk_done,
                                                             .fault = on_fault,
                                                             .end = end}};

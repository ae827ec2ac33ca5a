#include "sim/audit.h"

#include "core/base/mem.h"
#include "core/data/data.h"
#include "sim/copies.h"
#include "sim/loss.h"
#include "sim/nemesis.h"
#include "sim/workload.h"

#include <stdio.h>
#include <string.h>

#define SLICE_NS (100 * DFS_MILLISECONDS)

/* Reads that run at a time. */
#define AUDIT_READS_MAX 32

/* Nothing goes wrong during the audit: a file that is not read by then never will be. Longer than a client tries. */
#define AUDIT_LIMIT_NS (300 * DFS_SECONDS)

/* An answer of metadata that is there. */
#define ANSWER_LIMIT_NS (30 * DFS_SECONDS)

/* Paths of a run beyond which FSCK is not held against the disks: it comes in pages, of which one is looked at. */
#define FSCK_PATHS_MAX 900

static bool run_on(struct sim_run *run, dfs_duration_ns time)
{
    return sim_world_run(run->world, sim_world_now(run->world) + time) != SIM_END_BUDGET;
}

/* Who can read now: clients that nothing touches, while nothing touches metadata. */
static uint32_t audit_clients(const struct sim_run *run, uint32_t clients[SIM_CLIENTS_MAX])
{
    const uint32_t first = 2 + run->cluster->options.data;
    uint32_t count = 0;

    if (sim_nemesis_touches(run->nemesis, 1, 0))
        return 0;
    for (uint32_t i = 0; i < run->cluster->options.clients; i++) {
        if (!sim_nemesis_touches(run->nemesis, first + i, 0))
            clients[count++] = i;
    }
    return count;
}

static void audit_judge(struct sim_run *run, const struct sim_operation *get)
{
    const struct sim_host *host = run->cluster->clients[get->client].host;

    if (get->answered_at == DFS_NEVER) {
        sim_run_violation(run, "acked_data", host,
                          "%s was not read back within %.0f s after everything had come to rest", get->path->name,
                          (double)AUDIT_LIMIT_NS / 1e9);
        return;
    }
    run->audited++;
    /* Where nothing is left to try, the answer says so; what is only out of reach may be waited for. Loss that is none was judged with the answer. */
    if (get->status == DFS_OK || get->status == DFS_NOT_FOUND || get->status == DFS_DATA_LOST)
        return;
    const enum sim_loss loss = sim_loss_of_path(run, get->path->name, get->asked_at, 0);

    if (loss == SIM_LOSS_NONE)
        sim_run_violation(run, "acked_data", host, "%s cannot be read back after everything has come to rest: %s",
                          get->path->name, dfs_status_name(get->status));
    else if (loss == SIM_LOSS_GONE)
        sim_run_violation(run, "acked_data", host, "%s has no good copy of a block left, but reading it says %s",
                          get->path->name, dfs_status_name(get->status));
}

/* Every file that must be there is read once more. */
static void read_all(struct sim_run *run, const uint32_t *clients, uint32_t clients_count)
{
    const struct sim_ledger *ledger = &run->ledger;
    const size_t paths = ledger->paths_count;
    struct sim_operation **gets = dfs_alloc_zero_array(paths + 1, sizeof(struct sim_operation *));
    const dfs_time_ns limit = sim_run_time(run) + AUDIT_LIMIT_NS;
    size_t next = 0;

    while (clients_count > 0) {
        while (next < paths && sim_workload_running(run->workload) < AUDIT_READS_MAX) {
            if (sim_path_must_exist(ledger->paths[next]))
                gets[next] = sim_workload_get(run->workload, clients[next % clients_count], ledger->paths[next]->name);
            next++;
        }
        if ((next == paths && sim_workload_running(run->workload) == 0) || sim_run_time(run) >= limit)
            break;
        if (!run_on(run, SLICE_NS))
            break;
    }
    for (size_t i = 0; i < paths; i++) {
        if (gets[i] != NULL)
            audit_judge(run, gets[i]);
    }
    dfs_free(gets);
}

/* FSCK --------------------------------------------------------------------------------------------------------------------- */

struct fsck {
    struct sim_run *run;
    bool answered;
    enum dfs_status status;
    struct {
        char path[DFS_PATH_BYTES_MAX + 1];
        enum dfs_status status;
    } * named;
    uint32_t named_count;
    uint32_t named_room;
    bool more;                          /* files behind the last one named */
    char after[DFS_PATH_BYTES_MAX + 1]; /* that one */
};

static void on_fsck(void *arg, const struct dfs_client_result *result)
{
    struct fsck *fsck = arg;

    fsck->answered = true;
    fsck->status = result == NULL ? DFS_UNREACHABLE : result->status;
    if (fsck->status != DFS_OK || result->number != DFS_MSG_FSCK_PAGE)
        return;
    const struct dfs_m_fsck_page *page = result->message;

    fsck->more = page->more != 0 && page->paths_count > 0;
    for (uint32_t i = 0; i < page->paths_count; i++) {
        const struct dfs_w_fsck_path *path = &page->paths[i];

        if (fsck->named_count == fsck->named_room) {
            fsck->named_room = fsck->named_room == 0 ? 16 : 2 * fsck->named_room;
            fsck->named = dfs_realloc_array(fsck->named, fsck->named_room, sizeof *fsck->named);
        }
        memcpy(fsck->named[fsck->named_count].path, path->path.at, path->path.count);
        fsck->named[fsck->named_count].path[path->path.count] = '\0';
        memcpy(fsck->after, fsck->named[fsck->named_count].path, sizeof fsck->after);
        fsck->named[fsck->named_count++].status = (enum dfs_status)path->status;
    }
}

static enum dfs_status fsck_of(const struct fsck *fsck, const char *path)
{
    for (uint32_t i = 0; i < fsck->named_count; i++) {
        if (strcmp(fsck->named[i].path, path) == 0)
            return fsck->named[i].status;
    }
    return DFS_OK;
}

/* A server that has just fallen silent still counts for metadata, until it is evicted. */
static bool is_in_doubt(struct sim_run *run)
{
    const struct dfs_meta *meta = sim_cluster_meta(run->cluster);
    struct dfs_meta_node_view view;

    for (size_t i = 0; meta != NULL && dfs_meta_node_at(meta, i, &view); i++) {
        if (view.state != DFS_NODE_ACTIVE && view.state != DFS_NODE_EVICTED)
            return true;
    }
    return false;
}

static void fsck_judge(struct fsck *fsck, const struct sim_version *version)
{
    struct sim_run *run = fsck->run;
    const enum sim_loss loss = sim_loss_of(run, version, 0);
    const enum dfs_status said = fsck_of(fsck, version->path);
    struct sim_copies_count count;

    if (said == DFS_DATA_LOST && loss == SIM_LOSS_NONE)
        sim_run_violation(run, "acked_data", run->cluster->meta.host,
                          "fsck calls \"%s\" lost, but good copies of all its blocks are within reach", version->path);
    if (said != DFS_DATA_LOST && loss == SIM_LOSS_GONE)
        sim_run_violation(run, "acked_data", run->cluster->meta.host,
                          "fsck calls \"%s\" %s, but a block of it has no good copy left", version->path,
                          said == DFS_OK ? "whole" : dfs_status_name(said));
    if (said != DFS_OK || loss != SIM_LOSS_NONE || is_in_doubt(run))
        return;
    sim_copies_look(run, version->path, &count);
    if (count.under > count.unread)
        sim_run_violation(run, "accounting", run->cluster->meta.host,
                          "fsck calls \"%s\" whole, but %llu of its %llu blocks lack good copies", version->path,
                          (unsigned long long)count.under, (unsigned long long)count.blocks);
}

/* One page. false: no client can ask. */
static bool fsck_page(struct fsck *fsck, uint32_t client)
{
    struct sim_run *run = fsck->run;
    char after[DFS_PATH_BYTES_MAX + 1];
    const struct dfs_client_list ask = {.prefix = "", .after = after};

    memcpy(after, fsck->after, sizeof after);
    fsck->answered = false;
    fsck->more = false;
    if (!sim_workload_question(run->workload, client, DFS_CLIENT_FSCK, &ask, sizeof ask, on_fsck, fsck))
        return false;
    for (dfs_time_ns waited = 0; !fsck->answered && waited < ANSWER_LIMIT_NS && run_on(run, SLICE_NS);)
        waited += SLICE_NS;
    sim_workload_question_drop(run->workload);
    return true;
}

/* What metadata believes of the files, beside what the disks have. Rot that nobody has read yet is not known to it. */
static void fsck(struct sim_run *run, uint32_t client)
{
    struct fsck fsck = {.run = run};

    for (uint32_t i = 0; i < run->cluster->options.data; i++) {
        if (sim_nemesis_destroyed(run->nemesis, 2 + i))
            return;
    }
    if (run->ledger.paths_count > FSCK_PATHS_MAX || !fsck_page(&fsck, client))
        return;
    while (fsck.answered && fsck.status == DFS_OK && fsck.more && fsck_page(&fsck, client))
        ;
    if (!fsck.answered || fsck.status != DFS_OK)
        sim_run_violation(run, "acked_data", run->cluster->meta.host, "fsck after everything had come to rest: %s",
                          fsck.answered ? dfs_status_name(fsck.status) : "no answer");
    for (const struct sim_version *version = NULL;
         fsck.named != NULL && (version = sim_copies_version_next(run->copies, version)) != NULL;) {
        if (sim_version_is_live(version))
            fsck_judge(&fsck, version);
    }
    dfs_free(fsck.named);
}

void sim_audit(struct sim_run *run)
{
    uint32_t clients[SIM_CLIENTS_MAX];
    const uint32_t count = audit_clients(run, clients);

    read_all(run, clients, count);
    if (count > 0)
        fsck(run, clients[0]);
}

/* Why it does not come to rest ----------------------------------------------------------------------------------------------- */

struct explained {
    uint32_t index; /* of the block in question */
    bool answered;
    char words[256];
};

static void on_explain(void *arg, const struct dfs_client_result *result)
{
    struct explained *explained = arg;

    explained->answered = true;
    if (result == NULL || result->status != DFS_OK || result->number != DFS_MSG_EXPLAIN_PAGE) {
        (void)snprintf(explained->words, sizeof explained->words, "%s",
                       result != NULL ? dfs_status_name(result->status) : "the client went down");
        return;
    }
    const struct dfs_m_explain_page *page = result->message;

    for (uint32_t i = 0; i < page->blocks_count; i++) {
        const struct dfs_w_explain_block *block = &page->blocks[i];

        if (block->index == explained->index)
            (void)snprintf(explained->words, sizeof explained->words, "%u of %u copies; %.*s; queue: %.*s, place %llu",
                           block->copies, block->wanted, (int)block->why.count, block->why.at, (int)block->queue.count,
                           block->queue.at, (unsigned long long)block->position);
    }
}

static void say_explained(struct sim_run *run, const struct sim_copies_count *count)
{
    const struct dfs_client_path path = {.path = count->first_of->path, .first_block = count->first.index};
    struct explained explained = {.index = count->first.index};
    uint32_t clients[SIM_CLIENTS_MAX];

    if (audit_clients(run, clients) == 0 || !sim_workload_question(run->workload, clients[0], DFS_CLIENT_EXPLAIN, &path,
                                                                   sizeof path, on_explain, &explained))
        return;
    for (dfs_time_ns waited = 0; !explained.answered && waited < ANSWER_LIMIT_NS && run_on(run, SLICE_NS);)
        waited += SLICE_NS;
    sim_workload_question_drop(run->workload);
    sim_run_verdict(run, SIM_STUCK, "metadata says of block %u of %s: %s", count->first.index, count->first_of->path,
                    explained.answered ? explained.words : "nothing");
}

static const char *state_of(struct sim_run *run, const struct sim_node *node)
{
    const struct dfs_meta *meta = sim_cluster_meta(run->cluster);
    struct dfs_meta_node_view view;

    for (size_t i = 0; meta != NULL && dfs_meta_is_ready(meta) && dfs_meta_node_at(meta, i, &view); i++) {
        if (dfs_id_equal(&view.node, &node->id))
            return dfs_node_state_name(view.state);
    }
    return "unknown to metadata";
}

void sim_audit_stuck(struct sim_run *run)
{
    struct sim_copies_count count;

    sim_copies_look(run, NULL, &count);
    const struct sim_block *block = count.missing > 0 ? sim_copies_block(run->copies, &count.first) : NULL;

    for (uint32_t i = 0; i < run->cluster->options.data; i++) {
        const struct sim_node *node = &run->cluster->data[i];
        const bool up = sim_host_is_up(node->host);
        const bool touched = sim_nemesis_touches(run->nemesis, 2 + i, 0);
        const bool has = block != NULL && sim_copies_has(run, i, block);

        if (up && !touched && !has && strcmp(state_of(run, node), "ACTIVE") == 0)
            continue;
        sim_run_verdict(run, SIM_STUCK, "%s is %s, %s%s%s", sim_host_name(node->host), state_of(run, node),
                        up ? "runs" : "is down", up && touched ? " under a fault" : "",
                        has ? ", and has a good copy of that block" : "");
    }
    if (block != NULL)
        say_explained(run, &count);
}

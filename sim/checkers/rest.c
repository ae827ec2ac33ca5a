/*
 * What must hold when everything has come to rest.
 *
 * progress: it does come to rest: what metadata has under way ends, and every server that runs and that no fault touches is a member.
 * accounting: when nothing moves any more, counters of what is under way are zero, and metadata's count of blocks that lack copies agrees with the disks'.
 * orphans: no disk of an active server keeps a block that no committed or young upload owns; the run waits for young ones to grow old.
 */
#include "core/base/mem.h"
#include "core/data/data.h"
#include "sim/checkers/checkers.h"
#include "sim/copies.h"
#include "sim/nemesis.h"

#include <stdio.h>
#include <string.h>

/* progress ------------------------------------------------------------------------------------------------------------- */

/* Nothing of repair, trimming or removal has passed for so long, and for so many intervals: what is still counted as under way never will. Above every time-out and
 * back-off of metadata: a removal that was refused is ordered again after five intervals. */
#define QUIET_NS (60 * DFS_SECONDS)
#define QUIET_INTERVALS 6

struct quiet {
    dfs_time_ns moved_at; /* of the world */
    struct sim_touched touched;
};

static void on_moved(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    struct quiet *quiet = arg;

    (void)seen, (void)when;
    quiet->moved_at = sim_world_now(run->world);
}

static const struct sim_message_hook moving_messages[] = {
    {.number = DFS_MSG_COPY, .when = SIM_SENT | SIM_BLIND, .seen = on_moved},
    {.number = DFS_MSG_COPY_DONE, .when = SIM_SENT | SIM_BLIND, .seen = on_moved},
    {.number = DFS_MSG_REMOVE_BLOCK, .when = SIM_SENT | SIM_BLIND, .seen = on_moved},
    {.number = DFS_MSG_REMOVE_DONE, .when = SIM_SENT | SIM_BLIND, .seen = on_moved},
    {.number = DFS_MSG_VERIFY, .when = SIM_SENT | SIM_BLIND, .seen = on_moved},
    {.number = DFS_MSG_BLOCK_COPY, .when = SIM_SENT | SIM_BLIND, .seen = on_moved},
    {.number = DFS_MSG_JOIN, .when = SIM_SENT | SIM_BLIND, .seen = on_moved},
};

/* A server that runs and that no fault touches is a member again, however often it was refused. Not one whose identity, or store, a fault has taken. */
static bool members_at_rest(struct sim_run *run, const struct quiet *quiet, const struct dfs_meta *meta, char *why,
                            size_t room)
{
    struct dfs_meta_node_view view;

    if (quiet->touched.any || run->nemesis == NULL || sim_nemesis_touches(run->nemesis, 1, 0))
        return true;
    for (size_t i = 0; dfs_meta_node_at(meta, i, &view); i++) {
        const uint32_t data = sim_checker_data_index(run, &view.node);

        if (data == UINT32_MAX || view.state == DFS_NODE_ACTIVE || view.state == DFS_NODE_DRAINING ||
            sim_nemesis_touches(run->nemesis, 2 + data, 0))
            continue;
        (void)snprintf(why, room, "d%u runs, no fault touches it, and metadata holds it for %s", data + 1,
                       dfs_node_state_name(view.state));
        return false;
    }
    return true;
}

static void on_touch(struct sim_run *run, void *arg, size_t index, const struct sim_fault *fault, struct sim_host *host,
                     bool begins)
{
    struct quiet *quiet = arg;

    (void)index, (void)begins;
    sim_touched_note(run, &quiet->touched, fault, host);
}

/* At rest is also who only believes that something is under way: that is accounting's business. */
static bool at_rest(struct sim_run *run, void *arg, char *why, size_t room)
{
    struct dfs_meta *meta = sim_cluster_meta(run->cluster);
    const struct quiet *quiet = arg;
    struct dfs_meta_accounting account;

    if (meta == NULL || !dfs_meta_is_ready(meta)) {
        (void)snprintf(why, room, "metadata does not serve");
        return sim_host_is_up(run->cluster->meta.host) ? false : true;
    }
    if (!members_at_rest(run, quiet, meta, why, room))
        return false;
    dfs_meta_account(meta, &account);
    if (account.copies_running == 0 && account.removals_waiting == 0)
        return true;
    (void)snprintf(why, room, "metadata has %llu copies and %llu removals under way",
                   (unsigned long long)account.copies_running, (unsigned long long)account.removals_waiting);
    return sim_world_now(run->world) - quiet->moved_at >=
           dfs_time_max(QUIET_NS,
                        QUIET_INTERVALS * (dfs_duration_ns)run->cluster->options.settings.heartbeat_interval_ns);
}

const struct sim_checker sim_checker_progress = {
    .name = "progress",
    .state_bytes = sizeof(struct quiet),
    .hooks = {.messages = moving_messages,
              .messages_count = sizeof moving_messages / sizeof moving_messages[0],
              .fault = on_touch,
              .at_rest = at_rest}};

/* accounting ----------------------------------------------------------------------------------------------------------- */

static void accounting_end(struct sim_run *run, void *arg, bool settled)
{
    struct dfs_meta *meta = sim_cluster_meta(run->cluster);
    struct dfs_meta_accounting account;
    struct sim_copies_count count;

    (void)arg;
    if (!settled || meta == NULL || !dfs_meta_is_ready(meta))
        return;
    dfs_meta_account(meta, &account);
    if (account.copies_running != 0)
        sim_run_violation(run, "accounting", run->cluster->meta.host,
                          "nothing moves any more, yet %llu copies are counted as running",
                          (unsigned long long)account.copies_running);
    if (account.receiving_bytes != 0)
        sim_run_violation(run, "accounting", run->cluster->meta.host,
                          "nothing moves any more, yet room for %llu bytes is reserved at targets of copies",
                          (unsigned long long)account.receiving_bytes);
    if (account.removals_waiting != 0)
        sim_run_violation(run, "accounting", run->cluster->meta.host,
                          "nothing moves any more, yet %llu removals are counted as waiting",
                          (unsigned long long)account.removals_waiting);
    sim_copies_look(run, NULL, &count);
    /* Where all can be whole, the disks and metadata's count agree; versions in the trash have their copies as well, or had them. */
    if (count.under == 0 && count.active >= (uint32_t)run->cluster->options.settings.replication &&
        account.blocks_under != 0 && run->cluster->options.settings.trash_keep_ns == 0)
        sim_run_violation(run, "accounting", run->cluster->meta.host,
                          "metadata counts %llu blocks that lack copies; on the disks none does",
                          (unsigned long long)account.blocks_under);
}

const struct sim_checker sim_checker_accounting = {
    .name = "accounting", .state_bytes = 1, .hooks = {.end = accounting_end}};

/* orphans -------------------------------------------------------------------------------------------------------------- */

/* A removal that was ordered travels, is carried out and synced well within this many intervals. */
#define ORPHAN_INTERVALS 20

/* While the run waits for them the disks are looked at so often. */
#define LOOK_AGAIN_NS (1 * DFS_SECONDS)

/* Of a file's record. */
struct upload {
    bool is_planned;
    dfs_time_ns alive_at; /* of the world: the newest sign of its life, when `is_planned` */
};

/* Nothing is left out while the file rests. */
static enum sim_rest rest(void *arg, const void *part, uint8_t *ret_bytes)
{
    const struct upload *upload = part;
    const dfs_time_ns alive_at = upload->is_planned ? upload->alive_at : DFS_NEVER;

    (void)arg;
    memcpy(ret_bytes, &alive_at, sizeof alive_at);
    return SIM_REST_YES;
}

static void wake(void *arg, const struct dfs_id *file, void *part, const uint8_t *bytes)
{
    struct upload *upload = part;
    dfs_time_ns alive_at;

    (void)arg, (void)file;
    memcpy(&alive_at, bytes, sizeof alive_at);
    if (alive_at != DFS_NEVER)
        *upload = (struct upload){.is_planned = true, .alive_at = alive_at};
}

struct state {
    size_t part; /* struct upload */
    struct sim_touched touched;
    dfs_time_ns looked_at; /* at the disks, while waiting; 0: not yet */
    dfs_time_ns *told_at;  /* when each data server last asked to join, or said what it had removed */
};

static void init(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    state->part = sim_files_part(&run->ledger.files, sizeof(struct upload),
                                 &(struct sim_resting){.bytes = sizeof(dfs_time_ns), .rest = rest, .wake = wake});
    state->told_at = dfs_alloc_zero_array(run->cluster->options.data + 1, sizeof *state->told_at);
    for (uint32_t i = 0; i < run->cluster->options.data; i++)
        state->told_at[i] = DFS_NEVER;
}

static void close_state(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    dfs_free(state->told_at);
}

static void alive(struct sim_run *run, const struct state *state, const struct dfs_id *file)
{
    struct upload *upload = sim_about_part(sim_files_of(&run->ledger.files, file), state->part);

    *upload = (struct upload){.is_planned = true, .alive_at = sim_world_now(run->world)};
}

static void on_plan(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_plan *plan = seen->body;

    (void)when;
    if (plan != NULL)
        alive(run, arg, &plan->file);
}

static void on_place(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_place *place = seen->body;

    (void)when;
    if (place != NULL)
        alive(run, arg, &place->file);
}

/* What was published during a connection that broke is told over the next one, and heard then. */
static void on_events(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_block_events *events = seen->body;

    (void)when;
    for (uint32_t i = 0; events != NULL && i < events->changes_count; i++) {
        if (events->changes[i].kind == DFS_CHANGE_ADDED)
            alive(run, arg, &events->changes[i].block.file);
    }
}

static void on_commit(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct dfs_m_put_commit *commit = seen->body;

    (void)when;
    if (commit != NULL)
        alive(run, arg, &commit->file);
}

static void on_told(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct sim_node *node = sim_cluster_node(run->cluster, seen->message->from);
    const uint32_t index = node == NULL ? UINT32_MAX : sim_checker_data_index(run, &node->id);
    struct state *state = arg;

    (void)when;
    if (index != UINT32_MAX)
        state->told_at[index] = sim_world_now(run->world);
}

static void on_fault(struct sim_run *run, void *arg, size_t index, const struct sim_fault *fault, struct sim_host *host,
                     bool begins)
{
    struct state *state = arg;

    (void)index, (void)begins;
    sim_touched_note(run, &state->touched, fault, host);
}

/* For so long an upload that is silent may keep its blocks. */
static dfs_duration_ns young_ns(const struct sim_run *run)
{
    const struct dfs_settings *settings = &run->cluster->options.settings;

    return (dfs_duration_ns)settings->upload_lease_ns +
           ORPHAN_INTERVALS * (dfs_duration_ns)settings->heartbeat_interval_ns;
}

struct walk {
    struct sim_run *run;
    struct state *state;
    struct sim_host *host;
    bool strict;
    uint64_t orphans;
    struct dfs_block_id first;
};

static bool look(void *arg, const char *name, const struct sim_file *file)
{
    struct walk *walk = arg;
    struct dfs_block_id block;

    (void)file;
    if (!dfs_block_name_parse(name, &block))
        return true;
    /* Blocks of a version that metadata made visible belong to it, in their generation; removed versions stay in the trash for a time of their own. */
    if (sim_copies_block(walk->run->copies, &block) != NULL) {
        const struct sim_version *version = sim_copies_version_of(walk->run->copies, &block.file);

        if (version != NULL && (version->committed || version->uncertain) && block.index < version->blocks_count &&
            (version->blocks[block.index] == NULL || version->blocks[block.index]->id.generation == block.generation))
            return true;
    }
    struct sim_about *about = sim_files_find(&walk->run->ledger.files, &block.file);
    const struct upload *upload = about == NULL ? NULL : sim_about_part(about, walk->state->part);
    const dfs_duration_ns young = young_ns(walk->run);

    if (!walk->strict && upload != NULL && upload->is_planned &&
        sim_world_now(walk->run->world) - upload->alive_at < young)
        return true;
    if (walk->orphans++ == 0)
        walk->first = block;
    return true;
}

/* Blocks on active servers' disks that nobody owns; *ret_walk: of the first such server. With `strict` young uploads count too. */
static uint64_t orphans_count(struct sim_run *run, struct state *state, bool strict, struct walk *ret_walk)
{
    struct sim_host_set active;
    uint64_t count = 0;

    (void)sim_copies_active(run, &active);
    for (uint32_t i = 0; i < run->cluster->options.data; i++) {
        struct walk walk = {.run = run, .state = state, .host = run->cluster->data[i].host, .strict = strict};

        if (!sim_host_set_has(&active, i + 2))
            continue;
        sim_disk_each(run->cluster->data[i].disk, SIM_NOW, look, &walk);
        if (count == 0 && walk.orphans > 0)
            *ret_walk = walk;
        count += walk.orphans;
    }
    return count;
}

static bool is_lately(const struct sim_run *run, dfs_time_ns since)
{
    const dfs_duration_ns interval = (dfs_duration_ns)run->cluster->options.settings.heartbeat_interval_ns;

    return since != DFS_NEVER && sim_world_now(run->world) - since < ORPHAN_INTERVALS * interval;
}

/*
 * A server that has joined a moment ago: what its inventory named and nobody owns is being removed, some at a time, for which it may have to tell again. It is the same
 * with one that has removed something, or asked to join: what it has told before may be long ago.
 */
static bool has_just_told(const struct sim_run *run, const struct state *state, const struct sim_host *host)
{
    const uint32_t data = sim_checker_data_index(run, &sim_cluster_node(run->cluster, host)->id);

    return is_lately(run, sim_copies_active_since(run, data)) || is_lately(run, state->told_at[data]);
}

static bool orphans_at_rest(struct sim_run *run, void *arg, char *why, size_t room)
{
    struct state *state = arg;
    const dfs_time_ns now = sim_world_now(run->world);
    const dfs_time_ns end =
        sim_run_world_time(run, (dfs_time_ns)(run->scenario->duration_ns + run->scenario->settle_ns));
    struct walk walk = {0};
    char text[DFS_ID_TEXT_BYTES];

    if (state->touched.any || !sim_host_is_up(run->cluster->meta.host))
        return true;
    if (state->looked_at != 0 && now - state->looked_at < LOOK_AGAIN_NS) {
        (void)snprintf(why, room, "disks keep blocks of uploads that were given up");
        return false;
    }
    const uint64_t count = orphans_count(run, state, true, &walk);

    if (count == 0)
        return true;
    const bool are_young = orphans_count(run, state, false, &walk) == 0;

    /* No file will ever own them: a matter for the end. With a long lease there is no time to wait for its end. */
    if ((!are_young && !has_just_told(run, state, walk.host)) || (are_young && now + young_ns(run) > end))
        return true;
    state->looked_at = now;
    dfs_id_print(&walk.first.file, text);
    (void)snprintf(why, room,
                   "%llu blocks of uploads that were given up are still on disks; the first is on %s, of file %s",
                   (unsigned long long)count, sim_host_name(walk.host), text);
    return false;
}

static void orphans_end(struct sim_run *run, void *arg, bool settled)
{
    struct state *state = arg;
    struct walk walk;
    char text[DFS_ID_TEXT_BYTES];

    if (!settled || state->touched.any || !sim_host_is_up(run->cluster->meta.host))
        return;
    const uint64_t count = orphans_count(run, state, false, &walk);

    if (count == 0)
        return;
    dfs_id_print(&walk.first.file, text);
    sim_run_violation(
        run, "orphans", walk.host,
        "at rest, disks keep %llu blocks that no file owns; the first is block %u, generation %u of file %s",
        (unsigned long long)count, walk.first.index, walk.first.generation, text);
}

static const struct sim_message_hook messages[] = {
    {.number = DFS_MSG_PUT_PLAN, .when = SIM_SENT, .seen = on_plan},
    {.number = DFS_MSG_PUT_PLACE, .when = SIM_DELIVERED, .seen = on_place},
    {.number = DFS_MSG_PUT_COMMIT, .when = SIM_DELIVERED, .seen = on_commit},
    {.number = DFS_MSG_BLOCK_EVENTS, .when = SIM_DELIVERED, .seen = on_events},
    {.number = DFS_MSG_JOIN, .when = SIM_SENT | SIM_BLIND, .seen = on_told},
    {.number = DFS_MSG_REMOVE_DONE, .when = SIM_SENT | SIM_BLIND, .seen = on_told},
};

const struct sim_checker sim_checker_orphans = {.name = "orphans",
                                                .state_bytes = sizeof(struct state),
                                                .hooks = {.init = init,
                                                          .close = close_state,
                                                          .messages = messages,
                                                          .messages_count = sizeof messages / sizeof messages[0],
                                                          .fault = on_fault,
                                                          .at_rest = orphans_at_rest,
                                                          .end = orphans_end}};

#include "core/meta/change.h"

#include "core/base/assert.h"
#include "core/meta/apply.h"

void meta_changed_send(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, enum dfs_status status,
                       uint64_t version, const char *words)
{
    const struct dfs_m_changed changed = {.status = (uint8_t)status,
                                          .version = version,
                                          .words = dfs_text_of(words != NULL ? words : dfs_status_words(status))};

    meta_reply(meta, peer, request, DFS_MSG_CHANGED, &changed);
}

bool meta_change_answered(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                          const struct dfs_id *operation)
{
    const struct meta_outcome *outcome = meta_outcome_find(meta, operation);

    if (outcome != NULL) {
        meta_changed_send(meta, peer, request, outcome->status, outcome->version, NULL);
        return true;
    }
    if (!meta_journal_is_full(&meta->journal))
        return false;
    meta_reply_status(meta, peer, request, DFS_UNAVAILABLE, "the journal's disk has not caught up");
    return true;
}

void meta_outcome_refused(struct dfs_meta *meta, const struct dfs_id *operation, enum dfs_status status,
                          uint64_t version)
{
    const union meta_any_record record = {
        .outcome = {.operation = *operation, .status = (uint8_t)status, .version = version}};
    const enum dfs_status applied = meta_apply(meta, META_RECORD_OUTCOME, &record);

    DFS_ASSERT(applied == DFS_OK);
}

void meta_change_refused(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                         const struct dfs_id *operation, enum dfs_status status, uint64_t version, const char *words)
{
    meta_outcome_refused(meta, operation, status, version);
    meta_changed_send(meta, peer, request, status, version, words);
}

static void removed_synced(struct dfs_meta *meta, const struct meta_after *after)
{
    const struct dfs_trace trace = {.kind = DFS_TRACE_REMOVED,
                                    .block = {.file = after->id},
                                    .text = after->text.at,
                                    .a = after->words[0],
                                    .b = after->words[1]};

    dfs_trace_put(&meta->env, &trace);
}

static struct dfs_text path_text(const struct dfs_meta *meta, const struct meta_version *version)
{
    const struct meta_path *path = meta_version_path(&meta->ns, version);

    return (struct dfs_text){.at = path->text, .count = path->text_bytes};
}

void meta_version_discard(struct dfs_meta *meta, struct meta_version *version)
{
    const struct meta_r_place record = {.file = version->file.id,
                                        .path = path_text(meta, version),
                                        .version = version->version,
                                        .removed_ms = meta->wall / DFS_MILLISECONDS};

    meta_append(meta, META_RECORD_PLACE, &record);
    const struct meta_after after = {
        .id = version->file.id, .words = {version->size_bytes, version->version}, .text = path_text(meta, version)};

    meta_after_sync(meta, removed_synced, &after);
}

uint64_t meta_version_show(struct dfs_meta *meta, const struct meta_version *version, struct dfs_text path)
{
    const struct meta_r_place record = {
        .file = version->file.id, .path = path, .current = 1, .version = meta->ns.sequence + 1};

    meta_append(meta, META_RECORD_PLACE, &record);
    return record.version;
}

void meta_change_outcome(struct dfs_meta *meta, const struct dfs_id *operation, uint64_t version)
{
    const struct meta_r_outcome outcome = {.operation = *operation, .status = DFS_OK, .version = version};

    meta_append(meta, META_RECORD_OUTCOME, &outcome);
    meta->counters.changes++;
}

static void committed_synced(struct dfs_meta *meta, const struct meta_after *after)
{
    const struct dfs_trace trace = {.kind = DFS_TRACE_COMMITTED,
                                    .block = {.file = after->id},
                                    .text = after->text.at,
                                    .a = after->words[0],
                                    .b = after->words[1]};

    dfs_trace_put(&meta->env, &trace);
}

void meta_trace_committed(struct dfs_meta *meta, const struct dfs_id *file, struct dfs_text path, uint64_t size_bytes,
                          uint64_t number)
{
    const struct meta_after after = {.id = *file, .words = {size_bytes, number}, .text = path};

    meta_after_sync(meta, committed_synced, &after);
}

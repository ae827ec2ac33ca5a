/*
 * PUT_ABORT: the client gives an upload up; what it has placed is removed.
 */
#include "core/meta/put.h"

void meta_on_put_abort(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                       const struct dfs_m_put_abort *body)
{
    struct meta_upload *upload = meta_uploads_find(&meta->uploads, &body->file);

    /* Gone already, committed or not: there is nothing to give up, and saying it twice is fine. */
    if (upload == NULL) {
        meta_reply_status(meta, peer, request, DFS_OK, NULL);
        return;
    }
    upload = meta_upload_of(meta, peer, request, &body->file, body->epoch);
    if (upload == NULL)
        return;
    meta_upload_end(meta, upload, false);
    meta_reply_status(meta, peer, request, DFS_OK, NULL);
}

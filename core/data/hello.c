/*
 * hello.c - HELLO: who speaks on an accepted connection, and by what right.
 *
 * A data server or metadata has proved its identity by its certificate. Everybody else shows a token that is
 * bound to the certificate of this connection. Requests may follow at once; they are handled after it.
 */
#include "core/data/data_internal.h"

#include "core/base/mem.h"

static void answer(struct dfs_data *data, struct data_peer *peer, uint32_t request, enum dfs_status status)
{
    peer->hello = status;
    if (status != DFS_OK) {
        const struct dfs_trace trace = {
            .kind = DFS_TRACE_TOKEN_REFUSED, .status = status, .node = peer->link.peer.node};

        data->counters.tokens_refused++;
        dfs_trace_put(&data->env, &trace);
    } else {
        data_patience_set(data, &peer->timer, data->config.request_timeout_ns);
    }
    dfs_link_send_status(&peer->link, request, status, NULL);
}

static bool is_cluster_node(const struct dfs_peer *who)
{
    return who->kind == DFS_PEER_NODE && (who->role == DFS_ROLE_DATA || who->role == DFS_ROLE_META);
}

static enum dfs_status check(struct dfs_data *data, const struct data_peer *peer, const char *token, uint32_t count,
                             bool *ret_unknown_key)
{
    struct dfs_claims claims;

    *ret_unknown_key = false;
    if (count == 0)
        return DFS_TOKEN_MISSING;
    if (peer->link.peer.kind == DFS_PEER_NONE)
        return DFS_TOKEN_NOT_YOURS; /* without a certificate no token can be bound to it */
    if (!dfs_verifier_has_keys(data->verifier)) {
        *ret_unknown_key = true;
        return DFS_UNAVAILABLE; /* not joined yet: nobody has told us the keys */
    }
    return dfs_verifier_check(data->verifier, token, count, data->wall, peer->link.peer.fingerprint, &claims,
                              ret_unknown_key);
}

/* The key may be so new that metadata's KEYS_UPDATE is still on its way: wait a little, and read nothing meanwhile. */
static void wait_for_keys(struct dfs_data *data, struct data_peer *peer, uint32_t request, const struct dfs_text *token)
{
    peer->hello_waits = true;
    peer->hello_request = request;
    dfs_free(peer->token);
    peer->token = dfs_alloc(token->count);
    memcpy(peer->token, token->at, token->count);
    peer->token_count = token->count;
    dfs_link_pause(&peer->link);
    data_patience_set(data, &peer->timer, DATA_TOKEN_WAIT_NS);
}

void data_hello_retry(struct dfs_data *data, struct data_peer *peer, bool last)
{
    bool unknown_key;
    const enum dfs_status status = check(data, peer, peer->token, peer->token_count, &unknown_key);

    if (unknown_key && !last)
        return;
    peer->hello_waits = false;
    dfs_free(peer->token);
    peer->token = NULL;
    data_patience_set(data, &peer->timer, data->config.connect_timeout_ns);
    answer(data, peer, peer->hello_request, status);
    dfs_link_unpause(&peer->link);
}

void data_on_hello(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_hello *message = in->body;
    enum dfs_status status;
    bool unknown_key;

    if (message->version != DFS_PROTOCOL_VERSION) {
        dfs_link_send_status(&peer->link, in->request, DFS_BAD_REQUEST, "another version of the protocol");
        data_peer_close(peer, DFS_BAD_REQUEST);
        return;
    }
    if (is_cluster_node(&peer->link.peer)) {
        answer(data, peer, in->request, DFS_OK);
        return;
    }
    status = check(data, peer, message->token.at, message->token.count, &unknown_key);
    if (unknown_key)
        wait_for_keys(data, peer, in->request, &message->token);
    else
        answer(data, peer, in->request, status);
}

#include "core/meta/hello.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/meta/peers.h"

#include <stdio.h>
#include <string.h>

/* Public keys are fetched anew so often: half of the time that a new one is published before it signs
 * (DFS_KEY_SETTLE_S of auth). */
#define KEYS_EVERY_NS (30 * DFS_SECONDS)

/* An unknown kid asks sooner, and so does a failure, but never more often than this: strangers name kids
 * as they like. */
#define KEYS_PAUSE_NS DFS_SECONDS

/* Life --------------------------------------------------------------------------------------------------- */

void meta_hello_init(struct dfs_meta *meta)
{
    struct dfs_verifier_config config = {.leeway_s = meta->config.token_leeway_ns / DFS_SECONDS,
                                         .cache_max = meta->config.token_cache};

    (void)snprintf(config.issuer, sizeof config.issuer, "%s", meta->config.issuer);
    dfs_id_print(&meta->config.cluster, config.audience);
    meta->verifier = dfs_verifier_new(&config);
    meta->keys_due = DFS_NEVER;
}

void meta_hello_close(struct dfs_meta *meta)
{
    dfs_verifier_free(meta->verifier);
    dfs_free(meta->token_keys_text);
}

/* Keys --------------------------------------------------------------------------------------------------- */

static void keys_ask(struct dfs_meta *meta)
{
    static const struct dfs_m_keys_get get = {.reserved = 0};

    if (meta->auth != NULL)
        return;
    meta->keys_asked_at = meta->now;
    meta->keys_due = DFS_NEVER; /* set when this ends */
    meta->auth =
        meta_peer_connect(meta, &meta->config.auth, DFS_ROLE_AUTH, META_PEER_AUTH, meta->config.connect_timeout_ns);
    const uint32_t request = dfs_link_request(&meta->auth->link);

    dfs_link_send(&meta->auth->link, request, DFS_MSG_KEYS_GET, &get);
}

void meta_keys_start(struct dfs_meta *meta)
{
    keys_ask(meta);
}

dfs_time_ns meta_keys_step(struct dfs_meta *meta)
{
    if (meta->keys_due <= meta->now)
        keys_ask(meta);
    return meta->keys_due;
}

/* The texts of the keys in memory of ours. */
static void keys_keep(struct dfs_meta *meta, const struct dfs_m_keys *keys)
{
    size_t bytes = 0;
    char *at;

    for (uint32_t i = 0; i < keys->keys_count; i++)
        bytes += keys->keys[i].kid.count + keys->keys[i].pem.count;
    dfs_free(meta->token_keys_text);
    meta->token_keys_text = at = dfs_alloc(bytes);
    meta->token_keys_count = keys->keys_count;
    for (uint32_t i = 0; i < keys->keys_count; i++) {
        struct dfs_w_token_key *kept = &meta->token_keys[i];

        *kept = keys->keys[i];
        memcpy(at, keys->keys[i].kid.at, kept->kid.count);
        kept->kid.at = at;
        at += kept->kid.count;
        memcpy(at, keys->keys[i].pem.at, kept->pem.count);
        kept->pem.at = at;
        at += kept->pem.count;
    }
}

static bool keys_differ(const struct dfs_meta *meta, const struct dfs_m_keys *keys)
{
    if (keys->keys_count != meta->token_keys_count)
        return true;
    for (uint32_t i = 0; i < keys->keys_count; i++) {
        if (!dfs_text_equal(keys->keys[i].kid, meta->token_keys[i].kid) ||
            !dfs_text_equal(keys->keys[i].pem, meta->token_keys[i].pem))
            return true;
    }
    return false;
}

void meta_on_keys(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_keys *body)
{
    struct dfs_token_public_key keys[DFS_TOKEN_KEYS_MAX];

    (void)request;
    for (uint32_t i = 0; i < body->keys_count; i++) {
        keys[i] = (struct dfs_token_public_key){.kid = body->keys[i].kid.at,
                                                .kid_bytes = body->keys[i].kid.count,
                                                .pem = body->keys[i].pem.at,
                                                .pem_bytes = body->keys[i].pem.count};
    }
    if (dfs_verifier_set_keys(meta->verifier, keys, body->keys_count) != DFS_OK) {
        dfs_trace_note(&meta->env, DFS_BAD_REQUEST, "auth sent a public key that is none; the old ones stay");
        meta_peer_close(meta, peer, DFS_BAD_REQUEST, "keys");
        return;
    }
    meta->keys_due = dfs_time_add(meta->now, KEYS_EVERY_NS);
    if (keys_differ(meta, body)) {
        keys_keep(meta, body);
        if (meta_is_serving(meta))
            meta_nodes_token_keys_changed(meta);
    }
    meta_peer_close(meta, peer, DFS_OK, "keys"); /* and whoever waits is looked at again */
}

/* Tokens ------------------------------------------------------------------------------------------------- */

static void refuse(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, enum dfs_status status,
                   const char *why)
{
    const struct dfs_trace trace = {.kind = DFS_TRACE_TOKEN_REFUSED, .status = status};

    meta->counters.tokens_refused++;
    dfs_trace_put(&meta->env, &trace);
    meta_peer_enter(meta, peer, META_PEER_STRANGER, why);
    dfs_heap_set(&meta->timers, &peer->timer, dfs_time_add(meta->fair, meta->config.request_timeout_ns));
    meta_reply_status(meta, peer, request, status, NULL);
}

static void admit(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_claims *claims,
                  const char *why)
{
    peer->claims = *claims;
    meta_peer_enter(meta, peer, META_PEER_KNOWN, why);
    dfs_link_send_status(&peer->link, request, DFS_OK, NULL); /* tells of nothing that is journaled */
}

/* The token outlives its message. */
static void wait_for_keys(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, struct dfs_text token,
                          const char *why)
{
    peer->hello_request = request;
    peer->hello_token = dfs_alloc(token.count);
    memcpy(peer->hello_token, token.at, token.count);
    peer->hello_token_count = token.count;
    meta_peer_enter(meta, peer, META_PEER_CHECKING, why);
    keys_ask(meta);
}

static void check(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, struct dfs_text token, bool may_wait,
                  const char *why)
{
    struct dfs_claims claims;
    bool unknown_kid = false;
    const enum dfs_status status = dfs_verifier_check(meta->verifier, token.at, token.count, meta->wall,
                                                      peer->link.peer.fingerprint, &claims, &unknown_kid);

    if (status == DFS_OK) {
        admit(meta, peer, request, &claims, why);
        return;
    }
    if (!unknown_kid) {
        refuse(meta, peer, request, status, why);
        return;
    }
    /* Perhaps auth has a newer key. Once a second at most. */
    if (may_wait && (meta->auth != NULL || meta->now >= dfs_time_add(meta->keys_asked_at, KEYS_PAUSE_NS))) {
        wait_for_keys(meta, peer, request, token, why);
        return;
    }
    if (dfs_verifier_has_keys(meta->verifier)) {
        refuse(meta, peer, request, status, why);
        return;
    }
    meta_peer_enter(meta, peer, META_PEER_STRANGER, why);
    meta_reply_retry(meta, peer, request, DFS_UNAVAILABLE, "the public keys of auth are not here yet", KEYS_PAUSE_NS);
}

void meta_keys_closed(struct dfs_meta *meta)
{
    if (meta->keys_due == DFS_NEVER) /* it ended without keys */
        meta->keys_due = dfs_time_add(meta->keys_asked_at, KEYS_PAUSE_NS);
    dfs_list_each(at, &meta->peers)
    {
        struct meta_peer *peer = dfs_container_of(at, struct meta_peer, all);

        if (peer->phase != META_PEER_CHECKING)
            continue;
        char *token = peer->hello_token;

        peer->hello_token = NULL;
        check(meta, peer, peer->hello_request, (struct dfs_text){.at = token, .count = peer->hello_token_count}, false,
              "keys");
        dfs_free(token);
    }
}

void meta_on_hello(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_hello *body)
{
    if (body->version != DFS_PROTOCOL_VERSION) {
        meta_reply_status(meta, peer, request, DFS_BAD_REQUEST, "another version of the protocol");
        return;
    }
    if (peer->kind == META_PEER_DATA) {
        meta_reply_status(meta, peer, request, DFS_OK, NULL); /* its certificate is its word */
        return;
    }
    check(meta, peer, request, body->token, true, "hello");
}

/* Scope -------------------------------------------------------------------------------------------------- */

bool meta_claims_allow(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, char mode, const char *path,
                       size_t path_bytes)
{
    const uint64_t wall_s = meta->wall / DFS_SECONDS;
    const uint64_t leeway_s = meta->config.token_leeway_ns / DFS_SECONDS;

    if (wall_s >= leeway_s && wall_s - leeway_s >= peer->claims.expires_s) {
        refuse(meta, peer, request, DFS_TOKEN_EXPIRED, "token_expired");
        return false;
    }
    if (!dfs_scope_allows(peer->claims.scope, mode, path, path_bytes)) {
        meta->counters.denied++;
        meta_reply_status(meta, peer, request, DFS_DENIED, NULL);
        return false;
    }
    return true;
}

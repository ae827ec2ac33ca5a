/* LOGIN, REFRESH, KEYS_GET: who gets a token, and who may check it. */
#include "core/auth/auth_internal.h"
#include "core/auth/token_jwt.h"
#include "core/base/assert.h"
#include "core/base/mac.h"
#include "core/env/trace.h"

#include <string.h>

/* While accounts are being read: a few disk operations. */
#define NOT_READY_RETRY_NS DFS_SECONDS

/* A key of the rate tables: nobody can choose two names that share one. */
static void rate_key(const char *kind, const void *bytes, size_t count, uint8_t ret_key[DFS_AUTH_RATE_KEY_BYTES])
{
    uint8_t text[1 + DFS_USER_BYTES_MAX];
    uint8_t digest[32];

    DFS_ASSERT(count < sizeof text);
    text[0] = (uint8_t)kind[0];
    memcpy(text + 1, bytes, count);
    dfs_sha256(text, 1 + count, digest);
    memcpy(ret_key, digest, DFS_AUTH_RATE_KEY_BYTES);
}

static void refuse(struct auth_conn *conn, uint32_t request, enum dfs_status status, dfs_duration_ns retry_after_ns,
                   const char *words)
{
    const struct dfs_m_status answer = {
        .status = (uint8_t)status, .retry_after_ns = retry_after_ns, .words = dfs_text_of(words)};

    dfs_link_send(&conn->wire, request, DFS_MSG_STATUS, &answer);
}

/* true when it may go on; otherwise it was answered. */
static bool may_serve(struct dfs_auth *auth, struct auth_conn *conn, uint32_t request)
{
    if (!dfs_auth_is_ready(auth)) {
        refuse(conn, request, DFS_UNAVAILABLE, NOT_READY_RETRY_NS,
               auth->failure != NULL ? auth->failure : "auth is reading its accounts; try again");
        return false;
    }
    if (conn->wire.peer.kind == DFS_PEER_NONE) {
        refuse(
            conn, request, DFS_BAD_REQUEST, 0,
            "a token is bound to the bearer's certificate: connect with a client certificate (any, self-signed included)");
        return false;
    }
    return true;
}

static void issue(struct dfs_auth *auth, struct auth_conn *conn, uint32_t request, const struct dfs_account *account)
{
    const struct dfs_signing_key *key = dfs_signing_keys_signer(&auth->keys, dfs_auth_now_s(auth));
    const uint64_t lifetime_s = auth->config.token_lifetime_ns / DFS_SECONDS;
    char token[DFS_TOKEN_BYTES_MAX + 1];
    struct dfs_claims claims = {0};
    struct dfs_id id = {{0}};
    size_t count = 0;

    auth->env.rng->random(auth->env.ctx, DFS_RNG_ID, id.bytes, sizeof id.bytes);
    dfs_id_make_random(&id);
    dfs_id_print(&id, claims.id);
    memcpy(claims.issuer, auth->config.issuer, sizeof claims.issuer);
    memcpy(claims.audience, auth->audience, sizeof auth->audience);
    memcpy(claims.subject, account->user, sizeof account->user);
    memcpy(claims.scope, account->scope, strlen(account->scope) + 1);
    claims.issued_s = dfs_auth_now_s(auth);
    claims.not_before_s = claims.issued_s;
    /* A lifetime below a second would mint tokens that are expired when they are made (HDFS-17947). */
    claims.expires_s = claims.issued_s + (lifetime_s > 0 ? lifetime_s : 1);
    memcpy(claims.bearer, conn->wire.peer.fingerprint, DFS_FINGERPRINT_BYTES);

    const enum dfs_status status = dfs_jwt_sign(&claims, key->kid, key->private_pem, token, &count);

    if (status != DFS_OK) {
        dfs_trace_note(&auth->env, status, "a token could not be signed");
        refuse(conn, request, status, 0, "the token could not be made: is the account's scope too long?");
        return;
    }
    const struct dfs_m_token answer = {.expires_s = claims.expires_s,
                                       .scope = dfs_text_of(account->scope),
                                       .token = {.at = token, .count = (uint32_t)count}};

    dfs_link_send(&conn->wire, request, DFS_MSG_TOKEN, &answer);
    dfs_wipe(token, sizeof token);
}

void dfs_auth_on_login(struct dfs_auth *auth, struct auth_conn *conn, uint32_t request, const struct dfs_m_login *m)
{
    const dfs_duration_ns cost_ns = DFS_AUTH_RATE_WINDOW_NS / auth->config.login_rate;
    const dfs_duration_ns address_cost_ns = cost_ns / DFS_AUTH_RATE_ADDRESS_FACTOR;
    uint8_t user_key[DFS_AUTH_RATE_KEY_BYTES];
    uint8_t address_key[DFS_AUTH_RATE_KEY_BYTES];
    dfs_duration_ns wait_ns = 0;

    if (!may_serve(auth, conn, request))
        return;
    rate_key("user", m->user.at, m->user.count, user_key);
    rate_key("address", conn->from.ip, sizeof conn->from.ip, address_key);
    if (!dfs_auth_rate_take(&auth->addresses, address_key, address_cost_ns, auth->now, &wait_ns)) {
        auth->counters.logins_limited++;
        refuse(conn, request, DFS_RATE_LIMITED, wait_ns,
               "too many failed logins from this address; wait and try again");
        return;
    }
    if (!dfs_auth_rate_take(&auth->users, user_key, cost_ns, auth->now, &wait_ns)) {
        auth->counters.logins_limited++;
        refuse(conn, request, DFS_RATE_LIMITED, wait_ns, "too many failed logins of this user; wait and try again");
        return;
    }
    const struct dfs_account *account = dfs_accounts_find(&auth->accounts, m->user.at, m->user.count);

    if (!dfs_account_check(account, m->password.at, m->password.count, auth->config.scrypt_n)) {
        auth->counters.logins_failed++;
        refuse(conn, request, DFS_LOGIN_FAILED, 0, dfs_status_words(DFS_LOGIN_FAILED));
        return;
    }
    /* A good login is not a guess: it costs nothing. */
    dfs_auth_rate_give(&auth->users, user_key, cost_ns);
    dfs_auth_rate_give(&auth->addresses, address_key, address_cost_ns);
    auth->counters.logins++;
    issue(auth, conn, request, account);
}

static void refuse_refresh(struct dfs_auth *auth, struct auth_conn *conn, uint32_t request, enum dfs_status status,
                           const char *words)
{
    const struct dfs_trace trace = {.kind = DFS_TRACE_TOKEN_REFUSED, .status = status};

    auth->counters.refreshes_refused++;
    dfs_trace_put(&auth->env, &trace);
    refuse(conn, request, status, 0, words);
}

void dfs_auth_on_refresh(struct dfs_auth *auth, struct auth_conn *conn, uint32_t request, const struct dfs_m_refresh *m)
{
    struct dfs_claims claims;

    if (!may_serve(auth, conn, request))
        return;
    const enum dfs_status status = dfs_verifier_check(auth->verifier, m->token.at, m->token.count, auth->wall,
                                                      conn->wire.peer.fingerprint, &claims, NULL);

    if (status != DFS_OK) {
        refuse_refresh(auth, conn, request, status, dfs_status_words(status));
        return;
    }
    const struct dfs_account *account = dfs_accounts_find(&auth->accounts, claims.subject, strlen(claims.subject));

    if (account == NULL || account->disabled || claims.issued_s < account->since_s) {
        refuse_refresh(auth, conn, request, DFS_TOKEN_REVOKED,
                       "the account is gone, or its password was changed since; log in again");
        return;
    }
    auth->counters.refreshes++;
    issue(auth, conn, request, account);
}

void dfs_auth_on_keys_get(struct dfs_auth *auth, struct auth_conn *conn, uint32_t request)
{
    struct dfs_w_token_key keys[DFS_TOKEN_KEYS_MAX];
    struct dfs_m_keys answer = {.keys = keys};

    if (!may_serve(auth, conn, request))
        return;
    if (conn->wire.peer.kind != DFS_PEER_NODE) {
        refuse(conn, request, DFS_DENIED, 0, "keys are for servers of the cluster: connect with a node's certificate");
        return;
    }
    for (size_t i = 0; i < auth->keys.count; i++) {
        const struct dfs_signing_key *key = &auth->keys.all[i];

        if (!dfs_signing_key_is_live(key, dfs_auth_now_s(auth), auth->config.token_lifetime_ns / DFS_SECONDS))
            continue;
        keys[answer.keys_count++] =
            (struct dfs_w_token_key){.kid = dfs_text_of(key->kid), .pem = dfs_text_of(key->public_pem)};
    }
    auth->counters.keys_served++;
    dfs_link_send(&conn->wire, request, DFS_MSG_KEYS, &answer);
}

void dfs_auth_keys_changed(struct dfs_auth *auth)
{
    struct dfs_token_public_key keys[DFS_TOKEN_KEYS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < auth->keys.count; i++) {
        const struct dfs_signing_key *key = &auth->keys.all[i];

        keys[count++] = (struct dfs_token_public_key){.kid = key->kid,
                                                      .kid_bytes = strlen(key->kid),
                                                      .pem = key->public_pem,
                                                      .pem_bytes = strlen(key->public_pem)};
    }
    /* They were derived from private keys on P-256: nothing to refuse. */
    DFS_ASSERT(dfs_verifier_set_keys(auth->verifier, keys, count) == DFS_OK);
}

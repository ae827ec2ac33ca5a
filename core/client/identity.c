/* The token: got by LOGIN or given by SET_TOKEN, renewed at half its life, shown once on every connection. */
#include "core/client/client_internal.h"

#include "core/base/assert.h"
#include "core/base/mac.h"
#include "core/base/mem.h"
#include "core/env/trace.h"

#include <string.h>

/* A renewal that reached nobody is tried again this often before the token runs out. */
#define REFRESH_TRIES_MAX 8

struct login {
    struct client_command base;
    struct dfs_list queue;
    char *user;
    char *password;
};

static struct client_identity *identity_of(struct dfs_client *client)
{
    return &client->identity;
}

static void login_free(struct login *login)
{
    dfs_list_remove(&login->queue);
    dfs_free(login->user);
    dfs_wipe(login->password, strlen(login->password));
    dfs_free(login->password);
    dfs_free(login);
}

static struct login *login_first(struct client_identity *identity)
{
    struct dfs_list *first = dfs_list_first(&identity->logins);

    return first == NULL ? NULL : dfs_container_of(first, struct login, queue);
}

static void set_timer(struct dfs_client *client)
{
    struct client_identity *identity = identity_of(client);

    if (identity->login_running || identity->refresh_running)
        dfs_client_timer_set(client, &identity->timer, identity->auth.deadline);
    else
        dfs_client_timer_set(client, &identity->timer, identity->refresh_at);
}

/* The token --------------------------------------------------------------------------------------------------------------- */

static bool same_token(const struct client_identity *identity, const char *token, size_t count)
{
    return identity->token_count == count && memcmp(identity->token, token, count) == 0;
}

/* `expires_s` 0: not known, no renewal. */
static void adopt(struct dfs_client *client, const char *token, size_t count, uint64_t expires_s)
{
    struct client_identity *identity = identity_of(client);

    DFS_ASSERT(count <= DFS_TOKEN_BYTES_MAX);
    memcpy(identity->token, token, count);
    identity->token[count] = '\0';
    identity->token_count = (uint32_t)count;
    identity->serial++;
    identity->refresh_tries = 0;
    identity->refresh_at = DFS_NEVER;
    identity->expires_at = expires_s > DFS_NEVER / DFS_SECONDS ? DFS_NEVER : expires_s * DFS_SECONDS;
    if (identity->expires_at > client->wall)
        identity->refresh_at = dfs_time_add(client->now, (identity->expires_at - client->wall) / 2);
}

bool dfs_client_identity_is_pending(const struct dfs_client *client)
{
    const struct client_identity *identity = &client->identity;

    return identity->token_count == 0 && (identity->login_running || !dfs_list_empty(&identity->logins));
}

/* Asking auth --------------------------------------------------------------------------------------------------------------- */

static void start_next(struct dfs_client *client)
{
    struct client_identity *identity = identity_of(client);
    struct login *login;

    if (!identity->login_running && !identity->refresh_running && (login = login_first(identity)) != NULL) {
        const dfs_time_ns give_up_at = dfs_time_add(client->now, dfs_client_unreached_ns(client));

        identity->login_running =
            dfs_auth_client_login(&identity->auth, login->user, login->password, client->now, give_up_at) == DFS_OK;
        DFS_ASSERT(identity->login_running); /* its texts were looked at when the command came */
    }
    set_timer(client);
}

static void login_ended(struct dfs_client *client, const struct dfs_auth_client_answer *answer)
{
    struct client_identity *identity = identity_of(client);
    struct login *login = login_first(identity);
    struct dfs_client_result result = {.status = answer->status, .retry_after_ns = answer->retry_after_ns};
    char host[CLIENT_ADDR_TEXT_BYTES];
    char words[CLIENT_WORDS_BYTES];

    identity->login_running = false;
    dfs_client_addr_text(&client->config.auth, host);
    if (answer->status == DFS_OK) {
        const struct dfs_m_token *m = answer->token;

        adopt(client, m->token.at, m->token.count, m->expires_s);
        result.number = DFS_MSG_TOKEN;
        result.message = m;
        result.words = dfs_client_say(words, "logged in as %s", login->user);
    } else if (answer->words_count > 0) {
        result.words = dfs_client_say(words, "login of %s at %s: %.*s", login->user, host, (int)answer->words_count,
                                      answer->words);
    } else {
        result.words = dfs_client_say(words, "login of %s at %s: %s; does auth run there?", login->user, host,
                                      dfs_status_words(answer->status));
    }
    dfs_client_command_end(&login->base, &result);
    login_free(login);
    dfs_client_nodes_retire(client);
    dfs_client_session_kick(client);
}

static void refresh_ended(struct dfs_client *client, const struct dfs_auth_client_answer *answer)
{
    struct client_identity *identity = identity_of(client);
    const bool nobody =
        answer->status == DFS_TIMEOUT || answer->status == DFS_UNREACHABLE || answer->status == DFS_UNAVAILABLE;

    identity->refresh_running = false;
    if (answer->status == DFS_OK) {
        const struct dfs_m_token *m = answer->token;

        adopt(client, m->token.at, m->token.count, m->expires_s);
        dfs_client_nodes_retire(client);
        dfs_client_session_kick(client);
        return;
    }
    dfs_trace_note(&client->env, answer->status, "the token could not be renewed");
    identity->refresh_at = DFS_NEVER;
    if (nobody && identity->expires_at > client->wall && identity->refresh_tries++ < REFRESH_TRIES_MAX)
        identity->refresh_at = dfs_time_add(client->now, (identity->expires_at - client->wall) / 4 + DFS_SECONDS);
}

static void ended(struct dfs_client *client, const struct dfs_auth_client_answer *answer)
{
    struct client_identity *identity = identity_of(client);

    if (identity->login_running)
        login_ended(client, answer);
    else if (identity->refresh_running)
        refresh_ended(client, answer);
    dfs_auth_client_close(&identity->auth); /* the answer's text was in its connection */
    start_next(client);
}

void dfs_client_identity_on_event(struct dfs_client *client, const struct dfs_event *event)
{
    struct dfs_auth_client_answer answer;

    if (dfs_auth_client_step(&client->identity.auth, event, client->now, &answer))
        ended(client, &answer);
    else
        set_timer(client);
}

static void on_timer(struct dfs_client *client, struct client_timer *timer)
{
    struct client_identity *identity = dfs_container_of(timer, struct client_identity, timer);
    struct dfs_auth_client_answer answer;

    if (identity->login_running || identity->refresh_running) {
        if (dfs_auth_client_step(&identity->auth, NULL, client->now, &answer)) {
            ended(client, &answer);
            return;
        }
    } else if (client->now >= identity->refresh_at) {
        identity->refresh_at = DFS_NEVER;
        identity->refresh_running = true;
        dfs_auth_client_refresh(&identity->auth, identity->token, identity->token_count, client->now,
                                dfs_time_add(client->now, client->config.request_timeout_ns));
    }
    set_timer(client);
}

/* Commands ------------------------------------------------------------------------------------------------------------------ */

static void login_remove(struct login *login)
{
    struct client_identity *identity = &login->base.client->identity;

    if (identity->login_running && login == login_first(identity)) {
        identity->login_running = false;
        dfs_auth_client_close(&identity->auth);
    }
}

void dfs_client_identity_close(struct dfs_client *client)
{
    struct client_identity *identity = identity_of(client);

    if (!identity->refresh_running)
        return;
    identity->refresh_running = false;
    dfs_auth_client_close(&identity->auth);
    if (identity->expires_at > client->wall) /* the token may be needed again */
        identity->refresh_at = dfs_time_add(client->now, (identity->expires_at - client->wall) / 2);
    set_timer(client);
}

static void login_fail(struct client_command *command, enum dfs_status status, const char *words)
{
    struct login *login = dfs_container_of(command, struct login, base);
    struct dfs_client *client = command->client;
    const struct dfs_client_result result = {.status = status, .words = words};

    login_remove(login);
    dfs_client_command_end(command, &result);
    login_free(login);
    start_next(client);
    dfs_client_session_kick(client); /* who waited for a token goes on without */
}

static void login_drop(struct client_command *command)
{
    struct login *login = dfs_container_of(command, struct login, base);

    dfs_client_command_forget(command);
    login_free(login);
}

/* The one that is under way is given up by auth_client, which knows why; this is about those behind it. */
static bool login_is_asked(struct client_command *command)
{
    struct client_identity *identity = &command->client->identity;

    return identity->login_running && dfs_container_of(command, struct login, base) == login_first(identity);
}

static const struct client_command_kind login_kind = {
    .name = "login", .fail = login_fail, .waits_for_host = login_is_asked, .drop = login_drop};

void dfs_client_identity_login(struct dfs_client *client, uint64_t id, const struct dfs_client_login *wanted)
{
    const char *fault = dfs_client_login_fault(wanted->user, wanted->password);
    struct login *login;

    if (fault != NULL) {
        dfs_client_answer(client, id, DFS_LOGIN_FAILED, fault);
        return;
    }
    login = dfs_alloc_zero(sizeof *login);
    dfs_client_command_init(client, &login->base, &login_kind, id);
    login->user = dfs_client_copy_text(wanted->user);
    login->password = dfs_client_copy_text(wanted->password);
    dfs_list_push(&client->identity.logins, &login->queue);
    start_next(client);
}

void dfs_client_identity_set(struct dfs_client *client, const struct dfs_client_token *wanted)
{
    struct client_identity *identity = identity_of(client);
    const size_t count = strlen(wanted->token);

    if (count > DFS_TOKEN_BYTES_MAX) {
        adopt(client, "", 0, 0); /* no server would take it: they will say TOKEN_MISSING */
    } else if (same_token(identity, wanted->token, count)) {
        return;
    } else {
        adopt(client, wanted->token, count, wanted->expires_s);
    }
    if (identity->refresh_running) { /* of the token before */
        identity->refresh_running = false;
        dfs_auth_client_close(&identity->auth);
    }
    start_next(client);
    dfs_client_nodes_close(client);
    dfs_client_session_reset(client);
}

/* Life ---------------------------------------------------------------------------------------------------------------------- */

void dfs_client_identity_init(struct dfs_client *client)
{
    struct client_identity *identity = identity_of(client);

    identity->end.kind = CLIENT_END_AUTH;
    dfs_list_init(&identity->logins);
    dfs_client_timer_init(&identity->timer, on_timer);
    identity->refresh_at = DFS_NEVER;
    dfs_auth_client_init(&identity->auth, &client->env, &client->links, &client->config.auth,
                         client->config.request_timeout_ns, &identity->end);
}

void dfs_client_identity_drop(struct dfs_client *client)
{
    dfs_link_closed(&client->identity.auth.link);
    dfs_wipe(client->identity.token, sizeof client->identity.token);
    dfs_wipe(client->identity.auth.secret, sizeof client->identity.auth.secret);
}

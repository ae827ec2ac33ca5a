#include "core/auth/auth_client.h"

#include "core/base/assert.h"
#include "core/base/mac.h"
#include "core/env/trace.h"

#include <string.h>

/* Between two tries: doubled each time, and up to as much again by chance, so that a thousand clients do not come back as one. */
#define BACK_OFF_FIRST_NS (100 * DFS_MILLISECONDS)
#define BACK_OFF_DOUBLINGS_MAX 4

static const char *const phase_names[] = {
#define X(name) #name,
    DFS_AUTH_CLIENT_PHASES(X)
#undef X
};

#define TO(phase) (1u << DFS_AUTH_CLIENT_##phase)
static const uint32_t phase_edges[DFS_AUTH_CLIENT_PHASE_COUNT] = {
    [DFS_AUTH_CLIENT_IDLE] = TO(ASKING),
    [DFS_AUTH_CLIENT_ASKING] = TO(WAITING) | TO(IDLE),
    [DFS_AUTH_CLIENT_WAITING] = TO(ASKING) | TO(IDLE),
};
static const struct dfs_path paths[] = {
    {DFS_AUTH_CLIENT_IDLE, "command", TO(ASKING)},
    {DFS_AUTH_CLIENT_ASKING, "token", TO(IDLE)},
    {DFS_AUTH_CLIENT_ASKING, "status bad timeout closed", TO(IDLE) | TO(WAITING)},
    {DFS_AUTH_CLIENT_ASKING, "command", TO(IDLE)},
    {DFS_AUTH_CLIENT_WAITING, "timeout", TO(ASKING)},
    {DFS_AUTH_CLIENT_WAITING, "command", TO(IDLE)},
};
#undef TO

const struct dfs_gate dfs_auth_client_gate = {
    "login", phase_names, phase_edges, DFS_AUTH_CLIENT_PHASE_COUNT, "the login to auth", DFS_GATE_PATHS(paths)};

void dfs_auth_client_init(struct dfs_auth_client *client, const struct dfs_env *env, struct dfs_links *links,
                          const struct dfs_addr *auth, dfs_duration_ns timeout_ns, void *user)
{
    memset(client, 0, sizeof *client);
    client->env = env;
    client->links = links;
    client->auth = *auth;
    client->timeout_ns = timeout_ns;
    client->user = user;
    client->deadline = DFS_NEVER;
}

static void end(struct dfs_auth_client *client, const char *why)
{
    dfs_wipe(client->secret, sizeof client->secret);
    client->deadline = DFS_NEVER;
    DFS_GATE(client->env, &dfs_auth_client_gate, client->phase, DFS_AUTH_CLIENT_IDLE, why);
}

void dfs_auth_client_close(struct dfs_auth_client *client)
{
    dfs_link_close(&client->link);
    if (client->phase != DFS_AUTH_CLIENT_IDLE)
        end(client, "command");
}

static void ask(struct dfs_auth_client *client, dfs_time_ns now, const char *why)
{
    DFS_GATE(client->env, &dfs_auth_client_gate, client->phase, DFS_AUTH_CLIENT_ASKING, why);
    client->deadline = dfs_time_min(dfs_time_add(now, client->timeout_ns), client->give_up_at);
    dfs_link_connect(&client->link, client->env, NULL, client->links, &client->auth, DFS_ROLE_AUTH, NULL, client->user);
    client->request = dfs_link_request(&client->link);
    if (client->refresh) {
        const struct dfs_m_refresh m = {.token = {.at = client->secret, .count = client->secret_count}};

        dfs_link_send(&client->link, client->request, DFS_MSG_REFRESH, &m);
    } else {
        const struct dfs_m_login m = {.user = dfs_text_of(client->name),
                                      .password = {.at = client->secret, .count = client->secret_count}};

        dfs_link_send(&client->link, client->request, DFS_MSG_LOGIN, &m);
    }
}

static void begin(struct dfs_auth_client *client, bool refresh, const char *secret, size_t secret_bytes,
                  dfs_time_ns now, dfs_time_ns give_up_at)
{
    DFS_ASSERT(client->phase == DFS_AUTH_CLIENT_IDLE && secret_bytes < sizeof client->secret);
    memcpy(client->secret, secret, secret_bytes);
    client->secret_count = (uint32_t)secret_bytes;
    client->refresh = refresh;
    client->give_up_at = give_up_at;
    client->tries = 0;
    ask(client, now, "command");
}

enum dfs_status dfs_auth_client_login(struct dfs_auth_client *client, const char *user, const char *password,
                                      dfs_time_ns now, dfs_time_ns give_up_at)
{
    if (strlen(user) > DFS_USER_BYTES_MAX || strlen(password) > DFS_PASSWORD_BYTES_MAX)
        return DFS_BAD_REQUEST;
    memcpy(client->name, user, strlen(user) + 1);
    begin(client, false, password, strlen(password), now, give_up_at);
    return DFS_OK;
}

void dfs_auth_client_refresh(struct dfs_auth_client *client, const char *token, size_t token_bytes, dfs_time_ns now,
                             dfs_time_ns give_up_at)
{
    begin(client, true, token, token_bytes, now, give_up_at);
}

/* This try led nowhere: another one after a while, or the end. `link` is closed already, or being closed by the caller. */
static bool try_again(struct dfs_auth_client *client, enum dfs_status status, dfs_duration_ns wait_ns, dfs_time_ns now,
                      const char *why, struct dfs_auth_client_answer *ret_answer)
{
    uint64_t random = 0;
    const uint32_t doublings = client->tries < BACK_OFF_DOUBLINGS_MAX ? client->tries : BACK_OFF_DOUBLINGS_MAX;
    dfs_duration_ns back_off_ns = BACK_OFF_FIRST_NS << doublings;

    client->env->rng->random(client->env->ctx, DFS_RNG_JITTER, &random, sizeof random);
    back_off_ns += random % back_off_ns;
    if (back_off_ns < wait_ns)
        back_off_ns = wait_ns;
    client->tries++;
    if (dfs_time_add(now, back_off_ns) >= client->give_up_at) {
        *ret_answer = (struct dfs_auth_client_answer){.status = status};
        end(client, why);
        return true;
    }
    client->deadline = now + back_off_ns;
    DFS_GATE(client->env, &dfs_auth_client_gate, client->phase, DFS_AUTH_CLIENT_WAITING, why);
    return false;
}

static bool on_message(struct dfs_auth_client *client, const struct dfs_incoming *in, dfs_time_ns now,
                       struct dfs_auth_client_answer *ret_answer)
{
    if (in->number == DFS_MSG_TOKEN) {
        *ret_answer = (struct dfs_auth_client_answer){.status = DFS_OK, .token = in->body};
        end(client, "token");
        return true;
    }
    if (in->number == DFS_MSG_STATUS) {
        const struct dfs_m_status *m = in->body;

        if (m->status == DFS_UNAVAILABLE) {
            const dfs_duration_ns wait_ns = m->retry_after_ns;

            dfs_link_close(&client->link); /* `m` is gone */
            return try_again(client, DFS_UNAVAILABLE, wait_ns, now, "status", ret_answer);
        }
        if (m->status != DFS_OK) {
            *ret_answer = (struct dfs_auth_client_answer){.status = (enum dfs_status)m->status,
                                                          .words = m->words.at,
                                                          .words_count = m->words.count,
                                                          .retry_after_ns = m->retry_after_ns};
            end(client, "status");
            return true;
        }
    }
    *ret_answer = (struct dfs_auth_client_answer){.status = DFS_BAD_REQUEST};
    end(client, "bad");
    return true;
}

static bool on_recv(struct dfs_auth_client *client, dfs_time_ns now, struct dfs_auth_client_answer *ret_answer)
{
    struct dfs_incoming in;
    enum dfs_status status;

    while ((status = dfs_link_take(&client->link, &in)) == DFS_OK)
        if (in.request == client->request)
            return on_message(client, &in, now, ret_answer);
    if (status == DFS_UNAVAILABLE)
        return false;
    dfs_link_close(&client->link);
    return try_again(client, DFS_UNREACHABLE, 0, now, "bad", ret_answer);
}

bool dfs_auth_client_step(struct dfs_auth_client *client, const struct dfs_event *event, dfs_time_ns now,
                          struct dfs_auth_client_answer *ret_answer)
{
    switch (client->phase) {
    case DFS_AUTH_CLIENT_IDLE: /* answered; the caller is about to close */
        if (event != NULL && event->kind == DFS_EV_CLOSED)
            dfs_link_closed(&client->link);
        return false;
    case DFS_AUTH_CLIENT_ASKING:
        if (event == NULL) {
            dfs_link_close(&client->link);
            return try_again(client, DFS_TIMEOUT, 0, now, "timeout", ret_answer);
        }
        if (event->kind == DFS_EV_OPEN)
            dfs_link_opened(&client->link, event->net.peer);
        if (event->kind == DFS_EV_RECV)
            return on_recv(client, now, ret_answer);
        if (event->kind == DFS_EV_CLOSED) {
            dfs_link_closed(&client->link);
            if (event->net.status == DFS_WRONG_CLUSTER) { /* no sense in asking this one again */
                *ret_answer = (struct dfs_auth_client_answer){.status = DFS_WRONG_CLUSTER};
                end(client, "closed");
                return true;
            }
            return try_again(client, DFS_UNREACHABLE, 0, now, "closed", ret_answer);
        }
        return false;
    case DFS_AUTH_CLIENT_WAITING:
        if (event == NULL)
            ask(client, now, "timeout");
        return false;
    case DFS_AUTH_CLIENT_PHASE_COUNT:
        break;
    }
    dfs_unreachable("dfs_auth_client_step");
}

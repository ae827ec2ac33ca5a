#include "core/auth/auth_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/env/trace.h"

#include <string.h>

/* After a stall, what lies in the sockets is heard before anybody is called silent. */
#define STALL_GRACE_NS (10 * DFS_MILLISECONDS)

/* What auth is in follows from what it has read; no gate, since nothing is done on the way from one to the next. */
enum { PHASE_LOADING, PHASE_SERVING, PHASE_STOPPING, PHASE_COUNT };

static const char *const phase_names[PHASE_COUNT] = {"LOADING", "SERVING", "STOPPING"};
static const uint32_t phase_edges[PHASE_COUNT] = {0};

static const struct dfs_path paths[] = {
    {PHASE_LOADING, "login refresh keys_get unexpected frame_bad closed", 1u << PHASE_LOADING},
    {PHASE_SERVING, "login refresh keys_get unexpected frame_bad closed timeout", 1u << PHASE_SERVING},
    {PHASE_STOPPING, "login refresh keys_get closed", 1u << PHASE_STOPPING},
};

static const struct dfs_gate phase_gate = {"auth",      phase_names, phase_edges,
                                           PHASE_COUNT, "auth",      DFS_GATE_PATHS(paths)};

const struct dfs_gate *const dfs_auth_gates[] = {&phase_gate, &dfs_auth_store_gate, NULL};

static void say_stay(const struct dfs_auth *auth, const char *event)
{
    const bool loaded = auth->accounts_loaded && auth->keys_loaded;

    DFS_GATE_STAY(&auth->env, &phase_gate,
                  auth->stopping ? PHASE_STOPPING
                  : loaded       ? PHASE_SERVING
                                 : PHASE_LOADING,
                  event);
}

/* Life -------------------------------------------------------------------------------------------------------------------- */

struct dfs_auth *dfs_auth_new(const struct dfs_auth_config *config, const struct dfs_env *env)
{
    struct dfs_auth *auth = dfs_alloc_zero(sizeof *auth);
    struct dfs_verifier_config verifier = {.cache_max = 0}; /* a token is renewed once: nothing to remember */
    uint64_t seed = 0;

    auth->config = *config;
    auth->env = *env;
    dfs_id_print(&config->cluster, auth->audience);
    dfs_stall_init(&auth->stall, config->request_timeout_ns);
    dfs_buf_pool_init(&auth->pool, DFS_AUTH_POOL_BYTES);
    dfs_links_init(&auth->links);
    dfs_list_init(&auth->conns);
    dfs_list_init(&auth->jobs);
    auth->env.rng->random(auth->env.ctx, DFS_RNG_KEY, &seed, sizeof seed);
    dfs_auth_rate_init(&auth->users, config->bounds.rate_entries, DFS_AUTH_RATE_WINDOW_NS, seed);
    dfs_auth_rate_init(&auth->addresses, config->bounds.rate_entries, DFS_AUTH_RATE_WINDOW_NS, ~seed);
    dfs_auth_store_init(&auth->accounts_store, &auth->env, &auth->pool, "accounts", DFS_AUTH_DISK_ACCOUNTS,
                        config->bounds.store_piece);
    dfs_auth_store_init(&auth->keys_store, &auth->env, &auth->pool, "keys", DFS_AUTH_DISK_KEYS,
                        config->bounds.store_piece);
    memcpy(verifier.issuer, config->issuer, sizeof verifier.issuer);
    memcpy(verifier.audience, auth->audience, sizeof auth->audience);
    auth->verifier = dfs_verifier_new(&verifier);
    return auth;
}

/* `tell` closes the connection in the env too. */
static void conn_free(struct dfs_auth *auth, struct auth_conn *conn, bool tell)
{
    if (tell)
        dfs_link_close(&conn->wire);
    else
        dfs_link_closed(&conn->wire);
    dfs_list_remove(&conn->link);
    auth->conns_count--;
    dfs_free(conn);
}

void dfs_auth_free(struct dfs_auth *auth)
{
    struct dfs_list *at;

    if (auth == NULL)
        return;
    while ((at = dfs_list_first(&auth->conns)) != NULL)
        conn_free(auth, dfs_container_of(at, struct auth_conn, link), false);
    dfs_links_close(&auth->links);
    dfs_auth_jobs_close(auth);
    dfs_auth_store_close(&auth->accounts_store);
    dfs_auth_store_close(&auth->keys_store);
    dfs_accounts_close(&auth->accounts);
    dfs_signing_keys_close(&auth->keys);
    dfs_verifier_free(auth->verifier);
    dfs_auth_rate_close(&auth->users);
    dfs_auth_rate_close(&auth->addresses);
    dfs_buf_pool_close(&auth->pool);
    dfs_free(auth);
}

bool dfs_auth_is_ready(const struct dfs_auth *auth)
{
    return auth->accounts_loaded && auth->keys_loaded && !auth->stopping;
}

void dfs_auth_metrics(const struct dfs_auth *auth,
                      void (*emit)(void *ctx, const char *name, const char *help, uint64_t value), void *ctx)
{
#define X(name, help) emit(ctx, #name, help, auth->counters.name);
    DFS_AUTH_COUNTERS(X)
#undef X
    emit(ctx, "accounts", "Accounts", auth->accounts.count);
    emit(ctx, "keys", "Signing keys, retired ones included", auth->keys.count);
    emit(ctx, "conns", "Open connections", auth->conns_count);
}

/* Connections --------------------------------------------------------------------------------------------------------------- */

static void on_accept(struct dfs_auth *auth, const struct dfs_event *event)
{
    if (auth->conns_count >= auth->config.conns_max || auth->stopping) {
        auth->counters.conns_refused++;
        auth->env.net->close(auth->env.ctx, event->net.conn);
        return;
    }
    struct auth_conn *conn = dfs_alloc_zero(sizeof *conn);

    auth->counters.conns_accepted++;
    auth->conns_count++;
    conn->from = *event->net.addr;
    conn->heard_at = auth->now;
    dfs_list_push(&auth->conns, &conn->link);
    /* No pool: nothing in this protocol has bulk. */
    dfs_link_open(&conn->wire, &auth->env, NULL, &auth->links, event->net.conn, event->net.peer, conn);
}

static void dispatch(struct dfs_auth *auth, struct auth_conn *conn, const struct dfs_incoming *in)
{
    switch (in->number) {
    case DFS_MSG_LOGIN:
        say_stay(auth, "login");
        dfs_auth_on_login(auth, conn, in->request, in->body);
        return;
    case DFS_MSG_REFRESH:
        say_stay(auth, "refresh");
        dfs_auth_on_refresh(auth, conn, in->request, in->body);
        return;
    case DFS_MSG_KEYS_GET:
        say_stay(auth, "keys_get");
        dfs_auth_on_keys_get(auth, conn, in->request);
        return;
    default: /* a message of another service */
        say_stay(auth, "unexpected");
        auth->counters.frames_bad++;
        dfs_link_send_status(&conn->wire, in->request, DFS_BAD_REQUEST,
                             "auth understands LOGIN, REFRESH and KEYS_GET: is this the right port?");
        conn->closing = true;
        return;
    }
}

static void on_recv(struct dfs_auth *auth, struct auth_conn *conn)
{
    struct dfs_incoming in;
    enum dfs_status status;

    conn->heard_at = auth->now;
    dfs_list_remove(&conn->link);
    dfs_list_push(&auth->conns, &conn->link);
    while (!conn->closing && (status = dfs_link_take(&conn->wire, &in)) != DFS_UNAVAILABLE) {
        if (status != DFS_OK) {
            say_stay(auth, "frame_bad");
            auth->counters.frames_bad++;
            conn->closing = true;
        } else {
            dispatch(auth, conn, &in);
        }
    }
    if (conn->closing)
        conn_free(auth, conn, true);
}

static void close_silent(struct dfs_auth *auth)
{
    struct dfs_list *at;

    while ((at = dfs_list_first(&auth->conns)) != NULL) {
        struct auth_conn *conn = dfs_container_of(at, struct auth_conn, link);

        if (auth->now < dfs_time_add(conn->heard_at, auth->config.request_timeout_ns))
            return;
        say_stay(auth, "timeout");
        auth->counters.conns_idle++;
        conn_free(auth, conn, true);
    }
}

/* The door ------------------------------------------------------------------------------------------------------------------- */

static void step_event(struct dfs_auth *auth, const struct dfs_event *event)
{
    switch (event->kind) {
    case DFS_EV_START:
        dfs_auth_load(auth);
        return;
    case DFS_EV_ACCEPT:
        on_accept(auth, event);
        return;
    case DFS_EV_RECV:
        on_recv(auth, event->net.user);
        return;
    case DFS_EV_CLOSED:
        say_stay(auth, "closed");
        conn_free(auth, event->net.user, false);
        return;
    case DFS_EV_DISK:
        dfs_auth_on_disk(auth, &event->disk);
        return;
    case DFS_EV_COMMAND:
        dfs_auth_on_command(auth, event->command.id, event->command.code, event->command.argument);
        return;
    case DFS_EV_TICK:     /* the deadline is looked at after every event */
    case DFS_EV_OPEN:     /* we connect to nobody */
    case DFS_EV_SENT:     /* we send no bulk */
    case DFS_EV_DATAGRAM: /* we listen on no UDP port; what comes is not for us */
    case DFS_EV_SOURCE:
    case DFS_EV_SINK:
        return;
    case DFS_EV_COUNT:
        break;
    }
    dfs_unreachable("dfs_auth_step");
}

dfs_time_ns dfs_auth_step(struct dfs_auth *auth, const struct dfs_event *event)
{
    const dfs_duration_ns late = dfs_stall_step(&auth->stall, event->mono);
    dfs_time_ns deadline = DFS_NEVER;

    auth->now = event->mono - auth->stall.total_ns;
    auth->wall = event->wall;
    step_event(auth, event);
    if (late > 0) {
        auth->counters.stalls++;
        deadline = event->mono + STALL_GRACE_NS;
    } else {
        close_silent(auth);
    }
    dfs_links_resume_due(&auth->links);
    if (deadline == DFS_NEVER && !dfs_list_empty(&auth->conns)) {
        const struct auth_conn *oldest = dfs_container_of(dfs_list_first(&auth->conns), struct auth_conn, link);

        deadline = dfs_time_add(dfs_time_add(oldest->heard_at, auth->config.request_timeout_ns), auth->stall.total_ns);
    }
    auth->stall.deadline = deadline;
    return deadline;
}

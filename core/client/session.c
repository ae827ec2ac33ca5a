/* The link to metadata: one connection, HELLO first, requests behind it without waiting; everything unanswered is asked again. */
#include "core/client/client_internal.h"

#include "core/base/assert.h"
#include "core/env/trace.h"
#include "core/wire/cause.h"

static const char *const phase_names[] = {
#define X(name) #name,
    CLIENT_SESSION_PHASES(X)
#undef X
};

#define TO(phase) (1u << CLIENT_SESSION_##phase)
static const uint32_t phase_edges[CLIENT_SESSION_PHASE_COUNT] = {
    [CLIENT_SESSION_IDLE] = TO(CONNECTING),
    [CLIENT_SESSION_CONNECTING] = TO(OPEN) | TO(WAITING) | TO(IDLE),
    [CLIENT_SESSION_OPEN] = TO(WAITING) | TO(IDLE),
    [CLIENT_SESSION_WAITING] = TO(CONNECTING) | TO(IDLE),
};
static const struct dfs_path paths[] = {
    {CLIENT_SESSION_IDLE, "command token", TO(CONNECTING)},
    {CLIENT_SESSION_CONNECTING, "open", TO(OPEN)},
    {CLIENT_SESSION_CONNECTING, "closed timeout token command", TO(WAITING) | TO(IDLE)},
    {CLIENT_SESSION_OPEN, "closed timeout token command hello reset bad", TO(WAITING) | TO(IDLE)},
    {CLIENT_SESSION_WAITING, "timeout", TO(CONNECTING) | TO(IDLE)},
    {CLIENT_SESSION_WAITING, "token", TO(CONNECTING)},
    {CLIENT_SESSION_WAITING, "command", TO(IDLE)},
    {CLIENT_SESSION_OPEN,
     "status put_plan put_placed put_done get_plan stat_done list_page versions_page nodes_page "
     "fsck_page explain_page changed health_done",
     TO(OPEN)},
};
#undef TO

const struct dfs_gate dfs_client_session_gate = {"session",
                                                 phase_names,
                                                 phase_edges,
                                                 CLIENT_SESSION_PHASE_COUNT,
                                                 "a client's session with metadata",
                                                 DFS_GATE_PATHS(paths)};

static struct dfs_client *client_of(struct client_session *session)
{
    return dfs_container_of(session, struct dfs_client, session);
}

static void enter(struct client_session *session, enum client_session_phase next, const char *why)
{
    DFS_GATE(&client_of(session)->env, &dfs_client_session_gate, session->phase, next, why);
}

static bool is_connected(const struct client_session *session)
{
    return session->phase == CLIENT_SESSION_CONNECTING || session->phase == CLIENT_SESSION_OPEN;
}

/* The connection -------------------------------------------------------------------------------------------------------------- */

/* Sends what has not been sent, in order, as far as the window goes. */
static void send_unsent(struct client_session *session)
{
    if (!is_connected(session) || session->reset_due)
        return;
    if (session->unsent == 0)
        return;
    dfs_list_each(at, &session->asks)
    {
        struct client_ask *ask = dfs_container_of(at, struct client_ask, link);

        if (ask->waiting || ask->request != 0)
            continue;
        if (session->window + ask->weight > client_of(session)->config.bounds.session_window)
            return;
        ask->send(ask);
        DFS_ASSERT(ask->request != 0);
    }
}

/* Off the connection: what comes for it now is nobody's. */
static void unsend(struct client_session *session, struct client_ask *ask)
{
    if (ask->request == 0)
        return;
    ask->request = 0;
    session->window -= ask->weight;
    session->unsent++;
}

/* It is asked (again) after a while. */
static void wait_with(struct client_session *session, struct client_ask *ask, dfs_duration_ns wait_ns)
{
    struct dfs_client *client = client_of(session);

    unsend(session, ask);
    session->unsent--;
    ask->waiting = true;
    dfs_client_timer_set(client, &ask->timer, dfs_time_add(client->now, wait_ns));
}

static void connect_now(struct client_session *session, const char *why)
{
    struct dfs_client *client = client_of(session);
    const struct client_identity *identity = &client->identity;
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION,
                                      .token = {.at = identity->token, .count = identity->token_count}};

    enter(session, CLIENT_SESSION_CONNECTING, why);
    dfs_link_connect(&session->link, &client->env, NULL, &client->links, &client->config.meta, DFS_ROLE_META, NULL,
                     &session->end);
    session->serial = identity->serial;
    session->heard_at = client->now;
    session->hello = dfs_link_request(&session->link);
    dfs_link_send(&session->link, session->hello, DFS_MSG_HELLO, &hello);
    dfs_client_timer_set(client, &session->timer, dfs_time_add(client->now, client->config.connect_timeout_ns));
    send_unsent(session);
}

/* The link is gone, or has to go: who has asked asks again over the next one. */
static void disconnected(struct client_session *session, const char *why)
{
    struct dfs_client *client = client_of(session);

    dfs_link_close(&session->link);
    session->reset_due = false;
    session->hello = 0;
    dfs_list_each(at, &session->asks)
    {
        struct client_ask *ask = dfs_container_of(at, struct client_ask, link);

        unsend(session, ask);
        if (!ask->waiting)
            dfs_client_timer_stop(client, &ask->timer);
    }
    if (dfs_list_empty(&session->asks)) {
        dfs_client_timer_stop(client, &session->timer);
        enter(session, CLIENT_SESSION_IDLE, why);
        return;
    }
    /* A connection that had worked is made again at once: a server that closed an idle one, or was restarted. */
    const dfs_duration_ns wait_ns = session->tries == 0 ? 0 : dfs_client_back_off(client, session->tries - 1);

    session->tries++;
    enter(session, CLIENT_SESSION_WAITING, why);
    dfs_client_timer_set(client, &session->timer, dfs_time_add(client->now, wait_ns));
}

/* Notes for the people who wait what the matter is. */
static void trouble_all(struct client_session *session, enum dfs_status status, const char *words)
{
    dfs_list_each(at, &session->asks)
    {
        struct client_ask *ask = dfs_container_of(at, struct client_ask, link);

        dfs_client_command_trouble(ask->command, status, words);
    }
}

static void trouble_host(struct client_session *session, enum dfs_status status)
{
    char host[CLIENT_ADDR_TEXT_BYTES];
    char words[CLIENT_WORDS_BYTES];

    dfs_client_say(words, "metadata at %s: %s; does it run there, and is the network whole?",
                   dfs_client_addr_text(&client_of(session)->config.meta, host), dfs_status_words(status));
    trouble_all(session, status, words);
}

/* A message is being handled while this may be called: then the link lives until it is done. */
static void reset(struct client_session *session, const char *why)
{
    if (!is_connected(session))
        return;
    if (session->in_take)
        session->reset_due = true;
    else
        disconnected(session, why);
}

static void on_timer(struct dfs_client *client, struct client_timer *timer)
{
    struct client_session *session = dfs_container_of(timer, struct client_session, timer);

    switch (session->phase) {
    case CLIENT_SESSION_CONNECTING:
        trouble_host(session, DFS_TIMEOUT);
        disconnected(session, "timeout");
        return;
    case CLIENT_SESSION_OPEN: /* idle? */
        if (!dfs_list_empty(&session->asks))
            dfs_client_timer_set(client, timer, client->now + CLIENT_IDLE_NS);
        else if (client->now < session->heard_at + CLIENT_IDLE_NS)
            dfs_client_timer_set(client, timer, session->heard_at + CLIENT_IDLE_NS);
        else
            disconnected(session, "timeout");
        return;
    case CLIENT_SESSION_WAITING:
        if (dfs_list_empty(&session->asks))
            enter(session, CLIENT_SESSION_IDLE, "timeout");
        else if (!dfs_client_identity_is_pending(client))
            connect_now(session, "timeout");
        return;
    case CLIENT_SESSION_IDLE:
    case CLIENT_SESSION_PHASE_COUNT:
        break;
    }
    dfs_unreachable("session on_timer");
}

void dfs_client_session_kick(struct dfs_client *client)
{
    struct client_session *session = &client->session;

    if (dfs_client_identity_is_pending(client))
        return;
    if (session->phase == CLIENT_SESSION_IDLE && !dfs_list_empty(&session->asks))
        connect_now(session, "token");
    else if (session->phase == CLIENT_SESSION_WAITING && !dfs_heap_has(&session->timer.item))
        connect_now(session, "token"); /* its back-off passed while there was no token */
    else if (is_connected(session) && session->serial != client->identity.serial && dfs_list_empty(&session->asks))
        reset(session, "token");
}

void dfs_client_session_reset(struct dfs_client *client)
{
    client->session.tries = 0;
    reset(&client->session, "token");
}

void dfs_client_session_close(struct dfs_client *client)
{
    if (client->session.phase == CLIENT_SESSION_WAITING && dfs_list_empty(&client->session.asks)) {
        dfs_client_timer_stop(client, &client->session.timer);
        enter(&client->session, CLIENT_SESSION_IDLE, "command");
    }
    reset(&client->session, "command");
}

/* Asks -------------------------------------------------------------------------------------------------------------------------- */

static void on_ask_timer(struct dfs_client *client, struct client_timer *timer)
{
    struct client_ask *ask = dfs_container_of(timer, struct client_ask, timer);
    struct client_session *session = &client->session;
    const dfs_time_ns silent_at = dfs_time_add(session->heard_at, client->config.request_timeout_ns);

    if (ask->waiting) {
        ask->waiting = false;
        session->unsent++;
        send_unsent(session);
        return;
    }
    /* Streams lose nothing: while metadata says something to somebody, it still has this question too. */
    if (client->now < silent_at) {
        dfs_client_timer_set(client, timer, silent_at);
        return;
    }
    trouble_host(session, DFS_TIMEOUT);
    reset(session, "timeout");
}

void dfs_client_ask_init(struct client_ask *ask, struct client_command *command, void (*send)(struct client_ask *),
                         void (*answered)(struct client_ask *, const struct dfs_incoming *))
{
    dfs_list_init(&ask->link);
    dfs_client_timer_init(&ask->timer, on_ask_timer);
    ask->command = command;
    ask->weight = 1;
    ask->send = send;
    ask->answered = answered;
}

static void add_ask(struct client_ask *ask)
{
    struct dfs_client *client = ask->command->client;
    struct client_session *session = &client->session;

    ask->request = 0;
    ask->tries = 0;
    ask->waiting = false;
    session->unsent++;
    dfs_list_push(&session->asks, &ask->link);
    /* A renewed token is shown on a new connection, as soon as nothing is under way on the old one. */
    if (is_connected(session) && session->serial != client->identity.serial && session->asks.next == &ask->link)
        reset(session, "token");
}

void dfs_client_ask_start(struct client_ask *ask)
{
    struct dfs_client *client = ask->command->client;
    struct client_session *session = &client->session;

    if (dfs_client_ask_is_running(ask))
        return;
    add_ask(ask);
    if (session->phase == CLIENT_SESSION_IDLE && !dfs_client_identity_is_pending(client))
        connect_now(session, "command");
    else
        send_unsent(session);
}

void dfs_client_ask_later(struct client_ask *ask, dfs_duration_ns wait_ns)
{
    struct dfs_client *client = ask->command->client;

    if (dfs_client_ask_is_running(ask))
        return;
    add_ask(ask);
    wait_with(&client->session, ask, wait_ns);
    if (client->session.phase == CLIENT_SESSION_IDLE && !dfs_client_identity_is_pending(client))
        connect_now(&client->session, "command");
}

void dfs_client_ask_send(struct client_ask *ask, uint32_t number, const void *message)
{
    struct dfs_client *client = ask->command->client;
    struct client_session *session = &client->session;

    DFS_ASSERT(ask->request == 0 && !ask->waiting);
    ask->request = dfs_link_request(&session->link);
    session->window += ask->weight;
    session->unsent--;
    dfs_client_timer_set(client, &ask->timer, dfs_time_add(client->now, client->config.request_timeout_ns));
    dfs_link_send(&session->link, ask->request, number, message);
}

void dfs_client_ask_stop(struct client_ask *ask)
{
    if (!dfs_client_ask_is_running(ask))
        return;
    struct client_session *session = &ask->command->client->session;

    dfs_client_timer_stop(ask->command->client, &ask->timer);
    unsend(session, ask);
    if (!ask->waiting)
        session->unsent--;
    dfs_list_remove(&ask->link);
    ask->waiting = false;
    send_unsent(session); /* there is room in the window */
}

void dfs_client_session_tell(struct dfs_client *client, uint32_t number, const void *message)
{
    struct client_session *session = &client->session;

    if (is_connected(session) && !session->reset_due)
        dfs_link_send(&session->link, dfs_link_request(&session->link), number, message);
}

/* Answers ------------------------------------------------------------------------------------------------------------------------ */

static struct client_ask *find_ask(struct client_session *session, uint32_t request)
{
    /* Answers mostly come in the order of the questions: the first is the likeliest. */
    dfs_list_each(at, &session->asks)
    {
        struct client_ask *ask = dfs_container_of(at, struct client_ask, link);

        if (ask->request == request)
            return ask;
    }
    return NULL;
}

/* What the session itself can do about an answer: true when it has. */
static bool handled_status(struct client_session *session, struct client_ask *ask, const struct dfs_incoming *in)
{
    struct dfs_client *client = client_of(session);
    struct client_status answer;

    if (!dfs_client_is_status(in, &answer))
        return false;
    if (answer.status == DFS_UNAVAILABLE) {
        const dfs_duration_ns back_off_ns = dfs_client_back_off(client, ask->tries++);

        dfs_client_command_trouble(ask->command, answer.status, answer.words);
        wait_with(session, ask, answer.retry_after_ns > back_off_ns ? answer.retry_after_ns : back_off_ns);
        return true;
    }
    if (!dfs_client_is_about_token(answer.status))
        return false;
    if (session->serial != client->identity.serial) { /* a newer token is there: the next connection shows it */
        reset(session, "token");
        return true;
    }
    if (answer.status == DFS_TOKEN_EXPIRED && client->identity.refresh_running) {
        wait_with(session, ask, dfs_client_back_off(client, 2));
        return true;
    }
    return false;
}

/* HELLO was refused: so is everything behind it. */
static void on_hello_answer(struct client_session *session, const struct dfs_incoming *in)
{
    struct dfs_client *client = client_of(session);
    struct client_status answer;

    session->hello = 0;
    if (dfs_client_is_status(in, &answer) && answer.status == DFS_OK)
        return;
    if (in->number != DFS_MSG_STATUS)
        answer.status = DFS_BAD_REQUEST;
    reset(session, "hello");
    if (answer.status == DFS_UNAVAILABLE) {
        if (session->tries == 0)
            session->tries = 1; /* with back-off, though something was heard */
        trouble_all(session, answer.status, answer.words);
        return;
    }
    if (session->serial != client->identity.serial)
        return;
    /* Each asker hears the same STATUS as if it had been the answer to its own question. Answering may ask anew: only those of now. */
    size_t count = 0;

    dfs_list_each(at, &session->asks) count++;
    for (; count > 0 && !dfs_list_empty(&session->asks); count--) {
        struct client_ask *ask = dfs_container_of(dfs_list_first(&session->asks), struct client_ask, link);

        dfs_client_ask_stop(ask);
        ask->answered(ask, in);
    }
}

static void on_message(struct client_session *session, const struct dfs_incoming *in)
{
    if (session->hello != 0 && in->request == session->hello) {
        on_hello_answer(session, in);
        return;
    }
    struct client_ask *ask = find_ask(session, in->request);

    if (ask == NULL) { /* nobody waits for it any more */
        if (in->number == DFS_MSG_PUT_PLAN)
            dfs_client_put_orphan(client_of(session), in->body);
        return;
    }
    if (handled_status(session, ask, in))
        return;
    session->tries = 0; /* only answers count: who says HELLO and then nothing gets its back-off */
    dfs_client_ask_stop(ask);
    ask->answered(ask, in);
}

static void on_recv(struct client_session *session)
{
    struct dfs_incoming in;
    enum dfs_status status = DFS_UNAVAILABLE;

    session->heard_at = client_of(session)->now;
    session->in_take = true;
    while (!session->reset_due && (status = dfs_link_take(&session->link, &in)) == DFS_OK) {
        on_message(session, &in);
        if (client_of(session)->env.trace->stays)
            DFS_GATE_STAY(&client_of(session)->env, &dfs_client_session_gate, session->phase,
                          dfs_cause_of_message(in.number));
    }
    session->in_take = false;
    if (session->reset_due) {
        disconnected(session, "reset");
    } else if (status != DFS_UNAVAILABLE) {
        if (session->tries == 0)
            session->tries = 1; /* what it says is no message: not again at once */
        trouble_host(session, DFS_BAD_REQUEST);
        disconnected(session, "bad");
    }
}

void dfs_client_session_on_event(struct dfs_client *client, const struct dfs_event *event)
{
    struct client_session *session = &client->session;

    switch (event->kind) {
    case DFS_EV_OPEN:
        dfs_link_opened(&session->link, event->net.peer);
        enter(session, CLIENT_SESSION_OPEN, "open");
        session->heard_at = client->now;
        dfs_client_timer_set(client, &session->timer, client->now + CLIENT_IDLE_NS);
        return;
    case DFS_EV_RECV:
        on_recv(session);
        return;
    case DFS_EV_CLOSED:
        dfs_link_closed(&session->link);
        if (session->phase == CLIENT_SESSION_CONNECTING)
            trouble_host(session, event->net.status == DFS_OK ? DFS_UNREACHABLE : event->net.status);
        disconnected(session, "closed");
        return;
    case DFS_EV_START:
    case DFS_EV_TICK:
    case DFS_EV_ACCEPT:
    case DFS_EV_SENT: /* nothing with bulk goes to metadata */
    case DFS_EV_DATAGRAM:
    case DFS_EV_DISK:
    case DFS_EV_SOURCE:
    case DFS_EV_SINK:
    case DFS_EV_COMMAND:
        return;
    case DFS_EV_COUNT:
        break;
    }
    dfs_unreachable("dfs_client_session_on_event");
}

/* Life --------------------------------------------------------------------------------------------------------------------------- */

void dfs_client_session_init(struct dfs_client *client)
{
    client->session.end.kind = CLIENT_END_META;
    dfs_list_init(&client->session.asks);
    dfs_client_timer_init(&client->session.timer, on_timer);
}

void dfs_client_session_drop(struct dfs_client *client)
{
    dfs_link_closed(&client->session.link);
}

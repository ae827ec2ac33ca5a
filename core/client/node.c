/* Links to data servers: made when a block needs one, kept while they are of use, each block a stream of its own on them. */
#include "core/client/client_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/env/trace.h"
#include "core/wire/cause.h"

#include <string.h>

static const char *const phase_names[] = {
#define X(name) #name,
    CLIENT_NODE_PHASES(X)
#undef X
};

#define TO(phase) (1u << CLIENT_NODE_##phase)
static const uint32_t phase_edges[CLIENT_NODE_PHASE_COUNT] = {
    [CLIENT_NODE_CLOSED] = TO(CONNECTING),
    [CLIENT_NODE_CONNECTING] = TO(OPEN) | TO(CLOSED),
    [CLIENT_NODE_OPEN] = TO(CLOSED),
};
static const struct dfs_path paths[] = {
    {CLIENT_NODE_CLOSED, "command", TO(CONNECTING)},
    {CLIENT_NODE_CONNECTING, "open", TO(OPEN)},
    {CLIENT_NODE_CONNECTING, "closed timeout idle command", TO(CLOSED)},
    {CLIENT_NODE_OPEN, "closed timeout idle command bad full", TO(CLOSED)},
    {CLIENT_NODE_OPEN, "status block_written block_data block_end unexpected", TO(OPEN)},
};
#undef TO

const struct dfs_gate dfs_client_node_gate = {
    "data_link",          phase_names, phase_edges, CLIENT_NODE_PHASE_COUNT, "a client's link to a data server",
    DFS_GATE_PATHS(paths)};

static void enter(struct client_node *node, enum client_node_phase next, const char *why)
{
    DFS_GATE(&node->client->env, &dfs_client_node_gate, node->phase, next, why);
}

/* Records ------------------------------------------------------------------------------------------------------------------ */

static void node_free(struct client_node *node)
{
    DFS_ASSERT(node->phase == CLIENT_NODE_CLOSED && dfs_list_empty(&node->streams));
    dfs_client_timer_stop(node->client, &node->timer);
    dfs_list_remove(&node->link);
    if (!node->retired) {
        node->client->nodes_count--;
        dfs_map_remove(&node->client->nodes_map, &node->id);
    }
    dfs_free(node->frames);
    dfs_free(node);
}

static void on_timer(struct dfs_client *client, struct client_timer *timer);

static struct client_node *node_new(struct dfs_client *client, const struct dfs_id *id)
{
    struct client_node *node = dfs_alloc_zero(sizeof *node);

    node->end.kind = CLIENT_END_DATA;
    node->client = client;
    node->id = *id;
    dfs_list_init(&node->streams);
    dfs_client_timer_init(&node->timer, on_timer);
    dfs_list_push(&client->nodes, &node->link);
    dfs_map_insert(&client->nodes_map, node);
    client->nodes_count++;
    return node;
}

/* The connection ------------------------------------------------------------------------------------------------------------- */

static void frames_clear(struct client_node *node)
{
    node->frames_first = 0;
    node->frames_count = 0;
}

/* The connection has ended or has to: its streams go to their owners, who may open others at once. */
static void closed(struct client_node *node, enum dfs_status status, const char *words, const char *why)
{
    struct dfs_client *client = node->client;
    struct dfs_list lost;
    struct dfs_list *at;

    DFS_ASSERT(node->phase != CLIENT_NODE_CLOSED && !node->in_take);
    dfs_link_close(&node->wire);
    dfs_client_timer_stop(client, &node->timer);
    frames_clear(node);
    node->hello = 0;
    node->close_due = DFS_OK;
    if (status != DFS_OK && status != DFS_ABORTED) {
        node->avoid_until = dfs_time_add(client->now, CLIENT_AVOID_NS);
        node->failed = true;
    }
    enter(node, CLIENT_NODE_CLOSED, why);
    dfs_list_init(&lost);
    while ((at = dfs_list_pop(&node->streams)) != NULL) {
        struct client_stream *stream = dfs_container_of(at, struct client_stream, link);

        node->streams_count--;
        stream->node = NULL;
        if (stream->owner == NULL)
            dfs_free(stream);
        else
            dfs_list_push(&lost, at);
    }
    if (node->retired)
        node_free(node);
    while ((at = dfs_list_pop(&lost)) != NULL) {
        struct client_stream *stream = dfs_container_of(at, struct client_stream, link);

        if (stream->owner == NULL)
            dfs_free(stream); /* an owner before it in the list ended the owner of this one */
        else
            stream->ops->lost(stream, status, words);
    }
}

void dfs_client_node_fail(struct client_node *node, enum dfs_status status, const char *words)
{
    char kept[CLIENT_WORDS_BYTES]; /* `words` may stand in what closing frees */

    if (node->phase == CLIENT_NODE_CLOSED)
        return;
    if (node->in_take) {
        if (node->close_due == DFS_OK) {
            node->close_due = status;
            dfs_client_say(node->close_words, "%s", words);
        }
        return;
    }
    dfs_client_say(kept, "%s", words);
    closed(node, status, kept, status == DFS_TIMEOUT ? "timeout" : "bad");
}

static void say_host(const struct client_node *node, enum dfs_status status, char words[CLIENT_WORDS_BYTES])
{
    char host[CLIENT_ADDR_TEXT_BYTES];

    dfs_client_say(words, "data server at %s: %s", dfs_client_addr_text(&node->addr, host), dfs_status_words(status));
}

static void fail_with(struct client_node *node, enum dfs_status status)
{
    char words[CLIENT_WORDS_BYTES];

    say_host(node, status, words);
    dfs_client_node_fail(node, status, words);
}

static void connect_node(struct client_node *node, const struct dfs_addr *addr)
{
    struct dfs_client *client = node->client;
    const struct client_identity *identity = &client->identity;
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION,
                                      .token = {.at = identity->token, .count = identity->token_count}};

    enter(node, CLIENT_NODE_CONNECTING, "command");
    node->addr = *addr;
    node->serial = identity->serial;
    node->heard_at = client->now;
    dfs_link_connect(&node->wire, &client->env, &client->pool, &client->links, addr, DFS_ROLE_DATA, &node->id,
                     &node->end);
    node->hello = dfs_link_request(&node->wire);
    dfs_link_send(&node->wire, node->hello, DFS_MSG_HELLO, &hello);
    dfs_client_timer_set(client, &node->timer, dfs_time_add(client->now, client->config.connect_timeout_ns));
}

/* No new streams: it goes when the last of its own has ended. */
static void retire(struct client_node *node)
{
    struct dfs_client *client = node->client;

    DFS_ASSERT(!node->retired);
    node->retired = true;
    client->nodes_count--;
    dfs_map_remove(&client->nodes_map, &node->id);
    dfs_list_remove(&node->link);
    dfs_list_push(&client->retired, &node->link);
}

/* Nothing waits for anything on it. */
static bool is_idle(const struct client_node *node)
{
    return dfs_list_empty(&node->streams);
}

/* Streams that nobody waits for keep a retired connection open only while the server talks. */
static bool is_wanted(struct client_node *node)
{
    dfs_list_each(at, &node->streams) if (dfs_container_of(at, struct client_stream, link)->owner != NULL) return true;
    return false;
}

/* A retired connection whose last wanted stream has ended. */
static void close_if_done(struct client_node *node)
{
    if (!node->retired || node->phase == CLIENT_NODE_CLOSED || is_wanted(node))
        return;
    if (node->in_take)
        node->close_due = DFS_ABORTED;
    else
        closed(node, DFS_ABORTED, "", "idle");
}

static void on_timer(struct dfs_client *client, struct client_timer *timer)
{
    struct client_node *node = dfs_container_of(timer, struct client_node, timer);

    if (node->phase == CLIENT_NODE_CONNECTING) {
        fail_with(node, DFS_TIMEOUT);
        return;
    }
    const dfs_duration_ns patience_ns = is_idle(node) ? CLIENT_IDLE_NS : client->config.request_timeout_ns;

    if (client->now < dfs_time_add(node->heard_at, patience_ns))
        dfs_client_timer_set(client, timer, dfs_time_add(node->heard_at, patience_ns));
    else if (is_idle(node))
        closed(node, DFS_OK, "", "timeout");
    else if (is_wanted(node)) /* their owners have clocks of their own, and know whether it is the server's turn */
        dfs_client_timer_set(client, timer, client->now + client->config.request_timeout_ns);
    else
        fail_with(node, DFS_TIMEOUT);
}

void dfs_client_nodes_close(struct dfs_client *client)
{
    struct dfs_list all;
    struct dfs_list *at;

    /* Owners of lost streams may open others: those are new connections, and stay. */
    dfs_list_init(&all);
    while ((at = dfs_list_first(&client->nodes)) != NULL) {
        struct client_node *node = dfs_container_of(at, struct client_node, link);

        if (node->phase == CLIENT_NODE_CLOSED) {
            node_free(node);
            continue;
        }
        retire(node);
    }
    while ((at = dfs_list_pop(&client->retired)) != NULL)
        dfs_list_push(&all, at);
    while ((at = dfs_list_first(&all)) != NULL)
        closed(dfs_container_of(at, struct client_node, link), DFS_ABORTED, "the connection was closed by this client",
               "command");
}

void dfs_client_nodes_retire(struct dfs_client *client)
{
    dfs_list_each(at, &client->nodes)
    {
        struct client_node *node = dfs_container_of(at, struct client_node, link);

        if (node->phase == CLIENT_NODE_CLOSED)
            continue;
        retire(node);
        close_if_done(node);
    }
}

struct client_node_view dfs_client_node_view(const struct dfs_client *client, const struct dfs_id *id)
{
    const struct client_node *node = dfs_map_find(&client->nodes_map, id);

    if (node == NULL)
        return (struct client_node_view){.streams = 0};
    return (struct client_node_view){.streams = node->streams_count,
                                     .connected = node->phase == CLIENT_NODE_OPEN,
                                     .avoided = client->now < node->avoid_until ||
                                                (node->failed && node->phase == CLIENT_NODE_CONNECTING)};
}

/* Streams ---------------------------------------------------------------------------------------------------------------------- */

/* The record of the server, made room for. */
static struct client_node *get_node(struct dfs_client *client, const struct dfs_id *id, const struct dfs_addr *addr)
{
    struct client_node *node = dfs_map_find(&client->nodes_map, id);
    dfs_time_ns avoid_until = 0;
    bool failed = false;

    /* It moved (or said so): the connection to where it was serves nobody new. One that is being closed neither. */
    if (node != NULL && node->phase != CLIENT_NODE_CLOSED &&
        (node->close_due != DFS_OK || node->addr.port != addr->port ||
         memcmp(node->addr.ip, addr->ip, sizeof addr->ip) != 0)) {
        avoid_until = node->avoid_until;
        failed = node->failed;
        retire(node);
        close_if_done(node);
        node = NULL;
    }
    if (node != NULL) {
        dfs_list_remove(&node->link);
        dfs_list_push(&client->nodes, &node->link);
        return node;
    }
    for (struct dfs_list *at = client->nodes.next;
         client->nodes_count >= client->config.bounds.nodes && at != &client->nodes;) {
        struct client_node *old = dfs_container_of(at, struct client_node, link);

        at = at->next;
        if (!is_idle(old) || old->in_take)
            continue;
        if (old->phase != CLIENT_NODE_CLOSED)
            closed(old, DFS_OK, "", "full");
        node_free(old);
    }
    node = node_new(client, id);
    node->avoid_until = avoid_until;
    node->failed = failed;
    return node;
}

void dfs_client_node_accuse(struct dfs_client *client, const struct dfs_w_replica *replica)
{
    struct client_node *node = get_node(client, &replica->node, &replica->addr);

    node->avoid_until = dfs_time_add(client->now, CLIENT_AVOID_NS);
}

struct client_stream *dfs_client_stream_open(struct dfs_client *client, const struct dfs_id *id,
                                             const struct dfs_addr *addr, void *owner,
                                             const struct client_stream_ops *ops)
{
    struct client_node *node = get_node(client, id, addr);
    struct client_stream *stream = dfs_alloc_zero(sizeof *stream);

    if (node->phase == CLIENT_NODE_CLOSED)
        connect_node(node, addr);
    stream->node = node;
    stream->owner = owner;
    stream->ops = ops;
    stream->heard_at = client->now;
    stream->request = dfs_link_request(&node->wire);
    dfs_list_push(&node->streams, &stream->link);
    node->streams_count++;
    return stream;
}

void dfs_client_stream_send(struct client_stream *stream, uint32_t number, const void *message, struct dfs_buf *bulk,
                            size_t bulk_offset, size_t bulk_bytes)
{
    struct client_node *node = stream->node;

    DFS_ASSERT(node != NULL);
    if (bulk != NULL) {
        if (node->frames_count == node->frames_room) { /* unrolls the ring into a larger one */
            const size_t room = node->frames_room == 0 ? 16 : node->frames_room * 2;
            struct client_stream **frames = dfs_alloc_zero_array(room, sizeof(struct client_stream *));

            for (size_t i = 0; i < node->frames_count; i++)
                frames[i] = node->frames[(node->frames_first + i) % node->frames_room];
            dfs_free(node->frames);
            node->frames = frames;
            node->frames_room = room;
            node->frames_first = 0;
        }
        node->frames[(node->frames_first + node->frames_count++) % node->frames_room] = stream;
    }
    dfs_link_send_bulk(&node->wire, stream->request, number, message, bulk, bulk_offset, bulk_bytes);
}

static void stream_off(struct client_stream *stream)
{
    struct client_node *node = stream->node;

    dfs_list_remove(&stream->link);
    node->streams_count--;
    for (size_t i = 0; i < node->frames_count; i++) {
        struct client_stream **frame = &node->frames[(node->frames_first + i) % node->frames_room];

        if (*frame == stream)
            *frame = NULL;
    }
    dfs_free(stream);
    close_if_done(node);
}

void dfs_client_stream_close(struct client_stream *stream)
{
    if (stream->node != NULL) {
        stream_off(stream);
        return;
    }
    dfs_list_remove(&stream->link); /* lost, perhaps not told yet */
    dfs_free(stream);
}

void dfs_client_stream_abandon(struct client_stream *stream, bool unsent)
{
    struct client_node *node = stream->node;

    stream->owner = NULL;
    if (node == NULL)
        return; /* in the hands of closed(), which frees it */
    if (unsent && !node->retired)
        retire(node);
    if (node->phase == CLIENT_NODE_OPEN && !is_wanted(node))
        dfs_client_timer_set(node->client, &node->timer,
                             dfs_time_add(node->heard_at, node->client->config.request_timeout_ns));
    close_if_done(node);
}

/* Events ------------------------------------------------------------------------------------------------------------------------- */

static struct client_stream *find_stream(struct client_node *node, uint32_t request)
{
    dfs_list_each(at, &node->streams)
    {
        struct client_stream *stream = dfs_container_of(at, struct client_stream, link);

        if (stream->request == request)
            return stream;
    }
    return NULL;
}

static void on_hello_answer(struct client_node *node, const struct dfs_incoming *in)
{
    struct client_status answer;
    char words[CLIENT_WORDS_BYTES + CLIENT_ADDR_TEXT_BYTES];
    char host[CLIENT_ADDR_TEXT_BYTES];

    node->hello = 0;
    if (!dfs_client_is_status(in, &answer))
        answer.status = DFS_BAD_REQUEST;
    if (answer.status == DFS_OK)
        return;
    dfs_client_say(words, "data server at %s: %.250s", dfs_client_addr_text(&node->addr, host), answer.words);
    dfs_client_node_fail(node, answer.status, words);
}

static void on_message(struct client_node *node, const struct dfs_incoming *in)
{
    struct client_stream *stream = find_stream(node, in->request);

    if (node->hello != 0 && in->request == node->hello) {
        dfs_buf_unref(in->bulk);
        on_hello_answer(node, in);
        return;
    }
    if (stream == NULL || stream->owner == NULL) {
        dfs_buf_unref(in->bulk);
        /* Only the end of what nobody waits for matters: then nothing more of it will come. */
        if (stream != NULL && in->number != DFS_MSG_BLOCK_DATA)
            stream_off(stream);
        return;
    }
    stream->heard_at = node->client->now;
    stream->ops->message(stream, in);
}

/* For who counts paths: the message was handled. */
static void say_stay(const struct client_node *node, uint32_t number)
{
    const bool expected = number == DFS_MSG_STATUS || number == DFS_MSG_BLOCK_WRITTEN || number == DFS_MSG_BLOCK_DATA ||
                          number == DFS_MSG_BLOCK_END;

    DFS_GATE_STAY(&node->client->env, &dfs_client_node_gate, node->phase,
                  expected ? dfs_cause_of_message(number) : "unexpected");
}

static void on_recv(struct client_node *node)
{
    struct dfs_incoming in;
    enum dfs_status status = DFS_UNAVAILABLE;

    node->heard_at = node->client->now;
    node->in_take = true;
    while (node->close_due == DFS_OK && (status = dfs_link_take(&node->wire, &in)) == DFS_OK) {
        on_message(node, &in);
        if (node->client->env.trace->stays)
            say_stay(node, in.number);
    }
    node->in_take = false;
    if (node->close_due != DFS_OK)
        dfs_client_node_fail(node, node->close_due, node->close_words);
    else if (status != DFS_UNAVAILABLE)
        fail_with(node, status);
}

static void on_sent(struct client_node *node)
{
    struct client_stream *stream;

    if (node->frames_count == 0)
        return;
    stream = node->frames[node->frames_first];
    node->frames_first = (node->frames_first + 1) % node->frames_room;
    node->frames_count--;
    if (stream != NULL && stream->owner != NULL) {
        stream->heard_at = node->client->now;
        stream->ops->sent(stream);
    }
}

void dfs_client_nodes_on_event(struct dfs_client *client, struct client_node *node, const struct dfs_event *event)
{
    switch (event->kind) {
    case DFS_EV_OPEN:
        dfs_link_opened(&node->wire, event->net.peer);
        enter(node, CLIENT_NODE_OPEN, "open");
        node->failed = false;
        node->heard_at = client->now;
        dfs_client_timer_set(client, &node->timer, client->now + CLIENT_IDLE_NS);
        return;
    case DFS_EV_RECV:
        on_recv(node);
        return;
    case DFS_EV_SENT:
        on_sent(node);
        return;
    case DFS_EV_CLOSED: {
        const enum dfs_status status = event->net.status == DFS_OK ? DFS_UNREACHABLE : event->net.status;
        char words[CLIENT_WORDS_BYTES];

        dfs_link_closed(&node->wire);
        say_host(node, status, words);
        closed(node, status, words, "closed");
        return;
    }
    case DFS_EV_START:
    case DFS_EV_TICK:
    case DFS_EV_ACCEPT:
    case DFS_EV_DATAGRAM:
    case DFS_EV_DISK:
    case DFS_EV_SOURCE:
    case DFS_EV_SINK:
    case DFS_EV_COMMAND:
        return;
    case DFS_EV_COUNT:
        break;
    }
    dfs_unreachable("dfs_client_nodes_on_event");
}

/* Life --------------------------------------------------------------------------------------------------------------------------- */

void dfs_client_nodes_init(struct dfs_client *client)
{
    dfs_list_init(&client->nodes);
    dfs_list_init(&client->retired);
    /* Node ids come from metadata, which we believe: a fixed seed. */
    dfs_map_init(&client->nodes_map, offsetof(struct client_node, id), sizeof(struct dfs_id), 0);
}

static void drop_list(struct dfs_list *list)
{
    struct dfs_list *at;
    struct dfs_list *stream;

    while ((at = dfs_list_pop(list)) != NULL) {
        struct client_node *node = dfs_container_of(at, struct client_node, link);

        while ((stream = dfs_list_pop(&node->streams)) != NULL)
            dfs_free(dfs_container_of(stream, struct client_stream, link));
        dfs_link_closed(&node->wire);
        dfs_client_timer_stop(node->client, &node->timer);
        dfs_free(node->frames);
        dfs_free(node);
    }
}

void dfs_client_nodes_drop(struct dfs_client *client)
{
    drop_list(&client->nodes);
    drop_list(&client->retired);
    dfs_map_close(&client->nodes_map);
}

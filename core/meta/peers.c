#include "core/meta/peers.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/meta/hello.h"
#include "core/meta/nodes.h"
#include "core/wire/cause.h"

#include <string.h>

/* How soon a client asks again that was told to wait: a few syncs of the journal, or a step of the start. */
#define RETRY_SOON_NS (200 * DFS_MILLISECONDS)

/* Answers that wait -------------------------------------------------------------------------------------- */

/* Either a finished frame for a peer, or something to be done. */
struct meta_answer {
    struct dfs_list link;
    uint64_t batch; /* waits for it */
    meta_peer_name peer;
    uint32_t request;
    meta_after_fn fn; /* NULL: a frame */
    struct meta_after after;
    size_t bytes;
    uint8_t frame[];
};

static struct meta_answer *answer_new(struct dfs_meta *meta, size_t bytes)
{
    struct meta_answer *answer = dfs_alloc(sizeof *answer + bytes);

    *answer = (struct meta_answer){.batch = meta_journal_newest(&meta->journal), .bytes = bytes};
    dfs_list_init(&answer->link);
    dfs_list_push(&meta->answers, &answer->link);
    meta->answers_count++;
    return answer;
}

static struct meta_answer *answer_pop(struct dfs_meta *meta)
{
    struct dfs_list *at = dfs_list_pop(&meta->answers);

    if (at == NULL)
        return NULL;
    meta->answers_count--;
    return dfs_container_of(at, struct meta_answer, link);
}

/* Nothing unsynced that an answer could tell of. What waits is older, so order is kept. */
static bool can_answer_now(const struct dfs_meta *meta)
{
    return dfs_list_empty(&meta->answers) && meta_journal_is_synced(&meta->journal);
}

static void answer_hold(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, uint32_t number,
                        const void *value)
{
    const struct dfs_layout *layout = dfs_message_layout(number);
    const size_t body_bytes = dfs_encoded_bytes(layout, value);
    struct meta_answer *answer = answer_new(meta, DFS_FRAME_HEADER_BYTES + body_bytes);
    const struct dfs_frame frame = {.body_bytes = (uint32_t)body_bytes, .type = (uint16_t)number, .request = request};
    struct dfs_wr w = dfs_wr_make(answer->frame + DFS_FRAME_HEADER_BYTES, body_bytes);

    DFS_ASSERT(body_bytes <= DFS_FRAME_BODY_BYTES_MAX);
    answer->peer = meta_peer_name_of(peer);
    answer->request = request;
    dfs_frame_encode(&frame, answer->frame);
    dfs_encode(layout, value, &w);
    DFS_ASSERT(!w.bad && w.at == w.end);
    meta->counters.answers_held++;
    peer->answers_waiting++;
    meta_peer_tap(meta, peer);
}

void meta_reply(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, uint32_t number, const void *value)
{
    if (peer->phase == META_PEER_CLOSED)
        return;
    if (can_answer_now(meta))
        dfs_link_send(&peer->link, request, number, value);
    else
        answer_hold(meta, peer, request, number, value);
}

void meta_reply_retry(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, enum dfs_status status,
                      const char *words, dfs_duration_ns retry_after_ns)
{
    const struct dfs_m_status answer = {.status = (uint8_t)status,
                                        .retry_after_ns = retry_after_ns,
                                        .words = dfs_text_of(words != NULL ? words : dfs_status_words(status))};

    meta_reply(meta, peer, request, DFS_MSG_STATUS, &answer);
}

void meta_reply_status(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, enum dfs_status status,
                       const char *words)
{
    meta_reply_retry(meta, peer, request, status, words, status == DFS_UNAVAILABLE ? RETRY_SOON_NS : 0);
}

static struct dfs_text text_keep(struct dfs_text text, uint8_t *at)
{
    if (text.count > 0)
        memcpy(at, text.at, text.count);
    at[text.count] = 0;
    return (struct dfs_text){.at = (const char *)at, .count = text.count};
}

/* Done at once it sees the same as later: texts of its own that end in a 0. */
static void after_now(struct dfs_meta *meta, meta_after_fn fn, const struct meta_after *after)
{
    uint8_t texts[2 * (DFS_PATH_BYTES_MAX + 1)];
    struct meta_after done = *after;

    DFS_ASSERT(after->text.count <= DFS_PATH_BYTES_MAX && after->text2.count <= DFS_PATH_BYTES_MAX);
    done.text = text_keep(after->text, texts);
    done.text2 = text_keep(after->text2, texts + after->text.count + 1);
    meta->nodes_stirred = true;
    fn(meta, &done);
}

void meta_after_sync(struct dfs_meta *meta, meta_after_fn fn, const struct meta_after *after)
{
    struct meta_answer *answer;

    if (can_answer_now(meta)) {
        after_now(meta, fn, after);
        return;
    }
    answer = answer_new(meta, (size_t)after->text.count + after->text2.count + 2);
    answer->fn = fn;
    answer->after = *after;
    answer->after.text = text_keep(after->text, answer->frame);
    answer->after.text2 = text_keep(after->text2, answer->frame + after->text.count + 1);
}

static void answer_send(struct dfs_meta *meta, const struct meta_answer *answer, bool failed)
{
    struct meta_peer *peer = meta_peer_find(meta, answer->peer);

    if (peer == NULL)
        return;
    peer->answers_waiting--;
    if (failed)
        dfs_link_send_status(&peer->link, answer->request, DFS_UNAVAILABLE, "the journal has failed");
    else
        meta->env.net->send(meta->env.ctx, peer->link.conn, answer->frame, answer->bytes, NULL, 0, 0);
    meta_peer_tap(meta, peer);
}

void meta_answers_release(struct dfs_meta *meta)
{
    struct dfs_list *first;

    while ((first = dfs_list_first(&meta->answers)) != NULL &&
           dfs_container_of(first, struct meta_answer, link)->batch <= meta->journal.synced) {
        struct meta_answer *answer = answer_pop(meta);

        if (answer->fn != NULL) {
            meta->nodes_stirred = true;
            answer->fn(meta, &answer->after);
        } else {
            answer_send(meta, answer, false);
        }
        dfs_free(answer);
    }
}

void meta_answers_fail(struct dfs_meta *meta)
{
    struct meta_answer *answer;

    while ((answer = answer_pop(meta)) != NULL) {
        if (answer->fn == NULL)
            answer_send(meta, answer, true);
        dfs_free(answer);
    }
}

/* Phases of a peer --------------------------------------------------------------------------------------- */

static const char *const phase_names[META_PEER_PHASE_COUNT] = {
#define X(name) #name,
    META_PEER_PHASE_MAP(X)
#undef X
};

#define TO(phase) (1u << META_PEER_##phase)
static const uint32_t phase_edges[META_PEER_PHASE_COUNT] = {
    [META_PEER_STRANGER] = TO(CHECKING) | TO(KNOWN) | TO(CLOSED),
    [META_PEER_CHECKING] = TO(STRANGER) | TO(KNOWN) | TO(CLOSED),
    [META_PEER_KNOWN] = TO(STRANGER) | TO(CHECKING) | TO(CLOSED),
};
static const struct dfs_path paths[] = {
    {META_PEER_STRANGER, "hello", TO(KNOWN) | TO(CHECKING) | TO(STRANGER)},
    {META_PEER_STRANGER, "closed stranger slow unexpected frame_bad", TO(CLOSED)},
    {META_PEER_STRANGER, "put_open get_open stat list remove move", TO(STRANGER)},
    {META_PEER_CHECKING, "keys", TO(KNOWN) | TO(STRANGER)},
    {META_PEER_CHECKING, "closed idle", TO(CLOSED)},
    {META_PEER_KNOWN, "hello", TO(KNOWN) | TO(CHECKING) | TO(STRANGER)},
    {META_PEER_KNOWN, "token_expired", TO(STRANGER)},
    {META_PEER_KNOWN, "closed stranger slow idle timeout unexpected frame_bad replaced", TO(CLOSED)},
    {META_PEER_KNOWN, "block_events", TO(CLOSED) | TO(KNOWN)},
    {META_PEER_KNOWN, "keys", TO(CLOSED)},
    {META_PEER_KNOWN, "status", TO(CLOSED) | TO(KNOWN)},
    {META_PEER_KNOWN,
     "put_open put_place put_commit put_abort get_open block_bad stat list move remove restore "
     "versions fsck explain nodes drain health join resume inventory inventory_end copy_done "
     "remove_done verify_done leave",
     TO(KNOWN)},
};
#undef TO
const struct dfs_gate meta_peer_gate = {
    "meta_peer", phase_names, phase_edges, META_PEER_PHASE_COUNT, "metadata's connection", DFS_GATE_PATHS(paths)};

void meta_peer_enter(struct dfs_meta *meta, struct meta_peer *peer, enum meta_peer_phase phase, const char *why)
{
    if (peer->phase == phase)
        return;
    DFS_GATE(&meta->env, &meta_peer_gate, peer->phase, phase, why);
    meta_peer_tap(meta, peer);
}

void meta_peer_tap(const struct dfs_meta *meta, struct meta_peer *peer)
{
    if (peer->phase == META_PEER_CLOSED)
        return;
    if (peer->phase == META_PEER_CHECKING || peer->answers_waiting >= meta->config.bounds.answers_per_peer)
        dfs_link_pause(&peer->link);
    else
        dfs_link_unpause(&peer->link);
}

/* Slots -------------------------------------------------------------------------------------------------- */

void meta_peers_init(struct dfs_meta *meta)
{
    dfs_list_init(&meta->peers);
    dfs_list_init(&meta->peers_closed);
    dfs_links_init(&meta->links);
    dfs_heap_init(&meta->timers);
}

/* Slots are few more than connections; the first free one is found by walking, once a connection. */
static uint32_t slot_take(struct dfs_meta *meta, struct meta_peer *peer)
{
    uint32_t slot = 0;

    while (slot < meta->peer_slots_room && meta->peer_slots[slot] != NULL)
        slot++;
    if (slot == meta->peer_slots_room) {
        const uint32_t room = meta->peer_slots_room == 0 ? 16 : meta->peer_slots_room * 2;

        meta->peer_slots = dfs_realloc_array(meta->peer_slots, room, sizeof(struct meta_peer *));
        meta->peer_generations = dfs_realloc_array(meta->peer_generations, room, sizeof *meta->peer_generations);
        for (uint32_t i = meta->peer_slots_room; i < room; i++) {
            meta->peer_slots[i] = NULL;
            meta->peer_generations[i] = 0;
        }
        meta->peer_slots_room = room;
    }
    meta->peer_slots[slot] = peer;
    peer->generation = ++meta->peer_generations[slot]; /* from 1: no name is 0 */
    return slot;
}

struct meta_peer *meta_peer_find(const struct dfs_meta *meta, meta_peer_name name)
{
    const uint32_t slot = (uint32_t)name;
    struct meta_peer *peer = slot < meta->peer_slots_room ? meta->peer_slots[slot] : NULL;

    return peer != NULL && peer->generation == (uint32_t)(name >> 32) ? peer : NULL;
}

static struct meta_peer *peer_new(struct dfs_meta *meta, enum meta_peer_kind kind)
{
    struct meta_peer *peer = dfs_alloc_zero(sizeof *peer);

    peer->kind = kind;
    peer->phase = kind == META_PEER_CLIENT ? META_PEER_STRANGER : META_PEER_KNOWN;
    peer->node = META_NODE_NONE;
    peer->heard_at = meta->fair;
    dfs_heap_item_init(&peer->timer);
    peer->slot = slot_take(meta, peer);
    dfs_list_init(&peer->all);
    dfs_list_push(&meta->peers, &peer->all);
    meta->clients_count += kind == META_PEER_CLIENT;
    meta->datas_count += kind == META_PEER_DATA;
    return peer;
}

static void peer_free(struct meta_peer *peer)
{
    dfs_wipe(&peer->claims, sizeof peer->claims);
    dfs_free(peer->hello_token);
    dfs_free(peer);
}

void meta_peers_sweep(struct dfs_meta *meta)
{
    struct dfs_list *at;

    while ((at = dfs_list_pop(&meta->peers_closed)) != NULL) {
        struct meta_peer *peer = dfs_container_of(at, struct meta_peer, all);

        peer_free(peer);
    }
}

/* The connection is over; the transport may know already. */
static void peer_end(struct dfs_meta *meta, struct meta_peer *peer, bool gone, const char *why)
{
    if (peer->phase == META_PEER_CLOSED)
        return;
    meta_peer_enter(meta, peer, META_PEER_CLOSED, why);
    meta->nodes_stirred = true;
    if (gone)
        dfs_link_closed(&peer->link);
    else
        dfs_link_close(&peer->link);
    dfs_heap_remove(&meta->timers, &peer->timer);
    dfs_list_remove(&peer->all);
    dfs_list_push(&meta->peers_closed, &peer->all);
    meta->peer_slots[peer->slot] = NULL;
    switch (peer->kind) {
    case META_PEER_CLIENT:
        meta->clients_count--;
        return;
    case META_PEER_DATA:
        meta->datas_count--;
        meta_nodes_peer_closed(meta, peer);
        return;
    case META_PEER_AUTH:
        meta->auth = NULL;
        meta_keys_closed(meta);
        return;
    }
    dfs_unreachable("peer_end");
}

void meta_peer_close(struct dfs_meta *meta, struct meta_peer *peer, enum dfs_status status, const char *why)
{
    if (status == DFS_BAD_REQUEST)
        meta->counters.messages_bad++;
    if (status == DFS_TIMEOUT)
        meta->counters.conns_timed_out++;
    peer_end(meta, peer, false, why);
}

void meta_peers_close(struct dfs_meta *meta)
{
    struct dfs_list *at;
    struct meta_answer *answer;

    while ((answer = answer_pop(meta)) != NULL)
        dfs_free(answer);
    meta_peers_sweep(meta);
    dfs_heap_close(&meta->timers);
    while ((at = dfs_list_pop(&meta->peers)) != NULL) {
        struct meta_peer *peer = dfs_container_of(at, struct meta_peer, all);

        /* The machine goes, not the connection: no verb of the env any more. */
        dfs_link_closed(&peer->link);
        peer_free(peer);
    }
    dfs_links_close(&meta->links);
    dfs_free(meta->peer_slots);
    dfs_free(meta->peer_generations);
}

/* Coming ------------------------------------------------------------------------------------------------- */

static bool kind_of(const struct dfs_peer *peer, enum meta_peer_kind *ret_kind)
{
    switch (peer->kind) {
    case DFS_PEER_NONE:
    case DFS_PEER_CLIENT:
        *ret_kind = META_PEER_CLIENT;
        return true;
    case DFS_PEER_NODE:
        *ret_kind = META_PEER_DATA;
        return peer->role == DFS_ROLE_DATA; /* auth and other metadata have nothing to ask */
    }
    return false;
}

static bool has_room(const struct dfs_meta *meta, enum meta_peer_kind kind)
{
    const uint32_t kept = meta->config.conns_max / META_CONNS_FOR_NODES_PART;

    if (meta->clients_count + meta->datas_count >= meta->config.conns_max)
        return false;
    return kind != META_PEER_CLIENT || meta->clients_count < meta->config.conns_max - kept;
}

void meta_peers_accept(struct dfs_meta *meta, const struct dfs_event *event)
{
    enum meta_peer_kind kind;
    struct meta_peer *peer;

    if (!kind_of(event->net.peer, &kind) || !has_room(meta, kind)) {
        meta->counters.conns_refused++;
        meta->env.net->close(meta->env.ctx, event->net.conn);
        return;
    }
    peer = peer_new(meta, kind);
    peer->order = event->net.order;
    dfs_link_open(&peer->link, &meta->env, NULL, &meta->links, event->net.conn, event->net.peer, peer);
    dfs_heap_set(&meta->timers, &peer->timer, dfs_time_add(meta->fair, meta->config.request_timeout_ns));
}

struct meta_peer *meta_peer_connect(struct dfs_meta *meta, const struct dfs_addr *to, enum dfs_role role,
                                    enum meta_peer_kind kind, dfs_duration_ns timeout_ns)
{
    struct meta_peer *peer = peer_new(meta, kind);

    dfs_link_connect(&peer->link, &meta->env, NULL, &meta->links, to, role, NULL, peer);
    dfs_heap_set(&meta->timers, &peer->timer, dfs_time_add(meta->fair, timeout_ns));
    return peer;
}

/* Time --------------------------------------------------------------------------------------------------- */

/* Why this peer has to go, or NULL. The timer looks once every request time-out. */
static const char *peer_overdue(const struct dfs_meta *meta, const struct meta_peer *peer, bool halfway)
{
    const dfs_duration_ns silence = meta->fair - peer->heard_at;

    if (peer->halfway && halfway && silence >= meta->config.request_timeout_ns)
        return "slow"; /* half a message, twice, and none between */
    switch (peer->kind) {
    case META_PEER_CLIENT:
        if (peer->phase == META_PEER_STRANGER)
            return "stranger";
        return silence >= META_IDLE_TIMEOUTS * meta->config.request_timeout_ns ? "idle" : NULL;
    case META_PEER_DATA:
        return peer->node == META_NODE_NONE ? "stranger" : NULL; /* heartbeats judge a member */
    case META_PEER_AUTH:
        return "timeout";
    }
    return NULL;
}

dfs_time_ns meta_peers_timers(struct dfs_meta *meta)
{
    struct dfs_heap_item *item;

    while ((item = dfs_heap_pop(&meta->timers, meta->fair)) != NULL) {
        struct meta_peer *peer = dfs_container_of(item, struct meta_peer, timer);
        const bool halfway = peer->link.header_count > 0 && !peer->link.complete;
        const char *why = peer_overdue(meta, peer, halfway);

        if (why != NULL) {
            meta_peer_close(meta, peer, DFS_TIMEOUT, why);
            continue;
        }
        peer->halfway = halfway;
        dfs_heap_set(&meta->timers, &peer->timer, dfs_time_add(meta->fair, meta->config.request_timeout_ns));
    }
    return meta_mono(meta, dfs_heap_next(&meta->timers));
}

/* Messages ----------------------------------------------------------------------------------------------- */

struct handler {
    void (*call)(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const void *body);
    uint32_t from;
};

#define X(NAME, name, from) \
    static void call_##name(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const void *body) \
    { \
        meta_on_##name(meta, peer, request, body); \
    }
META_HANDLER_MAP(X)
#undef X

static const struct handler handlers[DFS_MSG_NUMBER_MAX + 1] = {
#define X(NAME, name, from_) [DFS_MSG_##NAME] = {call_##name, (from_)},
    META_HANDLER_MAP(X)
#undef X
};

static uint32_t from_of(enum meta_peer_kind kind)
{
    switch (kind) {
    case META_PEER_CLIENT:
        return META_FROM_CLIENT;
    case META_PEER_DATA:
        return META_FROM_DATA;
    case META_PEER_AUTH:
        return META_FROM_AUTH;
    }
    return 0;
}

static const char *why_unavailable(const struct dfs_meta *meta)
{
    switch (meta->phase) {
    case META_IDLE:
    case META_BOOTING:
    case META_OPENING:
        return "metadata is starting";
    case META_STOPPING:
    case META_STOPPED:
        return "metadata is stopping";
    case META_FAILED:
        return "metadata has failed and serves nothing";
    case META_SERVING:
    case META_PHASE_COUNT:
        break;
    }
    return NULL;
}

static void on_message(struct dfs_meta *meta, struct meta_peer *peer, const struct dfs_incoming *in)
{
    const struct handler *handler = &handlers[in->number];
    const bool always = in->number == DFS_MSG_HELLO || in->number == DFS_MSG_KEYS;

    meta->counters.messages++;
    peer->heard_at = meta->fair;
    if ((handler->from & META_QUIET) == 0)
        meta->nodes_stirred = true;
    if (in->number == DFS_MSG_STATUS && peer->kind != META_PEER_CLIENT) {
        if (peer->kind == META_PEER_AUTH)
            meta_peer_close(meta, peer, DFS_UNREACHABLE, "status");
        else if (meta_is_serving(meta))
            meta_on_status(meta, peer, in->request, in->body);
        return;
    }
    if (handler->call == NULL || (handler->from & from_of(peer->kind)) == 0) {
        meta_peer_close(meta, peer, DFS_BAD_REQUEST, "unexpected");
        return;
    }
    if (!meta_is_serving(meta) && !always) {
        dfs_link_send_status(&peer->link, in->request, DFS_UNAVAILABLE, why_unavailable(meta));
        return;
    }
    if (peer->phase == META_PEER_STRANGER && in->number != DFS_MSG_HELLO) {
        meta->counters.tokens_refused++;
        meta_reply_status(meta, peer, in->request, DFS_TOKEN_MISSING, NULL);
        return;
    }
    dfs_arena_reset(&meta->scratch);
    handler->call(meta, peer, in->request, in->body);
}

/* For who counts paths: the message was handled; which of the machines that it was for are where they were? */
static void on_message_watched(struct dfs_meta *meta, struct meta_peer *peer, const struct dfs_incoming *in)
{
    const char *event = dfs_cause_of_message(in->number);
    const enum meta_phase phase = meta->phase;
    const enum meta_peer_phase peer_phase = peer->phase;
    const struct meta_node *node =
        peer->kind == META_PEER_DATA && meta->nodes != NULL ? meta_node_by_id(meta, &peer->link.peer.node) : NULL;
    const enum dfs_node_state state = node != NULL ? node->state : DFS_NODE_STATE_COUNT;

    on_message(meta, peer, in);
    if (phase != META_SERVING && meta->phase == phase)
        DFS_GATE_STAY(&meta->env, &meta_phase_gate, phase, "request");
    if (phase != META_SERVING)
        return; /* it was put off */
    if (peer->phase == peer_phase)
        DFS_GATE_STAY(&meta->env, &meta_peer_gate, peer_phase, event);
    if (node != NULL && node->state == state && in->number != DFS_MSG_HELLO)
        DFS_GATE_STAY(&meta->env, &meta_member_gate, state, event);
}

static void on_recv(struct dfs_meta *meta, struct meta_peer *peer)
{
    struct dfs_incoming in;
    const enum dfs_status status = dfs_link_take(&peer->link, &in);

    if (status == DFS_UNAVAILABLE)
        return;
    if (status != DFS_OK) {
        meta_peer_close(meta, peer, DFS_BAD_REQUEST, "frame_bad");
        return;
    }
    if (meta->env.trace->stays)
        on_message_watched(meta, peer, &in);
    else
        on_message(meta, peer, &in);
}

void meta_peers_on_event(struct dfs_meta *meta, const struct dfs_event *event)
{
    struct meta_peer *peer = event->net.user;

    if (peer == NULL || peer->phase == META_PEER_CLOSED)
        return;
    switch (event->kind) {
    case DFS_EV_OPEN:
        dfs_link_opened(&peer->link, event->net.peer);
        return;
    case DFS_EV_RECV:
        on_recv(meta, peer);
        return;
    case DFS_EV_CLOSED:
        peer_end(meta, peer, true, "closed");
        return;
    case DFS_EV_START:
    case DFS_EV_TICK:
    case DFS_EV_ACCEPT:
    case DFS_EV_SENT:
    case DFS_EV_DATAGRAM:
    case DFS_EV_DISK:
    case DFS_EV_SOURCE:
    case DFS_EV_SINK:
    case DFS_EV_COMMAND:
    case DFS_EV_COUNT:
        break;
    }
    dfs_unreachable("meta_peers_on_event");
}

#include "core/wire/link.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/env/trace.h"

#include <string.h>

/* Most messages fit; larger ones (pages) take memory for the moment of sending. */
#define ENCODE_STACK_BYTES 2048

/* A body's first room: fits everything but pages. */
#define BODY_ROOM_FIRST_BYTES 512

/* The sink: called by the transport between steps; changes nothing but the link -------------------------------------- */

static void frame_complete(struct dfs_link *link)
{
    link->complete = true;
}

static void frame_bad(struct dfs_link *link, enum dfs_status status)
{
    link->bad = status;
    link->complete = true;
}

/* Takes a buffer for the bulk of the current frame; false: none now, the link waits for one. */
static bool bulk_granted(struct dfs_link *link)
{
    if (link->bulk != NULL)
        return true;
    link->bulk = dfs_buf_new(link->pool, link->frame.bulk_bytes);
    if (link->bulk != NULL)
        return true;
    dfs_buf_pool_wait(link->pool, &link->waiter);
    return false;
}

static size_t link_want(struct dfs_sink *sink, uint8_t **ret_at)
{
    struct dfs_link *link = dfs_container_of(sink, struct dfs_link, sink);

    if (link->complete)
        return 0;
    if (link->header_count < DFS_FRAME_HEADER_BYTES) {
        if (link->header_count == 0 && link->paused)
            return 0;
        *ret_at = link->header + link->header_count;
        return DFS_FRAME_HEADER_BYTES - link->header_count;
    }
    if (link->body_count < link->frame.body_bytes) {
        *ret_at = link->body.bytes + link->body_count;
        return link->frame.body_bytes - link->body_count;
    }
    if (!bulk_granted(link))
        return 0;
    *ret_at = link->bulk->bytes + link->bulk_count;
    return link->frame.bulk_bytes - link->bulk_count;
}

/* The machine's spare room, made large enough. */
static void body_take(struct dfs_link *link)
{
    struct dfs_link_body *body = &link->body;
    size_t room;

    if (body->bytes == NULL) {
        *body = link->links->spare;
        link->links->spare = (struct dfs_link_body){0};
    }
    if (link->frame.body_bytes <= body->room)
        return;
    room = body->room == 0 ? BODY_ROOM_FIRST_BYTES : body->room;
    while (room < link->frame.body_bytes)
        room *= 2;
    dfs_free(body->bytes); /* nothing is in it */
    *body = (struct dfs_link_body){.bytes = dfs_alloc(room), .room = room};
}

/* Of two, the larger one is the next spare. */
static void body_give(struct dfs_links *links, struct dfs_link_body *body)
{
    if (body->room > links->spare.room) {
        dfs_free(links->spare.bytes);
        links->spare = *body;
    } else {
        dfs_free(body->bytes);
    }
    *body = (struct dfs_link_body){0};
}

static void header_received(struct dfs_link *link)
{
    const enum dfs_status status = dfs_frame_decode(link->header, &link->frame);

    if (status != DFS_OK) {
        frame_bad(link, status);
        return;
    }
    if (link->frame.bulk_bytes > 0 && link->pool == NULL) {
        frame_bad(link, DFS_BAD_REQUEST);
        return;
    }
    if (link->frame.body_bytes > 0)
        body_take(link);
    if (link->frame.body_bytes == 0 && link->frame.bulk_bytes == 0)
        frame_complete(link);
}

static bool link_got(struct dfs_sink *sink, size_t count)
{
    struct dfs_link *link = dfs_container_of(sink, struct dfs_link, sink);

    if (link->header_count < DFS_FRAME_HEADER_BYTES) {
        DFS_ASSERT(count <= DFS_FRAME_HEADER_BYTES - link->header_count);
        link->header_count += count;
        if (link->header_count == DFS_FRAME_HEADER_BYTES)
            header_received(link);
        return link->complete;
    }
    if (link->body_count < link->frame.body_bytes) {
        DFS_ASSERT(count <= link->frame.body_bytes - link->body_count);
        link->body_count += count;
        if (link->body_count == link->frame.body_bytes && link->frame.bulk_bytes == 0)
            frame_complete(link);
        return link->complete;
    }
    DFS_ASSERT(link->bulk != NULL && count <= link->frame.bulk_bytes - link->bulk_count);
    link->bulk_count += count;
    if (link->bulk_count == link->frame.bulk_bytes)
        frame_complete(link);
    return link->complete;
}

/* Room ---------------------------------------------------------------------------------------------------------------- */

static void resume_later(struct dfs_link *link)
{
    if (!dfs_list_linked(&link->due))
        dfs_list_push(&link->links->due, &link->due);
}

static void room_came_back(struct dfs_buf_waiter *waiter)
{
    resume_later(dfs_container_of(waiter, struct dfs_link, waiter));
}

void dfs_links_init(struct dfs_links *links)
{
    *links = (struct dfs_links){.taken = {.bytes = NULL}};
    dfs_list_init(&links->due);
    dfs_arena_init(&links->arena, DFS_DECODE_BYTES_MAX);
}

void dfs_links_close(struct dfs_links *links)
{
    DFS_ASSERT(dfs_list_empty(&links->due));
    dfs_arena_close(&links->arena);
    dfs_free(links->taken.bytes);
    dfs_free(links->spare.bytes);
    *links = (struct dfs_links){.taken = {.bytes = NULL}};
}

void dfs_links_resume_due(struct dfs_links *links)
{
    struct dfs_list *at;

    while ((at = dfs_list_pop(&links->due)) != NULL) {
        struct dfs_link *link = dfs_container_of(at, struct dfs_link, due);

        if (link->conn != 0)
            link->env->net->resume(link->env->ctx, link->conn);
    }
}

void dfs_link_pause(struct dfs_link *link)
{
    link->paused = true;
}

void dfs_link_unpause(struct dfs_link *link)
{
    if (!link->paused)
        return;
    link->paused = false;
    if (link->conn != 0)
        resume_later(link);
}

/* Life ----------------------------------------------------------------------------------------------------------------- */

static void link_init(struct dfs_link *link, const struct dfs_env *env, struct dfs_buf_pool *pool,
                      struct dfs_links *links)
{
    memset(link, 0, sizeof *link);
    link->sink.want = link_want;
    link->sink.got = link_got;
    link->env = env;
    link->pool = pool;
    link->links = links;
    link->waiter.ready = room_came_back;
    dfs_list_init(&link->waiter.link);
    dfs_list_init(&link->due);
    link->request_next = 1;
}

void dfs_link_open(struct dfs_link *link, const struct dfs_env *env, struct dfs_buf_pool *pool, struct dfs_links *links,
                   dfs_conn conn, const struct dfs_peer *peer, void *user)
{
    link_init(link, env, pool, links);
    link->conn = conn;
    if (conn == 0)
        return;
    link->open = true;
    link->peer = *peer;
    env->net->attach(env->ctx, conn, &link->sink, user);
}

void dfs_link_connect(struct dfs_link *link, const struct dfs_env *env, struct dfs_buf_pool *pool,
                      struct dfs_links *links, const struct dfs_addr *to, enum dfs_role role, const struct dfs_id *node,
                      void *user)
{
    link_init(link, env, pool, links);
    link->conn = env->net->connect(env->ctx, to, role, node, user);
    DFS_ASSERT(link->conn != 0);
    env->net->attach(env->ctx, link->conn, &link->sink, user);
}

void dfs_link_opened(struct dfs_link *link, const struct dfs_peer *peer)
{
    link->open = true;
    link->peer = *peer;
}

void dfs_link_closed(struct dfs_link *link)
{
    if (link->env == NULL)
        return; /* zeroed, or closed before */
    link->conn = 0;
    link->open = false;
    dfs_buf_pool_unwait(&link->waiter);
    dfs_list_remove(&link->due);
    dfs_buf_unref(link->bulk);
    link->bulk = NULL;
    body_give(link->links, &link->body);
    link->env = NULL;
}

void dfs_link_close(struct dfs_link *link)
{
    if (link->env == NULL)
        return;
    if (link->conn != 0)
        link->env->net->close(link->env->ctx, link->conn);
    dfs_link_closed(link);
}

/* Send ----------------------------------------------------------------------------------------------------------------- */

uint32_t dfs_link_request(struct dfs_link *link)
{
    const uint32_t request = link->request_next++;

    if (link->request_next == 0)
        link->request_next = 1;
    return request;
}

/* Header and body into `room` bytes at `bytes`; 0 when they do not fit. */
static size_t encode_frame(uint8_t *bytes, size_t room, uint32_t request, uint32_t number, const void *value,
                           size_t bulk_bytes)
{
    const struct dfs_layout *layout = dfs_message_layout(number);
    struct dfs_wr w = dfs_wr_make(bytes + DFS_FRAME_HEADER_BYTES, room - DFS_FRAME_HEADER_BYTES);

    DFS_ASSERT(layout != NULL);
    dfs_encode(layout, value, &w);
    if (w.bad)
        return 0;
    const size_t body_bytes = dfs_wr_count(&w);
    const struct dfs_frame frame = {.body_bytes = (uint32_t)body_bytes,
                                    .bulk_bytes = (uint32_t)bulk_bytes,
                                    .type = (uint16_t)number,
                                    .request = request};

    DFS_ASSERT(body_bytes <= DFS_FRAME_BODY_BYTES_MAX);
    dfs_frame_encode(&frame, bytes);
    return DFS_FRAME_HEADER_BYTES + body_bytes;
}

void dfs_link_send_bulk(struct dfs_link *link, uint32_t request, uint32_t number, const void *value,
                        struct dfs_buf *bulk, size_t bulk_offset, size_t bulk_bytes)
{
    uint8_t small[ENCODE_STACK_BYTES];

    if (link->env == NULL || link->conn == 0)
        return;
    DFS_ASSERT(bulk_bytes <= DFS_FRAME_BULK_BYTES_MAX);
    size_t count = encode_frame(small, sizeof small, request, number, value, bulk_bytes);
    if (count > 0) {
        link->env->net->send(link->env->ctx, link->conn, small, count, bulk, bulk_offset, bulk_bytes);
        return;
    }
    const size_t room = DFS_FRAME_HEADER_BYTES + dfs_encoded_bytes(dfs_message_layout(number), value);
    uint8_t *large = dfs_alloc(room);

    count = encode_frame(large, room, request, number, value, bulk_bytes);
    DFS_ASSERT(count == room);
    link->env->net->send(link->env->ctx, link->conn, large, count, bulk, bulk_offset, bulk_bytes);
    dfs_free(large);
}

void dfs_link_send(struct dfs_link *link, uint32_t request, uint32_t number, const void *value)
{
    dfs_link_send_bulk(link, request, number, value, NULL, 0, 0);
}

void dfs_link_send_status(struct dfs_link *link, uint32_t request, enum dfs_status status, const char *words)
{
    struct dfs_m_status answer = {.status = (uint8_t)status,
                                  .words = dfs_text_of(words != NULL ? words : dfs_status_words(status))};

    if (answer.words.count > DFS_WORDS_BYTES_MAX)
        answer.words.count = DFS_WORDS_BYTES_MAX;
    dfs_link_send(link, request, DFS_MSG_STATUS, &answer);
}

/* Receive -------------------------------------------------------------------------------------------------------------- */

static enum dfs_status refuse(struct dfs_link *link, enum dfs_status status)
{
    const struct dfs_trace trace = {.kind = DFS_TRACE_FRAME_BAD,
                                    .status = status,
                                    .node = link->peer.node,
                                    .text = dfs_message_name(link->frame.type)};

    link->bad = status;
    dfs_trace_put(link->env, &trace);
    return status;
}

enum dfs_status dfs_link_take(struct dfs_link *link, struct dfs_incoming *ret_in)
{
    if (link->env == NULL || !link->complete)
        return DFS_UNAVAILABLE;
    if (link->bad != DFS_OK)
        return refuse(link, link->bad);

    const struct dfs_layout *layout = dfs_message_layout(link->frame.type);
    struct dfs_links *links = link->links;

    body_give(links, &links->taken);
    links->taken = link->body;
    link->body = (struct dfs_link_body){0};
    struct dfs_rd r = dfs_rd_make(links->taken.bytes, link->frame.body_bytes);

    dfs_arena_reset(&links->arena);
    const enum dfs_status status = dfs_decode(layout, &r, &links->arena, &links->in);
    if (status != DFS_OK)
        return refuse(link, status);
    if (link->bulk != NULL)
        link->bulk->count = link->bulk_count;
    *ret_in = (struct dfs_incoming){
        .number = link->frame.type, .request = link->frame.request, .body = &links->in, .bulk = link->bulk};
    link->bulk = NULL;
    link->bulk_count = 0;
    link->body_count = 0;
    link->header_count = 0;
    link->complete = false;
    return DFS_OK;
}

/* Datagrams ------------------------------------------------------------------------------------------------------------- */

size_t dfs_datagram_encode(uint32_t number, const void *value, struct dfs_mac *mac,
                           uint8_t ret_bytes[DFS_DATAGRAM_BYTES_MAX])
{
    const size_t count = encode_frame(ret_bytes, DFS_DATAGRAM_BYTES_MAX, 0, number, value, 0);

    DFS_ASSERT(count > DFS_FRAME_HEADER_BYTES + DFS_MAC_BYTES);
    if (mac != NULL)
        dfs_mac_make(mac, ret_bytes, count - DFS_MAC_BYTES, ret_bytes + count - DFS_MAC_BYTES);
    return count;
}

enum dfs_status dfs_datagram_decode(const uint8_t *bytes, size_t count, uint32_t *ret_number,
                                    union dfs_any_message *ret_value)
{
    struct dfs_frame frame;

    if (count < DFS_FRAME_HEADER_BYTES || dfs_frame_decode(bytes, &frame) != DFS_OK ||
        frame.body_bytes != count - DFS_FRAME_HEADER_BYTES)
        return DFS_BAD_REQUEST;
    if (frame.type != DFS_MSG_HEARTBEAT && frame.type != DFS_MSG_HEARTBEAT_ACK)
        return DFS_BAD_REQUEST;
    struct dfs_rd r = dfs_rd_make(bytes + DFS_FRAME_HEADER_BYTES, frame.body_bytes);

    *ret_number = frame.type;
    return dfs_decode(dfs_message_layout(frame.type), &r, NULL, ret_value);
}

bool dfs_datagram_check(const uint8_t *bytes, size_t count, struct dfs_mac *mac)
{
    return count > DFS_FRAME_HEADER_BYTES + DFS_MAC_BYTES &&
           dfs_mac_check(mac, bytes, count - DFS_MAC_BYTES, bytes + count - DFS_MAC_BYTES);
}

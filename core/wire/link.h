/*
 * link.h - one connection as a machine sees it: messages in and out, request ids, the buffers of both.
 *
 * The link is the connection's dfs_sink: it grants the transport sixteen bytes for the next header, then the body's room, then a buffer out of
 * the machine's pool for the bulk. When the pool is empty, or the machine has closed the tap (dfs_link_pause), it grants nothing and the
 * transport stops reading; room that comes back sets `resume_due`, and the machine calls dfs_links_resume_due at the end of its step.
 *
 *     EV_ACCEPT:  dfs_link_open(link, env, pool, event.net.conn, ...)   and net.attach inside
 *     EV_RECV:    status = dfs_link_take(link, &in);  then the handler of in.number
 *     EV_CLOSED:  dfs_link_close(link)
 */
#ifndef DFS_CORE_WIRE_LINK_H
#define DFS_CORE_WIRE_LINK_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/mac.h"
#include "core/env/env.h"
#include "core/wire/frame.h"
#include "core/wire/message.h"

/* Room for the body of a frame. */
struct dfs_link_body {
    uint8_t *bytes;
    size_t room; /* grows to the largest body seen, at most DFS_FRAME_BODY_BYTES_MAX */
};

/*
 * What the links of one machine share. A machine handles one message at a time, so the memory of a message in hand is the machine's: a connection that
 * is silent, as most of a large cluster's are, holds none.
 */
struct dfs_links {
    struct dfs_list due;        /* links whose resume is due */
    union dfs_any_message in;   /* the message taken last */
    struct dfs_arena arena;     /* its lists */
    struct dfs_link_body taken; /* its bytes, in which its texts lie */
    struct dfs_link_body spare; /* for the next body */
};

/* What every frame touches stands in front. */
struct dfs_link {
    struct dfs_sink sink; /* first: what the transport holds */
    const struct dfs_env *env;
    struct dfs_buf_pool *pool; /* NULL: a link that takes no bulk (a frame with bulk is BAD_REQUEST) */
    struct dfs_links *links;
    dfs_conn conn; /* 0: closed */
    bool open;     /* accepted, or EV_OPEN came */
    bool paused;
    bool complete;       /* a frame lies ready for dfs_link_take */
    enum dfs_status bad; /* not OK: the peer sent what no frame is; dfs_link_take says so */
    uint32_t request_next;

    uint8_t header[DFS_FRAME_HEADER_BYTES];
    size_t header_count;
    struct dfs_frame frame;
    struct dfs_link_body body; /* of the frame that comes in; no bytes between frames */
    size_t body_count;
    struct dfs_buf *bulk;
    size_t bulk_count;

    struct dfs_peer peer;
    struct dfs_buf_waiter waiter;
    struct dfs_list due; /* in links->due */
};

/* A received message. `body` (const struct dfs_m_NAME *) and what it points to live until the end of the step, or
 * the next dfs_link_take of any link of the machine in it.
 * `bulk` (count set) belongs to the caller, who drops the reference. */
struct dfs_incoming {
    uint32_t number;
    uint32_t request;
    const void *body;
    struct dfs_buf *bulk;
};

void dfs_links_init(struct dfs_links *links);
void dfs_links_close(struct dfs_links *links); /* after the last link */

/* Takes an accepted connection (peer from EV_ACCEPT) or, with conn 0, leaves the link closed for dfs_link_connect. Attaches with `user`. */
void dfs_link_open(struct dfs_link *link, const struct dfs_env *env, struct dfs_buf_pool *pool, struct dfs_links *links,
                   dfs_conn conn, const struct dfs_peer *peer, void *user);

/* Starts an outgoing connection; EV_OPEN or EV_CLOSED follows with `user`. Sends may be queued at once. */
void dfs_link_connect(struct dfs_link *link, const struct dfs_env *env, struct dfs_buf_pool *pool,
                      struct dfs_links *links, const struct dfs_addr *to, enum dfs_role role, const struct dfs_id *node,
                      void *user);

/* On EV_OPEN: notes the peer. */
void dfs_link_opened(struct dfs_link *link, const struct dfs_peer *peer);

/* Closes the connection if it is open (net.close), drops buffers and memory. Harmless on a closed or zeroed link. */
void dfs_link_close(struct dfs_link *link);

/* On EV_CLOSED: as dfs_link_close, the transport is gone already. */
void dfs_link_closed(struct dfs_link *link);

/* A new request id for this link (never 0). */
uint32_t dfs_link_request(struct dfs_link *link);

/* Encodes and enqueues. `value` is the struct of message `number`. With bulk: `bulk_bytes` of `bulk` from `bulk_offset`, EV_SENT follows. Nothing happens
 * on a closed link: EV_CLOSED has told or will tell. */
void dfs_link_send(struct dfs_link *link, uint32_t request, uint32_t number, const void *value);
void dfs_link_send_bulk(struct dfs_link *link, uint32_t request, uint32_t number, const void *value,
                        struct dfs_buf *bulk, size_t bulk_offset, size_t bulk_bytes);

/* Short form of the general answer. `words` may be NULL: the status's own. */
void dfs_link_send_status(struct dfs_link *link, uint32_t request, enum dfs_status status, const char *words);

/*
 * The complete frame, decoded; reading goes on after it.
 *
 * OK            *ret_in is filled.
 * UNAVAILABLE   nothing is complete (a transport may say EV_RECV too often).
 * BAD_REQUEST, TOO_LARGE   the peer sent what no message is: the caller counts it and closes the link. Already traced (FRAME_BAD).
 */
enum dfs_status dfs_link_take(struct dfs_link *link, struct dfs_incoming *ret_in) DFS_MUST_CHECK;

/* The tap: while paused no further frame is granted (a complete one still can be taken). */
void dfs_link_pause(struct dfs_link *link);
void dfs_link_unpause(struct dfs_link *link);

/* At the end of a machine's step: resumes all links for which room came back. */
void dfs_links_resume_due(struct dfs_links *links);

/* Datagrams: header + message; with `mac` not NULL the last field must be FIXED(mac, 16) and is filled with the tag over all bytes before it. Returns the
 * length. */
size_t dfs_datagram_encode(uint32_t number, const void *value, struct dfs_mac *mac,
                           uint8_t ret_bytes[DFS_DATAGRAM_BYTES_MAX]);

/* Decodes header and message of a datagram (messages without lists only); the tag is checked separately by dfs_datagram_check, once the key is known
 * from the message's ids. */
enum dfs_status dfs_datagram_decode(const uint8_t *bytes, size_t count, uint32_t *ret_number,
                                    union dfs_any_message *ret_value) DFS_MUST_CHECK;
bool dfs_datagram_check(const uint8_t *bytes, size_t count, struct dfs_mac *mac);

#endif

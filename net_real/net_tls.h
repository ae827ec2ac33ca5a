/*
 * net_tls.h - TLS 1.3 over a non-blocking socket, and who the other end is.
 *
 * Identity: a certificate of the cluster's CA with exactly one name of the form
 *
 *     URI:urn:dfs:CLUSTER-UUID:ROLE:NODE-UUID           ROLE is auth, meta or data
 *
 * in its subjectAltName makes its holder that NODE. Any other certificate, self-signed included, makes a CLIENT known by its
 * fingerprint; servers ask for a certificate and accept every one, since it is the token that is bound to it.
 *
 * Sessions are resumed by tickets. A ticket carries the peer's certificate and the outcome of its check, so a resumed stream has the
 * same identity; the dates are checked again. Reloading certificates makes a new ticket key, which voids what was said before.
 *
 * Nothing of ours copies bulk bytes: full records go to the kernel from where TLS made them, on a corked socket, so that segments are full although each
 * record is a send() of its own. Small records are collected and leave with the next full one or with dfs_tls_flush; of a full record that the kernel takes
 * in part, the rest is kept with them.
 */
#ifndef DFS_NET_REAL_NET_TLS_H
#define DFS_NET_REAL_NET_TLS_H

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/env/env.h"

#include <openssl/ssl.h>

struct dfs_tls_pem {
    const char *text;
    const char *path;
};

struct dfs_tls_config {
    enum dfs_role role;
    struct dfs_id cluster; /* zero: not checked */
    struct dfs_id node;
    bool serves; /* accepts streams: needs a certificate of the CA that names role and node */
    struct dfs_tls_pem certificate;
    struct dfs_tls_pem key;
    struct dfs_tls_pem ca;
};

/* The contexts of one host. */
struct dfs_tls {
    enum dfs_role role;
    struct dfs_id cluster;
    struct dfs_id node;
    bool serves;
    BIO_METHOD *wire;
    SSL_CTX *server; /* NULL when it does not serve */
    SSL_CTX *client;
    struct dfs_map sessions;
    struct dfs_list sessions_by_age;
    uint8_t *spare; /* an output buffer without a stream */
};

/* What a session is remembered by. Bytes only: a map key has no padding. */
struct dfs_tls_key {
    uint8_t ip[16];
    uint8_t port[2];
    uint8_t role;
    uint8_t node[DFS_ID_BYTES];
};

struct dfs_tls_stream {
    struct dfs_tls *tls;
    SSL *ssl;
    int fd;
    bool server;
    bool resumed;
    bool drained;          /* the last recv() took all there was: no second look before the next poll */
    bool full;             /* the kernel took less than it was given: nothing more before a flush */
    bool corked;           /* the kernel may hold back the end of what it has */
    bool ended;            /* end of the TCP stream was seen */
    int error;             /* errno of the socket, 0: none */
    int awaited;           /* bytes for which the socket gets readable */
    uint64_t records_left; /* until the next key */
    uint8_t *out;          /* encrypted bytes [out_at, out_count) that the kernel gets next; NULL when empty */
    size_t out_at;
    size_t out_count;
    struct dfs_tls_key key; /* of a client's */
};

enum dfs_tls_result {
    DFS_TLS_DONE,
    DFS_TLS_AGAIN, /* when the socket is ready again: to read for handshake and read, to write for flush */
    DFS_TLS_ENDED, /* the peer ended the stream in order */
    DFS_TLS_BROKEN
};

/* BAD_CONFIG with a sentence, or OK. */
enum dfs_status dfs_tls_init(struct dfs_tls *tls, const struct dfs_tls_config *config,
                             char ret_words[DFS_WORDS_BYTES_MAX]) DFS_MUST_CHECK;

/* BAD_CONFIG leaves everything as it was. */
enum dfs_status dfs_tls_reload(struct dfs_tls *tls, const struct dfs_tls_config *config,
                               char ret_words[DFS_WORDS_BYTES_MAX]) DFS_MUST_CHECK;

/* After the last stream. Harmless on a zeroed one. */
void dfs_tls_close(struct dfs_tls *tls);

/* The server's side of a stream. */
void dfs_tls_accept(struct dfs_tls_stream *stream, struct dfs_tls *tls, int fd);

/* The client's side, resuming an earlier session with the same end if there was one. */
void dfs_tls_connect(struct dfs_tls_stream *stream, struct dfs_tls *tls, int fd, const struct dfs_addr *to,
                     enum dfs_role role, const struct dfs_id *node);

/* Releases; the descriptor stays open. Harmless on a zeroed one. */
void dfs_tls_stream_close(struct dfs_tls_stream *stream);

enum dfs_tls_result dfs_tls_handshake(struct dfs_tls_stream *stream);

/*
 * After the handshake. On a server: any peer is fine. On a client the server must have proved to be `role` (and `node` unless NULL):
 *
 * DFS_OK             *ret_peer is set
 * DFS_WRONG_CLUSTER  a certificate of another CA or with another cluster's id
 * DFS_UNREACHABLE    another role or node of this cluster, or a certificate out of its dates
 */
enum dfs_status dfs_tls_identify(struct dfs_tls_stream *stream, enum dfs_role role, const struct dfs_id *node,
                                 struct dfs_peer *ret_peer) DFS_MUST_CHECK;

/* Why a client's handshake broke: WRONG_CLUSTER, or UNREACHABLE for everything else. */
enum dfs_status dfs_tls_failure(const struct dfs_tls_stream *stream);

enum dfs_tls_result dfs_tls_read(struct dfs_tls_stream *stream, uint8_t *bytes, size_t count, size_t *ret_count);

/* After a read that said AGAIN: the peer has announced `rest` more bytes. The socket gets readable when a good part of them is there, not at each
 * segment. */
void dfs_tls_await(struct dfs_tls_stream *stream, size_t rest);

/* Bytes of plain text that can be written before a flush, up to one record. */
size_t dfs_tls_room(const struct dfs_tls_stream *stream);

/* All of 1 .. dfs_tls_room bytes. DONE or BROKEN. */
enum dfs_tls_result dfs_tls_write(struct dfs_tls_stream *stream, const uint8_t *bytes, size_t count);

/* Puts the close-notify behind what was written. */
void dfs_tls_finish(struct dfs_tls_stream *stream);

/* Gives encrypted bytes to the kernel: DONE when it has all. */
enum dfs_tls_result dfs_tls_flush(struct dfs_tls_stream *stream);

static inline bool dfs_tls_has_output(const struct dfs_tls_stream *stream)
{
    return stream->out_at < stream->out_count;
}

#endif

#include "net_real/net_tls.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Header, content type and tag of a record, rounded up: RFC 8446, 5.2. */
#define RECORD_OVERHEAD 256
#define RECORD_BYTES_MAX 16384

/* AES-128 first: 3.5 GiB/s of a core against 3.2 and 2.5 for the others. */
#define CIPHERS "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256"
#define URI_PREFIX "urn:dfs:"

static enum dfs_status refuse(char ret_words[DFS_WORDS_BYTES_MAX], const char *what, const char *why)
{
    (void)snprintf(ret_words, DFS_WORDS_BYTES_MAX, "%.180s: %.60s", what, why);
    ERR_clear_error();
    return DFS_BAD_CONFIG;
}

/* The wire: a BIO over the socket ----------------------------------------------------------------------------------- */

static struct dfs_tls_stream *stream_of(BIO *bio)
{
    return BIO_get_data(bio);
}

static int wire_read(BIO *bio, char *bytes, int count)
{
    struct dfs_tls_stream *stream = stream_of(bio);
    ssize_t got;

    BIO_clear_retry_flags(bio);
    if (stream->drained) {
        BIO_set_retry_read(bio);
        return -1;
    }
    do
        got = recv(stream->fd, bytes, (size_t)count, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        stream->drained = true;
        BIO_set_retry_read(bio);
        return -1;
    }
    if (got < 0)
        stream->error = errno;
    else if (got == 0)
        stream->ended = true;
    else if (got < count)
        stream->drained = true;
    return (int)got;
}

/* Output that is all with the kernel gives its buffer back: only streams that are stalled hold one. */
static void release_out(struct dfs_tls_stream *stream)
{
    if (stream->out != NULL && stream->tls->spare == NULL)
        stream->tls->spare = stream->out;
    else
        dfs_free(stream->out);
    stream->out = NULL;
    stream->out_at = 0;
    stream->out_count = 0;
}

/* Small records, and what the kernel does not take of a full one, wait for the next full one or for dfs_tls_flush. */
static bool keep_output(struct dfs_tls_stream *stream, const char *bytes, size_t count)
{
    if (stream->out == NULL) {
        stream->out = stream->tls->spare != NULL ? stream->tls->spare : dfs_alloc(DFS_REAL_OUT_BYTES);
        stream->tls->spare = NULL;
    }
    if (count > DFS_REAL_OUT_BYTES - stream->out_count)
        return false;
    memcpy(stream->out + stream->out_count, bytes, count);
    stream->out_count += count;
    return true;
}

/* A corked socket sends full segments only, each of several records; uncorking it sends the rest. */
static void cork(struct dfs_tls_stream *stream, bool on)
{
    const int value = on;

    if (stream->corked != on)
        (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
    stream->corked = on;
}

/* The bytes that the kernel took: of those that are kept, then of these. -1: the stream is broken. */
static ssize_t send_all(struct dfs_tls_stream *stream, char *bytes, size_t count)
{
    const size_t kept = stream->out_count - stream->out_at;
    struct iovec parts[2] = {{kept > 0 ? stream->out + stream->out_at : NULL, kept}, {bytes, count}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;

    do
        sent = kept > 0 ? sendmsg(stream->fd, &message, MSG_NOSIGNAL) : send(stream->fd, bytes, count, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        sent = 0;
    if (sent < 0)
        stream->error = errno;
    stream->full = sent >= 0 && (size_t)sent < kept + count;
    return sent;
}

/* How many of these bytes, which follow those that are kept, the kernel did not take. -1: the stream is broken. */
static int send_record(struct dfs_tls_stream *stream, char *bytes, int count)
{
    const size_t kept = stream->out_count - stream->out_at;
    ssize_t sent;

    cork(stream, true);
    sent = send_all(stream, bytes, (size_t)count);
    if (sent < 0)
        return -1;
    if ((size_t)sent < kept) {
        stream->out_at += (size_t)sent;
        return count;
    }
    release_out(stream);
    return count - (int)((size_t)sent - kept);
}

static int wire_write(BIO *bio, const char *bytes, int count)
{
    struct dfs_tls_stream *stream = stream_of(bio);
    int left = count;

    BIO_clear_retry_flags(bio);
    if (count >= RECORD_BYTES_MAX && !stream->full)
        left = send_record(stream, (char *)(uintptr_t)bytes, count);
    if (left < 0)
        return -1;
    if (left > 0 && !keep_output(stream, bytes + count - left, (size_t)left)) {
        BIO_set_retry_write(bio);
        return -1;
    }
    return count;
}

static long wire_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_FLUSH)
        return 1; /* dfs_tls_flush does it */
    if (command == BIO_CTRL_EOF)
        return stream_of(bio)->ended;
    return 0;
}

static BIO_METHOD *make_wire(void)
{
    BIO_METHOD *wire = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "dfs wire");

    DFS_ASSERT(wire != NULL);
    BIO_meth_set_read(wire, wire_read);
    BIO_meth_set_write(wire, wire_write);
    BIO_meth_set_ctrl(wire, wire_control);
    return wire;
}

enum dfs_tls_result dfs_tls_flush(struct dfs_tls_stream *stream)
{
    while (dfs_tls_has_output(stream)) {
        const ssize_t sent =
            send(stream->fd, stream->out + stream->out_at, stream->out_count - stream->out_at, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return DFS_TLS_AGAIN;
        if (sent < 0) {
            stream->error = errno;
            return DFS_TLS_BROKEN;
        }
        stream->out_at += (size_t)sent;
    }
    cork(stream, false);
    stream->full = false;
    release_out(stream);
    return DFS_TLS_DONE;
}

/* Certificates ------------------------------------------------------------------------------------------------------ */

/* Never asks on a terminal: a daemon's key has no pass phrase. */
static int no_pass_phrase(char *bytes, int size, int writing, void *ctx)
{
    (void)writing;
    (void)ctx;
    if (size > 0)
        bytes[0] = '\0';
    return -1;
}

/* The whole text, to be freed; NULL when neither text nor a readable file of sane size is there. */
static char *load_text(const struct dfs_tls_pem *pem)
{
    char *text;
    size_t count;
    FILE *file;

    if (pem->text != NULL) {
        count = strlen(pem->text);
        text = dfs_alloc(count + 1);
        memcpy(text, pem->text, count + 1);
        return text;
    }
    file = pem->path == NULL ? NULL : fopen(pem->path, "re");
    if (file == NULL)
        return NULL;
    text = dfs_alloc(DFS_TLS_FILE_BYTES_MAX);
    count = fread(text, 1, DFS_TLS_FILE_BYTES_MAX - 1, file);
    (void)fclose(file);
    text[count] = '\0';
    return text;
}

static void free_text(char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    dfs_free(text);
}

static BIO *open_pem(const struct dfs_tls_pem *pem, char **ret_text)
{
    *ret_text = load_text(pem);
    return *ret_text == NULL ? NULL : BIO_new_mem_buf(*ret_text, -1);
}

static const char *name_of(const struct dfs_tls_pem *pem, const char *what)
{
    return pem->text == NULL && pem->path != NULL ? pem->path : what;
}

static bool is_given(const struct dfs_tls_pem *pem)
{
    return pem->text != NULL || pem->path != NULL;
}

/* All certificates of the CA text; more than one while the CA is being replaced. */
static enum dfs_status load_ca(const struct dfs_tls_pem *pem, X509_STORE *store, char *ret_words)
{
    const char *what = name_of(pem, "CA certificate");
    char *text;
    BIO *bio = open_pem(pem, &text);
    unsigned count = 0;
    X509 *cert;

    if (bio == NULL)
        return refuse(ret_words, what, "cannot be read");
    while ((cert = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL)) != NULL) {
        count += X509_STORE_add_cert(store, cert) == 1;
        X509_free(cert);
    }
    BIO_free(bio);
    free_text(text);
    ERR_clear_error();
    return count > 0 ? DFS_OK : refuse(ret_words, what, "holds no certificate");
}

/* The first certificate is ours, the others are its chain. */
static enum dfs_status load_certificate(const struct dfs_tls_pem *pem, X509 **ret_cert, STACK_OF(X509) * *ret_chain,
                                        char *ret_words)
{
    const char *what = name_of(pem, "certificate");
    char *text;
    BIO *bio = open_pem(pem, &text);
    X509 *cert;

    if (bio == NULL)
        return refuse(ret_words, what, "cannot be read");
    *ret_chain = sk_X509_new_null();
    *ret_cert = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL);
    while (*ret_cert != NULL && (cert = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL)) != NULL)
        sk_X509_push(*ret_chain, cert);
    BIO_free(bio);
    free_text(text);
    ERR_clear_error();
    return *ret_cert != NULL ? DFS_OK : refuse(ret_words, what, "holds no certificate");
}

static enum dfs_status load_key(const struct dfs_tls_pem *pem, EVP_PKEY **ret_key, char *ret_words)
{
    const char *what = name_of(pem, "private key");
    char *text;
    BIO *bio = open_pem(pem, &text);

    if (bio == NULL)
        return refuse(ret_words, what, "cannot be read");
    *ret_key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    BIO_free(bio);
    free_text(text);
    return *ret_key != NULL ? DFS_OK : refuse(ret_words, what, "holds no private key");
}

static bool find_role(const char *text, size_t count, enum dfs_role *ret_role)
{
    for (enum dfs_role role = DFS_ROLE_AUTH; role <= DFS_ROLE_DATA; role++) {
        const char *name = dfs_role_name(role);

        if (strlen(name) == count && memcmp(name, text, count) == 0) {
            *ret_role = role;
            return true;
        }
    }
    return false;
}

struct identity {
    struct dfs_id cluster;
    struct dfs_id node;
    enum dfs_role role;
};

static bool parse_id(const char *text, struct dfs_id *ret_id)
{
    char one[DFS_ID_TEXT_BYTES];

    memcpy(one, text, sizeof one - 1);
    one[sizeof one - 1] = '\0';
    return dfs_id_parse(one, ret_id);
}

/* CLUSTER:ROLE:NODE, `count` bytes. */
static bool parse_identity(const char *text, size_t count, struct identity *ret_identity)
{
    const size_t id_count = DFS_ID_TEXT_BYTES - 1;

    if (count < 2 * id_count + 2 || memchr(text, '\0', count) != NULL)
        return false;
    if (text[id_count] != ':' || text[count - id_count - 1] != ':')
        return false;
    return parse_id(text, &ret_identity->cluster) && parse_id(text + count - id_count, &ret_identity->node) &&
           find_role(text + id_count + 1, count - 2 * id_count - 2, &ret_identity->role);
}

/* True when the certificate has exactly one name of ours and it parses. */
static bool certificate_identity(X509 *cert, struct identity *ret_identity)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    const size_t prefix = strlen(URI_PREFIX);
    unsigned ours = 0;
    bool good = false;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const char *text;
        size_t count;

        if (name->type != GEN_URI)
            continue;
        text = (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
        count = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
        if (count < prefix || memcmp(text, URI_PREFIX, prefix) != 0)
            continue;
        ours++;
        good = parse_identity(text + prefix, count - prefix, ret_identity);
    }
    GENERAL_NAMES_free(names);
    return good && ours == 1;
}

/* The cluster is ours, or we do not know which is. */
static bool cluster_fits(const struct dfs_tls *tls, const struct identity *identity)
{
    return dfs_id_is_zero(&tls->cluster) || dfs_id_equal(&tls->cluster, &identity->cluster);
}

/* A server whose own certificate says something else would be refused by everybody: better said at its start. */
static enum dfs_status check_own(const struct dfs_tls *tls, X509 *cert, X509_STORE *store, const char *what,
                                 char *ret_words)
{
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    struct identity identity;
    int error = X509_V_ERR_UNSPECIFIED;

    if (check != NULL && X509_STORE_CTX_init(check, store, cert, NULL) == 1 && X509_verify_cert(check) == 1)
        error = X509_V_OK;
    else if (check != NULL)
        error = X509_STORE_CTX_get_error(check);
    X509_STORE_CTX_free(check);
    if (error != X509_V_OK)
        return refuse(ret_words, what, X509_verify_cert_error_string(error));
    if (!certificate_identity(cert, &identity))
        return refuse(ret_words, what, "names no role and node of a cluster");
    if (!cluster_fits(tls, &identity))
        return refuse(ret_words, what, "is for another cluster");
    if (identity.role != tls->role)
        return refuse(ret_words, what, "is for another role");
    if (!dfs_id_equal(&identity.node, &tls->node))
        return refuse(ret_words, what, "is for another node id");
    return DFS_OK;
}

/* Contexts ---------------------------------------------------------------------------------------------------------- */

/* Accepts everybody but remembers the outcome, which decides between NODE and CLIENT. */
static int verify_any(X509_STORE_CTX *check, void *ctx)
{
    (void)ctx;
    if (X509_verify_cert(check) != 1 && X509_STORE_CTX_get_error(check) == X509_V_OK)
        X509_STORE_CTX_set_error(check, X509_V_ERR_UNSPECIFIED);
    ERR_clear_error();
    return 1;
}

static struct dfs_tls_stream *stream_of_ssl(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

struct session {
    struct dfs_tls_key key;
    struct dfs_list link;
    SSL_SESSION *session;
};

static void session_free(struct dfs_tls *tls, struct session *session)
{
    (void)dfs_map_remove(&tls->sessions, &session->key);
    dfs_list_remove(&session->link);
    SSL_SESSION_free(session->session);
    dfs_free(session);
}

static void session_forget(struct dfs_tls *tls, const struct dfs_tls_key *key)
{
    struct session *session = dfs_map_find(&tls->sessions, key);

    if (session != NULL)
        session_free(tls, session);
}

static void sessions_forget(struct dfs_tls *tls)
{
    struct dfs_list *link;

    while ((link = dfs_list_first(&tls->sessions_by_age)) != NULL)
        session_free(tls, dfs_container_of(link, struct session, link));
}

/* A server gave us a ticket. 1: the reference is ours now. */
static int on_session(SSL *ssl, SSL_SESSION *take_session)
{
    struct dfs_tls_stream *stream = stream_of_ssl(ssl);
    struct dfs_tls *tls = stream->tls;
    struct session *session;

    if (SSL_get_SSL_CTX(ssl) != tls->client)
        return 0; /* of certificates that were replaced meanwhile */
    session_forget(tls, &stream->key);
    if (tls->sessions.count >= DFS_TLS_SESSIONS_MAX)
        session_free(tls, dfs_container_of(dfs_list_first(&tls->sessions_by_age), struct session, link));
    session = dfs_alloc_zero(sizeof *session);
    session->key = stream->key;
    session->session = take_session;
    dfs_list_push(&tls->sessions_by_age, &session->link);
    dfs_map_insert(&tls->sessions, session);
    return 1;
}

static SSL_CTX *make_context(bool server, X509_STORE *store, X509 *cert, STACK_OF(X509) * chain, EVP_PKEY *key)
{
    static const unsigned char session_context[] = "dfs";
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    bool good = ctx != NULL && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_ciphersuites(ctx, CIPHERS) == 1 && SSL_CTX_set1_groups_list(ctx, GROUPS) == 1;

    DFS_ASSERT(good);
    SSL_CTX_set1_cert_store(ctx, store);
    if (cert != NULL &&
        (SSL_CTX_use_cert_and_key(ctx, cert, key, chain, 1) != 1 || SSL_CTX_check_private_key(ctx) != 1)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    (void)SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, DFS_REAL_READ_AHEAD_BYTES);
    (void)SSL_CTX_set_max_cert_list(ctx, DFS_TLS_CHAIN_BYTES_MAX);
    (void)SSL_CTX_set_timeout(ctx, DFS_TLS_SESSION_SECONDS);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (server) {
        SSL_CTX_set_cert_verify_callback(ctx, verify_any, NULL);
        (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* the ticket has it all */
        (void)SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
        (void)SSL_CTX_set_num_tickets(ctx, 1); /* streams are pooled: one is used, and may be used again */
    } else {
        (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, on_session);
    }
    return ctx;
}

struct material {
    X509_STORE *store;
    X509 *cert;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

static void material_close(struct material *material)
{
    X509_STORE_free(material->store);
    X509_free(material->cert);
    sk_X509_pop_free(material->chain, X509_free);
    EVP_PKEY_free(material->key);
}

static enum dfs_status load_material(const struct dfs_tls *tls, const struct dfs_tls_config *config,
                                     struct material *material, char *ret_words)
{
    enum dfs_status status = load_ca(&config->ca, material->store, ret_words);

    if (status != DFS_OK)
        return status;
    if (!is_given(&config->certificate) && !tls->serves)
        return DFS_OK;
    status = load_certificate(&config->certificate, &material->cert, &material->chain, ret_words);
    if (status == DFS_OK)
        status = load_key(&config->key, &material->key, ret_words);
    if (status == DFS_OK && tls->serves)
        status =
            check_own(tls, material->cert, material->store, name_of(&config->certificate, "certificate"), ret_words);
    return status;
}

enum dfs_status dfs_tls_reload(struct dfs_tls *tls, const struct dfs_tls_config *config,
                               char ret_words[DFS_WORDS_BYTES_MAX])
{
    struct material material = {.store = X509_STORE_new()};
    enum dfs_status status = load_material(tls, config, &material, ret_words);
    SSL_CTX *client = NULL;
    SSL_CTX *server = NULL;

    if (status == DFS_OK) {
        client = make_context(false, material.store, material.cert, material.chain, material.key);
        if (tls->serves && client != NULL)
            server = make_context(true, material.store, material.cert, material.chain, material.key);
        if (client == NULL || (tls->serves && server == NULL)) {
            SSL_CTX_free(client);
            status = refuse(ret_words, name_of(&config->key, "private key"), "does not belong to the certificate");
        }
    }
    material_close(&material);
    if (status != DFS_OK)
        return status;
    sessions_forget(tls);
    SSL_CTX_free(tls->client);
    SSL_CTX_free(tls->server);
    tls->client = client;
    tls->server = server;
    return DFS_OK;
}

enum dfs_status dfs_tls_init(struct dfs_tls *tls, const struct dfs_tls_config *config,
                             char ret_words[DFS_WORDS_BYTES_MAX])
{
    *tls = (struct dfs_tls){
        .role = config->role, .cluster = config->cluster, .node = config->node, .serves = config->serves};
    tls->wire = make_wire();
    dfs_map_init(&tls->sessions, offsetof(struct session, key), sizeof(struct dfs_tls_key), 0);
    dfs_list_init(&tls->sessions_by_age);
    return dfs_tls_reload(tls, config, ret_words);
}

void dfs_tls_close(struct dfs_tls *tls)
{
    if (tls->wire == NULL)
        return;
    sessions_forget(tls);
    dfs_map_close(&tls->sessions);
    SSL_CTX_free(tls->client);
    SSL_CTX_free(tls->server);
    BIO_meth_free(tls->wire);
    dfs_free(tls->spare);
    *tls = (struct dfs_tls){0};
}

/* Streams ----------------------------------------------------------------------------------------------------------- */

static void stream_init(struct dfs_tls_stream *stream, struct dfs_tls *tls, int fd, bool server)
{
    BIO *bio = BIO_new(tls->wire);

    *stream = (struct dfs_tls_stream){
        .tls = tls, .fd = fd, .server = server, .awaited = 1, .records_left = DFS_TLS_RECORDS_PER_KEY};
    stream->ssl = SSL_new(server ? tls->server : tls->client);
    DFS_ASSERT(bio != NULL && stream->ssl != NULL);
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(stream->ssl, bio, bio);
    SSL_set_app_data(stream->ssl, stream);
}

void dfs_tls_accept(struct dfs_tls_stream *stream, struct dfs_tls *tls, int fd)
{
    stream_init(stream, tls, fd, true);
    SSL_set_accept_state(stream->ssl);
}

static struct dfs_tls_key make_key(const struct dfs_addr *to, enum dfs_role role, const struct dfs_id *node)
{
    struct dfs_tls_key key = {.role = (uint8_t)role, .port = {(uint8_t)(to->port >> 8), (uint8_t)to->port}};

    memcpy(key.ip, to->ip, sizeof key.ip);
    if (node != NULL)
        memcpy(key.node, node->bytes, sizeof key.node);
    return key;
}

void dfs_tls_connect(struct dfs_tls_stream *stream, struct dfs_tls *tls, int fd, const struct dfs_addr *to,
                     enum dfs_role role, const struct dfs_id *node)
{
    struct session *session;

    stream_init(stream, tls, fd, false);
    stream->key = make_key(to, role, node);
    session = dfs_map_find(&tls->sessions, &stream->key);
    if (session != NULL)
        (void)SSL_set_session(stream->ssl, session->session);
    SSL_set_connect_state(stream->ssl);
}

void dfs_tls_stream_close(struct dfs_tls_stream *stream)
{
    if (stream->ssl == NULL)
        return;
    SSL_free(stream->ssl);
    stream->ssl = NULL;
    release_out(stream);
}

static enum dfs_tls_result result_of(struct dfs_tls_stream *stream, int rc)
{
    switch (SSL_get_error(stream->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: /* output that does not fit: flushed by the caller before it waits */
        return DFS_TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return DFS_TLS_ENDED;
    default:
        return DFS_TLS_BROKEN;
    }
}

enum dfs_tls_result dfs_tls_handshake(struct dfs_tls_stream *stream)
{
    enum dfs_tls_result result;
    int rc;

    ERR_clear_error();
    rc = SSL_do_handshake(stream->ssl);
    if (rc == 1) {
        stream->resumed = SSL_session_reused(stream->ssl) == 1;
        return DFS_TLS_DONE;
    }
    result = result_of(stream, rc);
    if (result != DFS_TLS_AGAIN && !stream->server)
        session_forget(stream->tls, &stream->key);
    return result;
}

/* Errors of the chain which mean that somebody else's CA signed it. Everything else (dates, purpose) is a defect of ours. */
static bool is_foreign(long verdict)
{
    return verdict == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT || verdict == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           verdict == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || verdict == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           verdict == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE || verdict == X509_V_ERR_CERT_SIGNATURE_FAILURE;
}

enum dfs_status dfs_tls_failure(const struct dfs_tls_stream *stream)
{
    return is_foreign(SSL_get_verify_result(stream->ssl)) ? DFS_WRONG_CLUSTER : DFS_UNREACHABLE;
}

/* A resumed stream stands on an older check: the dates may have passed since. */
static bool is_in_dates(const X509 *cert)
{
    return X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 && X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

static struct dfs_peer peer_of(const struct dfs_tls_stream *stream, X509 *cert, struct identity *ret_identity)
{
    struct dfs_peer peer = {.kind = DFS_PEER_CLIENT};
    unsigned count = 0;
    const int rc = X509_digest(cert, EVP_sha256(), peer.fingerprint, &count);

    DFS_ASSERT(rc == 1 && count == DFS_FINGERPRINT_BYTES);
    if (SSL_get_verify_result(stream->ssl) == X509_V_OK && is_in_dates(cert) &&
        certificate_identity(cert, ret_identity) && cluster_fits(stream->tls, ret_identity)) {
        peer.kind = DFS_PEER_NODE;
        peer.role = ret_identity->role;
        peer.node = ret_identity->node;
    }
    return peer;
}

enum dfs_status dfs_tls_identify(struct dfs_tls_stream *stream, enum dfs_role role, const struct dfs_id *node,
                                 struct dfs_peer *ret_peer)
{
    X509 *cert = SSL_get0_peer_certificate(stream->ssl);
    struct identity identity = {0};
    enum dfs_status status = DFS_OK;

    *ret_peer = (struct dfs_peer){.kind = DFS_PEER_NONE};
    if (cert != NULL)
        *ret_peer = peer_of(stream, cert, &identity);
    ERR_clear_error();
    if (stream->server)
        return DFS_OK;
    if (cert != NULL && ret_peer->kind != DFS_PEER_NODE && !dfs_id_is_zero(&identity.cluster) &&
        !cluster_fits(stream->tls, &identity))
        status = DFS_WRONG_CLUSTER;
    else if (ret_peer->kind != DFS_PEER_NODE || ret_peer->role != role ||
             (node != NULL && !dfs_id_equal(node, &ret_peer->node)))
        status = DFS_UNREACHABLE;
    if (status != DFS_OK)
        session_forget(stream->tls, &stream->key);
    return status;
}

enum dfs_tls_result dfs_tls_read(struct dfs_tls_stream *stream, uint8_t *bytes, size_t count, size_t *ret_count)
{
    ERR_clear_error();
    if (SSL_read_ex(stream->ssl, bytes, count, ret_count) == 1)
        return DFS_TLS_DONE;
    *ret_count = 0;
    return result_of(stream, 0);
}

void dfs_tls_await(struct dfs_tls_stream *stream, size_t rest)
{
    /* TLS has less of them than it reads ahead; the kernel's count includes the overhead of records, so it comes to be. */
    const size_t outside = rest > DFS_REAL_READ_AHEAD_BYTES ? rest - DFS_REAL_READ_AHEAD_BYTES : 0;
    int bytes = 1;

    if (outside >= DFS_REAL_AWAIT_BYTES_MIN)
        bytes = outside < DFS_REAL_AWAIT_BYTES_MAX ? (int)outside : DFS_REAL_AWAIT_BYTES_MAX;
    if (bytes == stream->awaited)
        return;
    (void)setsockopt(stream->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
    stream->awaited = bytes;
}

size_t dfs_tls_room(const struct dfs_tls_stream *stream)
{
    const size_t free_bytes = DFS_REAL_OUT_BYTES - stream->out_count;

    if (stream->full)
        return 0;
    return free_bytes >= RECORD_BYTES_MAX + 2 * RECORD_OVERHEAD ? RECORD_BYTES_MAX : 0;
}

enum dfs_tls_result dfs_tls_write(struct dfs_tls_stream *stream, const uint8_t *bytes, size_t count)
{
    size_t written = 0;

    DFS_ASSERT(count > 0 && count <= dfs_tls_room(stream));
    ERR_clear_error();
    if (--stream->records_left == 0) {
        stream->records_left = DFS_TLS_RECORDS_PER_KEY;
        (void)SSL_key_update(stream->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
    }
    if (SSL_write_ex(stream->ssl, bytes, count, &written) != 1 || written != count)
        return DFS_TLS_BROKEN;
    return DFS_TLS_DONE;
}

void dfs_tls_finish(struct dfs_tls_stream *stream)
{
    ERR_clear_error();
    (void)SSL_shutdown(stream->ssl);
    ERR_clear_error();
}

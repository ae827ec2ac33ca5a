/*
 * toy.h - a small machine over a real env, for the tests of net_real.
 *
 * It speaks frames of its own (8 bytes: length of text, length of bulk; then both), takes bulk in place into pooled buffers, remembers what it
 * saw, and echoes frames when told to. Tests call the env's verbs between turns of the loop, as a machine does inside its step.
 */
#ifndef DFS_TESTS_UNIT_NET_REAL_TOY_H
#define DFS_TESTS_UNIT_NET_REAL_TOY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/mem.h"
#include "net_real/ca.h"
#include "net_real/endpoint.h"
#include "net_real/real.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOY_CONNS 64
#define TOY_TEXT 65536
#define TOY_PATIENCE_NS (20 * DFS_SECONDS)

struct toy;

struct toy_conn {
    struct dfs_sink sink;
    struct toy *toy;
    dfs_conn conn; /* 0: free */
    struct dfs_peer peer;
    struct dfs_addr addr;
    bool open;
    bool closed;
    enum dfs_status status;

    uint8_t header[8];
    uint8_t text[TOY_TEXT];
    struct dfs_buf *bulk;
    uint32_t text_bytes;
    uint32_t bulk_bytes;
    size_t at; /* of the frame, header included */
    bool complete;
    bool hold; /* grants no room */

    unsigned frames;
    uint64_t bulk_total;
    uint32_t crc; /* of all bulk bytes */
    char last[256];
    unsigned sent; /* EV_SENT */
};

struct toy {
    const char *name;
    struct dfs_real *real;
    struct dfs_env env;
    struct dfs_buf_pool pool;
    struct toy_conn conns[TOY_CONNS];
    unsigned seen[DFS_EV_COUNT];
    bool echo;
    bool lazy; /* does not attach what it accepts */
    dfs_time_ns deadline;
    dfs_time_ns mono;
    dfs_wall_ns wall;

    struct dfs_disk_done done;
    char names[4096]; /* of the last listing: "name:bytes " each */
    char datagram[DFS_DATAGRAM_BYTES_MAX + 1];
    struct dfs_addr datagram_from;
    uint64_t local_token;
    uint64_t local_count;
    enum dfs_status local_status;
    bool local_finished;
    uint64_t command_id;
    uint32_t command_code;
    char command_text[64];
    char log[1024];
};

/* The sink ---------------------------------------------------------------------------------------------------------- */

static inline size_t toy_want(struct dfs_sink *sink, uint8_t **ret_at)
{
    struct toy_conn *conn = dfs_container_of(sink, struct toy_conn, sink);
    const size_t text_end = sizeof conn->header + conn->text_bytes;

    if (conn->complete || conn->hold)
        return 0;
    if (conn->at < sizeof conn->header) {
        *ret_at = conn->header + conn->at;
        return sizeof conn->header - conn->at;
    }
    if (conn->at < text_end) {
        *ret_at = conn->text + (conn->at - sizeof conn->header);
        return text_end - conn->at;
    }
    if (conn->bulk == NULL)
        conn->bulk = dfs_buf_new(&conn->toy->pool, conn->bulk_bytes);
    if (conn->bulk == NULL)
        return 0;
    *ret_at = conn->bulk->bytes + (conn->at - text_end);
    return conn->bulk_bytes - (conn->at - text_end);
}

static inline bool toy_got(struct dfs_sink *sink, size_t count)
{
    struct toy_conn *conn = dfs_container_of(sink, struct toy_conn, sink);

    conn->at += count;
    if (conn->at < sizeof conn->header)
        return false;
    if (conn->at == sizeof conn->header) {
        memcpy(&conn->text_bytes, conn->header, 4);
        memcpy(&conn->bulk_bytes, conn->header + 4, 4);
        DFS_ASSERT(conn->text_bytes <= TOY_TEXT && conn->bulk_bytes <= DFS_FRAME_BULK_BYTES_MAX);
    }
    conn->complete = conn->at == sizeof conn->header + conn->text_bytes + conn->bulk_bytes;
    return conn->complete;
}

static inline void toy_send(struct toy *toy, struct toy_conn *conn, const void *text, size_t text_bytes,
                            struct dfs_buf *bulk, size_t bulk_bytes)
{
    static uint8_t head[8 + TOY_TEXT];
    const uint32_t sizes[2] = {(uint32_t)text_bytes, (uint32_t)bulk_bytes};

    memcpy(head, sizes, sizeof sizes);
    memcpy(head + sizeof sizes, text, text_bytes);
    toy->env.net->send(toy->env.ctx, conn->conn, head, sizeof sizes + text_bytes, bulk, 0, bulk_bytes);
}

/* The machine ------------------------------------------------------------------------------------------------------- */

/* NULL when it has enough of them. */
static inline struct toy_conn *toy_new_conn(struct toy *toy, dfs_conn id)
{
    for (size_t i = 0; i < TOY_CONNS; i++) {
        struct toy_conn *conn = &toy->conns[i];

        if (conn->conn != 0)
            continue;
        conn->conn = id;
        conn->toy = toy;
        conn->sink = (struct dfs_sink){.want = toy_want, .got = toy_got};
        return conn;
    }
    return NULL;
}

static inline struct toy_conn *toy_find(struct toy *toy, dfs_conn id)
{
    for (size_t i = 0; i < TOY_CONNS; i++)
        if (toy->conns[i].conn == id)
            return &toy->conns[i];
    abort();
}

static inline void toy_on_recv(struct toy *toy, struct toy_conn *conn)
{
    const size_t shown = conn->text_bytes < sizeof conn->last - 1 ? conn->text_bytes : sizeof conn->last - 1;

    DFS_ASSERT(conn->complete);
    memcpy(conn->last, conn->text, shown);
    conn->last[shown] = '\0';
    conn->frames++;
    conn->bulk_total += conn->bulk_bytes;
    if (conn->bulk_bytes > 0)
        conn->crc = dfs_crc32c(conn->crc, conn->bulk->bytes, conn->bulk_bytes);
    if (toy->echo)
        toy_send(toy, conn, conn->text, conn->text_bytes, conn->bulk, conn->bulk_bytes);
    dfs_buf_unref(conn->bulk);
    conn->bulk = NULL;
    conn->at = 0;
    conn->complete = false;
    conn->text_bytes = 0;
    conn->bulk_bytes = 0;
}

static inline void toy_list(struct toy *toy, const struct dfs_disk_done *done)
{
    size_t at = 0;

    toy->names[0] = '\0';
    for (uint64_t i = 0; i < done->count; i++)
        at += (size_t)snprintf(toy->names + at, sizeof toy->names - at, "%s:%llu ", done->entries[i].name,
                               (unsigned long long)done->entries[i].bytes);
}

static inline dfs_time_ns toy_step(void *machine, const struct dfs_event *event)
{
    struct toy *toy = machine;
    struct toy_conn *conn;

    toy->seen[event->kind]++;
    toy->mono = event->mono;
    toy->wall = event->wall;
    switch (event->kind) {
    case DFS_EV_ACCEPT:
        conn = toy_new_conn(toy, event->net.conn);
        if (conn == NULL) {
            toy->env.net->close(toy->env.ctx, event->net.conn);
            break;
        }
        conn->open = true;
        conn->peer = *event->net.peer;
        conn->addr = *event->net.addr;
        if (!toy->lazy)
            toy->env.net->attach(toy->env.ctx, conn->conn, &conn->sink, conn);
        break;
    case DFS_EV_OPEN:
        conn = toy_find(toy, event->net.conn);
        DFS_ASSERT(event->net.user == conn);
        conn->open = true;
        conn->peer = *event->net.peer;
        break;
    case DFS_EV_RECV:
        toy_on_recv(toy, event->net.user);
        break;
    case DFS_EV_SENT:
        conn = event->net.user;
        conn->sent++;
        break;
    case DFS_EV_CLOSED:
        conn = toy_find(toy, event->net.conn);
        DFS_ASSERT(!conn->closed);
        conn->closed = true;
        conn->open = false;
        conn->status = event->net.status;
        dfs_buf_unref(conn->bulk);
        conn->bulk = NULL;
        break;
    case DFS_EV_DATAGRAM:
        memcpy(toy->datagram, event->datagram.bytes, event->datagram.count);
        toy->datagram[event->datagram.count] = '\0';
        toy->datagram_from = *event->datagram.from;
        break;
    case DFS_EV_DISK:
        toy->done = event->disk;
        if (event->disk.verb == DFS_DISK_LIST)
            toy_list(toy, &event->disk);
        break;
    case DFS_EV_SOURCE:
    case DFS_EV_SINK:
        toy->local_token = event->local.token;
        toy->local_count = event->local.count;
        toy->local_status = event->local.status;
        toy->local_finished = event->local.finished;
        break;
    case DFS_EV_COMMAND:
        toy->command_id = event->command.id;
        toy->command_code = event->command.code;
        (void)snprintf(toy->command_text, sizeof toy->command_text, "%s",
                       event->command.argument == NULL ? "" : (const char *)event->command.argument);
        break;
    case DFS_EV_START:
    case DFS_EV_TICK:
        break;
    case DFS_EV_COUNT:
        abort();
    }
    if (toy->deadline <= event->mono)
        toy->deadline = DFS_NEVER;
    return toy->deadline;
}

static inline void toy_log(void *ctx, enum dfs_real_level level, const char *text)
{
    struct toy *toy = ctx;

    (void)level;
    (void)snprintf(toy->log, sizeof toy->log, "%s", text);
}

/* A cluster with certificates --------------------------------------------------------------------------------------- */

struct toy_cluster {
    struct dfs_id id;
    struct dfs_cert ca;
};

static inline struct dfs_id toy_id(uint8_t seed)
{
    struct dfs_id id;

    memset(id.bytes, seed, sizeof id.bytes);
    dfs_id_make_random(&id);
    return id;
}

static inline void toy_cluster_init(struct toy_cluster *cluster, uint8_t seed)
{
    cluster->id = toy_id(seed);
    assert_int_equal(dfs_ca_make("toy CA", &cluster->ca), DFS_OK);
}

static inline void toy_cluster_close(struct toy_cluster *cluster)
{
    dfs_cert_close(&cluster->ca);
}

static inline struct dfs_addr toy_loopback(uint16_t port)
{
    return (struct dfs_addr){.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = port};
}

/* A configuration without certificates. */
static inline struct dfs_real_config toy_config(struct toy *toy, const struct toy_cluster *cluster, enum dfs_role role,
                                                uint8_t node)
{
    struct dfs_real_config config;

    dfs_real_config_init(&config);
    config.role = role;
    config.cluster = cluster->id;
    config.node = toy_id(node);
    config.ca.text = cluster->ca.certificate;
    config.disk_threads = 2;
    config.ctx = toy;
    config.log = toy_log;
    config.listens = role != DFS_ROLE_CLIENT;
    config.listen = toy_loopback(0);
    return config;
}

static inline enum dfs_status toy_try(struct toy *toy, const struct dfs_real_config *config, char *words)
{
    enum dfs_status status;

    *toy = (struct toy){.name = dfs_role_name(config->role), .deadline = DFS_NEVER};
    status = dfs_real_new(config, words, &toy->real);
    if (status != DFS_OK)
        return status;
    toy->env = dfs_real_env(toy->real);
    dfs_buf_pool_init(&toy->pool, 64 * 1024 * 1024);
    dfs_real_start(toy->real, toy_step, toy);
    assert_int_equal(toy->seen[DFS_EV_START], 1);
    return DFS_OK;
}

static inline void toy_start(struct toy *toy, const struct dfs_real_config *config)
{
    char words[DFS_WORDS_BYTES_MAX] = "";

    if (toy_try(toy, config, words) != DFS_OK)
        fail_msg("host: %s", words);
}

/* A node of the cluster with its certificate. */
static inline void toy_start_node(struct toy *toy, const struct toy_cluster *cluster, enum dfs_role role, uint8_t node)
{
    struct dfs_real_config config = toy_config(toy, cluster, role, node);
    struct dfs_cert cert;

    assert_int_equal(dfs_ca_issue(&cluster->ca, role, &cluster->id, &config.node, &cert), DFS_OK);
    config.certificate.text = cert.certificate;
    config.key.text = cert.key;
    toy_start(toy, &config);
    dfs_cert_close(&cert);
}

/* A client with `cert`, or with none if that is NULL. */
static inline void toy_start_client(struct toy *toy, const struct toy_cluster *cluster, const struct dfs_cert *cert)
{
    struct dfs_real_config config = toy_config(toy, cluster, DFS_ROLE_CLIENT, 0);

    if (cert != NULL) {
        config.certificate.text = cert->certificate;
        config.key.text = cert->key;
    }
    toy_start(toy, &config);
}

static inline void toy_stop(struct toy *toy)
{
    if (toy->real == NULL)
        return;
    dfs_real_end(toy->real);
    for (size_t i = 0; i < TOY_CONNS; i++)
        dfs_buf_unref(toy->conns[i].bulk);
    dfs_buf_pool_close(&toy->pool); /* asserts that nothing kept a reference */
    dfs_real_free(toy->real);
    toy->real = NULL;
}

/* One turn of up to three hosts. */
static inline void toy_turn(struct toy *a, struct toy *b, struct toy *c)
{
    (void)dfs_real_poll(a->real, b == NULL ? 1 : 0);
    if (b != NULL)
        (void)dfs_real_poll(b->real, c == NULL ? 1 : 0);
    if (c != NULL)
        (void)dfs_real_poll(c->real, 1);
}

/* Turns until the condition holds; fails the test when it does not in time. */
#define TOY_UNTIL(condition, a, b, c) \
    do { \
        const dfs_time_ns toy_begin = dfs_real_mono(); \
        while (!(condition)) { \
            if (dfs_real_mono() - toy_begin > TOY_PATIENCE_NS) \
                fail_msg("waited in vain for: %s", #condition); \
            toy_turn((a), (b), (c)); \
        } \
    } while (0)

static inline void toy_for_ms(struct toy *a, struct toy *b, unsigned ms)
{
    const dfs_time_ns end = dfs_real_mono() + ms * DFS_MILLISECONDS;

    while (dfs_real_mono() < end)
        toy_turn(a, b, NULL);
}

static inline struct toy_conn *toy_connect(struct toy *from, const struct toy *to, enum dfs_role role,
                                           const struct dfs_id *node)
{
    const struct dfs_addr addr = toy_loopback(dfs_real_port(to->real));
    struct toy_conn *conn = NULL;

    for (size_t i = 0; i < TOY_CONNS && conn == NULL; i++)
        if (from->conns[i].conn == 0)
            conn = &from->conns[i];
    assert_non_null(conn);
    conn->toy = from;
    conn->sink = (struct dfs_sink){.want = toy_want, .got = toy_got};
    conn->conn = from->env.net->connect(from->env.ctx, &addr, role, node, conn);
    assert_true(conn->conn != 0);
    from->env.net->attach(from->env.ctx, conn->conn, &conn->sink, conn);
    return conn;
}

/* A temporary directory, to be removed by toy_rmdir. */
static inline void toy_mkdir(char path[64])
{
    (void)snprintf(path, 64, "/tmp/dfs-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline void toy_rmdir(const char *path)
{
    char command[128];

    (void)snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

#endif

/*
 * bench_net.c - what the real env costs: one TLS stream of bulk frames, and small requests over several streams.
 *
 *     bench_net [--bytes N] [--frame N] [--congestion NAME] [--rounds N] [--ask N] [--json]
 *
 * Two hosts in one process, each with its own thread, as two daemons would be. CPU seconds are those of both threads.
 */
#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/ca.h"
#include "net_real/real.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define HEAD_BYTES 128 /* a frame header and a small body */
#define IN_FLIGHT 8    /* bulk frames queued at a time: what a data server keeps of one stream */
#define CONNS_MAX 256

enum command { COMMAND_STREAM, COMMAND_ASK };

struct settings {
    uint64_t bytes;
    size_t frame_bytes;
    unsigned rounds;
    unsigned asks;
    const char *congestion;
    bool json;
};

struct host;

struct conn {
    struct dfs_sink sink;
    struct host *host;
    dfs_conn conn;
    uint8_t head[HEAD_BYTES];
    size_t head_at;
    struct dfs_buf *bulk;
    size_t bulk_at;
    size_t bulk_bytes;
    bool complete;
};

struct host {
    struct dfs_real *real;
    struct dfs_env env;
    struct dfs_buf_pool pool;
    pthread_t thread;
    struct conn conns[CONNS_MAX];
    unsigned conn_count;
    bool serves;

    const struct settings *settings;
    uint16_t to_port;
    struct dfs_buf *out; /* one buffer, sent over and over */
    uint64_t left;
    unsigned streams;
    unsigned opened;
    uint64_t received;
    uint64_t answers;
    enum command doing;
    double cpu_seconds;
    _Atomic(uint64_t) total; /* bytes or answers that the client wants to see */
    atomic_bool done;
    dfs_time_ns begin;
    _Atomic(uint64_t) end;
};

static struct dfs_id make_id(uint8_t seed)
{
    struct dfs_id id;

    memset(id.bytes, seed, sizeof id.bytes);
    dfs_id_make_random(&id);
    return id;
}

/* Frames: 128 bytes, of which the first four are the length of the bulk --------------------------------------------- */

static size_t want(struct dfs_sink *sink, uint8_t **ret_at)
{
    struct conn *conn = dfs_container_of(sink, struct conn, sink);

    if (conn->complete)
        return 0;
    if (conn->head_at < HEAD_BYTES) {
        *ret_at = conn->head + conn->head_at;
        return HEAD_BYTES - conn->head_at;
    }
    if (conn->bulk == NULL)
        conn->bulk = dfs_buf_new(&conn->host->pool, conn->bulk_bytes);
    if (conn->bulk == NULL)
        return 0;
    *ret_at = conn->bulk->bytes + conn->bulk_at;
    return conn->bulk_bytes - conn->bulk_at;
}

static bool got(struct dfs_sink *sink, size_t count)
{
    struct conn *conn = dfs_container_of(sink, struct conn, sink);

    if (conn->head_at < HEAD_BYTES) {
        uint32_t bulk_bytes;

        conn->head_at += count;
        if (conn->head_at < HEAD_BYTES)
            return false;
        memcpy(&bulk_bytes, conn->head, sizeof bulk_bytes);
        conn->bulk_bytes = bulk_bytes;
    } else {
        conn->bulk_at += count;
    }
    conn->complete = conn->bulk_at == conn->bulk_bytes;
    return conn->complete;
}

static void send_frame(struct host *host, struct conn *conn, struct dfs_buf *bulk, size_t bulk_bytes)
{
    const uint32_t length = (uint32_t)bulk_bytes;
    uint8_t head[HEAD_BYTES] = {0};

    memcpy(head, &length, sizeof length);
    host->env.net->send(host->env.ctx, conn->conn, head, sizeof head, bulk, 0, bulk_bytes);
}

static void send_next(struct host *host, struct conn *conn)
{
    const size_t bytes = host->left < host->settings->frame_bytes ? (size_t)host->left : host->settings->frame_bytes;

    if (bytes == 0)
        return;
    host->left -= bytes;
    send_frame(host, conn, host->out, bytes);
}

static void begin_work(struct host *host)
{
    host->begin = dfs_real_mono();
    if (host->doing == COMMAND_STREAM)
        for (int i = 0; i < IN_FLIGHT; i++)
            send_next(host, &host->conns[0]);
    else
        for (unsigned i = 0; i < host->streams; i++)
            send_frame(host, &host->conns[i], NULL, 0);
}

static void finish_work(struct host *host)
{
    atomic_store(&host->end, dfs_real_mono());
    atomic_store(&host->done, true);
}

static void on_frame(struct host *host, struct conn *conn)
{
    host->received += conn->bulk_bytes;
    if (host->serves && conn->bulk_bytes == 0)
        send_frame(host, conn, NULL, 0);
    if (host->serves && conn->bulk_bytes > 0 && host->received == atomic_load(&host->total))
        finish_work(host);
    if (!host->serves) {
        host->answers++;
        if (host->answers < atomic_load(&host->total))
            send_frame(host, conn, NULL, 0);
        else
            finish_work(host);
    }
    dfs_buf_unref(conn->bulk);
    conn->bulk = NULL;
    conn->head_at = 0;
    conn->bulk_at = 0;
    conn->bulk_bytes = 0;
    conn->complete = false;
}

static struct conn *new_conn(struct host *host)
{
    struct conn *conn = &host->conns[host->conn_count++];

    DFS_ASSERT(host->conn_count <= CONNS_MAX);
    *conn = (struct conn){.sink = {.want = want, .got = got}, .host = host};
    return conn;
}

static void open_streams(struct host *host)
{
    const struct dfs_addr to = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = host->to_port};

    while (host->conn_count < host->streams) {
        struct conn *conn = new_conn(host);

        conn->conn = host->env.net->connect(host->env.ctx, &to, DFS_ROLE_DATA, NULL, conn);
        host->env.net->attach(host->env.ctx, conn->conn, &conn->sink, conn);
    }
    if (host->opened == host->streams)
        begin_work(host);
}

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    struct host *host = machine;
    struct conn *conn;

    switch (event->kind) {
    case DFS_EV_ACCEPT:
        conn = new_conn(host);
        conn->conn = event->net.conn;
        host->env.net->attach(host->env.ctx, conn->conn, &conn->sink, conn);
        break;
    case DFS_EV_OPEN:
        if (++host->opened == host->streams)
            begin_work(host);
        break;
    case DFS_EV_RECV:
        on_frame(host, event->net.user);
        break;
    case DFS_EV_SENT:
        send_next(host, event->net.user);
        break;
    case DFS_EV_COMMAND:
        open_streams(host);
        break;
    case DFS_EV_CLOSED:
        if (event->net.status == DFS_OK)
            break; /* the other host has ended */
        fprintf(stderr, "bench_net: a stream closed: %s\n", dfs_status_name(event->net.status));
        exit(3);
    case DFS_EV_START:
    case DFS_EV_TICK:
    case DFS_EV_DATAGRAM:
    case DFS_EV_DISK:
    case DFS_EV_SOURCE:
    case DFS_EV_SINK:
    case DFS_EV_COUNT:
        break;
    }
    return DFS_NEVER;
}

/* Hosts ------------------------------------------------------------------------------------------------------------- */

static void *run(void *argument)
{
    struct host *host = argument;
    struct rusage usage;

    dfs_real_run(host->real, step, host);
    (void)getrusage(RUSAGE_THREAD, &usage);
    host->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return NULL;
}

static void start(struct host *host, const struct settings *settings, const struct dfs_cert *ca, bool serves)
{
    struct dfs_real_config config;
    struct dfs_cert cert;
    char words[DFS_WORDS_BYTES_MAX];
    enum dfs_status status;

    *host = (struct host){.settings = settings, .serves = serves};
    dfs_real_config_init(&config);
    config.role = DFS_ROLE_DATA;
    config.cluster = make_id(1);
    config.node = make_id(serves ? 2 : 3);
    config.listens = true;
    config.listen = (struct dfs_addr){.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    config.congestion = settings->congestion;
    config.ca.text = ca->certificate;
    status = dfs_ca_issue(ca, config.role, &config.cluster, &config.node, &cert);
    DFS_ASSERT(status == DFS_OK);
    config.certificate.text = cert.certificate;
    config.key.text = cert.key;
    if (dfs_real_new(&config, words, &host->real) != DFS_OK) {
        fprintf(stderr, "bench_net: %s\n", words);
        exit(2);
    }
    dfs_cert_close(&cert);
    host->env = dfs_real_env(host->real);
    dfs_buf_pool_init(&host->pool, 64 * 1024 * 1024);
}

static void stop(struct host *host)
{
    dfs_real_stop(host->real);
    (void)pthread_join(host->thread, NULL);
    for (unsigned i = 0; i < host->conn_count; i++)
        dfs_buf_unref(host->conns[i].bulk);
    dfs_buf_unref(host->out);
    dfs_buf_pool_close(&host->pool);
    dfs_real_free(host->real);
}

struct result {
    double seconds;
    double cpu_seconds;
};

/* One piece of work between two fresh hosts. */
static struct result measure(const struct settings *settings, const struct dfs_cert *ca, enum command what,
                             unsigned streams, uint64_t total)
{
    struct host *server = dfs_alloc(sizeof *server);
    struct host *client = dfs_alloc(sizeof *client);
    struct result result;

    start(server, settings, ca, true);
    start(client, settings, ca, false);
    client->doing = what;
    client->streams = streams;
    client->to_port = dfs_real_port(server->real);
    client->left = what == COMMAND_STREAM ? total : 0;
    client->out = dfs_buf_new(&client->pool, settings->frame_bytes);
    memset(client->out->bytes, 'x', settings->frame_bytes);
    atomic_store(&server->total, total);
    atomic_store(&client->total, total);
    (void)pthread_create(&server->thread, NULL, run, server);
    (void)pthread_create(&client->thread, NULL, run, client);
    dfs_real_post(client->real, 1, (uint32_t)what, NULL, NULL);
    while (!atomic_load(what == COMMAND_STREAM ? &server->done : &client->done)) {
        const struct timespec pause = {.tv_nsec = 1000000};

        (void)nanosleep(&pause, NULL);
    }
    result.seconds = (double)(atomic_load(what == COMMAND_STREAM ? &server->end : &client->end) - client->begin) / 1e9;
    stop(client);
    stop(server);
    result.cpu_seconds = client->cpu_seconds + server->cpu_seconds;
    dfs_free(client);
    dfs_free(server);
    return result;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof values[0], compare);
    return values[count / 2];
}

static void bench_stream(const struct settings *settings, const struct dfs_cert *ca)
{
    const double gib = (double)settings->bytes / 1073741824.0;
    double *rates = dfs_alloc(settings->rounds * sizeof rates[0]);
    double *costs = dfs_alloc(settings->rounds * sizeof costs[0]);

    for (unsigned i = 0; i < settings->rounds; i++) {
        const struct result result = measure(settings, ca, COMMAND_STREAM, 1, settings->bytes);

        rates[i] = gib / result.seconds;
        costs[i] = result.cpu_seconds / gib;
    }
    if (settings->json)
        printf("{\"case\":\"stream\",\"frame_bytes\":%zu,\"gib_per_second\":%.3f,\"cpu_seconds_per_gib\":%.3f}\n",
               settings->frame_bytes, median(rates, settings->rounds), median(costs, settings->rounds));
    else
        printf("stream of %zu KiB frames: %.2f GiB/s, %.2f CPU-s/GiB\n", settings->frame_bytes / 1024,
               median(rates, settings->rounds), median(costs, settings->rounds));
    dfs_free(rates);
    dfs_free(costs);
}

static void bench_ask(const struct settings *settings, const struct dfs_cert *ca, unsigned streams)
{
    double *rates = dfs_alloc(settings->rounds * sizeof rates[0]);
    double *costs = dfs_alloc(settings->rounds * sizeof costs[0]);

    for (unsigned i = 0; i < settings->rounds; i++) {
        const struct result result = measure(settings, ca, COMMAND_ASK, streams, settings->asks);

        rates[i] = settings->asks / result.seconds;
        costs[i] = result.cpu_seconds / settings->asks * 1e6;
    }
    if (settings->json)
        printf("{\"case\":\"ask\",\"streams\":%u,\"per_second\":%.0f,\"cpu_microseconds\":%.2f}\n", streams,
               median(rates, settings->rounds), median(costs, settings->rounds));
    else
        printf("requests of %d bytes over %u streams: %.0f a second, %.1f CPU-us each\n", HEAD_BYTES, streams,
               median(rates, settings->rounds), median(costs, settings->rounds));
    dfs_free(rates);
    dfs_free(costs);
}

static void read_settings(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        {"bytes", required_argument, NULL, 'b'},
        {"frame", required_argument, NULL, 'f'},
        {"congestion", required_argument, NULL, 'c'},
        {"rounds", required_argument, NULL, 'r'},
        {"ask", required_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'b':
            settings->bytes = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            settings->frame_bytes = strtoul(optarg, NULL, 10);
            break;
        case 'c':
            settings->congestion = optarg;
            break;
        case 'r':
            settings->rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'a':
            settings->asks = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'j':
            settings->json = true;
            break;
        default:
            exit(2);
        }
    }
    if (settings->rounds == 0 || settings->frame_bytes == 0 || settings->frame_bytes > DFS_FRAME_BULK_BYTES_MAX)
        exit(2);
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .bytes = UINT64_C(2) << 30, .frame_bytes = 262144, .rounds = 3, .asks = 50000, .congestion = "cubic"};
    struct dfs_cert ca;
    enum dfs_status status;

    read_settings(argc, argv, &settings);
    status = dfs_ca_make("bench CA", &ca);
    DFS_ASSERT(status == DFS_OK);
    if (settings.bytes > 0)
        bench_stream(&settings, &ca);
    if (settings.asks > 0) {
        bench_ask(&settings, &ca, 1);
        bench_ask(&settings, &ca, 4);
        bench_ask(&settings, &ca, 64);
    }
    dfs_cert_close(&ca);
    return 0;
}

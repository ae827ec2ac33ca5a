/* Streams: frames with bulk in place, back-pressure, limits, orderly and other ends, and the faults that tests set. */
#include "tests/unit/net_real/toy.h"

#include "net_real/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

static struct toy_cluster home;
static struct toy meta;
static struct toy data;

static int set_up_group(void **state)
{
    (void)state;
    toy_cluster_init(&home, 1);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    toy_cluster_close(&home);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    toy_start_node(&data, &home, DFS_ROLE_DATA, 11);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    toy_stop(&data);
    toy_stop(&meta);
    return 0;
}

static struct toy_conn *open_stream(void)
{
    struct toy_conn *conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL);

    TOY_UNTIL(conn->open && meta.seen[DFS_EV_ACCEPT] > 0, &data, &meta, NULL);
    return conn;
}

static struct dfs_buf *pattern(size_t bytes, uint32_t seed)
{
    struct dfs_buf *buf = dfs_buf_new(&data.pool, bytes);

    assert_non_null(buf);
    for (size_t i = 0; i < bytes; i++) {
        seed = seed * 1664525 + 1013904223;
        buf->bytes[i] = (uint8_t)(seed >> 24);
    }
    return buf;
}

static void frames_come_back_with_their_bulk(void **state)
{
    static const size_t sizes[] = {1, 511, 16384, 16385, 100000, 262144, 1048576};
    struct toy_conn *conn;
    uint32_t crc = 0;
    uint64_t total = 0;

    (void)state;
    meta.echo = true;
    conn = open_stream();
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct dfs_buf *buf = pattern(sizes[i], i);

        crc = dfs_crc32c(crc, buf->bytes, sizes[i]);
        total += sizes[i];
        toy_send(&data, conn, "bulk", 4, buf, sizes[i]);
        toy_send(&data, conn, "plain", 5, NULL, 0);
        dfs_buf_unref(buf); /* the env has its own reference until it is sent */
    }
    TOY_UNTIL(conn->frames == 14, &data, &meta, NULL);
    assert_int_equal(conn->sent, 7);
    assert_true(conn->bulk_total == total);
    assert_int_equal(conn->crc, crc);
    assert_string_equal(conn->last, "plain");
}

/* One frame at a time, so that nothing behind it hurries what the sender's kernel holds back (200 ms when it is not told to go on) or what the reader's waits
 * for (for ever). Around the sizes at which a record, a segment, or what is read ahead and awaited is full. */
static void frames_of_any_size_leave_and_arrive_at_once(void **state)
{
    static const size_t edges[] = {16384, 33 * 1024, 49 * 1024, 65483, 131072, 161 * 1024, 262144};
    const dfs_time_ns start = dfs_real_mono();
    struct toy_conn *conn;
    unsigned frames = 0;

    (void)state;
    meta.echo = true;
    conn = open_stream();
    for (unsigned i = 0; i < sizeof edges / sizeof edges[0]; i++)
        for (size_t size = edges[i] - 600; size < edges[i] + 600; size += 199) {
            struct dfs_buf *buf = pattern(size, i);

            toy_send(&data, conn, "bulk", 4, buf, size);
            dfs_buf_unref(buf);
            frames++;
            TOY_UNTIL(conn->frames == frames, &data, &meta, NULL);
            toy_send(&data, conn, "plain", 5, NULL, 0);
            frames++;
            TOY_UNTIL(conn->frames == frames, &data, &meta, NULL);
        }
    assert_true(dfs_real_mono() - start < frames * 50 * DFS_MILLISECONDS);
}

static void frames_sent_before_open_wait_for_it(void **state)
{
    struct toy_conn *conn;

    (void)state;
    conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
    toy_send(&data, conn, "early", 5, NULL, 0);
    TOY_UNTIL(meta.conns[0].frames == 1, &data, &meta, NULL);
    assert_string_equal(meta.conns[0].last, "early");
    assert_int_equal(data.seen[DFS_EV_OPEN], 1);
}

static void a_close_before_open_still_sends(void **state)
{
    struct toy_conn *conn;

    (void)state;
    conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
    toy_send(&data, conn, "bye", 3, NULL, 0);
    data.env.net->close(data.env.ctx, conn->conn);
    TOY_UNTIL(meta.conns[0].closed, &data, &meta, NULL);
    assert_int_equal(meta.conns[0].frames, 1);
    assert_int_equal(meta.conns[0].status, DFS_OK);
    assert_int_equal(data.seen[DFS_EV_OPEN], 0);
    assert_int_equal(data.seen[DFS_EV_CLOSED], 0);
}

static void a_close_sends_everything_first(void **state)
{
    struct toy_conn *conn;
    struct dfs_buf *buf = NULL;

    (void)state;
    conn = open_stream();
    buf = pattern(1000000, 7);
    for (int i = 0; i < 8; i++)
        toy_send(&data, conn, "bulk", 4, buf, 1000000);
    dfs_buf_unref(buf);
    data.env.net->close(data.env.ctx, conn->conn);
    toy_send(&data, conn, "never", 5, NULL, 0); /* the handle is dead */
    TOY_UNTIL(meta.conns[0].closed, &data, &meta, NULL);
    assert_int_equal(meta.conns[0].frames, 8);
    assert_int_equal(meta.conns[0].status, DFS_OK);
    assert_int_equal(data.seen[DFS_EV_SENT], 0); /* no further events */
    TOY_UNTIL(data.pool.bytes_out == 0, &data, &meta, NULL);
}

/* What the peer still sends into a closed connection must not reset it: our last frame is under way. */
static void the_last_frame_arrives_though_the_peer_keeps_talking(void **state)
{
    struct toy_conn *conn;
    struct dfs_buf *buf;

    (void)state;
    conn = open_stream();
    buf = pattern(1000000, 7);
    for (int i = 0; i < 4; i++)
        toy_send(&data, conn, "noise", 5, buf, 1000000);
    dfs_buf_unref(buf);
    toy_send(&meta, &meta.conns[0], "refused", 7, NULL, 0);
    meta.env.net->close(meta.env.ctx, meta.conns[0].conn);
    TOY_UNTIL(conn->closed, &data, &meta, NULL);
    assert_int_equal(conn->frames, 1);
    assert_string_equal(conn->last, "refused");
    assert_int_equal(conn->status, DFS_OK);
}

static void a_host_that_ends_closes_in_order(void **state)
{
    struct toy_conn *conn;

    (void)state;
    conn = open_stream();
    toy_stop(&meta);
    TOY_UNTIL(conn->closed, &data, NULL, NULL);
    assert_int_equal(conn->status, DFS_OK);
}

static void a_reset_is_unreachable(void **state)
{
    const struct dfs_fault_match everybody = {.addr = toy_loopback(0)};
    struct toy_conn *conn;

    (void)state;
    conn = open_stream();
    assert_int_equal(dfs_real_reset(meta.real, &everybody), 1);
    TOY_UNTIL(conn->closed && meta.conns[0].closed, &data, &meta, NULL);
    assert_int_equal(conn->status, DFS_UNREACHABLE);
    assert_int_equal(meta.conns[0].status, DFS_UNREACHABLE);
}

/* A sink that grants no room stops the sender: what is under way is bounded by the kernel's buffers and ours. */
static void back_pressure_stops_and_goes_on(void **state)
{
    const unsigned frames = 64;
    struct toy_conn *conn;
    struct dfs_buf *buf;
    unsigned stalled_at;

    (void)state;
    conn = open_stream();
    meta.conns[0].hold = true;
    buf = pattern(1048576, 7);
    for (unsigned i = 0; i < frames; i++)
        toy_send(&data, conn, "bulk", 4, buf, 1048576);
    toy_for_ms(&data, &meta, 300);
    stalled_at = conn->sent;
    assert_true(stalled_at < frames);
    toy_for_ms(&data, &meta, 100);
    assert_int_equal(conn->sent, stalled_at);
    assert_true(meta.conns[0].frames <= 1);
    meta.conns[0].hold = false;
    meta.env.net->resume(meta.env.ctx, meta.conns[0].conn);
    TOY_UNTIL(meta.conns[0].frames == frames, &data, &meta, NULL);
    assert_int_equal(conn->sent, frames);
    dfs_buf_unref(buf);
}

/* The end of the peer is read after all that he sent. */
static void a_paused_stream_gets_everything_before_the_end(void **state)
{
    struct toy_conn *conn;

    (void)state;
    conn = open_stream();
    meta.conns[0].hold = true;
    for (int i = 0; i < 10; i++)
        toy_send(&data, conn, "text", 4, NULL, 0);
    toy_for_ms(&data, &meta, 20);
    data.env.net->close(data.env.ctx, conn->conn);
    toy_for_ms(&data, &meta, 50);
    assert_false(meta.conns[0].closed);
    meta.conns[0].hold = false;
    meta.env.net->resume(meta.env.ctx, meta.conns[0].conn);
    TOY_UNTIL(meta.conns[0].closed, &data, &meta, NULL);
    assert_int_equal(meta.conns[0].frames, 10);
    assert_int_equal(meta.conns[0].status, DFS_OK);
}

static void a_paused_stream_notices_a_reset(void **state)
{
    const struct dfs_fault_match everybody = {.addr = toy_loopback(0)};

    (void)state;
    (void)open_stream();
    meta.conns[0].hold = true;
    toy_for_ms(&data, &meta, 20);
    meta.env.net->resume(meta.env.ctx, meta.conns[0].conn); /* looks, finds no room, pauses */
    toy_for_ms(&data, &meta, 20);
    assert_int_equal(dfs_real_reset(data.real, &everybody), 1);
    TOY_UNTIL(meta.conns[0].closed, &data, &meta, NULL);
    assert_int_equal(meta.conns[0].status, DFS_UNREACHABLE);
}

static void nothing_is_read_before_attach(void **state)
{
    struct toy_conn *conn;

    (void)state;
    meta.lazy = true;
    conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
    toy_send(&data, conn, "early", 5, NULL, 0);
    TOY_UNTIL(meta.seen[DFS_EV_ACCEPT] == 1, &data, &meta, NULL);
    toy_for_ms(&data, &meta, 30);
    assert_int_equal(meta.seen[DFS_EV_RECV], 0);
    meta.env.net->attach(meta.env.ctx, meta.conns[0].conn, &meta.conns[0].sink, &meta.conns[0]);
    TOY_UNTIL(meta.conns[0].frames == 1, &data, &meta, NULL);
    assert_string_equal(meta.conns[0].last, "early");
}

static void a_peer_that_does_not_read_fills_the_queue(void **state)
{
    static char text[60000];
    struct toy_conn *conn;
    unsigned sent = 0;

    (void)state;
    memset(text, 'x', sizeof text);
    conn = open_stream();
    meta.conns[0].hold = true;
    while (!conn->closed && sent < 10000) {
        toy_send(&data, conn, text, sizeof text, NULL, 0);
        sent++;
        toy_turn(&data, &meta, NULL);
    }
    assert_true(conn->closed);
    assert_int_equal(conn->status, DFS_TOO_LARGE);
    assert_true(sent * sizeof text > DFS_SEND_QUEUE_BYTES_MAX);
}

static void the_queue_limit_is_exact(void **state)
{
    static uint8_t bytes[DFS_SEND_QUEUE_BYTES_MAX];
    struct toy_conn *conn;

    (void)state;
    conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL); /* not open: everything queues */
    data.env.net->send(data.env.ctx, conn->conn, bytes, sizeof bytes, NULL, 0, 0);
    toy_turn(&data, NULL, NULL);
    assert_false(conn->closed);
    data.env.net->send(data.env.ctx, conn->conn, bytes, 1, NULL, 0, 0);
    assert_false(conn->closed); /* never from inside the verb */
    TOY_UNTIL(conn->closed, &data, NULL, NULL);
    assert_int_equal(conn->status, DFS_TOO_LARGE);
}

static void many_streams_share_the_loop(void **state)
{
    struct toy_conn *conns[20];
    struct dfs_buf *buf;

    (void)state;
    meta.echo = true;
    for (size_t i = 0; i < 20; i++)
        conns[i] = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
    buf = pattern(262144, 3);
    for (int round = 0; round < 4; round++)
        for (size_t i = 0; i < 20; i++)
            toy_send(&data, conns[i], "bulk", 4, buf, 262144);
    for (size_t i = 0; i < 20; i++)
        TOY_UNTIL(conns[i]->frames == 4, &data, &meta, NULL);
    dfs_buf_unref(buf);
}

static void handles_never_come_back(void **state)
{
    dfs_conn seen[50];

    (void)state;
    for (size_t i = 0; i < 50; i++) {
        const struct dfs_addr addr = toy_loopback(dfs_real_port(meta.real));

        seen[i] = data.env.net->connect(data.env.ctx, &addr, DFS_ROLE_META, NULL, NULL);
        data.env.net->close(data.env.ctx, seen[i]);
        toy_turn(&data, &meta, NULL);
        for (size_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
        data.env.net->send(data.env.ctx, seen[i], "x", 1, NULL, 0, 0); /* dead: ignored */
        data.env.net->resume(data.env.ctx, seen[i]);
        data.env.net->close(data.env.ctx, seen[i]);
    }
    assert_int_equal(data.seen[DFS_EV_CLOSED], 0);
}

/* The stream of bytes is cut at every place of a small frame, and inside a bulk: the machine sees whole frames or none. */
static void a_stream_cut_anywhere_gives_whole_frames_or_none(void **state)
{
    const uint32_t sizes[2] = {5, 100};
    uint8_t frame[113];

    (void)state;
    memcpy(frame, sizes, sizeof sizes);
    memset(frame + 8, 'f', sizeof frame - 8);
    for (size_t cut = 0; cut <= sizeof frame; cut += 7) {
        const unsigned before = meta.seen[DFS_EV_ACCEPT];
        struct toy_conn *conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
        struct toy_conn *peer = &meta.conns[before];

        TOY_UNTIL(conn->open && peer->open, &data, &meta, NULL);
        data.env.net->send(data.env.ctx, conn->conn, frame, sizeof frame, NULL, 0, 0);
        data.env.net->send(data.env.ctx, conn->conn, frame, cut, NULL, 0, 0);
        data.env.net->close(data.env.ctx, conn->conn);
        TOY_UNTIL(peer->closed, &data, &meta, NULL);
        assert_int_equal(peer->frames, cut == sizeof frame ? 2 : 1);
    }
}

static void byte_by_byte_is_the_same_as_at_once(void **state)
{
    const uint32_t sizes[2] = {5, 100};
    uint8_t frame[113];
    struct toy_conn *conn;

    (void)state;
    memcpy(frame, sizes, sizeof sizes);
    memset(frame + 8, 'f', sizeof frame - 8);
    conn = open_stream();
    for (size_t i = 0; i < sizeof frame; i++) {
        data.env.net->send(data.env.ctx, conn->conn, frame + i, 1, NULL, 0, 0);
        toy_turn(&data, &meta, NULL);
    }
    TOY_UNTIL(meta.conns[0].frames == 1, &data, &meta, NULL);
    assert_true(meta.conns[0].bulk_total == 100);
}

/* Not TLS at all: no event ever reaches the machine, and the socket is closed. */
static void garbage_is_turned_away(void **state)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_storage to;
    const struct dfs_addr addr = toy_loopback(dfs_real_port(meta.real));
    const socklen_t size = dfs_endpoint_to_system(&addr, &to);
    struct dfs_real_stats stats;

    (void)state;
    assert_int_equal(connect(fd, (struct sockaddr *)&to, size), 0);
    assert_int_equal(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    do {
        toy_turn(&meta, NULL, NULL);
        dfs_real_get_stats(meta.real, &stats);
    } while (stats.handshakes_failed == 0);
    assert_int_equal(meta.seen[DFS_EV_ACCEPT] + meta.seen[DFS_EV_CLOSED], 0);
    assert_int_equal(stats.connections, 0);
    (void)close(fd);
}

/* Faults ------------------------------------------------------------------------------------------------------------ */

struct rule {
    enum dfs_fault_passing passing;
    enum dfs_fault_verdict verdict;
    dfs_duration_ns delay;
    unsigned hits;
    unsigned skip; /* lets so many pass first */
};

static enum dfs_fault_verdict judge(void *ctx, const struct dfs_fault_subject *subject, dfs_duration_ns *ret_delay_ns)
{
    struct rule *rule = ctx;

    if (subject->passing != rule->passing || rule->hits++ < rule->skip)
        return DFS_FAULT_PASS;
    *ret_delay_ns = rule->delay;
    return rule->verdict;
}

static void a_filter_drops_one_frame(void **state)
{
    struct rule rule = {.passing = DFS_FAULT_FRAME_OUT, .verdict = DFS_FAULT_DROP, .skip = 1};
    struct toy_conn *conn;
    struct dfs_buf *buf;

    (void)state;
    conn = open_stream();
    dfs_real_set_filter(data.real, judge, &rule);
    buf = pattern(1000, 1);
    toy_send(&data, conn, "one", 3, buf, 1000);
    toy_send(&data, conn, "two", 3, buf, 1000);
    dfs_real_set_filter(data.real, NULL, NULL);
    toy_send(&data, conn, "three", 5, buf, 1000);
    dfs_buf_unref(buf);
    TOY_UNTIL(meta.conns[0].frames == 2 && conn->sent == 3, &data, &meta, NULL);
    assert_string_equal(meta.conns[0].last, "three");
    assert_int_equal(rule.hits, 2);
}

static void a_filter_delays_a_frame_and_those_behind(void **state)
{
    struct rule rule = {.passing = DFS_FAULT_FRAME_OUT, .verdict = DFS_FAULT_DELAY, .delay = 100 * DFS_MILLISECONDS};
    struct toy_conn *conn;
    dfs_time_ns begin;

    (void)state;
    conn = open_stream();
    begin = dfs_real_mono();
    dfs_real_set_filter(data.real, judge, &rule);
    toy_send(&data, conn, "one", 3, NULL, 0);
    dfs_real_set_filter(data.real, NULL, NULL);
    toy_send(&data, conn, "two", 3, NULL, 0);
    TOY_UNTIL(meta.conns[0].frames == 2, &data, &meta, NULL);
    assert_string_equal(meta.conns[0].last, "two");
    assert_true(dfs_real_mono() - begin >= rule.delay);
}

static void a_delayed_frame_leaves_before_the_close(void **state)
{
    struct rule rule = {.passing = DFS_FAULT_FRAME_OUT, .verdict = DFS_FAULT_DELAY, .delay = 50 * DFS_MILLISECONDS};
    struct toy_conn *conn;

    (void)state;
    conn = open_stream();
    dfs_real_set_filter(data.real, judge, &rule);
    toy_send(&data, conn, "one", 3, NULL, 0);
    data.env.net->close(data.env.ctx, conn->conn);
    TOY_UNTIL(meta.conns[0].closed, &data, &meta, NULL);
    assert_int_equal(meta.conns[0].frames, 1);
}

static void a_filter_cuts_a_stream(void **state)
{
    struct rule rule = {.passing = DFS_FAULT_FRAME_OUT, .verdict = DFS_FAULT_CUT};
    struct toy_conn *conn;

    (void)state;
    conn = open_stream();
    dfs_real_set_filter(data.real, judge, &rule);
    toy_send(&data, conn, "one", 3, NULL, 0);
    assert_false(conn->closed);
    TOY_UNTIL(conn->closed && meta.conns[0].closed, &data, &meta, NULL);
    assert_int_equal(conn->status, DFS_UNREACHABLE);
    assert_int_equal(meta.conns[0].status, DFS_UNREACHABLE);
    assert_int_equal(meta.conns[0].frames, 0);
}

static void a_filter_refuses_a_connect(void **state)
{
    struct rule rule = {.passing = DFS_FAULT_CONNECT, .verdict = DFS_FAULT_CUT};
    struct toy_conn *conn;

    (void)state;
    dfs_real_set_filter(data.real, judge, &rule);
    conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
    assert_false(conn->closed);
    TOY_UNTIL(conn->closed, &data, &meta, NULL);
    assert_int_equal(conn->status, DFS_UNREACHABLE);
    assert_int_equal(meta.seen[DFS_EV_ACCEPT], 0);
}

static void a_cut_stalls_and_heals(void **state)
{
    const struct dfs_fault_match whom = {.addr = toy_loopback(0)};
    struct toy_conn *conn;

    (void)state;
    meta.echo = true;
    conn = open_stream();
    assert_int_equal(dfs_real_cut(data.real, &whom, true, true), DFS_OK);
    toy_send(&data, conn, "lost?", 5, NULL, 0);
    toy_for_ms(&data, &meta, 50);
    assert_int_equal(meta.conns[0].frames, 0);
    assert_int_equal(dfs_real_cut(data.real, &whom, true, false), DFS_OK);
    TOY_UNTIL(meta.conns[0].frames == 1, &data, &meta, NULL);
    toy_for_ms(&data, &meta, 50);
    assert_int_equal(conn->frames, 0); /* the way back is still cut */
    assert_int_equal(dfs_real_cut(data.real, &whom, false, false), DFS_OK);
    TOY_UNTIL(conn->frames == 1, &data, &meta, NULL);
    assert_string_equal(conn->last, "lost?");
}

static void a_cut_by_node_stalls_what_it_opened(void **state)
{
    const struct dfs_fault_match whom = {.by_node = true, .node = toy_id(11)};
    struct toy_conn *conn;

    (void)state;
    conn = open_stream();
    assert_int_equal(dfs_real_cut(meta.real, &whom, true, false), DFS_OK);
    toy_send(&data, conn, "stalled", 7, NULL, 0);
    toy_for_ms(&data, &meta, 50);
    assert_int_equal(meta.conns[0].frames, 0);
    assert_int_equal(dfs_real_cut(meta.real, &whom, false, false), DFS_OK);
    TOY_UNTIL(meta.conns[0].frames == 1, &data, &meta, NULL);
}

static void a_connect_into_a_cut_waits_and_goes_on_when_healed(void **state)
{
    const struct dfs_fault_match whom = {.addr = toy_loopback(dfs_real_port(meta.real))};
    struct toy_conn *conn;

    (void)state;
    assert_int_equal(dfs_real_cut(data.real, &whom, false, true), DFS_OK);
    conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
    toy_for_ms(&data, &meta, 50);
    assert_false(conn->open || conn->closed);
    assert_int_equal(dfs_real_cut(data.real, &whom, false, false), DFS_OK);
    TOY_UNTIL(conn->open, &data, &meta, NULL);
}

static void a_crowd_of_clients_leaves_room_for_nodes(void **state)
{
    static struct toy small;
    static struct toy client;
    struct dfs_real_config config = toy_config(&small, &home, DFS_ROLE_META, 10);
    struct dfs_real_stats stats;
    struct toy_conn *conn;
    struct dfs_cert cert;
    unsigned open = 0;

    (void)state;
    assert_int_equal(dfs_ca_issue(&home.ca, DFS_ROLE_META, &home.id, &config.node, &cert), DFS_OK);
    config.certificate.text = cert.certificate;
    config.key.text = cert.key;
    config.connections_max = 3;
    toy_start(&small, &config);
    dfs_cert_close(&cert);
    toy_start_client(&client, &home, NULL);
    for (int i = 0; i < 6; i++)
        (void)toy_connect(&client, &small, DFS_ROLE_META, NULL);
    TOY_UNTIL(client.seen[DFS_EV_CLOSED] == 3 && small.seen[DFS_EV_ACCEPT] == 3, &client, &small, NULL);
    for (size_t i = 0; i < 6; i++)
        open += client.conns[i].open;
    assert_int_equal(open, 3);
    conn = toy_connect(&data, &small, DFS_ROLE_META, NULL);
    TOY_UNTIL(conn->open && small.seen[DFS_EV_ACCEPT] == 4, &data, &small, NULL);
    dfs_real_get_stats(small.real, &stats);
    assert_int_equal(stats.refused, 3);
    assert_int_equal(stats.connections, 4);
    toy_stop(&client);
    toy_stop(&small);
}

/* Connects a socket that says nothing. */
static int connect_silently(const struct toy *to)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_storage system;
    const struct dfs_addr addr = toy_loopback(dfs_real_port(to->real));
    const socklen_t size = dfs_endpoint_to_system(&addr, &system);

    assert_int_equal(connect(fd, (struct sockaddr *)&system, size), 0);
    return fd;
}

static uint64_t failed_handshakes(struct toy *toy)
{
    struct dfs_real_stats stats;

    dfs_real_get_stats(toy->real, &stats);
    return stats.handshakes_failed;
}

static void start_hasty(struct toy *toy)
{
    struct dfs_real_config config = toy_config(toy, &home, DFS_ROLE_META, 10);
    struct dfs_cert cert;

    assert_int_equal(dfs_ca_issue(&home.ca, DFS_ROLE_META, &home.id, &config.node, &cert), DFS_OK);
    config.certificate.text = cert.certificate;
    config.key.text = cert.key;
    config.handshake_ms = 50;
    toy_start(toy, &config);
    dfs_cert_close(&cert);
}

static void who_says_nothing_is_timed_out(void **state)
{
    static struct toy hasty;
    struct rule rule = {.passing = DFS_FAULT_CONNECT, .verdict = DFS_FAULT_DROP};
    struct toy_conn *conn;
    char byte;
    int fd;

    (void)state;
    start_hasty(&hasty);
    fd = connect_silently(&hasty);
    TOY_UNTIL(failed_handshakes(&hasty) == 1, &hasty, NULL, NULL);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    (void)close(fd);
    assert_int_equal(hasty.seen[DFS_EV_ACCEPT] + hasty.seen[DFS_EV_CLOSED], 0);

    dfs_real_set_filter(hasty.real, judge, &rule);
    conn = toy_connect(&hasty, &meta, DFS_ROLE_META, NULL);
    TOY_UNTIL(conn->closed, &hasty, &meta, NULL);
    assert_int_equal(conn->status, DFS_TIMEOUT);
    toy_stop(&hasty);
}

static void silent_strangers_do_not_keep_others_out(void **state)
{
    int fds[DFS_REAL_HANDSHAKES_MAX + 20];
    struct toy_conn *conn;

    (void)state;
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        fds[i] = connect_silently(&meta);
        toy_turn(&meta, NULL, NULL);
    }
    TOY_UNTIL(failed_handshakes(&meta) == 20, &meta, NULL, NULL);
    conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
    TOY_UNTIL(conn->open && meta.seen[DFS_EV_ACCEPT] == 1, &data, &meta, NULL);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        (void)close(fds[i]);
    toy_for_ms(&data, &meta, 20);
    assert_true(conn->open);
}

static void accepting_goes_on_when_descriptors_come_back(void **state)
{
    int fds[1024];
    size_t count = 0;
    struct rlimit before;
    struct rlimit few;
    struct toy_conn *conn;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 256;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < 1024 && (fds[count] = dup(0)) >= 0)
        count++;
    assert_int_equal(errno, EMFILE);
    (void)close(fds[--count]);
    conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL); /* takes the last one */
    toy_for_ms(&data, &meta, 50);
    assert_false(conn->open);
    assert_non_null(strstr(meta.log, "accept: Too many open files"));
    conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
    TOY_UNTIL(conn->closed, &data, &meta, NULL);
    assert_int_equal(conn->status, DFS_UNREACHABLE);
    while (count > 0)
        (void)close(fds[--count]);
    TOY_UNTIL(data.conns[0].open, &data, &meta, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void what_is_queued_leaves_when_the_host_ends(void **state)
{
    struct toy_conn *conn;

    (void)state;
    conn = open_stream();
    toy_send(&data, conn, "last words", 10, NULL, 0);
    toy_stop(&data);
    TOY_UNTIL(meta.conns[0].closed, &meta, NULL, NULL);
    assert_string_equal(meta.conns[0].last, "last words");
    assert_int_equal(meta.conns[0].status, DFS_OK);
}

static uint32_t drawn;

static uint32_t draw(uint32_t below)
{
    drawn = drawn * 1664525 + 1013904223;
    return (drawn >> 8) % below;
}

static void forget_slot(struct toy_conn *conn)
{
    dfs_buf_unref(conn->bulk);
    memset(conn, 0, sizeof *conn);
}

/* One random thing that a machine may do to one of its connections. */
static void do_something(struct toy *toy, struct toy *other, struct dfs_buf *buf)
{
    struct toy_conn *conn = &toy->conns[draw(16)];

    if (conn->conn == 0) {
        if (toy == &data)
            (void)toy_connect(toy, other, draw(8) == 0 ? DFS_ROLE_AUTH : DFS_ROLE_META, NULL);
        return;
    }
    switch (draw(8)) {
    case 0:
        toy->env.net->close(toy->env.ctx, conn->conn);
        forget_slot(conn);
        break;
    case 1:
        conn->hold = true;
        break;
    case 2:
        conn->hold = false;
        toy->env.net->resume(toy->env.ctx, conn->conn);
        break;
    case 3:
        toy_send(toy, conn, "bulk", 4, buf, 1 + draw(200000));
        break;
    default:
        toy_send(toy, conn, "small", draw(6), NULL, 0);
        break;
    }
}

static void free_closed(struct toy *toy)
{
    for (size_t i = 0; i < TOY_CONNS; i++)
        if (toy->conns[i].closed)
            forget_slot(&toy->conns[i]);
}

/* Whatever two machines do to their connections: no buffer is lost, no event comes for what is gone (the toy asserts). */
static void streams_come_and_go(void **state)
{
    const struct dfs_fault_match everybody = {.addr = toy_loopback(0)};
    struct dfs_buf *of_data = pattern(200000, 1);
    struct dfs_buf *of_meta = dfs_buf_new(&meta.pool, 200000);

    (void)state;
    drawn = 1;
    memset(of_meta->bytes, 0, 200000);
    for (unsigned i = 0; i < 4000; i++) {
        do_something(&data, &meta, of_data);
        do_something(&meta, &data, of_meta);
        if (draw(200) == 0)
            (void)dfs_real_reset(draw(2) == 0 ? data.real : meta.real, &everybody);
        if (draw(100) == 0)
            assert_int_equal(dfs_real_cut(meta.real, &everybody, draw(2) == 0, draw(2) == 0), DFS_OK);
        if (draw(4) == 0) {
            (void)dfs_real_poll(data.real, 0);
            (void)dfs_real_poll(meta.real, 0);
        }
        free_closed(&data);
        free_closed(&meta);
    }
    assert_true(meta.seen[DFS_EV_RECV] > 0 && data.seen[DFS_EV_CLOSED] > 0);
    dfs_buf_unref(of_data);
    dfs_buf_unref(of_meta);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_come_back_with_their_bulk),
        TEST(frames_of_any_size_leave_and_arrive_at_once),
        TEST(frames_sent_before_open_wait_for_it),
        TEST(a_close_before_open_still_sends),
        TEST(a_close_sends_everything_first),
        TEST(the_last_frame_arrives_though_the_peer_keeps_talking),
        TEST(a_host_that_ends_closes_in_order),
        TEST(a_reset_is_unreachable),
        TEST(back_pressure_stops_and_goes_on),
        TEST(a_paused_stream_gets_everything_before_the_end),
        TEST(a_paused_stream_notices_a_reset),
        TEST(nothing_is_read_before_attach),
        TEST(a_peer_that_does_not_read_fills_the_queue),
        TEST(the_queue_limit_is_exact),
        TEST(many_streams_share_the_loop),
        TEST(handles_never_come_back),
        TEST(a_stream_cut_anywhere_gives_whole_frames_or_none),
        TEST(byte_by_byte_is_the_same_as_at_once),
        TEST(garbage_is_turned_away),
        TEST(a_filter_drops_one_frame),
        TEST(a_filter_delays_a_frame_and_those_behind),
        TEST(a_delayed_frame_leaves_before_the_close),
        TEST(a_filter_cuts_a_stream),
        TEST(a_filter_refuses_a_connect),
        TEST(a_cut_stalls_and_heals),
        TEST(a_cut_by_node_stalls_what_it_opened),
        TEST(a_connect_into_a_cut_waits_and_goes_on_when_healed),
        TEST(a_crowd_of_clients_leaves_room_for_nodes),
        TEST(who_says_nothing_is_timed_out),
        TEST(silent_strangers_do_not_keep_others_out),
        TEST(accepting_goes_on_when_descriptors_come_back),
        TEST(what_is_queued_leaves_when_the_host_ends),
        TEST(streams_come_and_go),
    };

    return cmocka_run_group_tests_name("net_real/stream", tests, set_up_group, tear_down_group);
}

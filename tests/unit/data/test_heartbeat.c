/* HEARTBEAT, its repetitions, and the lease that the acknowledgements are. */
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS DFS_MILLISECONDS

static void up(struct data_rig *r)
{
    rig_init(r);
    rig_start(r);
    rig_join(r);
    fake_forget(&r->f);
}

/* Time passes until the next heartbeat leaves. */
static struct dfs_m_heartbeat next_beat(struct data_rig *r)
{
    struct dfs_m_heartbeat beat;

    while (!rig_heartbeat_sent(r, &beat)) {
        assert_true(r->f.deadline != DFS_NEVER);
        fake_until(&r->f, r->f.deadline, true);
    }
    return beat;
}

static void test_first_beat_comes_with_joined(void **state)
{
    struct data_rig r;
    struct dfs_m_heartbeat beat;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    fake_open(&r.f, r.control);
    rig_joined(&r, 100);
    beat = rig_heartbeat(&r);
    assert_int_equal(beat.sequence, 1);
    assert_int_equal(beat.incarnation, 100);
    assert_int_equal(beat.capacity_bytes, 1000000000);
    assert_false(beat.fenced);
    rig_close(&r);
}

static void test_beats_keep_phase_and_interval(void **state)
{
    struct data_rig r;
    struct dfs_m_heartbeat beat;
    dfs_time_ns first, at;

    (void)state;
    up(&r);
    beat = next_beat(&r);
    first = r.f.mono;
    assert_true(first > 1000 * DFS_SECONDS && first <= 1001 * DFS_SECONDS);
    for (unsigned i = 1; i <= 5; i++) {
        rig_ack(&r, beat.sequence);
        beat = next_beat(&r);
        at = r.f.mono;
        assert_int_equal(at - first, i * RIG_INTERVAL);
        assert_int_equal(beat.sequence, 2 + i);
    }
    rig_close(&r);
}

static void test_unanswered_beat_is_repeated_at_a_quarter_and_a_half(void **state)
{
    struct data_rig r;
    struct dfs_m_heartbeat beat;
    dfs_time_ns first;

    (void)state;
    up(&r);
    beat = next_beat(&r);
    first = r.f.mono;
    assert_int_equal(next_beat(&r).sequence, beat.sequence);
    assert_int_equal(r.f.mono - first, RIG_INTERVAL / 4);
    assert_int_equal(next_beat(&r).sequence, beat.sequence);
    assert_int_equal(r.f.mono - first, RIG_INTERVAL / 2);
    assert_int_equal(next_beat(&r).sequence, beat.sequence + 1);
    assert_int_equal(r.f.mono - first, RIG_INTERVAL);
    rig_close(&r);
}

static void test_acknowledgement_ends_the_repetitions(void **state)
{
    struct data_rig r;
    struct dfs_m_heartbeat beat;
    dfs_time_ns first;

    (void)state;
    up(&r);
    beat = next_beat(&r);
    first = r.f.mono;
    (void)next_beat(&r);
    rig_ack(&r, beat.sequence);
    assert_int_equal(next_beat(&r).sequence, beat.sequence + 1);
    assert_int_equal(r.f.mono - first, RIG_INTERVAL);
    rig_close(&r);
}

static void test_lease_ends_two_intervals_after_the_sending(void **state)
{
    struct data_rig r;
    struct dfs_m_heartbeat beat;
    dfs_time_ns sent;

    (void)state;
    up(&r);
    beat = next_beat(&r);
    sent = r.f.mono;
    /* Acknowledged only after the second repetition: the lease counts from the first sending. */
    (void)next_beat(&r);
    (void)next_beat(&r);
    fake_pass(&r.f, 100 * MS);
    rig_ack(&r, beat.sequence);
    fake_until(&r.f, sent + 2 * RIG_INTERVAL - 1, true);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_FENCED), 0);
    fake_until(&r.f, sent + 2 * RIG_INTERVAL, true);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_FENCED), 1);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_FENCED)->a, 100);
    assert_true(fake_trace_state(&r.f, "lease", "HELD", "FENCED", "timeout"));
    rig_close(&r);
}

/* Two intervals of the monotonic clock: a wall clock that is set, back or on, makes them no longer and no shorter. */
static void test_lease_is_no_affair_of_the_wall_clock(void **state)
{
    static const int64_t hours[] = {-1, 1};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct data_rig r;
        dfs_time_ns sent;

        up(&r);
        const struct dfs_m_heartbeat beat = next_beat(&r);

        sent = r.f.mono;
        rig_ack(&r, beat.sequence);
        r.f.wall += (dfs_time_ns)(hours[i] * 3600 * (int64_t)DFS_SECONDS);
        fake_until(&r.f, sent + 2 * RIG_INTERVAL - 1, true);
        assert_int_equal(fake_traces(&r.f, DFS_TRACE_FENCED), 0);
        fake_until(&r.f, sent + 2 * RIG_INTERVAL, true);
        assert_int_equal(fake_traces(&r.f, DFS_TRACE_FENCED), 1);
        rig_close(&r);
    }
}

static void test_fenced_server_says_so_and_refuses_the_first_hop_only(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const unsigned order[] = {1, 0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint8_t bytes[1000];
    struct dfs_m_heartbeat beat;
    struct dfs_w_grant grant;
    uint32_t request;
    struct fake_message m;

    (void)state;
    up(&r);
    fake_pass(&r.f, 2 * RIG_INTERVAL + RIG_INTERVAL / 2);
    do
        beat = next_beat(&r);
    while (!beat.fenced);

    rig_fill(bytes, sizeof bytes, 1);
    dfs_conn conn = rig_client(&r);
    request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    m = fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN);
    assert_int_equal(m.request, request);
    assert_int_equal(m.body->block_written.status, DFS_FENCED);
    assert_int_equal(m.body->block_written.receipts_count, 0);

    conn = rig_peer(&r, 1);
    grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 2, replicas);
    request = rig_write_header(&r, conn, &grant, 1, 1, sizeof bytes);
    rig_frames(&r, conn, request, bytes, sizeof bytes, 0, sizeof bytes);
    fake_disk_run(&r.f);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN).body->block_written.status, DFS_OK);
    rig_close(&r);
}

static void test_next_acknowledgement_lifts_the_fence(void **state)
{
    struct data_rig r;
    struct dfs_m_heartbeat beat;

    (void)state;
    up(&r);
    do
        beat = next_beat(&r);
    while (!beat.fenced);
    rig_ack(&r, beat.sequence);
    assert_true(fake_trace_state(&r.f, "lease", "FENCED", "HELD", "heartbeat_ack"));
    do
        beat = next_beat(&r);
    while (beat.fenced);
    assert_int_equal(fake_connected(&r.f), r.control); /* no new connection was needed */
    rig_close(&r);
}

static void test_fenced_for_an_interval_joins_again(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r);
    fake_until(&r.f, 1000 * DFS_SECONDS + 3 * RIG_INTERVAL + 10 * MS, true);
    assert_true(fake_trace_state(&r.f, "node", "SERVING", "WAITING", "fenced"));
    fake_pass(&r.f, RIG_INTERVAL);
    assert_int_not_equal(fake_connected(&r.f), r.control);
    r.control = fake_connected(&r.f);
    assert_int_equal(fake_expect(&r.f, r.control, DFS_MSG_JOIN).body->join.store_lost, 0);
    rig_close(&r);
}

static void test_own_sleep_fences(void **state)
{
    struct data_rig r;
    struct dfs_m_heartbeat beat;

    (void)state;
    up(&r);
    beat = next_beat(&r);
    /* SIGSTOP for ten seconds; then the acknowledgement of before is read from the socket. */
    r.f.mono += 10 * DFS_SECONDS;
    rig_ack(&r, beat.sequence);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_FENCED), 1);
    assert_false(fake_trace_state(&r.f, "lease", "FENCED", "HELD", NULL));
    rig_close(&r);
}

static void test_wrong_acknowledgements_change_nothing(void **state)
{
    struct data_rig r;
    struct dfs_m_heartbeat beat;
    struct dfs_m_heartbeat_ack ack;
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    struct dfs_key key = {{0}};
    struct dfs_mac mac;
    size_t count;
    uint64_t refused;

    (void)state;
    up(&r);
    beat = next_beat(&r);
    refused = rig_metric(&r, "datagrams_refused");

    rig_ack(&r, beat.sequence - 1); /* late */
    rig_ack(&r, beat.sequence + 1); /* of a heartbeat that was never sent */
    assert_int_equal(rig_metric(&r, "heartbeats_acknowledged"), 1);

    ack = (struct dfs_m_heartbeat_ack){.node = r.nodes[0], .incarnation = 100, .sequence = beat.sequence};
    dfs_mac_init(&mac, &key); /* forged */
    count = dfs_datagram_encode(DFS_MSG_HEARTBEAT_ACK, &ack, &mac, bytes);
    dfs_mac_close(&mac);
    fake_datagram_in(&r.f, &r.config.meta, bytes, count);

    dfs_heartbeat_key_derive(&r.root, &r.nodes[0], 100, &key);
    dfs_mac_init(&mac, &key);
    ack.incarnation = 99; /* of an older life */
    count = dfs_datagram_encode(DFS_MSG_HEARTBEAT_ACK, &ack, &mac, bytes);
    fake_datagram_in(&r.f, &r.config.meta, bytes, count);
    ack.incarnation = 100;
    ack.node = r.nodes[1]; /* another node's */
    count = dfs_datagram_encode(DFS_MSG_HEARTBEAT_ACK, &ack, &mac, bytes);
    fake_datagram_in(&r.f, &r.config.meta, bytes, count);
    dfs_mac_close(&mac);
    fake_datagram_in(&r.f, &r.config.meta, bytes, count - 1);
    fake_datagram_in(&r.f, &r.config.meta, (const uint8_t *)"x", 1);
    assert_int_equal(rig_metric(&r, "datagrams_refused"), refused + 5);
    assert_int_equal(rig_metric(&r, "heartbeats_acknowledged"), 1);
    rig_close(&r);
}

static void test_beat_tells_digest_change_and_room(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const struct dfs_w_block named = {.file = block.file, .index = 1, .generation = 1};
    uint8_t bytes[1000];
    struct dfs_m_heartbeat beat;

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    rig_store(&r, &block, bytes, sizeof bytes);
    beat = next_beat(&r);
    assert_int_equal(beat.change, 1);
    assert_int_equal(beat.blocks, 1);
    assert_int_equal(beat.digest, dfs_block_digest(&named, sizeof bytes));
    assert_true(beat.free_bytes < 1000000000 - sizeof bytes && beat.free_bytes > 1000000000 - 2 * sizeof bytes);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_beat_comes_with_joined),
        cmocka_unit_test(test_beats_keep_phase_and_interval),
        cmocka_unit_test(test_unanswered_beat_is_repeated_at_a_quarter_and_a_half),
        cmocka_unit_test(test_acknowledgement_ends_the_repetitions),
        cmocka_unit_test(test_lease_ends_two_intervals_after_the_sending),
        cmocka_unit_test(test_lease_is_no_affair_of_the_wall_clock),
        cmocka_unit_test(test_fenced_server_says_so_and_refuses_the_first_hop_only),
        cmocka_unit_test(test_next_acknowledgement_lifts_the_fence),
        cmocka_unit_test(test_fenced_for_an_interval_joins_again),
        cmocka_unit_test(test_own_sleep_fences),
        cmocka_unit_test(test_wrong_acknowledgements_change_nothing),
        cmocka_unit_test(test_beat_tells_digest_change_and_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

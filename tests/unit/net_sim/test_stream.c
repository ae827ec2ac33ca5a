#include "tests/unit/net_sim/toy.h"

#define LATENCY (500 * DFS_MICROSECONDS) /* the default */

/* What the client does by command: */
enum { DO_CONNECT = 1, DO_SEND, DO_CLOSE, DO_BULK, DO_FLOOD, DO_RESUME, DO_SEND_MANY, DO_CONNECT_SEND_CLOSE };

struct client {
    dfs_conn conn;
    unsigned to;
    uint64_t salt;
    uint64_t offset; /* of the next byte of the stream */
    size_t count;    /* bytes of a frame */
    unsigned frames;
    bool attach;
};

static void send_frame(struct toy *toy, struct client *client, size_t count)
{
    uint8_t *bytes = dfs_alloc(count);

    toy_fill(bytes, client->salt, client->offset, count);
    client->offset += count;
    toy->env.net->send(toy->env.ctx, client->conn, bytes, count, NULL, 0, 0);
    dfs_free(bytes);
}

static void send_bulk(struct toy *toy, struct client *client, size_t head, size_t bulk)
{
    struct dfs_buf *buf = dfs_buf_new(&toy->pool, bulk + 7);
    uint8_t bytes[256];

    assert_non_null(buf);
    toy_fill(bytes, client->salt, client->offset, head);
    toy_fill(buf->bytes + 7, client->salt, client->offset + head, bulk);
    client->offset += head + bulk;
    toy_sending(toy, buf);
    toy->env.net->send(toy->env.ctx, client->conn, bytes, head, buf, 7, bulk);
}

static void on_client(struct toy *toy, const struct dfs_event *event)
{
    struct client *client = toy->plan->arg;

    if (event->kind != DFS_EV_COMMAND)
        return;
    switch (event->command.code) {
    case DO_CONNECT:
    case DO_CONNECT_SEND_CLOSE:
        client->conn = toy_connect(toy, client->to);
        assert_int_not_equal(client->conn, 0);
        if (client->attach)
            (void)toy_attach(toy, client->conn);
        if (event->command.code == DO_CONNECT)
            break;
        send_frame(toy, client, 10);
        send_frame(toy, client, 20);
        toy->env.net->close(toy->env.ctx, client->conn);
        break;
    case DO_SEND:
        send_frame(toy, client, client->count);
        break;
    case DO_SEND_MANY:
        for (unsigned i = 0; i < client->frames; i++)
            send_frame(toy, client, 1 + (i * 37) % client->count);
        break;
    case DO_BULK:
        send_bulk(toy, client, 100, client->count);
        break;
    case DO_FLOOD:
        for (unsigned i = 0; i < client->frames; i++)
            send_frame(toy, client, 65536);
        break;
    case DO_CLOSE:
        toy->env.net->close(toy->env.ctx, client->conn);
        break;
    default:
        break;
    }
}

/* The server answers commands about what it accepted. */
static void on_server(struct toy *toy, const struct dfs_event *event)
{
    struct toy_plan *plan = toy->plan;

    if (event->kind != DFS_EV_COMMAND)
        return;
    if (event->command.code == DO_RESUME) {
        plan->sinks[0].grant += (size_t)(uintptr_t)plan->arg;
        toy->env.net->resume(toy->env.ctx, plan->conns[0].conn);
    } else if (event->command.code == DO_CLOSE) {
        toy->env.net->close(toy->env.ctx, plan->conns[0].conn);
    } else if (event->command.code == DO_SEND) {
        toy->env.net->send(toy->env.ctx, plan->conns[0].conn, "reply", 5, NULL, 0, 0);
    }
}

struct pair {
    struct sim_world *world;
    struct toy_plan client_plan;
    struct toy_plan server_plan;
    struct client client;
    struct sim_host *c;
    struct sim_host *s;
};

static void pair_open(struct pair *pair, const struct sim_world_options *options, uint64_t seed)
{
    memset(pair, 0, sizeof *pair);
    pair->world = sim_world_new(seed, options);
    pair->client = (struct client){.to = 2, .salt = 5, .count = 1000, .frames = 10};
    pair->client_plan.on = on_client;
    pair->client_plan.arg = &pair->client;
    pair->server_plan.on = on_server;
    pair->server_plan.attach = true;
    pair->c = toy_host(pair->world, "c", 1, &pair->client_plan);
    pair->s = toy_host(pair->world, "s", 2, &pair->server_plan);
}

static void pair_close(struct pair *pair)
{
    sim_world_free(pair->world);
    toy_plan_close(&pair->client_plan);
    toy_plan_close(&pair->server_plan);
}

static void run_for(struct pair *pair, dfs_duration_ns length)
{
    (void)sim_world_run(pair->world, sim_world_now(pair->world) + length);
}

static void do_and_run(struct pair *pair, uint32_t code)
{
    toy_do(&pair->client_plan, code);
    run_for(pair, 100 * DFS_MILLISECONDS);
}

static void assert_received(const struct pair *pair, size_t count)
{
    assert_int_equal(pair->server_plan.sinks[0].count, count);
    assert_true(toy_is_filled(pair->server_plan.sinks[0].bytes, pair->client.salt, 0, count));
}

/* Connecting ------------------------------------------------------------------------------------------------------- */

static void test_connecting_takes_one_and_a_half_round_trips(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    do_and_run(&pair, DO_CONNECT);
    assert_int_equal(pair.client_plan.events[DFS_EV_OPEN], 1);
    assert_int_equal(pair.server_plan.events[DFS_EV_ACCEPT], 1);
    assert_int_equal(pair.client_plan.open_at, 3 * LATENCY);
    assert_int_equal(pair.server_plan.accept_at, 4 * LATENCY);
    assert_int_equal(pair.server_plan.peer.kind, DFS_PEER_NODE);
    assert_int_equal(pair.server_plan.peer.node.bytes[15], 1);
    do_and_run(&pair, DO_SEND);
    assert_received(&pair, 1000);
    assert_int_equal(pair.server_plan.recv_at, 100 * DFS_MILLISECONDS + LATENCY);
    pair_close(&pair);
}

static void test_frames_before_open_queue_and_close_sends_them(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    do_and_run(&pair, DO_CONNECT_SEND_CLOSE);
    assert_received(&pair, 30);
    assert_int_equal(pair.client_plan.events[DFS_EV_OPEN], 0); /* closed: no further events */
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], 0);
    assert_int_equal(pair.server_plan.events[DFS_EV_CLOSED], 1);
    assert_int_equal(pair.server_plan.closed, DFS_OK);
    pair_close(&pair);
}

static void test_no_listener_is_unreachable_after_a_round_trip(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    pair.client.to = 77; /* nobody */
    do_and_run(&pair, DO_CONNECT);
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], 1);
    assert_int_equal(pair.client_plan.closed, DFS_UNREACHABLE);
    pair.client.to = 2;
    sim_host_crash(pair.s, SIM_UNSYNCED_LOSE, SIM_STREAMS_RESET); /* killed: the operating system refuses */
    do_and_run(&pair, DO_CONNECT);
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], 2);
    assert_int_equal(pair.client_plan.closed_at, 100 * DFS_MILLISECONDS + 2 * LATENCY);
    pair_close(&pair);
}

static void test_a_dark_host_never_answers_until_it_is_back(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    sim_host_crash(pair.s, SIM_UNSYNCED_LOSE, SIM_STREAMS_SILENT);
    do_and_run(&pair, DO_CONNECT);
    run_for(&pair, 100 * DFS_SECONDS);
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED] + pair.client_plan.events[DFS_EV_OPEN], 0);
    sim_host_restart(pair.s);
    run_for(&pair, 2 * DFS_SECONDS);
    assert_int_equal(pair.client_plan.events[DFS_EV_OPEN], 1);
    pair_close(&pair);
}

static void test_identities_are_checked_as_by_certificates(void **state)
{
    struct dfs_peer peer = {.kind = DFS_PEER_NODE, .role = DFS_ROLE_DATA};
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    peer.node = toy_id(9); /* another node */
    sim_host_peer_set(pair.s, &peer);
    do_and_run(&pair, DO_CONNECT);
    assert_int_equal(pair.client_plan.closed, DFS_UNREACHABLE);
    peer.node = toy_id(2);
    peer.role = DFS_ROLE_META;
    sim_host_peer_set(pair.s, &peer);
    do_and_run(&pair, DO_CONNECT);
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], 2);
    assert_int_equal(pair.client_plan.closed, DFS_UNREACHABLE);
    peer.role = DFS_ROLE_DATA;
    peer.kind = DFS_PEER_CLIENT; /* no certificate of this cluster */
    sim_host_peer_set(pair.s, &peer);
    do_and_run(&pair, DO_CONNECT);
    assert_int_equal(pair.client_plan.closed, DFS_WRONG_CLUSTER);
    assert_int_equal(pair.server_plan.events[DFS_EV_ACCEPT], 0);
    peer.kind = DFS_PEER_NODE;
    sim_host_peer_set(pair.s, &peer);
    do_and_run(&pair, DO_CONNECT);
    assert_int_equal(pair.client_plan.events[DFS_EV_OPEN], 1);
    pair_close(&pair);
}

/* Bytes ------------------------------------------------------------------------------------------------------------ */

static void test_order_and_bytes_survive_latency_loss_and_bandwidth(void **state)
{
    struct sim_world_options options = sim_world_options_default();

    (void)state;
    options.link.latency = (struct sim_range){.min = 10000, .max = 5000000};
    options.link.loss_ppb = SIM_PPB_ONE / 20;
    options.link.bytes_per_second = 10000000;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct pair pair;

        pair_open(&pair, &options, seed);
        pair.client.frames = 200;
        pair.client.count = 3000;
        do_and_run(&pair, DO_CONNECT);
        do_and_run(&pair, DO_SEND_MANY);
        run_for(&pair, 2 * DFS_SECONDS);
        assert_received(&pair, (size_t)pair.client.offset);
        assert_int_equal(sim_world_counts(pair.world)->frames_delivered, 200);
        pair_close(&pair);
    }
}

static void test_a_stream_can_be_cut_anywhere(void **state)
{
    struct sim_world_options options = sim_world_options_default();
    size_t most = 0;

    (void)state;
    for (unsigned mode = 0; mode < 2; mode++) {
        struct pair pair;

        options.link.cut_ppb = mode == 0 ? SIM_PPB_ONE : 0;
        options.link.dribble_ppb = mode == 0 ? 0 : SIM_PPB_ONE;
        pair_open(&pair, &options, 3);
        pair.client.count = 1000;
        do_and_run(&pair, DO_CONNECT);
        for (unsigned i = 0; i < 5; i++)
            do_and_run(&pair, DO_SEND);
        assert_received(&pair, 5000);
        assert_int_equal(pair.server_plan.events[DFS_EV_RECV], pair.server_plan.sinks[0].gots);
        if (mode == 1)
            assert_int_equal(pair.server_plan.sinks[0].gots, 5000);
        else
            assert_in_range(pair.server_plan.sinks[0].gots, 20, 500);
        most = pair.server_plan.sinks[0].gots > most ? pair.server_plan.sinks[0].gots : most;
        pair_close(&pair);
    }
    assert_int_equal(most, 5000);
}

static void test_recv_comes_only_when_the_sink_is_complete(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    pair.server_plan.frame = 2500;
    pair.client.frames = 10;
    do_and_run(&pair, DO_CONNECT);
    pair.client.count = 1000;
    for (unsigned i = 0; i < 4; i++)
        do_and_run(&pair, DO_SEND);
    assert_received(&pair, 4000);
    assert_int_equal(pair.server_plan.events[DFS_EV_RECV], 1);
    do_and_run(&pair, DO_SEND);
    assert_int_equal(pair.server_plan.events[DFS_EV_RECV], 1); /* 2000 since the last */
    do_and_run(&pair, DO_SEND);
    assert_int_equal(pair.server_plan.events[DFS_EV_RECV], 2);
    pair_close(&pair);
}

static void test_no_room_stops_reading_until_resume(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    pair.server_plan.grant = 700;
    pair.server_plan.arg = (void *)(uintptr_t)800;
    do_and_run(&pair, DO_CONNECT);
    do_and_run(&pair, DO_SEND);
    do_and_run(&pair, DO_SEND);
    assert_received(&pair, 700);
    toy_do(&pair.server_plan, DO_RESUME);
    run_for(&pair, DFS_MILLISECONDS);
    assert_received(&pair, 1500);
    toy_do(&pair.server_plan, DO_RESUME);
    run_for(&pair, DFS_MILLISECONDS);
    assert_received(&pair, 2000);
    pair_close(&pair);
}

static void test_nothing_is_read_before_attach(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    pair.server_plan.attach = false;
    do_and_run(&pair, DO_CONNECT);
    do_and_run(&pair, DO_SEND);
    assert_int_equal(pair.server_plan.events[DFS_EV_ACCEPT], 1);
    assert_int_equal(pair.server_plan.events[DFS_EV_RECV], 0);
    pair_close(&pair);
}

static void test_bulk_is_told_as_sent_when_it_has_left(void **state)
{
    struct sim_world_options options = sim_world_options_default();
    struct pair pair;

    (void)state;
    options.link.bytes_per_second = 100000000; /* 10 ns a byte */
    pair_open(&pair, &options, 1);
    do_and_run(&pair, DO_CONNECT);
    pair.client.count = 262144;
    do_and_run(&pair, DO_BULK);
    assert_int_equal(pair.client_plan.events[DFS_EV_SENT], 1);
    assert_int_equal(pair.client_plan.sent_at, 100 * DFS_MILLISECONDS + 10 * UINT64_C(262244));
    assert_int_equal(pair.server_plan.recv_at, pair.client_plan.sent_at + LATENCY);
    assert_received(&pair, 262244);
    assert_int_equal(pair.client_plan.toy->pool.bytes_out, 0);
    /* Frames share the link: four leave one after another. */
    for (unsigned i = 0; i < 4; i++)
        toy_do(&pair.client_plan, DO_BULK);
    run_for(&pair, 100 * DFS_MILLISECONDS);
    assert_int_equal(pair.client_plan.sent_at, 200 * DFS_MILLISECONDS + 40 * UINT64_C(262244));
    pair_close(&pair);
}

static void test_buffers_are_given_back_when_the_machine_goes(void **state)
{
    struct sim_world_options options = sim_world_options_default();
    struct pair pair;
    struct dfs_buf_pool *pool;

    (void)state;
    options.link.bytes_per_second = 1000000;
    pair_open(&pair, &options, 1);
    do_and_run(&pair, DO_CONNECT);
    pair.client.count = 262144;
    for (unsigned i = 0; i < 20; i++)
        toy_do(&pair.client_plan, DO_BULK);
    run_for(&pair, DFS_MILLISECONDS);
    pool = &pair.client_plan.toy->pool;
    assert_true(pool->bytes_out > (size_t)20 * 262144);
    /* The toy never dropped its own reference: only ours may be gone after a close. */
    do_and_run(&pair, DO_CLOSE);
    run_for(&pair, 30 * DFS_SECONDS);
    assert_received(&pair, (size_t)20 * 262244); /* what was queued went before the end */
    assert_int_equal(pair.server_plan.closed, DFS_OK);
    assert_int_equal(pair.server_plan.events[DFS_EV_CLOSED], 1);
    pair_close(&pair);
}

static void test_a_peer_that_does_not_read_fills_buffers_then_the_queue_then_closes(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    pair.server_plan.attach = false;
    do_and_run(&pair, DO_CONNECT);
    pair.client.frames = 64; /* 4 MiB: what the buffers of a stream hold */
    do_and_run(&pair, DO_FLOOD);
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], 0);
    pair.client.frames = 8; /* and 512 KiB that wait */
    do_and_run(&pair, DO_FLOOD);
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], 0);
    pair.client.count = 1;
    do_and_run(&pair, DO_SEND);
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], 1);
    assert_int_equal(pair.client_plan.closed, DFS_TOO_LARGE);
    assert_int_equal(pair.server_plan.events[DFS_EV_CLOSED], 1);
    assert_int_equal(pair.server_plan.closed, DFS_UNREACHABLE);
    pair_close(&pair);
}

static void test_a_reader_that_wakes_up_gets_all_that_waited(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    pair.server_plan.grant = 1;
    pair.server_plan.arg = (void *)(uintptr_t)(100u << 20);
    do_and_run(&pair, DO_CONNECT);
    pair.client.frames = 70;
    do_and_run(&pair, DO_FLOOD);
    assert_received(&pair, 1);
    toy_do(&pair.server_plan, DO_RESUME);
    run_for(&pair, 100 * DFS_MILLISECONDS);
    assert_received(&pair, (size_t)70 * 65536);
    pair_close(&pair);
}

static void test_replies_and_the_end_of_both_sides(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    pair.client.attach = true;
    do_and_run(&pair, DO_CONNECT);
    do_and_run(&pair, DO_SEND);
    toy_do(&pair.server_plan, DO_SEND);
    toy_do(&pair.server_plan, DO_CLOSE);
    run_for(&pair, 100 * DFS_MILLISECONDS);
    assert_int_equal(pair.client_plan.sinks[0].count, 5);
    assert_memory_equal(pair.client_plan.sinks[0].bytes, "reply", 5);
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], 1);
    assert_int_equal(pair.client_plan.closed, DFS_OK);
    do_and_run(&pair, DO_SEND); /* verbs on a dead handle do nothing */
    do_and_run(&pair, DO_CLOSE);
    assert_int_equal(pair.server_plan.events[DFS_EV_CLOSED], 0);
    assert_received(&pair, 1000);
    do_and_run(&pair, DO_CONNECT); /* and handles are not used again */
    assert_int_equal(pair.client_plan.events[DFS_EV_OPEN], 2);
    pair_close(&pair);
}

/* Crashes ---------------------------------------------------------------------------------------------------------- */

static void test_a_killed_peer_resets_a_dark_one_is_silent(void **state)
{
    for (unsigned dark = 0; dark < 2; dark++) {
        struct pair pair;
        uint64_t closed = 0;

        (void)state;
        pair_open(&pair, NULL, 1);
        do_and_run(&pair, DO_CONNECT);
        sim_host_crash(pair.s, SIM_UNSYNCED_LOSE, dark ? SIM_STREAMS_SILENT : SIM_STREAMS_RESET);
        run_for(&pair, 100 * DFS_SECONDS);
        assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], dark ? 0 : 1);
        do_and_run(&pair, DO_SEND);
        run_for(&pair, 100 * DFS_SECONDS);
        closed = pair.client_plan.events[DFS_EV_CLOSED];
        assert_int_equal(closed, dark ? 0 : 1);
        sim_host_restart(pair.s); /* now somebody is there to say that the connection is unknown */
        run_for(&pair, 2 * DFS_SECONDS);
        assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], 1);
        assert_int_equal(pair.client_plan.closed, DFS_UNREACHABLE);
        pair_close(&pair);
    }
}

static void test_a_crashed_sender_leaves_what_has_left(void **state)
{
    struct sim_world_options options = sim_world_options_default();
    struct pair pair;

    (void)state;
    options.link.bytes_per_second = 1000000; /* a frame of 1000 bytes a millisecond */
    pair_open(&pair, &options, 1);
    do_and_run(&pair, DO_CONNECT);
    for (unsigned i = 0; i < 10; i++)
        toy_do(&pair.client_plan, DO_SEND);
    run_for(&pair, 3500 * DFS_MICROSECONDS);
    sim_host_crash(pair.c, SIM_UNSYNCED_LOSE, SIM_STREAMS_SILENT);
    run_for(&pair, DFS_SECONDS);
    assert_received(&pair, 3000);
    assert_int_equal(pair.server_plan.events[DFS_EV_CLOSED], 0);
    pair_close(&pair);
}

static void test_a_clean_stop_ends_streams_orderly(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    do_and_run(&pair, DO_CONNECT);
    sim_host_stop(pair.s);
    run_for(&pair, DFS_SECONDS);
    assert_int_equal(pair.client_plan.closed, DFS_OK);
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], 1);
    pair_close(&pair);
}

static void test_a_paused_reader_backs_up_and_catches_up(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, NULL, 1);
    do_and_run(&pair, DO_CONNECT);
    sim_host_pause(pair.s);
    for (unsigned i = 0; i < 50; i++)
        do_and_run(&pair, DO_SEND);
    assert_received(&pair, 0);
    sim_host_resume(pair.s);
    run_for(&pair, DFS_MILLISECONDS);
    assert_received(&pair, 50000);
    /* A crash while paused loses what waited, and the sender is told by the reset. */
    sim_host_pause(pair.s);
    do_and_run(&pair, DO_SEND);
    sim_host_crash(pair.s, SIM_UNSYNCED_LOSE, SIM_STREAMS_RESET);
    run_for(&pair, DFS_SECONDS);
    assert_int_equal(pair.client_plan.closed, DFS_UNREACHABLE);
    pair_close(&pair);
}

/* Faults of streams ------------------------------------------------------------------------------------------------ */

static void test_reset_stall_and_half_open(void **state)
{
    struct pair pair;
    dfs_time_ns began;

    (void)state;
    pair_open(&pair, NULL, 1);
    do_and_run(&pair, DO_CONNECT);
    assert_int_equal(sim_streams_stall(pair.c, pair.s, 5 * DFS_SECONDS), 1);
    began = sim_world_now(pair.world);
    do_and_run(&pair, DO_SEND);
    run_for(&pair, 4800 * DFS_MILLISECONDS);
    assert_received(&pair, 0);
    run_for(&pair, 200 * DFS_MILLISECONDS);
    assert_received(&pair, 1000);
    assert_int_equal(pair.server_plan.recv_at, began + 5 * DFS_SECONDS);

    assert_int_equal(sim_streams_mute(pair.c, pair.s), 1);
    do_and_run(&pair, DO_SEND);
    run_for(&pair, 1000 * DFS_SECONDS);
    assert_received(&pair, 1000);
    assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED] + pair.server_plan.events[DFS_EV_CLOSED], 0);

    assert_int_equal(sim_streams_reset(pair.s, pair.c), 1);
    run_for(&pair, DFS_MILLISECONDS);
    assert_int_equal(pair.client_plan.closed, DFS_UNREACHABLE);
    assert_int_equal(pair.server_plan.closed, DFS_UNREACHABLE);
    assert_int_equal(sim_streams_reset(pair.s, pair.c), 0);
    do_and_run(&pair, DO_CONNECT);
    assert_int_equal(pair.server_plan.events[DFS_EV_ACCEPT], 2);
    pair_close(&pair);
}

struct verdicts {
    uint64_t nth;
    uint64_t seen;
    uint64_t delivered;
    uint64_t lost;
    struct sim_verdict verdict;
};

static void filter_nth(void *arg, const struct sim_message *message, struct sim_verdict *verdict)
{
    struct verdicts *verdicts = arg;

    assert_true(toy_is_filled(message->head, 5, (message->number - 1) * 1000, 1000));
    if (++verdicts->seen == verdicts->nth)
        *verdict = verdicts->verdict;
}

static void see_delivered(void *arg, const struct sim_message *message)
{
    struct verdicts *verdicts = arg;

    assert_int_equal(message->number, ++verdicts->delivered);
    assert_int_equal(message->offset, (message->number - 1) * 1000);
}

/* Those in front may still be on their way. */
static void see_lost(void *arg, const struct sim_message *message)
{
    struct verdicts *verdicts = arg;

    verdicts->lost++;
    assert_int_equal(message->offset, (message->number - 1) * 1000);
    assert_int_equal(message->head_bytes, 1000);
    assert_true(toy_is_filled(message->head, 5, message->offset, 1000));
    assert_string_equal(sim_host_name(message->from), "c");
    assert_string_equal(sim_host_name(message->to), "s");
}

/* Whoever goes, and however: each frame is delivered or lost, none both, none neither. */
static void test_each_frame_is_told_once_as_delivered_or_lost(void **state)
{
    enum { CRASH_OF_SENDER, CRASH_OF_READER, RESET, CLOSE_OF_READER, WAYS };

    (void)state;
    for (unsigned way = 0; way < WAYS; way++) {
        struct sim_world_options options = sim_world_options_default();
        struct verdicts verdicts = {.nth = 0};
        const struct sim_observer observer = {
            .arg = &verdicts, .frame_delivered = see_delivered, .frame_lost = see_lost};
        struct pair pair;

        options.link.bytes_per_second = 1000000; /* a frame a millisecond */
        pair_open(&pair, &options, 1);
        sim_world_observe(pair.world, &observer);
        do_and_run(&pair, DO_CONNECT);
        for (unsigned i = 0; i < 10; i++)
            toy_do(&pair.client_plan, DO_SEND);
        run_for(&pair, 3750 * DFS_MICROSECONDS);
        if (way == CRASH_OF_SENDER)
            sim_host_crash(pair.c, SIM_UNSYNCED_LOSE, SIM_STREAMS_RESET);
        else if (way == CRASH_OF_READER)
            sim_host_crash(pair.s, SIM_UNSYNCED_LOSE, SIM_STREAMS_RESET);
        else if (way == RESET)
            (void)sim_streams_reset(pair.c, pair.s);
        else
            toy_do(&pair.server_plan, DO_CLOSE);
        run_for(&pair, DFS_SECONDS);
        assert_int_equal(verdicts.delivered, 3);
        assert_int_equal(verdicts.lost, 7);
        pair_close(&pair);
        assert_int_equal(verdicts.lost, 7); /* the end of the world is no loss */
    }
}

static void test_a_filter_delays_or_cuts_in_front_of_a_frame(void **state)
{
    for (unsigned drop = 0; drop < 2; drop++) {
        struct verdicts verdicts = {.nth = 3};
        const struct sim_observer observer = {
            .arg = &verdicts, .frame_sent = filter_nth, .frame_delivered = see_delivered, .frame_lost = see_lost};
        struct pair pair;

        (void)state;
        verdicts.verdict.drop = drop != 0;
        verdicts.verdict.delay = drop != 0 ? 0 : 7 * DFS_SECONDS;
        pair_open(&pair, NULL, 1);
        sim_world_observe(pair.world, &observer);
        do_and_run(&pair, DO_CONNECT);
        for (unsigned i = 0; i < 4; i++)
            toy_do(&pair.client_plan, DO_SEND);
        run_for(&pair, 100 * DFS_MILLISECONDS);
        assert_received(&pair, 2000); /* those in front arrive */
        assert_int_equal(pair.client_plan.events[DFS_EV_CLOSED], drop);
        assert_int_equal(pair.server_plan.events[DFS_EV_CLOSED], drop);
        run_for(&pair, 8 * DFS_SECONDS);
        assert_received(&pair, drop != 0 ? 2000 : 4000); /* the order is kept: the fourth waited too */
        assert_int_equal(verdicts.delivered, drop != 0 ? 2 : 4);
        assert_int_equal(verdicts.lost, drop != 0 ? 1 : 0);
        pair_close(&pair);
    }
}

static void test_same_seed_same_hash_and_another_byte_another_hash(void **state)
{
    struct sim_world_options options = sim_world_options_default();
    uint64_t hashes[4];

    (void)state;
    options.link.latency = (struct sim_range){.min = 10000, .max = 5000000};
    options.link.loss_ppb = SIM_PPB_ONE / 20;
    options.link.cut_ppb = SIM_PPB_ONE / 2;
    for (unsigned i = 0; i < 4; i++) {
        struct pair pair;

        pair_open(&pair, &options, i == 3 ? 2 : 1);
        pair.client.salt = i == 2 ? 6 : 5;
        do_and_run(&pair, DO_CONNECT);
        do_and_run(&pair, DO_SEND_MANY);
        run_for(&pair, DFS_SECONDS);
        hashes[i] = sim_world_hash(pair.world);
        pair_close(&pair);
    }
    assert_int_equal(hashes[0], hashes[1]);
    assert_int_not_equal(hashes[0], hashes[2]);
    assert_int_not_equal(hashes[0], hashes[3]);
}

/* Frames whose first bytes a library decides: the digest stands for them. */
static bool digest_of_length(void *arg, const uint8_t *head, size_t head_bytes, uint64_t *ret_digest)
{
    assert_non_null(head);
    ++*(uint64_t *)arg;
    *ret_digest = head_bytes;
    return head_bytes == 1000;
}

static void test_a_digest_stands_for_the_bytes_of_a_head(void **state)
{
    struct sim_world_options options = sim_world_options_default();
    uint64_t asked = 0;
    uint64_t hashes[3];

    (void)state;
    options.digest = digest_of_length;
    options.digest_arg = &asked;
    for (unsigned i = 0; i < 3; i++) {
        struct pair pair;

        pair_open(&pair, &options, 1);
        pair.client.salt = i == 0 ? 5 : 6;
        pair.client.count = i == 2 ? 999 : 1000;
        do_and_run(&pair, DO_CONNECT);
        do_and_run(&pair, DO_SEND);
        assert_received(&pair, pair.client.count);
        hashes[i] = sim_world_hash(pair.world);
        pair_close(&pair);
    }
    assert_int_equal(asked, 3);
    assert_int_equal(hashes[0], hashes[1]);
    assert_int_not_equal(hashes[0], hashes[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connecting_takes_one_and_a_half_round_trips),
        cmocka_unit_test(test_frames_before_open_queue_and_close_sends_them),
        cmocka_unit_test(test_no_listener_is_unreachable_after_a_round_trip),
        cmocka_unit_test(test_a_dark_host_never_answers_until_it_is_back),
        cmocka_unit_test(test_identities_are_checked_as_by_certificates),
        cmocka_unit_test(test_order_and_bytes_survive_latency_loss_and_bandwidth),
        cmocka_unit_test(test_a_stream_can_be_cut_anywhere),
        cmocka_unit_test(test_recv_comes_only_when_the_sink_is_complete),
        cmocka_unit_test(test_no_room_stops_reading_until_resume),
        cmocka_unit_test(test_nothing_is_read_before_attach),
        cmocka_unit_test(test_bulk_is_told_as_sent_when_it_has_left),
        cmocka_unit_test(test_buffers_are_given_back_when_the_machine_goes),
        cmocka_unit_test(test_a_peer_that_does_not_read_fills_buffers_then_the_queue_then_closes),
        cmocka_unit_test(test_a_reader_that_wakes_up_gets_all_that_waited),
        cmocka_unit_test(test_replies_and_the_end_of_both_sides),
        cmocka_unit_test(test_a_killed_peer_resets_a_dark_one_is_silent),
        cmocka_unit_test(test_a_crashed_sender_leaves_what_has_left),
        cmocka_unit_test(test_a_clean_stop_ends_streams_orderly),
        cmocka_unit_test(test_a_paused_reader_backs_up_and_catches_up),
        cmocka_unit_test(test_reset_stall_and_half_open),
        cmocka_unit_test(test_each_frame_is_told_once_as_delivered_or_lost),
        cmocka_unit_test(test_a_filter_delays_or_cuts_in_front_of_a_frame),
        cmocka_unit_test(test_same_seed_same_hash_and_another_byte_another_hash),
        cmocka_unit_test(test_a_digest_stands_for_the_bytes_of_a_head),
    };

    return cmocka_run_group_tests_name("net_sim/stream", tests, NULL, NULL);
}

#include "tests/unit/net_sim/toy.h"

#define HOSTS 5

/* Every host sends a datagram to every other each millisecond, and keeps a stream to the next. */
struct net {
    struct sim_world *world;
    struct toy_plan plans[HOSTS];
    struct sim_host *hosts[HOSTS];
    uint64_t heard[HOSTS][HOSTS]; /* [by][from] */
    dfs_conn conns[HOSTS];
};

static void on_host(struct toy *toy, const struct dfs_event *event)
{
    struct net *net = toy->plan->arg;
    const unsigned self = sim_host_index(toy->plan->host);

    if (event->kind == DFS_EV_START) {
        toy->deadline = event->mono + DFS_MILLISECONDS;
    } else if (event->kind == DFS_EV_TICK) {
        for (unsigned to = 0; to < HOSTS; to++)
            if (to != self)
                toy_datagram(toy, 1 + to, &self, sizeof self);
        toy->deadline = event->mono + DFS_MILLISECONDS;
    } else if (event->kind == DFS_EV_DATAGRAM) {
        unsigned from;

        memcpy(&from, event->datagram.bytes, sizeof from);
        net->heard[self][from]++;
    } else if (event->kind == DFS_EV_COMMAND && event->command.code < 100) {
        net->conns[self] = toy_connect(toy, event->command.code);
        (void)toy_attach(toy, net->conns[self]);
    } else if (event->kind == DFS_EV_COMMAND) {
        static uint8_t bytes[65536];
        const unsigned count = event->command.code;

        /* That many bytes on the accepted or made connection. */
        toy->env.net->send(toy->env.ctx, toy->plan->conns[0].conn, bytes, count, NULL, 0, 0);
    }
}

static void net_open(struct net *net)
{
    memset(net, 0, sizeof *net);
    net->world = sim_world_new(1, NULL);
    for (unsigned i = 0; i < HOSTS; i++) {
        char name[] = {'h', (char)('0' + i), 0};

        net->plans[i] = (struct toy_plan){.on = on_host, .arg = net, .attach = true};
        net->hosts[i] = toy_host(net->world, name, 1 + i, &net->plans[i]);
    }
}

static void net_close(struct net *net)
{
    sim_world_free(net->world);
    for (unsigned i = 0; i < HOSTS; i++)
        toy_plan_close(&net->plans[i]);
}

static void run_for(struct net *net, dfs_duration_ns length)
{
    (void)sim_world_run(net->world, sim_world_now(net->world) + length);
}

/* Whether what was heard in the next 10 ms is exactly what `cut` leaves: bit 8 * from + to. */
static void assert_cut(struct net *net, uint64_t cut)
{
    run_for(net, DFS_MILLISECONDS);
    memset(net->heard, 0, sizeof net->heard);
    run_for(net, 10 * DFS_MILLISECONDS);
    for (unsigned from = 0; from < HOSTS; from++) {
        for (unsigned to = 0; to < HOSTS; to++) {
            const bool is_cut = (cut >> (8 * from + to) & 1) != 0;

            if (from == to)
                continue;
            assert_int_equal(sim_partition_blocks(net->hosts[from], net->hosts[to]), is_cut);
            assert_int_equal(net->heard[to][from], is_cut ? 0 : 10);
        }
    }
}

#define CUT(from, to) (UINT64_C(1) << (8 * (from) + (to)))
#define BOTH(a, b) (CUT(a, b) | CUT(b, a))

static void test_groups_two_way_one_way_and_several_at_a_time(void **state)
{
    struct net net;
    sim_partition_id first;
    sim_partition_id second;

    (void)state;
    net_open(&net);
    assert_cut(&net, 0);
    {
        const struct sim_group groups[] = {{&net.hosts[0], 1}, {&net.hosts[1], 2}}; /* 0 | 1 2; 3 and 4 hear all */

        first = sim_partition_cut(net.world, groups, 2, false);
    }
    assert_cut(&net, BOTH(0, 1) | BOTH(0, 2));
    {
        const struct sim_group groups[] = {{&net.hosts[2], 1}, {&net.hosts[3], 1}, {&net.hosts[0], 1}};

        second = sim_partition_cut(net.world, groups, 3, true); /* 2 -> 3, 2 -> 0 */
    }
    assert_cut(&net, BOTH(0, 1) | BOTH(0, 2) | CUT(2, 3));
    assert_true(sim_partition_heal(net.world, first));
    assert_false(sim_partition_heal(net.world, first));
    assert_cut(&net, CUT(2, 3) | CUT(2, 0)); /* the second still cuts 2 -> 0 */
    {
        const struct sim_group groups[] = {{&net.hosts[0], 1}, {&net.hosts[1], 1}, {&net.hosts[4], 1}};

        (void)sim_partition_cut(net.world, groups, 3, false);
    }
    assert_cut(&net, CUT(2, 3) | CUT(2, 0) | BOTH(0, 1) | BOTH(0, 4) | BOTH(1, 4));
    assert_true(sim_partition_heal(net.world, second));
    assert_cut(&net, BOTH(0, 1) | BOTH(0, 4) | BOTH(1, 4));
    sim_partition_heal_all(net.world);
    assert_cut(&net, 0);
    net_close(&net);
}

static sim_partition_id cut_pair(struct net *net, unsigned from, unsigned to, bool one_way)
{
    const struct sim_group groups[] = {{&net->hosts[from], 1}, {&net->hosts[to], 1}};

    return sim_partition_cut(net->world, groups, 2, one_way);
}

static void test_a_cut_drops_what_is_under_way(void **state)
{
    struct net net;

    (void)state;
    net_open(&net);
    run_for(&net, 10 * DFS_MILLISECONDS + 100 * DFS_MICROSECONDS); /* sent, and 400 us from its target */
    memset(net.heard, 0, sizeof net.heard);
    (void)cut_pair(&net, 0, 1, true);
    run_for(&net, 500 * DFS_MICROSECONDS);
    assert_int_equal(net.heard[1][0], 0);
    assert_int_equal(net.heard[0][1], 1);
    net_close(&net);
}

static void test_a_connect_never_completes_behind_a_cut_either_way(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 3; way++) {
        struct net net;
        sim_partition_id id;

        net_open(&net);
        id = way == 0   ? cut_pair(&net, 0, 1, false)
             : way == 1 ? cut_pair(&net, 0, 1, true)
                        : cut_pair(&net, 1, 0, true);
        toy_do(&net.plans[0], 2);
        run_for(&net, 10 * DFS_SECONDS);
        assert_int_equal(net.plans[0].events[DFS_EV_OPEN] + net.plans[0].events[DFS_EV_CLOSED], 0);
        assert_int_equal(net.plans[1].events[DFS_EV_ACCEPT], 0);
        (void)sim_partition_heal(net.world, id);
        run_for(&net, 2 * DFS_SECONDS);
        assert_int_equal(net.plans[0].events[DFS_EV_OPEN], 1);
        assert_int_equal(net.plans[1].events[DFS_EV_ACCEPT], 1);
        net_close(&net);
    }
}

static void open_stream(struct net *net)
{
    toy_do(&net->plans[0], 2);
    run_for(net, 100 * DFS_MILLISECONDS);
    assert_int_equal(net->plans[0].events[DFS_EV_OPEN], 1);
    assert_int_equal(net->plans[1].events[DFS_EV_ACCEPT], 1);
}

static void test_a_cut_stream_loses_nothing_and_goes_on_after_the_heal(void **state)
{
    struct net net;
    sim_partition_id id;

    (void)state;
    net_open(&net);
    open_stream(&net);
    id = cut_pair(&net, 0, 1, false);
    toy_do(&net.plans[0], 1000);
    run_for(&net, 100 * DFS_SECONDS);
    assert_int_equal(net.plans[1].sinks[0].count, 0);
    assert_int_equal(net.plans[0].events[DFS_EV_CLOSED] + net.plans[1].events[DFS_EV_CLOSED], 0);
    (void)sim_partition_heal(net.world, id);
    run_for(&net, 2 * DFS_SECONDS); /* the retransmission comes within a second */
    assert_int_equal(net.plans[1].sinks[0].count, 1000);
    net_close(&net);
}

static void test_without_acknowledgements_a_window_gets_through_then_the_stream_stalls(void **state)
{
    struct net net;
    sim_partition_id id;

    (void)state;
    net_open(&net);
    open_stream(&net);
    id = cut_pair(&net, 1, 0, true); /* nothing comes back */
    for (unsigned i = 0; i < 10; i++)
        toy_do(&net.plans[0], 20000);
    run_for(&net, 100 * DFS_SECONDS);
    assert_int_equal(net.plans[1].sinks[0].count, 65536);
    toy_do(&net.plans[1], 500); /* and of the other direction nothing */
    run_for(&net, 100 * DFS_SECONDS);
    assert_int_equal(net.plans[0].sinks[0].count, 0);
    (void)sim_partition_heal(net.world, id);
    run_for(&net, 2 * DFS_SECONDS);
    assert_int_equal(net.plans[1].sinks[0].count, 200000);
    assert_int_equal(net.plans[0].sinks[0].count, 500);
    (void)cut_pair(&net, 1, 0, true); /* a new window with a new cut */
    for (unsigned i = 0; i < 10; i++)
        toy_do(&net.plans[0], 20000);
    run_for(&net, 100 * DFS_SECONDS);
    assert_int_equal(net.plans[1].sinks[0].count, 265536);
    net_close(&net);
}

/* The news of a crash is lost behind a cut: the other end stays half open until it speaks after the heal. */
static void test_a_reset_behind_a_cut_is_lost(void **state)
{
    struct net net;
    sim_partition_id id;

    (void)state;
    net_open(&net);
    open_stream(&net);
    id = cut_pair(&net, 0, 1, false);
    sim_host_crash(net.hosts[1], SIM_UNSYNCED_LOSE, SIM_STREAMS_RESET);
    run_for(&net, DFS_SECONDS);
    sim_host_restart(net.hosts[1]);
    (void)sim_partition_heal(net.world, id);
    run_for(&net, 100 * DFS_SECONDS);
    assert_int_equal(net.plans[0].events[DFS_EV_CLOSED], 0);
    toy_do(&net.plans[0], 1000);
    run_for(&net, DFS_SECONDS);
    assert_int_equal(net.plans[0].events[DFS_EV_CLOSED], 1);
    assert_int_equal(net.plans[0].closed, DFS_UNREACHABLE);
    net_close(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_two_way_one_way_and_several_at_a_time),
        cmocka_unit_test(test_a_cut_drops_what_is_under_way),
        cmocka_unit_test(test_a_connect_never_completes_behind_a_cut_either_way),
        cmocka_unit_test(test_a_cut_stream_loses_nothing_and_goes_on_after_the_heal),
        cmocka_unit_test(test_without_acknowledgements_a_window_gets_through_then_the_stream_stalls),
        cmocka_unit_test(test_a_reset_behind_a_cut_is_lost),
    };

    return cmocka_run_group_tests_name("net_sim/partition", tests, NULL, NULL);
}

#include "tests/unit/net_sim/toy.h"

/* One sender, one receiver: each datagram carries its number, and the receiver notes when which came. */

#define SENT 20000
#define EVERY (10 * DFS_MICROSECONDS)

struct flow {
    uint64_t sent;
    uint64_t wanted;
    uint64_t got;
    uint64_t twice;
    uint64_t overtaken;
    uint64_t last;
    uint64_t bytes_wrong;
    dfs_duration_ns latency_min;
    dfs_duration_ns latency_max;
    uint8_t *seen; /* times, by number */
    size_t size;
};

static void on_sender(struct toy *toy, const struct dfs_event *event)
{
    struct flow *flow = toy->plan->arg;
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX] = {0};
    const dfs_time_ns now = sim_world_now(sim_host_world(toy->plan->host));

    if (event->kind == DFS_EV_START)
        toy->deadline = event->mono;
    if (event->kind != DFS_EV_TICK)
        return;
    memcpy(bytes, &flow->sent, sizeof flow->sent);
    memcpy(bytes + 8, &now, sizeof now);
    flow->sent++;
    toy_datagram(toy, 2, bytes, flow->size);
    toy->deadline = flow->sent == flow->wanted ? DFS_NEVER : event->mono + EVERY;
}

static void on_receiver(struct toy *toy, const struct dfs_event *event)
{
    struct flow *flow = toy->plan->arg;
    const dfs_time_ns now = sim_world_now(sim_host_world(toy->plan->host));
    const struct dfs_addr from = toy_addr(1);
    dfs_time_ns sent_at;
    uint64_t number;

    if (event->kind != DFS_EV_DATAGRAM)
        return;
    assert_int_equal(event->datagram.count, flow->size);
    assert_memory_equal(event->datagram.from, &from, sizeof from);
    memcpy(&number, event->datagram.bytes, sizeof number);
    memcpy(&sent_at, event->datagram.bytes + 8, sizeof sent_at);
    assert_true(number < flow->sent);
    flow->got++;
    flow->twice += flow->seen[number]++ > 0;
    flow->overtaken += number < flow->last;
    flow->last = number > flow->last ? number : flow->last;
    if (now - sent_at < flow->latency_min)
        flow->latency_min = now - sent_at;
    if (now - sent_at > flow->latency_max)
        flow->latency_max = now - sent_at;
}

struct duo {
    struct sim_world *world;
    struct flow flow;
    struct toy_plan sender;
    struct toy_plan receiver;
};

static void duo_open(struct duo *duo, uint64_t seed, const struct sim_link_options *link, uint64_t wanted)
{
    struct sim_world_options options = sim_world_options_default();

    memset(duo, 0, sizeof *duo);
    options.link = *link;
    duo->world = sim_world_new(seed, &options);
    duo->flow = (struct flow){.wanted = wanted, .latency_min = DFS_NEVER, .size = 100};
    duo->flow.seen = dfs_alloc_zero(wanted + 1);
    duo->sender = (struct toy_plan){.on = on_sender, .arg = &duo->flow};
    duo->receiver = (struct toy_plan){.on = on_receiver, .arg = &duo->flow};
    toy_host(duo->world, "s", 1, &duo->sender);
    toy_host(duo->world, "r", 2, &duo->receiver);
}

static void duo_run(struct duo *duo)
{
    assert_int_equal(sim_world_run(duo->world, DFS_NEVER), SIM_END_IDLE);
    assert_int_equal(duo->flow.sent, duo->flow.wanted);
}

static void duo_close(struct duo *duo)
{
    sim_world_free(duo->world);
    dfs_free(duo->flow.seen);
}

static void test_constant_latency_keeps_order_and_loses_nothing(void **state)
{
    const struct sim_link_options link = sim_link_options_default();
    struct duo duo;

    (void)state;
    duo_open(&duo, 1, &link, 1000);
    duo_run(&duo);
    assert_int_equal(duo.flow.got, 1000);
    assert_int_equal(duo.flow.overtaken, 0);
    assert_int_equal(duo.flow.latency_min, 500 * DFS_MICROSECONDS);
    assert_int_equal(duo.flow.latency_max, 500 * DFS_MICROSECONDS);
    duo_close(&duo);
}

/* One of the values, nothing between them. */
static void test_latency_is_one_of_its_values(void **state)
{
    static const int64_t values[] = {200000, 2000000};
    struct sim_link_options link = sim_link_options_default();
    struct duo duo;

    (void)state;
    link.latency = (struct sim_range){.min = 200000, .max = 2000000};
    link.latencies = values;
    link.latencies_count = 2;
    duo_open(&duo, 1, &link, SENT);
    duo_run(&duo);
    assert_int_equal(duo.flow.got, SENT);
    assert_int_equal(duo.flow.latency_min, 200000);
    assert_int_equal(duo.flow.latency_max, 2000000);
    duo_close(&duo);
}

static void test_latency_is_drawn_from_the_whole_range(void **state)
{
    struct sim_link_options link = sim_link_options_default();
    struct duo duo;

    (void)state;
    link.latency = (struct sim_range){.min = 200000, .max = 2000000};
    duo_open(&duo, 1, &link, SENT);
    duo_run(&duo);
    assert_int_equal(duo.flow.got, SENT);
    assert_in_range(duo.flow.latency_min, 200000, 201000);
    assert_in_range(duo.flow.latency_max, 1999000, 2000000);
    assert_true(duo.flow.overtaken > SENT / 2);
    duo_close(&duo);
}

/* The share is that of the probability, and exactly the same for the same seed. */
static void test_loss_is_as_said_and_exact_for_a_seed(void **state)
{
    struct sim_link_options link = sim_link_options_default();
    uint64_t got[3];

    (void)state;
    link.loss_ppb = SIM_PPB_ONE / 10;
    for (unsigned i = 0; i < 3; i++) {
        struct duo duo;

        duo_open(&duo, i == 2 ? 6 : 5, &link, SENT);
        duo_run(&duo);
        got[i] = duo.flow.got;
        assert_in_range(got[i], SENT * 89 / 100, SENT * 91 / 100);
        assert_int_equal(sim_world_counts(duo.world)->datagrams_lost, SENT - got[i]);
        duo_close(&duo);
    }
    assert_int_equal(got[0], got[1]);
    assert_int_not_equal(got[0], got[2]);
    link.loss_ppb = SIM_PPB_ONE;
    for (unsigned i = 0; i < 1; i++) {
        struct duo duo;

        duo_open(&duo, 1, &link, 1000);
        duo_run(&duo);
        assert_int_equal(duo.flow.got, 0);
        duo_close(&duo);
    }
}

static void test_duplicates_and_reordering(void **state)
{
    struct sim_link_options link = sim_link_options_default();
    struct duo duo;

    (void)state;
    link.duplicate_ppb = SIM_PPB_ONE / 10;
    duo_open(&duo, 1, &link, SENT);
    duo_run(&duo);
    assert_in_range(duo.flow.got, SENT * 109 / 100, SENT * 111 / 100);
    assert_int_equal(duo.flow.got, SENT + duo.flow.twice);
    assert_int_equal(duo.flow.overtaken, 0); /* the copies come together: the latency is constant */
    duo_close(&duo);

    link.duplicate_ppb = 0;
    link.reorder_ppb = SIM_PPB_ONE / 10;
    link.reorder_max_ns = DFS_MILLISECONDS;
    duo_open(&duo, 1, &link, SENT);
    duo_run(&duo);
    assert_int_equal(duo.flow.got, SENT);
    assert_in_range(duo.flow.overtaken, SENT * 8 / 100, SENT * 11 / 100);
    assert_true(duo.flow.latency_max <= 1500 * DFS_MICROSECONDS);
    duo_close(&duo);
}

static void test_bandwidth_queues_then_drops(void **state)
{
    struct sim_link_options link = sim_link_options_default();
    struct duo duo;

    (void)state;
    link.bytes_per_second = 5000000; /* 20 us for 100 bytes that come every 10 us */
    link.queue_max_ns = DFS_MILLISECONDS;
    duo_open(&duo, 1, &link, 1000);
    duo_run(&duo);
    assert_in_range(duo.flow.got, 540, 560); /* half of them, and what fits the queue */
    assert_int_equal(duo.flow.overtaken, 0);
    assert_int_equal(duo.flow.latency_min, 520 * DFS_MICROSECONDS);
    assert_in_range(duo.flow.latency_max, 1500 * DFS_MICROSECONDS, 1530 * DFS_MICROSECONDS);
    duo_close(&duo);
}

static void test_a_link_may_have_options_of_its_own_and_change_them(void **state)
{
    struct sim_link_options link = sim_link_options_default();
    struct sim_link_options lossy = link;
    struct sim_host *s;
    struct sim_host *r;
    struct duo duo;

    (void)state;
    lossy.loss_ppb = SIM_PPB_ONE;
    duo_open(&duo, 1, &link, 1000);
    s = duo.sender.host;
    r = duo.receiver.host;
    (void)sim_world_run(duo.world, 2 * DFS_MILLISECONDS - 1);
    sim_link_set(s, r, &lossy);
    assert_int_equal(sim_link_get(s, r)->loss_ppb, SIM_PPB_ONE);
    assert_int_equal(sim_link_get(r, s)->loss_ppb, 0);
    (void)sim_world_run(duo.world, 4 * DFS_MILLISECONDS - 1);
    assert_int_equal(duo.flow.got, 200); /* what was under way came */
    sim_link_set(s, r, NULL);
    (void)sim_world_run(duo.world, 6 * DFS_MILLISECONDS - 1);
    sim_world_link_set(duo.world, &lossy);
    duo_run(&duo);
    assert_int_equal(duo.flow.got, 400);
    duo_close(&duo);
}

/* Filters and injection -------------------------------------------------------------------------------------------- */

struct filter {
    uint64_t nth;
    struct sim_verdict verdict;
    uint64_t sent;
    uint64_t delivered;
    uint64_t lost;
    uint64_t injected;
};

static void see_sent(void *arg, const struct sim_message *message, struct sim_verdict *verdict)
{
    struct filter *filter = arg;

    assert_string_equal(sim_host_name(message->from), "s");
    assert_int_equal(message->head_bytes, 100);
    filter->injected += message->injected;
    if (message->injected)
        return;
    assert_int_equal(message->number, ++filter->sent);
    if (message->number == filter->nth)
        *verdict = filter->verdict;
}

static void see_delivered(void *arg, const struct sim_message *message)
{
    (void)message;
    ((struct filter *)arg)->delivered++;
}

static void see_lost(void *arg, const struct sim_message *message)
{
    (void)message;
    ((struct filter *)arg)->lost++;
}

static void test_filters_drop_delay_and_copy_the_nth(void **state)
{
    const struct sim_link_options link = sim_link_options_default();

    (void)state;
    for (unsigned what = 0; what < 3; what++) {
        struct filter filter = {.nth = 10};
        const struct sim_observer observer = {
            .arg = &filter, .datagram_sent = see_sent, .datagram_delivered = see_delivered, .datagram_lost = see_lost};
        struct duo duo;

        filter.verdict =
            (struct sim_verdict){.drop = what == 0, .delay = what == 1 ? DFS_SECONDS : 0, .copies = what == 2 ? 3 : 0};
        duo_open(&duo, 1, &link, 100);
        sim_world_observe(duo.world, &observer);
        duo_run(&duo);
        assert_int_equal(filter.sent, 100);
        assert_int_equal(filter.lost, what == 0 ? 1 : 0);
        assert_int_equal(filter.delivered, what == 0 ? 99 : what == 1 ? 100 : 103);
        assert_int_equal(duo.flow.seen[9], what == 0 ? 0 : what == 1 ? 1 : 4);
        if (what == 1)
            assert_int_equal(duo.flow.latency_max, DFS_SECONDS + 500 * DFS_MICROSECONDS);
        duo_close(&duo);
    }
}

static void test_an_injected_datagram_shows_the_address_it_was_given(void **state)
{
    const struct sim_link_options link = sim_link_options_default();
    struct filter filter = {.nth = 0};
    const struct sim_observer observer = {.arg = &filter, .datagram_sent = see_sent};
    uint8_t bytes[100] = {0};
    struct dfs_addr shown;
    struct duo duo;

    (void)state;
    duo_open(&duo, 1, &link, 10);
    shown = *sim_host_addr(duo.sender.host);
    sim_world_observe(duo.world, &observer);
    (void)sim_world_run(duo.world, DFS_SECONDS);
    sim_datagram_inject(duo.sender.host, duo.receiver.host, NULL, bytes, sizeof bytes);
    sim_datagram_inject(duo.sender.host, duo.receiver.host, &shown, bytes, sizeof bytes);
    duo_run(&duo);
    assert_int_equal(duo.flow.got, 12);
    assert_int_equal(filter.injected, 2);
    assert_int_equal(filter.sent, 10);
    duo_close(&duo);
}

/* Keyed draws: a datagram more on another link, or a host more, shifts nothing here. */
/* The same past, and another future for each suffix; what a world is keeps its value. */
static void test_a_suffix_changes_what_is_drawn_after_it(void **state)
{
    static const uint64_t suffixes[] = {0, 1, 1, 2}; /* 0: none */
    struct sim_link_options link = sim_link_options_default();
    uint8_t *seen[4];
    uint64_t hashes[4];

    (void)state;
    link.loss_ppb = SIM_PPB_ONE / 3;
    for (unsigned i = 0; i < 4; i++) {
        struct duo duo;

        duo_open(&duo, 1, &link, 1000);
        const uint64_t identity = sim_world_identity(duo.world, "x", 7);
        const uint64_t draw = sim_world_draw(duo.world, "x", 7);

        assert_int_equal(sim_world_run(duo.world, 500 * EVERY), SIM_END_TIME);
        if (suffixes[i] > 0) {
            sim_world_suffix(duo.world, suffixes[i]);
            assert_true(sim_world_draw(duo.world, "x", 7) != draw);
        }
        assert_int_equal(sim_world_identity(duo.world, "x", 7), identity);
        duo_run(&duo);
        seen[i] = duo.flow.seen;
        hashes[i] = sim_world_hash(duo.world);
        assert_in_range(duo.flow.got, 550, 780);
        assert_memory_equal(seen[0], seen[i], 500);
        sim_world_free(duo.world);
    }
    assert_memory_equal(seen[1], seen[2], 1000);
    assert_int_equal(hashes[1], hashes[2]);
    assert_true(memcmp(seen[0] + 501, seen[1] + 501, 499) != 0);
    assert_true(memcmp(seen[1] + 501, seen[3] + 501, 499) != 0);
    for (unsigned i = 0; i < 4; i++)
        dfs_free(seen[i]);
}

static void test_draws_of_a_link_do_not_depend_on_other_links(void **state)
{
    struct sim_link_options link = sim_link_options_default();
    uint8_t *first = NULL;

    (void)state;
    link.loss_ppb = SIM_PPB_ONE / 3;
    for (unsigned i = 0; i < 2; i++) {
        struct toy_plan other = {.on = NULL};
        struct flow ignored = {.wanted = 500, .size = 50};
        struct duo duo;

        ignored.seen = NULL;
        duo_open(&duo, 1, &link, 1000);
        if (i == 1) {
            other.on = on_sender;
            other.arg = &ignored;
            ignored.size = 100;
            ignored.seen = NULL;
            toy_host(duo.world, "x", 3, &other);
            /* Its datagrams go to host 2 as well, so let them be lost: only their draws matter. */
            sim_link_set(other.host, duo.receiver.host, &(struct sim_link_options){.loss_ppb = SIM_PPB_ONE});
        }
        assert_int_equal(sim_world_run(duo.world, DFS_NEVER), SIM_END_IDLE);
        if (i == 0) {
            first = dfs_alloc_zero(1000);
            memcpy(first, duo.flow.seen, 1000);
        } else {
            assert_memory_equal(first, duo.flow.seen, 1000);
        }
        duo_close(&duo);
    }
    dfs_free(first);
}

/* The mixer: uniform enough in each bit for loss and latency. */
static void test_draws_are_uniform(void **state)
{
    unsigned bits[64] = {0};
    unsigned buckets[16] = {0};
    unsigned hits = 0;

    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        const uint64_t value = sim_prf(42, SIM_DRAW_LOSS, i);

        for (unsigned b = 0; b < 64; b++)
            bits[b] += (unsigned)(value >> b & 1);
        buckets[sim_below(value, 16)]++;
        hits += sim_hits(value, 1000000);
    }
    for (unsigned b = 0; b < 64; b++)
        assert_in_range(bits[b], 49000, 51000);
    for (unsigned k = 0; k < 16; k++)
        assert_in_range(buckets[k], 5900, 6600);
    assert_in_range(hits, 60, 140);
    assert_false(sim_hits(0, 0));
    assert_true(sim_hits(UINT64_MAX, SIM_PPB_ONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_latency_keeps_order_and_loses_nothing),
        cmocka_unit_test(test_latency_is_drawn_from_the_whole_range),
        cmocka_unit_test(test_latency_is_one_of_its_values),
        cmocka_unit_test(test_loss_is_as_said_and_exact_for_a_seed),
        cmocka_unit_test(test_duplicates_and_reordering),
        cmocka_unit_test(test_bandwidth_queues_then_drops),
        cmocka_unit_test(test_a_link_may_have_options_of_its_own_and_change_them),
        cmocka_unit_test(test_filters_drop_delay_and_copy_the_nth),
        cmocka_unit_test(test_an_injected_datagram_shows_the_address_it_was_given),
        cmocka_unit_test(test_a_suffix_changes_what_is_drawn_after_it),
        cmocka_unit_test(test_draws_of_a_link_do_not_depend_on_other_links),
        cmocka_unit_test(test_draws_are_uniform),
    };

    return cmocka_run_group_tests_name("net_sim/link", tests, NULL, NULL);
}

/* The world as choices: what is possible, what follows at once, and when two states are one. */
#include "tests/unit/net_sim/toy.h"

#include "net_sim/explore.h"

struct stage {
    struct sim_world *world;
    struct sim_explorer *explorer;
    struct toy_plan plans[3];
    struct sim_disk *disk;
    struct sim_choice choices[SIM_CHOICES_MAX];
    size_t count;
};

static void look(struct stage *stage)
{
    stage->count = sim_explorer_choices(stage->explorer, stage->choices);
}

/* Takes the first choice of this kind that is about `what`: the beginning of a message, a file's name, a host's name. */
static bool is_about(const struct sim_choice *choice, enum sim_choice_kind kind, const char *what)
{
    if (choice->kind != kind)
        return false;
    if (kind == SIM_CHOICE_FRAME || kind == SIM_CHOICE_DATAGRAM)
        return choice->head_bytes >= strlen(what) && memcmp(choice->head, what, strlen(what)) == 0;
    return strcmp(kind == SIM_CHOICE_DISK ? choice->name : sim_host_name(choice->host), what) == 0;
}

static const struct sim_choice *find(struct stage *stage, enum sim_choice_kind kind, const char *what)
{
    look(stage);
    for (size_t i = 0; i < stage->count; i++)
        if (is_about(&stage->choices[i], kind, what))
            return &stage->choices[i];
    return NULL;
}

static void take(struct stage *stage, enum sim_choice_kind kind, const char *what)
{
    const struct sim_choice *choice = find(stage, kind, what);

    if (choice == NULL)
        fail_msg("\"%s\" is not possible", what);
    sim_explorer_take(stage->explorer, choice);
}

/* Hosts a (with a disk), b and c. */
static struct stage *stage_open(void (*on)(struct toy *toy, const struct dfs_event *event))
{
    static const char *const names[] = {"a", "b", "c"};
    struct stage *stage = dfs_alloc_zero(sizeof *stage);

    stage->world = sim_world_new(1, NULL);
    stage->explorer = sim_explorer_new(stage->world);
    stage->disk = sim_disk_new(stage->world, "a", NULL);
    for (unsigned i = 0; i < 3; i++) {
        stage->plans[i] = (struct toy_plan){.on = i == 0 ? on : NULL, .attach = true};
        toy_host_add(stage->world, names[i], i + 1, &stage->plans[i], i == 0 ? stage->disk : NULL);
    }
    for (unsigned i = 0; i < 3; i++)
        sim_host_start(stage->plans[i].host, &toy_ops, &stage->plans[i]);
    sim_explorer_begin(stage->explorer);
    return stage;
}

static void stage_close(struct stage *stage)
{
    sim_world_free(stage->world);
    sim_explorer_free(stage->explorer);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < TOY_SINKS; k++)
            dfs_free(stage->plans[i].sinks[k].bytes);
    dfs_free(stage);
}

/* Datagrams ---------------------------------------------------------------------------------------------------------- */

static void on_three_datagrams(struct toy *toy, const struct dfs_event *event)
{
    const struct dfs_addr b = toy_addr(2);
    const struct dfs_addr c = toy_addr(3);

    if (event->kind != DFS_EV_START)
        return;
    toy->env.net->datagram(toy->env.ctx, &b, "one", 3);
    toy->env.net->datagram(toy->env.ctx, &b, "two", 3);
    toy->env.net->datagram(toy->env.ctx, &c, "six", 3);
}

static void test_everything_under_way_is_a_choice_and_time_stands_still(void **state)
{
    struct stage *stage = stage_open(on_three_datagrams);

    (void)state;
    look(stage);
    assert_int_equal(stage->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(stage->choices[i].kind, SIM_CHOICE_DATAGRAM);
        assert_memory_equal(stage->choices[i].head, i == 0 ? "one" : i == 1 ? "two" : "six", 3);
        assert_true(sim_choice_can_be_lost(&stage->choices[i]));
    }
    take(stage, SIM_CHOICE_DATAGRAM, "six");
    take(stage, SIM_CHOICE_DATAGRAM, "two");
    take(stage, SIM_CHOICE_DATAGRAM, "one");
    look(stage);
    assert_int_equal(stage->count, 0);
    assert_int_equal(sim_world_now(stage->world), 0);
    assert_int_equal(stage->plans[1].events[DFS_EV_DATAGRAM], 2);
    assert_int_equal(stage->plans[2].events[DFS_EV_DATAGRAM], 1);
    stage_close(stage);
}

static uint64_t after_datagrams(const char *first, const char *second)
{
    struct stage *stage = stage_open(on_three_datagrams);
    uint64_t hash;

    take(stage, SIM_CHOICE_DATAGRAM, first);
    take(stage, SIM_CHOICE_DATAGRAM, second);
    hash = sim_explorer_fingerprint(stage->explorer);
    stage_close(stage);
    return hash;
}

static void test_only_the_order_at_one_host_makes_a_difference(void **state)
{
    (void)state;
    assert_int_equal(after_datagrams("one", "six"), after_datagrams("six", "one"));
    assert_int_not_equal(after_datagrams("one", "two"), after_datagrams("two", "one"));
    assert_int_not_equal(after_datagrams("one", "six"), after_datagrams("two", "six"));
}

static void test_the_order_names_what_is_under_way_by_age(void **state)
{
    struct stage *stage = stage_open(on_three_datagrams);
    struct stage *other = stage_open(on_three_datagrams);
    const uint64_t before = sim_explorer_order(stage->explorer);

    (void)state;
    assert_int_equal(before, sim_explorer_order(other->explorer));
    take(stage, SIM_CHOICE_DATAGRAM, "one");
    assert_int_not_equal(before, sim_explorer_order(stage->explorer));
    take(other, SIM_CHOICE_DATAGRAM, "two");
    assert_int_not_equal(sim_explorer_order(stage->explorer), sim_explorer_order(other->explorer));
    stage_close(other);
    stage_close(stage);
}

static void test_a_lost_datagram_comes_no_more(void **state)
{
    struct stage *stage = stage_open(on_three_datagrams);
    const uint64_t before = sim_explorer_fingerprint(stage->explorer);

    (void)state;
    sim_explorer_lose(stage->explorer, find(stage, SIM_CHOICE_DATAGRAM, "one"));
    look(stage);
    assert_int_equal(stage->count, 2);
    assert_null(find(stage, SIM_CHOICE_DATAGRAM, "one"));
    assert_int_not_equal(sim_explorer_fingerprint(stage->explorer), before);
    stage_close(stage);
}

static void test_a_datagram_to_a_host_that_is_down_comes_late(void **state)
{
    struct stage *stage = stage_open(on_three_datagrams);

    (void)state;
    sim_host_crash(stage->plans[2].host, SIM_UNSYNCED_LOSE, SIM_STREAMS_RESET);
    sim_explorer_follow(stage->explorer);
    assert_null(find(stage, SIM_CHOICE_DATAGRAM, "six"));
    sim_host_restart(stage->plans[2].host);
    sim_explorer_follow(stage->explorer);
    take(stage, SIM_CHOICE_DATAGRAM, "six");
    assert_int_equal(stage->plans[2].events[DFS_EV_DATAGRAM], 1);
    stage_close(stage);
}

/* Streams ------------------------------------------------------------------------------------------------------------ */

static void on_stream(struct toy *toy, const struct dfs_event *event)
{
    dfs_conn conn;

    if (event->kind != DFS_EV_START)
        return;
    conn = toy_connect(toy, 2);
    toy->env.net->send(toy->env.ctx, conn, "first", 5, NULL, 0, 0);
    toy->env.net->send(toy->env.ctx, conn, "second", 6, NULL, 0, 0);
}

static void test_a_stream_comes_frame_by_frame_in_order(void **state)
{
    struct stage *stage = stage_open(on_stream);

    (void)state;
    look(stage);
    assert_int_equal(stage->count, 1); /* both round trips of the connect are one choice */
    take(stage, SIM_CHOICE_CONNECT, "a");
    assert_int_equal(stage->plans[0].events[DFS_EV_OPEN], 1);
    assert_null(find(stage, SIM_CHOICE_FRAME, "first"));
    take(stage, SIM_CHOICE_ACCEPT, "b");
    assert_null(find(stage, SIM_CHOICE_FRAME, "second"));
    take(stage, SIM_CHOICE_FRAME, "first");
    assert_int_equal(stage->plans[1].sinks[0].count, 5);
    take(stage, SIM_CHOICE_FRAME, "second");
    assert_int_equal(stage->plans[1].sinks[0].count, 11);
    look(stage);
    assert_int_equal(stage->count, 0);
    stage_close(stage);
}

static void test_a_stream_breaks_in_front_of_a_lost_frame(void **state)
{
    struct stage *stage = stage_open(on_stream);

    (void)state;
    take(stage, SIM_CHOICE_CONNECT, "a");
    take(stage, SIM_CHOICE_ACCEPT, "b");
    take(stage, SIM_CHOICE_FRAME, "first");
    sim_explorer_lose(stage->explorer, find(stage, SIM_CHOICE_FRAME, "second"));
    assert_null(find(stage, SIM_CHOICE_FRAME, "second"));
    take(stage, SIM_CHOICE_CLOSED, "a");
    take(stage, SIM_CHOICE_CLOSED, "b");
    assert_int_equal(stage->plans[0].closed, DFS_UNREACHABLE);
    assert_int_equal(stage->plans[1].closed, DFS_UNREACHABLE);
    assert_int_equal(stage->plans[1].sinks[0].count, 5);
    stage_close(stage);
}

static void test_the_news_of_a_crash_come_behind_what_was_sent_before(void **state)
{
    struct stage *stage = stage_open(on_stream);

    (void)state;
    take(stage, SIM_CHOICE_CONNECT, "a");
    take(stage, SIM_CHOICE_ACCEPT, "b");
    sim_host_crash(stage->plans[0].host, SIM_UNSYNCED_LOSE, SIM_STREAMS_RESET);
    sim_explorer_follow(stage->explorer);
    assert_null(find(stage, SIM_CHOICE_CLOSED, "b"));
    take(stage, SIM_CHOICE_FRAME, "first");
    take(stage, SIM_CHOICE_FRAME, "second");
    take(stage, SIM_CHOICE_CLOSED, "b");
    assert_int_equal(stage->plans[1].closed, DFS_UNREACHABLE);
    stage_close(stage);
}

/* Disks -------------------------------------------------------------------------------------------------------------- */

static void submit(struct toy *toy, enum dfs_disk_verb verb, const char *name)
{
    const struct dfs_disk_op op = {.verb = verb, .name = name, .token = (uint64_t)name[0] << 8 | (uint64_t)verb};

    toy->env.disk->submit(toy->env.ctx, &op);
}

static void on_disk(struct toy *toy, const struct dfs_event *event)
{
    if (event->kind != DFS_EV_START || sim_host_lives(toy->plan->host) > 1)
        return;
    submit(toy, DFS_DISK_CREATE, "x");
    submit(toy, DFS_DISK_SYNC, "x");
    submit(toy, DFS_DISK_CREATE, "y");
}

static void test_disk_operations_come_in_order_per_name_only(void **state)
{
    struct stage *stage = stage_open(on_disk);

    (void)state;
    look(stage);
    assert_int_equal(stage->count, 2);
    assert_string_equal(stage->choices[0].verb, "create");
    assert_string_equal(stage->choices[0].name, "x");
    assert_string_equal(stage->choices[1].name, "y");
    take(stage, SIM_CHOICE_DISK, "x");
    assert_string_equal(find(stage, SIM_CHOICE_DISK, "x")->verb, "sync");
    stage_close(stage);
}

/* The fingerprint before and after a crash that loses what is not synced. */
static void after_disk(const char *first, const char *second, enum sim_unsynced unsynced, uint64_t hashes[2])
{
    struct stage *stage = stage_open(on_disk);

    take(stage, SIM_CHOICE_DISK, first);
    if (second != NULL)
        take(stage, SIM_CHOICE_DISK, second);
    hashes[0] = sim_explorer_fingerprint(stage->explorer);
    sim_host_crash(stage->plans[0].host, unsynced, SIM_STREAMS_RESET);
    sim_host_restart(stage->plans[0].host);
    sim_explorer_follow(stage->explorer);
    hashes[1] = sim_explorer_fingerprint(stage->explorer);
    stage_close(stage);
}

static void test_a_crash_makes_states_equal_whose_disks_are(void **state)
{
    uint64_t xy[2], yx[2], x[2], kept_x[2], kept_all[2];

    (void)state;
    after_disk("x", "y", SIM_UNSYNCED_LOSE, xy);
    after_disk("y", "x", SIM_UNSYNCED_LOSE, yx);
    after_disk("x", NULL, SIM_UNSYNCED_LOSE, x);
    assert_int_not_equal(xy[0], yx[0]);
    assert_int_not_equal(xy[0], x[0]);
    assert_int_equal(xy[1], yx[1]);
    assert_int_equal(xy[1], x[1]);
    after_disk("x", NULL, SIM_UNSYNCED_KEEP, kept_x); /* what was under way is carried out too */
    after_disk("x", "y", SIM_UNSYNCED_KEEP, kept_all);
    assert_int_equal(kept_x[1], kept_all[1]);
    assert_int_not_equal(kept_x[1], x[1]);
}

/* Time --------------------------------------------------------------------------------------------------------------- */

static void on_deadline(struct toy *toy, const struct dfs_event *event)
{
    const struct dfs_addr b = toy_addr(2);

    if (event->kind == DFS_EV_START) {
        toy->env.net->datagram(toy->env.ctx, &b, "one", 3);
        toy->deadline = event->mono + 5 * DFS_SECONDS;
    } else if (event->kind == DFS_EV_TICK) {
        toy->deadline = DFS_NEVER;
    }
}

static void test_time_goes_on_by_a_choice_and_the_world_runs_on_from_there(void **state)
{
    struct stage *stage = stage_open(on_deadline);

    (void)state;
    look(stage);
    assert_int_equal(stage->count, 2);
    assert_int_equal(stage->choices[1].kind, SIM_CHOICE_TIME);
    assert_int_equal(stage->choices[1].at, 5 * DFS_SECONDS);
    take(stage, SIM_CHOICE_TIME, "a"); /* an early timeout: the datagram is still under way */
    assert_int_equal(sim_world_now(stage->world), 5 * DFS_SECONDS);
    assert_int_equal(stage->plans[0].events[DFS_EV_TICK], 1);
    assert_non_null(find(stage, SIM_CHOICE_DATAGRAM, "one"));
    sim_explorer_end(stage->explorer);
    assert_int_equal(sim_world_run(stage->world, DFS_NEVER), SIM_END_IDLE);
    assert_int_equal(stage->plans[1].events[DFS_EV_DATAGRAM], 1);
    stage_close(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_under_way_is_a_choice_and_time_stands_still),
        cmocka_unit_test(test_only_the_order_at_one_host_makes_a_difference),
        cmocka_unit_test(test_the_order_names_what_is_under_way_by_age),
        cmocka_unit_test(test_a_lost_datagram_comes_no_more),
        cmocka_unit_test(test_a_datagram_to_a_host_that_is_down_comes_late),
        cmocka_unit_test(test_a_stream_comes_frame_by_frame_in_order),
        cmocka_unit_test(test_a_stream_breaks_in_front_of_a_lost_frame),
        cmocka_unit_test(test_the_news_of_a_crash_come_behind_what_was_sent_before),
        cmocka_unit_test(test_disk_operations_come_in_order_per_name_only),
        cmocka_unit_test(test_a_crash_makes_states_equal_whose_disks_are),
        cmocka_unit_test(test_time_goes_on_by_a_choice_and_the_world_runs_on_from_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/net_sim/toy.h"

#define GOLDEN_CHATTER UINT64_C(0x599d4230c82ef01)
#define GOLDEN_EVENTS 0x6183

/* Time and order --------------------------------------------------------------------------------------------------- */

static struct {
    uint64_t values[64];
    size_t count;
} calls;

static void call_note(void *arg, struct sim_world *world)
{
    (void)world;
    calls.values[calls.count++] = *(uint64_t *)arg;
}

static void test_calls_come_in_order_of_time_then_of_asking(void **state)
{
    uint64_t numbers[] = {0, 1, 2, 3, 4};
    struct sim_world *world = sim_world_new(1, NULL);

    (void)state;
    calls.count = 0;
    sim_world_call(world, 30, call_note, &numbers[3]);
    sim_world_call(world, 10, call_note, &numbers[0]);
    sim_world_call(world, 30, call_note, &numbers[4]);
    sim_world_call(world, 20, call_note, &numbers[1]);
    sim_world_call(world, 20, call_note, &numbers[2]);
    assert_int_equal(sim_world_run(world, 20), SIM_END_TIME);
    assert_int_equal(sim_world_now(world), 20);
    assert_int_equal(calls.count, 3);
    assert_int_equal(sim_world_run(world, DFS_NEVER), SIM_END_IDLE);
    assert_int_equal(sim_world_now(world), 30);
    assert_int_equal(calls.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(calls.values[i], i);
    sim_world_free(world);
}

static void call_stop(void *arg, struct sim_world *world)
{
    (void)arg;
    sim_world_stop(world);
}

static void test_stop_returns_after_the_item(void **state)
{
    struct sim_world *world = sim_world_new(1, NULL);

    (void)state;
    sim_world_call(world, 5, call_stop, NULL);
    sim_world_call(world, 6, call_stop, NULL);
    assert_int_equal(sim_world_run(world, 100), SIM_END_STOPPED);
    assert_int_equal(sim_world_now(world), 5);
    assert_int_equal(sim_world_run(world, 100), SIM_END_STOPPED);
    assert_int_equal(sim_world_run(world, 100), SIM_END_IDLE);
    assert_int_equal(sim_world_now(world), 100);
    sim_world_free(world);
}

/* Deadlines -------------------------------------------------------------------------------------------------------- */

static void on_tick_every_second(struct toy *toy, const struct dfs_event *event)
{
    if (event->kind == DFS_EV_START || event->kind == DFS_EV_TICK)
        toy_note(toy->plan, event->mono, event->wall);
    if (event->kind == DFS_EV_START || event->kind == DFS_EV_TICK)
        toy->deadline = event->mono + DFS_SECONDS;
}

static void test_a_deadline_is_stepped_on_time_and_only_then(void **state)
{
    struct toy_plan plan = {.on = on_tick_every_second};
    struct sim_world *world = sim_world_new(1, NULL);

    (void)state;
    toy_host(world, "a", 1, &plan);
    assert_int_equal(sim_world_run(world, 10 * DFS_SECONDS), SIM_END_TIME);
    assert_int_equal(plan.events[DFS_EV_START], 1);
    assert_int_equal(plan.events[DFS_EV_TICK], 10);
    assert_int_equal(sim_world_counts(world)->events, 11);
    for (size_t i = 0; i < plan.note_count; i++) {
        assert_int_equal(plan.notes[i].at, i * DFS_SECONDS);
        assert_int_equal(plan.notes[i].mono, plan.notes[0].mono + i * DFS_SECONDS);
    }
    sim_world_free(world);
}

/* Moves its deadline on with every command, as an idle timeout does. */
static void on_idle_timeout(struct toy *toy, const struct dfs_event *event)
{
    toy_note(toy->plan, event->mono, event->kind);
    toy->deadline = event->kind == DFS_EV_TICK ? DFS_NEVER : event->mono + DFS_SECONDS;
}

static void test_a_deadline_that_moves_on_ticks_once(void **state)
{
    struct toy_plan plan = {.on = on_idle_timeout};
    struct sim_world *world = sim_world_new(1, NULL);

    (void)state;
    toy_host(world, "a", 1, &plan);
    for (unsigned i = 1; i <= 8; i++) {
        (void)sim_world_run(world, i * DFS_SECONDS / 2);
        toy_do(&plan, 1);
    }
    assert_int_equal(sim_world_run(world, DFS_NEVER), SIM_END_IDLE);
    assert_int_equal(plan.events[DFS_EV_TICK], 1);
    assert_int_equal(plan.notes[plan.note_count - 1].at, 5 * DFS_SECONDS);
    sim_world_free(world);
}

static void on_deadline_back_and_forth(struct toy *toy, const struct dfs_event *event)
{
    if (event->kind == DFS_EV_COMMAND)
        toy->deadline = event->mono + (event->command.code == 1 ? 100 : 10) * DFS_SECONDS;
    if (event->kind == DFS_EV_TICK) {
        toy_note(toy->plan, event->mono, 0);
        toy->deadline = DFS_NEVER;
    }
}

static void test_a_deadline_that_moves_back_is_kept(void **state)
{
    struct toy_plan plan = {.on = on_deadline_back_and_forth};
    struct sim_world *world = sim_world_new(1, NULL);

    (void)state;
    toy_host(world, "a", 1, &plan);
    toy_do(&plan, 1);
    (void)sim_world_run(world, DFS_SECONDS);
    toy_do(&plan, 2);
    assert_int_equal(sim_world_run(world, DFS_NEVER), SIM_END_IDLE);
    assert_int_equal(plan.note_count, 1);
    assert_int_equal(plan.notes[0].at, 11 * DFS_SECONDS);
    sim_world_free(world);
}

/* Clocks ----------------------------------------------------------------------------------------------------------- */

static void test_drift_and_offset(void **state)
{
    struct toy_plan plans[3] = {
        {.on = on_tick_every_second}, {.on = on_tick_every_second}, {.on = on_tick_every_second}};
    struct sim_world *world = sim_world_new(1, NULL);
    const dfs_wall_ns wall = sim_world_options_default().wall;
    struct sim_host *fast;
    struct sim_host *slow;
    struct sim_host *true_one = toy_host(world, "true", 1, &plans[0]);

    (void)state;
    fast = toy_host(world, "fast", 2, &plans[1]);
    slow = toy_host(world, "slow", 3, &plans[2]);
    sim_host_clock(fast, 0, 1000);            /* 0.1 % */
    sim_host_clock(slow, -5000000000, -1000); /* and five seconds behind */
    (void)sim_world_run(world, 1000 * DFS_SECONDS);
    assert_int_equal(sim_host_wall(fast), wall + 1001 * DFS_SECONDS);
    assert_int_equal(sim_host_wall(slow), wall + 994 * DFS_SECONDS);
    (void)sim_world_run(world, 1000 * DFS_SECONDS + 10 * DFS_MICROSECONDS); /* each tick rounds up a little */
    assert_int_equal(plans[0].events[DFS_EV_TICK], 1000);
    assert_int_equal(plans[1].events[DFS_EV_TICK], 1001);
    assert_int_equal(plans[2].events[DFS_EV_TICK], 999);
    assert_int_equal(sim_host_wall(true_one), wall + 1000 * DFS_SECONDS + 10 * DFS_MICROSECONDS);
    /* No tick before its time, and none a nanosecond of the host's too late. */
    for (unsigned h = 0; h < 3; h++)
        for (size_t i = 1; i < plans[h].note_count; i++)
            assert_in_range(plans[h].notes[i].mono - plans[h].notes[i - 1].mono, DFS_SECONDS, DFS_SECONDS + 1);
    sim_world_free(world);
}

static void test_a_jump_moves_wall_only(void **state)
{
    struct toy_plan plan = {.on = on_tick_every_second};
    struct sim_world *world = sim_world_new(1, NULL);
    struct sim_host *host = toy_host(world, "a", 1, &plan);
    dfs_time_ns mono;
    dfs_wall_ns wall;

    (void)state;
    (void)sim_world_run(world, 2500 * DFS_MILLISECONDS);
    mono = sim_host_mono(host);
    wall = sim_host_wall(host);
    sim_host_clock(host, (int64_t)(3600 * DFS_SECONDS), 0);
    assert_int_equal(sim_host_mono(host), mono);
    assert_int_equal(sim_host_wall(host), wall + 3600 * DFS_SECONDS);
    (void)sim_world_run(world, 4 * DFS_SECONDS);
    assert_int_equal(plan.events[DFS_EV_TICK], 4);
    assert_int_equal(sim_host_world_time(host, mono), 2500 * DFS_MILLISECONDS);
    sim_world_free(world);
}

static void test_hosts_monos_are_not_comparable(void **state)
{
    struct toy_plan plans[2] = {{.on = NULL}, {.on = NULL}};
    struct sim_world *world = sim_world_new(1, NULL);

    (void)state;
    assert_int_not_equal(sim_host_mono(toy_host(world, "a", 1, &plans[0])),
                         sim_host_mono(toy_host(world, "b", 2, &plans[1])));
    sim_world_free(world);
}

/* Random ----------------------------------------------------------------------------------------------------------- */

struct draws {
    uint64_t id[4];
    uint64_t jitter[4];
    unsigned extra_jitter;
};

static void on_draw(struct toy *toy, const struct dfs_event *event)
{
    struct draws *draws = toy->plan->arg;

    if (event->kind != DFS_EV_START)
        return;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t ignored;

        for (unsigned k = 0; k < draws->extra_jitter; k++)
            toy->env.rng->random(toy->env.ctx, DFS_RNG_JITTER, &ignored, sizeof ignored);
        toy->env.rng->random(toy->env.ctx, DFS_RNG_JITTER, &draws->jitter[i], sizeof draws->jitter[i]);
        toy->env.rng->random(toy->env.ctx, DFS_RNG_ID, &draws->id[i], sizeof draws->id[i]);
    }
}

static struct draws draws_of(uint64_t seed, const char *name, unsigned extra, unsigned lives)
{
    struct draws draws = {.extra_jitter = extra};
    struct toy_plan plan = {.on = on_draw, .arg = &draws};
    struct sim_world *world = sim_world_new(seed, NULL);
    struct sim_host *host = toy_host(world, name, 1, &plan);

    (void)sim_world_run(world, 1);
    while (lives-- > 1) {
        sim_host_crash(host, SIM_UNSYNCED_SEEDED, SIM_STREAMS_SILENT);
        sim_host_restart(host);
        (void)sim_world_run(world, 1);
    }
    sim_world_free(world);
    return draws;
}

static void test_random_is_keyed_by_seed_host_life_purpose_and_number(void **state)
{
    const struct draws draws = draws_of(1, "a", 0, 1);
    const struct draws same = draws_of(1, "a", 0, 1);
    const struct draws more = draws_of(1, "a", 3, 1);
    const struct draws seed = draws_of(2, "a", 0, 1);
    const struct draws host = draws_of(1, "b", 0, 1);
    const struct draws life = draws_of(1, "a", 0, 2);

    (void)state;
    assert_memory_equal(&draws, &same, sizeof draws);
    assert_memory_equal(draws.id, more.id, sizeof draws.id); /* more draws elsewhere shift nothing here */
    for (unsigned i = 0; i < 4; i++) {
        assert_int_not_equal(draws.id[i], seed.id[i]);
        assert_int_not_equal(draws.id[i], host.id[i]);
        assert_int_not_equal(draws.id[i], life.id[i]);
        assert_int_not_equal(draws.id[i], draws.jitter[i]);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(draws.id[i], draws.id[k]);
    }
}

/* Commands, pause, slowness, crash --------------------------------------------------------------------------------- */

static void on_note_all(struct toy *toy, const struct dfs_event *event)
{
    toy_note(toy->plan, event->mono, event->kind == DFS_EV_COMMAND ? 1000 + event->command.code : event->kind);
    if (event->kind == DFS_EV_COMMAND && event->command.argument != NULL)
        assert_int_equal(*(const uint32_t *)event->command.argument, event->command.code);
}

static void test_commands_carry_a_copied_argument_in_order(void **state)
{
    struct toy_plan plan = {.on = on_note_all};
    struct sim_world *world = sim_world_new(1, NULL);
    struct sim_host *host = toy_host(world, "a", 1, &plan);

    (void)state;
    for (uint32_t code = 1; code <= 3; code++) {
        uint32_t argument = code;

        assert_true(sim_host_command(host, code, code, &argument, sizeof argument));
        argument = 99;
    }
    (void)sim_world_run(world, DFS_NEVER);
    assert_int_equal(plan.note_count, 4);
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(plan.notes[i].value, 1000 + i);
    sim_host_crash(host, SIM_UNSYNCED_LOSE, SIM_STREAMS_SILENT);
    assert_false(sim_host_command(host, 9, 9, NULL, 0));
    sim_world_free(world);
}

static void on_ping(struct toy *toy, const struct dfs_event *event)
{
    if (event->kind == DFS_EV_START)
        toy->deadline = event->mono;
    if (event->kind != DFS_EV_TICK)
        return;
    toy_datagram(toy, 2, "ping", 4);
    toy->deadline = event->mono + DFS_MILLISECONDS;
}

static void test_a_paused_host_hears_late_and_its_datagrams_are_bounded(void **state)
{
    struct toy_plan ping = {.on = on_ping};
    struct toy_plan plan = {.on = on_tick_every_second};
    struct sim_world *world = sim_world_new(1, NULL);
    struct sim_host *host;
    uint64_t before;

    (void)state;
    toy_host(world, "ping", 1, &ping);
    host = toy_host(world, "a", 2, &plan);
    (void)sim_world_run(world, 1100 * DFS_MILLISECONDS);
    before = plan.events[DFS_EV_DATAGRAM];
    assert_in_range(before, 1098, 1101);
    sim_host_pause(host);
    sim_host_pause(host);
    (void)sim_world_run(world, 4500 * DFS_MILLISECONDS);
    sim_host_resume(host);
    (void)sim_world_run(world, 4600 * DFS_MILLISECONDS);
    assert_int_equal(plan.events[DFS_EV_DATAGRAM], before); /* two pauses take two resumes */
    assert_int_equal(plan.events[DFS_EV_TICK], 1);
    assert_true(sim_host_is_paused(host));
    sim_host_resume(host);
    (void)sim_world_run(world, 4600 * DFS_MILLISECONDS);
    assert_int_equal(plan.events[DFS_EV_DATAGRAM], before + 256); /* the bound */
    assert_int_equal(plan.events[DFS_EV_TICK], 2);                /* late, and once */
    assert_true(sim_world_counts(world)->datagrams_lost > 3000);
    (void)sim_world_run(world, 5700 * DFS_MILLISECONDS);
    assert_int_equal(plan.events[DFS_EV_TICK], 3);
    sim_world_free(world);
}

static void test_a_slow_host_queues_what_comes(void **state)
{
    struct toy_plan plan = {.on = on_note_all};
    struct sim_world *world = sim_world_new(1, NULL);
    struct sim_host *host = toy_host(world, "a", 1, &plan);

    (void)state;
    (void)sim_world_run(world, 1);
    sim_host_slow(host, 100); /* 20 us x 100 */
    for (uint32_t code = 1; code <= 5; code++)
        toy_do(&plan, code);
    (void)sim_world_run(world, DFS_NEVER);
    assert_int_equal(plan.note_count, 6);
    for (size_t i = 1; i <= 5; i++) {
        assert_int_equal(plan.notes[i].value, 1000 + i);
        assert_int_equal(plan.notes[i].at, 1 + (i - 1) * 2 * DFS_MILLISECONDS);
    }
    sim_host_slow(host, 1);
    toy_do(&plan, 6);
    toy_do(&plan, 7);
    (void)sim_world_run(world, DFS_NEVER);
    assert_int_equal(plan.notes[7].at, plan.notes[6].at);
    sim_world_free(world);
}

static void test_crash_and_restart(void **state)
{
    struct toy_plan ping = {.on = on_ping};
    struct toy_plan plan = {.on = on_tick_every_second};
    struct sim_world *world = sim_world_new(1, NULL);
    struct sim_host *host;
    uint64_t heard;

    (void)state;
    toy_host(world, "ping", 1, &ping);
    host = toy_host(world, "a", 2, &plan);
    (void)sim_world_run(world, 1500 * DFS_MILLISECONDS);
    sim_host_crash(host, SIM_UNSYNCED_SEEDED, SIM_STREAMS_SILENT);
    assert_int_equal(plan.destroyed, 1);
    assert_false(sim_host_is_up(host));
    assert_null(sim_host_machine(host));
    heard = plan.events[DFS_EV_DATAGRAM];
    (void)sim_world_run(world, 3 * DFS_SECONDS);
    assert_int_equal(plan.events[DFS_EV_DATAGRAM], heard);
    assert_int_equal(plan.events[DFS_EV_TICK], 1);
    sim_host_restart(host);
    assert_int_equal(sim_host_lives(host), 2);
    (void)sim_world_run(world, 4500 * DFS_MILLISECONDS);
    assert_int_equal(plan.events[DFS_EV_START], 2);
    assert_int_equal(plan.events[DFS_EV_TICK], 2);
    assert_true(plan.events[DFS_EV_DATAGRAM] > heard + 1000);
    sim_world_free(world);
    assert_int_equal(plan.destroyed, 2);
}

/* Determinism ------------------------------------------------------------------------------------------------------ */

#define CHATTERS 5

struct chatter {
    uint64_t change_at; /* the message with this number is changed; 0: none */
    unsigned change;    /* 0 nothing, 1 one byte, 2 one more draw, 3 one time */
    uint64_t sent;
};

static void on_chatter(struct toy *toy, const struct dfs_event *event)
{
    struct chatter *chatter = toy->plan->arg;
    uint8_t bytes[64] = {0};
    uint64_t draw;

    if (event->kind == DFS_EV_START)
        toy->deadline = event->mono;
    if (event->kind != DFS_EV_TICK && event->kind != DFS_EV_DATAGRAM)
        return;
    if (event->kind == DFS_EV_DATAGRAM && event->datagram.bytes[1] == 0)
        return;
    toy->env.rng->random(toy->env.ctx, DFS_RNG_CHOICE, &draw, sizeof draw);
    bytes[0] = (uint8_t)draw;
    bytes[1] = event->kind == DFS_EV_TICK ? 3 : (uint8_t)(event->datagram.bytes[1] - 1);
    if (event->kind == DFS_EV_TICK)
        toy->deadline = event->mono + DFS_MILLISECONDS;
    if (++chatter->sent == chatter->change_at && chatter->change != 0) {
        if (chatter->change == 1)
            bytes[63] = 1;
        else if (chatter->change == 2)
            toy->env.rng->random(toy->env.ctx, DFS_RNG_JITTER, &draw, 1);
        else
            toy->deadline = event->mono + DFS_MILLISECONDS + 1;
    }
    toy_datagram(toy, 1 + (unsigned)(draw >> 32) % CHATTERS, bytes, sizeof bytes);
}

static uint64_t chatter_hash(uint64_t seed, unsigned change, unsigned steps, uint64_t *ret_events)
{
    struct chatter chatters[CHATTERS] = {{.change = change, .change_at = change == 0 ? 0 : 100}};
    struct toy_plan plans[CHATTERS];
    struct sim_world_options options = sim_world_options_default();
    struct sim_world *world;
    uint64_t hash;

    options.link.latency = (struct sim_range){.min = 1000, .max = 2000000};
    options.link.loss_ppb = SIM_PPB_ONE / 100;
    options.link.duplicate_ppb = SIM_PPB_ONE / 100;
    options.link.reorder_ppb = SIM_PPB_ONE / 100;
    options.link.bytes_per_second = 10000000;
    world = sim_world_new(seed, &options);
    memset(plans, 0, sizeof plans);
    for (unsigned i = 0; i < CHATTERS; i++) {
        char name[] = {'h', (char)('0' + i), 0};

        plans[i].on = on_chatter;
        plans[i].arg = &chatters[i];
        toy_host(world, name, 1 + i, &plans[i]);
    }
    for (unsigned i = 1; i <= steps; i++)
        (void)sim_world_run(world, i * DFS_SECONDS / steps);
    hash = sim_world_hash(world);
    *ret_events = sim_world_counts(world)->events;
    sim_world_free(world);
    return hash;
}

static void test_same_seed_same_hash(void **state)
{
    uint64_t events[4];
    const uint64_t hash = chatter_hash(7, 0, 1, &events[0]);

    (void)state;
    assert_true(events[0] > 15000);
    assert_int_equal(chatter_hash(7, 0, 1, &events[1]), hash);
    assert_int_equal(chatter_hash(7, 0, 100, &events[2]), hash); /* however the run is cut */
    assert_int_not_equal(chatter_hash(8, 0, 1, &events[3]), hash);
    assert_int_equal(events[0], events[1]);
    assert_int_equal(events[0], events[2]);
}

static void test_any_difference_changes_the_hash(void **state)
{
    uint64_t events;
    const uint64_t hash = chatter_hash(7, 0, 1, &events);
    const uint64_t byte = chatter_hash(7, 1, 1, &events);
    const uint64_t draw = chatter_hash(7, 2, 1, &events);
    const uint64_t time = chatter_hash(7, 3, 1, &events);

    (void)state;
    assert_int_not_equal(hash, byte);
    assert_int_not_equal(hash, draw);
    assert_int_not_equal(hash, time);
    assert_int_not_equal(byte, draw);
}

/* A golden: what a seed means must not change by accident, nor with the compiler or its options. A change on
 * purpose changes it here. */
static void test_a_seed_keeps_its_meaning(void **state)
{
    uint64_t events;

    (void)state;
    assert_int_equal(chatter_hash(2024, 0, 1, &events), GOLDEN_CHATTER);
    assert_int_equal(events, GOLDEN_EVENTS);
}

/* Observers -------------------------------------------------------------------------------------------------------- */

struct seen {
    uint64_t before;
    uint64_t after;
    uint64_t traces;
    uint64_t changes[5];
    uint64_t trace_a;
};

static void see_before(void *arg, struct sim_host *host, const struct dfs_event *event)
{
    (void)host;
    (void)event;
    ((struct seen *)arg)->before++;
}

static void see_after(void *arg, struct sim_host *host, const struct dfs_event *event, dfs_time_ns deadline)
{
    (void)host;
    (void)event;
    (void)deadline;
    ((struct seen *)arg)->after++;
}

static void see_trace(void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    (void)host;
    ((struct seen *)arg)->traces++;
    ((struct seen *)arg)->trace_a = trace->a;
}

static void see_change(void *arg, struct sim_host *host, enum sim_host_change change)
{
    (void)host;
    ((struct seen *)arg)->changes[change]++;
}

static void on_trace(struct toy *toy, const struct dfs_event *event)
{
    const struct dfs_trace trace = {.kind = DFS_TRACE_NOTE, .a = (uintptr_t)toy->plan->arg, .text = "hello"};

    (void)event;
    toy->env.trace->trace(toy->env.ctx, &trace);
}

static uint64_t trace_hash(uintptr_t a, bool observed, struct seen *seen)
{
    struct toy_plan plan = {.on = on_trace, .arg = (void *)a};
    struct sim_world *world = sim_world_new(1, NULL);
    const struct sim_observer observer = {.arg = seen,
                                          .before_step = see_before,
                                          .after_step = see_after,
                                          .trace = see_trace,
                                          .host_changed = see_change};
    struct sim_host *host;
    uint64_t hash;

    if (observed) {
        sim_world_observe(world, &observer);
        sim_world_observe(world, &observer);
    }
    host = toy_host(world, "a", 1, &plan);
    toy_do(&plan, 1);
    (void)sim_world_run(world, 100);
    sim_host_pause(host);
    sim_host_resume(host);
    sim_host_stop(host);
    hash = sim_world_hash(world);
    sim_world_free(world);
    return hash;
}

static void test_observers_see_everything_and_change_nothing(void **state)
{
    struct seen seen = {0};
    struct seen none = {0};
    const uint64_t hash = trace_hash(5, false, &none);

    (void)state;
    assert_int_equal(trace_hash(5, true, &seen), hash);
    assert_int_not_equal(trace_hash(6, false, &none), hash); /* traces are hashed, with or without an observer */
    assert_int_equal(seen.before, 4);
    assert_int_equal(seen.after, 4);
    assert_int_equal(seen.traces, 4);
    assert_int_equal(seen.trace_a, 5);
    assert_int_equal(seen.changes[SIM_HOST_STARTED], 2);
    assert_int_equal(seen.changes[SIM_HOST_PAUSED], 2);
    assert_int_equal(seen.changes[SIM_HOST_RESUMED], 2);
    assert_int_equal(seen.changes[SIM_HOST_STOPPED], 2);
    assert_int_equal(seen.changes[SIM_HOST_CRASHED], 0);
}

/* Nothing of b, and of a neither its steps before nor notes. */
static void hear_little(void *arg, const struct sim_host *host, struct sim_hearing *hearing)
{
    const bool is_a = strcmp(sim_host_name(host), "a") == 0;

    (void)arg;
    hearing->before_step = false;
    hearing->after_step = is_a;
    hearing->traces &= is_a ? ~(UINT32_C(1) << DFS_TRACE_NOTE) : 0;
}

static void test_observers_hear_what_they_want(void **state)
{
    struct seen little = {0};
    struct seen all = {0};
    struct sim_observer observer = {
        .arg = &little, .before_step = see_before, .after_step = see_after, .trace = see_trace};
    struct toy_plan plans[2] = {{.on = on_trace}, {.on = on_trace}};
    struct sim_world *world = sim_world_new(1, NULL);

    (void)state;
    observer.hears = hear_little;
    sim_world_observe(world, &observer);
    toy_host(world, "a", 1, &plans[0]);
    toy_host(world, "b", 2, &plans[1]);
    (void)sim_world_run(world, 100);
    assert_int_equal(little.before, 0);
    assert_int_equal(little.after, 1);
    assert_int_equal(little.traces, 0);
    observer = (struct sim_observer){.arg = &all, .before_step = see_before, .trace = see_trace};
    sim_world_observe(world, &observer); /* machines that run are heard from here on */
    toy_do(&plans[0], 1);
    toy_do(&plans[1], 1);
    (void)sim_world_run(world, 200);
    assert_int_equal(all.before, 2);
    assert_int_equal(all.traces, 2);
    assert_int_equal(little.after, 2); /* of a; of b nobody hears what follows a step */
    sim_world_free(world);
}

static void test_the_budget_ends_the_run(void **state)
{
    struct toy_plan ping = {.on = on_ping};
    struct sim_world_options options = sim_world_options_default();
    struct sim_world *world;

    (void)state;
    options.events_max = 50;
    world = sim_world_new(1, &options);
    toy_host(world, "ping", 1, &ping);
    assert_int_equal(sim_world_run(world, DFS_NEVER), SIM_END_BUDGET);
    assert_int_equal(sim_world_counts(world)->events, 50);
    sim_world_free(world);
}

/* Local files ------------------------------------------------------------------------------------------------------ */

struct local {
    uint8_t sink[100];
    size_t pushed;
    bool committed;
    uint64_t answers;
};

static size_t local_fill(void *arg, uint64_t source, uint64_t offset, uint8_t *bytes, size_t count,
                         enum dfs_status *ret_status)
{
    (void)arg;
    if (source == 13) {
        *ret_status = DFS_IO;
        return 0;
    }
    count = offset >= 100 ? 0 : (count < 100 - offset ? count : 100 - (size_t)offset);
    toy_fill(bytes, source, offset, count);
    return count;
}

static enum dfs_status local_accept(void *arg, uint64_t sink, uint64_t offset, const uint8_t *bytes, size_t count)
{
    struct local *local = arg;

    assert_int_equal(sink, 4);
    memcpy(local->sink + offset, bytes, count);
    local->pushed += count;
    return DFS_OK;
}

static enum dfs_status local_finish(void *arg, uint64_t sink, bool commit)
{
    (void)sink;
    ((struct local *)arg)->committed = commit;
    return DFS_OK;
}

static void local_answer(void *arg, uint64_t command, const void *result)
{
    assert_string_equal(result, "done");
    ((struct local *)arg)->answers += command;
}

static struct dfs_buf *local_buf;

static void on_local(struct toy *toy, const struct dfs_event *event)
{
    const struct dfs_local_ops *local = toy->env.local;

    if (event->kind == DFS_EV_COMMAND) {
        local_buf = dfs_buf_new(&toy->pool, 512);
        local->pull(toy->env.ctx, 13, 0, local_buf, 0, 60, 1);
        local->pull(toy->env.ctx, 3, 0, local_buf, 0, 60, 2);
        local->pull(toy->env.ctx, 3, 60, local_buf, 60, 60, 3);
    } else if (event->kind == DFS_EV_SOURCE) {
        toy_note(toy->plan, event->mono, event->local.token << 32 | event->local.count << 8 | event->local.status);
        if (toy->plan->events[DFS_EV_SOURCE] == 3)
            local->push(toy->env.ctx, 4, 0, local_buf, 0, 100, 7);
    } else if (event->kind == DFS_EV_SINK && !event->local.finished) {
        assert_int_equal(event->local.token, 7);
        local->finish(toy->env.ctx, 4, true, 8);
    } else if (event->kind == DFS_EV_SINK) {
        dfs_buf_unref(local_buf);
        local->answer(toy->env.ctx, 1, "done");
    }
}

static void test_local_files_are_pulled_and_pushed(void **state)
{
    static const struct sim_local_ops ops = {
        .fill = local_fill, .accept = local_accept, .finish = local_finish, .answer = local_answer};
    struct local local = {.pushed = 0};
    struct toy_plan plan = {.on = on_local};
    struct sim_world *world = sim_world_new(1, NULL);
    struct sim_host_options options = sim_host_options_default();
    const struct dfs_addr addr = toy_addr(1);
    uint64_t seen = 0;

    (void)state;
    options.local = &ops;
    options.local_arg = &local;
    plan.host = sim_host_add(world, "c1", &addr, &options);
    sim_host_start(plan.host, &toy_ops, &plan);
    toy_do(&plan, 1);
    assert_int_equal(sim_world_run(world, DFS_NEVER), SIM_END_IDLE);
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(plan.notes[i].at, 10 * DFS_MICROSECONDS, 50 * DFS_MICROSECONDS);
        seen += plan.notes[i].value;
    }
    assert_int_equal(seen,
                     (UINT64_C(1) << 32 | DFS_IO) + (UINT64_C(2) << 32 | 60 << 8) + (UINT64_C(3) << 32 | 40 << 8));
    assert_int_equal(local.pushed, 100);
    assert_true(toy_is_filled(local.sink, 3, 0, 100));
    assert_true(local.committed);
    assert_int_equal(local.answers, 1);
    sim_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_come_in_order_of_time_then_of_asking),
        cmocka_unit_test(test_stop_returns_after_the_item),
        cmocka_unit_test(test_a_deadline_is_stepped_on_time_and_only_then),
        cmocka_unit_test(test_a_deadline_that_moves_on_ticks_once),
        cmocka_unit_test(test_a_deadline_that_moves_back_is_kept),
        cmocka_unit_test(test_drift_and_offset),
        cmocka_unit_test(test_a_jump_moves_wall_only),
        cmocka_unit_test(test_hosts_monos_are_not_comparable),
        cmocka_unit_test(test_random_is_keyed_by_seed_host_life_purpose_and_number),
        cmocka_unit_test(test_commands_carry_a_copied_argument_in_order),
        cmocka_unit_test(test_a_paused_host_hears_late_and_its_datagrams_are_bounded),
        cmocka_unit_test(test_a_slow_host_queues_what_comes),
        cmocka_unit_test(test_crash_and_restart),
        cmocka_unit_test(test_same_seed_same_hash),
        cmocka_unit_test(test_any_difference_changes_the_hash),
        cmocka_unit_test(test_a_seed_keeps_its_meaning),
        cmocka_unit_test(test_observers_see_everything_and_change_nothing),
        cmocka_unit_test(test_observers_hear_what_they_want),
        cmocka_unit_test(test_the_budget_ends_the_run),
        cmocka_unit_test(test_local_files_are_pulled_and_pushed),
    };

    return cmocka_run_group_tests_name("net_sim/world", tests, NULL, NULL);
}

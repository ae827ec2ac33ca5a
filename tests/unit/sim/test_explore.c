/* Exploring: what is merged is equal, what comes of it is the same with and without merging, and a schedule that fails can be made again. */
#include "core/base/mem.h"
#include "sim/explore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD \
    "{\"dfs_scenario\":1,\"duration\":\"60s\",\"cluster\":{\"data\":2,\"clients\":2,\"replication\":2,\"config\":" \
    "{\"heartbeat_interval\":\"60s\",\"scrypt_n\":16,\"block_min\":\"1KB\",\"block_max\":\"20KB\",\"token_lifetime\":\"1d\"}},"
#define STATS \
    HEAD \
        "\"workload\":[{\"at\":\"0s\",\"client\":\"c1\",\"stat\":\"x\"},{\"at\":\"0s\",\"client\":\"c2\",\"stat\":\"x\"}]}"
/* Small enough for a fault in every order, without merging. */
#define STAT \
    "{\"dfs_scenario\":1,\"duration\":\"60s\",\"cluster\":{\"data\":1,\"clients\":1,\"replication\":1,\"config\":" \
    "{\"heartbeat_interval\":\"60s\",\"scrypt_n\":16,\"token_lifetime\":\"1d\"}}," \
    "\"workload\":[{\"at\":\"0s\",\"client\":\"c1\",\"stat\":\"x\"}]}"
#define PUT HEAD "\"workload\":[{\"at\":\"0s\",\"client\":\"c1\",\"put\":\"a\",\"size\":\"1KB\"}]}"

static struct sim_source source_of(const char *text)
{
    return (struct sim_source){.file = "story", .bytes = (char *)(uintptr_t)text, .count = strlen(text)};
}

static void search(const char *text, struct sim_explore_options options, struct sim_explore_result *result)
{
    const struct sim_source source = source_of(text);

    options.source = &source;
    options.scope.seed = 1;
    options.depth = 1000;
    options.states_max = options.states_max != 0 ? options.states_max : 100000;
    assert_true(sim_explore(&options, result));
    if (!result->started)
        fail_msg("%s", result->words);
}

/* Scopes ------------------------------------------------------------------------------------------------------------- */

struct walk {
    struct sim_scenario scenario;
    struct sim_scope *scope;
    struct sim_move *moves;
    size_t count;
};

static void walk_open(struct walk *walk, const char *text, const struct sim_scope_options *wanted)
{
    struct sim_scope_options options = *wanted;
    struct dfs_conf_error error = {.text = ""};
    struct dfs_why why;

    options.seed = 1;
    walk->moves = dfs_alloc_zero_array(SIM_MOVES_MAX, sizeof *walk->moves);
    if (sim_scenario_read(&walk->scenario, "story", text, strlen(text), 1, &error) != DFS_OK)
        fail_msg("%s", error.text);
    walk->scope = sim_scope_new(&walk->scenario, &options, &why);
    assert_non_null(walk->scope);
}

static void walk_close(struct walk *walk)
{
    sim_scope_free(walk->scope);
    sim_scenario_close(&walk->scenario);
    dfs_free(walk->moves);
}

/* Makes the move with these words; its way, as it was named before. */
static uint64_t make(struct walk *walk, const char *wanted)
{
    char words[SIM_MOVE_WORDS_BYTES];

    walk->count = sim_scope_moves(walk->scope, walk->moves);
    for (size_t i = 0; i < walk->count; i++) {
        sim_scope_words(walk->scope, walk->moves, i, words);
        if (strcmp(words, wanted) == 0) {
            const uint64_t way = sim_scope_way(walk->scope, &walk->moves[i]);

            sim_scope_apply(walk->scope, &walk->moves[i]);
            return way;
        }
    }
    fail_msg("\"%s\" is not possible", wanted);
    return 0;
}

struct names {
    uint64_t way;
    uint64_t state;
};

static struct names after(const char *const *words, size_t count)
{
    struct walk walk;
    struct names names = {0};

    walk_open(&walk, STATS, &(struct sim_scope_options){.overtakes = SIM_OVERTAKES_ALL});
    for (size_t i = 0; i < count; i++)
        names.way = make(&walk, words[i]);
    names.state = sim_scope_state(walk.scope);
    walk_close(&walk);
    return names;
}

#define AFTER(...) \
    after((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void what_does_not_touch_each_other_leads_to_one_state(void **state)
{
    const char *c1 = "the connect of c1 to meta ends";
    const char *c2 = "the connect of c2 to meta ends";
    const char *m1 = "meta accepts the connection of c1";
    const char *m2 = "meta accepts the connection of c2";
    const struct names one = AFTER(c1, c2);
    const struct names other = AFTER(c2, c1);
    const struct names at_meta = AFTER(c1, c2, m1, m2);
    const struct names at_meta_too = AFTER(c2, c1, m2, m1);
    const struct names at_meta_early = AFTER(c1, m1, c2, m2);

    (void)state;
    assert_int_equal(one.way, other.way);
    assert_int_equal(one.state, other.state);
    assert_int_not_equal(at_meta.way, at_meta_too.way);
    assert_int_not_equal(at_meta.state, at_meta_too.state);
    assert_int_equal(at_meta.way, at_meta_early.way);
    assert_int_equal(at_meta.state, at_meta_early.state);
}

/* A stroll through a scope with faults of all kinds: whatever can be done can be said, and said apart. */
static void every_move_has_words_of_its_own(void **state)
{
    static const struct sim_scope_options options = {
        .overtakes = 2, .crashes = 2, .losses = 2, .timeouts = 2, .late = true, .unsynced = 7, .hosts = {{0x3f}}};
    static char words[SIM_MOVES_MAX][SIM_MOVE_WORDS_BYTES];
    unsigned kinds = 0;
    struct walk walk;

    (void)state;
    for (uint64_t stroll = 0; stroll < 20; stroll++) {
        walk_open(&walk, PUT, &options);
        for (uint64_t step = 0; step < 60 && !sim_scope_is_over(walk.scope); step++) {
            walk.count = sim_scope_moves(walk.scope, walk.moves);
            assert_true(walk.count > 0 || sim_scope_is_over(walk.scope));
            for (size_t i = 0; i < walk.count; i++) {
                sim_scope_words(walk.scope, walk.moves, i, words[i]);
                assert_true(strlen(words[i]) > 0);
                for (size_t k = 0; k < i; k++)
                    assert_string_not_equal(words[i], words[k]);
            }
            if (walk.count == 0)
                break;
            const size_t at = (size_t)sim_below(sim_prf(stroll, 1, step), walk.count);

            kinds |=
                1u << walk.moves[at].kind | (walk.moves[at].held != 0 ? 16u : 0) | (walk.moves[at].early ? 32u : 0);
            sim_scope_apply(walk.scope, &walk.moves[at]);
        }
        walk_close(&walk);
    }
    assert_int_equal(kinds, 63); /* take, lose, crash, restart; hold, early */
}

static void a_crash_goes_on_from_the_end(void **state)
{
    static const struct sim_scope_options options = {.crashes = 1, .unsynced = 1, .hosts = {{1u << 4}}}; /* c1 */
    struct walk walk;

    (void)state;
    walk_open(&walk, PUT, &options);
    do {
        walk.count = sim_scope_moves(walk.scope, walk.moves);
        if (!sim_scope_is_over(walk.scope))
            sim_scope_apply(walk.scope, &walk.moves[0]);
    } while (!sim_scope_is_over(walk.scope));
    assert_int_equal(walk.count, 1);
    assert_int_equal(walk.moves[0].kind, SIM_MOVE_CRASH);
    sim_scope_apply(walk.scope, &walk.moves[0]);
    do {
        walk.count = sim_scope_moves(walk.scope, walk.moves);
        assert_false(sim_scope_is_over(walk.scope)); /* it has to start again first */
        sim_scope_apply(walk.scope, &walk.moves[0]);
    } while (walk.moves[0].kind != SIM_MOVE_RESTART);
    walk_close(&walk);
}

/* Searches ----------------------------------------------------------------------------------------------------------- */

static void merging_loses_no_outcome(void **state)
{
    static struct sim_explore_result merged, whole;
    const struct {
        const char *text;
        struct sim_scope_options scope;
    } cases[] = {
        {STATS, {.overtakes = SIM_OVERTAKES_ALL}},
        {STATS, {.overtakes = 0, .losses = 1}},
        {STATS, {.overtakes = 1}},
        {STATS, {.overtakes = 0, .crashes = 1, .unsynced = 7, .hosts = {{1u << 1 | 1u << 4}}}},
        {STAT, {.overtakes = SIM_OVERTAKES_ALL, .losses = 1}},
        {STAT, {.overtakes = SIM_OVERTAKES_ALL, .crashes = 1, .unsynced = 1, .hosts = {{1u << 3}}}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct sim_scope_options *scope = &cases[i].scope;

        search(cases[i].text, (struct sim_explore_options){.scope = *scope}, &merged);
        search(cases[i].text, (struct sim_explore_options){.scope = *scope, .no_merge = true}, &whole);
        assert_true((merged.losses > 0) == (scope->losses > 0));
        assert_true((merged.crashes > 0) == (scope->crashes > 0));
        assert_int_equal(merged.bound, SIM_BOUND_NONE);
        assert_int_equal(whole.bound, SIM_BOUND_NONE);
        assert_int_equal(merged.states, whole.states);
        assert_int_equal(merged.outcomes, whole.outcomes);
        assert_int_equal(merged.outcomes_hash, whole.outcomes_hash);
        assert_true(merged.moves < whole.moves);
        assert_true(merged.ends <= whole.ends);
    }
}

static void the_same_scope_gives_the_same_numbers(void **state)
{
    static struct sim_explore_result one, other;
    const struct sim_explore_options options = {.scope = {.crashes = 1, .unsynced = 7, .hosts = {{1u << 2 | 1u << 3}}}};

    (void)state;
    search(PUT, options, &one);
    search(PUT, options, &other);
    assert_int_equal(one.bound, SIM_BOUND_NONE);
    assert_int_equal(one.verdict, SIM_PASS);
    assert_true(one.crashes > 30); /* each step of both, most of them with something unsynced */
    assert_int_equal(one.states, other.states);
    assert_int_equal(one.moves, other.moves);
    assert_int_equal(one.outcomes_hash, other.outcomes_hash);
}

static void a_search_says_what_stopped_it(void **state)
{
    static struct sim_explore_result result;
    const struct sim_source source = source_of(PUT);
    struct sim_explore_options options = {.source = &source, .scope = {.seed = 1}, .depth = 10};

    (void)state;
    assert_true(sim_explore(&options, &result));
    assert_int_equal(result.bound, SIM_BOUND_DEPTH);
    assert_int_equal(result.deepest, 10);
    options.depth = 1000;
    options.states_max = 20;
    assert_true(sim_explore(&options, &result));
    assert_int_equal(result.bound, SIM_BOUND_STATES);
    assert_int_equal(result.states, 20);
}

/* Metadata is gone for good: the client is never answered. */
static void a_schedule_that_fails_is_made_again_from_its_file(void **state)
{
    static struct sim_explore_result result;
    static const char text[] =
        "{\"dfs_scenario\":1,\"duration\":\"2s\",\"settle\":\"4s\",\"cluster\":{\"data\":2,\"clients\":1,"
        "\"replication\":2,\"config\":{\"scrypt_n\":16}},"
        "\"workload\":[{\"at\":\"0s\",\"client\":\"c1\",\"put\":\"a\",\"size\":\"1KB\"}],"
        "\"faults\":[{\"at\":\"0s\",\"crash\":\"meta\"}]}";
    const struct sim_source source = source_of(text);
    const struct sim_explore_options options = {.source = &source, .scope = {.seed = 1}, .depth = 1000};
    char file[] = "/tmp/dfs-test-schedule-XXXXXX";
    const int fd = mkstemp(file);
    json_t *schedule;

    (void)state;
    assert_true(fd >= 0);
    assert_true(sim_explore(&options, &result));
    assert_true(result.started);
    assert_int_equal(result.verdict, SIM_STUCK);
    assert_int_equal(result.bound, SIM_BOUND_FAILURE);
    schedule = sim_schedule_make(&options, &result);
    assert_non_null(schedule);
    assert_int_equal(json_array_size(json_object_get(schedule, "steps")), result.path_count);
    assert_int_equal(json_dump_file(schedule, file, 0), 0);
    assert_int_equal(sim_schedule_replay(&(struct sim_replay){.file = file, .json = true}),
                     sim_verdict_exit_code(result.verdict));
    (void)json_object_set_new(json_array_get(json_object_get(schedule, "steps"), 0), "do", json_string("nothing"));
    assert_int_equal(json_dump_file(schedule, file, 0), 0);
    assert_int_equal(sim_schedule_replay(&(struct sim_replay){.file = file, .json = true}), 2);
    json_decref(schedule);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_touch_each_other_leads_to_one_state),
        cmocka_unit_test(every_move_has_words_of_its_own),
        cmocka_unit_test(a_crash_goes_on_from_the_end),
        cmocka_unit_test(merging_loses_no_outcome),
        cmocka_unit_test(the_same_scope_gives_the_same_numbers),
        cmocka_unit_test(a_search_says_what_stopped_it),
        cmocka_unit_test(a_schedule_that_fails_is_made_again_from_its_file),
    };

    json_object_seed(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

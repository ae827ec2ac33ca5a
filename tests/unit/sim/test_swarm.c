/* What the seeds of the swarm draw, without running them. */
#include "sim/swarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SEEDS 3000

/* More bounds than there are. */
#define BOUNDS_MAX 100

/* Every kind of the language but these: `restart` is how a drawn crash ends, `random` draws what the swarm draws itself. */
static void every_kind_of_fault_is_drawn(void **state)
{
    uint32_t drawn[SIM_FAULT_COUNT] = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_scenario scenario;

        sim_swarm_draw(seed, &scenario);
        for (size_t i = 0; i < scenario.faults_count; i++)
            drawn[scenario.faults[i].kind]++;
        sim_scenario_close(&scenario);
    }
    for (uint32_t kind = 0; kind < SIM_FAULT_COUNT; kind++) {
        if (kind == SIM_FAULT_RESTART || kind == SIM_FAULT_RANDOM)
            assert_int_equal(drawn[kind], 0);
        else if (drawn[kind] == 0)
            fail_msg("no seed draws %s", sim_fault_name((enum sim_fault_kind)kind));
    }
}

/* A queue is found to be too short, a page to be cut in the wrong place, when it holds one. */
static void pages_and_batches_go_down_to_one(void **state)
{
    static struct {
        int64_t least;
        int64_t most;
    } seen[DFS_SETTING_COUNT];

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_scenario scenario;

        sim_swarm_draw(seed, &scenario);
        for (size_t i = 0; i < DFS_SETTING_COUNT; i++) {
            const struct dfs_conf_key *row = &dfs_settings_table.rows[i];
            int64_t low = 0;
            int64_t high = 0;

            if (!dfs_settings_knob(i, &low, &high))
                continue;
            const int64_t value = dfs_key_get(row, &scenario.cluster.settings);

            seen[i].least = seed == 1 || value < seen[i].least ? value : seen[i].least;
            seen[i].most = seed == 1 || value > seen[i].most ? value : seen[i].most;
        }
        sim_scenario_close(&scenario);
    }
    const enum dfs_setting pages[] = {DFS_SETTING_AT_list_page,      DFS_SETTING_AT_inventory_page,
                                      DFS_SETTING_AT_placement_page, DFS_SETTING_AT_journal_batch,
                                      DFS_SETTING_AT_events_page,    DFS_SETTING_AT_remove_page};

    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        assert_true(seen[pages[i]].least <= 2);
        assert_true(seen[pages[i]].most > seen[pages[i]].least);
    }
}

/* Every bound is drawn at its least and far from it; most stay what a daemon has. */
static void bounds_go_down_to_their_least(void **state)
{
    static struct {
        int64_t least;
        int64_t most;
    } seen[BOUNDS_MAX];
    uint32_t turned = 0;

    (void)state;
    assert_in_range(sim_bounds_table.count, 40, BOUNDS_MAX);
    for (size_t i = 0; i < sim_bounds_table.count; i++)
        seen[i].least = sim_bounds_table.rows[i].max;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_scenario scenario;

        sim_swarm_draw(seed, &scenario);
        for (size_t i = 0; i < sim_bounds_table.count; i++) {
            const struct dfs_conf_key *row = &sim_bounds_table.rows[i];
            const int64_t value = dfs_key_get(row, &scenario.cluster.bounds);

            assert_true(value >= row->min && value <= row->max);
            if (value == row->max)
                continue;
            turned++;
            seen[i].least = value < seen[i].least ? value : seen[i].least;
            seen[i].most = value > seen[i].most ? value : seen[i].most;
        }
        sim_scenario_close(&scenario);
    }
    for (size_t i = 0; i < sim_bounds_table.count; i++) {
        const struct dfs_conf_key *row = &sim_bounds_table.rows[i];

        if (seen[i].least > row->min + 1)
            fail_msg("%s is never drawn as %lld", row->name, (long long)row->min);
        if (row->max > 1000 && seen[i].most < row->max / 4)
            fail_msg("%s is never drawn above %lld", row->name, (long long)seen[i].most);
    }
    assert_in_range(turned, SEEDS * 3, SEEDS * 8); /* a few in each seed */
}

/* Where each join has only a few blocks removed, hundreds of joins may be needed. */
static void what_goes_one_by_one_is_given_the_time(void **state)
{
    uint32_t slow = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_scenario scenario;
        int64_t least;

        sim_swarm_draw(seed, &scenario);
        least = scenario.cluster.bounds.meta_strays < scenario.cluster.bounds.meta_removals_per_node
                    ? scenario.cluster.bounds.meta_strays
                    : scenario.cluster.bounds.meta_removals_per_node;
        slow += least <= 4;
        assert_true(scenario.settle_ns >= (int64_t)((least <= 4 ? 1000 : 100) * DFS_SECONDS));
        sim_scenario_close(&scenario);
    }
    assert_in_range(slow, 10, SEEDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_fault_is_drawn),
        cmocka_unit_test(pages_and_batches_go_down_to_one),
        cmocka_unit_test(bounds_go_down_to_their_least),
        cmocka_unit_test(what_goes_one_by_one_is_given_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

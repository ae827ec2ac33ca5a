/* For how long blocks lack copies: servers come and go, copies are made and removed, files appear and go. */
#include "sim/copies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SERVERS 4

struct fixture {
    struct sim_risks *risks;
    struct sim_block block;
    struct sim_holder holders[SERVERS];
};

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.risks = sim_risks_new(SERVERS, 3)};
    f.block.holders = f.holders;
    for (uint32_t i = 0; i < SERVERS; i++)
        sim_risk_server(f.risks, i, true, 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sim_risks_free(f->risks);
    return 0;
}

static void copy(struct fixture *f, uint32_t server, dfs_time_ns now)
{
    f->holders[f->block.holders_count++].data = server;
    sim_risk_copy(f->risks, &f->block, server, now);
}

static void a_server_that_goes_and_a_copy_that_is_made(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 3; i++)
        copy(f, i, 1);
    sim_risk_live(f->risks, &f->block, true, 2);
    sim_risk_server(f->risks, 1, false, 100);
    copy(f, 3, 150);
    assert_int_equal(sim_risk_figures(f->risks).under_ns, 50);
    assert_int_equal(sim_risk_figures(f->risks).under_longest_ns, 50);
    assert_int_equal(sim_risk_figures(f->risks).one_ns, 0);
    sim_risk_server(f->risks, 1, true, 200); /* one too many, which is trimmed */
    sim_risk_copy_gone(f->risks, &f->block, 0, 210);
    sim_risk_server(f->risks, 0, false, 220); /* has it no more */
    assert_int_equal(sim_risk_figures(f->risks).under_ns, 50);
}

static void one_copy_left(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 3; i++)
        copy(f, i, 1);
    sim_risk_live(f->risks, &f->block, true, 2);
    sim_risk_server(f->risks, 0, false, 10);
    sim_risk_server(f->risks, 1, false, 20);
    sim_risk_server(f->risks, 1, true, 50);
    sim_risk_server(f->risks, 0, true, 70);
    assert_int_equal(sim_risk_figures(f->risks).one_ns, 30);
    assert_int_equal(sim_risk_figures(f->risks).one_longest_ns, 30);
    assert_int_equal(sim_risk_figures(f->risks).under_ns, 60);
}

static void a_copy_that_went_and_came_back_counts_once(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 3; i++)
        copy(f, i, 1);
    sim_risk_live(f->risks, &f->block, true, 2);
    sim_risk_copy_gone(f->risks, &f->block, 2, 10);
    sim_risk_copy(f->risks, &f->block, 2, 15);
    sim_risk_copy(f->risks, &f->block, 2, 16);
    sim_risk_server(f->risks, 2, false, 20);
    sim_risk_server(f->risks, 2, true, 30);
    assert_int_equal(f->block.risk.copies, 3);
    assert_int_equal(sim_risk_figures(f->risks).under_ns, 15);
}

static void what_nobody_wants_is_not_at_risk(void **state)
{
    struct fixture *f = *state;

    copy(f, 0, 1);
    sim_risk_server(f->risks, 0, false, 10);
    assert_int_equal(sim_risk_figures(f->risks).under_ns, 0);
    sim_risk_live(f->risks, &f->block, true, 20);
    sim_risk_live(f->risks, &f->block, false, 25); /* removed */
    sim_risk_server(f->risks, 0, true, 60);
    assert_int_equal(sim_risk_figures(f->risks).under_ns, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_server_that_goes_and_a_copy_that_is_made),
        TEST(one_copy_left),
        TEST(a_copy_that_went_and_came_back_counts_once),
        TEST(what_nobody_wants_is_not_at_risk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

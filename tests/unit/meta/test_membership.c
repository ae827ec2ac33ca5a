/* The timing rules of membership, as tables: every boundary, and every kind of heartbeat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/meta/membership.h"

#define I 1000u  /* an interval */
#define H 50000u /* the last heartbeat */

/* An ACTIVE member that was heard at H. */
static struct meta_member active(void)
{
    return (struct meta_member){.incarnation = 7,
                                .sequence = 10,
                                .heard_at = H,
                                .until = DFS_NEVER,
                                .present = true,
                                .told = true,
                                .beaten = true,
                                .settled = true,
                                .linked = true};
}

static void boundaries_of_time(void **state)
{
    static const struct {
        dfs_time_ns at;
        enum dfs_node_state state;
        dfs_time_ns deadline;
    } rows[] = {
        {H, DFS_NODE_ACTIVE, H + 1500},         {H + 1000, DFS_NODE_ACTIVE, H + 1500},
        {H + 1499, DFS_NODE_ACTIVE, H + 1500},  {H + 1500, DFS_NODE_SUSPECT, H + 2500},
        {H + 2000, DFS_NODE_SUSPECT, H + 2500}, {H + 2499, DFS_NODE_SUSPECT, H + 2500},
        {H + 2500, DFS_NODE_EVICTED, H + 2500}, {H + 9999, DFS_NODE_EVICTED, H + 2500},
    };
    const struct meta_member member = active();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(meta_member_state(&member, I, rows[i].at), rows[i].state);
        assert_int_equal(meta_member_deadline(&member, I, rows[i].at), rows[i].deadline);
    }
}

/* Odd intervals lose half a nanosecond, not an interval. */
static void the_window_of_the_checker_is_kept_for_any_interval(void **state)
{
    static const dfs_duration_ns intervals[] = {1, 2, 3, 7, 999999, 1000000001, 600 * DFS_SECONDS};
    const struct meta_member member = active();

    (void)state;
    for (size_t i = 0; i < sizeof intervals / sizeof intervals[0]; i++) {
        const dfs_duration_ns interval = intervals[i];

        assert_int_not_equal(meta_member_state(&member, interval, H + 2 * interval - 1), DFS_NODE_EVICTED);
        assert_int_equal(meta_member_state(&member, interval, H + 3 * interval), DFS_NODE_EVICTED);
    }
}

static void facts_and_the_states_that_they_mean(void **state)
{
    static const struct {
        const char *facts; /* p present o opening t told b beaten s settled l linked L leaving d draining f fenced */
        dfs_duration_ns after;
        enum dfs_node_state state;
    } rows[] = {
        {"", 0, DFS_NODE_EVICTED},
        {"tbsl", 0, DFS_NODE_EVICTED}, /* a life that was ended stays so */
        {"po", 0, DFS_NODE_JOINING},   /* JOINED has not left: nothing is expected */
        {"po", 99 * I, DFS_NODE_JOINING},
        {"pl", 0, DFS_NODE_JOINING},
        {"ptl", 0, DFS_NODE_JOINING}, /* no heartbeat yet */
        {"pbl", 0, DFS_NODE_JOINING}, /* no inventory yet */
        {"ptb", 0, DFS_NODE_JOINING}, /* no connection */
        {"ptbl", 0, DFS_NODE_ACTIVE},
        {"ptbl", 1500, DFS_NODE_JOINING}, /* not the right moment to begin */
        {"pl", 2499, DFS_NODE_JOINING},
        {"pl", 2500, DFS_NODE_EVICTED}, /* JOINED counts as the first sign of life */
        {"ptbs", 0, DFS_NODE_SUSPECT},  /* the connection broke */
        {"ptbs", 2499, DFS_NODE_SUSPECT},
        {"ptbslf", 0, DFS_NODE_ACTIVE}, /* fenced: a member, but no target (rights) */
        {"ptbld", 0, DFS_NODE_DRAINING},
        {"ptbsd", 2000, DFS_NODE_DRAINING}, /* stays out of the ring when it misses one */
        {"ptbsd", 2500, DFS_NODE_EVICTED},
        {"ptbslL", 0, DFS_NODE_MAINTENANCE},
        {"ptbsL", 2 * I + 999, DFS_NODE_MAINTENANCE}, /* heartbeats do not matter */
        {"ptbsL", 5 * I - 1, DFS_NODE_MAINTENANCE},
        {"ptbsL", 5 * I, DFS_NODE_EVICTED}, /* its time is over */
        {"ptbsldL", 0, DFS_NODE_MAINTENANCE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct meta_member member = {.incarnation = 7, .heard_at = H, .until = H + 5 * I};

        for (const char *at = rows[i].facts; *at != '\0'; at++) {
            member.present |= *at == 'p';
            member.opening |= *at == 'o';
            member.told |= *at == 't';
            member.beaten |= *at == 'b';
            member.settled |= *at == 's';
            member.linked |= *at == 'l';
            member.leaving |= *at == 'L';
            member.draining |= *at == 'd';
            member.fenced |= *at == 'f';
        }
        assert_int_equal(meta_member_state(&member, I, H + rows[i].after), rows[i].state);
    }
}

static void heartbeats_new_again_late_and_stale(void **state)
{
    static const struct {
        uint64_t incarnation;
        uint64_t sequence;
        enum meta_heard heard;
        dfs_time_ns heard_at; /* afterwards */
    } rows
        [] =
            {
                {7, 11, META_HEARD_NEW, H + 1},
                {7, 11, META_HEARD_AGAIN, H + 1}, /* repeated at I/4: acknowledged again, counts once */
                {7, 10, META_HEARD_LATE, H + 1},  /* overtaken on the way */
                {7, 1, META_HEARD_LATE, H + 1},   /* replayed */
                {6, 99, META_HEARD_STALE, H + 1}, /* of an older life */
                {8, 1, META_HEARD_STALE, H + 1},  /* of one that was not given */
                {7, 500, META_HEARD_NEW, H + 8},  /* after losses */
                {7, 11, META_HEARD_LATE, H + 8},
                {7, UINT64_MAX, META_HEARD_NEW, H + 10},
                {7, 0, META_HEARD_LATE, H + 10},
            };
    struct meta_member member = active();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(
            meta_member_hear(&member, rows[i].incarnation, rows[i].sequence, false, H + i + (i < 6 ? 1 : 2)),
            rows[i].heard);
        assert_int_equal(member.heard_at, rows[i].heard_at);
    }
    member.present = false;
    assert_int_equal(meta_member_hear(&member, 7, UINT64_MAX, false, H + 99), META_HEARD_STALE);
    assert_int_equal(member.heard_at, H + 10);
}

static void the_first_heartbeat_may_have_any_number(void **state)
{
    struct meta_member member = {0};

    (void)state;
    meta_member_join(&member, 1, H);
    assert_int_equal(meta_member_hear(&member, 1, 0, true, H + 5), META_HEARD_NEW);
    assert_true(member.beaten && member.fenced);
    assert_int_equal(meta_member_hear(&member, 1, 0, false, H + 6), META_HEARD_AGAIN);
    assert_true(member.fenced);
    assert_int_equal(meta_member_hear(&member, 1, 1, false, H + 7), META_HEARD_NEW);
    assert_false(member.fenced);
}

static void a_new_life_forgets_the_old_one(void **state)
{
    struct meta_member member = active();

    (void)state;
    member.draining = true;
    member.leaving = true;
    member.fenced = true;
    meta_member_join(&member, 8, H + 100);
    assert_true(member.present && member.opening && member.linked && member.draining);
    assert_false(member.told || member.beaten || member.settled || member.leaving || member.fenced);
    assert_int_equal(member.heard_at, H + 100);
    assert_int_equal(meta_member_deadline(&member, I, H + 100), DFS_NEVER); /* until JOINED has left */
    assert_int_equal(meta_member_state(&member, I, H + 100 + 99 * I), DFS_NODE_JOINING);
}

static void every_edge_that_the_rules_can_take_exists(void **state)
{
    struct meta_member member = {.incarnation = 7, .heard_at = H, .until = H + 5 * I};

    (void)state;
    /* All facts, two moments: whatever follows whatever by time alone is an edge of the gate. */
    for (unsigned bits = 0; bits < 256; bits++) {
        static const dfs_duration_ns moments[] = {0, 1499, 1500, 2499, 2500, 5 * I, 9 * I};

        member.present = bits & 1;
        member.opening = bits & 2;
        member.told = bits & 4;
        member.beaten = bits & 8;
        member.settled = bits & 16;
        member.linked = bits & 32;
        member.leaving = bits & 64;
        member.draining = bits & 128;
        if (member.settled && !(member.told && member.beaten))
            continue;
        for (size_t a = 0; a + 1 < sizeof moments / sizeof moments[0]; a++) {
            const enum dfs_node_state from = meta_member_state(&member, I, H + moments[a]);
            const enum dfs_node_state to = meta_member_state(&member, I, H + moments[a + 1]);

            if (!member.settled && from != DFS_NODE_JOINING)
                continue; /* it would have been marked as settled */
            if (from != to)
                assert_true(meta_member_gate.edges[from] >> to & 1u);
        }
    }
    for (unsigned from = 0; from < DFS_NODE_STATE_COUNT; from++)
        assert_true(meta_member_gate.edges[from] >> DFS_NODE_JOINING & 1u);
    assert_int_equal(meta_member_gate.edges[DFS_NODE_EVICTED], UINT32_C(1) << DFS_NODE_JOINING);
    assert_string_equal(meta_member_gate.names[DFS_NODE_MAINTENANCE], "MAINTENANCE");
}

static void deadlines_lie_ahead(void **state)
{
    struct meta_member member = active();

    (void)state;
    member.leaving = true;
    member.until = H + 5 * I;
    assert_int_equal(meta_member_deadline(&member, I, H), H + 5 * I);
    member.present = false;
    assert_int_equal(meta_member_deadline(&member, I, H), DFS_NEVER);
}

static void the_brake_needs_a_share_and_a_number(void **state)
{
    static const struct {
        uint32_t gone, before, share_ppb, nodes_min;
        bool pulls;
    } rows[] = {
        {3, 5, 400000000, 3, true},
        {2, 5, 400000000, 3, false},
        {2, 5, 400000000, 2, false}, /* 40 % is not more than 40 % */
        {3, 7, 400000000, 3, true},
        {3, 8, 400000000, 3, false},
        {0, 0, 400000000, 1, false},
        {1, 1, 400000000, 1, true},
        {4096, 4096, 1000000000, 3, false}, /* a share of 1: never */
        {1, 4096, 0, 1, true},
        {1639, 4096, 400000000, 3, true},
        {1638, 4096, 400000000, 3, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(meta_brake_pulls(rows[i].gone, rows[i].before, rows[i].share_ppb, rows[i].nodes_min),
                         rows[i].pulls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boundaries_of_time),
        cmocka_unit_test(the_window_of_the_checker_is_kept_for_any_interval),
        cmocka_unit_test(facts_and_the_states_that_they_mean),
        cmocka_unit_test(heartbeats_new_again_late_and_stale),
        cmocka_unit_test(the_first_heartbeat_may_have_any_number),
        cmocka_unit_test(a_new_life_forgets_the_old_one),
        cmocka_unit_test(every_edge_that_the_rules_can_take_exists),
        cmocka_unit_test(deadlines_lie_ahead),
        cmocka_unit_test(the_brake_needs_a_share_and_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

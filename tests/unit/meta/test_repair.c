/* Repair as a pure function: who goes first, limits, waiting without searching, and accounts that always come
 * out even. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/meta/bounds.h"
#include "core/meta/repair.h"
#include "tests/unit/base/check.h"

#define ALL (META_RIGHT_COUNTS | META_RIGHT_STAYS | META_RIGHT_SOURCE | META_RIGHT_TARGET)
#define ROOM 1000000000u
#define LENGTH 1000u
#define FILES 64

struct world {
    struct meta_blockmap map;
    struct dfs_keyring ring;
    struct meta_repair repair;
    struct meta_file files[FILES];
    uint32_t files_count;
    dfs_time_ns now;
    uint32_t ended_ok;
    uint32_t ended_aborted;
    uint32_t ended_failed;
    uint32_t overdue;
};

static struct world w;

static void on_ended(void *ctx, const struct meta_copying *copying, enum dfs_status status)
{
    (void)ctx;
    assert_true(copying->block != 0);
    if (status == DFS_OK)
        w.ended_ok++;
    else if (status == DFS_ABORTED)
        w.ended_aborted++;
    else
        w.ended_failed++;
}

static void on_overdue(void *ctx, const struct meta_copying *copying)
{
    (void)ctx;
    assert_true(copying->block != 0);
    w.overdue++;
}

/* One node a letter, its zone. */
static void world_init(const char *zones, const struct meta_repair_policy *policy)
{
    memset(&w, 0, sizeof w);
    w.now = 1000000;
    meta_blockmap_init(&w.map);
    dfs_keyring_init(&w.ring, 16);
    meta_repair_init(&w.repair, policy, &w.map, &w.ring);
    w.repair.ended = on_ended;
    w.repair.overdue = on_overdue;
    for (uint16_t i = 0; zones[i] != '\0'; i++) {
        const struct dfs_id id = {{1, (uint8_t)i}};

        dfs_keyring_add(&w.ring, i, &id, (uint16_t)(zones[i] - 'a'), 1000);
        meta_repair_rights(&w.repair, i, ALL, w.now);
        meta_repair_room(&w.repair, i, ROOM, w.now);
    }
    meta_repair_settle(&w.repair);
}

static void world_close(void)
{
    for (uint32_t i = 0; i < w.files_count; i++) {
        if (w.files[i].blocks_count > 0)
            meta_blockmap_drop(&w.map, &w.files[i]);
    }
    meta_repair_close(&w.repair);
    dfs_keyring_close(&w.ring);
    meta_blockmap_close(&w.map);
}

static const struct meta_repair_policy plain = {.backoff_ns = 1000,
                                                .trim_ns = 5000,
                                                .timeout_ns = 100000,
                                                .per_source = 2,
                                                .per_target = 2,
                                                .total = 64,
                                                .graces = DFS_META_MOST_graces};

/* A file of one block with copies on the nodes of this list ("014"). */
static meta_block_no block(const char *nodes, uint8_t wanted)
{
    struct meta_file *file = &w.files[w.files_count];
    const struct meta_extent extent = {.generation = 1, .length_bytes = LENGTH};

    *file = (struct meta_file){.id = {{2, (uint8_t)w.files_count++}}, .copies_wanted = wanted};
    meta_blockmap_add(&w.map, file, &extent, 1);
    for (; *nodes != '\0'; nodes++)
        (void)meta_blockmap_put(&w.map, file->blocks.one, (uint16_t)(*nodes - '0'), 0);
    return file->blocks.one;
}

static void look(meta_block_no no, enum meta_repair_cause cause)
{
    meta_repair_look(&w.repair, no, cause, w.now);
}

static bool next(struct meta_repair_action *action)
{
    uint32_t looks = DFS_META_MOST_looks;
    const bool found = meta_repair_next(&w.repair, w.now, &looks, action);

    assert_true(meta_repair_is_sound(&w.repair));
    return found;
}

static struct meta_repair_action next_copy(void)
{
    struct meta_repair_action action;

    assert_true(next(&action));
    assert_int_equal(action.verb, META_REPAIR_COPY);
    return action;
}

static void finish(const struct meta_copying *copying, enum dfs_status status)
{
    if (status == DFS_OK)
        (void)meta_blockmap_put(&w.map, copying->block, copying->node[1], META_COPY_VERIFIED);
    meta_repair_finish(&w.repair, copying, status, w.now);
    assert_true(meta_repair_is_sound(&w.repair));
}

static void node_goes(uint16_t node)
{
    meta_copy_no copy;

    if (dfs_keyring_has(&w.ring, node))
        dfs_keyring_remove(&w.ring, node);
    meta_repair_rights(&w.repair, node, 0, w.now);
    while ((copy = meta_blockmap_node_first(&w.map, node)) != 0) {
        const meta_block_no no = meta_copy_block(&w.map, copy);

        meta_blockmap_remove(&w.map, copy);
        look(no, META_REPAIR_LOSS);
    }
    assert_true(meta_repair_is_sound(&w.repair));
}

static uint8_t queue_of(meta_block_no no)
{
    return meta_blockmap_block(&w.map, no)->queue;
}

static void fewest_live_copies_go_first(void **state)
{
    struct meta_repair_policy policy = plain;
    meta_block_no first;
    meta_block_no second;
    meta_block_no third;

    (void)state;
    policy.per_source = policy.per_target = 64;
    world_init("aaaaaaaaa", &policy);
    third = block("0123", 5);
    second = block("01", 3);
    look(third, META_REPAIR_NEWS);
    look(second, META_REPAIR_NEWS);
    first = block("5", 3);
    look(first, META_REPAIR_NEWS);
    assert_int_equal(w.repair.under, 3);
    assert_int_equal(w.repair.one_copy, 1);
    assert_int_equal(next_copy().block, first);
    assert_int_equal(next_copy().block, first); /* two are missing: to different targets */
    assert_int_equal(next_copy().block, second);
    assert_int_equal(next_copy().block, third);
    struct meta_repair_action action;

    assert_false(next(&action));
    assert_int_equal(w.repair.running, 4);
    world_close();
}

static void source_and_target_are_who_they_should_be(void **state)
{
    struct meta_repair_action action;
    meta_block_no no;

    (void)state;
    world_init("abcabc", &plain);
    no = block("01", 3);
    look(no, META_REPAIR_NEWS);
    action = next_copy();
    assert_true(action.copying->node[0] == 0 || action.copying->node[0] == 1);
    assert_true(action.copying->node[1] == 2 || action.copying->node[1] == 5); /* zone c */
    assert_ptr_equal(meta_repair_find(&w.repair, action.copying->slot, action.copying->generation), action.copying);
    assert_ptr_equal(meta_repair_find_to(&w.repair, no, action.copying->node[1]), action.copying);
    assert_null(meta_repair_find(&w.repair, action.copying->slot, action.copying->generation + 1));
    assert_null(meta_repair_find(&w.repair, 999, 1));
    finish(action.copying, DFS_OK);
    assert_int_equal(queue_of(no), META_QUEUE_NONE);
    assert_int_equal(w.repair.under, 0);
    assert_int_equal(w.repair.running, 0);
    world_close();
}

static void doubted_bad_and_leaving_copies_are_no_sources(void **state)
{
    struct meta_repair_action action;
    meta_block_no no;

    (void)state;
    world_init("aaaaaa", &plain);
    no = block("012", 5);
    meta_blockmap_flags(&w.map, meta_blockmap_find(&w.map, no, 0), META_COPY_BAD, 0);
    meta_blockmap_flags(&w.map, meta_blockmap_find(&w.map, no, 1), META_COPY_DOUBTED, 0);
    look(no, META_REPAIR_NEWS);
    action = next_copy();
    assert_int_equal(action.copying->node[0], 2);
    assert_in_range(action.copying->node[1], 3, 5); /* nor are they targets */
    world_close();
}

static void limits_hold_for_sources_targets_and_in_total(void **state)
{
    struct meta_repair_policy policy = plain;
    struct meta_repair_action action;

    (void)state;
    policy.total = 5;
    world_init("aaaaaaaa", &policy);
    for (unsigned i = 0; i < 30; i++)
        look(block(i % 2 == 0 ? "01" : "12", 3), META_REPAIR_NEWS);
    while (next(&action)) {
        for (uint16_t n = 0; n < 8; n++) {
            assert_in_range(w.repair.nodes[n]->running[0], 0, 2);
            assert_in_range(w.repair.nodes[n]->running[1], 0, 2);
        }
    }
    assert_int_equal(w.repair.running, 5);
    /* They all get through. */
    for (unsigned rounds = 0; w.repair.under > 0; rounds++) {
        assert_in_range(rounds, 0, 100);
        finish(w.repair.copyings[rounds % 5]->block != 0 ? w.repair.copyings[rounds % 5]
                                                         : w.repair.copyings[(rounds + 1) % 5],
               DFS_OK);
        while (next(&action))
            continue;
    }
    assert_int_equal(w.ended_ok, 30);
    world_close();
}

/* S6: those who cannot go now do not stand in front of those who can, and are not looked at over and over. */
static void a_busy_source_parks_its_blocks_and_holds_up_nobody_else(void **state)
{
    struct meta_repair_action action;
    meta_block_no other;
    meta_block_no urgent;

    (void)state;
    world_init("aaaaaaaa", &plain);
    for (unsigned i = 0; i < 40; i++)
        look(block("0", 2), META_REPAIR_NEWS); /* node 0 alone has them */
    other = block("12", 3);
    look(other, META_REPAIR_NEWS);
    assert_int_equal(next_copy().copying->node[0], 0);
    assert_int_equal(next_copy().copying->node[0], 0);
    assert_int_equal(next_copy().block, other);
    assert_false(next(&action));
    assert_int_equal(w.repair.nodes[0]->parked[0][0].count, 38);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t looks = 10;

        assert_false(meta_repair_next(&w.repair, w.now, &looks, &action));
        assert_int_equal(looks, 10); /* nobody is looked at in vain */
    }
    /* When a place is free the one who has waited longest takes it; but one copy goes before two. */
    urgent = block("03", 3);
    look(urgent, META_REPAIR_NEWS);
    assert_int_equal(next_copy().block, urgent); /* from node 3 */
    finish(w.repair.copyings[0], DFS_OK);
    assert_int_equal(next_copy().copying->node[0], 0);
    assert_int_equal(w.repair.nodes[0]->parked[0][0].count, 37);
    world_close();
}

static void one_copy_goes_before_two_also_among_the_parked(void **state)
{
    struct meta_repair_action action;
    meta_block_no urgent;

    (void)state;
    world_init("aaaaaaaa", &plain);
    meta_repair_rights(&w.repair, 1, META_RIGHT_COUNTS | META_RIGHT_STAYS, w.now); /* takes no orders */
    for (unsigned i = 0; i < 20; i++)
        look(block("01", 3), META_REPAIR_NEWS);
    (void)next_copy();
    (void)next_copy();
    assert_false(next(&action));
    urgent = block("0", 2);
    look(urgent, META_REPAIR_NEWS);
    assert_false(next(&action));
    finish(w.repair.copyings[0], DFS_OK);
    assert_int_equal(next_copy().block, urgent);
    world_close();
}

static void the_unplaceable_wait_for_a_change_of_membership(void **state)
{
    struct meta_repair_action action;
    meta_block_no stuck;
    meta_block_no fine;
    uint32_t looks = 100;

    (void)state;
    world_init("aaaa", &plain);
    meta_repair_rights(&w.repair, 3, META_RIGHT_COUNTS | META_RIGHT_STAYS, w.now);
    stuck = block("012", 4);
    fine = block("01", 3);
    look(stuck, META_REPAIR_NEWS);
    look(fine, META_REPAIR_NEWS);
    assert_int_equal(next_copy().block, fine);
    assert_false(next(&action));
    assert_int_equal(queue_of(stuck), META_QUEUE_UNPLACED);
    assert_int_equal(meta_repair_position(&w.repair, stuck, 10), 1);
    assert_false(meta_repair_next(&w.repair, w.now, &looks, &action));
    assert_int_equal(looks, 100);
    meta_repair_rights(&w.repair, 3, ALL, w.now);
    assert_int_equal(next_copy().block, stuck);
    world_close();
}

static void room_counts_what_is_on_its_way(void **state)
{
    struct meta_repair_action action;

    (void)state;
    world_init("aaa", &plain);
    meta_repair_room(&w.repair, 2, 2 * LENGTH - 1, w.now);
    look(block("01", 3), META_REPAIR_NEWS);
    look(block("01", 3), META_REPAIR_NEWS);
    (void)next_copy();
    assert_false(next(&action)); /* one fits */
    assert_int_equal(w.repair.queues[META_QUEUE_UNPLACED].count, 1);
    finish(w.repair.copyings[0], DFS_NO_SPACE);
    meta_repair_tick(&w.repair, w.now);
    assert_int_equal(w.repair.nodes[2]->receiving_bytes, 0);
    assert_true(meta_repair_deadline(&w.repair) <= w.now + plain.backoff_ns);
    w.now += plain.backoff_ns;
    meta_repair_tick(&w.repair, w.now);
    (void)next_copy();
    world_close();
}

static void the_grace_holds_losses_but_not_single_copies(void **state)
{
    struct meta_repair_policy policy = plain;
    struct meta_repair_action action;
    meta_block_no three;
    meta_block_no two;

    (void)state;
    policy.grace_ns = 10000;
    world_init("aaaaaa", &policy);
    three = block("012", 3);
    two = block("01", 2);
    node_goes(1);
    assert_int_equal(queue_of(three), META_QUEUE_GRACE);
    assert_int_equal(next_copy().block, two);
    assert_false(next(&action));
    assert_int_equal(meta_repair_deadline(&w.repair), w.now + 10000);
    w.now += 9999;
    meta_repair_tick(&w.repair, w.now);
    assert_false(next(&action));
    w.now += 1;
    meta_repair_tick(&w.repair, w.now);
    assert_int_equal(next_copy().block, three);
    /* A second loss ends the grace of another block. */
    const meta_block_no again = block("023", 3);

    w.now += 1;
    node_goes(2);
    assert_int_equal(queue_of(again), META_QUEUE_GRACE);
    node_goes(3);
    assert_int_equal(queue_of(again), META_QUEUE_READY_1);
    world_close();
}

static void the_brake_lets_single_copies_pass_one_a_node(void **state)
{
    struct meta_repair_action action;

    (void)state;
    world_init("aaaaaa", &plain);
    meta_repair_hold(&w.repair, true, w.now);
    for (unsigned i = 0; i < 4; i++) {
        look(block("0", 2), META_REPAIR_NEWS);
        look(block("12", 3), META_REPAIR_NEWS);
    }
    assert_int_equal(next_copy().copying->node[0], 0);
    assert_false(next(&action));
    assert_int_equal(w.repair.running, 1);
    meta_repair_hold(&w.repair, false, w.now);
    assert_int_equal(next_copy().copying->node[0], 0);
    (void)next_copy();
    (void)next_copy();
    assert_in_range(w.repair.running, 4, 6);
    world_close();
}

static void bandwidth_is_a_pause_between_copies(void **state)
{
    struct meta_repair_policy policy = plain;
    struct meta_repair_action action;

    (void)state;
    policy.bandwidth_bytes_per_s = 1000 * LENGTH; /* a block a millisecond */
    world_init("aaaaaa", &policy);
    for (unsigned i = 0; i < 3; i++)
        look(block("0", 2), META_REPAIR_NEWS);
    (void)next_copy();
    assert_false(next(&action));
    assert_int_equal(meta_repair_deadline(&w.repair), w.now + DFS_MILLISECONDS);
    finish(w.repair.copyings[0], DFS_OK);
    assert_false(next(&action));
    w.now += DFS_MILLISECONDS;
    meta_repair_tick(&w.repair, w.now);
    (void)next_copy();
    assert_false(next(&action));
    world_close();
}

static void failures_back_off_and_avoid_the_two(void **state)
{
    struct meta_repair_action action;
    dfs_duration_ns wait = plain.backoff_ns;
    uint16_t target;
    meta_block_no no;

    (void)state;
    world_init("aaaaaa", &plain);
    no = block("01", 3);
    look(no, META_REPAIR_NEWS);
    for (unsigned i = 0; i < 9; i++) {
        uint16_t source;

        action = next_copy();
        source = action.copying->node[0];
        target = action.copying->node[1];
        finish(action.copying, DFS_TIMEOUT);
        assert_false(next(&action));
        assert_int_equal(meta_repair_deadline(&w.repair), w.now + wait);
        w.now += wait;
        meta_repair_tick(&w.repair, w.now);
        action = next_copy();
        assert_int_not_equal(action.copying->node[0], source);
        assert_int_not_equal(action.copying->node[1], target);
        meta_repair_end_from(&w.repair, action.copying->node[0], w.now); /* cancelled: no failure */
        wait = i < 5 ? 2 * wait : wait;
    }
    finish(next_copy().copying, DFS_OK);
    assert_int_equal(w.repair.trouble.count, 0);
    world_close();
}

/* Refused because it has too much to do just now: asked again after the first back-off, however often. */
static void who_is_busy_has_failed_at_nothing(void **state)
{
    struct meta_repair_action action;
    meta_block_no no;

    (void)state;
    world_init("aaaaaa", &plain);
    no = block("01", 3);
    look(no, META_REPAIR_NEWS);
    for (unsigned i = 0; i < 9; i++) {
        finish(next_copy().copying, DFS_UNAVAILABLE);
        assert_false(next(&action));
        assert_int_equal(meta_repair_deadline(&w.repair), w.now + plain.backoff_ns);
        w.now += plain.backoff_ns;
        meta_repair_tick(&w.repair, w.now);
    }
    finish(next_copy().copying, DFS_TIMEOUT); /* the first failure */
    assert_int_equal(meta_repair_deadline(&w.repair), w.now + plain.backoff_ns);
    world_close();
}

static void the_only_target_of_a_zone_is_tried_again_then_given_up(void **state)
{
    struct meta_repair_action action;
    unsigned tries = 0;

    (void)state;
    world_init("aabbc", &plain); /* node 4 alone is in zone c */
    look(block("02", 3), META_REPAIR_NEWS);
    for (;;) {
        action = next_copy();
        if (action.copying->node[1] != 4)
            break;
        tries++;
        finish(action.copying, DFS_IO);
        w.now += 64 * plain.backoff_ns;
        meta_repair_tick(&w.repair, w.now);
        assert_in_range(tries, 1, 5);
    }
    assert_int_equal(tries, META_TARGET_TRIES + 1);
    world_close();
}

static void a_busy_target_in_a_free_zone_is_waited_for(void **state)
{
    struct meta_repair_action action;

    (void)state;
    world_init("aabbc", &plain);
    for (unsigned i = 0; i < 5; i++)
        look(block("02", 3), META_REPAIR_NEWS);
    assert_int_equal(next_copy().copying->node[1], 4);
    assert_int_equal(next_copy().copying->node[1], 4);
    assert_false(next(&action)); /* not to zone a or b, though their nodes are idle */
    assert_int_equal(w.repair.nodes[4]->parked[1][1].count, 3);
    finish(w.repair.copyings[0], DFS_OK);
    assert_int_equal(next_copy().copying->node[1], 4);
    world_close();
}

/* S5: whoever goes at whatever moment, nothing stays counted. */
static void accounts_come_out_even_under_losses_at_each_step(void **state)
{
    (void)state;
    for (uint16_t victim = 0; victim < 6; victim++) {
        for (unsigned moment = 0; moment < 12; moment++) {
            struct meta_repair_action action;
            unsigned step = 0;

            world_init("abcabc", &plain);
            for (unsigned i = 0; i < 10; i++)
                look(block(i % 2 == 0 ? "01" : "12", 3), META_REPAIR_NEWS);
            for (unsigned guard = 0; w.repair.under > 0 && guard < 500; guard++) {
                if (step++ == moment)
                    node_goes(victim);
                if (next(&action))
                    continue;
                for (uint32_t slot = 0; slot < w.repair.copyings_used; slot++) {
                    if (w.repair.copyings[slot]->block != 0) {
                        finish(w.repair.copyings[slot], guard % 7 == 3 ? DFS_UNREACHABLE : DFS_OK);
                        break;
                    }
                }
                w.now += 100;
                meta_repair_tick(&w.repair, w.now);
            }
            assert_int_equal(w.repair.under, 0);
            assert_int_equal(w.repair.running, 0);
            for (uint16_t n = 0; n < 6; n++) {
                assert_int_equal(w.repair.nodes[n]->running[0] + w.repair.nodes[n]->running[1], 0);
                assert_int_equal(w.repair.nodes[n]->receiving_bytes, 0);
            }
            world_close();
        }
    }
}

static void deadlines_end_silent_copies(void **state)
{
    meta_block_no no;

    (void)state;
    world_init("aaaa", &plain);
    no = block("01", 3);
    look(no, META_REPAIR_NEWS);
    (void)next_copy();
    const dfs_time_ns due = meta_repair_deadline(&w.repair);

    assert_int_equal(due, w.now + plain.timeout_ns + DFS_MILLISECONDS); /* 1,000 bytes at 1 MB/s */
    meta_repair_tick(&w.repair, due - 1);
    assert_int_equal(w.repair.running, 1);
    meta_repair_tick(&w.repair, due);
    assert_int_equal(w.repair.running, 0);
    assert_int_equal(w.ended_failed, 1);
    assert_int_equal(queue_of(no), META_QUEUE_BACKOFF_0);
    world_close();
}

static void a_copy_that_returns_ends_the_one_under_way(void **state)
{
    meta_block_no no;

    (void)state;
    world_init("aaaaaa", &plain);
    no = block("01", 3);
    look(no, META_REPAIR_NEWS);
    (void)next_copy();
    (void)meta_blockmap_put(&w.map, no, 5, 0);
    look(no, META_REPAIR_NEWS);
    assert_int_equal(w.repair.running, 0);
    assert_int_equal(w.ended_aborted, 1);
    assert_int_equal(queue_of(no), META_QUEUE_NONE);
    world_close();
}

static void lost_blocks_are_found_again(void **state)
{
    struct meta_repair_action action;
    meta_block_no no;

    (void)state;
    world_init("aaaaaa", &plain);
    no = block("01", 2);
    node_goes(0);
    (void)next_copy();
    node_goes(1);
    assert_int_equal(queue_of(no), META_QUEUE_LOST);
    assert_int_equal(w.repair.lost, 1);
    assert_int_equal(w.repair.running, 0); /* its source has gone */
    assert_false(next(&action));
    (void)meta_blockmap_put(&w.map, no, 3, 0);
    look(no, META_REPAIR_NEWS);
    assert_int_equal(w.repair.lost, 0);
    assert_int_equal(next_copy().copying->node[0], 3);
    world_close();
}

static void a_dropped_block_leaves_nothing(void **state)
{
    meta_block_no no;

    (void)state;
    world_init("aaaaaa", &plain);
    no = block("0", 3);
    look(no, META_REPAIR_NEWS);
    (void)next_copy();
    (void)next_copy();
    assert_int_equal(w.repair.running, 2);
    meta_repair_forget(&w.repair, no, w.now);
    meta_blockmap_drop(&w.map, &w.files[0]);
    assert_int_equal(w.repair.running, 0);
    assert_int_equal(w.repair.under, 0);
    assert_true(meta_repair_is_sound(&w.repair));
    world_close();
}

static void nothing_is_missing_before_warm_up_is_over(void **state)
{
    struct meta_repair_action action;
    meta_block_no no;

    (void)state;
    world_init("aaaaaa", &plain);
    w.repair.settled = false;
    no = block("0", 3);
    look(no, META_REPAIR_NEWS);
    assert_false(next(&action));
    assert_int_equal(w.repair.under, 0);
    meta_repair_settle(&w.repair);
    meta_repair_away(&w.repair, w.now + 7777);
    look(no, META_REPAIR_ABSENT);
    assert_int_equal(queue_of(no), META_QUEUE_READY_1); /* urgent all the same */
    const meta_block_no two = block("01", 3);

    look(two, META_REPAIR_ABSENT);
    assert_int_equal(queue_of(two), META_QUEUE_AWAY);
    assert_int_equal(meta_repair_deadline(&w.repair), w.now + 7777);
    meta_repair_away(&w.repair, 0); /* the node came back: nothing holds them */
    meta_repair_tick(&w.repair, w.now);
    assert_int_equal(queue_of(two), META_QUEUE_READY_2);
    world_close();
}

static void a_bad_copy_is_cleared_when_replaced(void **state)
{
    struct meta_repair_action action;
    meta_block_no no;
    meta_copy_no bad;

    (void)state;
    world_init("aaaa", &plain);
    no = block("012", 3);
    bad = meta_blockmap_find(&w.map, no, 1);
    meta_blockmap_flags(&w.map, bad, META_COPY_BAD, 0);
    look(no, META_REPAIR_NEWS);
    finish(next_copy().copying, DFS_OK);
    assert_int_equal(queue_of(no), META_QUEUE_CLEAR);
    meta_repair_hold(&w.repair, true, w.now);
    assert_false(next(&action)); /* the brake holds deletions */
    meta_repair_hold(&w.repair, false, w.now);
    assert_true(next(&action));
    assert_int_equal(action.verb, META_REPAIR_CLEAR);
    assert_int_equal(action.copy, bad);
    meta_blockmap_flags(&w.map, bad, META_COPY_EXCESS, 0);
    look(no, META_REPAIR_NEWS);
    assert_int_equal(queue_of(no), META_QUEUE_NONE);
    world_close();
}

/* S15, S31: what is kept spreads over zones; who goes often loses the copy; who cannot be asked is not part
 * of it. */
static void trim_plans(void **state)
{
    static const struct {
        const char *zones;
        const char *copies;
        uint8_t wanted;
        const char *away;    /* nodes that take no orders */
        const char *flaps;   /* nodes that went lately */
        const char *full;    /* nodes with least room */
        const char *victims; /* NULL: no plan */
    } rows[] = {
        {"abcd", "012", 3, "", "", "", NULL},
        {"abcd", "0123", 3, "", "2", "", "2"},
        {"abcd", "0123", 3, "", "", "1", "1"},
        {"aabc", "0123", 3, "", "3", "", "0|1"}, /* zone c's only copy stays, though its node goes often */
        {"aabc", "0123", 3, "", "1", "", "1"},
        {"aabb", "0123", 2, "", "02", "", "02"},
        {"abcd", "0123", 3, "3", "", "", NULL}, /* three can be asked: no more than wanted */
        {"abcde", "01234", 3, "4", "0", "", "0"},
        {"aaaaa", "01234", 1, "", "", "", "*4"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct meta_trim_plan plan;
        meta_block_no no;

        world_init(rows[i].zones, &plain);
        for (const char *at = rows[i].away; *at != '\0'; at++)
            meta_repair_rights(&w.repair, (uint16_t)(*at - '0'), META_RIGHT_COUNTS | META_RIGHT_STAYS, w.now);
        for (const char *at = rows[i].flaps; *at != '\0'; at++)
            meta_repair_flaps(&w.repair, (uint16_t)(*at - '0'), 1);
        for (const char *at = rows[i].full; *at != '\0'; at++)
            meta_repair_room(&w.repair, (uint16_t)(*at - '0'), 5, w.now);
        no = block(rows[i].copies, rows[i].wanted);
        look(no, META_REPAIR_NEWS);
        assert_int_equal(meta_repair_trim_plan(&w.repair, no, &plan), rows[i].victims != NULL);
        if (rows[i].victims != NULL) {
            assert_int_equal(plan.keep_count, rows[i].wanted);
            assert_int_equal(plan.keep_count + plan.victims_count + strlen(rows[i].away), strlen(rows[i].copies));
            for (uint32_t k = 0; k < plan.victims_count; k++) {
                const char name = (char)('0' + meta_blockmap_copy(&w.map, plan.victims[k])->node);

                if (rows[i].victims[0] != '*')
                    assert_non_null(strchr(rows[i].victims, name));
            }
        }
        world_close();
    }
}

static void excess_waits_before_it_is_trimmed(void **state)
{
    meta_block_no no;

    (void)state;
    world_init("abcd", &plain);
    no = block("0123", 3);
    look(no, META_REPAIR_NEWS);
    assert_int_equal(queue_of(no), META_QUEUE_EXCESS);
    assert_int_equal(meta_repair_trim_deadline(&w.repair), w.now + plain.trim_ns);
    assert_int_equal(meta_repair_trim_next(&w.repair, w.now), 0);
    w.now += plain.trim_ns;
    assert_int_equal(meta_repair_trim_next(&w.repair, w.now), no);
    assert_int_equal(queue_of(no), META_QUEUE_TRIMMING);
    meta_repair_trim_back(&w.repair, no);
    assert_int_equal(meta_repair_trim_next(&w.repair, w.now), no);
    look(no, META_REPAIR_NEWS); /* nothing new: goes on */
    assert_int_equal(queue_of(no), META_QUEUE_TRIMMING);
    node_goes(3);
    assert_int_equal(queue_of(no), META_QUEUE_NONE); /* nothing is too many any more */
    world_close();
}

/* Random operations against a naive recount (meta_repair_is_sound), and everything whole in the end. */
static void random_operations_keep_it_sound(void **state)
{
    struct sequence sequence = {11};

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        struct meta_repair_policy policy = plain;
        meta_block_no blocks[40];
        uint32_t down = 0;

        policy.grace_ns = draw_below(&sequence, 2) * 3000;
        policy.per_source = 1 + (uint32_t)draw_below(&sequence, 3);
        policy.per_target = 1 + (uint32_t)draw_below(&sequence, 3);
        policy.total = 1 + (uint32_t)draw_below(&sequence, 10);
        policy.bandwidth_bytes_per_s = draw_below(&sequence, 3) == 0 ? 1000000000 : 0;
        world_init("abcabcab", &policy);
        for (unsigned i = 0; i < 40; i++) {
            char copies[4] = {(char)('0' + i % 8), (char)('0' + (i + 1) % 8), (char)('0' + (i + 3) % 8), 0};

            copies[1 + draw_below(&sequence, 3)] = '\0';
            blocks[i] = block(copies, 3);
            look(blocks[i], META_REPAIR_NEWS);
        }
        for (unsigned step = 0; step < 400; step++) {
            const uint16_t node = (uint16_t)draw_below(&sequence, 8);
            struct meta_repair_action action;

            switch (draw_below(&sequence, 8)) {
            case 0:
                if (down == 0) {
                    down = 1u << node;
                    meta_repair_rights(&w.repair, node, META_RIGHT_COUNTS | META_RIGHT_STAYS, w.now);
                }
                break;
            case 1:
                if (down != 0) {
                    for (uint16_t n = 0; n < 8; n++) {
                        if (down >> n & 1u)
                            meta_repair_rights(&w.repair, n, ALL, w.now);
                    }
                    down = 0;
                }
                break;
            case 2:
            case 3:
                for (uint32_t slot = 0; slot < w.repair.copyings_used; slot++) {
                    if (w.repair.copyings[slot]->block != 0) {
                        finish(w.repair.copyings[slot], draw_below(&sequence, 3) == 0 ? DFS_TIMEOUT : DFS_OK);
                        break;
                    }
                }
                break;
            case 4:
                w.now += draw_below(&sequence, 5000);
                meta_repair_tick(&w.repair, w.now);
                break;
            case 5:
                meta_repair_hold(&w.repair, draw_below(&sequence, 2) == 0, w.now);
                break;
            case 6: {
                const meta_block_no no = blocks[draw_below(&sequence, 40)];
                const meta_copy_no copy = meta_blockmap_find(&w.map, no, node);

                if (copy != 0 && meta_blockmap_block(&w.map, no)->copies_count > 1) {
                    meta_blockmap_remove(&w.map, copy);
                    look(no, draw_below(&sequence, 2) == 0 ? META_REPAIR_LOSS : META_REPAIR_NEWS);
                }
                break;
            }
            default:
                (void)next(&action);
                break;
            }
            assert_true(meta_repair_is_sound(&w.repair));
        }
        meta_repair_hold(&w.repair, false, w.now);
        for (uint16_t n = 0; n < 8; n++)
            meta_repair_rights(&w.repair, n, ALL, w.now);
        for (unsigned guard = 0; w.repair.under > 0; guard++) {
            struct meta_repair_action action;

            assert_in_range(guard, 0, 5000);
            while (next(&action))
                continue;
            for (uint32_t slot = 0; slot < w.repair.copyings_used; slot++) {
                if (w.repair.copyings[slot]->block != 0)
                    finish(w.repair.copyings[slot], DFS_OK);
            }
            w.now += 1000;
            meta_repair_tick(&w.repair, w.now);
        }
        assert_int_equal(w.repair.running, 0);
        world_close();
    }
}

static void every_queue_has_words(void **state)
{
    (void)state;
    for (unsigned queue = 0; queue < META_QUEUE_COUNT; queue++)
        assert_true(strlen(meta_queue_words((enum meta_queue_name)queue)) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewest_live_copies_go_first),
        cmocka_unit_test(source_and_target_are_who_they_should_be),
        cmocka_unit_test(doubted_bad_and_leaving_copies_are_no_sources),
        cmocka_unit_test(limits_hold_for_sources_targets_and_in_total),
        cmocka_unit_test(a_busy_source_parks_its_blocks_and_holds_up_nobody_else),
        cmocka_unit_test(one_copy_goes_before_two_also_among_the_parked),
        cmocka_unit_test(the_unplaceable_wait_for_a_change_of_membership),
        cmocka_unit_test(room_counts_what_is_on_its_way),
        cmocka_unit_test(the_grace_holds_losses_but_not_single_copies),
        cmocka_unit_test(the_brake_lets_single_copies_pass_one_a_node),
        cmocka_unit_test(bandwidth_is_a_pause_between_copies),
        cmocka_unit_test(failures_back_off_and_avoid_the_two),
        cmocka_unit_test(who_is_busy_has_failed_at_nothing),
        cmocka_unit_test(the_only_target_of_a_zone_is_tried_again_then_given_up),
        cmocka_unit_test(a_busy_target_in_a_free_zone_is_waited_for),
        cmocka_unit_test(accounts_come_out_even_under_losses_at_each_step),
        cmocka_unit_test(deadlines_end_silent_copies),
        cmocka_unit_test(a_copy_that_returns_ends_the_one_under_way),
        cmocka_unit_test(lost_blocks_are_found_again),
        cmocka_unit_test(a_dropped_block_leaves_nothing),
        cmocka_unit_test(nothing_is_missing_before_warm_up_is_over),
        cmocka_unit_test(a_bad_copy_is_cleared_when_replaced),
        cmocka_unit_test(trim_plans),
        cmocka_unit_test(excess_waits_before_it_is_trimmed),
        cmocka_unit_test(random_operations_keep_it_sound),
        cmocka_unit_test(every_queue_has_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

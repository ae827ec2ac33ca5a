/* Copies under way: what happens when an end of one goes, fails, is slow or not needed any more; bad copies;
 * and a storm of all of that. */
#include "tests/support/nodes_test.h"

#include <stdlib.h>

static void start(unsigned count, uint32_t blocks)
{
    nrig_start(&r);
    nrig_up_all(&r, count);
    (void)nrig_commit(&r, blocks, 3, on_012, 3);
    nrig_live(&r, I);
}

static void assert_whole(uint32_t file, uint32_t blocks)
{
    for (uint32_t i = 0; i < blocks; i++)
        assert_in_range(nrig_copies(&r, file, i), 3, NRIG_NODES);
}

static void all_slow(bool slow)
{
    for (unsigned n = 0; n < NRIG_NODES; n++)
        r.nodes[n].slow = slow;
}

static uint32_t running(void)
{
    return r.meta->nodes->repair.running;
}

static void copies_in_flight_are_limited_per_node_and_in_total(void **state)
{
    (void)state;
    r.config.repair_total = 3;
    start(6, 20);
    all_slow(true);
    r.nodes[2].dead = true;
    nrig_live(&r, 3 * I);
    assert_int_equal(running(), 3);
    for (uint32_t i = 0; i < 6; i++) {
        assert_in_range(r.meta->nodes->repair.nodes[i]->running[0], 0, 2);
        assert_in_range(r.meta->nodes->repair.nodes[i]->running[1], 0, 2);
    }
    nrig_assert_sound(&r);
    all_slow(false);
    nrig_live(&r, 60 * I);
    assert_whole(0, 20);
    nrig_assert_quiet(&r);
}

/* S5: whoever goes while copies are under way, nothing stays counted. */
static void the_loss_of_a_source_or_a_target_leaks_nothing(void **state)
{
    (void)state;
    for (unsigned victim = 0; victim < 6; victim++) {
        if (victim == 2)
            continue;
        if (victim > 0) {
            nrig_close(&r);
            nrig_init(&r);
        }
        r.config.request_timeout_ns = 1000 * I; /* no rescue by deadlines */
        start(7, 12);
        all_slow(true);
        r.nodes[2].dead = true;
        nrig_live(&r, 3 * I);
        assert_in_range(running(), 4, 12);
        r.nodes[victim].dead = true; /* its orders are lost with it; the others' too, since all are slow */
        nrig_live(&r, 4 * I);
        nrig_assert_sound(&r);
        all_slow(false);
        for (unsigned n = 0; n < 7; n++) {
            if (n == 2 || n == victim)
                continue;
            nrig_break(&r, n); /* orders may be lost: they are given again */
            assert_int_equal(nrig_resume(&r, n), DFS_OK);
        }
        nrig_live(&r, 10 * I);
        assert_whole(0, 12);
        nrig_assert_quiet(&r);
    }
}

static void a_copy_without_an_answer_ends_at_its_deadline(void **state)
{
    (void)state;
    start(5, 4);
    all_slow(true);
    r.nodes[2].dead = true;
    nrig_live(&r, 3 * I);
    assert_int_equal(running(), 4);
    nrig_live(&r, 6 * I);
    assert_in_range(r.meta->nodes->counters.copies_failed, 4, 8);
    all_slow(false);
    nrig_live(&r, 20 * I);
    assert_whole(0, 4);
    nrig_assert_quiet(&r);
}

static void a_failing_source_is_avoided_and_retried_ever_more_rarely(void **state)
{
    (void)state;
    start(5, 1);
    r.nodes[0].copy_status = DFS_IO;
    r.nodes[1].copy_status = DFS_NO_SPACE;
    r.nodes[2].dead = true;
    nrig_live(&r, 60 * I);
    assert_int_equal(r.nodes[3].copies + r.nodes[4].copies, 0);
    /* 0, 1, 3, 7, 15, 31, then every 32 intervals, between the two of them */
    assert_in_range(r.nodes[0].copies + r.nodes[1].copies, 5, 8);
    assert_in_range(r.nodes[0].copies, 2, 5);
    assert_in_range(r.nodes[0].verifies, 1, 5); /* it said IO: it was asked to look again */
    assert_int_equal(running(), 0);
    r.nodes[1].copy_status = DFS_OK;
    nrig_live(&r, 70 * I);
    assert_whole(0, 1);
    nrig_assert_quiet(&r);
}

static void send_bad(unsigned n, uint32_t file, uint32_t index)
{
    const struct nrig_block block = nrig_block(&r, file, index);
    struct dfs_w_change change = {.kind = DFS_CHANGE_BAD, .block = block.block, .length_bytes = block.length_bytes};
    const struct dfs_m_block_events events = {.first = ++r.nodes[n].change, .changes = &change, .changes_count = 1};

    nrig_send(&r, n, DFS_MSG_BLOCK_EVENTS, &events);
}

/* S26: a bad copy is no source, and is removed only after it was replaced. */
static void a_bad_copy_is_replaced_then_removed(void **state)
{
    const struct nrig_block block = {.block = {.file = nrig_file_id(0), .index = 1, .generation = 1}};

    (void)state;
    start(5, 3);
    all_slow(true);
    send_bad(1, 0, 1);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 1);
    nrig_live(&r, 2 * I);
    assert_int_equal(running(), 1);
    assert_int_equal(r.nodes[1].copies, 0);
    assert_int_equal(r.nodes[1].removals, 0); /* not yet replaced */
    assert_true(nrig_has(&r, 1, &block.block));
    all_slow(false);
    nrig_live(&r, 20 * I);
    assert_int_equal(r.nodes[1].removals_of[DFS_REMOVE_BAD], 1);
    assert_false(nrig_has(&r, 1, &block.block));
    assert_whole(0, 3);
    nrig_assert_quiet(&r);
}

/* In a cluster with as many nodes as copies the bad copy itself is in the way. */
static void a_bad_copy_makes_room_when_there_is_no_other_place(void **state)
{
    (void)state;
    start(3, 3);
    send_bad(1, 0, 1);
    nrig_live(&r, 5 * I);
    assert_int_equal(r.nodes[1].removals_of[DFS_REMOVE_BAD], 1);
    assert_whole(0, 3);
    nrig_assert_quiet(&r);
}

static void a_commit_with_fewer_copies_queues_the_rest(void **state)
{
    (void)state;
    r.config.repair_grace_ns = 100 * I;
    start(4, 1);
    (void)nrig_commit(&r, 5, 3, on_012, 2);
    nrig_live(&r, 3 * I);
    assert_whole(1, 5);
    nrig_assert_quiet(&r);
}

/* S13: a file is deleted while its blocks are being copied. */
static void deletion_meets_a_copy_under_way(void **state)
{
    (void)state;
    start(5, 6);
    all_slow(true);
    r.nodes[2].dead = true;
    nrig_live(&r, 3 * I);
    assert_in_range(running(), 1, 6);
    nrig_delete(&r, 0);
    assert_int_equal(running(), 0);
    all_slow(false);
    /* The copies arrive all the same, at nodes that no longer should have them. */
    for (uint32_t i = 0; i < 6; i++) {
        const struct nrig_block block = nrig_block(&r, 0, i);

        nrig_put(&r, 3, &block, true);
    }
    nrig_live(&r, 20 * I);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 0);
    r.nodes[2].dead = false;
    nrig_up(&r, 2); /* it was away: its inventory names what nobody knows */
    nrig_live(&r, 5 * I);
    assert_int_equal(r.nodes[2].blocks_count, 0);
    nrig_assert_quiet(&r);
}

static void zones_are_kept_apart_by_repair(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 6; n++)
        r.nodes[n].zone[0] = (char)('a' + n % 3);
    start(6, 30);
    r.nodes[2].dead = true;
    nrig_live(&r, 20 * I);
    for (uint32_t i = 0; i < 30; i++) {
        const struct nrig_block block = nrig_block(&r, 0, i);

        assert_true(nrig_has(&r, 5, &block.block)); /* the other node of zone c, though only two fit at a time */
    }
    nrig_assert_quiet(&r);
}

static void bandwidth_spaces_the_copies(void **state)
{
    (void)state;
    r.config.repair_bandwidth_bytes_per_s = 100000; /* a block a second */
    r.config.repair_per_source = 10;
    r.config.repair_per_target = 10;
    start(4, 20);
    r.nodes[2].dead = true;
    nrig_live(&r, 2 * I + I / 2);
    nrig_live(&r, 10 * I); /* one target: ten of them */
    assert_in_range(r.meta->nodes->counters.copies_done, 8, 12);
    nrig_live(&r, 15 * I);
    assert_whole(0, 20);
    nrig_assert_quiet(&r);
}

static void full_nodes_get_nothing_until_there_is_room(void **state)
{
    (void)state;
    r.nodes[3].free_bytes = 50110000; /* 5 % is kept free: one block fits */
    start(4, 5);
    r.nodes[2].dead = true;
    nrig_live(&r, 10 * I);
    /* The puppet does not count what it stores, so the room seems to stay the same: but never more than one
     * at a time is promised. */
    assert_in_range(r.meta->nodes->counters.copies_done, 1, 5);
    r.nodes[3].free_bytes = 50000000;
    nrig_live(&r, 2 * I);
    (void)nrig_commit(&r, 5, 3, on_012, 2);
    nrig_live(&r, 10 * I);
    assert_int_equal(r.meta->nodes->repair.queues[META_QUEUE_UNPLACED].count, 5);
    assert_int_equal(running(), 0);
    r.nodes[3].free_bytes = 900000000;
    nrig_live(&r, 10 * I);
    assert_whole(1, 5);
    nrig_assert_quiet(&r);
}

/* Whatever happens, in whatever order: all is in order at every moment, and whole in the end. */
static uint64_t storm_seed;

static uint32_t draw(uint32_t below)
{
    storm_seed = storm_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(storm_seed >> 33) % below;
}

static void storm_event(uint32_t files)
{
    const unsigned n = draw(8);
    struct nrig_node *node = &r.nodes[n];
    unsigned dead = 0;

    for (unsigned i = 0; i < 8; i++)
        dead += !r.nodes[i].up || r.nodes[i].dead || r.nodes[i].silent;
    switch (draw(10)) {
    case 0: /* dies */
        if (dead < 2) {
            node->dead = true;
            if (draw(2) == 0)
                nrig_break(&r, n);
        }
        break;
    case 1: /* comes back */
        if (node->dead || !node->up) {
            node->dead = false;
            node->boot.bytes[9]++;
            nrig_break(&r, n);
            if (nrig_join(&r, n) == DFS_OK) {
                nrig_tell(&r, n);
                nrig_beat(&r, n);
            }
        }
        break;
    case 2:
        node->silent = dead < 2 && draw(2) == 0;
        break;
    case 3:
        node->slow = draw(3) == 0;
        break;
    case 4:
        node->copy_status = draw(3) == 0 ? DFS_UNAVAILABLE : DFS_OK;
        break;
    case 5:
        if (node->up && !node->dead && node->conn != 0) {
            nrig_break(&r, n);
            (void)nrig_resume(&r, n);
        }
        break;
    case 6: /* a copy goes bad, if that is safe */
        if (node->up && !node->dead && node->blocks_count > 0 && nrig_state(&r, n) == DFS_NODE_ACTIVE) {
            const struct dfs_w_block block = node->blocks[draw(node->blocks_count)].block;
            const struct dfs_block_id id = meta_block_of_wire(&block);
            const meta_block_no no = meta_block_find(r.meta, &id);
            unsigned good = 0;

            meta_copy_no c = no == 0 ? 0 : meta_blockmap_first(&r.meta->map, no);

            for (; c != 0; c = meta_blockmap_next(&r.meta->map, c))
                good += (meta_blockmap_copy(&r.meta->map, c)->flags & META_COPY_BAD) == 0;
            if (good >= 3 && dead == 0) {
                struct dfs_w_change change = {
                    .kind = DFS_CHANGE_BAD, .block = block, .length_bytes = 100000 + block.index};
                const struct dfs_m_block_events events = {
                    .first = ++node->change, .changes = &change, .changes_count = 1};

                nrig_send(&r, n, DFS_MSG_BLOCK_EVENTS, &events);
            }
        }
        break;
    case 7:
        node->keeps = draw(2) == 0;
        break;
    case 8:
        if (files > 3 && draw(3) == 0) {
            const uint32_t file = draw(files);
            const struct dfs_id id = nrig_file_id(file);

            if (meta_namespace_file(&r.meta->ns, &id) != NULL)
                nrig_delete(&r, file);
        }
        break;
    default:
        r.f.mono += draw(4) == 0 ? 3 * I : 0; /* a stall of our own */
        fake_tick(&r.f);
        break;
    }
}

static void storm_round(uint64_t seed)
{
    const uint32_t files = 6;

    storm_seed = seed;
    r.config.repair_grace_ns = draw(2) * 3 * I;
    r.config.repair_per_source = 1 + draw(3);
    r.config.repair_per_target = 1 + draw(3);
    r.config.repair_total = 1 + draw(12);
    r.config.brake_share_ppb = draw(2) == 0 ? 200000000 : 1000000000;
    r.config.brake_nodes = 2;
    r.config.brake_release_intervals = 10;
    r.config.repair_bandwidth_bytes_per_s = draw(3) == 0 ? 1000000 : 0;
    for (unsigned n = 0; n < 8; n++)
        r.nodes[n].zone[0] = (char)('a' + n % (1 + draw(4)));
    nrig_start(&r);
    nrig_up_all(&r, 8);
    for (uint32_t f = 0; f < files; f++) {
        uint16_t nodes[3];
        const uint16_t first = (uint16_t)draw(8);

        for (uint16_t k = 0; k < 3; k++)
            nodes[k] = (uint16_t)((first + k * (1 + f % 2)) % 8);
        (void)nrig_commit(&r, 1 + draw(12), 3, nodes, 3);
    }
    for (unsigned n = 0; n < 8; n++)
        r.nodes[n].rejoins = true;
    for (unsigned round = 0; round < 60; round++) {
        storm_event(files);
        nrig_live(&r, draw(8) * I / 4 + 1);
        nrig_assert_sound(&r);
    }
    /* Peace. */
    for (unsigned n = 0; n < 8; n++) {
        struct nrig_node *node = &r.nodes[n];

        node->slow = node->keeps = node->silent = false;
        node->copy_status = DFS_OK;
        if (node->dead || !node->up || nrig_state(&r, n) == DFS_NODE_EVICTED || node->conn == 0) {
            node->dead = false;
            node->boot.bytes[9]++;
            nrig_break(&r, n);
            while (nrig_join(&r, n) != DFS_OK)
                nrig_live(&r, I);
            nrig_tell(&r, n);
            nrig_beat(&r, n);
        }
    }
    nrig_live(&r, 140 * I);
    nrig_assert_quiet(&r);
    assert_int_equal(r.meta->nodes->repair.lost, 0);
    for (uint32_t f = 0; f < files; f++) {
        const struct dfs_id id = nrig_file_id(f);
        const struct meta_version *version = meta_namespace_file(&r.meta->ns, &id);

        for (uint32_t i = 0; i < 12; i++) {
            if (version == NULL)
                assert_int_equal(nrig_copies(&r, f, i), 0);
            else if (i < version->file.blocks_count)
                assert_int_equal(nrig_copies(&r, f, i), 3);
        }
    }
}

static void a_storm_ends_whole(void **state)
{
    const char *seeds = getenv("STORM_SEEDS"); /* a longer run, by hand */
    const unsigned count = seeds == NULL ? 40 : (unsigned)strtoul(seeds, NULL, 10);
    struct meta_nodes_counters sum = {0};

    (void)state;
    for (unsigned seed = 0; seed < count; seed++) {
        print_message("seed %u\n", seed);
        if (seed > 0) {
            nrig_close(&r);
            nrig_init(&r);
        }
        storm_round(seed);
        sum.evictions += r.meta->nodes->counters.evictions;
        sum.copies_done += r.meta->nodes->counters.copies_done;
        sum.copies_cancelled += r.meta->nodes->counters.copies_cancelled;
        sum.trimmed += r.meta->nodes->counters.trimmed;
        sum.brakes += r.meta->nodes->counters.brakes;
    }
    /* It was a storm. */
    assert_in_range(sum.evictions, count, UINT64_MAX);
    assert_in_range(sum.copies_done, 10 * count, UINT64_MAX);
    assert_in_range(sum.copies_cancelled, count, UINT64_MAX);
    assert_in_range(sum.trimmed, count, UINT64_MAX);
    assert_in_range(sum.brakes, 1, UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies_in_flight_are_limited_per_node_and_in_total, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_loss_of_a_source_or_a_target_leaks_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_without_an_answer_ends_at_its_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failing_source_is_avoided_and_retried_ever_more_rarely, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_copy_is_replaced_then_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_copy_makes_room_when_there_is_no_other_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_commit_with_fewer_copies_queues_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deletion_meets_a_copy_under_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(zones_are_kept_apart_by_repair, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bandwidth_spaces_the_copies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_nodes_get_nothing_until_there_is_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_storm_ends_whole, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every event in every state of a member: where it leads. What a node says late, twice, or in a life that has ended changes nothing. */
#include "tests/support/nodes_test.h"

#include <stdio.h>
#include <string.h>

static dfs_conn person;

/* The letters of the table: JOINING, ACTIVE, SUSPECT (silent, its connection stands), SUSPECT (Unlinked: its connection broke), DRAINING, MAINTENANCE,
 * EVICTED. Node 0 is the one that things happen to; three others are well. */
static const char letters[] = "JASUDME";

static void set_draining(unsigned n, bool on)
{
    const struct dfs_m_drain drain = {.node = r.nodes[n].id, .on = on};

    fake_receive(&r.f, person, 3, DFS_MSG_DRAIN, &drain, NULL, 0);
    fake_disk_run(&r.f);
    assert_int_equal(fake_sent(&r.f, person).body->status.status, DFS_OK);
}

static void leave(void)
{
    const struct dfs_m_leave message = {.incarnation = r.nodes[0].incarnation};

    nrig_send(&r, 0, DFS_MSG_LEAVE, &message);
}

static enum dfs_node_state state_of(char letter)
{
    switch (letter) {
    case 'J':
        return DFS_NODE_JOINING;
    case 'A':
        return DFS_NODE_ACTIVE;
    case 'S':
    case 'U':
        return DFS_NODE_SUSPECT;
    case 'D':
        return DFS_NODE_DRAINING;
    case 'M':
        return DFS_NODE_MAINTENANCE;
    default:
        return DFS_NODE_EVICTED;
    }
}

static void bring_to(char letter)
{
    for (unsigned n = 1; n < 4; n++)
        nrig_up(&r, n);
    person = nrig_client(&r, "a:/");
    assert_int_equal(nrig_join(&r, 0), DFS_OK);
    if (letter != 'J') {
        nrig_tell(&r, 0);
        nrig_beat(&r, 0);
    }
    if (letter == 'S' || letter == 'E') {
        r.nodes[0].silent = true;
        nrig_live(&r, letter == 'S' ? I + I * 3 / 4 : 3 * I);
    }
    if (letter == 'U')
        nrig_break(&r, 0);
    if (letter == 'D')
        set_draining(0, true);
    if (letter == 'M')
        leave();
    nrig_pump(&r);
    assert_int_equal(nrig_state(&r, 0), state_of(letter));
}

/* The events ------------------------------------------------------------------------------------------------ */

static void join_as(const struct dfs_m_join *join)
{
    nrig_connect(&r, 0);
    nrig_send(&r, 0, DFS_MSG_JOIN, join);
    nrig_pump(&r);
}

static struct dfs_m_join join_of_a_new_process(void)
{
    r.nodes[0].boot.bytes[9]++;
    return nrig_join_message(&r, 0);
}

static void on_join(void)
{
    const struct dfs_m_join join = join_of_a_new_process();

    join_as(&join);
}

static void on_refused_join(void)
{
    struct dfs_m_join join = join_of_a_new_process();

    join.version++;
    join_as(&join);
}

static void on_store_lost(void)
{
    struct dfs_m_join join = join_of_a_new_process();

    join.store_lost = 1;
    join_as(&join);
}

static void on_resume(void)
{
    (void)nrig_resume(&r, 0);
}

static void on_inventory(void)
{
    const struct dfs_m_inventory page = {0};

    nrig_send(&r, 0, DFS_MSG_INVENTORY, &page);
}

static void on_inventory_end(void)
{
    const struct dfs_m_inventory_end end = {0};

    nrig_send(&r, 0, DFS_MSG_INVENTORY_END, &end);
}

/* One that no file has. */
static struct dfs_w_block some_block(void)
{
    return (struct dfs_w_block){.file = nrig_file_id(7), .generation = 1};
}

static void on_block_events(void)
{
    struct dfs_w_change change = {.kind = DFS_CHANGE_REMOVED, .block = some_block(), .length_bytes = 1};
    const struct dfs_m_block_events events = {.first = 1, .changes = &change, .changes_count = 1};

    nrig_send(&r, 0, DFS_MSG_BLOCK_EVENTS, &events);
}

static void on_copy_done(void)
{
    const struct dfs_m_copy_done done = {.operation = {{1}}, .block = some_block()};

    nrig_send(&r, 0, DFS_MSG_COPY_DONE, &done);
}

static void on_remove_done(void)
{
    const struct dfs_m_remove_done done = {0};

    nrig_send(&r, 0, DFS_MSG_REMOVE_DONE, &done);
}

static void on_verify_done(void)
{
    const struct dfs_m_verify_done done = {.block = some_block()};

    nrig_send(&r, 0, DFS_MSG_VERIFY_DONE, &done);
}

static void on_status(void)
{
    const struct dfs_m_status status = {.status = DFS_BAD_REQUEST, .words = dfs_text_of("what?")};

    nrig_send(&r, 0, DFS_MSG_STATUS, &status);
}

static void on_closed(void)
{
    nrig_break(&r, 0);
}

static void on_timeout(void)
{
    r.nodes[0].silent = true;
    nrig_live(&r, 4 * I);
}

static void on_drain(void)
{
    set_draining(0, true);
}

static void on_undrain(void)
{
    set_draining(0, false);
}

static void on_heartbeat(void)
{
    nrig_beat(&r, 0);
}

static void on_heartbeat_again(void)
{
    if (r.nodes[0].sequence == 0)
        nrig_beat(&r, 0);
    nrig_beat_as(&r, 0, r.nodes[0].sequence);
}

static void on_heartbeat_late(void)
{
    if (r.nodes[0].sequence == 0)
        nrig_beat(&r, 0);
    nrig_beat_as(&r, 0, 0);
}

static void on_heartbeat_stale(void)
{
    const uint64_t incarnation = r.nodes[0].incarnation;

    r.nodes[0].incarnation--; /* its tag is right for its words */
    nrig_beat_as(&r, 0, 100);
    r.nodes[0].incarnation = incarnation;
}

static void on_heartbeat_forged(void)
{
    const struct dfs_mac mac = r.nodes[0].heartbeat_mac;
    const uint32_t acks = r.nodes[0].acks;

    r.nodes[0].heartbeat_mac = r.nodes[1].heartbeat_mac;
    nrig_beat_as(&r, 0, 100);
    r.nodes[0].heartbeat_mac = mac;
    assert_int_equal(r.nodes[0].acks, acks);
}

/* What follows on what ---------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*happens)(void);
    const char *leads; /* a letter for each of `letters`; '.': it stays */
} table[] = {
    /*                               JASUDME */
    {"join", on_join, /*          */ ".JJJJJJ"},
    {"a refused join", on_refused_join, "......."},
    {"store lost", on_store_lost, /* */ ".JJJJJJ"},
    {"resume", on_resume, /*       */ "...A..."},
    {"inventory", on_inventory, /* */ "......."},
    {"inventory end", on_inventory_end, "......."}, /* a joining node must be heard of, too */
    {"block events", on_block_events, "......."},
    {"copy done", on_copy_done, /* */ "......."},
    {"remove done", on_remove_done, "......."},
    {"verify done", on_verify_done, "......."},
    {"leave", leave, /*            */ "MMM.M.."}, /* nobody hears one that has no connection */
    {"status", on_status, /*       */ "......."},
    {"closed", on_closed, /*       */ ".U....."},
    {"timeout", on_timeout, /*     */ "EEEEE.."},
    {"drain", on_drain, /*         */ ".DDD..."}, /* noted, and counts when it is a member */
    {"undrain", on_undrain, /*     */ "....A.."},
    {"heartbeat", on_heartbeat, /* */ "..A...."},
    {"heartbeat again", on_heartbeat_again, "......."},
    {"late heartbeat", on_heartbeat_late, "......."},
    {"stale heartbeat", on_heartbeat_stale, "......."},
    {"forged heartbeat", on_heartbeat_forged, "......."},
};

static void each_event_in_each_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (size_t k = 0; letters[k] != '\0'; k++) {
            const char leads = (char)(table[i].leads[k] == '.' ? letters[k] : table[i].leads[k]);

            nrig_init(&r);
            nrig_start(&r);
            bring_to(letters[k]);
            table[i].happens();
            if (nrig_state(&r, 0) != state_of(leads))
                fail_msg("%s in %c leads to %s instead of %c", table[i].name, letters[k],
                         meta_member_gate.names[nrig_state(&r, 0)], leads);
            nrig_assert_sound(&r);
            nrig_close(&r);
        }
    }
}

/* Without a time for maintenance a clean leave is an eviction at once; being told to drain while silent is remembered. */
static void a_leave_without_maintenance_evicts(void **state)
{
    static const char leaving[] = "JASD";

    (void)state;
    for (size_t k = 0; leaving[k] != '\0'; k++) {
        nrig_init(&r);
        r.config.maintenance_ns = 0;
        nrig_start(&r);
        bring_to(leaving[k]);
        leave();
        assert_int_equal(nrig_state(&r, 0), DFS_NODE_EVICTED);
        nrig_assert_sound(&r);
        nrig_close(&r);
    }
}

static void undraining_a_silent_node_leaves_a_suspect(void **state)
{
    (void)state;
    nrig_init(&r);
    nrig_start(&r);
    bring_to('D');
    r.nodes[0].silent = true;
    nrig_live(&r, I + I * 3 / 4);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_DRAINING);
    set_draining(0, false);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_SUSPECT);
    nrig_beat(&r, 0);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
    nrig_assert_sound(&r);
    nrig_close(&r);
}

/* Told to drain while it joins: it comes up as DRAINING, by whichever of the two comes last. */
static void a_node_that_is_to_drain_joins_as_draining(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        nrig_init(&r);
        nrig_start(&r);
        bring_to('J');
        set_draining(0, true);
        assert_int_equal(nrig_state(&r, 0), DFS_NODE_JOINING);
        if (first == 0)
            nrig_beat(&r, 0);
        nrig_tell(&r, 0);
        if (first != 0)
            nrig_beat(&r, 0);
        assert_int_equal(nrig_state(&r, 0), DFS_NODE_DRAINING);
        nrig_assert_sound(&r);
        nrig_close(&r);
    }
}

/* A node that is EVICTED in the table above has no connection that counts; one that comes anew is known by its id only, and must join. */
static void an_evicted_node_must_join_whatever_it_says(void **state)
{
    (void)state;
    nrig_init(&r);
    nrig_start(&r);
    bring_to('E');
    nrig_connect(&r, 0);
    on_inventory();
    r.nodes[0].status = DFS_STATUS_COUNT;
    nrig_pump(&r);
    assert_int_equal(r.nodes[0].status, DFS_STALE_INCARNATION);
    assert_int_equal(nrig_resume(&r, 0), DFS_STALE_INCARNATION);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_EVICTED);
    nrig_up(&r, 0);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
    nrig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_in_each_state),
        cmocka_unit_test(a_leave_without_maintenance_evicts),
        cmocka_unit_test(undraining_a_silent_node_leaves_a_suspect),
        cmocka_unit_test(a_node_that_is_to_drain_joins_as_draining),
        cmocka_unit_test(an_evicted_node_must_join_whatever_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The connection to metadata: JOIN, RESUME, INVENTORY, BLOCK_EVENTS, LEAVE. */
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void up(struct data_rig *r)
{
    rig_init(r);
    rig_start(r);
    rig_join(r);
    fake_forget(&r->f);
}

/* Time passes until the server has a new connection to metadata. */
static void reconnect(struct data_rig *r)
{
    const dfs_time_ns limit = r->f.mono + 100 * DFS_SECONDS;
    const dfs_conn old = r->control;

    while (fake_connected(&r->f) == old && r->f.mono < limit)
        fake_pass(&r->f, DFS_MILLISECONDS);
    assert_int_not_equal(fake_connected(&r->f), old);
    r->control = fake_connected(&r->f);
}

static void store(struct data_rig *r, unsigned number)
{
    const struct dfs_block_id block = rig_block(number);
    uint8_t bytes[64];

    rig_fill(bytes, sizeof bytes, number);
    rig_store(r, &block, bytes, sizeof bytes);
}

static void test_join_says_who_and_what(void **state)
{
    struct data_rig r;
    struct dfs_m_join join;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    join = fake_expect(&r.f, r.control, DFS_MSG_JOIN).body->join;
    assert_int_equal(fake_conn_of(&r.f, r.control)->role, DFS_ROLE_META);
    assert_false(fake_conn_of(&r.f, r.control)->node_given);
    assert_memory_equal(&join.cluster, &r.config.cluster, sizeof join.cluster);
    assert_memory_equal(&join.node, &r.nodes[0], sizeof join.node);
    assert_false(dfs_id_is_zero(&join.boot));
    assert_int_equal(join.addr.port, 7000);
    assert_int_equal(join.capacity_bytes, 1000000000);
    assert_int_equal(join.version, DFS_PROTOCOL_VERSION);
    assert_false(dfs_data_is_joined(r.data));
    rig_close(&r);
}

static void test_joined_is_joined(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r);
    assert_true(dfs_data_is_joined(r.data));
    assert_int_equal(dfs_data_failure(r.data, NULL), DFS_OK);
    assert_int_equal(rig_metric(&r, "incarnation"), 100);
    rig_close(&r);
}

static void test_join_is_retried_for_ever_with_a_bounded_pause(void **state)
{
    struct data_rig r;
    dfs_time_ns before;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    for (unsigned i = 0; i < 30; i++) {
        before = r.f.mono;
        fake_closed(&r.f, r.control, DFS_UNREACHABLE);
        reconnect(&r);
        assert_true(r.f.mono - before <= 5 * DFS_SECONDS + 2 * DFS_MILLISECONDS);
        if (i > 6)
            assert_true(r.f.mono - before >= 2 * DFS_SECONDS);
    }
    assert_int_equal(rig_metric(&r, "join_attempts"), 30);
    rig_close(&r);
}

static void test_silent_metadata_is_left(void **state)
{
    struct data_rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    fake_pass(&r.f, r.config.request_timeout_ns + 2 * DFS_SECONDS);
    assert_true(fake_conn_of(&r.f, 1)->closed);
    assert_true(fake_trace_state(&r.f, "node", "JOINING", "WAITING", "timeout"));
    rig_close(&r);
}

static void test_unavailable_metadata_is_asked_again(void **state)
{
    struct data_rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    fake_open(&r.f, r.control);
    rig_status(&r, fake_expect(&r.f, r.control, DFS_MSG_JOIN).request, DFS_UNAVAILABLE);
    reconnect(&r);
    fake_open(&r.f, r.control);
    rig_joined(&r, 100);
    rig_inventory_ok(&r);
    rig_close(&r);
}

static void test_final_answers_stop_for_good(void **state)
{
    static const enum dfs_status final[] = {DFS_SUPERSEDED, DFS_WRONG_CLUSTER, DFS_OLDER_JOURNAL};
    struct data_rig r;
    const struct dfs_peer client = {.kind = DFS_PEER_CLIENT};
    const char *words = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof final / sizeof final[0]; i++) {
        rig_init(&r);
        rig_start(&r);
        fake_open(&r.f, r.control);
        rig_status(&r, fake_expect(&r.f, r.control, DFS_MSG_JOIN).request, final[i]);
        assert_int_equal(dfs_data_failure(r.data, &words), final[i]);
        assert_true(strlen(words) > 0);
        assert_int_equal(r.f.deadline, DFS_NEVER);
        assert_true(fake_conn_of(&r.f, r.control)->closed);
        assert_true(fake_conn_of(&r.f, fake_accept(&r.f, &client))->closed); /* serves nobody */
        rig_close(&r);
    }
}

static void test_superseded_server_stops_in_the_middle_of_its_work(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint8_t bytes[200000];

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    store(&r, 9);
    const dfs_conn conn = rig_client(&r);
    const struct dfs_w_grant grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    const uint32_t request = rig_write_header(&r, conn, &grant, 1, 0, sizeof bytes);
    const struct dfs_block_id other = rig_block(9);

    rig_frames(&r, conn, request, bytes, sizeof bytes, 0, 2 * DFS_CHUNK_BYTES);
    (void)rig_read(&r, conn, &other, 0, 64);
    rig_status(&r, 0, DFS_SUPERSEDED);
    fake_disk_run(&r.f);
    assert_int_equal(dfs_data_failure(r.data, NULL), DFS_SUPERSEDED);
    assert_true(fake_conn_of(&r.f, conn)->closed);
    assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
    fake_pass(&r.f, 100 * DFS_SECONDS);
    assert_int_equal(r.f.datagrams_count, r.f.datagrams_at); /* no heartbeat any more */
    rig_close(&r);
}

static void test_metadata_with_an_older_journal_is_refused(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r);
    rig_restart(&r, false);
    r.journal = 4999;
    fake_open(&r.f, r.control);
    rig_joined(&r, 101);
    assert_int_equal(dfs_data_failure(r.data, NULL), DFS_OLDER_JOURNAL);
    rig_close(&r);
}

static void test_older_journal_is_taken_on_an_operators_word(void **state)
{
    struct data_rig r;
    struct fake_message m;

    (void)state;
    up(&r);
    r.config.accept_older_journal = true;
    rig_restart(&r, false);
    r.journal = 3000;
    fake_open(&r.f, r.control);
    m = fake_expect(&r.f, r.control, DFS_MSG_JOIN);
    assert_int_equal(m.body->join.journal_seen, 0);
    r.f.conns[r.control - 1].out_at = 0;
    rig_joined(&r, 101);
    rig_inventory_ok(&r);
    fake_disk_run(&r.f);
    assert_true(dfs_data_is_joined(r.data));
    assert_int_equal(fake_disk_count(&r.f, "seen-"), 1);
    assert_non_null(fake_disk_file(&r.f, "seen-0000000000000bb8"));
    rig_close(&r);
}

static void test_inventory_leaves_few_pages_unanswered(void **state)
{
    struct data_rig r;
    struct fake_message m;
    uint32_t requests[64];
    unsigned pages = 0;

    (void)state;
    up(&r);
    for (unsigned i = 0; i < 40; i++)
        store(&r, i);
    rig_restart(&r, false);
    fake_open(&r.f, r.control);
    rig_joined(&r, 101);
    while ((m = fake_sent(&r.f, r.control)).number != 0) {
        assert_int_equal(m.number, DFS_MSG_INVENTORY);
        requests[pages++] = m.request;
    }
    assert_int_equal(pages, 8);
    rig_status(&r, requests[0], DFS_OK);
    assert_int_equal(fake_expect(&r.f, r.control, DFS_MSG_INVENTORY).body->inventory.page, 8);
    assert_int_equal(fake_sent(&r.f, r.control).number, 0);
    rig_status(&r, requests[1], DFS_OK);
    assert_int_equal(fake_expect(&r.f, r.control, DFS_MSG_INVENTORY).body->inventory.page, 9);
    rig_status(&r, requests[2], DFS_OK);
    m = fake_expect(&r.f, r.control, DFS_MSG_INVENTORY_END);
    assert_int_equal(m.body->inventory_end.pages, 10);
    assert_int_equal(m.body->inventory_end.count, 40);
    rig_close(&r);
}

static void test_what_changes_during_the_inventory_comes_behind_it(void **state)
{
    struct data_rig r;
    struct fake_message m;
    const struct dfs_block_id late = rig_block(100);
    const struct dfs_w_removal removal = {.block = {.file = late.file, .index = 3, .generation = 1},
                                          .reason = DFS_REMOVE_ORPHAN};
    const struct dfs_m_remove_block remove = {.blocks = (struct dfs_w_removal *)(uintptr_t)&removal, .blocks_count = 1};
    uint8_t bytes[64];
    uint32_t requests[8];
    uint32_t listed = 0;

    (void)state;
    up(&r);
    for (unsigned i = 0; i < 36; i++)
        store(&r, i);
    rig_restart(&r, false);
    fake_open(&r.f, r.control);
    rig_joined(&r, 101);
    for (unsigned i = 0; i < 8; i++) {
        m = fake_expect(&r.f, r.control, DFS_MSG_INVENTORY);
        requests[i] = m.request;
        listed += m.body->inventory.blocks_count;
    }
    /* A write is finished, a removal is asked for. */
    rig_fill(bytes, sizeof bytes, 1);
    rig_store(&r, &late, bytes, sizeof bytes);
    fake_receive(&r.f, r.control, 77, DFS_MSG_REMOVE_BLOCK, &remove, NULL, 0);
    m = fake_expect(&r.f, r.control, DFS_MSG_REMOVE_DONE);
    assert_int_equal(m.body->remove_done.blocks[0].status, DFS_UNAVAILABLE);
    for (unsigned i = 0; i < 8; i++)
        rig_status(&r, requests[i], DFS_OK);
    m = fake_expect(&r.f, r.control, DFS_MSG_INVENTORY);
    listed += m.body->inventory.blocks_count;
    m = fake_expect(&r.f, r.control, DFS_MSG_INVENTORY_END);
    assert_int_equal(listed, 36);
    assert_int_equal(m.body->inventory_end.count, 36);
    assert_int_equal(m.body->inventory_end.change, 0);
    m = fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS);
    assert_int_equal(m.body->block_events.first, 1);
    assert_int_equal(m.body->block_events.changes[0].block.index, 100);
    rig_close(&r);
}

/* What pages have told. */
struct told {
    bool has[64]; /* by block */
    uint32_t count;
    uint64_t digest;
    uint32_t requests[16];
    uint32_t pages;
};

static struct fake_message next_page(struct data_rig *r, struct told *told)
{
    const struct fake_message m = fake_sent(&r->f, r->control);

    for (uint32_t i = 0; m.number == DFS_MSG_INVENTORY && i < m.body->inventory.blocks_count; i++) {
        const struct dfs_w_stored *stored = &m.body->inventory.blocks[i];

        assert_false(told->has[stored->block.index]);
        told->has[stored->block.index] = true;
        told->count++;
        told->digest ^= dfs_block_digest(&stored->block, stored->length_bytes);
    }
    if (m.number == DFS_MSG_INVENTORY)
        told->requests[told->pages++] = m.request;
    return m;
}

/* It rots, a reader finds that, and a client writes it again. */
static void rot_and_replace(struct data_rig *r, unsigned number)
{
    const struct dfs_block_id block = rig_block(number);
    const dfs_conn conn = rig_client(r);
    char name[DFS_FILE_NAME_BYTES_MAX];
    struct dfs_m_block_end end;
    uint8_t bytes[64];

    rig_name(&block, name);
    fake_disk_file(&r->f, name)->bytes[9] ^= 1;
    (void)rig_collect(r, conn, rig_read(r, conn, &block, 0, sizeof bytes), 0, bytes, sizeof bytes, &end);
    assert_int_equal(end.status, DFS_BLOCK_CORRUPT);
    store(r, number);
    assert_int_equal(rig_metric(r, "blocks"), 36);
}

static struct told first_pages(struct data_rig *r)
{
    struct told told = {.count = 0};

    up(r);
    for (unsigned i = 0; i < 36; i++)
        store(r, i);
    rig_restart(r, false);
    fake_open(&r->f, r->control);
    rig_joined(r, 101);
    for (unsigned i = 0; i < 8; i++)
        (void)next_page(r, &told);
    assert_int_equal(told.count, 32);
    return told;
}

static unsigned find(const struct told *told, bool has)
{
    unsigned number = 0;

    while (told->has[number] != has)
        number++;
    return number;
}

/* A bad copy that a write replaces behind its page changes nothing of the inventory: its end says what the pages told. */
static void test_bad_copy_replaced_behind_its_page(void **state)
{
    struct data_rig r;
    struct fake_message m;
    struct told told = first_pages(&r);

    (void)state;
    rot_and_replace(&r, find(&told, true));
    for (unsigned i = 0; i < 8; i++)
        rig_status(&r, told.requests[i], DFS_OK);
    assert_int_equal(next_page(&r, &told).number, DFS_MSG_INVENTORY);
    m = fake_expect(&r.f, r.control, DFS_MSG_INVENTORY_END);
    assert_int_equal(told.count, 36);
    assert_int_equal(m.body->inventory_end.count, 36);
    assert_true(m.body->inventory_end.digest == told.digest);
    assert_int_equal(m.body->inventory_end.change, 0);
    m = fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS);
    assert_int_equal(m.body->block_events.changes_count, 3);
    assert_int_equal(m.body->block_events.changes[0].kind, DFS_CHANGE_BAD);
    assert_int_equal(m.body->block_events.changes[1].kind, DFS_CHANGE_REMOVED);
    assert_int_equal(m.body->block_events.changes[2].kind, DFS_CHANGE_ADDED);
    rig_close(&r);
}

/* In front of its page it is missing there, and the count says so: metadata asks for another inventory, which adds up. */
static void test_bad_copy_replaced_in_front_of_its_page(void **state)
{
    struct data_rig r;
    struct fake_message m;
    struct told told = first_pages(&r);
    struct told again = {.count = 0};

    (void)state;
    rot_and_replace(&r, find(&told, false));
    for (unsigned i = 0; i < 8; i++)
        rig_status(&r, told.requests[i], DFS_OK);
    assert_int_equal(next_page(&r, &told).number, DFS_MSG_INVENTORY);
    m = fake_expect(&r.f, r.control, DFS_MSG_INVENTORY_END);
    assert_int_equal(told.count, 35);
    assert_int_equal(m.body->inventory_end.count, 36);
    assert_true(m.body->inventory_end.digest != told.digest);
    rig_status(&r, m.request, DFS_STALE_INCARNATION);
    reconnect(&r);
    fake_open(&r.f, r.control);
    rig_joined(&r, 102);
    for (unsigned i = 0; i < 8; i++)
        (void)next_page(&r, &again);
    rig_status(&r, again.requests[0], DFS_OK);
    rig_status(&r, again.requests[1], DFS_OK);
    assert_int_equal(next_page(&r, &again).number, DFS_MSG_INVENTORY);
    m = fake_expect(&r.f, r.control, DFS_MSG_INVENTORY_END);
    assert_int_equal(again.count, 36);
    assert_int_equal(m.body->inventory_end.count, 36);
    assert_true(m.body->inventory_end.digest == again.digest);
    rig_close(&r);
}

static void test_broken_connection_is_resumed(void **state)
{
    struct data_rig r;
    const struct dfs_m_resumed resumed = {.status = DFS_OK, .applied = 1};
    struct fake_message m;

    (void)state;
    up(&r);
    store(&r, 1);
    store(&r, 2);
    fake_closed(&r.f, r.control, DFS_UNREACHABLE);
    store(&r, 3); /* while nobody listens */
    reconnect(&r);
    m = fake_expect(&r.f, r.control, DFS_MSG_RESUME);
    assert_int_equal(m.body->resume.incarnation, 100);
    assert_int_equal(m.body->resume.change, 3);
    fake_open(&r.f, r.control);
    fake_receive(&r.f, r.control, m.request, DFS_MSG_RESUMED, &resumed, NULL, 0);
    m = fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS);
    assert_int_equal(m.body->block_events.first, 2);
    assert_int_equal(m.body->block_events.changes_count, 2);
    assert_int_equal(m.body->block_events.changes[1].block.index, 3);
    assert_int_equal(rig_metric(&r, "resumed"), 1);
    rig_close(&r);
}

static void test_refused_resume_joins_again_at_once(void **state)
{
    struct data_rig r;
    const struct dfs_m_resumed resumed = {.status = DFS_STALE_INCARNATION};
    struct fake_message m;

    (void)state;
    up(&r);
    store(&r, 1);
    fake_closed(&r.f, r.control, DFS_UNREACHABLE);
    reconnect(&r);
    m = fake_expect(&r.f, r.control, DFS_MSG_RESUME);
    fake_open(&r.f, r.control);
    fake_receive(&r.f, r.control, m.request, DFS_MSG_RESUMED, &resumed, NULL, 0);
    reconnect(&r);
    fake_open(&r.f, r.control);
    fake_forget(&r.f);
    r.f.conns[r.control - 1].out_at = 0;
    rig_joined(&r, 105);
    assert_int_equal(fake_expect(&r.f, r.control, DFS_MSG_INVENTORY).body->inventory.blocks_count, 1);
    m = fake_expect(&r.f, r.control, DFS_MSG_INVENTORY_END);
    assert_int_equal(m.body->inventory_end.change, 0); /* numbers begin anew */
    store(&r, 2);
    assert_int_equal(fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS).body->block_events.first, 1);
    rig_close(&r);
}

static void test_inventory_without_answer_is_not_resumed(void **state)
{
    struct data_rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    fake_open(&r.f, r.control);
    rig_joined(&r, 100);
    fake_closed(&r.f, r.control, DFS_UNREACHABLE);
    reconnect(&r);
    (void)fake_expect(&r.f, r.control, DFS_MSG_JOIN);
    rig_close(&r);
}

static void test_refused_inventory_joins_again(void **state)
{
    struct data_rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    fake_open(&r.f, r.control);
    rig_joined(&r, 100);
    rig_status(&r, fake_expect(&r.f, r.control, DFS_MSG_INVENTORY_END).request, DFS_STALE_INCARNATION);
    reconnect(&r);
    (void)fake_expect(&r.f, r.control, DFS_MSG_JOIN);
    rig_close(&r);
}

static void test_void_incarnation_joins_again(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r);
    rig_status(&r, 0, DFS_STALE_INCARNATION);
    reconnect(&r);
    (void)fake_expect(&r.f, r.control, DFS_MSG_JOIN);
    rig_close(&r);
}

static void test_changes_are_forgotten_when_applied(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r);
    for (unsigned i = 0; i < 5; i++)
        store(&r, i);
    assert_int_equal(rig_metric(&r, "changes_kept"), 5);
    r.applied = 3;
    rig_keep_alive(&r, 2 * RIG_INTERVAL);
    assert_int_equal(rig_metric(&r, "changes_kept"), 2);
    r.applied = 100; /* nonsense: it was not sent so many */
    rig_keep_alive(&r, 2 * RIG_INTERVAL);
    assert_int_equal(rig_metric(&r, "changes_kept"), 0);
    store(&r, 9);
    assert_int_equal(rig_metric(&r, "changes_kept"), 1);
    rig_close(&r);
}

static void test_resume_before_what_was_kept_joins_again(void **state)
{
    struct data_rig r;
    const struct dfs_m_resumed resumed = {.status = DFS_OK, .applied = 1};
    struct fake_message m;

    (void)state;
    up(&r);
    for (unsigned i = 0; i < 5; i++)
        store(&r, i);
    r.applied = 3;
    rig_keep_alive(&r, 2 * RIG_INTERVAL);
    fake_closed(&r.f, r.control, DFS_UNREACHABLE);
    reconnect(&r);
    m = fake_expect(&r.f, r.control, DFS_MSG_RESUME);
    fake_open(&r.f, r.control);
    fake_receive(&r.f, r.control, m.request, DFS_MSG_RESUMED, &resumed, NULL, 0);
    reconnect(&r);
    (void)fake_expect(&r.f, r.control, DFS_MSG_JOIN);
    rig_close(&r);
}

static void test_nonsense_on_the_control_connection_closes_it(void **state)
{
    struct data_rig r;
    const struct dfs_m_resumed resumed = {.status = DFS_OK};
    const struct dfs_m_hello hello = {.version = 1, .token = dfs_text_of("")};

    (void)state;
    up(&r);
    fake_receive(&r.f, r.control, 5, DFS_MSG_RESUMED, &resumed, NULL, 0);
    assert_true(fake_conn_of(&r.f, r.control)->closed);
    reconnect(&r);
    fake_open(&r.f, r.control);
    fake_receive(&r.f, r.control, 5, DFS_MSG_HELLO, &hello, NULL, 0);
    assert_true(fake_conn_of(&r.f, r.control)->closed);
    reconnect(&r);
    fake_open(&r.f, r.control);
    fake_bytes(&r.f, r.control, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, 1);
    assert_true(fake_conn_of(&r.f, r.control)->closed);
    assert_int_equal(rig_metric(&r, "peers_bad"), 3);
    rig_close(&r);
}

static void test_leave_is_said_and_waits_for_writes(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const struct dfs_block_id other = rig_block(2);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint8_t bytes[1000];
    struct fake_message m;

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    const struct dfs_w_grant grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    const uint32_t request = rig_write_header(&r, conn, &grant, 1, 0, sizeof bytes);

    fake_command(&r.f, 42, DFS_DATA_LEAVE, NULL);
    m = fake_expect(&r.f, r.control, DFS_MSG_LEAVE);
    assert_int_equal(m.body->leave.incarnation, 100);
    rig_status(&r, m.request, DFS_OK);
    assert_false(r.answered);
    (void)rig_write(&r, conn, &other, bytes, sizeof bytes, 1);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN).body->block_written.status, DFS_UNAVAILABLE);

    rig_frames(&r, conn, request, bytes, sizeof bytes, 0, sizeof bytes);
    fake_disk_run(&r.f);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN).body->block_written.status, DFS_OK);
    assert_true(r.answered);
    assert_int_equal(r.answer.status, DFS_OK);
    assert_true(fake_conn_of(&r.f, r.control)->closed);
    assert_int_equal(r.f.deadline, DFS_NEVER);
    rig_close(&r);
}

static void test_leave_does_not_wait_for_ever(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r);
    fake_command(&r.f, 42, DFS_DATA_LEAVE, NULL);
    fake_command(&r.f, 43, DFS_DATA_LEAVE, NULL);
    assert_int_equal(r.answer.status, DFS_UNAVAILABLE); /* to the second: the first is under way */
    r.answered = false;
    rig_keep_alive(&r, r.config.request_timeout_ns + DFS_MILLISECONDS);
    assert_true(r.answered);
    assert_int_equal(r.answer.status, DFS_OK);
    rig_close(&r);
}

static void test_leave_without_metadata_is_at_once(void **state)
{
    struct data_rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    fake_command(&r.f, 42, DFS_DATA_LEAVE, NULL);
    assert_true(r.answered);
    fake_command(&r.f, 43, DFS_DATA_LEAVE, NULL);
    assert_int_equal(r.answer.status, DFS_OK);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_says_who_and_what),
        cmocka_unit_test(test_joined_is_joined),
        cmocka_unit_test(test_join_is_retried_for_ever_with_a_bounded_pause),
        cmocka_unit_test(test_silent_metadata_is_left),
        cmocka_unit_test(test_unavailable_metadata_is_asked_again),
        cmocka_unit_test(test_final_answers_stop_for_good),
        cmocka_unit_test(test_superseded_server_stops_in_the_middle_of_its_work),
        cmocka_unit_test(test_metadata_with_an_older_journal_is_refused),
        cmocka_unit_test(test_older_journal_is_taken_on_an_operators_word),
        cmocka_unit_test(test_inventory_leaves_few_pages_unanswered),
        cmocka_unit_test(test_what_changes_during_the_inventory_comes_behind_it),
        cmocka_unit_test(test_bad_copy_replaced_behind_its_page),
        cmocka_unit_test(test_bad_copy_replaced_in_front_of_its_page),
        cmocka_unit_test(test_broken_connection_is_resumed),
        cmocka_unit_test(test_refused_resume_joins_again_at_once),
        cmocka_unit_test(test_inventory_without_answer_is_not_resumed),
        cmocka_unit_test(test_refused_inventory_joins_again),
        cmocka_unit_test(test_void_incarnation_joins_again),
        cmocka_unit_test(test_changes_are_forgotten_when_applied),
        cmocka_unit_test(test_resume_before_what_was_kept_joins_again),
        cmocka_unit_test(test_nonsense_on_the_control_connection_closes_it),
        cmocka_unit_test(test_leave_is_said_and_waits_for_writes),
        cmocka_unit_test(test_leave_does_not_wait_for_ever),
        cmocka_unit_test(test_leave_without_metadata_is_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

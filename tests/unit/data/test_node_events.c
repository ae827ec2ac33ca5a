/* Every event in every phase of a data server's connection to metadata: where it leads, and what clients are told meanwhile. */
#include "tests/support/data_rig.h"

#include "core/data/data_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct data_rig r;

/* The letters of the table: Waiting, Joining, Resuming, reporting its Inventory, Serving; X is stopped for good, L has left. */
static const char letters[] = "WJRIS";

static enum data_node_phase phase_of(char letter)
{
    switch (letter) {
    case 'W':
        return DATA_NODE_WAITING;
    case 'J':
        return DATA_NODE_JOINING;
    case 'R':
        return DATA_NODE_RESUMING;
    case 'I':
        return DATA_NODE_REPORTING;
    case 'S':
        return DATA_NODE_SERVING;
    case 'X':
        return DATA_NODE_STOPPED;
    default:
        return DATA_NODE_LEFT;
    }
}

static void store(unsigned number)
{
    const struct dfs_block_id block = rig_block(number);
    uint8_t bytes[64];

    rig_fill(bytes, sizeof bytes, number);
    rig_store(&r, &block, bytes, sizeof bytes);
}

static void reconnect(void)
{
    const dfs_conn old = r.control;

    while (fake_connected(&r.f) == old)
        fake_pass(&r.f, DFS_MILLISECONDS);
    r.control = fake_connected(&r.f);
    fake_open(&r.f, r.control);
}

static void bring_to(char letter)
{
    rig_init(&r);
    rig_start(&r);
    if (letter == 'J' || letter == 'W')
        fake_open(&r.f, r.control);
    else
        rig_join(&r);
    if (letter == 'W')
        fake_closed(&r.f, r.control, DFS_UNREACHABLE);
    if (letter == 'R') {
        store(1);
        fake_closed(&r.f, r.control, DFS_UNREACHABLE);
        reconnect();
    }
    if (letter == 'I') { /* more pages than may be unanswered */
        for (unsigned i = 0; i < 40; i++)
            store(i);
        rig_restart(&r, false);
        fake_open(&r.f, r.control);
        rig_joined(&r, 101);
    }
    assert_int_equal(r.data->phase, phase_of(letter));
}

/* The events ---------------------------------------------------------------------------------------------------------- */

static void metadata_says(uint32_t number, const void *message)
{
    if (!fake_conn_of(&r.f, r.control)->closed)
        fake_receive(&r.f, r.control, 0, number, message, NULL, 0);
    fake_disk_run(&r.f);
}

static void on_closed(void)
{
    if (!fake_conn_of(&r.f, r.control)->closed)
        fake_closed(&r.f, r.control, DFS_UNREACHABLE);
}

static void on_refusal(void)
{
    if (!fake_conn_of(&r.f, r.control)->closed)
        rig_status(&r, r.data->control_request, DFS_UNAVAILABLE);
}

static void on_final_word(void)
{
    const struct dfs_m_status superseded = {.status = DFS_SUPERSEDED, .words = dfs_text_of("so")};

    metadata_says(DFS_MSG_STATUS, &superseded);
}

static void on_order_to_verify(void)
{
    const struct dfs_m_verify verify = {.block = {.file = r.nodes[1], .generation = 1}, .length_bytes = 1};

    metadata_says(DFS_MSG_VERIFY, &verify);
}

static void on_order_to_remove(void)
{
    struct dfs_w_removal removal = {.block = {.file = r.nodes[1], .generation = 1}, .reason = DFS_REMOVE_ORPHAN};
    const struct dfs_m_remove_block remove = {.blocks = &removal, .blocks_count = 1};

    metadata_says(DFS_MSG_REMOVE_BLOCK, &remove);
}

static void on_new_keys(void)
{
    struct dfs_w_grant_key keys[1] = {{.key_id = RIG_KEY_ID + 1}};
    const struct dfs_m_keys_update update = {.grant_keys = keys, .grant_keys_count = 1};

    metadata_says(DFS_MSG_KEYS_UPDATE, &update);
}

static void on_joined_unasked(void)
{
    struct dfs_w_grant_key keys[1] = {{.key_id = RIG_KEY_ID}};
    const struct dfs_m_joined joined = {
        .incarnation = 500, .epoch = 9, .interval_ns = DFS_SECONDS, .grant_keys = keys, .grant_keys_count = 1};

    metadata_says(DFS_MSG_JOINED, &joined);
}

/* Metadata has lost its tongue: patience ends while it is asked, the lease ends while it is not. */
static void on_silence(void)
{
    const enum data_node_phase phase = r.data->phase;
    const dfs_time_ns limit = r.f.mono + 60 * DFS_SECONDS;

    while (r.data->phase == phase && r.f.mono < limit)
        fake_pass(&r.f, 10 * DFS_MILLISECONDS);
}

static void on_leave(void)
{
    fake_command(&r.f, 5, DFS_DATA_LEAVE, NULL);
    fake_disk_run(&r.f);
    if (r.data->phase == DATA_NODE_REPORTING || r.data->phase == DATA_NODE_SERVING)
        rig_status(&r, r.data->leave_request, DFS_OK);
    fake_disk_run(&r.f);
}

static const struct {
    const char *name;
    void (*happens)(void);
    const char *leads; /* a letter for each of `letters`; '.': it stays */
} table[] = {
    /*                                          WJRIS */
    {"the connection breaks", on_closed, /*  */ ".WWWW"},
    {"a refusal", on_refusal, /*             */ ".WWWW"},
    {"a final word", on_final_word, /*       */ ".XXXX"},
    {"an order to verify", on_order_to_verify, ".WW.."}, /* nobody who has not joined has orders */
    {"an order to remove", on_order_to_remove, ".WW.."},
    {"new keys", on_new_keys, /*             */ ".WW.."},
    {"JOINED unasked", on_joined_unasked, /* */ ".WWWW"},
    {"silence", on_silence, /*               */ "JWWWW"},
    {"leave", on_leave, /*                   */ "LLLLL"},
};

static void each_event_in_each_phase(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (size_t k = 0; letters[k] != '\0'; k++) {
            const char leads = (char)(table[i].leads[k] == '.' ? letters[k] : table[i].leads[k]);

            bring_to(letters[k]);
            table[i].happens();
            if (r.data->phase != phase_of(leads))
                fail_msg("%s in %c leads to %s instead of %c", table[i].name, letters[k],
                         data_node_gate.names[r.data->phase], leads);
            rig_close(&r);
        }
    }
}

/* A client comes in each phase. Who has an incarnation and its lease stores; who has none yet refuses, and stays what it is. */
static void clients_are_answered_in_each_phase(void **state)
{
    static const struct {
        char letter;
        bool stores;
    } expected[] = {{'W', false}, {'J', false}, {'R', true}, {'I', true}, {'S', true}};

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const struct dfs_block_id block = rig_block(77);
        uint8_t bytes[64];
        struct fake_message m;
        dfs_conn conn;

        bring_to(expected[i].letter);
        if (expected[i].letter == 'I')
            r.incarnations[0] = 101;
        conn = rig_client(&r);
        rig_fill(bytes, sizeof bytes, 77);
        (void)rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
        fake_disk_run(&r.f);
        m = fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN);
        assert_int_equal(m.body->block_written.status == DFS_OK, expected[i].stores);
        (void)rig_read(&r, conn, &block, 0, sizeof bytes);
        fake_disk_run(&r.f);
        if (!expected[i].stores)
            assert_int_not_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_END).body->block_end.status, DFS_OK);
        assert_int_equal(r.data->phase, phase_of(expected[i].letter));
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_in_each_phase),
        cmocka_unit_test(clients_are_answered_in_each_phase),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

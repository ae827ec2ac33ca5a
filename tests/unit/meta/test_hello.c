/* Who may speak: tokens, keys from auth, connections that are slow, idle, too many or say nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/clients_rig.h"

static struct clients_rig r;

static int set_up(void **state)
{
    (void)state;
    crig_init(&r);
    nrig_start(&r.n);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    crig_close(&r);
    return 0;
}

static uint64_t now_s(void)
{
    return r.n.f.wall / DFS_SECONDS;
}

static const char *token(unsigned client, const char *scope, uint64_t expires_s)
{
    static char text[DFS_TOKEN_BYTES_MAX + 1];

    crig_token(&r, client, scope, expires_s, text);
    return text;
}

static void a_token_waits_for_the_keys_of_auth(void **state)
{
    dfs_conn ann = crig_connect(&r, 1);
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION,
                                      .token = dfs_text_of(token(1, "rw:/", now_s() + 60))};
    const struct dfs_m_stat stat = {.path = dfs_text_of("a")};

    (void)state;
    crig_send(&r, ann, DFS_MSG_HELLO, &hello);
    crig_send(&r, ann, DFS_MSG_STAT, &stat); /* requests may follow at once */
    assert_int_equal(crig_answer(&r, ann).number, 0);
    crig_auth(&r);
    fake_tick(&r.n.f); /* the fake feeds what waits after a step */
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_STATUS);
    assert_int_equal(r.status, DFS_OK);
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_STATUS);
    assert_int_equal(r.status, DFS_NOT_FOUND);
}

static void without_auth_a_client_is_told_to_come_again(void **state)
{
    dfs_conn ann = crig_connect(&r, 1);
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION,
                                      .token = dfs_text_of(token(1, "rw:/", now_s() + 60))};
    size_t conns;

    (void)state;
    crig_send(&r, ann, DFS_MSG_HELLO, &hello);
    fake_closed(&r.n.f, fake_connected(&r.n.f), DFS_UNREACHABLE);
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_STATUS);
    assert_int_equal(r.status, DFS_UNAVAILABLE);
    conns = r.n.f.conns_count;
    fake_pass(&r.n.f, 1500 * DFS_MILLISECONDS);
    assert_int_equal(r.n.f.conns_count, conns + 1); /* asked again */
    crig_auth(&r);
    assert_int_equal(crig_hello(&r, ann, token(1, "rw:/", now_s() + 60)), DFS_OK);
}

static void keys_are_fetched_again_and_given_to_the_nodes(void **state)
{
    static const uint8_t random[DFS_KEY_KID_RANDOM_BYTES] = {9};
    size_t conns;
    bool told = false;

    (void)state;
    crig_auth(&r);
    nrig_up_all(&r.n, 1);
    assert_int_equal(dfs_signing_keys_rotate(&r.keys, random, now_s(), 100000), DFS_OK);
    conns = r.n.f.conns_count;
    nrig_live(&r.n, 31 * DFS_SECONDS);
    assert_int_equal(r.n.f.conns_count, conns + 1);
    crig_auth(&r);
    for (;;) {
        const struct fake_message in = fake_sent(&r.n.f, r.n.nodes[0].conn);

        if (in.number == 0)
            break;
        if (in.number == DFS_MSG_KEYS_UPDATE && in.body->keys_update.token_keys_count == 2)
            told = true;
    }
    assert_true(told);
}

static void an_unknown_key_asks_auth_but_not_for_every_stranger(void **state)
{
    static const uint8_t random[DFS_KEY_KID_RANDOM_BYTES] = {9};
    struct clients_rig other; /* signs with a key that auth has just made */
    dfs_conn ann;
    size_t conns;

    (void)state;
    crig_auth(&r);
    fake_pass(&r.n.f, 2 * DFS_SECONDS);
    other = r;
    other.keys = (struct dfs_signing_keys){.count = 0};
    assert_int_equal(dfs_signing_keys_rotate(&other.keys, random, now_s() - 1000, 100000), DFS_OK);
    char text[DFS_TOKEN_BYTES_MAX + 1];

    crig_token(&other, 1, "rw:/", now_s() + 60, text);
    ann = crig_connect(&r, 1);
    conns = r.n.f.conns_count;
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION, .token = dfs_text_of(text)};

    crig_send(&r, ann, DFS_MSG_HELLO, &hello);
    assert_int_equal(r.n.f.conns_count, conns + 1);
    crig_auth(&r); /* auth does not know it either */
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_STATUS);
    assert_int_equal(r.status, DFS_TOKEN_INVALID);
    conns = r.n.f.conns_count;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(crig_hello(&r, ann, text), DFS_TOKEN_INVALID);
    assert_int_equal(r.n.f.conns_count, conns);
    assert_int_equal(fake_traces(&r.n.f, DFS_TRACE_TOKEN_REFUSED), 21);
    dfs_signing_keys_close(&other.keys);
}

static void nothing_is_served_without_a_token_that_holds(void **state)
{
    const struct dfs_m_stat stat = {.path = dfs_text_of("a")};
    dfs_conn ann;
    dfs_conn thief;

    (void)state;
    crig_auth(&r);
    ann = crig_connect(&r, 1);
    (void)crig_ask(&r, ann, DFS_MSG_STAT, &stat);
    assert_int_equal(r.status, DFS_TOKEN_MISSING);
    assert_int_equal(crig_hello(&r, ann, ""), DFS_TOKEN_MISSING);
    assert_int_equal(crig_hello(&r, ann, "a.b.c"), DFS_TOKEN_INVALID);
    assert_int_equal(crig_hello(&r, ann, token(1, "rw:/", now_s() - 3600)), DFS_TOKEN_EXPIRED);
    thief = crig_connect(&r, 2);
    assert_int_equal(crig_hello(&r, thief, token(1, "rw:/", now_s() + 60)), DFS_TOKEN_NOT_YOURS);
    (void)crig_ask(&r, thief, DFS_MSG_STAT, &stat);
    assert_int_equal(r.status, DFS_TOKEN_MISSING);
    assert_int_equal(crig_hello(&r, ann, token(1, "rw:/", now_s() + 60)), DFS_OK);
    (void)crig_ask(&r, ann, DFS_MSG_STAT, &stat);
    assert_int_equal(r.status, DFS_NOT_FOUND);
}

static void a_token_that_runs_out_is_renewed_on_the_same_connection(void **state)
{
    dfs_conn ann;

    (void)state;
    crig_auth(&r);
    ann = crig_connect(&r, 1);
    assert_int_equal(crig_hello(&r, ann, token(1, "rw:/", now_s() + 20)), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    fake_pass(&r.n.f, 40 * DFS_SECONDS); /* within the leeway of 30 s */
    assert_int_equal(crig_version(&r, ann, "a"), 1);
    fake_pass(&r.n.f, 20 * DFS_SECONDS);
    assert_int_equal(crig_version(&r, ann, "a"), 0);
    assert_int_equal(r.status, DFS_TOKEN_EXPIRED);
    assert_int_equal(crig_hello(&r, ann, token(1, "rw:/", now_s() + 60)), DFS_OK);
    assert_int_equal(crig_version(&r, ann, "a"), 1);
}

static void nonsense_closes_the_connection_and_hurts_nobody(void **state)
{
    const struct dfs_m_leave leave = {.incarnation = 1};
    static const uint8_t zeros[64];
    dfs_conn conns[4];
    dfs_conn ann;

    (void)state;
    crig_auth(&r);
    ann = crig_client(&r, 1, "rw:/");
    conns[0] = crig_connect(&r, 2);
    fake_bytes(&r.n.f, conns[0], zeros, sizeof zeros, 7); /* no such message */
    conns[1] = crig_client(&r, 2, "rw:/");
    crig_send(&r, conns[1], DFS_MSG_LEAVE, &leave); /* not a client's */
    conns[2] = crig_client(&r, 2, "rw:/");
    static const uint8_t huge[DFS_FRAME_HEADER_BYTES] = {0xff, 0xff,         0xff, 0xff, 0, 0, 0, 0,
                                                         0,    DFS_MSG_STAT, 0,    0,    0, 0, 0, 1};

    fake_bytes(&r.n.f, conns[2], huge, sizeof huge, 16);
    conns[3] = crig_client(&r, 2, "rw:/");
    static const uint8_t broken[DFS_FRAME_HEADER_BYTES + 2] = {0, 0, 0, 2, 0, 0, 0,    0,   0, DFS_MSG_STAT,
                                                               0, 0, 0, 0, 0, 1, 0xff, 0xff};

    fake_bytes(&r.n.f, conns[3], broken, sizeof broken, 18);
    for (unsigned i = 0; i < 4; i++)
        assert_true(fake_conn_of(&r.n.f, conns[i])->closed);
    assert_int_equal(r.n.meta->counters.messages_bad, 4);
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    assert_int_equal(r.n.meta->clients_count, 1);
}

static void strangers_and_slow_and_idle_peers_are_timed_out(void **state)
{
    dfs_conn stranger;
    dfs_conn slow;
    dfs_conn ann;
    static const uint8_t half[5] = {0};

    (void)state;
    crig_auth(&r);
    stranger = crig_connect(&r, 1);
    ann = crig_client(&r, 1, "rw:/");
    slow = crig_client(&r, 2, "rw:/");
    fake_bytes(&r.n.f, slow, half, sizeof half, 5);
    fake_pass(&r.n.f, 6 * DFS_SECONDS);
    assert_true(fake_conn_of(&r.n.f, stranger)->closed);
    assert_false(fake_conn_of(&r.n.f, slow)->closed);
    fake_pass(&r.n.f, 5 * DFS_SECONDS);
    assert_true(fake_conn_of(&r.n.f, slow)->closed);
    assert_false(fake_conn_of(&r.n.f, ann)->closed);
    fake_pass(&r.n.f, 45 * DFS_SECONDS);
    assert_true(fake_conn_of(&r.n.f, ann)->closed);
    assert_int_equal(r.n.meta->clients_count, 0);
}

static void clients_never_keep_a_node_from_joining(void **state)
{
    unsigned open = 0;

    tear_down(state);
    crig_init(&r);
    r.n.config.conns_max = 16;
    nrig_start(&r.n);
    crig_auth(&r);
    for (unsigned i = 0; i < 20; i++)
        open += !fake_conn_of(&r.n.f, crig_connect(&r, i))->closed;
    assert_int_equal(open, 14);
    nrig_up_all(&r.n, 2);
    nrig_connect(&r.n, 2);
    assert_true(fake_conn_of(&r.n.f, r.n.nodes[2].conn)->closed);
}

static void a_hello_of_another_version_is_refused_and_a_data_servers_is_only_polite(void **state)
{
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION + 1,
                                      .token = dfs_text_of(token(1, "rw:/", now_s() + 60))};
    const struct dfs_m_hello of_a_node = {.version = DFS_PROTOCOL_VERSION, .token = dfs_text_of("")};
    const struct dfs_m_stat stat = {.path = dfs_text_of("a")};
    dfs_conn ann = crig_connect(&r, 1);

    (void)state;
    crig_auth(&r);
    crig_send(&r, ann, DFS_MSG_HELLO, &hello);
    (void)crig_answer(&r, ann);
    assert_int_equal(r.status, DFS_BAD_REQUEST);
    crig_send(&r, ann, DFS_MSG_STAT, &stat); /* it is a stranger still */
    (void)crig_answer(&r, ann);
    assert_int_equal(r.status, DFS_TOKEN_MISSING);

    nrig_connect(&r.n, 0);
    r.n.nodes[0].status = DFS_STATUS_COUNT;
    nrig_send(&r.n, 0, DFS_MSG_HELLO, &of_a_node);
    nrig_pump(&r.n);
    assert_int_equal(r.n.nodes[0].status, DFS_OK);
    nrig_up(&r.n, 0);
    assert_int_equal(nrig_state(&r.n, 0), DFS_NODE_ACTIVE);
}

static void other_servers_of_the_cluster_have_nothing_to_ask(void **state)
{
    const struct dfs_peer auth = {.kind = DFS_PEER_NODE, .role = DFS_ROLE_AUTH};
    const dfs_conn conn = fake_accept(&r.n.f, &auth);

    (void)state;
    assert_true(fake_conn_of(&r.n.f, conn)->closed);
}

static void nothing_is_served_before_the_journal_is_read(void **state)
{
    const struct dfs_m_stat stat = {.path = dfs_text_of("a")};
    struct dfs_event event = {.kind = DFS_EV_START};
    dfs_conn ann;

    tear_down(state);
    crig_init(&r);
    r.n.meta = dfs_meta_new(&r.n.config, &r.n.f.env);
    fake_attach(&r.n.f, r.n.meta, (dfs_time_ns(*)(void *, const struct dfs_event *))(void (*)(void))dfs_meta_step);
    fake_step(&r.n.f, &event);
    crig_auth(&r);
    ann = crig_connect(&r, 1);
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION,
                                      .token = dfs_text_of(token(1, "rw:/", now_s() + 60))};

    crig_send(&r, ann, DFS_MSG_HELLO, &hello);
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_STATUS);
    assert_int_equal(r.status, DFS_OK);
    crig_send(&r, ann, DFS_MSG_STAT, &stat);
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_STATUS);
    assert_int_equal(r.status, DFS_UNAVAILABLE);
    assert_false(dfs_meta_is_ready(r.n.meta));
    fake_disk_run(&r.n.f);
    assert_true(dfs_meta_is_ready(r.n.meta));
    crig_send(&r, ann, DFS_MSG_STAT, &stat);
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_STATUS);
    assert_int_equal(r.status, DFS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_waits_for_the_keys_of_auth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_auth_a_client_is_told_to_come_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_fetched_again_and_given_to_the_nodes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_key_asks_auth_but_not_for_every_stranger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_served_without_a_token_that_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_token_that_runs_out_is_renewed_on_the_same_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nonsense_closes_the_connection_and_hurts_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strangers_and_slow_and_idle_peers_are_timed_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_never_keep_a_node_from_joining, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hello_of_another_version_is_refused_and_a_data_servers_is_only_polite, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(other_servers_of_the_cluster_have_nothing_to_ask, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_served_before_the_journal_is_read, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

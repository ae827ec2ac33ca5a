/* Who is at the other end: nodes, clients, strangers, wrong roles, wrong clusters, resumed sessions, renewed certificates. */
#include "tests/unit/net_real/toy.h"

static struct toy_cluster home;
static struct toy_cluster other;

static int set_up(void **state)
{
    (void)state;
    toy_cluster_init(&home, 1);
    toy_cluster_init(&other, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    toy_cluster_close(&home);
    toy_cluster_close(&other);
    return 0;
}

static struct toy_conn *accepted(struct toy *toy, size_t index)
{
    assert_true(toy->conns[index].conn != 0);
    return &toy->conns[index];
}

static void nodes_know_each_other(void **state)
{
    static struct toy meta;
    static struct toy data;
    const struct dfs_id meta_id = toy_id(10);
    const struct dfs_id data_id = toy_id(11);
    struct toy_conn *conn;

    (void)state;
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    toy_start_node(&data, &home, DFS_ROLE_DATA, 11);
    conn = toy_connect(&data, &meta, DFS_ROLE_META, &meta_id);
    TOY_UNTIL(conn->open && meta.seen[DFS_EV_ACCEPT] == 1, &data, &meta, NULL);
    assert_int_equal(conn->peer.kind, DFS_PEER_NODE);
    assert_int_equal(conn->peer.role, DFS_ROLE_META);
    assert_true(dfs_id_equal(&conn->peer.node, &meta_id));
    assert_int_equal(accepted(&meta, 0)->peer.kind, DFS_PEER_NODE);
    assert_int_equal(accepted(&meta, 0)->peer.role, DFS_ROLE_DATA);
    assert_true(dfs_id_equal(&accepted(&meta, 0)->peer.node, &data_id));
    assert_true(dfs_endpoint_is_v4(&accepted(&meta, 0)->addr));
    toy_stop(&data);
    toy_stop(&meta);
}

static void a_self_signed_client_is_known_by_its_fingerprint(void **state)
{
    static struct toy meta;
    static struct toy client;
    uint8_t fingerprint[DFS_FINGERPRINT_BYTES];
    struct dfs_cert cert;
    struct toy_conn *conn;

    (void)state;
    assert_int_equal(dfs_cert_self_signed("somebody", &cert), DFS_OK);
    assert_int_equal(dfs_cert_fingerprint(cert.certificate, fingerprint), DFS_OK);
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    toy_start_client(&client, &home, &cert);
    conn = toy_connect(&client, &meta, DFS_ROLE_META, NULL);
    TOY_UNTIL(conn->open && meta.seen[DFS_EV_ACCEPT] == 1, &client, &meta, NULL);
    assert_int_equal(accepted(&meta, 0)->peer.kind, DFS_PEER_CLIENT);
    assert_memory_equal(accepted(&meta, 0)->peer.fingerprint, fingerprint, sizeof fingerprint);
    assert_int_equal(conn->peer.kind, DFS_PEER_NODE);
    toy_stop(&client);
    toy_stop(&meta);
    dfs_cert_close(&cert);
}

static void a_client_without_certificate_is_nobody(void **state)
{
    static struct toy meta;
    static struct toy client;
    static const uint8_t nothing[DFS_FINGERPRINT_BYTES];
    struct toy_conn *conn;

    (void)state;
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    toy_start_client(&client, &home, NULL);
    conn = toy_connect(&client, &meta, DFS_ROLE_META, NULL);
    TOY_UNTIL(conn->open && meta.seen[DFS_EV_ACCEPT] == 1, &client, &meta, NULL);
    assert_int_equal(accepted(&meta, 0)->peer.kind, DFS_PEER_NONE);
    assert_memory_equal(accepted(&meta, 0)->peer.fingerprint, nothing, sizeof nothing);
    toy_stop(&client);
    toy_stop(&meta);
}

/* A node certificate of another cluster is a client's here: it proves nothing but itself. */
static void a_node_of_another_cluster_is_only_a_client(void **state)
{
    static struct toy meta;
    static struct toy spy;
    struct dfs_id node = toy_id(11);
    struct dfs_cert cert;
    struct toy_conn *conn;

    (void)state;
    assert_int_equal(dfs_ca_issue(&other.ca, DFS_ROLE_DATA, &home.id, &node, &cert), DFS_OK);
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    toy_start_client(&spy, &home, &cert);
    conn = toy_connect(&spy, &meta, DFS_ROLE_META, NULL);
    TOY_UNTIL(conn->open && meta.seen[DFS_EV_ACCEPT] == 1, &spy, &meta, NULL);
    assert_int_equal(accepted(&meta, 0)->peer.kind, DFS_PEER_CLIENT);
    toy_stop(&spy);
    toy_stop(&meta);
    dfs_cert_close(&cert);
}

/* One CA for two clusters: the cluster's id decides. */
static void another_clusters_id_under_our_ca_is_only_a_client(void **state)
{
    static struct toy meta;
    static struct toy spy;
    struct dfs_id node = toy_id(11);
    struct dfs_cert cert;
    struct toy_conn *conn;

    (void)state;
    assert_int_equal(dfs_ca_issue(&home.ca, DFS_ROLE_DATA, &other.id, &node, &cert), DFS_OK);
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    toy_start_client(&spy, &home, &cert);
    conn = toy_connect(&spy, &meta, DFS_ROLE_META, NULL);
    TOY_UNTIL(conn->open && meta.seen[DFS_EV_ACCEPT] == 1, &spy, &meta, NULL);
    assert_int_equal(accepted(&meta, 0)->peer.kind, DFS_PEER_CLIENT);
    toy_stop(&spy);
    toy_stop(&meta);
    dfs_cert_close(&cert);
}

static void expect_closed(struct toy *from, struct toy *to, enum dfs_role role, const struct dfs_id *node,
                          enum dfs_status status)
{
    struct toy_conn *conn = toy_connect(from, to, role, node);

    TOY_UNTIL(conn->closed, from, to, NULL);
    assert_int_equal(conn->status, status);
}

static void the_wrong_role_or_node_is_unreachable(void **state)
{
    static struct toy meta;
    static struct toy data;
    const struct dfs_id somebody = toy_id(99);

    (void)state;
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    toy_start_node(&data, &home, DFS_ROLE_DATA, 11);
    expect_closed(&data, &meta, DFS_ROLE_DATA, NULL, DFS_UNREACHABLE);
    expect_closed(&data, &meta, DFS_ROLE_AUTH, NULL, DFS_UNREACHABLE);
    expect_closed(&data, &meta, DFS_ROLE_META, &somebody, DFS_UNREACHABLE);
    assert_int_equal(data.seen[DFS_EV_OPEN], 0);
    toy_stop(&data);
    toy_stop(&meta);
}

static void the_wrong_cluster_is_said_so(void **state)
{
    static struct toy meta;
    static struct toy data;
    struct toy_cluster cousin = {.id = other.id, .ca = home.ca}; /* the same CA, another id */

    (void)state;
    toy_start_node(&meta, &other, DFS_ROLE_META, 10);
    toy_start_node(&data, &home, DFS_ROLE_DATA, 11);
    expect_closed(&data, &meta, DFS_ROLE_META, NULL, DFS_WRONG_CLUSTER);
    toy_stop(&meta);
    toy_start_node(&meta, &cousin, DFS_ROLE_META, 10);
    expect_closed(&data, &meta, DFS_ROLE_META, NULL, DFS_WRONG_CLUSTER);
    toy_stop(&data);
    toy_stop(&meta);
}

static uint64_t resumed(struct toy *toy)
{
    struct dfs_real_stats stats;

    dfs_real_get_stats(toy->real, &stats);
    return stats.resumed;
}

/* A frame and its echo: the ticket comes with the first bytes from the server. */
static struct toy_conn *visit(struct toy *from, struct toy *to)
{
    const unsigned before = to->seen[DFS_EV_ACCEPT];
    struct toy_conn *conn = toy_connect(from, to, DFS_ROLE_META, NULL);

    TOY_UNTIL(conn->open, from, to, NULL);
    toy_send(from, conn, "hello", 5, NULL, 0);
    TOY_UNTIL(conn->frames == 1, from, to, NULL);
    assert_int_equal(to->seen[DFS_EV_ACCEPT], before + 1);
    from->env.net->close(from->env.ctx, conn->conn);
    TOY_UNTIL(to->conns[before].closed, from, to, NULL);
    assert_int_equal(to->conns[before].status, DFS_OK);
    return &to->conns[before];
}

static void a_resumed_session_keeps_the_identity(void **state)
{
    static struct toy meta;
    static struct toy data;
    struct toy_conn *first;
    struct toy_conn *second;

    (void)state;
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    meta.echo = true;
    toy_start_node(&data, &home, DFS_ROLE_DATA, 11);
    first = visit(&data, &meta);
    assert_int_equal(resumed(&meta), 0);
    second = visit(&data, &meta);
    assert_int_equal(resumed(&meta), 1);
    assert_int_equal(resumed(&data), 1);
    assert_int_equal(second->peer.kind, DFS_PEER_NODE);
    assert_int_equal(second->peer.role, DFS_ROLE_DATA);
    assert_true(dfs_id_equal(&first->peer.node, &second->peer.node));
    assert_memory_equal(first->peer.fingerprint, second->peer.fingerprint, DFS_FINGERPRINT_BYTES);
    toy_stop(&data);
    toy_stop(&meta);
}

static void a_resumed_client_keeps_its_fingerprint(void **state)
{
    static struct toy meta;
    static struct toy client;
    struct dfs_cert cert;
    struct toy_conn *first;
    struct toy_conn *second;

    (void)state;
    assert_int_equal(dfs_cert_self_signed("somebody", &cert), DFS_OK);
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    meta.echo = true;
    toy_start_client(&client, &home, &cert);
    first = visit(&client, &meta);
    second = visit(&client, &meta);
    assert_int_equal(resumed(&meta), 1);
    assert_int_equal(second->peer.kind, DFS_PEER_CLIENT);
    assert_memory_equal(first->peer.fingerprint, second->peer.fingerprint, DFS_FINGERPRINT_BYTES);
    toy_stop(&client);
    toy_stop(&meta);
    dfs_cert_close(&cert);
}

/* The server that took over the address is somebody else: the remembered session must not stand for it. */
static void a_ticket_of_an_older_server_is_no_proof(void **state)
{
    static struct toy meta;
    static struct toy data;
    struct dfs_real_config config;
    struct dfs_cert cert;
    uint16_t port;

    (void)state;
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    meta.echo = true;
    toy_start_node(&data, &home, DFS_ROLE_DATA, 11);
    (void)visit(&data, &meta);
    port = dfs_real_port(meta.real);
    toy_stop(&meta);
    config = toy_config(&meta, &home, DFS_ROLE_AUTH, 12);
    assert_int_equal(dfs_ca_issue(&home.ca, DFS_ROLE_AUTH, &home.id, &config.node, &cert), DFS_OK);
    config.certificate.text = cert.certificate;
    config.key.text = cert.key;
    config.listen = toy_loopback(port);
    toy_start(&meta, &config);
    expect_closed(&data, &meta, DFS_ROLE_META, NULL, DFS_UNREACHABLE);
    toy_stop(&data);
    toy_stop(&meta);
    dfs_cert_close(&cert);
}

static void reload_takes_new_certificates_and_keeps_streams(void **state)
{
    static struct toy meta;
    static struct toy data;
    const struct dfs_id meta_id = toy_id(10);
    char words[DFS_WORDS_BYTES_MAX];
    struct toy_conn *old;
    struct toy_conn *conn;
    struct dfs_cert cert;
    struct dfs_real_pem certificate;
    struct dfs_real_pem key;

    (void)state;
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    meta.echo = true;
    toy_start_node(&data, &home, DFS_ROLE_DATA, 11);
    old = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
    TOY_UNTIL(old->open, &data, &meta, NULL);

    assert_int_equal(dfs_ca_issue(&home.ca, DFS_ROLE_META, &home.id, &meta_id, &cert), DFS_OK);
    certificate = (struct dfs_real_pem){.text = cert.certificate};
    key = (struct dfs_real_pem){.text = cert.key};
    assert_int_equal(dfs_real_reload(meta.real, &certificate, NULL, NULL, words), DFS_BAD_CONFIG); /* the old key */
    assert_int_equal(dfs_real_reload(meta.real, &certificate, &key, NULL, words), DFS_OK);
    dfs_cert_close(&cert);

    conn = toy_connect(&data, &meta, DFS_ROLE_META, NULL);
    TOY_UNTIL(conn->open, &data, &meta, NULL);
    assert_memory_not_equal(conn->peer.fingerprint, old->peer.fingerprint, DFS_FINGERPRINT_BYTES);
    toy_send(&data, old, "still", 5, NULL, 0);
    TOY_UNTIL(old->frames == 1, &data, &meta, NULL);
    toy_stop(&data);
    toy_stop(&meta);
}

static void expect_refused(const struct dfs_real_config *config, const char *words_expected)
{
    static struct toy toy;
    char words[DFS_WORDS_BYTES_MAX] = "";

    assert_int_equal(toy_try(&toy, config, words), DFS_BAD_CONFIG);
    if (strstr(words, words_expected) == NULL)
        fail_msg("expected \"%s\" in \"%s\"", words_expected, words);
}

static void a_host_with_the_wrong_papers_does_not_start(void **state)
{
    static struct toy toy;
    struct dfs_real_config config = toy_config(&toy, &home, DFS_ROLE_DATA, 11);
    struct dfs_id node = toy_id(11);
    struct dfs_cert cert;
    struct dfs_cert foreign;

    (void)state;
    expect_refused(&config, "certificate: cannot be read");
    assert_int_equal(dfs_ca_issue(&home.ca, DFS_ROLE_DATA, &home.id, &node, &cert), DFS_OK);
    assert_int_equal(dfs_ca_issue(&other.ca, DFS_ROLE_DATA, &home.id, &node, &foreign), DFS_OK);
    config.certificate.text = cert.certificate;
    config.key.text = foreign.key;
    expect_refused(&config, "does not belong");
    config.key.text = cert.key;
    config.node = toy_id(12);
    expect_refused(&config, "another node id");
    config.node = node;
    config.role = DFS_ROLE_META;
    expect_refused(&config, "another role");
    config.role = DFS_ROLE_DATA;
    config.cluster = other.id;
    expect_refused(&config, "another cluster");
    config.cluster = home.id;
    config.certificate.text = foreign.certificate;
    config.key.text = foreign.key;
    expect_refused(&config, "certificate: ");
    config.ca.text = "no certificate";
    expect_refused(&config, "CA certificate: holds no certificate");
    config.ca.text = NULL;
    config.ca.path = "/does/not/exist";
    expect_refused(&config, "/does/not/exist: cannot be read");
    dfs_cert_close(&cert);
    dfs_cert_close(&foreign);
}

static void nobody_listens_is_unreachable(void **state)
{
    static struct toy meta;
    static struct toy data;

    (void)state;
    toy_start_node(&meta, &home, DFS_ROLE_META, 10);
    toy_start_node(&data, &home, DFS_ROLE_DATA, 11);
    {
        const struct dfs_addr addr = toy_loopback(1); /* tcpmux: nobody */
        struct toy_conn *conn = &data.conns[0];

        conn->toy = &data;
        conn->conn = data.env.net->connect(data.env.ctx, &addr, DFS_ROLE_META, NULL, conn);
        assert_false(conn->closed); /* never from inside the verb */
        TOY_UNTIL(conn->closed, &data, &meta, NULL);
        assert_int_equal(conn->status, DFS_UNREACHABLE);
    }
    toy_stop(&data);
    toy_stop(&meta);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_each_other),
        cmocka_unit_test(a_self_signed_client_is_known_by_its_fingerprint),
        cmocka_unit_test(a_client_without_certificate_is_nobody),
        cmocka_unit_test(a_node_of_another_cluster_is_only_a_client),
        cmocka_unit_test(another_clusters_id_under_our_ca_is_only_a_client),
        cmocka_unit_test(the_wrong_role_or_node_is_unreachable),
        cmocka_unit_test(the_wrong_cluster_is_said_so),
        cmocka_unit_test(a_resumed_session_keeps_the_identity),
        cmocka_unit_test(a_resumed_client_keeps_its_fingerprint),
        cmocka_unit_test(a_ticket_of_an_older_server_is_no_proof),
        cmocka_unit_test(reload_takes_new_certificates_and_keeps_streams),
        cmocka_unit_test(a_host_with_the_wrong_papers_does_not_start),
        cmocka_unit_test(nobody_listens_is_unreachable),
    };

    return cmocka_run_group_tests_name("net_real/identity", tests, set_up, tear_down);
}

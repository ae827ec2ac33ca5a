/* Accepted connections: HELLO and its tokens, limits, garbage, silence. */
#include "core/auth/token_jwt.h"
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Made with: openssl ecparam -name prime256v1 -genkey | openssl pkcs8 -topk8 -nocrypt; openssl pkey -pubout */
static const char private_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgd36CqHVJlu92e9PG\n"
                                  "QNSqe/3d5zCjAdKRZpujaWEAiJuhRANCAASEZDvveycmaxSNZ1vEfIJ7+m5319Qj\n"
                                  "ufe3uW1myCP8JNglNSeQa48GkGnCvLHJGzF2DVZD0IsIHoNBynJ8uL2f\n"
                                  "-----END PRIVATE KEY-----\n";
static const char public_pem[] = "-----BEGIN PUBLIC KEY-----\n"
                                 "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhGQ773snJmsUjWdbxHyCe/pud9fU\n"
                                 "I7n3t7ltZsgj/CTYJTUnkGuPBpBpwryxyRsxdg1WQ9CLCB6DQcpyfLi9nw==\n"
                                 "-----END PUBLIC KEY-----\n";

static void up(struct data_rig *r)
{
    rig_init(r);
    rig_start(r);
    rig_join(r);
    fake_forget(&r->f);
}

static void send_keys(struct data_rig *r)
{
    struct dfs_w_token_key key = {.kid = dfs_text_of("k1"), .pem = dfs_text_of(public_pem)};
    const struct dfs_m_keys_update update = {.token_keys = &key, .token_keys_count = 1};

    fake_receive(&r->f, r->control, 0, DFS_MSG_KEYS_UPDATE, &update, NULL, 0);
}

static struct dfs_claims claims_for(const struct data_rig *r)
{
    const uint64_t now_s = r->f.wall / DFS_SECONDS;
    struct dfs_claims claims = {.issuer = "dfs-auth",
                                .subject = "ann",
                                .id = "j1",
                                .scope = "rw:/",
                                .issued_s = now_s,
                                .not_before_s = now_s,
                                .expires_s = now_s + 900};

    dfs_id_print(&r->config.cluster, claims.audience);
    memcpy(claims.bearer, r->bearer, sizeof claims.bearer);
    return claims;
}

static dfs_conn client(struct data_rig *r)
{
    struct dfs_peer peer = {.kind = DFS_PEER_CLIENT};

    memcpy(peer.fingerprint, r->bearer, sizeof peer.fingerprint);
    return fake_accept(&r->f, &peer);
}

static void say_hello(struct data_rig *r, dfs_conn conn, const struct dfs_claims *claims)
{
    char token[DFS_TOKEN_BYTES_MAX + 1] = "";
    size_t count = 0;
    struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION};

    if (claims != NULL)
        assert_int_equal(dfs_jwt_sign(claims, "k1", private_pem, token, &count), DFS_OK);
    hello.token = dfs_text_of(token);
    fake_receive(&r->f, conn, 3, DFS_MSG_HELLO, &hello, NULL, 0);
}

static enum dfs_status greeted(struct data_rig *r, dfs_conn conn)
{
    const struct fake_message m = fake_expect(&r->f, conn, DFS_MSG_STATUS);

    assert_int_equal(m.request, 3);
    return (enum dfs_status)m.body->status.status;
}

static void test_client_with_a_token_is_served(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[1000];
    struct dfs_claims claims;
    uint32_t request;

    (void)state;
    up(&r);
    send_keys(&r);
    claims = claims_for(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = client(&r);
    say_hello(&r, conn, &claims);
    request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1); /* right behind it */
    fake_disk_run(&r.f);
    assert_int_equal(greeted(&r, conn), DFS_OK);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN).request, request);
    rig_close(&r);
}

static void test_each_wrong_token_is_refused_by_its_name(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[10] = {0};

    (void)state;
    up(&r);
    send_keys(&r);
    for (unsigned kind = 0; kind < 6; kind++) {
        static const enum dfs_status statuses[] = {DFS_TOKEN_MISSING,        DFS_TOKEN_EXPIRED,
                                                   DFS_TOKEN_NOT_YET_VALID,  DFS_TOKEN_WRONG_ISSUER,
                                                   DFS_TOKEN_WRONG_AUDIENCE, DFS_TOKEN_NOT_YOURS};
        const dfs_conn conn = client(&r);
        struct dfs_claims claims = claims_for(&r);

        if (kind == 1)
            claims.expires_s -= 1000;
        else if (kind == 2)
            claims.not_before_s += 100;
        else if (kind == 3)
            strcpy(claims.issuer, "somebody");
        else if (kind == 4)
            strcpy(claims.audience, "elsewhere");
        else if (kind == 5)
            claims.bearer[0] ^= 1;
        say_hello(&r, conn, kind == 0 ? NULL : &claims);
        assert_int_equal(greeted(&r, conn), statuses[kind]);
        assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_TOKEN_REFUSED)->status, statuses[kind]);
        (void)rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
        assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN).body->block_written.status, statuses[kind]);
        assert_false(fake_conn_of(&r.f, conn)->closed);
    }
    assert_int_equal(rig_metric(&r, "tokens_refused"), 6);
    rig_close(&r);
}

static void test_no_request_before_hello(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[10] = {0};

    (void)state;
    up(&r);
    const dfs_conn conn = client(&r);
    (void)rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN).body->block_written.status, DFS_TOKEN_MISSING);
    (void)rig_read(&r, conn, &block, 0, 10);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_END).body->block_end.status, DFS_TOKEN_MISSING);
    rig_close(&r);
}

static void test_hello_waits_a_little_for_a_new_key(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[10] = {0};
    struct dfs_claims claims;

    (void)state;
    up(&r);
    claims = claims_for(&r);
    const dfs_conn lucky = client(&r);
    say_hello(&r, lucky, &claims);
    (void)rig_write(&r, lucky, &block, bytes, sizeof bytes, 1);
    assert_int_equal(fake_sent(&r.f, lucky).number, 0); /* and nothing behind it is read */
    fake_pass(&r.f, DFS_SECONDS / 2);
    send_keys(&r);
    fake_disk_run(&r.f);
    assert_int_equal(greeted(&r, lucky), DFS_OK);
    assert_int_equal(fake_expect(&r.f, lucky, DFS_MSG_BLOCK_WRITTEN).body->block_written.status, DFS_OK);
    rig_close(&r);

    up(&r);
    const dfs_conn unlucky = client(&r);
    say_hello(&r, unlucky, &claims);
    rig_keep_alive(&r, 2 * DFS_SECONDS + DFS_MILLISECONDS);
    assert_int_equal(greeted(&r, unlucky), DFS_UNAVAILABLE); /* no key at all: come again */
    rig_close(&r);
}

static void test_another_protocol_is_shown_the_door(void **state)
{
    struct data_rig r;
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION + 1, .token = dfs_text_of("")};

    (void)state;
    up(&r);
    const dfs_conn conn = client(&r);
    fake_receive(&r.f, conn, 3, DFS_MSG_HELLO, &hello, NULL, 0);
    assert_int_equal(greeted(&r, conn), DFS_BAD_REQUEST);
    assert_true(fake_conn_of(&r.f, conn)->closed);
    rig_close(&r);
}

static void test_silent_connection_is_closed(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r);
    const dfs_conn conn = client(&r);
    rig_keep_alive(&r, r.config.connect_timeout_ns - DFS_MILLISECONDS);
    assert_false(fake_conn_of(&r.f, conn)->closed);
    rig_keep_alive(&r, 2 * DFS_MILLISECONDS);
    assert_true(fake_conn_of(&r.f, conn)->closed);
    rig_close(&r);
}

static void test_half_a_frame_does_not_hold_memory_for_ever(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint8_t head[DFS_FRAME_HEADER_BYTES + 6 + 100] = {0};
    const struct dfs_frame frame = {.body_bytes = 6, .bulk_bytes = 100000, .type = DFS_MSG_BLOCK_DATA, .request = 77};

    (void)state;
    up(&r);
    const dfs_conn conn = rig_client(&r);
    const struct dfs_w_grant grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    (void)rig_write_header(&r, conn, &grant, 1, 0, 100000);
    dfs_frame_encode(&frame, head);
    fake_bytes(&r.f, conn, head, sizeof head, 7);
    assert_true(rig_metric(&r, "memory_bytes") > 100000);
    rig_keep_alive(&r, 2 * r.config.request_timeout_ns + DFS_SECONDS);
    assert_true(fake_conn_of(&r.f, conn)->closed);
    assert_int_equal(rig_metric(&r, "memory_bytes"), 0);
    assert_int_equal(rig_metric(&r, "writes_running"), 0);
    rig_close(&r);
}

static void test_number_of_connections_is_bounded(void **state)
{
    struct data_rig r;
    dfs_conn last = 0;

    (void)state;
    up(&r);
    for (unsigned i = 0; i < r.config.conns_max; i++) {
        last = client(&r);
        assert_false(fake_conn_of(&r.f, last)->closed);
    }
    assert_true(fake_conn_of(&r.f, client(&r))->closed);
    assert_int_equal(rig_metric(&r, "peers_refused"), 1);
    fake_closed(&r.f, last, DFS_OK);
    assert_false(fake_conn_of(&r.f, client(&r))->closed);
    rig_close(&r);
}

static void test_messages_that_make_no_sense_close(void **state)
{
    struct data_rig r;
    const struct dfs_m_remove_block removal = {0};
    const struct dfs_m_joined joined = {.incarnation = 1, .interval_ns = 1};
    const struct dfs_m_block_written written = {.block = {.generation = 1}};

    (void)state;
    up(&r);
    for (unsigned kind = 0; kind < 4; kind++) {
        const dfs_conn conn = kind < 3 ? rig_client(&r) : client(&r);

        if (kind == 0) /* orders are metadata's, on our own connection to it */
            fake_receive(&r.f, conn, 1, DFS_MSG_REMOVE_BLOCK, &removal, NULL, 0);
        else if (kind == 1)
            fake_receive(&r.f, conn, 1, DFS_MSG_JOINED, &joined, NULL, 0);
        else if (kind == 2)
            fake_receive(&r.f, conn, 1, DFS_MSG_BLOCK_WRITTEN, &written, NULL, 0);
        else
            fake_bytes(&r.f, conn, "GET / HTTP/1.1\r\n\r\n", 18, 3);
        assert_true(fake_conn_of(&r.f, conn)->closed);
    }
    assert_int_equal(rig_metric(&r, "peers_bad"), 4);
    assert_true(dfs_data_is_joined(r.data));
    rig_close(&r);
}

static void test_requests_cut_anywhere_are_the_same(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[70000];

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    r.f.piece_max = 1; /* byte by byte */
    const uint32_t request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    fake_disk_run(&r.f);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN).request, request);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_with_a_token_is_served),
        cmocka_unit_test(test_each_wrong_token_is_refused_by_its_name),
        cmocka_unit_test(test_no_request_before_hello),
        cmocka_unit_test(test_hello_waits_a_little_for_a_new_key),
        cmocka_unit_test(test_another_protocol_is_shown_the_door),
        cmocka_unit_test(test_silent_connection_is_closed),
        cmocka_unit_test(test_half_a_frame_does_not_hold_memory_for_ever),
        cmocka_unit_test(test_number_of_connections_is_bounded),
        cmocka_unit_test(test_messages_that_make_no_sense_close),
        cmocka_unit_test(test_requests_cut_anywhere_are_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

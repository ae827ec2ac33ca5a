#include "tests/support/data_rig.h"

#include "core/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAME_BYTES (2 * DFS_CHUNK_BYTES)

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_data_step(machine, event);
}

static void on_answer(void *ctx, uint64_t command, const void *result)
{
    struct data_rig *r = ctx;

    (void)command;
    r->answered = true;
    r->answer = *(const struct dfs_data_answer *)result;
}

void rig_init(struct data_rig *r)
{
    memset(r, 0, sizeof *r);
    fake_init(&r->f);
    r->f.on_answer = on_answer;
    r->f.on_answer_ctx = r;
    memset(r->root.bytes, 0x5a, sizeof r->root.bytes);
    memset(r->bearer, 0xbe, sizeof r->bearer);
    for (unsigned i = 0; i < RIG_NODES; i++) {
        memset(r->nodes[i].bytes, (int)(0x10 + i), DFS_ID_BYTES);
        r->incarnations[i] = 100 + i;
        r->addrs[i].ip[15] = (uint8_t)(i + 1);
        r->addrs[i].port = 7000;
    }
    r->epoch = 3;
    r->journal = 5000;
    r->config = (struct dfs_data_config){
        .node = r->nodes[0],
        .addr = r->addrs[0],
        .zone = "z1",
        .issuer = "dfs-auth",
        .reserve_ppb = 50000000,
        .frame_bytes = FRAME_BYTES,
        .token_leeway_ns = 30 * DFS_SECONDS,
        .token_cache = 16,
        .conns_max = 32,
        .pool_bytes = 16 << 20,
        .hop_timeout_ns = 4 * DFS_SECONDS,
        .request_timeout_ns = 10 * DFS_SECONDS,
        .connect_timeout_ns = 2 * DFS_SECONDS,
        .inventory_page = 4,
        .events_page = DFS_EVENTS_PAGE_MAX,
        .bounds = DFS_DATA_BOUNDS,
        .fresh_store = true,
    };
    memset(r->config.cluster.bytes, 0xcc, DFS_ID_BYTES);
    r->config.meta.ip[15] = 200;
    r->config.meta.port = 6000;
}

void rig_start(struct data_rig *r)
{
    r->data = dfs_data_new(&r->config, &r->f.env);
    fake_attach(&r->f, r->data, step);
    fake_start(&r->f);
    r->control = fake_connected(&r->f);
}

void rig_close(struct data_rig *r)
{
    for (size_t i = 0; i < r->f.conns_count; i++) { /* the env lets go first, as a dying process does */
        struct fake_conn *c = &r->f.conns[i];

        while (c->bulks_count > 0)
            dfs_buf_unref(c->bulks[--c->bulks_count]);
    }
    dfs_data_free(r->data);
    fake_close(&r->f);
}

void rig_restart(struct data_rig *r, bool fresh)
{
    for (size_t i = 0; i < r->f.conns_count; i++) {
        struct fake_conn *c = &r->f.conns[i];

        while (c->bulks_count > 0)
            dfs_buf_unref(c->bulks[--c->bulks_count]);
        c->closed = true;
        c->sink = NULL;
    }
    dfs_data_free(r->data);
    fake_disk_crash(&r->f);
    fake_forget(&r->f);
    r->config.fresh_store = fresh;
    rig_start(r);
}

/* Metadata ----------------------------------------------------------------------------------------------- */

void rig_joined(struct data_rig *r, uint64_t incarnation)
{
    struct dfs_w_grant_key keys[2] = {{.key_id = RIG_KEY_ID - 1}, {.key_id = RIG_KEY_ID}};
    struct dfs_m_joined joined = {.incarnation = incarnation,
                                  .epoch = r->epoch,
                                  .interval_ns = RIG_INTERVAL,
                                  .journal = r->journal,
                                  .grant_keys = keys,
                                  .grant_keys_count = 2};
    struct fake_message m = fake_expect(&r->f, r->control, DFS_MSG_JOIN);
    struct dfs_key key;

    r->incarnations[0] = incarnation;
    for (unsigned i = 0; i < 2; i++) {
        dfs_node_key_derive(&r->root, &r->nodes[0], incarnation, keys[i].key_id, &key);
        memcpy(keys[i].key, key.bytes, sizeof keys[i].key);
    }
    dfs_heartbeat_key_derive(&r->root, &r->nodes[0], incarnation, &key);
    memcpy(joined.heartbeat_key, key.bytes, sizeof joined.heartbeat_key);
    fake_receive(&r->f, r->control, m.request, DFS_MSG_JOINED, &joined, NULL, 0);
    fake_disk_run(&r->f);
}

void rig_status(struct data_rig *r, uint32_t request, enum dfs_status status)
{
    const struct dfs_m_status message = {.status = (uint8_t)status, .words = dfs_text_of("so")};

    fake_receive(&r->f, r->control, request, DFS_MSG_STATUS, &message, NULL, 0);
}

void rig_inventory_ok(struct data_rig *r)
{
    for (;;) {
        const struct fake_message m = fake_sent(&r->f, r->control);

        if (m.number != DFS_MSG_INVENTORY && m.number != DFS_MSG_INVENTORY_END)
            fail_msg("expected an inventory, the machine sent %s",
                     m.number == 0 ? "nothing" : dfs_message_name(m.number));
        rig_status(r, m.request, DFS_OK);
        if (m.number == DFS_MSG_INVENTORY_END)
            return;
    }
}

void rig_join(struct data_rig *r)
{
    if (!fake_conn_of(&r->f, r->control)->open)
        fake_open(&r->f, r->control);
    rig_joined(r, r->incarnations[0]);
    rig_inventory_ok(r);
    rig_ack(r, rig_heartbeat(r).sequence);
}

bool rig_heartbeat_sent(struct data_rig *r, struct dfs_m_heartbeat *ret_heartbeat)
{
    const struct fake_datagram *d = fake_datagram_out(&r->f);
    union dfs_any_message message;
    uint32_t number;
    struct dfs_key key;
    struct dfs_mac mac;

    if (d == NULL)
        return false;
    assert_int_equal(dfs_datagram_decode(d->bytes, d->count, &number, &message), DFS_OK);
    assert_int_equal(number, DFS_MSG_HEARTBEAT);
    dfs_heartbeat_key_derive(&r->root, &r->nodes[0], r->incarnations[0], &key);
    dfs_mac_init(&mac, &key);
    assert_true(dfs_datagram_check(d->bytes, d->count, &mac));
    dfs_mac_close(&mac);
    *ret_heartbeat = message.heartbeat;
    return true;
}

struct dfs_m_heartbeat rig_heartbeat(struct data_rig *r)
{
    struct dfs_m_heartbeat heartbeat;

    if (!rig_heartbeat_sent(r, &heartbeat))
        fail_msg("no heartbeat was sent");
    return heartbeat;
}

void rig_ack(struct data_rig *r, uint64_t sequence)
{
    const struct dfs_m_heartbeat_ack ack = {.node = r->nodes[0],
                                            .incarnation = r->incarnations[0],
                                            .sequence = sequence,
                                            .epoch = r->epoch,
                                            .journal = r->journal,
                                            .applied = r->applied};
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    struct dfs_key key;
    struct dfs_mac mac;
    size_t count;

    dfs_heartbeat_key_derive(&r->root, &r->nodes[0], r->incarnations[0], &key);
    dfs_mac_init(&mac, &key);
    count = dfs_datagram_encode(DFS_MSG_HEARTBEAT_ACK, &ack, &mac, bytes);
    dfs_mac_close(&mac);
    fake_datagram_in(&r->f, &r->config.meta, bytes, count);
}

void rig_keep_alive(struct data_rig *r, dfs_duration_ns length)
{
    const dfs_time_ns end = r->f.mono + length;
    struct dfs_m_heartbeat heartbeat;

    while (r->f.mono < end) {
        const dfs_time_ns next = r->f.mono + RIG_INTERVAL / 20;

        fake_until(&r->f, next < end ? next : end, true);
        while (rig_heartbeat_sent(r, &heartbeat))
            rig_ack(r, heartbeat.sequence);
        if (r->f.datagrams_at == r->f.datagrams_count) {
            r->f.datagrams_at = 0;
            r->f.datagrams_count = 0;
        }
    }
}

/* Clients and peers -------------------------------------------------------------------------------------- */

static dfs_conn accept_and_hello(struct data_rig *r, const struct dfs_peer *peer)
{
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION, .token = dfs_text_of("")};
    const dfs_conn conn = fake_accept(&r->f, peer);
    struct fake_message m;

    fake_receive(&r->f, conn, 1, DFS_MSG_HELLO, &hello, NULL, 0);
    m = fake_expect(&r->f, conn, DFS_MSG_STATUS);
    assert_int_equal(m.request, 1);
    assert_int_equal(m.body->status.status, DFS_OK);
    r->request = 1;
    return conn;
}

dfs_conn rig_client(struct data_rig *r)
{
    struct dfs_peer peer = {.kind = DFS_PEER_NODE, .role = DFS_ROLE_META};

    memcpy(peer.fingerprint, r->bearer, sizeof peer.fingerprint);
    return accept_and_hello(r, &peer);
}

dfs_conn rig_peer(struct data_rig *r, unsigned node)
{
    const struct dfs_peer peer = {.kind = DFS_PEER_NODE, .role = DFS_ROLE_DATA, .node = r->nodes[node]};

    return accept_and_hello(r, &peer);
}

struct dfs_block_id rig_block(unsigned number)
{
    struct dfs_block_id block = {.index = number, .generation = 1};

    memset(block.file.bytes, 0xf1, DFS_ID_BYTES);
    return block;
}

void rig_name(const struct dfs_block_id *block, char name[DFS_FILE_NAME_BYTES_MAX])
{
    dfs_block_name(block, name);
}

struct dfs_mac rig_mac(struct data_rig *r, unsigned node, uint32_t key_id)
{
    struct dfs_key key;
    struct dfs_mac mac;

    dfs_node_key_derive(&r->root, &r->nodes[node], r->incarnations[node], key_id, &key);
    dfs_mac_init(&mac, &key);
    return mac;
}

static struct dfs_w_block w_block(const struct dfs_block_id *block)
{
    return (struct dfs_w_block){.file = block->file, .index = block->index, .generation = block->generation};
}

struct dfs_w_grant rig_grant(struct data_rig *r, const struct dfs_block_id *block, enum dfs_grant_operation operation,
                             const unsigned *order, uint32_t count, struct dfs_w_replica *replicas)
{
    struct dfs_w_grant grant = {.block = w_block(block),
                                .length_max_bytes = DFS_BLOCK_BYTES_MAX,
                                .operation = (uint8_t)operation,
                                .epoch = r->epoch,
                                .key_id = RIG_KEY_ID,
                                .replicas = replicas,
                                .replicas_count = count};

    memcpy(grant.bearer, r->bearer, sizeof grant.bearer);
    for (uint32_t i = 0; i < count; i++)
        replicas[i] = (struct dfs_w_replica){
            .node = r->nodes[order[i]], .incarnation = r->incarnations[order[i]], .addr = r->addrs[order[i]]};
    for (uint32_t i = 0; i < count; i++) {
        struct dfs_mac mac = rig_mac(r, order[i], RIG_KEY_ID);

        dfs_grant_sign(&grant, i, &mac);
        dfs_mac_close(&mac);
    }
    return grant;
}

void rig_fill(uint8_t *bytes, size_t count, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + 1;

    for (size_t i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(x >> 24);
    }
}

uint32_t rig_write_header(struct data_rig *r, dfs_conn conn, const struct dfs_w_grant *grant, uint32_t attempt,
                          unsigned hop, uint32_t count)
{
    const struct dfs_m_block_write message = {
        .grant = *grant, .attempt = attempt, .hop = (uint8_t)hop, .length_bytes = count};

    r->request++;
    fake_receive(&r->f, conn, r->request, DFS_MSG_BLOCK_WRITE, &message, NULL, 0);
    return r->request;
}

void rig_frames(struct data_rig *r, dfs_conn conn, uint32_t request, const uint8_t *bytes, size_t count, size_t from,
                size_t to)
{
    assert_true(to <= count && from % DFS_CHUNK_BYTES == 0);
    while (from < to) {
        const size_t piece = to - from < FRAME_BYTES ? to - from : FRAME_BYTES;
        struct dfs_w_crc crcs[DFS_CHUNKS_PER_FRAME_MAX + 1];
        uint32_t sums[DFS_CHUNKS_PER_FRAME_MAX + 1];
        const uint32_t chunks = (uint32_t)dfs_crc32c_chunks(bytes + from, piece, sums, DFS_CHUNKS_PER_FRAME_MAX + 1);
        const struct dfs_m_block_data message = {.offset = (uint32_t)from, .crcs = crcs, .crcs_count = chunks};

        for (uint32_t i = 0; i < chunks; i++)
            crcs[i].crc32c = sums[i];
        fake_receive(&r->f, conn, request, DFS_MSG_BLOCK_DATA, &message, bytes + from, piece);
        from += piece;
    }
}

uint32_t rig_write(struct data_rig *r, dfs_conn conn, const struct dfs_block_id *block, const uint8_t *bytes,
                   size_t count, uint32_t attempt)
{
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    const struct dfs_w_grant grant = rig_grant(r, block, DFS_GRANT_WRITE, order, 1, replicas);
    const uint32_t request = rig_write_header(r, conn, &grant, attempt, 0, (uint32_t)count);

    rig_frames(r, conn, request, bytes, count, 0, count);
    return request;
}

void rig_store(struct data_rig *r, const struct dfs_block_id *block, const uint8_t *bytes, size_t count)
{
    const dfs_conn conn = rig_client(r);
    struct fake_message m;

    (void)rig_write(r, conn, block, bytes, count, 1);
    fake_disk_run(&r->f);
    m = fake_expect(&r->f, conn, DFS_MSG_BLOCK_WRITTEN);
    assert_int_equal(m.body->block_written.status, DFS_OK);
    fake_closed(&r->f, conn, DFS_OK);
}

uint32_t rig_read(struct data_rig *r, dfs_conn conn, const struct dfs_block_id *block, uint32_t offset, uint32_t count)
{
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    const struct dfs_m_block_read message = {
        .grant = rig_grant(r, block, DFS_GRANT_READ, order, 1, replicas), .offset = offset, .length_bytes = count};

    r->request++;
    fake_receive(&r->f, conn, r->request, DFS_MSG_BLOCK_READ, &message, NULL, 0);
    return r->request;
}

size_t rig_collect(struct data_rig *r, dfs_conn conn, uint32_t request, uint32_t first, uint8_t *bytes, size_t room,
                   struct dfs_m_block_end *ret_end)
{
    size_t count = 0;

    fake_disk_run(&r->f);
    fake_sent_all(&r->f, conn);
    for (;;) {
        const struct fake_message m = fake_sent(&r->f, conn);

        if (m.number == DFS_MSG_BLOCK_END) {
            assert_int_equal(m.request, request);
            *ret_end = m.body->block_end;
            return count;
        }
        if (m.number != DFS_MSG_BLOCK_DATA)
            fail_msg("expected data, the machine sent %s", m.number == 0 ? "nothing" : dfs_message_name(m.number));
        assert_int_equal(m.request, request);
        assert_int_equal(m.body->block_data.offset, first + count);
        assert_true(count + m.bulk_count <= room);
        assert_int_equal(m.body->block_data.crcs_count, (m.bulk_count + DFS_CHUNK_BYTES - 1) / DFS_CHUNK_BYTES);
        for (uint32_t i = 0; i < m.body->block_data.crcs_count; i++) {
            const size_t at = (size_t)i * DFS_CHUNK_BYTES;
            const size_t piece = m.bulk_count - at < DFS_CHUNK_BYTES ? m.bulk_count - at : DFS_CHUNK_BYTES;

            assert_int_equal(dfs_crc32c(0, m.bulk + at, piece), m.body->block_data.crcs[i].crc32c);
        }
        memcpy(bytes + count, m.bulk, m.bulk_count);
        count += m.bulk_count;
    }
}

struct dfs_w_order rig_order(struct data_rig *r, const struct dfs_block_id *block, uint32_t length, uint32_t crc,
                             unsigned source, unsigned target)
{
    struct dfs_w_order order = {.block = w_block(block),
                                .length_bytes = length,
                                .crc32c = crc,
                                .source = r->nodes[source],
                                .source_incarnation = r->incarnations[source],
                                .target = r->nodes[target],
                                .target_incarnation = r->incarnations[target],
                                .epoch = r->epoch,
                                .key_id = RIG_KEY_ID};
    struct dfs_mac mac = rig_mac(r, source, RIG_KEY_ID);

    dfs_order_sign_source(&order, &mac);
    dfs_mac_close(&mac);
    mac = rig_mac(r, target, RIG_KEY_ID);
    dfs_order_sign_target(&order, &mac);
    dfs_mac_close(&mac);
    return order;
}

bool rig_receipt_is_good(struct data_rig *r, const struct dfs_w_receipt *receipt, unsigned node)
{
    struct dfs_mac mac = rig_mac(r, node, receipt->key_id);
    const bool good = dfs_id_equal(&receipt->node, &r->nodes[node]) && receipt->incarnation == r->incarnations[node] &&
                      dfs_receipt_check(receipt, &mac);

    dfs_mac_close(&mac);
    return good;
}

struct metric_search {
    const char *name;
    uint64_t value;
    bool found;
};

static void on_metric(void *ctx, const char *name, const char *help, uint64_t value)
{
    struct metric_search *search = ctx;

    (void)help;
    if (strcmp(name, search->name) == 0 ||
        (strncmp(name, "dfs_data_", 9) == 0 && strcmp(name + 9, search->name) == 0)) {
        search->value = value;
        search->found = true;
    }
}

uint64_t rig_metric(struct data_rig *r, const char *name)
{
    struct metric_search search = {.name = name};

    dfs_data_metrics(r->data, on_metric, &search);
    assert_true(search.found);
    return search.value;
}

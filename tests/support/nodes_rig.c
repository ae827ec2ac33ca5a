#include "tests/support/nodes_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"

#define PAGE_BLOCKS 100
#define REQUEST_JOIN 4
#define REQUEST_OTHER 5
#define TICK (NRIG_INTERVAL / 8)

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_meta_step(machine, event);
}

static struct dfs_id id_of(char kind, uint32_t number)
{
    struct dfs_id id = {{0}};

    id.bytes[0] = (uint8_t)kind;
    id.bytes[1] = 0xd5;
    id.bytes[12] = (uint8_t)(number >> 24);
    id.bytes[13] = (uint8_t)(number >> 16);
    id.bytes[14] = (uint8_t)(number >> 8);
    id.bytes[15] = (uint8_t)(number + 1);
    return id;
}

struct dfs_id nrig_file_id(uint32_t file)
{
    return id_of('f', file);
}

void nrig_init(struct nodes_rig *r)
{
    memset(r, 0, sizeof *r);
    fake_init(&r->f);
    r->config = (struct dfs_meta_config){
        .cluster = id_of('c', 1),
        .issuer = "test",
        .auth = {.port = 1},
        .heartbeat_interval_ns = NRIG_INTERVAL,
        .replication = 3,
        .ack = DFS_ACK_ALL,
        .durability = DFS_DURABILITY_SYNC,
        .block_min_bytes = 100000,
        .block_max_bytes = 10000000,
        .blocks_spread = 4,
        .upload_lease_ns = 600 * DFS_SECONDS,
        .trash_keep_ns = 0,
        .repair_grace_ns = 0,
        .repair_per_source = 2,
        .repair_per_target = 2,
        .repair_total = 64,
        .brake_share_ppb = 1000000000,
        .brake_nodes = 3,
        .brake_release_intervals = 30,
        .maintenance_ns = 60 * DFS_SECONDS,
        .warmup_intervals = 5,
        .reserve_ppb = 50000000,
        .token_leeway_ns = 30 * DFS_SECONDS,
        .token_cache = 100,
        .checkpoint_every_bytes = 64000000,
        .journal_batch = 1000,
        .ring_weight_unit = 64,
        .placement_page = 64,
        .remove_page = DFS_REMOVE_PAGE_MAX,
        .conns_max = 64,
        .request_timeout_ns = 5 * DFS_SECONDS,
        .connect_timeout_ns = 5 * DFS_SECONDS,
        .pool_bytes = 16000000,
        .bounds = DFS_META_BOUNDS,
    };
    memset(r->config.root.bytes, 7, sizeof r->config.root.bytes);
    for (unsigned n = 0; n < NRIG_NODES; n++) {
        struct nrig_node *node = &r->nodes[n];

        node->id = id_of('n', n);
        node->boot = id_of('b', n);
        node->zone[0] = (char)('a' + n); /* a zone of its own */
        node->capacity_bytes = 1000000000;
        node->free_bytes = 900000000;
        node->blocks = dfs_alloc_zero_array(NRIG_BLOCKS, sizeof node->blocks[0]);
    }
}

void nrig_start(struct nodes_rig *r)
{
    r->meta = dfs_meta_new(&r->config, &r->f.env);
    fake_attach(&r->f, r->meta, step);
    fake_start(&r->f);
    fake_pass(&r->f, DFS_MILLISECONDS);
    assert_true(dfs_meta_is_ready(r->meta));
}

void nrig_close(struct nodes_rig *r)
{
    dfs_meta_free(r->meta);
    fake_close(&r->f);
    for (unsigned n = 0; n < NRIG_NODES; n++) {
        dfs_mac_close(&r->nodes[n].heartbeat_mac);
        dfs_mac_close(&r->nodes[n].grant_mac);
        dfs_free(r->nodes[n].blocks);
    }
}

void nrig_restart(struct nodes_rig *r)
{
    dfs_meta_free(r->meta);
    fake_disk_crash(&r->f);
    fake_forget(&r->f);
    for (unsigned n = 0; n < NRIG_NODES; n++) {
        r->nodes[n].conn = 0;
        r->nodes[n].up = false;
    }
    nrig_start(r);
}

/* Messages ----------------------------------------------------------------------------------------------- */

void nrig_connect(struct nodes_rig *r, unsigned n)
{
    const struct dfs_peer peer = {.kind = DFS_PEER_NODE, .role = DFS_ROLE_DATA, .node = r->nodes[n].id};

    r->nodes[n].conn = fake_accept(&r->f, &peer);
}

static void ask(struct nodes_rig *r, unsigned n, uint32_t request, uint32_t number, const void *value)
{
    struct nrig_node *node = &r->nodes[n];

    if (node->conn == 0 || fake_conn_of(&r->f, node->conn)->closed)
        return;
    fake_receive(&r->f, node->conn, request, number, value, NULL, 0);
    fake_disk_run(&r->f);
}

void nrig_send(struct nodes_rig *r, unsigned n, uint32_t number, const void *value)
{
    ask(r, n, REQUEST_OTHER, number, value);
}

struct dfs_m_join nrig_join_message(const struct nodes_rig *r, unsigned n)
{
    const struct nrig_node *node = &r->nodes[n];

    return (struct dfs_m_join){
        .version = DFS_PROTOCOL_VERSION,
        .cluster = r->config.cluster,
        .node = node->id,
        .boot = node->boot,
        .addr = {.port = (uint16_t)(1000 + n)},
        .zone = dfs_text_of(node->zone),
        .capacity_bytes = node->capacity_bytes,
        .free_bytes = node->free_bytes,
        .journal_seen = node->journal_seen,
    };
}

static void joined(struct nrig_node *node, const struct dfs_m_joined *message)
{
    struct dfs_key key;

    node->incarnation = message->incarnation;
    node->sequence = 0;
    node->change = 0;
    node->key_id = message->grant_keys[message->grant_keys_count - 1].key_id;
    dfs_mac_close(&node->heartbeat_mac);
    dfs_mac_close(&node->grant_mac);
    memcpy(key.bytes, message->heartbeat_key, sizeof key.bytes);
    dfs_mac_init(&node->heartbeat_mac, &key);
    memcpy(key.bytes, message->grant_keys[message->grant_keys_count - 1].key, sizeof key.bytes);
    dfs_mac_init(&node->grant_mac, &key);
}

void nrig_take_joined(struct nodes_rig *r, unsigned n, const struct dfs_m_joined *message)
{
    joined(&r->nodes[n], message);
}

static enum dfs_status take_joined(struct nodes_rig *r, unsigned n)
{
    struct nrig_node *node = &r->nodes[n];

    for (;;) {
        const struct fake_message in = fake_sent(&r->f, node->conn);

        if (in.number == 0)
            return DFS_TIMEOUT;
        if (in.number == DFS_MSG_STATUS) {
            node->status = (enum dfs_status)in.body->status.status;
            node->status_count++;
            if (in.request == REQUEST_JOIN)
                return node->status;
        }
        if (in.number == DFS_MSG_JOINED) {
            joined(node, &in.body->joined);
            return DFS_OK;
        }
    }
}

enum dfs_status nrig_join(struct nodes_rig *r, unsigned n)
{
    const struct dfs_m_join join = nrig_join_message(r, n);

    if (r->nodes[n].conn == 0 || fake_conn_of(&r->f, r->nodes[n].conn)->closed)
        nrig_connect(r, n);
    ask(r, n, REQUEST_JOIN, DFS_MSG_JOIN, &join);
    return take_joined(r, n);
}

static uint64_t digest_of(const struct nrig_node *node)
{
    uint64_t digest = 0;

    for (uint32_t i = 0; i < node->blocks_count; i++)
        digest ^= dfs_block_digest(&node->blocks[i].block, node->blocks[i].length_bytes);
    return digest;
}

void nrig_tell(struct nodes_rig *r, unsigned n)
{
    struct nrig_node *node = &r->nodes[n];
    struct dfs_m_inventory_end end = {.count = node->blocks_count, .digest = digest_of(node), .change = node->change};

    for (uint32_t at = 0; at < node->blocks_count;) {
        struct dfs_w_stored stored[PAGE_BLOCKS];
        struct dfs_m_inventory page = {.page = end.pages++, .blocks = stored};

        for (; at < node->blocks_count && page.blocks_count < PAGE_BLOCKS; at++)
            stored[page.blocks_count++] =
                (struct dfs_w_stored){.block = node->blocks[at].block, .length_bytes = node->blocks[at].length_bytes};
        nrig_send(r, n, DFS_MSG_INVENTORY, &page);
    }
    nrig_send(r, n, DFS_MSG_INVENTORY_END, &end);
    fake_pass(&r->f, 0);
    node->up = true;
}

void nrig_beat_as(struct nodes_rig *r, unsigned n, uint64_t sequence)
{
    struct nrig_node *node = &r->nodes[n];
    const struct dfs_addr from = {.port = (uint16_t)(2000 + n)};
    const struct dfs_m_heartbeat beat = {
        .node = node->id,
        .incarnation = node->incarnation,
        .sequence = sequence,
        .capacity_bytes = node->capacity_bytes,
        .free_bytes = node->free_bytes,
        .change = node->change,
        .digest = digest_of(node),
        .blocks = node->blocks_count,
        .fenced = node->fenced,
    };
    const struct fake_datagram *out;
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    const size_t count = dfs_datagram_encode(DFS_MSG_HEARTBEAT, &beat, &node->heartbeat_mac, bytes);

    fake_datagram_in(&r->f, &from, bytes, count);
    while ((out = fake_datagram_out(&r->f)) != NULL) {
        union dfs_any_message message;
        uint32_t number;

        assert_int_equal(dfs_datagram_decode(out->bytes, out->count, &number, &message), DFS_OK);
        assert_int_equal(number, DFS_MSG_HEARTBEAT_ACK);
        assert_int_equal(out->to.port, from.port);
        assert_true(dfs_datagram_check(out->bytes, out->count, &node->heartbeat_mac));
        node->ack = message.heartbeat_ack;
        node->acks++;
    }
    r->f.datagrams_count = 0; /* all were read: room for as many again */
    r->f.datagrams_at = 0;
    fake_disk_run(&r->f);
}

void nrig_beat(struct nodes_rig *r, unsigned n)
{
    struct nrig_node *node = &r->nodes[n];

    node->sequence++;
    node->beat_at = r->f.mono + NRIG_INTERVAL;
    nrig_beat_as(r, n, node->sequence);
}

void nrig_up(struct nodes_rig *r, unsigned n)
{
    assert_int_equal(nrig_join(r, n), DFS_OK);
    nrig_tell(r, n);
    nrig_beat(r, n);
}

void nrig_up_all(struct nodes_rig *r, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        nrig_up(r, n);
        assert_int_equal(nrig_state(r, n), DFS_NODE_ACTIVE);
    }
    nrig_pump(r);
}

void nrig_break(struct nodes_rig *r, unsigned n)
{
    if (r->nodes[n].conn != 0 && !fake_conn_of(&r->f, r->nodes[n].conn)->closed)
        fake_closed(&r->f, r->nodes[n].conn, DFS_UNREACHABLE);
    r->nodes[n].conn = 0;
}

enum dfs_status nrig_resume(struct nodes_rig *r, unsigned n)
{
    struct nrig_node *node = &r->nodes[n];
    const struct dfs_m_resume resume = {.cluster = r->config.cluster,
                                        .node = node->id,
                                        .boot = node->boot,
                                        .incarnation = node->incarnation,
                                        .change = node->change};

    nrig_connect(r, n);
    nrig_send(r, n, DFS_MSG_RESUME, &resume);
    return (enum dfs_status)fake_expect(&r->f, node->conn, DFS_MSG_RESUMED).body->resumed.status;
}

/* Puppets ------------------------------------------------------------------------------------------------ */

static struct nrig_node *node_by_id(struct nodes_rig *r, const struct dfs_id *id, unsigned *ret_n)
{
    for (unsigned n = 0; n < NRIG_NODES; n++) {
        if (dfs_id_equal(&r->nodes[n].id, id)) {
            *ret_n = n;
            return &r->nodes[n];
        }
    }
    fail_msg("an order names a node that does not exist");
    return NULL;
}

static bool same(const struct dfs_w_block *a, const struct dfs_w_block *b)
{
    return dfs_id_equal(&a->file, &b->file) && a->index == b->index && a->generation == b->generation;
}

static uint32_t place_of(const struct nrig_node *node, const struct dfs_w_block *block)
{
    uint32_t at = 0;

    while (at < node->blocks_count && !same(&node->blocks[at].block, block))
        at++;
    return at;
}

bool nrig_has(const struct nodes_rig *r, unsigned n, const struct dfs_w_block *block)
{
    return place_of(&r->nodes[n], block) < r->nodes[n].blocks_count;
}

static void tell_change(struct nodes_rig *r, unsigned n, enum dfs_change kind, const struct nrig_block *block)
{
    struct dfs_w_change change = {
        .kind = (uint8_t)kind, .block = block->block, .length_bytes = block->length_bytes, .crc32c = block->crc32c};
    const struct dfs_m_block_events events = {.first = ++r->nodes[n].change, .changes = &change, .changes_count = 1};

    nrig_send(r, n, DFS_MSG_BLOCK_EVENTS, &events);
}

void nrig_put(struct nodes_rig *r, unsigned n, const struct nrig_block *block, bool tell)
{
    struct nrig_node *node = &r->nodes[n];

    if (nrig_has(r, n, &block->block))
        return;
    assert_true(node->blocks_count < NRIG_BLOCKS);
    node->blocks[node->blocks_count++] = *block;
    if (tell)
        tell_change(r, n, DFS_CHANGE_ADDED, block);
}

void nrig_take(struct nodes_rig *r, unsigned n, uint32_t index, bool tell)
{
    struct nrig_node *node = &r->nodes[n];
    const struct nrig_block block = node->blocks[index];

    node->blocks[index] = node->blocks[--node->blocks_count];
    if (tell)
        tell_change(r, n, DFS_CHANGE_REMOVED, &block);
}

static void on_copy(struct nodes_rig *r, unsigned n, const struct dfs_m_copy *copy)
{
    struct nrig_node *source = &r->nodes[n];
    struct dfs_w_order order = copy->order;
    struct dfs_w_receipt receipt = {0};
    struct dfs_m_copy_done done = {
        .operation = copy->operation, .block = order.block, .status = (uint8_t)source->copy_status};
    unsigned t = 0;
    struct nrig_node *target = node_by_id(r, &order.target, &t);

    source->copies++;
    assert_true(dfs_id_equal(&order.source, &source->id) && order.source_incarnation == source->incarnation);
    assert_true(dfs_order_check_source(&order, &source->grant_mac));
    assert_true(nrig_has(r, n, &order.block));
    if (source->slow || target->dead || target->slow)
        return;
    if (source->copy_status == DFS_OK) {
        const struct nrig_block block = {
            .block = order.block, .length_bytes = order.length_bytes, .crc32c = order.crc32c};

        assert_true(order.target_incarnation == target->incarnation &&
                    dfs_order_check_target(&order, &target->grant_mac));
        receipt = (struct dfs_w_receipt){.block = order.block,
                                         .length_bytes = order.length_bytes,
                                         .crc32c = order.crc32c,
                                         .node = target->id,
                                         .incarnation = target->incarnation,
                                         .change = target->change + 1,
                                         .durable = 1,
                                         .key_id = target->key_id};
        dfs_receipt_sign(&receipt, &target->grant_mac);
        done.receipts = &receipt;
        done.receipts_count = 1;
        nrig_put(r, t, &block, true);
    }
    nrig_send(r, n, DFS_MSG_COPY_DONE, &done);
}

static void on_verify(struct nodes_rig *r, unsigned n, const struct dfs_m_verify *verify)
{
    struct nrig_node *node = &r->nodes[n];
    struct dfs_m_verify_done done = {
        .operation = verify->operation, .block = verify->block, .status = (uint8_t)node->verify_status};

    node->verifies++;
    if (node->slow)
        return;
    if (done.status == DFS_OK && !nrig_has(r, n, &verify->block))
        done.status = DFS_BLOCK_MISSING;
    nrig_send(r, n, DFS_MSG_VERIFY_DONE, &done);
}

static void on_remove(struct nodes_rig *r, unsigned n, const struct dfs_m_remove_block *remove)
{
    struct nrig_node *node = &r->nodes[n];
    struct dfs_w_removed removed[DFS_REMOVE_PAGE_MAX];
    struct dfs_w_removal removals[DFS_REMOVE_PAGE_MAX];
    struct dfs_m_remove_done done = {.blocks = removed, .blocks_count = remove->blocks_count};

    memcpy(removals, remove->blocks, remove->blocks_count * sizeof removals[0]);
    for (uint32_t i = 0; i < done.blocks_count; i++) {
        const uint32_t at = place_of(node, &removals[i].block);

        node->removals++;
        node->removals_of[removals[i].reason]++;
        removed[i] = (struct dfs_w_removed){.block = removals[i].block, .status = DFS_OK};
        if (node->keeps)
            removed[i].status = DFS_REFUSED;
        else if (at == node->blocks_count)
            removed[i].status = DFS_BLOCK_MISSING;
        else if (!node->slow)
            nrig_take(r, n, at, true);
    }
    if (!node->slow)
        nrig_send(r, n, DFS_MSG_REMOVE_DONE, &done);
}

static void on_status(struct nodes_rig *r, unsigned n, uint32_t request, enum dfs_status status)
{
    struct nrig_node *node = &r->nodes[n];

    node->status = status;
    node->status_count++;
    if (request != 0 || status != DFS_STALE_INCARNATION)
        return;
    node->up = false;
    if (node->rejoins)
        nrig_up(r, n);
}

static void on_keys(struct nodes_rig *r, unsigned n, uint32_t request)
{
    const struct dfs_m_status status = {.status = DFS_OK};

    r->nodes[n].keys++;
    ask(r, n, request, DFS_MSG_STATUS, &status);
}

static bool pump_one(struct nodes_rig *r, unsigned n)
{
    struct nrig_node *node = &r->nodes[n];
    struct fake_message in;

    if (node->conn == 0 || node->dead || node->deaf)
        return false;
    in = fake_sent(&r->f, node->conn);
    if (in.number == 0)
        return false;
    if (in.number == DFS_MSG_COPY)
        on_copy(r, n, &in.body->copy);
    else if (in.number == DFS_MSG_VERIFY)
        on_verify(r, n, &in.body->verify);
    else if (in.number == DFS_MSG_REMOVE_BLOCK)
        on_remove(r, n, &in.body->remove_block);
    else if (in.number == DFS_MSG_KEYS_UPDATE)
        on_keys(r, n, in.request);
    else if (in.number == DFS_MSG_STATUS)
        on_status(r, n, in.request, (enum dfs_status)in.body->status.status);
    return true;
}

dfs_conn nrig_client(struct nodes_rig *r, const char *scope)
{
    const struct dfs_peer peer = {.kind = DFS_PEER_CLIENT};
    const dfs_conn conn = fake_accept(&r->f, &peer);
    struct meta_peer *known = dfs_container_of(r->meta->peers.prev, struct meta_peer, all);

    assert_int_equal(known->kind, META_PEER_CLIENT);
    known->phase = META_PEER_KNOWN;
    known->claims.expires_s = UINT64_MAX;
    (void)snprintf(known->claims.scope, sizeof known->claims.scope, "%s", scope);
    return conn;
}

void nrig_pump(struct nodes_rig *r)
{
    bool more = true;

    while (more) {
        more = false;
        for (unsigned n = 0; n < NRIG_NODES; n++) {
            while (pump_one(r, n))
                more = true;
        }
        fake_disk_run(&r->f);
        if (more)
            fake_pass(&r->f, 0);
    }
}

static void come_back(struct nodes_rig *r, unsigned n)
{
    r->nodes[n].deaf = false;
    if (nrig_resume(r, n) == DFS_OK)
        return;
    r->nodes[n].up = false;
    nrig_up(r, n);
}

void nrig_live(struct nodes_rig *r, dfs_duration_ns length)
{
    const dfs_time_ns end = r->f.mono + length;

    while (r->f.mono < end) {
        fake_until(&r->f, dfs_time_min(end, r->f.mono + TICK), true);
        for (unsigned n = 0; n < NRIG_NODES; n++) {
            struct nrig_node *node = &r->nodes[n];

            /* Metadata has closed it: nothing came through. */
            if (node->rejoins && node->up && !node->dead && node->conn != 0 && fake_conn_of(&r->f, node->conn)->closed)
                come_back(r, n);
            if (node->up && !node->dead && !node->silent && r->f.mono >= node->beat_at)
                nrig_beat(r, n);
        }
        nrig_pump(r);
    }
}

/* Files -------------------------------------------------------------------------------------------------- */

struct nrig_block nrig_block(const struct nodes_rig *r, uint32_t file, uint32_t index)
{
    (void)r;
    return (struct nrig_block){.block = {.file = nrig_file_id(file), .index = index, .generation = 1},
                               .length_bytes = 100000 + index,
                               .crc32c = file * 1000 + index};
}

uint32_t nrig_commit(struct nodes_rig *r, uint32_t blocks, uint8_t wanted, const uint16_t *nodes, uint32_t nodes_count)
{
    const uint32_t file = r->files++;
    struct dfs_w_extent *extents = dfs_alloc_zero_array(blocks, sizeof extents[0]);
    char path[32];
    struct meta_r_blocks first = {.file = nrig_file_id(file), .blocks = extents, .blocks_count = blocks};
    struct meta_r_file record = {.file = first.file,
                                 .current = 1,
                                 .version = file + 1,
                                 .serial = file + 1,
                                 .block_size_bytes = 100000,
                                 .blocks = blocks,
                                 .copies_wanted = wanted,
                                 .ack = DFS_ACK_ALL,
                                 .durability = DFS_DURABILITY_SYNC};

    (void)snprintf(path, sizeof path, "file-%u", file);
    record.path = dfs_text_of(path);
    for (uint32_t i = 0; i < blocks; i++) {
        const struct nrig_block block = nrig_block(r, file, i);

        extents[i] = (struct dfs_w_extent){.generation = 1, .length_bytes = block.length_bytes, .crc32c = block.crc32c};
        record.size_bytes += block.length_bytes;
        for (uint32_t k = 0; k < nodes_count; k++)
            nrig_put(r, nodes[k], &block, false);
    }
    meta_append_group(r->meta);
    meta_append(r->meta, META_RECORD_BLOCKS, &first);
    meta_append(r->meta, META_RECORD_FILE, &record);
    for (uint32_t i = 0; i < blocks; i++) {
        for (uint32_t k = 0; k < nodes_count; k++) {
            struct nrig_node *node = &r->nodes[nodes[k]];
            struct meta_node *known = meta_node_by_id(r->meta, &node->id);
            const struct nrig_block block = nrig_block(r, file, i);

            (void)meta_blockmap_put(&r->meta->map, nrig_block_no(r, file, i), known->index, META_COPY_DURABLE);
            known->digest ^= dfs_block_digest(&block.block, block.length_bytes);
        }
        meta_nodes_block_committed(r->meta, nrig_block_no(r, file, i));
    }
    dfs_free(extents);
    fake_tick(&r->f);
    fake_disk_run(&r->f);
    return file;
}

void nrig_delete(struct nodes_rig *r, uint32_t file)
{
    const struct meta_r_expire record = {.file = nrig_file_id(file)};
    const struct meta_version *version = meta_namespace_file(&r->meta->ns, &record.file);

    for (uint32_t i = 0; i < version->file.blocks_count; i++) {
        const struct dfs_w_block wire = {.file = record.file, .index = i, .generation = 1};
        const struct dfs_block_id id = meta_block_of_wire(&wire);
        const meta_block_no block = meta_file_at(&version->file, i);

        meta_copy_no no = meta_blockmap_first(&r->meta->map, block);

        for (; no != 0; no = meta_blockmap_next(&r->meta->map, no))
            meta_nodes_order_removal(r->meta, meta_blockmap_copy(&r->meta->map, no)->node, &id, DFS_REMOVE_DELETED);
    }
    meta_append_group(r->meta);
    meta_append(r->meta, META_RECORD_EXPIRE, &record);
    fake_tick(&r->f);
    fake_disk_run(&r->f);
}

meta_block_no nrig_block_no(const struct nodes_rig *r, uint32_t file, uint32_t index)
{
    const struct nrig_block block = nrig_block(r, file, index);
    const struct dfs_block_id id = meta_block_of_wire(&block.block);

    return meta_block_find(r->meta, &id);
}

/* Looks -------------------------------------------------------------------------------------------------- */

enum dfs_node_state nrig_state(const struct nodes_rig *r, unsigned n)
{
    return meta_node_by_id(r->meta, &r->nodes[n].id)->state;
}

uint32_t nrig_copies(const struct nodes_rig *r, uint32_t file, uint32_t index)
{
    const struct nrig_block block = nrig_block(r, file, index);
    uint32_t copies = 0;

    for (unsigned n = 0; n < NRIG_NODES; n++)
        copies += !r->nodes[n].dead && nrig_has(r, n, &block.block);
    return copies;
}

void nrig_assert_sound(const struct nodes_rig *r)
{
    const struct dfs_keyring *ring = dfs_meta_keyring(r->meta);
    struct dfs_meta_node_view view;

    assert_true(meta_blockmap_is_sound(&r->meta->map));
    assert_true(meta_repair_is_sound(&r->meta->nodes->repair));
    assert_true(dfs_keyring_is_sound(ring));
    for (size_t i = 0; dfs_meta_node_at(r->meta, i, &view); i++) {
        const bool in = view.state == DFS_NODE_ACTIVE || view.state == DFS_NODE_SUSPECT;

        assert_int_equal(in, dfs_keyring_has(ring, meta_node_by_id(r->meta, &view.node)->index));
    }
}

void nrig_assert_quiet(const struct nodes_rig *r)
{
    struct dfs_meta_accounting accounting;

    nrig_assert_sound(r);
    dfs_meta_account(r->meta, &accounting);
    assert_int_equal(accounting.copies_running, 0);
    assert_int_equal(accounting.removals_waiting, 0);
    assert_int_equal(accounting.blocks_under, 0);
    assert_int_equal(r->meta->nodes->verifies_running, 0);
    assert_int_equal(r->meta->nodes->trims_running, 0);
    assert_true(dfs_list_empty(&r->meta->nodes->walks));
    for (uint32_t i = 0; i < r->meta->nodes->count; i++) {
        const struct meta_repair_node *node = r->meta->nodes->repair.nodes[i];

        if (node != NULL) { /* met since the start */
            assert_int_equal(node->running[0] + node->running[1], 0);
            assert_int_equal(node->receiving_bytes, 0);
        }
        assert_int_equal(r->meta->nodes->by_index[i]->verifying, 0);
    }
}

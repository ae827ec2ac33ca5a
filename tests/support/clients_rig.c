#include "tests/support/clients_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/auth/token_jwt.h"
#include "core/base/crc32c.h"

#define RECEIPTS_PAGE 256

static struct dfs_id id_of(uint8_t kind, uint32_t number)
{
    struct dfs_id id = {{0}};

    id.bytes[0] = kind;
    id.bytes[12] = (uint8_t)(number >> 24);
    id.bytes[13] = (uint8_t)(number >> 16);
    id.bytes[14] = (uint8_t)(number >> 8);
    id.bytes[15] = (uint8_t)number;
    return id;
}

/* Life --------------------------------------------------------------------------------------------------- */

void crig_init(struct clients_rig *r)
{
    static const uint8_t random[DFS_KEY_KID_RANDOM_BYTES] = {1, 2, 3};

    memset(r, 0, sizeof *r);
    nrig_init(&r->n);
    r->n.config.trash_keep_ns = 3600 * DFS_SECONDS;
    assert_int_equal(dfs_signing_keys_rotate(&r->keys, random, r->n.f.wall / DFS_SECONDS - 100, 100000), DFS_OK);
}

void crig_auth(struct clients_rig *r)
{
    const dfs_conn conn = fake_connected(&r->n.f);
    struct dfs_w_token_key keys[DFS_TOKEN_KEYS_MAX];
    struct dfs_m_keys message = {.keys = keys, .keys_count = (uint32_t)r->keys.count};
    struct fake_message get;

    if (conn == 0 || fake_conn_of(&r->n.f, conn)->closed)
        return;
    fake_open(&r->n.f, conn);
    get = fake_expect(&r->n.f, conn, DFS_MSG_KEYS_GET);
    for (size_t i = 0; i < r->keys.count; i++)
        keys[i] = (struct dfs_w_token_key){.kid = dfs_text_of(r->keys.all[i].kid),
                                           .pem = dfs_text_of(r->keys.all[i].public_pem)};
    fake_receive(&r->n.f, conn, get.request, DFS_MSG_KEYS, &message, NULL, 0);
    assert_true(fake_conn_of(&r->n.f, conn)->closed);
}

void crig_start(struct clients_rig *r, unsigned nodes)
{
    nrig_start(&r->n);
    crig_auth(r);
    nrig_up_all(&r->n, nodes);
}

void crig_restart(struct clients_rig *r, unsigned nodes)
{
    nrig_restart(&r->n);
    crig_auth(r);
    nrig_up_all(&r->n, nodes);
}

void crig_close(struct clients_rig *r)
{
    nrig_close(&r->n);
    dfs_signing_keys_close(&r->keys);
}

/* Tokens ------------------------------------------------------------------------------------------------- */

static void fingerprint_of(unsigned client, uint8_t ret_fingerprint[DFS_FINGERPRINT_BYTES])
{
    memset(ret_fingerprint, (int)client, DFS_FINGERPRINT_BYTES);
}

void crig_token(const struct clients_rig *r, unsigned client, const char *scope, uint64_t expires_s,
                char ret_token[DFS_TOKEN_BYTES_MAX + 1])
{
    const uint64_t now_s = r->n.f.wall / DFS_SECONDS;
    const struct dfs_signing_key *key = dfs_signing_keys_signer(&r->keys, now_s);
    struct dfs_claims claims = {
        .id = "6fa459ea-ee8a-4ca4-894e-db77e160355e", .issued_s = now_s, .not_before_s = now_s, .expires_s = expires_s};
    size_t count;

    (void)snprintf(claims.issuer, sizeof claims.issuer, "%s", r->n.config.issuer);
    dfs_id_print(&r->n.config.cluster, claims.audience);
    (void)snprintf(claims.subject, sizeof claims.subject, "user%u", client);
    (void)snprintf(claims.scope, sizeof claims.scope, "%s", scope);
    fingerprint_of(client, claims.bearer);
    assert_int_equal(dfs_jwt_sign(&claims, key->kid, key->private_pem, ret_token, &count), DFS_OK);
}

dfs_conn crig_connect(struct clients_rig *r, unsigned client)
{
    struct dfs_peer peer = {.kind = DFS_PEER_CLIENT};

    fingerprint_of(client, peer.fingerprint);
    return fake_accept(&r->n.f, &peer);
}

enum dfs_status crig_hello(struct clients_rig *r, dfs_conn conn, const char *token)
{
    const struct dfs_m_hello hello = {.version = DFS_PROTOCOL_VERSION, .token = dfs_text_of(token)};

    (void)crig_ask(r, conn, DFS_MSG_HELLO, &hello);
    return r->status;
}

dfs_conn crig_client(struct clients_rig *r, unsigned client, const char *scope)
{
    const dfs_conn conn = crig_connect(r, client);
    char token[DFS_TOKEN_BYTES_MAX + 1];

    crig_token(r, client, scope, r->n.f.wall / DFS_SECONDS + 100000, token);
    assert_int_equal(crig_hello(r, conn, token), DFS_OK);
    return conn;
}

/* Asking ------------------------------------------------------------------------------------------------- */

void crig_send(struct clients_rig *r, dfs_conn conn, uint32_t number, const void *value)
{
    fake_receive(&r->n.f, conn, ++r->requests, number, value, NULL, 0);
}

struct fake_message crig_answer(struct clients_rig *r, dfs_conn conn)
{
    const struct fake_message in = fake_sent(&r->n.f, conn);
    struct dfs_text words = {.at = "", .count = 0};

    r->status = DFS_OK;
    switch (in.number) {
    case DFS_MSG_STATUS:
        r->status = (enum dfs_status)in.body->status.status;
        words = in.body->status.words;
        break;
    case DFS_MSG_PUT_DONE:
        r->status = (enum dfs_status)in.body->put_done.status;
        break;
    case DFS_MSG_CHANGED:
        r->status = (enum dfs_status)in.body->changed.status;
        words = in.body->changed.words;
        break;
    default:
        break;
    }
    (void)snprintf(r->words, sizeof r->words, "%.*s", (int)words.count, words.at);
    return in;
}

struct fake_message crig_ask(struct clients_rig *r, dfs_conn conn, uint32_t number, const void *value)
{
    crig_send(r, conn, number, value);
    fake_disk_run(&r->n.f);
    const struct fake_message in = crig_answer(r, conn);

    if (in.number != 0)
        assert_int_equal(in.request, r->requests);
    return in;
}

struct dfs_id crig_operation(struct clients_rig *r)
{
    return id_of(0x0f, ++r->operations);
}

/* Put ---------------------------------------------------------------------------------------------------- */

struct dfs_m_put_open crig_open_message(struct clients_rig *r, const char *path, uint64_t size_bytes)
{
    return (struct dfs_m_put_open){.operation = crig_operation(r), .path = dfs_text_of(path), .size_bytes = size_bytes};
}

static void grants_keep(struct crig_upload *upload, const struct dfs_w_grant *grants, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t index = grants[i].block.index;

        assert_true(index < CRIG_BLOCKS_MAX);
        upload->grants[index] = grants[i];
        memcpy(upload->replicas[index], grants[i].replicas, grants[i].replicas_count * sizeof(struct dfs_w_replica));
        upload->grants[index].replicas = upload->replicas[index];
    }
}

enum dfs_status crig_open(struct clients_rig *r, dfs_conn conn, const struct dfs_m_put_open *open)
{
    const struct fake_message in = crig_ask(r, conn, DFS_MSG_PUT_OPEN, open);
    const struct dfs_m_put_plan *plan = &in.body->put_plan;

    if (r->status != DFS_OK)
        return r->status;
    assert_int_equal(in.number, DFS_MSG_PUT_PLAN);
    memset(&r->upload, 0, sizeof r->upload);
    r->upload.file = plan->file;
    r->upload.epoch = plan->epoch;
    r->upload.size_bytes = open->size_bytes;
    r->upload.blocks = plan->blocks;
    r->upload.block_size_bytes = plan->block_size_bytes;
    r->upload.copies_wanted = plan->copies_wanted;
    grants_keep(&r->upload, plan->grants, plan->grants_count);
    return DFS_OK;
}

enum dfs_status crig_place(struct clients_rig *r, dfs_conn conn, uint32_t first, uint32_t count, uint32_t generation,
                           const unsigned *excluded, uint32_t excluded_count)
{
    struct dfs_w_failure failures[NRIG_NODES];
    const struct dfs_m_put_place place = {.file = r->upload.file,
                                          .epoch = r->upload.epoch,
                                          .first = first,
                                          .count = count,
                                          .generation = generation,
                                          .excluded = failures,
                                          .excluded_count = excluded_count};

    for (uint32_t i = 0; i < excluded_count; i++)
        failures[i] = (struct dfs_w_failure){.node = r->n.nodes[excluded[i]].id, .status = DFS_TIMEOUT};
    const struct fake_message in = crig_ask(r, conn, DFS_MSG_PUT_PLACE, &place);

    if (r->status != DFS_OK)
        return r->status;
    assert_int_equal(in.number, DFS_MSG_PUT_PLACED);
    assert_int_equal(in.body->put_placed.first, first);
    grants_keep(&r->upload, in.body->put_placed.grants, in.body->put_placed.grants_count);
    return DFS_OK;
}

unsigned crig_node_of(const struct clients_rig *r, const struct dfs_id *id)
{
    for (unsigned n = 0; n < NRIG_NODES; n++) {
        if (dfs_id_equal(&r->n.nodes[n].id, id))
            return n;
    }
    fail_msg("a grant names a node that is none");
    return 0;
}

static void receipt_make(struct clients_rig *r, unsigned n, const struct dfs_w_block *block, uint32_t length_bytes,
                         uint32_t crc32c)
{
    struct nrig_node *node = &r->n.nodes[n];
    struct dfs_w_receipt *receipt = &r->upload.receipts[r->upload.receipts_count++];

    *receipt = (struct dfs_w_receipt){.block = *block,
                                      .length_bytes = length_bytes,
                                      .crc32c = crc32c,
                                      .node = node->id,
                                      .incarnation = node->incarnation,
                                      .change = node->change,
                                      .durable = 1,
                                      .key_id = node->key_id};
    dfs_receipt_sign(receipt, &node->grant_mac);
}

void crig_store(struct clients_rig *r, uint32_t index, uint32_t length_bytes, uint64_t without)
{
    struct crig_upload *upload = &r->upload;
    const struct dfs_w_grant *grant = &upload->grants[index];
    const struct nrig_block block = {.block = grant->block, .length_bytes = length_bytes, .crc32c = 0x1000 + index};

    assert_true(length_bytes <= grant->length_max_bytes);
    upload->lengths[index] = length_bytes;
    upload->crcs[index] = block.crc32c;
    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        const unsigned n = crig_node_of(r, &grant->replicas[i].node);

        if ((without >> n & 1) != 0)
            continue;
        assert_true(dfs_grant_check(NULL, grant, i, &r->n.nodes[n].grant_mac));
        nrig_put(&r->n, n, &block, true);
        receipt_make(r, n, &grant->block, length_bytes, block.crc32c);
    }
}

void crig_store_all(struct clients_rig *r)
{
    const struct crig_upload *upload = &r->upload;

    for (uint32_t i = 0; i < upload->blocks; i++)
        crig_store(r, i,
                   (uint32_t)(dfs_block_offset(upload->size_bytes, upload->blocks, i + 1) -
                              dfs_block_offset(upload->size_bytes, upload->blocks, i)),
                   0);
}

struct dfs_m_put_commit crig_commit_message(const struct clients_rig *r)
{
    const struct crig_upload *upload = &r->upload;
    struct dfs_m_put_commit commit = {
        .file = upload->file, .epoch = upload->epoch, .last = 1, .blocks = upload->blocks};

    for (uint32_t i = 0; i < upload->blocks; i++) {
        commit.size_bytes += upload->lengths[i];
        commit.digest = dfs_crc32c_combine(commit.digest, upload->crcs[i], upload->lengths[i]);
    }
    return commit;
}

enum dfs_status crig_commit(struct clients_rig *r, dfs_conn conn, struct dfs_m_put_done *ret_done)
{
    struct dfs_m_put_commit commit = crig_commit_message(r);
    struct fake_message in;

    for (uint32_t at = 0;; at += RECEIPTS_PAGE) {
        const uint32_t left = r->upload.receipts_count - at;

        commit.last = left <= RECEIPTS_PAGE;
        commit.receipts = r->upload.receipts + at;
        commit.receipts_count = commit.last != 0 ? left : RECEIPTS_PAGE;
        in = crig_ask(r, conn, DFS_MSG_PUT_COMMIT, &commit);
        if (r->status != DFS_OK || commit.last != 0)
            break;
    }
    if (in.number == DFS_MSG_PUT_DONE && ret_done != NULL)
        *ret_done = in.body->put_done;
    if (r->status == DFS_OK)
        assert_int_equal(in.number, DFS_MSG_PUT_DONE);
    return r->status;
}

enum dfs_status crig_put(struct clients_rig *r, dfs_conn conn, const char *path, uint64_t size_bytes)
{
    const struct dfs_m_put_open open = crig_open_message(r, path, size_bytes);

    if (crig_open(r, conn, &open) != DFS_OK)
        return r->status;
    crig_store_all(r);
    return crig_commit(r, conn, NULL);
}

/* Names -------------------------------------------------------------------------------------------------- */

enum dfs_status crig_remove(struct clients_rig *r, dfs_conn conn, const char *path, uint64_t if_version)
{
    const struct dfs_m_remove message = {
        .operation = crig_operation(r), .path = dfs_text_of(path), .if_version = if_version};

    (void)crig_ask(r, conn, DFS_MSG_REMOVE, &message);
    return r->status;
}

enum dfs_status crig_move(struct clients_rig *r, dfs_conn conn, const char *path, const char *to_path, bool if_absent)
{
    const struct dfs_m_move message = {.operation = crig_operation(r),
                                       .path = dfs_text_of(path),
                                       .to_path = dfs_text_of(to_path),
                                       .precondition = if_absent ? DFS_IF_ABSENT : DFS_IF_ANY};

    (void)crig_ask(r, conn, DFS_MSG_MOVE, &message);
    return r->status;
}

enum dfs_status crig_restore(struct clients_rig *r, dfs_conn conn, const char *path, uint64_t version)
{
    const struct dfs_m_restore message = {
        .operation = crig_operation(r), .path = dfs_text_of(path), .version = version};

    (void)crig_ask(r, conn, DFS_MSG_RESTORE, &message);
    return r->status;
}

const struct meta_version *crig_version_after(const struct clients_rig *r, uint64_t serial)
{
    const struct meta_version *next = NULL;
    const struct meta_version *version;
    meta_version_no number = 1;

    while ((version = meta_namespace_walk(&r->n.meta->ns, &number)) != NULL) {
        if (version->serial > serial && (next == NULL || version->serial < next->serial))
            next = version;
    }
    return next;
}

uint64_t crig_version(struct clients_rig *r, dfs_conn conn, const char *path)
{
    const struct dfs_m_stat stat = {.path = dfs_text_of(path)};
    const struct fake_message in = crig_ask(r, conn, DFS_MSG_STAT, &stat);

    return r->status == DFS_OK ? in.body->stat_done.version : 0;
}

const char *crig_list(struct clients_rig *r, dfs_conn conn, const char *prefix, const char *after, bool recursive,
                      uint32_t limit)
{
    static char text[65536];
    const struct dfs_m_list list = {
        .prefix = dfs_text_of(prefix), .after = dfs_text_of(after), .recursive = recursive, .limit = limit};
    const struct fake_message in = crig_ask(r, conn, DFS_MSG_LIST, &list);
    size_t at = 0;

    if (r->status != DFS_OK)
        return dfs_status_name(r->status);
    text[0] = '\0';
    for (uint32_t i = 0; i < in.body->list_page.entries_count; i++) {
        const struct dfs_text *path = &in.body->list_page.entries[i].path;

        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", at == 0 ? "" : " ", (int)path->count, path->at);
    }
    if (in.body->list_page.more != 0)
        (void)snprintf(text + at, sizeof text - at, "%s+", at == 0 ? "" : " ");
    return text;
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/client_rig.h"

#include "core/base/crc32c.h"
#include "core/wire/grant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_client_step(machine, event);
}

/* Answers to commands ------------------------------------------------------------------------------------------------------ */

static void on_answer(void *ctx, uint64_t id, const void *answer)
{
    struct client_rig *r = ctx;
    const struct dfs_client_result *result = answer;
    struct rig_result *kept;

    assert_in_range(id, 1, RIG_COMMANDS_MAX - 1);
    assert_non_null(result->words);
    assert_int_not_equal(strlen(result->words), 0);
    kept = &r->results[id];
    assert_int_equal(kept->count, 0);
    *kept = (struct rig_result){.count = 1,
                                .status = result->status,
                                .number = result->number,
                                .bytes = result->bytes,
                                .retry_after_ns = result->retry_after_ns};
    snprintf(kept->words, sizeof kept->words, "%s", result->words);
    if (result->number == DFS_MSG_PUT_DONE) {
        const struct dfs_m_put_done *m = result->message;

        kept->version = m->version;
        kept->replicas_durable = m->replicas_durable;
    } else if (result->number == DFS_MSG_GET_PLAN) {
        kept->version = ((const struct dfs_m_get_plan *)result->message)->version;
    } else if (result->number == DFS_MSG_CHANGED) {
        kept->version = ((const struct dfs_m_changed *)result->message)->version;
    }
}

/* Life ------------------------------------------------------------------------------------------------------------------------ */

static struct dfs_addr address(uint8_t host, uint16_t port)
{
    return (struct dfs_addr){.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, host}, .port = port};
}

void client_rig_init(struct client_rig *r)
{
    memset(r, 0, sizeof *r);
    fake_init(&r->f);
    r->f.on_answer = on_answer;
    r->f.on_answer_ctx = r;
    r->config = (struct dfs_client_config){.auth = address(1, 7001),
                                           .meta = address(2, 7002),
                                           .parallel = 4,
                                           .frame_bytes = 65536,
                                           .pool_bytes = 16 * 1024 * 1024,
                                           .request_timeout_ns = 5 * DFS_SECONDS,
                                           .connect_timeout_ns = 2 * DFS_SECONDS,
                                           .hedge_after_ns = 500 * DFS_MILLISECONDS,
                                           .give_up_after_ns = 20 * DFS_SECONDS,
                                           .bounds = DFS_CLIENT_BOUNDS};
    r->nodes_count = 4;
    for (uint32_t i = 0; i < RIG_NODES_MAX; i++) {
        memset(r->nodes[i].id.bytes, (int)(0xd0 + i), DFS_ID_BYTES);
        r->nodes[i].addr = address((uint8_t)(10 + i), 7003);
        r->nodes[i].incarnation = 100 + i;
    }
    r->copies_wanted = 3;
    r->ack = DFS_ACK_ALL;
    r->durability = DFS_DURABILITY_SYNC;
    r->block_max = 100000;
    r->placement_page = DFS_PLACEMENT_PAGE_MAX;
    r->lease_ns = 600 * DFS_SECONDS;
    r->server_frame_bytes = 65536;
    r->epoch = 5;
    strcpy(r->token, "a.token.of.auth");
    r->token_lifetime_s = 900;
    r->source = malloc(RIG_FILE_BYTES_MAX);
    r->sink = calloc(1, RIG_FILE_BYTES_MAX);
    for (size_t i = 0; i < RIG_FILE_BYTES_MAX; i++)
        r->source[i] = (uint8_t)((i * 2654435761u) >> 13);
}

void client_rig_boot(struct client_rig *r)
{
    const struct dfs_client_token token = {.token = "a.token.of.the.profile"};
    struct dfs_event event = {.kind = DFS_EV_START};

    r->client = dfs_client_new(&r->config, &r->f.env);
    fake_attach(&r->f, r->client, step);
    fake_step(&r->f, &event);
    fake_command(&r->f, 0, DFS_CLIENT_SET_TOKEN, &token);
}

/* As a host does before it frees its machine: transports and files let go of the buffers. */
void client_rig_stop(struct client_rig *r)
{
    for (size_t i = 0; i < r->f.conns_count; i++) {
        struct fake_conn *c = &r->f.conns[i];

        while (c->bulks_count > 0)
            dfs_buf_unref(c->bulks[--c->bulks_count]);
        c->closed = true;
    }
    r->f.locals_count = 0;
    dfs_client_free(r->client);
    r->client = NULL;
}

void client_rig_close(struct client_rig *r)
{
    client_rig_stop(r);
    fake_close(&r->f);
    client_rig_drop_copies(r);
    for (size_t i = 0; i < sizeof r->writes / sizeof *r->writes; i++)
        free(r->writes[i].bytes);
    free(r->source);
    free(r->sink);
}

/* Puppets: common --------------------------------------------------------------------------------------------------------------- */

void client_rig_status(struct client_rig *r, dfs_conn conn, uint32_t request, enum dfs_status status, const char *words)
{
    const struct dfs_m_status m = {.status = (uint8_t)status, .words = dfs_text_of(words)};

    fake_receive(&r->f, conn, request, DFS_MSG_STATUS, &m, NULL, 0);
}

static struct rig_node *node_by_id(struct client_rig *r, const struct dfs_id *id)
{
    for (uint32_t i = 0; i < r->nodes_count; i++)
        if (dfs_id_equal(&r->nodes[i].id, id))
            return &r->nodes[i];
    return NULL;
}

dfs_conn client_rig_conn(struct client_rig *r, enum dfs_role role, const struct dfs_id *node)
{
    for (size_t i = r->f.conns_count; i-- > 0;) {
        const struct fake_conn *c = &r->f.conns[i];

        if (c->outgoing && !c->closed && c->role == role && (node == NULL || dfs_id_equal(&c->node, node)))
            return c->id;
    }
    return 0;
}

void client_rig_reset(struct client_rig *r, enum dfs_role role, const struct dfs_id *node)
{
    const size_t count = r->f.conns_count; /* not those that are made in answer */

    for (size_t i = 0; i < count; i++) {
        struct fake_conn *c = &r->f.conns[i];

        if (!c->outgoing || c->closed || c->role != role || (node != NULL && !dfs_id_equal(&c->node, node)))
            continue;
        c->out_at = c->out_count; /* what was under way is lost */
        for (size_t k = 0; k < sizeof r->writes / sizeof *r->writes; k++)
            if (r->writes[k].conn == c->id)
                r->writes[k].used = false;
        fake_closed(&r->f, c->id, DFS_UNREACHABLE);
    }
}

/* Puppets: metadata ---------------------------------------------------------------------------------------------------------------- */

static uint64_t offset_of(const struct client_rig *r, uint32_t index)
{
    const struct rig_file *file = &r->file;

    if (file->size_bytes == DFS_SIZE_UNKNOWN)
        return (uint64_t)index * file->block_size;
    return dfs_block_offset(file->size_bytes, file->blocks, index);
}

static uint32_t length_of(const struct client_rig *r, uint32_t index)
{
    return (uint32_t)(offset_of(r, index + 1) - offset_of(r, index));
}

/* Servers in turn, without the excluded ones. */
static void place(struct client_rig *r, uint32_t index, uint32_t generation, const struct dfs_w_failure *excluded,
                  uint32_t excluded_count)
{
    struct rig_placed *placed = &r->file.placed[index];

    placed->generation = generation;
    placed->nodes_count = 0;
    for (uint32_t i = 0; i < r->nodes_count && placed->nodes_count < r->copies_wanted; i++) {
        const uint32_t node = (index + i) % r->nodes_count;
        bool is_out = false;

        for (uint32_t k = 0; k < excluded_count; k++)
            is_out = is_out || dfs_id_equal(&excluded[k].node, &r->nodes[node].id);
        if (!is_out)
            placed->nodes[placed->nodes_count++] = node;
    }
}

static void grant(const struct client_rig *r, uint32_t index, enum dfs_grant_operation operation,
                  struct dfs_w_grant *ret_grant, struct dfs_w_replica *replicas)
{
    const struct rig_placed *placed = &r->file.placed[index];

    for (uint32_t i = 0; i < placed->nodes_count; i++) {
        const struct rig_node *node = &r->nodes[placed->nodes[i]];

        replicas[i] = (struct dfs_w_replica){.node = node->id, .incarnation = node->incarnation, .addr = node->addr};
    }
    *ret_grant =
        (struct dfs_w_grant){.block = {.file = r->file.id, .index = index, .generation = placed->generation},
                             .length_max_bytes = operation == DFS_GRANT_READ ? placed->length : length_of(r, index),
                             .operation = (uint8_t)operation,
                             .epoch = r->epoch,
                             .key_id = 1,
                             .replicas = replicas,
                             .replicas_count = placed->nodes_count};
}

struct page {
    struct dfs_w_grant grants[DFS_PLACEMENT_PAGE_MAX];
    struct dfs_w_plan_block plan[DFS_PLACEMENT_PAGE_MAX];
    struct dfs_w_replica replicas[DFS_PLACEMENT_PAGE_MAX][DFS_REPLICAS_MAX];
};

static void on_put_open(struct client_rig *r, dfs_conn conn, const struct fake_message *m)
{
    const struct dfs_m_put_open *open = &m->body->put_open;
    struct page page;
    struct dfs_m_put_plan plan = {.grants = page.grants};

    if (!dfs_id_equal(&open->operation, &r->file.operation)) {
        memset(&r->file, 0, sizeof r->file);
        memset(r->file.id.bytes, 0x11, DFS_ID_BYTES);
        r->file.id.bytes[0] = (uint8_t)r->asked[DFS_MSG_PUT_OPEN];
        r->file.operation = open->operation;
        r->file.size_bytes = open->size_bytes;
        r->file.block_size = r->block_max;
        if (open->size_bytes != DFS_SIZE_UNKNOWN)
            r->file.blocks = (uint32_t)((open->size_bytes + r->block_max - 1) / r->block_max);
        for (uint32_t i = 0; i < r->file.blocks; i++)
            place(r, i, 1, NULL, 0);
    }
    plan.file = r->file.id;
    plan.epoch = r->epoch;
    plan.lease_ns = r->lease_ns;
    plan.block_size_bytes = r->file.block_size;
    plan.blocks = r->file.blocks;
    plan.ack = (uint8_t)(open->ack == DFS_ACK_DEFAULT ? r->ack : (enum dfs_ack)open->ack);
    plan.durability =
        (uint8_t)(open->durability == DFS_DURABILITY_DEFAULT ? r->durability : (enum dfs_durability)open->durability);
    plan.copies_wanted = (uint8_t)r->copies_wanted;
    for (; plan.grants_count < plan.blocks && plan.grants_count < r->placement_page; plan.grants_count++)
        grant(r, plan.grants_count, DFS_GRANT_WRITE, &page.grants[plan.grants_count], page.replicas[plan.grants_count]);
    fake_receive(&r->f, conn, m->request, DFS_MSG_PUT_PLAN, &plan, NULL, 0);
}

static void on_put_place(struct client_rig *r, dfs_conn conn, const struct fake_message *m)
{
    const struct dfs_m_put_place wanted = m->body->put_place;
    struct page page;
    struct dfs_m_put_placed placed = {.first = wanted.first, .grants = page.grants};

    if (wanted.generation > 1) {
        if (wanted.generation == r->file.placed[wanted.first].generation + 1)
            place(r, wanted.first, wanted.generation, wanted.excluded, wanted.excluded_count);
        assert_int_equal(r->file.placed[wanted.first].generation, wanted.generation);
        if (r->file.placed[wanted.first].nodes_count < r->copies_wanted) {
            r->file.placed[wanted.first].generation--;
            client_rig_status(r, conn, m->request, DFS_NOT_ENOUGH_NODES, "too few");
            return;
        }
    }
    for (; placed.grants_count < wanted.count && placed.grants_count < r->placement_page; placed.grants_count++) {
        const uint32_t index = wanted.first + placed.grants_count;

        assert_in_range(index, 0, RIG_BLOCKS_MAX - 1);
        if (r->file.placed[index].generation == 0)
            place(r, index, 1, NULL, 0);
        grant(r, index, DFS_GRANT_WRITE, &page.grants[placed.grants_count], page.replicas[placed.grants_count]);
    }
    fake_receive(&r->f, conn, m->request, DFS_MSG_PUT_PLACED, &placed, NULL, 0);
}

static void commit(struct client_rig *r, const struct dfs_m_put_commit *m)
{
    struct rig_file *file = &r->file;
    uint32_t digest = 0;

    file->size_bytes = m->size_bytes;
    file->blocks = m->blocks;
    for (uint32_t i = 0; i < m->blocks; i++) {
        struct rig_placed *placed = &file->placed[i];
        uint32_t copies = 0;

        for (uint32_t k = 0; k < file->receipts_count; k++) {
            const struct dfs_w_receipt *receipt = &file->receipts[k];

            if (receipt->block.index != i || receipt->block.generation != placed->generation)
                continue;
            placed->length = receipt->length_bytes;
            placed->crc = receipt->crc32c;
            copies++;
        }
        assert_in_range(copies, r->ack == DFS_ACK_ALL ? r->copies_wanted : r->copies_wanted / 2 + 1, r->copies_wanted);
        digest = dfs_crc32c_combine(digest, placed->crc, placed->length);
    }
    assert_int_equal(m->digest, digest);
    file->digest = digest;
    file->version = 1000 + r->asked[DFS_MSG_PUT_OPEN];
}

static void on_put_commit(struct client_rig *r, dfs_conn conn, const struct fake_message *m)
{
    const struct dfs_m_put_commit *body = &m->body->put_commit;
    struct rig_file *file = &r->file;
    struct dfs_m_put_done done = {
        .status = DFS_OK, .file = file->id, .blocks = body->blocks, .replicas_durable = (uint8_t)r->copies_wanted};

    if (file->version == 0) {
        for (uint32_t i = 0; i < body->receipts_count; i++) {
            assert_true(file->receipts_count < sizeof file->receipts / sizeof *file->receipts);
            file->receipts[file->receipts_count++] = body->receipts[i];
        }
        if (!body->last) {
            client_rig_status(r, conn, m->request, DFS_OK, "");
            return;
        }
        commit(r, body);
    }
    done.version = file->version;
    if (r->lose_commit_answer) {
        r->lose_commit_answer = false;
        fake_closed(&r->f, conn, DFS_UNREACHABLE);
        return;
    }
    fake_receive(&r->f, conn, m->request, DFS_MSG_PUT_DONE, &done, NULL, 0);
}

static void on_get_open(struct client_rig *r, dfs_conn conn, const struct fake_message *m)
{
    const struct rig_file *file = &r->file;
    struct page page;
    struct dfs_m_get_plan plan = {.file = file->id,
                                  .version = file->version,
                                  .size_bytes = file->size_bytes,
                                  .blocks = file->blocks,
                                  .digest = file->digest,
                                  .first_block = m->body->get_open.first_block,
                                  .plan = page.plan};

    if (file->version == 0 || (m->body->get_open.version != 0 && m->body->get_open.version != file->version)) {
        client_rig_status(r, conn, m->request, DFS_NOT_FOUND, "no such path");
        return;
    }
    for (uint32_t i = 0; i < plan.first_block; i++)
        plan.first_offset += file->placed[i].length;
    for (; plan.plan_count < r->placement_page && plan.first_block + plan.plan_count < file->blocks;
         plan.plan_count++) {
        const uint32_t index = plan.first_block + plan.plan_count;
        struct dfs_w_plan_block *block = &page.plan[plan.plan_count];

        block->length_bytes = file->placed[index].length;
        block->crc32c = file->placed[index].crc;
        block->lost = file->lost;
        grant(r, index, DFS_GRANT_READ, &block->grant, page.replicas[plan.plan_count]);
    }
    fake_receive(&r->f, conn, m->request, DFS_MSG_GET_PLAN, &plan, NULL, 0);
}

static void on_meta(struct client_rig *r, dfs_conn conn, const struct fake_message *m)
{
    switch (m->number) {
    case DFS_MSG_HELLO:
        client_rig_status(r, conn, m->request, r->hello_status, "hello");
        return;
    case DFS_MSG_PUT_OPEN:
        on_put_open(r, conn, m);
        return;
    case DFS_MSG_PUT_PLACE:
        on_put_place(r, conn, m);
        return;
    case DFS_MSG_PUT_COMMIT:
        on_put_commit(r, conn, m);
        return;
    case DFS_MSG_PUT_ABORT:
        r->file.aborted = true;
        client_rig_status(r, conn, m->request, DFS_OK, "");
        return;
    case DFS_MSG_GET_OPEN:
        on_get_open(r, conn, m);
        return;
    case DFS_MSG_BLOCK_BAD:
        r->bad_count++;
        r->bad = m->body->block_bad;
        client_rig_status(r, conn, m->request, DFS_OK, "");
        return;
    case DFS_MSG_MOVE:
    case DFS_MSG_REMOVE:
    case DFS_MSG_RESTORE: {
        const struct dfs_m_changed changed = {.status = DFS_OK, .version = 77, .words = dfs_text_of("done")};

        fake_receive(&r->f, conn, m->request, DFS_MSG_CHANGED, &changed, NULL, 0);
        return;
    }
    default:
        fail_msg("metadata did not expect %s", dfs_message_name(m->number));
    }
}

/* Puppets: auth ------------------------------------------------------------------------------------------------------------------- */

static void on_auth(struct client_rig *r, dfs_conn conn, const struct fake_message *m)
{
    const struct dfs_m_token token = {.expires_s = r->f.wall / DFS_SECONDS + r->token_lifetime_s,
                                      .scope = dfs_text_of("rw:/"),
                                      .token = dfs_text_of(r->token)};

    assert_true(m->number == DFS_MSG_LOGIN || m->number == DFS_MSG_REFRESH);
    if (r->login_status != DFS_OK)
        client_rig_status(r, conn, m->request, r->login_status, "auth says no");
    else
        fake_receive(&r->f, conn, m->request, DFS_MSG_TOKEN, &token, NULL, 0);
}

/* Puppets: data servers ------------------------------------------------------------------------------------------------------------ */

static void store(struct rig_node *node, const struct dfs_w_block *block, const uint8_t *bytes, uint32_t length)
{
    struct rig_copy *copy = NULL;

    for (uint32_t i = 0; i < RIG_BLOCKS_MAX && copy == NULL; i++)
        if (!node->copies[i].used)
            copy = &node->copies[i];
    assert_non_null(copy);
    copy->used = true;
    copy->block = *block;
    copy->length = length;
    copy->bytes = malloc(length);
    memcpy(copy->bytes, bytes, length);
}

struct rig_copy *client_rig_copy(struct rig_node *node, const struct dfs_id *file, uint32_t index)
{
    struct rig_copy *found = NULL;

    for (uint32_t i = 0; i < RIG_BLOCKS_MAX; i++)
        if (node->copies[i].used && node->copies[i].block.index == index &&
            dfs_id_equal(&node->copies[i].block.file, file) &&
            (found == NULL || found->block.generation < node->copies[i].block.generation))
            found = &node->copies[i];
    return found;
}

void client_rig_drop_copy(struct rig_copy *copy)
{
    free(copy->bytes);
    *copy = (struct rig_copy){.used = false};
}

void client_rig_drop_copies(struct client_rig *r)
{
    for (uint32_t i = 0; i < RIG_NODES_MAX; i++)
        for (uint32_t k = 0; k < RIG_BLOCKS_MAX; k++)
            client_rig_drop_copy(&r->nodes[i].copies[k]);
}

static void written(struct client_rig *r, struct rig_write *write)
{
    struct dfs_w_receipt receipts[DFS_REPLICAS_MAX];
    struct dfs_w_failure failures[DFS_REPLICAS_MAX];
    struct dfs_m_block_written m = {.block = write->header.grant.block,
                                    .attempt = write->header.attempt,
                                    .status = DFS_OK,
                                    .receipts = receipts,
                                    .failures = failures};

    for (uint32_t i = 0; i < write->header.grant.replicas_count; i++) {
        struct rig_node *node = node_by_id(r, &write->replicas[i].node);

        if (node->no_copy || (i > 0 && node->mode != RIG_WELL)) {
            failures[m.failures_count++] = (struct dfs_w_failure){.node = node->id, .status = DFS_TIMEOUT};
            continue;
        }
        store(node, &m.block, write->bytes, write->header.length_bytes);
        receipts[m.receipts_count++] =
            (struct dfs_w_receipt){.block = m.block,
                                   .length_bytes = write->header.length_bytes,
                                   .crc32c = dfs_crc32c(0, write->bytes, write->header.length_bytes),
                                   .node = node->id,
                                   .incarnation = node->incarnation,
                                   .change = 1,
                                   .durable = !node->not_durable && write->header.durability == DFS_DURABILITY_SYNC,
                                   .key_id = 1};
    }
    write->used = false;
    fake_receive(&r->f, write->conn, write->request, DFS_MSG_BLOCK_WRITTEN, &m, NULL, 0);
}

static void on_block_write(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    const struct dfs_m_block_write *body = &m->body->block_write;
    struct rig_write *write = NULL;

    node->writes++;
    assert_int_equal(body->hop, 0);
    assert_true(dfs_id_equal(&body->grant.replicas[0].node, &node->id));
    if (node->refuses != DFS_OK) {
        struct dfs_w_failure self = {.node = node->id, .status = (uint8_t)node->refuses};
        const struct dfs_m_block_written refusal = {.block = body->grant.block,
                                                    .attempt = body->attempt,
                                                    .status = (uint8_t)node->refuses,
                                                    .failures = &self,
                                                    .failures_count = 1};

        fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_WRITTEN, &refusal, NULL, 0);
        return;
    }
    for (size_t i = 0; i < sizeof r->writes / sizeof *r->writes && write == NULL; i++)
        if (!r->writes[i].used)
            write = &r->writes[i];
    assert_non_null(write);
    free(write->bytes);
    *write = (struct rig_write){
        .used = true, .conn = conn, .request = m->request, .header = *body, .bytes = malloc(body->length_bytes)};
    memcpy(write->replicas, body->grant.replicas, body->grant.replicas_count * sizeof *write->replicas);
}

static void on_block_data(struct client_rig *r, dfs_conn conn, const struct fake_message *m)
{
    const struct dfs_m_block_data *body = &m->body->block_data;
    struct rig_write *write = NULL;

    for (size_t i = 0; i < sizeof r->writes / sizeof *r->writes; i++)
        if (r->writes[i].used && r->writes[i].conn == conn && r->writes[i].request == m->request)
            write = &r->writes[i];
    if (write == NULL)
        return; /* of a write that was refused */
    assert_int_equal(body->offset, write->received);
    assert_true(m->bulk_count > 0 && m->bulk_count <= write->header.length_bytes - write->received);
    assert_true(m->bulk_count % DFS_CHUNK_BYTES == 0 || write->received + m->bulk_count == write->header.length_bytes);
    assert_int_equal(body->crcs_count, (m->bulk_count + DFS_CHUNK_BYTES - 1) / DFS_CHUNK_BYTES);
    for (uint32_t i = 0; i < body->crcs_count; i++) {
        const size_t at = (size_t)i * DFS_CHUNK_BYTES;
        const size_t count = m->bulk_count - at < DFS_CHUNK_BYTES ? m->bulk_count - at : DFS_CHUNK_BYTES;

        assert_int_equal(body->crcs[i].crc32c, dfs_crc32c(0, m->bulk + at, count));
    }
    memcpy(write->bytes + write->received, m->bulk, m->bulk_count);
    write->received += (uint32_t)m->bulk_count;
    if (write->received == write->header.length_bytes)
        written(r, write);
}

static void read_end(struct client_rig *r, dfs_conn conn, uint32_t request, const struct dfs_w_block *block,
                     enum dfs_status status)
{
    const struct dfs_m_block_end end = {.block = *block, .status = (uint8_t)status};

    if (!fake_conn_of(&r->f, conn)->closed)
        fake_receive(&r->f, conn, request, DFS_MSG_BLOCK_END, &end, NULL, 0);
}

static void on_block_read(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    const struct dfs_m_block_read body = m->body->block_read;
    const struct dfs_w_block block = body.grant.block;
    const struct rig_copy *copy = client_rig_copy(node, &block.file, block.index);
    const uint32_t end = body.offset + body.length_bytes;
    uint8_t *bytes;

    node->reads++;
    assert_true(dfs_id_equal(&body.grant.replicas[body.hop].node, &node->id));
    assert_int_equal(body.offset % DFS_CHUNK_BYTES, 0);
    if (node->refuses != DFS_OK || copy == NULL) {
        read_end(r, conn, m->request, &block, node->refuses != DFS_OK ? node->refuses : DFS_BLOCK_MISSING);
        return;
    }
    assert_true(end <= copy->length);
    bytes = malloc(copy->length);
    memcpy(bytes, copy->bytes, copy->length);
    if (node->wrong_block)
        memset(bytes + copy->length / 2, 0xee, copy->length - copy->length / 2);
    for (uint32_t at = body.offset; at < end && !fake_conn_of(&r->f, conn)->closed;) {
        struct dfs_w_crc crcs[DFS_CHUNKS_PER_FRAME_MAX];
        const uint32_t count = end - at < r->server_frame_bytes ? end - at : r->server_frame_bytes;
        struct dfs_m_block_data data = {.offset = at, .crcs = crcs};

        for (uint32_t k = 0; k < count; k += DFS_CHUNK_BYTES)
            crcs[data.crcs_count++].crc32c =
                dfs_crc32c(0, bytes + at + k, count - k < DFS_CHUNK_BYTES ? count - k : DFS_CHUNK_BYTES);
        if (node->flips_byte && at + count == end)
            bytes[at] ^= 1; /* behind the checksum's back */
        fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_DATA, &data, bytes + at, count);
        at += count;
    }
    free(bytes);
    read_end(r, conn, m->request, &block, DFS_OK);
}

static void on_data(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    switch (m->number) {
    case DFS_MSG_HELLO:
        client_rig_status(r, conn, m->request, DFS_OK, "");
        return;
    case DFS_MSG_BLOCK_WRITE:
        on_block_write(r, conn, node, m);
        return;
    case DFS_MSG_BLOCK_DATA:
        on_block_data(r, conn, m);
        return;
    case DFS_MSG_BLOCK_READ:
        on_block_read(r, conn, node, m);
        return;
    default:
        fail_msg("a data server did not expect %s", dfs_message_name(m->number));
    }
}

/* Local files ------------------------------------------------------------------------------------------------------------------------ */

static bool answer_local(struct client_rig *r)
{
    const struct fake_local l = r->f.locals_count > 0 ? r->f.locals[0] : (struct fake_local){.kind = FAKE_PULL};
    uint64_t count = 0;

    if (r->f.locals_count == 0)
        return false;
    if (l.kind == FAKE_PULL) {
        if (r->source_stalls)
            return false;
        if (r->source_is_a_pipe) {
            assert_int_equal(l.offset, r->pull_next);
            r->pull_next = l.offset + l.length;
        }
        if (l.offset < r->source_bytes)
            count = r->source_bytes - l.offset < l.length ? r->source_bytes - l.offset : l.length;
        memcpy(l.buf->bytes + l.buf_offset, r->source + l.offset, count);
        r->pulled_bytes += count;
        fake_local_answer(&r->f, count, r->source_status);
        return true;
    }
    if (r->sink_stalls)
        return false;
    if (l.kind == FAKE_PUSH) {
        if (r->sink_is_ordered) {
            assert_int_equal(l.offset, r->push_next);
            r->push_next = l.offset + l.length;
        }
        assert_true(l.offset + l.length <= RIG_FILE_BYTES_MAX);
        memcpy(r->sink + l.offset, l.buf->bytes + l.buf_offset, l.length);
        if (r->sink_bytes < l.offset + l.length)
            r->sink_bytes = l.offset + l.length;
    } else {
        r->finishes++;
        r->committed = l.commit;
    }
    fake_local_answer(&r->f, 0, r->sink_status);
    return true;
}

/* The world turns ---------------------------------------------------------------------------------------------------------------------- */

static enum rig_mode mode_of(struct client_rig *r, const struct fake_conn *c, struct rig_node **ret_node)
{
    *ret_node = NULL;
    if (c->role == DFS_ROLE_META)
        return r->meta_mode;
    if (c->role == DFS_ROLE_AUTH)
        return r->auth_mode;
    *ret_node = node_by_id(r, &c->node);
    assert_non_null(*ret_node);
    return (*ret_node)->mode;
}

/* One thing on this connection; false: nothing to do. */
static bool turn(struct client_rig *r, struct fake_conn *c)
{
    struct rig_node *node;
    const enum rig_mode mode = mode_of(r, c, &node);

    if (!c->outgoing || c->closed || mode == RIG_UNSEEN)
        return false;
    if (mode == RIG_REFUSES) {
        fake_closed(&r->f, c->id, DFS_UNREACHABLE);
        return true;
    }
    if (!c->open) {
        fake_open(&r->f, c->id);
        return true;
    }
    if (mode == RIG_MUTE)
        return false;
    const struct fake_message m = fake_sent(&r->f, c->id);

    if (m.number != 0) {
        r->asked[m.number]++;
        if (r->on_message != NULL && r->on_message(r, c->id, node, &m))
            return true;
        if (c->role == DFS_ROLE_META)
            on_meta(r, c->id, &m);
        else if (c->role == DFS_ROLE_AUTH)
            on_auth(r, c->id, &m);
        else
            on_data(r, c->id, node, &m);
        return true;
    }
    if (c->bulks_count > 0) {
        fake_sent_one(&r->f, c->id);
        return true;
    }
    return false;
}

void client_rig_run(struct client_rig *r)
{
    unsigned turns = 0;
    bool moved = true;

    while (moved) {
        assert_in_range(++turns, 0, 1000000);
        moved = answer_local(r);
        for (size_t i = 0; i < r->f.conns_count; i++)
            moved = turn(r, &r->f.conns[i]) || moved;
        if (!moved && r->f.deadline <= r->f.mono) { /* what is due now is no passing of time */
            fake_tick(&r->f);
            moved = true;
        }
    }
}

void client_rig_pass(struct client_rig *r, dfs_duration_ns length)
{
    const dfs_time_ns end = r->f.mono + length;

    client_rig_run(r);
    while (r->f.mono < end) {
        const dfs_time_ns next = r->f.deadline < end ? r->f.deadline : end;

        r->f.wall += next - r->f.mono;
        r->f.mono = next;
        if (r->f.deadline <= next)
            fake_tick(&r->f);
        client_rig_run(r);
    }
}

/* Commands ------------------------------------------------------------------------------------------------------------------------------- */

void client_rig_do(struct client_rig *r, uint64_t id, uint32_t code, const void *argument)
{
    r->results[id] = (struct rig_result){.count = 0};
    fake_command(&r->f, id, code, argument);
    client_rig_run(r);
}

struct dfs_client_put client_rig_put_of(const struct client_rig *r, const char *path, uint64_t bytes)
{
    (void)r;
    return (struct dfs_client_put){.path = path, .source = 3, .size_bytes = bytes, .rereadable = true};
}

void client_rig_put(struct client_rig *r, uint64_t id, const char *path, uint64_t bytes)
{
    const struct dfs_client_put put = client_rig_put_of(r, path, bytes);

    r->source_bytes = bytes;
    client_rig_do(r, id, DFS_CLIENT_PUT, &put);
}

struct dfs_client_get client_rig_get_of(const char *path)
{
    return (struct dfs_client_get){.path = path, .sink = 4, .last = DFS_SIZE_UNKNOWN};
}

void client_rig_get(struct client_rig *r, uint64_t id, const char *path)
{
    const struct dfs_client_get get = client_rig_get_of(path);

    client_rig_do(r, id, DFS_CLIENT_GET, &get);
}

void client_rig_have(struct client_rig *r, uint64_t bytes)
{
    struct rig_file *file = &r->file;

    memset(file, 0, sizeof *file);
    memset(file->id.bytes, 0x22, DFS_ID_BYTES);
    file->size_bytes = bytes;
    file->blocks = (uint32_t)((bytes + r->block_max - 1) / r->block_max);
    file->version = 500;
    r->source_bytes = bytes;
    assert_true(file->blocks <= RIG_BLOCKS_MAX);
    for (uint32_t i = 0; i < file->blocks; i++) {
        struct rig_placed *placed = &file->placed[i];
        const struct dfs_w_block block = {.file = file->id, .index = i, .generation = 1};

        place(r, i, 1, NULL, 0);
        placed->length = length_of(r, i);
        placed->crc = dfs_crc32c(0, r->source + offset_of(r, i), placed->length);
        file->digest = dfs_crc32c_combine(file->digest, placed->crc, placed->length);
        for (uint32_t k = 0; k < placed->nodes_count; k++)
            store(&r->nodes[placed->nodes[k]], &block, r->source + offset_of(r, i), placed->length);
    }
}

void client_rig_check_stored(struct client_rig *r, uint32_t copies)
{
    uint64_t offset = 0;

    assert_int_not_equal(r->file.version, 0);
    for (uint32_t i = 0; i < r->file.blocks; i++) {
        const struct rig_placed *placed = &r->file.placed[i];
        uint32_t good = 0;

        for (uint32_t k = 0; k < placed->nodes_count; k++) {
            const struct rig_copy *copy = client_rig_copy(&r->nodes[placed->nodes[k]], &r->file.id, i);

            if (copy == NULL || copy->block.generation != placed->generation)
                continue;
            assert_int_equal(copy->length, placed->length);
            assert_memory_equal(copy->bytes, r->source + offset, copy->length);
            good++;
        }
        assert_in_range(good, copies, DFS_REPLICAS_MAX);
        offset += placed->length;
    }
    assert_int_equal(offset, r->source_bytes);
}

void client_rig_check_sink(struct client_rig *r, uint64_t first, uint64_t count)
{
    assert_int_equal(r->finishes, 1);
    assert_true(r->committed);
    assert_int_equal(r->sink_bytes, count);
    assert_memory_equal(r->sink, r->source + first, count);
}

/*
 * A start of metadata over arbitrary bytes: as a segment, as a checkpoint, and as records in a batch whose checksum is right. It may refuse; it may
 * not fall over.
 */
#include "core/meta/journal.h"
#include "core/meta/meta.h"

#include <stdlib.h>
#include <string.h>

#define OPS_MAX 64
#define FILE_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct file {
    char name[DFS_FILE_NAME_BYTES_MAX];
    uint8_t bytes[FILE_BYTES_MAX];
    size_t count;
};

struct world {
    struct dfs_disk_op ops[OPS_MAX];
    char names[OPS_MAX][DFS_FILE_NAME_BYTES_MAX];
    size_t ops_count;
    struct file files[2];
    size_t files_count;
    dfs_conn conns;
};

static struct world world;

static dfs_conn net_connect(void *ctx, const struct dfs_addr *to, enum dfs_role role, const struct dfs_id *node,
                            void *user)
{
    (void)ctx, (void)to, (void)role, (void)node, (void)user;
    return ++world.conns;
}
static void net_attach(void *ctx, dfs_conn conn, struct dfs_sink *sink, void *user)
{
    (void)ctx, (void)conn, (void)sink, (void)user;
}
static void net_resume(void *ctx, dfs_conn conn)
{
    (void)ctx, (void)conn;
}
static void net_send(void *ctx, dfs_conn conn, const void *head, size_t head_bytes, struct dfs_buf *bulk,
                     size_t bulk_offset, size_t bulk_bytes)
{
    (void)ctx, (void)conn, (void)head, (void)head_bytes, (void)bulk, (void)bulk_offset, (void)bulk_bytes;
}
static void net_close(void *ctx, dfs_conn conn)
{
    (void)ctx, (void)conn;
}
static void net_datagram(void *ctx, const struct dfs_addr *to, const void *bytes, size_t count)
{
    (void)ctx, (void)to, (void)bytes, (void)count;
}
static void disk_submit(void *ctx, const struct dfs_disk_op *op)
{
    (void)ctx;
    if (world.ops_count == OPS_MAX)
        abort();
    world.ops[world.ops_count] = *op;
    if (op->name != NULL)
        memcpy(world.names[world.ops_count], op->name, strlen(op->name) + 1);
    world.ops_count++;
}
static void rng_random(void *ctx, uint32_t purpose, void *bytes, size_t count)
{
    (void)ctx, (void)purpose;
    memset(bytes, 7, count);
}
static void trace_trace(void *ctx, const struct dfs_trace *trace)
{
    (void)ctx, (void)trace;
}

static const struct dfs_net_ops net_ops = {.connect = net_connect,
                                           .attach = net_attach,
                                           .resume = net_resume,
                                           .send = net_send,
                                           .close = net_close,
                                           .datagram = net_datagram};
static const struct dfs_disk_ops disk_ops = {.submit = disk_submit};
static const struct dfs_rng_ops rng_ops = {.random = rng_random};
static const struct dfs_trace_ops trace_ops = {.trace = trace_trace};

static void file_add(const char *name, const uint8_t *bytes, size_t count)
{
    struct file *file = &world.files[world.files_count++];

    memset(file, 0, sizeof *file);
    memcpy(file->name, name, strlen(name) + 1);
    memcpy(file->bytes, bytes, count);
    file->count = count;
}

/* The input as the records of one batch. */
static void batch_add(const char *name, uint64_t magic, const uint8_t *records, size_t count)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    const struct meta_batch batch = {
        .magic = magic, .number = 1, .epoch = 1, .own = 1, .segment = 1, .bytes = (uint32_t)count, .records = 1};

    memcpy(bytes + META_BATCH_HEADER_BYTES, records, count);
    file_add(name, bytes, meta_batch_seal(&batch, bytes, sizeof bytes));
}

static struct dfs_disk_done disk_answer(const struct dfs_disk_op *op, const char *name,
                                        struct dfs_disk_entry entries[2])
{
    struct dfs_disk_done done = {.verb = op->verb, .token = op->token};

    if (op->verb == DFS_DISK_LIST) {
        for (size_t i = 0; i < world.files_count; i++)
            entries[i] = (struct dfs_disk_entry){.name = world.files[i].name, .bytes = world.files[i].count};
        done.count = world.files_count;
        done.entries = entries;
    }
    if (op->verb == DFS_DISK_READ) {
        done.status = DFS_NOT_FOUND;
        for (size_t i = 0; i < world.files_count; i++) {
            const struct file *file = &world.files[i];

            if (strcmp(file->name, name) != 0)
                continue;
            done.status = DFS_OK;
            done.count = op->offset >= file->count ? 0 : file->count - op->offset;
            if (done.count > op->length)
                done.count = op->length;
            if (done.count > 0)
                memcpy(op->buf->bytes + op->buf_offset, file->bytes + op->offset, (size_t)done.count);
        }
    }
    return done;
}

static void start(void)
{
    const struct dfs_meta_config config = {
        .issuer = "fuzz",
        .heartbeat_interval_ns = DFS_SECONDS,
        .replication = 3,
        .ack = DFS_ACK_ALL,
        .durability = DFS_DURABILITY_SYNC,
        .block_min_bytes = 100000,
        .block_max_bytes = 10000000,
        .blocks_spread = 4,
        .repair_per_source = 2,
        .repair_per_target = 2,
        .repair_total = 8,
        .brake_nodes = 3,
        .warmup_intervals = 5,
        .checkpoint_every_bytes = 64000000,
        .journal_batch = 100,
        .ring_weight_unit = 64,
        .conns_max = 16,
        .request_timeout_ns = DFS_SECONDS,
        .connect_timeout_ns = DFS_SECONDS,
    };
    const struct dfs_env env = {
        .ctx = &world, .net = &net_ops, .disk = &disk_ops, .rng = &rng_ops, .trace = &trace_ops};
    struct dfs_meta *meta = dfs_meta_new(&config, &env);
    struct dfs_event event = {.kind = DFS_EV_START, .mono = 1, .wall = DFS_SECONDS};

    (void)dfs_meta_step(meta, &event);
    while (world.ops_count > 0) {
        struct dfs_disk_entry entries[2];
        const struct dfs_disk_op op = world.ops[0];
        char name[DFS_FILE_NAME_BYTES_MAX];

        memcpy(name, world.names[0], sizeof name);
        world.ops_count--;
        memmove(world.ops, world.ops + 1, world.ops_count * sizeof world.ops[0]);
        memmove(world.names, world.names + 1, world.ops_count * sizeof world.names[0]);
        event = (struct dfs_event){.kind = DFS_EV_DISK,
                                   .mono = event.mono + 1,
                                   .wall = event.wall + 1,
                                   .disk = disk_answer(&op, name, entries)};
        (void)dfs_meta_step(meta, &event);
    }
    for (unsigned i = 0; i < 20; i++) { /* past warm-up: what was read is worked with */
        event = (struct dfs_event){.kind = DFS_EV_TICK, .mono = event.mono + DFS_SECONDS / 20, .wall = event.wall};
        (void)dfs_meta_step(meta, &event);
    }
    world.ops_count = 0;
    dfs_meta_free(meta);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > FILE_BYTES_MAX / 2)
        return 0;
    world.files_count = 0;
    world.ops_count = 0;
    world.conns = 0;
    switch (data[0] & 3) {
    case 0:
        file_add("journal-0000000001", data + 1, size - 1);
        break;
    case 1:
        batch_add("journal-0000000001", META_MAGIC_JOURNAL, data + 1, size - 1);
        break;
    case 2:
        batch_add("checkpoint-0000000001", META_MAGIC_CHECKPOINT, data + 1, size - 1);
        break;
    default: {
        const size_t half = (size - 1) / 2;

        batch_add("checkpoint-0000000001", META_MAGIC_CHECKPOINT, data + 1, half);
        batch_add("journal-0000000001", META_MAGIC_JOURNAL, data + 1 + half, size - 1 - half);
        break;
    }
    }
    start();
    return 0;
}

#include "tests/unit/net_sim/toy.h"

#define BLOCK (10 * SIM_PAGE_BYTES)
#define LIST_MAX 64

struct rig {
    struct sim_world *world;
    struct sim_disk *disk;
    struct toy_plan plan;
    struct dfs_disk_done done; /* of the last answer */
    dfs_time_ns done_at;
    uint64_t answers;
    uint64_t tokens[256]; /* in the order of answers */
    char names[LIST_MAX][DFS_FILE_NAME_BYTES_MAX];
    uint64_t sizes[LIST_MAX];
    struct dfs_buf_pool pool;
    struct dfs_buf *buf;  /* to write from */
    struct dfs_buf *into; /* to read into */
};

static void on_disk(struct toy *toy, const struct dfs_event *event)
{
    struct rig *rig = toy->plan->arg;

    if (event->kind == DFS_EV_COMMAND) {
        toy->env.disk->submit(toy->env.ctx, event->command.argument);
    } else if (event->kind == DFS_EV_DISK) {
        rig->done = event->disk;
        rig->done_at = sim_world_now(rig->world);
        if (rig->answers < 256)
            rig->tokens[rig->answers] = event->disk.token;
        rig->answers++;
        if (event->disk.verb == DFS_DISK_LIST) {
            for (uint64_t i = 0; i < event->disk.count && i < LIST_MAX; i++) {
                strcpy(rig->names[i], event->disk.entries[i].name);
                rig->sizes[i] = event->disk.entries[i].bytes;
            }
        }
    }
}

static void rig_open(struct rig *rig, uint64_t seed, const struct sim_disk_options *options)
{
    memset(rig, 0, sizeof *rig);
    rig->world = sim_world_new(seed, NULL);
    rig->disk = sim_disk_new(rig->world, "d1", options);
    rig->plan.on = on_disk;
    rig->plan.arg = rig;
    dfs_buf_pool_init(&rig->pool, (size_t)16 << 20);
    rig->buf = dfs_buf_new(&rig->pool, (size_t)1 << 20);
    rig->into = dfs_buf_new(&rig->pool, (size_t)1 << 20);
    sim_host_start(toy_host_add(rig->world, "d1", 1, &rig->plan, rig->disk), &toy_ops, &rig->plan);
    (void)sim_world_run(rig->world, 1);
}

static void rig_close(struct rig *rig)
{
    sim_world_free(rig->world);
    dfs_buf_unref(rig->buf);
    dfs_buf_unref(rig->into);
    dfs_buf_pool_close(&rig->pool);
}

static void submit(struct rig *rig, struct dfs_disk_op op)
{
    assert_true(sim_host_command(rig->plan.host, 1, 1, &op, sizeof op));
}

static enum dfs_status answer(struct rig *rig)
{
    const uint64_t answers = rig->answers;

    while (rig->answers == answers)
        assert_true(sim_world_step_one(rig->world));
    return rig->done.status;
}

static enum dfs_status run_op(struct rig *rig, struct dfs_disk_op op)
{
    submit(rig, op);
    return answer(rig);
}

static enum dfs_status create(struct rig *rig, const char *name, uint64_t reserve)
{
    return run_op(rig, (struct dfs_disk_op){.verb = DFS_DISK_CREATE, .name = name, .length = reserve});
}

static struct dfs_disk_op write_op(struct rig *rig, const char *name, uint64_t salt, uint64_t offset, size_t count)
{
    toy_fill(rig->buf->bytes + 3, salt, offset, count);
    return (struct dfs_disk_op){
        .verb = DFS_DISK_WRITE, .name = name, .buf = rig->buf, .buf_offset = 3, .offset = offset, .length = count};
}

static enum dfs_status put(struct rig *rig, const char *name, uint64_t salt, uint64_t offset, size_t count)
{
    return run_op(rig, write_op(rig, name, salt, offset, count));
}

static enum dfs_status simple(struct rig *rig, enum dfs_disk_verb verb, const char *name)
{
    return run_op(rig, (struct dfs_disk_op){.verb = verb, .name = name});
}

static enum dfs_status publish(struct rig *rig, const char *name, const char *name2)
{
    return run_op(rig, (struct dfs_disk_op){.verb = DFS_DISK_PUBLISH, .name = name, .name2 = name2});
}

/* Reads into rig->into from 0. */
static enum dfs_status get(struct rig *rig, const char *name, uint64_t offset, size_t count)
{
    return run_op(rig, (struct dfs_disk_op){
                           .verb = DFS_DISK_READ, .name = name, .buf = rig->into, .offset = offset, .length = count});
}

static bool is_durable(struct rig *rig, const char *name, uint64_t salt, size_t count)
{
    const struct sim_file *file = sim_disk_find(rig->disk, SIM_DURABLE, name);
    uint8_t *bytes = dfs_alloc(count + 1);
    bool same;

    same = file != NULL && sim_file_bytes(file, SIM_DURABLE) == count &&
           sim_file_read(file, SIM_DURABLE, 0, bytes, count + 1) == count && toy_is_filled(bytes, salt, 0, count);
    dfs_free(bytes);
    return same;
}

/* The verbs -------------------------------------------------------------------------------------------------------- */

static void test_a_file_from_create_to_remove(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    assert_int_equal(create(&rig, "a.tmp", 0), DFS_OK);
    assert_int_equal(create(&rig, "a.tmp", 0), DFS_EXISTS);
    assert_int_equal(put(&rig, "a.tmp", 1, 0, 10000), DFS_OK);
    assert_int_equal(put(&rig, "a.tmp", 1, 10000, 777), DFS_OK);
    assert_int_equal(simple(&rig, DFS_DISK_SYNC, "a.tmp"), DFS_OK);
    assert_int_equal(publish(&rig, "a.tmp", "a"), DFS_OK);
    assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
    assert_int_equal(get(&rig, "a.tmp", 0, 10), DFS_NOT_FOUND);
    assert_int_equal(get(&rig, "a", 0, 100000), DFS_OK);
    assert_int_equal(rig.done.count, 10777);
    assert_true(toy_is_filled(rig.into->bytes, 1, 0, 10777));
    assert_int_equal(get(&rig, "a", 5000, 100), DFS_OK);
    assert_int_equal(rig.done.count, 100);
    assert_true(toy_is_filled(rig.into->bytes, 1, 5000, 100));
    assert_int_equal(get(&rig, "a", 10777, 1), DFS_OK);
    assert_int_equal(rig.done.count, 0);
    assert_true(is_durable(&rig, "a", 1, 10777));
    assert_int_equal(put(&rig, "a", 1, 0, 1), DFS_IO); /* closed by PUBLISH */
    assert_int_equal(create(&rig, "b", 0), DFS_OK);
    assert_int_equal(publish(&rig, "b", "a"), DFS_EXISTS);
    assert_int_equal(simple(&rig, DFS_DISK_FORGET, "b"), DFS_OK);
    assert_int_equal(put(&rig, "b", 1, 0, 1), DFS_IO);
    assert_int_equal(simple(&rig, DFS_DISK_REMOVE, "b"), DFS_OK);
    assert_int_equal(simple(&rig, DFS_DISK_REMOVE, "b"), DFS_NOT_FOUND);
    assert_int_equal(simple(&rig, DFS_DISK_REMOVE, "a"), DFS_OK);
    assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
    assert_int_equal(sim_disk_usage(rig.disk).files, 0);
    assert_int_equal(sim_disk_usage(rig.disk).used_bytes, 0);
    assert_int_equal(sim_disk_usage(rig.disk).unsynced_names, 0);
    rig_close(&rig);
}

static void test_list_is_sorted_and_space_counts_reservations(void **state)
{
    static const char *const names[] = {"b", "aa", "c", "a", "B", "a-"};
    static const char *const sorted[] = {"B", "a", "a-", "aa", "b", "c"};
    struct sim_disk_options options = sim_disk_options_default();
    struct rig rig;

    (void)state;
    options.capacity_bytes = 1000000;
    rig_open(&rig, 1, &options);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(create(&rig, names[i], i == 2 ? 100000 : 0), DFS_OK);
    assert_int_equal(put(&rig, "b", 1, 0, 5000), DFS_OK);
    assert_int_equal(simple(&rig, DFS_DISK_LIST, NULL), DFS_OK);
    assert_int_equal(rig.done.count, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_string_equal(rig.names[i], sorted[i]);
    assert_int_equal(rig.sizes[4], 5000);
    assert_int_equal(rig.sizes[5], 0); /* reserved room is not size */
    assert_int_equal(simple(&rig, DFS_DISK_SPACE, NULL), DFS_OK);
    assert_int_equal(rig.done.capacity_bytes, 1000000);
    assert_int_equal(rig.done.free_bytes, 1000000 - 8192 - 102400);
    rig_close(&rig);
}

static void test_holes_read_as_zeros(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    assert_int_equal(create(&rig, "a", 0), DFS_OK);
    assert_int_equal(put(&rig, "a", 1, 20000, 10), DFS_OK);
    assert_int_equal(put(&rig, "a", 1, 100, 10), DFS_OK);
    assert_int_equal(get(&rig, "a", 0, 30000), DFS_OK);
    assert_int_equal(rig.done.count, 20010);
    for (size_t i = 0; i < 20010; i++)
        if (i < 100 || (i >= 110 && i < 20000))
            assert_int_equal(rig.into->bytes[i], 0);
    assert_true(toy_is_filled(rig.into->bytes + 100, 1, 100, 10));
    assert_true(toy_is_filled(rig.into->bytes + 20000, 1, 20000, 10));
    rig_close(&rig);
}

static void test_latency_and_throughput_are_a_queue(void **state)
{
    struct sim_disk_options options = sim_disk_options_default();
    struct rig rig;

    (void)state;
    options.bytes_per_second = 1000000; /* a microsecond a byte */
    options.sync_latency = (struct sim_range){.min = DFS_MILLISECONDS, .max = DFS_MILLISECONDS};
    rig_open(&rig, 1, &options);
    assert_int_equal(create(&rig, "a", 0), DFS_OK);
    assert_int_equal(rig.done_at, 1 + 100 * DFS_MICROSECONDS);
    submit(&rig, write_op(&rig, "a", 1, 0, 1000));
    submit(&rig, write_op(&rig, "a", 1, 0, 1000));
    assert_int_equal(answer(&rig), DFS_OK);
    assert_int_equal(rig.done_at, 1 + 1200 * DFS_MICROSECONDS);
    assert_int_equal(answer(&rig), DFS_OK);
    assert_int_equal(rig.done_at, 1 + 2200 * DFS_MICROSECONDS);
    assert_int_equal(simple(&rig, DFS_DISK_SYNC, "a"), DFS_OK);
    assert_int_equal(rig.done_at, 1 + 3200 * DFS_MICROSECONDS);
    sim_disk_slow(rig.disk, 10);
    assert_int_equal(put(&rig, "a", 1, 0, 1000), DFS_OK);
    assert_int_equal(rig.done_at, 1 + (3200 + 11000) * DFS_MICROSECONDS);
    rig_close(&rig);
}

static void test_operations_on_one_name_keep_their_order(void **state)
{
    struct sim_disk_options options = sim_disk_options_default();
    bool overtook = false;
    struct rig rig;

    (void)state;
    options.latency = (struct sim_range){.min = 1000, .max = 10000000};
    rig_open(&rig, 1, &options);
    for (uint64_t i = 0; i < 20; i++) {
        struct dfs_disk_op op = {.verb = DFS_DISK_CREATE, .token = 10 * i, .name = i % 2 == 0 ? "a" : "b"};

        submit(&rig, op);
        op.verb = DFS_DISK_REMOVE;
        op.token++;
        submit(&rig, op);
    }
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(answer(&rig), DFS_OK); /* else a CREATE would meet EXISTS, a REMOVE NOT_FOUND */
    for (unsigned i = 1; i < 40; i++)
        overtook |= rig.tokens[i] < rig.tokens[i - 1];
    assert_true(overtook); /* between names there is no order */
    rig_close(&rig);
}

static void test_copies_share_memory(void **state)
{
    struct rig rig;
    const struct sim_file *a;
    const struct sim_file *b;

    (void)state;
    rig_open(&rig, 1, NULL);
    for (unsigned i = 0; i < 3; i++) {
        char name[] = {'a', (char)('0' + i), 0};

        assert_int_equal(create(&rig, "tmp", 0), DFS_OK);
        assert_int_equal(put(&rig, "tmp", i == 2 ? 9 : 1, 0, 20000 + 37), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC, "tmp"), DFS_OK);
        assert_int_equal(publish(&rig, "tmp", name), DFS_OK);
    }
    a = sim_disk_find(rig.disk, SIM_NOW, "a0");
    b = sim_disk_find(rig.disk, SIM_NOW, "a1");
    assert_int_equal(sim_file_fingerprint(a, SIM_NOW), sim_file_fingerprint(b, SIM_NOW));
    assert_int_equal(sim_file_fingerprint(a, SIM_NOW), sim_file_fingerprint(a, SIM_DURABLE));
    b = sim_disk_find(rig.disk, SIM_NOW, "a2");
    assert_int_not_equal(sim_file_fingerprint(a, SIM_NOW), sim_file_fingerprint(b, SIM_NOW));
    rig_close(&rig);
}

/* What is durable -------------------------------------------------------------------------------------------------- */

static void crash(struct rig *rig, enum sim_unsynced mode)
{
    sim_host_crash(rig->plan.host, mode, SIM_STREAMS_SILENT);
    sim_host_restart(rig->plan.host);
}

static void test_a_sync_covers_only_writes_that_were_done_before(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    assert_int_equal(create(&rig, "a", 0), DFS_OK);
    assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
    assert_int_equal(put(&rig, "a", 1, 0, BLOCK), DFS_OK);
    submit(&rig, write_op(&rig, "a", 1, BLOCK, BLOCK)); /* under way when the sync is submitted */
    submit(&rig, (struct dfs_disk_op){.verb = DFS_DISK_SYNC, .name = "a"});
    assert_int_equal(answer(&rig), DFS_OK);
    assert_int_equal(answer(&rig), DFS_OK);
    assert_int_equal(rig.done.verb, DFS_DISK_SYNC);
    assert_true(is_durable(&rig, "a", 1, BLOCK));
    crash(&rig, SIM_UNSYNCED_LOSE);
    assert_true(is_durable(&rig, "a", 1, BLOCK));
    rig_close(&rig);
}

static void test_a_write_during_a_sync_is_not_covered_by_it(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    assert_int_equal(create(&rig, "a", 0), DFS_OK);
    assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
    assert_int_equal(put(&rig, "a", 1, 0, 5000), DFS_OK);
    submit(&rig, (struct dfs_disk_op){.verb = DFS_DISK_SYNC, .name = "a"});
    submit(&rig, write_op(&rig, "a", 2, 0, 5000));
    assert_int_equal(answer(&rig), DFS_OK);
    assert_int_equal(answer(&rig), DFS_OK);
    assert_int_equal(get(&rig, "a", 0, 5000), DFS_OK);
    assert_true(toy_is_filled(rig.into->bytes, 2, 0, 5000));
    assert_true(is_durable(&rig, "a", 1, 5000));
    assert_int_equal(simple(&rig, DFS_DISK_SYNC, "a"), DFS_OK);
    assert_true(is_durable(&rig, "a", 2, 5000));
    rig_close(&rig);
}

/* The same bytes, whole pages and parts of pages, overwritten by a write that is carried out between the submission of
 * the sync and its end: stable storage has what was there when the sync was submitted. */
static void test_a_sync_stores_what_was_there_at_its_submission(void **state)
{
    static const size_t counts[] = {100, SIM_PAGE_BYTES, 5000};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct rig rig;

        rig_open(&rig, 1, NULL);
        assert_int_equal(create(&rig, "a", 0), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
        assert_int_equal(put(&rig, "a", 1, 0, counts[i]), DFS_OK);
        submit(&rig, write_op(&rig, "a", 2, 0, counts[i]));
        submit(&rig, (struct dfs_disk_op){.verb = DFS_DISK_SYNC, .name = "a"});
        assert_int_equal(answer(&rig), DFS_OK);
        assert_int_equal(rig.done.verb, DFS_DISK_WRITE);
        assert_int_equal(answer(&rig), DFS_OK);
        assert_true(is_durable(&rig, "a", 1, counts[i]));
        assert_int_equal(get(&rig, "a", 0, counts[i]), DFS_OK);
        assert_true(toy_is_filled(rig.into->bytes, 2, 0, counts[i]));
        crash(&rig, SIM_UNSYNCED_LOSE);
        assert_true(is_durable(&rig, "a", 1, counts[i]));
        rig_close(&rig);
    }
}

static void test_sync_dir_covers_names_done_before_it(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    assert_int_equal(create(&rig, "a", 0), DFS_OK);
    submit(&rig, (struct dfs_disk_op){.verb = DFS_DISK_CREATE, .name = "b"});
    submit(&rig, (struct dfs_disk_op){.verb = DFS_DISK_SYNC_DIR});
    assert_int_equal(answer(&rig), DFS_OK);
    assert_int_equal(answer(&rig), DFS_OK);
    assert_non_null(sim_disk_find(rig.disk, SIM_DURABLE, "a"));
    assert_null(sim_disk_find(rig.disk, SIM_DURABLE, "b"));
    assert_int_equal(publish(&rig, "a", "z"), DFS_OK);
    assert_non_null(sim_disk_find(rig.disk, SIM_DURABLE, "a")); /* the rename is not durable yet */
    assert_null(sim_disk_find(rig.disk, SIM_DURABLE, "z"));
    assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
    assert_null(sim_disk_find(rig.disk, SIM_DURABLE, "a"));
    assert_non_null(sim_disk_find(rig.disk, SIM_DURABLE, "z"));
    assert_non_null(sim_disk_find(rig.disk, SIM_DURABLE, "b"));
    rig_close(&rig);
}

static bool name_gather(void *arg, const char *name, const struct sim_file *file)
{
    char *names = arg;

    (void)file;
    strcat(names, name);
    return true;
}

/* Whoever looks at all files sees those of both views, in order; and a disk may end in between. */
static void test_all_files_are_seen_by_their_names_of_each_view(void **state)
{
    struct rig rig;
    char now[16] = "";
    char durable[16] = "";

    (void)state;
    rig_open(&rig, 1, NULL);
    assert_int_equal(create(&rig, "c", 0), DFS_OK);
    assert_int_equal(create(&rig, "b", 0), DFS_OK);
    assert_int_equal(create(&rig, "a", 0), DFS_OK);
    assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
    assert_int_equal(simple(&rig, DFS_DISK_REMOVE, "b"), DFS_OK);
    assert_int_equal(publish(&rig, "a", "z"), DFS_OK);
    assert_int_equal(create(&rig, "n", 0), DFS_OK);
    sim_disk_each(rig.disk, SIM_NOW, name_gather, now);
    sim_disk_each(rig.disk, SIM_DURABLE, name_gather, durable);
    assert_string_equal(now, "cnz");
    assert_string_equal(durable, "abc");
    rig_close(&rig);
}

static void test_crash_lose_and_keep(void **state)
{
    for (unsigned keep = 0; keep < 2; keep++) {
        struct rig rig;

        (void)state;
        rig_open(&rig, 1, NULL);
        assert_int_equal(create(&rig, "a", 0), DFS_OK);
        assert_int_equal(put(&rig, "a", 1, 0, BLOCK), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC, "a"), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
        assert_int_equal(put(&rig, "a", 2, 0, BLOCK + 100), DFS_OK);
        assert_int_equal(create(&rig, "b", 0), DFS_OK);
        assert_int_equal(put(&rig, "b", 3, 0, 100), DFS_OK);
        submit(&rig, write_op(&rig, "a", 4, 0, BLOCK)); /* under way */
        (void)sim_world_step_one(rig.world);
        crash(&rig, keep ? SIM_UNSYNCED_KEEP : SIM_UNSYNCED_LOSE);
        assert_int_equal(rig.answers, 7);
        if (keep) {
            assert_int_equal(get(&rig, "a", 0, BLOCK + 100), DFS_OK);
            assert_int_equal(rig.done.count, BLOCK + 100);
            assert_true(toy_is_filled(rig.into->bytes, 4, 0, BLOCK));
            assert_true(toy_is_filled(rig.into->bytes + BLOCK, 2, BLOCK, 100));
            assert_true(is_durable(&rig, "b", 3, 100));
        } else {
            assert_true(is_durable(&rig, "a", 1, BLOCK));
            assert_int_equal(get(&rig, "b", 0, 1), DFS_NOT_FOUND);
        }
        assert_int_equal(sim_disk_usage(rig.disk).unsynced_pages, 0);
        assert_int_equal(put(&rig, "a", 5, 0, 1), DFS_IO); /* nothing is open after a crash */
        rig_close(&rig);
    }
}

static void test_a_torn_write_mixes_old_and_new_sectors(void **state)
{
    unsigned mixed = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig rig;
        unsigned news = 0;
        unsigned olds = 0;

        rig_open(&rig, seed, NULL);
        assert_int_equal(create(&rig, "a", 0), DFS_OK);
        assert_int_equal(put(&rig, "a", 1, 0, BLOCK), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC, "a"), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
        assert_int_equal(put(&rig, "a", 2, 0, BLOCK), DFS_OK);
        crash(&rig, SIM_UNSYNCED_TORN);
        assert_int_equal(get(&rig, "a", 0, BLOCK), DFS_OK);
        assert_int_equal(rig.done.count, BLOCK);
        for (size_t at = 0; at < BLOCK; at += SIM_SECTOR_BYTES) {
            const bool is_new = toy_is_filled(rig.into->bytes + at, 2, at, SIM_SECTOR_BYTES);

            assert_true(is_new || toy_is_filled(rig.into->bytes + at, 1, at, SIM_SECTOR_BYTES));
            news += is_new;
            olds += !is_new;
        }
        mixed += news > 10 && olds > 10;
        rig_close(&rig);
    }
    assert_int_equal(mixed, 20);
}

static void test_torn_growth_ends_anywhere_and_holds_old_new_or_zeros(void **state)
{
    unsigned sizes = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig rig;
        uint64_t count;

        rig_open(&rig, seed, NULL);
        assert_int_equal(create(&rig, "a", 0), DFS_OK);
        assert_int_equal(put(&rig, "a", 1, 0, 1000), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC, "a"), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
        assert_int_equal(put(&rig, "a", 1, 1000, BLOCK), DFS_OK);
        crash(&rig, SIM_UNSYNCED_TORN);
        assert_int_equal(get(&rig, "a", 0, 2 * BLOCK), DFS_OK);
        count = rig.done.count;
        assert_in_range(count, 1000, 1000 + BLOCK);
        sizes += count != 1000 && count != 1000 + BLOCK;
        assert_true(toy_is_filled(rig.into->bytes, 1, 0, 1000)); /* what was synced is never touched */
        for (size_t at = 1000; at < count; at++)
            assert_true(rig.into->bytes[at] == 0 || rig.into->bytes[at] == toy_byte(1, at));
        rig_close(&rig);
    }
    assert_in_range(sizes, 10, 20);
}

/* The publish of a block, cut at every point: old or new, never neither, and what was answered after SYNC_DIR
 * stays. */
static void test_publish_is_never_neither_old_nor_new(void **state)
{
    unsigned as_tmp = 0;
    unsigned as_block = 0;
    unsigned absent = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rig rig;
        bool tmp;
        bool block;

        rig_open(&rig, seed, NULL);
        assert_int_equal(create(&rig, "a.tmp", 0), DFS_OK);
        if (seed % 2 == 0)
            assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
        assert_int_equal(put(&rig, "a.tmp", 1, 0, 1000), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC, "a.tmp"), DFS_OK);
        assert_int_equal(publish(&rig, "a.tmp", "a"), DFS_OK);
        if (seed % 3 == 0)
            assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
        crash(&rig, SIM_UNSYNCED_SEEDED);
        tmp = sim_disk_find(rig.disk, SIM_NOW, "a.tmp") != NULL;
        block = sim_disk_find(rig.disk, SIM_NOW, "a") != NULL;
        assert_false(tmp && block);
        assert_true(tmp || block || seed % 2 != 0);
        assert_true(block || seed % 3 != 0);
        if (tmp || block)
            assert_true(is_durable(&rig, tmp ? "a.tmp" : "a", 1, 1000)); /* synced data is there under either */
        as_tmp += tmp;
        as_block += block;
        absent += !tmp && !block;
        rig_close(&rig);
    }
    assert_true(as_tmp > 20);
    assert_true(as_block > 120);
    assert_true(absent > 10);
}

/* A name that changes hands between two syncs of the directory: never two files, never a mixture. */
static void test_a_name_that_changed_hands_has_one_owner(void **state)
{
    unsigned owners[4] = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rig rig;
        const struct sim_file *file;

        rig_open(&rig, seed, NULL);
        assert_int_equal(create(&rig, "x", 0), DFS_OK);
        assert_int_equal(put(&rig, "x", 1, 0, 100), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC, "x"), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
        assert_int_equal(publish(&rig, "x", "y"), DFS_OK); /* the first leaves, and leaves again */
        assert_int_equal(publish(&rig, "y", "z"), DFS_OK);
        assert_int_equal(create(&rig, "t", 0), DFS_OK);
        assert_int_equal(put(&rig, "t", 2, 0, 100), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC, "t"), DFS_OK);
        assert_int_equal(publish(&rig, "t", "x"), DFS_OK); /* the second takes its name */
        assert_int_equal(publish(&rig, "x", "y"), DFS_OK); /* and its next */
        crash(&rig, SIM_UNSYNCED_TORN);
        file = sim_disk_find(rig.disk, SIM_NOW, "x");
        owners[file == NULL ? 0 : is_durable(&rig, "x", 1, 100) ? 1 : 2]++;
        if (file != NULL)
            assert_true(is_durable(&rig, "x", 1, 100) || is_durable(&rig, "x", 2, 100));
        /* The first file was durable: it is somewhere, once. */
        assert_int_equal(is_durable(&rig, "x", 1, 100) + is_durable(&rig, "y", 1, 100) + is_durable(&rig, "z", 1, 100),
                         1);
        assert_true(sim_disk_usage(rig.disk).files <= 2);
        rig_close(&rig);
    }
    assert_true(owners[0] > 10 && owners[1] > 10 && owners[2] > 5);
}

static void test_a_crash_is_the_same_for_the_same_seed(void **state)
{
    uint64_t prints[3];
    uint64_t hashes[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct rig rig;

        rig_open(&rig, i == 2 ? 12 : 11, NULL);
        assert_int_equal(create(&rig, "a", 0), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
        for (unsigned k = 0; k < 8; k++)
            submit(&rig, write_op(&rig, "a", 1, k * 30000, 30000));
        (void)sim_world_run(rig.world, sim_world_now(rig.world) + 700 * DFS_MICROSECONDS);
        crash(&rig, SIM_UNSYNCED_TORN);
        prints[i] = sim_file_fingerprint(sim_disk_find(rig.disk, SIM_NOW, "a"), SIM_NOW);
        hashes[i] = sim_world_hash(rig.world);
        rig_close(&rig);
    }
    assert_int_equal(prints[0], prints[1]);
    assert_int_equal(hashes[0], hashes[1]);
    assert_int_not_equal(prints[0], prints[2]);
}

static void test_a_clean_stop_loses_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    assert_int_equal(create(&rig, "a", 0), DFS_OK);
    assert_int_equal(put(&rig, "a", 1, 0, 5000), DFS_OK);
    sim_host_stop(rig.plan.host);
    assert_true(is_durable(&rig, "a", 1, 5000));
    rig_close(&rig);
}

/* Faults ----------------------------------------------------------------------------------------------------------- */

static void test_a_full_disk(void **state)
{
    struct sim_disk_options options = sim_disk_options_default();
    struct rig rig;

    (void)state;
    options.capacity_bytes = 100000;
    rig_open(&rig, 1, &options);
    assert_int_equal(create(&rig, "big", 100001), DFS_NO_SPACE);
    assert_int_equal(create(&rig, "huge", UINT64_MAX - 5), DFS_NO_SPACE);
    assert_int_equal(create(&rig, "a", 50000), DFS_OK);
    assert_int_equal(create(&rig, "b", 50000), DFS_NO_SPACE);
    assert_int_equal(create(&rig, "c", 0), DFS_OK);
    assert_int_equal(put(&rig, "c", 1, 0, 50000), DFS_NO_SPACE);
    assert_int_equal(put(&rig, "c", 1, 0, 40000), DFS_OK);
    sim_disk_full(rig.disk, true);
    assert_int_equal(create(&rig, "d", 0), DFS_NO_SPACE);
    assert_int_equal(put(&rig, "c", 1, 40000, 4096), DFS_NO_SPACE);
    assert_int_equal(put(&rig, "c", 2, 0, 40000), DFS_OK); /* no new room */
    assert_int_equal(put(&rig, "a", 2, 0, 50000), DFS_OK); /* reserved */
    assert_int_equal(simple(&rig, DFS_DISK_SPACE, NULL), DFS_OK);
    assert_int_equal(rig.done.free_bytes, 0);
    assert_int_equal(simple(&rig, DFS_DISK_REMOVE, "a"), DFS_OK); /* deleting works */
    sim_disk_full(rig.disk, false);
    assert_int_equal(create(&rig, "d", 50000), DFS_OK);
    rig_close(&rig);
}

static void test_errors_by_verb_count_and_probability(void **state)
{
    struct sim_disk_rule rule = {
        .fault = SIM_DISK_ERROR, .verb = DFS_DISK_READ, .skip = 1, .count = 2, .status = DFS_IO};
    struct rig rig;
    sim_rule_id id;
    unsigned failed = 0;

    (void)state;
    rig_open(&rig, 1, NULL);
    assert_int_equal(create(&rig, "a", 0), DFS_OK);
    assert_int_equal(put(&rig, "a", 1, 0, 100), DFS_OK);
    id = sim_disk_rule_add(rig.disk, &rule);
    assert_int_equal(get(&rig, "a", 0, 1), DFS_OK);
    assert_int_equal(put(&rig, "a", 1, 0, 100), DFS_OK);
    assert_int_equal(get(&rig, "a", 0, 1), DFS_IO);
    assert_int_equal(get(&rig, "a", 0, 1), DFS_IO);
    assert_int_equal(get(&rig, "a", 0, 1), DFS_OK);
    assert_int_equal(sim_disk_rule_hits(rig.disk, id), 2);
    assert_int_equal(sim_disk_rule_remove(rig.disk, id), 2);
    rule = (struct sim_disk_rule){
        .fault = SIM_DISK_ERROR, .verb = DFS_DISK_WRITE, .ppb = SIM_PPB_ONE / 4, .status = DFS_NO_SPACE};
    (void)sim_disk_rule_add(rig.disk, &rule);
    for (unsigned i = 0; i < 400; i++)
        failed += put(&rig, "a", 2, 0, 100) == DFS_NO_SPACE;
    assert_in_range(failed, 70, 130);
    rig_close(&rig);
}

static void test_an_operation_that_fails_has_no_effect(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    assert_int_equal(create(&rig, "a", 0), DFS_OK);
    assert_int_equal(put(&rig, "a", 1, 0, 100), DFS_OK);
    for (unsigned verb = 0; verb < DFS_DISK_VERB_COUNT; verb++) {
        const struct sim_disk_rule rule = {.fault = SIM_DISK_ERROR, .verb = (enum dfs_disk_verb)verb, .status = DFS_IO};
        const sim_rule_id id = sim_disk_rule_add(rig.disk, &rule);

        if (verb == DFS_DISK_CREATE)
            assert_int_equal(create(&rig, "b", 0), DFS_IO);
        else if (verb == DFS_DISK_WRITE)
            assert_int_equal(put(&rig, "a", 2, 0, 200), DFS_IO);
        else if (verb == DFS_DISK_PUBLISH)
            assert_int_equal(publish(&rig, "a", "b"), DFS_IO);
        else if (verb == DFS_DISK_READ)
            assert_int_equal(get(&rig, "a", 0, 100), DFS_IO);
        else if (verb != DFS_DISK_SYNC)
            assert_int_equal(simple(&rig, (enum dfs_disk_verb)verb, "a"), DFS_IO);
        (void)sim_disk_rule_remove(rig.disk, id);
    }
    assert_int_equal(simple(&rig, DFS_DISK_LIST, NULL), DFS_OK);
    assert_int_equal(rig.done.count, 1);
    assert_string_equal(rig.names[0], "a");
    assert_int_equal(rig.sizes[0], 100);
    assert_int_equal(sim_disk_usage(rig.disk).unsynced_names, 1);
    assert_int_equal(get(&rig, "a", 0, 100), DFS_OK);
    assert_true(toy_is_filled(rig.into->bytes, 1, 0, 100));
    rig_close(&rig);
}

static void test_a_failed_sync_leaves_pages_in_doubt_and_a_second_does_not_help(void **state)
{
    const struct sim_disk_rule rule = {.fault = SIM_DISK_ERROR, .verb = DFS_DISK_SYNC, .count = 1, .status = DFS_IO};
    unsigned kinds[3] = {0}; /* written all the same, dropped now, lost at the crash */

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig rig;
        bool now;

        rig_open(&rig, seed, NULL);
        assert_int_equal(create(&rig, "a", 0), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
        assert_int_equal(put(&rig, "a", 1, 0, SIM_PAGE_BYTES), DFS_OK);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC, "a"), DFS_OK);
        assert_int_equal(put(&rig, "a", 2, 0, SIM_PAGE_BYTES), DFS_OK);
        (void)sim_disk_rule_add(rig.disk, &rule);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC, "a"), DFS_IO);
        assert_int_equal(simple(&rig, DFS_DISK_SYNC, "a"), DFS_OK); /* lies, as fsync did for years */
        assert_int_equal(get(&rig, "a", 0, SIM_PAGE_BYTES), DFS_OK);
        now = toy_is_filled(rig.into->bytes, 2, 0, SIM_PAGE_BYTES);
        assert_true(now || toy_is_filled(rig.into->bytes, 1, 0, SIM_PAGE_BYTES));
        crash(&rig, SIM_UNSYNCED_KEEP);
        assert_true(is_durable(&rig, "a", now ? 2 : 1, SIM_PAGE_BYTES) || is_durable(&rig, "a", 1, SIM_PAGE_BYTES));
        kinds[!now ? 1 : is_durable(&rig, "a", 2, SIM_PAGE_BYTES) ? 0 : 2]++;
        rig_close(&rig);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_true(kinds[i] > 4);
}

static void test_a_vanished_disk(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    assert_int_equal(create(&rig, "old.tmp", 0), DFS_OK);
    assert_int_equal(publish(&rig, "old.tmp", "old"), DFS_OK);
    assert_int_equal(create(&rig, "open", 0), DFS_OK);
    sim_disk_vanish(rig.disk, true);
    assert_int_equal(simple(&rig, DFS_DISK_LIST, NULL), DFS_OK);
    assert_int_equal(rig.done.count, 0);
    assert_int_equal(get(&rig, "old", 0, 1), DFS_NOT_FOUND);
    assert_int_equal(put(&rig, "open", 1, 0, 1), DFS_IO);
    assert_int_equal(simple(&rig, DFS_DISK_SYNC, "open"), DFS_IO);
    assert_int_equal(simple(&rig, DFS_DISK_REMOVE, "old"), DFS_NOT_FOUND);
    assert_int_equal(create(&rig, "new", 0), DFS_IO);
    sim_disk_vanish(rig.disk, false);
    assert_int_equal(get(&rig, "old", 0, 1), DFS_OK);
    assert_int_equal(put(&rig, "open", 1, 0, 1), DFS_IO); /* what was open stays broken */
    assert_int_equal(create(&rig, "new", 0), DFS_OK);
    crash(&rig, SIM_UNSYNCED_KEEP);
    assert_int_equal(get(&rig, "open", 0, 1), DFS_OK);
    rig_close(&rig);
}

static void make(struct rig *rig, const char *name, uint64_t salt, size_t count)
{
    assert_int_equal(create(rig, "t", 0), DFS_OK);
    assert_int_equal(put(rig, "t", salt, 0, count), DFS_OK);
    assert_int_equal(simple(rig, DFS_DISK_SYNC, "t"), DFS_OK);
    assert_int_equal(publish(rig, "t", name), DFS_OK);
    assert_int_equal(simple(rig, DFS_DISK_SYNC_DIR, NULL), DFS_OK);
}

static void test_stale_and_misdirected_reads_change_one_page(void **state)
{
    struct sim_disk_rule rule = {.verb = DFS_DISK_READ, .count = 1};
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    make(&rig, "a", 1, BLOCK);
    make(&rig, "b", 2, BLOCK);
    for (unsigned misdirect = 0; misdirect < 2; misdirect++) {
        unsigned wrong = 0;

        rule.fault = misdirect ? SIM_DISK_MISDIRECT : SIM_DISK_STALE;
        (void)sim_disk_rule_add(rig.disk, &rule);
        assert_int_equal(get(&rig, "a", 0, BLOCK), DFS_OK);
        assert_int_equal(rig.done.count, BLOCK);
        for (size_t at = 0; at < BLOCK; at += SIM_PAGE_BYTES) {
            if (toy_is_filled(rig.into->bytes + at, 1, at, SIM_PAGE_BYTES))
                continue;
            wrong++;
            if (misdirect)
                assert_true(toy_is_filled(rig.into->bytes + at, 2, at, SIM_PAGE_BYTES));
        }
        assert_int_equal(wrong, 1);
        assert_int_equal(get(&rig, "a", 0, BLOCK), DFS_OK); /* the disk itself is well */
        assert_true(toy_is_filled(rig.into->bytes, 1, 0, BLOCK));
    }
    rig_close(&rig);
}

static bool wants_a(void *arg, const char *name)
{
    (void)arg;
    return name[0] == 'a';
}

static void rot_hit(void *arg, const char *name, uint64_t offset)
{
    struct rig *rig = arg;

    strcpy(rig->names[0], name);
    rig->sizes[0] = offset;
}

static void test_bit_rot_flips_one_stored_bit(void **state)
{
    struct rig rig;
    unsigned bits = 0;
    uint64_t version;

    (void)state;
    rig_open(&rig, 1, NULL);
    make(&rig, "a", 1, BLOCK + 100);
    make(&rig, "b", 1, BLOCK + 100); /* the same bytes: shared pages must not rot together */
    version = sim_file_version(sim_disk_find(rig.disk, SIM_NOW, "a"));
    assert_int_equal(sim_disk_rot(rig.disk, 5, 0, wants_a, rot_hit, &rig), 1);
    assert_string_equal(rig.names[0], "a");
    assert_true(is_durable(&rig, "b", 1, BLOCK + 100));
    assert_false(is_durable(&rig, "a", 1, BLOCK + 100));
    assert_true(sim_file_version(sim_disk_find(rig.disk, SIM_NOW, "a")) > version);
    assert_int_equal(get(&rig, "a", 0, BLOCK + 100), DFS_OK);
    for (size_t i = 0; i < BLOCK + 100; i++) {
        const unsigned wrong = (unsigned)__builtin_popcount(rig.into->bytes[i] ^ toy_byte(1, i));

        bits += wrong;
        assert_true(wrong == 0 || i == rig.sizes[0]);
    }
    assert_int_equal(bits, 1);
    crash(&rig, SIM_UNSYNCED_LOSE);
    assert_false(is_durable(&rig, "a", 1, BLOCK + 100));
    assert_true(sim_disk_flip(rig.disk, "b", 3, 0));
    assert_false(is_durable(&rig, "b", 1, BLOCK + 100));
    assert_true(sim_disk_flip(rig.disk, "b", 3, 0));
    assert_true(is_durable(&rig, "b", 1, BLOCK + 100));
    assert_false(sim_disk_flip(rig.disk, "b", BLOCK + 100, 0));
    rig_close(&rig);
}

static void test_a_clone_has_what_was_synced(void **state)
{
    struct sim_disk *clone;
    const struct sim_file *file;
    uint8_t bytes[8192];
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    make(&rig, "a", 1, 5000);
    assert_int_equal(create(&rig, "b", 0), DFS_OK);
    assert_int_equal(simple(&rig, DFS_DISK_REMOVE, "a"), DFS_OK); /* not durable yet */
    clone = sim_disk_new(rig.world, "copy", NULL);
    sim_disk_clone_synced(clone, rig.disk);
    assert_int_equal(sim_disk_usage(clone).files, 1);
    assert_int_equal(sim_disk_usage(clone).unsynced_pages, 0);
    file = sim_disk_find(clone, SIM_DURABLE, "a");
    assert_non_null(file);
    assert_int_equal(sim_file_read(file, SIM_DURABLE, 0, bytes, sizeof bytes), 5000);
    assert_true(toy_is_filled(bytes, 1, 0, 5000));
    rig_close(&rig);
}

struct watch {
    uint64_t submitted;
    uint64_t done;
    uint64_t fail_nth;
};

static void see_submitted(void *arg, const struct sim_disk_event *event, struct sim_disk_verdict *verdict)
{
    struct watch *watch = arg;

    assert_int_equal(event->number, ++watch->submitted);
    if (event->number == watch->fail_nth)
        verdict->status = DFS_IO;
    if (event->number == watch->fail_nth + 1)
        verdict->delay = 7 * DFS_SECONDS;
}

static void see_done(void *arg, const struct sim_disk_event *event)
{
    ((struct watch *)arg)->done++;
    assert_non_null(event->done);
}

static void test_a_filter_fails_or_delays_the_nth_operation(void **state)
{
    struct watch watch = {.fail_nth = 2};
    const struct sim_observer observer = {.arg = &watch, .disk_submitted = see_submitted, .disk_done = see_done};
    struct rig rig;
    dfs_time_ns before;

    (void)state;
    rig_open(&rig, 1, NULL);
    sim_world_observe(rig.world, &observer);
    assert_int_equal(create(&rig, "a", 0), DFS_OK);
    assert_int_equal(create(&rig, "b", 0), DFS_IO);
    before = sim_world_now(rig.world);
    assert_int_equal(create(&rig, "b", 0), DFS_OK);
    assert_int_equal(rig.done_at, before + 7 * DFS_SECONDS + 100 * DFS_MICROSECONDS);
    assert_int_equal(watch.submitted, 3);
    assert_int_equal(watch.done, 3);
    rig_close(&rig);
}

static void test_a_paused_host_is_told_late_but_its_disk_works_on(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, 1, NULL);
    submit(&rig, (struct dfs_disk_op){.verb = DFS_DISK_CREATE, .name = "a"});
    (void)sim_world_step_one(rig.world);
    sim_host_pause(rig.plan.host);
    (void)sim_world_run(rig.world, DFS_SECONDS);
    assert_non_null(sim_disk_find(rig.disk, SIM_NOW, "a"));
    assert_int_equal(rig.answers, 0);
    sim_host_resume(rig.plan.host);
    assert_int_equal(answer(&rig), DFS_OK);
    assert_int_equal(rig.done_at, DFS_SECONDS);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_from_create_to_remove),
        cmocka_unit_test(test_list_is_sorted_and_space_counts_reservations),
        cmocka_unit_test(test_holes_read_as_zeros),
        cmocka_unit_test(test_latency_and_throughput_are_a_queue),
        cmocka_unit_test(test_operations_on_one_name_keep_their_order),
        cmocka_unit_test(test_copies_share_memory),
        cmocka_unit_test(test_a_sync_covers_only_writes_that_were_done_before),
        cmocka_unit_test(test_a_write_during_a_sync_is_not_covered_by_it),
        cmocka_unit_test(test_a_sync_stores_what_was_there_at_its_submission),
        cmocka_unit_test(test_sync_dir_covers_names_done_before_it),
        cmocka_unit_test(test_all_files_are_seen_by_their_names_of_each_view),
        cmocka_unit_test(test_crash_lose_and_keep),
        cmocka_unit_test(test_a_torn_write_mixes_old_and_new_sectors),
        cmocka_unit_test(test_torn_growth_ends_anywhere_and_holds_old_new_or_zeros),
        cmocka_unit_test(test_publish_is_never_neither_old_nor_new),
        cmocka_unit_test(test_a_name_that_changed_hands_has_one_owner),
        cmocka_unit_test(test_a_crash_is_the_same_for_the_same_seed),
        cmocka_unit_test(test_a_clean_stop_loses_nothing),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_errors_by_verb_count_and_probability),
        cmocka_unit_test(test_an_operation_that_fails_has_no_effect),
        cmocka_unit_test(test_a_failed_sync_leaves_pages_in_doubt_and_a_second_does_not_help),
        cmocka_unit_test(test_a_vanished_disk),
        cmocka_unit_test(test_stale_and_misdirected_reads_change_one_page),
        cmocka_unit_test(test_bit_rot_flips_one_stored_bit),
        cmocka_unit_test(test_a_clone_has_what_was_synced),
        cmocka_unit_test(test_a_filter_fails_or_delays_the_nth_operation),
        cmocka_unit_test(test_a_paused_host_is_told_late_but_its_disk_works_on),
    };

    return cmocka_run_group_tests_name("net_sim/disk", tests, NULL, NULL);
}

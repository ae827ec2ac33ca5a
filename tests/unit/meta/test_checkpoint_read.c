/*
 * What a start reads: nodes and files with their blocks from a checkpoint alone, more than fits into one read, and
 * disks that do not give it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/clients_rig.h"

#include "core/base/mem.h"

#define NODES 5

static struct clients_rig r;
static dfs_conn ann;

static int set_up(void **state)
{
    (void)state;
    crig_init(&r);
    r.n.config.checkpoint_every_bytes = UINT64_C(1) << 40;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    crig_close(&r);
    return 0;
}

static void start(unsigned nodes)
{
    crig_start(&r, nodes);
    ann = crig_client(&r, 1, "rwa:/");
}

/* Every version with its blocks, in the order of serial numbers. Freed by the caller. */
static char *dump(void)
{
    const size_t room = 4096 + r.n.meta->ns.versions.count * (2 * DFS_PATH_BYTES_MAX + 64 * 24);
    char *text = dfs_alloc(room);
    size_t at = 0;
    const struct meta_version *version;

    for (uint64_t serial = 0; (version = crig_version_after(&r, serial)) != NULL; serial = version->serial) {
        const struct meta_path *path = meta_version_path(&r.n.meta->ns, version);

        at += (size_t)snprintf(text + at, room - at, "%.*s %llu %d %llu:", (int)path->text_bytes, path->text,
                               (unsigned long long)version->version, version->trash != 0,
                               (unsigned long long)version->size_bytes);
        for (uint32_t i = 0; i < version->file.blocks_count; i++) {
            const struct meta_block *block = meta_blockmap_block(&r.n.meta->map, meta_file_at(&version->file, i));

            at += (size_t)snprintf(text + at, room - at, " %u/%u/%x", block->generation, block->length_bytes,
                                   block->crc32c);
        }
        at += (size_t)snprintf(text + at, room - at, "\n");
        assert_true(at < room);
    }
    return text;
}

static void assert_state(const char *expected)
{
    char *now = dump();

    assert_string_equal(now, expected);
    dfs_free(now);
}

static void checkpoint(void)
{
    const size_t before = fake_disk_count(&r.n.f, "checkpoint-");

    fake_command(&r.n.f, 7, DFS_META_CHECKPOINT, NULL);
    fake_disk_run(&r.n.f);
    assert_in_range(fake_disk_count(&r.n.f, "checkpoint-"), before == 2 ? 2 : before + 1, 2);
}

static void forget(const char *name)
{
    struct fake_file *file = fake_disk_file(&r.n.f, name);

    assert_non_null(file);
    free(file->bytes);
    *file = (struct fake_file){.bytes = NULL};
}

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_meta_step(machine, event);
}

/* A start that need not succeed. */
static enum dfs_status try_start(const char **ret_words)
{
    dfs_meta_free(r.n.meta);
    fake_disk_crash(&r.n.f);
    r.n.meta = dfs_meta_new(&r.n.config, &r.n.f.env);
    fake_attach(&r.n.f, r.n.meta, step);
    fake_start(&r.n.f);
    fake_pass(&r.n.f, DFS_MILLISECONDS);
    assert_int_equal(dfs_meta_is_ready(r.n.meta), dfs_meta_failure(r.n.meta, ret_words) == DFS_OK);
    return dfs_meta_failure(r.n.meta, ret_words);
}

static void blocks_and_nodes_come_back_from_a_checkpoint_alone(void **state)
{
    struct dfs_meta_node_view nodes[NODES];
    struct dfs_meta_node_view view;
    struct dfs_meta_accounting accounting;
    uint64_t blocks;
    char *before;

    (void)state;
    start(NODES);
    assert_int_equal(crig_put(&r, ann, "big", 5000000), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "gone", 3000000), DFS_OK);
    assert_int_equal(crig_remove(&r, ann, "gone", 0), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "small", 1), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "empty", 0), DFS_OK);
    for (size_t i = 0; i < NODES; i++)
        assert_true(dfs_meta_node_at(r.n.meta, i, &nodes[i]));
    dfs_meta_account(r.n.meta, &accounting);
    blocks = accounting.blocks;
    assert_true(blocks > 4);
    checkpoint();
    forget("journal-0000000001");
    before = dump();

    crig_restart(&r, 0);
    assert_state(before);
    dfs_meta_account(r.n.meta, &accounting);
    assert_int_equal(accounting.blocks, blocks);
    assert_int_equal(r.n.meta->map.copies_count, 0); /* who has them is not written down: nodes tell */
    for (size_t i = 0; i < NODES; i++) {
        assert_true(dfs_meta_node_at(r.n.meta, i, &view));
        assert_true(dfs_id_equal(&view.node, &nodes[i].node));
        assert_int_equal(view.incarnation, nodes[i].incarnation);
    }
    assert_false(dfs_meta_node_at(r.n.meta, NODES, &view));

    nrig_up_all(&r.n, NODES);
    nrig_live(&r.n, 20 * DFS_SECONDS);
    dfs_meta_account(r.n.meta, &accounting);
    assert_int_equal(accounting.blocks_under, 0);
    assert_int_equal(r.n.meta->map.copies_count, 3 * blocks);
    nrig_assert_sound(&r.n);
    ann = crig_client(&r, 1, "rwa:/");
    assert_true(crig_version(&r, ann, "big") > 0);
    dfs_free(before);
}

/* Paths are as long as they may be: a few hundred files are more than one read of the disk. */
static void fill(unsigned count)
{
    char path[DFS_PATH_BYTES_MAX + 1];

    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    for (unsigned i = 1; i * 200 < sizeof path; i++)
        path[i * 200] = '/';
    for (unsigned i = 0; i < count; i++) {
        char number[16];

        memcpy(path, number, (size_t)snprintf(number, sizeof number, "%07u", i));
        assert_int_equal(crig_put(&r, ann, path, 0), DFS_OK);
    }
}

static void a_journal_and_a_checkpoint_longer_than_one_read(void **state)
{
    char *before;

    (void)state;
    start(0);
    fill(1500);
    assert_true(r.n.meta->journal.bytes_written > DFS_FRAME_BULK_BYTES_MAX);
    before = dump();
    crig_restart(&r, 0);
    assert_state(before);
    checkpoint();
    assert_true(fake_disk_file(&r.n.f, "checkpoint-0000000001")->count > DFS_FRAME_BULK_BYTES_MAX);
    forget("journal-0000000001");
    crig_restart(&r, 0);
    assert_state(before);
    dfs_free(before);
}

static void a_checkpoint_that_cannot_be_read_is_passed_over(void **state)
{
    char *before;

    (void)state;
    start(0);
    assert_int_equal(crig_put(&r, ann, "one", 0), DFS_OK);
    checkpoint();
    assert_int_equal(crig_put(&r, ann, "two", 0), DFS_OK);
    checkpoint();
    before = dump();
    unsigned failed = 0;
    unsigned started = 0;

    /* Whichever read fails, a start either has everything or says why. Each start begins a segment, so the next one
     * reads more: six faults are enough to meet segments and checkpoints. */
    for (unsigned skip = 0; skip < 6; skip++) {
        const char *words;

        fake_disk_fail(&r.n.f, DFS_DISK_READ, skip, 1, DFS_IO);
        if (try_start(&words) == DFS_OK) {
            assert_state(before);
            started++;
        } else {
            assert_int_equal(dfs_meta_failure(r.n.meta, NULL), DFS_IO);
            assert_non_null(strstr(words, "journal"));
            failed++;
        }
        r.n.f.faults_count = 0;
    }
    assert_true(failed > 0);
    assert_true(started > 0);
    dfs_free(before);
}

static void a_checkpoint_of_another_cluster_is_not_read(void **state)
{
    const char *words;

    (void)state;
    start(0);
    assert_int_equal(crig_put(&r, ann, "one", 0), DFS_OK);
    checkpoint();
    forget("journal-0000000001");
    r.n.config.cluster.bytes[3] ^= 1;
    assert_int_equal(try_start(&words), DFS_WRONG_CLUSTER);
    assert_non_null(strstr(words, "another cluster"));
    r.n.config.cluster.bytes[3] ^= 1;
    assert_int_equal(try_start(&words), DFS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_and_nodes_come_back_from_a_checkpoint_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_journal_and_a_checkpoint_longer_than_one_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_checkpoint_that_cannot_be_read_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_checkpoint_of_another_cluster_is_not_read, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

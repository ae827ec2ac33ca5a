/*
 * Checkpoints: beside the service, in pieces, and whatever happens to them the state is there.
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
#include "core/meta/apply.h"
#include "core/meta/change.h"

static struct clients_rig r;
static dfs_conn ann;
static enum dfs_status command_status;
static unsigned command_answers;

static void on_answer(void *ctx, uint64_t command, const void *result)
{
    const struct dfs_meta_answer *answer = result;

    (void)ctx;
    (void)command;
    command_status = answer->status;
    command_answers++;
    assert_non_null(answer->words);
}

static void begin(uint64_t every_bytes)
{
    crig_init(&r);
    r.n.config.checkpoint_every_bytes = every_bytes;
    r.n.f.on_answer = on_answer;
    crig_start(&r, 0);
    ann = crig_client(&r, 1, "rw:/");
    command_answers = 0;
}

static int set_up(void **state)
{
    (void)state;
    begin(UINT64_C(1) << 40);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_true(meta_namespace_is_sound(&r.n.meta->ns));
    crig_close(&r);
    return 0;
}

static void restart(void)
{
    crig_restart(&r, 0);
    ann = crig_client(&r, 1, "rw:/");
}

/* Every version: path, number, serial, where, size, blocks; in the order of serial numbers. And what else
 * a restart must bring back. Freed by the caller. */
static char *dump(void)
{
    struct meta_namespace *ns = &r.n.meta->ns;
    const size_t room = 256 + ns->versions.count * 160;
    char *text = dfs_alloc(room);
    size_t at = (size_t)snprintf(text, room, "sequence %llu files %u outcomes\n", (unsigned long long)ns->sequence,
                                 ns->paths.ordered);

    const struct meta_version *version;

    for (uint64_t serial = 0; (version = crig_version_after(&r, serial)) != NULL; serial = version->serial) {
        const struct meta_path *path = meta_version_path(ns, version);

        at += (size_t)snprintf(text + at, room - at, "%llu %.*s %llu %s %llu %u", (unsigned long long)version->serial,
                               (int)path->text_bytes, path->text, (unsigned long long)version->version,
                               version->trash == 0 ? "current" : "trash", (unsigned long long)version->size_bytes,
                               version->file.blocks_count);
        assert_true((version->trash == 0) == (path->current == version->number));
        for (uint32_t i = 0; i < version->file.blocks_count; i++) {
            const struct meta_block *block = meta_blockmap_block(&r.n.meta->map, meta_file_at(&version->file, i));

            at += (size_t)snprintf(text + at, room - at, " %u/%u/%x", block->generation, block->length_bytes,
                                   block->crc32c);
        }
        at += (size_t)snprintf(text + at, room - at, "\n");
    }
    assert_true(at < room);
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
    fake_command(&r.n.f, 7, DFS_META_CHECKPOINT, NULL);
    fake_disk_run(&r.n.f);
    assert_int_equal(command_answers, 1);
    command_answers = 0;
}

static void fill(unsigned count, const char *prefix)
{
    for (unsigned i = 0; i < count; i++) {
        char path[96];

        (void)snprintf(path, sizeof path, "%s/a-path-that-is-as-long-as-many-are/%04u", prefix, i);
        assert_int_equal(crig_put(&r, ann, path, 0), DFS_OK);
    }
}

static void a_checkpoint_is_written_published_and_read(void **state)
{
    char *before;

    (void)state;
    fill(5, "x");
    assert_int_equal(crig_remove(&r, ann, "x/a-path-that-is-as-long-as-many-are/0003", 0), DFS_OK);
    checkpoint();
    assert_int_equal(command_status, DFS_OK);
    assert_int_equal(fake_traces(&r.n.f, DFS_TRACE_CHECKPOINT), 1);
    assert_non_null(fake_disk_file(&r.n.f, "checkpoint-0000000001"));
    assert_int_equal(fake_disk_count(&r.n.f, ".tmp"), 0);
    fill(2, "y");
    before = dump();
    /* The proof that it is read: the journal before it is not there any more. */
    struct fake_file *first = fake_disk_file(&r.n.f, "journal-0000000001");

    free(first->bytes);
    *first = (struct fake_file){.bytes = NULL};
    restart();
    assert_state(before);
    dfs_free(before);
}

static void the_newest_two_are_kept_with_what_follows_them(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 4; i++) {
        fill(1, "x");
        checkpoint();
        assert_int_equal(command_status, DFS_OK);
    }
    assert_int_equal(fake_disk_count(&r.n.f, "checkpoint-"), 2);
    assert_non_null(fake_disk_file(&r.n.f, "checkpoint-0000000003"));
    assert_non_null(fake_disk_file(&r.n.f, "checkpoint-0000000004"));
    assert_null(fake_disk_file(&r.n.f, "journal-0000000003"));
    assert_non_null(fake_disk_file(&r.n.f, "journal-0000000004")); /* begins where checkpoint 3 ends */
    assert_non_null(fake_disk_file(&r.n.f, "journal-0000000005"));
    assert_int_equal(fake_disk_count(&r.n.f, "journal-"), 2);

    /* A start's own segment goes like any other: nothing is left of many lives. */
    for (unsigned i = 0; i < 3; i++) {
        restart();
        for (unsigned k = 0; k < 2; k++) {
            fill(1, "x");
            checkpoint();
        }
        assert_int_equal(fake_disk_count(&r.n.f, "journal-"), 2);
        assert_int_equal(fake_disk_count(&r.n.f, "checkpoint-"), 2);
    }
}

static void a_bad_checkpoint_is_passed_over_for_the_one_before(void **state)
{
    struct fake_file *newest;
    char *before;

    (void)state;
    fill(3, "x");
    checkpoint();
    fill(3, "y");
    checkpoint();
    fill(3, "z");
    before = dump();
    newest = fake_disk_file(&r.n.f, "checkpoint-0000000002");
    newest->bytes[newest->count / 2] ^= 4;
    restart();
    assert_state(before);
    checkpoint(); /* and its number is not used again */
    assert_int_equal(command_status, DFS_OK);
    assert_non_null(fake_disk_file(&r.n.f, "checkpoint-0000000003"));
    restart();
    assert_state(before);
    dfs_free(before);
}

static void without_a_believable_checkpoint_and_its_journal_there_is_no_start(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        fill(1, "x");
        checkpoint();
    }
    fake_disk_file(&r.n.f, "checkpoint-0000000002")->bytes[70] ^= 1;
    fake_disk_file(&r.n.f, "checkpoint-0000000003")->bytes[70] ^= 1;
    dfs_meta_free(r.n.meta);
    r.n.meta = dfs_meta_new(&r.n.config, &r.n.f.env);
    fake_attach(&r.n.f, r.n.meta, (dfs_time_ns(*)(void *, const struct dfs_event *))(void (*)(void))dfs_meta_step);
    fake_start(&r.n.f);
    assert_int_equal(dfs_meta_failure(r.n.meta, NULL), DFS_IO);
    assert_false(dfs_meta_is_ready(r.n.meta));
}

static void it_comes_by_itself_after_so_much_journal(void **state)
{
    tear_down(state);
    begin(20000);
    fill(100, "x");
    fake_disk_run(&r.n.f);
    assert_in_range(fake_traces(&r.n.f, DFS_TRACE_CHECKPOINT), 2, 10);
    assert_in_range(fake_disk_count(&r.n.f, "journal-"), 1, 3);
    char *before = dump();

    restart();
    assert_state(before);
    dfs_free(before);
}

static void a_checkpoint_that_fails_harms_nobody(void **state)
{
    static const enum dfs_disk_verb verbs[] = {DFS_DISK_CREATE, DFS_DISK_PUBLISH, DFS_DISK_SYNC_DIR};
    static const unsigned skips[] = {1, 0, 1}; /* not the segment's own */

    (void)state;
    fill(3, "x");
    for (unsigned i = 0; i < 3; i++) {
        fake_disk_fail(&r.n.f, verbs[i], skips[i], 1, DFS_IO);
        checkpoint();
        assert_int_equal(command_status, DFS_IO);
        assert_true(dfs_meta_is_ready(r.n.meta));
        assert_int_equal(crig_put(&r, ann, "still", 0), DFS_OK);
        assert_int_equal(fake_disk_count(&r.n.f, ".tmp"), 0);
    }
    /* The writes and the sync of the checkpoint itself: the journal has nothing to write meanwhile. */
    for (unsigned i = 0; i < 2; i++) {
        fake_disk_fail(&r.n.f, i == 0 ? DFS_DISK_WRITE : DFS_DISK_SYNC, 0, 1, i == 0 ? DFS_NO_SPACE : DFS_IO);
        checkpoint();
        assert_int_equal(command_status, DFS_IO);
        assert_true(dfs_meta_is_ready(r.n.meta));
        assert_int_equal(fake_disk_count(&r.n.f, ".tmp"), 0);
    }
    fake_disk_fail(&r.n.f, DFS_DISK_CREATE, 0, 1, DFS_NO_SPACE); /* the segment */
    checkpoint();
    assert_int_equal(command_status, DFS_IO);
    checkpoint();
    assert_int_equal(command_status, DFS_OK);
    char *before = dump();

    restart();
    assert_state(before);
    dfs_free(before);
}

static void a_stop_leaves_a_checkpoint_and_answers_nobody_after(void **state)
{
    char *before;

    (void)state;
    fill(3, "x");
    before = dump();
    fake_command(&r.n.f, 9, DFS_META_STOP, NULL);
    assert_int_equal(command_answers, 0);
    assert_int_equal(crig_version(&r, ann, "x"), 0);
    assert_int_equal(r.status, DFS_UNAVAILABLE);
    fake_disk_run(&r.n.f);
    assert_int_equal(command_answers, 1);
    assert_int_equal(command_status, DFS_OK);
    assert_non_null(fake_disk_file(&r.n.f, "checkpoint-0000000001"));
    restart();
    assert_state(before);
    dfs_free(before);
}

/* Changes between all pieces of a checkpoint. */
static void change(unsigned i)
{
    char path[96];
    char other[96];

    (void)snprintf(path, sizeof path, "x/a-path-that-is-as-long-as-many-are/%04u", i * 37 % 1500);
    (void)snprintf(other, sizeof other, "x/a-path-that-is-as-long-as-many-are/%04u", i * 91 % 1500);
    switch (i % 5) {
    case 0: {
        const struct dfs_m_move move = {
            .operation = crig_operation(&r), .path = dfs_text_of(path), .to_path = dfs_text_of(other)};

        crig_send(&r, ann, DFS_MSG_MOVE, &move);
        break;
    }
    case 1: {
        const struct dfs_m_remove remove = {.operation = crig_operation(&r), .path = dfs_text_of(path)};

        crig_send(&r, ann, DFS_MSG_REMOVE, &remove);
        break;
    }
    case 2: {
        const struct dfs_m_restore restore = {.operation = crig_operation(&r), .path = dfs_text_of(path)};

        crig_send(&r, ann, DFS_MSG_RESTORE, &restore);
        break;
    }
    default: {
        const struct dfs_m_put_open open = crig_open_message(&r, path, 0);
        struct dfs_m_put_commit commit;

        crig_send(&r, ann, DFS_MSG_PUT_OPEN, &open);
        for (struct fake_message in = crig_answer(&r, ann); in.number != DFS_MSG_PUT_PLAN; in = crig_answer(&r, ann)) {
            if (in.number == 0) {
                assert_true(fake_disk_one(&r.n.f));
                continue;
            }
            assert_true(in.number == DFS_MSG_CHANGED || in.number == DFS_MSG_PUT_DONE);
        }
        commit = (struct dfs_m_put_commit){
            .file = r.n.f.decoded.put_plan.file, .epoch = r.n.f.decoded.put_plan.epoch, .last = 1};
        crig_send(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
        break;
    }
    }
}

static void changes_made_during_a_checkpoint_are_neither_lost_nor_doubled(void **state)
{
    char *before;
    unsigned changes = 0;

    (void)state;
    fill(1500, "x");
    for (unsigned round = 0; round < 6; round++) {
        fake_command(&r.n.f, 7, DFS_META_CHECKPOINT, NULL);
        while (command_answers == 0) {
            for (unsigned i = 0; i < 25; i++)
                change(changes++);
            assert_true(fake_disk_one(&r.n.f));
        }
        assert_int_equal(command_status, DFS_OK);
        command_answers = 0;
        fake_disk_run(&r.n.f);
        assert_true(changes >= 25);
        before = dump();
        restart();
        assert_state(before);
        dfs_free(before);
    }
}

/* At any operation of the disk the process dies, while a checkpoint is being written: the old one or the
 * new one, never neither. */
static void a_crash_at_any_point_of_a_checkpoint_leaves_the_state(void **state)
{
    char *before;
    unsigned crash = 0;

    tear_down(state);
    begin(UINT64_C(1) << 40);
    fill(1200, "x"); /* two pieces */
    checkpoint();
    for (bool whole = false; !whole; crash++) {
        fill(1, "y");
        before = dump();
        fake_command(&r.n.f, 7, DFS_META_CHECKPOINT, NULL);
        for (unsigned i = 0; i < crash; i++)
            (void)fake_disk_one(&r.n.f);
        whole = command_answers != 0;
        command_answers = 0;
        restart();
        assert_state(before);
        assert_int_equal(fake_disk_count(&r.n.f, ".tmp"), 0);
        dfs_free(before);
    }
    assert_in_range(crash, 10, 60);
}

/* Carries out what waits for the disk but the journal's part of it, until there is nothing else. */
static void run_but_the_journal(void)
{
    const struct fake_op *op;

    for (size_t i = 0; (op = fake_disk_pending(&r.n.f, i)) != NULL;) {
        if (strncmp(op->name, "journal-", 8) == 0) {
            i++;
            continue;
        }
        fake_disk_nth(&r.n.f, i);
        i = 0;
    }
}

/* A file is replaced while the walk is on its way to it: the old one goes by as replaced, the new one is in the journal alone. If the checkpoint were
 * believed before the journal has it, a crash in between would take both. */
static void a_checkpoint_is_published_behind_the_journal_that_it_has_seen(void **state)
{
    struct dfs_m_put_commit commit;
    struct dfs_m_put_open open;
    char *before;

    (void)state;
    fill(3000, "x"); /* five pieces */
    before = dump();
    fake_command(&r.n.f, 7, DFS_META_CHECKPOINT, NULL);
    while (fake_disk_count(&r.n.f, "checkpoint-") == 0)
        assert_true(fake_disk_one(&r.n.f));
    open = crig_open_message(&r, "x/a-path-that-is-as-long-as-many-are/2999", 0);
    crig_send(&r, ann, DFS_MSG_PUT_OPEN, &open);
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_PUT_PLAN);
    commit = (struct dfs_m_put_commit){
        .file = r.n.f.decoded.put_plan.file, .epoch = r.n.f.decoded.put_plan.epoch, .last = 1};
    crig_send(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
    run_but_the_journal();
    assert_int_equal(fake_disk_count(&r.n.f, ".tmp"), 1);
    assert_int_equal(command_answers, 0);
    restart();
    assert_state(before);
    dfs_free(before);

    /* and not for ever */
    fill(1, "y");
    before = dump();
    checkpoint();
    restart();
    assert_state(before);
    dfs_free(before);
}

static void what_expired_during_a_checkpoint_stays_away(void **state)
{
    char *before;

    tear_down(state);
    crig_init(&r);
    r.n.config.trash_keep_ns = 10 * DFS_SECONDS;
    r.n.config.checkpoint_every_bytes = UINT64_C(1) << 40;
    r.n.f.on_answer = on_answer;
    crig_start(&r, 0);
    ann = crig_client(&r, 1, "rw:/");
    command_answers = 0;
    fill(1300, "x");
    fill(600, "x"); /* replaces as many */
    fake_command(&r.n.f, 7, DFS_META_CHECKPOINT, NULL);
    for (unsigned i = 0; i < 5; i++)
        assert_true(fake_disk_one(&r.n.f));
    r.n.f.mono += 11 * DFS_SECONDS;
    r.n.f.wall += 11 * DFS_SECONDS;
    for (unsigned i = 0; i < 20; i++)
        fake_tick(&r.n.f);
    fake_disk_run(&r.n.f);
    fake_pass(&r.n.f, DFS_SECONDS);
    assert_int_equal(r.n.meta->ns.trash.count, 0);
    before = dump();
    restart();
    assert_state(before);
    dfs_free(before);
}

/* Requests that changed something: what became of them is remembered, for those who ask again. */
static void remember(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct dfs_id operation = crig_operation(&r);

        meta_append_group(r.n.meta);
        meta_change_outcome(r.n.meta, &operation, i);
        if (i % 1000 == 999) {
            fake_tick(&r.n.f);
            fake_disk_run(&r.n.f);
        }
    }
    fake_tick(&r.n.f);
    fake_disk_run(&r.n.f);
}

static size_t disk_bytes(void)
{
    size_t bytes = 0;

    for (size_t i = 0; i < FAKE_FILES_MAX; i++)
        bytes += r.n.f.files[i].name[0] != 0 ? r.n.f.files[i].count : 0;
    return bytes;
}

static void outcomes_are_remembered_up_to_a_number(void **state)
{
    const struct dfs_id first = crig_operation(&r);
    struct dfs_id last;

    (void)state;
    meta_change_outcome(r.n.meta, &first, 1);
    remember(META_OUTCOMES_MAX - 1);
    assert_int_equal(r.n.meta->outcomes->count, META_OUTCOMES_MAX);
    assert_non_null(meta_outcome_find(r.n.meta, &first));
    last = crig_operation(&r);
    meta_change_outcome(r.n.meta, &last, 1); /* pushes the oldest out */
    remember(0);
    for (unsigned again = 0; again < 2; again++) {
        assert_int_equal(r.n.meta->outcomes->count, META_OUTCOMES_MAX);
        assert_null(meta_outcome_find(r.n.meta, &first));
        assert_non_null(meta_outcome_find(r.n.meta, &last));
        checkpoint();
        restart();
    }
}

/* As many files come as go, and the trash is short: what is on the disk is two checkpoints, and the journal since the older one. */
static void the_disk_is_bounded_while_files_come_and_go(void **state)
{
    const uint64_t every_bytes = 200000;
    size_t checkpoint_bytes = 0;

    tear_down(state);
    crig_init(&r);
    r.n.config.trash_keep_ns = 100 * DFS_MILLISECONDS;
    r.n.config.checkpoint_every_bytes = every_bytes;
    crig_start(&r, 0);
    ann = crig_client(&r, 1, "rw:/");
    remember(META_OUTCOMES_MAX); /* from here on as many are forgotten as are remembered */
    for (unsigned round = 0; round < 30; round++) {
        const size_t journals = fake_disk_count(&r.n.f, "journal-");

        fill(100, "x");
        for (unsigned i = 0; i < 100; i++) {
            char path[96];

            (void)snprintf(path, sizeof path, "x/a-path-that-is-as-long-as-many-are/%04u", i);
            assert_int_equal(crig_remove(&r, ann, path, 0), DFS_OK);
        }
        fake_pass(&r.n.f, 200 * DFS_MILLISECONDS);
        fake_disk_run(&r.n.f);
        assert_int_equal(r.n.meta->ns.trash.count, 0);
        for (size_t i = 0; i < FAKE_FILES_MAX; i++) {
            if (strncmp(r.n.f.files[i].name, "checkpoint-", 11) == 0 && r.n.f.files[i].count > checkpoint_bytes)
                checkpoint_bytes = r.n.f.files[i].count;
        }
        assert_in_range(journals, 1, 3);
        assert_in_range(fake_disk_count(&r.n.f, "checkpoint-"), 1, 2);
        /* A checkpoint begins when so much journal was written, and in a step writes on: two of them, and what is under way. */
        assert_true(disk_bytes() <= 2 * checkpoint_bytes + 3 * every_bytes);
    }
    assert_true(fake_traces(&r.n.f, DFS_TRACE_CHECKPOINT) > 10);
    assert_in_range(checkpoint_bytes, META_OUTCOMES_MAX * 16, META_OUTCOMES_MAX * 64 + 100000);
    assert_null(fake_disk_file(&r.n.f, "journal-0000000001"));
    restart();
    assert_int_equal(r.n.meta->outcomes->count, META_OUTCOMES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_checkpoint_is_written_published_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_newest_two_are_kept_with_what_follows_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_checkpoint_is_passed_over_for_the_one_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_believable_checkpoint_and_its_journal_there_is_no_start, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_comes_by_itself_after_so_much_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_checkpoint_that_fails_harms_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_leaves_a_checkpoint_and_answers_nobody_after, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes_made_during_a_checkpoint_are_neither_lost_nor_doubled, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_crash_at_any_point_of_a_checkpoint_leaves_the_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_checkpoint_is_published_behind_the_journal_that_it_has_seen, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_expired_during_a_checkpoint_stays_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outcomes_are_remembered_up_to_a_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_disk_is_bounded_while_files_come_and_go, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

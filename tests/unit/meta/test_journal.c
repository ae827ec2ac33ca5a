/*
 * What survives: batches, torn tails, damage, failing disks, restarts. Empty files are put, so no data server
 * is needed.
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

#define SEGMENT_1 "journal-0000000001"
#define SEGMENT_2 "journal-0000000002"

static struct clients_rig r;
static dfs_conn ann;

/* "a=1 b=2 c~3": current versions in the order of paths, then the trash in the order of serial numbers. */
static const char *dump(void)
{
    static char text[8192];
    struct meta_namespace *ns = &r.n.meta->ns;
    size_t at = 0;

    text[0] = '\0';
    for (const struct meta_path *path = meta_namespace_seek(ns, "", 0, false); path != NULL;
         path = meta_namespace_next(ns, path))
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s=%llu", at == 0 ? "" : " ", (int)path->text_bytes,
                               path->text, (unsigned long long)meta_path_current(ns, path)->version);
    const struct meta_version *version;

    for (uint64_t serial = 0; (version = crig_version_after(&r, serial)) != NULL; serial = version->serial) {
        const struct meta_path *path = meta_version_path(ns, version);

        if (version->trash != 0)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s~%llu", at == 0 ? "" : " ",
                                   (int)path->text_bytes, path->text, (unsigned long long)version->version);
    }
    return text;
}

static int set_up(void **state)
{
    (void)state;
    crig_init(&r);
    crig_start(&r, 0);
    ann = crig_client(&r, 1, "rw:/");
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

/* Starts metadata over a disk that is what `files` says. The fake of a test before is closed. */
struct disk {
    char name[4][DFS_FILE_NAME_BYTES_MAX];
    uint8_t *bytes[4];
    size_t count[4];
    unsigned files;
};

static struct disk disk_copy(void)
{
    struct disk disk = {.files = 0};

    for (size_t i = 0; i < FAKE_FILES_MAX; i++) {
        const struct fake_file *file = &r.n.f.files[i];

        if (file->name[0] == '\0')
            continue;
        assert_true(disk.files < 4);
        (void)snprintf(disk.name[disk.files], DFS_FILE_NAME_BYTES_MAX, "%s", file->name);
        disk.bytes[disk.files] = dfs_alloc(file->count);
        memcpy(disk.bytes[disk.files], file->bytes, file->count);
        disk.count[disk.files++] = file->count;
    }
    return disk;
}

static void disk_free(struct disk *disk)
{
    for (unsigned i = 0; i < disk->files; i++)
        dfs_free(disk->bytes[i]);
}

/* Without asserting that it becomes ready. */
static void start_over(const struct disk *disk)
{
    static uint64_t seed = 1000;

    crig_close(&r);
    crig_init(&r);
    r.n.f.rng_state[DFS_RNG_ID] = ++seed; /* a life never draws what another one drew */
    for (unsigned i = 0; i < disk->files; i++)
        fake_disk_put(&r.n.f, disk->name[i], disk->bytes[i], disk->count[i]);
    r.n.meta = dfs_meta_new(&r.n.config, &r.n.f.env);
    fake_attach(&r.n.f, r.n.meta, (dfs_time_ns(*)(void *, const struct dfs_event *))(void (*)(void))dfs_meta_step);
    fake_start(&r.n.f);
    fake_disk_run(&r.n.f);
}

/* Where the batches of a segment begin. */
static unsigned batches_of(const uint8_t *bytes, size_t count, size_t *ret_at, unsigned at_max)
{
    unsigned batches = 0;
    struct meta_batch batch;

    for (size_t at = 0;
         at < count && meta_batch_parse(bytes + at, count - at, META_MAGIC_JOURNAL, &batch) == META_BATCH_GOOD;
         at += meta_batch_room(batch.bytes)) {
        assert_true(batches < at_max);
        ret_at[batches++] = at;
    }
    return batches;
}

/* Scan --------------------------------------------------------------------------------------------------- */

static enum meta_scan_verdict scan(struct meta_scan *s, uint64_t number, uint64_t synced, uint64_t epoch, uint64_t own,
                                   uint64_t limit)
{
    const struct meta_batch batch = {.number = number, .synced = synced, .epoch = epoch, .own = own};

    return meta_scan_batch(s, &batch, limit);
}

static void the_scan_believes_what_is_whole_and_in_order(void **state)
{
    struct meta_scan s = {.expected = 1};

    (void)state;
    assert_int_equal(scan(&s, 1, 0, 1, 1, UINT64_MAX), META_SCAN_APPLY);
    assert_int_equal(scan(&s, 2, 1, 1, 1, UINT64_MAX), META_SCAN_APPLY);
    assert_int_equal(s.attested, 1);
    /* 3 is torn; 4 and 5 were written in the same flight: nobody says that 3 was synced. */
    assert_int_equal(scan(&s, 4, 2, 1, 1, UINT64_MAX), META_SCAN_SKIP);
    assert_int_equal(scan(&s, 5, 2, 1, 1, UINT64_MAX), META_SCAN_SKIP);
    assert_int_equal(s.attested, 2);
    /* The next life carries nothing and goes on with its own 3. */
    assert_int_equal(scan(&s, 3, 2, 2, 3, UINT64_MAX), META_SCAN_APPLY);
    assert_int_equal(s.epoch, 2);
}

static void a_witness_of_a_missing_batch_stops_the_start(void **state)
{
    struct meta_scan s = {.expected = 3, .attested = 1};

    (void)state;
    assert_int_equal(scan(&s, 4, 3, 1, 1, UINT64_MAX), META_SCAN_DAMAGED);
}

static void a_later_life_overrules_the_tail_it_has_cut(void **state)
{
    struct meta_scan s = {.expected = 1};

    (void)state;
    assert_int_equal(scan(&s, 1, 0, 1, 1, 2), META_SCAN_APPLY);
    /* readable again, but life 2 has gone on without it */
    assert_int_equal(scan(&s, 2, 1, 1, 1, 2), META_SCAN_SKIP);
    assert_int_equal(scan(&s, 1, 0, 2, 2, UINT64_MAX), META_SCAN_SKIP); /* carried, and known */
    assert_int_equal(scan(&s, 2, 1, 2, 2, UINT64_MAX), META_SCAN_APPLY);
    /* Had nobody told us about the cut, life 2's next batch would give it away. */
    s = (struct meta_scan){.expected = 3, .attested = 1, .epoch = 1};
    assert_int_equal(scan(&s, 3, 2, 2, 2, UINT64_MAX), META_SCAN_DAMAGED);
}

static void a_batch_with_any_bit_wrong_is_bad(void **state)
{
    uint8_t bytes[META_SECTOR_BYTES];
    const struct meta_batch batch = {.magic = META_MAGIC_JOURNAL, .number = 7, .bytes = 100, .records = 3};
    struct meta_batch parsed;

    (void)state;
    memset(bytes, 0xaa, sizeof bytes);
    assert_int_equal(meta_batch_seal(&batch, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(meta_batch_parse(bytes, sizeof bytes, META_MAGIC_JOURNAL, &parsed), META_BATCH_GOOD);
    assert_int_equal(parsed.number, 7);
    assert_int_equal(meta_batch_parse(bytes, sizeof bytes, META_MAGIC_CHECKPOINT, &parsed), META_BATCH_BAD);
    assert_int_equal(meta_batch_parse(bytes, 163, META_MAGIC_JOURNAL, &parsed), META_BATCH_SHORT);
    assert_int_equal(meta_batch_parse(bytes, 10, META_MAGIC_JOURNAL, &parsed), META_BATCH_SHORT);
    for (size_t bit = 0; bit < 164 * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(meta_batch_parse(bytes, sizeof bytes, META_MAGIC_JOURNAL, &parsed), META_BATCH_GOOD);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* Lives -------------------------------------------------------------------------------------------------- */

static void all_that_was_answered_is_there_after_a_restart(void **state)
{
    const uint64_t epoch = r.n.meta->epoch;
    char before[256];

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "b", 0), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    assert_int_equal(crig_move(&r, ann, "b", "c/d", false), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "e", 0), DFS_OK);
    assert_int_equal(crig_remove(&r, ann, "e", 0), DFS_OK);
    (void)snprintf(before, sizeof before, "%s", dump());
    assert_string_equal(before, "a=3 c/d=4 a~1 e~5");
    for (unsigned life = 1; life < 5; life++) {
        restart();
        assert_string_equal(dump(), before);
        assert_int_equal(r.n.meta->epoch, epoch + life);
        assert_int_equal(r.n.meta->ns.sequence, 5);
    }
    assert_int_equal(crig_restore(&r, ann, "e", 0), DFS_OK);
    assert_int_equal(crig_version(&r, ann, "e"), 6);
    restart();
    assert_string_equal(dump(), "a=3 c/d=4 e=6 a~1");
}

static void nothing_is_answered_before_it_is_synced(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 0);
    const struct dfs_m_stat stat = {.path = dfs_text_of("a")};
    struct dfs_m_put_commit commit;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    commit = crig_commit_message(&r);
    crig_send(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
    assert_int_equal(crig_answer(&r, ann).number, 0);
    /* Decided, so another client's question sees it; but the answer would be more than the disk knows. */
    crig_send(&r, ann, DFS_MSG_STAT, &stat);
    assert_int_equal(crig_answer(&r, ann).number, 0);
    assert_int_equal(fake_traces(&r.n.f, DFS_TRACE_COMMITTED), 0);
    assert_true(fake_disk_one(&r.n.f)); /* written */
    assert_int_equal(crig_answer(&r, ann).number, 0);
    assert_true(fake_disk_one(&r.n.f)); /* synced */
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_PUT_DONE);
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_STAT_DONE);
    assert_int_equal(fake_traces(&r.n.f, DFS_TRACE_COMMITTED), 1);
    /* Nothing is under way: at once. */
    crig_send(&r, ann, DFS_MSG_STAT, &stat);
    assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_STAT_DONE);
}

static void one_flight_at_a_time_and_the_next_takes_all_that_waits(void **state)
{
    uint64_t batches;

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    batches = r.n.meta->journal.batches;
    for (unsigned i = 0; i < 10; i++) {
        const struct dfs_m_move move = {.operation = crig_operation(&r),
                                        .path = dfs_text_of(i % 2 == 0 ? "a" : "b"),
                                        .to_path = dfs_text_of(i % 2 == 0 ? "b" : "a")};

        crig_send(&r, ann, DFS_MSG_MOVE, &move);
    }
    assert_non_null(fake_disk_pending(&r.n.f, 0));
    assert_null(fake_disk_pending(&r.n.f, 1));
    fake_disk_run(&r.n.f);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(crig_answer(&r, ann).number, DFS_MSG_CHANGED);
    assert_int_equal(r.n.meta->journal.batches, batches + 2);
    assert_string_equal(dump(), "a=11");
}

static void a_peer_that_pipelines_too_much_is_not_read(void **state)
{
    const struct dfs_m_move move = {.path = dfs_text_of("none"), .to_path = dfs_text_of("b")};
    struct dfs_m_put_open open = crig_open_message(&r, "a", 0);
    struct dfs_m_put_commit commit;
    unsigned answers = 0;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    commit = crig_commit_message(&r);
    crig_send(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
    for (unsigned i = 0; i < 200; i++)
        crig_send(&r, ann, DFS_MSG_MOVE, &move);
    assert_int_equal(r.n.meta->answers_count, DFS_META_MOST_answers_per_peer + 1); /* and one trace */
    fake_disk_run(&r.n.f);
    fake_pass(&r.n.f, DFS_MILLISECONDS);
    while (crig_answer(&r, ann).number != 0)
        answers++;
    assert_int_equal(answers, 201);
}

/* Damage ------------------------------------------------------------------------------------------------- */

static void a_tail_torn_at_any_byte_is_cut_and_nothing_else(void **state)
{
    struct meta_batch last;
    struct disk disk;
    size_t at[16];
    unsigned batches;

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "b", 0), DFS_OK);
    disk = disk_copy();
    assert_int_equal(disk.files, 1);
    batches = batches_of(disk.bytes[0], disk.count[0], at, 16);
    assert_int_equal(batches, 3); /* START, a, b */
    const size_t whole = disk.count[0];

    assert_int_equal(meta_batch_parse(disk.bytes[0] + at[2], whole - at[2], META_MAGIC_JOURNAL, &last),
                     META_BATCH_GOOD);
    const size_t end = at[2] + META_BATCH_HEADER_BYTES + last.bytes;

    for (size_t cut = at[2]; cut < whole; cut++) {
        struct disk torn = disk;

        torn.count[0] = cut;
        start_over(&torn);
        assert_true(dfs_meta_is_ready(r.n.meta));
        /* Only the padding behind the records is missing: the batch is whole. */
        assert_string_equal(dump(), cut < end ? "a=1" : "a=1 b=2");
    }
    for (size_t spoiled = at[2]; spoiled < end; spoiled++) {
        disk.bytes[0][spoiled] ^= 0x40;
        start_over(&disk);
        assert_true(dfs_meta_is_ready(r.n.meta));
        assert_string_equal(dump(), "a=1");
        disk.bytes[0][spoiled] ^= 0x40;
    }
    start_over(&disk);
    assert_string_equal(dump(), "a=1 b=2");
    disk_free(&disk);
}

static void a_cut_tail_stays_cut_even_when_it_is_readable_again(void **state)
{
    struct disk disk;
    struct disk later;
    size_t at[16];

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "lost", 0), DFS_OK);
    disk = disk_copy();
    assert_int_equal(batches_of(disk.bytes[0], disk.count[0], at, 16), 3);
    disk.bytes[0][at[2] + 80] ^= 1;
    start_over(&disk);
    crig_auth(&r);
    ann = crig_client(&r, 1, "rw:/");
    assert_int_equal(crig_put(&r, ann, "new", 0), DFS_OK);
    assert_string_equal(dump(), "a=1 new=2");
    later = disk_copy();
    assert_int_equal(later.files, 2);
    later.bytes[0][at[2] + 80] ^= 1; /* whole again */
    start_over(&later);
    assert_true(dfs_meta_is_ready(r.n.meta));
    assert_string_equal(dump(), "a=1 new=2");
    disk_free(&disk);
    disk_free(&later);
}

static void damage_before_the_tail_stops_the_start_with_a_reason(void **state)
{
    struct disk disk;
    const char *words;
    size_t at[16];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    disk = disk_copy();
    assert_int_equal(batches_of(disk.bytes[0], disk.count[0], at, 16), 5);
    for (unsigned i = 0; i < 3; i++) { /* the last but one is attested by the last */
        disk.bytes[0][at[i] + 70] ^= 1;
        start_over(&disk);
        assert_false(dfs_meta_is_ready(r.n.meta));
        assert_int_equal(dfs_meta_failure(r.n.meta, &words), DFS_IO);
        assert_non_null(strstr(words, SEGMENT_1));
        disk.bytes[0][at[i] + 70] ^= 1;
    }
    /* A whole segment gone. */
    start_over(&disk);
    crig_auth(&r);
    ann = crig_client(&r, 1, "rw:/");
    assert_int_equal(crig_put(&r, ann, "b", 0), DFS_OK);
    disk_free(&disk);
    disk = disk_copy();
    assert_int_equal(disk.files, 2);
    disk.files = 1;
    if (strcmp(disk.name[0], SEGMENT_1) == 0) {
        uint8_t *first = disk.bytes[0];

        (void)snprintf(disk.name[0], sizeof disk.name[0], "%s", disk.name[1]);
        disk.bytes[0] = disk.bytes[1];
        disk.count[0] = disk.count[1];
        dfs_free(first);
    }
    start_over(&disk);
    assert_int_equal(dfs_meta_failure(r.n.meta, NULL), DFS_IO);
    disk_free(&disk);
}

static void a_journal_of_another_cluster_is_refused(void **state)
{
    struct disk disk = disk_copy();

    (void)state;
    crig_close(&r);
    crig_init(&r);
    r.n.config.cluster.bytes[3] ^= 1;
    fake_disk_put(&r.n.f, disk.name[0], disk.bytes[0], disk.count[0]);
    r.n.meta = dfs_meta_new(&r.n.config, &r.n.f.env);
    fake_attach(&r.n.f, r.n.meta, (dfs_time_ns(*)(void *, const struct dfs_event *))(void (*)(void))dfs_meta_step);
    fake_start(&r.n.f);
    assert_int_equal(dfs_meta_failure(r.n.meta, NULL), DFS_WRONG_CLUSTER);
    disk_free(&disk);
}

static void a_disk_that_fails_ends_the_service_and_no_promise(void **state)
{
    static const enum dfs_disk_verb verbs[] = {DFS_DISK_WRITE, DFS_DISK_SYNC};

    for (unsigned i = 0; i < 2; i++) {
        const struct dfs_m_stat stat = {.path = dfs_text_of("a")};
        struct dfs_m_put_open open = crig_open_message(&r, "a", 0);
        struct dfs_m_put_commit commit;

        assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
        commit = crig_commit_message(&r);
        fake_disk_fail(&r.n.f, verbs[i], 0, 1, DFS_IO);
        (void)crig_ask(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
        assert_int_equal(r.status, DFS_UNAVAILABLE);
        assert_int_equal(dfs_meta_failure(r.n.meta, NULL), DFS_IO);
        assert_false(dfs_meta_is_ready(r.n.meta));
        (void)crig_ask(&r, ann, DFS_MSG_STAT, &stat);
        assert_int_equal(r.status, DFS_UNAVAILABLE);
        assert_int_equal(fake_traces(&r.n.f, DFS_TRACE_COMMITTED), 0);
        tear_down(state);
        set_up(state);
    }
}

/* The process dies with the first n operations of the disk done: whatever had been answered is there,
 * whatever had not may be. */
static void a_crash_after_any_disk_operation_loses_nothing_answered(void **state)
{
    (void)state;
    for (unsigned crash = 0; crash < 40; crash++) {
        static const char *const paths[] = {"a", "b", "c"};
        unsigned answered = 0;
        unsigned done = 0;
        struct disk disk;

        tear_down(state);
        set_up(state);
        for (unsigned i = 0; i < 3; i++) {
            struct dfs_m_put_open open = crig_open_message(&r, paths[i], 0);
            struct dfs_m_put_commit commit;

            if (crig_open(&r, ann, &open) != DFS_OK)
                break;
            commit = crig_commit_message(&r);
            crig_send(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
            while (done < crash && fake_disk_one(&r.n.f))
                done++;
            if (crig_answer(&r, ann).number != DFS_MSG_PUT_DONE)
                break;
            answered++;
            if (i == 1) /* metadata restarts in between */
                restart();
        }
        disk = disk_copy();
        start_over(&disk);
        assert_true(dfs_meta_is_ready(r.n.meta));
        for (unsigned i = 0; i < answered; i++)
            assert_non_null(meta_namespace_current(&r.n.meta->ns, paths[i], 1));
        disk_free(&disk);
    }
}

/* Batches that nobody attests may sit in the page cache only: the next life writes them again. */
static void an_unattested_tail_is_written_again_by_the_next_life(void **state)
{
    struct disk disk;
    size_t at[16];

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "b", 0), DFS_OK);
    restart();
    disk = disk_copy();
    assert_int_equal(disk.files, 2);
    const unsigned first = strcmp(disk.name[0], SEGMENT_1) == 0 ? 0 : 1;

    assert_string_equal(disk.name[1 - first], SEGMENT_2);
    assert_int_equal(batches_of(disk.bytes[first], disk.count[first], at, 16), 3);
    disk.count[first] = at[2]; /* the power went: b's batch was never on the disk */
    start_over(&disk);
    assert_true(dfs_meta_is_ready(r.n.meta));
    assert_string_equal(dump(), "a=1 b=2");
    disk_free(&disk);
}

static void positions_only_grow_and_tell_an_older_journal(void **state)
{
    const uint64_t early = meta_journal_position(&r.n.meta->journal);
    struct disk disk = disk_copy();
    uint64_t late;

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    restart();
    assert_int_equal(crig_put(&r, ann, "b", 0), DFS_OK);
    late = meta_journal_position(&r.n.meta->journal);
    assert_true(late > early);
    assert_false(meta_journal_is_older_than(r.n.meta, late));
    assert_false(meta_journal_is_older_than(r.n.meta, early));
    assert_false(meta_journal_is_older_than(r.n.meta, 0));
    assert_true(meta_journal_is_older_than(r.n.meta, late + 1));
    start_over(&disk); /* somebody put an old copy back */
    assert_true(meta_journal_is_older_than(r.n.meta, late));
    assert_false(meta_journal_is_older_than(r.n.meta, early));
    disk_free(&disk);
}

static void a_commit_sent_again_is_answered_as_it_was(void **state)
{
    struct dfs_m_put_commit commit;
    struct fake_message in;

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    commit = crig_commit_message(&r);
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    for (unsigned i = 0; i < 3; i++) {
        in = crig_ask(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
        assert_int_equal(in.number, DFS_MSG_PUT_DONE);
        assert_int_equal(in.body->put_done.status, DFS_OK);
        assert_int_equal(in.body->put_done.version, 1);
        if (i == 0) {
            restart();
        } else {
            fake_command(&r.n.f, 0, DFS_META_CHECKPOINT, NULL);
            fake_disk_run(&r.n.f);
            restart();
        }
    }
    commit.file.bytes[0] ^= 1; /* never heard of, of an older epoch */
    (void)crig_ask(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
    assert_int_equal(r.status, DFS_UPLOAD_LOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scan_believes_what_is_whole_and_in_order),
        cmocka_unit_test(a_witness_of_a_missing_batch_stops_the_start),
        cmocka_unit_test(a_later_life_overrules_the_tail_it_has_cut),
        cmocka_unit_test(a_batch_with_any_bit_wrong_is_bad),
        cmocka_unit_test_setup_teardown(all_that_was_answered_is_there_after_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_answered_before_it_is_synced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_flight_at_a_time_and_the_next_takes_all_that_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_peer_that_pipelines_too_much_is_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_tail_torn_at_any_byte_is_cut_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_tail_stays_cut_even_when_it_is_readable_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_before_the_tail_stops_the_start_with_a_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_journal_of_another_cluster_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disk_that_fails_ends_the_service_and_no_promise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crash_after_any_disk_operation_loses_nothing_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unattested_tail_is_written_again_by_the_next_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(positions_only_grow_and_tell_an_older_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_commit_sent_again_is_answered_as_it_was, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* BLOCK_READ, and what it finds. */
#include "core/base/crc32c.h"
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LARGE 1000001u
#define SMALL 100000u

struct story {
    struct data_rig r;
    struct dfs_block_id large;
    struct dfs_block_id small;
    uint8_t bytes[LARGE];
    uint8_t got[LARGE];
    struct dfs_m_block_end end;
    dfs_conn conn;
};

static struct story *up(void)
{
    struct story *s = calloc(1, sizeof *s);

    rig_init(&s->r);
    rig_start(&s->r);
    rig_join(&s->r);
    s->large = rig_block(1);
    s->small = rig_block(2);
    rig_fill(s->bytes, LARGE, 7);
    rig_store(&s->r, &s->large, s->bytes, LARGE);
    rig_store(&s->r, &s->small, s->bytes, SMALL);
    fake_forget(&s->r.f);
    s->conn = rig_client(&s->r);
    return s;
}

static void down(struct story *s)
{
    assert_int_equal(rig_metric(&s->r, "reads_running"), 0);
    assert_int_equal(rig_metric(&s->r, "memory_bytes"), 0);
    rig_close(&s->r);
    free(s);
}

static struct fake_file *file_of(struct story *s, const struct dfs_block_id *block)
{
    char name[DFS_FILE_NAME_BYTES_MAX];
    struct fake_file *file;

    rig_name(block, name);
    file = fake_disk_file(&s->r.f, name);
    assert_non_null(file);
    return file;
}

static size_t get(struct story *s, const struct dfs_block_id *block, uint32_t offset, uint32_t count)
{
    const uint32_t request = rig_read(&s->r, s->conn, block, offset, count);

    return rig_collect(&s->r, s->conn, request, offset / DFS_CHUNK_BYTES * DFS_CHUNK_BYTES, s->got, sizeof s->got,
                       &s->end);
}

static void test_small_block_is_one_disk_read(void **state)
{
    struct story *s = up();
    const uint64_t reads = s->r.f.disk_done[DFS_DISK_READ];

    (void)state;
    assert_int_equal(get(s, &s->small, 0, SMALL), SMALL);
    assert_memory_equal(s->got, s->bytes, SMALL);
    assert_int_equal(s->end.status, DFS_OK);
    assert_int_equal(s->end.crc32c, dfs_crc32c(0, s->bytes, SMALL));
    assert_int_equal(s->r.f.disk_done[DFS_DISK_READ], reads + 1);
    down(s);
}

static void test_large_block_comes_in_frames(void **state)
{
    struct story *s = up();

    (void)state;
    assert_int_equal(get(s, &s->large, 0, LARGE), LARGE);
    assert_memory_equal(s->got, s->bytes, LARGE);
    assert_int_equal(s->end.status, DFS_OK);
    assert_int_equal(s->end.crc32c, dfs_crc32c(0, s->bytes, LARGE));
    down(s);
}

static void test_ranges_begin_at_a_chunk_and_end_where_asked(void **state)
{
    static const uint32_t ranges[][2] = {{0, 1},
                                         {5, 10},
                                         {65535, 2},
                                         {65536, 65536},
                                         {131072, 400000},
                                         {100001, 300000},
                                         {LARGE - 1, 1},
                                         {LARGE - 70000, 70000},
                                         {900000, LARGE},
                                         {65536, 65537},
                                         {0, DFS_BLOCK_BYTES_MAX}};
    struct story *s = up();

    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const uint32_t begin = ranges[i][0] / DFS_CHUNK_BYTES * DFS_CHUNK_BYTES;
        const uint32_t end = (uint64_t)ranges[i][0] + ranges[i][1] < LARGE ? ranges[i][0] + ranges[i][1] : LARGE;

        assert_int_equal(get(s, &s->large, ranges[i][0], ranges[i][1]), end - begin);
        assert_memory_equal(s->got, s->bytes + begin, end - begin);
        assert_int_equal(s->end.status, DFS_OK);
    }
    assert_int_equal(get(s, &s->small, 70000, 10), 70010 - 65536);
    assert_memory_equal(s->got, s->bytes + 65536, 70010 - 65536);
    down(s);
}

static void test_window_bounds_what_one_reader_holds(void **state)
{
    struct story *s = up();
    const uint32_t request = rig_read(&s->r, s->conn, &s->large, 0, LARGE);

    (void)state;
    fake_disk_run(&s->r.f);
    assert_int_equal(fake_conn_of(&s->r.f, s->conn)->bulks_count, 4);
    assert_true(rig_metric(&s->r, "memory_bytes") <= 4 * (2 * DFS_CHUNK_BYTES + DFS_BULK_SLACK_BYTES));
    assert_int_equal(rig_collect(&s->r, s->conn, request, 0, s->got, sizeof s->got, &s->end), LARGE);
    down(s);
}

static void test_reader_that_takes_nothing_is_given_up(void **state)
{
    struct story *s = up();

    (void)state;
    (void)rig_read(&s->r, s->conn, &s->large, 0, LARGE);
    rig_keep_alive(&s->r, s->r.config.request_timeout_ns + DFS_MILLISECONDS);
    assert_int_equal(rig_metric(&s->r, "reads_running"), 0);
    assert_int_equal(rig_metric(&s->r, "reads_failed"), 1);
    fake_sent_all(&s->r.f, s->conn); /* what the transport held comes back late, and finds nobody */
    down(s);
}

static void test_reader_that_goes_takes_its_read_along(void **state)
{
    struct story *s = up();

    (void)state;
    (void)rig_read(&s->r, s->conn, &s->large, 0, LARGE);
    (void)fake_disk_one(&s->r.f);
    (void)fake_disk_one(&s->r.f);
    fake_closed(&s->r.f, s->conn, DFS_UNREACHABLE);
    assert_int_equal(rig_metric(&s->r, "reads_running"), 0);
    fake_disk_run(&s->r.f);
    down(s);
}

static void expect_bad(struct story *s, const struct dfs_block_id *block, enum dfs_status status)
{
    struct fake_message m = fake_expect(&s->r.f, s->r.control, DFS_MSG_BLOCK_EVENTS);

    assert_int_equal(m.body->block_events.changes_count, 1);
    assert_int_equal(m.body->block_events.changes[0].kind, DFS_CHANGE_BAD);
    assert_int_equal(m.body->block_events.changes[0].block.index, block->index);
    assert_int_equal(fake_traces(&s->r.f, DFS_TRACE_BLOCK_BAD), 1);
    assert_int_equal(fake_trace_last(&s->r.f, DFS_TRACE_BLOCK_BAD)->status, status);
}

static void test_rotten_chunk_is_never_sent(void **state)
{
    struct story *s = up();

    (void)state;
    file_of(s, &s->large)->bytes[500000] ^= 4;
    assert_in_range(get(s, &s->large, 0, LARGE), 0, 500000);
    assert_int_equal(s->end.status, DFS_BLOCK_CORRUPT);
    expect_bad(s, &s->large, DFS_BLOCK_CORRUPT);
    /* Refused without a look from now on, and not reported again. */
    assert_int_equal(get(s, &s->large, 0, 10), 0);
    assert_int_equal(s->end.status, DFS_BLOCK_CORRUPT);
    assert_int_equal(fake_traces(&s->r.f, DFS_TRACE_BLOCK_BAD), 1);
    /* The other block is as good as before. */
    assert_int_equal(get(s, &s->small, 0, SMALL), SMALL);
    assert_int_equal(s->end.status, DFS_OK);
    down(s);
}

static void test_rot_in_the_footer_and_a_cut_file_are_found(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct story *s = up();
        const struct dfs_block_id *block = kind & 1 ? &s->large : &s->small;
        struct fake_file *file = file_of(s, block);

        if (kind < 2)
            file->bytes[file->count - 3] ^= 1;
        else
            file->count -= 1;
        assert_int_equal(get(s, block, 0, LARGE), 0);
        assert_int_equal(s->end.status, DFS_BLOCK_CORRUPT);
        expect_bad(s, block, DFS_BLOCK_CORRUPT);
        down(s);
    }
}

static void test_missing_file_is_reported(void **state)
{
    struct story *s = up();

    (void)state;
    free(file_of(s, &s->small)->bytes);
    *file_of(s, &s->small) = (struct fake_file){0};
    assert_int_equal(get(s, &s->small, 0, SMALL), 0);
    assert_int_equal(s->end.status, DFS_BLOCK_MISSING);
    expect_bad(s, &s->small, DFS_BLOCK_MISSING);
    down(s);
}

static void test_block_that_is_not_here_is_reported_once(void **state)
{
    struct story *s = up();
    const struct dfs_block_id stranger = rig_block(99);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(get(s, &stranger, 0, SMALL), 0);
        assert_int_equal(s->end.status, DFS_BLOCK_MISSING);
    }
    expect_bad(s, &stranger, DFS_BLOCK_MISSING);
    assert_int_equal(fake_sent(&s->r.f, s->r.control).number, 0);
    down(s);
}

static void test_one_wrong_answer_of_the_disk_is_not_believed(void **state)
{
    (void)state;
    for (unsigned skip = 0; skip < 4; skip++) {
        struct story *s = up();

        fake_disk_fail(&s->r.f, DFS_DISK_READ, skip, 1, DFS_IO);
        assert_int_equal(get(s, &s->large, 0, LARGE), LARGE);
        assert_int_equal(s->end.status, DFS_OK);
        assert_memory_equal(s->got, s->bytes, LARGE);
        assert_int_equal(fake_traces(&s->r.f, DFS_TRACE_BLOCK_BAD), 0);
        down(s);
    }
}

static void test_misdirected_read_is_read_again(void **state)
{
    struct story *s = up();
    struct fake_file *file = file_of(s, &s->small);

    (void)state;
    /* The first answer is spoilt, the second is right. */
    (void)rig_read(&s->r, s->conn, &s->small, 0, SMALL);
    file->bytes[7] ^= 1;
    (void)fake_disk_one(&s->r.f);
    file->bytes[7] ^= 1;
    assert_int_equal(rig_collect(&s->r, s->conn, s->r.request, 0, s->got, sizeof s->got, &s->end), SMALL);
    assert_int_equal(s->end.status, DFS_OK);
    assert_memory_equal(s->got, s->bytes, SMALL);
    assert_int_equal(fake_traces(&s->r.f, DFS_TRACE_BLOCK_BAD), 0);
    down(s);
}

static void test_wrong_grants_are_refused(void **state)
{
    struct story *s = up();
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    struct dfs_m_block_read message = {.length_bytes = 10};

    (void)state;
    message.grant = rig_grant(&s->r, &s->small, DFS_GRANT_WRITE, order, 1, replicas);
    fake_receive(&s->r.f, s->conn, 50, DFS_MSG_BLOCK_READ, &message, NULL, 0);
    assert_int_equal(fake_expect(&s->r.f, s->conn, DFS_MSG_BLOCK_END).body->block_end.status, DFS_GRANT_INVALID);

    message.grant = rig_grant(&s->r, &s->small, DFS_GRANT_READ, order, 1, replicas);
    message.grant.key_id = 1;
    fake_receive(&s->r.f, s->conn, 51, DFS_MSG_BLOCK_READ, &message, NULL, 0);
    assert_int_equal(fake_expect(&s->r.f, s->conn, DFS_MSG_BLOCK_END).body->block_end.status, DFS_GRANT_EXPIRED);

    s->r.bearer[1] ^= 1;
    message.grant = rig_grant(&s->r, &s->small, DFS_GRANT_READ, order, 1, replicas);
    fake_receive(&s->r.f, s->conn, 52, DFS_MSG_BLOCK_READ, &message, NULL, 0);
    assert_int_equal(fake_expect(&s->r.f, s->conn, DFS_MSG_BLOCK_END).body->block_end.status, DFS_GRANT_INVALID);
    s->r.bearer[1] ^= 1;

    s->r.incarnations[0]++;
    message.grant = rig_grant(&s->r, &s->small, DFS_GRANT_READ, order, 1, replicas);
    fake_receive(&s->r.f, s->conn, 53, DFS_MSG_BLOCK_READ, &message, NULL, 0);
    assert_int_equal(fake_expect(&s->r.f, s->conn, DFS_MSG_BLOCK_END).body->block_end.status, DFS_STALE_INCARNATION);
    s->r.incarnations[0]--;

    message.grant = rig_grant(&s->r, &s->small, DFS_GRANT_READ, order, 1, replicas);
    message.offset = SMALL; /* behind the end */
    fake_receive(&s->r.f, s->conn, 54, DFS_MSG_BLOCK_READ, &message, NULL, 0);
    assert_int_equal(fake_expect(&s->r.f, s->conn, DFS_MSG_BLOCK_END).body->block_end.status, DFS_GRANT_INVALID);
    down(s);
}

static void test_many_readers_share_a_small_pool(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    uint32_t requests[20];
    size_t counts[20] = {0};
    unsigned finished = 0, turns = 0;

    (void)state;
    rig_init(&s->r);
    s->r.config.pool_bytes = 1 << 20; /* the half for what leaves is three frames */
    rig_start(&s->r);
    rig_join(&s->r);
    s->large = rig_block(1);
    rig_fill(s->bytes, LARGE, 7);
    rig_store(&s->r, &s->large, s->bytes, LARGE);
    s->conn = rig_client(&s->r);
    for (unsigned i = 0; i < 20; i++)
        requests[i] = rig_read(&s->r, s->conn, &s->large, 0, LARGE);
    while (finished < 20) {
        struct fake_message m;

        assert_in_range(++turns, 1, 1000);
        fake_disk_run(&s->r.f);
        assert_true(rig_metric(&s->r, "memory_bytes") <= 1 << 19);
        fake_sent_all(&s->r.f, s->conn);
        fake_pass(&s->r.f, 20 * DFS_MILLISECONDS);
        while ((m = fake_sent(&s->r.f, s->conn)).number != 0) {
            const unsigned i = m.request - requests[0];

            if (m.number == DFS_MSG_BLOCK_END) {
                assert_int_equal(m.body->block_end.status, DFS_OK);
                assert_int_equal(counts[i], LARGE);
                finished++;
            } else {
                assert_int_equal(m.body->block_data.offset, counts[i]);
                assert_memory_equal(m.bulk, s->bytes + counts[i], m.bulk_count);
                counts[i] += m.bulk_count;
            }
        }
    }
    down(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_block_is_one_disk_read),
        cmocka_unit_test(test_large_block_comes_in_frames),
        cmocka_unit_test(test_ranges_begin_at_a_chunk_and_end_where_asked),
        cmocka_unit_test(test_window_bounds_what_one_reader_holds),
        cmocka_unit_test(test_reader_that_takes_nothing_is_given_up),
        cmocka_unit_test(test_reader_that_goes_takes_its_read_along),
        cmocka_unit_test(test_rotten_chunk_is_never_sent),
        cmocka_unit_test(test_rot_in_the_footer_and_a_cut_file_are_found),
        cmocka_unit_test(test_missing_file_is_reported),
        cmocka_unit_test(test_block_that_is_not_here_is_reported_once),
        cmocka_unit_test(test_one_wrong_answer_of_the_disk_is_not_believed),
        cmocka_unit_test(test_misdirected_read_is_read_again),
        cmocka_unit_test(test_wrong_grants_are_refused),
        cmocka_unit_test(test_many_readers_share_a_small_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

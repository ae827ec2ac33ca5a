/* What the daemon asks of the machine itself: stop, checkpoint, the brake, metrics; in every phase of its life. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/clients_rig.h"

#define ANSWERS_MAX 8

static struct clients_rig r;
static struct {
    uint64_t command;
    enum dfs_status status;
    char words[128];
} answers[ANSWERS_MAX];
static unsigned answers_count;

static void on_answer(void *ctx, uint64_t command, const void *result)
{
    const struct dfs_meta_answer *answer = result;

    (void)ctx;
    assert_true(answers_count < ANSWERS_MAX);
    answers[answers_count].command = command;
    answers[answers_count].status = answer->status;
    (void)snprintf(answers[answers_count++].words, sizeof answers[0].words, "%s", answer->words);
}

static int set_up(void **state)
{
    (void)state;
    answers_count = 0;
    crig_init(&r);
    r.n.f.on_answer = on_answer;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    crig_close(&r);
    return 0;
}

static void assert_answer(unsigned index, uint64_t command, enum dfs_status status)
{
    assert_true(index < answers_count);
    assert_int_equal(answers[index].command, command);
    assert_int_equal(answers[index].status, status);
}

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_meta_step(machine, event);
}

/* A machine whose EV_START has been given, and whose disk has not answered. */
static void start_slowly(void)
{
    struct dfs_event event = {.kind = DFS_EV_START};

    r.n.meta = dfs_meta_new(&r.n.config, &r.n.f.env);
    fake_attach(&r.n.f, r.n.meta, step);
    fake_step(&r.n.f, &event);
    assert_false(dfs_meta_is_ready(r.n.meta));
}

static void before_it_serves_only_a_stop_is_taken(void **state)
{
    (void)state;
    start_slowly();
    fake_command(&r.n.f, 1, DFS_META_CHECKPOINT, NULL);
    fake_command(&r.n.f, 2, DFS_META_BRAKE_RELEASE, NULL);
    assert_answer(0, 1, DFS_UNAVAILABLE);
    assert_answer(1, 2, DFS_UNAVAILABLE);
    fake_command(&r.n.f, 3, DFS_META_STOP, NULL);
    assert_answer(2, 3, DFS_OK);
    fake_disk_run(&r.n.f);
    fake_pass(&r.n.f, DFS_SECONDS);
    assert_false(dfs_meta_is_ready(r.n.meta)); /* the answers of its disk start it no more */
    assert_int_equal(dfs_meta_failure(r.n.meta, NULL), DFS_OK);
    assert_int_equal(answers_count, 3);
}

static void a_stop_is_answered_once_however_often_it_is_asked(void **state)
{
    (void)state;
    crig_start(&r, 0);
    fake_command(&r.n.f, 1, DFS_META_STOP, NULL);
    assert_int_equal(answers_count, 0);
    fake_command(&r.n.f, 2, DFS_META_CHECKPOINT, NULL);
    assert_answer(0, 2, DFS_UNAVAILABLE); /* the stop's own checkpoint is under way */
    fake_command(&r.n.f, 3, DFS_META_STOP, NULL);
    assert_int_equal(answers_count, 1);
    fake_disk_run(&r.n.f);
    assert_int_equal(answers_count, 2);
    assert_answer(1, 3, DFS_OK);
    assert_non_null(fake_disk_file(&r.n.f, "checkpoint-0000000001"));
}

static void a_second_checkpoint_is_not_begun_beside_the_first(void **state)
{
    (void)state;
    crig_start(&r, 0);
    fake_command(&r.n.f, 1, DFS_META_CHECKPOINT, NULL);
    fake_command(&r.n.f, 2, DFS_META_CHECKPOINT, NULL);
    assert_answer(0, 2, DFS_UNAVAILABLE);
    fake_disk_run(&r.n.f);
    assert_answer(1, 1, DFS_OK);
    assert_null(fake_disk_file(&r.n.f, "checkpoint-0000000002"));
}

static void the_brake_and_what_no_one_knows(void **state)
{
    (void)state;
    crig_start(&r, 0);
    fake_command(&r.n.f, 1, DFS_META_BRAKE_RELEASE, NULL);
    assert_answer(0, 1, DFS_OK);
    fake_command(&r.n.f, 2, 99, NULL);
    assert_answer(1, 2, DFS_BAD_REQUEST);
}

static void what_has_failed_says_so_to_every_command(void **state)
{
    const char *words;

    (void)state;
    fake_disk_fail(&r.n.f, DFS_DISK_LIST, 0, 1, DFS_IO);
    start_slowly();
    fake_disk_run(&r.n.f);
    assert_int_equal(dfs_meta_failure(r.n.meta, &words), DFS_IO);
    assert_non_null(strstr(words, "cannot be listed"));
    fake_command(&r.n.f, 1, DFS_META_CHECKPOINT, NULL);
    fake_command(&r.n.f, 2, DFS_META_STOP, NULL);
    for (unsigned i = 0; i < 2; i++) {
        assert_answer(i, i + 1, DFS_IO);
        assert_string_equal(answers[i].words, words);
    }
}

/* Metrics ------------------------------------------------------------------------------------------------- */

static const char *wanted;
static uint64_t found;
static unsigned emitted;

static void emit(void *ctx, const char *name, const char *help, uint64_t value)
{
    (void)ctx;
    assert_int_equal(strncmp(name, "dfs_meta_", 9), 0);
    assert_true(strlen(help) > 4);
    emitted++;
    if (strcmp(name, wanted) == 0) {
        assert_int_equal(found, UINT64_MAX); /* no name twice */
        found = value;
    }
}

static uint64_t metric(const char *name)
{
    wanted = name;
    found = UINT64_MAX;
    emitted = 0;
    dfs_meta_metrics(r.n.meta, emit, NULL);
    assert_int_not_equal(found, UINT64_MAX);
    return found;
}

static void metrics_count_what_happened(void **state)
{
    dfs_conn ann;
    struct dfs_m_get_open get = {.path = dfs_text_of("b")};

    (void)state;
    crig_start(&r, 4);
    ann = crig_client(&r, 1, "rw:/");
    assert_int_equal(crig_put(&r, ann, "a", 1000000), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "b", 1000000), DFS_OK);
    assert_int_equal(crig_remove(&r, ann, "a", 0), DFS_OK);
    assert_int_equal(crig_ask(&r, ann, DFS_MSG_GET_OPEN, &get).number, DFS_MSG_GET_PLAN);
    assert_int_equal(metric("dfs_meta_ready"), 1);
    assert_int_equal(metric("dfs_meta_epoch"), 1);
    assert_int_equal(metric("dfs_meta_clients"), 1);
    assert_int_equal(metric("dfs_meta_data_connections"), 4);
    assert_int_equal(metric("dfs_meta_commits_total"), 2);
    assert_int_equal(metric("dfs_meta_reads_total"), 1);
    assert_int_equal(metric("dfs_meta_changes_total"), 1);
    assert_int_equal(metric("dfs_meta_files"), 2);
    assert_int_equal(metric("dfs_meta_files_in_trash"), 1);
    assert_int_equal(metric("dfs_meta_block_copies"), 3 * metric("dfs_meta_blocks"));
    assert_int_equal(metric("dfs_meta_blocks_under"), 0);
    assert_int_equal(metric("dfs_meta_uploads_open"), 0);
    assert_in_range(emitted, 40, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(before_it_serves_only_a_stop_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_is_answered_once_however_often_it_is_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_checkpoint_is_not_begun_beside_the_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_brake_and_what_no_one_knows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_has_failed_says_so_to_every_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(metrics_count_what_happened, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

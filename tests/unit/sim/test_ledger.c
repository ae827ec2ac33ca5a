/* The ledger: which answers keep the promises that earlier ones made, and which break them. */
#include "core/base/mem.h"
#include "sim/content.h"
#include "sim/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIZE 1000

struct fixture {
    struct sim_ledger ledger;
    struct sim_ledger_violation violation;
    dfs_time_ns now;
    uint64_t keys;
};

static int setup(void **state)
{
    struct fixture *f = dfs_alloc_zero(sizeof *f);

    sim_ledger_init(&f->ledger);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sim_ledger_close(&f->ledger);
    dfs_free(f);
    return 0;
}

static struct dfs_id file_id(uint8_t number)
{
    return (struct dfs_id){.bytes = {1, number}};
}

static struct sim_operation *ask(struct fixture *f, enum sim_operation_kind kind, const char *path, const char *to_path)
{
    return sim_ledger_ask(&f->ledger, kind, 0, path, to_path, ++f->now);
}

static struct sim_operation *ask_put(struct fixture *f, const char *path)
{
    struct sim_operation *put = ask(f, SIM_OP_PUT, path, NULL);

    sim_ledger_put(&f->ledger, put, ++f->keys, SIZE);
    return put;
}

static bool answer(struct fixture *f, struct sim_operation *operation, enum dfs_status status, uint64_t version,
                   uint8_t file)
{
    const struct dfs_id id = file_id(file);

    return sim_ledger_answer(&f->ledger, operation, ++f->now, status, version, file == 0 ? NULL : &id, &f->violation);
}

static struct sim_operation *put(struct fixture *f, const char *path, uint64_t version, uint8_t file)
{
    struct sim_operation *operation = ask_put(f, path);

    assert_true(answer(f, operation, DFS_OK, version, file));
    return operation;
}

/* A GET that brings the bytes of `key`, whole. */
static void bring(struct sim_operation *get, uint64_t key)
{
    uint8_t bytes[SIZE];

    sim_content_fill(key, 0, bytes, SIZE);
    sim_ledger_got(get, 0, bytes, SIZE);
    get->got_all = true;
}

static bool get_answers(struct fixture *f, const char *path, uint64_t key, uint64_t version, uint8_t file)
{
    struct sim_operation *get = ask(f, SIM_OP_GET, path, NULL);

    bring(get, key);
    return answer(f, get, DFS_OK, version, file);
}

static void content_is_a_function_of_key_and_place(void **state)
{
    uint8_t whole[300];
    uint8_t part[300];

    (void)state;
    sim_content_fill(7, 0, whole, sizeof whole);
    for (size_t from = 0; from < sizeof whole; from += 37) {
        sim_content_fill(7, from, part, sizeof whole - from);
        assert_memory_equal(part, whole + from, sizeof whole - from);
        assert_true(sim_content_is(7, from, whole + from, sizeof whole - from));
        assert_false(sim_content_is(8, from, whole + from, sizeof whole - from));
    }
    whole[299] ^= 1;
    assert_false(sim_content_is(7, 0, whole, sizeof whole));
    assert_true(sim_content_is(7, 0, whole, sizeof whole - 1));
}

static void acknowledged_bytes_come_back(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *first = put(f, "x", 1, 1);

    assert_true(get_answers(f, "x", first->key, 1, 1));
    assert_false(get_answers(f, "x", first->key + 1, 1, 1));
    assert_string_equal(f->violation.checker, "acked_data");
}

static void an_ok_without_all_bytes_is_none(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1, 1);
    assert_false(answer(f, ask(f, SIM_OP_GET, "x", NULL), DFS_OK, 1, 1));
    assert_string_equal(f->violation.checker, "acked_data");
}

static void reads_never_go_back(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *old = put(f, "x", 1, 1);
    const struct sim_operation *new = put(f, "x", 2, 2);

    assert_true(get_answers(f, "x", new->key, 2, 2));
    assert_false(get_answers(f, "x", old->key, 1, 1));
    assert_string_equal(f->violation.checker, "reads_never_go_back");
}

static void a_read_that_was_asked_before_may_show_the_older(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *old = put(f, "x", 1, 1);
    struct sim_operation *get = ask(f, SIM_OP_GET, "x", NULL);

    put(f, "x", 2, 2);
    bring(get, old->key);
    assert_true(answer(f, get, DFS_OK, 1, 1));
}

static void what_was_seen_once_is_certain(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *old = put(f, "x", 1, 1);
    struct sim_operation *lost = ask_put(f, "x");

    assert_true(answer(f, lost, DFS_TIMEOUT, 0, 0));
    assert_true(get_answers(f, "x", lost->key, 2, 2)); /* it has happened after all */
    assert_false(get_answers(f, "x", old->key, 1, 1));
    assert_string_equal(f->violation.checker, "reads_never_go_back");
}

static void an_upload_begun_again_may_show_both_files(void **state)
{
    struct fixture *f = *state;
    struct sim_operation *twice = ask_put(f, "x");

    assert_true(answer(f, twice, DFS_OK, 3, 3));
    assert_true(get_answers(f, "x", twice->key, 3, 3));
    /* the first try had got through too, under another id */
    struct sim_operation *get = ask(f, SIM_OP_GET, "x", NULL);

    bring(get, twice->key);
    assert_true(answer(f, get, DFS_OK, 4, 9));
}

static void bytes_that_nobody_put(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1, 1);
    assert_false(get_answers(f, "x", 4711, 2, 2));
    assert_string_equal(f->violation.checker, "acked_data");
}

static void an_acknowledged_file_is_found(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1, 1);
    assert_true(answer(f, ask(f, SIM_OP_GET, "y", NULL), DFS_NOT_FOUND, 0, 0));
    assert_false(answer(f, ask(f, SIM_OP_GET, "x", NULL), DFS_NOT_FOUND, 0, 0));
    assert_string_equal(f->violation.checker, "acked_data");
}

static void a_removed_file_may_be_absent(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1, 1);
    struct sim_operation *remove = ask(f, SIM_OP_REMOVE, "x", NULL);

    assert_false(sim_path_must_exist(sim_ledger_path(&f->ledger, "x")));
    assert_true(answer(f, ask(f, SIM_OP_GET, "x", NULL), DFS_NOT_FOUND, 0, 0));
    assert_true(answer(f, remove, DFS_OK, 2, 0));
    assert_true(answer(f, ask(f, SIM_OP_GET, "x", NULL), DFS_NOT_FOUND, 0, 0));
    assert_false(sim_path_must_exist(sim_ledger_path(&f->ledger, "x")));
}

static void a_remove_whose_client_died_leaves_it_open(void **state)
{
    struct fixture *f = *state;

    put(f, "x", 1, 1);
    sim_ledger_lose(&f->ledger, ask(f, SIM_OP_REMOVE, "x", NULL));
    assert_false(sim_path_must_exist(sim_ledger_path(&f->ledger, "x")));
    assert_true(answer(f, ask(f, SIM_OP_GET, "x", NULL), DFS_NOT_FOUND, 0, 0));
}

static void a_move_takes_the_file_along(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *first = put(f, "x", 1, 1);

    assert_true(answer(f, ask(f, SIM_OP_MOVE, "x", "y"), DFS_OK, 2, 0));
    assert_true(sim_path_must_exist(sim_ledger_path(&f->ledger, "y")));
    assert_false(sim_path_must_exist(sim_ledger_path(&f->ledger, "x")));
    assert_true(get_answers(f, "y", first->key, 2, 1));
    assert_false(answer(f, ask(f, SIM_OP_GET, "y", NULL), DFS_NOT_FOUND, 0, 0));
}

static void a_bad_token_does_nothing(void **state)
{
    struct fixture *f = *state;
    struct sim_operation *forged = ask_put(f, "x");

    forged->token = SIM_TOKEN_FORGED;
    assert_false(answer(f, forged, DFS_OK, 1, 1));
    assert_string_equal(f->violation.checker, "authority");
}

static void ranges(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *first = put(f, "x", 1, 1);
    uint8_t bytes[SIZE];

    sim_content_fill(first->key, 0, bytes, SIZE);
    for (int wrong = 0; wrong < 2; wrong++) {
        struct sim_operation *get = ask(f, SIM_OP_RANGE_GET, "x", NULL);

        get->first = 900;
        get->last = 5000; /* beyond the end: what there is */
        sim_ledger_got(get, 0, bytes + 900 - wrong, 100);
        get->got_all = true;
        assert_int_equal(answer(f, get, DFS_OK, 1, 1), !wrong);
    }
}

/* A replica that turned out bad half-way: its bytes are pushed over. */
static void pushed_again_replaces(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *first = put(f, "x", 1, 1);
    struct sim_operation *get = ask(f, SIM_OP_GET, "x", NULL);
    uint8_t junk[SIZE];

    memset(junk, 0xEE, sizeof junk);
    sim_ledger_got(get, 300, junk, 200);
    bring(get, first->key);
    assert_true(answer(f, get, DFS_OK, 1, 1));
}

/* REMOVE names the version that it takes away. */
static void a_removed_version_is_not_shown_again(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *first = put(f, "x", 1, 1);
    struct sim_operation *early = ask(f, SIM_OP_GET, "x", NULL);

    assert_true(answer(f, ask(f, SIM_OP_REMOVE, "x", NULL), DFS_OK, 1, 0));
    bring(early, first->key);
    assert_true(answer(f, early, DFS_OK, 1, 1)); /* asked before it was removed */
    assert_false(get_answers(f, "x", first->key, 1, 1));
    assert_string_equal(f->violation.checker, "linearizable");
}

static void what_was_seen_absent_does_not_come_back(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *first = put(f, "x", 1, 1);

    ask(f, SIM_OP_REMOVE, "x", NULL); /* its answer never comes */
    assert_true(get_answers(f, "x", first->key, 1, 1));
    assert_true(answer(f, ask(f, SIM_OP_GET, "x", NULL), DFS_NOT_FOUND, 0, 0));
    assert_false(get_answers(f, "x", first->key, 1, 1));
    assert_string_equal(f->violation.checker, "linearizable");
}

static void a_put_that_failed_for_certain_is_not_shown(void **state)
{
    struct fixture *f = *state;
    struct sim_operation *open = ask_put(f, "x");
    struct sim_operation *failed = ask_put(f, "x");

    assert_true(answer(f, open, DFS_TIMEOUT, 0, 0));
    assert_true(get_answers(f, "x", open->key, 1, 1));
    assert_true(answer(f, failed, DFS_NO_SPACE, 0, 0));
    assert_false(get_answers(f, "x", failed->key, 2, 2));
    assert_string_equal(f->violation.checker, "linearizable");
}

static void bytes_of_another_path_need_a_move(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *first = put(f, "x", 1, 1);

    assert_false(get_answers(f, "y", first->key, 1, 1));
    assert_string_equal(f->violation.checker, "linearizable");
    ask(f, SIM_OP_MOVE, "x", "y"); /* may happen any time */
    assert_true(get_answers(f, "y", first->key, 2, 1));
}

static void if_absent_needs_a_moment_without_a_file(void **state)
{
    struct fixture *f = *state;
    struct sim_operation *second;

    put(f, "x", 1, 1);
    second = ask_put(f, "x");
    second->if_absent = true;
    assert_false(answer(f, second, DFS_OK, 2, 2));
    assert_string_equal(f->violation.checker, "linearizable");
}

static void a_named_version_may_be_an_old_one(void **state)
{
    struct fixture *f = *state;
    const struct sim_operation *old = put(f, "x", 1, 1);
    struct sim_operation *get;

    put(f, "x", 2, 2);
    for (uint64_t other = 0; other < 2; other++) {
        get = ask(f, SIM_OP_GET, "x", NULL);
        get->wanted_version = 1 + 2 * other;
        bring(get, old->key);
        assert_int_equal(answer(f, get, DFS_OK, 1, 1), !other);
    }
}

/* What the operation has put outlives it: it is told from what nobody has put, and by whom. */
static void what_a_forgotten_put_has_put_is_known(void **state)
{
    struct fixture *f = *state;
    struct sim_operation *first = put(f, "x", 1, 1);
    struct sim_operation *failed = ask_put(f, "x");

    sim_ledger_forget(&f->ledger, first);
    assert_null(sim_ledger_operation(&f->ledger, 1));
    assert_true(answer(f, failed, DFS_NO_SPACE, 0, 0));
    sim_ledger_forget(&f->ledger, failed);
    struct sim_operation *second = put(f, "y", 2, 2); /* in the memory of one of them */

    assert_true(second == first || second == failed);
    assert_int_equal(second->number, 3);
    assert_ptr_equal(sim_ledger_operation(&f->ledger, 3), second);
    assert_int_equal(sim_ledger_put_of(&f->ledger, 1)->key, 1);
    assert_int_equal(sim_ledger_put_of(&f->ledger, 3)->key, 3);
    assert_true(get_answers(f, "x", 1, 1, 1));
    assert_false(get_answers(f, "x", 3, 1, 1)); /* its own bytes, not those of y */
    assert_false(get_answers(f, "x", 2, 3, 3)); /* of the one that failed */
    assert_string_equal(f->violation.checker, "linearizable");
    assert_null(sim_ledger_put_of(&f->ledger, 4));
}

static void a_forgotten_change_may_still_happen(void **state)
{
    struct fixture *f = *state;
    struct sim_operation *operation;

    (void)put(f, "x", 1, 1);
    operation = ask(f, SIM_OP_REMOVE, "x", NULL);
    assert_true(answer(f, operation, DFS_TIMEOUT, 0, 0));
    assert_true(operation->path->changed_maybe);
    sim_ledger_forget(&f->ledger, operation);
    operation = ask(f, SIM_OP_GET, "x", NULL);
    assert_true(answer(f, operation, DFS_NOT_FOUND, 0, 0));
}

static void steps_are_not_forgotten(void **state)
{
    struct fixture *f = *state;
    struct sim_operation *step = ask_put(f, "x");

    step->step = 0;
    assert_int_equal(sim_ledger_asked_from(&f->ledger), step->asked_at);
    assert_true(answer(f, step, DFS_OK, 1, 1));
    assert_true(sim_ledger_asked_from(&f->ledger) == DFS_NEVER);
    sim_ledger_forget(&f->ledger, step);
    assert_ptr_equal(sim_ledger_operation(&f->ledger, 1), step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(content_is_a_function_of_key_and_place),
        TEST(acknowledged_bytes_come_back),
        TEST(an_ok_without_all_bytes_is_none),
        TEST(reads_never_go_back),
        TEST(a_read_that_was_asked_before_may_show_the_older),
        TEST(what_was_seen_once_is_certain),
        TEST(an_upload_begun_again_may_show_both_files),
        TEST(bytes_that_nobody_put),
        TEST(an_acknowledged_file_is_found),
        TEST(a_removed_file_may_be_absent),
        TEST(a_remove_whose_client_died_leaves_it_open),
        TEST(a_move_takes_the_file_along),
        TEST(a_bad_token_does_nothing),
        TEST(ranges),
        TEST(pushed_again_replaces),
        TEST(a_removed_version_is_not_shown_again),
        TEST(what_was_seen_absent_does_not_come_back),
        TEST(a_put_that_failed_for_certain_is_not_shown),
        TEST(bytes_of_another_path_need_a_move),
        TEST(if_absent_needs_a_moment_without_a_file),
        TEST(a_named_version_may_be_an_old_one),
        TEST(what_a_forgotten_put_has_put_is_known),
        TEST(a_forgotten_change_may_still_happen),
        TEST(steps_are_not_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

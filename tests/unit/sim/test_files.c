/* One record for each file, with a part for each who keeps something of files. */
#include "sim/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FILES 1000

static struct dfs_id id_of(uint32_t number)
{
    struct dfs_id id = {{0}};

    id.bytes[0] = (uint8_t)number;
    id.bytes[9] = (uint8_t)(number >> 8);
    return id;
}

static void test_a_file_has_one_record_and_keeps_it(void **state)
{
    struct sim_about *first[FILES];
    struct sim_files files;

    (void)state;
    sim_files_init(&files);
    for (uint32_t i = 0; i < FILES; i++) {
        const struct dfs_id id = id_of(i);
        const struct dfs_id next = id_of(i + 1);

        assert_null(sim_files_find(&files, &id));
        first[i] = sim_files_of(&files, &id);
        assert_ptr_equal(sim_files_find(&files, &id), first[i]);
        assert_null(sim_files_find(&files, &next));
        assert_ptr_equal(sim_files_of(&files, &id), first[i]);
    }
    assert_int_equal(files.count, FILES);
    for (uint32_t i = 0; i < FILES; i++) {
        const struct dfs_id id = id_of(i * 7 % FILES);

        assert_ptr_equal(sim_files_of(&files, &id), first[i * 7 % FILES]);
        assert_ptr_equal(files.all[i], first[i]);
    }
    sim_files_close(&files);
}

static void test_parts_are_zeroed_aligned_and_apart(void **state)
{
    struct sim_files files;
    size_t parts[3];

    (void)state;
    sim_files_init(&files);
    parts[0] = sim_files_part(&files, 1, NULL);
    parts[1] = sim_files_part(&files, sizeof(long double), NULL);
    parts[2] = sim_files_part(&files, 3, NULL);
    for (uint32_t i = 0; i < FILES; i++) {
        const struct dfs_id id = id_of(i);
        struct sim_about *about = sim_files_of(&files, &id);
        uint8_t *one = sim_about_part(about, parts[0]);
        long double *two = sim_about_part(about, parts[1]);
        uint8_t *three = sim_about_part(about, parts[2]);

        assert_int_equal(*one, 0);
        assert_int_equal((uintptr_t)two % _Alignof(long double), 0);
        assert_true(*two == 0);
        assert_int_equal(three[0] | three[1] | three[2], 0);
        *one = 1;
        *two = (long double)i;
        three[0] = three[1] = three[2] = 3;
        assert_true(*one == 1 && *two == (long double)i && dfs_id_equal(&about->file, &id));
    }
    sim_files_close(&files);
}

/* A part that keeps its number alone, and counts. */
struct kept {
    uint32_t number;
    uint32_t forgotten;
};

struct keeper {
    enum sim_rest answer;
    uint32_t left;
    uint32_t woken;
};

static enum sim_rest rest(void *arg, const void *part, uint8_t *ret_bytes)
{
    const struct keeper *keeper = arg;

    memcpy(ret_bytes, &((const struct kept *)part)->number, sizeof(uint32_t));
    return keeper->answer;
}

static void leave(void *arg, void *part)
{
    struct keeper *keeper = arg;

    assert_int_not_equal(((const struct kept *)part)->forgotten, 0);
    keeper->left++;
}

static void wake(void *arg, const struct dfs_id *file, void *part, const uint8_t *bytes)
{
    struct keeper *keeper = arg;
    struct kept *kept = part;
    const struct dfs_id id = (memcpy(&kept->number, bytes, sizeof kept->number), id_of(kept->number));

    assert_true(dfs_id_equal(&id, file));
    assert_int_equal(kept->forgotten, 0);
    keeper->woken++;
}

struct tired {
    struct sim_files files;
    struct keeper keepers[2];
    size_t parts[2];
};

static struct kept *kept_of(struct tired *t, uint32_t number, size_t part)
{
    const struct dfs_id id = id_of(number);

    return sim_about_part(sim_files_of(&t->files, &id), t->parts[part]);
}

static int tired_setup(void **state)
{
    static struct tired t;

    t = (struct tired){.keepers = {{.answer = SIM_REST_YES}, {.answer = SIM_REST_YES}}};
    sim_files_init(&t.files);
    for (size_t i = 0; i < 2; i++)
        t.parts[i] = sim_files_part(
            &t.files, sizeof(struct kept),
            &(struct sim_resting){
                .bytes = sizeof(uint32_t), .arg = &t.keepers[i], .rest = rest, .leave = leave, .wake = wake});
    *state = &t;
    return 0;
}

static int tired_teardown(void **state)
{
    sim_files_close(&((struct tired *)*state)->files);
    return 0;
}

static void tire(struct tired *t, uint32_t number)
{
    const struct dfs_id id = id_of(number);

    for (size_t i = 0; i < 2; i++)
        *kept_of(t, number, i) = (struct kept){.number = number, .forgotten = 1};
    sim_files_tire(&t->files, sim_files_of(&t->files, &id));
    sim_files_tire(&t->files, sim_files_of(&t->files, &id));
}

static void test_who_rests_gives_its_record_to_another_and_wakes_as_it_was(void **state)
{
    struct tired *t = *state;

    for (uint32_t i = 1; i <= FILES; i++) {
        tire(t, i);
        sim_files_rest(&t->files);
    }
    assert_int_equal(t->keepers[0].left, FILES);
    assert_int_equal(t->files.count, 1);
    assert_int_equal(t->files.resting_count, FILES);
    for (uint32_t i = FILES; i > 0; i--) {
        assert_int_equal(kept_of(t, i, 0)->number, i);
        assert_int_equal(kept_of(t, i, 1)->number, i);
    }
    assert_int_equal(t->keepers[1].woken, FILES);
    assert_int_equal(t->files.count, FILES);

    /* Again, in the place that it had. */
    tire(t, 7);
    sim_files_rest(&t->files);
    assert_int_equal(t->files.resting_count, FILES);
    assert_int_equal(kept_of(t, 7, 1)->number, 7);
    assert_int_equal(t->keepers[1].woken, FILES + 1);
    const struct dfs_id unknown = id_of(FILES + 1);

    assert_null(sim_files_find(&t->files, &unknown));
}

static void test_one_part_keeps_all_awake(void **state)
{
    struct tired *t = *state;

    t->keepers[1].answer = SIM_REST_NO;
    tire(t, 1);
    sim_files_rest(&t->files);
    t->keepers[1].answer = SIM_REST_YES; /* it is no longer its turn */
    sim_files_rest(&t->files);
    assert_int_equal(t->files.resting_count, 0);
    assert_int_equal(t->keepers[0].left, 0);
    assert_int_equal(kept_of(t, 1, 0)->forgotten, 1);
    tire(t, 1);
    sim_files_rest(&t->files);
    assert_int_equal(t->files.resting_count, 1);
}

static void test_later_is_asked_again(void **state)
{
    struct tired *t = *state;

    t->keepers[0].answer = SIM_REST_LATER;
    tire(t, 1);
    tire(t, 2);
    sim_files_rest(&t->files);
    assert_int_equal(t->files.resting_count, 0);
    t->keepers[0].answer = SIM_REST_YES;
    sim_files_rest(&t->files);
    assert_int_equal(t->files.resting_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_has_one_record_and_keeps_it),
        cmocka_unit_test(test_parts_are_zeroed_aligned_and_apart),
        cmocka_unit_test_setup_teardown(test_who_rests_gives_its_record_to_another_and_wakes_as_it_was, tired_setup,
                                        tired_teardown),
        cmocka_unit_test_setup_teardown(test_one_part_keeps_all_awake, tired_setup, tired_teardown),
        cmocka_unit_test_setup_teardown(test_later_is_asked_again, tired_setup, tired_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

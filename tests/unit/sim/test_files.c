/* One record for each file, with a part for each who keeps something of files. */
#include "sim/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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
    parts[0] = sim_files_part(&files, 1);
    parts[1] = sim_files_part(&files, sizeof(long double));
    parts[2] = sim_files_part(&files, 3);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_has_one_record_and_keeps_it),
        cmocka_unit_test(test_parts_are_zeroed_aligned_and_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/apps/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

static void writes_whole_and_reads_back(void **state)
{
    struct scratch scratch = scratch_make();
    const char *path = scratch_path(&scratch, "a");
    char big[20000];
    char *bytes = NULL;
    size_t count = 0;
    struct stat stat_of;

    (void)state;
    memset(big, 'x', sizeof big);
    assert_int_equal(dfs_file_write(path, "old", 3, 0600, NULL), DFS_OK);
    assert_int_equal(dfs_file_write(path, big, sizeof big, 0640, NULL), DFS_OK);
    assert_int_equal(dfs_file_read(path, sizeof big, &bytes, &count, NULL), DFS_OK);
    assert_int_equal(count, sizeof big);
    assert_memory_equal(bytes, big, count);
    assert_int_equal(bytes[count], '\0');
    dfs_free(bytes);
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 07777, 0640);
    scratch_end(&scratch);
}

static void says_why_not(void **state)
{
    struct scratch scratch = scratch_make();
    struct dfs_why why;
    char *bytes = NULL;

    (void)state;
    assert_int_equal(dfs_file_read(scratch_path(&scratch, "none"), 10, &bytes, NULL, &why), DFS_NOT_FOUND);
    assert_non_null(strstr(why.text, "/none: No such file"));
    assert_int_equal(dfs_file_read(scratch.directory, 10, &bytes, NULL, &why), DFS_IO);
    assert_int_equal(dfs_file_read(scratch_write(&scratch, "long", "12345678901"), 10, &bytes, NULL, &why),
                     DFS_TOO_LARGE);
    assert_int_equal(dfs_file_read(scratch_write(&scratch, "fits", "1234567890"), 10, &bytes, NULL, &why), DFS_OK);
    dfs_free(bytes);
    assert_int_equal(dfs_file_write(scratch_path(&scratch, "no/dir"), "x", 1, 0600, &why), DFS_NOT_FOUND);
    scratch_end(&scratch);
}

static void makes_directories(void **state)
{
    struct scratch scratch = scratch_make();
    struct dfs_why why;

    (void)state;
    assert_int_equal(dfs_directory_make(scratch_path(&scratch, "a/b//c/"), 0700, &why), DFS_OK);
    assert_true(dfs_file_exists(scratch_path(&scratch, "a/b/c")));
    assert_int_equal(dfs_directory_make(scratch_path(&scratch, "a/b/c"), 0700, &why), DFS_OK);
    (void)scratch_write(&scratch, "file", "x");
    assert_int_not_equal(dfs_directory_make(scratch_path(&scratch, "file"), 0700, &why), DFS_OK);
    assert_int_not_equal(dfs_directory_make(scratch_path(&scratch, "file/d"), 0700, &why), DFS_OK);
    scratch_end(&scratch);
}

static void takes_paths_apart(void **state)
{
    static const char *const bases[][2] = {{"a/b", "b"}, {"a/b/", "b"}, {"b", "b"}, {"/", ""}, {"", ""}, {"a//", "a"}};
    static const char *const besides[][3] = {{"/etc/dfs/x.json", "ca.pem", "/etc/dfs/ca.pem"},
                                             {"/etc/x.json", "/b", "/b"},
                                             {"x.json", "b", "b"},
                                             {"d/x", "e/f", "d/e/f"}};

    (void)state;
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        char *base = dfs_path_base(bases[i][0]);

        assert_string_equal(base, bases[i][1]);
        dfs_free(base);
    }
    for (size_t i = 0; i < sizeof besides / sizeof besides[0]; i++) {
        char *path = dfs_path_beside(besides[i][0], besides[i][1]);

        assert_string_equal(path, besides[i][2]);
        dfs_free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_whole_and_reads_back),
        cmocka_unit_test(says_why_not),
        cmocka_unit_test(makes_directories),
        cmocka_unit_test(takes_paths_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

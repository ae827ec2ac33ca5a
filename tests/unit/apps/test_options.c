#include "apps/common/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILE_OPTION, FORCE_OPTION, SIZE_OPTION };
static const struct dfs_option list[] = {
    [FILE_OPTION] = {"file", 'f', "FILE", "a file"},
    [FORCE_OPTION] = {"force", 0, NULL, "by force"},
    [SIZE_OPTION] = {"block-size", 0, "SIZE", "a size"},
};

#define WORDS_MAX 8

/* Splits at blanks and walks; returns what the walk said, like "0=x 1 | a b", and the line on standard error. */
static const char *walk(const char *line, char complaint[256])
{
    static char said[256];
    static char copy[256];
    char *argv[WORDS_MAX + 1] = {NULL};
    int argc = 0;
    struct dfs_options options = {.program = "test", .list = list, .count = 3};
    char name[] = "/tmp/dfs-test-XXXXXX";
    const int capture = mkstemp(name);
    const int kept = dup(STDERR_FILENO);
    ssize_t got;
    int at;

    (void)snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word != NULL && argc < WORDS_MAX; word = strtok(NULL, " "))
        argv[argc++] = word;
    said[0] = '\0';
    (void)fflush(stderr);
    (void)dup2(capture, STDERR_FILENO);
    while ((at = dfs_options_next(&options, argc, argv)) >= 0)
        (void)snprintf(said + strlen(said), sizeof said - strlen(said), "%d%s%s ", at, options.value != NULL ? "=" : "",
                       options.value != NULL ? options.value : "");
    (void)fflush(stderr);
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    (void)lseek(capture, 0, SEEK_SET);
    got = read(capture, complaint, 255);
    complaint[got > 0 ? got : 0] = '\0';
    (void)close(capture);
    (void)unlink(name);
    if (at == DFS_OPTIONS_BAD)
        return "bad";
    (void)snprintf(said + strlen(said), sizeof said - strlen(said), "|");
    for (int i = 0; i < options.arguments_count; i++)
        (void)snprintf(said + strlen(said), sizeof said - strlen(said), " %s", options.arguments[i]);
    return said;
}

static void finds_options_and_arguments(void **state)
{
    static const char *const cases[][2] = {
        {"p", "|"},
        {"p a b", "| a b"},
        {"p --file x --force a", "0=x 1 | a"},
        {"p a --force b -f x c", "1 0=x | a b c"},
        {"p --file=x --block-size=4MB", "0=x 2=4MB |"},
        {"p --force -- --file", "1 | --file"},
        {"p - a", "| - a"},
        {"p --block 4MB", "2=4MB |"}, /* as getopt_long: a beginning that fits one */
    };
    char complaint[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(walk(cases[i][0], complaint), cases[i][1]);
        assert_string_equal(complaint, "");
    }
}

static void names_the_nearest(void **state)
{
    static const char *const cases[][2] = {
        {"p --fiel x", "test: unknown option --fiel; did you mean --file?\n"},
        {"p --bloc-size=4MB", "test: unknown option --bloc-size; did you mean --block-size?\n"},
        {"p --nothing-like-it", "test: unknown option --nothing-like-it; see --help\n"},
        {"p --file", "test: option --file needs a value\n"},
        {"p -f", "test: option -f needs a value\n"},
        {"p -x", "test: unknown option -x; see --help\n"},
        {"p --force=1", "test: option --force takes no value\n"},
    };
    char complaint[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(walk(cases[i][0], complaint), "bad");
        assert_string_equal(complaint, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_options_and_arguments),
        cmocka_unit_test(names_the_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

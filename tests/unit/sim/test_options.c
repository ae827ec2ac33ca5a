/* Options of commands: one table that is read, shown as help, and speaks of mistakes. */
#include "sim/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct wanted {
    bool flag;
    const char *file;
    uint64_t number;
    uint32_t small;
    uint64_t time_ns;
    int word;
    char custom[8];
    bool seen;
};

static bool read_custom(void *base, const char *text, struct dfs_why *ret_why)
{
    if (strlen(text) < sizeof((struct wanted *)base)->custom) {
        memcpy(((struct wanted *)base)->custom, text, strlen(text) + 1);
        return true;
    }
    dfs_why_set(ret_why, "\"%s\" is too long", text);
    return false;
}

#define AT(member) offsetof(struct wanted, member)

static const char *const words[] = {"any", "fast", "slow", NULL};
static const struct sim_option options[] = {
    {.name = "flag", .letter = 'f', .type = SIM_OPTION_FLAG, .offset = AT(flag), .help = "one"},
    {.name = "output", .letter = 'o', .argument = "FILE", .type = SIM_OPTION_TEXT, .offset = AT(file), .help = "two"},
    {.name = "number",
     .argument = "N",
     .type = SIM_OPTION_NUMBER,
     .offset = AT(number),
     .seen = SIM_OPTION_SEEN_AT(struct wanted, seen),
     .max = INT64_MAX,
     .help = "three\nand more"},
    {.name = "small",
     .argument = "N",
     .type = SIM_OPTION_NUMBER_32,
     .offset = AT(small),
     .min = 1,
     .max = 64,
     .help = "four"},
    {.name = "time", .argument = "60s", .type = SIM_OPTION_DURATION, .offset = AT(time_ns), .min = 1, .help = "five"},
    {.name = "word", .argument = "WHEN", .type = SIM_OPTION_WORD, .offset = AT(word), .words = words, .help = "six"},
    {.name = "custom", .argument = "X", .type = SIM_OPTION_CUSTOM, .read = read_custom},
};
static const struct sim_command command = {
    .name = "test", SIM_OPTIONS(options), .before = "dfs-sim test\n", .after = "the end\n"};
static const struct sim_command bare = {.name = "bare", .before = "dfs-sim bare\n"};

/* What is said there. */
static char *out;
static char *err;

static enum sim_options_end read_line(const struct sim_command *of, const char *line, struct wanted *wanted,
                                      char *arguments)
{
    static char copy[256];
    char *argv[32];
    char *rest = NULL;
    int argc = 0;
    int first = 0;
    size_t count = 0;
    FILE *kept[] = {stdout, stderr};

    free(out);
    free(err);
    out = err = NULL;
    (void)snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        assert_true(argc + 1 < (int)(sizeof argv / sizeof argv[0]));
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    stdout = open_memstream(&out, &count);
    stderr = open_memstream(&err, &count);
    const enum sim_options_end end = sim_options_read(of, argc, argv, wanted, &first);

    (void)fclose(stdout);
    (void)fclose(stderr);
    stdout = kept[0];
    stderr = kept[1];
    arguments[0] = '\0';
    for (int i = first; end == SIM_OPTIONS_READ && i < argc; i++) {
        (void)strcat(arguments, argv[i]);
        (void)strcat(arguments, ";");
    }
    return end;
}

static void every_type_is_read(void **state)
{
    struct wanted wanted = {.number = 1};
    char arguments[64];

    (void)state;
    assert_int_equal(read_line(&command,
                               "test a -f b --output=x --number 7 --small 64 --time 2m --word slow --custom abc c",
                               &wanted, arguments),
                     SIM_OPTIONS_READ);
    assert_string_equal(arguments, "a;b;c;");
    assert_true(wanted.flag && wanted.seen);
    assert_string_equal(wanted.file, "x");
    assert_int_equal(wanted.number, 7);
    assert_int_equal(wanted.small, 64);
    assert_int_equal(wanted.time_ns, UINT64_C(120000000000));
    assert_int_equal(wanted.word, 2);
    assert_string_equal(wanted.custom, "abc");

    /* Once more, from the beginning; what is not there keeps its default, and a name may be cut short. */
    wanted = (struct wanted){.number = 1, .word = 1};
    assert_int_equal(read_line(&command, "test -o y --fl -- --number", &wanted, arguments), SIM_OPTIONS_READ);
    assert_string_equal(arguments, "--number;");
    assert_string_equal(wanted.file, "y");
    assert_true(wanted.flag && !wanted.seen && wanted.number == 1 && wanted.word == 1);
}

static void mistakes_are_said(void **state)
{
    static const struct {
        const char *line;
        const char *said;
    } cases[] = {
        {"test --numbr 3", "dfs-sim: unknown option \"--numbr\"; did you mean \"number\"?\n"},
        {"test -x", "dfs-sim: unknown option \"-x\""},
        {"test --number", "dfs-sim: --number needs a value\n"},
        {"test -o", "dfs-sim: --output needs a value\n"},
        {"test --flag=1", "dfs-sim: --flag takes no value\n"},
        {"test --number x", "dfs-sim: --number: \"x\" is not a whole number from 0 to 9223372036854775807\n"},
        {"test --number -1", "dfs-sim: --number: \"-1\" is not a whole number from 0 to 9223372036854775807\n"},
        {"test --number 9223372036854775808",
         "dfs-sim: --number: \"9223372036854775808\" is not a whole number from 0 to 9223372036854775807\n"},
        {"test --small 0", "dfs-sim: --small: \"0\" is not a whole number from 1 to 64\n"},
        {"test --small 65", "dfs-sim: --small: \"65\" is not a whole number from 1 to 64\n"},
        {"test --time 0s", "dfs-sim: --time: \"0s\" is not a duration above 0 such as \"60s\"\n"},
        {"test --time 3", "dfs-sim: --time: \"3\" is not a duration above 0 such as \"60s\"\n"},
        {"test --word slw", "dfs-sim: --word: \"slw\" is none of any, fast, slow; did you mean \"slow\"?\n"},
        {"test --custom abcdefgh", "dfs-sim: --custom: \"abcdefgh\" is too long\n"},
    };
    struct wanted wanted = {.small = 5};
    char arguments[64];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const enum sim_options_end end = read_line(&command, cases[i].line, &wanted, arguments);

        assert_int_equal(end, SIM_OPTIONS_WRONG);
        assert_int_equal(sim_options_code(end), 2);
        assert_string_equal(out, "");
        if (strncmp(err, cases[i].said, strlen(cases[i].said)) != 0)
            fail_msg("%s: %s", cases[i].line, err);
    }
    assert_int_equal(wanted.small, 5);
    assert_int_equal(read_line(&bare, "bare --json", &wanted, arguments), SIM_OPTIONS_WRONG);
    assert_string_equal(err, "dfs-sim: unknown option \"--json\"; bare has none\n");
}

static void help_comes_from_the_table(void **state)
{
    struct wanted wanted = {.small = 5};
    char arguments[64];

    (void)state;
    assert_int_equal(read_line(&command, "test -f --help", &wanted, arguments), SIM_OPTIONS_HELP);
    assert_string_equal(out, "dfs-sim test\n"
                             "\n"
                             "  -f, --flag         one\n"
                             "  -o, --output FILE  two\n"
                             "  --number N         three\n"
                             "                     and more\n"
                             "  --small N          four; 1 to 64\n"
                             "  --time 60s         five\n"
                             "  --word WHEN        six\n"
                             "\n"
                             "the end\n");
    assert_int_equal(read_line(&bare, "bare -h", &wanted, arguments), SIM_OPTIONS_HELP);
    assert_string_equal(out, "dfs-sim bare\n");
}

/* Each command has one name, is listed by it, and knows the words of its table. */
static void commands_are_whole(void **state)
{
    size_t count = 0;

    (void)state;
    for (; sim_commands[count] != NULL; count++) {
        const struct sim_command *one = sim_commands[count];

        assert_int_equal(strncmp(one->line, one->name, strlen(one->name)), 0);
        assert_int_equal(strncmp(one->before, "dfs-sim ", 8), 0);
        assert_non_null(one->run);
        for (size_t i = 0; i < one->options_count; i++) {
            const struct sim_option *option = &one->options[i];

            assert_non_null(option->help);
            assert_true((option->argument == NULL) == (option->type == SIM_OPTION_FLAG));
            assert_true((option->read != NULL) == (option->type == SIM_OPTION_CUSTOM));
            assert_true((option->words != NULL) == (option->type == SIM_OPTION_WORD));
            if (option->type == SIM_OPTION_NUMBER || option->type == SIM_OPTION_NUMBER_32)
                assert_true(option->min < option->max);
        }
        for (size_t i = 0; i < count; i++)
            assert_string_not_equal(sim_commands[i]->name, one->name);
    }
    assert_int_equal(count, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(mistakes_are_said),
        cmocka_unit_test(help_comes_from_the_table),
        cmocka_unit_test(commands_are_whole),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(out);
    free(err);
    return failed;
}

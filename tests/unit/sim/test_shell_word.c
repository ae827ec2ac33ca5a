/* Words of commands that people copy: a shell must take each for what it was. */
#include "sim/shell_word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void plain_words_stay_as_they_are(void **state)
{
    (void)state;
    assert_string_equal(sim_shell_word("sim/scenarios/crash-one-node.json").text, "sim/scenarios/crash-one-node.json");
    assert_string_equal(sim_shell_word("").text, "''");
    assert_string_equal(sim_shell_word("a b").text, "'a b'");
    assert_string_equal(sim_shell_word("it's").text, "'it'\\''s'");
}

/* By a shell itself. */
static void a_shell_reads_what_was_meant(void **state)
{
    char word[2] = {0};

    (void)state;
    for (unsigned c = 1; c < 256; c++) {
        char command[SIM_SHELL_WORD_BYTES + 64];
        char back[8] = {0};

        word[0] = (char)c;
        (void)snprintf(command, sizeof command, "printf %%s %s", sim_shell_word(word).text);
        FILE *shell = popen(command, "r"); /* NOLINT(cert-env33-c): that is what is tested */

        assert_non_null(shell);
        assert_int_equal(fread(back, 1, sizeof back, shell), 1);
        assert_int_equal(pclose(shell), 0);
        assert_string_equal(back, word);
    }
}

static void a_word_without_end_is_cut(void **state)
{
    static char longest[4 * SIM_SHELL_WORD_BYTES];
    struct sim_shell_word said;

    (void)state;
    memset(longest, '\'', sizeof longest - 1);
    said = sim_shell_word(longest);
    assert_in_range(strlen(said.text), SIM_SHELL_WORD_BYTES / 2, SIM_SHELL_WORD_BYTES - 1);
    memset(longest, 'a', sizeof longest - 1);
    said = sim_shell_word(longest);
    assert_in_range(strlen(said.text), SIM_SHELL_WORD_BYTES / 2, SIM_SHELL_WORD_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_words_stay_as_they_are),
        cmocka_unit_test(a_shell_reads_what_was_meant),
        cmocka_unit_test(a_word_without_end_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

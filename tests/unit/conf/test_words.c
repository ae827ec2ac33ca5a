/* The nearest valid word is always named; where none is near, the valid ones are. */
#include "core/conf/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const names[] = {"loss",   "latency",      "bandwidth",          "duplicate",      "reorder",
                                    "frames", "repair_grace", "heartbeat_interval", "scrub_interval", "at",
                                    "to"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static void near(const char *word, const char *expected)
{
    const char *found = dfs_words_nearest(word, names, NAMES);
    if (expected == NULL)
        assert_null(found);
    else
        assert_string_equal(found != NULL ? found : "(none)", expected);
}

static void distances(void **state)
{
    (void)state;
    assert_int_equal(dfs_words_distance("", ""), 0);
    assert_int_equal(dfs_words_distance("", "abc"), 3);
    assert_int_equal(dfs_words_distance("loss", "loss"), 0);
    assert_int_equal(dfs_words_distance("los", "loss"), 1);
    assert_int_equal(dfs_words_distance("lsos", "loss"), 1);
    assert_int_equal(dfs_words_distance("lozs", "loss"), 1);
    assert_int_equal(dfs_words_distance("kitten", "sitting"), 3);
    assert_int_equal(dfs_words_distance("LOSS", "loss"), 0);
    assert_int_equal(dfs_words_distance("repair-grace", "repair_grace"), 0);
    char long_word[DFS_WORD_BYTES_MAX + 2];
    for (size_t i = 0; i + 1 < sizeof(long_word); i++)
        long_word[i] = 'a';
    long_word[sizeof(long_word) - 1] = '\0';
    assert_true(dfs_words_distance(long_word, "a") == SIZE_MAX);
    long_word[DFS_WORD_BYTES_MAX] = '\0';
    assert_int_equal(dfs_words_distance(long_word, "a"), DFS_WORD_BYTES_MAX - 1);
}

static void what_is_near(void **state)
{
    (void)state;
    near("los", "loss");
    near("ltaency", "latency");
    near("bandwith", "bandwidth");
    near("Loss", "loss");
    near("heartbeatInterval", "heartbeat_interval");
    near("heartbeat", "heartbeat_interval"); /* the beginning of one */
    near("grace", "repair_grace");           /* a part of one */
    near("interval", NULL);                  /* a part of two */
    near("colour", NULL);
    near("x", NULL);
    near("", NULL);
    near("aa", "at");
}

static void what_is_said(void **state)
{
    (void)state;
    assert_string_equal(dfs_words_suggest("los", names, NAMES).text, "; did you mean \"loss\"?");
    assert_string_equal(dfs_words_suggest("colour", names, NAMES).text,
                        "; known are loss, latency, bandwidth, duplicate, reorder, frames, repair_grace, "
                        "heartbeat_interval and 3 more");
    assert_string_equal(dfs_words_suggest("colour", names, 9).text,
                        "; known are loss, latency, bandwidth, duplicate, reorder, frames, repair_grace, "
                        "heartbeat_interval, scrub_interval");
    assert_string_equal(dfs_words_suggest("colour", names, 1).text, "; known is loss");
    assert_string_equal(dfs_words_suggest("colour", names, 0).text, "");
}

static void words_between_bars(void **state)
{
    (void)state;
    const char *bars = "all|quorum|none";
    assert_int_equal(dfs_words_count(bars), 3);
    assert_int_equal(dfs_words_count("all"), 1);
    assert_string_equal(dfs_words_at(bars, 0).text, "all");
    assert_string_equal(dfs_words_at(bars, 2).text, "none");
    assert_int_equal(dfs_words_find(bars, "quorum"), 1);
    assert_int_equal(dfs_words_find(bars, "quor"), -1);
    assert_int_equal(dfs_words_find(bars, "all|quorum"), -1);
    assert_int_equal(dfs_words_find(bars, ""), -1);
    assert_string_equal(dfs_words_listed(bars).text, "\"all\", \"quorum\" or \"none\"");
    assert_string_equal(dfs_words_listed("all").text, "\"all\"");
    assert_string_equal(dfs_words_suggest_bars("qorum", bars).text, "; did you mean \"quorum\"?");
    assert_string_equal(dfs_words_suggest_bars("42", bars).text, "; known are all, quorum, none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances),
        cmocka_unit_test(what_is_near),
        cmocka_unit_test(what_is_said),
        cmocka_unit_test(words_between_bars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

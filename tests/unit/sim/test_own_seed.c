/* A file names its seed, and is run with it. */
#include "sim/own_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void only_the_last_words_name_it(void **state)
{
    static const struct {
        const char *description;
        bool there;
        uint64_t seed;
    } cases[] = {
        {"Seed 77.", true, 77},
        {"Two servers die. Seed 0.", true, 0},
        {"Seed 1. Then Seed 9223372036854775807.", true, INT64_MAX},
        {"", false, 0},
        {"Seed 77. Two servers die.", false, 0},
        {"Seed 77", false, 0},
        {"Seed -1.", false, 0},
        {"Seed 9223372036854775808.", false, 0},
        {"Seed .", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t seed = 0;

        assert_int_equal(sim_own_seed_get(cases[i].description, &seed), cases[i].there);
        assert_int_equal(seed, cases[i].seed);
    }
}

static void it_takes_the_place_of_another(void **state)
{
    static struct sim_scenario scenario;
    uint64_t seed = 0;

    (void)state;
    sim_own_seed_put(&scenario, 4);
    assert_string_equal(scenario.description, "Seed 4.");
    (void)snprintf(scenario.description, sizeof scenario.description, "Two servers die. Seed 4.");
    sim_own_seed_put(&scenario, 512);
    assert_string_equal(scenario.description, "Two servers die. Seed 512.");
    /* No room: what is said before is cut, between characters. */
    memset(scenario.description, 'x', sizeof scenario.description - 1);
    for (size_t i = sizeof scenario.description - 33; i < sizeof scenario.description - 1; i += 2)
        memcpy(scenario.description + i, "\xc3\xa4", 2);
    sim_own_seed_put(&scenario, 12);
    assert_true(sim_own_seed_get(scenario.description, &seed));
    assert_int_equal(seed, 12);
    json_t *text = json_string(scenario.description); /* NULL when it is not UTF-8 */

    assert_non_null(text);
    json_decref(text);
}

/* Of the first object in `file`, a number. */
static int64_t seed_in(const char *file)
{
    json_t *result = json_load_file(file, JSON_DISABLE_EOF_CHECK, NULL);
    const json_t *seed = json_object_get(result, "seed");
    const int64_t value = json_is_integer(seed) ? json_integer_value(seed) : -1;

    json_decref(result);
    return value;
}

/* Each command that is given no seed takes the file's; a given one counts. */
static void commands_take_it(void **state)
{
    static const char script[] =
        "cd %s && printf '%%s' '{\"dfs_scenario\":1,\"description\":\"One file. Seed 6.\",\"duration\":\"3s\",\"workload\":"
        "[{\"at\":\"1s\",\"put\":\"x\"}],\"expect\":[{\"evicted\":\"d1\"}]}' >own.json && cp own.json other.json && "
        "%s/dfs-sim run own.json --json >run; %s/dfs-sim run own.json --seed 8 --json >given; "
        "%s/dfs-sim sweep own.json other.json --seeds own --json >sweep; %s/dfs-sim shrink own.json -o small.json && "
        "%s/dfs-sim run small.json --json >small; sed -i 's/ Seed 6.//' other.json; "
        "%s/dfs-sim sweep own.json other.json --seeds own 2>refused";
    char folder[] = "/tmp/dfs-test-own-seed-XXXXXX";
    char line[2048];
    const char *bin = DFS_BIN_DIR;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(line, sizeof line, script, folder, bin, bin, bin, bin, bin, bin);
    assert_int_equal(system(line), 2 << 8);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(seed_in("run"), 6);
    assert_int_equal(seed_in("given"), 8);
    assert_int_equal(seed_in("sweep"), 6);
    assert_int_equal(seed_in("small"), 6);
    assert_int_equal(system("grep -q 'other.json names no seed' refused"), 0);
    assert_int_equal(chdir("/"), 0);
    (void)snprintf(line, sizeof line, "rm -r %s", folder);
    assert_int_equal(system(line), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_last_words_name_it),
        cmocka_unit_test(it_takes_the_place_of_another),
        cmocka_unit_test(commands_take_it),
    };

    json_object_seed(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

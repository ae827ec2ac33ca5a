/* Annotations: one line, whatever stands in the words. */
#include "sim/annotate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(const char *file, const json_t *result, const char *want)
{
    char *text = NULL;
    size_t count = 0;
    FILE *stream = open_memstream(&text, &count);

    assert_non_null(stream);
    sim_annotate(stream, file, 12, result, "dfs-sim run x --seed 7");
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(text, want);
    free(text);
}

static void a_violation_is_one_line(void **state)
{
    json_t *result = json_pack("{s:s, s:i, s:s, s:[{s:s, s:s}]}", "scenario", "a,b", "seed", 7, "verdict", "fail",
                               "violations", "checker", "ring", "message", "50% are\nlost: d1, d2");

    (void)state;
    check(
        "s:1.json", result,
        "::error file=s%3A1.json,line=12,title=a%2Cb seed 7 fail::ring: 50%25 are%0Alost: d1, d2%0Adfs-sim run x --seed 7\n");
    json_decref(result);
}

static void without_a_file_the_reason_speaks(void **state)
{
    json_t *result = json_pack("{s:s, s:i, s:s, s:[], s:s}", "scenario", "swarm-7", "seed", 7, "verdict", "stuck",
                               "violations", "reason", "waits");

    (void)state;
    check(NULL, result, "::error title=swarm-7 seed 7 stuck::waits%0Adfs-sim run x --seed 7\n");
    json_decref(result);
}

/* Of the violation; else of the expectation; else of the reason; else the first. */
static void the_line_is_that_of_what_is_said(void **state)
{
    struct sim_scenario scenario;
    json_t *result = json_pack("{s:[{s:s, s:i}], s:[{s:b}, {s:b}], s:s}", "violations", "checker", "ring", "line", 9,
                               "expectations", "ok", 1, "ok", 0, "reason", "fault 0 (line 4) never took effect");

    (void)state;
    sim_scenario_init(&scenario);
    sim_scenario_expect(&scenario)->line = 20;
    sim_scenario_expect(&scenario)->line = 21;
    assert_int_equal(sim_annotate_line(result, &scenario), 9);
    (void)json_object_set_new(json_array_get(json_object_get(result, "violations"), 0), "line", json_null());
    assert_int_equal(sim_annotate_line(result, &scenario), 21);
    assert_int_equal(sim_annotate_line(result, NULL), 4);
    (void)json_object_set_new(result, "reason", json_null());
    assert_int_equal(sim_annotate_line(result, NULL), 1);
    json_decref(result);
    sim_scenario_close(&scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_violation_is_one_line),
        cmocka_unit_test(without_a_file_the_reason_speaks),
        cmocka_unit_test(the_line_is_that_of_what_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

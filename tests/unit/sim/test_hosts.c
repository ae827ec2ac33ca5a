/* Hosts as scenarios name them: one by one, as sets, and in the groups of a partition. */
#include "sim/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct sim_host_counts counts = {.data = 4, .clients = 2, .zones = 2};

/* The names with blanks between them. */
static struct sim_host_refs refs_of(const char *names)
{
    struct sim_host_refs refs = {.count = 0};

    while (*names != '\0') {
        char name[SIM_HOST_NAME_BYTES] = "";
        const size_t length = strcspn(names, " ");

        assert_in_range(length, 1, sizeof name - 1);
        memcpy(name, names, length);
        assert_true(sim_host_ref_parse(name, &refs.refs[refs.count++]));
        names += length + (names[length] == ' ');
    }
    return refs;
}

/* auth, meta, d1..d4, c1, c2 as "1" and "0" */
static void assert_set(const struct sim_host_set *set, const char *expected)
{
    for (uint32_t i = 0; i < sim_hosts_count(counts); i++) {
        if (sim_host_set_has(set, i) != (expected[i] == '1'))
            fail_msg("host %u of %s", i, expected);
    }
    assert_int_equal(strlen(expected), sim_hosts_count(counts));
}

static void sets_are_the_hosts_that_they_name(void **state)
{
    static const char *const rows[][2] = {{"auth meta", "11000000"},  {"data", "00111100"},
                                          {"clients d2", "00010011"}, {"zone-1 zone-1", "00010100"},
                                          {"all", "11111111"},        {"rest", "00000000"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sim_host_refs refs = refs_of(rows[i][0]);
        struct sim_host_set set = {{0}};

        sim_host_refs_expand(&refs, counts, &set);
        assert_set(&set, rows[i][1]);
    }
}

static void who_is_in_no_group_is_in_that_of_the_rest(void **state)
{
    const struct sim_host_refs groups[3] = {refs_of("d1 c1"), refs_of("rest"), refs_of("data auth")};
    struct sim_host_set sets[3];

    (void)state;
    sim_host_groups_expand(groups, 3, counts, sets);
    assert_set(&sets[0], "00100010"); /* d1 stands in the third as well */
    assert_set(&sets[1], "01000001");
    assert_set(&sets[2], "10011100");
    sim_host_groups_expand(groups, 1, counts, sets);
    assert_set(&sets[0], "00100010");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_the_hosts_that_they_name),
        cmocka_unit_test(who_is_in_no_group_is_in_that_of_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "apps/common/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void resolves_and_prints(void **state)
{
    static const char *const texts[] = {"127.0.0.1:7401", "[::1]:0", "10.1.2.3:65535", "[2001:db8::1]:80"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct dfs_addr addr;
        struct dfs_why why;
        char back[DFS_ADDRESS_TEXT_BYTES];

        assert_int_equal(dfs_address_resolve(texts[i], &addr, &why), DFS_OK);
        dfs_address_print(&addr, back);
        assert_string_equal(back, texts[i]);
    }
}

static void knows_loopback(void **state)
{
    struct dfs_addr addr;

    (void)state;
    assert_int_equal(dfs_address_resolve("127.9.9.9:1", &addr, NULL), DFS_OK);
    assert_true(dfs_address_is_loopback(&addr));
    assert_int_equal(dfs_address_resolve("[::1]:1", &addr, NULL), DFS_OK);
    assert_true(dfs_address_is_loopback(&addr));
    assert_int_equal(dfs_address_resolve("128.0.0.1:1", &addr, NULL), DFS_OK);
    assert_false(dfs_address_is_loopback(&addr));
    assert_int_equal(dfs_address_resolve("0.0.0.0:1", &addr, NULL), DFS_OK);
    assert_false(dfs_address_is_loopback(&addr));
}

static void refuses_what_is_no_address(void **state)
{
    static const struct {
        const char *text;
        const char *part; /* of the reason */
    } cases[] = {
        {"", "HOST:PORT"},       {"host", "HOST:PORT"},  {":80", "HOST:PORT"},
        {"::1:80", "HOST:PORT"}, /* where does the port begin? */
        {"[]:80", "HOST:PORT"},  {"host:", "port"},      {"host:-1", "port"},
        {"host:80x", "port"},    {"host:65536", "port"}, {"host: 80", "port"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dfs_why why = {.text = ""};

        assert_int_equal(dfs_address_check(cases[i].text, &why), DFS_BAD_CONFIG);
        if (strstr(why.text, cases[i].part) == NULL)
            fail_msg("\"%s\": %s", cases[i].text, why.text);
    }
}

static void a_long_text_is_refused(void **state)
{
    char text[2 * DFS_ADDRESS_TEXT_BYTES];

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 4, ":80", 4);
    assert_int_equal(dfs_address_check(text, NULL), DFS_BAD_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolves_and_prints),
        cmocka_unit_test(knows_loopback),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(a_long_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

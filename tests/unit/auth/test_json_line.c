/* One flat object a line: what is written is read back, and what jansson would refuse is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/auth/json_line.h"

#include <stdio.h>
#include <string.h>

static void what_is_written_is_read_back(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x0f, 0xa5, 0xff};
    struct dfs_lines lines = {0};
    struct dfs_member member;
    uint8_t back[4];
    char *at;
    char *line;

    (void)state;
    dfs_line_begin(&lines);
    dfs_line_text(&lines, "text", "a \"quoted\" \\ line\nand\ta tab \x01 \xc3\xbc");
    dfs_line_hex(&lines, "hex", bytes, sizeof bytes);
    dfs_line_number(&lines, "number", UINT64_MAX);
    dfs_line_bool(&lines, "yes", true);
    dfs_line_bool(&lines, "no", false);
    dfs_line_end(&lines);
    dfs_line_begin(&lines);
    dfs_line_end(&lines);
    at = lines.text;
    line = dfs_lines_next(&at, lines.text + lines.count);
    assert_non_null(line);
    assert_int_equal(dfs_line_member(&line, &member), 1);
    assert_string_equal(member.key, "text");
    assert_string_equal(member.text, "a \"quoted\" \\ line\nand\ta tab \x01 \xc3\xbc");
    assert_int_equal(dfs_line_member(&line, &member), 1);
    assert_true(dfs_auth_hex_parse(member.text, back, sizeof back));
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_int_equal(dfs_line_member(&line, &member), 1);
    assert_int_equal(member.kind, DFS_MEMBER_NUMBER);
    assert_true(member.number == UINT64_MAX);
    assert_int_equal(dfs_line_member(&line, &member), 1);
    assert_int_equal(member.kind, DFS_MEMBER_BOOL);
    assert_true(member.truth);
    assert_int_equal(dfs_line_member(&line, &member), 1);
    assert_false(member.truth);
    assert_int_equal(dfs_line_member(&line, &member), 0);
    line = dfs_lines_next(&at, lines.text + lines.count);
    assert_int_equal(dfs_line_member(&line, &member), 0);
    assert_null(dfs_lines_next(&at, lines.text + lines.count));
    dfs_lines_close(&lines);
}

/* All members of a line: how many, or -1. */
static int members(const char *text)
{
    char line[256];
    char *at = line;
    char *begin;
    struct dfs_member member;
    int count = 0;
    int more;

    snprintf(line, sizeof line, "%s\n", text);
    begin = dfs_lines_next(&at, line + strlen(text) + 1);
    while ((more = dfs_line_member(&begin, &member)) == 1)
        count++;
    return more < 0 ? -1 : count;
}

static void malformed_lines_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "}",
        "x",
        "[]",
        "{} ",
        " {}",
        "{}}",
        "{,}",
        ",\"a\":1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1{\"b\":2}",
        "{\"a\":01}",
        "{\"a\":-1}",
        "{\"a\":1.5}",
        "{\"a\":18446744073709551616}",
        "{\"a\":tru}",
        "{\"a\":null}",
        "{\"a\":\"open}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u00e9\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\u00",
        "{\"a\":\"tab\there\"}",
        "{a:1}",
        "{\"a\":[1]}",
        "{\"a\":{}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (members(bad[i]) != -1)
            fail_msg("\"%s\" was taken", bad[i]);
    assert_int_equal(members("{}"), 0);
    assert_int_equal(members("{\"a\":0,\"b\":\"\\u0041\\/\\b\\f\\r\",\"c\":true}"), 3);
}

static void a_line_with_a_nul_or_without_an_end_is_none(void **state)
{
    char text[] = "{\"a\":1}\0\n{\"b\":2}";
    char *at = text;
    char *line = dfs_lines_next(&at, text + sizeof text - 1);
    struct dfs_member member;

    (void)state;
    assert_int_equal(dfs_line_member(&line, &member), -1);
    assert_null(dfs_lines_next(&at, text + sizeof text - 1));
    assert_ptr_equal(at, text + 9);
}

static void hex_is_exact(void **state)
{
    uint8_t bytes[2];

    (void)state;
    assert_true(dfs_auth_hex_parse("aBcD", bytes, 2));
    assert_int_equal(bytes[1], 0xcd);
    assert_false(dfs_auth_hex_parse("abc", bytes, 2));
    assert_false(dfs_auth_hex_parse("abcde", bytes, 2));
    assert_false(dfs_auth_hex_parse("abcg", bytes, 2));
    assert_false(dfs_auth_hex_parse("gbcd", bytes, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(malformed_lines_are_refused),
        cmocka_unit_test(a_line_with_a_nul_or_without_an_end_is_none),
        cmocka_unit_test(hex_is_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

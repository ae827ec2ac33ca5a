/* Whatever a file says, a message about it stays one short line. */
#include "core/conf/text.h"

#include "core/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void quotes_are_one_line(void **state)
{
    (void)state;
    assert_string_equal(dfs_quote_text("plain").text, "plain");
    assert_string_equal(dfs_quote_text("two\nlines\r\tand").text, "two\\nlines\\r\\tand");
    assert_string_equal(dfs_quote_text("\x1b[31mred\x7f").text, "\\u001b[31mred\\u007f");
    assert_string_equal(dfs_quote("a\0b", 3).text, "a\\u0000b");
    assert_string_equal(dfs_quote_text("Zürich 東京 🙂").text, "Zürich 東京 🙂");
    assert_string_equal(dfs_quote_text("\xe2\x80\xa8line\xe2\x80\xae").text, "\\u2028line\\u202e");
    assert_string_equal(dfs_quote_text("\xc2\x85").text, "\\u0085");
}

static void bytes_that_are_no_characters(void **state)
{
    (void)state;
    assert_string_equal(dfs_quote_text("\xff\xfe").text, "??");
    assert_string_equal(dfs_quote_text("a\xc3").text, "a?");              /* cut off */
    assert_string_equal(dfs_quote_text("\xc0\x80").text, "??");           /* overlong */
    assert_string_equal(dfs_quote_text("\xed\xa0\x80").text, "???");      /* surrogate */
    assert_string_equal(dfs_quote_text("\xf4\x90\x80\x80").text, "????"); /* above 10FFFF */
    assert_string_equal(dfs_quote_text("\xc3(").text, "?(");
}

static void long_quotes_end_in_dots_at_a_character(void **state)
{
    (void)state;
    char out[8];
    dfs_quote_into(out, sizeof(out), "abcdefg", 7);
    assert_string_equal(out, "abcdefg");
    dfs_quote_into(out, sizeof(out), "abcdefgh", 8);
    assert_string_equal(out, "abcd...");
    dfs_quote_into(out, sizeof(out),
                   "abc\xc3\xbc"
                   "defgh",
                   10);
    assert_string_equal(out, "abc...");
    char text[500];
    memset(text, 'x', sizeof(text));
    struct dfs_quoted quoted = dfs_quote(text, sizeof(text));
    assert_int_equal(strlen(quoted.text), DFS_QUOTED_BYTES - 1);
    assert_string_equal(quoted.text + DFS_QUOTED_BYTES - 4, "...");
}

static void texts_grow(void **state)
{
    (void)state;
    struct dfs_conf_text text = {0};
    for (int i = 0; i < 100; i++)
        dfs_conf_text_add(&text, "%d,", i);
    assert_int_equal(text.count, 290);
    assert_memory_equal(text.bytes, "0,1,2,3,", 8);
    char *bytes = dfs_conf_text_take(&text);
    assert_int_equal(strlen(bytes), 290);
    dfs_free(bytes);
    char *nothing = dfs_conf_text_take(&text);
    assert_string_equal(nothing, "");
    dfs_free(nothing);
    dfs_conf_text_add(&text, "again");
    dfs_conf_text_close(&text);
    assert_null(text.bytes);
}

static void reasons_are_cut(void **state)
{
    (void)state;
    struct dfs_why why;
    char text[2 * DFS_WHY_BYTES];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    dfs_why_set(&why, "%s", text);
    assert_int_equal(strlen(why.text), DFS_WHY_BYTES - 1);
    dfs_why_set(NULL, "%s", "nobody asks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_are_one_line),
        cmocka_unit_test(bytes_that_are_no_characters),
        cmocka_unit_test(long_quotes_end_in_dots_at_a_character),
        cmocka_unit_test(texts_grow),
        cmocka_unit_test(reasons_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Ids: made from given bytes, printed and parsed as UUIDs. */
#include "tests/unit/base/check.h"

#include "core/base/hex.h"
#include "core/base/id.h"

#include <stdio.h>

static const char text[] = "6fa459ea-ee8a-4ca4-894e-db77e160355e";
static const struct dfs_id id = {
    {0x6f, 0xa4, 0x59, 0xea, 0xee, 0x8a, 0x4c, 0xa4, 0x89, 0x4e, 0xdb, 0x77, 0xe1, 0x60, 0x35, 0x5e}};

static void an_id_is_printed_in_lower_case(void **state)
{
    char printed[DFS_ID_TEXT_BYTES];

    (void)state;
    dfs_id_print(&id, printed);
    assert_string_equal(printed, text);
}

static void either_case_is_parsed(void **state)
{
    struct dfs_id parsed = {0};

    (void)state;
    assert_true(dfs_id_parse(text, &parsed));
    assert_true(dfs_id_equal(&parsed, &id));
    parsed = (struct dfs_id){0};
    assert_true(dfs_id_parse("6FA459EA-EE8A-4CA4-894E-DB77E160355E", &parsed));
    assert_true(dfs_id_equal(&parsed, &id));
}

static void what_is_not_exactly_an_id_is_refused_and_changes_nothing(void **state)
{
    static const char *const wrong[] = {
        "",
        "6fa459ea",
        "6fa459ea-ee8a-4ca4-894e-db77e160355",
        "6fa459ea-ee8a-4ca4-894e-db77e160355e0",
        "6fa459ea-ee8a-4ca4-894e-db77e160355g",
        "6fa459eaee8a-4ca4-894e-db77e160355e-",
        "6fa459ea-ee8a-4ca4-894e-db77e160355e ",
        " 6fa459ea-ee8a-4ca4-894e-db77e160355e",
        " fa459ea-ee8a-4ca4-894e-db77e160355e",
        "+fa459ea-ee8a-4ca4-894e-db77e160355e",
        "0xa459ea-ee8a-4ca4-894e-db77e160355e",
        "{6fa459ea-ee8a-4ca4-894e-db77e16035}",
        "6fa459ea_ee8a_4ca4_894e_db77e160355e",
    };
    struct dfs_id parsed = id;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(dfs_id_parse(wrong[i], &parsed));
        assert_true(dfs_id_equal(&parsed, &id));
    }
}

static void what_was_printed_parses_to_the_same(void **state)
{
    struct sequence sequence = {1};

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        char printed[DFS_ID_TEXT_BYTES];
        struct dfs_id drawn;
        struct dfs_id parsed;

        draw_bytes(&sequence, drawn.bytes, sizeof drawn.bytes);
        dfs_id_print(&drawn, printed);
        assert_true(dfs_id_parse(printed, &parsed));
        assert_true(dfs_id_equal(&parsed, &drawn));
    }
}

static void what_was_printed_and_nothing_else_is_parsed_as_printed(void **state)
{
    struct sequence sequence = {2};

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        char printed[DFS_ID_TEXT_BYTES];
        struct dfs_id drawn;
        struct dfs_id parsed = {0};
        struct dfs_id untouched = id;

        draw_bytes(&sequence, drawn.bytes, sizeof drawn.bytes);
        dfs_id_print(&drawn, printed);
        assert_true(dfs_id_parse_printed(printed, &parsed));
        assert_true(dfs_id_equal(&parsed, &drawn));
        /* Each character is looked at: none can be replaced by another one. */
        for (size_t at = 0; at < DFS_ID_TEXT_BYTES - 1; at++) {
            const char was = printed[at];

            printed[at] = was >= 'a' ? (char)(was - 'a' + 'A') : was == '-' ? '0' : '-';
            assert_false(dfs_id_parse_printed(printed, &untouched));
            assert_true(dfs_id_equal(&untouched, &id));
            printed[at] = was;
        }
    }
    assert_true(dfs_id_parse_printed("6fa459ea-ee8a-4ca4-894e-db77e160355e-00000001", &(struct dfs_id){0}));
    assert_false(dfs_id_parse_printed("6fa459ea-ee8a-4ca4-894e-db77e160355g", &(struct dfs_id){0}));
}

static void a_word_has_eight_digits(void **state)
{
    char digits[DFS_HEX_DIGITS + 1] = "";
    char wanted[DFS_HEX_DIGITS + 1];
    struct sequence sequence = {3};
    uint32_t value;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        const uint32_t drawn = i < 32 ? UINT32_C(1) << i : (uint32_t)draw_below(&sequence, UINT64_C(1) << 32);

        (void)snprintf(wanted, sizeof wanted, "%08x", (unsigned)drawn);
        dfs_hex_print(drawn, digits);
        assert_string_equal(digits, wanted);
        assert_true(dfs_hex_parse(digits, &value));
        assert_int_equal(value, drawn);
    }
    for (unsigned c = 0; c < 256; c++) {
        const bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

        digits[c % DFS_HEX_DIGITS] = (char)c;
        assert_int_equal(dfs_hex_parse(digits, &value), is_digit);
        digits[c % DFS_HEX_DIGITS] = '0';
    }
}

static void a_random_id_has_version_four_and_keeps_its_other_bits(void **state)
{
    struct dfs_id zeros = {0};
    struct dfs_id ones;
    char printed[DFS_ID_TEXT_BYTES];

    (void)state;
    memset(&ones, 0xff, sizeof ones);
    dfs_id_make_random(&zeros);
    dfs_id_make_random(&ones);
    dfs_id_print(&zeros, printed);
    assert_string_equal(printed, "00000000-0000-4000-8000-000000000000");
    dfs_id_print(&ones, printed);
    assert_string_equal(printed, "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

static void ids_are_ordered_as_bytes_and_zero_is_none(void **state)
{
    const struct dfs_id zero = {0};
    struct dfs_id greater = id;

    (void)state;
    greater.bytes[15]++;
    assert_true(dfs_id_compare(&id, &greater) < 0);
    assert_true(dfs_id_compare(&greater, &id) > 0);
    assert_int_equal(dfs_id_compare(&id, &id), 0);
    assert_false(dfs_id_equal(&id, &greater));
    assert_true(dfs_id_is_zero(&zero));
    assert_false(dfs_id_is_zero(&id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_printed_in_lower_case),
        cmocka_unit_test(either_case_is_parsed),
        cmocka_unit_test(what_is_not_exactly_an_id_is_refused_and_changes_nothing),
        cmocka_unit_test(what_was_printed_parses_to_the_same),
        cmocka_unit_test(what_was_printed_and_nothing_else_is_parsed_as_printed),
        cmocka_unit_test(a_word_has_eight_digits),
        cmocka_unit_test(a_random_id_has_version_four_and_keeps_its_other_bits),
        cmocka_unit_test(ids_are_ordered_as_bytes_and_zero_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Text to numbers and back: what is right is exact, what is wrong says how it should have been written. */
#include "core/conf/units.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef enum dfs_status (*parse_fn)(const char *text, int64_t *ret_value, struct dfs_why *ret_why);

static void reads(parse_fn parse, const char *text, int64_t expected)
{
    int64_t value = -77;
    struct dfs_why why = {""};
    enum dfs_status status = parse(text, &value, &why);
    if (status != DFS_OK)
        fail_msg("%s: %s", text, why.text);
    assert_true(value == expected);
}

static void refuses(parse_fn parse, const char *text, const char *expected)
{
    int64_t value = -77;
    struct dfs_why why = {""};
    assert_int_equal(parse(text, &value, &why), DFS_BAD_CONFIG);
    assert_string_equal(why.text, expected);
    assert_true(value == -77);
    assert_int_equal(parse(text, &value, NULL), DFS_BAD_CONFIG);
}

static void durations_are_nanoseconds(void **state)
{
    (void)state;
    reads(dfs_duration_parse, "7ns", 7);
    reads(dfs_duration_parse, "3us", 3000);
    reads(dfs_duration_parse, "250ms", 250000000);
    reads(dfs_duration_parse, "2s", 2000000000);
    reads(dfs_duration_parse, "10m", INT64_C(600) * 1000000000);
    reads(dfs_duration_parse, "1h", INT64_C(3600) * 1000000000);
    reads(dfs_duration_parse, "14d", INT64_C(14) * 86400 * 1000000000);
    reads(dfs_duration_parse, "0s", 0);
    reads(dfs_duration_parse, "-5s", INT64_C(-5000000000));
    reads(dfs_duration_parse, "0.2ms", 200000);
    reads(dfs_duration_parse, "1.5s", 1500000000);
    reads(dfs_duration_parse, "0.000000001s", 1);
    reads(dfs_duration_parse, "1.50000000000000000000000000000s", 1500000000);
    reads(dfs_duration_parse, "9223372036854775807ns", INT64_MAX);
    reads(dfs_duration_parse, "106751d", INT64_C(106751) * 86400 * 1000000000);
}

static void durations_that_are_none(void **state)
{
    (void)state;
    refuses(dfs_duration_parse, "",
            "\"\" is not a duration; write for example \"250ms\", \"2s\", \"10m\", \"1h\" or "
            "\"14d\"");
    refuses(dfs_duration_parse, "soon",
            "\"soon\" is not a duration; write for example \"250ms\", \"2s\", \"10m\", "
            "\"1h\" or \"14d\"");
    refuses(dfs_duration_parse, ".5s",
            "\".5s\" is not a duration; write for example \"250ms\", \"2s\", \"10m\", "
            "\"1h\" or \"14d\"");
    refuses(dfs_duration_parse, "10",
            "\"10\" has no unit; write for example \"250ms\", \"2s\", \"10m\", \"1h\" or "
            "\"14d\"");
    refuses(dfs_duration_parse, "10 s",
            "\"10 s\" has a space before the unit; write for example \"250ms\", \"2s\", "
            "\"10m\", \"1h\" or \"14d\"");
    refuses(dfs_duration_parse, "10sec",
            "\"10sec\": there is no unit \"sec\"; write for example \"250ms\", \"2s\", "
            "\"10m\", \"1h\" or \"14d\"");
    refuses(dfs_duration_parse, "10S", "\"10S\": there is no unit \"S\"; did you mean \"s\"?");
    refuses(dfs_duration_parse, "10mss", "\"10mss\": there is no unit \"mss\"; did you mean \"ms\"?");
    refuses(dfs_duration_parse, "1.s",
            "\"1.s\" is not a duration; write for example \"250ms\", \"2s\", \"10m\", \"1h\" or \"14d\"");
    refuses(dfs_duration_parse, "1,5s",
            "\"1,5s\": there is no unit \",5s\"; write for example \"250ms\", \"2s\", "
            "\"10m\", \"1h\" or \"14d\"");
    refuses(dfs_duration_parse, "1.5ns", "\"1.5ns\" is finer than 1ns, the smallest step");
    refuses(dfs_duration_parse, "1.0000000000000000001s",
            "\"1.0000000000000000001s\" is finer than 1ns, the smallest "
            "step");
    refuses(dfs_duration_parse, "106752d",
            "\"106752d\" is too large for a duration; write for example \"250ms\", "
            "\"2s\", \"10m\", \"1h\" or \"14d\"");
    refuses(dfs_duration_parse, "99999999999999999999999s",
            "\"99999999999999999999999s\" is too large for a duration; "
            "write for example \"250ms\", \"2s\", \"10m\", \"1h\" or "
            "\"14d\"");
    refuses(dfs_duration_parse, "9223372036.854775808s",
            "\"9223372036.854775808s\" is too large for a duration; write "
            "for example \"250ms\", \"2s\", \"10m\", \"1h\" or \"14d\"");
    refuses(dfs_duration_parse, "5\n s",
            "\"5\\n s\": there is no unit \"\\n s\"; write for example \"250ms\", "
            "\"2s\", \"10m\", \"1h\" or \"14d\"");
}

static void sizes_are_bytes(void **state)
{
    (void)state;
    reads(dfs_size_parse, "0B", 0);
    reads(dfs_size_parse, "100KB", 100000);
    reads(dfs_size_parse, "64KiB", 65536);
    reads(dfs_size_parse, "1.5MB", 1500000);
    reads(dfs_size_parse, "0.5KiB", 512);
    reads(dfs_size_parse, "10GB", INT64_C(10000000000));
    reads(dfs_size_parse, "2TB", INT64_C(2000000000000));
    reads(dfs_size_parse, "3GiB", INT64_C(3) << 30);
    reads(dfs_size_parse, "8388607TiB", INT64_C(8388607) << 40);
    refuses(dfs_size_parse, "0.3B", "\"0.3B\" is finer than 1B, the smallest step");
    refuses(dfs_size_parse, "0.1KiB", "\"0.1KiB\" is finer than 1B, the smallest step");
    refuses(dfs_size_parse, "100kb", "\"100kb\": there is no unit \"kb\"; did you mean \"KB\"?");
    refuses(dfs_size_parse, "100K", "\"100K\": there is no unit \"K\"; did you mean \"KB\"?");
    refuses(dfs_size_parse, "100", "\"100\" has no unit; write for example \"100KB\", \"64KiB\" or \"1.5MB\"");
    refuses(dfs_size_parse, "-1KB",
            "\"-1KB\": a size cannot be negative; write for example \"100KB\", \"64KiB\" or "
            "\"1.5MB\"");
    refuses(dfs_size_parse, "8388608TiB",
            "\"8388608TiB\" is too large for a size; write for example \"100KB\", "
            "\"64KiB\" or \"1.5MB\"");
}

static void rates_are_bytes_a_second(void **state)
{
    (void)state;
    reads(dfs_rate_parse, "200MB/s", 200000000);
    reads(dfs_rate_parse, "1Gbps", 125000000);
    reads(dfs_rate_parse, "8bps", 1);
    reads(dfs_rate_parse, "0.5Mbps", 62500);
    reads(dfs_rate_parse, "56kbps", 7000);
    reads(dfs_rate_parse, "0MB/s", 0);
    reads(dfs_rate_parse, "1MiB/s", 1048576);
    refuses(dfs_rate_parse, "1bps", "\"1bps\" is finer than 1B/s, the smallest step");
    refuses(dfs_rate_parse, "1Gb",
            "\"1Gb\": there is no unit \"Gb\"; write for example \"1Gbps\" (bits) or \"200MB/s\" "
            "(bytes)");
    refuses(dfs_rate_parse, "1GBps", "\"1GBps\": there is no unit \"GBps\"; did you mean \"Gbps\"?");
    refuses(dfs_rate_parse, "200MBs", "\"200MBs\": there is no unit \"MBs\"; did you mean \"MB/s\"?");
}

static void numbers_without_a_unit(void **state)
{
    (void)state;
    reads(dfs_share_parse, "0.4", 400000000);
    reads(dfs_share_parse, "1", DFS_SHARE_ONE);
    reads(dfs_share_parse, "0.000000001", 1);
    reads(dfs_decimal_parse, "-2.5", -2500000);
    reads(dfs_count_parse, "16384", 16384);
    reads(dfs_count_parse, "-3", -3);
    refuses(dfs_share_parse, "0.0000000001", "\"0.0000000001\" is finer than 0.000000001, the smallest step");
    refuses(dfs_share_parse, "40%", "\"40%\" is not a share; write for example 0.05");
    refuses(dfs_count_parse, "3.5", "\"3.5\" is finer than 1, the smallest step");
    refuses(dfs_count_parse, "three", "\"three\" is not a whole number; write for example 3");
    refuses(dfs_decimal_parse, "1e3", "\"1e3\" is not a number; write for example 2.5");
    refuses(dfs_count_parse, "9223372036854775808",
            "\"9223372036854775808\" is too large for a whole number; write for "
            "example 3");
}

static void printed_in_the_unit_that_fits(void **state)
{
    (void)state;
    assert_string_equal(dfs_duration_text(0).text, "0s");
    assert_string_equal(dfs_duration_text(1).text, "1ns");
    assert_string_equal(dfs_duration_text(250000000).text, "250ms");
    assert_string_equal(dfs_duration_text(1500000000).text, "1500ms");
    assert_string_equal(dfs_duration_text(INT64_C(90) * 1000000000).text, "90s");
    assert_string_equal(dfs_duration_text(INT64_C(3600) * 1000000000).text, "1h");
    assert_string_equal(dfs_duration_text(INT64_C(-2000000)).text, "-2ms");
    assert_string_equal(dfs_duration_text(INT64_MIN).text, "-9223372036854775808ns");
    assert_string_equal(dfs_size_text(0).text, "0B");
    assert_string_equal(dfs_size_text(100000).text, "100KB");
    assert_string_equal(dfs_size_text(262144).text, "256KiB");
    assert_string_equal(dfs_size_text(INT64_C(64000000)).text, "64MB");
    assert_string_equal(dfs_size_text(1001).text, "1001B");
    assert_string_equal(dfs_rate_text(125000000).text, "125MB/s");
    assert_string_equal(dfs_share_text(400000000).text, "0.4");
    assert_string_equal(dfs_share_text(0).text, "0");
    assert_string_equal(dfs_share_text(DFS_SHARE_ONE).text, "1");
    assert_string_equal(dfs_share_text(1).text, "0.000000001");
    assert_string_equal(dfs_decimal_text(-2500000).text, "-2.5");
    assert_string_equal(dfs_decimal_text(INT64_MIN).text, "-9223372036854.775808");
    assert_string_equal(dfs_count_text(INT64_MIN).text, "-9223372036854775808");
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    for (int64_t value = 1; value < INT64_MAX / 3; value = value * 3 - value / 7) {
        reads(dfs_duration_parse, dfs_duration_text(value).text, value);
        reads(dfs_duration_parse, dfs_duration_text(-value).text, -value);
        reads(dfs_size_parse, dfs_size_text(value).text, value);
        reads(dfs_size_parse, dfs_size_text(value & ~INT64_C(1023)).text, value & ~INT64_C(1023));
        reads(dfs_rate_parse, dfs_rate_text(value).text, value);
        reads(dfs_share_parse, dfs_share_text(value).text, value);
        reads(dfs_decimal_parse, dfs_decimal_text(value).text, value);
    }
}

static void doubles_become_the_nearest_part(void **state)
{
    (void)state;
    int64_t value = -77;
    assert_true(dfs_share_from_number(0.4, &value) && value == 400000000);
    assert_true(dfs_share_from_number(0.1 + 0.2, &value) && value == 300000000);
    assert_true(dfs_share_from_number(0.0, &value) && value == 0);
    assert_true(dfs_share_from_number(-0.0, &value) && value == 0);
    assert_true(dfs_share_from_number(1.0, &value) && value == DFS_SHARE_ONE);
    assert_true(dfs_share_from_number(1e-9, &value) && value == 1);
    assert_true(dfs_share_from_number(0.123456789, &value) && value == 123456789);
    assert_true(dfs_share_from_number(1.0 / 3, &value) && value == 333333333);
    assert_true(dfs_decimal_from_number(-2.5, &value) && value == -2500000);
    assert_true(dfs_decimal_from_number(9e12, &value) && value == INT64_C(9000000000000000000));
    assert_true(dfs_decimal_from_number(9007199254740993.0 / 1024, &value) && value == INT64_C(8796093022208000000));
    value = -77;
    assert_false(dfs_share_from_number(1e-10, &value));
    assert_false(dfs_share_from_number(DBL_TRUE_MIN, &value));
    assert_false(dfs_share_from_number(DBL_MAX, &value));
    assert_false(dfs_share_from_number(1e10, &value));
    assert_false(dfs_share_from_number((double)INFINITY, &value));
    assert_false(dfs_share_from_number((double)NAN, &value));
    assert_true(value == -77);
}

/* Every share that the unit can hold survives the way through a JSON reader's double. */
static void every_share_survives_a_double(void **state)
{
    (void)state;
    for (int64_t ppb = 0; ppb <= DFS_SHARE_ONE; ppb += 99991) {
        int64_t value = -77;
        assert_true(dfs_share_from_number((double)ppb / 1e9, &value));
        assert_true(value == ppb);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_nanoseconds),
        cmocka_unit_test(durations_that_are_none),
        cmocka_unit_test(sizes_are_bytes),
        cmocka_unit_test(rates_are_bytes_a_second),
        cmocka_unit_test(numbers_without_a_unit),
        cmocka_unit_test(printed_in_the_unit_that_fits),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(doubles_become_the_nearest_part),
        cmocka_unit_test(every_share_survives_a_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * units.h - durations, sizes, rates, shares and decimals: from text to an integer and back.
 *
 *     duration   "250ms" "2s" "10m" "1h" "14d", also "us" and "ns"        int64 nanoseconds, may be negative
 *     size       "100KB" = 100,000   "64KiB" = 65,536   B KB MB GB TB KiB MiB GiB TiB     int64 bytes
 *     rate       "1Gbps" counts bits, "200MB/s" bytes                     int64 bytes a second
 *     share      a number from 0 to 1 (probabilities too)                 int64 parts per billion
 *     decimal    a number with up to six decimals                         int64 millionths
 *
 * Decimals ("1.5MB", "0.2ms") are exact: what is not a whole nanosecond or byte is refused, not rounded. No
 * floating point takes part in any of it, so the same text is the same number with every compiler.
 *
 * Every parse function: DFS_OK and *ret_ filled; or DFS_BAD_CONFIG, *ret_ untouched and, unless NULL,
 * *ret_why saying what is wrong with an example of what is right. Ranges are the caller's.
 */
#ifndef DFS_CORE_CONF_UNITS_H
#define DFS_CORE_CONF_UNITS_H

#include "core/base/status.h"
#include "core/conf/text.h"

#include <stdbool.h>
#include <stdint.h>

/* A share of 1, and a decimal of 1. */
#define DFS_SHARE_ONE INT64_C(1000000000)
#define DFS_DECIMAL_ONE INT64_C(1000000)

/* The longest is "-9223372036854.775807" and its kin. */
#define DFS_UNIT_TEXT_BYTES 32

struct dfs_unit_text {
    char text[DFS_UNIT_TEXT_BYTES];
};

DFS_MUST_CHECK enum dfs_status dfs_duration_parse(const char *text, int64_t *ret_ns, struct dfs_why *ret_why);
DFS_MUST_CHECK enum dfs_status dfs_size_parse(const char *text, int64_t *ret_bytes, struct dfs_why *ret_why);
DFS_MUST_CHECK enum dfs_status dfs_rate_parse(const char *text, int64_t *ret_bytes_per_s, struct dfs_why *ret_why);
DFS_MUST_CHECK enum dfs_status dfs_share_parse(const char *text, int64_t *ret_ppb, struct dfs_why *ret_why);
DFS_MUST_CHECK enum dfs_status dfs_decimal_parse(const char *text, int64_t *ret_millionths, struct dfs_why *ret_why);
DFS_MUST_CHECK enum dfs_status dfs_count_parse(const char *text, int64_t *ret_count, struct dfs_why *ret_why);

/* Exact, parsed back to the same number; in the unit that makes the number smallest while it stays whole
 * ("1500ms"). */
struct dfs_unit_text dfs_duration_text(int64_t ns);
struct dfs_unit_text dfs_size_text(int64_t bytes);
struct dfs_unit_text dfs_rate_text(int64_t bytes_per_s);
struct dfs_unit_text dfs_share_text(int64_t ppb);
struct dfs_unit_text dfs_decimal_text(int64_t millionths);
struct dfs_unit_text dfs_count_text(int64_t value);

/*
 * The nearest part per billion (millionth) to a number that a JSON reader has made a double of, halves away
 * from zero; computed with integers from the bits of the double. So every decimal that a share can hold comes
 * out exactly. false, and *ret_ untouched, when the number is not finite, does not fit, or is not zero but
 * would become zero: a probability of 1e-12 that silently means never is a mistake.
 */
bool dfs_share_from_number(double number, int64_t *ret_ppb);
bool dfs_decimal_from_number(double number, int64_t *ret_millionths);

#endif

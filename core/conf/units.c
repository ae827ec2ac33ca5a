#include "core/conf/units.h"

#include "core/base/assert.h"
#include "core/conf/words.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* 10^18 is the largest power of ten in 64 bits; no unit divides finer. */
#define FRACTION_DIGITS_MAX 18

#define UNITS_MAX 16

/* For products of two 64-bit numbers; pedantic C11 has no such type. */
__extension__ typedef unsigned __int128 wide;

struct unit {
    const char *name;
    uint64_t multiplier;
    uint64_t divisor; /* 8 where the unit counts bits */
};

/* What a kind of quantity is called and how it is written. `units` ends with a NULL name, the largest last.
 */
struct quantity {
    const char *noun;     /* "duration" */
    const char *examples; /* what is right */
    const char *finest;   /* what cannot be divided */
    bool may_be_negative;
    const struct unit *units;
};

static const struct unit duration_units[] = {
    {"ns", 1, 1},
    {"us", 1000, 1},
    {"ms", 1000000, 1},
    {"s", 1000000000, 1},
    {"m", UINT64_C(60) * 1000000000, 1},
    {"h", UINT64_C(3600) * 1000000000, 1},
    {"d", UINT64_C(86400) * 1000000000, 1},
    {NULL, 0, 0},
};

static const struct unit size_units[] = {
    {"B", 1, 1},
    {"KB", 1000, 1},
    {"MB", 1000000, 1},
    {"GB", 1000000000, 1},
    {"TB", UINT64_C(1000000000000), 1},
    {"KiB", UINT64_C(1) << 10, 1},
    {"MiB", UINT64_C(1) << 20, 1},
    {"GiB", UINT64_C(1) << 30, 1},
    {"TiB", UINT64_C(1) << 40, 1},
    {NULL, 0, 0},
};

static const struct unit rate_units[] = {
    {"B/s", 1, 1},
    {"KB/s", 1000, 1},
    {"MB/s", 1000000, 1},
    {"GB/s", 1000000000, 1},
    {"KiB/s", UINT64_C(1) << 10, 1},
    {"MiB/s", UINT64_C(1) << 20, 1},
    {"GiB/s", UINT64_C(1) << 30, 1},
    {"bps", 1, 8},
    {"Kbps", 1000, 8},
    {"kbps", 1000, 8}, /* the usual spelling of networks */
    {"Mbps", 1000000, 8},
    {"Gbps", 1000000000, 8},
    {"Tbps", UINT64_C(1000000000000), 8},
    {NULL, 0, 0},
};

static const struct unit share_units[] = {{"", DFS_SHARE_ONE, 1}, {NULL, 0, 0}};
static const struct unit decimal_units[] = {{"", DFS_DECIMAL_ONE, 1}, {NULL, 0, 0}};
static const struct unit count_units[] = {{"", 1, 1}, {NULL, 0, 0}};

static const struct quantity duration = {"duration", "\"250ms\", \"2s\", \"10m\", \"1h\" or \"14d\"", "1ns", true,
                                         duration_units};
static const struct quantity size = {"size", "\"100KB\", \"64KiB\" or \"1.5MB\"", "1B", false, size_units};
static const struct quantity rate = {"rate", "\"1Gbps\" (bits) or \"200MB/s\" (bytes)", "1B/s", false, rate_units};
static const struct quantity share = {"share", "0.05", "0.000000001", true, share_units};
static const struct quantity decimal = {"number", "2.5", "0.000001", true, decimal_units};
static const struct quantity count = {"whole number", "3", "1", true, count_units};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const struct unit *unit_find(const struct quantity *quantity, const char *name)
{
    for (const struct unit *unit = quantity->units; unit->name != NULL; unit++)
        if (strcmp(unit->name, name) == 0)
            return unit;
    return NULL;
}

/* Says what is wrong behind the number: nothing, a space, or a unit that there is not. */
static enum dfs_status refuse_unit(const struct quantity *quantity, const char *text, const char *name,
                                   struct dfs_why *ret_why)
{
    struct dfs_quoted quoted = dfs_quote_text(text);
    const char *trimmed = name + strspn(name, " \t");
    if (quantity->units[0].name[0] == '\0') {
        dfs_why_set(ret_why, "\"%s\" is not a %s; write for example %s", quoted.text, quantity->noun,
                    quantity->examples);
    } else if (*trimmed == '\0') {
        dfs_why_set(ret_why, "\"%s\" has no unit; write for example %s", quoted.text, quantity->examples);
    } else if (trimmed != name && unit_find(quantity, trimmed) != NULL) {
        dfs_why_set(ret_why, "\"%s\" has a space before the unit; write for example %s", quoted.text,
                    quantity->examples);
    } else {
        const char *names[UNITS_MAX];
        size_t names_count = 0;
        for (const struct unit *unit = quantity->units; unit->name != NULL; unit++) {
            DFS_ASSERT(names_count < UNITS_MAX);
            names[names_count++] = unit->name;
        }
        const char *nearest = dfs_words_nearest(trimmed, names, names_count);
        struct dfs_quoted unit_quoted = dfs_quote_text(trimmed);
        if (nearest != NULL)
            dfs_why_set(ret_why, "\"%s\": there is no unit \"%s\"; did you mean \"%s\"?", quoted.text, unit_quoted.text,
                        nearest);
        else
            dfs_why_set(ret_why, "\"%s\": there is no unit \"%s\"; write for example %s", quoted.text, unit_quoted.text,
                        quantity->examples);
    }
    return DFS_BAD_CONFIG;
}

static enum dfs_status refuse_large(const struct quantity *quantity, const char *text, struct dfs_why *ret_why)
{
    dfs_why_set(ret_why, "\"%s\" is too large for a %s; write for example %s", dfs_quote_text(text).text,
                quantity->noun, quantity->examples);
    return DFS_BAD_CONFIG;
}

/* [-]DIGITS[.DIGITS]UNIT, exactly. */
static enum dfs_status quantity_parse(const struct quantity *quantity, const char *text, int64_t *ret_value,
                                      struct dfs_why *ret_why)
{
    const char *at = text;
    bool is_negative = *at == '-';
    if (is_negative)
        at++;
    const char *point = at + strspn(at, "0123456789");
    if (point == at || (*point == '.' && !is_digit(point[1]))) {
        dfs_why_set(ret_why, "\"%s\" is not a %s; write for example %s", dfs_quote_text(text).text, quantity->noun,
                    quantity->examples);
        return DFS_BAD_CONFIG;
    }
    const uint64_t whole_max = UINT64_MAX / 10 - 1;
    uint64_t whole = 0;
    bool is_large = false;
    for (; is_digit(*at); at++) {
        if (whole > whole_max)
            is_large = true; /* still look at the rest: a wrong unit is the better message */
        else
            whole = whole * 10 + (uint64_t)(*at - '0');
    }
    const char *fraction_at = at + 1;
    size_t fraction_digits = 0;
    if (*at == '.') {
        for (at++; is_digit(*at); at++)
            if (*at != '0')
                fraction_digits = (size_t)(at - fraction_at) + 1; /* zeros at the end mean nothing */
    }

    const struct unit *unit = unit_find(quantity, at);
    if (unit == NULL)
        return refuse_unit(quantity, text, at, ret_why);
    if (is_negative && !quantity->may_be_negative) {
        dfs_why_set(ret_why, "\"%s\": a %s cannot be negative; write for example %s", dfs_quote_text(text).text,
                    quantity->noun, quantity->examples);
        return DFS_BAD_CONFIG;
    }
    /* The bound keeps the products below 128 bits: 2^66 x 10^18 < 2^127. */
    if (is_large || (wide)whole * unit->multiplier / unit->divisor > (wide)INT64_MAX)
        return refuse_large(quantity, text, ret_why);

    uint64_t scale = 1;
    uint64_t fraction = 0;
    bool is_whole = fraction_digits <= FRACTION_DIGITS_MAX;
    for (size_t i = 0; is_whole && i < fraction_digits; i++) {
        fraction = fraction * 10 + (uint64_t)(fraction_at[i] - '0');
        scale *= 10;
    }
    wide numerator = (wide)whole * unit->multiplier * scale + (wide)fraction * unit->multiplier;
    wide denominator = (wide)unit->divisor * scale;
    if (!is_whole || numerator % denominator != 0) {
        dfs_why_set(ret_why, "\"%s\" is finer than %s, the smallest step", dfs_quote_text(text).text, quantity->finest);
        return DFS_BAD_CONFIG;
    }
    wide value = numerator / denominator;
    if (value > (wide)INT64_MAX)
        return refuse_large(quantity, text, ret_why);
    *ret_value = is_negative ? -(int64_t)value : (int64_t)value;
    return DFS_OK;
}

enum dfs_status dfs_duration_parse(const char *text, int64_t *ret_ns, struct dfs_why *ret_why)
{
    return quantity_parse(&duration, text, ret_ns, ret_why);
}

enum dfs_status dfs_size_parse(const char *text, int64_t *ret_bytes, struct dfs_why *ret_why)
{
    return quantity_parse(&size, text, ret_bytes, ret_why);
}

enum dfs_status dfs_rate_parse(const char *text, int64_t *ret_bytes_per_s, struct dfs_why *ret_why)
{
    return quantity_parse(&rate, text, ret_bytes_per_s, ret_why);
}

enum dfs_status dfs_share_parse(const char *text, int64_t *ret_ppb, struct dfs_why *ret_why)
{
    return quantity_parse(&share, text, ret_ppb, ret_why);
}

enum dfs_status dfs_decimal_parse(const char *text, int64_t *ret_millionths, struct dfs_why *ret_why)
{
    return quantity_parse(&decimal, text, ret_millionths, ret_why);
}

enum dfs_status dfs_count_parse(const char *text, int64_t *ret_count, struct dfs_why *ret_why)
{
    return quantity_parse(&count, text, ret_count, ret_why);
}

/* |INT64_MIN| does not fit an int64_t. */
static uint64_t magnitude(int64_t value)
{
    return value < 0 ? UINT64_C(0) - (uint64_t)value : (uint64_t)value;
}

static struct dfs_unit_text quantity_text(const struct quantity *quantity, int64_t value)
{
    uint64_t left = magnitude(value);
    const struct unit *best = &quantity->units[0];
    if (left == 0 && quantity == &duration)
        best = unit_find(quantity, "s"); /* "0s" is how people write it */
    for (const struct unit *unit = quantity->units; unit->name != NULL; unit++)
        if (unit->divisor == 1 && left != 0 && left % unit->multiplier == 0 &&
            left / unit->multiplier < left / best->multiplier)
            best = unit;
    struct dfs_unit_text out;
    (void)snprintf(out.text, sizeof(out.text), "%s%" PRIu64 "%s", value < 0 ? "-" : "", left / best->multiplier,
                   best->name);
    return out;
}

struct dfs_unit_text dfs_duration_text(int64_t ns)
{
    return quantity_text(&duration, ns);
}

struct dfs_unit_text dfs_size_text(int64_t bytes)
{
    return quantity_text(&size, bytes);
}

struct dfs_unit_text dfs_rate_text(int64_t bytes_per_s)
{
    return quantity_text(&rate, bytes_per_s);
}

struct dfs_unit_text dfs_count_text(int64_t value)
{
    struct dfs_unit_text out;
    (void)snprintf(out.text, sizeof(out.text), "%" PRId64, value);
    return out;
}

/* value / one, with as many decimals as it needs. */
static struct dfs_unit_text fraction_text(int64_t value, uint64_t one)
{
    uint64_t left = magnitude(value);
    struct dfs_unit_text out;
    int length = snprintf(out.text, sizeof(out.text), "%s%" PRIu64, value < 0 ? "-" : "", left / one);
    DFS_ASSERT(length > 0 && (size_t)length < sizeof(out.text));
    size_t used = (size_t)length;
    uint64_t rest = left % one;
    if (rest != 0)
        out.text[used++] = '.';
    for (uint64_t digit = one / 10; rest != 0; digit /= 10) {
        DFS_ASSERT(used + 1 < sizeof(out.text));
        out.text[used++] = (char)('0' + rest / digit);
        rest %= digit;
    }
    out.text[used] = '\0';
    return out;
}

struct dfs_unit_text dfs_share_text(int64_t ppb)
{
    return fraction_text(ppb, (uint64_t)DFS_SHARE_ONE);
}

struct dfs_unit_text dfs_decimal_text(int64_t millionths)
{
    return fraction_text(millionths, (uint64_t)DFS_DECIMAL_ONE);
}

_Static_assert(DBL_MANT_DIG == 53 && sizeof(double) == 8, "doubles are IEEE 754 binary64");

static bool from_number(double number, uint64_t one, int64_t *ret_value)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof(bits));
    bool is_negative = bits >> 63 != 0;
    int exponent = (int)(bits >> 52 & 0x7ff);
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent == 0x7ff)
        return false;
    if (exponent == 0 && mantissa == 0) {
        *ret_value = 0;
        return true;
    }
    if (exponent == 0)
        exponent = 1; /* subnormal */
    else
        mantissa |= UINT64_C(1) << 52;
    /* number = mantissa x 2^(exponent - 1075), and mantissa x one < 2^83 */
    wide scaled = (wide)mantissa * one;
    int shift = exponent - 1075;
    if (shift > 40)
        return false; /* above 2^92 */
    if (shift >= 0)
        scaled <<= shift;
    else if (shift > -120)
        scaled = (scaled + ((wide)1 << (-shift - 1))) >> -shift;
    else
        scaled = 0;
    if (scaled == 0 || scaled > (wide)INT64_MAX)
        return false;
    *ret_value = is_negative ? -(int64_t)scaled : (int64_t)scaled;
    return true;
}

bool dfs_share_from_number(double number, int64_t *ret_ppb)
{
    return from_number(number, (uint64_t)DFS_SHARE_ONE, ret_ppb);
}

bool dfs_decimal_from_number(double number, int64_t *ret_millionths)
{
    return from_number(number, (uint64_t)DFS_DECIMAL_ONE, ret_millionths);
}

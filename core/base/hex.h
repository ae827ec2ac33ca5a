/*
 * hex.h - numbers as hexadecimal digits in lower case, for the names of files: two digits at a time, out of a table.
 */
#ifndef DFS_CORE_BASE_HEX_H
#define DFS_CORE_BASE_HEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DFS_HEX_DIGITS 8 /* of a word */

extern const char dfs_hex_pairs[2 * 256 + 1]; /* "000102...ff" */

/* Two digits; no end behind them. */
static inline void dfs_hex_print_byte(uint8_t byte, char *ret_digits)
{
    memcpy(ret_digits, dfs_hex_pairs + 2 * (unsigned)byte, 2);
}

/* Exactly eight digits, the highest first; no end behind them. */
static inline void dfs_hex_print(uint32_t value, char ret_digits[DFS_HEX_DIGITS])
{
    dfs_hex_print_byte((uint8_t)(value >> 24), ret_digits);
    dfs_hex_print_byte((uint8_t)(value >> 16), ret_digits + 2);
    dfs_hex_print_byte((uint8_t)(value >> 8), ret_digits + 4);
    dfs_hex_print_byte((uint8_t)value, ret_digits + 6);
}

/* false and *ret_value untouched unless these are eight digits, letters in lower case: what dfs_hex_print makes, and nothing else. */
bool dfs_hex_parse(const char digits[DFS_HEX_DIGITS], uint32_t *ret_value);

#endif

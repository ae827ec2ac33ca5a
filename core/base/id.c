#include "core/base/id.h"

#include "core/base/hex.h"

#include <uuid/uuid.h>

void dfs_id_make_random(struct dfs_id *id)
{
    id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0f) | 0x40); /* version 4 */
    id->bytes[8] = (uint8_t)((id->bytes[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
}

/* Where the dashes stand: 8-4-4-4-12. */
#define DASHES 4
static const uint8_t dashes[DASHES] = {8, 13, 18, 23};

static inline void print_two(const uint8_t *bytes, char *ret_digits)
{
    dfs_hex_print_byte(bytes[0], ret_digits);
    dfs_hex_print_byte(bytes[1], ret_digits + 2);
}

void dfs_id_print(const struct dfs_id *id, char ret_text[DFS_ID_TEXT_BYTES])
{
    const uint8_t *bytes = id->bytes;

    print_two(bytes, ret_text);
    print_two(bytes + 2, ret_text + 4);
    ret_text[8] = '-';
    print_two(bytes + 4, ret_text + 9);
    ret_text[13] = '-';
    print_two(bytes + 6, ret_text + 14);
    ret_text[18] = '-';
    print_two(bytes + 8, ret_text + 19);
    ret_text[23] = '-';
    print_two(bytes + 10, ret_text + 24);
    print_two(bytes + 12, ret_text + 28);
    print_two(bytes + 14, ret_text + 32);
    ret_text[DFS_ID_TEXT_BYTES - 1] = '\0';
}

bool dfs_id_parse_printed(const char *text, struct dfs_id *ret_id)
{
    char digits[2 * DFS_ID_BYTES];
    struct dfs_id id;
    size_t dash = 0;

    for (size_t i = 0; i < DFS_ID_TEXT_BYTES - 1; i++) {
        if (dash == DASHES || i != dashes[dash])
            digits[i - dash] = text[i];
        else if (text[i] == '-')
            dash++;
        else
            return false;
    }
    for (size_t i = 0; i < DFS_ID_BYTES / 4; i++) {
        uint32_t word;

        if (!dfs_hex_parse(digits + DFS_HEX_DIGITS * i, &word))
            return false;
        for (size_t j = 0; j < 4; j++)
            id.bytes[4 * i + j] = (uint8_t)(word >> (24 - 8 * j));
    }
    *ret_id = id;
    return true;
}

bool dfs_id_parse(const char *text, struct dfs_id *ret_id)
{
    struct dfs_id id;

    if (uuid_parse(text, id.bytes) != 0)
        return false;
    *ret_id = id;
    return true;
}

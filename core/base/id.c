#include "core/base/id.h"

#include <uuid/uuid.h>

void dfs_id_make_random(struct dfs_id *id)
{
    id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0f) | 0x40); /* version 4 */
    id->bytes[8] = (uint8_t)((id->bytes[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
}

void dfs_id_print(const struct dfs_id *id, char ret_text[DFS_ID_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < DFS_ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            ret_text[at++] = '-';
        ret_text[at++] = digits[id->bytes[i] >> 4];
        ret_text[at++] = digits[id->bytes[i] & 15];
    }
    ret_text[at] = '\0';
}

bool dfs_id_parse(const char *text, struct dfs_id *ret_id)
{
    struct dfs_id id;

    if (uuid_parse(text, id.bytes) != 0)
        return false;
    *ret_id = id;
    return true;
}

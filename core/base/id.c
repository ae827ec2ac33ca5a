#include "core/base/id.h"

#include <uuid/uuid.h>

void dfs_id_make_random(struct dfs_id *id)
{
    id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0f) | 0x40); /* version 4 */
    id->bytes[8] = (uint8_t)((id->bytes[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
}

void dfs_id_print(const struct dfs_id *id, char ret_text[DFS_ID_TEXT_BYTES])
{
    uuid_unparse_lower(id->bytes, ret_text);
}

bool dfs_id_parse(const char *text, struct dfs_id *ret_id)
{
    struct dfs_id id;

    if (uuid_parse(text, id.bytes) != 0)
        return false;
    *ret_id = id;
    return true;
}

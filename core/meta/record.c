#include "core/meta/record.h"

#include "core/base/assert.h"
#include "core/wire/layout.h"

#define X(NAME, name_) \
    DFS_LAYOUT_FIELDS(name_, struct dfs_w_##name_, META_FIELDS_##NAME) \
    static const struct dfs_layout dfs_layout_##name_ = DFS_LAYOUT_OF(#NAME, name_, struct dfs_w_##name_);
META_PART_MAP(X)
#undef X

#define X(number, NAME, name_) \
    DFS_LAYOUT_FIELDS(r_##name_, struct meta_r_##name_, META_FIELDS_R_##NAME) \
    static const struct dfs_layout layout_r_##name_ = DFS_LAYOUT_OF(#NAME, r_##name_, struct meta_r_##name_);
META_RECORD_MAP(X)
#undef X

static const struct dfs_layout *const record_layouts[META_RECORD_NUMBER_MAX + 1] = {
#define X(number, NAME, name_) [number] = &layout_r_##name_,
    META_RECORD_MAP(X)
#undef X
};

const struct dfs_layout *meta_record_layout(uint32_t number)
{
    return number <= META_RECORD_NUMBER_MAX ? record_layouts[number] : NULL;
}

size_t meta_record_bytes(enum meta_record_number number, const void *record)
{
    return META_RECORD_HEADER_BYTES + dfs_encoded_bytes(record_layouts[number], record);
}

void meta_record_encode(enum meta_record_number number, const void *record, struct dfs_wr *w)
{
    const size_t bytes = dfs_encoded_bytes(record_layouts[number], record);

    DFS_ASSERT(META_RECORD_HEADER_BYTES + bytes <= META_RECORD_BYTES_MAX);
    dfs_wr_be(w, number, 2);
    dfs_wr_be(w, bytes, 4);
    dfs_encode(record_layouts[number], record, w);
}

enum dfs_status meta_record_decode(struct dfs_rd *r, struct dfs_arena *arena, enum meta_record_number *ret_number,
                                   union meta_any_record *ret_record)
{
    const uint32_t number = (uint32_t)dfs_rd_be(r, 2);
    const size_t bytes = (size_t)dfs_rd_be(r, 4);
    const struct dfs_layout *layout = meta_record_layout(number);

    if (r->bad || layout == NULL || bytes > META_RECORD_BYTES_MAX)
        return DFS_BAD_REQUEST;
    const uint8_t *at = dfs_rd_bytes(r, bytes);

    if (at == NULL)
        return DFS_BAD_REQUEST;
    struct dfs_rd body = dfs_rd_make(at, bytes);

    *ret_number = (enum meta_record_number)number;
    return dfs_decode(layout, &body, arena, ret_record);
}

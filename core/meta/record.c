#include "core/meta/record.h"

#include "core/base/assert.h"

/* Layouts, as core/wire/message.c makes them of the schema. */
#define META_L_NUM(S, name_, type_, width_, min_, max_) \
    {.name = #name_, \
     .kind = DFS_FIELD_NUM, \
     .width = (width_), \
     .offset = offsetof(S, name_), \
     .min = (min_), \
     .max = (max_)},
#define META_L_ID(S, name_) {.name = #name_, .kind = DFS_FIELD_ID, .width = DFS_ID_BYTES, .offset = offsetof(S, name_)},
#define META_L_ADDR(S, name_) {.name = #name_, .kind = DFS_FIELD_ADDR, .width = 18, .offset = offsetof(S, name_)},
#define META_L_FIXED(S, name_, count_) \
    {.name = #name_, .kind = DFS_FIELD_FIXED, .width = (count_), .offset = offsetof(S, name_)},
#define META_L_KEY(S, name_, count_) \
    {.name = #name_, .kind = DFS_FIELD_KEY, .width = (count_), .offset = offsetof(S, name_)},
#define META_L_TEXT(S, name_, max_) \
    {.name = #name_, .kind = DFS_FIELD_TEXT, .offset = offsetof(S, name_), .max = (max_)},
#define META_L_SECRET(S, name_, max_) \
    {.name = #name_, .kind = DFS_FIELD_SECRET, .offset = offsetof(S, name_), .max = (max_)},
#define META_L_PART(S, name_, part_) \
    {.name = #name_, .kind = DFS_FIELD_PART, .offset = offsetof(S, name_), .part = &dfs_layout_##part_},
#define META_L_LIST(S, name_, part_, max_) \
    {.name = #name_, \
     .kind = DFS_FIELD_LIST, \
     .offset = offsetof(S, name_), \
     .count_offset = offsetof(S, name_##_count), \
     .max = (max_), \
     .part = &dfs_layout_##part_},
#define META_L_ALL \
    META_L_NUM, META_L_ID, META_L_ADDR, META_L_FIXED, META_L_KEY, META_L_TEXT, META_L_SECRET, META_L_PART, META_L_LIST

#define X(NAME, name_) \
    static const struct dfs_field fields_##name_[] = { \
        DFS_EXPAND(META_FIELDS_##NAME, struct dfs_w_##name_, META_L_ALL)}; \
    static const struct dfs_layout dfs_layout_##name_ = {.name = #NAME, \
                                                         .bytes = sizeof(struct dfs_w_##name_), \
                                                         .fields = fields_##name_, \
                                                         .count = sizeof fields_##name_ / sizeof fields_##name_[0]};
META_PART_MAP(X)
#undef X

#define X(number, NAME, name_) \
    static const struct dfs_field fields_r_##name_[] = { \
        DFS_EXPAND(META_FIELDS_R_##NAME, struct meta_r_##name_, META_L_ALL)}; \
    static const struct dfs_layout layout_r_##name_ = {.name = #NAME, \
                                                       .bytes = sizeof(struct meta_r_##name_), \
                                                       .fields = fields_r_##name_, \
                                                       .count = sizeof fields_r_##name_ / sizeof fields_r_##name_[0]};
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

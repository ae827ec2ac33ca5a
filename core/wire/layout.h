/*
 * layout.h - layouts out of lists of fields, as core/wire/schema.h and core/meta/record.h write them.
 *
 *     DFS_LAYOUT_FIELDS(node, struct dfs_w_node, DFS_FIELDS_NODE)
 *     const struct dfs_layout dfs_layout_node = DFS_LAYOUT_OF("NODE", node, struct dfs_w_node);
 *
 * Parts stand before whatever holds them. What the codec's loop would otherwise find out again for every message, how many bytes a struct takes at
 * least and whether it may take more, is added up here by the compiler.
 */
#ifndef DFS_CORE_WIRE_LAYOUT_H
#define DFS_CORE_WIRE_LAYOUT_H

#include "core/wire/message.h"

/* In the order of enum dfs_field_op. */
#define DFS_L_OP_NUM(width_, min_, max_) \
    (((min_) == 0 && (max_) == (uint64_t)-1 >> (64 - 8 * (width_)) ? DFS_OP_NUM_1 : DFS_OP_RANGE_1) + \
     ((width_) == 1   ? 0 \
      : (width_) == 2 ? 1 \
      : (width_) == 4 ? 2 \
                      : 3))
#define DFS_L_OP_BYTES(count_) ((count_) == 16 ? DFS_OP_BYTES_16 : DFS_OP_BYTES)

#define DFS_L_NUM(S, name_, type_, width_, min_, max_) \
    {.name = #name_, \
     .kind = DFS_FIELD_NUM, \
     .op = DFS_L_OP_NUM(width_, min_, max_), \
     .width = (width_), \
     .offset = offsetof(S, name_), \
     .min = (min_), \
     .max = (max_)},
#define DFS_L_BYTES(S, name_, kind_, count_) \
    {.name = #name_, .kind = (kind_), .op = DFS_L_OP_BYTES(count_), .width = (count_), .offset = offsetof(S, name_)},
#define DFS_L_ID(S, name_) DFS_L_BYTES(S, name_, DFS_FIELD_ID, DFS_ID_BYTES)
#define DFS_L_ADDR(S, name_) \
    {.name = #name_, .kind = DFS_FIELD_ADDR, .op = DFS_OP_ADDR, .width = 18, .offset = offsetof(S, name_)},
#define DFS_L_FIXED(S, name_, count_) DFS_L_BYTES(S, name_, DFS_FIELD_FIXED, count_)
#define DFS_L_KEY(S, name_, count_) DFS_L_BYTES(S, name_, DFS_FIELD_KEY, count_)
#define DFS_L_TEXT(S, name_, max_) \
    {.name = #name_, .kind = DFS_FIELD_TEXT, .op = DFS_OP_TEXT, .offset = offsetof(S, name_), .max = (max_)},
#define DFS_L_SECRET(S, name_, max_) \
    {.name = #name_, .kind = DFS_FIELD_SECRET, .op = DFS_OP_TEXT, .offset = offsetof(S, name_), .max = (max_)},
#define DFS_L_PART(S, name_, part_) \
    {.name = #name_, \
     .kind = DFS_FIELD_PART, \
     .op = DFS_OP_PART, \
     .offset = offsetof(S, name_), \
     .part = &dfs_layout_##part_},
#define DFS_L_LIST(S, name_, part_, max_) \
    {.name = #name_, \
     .kind = DFS_FIELD_LIST, \
     .op = DFS_OP_LIST, \
     .offset = offsetof(S, name_), \
     .count_offset = offsetof(S, name_##_count), \
     .max = (max_), \
     .part = &dfs_layout_##part_},
#define DFS_L_ALL \
    DFS_L_NUM, DFS_L_ID, DFS_L_ADDR, DFS_L_FIXED, DFS_L_KEY, DFS_L_TEXT, DFS_L_SECRET, DFS_L_PART, DFS_L_LIST

/* Bytes on the wire without the characters of texts and the items of lists, as one sum. */
#define DFS_B_NUM(S, name_, type_, width_, min_, max_) +(width_)
#define DFS_B_ID(S, name_) +DFS_ID_BYTES
#define DFS_B_ADDR(S, name_) +18
#define DFS_B_BYTES(S, name_, count_) +(count_)
#define DFS_B_TEXT(S, name_, max_) +2
#define DFS_B_PART(S, name_, part_) +fixed_of_##part_
#define DFS_B_LIST(S, name_, part_, max_) +2
#define DFS_B_ALL \
    DFS_B_NUM, DFS_B_ID, DFS_B_ADDR, DFS_B_BYTES, DFS_B_BYTES, DFS_B_TEXT, DFS_B_TEXT, DFS_B_PART, DFS_B_LIST

/* How many fields have characters or items. */
#define DFS_V_NONE(...)
#define DFS_V_ONE(...) +1
#define DFS_V_PART(S, name_, part_) +varies_of_##part_
#define DFS_V_ALL \
    DFS_V_NONE, DFS_V_NONE, DFS_V_NONE, DFS_V_NONE, DFS_V_NONE, DFS_V_ONE, DFS_V_ONE, DFS_V_PART, DFS_V_ONE

#define DFS_LAYOUT_FIELDS(name_, type_, list_) \
    enum { fixed_of_##name_ = 0 DFS_EXPAND(list_, type_, DFS_B_ALL) }; \
    enum { varies_of_##name_ = 0 DFS_EXPAND(list_, type_, DFS_V_ALL) }; \
    static const struct dfs_field fields_##name_[] = {DFS_EXPAND(list_, type_, DFS_L_ALL)};

#define DFS_LAYOUT_OF(text_, name_, type_) \
    { \
        .name = (text_), .bytes = sizeof(type_), .fixed = fixed_of_##name_, .varies = varies_of_##name_ > 0, \
        .fields = fields_##name_, .count = sizeof fields_##name_ / sizeof fields_##name_[0] \
    }

#endif

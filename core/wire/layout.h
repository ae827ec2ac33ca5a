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

/* Fields: for printers and generators. */
#define DFS_L_NUM(S, name_, type_, width_, min_, max_) \
    {.name = #name_, \
     .kind = DFS_FIELD_NUM, \
     .width = (width_), \
     .offset = offsetof(S, name_), \
     .min = (min_), \
     .max = (max_)},
#define DFS_L_BYTES(S, name_, kind_, count_) \
    {.name = #name_, .kind = (kind_), .width = (count_), .offset = offsetof(S, name_)},
#define DFS_L_ID(S, name_) DFS_L_BYTES(S, name_, DFS_FIELD_ID, DFS_ID_BYTES)
#define DFS_L_ADDR(S, name_) DFS_L_BYTES(S, name_, DFS_FIELD_ADDR, 18)
#define DFS_L_FIXED(S, name_, count_) DFS_L_BYTES(S, name_, DFS_FIELD_FIXED, count_)
#define DFS_L_KEY(S, name_, count_) DFS_L_BYTES(S, name_, DFS_FIELD_KEY, count_)
#define DFS_L_TEXT(S, name_, max_) \
    {.name = #name_, .kind = DFS_FIELD_TEXT, .offset = offsetof(S, name_), .max = (max_)},
#define DFS_L_SECRET(S, name_, max_) \
    {.name = #name_, .kind = DFS_FIELD_SECRET, .offset = offsetof(S, name_), .max = (max_)},
#define DFS_L_PART(S, name_, part_) \
    {.name = #name_, .kind = DFS_FIELD_PART, .offset = offsetof(S, name_), .part = &dfs_layout_##part_},
#define DFS_L_LIST(S, name_, part_, max_) \
    {.name = #name_, \
     .kind = DFS_FIELD_LIST, \
     .offset = offsetof(S, name_), \
     .count_offset = offsetof(S, name_##_count), \
     .max = (max_), \
     .part = &dfs_layout_##part_},
#define DFS_L_ALL \
    DFS_L_NUM, DFS_L_ID, DFS_L_ADDR, DFS_L_FIXED, DFS_L_KEY, DFS_L_TEXT, DFS_L_SECRET, DFS_L_PART, DFS_L_LIST

/*
 * Steps of the codec. S is (where the struct begins in the outermost one, its type): a part's fields are written out in its place, by the list that
 * DFS_FIELDS_OF_part names; a block is a step of its own. A macro does not expand within itself, so there are as many of DFS_O_PART as parts stand in one
 * another.
 */
#define DFS_FIELDS_OF_block(S, ...) {.kind = DFS_OP_BLOCK, .offset = DFS_O_BASE S},
#define DFS_FIELDS_OF_grant DFS_FIELDS_GRANT
#define DFS_FIELDS_OF_order DFS_FIELDS_ORDER

#define DFS_O_BASE(base_, type_) (base_)
#define DFS_O_TYPE(base_, type_) type_
#define DFS_O_AT(S, name_) (DFS_O_BASE S + offsetof(DFS_O_TYPE S, name_))

/* In the order of enum dfs_op_kind. */
#define DFS_O_KIND_NUM(width_, min_, max_) \
    (((min_) == 0 && (max_) == (uint64_t)-1 >> (64 - 8 * (width_)) ? DFS_OP_NUM_1 : DFS_OP_RANGE_1) + \
     ((width_) == 1   ? 0 \
      : (width_) == 2 ? 1 \
      : (width_) == 4 ? 2 \
                      : 3))
#define DFS_O_NUM(S, name_, type_, width_, min_, max_) \
    {.kind = DFS_O_KIND_NUM(width_, min_, max_), \
     .offset = DFS_O_AT(S, name_), \
     .min = (min_), \
     .span = (uint64_t)(max_) - (min_)},
#define DFS_O_KIND_BYTES(count_) ((count_) == 16 ? DFS_OP_BYTES_16 : (count_) == 32 ? DFS_OP_BYTES_32 : DFS_OP_BYTES)
#define DFS_O_BYTES(S, name_, count_) \
    {.kind = DFS_O_KIND_BYTES(count_), .offset = DFS_O_AT(S, name_), .width = (count_)},
#define DFS_O_ID(S, name_) DFS_O_BYTES(S, name_, DFS_ID_BYTES)
#define DFS_O_ADDR(S, name_) {.kind = DFS_OP_ADDR, .offset = DFS_O_AT(S, name_)},
#define DFS_O_TEXT(S, name_, max_) {.kind = DFS_OP_TEXT, .offset = DFS_O_AT(S, name_), .max = (max_)},
#define DFS_O_LIST(S, name_, part_, max_) \
    {.kind = DFS_OP_LIST, \
     .offset = DFS_O_AT(S, name_), \
     .count_offset = DFS_O_AT(S, name_##_count), \
     .max = (max_), \
     .part = &dfs_layout_##part_},
#define DFS_O_WITH(part_of_) \
    DFS_O_NUM, DFS_O_ID, DFS_O_ADDR, DFS_O_BYTES, DFS_O_BYTES, DFS_O_TEXT, DFS_O_TEXT, part_of_, DFS_O_LIST

#define DFS_O_PART(S, name_, part_) \
    DFS_O_EXPAND(DFS_FIELDS_OF_##part_, (DFS_O_AT(S, name_), struct dfs_w_##part_), DFS_O_WITH(DFS_O_PART_2))
#define DFS_O_PART_2(S, name_, part_) \
    DFS_O_EXPAND_2(DFS_FIELDS_OF_##part_, (DFS_O_AT(S, name_), struct dfs_w_##part_), DFS_O_WITH(DFS_O_PART_3))
#define DFS_O_EXPAND(macro, ...) macro(__VA_ARGS__)
#define DFS_O_EXPAND_2(macro, ...) macro(__VA_ARGS__)

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
    static const struct dfs_field fields_##name_[] = {DFS_EXPAND(list_, type_, DFS_L_ALL)}; \
    static const struct dfs_op ops_##name_[] = { \
        DFS_EXPAND(list_, (0, type_), DFS_O_WITH(DFS_O_PART)){.kind = DFS_OP_END}};

#define DFS_LAYOUT_OF(text_, name_, type_) \
    { \
        .ops = ops_##name_, .bytes = sizeof(type_), .fixed = fixed_of_##name_, .varies = varies_of_##name_ > 0, \
        .name = (text_), .fields = fields_##name_, .count = sizeof fields_##name_ / sizeof fields_##name_[0] \
    }

#endif

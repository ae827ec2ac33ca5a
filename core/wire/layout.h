/*
 * layout.h - layouts out of lists of fields, as core/wire/schema.h and core/meta/record.h write them.
 *
 *     DFS_LAYOUT_FIELDS(node, struct dfs_w_node, DFS_FIELDS_NODE)
 *     const struct dfs_layout dfs_layout_node = DFS_LAYOUT_OF("NODE", node, struct dfs_w_node);
 *
 * Parts stand before whatever holds them. For each list the compiler adds up how many bytes a struct takes at least and whether it may take more, and
 * makes the two functions that write and read it, field after field (codec.h).
 */
#ifndef DFS_CORE_WIRE_LAYOUT_H
#define DFS_CORE_WIRE_LAYOUT_H

#include "core/wire/codec.h"
#include "core/wire/message.h"

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
#define DFS_L_ADDR(S, name_) {.name = #name_, .kind = DFS_FIELD_ADDR, .width = 18, .offset = offsetof(S, name_)},
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

/* Writes the struct `from` to `at`. */
#define DFS_E_NUM(S, name_, type_, width_, min_, max_) at = dfs_encode_number(from->name_, width_, min_, max_, at);
#define DFS_E_ID(S, name_) at = dfs_encode_bytes(from->name_.bytes, DFS_ID_BYTES, at);
#define DFS_E_ADDR(S, name_) at = dfs_encode_addr(&from->name_, at);
#define DFS_E_BYTES(S, name_, count_) at = dfs_encode_bytes(from->name_, count_, at);
#define DFS_E_TEXT(S, name_, max_) \
    at = dfs_encode_text(&from->name_, max_, at, spare); \
    if (at == NULL) \
        return NULL;
#define DFS_E_PART(S, name_, part_) \
    at = encode_of_##part_(&from->name_, at, spare); \
    if (at == NULL) \
        return NULL;
#define DFS_E_LIST(S, name_, part_, max_) \
    at = dfs_encode_list(from->name_, from->name_##_count, max_, sizeof from->name_[0], fixed_of_##part_, \
                         encode_of_##part_, at, spare); \
    if (at == NULL) \
        return NULL;
#define DFS_E_ALL \
    DFS_E_NUM, DFS_E_ID, DFS_E_ADDR, DFS_E_BYTES, DFS_E_BYTES, DFS_E_TEXT, DFS_E_TEXT, DFS_E_PART, DFS_E_LIST

/* Reads the struct `to` from `at`. */
#define DFS_D_NUM(S, name_, type_, width_, min_, max_) \
    to->name_ = (type_)dfs_decode_number(at, width_); \
    if (!dfs_codec_in_range(to->name_, min_, max_)) \
        return dfs_decode_failed(decoder, DFS_BAD_REQUEST); \
    at += (width_);
#define DFS_D_ID(S, name_) \
    memcpy(to->name_.bytes, at, DFS_ID_BYTES); \
    at += DFS_ID_BYTES;
#define DFS_D_ADDR(S, name_) at = dfs_decode_addr(at, &to->name_);
#define DFS_D_BYTES(S, name_, count_) \
    memcpy(to->name_, at, count_); \
    at += (count_);
#define DFS_D_TEXT(S, name_, max_) \
    at = dfs_decode_text(at, max_, decoder, &to->name_); \
    if (at == NULL) \
        return NULL;
#define DFS_D_PART(S, name_, part_) \
    at = decode_of_##part_(at, decoder, &to->name_); \
    if (at == NULL) \
        return NULL;
#define DFS_D_LIST(S, name_, part_, max_) \
    { \
        void *items = NULL; \
\
        at = dfs_decode_list(at, max_, sizeof to->name_[0], fixed_of_##part_, decode_of_##part_, decoder, &items, \
                             &to->name_##_count); \
        if (at == NULL) \
            return NULL; \
        to->name_ = items; \
    }
#define DFS_D_ALL \
    DFS_D_NUM, DFS_D_ID, DFS_D_ADDR, DFS_D_BYTES, DFS_D_BYTES, DFS_D_TEXT, DFS_D_TEXT, DFS_D_PART, DFS_D_LIST

#define DFS_LAYOUT_CODEC(name_, type_, list_) \
    static inline uint8_t *encode_of_##name_(const void *value, uint8_t *at, size_t *spare) \
    { \
        const type_ *from = value; \
\
        (void)from; \
        (void)spare; \
        DFS_EXPAND(list_, type_, DFS_E_ALL) \
        return at; \
    } \
    static inline const uint8_t *decode_of_##name_(const uint8_t *at, struct dfs_decoder *decoder, void *ret_value) \
    { \
        type_ *to = ret_value; \
\
        (void)to; \
        (void)decoder; \
        DFS_EXPAND(list_, type_, DFS_D_ALL) \
        return at; \
    }

#define DFS_LAYOUT_FIELDS(name_, type_, list_) \
    enum { fixed_of_##name_ = 0 DFS_EXPAND(list_, type_, DFS_B_ALL) }; \
    enum { varies_of_##name_ = 0 DFS_EXPAND(list_, type_, DFS_V_ALL) }; \
    static const struct dfs_field fields_##name_[] = {DFS_EXPAND(list_, type_, DFS_L_ALL)}; \
    DFS_LAYOUT_CODEC(name_, type_, list_)

#define DFS_LAYOUT_OF(text_, name_, type_) \
    { \
        .name = (text_), .bytes = sizeof(type_), .fixed = fixed_of_##name_, .varies = varies_of_##name_ > 0, \
        .fields = fields_##name_, .count = sizeof fields_##name_ / sizeof fields_##name_[0], \
        .encode = encode_of_##name_, .decode = decode_of_##name_ \
    }

#endif

/*
 * message.h - structs, names, layouts and the one codec, all made from schema.h.
 *
 * `struct dfs_m_put_open` for PUT_OPEN, `struct dfs_w_grant` for a part. Texts point into the decoded frame, lists into the caller's arena:
 * both live as long as those do.
 */
#ifndef DFS_CORE_WIRE_MESSAGE_H
#define DFS_CORE_WIRE_MESSAGE_H

#include "core/base/arena.h"
#include "core/base/cursor.h"
#include "core/base/status.h"
#include "core/env/env.h"
#include "core/wire/schema.h"

/* A view of UTF-8 bytes, not terminated. */
struct dfs_text {
    const char *at;
    uint32_t count;
};

static inline struct dfs_text dfs_text_of(const char *terminated)
{
    return (struct dfs_text){.at = terminated, .count = (uint32_t)strlen(terminated)};
}

bool dfs_text_equal(struct dfs_text a, struct dfs_text b);

/* Structs --------------------------------------------------------------------------------------------------------- */

#define DFS_S_NUM(S, name, type, width, min, max) type name;
#define DFS_S_ID(S, name) struct dfs_id name;
#define DFS_S_ADDR(S, name) struct dfs_addr name;
#define DFS_S_FIXED(S, name, count) uint8_t name[count];
#define DFS_S_TEXT(S, name, max) struct dfs_text name;
#define DFS_S_PART(S, name, part) struct dfs_w_##part name;
#define DFS_S_LIST(S, name, part, max) \
    struct dfs_w_##part *name; \
    uint32_t name##_count;
#define DFS_S_ALL \
    DFS_S_NUM, DFS_S_ID, DFS_S_ADDR, DFS_S_FIXED, DFS_S_FIXED, DFS_S_TEXT, DFS_S_TEXT, DFS_S_PART, DFS_S_LIST

#define DFS_EXPAND(macro, ...) macro(__VA_ARGS__)

#define X(NAME, name) \
    struct dfs_w_##name { \
        DFS_EXPAND(DFS_FIELDS_##NAME, 0, DFS_S_ALL) \
    };
DFS_PART_MAP(X)
#undef X

#define X(number, NAME, name) \
    struct dfs_m_##name { \
        DFS_EXPAND(DFS_FIELDS_M_##NAME, 0, DFS_S_ALL) \
    };
DFS_MESSAGE_MAP(X)
#undef X

enum dfs_message_number {
#define X(number, NAME, name) DFS_MSG_##NAME = (number),
    DFS_MESSAGE_MAP(X)
#undef X
};

/* Large enough, and aligned, for any message. */
union dfs_any_message {
#define X(number, NAME, name) struct dfs_m_##name name;
    DFS_MESSAGE_MAP(X)
#undef X
};

/* Layouts ----------------------------------------------------------------------------------------------------------- */

enum dfs_field_kind {
    DFS_FIELD_NUM,
    DFS_FIELD_ID,
    DFS_FIELD_ADDR,
    DFS_FIELD_FIXED,
    DFS_FIELD_KEY,
    DFS_FIELD_TEXT,
    DFS_FIELD_SECRET,
    DFS_FIELD_PART,
    DFS_FIELD_LIST
};

struct dfs_layout;

/* For people and generators; core/wire/layout.h makes them. */
struct dfs_field {
    const char *name;
    union {
        uint64_t min;                  /* NUM */
        const struct dfs_layout *part; /* PART, LIST */
    };
    uint64_t max;          /* NUM: value; TEXT: bytes; LIST: entries */
    uint16_t width;        /* NUM: bytes on the wire; FIXED, KEY: bytes */
    uint16_t offset;       /* in the struct */
    uint16_t count_offset; /* LIST: of name_count */
    uint8_t kind;          /* enum dfs_field_kind */
};

/* What the codec does with a field: the kind, the widths that are copied without a loop, and whether every number of that width is in range. */
enum dfs_op_kind {
    DFS_OP_END, /* of the struct */
    DFS_OP_NUM_1,
    DFS_OP_NUM_2,
    DFS_OP_NUM_4,
    DFS_OP_NUM_8,
    DFS_OP_RANGE_1,
    DFS_OP_RANGE_2,
    DFS_OP_RANGE_4,
    DFS_OP_RANGE_8,
    DFS_OP_BYTES_16,
    DFS_OP_BYTES_32,
    DFS_OP_BYTES,
    DFS_OP_ADDR,
    DFS_OP_BLOCK, /* the part, whose three fields stand together in most messages about data: one step */
    DFS_OP_TEXT,
    DFS_OP_LIST
};

/* The same fields as the codec walks them for every message: the fields of parts stand in the places of the parts, and four steps share a cache line. */
struct dfs_op {
    uint16_t kind;   /* enum dfs_op_kind */
    uint16_t offset; /* in the outermost struct */
    union {
        uint16_t min;          /* NUM */
        uint16_t width;        /* FIXED, KEY: bytes */
        uint16_t count_offset; /* LIST: of name_count */
    };
    uint16_t max; /* TEXT: bytes; LIST: entries */
    union {
        uint64_t span;                 /* NUM: the largest value less the smallest */
        const struct dfs_layout *part; /* LIST */
    };
};
_Static_assert(sizeof(struct dfs_op) == 2 * sizeof(uint64_t), "a quarter of a cache line");

struct dfs_layout {
    const struct dfs_op *ops;
    size_t bytes; /* of the struct */
    size_t fixed; /* on the wire, at least: without the characters of texts and the items of lists */
    bool varies;  /* there may be more */
    const char *name;
    const struct dfs_field *fields;
    size_t count;
};

/* NULL for a number that is no message. */
const struct dfs_layout *dfs_message_layout(uint32_t number);
const char *dfs_message_name(uint32_t number); /* "PUT_OPEN"; "?" */
bool dfs_message_find(const char *name, uint32_t *ret_number);

/* Layouts of the parts: dfs_layout_grant, ... */
#define X(NAME, name) extern const struct dfs_layout dfs_layout_##name;
DFS_PART_MAP(X)
#undef X

/* Codec ------------------------------------------------------------------------------------------------------------- */

/* Writes `value` (a struct of `layout`). Values out of range are our own mistake: asserted. Too little room sets w->bad. */
void dfs_encode(const struct dfs_layout *layout, const void *value, struct dfs_wr *w);

/* What dfs_encode would write. */
size_t dfs_encoded_bytes(const struct dfs_layout *layout, const void *value);

/*
 * Reads a struct of `layout` from exactly the bytes of `r`, lists into `arena`.
 *
 * OK           every field in range, nothing left over.
 * BAD_REQUEST  short, long, out of range, text with a NUL or broken UTF-8; *value is not to be used. The caller drops the peer.
 * TOO_LARGE    the arena's limit. The caller drops the peer.
 */
enum dfs_status dfs_decode(const struct dfs_layout *layout, struct dfs_rd *r, struct dfs_arena *arena,
                           void *ret_value) DFS_MUST_CHECK;

/* One line for people: PUT_OPEN{path="a/one" size_bytes=1000000}. Cut at `room`; always terminated; secrets are "***". Returns the length. */
size_t dfs_print(const struct dfs_layout *layout, const void *value, char *text, size_t room);

#endif

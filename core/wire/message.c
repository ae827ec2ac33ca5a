/*
 * The codec is one loop over field descriptors in each direction: what is proved for one message is proved for all.
 */
#include "core/wire/message.h"

#include "core/base/assert.h"
#include "core/wire/layout.h"

#include <stdio.h>

/* Layouts --------------------------------------------------------------------------------------------------------- */

/* Parts first, since messages point to them. */
#define X(NAME, name_) \
    DFS_LAYOUT_FIELDS(name_, struct dfs_w_##name_, DFS_FIELDS_##NAME) \
    const struct dfs_layout dfs_layout_##name_ = DFS_LAYOUT_OF(#NAME, name_, struct dfs_w_##name_);
DFS_PART_MAP(X)
#undef X

/* What the step of a block takes for granted; the ranges are those of its fields. */
enum { BLOCK_INDEX = 1, BLOCK_GENERATION = 2, BLOCK_INDEX_AT = 16, BLOCK_GENERATION_AT = 20 };
_Static_assert(fixed_of_block == 24 && sizeof ops_block / sizeof ops_block[0] == 4 &&
                   offsetof(struct dfs_w_block, file) == 0 && offsetof(struct dfs_w_block, index) == BLOCK_INDEX_AT &&
                   offsetof(struct dfs_w_block, generation) == BLOCK_GENERATION_AT,
               "a block is an id and two numbers of four bytes");

#define X(number, NAME, name_) \
    DFS_LAYOUT_FIELDS(m_##name_, struct dfs_m_##name_, DFS_FIELDS_M_##NAME) \
    static const struct dfs_layout layout_m_##name_ = DFS_LAYOUT_OF(#NAME, m_##name_, struct dfs_m_##name_);
DFS_MESSAGE_MAP(X)
#undef X

static const struct dfs_layout *const message_layouts[DFS_MSG_NUMBER_MAX + 1] = {
#define X(number, NAME, name) [number] = &layout_m_##name,
    DFS_MESSAGE_MAP(X)
#undef X
};

const struct dfs_layout *dfs_message_layout(uint32_t number)
{
    return number <= DFS_MSG_NUMBER_MAX ? message_layouts[number] : NULL;
}

const char *dfs_message_name(uint32_t number)
{
    const struct dfs_layout *layout = dfs_message_layout(number);

    return layout == NULL ? "?" : layout->name;
}

bool dfs_message_find(const char *name, uint32_t *ret_number)
{
    for (uint32_t i = 0; i <= DFS_MSG_NUMBER_MAX; i++) {
        if (message_layouts[i] != NULL && strcmp(message_layouts[i]->name, name) == 0) {
            *ret_number = i;
            return true;
        }
    }
    return false;
}

static const char *const node_states[DFS_NODE_STATE_COUNT] = {
#define X(name) #name,
    DFS_NODE_STATE_MAP(X)
#undef X
};

const char *dfs_node_state_name(enum dfs_node_state state)
{
    return (unsigned)state < DFS_NODE_STATE_COUNT ? node_states[state] : "?";
}

bool dfs_text_equal(struct dfs_text a, struct dfs_text b)
{
    return a.count == b.count && (a.count == 0 || memcmp(a.at, b.at, a.count) == 0);
}

/* Numbers ----------------------------------------------------------------------------------------------------------- */

static inline uint16_t load16(const void *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t load32(const void *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t load64(const void *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static inline void store16(void *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void store32(void *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void store64(void *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

/* A number in a struct. */
static uint64_t number_get(const void *at, uint32_t width)
{
    return width == 1 ? *(const uint8_t *)at : width == 2 ? load16(at) : width == 4 ? load32(at) : load64(at);
}

static inline bool is_in_range(const struct dfs_op *op, uint64_t number)
{
    return number - op->min <= op->span;
}

static inline bool is_block_sound(uint32_t index, uint32_t generation)
{
    return is_in_range(&ops_block[BLOCK_INDEX], index) && is_in_range(&ops_block[BLOCK_GENERATION], generation);
}

/*
 * Room, in both directions: what a struct takes at least (layout->fixed) is tested once, when it begins; `spare` is what is left beyond that. Fixed
 * fields need no further test, and the rest (characters of a text, items of a list) is taken out of `spare`.
 */

/* Encode ------------------------------------------------------------------------------------------------------------ */

static uint8_t *encode_structs(const struct dfs_layout *layout, const uint8_t *base, uint32_t count, uint8_t *at,
                               size_t *spare);

static uint8_t *encode_text(const struct dfs_op *op, const struct dfs_text *text, uint8_t *at, size_t *spare)
{
    DFS_ASSERT(text->count <= op->max);
    if (text->count > *spare)
        return NULL;
    *spare -= text->count;
    dfs_store_be16(at, (uint16_t)text->count);
    at += 2;
    if (text->count > 0)
        memcpy(at, text->at, text->count);
    return at + text->count;
}

static uint8_t *encode_list(const struct dfs_op *op, const uint8_t *base, uint8_t *at, size_t *spare)
{
    const uint32_t count = load32(base + op->count_offset);
    const uint8_t *items;

    memcpy(&items, base + op->offset, sizeof items);
    DFS_ASSERT(count <= op->max);
    if ((size_t)count * op->part->fixed > *spare)
        return NULL;
    *spare -= (size_t)count * op->part->fixed;
    dfs_store_be16(at, (uint16_t)count);
    return count == 0 ? at + 2 : encode_structs(op->part, items, count, at + 2, spare);
}

/* `count` structs, one after the other, at least one. Where they end on the wire; NULL when they do not fit. */
static uint8_t *encode_structs(const struct dfs_layout *layout, const uint8_t *base, uint32_t count, uint8_t *at,
                               size_t *spare)
{
    for (const struct dfs_op *op = layout->ops;; op++) {
        const uint8_t *from = base + op->offset;

        switch ((enum dfs_op_kind)op->kind) {
        case DFS_OP_RANGE_1:
            DFS_ASSERT(is_in_range(op, *from)); /* fall through */
        case DFS_OP_NUM_1:
            *at++ = *from;
            break;
        case DFS_OP_RANGE_2:
            DFS_ASSERT(is_in_range(op, load16(from))); /* fall through */
        case DFS_OP_NUM_2:
            dfs_store_be16(at, load16(from));
            at += 2;
            break;
        case DFS_OP_RANGE_4:
            DFS_ASSERT(is_in_range(op, load32(from))); /* fall through */
        case DFS_OP_NUM_4:
            dfs_store_be32(at, load32(from));
            at += 4;
            break;
        case DFS_OP_RANGE_8:
            DFS_ASSERT(is_in_range(op, load64(from))); /* fall through */
        case DFS_OP_NUM_8:
            dfs_store_be64(at, load64(from));
            at += 8;
            break;
        case DFS_OP_BYTES_16:
            memcpy(at, from, 16);
            at += 16;
            break;
        case DFS_OP_BYTES_32:
            memcpy(at, from, 32);
            at += 32;
            break;
        case DFS_OP_BYTES:
            memcpy(at, from, op->width);
            at += op->width;
            break;
        case DFS_OP_ADDR: {
            const struct dfs_addr *addr = (const void *)from;

            memcpy(at, addr->ip, sizeof addr->ip);
            dfs_store_be16(at + sizeof addr->ip, addr->port);
            at += sizeof addr->ip + 2;
            break;
        }
        case DFS_OP_BLOCK: {
            const struct dfs_w_block *block = (const void *)from;

            DFS_ASSERT(is_block_sound(block->index, block->generation));
            memcpy(at, &block->file, sizeof block->file);
            dfs_store_be32(at + BLOCK_INDEX_AT, block->index);
            dfs_store_be32(at + BLOCK_GENERATION_AT, block->generation);
            at += fixed_of_block;
            break;
        }
        case DFS_OP_TEXT:
            at = encode_text(op, (const void *)from, at, spare);
            if (at == NULL)
                return NULL;
            break;
        case DFS_OP_LIST:
            at = encode_list(op, base, at, spare);
            if (at == NULL)
                return NULL;
            break;
        case DFS_OP_END:
            if (--count == 0)
                return at;
            base += layout->bytes;
            op = layout->ops - 1;
            break;
        default:
            __builtin_unreachable(); /* the compiler made the steps: no test of each */
        }
    }
}

void dfs_encode(const struct dfs_layout *layout, const void *value, struct dfs_wr *w)
{
    const size_t room = (size_t)(w->end - w->at);
    size_t spare = room - layout->fixed; /* if it fits */
    uint8_t *at = w->bad || room < layout->fixed ? NULL : encode_structs(layout, value, 1, w->at, &spare);

    if (at == NULL)
        w->bad = true;
    else
        w->at = at;
}

/* What it takes beyond layout->fixed. */
static size_t varying_bytes(const struct dfs_layout *layout, const uint8_t *base)
{
    size_t bytes = 0;

    if (!layout->varies)
        return 0;
    for (const struct dfs_op *op = layout->ops; op->kind != DFS_OP_END; op++) {
        const uint8_t *at = base + op->offset;

        if (op->kind == DFS_OP_TEXT) {
            bytes += ((const struct dfs_text *)(const void *)at)->count;
        } else if (op->kind == DFS_OP_LIST) {
            const uint32_t count = load32(base + op->count_offset);
            const uint8_t *items;

            memcpy(&items, at, sizeof items);
            bytes += (size_t)count * op->part->fixed;
            for (uint32_t k = 0; k < count && op->part->varies; k++)
                bytes += varying_bytes(op->part, items + (size_t)k * op->part->bytes);
        }
    }
    return bytes;
}

size_t dfs_encoded_bytes(const struct dfs_layout *layout, const void *value)
{
    return layout->fixed + varying_bytes(layout, value);
}

/* Decode ------------------------------------------------------------------------------------------------------------ */

/* Length of the UTF-8 sequence that begins with `lead`, 0 for a byte that begins none; RFC 3629, section 4. */
static size_t utf8_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

/* Eight characters of ASCII, none of them NUL? */
static bool is_plain(const uint8_t *at)
{
    const uint64_t tops = 0x8080808080808080u;
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t eight = load64(at);

    return (eight & tops) == 0 && ((eight - ones) & tops) == 0;
}

static bool utf8_is_sound(const uint8_t *at, size_t count)
{
    for (size_t i = 0; i < count;) {
        if (count - i >= 8 && is_plain(at + i)) {
            i += 8;
            continue;
        }
        const size_t length = utf8_length(at[i]);

        if (length == 0 || length > count - i || at[i] == 0)
            return false;
        for (size_t k = 1; k < length; k++) {
            if ((at[i + k] & 0xC0) != 0x80)
                return false;
        }
        /* overlong forms, surrogates, beyond U+10FFFF */
        if ((at[i] == 0xE0 && at[i + 1] < 0xA0) || (at[i] == 0xED && at[i + 1] > 0x9F) ||
            (at[i] == 0xF0 && at[i + 1] < 0x90) || (at[i] == 0xF4 && at[i + 1] > 0x8F))
            return false;
        i += length;
    }
    return true;
}

struct decoder {
    struct dfs_arena *arena;
    size_t spare;
    enum dfs_status status; /* of a failure */
};

static const uint8_t *decode_structs(const struct dfs_layout *layout, const uint8_t *at, struct decoder *decoder,
                                     uint8_t *base, uint32_t count);

static const uint8_t *failed(struct decoder *decoder, enum dfs_status status)
{
    decoder->status = status;
    return NULL;
}

static const uint8_t *decode_text(const struct dfs_op *op, const uint8_t *at, struct decoder *decoder, uint8_t *to)
{
    const struct dfs_text text = {.at = (const char *)at + 2, .count = dfs_load_be16(at)};

    if (text.count > op->max || text.count > decoder->spare || !utf8_is_sound(at + 2, text.count))
        return failed(decoder, DFS_BAD_REQUEST);
    decoder->spare -= text.count;
    memcpy(to, &text, sizeof text);
    return at + 2 + text.count;
}

static const uint8_t *decode_list(const struct dfs_op *op, const uint8_t *at, struct decoder *decoder, uint8_t *base)
{
    const struct dfs_layout *part = op->part;
    const uint32_t count = dfs_load_be16(at);
    uint8_t *items = NULL;

    /* A count beyond the bytes left is refused before memory is taken for it. */
    if (count > op->max || count * part->fixed > decoder->spare)
        return failed(decoder, DFS_BAD_REQUEST);
    decoder->spare -= count * part->fixed;
    at += 2;
    if (count > 0) {
        items = dfs_arena_take_raw(decoder->arena, count, part->bytes);
        if (items == NULL)
            return failed(decoder, DFS_TOO_LARGE);
        at = decode_structs(part, at, decoder, items, count);
    }
    memcpy(base + op->offset, &items, sizeof items);
    store32(base + op->count_offset, count);
    return at;
}

/* `count` structs, one after the other, at least one. Where they end on the wire; NULL when they are none. */
static const uint8_t *decode_structs(const struct dfs_layout *layout, const uint8_t *at, struct decoder *decoder,
                                     uint8_t *base, uint32_t count)
{
    for (const struct dfs_op *op = layout->ops;; op++) {
        uint8_t *to = base + op->offset;

        switch ((enum dfs_op_kind)op->kind) {
        case DFS_OP_RANGE_1:
            if (!is_in_range(op, *at))
                return failed(decoder, DFS_BAD_REQUEST); /* fall through */
        case DFS_OP_NUM_1:
            *to = *at++;
            break;
        case DFS_OP_RANGE_2:
            if (!is_in_range(op, dfs_load_be16(at)))
                return failed(decoder, DFS_BAD_REQUEST); /* fall through */
        case DFS_OP_NUM_2:
            store16(to, dfs_load_be16(at));
            at += 2;
            break;
        case DFS_OP_RANGE_4:
            if (!is_in_range(op, dfs_load_be32(at)))
                return failed(decoder, DFS_BAD_REQUEST); /* fall through */
        case DFS_OP_NUM_4:
            store32(to, dfs_load_be32(at));
            at += 4;
            break;
        case DFS_OP_RANGE_8:
            if (!is_in_range(op, dfs_load_be64(at)))
                return failed(decoder, DFS_BAD_REQUEST); /* fall through */
        case DFS_OP_NUM_8:
            store64(to, dfs_load_be64(at));
            at += 8;
            break;
        case DFS_OP_BYTES_16:
            memcpy(to, at, 16);
            at += 16;
            break;
        case DFS_OP_BYTES_32:
            memcpy(to, at, 32);
            at += 32;
            break;
        case DFS_OP_BYTES:
            memcpy(to, at, op->width);
            at += op->width;
            break;
        case DFS_OP_ADDR: {
            struct dfs_addr *addr = (void *)to;

            memcpy(addr->ip, at, sizeof addr->ip);
            addr->port = dfs_load_be16(at + sizeof addr->ip);
            at += sizeof addr->ip + 2;
            break;
        }
        case DFS_OP_BLOCK: {
            struct dfs_w_block *block = (void *)to;
            const uint32_t index = dfs_load_be32(at + BLOCK_INDEX_AT);
            const uint32_t generation = dfs_load_be32(at + BLOCK_GENERATION_AT);

            if (!is_block_sound(index, generation))
                return failed(decoder, DFS_BAD_REQUEST);
            memcpy(&block->file, at, sizeof block->file);
            block->index = index;
            block->generation = generation;
            at += fixed_of_block;
            break;
        }
        case DFS_OP_TEXT:
            at = decode_text(op, at, decoder, to);
            if (at == NULL)
                return NULL;
            break;
        case DFS_OP_LIST:
            at = decode_list(op, at, decoder, base);
            if (at == NULL)
                return NULL;
            break;
        case DFS_OP_END:
            if (--count == 0)
                return at;
            base += layout->bytes;
            op = layout->ops - 1;
            break;
        default:
            __builtin_unreachable(); /* the compiler made the steps: no test of each */
        }
    }
}

enum dfs_status dfs_decode(const struct dfs_layout *layout, struct dfs_rd *r, struct dfs_arena *arena, void *ret_value)
{
    struct decoder decoder = {.arena = arena, .status = DFS_OK};

    if (r->bad || dfs_rd_left(r) < layout->fixed)
        return DFS_BAD_REQUEST;
    decoder.spare = dfs_rd_left(r) - layout->fixed;
    if (decode_structs(layout, r->at, &decoder, ret_value, 1) == NULL)
        return decoder.status;
    if (decoder.spare > 0)
        return DFS_BAD_REQUEST;
    r->at = r->end;
    return DFS_OK;
}

/* Print ------------------------------------------------------------------------------------------------------------- */

struct printer {
    char *text;
    size_t room;
    size_t count;
};

static void print_bytes(struct printer *p, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count && p->count + 1 < p->room; i++)
        p->text[p->count++] = bytes[i];
}

static void print_text(struct printer *p, const char *text)
{
    print_bytes(p, text, strlen(text));
}

static void print_hex(struct printer *p, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        const char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};

        print_bytes(p, pair, sizeof pair);
    }
}

/* What would end the line or the quotes is escaped: a key in PEM has line ends, and a peer may send anything. */
static void print_quoted(struct printer *p, const struct dfs_text *text)
{
    print_text(p, "\"");
    for (uint32_t i = 0; i < text->count && p->count + 1 < p->room; i++) {
        const uint8_t byte = (uint8_t)text->at[i];

        if (byte == '\n') {
            print_text(p, "\\n");
        } else if (byte < 0x20 || byte == 0x7F) {
            print_text(p, "\\x");
            print_hex(p, &byte, 1);
        } else {
            if (byte == '"' || byte == '\\')
                print_text(p, "\\");
            print_bytes(p, &text->at[i], 1);
        }
    }
    print_text(p, "\"");
}

static void print_addr(struct printer *p, const struct dfs_addr *addr)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    char text[64];

    if (memcmp(addr->ip, mapped, sizeof mapped) == 0) {
        (void)snprintf(text, sizeof text, "%u.%u.%u.%u:%u", addr->ip[12], addr->ip[13], addr->ip[14], addr->ip[15],
                       addr->port);
        print_text(p, text);
        return;
    }
    print_text(p, "[");
    for (size_t i = 0; i < 16; i += 2) {
        (void)snprintf(text, sizeof text, "%s%x", i == 0 ? "" : ":", (unsigned)(addr->ip[i] << 8 | addr->ip[i + 1]));
        print_text(p, text);
    }
    (void)snprintf(text, sizeof text, "]:%u", addr->port);
    print_text(p, text);
}

static void print_fields(struct printer *p, const struct dfs_layout *layout, const uint8_t *base);

static void print_field(struct printer *p, const struct dfs_field *field, const uint8_t *base)
{
    const uint8_t *at = base + field->offset;
    char number[24];

    print_text(p, field->name);
    print_text(p, "=");
    switch ((enum dfs_field_kind)field->kind) {
    case DFS_FIELD_NUM:
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)number_get(at, field->width));
        print_text(p, number);
        break;
    case DFS_FIELD_ID: {
        char text[DFS_ID_TEXT_BYTES];

        dfs_id_print((const void *)at, text);
        print_text(p, text);
        break;
    }
    case DFS_FIELD_FIXED:
        print_hex(p, at, field->width);
        break;
    case DFS_FIELD_ADDR:
        print_addr(p, (const void *)at);
        break;
    case DFS_FIELD_KEY:
    case DFS_FIELD_SECRET:
        print_text(p, "***");
        break;
    case DFS_FIELD_TEXT: {
        const struct dfs_text *text = (const void *)at;

        print_quoted(p, text);
        break;
    }
    case DFS_FIELD_PART:
        print_fields(p, field->part, at);
        break;
    case DFS_FIELD_LIST: {
        const uint8_t *items;
        uint32_t count;

        memcpy(&items, at, sizeof items);
        memcpy(&count, base + field->count_offset, sizeof count);
        print_text(p, "[");
        for (uint32_t i = 0; i < count && p->count + 1 < p->room; i++) {
            if (i > 0)
                print_text(p, " ");
            print_fields(p, field->part, items + (size_t)i * field->part->bytes);
        }
        print_text(p, "]");
        break;
    }
    }
}

static void print_fields(struct printer *p, const struct dfs_layout *layout, const uint8_t *base)
{
    print_text(p, "{");
    for (size_t i = 0; i < layout->count; i++) {
        if (i > 0)
            print_text(p, " ");
        print_field(p, &layout->fields[i], base);
    }
    print_text(p, "}");
}

size_t dfs_print(const struct dfs_layout *layout, const void *value, char *text, size_t room)
{
    struct printer p = {.text = text, .room = room, .count = 0};

    DFS_ASSERT(room > 0);
    print_text(&p, layout->name);
    print_fields(&p, layout, value);
    text[p.count] = '\0';
    return p.count;
}

/*
 * The codec is one loop over field descriptors in each direction: what is proved for one message is proved for all.
 */
#include "core/wire/message.h"

#include "core/base/assert.h"

#include <stdio.h>

/* Layouts --------------------------------------------------------------------------------------------------------- */

#define DFS_L_NUM(S, name_, type_, width_, min_, max_) \
    {.name = #name_, \
     .kind = DFS_FIELD_NUM, \
     .width = (width_), \
     .offset = offsetof(S, name_), \
     .min = (min_), \
     .max = (max_)},
#define DFS_L_ID(S, name_) {.name = #name_, .kind = DFS_FIELD_ID, .width = 16, .offset = offsetof(S, name_)},
#define DFS_L_ADDR(S, name_) {.name = #name_, .kind = DFS_FIELD_ADDR, .width = 18, .offset = offsetof(S, name_)},
#define DFS_L_FIXED(S, name_, count_) \
    {.name = #name_, .kind = DFS_FIELD_FIXED, .width = (count_), .offset = offsetof(S, name_)},
#define DFS_L_KEY(S, name_, count_) \
    {.name = #name_, .kind = DFS_FIELD_KEY, .width = (count_), .offset = offsetof(S, name_)},
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

/* A static array of fields and its layout for each struct; parts first, since messages point to them. */
#define X(NAME, name_) \
    static const struct dfs_field fields_##name_[] = {DFS_EXPAND(DFS_FIELDS_##NAME, struct dfs_w_##name_, DFS_L_ALL)}; \
    const struct dfs_layout dfs_layout_##name_ = {.name = #NAME, \
                                                  .bytes = sizeof(struct dfs_w_##name_), \
                                                  .fields = fields_##name_, \
                                                  .count = sizeof fields_##name_ / sizeof fields_##name_[0]};
DFS_PART_MAP(X)
#undef X

#define X(number, NAME, name_) \
    static const struct dfs_field fields_m_##name_[] = { \
        DFS_EXPAND(DFS_FIELDS_M_##NAME, struct dfs_m_##name_, DFS_L_ALL)}; \
    static const struct dfs_layout layout_m_##name_ = {.name = #NAME, \
                                                       .bytes = sizeof(struct dfs_m_##name_), \
                                                       .fields = fields_m_##name_, \
                                                       .count = sizeof fields_m_##name_ / sizeof fields_m_##name_[0]};
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

/* Numbers in structs ------------------------------------------------------------------------------------------------ */

static uint64_t number_get(const void *at, uint32_t width)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (width) {
    case 1:
        return *(const uint8_t *)at;
    case 2:
        memcpy(&two, at, sizeof two);
        return two;
    case 4:
        memcpy(&four, at, sizeof four);
        return four;
    default:
        memcpy(&eight, at, sizeof eight);
        return eight;
    }
}

static void number_set(void *at, uint32_t width, uint64_t value)
{
    const uint8_t one = (uint8_t)value;
    const uint16_t two = (uint16_t)value;
    const uint32_t four = (uint32_t)value;

    switch (width) {
    case 1:
        memcpy(at, &one, sizeof one);
        return;
    case 2:
        memcpy(at, &two, sizeof two);
        return;
    case 4:
        memcpy(at, &four, sizeof four);
        return;
    default:
        memcpy(at, &value, sizeof value);
        return;
    }
}

/* Encode ------------------------------------------------------------------------------------------------------------ */

static void encode_text(const struct dfs_field *field, const struct dfs_text *text, struct dfs_wr *w)
{
    DFS_ASSERT(text->count <= field->max);
    dfs_wr_be(w, text->count, 2);
    dfs_wr_bytes(w, text->at, text->count);
}

static void encode_list(const struct dfs_field *field, const uint8_t *base, struct dfs_wr *w)
{
    const uint8_t *items;
    uint32_t count;

    memcpy(&items, base + field->offset, sizeof items);
    memcpy(&count, base + field->count_offset, sizeof count);
    DFS_ASSERT(count <= field->max);
    dfs_wr_be(w, count, 2);
    for (uint32_t i = 0; i < count; i++)
        dfs_encode(field->part, items + (size_t)i * field->part->bytes, w);
}

void dfs_encode(const struct dfs_layout *layout, const void *value, struct dfs_wr *w)
{
    const uint8_t *base = value;

    for (size_t i = 0; i < layout->count; i++) {
        const struct dfs_field *field = &layout->fields[i];
        const uint8_t *at = base + field->offset;

        switch (field->kind) {
        case DFS_FIELD_NUM: {
            const uint64_t number = number_get(at, field->width);

            DFS_ASSERT(number >= field->min && number <= field->max);
            dfs_wr_be(w, number, field->width);
            break;
        }
        case DFS_FIELD_ID:
        case DFS_FIELD_FIXED:
        case DFS_FIELD_KEY:
            dfs_wr_bytes(w, at, field->width);
            break;
        case DFS_FIELD_ADDR: {
            const struct dfs_addr *addr = (const void *)at;

            dfs_wr_bytes(w, addr->ip, sizeof addr->ip);
            dfs_wr_be(w, addr->port, 2);
            break;
        }
        case DFS_FIELD_TEXT:
        case DFS_FIELD_SECRET:
            encode_text(field, (const void *)at, w);
            break;
        case DFS_FIELD_PART:
            dfs_encode(field->part, at, w);
            break;
        case DFS_FIELD_LIST:
            encode_list(field, base, w);
            break;
        }
    }
}

size_t dfs_encoded_bytes(const struct dfs_layout *layout, const void *value)
{
    const uint8_t *base = value;
    size_t bytes = 0;

    for (size_t i = 0; i < layout->count; i++) {
        const struct dfs_field *field = &layout->fields[i];
        const uint8_t *at = base + field->offset;

        switch (field->kind) {
        case DFS_FIELD_NUM:
        case DFS_FIELD_ID:
        case DFS_FIELD_FIXED:
        case DFS_FIELD_KEY:
        case DFS_FIELD_ADDR:
            bytes += field->width;
            break;
        case DFS_FIELD_TEXT:
        case DFS_FIELD_SECRET:
            bytes += 2 + ((const struct dfs_text *)(const void *)at)->count;
            break;
        case DFS_FIELD_PART:
            bytes += dfs_encoded_bytes(field->part, at);
            break;
        case DFS_FIELD_LIST: {
            const uint8_t *items;
            uint32_t count;

            memcpy(&items, at, sizeof items);
            memcpy(&count, base + field->count_offset, sizeof count);
            bytes += 2;
            for (uint32_t k = 0; k < count; k++)
                bytes += dfs_encoded_bytes(field->part, items + (size_t)k * field->part->bytes);
            break;
        }
        }
    }
    return bytes;
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

static bool utf8_is_sound(const uint8_t *at, size_t count)
{
    for (size_t i = 0; i < count;) {
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

static enum dfs_status decode_fields(const struct dfs_layout *layout, struct dfs_rd *r, struct dfs_arena *arena,
                                     uint8_t *base);

static enum dfs_status decode_text(const struct dfs_field *field, struct dfs_rd *r, uint8_t *at)
{
    const uint32_t count = (uint32_t)dfs_rd_be(r, 2);
    struct dfs_text text = {.at = NULL, .count = count};

    if (r->bad || count > field->max)
        return DFS_BAD_REQUEST;
    const uint8_t *bytes = dfs_rd_bytes(r, count);
    if (bytes == NULL || !utf8_is_sound(bytes, count))
        return DFS_BAD_REQUEST;
    text.at = (const char *)bytes;
    memcpy(at, &text, sizeof text);
    return DFS_OK;
}

static enum dfs_status decode_list(const struct dfs_field *field, struct dfs_rd *r, struct dfs_arena *arena,
                                   uint8_t *base)
{
    const uint32_t count = (uint32_t)dfs_rd_be(r, 2);
    uint8_t *items = NULL;

    /* Every part takes at least a byte: a count beyond the bytes left is refused before memory is taken for it. */
    if (r->bad || count > field->max || count > dfs_rd_left(r))
        return DFS_BAD_REQUEST;
    if (count > 0) {
        items = dfs_arena_take(arena, count, field->part->bytes);
        if (items == NULL)
            return DFS_TOO_LARGE;
    }
    for (uint32_t i = 0; i < count; i++) {
        const enum dfs_status status = decode_fields(field->part, r, arena, items + (size_t)i * field->part->bytes);

        if (status != DFS_OK)
            return status;
    }
    memcpy(base + field->offset, &items, sizeof items);
    memcpy(base + field->count_offset, &count, sizeof count);
    return DFS_OK;
}

static enum dfs_status decode_field(const struct dfs_field *field, struct dfs_rd *r, struct dfs_arena *arena,
                                    uint8_t *base)
{
    uint8_t *at = base + field->offset;
    const uint8_t *bytes;
    uint64_t number;

    switch (field->kind) {
    case DFS_FIELD_NUM:
        number = dfs_rd_be(r, field->width);
        if (r->bad || number < field->min || number > field->max)
            return DFS_BAD_REQUEST;
        number_set(at, field->width, number);
        return DFS_OK;
    case DFS_FIELD_ID:
    case DFS_FIELD_FIXED:
    case DFS_FIELD_KEY:
        bytes = dfs_rd_bytes(r, field->width);
        if (bytes == NULL)
            return DFS_BAD_REQUEST;
        memcpy(at, bytes, field->width);
        return DFS_OK;
    case DFS_FIELD_ADDR: {
        struct dfs_addr *addr = (void *)at;

        bytes = dfs_rd_bytes(r, sizeof addr->ip);
        number = dfs_rd_be(r, 2);
        if (bytes == NULL || r->bad)
            return DFS_BAD_REQUEST;
        memcpy(addr->ip, bytes, sizeof addr->ip);
        addr->port = (uint16_t)number;
        return DFS_OK;
    }
    case DFS_FIELD_TEXT:
    case DFS_FIELD_SECRET:
        return decode_text(field, r, at);
    case DFS_FIELD_PART:
        return decode_fields(field->part, r, arena, at);
    case DFS_FIELD_LIST:
        return decode_list(field, r, arena, base);
    }
    dfs_unreachable("decode_field");
}

static enum dfs_status decode_fields(const struct dfs_layout *layout, struct dfs_rd *r, struct dfs_arena *arena,
                                     uint8_t *base)
{
    for (size_t i = 0; i < layout->count; i++) {
        const enum dfs_status status = decode_field(&layout->fields[i], r, arena, base);

        if (status != DFS_OK)
            return status;
    }
    return DFS_OK;
}

enum dfs_status dfs_decode(const struct dfs_layout *layout, struct dfs_rd *r, struct dfs_arena *arena, void *ret_value)
{
    memset(ret_value, 0, layout->bytes);
    const enum dfs_status status = decode_fields(layout, r, arena, ret_value);

    if (status != DFS_OK)
        return status;
    return dfs_rd_done(r) ? DFS_OK : DFS_BAD_REQUEST;
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
    switch (field->kind) {
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

        print_text(p, "\"");
        print_bytes(p, text->at, text->count);
        print_text(p, "\"");
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

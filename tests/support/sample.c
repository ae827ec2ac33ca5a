#include "tests/support/sample.h"

#include "core/base/assert.h"

#include <string.h>

static uint64_t mix(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void fill_number(const struct dfs_field *field, uint8_t *at, uint64_t draw)
{
    const uint64_t span = field->max - field->min;
    const uint64_t value = field->min + (span == UINT64_MAX ? draw : draw % (span + 1));
    const uint8_t one = (uint8_t)value;
    const uint16_t two = (uint16_t)value;
    const uint32_t four = (uint32_t)value;

    switch (field->width) {
    case 1:
        memcpy(at, &one, 1);
        break;
    case 2:
        memcpy(at, &two, 2);
        break;
    case 4:
        memcpy(at, &four, 4);
        break;
    default:
        memcpy(at, &value, 8);
        break;
    }
}

static void fill(const struct dfs_layout *layout, uint8_t *base, struct dfs_arena *arena, uint64_t *state)
{
    static const char words[] = "caf\xC3\xA9/one";

    for (size_t i = 0; i < layout->count; i++) {
        const struct dfs_field *field = &layout->fields[i];
        uint8_t *at = base + field->offset;

        switch (field->kind) {
        case DFS_FIELD_NUM:
            fill_number(field, at, mix(state));
            break;
        case DFS_FIELD_ID:
        case DFS_FIELD_FIXED:
        case DFS_FIELD_KEY:
            for (uint32_t k = 0; k < field->width; k++)
                at[k] = (uint8_t)mix(state);
            break;
        case DFS_FIELD_ADDR: {
            struct dfs_addr *addr = (void *)at;

            for (size_t k = 0; k < sizeof addr->ip; k++)
                addr->ip[k] = (uint8_t)mix(state);
            addr->port = (uint16_t)mix(state);
            break;
        }
        case DFS_FIELD_TEXT:
        case DFS_FIELD_SECRET: {
            const struct dfs_text text = {.at = words, .count = sizeof words - 1};

            memcpy(at, &text, sizeof text);
            break;
        }
        case DFS_FIELD_PART:
            fill(field->part, at, arena, state);
            break;
        case DFS_FIELD_LIST: {
            const uint32_t count = field->max < 2 ? (uint32_t)field->max : 2;
            uint8_t *items = dfs_arena_take(arena, count, field->part->bytes);

            DFS_ASSERT(items != NULL);
            for (uint32_t k = 0; k < count; k++)
                fill(field->part, items + k * field->part->bytes, arena, state);
            memcpy(at, &items, sizeof items);
            memcpy(base + field->count_offset, &count, sizeof count);
            break;
        }
        }
    }
}

void sample_fill(const struct dfs_layout *layout, void *value, struct dfs_arena *arena, uint64_t seed)
{
    uint64_t state = seed;

    memset(value, 0, layout->bytes);
    fill(layout, value, arena, &state);
}

struct placer {
    struct sample_place *places;
    size_t count;
    size_t max;
    size_t at;
};

static void place(struct placer *p, const struct dfs_layout *layout, const uint8_t *base)
{
    for (size_t i = 0; i < layout->count; i++) {
        const struct dfs_field *field = &layout->fields[i];

        if (field->kind == DFS_FIELD_PART) {
            place(p, field->part, base + field->offset);
            continue;
        }
        DFS_ASSERT(p->count < p->max);
        struct sample_place *mine = &p->places[p->count++];

        mine->field = field;
        mine->begin = p->at;
        if (field->kind == DFS_FIELD_LIST) {
            const uint8_t *items;
            uint32_t count;

            memcpy(&items, base + field->offset, sizeof items);
            memcpy(&count, base + field->count_offset, sizeof count);
            p->at += 2;
            for (uint32_t k = 0; k < count; k++)
                place(p, field->part, items + k * field->part->bytes);
        } else if (field->kind == DFS_FIELD_TEXT || field->kind == DFS_FIELD_SECRET) {
            struct dfs_text text;

            memcpy(&text, base + field->offset, sizeof text);
            p->at += 2 + text.count;
        } else {
            p->at += field->width;
        }
        mine->end = p->at;
    }
}

size_t sample_places(const struct dfs_layout *layout, const void *value, struct sample_place *places, size_t places_max)
{
    struct placer p = {.places = places, .max = places_max};

    place(&p, layout, value);
    return p.count;
}

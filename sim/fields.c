#include "sim/fields.h"

#include <inttypes.h>
#include <string.h>

/* What a double holds exactly: scripts have no other number. */
#define EXACT_MAX ((UINT64_C(1) << 53) - 1)

struct writer {
    FILE *out;
    struct sim_cluster *cluster;
    uint32_t left; /* values that may still be written */
    uint32_t more;
};

void sim_fields_text(FILE *out, const char *text, size_t count)
{
    (void)fputc('"', out);
    for (size_t i = 0; i < count; i++) {
        const unsigned char byte = (unsigned char)text[i];

        if (byte < 0x20 || byte == '"' || byte == '\\' || byte == '<')
            (void)fprintf(out, "\\u%04x", byte);
        else
            (void)fputc(byte, out);
    }
    (void)fputc('"', out);
}

static void write_words(FILE *out, const char *text)
{
    sim_fields_text(out, text, strlen(text));
}

static uint64_t number_of(const uint8_t *at, uint32_t width)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (width) {
    case 1:
        return *at;
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

static void write_number(FILE *out, const struct dfs_field *field, const uint8_t *at)
{
    const uint64_t number = number_of(at, field->width);

    if (strcmp(field->name, "status") == 0 && number < DFS_STATUS_COUNT)
        write_words(out, dfs_status_name((enum dfs_status)number));
    else
        (void)fprintf(out, number > EXACT_MAX ? "\"%" PRIu64 "\"" : "%" PRIu64, number);
}

static void write_id(const struct writer *w, const uint8_t *at)
{
    struct dfs_id id;
    char text[DFS_ID_TEXT_BYTES];

    memcpy(&id, at, sizeof id);
    const struct sim_node *node = sim_cluster_data_by_id(w->cluster, &id);

    dfs_id_print(&id, text);
    write_words(w->out, node != NULL ? sim_host_name(node->host) : text);
}

static void write_hex(FILE *out, const uint8_t *at, uint32_t count)
{
    (void)fputc('"', out);
    for (uint32_t i = 0; i < count; i++)
        (void)fprintf(out, "%02x", at[i]);
    (void)fputc('"', out);
}

static void write_addr(FILE *out, const uint8_t *at)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    const struct dfs_addr *addr = (const void *)at;

    if (memcmp(addr->ip, mapped, sizeof mapped) == 0) {
        (void)fprintf(out, "\"%u.%u.%u.%u:%u\"", addr->ip[12], addr->ip[13], addr->ip[14], addr->ip[15], addr->port);
        return;
    }
    for (size_t i = 0; i < sizeof addr->ip; i += 2)
        (void)fprintf(out, "%s%x", i == 0 ? "\"[" : ":", (unsigned)(addr->ip[i] << 8 | addr->ip[i + 1]));
    (void)fprintf(out, "]:%u\"", addr->port);
}

static void write_value(const struct writer *w, const struct dfs_field *field, const uint8_t *at)
{
    const struct dfs_text *text = (const void *)at;

    switch ((int)field->kind) {
    case DFS_FIELD_NUM:
        write_number(w->out, field, at);
        break;
    case DFS_FIELD_ID:
        write_id(w, at);
        break;
    case DFS_FIELD_FIXED:
        write_hex(w->out, at, field->width);
        break;
    case DFS_FIELD_ADDR:
        write_addr(w->out, at);
        break;
    case DFS_FIELD_TEXT:
        sim_fields_text(w->out, text->at, text->count);
        break;
    default: /* KEY, SECRET */
        (void)fputs("\"***\"", w->out);
        break;
    }
}

static const uint8_t *items_of(const struct dfs_field *field, const uint8_t *base, uint32_t *ret_count)
{
    const uint8_t *items;

    memcpy(&items, base + field->offset, sizeof items);
    memcpy(ret_count, base + field->count_offset, sizeof *ret_count);
    return items;
}

/* Values that a struct would take; a list without items is one. */
static uint32_t count_values(const struct dfs_layout *layout, const uint8_t *base)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < layout->count; i++) {
        const struct dfs_field *field = &layout->fields[i];
        uint32_t count;

        if (field->kind == DFS_FIELD_PART) {
            sum += count_values(field->part, base + field->offset);
        } else if (field->kind == DFS_FIELD_LIST) {
            const uint8_t *items = items_of(field, base, &count);

            for (uint32_t j = 0; j < count; j++)
                sum += count_values(field->part, items + (size_t)j * field->part->bytes);
            sum += count == 0;
        } else {
            sum++;
        }
    }
    return sum;
}

static void write_fields(struct writer *w, const struct dfs_layout *layout, const uint8_t *base);

static void write_list(struct writer *w, const struct dfs_field *field, const uint8_t *base)
{
    uint32_t count;
    const uint8_t *items = items_of(field, base, &count);

    (void)fputc('[', w->out);
    w->left -= count == 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *item = items + (size_t)i * field->part->bytes;

        if (w->left == 0) {
            w->more += count_values(field->part, item);
            continue;
        }
        (void)fputs(i > 0 ? "," : "", w->out);
        write_fields(w, field->part, item);
    }
    (void)fputc(']', w->out);
}

static uint32_t count_of(const struct dfs_field *field, const uint8_t *base)
{
    const struct dfs_layout alone = {.fields = field, .count = 1};

    return count_values(&alone, base);
}

static void write_fields(struct writer *w, const struct dfs_layout *layout, const uint8_t *base)
{
    (void)fputc('{', w->out);
    for (size_t i = 0; i < layout->count; i++) {
        const struct dfs_field *field = &layout->fields[i];

        if (w->left == 0) {
            w->more += count_of(field, base);
            continue;
        }
        (void)fprintf(w->out, "%s\"%s\":", i > 0 ? "," : "", field->name);
        if (field->kind == DFS_FIELD_PART) {
            write_fields(w, field->part, base + field->offset);
        } else if (field->kind == DFS_FIELD_LIST) {
            write_list(w, field, base);
        } else {
            write_value(w, field, base + field->offset);
            w->left--;
        }
    }
    (void)fputc('}', w->out);
}

uint32_t sim_fields_write(FILE *out, struct sim_cluster *cluster, const struct dfs_layout *layout, const void *value,
                          uint32_t max)
{
    struct writer w = {.out = out, .cluster = cluster, .left = max};

    write_fields(&w, layout, value);
    return w.more;
}

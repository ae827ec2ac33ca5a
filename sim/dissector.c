#include "core/wire/message.h"
#include "sim/cluster.h"
#include "sim/pcap.h"

#include <inttypes.h>

static void print_fields(FILE *file, const struct dfs_layout *layout)
{
    static const char *const kinds[] = {
        [DFS_FIELD_NUM] = "num",     [DFS_FIELD_ID] = "bytes",      [DFS_FIELD_ADDR] = "addr",
        [DFS_FIELD_FIXED] = "bytes", [DFS_FIELD_KEY] = "key",       [DFS_FIELD_TEXT] = "text",
        [DFS_FIELD_PART] = "part",   [DFS_FIELD_SECRET] = "secret", [DFS_FIELD_LIST] = "list"};

    (void)fputs("{", file);
    for (size_t i = 0; i < layout->count; i++) {
        const struct dfs_field *field = &layout->fields[i];

        (void)fprintf(file, "{\"%s\",\"%s\",", field->name, kinds[field->kind]);
        if (field->kind == DFS_FIELD_PART || field->kind == DFS_FIELD_LIST)
            (void)fprintf(file, "\"%s\"},", field->part->name);
        else
            (void)fprintf(file, "%" PRIu32 "},", field->kind == DFS_FIELD_ID ? DFS_ID_BYTES : field->width);
    }
    (void)fputs("}", file);
}

void sim_dissector_print(FILE *file)
{
    (void)fprintf(file, "local port = %d\nlocal parts = {\n", SIM_PORT);
#define X(NAME, part) \
    (void)fprintf(file, "  [\"%s\"] = ", dfs_layout_##part.name); \
    print_fields(file, &dfs_layout_##part); \
    (void)fputs(",\n", file);
    DFS_PART_MAP(X)
#undef X
    (void)fputs("}\nlocal messages = {\n", file);
#define X(number, NAME, message) \
    (void)fprintf(file, "  [%d] = {\"%s\", ", (int)(number), dfs_message_name(number)); \
    print_fields(file, dfs_message_layout(number)); \
    (void)fputs("},\n", file);
    DFS_MESSAGE_MAP(X)
#undef X
    (void)fputs("}\n\n", file);
    (void)fputs(sim_dissector_lua, file);
}

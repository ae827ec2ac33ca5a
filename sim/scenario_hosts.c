#include "sim/scenario_internal.h"

#include "core/base/mem.h"
#include "core/conf/words.h"
#include "core/wire/message.h"

#include <string.h>

void sim_reading_pend(struct dfs_key_reader *reader, const struct sim_pending *pending)
{
    struct sim_reading *reading = reader->draw_context;

    if (reading->pending_count == reading->pending_room) {
        reading->pending_room = reading->pending_room == 0 ? 64 : reading->pending_room * 2;
        reading->pending = dfs_realloc_array(reading->pending, reading->pending_room, sizeof *reading->pending);
    }
    reading->pending[reading->pending_count++] = *pending;
}

static enum dfs_status refuse_host(struct dfs_key_reader *reader, const struct dfs_json_node *node)
{
    static const char *const names[] = {"auth", "meta", "d1", "c1", "data", "clients", "all", "rest"};

    if (!json_is_string(node->value))
        return dfs_key_refuse(reader, node, "expected a host such as \"d3\" or a set such as \"data\", found %s",
                              dfs_json_described(node->value).text);
    return dfs_key_refuse(
        reader, node, "\"%s\" is no host%s", dfs_quote_text(json_string_value(node->value)).text,
        dfs_words_suggest(json_string_value(node->value), names, sizeof names / sizeof names[0]).text);
}

enum dfs_status sim_host_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                              const struct dfs_json_node *node, void *field)
{
    struct sim_host_ref ref;

    (void)row;
    if (!json_is_string(node->value) || !sim_host_ref_parse(json_string_value(node->value), &ref))
        return refuse_host(reader, node);
    sim_reading_pend(reader, &(struct sim_pending){.node = node, .ref = ref, .rest_ok = row->size != 0});
    memcpy(field, &ref, sizeof ref);
    return DFS_OK;
}

enum dfs_status sim_hosts_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                               const struct dfs_json_node *node, void *field)
{
    /* `size` of the row, which custom keys have no use for, says that "rest" makes sense here. */
    const struct dfs_conf_key one = {.name = "host", .type = DFS_KEY_CUSTOM, .read = sim_host_read, .size = row->size};
    struct sim_host_refs *refs = field;
    struct sim_host_ref ref = {0};

    if (!json_is_array(node->value)) {
        const enum dfs_status status = dfs_key_read(reader, &one, node, &ref);

        if (status == DFS_OK && refs->count == SIM_HOST_REFS_MAX)
            return dfs_key_refuse(reader, node, "more than %d hosts are named one by one; write a set such as \"data\"",
                                  SIM_HOST_REFS_MAX);
        if (status == DFS_OK)
            refs->refs[refs->count++] = ref;
        return status;
    }
    if (json_array_size(node->value) == 0)
        return dfs_key_refuse(reader, node, "expected at least one host, found an empty list");
    for (const struct dfs_json_node *at = dfs_json_first(reader->doc, node); at != NULL;
         at = dfs_json_next(reader->doc, at)) {
        const enum dfs_status status = sim_hosts_read(reader, row, at, field);

        if (status != DFS_OK)
            return status;
    }
    return DFS_OK;
}

enum dfs_status sim_message_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                 const struct dfs_json_node *node, void *field)
{
    static const char *const names[] = {
#define X(number, NAME, name) #NAME,
        DFS_MESSAGE_MAP(X)
#undef X
    };
    uint32_t number = 0;

    (void)row;
    if (!json_is_string(node->value))
        return dfs_key_refuse(reader, node, "expected a message such as \"HEARTBEAT\", found %s",
                              dfs_json_described(node->value).text);
    if (!dfs_message_find(json_string_value(node->value), &number))
        return dfs_key_refuse(
            reader, node, "\"%s\" is no message%s", dfs_quote_text(json_string_value(node->value)).text,
            dfs_words_suggest(json_string_value(node->value), names, sizeof names / sizeof names[0]).text);
    memcpy(field, &number, sizeof number);
    return DFS_OK;
}

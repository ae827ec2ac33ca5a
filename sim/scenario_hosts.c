#include "sim/scenario_internal.h"

#include "core/base/assert.h"
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
    static const char *const names[] = {"auth", "meta", "d1", "c1", "data", "clients", "all", "rest", "zone-0"};

    if (!json_is_string(node->value))
        return dfs_key_refuse(reader, node, "expected a host such as \"d3\" or a set such as \"data\", found %s",
                              dfs_json_described(node->value).text);
    return dfs_key_refuse(
        reader, node, "\"%s\" is no host%s", dfs_quote_text(json_string_value(node->value)).text,
        dfs_words_suggest(json_string_value(node->value), names, sizeof names / sizeof names[0]).text);
}

/* `size` of a row, which custom keys have no use for, says that "rest" makes sense here. */
static enum dfs_status plain_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                  const struct dfs_json_node *node, struct sim_host_ref *ret_ref)
{
    if (!json_is_string(node->value) || !sim_host_ref_parse(json_string_value(node->value), ret_ref))
        return refuse_host(reader, node);
    sim_reading_pend(reader, &(struct sim_pending){.node = node, .ref = *ret_ref, .rest_ok = row->size != 0});
    return DFS_OK;
}

static uint64_t draw(struct dfs_key_reader *reader, const struct dfs_json_node *node, uint64_t count)
{
    return reader->draw(reader->draw_context, node->draw, count);
}

/* The list of a {"between": [...]} or {"one_of": [...]}; refuses every other object. */
static enum dfs_status drawn_list(struct dfs_key_reader *reader, const struct dfs_json_node *node,
                                  const struct dfs_json_node **ret_list, bool *ret_between)
{
    static const char *const keys[] = {"between", "one_of"};
    const struct dfs_json_node *list = dfs_json_first(reader->doc, node);

    if (list == NULL)
        return refuse_host(reader, node);
    *ret_between = strcmp(list->key, keys[0]) == 0;
    if (!*ret_between && strcmp(list->key, keys[1]) != 0)
        return dfs_json_refuse_key(reader->doc, list, reader->error, "unknown key%s",
                                   dfs_words_suggest(list->key, keys, 2).text);
    if (json_object_size(node->value) != 1)
        return dfs_json_refuse_key(reader->doc, list, reader->error, "a drawn host has no other keys beside \"%s\"",
                                   list->key);
    if (!json_is_array(list->value) || json_array_size(list->value) == 0 ||
        (*ret_between && json_array_size(list->value) != 2))
        return dfs_key_refuse(reader, list,
                              *ret_between ? "expected [LOW, HIGH] such as [\"d1\", \"d4\"], found %s%s"
                                           : "expected a list of at least one host, found %s%s",
                              dfs_json_described(list->value).text,
                              !json_is_array(list->value) || json_array_size(list->value) == 0 ? ""
                                                                                               : " of another length");
    *ret_list = list;
    return DFS_OK;
}

static bool is_numbered(struct sim_host_ref ref)
{
    return ref.kind == SIM_HOST_DATA || ref.kind == SIM_HOST_CLIENT || ref.kind == SIM_HOST_ZONE;
}

static enum dfs_status between_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                    const struct dfs_json_node *node, const struct dfs_json_node *list,
                                    struct sim_host_ref *ret_ref)
{
    const struct dfs_json_node *first = dfs_json_first(reader->doc, list);
    struct sim_host_ref low = {0};
    struct sim_host_ref high = {0};
    enum dfs_status status = plain_read(reader, row, first, &low);

    if (status == DFS_OK)
        status = plain_read(reader, row, dfs_json_next(reader->doc, first), &high);
    if (status != DFS_OK)
        return status;
    if (!is_numbered(low) || low.kind != high.kind || low.index > high.index)
        return dfs_key_refuse(
            reader, list,
            "expected two hosts of one kind, the lower first, such as [\"d1\", \"d4\"]; for others write \"one_of\"");
    *ret_ref = low;
    ret_ref->index = (uint16_t)(low.index + draw(reader, node, (uint64_t)(high.index - low.index) + 1));
    return DFS_OK;
}

enum dfs_status sim_host_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                              const struct dfs_json_node *node, void *field)
{
    const struct dfs_json_node *list = NULL;
    bool between = false;

    if (!json_is_object(node->value) || reader->draw == NULL)
        return plain_read(reader, row, node, field);
    enum dfs_status status = drawn_list(reader, node, &list, &between);

    if (status != DFS_OK)
        return status;
    DFS_ASSERT(list != NULL);
    if (between)
        return between_read(reader, row, node, list, field);
    const uint64_t drawn = draw(reader, node, json_array_size(list->value));

    for (const struct dfs_json_node *at = dfs_json_first(reader->doc, list); at != NULL && status == DFS_OK;
         at = dfs_json_next(reader->doc, at)) {
        struct sim_host_ref ref = {0};

        status = plain_read(reader, row, at, &ref);
        if (at->index == drawn)
            memcpy(field, &ref, sizeof ref);
    }
    return status;
}

static enum dfs_status add(struct dfs_key_reader *reader, const struct dfs_json_node *node, struct sim_host_refs *refs,
                           struct sim_host_ref ref)
{
    if (refs->count == SIM_HOST_REFS_MAX)
        return dfs_key_refuse(reader, node, "more than %d hosts are named one by one; write a set such as \"data\"",
                              SIM_HOST_REFS_MAX);
    refs->refs[refs->count++] = ref;
    return DFS_OK;
}

/* {"one_of": [...]}: a host, set or list of them each. All are read, so that a wrong one is refused whatever the seed. */
static enum dfs_status one_of_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                   const struct dfs_json_node *node, const struct dfs_json_node *list,
                                   struct sim_host_refs *refs)
{
    const uint64_t drawn = draw(reader, node, json_array_size(list->value));
    enum dfs_status status = DFS_OK;

    for (const struct dfs_json_node *at = dfs_json_first(reader->doc, list); at != NULL && status == DFS_OK;
         at = dfs_json_next(reader->doc, at)) {
        struct sim_host_refs others = {0};

        status = sim_hosts_read(reader, row, at, at->index == drawn ? refs : &others);
    }
    return status;
}

enum dfs_status sim_hosts_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                               const struct dfs_json_node *node, void *field)
{
    struct sim_host_refs *refs = field;
    struct sim_host_ref ref = {0};
    enum dfs_status status = DFS_OK;

    if (json_is_object(node->value) && reader->draw != NULL) {
        const struct dfs_json_node *list = NULL;
        bool between = false;

        status = drawn_list(reader, node, &list, &between);
        DFS_ASSERT(status != DFS_OK || list != NULL);
        if (status == DFS_OK && !between)
            return one_of_read(reader, row, node, list, refs);
        if (status == DFS_OK)
            status = between_read(reader, row, node, list, &ref);
        return status == DFS_OK ? add(reader, node, refs, ref) : status;
    }
    if (!json_is_array(node->value)) {
        status = plain_read(reader, row, node, &ref);
        return status == DFS_OK ? add(reader, node, refs, ref) : status;
    }
    if (json_array_size(node->value) == 0)
        return dfs_key_refuse(reader, node, "expected at least one host, found an empty list");
    for (const struct dfs_json_node *at = dfs_json_first(reader->doc, node); at != NULL && status == DFS_OK;
         at = dfs_json_next(reader->doc, at))
        status = sim_hosts_read(reader, row, at, field);
    return status;
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

#include "sim/scenario_internal.h"

#include "core/conf/words.h"

#include <string.h>

#define AT(member) offsetof(struct sim_expect, member)
#define SEEN(member) DFS_KEY_SEEN_AT(struct sim_expect, member)

static const char *const kind_names[SIM_EXPECT_COUNT] = {
    [SIM_EXPECT_EVICTED] = "evicted",
    [SIM_EXPECT_JOINED] = "joined",
    [SIM_EXPECT_NEVER_EVICTED] = "never_evicted",
    [SIM_EXPECT_REPLICATED] = "replicated",
    [SIM_EXPECT_READABLE] = "readable",
    [SIM_EXPECT_OPERATION] = "operation",
    [SIM_EXPECT_REPAIRS] = "repairs",
    [SIM_EXPECT_EVENT] = "event",
};

const char *sim_expect_name(enum sim_expect_kind kind)
{
    return kind_names[kind];
}

/* "all" or a path. */
static enum dfs_status what_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                 const struct dfs_json_node *node, void *field)
{
    static const struct dfs_conf_key path = {
        .name = "path", .type = DFS_KEY_TEXT, .offset = AT(path), .size = DFS_PATH_BYTES_MAX + 1, .min = 1};
    struct sim_expect *expect = field;

    (void)row;
    expect->all = json_is_string(node->value) && strcmp(json_string_value(node->value), "all") == 0;
    return dfs_key_read(reader, &path, node, expect);
}

static enum dfs_status operation_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                      const struct dfs_json_node *node, void *field)
{
    static const struct dfs_conf_key id = {
        .name = "id", .type = DFS_KEY_TEXT, .flags = DFS_KEY_FIXED, .offset = AT(id), .size = SIM_NAME_BYTES, .min = 1};
    const enum dfs_status status = dfs_key_read(reader, &id, node, field);

    (void)row;
    if (status == DFS_OK)
        sim_reading_pend(reader, &(struct sim_pending){.node = node, .id = json_string_value(node->value)});
    return status;
}

static const char *const status_names[] = {
#define X(name, exit_code, words) #name,
    DFS_STATUS_MAP(X)
#undef X
};

static enum dfs_status status_read(struct dfs_key_reader *reader, const struct dfs_json_node *node,
                                   struct sim_expect *expect)
{
    if (!json_is_string(node->value))
        return dfs_key_refuse(reader, node, "expected a status such as \"OK\", found %s",
                              dfs_json_described(node->value).text);
    if (expect->statuses_count == DFS_STATUS_COUNT)
        return dfs_key_refuse(reader, node, "more statuses than there are");
    if (!dfs_status_find(json_string_value(node->value), &expect->statuses[expect->statuses_count]))
        return dfs_key_refuse(reader, node, "\"%s\" is no status%s",
                              dfs_quote_text(json_string_value(node->value)).text,
                              dfs_words_suggest(json_string_value(node->value), status_names, DFS_STATUS_COUNT).text);
    expect->statuses_count++;
    return DFS_OK;
}

/* A status, or a list of which any will do. */
static enum dfs_status is_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                               const struct dfs_json_node *node, void *field)
{
    (void)row;
    if (!json_is_array(node->value))
        return status_read(reader, node, field);
    if (json_array_size(node->value) == 0)
        return dfs_key_refuse(reader, node, "expected at least one status such as \"OK\"");
    for (const struct dfs_json_node *at = dfs_json_first(reader->doc, node); at != NULL;
         at = dfs_json_next(reader->doc, at)) {
        const enum dfs_status status = status_read(reader, at, field);

        if (status != DFS_OK)
            return status;
    }
    return DFS_OK;
}

static enum dfs_status event_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                  const struct dfs_json_node *node, void *field)
{
    struct sim_expect *expect = field;

    (void)row;
    return sim_event_read(reader, node, &expect->event);
}

static const struct dfs_conf_key bounds_rows[] = {
    {.name = "at_least", .type = DFS_KEY_COUNT, .offset = AT(inner_at_least), .seen = SEEN(inner_at_least_seen)},
    {.name = "at_most", .type = DFS_KEY_COUNT, .offset = AT(inner_at_most), .seen = SEEN(inner_at_most_seen)},
};
static const struct dfs_keytable bounds_table = {.name = "bounds", SIM_ROWS(bounds_rows)};

#define KIND(NAME, text, type_word, ...) \
    { \
        .name = text, .type = type_word, .group = 1, .seen = SEEN(kinds_seen[SIM_EXPECT_##NAME]), __VA_ARGS__ \
    }
#define OF_HOSTS .flags = DFS_KEY_FIXED, .offset = AT(hosts), .read = sim_hosts_read, .schema = SIM_HOSTS_SCHEMA
#define WHAT .offset = 0, .read = what_read, .schema = "{\"type\":\"string\",\"minLength\":1}"

static const struct dfs_conf_key rows[] = {
    KIND(EVICTED, "evicted", DFS_KEY_CUSTOM, OF_HOSTS, .help = "The data server is evicted between `from` and `to`."),
    KIND(JOINED, "joined", DFS_KEY_CUSTOM, OF_HOSTS, .help = "The data server becomes ACTIVE between `from` and `to`."),
    KIND(NEVER_EVICTED, "never_evicted", DFS_KEY_CUSTOM, OF_HOSTS, .help = "Not in the whole run."),
    KIND(
        REPLICATED, "replicated", DFS_KEY_CUSTOM, WHAT,
        .help =
            "All blocks (\"all\", or of a path) have their copies at some moment after the last fault, not after `by`."),
    KIND(READABLE, "readable", DFS_KEY_CUSTOM, WHAT,
         .help = "A client that begins to read at this time gets the acknowledged bytes within 30 s."),
    KIND(OPERATION, "operation", DFS_KEY_CUSTOM, .offset = 0, .read = operation_read, .schema = "{\"type\":\"string\"}",
         .help = "The step of this id ends with the status `is`."),
    KIND(REPAIRS, "repairs", DFS_KEY_OBJECT, .offset = 0, .table = &bounds_table, .help = "Copies that repair makes."),
    KIND(EVENT, "event", DFS_KEY_CUSTOM, .offset = 0, .read = event_read, .schema = SIM_EVENT_SCHEMA,
         .help = "How often an event happens."),
    {.name = "from", .type = DFS_KEY_DURATION, .offset = AT(from_ns), .seen = SEEN(from_seen)},
    {.name = "to", .type = DFS_KEY_DURATION, .offset = AT(to_ns), .seen = SEEN(to_seen)},
    {.name = "by", .type = DFS_KEY_DURATION, .offset = AT(by_ns), .seen = SEEN(by_seen)},
    {.name = "at", .type = DFS_KEY_DURATION, .offset = AT(at_ns), .seen = SEEN(at_seen)},
    {.name = "is",
     .type = DFS_KEY_CUSTOM,
     .offset = 0,
     .read = is_read,
     .seen = SEEN(is_seen),
     .schema =
         "{\"anyOf\":[" SIM_STATUS_SCHEMA ",{\"type\":\"array\",\"minItems\":1,\"items\":" SIM_STATUS_SCHEMA "}]}"},
    {.name = "at_least", .type = DFS_KEY_COUNT, .offset = AT(at_least), .seen = SEEN(at_least_seen)},
    {.name = "at_most", .type = DFS_KEY_COUNT, .offset = AT(at_most), .seen = SEEN(at_most_seen)},
};

/* Which keys go with which kinds. */
#define OF(NAME) (1u << SIM_EXPECT_##NAME)
static const struct {
    const char *key;
    uint32_t kinds;
} goes_with[] = {
    {"from", OF(EVICTED) | OF(JOINED) | OF(EVENT)},
    {"to", OF(EVICTED) | OF(JOINED) | OF(EVENT)},
    {"by", OF(REPLICATED)},
    {"at", OF(READABLE)},
    {"is", OF(OPERATION)},
    {"at_least", OF(EVENT)},
    {"at_most", OF(EVENT)},
};

static enum dfs_status missing(struct dfs_key_reader *reader, const struct dfs_json_node *object, const char *key)
{
    return dfs_key_refuse(reader, object, "the key \"%s\" is missing", key);
}

static enum dfs_status check(struct dfs_key_reader *reader, const struct dfs_json_node *object, void *base)
{
    struct sim_expect *expect = base;

    for (size_t i = 0; i < SIM_EXPECT_COUNT; i++) {
        if (expect->kinds_seen[i])
            expect->kind = (enum sim_expect_kind)i;
    }
    expect->line = object->line;
    /* "repairs" has its bounds inside: the keys of the same name beside it do not go with it (goes_with). */
    if (expect->kind == SIM_EXPECT_REPAIRS) {
        expect->at_least = expect->inner_at_least;
        expect->at_most = expect->inner_at_most;
        expect->at_least_seen |= expect->inner_at_least_seen;
        expect->at_most_seen |= expect->inner_at_most_seen;
    }
    for (size_t i = 0; i < sizeof goes_with / sizeof goes_with[0]; i++) {
        const struct dfs_json_node *node = dfs_json_get(reader->doc, object, goes_with[i].key);

        if (node != NULL && (goes_with[i].kinds >> expect->kind & 1u) == 0)
            return dfs_json_refuse_key(reader->doc, node, reader->error, "does not go with \"%s\"",
                                       sim_expect_name(expect->kind));
    }
    if (!expect->to_seen)
        expect->to_ns = INT64_MAX;
    if (!expect->at_most_seen)
        expect->at_most = INT64_MAX;
    if (expect->to_ns < expect->from_ns)
        return dfs_key_refuse(reader, dfs_json_get(reader->doc, object, "to"), "is before \"from\"");
    if (expect->at_most < expect->at_least)
        return dfs_key_refuse(reader, object, "\"at_most\" is below \"at_least\"");
    for (uint32_t i = 0; i < expect->hosts.count && expect->kind != SIM_EXPECT_NEVER_EVICTED; i++) {
        const enum sim_host_kind kind = expect->hosts.refs[i].kind;

        if (kind == SIM_HOST_AUTH || kind == SIM_HOST_META || kind == SIM_HOST_CLIENT || kind == SIM_HOST_ALL_CLIENTS)
            return dfs_json_refuse_key(
                reader->doc, dfs_json_get(reader->doc, object, sim_expect_name(expect->kind)), reader->error,
                "names a host that cannot be: only data servers such as \"d3\" join and are evicted");
    }
    if (expect->kind == SIM_EXPECT_REPLICATED && !expect->by_seen)
        return missing(reader, object, "by");
    if (expect->kind == SIM_EXPECT_READABLE && !expect->at_seen)
        return missing(reader, object, "at");
    if (expect->kind == SIM_EXPECT_OPERATION && !expect->is_seen)
        return missing(reader, object, "is");
    if ((expect->kind == SIM_EXPECT_EVENT || expect->kind == SIM_EXPECT_REPAIRS) && !expect->at_least_seen &&
        !expect->at_most_seen)
        return dfs_key_refuse(reader, object, "needs one of the keys \"at_least\", \"at_most\"");
    return DFS_OK;
}

const struct dfs_keytable sim_expect_table = {
    .name = "expectation", SIM_ROWS(rows), .help = "What must come about in this run.", .check = check};

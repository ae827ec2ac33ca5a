#include "sim/scenario_internal.h"

#include "core/wire/schema.h"

#include <string.h>

#define AT(member) offsetof(struct sim_work, member)
#define SEEN(member) DFS_KEY_SEEN_AT(struct sim_work, member)

/* Files of a step or mix that does not say how large: three blocks of the product's smallest size would be rare, one or two are common. */
#define SIZE_DEFAULT "100KB"

/* [FIRST, LAST], both included; bytes as numbers or as sizes. */
static enum dfs_status position_read(struct dfs_key_reader *reader, const struct dfs_json_node *node,
                                     int64_t *ret_value)
{
    static const struct dfs_conf_key as_count = {.name = "position", .type = DFS_KEY_COUNT};
    static const struct dfs_conf_key as_size = {.name = "position", .type = DFS_KEY_SIZE};
    const struct dfs_json_node *at = node;

    /* What is drawn is of the kind of its first value. */
    if (json_is_object(node->value) && dfs_json_first(reader->doc, node) != NULL &&
        json_is_array(dfs_json_first(reader->doc, node)->value) &&
        dfs_json_first(reader->doc, dfs_json_first(reader->doc, node)) != NULL)
        at = dfs_json_first(reader->doc, dfs_json_first(reader->doc, node));
    return dfs_key_read(reader, json_is_string(at->value) ? &as_size : &as_count, node, ret_value);
}

static enum dfs_status range_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                  const struct dfs_json_node *node, void *field)
{
    struct sim_work *work = field;

    (void)row;
    if (!json_is_array(node->value) || json_array_size(node->value) != 2)
        return dfs_key_refuse(reader, node, "expected [FIRST, LAST] in bytes, found %s",
                              dfs_json_described(node->value).text);
    const struct dfs_json_node *first = dfs_json_first(reader->doc, node);
    enum dfs_status status = position_read(reader, first, &work->first);

    if (status == DFS_OK)
        status = position_read(reader, dfs_json_next(reader->doc, first), &work->last);
    if (status == DFS_OK && work->first > work->last)
        return dfs_key_refuse(reader, node, "expected [FIRST, LAST] with FIRST not above LAST");
    return status;
}

static enum dfs_status bytes_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                  const struct dfs_json_node *node, void *field)
{
    (void)row;
    return position_read(reader, node, field);
}

static enum dfs_status path_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                 const struct dfs_json_node *node, void *field)
{
    static const struct dfs_conf_key path = {
        .name = "path", .type = DFS_KEY_TEXT, .offset = AT(path), .size = DFS_PATH_BYTES_MAX + 1};

    (void)row;
    return dfs_key_read(reader, &path, node, field);
}

/* true is the client's own user. */
static enum dfs_status user_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                 const struct dfs_json_node *node, void *field)
{
    static const struct dfs_conf_key user = {
        .name = "user", .type = DFS_KEY_TEXT, .offset = AT(path), .size = DFS_USER_BYTES_MAX + 1};

    (void)row;
    return json_is_true(node->value) ? DFS_OK : dfs_key_read(reader, &user, node, field);
}

static const struct dfs_conf_key weight_rows[] = {
#define X(NAME, text) {.name = text, .type = DFS_KEY_COUNT, .offset = AT(weights[SIM_OP_##NAME]), .max = 1000000},
    SIM_OPERATION_MAP(X)
#undef X
};

static const struct dfs_keytable weight_table = {
    .name = "mix", SIM_ROWS(weight_rows), .help = "How often each operation is asked for, relative to the others."};

static const struct dfs_conf_key rows[] = {
#define X(NAME, text) \
    {.name = text, \
     .type = DFS_KEY_CUSTOM, \
     .flags = DFS_KEY_FIXED, \
     .read = SIM_OP_##NAME == SIM_OP_LOGIN ? user_read : path_read, \
     .schema = SIM_OP_##NAME == SIM_OP_LOGIN ? SIM_REF_SCHEMA("login") : SIM_REF_SCHEMA("path"), \
     .seen = SEEN(kinds_seen[SIM_OP_##NAME]), \
     .help = "A step: the operation, with its path (of a list the prefix, of a login the user, or true for the " \
             "client's own)."},
    SIM_OPERATION_MAP(X)
#undef X
        {.name = "at",
         .type = DFS_KEY_DURATION,
         .offset = AT(at_ns),
         .seen = SEEN(at_seen),
         .help = "When the step is asked."},
    {.name = "client",
     .type = DFS_KEY_CUSTOM,
     .flags = DFS_KEY_FIXED,
     .offset = AT(client),
     .read = sim_host_read,
     .schema = SIM_REF_SCHEMA("client"),
     .seen = SEEN(client_seen),
     .help = "Who asks; c1 when absent."},
    {.name = "id",
     .type = DFS_KEY_TEXT,
     .flags = DFS_KEY_FIXED,
     .offset = AT(id),
     .size = SIM_NAME_BYTES,
     .min = 1,
     .help = "The step's name, for expectations."},
    {.name = "size",
     .type = DFS_KEY_SIZE,
     .flags = DFS_KEY_SPREAD,
     .offset = AT(size),
     .seen = SEEN(size_seen),
     .max = INT64_C(1) << 50, /* a petabyte: sums of some thousand stay exact */
     .default_text = SIZE_DEFAULT,
     .help = "Bytes of the file that is put; drawn for every operation."},
    {.name = "token",
     .type = DFS_KEY_CHOICE,
     .offset = AT(token),
     .default_text = "good",
     .words = "good|expired|forged|stolen|wrong_issuer|none",
     .help = "The token that the client shows for this step."},
    {.name = "to_path",
     .type = DFS_KEY_TEXT,
     .offset = AT(to_path),
     .size = DFS_PATH_BYTES_MAX + 1,
     .seen = SEEN(to_path_seen),
     .help = "Of a move."},
    {.name = "range",
     .type = DFS_KEY_CUSTOM,
     .offset = 0,
     .read = range_read,
     .flags = DFS_KEY_FIXED,
     .schema = "{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":" SIM_REF_SCHEMA("position") "}",
     .seen = SEEN(range_seen),
     .help = "Of a range_get: the first and the last byte."},
    {.name = "after_bytes",
     .type = DFS_KEY_CUSTOM,
     .flags = DFS_KEY_FIXED,
     .offset = AT(after_bytes),
     .read = bytes_read,
     .schema = SIM_REF_SCHEMA("position"),
     .seen = SEEN(after_bytes_seen),
     .help = "Of an abort_put: given up when so many bytes were taken from the file; half of them when absent."},
    {.name = "version",
     .type = DFS_KEY_COUNT,
     .offset = AT(version),
     .help = "Of a restore, get or stat; 0 is the newest."},
    {.name = "ack",
     .type = DFS_KEY_CHOICE,
     .offset = AT(ack),
     .default_text = "default",
     .words = "default|all|quorum",
     .help = "Of a put: copies that must be stored before it is acknowledged."},
    {.name = "durability",
     .type = DFS_KEY_CHOICE,
     .offset = AT(durability),
     .default_text = "default",
     .words = "default|sync|async",
     .help = "Of a put."},
    {.name = "if_absent",
     .type = DFS_KEY_FLAG,
     .offset = AT(if_absent),
     .default_text = "false",
     .help = "Of a put or move: only where nothing stands."},
    {.name = "from",
     .type = DFS_KEY_DURATION,
     .offset = AT(from_ns),
     .seen = SEEN(from_seen),
     .help = "A mix: when it begins."},
    {.name = "to",
     .type = DFS_KEY_DURATION,
     .offset = AT(to_ns),
     .seen = SEEN(to_seen),
     .help = "A mix: when it ends; with the scenario when absent."},
    SIM_HOSTS_ROW("clients", struct sim_work, clients, 0, .seen = SEEN(clients_seen),
                  .help = "A mix: who asks; all when absent."),
    {.name = "rate",
     .type = DFS_KEY_DECIMAL,
     .offset = AT(rate_millionths),
     .seen = SEEN(rate_seen),
     .min = 1,
     .max = 1000000 * DFS_DECIMAL_ONE, /* one a microsecond */
     .help = "A mix: operations a second, all clients together."},
    {.name = "paths",
     .type = DFS_KEY_COUNT,
     .offset = AT(paths),
     .seen = SEEN(paths_seen),
     .min = 1,
     .max = 10000000,
     .default_text = "10",
     .help = "A mix: how many paths it works on."},
    {.name = "mix",
     .type = DFS_KEY_OBJECT,
     .offset = 0,
     .table = &weight_table,
     .seen = SEEN(mix_seen),
     .help = "A mix: which operations, by weight."},
};

static enum dfs_status misplaced(struct dfs_key_reader *reader, const struct dfs_json_node *object, const char *key,
                                 const char *why)
{
    return dfs_json_refuse_key(reader->doc, dfs_json_get(reader->doc, object, key), reader->error, "%s", why);
}

static enum dfs_status check_mix(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                 struct sim_work *work)
{
    static const char *const of_steps[] = {"at", "client", "to_path", "range", "after_bytes", "version"};
    int64_t sum = 0;

    for (size_t i = 0; i < sizeof of_steps / sizeof of_steps[0]; i++) {
        if (dfs_json_get(reader->doc, object, of_steps[i]) != NULL)
            return misplaced(reader, object, of_steps[i], "belongs to a single step, and this is a random mix");
    }
    if (!work->rate_seen)
        return dfs_key_refuse(reader, object,
                              "the key \"rate\" is missing; a random mix says how many operations a second");
    if (work->to_seen && work->to_ns <= work->from_ns)
        return misplaced(reader, object, "to", "is not after \"from\"");
    if (!work->mix_seen) { /* what most programs do */
        work->weights[SIM_OP_PUT] = 1;
        work->weights[SIM_OP_GET] = 1;
    }
    for (size_t i = 0; i < SIM_OP_COUNT; i++)
        sum += work->weights[i];
    if (sum == 0)
        return misplaced(reader, object, "mix", "no operation has a weight above 0");
    if (!work->clients_seen)
        sim_host_refs_add(&work->clients, SIM_HOST_ALL_CLIENTS, 0);
    for (uint32_t i = 0; i < work->clients.count; i++) {
        const enum sim_host_kind kind = work->clients.refs[i].kind;

        if (kind != SIM_HOST_CLIENT && kind != SIM_HOST_ALL_CLIENTS && kind != SIM_HOST_ALL)
            return misplaced(reader, object, "clients", "names a host that is no client, such as \"c1\"");
    }
    work->is_mix = true;
    return DFS_OK;
}

static enum dfs_status check_step(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                  struct sim_work *work)
{
    static const char *const of_mixes[] = {"from", "to", "clients", "rate", "paths", "mix"};
    const enum sim_operation_kind kind = work->kind;

    for (size_t i = 0; i < sizeof of_mixes / sizeof of_mixes[0]; i++) {
        if (dfs_json_get(reader->doc, object, of_mixes[i]) != NULL)
            return misplaced(reader, object, of_mixes[i], "belongs to a random mix, and this is a single step");
    }
    if (!work->at_seen)
        return dfs_key_refuse(reader, object, "the key \"at\" is missing; a step says when it is asked");
    if (!work->client_seen)
        work->client = (struct sim_host_ref){.kind = SIM_HOST_CLIENT};
    if (work->client.kind != SIM_HOST_CLIENT)
        return dfs_key_refuse(reader, dfs_json_get(reader->doc, object, "client"),
                              "expected one client such as \"c1\"");
    if (kind == SIM_OP_LOGIN && work->token != SIM_TOKEN_GOOD)
        return misplaced(reader, object, "token", "does not go with \"login\": a login shows no token");
    if (kind == SIM_OP_MOVE && !work->to_path_seen)
        return dfs_key_refuse(reader, object, "the key \"to_path\" is missing; a move says where to");
    if (kind == SIM_OP_RANGE_GET && !work->range_seen)
        return dfs_key_refuse(reader, object, "the key \"range\" is missing; a range_get says [FIRST, LAST]");
    if (kind != SIM_OP_MOVE && work->to_path_seen)
        return misplaced(reader, object, "to_path", "belongs to a move");
    if (kind != SIM_OP_RANGE_GET && work->range_seen)
        return misplaced(reader, object, "range", "belongs to a range_get");
    if (kind != SIM_OP_ABORT_PUT && work->after_bytes_seen)
        return misplaced(reader, object, "after_bytes", "belongs to an abort_put");
    if (kind != SIM_OP_PUT && kind != SIM_OP_ABORT_PUT && work->size_seen)
        return misplaced(reader, object, "size", "belongs to a put");
    return DFS_OK;
}

static enum dfs_status check(struct dfs_key_reader *reader, const struct dfs_json_node *object, void *base)
{
    struct sim_work *work = base;
    const char *first = NULL;

    for (size_t i = 0; i < SIM_OP_COUNT; i++) {
        if (!work->kinds_seen[i])
            continue;
        if (first != NULL) {
            struct dfs_why why;

            dfs_why_set(&why, "stands beside \"%s\"; a step is one operation", first);
            return misplaced(reader, object, sim_operation_name((enum sim_operation_kind)i), why.text);
        }
        work->kind = (enum sim_operation_kind)i;
        first = sim_operation_name(work->kind);
    }
    work->line = object->line;
    if (first != NULL)
        return check_step(reader, object, work);
    if (!work->mix_seen && !work->rate_seen)
        return dfs_key_refuse(
            reader, object,
            "is neither a step (such as \"put\": \"a/one\") nor a random mix (with \"rate\" and \"mix\")");
    return check_mix(reader, object, work);
}

const struct dfs_keytable sim_work_table = {
    .name = "work", SIM_ROWS(rows), .help = "A single step of the workload, or a random mix.", .check = check};

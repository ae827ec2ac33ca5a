/* dfs ls, stat, versions, nodes: facts, for people and as JSON. */
#include "apps/cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char *ack_name(unsigned ack)
{
    return ack == DFS_ACK_QUORUM ? "quorum" : "all";
}

/* dfs ls ----------------------------------------------------------------------------------------------------------- */

enum { LS_LONG, LS_RECURSIVE };
static const struct dfs_option ls_list[] = {
    [LS_LONG] = {"long", 'l', NULL, "size, time, version and blocks of each"},
    [LS_RECURSIVE] = {"recursive", 'r', NULL, "everything below, too"},
    CLI_OPTIONS,
};

/* Entries of one request. */
#define LS_PAGE 500

struct ls {
    bool is_long;
    json_t *json; /* NULL: prints at once */
    bool more;
    char after[DFS_PATH_BYTES_MAX + 1];
};

static void print_entry(const struct ls *ls, const struct dfs_w_entry *entry)
{
    const bool is_directory = entry->path.count > 0 && entry->path.at[entry->path.count - 1] == '/';
    char size[CLI_SIZE_BYTES];
    char when[CLI_TIME_BYTES];

    if (ls->json != NULL)
        (void)json_array_append_new(
            ls->json,
            json_pack("{s:o, s:o, s:o, s:o, s:o}", "path", cli_json_text(&entry->path), "size",
                      cli_json_number(entry->size_bytes), "version", cli_json_number(entry->version), "modified_ms",
                      cli_json_number(entry->modified_ms), "blocks", cli_json_number(entry->blocks)));
    else if (!ls->is_long)
        (void)printf("%.*s\n", (int)entry->path.count, entry->path.at);
    else if (is_directory)
        (void)printf("%10s  %-19s  %8s  %6s  %.*s\n", "-", "-", "-", "-", (int)entry->path.count, entry->path.at);
    else
        (void)printf("%10s  %-19s  %8llu  %6u  %.*s\n", cli_size(entry->size_bytes, size),
                     cli_time(entry->modified_ms, when), (unsigned long long)entry->version, entry->blocks,
                     (int)entry->path.count, entry->path.at);
}

static void take_page(void *ctx, const struct dfs_client_result *result)
{
    struct ls *ls = ctx;
    const struct dfs_m_list_page *page = result->message;

    if (result->status != DFS_OK || result->number != DFS_MSG_LIST_PAGE)
        return;
    for (uint32_t i = 0; i < page->entries_count; i++)
        print_entry(ls, &page->entries[i]);
    ls->more = page->more != 0 && page->entries_count > 0;
    if (page->entries_count > 0) {
        const struct dfs_text *last = &page->entries[page->entries_count - 1].path;

        memcpy(ls->after, last->at, last->count);
        ls->after[last->count] = '\0';
    }
}

int cli_ls(int argc, char **argv)
{
    struct dfs_client_list list = {.prefix = "", .limit = LS_PAGE};
    struct ls ls = {.after = ""};
    struct cli_session session;
    struct cli_options cli;
    char what[DFS_PATH_BYTES_MAX + 16];
    int at;
    int rc;

    cli_options_init(&cli, "ls", ls_list, sizeof ls_list / sizeof ls_list[0]);
    while ((at = cli_options_next(&cli, argc, argv)) >= 0) {
        if (at == LS_LONG)
            ls.is_long = true;
        else
            list.recursive = true;
    }
    if (at == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    rc = cli_check_arguments(&cli, 0, 1, "a prefix");
    if (rc >= 0)
        return rc;
    if (cli.options.arguments_count == 1)
        list.prefix = cli_path(cli.options.arguments[0]);
    (void)snprintf(what, sizeof what, "LIST %s", list.prefix);
    rc = cli_session_open(&session, &cli, true, what);
    if (rc != 0)
        return rc;
    ls.json = cli.json ? json_array() : NULL;
    do {
        char after[sizeof ls.after];

        memcpy(after, ls.after, sizeof after);
        list.after = after;
        ls.more = false;
        rc = cli_session_do(&session, what, DFS_CLIENT_LIST, &list, take_page, &ls);
    } while (rc == 0 && ls.more && session.interrupts == 0);
    if (cli.json && rc == 0)
        cli_print_json(ls.json);
    else
        json_decref(ls.json);
    cli_session_close(&session);
    return rc;
}

/* dfs stat --------------------------------------------------------------------------------------------------------- */

enum { STAT_VERSION };
static const struct dfs_option stat_list[] = {
    [STAT_VERSION] = {"version", 0, "ID", "this version; default the newest"},
    CLI_OPTIONS,
};

struct stat_of {
    const struct cli_session *session;
    const char *path;
    json_t *json;
    uint32_t blocks_total;
    uint32_t blocks_seen;
};

static json_t *block_json(const struct dfs_w_stat_block *block)
{
    json_t *replicas = json_array();

    for (uint32_t i = 0; i < block->replicas_count; i++)
        (void)json_array_append_new(replicas, json_pack("{s:o, s:s}", "node", cli_json_id(&block->replicas[i].node),
                                                        "state", dfs_node_state_name(block->replicas[i].state)));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "index", cli_json_number(block->index), "generation",
                     cli_json_number(block->generation), "length", cli_json_number(block->length_bytes), "crc32c",
                     cli_json_number(block->crc32c), "replicas", replicas);
}

static void take_stat(void *ctx, const struct dfs_client_result *result)
{
    struct stat_of *of = ctx;
    const struct dfs_m_stat_done *stat = result->message;
    json_t *blocks;

    if (result->status != DFS_OK || result->number != DFS_MSG_STAT_DONE)
        return;
    if (of->json == NULL)
        of->json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:[], s:o, s:s}", "path", of->path, "file",
                             cli_json_id(&stat->file), "version", cli_json_number(stat->version), "size",
                             cli_json_number(stat->size_bytes), "created_ms", cli_json_number(stat->created_ms),
                             "block_size", cli_json_number(stat->block_size_bytes), "blocks", "copies_wanted",
                             cli_json_number(stat->copies_wanted), "ack", ack_name(stat->ack));
    blocks = json_object_get(of->json, "blocks");
    of->blocks_total = stat->blocks_total;
    for (uint32_t i = 0; i < stat->blocks_count; i++)
        (void)json_array_append_new(blocks, block_json(&stat->blocks[i]));
    of->blocks_seen = stat->first_block + stat->blocks_count;
}

static uint64_t number_of(json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static const char *node_name(const struct cli_session *session, const char *id)
{
    const char *name = json_string_value(json_object_get(session->profile.names, id));

    return name != NULL ? name : id;
}

static void print_stat(const struct cli_session *session, json_t *stat)
{
    char size[CLI_SIZE_BYTES];
    char when[CLI_TIME_BYTES];
    size_t i;
    json_t *block;

    (void)printf("%s\n  file     %s\n  version  %llu, %s\n  size     %llu bytes (%s)\n  copies   %llu wanted, ack %s\n",
                 text_of(stat, "path"), text_of(stat, "file"), (unsigned long long)number_of(stat, "version"),
                 cli_time(number_of(stat, "created_ms"), when), (unsigned long long)number_of(stat, "size"),
                 cli_size(number_of(stat, "size"), size), (unsigned long long)number_of(stat, "copies_wanted"),
                 text_of(stat, "ack"));
    json_array_foreach(json_object_get(stat, "blocks"), i, block)
    {
        json_t *replica;
        size_t j;

        (void)printf("  block %llu.%llu  %llu bytes  crc32c %08llx ", (unsigned long long)number_of(block, "index"),
                     (unsigned long long)number_of(block, "generation"), (unsigned long long)number_of(block, "length"),
                     (unsigned long long)number_of(block, "crc32c"));
        json_array_foreach(json_object_get(block, "replicas"), j, replica)(void)
            printf(" %s(%s)", node_name(session, text_of(replica, "node")), text_of(replica, "state"));
        (void)printf("\n");
    }
}

int cli_stat(int argc, char **argv)
{
    struct dfs_client_path path = {.version = 0};
    struct stat_of of = {.json = NULL};
    struct cli_session session;
    struct cli_options cli;
    char what[DFS_PATH_BYTES_MAX + 16];
    int at;
    int rc;

    cli_options_init(&cli, "stat", stat_list, sizeof stat_list / sizeof stat_list[0]);
    while ((at = cli_options_next(&cli, argc, argv)) >= 0) {
        rc = cli_read_version(&cli, "version", &path.version);
        if (rc >= 0)
            return rc;
    }
    if (at == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    rc = cli_check_arguments(&cli, 1, 1, "a path");
    if (rc >= 0)
        return rc;
    rc = cli_take_path(&cli, cli.options.arguments[0], &path.path);
    if (rc >= 0)
        return rc;
    of.path = path.path;
    (void)snprintf(what, sizeof what, "STAT %s", path.path);
    rc = cli_session_open(&session, &cli, true, what);
    if (rc != 0)
        return rc;
    do {
        path.first_block = of.blocks_seen;
        rc = cli_session_do(&session, what, DFS_CLIENT_STAT, &path, take_stat, &of);
    } while (rc == 0 && of.blocks_seen > path.first_block && of.blocks_seen < of.blocks_total &&
             session.interrupts == 0);
    if (rc == 0 && cli.json) {
        cli_print_json(of.json);
        of.json = NULL;
    } else if (rc == 0) {
        print_stat(&session, of.json);
    }
    json_decref(of.json);
    cli_session_close(&session);
    return rc;
}

/* dfs versions ----------------------------------------------------------------------------------------------------- */

static const struct dfs_option plain_list[] = {CLI_OPTIONS};

static void take_versions(void *ctx, const struct dfs_client_result *result)
{
    json_t *list = ctx;
    const struct dfs_m_versions_page *page = result->message;

    if (result->status != DFS_OK || result->number != DFS_MSG_VERSIONS_PAGE)
        return;
    for (uint32_t i = 0; i < page->versions_count; i++) {
        const struct dfs_w_version *version = &page->versions[i];

        (void)json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "version", cli_json_number(version->version), "file",
                            cli_json_id(&version->file), "size", cli_json_number(version->size_bytes), "created_ms",
                            cli_json_number(version->created_ms), "removed_ms", cli_json_number(version->removed_ms)));
    }
}

int cli_versions(int argc, char **argv)
{
    struct dfs_client_path path = {.version = 0};
    struct cli_session session;
    struct cli_options cli;
    char what[DFS_PATH_BYTES_MAX + 16];
    json_t *list;
    json_t *version;
    size_t i;
    int rc;

    cli_options_init(&cli, "versions", plain_list, sizeof plain_list / sizeof plain_list[0]);
    if (cli_options_next(&cli, argc, argv) == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    rc = cli_check_arguments(&cli, 1, 1, "a path");
    if (rc >= 0)
        return rc;
    rc = cli_take_path(&cli, cli.options.arguments[0], &path.path);
    if (rc >= 0)
        return rc;
    (void)snprintf(what, sizeof what, "VERSIONS %s", path.path);
    rc = cli_session_open(&session, &cli, true, what);
    if (rc != 0)
        return rc;
    list = json_array();
    rc = cli_session_do(&session, what, DFS_CLIENT_VERSIONS, &path, take_versions, list);
    if (rc == 0 && cli.json)
        cli_print_json(json_incref(list));
    else if (rc == 0)
        json_array_foreach(list, i, version)
        {
            char size[CLI_SIZE_BYTES];
            char made[CLI_TIME_BYTES];
            char removed[CLI_TIME_BYTES];
            const uint64_t removed_ms = number_of(version, "removed_ms");

            (void)printf("%8llu  %10s  %s  %s%s\n", (unsigned long long)number_of(version, "version"),
                         cli_size(number_of(version, "size"), size), cli_time(number_of(version, "created_ms"), made),
                         removed_ms != 0 ? "replaced or removed " : "current",
                         removed_ms != 0 ? cli_time(removed_ms, removed) : "");
        }
    json_decref(list);
    cli_session_close(&session);
    return rc;
}

/* dfs nodes -------------------------------------------------------------------------------------------------------- */

struct nodes {
    const struct cli_session *session;
    json_t *json;
    bool more;
    struct dfs_id after;
};

static void take_nodes(void *ctx, const struct dfs_client_result *result)
{
    struct nodes *nodes = ctx;
    const struct dfs_m_nodes_page *page = result->message;

    if (result->status != DFS_OK || result->number != DFS_MSG_NODES_PAGE)
        return;
    for (uint32_t i = 0; i < page->nodes_count; i++) {
        const struct dfs_w_node *node = &page->nodes[i];
        const char *name = dfs_profile_name(&nodes->session->profile, &node->node);
        char address[DFS_ADDRESS_TEXT_BYTES];

        dfs_address_print(&node->addr, address);
        (void)json_array_append_new(
            nodes->json,
            json_pack("{s:o, s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:b}", "node", cli_json_id(&node->node),
                      "name", name != NULL ? name : address, "state", dfs_node_state_name(node->state), "incarnation",
                      cli_json_number(node->incarnation), "zone", cli_json_text(&node->zone), "address", address,
                      "capacity_bytes", cli_json_number(node->capacity_bytes), "used_bytes",
                      cli_json_number(node->used_bytes), "blocks", cli_json_number(node->blocks), "last_heartbeat_ms",
                      cli_json_number(node->last_heartbeat_ms), "fenced", (int)node->fenced));
        nodes->after = node->node;
    }
    nodes->more = page->more != 0 && page->nodes_count > 0;
}

static void print_nodes(json_t *list)
{
    json_t *node;
    size_t i;

    (void)printf("%-22s  %-11s  %4s  %-10s  %10s  %10s  %8s  %10s  %s\n", "NAME", "STATE", "INC", "ZONE", "USED",
                 "CAPACITY", "BLOCKS", "HEARTBEAT", "ADDRESS");
    json_array_foreach(list, i, node)
    {
        char used[CLI_SIZE_BYTES];
        char capacity[CLI_SIZE_BYTES];
        char heartbeat[CLI_SIZE_BYTES];

        (void)snprintf(heartbeat, sizeof heartbeat, "%llu ms",
                       (unsigned long long)number_of(node, "last_heartbeat_ms"));
        (void)printf("%-22s  %-11s  %4llu  %-10s  %10s  %10s  %8llu  %10s  %s%s\n", text_of(node, "name"),
                     text_of(node, "state"), (unsigned long long)number_of(node, "incarnation"), text_of(node, "zone"),
                     cli_size(number_of(node, "used_bytes"), used),
                     cli_size(number_of(node, "capacity_bytes"), capacity),
                     (unsigned long long)number_of(node, "blocks"), heartbeat, text_of(node, "address"),
                     json_is_true(json_object_get(node, "fenced")) ? " fenced" : "");
    }
}

int cli_nodes(int argc, char **argv)
{
    struct nodes nodes = {.json = NULL};
    struct cli_session session;
    struct cli_options cli;
    int rc;

    cli_options_init(&cli, "nodes", plain_list, sizeof plain_list / sizeof plain_list[0]);
    if (cli_options_next(&cli, argc, argv) == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    rc = cli_check_arguments(&cli, 0, 0, "nothing");
    if (rc >= 0)
        return rc;
    rc = cli_session_open(&session, &cli, true, "NODES");
    if (rc != 0)
        return rc;
    nodes.session = &session;
    nodes.json = json_array();
    do {
        const struct dfs_client_nodes from = {.after = nodes.after};

        nodes.more = false;
        rc = cli_session_do(&session, "NODES", DFS_CLIENT_NODES, &from, take_nodes, &nodes);
    } while (rc == 0 && nodes.more && session.interrupts == 0);
    if (rc == 0 && cli.json)
        cli_print_json(json_incref(nodes.json));
    else if (rc == 0)
        print_nodes(nodes.json);
    json_decref(nodes.json);
    cli_session_close(&session);
    return rc;
}

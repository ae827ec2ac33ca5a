/* dfs fsck, explain, status, drain, undrain: is the data whole, why not, and what an operator says about a node. */
#include "apps/cli/cli.h"

#include <stdio.h>
#include <string.h>

static const struct dfs_option plain_list[] = {CLI_OPTIONS};

/* Options and arguments of a command that has none of its own; -1: go on. */
static int take_plain(struct cli_options *cli, const char *name, int argc, char **argv, int min, int max,
                      const char *what)
{
    cli_options_init(cli, name, plain_list, sizeof plain_list / sizeof plain_list[0]);
    if (cli_options_next(cli, argc, argv) == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    return cli_check_arguments(cli, min, max, what);
}

/* dfs fsck --------------------------------------------------------------------------------------------------------- */

struct fsck {
    uint64_t files;
    uint64_t blocks;
    uint64_t whole;
    uint64_t under;
    uint64_t missing;
    uint64_t corrupt;
    uint64_t orphans;
    json_t *paths;
    bool more;
    char after[DFS_PATH_BYTES_MAX + 1];
};

static void take_fsck(void *ctx, const struct dfs_client_result *result)
{
    struct fsck *fsck = ctx;
    const struct dfs_m_fsck_page *page = result->message;

    if (result->status != DFS_OK || result->number != DFS_MSG_FSCK_PAGE)
        return;
    fsck->files += page->files;
    fsck->blocks += page->blocks;
    fsck->whole += page->whole;
    fsck->under += page->under;
    fsck->missing += page->missing;
    fsck->corrupt += page->corrupt;
    fsck->orphans += page->orphans;
    for (uint32_t i = 0; i < page->paths_count; i++) {
        const struct dfs_text *path = &page->paths[i].path;

        if (page->paths[i].status != DFS_OK) /* one that is whole stands there only to say where the page ends */
            (void)json_array_append_new(fsck->paths,
                                        json_pack("{s:o, s:s}", "path", cli_json_text(path), "status",
                                                  dfs_status_name((enum dfs_status)page->paths[i].status)));
        memcpy(fsck->after, path->at, path->count);
        fsck->after[path->count] = '\0';
    }
    fsck->more = page->more != 0 && page->paths_count > 0;
}

static void print_fsck(struct fsck *fsck, bool as_json)
{
    json_t *entry;
    size_t i;

    if (as_json) {
        cli_print_json(json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:O}", "files", cli_json_number(fsck->files),
                                 "blocks", cli_json_number(fsck->blocks), "whole", cli_json_number(fsck->whole),
                                 "under", cli_json_number(fsck->under), "missing", cli_json_number(fsck->missing),
                                 "corrupt", cli_json_number(fsck->corrupt), "orphans", cli_json_number(fsck->orphans),
                                 "paths", fsck->paths));
        return;
    }
    json_array_foreach(fsck->paths, i, entry)(void)
        printf("%s  %s\n", json_string_value(json_object_get(entry, "status")),
               json_string_value(json_object_get(entry, "path")));
    (void)printf(
        "%llu files, %llu blocks: %llu whole, %llu with copies missing, %llu without a copy, %llu with a bad copy\n",
        (unsigned long long)fsck->files, (unsigned long long)fsck->blocks, (unsigned long long)fsck->whole,
        (unsigned long long)fsck->under, (unsigned long long)fsck->missing, (unsigned long long)fsck->corrupt);
}

int cli_fsck(int argc, char **argv)
{
    struct dfs_client_list list = {.prefix = ""};
    struct fsck fsck = {.files = 0};
    struct cli_session session;
    struct cli_options cli;
    char what[DFS_PATH_BYTES_MAX + 16];
    int rc = take_plain(&cli, "fsck", argc, argv, 0, 1, "a prefix");

    if (rc >= 0)
        return rc;
    if (cli.options.arguments_count == 1)
        list.prefix = cli_path(cli.options.arguments[0]);
    (void)snprintf(what, sizeof what, "FSCK %s", list.prefix);
    rc = cli_session_open(&session, &cli, true, what);
    if (rc != 0)
        return rc;
    fsck.paths = json_array();
    do {
        char after[sizeof fsck.after];

        memcpy(after, fsck.after, sizeof after);
        list.after = after;
        fsck.more = false;
        rc = cli_session_do(&session, what, DFS_CLIENT_FSCK, &list, take_fsck, &fsck);
    } while (rc == 0 && fsck.more && session.interrupts == 0);
    if (rc == 0) {
        print_fsck(&fsck, cli.json);
        rc = fsck.under + fsck.missing + fsck.corrupt > 0 ? 1 : 0; /* done, and false */
    }
    json_decref(fsck.paths);
    cli_session_close(&session);
    return rc;
}

/* dfs explain ------------------------------------------------------------------------------------------------------ */

struct explain {
    json_t *blocks;
    bool more;
};

static void take_explain(void *ctx, const struct dfs_client_result *result)
{
    struct explain *explain = ctx;
    const struct dfs_m_explain_page *page = result->message;

    if (result->status != DFS_OK || result->number != DFS_MSG_EXPLAIN_PAGE)
        return;
    for (uint32_t i = 0; i < page->blocks_count; i++) {
        const struct dfs_w_explain_block *block = &page->blocks[i];

        (void)json_array_append_new(
            explain->blocks,
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "index", cli_json_number(block->index), "copies",
                      cli_json_number(block->copies), "wanted", cli_json_number(block->wanted), "why",
                      cli_json_text(&block->why), "queue", cli_json_text(&block->queue), "position",
                      cli_json_number(block->position), "eta_ms", cli_json_number(block->eta_ms)));
    }
    explain->more = page->more != 0 && page->blocks_count > 0;
}

static void print_explain(const char *path, json_t *blocks)
{
    json_t *block;
    size_t i;

    (void)printf("%s\n", path);
    json_array_foreach(blocks, i, block)
    {
        const char *why = json_string_value(json_object_get(block, "why"));
        const char *queue = json_string_value(json_object_get(block, "queue"));
        const bool shown = queue != NULL && why != NULL && queue[0] != '\0' && strcmp(queue, why) != 0;

        (void)printf("  block %lld  %lld of %lld copies  %s%s%s\n",
                     (long long)json_integer_value(json_object_get(block, "index")),
                     (long long)json_integer_value(json_object_get(block, "copies")),
                     (long long)json_integer_value(json_object_get(block, "wanted")), why != NULL ? why : "",
                     shown ? "; " : "", shown ? queue : "");
    }
}

int cli_explain(int argc, char **argv)
{
    struct dfs_client_path path = {.version = 0};
    struct explain explain = {.blocks = NULL};
    struct cli_session session;
    struct cli_options cli;
    char what[DFS_PATH_BYTES_MAX + 16];
    int rc = take_plain(&cli, "explain", argc, argv, 1, 1, "a path");

    if (rc >= 0)
        return rc;
    rc = cli_take_path(&cli, cli.options.arguments[0], &path.path);
    if (rc >= 0)
        return rc;
    (void)snprintf(what, sizeof what, "EXPLAIN %s", path.path);
    rc = cli_session_open(&session, &cli, true, what);
    if (rc != 0)
        return rc;
    explain.blocks = json_array();
    do {
        path.first_block = (uint32_t)json_array_size(explain.blocks);
        explain.more = false;
        rc = cli_session_do(&session, what, DFS_CLIENT_EXPLAIN, &path, take_explain, &explain);
    } while (rc == 0 && explain.more && session.interrupts == 0);
    if (rc == 0 && cli.json)
        cli_print_json(json_pack("{s:s, s:O}", "path", path.path, "blocks", explain.blocks));
    else if (rc == 0)
        print_explain(path.path, explain.blocks);
    json_decref(explain.blocks);
    cli_session_close(&session);
    return rc;
}

/* dfs status ------------------------------------------------------------------------------------------------------- */

static void take_health(void *ctx, const struct dfs_client_result *result)
{
    json_t **health = ctx;
    const struct dfs_m_health_done *done = result->message;
    json_t *nodes;

    if (result->status != DFS_OK || result->number != DFS_MSG_HEALTH_DONE)
        return;
    nodes = json_object();
    for (uint32_t i = 0; i < done->nodes_count && i < DFS_NODE_STATE_COUNT; i++)
        (void)json_object_set_new(nodes, dfs_node_state_name((enum dfs_node_state)i),
                                  cli_json_number(done->nodes[i].value));
    *health = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}, s:o, s:o}", "health", cli_json_text(&done->health), "nodes",
        nodes, "under", cli_json_number(done->under), "one_copy", cli_json_number(done->one_copy), "losses_survivable",
        cli_json_number(done->losses_survivable), "repair", "queued", cli_json_number(done->repair_queued), "running",
        cli_json_number(done->repair_running), "bytes_per_s", cli_json_number(done->repair_bytes_per_s),
        "scrub_oldest_ms", cli_json_number(done->scrub_oldest_ms), "epoch", cli_json_number(done->epoch));
}

static unsigned long long number_of(json_t *object, const char *key)
{
    return (unsigned long long)json_integer_value(json_object_get(object, key));
}

static void print_health(json_t *health)
{
    json_t *repair = json_object_get(health, "repair");
    const char *state;
    json_t *count;

    (void)printf("health   %s\nnodes   ", json_string_value(json_object_get(health, "health")));
    json_object_foreach(json_object_get(health, "nodes"), state, count) if (json_integer_value(count) > 0)(void)
        printf(" %lld %s", (long long)json_integer_value(count), state);
    (void)printf("\nblocks   %llu with fewer copies than wanted, %llu with one copy; %llu more losses are survived\n"
                 "repair   %llu queued, %llu running\n",
                 number_of(health, "under"), number_of(health, "one_copy"), number_of(health, "losses_survivable"),
                 number_of(repair, "queued"), number_of(repair, "running"));
}

int cli_status(int argc, char **argv)
{
    struct cli_session session;
    struct cli_options cli;
    json_t *health = NULL;
    int rc = take_plain(&cli, "status", argc, argv, 0, 0, "nothing");

    if (rc >= 0)
        return rc;
    rc = cli_session_open(&session, &cli, true, "STATUS");
    if (rc != 0)
        return rc;
    rc = cli_session_do(&session, "STATUS", DFS_CLIENT_HEALTH, NULL, take_health, &health);
    if (rc == 0 && cli.json)
        cli_print_json(json_incref(health));
    else if (rc == 0)
        print_health(health);
    json_decref(health);
    cli_session_close(&session);
    return rc;
}

/* dfs drain, undrain ----------------------------------------------------------------------------------------------- */

/* A node by its name in the profile, or by its id. */
static bool find_node(const struct dfs_profile *profile, const char *typed, struct dfs_id *ret_node)
{
    const char *id;
    json_t *name;

    json_object_foreach(profile->names, id,
                        name) if (strcmp(json_string_value(name), typed) == 0) return dfs_id_parse(id, ret_node);
    return dfs_id_parse(typed, ret_node);
}

static int drain(const char *name, bool on, int argc, char **argv)
{
    struct dfs_client_drain order = {.on = on};
    struct cli_session session;
    struct cli_options cli;
    char what[96];
    int rc = take_plain(&cli, name, argc, argv, 1, 1, "a node");

    if (rc >= 0)
        return rc;
    (void)snprintf(what, sizeof what, "DRAIN %.80s", cli.options.arguments[0]);
    rc = cli_session_open(&session, &cli, true, what);
    if (rc != 0)
        return rc;
    if (find_node(&session.profile, cli.options.arguments[0], &order.node))
        rc = cli_session_do(&session, what, DFS_CLIENT_DRAIN, &order, NULL, NULL);
    else
        rc = cli_fail(what, DFS_NOT_FOUND, "neither a node's id nor a name that the profile knows; see dfs nodes");
    if (rc == 0 && cli.json)
        cli_print_json(json_pack("{s:o, s:b}", "node", cli_json_id(&order.node), "draining", on));
    cli_session_close(&session);
    return rc;
}

int cli_drain(int argc, char **argv)
{
    return drain("drain", true, argc, argv);
}

int cli_undrain(int argc, char **argv)
{
    return drain("undrain", false, argc, argv);
}

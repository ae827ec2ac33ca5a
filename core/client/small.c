/* Commands that are one question and one answer: STAT, LIST, MOVE, REMOVE, RESTORE, VERSIONS, NODES, FSCK, EXPLAIN, DRAIN, HEALTH. One table, one machine. */
#include "core/client/client_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/env/trace.h"

#include <string.h>

struct small;

struct small_kind {
    const char *name;
    uint32_t code;
    uint32_t question;
    uint32_t answer;
    /* Makes the question of the command's argument; texts point into the argument and are copied afterwards. */
    void (*make)(struct small *small, const void *argument);
};

struct small {
    struct client_command base;
    const struct small_kind *kind;
    struct client_ask ask;
    union dfs_any_message question;
    char *path; /* what the question's texts point to */
    char *path2;
};

/* Operation ids make changes idempotent: asked again after a lost answer, they are not done twice. */
static void draw_operation(struct small *small, struct dfs_id *ret_id)
{
    struct dfs_client *client = small->base.client;

    client->env.rng->random(client->env.ctx, DFS_RNG_ID, ret_id->bytes, sizeof ret_id->bytes);
    dfs_id_make_random(ret_id);
}

static struct dfs_text keep(char **kept, const char *text)
{
    *kept = dfs_client_copy_text(text != NULL ? text : "");
    return dfs_text_of(*kept);
}

/* Questions ----------------------------------------------------------------------------------------------------------------- */

static void make_stat(struct small *small, const void *argument)
{
    const struct dfs_client_path *wanted = argument;

    small->question.stat = (struct dfs_m_stat){
        .path = keep(&small->path, wanted->path), .version = wanted->version, .first_block = wanted->first_block};
}

static void make_list(struct small *small, const void *argument)
{
    const struct dfs_client_list *wanted = argument;
    const uint32_t limit = wanted->limit == 0 || wanted->limit > DFS_LIST_PAGE_MAX ? DFS_LIST_PAGE_MAX : wanted->limit;

    small->question.list = (struct dfs_m_list){.prefix = keep(&small->path, wanted->prefix),
                                               .after = keep(&small->path2, wanted->after),
                                               .recursive = wanted->recursive,
                                               .limit = limit};
}

static void make_move(struct small *small, const void *argument)
{
    const struct dfs_client_move *wanted = argument;

    small->question.move = (struct dfs_m_move){.path = keep(&small->path, wanted->path),
                                               .to_path = keep(&small->path2, wanted->to_path),
                                               .precondition = wanted->if_absent ? DFS_IF_ABSENT : DFS_IF_ANY};
    draw_operation(small, &small->question.move.operation);
}

static void make_remove(struct small *small, const void *argument)
{
    const struct dfs_client_path *wanted = argument;

    small->question.remove =
        (struct dfs_m_remove){.path = keep(&small->path, wanted->path), .if_version = wanted->version};
    draw_operation(small, &small->question.remove.operation);
}

static void make_restore(struct small *small, const void *argument)
{
    const struct dfs_client_path *wanted = argument;

    small->question.restore =
        (struct dfs_m_restore){.path = keep(&small->path, wanted->path), .version = wanted->version};
    draw_operation(small, &small->question.restore.operation);
}

static void make_versions(struct small *small, const void *argument)
{
    const struct dfs_client_path *wanted = argument;

    small->question.versions = (struct dfs_m_versions){.path = keep(&small->path, wanted->path)};
}

static void make_nodes(struct small *small, const void *argument)
{
    const struct dfs_client_nodes *wanted = argument;

    small->question.nodes = (struct dfs_m_nodes){.after = wanted->after};
}

static void make_fsck(struct small *small, const void *argument)
{
    const struct dfs_client_list *wanted = argument;

    small->question.fsck =
        (struct dfs_m_fsck){.prefix = keep(&small->path, wanted->prefix), .after = keep(&small->path2, wanted->after)};
}

static void make_explain(struct small *small, const void *argument)
{
    const struct dfs_client_path *wanted = argument;

    small->question.explain =
        (struct dfs_m_explain){.path = keep(&small->path, wanted->path), .first_block = wanted->first_block};
}

static void make_drain(struct small *small, const void *argument)
{
    const struct dfs_client_drain *wanted = argument;

    small->question.drain = (struct dfs_m_drain){.node = wanted->node, .on = wanted->on};
    draw_operation(small, &small->question.drain.operation);
}

static void make_health(struct small *small, const void *argument)
{
    (void)argument;
    small->question.health = (struct dfs_m_health){.reserved = 0};
}

static const struct small_kind kinds[] = {
    {"stat", DFS_CLIENT_STAT, DFS_MSG_STAT, DFS_MSG_STAT_DONE, make_stat},
    {"list", DFS_CLIENT_LIST, DFS_MSG_LIST, DFS_MSG_LIST_PAGE, make_list},
    {"move", DFS_CLIENT_MOVE, DFS_MSG_MOVE, DFS_MSG_CHANGED, make_move},
    {"remove", DFS_CLIENT_REMOVE, DFS_MSG_REMOVE, DFS_MSG_CHANGED, make_remove},
    {"restore", DFS_CLIENT_RESTORE, DFS_MSG_RESTORE, DFS_MSG_CHANGED, make_restore},
    {"versions", DFS_CLIENT_VERSIONS, DFS_MSG_VERSIONS, DFS_MSG_VERSIONS_PAGE, make_versions},
    {"nodes", DFS_CLIENT_NODES, DFS_MSG_NODES, DFS_MSG_NODES_PAGE, make_nodes},
    {"fsck", DFS_CLIENT_FSCK, DFS_MSG_FSCK, DFS_MSG_FSCK_PAGE, make_fsck},
    {"explain", DFS_CLIENT_EXPLAIN, DFS_MSG_EXPLAIN, DFS_MSG_EXPLAIN_PAGE, make_explain},
    {"drain", DFS_CLIENT_DRAIN, DFS_MSG_DRAIN, DFS_MSG_STATUS, make_drain},
    {"health", DFS_CLIENT_HEALTH, DFS_MSG_HEALTH, DFS_MSG_HEALTH_DONE, make_health},
};

/* The machine: asked, and answered ------------------------------------------------------------------------------------------------- */

static struct small *small_of(struct client_command *command)
{
    return dfs_container_of(command, struct small, base);
}

static void small_free(struct small *small)
{
    dfs_client_ask_stop(&small->ask);
    dfs_free(small->path);
    dfs_free(small->path2);
    dfs_free(small);
}

static void end(struct small *small, struct dfs_client_result *result, const char *detail)
{
    char words[CLIENT_WORDS_BYTES];

    result->words = small->path != NULL && small->path[0] != '\0'
                        ? dfs_client_say(words, "%s %.100s: %s", small->kind->name, small->path, detail)
                        : dfs_client_say(words, "%s: %s", small->kind->name, detail);
    dfs_client_command_end(&small->base, result);
    small_free(small);
}

static void small_fail(struct client_command *command, enum dfs_status status, const char *words)
{
    struct dfs_client_result result = {.status = status};

    end(small_of(command), &result, words);
}

static void small_drop(struct client_command *command)
{
    dfs_client_command_forget(command);
    small_free(small_of(command));
}

static const struct client_command_kind small_kind = {.name = "request", .fail = small_fail, .drop = small_drop};

static void small_send(struct client_ask *ask)
{
    const struct small *small = dfs_container_of(ask, struct small, ask);

    dfs_client_ask_send(ask, small->kind->question, &small->question);
}

static void small_answered(struct client_ask *ask, const struct dfs_incoming *in)
{
    struct small *small = dfs_container_of(ask, struct small, ask);
    struct dfs_client_result result = {.number = in->number, .message = in->body};
    char detail[CLIENT_WORDS_BYTES] = "done";
    struct client_status answer;

    if (dfs_client_is_status(in, &answer)) {
        result = (struct dfs_client_result){.status = answer.status, .retry_after_ns = answer.retry_after_ns};
        dfs_client_say(detail, "%s", answer.words);
    } else if (in->number != small->kind->answer) {
        result = (struct dfs_client_result){.status = DFS_BAD_REQUEST};
        dfs_client_say(detail, "metadata answered with something else; do the versions match?");
    } else if (in->number == DFS_MSG_CHANGED) {
        const struct dfs_m_changed *m = in->body;

        if (m->status == DFS_UNAVAILABLE) { /* not done, and may be later */
            dfs_client_command_trouble(&small->base, DFS_UNAVAILABLE, dfs_status_words(DFS_UNAVAILABLE));
            dfs_client_ask_later(ask, dfs_client_back_off(small->base.client, 2));
            return;
        }
        result.status = (enum dfs_status)m->status;
        if (m->words.count > 0)
            dfs_client_say(detail, "%.*s", (int)m->words.count, m->words.at);
        else
            dfs_client_say(detail, "%s", dfs_status_words(result.status));
    }
    end(small, &result, detail);
}

void dfs_client_small_start(struct dfs_client *client, uint64_t id, uint32_t code, const void *argument)
{
    const struct small_kind *kind = NULL;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].code == code)
            kind = &kinds[i];
    DFS_ASSERT(kind != NULL);
    struct small *small = dfs_alloc_zero(sizeof *small);

    dfs_client_command_init(client, &small->base, &small_kind, id);
    small->kind = kind;
    dfs_client_ask_init(&small->ask, &small->base, small_send, small_answered);
    kind->make(small, argument);
    const char *fault = small->path != NULL ? dfs_client_path_fault(small->path) : NULL;

    if (fault == NULL && small->path2 != NULL)
        fault = dfs_client_path_fault(small->path2);
    if (fault != NULL)
        small_fail(&small->base, DFS_BAD_REQUEST, fault);
    else
        dfs_client_ask_start(&small->ask);
}

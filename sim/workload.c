#include "sim/workload.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/content.h"
#include "sim/listen.h"
#include "sim/loss.h"
#include "sim/nemesis.h"
#include "sim/token_make.h"

#include <stdio.h>
#include <string.h>

/* A step or mix of the scenario. */
struct task {
    struct sim_workload *workload;
    const struct sim_work *work;
    uint32_t index;
    struct sim_operation *operation; /* of a step; NULL: not asked */
    /* a mix */
    uint64_t next; /* number of its next operation */
    uint64_t asked;
    dfs_time_ns from; /* of the scenario */
    dfs_time_ns to;
    uint32_t clients[SIM_CLIENTS_MAX];
    uint32_t clients_count;
    uint64_t weight_sum;
    char *password; /* of a login under a name that stands there */
};

/* The password of every user (sim/cluster.c) is this and the name. */
#define PASSWORD_OF "password-"

struct client {
    struct sim_workload *workload;
    uint32_t index;
    char token[DFS_TOKEN_BYTES_MAX + 1]; /* the last good one that auth gave */
    struct sim_operation *spoiled;       /* runs under a bad token now */
    bool token_is_bad;                   /* until a login is answered */
    uint32_t steps_running;
    uint64_t login_command;            /* of a login that nobody asked for; 0: none */
    char bad[DFS_TOKEN_BYTES_MAX + 1]; /* text of a command that is under way to the machine */
    /* its own */
    char user[DFS_USER_BYTES_MAX + 1];
    char password[DFS_USER_BYTES_MAX + sizeof PASSWORD_OF];
};

/* One that is no operation. */
struct question {
    uint64_t command; /* 0: none is open */
    uint32_t client;
    void (*answered)(void *arg, const struct dfs_client_result *result);
    void *arg;
};

struct sim_workload {
    struct sim_run *run;
    struct question question;
    struct task *tasks;
    size_t tasks_count;
    struct client *clients;
    struct sim_numbered by_command; /* operations that run */
    uint64_t *aborts;               /* numbers of those to be cancelled at once */
    size_t aborts_count;
    size_t running;
    uint64_t tokens_made;
    uint64_t puts_wanted;
    uint64_t mix_stream; /* of draws */
    uint64_t content_stream;
    bool stopped;
};

/* Draws of a mix: one number an operation and purpose. */
enum mix_draw {
    DRAW_TIME,
    DRAW_CLIENT,
    DRAW_KIND,
    DRAW_PATH,
    DRAW_TO_PATH,
    DRAW_SIZE,
    DRAW_RANGE,
    DRAW_ABORT,
    DRAW_COUNT
};

static uint64_t mix_draw(const struct task *task, enum mix_draw purpose, uint64_t count)
{
    const uint64_t number = ((uint64_t)task->index << 44) + task->next * DRAW_COUNT + (uint64_t)purpose;

    return sim_below(sim_world_draw_of(task->workload->run->world, task->workload->mix_stream, number), count);
}

/* Commands and operations -------------------------------------------------------------------------------------------------- */

/* NULL: it is no operation of ours, or was answered. */
static struct sim_operation *operation_of(struct sim_workload *workload, uint64_t command)
{
    return sim_numbered_at(&workload->by_command, command);
}

/* NULL: it was answered, and is forgotten. */
static struct sim_operation *operation_by_number(const struct sim_workload *workload, uint64_t number)
{
    DFS_ASSERT(number >= 1 && number <= workload->run->ledger.operations_count);
    return sim_ledger_operation(&workload->run->ledger, number);
}

/* What an operation's outcome adds to the trace hash. */
static void hash_outcome(struct sim_run *run, const struct sim_operation *operation)
{
    const uint64_t words[] = {operation->number, (uint64_t)operation->kind, (uint64_t)operation->status,
                              operation->version, operation->got_bytes};

    sim_world_hash_add(run->world, words, sizeof words);
}

static size_t on_fill(void *arg, uint32_t client, uint64_t source, uint64_t offset, uint8_t *bytes, size_t count)
{
    struct sim_workload *workload = arg;
    const struct sim_operation *operation = operation_by_number(workload, source);
    const struct sim_put *put = operation == NULL ? sim_ledger_put_of(&workload->run->ledger, source) : NULL;
    const uint64_t size_bytes = operation != NULL ? operation->size_bytes : put->size_bytes;
    const uint64_t left = offset < size_bytes ? size_bytes - offset : 0;
    const size_t part = count < left ? count : (size_t)left;

    (void)client;
    sim_content_fill(operation != NULL ? operation->key : put->key, offset, bytes, part);
    return part;
}

static void cancel_due(void *arg, struct sim_world *world)
{
    struct sim_workload *workload = arg;

    (void)world;
    for (size_t i = 0; i < workload->aborts_count; i++) {
        const struct sim_operation *operation = operation_by_number(workload, workload->aborts[i]);

        if (operation == NULL || operation->answered_at != DFS_NEVER || operation->lost)
            continue;
        const struct dfs_client_cancel cancel = {.command = operation->command};

        (void)sim_client_command(workload->run->cluster, operation->client, DFS_CLIENT_CANCEL, &cancel, sizeof cancel);
    }
    workload->aborts_count = 0;
}

/* Taking bytes from the source is what `after_bytes` counts. */
static size_t on_fill_counted(void *arg, uint32_t client, uint64_t source, uint64_t offset, uint8_t *bytes,
                              size_t count)
{
    struct sim_workload *workload = arg;
    struct sim_operation *operation = operation_by_number(workload, source);
    const size_t got = on_fill(arg, client, source, offset, bytes, count);

    if (operation != NULL && operation->kind == SIM_OP_ABORT_PUT && !operation->aborting &&
        offset + got >= operation->abort_after_bytes) {
        operation->aborting = true;
        workload->aborts = dfs_realloc_array(workload->aborts, workload->aborts_count + 1, sizeof *workload->aborts);
        workload->aborts[workload->aborts_count++] = source;
        if (workload->aborts_count == 1)
            sim_world_call(workload->run->world, sim_world_now(workload->run->world), cancel_due, workload);
    }
    return got;
}

static void on_accept(void *arg, uint32_t client, uint64_t sink, uint64_t offset, const uint8_t *bytes, size_t count)
{
    struct sim_workload *workload = arg;
    struct sim_operation *operation = operation_by_number(workload, sink);

    (void)client;
    if (operation != NULL && operation->answered_at == DFS_NEVER && !operation->lost)
        sim_ledger_got(operation, offset, bytes, count);
}

static void on_finish(void *arg, uint32_t client, uint64_t sink, bool commit)
{
    struct sim_workload *workload = arg;

    struct sim_operation *operation = operation_by_number(workload, sink);

    (void)client;
    if (operation != NULL)
        operation->got_all = commit;
}

/* Answers --------------------------------------------------------------------------------------------------------------------- */

/* The version and file that an answer names. */
static void named(const struct dfs_client_result *result, uint64_t *ret_version, const struct dfs_id **ret_file)
{
    *ret_version = 0;
    *ret_file = NULL;
    if (result->message == NULL)
        return;
    switch (result->number) {
    case DFS_MSG_PUT_DONE: {
        const struct dfs_m_put_done *m = result->message;

        *ret_version = m->version;
        *ret_file = &m->file;
        return;
    }
    case DFS_MSG_GET_PLAN: {
        const struct dfs_m_get_plan *m = result->message;

        *ret_version = m->version;
        *ret_file = &m->file;
        return;
    }
    case DFS_MSG_STAT_DONE: {
        const struct dfs_m_stat_done *m = result->message;

        *ret_version = m->version;
        *ret_file = &m->file;
        return;
    }
    case DFS_MSG_CHANGED: {
        const struct dfs_m_changed *m = result->message;

        *ret_version = m->version;
        return;
    }
    default:
        return;
    }
}

/* Has a fault taken what some data server had stored? */
static bool is_destroyed(const struct sim_run *run)
{
    for (uint32_t i = 0; i < run->cluster->options.data; i++)
        if (sim_nemesis_destroyed(run->nemesis, 2 + i))
            return true;
    return false;
}

/*
 * Loss that no system could have avoided is not ours to call a broken promise: a name, when metadata's own disk was destroyed; bytes, when no good copy of some block is
 * where this client can get it, or was until so lately that it may not have noticed. At the end, when all is at rest, there is nothing left to notice.
 */
static bool is_excused(const struct sim_workload *workload, const struct sim_operation *operation)
{
    struct sim_run *run = workload->run;
    const dfs_duration_ns lately = operation->audit ? 0 : sim_loss_patience(run);
    const uint32_t client = 2 + run->cluster->options.data + operation->client;
    enum sim_loss loss;

    if (operation->status == DFS_NOT_FOUND)
        return sim_nemesis_destroyed(run->nemesis, 1);
    if (operation->status != DFS_DATA_LOST)
        return false;
    if (sim_nemesis_destroyed(run->nemesis, 1) || sim_nemesis_touches(run->nemesis, client, lately))
        return true;
    loss = sim_loss_of_path(run, operation->path->name, operation->asked_at, lately);
    /* At rest, what must be there and stands on no disk was taken by a fault of a disk, or by the cluster itself. */
    return operation->audit && loss == SIM_LOSS_GONE ? is_destroyed(run) : loss != SIM_LOSS_NONE;
}

/* How long a client waits before it tries again to log in after a restart. */
#define LOGIN_RETRY_NS (1 * DFS_SECONDS)

static void login_now(void *arg, struct sim_world *world)
{
    struct client *client = arg;
    struct sim_cluster *cluster = client->workload->run->cluster;
    const struct dfs_client_login login = {.user = client->user, .password = client->password};

    (void)world;
    client->login_command = sim_client_command(cluster, client->index, DFS_CLIENT_LOGIN, &login, sizeof login);
}

static void login_at(struct client *client, dfs_duration_ns wait)
{
    struct sim_world *world = client->workload->run->world;

    sim_world_call(world, sim_world_now(world) + wait, login_now, client);
}

/* The bad token has had its say: the client goes on with a good one. */
static void unspoil(struct client *client, const struct sim_operation *operation)
{
    if (client->spoiled != operation)
        return;
    client->spoiled = NULL;
    login_at(client, 0);
}

static void on_token(struct sim_run *run, void *state, const struct sim_seen *seen, unsigned when)
{
    struct sim_workload *workload = *(struct sim_workload **)state;
    const struct dfs_m_token *m = seen->body;
    const struct sim_node *node = sim_host_user(seen->message->to);

    (void)when;
    if (m == NULL || node->role != DFS_ROLE_CLIENT || m->token.count > DFS_TOKEN_BYTES_MAX)
        return;
    struct client *client = &workload->clients[node - run->cluster->clients];

    memcpy(client->token, m->token.at, m->token.count);
    client->token[m->token.count] = '\0';
}

static void question_end(struct sim_workload *workload, const struct dfs_client_result *result)
{
    const struct question question = workload->question;

    workload->question.command = 0;
    question.answered(question.arg, result);
}

/* What happens next may be about it: about a mix only where nothing else has happened. The audit stands in no file. */
static void line_of_operation(struct sim_run *run, const struct sim_operation *operation)
{
    const bool is_mix = operation->step == UINT32_MAX;

    if (operation->audit || (is_mix && run->line > 0 && !run->line_is_mix))
        return;
    run->line = run->scenario->works[operation->work].line;
    run->line_is_mix = is_mix;
}

static void tell_event(struct sim_run *run, const struct sim_operation *operation)
{
    struct sim_host *host = run->cluster->clients[operation->client].host;

    if (operation->audit || operation->status != DFS_OK)
        return;
    if (operation->kind == SIM_OP_PUT || operation->kind == SIM_OP_ABORT_PUT)
        sim_run_event(run, SIM_EVENT_PUT_ACKNOWLEDGED, host);
    else if (operation->kind == SIM_OP_GET || operation->kind == SIM_OP_RANGE_GET)
        sim_run_event(run, SIM_EVENT_GET_DONE, host);
}

static void on_answer(void *arg, uint32_t index, uint64_t command, const struct dfs_client_result *result)
{
    struct sim_workload *workload = arg;
    struct sim_run *run = workload->run;
    struct sim_operation *operation = operation_of(workload, command);
    struct sim_ledger_violation violation;
    const struct dfs_id *file = NULL;
    uint64_t version = 0;

    if (command == workload->clients[index].login_command) {
        workload->clients[index].login_command = 0;
        if (result->status != DFS_OK)
            login_at(&workload->clients[index], LOGIN_RETRY_NS);
        else
            workload->clients[index].token_is_bad = false;
    }
    if (command == workload->question.command)
        question_end(workload, result);
    if (operation == NULL)
        return;
    sim_numbered_drop(&workload->by_command, command);
    workload->running--;
    workload->clients[index].steps_running -= operation->step != UINT32_MAX;
    named(result, &version, &file);
    const bool kept = sim_ledger_answer(&run->ledger, operation, sim_world_now(run->world), result->status, version,
                                        file, &violation);

    hash_outcome(run, operation);
    line_of_operation(run, operation);
    if (!kept && !is_excused(workload, operation))
        sim_run_violation(run, violation.checker, run->cluster->clients[index].host, "%s", violation.text);
    unspoil(&workload->clients[index], operation);
    sim_tell_answered(run, operation, result);
    tell_event(run, operation);
    if (!run->options.keeps_operations)
        sim_ledger_forget(&run->ledger, operation);
}

struct sim_client_hooks sim_workload_hooks(struct sim_workload *workload)
{
    return (struct sim_client_hooks){workload, on_fill_counted, on_accept, on_finish, on_answer};
}

/* Asking ------------------------------------------------------------------------------------------------------------------------ */

/* What is to be asked: of a step, or drawn by a mix. */
struct wish {
    enum sim_operation_kind kind;
    const char *path;
    const char *to_path;
    const char *user; /* of a login; NULL or "": the client's own */
    const char *password;
    uint64_t size_bytes;
    uint64_t first;
    uint64_t last;
    uint64_t after_bytes;
    uint64_t version;
    enum dfs_ack ack;
    enum dfs_durability durability;
    bool if_absent;
    uint32_t step;
    uint32_t work;
    bool audit;
};

static uint64_t command_put(struct sim_workload *workload, const struct wish *wish, struct sim_operation *operation)
{
    const struct dfs_client_put put = {.path = operation->path->name,
                                       .source = operation->number,
                                       .size_bytes = wish->size_bytes,
                                       .ack = wish->ack,
                                       .durability = wish->durability,
                                       .precondition = wish->if_absent ? DFS_IF_ABSENT : DFS_IF_ANY,
                                       .rereadable = true};

    operation->if_absent = wish->if_absent;
    operation->abort_after_bytes = wish->after_bytes;
    sim_ledger_put(&workload->run->ledger, operation,
                   sim_world_draw_of(workload->run->world, workload->content_stream, operation->number),
                   wish->size_bytes);
    return sim_client_command(workload->run->cluster, operation->client, DFS_CLIENT_PUT, &put, sizeof put);
}

static uint64_t command_get(struct sim_workload *workload, const struct wish *wish, struct sim_operation *operation)
{
    const bool whole = wish->kind == SIM_OP_GET;
    const struct dfs_client_get get = {.path = operation->path->name,
                                       .version = wish->version,
                                       .sink = operation->number,
                                       .first = whole ? 0 : wish->first,
                                       .last = whole ? DFS_SIZE_UNKNOWN : wish->last};

    operation->first = wish->first;
    operation->last = wish->last;
    operation->wanted_version = wish->version;
    return sim_client_command(workload->run->cluster, operation->client, DFS_CLIENT_GET, &get, sizeof get);
}

static uint64_t command_login(struct sim_workload *workload, const struct wish *wish,
                              const struct sim_operation *operation)
{
    const struct client *client = &workload->clients[operation->client];
    const bool own = wish->user == NULL || wish->user[0] == '\0';
    const struct dfs_client_login login = {.user = own ? client->user : wish->user,
                                           .password = own ? client->password : wish->password};

    return sim_client_command(workload->run->cluster, operation->client, DFS_CLIENT_LOGIN, &login, sizeof login);
}

/* Sends the command; 0 when the client is down. Texts live in the ledger's paths or with the client. */
static uint64_t command_send(struct sim_workload *workload, const struct wish *wish, struct sim_operation *operation)
{
    struct sim_cluster *cluster = workload->run->cluster;
    const char *name = operation->path != NULL ? operation->path->name : "";
    const struct dfs_client_path path = {.path = name, .version = wish->version};
    const struct dfs_client_list list = {.prefix = name, .after = "", .recursive = true, .limit = 100};
    const struct dfs_client_move move = {
        .path = name,
        .to_path = operation->to_path != NULL ? operation->to_path->name : "",
        .if_absent = wish->if_absent,
    };

    switch (wish->kind) {
    case SIM_OP_PUT:
    case SIM_OP_ABORT_PUT:
        return command_put(workload, wish, operation);
    case SIM_OP_GET:
    case SIM_OP_RANGE_GET:
        return command_get(workload, wish, operation);
    case SIM_OP_STAT:
        operation->wanted_version = wish->version;
        return sim_client_command(cluster, operation->client, DFS_CLIENT_STAT, &path, sizeof path);
    case SIM_OP_LIST:
        return sim_client_command(cluster, operation->client, DFS_CLIENT_LIST, &list, sizeof list);
    case SIM_OP_MOVE:
        return sim_client_command(cluster, operation->client, DFS_CLIENT_MOVE, &move, sizeof move);
    case SIM_OP_REMOVE:
        return sim_client_command(cluster, operation->client, DFS_CLIENT_REMOVE, &path, sizeof path);
    case SIM_OP_RESTORE:
        return sim_client_command(cluster, operation->client, DFS_CLIENT_RESTORE, &path, sizeof path);
    case SIM_OP_LOGIN:
        return command_login(workload, wish, operation);
    case SIM_OP_COUNT:
        break;
    }
    dfs_unreachable("command_send");
}

static struct sim_operation *ask(struct sim_workload *workload, uint32_t client, const struct wish *wish,
                                 enum sim_token token)
{
    struct sim_run *run = workload->run;

    if (!sim_host_is_up(run->cluster->clients[client].host))
        return NULL;
    /* What an operation of the end asks of files that went is asked of it when all have been answered (sim/audit.c). */
    if (!run->over)
        sim_files_rest(&run->ledger.files);
    struct sim_operation *operation =
        sim_ledger_ask(&run->ledger, wish->kind, client, wish->path, wish->to_path, sim_world_now(run->world));

    operation->step = wish->step;
    operation->work = wish->work;
    operation->token = token;
    operation->audit = wish->audit;
    line_of_operation(run, operation);
    operation->command = command_send(workload, wish, operation);
    DFS_ASSERT(operation->command != 0);
    sim_numbered_put(&workload->by_command, operation->command, operation);
    workload->running++;
    workload->clients[client].steps_running += wish->step != UINT32_MAX;
    sim_tell_asked(run, operation);
    return operation;
}

/* Makes the client show another token from now on; false when such a token cannot be had. */
static bool spoil(struct sim_workload *workload, uint32_t client, enum sim_token kind)
{
    struct sim_cluster *cluster = workload->run->cluster;
    const uint32_t clients = cluster->options.clients;
    struct client *own = &workload->clients[client];
    char *text = own->bad;
    struct dfs_client_token token = {.token = text};

    switch (kind) {
    case SIM_TOKEN_NONE:
        text[0] = '\0';
        break;
    case SIM_TOKEN_STOLEN:
        if (clients < 2 || workload->clients[(client + 1) % clients].token[0] == '\0')
            return false;
        memcpy(text, workload->clients[(client + 1) % clients].token, DFS_TOKEN_BYTES_MAX + 1);
        break;
    case SIM_TOKEN_EXPIRED:
    case SIM_TOKEN_FORGED:
    case SIM_TOKEN_WRONG_ISSUER:
        if (!sim_token_make(cluster, kind, client, ++workload->tokens_made, text))
            return false;
        break;
    case SIM_TOKEN_GOOD:
    case SIM_TOKEN_COUNT:
        return true;
    }
    return sim_client_command(cluster, client, DFS_CLIENT_SET_TOKEN, &token, sizeof token) != 0;
}

/* Steps ------------------------------------------------------------------------------------------------------------------------- */

static void wish_of_step(const struct task *task, struct wish *ret_wish)
{
    const struct sim_work *work = task->work;
    const uint64_t width = dfs_spread_width(&work->size);
    const uint64_t size = (uint64_t)dfs_spread_at(
        &work->size, sim_below(sim_world_draw(task->workload->run->world, "step-size", task->index), width));

    *ret_wish = (struct wish){
        .kind = work->kind,
        .path = work->kind == SIM_OP_LOGIN ? NULL : work->path,
        .to_path = work->kind == SIM_OP_MOVE ? work->to_path : NULL,
        .user = work->kind == SIM_OP_LOGIN ? work->path : NULL,
        .password = task->password,
        .size_bytes = size,
        .first = (uint64_t)work->first,
        .last = (uint64_t)work->last,
        .after_bytes = work->after_bytes_seen ? (uint64_t)work->after_bytes : size / 2,
        .version = (uint64_t)work->version,
        .ack = (enum dfs_ack)work->ack,
        .durability = (enum dfs_durability)work->durability,
        .if_absent = work->if_absent,
        .step = task->index,
        .work = task->index,
    };
}

/* How often a step looks whether its client has a good token again. */
#define SPOILED_WAIT_NS (10 * DFS_MILLISECONDS)

static void step_now(void *arg, struct sim_world *world)
{
    struct task *task = arg;
    struct sim_workload *workload = task->workload;
    const enum sim_token token = (enum sim_token)task->work->token;
    const uint32_t index = task->work->client.index;
    struct client *client = &workload->clients[index];
    struct wish wish;

    if (workload->stopped)
        return;
    /* A bad token is one step's: it waits for the client's other steps, and they until the client has a good one again. */
    if (client->token_is_bad || (token != SIM_TOKEN_GOOD && client->steps_running > 0)) {
        sim_world_call(world, sim_world_now(world) + SPOILED_WAIT_NS, step_now, task);
        return;
    }
    if (token != SIM_TOKEN_GOOD && !spoil(workload, index, token))
        return;
    wish_of_step(task, &wish);
    task->operation = ask(workload, index, &wish, token);
    if (token != SIM_TOKEN_GOOD) {
        client->spoiled = task->operation;
        client->token_is_bad = task->operation != NULL;
    }
}

/* Mixes ------------------------------------------------------------------------------------------------------------------------- */

/* Operation k is asked within the k-th part of the time: rate is exact, and the moments are the seed's. */
static dfs_time_ns mix_time(const struct task *task)
{
    const uint64_t rate = (uint64_t)task->work->rate_millionths;
    const sim_u128 part = (sim_u128)DFS_SECONDS * DFS_DECIMAL_ONE;
    const dfs_time_ns begin = (dfs_time_ns)(part * task->next / rate);
    const dfs_time_ns end = (dfs_time_ns)(part * (task->next + 1) / rate);

    return task->from + begin + (end > begin ? mix_draw(task, DRAW_TIME, end - begin) : 0);
}

static enum sim_operation_kind mix_kind(const struct task *task)
{
    uint64_t at = mix_draw(task, DRAW_KIND, task->weight_sum);

    for (size_t i = 0; i < SIM_OP_COUNT; i++) {
        const uint64_t weight = (uint64_t)task->work->weights[i];

        if (at < weight)
            return (enum sim_operation_kind)i;
        at -= weight;
    }
    dfs_unreachable("mix_kind");
}

#define MIX_FOLDER "mix/"
#define MIX_PATH_BYTES (sizeof MIX_FOLDER + 20) /* 2^64 has twenty digits */

/* All mixes work on the same paths, so that one can read what another puts. */
static const char *mix_path(const struct task *task, enum mix_draw purpose, char text[MIX_PATH_BYTES])
{
    uint64_t number = mix_draw(task, purpose, (uint64_t)task->work->paths);
    char *at = text + MIX_PATH_BYTES;

    *--at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    at -= sizeof MIX_FOLDER - 1;
    memcpy(at, MIX_FOLDER, sizeof MIX_FOLDER - 1);
    return at;
}

static void mix_ask(struct task *task)
{
    const struct sim_work *work = task->work;
    char path[MIX_PATH_BYTES];
    char to_path[MIX_PATH_BYTES];
    const enum sim_operation_kind kind = mix_kind(task);
    const uint32_t client = task->clients[mix_draw(task, DRAW_CLIENT, task->clients_count)];
    const uint64_t size =
        (uint64_t)dfs_spread_at(&work->size, mix_draw(task, DRAW_SIZE, dfs_spread_width(&work->size)));
    struct wish wish = {.kind = kind,
                        .path = mix_path(task, DRAW_PATH, path),
                        .size_bytes = size,
                        .step = UINT32_MAX,
                        .work = task->index,
                        .if_absent = work->if_absent,
                        .ack = (enum dfs_ack)work->ack,
                        .durability = (enum dfs_durability)work->durability};

    if (kind == SIM_OP_MOVE) {
        wish.to_path = mix_path(task, DRAW_TO_PATH, to_path);
    } else if (kind == SIM_OP_LIST) {
        wish.path = MIX_FOLDER;
    } else if (kind == SIM_OP_RANGE_GET) {
        const uint64_t high = (uint64_t)work->size.high;

        wish.first = mix_draw(task, DRAW_RANGE, high / 2 + 1);
        wish.last = wish.first + mix_draw(task, DRAW_ABORT, high + 1);
    } else if (kind == SIM_OP_ABORT_PUT) {
        wish.after_bytes = mix_draw(task, DRAW_ABORT, size + 1);
    } else if (kind == SIM_OP_LOGIN) {
        wish.path = NULL;
    }
    if (ask(task->workload, client, &wish, SIM_TOKEN_GOOD) != NULL)
        task->asked++;
}

static void mix_schedule(struct task *task);

static void mix_now(void *arg, struct sim_world *world)
{
    struct task *task = arg;

    (void)world;
    if (task->workload->stopped)
        return;
    mix_ask(task);
    task->next++;
    mix_schedule(task);
}

static void mix_schedule(struct task *task)
{
    const dfs_time_ns at = mix_time(task);

    if (at < task->to)
        sim_world_call(task->workload->run->world, sim_run_world_time(task->workload->run, at), mix_now, task);
}

static void mix_begin(struct task *task)
{
    const struct sim_scenario *scenario = task->workload->run->scenario;
    const struct sim_host_counts counts = sim_scenario_hosts(scenario);
    const struct sim_work *work = task->work;
    struct sim_host_set set = {{0}};

    sim_host_refs_expand(&work->clients, counts, &set);
    for (uint32_t i = 0; i < counts.clients; i++) {
        if (sim_host_set_has(&set, 2 + counts.data + i))
            task->clients[task->clients_count++] = i;
    }
    for (size_t i = 0; i < SIM_OP_COUNT; i++)
        task->weight_sum += (uint64_t)work->weights[i];
    task->from = (dfs_time_ns)work->from_ns;
    task->to = (dfs_time_ns)scenario->duration_ns;
    if (work->to_seen && (dfs_time_ns)work->to_ns < task->to)
        task->to = (dfs_time_ns)work->to_ns;
    if (task->clients_count > 0)
        mix_schedule(task);
}

/* Life --------------------------------------------------------------------------------------------------------------------------- */

static void on_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    struct sim_workload *workload = *(struct sim_workload **)state;
    const struct sim_node *node = sim_host_user(host);

    if (node->role != DFS_ROLE_CLIENT)
        return;
    const uint32_t index = (uint32_t)(node - run->cluster->clients);
    struct client *client = &workload->clients[index];

    if (change == SIM_HOST_STARTED && sim_host_lives(host) > 1)
        login_at(client, 0);
    if (change != SIM_HOST_CRASHED && change != SIM_HOST_STOPPED)
        return;
    client->spoiled = NULL;
    client->token_is_bad = false;
    client->login_command = 0;
    if (workload->question.command != 0 && workload->question.client == index)
        question_end(workload, NULL);
    dfs_list_each(at, &run->ledger.running)
    {
        struct sim_operation *operation = dfs_container_of(at, struct sim_operation, of_running);

        if (operation->client != index)
            continue;
        sim_numbered_drop(&workload->by_command, operation->command);
        workload->running--;
        client->steps_running -= operation->step != UINT32_MAX;
        sim_ledger_lose(&run->ledger, operation);
        hash_outcome(run, operation);
        sim_tell_answered(run, operation, NULL);
        if (!run->options.keeps_operations)
            sim_ledger_forget(&run->ledger, operation);
    }
}

static bool at_rest(struct sim_run *run, void *state, char *why, size_t room)
{
    struct sim_workload *workload = *(struct sim_workload **)state;

    if (workload->running == 0)
        return true;
    const struct sim_operation *operation =
        dfs_container_of(run->ledger.running.next, struct sim_operation, of_running);

    (void)snprintf(why, room,
                   "%zu operations have no answer; the first is number %llu: %s of %s by c%u, asked at %.3f s",
                   workload->running, (unsigned long long)operation->number, sim_operation_name(operation->kind),
                   operation->path != NULL ? operation->path->name : "-", operation->client + 1,
                   (double)(operation->asked_at - run->zero) / 1e9);
    return false;
}

static const struct sim_message_hook message_hooks[] = {{DFS_MSG_TOKEN, SIM_DELIVERED, on_token}};

static const struct sim_hooks hooks = {
    .messages = message_hooks,
    .messages_count = sizeof message_hooks / sizeof message_hooks[0],
    .host_changed = on_host,
    .at_rest = at_rest,
};

/* Of a step that names a user, as long as the run: several logins of one client wait for each other. NULL: not needed. */
static char *password_new(const struct sim_work *work)
{
    const size_t room = sizeof PASSWORD_OF + strlen(work->path);

    if (work->is_mix || work->kind != SIM_OP_LOGIN || work->path[0] == '\0')
        return NULL;
    char *password = dfs_alloc(room);

    (void)snprintf(password, room, PASSWORD_OF "%s", work->path);
    return password;
}

struct sim_workload *sim_workload_new(struct sim_run *run)
{
    const struct sim_scenario *scenario = run->scenario;
    struct sim_workload *workload = dfs_alloc_zero(sizeof *workload);

    workload->run = run;
    workload->mix_stream = sim_world_stream("mix");
    workload->content_stream = sim_world_stream("content");
    workload->tasks_count = scenario->works_count;
    workload->tasks = dfs_alloc_zero_array(workload->tasks_count + 1, sizeof *workload->tasks);
    for (size_t i = 0; i < workload->tasks_count; i++) {
        const struct sim_work *work = &scenario->works[i];

        workload->tasks[i] = (struct task){.workload = workload, .work = work, .index = (uint32_t)i};
        workload->tasks[i].password = password_new(work);
        workload->puts_wanted += work->is_mix ? (uint64_t)work->weights[SIM_OP_PUT]
                                              : work->kind == SIM_OP_PUT && work->token == SIM_TOKEN_GOOD;
    }
    workload->clients = dfs_alloc_zero_array((size_t)scenario->cluster.clients, sizeof *workload->clients);
    for (uint32_t i = 0; i < (uint32_t)scenario->cluster.clients; i++) {
        workload->clients[i].workload = workload;
        workload->clients[i].index = i;
        (void)snprintf(workload->clients[i].user, sizeof workload->clients[i].user, "c%u", i + 1);
        (void)snprintf(workload->clients[i].password, sizeof workload->clients[i].password, PASSWORD_OF "c%u", i + 1);
    }
    *(struct sim_workload **)sim_listeners_add_owned(run, "workload", &hooks, sizeof(void *)) = workload;
    return workload;
}

void sim_workload_free(struct sim_workload *workload)
{
    if (workload == NULL)
        return;
    for (size_t i = 0; i < workload->tasks_count; i++)
        dfs_free(workload->tasks[i].password);
    dfs_free(workload->tasks);
    dfs_free(workload->clients);
    sim_numbered_close(&workload->by_command);
    dfs_free(workload->aborts);
    dfs_free(workload);
}

void sim_workload_begin(struct sim_workload *workload)
{
    for (size_t i = 0; i < workload->tasks_count; i++) {
        struct task *task = &workload->tasks[i];

        if (task->work->is_mix)
            mix_begin(task);
        else if (task->work->at_ns <= workload->run->scenario->duration_ns)
            sim_world_call(workload->run->world, sim_run_world_time(workload->run, (dfs_time_ns)task->work->at_ns),
                           step_now, task);
    }
}

void sim_workload_stop(struct sim_workload *workload)
{
    workload->stopped = true;
}

struct sim_operation *sim_workload_get(struct sim_workload *workload, uint32_t client, const char *path)
{
    const struct wish wish = {.kind = SIM_OP_GET, .path = path, .step = UINT32_MAX, .audit = true};

    return ask(workload, client, &wish, SIM_TOKEN_GOOD);
}

bool sim_workload_question(struct sim_workload *workload, uint32_t client, uint32_t code, const void *argument,
                           size_t argument_bytes, void (*answered)(void *arg, const struct dfs_client_result *result),
                           void *arg)
{
    if (workload->question.command != 0 || !sim_host_is_up(workload->run->cluster->clients[client].host))
        return false;
    workload->question = (struct question){.client = client, .answered = answered, .arg = arg};
    workload->question.command = sim_client_command(workload->run->cluster, client, code, argument, argument_bytes);
    return workload->question.command != 0;
}

void sim_workload_question_drop(struct sim_workload *workload)
{
    workload->question.command = 0;
}

size_t sim_workload_running(const struct sim_workload *workload)
{
    return workload->running;
}

const struct sim_operation *sim_workload_step(const struct sim_workload *workload, size_t work)
{
    DFS_ASSERT(work < workload->tasks_count);
    return workload->tasks[work].operation;
}

void sim_workload_vacuity(struct sim_workload *workload)
{
    struct sim_run *run = workload->run;

    for (size_t i = 0; i < workload->tasks_count; i++) {
        const struct task *task = &workload->tasks[i];

        if (!task->work->is_mix && task->operation == NULL)
            sim_run_verdict(run, SIM_VACUOUS,
                            "step %zu (line %u, %s of %s) was never asked: its client was down, or the time was over",
                            i, task->work->line, sim_operation_name(task->work->kind), task->work->path);
        if (task->work->is_mix && task->asked == 0)
            sim_run_verdict(run, SIM_VACUOUS, "the mix in line %u never asked anything", task->work->line);
    }
    if (workload->puts_wanted > 0 && run->ledger.put_acknowledged == 0)
        sim_run_verdict(run, SIM_VACUOUS, "no PUT was acknowledged");
}

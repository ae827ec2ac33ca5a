#include "sim/real/clients.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_sim/prf.h"
#include "sim/content.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* An operation that waits, runs, or is over. */
struct sim_real_task {
    struct sim_operation *operation; /* NULL until it is asked */
    const struct sim_work *work;     /* NULL: of the audit */
    dfs_time_ns at;
    pid_t pid;
    bool audit;
};

static void violation(struct sim_real_clients *clients, const char *checker, const char *message)
{
    const json_int_t at_ms = (json_int_t)(sim_real_now(clients->site) / DFS_MILLISECONDS);

    (void)json_array_append_new(clients->violations, json_pack("{s:s, s:I, s:n, s:s}", "checker", checker, "at_ms",
                                                               at_ms, "host", "message", message));
}

/* Processes --------------------------------------------------------------------------------------------------------- */

/* What an operation's command reads and writes. */
static const char *const file_kinds[] = {"source", "target", "out", "err"};

static void file_of(const struct sim_real_clients *clients, char *path, const struct sim_operation *operation,
                    const char *kind)
{
    sim_real_path(clients->site, path, "op-%" PRIu64 ".%s", operation->number, kind);
}

static bool source_write(const struct sim_real_clients *clients, const struct sim_operation *put)
{
    char path[SIM_REAL_PATH_BYTES];
    uint8_t bytes[65536];
    bool good = true;

    file_of(clients, path, put, "source");
    FILE *file = fopen(path, "wb");

    for (uint64_t at = 0; file != NULL && at < put->size_bytes;) {
        const size_t part = put->size_bytes - at < sizeof bytes ? (size_t)(put->size_bytes - at) : sizeof bytes;

        sim_content_fill(put->key, at, bytes, part);
        good &= fwrite(bytes, 1, part, file) == part;
        at += part;
    }
    return file != NULL && fclose(file) == 0 && good;
}

/* Words that stand for what differs between operations. */
static const char source_word[] = "SOURCE";
static const char target_word[] = "TARGET";
static const char path_word[] = "PATH";
static const char to_path_word[] = "TO_PATH";

#define COMMAND_WORDS_MAX 6

static const char *const commands[SIM_OP_COUNT][COMMAND_WORDS_MAX] = {
    [SIM_OP_PUT] = {"dfs", "put", "--json", source_word, path_word},
    [SIM_OP_GET] = {"dfs", "get", path_word, target_word},
    [SIM_OP_STAT] = {"dfs", "stat", "--json", path_word},
    [SIM_OP_LIST] = {"dfs", "ls", "-r"},
    [SIM_OP_MOVE] = {"dfs", "mv", "--json", path_word, to_path_word},
    [SIM_OP_REMOVE] = {"dfs", "rm", "--json", path_word},
};

/* Starts the process of an operation that was asked. */
static void task_start(struct sim_real_clients *clients, struct sim_real_task *task)
{
    const struct sim_operation *operation = task->operation;
    char source[SIM_REAL_PATH_BYTES];
    char target[SIM_REAL_PATH_BYTES];
    char out[SIM_REAL_PATH_BYTES];
    char err[SIM_REAL_PATH_BYTES];
    const char *words[COMMAND_WORDS_MAX];

    DFS_ASSERT(operation != NULL && commands[operation->kind][0] != NULL);
    file_of(clients, source, operation, "source");
    file_of(clients, target, operation, "target");
    file_of(clients, out, operation, "out");
    file_of(clients, err, operation, "err");
    for (size_t i = 0; i < COMMAND_WORDS_MAX; i++) {
        const char *word = commands[operation->kind][i];

        words[i] = word == source_word    ? source
                   : word == target_word  ? target
                   : word == path_word    ? operation->path->name
                   : word == to_path_word ? operation->to_path->name
                                          : word;
    }
    if (operation->kind == SIM_OP_PUT)
        (void)source_write(clients, operation); /* what is missing, the program says */
    task->pid = sim_real_start(clients->site, words, (struct sim_real_output){.out = out, .err = err});
    clients->running++;
}

/* Answers ----------------------------------------------------------------------------------------------------------- */

/* The status in "dfs: put a/b: NOT_FOUND: ..."; INTERNAL when there is none. */
static enum dfs_status status_said(const char *err)
{
    enum dfs_status status = DFS_INTERNAL;
    const char *at = err;
    char word[48];

    while (at != NULL && (at = strstr(at, ": ")) != NULL) {
        size_t length = strspn(at + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

        at += 2;
        if (length > 0 && length < sizeof word && (at[length] == ':' || at[length] == '\n')) {
            memcpy(word, at, length);
            word[length] = '\0';
            if (dfs_status_find(word, &status))
                return status;
        }
    }
    return status;
}

/* The status of a command that has ended. */
static enum dfs_status status_of(const struct sim_real_clients *clients, const struct sim_operation *operation,
                                 int exit_status)
{
    char path[SIM_REAL_PATH_BYTES];
    size_t count;

    if (WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == 0)
        return DFS_OK;
    file_of(clients, path, operation, "err");
    char *said = sim_real_slurp(path, &count);
    const enum dfs_status status = status_said(said);

    dfs_free(said);
    return status;
}

/* The version and the file that a command's JSON names; 0 where it names none. */
static void facts_take(const struct sim_real_clients *clients, const struct sim_operation *operation,
                       uint64_t *ret_version, struct dfs_id *ret_file)
{
    char path[SIM_REAL_PATH_BYTES];

    file_of(clients, path, operation, "out");
    json_t *said = sim_real_slurp_json(path);
    const json_t *facts = json_is_array(said) ? json_array_get(said, 0) : said;
    const char *id = json_string_value(json_object_get(facts, "file"));

    *ret_version = (uint64_t)json_integer_value(json_object_get(facts, "version"));
    *ret_file = (struct dfs_id){{0}};
    if (id != NULL)
        (void)dfs_id_parse(id, ret_file);
    json_decref(said);
}

/* The PUT whose bytes these are; NULL: nobody's. */
static const struct sim_operation *put_of(const struct sim_ledger *ledger, const struct sim_operation *get)
{
    for (uint64_t i = ledger->operations_count; i > 0; i--) {
        const struct sim_operation *put = sim_ledger_operation(ledger, i);

        if (put->kind == SIM_OP_PUT && put->size_bytes == get->got_bytes &&
            sim_content_is(put->key, 0, get->got, (size_t)get->got_bytes))
            return put;
    }
    return NULL;
}

static bool was_moved_to(const struct sim_ledger *ledger, const struct sim_path *path)
{
    for (uint64_t i = 1; i <= ledger->operations_count; i++) {
        const struct sim_operation *move = sim_ledger_operation(ledger, i);

        if (move->kind == SIM_OP_MOVE && move->to_path == path)
            return true;
    }
    return false;
}

/* The oldest version that a read which was asked then may show: what is said of a version that nobody has named. */
static uint64_t version_least(const struct sim_operation *read)
{
    return read->floor_version > read->gone_version ? read->floor_version : read->gone_version + 1;
}

/* No file of a cluster has this id: the ledger tells by the bytes alone whose they are. */
static struct dfs_id file_unknown(const struct sim_operation *get)
{
    struct dfs_id file = {{0}};

    memcpy(file.bytes, &get->number, sizeof get->number);
    return file;
}

/*
 * `dfs get` names no version and no file: the bytes do, when their PUT has been answered. A path that something was moved to has versions that no PUT
 * was given.
 */
static void get_take(struct sim_real_clients *clients, struct sim_operation *get, uint64_t *ret_version,
                     struct dfs_id *ret_file)
{
    char path[SIM_REAL_PATH_BYTES];
    size_t count;

    *ret_version = version_least(get);
    *ret_file = file_unknown(get);
    file_of(clients, path, get, "target");
    char *bytes = sim_real_slurp(path, &count);

    if (bytes == NULL)
        return;
    sim_ledger_got(get, 0, (const uint8_t *)bytes, count);
    get->got_all = true;
    dfs_free(bytes);
    const struct sim_operation *put = put_of(&clients->ledger, get);

    if (put == NULL)
        return;
    if (!dfs_id_is_zero(&put->file))
        *ret_file = put->file;
    if (put->version > *ret_version ||
        (put->version != 0 && put->path == get->path && !was_moved_to(&clients->ledger, get->path)))
        *ret_version = put->version;
}

static void task_end(struct sim_real_clients *clients, struct sim_real_task *task, int exit_status)
{
    struct sim_operation *operation = task->operation;
    const enum dfs_status status = status_of(clients, operation, exit_status);
    struct sim_ledger_violation broken;
    struct dfs_id file;
    uint64_t version;
    char path[SIM_REAL_PATH_BYTES];

    task->pid = 0;
    clients->running--;
    facts_take(clients, operation, &version, &file);
    if (operation->kind == SIM_OP_GET && status == DFS_OK)
        get_take(clients, operation, &version, &file);
    if ((operation->kind == SIM_OP_MOVE || operation->kind == SIM_OP_REMOVE) && version == 0)
        version = operation->floor_version;
    if (!sim_ledger_answer(&clients->ledger, operation, sim_real_now(clients->site), status, version,
                           dfs_id_is_zero(&file) ? NULL : &file, &broken))
        violation(clients, broken.checker, broken.text);
    for (size_t i = 0; i < sizeof file_kinds / sizeof file_kinds[0]; i++) {
        file_of(clients, path, operation, file_kinds[i]);
        (void)unlink(path);
    }
}

/* Questions --------------------------------------------------------------------------------------------------------- */

static uint64_t draw(const struct sim_real_clients *clients, uint64_t stream, uint64_t number, uint64_t count)
{
    return sim_below(sim_prf(sim_mix(clients->seed, stream), 7, number), count);
}

static struct sim_operation *ask(struct sim_real_clients *clients, enum sim_operation_kind kind, const char *path,
                                 const char *to_path, uint64_t size)
{
    struct sim_operation *operation =
        sim_ledger_ask(&clients->ledger, kind, 0, path, to_path, sim_real_now(clients->site));

    if (kind == SIM_OP_PUT)
        sim_ledger_put(&clients->ledger, operation, sim_mix(clients->seed, operation->number), size);
    return operation;
}

/* A path of a mix's own. */
static void mix_path(const struct sim_real_clients *clients, uint64_t stream, uint64_t number, int64_t paths,
                     char ret_path[64])
{
    (void)snprintf(ret_path, 64, "mix-%" PRIu64 "/%" PRIu64, stream, draw(clients, stream, number, (uint64_t)paths));
}

static void mix_ask(struct sim_real_clients *clients, struct sim_real_task *task, uint64_t number)
{
    const struct sim_work *work = task->work;
    const uint64_t stream = (uint64_t)(work - clients->scenario->works) + 1;
    int64_t sum = 0;
    unsigned kind = 0;
    char path[64];
    char to_path[64];

    for (unsigned i = 0; i < SIM_OP_COUNT; i++)
        sum += work->weights[i];
    int64_t left = (int64_t)draw(clients, stream, 8 * number, (uint64_t)sum);

    while (left >= work->weights[kind])
        left -= work->weights[kind++];
    mix_path(clients, stream, 8 * number + 1, work->paths, path);
    mix_path(clients, stream, 8 * number + 2, work->paths, to_path);
    const uint64_t width = dfs_spread_width(&work->size);
    const uint64_t size = (uint64_t)dfs_spread_at(&work->size, draw(clients, stream, 8 * number + 3, width));

    task->operation = ask(clients, (enum sim_operation_kind)kind, path, kind == SIM_OP_MOVE ? to_path : NULL, size);
}

static void step_ask(struct sim_real_clients *clients, struct sim_real_task *task)
{
    const struct sim_work *work = task->work;
    const uint64_t number = (uint64_t)(work - clients->scenario->works);
    const uint64_t width = dfs_spread_width(&work->size);
    const uint64_t size = (uint64_t)dfs_spread_at(&work->size, draw(clients, 0, number, width));

    task->operation = ask(clients, work->kind, work->path, work->kind == SIM_OP_MOVE ? work->to_path : NULL, size);
    task->operation->step = (uint32_t)number;
}

static void task_ask(struct sim_real_clients *clients, struct sim_real_task *task)
{
    if (task->audit)
        return;
    if (task->work->is_mix)
        mix_ask(clients, task, (uint64_t)(task - clients->tasks));
    else
        step_ask(clients, task);
}

/* Time -------------------------------------------------------------------------------------------------------------- */

static struct sim_real_task *task_add(struct sim_real_clients *clients, dfs_time_ns at)
{
    clients->tasks = dfs_realloc_array(clients->tasks, clients->tasks_count + 1, sizeof *clients->tasks);
    clients->tasks[clients->tasks_count] = (struct sim_real_task){.at = at};
    return &clients->tasks[clients->tasks_count++];
}

/* Its operations at equal distances. */
static void mix_plan(struct sim_real_clients *clients, const struct sim_work *work)
{
    const int64_t duration = clients->scenario->duration_ns;
    const int64_t to = work->to_ns > 0 && work->to_ns < duration ? work->to_ns : duration;
    const int64_t wanted =
        work->rate_millionths > 0 ? (int64_t)(UINT64_C(1000000000000000) / (uint64_t)work->rate_millionths) : to;
    const int64_t distance = wanted > 0 ? wanted : 1;

    for (int64_t at = work->from_ns; at < to; at += distance)
        task_add(clients, (dfs_time_ns)at)->work = work;
}

void sim_real_clients_init(struct sim_real_clients *clients, const struct sim_real_site *site,
                           const struct sim_scenario *scenario, uint64_t seed)
{
    *clients = (struct sim_real_clients){.site = site, .scenario = scenario, .seed = seed, .violations = json_array()};
    sim_ledger_init(&clients->ledger);
    for (size_t i = 0; i < scenario->works_count; i++) {
        const struct sim_work *work = &scenario->works[i];

        if (work->is_mix)
            mix_plan(clients, work);
        else
            task_add(clients, (dfs_time_ns)work->at_ns)->work = work;
    }
}

void sim_real_clients_close(struct sim_real_clients *clients)
{
    sim_ledger_close(&clients->ledger);
    dfs_free(clients->tasks);
    json_decref(clients->violations);
}

static bool is_waiting(const struct sim_real_task *task)
{
    return task->pid == 0 && (task->operation == NULL || (task->audit && task->operation->answered_at == DFS_NEVER));
}

void sim_real_clients_step(struct sim_real_clients *clients)
{
    for (size_t i = 0; i < clients->tasks_count; i++) {
        struct sim_real_task *task = &clients->tasks[i];
        int status;

        if (task->pid > 0 && waitpid(task->pid, &status, WNOHANG) == task->pid)
            task_end(clients, task, status);
        if (is_waiting(task) && task->at <= sim_real_now(clients->site) && clients->running < SIM_REAL_RUNNING_MAX) {
            task_ask(clients, task);
            task_start(clients, task);
        }
    }
}

bool sim_real_clients_all_answered(const struct sim_real_clients *clients)
{
    for (size_t i = 0; i < clients->tasks_count; i++) {
        const struct sim_operation *operation = clients->tasks[i].operation;

        if (operation == NULL || operation->answered_at == DFS_NEVER)
            return false;
    }
    return true;
}

/* Audit ------------------------------------------------------------------------------------------------------------- */

void sim_real_clients_audit_begin(struct sim_real_clients *clients)
{
    const size_t paths = clients->ledger.paths_count;

    for (size_t i = 0; i < paths; i++) {
        const struct sim_path *path = clients->ledger.paths[i];

        if (!sim_path_must_exist(path))
            continue;
        struct sim_real_task *task = task_add(clients, sim_real_now(clients->site));

        task->audit = true;
        task->operation = ask(clients, SIM_OP_GET, path->name, NULL, 0);
    }
}

void sim_real_clients_audit_end(struct sim_real_clients *clients)
{
    for (size_t i = 0; i < clients->tasks_count; i++) {
        const struct sim_operation *operation = clients->tasks[i].operation;
        char text[DFS_PATH_BYTES_MAX + 64];

        if (!clients->tasks[i].audit)
            continue;
        DFS_ASSERT(operation != NULL); /* asked for when the audit began */
        const bool answered = operation->answered_at != DFS_NEVER;

        if (answered && operation->status == DFS_OK)
            continue;
        (void)snprintf(text, sizeof text, "\"%s\" cannot be read back: %s", operation->path->name,
                       answered ? dfs_status_name(operation->status) : "no answer in time");
        violation(clients, "acked_data", text);
    }
}

const struct sim_operation *sim_real_clients_operation(const struct sim_real_clients *clients, const char *id)
{
    for (uint64_t i = 1; i <= clients->ledger.operations_count; i++) {
        const struct sim_operation *operation = sim_ledger_operation(&clients->ledger, i);

        if (operation->step != UINT32_MAX && strcmp(clients->scenario->works[operation->step].id, id) == 0)
            return operation;
    }
    return NULL;
}

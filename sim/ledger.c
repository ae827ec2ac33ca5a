#include "sim/ledger.h"

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "sim/content.h"

#include <stdio.h>
#include <string.h>

static const char *const operation_names[SIM_OP_COUNT] = {
#define X(name, text) text,
    SIM_OPERATION_MAP(X)
#undef X
};

const char *sim_operation_name(enum sim_operation_kind kind)
{
    DFS_ASSERT((unsigned)kind < SIM_OP_COUNT);
    return operation_names[kind];
}

#define PUTS_PAGE 256

/* From 1. */
static struct sim_put *put_at(const struct sim_ledger *ledger, uint32_t place)
{
    return &ledger->puts[(place - 1) / PUTS_PAGE][(place - 1) % PUTS_PAGE];
}

/* While the file rests: whose bytes it has, as ever. */
static enum sim_rest rest(void *arg, const void *part, uint8_t *ret_bytes)
{
    (void)arg;
    memcpy(ret_bytes, part, sizeof(uint32_t));
    return SIM_REST_YES;
}

static void wake(void *arg, const struct dfs_id *file, void *part, const uint8_t *bytes)
{
    (void)arg, (void)file;
    memcpy(part, bytes, sizeof(uint32_t));
}

void sim_ledger_init(struct sim_ledger *ledger)
{
    memset(ledger, 0, sizeof *ledger);
    sim_files_init(&ledger->files);
    dfs_list_init(&ledger->running);
    dfs_list_init(&ledger->spare);
    ledger->part =
        sim_files_part(&ledger->files, sizeof(uint32_t),
                       &(struct sim_resting){.bytes = sizeof(uint32_t), .arg = ledger, .rest = rest, .wake = wake});
    dfs_map_init(&ledger->by_path, offsetof(struct sim_path, key), sizeof(struct sim_path_key), 0);
}

static void got_drop(struct sim_operation *operation)
{
    dfs_free(operation->got);
    operation->got = NULL;
    operation->got_room = 0;
}

void sim_ledger_close(struct sim_ledger *ledger)
{
    for (uint64_t number = 1; number <= ledger->operations_count; number++) {
        struct sim_operation *operation = sim_ledger_operation(ledger, number);

        if (operation != NULL)
            got_drop(operation);
        dfs_free(operation);
    }
    for (struct dfs_list *spare = NULL; (spare = dfs_list_pop(&ledger->spare)) != NULL;)
        dfs_free(dfs_container_of(spare, struct sim_operation, of_running));
    for (size_t i = 0; i * PUTS_PAGE < ledger->puts_count; i++)
        dfs_free(ledger->puts[i]);
    dfs_free(ledger->puts);
    sim_numbered_close(&ledger->operations);
    for (size_t i = 0; i < ledger->paths_count; i++)
        dfs_free(ledger->paths[i]);
    dfs_free(ledger->paths);
    dfs_free(ledger->open_puts);
    sim_files_close(&ledger->files);
    dfs_map_close(&ledger->by_path);
}

/* Room for one more in an array of pointers. */
static void grow(void *array, size_t count, size_t *room)
{
    void **pointers;

    if (count < *room)
        return;
    *room = *room == 0 ? 64 : *room * 2;
    memcpy(&pointers, array, sizeof pointers);
    pointers = dfs_realloc_array(pointers, *room, sizeof *pointers);
    memcpy(array, &pointers, sizeof pointers);
}

struct sim_path_key sim_path_key(const char *path)
{
    const size_t count = strlen(path);

    return (struct sim_path_key){{dfs_hash64(1, path, count), dfs_hash64(2, path, count)}};
}

struct sim_path *sim_ledger_path(struct sim_ledger *ledger, const char *name)
{
    const struct sim_path_key key = sim_path_key(name);
    struct sim_path *path = dfs_map_find(&ledger->by_path, &key);

    if (path != NULL)
        return path;
    const size_t bytes = strlen(name);

    DFS_ASSERT(bytes <= DFS_PATH_BYTES_MAX);
    path = dfs_alloc_zero(sizeof *path + bytes + 1);
    path->key = key;
    memcpy(path->name, name, bytes);
    dfs_map_insert(&ledger->by_path, path);
    grow(&ledger->paths, ledger->paths_count, &ledger->paths_room);
    ledger->paths[ledger->paths_count++] = path;
    path->number = (uint32_t)ledger->paths_count;
    return path;
}

/* Who takes a file away from its path. */
static struct sim_path *removed_path(const struct sim_operation *operation)
{
    return operation->kind == SIM_OP_REMOVE || operation->kind == SIM_OP_MOVE ? operation->path : NULL;
}

bool sim_operation_changes(const struct sim_operation *operation)
{
    return operation->kind == SIM_OP_PUT || operation->kind == SIM_OP_ABORT_PUT || operation->kind == SIM_OP_MOVE ||
           operation->kind == SIM_OP_REMOVE || operation->kind == SIM_OP_RESTORE;
}

static bool is_put(const struct sim_operation *operation)
{
    return operation->kind == SIM_OP_PUT || operation->kind == SIM_OP_ABORT_PUT;
}

/* Zeroed. */
static struct sim_operation *operation_new(struct sim_ledger *ledger)
{
    struct dfs_list *spare = dfs_list_pop(&ledger->spare);

    if (spare == NULL)
        return dfs_alloc_zero(sizeof(struct sim_operation));
    struct sim_operation *operation = dfs_container_of(spare, struct sim_operation, of_running);

    memset(operation, 0, sizeof *operation);
    return operation;
}

struct sim_operation *sim_ledger_operation(const struct sim_ledger *ledger, uint64_t number)
{
    return sim_numbered_at(&ledger->operations, number);
}

void sim_ledger_forget(struct sim_ledger *ledger, struct sim_operation *operation)
{
    DFS_ASSERT(operation->answered_at != DFS_NEVER || operation->lost);
    if (operation->step != UINT32_MAX || operation->audit ||
        (operation->kind == SIM_OP_ABORT_PUT && !operation->aborting))
        return;
    sim_numbered_drop(&ledger->operations, operation->number);
    dfs_list_push_front(&ledger->spare, &operation->of_running);
}

struct sim_operation *sim_ledger_ask(struct sim_ledger *ledger, enum sim_operation_kind kind, uint32_t client,
                                     const char *path, const char *to_path, dfs_time_ns now)
{
    struct sim_operation *operation = operation_new(ledger);

    operation->number = ++ledger->operations_count;
    sim_numbered_put(&ledger->operations, operation->number, operation);
    dfs_list_push(&ledger->running, &operation->of_running);
    operation->kind = kind;
    operation->client = client;
    operation->asked_at = now;
    operation->answered_at = DFS_NEVER;
    operation->step = UINT32_MAX;
    if (path != NULL)
        operation->path = sim_ledger_path(ledger, path);
    if (to_path != NULL)
        operation->to_path = sim_ledger_path(ledger, to_path);
    if (operation->path != NULL) {
        operation->floor_version = operation->path->floor_version;
        operation->gone_version = operation->path->gone_version;
        operation->floor_present = sim_path_must_exist(operation->path);
    }
    struct sim_path *removed = removed_path(operation);

    if (removed != NULL) {
        removed->removers_open++;
        removed->remover_newest = operation->number;
    }
    struct sim_path *target = kind == SIM_OP_MOVE      ? operation->to_path
                              : kind == SIM_OP_RESTORE ? operation->path
                                                       : NULL;

    if (target != NULL)
        target->movers++;
    ledger->asked[kind]++;
    return operation;
}

dfs_time_ns sim_ledger_asked_from(const struct sim_ledger *ledger)
{
    return dfs_list_empty(&ledger->running)
               ? DFS_NEVER
               : dfs_container_of_const(ledger->running.next, struct sim_operation, of_running)->asked_at;
}

static uint32_t put_new(struct sim_ledger *ledger)
{
    const size_t page = ledger->puts_count / PUTS_PAGE;

    DFS_ASSERT(ledger->operations_count < UINT32_MAX);
    if (ledger->puts_count % PUTS_PAGE == 0) {
        ledger->puts = dfs_realloc_array(ledger->puts, page + 1, sizeof(struct sim_put *));
        ledger->puts[page] = dfs_alloc(PUTS_PAGE * sizeof **ledger->puts);
    }
    return (uint32_t)++ledger->puts_count;
}

void sim_ledger_put(struct sim_ledger *ledger, struct sim_operation *operation, uint64_t key, uint64_t size_bytes)
{
    DFS_ASSERT(is_put(operation));
    operation->key = key;
    operation->size_bytes = size_bytes;
    operation->put = put_new(ledger);
    *put_at(ledger, operation->put) = (struct sim_put){
        .key = key, .size_bytes = size_bytes, .path = operation->path->number, .number = (uint32_t)operation->number};
    if (ledger->open_puts_count == ledger->open_puts_room) {
        ledger->open_puts_room = ledger->open_puts_room == 0 ? 64 : 2 * ledger->open_puts_room;
        ledger->open_puts = dfs_realloc_array(ledger->open_puts, ledger->open_puts_room, sizeof *ledger->open_puts);
    }
    ledger->open_puts[ledger->open_puts_count++] = operation->put;
}

const struct sim_put *sim_ledger_put_of(const struct sim_ledger *ledger, uint64_t number)
{
    uint32_t from = 1;

    for (uint32_t to = (uint32_t)ledger->puts_count + 1; from < to;) {
        const uint32_t middle = from + (to - from) / 2;

        if (put_at(ledger, middle)->number < number)
            from = middle + 1;
        else
            to = middle;
    }
    return from <= ledger->puts_count && put_at(ledger, from)->number == number ? put_at(ledger, from) : NULL;
}

void sim_ledger_got(struct sim_operation *operation, uint64_t offset, const uint8_t *bytes, size_t count)
{
    const uint64_t end = offset + count;

    if (end > operation->got_room) {
        const uint64_t room = end > 2 * operation->got_room ? end : 2 * operation->got_room;

        operation->got = dfs_realloc_array(operation->got, room, 1);
        operation->got_room = room;
    }
    if (offset > operation->got_bytes)
        memset(operation->got + operation->got_bytes, 0, offset - operation->got_bytes);
    memcpy(operation->got + offset, bytes, count);
    if (end > operation->got_bytes)
        operation->got_bytes = end;
}

bool sim_path_must_exist(const struct sim_path *path)
{
    return path->floor_present && path->removers_open == 0 && !path->removers_maybe && !path->removers_lost;
}

bool sim_status_leaves_open(enum dfs_status status)
{
    switch ((int)status) {
    case DFS_TIMEOUT:
    case DFS_UNREACHABLE:
    case DFS_UNAVAILABLE: /* the last try; an earlier one may have got through */
    case DFS_ABORTED:
    case DFS_INTERNAL:
    case DFS_IO:
    case DFS_UPLOAD_LOST: /* an answer that was lost, then a restart */
    case DFS_LEASE_EXPIRED:
    case DFS_NOT_FOUND: /* of a change that was sent again: its first sending may have done it */
        return true;
    default:
        return false;
    }
}

static void open_put_forget(struct sim_ledger *ledger, uint32_t put)
{
    for (size_t i = 0; i < ledger->open_puts_count; i++) {
        if (ledger->open_puts[i] == put) {
            ledger->open_puts[i] = ledger->open_puts[--ledger->open_puts_count];
            return;
        }
    }
}

/* What a GET of this PUT's file should bring: of a range, what of it lies in the file. */
static uint64_t expected_bytes(const struct sim_operation *get, const struct sim_put *put)
{
    if (get->kind == SIM_OP_GET)
        return put->size_bytes;
    const uint64_t end = get->last >= put->size_bytes ? put->size_bytes : get->last + 1;

    return get->first < end ? end - get->first : 0;
}

/* Of a range the sink's first byte stands at `first` of the file. */
static bool is_got(const struct sim_operation *get, const struct sim_put *put)
{
    return get->got_bytes == expected_bytes(get, put) &&
           sim_content_is(put->key, get->kind == SIM_OP_GET ? 0 : get->first, get->got, get->got_bytes);
}

/* The PUT that made the file. One PUT may make several: what was lost was begun again. */
static uint32_t *maker_of(struct sim_ledger *ledger, const struct dfs_id *file)
{
    return sim_about_part(sim_files_of(&ledger->files, file), ledger->part);
}

/*
 * The PUT that made the file: by its id, or else one with these bytes that is open, which then has been found out to have happened; or one that was begun again
 * after its first try had been lost, and yet had got through.
 */
static const struct sim_put *put_of(struct sim_ledger *ledger, const struct sim_operation *get)
{
    uint32_t *maker = maker_of(ledger, &get->file);

    for (size_t i = 0; *maker == 0 && i < ledger->open_puts_count; i++) {
        if (is_got(get, put_at(ledger, ledger->open_puts[i])))
            *maker = ledger->open_puts[i];
    }
    for (uint32_t place = (uint32_t)ledger->puts_count; *maker == 0 && place > 0; place--) {
        if (is_got(get, put_at(ledger, place)))
            *maker = place;
    }
    return *maker == 0 ? NULL : put_at(ledger, *maker);
}

/* At some moment from now back nothing stood here that is so old. */
static void path_gone(struct sim_path *path, uint64_t version)
{
    if (version > path->gone_version)
        path->gone_version = version;
}

/* A change that is certain: what a later read must not be older than. A REMOVE names the version that it took away. */
static void path_certain(struct sim_path *path, uint64_t version, bool present)
{
    DFS_ASSERT(path != NULL);
    if (!present)
        path_gone(path, version);
    if (version < path->floor_version)
        return;
    if (version == path->floor_version && present && !path->floor_present)
        return; /* a read that was asked before this very version was removed */
    path->floor_version = version;
    path->floor_present = present;
    path->removers_maybe = false;
}

static bool violated(struct sim_ledger_violation *ret, const char *checker, const struct sim_operation *operation,
                     const char *what, uint64_t a, uint64_t b)
{
    ret->checker = checker;
    (void)snprintf(ret->text, sizeof ret->text, "operation %llu: %s of %s by c%u: %s (%llu, %llu)",
                   (unsigned long long)operation->number, sim_operation_name(operation->kind),
                   operation->path != NULL ? operation->path->name : "-", operation->client + 1, what,
                   (unsigned long long)a, (unsigned long long)b);
    return false;
}

/* Is the version that a read of the newest shows one that may be shown? */
static bool answer_version(const struct sim_operation *read, struct sim_ledger_violation *ret)
{
    if (read->wanted_version != 0)
        return read->version == read->wanted_version ||
               violated(ret, "linearizable", read, "another version than was asked for", read->version,
                        read->wanted_version);
    if (read->version < read->floor_version)
        return violated(ret, "reads_never_go_back", read, "an older version than is certain", read->version,
                        read->floor_version);
    if (read->version <= read->gone_version)
        return violated(ret, "linearizable", read, "a version that was certainly gone before it was asked",
                        read->version, read->gone_version);
    return true;
}

static bool answer_get(struct sim_ledger *ledger, struct sim_operation *get, struct sim_ledger_violation *ret)
{
    if (!get->got_all)
        return violated(ret, "acked_data", get, "answered OK without all of its bytes", get->got_bytes, 0);
    if (!answer_version(get, ret))
        return false;
    const struct sim_put *put = put_of(ledger, get);

    if (put == NULL)
        return violated(ret, "acked_data", get, "bytes that nobody has put", get->got_bytes, get->version);
    if (!is_got(get, put))
        return violated(ret, "acked_data", get, "other bytes than were put", get->got_bytes, put->number);
    if (put->path == 0)
        return violated(ret, "linearizable", get, "shows a PUT that had failed for certain", get->version, put->number);
    if (put->path != get->path->number && get->path->movers == 0)
        return violated(ret, "linearizable", get, "shows what was put to another path and never moved here",
                        get->version, put->number);
    if (get->wanted_version == 0)
        path_certain(get->path, get->version, true);
    return true;
}

static bool answer_absent(struct sim_operation *operation, struct sim_ledger_violation *ret)
{
    /* It was certain when this was asked, and nobody has begun to remove it since: a file may be gone for a moment and be put again. */
    if (operation->floor_present && operation->path->remover_newest < operation->number)
        return violated(ret, "acked_data", operation, "an acknowledged file is not found", operation->floor_version, 0);
    if (operation->wanted_version == 0)
        path_gone(operation->path, operation->floor_version);
    return true;
}

static void changed_maybe(const struct sim_operation *operation)
{
    if (!sim_operation_changes(operation))
        return;
    DFS_ASSERT(operation->path != NULL);
    operation->path->changed_maybe = true;
    if (operation->to_path != NULL)
        operation->to_path->changed_maybe = true;
}

static void answer_change(struct sim_ledger *ledger, struct sim_operation *operation)
{
    struct sim_path *removed = removed_path(operation);

    if (removed != NULL)
        removed->removers_open--;
    if (operation->status != DFS_OK) {
        operation->maybe = sim_status_leaves_open(operation->status);
        if (removed != NULL && operation->maybe) {
            removed->removers_maybe = true;
            removed->removers_lost |= operation->status != DFS_NOT_FOUND;
        }
        if (operation->maybe)
            changed_maybe(operation);
        if (operation->put != 0 && !operation->maybe) {
            open_put_forget(ledger, operation->put);
            put_at(ledger, operation->put)->path = 0;
        }
        return;
    }
    switch (operation->kind) {
    case SIM_OP_PUT:
    case SIM_OP_ABORT_PUT:
        open_put_forget(ledger, operation->put);
        *maker_of(ledger, &operation->file) = operation->put;
        path_certain(operation->path, operation->version, true);
        ledger->put_acknowledged++;
        break;
    case SIM_OP_MOVE:
        if (operation->to_path != operation->path) /* else nothing was changed */
            path_certain(operation->path, operation->version, false);
        path_certain(operation->to_path, operation->version, true);
        break;
    case SIM_OP_REMOVE:
        path_certain(operation->path, operation->version, false);
        break;
    case SIM_OP_RESTORE:
        path_certain(operation->path, operation->version, true);
        break;
    case SIM_OP_GET:
    case SIM_OP_RANGE_GET:
    case SIM_OP_STAT:
    case SIM_OP_LIST:
    case SIM_OP_LOGIN:
    case SIM_OP_COUNT:
        break;
    }
}

void sim_ledger_lose(struct sim_ledger *ledger, struct sim_operation *operation)
{
    struct sim_path *removed = removed_path(operation);

    DFS_ASSERT(operation->answered_at == DFS_NEVER && !operation->lost);
    dfs_list_remove(&operation->of_running);
    operation->lost = true;
    operation->maybe = true;
    changed_maybe(operation);
    if (removed != NULL) {
        removed->removers_open--;
        removed->removers_lost = true;
    }
    if (!operation->audit)
        ledger->failed[operation->kind]++;
    got_drop(operation);
}

static bool answer(struct sim_ledger *ledger, struct sim_operation *operation, dfs_time_ns now, enum dfs_status status,
                   uint64_t version, const struct dfs_id *file, struct sim_ledger_violation *ret_violation)
{
    const bool reads =
        operation->kind == SIM_OP_GET || operation->kind == SIM_OP_RANGE_GET || operation->kind == SIM_OP_STAT;

    DFS_ASSERT(operation->answered_at == DFS_NEVER);
    dfs_list_remove(&operation->of_running);
    operation->answered_at = now;
    operation->status = status;
    operation->version = version;
    if (file != NULL && dfs_id_is_zero(&operation->file))
        operation->file = *file;
    if (!operation->audit && status == DFS_OK)
        ledger->ok[operation->kind]++;
    else if (!operation->audit)
        ledger->failed[operation->kind]++;
    if (status == DFS_OK && operation->token != SIM_TOKEN_GOOD)
        return violated(ret_violation, "authority", operation, "done with a bad token", operation->token, 0);
    if (!reads) {
        const bool absent = !operation->floor_present || operation->path->remover_newest >= operation->number;

        answer_change(ledger, operation);
        if (status == DFS_OK && operation->kind == SIM_OP_PUT && operation->if_absent && !absent)
            return violated(ret_violation, "linearizable", operation,
                            "done \"if absent\" though a file certainly stood there", version,
                            operation->floor_version);
        return true;
    }
    if (status == DFS_NOT_FOUND)
        return answer_absent(operation, ret_violation);
    if (status == DFS_DATA_LOST)
        return violated(ret_violation, "acked_data", operation, "no good copy is left", operation->floor_version, 0);
    if (status != DFS_OK)
        return true;
    if (operation->kind == SIM_OP_STAT) {
        if (!answer_version(operation, ret_violation))
            return false;
        path_certain(operation->path, version, true);
        return true;
    }
    return answer_get(ledger, operation, ret_violation);
}

bool sim_ledger_answer(struct sim_ledger *ledger, struct sim_operation *operation, dfs_time_ns now,
                       enum dfs_status status, uint64_t version, const struct dfs_id *file,
                       struct sim_ledger_violation *ret_violation)
{
    const bool kept = answer(ledger, operation, now, status, version, file, ret_violation);

    got_drop(operation);
    return kept;
}

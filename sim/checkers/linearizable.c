/*
 * reads_never_go_back: the ledger's (a read shows nothing older than what was certain when it was asked). The name is in the table for its sake.
 *
 * linearizable: the history of each path, as clients saw it, is that of a register whose writes are in the order of their versions. Every answer names its
 * place in that order, so it is enough to hold, for operations A and B of which A was answered before B was asked:
 *   - B does not show, or claim, an older place than A's; a change claims a newer one (floor); what was certainly gone is not shown again (the ledger);
 *   - a version is one change: no two changes claim it, no two paths or files show it, no two REMOVEs take it away;
 *   - nobody was shown a version before the change that made it was asked; nobody is shown a change that said it had failed (the ledger);
 *   - a STAT's and a LIST's figures are those of the version they name, and a LIST leaves out nothing that certainly stood there.
 * A change without a certain outcome may take its place at any time after it was asked, or never.
 */
#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/checkers/checkers.h"

#include <string.h>

/* Paths of a run beyond which a LIST is not compared with what stood there: comparing costs as much as there are paths. */
#define LIST_PATHS_MAX 1000

/* A place in the order: kept for each change of a run, as any may be claimed or shown again. When it was first shown matters until the change that made it is known. */
struct place {
    struct dfs_id file;   /* zero: not known */
    uint64_t size_bytes;  /* SIZE_UNKNOWN: not known */
    dfs_time_ns shown_at; /* when it was first shown to somebody; DFS_NEVER: not yet; MADE: who made it is known */
    uint32_t path;        /* sim_path.number; 0: not known */
    uint32_t by;          /* number of the operation that made it, or it was first shown to; REMOVED besides */
};
_Static_assert(sizeof(struct place) <= 40, "as many as changes");

#define SIZE_UNKNOWN UINT64_MAX
#define MADE (DFS_NEVER - 1)
#define REMOVED (UINT32_C(1) << 31)

/* Versions that follow one another stand together: metadata counts them one by one, and what is asked for is mostly one of the newest, whose page is at hand. */
#define PAGE_PLACES 32

struct page {
    uint64_t number; /* first: the key; of the versions number * PAGE_PLACES and on */
    struct place places[PAGE_PLACES];
};

/* What a LIST that runs must agree with. */
struct was {
    struct sim_path *path;
    uint64_t floor_version;
    uint64_t gone_version;
    bool present;
};

struct open_list {
    uint64_t operation;
    struct was *at;
    size_t count;
};

struct state {
    struct dfs_map pages;
    struct page **all;
    size_t count;
    size_t room;
    struct open_list *lists;
    size_t lists_count;
    size_t lists_room;
};

static void init(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    dfs_map_init(&state->pages, offsetof(struct page, number), sizeof(uint64_t), 0);
}

static void close_state(struct sim_run *run, void *arg)
{
    struct state *state = arg;

    (void)run;
    for (size_t i = 0; i < state->count; i++)
        dfs_free(state->all[i]);
    for (size_t i = 0; i < state->lists_count; i++)
        dfs_free(state->lists[i].at);
    dfs_free(state->lists);
    dfs_free(state->all);
    dfs_map_close(&state->pages);
}

static struct page *page_new(struct state *state, uint64_t number)
{
    struct page *page = dfs_alloc_zero(sizeof *page);

    page->number = number;
    for (uint32_t i = 0; i < PAGE_PLACES; i++) {
        page->places[i].size_bytes = SIZE_UNKNOWN;
        page->places[i].shown_at = DFS_NEVER;
    }
    dfs_map_insert(&state->pages, page);
    if (state->count == state->room) {
        state->room = state->room == 0 ? 64 : 2 * state->room;
        state->all = dfs_realloc_array(state->all, state->room, sizeof(struct page *));
    }
    state->all[state->count++] = page;
    return page;
}

static struct place *place_of(struct state *state, uint64_t version)
{
    const uint64_t number = version / PAGE_PLACES;
    struct page *page = dfs_map_find(&state->pages, &number);

    if (page == NULL)
        page = page_new(state, number);
    return &page->places[version % PAGE_PLACES];
}

static uint32_t number_of(const struct sim_operation *operation)
{
    DFS_ASSERT(operation->number < REMOVED);
    return (uint32_t)operation->number;
}

static void broken(struct sim_run *run, const struct sim_operation *operation, const struct sim_path *path,
                   uint64_t version, const struct place *place, const char *what)
{
    sim_run_violation(run, "linearizable", NULL, "operation %llu (%s of \"%s\"): version %llu %s (operation %llu)",
                      (unsigned long long)operation->number, sim_operation_name(operation->kind),
                      path != NULL ? path->name : "-", (unsigned long long)version, what,
                      (unsigned long long)(place->by & ~REMOVED));
}

/* The same version, at one path, of one file. */
static bool agrees(struct sim_run *run, const struct sim_operation *operation, const struct sim_path *path,
                   const struct dfs_id *file, uint64_t version, struct place *place)
{
    const bool names_file = file != NULL && !dfs_id_is_zero(file);

    if (place->path == 0)
        place->path = path->number;
    if (place->path != path->number) {
        broken(run, operation, path, version, place, "stands at another path as well");
        return false;
    }
    if (names_file && dfs_id_is_zero(&place->file))
        place->file = *file;
    if (names_file && !dfs_id_equal(&place->file, file)) {
        broken(run, operation, path, version, place, "is another file as well");
        return false;
    }
    return true;
}

/* Changes -------------------------------------------------------------------------------------------------------------- */

static void change_answered(struct sim_run *run, struct state *state, const struct sim_operation *operation)
{
    const struct sim_path *path = operation->kind == SIM_OP_MOVE ? operation->to_path : operation->path;
    const uint64_t version = operation->version;
    struct place *place = place_of(state, version);
    const bool puts = operation->kind == SIM_OP_PUT || operation->kind == SIM_OP_ABORT_PUT;

    if (operation->kind == SIM_OP_MOVE && operation->to_path == operation->path)
        return; /* changes nothing, and is answered with the version that is there */
    if (operation->version <= operation->floor_version)
        sim_run_violation(
            run, "linearizable", NULL,
            "operation %llu (%s of \"%s\") was given version %llu, though version %llu was certain before it was asked",
            (unsigned long long)operation->number, sim_operation_name(operation->kind), operation->path->name,
            (unsigned long long)operation->version, (unsigned long long)operation->floor_version);
    if (place->shown_at == MADE) {
        broken(run, operation, path, version, place, "was given to another change as well");
        return;
    }
    if (!agrees(run, operation, path, puts ? &operation->file : NULL, version, place))
        return;
    if (place->shown_at != DFS_NEVER && place->shown_at < operation->asked_at)
        broken(run, operation, path, version, place, "was shown before the change that made it was asked");
    if (puts && place->size_bytes != SIZE_UNKNOWN && place->size_bytes != operation->size_bytes)
        broken(run, operation, path, version, place, "was shown with another size");
    place->shown_at = MADE;
    place->by = (place->by & REMOVED) | number_of(operation);
    if (puts)
        place->size_bytes = operation->size_bytes;
}

/* It names the version that it took away. */
static void remove_answered(struct sim_run *run, struct state *state, const struct sim_operation *operation)
{
    const uint64_t version = operation->version;
    struct place *place = place_of(state, version);

    if (version < operation->floor_version)
        broken(run, operation, operation->path, version, place, "is removed, though a newer one was certain before");
    if (!agrees(run, operation, operation->path, NULL, version, place))
        return;
    if ((place->by & REMOVED) != 0)
        broken(run, operation, operation->path, version, place, "was removed twice");
    place->by |= REMOVED;
}

/* Reads ---------------------------------------------------------------------------------------------------------------- */

static void shown(struct sim_run *run, struct state *state, const struct sim_operation *operation,
                  const struct sim_path *path, uint64_t version, const struct dfs_id *file, const uint64_t *size_bytes)
{
    struct place *place = place_of(state, version);

    if (!agrees(run, operation, path, file, version, place))
        return;
    if (place->shown_at == DFS_NEVER) {
        place->shown_at = operation->answered_at;
        place->by = (place->by & REMOVED) | number_of(operation);
    }
    if (size_bytes == NULL)
        return;
    if (place->size_bytes != SIZE_UNKNOWN && place->size_bytes != *size_bytes)
        broken(run, operation, path, version, place, "is shown with another size than it has");
    place->size_bytes = *size_bytes;
}

static struct open_list *list_of(struct state *state, const struct sim_operation *operation)
{
    for (size_t i = 0; i < state->lists_count; i++) {
        if (state->lists[i].operation == operation->number)
            return &state->lists[i];
    }
    return NULL;
}

static void list_forget(struct state *state, struct open_list *list)
{
    dfs_free(list->at);
    *list = state->lists[--state->lists_count];
}

static struct was *was_of(struct open_list *list, const struct sim_path *path)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->at[i].path == path)
            return &list->at[i];
    }
    return NULL;
}

static bool lies_below(const struct sim_path *path, const struct sim_path *prefix)
{
    return strncmp(path->name, prefix->name, strlen(prefix->name)) == 0;
}

static void entry_answered(struct sim_run *run, struct state *state, const struct sim_operation *operation,
                           struct open_list *list, const struct dfs_w_entry *entry)
{
    char name[DFS_PATH_BYTES_MAX + 1];

    memcpy(name, entry->path.at, entry->path.count);
    name[entry->path.count] = '\0';
    const struct sim_path_key key = sim_path_key(name);
    struct sim_path *path = dfs_map_find(&run->ledger.by_path, &key);

    if (path == NULL) {
        sim_run_violation(run, "linearizable", NULL, "operation %llu: a list names \"%s\", which nobody has put",
                          (unsigned long long)operation->number, name);
        return;
    }
    if (path->listed_by == operation->number)
        sim_run_violation(run, "linearizable", NULL, "operation %llu: a list names \"%s\" twice",
                          (unsigned long long)operation->number, name);
    path->listed_by = operation->number;
    shown(run, state, operation, path, entry->version, NULL, &entry->size_bytes);
    const struct was *was = was_of(list, path);

    if (was != NULL && (entry->version < was->floor_version || entry->version <= was->gone_version))
        sim_run_violation(
            run, "linearizable", NULL,
            "operation %llu: a list shows version %llu of \"%s\", though version %llu was certain",
            (unsigned long long)operation->number, (unsigned long long)entry->version, name,
            (unsigned long long)(was->floor_version > was->gone_version ? was->floor_version : was->gone_version));
}

/* In the order of a list: on a page behind the one that ends with `last`. What lies in a folder comes with it. */
static bool comes_after(const char *name, const struct dfs_text *last)
{
    const int order = strncmp(name, last->at, last->count);

    return order > 0 || (order == 0 && name[last->count] != '\0' && last->at[last->count - 1] != '/');
}

static void list_answered(struct sim_run *run, struct state *state, const struct sim_operation *operation,
                          struct open_list *list, const struct dfs_m_list_page *page)
{
    const struct dfs_w_entry *last = page->entries_count > 0 ? &page->entries[page->entries_count - 1] : NULL;

    for (uint32_t i = 0; i < page->entries_count; i++)
        entry_answered(run, state, operation, list, &page->entries[i]);
    for (size_t i = 0; i < list->count; i++) {
        const struct was *was = &list->at[i];

        if (!was->present || was->path->listed_by == operation->number ||
            was->path->remover_newest > operation->number || !lies_below(was->path, operation->path))
            continue;
        if (page->more && (last == NULL || comes_after(was->path->name, &last->path)))
            continue; /* on a later page */
        sim_run_violation(run, "linearizable", NULL,
                          "operation %llu: a list leaves out \"%s\", which certainly stood there",
                          (unsigned long long)operation->number, was->path->name);
    }
}

/* Hooks ---------------------------------------------------------------------------------------------------------------- */

static void asked(struct sim_run *run, void *arg, const struct sim_operation *operation)
{
    const struct sim_ledger *ledger = &run->ledger;
    struct state *state = arg;

    if (operation->kind != SIM_OP_LIST || ledger->paths_count > LIST_PATHS_MAX)
        return;
    if (state->lists_count == state->lists_room) {
        state->lists_room = state->lists_room == 0 ? 8 : 2 * state->lists_room;
        state->lists = dfs_realloc_array(state->lists, state->lists_room, sizeof *state->lists);
    }
    struct open_list *list = &state->lists[state->lists_count++];

    *list = (struct open_list){.operation = operation->number,
                               .at = dfs_alloc_zero_array(ledger->paths_count + 1, sizeof *list->at)};
    for (size_t i = 0; i < ledger->paths_count; i++) {
        struct sim_path *path = ledger->paths[i];

        if (path->floor_version != 0 || path->gone_version != 0)
            list->at[list->count++] =
                (struct was){path, path->floor_version, path->gone_version, sim_path_must_exist(path)};
    }
}

static void answered(struct sim_run *run, void *arg, const struct sim_operation *operation,
                     const struct dfs_client_result *result)
{
    struct state *state = arg;
    const bool done = operation->answered_at != DFS_NEVER && operation->status == DFS_OK;
    struct open_list *list = operation->kind == SIM_OP_LIST ? list_of(state, operation) : NULL;

    if (list != NULL) {
        if (done && result != NULL && result->number == DFS_MSG_LIST_PAGE)
            list_answered(run, state, operation, list, result->message);
        list_forget(state, list);
    }
    if (!done)
        return;
    switch (operation->kind) {
    case SIM_OP_PUT:
    case SIM_OP_ABORT_PUT:
    case SIM_OP_MOVE:
    case SIM_OP_RESTORE:
        change_answered(run, state, operation);
        return;
    case SIM_OP_REMOVE:
        remove_answered(run, state, operation);
        return;
    case SIM_OP_GET:
    case SIM_OP_RANGE_GET:
        shown(run, state, operation, operation->path, operation->version, &operation->file, NULL);
        return;
    case SIM_OP_STAT: {
        const struct dfs_m_stat_done *m =
            result != NULL && result->number == DFS_MSG_STAT_DONE ? result->message : NULL;

        shown(run, state, operation, operation->path, operation->version, &operation->file,
              m != NULL ? &m->size_bytes : NULL);
        return;
    }
    case SIM_OP_LIST:
    case SIM_OP_LOGIN:
    case SIM_OP_COUNT:
        return;
    }
}

const struct sim_checker sim_checker_reads_never_go_back = {.name = "reads_never_go_back", .state_bytes = 1};

const struct sim_checker sim_checker_linearizable = {
    .name = "linearizable",
    .state_bytes = sizeof(struct state),
    .hooks = {.init = init, .close = close_state, .asked = asked, .answered = answered}};

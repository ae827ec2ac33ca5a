#include "sim/explore.h"

#include "core/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Tables are at most half full. Ways outnumber states: one state may be reached by many. */
#define TABLE_ROOM_PER_STATE 8

struct table {
    uint64_t *keys; /* 0: free */
    uint64_t room;  /* a power of two */
};

/* What all processes of a search share. */
struct shared {
    struct sim_explore_result result;
    struct table states;
    struct table ways;
    struct table outcomes;
    uint64_t states_max;
    uint64_t ways_count;
    uint64_t passed; /* ends that were not vacuous */
    uint64_t begun_ns;
    uint32_t path_count; /* of the process that runs now */
    uint16_t path[SIM_EXPLORE_DEPTH_MAX];
    bool stop;
    char panic[1024];
};

static struct shared *panic_shared; /* the hook has no argument */

struct search {
    const struct sim_explore_options *options;
    struct shared *shared;
    struct sim_scope *scope;
    struct sim_move *moves;
    uint32_t depth;
};

static uint64_t wall_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * DFS_SECONDS + (uint64_t)now.tv_nsec;
}

/* Tables ------------------------------------------------------------------------------------------------------------- */

#define KEY_BITS (~UINT64_C(15)) /* below: 1 + the fewest overtakings it was reached with */

static uint64_t *table_place(const struct table *table, uint64_t key)
{
    uint64_t at = sim_mix(key, 10) & (table->room - 1);

    while (table->keys[at] != 0 && (table->keys[at] & KEY_BITS) != key)
        at = (at + 1) & (table->room - 1);
    return &table->keys[at];
}

enum novelty { KNOWN, BETTER, NEW };

/* Was it known, and with as few overtakings? */
static enum novelty table_add(struct table *table, uint64_t name, uint32_t overtaken)
{
    const uint64_t key = (name & KEY_BITS) != 0 ? name & KEY_BITS : KEY_BITS;
    uint64_t *place = table_place(table, key);
    const uint64_t before = *place;

    if (before != 0 && (before & ~KEY_BITS) <= overtaken + 1)
        return KNOWN;
    *place = key | (overtaken + 1);
    return before != 0 ? BETTER : NEW;
}

static void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static bool table_open(struct table *table, uint64_t most)
{
    table->room = 1024;
    while (table->room < 2 * most)
        table->room *= 2;
    table->keys = shared_memory(table->room * sizeof *table->keys);
    return table->keys != NULL;
}

static void table_close(struct table *table)
{
    if (table->keys != NULL)
        (void)munmap(table->keys, table->room * sizeof *table->keys);
}

static void shared_close(struct shared *shared)
{
    table_close(&shared->states);
    table_close(&shared->ways);
    table_close(&shared->outcomes);
    (void)munmap(shared, sizeof *shared);
}

static struct shared *shared_open(const struct sim_explore_options *options)
{
    struct shared *shared = shared_memory(sizeof *shared);

    if (shared == NULL)
        return NULL;
    shared->states_max = options->states_max != 0 ? options->states_max : SIM_EXPLORE_STATES_DEFAULT;
    shared->begun_ns = wall_ns();
    if (table_open(&shared->states, shared->states_max) &&
        table_open(&shared->ways, TABLE_ROOM_PER_STATE * shared->states_max) &&
        table_open(&shared->outcomes, shared->states_max))
        return shared;
    shared_close(shared);
    return NULL;
}

/* Walking ------------------------------------------------------------------------------------------------------------ */

static void stop(struct search *search, enum sim_explore_bound bound)
{
    search->shared->stop = true;
    search->shared->result.bound = bound;
}

/* The first failure is the one that is told. */
static bool note_failure(struct search *search)
{
    struct shared *shared = search->shared;
    const struct sim_run *run = sim_scope_run(search->scope);

    if (run->verdict != SIM_FAIL && run->verdict != SIM_STUCK)
        return false;
    shared->result.verdict = run->verdict;
    shared->result.path_count = shared->path_count;
    memcpy(shared->result.path, shared->path, sizeof shared->path);
    stop(search, SIM_BOUND_FAILURE);
    return true;
}

static void note_abort(struct search *search)
{
    struct shared *shared = search->shared;

    shared->result.verdict = SIM_ABORTED;
    shared->result.path_count = shared->path_count;
    memcpy(shared->result.path, shared->path, sizeof shared->path);
    (void)snprintf(shared->result.words, sizeof shared->result.words, "%s",
                   shared->panic[0] != '\0' ? shared->panic : "a machine was ended by a signal");
    stop(search, SIM_BOUND_FAILURE);
}

static void make_move(struct search *search, size_t at)
{
    struct shared *shared = search->shared;
    const struct sim_move *move = &search->moves[at];

    shared->path[search->depth] = (uint16_t)at;
    shared->path_count = ++search->depth;
    shared->result.moves++;
    shared->result.crashes += move->kind == SIM_MOVE_CRASH;
    shared->result.losses += move->kind == SIM_MOVE_LOSE;
    if (search->depth > shared->result.deepest)
        shared->result.deepest = search->depth;
    sim_scope_apply(search->scope, move);
}

static void end_here(struct search *search)
{
    struct shared *shared = search->shared;
    const struct sim_run *run = sim_scope_run(search->scope);
    uint64_t outcome;

    sim_scope_finish(search->scope);
    shared->result.ends++;
    shared->passed += run->verdict == SIM_PASS;
    outcome = sim_scope_outcome(search->scope);
    if (table_add(&shared->outcomes, outcome, 0) == NEW) {
        shared->result.outcomes++;
        shared->result.outcomes_hash += sim_mix(outcome, 11);
    }
    (void)note_failure(search);
}

/* Is the state that was just reached one to go on from? */
static bool enter(struct search *search)
{
    struct shared *shared = search->shared;

    if (note_failure(search))
        return false;
    switch (table_add(&shared->states, sim_scope_state(search->scope), sim_scope_overtaken(search->scope))) {
    case KNOWN:
        shared->result.merged++;
        if (!search->options->no_merge)
            return false;
        break;
    case BETTER:
        shared->result.again++;
        break;
    case NEW:
        shared->result.states++;
        break;
    }
    if (shared->result.states >= shared->states_max || shared->ways_count >= TABLE_ROOM_PER_STATE * shared->states_max)
        stop(search, SIM_BOUND_STATES);
    if (search->options->time_ns != 0 && wall_ns() - shared->begun_ns > search->options->time_ns)
        stop(search, SIM_BOUND_TIME);
    return !shared->stop;
}

/* Not walked yet, in this order or another? Then it will be now. */
static bool is_new(struct search *search, size_t at)
{
    struct shared *shared = search->shared;

    if (search->options->no_merge || search->options->scope.overtakes != SIM_OVERTAKES_ALL)
        return true;
    if (table_add(&shared->ways, sim_scope_way(search->scope, &search->moves[at]), 0) == KNOWN) {
        shared->result.moves_known++;
        return false;
    }
    shared->ways_count++;
    return true;
}

static void walk(struct search *search);

/* Makes the move in a process of its own, and everything that follows from it. */
static void branch(struct search *search, size_t at)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        make_move(search, at);
        walk(search);
        _exit(0);
    }
    if (pid < 0) {
        (void)snprintf(search->shared->result.words, sizeof search->shared->result.words, "no more processes: %s",
                       strerror(errno));
        stop(search, SIM_BOUND_WORLD);
        return;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) && !search->shared->stop)
        note_abort(search);
    search->shared->path_count = search->depth;
}

/* Those that overtake lead where the usual course leads too, but with less left to overtake: they come after it. */
static size_t arrange(struct search *search, size_t count, size_t *order)
{
    const bool usual_first = search->options->scope.overtakes != SIM_OVERTAKES_ALL;
    size_t places = 0;

    for (unsigned pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < count; i++) {
            const bool usual = i == 0 && search->moves[i].kind == SIM_MOVE_TAKE;
            const unsigned rank = usual                        ? (usual_first ? 1 : 2)
                                  : search->moves[i].overtakes ? (usual_first ? 2 : 1)
                                                               : 0;

            if (rank == pass)
                order[places++] = i;
        }
    }
    return places;
}

/*
 * All that can come of the present state. The last is walked in this very process. Faults come first: then few processes wait for each other, and what is unusual
 * about a schedule that fails comes as late in it as it can.
 */
static void walk(struct search *search)
{
    size_t order[SIM_MOVES_MAX];

    while (enter(search)) {
        const size_t count = arrange(search, sim_scope_moves(search->scope, search->moves), order);
        const bool over = sim_scope_is_over(search->scope);
        const size_t own = over || count == 0 ? count : count - 1;

        if (!over && search->depth >= search->options->depth) {
            search->shared->result.cut++;
            return;
        }
        for (size_t i = 0; i < own && !search->shared->stop; i++)
            if (is_new(search, order[i]))
                branch(search, order[i]);
        if (search->shared->stop)
            return;
        if (over) {
            end_here(search);
            return;
        }
        if (own == count || !is_new(search, order[own]))
            return;
        make_move(search, order[own]);
    }
}

/* A search in a process of its own ----------------------------------------------------------------------------------- */

static void panic_note(const char *line)
{
    (void)snprintf(panic_shared->panic, sizeof panic_shared->panic, "%s", line);
}

static void search_begin(const struct sim_explore_options *options, struct shared *shared)
{
    struct search search = {.options = options, .shared = shared};
    struct sim_explore_result *result = &shared->result;
    struct sim_scenario scenario;
    struct dfs_conf_error error;
    struct dfs_why why;

    panic_shared = shared;
    dfs_panic_hook = panic_note;
    if (sim_source_read(options->source, options->scope.seed, &scenario, &error) != DFS_OK) {
        (void)snprintf(result->words, sizeof result->words, "%s", error.text);
        sim_scenario_close(&scenario);
        return;
    }
    search.scope = sim_scope_new(&scenario, &options->scope, &why);
    if (search.scope == NULL) {
        (void)snprintf(result->words, sizeof result->words, "%s", why.text);
    } else {
        result->started = true;
        search.moves = dfs_alloc_zero_array(SIM_MOVES_MAX, sizeof *search.moves);
        walk(&search);
        dfs_free(search.moves);
    }
    sim_scope_free(search.scope);
    sim_scenario_close(&scenario);
}

static void decide(struct shared *shared)
{
    struct sim_explore_result *result = &shared->result;

    result->wall_ns = wall_ns() - shared->begun_ns;
    if (result->bound == SIM_BOUND_NONE && result->cut > 0)
        result->bound = SIM_BOUND_DEPTH;
    if (result->verdict == SIM_PASS && result->bound == SIM_BOUND_NONE && shared->passed == 0)
        result->verdict = SIM_VACUOUS;
}

bool sim_explore(const struct sim_explore_options *options, struct sim_explore_result *ret_result)
{
    struct shared *shared = shared_open(options);
    int status = 0;
    pid_t pid;

    if (shared == NULL)
        return false;
    DFS_ASSERT(options->depth <= SIM_EXPLORE_DEPTH_MAX);
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        search_begin(options, shared);
        (void)fflush(NULL);
        _exit(0);
    }
    if (pid > 0) {
        struct search search = {.options = options, .shared = shared};

        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (!WIFEXITED(status) && !shared->stop)
            note_abort(&search);
        shared->result.started = shared->result.started || !WIFEXITED(status);
        decide(shared);
        *ret_result = shared->result;
    }
    shared_close(shared);
    return pid > 0;
}

const char *sim_explore_bound_words(enum sim_explore_bound bound)
{
    static const char *const words[] = {
        [SIM_BOUND_NONE] = "complete",
        [SIM_BOUND_FAILURE] = "it stopped at the first failure",
        [SIM_BOUND_DEPTH] = "the depth was used up",
        [SIM_BOUND_STATES] = "the number of states was used up",
        [SIM_BOUND_TIME] = "the time was used up",
        [SIM_BOUND_WORLD] = "the machine gives no more processes",
    };

    return words[bound];
}

#include "sim/why.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/expect.h"
#include "sim/nemesis.h"
#include "sim/trace_file.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A branch may take so many times the steps of the run that failed: it may wait longer. */
#define EVENTS_FACTOR 4
#define EVENTS_LEAST UINT64_C(1000000)

/* Of real time, for one branch. */
#define BRANCH_SECONDS 20

/* Of resident memory, for one branch, looked at every so many events. */
#define BRANCH_KIB_MAX (2L * 1024 * 1024)
#define BRANCH_LOOKS UINT64_C(65536)

enum outcome { UNKNOWN, SAME, OTHERWISE, PASSED };

/* How the run fails: what a branch is compared with. */
enum way { WAY_CHECKER, WAY_EXPECTATION, WAY_STUCK, WAY_ABORTED };

struct failure {
    enum sim_verdict_kind verdict;
    enum way way;
    char checker[64];
    size_t expectation;
    char panic[SIM_WHY_WORDS_BYTES]; /* of a failed assertion; "": a signal */
    int signal;
    char words[SIM_WHY_WORDS_BYTES];
    uint64_t steps;
};

struct branched {
    bool reached;
    dfs_time_ns at;
    bool before_zero;
    uint8_t outcomes[SIM_WHY_MORE * SIM_WHY_SUFFIXES_MAX];
};

/* What all processes share. */
struct shared {
    struct failure failure;
    char scenario[SIM_NAME_BYTES];
    char error[SIM_WHY_WORDS_BYTES]; /* the scenario is none */
    char world[SIM_WHY_WORDS_BYTES]; /* what the world refused */
    bool ended;                      /* the run came to its end */
    uint64_t events;
    uint64_t known;
    uint64_t branches;
    struct branched points[SIM_WHY_PARTS + 1];
    char context[SIM_WHY_CONTEXT_BYTES];
};

struct branch {
    pid_t pid;
    uint8_t *outcome;
};

/* One time through the run, and its branches. */
struct pass {
    const struct sim_why_options *options;
    struct shared *shared;
    uint64_t deadline_ns;   /* of the wall */
    const uint64_t *points; /* ascending; their branches are shared->points */
    size_t points_count;
    size_t points_next;
    uint32_t suffix_first;
    uint32_t suffixes;
    bool calm;
    bool measures; /* it is the first one: how does it fail, and when */
    uint64_t context_first;
    uint64_t context_last; /* 0: no lines are wanted */
    struct sim_run *run;
    FILE *lines;
    struct branch running[SIM_WHY_JOBS];
    size_t running_count;
    uint8_t *outcome; /* this process is a branch; NULL: the run itself */
    size_t violations_seen;
};

static struct pass *panic_pass; /* the hook has no argument */

static uint64_t wall_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * DFS_SECONDS + (uint64_t)now.tv_nsec;
}

/* In a branch -------------------------------------------------------------------------------------------------------- */

_Noreturn static void branch_end(struct pass *pass, enum outcome outcome)
{
    *pass->outcome = (uint8_t)outcome;
    _exit(0); /* the streams it holds are another process's */
}

static bool has_spoken(struct pass *pass)
{
    const struct sim_run *run = pass->run;

    for (; pass->violations_seen < run->violations_count; pass->violations_seen++)
        if (strcmp(run->violations[pass->violations_seen].checker, pass->shared->failure.checker) == 0)
            return true;
    return false;
}

/* After every event: the same failure needs no end, and nothing may grow without bound. */
static void branch_looks(struct pass *pass, uint64_t event)
{
    struct rusage used;

    if (pass->shared->failure.way == WAY_CHECKER && has_spoken(pass))
        branch_end(pass, SAME);
    if (event % BRANCH_LOOKS == 0 && getrusage(RUSAGE_SELF, &used) == 0 && used.ru_maxrss > BRANCH_KIB_MAX)
        branch_end(pass, UNKNOWN);
}

static bool is_same(struct pass *pass)
{
    const struct failure *failure = &pass->shared->failure;

    switch (failure->way) {
    case WAY_CHECKER:
        return has_spoken(pass);
    case WAY_EXPECTATION:
        return !sim_expects_get(pass->run->expects, failure->expectation).ok;
    case WAY_STUCK:
        return !pass->run->settled;
    case WAY_ABORTED:
        return false;
    }
    dfs_unreachable("is_same");
}

static enum outcome branch_outcome(struct pass *pass)
{
    const struct sim_run *run = pass->run;
    const uint64_t steps = sim_world_counts(run->world)->events;

    if (steps >= run->options.events_max && run->options.events_max < SIM_EVENTS_MAX)
        return UNKNOWN;
    if (is_same(pass))
        return SAME;
    return run->verdict == SIM_PASS || run->verdict == SIM_VACUOUS ? PASSED : OTHERWISE;
}

static void panic_note(const char *line)
{
    const struct failure *failure = &panic_pass->shared->failure;

    if (panic_pass->outcome != NULL)
        *panic_pass->outcome =
            failure->way == WAY_ABORTED && strcmp(failure->panic, line) == 0 ? (uint8_t)SAME : (uint8_t)OTHERWISE;
    else if (panic_pass->measures)
        (void)snprintf(panic_pass->shared->failure.panic, sizeof failure->panic, "%s", line);
}

/* In the run, which branches ------------------------------------------------------------------------------------------ */

/* What became of one that could not say it. */
static enum outcome killed(const struct pass *pass, int status)
{
    const struct failure *failure = &pass->shared->failure;

    if (!WIFSIGNALED(status))
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? UNKNOWN : OTHERWISE;
    if (WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGKILL)
        return UNKNOWN; /* too slow, or the machine was short of memory */
    return failure->way == WAY_ABORTED && failure->panic[0] == '\0' && failure->signal == WTERMSIG(status) ? SAME
                                                                                                           : OTHERWISE;
}

static void await_one(struct pass *pass)
{
    int status = 0;
    pid_t pid;

    do {
        pid = waitpid(-1, &status, 0);
    } while (pid < 0 && errno == EINTR);
    for (size_t i = 0; i < pass->running_count; i++) {
        if (pass->running[i].pid != pid && pid >= 0)
            continue;
        if (*pass->running[i].outcome == UNKNOWN)
            *pass->running[i].outcome = (uint8_t)killed(pass, status);
        pass->running[i] = pass->running[--pass->running_count];
        return;
    }
}

/* true: in the branch, which goes on with a future of its own. */
static bool branch(struct pass *pass, uint32_t suffix, uint8_t *outcome)
{
    const pid_t pid = fork();

    if (pid > 0) {
        pass->running[pass->running_count++] = (struct branch){pid, outcome};
        pass->shared->branches++;
        return false;
    }
    if (pid < 0) {
        (void)snprintf(pass->shared->world, sizeof pass->shared->world, "no more processes: %s", strerror(errno));
        return false;
    }
    pass->outcome = outcome;
    pass->running_count = 0;
    (void)alarm(BRANCH_SECONDS);
    sim_run_suffix(pass->run, suffix);
    if (pass->calm)
        sim_nemesis_calm(pass->run->nemesis);
    return true;
}

/* All branches of a point; true: in one of them. */
static bool branch_off(struct pass *pass, struct branched *point)
{
    const struct sim_run *run = pass->run;

    point->reached = true;
    point->before_zero = run->zero == DFS_NEVER;
    point->at = point->before_zero ? sim_world_now(run->world) : sim_run_time(run);
    for (uint32_t i = 0; i < pass->suffixes; i++) {
        if (wall_ns() > pass->deadline_ns || pass->shared->world[0] != '\0')
            break; /* the others stay unknown */
        if (pass->running_count == SIM_WHY_JOBS)
            await_one(pass);
        if (branch(pass, pass->suffix_first + i + 1, &point->outcomes[i]))
            return true;
    }
    while (pass->running_count > 0)
        await_one(pass);
    return false;
}

_Noreturn static void pass_end(struct pass *pass)
{
    if (pass->lines != NULL)
        (void)fclose(pass->lines);
    exit(0); /* not _exit: coverage tools write at the end */
}

static bool is_pass_over(const struct pass *pass, uint64_t event)
{
    return !pass->measures && pass->points_next == pass->points_count && event >= pass->context_last;
}

static void told(void *arg, uint64_t event)
{
    struct pass *pass = arg;
    struct shared *shared = pass->shared;

    if (pass->outcome != NULL) {
        branch_looks(pass, event);
        return;
    }
    if (pass->measures) {
        shared->events = event;
        if (shared->known == 0 && pass->run->violations_count > 0)
            shared->known = event;
    }
    while (pass->points_next < pass->points_count && pass->points[pass->points_next] == event)
        if (branch_off(pass, &shared->points[pass->points_next++]))
            return;
    if (is_pass_over(pass, event))
        pass_end(pass);
}

static void attach(struct sim_run *run, void *arg)
{
    struct pass *pass = arg;
    const struct sim_trace_lines lines = {
        .first = pass->context_first, .last = pass->context_last, .told = told, .arg = pass};

    pass->run = run;
    (void)sim_trace_lines_new(run, pass->lines, &lines); /* lives as long as the process */
}

/* How the run failed -------------------------------------------------------------------------------------------------- */

static void note_checker(struct failure *failure, const struct sim_violation *violation)
{
    failure->way = WAY_CHECKER;
    (void)snprintf(failure->checker, sizeof failure->checker, "%s", violation->checker);
    (void)snprintf(failure->words, sizeof failure->words, "%s, at %.3f s%s%s%s: %s", violation->checker,
                   (double)violation->at / 1e9, violation->before_zero ? " before time 0" : "",
                   violation->host[0] != '\0' ? ", " : "", violation->host, violation->message);
}

static bool note_expectation(struct failure *failure, const struct sim_run *run)
{
    for (size_t i = 0; i < sim_expects_count(run->expects); i++) {
        const struct sim_expectation expectation = sim_expects_get(run->expects, i);
        const struct sim_expect *expect = &run->scenario->expects[i];

        if (expectation.ok)
            continue;
        failure->way = WAY_EXPECTATION;
        failure->expectation = i;
        (void)snprintf(failure->words, sizeof failure->words, "expectation %zu (line %u, %s): %.700s", i, expect->line,
                       sim_expect_name(expect->kind), expectation.message);
        return true;
    }
    return false;
}

static void note_failure(struct shared *shared, const struct sim_run *run)
{
    struct failure *failure = &shared->failure;

    failure->verdict = run->verdict;
    failure->steps = sim_world_counts(run->world)->events;
    shared->ended = true;
    if (run->violations_count > 0) {
        note_checker(failure, &run->violations[0]);
    } else if (run->verdict != SIM_FAIL || !note_expectation(failure, run)) {
        failure->way = WAY_STUCK;
        (void)snprintf(failure->words, sizeof failure->words, "%.1000s", run->reason);
    }
}

/* It ended by itself, in the middle of everything. */
static void note_abort(struct shared *shared, int status)
{
    struct failure *failure = &shared->failure;

    failure->verdict = SIM_ABORTED;
    failure->way = WAY_ABORTED;
    failure->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (failure->panic[0] != '\0')
        (void)snprintf(failure->words, sizeof failure->words, "%.1000s", failure->panic);
    else if (failure->signal != 0)
        (void)snprintf(failure->words, sizeof failure->words, "a machine was ended by signal %d (%s)", failure->signal,
                       strsignal(failure->signal));
    else
        (void)snprintf(failure->words, sizeof failure->words, "the run ended with exit code %d and no result",
                       WEXITSTATUS(status));
}

/* A pass in a process of its own -------------------------------------------------------------------------------------- */

static uint64_t events_max(const struct pass *pass)
{
    const uint64_t most = EVENTS_FACTOR * pass->shared->failure.steps;

    if (pass->measures || pass->shared->failure.way == WAY_ABORTED || most > SIM_EVENTS_MAX)
        return SIM_EVENTS_MAX;
    return most > EVENTS_LEAST ? most : EVENTS_LEAST;
}

_Noreturn static void pass_main(struct pass *pass)
{
    struct sim_scenario scenario;
    struct dfs_conf_error error;

    panic_pass = pass;
    dfs_panic_hook = panic_note;
    if (sim_source_read(pass->options->source, pass->options->seed, &scenario, &error) != DFS_OK) {
        (void)snprintf(pass->shared->error, sizeof pass->shared->error, "%s", error.text);
        sim_scenario_close(&scenario);
        exit(0);
    }
    (void)snprintf(pass->shared->scenario, sizeof pass->shared->scenario, "%s", scenario.name);
    if (pass->context_last > 0) {
        pass->lines = fmemopen(pass->shared->context, sizeof pass->shared->context, "w");
        if (pass->lines == NULL)
            exit(0);
        (void)setvbuf(pass->lines, NULL, _IONBF, 0); /* the run may abort behind the point */
    }
    const struct sim_run_options options = {
        .seed = pass->options->seed, .events_max = events_max(pass), .attach = attach, .attach_arg = pass};

    pass->run = sim_run_new(&scenario, &options);
    if (pass->points_count > 0 && pass->points[0] == 0)
        (void)branch_off(pass, &pass->shared->points[pass->points_next++]);
    if (pass->outcome == NULL && is_pass_over(pass, 0))
        pass_end(pass);
    sim_run_go(pass->run);
    if (pass->outcome != NULL)
        branch_end(pass, branch_outcome(pass));
    if (pass->measures)
        note_failure(pass->shared, pass->run);
    pass_end(pass);
}

/* The search ---------------------------------------------------------------------------------------------------------- */

struct why {
    const struct sim_why_options *options;
    struct sim_why_result *result;
    struct shared *shared;
    uint64_t deadline_ns;
};

static bool is_over(struct why *why)
{
    why->result->out_of_time = why->result->out_of_time || wall_ns() > why->deadline_ns;
    return why->result->out_of_time || why->shared->world[0] != '\0';
}

/* Runs it to its end; false: the world gives no process. */
static bool pass_do(struct why *why, struct pass *pass, int *ret_status)
{
    const uint64_t now = wall_ns();
    const uint64_t left_ns = why->deadline_ns > now ? why->deadline_ns - now : 0;
    pid_t pid;

    pass->options = why->options;
    pass->shared = why->shared;
    pass->deadline_ns = why->deadline_ns;
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        (void)alarm((unsigned)(left_ns / DFS_SECONDS) + 2 * BRANCH_SECONDS);
        pass_main(pass);
    }
    if (pid < 0) {
        (void)snprintf(why->shared->world, sizeof why->shared->world, "no process: %s", strerror(errno));
        return false;
    }
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
        ;
    return true;
}

bool sim_why_all_failed(const struct sim_why_point *point)
{
    return point->failed > 0 && point->otherwise + point->passed + point->unknown == 0;
}

static struct sim_why_point counted(const struct branched *branched, uint64_t event, uint32_t suffixes)
{
    struct sim_why_point point = {.event = event, .at = branched->at, .before_zero = branched->before_zero};

    for (uint32_t i = 0; i < suffixes; i++) {
        switch ((enum outcome)branched->outcomes[i]) {
        case UNKNOWN:
            point.unknown++;
            break;
        case SAME:
            point.failed++;
            break;
        case OTHERWISE:
            point.otherwise++;
            break;
        case PASSED:
            point.passed++;
            break;
        }
    }
    return point;
}

/* Branches after each of these events, ascending; adds the points that were reached to the search. */
static void try_points(struct why *why, struct sim_why_search *search, bool calm, const uint64_t *events, size_t count)
{
    struct pass pass = {.points = events, .points_count = count, .suffixes = why->options->suffixes, .calm = calm};
    int status = 0;

    memset(why->shared->points, 0, sizeof why->shared->points);
    if (!pass_do(why, &pass, &status))
        return;
    for (size_t i = 0; i < count && why->shared->points[i].reached; i++) {
        const struct sim_why_point point = counted(&why->shared->points[i], events[i], why->options->suffixes);
        size_t at = search->points_count++;

        for (; at > 0 && search->points[at - 1].event > point.event; at--)
            search->points[at] = search->points[at - 1];
        search->points[at] = point;
        search->survived = search->survived || point.passed + point.otherwise > 0;
        search->doubtful = search->doubtful || point.unknown > 0;
    }
}

static const struct sim_why_point *point_of(const struct sim_why_search *search, uint64_t event)
{
    for (size_t i = 0; i < search->points_count; i++)
        if (search->points[i].event == event)
            return &search->points[i];
    return NULL;
}

/* The last point from which not all fail, and the first after it. */
static void enclose(struct sim_why_search *search)
{
    size_t at = search->points_count;

    while (at > 0 && sim_why_all_failed(&search->points[at - 1]))
        at--;
    if (at == 0 || at == search->points_count)
        return;
    search->found = true;
    search->last = search->points[at - 1].event;
    search->first = search->points[at].event;
}

static void halve(struct why *why, struct sim_why_search *search, bool calm)
{
    while (search->found && search->first - search->last > 1 && !is_over(why) &&
           search->points_count < SIM_WHY_POINTS_MAX) {
        const uint64_t middle = search->last + (search->first - search->last) / 2;

        try_points(why, search, calm, &middle, 1);
        const struct sim_why_point *point = point_of(search, middle);

        if (point == NULL)
            return;
        if (point->unknown > 0 && is_over(why))
            return; /* that says nothing about the point */
        if (sim_why_all_failed(point))
            search->first = middle;
        else
            search->last = middle;
    }
}

/* All suffixes failed: what do others do? */
static void try_more(struct why *why, struct sim_why_search *search, bool calm)
{
    struct pass pass = {.points = &search->first,
                        .points_count = 1,
                        .suffix_first = why->options->suffixes,
                        .suffixes = SIM_WHY_MORE * why->options->suffixes,
                        .calm = calm};
    int status = 0;

    if (!search->found || is_over(why))
        return;
    memset(why->shared->points, 0, sizeof why->shared->points);
    if (pass_do(why, &pass, &status) && why->shared->points[0].reached)
        search->more = counted(&why->shared->points[0], search->first, pass.suffixes);
}

static void search(struct why *why, enum sim_why_futures futures)
{
    struct sim_why_search *search = &why->result->searches[futures];
    const bool calm = futures == SIM_WHY_CALM;
    uint64_t events[SIM_WHY_PARTS + 1];
    size_t count = 0;

    for (uint64_t part = 0; part <= SIM_WHY_PARTS; part++) {
        const uint64_t event = why->result->known * part / SIM_WHY_PARTS;

        if (count == 0 || events[count - 1] != event)
            events[count++] = event;
    }
    try_points(why, search, calm, events, count);
    enclose(search);
    halve(why, search, calm);
    try_more(why, search, calm);
}

/* The trace's lines around the point. */
static void context(struct why *why, const struct sim_why_search *search)
{
    struct pass pass = {.context_first = search->first > SIM_WHY_BEFORE ? search->first - SIM_WHY_BEFORE : 1,
                        .context_last = search->first + SIM_WHY_AFTER};
    int status = 0;

    if (!search->found || !pass_do(why, &pass, &status))
        return;
    why->result->context_first = pass.context_first;
    memcpy(why->result->context, why->shared->context, sizeof why->result->context);
    why->result->context[sizeof why->result->context - 1] = '\0';
}

/* How does it fail? */
static enum dfs_status measure(struct why *why, struct dfs_why *ret_why)
{
    struct pass pass = {.measures = true};
    struct sim_why_result *result = why->result;
    struct shared *shared = why->shared;
    int status = 0;

    if (!pass_do(why, &pass, &status)) {
        dfs_why_set(ret_why, "%s", shared->world);
        return DFS_IO;
    }
    if (shared->error[0] != '\0') {
        dfs_why_set(ret_why, "%s", shared->error);
        return DFS_BAD_CONFIG;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        dfs_why_set(ret_why, "the run alone takes longer than the time allowed: --time gives more");
        return DFS_IO;
    }
    if (!shared->ended)
        note_abort(shared, status);
    (void)snprintf(result->scenario, sizeof result->scenario, "%s", shared->scenario);
    (void)snprintf(result->checker, sizeof result->checker, "%s", shared->failure.checker);
    (void)snprintf(result->words, sizeof result->words, "%s", shared->failure.words);
    result->verdict = shared->failure.verdict;
    result->fails = result->verdict == SIM_FAIL || result->verdict == SIM_STUCK || result->verdict == SIM_ABORTED;
    result->events = shared->events;
    result->known = shared->known != 0 ? shared->known : shared->events;
    return DFS_OK;
}

enum dfs_status sim_why(const struct sim_why_options *options, struct sim_why_result *ret_result,
                        struct dfs_why *ret_why)
{
    struct why why = {.options = options, .result = ret_result, .deadline_ns = wall_ns() + options->time_ns};
    enum dfs_status status;

    DFS_ASSERT(options->suffixes >= 1 && options->suffixes <= SIM_WHY_SUFFIXES_MAX);
    memset(ret_result, 0, sizeof *ret_result);
    why.shared = mmap(NULL, sizeof *why.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (why.shared == MAP_FAILED) {
        dfs_why_set(ret_why, "no memory: %s", strerror(errno));
        return DFS_IO;
    }
    status = measure(&why, ret_why);
    if (status == DFS_OK && ret_result->fails) {
        search(&why, SIM_WHY_DRAWN);
        const struct sim_why_search *drawn = &ret_result->searches[SIM_WHY_DRAWN];

        if (!drawn->survived && !drawn->doubtful && !is_over(&why))
            search(&why, SIM_WHY_CALM);
        context(&why, ret_result->searches[SIM_WHY_CALM].found ? &ret_result->searches[SIM_WHY_CALM]
                                                               : &ret_result->searches[SIM_WHY_DRAWN]);
        ret_result->branches = why.shared->branches;
        (void)is_over(&why);
        if (why.shared->world[0] != '\0') {
            dfs_why_set(ret_why, "%s", why.shared->world);
            status = DFS_IO;
        }
    }
    (void)munmap(why.shared, sizeof *why.shared);
    return status;
}

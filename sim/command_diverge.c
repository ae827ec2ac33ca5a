/*
 * `dfs-sim diverge`: two processes run the same seed and tell their events through pipes; the first that differs is printed. Nothing is stored but the last few
 * events, however long the run. The second process has other heap contents and another size of environment, so that what depends on them shows.
 */
#include "sim/commands.h"

#include "sim/own_seed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_DIFFERENT 5
#define EXIT_WORLD 7

/* Events before the one that differs. */
#define CONTEXT 5

/* What the second process gets: freed and fresh memory filled with this, and so much more environment. */
#define FILL_BYTE "165"
#define PADDING_BYTES 3000

struct side {
    const char *program;
    pid_t pid;
    FILE *events;
    int result; /* what it prints: the object of run --json */
    char *line;
    size_t room;
    bool there;
};

_Noreturn static void become(const struct side *side, const char *scenario, const char *seed, int events,
                             bool perturbed)
{
    const char *program = side->program;
    char trace[32];
    char padding[PADDING_BYTES + 1];

    if (perturbed) {
        memset(padding, 'x', PADDING_BYTES);
        padding[PADDING_BYTES] = '\0';
        (void)setenv("DFS_DIVERGE_PADDING", padding, 1);
        (void)setenv("MALLOC_PERTURB_", FILL_BYTE, 1); /* glibc's */
        (void)setenv("MALLOC_CONF", "junk:true", 1);   /* jemalloc's */
    }
    (void)snprintf(trace, sizeof trace, "/dev/fd/%d", events);
    (void)dup2(side->result, STDOUT_FILENO);
    (void)fcntl(events, F_SETFD, 0);
    (void)execlp(program, program, "run", scenario, "--seed", seed, "--trace", trace, "--json", (char *)NULL);
    (void)fprintf(stderr, "dfs-sim: diverge: cannot start %s: %s\n", program, strerror(errno));
    _exit(EXIT_WORLD);
}

static bool side_start(struct side *side, const char *scenario, const char *seed, bool perturbed)
{
    int fds[2];

    side->result = memfd_create("result", MFD_CLOEXEC);
    if (side->result < 0 || pipe2(fds, O_CLOEXEC) != 0)
        return false;
    (void)fflush(NULL);
    side->pid = fork();
    if (side->pid == 0)
        become(side, scenario, seed, fds[1], perturbed);
    (void)close(fds[1]);
    if (side->pid < 0) {
        (void)close(fds[0]);
        return false;
    }
    side->events = fdopen(fds[0], "r");
    return side->events != NULL;
}

static void side_next(struct side *side)
{
    side->there = getline(&side->line, &side->room, side->events) >= 0;
}

/* The exit code of its process; one that was still telling ends with the pipe. */
static int side_end(struct side *side)
{
    int status = 0;

    if (side->events != NULL)
        (void)fclose(side->events);
    free(side->line); /* getline's */
    if (side->pid <= 0)
        return EXIT_WORLD;
    while (waitpid(side->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
        return 0; /* nobody listened any more */
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_WORLD;
}

static void print_event(const char *mark, const struct side *side)
{
    (void)printf("%s %s", mark, side->there ? side->line : "(the run is over)\n");
}

/* Reads both to the end or to the first difference; the number of equal events. */
static uint64_t compare(struct side *first, struct side *second, bool *ret_differ)
{
    char *before[CONTEXT] = {0};
    uint64_t number = 0;

    for (;;) {
        side_next(first);
        side_next(second);
        *ret_differ = first->there != second->there || (first->there && strcmp(first->line, second->line) != 0);
        if (*ret_differ || !first->there)
            break;
        free(before[number % CONTEXT]);
        before[number % CONTEXT] = strdup(first->line);
        number++;
    }
    /* A side without any event did not run: its own words on standard error say why. */
    if (*ret_differ && (number > 0 || (first->there && second->there))) {
        (void)printf("line %" PRIu64 " of the events is the first that differs:\n", number + 1);
        for (uint64_t i = number > CONTEXT ? number - CONTEXT : 0; i < number; i++)
            (void)printf("  %s", before[i % CONTEXT] != NULL ? before[i % CONTEXT] : "\n");
        print_event("1", first);
        print_event("2", second);
        for (int i = 0; i < 2; i++) {
            side_next(first);
            side_next(second);
            print_event("1", first);
            print_event("2", second);
        }
    }
    for (size_t i = 0; i < CONTEXT; i++)
        free(before[i]);
    return number;
}

/* The hash that the side has printed; a copy, NULL when there is none. */
static char *side_hash(struct side *side)
{
    FILE *stream = side->result >= 0 ? fdopen(side->result, "r") : NULL;
    char *hash = NULL;

    if (stream == NULL)
        return NULL;
    rewind(stream);
    json_t *result = json_loadf(stream, JSON_DISABLE_EOF_CHECK, NULL);
    const char *text = json_string_value(json_object_get(result, "trace_hash"));

    if (text != NULL)
        hash = strdup(text);
    json_decref(result);
    (void)fclose(stream);
    return hash;
}

/* The events are the same lines; the hash covers more: each payload's bytes, draws, deadlines. */
static int compare_hashes(struct side *first, struct side *second, uint64_t equal)
{
    char *hashes[] = {side_hash(first), side_hash(second)};
    int code = 0;

    if (hashes[0] == NULL && hashes[1] == NULL) { /* an aborted run has none: both have aborted at the same event */
        (void)printf("the same %" PRIu64 " lines of events in both, and neither has a trace hash\n", equal);
    } else if (hashes[0] != NULL && hashes[1] != NULL && strcmp(hashes[0], hashes[1]) == 0) {
        (void)printf("the same %" PRIu64 " lines of events in both, trace hash %s\n", equal, hashes[0]);
    } else {
        code = EXIT_DIFFERENT;
        (void)printf(
            "the same %" PRIu64 " lines of events in both, but the trace hashes differ: %s and %s.\n"
            "The hash covers what no line shows: bytes of payloads, every draw of a host, the deadlines that it asked for.\n",
            equal, hashes[0] != NULL ? hashes[0] : "none", hashes[1] != NULL ? hashes[1] : "none");
    }
    free(hashes[0]); /* strdup's */
    free(hashes[1]);
    return code;
}

static int diverge(const char *scenario, const char *seed, const char *against)
{
    struct side first = {.program = "/proc/self/exe", .result = -1};
    struct side second = {.program = against != NULL ? against : "/proc/self/exe", .result = -1};
    bool differ = false;
    uint64_t equal = 0;
    const bool started = side_start(&first, scenario, seed, false) && side_start(&second, scenario, seed, true);

    if (started)
        equal = compare(&first, &second, &differ);
    const int codes[] = {side_end(&first), side_end(&second)};

    if (!started || codes[0] == EXIT_WORLD || codes[0] == EXIT_USAGE)
        return started ? codes[0] : EXIT_WORLD;
    if (codes[1] == EXIT_WORLD || codes[1] == EXIT_USAGE)
        return codes[1];
    if (differ && equal == 0 && first.there && !second.there)
        return sim_world_error("diverge: %s shows no events: is it a dfs-sim?", second.program);
    return differ ? EXIT_DIFFERENT : compare_hashes(&first, &second, equal);
}

/* 0 and the seed, unless one was given; or an exit code, and why is said once: both runs would say it. */
static int look_at(const char *file, bool seed_given, uint64_t *ret_seed)
{
    struct sim_source source;
    struct sim_scenario scenario;
    struct dfs_conf_error error;
    struct dfs_why why;

    if (sim_source_load(&source, file, &why) != DFS_OK)
        return sim_world_error("%s", why.text);
    if (!seed_given)
        (void)sim_own_seed(&source, ret_seed);
    const enum dfs_status status = sim_source_read(&source, *ret_seed, &scenario, &error);

    sim_scenario_close(&scenario);
    sim_source_close(&source);
    if (status != DFS_OK)
        (void)fprintf(stderr, "%s\n", error.text);
    return status == DFS_OK ? 0 : EXIT_USAGE;
}

struct diverge_options {
    uint64_t seed;
    bool seed_given;
    const char *against;
};

#define AT(member) offsetof(struct diverge_options, member)

static const struct sim_option options[] = {
    SIM_OPTION_OWN_SEED(AT(seed), SIM_OPTION_SEEN_AT(struct diverge_options, seed_given)),
    {.name = "against",
     .argument = "PROGRAM",
     .type = SIM_OPTION_TEXT,
     .offset = AT(against),
     .help = "the second run is of this dfs-sim, for example of another compiler or commit"},
};

static int command_diverge(const struct sim_command *command, const char *program, int argc, char **argv)
{
    struct diverge_options wanted = {.seed = 1};
    char seed[24];
    int first = 0;
    const enum sim_options_end end = sim_options_read(command, argc, argv, &wanted, &first);

    (void)program;
    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    if (argc - first != 1)
        return sim_usage_error("diverge needs one SCENARIO; see dfs-sim diverge --help");
    const int code = look_at(argv[first], wanted.seed_given, &wanted.seed);

    if (code != 0)
        return code;
    (void)snprintf(seed, sizeof seed, "%" PRIu64, wanted.seed);
    return diverge(argv[first], seed, wanted.against);
}

const struct sim_command sim_command_diverge = {
    .name = "diverge",
    .line = "diverge SCENARIO --seed N [--against PROGRAM]",
    .run = command_diverge,
    SIM_OPTIONS(options),
    .before =
        "dfs-sim diverge SCENARIO --seed N [--against PROGRAM]    the first event in which two runs of one seed differ\n"
        "\n"
        "Both runs are processes of their own; the second one has other heap contents and a larger environment. Their trace hashes, which cover\n"
        "more than the lines of events show, are compared too.\n",
    .after =
        "Exit codes: 0 the same events and hash to the end, 5 they differ, 2 usage or bad scenario, 7 a program or file could not be used.\n",
};

#include "sim/bench.h"

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "net_sim/prf.h"
#include "sim/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS(n) ((int64_t)(n)*1000000)
#define S(n) ((int64_t)(n)*1000000000)

/* Shared machines are noisy: the best of so many runs is what the code can do. */
#define RUNS 3

static double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The bare loop: a binary heap of (time, order), `pending` messages of 100 bytes in flight; each event hashes its message into a digest, draws twice and sends
 * one message on. What a simulator of nothing would cost on this machine, in this minute. ------------------------------------------- */

#define BARE_MESSAGE_BYTES 100
#define BARE_EVENTS 2000000

struct bare_event {
    uint64_t at;
    uint64_t order;
    uint8_t message[BARE_MESSAGE_BYTES];
};

struct bare {
    struct bare_event **heap;
    size_t count;
    uint64_t order;
};

static bool bare_before(const struct bare_event *a, const struct bare_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void bare_push(struct bare *bare, struct bare_event *event)
{
    size_t i = bare->count++;

    event->order = bare->order++;
    while (i > 0 && bare_before(event, bare->heap[(i - 1) / 2])) {
        bare->heap[i] = bare->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    bare->heap[i] = event;
}

static struct bare_event *bare_pop(struct bare *bare)
{
    struct bare_event *top = bare->heap[0];
    struct bare_event *last = bare->heap[--bare->count];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < bare->count; i = child) {
        if (child + 1 < bare->count && bare_before(bare->heap[child + 1], bare->heap[child]))
            child++;
        if (!bare_before(bare->heap[child], last))
            break;
        bare->heap[i] = bare->heap[child];
    }
    bare->heap[i] = last;
    return top;
}

static double bare_events_per_second(size_t pending)
{
    struct bare bare = {.heap = dfs_alloc_zero((pending + 1) * sizeof(struct bare_event *))};
    struct bare_event *events = dfs_alloc_zero(pending * sizeof *events);
    uint64_t digest = 0;

    for (size_t i = 0; i < pending; i++) {
        events[i].at = sim_prf(1, 2, i) % 100000;
        bare_push(&bare, &events[i]);
    }
    const double begin = seconds_now();

    for (uint64_t n = 0; n < BARE_EVENTS; n++) {
        struct bare_event *event = bare_pop(&bare);
        const uint64_t a = sim_prf(digest, 1, n);
        const uint64_t b = sim_prf(digest, 2, n);

        digest = dfs_hash64(digest ^ event->at, event->message, sizeof event->message);
        memcpy(event->message, &a, sizeof a);
        event->at += 1000 + b % 100000;
        bare_push(&bare, event);
    }
    const double took = seconds_now() - begin;

    DFS_ASSERT(digest != 0);
    dfs_free(events);
    dfs_free(bare.heap);
    return (double)BARE_EVENTS / took;
}

/* Cases ------------------------------------------------------------------------------------------------------------------- */

struct bench_case {
    const char *name;
    const char *words;
    uint32_t data;
    uint32_t clients;
    int64_t rate; /* operations a second; 0: idle */
    int64_t duration_ns;
};

static const struct bench_case cases[] = {
    {"load-5", "5 data servers, 4 KB files, PUT and GET", 5, 4, 2000, S(20)},
    {"idle-5", "5 data servers, nothing to do", 5, 1, 0, S(3600)},
    {"load-50", "50 data servers, 4 KB files, PUT and GET", 50, 4, 2000, S(10)},
};
#define CASES_COUNT (sizeof cases / sizeof cases[0])

struct result {
    double events_per_second;
    double simulated_per_second;
    uint64_t events;
    uint64_t hash;
    uint64_t puts;
    enum sim_verdict_kind verdict;
};

static void case_scenario(const struct bench_case *bench, struct sim_scenario *scenario)
{
    sim_scenario_init(scenario);
    (void)snprintf(scenario->name, sizeof scenario->name, "bench-%s", bench->name);
    scenario->duration_ns = bench->duration_ns;
    scenario->cluster.data = bench->data;
    scenario->cluster.clients = bench->clients;
    scenario->cluster.settings.scrypt_n = 16;
    scenario->cluster.settings.token_lifetime_ns = S(24 * 3600);
    if (bench->rate == 0)
        return;
    struct sim_work *mix = sim_scenario_work(scenario);

    mix->is_mix = true;
    mix->to_ns = bench->duration_ns;
    mix->clients.count = 0;
    sim_host_refs_add(&mix->clients, SIM_HOST_ALL_CLIENTS, 0);
    mix->rate_millionths = bench->rate * 1000000;
    mix->paths = 1000;
    mix->size = (struct dfs_spread){.low = 4096, .high = 4096};
    memset(mix->weights, 0, sizeof mix->weights);
    mix->weights[SIM_OP_PUT] = 1;
    mix->weights[SIM_OP_GET] = 1;
}

/* The clock runs from time 0 until the cluster has come to rest after the workload: the start of a cluster and the audit are not what is measured. It is the
 * processor's time of this process, which has one thread: what else the machine does is not counted. */
struct stopwatch {
    double begun;
    double ended;
    uint64_t events_begun;
    uint64_t events_ended;
};

static void on_begun(struct sim_run *run, void *state)
{
    struct stopwatch *watch = state;

    watch->events_begun = sim_world_counts(run->world)->events;
    watch->begun = seconds_now();
}

/* Asked until everybody says yes: the last time is the end of the work, before the checks of the end. */
static bool on_rest(struct sim_run *run, void *state, char *why, size_t room)
{
    struct stopwatch *watch = state;

    if (room > 0)
        why[0] = '\0'; /* never a reason to wait */
    watch->ended = seconds_now();
    watch->events_ended = sim_world_counts(run->world)->events;
    return true;
}

static const struct sim_hooks watch_hooks = {.begun = on_begun, .at_rest = on_rest};

static void attach(struct sim_run *run, void *arg)
{
    sim_run_listen(run, "stopwatch", &watch_hooks, arg);
}

static struct result case_run(const struct bench_case *bench, bool checked)
{
    struct sim_scenario scenario;
    struct stopwatch watch = {0};
    const struct sim_run_options options = {
        .seed = 1, .no_audit = true, .no_checkers = !checked, .attach = attach, .attach_arg = &watch};

    case_scenario(bench, &scenario);
    struct sim_run *run = sim_run_new(&scenario, &options);

    sim_run_go(run);
    const double took = watch.ended - watch.begun;
    const uint64_t events = watch.events_ended - watch.events_begun;
    const struct result result = {.events_per_second = took > 0 ? (double)events / took : 0,
                                  .simulated_per_second = took > 0 ? (double)bench->duration_ns / 1e9 / took : 0,
                                  .events = events,
                                  .hash = sim_world_hash(run->world),
                                  .puts = run->ledger.put_acknowledged,
                                  .verdict = run->verdict};

    sim_run_free(run);
    sim_scenario_close(&scenario);
    return result;
}

static struct result case_best(const struct bench_case *bench, bool checked)
{
    struct result best = case_run(bench, checked);

    for (int i = 1; i < RUNS; i++) {
        const struct result again = case_run(bench, checked);

        DFS_ASSERT(again.hash == best.hash || again.verdict != best.verdict);
        if (again.events_per_second > best.events_per_second)
            best = again;
    }
    return best;
}

int sim_bench(bool json)
{
    struct result results[CASES_COUNT];
    struct result unchecked;
    int code = 0;

    /* In flight under load: about two timers and two messages a host and a dozen operations. */
    const double bare = bare_events_per_second(64);

    for (size_t i = 0; i < CASES_COUNT; i++) {
        results[i] = case_best(&cases[i], true);
        if (results[i].verdict != SIM_PASS && code == 0)
            code = sim_verdict_exit_code(results[i].verdict);
    }
    unchecked = case_best(&cases[0], false);
    if (json) {
        json_t *list = json_array();

        for (size_t i = 0; i < CASES_COUNT; i++) {
            char hash[32];

            (void)snprintf(hash, sizeof hash, "%016" PRIx64, results[i].hash);
            (void)json_array_append_new(
                list, json_pack("{s:s, s:s, s:f, s:f, s:I, s:I, s:s, s:s}", "name", cases[i].name, "words",
                                cases[i].words, "events_per_second", results[i].events_per_second,
                                "simulated_seconds_per_second", results[i].simulated_per_second, "events",
                                (json_int_t)results[i].events, "puts_acknowledged", (json_int_t)results[i].puts,
                                "trace_hash", hash, "verdict", sim_verdict_name(results[i].verdict)));
        }
        json_t *all = json_pack("{s:s, s:f, s:f, s:f, s:f, s:o}", "clock", "process_cpu", "events_per_second",
                                results[0].events_per_second, "bare_events_per_second", bare, "ratio",
                                results[0].events_per_second / bare, "events_per_second_without_checkers",
                                unchecked.events_per_second, "cases", list);

        (void)json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
        (void)putchar('\n');
        json_decref(all);
        return code;
    }
    (void)printf("%-12s %14s %16s  %s\n", "case", "events/s", "simulated s/s", "what");
    for (size_t i = 0; i < CASES_COUNT; i++)
        (void)printf("%-12s %14.0f %16.1f  %s%s\n", cases[i].name, results[i].events_per_second,
                     results[i].simulated_per_second, cases[i].words,
                     results[i].verdict == SIM_PASS ? "" : " (did not pass)");
    (void)printf("%-12s %14.0f %16s  %s\n", "unchecked-5", unchecked.events_per_second, "",
                 "the first case without checkers");
    (void)printf("%-12s %14.0f %16s  a heap of 64 events that hash 100 bytes each\n", "bare loop", bare, "");
    (void)printf("ratio of the first case to the bare loop: %.3f\n", results[0].events_per_second / bare);
    (void)printf("seconds are this process's own processor time, of which it uses one core\n");
    return code;
}

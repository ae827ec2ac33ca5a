#include "sim/bench_bare.h"

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "net_sim/prf.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#define RUNS 3
#define EVENTS 2000000

#define MESSAGE_BYTES 100
#define HOSTS 64

/* The first event of each message, and then how long it is under way. */
#define START_SPREAD_NS 100000
#define DELAY_MIN_NS 1000
#define DELAY_SPREAD_NS 100000

struct bare;

struct event {
    void (*handle)(struct bare *bare, struct event *event);
    uint64_t at;
    uint32_t host;
    uint8_t message[MESSAGE_BYTES];
};

/* What orders the heap stands in it: an event is touched when its time has come. */
struct entry {
    uint64_t at;
    uint64_t order;
    struct event *event;
};

struct bare {
    struct entry *heap;
    size_t count;
    uint64_t order;
    uint64_t draws;
    uint64_t digest;
    uint64_t hosts[HOSTS];
};

static bool is_before(const struct entry *a, const struct entry *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct bare *bare, struct event *event)
{
    const struct entry entry = {.at = event->at, .order = bare->order++, .event = event};
    size_t place = bare->count++;

    for (size_t above; place > 0 && is_before(&entry, &bare->heap[above = (place - 1) / 2]); place = above)
        bare->heap[place] = bare->heap[above];
    bare->heap[place] = entry;
}

static struct event *pop(struct bare *bare)
{
    struct event *top = bare->heap[0].event;
    const struct entry last = bare->heap[--bare->count];
    size_t place = 0;

    for (size_t below; (below = 2 * place + 1) < bare->count; place = below) {
        if (below + 1 < bare->count && is_before(&bare->heap[below + 1], &bare->heap[below]))
            below++;
        if (!is_before(&bare->heap[below], &last))
            break;
        bare->heap[place] = bare->heap[below];
    }
    bare->heap[place] = last;
    return top;
}

static void handle(struct bare *bare, struct event *event)
{
    const uint64_t a = sim_prf(1, 1, bare->draws);
    const uint64_t b = sim_prf(1, 2, bare->draws++);
    uint8_t sent[MESSAGE_BYTES];

    bare->digest = dfs_hash64(bare->digest ^ event->at, event->message, sizeof event->message);
    bare->hosts[event->host % HOSTS] += a;
    memcpy(sent, event->message, sizeof sent);
    memcpy(sent, &a, sizeof a);
    memcpy(event->message, sent, sizeof sent);
    event->host = (uint32_t)b;
    event->at += DELAY_MIN_NS + sim_below(b, DELAY_SPREAD_NS);
    push(bare, event);
}

double sim_bench_seconds(void)
{
    struct timespec used;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static double run(size_t in_flight, uint64_t *ret_digest)
{
    struct bare bare = {.heap = dfs_alloc_zero((in_flight + 1) * sizeof(struct entry))};
    struct event *events = dfs_alloc_zero(in_flight * sizeof *events);

    for (size_t i = 0; i < in_flight; i++) {
        events[i].handle = handle;
        events[i].at = sim_below(sim_prf(1, 3, i), START_SPREAD_NS);
        push(&bare, &events[i]);
    }
    const double begun = sim_bench_seconds();

    for (uint64_t n = 0; n < EVENTS; n++) {
        struct event *event = pop(&bare);

        event->handle(&bare, event);
    }
    const double took = sim_bench_seconds() - begun;

    *ret_digest = bare.digest ^ bare.hosts[0];
    dfs_free(events);
    dfs_free(bare.heap);
    return (double)EVENTS / took;
}

double sim_bench_bare(size_t in_flight)
{
    uint64_t digest = 0;
    double best = 0;

    DFS_ASSERT(in_flight > 0);
    for (int i = 0; i < RUNS; i++) {
        uint64_t again;
        const double rate = run(in_flight, &again);

        DFS_ASSERT(i == 0 || again == digest);
        digest = again;
        best = rate > best ? rate : best;
    }
    return best;
}

/*
 * bench_world.c - how much of the bare event loop's speed the simulated world keeps.
 *
 * The bare loop is a 4-ary heap, one XXH3 of 100 bytes and two random numbers an event, and nothing else: no
 * hosts, no env, no faults. The world does the same exchange of 100-byte messages between toy machines
 * through the whole env. Rounds of both are interleaved, medians are printed, and the ratio is the figure to
 * look at: rates of a shared machine drift by 30 %.
 *
 *     bench_world [--json] [EVENTS [ROUNDS [CASE]]]      CASE: only those whose names contain it
 */
#include "net_sim/world.h"

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGE_BYTES 100
#define ROUNDS_MAX 32
#define DELAY_MIN_NS 1000
#define DELAY_SPAN_NS 100000

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* other processes take wall time, not ours */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The bare loop ---------------------------------------------------------------------------------------------------- */

struct bare_event {
    uint64_t at;
    uint64_t order;
    uint32_t node;
    uint8_t message[MESSAGE_BYTES];
};

struct bare_entry {
    uint64_t at;
    uint64_t order;
    struct bare_event *event;
};

static struct bare_entry *bare_heap;
static size_t bare_count;
static uint64_t bare_state[64];

static bool bare_before(const struct bare_entry *a, const struct bare_entry *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void bare_push(struct bare_entry entry)
{
    size_t i = bare_count++;

    while (i > 0 && bare_before(&entry, &bare_heap[(i - 1) / 4])) {
        bare_heap[i] = bare_heap[(i - 1) / 4];
        i = (i - 1) / 4;
    }
    bare_heap[i] = entry;
}

static struct bare_event *bare_pop(void)
{
    struct bare_event *top = bare_heap[0].event;
    const struct bare_entry last = bare_heap[--bare_count];
    size_t i = 0;

    for (;;) {
        size_t least = i * 4 + 1;
        const size_t end = least + 4 < bare_count ? least + 4 : bare_count;

        if (least >= bare_count)
            break;
        for (size_t k = least + 1; k < end; k++)
            if (bare_before(&bare_heap[k], &bare_heap[least]))
                least = k;
        if (!bare_before(&bare_heap[least], &last))
            break;
        bare_heap[i] = bare_heap[least];
        i = least;
    }
    bare_heap[i] = last;
    return top;
}

static uint64_t bare_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return sim_mix(*state, UINT64_C(0x2545f4914f6cdd1d));
}

static double bare_round(size_t pending, uint64_t events)
{
    struct bare_event *pool = dfs_alloc_zero_array(pending, sizeof *pool);
    uint64_t random = 1;
    uint64_t order = 0;
    uint64_t digest = 0;
    double start;
    double rate;

    bare_heap = dfs_alloc_zero_array(pending + 1, sizeof *bare_heap);
    bare_count = 0;
    for (size_t i = 0; i < pending; i++) {
        pool[i].at = bare_random(&random) % DELAY_SPAN_NS;
        pool[i].order = order++;
        bare_push((struct bare_entry){pool[i].at, pool[i].order, &pool[i]});
    }
    start = seconds();
    for (uint64_t n = 0; n < events; n++) {
        struct bare_event *event = bare_pop();
        const uint64_t a = bare_random(&random);
        const uint64_t b = bare_random(&random);
        uint8_t copy[MESSAGE_BYTES];

        digest = dfs_hash64(digest ^ event->at, event->message, MESSAGE_BYTES);
        bare_state[event->node & 63] += a;
        memcpy(copy, event->message, MESSAGE_BYTES);
        memcpy(copy, &a, sizeof a);
        memcpy(event->message, copy, MESSAGE_BYTES);
        event->node = (uint32_t)b & 63;
        event->at += DELAY_MIN_NS + (b >> 40) % DELAY_SPAN_NS;
        event->order = order++;
        bare_push((struct bare_entry){event->at, event->order, event});
    }
    rate = (double)events / (seconds() - start);
    if (digest == 0)
        puts("0");
    dfs_free(bare_heap);
    dfs_free(pool);
    return rate;
}

/* The world -------------------------------------------------------------------------------------------------------- */

struct setup {
    size_t hosts;
    size_t messages; /* in flight */
    bool streams;
    bool observed;
};

#define SINK_ROOM 4096

struct toy {
    struct dfs_env env;
    struct dfs_sink sink;
    const struct setup *setup;
    uint64_t state;
    dfs_conn conn;
    size_t in;
    size_t taken;
    bool told;
    uint8_t bytes[SINK_ROOM];
};

static struct dfs_addr addr_of(size_t i)
{
    struct dfs_addr addr = {.port = 7000};

    memcpy(addr.ip, "\0\0\0\0\0\0\0\0\0\0\377\377\12", 13);
    addr.ip[13] = (uint8_t)(i >> 16);
    addr.ip[14] = (uint8_t)(i >> 8);
    addr.ip[15] = (uint8_t)i;
    return addr;
}

static size_t sink_want(struct dfs_sink *sink, uint8_t **ret_at)
{
    struct toy *toy = (struct toy *)(void *)((char *)sink - offsetof(struct toy, sink));

    if (toy->told)
        return 0;
    *ret_at = toy->bytes + toy->in;
    return SINK_ROOM - toy->in;
}

static bool sink_got(struct dfs_sink *sink, size_t count)
{
    struct toy *toy = (struct toy *)(void *)((char *)sink - offsetof(struct toy, sink));

    toy->in += count;
    toy->told = toy->in - toy->taken >= MESSAGE_BYTES;
    return toy->told;
}

static void *toy_create(void *arg, const struct dfs_env *env)
{
    struct toy *toy = dfs_alloc_zero(sizeof *toy);

    toy->env = *env;
    toy->setup = arg;
    toy->sink = (struct dfs_sink){.want = sink_want, .got = sink_got};
    return toy;
}

static void toy_send(struct toy *toy, const uint8_t *message)
{
    uint8_t copy[MESSAGE_BYTES];
    uint64_t a;
    struct dfs_addr to;

    toy->env.rng->random(toy->env.ctx, DFS_RNG_CHOICE, &a, sizeof a);
    toy->state += a;
    memcpy(copy, message, sizeof copy);
    memcpy(copy, &a, sizeof a);
    to = addr_of((size_t)(a >> 32) % toy->setup->hosts);
    toy->env.net->datagram(toy->env.ctx, &to, copy, sizeof copy);
}

static void toy_reply(struct toy *toy, dfs_conn conn)
{
    while (toy->in - toy->taken >= MESSAGE_BYTES) {
        uint64_t a;

        toy->env.rng->random(toy->env.ctx, DFS_RNG_CHOICE, &a, sizeof a);
        memcpy(toy->bytes + toy->taken, &a, sizeof a);
        toy->env.net->send(toy->env.ctx, conn, toy->bytes + toy->taken, MESSAGE_BYTES, NULL, 0, 0);
        toy->taken += MESSAGE_BYTES;
    }
    memmove(toy->bytes, toy->bytes + toy->taken, toy->in - toy->taken);
    toy->in -= toy->taken;
    toy->taken = 0;
    toy->told = false;
}

static dfs_time_ns toy_step(void *machine, const struct dfs_event *event)
{
    struct toy *toy = machine;

    if (event->kind == DFS_EV_DATAGRAM) {
        toy_send(toy, event->datagram.bytes);
    } else if (event->kind == DFS_EV_RECV) {
        toy_reply(toy, event->net.conn);
    } else if (event->kind == DFS_EV_ACCEPT) {
        toy->env.net->attach(toy->env.ctx, event->net.conn, &toy->sink, NULL);
    } else if (event->kind == DFS_EV_OPEN) {
        static const uint8_t message[MESSAGE_BYTES];

        for (size_t i = 0; i < toy->setup->messages / (toy->setup->hosts / 2); i++)
            toy->env.net->send(toy->env.ctx, event->net.conn, message, sizeof message, NULL, 0, 0);
    } else if (event->kind == DFS_EV_COMMAND && toy->setup->streams) {
        const struct dfs_addr to = addr_of(*(const size_t *)event->command.argument);

        toy->conn = toy->env.net->connect(toy->env.ctx, &to, DFS_ROLE_DATA, NULL, NULL);
        toy->env.net->attach(toy->env.ctx, toy->conn, &toy->sink, NULL);
    } else if (event->kind == DFS_EV_COMMAND) {
        static const uint8_t message[MESSAGE_BYTES];

        toy_send(toy, message);
    }
    return event->mono + 10 * DFS_SECONDS;
}

static const struct sim_machine_ops toy_ops = {.create = toy_create, .step = toy_step, .destroy = dfs_free};

static void count_step(void *arg, struct sim_host *host, const struct dfs_event *event, dfs_time_ns deadline)
{
    (void)host;
    (void)event;
    *(uint64_t *)arg += deadline;
}

static void count_message(void *arg, const struct sim_message *message)
{
    *(uint64_t *)arg += message->head_bytes;
}

static struct sim_world *world_make(const struct setup *setup, uint64_t *seen)
{
    struct sim_world_options options = sim_world_options_default();
    struct sim_host_options host_options = sim_host_options_default();
    const struct sim_observer observer = {
        .arg = seen, .after_step = count_step, .datagram_delivered = count_message, .frame_delivered = count_message};
    struct sim_world *world;

    options.link.latency = (struct sim_range){.min = DELAY_MIN_NS, .max = DELAY_MIN_NS + DELAY_SPAN_NS};
    world = sim_world_new(1, &options);
    if (setup->observed)
        sim_world_observe(world, &observer);
    host_options.listens = true;
    host_options.peer = (struct dfs_peer){.kind = DFS_PEER_NODE, .role = DFS_ROLE_DATA};
    for (size_t i = 0; i < setup->hosts; i++) {
        const struct dfs_addr addr = addr_of(i);
        char name[24];
        struct sim_host *host;

        (void)snprintf(name, sizeof name, "d%zu", i);
        host = sim_host_add(world, name, &addr, &host_options);
        sim_host_start(host, &toy_ops, (void *)(uintptr_t)setup);
    }
    if (setup->streams) {
        for (size_t i = 0; i < setup->hosts / 2; i++) {
            const size_t to = i + setup->hosts / 2;

            sim_host_command(sim_world_host_get(world, i), 0, 0, &to, sizeof to);
        }
    } else {
        for (size_t i = 0; i < setup->messages; i++)
            sim_host_command(sim_world_host_get(world, i % setup->hosts), 0, 0, NULL, 0);
    }
    return world;
}

static double world_round(const struct setup *setup, uint64_t events, uint64_t *ret_hash)
{
    uint64_t seen = 0;
    struct sim_world *world = world_make(setup, &seen);
    double start;
    double rate;
    uint64_t first;

    (void)sim_world_run(world, DFS_MILLISECONDS);
    first = sim_world_counts(world)->events;
    start = seconds();
    while (sim_world_counts(world)->events - first < events && sim_world_step_one(world)) {
    }
    rate = (double)(sim_world_counts(world)->events - first) / (seconds() - start);
    *ret_hash = sim_world_hash(world);
    sim_world_free(world);
    return rate;
}

/* Reports ---------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;

    return (left > right) - (left < right);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        struct setup setup;
    } cases[] = {
        {"datagrams, 64 hosts, 64 in flight", {64, 64, false, false}},
        {"datagrams, 64 hosts, 1000 in flight", {64, 1000, false, false}},
        {"datagrams, 1000 hosts, 10000 in flight", {1000, 10000, false, false}},
        {"datagrams, 64 hosts, 1000 in flight, observed", {64, 1000, false, true}},
        {"streams, 64 hosts, 64 in flight", {64, 64, true, false}},
        {"streams, 64 hosts, 1024 in flight", {64, 1024, true, false}},
        {"streams, 1000 hosts, 10000 in flight", {1000, 10000, true, false}},
    };
    const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    const int first = json ? 2 : 1;
    const uint64_t events = argc > first ? strtoull(argv[first], NULL, 10) : 1000000;
    const size_t rounds_said = argc > first + 1 ? strtoul(argv[first + 1], NULL, 10) : 5;
    const size_t rounds = rounds_said > ROUNDS_MAX ? ROUNDS_MAX : (rounds_said == 0 ? 1 : rounds_said);

    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        double bare[ROUNDS_MAX];
        double world[ROUNDS_MAX];
        uint64_t hash = 0;
        double bare_median;
        double world_median;

        if (argc > first + 2 && strstr(cases[c].name, argv[first + 2]) == NULL)
            continue;
        for (size_t i = 0; i < rounds; i++) {
            uint64_t again;

            bare[i] = bare_round(cases[c].setup.messages, events);
            world[i] = world_round(&cases[c].setup, events, &again);
            DFS_ASSERT(i == 0 || again == hash);
            hash = again;
        }
        bare_median = median(bare, rounds);
        world_median = median(world, rounds);
        if (json)
            printf("{\"case\":\"%s\",\"events_per_second\":%.0f,\"bare_events_per_second\":%.0f,\"ratio\":%.3f}\n",
                   cases[c].name, world_median, bare_median, world_median / bare_median);
        else
            printf("%-48s %6.2f M events/s   bare loop %6.2f M   ratio %.2f   hash %016llx\n", cases[c].name,
                   world_median / 1e6, bare_median / 1e6, world_median / bare_median, (unsigned long long)hash);
    }
    return 0;
}

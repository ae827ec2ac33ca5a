#include "sim/swarm_internal.h"

#include "core/base/assert.h"
#include "core/wire/message.h"

#include <string.h>

/* Times and hosts that are tried for a fault that has to fit beside the others. */
#define PLACES_MAX 8

/* Of a hundred seeds, how many have kinds that came later (enum second). */
#define SECOND_PERCENT 40

/* Of a hundred crashes of one server, how many are as by loss of power: nobody is told. */
#define SILENT_PERCENT 30

/* Of a hundred seeds, how many have faults that stay. */
#define LASTING_PERCENT 40

/* Faults ------------------------------------------------------------------------------------------------------------------ */

/* May this server be out of order in that time, beside those that are? */
static bool survivable(const struct swarm *swarm, uint32_t host, int64_t from_ns, int64_t to_ns)
{
    uint32_t others = 0;

    for (uint32_t i = 0; i < swarm->windows_count; i++) {
        const struct window *window = &swarm->windows[i];

        if (from_ns >= window->to_ns || window->from_ns >= to_ns)
            continue;
        if (window->host == host)
            return false; /* one thing at a time */
        others++;
    }
    return others < swarm->replication - 1;
}

static void occupy(struct swarm *swarm, uint32_t host, int64_t from_ns, int64_t to_ns)
{
    DFS_ASSERT(swarm->windows_count < WINDOWS_MAX);
    swarm->windows[swarm->windows_count++] = (struct window){host, from_ns, to_ns};
}

static struct sim_fault *fault_on(struct swarm *swarm, enum sim_fault_kind kind, int64_t at_ns, int64_t for_ns)
{
    struct sim_fault *fault = sim_scenario_fault(swarm->scenario);

    fault->kind = kind;
    fault->at_ns = at_ns;
    fault->for_ns = for_ns;
    return fault;
}

static void silence(const struct swarm *swarm, uint64_t number, struct sim_fault *crash)
{
    if (chance(swarm, DRAW_SILENT, number, SILENT_PERCENT))
        crash->streams = 1;
}

/* The one that makes a seed worth its time: a server dies, is evicted, its blocks are copied. Some come back. */
static void main_crash(struct swarm *swarm)
{
    if (!chance(swarm, DRAW_MAIN, 0, 85))
        return;
    const uint32_t host = (uint32_t)between(swarm, DRAW_MAIN, 1, 0, swarm->data - 1);
    const int64_t at_ns = MS(100) * between(swarm, DRAW_MAIN, 2, 30, 80);
    const bool for_ever = chance(swarm, DRAW_MAIN, 3, 50);
    const int64_t for_ns = for_ever ? 0 : 4 * swarm->interval_ns + MS(500) * between(swarm, DRAW_MAIN, 4, 2, 12);
    struct sim_fault *fault = fault_on(swarm, SIM_FAULT_CRASH, at_ns, for_ns);

    fault->unsynced = SIM_UNSYNCED_SEEDED;
    silence(swarm, 1000, fault);
    sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
    occupy(swarm, host, at_ns, for_ever ? INT64_MAX : at_ns + for_ns + swarm->recovery_ns);
    if (for_ever) {
        swarm->gone++;
        /* Its copies are back after the recovery: only the server is missing for ever. */
        swarm->windows[swarm->windows_count - 1].to_ns = at_ns + swarm->recovery_ns + S(4);
    }
}

enum extra {
    EXTRA_PAUSE,
    EXTRA_SLOW,
    EXTRA_PARTITION,
    EXTRA_ONE_WAY,
    EXTRA_DROP_HEARTBEAT,
    EXTRA_DROP_WRITE,
    EXTRA_DUPLICATE,
    EXTRA_DELAY,
    EXTRA_RESET,
    EXTRA_LINK,
    EXTRA_DISK_SLOW,
    EXTRA_DISK_FULL,
    EXTRA_DISK_ERROR,
    EXTRA_SYNC_ERROR,
    EXTRA_CRASH,
    EXTRA_LEAVE,
    EXTRA_CLOCK,
    EXTRA_FORGE,
    EXTRA_REPLAY,
    EXTRA_CLIENT_CRASH,
    EXTRA_CLIENT_PAUSE,
    EXTRA_AUTH_CRASH,
    EXTRA_ROTATE_KEYS,
    EXTRA_META_DISK_SLOW,
    EXTRA_BIT_ROT, /* from here on: a disk that lies, an identity used twice */
    EXTRA_DISK_STALE,
    EXTRA_DISK_MISDIRECT,
    EXTRA_DISK_VANISH,
    EXTRA_IMPERSONATE,
    EXTRA_COUNT
};

/* In the mix of so many of a hundred seeds. Disks that lie are rare: what stands on them proves nothing, so that the other checkers see less. */
#define MIX_PERCENT 60
#define MIX_LIES_PERCENT 4

/* What rots and is read by nobody is found by the scrub alone: before the settling time is over. */
#define SCRUB_MAX_NS S(60)

static void mix(struct swarm *swarm)
{
    for (uint32_t i = 0; i < EXTRA_COUNT; i++) {
        if (chance(swarm, DRAW_MIX, i, i < EXTRA_BIT_ROT ? MIX_PERCENT : MIX_LIES_PERCENT))
            swarm->kinds |= UINT32_C(1) << i;
    }
}

/* Whom a fault strikes. HOST is the data server that was drawn for it; a client comes of the same number. */
enum whom {
    WHOM_NOBODY,
    WHOM_HOST,
    WHOM_CLIENT,
    WHOM_AUTH,
    WHOM_META,
    WHOM_HOST_AND_REST, /* as two groups */
    WHOM_HOST_TO_META,  /* what one sends to the other */
    WHOM_HOST_TO_ALL,
    WHOM_ALL_TO_HOST,
    WHOM_ALL_TO_META
};

static void whom_fill(const struct swarm *swarm, enum whom whom, uint32_t host, struct sim_fault *fault)
{
    switch (whom) {
    case WHOM_NOBODY:
        return;
    case WHOM_HOST:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        return;
    case WHOM_CLIENT:
        sim_host_refs_add(&fault->hosts, SIM_HOST_CLIENT, host % (uint32_t)swarm->scenario->cluster.clients);
        return;
    case WHOM_AUTH:
        sim_host_refs_add(&fault->hosts, SIM_HOST_AUTH, 0);
        return;
    case WHOM_META:
        sim_host_refs_add(&fault->hosts, SIM_HOST_META, 0);
        return;
    case WHOM_HOST_AND_REST:
        fault->groups_count = 2;
        sim_host_refs_add(&fault->groups[0], SIM_HOST_DATA, host);
        sim_host_refs_add(&fault->groups[1], SIM_HOST_REST, 0);
        return;
    case WHOM_HOST_TO_META:
        sim_host_refs_add(&fault->from, SIM_HOST_DATA, host);
        sim_host_refs_add(&fault->to, SIM_HOST_META, 0);
        return;
    case WHOM_HOST_TO_ALL:
        sim_host_refs_add(&fault->from, SIM_HOST_DATA, host);
        sim_host_refs_add(&fault->to, SIM_HOST_ALL, 0);
        return;
    case WHOM_ALL_TO_HOST:
        sim_host_refs_add(&fault->to, SIM_HOST_DATA, host);
        return;
    case WHOM_ALL_TO_META:
        sim_host_refs_add(&fault->to, SIM_HOST_META, 0);
        return;
    }
}

static int64_t other(const struct swarm *swarm, uint64_t number, int64_t low, int64_t high)
{
    return between(swarm, DRAW_FAULT_OTHER, number, low, high);
}

static void crash_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    (void)swarm, (void)number;
    fault->unsynced = SIM_UNSYNCED_SEEDED;
}

static void data_crash_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    crash_fill(swarm, number, fault);
    silence(swarm, number, fault);
}

static void slow_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    fault->factor = other(swarm, number, 2, 50);
}

/* Metadata's disk is everybody's. */
static void meta_slow_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    fault->factor = other(swarm, number, 2, 20);
}

static void clock_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    fault->offset_ns = MS(100) * other(swarm, number, -200, 200);
    fault->drift_ppm = other(swarm, number + 64, -200, 200);
}

static void one_way_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    (void)swarm, (void)number;
    fault->one_way = true;
}

static void drop_heartbeat_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    (void)swarm, (void)number;
    fault->message = DFS_MSG_HEARTBEAT;
}

static void drop_write_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    fault->message = DFS_MSG_BLOCK_WRITE;
    fault->count = other(swarm, number, 1, 3);
}

static void duplicate_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    (void)swarm, (void)number;
    fault->message = DFS_MSG_HEARTBEAT;
    fault->ppb = 500000000;
}

static void delay_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    fault->ppb = 200000000;
    fault->by_ns = MS(1) * other(swarm, number, 10, 500);
}

static void link_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    fault->network.latency = (struct dfs_spread){.low = MS(5), .high = MS(1) * other(swarm, number, 10, 150)};
    fault->network.latency_seen = true;
    fault->network.loss_ppb = 100000000;
    fault->network.loss_seen = true;
}

static void disk_error_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    static const enum dfs_disk_verb verbs[] = {DFS_DISK_CREATE, DFS_DISK_WRITE, DFS_DISK_READ, DFS_DISK_PUBLISH,
                                               DFS_DISK_SYNC_DIR};

    fault->operation = (int)verbs[other(swarm, number, 0, 4)];
    fault->count = other(swarm, number + 64, 1, 4);
}

static void sync_error_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    fault->count = other(swarm, number, 1, 3);
}

static void made_up_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    fault->message = DFS_MSG_HEARTBEAT;
    fault->count = other(swarm, number, 1, 20);
}

static void bit_rot_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    struct dfs_settings *settings = &swarm->scenario->cluster.settings;

    fault->blocks = other(swarm, number, 1, 4);
    if (settings->scrub_interval_ns > SCRUB_MAX_NS)
        settings->scrub_interval_ns = S(1) * other(swarm, number + 64, 10, SCRUB_MAX_NS / S(1));
}

static void disk_lie_fill(struct swarm *swarm, uint64_t number, struct sim_fault *fault)
{
    fault->ppb = 10000000 * other(swarm, number, 1, 20);
}

/* What each of the mix is as a fault of a scenario. */
static const struct extra_form {
    enum sim_fault_kind kind;
    enum whom whom;
    bool momentary; /* has no end */
    void (*fill)(struct swarm *swarm, uint64_t number, struct sim_fault *fault);
} extra_forms[EXTRA_COUNT] = {
    [EXTRA_PAUSE] = {SIM_FAULT_PAUSE, WHOM_HOST, false, NULL},
    [EXTRA_SLOW] = {SIM_FAULT_SLOW, WHOM_HOST, false, slow_fill},
    [EXTRA_PARTITION] = {SIM_FAULT_PARTITION, WHOM_HOST_AND_REST, false, NULL},
    [EXTRA_ONE_WAY] = {SIM_FAULT_PARTITION, WHOM_HOST_AND_REST, false, one_way_fill},
    [EXTRA_DROP_HEARTBEAT] = {SIM_FAULT_DROP, WHOM_HOST_TO_META, false, drop_heartbeat_fill},
    [EXTRA_DROP_WRITE] = {SIM_FAULT_DROP, WHOM_ALL_TO_HOST, false, drop_write_fill},
    [EXTRA_DUPLICATE] = {SIM_FAULT_DUPLICATE, WHOM_ALL_TO_META, false, duplicate_fill},
    [EXTRA_DELAY] = {SIM_FAULT_DELAY, WHOM_ALL_TO_HOST, false, delay_fill},
    [EXTRA_RESET] = {SIM_FAULT_RESET, WHOM_HOST_TO_ALL, true, NULL},
    [EXTRA_LINK] = {SIM_FAULT_LINK, WHOM_HOST_TO_ALL, false, link_fill},
    [EXTRA_DISK_SLOW] = {SIM_FAULT_DISK_SLOW, WHOM_HOST, false, slow_fill},
    [EXTRA_DISK_FULL] = {SIM_FAULT_DISK_FULL, WHOM_HOST, false, NULL},
    [EXTRA_DISK_ERROR] = {SIM_FAULT_DISK_ERROR, WHOM_HOST, false, disk_error_fill},
    [EXTRA_SYNC_ERROR] = {SIM_FAULT_SYNC_ERROR, WHOM_HOST, false, sync_error_fill},
    [EXTRA_CRASH] = {SIM_FAULT_CRASH, WHOM_HOST, false, data_crash_fill},
    [EXTRA_LEAVE] = {SIM_FAULT_LEAVE, WHOM_HOST, false, NULL},
    [EXTRA_CLOCK] = {SIM_FAULT_CLOCK, WHOM_HOST, false, clock_fill},
    [EXTRA_FORGE] = {SIM_FAULT_FORGE, WHOM_HOST, true, made_up_fill},
    [EXTRA_REPLAY] = {SIM_FAULT_REPLAY, WHOM_HOST, true, made_up_fill},
    [EXTRA_CLIENT_CRASH] = {SIM_FAULT_CRASH, WHOM_CLIENT, false, crash_fill},
    [EXTRA_CLIENT_PAUSE] = {SIM_FAULT_PAUSE, WHOM_CLIENT, false, NULL},
    [EXTRA_AUTH_CRASH] = {SIM_FAULT_CRASH, WHOM_AUTH, false, crash_fill},
    [EXTRA_ROTATE_KEYS] = {SIM_FAULT_ROTATE_KEYS, WHOM_NOBODY, true, NULL},
    [EXTRA_META_DISK_SLOW] = {SIM_FAULT_DISK_SLOW, WHOM_META, false, meta_slow_fill},
    [EXTRA_BIT_ROT] = {SIM_FAULT_BIT_ROT, WHOM_HOST, true, bit_rot_fill},
    [EXTRA_DISK_STALE] = {SIM_FAULT_DISK_STALE, WHOM_HOST, false, disk_lie_fill},
    [EXTRA_DISK_MISDIRECT] = {SIM_FAULT_DISK_MISDIRECT, WHOM_HOST, false, disk_lie_fill},
    [EXTRA_DISK_VANISH] = {SIM_FAULT_DISK_VANISH, WHOM_HOST, false, NULL},
    [EXTRA_IMPERSONATE] = {SIM_FAULT_IMPERSONATE, WHOM_HOST, true, NULL},
};

/* Does it leave the data servers alone? */
static bool is_elsewhere(enum extra extra)
{
    const enum whom whom = extra_forms[extra].whom;

    return whom == WHOM_NOBODY || whom == WHOM_CLIENT || whom == WHOM_AUTH || whom == WHOM_META;
}

static void extra_fill(struct swarm *swarm, uint64_t number, enum extra extra, uint32_t host, int64_t at_ns,
                       int64_t for_ns)
{
    const struct extra_form *form = &extra_forms[extra];
    struct sim_fault *fault = fault_on(swarm, form->kind, at_ns, form->momentary ? 0 : for_ns);

    whom_fill(swarm, form->whom, host, fault);
    if (form->fill != NULL)
        form->fill(swarm, number, fault);
}

/* One of the seed's mix; COUNT: it has none. */
static enum extra pick_kind(const struct swarm *swarm, uint64_t number)
{
    const uint32_t count = (uint32_t)__builtin_popcount(swarm->kinds);
    uint32_t at = count == 0 ? 0 : (uint32_t)between(swarm, DRAW_FAULT_KIND, number, 0, count - 1);

    for (uint32_t i = 0; i < EXTRA_COUNT; i++) {
        if ((swarm->kinds >> i & 1u) != 0 && at-- == 0)
            return (enum extra)i;
    }
    return EXTRA_COUNT;
}

static void extras(struct swarm *swarm)
{
    const int64_t count = between(swarm, DRAW_FAULT_KIND, 1000, 0, FAULTS_MAX);

    for (uint64_t i = 0; i < (uint64_t)count; i++) {
        const enum extra extra = pick_kind(swarm, i);
        const uint32_t host = (uint32_t)between(swarm, DRAW_FAULT_HOST, i, 0, swarm->data - 1);
        const int64_t at_ns = MS(10) * between(swarm, DRAW_FAULT_TIME, i, 100, 1500);
        const int64_t for_ns = MS(10) * between(swarm, DRAW_FAULT_TIME, i + 64, 30, 500);
        /* Rot stays until somebody reads it, a second process to the end. */
        const bool stays = extra == EXTRA_BIT_ROT || extra == EXTRA_IMPERSONATE;
        const int64_t to_ns = stays ? INT64_MAX : at_ns + for_ns + swarm->recovery_ns;

        if (extra == EXTRA_COUNT)
            return;
        if (!is_elsewhere(extra)) {
            if (!survivable(swarm, host, at_ns, to_ns))
                continue;
            occupy(swarm, host, at_ns, to_ns);
        }
        extra_fill(swarm, i, extra, host, at_ns, for_ns);
    }
}

/* Kinds that came later than those above: drawn beside them, so that older seeds kept their meaning. */
enum second {
    SECOND_STALL,      /* streams that are open hold still for a time ... */
    SECOND_HALF_OPEN,  /* ... or for ever, and are never closed: whoever waits must notice by himself */
    SECOND_STALL_META, /* the same with metadata alone */
    SECOND_HALF_OPEN_META,
    SECOND_CORRUPT,   /* a client's memory */
    SECOND_FORGE_ACK, /* acknowledgements of heartbeats */
    SECOND_REPLAY_ACK,
    SECOND_META_CLOCK,
    SECOND_AUTH_CLOCK,
    SECOND_CLIENT_CLOCK,
    SECOND_COUNT
};

/* Streams between a data server and others, one way or the other. */
static void stream_fill(struct swarm *swarm, uint64_t number, uint32_t host, enum sim_host_kind with,
                        struct sim_fault *fault)
{
    const bool out = chance(swarm, DRAW_SECOND, 20 * number + 4, 50);

    sim_host_refs_add(out ? &fault->from : &fault->to, SIM_HOST_DATA, host);
    sim_host_refs_add(out ? &fault->to : &fault->from, with, 0);
}

static void second_fill(struct swarm *swarm, uint64_t number, enum second which, uint32_t host, struct sim_fault *fault)
{
    const uint16_t client = (uint16_t)(host % (uint32_t)swarm->scenario->cluster.clients);

    switch (which) {
    case SECOND_STALL:
    case SECOND_HALF_OPEN:
        stream_fill(swarm, number, host, SIM_HOST_ALL, fault);
        break;
    case SECOND_STALL_META:
    case SECOND_HALF_OPEN_META:
        stream_fill(swarm, number, host, SIM_HOST_META, fault);
        break;
    case SECOND_CORRUPT:
        sim_host_refs_add(&fault->from, SIM_HOST_CLIENT, client);
        fault->message = DFS_MSG_BLOCK_DATA;
        fault->count = between(swarm, DRAW_SECOND, 20 * number + 5, 1, 3);
        fault->for_ns = 0;
        break;
    case SECOND_FORGE_ACK:
    case SECOND_REPLAY_ACK:
        sim_host_refs_add(&fault->hosts, SIM_HOST_META, 0);
        fault->message = DFS_MSG_HEARTBEAT_ACK;
        fault->count = between(swarm, DRAW_SECOND, 20 * number + 5, 1, 20);
        fault->for_ns = 0;
        break;
    case SECOND_META_CLOCK:
    case SECOND_AUTH_CLOCK:
    case SECOND_CLIENT_CLOCK:
        sim_host_refs_add(&fault->hosts,
                          which == SECOND_META_CLOCK   ? SIM_HOST_META
                          : which == SECOND_AUTH_CLOCK ? SIM_HOST_AUTH
                                                       : SIM_HOST_CLIENT,
                          which == SECOND_CLIENT_CLOCK ? client : 0);
        fault->offset_ns = MS(100) * between(swarm, DRAW_SECOND, 20 * number + 5, -200, 200);
        fault->drift_ppm = between(swarm, DRAW_SECOND, 20 * number + 6, -200, 200);
        break;
    case SECOND_COUNT:
        break;
    }
}

static void seconds(struct swarm *swarm)
{
    static const enum sim_fault_kind kinds[SECOND_COUNT] = {
        [SECOND_STALL] = SIM_FAULT_STALL,       [SECOND_HALF_OPEN] = SIM_FAULT_HALF_OPEN,
        [SECOND_STALL_META] = SIM_FAULT_STALL,  [SECOND_HALF_OPEN_META] = SIM_FAULT_HALF_OPEN,
        [SECOND_CORRUPT] = SIM_FAULT_CORRUPT,   [SECOND_FORGE_ACK] = SIM_FAULT_FORGE,
        [SECOND_REPLAY_ACK] = SIM_FAULT_REPLAY, [SECOND_META_CLOCK] = SIM_FAULT_CLOCK,
        [SECOND_AUTH_CLOCK] = SIM_FAULT_CLOCK,  [SECOND_CLIENT_CLOCK] = SIM_FAULT_CLOCK,
    };

    if (!chance(swarm, DRAW_SECOND, 1000, SECOND_PERCENT))
        return;
    for (uint64_t i = 0; i < SECOND_MAX; i++) {
        const enum second which = (enum second)between(swarm, DRAW_SECOND, 1 + i, 0, SECOND_COUNT - 1);
        const bool streams = kinds[which] == SIM_FAULT_STALL || kinds[which] == SIM_FAULT_HALF_OPEN;

        for (uint64_t number = PLACES_MAX * (1 + i); number < PLACES_MAX * (2 + i); number++) {
            const uint32_t host = (uint32_t)between(swarm, DRAW_SECOND, 20 * number + 1, 0, swarm->data - 1);
            const int64_t at_ns = MS(10) * between(swarm, DRAW_SECOND, 20 * number + 2, 100, 1500);
            const int64_t for_ns = kinds[which] == SIM_FAULT_HALF_OPEN
                                       ? 0
                                       : MS(10) * between(swarm, DRAW_SECOND, 20 * number + 3, 30, 500);
            const int64_t to_ns = at_ns + for_ns + swarm->recovery_ns;

            if (streams && !survivable(swarm, host, at_ns, to_ns))
                continue;
            if (streams)
                occupy(swarm, host, at_ns, to_ns);
            second_fill(swarm, number, which, host, fault_on(swarm, kinds[which], at_ns, for_ns));
            break;
        }
    }
}

/* Chaos ends, and these do not: what is left must come to rest without them. Silent servers are evicted, gray ones stay members. */
static void lasting(struct swarm *swarm)
{
    static const enum extra silent[] = {EXTRA_PAUSE, EXTRA_PARTITION, EXTRA_ONE_WAY, EXTRA_DROP_HEARTBEAT};
    static const enum extra gray[] = {EXTRA_SLOW, EXTRA_DISK_SLOW, EXTRA_LINK, EXTRA_CLOCK};

    if (!chance(swarm, DRAW_LASTING, 0, LASTING_PERCENT))
        return;
    for (uint64_t i = 0; i < LASTING_MAX; i++) {
        const bool is_silent = chance(swarm, DRAW_LASTING, 10 * i + 1, 50);
        const enum extra extra = is_silent ? silent[between(swarm, DRAW_LASTING, 10 * i + 2, 0, 3)]
                                           : gray[between(swarm, DRAW_LASTING, 10 * i + 2, 0, 3)];
        const uint32_t host = (uint32_t)between(swarm, DRAW_LASTING, 10 * i + 3, 0, swarm->data - 1);
        const int64_t at_ns = MS(10) * between(swarm, DRAW_LASTING, 10 * i + 4, 1000, 1900);
        const int64_t to_ns = is_silent ? at_ns + swarm->recovery_ns + S(4) : INT64_MAX;

        /* A core with all copies is left. */
        if (swarm->data - swarm->gone <= swarm->replication || !survivable(swarm, host, at_ns, to_ns))
            continue;
        occupy(swarm, host, at_ns, to_ns);
        swarm->gone += is_silent;
        extra_fill(swarm, 200 + i, extra, host, at_ns, 0);
    }
}

/* As many servers as there are copies, or one more, die within an interval and for good. What only they had is lost, and nothing else may be. */
void sim_swarm_faults_beyond(struct swarm *swarm)
{
    const uint32_t most = swarm->data - 1;
    const uint32_t more = swarm->replication + (uint32_t)between(swarm, DRAW_BEYOND, 1, 0, 1);
    const uint32_t count = more < most ? more : most;
    const uint32_t first = (uint32_t)between(swarm, DRAW_BEYOND, 2, 0, swarm->data - 1);
    const int64_t at_ns = MS(100) * between(swarm, DRAW_BEYOND, 3, 30, 120);

    for (uint32_t i = 0; i < count; i++) {
        const int64_t later_ns = MS(1) * between(swarm, DRAW_BEYOND, 10 + i, 0, swarm->interval_ns / MS(1));
        struct sim_fault *fault = fault_on(swarm, SIM_FAULT_CRASH, at_ns + later_ns, 0);

        fault->unsynced = SIM_UNSYNCED_SEEDED;
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, (uint16_t)((first + i) % swarm->data));
    }
}

/* Metadata stalls or restarts; or the lights go out for all. */
static void meta_faults(struct swarm *swarm)
{
    const int64_t at_ns = MS(10) * between(swarm, DRAW_META, 1, 150, 1400);
    const uint64_t which = sim_below(swarm_draw(swarm, DRAW_META, 0), 100);
    struct sim_fault *fault;

    if (which < 20) {
        fault = fault_on(swarm, SIM_FAULT_PAUSE, at_ns, MS(10) * between(swarm, DRAW_META, 2, 20, 400));
        sim_host_refs_add(&fault->hosts, SIM_HOST_META, 0);
    } else if (which < 40) {
        fault = fault_on(swarm, SIM_FAULT_CRASH, at_ns, MS(10) * between(swarm, DRAW_META, 2, 10, 200));
        fault->unsynced = SIM_UNSYNCED_SEEDED;
        sim_host_refs_add(&fault->hosts, SIM_HOST_META, 0);
    } else if (which < 55 && swarm->windows_count <= 1 && swarm->gone == 0) {
        fault = fault_on(swarm, SIM_FAULT_CRASH, S(16), MS(10) * between(swarm, DRAW_META, 2, 10, 300));
        fault->unsynced = SIM_UNSYNCED_LOSE;
        sim_host_refs_add(&fault->hosts, SIM_HOST_META, 0);
        sim_host_refs_add(&fault->hosts, SIM_HOST_ALL_DATA, 0);
    }
}

void sim_swarm_faults(struct swarm *swarm)
{
    mix(swarm);
    main_crash(swarm);
    lasting(swarm);
    extras(swarm);
    seconds(swarm);
    meta_faults(swarm);
}

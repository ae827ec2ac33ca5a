#include "sim/real/faults.h"

#include "core/base/mem.h"
#include "core/wire/message.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct sim_real_moment {
    dfs_time_ns at;
    size_t fault;
    bool ends;
};

/* Messages ---------------------------------------------------------------------------------------------------------- */

/* Everything that `a` sends to `b`, and (unless one_way) what b sends to a: said at both ends, streams by node, datagrams by address. */
static bool cut(const struct sim_real_daemons *daemons, uint32_t a, uint32_t b, bool one_way)
{
    const uint32_t ends[2] = {a, b};
    bool done = false;

    for (unsigned side = 0; side < 2; side++) {
        const struct sim_real_daemon *other = &daemons->list[ends[1 - side]];
        const char *out = one_way && side == 1 ? "false" : "true";
        const char *in = one_way && side == 0 ? "false" : "true";
        char line[256];

        (void)snprintf(line, sizeof line, "{\"cut\":{\"addr\":\"127.0.0.1:%d\",\"in\":%s,\"out\":%s}}\n", other->port,
                       in, out);
        done |= sim_real_daemon_say(daemons, ends[side], line);
        (void)snprintf(line, sizeof line, "{\"cut\":{\"node\":\"%s\",\"in\":%s,\"out\":%s}}\n", other->node, in, out);
        done |= sim_real_daemon_say(daemons, ends[side], line);
    }
    return done;
}

static bool cut_groups(const struct sim_real_daemons *daemons, const struct sim_host_set *left,
                       const struct sim_host_set *right, bool one_way)
{
    bool done = false;

    for (uint32_t a = 0; a < daemons->count; a++) {
        for (uint32_t b = 0; b < daemons->count; b++) {
            if (a != b && sim_host_set_has(left, a) && sim_host_set_has(right, b))
                done |= cut(daemons, a, b, one_way);
        }
    }
    return done;
}

static bool partition(const struct sim_real_daemons *daemons, const struct sim_fault *fault)
{
    struct sim_host_set groups[SIM_GROUPS_MAX];
    bool done = false;

    sim_host_groups_expand(fault->groups, fault->groups_count, sim_scenario_hosts(daemons->scenario), groups);
    for (uint32_t g = 0; g < fault->groups_count; g++) {
        for (uint32_t h = g + 1; h < fault->groups_count; h++) {
            if (!fault->one_way || g == 0)
                done |= cut_groups(daemons, &groups[g], &groups[h], fault->one_way);
        }
    }
    return done;
}

/* The line that makes its reader drop what it sends, to `to` if the fault names whom. */
static void drop_line(char *line, size_t room, const struct sim_fault *fault, const struct sim_real_daemon *to)
{
    int at = snprintf(line, room, "{\"drop\":{\"out\":true,\"in\":false");

    if (fault->message != 0)
        at += snprintf(line + at, room - (size_t)at, ",\"message\":\"%s\"", dfs_message_name(fault->message));
    if (fault->to.count > 0)
        at += snprintf(line + at, room - (size_t)at, ",\"addr\":\"127.0.0.1:%d\"", to->port);
    if (fault->count > 0)
        at += snprintf(line + at, room - (size_t)at, ",\"count\":%" PRId64, fault->count);
    if (fault->nth > 0)
        at += snprintf(line + at, room - (size_t)at, ",\"nth\":%" PRId64, fault->nth);
    if (fault->ppb > 0 || fault->ppb_seen)
        at += snprintf(line + at, room - (size_t)at, ",\"probability\":%.9f", (double)fault->ppb / 1e9);
    (void)snprintf(line + at, room - (size_t)at, "}}\n");
}

static bool drop(const struct sim_real_daemons *daemons, const struct sim_fault *fault)
{
    struct sim_host_set from;
    struct sim_host_set to;
    bool done = false;

    sim_real_hosts(daemons, &fault->from, &from);
    sim_real_hosts(daemons, &fault->to, &to);
    for (uint32_t a = 0; a < daemons->count; a++) {
        const uint32_t anybody = a == 1 ? 2 : 1; /* one line does when no receiver is named */

        if (fault->from.count > 0 && !sim_host_set_has(&from, a))
            continue;
        for (uint32_t b = 0; b < daemons->count; b++) {
            char line[512];

            if (a == b || (fault->to.count > 0 ? !sim_host_set_has(&to, b) : b != anybody))
                continue;
            drop_line(line, sizeof line, fault, &daemons->list[b]);
            done |= sim_real_daemon_say(daemons, a, line);
        }
    }
    return done;
}

/* Hold and let go --------------------------------------------------------------------------------------------------- */

static void begin(struct sim_real_faults *faults, size_t index)
{
    struct sim_real_daemons *daemons = faults->daemons;
    const struct sim_fault *fault = &daemons->scenario->faults[index];
    struct sim_host_set hosts;
    bool done = false;

    sim_real_hosts(daemons, &fault->hosts, &hosts);
    if (fault->kind == SIM_FAULT_PARTITION)
        done = partition(daemons, fault);
    else if (fault->kind == SIM_FAULT_DROP)
        done = drop(daemons, fault);
    for (uint32_t i = 0; i < daemons->count; i++) {
        const bool up = daemons->list[i].up;

        if (!sim_host_set_has(&hosts, i))
            continue;
        if (fault->kind == SIM_FAULT_CRASH && up) {
            sim_real_daemon_kill(daemons, i);
            done = true;
        } else if (fault->kind == SIM_FAULT_RESTART && !up) {
            sim_real_daemon_start(daemons, i);
            done = true;
        } else if (fault->kind == SIM_FAULT_PAUSE && up) {
            done |= sim_real_daemon_signal(daemons, i, SIGSTOP);
        }
    }
    faults->took_effect[index] |= done;
}

static void end(struct sim_real_faults *faults, size_t index)
{
    struct sim_real_daemons *daemons = faults->daemons;
    const struct sim_fault *fault = &daemons->scenario->faults[index];
    struct sim_host_set hosts;

    sim_real_hosts(daemons, &fault->hosts, &hosts);
    for (uint32_t i = 0; i < daemons->count; i++) {
        const bool up = daemons->list[i].up;

        if (fault->kind == SIM_FAULT_PARTITION || fault->kind == SIM_FAULT_DROP)
            (void)sim_real_daemon_say(daemons, i, "{\"heal\":{}}\n");
        else if (sim_host_set_has(&hosts, i) && fault->kind == SIM_FAULT_CRASH && !up)
            sim_real_daemon_start(daemons, i);
        else if (sim_host_set_has(&hosts, i) && fault->kind == SIM_FAULT_PAUSE && up)
            (void)sim_real_daemon_signal(daemons, i, SIGCONT);
    }
}

/* Time -------------------------------------------------------------------------------------------------------------- */

static int moment_compare(const void *left, const void *right)
{
    const struct sim_real_moment *a = left;
    const struct sim_real_moment *b = right;

    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->fault < b->fault ? -1 : a->fault > b->fault;
}

void sim_real_faults_init(struct sim_real_faults *faults, struct sim_real_daemons *daemons)
{
    const struct sim_scenario *scenario = daemons->scenario;

    *faults = (struct sim_real_faults){.daemons = daemons};
    faults->moments = dfs_alloc_zero((2 * scenario->faults_count + 1) * sizeof *faults->moments);
    faults->took_effect = dfs_alloc_zero(scenario->faults_count + 1);
    for (size_t i = 0; i < scenario->faults_count; i++) {
        const struct sim_fault *fault = &scenario->faults[i];

        faults->moments[faults->moments_count++] = (struct sim_real_moment){(dfs_time_ns)fault->at_ns, i, false};
        if (fault->for_ns > 0)
            faults->moments[faults->moments_count++] =
                (struct sim_real_moment){(dfs_time_ns)(fault->at_ns + fault->for_ns), i, true};
    }
    qsort(faults->moments, faults->moments_count, sizeof *faults->moments, moment_compare);
}

void sim_real_faults_close(struct sim_real_faults *faults)
{
    dfs_free(faults->moments);
    dfs_free(faults->took_effect);
}

void sim_real_faults_step(struct sim_real_faults *faults)
{
    while (faults->moments_done < faults->moments_count &&
           faults->moments[faults->moments_done].at <= sim_real_now(faults->daemons->site)) {
        const struct sim_real_moment *moment = &faults->moments[faults->moments_done++];

        if (moment->ends)
            end(faults, moment->fault);
        else
            begin(faults, moment->fault);
    }
}

#include "sim/scope.h"

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/meta/meta.h"
#include "sim/copies.h"
#include "sim/nemesis.h"
#include "sim/random.h"
#include "sim/workload.h"

#include <stdio.h>
#include <string.h>

/* What stands in a way besides the keys of choices. */
enum way { WAY_TAKE = 1, WAY_LOSE, WAY_CRASH, WAY_RESTART };

struct sim_scope {
    struct sim_scope_options options;
    struct sim_run *run;
    struct sim_explorer *explorer;
    struct sim_choice choices[SIM_CHOICES_MAX];
    uint64_t *ways; /* by host; the last: of the simulator's own calls */
    size_t hosts_count;
    struct sim_host_set down; /* crashed here */
    uint32_t crashes;         /* so far */
    uint32_t losses;
    uint32_t timeouts;
    uint32_t overtaken;
    uint64_t held[SIM_SCOPE_FAULTS_MAX]; /* keys of choices that wait for all others */
    uint32_t held_count;
    uint32_t touched; /* host at which something has just happened; UINT32_MAX: any may crash now */
    size_t fault;     /* of the scenario, that strikes for us */
    dfs_time_ns last; /* of the scenario: when the last thing written in it happens */
    bool over;
    bool begun;
};

/* Life --------------------------------------------------------------------------------------------------------------- */

/* What libraries draw is a function of the host's own history too, or no two schedules would give the same. */
static void before_step(void *arg, struct sim_host *host, const struct dfs_event *event)
{
    struct sim_scope *scope = arg;

    (void)event;
    if (scope->begun)
        sim_random_stream(sim_host_index(host), sim_explorer_history(scope->explorer, host));
}

static void attach(struct sim_run *run, void *arg)
{
    struct sim_scope *scope = arg;
    const struct sim_observer observer = {.arg = scope, .before_step = before_step};

    scope->explorer = sim_explorer_new(run->world);
    sim_world_observe(run->world, &observer);
    if (scope->options.attach != NULL)
        scope->options.attach(run, scope->options.attach_arg);
}

static dfs_time_ns last_written(const struct sim_scenario *scenario)
{
    int64_t last = 0;

    for (size_t i = 0; i < scenario->works_count; i++) {
        const struct sim_work *work = &scenario->works[i];
        const int64_t at = work->is_mix ? (work->to_seen ? work->to_ns : scenario->duration_ns) : work->at_ns;

        last = at > last ? at : last;
    }
    for (size_t i = 0; i < scenario->faults_count; i++) {
        const int64_t at = scenario->faults[i].at_ns + scenario->faults[i].for_ns;

        if (!scenario->faults[i].triggered)
            last = at > last ? at : last;
    }
    return (dfs_time_ns)(last < scenario->duration_ns ? last : scenario->duration_ns);
}

static void scope_begin(struct sim_scope *scope)
{
    scope->hosts_count = sim_world_host_count(scope->run->world);
    scope->ways = dfs_alloc_zero_array(scope->hosts_count + 1, sizeof *scope->ways);
    scope->touched = UINT32_MAX;
    scope->begun = true;
    sim_random_follow(NULL, NULL); /* before_step says it */
    sim_explorer_begin(scope->explorer);
}

struct sim_scope *sim_scope_new(struct sim_scenario *scenario, const struct sim_scope_options *options,
                                struct dfs_why *ret_why)
{
    struct sim_scope *scope = dfs_alloc_zero(sizeof *scope);
    const struct sim_run_options run_options = {
        .seed = options->seed, .keeps_operations = true, .attach = attach, .attach_arg = scope};

    scope->options = *options;
    scope->last = dfs_time_max(last_written(scenario), options->until);
    scope->fault = scenario->faults_count;
    *sim_scenario_fault(scenario) =
        (struct sim_fault){.kind = SIM_FAULT_CRASH, .triggered = true, .on = {.event = SIM_EVENT_COUNT}};
    scope->run = sim_run_new(scenario, &run_options);
    if (!sim_run_begin(scope->run)) {
        dfs_why_set(ret_why, "%s", scope->run->reason);
        sim_scope_free(scope);
        return NULL;
    }
    /* What is to happen at `from` itself belongs to the scope. */
    if (options->from > 0)
        (void)sim_world_run(scope->run->world, sim_run_world_time(scope->run, options->from) - 1);
    scope_begin(scope);
    return scope;
}

void sim_scope_free(struct sim_scope *scope)
{
    if (scope == NULL)
        return;
    sim_run_free(scope->run);
    sim_explorer_free(scope->explorer);
    dfs_free(scope->ways);
    dfs_free(scope);
}

struct sim_run *sim_scope_run(struct sim_scope *scope)
{
    return scope->run;
}

bool sim_scope_is_over(const struct sim_scope *scope)
{
    return scope->over;
}

/* Moves -------------------------------------------------------------------------------------------------------------- */

/* In any order, a crash between a host's own steps only comes earlier or later than what does not touch it. In the usual order its news would come earlier too. */
static bool may_crash_now(const struct sim_scope *scope, uint32_t number)
{
    return scope->options.overtakes != SIM_OVERTAKES_ALL || scope->touched == UINT32_MAX || scope->touched == number;
}

static size_t add_crashes(const struct sim_scope *scope, struct sim_move *moves)
{
    size_t count = 0;

    if (scope->crashes >= scope->options.crashes)
        return 0;
    for (uint32_t number = 0; number < scope->hosts_count; number++) {
        struct sim_host *host = sim_run_host(scope->run, number);
        bool unsynced = false;

        if (!sim_host_set_has(&scope->options.hosts, number) || !sim_host_is_up(host) || !may_crash_now(scope, number))
            continue;
        if (sim_host_disk(host) != NULL) {
            const struct sim_disk_usage usage = sim_disk_usage(sim_host_disk(host));

            unsynced = usage.pending > 0 || usage.unsynced_names > 0 || usage.unsynced_pages > 0;
        }
        for (unsigned mode = 0; mode <= SIM_UNSYNCED_TORN; mode++) {
            if ((scope->options.unsynced >> mode & 1u) == 0)
                continue;
            moves[count++] =
                (struct sim_move){.kind = SIM_MOVE_CRASH, .host = number, .unsynced = (enum sim_unsynced)mode};
            if (!unsynced)
                break;
        }
    }
    return count;
}

static size_t add_restarts(const struct sim_scope *scope, struct sim_move *moves)
{
    size_t count = 0;

    for (uint32_t number = 0; number < scope->hosts_count; number++)
        if (sim_host_set_has(&scope->down, number))
            moves[count++] = (struct sim_move){.kind = SIM_MOVE_RESTART, .host = number};
    return count;
}

/* Whoever runs is a member again, or a file may be out of reach though nothing is lost. */
static bool are_back(struct sim_run *run, char *why, size_t room)
{
    const struct dfs_meta *meta = sim_cluster_meta(run->cluster);
    struct sim_host_set active;

    if (meta == NULL)
        return true; /* gone for good, by the scenario */
    (void)snprintf(why, room, "metadata has not warmed up");
    if (!dfs_meta_is_ready(meta))
        return false;
    (void)sim_copies_active(run, &active);
    for (uint32_t i = 0; i < run->cluster->options.data; i++) {
        const struct sim_host *host = run->cluster->data[i].host;

        (void)snprintf(why, room, "%s runs and is no member", sim_host_name(host));
        if (sim_host_is_up(host) && !sim_host_set_has(&active, 2 + i))
            return false;
    }
    return true;
}

static void look_for_the_end(struct sim_scope *scope, bool can_go_on)
{
    struct sim_run *run = scope->run;
    const dfs_time_ns now = sim_run_time(run);
    const dfs_time_ns limit = (dfs_time_ns)(run->scenario->duration_ns + run->scenario->settle_ns);
    char why[512] = "";

    if (now < scope->last && can_go_on)
        return;
    scope->over = are_back(run, why, sizeof why) && sim_run_at_rest(run, why, sizeof why);
    if (scope->over || (can_go_on && now < limit))
        return;
    scope->over = true;
    sim_run_verdict(run, SIM_STUCK, "%.3f s after time 0 not everything is at rest: %s", (double)now / 1e9, why);
}

/* Leaves what the policy for disks lets come now. Returns how many. */
static size_t choices_allow(const struct sim_scope *scope, struct sim_choice *choices, size_t possible)
{
    size_t disks = 0;
    size_t count = 0;

    for (size_t i = 0; i < possible; i++)
        disks += choices[i].kind == SIM_CHOICE_DISK;
    if (scope->options.disks == SIM_DISKS_ANY || disks == 0 || disks == possible) {
        return scope->options.disks == SIM_DISKS_FAST && disks > 0 ? 1 : possible;
    }
    for (size_t i = 0; i < possible; i++)
        if ((choices[i].kind == SIM_CHOICE_DISK) == (scope->options.disks == SIM_DISKS_FAST))
            choices[count++] = choices[i];
    return scope->options.disks == SIM_DISKS_FAST ? 1 : count;
}

static bool is_held(const struct sim_scope *scope, uint64_t key)
{
    for (uint32_t i = 0; i < scope->held_count; i++)
        if (scope->held[i] == key)
            return true;
    return false;
}

/* To the end with those that are held, in their order. Returns how many are not. */
static size_t held_last(const struct sim_scope *scope, struct sim_choice *choices, size_t possible)
{
    struct sim_choice held[SIM_SCOPE_FAULTS_MAX];
    size_t held_count = 0;
    size_t count = 0;

    for (size_t i = 0; i < possible; i++) {
        if (held_count < SIM_SCOPE_FAULTS_MAX && is_held(scope, choices[i].key))
            held[held_count++] = choices[i];
        else
            choices[count++] = choices[i];
    }
    for (size_t i = 0; i < held_count; i++)
        choices[count + i] = held[i];
    return count;
}

/* The usual turn, and what is out of turn. */
static size_t add_takes(const struct sim_scope *scope, struct sim_move *moves, size_t possible, size_t not_held)
{
    const bool limited = scope->options.overtakes != SIM_OVERTAKES_ALL;
    size_t count = 0;

    for (size_t i = 0; i < possible && (i == 0 || scope->overtaken < scope->options.overtakes); i++)
        moves[count++] = (struct sim_move){.kind = SIM_MOVE_TAKE, .choice = scope->choices[i], .overtakes = i > 0};
    if (limited && not_held > 1 && scope->overtaken < scope->options.overtakes) {
        moves[count] = moves[1];
        moves[count++].held = scope->choices[0].key;
    }
    return count;
}

static bool may_lose(const struct sim_scope *scope)
{
    return scope->losses < scope->options.losses;
}

size_t sim_scope_moves(struct sim_scope *scope, struct sim_move *moves)
{
    const size_t choices = sim_explorer_choices(scope->explorer, scope->choices);
    const bool has_time = choices > 0 && scope->choices[choices - 1].kind == SIM_CHOICE_TIME;
    const struct sim_choice time = has_time ? scope->choices[choices - 1] : (struct sim_choice){0};
    const size_t possible = choices_allow(scope, scope->choices, choices - has_time);
    const bool waits = sim_host_set_count(&scope->down) > 0;
    size_t count = 0;

    scope->over = false; /* a crash goes on from where everything was at rest */
    count += add_takes(scope, moves, possible, held_last(scope, scope->choices, possible));
    if (possible == 0)
        count += add_restarts(scope, moves);
    if (possible == 0 && !waits)
        look_for_the_end(scope, has_time);
    if (has_time && !scope->over && possible == 0 &&
        (!waits || (scope->options.late && sim_run_time(scope->run) < (dfs_time_ns)scope->run->scenario->duration_ns)))
        moves[count++] = (struct sim_move){.kind = SIM_MOVE_TAKE, .choice = time};
    if (has_time && possible > 0 && scope->timeouts < scope->options.timeouts)
        moves[count++] = (struct sim_move){.kind = SIM_MOVE_TAKE, .choice = time, .early = true};
    for (size_t i = 0; i < possible && may_lose(scope); i++)
        if (sim_choice_can_be_lost(&scope->choices[i]))
            moves[count++] = (struct sim_move){.kind = SIM_MOVE_LOSE, .choice = scope->choices[i]};
    DFS_ASSERT(count + 3 * scope->hosts_count < SIM_MOVES_MAX);
    return count + add_crashes(scope, moves + count);
}

/* Ways --------------------------------------------------------------------------------------------------------------- */

static size_t way_host(const struct sim_scope *scope, const struct sim_move *move)
{
    if (move->kind == SIM_MOVE_CRASH || move->kind == SIM_MOVE_RESTART)
        return move->host;
    return move->choice.host != NULL ? sim_host_index(move->choice.host) : scope->hosts_count;
}

static uint64_t way_after(const struct sim_scope *scope, const struct sim_move *move)
{
    const uint64_t before = scope->ways[way_host(scope, move)];
    const dfs_time_ns now = sim_world_now(scope->run->world);

    switch (move->kind) {
    case SIM_MOVE_TAKE:
        return sim_mix(before ^ move->choice.key, now + ((uint64_t)move->choice.kind << 4 | WAY_TAKE));
    case SIM_MOVE_LOSE:
        return sim_mix(before ^ move->choice.key, now + WAY_LOSE);
    case SIM_MOVE_CRASH:
        return sim_mix(before ^ ((uint64_t)move->unsynced + 1), now + WAY_CRASH);
    case SIM_MOVE_RESTART:
        return sim_mix(before, now + WAY_RESTART);
    }
    dfs_unreachable("way_after");
}

uint64_t sim_scope_way(const struct sim_scope *scope, const struct sim_move *move)
{
    const size_t changed = way_host(scope, move);
    uint64_t hash = move->kind == SIM_MOVE_TAKE && move->choice.kind == SIM_CHOICE_TIME
                        ? move->choice.at
                        : sim_world_now(scope->run->world);

    for (size_t i = 0; i <= scope->hosts_count; i++)
        hash = sim_mix(hash ^ (i == changed ? way_after(scope, move) : scope->ways[i]), i);
    return hash;
}

uint64_t sim_scope_state(struct sim_scope *scope)
{
    uint64_t hash = sim_mix(sim_explorer_fingerprint(scope->explorer),
                            (uint64_t)scope->crashes << 16 | scope->losses << 8 | scope->timeouts);

    for (uint32_t number = 0; number < scope->hosts_count; number++)
        if (sim_host_set_has(&scope->down, number))
            hash = sim_mix(hash, number);
    if (scope->options.overtakes == SIM_OVERTAKES_ALL) {
        /* Who may crash next depends on who was touched last, where states are equal that were reached by different last steps: after a fault. */
        if (scope->crashes < scope->options.crashes && scope->crashes + scope->losses + scope->timeouts > 0)
            hash = sim_mix(hash, scope->touched);
        return hash;
    }
    /* What is usual next depends on what has been under way for longest. */
    hash = sim_mix(hash, sim_explorer_order(scope->explorer));
    for (uint32_t i = 0; i < scope->held_count; i++)
        hash = sim_mix(hash, scope->held[i]);
    return hash;
}

/* Making a move ------------------------------------------------------------------------------------------------------- */

static void strike(struct sim_scope *scope, enum sim_fault_kind kind, const struct sim_move *move)
{
    struct sim_fault *fault = dfs_alloc_zero(sizeof *fault);
    const struct sim_host_counts counts = sim_scenario_hosts(scope->run->scenario);

    fault->kind = kind;
    fault->unsynced = (int)move->unsynced;
    fault->streams = 2; /* reset */
    fault->hosts.count = 1;
    if (move->host < 2)
        fault->hosts.refs[0].kind = move->host == 0 ? SIM_HOST_AUTH : SIM_HOST_META;
    else if (move->host < 2 + counts.data)
        fault->hosts.refs[0] = (struct sim_host_ref){SIM_HOST_DATA, (uint16_t)(move->host - 2)};
    else
        fault->hosts.refs[0] = (struct sim_host_ref){SIM_HOST_CLIENT, (uint16_t)(move->host - 2 - counts.data)};
    sim_nemesis_strike(scope->run->nemesis, scope->fault, fault);
    dfs_free(fault);
    sim_explorer_follow(scope->explorer);
}

void sim_scope_apply(struct sim_scope *scope, const struct sim_move *move)
{
    const size_t at = way_host(scope, move);

    scope->ways[at] = way_after(scope, move);
    scope->touched = at < scope->hosts_count ? (uint32_t)at : UINT32_MAX;
    switch (move->kind) {
    case SIM_MOVE_TAKE:
        if (move->choice.kind == SIM_CHOICE_TIME)
            scope->touched = UINT32_MAX;
        scope->timeouts += move->early;
        scope->overtaken += move->overtakes;
        if (move->held != 0 && scope->held_count < SIM_SCOPE_FAULTS_MAX)
            scope->held[scope->held_count++] = move->held;
        sim_explorer_take(scope->explorer, &move->choice);
        return;
    case SIM_MOVE_LOSE:
        scope->losses++;
        sim_explorer_lose(scope->explorer, &move->choice);
        return;
    case SIM_MOVE_CRASH:
        scope->crashes++;
        sim_host_set_add(&scope->down, move->host);
        strike(scope, SIM_FAULT_CRASH, move);
        return;
    case SIM_MOVE_RESTART:
        sim_host_set_remove(&scope->down, move->host);
        strike(scope, SIM_FAULT_RESTART, move);
        return;
    }
}

void sim_scope_finish(struct sim_scope *scope)
{
    sim_explorer_end(scope->explorer);
    sim_run_stop(scope->run);
    sim_run_end(scope->run);
}

uint32_t sim_scope_overtaken(const struct sim_scope *scope)
{
    return scope->options.overtakes == SIM_OVERTAKES_ALL ? 0 : scope->overtaken;
}

uint64_t sim_scope_outcome(struct sim_scope *scope)
{
    const struct sim_run *run = scope->run;
    uint64_t hash = sim_mix((uint64_t)run->verdict == SIM_VACUOUS ? SIM_PASS : run->verdict, run->violations_count);

    for (uint64_t i = 1; i <= run->ledger.operations_count; i++) {
        const struct sim_operation *operation = sim_ledger_operation(&run->ledger, i);

        hash = sim_mix(hash ^ (uint64_t)operation->status, operation->version << 1 | operation->lost);
    }
    for (uint32_t number = 0; number < scope->hosts_count; number++) {
        const struct sim_disk *disk = sim_host_disk(sim_run_host(run, number));

        if (disk != NULL)
            hash = sim_mix(hash, sim_disk_fingerprint(disk));
    }
    return hash;
}

/* Words -------------------------------------------------------------------------------------------------------------- */

static const char *message_words(const struct sim_choice *choice, char *text, size_t room)
{
    const struct sim_message message = {.head = choice->head, .head_bytes = choice->head_bytes};
    const char *name = dfs_message_name(sim_message_number(&message));

    (void)snprintf(text, room, "%s from %s to %s", strcmp(name, "?") == 0 ? "bytes" : name,
                   sim_host_name(choice->other), sim_host_name(choice->host));
    return text;
}

static void choice_words(const struct sim_scope *scope, const struct sim_choice *choice, char *words, size_t room)
{
    char text[SIM_MOVE_WORDS_BYTES];
    const char *host = choice->host != NULL ? sim_host_name(choice->host) : "the scenario";
    const char *other = choice->other != NULL ? sim_host_name(choice->other) : "nobody";

    switch (choice->kind) {
    case SIM_CHOICE_FRAME:
    case SIM_CHOICE_DATAGRAM:
        (void)snprintf(words, room, "%s arrives", message_words(choice, text, sizeof text));
        return;
    case SIM_CHOICE_ACCEPT:
        (void)snprintf(words, room, "%s accepts the connection of %s", host, other);
        return;
    case SIM_CHOICE_END:
        (void)snprintf(words, room, "%s hears that %s has closed their connection", host, other);
        return;
    case SIM_CHOICE_CLOSED:
        (void)snprintf(words, room, "%s hears that its connection with %s is broken", host, other);
        return;
    case SIM_CHOICE_CONNECT:
        (void)snprintf(words, room, "the connect of %s to %s ends", host, other);
        return;
    case SIM_CHOICE_DISK:
        (void)snprintf(words, room, "the disk of %s has done: %s %s", host, choice->verb, choice->name);
        return;
    case SIM_CHOICE_TICK:
        (void)snprintf(words, room, "a deadline of %s is due", host);
        return;
    case SIM_CHOICE_TIME:
        (void)snprintf(words, room, "time goes on to %.6f s, a deadline of %s",
                       (double)(choice->at - scope->run->zero) / 1e9, host);
        return;
    }
    dfs_unreachable("choice_words");
}

static void move_words(const struct sim_scope *scope, const struct sim_move *moves, size_t at,
                       char words[SIM_MOVE_WORDS_BYTES])
{
    static const char *const unsynced[] = {"is lost", "is kept", "is torn"};
    const struct sim_move *move = &moves[at];
    char text[SIM_MOVE_WORDS_BYTES];
    size_t count;

    switch (move->kind) {
    case SIM_MOVE_TAKE:
        choice_words(scope, &move->choice, words, SIM_MOVE_WORDS_BYTES);
        if (move->held == 0)
            return;
        count = strlen(words);
        choice_words(scope, &moves[0].choice, text, sizeof text);
        (void)snprintf(words + count, SIM_MOVE_WORDS_BYTES - count, "; what waits for all the rest: %s", text);
        return;
    case SIM_MOVE_LOSE:
        (void)snprintf(words, SIM_MOVE_WORDS_BYTES, "LOST: %s", message_words(&move->choice, text, sizeof text));
        return;
    case SIM_MOVE_CRASH:
        (void)snprintf(words, SIM_MOVE_WORDS_BYTES, "CRASH of %s; what is not synced %s",
                       sim_host_name(sim_run_host(scope->run, move->host)), unsynced[move->unsynced]);
        return;
    case SIM_MOVE_RESTART:
        (void)snprintf(words, SIM_MOVE_WORDS_BYTES, "RESTART of %s",
                       sim_host_name(sim_run_host(scope->run, move->host)));
        return;
    }
    dfs_unreachable("move_words");
}

void sim_scope_words(struct sim_scope *scope, const struct sim_move *moves, size_t at, char words[SIM_MOVE_WORDS_BYTES])
{
    char other[SIM_MOVE_WORDS_BYTES];
    unsigned same = 1;

    move_words(scope, moves, at, words);
    for (size_t i = 0; i < at; i++) {
        move_words(scope, moves, i, other);
        same += strcmp(other, words) == 0;
    }
    if (same > 1)
        (void)snprintf(words + strlen(words), SIM_MOVE_WORDS_BYTES - strlen(words), " [%u]", same);
}

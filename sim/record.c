#include "sim/record.h"

#include "core/base/mem.h"
#include "sim/listen.h"
#include "sim/nemesis.h"
#include "sim/own_seed.h"
#include "sim/scenario_write.h"

#include <stdlib.h>
#include <string.h>

/* Faults begin a moment before the message that they are about: calls come after what is due at their time. */
#define MOMENT_NS 1

/* What a link did to one message. */
struct hit {
    enum sim_link_hit kind;
    bool window; /* no message says it: a link that loses all for a moment */
    uint32_t from, to;
    uint32_t message;
    uint32_t nth; /* of those from the fault's beginning */
    int64_t at_ns;
    int64_t by_ns;
};

/* A message, for `nth`; they stand in the order of time. */
struct sent {
    dfs_time_ns at;
    uint64_t conn, number;
    uint32_t from, to, message;
};

struct sim_record {
    struct sim_run *run;
    struct sim_scenario recorded;
    unsigned detail;
    size_t *place; /* of a step of the scenario among the recorded ones, by its number */
    struct hit *hits;
    size_t hits_count;
    bool unsayable;
    struct sent *sent;
    size_t sent_count, sent_room;
};

/* Operations ---------------------------------------------------------------------------------------------------------------- */

static void asked(struct sim_run *run, void *state, const struct sim_operation *operation)
{
    struct sim_record *record = *(struct sim_record **)state;

    if (operation->audit)
        return;
    const struct dfs_spread size = {.low = (int64_t)operation->size_bytes, .high = (int64_t)operation->size_bytes};
    const struct sim_work *source = &run->scenario->works[operation->work];

    if (!source->is_mix) {
        if (source->kind == SIM_OP_PUT || source->kind == SIM_OP_ABORT_PUT)
            record->recorded.works[record->place[operation->work]].size = size;
        return;
    }
    struct sim_work *work = sim_scenario_work(&record->recorded);

    work->at_ns = (int64_t)(operation->asked_at - run->zero);
    work->kind = operation->kind;
    work->client = (struct sim_host_ref){SIM_HOST_CLIENT, (uint16_t)operation->client};
    if (operation->path != NULL)
        (void)snprintf(work->path, sizeof work->path, "%s", operation->path->name);
    if (operation->to_path != NULL)
        (void)snprintf(work->to_path, sizeof work->to_path, "%s", operation->to_path->name);
    work->size = size;
    work->first = (int64_t)operation->first;
    work->last = (int64_t)operation->last;
    work->after_bytes = (int64_t)operation->abort_after_bytes;
    work->after_bytes_seen = operation->kind == SIM_OP_ABORT_PUT;
    work->ack = source->ack;
    work->durability = source->durability;
    work->if_absent = source->if_absent && (work->kind == SIM_OP_PUT || work->kind == SIM_OP_MOVE);
}

/* Links --------------------------------------------------------------------------------------------------------------------- */

static void on_sent(void *arg, const struct sim_message *message, struct sim_verdict *verdict)
{
    struct sim_record *record = arg;

    (void)verdict;
    if (record->run->zero == DFS_NEVER || message->to == NULL || message->injected ||
        record->sent_count == SIM_RECORD_SENT_MAX)
        return;
    if (record->sent_count == record->sent_room) {
        record->sent_room = 2 * record->sent_room + 1024;
        record->sent = dfs_realloc_array(record->sent, record->sent_room, sizeof *record->sent);
    }
    record->sent[record->sent_count++] = (struct sent){.at = message->sent_at,
                                                       .conn = message->conn,
                                                       .number = message->number,
                                                       .from = sim_run_host_number(record->run, message->from),
                                                       .to = sim_run_host_number(record->run, message->to),
                                                       .message = sim_message_number(message)};
}

/* The first that was sent then or later. */
static size_t sent_since(const struct sim_record *record, dfs_time_ns at)
{
    size_t low = 0;
    size_t high = record->sent_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (record->sent[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The how manieth of its kind it is from a moment before it was sent; 0: it is not known. */
static uint32_t nth_of(const struct sim_record *record, const struct hit *hit, const struct sim_message *message)
{
    uint32_t nth = 0;

    for (size_t i = sent_since(record, message->sent_at - MOMENT_NS); i < record->sent_count; i++) {
        const struct sent *sent = &record->sent[i];

        nth += sent->from == hit->from && sent->to == hit->to && sent->message == hit->message;
        if (sent->conn == message->conn && sent->number == message->number && sent->from == hit->from &&
            sent->to == hit->to)
            return nth;
    }
    return 0;
}

static void on_link(void *arg, const struct sim_link_event *event)
{
    struct sim_record *record = arg;
    const struct sim_run *run = record->run;
    const dfs_time_ns now = sim_world_now(run->world);
    const struct sim_message *message = &event->message;

    /* Before time 0, in its moment, and when the duration is over the network is as in the file. */
    if (run->zero == DFS_NEVER || now <= run->zero || record->unsayable ||
        now - run->zero >= (dfs_time_ns)run->scenario->duration_ns)
        return;
    struct hit hit = {.kind = event->hit,
                      .from = sim_run_host_number(run, message->from),
                      .to = sim_run_host_number(run, message->to),
                      .at_ns = (int64_t)(now - run->zero) - MOMENT_NS,
                      .by_ns = (int64_t)event->by};

    if (hit.from == UINT32_MAX || hit.to == UINT32_MAX || record->hits_count == SIM_RECORD_HITS_MAX) {
        record->unsayable = true;
        return;
    }
    /* Forgeries are no message of anybody; a handshake and an end have no name. */
    hit.window = message->injected || message->head_bytes == 0 || message->number == 0;
    if (!hit.window) {
        hit.message = sim_message_number(message);
        hit.nth = nth_of(record, &hit, message);
        hit.window = hit.nth == 0;
    }
    if (!hit.window)
        hit.at_ns = (int64_t)(message->sent_at - run->zero) - MOMENT_NS;
    if (record->hits == NULL)
        record->hits = dfs_alloc_zero_array(SIM_RECORD_HITS_MAX, sizeof *record->hits);
    record->hits[record->hits_count++] = hit;
}

static bool is_lossy(const struct sim_network *network)
{
    return network->loss_ppb > 0 || network->duplicate_ppb > 0 || network->reorder_ppb > 0;
}

/* As long as there are faults nothing is lost, repeated or held back but by those that follow. */
static void network_off(struct sim_scenario *recorded)
{
    struct sim_fault *fault = sim_scenario_fault(recorded);

    fault->kind = SIM_FAULT_LINK;
    fault->for_ns = recorded->duration_ns;
    sim_host_refs_add(&fault->from, SIM_HOST_ALL, 0);
    sim_host_refs_add(&fault->to, SIM_HOST_ALL, 0);
    fault->network.loss_seen = fault->network.duplicate_seen = fault->network.reorder_seen = true;
}

static void hit_add(struct sim_record *record, const struct hit *hit)
{
    static const enum sim_fault_kind kinds[] = {[SIM_LINK_LOST] = SIM_FAULT_DROP,
                                                [SIM_LINK_COPIED] = SIM_FAULT_DUPLICATE,
                                                [SIM_LINK_HELD] = SIM_FAULT_DELAY,
                                                [SIM_LINK_RETRIED] = SIM_FAULT_DELAY,
                                                [SIM_LINK_CONNECT] = SIM_FAULT_LINK};
    struct sim_fault *fault = sim_scenario_fault(&record->recorded);

    fault->kind = hit->window ? SIM_FAULT_LINK : kinds[hit->kind];
    fault->at_ns = hit->at_ns;
    sim_host_refs_add_number(&fault->from, record->run->cluster->options.data, hit->from);
    sim_host_refs_add_number(&fault->to, record->run->cluster->options.data, hit->to);
    if (hit->window) {
        fault->for_ns = 2 * MOMENT_NS;
        if (hit->kind == SIM_LINK_COPIED) {
            fault->network.duplicate_seen = true;
            fault->network.duplicate_ppb = SIM_PPB_ONE;
        } else if (hit->kind == SIM_LINK_HELD) {
            fault->network.reorder_seen = true;
            fault->network.reorder_ppb = SIM_PPB_ONE;
        } else {
            fault->network.loss_seen = true;
            fault->network.loss_ppb = SIM_PPB_ONE;
        }
        return;
    }
    fault->message = hit->message;
    fault->nth = hit->nth;
    if (fault->kind == SIM_FAULT_DELAY)
        fault->by_ns = hit->by_ns;
}

/* Faults -------------------------------------------------------------------------------------------------------------------- */

static bool network_wanted(const struct sim_record *record)
{
    return (record->detail & SIM_RECORD_NETWORK) != 0 && !record->unsayable;
}

static struct sim_fault *fault_add(struct sim_record *record, const struct sim_fault *source)
{
    struct sim_fault *fault = sim_scenario_fault(&record->recorded);

    *fault = *source;
    if (fault->kind == SIM_FAULT_LINK && network_wanted(record))
        fault->network.loss_ppb = fault->network.duplicate_ppb = fault->network.reorder_ppb = 0;
    return fault;
}

static void blow_add(void *arg, const struct sim_struck *struck)
{
    struct sim_record *record = arg;
    const struct sim_fault *source = &record->run->scenario->faults[struck->index];
    const bool drawn = source->kind == SIM_FAULT_RANDOM;

    if (!drawn && !(source->triggered && (record->detail & SIM_RECORD_TIMES) != 0))
        return;
    if (struck->effect == 0 && (drawn || source->line == 0))
        return;
    struct sim_fault *fault = fault_add(record, struck->fault);

    /* A trigger without `after` acts behind what set it off. */
    fault->at_ns = (int64_t)struck->at + (source->triggered && source->after_ns == 0 ? MOMENT_NS : 0);
    fault->triggered = false;
    fault->every = false;
    fault->after_ns = 0;
}

static int by_time(const void *a, const void *b)
{
    const struct sim_fault *x = *(const struct sim_fault *const *)a;
    const struct sim_fault *y = *(const struct sim_fault *const *)b;
    const int64_t at_x = x->triggered ? -1 : x->at_ns;
    const int64_t at_y = y->triggered ? -1 : y->at_ns;

    /* What stood first stays first. */
    return at_x != at_y ? (at_x > at_y) - (at_x < at_y) : (x > y) - (x < y);
}

static void sort_faults(struct sim_scenario *recorded)
{
    const size_t count = recorded->faults_count;
    const struct sim_fault **order = dfs_alloc_zero_array(count + 1, sizeof(struct sim_fault *));
    struct sim_scenario sorted = {0};

    for (size_t i = 0; i < count; i++)
        order[i] = &recorded->faults[i];
    qsort(order, count, sizeof(struct sim_fault *), by_time);
    for (size_t i = 0; i < count; i++) {
        struct sim_fault *fault = sim_scenario_fault(&sorted);

        *fault = *order[i];
    }
    dfs_free(order);
    dfs_free(recorded->faults);
    recorded->faults = sorted.faults;
}

static void add_faults(struct sim_record *record)
{
    const struct sim_scenario *scenario = record->run->scenario;
    struct sim_scenario *recorded = &record->recorded;

    if (network_wanted(record) && is_lossy(&scenario->network))
        network_off(recorded);
    for (size_t i = 0; i < scenario->faults_count; i++) {
        const struct sim_fault *fault = &scenario->faults[i];
        const struct sim_nemesis_account account = sim_nemesis_account(record->run->nemesis, i);
        const bool as_blows = fault->triggered && account.struck && (record->detail & SIM_RECORD_TIMES) != 0;

        if (fault->kind != SIM_FAULT_RANDOM && !as_blows && (account.effect > 0 || fault->line != 0))
            (void)fault_add(record, fault);
    }
    sim_nemesis_each(record->run->nemesis, blow_add, record);
    for (size_t i = 0; i < record->hits_count && network_wanted(record); i++)
        hit_add(record, &record->hits[i]);
    sort_faults(recorded);
}

/* Life ---------------------------------------------------------------------------------------------------------------------- */

struct sim_record *sim_record_attach(struct sim_run *run, unsigned detail)
{
    static const struct sim_hooks hooks = {.asked = asked};
    struct sim_record *record = dfs_alloc_zero(sizeof *record);
    const struct sim_scenario *scenario = run->scenario;

    record->run = run;
    record->detail = detail;
    record->recorded = *scenario;
    record->recorded.works = NULL;
    record->recorded.works_count = 0;
    record->recorded.faults = NULL;
    record->recorded.faults_count = 0;
    record->recorded.expects = NULL;
    record->recorded.expects_count = 0;
    record->place = dfs_alloc_zero_array(scenario->works_count + 1, sizeof *record->place);
    for (size_t i = 0; i < scenario->works_count; i++) {
        if (!scenario->works[i].is_mix) {
            struct sim_work *work = sim_scenario_work(&record->recorded);

            *work = scenario->works[i];
            record->place[i] = record->recorded.works_count - 1;
        }
    }
    for (size_t i = 0; i < scenario->expects_count; i++) {
        struct sim_expect *expect = sim_scenario_expect(&record->recorded);

        *expect = scenario->expects[i];
    }
    *(struct sim_record **)sim_listeners_add_owned(run, "record", &hooks, sizeof(void *)) = record;
    if ((detail & SIM_RECORD_NETWORK) != 0) {
        const struct sim_observer observer = {
            .arg = record, .frame_sent = on_sent, .datagram_sent = on_sent, .link_hit = on_link};

        sim_world_observe(run->world, &observer);
    }
    return record;
}

bool sim_record_write(struct sim_record *record, const struct sim_run *run, const char *file)
{
    struct sim_scenario *recorded = &record->recorded;

    add_faults(record);
    sim_own_seed_put(recorded, run->options.seed);
    char *text = sim_scenario_text(recorded);
    FILE *stream = fopen(file, "w");
    bool written = stream != NULL && fputs(text, stream) >= 0;

    if (stream != NULL && fclose(stream) != 0)
        written = false;
    dfs_free(text);
    return written;
}

void sim_record_free(struct sim_record *record)
{
    if (record == NULL)
        return;
    sim_scenario_close(&record->recorded);
    dfs_free(record->place);
    dfs_free(record->hits);
    dfs_free(record->sent);
    dfs_free(record);
}

#include "tests/support/story.h"

#include "core/base/mem.h"
#include "core/conf/units.h"
#include "sim/diff.h"
#include "sim/run.h"
#include "tests/support/paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A story is read by people. */
#define LINES_BYTES (64 * 1024)

struct teller {
    struct sim_run *run;
    dfs_time_ns from;
    bool over;
    char text[LINES_BYTES];
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void say(struct teller *teller, const char *format, ...)
{
    const dfs_time_ns now = sim_run_time(teller->run);
    const size_t room = sizeof teller->text - teller->count;
    va_list arguments;
    int count;

    if (teller->over || teller->run->zero == DFS_NEVER || now < teller->from)
        return;
    count = snprintf(teller->text + teller->count, room, "[%3llu.%04llu] ", (unsigned long long)(now / DFS_SECONDS),
                     (unsigned long long)(now % DFS_SECONDS / (100 * DFS_MICROSECONDS)));
    assert_in_range(count, 1, room - 1);
    teller->count += (size_t)count;
    va_start(arguments, format);
    count = vsnprintf(teller->text + teller->count, sizeof teller->text - teller->count, format, arguments);
    va_end(arguments);
    assert_in_range(count, 1, sizeof teller->text - teller->count - 2);
    teller->count += (size_t)count;
    teller->text[teller->count++] = '\n';
    teller->text[teller->count] = '\0';
}

static const char *node_name(const struct teller *teller, const struct dfs_id *id)
{
    const struct sim_node *node = sim_cluster_data_by_id(teller->run->cluster, id);

    return node != NULL ? sim_host_name(node->host) : "?";
}

/* Messages -------------------------------------------------------------------------------------------------------- */

/* Words about a message, appended piece by piece; what does not fit is cut. */
struct words {
    char text[160];
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void add(struct words *words, const char *format, ...)
{
    const size_t room = sizeof words->text - words->count;
    va_list arguments;
    int count;

    va_start(arguments, format);
    count = vsnprintf(words->text + words->count, room, format, arguments);
    va_end(arguments);
    words->count += (size_t)count < room ? (size_t)count : room - 1;
}

static const char *status_name(uint8_t status)
{
    return dfs_status_name((enum dfs_status)status);
}

static void add_block(struct words *words, const struct dfs_w_block *block)
{
    add(words, " block %u", (unsigned)block->index);
    if (block->generation > 1)
        add(words, " again (generation %u)", (unsigned)block->generation);
}

static void add_grant(const struct teller *teller, struct words *words, const struct dfs_w_grant *grant)
{
    add_block(words, &grant->block);
    add(words, " on");
    for (uint32_t i = 0; i < grant->replicas_count; i++)
        add(words, " %s", node_name(teller, &grant->replicas[i].node));
}

static void add_written(const struct teller *teller, struct words *words, const struct dfs_m_block_written *m)
{
    add_block(words, &m->block);
    if (m->receipts_count > 0)
        add(words, ", receipts of");
    for (uint32_t i = 0; i < m->receipts_count; i++)
        add(words, " %s", node_name(teller, &m->receipts[i].node));
    for (uint32_t i = 0; i < m->failures_count; i++)
        add(words, ", %s: %s", node_name(teller, &m->failures[i].node), status_name(m->failures[i].status));
}

static void add_order(const struct teller *teller, struct words *words, const struct dfs_w_order *order)
{
    add_block(words, &order->block);
    add(words, " from %s to %s", node_name(teller, &order->source), node_name(teller, &order->target));
}

/* false: not worth a line. */
static bool in_words(const struct teller *teller, const struct sim_seen *seen, struct words *words)
{
    const union dfs_any_message *m = seen->body;

    switch (seen->number) {
    case DFS_MSG_HELLO:
    case DFS_MSG_LOGIN:
    case DFS_MSG_TOKEN:
    case DFS_MSG_KEYS_GET:
    case DFS_MSG_KEYS:
    case DFS_MSG_KEYS_UPDATE:
    case DFS_MSG_HEARTBEAT:
    case DFS_MSG_HEARTBEAT_ACK:
    case DFS_MSG_BLOCK_DATA:
    case DFS_MSG_BLOCK_EVENTS:
        return false;
    case DFS_MSG_STATUS:
        add(words, " %s", status_name(m->status.status));
        return m->status.status != DFS_OK;
    case DFS_MSG_PUT_OPEN:
        add(words, " %.*s, %llu bytes", (int)m->put_open.path.count, m->put_open.path.at,
            (unsigned long long)m->put_open.size_bytes);
        return true;
    case DFS_MSG_PUT_PLAN:
        for (uint32_t i = 0; i < m->put_plan.grants_count; i++)
            add_grant(teller, words, &m->put_plan.grants[i]);
        return true;
    case DFS_MSG_PUT_PLACE:
        add(words, " block %u, generation %u, without", (unsigned)m->put_place.first,
            (unsigned)m->put_place.generation);
        for (uint32_t i = 0; i < m->put_place.excluded_count; i++)
            add(words, " %s", node_name(teller, &m->put_place.excluded[i].node));
        return true;
    case DFS_MSG_PUT_PLACED:
        for (uint32_t i = 0; i < m->put_placed.grants_count; i++)
            add_grant(teller, words, &m->put_placed.grants[i]);
        return true;
    case DFS_MSG_PUT_COMMIT:
        add(words, " with %u receipts", (unsigned)m->put_commit.receipts_count);
        return true;
    case DFS_MSG_PUT_DONE:
        add(words, " %s, version %llu", status_name(m->put_done.status), (unsigned long long)m->put_done.version);
        return true;
    case DFS_MSG_GET_OPEN:
        add(words, " %.*s", (int)m->get_open.path.count, m->get_open.path.at);
        return true;
    case DFS_MSG_GET_PLAN:
        for (uint32_t i = 0; i < m->get_plan.plan_count; i++)
            add_grant(teller, words, &m->get_plan.plan[i].grant);
        return true;
    case DFS_MSG_BLOCK_BAD:
        add_block(words, &m->block_bad.block);
        add(words, " on %s: %s", node_name(teller, &m->block_bad.node), status_name(m->block_bad.status));
        return true;
    case DFS_MSG_BLOCK_WRITE:
        add_block(words, &m->block_write.grant.block);
        return true;
    case DFS_MSG_BLOCK_WRITTEN:
        add_written(teller, words, &m->block_written);
        return true;
    case DFS_MSG_BLOCK_READ:
        add_block(words, &m->block_read.grant.block);
        return true;
    case DFS_MSG_BLOCK_END:
        add_block(words, &m->block_end.block);
        add(words, ": %s", status_name(m->block_end.status));
        return true;
    case DFS_MSG_BLOCK_COPY:
        add_order(teller, words, &m->block_copy.order);
        return true;
    case DFS_MSG_COPY:
        add_order(teller, words, &m->copy.order);
        return true;
    case DFS_MSG_COPY_DONE:
        add_block(words, &m->copy_done.block);
        add(words, ": %s", status_name(m->copy_done.status));
        return true;
    case DFS_MSG_VERIFY:
        add_block(words, &m->verify.block);
        return true;
    case DFS_MSG_VERIFY_DONE:
        add_block(words, &m->verify_done.block);
        add(words, ": %s", status_name(m->verify_done.status));
        return true;
    case DFS_MSG_JOIN:
        return true;
    case DFS_MSG_JOINED:
        add(words, " as incarnation %llu", (unsigned long long)m->joined.incarnation);
        return true;
    case DFS_MSG_RESUME:
        add(words, " incarnation %llu", (unsigned long long)m->resume.incarnation);
        return true;
    case DFS_MSG_RESUMED:
        add(words, " %s", status_name(m->resumed.status));
        return true;
    case DFS_MSG_INVENTORY:
        add(words, " page %u, %u blocks", (unsigned)m->inventory.page, (unsigned)m->inventory.blocks_count);
        return true;
    case DFS_MSG_INVENTORY_END:
        add(words, " of %llu blocks", (unsigned long long)m->inventory_end.count);
        return true;
    default:
        return true;
    }
}

static void on_message(struct sim_run *run, void *state, const struct sim_seen *seen, unsigned when)
{
    const struct sim_message *message = seen->message;
    struct words words = {.text = ""};

    (void)run, (void)when;
    if (seen->body != NULL && message->to != NULL && in_words(state, seen, &words))
        say(state, "%-4s > %-4s  %s%s", sim_host_name(message->from), sim_host_name(message->to),
            dfs_message_name(seen->number), words.text);
}

static const struct sim_message_hook message_hooks[] = {
#define X(number_, NAME, name) {.number = (number_), .when = SIM_SENT, .seen = on_message},
    DFS_MESSAGE_MAP(X)
#undef X
};

/* The rest ---------------------------------------------------------------------------------------------------------- */

static void on_state(struct teller *teller, const char *host, const struct dfs_trace *trace)
{
    static const char *const machines[] = {"meta", "member", "node", "lease"};

    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        if (strcmp(trace->text, machines[i]) == 0 && strcmp(trace->text2, trace->text3) != 0)
            say(teller, "%-4s        %s: %s -> %s (%s)", host, trace->text, trace->text2, trace->text3, trace->text4);
    }
}

static void on_trace(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_trace *trace)
{
    const char *at = sim_host_name(host);
    const char *node = node_name(state, &trace->node);

    if (run->options.coverage)
        support_paths_add(trace);
    switch ((int)trace->kind) {
    case DFS_TRACE_STATE:
        on_state(state, at, trace);
        return;
    case DFS_TRACE_EVICTED:
    case DFS_TRACE_JOINED:
    case DFS_TRACE_SUSPECTED:
    case DFS_TRACE_FENCED:
        say(state, "%-4s        * %s %s, incarnation %llu", at, dfs_trace_name(trace->kind), node,
            (unsigned long long)trace->a);
        return;
    case DFS_TRACE_REPAIR_STARTED:
    case DFS_TRACE_REPAIR_DONE:
        say(state, "%-4s        * %s: block %u from %s to %s", at, dfs_trace_name(trace->kind),
            (unsigned)trace->block.index, node_name(state, &trace->node2), node);
        return;
    case DFS_TRACE_BLOCK_BAD:
    case DFS_TRACE_TRIMMED:
        say(state, "%-4s        * %s: block %u on %s", at, dfs_trace_name(trace->kind), (unsigned)trace->block.index,
            node);
        return;
    case DFS_TRACE_PUBLISHED:
    case DFS_TRACE_DELETED:
        say(state, "%-4s        * %s: block %u", at, dfs_trace_name(trace->kind), (unsigned)trace->block.index);
        return;
    case DFS_TRACE_COMMITTED:
    case DFS_TRACE_REMOVED:
        say(state, "%-4s        * %s: %s", at, dfs_trace_name(trace->kind), trace->text);
        return;
    case DFS_TRACE_BRAKE_ON:
    case DFS_TRACE_BRAKE_OFF:
        say(state, "%-4s        * %s", at, dfs_trace_name(trace->kind));
        return;
    default:
        return;
    }
}

static void on_asked(struct sim_run *run, void *state, const struct sim_operation *operation)
{
    (void)run;
    if (!operation->audit)
        say(state, "c%u          wants to %s %s", (unsigned)operation->client + 1, sim_operation_name(operation->kind),
            operation->path != NULL ? operation->path->name : "");
}

static void on_answered(struct sim_run *run, void *state, const struct sim_operation *operation,
                        const struct dfs_client_result *result)
{
    (void)run, (void)result;
    if (!operation->audit)
        say(state, "c%u          %s %s: %s", (unsigned)operation->client + 1, sim_operation_name(operation->kind),
            operation->path != NULL ? operation->path->name : "", dfs_status_name(operation->status));
}

static void on_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    static const char *const words[] = {[SIM_HOST_STARTED] = "starts",
                                        [SIM_HOST_CRASHED] = "crashes",
                                        [SIM_HOST_STOPPED] = "has stopped",
                                        [SIM_HOST_PAUSED] = "stands still",
                                        [SIM_HOST_RESUMED] = "goes on"};

    (void)run;
    say(state, "%-4s        %s", sim_host_name(host), words[change]);
}

static void on_fault(struct sim_run *run, void *state, size_t index, const struct sim_fault *fault,
                     struct sim_host *host, bool begins)
{
    (void)run, (void)index;
    if (fault->kind == SIM_FAULT_CRASH || fault->kind == SIM_FAULT_RESTART || fault->kind == SIM_FAULT_PAUSE)
        return; /* the host says it */
    say(state, "%-4s        %s %s", host != NULL ? sim_host_name(host) : "", sim_fault_name(fault->kind),
        begins ? "strikes" : "is over");
}

static void at_end(struct sim_run *run, void *state, bool settled)
{
    struct teller *teller = state;

    (void)run, (void)settled;
    teller->over = true;
}

static const struct sim_hooks hooks = {
    .traces = UINT32_MAX,
    .trace = on_trace,
    .messages = message_hooks,
    .messages_count = sizeof message_hooks / sizeof message_hooks[0],
    .host_changed = on_host,
    .asked = on_asked,
    .answered = on_answered,
    .fault = on_fault,
    .end = at_end,
};

static void attach(struct sim_run *run, void *arg)
{
    struct teller *teller = arg;

    teller->run = run;
    sim_run_listen(run, "story", &hooks, teller);
}

/* Telling it ---------------------------------------------------------------------------------------------------------- */

static void play(const struct story *story, struct teller *teller)
{
    const struct sim_run_options options = {
        .seed = 1, .coverage = support_paths_wanted(), .attach = attach, .attach_arg = teller};
    struct dfs_conf_error error = {.text = ""};
    struct sim_scenario scenario;
    char json[4096];
    const int count = snprintf(
        json, sizeof json,
        "{\"dfs_scenario\":1,\"name\":\"%s\",\"duration\":\"%s\",\"cluster\":{%s,\"config\":{\"heartbeat_interval\":\"1s\","
        "\"repair_grace\":\"0s\",\"scrypt_n\":16}},\"network\":{\"latency\":\"1ms\",\"loss\":0,\"duplicate\":0,\"reorder\":0,"
        "\"bandwidth\":\"1Gbps\"},\"disk\":{\"latency\":\"0.1ms\",\"sync_latency\":\"1ms\",\"throughput\":\"200MB/s\"},"
        "\"workload\":[%s],\"faults\":[%s]}",
        story->name, story->duration == NULL ? "10s" : story->duration, story->cluster, story->workload, story->faults);

    assert_in_range(count, 1, sizeof json - 1);
    if (sim_scenario_read(&scenario, story->name, json, (size_t)count, 1, &error) != DFS_OK)
        fail_msg("%s", error.text);
    struct sim_run *run = sim_run_new(&scenario, &options);

    sim_run_go(run);
    if (run->verdict != SIM_PASS)
        fail_msg("%s: %s: %s%s\n%s", story->name, sim_verdict_name(run->verdict), run->reason,
                 run->violations_count > 0 ? run->violations[0].message : "", teller->text);
    sim_run_free(run);
    sim_scenario_close(&scenario);
}

static void rewrite(const char *file_name, const struct teller *teller)
{
    FILE *file = fopen(file_name, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(teller->text, 1, teller->count, file), teller->count);
    assert_int_equal(fclose(file), 0);
}

void story_is(const struct story *story, const char *folder)
{
    struct teller *teller = dfs_alloc_zero(sizeof *teller);
    int64_t from = 0;
    struct dfs_why why;
    char *expected = NULL;
    char name[512];
    size_t count = 0;

    if (story->from != NULL)
        assert_int_equal(dfs_duration_parse(story->from, &from, &why), DFS_OK);
    teller->from = (dfs_time_ns)from;
    play(story, teller);
    (void)snprintf(name, sizeof name, "%s/%s.txt", folder, story->name);
    if (getenv("STORY_UPDATE") != NULL)
        rewrite(name, teller);
    if (sim_file_load(name, &expected, &count, &why) != DFS_OK)
        fail_msg("%s; STORY_UPDATE=1 writes it", why.text);
    if (sim_diff_lines(stderr, expected, count, teller->text, teller->count) > 0)
        fail_msg("%s: another story (- as it was told, + as it is); if that is meant: STORY_UPDATE=1", name);
    dfs_free(expected);
    dfs_free(teller);
}

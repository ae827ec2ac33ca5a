#include "sim/html.h"

#include "core/base/mem.h"
#include "sim/copies.h"
#include "sim/html_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Rows of the table, changes of the ring, bars of operations, bars of faults: a run has some thousand. More are counted, and the page says how many. */
#define ROWS_MAX 20000
#define OPERATIONS_MAX 20000
#define FAULTS_MAX 5000

/* Looks at the copies over the whole run; and how much closer they may be while something changes. */
#define SAMPLES 300
#define SAMPLES_CLOSER 4

/* A fault in force. */
struct bar {
    struct dfs_list link;
    const struct sim_fault *fault;
    json_t *row; /* borrowed: [index, kind, host number or -1, from ms, to ms or null] */
};

struct sim_html {
    struct sim_run *run;
    struct sim_html_messages *messages;
    struct sim_html_blocks *blocks;
    json_t *rows;       /* [ms, kind, host, words] */
    json_t *spans;      /* [host number, from ms, to ms, state] */
    json_t *ring;       /* [ms, host number, "joined", "evicted", "suspected" or "fenced"] */
    json_t *operations; /* [host number, kind, path, asked ms, answered ms or null, status, words] */
    json_t *faults;
    struct dfs_list bars;
    uint64_t rows_more;
    uint64_t ring_more;
    uint64_t operations_more;
    uint64_t faults_more;
    dfs_time_ns sampled_at; /* of the scenario */
    bool stirred;           /* copies may have changed since then */
    dfs_time_ns *since;     /* by host number: when its state began */
    const char **state;
};

static double ms_of(dfs_time_ns at)
{
    return (double)at / 1e6;
}

static void row(struct sim_html *html, struct sim_run *run, const char *kind, const char *host, const char *words)
{
    if (json_array_size(html->rows) >= ROWS_MAX) {
        html->rows_more++;
        return;
    }
    (void)json_array_append_new(html->rows, json_pack("[f,s,s,s]", ms_of(sim_run_time(run)), kind, host, words));
}

static const char *host_name(const struct sim_host *host)
{
    return host == NULL ? "" : sim_host_name(host);
}

static const char *node_name(struct sim_run *run, const struct dfs_id *id)
{
    const struct sim_node *node = sim_cluster_data_by_id(run->cluster, id);

    return node == NULL ? "?" : sim_host_name(node->host);
}

/* What concerns membership, and whether copies may have changed. */
static void ring_note(struct sim_html *html, struct sim_run *run, struct sim_host *host, const struct dfs_trace *trace)
{
    const bool self = trace->kind == DFS_TRACE_FENCED;
    const struct sim_node *node = self ? NULL : sim_cluster_data_by_id(run->cluster, &trace->node);
    const uint32_t number = sim_run_host_number(run, node != NULL ? node->host : host);

    switch ((int)trace->kind) {
    case DFS_TRACE_EVICTED:
    case DFS_TRACE_JOINED:
    case DFS_TRACE_SUSPECTED:
    case DFS_TRACE_FENCED:
        if (number == UINT32_MAX)
            break;
        if (json_array_size(html->ring) >= ROWS_MAX)
            html->ring_more++;
        else
            (void)json_array_append_new(
                html->ring, json_pack("[f,i,s]", ms_of(sim_run_time(run)), (int)number, dfs_trace_name(trace->kind)));
        break;
    default:
        break;
    }
    html->stirred = true;
}

static void on_trace(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_trace *trace)
{
    char words[256];

    if (run->zero == DFS_NEVER)
        return;
    ring_note(state, run, host, trace);
    switch ((int)trace->kind) {
    case DFS_TRACE_EVICTED:
    case DFS_TRACE_JOINED:
    case DFS_TRACE_SUSPECTED:
        (void)snprintf(words, sizeof words, "%s, incarnation %" PRIu64, node_name(run, &trace->node), trace->a);
        break;
    case DFS_TRACE_FENCED:
        (void)snprintf(words, sizeof words, "lost metadata's lease");
        break;
    case DFS_TRACE_REPAIR_STARTED:
    case DFS_TRACE_REPAIR_DONE:
        (void)snprintf(words, sizeof words, "block %u: %s -> %s%s%s", trace->block.index, node_name(run, &trace->node2),
                       node_name(run, &trace->node), trace->kind == DFS_TRACE_REPAIR_DONE ? " " : "",
                       trace->kind == DFS_TRACE_REPAIR_DONE ? dfs_status_name(trace->status) : "");
        break;
    case DFS_TRACE_COMMITTED:
    case DFS_TRACE_REMOVED:
        (void)snprintf(words, sizeof words, "%.200s", trace->text == NULL ? "" : trace->text);
        break;
    case DFS_TRACE_NOTE:
        (void)snprintf(words, sizeof words, "%s: %.200s", dfs_status_name(trace->status),
                       trace->text == NULL ? "" : trace->text);
        break;
    default:
        (void)snprintf(words, sizeof words, "block %u %s", trace->block.index,
                       trace->status == DFS_OK ? "" : dfs_status_name(trace->status));
        break;
    }
    row(state, run, dfs_trace_name(trace->kind), host_name(host), words);
}

/* The world's times of an operation, as the scenario's. */
static double operation_ms(const struct sim_run *run, dfs_time_ns at)
{
    return ms_of(at < run->zero ? 0 : at - run->zero);
}

static void operation_note(struct sim_html *html, struct sim_run *run, const struct sim_operation *operation,
                           const struct dfs_client_result *result)
{
    const bool answered = operation->answered_at != DFS_NEVER;

    html->stirred = true;
    if (run->zero == DFS_NEVER)
        return;
    if (json_array_size(html->operations) >= OPERATIONS_MAX) {
        html->operations_more++;
        return;
    }
    json_t *row = json_pack("[i,s,s,f,o,s,s]", (int)(2 + run->cluster->options.data + operation->client),
                            sim_operation_name(operation->kind), operation->path == NULL ? "" : operation->path->name,
                            operation_ms(run, operation->asked_at),
                            answered ? json_real(operation_ms(run, operation->answered_at)) : json_null(),
                            answered ? dfs_status_name(operation->status) : "never answered",
                            operation->status != DFS_OK && result != NULL ? result->words : "");
    (void)json_array_append_new(html->operations, row);
}

static void on_answered(struct sim_run *run, void *state, const struct sim_operation *operation,
                        const struct dfs_client_result *result)
{
    char words[512];
    char client[16];

    operation_note(state, run, operation, result);
    if (operation->answered_at == DFS_NEVER)
        return;
    (void)snprintf(client, sizeof client, "c%u", operation->client + 1);
    (void)snprintf(words, sizeof words, "%.200s %s after %.1f ms%s%.200s",
                   operation->path == NULL ? "" : operation->path->name, dfs_status_name(operation->status),
                   ms_of(operation->answered_at - operation->asked_at),
                   operation->status != DFS_OK && result != NULL ? ": " : "",
                   operation->status != DFS_OK && result != NULL ? result->words : "");
    row(state, run, sim_operation_name(operation->kind), client, words);
}

static void bars_end(struct sim_html *html, const struct sim_fault *fault, double at_ms)
{
    dfs_list_each(at, &html->bars)
    {
        struct bar *bar = dfs_container_of(at, struct bar, link);

        if (bar->fault != fault)
            continue;
        (void)json_array_set_new(bar->row, 4, json_real(at_ms));
        dfs_list_remove(&bar->link);
        dfs_free(bar);
    }
}

/* A fault of messages takes hold again with each of them: one bar. */
static bool bar_stands(const struct sim_html *html, const struct sim_fault *fault, int number)
{
    dfs_list_each(at, &html->bars)
    {
        const struct bar *bar = dfs_container_of(at, struct bar, link);

        if (bar->fault == fault && json_integer_value(json_array_get(bar->row, 2)) == number)
            return true;
    }
    return false;
}

static void bar_begin(struct sim_html *html, size_t index, const struct sim_fault *fault, int number, double at_ms)
{
    if (bar_stands(html, fault, number))
        return;
    if (json_array_size(html->faults) >= FAULTS_MAX) {
        html->faults_more++;
        return;
    }
    struct bar *bar = dfs_alloc_zero(sizeof *bar);

    bar->fault = fault;
    bar->row = json_pack("[I,s,i,f,n]", (json_int_t)index, sim_fault_name(fault->kind), number, at_ms);
    (void)json_array_append_new(html->faults, bar->row);
    dfs_list_push(&html->bars, &bar->link);
}

static void on_fault(struct sim_run *run, void *state, size_t index, const struct sim_fault *fault,
                     struct sim_host *host, bool begins)
{
    struct sim_html *html = state;
    const uint32_t number = host == NULL ? UINT32_MAX : sim_run_host_number(run, host);
    char words[64];

    html->stirred = true;
    if (begins)
        bar_begin(html, index, fault, number == UINT32_MAX ? -1 : (int)number, ms_of(sim_run_time(run)));
    else
        bars_end(html, fault, ms_of(sim_run_time(run)));
    (void)snprintf(words, sizeof words, "%s (fault %zu) %s", sim_fault_name(fault->kind), index,
                   begins ? "begins" : "is undone");
    row(html, run, "fault", host_name(host), words);
}

static void span(struct sim_html *html, uint32_t number, dfs_time_ns from, dfs_time_ns to, const char *what)
{
    if (what != NULL && to > from)
        (void)json_array_append_new(html->spans, json_pack("[i,f,f,s]", (int)number, ms_of(from), ms_of(to), what));
}

static void on_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    static const char *const states[] = {[SIM_HOST_STARTED] = "up",
                                         [SIM_HOST_CRASHED] = "down",
                                         [SIM_HOST_STOPPED] = "down",
                                         [SIM_HOST_PAUSED] = "paused",
                                         [SIM_HOST_RESUMED] = "up"};
    static const char *const words[] = {[SIM_HOST_STARTED] = "started",
                                        [SIM_HOST_CRASHED] = "crashed",
                                        [SIM_HOST_STOPPED] = "stopped",
                                        [SIM_HOST_PAUSED] = "paused",
                                        [SIM_HOST_RESUMED] = "goes on"};
    struct sim_html *html = state;
    const uint32_t number = sim_run_host_number(run, host);

    if (number == UINT32_MAX)
        return;
    span(html, number, html->since[number], sim_run_time(run), html->state[number]);
    html->stirred = true;
    html->since[number] = sim_run_time(run);
    html->state[number] = states[change];
    if (run->zero != DFS_NEVER)
        row(html, run, "host", host_name(host), words[change]);
}

static void sample(struct sim_html *html, struct sim_run *run)
{
    html->sampled_at = sim_run_time(run);
    html->stirred = false;
    sim_html_blocks_look(html->blocks);
}

static void after_step(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_event *event,
                       dfs_time_ns deadline)
{
    struct sim_html *html = state;
    const dfs_duration_ns usual = (dfs_duration_ns)run->scenario->duration_ns / SAMPLES;

    (void)host, (void)event, (void)deadline;
    if (run->zero == DFS_NEVER)
        return;
    const dfs_duration_ns passed = sim_run_time(run) - html->sampled_at;

    if (passed >= usual || (html->stirred && passed >= usual / SAMPLES_CLOSER))
        sample(html, run);
}

static void on_begun(struct sim_run *run, void *state)
{
    sample(state, run);
}

static void on_end(struct sim_run *run, void *state, bool settled)
{
    (void)settled;
    sample(state, run);
}

static void on_init(struct sim_run *run, void *state)
{
    struct sim_html *html = state;
    const uint32_t count = 2 + run->cluster->options.data + run->cluster->options.clients;

    html->since = dfs_alloc_zero(count * sizeof *html->since);
    html->state = dfs_alloc_zero(count * sizeof(const char *));
}

static const struct sim_hooks hooks = {
    .init = on_init,
    .begun = on_begun,
    .traces = 1u << DFS_TRACE_EVICTED | 1u << DFS_TRACE_JOINED | 1u << DFS_TRACE_SUSPECTED | 1u << DFS_TRACE_FENCED |
              1u << DFS_TRACE_REPAIR_STARTED | 1u << DFS_TRACE_REPAIR_DONE | 1u << DFS_TRACE_BRAKE_ON |
              1u << DFS_TRACE_BRAKE_OFF | 1u << DFS_TRACE_BLOCK_BAD | 1u << DFS_TRACE_TRIMMED |
              1u << DFS_TRACE_TOKEN_REFUSED | 1u << DFS_TRACE_CHECKPOINT | 1u << DFS_TRACE_COMMITTED |
              1u << DFS_TRACE_REMOVED | 1u << DFS_TRACE_FRAME_BAD | 1u << DFS_TRACE_NOTE,
    .trace = on_trace,
    .steps = UINT32_MAX,
    .after_step = after_step,
    .answered = on_answered,
    .fault = on_fault,
    .host_changed = on_host,
    .end = on_end};

struct sim_html *sim_html_attach(struct sim_run *run)
{
    struct sim_html *html = dfs_alloc_zero(sizeof *html);

    html->run = run;
    html->messages = sim_html_messages_new(run);
    html->blocks = sim_html_blocks_new(run);
    html->rows = json_array();
    html->spans = json_array();
    html->ring = json_array();
    html->operations = json_array();
    html->faults = json_array();
    dfs_list_init(&html->bars);
    sim_run_listen(run, "html", &hooks, html);
    return html;
}

void sim_html_free(struct sim_html *html)
{
    if (html == NULL)
        return;
    dfs_list_each(at, &html->bars)
    {
        dfs_free(dfs_container_of(at, struct bar, link));
    }
    sim_html_messages_free(html->messages);
    sim_html_blocks_free(html->blocks);
    json_decref(html->rows);
    json_decref(html->spans);
    json_decref(html->ring);
    json_decref(html->operations);
    json_decref(html->faults);
    dfs_free(html->since);
    dfs_free(html->state);
    dfs_free(html);
}

/* The page ------------------------------------------------------------------------------------------------------------------- */

static uint32_t hosts_count(const struct sim_run *run)
{
    return 2 + run->cluster->options.data + run->cluster->options.clients;
}

/* Text between tags. */
static void put_escaped(FILE *file, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '<' || *at == '&')
            (void)fprintf(file, "&#%d;", *at);
        else
            (void)fputc(*at, file);
    }
}

/* JSON inside a script element: "</" would end it. */
static bool json_write(FILE *file, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12));

    if (text == NULL)
        return false;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '<')
            (void)fputs("\\u003c", file);
        else
            (void)fputc(*at, file);
    }
    free(text);
    return ferror(file) == 0;
}

/* Names by message number; "" where there is none. */
static json_t *message_names(void)
{
    json_t *names = json_array();

    for (uint32_t i = 0; i <= DFS_MSG_NUMBER_MAX; i++)
        (void)json_array_append_new(names, json_string(dfs_message_layout(i) == NULL ? "" : dfs_message_name(i)));
    return names;
}

static json_t *hosts_json(const struct sim_run *run)
{
    json_t *hosts = json_array();

    for (uint32_t i = 0; i < hosts_count(run); i++)
        (void)json_array_append_new(hosts, json_string(sim_host_name(sim_run_host(run, i))));
    return hosts;
}

/* The states that have ended, and those that lasted to the end. */
static json_t *spans_json(const struct sim_html *html, const struct sim_run *run)
{
    json_t *spans = json_copy(html->spans);

    for (uint32_t i = 0; i < hosts_count(run); i++) {
        if (html->state[i] != NULL)
            (void)json_array_append_new(
                spans, json_pack("[i,f,f,s]", (int)i, ms_of(html->since[i]), ms_of(sim_run_time(run)), html->state[i]));
    }
    return spans;
}

static json_t *page_json(const struct sim_html *html, const struct sim_run *run)
{
    json_t *data = json_pack("{s:o, s:s, s:f, s:o, s:i, s:o, s:o}", "result", sim_run_json(run), "description",
                             run->scenario->description, "end_ms", ms_of(sim_run_time(run)), "hosts", hosts_json(run),
                             "data_servers", (int)run->cluster->options.data, "message_names", message_names(), "spans",
                             spans_json(html, run));
    const struct {
        const char *name;
        json_t *value; /* a reference of ours */
    } parts[] = {
        {"ring", json_incref(html->ring)},
        {"faults", json_incref(html->faults)},
        {"operations", json_incref(html->operations)},
        {"rows", json_incref(html->rows)},
        {"samples", sim_html_blocks_samples(html->blocks)},
        {"blocks", sim_html_blocks_json(html->blocks)},
        {"replication", json_integer(run->scenario->cluster.settings.replication)},
        {"rows_more", json_integer((json_int_t)html->rows_more)},
        {"ring_more", json_integer((json_int_t)html->ring_more)},
        {"operations_more", json_integer((json_int_t)html->operations_more)},
        {"faults_more", json_integer((json_int_t)html->faults_more)},
        {"blocks_more", json_integer((json_int_t)sim_html_blocks_more(html->blocks))},
        {"messages_more", json_integer((json_int_t)sim_html_messages_more(html->messages))},
    };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        (void)json_object_set_new(data, parts[i].name, parts[i].value);
    return data;
}

bool sim_html_write(const struct sim_html *html, const struct sim_run *run, const char *file)
{
    FILE *out = fopen(file, "w");

    if (out == NULL)
        return false;
    json_t *data = page_json(html, run);

    (void)fprintf(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>");
    put_escaped(out, run->scenario->name);
    (void)fprintf(out, ", seed %" PRIu64 ": %s</title>\n<style>\n%s</style></head>\n%s", run->options.seed,
                  sim_verdict_name(run->verdict), sim_page_css, sim_page_html);
    (void)fputs("<script id=\"data\" type=\"application/json\">", out);
    bool written = json_write(out, data);

    (void)fputs("</script>\n", out);
    written &= sim_html_messages_write(html->messages, out);
    (void)fprintf(out, "<script>\n%s</script>\n<script>\n%s</script></body></html>\n", sim_spacetime_js, sim_page_js);
    written &= ferror(out) == 0;
    written &= fclose(out) == 0;
    json_decref(data);
    return written;
}

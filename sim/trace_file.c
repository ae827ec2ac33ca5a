#include "sim/trace_file.h"

#include "core/base/mem.h"
#include "core/wire/frame.h"

#include <inttypes.h>
#include <string.h>

struct sim_trace_file {
    FILE *file;
    struct sim_run *run;
    struct sim_trace_lines lines;
    uint64_t count; /* of lines so far, the present one included */
    struct dfs_arena arena;
    union dfs_any_message decoded;
};

/* "   12.345678901 d3       what           " : scenario's time; "<" the world's, before time 0. false: the line is not wanted. */
static bool begin(struct sim_trace_file *trace, const struct sim_host *host, const char *what)
{
    trace->count++;
    if (trace->count < trace->lines.first || trace->count > trace->lines.last)
        return false;
    const dfs_time_ns now = sim_world_now(trace->run->world);
    const bool before = trace->run->zero == DFS_NEVER;
    const dfs_time_ns at = before ? now : now - trace->run->zero;

    (void)fprintf(trace->file, "%c%6" PRIu64 ".%09" PRIu64 " %-8s %-10s ", before ? '<' : ' ', at / DFS_SECONDS,
                  at % DFS_SECONDS, host != NULL ? sim_host_name(host) : "-", what);
    return true;
}

static void end(struct sim_trace_file *trace)
{
    if (trace->lines.told != NULL)
        trace->lines.told(trace->lines.arg, trace->count);
}

static void print_message(struct sim_trace_file *trace, const struct sim_message *message)
{
    char text[400];
    struct dfs_frame frame;

    if (message->head_bytes < DFS_FRAME_HEADER_BYTES || dfs_frame_decode(message->head, &frame) != DFS_OK) {
        (void)fprintf(trace->file, "%zu bytes that are no frame\n", message->head_bytes);
        return;
    }
    struct dfs_rd body =
        dfs_rd_make(message->head + DFS_FRAME_HEADER_BYTES, message->head_bytes - DFS_FRAME_HEADER_BYTES);

    dfs_arena_reset(&trace->arena);
    if (dfs_decode(dfs_message_layout(frame.type), &body, &trace->arena, &trace->decoded) != DFS_OK) {
        (void)fprintf(trace->file, "%s that does not decode\n", dfs_message_name(frame.type));
        return;
    }
    (void)dfs_print(dfs_message_layout(frame.type), &trace->decoded, text, sizeof text);
    (void)fprintf(trace->file, "#%u %s", frame.request, text);
    if (message->bulk_bytes > 0)
        (void)fprintf(trace->file, " + %zu bytes", message->bulk_bytes);
    (void)fprintf(trace->file, "%s\n", message->injected ? " (injected)" : "");
}

static void on_message(struct sim_trace_file *trace, const struct sim_message *message, struct sim_host *host,
                       const char *what, const char *arrow, const struct sim_host *other)
{
    if (begin(trace, host, what)) {
        (void)fprintf(trace->file, "%s %-8s ", arrow, other != NULL ? sim_host_name(other) : "nobody");
        print_message(trace, message);
    }
    end(trace);
}

static void on_sent(void *arg, const struct sim_message *message, struct sim_verdict *verdict)
{
    (void)verdict;
    on_message(arg, message, message->from, message->conn != 0 ? "send" : "datagram", "->", message->to);
}

static void on_delivered(void *arg, const struct sim_message *message)
{
    on_message(arg, message, message->to, "receive", "<-", message->from);
}

static void on_lost(void *arg, const struct sim_message *message)
{
    on_message(arg, message, message->from, "lost", "->", message->to);
}

static void print_trace(struct sim_trace_file *trace, const struct dfs_trace *event)
{
    char id[DFS_ID_TEXT_BYTES];

    if (event->kind == DFS_TRACE_STATE || event->kind == DFS_TRACE_STAY) {
        (void)fprintf(trace->file, "%s: %s -> %s by %s\n", event->text, event->text2, event->text3, event->text4);
        return;
    }
    if (!dfs_id_is_zero(&event->node)) {
        const struct sim_node *node = sim_cluster_data_by_id(trace->run->cluster, &event->node);

        (void)fprintf(trace->file, "node=%s ", node != NULL ? sim_host_name(node->host) : "?");
    }
    if (!dfs_id_is_zero(&event->node2)) {
        const struct sim_node *node = sim_cluster_data_by_id(trace->run->cluster, &event->node2);

        (void)fprintf(trace->file, "node2=%s ", node != NULL ? sim_host_name(node->host) : "?");
    }
    if (!dfs_id_is_zero(&event->block.file)) {
        dfs_id_print(&event->block.file, id);
        (void)fprintf(trace->file, "block=%s-%u-%u ", id, event->block.index, event->block.generation);
    }
    (void)fprintf(trace->file, "%s a=%" PRIu64 " b=%" PRIu64 "%s%s%s%s\n", dfs_status_name(event->status), event->a,
                  event->b, event->text != NULL ? " " : "", event->text != NULL ? event->text : "",
                  event->text2 != NULL ? " " : "", event->text2 != NULL ? event->text2 : "");
}

static void on_trace(void *arg, struct sim_host *host, const struct dfs_trace *event)
{
    struct sim_trace_file *trace = arg;

    if (begin(trace, host, dfs_trace_name(event->kind)))
        print_trace(trace, event);
    end(trace);
}

static void on_disk(void *arg, const struct sim_disk_event *event)
{
    struct sim_trace_file *trace = arg;

    if (begin(trace, event->host, "disk"))
        (void)fprintf(trace->file, "%s %s: %s\n", dfs_disk_verb_name(event->done->verb), event->name,
                      dfs_status_name(event->done->status));
    end(trace);
}

static void on_opened(void *arg, const struct sim_connection *connection)
{
    struct sim_trace_file *trace = arg;

    if (begin(trace, connection->from, "open"))
        (void)fprintf(trace->file, "-> %-8s connection %" PRIu64 "\n",
                      connection->to != NULL ? sim_host_name(connection->to) : "nobody", connection->conn);
    end(trace);
}

static void on_closed(void *arg, const struct sim_connection *connection, struct sim_host *told, enum dfs_status status)
{
    struct sim_trace_file *trace = arg;

    if (begin(trace, told, "closed"))
        (void)fprintf(trace->file, "connection %" PRIu64 " of %s: %s\n", connection->conn,
                      sim_host_name(connection->from), dfs_status_name(status));
    end(trace);
}

static void on_host(void *arg, struct sim_host *host, enum sim_host_change change)
{
    static const char *const words[] = {"started", "crashed", "stopped", "paused", "resumed"};

    if (begin(arg, host, "host"))
        (void)fprintf(((struct sim_trace_file *)arg)->file, "%s\n", words[change]);
    end(arg);
}

static void on_asked(struct sim_run *run, void *state, const struct sim_operation *operation)
{
    struct sim_trace_file *trace = state;

    if (begin(trace, run->cluster->clients[operation->client].host, "asked"))
        (void)fprintf(trace->file, "operation %" PRIu64 ": %s %s%s%s%s\n", operation->number,
                      sim_operation_name(operation->kind), operation->path != NULL ? operation->path->name : "",
                      operation->to_path != NULL ? " to " : "",
                      operation->to_path != NULL ? operation->to_path->name : "", operation->audit ? " (audit)" : "");
    end(trace);
}

static void on_answered(struct sim_run *run, void *state, const struct sim_operation *operation,
                        const struct dfs_client_result *result)
{
    struct sim_trace_file *trace = state;

    if (begin(trace, run->cluster->clients[operation->client].host, "answered"))
        (void)fprintf(trace->file, "operation %" PRIu64 ": %s version=%" PRIu64 "%s%s\n", operation->number,
                      operation->lost ? "never" : dfs_status_name(operation->status), operation->version,
                      result != NULL && result->status != DFS_OK ? " " : "",
                      result != NULL && result->status != DFS_OK ? result->words : "");
    end(trace);
}

static void on_fault(struct sim_run *run, void *state, size_t index, const struct sim_fault *fault,
                     struct sim_host *host, bool begins)
{
    struct sim_trace_file *trace = state;

    (void)run;
    if (begin(trace, host, "fault"))
        (void)fprintf(trace->file, "%zu: %s %s\n", index, sim_fault_name(fault->kind),
                      begins ? "takes hold" : "is over");
    end(trace);
}

struct sim_trace_file *sim_trace_file_new(struct sim_run *run, FILE *file)
{
    const struct sim_trace_lines all = {.first = 1, .last = UINT64_MAX};

    return sim_trace_lines_new(run, file, &all);
}

struct sim_trace_file *sim_trace_lines_new(struct sim_run *run, FILE *file, const struct sim_trace_lines *lines)
{
    static const struct sim_hooks hooks = {.asked = on_asked, .answered = on_answered, .fault = on_fault};
    struct sim_trace_file *trace = dfs_alloc_zero(sizeof *trace);
    const struct sim_observer observer = {
        .arg = trace,
        .trace = on_trace,
        .frame_sent = on_sent,
        .frame_delivered = on_delivered,
        .datagram_sent = on_sent,
        .datagram_delivered = on_delivered,
        .datagram_lost = on_lost,
        .frame_lost = on_lost,
        .disk_done = on_disk,
        .connection_opened = on_opened,
        .connection_closed = on_closed,
        .host_changed = on_host,
    };

    trace->file = file;
    trace->run = run;
    trace->lines = *lines;
    dfs_arena_init(&trace->arena, DFS_DECODE_BYTES_MAX);
    sim_world_observe(run->world, &observer);
    sim_run_listen(run, "trace", &hooks, trace);
    return trace;
}

void sim_trace_file_free(struct sim_trace_file *trace)
{
    if (trace == NULL)
        return;
    dfs_arena_close(&trace->arena);
    dfs_free(trace);
}

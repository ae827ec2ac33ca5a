#include "apps/common/log.h"

#include "core/base/assert.h"
#include "core/conf/text.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A sentence with a path in it; longer ones are cut. */
#define LINE_BYTES 2048

static const char *program_name = "dfs";
static enum dfs_log_format line_format = DFS_LOG_TEXT;
static atomic_int level_max = DFS_LOG_INFO;

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void dfs_log_time(dfs_wall_ns wall, char ret_text[DFS_LOG_TIME_BYTES])
{
    const time_t seconds = (time_t)(wall / DFS_SECONDS);
    struct tm tm = {0};
    char date[24];

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(ret_text, DFS_LOG_TIME_BYTES, "%s.%03uZ", date, (unsigned)(wall / DFS_MILLISECONDS % 1000));
}

static void time_now(char ret_text[DFS_LOG_TIME_BYTES])
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    dfs_log_time((dfs_wall_ns)now.tv_sec * DFS_SECONDS + (dfs_wall_ns)now.tv_nsec, ret_text);
}

static void write_line(const char *line, size_t count)
{
    /* The log is best effort: a full pipe or a closed descriptor must not stop a daemon. */
    const ssize_t put = write(STDERR_FILENO, line, count);

    (void)put;
}

static void on_panic(const char *line)
{
    char text[LINE_BYTES];
    const int count = snprintf(text, sizeof text, "%s: %s\n", program_name, line);

    if (count > 0)
        write_line(text, (size_t)count < sizeof text ? (size_t)count : sizeof text - 1);
}

void dfs_log_open(const char *program, enum dfs_log_level level, enum dfs_log_format format)
{
    program_name = program;
    line_format = format;
    atomic_store(&level_max, (int)level);
    dfs_panic_hook = on_panic;
}

void dfs_log_set_level(enum dfs_log_level level)
{
    atomic_store(&level_max, (int)level);
}

bool dfs_log_is_on(enum dfs_log_level level)
{
    return (int)level <= atomic_load(&level_max);
}

/* `text` as a text of JSON, quotation marks included; what is not UTF-8 or too long comes shortened. */
static void json_text(const char *text, char *out, size_t room)
{
    json_t *value = json_string(text);
    char *dumped = value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

    json_decref(value);
    if (dumped == NULL || strlen(dumped) >= room) {
        free(dumped);
        value = json_string(dfs_quote_text(text).text);
        dumped = json_dumps(value, JSON_ENCODE_ANY);
        json_decref(value);
    }
    (void)snprintf(out, room, "%s", dumped);
    free(dumped);
}

/* `fields` are complete pairs in the line's format, each with a separator in front. */
static void emit(enum dfs_log_level level, const char *event, const char *words, const char *fields)
{
    char now[DFS_LOG_TIME_BYTES];
    char line[LINE_BYTES];
    char quoted[LINE_BYTES / 2];
    int count;

    time_now(now);
    if (line_format == DFS_LOG_JSON) {
        json_text(words, quoted, sizeof quoted);
        count = snprintf(line, sizeof line - 1,
                         "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"event\":\"%s\"%s%s%s}", now,
                         level_names[level], program_name, event, fields, words[0] != '\0' ? ",\"text\":" : "",
                         words[0] != '\0' ? quoted : "");
    } else {
        dfs_quote_into(quoted, sizeof quoted, words, strlen(words));
        count = snprintf(line, sizeof line - 1, "%s %-7s %s %s%s%s%s", now, level_names[level], program_name, event,
                         fields, words[0] != '\0' ? ": " : "", quoted);
    }
    if (count < 0)
        return;
    if ((size_t)count > sizeof line - 2)
        count = (int)sizeof line - 2;
    line[count] = '\n';
    write_line(line, (size_t)count + 1);
}

void dfs_log(enum dfs_log_level level, const char *event, const char *format, ...)
{
    char words[LINE_BYTES / 2];
    va_list arguments;

    if (!dfs_log_is_on(level))
        return;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    emit(level, event, words, "");
}

/* Traces ------------------------------------------------------------------------------------------------------------ */

static enum dfs_log_level level_of(const struct dfs_trace *trace)
{
    switch (trace->kind) {
    case DFS_TRACE_EVICTED:
    case DFS_TRACE_SUSPECTED:
    case DFS_TRACE_FENCED:
    case DFS_TRACE_BRAKE_ON:
    case DFS_TRACE_BLOCK_BAD:
    case DFS_TRACE_TOKEN_REFUSED:
    case DFS_TRACE_FRAME_BAD:
        return DFS_LOG_WARNING;
    case DFS_TRACE_JOINED:
    case DFS_TRACE_BRAKE_OFF:
    case DFS_TRACE_CHECKPOINT:
    case DFS_TRACE_SCRUB_DONE:
        return DFS_LOG_INFO;
    case DFS_TRACE_NOTE:
        return trace->status == DFS_OK ? DFS_LOG_INFO : DFS_LOG_WARNING;
    case DFS_TRACE_STATE:
    case DFS_TRACE_REPAIR_STARTED:
    case DFS_TRACE_REPAIR_DONE:
    case DFS_TRACE_TRIMMED:
    case DFS_TRACE_COMMITTED:
    case DFS_TRACE_REMOVED:
    case DFS_TRACE_MOVED:
    case DFS_TRACE_PUBLISHED:
    case DFS_TRACE_DELETED:
    case DFS_TRACE_STAY:
    case DFS_TRACE_COUNT:
        break;
    }
    return DFS_LOG_DEBUG;
}

struct fields {
    char text[LINE_BYTES / 2];
    size_t count;
};

static void add(struct fields *fields, const char *name, const char *value)
{
    const size_t room = sizeof fields->text - fields->count;
    const int put = snprintf(fields->text + fields->count, room, line_format == DFS_LOG_JSON ? ",\"%s\":%s" : " %s=%s",
                             name, value);

    if (put > 0 && (size_t)put < room)
        fields->count += (size_t)put;
    else
        fields->text[fields->count] = '\0';
}

static void add_text(struct fields *fields, const char *name, const char *value)
{
    char text[LINE_BYTES / 4];

    if (value == NULL || value[0] == '\0')
        return;
    if (line_format == DFS_LOG_JSON)
        json_text(value, text, sizeof text);
    else
        dfs_quote_into(text, sizeof text, value, strlen(value));
    add(fields, name, text);
}

static void add_id(struct fields *fields, const char *name, const struct dfs_id *id)
{
    char text[DFS_ID_TEXT_BYTES];

    if (dfs_id_is_zero(id))
        return;
    dfs_id_print(id, text);
    add_text(fields, name, text);
}

static void add_number(struct fields *fields, const char *name, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    add(fields, name, text);
}

/* What `a` and `b` mean (core/env/env.h); NULL: nothing worth a word. */
struct number_names {
    const char *a;
    const char *b;
};

static struct number_names numbers_of(enum dfs_trace_kind kind)
{
    switch (kind) {
    case DFS_TRACE_EVICTED:
    case DFS_TRACE_JOINED:
    case DFS_TRACE_SUSPECTED:
    case DFS_TRACE_FENCED:
        return (struct number_names){.a = "incarnation"};
    case DFS_TRACE_REPAIR_DONE:
        return (struct number_names){.a = "bytes"};
    case DFS_TRACE_BRAKE_ON:
        return (struct number_names){.a = "gone", .b = "of"};
    case DFS_TRACE_SCRUB_DONE:
        return (struct number_names){.a = "blocks", .b = "bad"};
    case DFS_TRACE_CHECKPOINT:
        return (struct number_names){.a = "journal"};
    case DFS_TRACE_COMMITTED:
        return (struct number_names){.a = "bytes", .b = "version"};
    case DFS_TRACE_PUBLISHED:
        return (struct number_names){.a = "bytes", .b = "change"};
    case DFS_TRACE_DELETED:
        return (struct number_names){.b = "change"};
    case DFS_TRACE_STATE:
    case DFS_TRACE_REPAIR_STARTED:
    case DFS_TRACE_BRAKE_OFF:
    case DFS_TRACE_BLOCK_BAD:
    case DFS_TRACE_TRIMMED:
    case DFS_TRACE_TOKEN_REFUSED:
    case DFS_TRACE_REMOVED:
    case DFS_TRACE_MOVED:
    case DFS_TRACE_FRAME_BAD:
    case DFS_TRACE_NOTE:
    case DFS_TRACE_STAY:
    case DFS_TRACE_COUNT:
        break;
    }
    return (struct number_names){0};
}

void dfs_log_trace(const struct dfs_trace *trace)
{
    const enum dfs_log_level level = level_of(trace);
    const struct number_names names = numbers_of(trace->kind);
    struct fields fields = {.count = 0};

    if (!dfs_log_is_on(level))
        return;
    if (trace->kind == DFS_TRACE_STATE) {
        add_text(&fields, "machine", trace->text);
        add_text(&fields, "from", trace->text2);
        add_text(&fields, "to", trace->text3);
        add_text(&fields, "why", trace->text4);
        emit(level, dfs_trace_name(trace->kind), "", fields.text);
        return;
    }
    if (trace->status != DFS_OK)
        add_text(&fields, "status", dfs_status_name(trace->status));
    add_id(&fields, "node", &trace->node);
    add_id(&fields, "node2", &trace->node2);
    add_id(&fields, "file", &trace->block.file);
    if (trace->block.generation != 0) {
        add_number(&fields, "index", trace->block.index);
        add_number(&fields, "generation", trace->block.generation);
    }
    if (names.a != NULL)
        add_number(&fields, names.a, trace->a);
    if (names.b != NULL)
        add_number(&fields, names.b, trace->b);
    add_text(&fields, "to", trace->text2);
    emit(level, dfs_trace_name(trace->kind), trace->text != NULL ? trace->text : "", fields.text);
}

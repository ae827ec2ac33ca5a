#include "apps/common/events.h"

#include "core/base/mem.h"
#include "net_real/real.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dfs_events {
    int fd;
    enum dfs_role role;
    char self[DFS_ID_TEXT_BYTES];
};

static void put_line(struct dfs_events *events, json_t *take_line)
{
    char *text = json_dumps(take_line, JSON_COMPACT);
    const size_t count = text != NULL ? strlen(text) : 0;

    if (text != NULL) {
        ssize_t put;

        text[count] = '\n'; /* in place of the end: nothing reads it as a string any more */
        put = write(events->fd, text, count + 1);
        (void)put; /* a full disk must not stop the daemon; whoever reads the log sees that it ends */
        free(text);
    }
    json_decref(take_line);
}

static void set_number(json_t *line, const char *key, uint64_t value)
{
    if (value != 0)
        (void)json_object_set_new(line, key, json_integer((json_int_t)value));
}

static void set_id(json_t *line, const char *key, const struct dfs_id *id)
{
    char text[DFS_ID_TEXT_BYTES];

    if (dfs_id_is_zero(id))
        return;
    dfs_id_print(id, text);
    (void)json_object_set_new(line, key, json_string(text));
}

static void set_text(json_t *line, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        (void)json_object_set_new(line, key, json_string(dfs_quote_text(text).text));
}

static json_t *begin(const struct dfs_events *events, dfs_time_ns mono, dfs_wall_ns wall, const char *event)
{
    json_t *line = json_object();

    set_number(line, "mono_ns", mono);
    set_number(line, "wall_ns", wall);
    set_text(line, "role", dfs_role_name(events->role));
    set_text(line, "self", events->self);
    set_text(line, "event", event);
    return line;
}

enum dfs_status dfs_events_open(const char *path, enum dfs_role role, const struct dfs_id *self,
                                struct dfs_events **ret_events, struct dfs_why *ret_why)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct dfs_events *events;
    json_t *line;

    if (fd < 0) {
        dfs_why_set(ret_why, "%s: %s", path, strerror(errno));
        return DFS_BAD_CONFIG;
    }
    events = dfs_alloc_zero(sizeof *events);
    events->fd = fd;
    events->role = role;
    dfs_id_print(self, events->self);
    line = begin(events, dfs_real_mono(), dfs_real_wall(), "started");
    set_number(line, "pid", (uint64_t)getpid());
    put_line(events, line);
    *ret_events = events;
    return DFS_OK;
}

void dfs_events_close(struct dfs_events *events)
{
    if (events == NULL)
        return;
    (void)close(events->fd);
    dfs_free(events);
}

void dfs_events_put(struct dfs_events *events, dfs_time_ns mono, dfs_wall_ns wall, const struct dfs_trace *trace)
{
    json_t *line = begin(events, mono, wall, dfs_trace_name(trace->kind));

    if (trace->kind == DFS_TRACE_STATE || trace->kind == DFS_TRACE_STAY) {
        set_text(line, "machine", trace->text);
        set_text(line, "from", trace->text2);
        set_text(line, "to", trace->text3);
        set_text(line, "why", trace->text4);
    } else {
        set_text(line, "text", trace->text);
        set_text(line, "text2", trace->text2);
        set_text(line, "text3", trace->text3);
        set_text(line, "text4", trace->text4);
    }
    if (trace->status != DFS_OK)
        set_text(line, "status", dfs_status_name(trace->status));
    set_id(line, "node", &trace->node);
    set_id(line, "node2", &trace->node2);
    set_id(line, "file", &trace->block.file);
    if (trace->block.generation != 0) {
        (void)json_object_set_new(line, "index", json_integer(trace->block.index));
        set_number(line, "generation", trace->block.generation);
    }
    set_number(line, "a", trace->a);
    set_number(line, "b", trace->b);
    put_line(events, line);
}

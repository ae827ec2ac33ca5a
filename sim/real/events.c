#include "sim/real/events.h"

#include "core/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum sim_event kind_of(const char *name)
{
    unsigned kind = 0;

    while (name != NULL && kind < SIM_EVENT_COUNT && strcmp(name, sim_event_name((enum sim_event)kind)) != 0)
        kind++;
    return name == NULL ? SIM_EVENT_COUNT : (enum sim_event)kind;
}

static uint32_t data_of(const struct sim_real_daemons *daemons, const char *node)
{
    for (uint32_t i = 2; node != NULL && i < daemons->count; i++) {
        if (strcmp(node, daemons->list[i].node) == 0)
            return i - 2;
    }
    return UINT32_MAX;
}

static void take_line(struct sim_real_events *events, const char *line, size_t count)
{
    json_t *event = json_loadb(line, count, 0, NULL);
    const enum sim_event kind = kind_of(json_string_value(json_object_get(event, "event")));
    const uint32_t data = data_of(events->daemons, json_string_value(json_object_get(event, "node")));
    const dfs_time_ns now = sim_real_now(events->daemons->site);

    if (kind == SIM_EVENT_REPAIR_DONE && json_object_get(event, "status") == NULL) {
        events->copies++;
        events->copies_bytes += (uint64_t)json_integer_value(json_object_get(event, "a"));
        events->copies_last = now;
    }
    if (kind == SIM_EVENT_EVICTED && data != UINT32_MAX)
        (void)json_array_append_new(events->evictions,
                                    json_pack("{s:s, s:I}", "host", events->daemons->list[data + 2].name, "at_ms",
                                              (json_int_t)(now / DFS_MILLISECONDS)));
    if (kind != SIM_EVENT_COUNT) {
        events->list = dfs_realloc_array(events->list, events->count + 1, sizeof *events->list);
        events->list[events->count++] = (struct sim_real_event){kind, data, now};
    }
    json_decref(event);
}

/* `skip`: it is not counted. A line that is not written to its end is left for the next look. */
static void read_log(struct sim_real_events *events, uint32_t number, bool skip)
{
    char path[SIM_REAL_PATH_BYTES];
    char *line = NULL;
    size_t room = 0;
    ssize_t count;

    sim_real_path(events->daemons->site, path, "cluster/%s.events", events->daemons->list[number].name);
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return;
    if (fseek(file, events->read_bytes[number], SEEK_SET) == 0) {
        while ((count = getline(&line, &room, file)) > 0 && line[count - 1] == '\n') {
            events->read_bytes[number] += count;
            if (!skip)
                take_line(events, line, (size_t)count);
        }
    }
    free(line);
    (void)fclose(file);
}

void sim_real_events_init(struct sim_real_events *events, const struct sim_real_daemons *daemons)
{
    *events = (struct sim_real_events){.daemons = daemons, .evictions = json_array()};
    events->read_bytes = dfs_alloc_zero(daemons->count * sizeof *events->read_bytes);
    for (uint32_t i = 0; i < daemons->count; i++)
        read_log(events, i, true);
}

void sim_real_events_close(struct sim_real_events *events)
{
    dfs_free(events->read_bytes);
    dfs_free(events->list);
    json_decref(events->evictions);
}

void sim_real_events_read(struct sim_real_events *events)
{
    for (uint32_t i = 0; i < events->daemons->count; i++)
        read_log(events, i, false);
}

uint64_t sim_real_events_count(const struct sim_real_events *events, enum sim_event kind)
{
    uint64_t count = 0;

    for (size_t i = 0; i < events->count; i++)
        count += events->list[i].kind == kind;
    return count;
}

bool sim_real_events_within(const struct sim_real_events *events, enum sim_event kind, uint32_t data, dfs_time_ns from,
                            dfs_time_ns to)
{
    for (size_t i = 0; i < events->count; i++) {
        const struct sim_real_event *event = &events->list[i];

        if (event->kind == kind && event->data == data && event->at >= from && event->at <= to)
            return true;
    }
    return false;
}

#include "sim/paths.h"

#include "core/auth/auth.h"
#include "core/client/client.h"
#include "core/data/data.h"
#include "core/meta/meta.h"
#include "core/wire/cause.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const struct sim_role_gates sim_role_gates[] = {{"auth", dfs_auth_gates},
                                                {"meta", dfs_meta_gates},
                                                {"data", dfs_data_gates},
                                                {"client", dfs_client_gates},
                                                {NULL, NULL}};

/* Calls `fn` once for each (path, event, next state) of a gate. */
static void each_path(const struct dfs_gate *gate,
                      void (*fn)(void *arg, const struct dfs_gate *gate, unsigned from, const char *event, unsigned to),
                      void *arg)
{
    for (unsigned i = 0; i < gate->paths_count; i++) {
        const struct dfs_path *path = &gate->paths[i];
        const char *rest = path->events;
        char event[DFS_CAUSE_BYTES];

        while (rest != NULL) {
            rest = dfs_cause_next(rest, event);
            for (unsigned to = 0; to < gate->count; to++) {
                if ((path->to >> to & 1u) != 0)
                    fn(arg, gate, path->from, event, to);
            }
        }
    }
}

static void name_in_capitals(const char *name, char ret_text[DFS_CAUSE_BYTES])
{
    size_t i = 0;

    for (; name[i] != '\0'; i++)
        ret_text[i] = (char)toupper((unsigned char)name[i]);
    ret_text[i] = '\0';
}

static json_t *event_json(const char *event)
{
    enum dfs_cause_kind kind = DFS_CAUSE_INNER;
    const char *words = NULL;
    char name[DFS_CAUSE_BYTES];

    DFS_ASSERT(dfs_cause_find(event, &kind, &words)); /* a test looks at all of them */
    name_in_capitals(event, name);
    return json_pack("{s:s, s:o}", "kind", dfs_cause_kind_name(kind), "words",
                     kind == DFS_CAUSE_MESSAGE  ? json_sprintf("received %s", name)
                     : kind == DFS_CAUSE_STATUS ? json_sprintf("ended with %s", name)
                                                : json_string(words));
}

static void add_path(void *arg, const struct dfs_gate *gate, unsigned from, const char *event, unsigned to)
{
    json_t *machine = arg;
    json_t *events = json_object_get(machine, "events");

    (void)json_array_append_new(json_object_get(machine, "paths"),
                                json_pack("[sss]", gate->names[from], event, gate->names[to]));
    if (json_object_get(events, event) == NULL)
        (void)json_object_set_new(events, event, event_json(event));
}

static json_t *machine_json(const char *role, const struct dfs_gate *gate)
{
    json_t *machine = json_pack("{s:s, s:s, s:s, s:[], s:[], s:{}}", "machine", gate->machine, "role", role, "who",
                                gate->who, "states", "paths", "events");

    for (unsigned i = 0; i < gate->count; i++)
        (void)json_array_append_new(json_object_get(machine, "states"), json_string(gate->names[i]));
    each_path(gate, add_path, machine);
    return machine;
}

json_t *sim_paths_json(void)
{
    json_t *list = json_array();

    for (const struct sim_role_gates *role = sim_role_gates; role->role != NULL; role++) {
        for (size_t i = 0; role->gates[i] != NULL; i++)
            (void)json_array_append_new(list, machine_json(role->role, role->gates[i]));
    }
    return list;
}

static void print_path(void *arg, const struct dfs_gate *gate, unsigned from, const char *event, unsigned to)
{
    (void)arg;
    (void)printf("    %-12s %-22s %s\n", gate->names[from], event, from == to ? "stays" : gate->names[to]);
}

void sim_paths_print(void)
{
    for (const struct sim_role_gates *role = sim_role_gates; role->role != NULL; role++) {
        for (size_t i = 0; role->gates[i] != NULL; i++) {
            (void)printf("%s: %s (%s)\n", role->role, role->gates[i]->machine, role->gates[i]->who);
            each_path(role->gates[i], print_path, NULL);
        }
    }
}

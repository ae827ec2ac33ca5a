/* What core declares about its machines is sound: edges and paths say the same, every event is a known one, no path is said twice. */
#include "tests/unit/base/check.h"

#include "core/wire/cause.h"
#include "sim/paths.h"

#include <stdlib.h>

static void each_gate(void (*fn)(const struct dfs_gate *gate))
{
    for (const struct sim_role_gates *role = sim_role_gates; role->role != NULL; role++) {
        for (size_t i = 0; role->gates[i] != NULL; i++)
            fn(role->gates[i]);
    }
}

static void compare_edges(const struct dfs_gate *gate)
{
    for (unsigned from = 0; from < gate->count; from++) {
        uint32_t said = 0;

        for (unsigned i = 0; i < gate->paths_count; i++)
            said |= gate->paths[i].from == from ? gate->paths[i].to : 0;
        if ((said & ~(1u << from)) != (gate->edges[from] & ~(1u << from)))
            print_error("%s in %s: the edges are %x, the paths lead to %x", gate->machine, gate->names[from],
                        (unsigned)gate->edges[from], (unsigned)said);
        /* Beginning a state anew is an edge too; then there is a path for it. */
        assert_true((gate->edges[from] >> from & 1u) == 0 || (said >> from & 1u) != 0);
        assert_true(said >> gate->count == 0);
    }
}

static void paths_and_edges_say_the_same(void **state)
{
    (void)state;
    each_gate(compare_edges);
}

static void look_at_events(const struct dfs_gate *gate)
{
    for (unsigned i = 0; i < gate->paths_count; i++) {
        const char *rest = gate->paths[i].events;
        char event[DFS_CAUSE_BYTES];

        while (rest != NULL) {
            enum dfs_cause_kind kind;

            rest = dfs_cause_next(rest, event);
            if (!dfs_cause_find(event, &kind, NULL))
                fail_msg("%s in %s: no such event: %s", gate->machine, gate->names[gate->paths[i].from], event);
        }
    }
}

static void every_event_has_a_name_that_is_known(void **state)
{
    (void)state;
    each_gate(look_at_events);
}

static void no_path_is_said_twice_and_no_machine_has_the_name_of_another(void **state)
{
    json_t *machines = sim_paths_json();
    json_t *names = json_object();
    size_t i, k;
    json_t *machine, *path;

    (void)state;
    json_array_foreach(machines, i, machine)
    {
        const char *name = json_string_value(json_object_get(machine, "machine"));
        json_t *seen = json_object();

        assert_null(json_object_get(names, name));
        (void)json_object_set_new(names, name, json_true());
        assert_true(json_array_size(json_object_get(machine, "paths")) > 0);
        json_array_foreach(json_object_get(machine, "paths"), k, path)
        {
            char *key = json_dumps(path, JSON_COMPACT);

            if (json_object_get(seen, key) != NULL)
                fail_msg("%s: said twice: %s", name, key);
            (void)json_object_set_new(seen, key, json_true());
            free(key);
        }
        json_decref(seen);
    }
    assert_int_equal(json_array_size(machines), 17);
    json_decref(names);
    json_decref(machines);
}

static void an_event_is_put_in_words(void **state)
{
    json_t *machines = sim_paths_json();
    size_t i;
    json_t *machine;
    bool found = false;

    (void)state;
    json_array_foreach(machines, i, machine)
    {
        if (strcmp(json_string_value(json_object_get(machine, "machine")), "member") != 0)
            continue;
        found = true;
        assert_string_equal(json_string_value(json_object_get(machine, "role")), "meta");
        assert_string_equal(
            json_string_value(json_object_get(json_object_get(json_object_get(machine, "events"), "join"), "words")),
            "received JOIN");
    }
    assert_true(found);
    json_decref(machines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_and_edges_say_the_same),
        cmocka_unit_test(every_event_has_a_name_that_is_known),
        cmocka_unit_test(no_path_is_said_twice_and_no_machine_has_the_name_of_another),
        cmocka_unit_test(an_event_is_put_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

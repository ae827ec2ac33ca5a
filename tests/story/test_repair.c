/* Stories of data servers that go and come: eviction and repair, a return, a clean leave, metadata's restart, a cut, a copy that rots. */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FOLDER DFS_TESTS_DIR "/story"
#define FOUR "\"data\":4,\"clients\":1,\"replication\":3"
#define PUT "{\"at\":\"0.5s\",\"client\":\"c1\",\"put\":\"f\",\"size\":\"90KB\"}"
#define GET_AT(at) "{\"at\":\"" at "\",\"client\":\"c1\",\"get\":\"f\"}"

/* Two heartbeats are missed, and the block it had goes to the server that has none. */
static void a_server_dies_and_its_block_is_copied(void **state)
{
    static const struct story story = {.name = "eviction_and_repair",
                                       .cluster = FOUR,
                                       .workload = PUT,
                                       .faults = "{\"at\":\"1s\",\"crash\":\"d2\"}",
                                       .from = "1s"};

    (void)state;
    story_is(&story, FOLDER);
}

/* It was away for long: its copy was replaced, so there is one too many now; one goes only after the others were read. */
static void a_server_returns_after_its_eviction(void **state)
{
    static const struct story story = {.name = "node_returns",
                                       .cluster = FOUR,
                                       .workload = PUT,
                                       .faults = "{\"at\":\"1s\",\"crash\":\"d2\",\"for\":\"5s\"}",
                                       .duration = "18s",
                                       .from = "5.9s"};

    (void)state;
    story_is(&story, FOLDER);
}

/* Told to stop: no eviction, nothing is copied. */
static void a_server_leaves_cleanly(void **state)
{
    static const struct story story = {.name = "clean_leave",
                                       .cluster = FOUR,
                                       .workload = PUT,
                                       .faults = "{\"at\":\"1s\",\"leave\":\"d2\"},{\"at\":\"6s\",\"restart\":\"d2\"}",
                                       .from = "1s"};

    (void)state;
    story_is(&story, FOLDER);
}

/* Metadata starts anew: nobody is evicted, everybody tells once more what it has, and the file can be read. */
static void metadata_restarts(void **state)
{
    static const struct story story = {.name = "metadata_restarts",
                                       .cluster = "\"data\":3,\"clients\":1,\"replication\":3",
                                       .workload = PUT "," GET_AT("8s"),
                                       .faults = "{\"at\":\"1s\",\"crash\":\"meta\",\"for\":\"1s\"}",
                                       .from = "1s"};

    (void)state;
    story_is(&story, FOLDER);
}

/* Cut off from metadata: it fences itself before it is evicted, and joins anew when the cut heals. */
static void a_server_is_cut_off(void **state)
{
    static const struct story story = {.name = "partition_and_return",
                                       .cluster = FOUR,
                                       .workload = PUT,
                                       .faults = "{\"at\":\"1s\",\"partition\":[[\"d2\"],[\"meta\"]],\"for\":\"5s\"}",
                                       .from = "1s"};

    (void)state;
    story_is(&story, FOLDER);
}

/* A reader finds it, is served by another, and says so; the bad copy is replaced before it is removed. */
static void a_copy_rots(void **state)
{
    static const struct story story = {.name = "bad_copy",
                                       .cluster = FOUR,
                                       .workload = PUT "," GET_AT("2s") "," GET_AT("3s"),
                                       .faults = "{\"at\":\"1s\",\"bit_rot\":{\"host\":\"d2\",\"blocks\":1}}",
                                       .from = "1s"};

    (void)state;
    story_is(&story, FOLDER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_dies_and_its_block_is_copied),
        cmocka_unit_test(a_server_returns_after_its_eviction),
        cmocka_unit_test(a_server_leaves_cleanly),
        cmocka_unit_test(metadata_restarts),
        cmocka_unit_test(a_server_is_cut_off),
        cmocka_unit_test(a_copy_rots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Stories of a PUT: three hosts; a hop that dies with the block in its hands; metadata that is away when the receipts come. */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FOLDER DFS_TESTS_DIR "/story"
#define PUT_AT(at) "{\"at\":\"" at "\",\"client\":\"c1\",\"put\":\"f\",\"size\":\"90KB\"}"

static void three_copies(void **state)
{
    static const struct story story = {.name = "put_three_copies",
                                       .cluster = "\"data\":3,\"clients\":1,\"replication\":3",
                                       .workload = PUT_AT("1s"),
                                       .faults = ""};

    (void)state;
    story_is(&story, FOLDER);
}

/* The middle of the chain dies: it is skipped, its receipt is missing, and the block is placed again without it. */
static void a_hop_dies(void **state)
{
    static const struct story story = {
        .name = "put_hop_dies",
        .cluster = "\"data\":4,\"clients\":1,\"replication\":3",
        .workload = PUT_AT("1s"),
        .faults =
            "{\"on\":{\"event\":\"message\",\"from\":\"d2\",\"to\":\"d3\",\"message\":\"BLOCK_WRITE\",\"nth\":1},\"crash\":\"d3\"}",
        .duration = "2s"};

    (void)state;
    story_is(&story, FOLDER);
}

/* Metadata crashes between placement and commit: the client comes back until it is there again, and hears that the upload of the epoch before is lost. */
static void metadata_forgets_the_upload(void **state)
{
    static const struct story story = {
        .name = "put_metadata_restarts",
        .cluster = "\"data\":3,\"clients\":1,\"replication\":3",
        .workload = PUT_AT("1s") "," PUT_AT("8s"),
        .faults =
            "{\"on\":{\"event\":\"message\",\"from\":\"c1\",\"to\":\"meta\",\"message\":\"PUT_COMMIT\",\"nth\":1},\"crash\":\"meta\"},"
            "{\"at\":\"1.5s\",\"restart\":\"meta\"}"};

    (void)state;
    story_is(&story, FOLDER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_copies),
        cmocka_unit_test(a_hop_dies),
        cmocka_unit_test(metadata_forgets_the_upload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

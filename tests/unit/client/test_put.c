/* PUT among puppets: what is asked of whom, and what happens when they fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/client_rig.h"

#include <stdlib.h>
#include <string.h>

static int open_rig(void **state)
{
    struct client_rig *r = malloc(sizeof *r);

    client_rig_init(r);
    client_rig_boot(r);
    *state = r;
    return 0;
}

static int close_rig(void **state)
{
    client_rig_close(*state);
    free(*state);
    return 0;
}

static void assert_ok(const struct client_rig *r, uint64_t id)
{
    if (r->results[id].count != 1 || r->results[id].status != DFS_OK)
        fail_msg("command %u: %u answers, %s: %s", (unsigned)id, r->results[id].count, dfs_status_name(r->results[id].status),
                 r->results[id].words);
}

static void a_small_file_takes_four_messages(void **state)
{
    struct client_rig *r = *state;

    client_rig_put(r, 1, "a/one", 4096);
    assert_ok(r, 1);
    assert_int_equal(r->results[1].number, DFS_MSG_PUT_DONE);
    assert_int_equal(r->results[1].bytes, 4096);
    client_rig_check_stored(r, 3);
    memset(r->asked, 0, sizeof r->asked);
    r->file.operation.bytes[0] ^= 1; /* another upload */
    client_rig_put(r, 2, "a/two", 4096);
    assert_ok(r, 2);
    assert_int_equal(r->asked[DFS_MSG_PUT_OPEN], 1);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_WRITE], 1);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_DATA], 1);
    assert_int_equal(r->asked[DFS_MSG_PUT_COMMIT], 1);
    assert_int_equal(r->asked[DFS_MSG_HELLO], 0); /* warm */
    assert_int_equal(r->asked[DFS_MSG_PUT_PLACE], 0);
}

static void a_file_of_many_blocks_and_pages(void **state)
{
    struct client_rig *r = *state;

    r->placement_page = 7;
    client_rig_put(r, 1, "a/big", 100000 * 90 + 17);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->file.blocks, 91);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_WRITE], 91);
    assert_int_equal(r->asked[DFS_MSG_PUT_COMMIT], 2); /* 273 receipts */
    assert_int_equal(r->pulled_bytes, r->source_bytes); /* nothing was read twice */
    assert_int_equal(dfs_client_running(r->client), 0);
}

static void an_empty_file_has_no_blocks(void **state)
{
    struct client_rig *r = *state;

    client_rig_put(r, 1, "a/empty", 0);
    assert_ok(r, 1);
    assert_int_equal(r->file.blocks, 0);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_WRITE], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
        STORY(a_small_file_takes_four_messages),
        STORY(a_file_of_many_blocks_and_pages),
        STORY(an_empty_file_has_no_blocks),
#undef STORY
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

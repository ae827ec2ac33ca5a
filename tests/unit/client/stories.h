/* What the tests of core/client share: a rig a story, and short forms of what is asserted most. */
#ifndef DFS_TESTS_UNIT_CLIENT_STORIES_H
#define DFS_TESTS_UNIT_CLIENT_STORIES_H

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

/* The client once more, with another configuration. */
static inline void boot_anew(struct client_rig *r)
{
    client_rig_stop(r);
    client_rig_boot(r);
}

/* A PUT of a pipe whose length nobody knows. */
static inline void of_unknown_size(struct client_rig *r, uint64_t id, uint64_t bytes)
{
    struct dfs_client_put put = client_rig_put_of(r, "a/pipe", DFS_SIZE_UNKNOWN);

    put.rereadable = false;
    r->source_is_a_pipe = true;
    r->pull_next = 0;
    r->source_bytes = bytes;
    client_rig_do(r, id, DFS_CLIENT_PUT, &put);
}

static inline void assert_status(const struct client_rig *r, uint64_t id, enum dfs_status status)
{
    if (r->results[id].count != 1 || r->results[id].status != status)
        fail_msg("command %u: %u answers, %s: %s", (unsigned)id, r->results[id].count,
                 dfs_status_name(r->results[id].status), r->results[id].words);
    assert_int_equal(dfs_client_running(r->client), 0);
}

static inline void assert_ok(const struct client_rig *r, uint64_t id)
{
    assert_status(r, id, DFS_OK);
}

static inline void assert_running(const struct client_rig *r, uint64_t id)
{
    if (r->results[id].count != 0)
        fail_msg("command %u has ended: %s: %s", (unsigned)id, dfs_status_name(r->results[id].status),
                 r->results[id].words);
}

static inline void assert_words(const struct client_rig *r, uint64_t id, const char *part)
{
    if (strstr(r->results[id].words, part) == NULL)
        fail_msg("command %u says \"%s\", without \"%s\"", (unsigned)id, r->results[id].words, part);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

#endif

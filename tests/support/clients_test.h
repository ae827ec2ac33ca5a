/*
 * clients_test.h - the fixture of tests over clients_rig: four nodes and a client, ann; at the end all that metadata holds is sound.
 *
 * Included by test programs only, each once, instead of cmocka.h and clients_rig.h: it defines what they have in common.
 */
#ifndef DFS_TESTS_SUPPORT_CLIENTS_TEST_H
#define DFS_TESTS_SUPPORT_CLIENTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/clients_rig.h"

static struct clients_rig r;
static dfs_conn ann; /* may do everything */

static inline int set_up(void **state)
{
    (void)state;
    crig_init(&r);
    crig_start(&r, 4);
    ann = crig_client(&r, 1, "rw:/");
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    assert_true(meta_namespace_is_sound(&r.n.meta->ns));
    nrig_assert_sound(&r.n);
    crig_close(&r);
    return 0;
}

#endif

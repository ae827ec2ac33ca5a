/*
 * nodes_test.h - the fixture of tests over nodes_rig: one rig a program, new for each test.
 *
 * Included by test programs only, each once, instead of cmocka.h and nodes_rig.h: it defines what they have in common.
 */
#ifndef DFS_TESTS_SUPPORT_NODES_TEST_H
#define DFS_TESTS_SUPPORT_NODES_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/nodes_rig.h"

#define I NRIG_INTERVAL

static struct nodes_rig r;

/* The nodes that have the copies, in most tests. */
static const uint16_t on_012[] = {0, 1, 2};

/* The configuration may still be changed: nrig_start is the test's. */
static inline int set_up(void **state)
{
    (void)state;
    nrig_init(&r);
    return 0;
}

static inline int set_up_started(void **state)
{
    (void)set_up(state);
    nrig_start(&r);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    nrig_close(&r);
    return 0;
}

#endif

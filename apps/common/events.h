/*
 * events.h - every trace of the machine as one line of JSON in a file (--event-log): what dfs-sim judges a real run by.
 *
 *     {"mono_ns":12,"wall_ns":34,"role":"meta","self":"UUID","event":"evicted","node":"UUID","a":4,"b":11}
 *
 * Keys that say nothing (a zero id, 0, an empty text, OK) are left out; "a", "b" and the texts mean what core/env/env.h says of the
 * event. A block is "file", "index", "generation". The first line of a process has the event "started" and its "pid".
 */
#ifndef DFS_APPS_COMMON_EVENTS_H
#define DFS_APPS_COMMON_EVENTS_H

#include "core/conf/text.h"
#include "core/env/env.h"

struct dfs_events;

/* Appends to the file. BAD_CONFIG: it cannot be opened; ret_why says why. */
enum dfs_status dfs_events_open(const char *path, enum dfs_role role, const struct dfs_id *self,
                                struct dfs_events **ret_events, struct dfs_why *ret_why) DFS_MUST_CHECK;
void dfs_events_close(struct dfs_events *events); /* NULL is fine */

/* One write() a line: a process that is killed leaves whole lines. */
void dfs_events_put(struct dfs_events *events, dfs_time_ns mono, dfs_wall_ns wall, const struct dfs_trace *trace);

#endif

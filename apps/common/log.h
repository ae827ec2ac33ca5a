/*
 * log.h - the log of a program: standard error, one event a line, as text or as JSON.
 *
 *     2026-03-01T12:00:00.123Z info  dfs-meta joined node=6fa459ea-... incarnation=4
 *     {"time":"2026-03-01T12:00:00.123Z","level":"info","program":"dfs-meta","event":"joined","node":"6fa459ea-...","incarnation":4}
 *
 * Lines are written with one write(), so that several threads and processes may share a file. No secret ever comes here:
 * traces carry none, and what peers said is quoted.
 */
#ifndef DFS_APPS_COMMON_LOG_H
#define DFS_APPS_COMMON_LOG_H

#include "core/env/env.h"

enum dfs_log_level { DFS_LOG_ERROR, DFS_LOG_WARNING, DFS_LOG_INFO, DFS_LOG_DEBUG };
#define DFS_LOG_LEVELS "error|warning|info|debug" /* in the order of the enum */

enum dfs_log_format { DFS_LOG_TEXT, DFS_LOG_JSON };
#define DFS_LOG_FORMATS "text|json"

/* Before the first line; `program` is a static text. Also takes the panic hook, so that a failed assertion is in the log. */
void dfs_log_open(const char *program, enum dfs_log_level level, enum dfs_log_format format);

/* Any thread. */
void dfs_log_set_level(enum dfs_log_level level);
bool dfs_log_is_on(enum dfs_log_level level);

/* `event` is one word; the format makes a sentence. Any thread. */
void dfs_log(enum dfs_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a machine wants to be known: its level by its kind. */
void dfs_log_trace(const struct dfs_trace *trace);

/* Seconds and milliseconds of a wall clock, UTC, RFC 3339. */
#define DFS_LOG_TIME_BYTES 32
void dfs_log_time(dfs_wall_ns wall, char ret_text[DFS_LOG_TIME_BYTES]);

#endif

/*
 * ask.h - another thread asks the loop's thread something and waits, within a bound.
 *
 * For what is not the machine's: the HTTP thread and the local sockets. The answer may come at once or later (after an answer
 * of the machine); a thread that gave up waiting leaves nothing dangling.
 */
#ifndef DFS_APPS_COMMON_ASK_H
#define DFS_APPS_COMMON_ASK_H

#include "core/conf/text.h"
#include "net_real/real.h"

struct dfs_ask;

/* Runs on the loop's thread, outside any step; ends in dfs_ask_done, now or later. `line` lives until then. */
typedef void (*dfs_ask_start)(void *ctx, struct dfs_ask *ask, const char *line);

/* Any thread but the loop's. false: no answer within `timeout_ms`; then ret_reply is untouched. It is closed by the caller. */
bool dfs_ask_run(struct dfs_real *real, dfs_ask_start start, void *ctx, const char *copy_line, unsigned timeout_ms,
                 struct dfs_conf_text *ret_reply);

/* The loop's thread, once for every start. The text is moved away and empty afterwards. */
void dfs_ask_done(struct dfs_ask *ask, struct dfs_conf_text *take_reply);

#endif

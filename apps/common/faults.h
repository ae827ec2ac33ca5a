/*
 * faults.h - the fault socket (--fault-socket PATH; absent by default): loss and partitions at the edge of a real daemon.
 *
 * One JSON object a line, one answer a line: {"ok":true,...} or {"ok":false,"error":"..."}. apps/README.md has the commands.
 */
#ifndef DFS_APPS_COMMON_FAULTS_H
#define DFS_APPS_COMMON_FAULTS_H

#include "apps/common/ask.h"

/* Rules at a time: a random nemesis sets a handful. */
#define DFS_FAULT_RULES_MAX 64

struct dfs_faults;

struct dfs_faults *dfs_faults_new(struct dfs_real *real);
void dfs_faults_free(struct dfs_faults *faults); /* NULL is fine; before the host is freed */

/* The start of a line socket; ctx is the struct dfs_faults. */
void dfs_faults_line(void *ctx, struct dfs_ask *ask, const char *line);

/* Carries out one line at once. Split from the socket so that it can be tested; ret_reply gets the answer without a line end. */
void dfs_faults_do(struct dfs_faults *faults, const char *line, struct dfs_conf_text *ret_reply);

#endif

/*
 * setup.h - from settings (what people write) to the machines' configurations (what the machines read).
 *
 * The one place that knows both, so that a daemon and the simulator give a machine the same thing for the same words. Fills only what settings decide:
 * identities, addresses and secrets are the caller's and stay untouched. Bounds (core/base/bounds.h) are what every daemon has.
 */
#ifndef DFS_CORE_SETUP_SETUP_H
#define DFS_CORE_SETUP_SETUP_H

#include "core/auth/auth.h"
#include "core/client/client.h"
#include "core/conf/settings.h"
#include "core/data/data.h"
#include "core/meta/meta.h"

void dfs_setup_auth(const struct dfs_settings *settings, struct dfs_auth_config *config);
void dfs_setup_meta(const struct dfs_settings *settings, struct dfs_meta_config *config);
void dfs_setup_data(const struct dfs_settings *settings, struct dfs_data_config *config);
void dfs_setup_client(const struct dfs_settings *settings, struct dfs_client_config *config);

#endif

#include "core/setup/setup.h"

/* Settings were range-checked when they were read: none is negative. */

void dfs_setup_auth(const struct dfs_settings *settings, struct dfs_auth_config *config)
{
    config->token_lifetime_ns = (dfs_duration_ns)settings->token_lifetime_ns;
    config->request_timeout_ns = (dfs_duration_ns)settings->request_timeout_ns;
    config->scrypt_n = (uint64_t)settings->scrypt_n;
    config->login_rate = (uint32_t)settings->login_rate_per_minute;
    config->conns_max = (uint32_t)settings->conns_max;
    config->bounds = DFS_AUTH_BOUNDS;
}

void dfs_setup_meta(const struct dfs_settings *settings, struct dfs_meta_config *config)
{
    config->heartbeat_interval_ns = (dfs_duration_ns)settings->heartbeat_interval_ns;
    config->replication = (uint32_t)settings->replication;
    config->ack = settings->ack == DFS_SETTING_ACK_QUORUM ? DFS_ACK_QUORUM : DFS_ACK_ALL;
    config->durability =
        settings->durability == DFS_SETTING_DURABILITY_ASYNC ? DFS_DURABILITY_ASYNC : DFS_DURABILITY_SYNC;
    config->block_min_bytes = (uint32_t)settings->block_min_bytes;
    config->block_max_bytes = (uint32_t)settings->block_max_bytes;
    config->blocks_spread = (uint32_t)settings->blocks_spread;
    config->upload_lease_ns = (dfs_duration_ns)settings->upload_lease_ns;
    config->trash_keep_ns = (dfs_duration_ns)settings->trash_keep_ns;
    config->repair_grace_ns = (dfs_duration_ns)settings->repair_grace_ns;
    config->repair_per_source = (uint32_t)settings->repair_per_source;
    config->repair_per_target = (uint32_t)settings->repair_per_target;
    config->repair_total = (uint32_t)settings->repair_total;
    config->repair_bandwidth_bytes_per_s = (uint64_t)settings->repair_bandwidth_bytes_per_s;
    config->brake_share_ppb = (uint32_t)settings->brake_share_ppb;
    config->brake_nodes = (uint32_t)settings->brake_nodes;
    config->brake_release_intervals = (uint32_t)settings->brake_release_intervals;
    config->maintenance_ns = (dfs_duration_ns)settings->maintenance_ns;
    config->warmup_intervals = (uint32_t)settings->warmup_intervals;
    config->reserve_ppb = (uint32_t)settings->reserve_ppb;
    config->token_leeway_ns = (dfs_duration_ns)settings->token_leeway_ns;
    config->token_cache = (uint32_t)settings->token_cache;
    config->checkpoint_every_bytes = (uint64_t)settings->checkpoint_every_bytes;
    config->journal_batch = (uint32_t)settings->journal_batch;
    config->ring_weight_unit = (uint32_t)settings->ring_weight_unit;
    config->placement_page = (uint32_t)settings->placement_page;
    config->remove_page = (uint32_t)settings->remove_page;
    config->conns_max = (uint32_t)settings->conns_max;
    config->request_timeout_ns = (dfs_duration_ns)settings->request_timeout_ns;
    config->connect_timeout_ns = (dfs_duration_ns)settings->connect_timeout_ns;
    config->pool_bytes = (uint64_t)settings->pool_bytes;
    config->key_lifetime_ns = (dfs_duration_ns)settings->key_lifetime_ns;
    config->bounds = DFS_META_BOUNDS;
}

void dfs_setup_data(const struct dfs_settings *settings, struct dfs_data_config *config)
{
    config->reserve_ppb = (uint32_t)settings->reserve_ppb;
    config->frame_bytes = (uint32_t)settings->frame_bytes;
    config->scrub_interval_ns = (dfs_duration_ns)settings->scrub_interval_ns;
    config->token_leeway_ns = (dfs_duration_ns)settings->token_leeway_ns;
    config->token_cache = (uint32_t)settings->token_cache;
    config->conns_max = (uint32_t)settings->conns_max;
    config->pool_bytes = (uint64_t)settings->pool_bytes;
    config->hop_timeout_ns = (dfs_duration_ns)settings->hop_timeout_ns;
    config->request_timeout_ns = (dfs_duration_ns)settings->request_timeout_ns;
    config->connect_timeout_ns = (dfs_duration_ns)settings->connect_timeout_ns;
    config->inventory_page = (uint32_t)settings->inventory_page;
    config->events_page = (uint32_t)settings->events_page;
    config->bounds = DFS_DATA_BOUNDS;
}

void dfs_setup_client(const struct dfs_settings *settings, struct dfs_client_config *config)
{
    config->parallel = (uint32_t)settings->parallel;
    config->frame_bytes = (uint32_t)settings->frame_bytes;
    config->pool_bytes = (uint64_t)settings->pool_bytes;
    config->request_timeout_ns = (dfs_duration_ns)settings->request_timeout_ns;
    config->connect_timeout_ns = (dfs_duration_ns)settings->connect_timeout_ns;
    config->hedge_after_ns = (dfs_duration_ns)settings->hedge_after_ns;
    /* A command outlives a few failed requests, an eviction and the placement that follows. */
    config->give_up_after_ns = 4 * (dfs_duration_ns)settings->request_timeout_ns;
    config->bounds = DFS_CLIENT_BOUNDS;
}

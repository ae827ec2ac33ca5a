/*
 * node_keys.c - the keys that metadata shares with each node: of its heartbeats, of grants and receipts; their rotation.
 */
#include "core/meta/nodes.h"

/* The newest two key ids are in force; the first one of all has none before it. */
static bool key_is_in_force(const struct meta_nodes *nodes, uint32_t key_id)
{
    return key_id > 0 && key_id <= nodes->key_id && nodes->key_id - key_id < DFS_GRANT_KEYS_MAX;
}

static void grant_mac_init(struct dfs_meta *meta, struct meta_node *node, uint32_t key_id)
{
    struct dfs_mac *mac = &node->grant_macs[key_id % DFS_GRANT_KEYS_MAX];
    struct dfs_key key;

    dfs_node_key_derive(&meta->config.root, &node->id, node->member.incarnation, key_id, &key);
    dfs_mac_close(mac);
    dfs_mac_init(mac, &key);
    dfs_wipe(&key, sizeof key);
}

void meta_node_keys_init(struct dfs_meta *meta, struct meta_node *node)
{
    struct dfs_key key;

    dfs_heartbeat_key_derive(&meta->config.root, &node->id, node->member.incarnation, &key);
    dfs_mac_close(&node->heartbeat_mac);
    dfs_mac_init(&node->heartbeat_mac, &key);
    dfs_wipe(&key, sizeof key);
    for (uint32_t back = 0; back < DFS_GRANT_KEYS_MAX; back++) {
        if (meta->nodes->key_id > back)
            grant_mac_init(meta, node, meta->nodes->key_id - back);
    }
}

struct dfs_mac *meta_node_mac(struct dfs_meta *meta, struct meta_node *node, uint32_t key_id)
{
    return node->member.present && key_is_in_force(meta->nodes, key_id) ? &node->grant_macs[key_id % DFS_GRANT_KEYS_MAX]
                                                                        : NULL;
}

uint32_t meta_node_grant_keys(const struct dfs_meta *meta, const struct meta_node *node,
                              struct dfs_w_grant_key ret_keys[DFS_GRANT_KEYS_MAX])
{
    uint32_t count = 0;

    for (uint32_t back = DFS_GRANT_KEYS_MAX; back-- > 0;) {
        struct dfs_key key;

        if (meta->nodes->key_id <= back)
            continue;
        ret_keys[count].key_id = meta->nodes->key_id - back;
        dfs_node_key_derive(&meta->config.root, &node->id, node->member.incarnation, ret_keys[count].key_id, &key);
        memcpy(ret_keys[count].key, key.bytes, sizeof key.bytes);
        dfs_wipe(&key, sizeof key);
        count++;
    }
    return count;
}

void meta_node_send_keys(struct dfs_meta *meta, struct meta_node *node)
{
    struct dfs_w_grant_key keys[DFS_GRANT_KEYS_MAX];
    struct dfs_m_keys_update update = {
        .grant_keys = keys, .token_keys = meta->token_keys, .token_keys_count = meta->token_keys_count};

    /* Before JOINED has left there is nothing to update: it will carry the newest. */
    if (node->peer == NULL || !node->member.present || node->member.opening)
        return;
    update.grant_keys_count = meta_node_grant_keys(meta, node, keys);
    dfs_link_send(&node->peer->link, meta_control_ask(meta, node), DFS_MSG_KEYS_UPDATE, &update);
    dfs_wipe(keys, sizeof keys);
}

void meta_nodes_token_keys_changed(struct dfs_meta *meta)
{
    for (uint32_t i = 0; i < meta->nodes->count; i++)
        meta_node_send_keys(meta, meta->nodes->by_index[i]);
}

static void keys_rotated(struct dfs_meta *meta, const struct meta_after *after)
{
    if (meta->nodes->key_id != after->words[0])
        return;
    for (uint32_t i = 0; i < meta->nodes->count; i++)
        meta_node_send_keys(meta, meta->nodes->by_index[i]);
    /* Signed with from the next interval on: a client may be faster than the news. */
    meta->nodes->key_due = meta->fair + meta->config.heartbeat_interval_ns;
}

void meta_nodes_rotate_key(struct dfs_meta *meta)
{
    const struct meta_r_key record = {.key_id = meta->nodes->key_id + 1};
    const struct meta_after after = {.words = {record.key_id}};

    meta->nodes->key_signing = meta->nodes->key_id; /* the one before the newest must be one of the two */
    meta_append_group(meta);
    meta_append(meta, META_RECORD_KEY, &record);
    for (uint32_t i = 0; i < meta->nodes->count; i++) {
        if (meta->nodes->by_index[i]->member.present)
            grant_mac_init(meta, meta->nodes->by_index[i], record.key_id);
    }
    meta->nodes->key_due = DFS_NEVER; /* until the news has left */
    meta_after_sync(meta, keys_rotated, &after);
}

void meta_nodes_keys_step(struct dfs_meta *meta)
{
    struct meta_nodes *nodes = meta->nodes;
    const dfs_duration_ns half = meta->config.key_lifetime_ns / 2;

    if (meta->fair < nodes->key_due)
        return;
    if (nodes->key_signing != nodes->key_id) {
        nodes->key_signing = nodes->key_id;
        nodes->key_due = half == 0 ? DFS_NEVER : dfs_time_add(meta->fair, half);
    } else {
        meta_nodes_rotate_key(meta);
    }
}

uint32_t meta_nodes_key_id(const struct dfs_meta *meta)
{
    return meta->nodes->key_signing;
}

uint32_t meta_nodes_key_oldest(const struct dfs_meta *meta)
{
    const uint32_t newest = meta->nodes->key_id;

    return newest >= DFS_GRANT_KEYS_MAX ? newest - DFS_GRANT_KEYS_MAX + 1 : 1;
}

struct dfs_mac *meta_nodes_grant_mac(struct dfs_meta *meta, uint16_t index)
{
    return meta_node_mac(meta, meta_node_at(meta, index), meta->nodes->key_signing);
}

/* A receipt of an older life, or under a key that has left: its key is derived for this once. */
static bool old_receipt_check(struct dfs_meta *meta, const struct meta_node *node, const struct dfs_w_receipt *receipt)
{
    struct dfs_mac mac = {0};
    struct dfs_key key;
    bool good;

    dfs_node_key_derive(&meta->config.root, &node->id, receipt->incarnation, receipt->key_id, &key);
    dfs_mac_init(&mac, &key);
    good = dfs_receipt_check(receipt, &mac);
    dfs_mac_close(&mac);
    dfs_wipe(&key, sizeof key);
    return good;
}

bool meta_nodes_receipt_check(struct dfs_meta *meta, const struct dfs_w_receipt *receipt, uint32_t key_oldest,
                              uint16_t *ret_node)
{
    struct meta_node *node = meta_node_by_id(meta, &receipt->node);
    struct dfs_mac *mac;

    if (node == NULL || receipt->incarnation > node->member.incarnation || receipt->key_id < key_oldest ||
        receipt->key_id > meta->nodes->key_id)
        return false;
    mac = receipt->incarnation == node->member.incarnation ? meta_node_mac(meta, node, receipt->key_id) : NULL;
    if (mac != NULL ? !dfs_receipt_check(receipt, mac) : !old_receipt_check(meta, node, receipt))
        return false;
    *ret_node = node->index;
    return true;
}

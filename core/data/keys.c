/*
 * keys.c - what metadata gave us to check grants and tokens with, and to sign receipts.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"

#include <stdio.h>

void data_keys_init(struct dfs_data *data)
{
    struct dfs_verifier_config config = {.leeway_s = data->config.token_leeway_ns / DFS_SECONDS,
                                         .cache_max = data->config.token_cache};

    (void)snprintf(config.issuer, sizeof config.issuer, "%s", data->config.issuer);
    dfs_grant_cache_init(&data->grants);
    dfs_id_print(&data->config.cluster, config.audience); /* tokens are for the whole cluster */
    data->verifier = dfs_verifier_new(&config);
}

static void drop_grant_keys(struct dfs_data *data)
{
    for (unsigned i = 0; i < DFS_GRANT_KEYS_MAX; i++) {
        dfs_mac_close(&data->keys[i].mac);
        data->keys[i].valid = false;
    }
    dfs_grant_cache_close(&data->grants);
}

void data_keys_close(struct dfs_data *data)
{
    drop_grant_keys(data);
    dfs_verifier_free(data->verifier);
    data->verifier = NULL;
}

/* The newest key first, so that receipts are under it. */
static void set_grant_keys(struct dfs_data *data, const struct dfs_w_grant_key *keys, uint32_t count)
{
    drop_grant_keys(data);
    for (uint32_t i = 0; i < count && i < DFS_GRANT_KEYS_MAX; i++) {
        unsigned place = 0;

        for (uint32_t other = 0; other < count; other++)
            place += keys[other].key_id > keys[i].key_id || (keys[other].key_id == keys[i].key_id && other < i);
        struct data_grant_key *slot = &data->keys[place];
        struct dfs_key key;

        memcpy(key.bytes, keys[i].key, sizeof key.bytes);
        dfs_mac_init(&slot->mac, &key);
        dfs_wipe(&key, sizeof key);
        slot->key_id = keys[i].key_id;
        slot->valid = true;
    }
}

static void set_token_keys(struct dfs_data *data, const struct dfs_w_token_key *keys, uint32_t count)
{
    struct dfs_token_public_key listed[DFS_TOKEN_KEYS_MAX];

    if (count == 0)
        return; /* metadata has none yet: ours may still be good */
    for (uint32_t i = 0; i < count; i++) {
        listed[i] = (struct dfs_token_public_key){.kid = keys[i].kid.at,
                                                  .kid_bytes = keys[i].kid.count,
                                                  .pem = keys[i].pem.at,
                                                  .pem_bytes = keys[i].pem.count};
    }
    if (dfs_verifier_set_keys(data->verifier, listed, count) != DFS_OK)
        dfs_trace_note(&data->env, DFS_BAD_REQUEST, "metadata sent token keys that are none");
}

void data_keys_set(struct dfs_data *data, const struct dfs_w_grant_key *grant_keys, uint32_t grant_keys_count,
                   const struct dfs_w_token_key *token_keys, uint32_t token_keys_count)
{
    if (grant_keys_count > 0)
        set_grant_keys(data, grant_keys, grant_keys_count);
    set_token_keys(data, token_keys, token_keys_count);
    dfs_list_each(at, &data->peers[DATA_PEER_IN])
    {
        struct data_peer *peer = dfs_container_of(at, struct data_peer, at);

        if (peer->hello_waits)
            data_hello_retry(data, peer, false);
    }
}

struct dfs_mac *data_key_find(struct dfs_data *data, uint32_t key_id)
{
    for (unsigned i = 0; i < DFS_GRANT_KEYS_MAX; i++) {
        if (data->keys[i].valid && data->keys[i].key_id == key_id)
            return &data->keys[i].mac;
    }
    return NULL;
}

void data_receipt_make(struct dfs_data *data, const struct dfs_block_id *block, uint32_t length_bytes, uint32_t crc,
                       uint64_t change, bool durable, struct dfs_w_receipt *ret_receipt)
{
    DFS_ASSERT(data->keys[0].valid); /* nothing is admitted before JOINED */
    *ret_receipt = (struct dfs_w_receipt){.block = data_w_block(block),
                                          .length_bytes = length_bytes,
                                          .crc32c = crc,
                                          .node = data->config.node,
                                          .incarnation = data->incarnation,
                                          .change = change,
                                          .durable = durable,
                                          .key_id = data->keys[0].key_id};
    dfs_receipt_sign(ret_receipt, &data->keys[0].mac);
}

void data_on_keys_update(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_keys_update *message = in->body;

    data_keys_set(data, message->grant_keys, message->grant_keys_count, message->token_keys, message->token_keys_count);
    dfs_link_send_status(&peer->link, in->request, DFS_OK, NULL);
}

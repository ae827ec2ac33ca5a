#include "core/auth/rate.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <string.h>

struct entry {
    struct dfs_list link;
    uint8_t key[DFS_AUTH_RATE_KEY_BYTES];
    dfs_duration_ns credit_ns;
    dfs_time_ns at; /* when credit_ns was right */
};

void dfs_auth_rate_init(struct dfs_auth_rate *rate, size_t entries_max, dfs_duration_ns window_ns, uint64_t seed)
{
    rate->entries_max = entries_max;
    rate->window_ns = window_ns;
    dfs_list_init(&rate->order);
    dfs_map_init(&rate->entries, offsetof(struct entry, key), DFS_AUTH_RATE_KEY_BYTES, seed);
}

static void forget_oldest(struct dfs_auth_rate *rate)
{
    struct entry *entry = dfs_container_of(dfs_list_pop(&rate->order), struct entry, link);

    dfs_map_remove(&rate->entries, entry->key);
    dfs_free(entry);
}

void dfs_auth_rate_close(struct dfs_auth_rate *rate)
{
    while (!dfs_list_empty(&rate->order))
        forget_oldest(rate);
    dfs_map_close(&rate->entries);
}

static struct entry *get_entry(struct dfs_auth_rate *rate, const uint8_t key[DFS_AUTH_RATE_KEY_BYTES], dfs_time_ns now)
{
    struct entry *entry = dfs_map_find(&rate->entries, key);

    if (entry != NULL) {
        dfs_list_remove(&entry->link);
    } else {
        if (rate->entries.count >= rate->entries_max)
            forget_oldest(rate);
        entry = dfs_alloc_zero(sizeof *entry);
        memcpy(entry->key, key, DFS_AUTH_RATE_KEY_BYTES);
        entry->credit_ns = rate->window_ns;
        entry->at = now;
        dfs_map_insert(&rate->entries, entry);
    }
    dfs_list_push(&rate->order, &entry->link);
    return entry;
}

bool dfs_auth_rate_take(struct dfs_auth_rate *rate, const uint8_t key[DFS_AUTH_RATE_KEY_BYTES], dfs_duration_ns cost_ns,
                        dfs_time_ns now, dfs_duration_ns *ret_wait_ns)
{
    struct entry *entry = get_entry(rate, key, now);
    const dfs_duration_ns passed = now - entry->at;

    DFS_ASSERT(cost_ns <= rate->window_ns && now >= entry->at);
    entry->credit_ns = passed >= rate->window_ns - entry->credit_ns ? rate->window_ns : entry->credit_ns + passed;
    entry->at = now;
    if (entry->credit_ns < cost_ns) {
        *ret_wait_ns = cost_ns - entry->credit_ns;
        return false;
    }
    entry->credit_ns -= cost_ns;
    return true;
}

void dfs_auth_rate_give(struct dfs_auth_rate *rate, const uint8_t key[DFS_AUTH_RATE_KEY_BYTES], dfs_duration_ns cost_ns)
{
    struct entry *entry = dfs_map_find(&rate->entries, key);

    if (entry != NULL)
        entry->credit_ns = entry->credit_ns > rate->window_ns - cost_ns ? rate->window_ns : entry->credit_ns + cost_ns;
}

#include "net_real/fault.h"

#include "core/base/mem.h"
#include "net_real/endpoint.h"
#include "net_real/limits.h"

#include <string.h>

void dfs_fault_close(struct dfs_fault_table *table)
{
    dfs_free(table->cuts);
    *table = (struct dfs_fault_table){0};
}

bool dfs_fault_matches(const struct dfs_fault_match *match, const struct dfs_addr *addr, const struct dfs_id *node)
{
    if (match->by_node)
        return node != NULL && dfs_id_equal(&match->node, node);
    return memcmp(match->addr.ip, addr->ip, sizeof addr->ip) == 0 &&
           (match->addr.port == 0 || match->addr.port == addr->port);
}

enum dfs_fault_verdict dfs_fault_judge(const struct dfs_fault_table *table, const struct dfs_fault_subject *subject,
                                       dfs_duration_ns *ret_delay_ns)
{
    *ret_delay_ns = 0;
    if (table->filter == NULL)
        return DFS_FAULT_PASS;
    return table->filter(table->ctx, subject, ret_delay_ns);
}

static bool same_match(const struct dfs_fault_match *a, const struct dfs_fault_match *b)
{
    if (a->by_node != b->by_node)
        return false;
    return a->by_node ? dfs_id_equal(&a->node, &b->node) : dfs_endpoint_equal(&a->addr, &b->addr);
}

static struct dfs_fault_cut *find_cut(struct dfs_fault_table *table, const struct dfs_fault_match *whom)
{
    for (size_t i = 0; i < table->cut_count; i++)
        if (same_match(&table->cuts[i].whom, whom))
            return &table->cuts[i];
    return NULL;
}

bool dfs_fault_cut(struct dfs_fault_table *table, const struct dfs_fault_match *whom, bool in, bool out)
{
    struct dfs_fault_cut *cut = find_cut(table, whom);

    if (!in && !out) {
        if (cut != NULL)
            *cut = table->cuts[--table->cut_count];
        return true;
    }
    if (cut == NULL) {
        if (table->cut_count == DFS_REAL_CUTS_MAX)
            return false;
        if (table->cut_count == table->cut_capacity) {
            table->cut_capacity = 2 * table->cut_capacity + 8;
            table->cuts = dfs_realloc_array(table->cuts, table->cut_capacity, sizeof table->cuts[0]);
        }
        cut = &table->cuts[table->cut_count++];
    }
    *cut = (struct dfs_fault_cut){.whom = *whom, .in = in, .out = out};
    return true;
}

void dfs_fault_find(const struct dfs_fault_table *table, const struct dfs_addr *addr, const struct dfs_id *node,
                    bool *ret_in, bool *ret_out)
{
    *ret_in = false;
    *ret_out = false;
    for (size_t i = 0; i < table->cut_count; i++) {
        const struct dfs_fault_cut *cut = &table->cuts[i];

        if (!dfs_fault_matches(&cut->whom, addr, node))
            continue;
        *ret_in |= cut->in;
        *ret_out |= cut->out;
    }
}

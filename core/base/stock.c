#include "core/base/stock.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <string.h>

void dfs_stock_init(struct dfs_stock *stock, size_t bytes)
{
    DFS_ASSERT(bytes >= sizeof(void *));
    *stock = (struct dfs_stock){.bytes = bytes};
}

void *dfs_stock_take(struct dfs_stock *stock)
{
    void *object = stock->kept;

    if (object == NULL)
        return dfs_alloc(stock->bytes);
    memcpy(&stock->kept, object, sizeof stock->kept);
    stock->kept_count--;
    return object;
}

void *dfs_stock_take_zero(struct dfs_stock *stock)
{
    return memset(dfs_stock_take(stock), 0, stock->bytes);
}

void dfs_stock_give(struct dfs_stock *stock, void *object)
{
    if (stock->kept_count == DFS_STOCK_KEPT_MAX) {
        dfs_free(object);
        return;
    }
    memcpy(object, &stock->kept, sizeof stock->kept);
    stock->kept = object;
    stock->kept_count++;
}

void dfs_stock_close(struct dfs_stock *stock)
{
    while (stock->kept_count > 0)
        dfs_free(dfs_stock_take(stock));
}

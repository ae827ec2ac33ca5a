/*
 * order.h - an intrusive list that is walked a little at a time while items come and go: items in the order in which they came, and marks
 * that keep their places.
 *
 * A mark stands between two items. An item that is removed takes no mark with it: a mark behind it then stands behind the one before it. So a
 * walk that goes on at its mark meets every item that was in the list when the walk began and is still there, once and in order, whatever was
 * removed meanwhile; what was pushed meanwhile is met as well, at the end. An item that is removed and pushed again counts as a new one.
 * All is O(1); a removal looks at each of the marks, of which an order has a few. The order owns nothing.
 */
#ifndef DFS_CORE_BASE_ORDER_H
#define DFS_CORE_BASE_ORDER_H

#include "core/base/list.h"

struct dfs_order {
    struct dfs_list items;
    struct dfs_list marks;
    size_t count; /* of items */
};

struct dfs_mark {
    struct dfs_list at; /* among the order's marks */
    struct dfs_order *order;
    struct dfs_list *after; /* the item before the mark; the list's head: the mark stands at the beginning */
};

static inline void dfs_order_init(struct dfs_order *order)
{
    dfs_list_init(&order->items);
    dfs_list_init(&order->marks);
    order->count = 0;
}

static inline void dfs_order_push(struct dfs_order *order, struct dfs_list *item) /* at the end */
{
    dfs_list_push(&order->items, item);
    order->count++;
}

/* Before all others: a walk whose mark has left the beginning does not meet it. */
static inline void dfs_order_push_front(struct dfs_order *order, struct dfs_list *item)
{
    dfs_list_push_front(&order->items, item);
    order->count++;
}

/* Changes nothing: the item will be removed soon, and its neighbours can come into the cache while something else is done. */
static inline void dfs_order_expect(const struct dfs_list *item)
{
    __builtin_prefetch(item->next);
    __builtin_prefetch(item->prev);
}

static inline void dfs_order_remove(struct dfs_order *order, struct dfs_list *item)
{
    dfs_list_each(at, &order->marks)
    {
        struct dfs_mark *mark = dfs_container_of(at, struct dfs_mark, at);

        if (mark->after == item)
            mark->after = item->prev;
    }
    dfs_list_remove(item);
    order->count--;
}

/* The item behind `item`, the first one for NULL; NULL: there is none. */
static inline struct dfs_list *dfs_order_next(struct dfs_order *order, const struct dfs_list *item)
{
    struct dfs_list *next = item == NULL ? order->items.next : item->next;

    return next == &order->items ? NULL : next;
}

/* A mark at the beginning. It must be closed, or initialised again, before its memory goes; both orders and marks may only be moved then. */
static inline void dfs_mark_init(struct dfs_mark *mark, struct dfs_order *order)
{
    *mark = (struct dfs_mark){.order = order, .after = &order->items};
    dfs_list_push(&order->marks, &mark->at);
}

static inline void dfs_mark_close(struct dfs_mark *mark)
{
    dfs_list_remove(&mark->at);
}

static inline void dfs_mark_set(struct dfs_mark *mark, struct dfs_list *item) /* behind an item of its order */
{
    mark->after = item;
}

static inline void dfs_mark_rewind(struct dfs_mark *mark) /* to the beginning */
{
    mark->after = &mark->order->items;
}

/* To the place of another one in its order. */
static inline void dfs_mark_move(struct dfs_mark *mark, const struct dfs_mark *to)
{
    mark->after = to->after;
}

/* The item before the mark; NULL: it stands at the beginning. */
static inline struct dfs_list *dfs_mark_item(const struct dfs_mark *mark)
{
    return mark->after == &mark->order->items ? NULL : mark->after;
}

/* The item behind the mark; NULL: it stands at the end. */
static inline struct dfs_list *dfs_mark_next(const struct dfs_mark *mark)
{
    return mark->after->next == &mark->order->items ? NULL : mark->after->next;
}

#endif

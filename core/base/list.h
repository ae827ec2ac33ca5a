/*
 * list.h - intrusive doubly linked list. The head and the links are the same thing; an unlinked link points to itself.
 */
#ifndef DFS_CORE_BASE_LIST_H
#define DFS_CORE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct dfs_list {
    struct dfs_list *next;
    struct dfs_list *prev;
};

#define dfs_container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define dfs_container_of_const(pointer, type, member) \
    ((const type *)(const void *)((const char *)(pointer)-offsetof(type, member)))

static inline void dfs_list_init(struct dfs_list *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool dfs_list_empty(const struct dfs_list *list)
{
    return list->next == list;
}

static inline bool dfs_list_linked(const struct dfs_list *link)
{
    return link->next != link;
}

static inline void dfs_list_insert(struct dfs_list *before, struct dfs_list *link)
{
    link->next = before;
    link->prev = before->prev;
    before->prev->next = link;
    before->prev = link;
}

static inline void dfs_list_push(struct dfs_list *list, struct dfs_list *link) /* at the end */
{
    dfs_list_insert(list, link);
}

static inline void dfs_list_push_front(struct dfs_list *list, struct dfs_list *link)
{
    dfs_list_insert(list->next, link);
}

static inline void dfs_list_remove(struct dfs_list *link) /* harmless when not linked */
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    dfs_list_init(link);
}

static inline struct dfs_list *dfs_list_first(struct dfs_list *list) /* NULL when empty */
{
    return dfs_list_empty(list) ? NULL : list->next;
}

static inline struct dfs_list *dfs_list_pop(struct dfs_list *list) /* from the front; NULL when empty */
{
    struct dfs_list *link = dfs_list_first(list);

    if (link != NULL)
        dfs_list_remove(link);
    return link;
}

/* All of `from` behind what `list` has; `from` is empty then. */
static inline void dfs_list_move_all(struct dfs_list *list, struct dfs_list *from)
{
    if (dfs_list_empty(from))
        return;
    from->next->prev = list->prev;
    from->prev->next = list;
    list->prev->next = from->next;
    list->prev = from->prev;
    dfs_list_init(from);
}

/* The body may remove `at`. */
#define dfs_list_each(at, list) \
    for (struct dfs_list *at = (list)->next, *at##_next = at->next; at != (list); at = at##_next, at##_next = at->next)

#endif

/*
 * avl.h - intrusive AVL tree (Adelson-Velsky, Landis 1962): heights of siblings differ by at most one.
 *
 * Serves the KeyRing, the namespace and whatever has to be walked in order. The tree owns nothing.
 */
#ifndef DFS_CORE_BASE_AVL_H
#define DFS_CORE_BASE_AVL_H

#include <stdbool.h>
#include <stddef.h>

struct dfs_avl_node {
    struct dfs_avl_node *left;
    struct dfs_avl_node *right;
    struct dfs_avl_node *parent;
    int height;
};

struct dfs_avl {
    struct dfs_avl_node *root;
    size_t count;
    /* Order of two nodes: <0, 0, >0. */
    int (*compare)(const struct dfs_avl_node *a, const struct dfs_avl_node *b);
};

void dfs_avl_init(struct dfs_avl *tree, int (*compare)(const struct dfs_avl_node *, const struct dfs_avl_node *));

/* The node already there that compares equal (nothing inserted), or NULL when inserted. */
struct dfs_avl_node *dfs_avl_insert(struct dfs_avl *tree, struct dfs_avl_node *node);
void dfs_avl_remove(struct dfs_avl *tree, struct dfs_avl_node *node);

/* `probe` is a node built for comparing only. */
struct dfs_avl_node *dfs_avl_find(const struct dfs_avl *tree, const struct dfs_avl_node *probe);
struct dfs_avl_node *dfs_avl_at_least(const struct dfs_avl *tree,
                                      const struct dfs_avl_node *probe); /* first >= probe */
struct dfs_avl_node *dfs_avl_first(const struct dfs_avl *tree);
struct dfs_avl_node *dfs_avl_next(const struct dfs_avl_node *node);
struct dfs_avl_node *dfs_avl_prev(const struct dfs_avl_node *node);

/* For checkers and tests: in order, heights right, siblings within one, parents right, count right. O(n). */
bool dfs_avl_is_sound(const struct dfs_avl *tree);

#endif

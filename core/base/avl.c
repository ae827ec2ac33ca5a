#include "core/base/avl.h"

#include "core/base/assert.h"

/* No sound tree that fits into memory is higher: height h takes at least Fibonacci(h + 2) - 1 nodes. */
#define AVL_HEIGHT_MAX 92

void dfs_avl_init(struct dfs_avl *tree, int (*compare)(const struct dfs_avl_node *, const struct dfs_avl_node *))
{
    *tree = (struct dfs_avl){.compare = compare};
}

/* Balance ---------------------------------------------------------------------------------------------------------- */

static int height_of(const struct dfs_avl_node *node)
{
    return node == NULL ? 0 : node->height;
}

/* Above zero: the right side is higher. */
static int lean_of(const struct dfs_avl_node *node)
{
    return height_of(node->right) - height_of(node->left);
}

static void measure(struct dfs_avl_node *node)
{
    const int left = height_of(node->left);
    const int right = height_of(node->right);

    node->height = 1 + (left > right ? left : right);
}

/* `with` (or NULL) takes the place of `node` below its parent. */
static void replace(struct dfs_avl *tree, struct dfs_avl_node *node, struct dfs_avl_node *with)
{
    struct dfs_avl_node *parent = node->parent;

    if (parent == NULL)
        tree->root = with;
    else if (parent->left == node)
        parent->left = with;
    else
        parent->right = with;
    if (with != NULL)
        with->parent = parent;
}

static void adopt_left(struct dfs_avl_node *node, struct dfs_avl_node *child)
{
    node->left = child;
    if (child != NULL)
        child->parent = node;
}

static void adopt_right(struct dfs_avl_node *node, struct dfs_avl_node *child)
{
    node->right = child;
    if (child != NULL)
        child->parent = node;
}

/* The right child becomes the parent; returned. */
static struct dfs_avl_node *rotate_left(struct dfs_avl *tree, struct dfs_avl_node *node)
{
    struct dfs_avl_node *top = node->right;

    replace(tree, node, top);
    adopt_right(node, top->left);
    adopt_left(top, node);
    measure(node);
    measure(top);
    return top;
}

static struct dfs_avl_node *rotate_right(struct dfs_avl *tree, struct dfs_avl_node *node)
{
    struct dfs_avl_node *top = node->left;

    replace(tree, node, top);
    adopt_left(node, top->right);
    adopt_right(top, node);
    measure(node);
    measure(top);
    return top;
}

/* Both sides of `node` are balanced and differ by at most two; returns what stands in its place, balanced. */
static struct dfs_avl_node *balance(struct dfs_avl *tree, struct dfs_avl_node *node)
{
    const int lean = lean_of(node);

    if (lean > 1) {
        if (lean_of(node->right) < 0)
            (void)rotate_right(tree, node->right);
        return rotate_left(tree, node);
    }
    if (lean < -1) {
        if (lean_of(node->left) > 0)
            (void)rotate_left(tree, node->left);
        return rotate_right(tree, node);
    }
    measure(node);
    return node;
}

/* From the lowest node whose side has changed up to where the height is what it was. */
static void balance_up(struct dfs_avl *tree, struct dfs_avl_node *node)
{
    while (node != NULL) {
        const int before = node->height;

        node = balance(tree, node);
        if (node->height == before)
            return;
        node = node->parent;
    }
}

/* Change ----------------------------------------------------------------------------------------------------------- */

struct dfs_avl_node *dfs_avl_insert(struct dfs_avl *tree, struct dfs_avl_node *node)
{
    struct dfs_avl_node **place = &tree->root;
    struct dfs_avl_node *parent = NULL;

    while (*place != NULL) {
        const int order = tree->compare(node, *place);

        if (order == 0)
            return *place;
        parent = *place;
        place = order < 0 ? &parent->left : &parent->right;
    }
    *node = (struct dfs_avl_node){.parent = parent, .height = 1};
    *place = node;
    tree->count++;
    balance_up(tree, parent);
    return NULL;
}

static struct dfs_avl_node *leftmost(struct dfs_avl_node *node)
{
    while (node->left != NULL)
        node = node->left;
    return node;
}

static struct dfs_avl_node *rightmost(struct dfs_avl_node *node)
{
    while (node->right != NULL)
        node = node->right;
    return node;
}

void dfs_avl_remove(struct dfs_avl *tree, struct dfs_avl_node *node)
{
    struct dfs_avl_node *changed; /* the lowest node whose side has changed */

    DFS_ASSERT(tree->count > 0);
    if (node->left == NULL || node->right == NULL) {
        changed = node->parent;
        replace(tree, node, node->left != NULL ? node->left : node->right);
    } else {
        struct dfs_avl_node *heir = leftmost(node->right);

        changed = heir->parent == node ? heir : heir->parent;
        replace(tree, heir, heir->right);
        replace(tree, node, heir);
        adopt_left(heir, node->left);
        adopt_right(heir, node->right);
        heir->height = node->height;
    }
    tree->count--;
    *node = (struct dfs_avl_node){0};
    balance_up(tree, changed);
}

/* Search ----------------------------------------------------------------------------------------------------------- */

struct dfs_avl_node *dfs_avl_find(const struct dfs_avl *tree, const struct dfs_avl_node *probe)
{
    struct dfs_avl_node *node = tree->root;

    while (node != NULL) {
        const int order = tree->compare(probe, node);

        if (order == 0)
            return node;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

struct dfs_avl_node *dfs_avl_at_least(const struct dfs_avl *tree, const struct dfs_avl_node *probe)
{
    struct dfs_avl_node *node = tree->root;
    struct dfs_avl_node *best = NULL;

    while (node != NULL) {
        const int order = tree->compare(probe, node);

        if (order == 0)
            return node;
        if (order < 0)
            best = node;
        node = order < 0 ? node->left : node->right;
    }
    return best;
}

struct dfs_avl_node *dfs_avl_first(const struct dfs_avl *tree)
{
    return tree->root == NULL ? NULL : leftmost(tree->root);
}

struct dfs_avl_node *dfs_avl_next(const struct dfs_avl_node *node)
{
    struct dfs_avl_node *parent = node->parent;

    if (node->right != NULL)
        return leftmost(node->right);
    while (parent != NULL && parent->right == node) {
        node = parent;
        parent = node->parent;
    }
    return parent;
}

struct dfs_avl_node *dfs_avl_prev(const struct dfs_avl_node *node)
{
    struct dfs_avl_node *parent = node->parent;

    if (node->left != NULL)
        return rightmost(node->left);
    while (parent != NULL && parent->left == node) {
        node = parent;
        parent = node->parent;
    }
    return parent;
}

/* Soundness -------------------------------------------------------------------------------------------------------- */

struct walk {
    const struct dfs_avl *tree;
    const struct dfs_avl_node *last; /* the one before, in order */
    size_t count;
};

/* Ends for any graph: a node is entered from its parent only, and not below AVL_HEIGHT_MAX. */
static bool is_sound_below(struct walk *walk, const struct dfs_avl_node *node, const struct dfs_avl_node *parent,
                           int depth)
{
    if (node == NULL)
        return true;
    if (node->parent != parent || depth > AVL_HEIGHT_MAX || !is_sound_below(walk, node->left, node, depth + 1))
        return false;
    if (walk->last != NULL && walk->tree->compare(walk->last, node) >= 0)
        return false;
    walk->last = node;
    walk->count++;
    if (!is_sound_below(walk, node->right, node, depth + 1))
        return false;
    return lean_of(node) >= -1 && lean_of(node) <= 1 &&
           node->height == 1 + (lean_of(node) > 0 ? height_of(node->right) : height_of(node->left));
}

bool dfs_avl_is_sound(const struct dfs_avl *tree)
{
    struct walk walk = {.tree = tree};

    return is_sound_below(&walk, tree->root, NULL, 1) && walk.count == tree->count;
}

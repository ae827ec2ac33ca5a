#include "core/meta/paths.h"

#include "core/base/assert.h"
#include "core/base/hash.h"

#include <string.h>

#define HEAD_BYTES offsetof(struct meta_path, text)
#define SMALL_BYTES 40 /* of the first class */
#define SMALL_STEP 8
#define LARGE_STEP 32
#define LAST_SMALL_BYTES (SMALL_BYTES + SMALL_STEP * (META_PATHS_SMALL - 1))

_Static_assert(offsetof(struct meta_path, text) == 31, "a path's share of memory is promised");
_Static_assert(LAST_SMALL_BYTES + LARGE_STEP * (META_PATHS_CLASSES - META_PATHS_SMALL) >=
                   offsetof(struct meta_path, text) + DFS_PATH_BYTES_MAX,
               "the longest path has a class");
_Static_assert(META_PATHS_CLASSES <= UINT32_MAX >> META_PATH_CLASS_SHIFT, "a number holds every class");

/* No sound tree of 2^32 nodes is higher. */
#define HEIGHT_MAX 46

/* Records ---------------------------------------------------------------------------------------------------------- */

static uint32_t class_of(size_t text_bytes)
{
    const size_t bytes = HEAD_BYTES + text_bytes;

    if (bytes <= SMALL_BYTES)
        return 0;
    if (bytes <= LAST_SMALL_BYTES)
        return (uint32_t)((bytes - SMALL_BYTES + SMALL_STEP - 1) / SMALL_STEP);
    return (uint32_t)(META_PATHS_SMALL - 1 + (bytes - LAST_SMALL_BYTES + LARGE_STEP - 1) / LARGE_STEP);
}

static size_t class_bytes(uint32_t class)
{
    if (class < META_PATHS_SMALL)
        return SMALL_BYTES + SMALL_STEP * (size_t) class;
    return LAST_SMALL_BYTES + LARGE_STEP * (size_t)(class - META_PATHS_SMALL + 1);
}

static uint64_t hash_of_text(const struct meta_paths *paths, const char *text, size_t bytes)
{
    return dfs_hash64(paths->seed, text, bytes);
}

static uint64_t hash_of(const void *owner, uint32_t number)
{
    const struct meta_path *path = meta_path_at(owner, number);

    return hash_of_text(owner, path->text, path->text_bytes);
}

static uint32_t *chain_of(const void *owner, uint32_t number)
{
    return &meta_path_at(owner, number)->chain;
}

void meta_paths_init(struct meta_paths *paths, uint64_t seed)
{
    *paths = (struct meta_paths){.seed = seed};
    for (uint32_t i = 0; i < META_PATHS_CLASSES; i++)
        meta_pool_init(&paths->pools[i], class_bytes(i));
    meta_index_init(&paths->index, paths, hash_of, chain_of);
}

void meta_paths_close(struct meta_paths *paths)
{
    DFS_ASSERT(paths->index.count == 0 && paths->root == 0);
    for (uint32_t i = 0; i < META_PATHS_CLASSES; i++)
        meta_pool_close(&paths->pools[i]);
    meta_index_close(&paths->index);
}

meta_path_no meta_paths_find(const struct meta_paths *paths, const char *text, size_t bytes)
{
    meta_path_no number = meta_index_first(&paths->index, hash_of_text(paths, text, bytes));

    while (number != 0) {
        const struct meta_path *path = meta_path_at(paths, number);

        if (path->text_bytes == bytes && memcmp(path->text, text, bytes) == 0)
            break;
        number = path->chain;
    }
    return number;
}

meta_path_no meta_paths_add(struct meta_paths *paths, const char *text, size_t bytes)
{
    const uint32_t class = class_of(bytes);
    uint32_t place;
    meta_path_no number;
    struct meta_path *path;

    DFS_ASSERT(bytes > 0 && bytes <= DFS_PATH_BYTES_MAX);
    place = meta_pool_take(&paths->pools[class]);
    DFS_ASSERT(place < UINT32_C(1) << META_PATH_CLASS_SHIFT); /* 67 million paths of one class: 5 GB and more */
    number = class << META_PATH_CLASS_SHIFT | place;
    path = meta_path_at(paths, number);
    path->text_bytes = (uint16_t)bytes;
    memcpy(path->text, text, bytes);
    meta_index_add(&paths->index, hash_of_text(paths, text, bytes), number);
    return number;
}

void meta_paths_remove(struct meta_paths *paths, meta_path_no number)
{
    meta_paths_order(paths, number, false);
    meta_index_remove(&paths->index, hash_of(paths, number), number);
    meta_pool_give(&paths->pools[number >> META_PATH_CLASS_SHIFT],
                   number & ((UINT32_C(1) << META_PATH_CLASS_SHIFT) - 1));
}

uint64_t meta_paths_bytes(const struct meta_paths *paths)
{
    uint64_t bytes = (uint64_t)paths->index.room * sizeof paths->index.heads[0];

    for (uint32_t i = 0; i < META_PATHS_CLASSES; i++)
        bytes += meta_pool_bytes(&paths->pools[i]);
    return bytes;
}

int meta_path_compare(const struct meta_path *path, const char *text, size_t bytes)
{
    const size_t common = path->text_bytes < bytes ? path->text_bytes : bytes;
    const int order = common == 0 ? 0 : memcmp(path->text, text, common);

    if (order != 0)
        return order;
    return (path->text_bytes > bytes) - (path->text_bytes < bytes);
}

/* Balance: as in core/base/avl.c, with numbers ---------------------------------------------------------------------- */

static int height_of(const struct meta_paths *paths, meta_path_no number)
{
    return number == 0 ? 0 : meta_path_at(paths, number)->height;
}

/* Above zero: the right side is higher. */
static int lean_of(const struct meta_paths *paths, meta_path_no number)
{
    const struct meta_path *path = meta_path_at(paths, number);

    return height_of(paths, path->right) - height_of(paths, path->left);
}

static void measure(const struct meta_paths *paths, meta_path_no number)
{
    struct meta_path *path = meta_path_at(paths, number);
    const int left = height_of(paths, path->left);
    const int right = height_of(paths, path->right);

    path->height = (uint8_t)(1 + (left > right ? left : right));
}

/* `with` (or 0) takes the place of `number` below its parent. */
static void replace(struct meta_paths *paths, meta_path_no number, meta_path_no with)
{
    const meta_path_no above = meta_path_at(paths, number)->parent;

    if (above == 0) {
        paths->root = with;
    } else {
        struct meta_path *parent = meta_path_at(paths, above);

        if (parent->left == number)
            parent->left = with;
        else
            parent->right = with;
    }
    if (with != 0)
        meta_path_at(paths, with)->parent = above;
}

static void adopt_left(const struct meta_paths *paths, meta_path_no number, meta_path_no child)
{
    meta_path_at(paths, number)->left = child;
    if (child != 0)
        meta_path_at(paths, child)->parent = number;
}

static void adopt_right(const struct meta_paths *paths, meta_path_no number, meta_path_no child)
{
    meta_path_at(paths, number)->right = child;
    if (child != 0)
        meta_path_at(paths, child)->parent = number;
}

/* The right child becomes the parent; returned. */
static meta_path_no rotate_left(struct meta_paths *paths, meta_path_no number)
{
    const meta_path_no top = meta_path_at(paths, number)->right;

    replace(paths, number, top);
    adopt_right(paths, number, meta_path_at(paths, top)->left);
    adopt_left(paths, top, number);
    measure(paths, number);
    measure(paths, top);
    return top;
}

static meta_path_no rotate_right(struct meta_paths *paths, meta_path_no number)
{
    const meta_path_no top = meta_path_at(paths, number)->left;

    replace(paths, number, top);
    adopt_left(paths, number, meta_path_at(paths, top)->right);
    adopt_right(paths, top, number);
    measure(paths, number);
    measure(paths, top);
    return top;
}

/* Both sides are balanced and differ by at most two; returns what stands in its place, balanced. */
static meta_path_no balance(struct meta_paths *paths, meta_path_no number)
{
    const struct meta_path *path = meta_path_at(paths, number);
    const int lean = lean_of(paths, number);

    if (lean > 1) {
        if (lean_of(paths, path->right) < 0)
            (void)rotate_right(paths, path->right);
        return rotate_left(paths, number);
    }
    if (lean < -1) {
        if (lean_of(paths, path->left) > 0)
            (void)rotate_left(paths, path->left);
        return rotate_right(paths, number);
    }
    measure(paths, number);
    return number;
}

/* From the lowest whose side has changed up to where the height is what it was. */
static void balance_up(struct meta_paths *paths, meta_path_no number)
{
    while (number != 0) {
        const uint8_t before = meta_path_at(paths, number)->height;

        number = balance(paths, number);
        if (meta_path_at(paths, number)->height == before)
            return;
        number = meta_path_at(paths, number)->parent;
    }
}

/* The order -------------------------------------------------------------------------------------------------------- */

static void order_enter(struct meta_paths *paths, meta_path_no number)
{
    struct meta_path *path = meta_path_at(paths, number);
    meta_path_no *place = &paths->root;
    meta_path_no parent = 0;

    while (*place != 0) {
        struct meta_path *at = meta_path_at(paths, *place);
        const int order = meta_path_compare(at, path->text, path->text_bytes);

        DFS_ASSERT(order != 0);
        parent = *place;
        place = order > 0 ? &at->left : &at->right;
    }
    path->left = 0;
    path->right = 0;
    path->parent = parent;
    path->height = 1;
    *place = number;
    paths->ordered++;
    balance_up(paths, parent);
}

static meta_path_no leftmost(const struct meta_paths *paths, meta_path_no number)
{
    while (meta_path_at(paths, number)->left != 0)
        number = meta_path_at(paths, number)->left;
    return number;
}

static void order_leave(struct meta_paths *paths, meta_path_no number)
{
    struct meta_path *path = meta_path_at(paths, number);
    meta_path_no changed; /* the lowest whose side has changed */

    if (path->left == 0 || path->right == 0) {
        changed = path->parent;
        replace(paths, number, path->left != 0 ? path->left : path->right);
    } else {
        const meta_path_no heir = leftmost(paths, path->right);
        struct meta_path *heir_path = meta_path_at(paths, heir);

        changed = heir_path->parent == number ? heir : heir_path->parent;
        replace(paths, heir, heir_path->right);
        replace(paths, number, heir);
        adopt_left(paths, heir, path->left);
        adopt_right(paths, heir, path->right);
        heir_path->height = path->height;
    }
    paths->ordered--;
    path->left = 0;
    path->right = 0;
    path->parent = 0;
    path->height = 0;
    balance_up(paths, changed);
}

void meta_paths_order(struct meta_paths *paths, meta_path_no number, bool in)
{
    if ((meta_path_at(paths, number)->height != 0) == in)
        return;
    if (in)
        order_enter(paths, number);
    else
        order_leave(paths, number);
}

struct meta_path *meta_paths_at_least(const struct meta_paths *paths, const char *text, size_t bytes)
{
    meta_path_no number = paths->root;
    struct meta_path *best = NULL;

    while (number != 0) {
        struct meta_path *path = meta_path_at(paths, number);
        const int order = meta_path_compare(path, text, bytes);

        if (order == 0)
            return path;
        if (order > 0)
            best = path;
        number = order > 0 ? path->left : path->right;
    }
    return best;
}

struct meta_path *meta_paths_next(const struct meta_paths *paths, const struct meta_path *path)
{
    if (path->right != 0)
        return meta_path_at(paths, leftmost(paths, path->right));
    while (path->parent != 0) {
        struct meta_path *parent = meta_path_at(paths, path->parent);

        if (parent->right == 0 || meta_path_at(paths, parent->right) != path)
            return parent;
        path = parent;
    }
    return NULL;
}

/* Soundness -------------------------------------------------------------------------------------------------------- */

struct walk {
    const struct meta_paths *paths;
    const struct meta_path *last; /* the one before, in order */
    uint32_t count;
};

/* Ends for any graph: a node is entered from its parent only, and not below HEIGHT_MAX. */
static bool is_sound_below(struct walk *walk, meta_path_no number, meta_path_no parent, int depth)
{
    const struct meta_path *path;

    if (number == 0)
        return true;
    path = meta_path_at(walk->paths, number);
    if (path->parent != parent || depth > HEIGHT_MAX || !is_sound_below(walk, path->left, number, depth + 1))
        return false;
    if (walk->last != NULL && meta_path_compare(walk->last, path->text, path->text_bytes) >= 0)
        return false;
    walk->last = path;
    walk->count++;
    if (!is_sound_below(walk, path->right, number, depth + 1))
        return false;
    const int lean = lean_of(walk->paths, number);

    return lean >= -1 && lean <= 1 && path->height == 1 + height_of(walk->paths, lean > 0 ? path->right : path->left);
}

bool meta_paths_is_sound(const struct meta_paths *paths)
{
    struct walk walk = {.paths = paths};
    uint32_t count = 0;

    for (uint32_t i = 0; i < META_PATHS_CLASSES; i++)
        count += paths->pools[i].count;
    return is_sound_below(&walk, paths->root, 0, 1) && walk.count == paths->ordered && count == paths->index.count &&
           meta_index_is_sound(&paths->index);
}

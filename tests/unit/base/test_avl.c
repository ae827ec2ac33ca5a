/* The tree stays a balanced search tree whatever is done to it, and agrees with a table of who is in. */
#include "tests/unit/base/check.h"

#include "core/base/avl.h"

#include <stdlib.h>

#define KEYS 200

struct item {
    unsigned key;
    struct dfs_avl_node node;
};

static unsigned key_of(const struct dfs_avl_node *node)
{
    return ((const struct item *)(const void *)((const char *)node - offsetof(struct item, node)))->key;
}

static int compare(const struct dfs_avl_node *a, const struct dfs_avl_node *b)
{
    return (key_of(a) > key_of(b)) - (key_of(a) < key_of(b));
}

static void make_items(struct item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        items[i] = (struct item){.key = i};
}

/* Walks in both directions and every search, against the table. */
static void check_against(const struct dfs_avl *tree, struct item *items, const bool *in)
{
    struct dfs_avl_node *walk = dfs_avl_first(tree);
    struct dfs_avl_node *last = NULL;
    struct dfs_avl_node *at_least = NULL;
    size_t count = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        const struct item probe = {.key = i};

        assert_ptr_equal(dfs_avl_find(tree, &probe.node), in[i] ? &items[i].node : NULL);
        if (!in[i])
            continue;
        assert_ptr_equal(walk, &items[i].node);
        assert_ptr_equal(dfs_avl_prev(walk), last);
        last = walk;
        walk = dfs_avl_next(walk);
        count++;
    }
    assert_null(walk);
    for (unsigned i = KEYS; i-- > 0;) {
        const struct item probe = {.key = i};

        at_least = in[i] ? &items[i].node : at_least;
        assert_ptr_equal(dfs_avl_at_least(tree, &probe.node), at_least);
    }
    assert_int_equal(tree->count, count);
}

static void any_sequence_of_insertions_and_removals_agrees_with_a_table(void **state)
{
    static struct item items[KEYS];
    static bool in[KEYS];
    struct sequence sequence = {13};
    struct dfs_avl tree;

    (void)state;
    dfs_avl_init(&tree, compare);
    make_items(items, KEYS);
    check_against(&tree, items, in);
    for (unsigned step = 0; step < 10000; step++) {
        const unsigned growing = step / 1000 % 2 == 0 ? 7 : 3; /* fill and drain by turns */
        const size_t i = draw_below(&sequence, KEYS);

        if (draw_below(&sequence, 10) < growing) {
            struct item twin = {.key = (unsigned)i};

            if (in[i])
                assert_ptr_equal(dfs_avl_insert(&tree, &twin.node), &items[i].node);
            else
                assert_null(dfs_avl_insert(&tree, &items[i].node));
            in[i] = true;
        } else if (in[i]) {
            dfs_avl_remove(&tree, &items[i].node);
            in[i] = false;
        }
        assert_true(dfs_avl_is_sound(&tree));
        check_against(&tree, items, in);
    }
}

/* Every shape that up to seven keys can grow into, and every removal from it. */
static void permute(unsigned *keys, unsigned count, unsigned done)
{
    static struct item items[7];

    if (done < count) {
        for (unsigned i = done; i < count; i++) {
            const unsigned kept = keys[done];

            keys[done] = keys[i];
            keys[i] = kept;
            permute(keys, count, done + 1);
            keys[i] = keys[done];
            keys[done] = kept;
        }
        return;
    }
    for (unsigned removed = 0; removed < count; removed++) {
        struct dfs_avl tree;

        dfs_avl_init(&tree, compare);
        make_items(items, count);
        for (unsigned i = 0; i < count; i++)
            assert_null(dfs_avl_insert(&tree, &items[keys[i]].node));
        assert_true(dfs_avl_is_sound(&tree));
        dfs_avl_remove(&tree, &items[removed].node);
        assert_true(dfs_avl_is_sound(&tree));
        assert_null(dfs_avl_find(&tree, &items[removed].node));
        assert_int_equal(tree.count, count - 1);
    }
}

static void every_order_of_up_to_seven_keys_and_every_removal_stays_sound(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 7; count++) {
        unsigned keys[7] = {0, 1, 2, 3, 4, 5, 6};

        permute(keys, count, 0);
    }
}

static void keys_in_ascending_order_make_no_list(void **state)
{
    const unsigned count = 1u << 17;
    struct item *items = malloc(count * sizeof *items);
    struct dfs_avl tree;

    (void)state;
    dfs_avl_init(&tree, compare);
    make_items(items, count);
    for (unsigned i = 0; i < count; i++)
        assert_null(dfs_avl_insert(&tree, &items[i].node));
    assert_true(dfs_avl_is_sound(&tree));
    assert_in_range(tree.root->height, 18, 25); /* at most 1.4405 log2(n + 2) */
    for (unsigned i = 0; i < count; i += 2)
        dfs_avl_remove(&tree, &items[i].node);
    assert_true(dfs_avl_is_sound(&tree));
    assert_int_equal(tree.count, count / 2);
    while (tree.root != NULL)
        dfs_avl_remove(&tree, tree.root);
    assert_int_equal(tree.count, 0);
    assert_true(dfs_avl_is_sound(&tree));
    free(items);
}

static void every_kind_of_damage_is_found(void **state)
{
    struct item items[15];
    struct item saved[15];
    struct dfs_avl tree;

    (void)state;
    dfs_avl_init(&tree, compare);
    make_items(items, 15);
    for (unsigned i = 0; i < 15; i++)
        assert_null(dfs_avl_insert(&tree, &items[i].node)); /* 7 at the top, 3 and 11 below, the even ones are leaves */
    assert_ptr_equal(tree.root, &items[7].node);
    assert_true(dfs_avl_is_sound(&tree));
    memcpy(saved, items, sizeof items);

    items[4].key = 8; /* order */
    assert_false(dfs_avl_is_sound(&tree));
    memcpy(items, saved, sizeof items);
    items[4].key = 3; /* a key twice */
    assert_false(dfs_avl_is_sound(&tree));
    memcpy(items, saved, sizeof items);
    items[11].node.height++; /* heights */
    assert_false(dfs_avl_is_sound(&tree));
    memcpy(items, saved, sizeof items);
    items[7].node.height--;
    assert_false(dfs_avl_is_sound(&tree));
    memcpy(items, saved, sizeof items);
    items[0].node.parent = &items[3].node; /* parents */
    assert_false(dfs_avl_is_sound(&tree));
    memcpy(items, saved, sizeof items);
    items[7].node.parent = &items[7].node;
    assert_false(dfs_avl_is_sound(&tree));
    memcpy(items, saved, sizeof items);
    items[1].node.left = &items[7].node; /* a circle */
    assert_false(dfs_avl_is_sound(&tree));
    memcpy(items, saved, sizeof items);
    items[3].node.left = NULL; /* leans too far, with heights that agree */
    items[3].node.height = 3;
    tree.count = 12;
    assert_false(dfs_avl_is_sound(&tree));
    memcpy(items, saved, sizeof items);
    items[11].node.right = NULL; /* to the other side */
    items[11].node.height = 3;
    assert_false(dfs_avl_is_sound(&tree));
    memcpy(items, saved, sizeof items);
    tree.count = 14; /* count */
    assert_false(dfs_avl_is_sound(&tree));
    tree.count = 15;
    assert_true(dfs_avl_is_sound(&tree));
}

static void remove_from_an_empty_tree(void)
{
    struct dfs_avl tree;
    struct item item = {0};

    dfs_avl_init(&tree, compare);
    dfs_avl_remove(&tree, &item.node);
}

static void removing_from_an_empty_tree_panics(void **state)
{
    (void)state;
    assert_true(panics(remove_from_an_empty_tree, "tree->count > 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_sequence_of_insertions_and_removals_agrees_with_a_table),
        cmocka_unit_test(every_order_of_up_to_seven_keys_and_every_removal_stays_sound),
        cmocka_unit_test(keys_in_ascending_order_make_no_list),
        cmocka_unit_test(every_kind_of_damage_is_found),
        cmocka_unit_test(removing_from_an_empty_tree_panics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

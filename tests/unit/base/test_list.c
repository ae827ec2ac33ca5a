/* The intrusive list. */
#include "tests/unit/base/check.h"

#include "core/base/list.h"

struct item {
    char name;
    struct dfs_list link;
};

/* The names in the list, forwards; backwards they must be the same. */
static void check_names(struct dfs_list *list, const char *names)
{
    const size_t count = strlen(names);
    struct dfs_list *back = list->prev;
    size_t i = 0;

    dfs_list_each(at, list)
    {
        assert_true(i < count);
        assert_int_equal(dfs_container_of(at, struct item, link)->name, names[i]);
        i++;
    }
    assert_int_equal(i, count);
    while (i-- > 0) {
        assert_int_equal(dfs_container_of(back, struct item, link)->name, names[i]);
        back = back->prev;
    }
    assert_ptr_equal(back, list);
    assert_int_equal(dfs_list_empty(list), count == 0);
}

static void make_items(struct item items[4])
{
    for (size_t i = 0; i < 4; i++) {
        items[i].name = (char)('a' + i);
        dfs_list_init(&items[i].link);
    }
}

static void items_leave_in_the_order_in_which_they_were_pushed(void **state)
{
    struct item items[4];
    struct dfs_list list;

    (void)state;
    make_items(items);
    dfs_list_init(&list);
    check_names(&list, "");
    assert_null(dfs_list_first(&list));
    assert_null(dfs_list_pop(&list));
    for (size_t i = 0; i < 3; i++)
        dfs_list_push(&list, &items[i].link);
    dfs_list_push_front(&list, &items[3].link);
    check_names(&list, "dabc");
    assert_ptr_equal(dfs_list_first(&list), &items[3].link);
    assert_ptr_equal(dfs_list_pop(&list), &items[3].link);
    assert_false(dfs_list_linked(&items[3].link));
    dfs_list_insert(&items[1].link, &items[3].link);
    check_names(&list, "adbc");
}

static void removing_twice_is_harmless(void **state)
{
    struct item items[4];
    struct dfs_list list;

    (void)state;
    make_items(items);
    dfs_list_init(&list);
    for (size_t i = 0; i < 4; i++)
        dfs_list_push(&list, &items[i].link);
    assert_true(dfs_list_linked(&items[1].link));
    dfs_list_remove(&items[1].link);
    dfs_list_remove(&items[1].link);
    assert_false(dfs_list_linked(&items[1].link));
    check_names(&list, "acd");
}

static void a_walk_may_remove_where_it_stands(void **state)
{
    struct item items[4];
    struct dfs_list list;

    (void)state;
    make_items(items);
    dfs_list_init(&list);
    for (size_t i = 0; i < 4; i++)
        dfs_list_push(&list, &items[i].link);
    dfs_list_each(at, &list)
    {
        if (dfs_container_of(at, struct item, link)->name != 'c')
            dfs_list_remove(at);
    }
    check_names(&list, "c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_leave_in_the_order_in_which_they_were_pushed),
        cmocka_unit_test(removing_twice_is_harmless),
        cmocka_unit_test(a_walk_may_remove_where_it_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* An order is walked while items come and go: a mark keeps its place. */
#include "tests/unit/base/check.h"

#include "core/base/order.h"

#define ITEMS 60

struct item {
    struct dfs_list link;
    unsigned met;
    bool in;
    bool there_at_the_beginning;
};

static struct item *item_of(struct dfs_list *link)
{
    return link == NULL ? NULL : dfs_container_of(link, struct item, link);
}

static void items_come_in_the_order_in_which_they_were_pushed(void **state)
{
    struct item items[4] = {0};
    struct dfs_order order;
    struct dfs_list *at = NULL;

    (void)state;
    dfs_order_init(&order);
    assert_null(dfs_order_next(&order, NULL));
    for (size_t i = 0; i < 3; i++)
        dfs_order_push(&order, &items[i].link);
    dfs_order_push_front(&order, &items[3].link);
    assert_int_equal(order.count, 4);
    for (size_t i = 0; i < 4; i++) {
        at = dfs_order_next(&order, at);
        assert_ptr_equal(item_of(at), &items[(i + 3) % 4]);
    }
    assert_null(dfs_order_next(&order, at));
    dfs_order_remove(&order, &items[3].link);
    assert_ptr_equal(dfs_order_next(&order, NULL), &items[0].link);
    assert_int_equal(order.count, 3);
}

static void a_mark_stays_between_two_items(void **state)
{
    struct item items[4] = {0};
    struct dfs_order order;
    struct dfs_mark mark;
    struct dfs_mark other;

    (void)state;
    dfs_order_init(&order);
    dfs_mark_init(&mark, &order);
    dfs_mark_init(&other, &order);
    assert_null(dfs_mark_item(&mark));
    assert_null(dfs_mark_next(&mark));
    for (size_t i = 0; i < 4; i++)
        dfs_order_push(&order, &items[i].link);
    assert_ptr_equal(dfs_mark_next(&mark), &items[0].link);
    dfs_mark_set(&mark, &items[1].link);
    dfs_mark_move(&other, &mark);
    dfs_order_remove(&order, &items[2].link); /* the one behind it */
    assert_ptr_equal(dfs_mark_item(&mark), &items[1].link);
    assert_ptr_equal(dfs_mark_next(&mark), &items[3].link);
    dfs_order_remove(&order, &items[1].link); /* the one before it */
    assert_ptr_equal(dfs_mark_item(&mark), &items[0].link);
    assert_ptr_equal(dfs_mark_next(&mark), &items[3].link);
    assert_ptr_equal(dfs_mark_next(&other), &items[3].link);
    dfs_mark_close(&other);
    dfs_order_remove(&order, &items[0].link); /* now it stands at the beginning */
    assert_null(dfs_mark_item(&mark));
    assert_ptr_equal(dfs_mark_next(&mark), &items[3].link);
    assert_ptr_equal(other.after, &items[0].link); /* a closed mark is nobody's any more */
    dfs_mark_set(&mark, &items[3].link);
    assert_null(dfs_mark_next(&mark));
    dfs_order_push(&order, &items[0].link);
    assert_ptr_equal(dfs_mark_next(&mark), &items[0].link);
    dfs_mark_rewind(&mark);
    assert_ptr_equal(dfs_mark_next(&mark), &items[3].link);
}

/* Between two steps of a walk anything is pushed or removed, the item just met and the next one above all. */
static void disturb(struct sequence *sequence, struct dfs_order *order, struct item *items, const struct dfs_mark *mark)
{
    struct item *item = &items[draw_below(sequence, ITEMS)];
    const size_t kind = draw_below(sequence, 4);

    if (kind == 0 && dfs_mark_item(mark) != NULL)
        item = item_of(dfs_mark_item(mark));
    else if (kind == 1 && dfs_mark_next(mark) != NULL)
        item = item_of(dfs_mark_next(mark));
    if (item->in) {
        dfs_order_remove(order, &item->link);
        item->there_at_the_beginning = false;
    } else {
        dfs_order_push(order, &item->link);
    }
    item->in = !item->in;
}

static void a_walk_meets_what_was_there_and_stays_once_and_in_order(void **state)
{
    struct sequence sequence = {1};

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct item items[ITEMS] = {0};
        struct dfs_order order;
        struct dfs_mark marks[3];
        struct dfs_list *link;
        const struct item *last = NULL;

        dfs_order_init(&order);
        for (size_t i = 0; i < 3; i++)
            dfs_mark_init(&marks[i], &order);
        for (size_t i = 0; i < ITEMS; i++) {
            items[i].in = draw_below(&sequence, 3) > 0;
            items[i].there_at_the_beginning = items[i].in;
            if (items[i].in)
                dfs_order_push(&order, &items[i].link);
        }
        while ((link = dfs_mark_next(&marks[1])) != NULL) {
            struct item *item = item_of(link);

            if (item->there_at_the_beginning) {
                assert_int_equal(item->met, 0);
                assert_true(last == NULL || last < item);
                last = item;
                item->met++;
            }
            dfs_mark_set(&marks[1], link);
            if (draw_below(&sequence, 3) > 0) /* not always, or the walk might never come to the end */
                disturb(&sequence, &order, items, &marks[1]);
        }
        for (size_t i = 0; i < ITEMS; i++)
            assert_int_equal(items[i].met > 0 || !items[i].there_at_the_beginning, 1);
        assert_null(dfs_mark_item(&marks[0])); /* nobody moved them */
        assert_null(dfs_mark_item(&marks[2]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_in_the_order_in_which_they_were_pushed),
        cmocka_unit_test(a_mark_stays_between_two_items),
        cmocka_unit_test(a_walk_meets_what_was_there_and_stays_once_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

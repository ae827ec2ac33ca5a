/* The heap of times against a list that is searched from end to end. */
#include "tests/unit/base/check.h"

#include "core/base/heap.h"

#define ITEMS 300

struct timer {
    struct dfs_heap_item item;
    dfs_time_ns at;
    uint64_t order;
    bool in;
};

static struct timer *timer_of(struct dfs_heap_item *item)
{
    return (struct timer *)(void *)((char *)item - offsetof(struct timer, item));
}

static void an_empty_heap_wants_nothing(void **state)
{
    struct dfs_heap heap;
    struct dfs_heap_item item;

    (void)state;
    dfs_heap_init(&heap);
    dfs_heap_item_init(&item);
    assert_true(dfs_heap_next(&heap) == DFS_NEVER);
    assert_null(dfs_heap_pop(&heap, DFS_NEVER));
    assert_false(dfs_heap_has(&item));
    dfs_heap_remove(&heap, &item);
    dfs_heap_close(&heap);
}

static void an_item_leaves_when_its_time_has_come_and_not_before(void **state)
{
    struct dfs_heap heap;
    struct dfs_heap_item item;

    (void)state;
    dfs_heap_init(&heap);
    dfs_heap_item_init(&item);
    dfs_heap_set(&heap, &item, 10);
    assert_true(dfs_heap_has(&item));
    assert_int_equal(dfs_heap_next(&heap), 10);
    assert_int_equal(dfs_heap_time(&heap, &item), 10);
    assert_null(dfs_heap_pop(&heap, 9));
    assert_ptr_equal(dfs_heap_pop(&heap, 10), &item);
    assert_false(dfs_heap_has(&item));
    assert_null(dfs_heap_pop(&heap, DFS_NEVER));
    dfs_heap_close(&heap);
}

static void equal_times_leave_in_the_order_in_which_they_were_set(void **state)
{
    struct dfs_heap heap;
    struct dfs_heap_item items[ITEMS];

    (void)state;
    dfs_heap_init(&heap);
    for (size_t i = 0; i < ITEMS; i++) {
        dfs_heap_item_init(&items[i]);
        dfs_heap_set(&heap, &items[i], 7);
    }
    dfs_heap_set(&heap, &items[0], 7); /* set again: now the last */
    for (size_t i = 1; i < ITEMS; i++)
        assert_ptr_equal(dfs_heap_pop(&heap, 7), &items[i]);
    assert_ptr_equal(dfs_heap_pop(&heap, 7), &items[0]);
    dfs_heap_close(&heap);
}

static void closing_forgets_the_items(void **state)
{
    struct dfs_heap heap;
    struct dfs_heap_item items[3];

    (void)state;
    dfs_heap_init(&heap);
    for (size_t i = 0; i < 3; i++) {
        dfs_heap_item_init(&items[i]);
        dfs_heap_set(&heap, &items[i], i);
    }
    dfs_heap_close(&heap);
    for (size_t i = 0; i < 3; i++)
        assert_false(dfs_heap_has(&items[i]));
    assert_true(dfs_heap_next(&heap) == DFS_NEVER);
}

/* The earliest of those that are in, by search. */
static struct timer *earliest(struct timer *timers)
{
    struct timer *best = NULL;

    for (size_t i = 0; i < ITEMS; i++) {
        struct timer *timer = &timers[i];

        if (timer->in &&
            (best == NULL || timer->at < best->at || (timer->at == best->at && timer->order < best->order)))
            best = timer;
    }
    return best;
}

static void check_against(const struct dfs_heap *heap, struct timer *timers)
{
    const struct timer *first = earliest(timers);
    size_t count = 0;

    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(dfs_heap_has(&timers[i].item), timers[i].in);
        if (timers[i].in) {
            assert_int_equal(dfs_heap_time(heap, &timers[i].item), timers[i].at);
            count++;
        }
    }
    assert_int_equal(heap->count, count);
    assert_true(dfs_heap_next(heap) == (first == NULL ? DFS_NEVER : first->at));
}

static void any_sequence_of_sets_removals_and_pops_agrees_with_a_search(void **state)
{
    static struct timer timers[ITEMS];
    struct sequence sequence = {12};
    struct dfs_heap heap;
    uint64_t order = 0;

    (void)state;
    dfs_heap_init(&heap);
    for (size_t i = 0; i < ITEMS; i++)
        dfs_heap_item_init(&timers[i].item);
    for (unsigned step = 0; step < 40000; step++) {
        const unsigned growing = step / 4000 % 2 == 0 ? 6 : 3; /* fill and drain by turns */
        struct timer *timer = &timers[draw_below(&sequence, ITEMS)];
        const size_t choice = draw_below(&sequence, 10);

        if (choice < growing) {
            timer->at = draw_below(&sequence, 100); /* few times: many ties */
            timer->order = order++;
            timer->in = true;
            dfs_heap_set(&heap, &timer->item, timer->at);
        } else if (choice < 8) {
            timer->in = false;
            dfs_heap_remove(&heap, &timer->item);
        } else {
            const dfs_time_ns now = draw_below(&sequence, 100);
            struct timer *expected = earliest(timers);
            struct dfs_heap_item *popped = dfs_heap_pop(&heap, now);

            if (expected == NULL || expected->at > now) {
                assert_null(popped);
            } else {
                assert_non_null(popped);
                assert_ptr_equal(timer_of(popped), expected);
                expected->in = false;
            }
        }
        check_against(&heap, timers);
    }
    dfs_heap_close(&heap);
}

static void ask_for_the_time_of_a_stranger(void)
{
    struct dfs_heap heap;
    struct dfs_heap_item item;

    dfs_heap_init(&heap);
    dfs_heap_item_init(&item);
    (void)dfs_heap_time(&heap, &item);
}

static void remove_from_another_heap(void)
{
    struct dfs_heap heap;
    struct dfs_heap other;
    struct dfs_heap_item items[2];

    dfs_heap_init(&heap);
    dfs_heap_init(&other);
    dfs_heap_item_init(&items[0]);
    dfs_heap_item_init(&items[1]);
    dfs_heap_set(&heap, &items[0], 1);
    dfs_heap_set(&other, &items[1], 1);
    dfs_heap_remove(&other, &items[0]);
}

static void an_item_that_is_not_in_this_heap_panics(void **state)
{
    (void)state;
    assert_true(panics(ask_for_the_time_of_a_stranger, "place_of"));
    assert_true(panics(remove_from_another_heap, "place_of"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_heap_wants_nothing),
        cmocka_unit_test(an_item_leaves_when_its_time_has_come_and_not_before),
        cmocka_unit_test(equal_times_leave_in_the_order_in_which_they_were_set),
        cmocka_unit_test(closing_forgets_the_items),
        cmocka_unit_test(any_sequence_of_sets_removals_and_pops_agrees_with_a_search),
        cmocka_unit_test(an_item_that_is_not_in_this_heap_panics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The pool: bounded, aligned, shared by reference, and it calls who waits. */
#include "tests/unit/base/check.h"

#include "core/base/buf.h"
#include "core/base/limits.h"

#define SMALL (512 + DFS_BULK_SLACK_BYTES)
#define FRAME (DFS_FRAME_BULK_BYTES_MAX + DFS_BULK_SLACK_BYTES)

/* Sizes and bounds --------------------------------------------------------------------------------------------------- */

static void a_buffer_has_room_for_what_was_asked_and_the_slack(void **state)
{
    struct dfs_buf_pool pool;

    (void)state;
    dfs_buf_pool_init(&pool, FRAME);
    for (size_t bytes = 0; bytes <= DFS_FRAME_BULK_BYTES_MAX; bytes = bytes * 5 / 4 + 1) {
        struct dfs_buf *buf = dfs_buf_new(&pool, bytes);

        assert_non_null(buf);
        assert_true(buf->capacity >= bytes + DFS_BULK_SLACK_BYTES);
        assert_true(bytes <= 512 || buf->capacity - DFS_BULK_SLACK_BYTES < 2 * bytes);
        assert_int_equal(buf->count, 0);
        assert_int_equal(buf->references, 1);
        if (bytes > 2048)
            assert_int_equal((uintptr_t)buf->bytes % 4096, 0);
        memset(buf->bytes, 0x5a, buf->capacity);
        buf->count = bytes;
        dfs_buf_unref(buf);
    }
    dfs_buf_pool_close(&pool);
}

static void each_size_takes_the_smallest_class_it_fits_into(void **state)
{
    struct dfs_buf_pool pool;

    (void)state;
    dfs_buf_pool_init(&pool, FRAME);
    for (uint32_t i = 0; i < DFS_BUF_CLASSES; i++) {
        const size_t class_bytes = (size_t)512 << i;
        struct dfs_buf *full = dfs_buf_new(&pool, class_bytes);

        assert_int_equal(full->class_index, i);
        assert_int_equal(full->capacity, class_bytes + DFS_BULK_SLACK_BYTES);
        dfs_buf_unref(full);
        if (i + 1 < DFS_BUF_CLASSES) {
            struct dfs_buf *over = dfs_buf_new(&pool, class_bytes + 1);

            assert_int_equal(over->class_index, i + 1);
            dfs_buf_unref(over);
        }
    }
    dfs_buf_pool_close(&pool);
}

static void a_pool_gives_no_more_than_its_limit(void **state)
{
    struct dfs_buf_pool pool;
    struct dfs_buf *first;
    struct dfs_buf *second;

    (void)state;
    dfs_buf_pool_init(&pool, 2 * FRAME + SMALL - 1);
    first = dfs_buf_new(&pool, DFS_FRAME_BULK_BYTES_MAX);
    second = dfs_buf_new(&pool, DFS_FRAME_BULK_BYTES_MAX);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_null(dfs_buf_new(&pool, 1));
    dfs_buf_unref(first);
    first = dfs_buf_new(&pool, 1);
    assert_non_null(first);
    assert_int_equal(pool.bytes_out, FRAME + SMALL);
    assert_int_equal(pool.bytes_peak, 2 * FRAME);
    dfs_buf_unref(first);
    dfs_buf_unref(second);
    dfs_buf_pool_close(&pool);

    dfs_buf_pool_init(&pool, SMALL - 1);
    assert_null(dfs_buf_new(&pool, 0));
    dfs_buf_pool_close(&pool);
}

static void a_returned_buffer_serves_again(void **state)
{
    struct dfs_buf_pool pool;
    struct dfs_buf *buf;

    (void)state;
    dfs_buf_pool_init(&pool, FRAME);
    buf = dfs_buf_new(&pool, 100000);
    dfs_buf_unref(buf);
    assert_int_equal(pool.bytes_out, 0);
    assert_int_equal(pool.bytes_kept, 131072 + DFS_BULK_SLACK_BYTES);
    assert_ptr_equal(dfs_buf_new(&pool, 131072), buf);
    assert_int_equal(pool.bytes_kept, 0);
    dfs_buf_unref(buf);
    dfs_buf_pool_close(&pool);
}

static void kept_buffers_of_one_size_give_way_to_another(void **state)
{
    struct dfs_buf_pool pool;
    struct dfs_buf *bufs[8];
    struct dfs_buf *frame;

    (void)state;
    dfs_buf_pool_init(&pool, FRAME + 2 * SMALL);
    for (size_t i = 0; i < 8; i++)
        bufs[i] = dfs_buf_new(&pool, 65536);
    for (size_t i = 0; i < 8; i++)
        dfs_buf_unref(bufs[i]);
    bufs[0] = dfs_buf_new(&pool, 1);
    bufs[1] = dfs_buf_new(&pool, 1);
    frame = dfs_buf_new(&pool, DFS_FRAME_BULK_BYTES_MAX);
    assert_non_null(frame);
    assert_int_equal(pool.bytes_kept, 0);
    assert_int_equal(pool.bytes_out, pool.bytes_max);
    dfs_buf_unref(bufs[0]);
    dfs_buf_unref(bufs[1]);
    assert_int_equal(pool.bytes_kept, 0); /* small ones go back to the allocator */
    dfs_buf_unref(frame);
    assert_int_equal(pool.bytes_kept, FRAME);
    dfs_buf_pool_close(&pool);
}

/* References ----------------------------------------------------------------------------------------------------------- */

static void a_buffer_comes_back_with_its_last_reference(void **state)
{
    struct dfs_buf_pool pool;
    struct dfs_buf *buf;

    (void)state;
    dfs_buf_pool_init(&pool, FRAME);
    buf = dfs_buf_new(&pool, 1);
    assert_ptr_equal(dfs_buf_ref(buf), buf);
    dfs_buf_unref(buf);
    assert_int_equal(pool.bytes_out, SMALL);
    dfs_buf_unref(buf);
    assert_int_equal(pool.bytes_out, 0);
    dfs_buf_unref(NULL);
    dfs_buf_pool_close(&pool);
}

static void the_link_is_the_holders_while_the_buffer_is_out(void **state)
{
    struct dfs_buf_pool pool;
    struct dfs_list queue;
    struct dfs_buf *bufs[3];

    (void)state;
    dfs_buf_pool_init(&pool, FRAME);
    dfs_list_init(&queue);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < 3; i++) {
            bufs[i] = dfs_buf_new(&pool, 1);
            assert_false(dfs_list_linked(&bufs[i]->link));
            dfs_list_push(&queue, &bufs[i]->link);
        }
        for (size_t i = 0; i < 3; i++) {
            struct dfs_buf *buf = dfs_container_of(dfs_list_pop(&queue), struct dfs_buf, link);

            assert_ptr_equal(buf, bufs[i]);
            dfs_buf_unref(buf);
        }
    }
    dfs_buf_pool_close(&pool);
}

/* Waiting -------------------------------------------------------------------------------------------------------------- */

struct waiter {
    struct dfs_buf_waiter waiter;
    char name;
    struct dfs_buf_pool *again; /* waits again when called */
    struct waiter *give_up;     /* called: this one gives up waiting */
};

static char called[16];

static void note(struct dfs_buf_waiter *base)
{
    struct waiter *waiter = (struct waiter *)(void *)base;
    const size_t count = strlen(called);

    assert_true(count < sizeof called - 1);
    called[count] = waiter->name;
    called[count + 1] = 0;
    if (waiter->again != NULL)
        dfs_buf_pool_wait(waiter->again, base);
    if (waiter->give_up != NULL)
        dfs_buf_pool_unwait(&waiter->give_up->waiter);
}

static void init_waiters(struct waiter waiters[3])
{
    called[0] = 0;
    for (size_t i = 0; i < 3; i++) {
        waiters[i] = (struct waiter){.name = (char)('a' + i)};
        dfs_buf_waiter_init(&waiters[i].waiter, note);
    }
}

static void give_and_take(struct dfs_buf_pool *pool)
{
    dfs_buf_unref(dfs_buf_new(pool, 1));
}

static void who_waits_is_called_once_in_order_when_a_buffer_returns(void **state)
{
    struct dfs_buf_pool pool;
    struct waiter waiters[3];
    struct dfs_buf *buf;

    (void)state;
    dfs_buf_pool_init(&pool, FRAME);
    init_waiters(waiters);
    buf = dfs_buf_ref(dfs_buf_new(&pool, 1));
    for (size_t i = 0; i < 3; i++) {
        dfs_buf_pool_wait(&pool, &waiters[i].waiter);
        dfs_buf_pool_wait(&pool, &waiters[0].waiter); /* already waits: keeps its place */
    }
    dfs_buf_unref(buf);
    assert_string_equal(called, "");
    dfs_buf_unref(buf);
    assert_string_equal(called, "abc");
    give_and_take(&pool);
    assert_string_equal(called, "abc");
    dfs_buf_pool_close(&pool);
}

static void who_waits_again_is_called_at_the_next_return_only(void **state)
{
    struct dfs_buf_pool pool;
    struct waiter waiters[3];

    (void)state;
    dfs_buf_pool_init(&pool, FRAME);
    init_waiters(waiters);
    waiters[0].again = &pool;
    for (size_t i = 0; i < 3; i++)
        dfs_buf_pool_wait(&pool, &waiters[i].waiter);
    give_and_take(&pool);
    assert_string_equal(called, "abc");
    dfs_buf_pool_wait(&pool, &waiters[1].waiter);
    give_and_take(&pool);
    assert_string_equal(called, "abcab");
    dfs_buf_pool_close(&pool);
}

static void who_gave_up_is_not_called_not_even_in_the_midst_of_calling(void **state)
{
    struct dfs_buf_pool pool;
    struct waiter waiters[3];

    (void)state;
    dfs_buf_pool_init(&pool, FRAME);
    init_waiters(waiters);
    dfs_buf_pool_unwait(&waiters[0].waiter);
    for (size_t i = 0; i < 3; i++)
        dfs_buf_pool_wait(&pool, &waiters[i].waiter);
    dfs_buf_pool_unwait(&waiters[0].waiter);
    waiters[1].give_up = &waiters[2];
    give_and_take(&pool);
    assert_string_equal(called, "b");
    dfs_buf_pool_close(&pool);
}

static void a_closed_pool_forgets_who_waits(void **state)
{
    struct dfs_buf_pool pool;
    struct waiter waiters[3];

    (void)state;
    dfs_buf_pool_init(&pool, FRAME);
    init_waiters(waiters);
    for (size_t i = 0; i < 3; i++)
        dfs_buf_pool_wait(&pool, &waiters[i].waiter);
    dfs_buf_pool_close(&pool);
    for (size_t i = 0; i < 3; i++)
        assert_false(dfs_list_linked(&waiters[i].waiter.link));
    assert_string_equal(called, "");
}

/* Any sequence --------------------------------------------------------------------------------------------------------- */

#define HOLDERS 40

static void any_sequence_of_taking_and_giving_keeps_the_bounds_and_the_bytes(void **state)
{
    struct sequence sequence = {20};
    struct dfs_buf_pool pool;
    struct dfs_buf *held[HOLDERS] = {NULL};
    size_t out = 0;
    size_t peak = 0;
    unsigned refused = 0;

    (void)state;
    dfs_buf_pool_init(&pool, 2 * FRAME);
    for (unsigned step = 0; step < 20000; step++) {
        const size_t i = draw_below(&sequence, HOLDERS);

        if (held[i] == NULL) {
            const size_t bytes = draw_below(&sequence, DFS_FRAME_BULK_BYTES_MAX + 1) >> draw_below(&sequence, 20);
            size_t capacity = 512;

            while (capacity < bytes)
                capacity *= 2;
            capacity += DFS_BULK_SLACK_BYTES;
            held[i] = dfs_buf_new(&pool, bytes);
            assert_int_equal(held[i] != NULL, out + capacity <= pool.bytes_max);
            refused += held[i] == NULL;
            if (held[i] != NULL) {
                out += capacity;
                peak = out > peak ? out : peak;
                assert_int_equal(held[i]->capacity, capacity);
                assert_int_equal(held[i]->references, 1);
                held[i]->bytes[0] = (uint8_t)i; /* the ends are enough: two buffers never share */
                held[i]->bytes[capacity - 1] = (uint8_t)i;
            }
        } else {
            struct dfs_buf *buf = held[i];

            assert_int_equal(buf->bytes[0], i);
            assert_int_equal(buf->bytes[buf->capacity - 1], i);
            if (draw_below(&sequence, 3) == 0) {
                (void)dfs_buf_ref(buf);
                dfs_buf_unref(buf);
            } else {
                out -= buf->capacity;
                held[i] = NULL;
                dfs_buf_unref(buf);
            }
        }
        assert_int_equal(pool.bytes_out, out);
        assert_int_equal(pool.bytes_peak, peak);
        assert_true(pool.bytes_out + pool.bytes_kept <= pool.bytes_max);
    }
    assert_true(refused > 100); /* the limit was met */
    for (size_t i = 0; i < HOLDERS; i++)
        dfs_buf_unref(held[i]);
    assert_int_equal(pool.bytes_out, 0);
    dfs_buf_pool_close(&pool);
    assert_int_equal(pool.bytes_kept, 0);
}

/* Mistakes ------------------------------------------------------------------------------------------------------------- */

static struct dfs_buf_pool doomed;

/* One that the pool keeps: a small one is freed, and what reads it then is stopped by a sanitizer before the assertion. */
static struct dfs_buf *doomed_buffer(void)
{
    dfs_buf_pool_init(&doomed, FRAME);
    return dfs_buf_new(&doomed, 65536);
}

static void close_with_a_buffer_out(void)
{
    (void)doomed_buffer();
    dfs_buf_pool_close(&doomed);
}

static void give_twice(void)
{
    struct dfs_buf *buf = doomed_buffer();

    dfs_buf_unref(buf);
    dfs_buf_unref(buf);
}

static void refer_to_what_was_given_back(void)
{
    struct dfs_buf *buf = doomed_buffer();

    dfs_buf_unref(buf);
    (void)dfs_buf_ref(buf);
}

static void give_back_what_is_still_in_a_list(void)
{
    struct dfs_buf *buf = doomed_buffer();
    struct dfs_list queue;

    dfs_list_init(&queue);
    dfs_list_push(&queue, &buf->link);
    dfs_buf_unref(buf);
}

static void ask_for_more_than_a_frame(void)
{
    dfs_buf_pool_init(&doomed, 8 * FRAME);
    (void)dfs_buf_new(&doomed, DFS_FRAME_BULK_BYTES_MAX + 1);
}

static void mistakes_with_buffers_panic(void **state)
{
    (void)state;
    assert_true(panics(close_with_a_buffer_out, "dfs_buf_pool_close"));
    assert_true(panics(give_twice, "dfs_buf_unref"));
    assert_true(panics(refer_to_what_was_given_back, "dfs_buf_ref"));
    assert_true(panics(give_back_what_is_still_in_a_list, "dfs_list_linked"));
    assert_true(panics(ask_for_more_than_a_frame, "DFS_FRAME_BULK_BYTES_MAX"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_has_room_for_what_was_asked_and_the_slack),
        cmocka_unit_test(each_size_takes_the_smallest_class_it_fits_into),
        cmocka_unit_test(a_pool_gives_no_more_than_its_limit),
        cmocka_unit_test(a_returned_buffer_serves_again),
        cmocka_unit_test(kept_buffers_of_one_size_give_way_to_another),
        cmocka_unit_test(a_buffer_comes_back_with_its_last_reference),
        cmocka_unit_test(the_link_is_the_holders_while_the_buffer_is_out),
        cmocka_unit_test(who_waits_is_called_once_in_order_when_a_buffer_returns),
        cmocka_unit_test(who_waits_again_is_called_at_the_next_return_only),
        cmocka_unit_test(who_gave_up_is_not_called_not_even_in_the_midst_of_calling),
        cmocka_unit_test(a_closed_pool_forgets_who_waits),
        cmocka_unit_test(any_sequence_of_taking_and_giving_keeps_the_bounds_and_the_bytes),
        cmocka_unit_test(mistakes_with_buffers_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

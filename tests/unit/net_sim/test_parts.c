/* The parts that stand on their own: queue, pool, page store, clock. */
#include "tests/unit/net_sim/toy.h"

#include "net_sim/clock_sim.h"
#include "net_sim/digest.h"
#include "net_sim/pool.h"
#include "net_sim/prf.h"
#include "net_sim/queue.h"
#include "net_sim/store.h"

#define ITEMS 5000

static void test_the_queue_is_ordered_by_time_then_by_pushing(void **state)
{
    static struct sim_item items[ITEMS];
    static dfs_time_ns times[ITEMS];
    struct sim_queue queue;
    dfs_time_ns last_at = 0;
    uint64_t last_order = 0;
    size_t out = 0;

    (void)state;
    sim_queue_init(&queue);
    assert_int_equal(sim_queue_next(&queue), DFS_NEVER);
    /* Pushed in two halves with pops between them; few different times, so that ties are common. */
    for (size_t i = 0; i < ITEMS; i++) {
        times[i] = (i < ITEMS / 2 ? 0 : 200) + sim_below(sim_prf(1, 2, i), 300);
        sim_queue_push(&queue, &items[i], times[i]);
        if (i == ITEMS / 2)
            for (; out < 100; out++)
                assert_true(times[sim_queue_pop(&queue) - items] < 300);
    }
    for (; out < ITEMS; out++) {
        const dfs_time_ns at = sim_queue_next(&queue);
        const struct sim_item *item = sim_queue_pop(&queue);

        assert_int_equal(times[item - items], at);
        assert_true(at > last_at || (at == last_at && item->order > last_order) || last_order == 0);
        last_at = at;
        last_order = item->order;
    }
    assert_int_equal(queue.count, 0);
    sim_queue_close(&queue);
}

/* As a run does it: what is pushed comes some time after what was popped last. With few items the row holds all, with many the heap most. */
static void test_the_queue_never_takes_a_later_item(void **state)
{
    static struct sim_item items[300];
    static struct sim_queue queue;
    dfs_time_ns times[300];

    (void)state;
    for (size_t count = 1; count <= 300; count += count < 70 ? 3 : 46) {
        sim_queue_init(&queue);
        for (size_t i = 0; i < count; i++) {
            times[i] = sim_below(sim_prf(2, count, i), 50);
            sim_queue_push(&queue, &items[i], times[i]);
        }
        for (size_t n = 0; n < 1500; n++) {
            size_t least = 0;

            for (size_t i = 1; i < count; i++)
                if (times[i] < times[least] || (times[i] == times[least] && items[i].order < items[least].order))
                    least = i;
            assert_int_equal(sim_queue_next(&queue), times[least]);
            assert_ptr_equal(sim_queue_pop(&queue), &items[least]);
            assert_int_equal(queue.count, count - 1);
            times[least] += sim_below(sim_prf(3, count, n), n % 7 == 0 ? 1000 : 50);
            sim_queue_push(&queue, &items[least], times[least]);
        }
        sim_queue_close(&queue);
    }
}

static void test_the_pool_hands_out_distinct_pieces_of_any_size(void **state)
{
    static const size_t sizes[] = {0, 1, 64, 65, 4128, 8192, 8193, 1048576 + 65536, 5 * 1048576};
    struct sim_pool pool;

    (void)state;
    sim_pool_init(&pool);
    for (unsigned round = 0; round < 3; round++) {
        uint8_t *pieces[9][20];
        uint8_t classes[9][20];

        for (unsigned s = 0; s < 9; s++) {
            for (unsigned i = 0; i < 20; i++) {
                pieces[s][i] = sim_pool_take(&pool, sizes[s] < 8 ? 8 : sizes[s], &classes[s][i]);
                assert_int_equal((uintptr_t)pieces[s][i] % 8, 0);
                memset(pieces[s][i], (int)(s * 20 + i), sizes[s] < 8 ? 8 : sizes[s]);
            }
        }
        for (unsigned s = 0; s < 9; s++) {
            for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(pieces[s][i][0], s * 20 + i);
                assert_int_equal(pieces[s][i][sizes[s] < 8 ? 7 : sizes[s] - 1], s * 20 + i);
                sim_pool_give(&pool, pieces[s][i], classes[s][i]);
            }
        }
    }
    sim_pool_close(&pool);
}

static void test_equal_pages_are_kept_once(void **state)
{
    struct sim_pool pool;
    struct sim_store store;
    struct sim_page *pages[3000];
    uint8_t bytes[SIM_PAGE_BYTES];
    struct sim_page *shorter;

    (void)state;
    sim_pool_init(&pool);
    sim_store_init(&store, &pool);
    for (unsigned i = 0; i < 3000; i++) {
        toy_fill(bytes, i / 3, 0, sizeof bytes);
        pages[i] = sim_page_intern(&store, bytes, sizeof bytes);
    }
    assert_int_equal(store.pages, 1000);
    for (unsigned i = 0; i < 3000; i += 3) {
        assert_ptr_equal(pages[i], pages[i + 1]);
        assert_int_equal(pages[i]->references, 3);
        assert_true(toy_is_filled(pages[i]->bytes, i / 3, 0, sizeof bytes));
    }
    toy_fill(bytes, 0, 0, sizeof bytes);
    shorter = sim_page_intern(&store, bytes, 100);
    assert_ptr_not_equal(shorter, pages[0]);
    assert_int_equal(store.pages, 1001);
    for (unsigned i = 0; i < 3000; i++)
        sim_page_unref(&store, pages[i]);
    assert_int_equal(store.pages, 1);
    assert_ptr_equal(sim_page_intern(&store, bytes, 100), shorter);
    sim_page_unref(&store, shorter);
    sim_page_unref(&store, shorter);
    assert_int_equal(store.bytes, 0);
    sim_store_close(&store);
    sim_pool_close(&pool);
}

/* Few hashes, many of them equal or neighbours, one of them 0; some are told from others by their upper half alone. */
static uint64_t hash_of_value(size_t which)
{
    return which / 3 % 64 + (which % 2 == 0 ? UINT64_C(1) << 24 : 0) + (which % 5 == 0 ? UINT64_C(1) << 40 : 0);
}

/* Against an array: values come and go while the table grows. */
static void test_the_table_finds_what_is_in_it_and_nothing_else(void **state)
{
    enum { VALUES = 500, ROUNDS = 20000 };
    static struct {
        _Alignas(16) int value;
    } values[VALUES];
    static bool is_in[VALUES];
    struct sim_table table;
    size_t count = 0;

    (void)state;
    sim_table_init(&table, 2);
    for (unsigned round = 0; round < ROUNDS; round++) {
        const size_t which = (size_t)sim_below(sim_prf(5, 1, round), VALUES);
        const uint64_t hash = hash_of_value(which);
        size_t place;
        const char *found;

        if (is_in[which])
            sim_table_remove(&table, hash, &values[which]);
        else
            sim_table_add(&table, hash, &values[which]);
        is_in[which] = !is_in[which];
        count += is_in[which] ? 1 : SIZE_MAX;
        assert_int_equal(table.count, count);
        assert_true(table.count <= table.capacity / 2);
        size_t seen = 0;

        for (found = sim_table_first(&table, hash, &place); found != NULL;
             found = sim_table_next(&table, hash, &place)) {
            const size_t at = (size_t)(found - (const char *)values) / sizeof values[0];

            assert_true(is_in[at]);
            assert_int_equal((hash_of_value(at) ^ hash) & SIM_TABLE_TAG_MASK, 0);
            seen += hash_of_value(at) == hash; /* the owner tells the others apart */
        }
        for (size_t at = 0; at < VALUES; at++)
            seen -= is_in[at] && hash_of_value(at) == hash;
        assert_int_equal(seen, 0);
    }
    sim_table_close(&table);
}

static void table_finds(const struct sim_table *table, uint64_t hash, const void *value, bool expected)
{
    size_t place;
    const void *found = sim_table_first(table, hash, &place);

    while (found != NULL && found != value)
        found = sim_table_next(table, hash, &place);
    assert_true((found != NULL) == expected);
}

static void test_a_table_has_more_places_than_tags(void **state)
{
    enum { VALUES = 600000, STEP = 16 };
    char *values = dfs_alloc_zero((size_t)VALUES * STEP);
    struct sim_table table;

    (void)state;
    sim_table_init(&table, 2);
    for (size_t i = 0; i < VALUES; i++)
        sim_table_add(&table, sim_prf(7, 1, i), values + i * STEP);
    assert_true(table.capacity > (size_t)1 << SIM_TABLE_TAG_BITS);
    for (size_t i = 0; i < VALUES; i += 2)
        sim_table_remove(&table, sim_prf(7, 1, i), values + i * STEP);
    assert_int_equal(table.count, VALUES / 2);
    for (size_t i = 0; i < VALUES; i++)
        table_finds(&table, sim_prf(7, 1, i), values + i * STEP, i % 2 != 0);
    sim_table_close(&table);
    dfs_free(values);
}

static void test_clocks_convert_both_ways(void **state)
{
    static const int64_t drifts[] = {0, 1, -1, 37, -100, 5000, -SIM_DRIFT_PPM_MAX, SIM_DRIFT_PPM_MAX};

    (void)state;
    for (unsigned d = 0; d < sizeof drifts / sizeof drifts[0]; d++) {
        struct sim_clock clock;

        sim_clock_init(&clock, 1000, 5 * DFS_SECONDS, 100 * DFS_SECONDS);
        sim_clock_set(&clock, 7 * DFS_SECONDS, 0, drifts[d]);
        assert_int_equal(sim_clock_world(&clock, DFS_NEVER), DFS_NEVER);
        assert_int_equal(sim_clock_world(&clock, 0), 7 * DFS_SECONDS);
        for (uint64_t i = 0; i < 1000; i++) {
            const dfs_time_ns at = 7 * DFS_SECONDS + sim_below(sim_prf(3, d, i), 1000000 * DFS_SECONDS);
            const dfs_time_ns mono = sim_clock_mono(&clock, at);
            const dfs_time_ns back = sim_clock_world(&clock, mono);

            assert_true(back <= at);                           /* the first such time */
            assert_true(sim_clock_mono(&clock, back) >= mono); /* and not before it */
            assert_true(back == 7 * DFS_SECONDS || sim_clock_mono(&clock, back - 1) < mono);
        }
    }
}

static void test_the_digest_is_the_hash_of_core(void **state)
{
    static uint8_t bytes[70000];
    static const size_t sizes[] = {0, 1, 16, 17, 128, 129, 240, 241, 1023, 1024, 1025, 4096, 4097, 65536, 70000};

    (void)state;
    toy_fill(bytes, 9, 0, sizeof bytes);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_true(sim_digest(0, bytes, sizes[i]) == dfs_hash64(0, bytes, sizes[i]));
        assert_true(sim_digest(UINT64_MAX - i, bytes, sizes[i]) == dfs_hash64(UINT64_MAX - i, bytes, sizes[i]));
        assert_true(sizes[i] == 70000 || sim_digest(i, bytes + 1, sizes[i]) == dfs_hash64(i, bytes + 1, sizes[i]));
    }
}

static void test_transfers_round_down_at_any_size(void **state)
{
    (void)state;
    assert_int_equal(sim_transfer_ns(0, 1), 0);
    assert_int_equal(sim_transfer_ns(4096, 200000000), 20480);
    assert_int_equal(sim_transfer_ns(1, 3), 333333333);
    assert_true(sim_transfer_ns(UINT64_MAX / DFS_SECONDS, DFS_SECONDS) == UINT64_MAX / DFS_SECONDS);
    assert_true(sim_transfer_ns(UINT64_MAX / DFS_SECONDS + 1, DFS_SECONDS) == UINT64_MAX / DFS_SECONDS + 1);
    assert_true(sim_transfer_ns(UINT64_MAX, DFS_SECONDS) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_queue_is_ordered_by_time_then_by_pushing),
        cmocka_unit_test(test_the_queue_never_takes_a_later_item),
        cmocka_unit_test(test_the_pool_hands_out_distinct_pieces_of_any_size),
        cmocka_unit_test(test_equal_pages_are_kept_once),
        cmocka_unit_test(test_the_table_finds_what_is_in_it_and_nothing_else),
        cmocka_unit_test(test_a_table_has_more_places_than_tags),
        cmocka_unit_test(test_the_digest_is_the_hash_of_core),
        cmocka_unit_test(test_transfers_round_down_at_any_size),
        cmocka_unit_test(test_clocks_convert_both_ways),
    };

    return cmocka_run_group_tests_name("net_sim/parts", tests, NULL, NULL);
}

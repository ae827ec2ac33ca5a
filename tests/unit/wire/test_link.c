/*
 * A link over a transport that is cranked by hand: bytes come in cuts of any size, bulk arrives in place, an empty pool stops the reading and room
 * that comes back starts it again; what no frame is closes nothing by itself but is said once.
 */
#include "core/wire/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define WIRE_MAX 400000

struct world {
    struct dfs_env env;
    struct dfs_sink *sink;  /* attached */
    uint8_t wire[WIRE_MAX]; /* what was sent */
    size_t wire_count;
    unsigned resumed;
    unsigned closed;
    unsigned refused; /* FRAME_BAD traces */
};

static dfs_conn net_connect(void *ctx, const struct dfs_addr *to, enum dfs_role role, const struct dfs_id *node,
                            void *user)
{
    (void)ctx, (void)to, (void)role, (void)node, (void)user;
    return 1;
}

static void net_attach(void *ctx, dfs_conn conn, struct dfs_sink *sink, void *user)
{
    struct world *w = ctx;

    (void)conn, (void)user;
    w->sink = sink;
}

static void net_resume(void *ctx, dfs_conn conn)
{
    struct world *w = ctx;

    (void)conn;
    w->resumed++;
}

static void net_send(void *ctx, dfs_conn conn, const void *head, size_t head_bytes, struct dfs_buf *bulk,
                     size_t bulk_offset, size_t bulk_bytes)
{
    struct world *w = ctx;

    (void)conn;
    assert_true(w->wire_count + head_bytes + bulk_bytes <= WIRE_MAX);
    memcpy(w->wire + w->wire_count, head, head_bytes);
    w->wire_count += head_bytes;
    if (bulk_bytes > 0)
        memcpy(w->wire + w->wire_count, bulk->bytes + bulk_offset, bulk_bytes);
    w->wire_count += bulk_bytes;
}

static void net_close(void *ctx, dfs_conn conn)
{
    struct world *w = ctx;

    (void)conn;
    w->closed++;
}

static void net_datagram(void *ctx, const struct dfs_addr *to, const void *bytes, size_t count)
{
    (void)ctx, (void)to, (void)bytes, (void)count;
}

static void trace(void *ctx, const struct dfs_trace *t)
{
    struct world *w = ctx;

    if (t->kind == DFS_TRACE_FRAME_BAD)
        w->refused++;
}

static const struct dfs_net_ops net_ops = {.connect = net_connect,
                                           .attach = net_attach,
                                           .resume = net_resume,
                                           .send = net_send,
                                           .close = net_close,
                                           .datagram = net_datagram};
static const struct dfs_trace_ops trace_ops = {.trace = trace};
static const struct dfs_peer peer = {.kind = DFS_PEER_NODE, .role = DFS_ROLE_DATA};

struct fixture {
    struct world world;
    struct dfs_buf_pool pool;
    struct dfs_links links;
    struct dfs_link link;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->world.env = (struct dfs_env){.ctx = &f->world, .net = &net_ops, .trace = &trace_ops};
    dfs_buf_pool_init(&f->pool, 300000);
    dfs_links_init(&f->links);
    dfs_link_open(&f->link, &f->world.env, &f->pool, &f->links, 1, &peer, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    dfs_link_close(&f->link);
    dfs_links_close(&f->links);
    dfs_buf_pool_close(&f->pool);
    free(f);
    return 0;
}

/* Gives the link `count` bytes of the wire in cuts of at most `cut`; stops when it wants none. Returns how many it took. */
static size_t feed(struct fixture *f, const uint8_t *bytes, size_t count, size_t cut)
{
    size_t at = 0;

    while (at < count) {
        uint8_t *where = NULL;
        size_t want = f->world.sink->want(f->world.sink, &where);

        if (want == 0)
            break;
        if (want > cut)
            want = cut;
        if (want > count - at)
            want = count - at;
        memcpy(where, bytes + at, want);
        at += want;
        if (f->world.sink->got(f->world.sink, want))
            break;
    }
    return at;
}

static size_t send_block_data(struct fixture *f, uint32_t request, size_t bulk_bytes)
{
    struct dfs_w_crc crcs[2] = {{1}, {2}};
    const struct dfs_m_block_data data = {.offset = 65536, .crcs = crcs, .crcs_count = 2};
    struct dfs_buf *bulk = dfs_buf_new(&f->pool, bulk_bytes);
    const size_t before = f->world.wire_count;

    assert_non_null(bulk);
    for (size_t i = 0; i < bulk_bytes; i++)
        bulk->bytes[i] = (uint8_t)(i * 7);
    dfs_link_send_bulk(&f->link, request, DFS_MSG_BLOCK_DATA, &data, bulk, 0, bulk_bytes);
    dfs_buf_unref(bulk);
    return f->world.wire_count - before;
}

static void a_frame_cut_anywhere_arrives_whole(void **state)
{
    struct fixture *f = *state;
    const size_t count = send_block_data(f, 9, 5000);
    struct dfs_incoming in;

    for (size_t cut = 1; cut < 40; cut++) {
        assert_int_equal(feed(f, f->world.wire, count, cut), count);
        assert_int_equal(dfs_link_take(&f->link, &in), DFS_OK);
        assert_int_equal(in.number, DFS_MSG_BLOCK_DATA);
        assert_int_equal(in.request, 9);
        const struct dfs_m_block_data *data = in.body;

        assert_int_equal(data->crcs_count, 2);
        assert_int_equal(data->crcs[1].crc32c, 2);
        assert_int_equal(in.bulk->count, 5000);
        assert_int_equal(in.bulk->bytes[4999], (uint8_t)(4999 * 7));
        dfs_buf_unref(in.bulk);
        assert_int_equal(dfs_link_take(&f->link, &in), DFS_UNAVAILABLE);
    }
}

static void nothing_is_read_before_the_machine_took_the_frame(void **state)
{
    struct fixture *f = *state;
    struct dfs_incoming in;
    uint8_t *where;

    dfs_link_send_status(&f->link, 3, DFS_NOT_FOUND, NULL);
    const size_t count = f->world.wire_count;

    assert_int_equal(feed(f, f->world.wire, count, 1000), count);
    assert_int_equal(f->world.sink->want(f->world.sink, &where), 0);
    assert_int_equal(dfs_link_take(&f->link, &in), DFS_OK);
    const struct dfs_m_status *answer = in.body;

    assert_int_equal(answer->status, DFS_NOT_FOUND);
    assert_true(f->world.sink->want(f->world.sink, &where) > 0);
}

static void an_empty_pool_stops_the_reading_and_room_starts_it_again(void **state)
{
    struct fixture *f = *state;
    const size_t count = send_block_data(f, 1, 100000);
    struct dfs_incoming in;
    struct dfs_buf *held[2];

    held[0] = dfs_buf_new(&f->pool, 100000);
    held[1] = dfs_buf_new(&f->pool, 100000);
    assert_non_null(held[0]);
    assert_non_null(held[1]);
    const size_t taken = feed(f, f->world.wire, count, 100000);

    assert_int_equal(taken, count - 100000);
    dfs_links_resume_due(&f->links);
    assert_int_equal(f->world.resumed, 0);
    dfs_buf_unref(held[0]);
    dfs_links_resume_due(&f->links);
    assert_int_equal(f->world.resumed, 1);
    assert_int_equal(feed(f, f->world.wire + taken, count - taken, 100000), count - taken);
    assert_int_equal(dfs_link_take(&f->link, &in), DFS_OK);
    dfs_buf_unref(in.bulk);
    dfs_buf_unref(held[1]);
}

static void a_paused_link_finishes_its_frame_and_begins_no_other(void **state)
{
    struct fixture *f = *state;
    struct dfs_incoming in;
    uint8_t *where;

    dfs_link_send_status(&f->link, 1, DFS_OK, "one");
    const size_t count = f->world.wire_count;

    assert_int_equal(feed(f, f->world.wire, 5, 5), 5);
    dfs_link_pause(&f->link);
    assert_int_equal(feed(f, f->world.wire + 5, count - 5, 1000), count - 5);
    assert_int_equal(dfs_link_take(&f->link, &in), DFS_OK);
    assert_int_equal(f->world.sink->want(f->world.sink, &where), 0);
    dfs_link_unpause(&f->link);
    dfs_links_resume_due(&f->links);
    assert_int_equal(f->world.resumed, 1);
    assert_true(f->world.sink->want(f->world.sink, &where) > 0);
}

static void expect_bad(struct fixture *f, const uint8_t *bytes, size_t count, enum dfs_status expected)
{
    struct dfs_incoming in;

    assert_int_equal(feed(f, bytes, count, 1000), count);
    assert_int_equal(dfs_link_take(&f->link, &in), expected);
    assert_int_equal(f->world.refused, 1);
}

static void an_unknown_type_is_refused(void **state)
{
    static const uint8_t header[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 0xFF, 0, 0, 0, 0, 0, 1};
    expect_bad(*state, header, sizeof header, DFS_BAD_REQUEST);
}

static void a_body_over_the_limit_is_refused_before_memory_is_taken(void **state)
{
    static const uint8_t header[16] = {0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, DFS_MSG_STATUS, 0, 0, 0, 0, 0, 1};
    expect_bad(*state, header, sizeof header, DFS_TOO_LARGE);
}

static void bulk_over_the_limit_is_refused(void **state)
{
    static const uint8_t header[16] = {0, 0, 0, 1, 0x7F, 0, 0, 0, 0, DFS_MSG_BLOCK_DATA, 0, 0, 0, 0, 0, 1};
    expect_bad(*state, header, sizeof header, DFS_TOO_LARGE);
}

static void bulk_behind_a_message_without_bulk_is_refused(void **state)
{
    static const uint8_t header[16] = {0, 0, 0, 1, 0, 0, 0, 1, 0, DFS_MSG_STATUS, 0, 0, 0, 0, 0, 1};
    expect_bad(*state, header, sizeof header, DFS_BAD_REQUEST);
}

static void bytes_that_must_be_zero_are_looked_at(void **state)
{
    static const uint8_t header[16] = {0, 0, 0, 1, 0, 0, 0, 0, 0, DFS_MSG_STATUS, 0, 1, 0, 0, 0, 1};
    expect_bad(*state, header, sizeof header, DFS_BAD_REQUEST);
}

static void a_body_that_does_not_decode_is_refused(void **state)
{
    static const uint8_t bytes[17] = {0, 0, 0, 1, 0, 0, 0, 0, 0, DFS_MSG_STATUS, 0, 0, 0, 0, 0, 1, 0};
    expect_bad(*state, bytes, sizeof bytes, DFS_BAD_REQUEST);
}

static void an_empty_frame_of_a_message_with_fields_is_refused(void **state)
{
    static const uint8_t bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, DFS_MSG_STATUS, 0, 0, 0, 0, 0, 1};
    expect_bad(*state, bytes, sizeof bytes, DFS_BAD_REQUEST);
}

static void a_page_larger_than_the_stack_buffer_travels_too(void **state)
{
    struct fixture *f = *state;
    static struct dfs_w_stored blocks[DFS_INVENTORY_PAGE_MAX];
    const struct dfs_m_inventory page = {.page = 4, .blocks = blocks, .blocks_count = DFS_INVENTORY_PAGE_MAX};
    struct dfs_incoming in;

    for (uint32_t i = 0; i < DFS_INVENTORY_PAGE_MAX; i++)
        blocks[i] = (struct dfs_w_stored){.block = {.index = i, .generation = 1}, .length_bytes = i + 1};
    dfs_link_send(&f->link, 5, DFS_MSG_INVENTORY, &page);
    assert_int_equal(feed(f, f->world.wire, f->world.wire_count, 777), f->world.wire_count);
    assert_int_equal(dfs_link_take(&f->link, &in), DFS_OK);
    const struct dfs_m_inventory *back = in.body;

    assert_int_equal(back->blocks_count, DFS_INVENTORY_PAGE_MAX);
    assert_int_equal(back->blocks[999].length_bytes, 1000);
}

/* Links of one machine share the memory of messages: half a frame of one lies there while another's are taken, small and large. */
static void a_frame_comes_in_while_another_links_are_taken(void **state)
{
    struct fixture *f = *state;
    struct dfs_sink *const first = f->world.sink;
    static struct dfs_w_stored blocks[DFS_INVENTORY_PAGE_MAX];
    const struct dfs_m_inventory page = {.page = 4, .blocks = blocks, .blocks_count = DFS_INVENTORY_PAGE_MAX};
    struct dfs_link other;
    struct dfs_incoming in;

    for (uint32_t i = 0; i < DFS_INVENTORY_PAGE_MAX; i++)
        blocks[i] = (struct dfs_w_stored){.block = {.index = i, .generation = 1}, .length_bytes = i + 1};
    dfs_link_open(&other, &f->world.env, &f->pool, &f->links, 2, &peer, NULL);
    struct dfs_sink *const second = f->world.sink;

    dfs_link_send_status(&f->link, 3, DFS_NOT_FOUND, "words of the first");
    const size_t small = f->world.wire_count;

    dfs_link_send(&f->link, 5, DFS_MSG_INVENTORY, &page);
    const size_t count = f->world.wire_count;

    for (size_t half = 1; half < small; half++) {
        f->world.sink = first;
        assert_int_equal(feed(f, f->world.wire, half, small), half);
        f->world.sink = second;
        assert_int_equal(feed(f, f->world.wire + small, count - small, count), count - small);
        assert_int_equal(dfs_link_take(&other, &in), DFS_OK);
        assert_int_equal(((const struct dfs_m_inventory *)in.body)->blocks_count, DFS_INVENTORY_PAGE_MAX);
        assert_int_equal(feed(f, f->world.wire, small, small), small);
        assert_int_equal(dfs_link_take(&other, &in), DFS_OK);
        f->world.sink = first;
        assert_int_equal(feed(f, f->world.wire + half, small - half, small), small - half);
        assert_int_equal(dfs_link_take(&f->link, &in), DFS_OK);
        const struct dfs_m_status *answer = in.body;

        assert_int_equal(answer->status, DFS_NOT_FOUND);
        assert_int_equal(answer->words.count, strlen("words of the first"));
        assert_memory_equal(answer->words.at, "words of the first", answer->words.count);
    }
    assert_true(f->links.spare.room + f->links.taken.room <= (size_t)2 * DFS_FRAME_BODY_BYTES_MAX);
    f->world.sink = second;
    assert_int_equal(feed(f, f->world.wire, small - 1, small), small - 1);
    dfs_link_close(&other); /* half a frame goes with it */
    f->world.sink = first;
}

static void a_closed_link_is_silent(void **state)
{
    struct fixture *f = *state;
    struct dfs_incoming in;

    dfs_link_close(&f->link);
    dfs_link_close(&f->link);
    assert_int_equal(f->world.closed, 1);
    dfs_link_send_status(&f->link, 1, DFS_OK, NULL);
    assert_int_equal(f->world.wire_count, 0);
    assert_int_equal(dfs_link_take(&f->link, &in), DFS_UNAVAILABLE);
}

static void request_ids_are_never_zero(void **state)
{
    struct fixture *f = *state;

    f->link.request_next = UINT32_MAX;
    assert_int_equal(dfs_link_request(&f->link), UINT32_MAX);
    assert_int_equal(dfs_link_request(&f->link), 1);
}

static void a_datagram_shows_any_change(void **state)
{
    (void)state;
    const struct dfs_key key = {{9}};
    const struct dfs_m_heartbeat beat = {.node = {{1}}, .incarnation = 2, .sequence = 3};
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    union dfs_any_message back;
    struct dfs_mac mac;
    uint32_t number = 0;

    dfs_mac_init(&mac, &key);
    const size_t count = dfs_datagram_encode(DFS_MSG_HEARTBEAT, &beat, &mac, bytes);

    assert_int_equal(dfs_datagram_decode(bytes, count, &number, &back), DFS_OK);
    assert_int_equal(number, DFS_MSG_HEARTBEAT);
    assert_int_equal(back.heartbeat.sequence, 3);
    assert_true(dfs_datagram_check(bytes, count, &mac));
    for (size_t i = 0; i < count; i++) {
        bytes[i] ^= 1;
        assert_false(dfs_datagram_check(bytes, count, &mac));
        bytes[i] ^= 1;
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(dfs_datagram_decode(bytes, i, &number, &back), DFS_BAD_REQUEST);
    assert_false(dfs_datagram_check(bytes, 10, &mac));
    dfs_mac_close(&mac);
}

static void only_heartbeats_travel_as_datagrams(void **state)
{
    (void)state;
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    union dfs_any_message back;
    uint32_t number = 0;
    const struct dfs_m_put_abort abort_message = {.epoch = 1};
    const size_t count = dfs_datagram_encode(DFS_MSG_PUT_ABORT, &abort_message, NULL, bytes);

    assert_int_equal(dfs_datagram_decode(bytes, count, &number, &back), DFS_BAD_REQUEST);
}

#define story(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        story(a_frame_cut_anywhere_arrives_whole),
        story(nothing_is_read_before_the_machine_took_the_frame),
        story(an_empty_pool_stops_the_reading_and_room_starts_it_again),
        story(a_paused_link_finishes_its_frame_and_begins_no_other),
        story(an_unknown_type_is_refused),
        story(a_body_over_the_limit_is_refused_before_memory_is_taken),
        story(bulk_over_the_limit_is_refused),
        story(bulk_behind_a_message_without_bulk_is_refused),
        story(bytes_that_must_be_zero_are_looked_at),
        story(a_body_that_does_not_decode_is_refused),
        story(an_empty_frame_of_a_message_with_fields_is_refused),
        story(a_page_larger_than_the_stack_buffer_travels_too),
        story(a_frame_comes_in_while_another_links_are_taken),
        story(a_closed_link_is_silent),
        story(request_ids_are_never_zero),
        cmocka_unit_test(a_datagram_shows_any_change),
        cmocka_unit_test(only_heartbeats_travel_as_datagrams),
    };

    return cmocka_run_group_tests_name("wire/link", tests, NULL, NULL);
}

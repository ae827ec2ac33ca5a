/*
 * Every message of the schema, by its layout: what is encoded decodes to the same bytes; anything shorter, longer or out of range is refused.
 */
#include "core/wire/frame.h"
#include "core/wire/message.h"
#include "tests/support/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES_MAX 65536
#define PLACES_MAX 512

struct encoded {
    struct dfs_arena arena;
    union dfs_any_message value;
    uint8_t bytes[BYTES_MAX];
    size_t count;
};

static void encode_sample(const struct dfs_layout *layout, struct encoded *e, uint64_t seed)
{
    dfs_arena_init(&e->arena, 1 << 20);
    sample_fill(layout, &e->value, &e->arena, seed);
    struct dfs_wr w = dfs_wr_make(e->bytes, sizeof e->bytes);

    dfs_encode(layout, &e->value, &w);
    assert_false(w.bad);
    e->count = dfs_wr_count(&w);
    assert_int_equal(e->count, dfs_encoded_bytes(layout, &e->value));
}

/* Decodes from a heap copy of exactly `count` bytes, so that a sanitizer sees the first byte read beyond them. */
static enum dfs_status decode_exact(const struct dfs_layout *layout, const uint8_t *bytes, size_t count,
                                    union dfs_any_message *ret, struct dfs_arena *arena)
{
    uint8_t *copy = malloc(count == 0 ? 1 : count);

    memcpy(copy, bytes, count);
    struct dfs_rd r = dfs_rd_make(copy, count);
    const enum dfs_status status = dfs_decode(layout, &r, arena, ret);

    free(copy);
    return status;
}

static void each_message(void (*check)(const struct dfs_layout *layout))
{
    size_t seen = 0;

    for (uint32_t number = 0; number <= DFS_MSG_NUMBER_MAX; number++) {
        const struct dfs_layout *layout = dfs_message_layout(number);

        if (layout == NULL)
            continue;
        seen++;
        check(layout);
    }
#define X(number, NAME, name) +1
    assert_int_equal(seen, 0 DFS_MESSAGE_MAP(X));
#undef X
}

static void check_round_trip(const struct dfs_layout *layout)
{
    static struct encoded e;
    static uint8_t again[BYTES_MAX];

    for (uint64_t seed = 1; seed <= 20; seed++) {
        union dfs_any_message back;
        struct dfs_arena arena;

        encode_sample(layout, &e, seed);
        dfs_arena_init(&arena, DFS_DECODE_BYTES_MAX);
        struct dfs_rd r = dfs_rd_make(e.bytes, e.count);

        memset(&back, (int)seed * 11, sizeof back); /* decoding clears nothing: it writes every field */
        memset(dfs_arena_take_raw(&arena, 1, 4000), (int)seed * 11, 4000);
        dfs_arena_reset(&arena);
        assert_int_equal(dfs_decode(layout, &r, &arena, &back), DFS_OK);
        struct dfs_wr w = dfs_wr_make(again, sizeof again);

        dfs_encode(layout, &back, &w);
        assert_int_equal(dfs_wr_count(&w), e.count);
        assert_memory_equal(again, e.bytes, e.count);
        dfs_arena_close(&arena);
        dfs_arena_close(&e.arena);
    }
}

static void every_message_survives_encode_and_decode(void **state)
{
    (void)state;
    each_message(check_round_trip);
}

static void check_truncation(const struct dfs_layout *layout)
{
    static struct encoded e;
    union dfs_any_message back;
    struct dfs_arena arena;

    encode_sample(layout, &e, 7);
    for (size_t count = 0; count < e.count; count++) {
        dfs_arena_init(&arena, DFS_DECODE_BYTES_MAX);
        assert_int_equal(decode_exact(layout, e.bytes, count, &back, &arena), DFS_BAD_REQUEST);
        dfs_arena_close(&arena);
    }
    e.bytes[e.count] = 0;
    dfs_arena_init(&arena, DFS_DECODE_BYTES_MAX);
    assert_int_equal(decode_exact(layout, e.bytes, e.count + 1, &back, &arena), DFS_BAD_REQUEST);
    dfs_arena_close(&arena);
    dfs_arena_close(&e.arena);
}

static void a_message_cut_at_any_byte_or_with_one_more_is_refused(void **state)
{
    (void)state;
    each_message(check_truncation);
}

static void put_be(uint8_t *at, size_t width, uint64_t value)
{
    for (size_t i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> 8 * (width - 1 - i));
}

/* One field set to `value`; its neighbours as in the sample. */
static enum dfs_status decode_with(const struct dfs_layout *layout, struct encoded *e, const struct sample_place *place,
                                   size_t width, uint64_t value)
{
    uint8_t kept[8];
    union dfs_any_message back;
    struct dfs_arena arena;

    memcpy(kept, e->bytes + place->begin, width);
    put_be(e->bytes + place->begin, width, value);
    dfs_arena_init(&arena, DFS_DECODE_BYTES_MAX);
    const enum dfs_status status = decode_exact(layout, e->bytes, e->count, &back, &arena);

    dfs_arena_close(&arena);
    memcpy(e->bytes + place->begin, kept, width);
    return status;
}

static void check_bounds(const struct dfs_layout *layout)
{
    static struct encoded e;
    struct sample_place places[PLACES_MAX];

    encode_sample(layout, &e, 9);
    const size_t count = sample_places(layout, &e.value, places, PLACES_MAX);

    assert_int_equal(places[count - 1].end, e.count);
    for (size_t i = 0; i < count; i++) {
        const struct dfs_field *field = places[i].field;
        const uint32_t width = field->width;

        if (field->kind == DFS_FIELD_NUM) {
            const uint64_t top = width == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * width) - 1;

            assert_int_equal(decode_with(layout, &e, &places[i], width, field->min), DFS_OK);
            assert_int_equal(decode_with(layout, &e, &places[i], width, field->max), DFS_OK);
            if (field->min > 0)
                assert_int_equal(decode_with(layout, &e, &places[i], width, field->min - 1), DFS_BAD_REQUEST);
            if (field->max < top)
                assert_int_equal(decode_with(layout, &e, &places[i], width, field->max + 1), DFS_BAD_REQUEST);
        } else if (field->kind == DFS_FIELD_TEXT || field->kind == DFS_FIELD_SECRET || field->kind == DFS_FIELD_LIST) {
            assert_int_equal(decode_with(layout, &e, &places[i], 2, field->max + 1), DFS_BAD_REQUEST);
        }
    }
    dfs_arena_close(&e.arena);
}

static void a_number_one_step_outside_its_bounds_is_refused(void **state)
{
    (void)state;
    each_message(check_bounds);
}

static void check_random_bytes(const struct dfs_layout *layout)
{
    uint64_t state = 42;
    uint8_t bytes[300];
    union dfs_any_message back;
    struct dfs_arena arena;

    for (int round = 0; round < 300; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
            bytes[i] = (uint8_t)(state >> 56) & (round % 3 == 0 ? 0xFF : 0x03);
        }
        dfs_arena_init(&arena, DFS_DECODE_BYTES_MAX);
        const enum dfs_status status = decode_exact(layout, bytes, (size_t)(round % (int)sizeof bytes), &back, &arena);

        assert_true(status == DFS_OK || status == DFS_BAD_REQUEST || status == DFS_TOO_LARGE);
        dfs_arena_close(&arena);
    }
}

static void random_bytes_never_overrun(void **state)
{
    (void)state;
    each_message(check_random_bytes);
}

static void a_list_beyond_the_arena_is_too_large(void **state)
{
    (void)state;
    static struct encoded e;
    union dfs_any_message back;
    struct dfs_arena arena;
    const struct dfs_layout *layout = dfs_message_layout(DFS_MSG_NODES_PAGE);

    encode_sample(layout, &e, 3);
    dfs_arena_init(&arena, 16);
    assert_int_equal(decode_exact(layout, e.bytes, e.count, &back, &arena), DFS_TOO_LARGE);
    dfs_arena_close(&arena);
    dfs_arena_close(&e.arena);
}

static void text_that_is_no_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\xFF", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",     "\xF4\x90\x80\x80", "\xF0\x80\x80\x80",
        "\x80", "a\xC3",    "\xE2\x82",     "\xF5\x80\x80\x80", "a\xC3(",           "\xF0\x9F\x98"};
    static const char *const good[] = {"", "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBD"};
    uint8_t bytes[64];
    union dfs_any_message back;
    const struct dfs_layout *layout = dfs_message_layout(DFS_MSG_VERSIONS);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_be(bytes, 2, strlen(bad[i]));
        memcpy(bytes + 2, bad[i], strlen(bad[i]));
        assert_int_equal(decode_exact(layout, bytes, 2 + strlen(bad[i]), &back, NULL), DFS_BAD_REQUEST);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        put_be(bytes, 2, strlen(good[i]));
        memcpy(bytes + 2, good[i], strlen(good[i]));
        assert_int_equal(decode_exact(layout, bytes, 2 + strlen(good[i]), &back, NULL), DFS_OK);
    }
    put_be(bytes, 2, 2);
    memcpy(bytes + 2, "a\0", 2);
    assert_int_equal(decode_exact(layout, bytes, 4, &back, NULL), DFS_BAD_REQUEST);
}

static void printed_messages_show_no_secret(void **state)
{
    (void)state;
    const struct dfs_m_login login = {.user = dfs_text_of("ann"), .password = dfs_text_of("hunter2")};
    char text[256];

    dfs_print(dfs_message_layout(DFS_MSG_LOGIN), &login, text, sizeof text);
    assert_string_equal(text, "LOGIN{user=\"ann\" password=***}");
    assert_int_equal(dfs_print(dfs_message_layout(DFS_MSG_LOGIN), &login, text, 8), 7);
    assert_string_equal(text, "LOGIN{u");
}

static void printed_messages_are_one_line(void **state)
{
    (void)state;
    const struct dfs_m_login login = {.user = dfs_text_of("a\nb\x1b\"c\\"), .password = dfs_text_of("")};
    char text[256];

    dfs_print(dfs_message_layout(DFS_MSG_LOGIN), &login, text, sizeof text);
    assert_string_equal(text, "LOGIN{user=\"a\\nb\\x1b\\\"c\\\\\" password=***}");
}

static void an_address_is_printed_as_people_write_it(void **state)
{
    (void)state;
    struct dfs_m_copy copy = {.target_addr = {.ip = {[10] = 0xFF, [11] = 0xFF, 10, 0, 0, 7}, .port = 7401}};
    char text[1024];

    dfs_print(dfs_message_layout(DFS_MSG_COPY), &copy, text, sizeof text);
    assert_non_null(strstr(text, "target_addr=10.0.0.7:7401"));
    memset(copy.target_addr.ip, 0, sizeof copy.target_addr.ip);
    copy.target_addr.ip[15] = 1;
    dfs_print(dfs_message_layout(DFS_MSG_COPY), &copy, text, sizeof text);
    assert_non_null(strstr(text, "target_addr=["));
}

static void check_print(const struct dfs_layout *layout)
{
    static struct encoded e;
    static char text[8192];

    encode_sample(layout, &e, 5);
    assert_true(dfs_print(layout, &e.value, text, sizeof text) > strlen(layout->name));
    assert_int_equal(strncmp(text, layout->name, strlen(layout->name)), 0);
    dfs_arena_close(&e.arena);
}

static void every_message_prints(void **state)
{
    (void)state;
    each_message(check_print);
}

static void names_and_numbers_find_each_other(void **state)
{
    (void)state;
    uint32_t number = 0;

    assert_true(dfs_message_find("PUT_OPEN", &number));
    assert_int_equal(number, DFS_MSG_PUT_OPEN);
    assert_false(dfs_message_find("PUT_OPENED", &number));
    assert_string_equal(dfs_message_name(DFS_MSG_HEARTBEAT), "HEARTBEAT");
    assert_string_equal(dfs_message_name(9), "?");
    assert_null(dfs_message_layout(DFS_MSG_NUMBER_MAX + 1));
    assert_string_equal(dfs_node_state_name(DFS_NODE_SUSPECT), "SUSPECT");
    assert_string_equal(dfs_node_state_name(DFS_NODE_STATE_COUNT), "?");
}

/* Goldens: one line a message, "NAME hex". DFS_GOLDEN_WRITE=1 writes them anew: a diff of that file is a change of the wire. */
static void the_bytes_of_every_message_are_as_they_were(void **state)
{
    (void)state;
    static struct encoded e;
    char path[1024];
    const bool write = getenv("DFS_GOLDEN_WRITE") != NULL;

    (void)snprintf(path, sizeof path, "%s/golden/wire.txt", DFS_TESTS_DIR);
    FILE *file = fopen(path, write ? "w" : "r");

    assert_non_null(file);
    for (uint32_t number = 0; number <= DFS_MSG_NUMBER_MAX; number++) {
        const struct dfs_layout *layout = dfs_message_layout(number);
        static char line[2 * BYTES_MAX];
        static char expected[2 * BYTES_MAX];
        uint8_t header[DFS_FRAME_HEADER_BYTES];

        if (layout == NULL)
            continue;
        encode_sample(layout, &e, number);
        const struct dfs_frame frame = {.body_bytes = (uint32_t)e.count, .type = (uint16_t)number, .request = 7};

        dfs_frame_encode(&frame, header);
        int at = snprintf(line, sizeof line, "%s ", layout->name);
        for (size_t i = 0; i < sizeof header; i++)
            at += snprintf(line + at, sizeof line - (size_t)at, "%02x", header[i]);
        for (size_t i = 0; i < e.count; i++)
            at += snprintf(line + at, sizeof line - (size_t)at, "%02x", e.bytes[i]);
        dfs_arena_close(&e.arena);
        if (write) {
            assert_true(fprintf(file, "%s\n", line) > 0);
            continue;
        }
        assert_non_null(fgets(expected, (int)sizeof expected, file));
        expected[strcspn(expected, "\n")] = '\0';
        assert_string_equal(line, expected);
    }
    assert_int_equal(fclose(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_survives_encode_and_decode),
        cmocka_unit_test(a_message_cut_at_any_byte_or_with_one_more_is_refused),
        cmocka_unit_test(a_number_one_step_outside_its_bounds_is_refused),
        cmocka_unit_test(random_bytes_never_overrun),
        cmocka_unit_test(a_list_beyond_the_arena_is_too_large),
        cmocka_unit_test(text_that_is_no_utf8_is_refused),
        cmocka_unit_test(printed_messages_show_no_secret),
        cmocka_unit_test(printed_messages_are_one_line),
        cmocka_unit_test(an_address_is_printed_as_people_write_it),
        cmocka_unit_test(every_message_prints),
        cmocka_unit_test(names_and_numbers_find_each_other),
        cmocka_unit_test(the_bytes_of_every_message_are_as_they_were),
    };

    return cmocka_run_group_tests_name("wire/message", tests, NULL, NULL);
}

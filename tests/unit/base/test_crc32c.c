/* CRC-32C: the vectors of RFC 3720, additivity, combination without the bytes. */
#include "tests/unit/base/check.h"

#include "core/base/crc32c.h"
#include "core/base/limits.h"

#include <stdlib.h>
#include <sys/mman.h>

/* By the definition, one bit at a time. */
static uint32_t slow_crc32c(const uint8_t *bytes, size_t count)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void the_vectors_of_rfc_3720_hold(void **state)
{
    static const uint8_t read_pdu[48] = {
        0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02};
    uint8_t bytes[32];

    (void)state;
    assert_int_equal(dfs_crc32c(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(dfs_crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(dfs_crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(dfs_crc32c(0, bytes, sizeof bytes), 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(dfs_crc32c(0, bytes, sizeof bytes), 0x113fdb5c);
    assert_int_equal(dfs_crc32c(0, read_pdu, sizeof read_pdu), 0xd9963a56);
}

static void nothing_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(dfs_crc32c(0, NULL, 0), 0);
    assert_int_equal(dfs_crc32c(0x12345678, NULL, 0), 0x12345678);
    assert_int_equal(dfs_crc32c_combine(0x12345678, 0, 0), 0x12345678);
}

static void every_length_and_alignment_agrees_with_the_definition(void **state)
{
    struct sequence sequence = {3};
    uint8_t *bytes = malloc(8 + 700);

    (void)state;
    draw_bytes(&sequence, bytes, 8 + 700);
    for (size_t shift = 0; shift < 8; shift++) {
        for (size_t count = 0; count <= 700; count++)
            assert_int_equal(dfs_crc32c(0, bytes + shift, count), slow_crc32c(bytes + shift, count));
    }
    free(bytes);
}

static void a_sum_may_be_taken_in_parts_at_every_cut(void **state)
{
    struct sequence sequence = {4};
    uint8_t bytes[600];
    uint32_t whole;

    (void)state;
    draw_bytes(&sequence, bytes, sizeof bytes);
    whole = dfs_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++)
        assert_int_equal(dfs_crc32c(dfs_crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut), whole);
}

static void sums_combine_to_the_sum_of_the_whole_at_every_cut(void **state)
{
    struct sequence sequence = {5};
    uint8_t bytes[600];
    uint32_t whole;

    (void)state;
    draw_bytes(&sequence, bytes, sizeof bytes);
    whole = dfs_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        const uint32_t a = dfs_crc32c(0, bytes, cut);
        const uint32_t b = dfs_crc32c(0, bytes + cut, sizeof bytes - cut);

        assert_int_equal(dfs_crc32c_combine(a, b, sizeof bytes - cut), whole);
    }
}

static void sums_of_drawn_lengths_combine(void **state)
{
    const size_t room = 4 * DFS_CHUNK_BYTES;
    struct sequence sequence = {6};
    uint8_t *bytes = malloc(room);

    (void)state;
    draw_bytes(&sequence, bytes, room);
    for (unsigned round = 0; round < 300; round++) {
        const size_t length = draw_below(&sequence, room + 1);
        const size_t cut = draw_below(&sequence, length + 1);
        const uint32_t a = dfs_crc32c(0, bytes, cut);
        const uint32_t b = dfs_crc32c(0, bytes + cut, length - cut);

        assert_int_equal(dfs_crc32c_combine(a, b, length - cut), dfs_crc32c(0, bytes, length));
    }
    free(bytes);
}

/* The table of one length against the general way, which is split in two around it. */
static void a_whole_chunk_combines_by_table_as_in_general(void **state)
{
    struct sequence sequence = {7};

    (void)state;
    for (unsigned bit = 0; bit < 32; bit++) {
        const uint32_t a = UINT32_C(1) << bit;

        assert_int_equal(dfs_crc32c_combine(a, 0, DFS_CHUNK_BYTES),
                         dfs_crc32c_combine(dfs_crc32c_combine(a, 0, DFS_CHUNK_BYTES - 1), 0, 1));
    }
    for (unsigned round = 0; round < 10000; round++) {
        const uint32_t a = (uint32_t)draw(&sequence);
        const uint32_t b = (uint32_t)draw(&sequence);

        assert_int_equal(dfs_crc32c_combine(a, b, DFS_CHUNK_BYTES),
                         dfs_crc32c_combine(dfs_crc32c_combine(a, 0, DFS_CHUNK_BYTES / 2), b, DFS_CHUNK_BYTES / 2));
    }
}

/* Moving on by 2n is moving on by n twice: from one byte up to all lengths there are. */
static void lengths_of_every_size_add_up(void **state)
{
    struct sequence sequence = {8};

    (void)state;
    for (unsigned power = 0; power < 63; power++) {
        const uint64_t n = UINT64_C(1) << power;
        const uint32_t a = (uint32_t)draw(&sequence);

        assert_int_equal(dfs_crc32c_combine(a, 0, 2 * n), dfs_crc32c_combine(dfs_crc32c_combine(a, 0, n), 0, n));
    }
    for (unsigned round = 0; round < 1000; round++) {
        const uint64_t n = draw(&sequence) >> 1;
        const uint64_t m = draw(&sequence) >> 1;
        const uint32_t a = (uint32_t)draw(&sequence);

        assert_int_equal(dfs_crc32c_combine(a, 0, n + m), dfs_crc32c_combine(dfs_crc32c_combine(a, 0, n), 0, m));
    }
}

/* The sum of `count` zeros, by doubling. */
static uint32_t sum_of_zeros(uint64_t count)
{
    const uint32_t one = dfs_crc32c(0, "", 1);
    uint32_t sum = 0;

    for (int bit = 63; bit >= 0; bit--) {
        sum = dfs_crc32c_combine(sum, sum, count >> bit >> 1);
        if ((count >> bit & 1) != 0)
            sum = dfs_crc32c_combine(sum, one, 1);
    }
    return sum;
}

/* Zeros that no memory is behind (the kernel maps one page of them again and again), then a few bytes. */
static void more_bytes_than_isal_can_count_are_summed(void **state)
{
    const size_t zeros = ((size_t)1 << 31) + 4099;
    const size_t count = zeros + 9;
    uint8_t *bytes = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)state;
    assert_ptr_not_equal(bytes, MAP_FAILED);
    (void)madvise(bytes, count, MADV_NOHUGEPAGE);
    memcpy(bytes + zeros, "123456789", 9);
    assert_int_equal(dfs_crc32c(0, bytes, count), dfs_crc32c_combine(sum_of_zeros(zeros), 0xe3069283, 9));
    (void)munmap(bytes, count);
}

static void each_chunk_gets_its_own_sum_and_the_last_may_be_short(void **state)
{
    static const size_t lengths[] = {
        0, 1, DFS_CHUNK_BYTES - 1, DFS_CHUNK_BYTES, DFS_CHUNK_BYTES + 1, 3 * DFS_CHUNK_BYTES, 3 * DFS_CHUNK_BYTES + 77};
    struct sequence sequence = {9};
    uint8_t *bytes = malloc(4 * DFS_CHUNK_BYTES);

    (void)state;
    draw_bytes(&sequence, bytes, 4 * DFS_CHUNK_BYTES);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const size_t length = lengths[i];
        const size_t expected = (length + DFS_CHUNK_BYTES - 1) / DFS_CHUNK_BYTES;
        uint32_t crcs[5] = {0, 0, 0, 0, 0};
        uint32_t whole = 0;

        assert_int_equal(dfs_crc32c_chunks(bytes, length, crcs, expected), expected);
        for (size_t k = 0; k < expected; k++) {
            const size_t at = k * DFS_CHUNK_BYTES;
            const size_t part = length - at < DFS_CHUNK_BYTES ? length - at : DFS_CHUNK_BYTES;

            assert_int_equal(crcs[k], dfs_crc32c(0, bytes + at, part));
            whole = dfs_crc32c_combine(whole, crcs[k], part);
        }
        assert_int_equal(crcs[expected], 0);
        assert_int_equal(whole, dfs_crc32c(0, bytes, length));
    }
    free(bytes);
}

static void sum_two_chunks_into_one_place(void)
{
    static const uint8_t bytes[DFS_CHUNK_BYTES + 1];
    uint32_t crc;

    (void)dfs_crc32c_chunks(bytes, sizeof bytes, &crc, 1);
}

static void more_chunks_than_places_panic(void **state)
{
    (void)state;
    assert_true(panics(sum_two_chunks_into_one_place, "crcs_max"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_3720_hold),
        cmocka_unit_test(nothing_changes_nothing),
        cmocka_unit_test(every_length_and_alignment_agrees_with_the_definition),
        cmocka_unit_test(a_sum_may_be_taken_in_parts_at_every_cut),
        cmocka_unit_test(sums_combine_to_the_sum_of_the_whole_at_every_cut),
        cmocka_unit_test(sums_of_drawn_lengths_combine),
        cmocka_unit_test(a_whole_chunk_combines_by_table_as_in_general),
        cmocka_unit_test(lengths_of_every_size_add_up),
        cmocka_unit_test(more_bytes_than_isal_can_count_are_summed),
        cmocka_unit_test(each_chunk_gets_its_own_sum_and_the_last_may_be_short),
        cmocka_unit_test(more_chunks_than_places_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The form of a block on the disk. */
#include "core/base/crc32c.h"
#include "core/data/block_file.h"
#include "core/data/data.h"
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t make_file(const struct dfs_block_id *block, uint8_t *file, uint32_t length)
{
    uint32_t crcs[DATA_CHUNKS_MAX];

    rig_fill(file, length, length);
    (void)dfs_crc32c_chunks(file, length, crcs, DATA_CHUNKS_MAX);
    data_footer_encode(block, length, data_crc_of_chunks(crcs, length), crcs, file + length);
    return length + data_footer_bytes(length);
}

static void test_names_go_both_ways(void **state)
{
    struct dfs_block_id block = {.index = 0xabc, .generation = 0x80000001};
    struct dfs_block_id again;
    char name[DFS_FILE_NAME_BYTES_MAX];

    (void)state;
    for (unsigned i = 0; i < DFS_ID_BYTES; i++)
        block.file.bytes[i] = (uint8_t)(i * 17);
    dfs_block_name(&block, name);
    assert_string_equal(name, "00112233-4455-6677-8899-aabbccddeeff-00000abc-80000001");
    assert_true(dfs_block_name_parse(name, &again));
    assert_int_equal(data_block_compare(&block, &again), 0);
}

static void test_what_is_no_name_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "marker",
        "seen-0000000000001388",
        "00112233-4455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeeff-00000001-0000000",   /* short */
        "00112233-4455-6677-8899-aabbccddeeff-00000001-000000011", /* long */
        "00112233-4455-6677-8899-aabbccddeeff-00000001-00000000",  /* generations begin at 1 */
        "00112233-4455-6677-8899-aabbccddeeff-00100000-00000001",  /* no file has so many blocks */
        "00112233-4455-6677-8899-AABBCCDDEEFF-00000001-00000001",
        "00112233-4455-6677-8899-aabbccddeeff-0000000A-00000001",
        "00112233-4455-6677-8899-aabbccddeeff_00000001-00000001",
        "00112233-4455-6677-8899-aabbccddeeff-00000001_00000001",
        "0011223--4455-6677-8899-aabbccddeeff-00000001-00000001",
        "00112233-4455-6677-8899-aabbccddeeff-00000001-00000001.tmp-1",
    };
    struct dfs_block_id block;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(dfs_block_name_parse(wrong[i], &block));
}

static void test_order_of_names_is_order_of_ids(void **state)
{
    char a_name[DFS_FILE_NAME_BYTES_MAX];
    char b_name[DFS_FILE_NAME_BYTES_MAX];
    struct dfs_block_id blocks[5] = {{.index = 0, .generation = 1},
                                     {.index = 0, .generation = 2},
                                     {.index = 1, .generation = 1},
                                     {.index = 0x10, .generation = 1},
                                     {.index = 0, .generation = 1}};

    (void)state;
    blocks[4].file.bytes[0] = 1;
    for (unsigned i = 0; i + 1 < 5; i++) {
        dfs_block_name(&blocks[i], a_name);
        dfs_block_name(&blocks[i + 1], b_name);
        assert_true(strcmp(a_name, b_name) < 0);
        assert_true(data_block_compare(&blocks[i], &blocks[i + 1]) < 0);
        assert_true(data_block_compare(&blocks[i + 1], &blocks[i]) > 0);
    }
}

static void test_length_follows_from_the_size(void **state)
{
    static const uint32_t lengths[] = {
        1, 2, 65535, 65536, 65537, 131071, 131072, 131073, 655360, 9999999, DFS_BLOCK_BYTES_MAX};
    uint32_t impossible = 0;

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        assert_int_equal(data_length_of_file((uint64_t)lengths[i] + data_footer_bytes(lengths[i])), lengths[i]);
    assert_int_equal(data_length_of_file(0), 0);
    assert_int_equal(data_length_of_file(DATA_FOOTER_BYTES_FIXED + 4), 0);
    assert_int_equal(data_length_of_file(UINT64_MAX), 0);
    assert_int_equal(data_length_of_file((uint64_t)DFS_BLOCK_BYTES_MAX + data_footer_bytes(DFS_BLOCK_BYTES_MAX) + 1),
                     0);
    /* Sizes between the largest of n chunks and the least of n + 1 are nobody's. */
    for (uint64_t size = 0; size < 200000; size++) {
        const uint32_t length = data_length_of_file(size);

        if (length == 0)
            impossible++;
        else
            assert_int_equal((uint64_t)length + data_footer_bytes(length), size);
    }
    assert_int_equal(impossible, 1 + DATA_FOOTER_BYTES_FIXED + 4 + 3 * 4);
}

static void test_a_whole_file_verifies(void **state)
{
    const struct dfs_block_id block = rig_block(3);
    uint8_t *file = malloc(200000 + DATA_FOOTER_BYTES_MAX);
    static const uint32_t lengths[] = {1, 65536, 65537, 200000};
    uint32_t length, crc;

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const size_t count = make_file(&block, file, lengths[i]);

        assert_true(dfs_block_file_check(file, count, &block, &length, &crc));
        assert_int_equal(length, lengths[i]);
        assert_int_equal(crc, dfs_crc32c(0, file, lengths[i]));
    }
    free(file);
}

static void test_every_flipped_bit_is_seen(void **state)
{
    const struct dfs_block_id block = rig_block(3);
    uint8_t file[300 + DATA_FOOTER_BYTES_MAX];
    const size_t count = make_file(&block, file, 300);
    uint32_t length, crc;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        file[i] ^= (uint8_t)(1u << (i & 7));
        assert_false(dfs_block_file_check(file, count, &block, &length, &crc));
        file[i] ^= (uint8_t)(1u << (i & 7));
    }
    assert_true(dfs_block_file_check(file, count, &block, &length, &crc));
}

static void test_cut_and_foreign_files_are_seen(void **state)
{
    const struct dfs_block_id block = rig_block(3);
    const struct dfs_block_id other = rig_block(4);
    uint8_t file[300 + DATA_FOOTER_BYTES_MAX];
    const size_t count = make_file(&block, file, 300);
    uint32_t length, crc;

    (void)state;
    for (size_t i = 0; i < count; i++)
        assert_false(dfs_block_file_check(file, i, &block, &length, &crc));
    /* A misplaced file: every checksum is right, but it is another block's. */
    assert_false(dfs_block_file_check(file, count, &other, &length, &crc));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_go_both_ways),
        cmocka_unit_test(test_what_is_no_name_is_refused),
        cmocka_unit_test(test_order_of_names_is_order_of_ids),
        cmocka_unit_test(test_length_follows_from_the_size),
        cmocka_unit_test(test_a_whole_file_verifies),
        cmocka_unit_test(test_every_flipped_bit_is_seen),
        cmocka_unit_test(test_cut_and_foreign_files_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

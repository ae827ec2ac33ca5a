/* XXH3 gives the same numbers on every machine, with every compiler. */
#include "tests/unit/base/check.h"

#include "core/base/hash.h"

#define SEED UINT64_C(0x9e3779b185ebca8d)

/* The buffer of xxHash's own sanity check (cli/xsum_sanity_check.c), from which its published vectors are made. */
static void fill(uint8_t *bytes, size_t count)
{
    uint64_t generator = 2654435761u;

    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(generator >> 56);
        generator *= UINT64_C(11400714785074694797);
    }
}

static void the_vectors_of_xxhash_hold_in_every_class_of_length(void **state)
{
    static const struct {
        size_t count;
        uint64_t unseeded;
        uint64_t seeded;
    } vectors[] = {
        {0, UINT64_C(0x2d06800538d394c2), UINT64_C(0xa8a6b918b2f0364a)},
        {1, UINT64_C(0xc44bdff4074eecdb), UINT64_C(0x032be332dd766ef8)},
        {3, UINT64_C(0x54247382a8d6b94d), UINT64_C(0x634b8990b4976373)},
        {6, UINT64_C(0x27b56a84cd2d7325), UINT64_C(0x84589c116ab59ab9)},
        {8, UINT64_C(0x24ccc9acaa9f65e4), UINT64_C(0x8f973410999b8f6b)},
        {12, UINT64_C(0xa713daf0dfbb77e7), UINT64_C(0xe7303e1b2336de0e)},
        {16, UINT64_C(0x981b17d36c7498c9), UINT64_C(0x663f29333b4db6b1)},
        {24, UINT64_C(0xa3fe70bf9d3510eb), UINT64_C(0x850e80fc35bdd690)},
        {48, UINT64_C(0x397da259ecba1f11), UINT64_C(0xadc2cbaa44acc616)},
        {80, UINT64_C(0xbcdefbbb2c47c90a), UINT64_C(0xc6dd0cb699532e73)},
        {128, UINT64_C(0xfcff24126754d861), UINT64_C(0x73fde75280646649)},
        {195, UINT64_C(0xcd94217ee362ec3a), UINT64_C(0xba68003d370cb3d9)},
        {240, UINT64_C(0x81c3c2b67f568ccf), UINT64_C(0xcc0f58c27ef3d8ee)},
        {241, UINT64_C(0xc5a639ecd2030e5e), UINT64_C(0xdda9b0a161d4829a)},
        {403, UINT64_C(0xcdeb804d65c6dea4), UINT64_C(0x6259f6ecfd6443fd)},
        {512, UINT64_C(0x617e49599013cb6b), UINT64_C(0x3ce457de14c27708)},
        {2048, UINT64_C(0xdd59e2c3a5f038e0), UINT64_C(0x66f81670669ababc)},
        {2240, UINT64_C(0x6e73a90539cf2948), UINT64_C(0x757ba8487d1b5247)},
    };
    uint8_t bytes[2240];

    (void)state;
    fill(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        assert_true(dfs_hash64(0, bytes, vectors[i].count) == vectors[i].unseeded);
        assert_true(dfs_hash64(SEED, bytes, vectors[i].count) == vectors[i].seeded);
    }
}

/* The number was made with the compiled libxxhash 0.8.1. */
static void every_length_up_to_a_page_gives_the_known_number(void **state)
{
    uint8_t bytes[4096];
    uint64_t all = 0;

    (void)state;
    fill(bytes, sizeof bytes);
    for (size_t i = 0; i <= sizeof bytes; i++)
        all = dfs_hash64(dfs_hash64(i * 7, bytes, i), &all, sizeof all);
    assert_true(all == UINT64_C(0xb725358bcd281eaa));
}

static void the_place_of_the_bytes_in_memory_does_not_matter(void **state)
{
    uint8_t bytes[16 + 300];
    uint8_t moved[16 + 300];

    (void)state;
    fill(bytes, sizeof bytes);
    for (size_t shift = 1; shift < 16; shift++) {
        for (size_t count = 0; count <= 300; count++) {
            memcpy(moved + shift, bytes, count);
            assert_true(dfs_hash64(3, moved + shift, count) == dfs_hash64(3, bytes, count));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_xxhash_hold_in_every_class_of_length),
        cmocka_unit_test(every_length_up_to_a_page_gives_the_known_number),
        cmocka_unit_test(the_place_of_the_bytes_in_memory_does_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

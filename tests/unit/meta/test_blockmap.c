/* Blocks, copies, and what they cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/meta/blockmap.h"

static struct meta_blockmap map;
static struct meta_namespace ns;

static int set_up(void **state)
{
    (void)state;
    meta_blockmap_init(&map);
    meta_namespace_init(&ns, 7);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_true(meta_blockmap_is_sound(&map));
    meta_blockmap_close(&map);
    return 0;
}

static void add(struct meta_file *file, uint32_t count)
{
    struct meta_extent extents[64];

    for (uint32_t i = 0; i < count; i++)
        extents[i] = (struct meta_extent){.generation = 1, .length_bytes = 1000, .crc32c = i};
    meta_blockmap_add(&map, file, extents, count);
}

static void copies_hang_in_their_block_and_their_node(void **state)
{
    struct meta_file file = {.copies_wanted = 3};
    meta_block_no block;
    meta_copy_no copy;

    (void)state;
    add(&file, 2);
    block = meta_file_block(&map, &file, 1, 1);
    assert_int_not_equal(block, 0);
    assert_int_equal(meta_file_block(&map, &file, 1, 2), 0);
    assert_int_equal(meta_file_block(&map, &file, 2, 1), 0);
    copy = meta_blockmap_put(&map, block, 7, META_COPY_DURABLE);
    assert_int_equal(meta_blockmap_put(&map, block, 7, META_COPY_VERIFIED), copy);
    assert_int_equal(meta_copy_block(&map, copy), block);
    assert_int_equal(meta_blockmap_copy(&map, copy)->flags, META_COPY_DURABLE | META_COPY_VERIFIED);
    (void)meta_blockmap_put(&map, block, 3, 0);
    assert_int_equal(meta_blockmap_block(&map, block)->copies_count, 2);
    assert_int_equal(meta_blockmap_node(&map, 7).bytes, 1000);
    assert_int_equal(meta_blockmap_copy(&map, meta_blockmap_find(&map, block, 3))->flags, 0);
    meta_blockmap_flags(&map, copy, META_COPY_DOUBTED, META_COPY_VERIFIED);
    meta_blockmap_flags(&map, copy, META_COPY_BAD, 0);
    assert_int_equal(meta_block_good(meta_blockmap_block(&map, block)), 1);
    assert_true(meta_blockmap_is_sound(&map));
    meta_blockmap_remove(&map, copy);
    assert_int_equal(meta_block_good(meta_blockmap_block(&map, block)), 1);
    assert_int_equal(meta_blockmap_node(&map, 7).count, 0);
    assert_int_equal(meta_blockmap_find(&map, block, 7), 0);
    meta_blockmap_drop(&map, &file);
    assert_int_equal(map.blocks.count, 0);
    assert_int_equal(map.copies_count, 0);
    assert_int_equal(meta_blockmap_node(&map, 3).bytes, 0);
}

/* The nodes of a block's copies, "3 7 9", as they are met. */
static const char *nodes_of(meta_block_no block)
{
    static char text[128];
    size_t at = 0;

    text[0] = '\0';
    for (meta_copy_no no = meta_blockmap_first(&map, block); no != 0; no = meta_blockmap_next(&map, no)) {
        assert_int_equal(meta_copy_block(&map, no), block);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%u", at == 0 ? "" : " ",
                               (unsigned)meta_blockmap_copy(&map, no)->node);
    }
    return text;
}

static void more_copies_than_a_block_has_room_for(void **state)
{
    struct meta_file files[2] = {{.copies_wanted = 3}, {.copies_wanted = 3}};

    (void)state;
    add(&files[0], 1);
    add(&files[1], 1);
    const meta_block_no block = meta_file_at(&files[0], 0);
    const meta_block_no other = meta_file_at(&files[1], 0);

    for (uint16_t node = 0; node < 6; node++) {
        (void)meta_blockmap_put(&map, block, node, 0);
        (void)meta_blockmap_put(&map, other, node, META_COPY_DURABLE);
    }
    assert_string_equal(nodes_of(block), "0 1 2 3 4 5");
    assert_int_equal(map.extras.count, 6);
    assert_int_equal(meta_blockmap_node(&map, 5).count, 2);
    assert_true(meta_blockmap_is_sound(&map));
    /* In the middle, at both ends, and of either kind. */
    meta_blockmap_remove(&map, meta_blockmap_find(&map, block, 4));
    meta_blockmap_remove(&map, meta_blockmap_find(&map, block, 1));
    assert_string_equal(nodes_of(block), "0 2 3 5");
    assert_true(meta_blockmap_is_sound(&map));
    meta_blockmap_remove(&map, meta_blockmap_find(&map, block, 0));
    meta_blockmap_remove(&map, meta_blockmap_find(&map, block, 3));
    assert_string_equal(nodes_of(block), "2 5");
    /* A place that came free is taken first. */
    (void)meta_blockmap_put(&map, block, 8, META_COPY_BAD);
    (void)meta_blockmap_put(&map, block, 9, 0);
    (void)meta_blockmap_put(&map, block, 10, 0);
    assert_string_equal(nodes_of(block), "8 9 2 5 10");
    assert_int_equal(meta_block_good(meta_blockmap_block(&map, block)), 4);
    assert_string_equal(nodes_of(other), "0 1 2 3 4 5");
    assert_true(meta_blockmap_is_sound(&map));
    meta_blockmap_drop(&map, &files[0]);
    assert_true(meta_blockmap_is_sound(&map));
    assert_int_equal(map.copies_count, 6);
    meta_blockmap_drop(&map, &files[1]);
    assert_int_equal(map.copies_count + map.extras.count, 0);
}

static void an_empty_file_has_no_blocks(void **state)
{
    struct meta_file file = {.copies_wanted = 3};

    (void)state;
    meta_blockmap_add(&map, &file, NULL, 0);
    assert_int_equal(meta_file_block(&map, &file, 0, 1), 0);
    meta_blockmap_drop(&map, &file);
}

static void losing_a_node_costs_its_copies_only(void **state)
{
    static struct meta_file files[100];
    uint32_t lost = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        files[i] = (struct meta_file){.copies_wanted = 3};
        add(&files[i], 10);
        for (uint32_t b = 0; b < 10; b++) {
            for (uint16_t k = 0; k < 3; k++)
                (void)meta_blockmap_put(&map, meta_file_at(&files[i], b), (uint16_t)((i + b + k * 3u) % 11), 0);
        }
    }
    assert_int_equal(map.copies_count, 3000);
    const uint32_t has = meta_blockmap_node(&map, 5).count;

    for (meta_copy_no at = meta_blockmap_node_first(&map, 5), next; at != 0; at = next) {
        next = meta_blockmap_copy(&map, at)->node_next;
        meta_blockmap_remove(&map, at);
        lost++;
    }
    assert_int_equal(lost, has);
    assert_int_equal(meta_blockmap_node(&map, 5).count, 0);
    assert_true(meta_blockmap_is_sound(&map));
    for (unsigned i = 0; i < 100; i += 2)
        meta_blockmap_drop(&map, &files[i]);
    assert_true(meta_blockmap_is_sound(&map));
    for (unsigned i = 1; i < 100; i += 2)
        meta_blockmap_drop(&map, &files[i]);
}

/* What the README promises: files of one block, three copies, paths of forty bytes. What malloc gives for it is measured by
 * tests/bench/bench_meta.c. */
static void a_block_takes_less_than_250_bytes_with_its_file_and_its_path(void **state)
{
    enum { FILES = 50000 };
    struct meta_version *version;
    meta_version_no number = 1;

    (void)state;
    for (unsigned i = 0; i < FILES; i++) {
        struct dfs_id id = {{0}};
        char path[64];

        memcpy(id.bytes, &i, sizeof i);
        version = meta_namespace_add(&ns, &id, i + 1);
        (void)snprintf(path, sizeof path, "home/user%03u/project%02u/p%04u/%07u.dat", i % 1000, i % 100, i / 10, i);
        assert_int_equal(strlen(path), 40);
        meta_namespace_place(&ns, version, path, strlen(path), i + 1);
        add(&version->file, 1);
        for (uint16_t k = 0; k < 3; k++)
            (void)meta_blockmap_put(&map, meta_file_at(&version->file, 0), (uint16_t)((i + k) % 20), 0);
    }
    const uint64_t bytes = meta_blockmap_bytes(&map) + meta_namespace_bytes(&ns);

    print_message("%llu bytes a block\n", (unsigned long long)(bytes / FILES));
    assert_true(bytes / FILES < 250);
    assert_true(meta_namespace_is_sound(&ns));
    while ((version = meta_namespace_walk(&ns, &number)) != NULL)
        meta_blockmap_drop(&map, &version->file);
    meta_namespace_close(&ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies_hang_in_their_block_and_their_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_file_has_no_blocks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(losing_a_node_costs_its_copies_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_copies_than_a_block_has_room_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_block_takes_less_than_250_bytes_with_its_file_and_its_path, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

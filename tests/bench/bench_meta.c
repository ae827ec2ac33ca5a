/*
 * bench_meta.c - what metadata holds for a block, and what it costs to find a path.
 *
 *   bench_meta [FILES]     one-block files (default 1,000,000); the other rows have as many blocks
 *
 * Builds the state that records build (names, block map, three copies on each of 100 nodes in turn), and asks malloc how many bytes
 * it has handed out, its own headers included. Ends with 1 when a block takes META_BENCH_LIMIT or more.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/meta/blockmap.h"
#include "core/meta/namespace.h"

/* Bytes a block with three copies, of files of one block with paths of PATH_BYTES. */
#define META_BENCH_LIMIT 250
#define PATH_BYTES 40
#define NODES 100
#define COPIES 3
#define BLOCKS_MAX 64 /* of a file */

static struct meta_namespace ns;
static struct meta_blockmap map;

static double now_ns(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

static uint64_t held_bytes(void)
{
    const struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* In no order: as many clients put them. */
static void path_of(uint64_t file, char ret_path[64])
{
    const uint64_t number = mix(file + 1);

    (void)snprintf(ret_path, 64, "home/user%03u/run%02u/%016" PRIx64 ".dat%04u", (unsigned)(number % 1000),
                   (unsigned)(number >> 10 & 63), number, (unsigned)(file % 10000));
    ret_path[PATH_BYTES] = '\0';
}

static void file_add(uint64_t file, uint32_t blocks)
{
    struct meta_extent extents[BLOCKS_MAX];
    struct dfs_id id;
    struct meta_version *version;
    char path[64];

    memcpy(id.bytes, (const uint64_t[2]){mix(2 * file), mix(2 * file + 1)}, sizeof id.bytes);
    path_of(file, path);
    version = meta_namespace_add(&ns, &id, file + 1);
    for (uint32_t i = 0; i < blocks; i++)
        extents[i] = (struct meta_extent){.generation = 1, .length_bytes = 4096, .crc32c = i};
    meta_blockmap_add(&map, &version->file, extents, blocks);
    meta_namespace_place(&ns, version, path, PATH_BYTES, file + 1);
    for (uint32_t i = 0; i < blocks; i++) {
        for (uint64_t k = 0; k < COPIES; k++)
            (void)meta_blockmap_put(&map, meta_file_at(&version->file, i), (uint16_t)((mix(file) + i + 7 * k) % NODES),
                                    META_COPY_DURABLE);
    }
}

static void all_drop(void)
{
    struct meta_version *version;
    meta_version_no number = 1;

    while ((version = meta_namespace_walk(&ns, &number)) != NULL)
        meta_blockmap_drop(&map, &version->file);
    meta_namespace_close(&ns);
    meta_blockmap_close(&map);
}

/* Exact look-ups of paths that are there, in no order. */
static double find_ns(uint64_t files)
{
    const uint64_t count = 1000000;
    const double begin = now_ns();
    char path[64];

    for (uint64_t i = 0; i < count; i++) {
        path_of(mix(i) % files, path);
        if (meta_namespace_current(&ns, path, PATH_BYTES) == NULL)
            abort();
    }
    const double all = now_ns() - begin;
    const double made = now_ns();

    for (uint64_t i = 0; i < count; i++) {
        path_of(mix(i) % files, path);
        __asm__ volatile("" ::"r"(path) : "memory");
    }
    return (all - (now_ns() - made)) / (double)count;
}

/* Bytes a block. */
static double measure(uint64_t blocks, uint32_t blocks_a_file)
{
    const uint64_t files = blocks / blocks_a_file;
    const uint64_t before = held_bytes();
    const double begin = now_ns();

    meta_namespace_init(&ns, 7);
    meta_blockmap_init(&map);
    for (uint64_t i = 0; i < files; i++)
        file_add(i, blocks_a_file);
    const double build_ns = (now_ns() - begin) / (double)files;
    const double bytes = (double)(held_bytes() - before) / (double)(files * blocks_a_file);
    const double own =
        (double)(meta_namespace_bytes(&ns) + meta_blockmap_bytes(&map)) / (double)(files * blocks_a_file);

    printf(
        "%10" PRIu64
        " files of %2u: %7.1f bytes a block (%.1f by our own account), %6.0f ns to add a file, %4.0f ns to find its path\n",
        files, blocks_a_file, bytes, own, build_ns, find_ns(files));
    all_drop();
    return bytes;
}

int main(int argc, char **argv)
{
    const uint64_t blocks = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    double worst;

    if (blocks < BLOCKS_MAX) {
        fprintf(stderr, "bench_meta: \"%s\": give at least %d files\n", argc > 1 ? argv[1] : "", BLOCKS_MAX);
        return 2;
    }
    worst = measure(blocks, 1);
    (void)measure(blocks, 4);
    (void)measure(blocks, BLOCKS_MAX);
    if (worst >= META_BENCH_LIMIT) {
        fprintf(stderr, "bench_meta: a block takes %.1f bytes, the limit is %d\n", worst, META_BENCH_LIMIT);
        return 1;
    }
    return 0;
}

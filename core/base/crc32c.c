#include "core/base/crc32c.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

#include <isa-l/crc.h>

/* Bytes of one call: ISA-L counts in int. */
#define ISAL_BYTES_MAX (1 << 30)

/* ISA-L leaves the inversions before and after to its caller (RFC 3720: the register starts as ones, the sum
 * is complemented); undoing the last one makes the sum additive. */
uint32_t dfs_crc32c(uint32_t crc, const void *bytes, size_t count)
{
    unsigned char *at = (unsigned char *)(uintptr_t)bytes; /* not const in ISA-L, which only reads */
    uint32_t rest = ~crc;

    while (count > 0) {
        const size_t part = count < ISAL_BYTES_MAX ? count : ISAL_BYTES_MAX;

        rest = crc32_iscsi(at, (int)part, rest);
        at += part;
        count -= part;
    }
    return ~rest;
}

/*
 * Combination. A sum is a polynomial over GF(2) modulo P, bit 31 the coefficient of x^0. The sum of ab is that
 * of a moved on by the length of b, a * x^(8 * length), plus that of b; the inversions cancel out.
 */

#define POLYNOMIAL 0x82f63b78u

/* x^(2^k) mod P. P is (x + 1) times a primitive polynomial of degree 31, so x^(2^31) is x again. */
#define POWERS 31
static const uint32_t powers[POWERS] = {
    0x40000000, 0x20000000, 0x08000000, 0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18,
    0x510ac59a, 0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62,
    0x28461564, 0xbf455269, 0xe2ea32dc, 0xfe7740e6, 0xf946610b, 0x3c204f8f, 0x538586e3, 0x59726915,
    0x734d5309, 0xbc1ac763, 0x7d0722cc, 0xd289cabe, 0xe94ca9bc, 0x05b74f3f, 0xa51e1f42,
};

/* What each value of each nibble becomes when moved on by DFS_CHUNK_BYTES: the sums of what its four bits become. */
#define EIGHT(a, b, c, d) \
    (d), (a) ^ (d), (b) ^ (d), (a) ^ (b) ^ (d), (c) ^ (d), (a) ^ (c) ^ (d), (b) ^ (c) ^ (d), (a) ^ (b) ^ (c) ^ (d)
#define NIBBLE(a, b, c, d) \
    { \
        EIGHT(a, b, c, 0u), EIGHT(a, b, c, d) \
    }
#define NIBBLES 8
static const uint32_t chunk_moves[NIBBLES][16] = {
    NIBBLE(0x6bafcc21, 0xd75f9842, 0xab534675, 0x534afa1b), NIBBLE(0xa695f436, 0x48c79e9d, 0x918f3d3a, 0x26f20c85),
    NIBBLE(0x4de4190a, 0x9bc83214, 0x327c12d9, 0x64f825b2), NIBBLE(0xc9f04b64, 0x960ce039, 0x29f5b683, 0x53eb6d06),
    NIBBLE(0xa7d6da0c, 0x4a41c2e9, 0x948385d2, 0x2ceb7d55), NIBBLE(0x59d6faaa, 0xb3adf554, 0x62b79c59, 0xc56f38b2),
    NIBBLE(0x8f320795, 0x1b8879db, 0x3710f3b6, 0x6e21e76c), NIBBLE(0xdc43ced8, 0xbd6beb41, 0x7f3ba073, 0xfe7740e6),
};
_Static_assert(DFS_CHUNK_BYTES == 65536, "chunk_moves are made for this length");

static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (; a != 0; a <<= 1) {
        product ^= b & (0 - (a >> 31));
        b = b >> 1 ^ (POLYNOMIAL & (0 - (b & 1)));
    }
    return product;
}

static uint32_t move_chunk(uint32_t crc)
{
    uint32_t moved = 0;

    for (unsigned i = 0; i < NIBBLES; i++)
        moved ^= chunk_moves[i][crc >> 4 * i & 15];
    return moved;
}

uint32_t dfs_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t b_bytes)
{
    uint32_t moved = crc_a;

    if (crc_a == 0)
        return crc_b; /* nothing stands before it, or might as well */
    if (b_bytes == DFS_CHUNK_BYTES)
        return move_chunk(crc_a) ^ crc_b;
    for (unsigned k = 3; b_bytes != 0; k++, b_bytes >>= 1) { /* 3: bytes to bits */
        if ((b_bytes & 1) != 0)
            moved = multiply(powers[k % POWERS], moved);
    }
    return moved ^ crc_b;
}

size_t dfs_crc32c_chunks(const void *bytes, size_t count, uint32_t *ret_crcs, size_t crcs_max)
{
    const uint8_t *at = bytes;
    size_t chunks = 0;

    while (count > 0) {
        const size_t part = count < DFS_CHUNK_BYTES ? count : DFS_CHUNK_BYTES;

        DFS_ASSERT(chunks < crcs_max);
        ret_crcs[chunks++] = dfs_crc32c(0, at, part);
        at += part;
        count -= part;
    }
    return chunks;
}

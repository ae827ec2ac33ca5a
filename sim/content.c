#include "sim/content.h"

#include "net_sim/prf.h"

#include <endian.h>
#include <string.h>

/* A line of bytes costs one multiplication of 128 bits; its words are told apart by constants, so that the widest stores make them. */
#define LINE_WORDS 16
#define LINE_BYTES ((size_t)LINE_WORDS * 8)

static const uint64_t salts[LINE_WORDS] = {
    UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xbf58476d1ce4e5b9), UINT64_C(0x94d049bb133111eb),
    UINT64_C(0xd6e8feb86659fd93), UINT64_C(0xa0761d6478bd642f), UINT64_C(0xe7037ed1a0b428db),
    UINT64_C(0x8ebc6af09c88c6e3), UINT64_C(0x589965cc75374cc3), UINT64_C(0x1d8e4e27c47d124f),
    UINT64_C(0xeb44accab455d165), UINT64_C(0xc2b2ae3d27d4eb4f), UINT64_C(0x165667b19e3779f9),
    UINT64_C(0x85ebca77c2b2ae63), UINT64_C(0x27d4eb2f165667c5), UINT64_C(0xff51afd7ed558ccd),
    UINT64_C(0xc4ceb9fe1a85ec53),
};

static inline void pair_put(uint8_t *bytes, uint64_t root, size_t word)
{
    const uint64_t pair[] = {htole64(root ^ salts[word]),
                             htole64(root ^ salts[word + 1])}; /* the same on every machine */

    memcpy(bytes + 8 * word, pair, sizeof pair);
}

static inline void line_make(uint64_t key, uint64_t line, uint8_t bytes[LINE_BYTES])
{
    const uint64_t root = sim_mix(key + line * UINT64_C(0x9e3779b97f4a7c15), key ^ line);

    _Static_assert(LINE_WORDS == 16, "said one by one: a loop is longer than what it does");
    pair_put(bytes, root, 0);
    pair_put(bytes, root, 2);
    pair_put(bytes, root, 4);
    pair_put(bytes, root, 6);
    pair_put(bytes, root, 8);
    pair_put(bytes, root, 10);
    pair_put(bytes, root, 12);
    pair_put(bytes, root, 14);
}

/* The part of a line that stands at `skip`. */
static void line_part(uint64_t key, uint64_t line, size_t skip, uint8_t *bytes, size_t count)
{
    uint8_t whole[LINE_BYTES];

    line_make(key, line, whole);
    memcpy(bytes, whole + skip, count);
}

void sim_content_fill(uint64_t key, uint64_t offset, uint8_t *bytes, size_t count)
{
    const size_t skip = (size_t)(offset % LINE_BYTES);
    uint64_t line = offset / LINE_BYTES;
    size_t at = 0;

    if (skip != 0 && count > 0) {
        at = LINE_BYTES - skip < count ? LINE_BYTES - skip : count;
        line_part(key, line++, skip, bytes, at);
    }
    for (; count - at >= LINE_BYTES; at += LINE_BYTES)
        line_make(key, line++, bytes + at);
    if (at < count)
        line_part(key, line, 0, bytes + at, count - at);
}

bool sim_content_is(uint64_t key, uint64_t offset, const uint8_t *bytes, size_t count)
{
    uint8_t expected[4096];

    for (size_t at = 0; at < count;) {
        const size_t part = count - at < sizeof expected ? count - at : sizeof expected;

        sim_content_fill(key, offset + at, expected, part);
        if (memcmp(expected, bytes + at, part) != 0)
            return false;
        at += part;
    }
    return true;
}

#include "sim/content.h"

#include "net_sim/prf.h"

#include <endian.h>
#include <string.h>

/* A line of bytes costs one multiplication of 128 bits; its words are told apart by cheaper ones. */
#define LINE_WORDS 8
#define LINE_BYTES ((size_t)LINE_WORDS * 8)

static const uint64_t factors[LINE_WORDS] = {
    UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xbf58476d1ce4e5b9), UINT64_C(0x94d049bb133111eb),
    UINT64_C(0xd6e8feb86659fd93), UINT64_C(0xa0761d6478bd642f), UINT64_C(0xe7037ed1a0b428db),
    UINT64_C(0x8ebc6af09c88c6e3), UINT64_C(0x589965cc75374cc3),
};

static void line_make(uint64_t key, uint64_t line, uint8_t bytes[LINE_BYTES])
{
    const uint64_t root = sim_mix(key + line * UINT64_C(0x9e3779b97f4a7c15), key ^ line) | 1;

    for (size_t w = 0; w < LINE_WORDS; w++) {
        const uint64_t product = root * factors[w];
        const uint64_t little = htole64(product ^ product >> 32); /* the same bytes on every machine */

        memcpy(bytes + 8 * w, &little, sizeof little);
    }
}

void sim_content_fill(uint64_t key, uint64_t offset, uint8_t *bytes, size_t count)
{
    uint8_t whole[LINE_BYTES];
    size_t at = 0;

    while (at < count) {
        const uint64_t line = (offset + at) / LINE_BYTES;
        const size_t skip = (size_t)((offset + at) % LINE_BYTES);
        const size_t part = LINE_BYTES - skip < count - at ? LINE_BYTES - skip : count - at;

        if (part == LINE_BYTES) {
            line_make(key, line, bytes + at);
        } else {
            line_make(key, line, whole);
            memcpy(bytes + at, whole + skip, part);
        }
        at += part;
    }
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

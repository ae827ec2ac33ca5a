#include "sim/content.h"

#include "net_sim/prf.h"

#include <string.h>

static uint64_t word_at(uint64_t key, uint64_t index)
{
    return sim_mix(key + index * UINT64_C(0x9e3779b97f4a7c15), key ^ index);
}

static void word_put(uint8_t *bytes, uint64_t word)
{
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(word >> 8 * i);
}

static uint64_t word_get(const uint8_t *bytes)
{
    uint64_t word = 0;

    for (size_t i = 0; i < 8; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

void sim_content_fill(uint64_t key, uint64_t offset, uint8_t *bytes, size_t count)
{
    size_t at = 0;

    while (at < count) {
        const uint64_t index = (offset + at) / 8;
        const size_t skip = (offset + at) % 8;
        const size_t part = 8 - skip < count - at ? 8 - skip : count - at;

        if (part == 8) {
            word_put(bytes + at, word_at(key, index));
        } else {
            uint8_t whole[8];

            word_put(whole, word_at(key, index));
            memcpy(bytes + at, whole + skip, part);
        }
        at += part;
    }
}

/* Odd, so that no change of a word is lost by the multiplication. */
static uint64_t place_factor(uint64_t index)
{
    return sim_mix(index, UINT64_C(0x5851f42d4c957f2d)) | 1;
}

uint64_t sim_content_fingerprint(uint64_t offset, const uint8_t *bytes, size_t count)
{
    uint64_t sum = 0;
    size_t at = 0;

    while (at < count) {
        const uint64_t index = (offset + at) / 8;
        const size_t skip = (offset + at) % 8;
        const size_t part = 8 - skip < count - at ? 8 - skip : count - at;
        uint64_t word;

        if (part == 8) {
            word = word_get(bytes + at);
        } else {
            uint8_t whole[8] = {0};

            memcpy(whole + skip, bytes + at, part);
            word = word_get(whole);
        }
        sum += word * place_factor(index);
        at += part;
    }
    return sum;
}

uint64_t sim_content_expected(uint64_t key, uint64_t first, uint64_t count)
{
    uint8_t bytes[4096];
    uint64_t sum = 0;

    for (uint64_t at = 0; at < count;) {
        const size_t part = count - at < sizeof bytes ? (size_t)(count - at) : sizeof bytes;

        sim_content_fill(key, first + at, bytes, part);
        sum += sim_content_fingerprint(first + at, bytes, part);
        at += part;
    }
    return sum;
}

/* RAND_set_rand_method is deprecated in favour of providers; a provider would be two hundred lines for the same three functions. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "sim/random.h"

#include "net_sim/prf.h"

#include <openssl/rand.h>
#include <string.h>

static uint64_t seed_now;
static uint64_t stream_now;
static uint64_t number_now;
static _Bool (*place_now)(void *arg, uint64_t *ret_host, uint64_t *ret_step);
static void *place_arg;

static uint64_t stream_of(uint64_t host, uint64_t step)
{
    return sim_mix(host + 1, step);
}

/* The first draw of a step begins its stream. */
static void stream_follow(void)
{
    uint64_t host;
    uint64_t step;

    if (place_now != NULL && place_now(place_arg, &host, &step) && stream_of(host, step) != stream_now)
        sim_random_stream(host, step);
}

static int random_bytes(unsigned char *bytes, int count)
{
    stream_follow();
    for (int at = 0; at < count; at += 8) {
        const uint64_t word = sim_prf(seed_now, stream_now, number_now++);
        const size_t part = count - at < 8 ? (size_t)(count - at) : 8;
        uint8_t little[8];

        for (size_t i = 0; i < sizeof little; i++)
            little[i] = (uint8_t)(word >> 8 * i);
        memcpy(bytes + at, little, part);
    }
    return 1;
}

static int random_status(void)
{
    return 1;
}

static const RAND_METHOD method = {.bytes = random_bytes, .pseudorand = random_bytes, .status = random_status};

_Bool sim_random_install(uint64_t seed)
{
    seed_now = seed;
    place_now = NULL;
    sim_random_stream(0, 0);
    return RAND_set_rand_method(&method) == 1;
}

void sim_random_seed(uint64_t seed)
{
    seed_now = seed;
}

void sim_random_follow(_Bool (*place)(void *arg, uint64_t *ret_host, uint64_t *ret_step), void *arg)
{
    place_now = place;
    place_arg = arg;
}

void sim_random_stream(uint64_t host, uint64_t step)
{
    stream_now = stream_of(host, step);
    number_now = 0;
}

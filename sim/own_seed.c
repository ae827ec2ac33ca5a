#include "sim/own_seed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD "Seed "

/* Where the words begin, or NULL. */
static const char *find(const char *description, uint64_t *ret_seed)
{
    const char *found = NULL;
    char *end = NULL;

    for (const char *at = strstr(description, WORD); at != NULL; at = strstr(at + 1, WORD))
        found = at;
    if (found == NULL || found[sizeof WORD - 1] < '0' || found[sizeof WORD - 1] > '9')
        return NULL;
    errno = 0;
    *ret_seed = strtoull(found + sizeof WORD - 1, &end, 10);
    return errno == 0 && *ret_seed <= INT64_MAX && strcmp(end, ".") == 0 ? found : NULL;
}

void sim_own_seed_put(struct sim_scenario *scenario, uint64_t seed)
{
    char words[48];
    char *text = scenario->description;
    uint64_t other = 0;
    const char *found = find(text, &other);
    size_t count = found != NULL ? (size_t)(found - text) : strlen(text);
    const int length = snprintf(words, sizeof words, WORD "%" PRIu64 ".", seed);

    while (count > 0 && text[count - 1] == ' ')
        count--;
    if (count + (size_t)length + 2 > sizeof scenario->description) {
        count = sizeof scenario->description - (size_t)length - 2;
        while (count > 0 && ((unsigned char)text[count] & 0xc0u) == 0x80) /* not in the middle of a character */
            count--;
    }
    if (count > 0)
        text[count++] = ' ';
    memcpy(text + count, words, (size_t)length + 1);
}

bool sim_own_seed_get(const char *description, uint64_t *ret_seed)
{
    uint64_t seed = 0;

    if (find(description, &seed) == NULL)
        return false;
    *ret_seed = seed;
    return true;
}

bool sim_own_seed(const struct sim_source *source, uint64_t *ret_seed)
{
    struct sim_scenario scenario;
    struct dfs_conf_error error;

    if (source->bytes == NULL)
        return false;
    const bool readable = sim_source_read(source, 1, &scenario, &error) == DFS_OK;

    if (!readable)
        *ret_seed = 1;
    const bool has = !readable || sim_own_seed_get(scenario.description, ret_seed);

    sim_scenario_close(&scenario);
    return has;
}

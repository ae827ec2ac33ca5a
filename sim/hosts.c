#include "sim/hosts.h"

#include "core/base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
    enum sim_host_kind kind;
} words[] = {
    {"auth", SIM_HOST_AUTH},           {"meta", SIM_HOST_META}, {"data", SIM_HOST_ALL_DATA},
    {"clients", SIM_HOST_ALL_CLIENTS}, {"all", SIM_HOST_ALL},   {"rest", SIM_HOST_REST},
};

uint32_t sim_host_set_count(const struct sim_host_set *set)
{
    uint32_t count = 0;

    for (size_t i = 0; i < sizeof set->words / sizeof set->words[0]; i++)
        count += (uint32_t)__builtin_popcountll(set->words[i]);
    return count;
}

/* How zones are called, here and by the cluster. */
#define ZONE_PREFIX "zone-"

/* Digits only, few enough for an index. */
static bool is_number(const char *text)
{
    const size_t count = strlen(text);

    return count >= 1 && count <= 4 && strspn(text, "0123456789") == count;
}

bool sim_host_ref_parse(const char *text, struct sim_host_ref *ret_ref)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, text) == 0) {
            *ret_ref = (struct sim_host_ref){.kind = (uint8_t)words[i].kind};
            return true;
        }
    }
    if (strncmp(text, ZONE_PREFIX, sizeof ZONE_PREFIX - 1) == 0) {
        text += sizeof ZONE_PREFIX - 1;
        if (!is_number(text) || (text[0] == '0' && text[1] != '\0'))
            return false;
        *ret_ref = (struct sim_host_ref){.kind = SIM_HOST_ZONE, .index = (uint16_t)strtoul(text, NULL, 10)};
        return true;
    }
    if ((text[0] != 'd' && text[0] != 'c') || text[1] == '0' || !is_number(text + 1))
        return false;
    *ret_ref = (struct sim_host_ref){.kind = text[0] == 'd' ? SIM_HOST_DATA : SIM_HOST_CLIENT,
                                     .index = (uint16_t)(strtoul(text + 1, NULL, 10) - 1)};
    return true;
}

void sim_host_ref_print(struct sim_host_ref ref, char *text)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((uint8_t)words[i].kind == ref.kind) {
            (void)snprintf(text, SIM_HOST_NAME_BYTES, "%s", words[i].word);
            return;
        }
    }
    if (ref.kind == SIM_HOST_ZONE) {
        (void)snprintf(text, SIM_HOST_NAME_BYTES, ZONE_PREFIX "%u", ref.index);
        return;
    }
    (void)snprintf(text, SIM_HOST_NAME_BYTES, "%c%u", ref.kind == SIM_HOST_DATA ? 'd' : 'c', ref.index + 1u);
}

static uint32_t zones_of(struct sim_host_counts counts)
{
    return counts.zones > 0 ? counts.zones : 1;
}

bool sim_host_ref_is_there(struct sim_host_ref ref, struct sim_host_counts counts)
{
    if (ref.kind == SIM_HOST_DATA)
        return ref.index < counts.data;
    if (ref.kind == SIM_HOST_CLIENT)
        return ref.index < counts.clients;
    if (ref.kind == SIM_HOST_ZONE)
        return ref.index < zones_of(counts);
    return true;
}

static void add_range(struct sim_host_set *set, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sim_host_set_add(set, first + i);
}

void sim_host_refs_expand(const struct sim_host_refs *refs, struct sim_host_counts counts, struct sim_host_set *set)
{
    for (uint32_t i = 0; i < refs->count; i++) {
        const struct sim_host_ref ref = refs->refs[i];

        switch ((enum sim_host_kind)ref.kind) {
        case SIM_HOST_AUTH:
            sim_host_set_add(set, 0);
            break;
        case SIM_HOST_META:
            sim_host_set_add(set, 1);
            break;
        case SIM_HOST_DATA:
            sim_host_set_add(set, 2u + ref.index);
            break;
        case SIM_HOST_CLIENT:
            sim_host_set_add(set, 2 + counts.data + ref.index);
            break;
        case SIM_HOST_ALL_DATA:
            add_range(set, 2, counts.data);
            break;
        case SIM_HOST_ALL_CLIENTS:
            add_range(set, 2 + counts.data, counts.clients);
            break;
        case SIM_HOST_ALL:
            add_range(set, 0, sim_hosts_count(counts));
            break;
        case SIM_HOST_ZONE:
            for (uint32_t d = ref.index; d < counts.data; d += zones_of(counts))
                sim_host_set_add(set, 2 + d);
            break;
        case SIM_HOST_REST:
            break;
        }
    }
}

static bool says_rest(const struct sim_host_refs *refs)
{
    for (uint32_t i = 0; i < refs->count; i++) {
        if (refs->refs[i].kind == SIM_HOST_REST)
            return true;
    }
    return false;
}

/* Moves those of `from` into the set who are in none yet. */
static void take_free(struct sim_host_set *set, const struct sim_host_set *from, struct sim_host_set *taken)
{
    for (size_t i = 0; i < sizeof set->words / sizeof set->words[0]; i++) {
        set->words[i] |= from->words[i] & ~taken->words[i];
        taken->words[i] |= from->words[i];
    }
}

void sim_host_groups_expand(const struct sim_host_refs *groups, uint32_t count, struct sim_host_counts counts,
                            struct sim_host_set *sets)
{
    struct sim_host_set taken = {{0}};
    struct sim_host_set all = {{0}};

    add_range(&all, 0, sim_hosts_count(counts));
    memset(sets, 0, count * sizeof *sets);
    for (uint32_t g = 0; g < count; g++) {
        struct sim_host_set named = {{0}};

        sim_host_refs_expand(&groups[g], counts, &named);
        take_free(&sets[g], &named, &taken);
    }
    for (uint32_t g = 0; g < count; g++) {
        if (says_rest(&groups[g]))
            take_free(&sets[g], &all, &taken);
    }
}

void sim_host_refs_add(struct sim_host_refs *refs, enum sim_host_kind kind, uint32_t index)
{
    DFS_ASSERT(refs->count < SIM_HOST_REFS_MAX && index < SIM_HOSTS_MAX);
    refs->refs[refs->count++] = (struct sim_host_ref){.kind = (uint8_t)kind, .index = (uint16_t)index};
}

void sim_host_refs_add_number(struct sim_host_refs *refs, uint32_t data, uint32_t number)
{
    if (number < 2)
        sim_host_refs_add(refs, number == 0 ? SIM_HOST_AUTH : SIM_HOST_META, 0);
    else if (number < 2 + data)
        sim_host_refs_add(refs, SIM_HOST_DATA, number - 2);
    else
        sim_host_refs_add(refs, SIM_HOST_CLIENT, number - 2 - data);
}

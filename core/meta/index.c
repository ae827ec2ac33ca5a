#include "core/meta/index.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#define BUCKETS_FIRST 16

void meta_index_init(struct meta_index *index, const void *owner, uint64_t (*hash)(const void *, uint32_t),
                     uint32_t *(*next)(const void *, uint32_t))
{
    *index = (struct meta_index){.owner = owner, .hash = hash, .next = next};
}

void meta_index_close(struct meta_index *index)
{
    dfs_free(index->heads);
    meta_index_init(index, index->owner, index->hash, index->next);
}

static uint32_t *head_of(const struct meta_index *index, uint64_t hash)
{
    uint32_t bucket = (uint32_t)hash & index->mask;

    if (bucket >= index->buckets)
        bucket &= index->mask >> 1;
    return &index->heads[bucket];
}

/* A quarter more at a time: the array is not what a large index wastes. */
static void make_room(struct meta_index *index)
{
    const uint32_t room = index->room == 0 ? BUCKETS_FIRST : index->room + index->room / 4;

    index->heads = dfs_realloc_array(index->heads, room, sizeof index->heads[0]);
    index->room = room;
}

/* Half of the bucket whose turn it is moves to a new one. */
static void split(struct meta_index *index)
{
    const uint32_t to = index->buckets;
    uint32_t *link;

    if (to == index->room)
        make_room(index);
    if (to > index->mask)
        index->mask = index->mask * 2 + 1;
    index->heads[to] = 0;
    index->buckets++;
    link = &index->heads[to & index->mask >> 1];
    while (*link != 0) {
        const uint32_t number = *link;
        uint32_t *next = index->next(index->owner, number);

        if (((uint32_t)index->hash(index->owner, number) & index->mask) != to) {
            link = next;
            continue;
        }
        *link = *next;
        *next = index->heads[to];
        index->heads[to] = number;
    }
}

static void begin(struct meta_index *index)
{
    make_room(index);
    for (uint32_t i = 0; i < BUCKETS_FIRST; i++)
        index->heads[i] = 0;
    index->buckets = BUCKETS_FIRST;
    index->mask = BUCKETS_FIRST - 1;
}

void meta_index_add(struct meta_index *index, uint64_t hash, uint32_t number)
{
    uint32_t *head;

    if (index->buckets == 0)
        begin(index);
    else if (index->count >= index->buckets)
        split(index);
    head = head_of(index, hash);
    *index->next(index->owner, number) = *head;
    *head = number;
    index->count++;
}

void meta_index_remove(struct meta_index *index, uint64_t hash, uint32_t number)
{
    uint32_t *link;

    DFS_ASSERT(index->count > 0);
    link = head_of(index, hash);
    while (*link != number) {
        DFS_ASSERT(*link != 0);
        link = index->next(index->owner, *link);
    }
    *link = *index->next(index->owner, number);
    *index->next(index->owner, number) = 0;
    index->count--;
}

bool meta_index_is_sound(const struct meta_index *index)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < index->buckets; i++) {
        for (uint32_t at = index->heads[i]; at != 0; at = *index->next(index->owner, at)) {
            if (head_of(index, index->hash(index->owner, at)) != &index->heads[i] || count == index->count)
                return false;
            count++;
        }
    }
    return count == index->count;
}

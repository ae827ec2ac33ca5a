/*
 * index.h - hash index over the entries of a pool: four bytes a bucket and four in the entry, which holds the link of its chain.
 *
 * Linear hashing (Litwin 1980): with every entry that is added beyond one a bucket, one bucket is split in two. So chains stay short, a
 * search is O(1), and no insertion makes a large index pause. Hashes are not kept; a split asks for those of one chain again.
 *
 * The index knows numbers only: who searches walks the chain and compares. The order in a chain follows from hashes and must not
 * reach a decision.
 */
#ifndef DFS_CORE_META_INDEX_H
#define DFS_CORE_META_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct meta_index {
    uint32_t *heads; /* numbers of entries, 0: none */
    uint32_t buckets;
    uint32_t room;
    uint32_t mask; /* buckets rounded up to a power of two, less one */
    uint32_t count;
    const void *owner;
    uint64_t (*hash)(const void *owner, uint32_t number);
    uint32_t *(*next)(const void *owner, uint32_t number); /* the entry's link */
};

/* The two functions are called with `owner`, which stays where it is. Allocates nothing. */
void meta_index_init(struct meta_index *index, const void *owner, uint64_t (*hash)(const void *, uint32_t),
                     uint32_t *(*next)(const void *, uint32_t));
void meta_index_close(struct meta_index *index);

/* The first of the chain in which an entry of this hash stands, if there is one; 0: empty. */
static inline uint32_t meta_index_first(const struct meta_index *index, uint64_t hash)
{
    uint32_t bucket = (uint32_t)hash & index->mask;

    if (index->buckets == 0)
        return 0;
    if (bucket >= index->buckets)
        bucket &= index->mask >> 1; /* not split yet */
    return index->heads[bucket];
}

void meta_index_add(struct meta_index *index, uint64_t hash, uint32_t number);    /* not in it */
void meta_index_remove(struct meta_index *index, uint64_t hash, uint32_t number); /* asserts that it is in */

/* For tests: every entry stands where its hash says, and their count is right. O(n). */
bool meta_index_is_sound(const struct meta_index *index);

#endif

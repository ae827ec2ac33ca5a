/*
 * disk_name.c - the names of a disk: one object for each text that a file, a change or an operation still uses.
 *
 * A name knows the file that has it now, so an operation finds its file without a search of its own.
 */
#include "net_sim/disk_internal.h"

#include "core/base/mem.h"

#include <string.h>

#define BUCKETS_FIRST 64

void sim_names_init(struct sim_names *names)
{
    *names = (struct sim_names){.capacity = BUCKETS_FIRST};
    names->buckets = dfs_alloc_zero_array(names->capacity, sizeof(struct sim_name *));
}

void sim_names_close(struct sim_names *names)
{
    DFS_ASSERT(names->count == 0);
    dfs_free(names->buckets);
    *names = (struct sim_names){0};
}

static struct sim_name **bucket_of(const struct sim_names *names, uint64_t hash)
{
    return &names->buckets[hash & (names->capacity - 1)];
}

static void grow(struct sim_names *names)
{
    struct sim_name **old = names->buckets;
    const size_t old_capacity = names->capacity;

    names->capacity *= 2;
    names->buckets = dfs_alloc_zero_array(names->capacity, sizeof(struct sim_name *));
    for (size_t i = 0; i < old_capacity; i++) {
        while (old[i] != NULL) {
            struct sim_name *name = old[i];
            struct sim_name **bucket = bucket_of(names, name->hash);

            old[i] = name->chain;
            name->chain = *bucket;
            *bucket = name;
        }
    }
    dfs_free(old);
}

static struct sim_name *find(const struct sim_names *names, uint64_t hash, const char *text, size_t bytes)
{
    struct sim_name *name = *bucket_of(names, hash);

    while (name != NULL && (name->hash != hash || name->bytes != bytes || memcmp(name->text, text, bytes) != 0))
        name = name->chain;
    return name;
}

struct sim_name *sim_name_find(const struct sim_disk *disk, const char *text)
{
    const size_t bytes = strlen(text);

    return find(&disk->names, sim_digest(0, text, bytes), text, bytes);
}

struct sim_name *sim_name_ref_text(struct sim_disk *disk, const char *text, size_t bytes)
{
    struct sim_names *names = &disk->names;
    const uint64_t hash = sim_digest(0, text, bytes);
    struct sim_name *name = find(names, hash, text, bytes);
    struct sim_name **bucket;
    uint8_t pool_class;

    if (name != NULL)
        return sim_name_ref(name);
    /* Most buckets stay empty, for most searches are for names that are new. */
    if (names->count >= names->capacity / 2)
        grow(names);
    name = sim_pool_take(&disk->world->pool, sizeof *name + bytes + 1, &pool_class);
    *name = (struct sim_name){
        .hash = hash, .disk = disk, .references = 1, .bytes = (uint16_t)bytes, .pool_class = pool_class};
    memcpy(name->text, text, bytes);
    name->text[bytes] = '\0';
    bucket = bucket_of(names, hash);
    name->chain = *bucket;
    *bucket = name;
    names->count++;
    return name;
}

void sim_name_free(struct sim_name *name)
{
    struct sim_names *names = &name->disk->names;
    struct sim_name **at = bucket_of(names, name->hash);

    DFS_ASSERT(name->file == NULL);
    while (*at != name)
        at = &(*at)->chain;
    *at = name->chain;
    names->count--;
    sim_pool_give(&name->disk->world->pool, name, name->pool_class);
}

/*
 * disk_name.c - the names of a disk: one object for each text that a file, a change or an operation still uses.
 *
 * A name knows the file that has it now, so an operation finds its file without a search of its own.
 */
#include "net_sim/disk_internal.h"

#include <string.h>

#define SLOTS_FIRST 64

void sim_names_init(struct sim_table *names)
{
    sim_table_init(names, SLOTS_FIRST);
}

void sim_names_close(struct sim_table *names)
{
    DFS_ASSERT(names->count == 0);
    sim_table_close(names);
}

static struct sim_name *find(const struct sim_table *names, uint64_t hash, const char *text, size_t bytes)
{
    size_t place;
    struct sim_name *name = sim_table_first(names, hash, &place);

    while (name != NULL && (name->bytes != bytes || memcmp(name->text, text, bytes) != 0))
        name = sim_table_next(names, hash, &place);
    return name;
}

struct sim_name *sim_name_find(const struct sim_disk *disk, const char *text)
{
    const size_t bytes = strlen(text);

    return find(&disk->names, sim_digest(0, text, bytes), text, bytes);
}

struct sim_name *sim_name_ref_text(struct sim_disk *disk, const char *text, size_t bytes)
{
    const uint64_t hash = sim_digest(0, text, bytes);
    struct sim_name *name = find(&disk->names, hash, text, bytes);
    uint8_t pool_class;

    if (name != NULL)
        return sim_name_ref(name);
    name = sim_pool_take(&disk->world->pool, sizeof *name + bytes + 1, &pool_class);
    *name = (struct sim_name){
        .hash = hash, .disk = disk, .references = 1, .bytes = (uint16_t)bytes, .pool_class = pool_class};
    memcpy(name->text, text, bytes);
    name->text[bytes] = '\0';
    sim_table_add(&disk->names, hash, name);
    return name;
}

void sim_name_free(struct sim_name *name)
{
    DFS_ASSERT(name->file == NULL);
    sim_table_remove(&name->disk->names, name->hash, name);
    sim_pool_give(&name->disk->world->pool, name, name->pool_class);
}

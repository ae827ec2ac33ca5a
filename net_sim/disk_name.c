/*
 * disk_name.c - the names of a disk: one object for each text that a file, a change or an operation still uses.
 *
 * A name knows the file that has it now, so an operation finds its file without a search of its own.
 */
#include "net_sim/digest.h"
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

/* The same number on every machine: where a name stands in the table decides which file a misdirected read gets. */
static uint64_t word_at(const char *text)
{
    const uint8_t *b = (const uint8_t *)text;

    return (uint64_t)b[7] << 56 | (uint64_t)b[6] << 48 | (uint64_t)b[5] << 40 | (uint64_t)b[4] << 32 |
           (uint64_t)b[3] << 24 | (uint64_t)b[2] << 16 | (uint64_t)b[1] << 8 | b[0];
}

/*
 * Where a text is looked for. Names of blocks begin with digits that were drawn, and end with those that count; what lies between says nothing more. Two
 * texts that agree in both are told apart as any two are: by all they have.
 */
#define KEY_HEAD_BYTES 8
#define KEY_TAIL_BYTES 16

static uint64_t key_of(const char *text, size_t bytes)
{
    if (bytes < KEY_HEAD_BYTES + KEY_TAIL_BYTES)
        return sim_digest(0, text, bytes);
    const char *tail = text + bytes - KEY_TAIL_BYTES;

    return sim_mix(sim_mix(word_at(text), word_at(tail)), word_at(tail + 8));
}

static struct sim_name *find(const struct sim_table *names, uint64_t key, const char *text, size_t bytes)
{
    size_t place;
    struct sim_name *name = sim_table_first(names, key, &place);

    while (name != NULL && (name->bytes != bytes || memcmp(name->text, text, bytes) != 0))
        name = sim_table_next(names, key, &place);
    return name;
}

struct sim_name *sim_name_find(const struct sim_disk *disk, const char *text)
{
    const size_t bytes = strlen(text);

    return find(&disk->names, key_of(text, bytes), text, bytes);
}

static bool is_plain(const char *text, size_t bytes)
{
    return bytes > 0 && bytes < DFS_FILE_NAME_BYTES_MAX && text[0] != '.' && memchr(text, '/', bytes) == NULL;
}

struct sim_name *sim_name_ref_text(struct sim_disk *disk, const char *text, size_t bytes)
{
    const uint64_t key = key_of(text, bytes);
    struct sim_name *name = find(&disk->names, key, text, bytes);
    uint8_t pool_class;

    if (name != NULL)
        return sim_name_ref(name);
    DFS_ASSERT(is_plain(text, bytes));
    name = sim_pool_take(&disk->world->pool, sizeof *name + bytes + 1, &pool_class);
    *name = (struct sim_name){.disk = disk,
                              .hash = sim_digest(0, text, bytes),
                              .references = 1,
                              .bytes = (uint16_t)bytes,
                              .pool_class = pool_class};
    memcpy(name->text, text, bytes);
    name->text[bytes] = '\0';
    sim_table_add(&disk->names, key, name);
    return name;
}

void sim_name_free(struct sim_name *name)
{
    DFS_ASSERT(name->file == NULL);
    sim_table_remove(&name->disk->names, key_of(name->text, name->bytes), name);
    sim_pool_give(&name->disk->world->pool, name, name->pool_class);
}

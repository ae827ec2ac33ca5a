#include "sim/files.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <stdalign.h>

void sim_files_init(struct sim_files *files)
{
    *files = (struct sim_files){.bytes = sizeof(struct sim_about)};
    dfs_map_init(&files->by_id, offsetof(struct sim_about, file), sizeof(struct dfs_id), 0);
}

void sim_files_close(struct sim_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        dfs_free(files->all[i]);
    dfs_free(files->all);
    dfs_map_close(&files->by_id);
    *files = (struct sim_files){.count = 0};
}

size_t sim_files_part(struct sim_files *files, size_t bytes)
{
    const size_t part = (files->bytes + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);

    DFS_ASSERT(files->count == 0);
    files->bytes = part + bytes;
    return part;
}

/* The first byte of an id was drawn. */
static struct sim_about **hand_of(struct sim_files *files, const struct dfs_id *file)
{
    return &files->at_hand[file->bytes[0] % SIM_FILES_AT_HAND];
}

struct sim_about *sim_files_find(struct sim_files *files, const struct dfs_id *file)
{
    struct sim_about **hand = hand_of(files, file);

    if (*hand != NULL && dfs_id_equal(&(*hand)->file, file))
        return *hand;
    struct sim_about *about = dfs_map_find(&files->by_id, file);

    if (about != NULL)
        *hand = about;
    return about;
}

struct sim_about *sim_files_of(struct sim_files *files, const struct dfs_id *file)
{
    struct sim_about *about = sim_files_find(files, file);

    if (about != NULL)
        return about;
    about = dfs_alloc_zero(files->bytes);
    about->file = *file;
    dfs_map_insert(&files->by_id, about);
    if (files->count == files->room) {
        files->room = files->room == 0 ? 64 : 2 * files->room;
        files->all = dfs_realloc_array(files->all, files->room, sizeof(struct sim_about *));
    }
    files->all[files->count++] = about;
    *hand_of(files, file) = about;
    return about;
}

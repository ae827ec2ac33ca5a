#include "core/meta/uploads.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <string.h>

#define PLACED_ROOM_FIRST 4 /* blocks: what a small file has */

void meta_uploads_init(struct meta_uploads *uploads)
{
    *uploads = (struct meta_uploads){0};
    dfs_map_init(&uploads->by_file, offsetof(struct meta_upload, file), sizeof(struct dfs_id), 0);
    /* Operation ids are chosen by clients, but a client that finds collisions of XXH3 slows down only its
     * own kind of request. */
    dfs_map_init(&uploads->by_operation, offsetof(struct meta_upload, operation), sizeof(struct dfs_id), 0);
    dfs_list_init(&uploads->all);
    dfs_heap_init(&uploads->leases);
}

void meta_uploads_close(struct meta_uploads *uploads)
{
    struct dfs_list *at;

    if (uploads->all.next == NULL)
        return; /* zeroed */
    while ((at = dfs_list_first(&uploads->all)) != NULL)
        meta_uploads_end(uploads, dfs_container_of(at, struct meta_upload, all));
    dfs_map_close(&uploads->by_file);
    dfs_map_close(&uploads->by_operation);
    dfs_heap_close(&uploads->leases);
}

void meta_uploads_add(struct meta_uploads *uploads, struct meta_upload *upload, dfs_time_ns fair,
                      dfs_duration_ns lease_ns)
{
    dfs_map_insert(&uploads->by_file, upload);
    dfs_map_insert(&uploads->by_operation, upload);
    dfs_list_push(&uploads->all, &upload->all);
    dfs_heap_item_init(&upload->lease);
    upload->heard_at = fair;
    dfs_heap_set(&uploads->leases, &upload->lease, dfs_time_add(fair, lease_ns));
    uploads->count++;
}

void meta_uploads_end(struct meta_uploads *uploads, struct meta_upload *upload)
{
    dfs_map_remove(&uploads->by_file, upload->file.bytes);
    dfs_map_remove(&uploads->by_operation, upload->operation.bytes);
    dfs_list_remove(&upload->all);
    dfs_heap_remove(&uploads->leases, &upload->lease);
    uploads->count--;
    uploads->copies_count -= (uint64_t)upload->placed_room * upload->copies_wanted;
    dfs_free(upload->path);
    dfs_free(upload->placed);
    dfs_free(upload->copies);
    dfs_free(upload->vain);
    dfs_free(upload);
}

struct meta_upload *meta_uploads_expired(struct meta_uploads *uploads, dfs_time_ns fair, dfs_duration_ns lease_ns)
{
    struct dfs_heap_item *item;

    while ((item = dfs_heap_pop(&uploads->leases, fair)) != NULL) {
        struct meta_upload *upload = dfs_container_of(item, struct meta_upload, lease);
        const dfs_time_ns ends = dfs_time_add(upload->heard_at, lease_ns);

        if (ends <= fair)
            return upload;
        dfs_heap_set(&uploads->leases, item, ends);
    }
    return NULL;
}

void meta_upload_grow(struct meta_uploads *uploads, struct meta_upload *upload, uint32_t index)
{
    uint32_t room = upload->placed_room == 0 ? PLACED_ROOM_FIRST : upload->placed_room;
    const size_t stride = upload->copies_wanted;

    DFS_ASSERT(index < DFS_BLOCKS_PER_FILE_MAX);
    if (index >= upload->placed_room) {
        while (room <= index)
            room *= 2;
        upload->placed = dfs_realloc_array(upload->placed, room, sizeof *upload->placed);
        memset(upload->placed + upload->placed_room, 0, (room - upload->placed_room) * sizeof *upload->placed);
        upload->copies = dfs_realloc_array(upload->copies, room * stride, sizeof *upload->copies);
        memset(upload->copies + upload->placed_room * stride, 0,
               (room - upload->placed_room) * stride * sizeof *upload->copies);
        uploads->copies_count += (room - upload->placed_room) * stride;
        upload->placed_room = room;
    }
    if (index >= upload->placed_count)
        upload->placed_count = index + 1;
}

struct meta_placed_copy *meta_upload_copy(const struct meta_upload *upload, uint32_t index, uint32_t generation,
                                          uint16_t node)
{
    struct meta_placed_copy *copies;

    if (index >= upload->placed_count || upload->placed[index].generation != generation || generation == 0)
        return NULL;
    copies = meta_upload_copies(upload, index);
    for (uint32_t i = 0; i < upload->placed[index].copies_count; i++) {
        if (copies[i].node == node)
            return &copies[i];
    }
    return NULL;
}

bool meta_upload_supersede(struct meta_upload *upload, uint32_t index, uint32_t most)
{
    struct meta_placed_block *block = &upload->placed[index];
    const struct meta_placed_copy *copies = meta_upload_copies(upload, index);

    if (upload->vain_count + block->copies_count > most)
        return false;
    if (upload->vain_count + block->copies_count > upload->vain_room) {
        upload->vain_room = upload->vain_room == 0 ? 2 * DFS_REPLICAS_MAX : upload->vain_room * 2;
        upload->vain = dfs_realloc_array(upload->vain, upload->vain_room, sizeof *upload->vain);
    }
    for (uint32_t i = 0; i < block->copies_count; i++) {
        upload->vain[upload->vain_count++] =
            (struct meta_vain_copy){.index = index, .generation = block->generation, .node = copies[i].node};
    }
    *block = (struct meta_placed_block){0};
    return true;
}

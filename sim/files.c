#include "sim/files.h"

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/mem.h"

#include <stdalign.h>
#include <string.h>

#define PAGE_FILES 512 /* that rest */
#define REST_AT_ONCE 4

void sim_files_init(struct sim_files *files)
{
    *files = (struct sim_files){.bytes = sizeof(struct sim_about), .resting_bytes = sizeof(struct dfs_id)};
    dfs_map_init(&files->by_id, offsetof(struct sim_about, file), sizeof(struct dfs_id), 0);
    dfs_list_init(&files->tired);
    dfs_list_init(&files->spare);
}

void sim_files_close(struct sim_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        dfs_free(files->all[i]);
    for (size_t i = 0; i * PAGE_FILES < files->resting_count; i++)
        dfs_free(files->pages[i]);
    dfs_free(files->pages);
    dfs_free(files->slots);
    dfs_free(files->all);
    dfs_map_close(&files->by_id);
    *files = (struct sim_files){.count = 0};
}

size_t sim_files_part(struct sim_files *files, size_t bytes, const struct sim_resting *resting)
{
    const size_t part = (files->bytes + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);

    DFS_ASSERT(files->count == 0 && files->parts_count < SIM_FILES_PARTS_MAX);
    files->bytes = part + bytes;
    files->parts[files->parts_count].at = part;
    if (resting != NULL) {
        files->parts[files->parts_count].resting = *resting;
        files->resting_bytes += resting->bytes;
        DFS_ASSERT(files->resting_bytes <= SIM_FILES_RESTING_BYTES_MAX);
    }
    files->parts_count++;
    return part;
}

/* Who rests ------------------------------------------------------------------------------------------------------------ */

static uint8_t *resting_at(const struct sim_files *files, uint32_t number)
{
    const size_t place = (size_t)number - 1;

    return files->pages[place / PAGE_FILES] + place % PAGE_FILES * files->resting_bytes;
}

static uint32_t hash_of(const struct dfs_id *file)
{
    return (uint32_t)dfs_hash64(0, file, sizeof *file);
}

/* The file's slot, or the empty one where it belongs. */
static struct sim_files_slot *slot_of(const struct sim_files *files, const struct dfs_id *file, uint32_t hash)
{
    size_t place = hash & (files->slots_count - 1);

    for (;; place = (place + 1) & (files->slots_count - 1)) {
        struct sim_files_slot *slot = &files->slots[place];

        if (slot->number == 0 ||
            (slot->hash == hash && memcmp(resting_at(files, slot->number), file, sizeof *file) == 0))
            return slot;
    }
}

static void slots_grow(struct sim_files *files)
{
    struct sim_files_slot *const old = files->slots;
    const size_t old_count = files->slots_count;

    files->slots_count = old_count == 0 ? 256 : 2 * old_count;
    files->slots = dfs_alloc_zero_array(files->slots_count, sizeof *files->slots);
    for (size_t i = 0; i < old_count; i++) {
        size_t place = old[i].hash & (files->slots_count - 1);

        while (old[i].number != 0 && files->slots[place].number != 0)
            place = (place + 1) & (files->slots_count - 1);
        if (old[i].number != 0)
            files->slots[place] = old[i];
    }
    dfs_free(old);
}

/* The bytes of a file that rests from now on. Who has rested before and was awake since has them still. */
static uint8_t *resting_new(struct sim_files *files, const struct dfs_id *file)
{
    const uint32_t hash = hash_of(file);

    if (4 * files->resting_count >= 3 * files->slots_count)
        slots_grow(files);
    struct sim_files_slot *slot = slot_of(files, file, hash);

    if (slot->number == 0) {
        const size_t page = files->resting_count / PAGE_FILES;

        if (files->resting_count % PAGE_FILES == 0) {
            files->pages = dfs_realloc_array(files->pages, page + 1, sizeof(uint8_t *));
            files->pages[page] = dfs_alloc(PAGE_FILES * files->resting_bytes);
        }
        DFS_ASSERT(files->resting_count < UINT32_MAX);
        *slot = (struct sim_files_slot){hash, (uint32_t)++files->resting_count};
    }
    return resting_at(files, slot->number);
}

/* Records -------------------------------------------------------------------------------------------------------------- */

/* The first bytes of an id were drawn. */
static struct sim_about **hand_of(struct sim_files *files, const struct dfs_id *file)
{
    return &files->at_hand[((size_t)file->bytes[0] << 8 | file->bytes[1]) % SIM_FILES_AT_HAND];
}

static struct sim_about *record_new(struct sim_files *files, const struct dfs_id *file)
{
    struct dfs_list *spare = dfs_list_pop(&files->spare);
    struct sim_about *about;

    if (spare != NULL) {
        about = dfs_container_of(spare, struct sim_about, tired);
    } else {
        about = dfs_alloc_zero(files->bytes);
        if (files->count == files->room) {
            files->room = files->room == 0 ? 64 : 2 * files->room;
            files->all = dfs_realloc_array(files->all, files->room, sizeof(struct sim_about *));
        }
        files->all[files->count++] = about;
        dfs_list_init(&about->tired);
    }
    about->file = *file;
    dfs_map_insert(&files->by_id, about);
    *hand_of(files, file) = about;
    return about;
}

/* NULL: it does not rest. */
static struct sim_about *wake(struct sim_files *files, const struct dfs_id *file)
{
    if (files->resting_count == 0)
        return NULL;
    const struct sim_files_slot *slot = slot_of(files, file, hash_of(file));

    if (slot->number == 0)
        return NULL;
    struct sim_about *about = record_new(files, file);
    const uint8_t *bytes = resting_at(files, slot->number) + sizeof(struct dfs_id);

    for (size_t i = 0; i < files->parts_count; i++) {
        const struct sim_files_part *part = &files->parts[i];

        part->resting.wake(part->resting.arg, &about->file, sim_about_part(about, part->at), bytes);
        bytes += part->resting.bytes;
    }
    return about;
}

struct sim_about *sim_files_find(struct sim_files *files, const struct dfs_id *file)
{
    struct sim_about **hand = hand_of(files, file);

    if (*hand != NULL && dfs_id_equal(&(*hand)->file, file))
        return *hand;
    struct sim_about *about = dfs_map_find(&files->by_id, file);

    if (about == NULL)
        return wake(files, file);
    *hand = about;
    return about;
}

struct sim_about *sim_files_of(struct sim_files *files, const struct dfs_id *file)
{
    struct sim_about *about = sim_files_find(files, file);

    return about != NULL ? about : record_new(files, file);
}

/* Rest ----------------------------------------------------------------------------------------------------------------- */

void sim_files_tire(struct sim_files *files, struct sim_about *about)
{
    if (!dfs_list_linked(&about->tired))
        dfs_list_push(&files->tired, &about->tired);
}

static enum sim_rest rest(struct sim_files *files, struct sim_about *about)
{
    uint8_t kept[SIM_FILES_RESTING_BYTES_MAX];
    uint8_t *at = kept;

    for (size_t i = 0; i < files->parts_count; i++) {
        const struct sim_files_part *part = &files->parts[i];
        const enum sim_rest may = part->resting.rest == NULL
                                      ? SIM_REST_NO
                                      : part->resting.rest(part->resting.arg, sim_about_part(about, part->at), at);

        if (may != SIM_REST_YES)
            return may;
        at += part->resting.bytes;
    }
    uint8_t *resting = resting_new(files, &about->file);

    memcpy(resting, &about->file, sizeof about->file);
    memcpy(resting + sizeof about->file, kept, (size_t)(at - kept));
    for (size_t i = 0; i < files->parts_count; i++) {
        if (files->parts[i].resting.leave != NULL)
            files->parts[i].resting.leave(files->parts[i].resting.arg, sim_about_part(about, files->parts[i].at));
    }
    (void)dfs_map_remove(&files->by_id, &about->file);
    if (*hand_of(files, &about->file) == about)
        *hand_of(files, &about->file) = NULL;
    return SIM_REST_YES;
}

void sim_files_rest(struct sim_files *files)
{
    for (size_t i = 0; i < REST_AT_ONCE && !dfs_list_empty(&files->tired); i++) {
        struct sim_about *about = dfs_container_of(files->tired.next, struct sim_about, tired);
        const enum sim_rest rested = rest(files, about);

        if (rested == SIM_REST_LATER)
            return;
        dfs_list_remove(&about->tired);
        if (rested == SIM_REST_NO)
            continue;
        memset(about, 0, files->bytes);
        dfs_list_init(&about->tired);
        dfs_list_push_front(&files->spare, &about->tired);
    }
}

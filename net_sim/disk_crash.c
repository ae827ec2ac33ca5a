/*
 * disk_crash.c - what is left on a disk after a crash, and after a clean stop.
 *
 * Decided in three parts, each by draws keyed with the disk, the crash, and the file or operation: which of
 * the operations under way were carried out; how far each file's names got; which sectors of its unsynced
 * pages, and how much of its size, reached the medium. faults.h says it in words.
 */
#include "net_sim/disk_internal.h"

#include "core/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SECTORS_PER_PAGE (SIM_PAGE_BYTES / SIM_SECTOR_BYTES)

static uint64_t crash_key(const struct sim_disk *disk, enum sim_draw draw)
{
    return sim_prf(disk->key, draw, disk->crashes);
}

/* Operations under way --------------------------------------------------------------------------------------------- */

static bool is_stopped(const uint64_t *stopped, size_t count, const struct sim_name *name)
{
    for (size_t i = 0; name != NULL && i < count; i++)
        if (stopped[i] == name->hash)
            return true;
    return false;
}

/* Each was carried out or not; on one name none was carried out after one that was not. */
static void pending_decide(struct sim_disk *disk, enum sim_unsynced mode)
{
    const uint64_t key = crash_key(disk, SIM_DRAW_CRASH_OP);
    uint64_t *stopped = dfs_alloc_zero_array(2 * disk->pending_count + 1, sizeof *stopped);
    size_t stopped_count = 0;

    while (!dfs_list_empty(&disk->pending)) {
        struct sim_disk_pending *pending =
            dfs_container_of(dfs_list_first(&disk->pending), struct sim_disk_pending, of_disk);
        bool done = mode == SIM_UNSYNCED_KEEP;

        if (mode == SIM_UNSYNCED_TORN || mode == SIM_UNSYNCED_SEEDED)
            done = (sim_draw(disk->world, key, SIM_DRAW_CRASH_OP, pending->number) & 1) != 0;
        if (is_stopped(stopped, stopped_count, pending->name) || is_stopped(stopped, stopped_count, pending->name2))
            done = false;
        if (done && sim_disk_verb_changes(pending->verb)) {
            sim_disk_carry_out(pending);
        } else {
            if (pending->name != NULL)
                stopped[stopped_count++] = pending->name->hash;
            if (pending->name2 != NULL)
                stopped[stopped_count++] = pending->name2->hash;
            dfs_list_remove(&pending->of_disk);
            disk->pending_count--;
            sim_disk_capture_drop(pending);
        }
        pending->cancelled = true;
    }
    dfs_free(stopped);
}

/* Names ------------------------------------------------------------------------------------------------------------ */

static enum sim_unsynced file_mode(struct sim_disk *disk, const struct sim_file *file, enum sim_unsynced mode,
                                   uint64_t what)
{
    static const enum sim_unsynced modes[] = {SIM_UNSYNCED_LOSE, SIM_UNSYNCED_KEEP, SIM_UNSYNCED_TORN};

    if (mode != SIM_UNSYNCED_SEEDED)
        return mode;
    return modes[sim_below(sim_draw(disk->world, crash_key(disk, SIM_DRAW_CRASH_MODE), what, file->number), 3)];
}

/* How far one file's names got: its first so many changes are kept. */
struct fate {
    struct sim_file *file;
    struct sim_name *name; /* where that leaves it; not a reference of ours */
    uint64_t since;        /* the number of the change that gave it; 0: durable before */
};

/* The last kept change of each file that has any. Returns how many files. */
static size_t fates_find(const struct sim_disk *disk, struct fate *fates)
{
    size_t count = 0;

    for (const struct sim_change *at = disk->changes; at != NULL; at = at->next) {
        size_t i = 0;

        /* file->references is free for us: no operation is pending any more. It holds 1 + the place of the
         * fate. */
        if (at->file->references == 0) {
            at->file->references = (uint32_t)(++count);
            fates[count - 1] = (struct fate){.file = at->file, .name = at->file->durable_name};
        }
        i = at->file->references - 1;
        if (at->kept) {
            fates[i].name = at->name;
            fates[i].since = at->number;
        }
    }
    for (size_t i = 0; i < count; i++)
        fates[i].file->references = 0;
    return count;
}

static int fate_compare(const void *a, const void *b)
{
    const struct fate *left = a;
    const struct fate *right = b;
    const int names = left->name == NULL || right->name == NULL ? (left->name == NULL) - (right->name == NULL)
                                                                : strcmp(left->name->text, right->name->text);

    if (names != 0)
        return names;
    return left->since < right->since ? -1 : left->since > right->since;
}

/* The next change of the file after `since` is kept too. There is one: without it the name could not have
 * been given again. */
static void keep_next(struct sim_disk *disk, const struct sim_file *file, uint64_t since)
{
    for (struct sim_change *at = disk->changes; at != NULL; at = at->next) {
        if (at->file == file && at->number > since) {
            at->kept = true;
            return;
        }
    }
    dfs_unreachable("keep_next");
}

/* A name belongs to one file. Who got it last has it, so that who had it before must have left it. */
static void conflicts_resolve(struct sim_disk *disk)
{
    struct fate *fates = dfs_alloc_zero_array((size_t)disk->change_count + 1, sizeof *fates);
    bool again = true;

    while (again) {
        const size_t count = fates_find(disk, fates);

        again = false;
        qsort(fates, count, sizeof *fates, fate_compare);
        for (size_t i = 0; i + 1 < count; i++) {
            if (fates[i].name == NULL || fates[i].name != fates[i + 1].name)
                continue;
            keep_next(disk, fates[i].file, fates[i].since);
            again = true;
        }
    }
    dfs_free(fates);
}

static void names_decide(struct sim_disk *disk, enum sim_unsynced mode)
{
    const uint64_t key = crash_key(disk, SIM_DRAW_CRASH_NAME);

    for (struct sim_change *at = disk->changes; at != NULL; at = at->next) {
        const enum sim_unsynced of_file = file_mode(disk, at->file, mode, SIM_DRAW_CRASH_NAME);

        at->kept = of_file == SIM_UNSYNCED_KEEP;
        if (of_file == SIM_UNSYNCED_TORN)
            at->kept = (sim_draw(disk->world, key, SIM_DRAW_CRASH_NAME, at->number) & 1) != 0;
    }
    /* Names of one file follow each other: what comes after a change that is undone is undone. Marked in
     * file->changes while walking. */
    for (struct sim_change *at = disk->changes; at != NULL; at = at->next) {
        if (!at->kept)
            at->file->changes = UINT32_MAX;
        else if (at->file->changes == UINT32_MAX)
            at->kept = false;
    }
    conflicts_resolve(disk);
}

/* Names become what was decided, now and durably. Files without a name go. */
static void names_apply(struct sim_disk *disk)
{
    const size_t room = (size_t)disk->change_count + 1;
    struct fate *fates = dfs_alloc_zero_array(room, sizeof *fates);
    const size_t count = fates_find(disk, fates);

    for (size_t i = 0; i < count; i++) {
        sim_name_ref(fates[i].name);
        sim_file_name_set(disk, fates[i].file, NULL);
        fates[i].file->changes = 0;
    }
    while (disk->changes != NULL) {
        struct sim_change *change = disk->changes;

        disk->changes = change->next;
        sim_change_free(disk, change);
    }
    disk->change_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct sim_file *file = fates[i].file;

        sim_file_name_set(disk, file, fates[i].name);
        sim_name_unref(file->durable_name);
        file->durable_name = fates[i].name;
        file->version = ++disk->version_last;
        if (file->name == NULL)
            sim_file_close(disk, file);
    }
    dfs_free(fates);
}

/* Contents --------------------------------------------------------------------------------------------------------- */

/* A page of which each sector is the new or the old one. */
static struct sim_page *page_tear(struct sim_disk *disk, const struct sim_page *now, const struct sim_page *stored,
                                  uint64_t sectors)
{
    struct sim_page *page = sim_page_new(&disk->world->store, SIM_PAGE_BYTES);

    memset(page->bytes, 0, SIM_PAGE_BYTES);
    for (unsigned i = 0; i < SECTORS_PER_PAGE; i++) {
        const struct sim_page *from = (sectors >> i & 1) != 0 ? now : stored;
        const size_t at = (size_t)i * SIM_SECTOR_BYTES;

        if (from != NULL && from->count > at)
            memcpy(page->bytes + at, from->bytes + at,
                   from->count - at < SIM_SECTOR_BYTES ? from->count - at : SIM_SECTOR_BYTES);
    }
    page->count = SIM_PAGE_BYTES;
    return page;
}

static uint64_t size_decide(struct sim_disk *disk, const struct sim_file *file, enum sim_unsynced mode)
{
    const uint64_t grown = file->bytes - file->durable_bytes;
    const uint64_t steps = grown / SIM_SECTOR_BYTES + 2;
    uint64_t step;

    if (mode == SIM_UNSYNCED_LOSE || grown == 0)
        return file->durable_bytes;
    if (mode == SIM_UNSYNCED_KEEP)
        return file->bytes;
    step = sim_below(sim_draw(disk->world, crash_key(disk, SIM_DRAW_CRASH_SIZE), SIM_DRAW_CRASH_SIZE, file->number),
                     steps);
    return step == steps - 1 ? file->bytes : file->durable_bytes + step * SIM_SECTOR_BYTES;
}

/* Nothing behind the end, so that a later write beyond it finds zeros. */
static void file_cut(struct sim_disk *disk, struct sim_file *file, uint64_t bytes)
{
    const uint32_t whole = (uint32_t)((bytes + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES);
    const size_t tail = bytes % SIM_PAGE_BYTES;
    struct sim_page *last;

    struct sim_page **pages = sim_file_pages(file);

    while (file->page_count > whole)
        sim_page_unref(&disk->world->store, pages[--file->page_count]);
    last = whole > 0 && whole == file->page_count ? pages[whole - 1] : NULL;
    if (last != NULL && tail != 0 && last->count > tail) {
        pages[whole - 1] = sim_page_intern(&disk->world->store, last->bytes, tail);
        sim_page_unref(&disk->world->store, last);
    }
    file->bytes = bytes;
}

static void content_decide(struct sim_disk *disk, struct sim_file *file, enum sim_unsynced crash_mode)
{
    const enum sim_unsynced mode = file_mode(disk, file, crash_mode, SIM_DRAW_CRASH_SECTOR);
    const uint64_t key = sim_prf(crash_key(disk, SIM_DRAW_CRASH_SECTOR), SIM_DRAW_CRASH_SECTOR, file->number);
    const uint64_t bytes = size_decide(disk, file, mode);
    bool changed = bytes != file->bytes;

    while (file->dirty_count > 0) {
        const struct sim_dirty *dirty = &file->dirty[file->dirty_count - 1];
        struct sim_page **at = &sim_file_pages(file)[dirty->place];
        uint64_t sectors = mode == SIM_UNSYNCED_KEEP ? UINT64_MAX : 0;

        if (mode == SIM_UNSYNCED_TORN)
            sectors = sim_draw(disk->world, key, SIM_DRAW_CRASH_SECTOR, dirty->place);
        if (dirty->lost)
            sectors = 0;
        if (sectors != UINT64_MAX) {
            struct sim_page *page =
                sectors == 0 ? sim_page_ref(dirty->stored) : page_tear(disk, *at, dirty->stored, sectors);

            sim_page_unref(&disk->world->store, *at);
            *at = page;
            changed = true;
        }
        sim_file_dirty_remove(disk, file, file->dirty_count - 1);
    }
    file_cut(disk, file, bytes);
    file->durable_bytes = bytes;
    file->open = false;
    file->broken = false;
    if (changed)
        file->version = ++disk->version_last;
    sim_file_charge(disk, file);
}

void sim_disk_crash(struct sim_disk *disk, enum sim_unsynced mode)
{
    struct dfs_list files;

    disk->crashes++;
    pending_decide(disk, mode);
    names_decide(disk, mode);
    names_apply(disk);
    /* Settling moves files from list to list: walk a list of our own. */
    dfs_list_init(&files);
    while (!dfs_list_empty(&disk->active))
        dfs_list_push(&files, dfs_list_pop(&disk->active));
    while (!dfs_list_empty(&files)) {
        struct sim_file *file = dfs_container_of(dfs_list_pop(&files), struct sim_file, of_disk);

        content_decide(disk, file, mode);
        sim_file_settle(disk, file);
    }
}

void sim_disk_settle(struct sim_disk *disk)
{
    sim_disk_crash(disk, SIM_UNSYNCED_KEEP);
}

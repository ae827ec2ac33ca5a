/*
 * disk_file.c - files: pages now, pages on stable storage, and names.
 */
#include "net_sim/disk_internal.h"

#include "core/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_ROOM_STEP 64u
#define DIRTY_FIRST 4 /* what the smallest piece of the pool has room for */

/* The directory ---------------------------------------------------------------------------------------------------- */

void sim_file_name_set(struct sim_disk *disk, struct sim_file *file, struct sim_name *name)
{
    sim_name_ref(name);
    if (file->name != NULL) {
        file->name->file = NULL;
        sim_name_unref(file->name);
        disk->file_count--;
    }
    file->name = name;
    if (name != NULL) {
        DFS_ASSERT(name->file == NULL && name->disk == disk);
        name->file = file;
        disk->file_count++;
    }
    sim_file_charge(disk, file);
}

void sim_file_rename(struct sim_disk *disk, struct sim_file *file, struct sim_name *name)
{
    uint8_t pool_class;
    struct sim_change *change = sim_pool_take(&disk->world->pool, sizeof *change, &pool_class);

    *change = (struct sim_change){
        .file = file, .name = sim_name_ref(name), .number = ++disk->change_number, .pool_class = pool_class};
    if (disk->changes == NULL)
        disk->changes = change;
    else
        disk->changes_last->next = change;
    disk->changes_last = change;
    disk->change_count++;
    file->changes++;
    sim_file_name_set(disk, file, name);
}

void sim_change_free(struct sim_disk *disk, struct sim_change *change)
{
    sim_name_unref(change->name);
    sim_pool_give(&disk->world->pool, change, change->pool_class);
}

void sim_changes_apply(struct sim_disk *disk, uint64_t until)
{
    while (disk->changes != NULL && disk->changes->number <= until) {
        struct sim_change *change = disk->changes;
        struct sim_file *file = change->file;

        disk->changes = change->next;
        disk->change_count--;
        file->changes--;
        sim_name_unref(file->durable_name);
        file->durable_name = sim_name_ref(change->name);
        sim_change_free(disk, change);
        sim_file_settle(disk, file);
    }
}

/* Of a file: no more than SIM_FILE_BYTES_MAX. */
static uint32_t pages_for(uint64_t bytes)
{
    return (uint32_t)(sim_file_charge_for(bytes) / SIM_PAGE_BYTES);
}

struct sim_file *sim_file_new(struct sim_disk *disk, struct sim_name *name, uint64_t reserved_bytes)
{
    uint8_t pool_class;
    struct sim_file *file = sim_pool_take(&disk->world->pool, sizeof *file, &pool_class);

    *file = (struct sim_file){
        .number = ++disk->file_number,
        .reserved_pages = pages_for(reserved_bytes),
        .version = ++disk->version_last,
    };
    dfs_list_init(&file->of_disk);
    dfs_list_push(&disk->active, &file->of_disk);
    sim_file_rename(disk, file, name);
    return file;
}

/* Room ------------------------------------------------------------------------------------------------------------- */

uint64_t sim_file_charge_for(uint64_t bytes)
{
    return (bytes + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES * SIM_PAGE_BYTES;
}

void sim_file_charge(struct sim_disk *disk, struct sim_file *file)
{
    uint32_t charge = 0;

    if (file->name != NULL) {
        charge = pages_for(file->bytes);
        charge = charge > file->reserved_pages ? charge : file->reserved_pages;
    }
    disk->used_bytes += ((uint64_t)charge - file->charged_pages) * SIM_PAGE_BYTES;
    file->charged_pages = charge;
}

/* Pages ------------------------------------------------------------------------------------------------------------ */

struct sim_page *sim_file_page(const struct sim_file *file, enum sim_view view, uint64_t place)
{
    if (place >= file->page_count)
        return NULL;
    if (view == SIM_DURABLE && sim_file_is_dirty(file, place))
        return file->dirty[sim_file_mark(file, place) - 1].stored;
    return file->is_outside ? file->pages.outside[place] : file->pages.own[place];
}

static uint32_t capacity_of(const struct sim_file *file)
{
    return file->is_outside ? file->marks.capacity : SIM_PAGES_OWN;
}

/* Pages and marks move out of the file, or to where there is more room. */
static void pages_grow(struct sim_file *file, uint32_t capacity)
{
    struct sim_page **pages = dfs_alloc_zero_array(capacity, sizeof(struct sim_page *) + sizeof(uint32_t));

    memcpy(pages, sim_file_pages(file), file->page_count * sizeof(struct sim_page *));
    memcpy(pages + capacity, sim_file_marks(file), file->page_count * sizeof(uint32_t));
    if (file->is_outside)
        dfs_free(file->pages.outside);
    file->pages.outside = pages;
    file->marks.capacity = capacity;
    file->is_outside = true;
}

static void pages_reach(struct sim_file *file, uint32_t count)
{
    const uint32_t capacity = capacity_of(file);

    if (count <= file->page_count)
        return;
    if (count > capacity)
        pages_grow(file, capacity * 2 < count ? count : capacity * 2);
    struct sim_page **pages = sim_file_pages(file);
    uint32_t *marks = sim_file_marks(file);

    for (; file->page_count < count; file->page_count++) {
        pages[file->page_count] = NULL;
        marks[file->page_count] = 0;
    }
}

static uint8_t dirty_class(const struct sim_file *file)
{
    return (uint8_t)sim_pool_class(file->dirty_capacity * sizeof *file->dirty);
}

static void dirty_free(struct sim_disk *disk, struct sim_file *file)
{
    if (file->dirty_capacity > 0)
        sim_pool_give(&disk->world->pool, file->dirty, dirty_class(file));
    file->dirty = NULL;
    file->dirty_capacity = 0;
}

static void dirty_grow(struct sim_disk *disk, struct sim_file *file)
{
    const uint32_t capacity = file->dirty_capacity == 0 ? DIRTY_FIRST : file->dirty_capacity * 2;
    uint8_t pool_class; /* follows from the capacity again */
    struct sim_dirty *dirty = sim_pool_take(&disk->world->pool, capacity * sizeof *dirty, &pool_class);

    if (file->dirty_count > 0)
        memcpy(dirty, file->dirty, file->dirty_count * sizeof *dirty);
    dirty_free(disk, file);
    file->dirty = dirty;
    file->dirty_capacity = capacity;
}

void sim_file_page_set(struct sim_disk *disk, struct sim_file *file, uint32_t place, struct sim_page *page)
{
    pages_reach(file, place + 1);
    struct sim_page **at = &sim_file_pages(file)[place];
    uint32_t *mark = &sim_file_marks(file)[place];

    if (*mark != 0) {
        sim_page_unref(&disk->world->store, *at);
        file->dirty[*mark - 1].lost = false;
    } else {
        if (file->dirty_count == file->dirty_capacity)
            dirty_grow(disk, file);
        file->dirty[file->dirty_count++] = (struct sim_dirty){.stored = *at, .place = place};
        *mark = file->dirty_count;
        disk->unsynced_pages++;
    }
    *at = page;
}

void sim_file_page_rot(struct sim_disk *disk, struct sim_file *file, uint32_t place, struct sim_page *page)
{
    pages_reach(file, place + 1); /* a hole may have none yet */
    if (sim_file_marks(file)[place] != 0) {
        sim_file_page_set(disk, file, place, page);
        return;
    }
    struct sim_page **at = &sim_file_pages(file)[place];

    sim_page_unref(&disk->world->store, *at);
    *at = page;
}

void sim_file_dirty_remove(struct sim_disk *disk, struct sim_file *file, uint32_t dirty)
{
    struct sim_dirty *hole = &file->dirty[dirty];
    uint32_t *marks = sim_file_marks(file);

    marks[hole->place] = 0;
    sim_page_unref(&disk->world->store, hole->stored);
    *hole = file->dirty[--file->dirty_count];
    if (dirty < file->dirty_count)
        marks[hole->place] = dirty + 1;
    disk->unsynced_pages--;
}

void sim_file_page_stored(struct sim_disk *disk, struct sim_file *file, uint32_t place, struct sim_page *stored)
{
    const uint32_t mark = sim_file_marks(file)[place];
    struct sim_dirty *dirty;

    if (mark == 0)
        return;
    dirty = &file->dirty[mark - 1];
    if (sim_file_pages(file)[place] == stored) {
        sim_file_dirty_remove(disk, file, mark - 1);
    } else {
        sim_page_unref(&disk->world->store, dirty->stored);
        dirty->stored = sim_page_ref(stored);
    }
}

/* Only the holder of the last reference may write in place, and only what stable storage does not have. */
static bool may_write_in_place(const struct sim_page *page, uint32_t mark, size_t end)
{
    return mark != 0 && page != NULL && page->references == 1 && !page->interned && page->room >= end;
}

static void page_fill(struct sim_page *page, size_t at, const uint8_t *bytes, size_t count)
{
    if (at > page->count)
        memset(page->bytes + page->count, 0, at - page->count);
    memcpy(page->bytes + at, bytes, count);
    if (at + count > page->count)
        page->count = (uint16_t)(at + count);
}

static void write_part(struct sim_disk *disk, struct sim_file *file, uint32_t place, size_t at, const uint8_t *bytes,
                       size_t count)
{
    struct sim_store *store = &disk->world->store;
    struct sim_page *page;
    size_t room = at + count;

    pages_reach(file, place + 1);
    struct sim_page *old = sim_file_pages(file)[place];
    const uint32_t mark = sim_file_marks(file)[place];

    if (may_write_in_place(old, mark, at + count)) {
        page_fill(old, at, bytes, count);
        file->dirty[mark - 1].lost = false;
        return;
    }
    if (old != NULL) {
        room = room > old->count ? room : old->count;
        room *= 2; /* a tail that is appended to will be appended to again */
    }
    room = (room + PAGE_ROOM_STEP - 1) / PAGE_ROOM_STEP * PAGE_ROOM_STEP;
    page = sim_page_new(store, room < SIM_PAGE_BYTES ? room : SIM_PAGE_BYTES);
    if (old != NULL)
        page_fill(page, 0, old->bytes, old->count);
    page_fill(page, at, bytes, count);
    sim_file_page_set(disk, file, place, page);
}

void sim_file_write(struct sim_disk *disk, struct sim_file *file, uint64_t offset, const uint8_t *bytes, size_t count)
{
    struct sim_world *world = disk->world;

    while (count > 0) {
        const uint32_t place = (uint32_t)(offset / SIM_PAGE_BYTES);
        const size_t at = offset % SIM_PAGE_BYTES;
        const size_t part = SIM_PAGE_BYTES - at < count ? SIM_PAGE_BYTES - at : count;

        if (part == SIM_PAGE_BYTES) {
            struct sim_page *page = sim_page_intern(&world->store, bytes, part);

            sim_trace_mix(world, page->hash, offset);
            sim_file_page_set(disk, file, place, page);
        } else {
            sim_trace_bytes(world, bytes, part);
            write_part(disk, file, place, at, bytes, part);
        }
        offset += part;
        bytes += part;
        count -= part;
    }
    if (offset > file->bytes)
        file->bytes = offset;
    file->version = ++disk->version_last;
    sim_file_charge(disk, file);
}

void sim_file_intern(struct sim_disk *disk, struct sim_file *file)
{
    struct sim_store *store = &disk->world->store;
    struct sim_page **pages = sim_file_pages(file);

    for (uint32_t i = 0; i < file->page_count; i++) {
        struct sim_page *page = pages[i];

        if (page == NULL || page->interned || page->references > 1)
            continue;
        pages[i] = sim_page_intern(store, page->bytes, page->count);
        sim_page_unref(store, page);
    }
}

/* The end of files ------------------------------------------------------------------------------------------------- */

void sim_file_close(struct sim_disk *disk, struct sim_file *file)
{
    struct sim_store *store = &disk->world->store;
    struct sim_page **pages = sim_file_pages(file);

    while (file->dirty_count > 0)
        sim_file_dirty_remove(disk, file, file->dirty_count - 1);
    for (uint32_t i = 0; i < file->page_count; i++)
        sim_page_unref(store, pages[i]);
    sim_file_name_set(disk, file, NULL);
    sim_name_unref(file->durable_name);
    if (!file->settled) {
        dfs_list_remove(&file->of_disk);
        dirty_free(disk, file);
    }
    if (file->is_outside)
        dfs_free(file->pages.outside);
    sim_pool_give(&disk->world->pool, file, (uint8_t)sim_pool_class(sizeof *file));
}

void sim_file_settle(struct sim_disk *disk, struct sim_file *file)
{
    if (file->name == NULL && file->durable_name == NULL && file->changes == 0 && file->references == 0) {
        sim_file_close(disk, file);
        return;
    }
    if (file->settled)
        return;
    dfs_list_remove(&file->of_disk);
    if (file->open || file->dirty_count > 0 || file->bytes != file->durable_bytes) {
        dfs_list_push(&disk->active, &file->of_disk); /* a crash walks them in the order of their last change */
        return;
    }
    dirty_free(disk, file);
    file->settled = true;
}

/* Looking ---------------------------------------------------------------------------------------------------------- */

uint64_t sim_file_bytes(const struct sim_file *file, enum sim_view view)
{
    return view == SIM_NOW ? file->bytes : file->durable_bytes;
}

uint64_t sim_file_version(const struct sim_file *file)
{
    return file->version;
}

/* `count` bytes of a page from `at`, zeros where it has none. */
static void page_read(const struct sim_page *page, size_t at, uint8_t *bytes, size_t count)
{
    const size_t there = page == NULL || page->count <= at ? 0 : page->count - at;
    const size_t part = there < count ? there : count;

    if (part > 0)
        memcpy(bytes, page->bytes + at, part);
    if (part < count)
        memset(bytes + part, 0, count - part);
}

size_t sim_file_read(const struct sim_file *file, enum sim_view view, uint64_t offset, void *bytes, size_t count)
{
    const uint64_t size = sim_file_bytes(file, view);
    uint8_t *at = bytes;
    size_t done = 0;

    if (offset >= size)
        return 0;
    if (count > size - offset)
        count = (size_t)(size - offset);
    while (done < count) {
        const size_t in_page = (offset + done) % SIM_PAGE_BYTES;
        const size_t part = SIM_PAGE_BYTES - in_page < count - done ? SIM_PAGE_BYTES - in_page : count - done;

        page_read(sim_file_page(file, view, (offset + done) / SIM_PAGE_BYTES), in_page, at + done, part);
        done += part;
    }
    return count;
}

uint64_t sim_file_fingerprint(const struct sim_file *file, enum sim_view view)
{
    const uint64_t size = sim_file_bytes(file, view);
    uint64_t hash = sim_mix(size, 1);

    for (uint64_t offset = 0; offset < size; offset += SIM_PAGE_BYTES) {
        const size_t count = size - offset < SIM_PAGE_BYTES ? (size_t)(size - offset) : SIM_PAGE_BYTES;
        const struct sim_page *page = sim_file_page(file, view, offset / SIM_PAGE_BYTES);
        uint8_t bytes[SIM_PAGE_BYTES];

        if (page != NULL && page->interned && page->count == count) {
            hash = sim_mix(hash, page->hash);
            continue;
        }
        page_read(page, 0, bytes, count);
        hash = sim_mix(hash, sim_digest(count, bytes, count));
    }
    return hash;
}

struct seen {
    const struct sim_name *name;
    const struct sim_file *file;
};

static int seen_compare(const void *a, const void *b)
{
    const struct seen *left = a;
    const struct seen *right = b;

    return strcmp(left->name->text, right->name->text);
}

static void seen_add(struct seen *seen, size_t *count, const struct sim_name *name, const struct sim_file *file)
{
    if (name == NULL)
        return;
    if (seen != NULL)
        seen[*count] = (struct seen){.name = name, .file = file};
    (*count)++;
}

/* Those that have a name now; and those that were removed, while stable storage has them. */
static size_t seen_gather(const struct sim_disk *disk, enum sim_view view, struct seen *seen)
{
    size_t count = 0;

    for (size_t i = 0; i < disk->names.capacity; i++) {
        const struct sim_name *name = sim_table_at(&disk->names, i);

        if (name != NULL && name->file != NULL)
            seen_add(seen, &count, view == SIM_NOW ? name : name->file->durable_name, name->file);
    }
    for (const struct sim_change *at = disk->changes; at != NULL && view == SIM_DURABLE; at = at->next)
        if (at->name == NULL)
            seen_add(seen, &count, at->file->durable_name, at->file);
    return count;
}

void sim_disk_each(const struct sim_disk *disk, enum sim_view view,
                   bool (*each)(void *arg, const char *name, const struct sim_file *file), void *arg)
{
    const size_t count = seen_gather(disk, view, NULL);
    struct seen *seen = dfs_alloc_zero_array(count, sizeof *seen);

    (void)seen_gather(disk, view, seen);
    qsort(seen, count, sizeof *seen, seen_compare);
    for (size_t i = 0; i < count; i++)
        if (!each(arg, seen[i].name->text, seen[i].file))
            break;
    dfs_free(seen);
}

const struct sim_file *sim_disk_find(const struct sim_disk *disk, enum sim_view view, const char *name)
{
    const struct sim_name *wanted = sim_name_find(disk, name);
    const struct sim_file *file = wanted == NULL ? NULL : wanted->file;

    if (view == SIM_NOW || wanted == NULL || (file != NULL && file->durable_name == wanted))
        return file;
    /* Durable under a name that it has not now: then a change of it is pending. */
    for (const struct sim_change *at = disk->changes; at != NULL; at = at->next)
        if (at->file->durable_name == wanted)
            return at->file;
    return NULL;
}

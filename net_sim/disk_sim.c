#include "net_sim/disk_internal.h"

#include "core/base/mem.h"

#include <stdlib.h>
#include <string.h>

struct sim_disk_options sim_disk_options_default(void)
{
    return (struct sim_disk_options){
        .latency = {.min = 100 * DFS_MICROSECONDS, .max = 100 * DFS_MICROSECONDS},
        .bytes_per_second = 200 * UINT64_C(1000000),
        .capacity_bytes = UINT64_C(1000000000000),
    };
}

struct sim_disk *sim_disk_new(struct sim_world *world, const char *name, const struct sim_disk_options *options)
{
    const size_t name_bytes = strlen(name) + 1;
    struct sim_disk *disk = dfs_alloc_zero(sizeof *disk);

    disk->world = world;
    disk->label = dfs_alloc(name_bytes);
    memcpy(disk->label, name, name_bytes);
    disk->key = sim_prf(world->seed, SIM_DRAW_DISK, dfs_hash64(0, name, name_bytes - 1));
    disk->options = options != NULL ? *options : sim_disk_options_default();
    disk->slow_factor = 1;
    sim_names_init(&disk->names);
    dfs_list_init(&disk->active);
    dfs_list_init(&disk->pending);
    disk->next = world->disks;
    world->disks = disk;
    return disk;
}

/* All of them have names when no change is left: with the last file goes the last name that anything uses. */
static void files_close(struct sim_disk *disk)
{
    struct sim_table *names = &disk->names;

    for (size_t i = 0; i < names->capacity; i++) {
        const struct sim_name *name;

        /* What stands behind it may move up. */
        while ((name = sim_table_at(names, i)) != NULL && name->file != NULL)
            sim_file_close(disk, name->file);
    }
}

void sim_disk_free(struct sim_disk *disk)
{
    struct sim_disk **at = &disk->world->disks;

    DFS_ASSERT(dfs_list_empty(&disk->pending));
    while (*at != disk)
        at = &(*at)->next;
    *at = disk->next;
    while (disk->changes != NULL) {
        struct sim_change *change = disk->changes;

        disk->changes = change->next;
        if (change->name == NULL) /* the only thing that still knows this file */
            sim_file_close(disk, change->file);
        sim_change_free(disk, change);
    }
    files_close(disk);
    while (disk->rules != NULL) {
        struct sim_rule *rule = disk->rules;

        disk->rules = rule->next;
        dfs_free(rule);
    }
    dfs_free(disk->entries);
    sim_names_close(&disk->names);
    dfs_free(disk->label);
    dfs_free(disk);
}

void sim_disks_suffix(struct sim_world *world, uint64_t suffix)
{
    for (struct sim_disk *disk = world->disks; disk != NULL; disk = disk->next)
        disk->key = sim_prf(disk->key, SIM_DRAW_SUFFIX, suffix);
}

static bool clone_add(void *arg, const char *text, const struct sim_file *from)
{
    struct sim_disk *disk = arg;
    struct sim_name *name = sim_name_ref_text(disk, text, strlen(text));
    struct sim_file *file = sim_file_new(disk, name, (uint64_t)from->reserved_pages * SIM_PAGE_BYTES);

    sim_name_unref(name);
    for (uint32_t place = 0; place < from->page_count; place++)
        sim_file_page_set(disk, file, place, sim_page_ref(sim_file_page(from, SIM_DURABLE, place)));
    file->bytes = from->durable_bytes;
    sim_file_charge(disk, file);
    return true;
}

void sim_disk_clone_synced(struct sim_disk *disk, const struct sim_disk *source)
{
    DFS_ASSERT(disk->file_count == 0 && disk->world == source->world);
    sim_disk_each(source, SIM_DURABLE, clone_add, disk);
    sim_disk_settle(disk);
}

/* Faults ----------------------------------------------------------------------------------------------------------- */

const char *sim_unsynced_name(enum sim_unsynced mode)
{
    static const char *const names[SIM_UNSYNCED_COUNT] = {"lose", "keep", "torn", "seeded"};

    return (unsigned)mode < SIM_UNSYNCED_COUNT ? names[mode] : "?";
}

void sim_disk_slow(struct sim_disk *disk, uint32_t factor)
{
    DFS_ASSERT(factor > 0);
    disk->slow_factor = factor;
}

void sim_disk_full(struct sim_disk *disk, bool full)
{
    disk->full = full;
}

void sim_disk_capacity_set(struct sim_disk *disk, uint64_t capacity_bytes)
{
    disk->options.capacity_bytes = capacity_bytes;
}

void sim_disk_vanish(struct sim_disk *disk, bool gone)
{
    DFS_ASSERT(disk->world->stepping == NULL);
    disk->gone = gone;
    if (!gone)
        return;
    dfs_list_each(at, &disk->active)
    {
        struct sim_file *file = dfs_container_of(at, struct sim_file, of_disk);

        if (file->open)
            file->broken = true;
    }
}

sim_rule_id sim_disk_rule_add(struct sim_disk *disk, const struct sim_disk_rule *rule)
{
    struct sim_rule *made = dfs_alloc_zero(sizeof *made);
    struct sim_rule **at = &disk->rules;

    DFS_ASSERT(rule->fault == SIM_DISK_ERROR ? rule->status != DFS_OK : rule->verb == DFS_DISK_READ);
    made->id = ++disk->rule_last;
    made->rule = *rule;
    while (*at != NULL)
        at = &(*at)->next;
    *at = made;
    return made->id;
}

uint64_t sim_disk_rule_remove(struct sim_disk *disk, sim_rule_id id)
{
    for (struct sim_rule **at = &disk->rules; *at != NULL; at = &(*at)->next) {
        struct sim_rule *rule = *at;
        const uint64_t hits = rule->hits;

        if (rule->id != id)
            continue;
        *at = rule->next;
        dfs_free(rule);
        return hits;
    }
    return 0;
}

uint64_t sim_disk_rule_hits(const struct sim_disk *disk, sim_rule_id id)
{
    for (const struct sim_rule *rule = disk->rules; rule != NULL; rule = rule->next)
        if (rule->id == id)
            return rule->hits;
    return 0;
}

static bool rule_hits(struct sim_disk *disk, struct sim_rule *rule, const struct sim_disk_pending *pending)
{
    const struct sim_disk_rule *said = &rule->rule;

    if (said->verb != pending->verb || (said->count != 0 && rule->hits >= said->count))
        return false;
    if (rule->seen++ < said->skip)
        return false;
    if (said->ppb != 0 && !sim_hits(sim_draw(disk->world, sim_prf(disk->key, SIM_DRAW_DISK_ERROR, rule->id),
                                             SIM_DRAW_DISK_ERROR, pending->number),
                                    said->ppb))
        return false;
    rule->hits++;
    return true;
}

static void rules_apply(struct sim_disk *disk, struct sim_disk_pending *pending)
{
    for (struct sim_rule *rule = disk->rules; rule != NULL; rule = rule->next) {
        if (!rule_hits(disk, rule, pending))
            continue;
        switch (rule->rule.fault) {
        case SIM_DISK_ERROR:
            if (pending->status == DFS_OK)
                pending->status = rule->rule.status;
            break;
        case SIM_DISK_STALE:
            pending->stale = true;
            break;
        case SIM_DISK_MISDIRECT:
            pending->misdirected = true;
            break;
        case SIM_DISK_FAULT_COUNT:
            dfs_unreachable("rules_apply");
        }
    }
}

/* Submission ------------------------------------------------------------------------------------------------------- */

static struct sim_name *name_of(struct sim_disk *disk, const char *text)
{
    return text == NULL ? NULL : sim_name_ref_text(disk, text, strlen(text));
}

/* What a SYNC that is submitted now may cover: writes that were carried out before. */
static void capture(struct sim_disk *disk, struct sim_disk_pending *pending)
{
    DFS_ASSERT(pending->name != NULL); /* a SYNC has one */
    struct sim_file *file = pending->name->file;

    if (file == NULL)
        return;
    pending->file = file;
    file->references++;
    pending->captured_bytes = file->bytes;
    if (file->dirty_count == 0)
        return;
    pending->captured =
        sim_pool_take(&disk->world->pool, file->dirty_count * sizeof *pending->captured, &pending->captured_class);
    struct sim_page *const *pages = sim_file_pages(file);

    for (uint32_t i = 0; i < file->dirty_count; i++) {
        const struct sim_dirty *dirty = &file->dirty[i];

        if (dirty->lost)
            continue;
        pending->captured[pending->captured_count++] = (struct sim_capture){
            .page = sim_page_ref(pages[dirty->place]),
            .place = dirty->place,
        };
    }
}

void sim_disk_capture_drop(struct sim_disk_pending *pending)
{
    struct sim_disk *disk = pending->disk;

    for (uint32_t i = 0; i < pending->captured_count; i++)
        sim_page_unref(&disk->world->store, pending->captured[i].page);
    if (pending->captured != NULL)
        sim_pool_give(&disk->world->pool, pending->captured, pending->captured_class);
    pending->captured = NULL;
    pending->captured_count = 0;
    if (pending->file != NULL) {
        pending->file->references--;
        sim_file_settle(disk, pending->file);
        pending->file = NULL;
    }
}

static void pending_free(struct sim_disk_pending *pending)
{
    struct sim_world *world = pending->disk->world;

    sim_disk_capture_drop(pending);
    if (dfs_list_linked(&pending->of_disk)) {
        dfs_list_remove(&pending->of_disk);
        pending->disk->pending_count--;
    }
    sim_name_unref(pending->name);
    sim_name_unref(pending->name2);
    sim_pool_give(&world->pool, pending, pending->pool_class);
}

void sim_disk_item_drop(struct sim_world *world, struct sim_item *item)
{
    (void)world;
    pending_free((struct sim_disk_pending *)(void *)item);
}

/* In order per name; reads may overtake reads. An operation holds its names until it is done, so a name that has come anew has nothing to wait for. */
static dfs_time_ns order_by_name(struct sim_name *name, enum dfs_disk_verb verb, dfs_time_ns at)
{
    if (verb == DFS_DISK_READ) {
        at = dfs_time_max(at, name->write_done);
        name->any_done = dfs_time_max(name->any_done, at);
    } else {
        at = dfs_time_max(at, name->any_done);
        name->any_done = at;
        name->write_done = at;
    }
    return at;
}

static dfs_time_ns done_at(struct sim_disk *disk, const struct sim_disk_pending *pending, dfs_duration_ns delay)
{
    struct sim_world *world = disk->world;
    const struct sim_disk_options *options = &disk->options;
    const bool is_sync = pending->verb == DFS_DISK_SYNC || pending->verb == DFS_DISK_SYNC_DIR;
    const bool moves = pending->verb == DFS_DISK_READ || pending->verb == DFS_DISK_WRITE;
    const bool as_sync = is_sync && options->sync_latency.max != 0;
    struct sim_range latency = as_sync ? options->sync_latency : options->latency;
    const uint32_t values_count = as_sync ? options->sync_latencies_count : options->latencies_count;
    dfs_time_ns at;

    if (disk->busy_until < world->now)
        disk->busy_until = world->now;
    if (moves && options->bytes_per_second != 0)
        disk->busy_until += sim_transfer_ns(pending->length * disk->slow_factor, options->bytes_per_second);
    if (latency.max > latency.min) {
        const uint64_t drawn = sim_draw(world, disk->key, SIM_DRAW_DISK_LATENCY, pending->number);
        const int64_t *values = as_sync ? options->sync_latencies : options->latencies;

        latency.min =
            values_count > 0 ? (dfs_duration_ns)values[sim_below(drawn, values_count)] : sim_in_range(drawn, latency);
    }
    at = disk->busy_until + latency.min * disk->slow_factor + delay;
    if (pending->name == NULL)
        return at;
    at = order_by_name(pending->name, pending->verb, at);
    if (pending->name2 != NULL) {
        at = order_by_name(pending->name2, pending->verb, at);
        (void)order_by_name(pending->name, pending->verb, at);
    }
    return at;
}

static struct sim_disk_event event_of(struct sim_disk_pending *pending, const struct dfs_disk_op *op,
                                      const struct dfs_disk_done *done)
{
    return (struct sim_disk_event){
        .host = pending->host,
        .disk = pending->disk,
        .number = pending->number,
        .op = op,
        .done = done,
        .name = pending->name != NULL ? pending->name->text : "",
    };
}

/* What will be read is fetched while others have their turn: nothing here has been touched for long. */
static void read_expect(const struct sim_disk_pending *pending)
{
    const struct sim_file *file = pending->name == NULL ? NULL : pending->name->file;
    const struct sim_page *page = file == NULL ? NULL : sim_file_page(file, SIM_NOW, pending->offset / SIM_PAGE_BYTES);
    const size_t count = pending->length < SIM_PAGE_BYTES ? (size_t)pending->length : SIM_PAGE_BYTES;

    for (size_t at = 0; page != NULL && at < sizeof *page + count; at += SIM_CACHE_LINE)
        __builtin_prefetch((const void *)((uintptr_t)page + at));
}

/* Field by field: most are set, and clearing 200 bytes first takes longer than all of them. */
static struct sim_disk_pending *pending_new(struct sim_host *host, const struct dfs_disk_op *op)
{
    struct sim_disk *disk = host->disk;
    uint8_t pool_class;
    struct sim_disk_pending *pending = sim_pool_take(&host->world->pool, sizeof *pending, &pool_class);

    pending->item = (struct sim_item){.kind = SIM_ITEM_DISK};
    dfs_list_init(&pending->of_disk);
    pending->disk = disk;
    pending->host = host;
    pending->verb = op->verb;
    pending->status = DFS_OK;
    pending->token = op->token;
    pending->number = ++disk->operations;
    pending->name = name_of(disk, op->name);
    pending->name2 = name_of(disk, op->name2);
    pending->buf = op->buf;
    pending->buf_offset = op->buf_offset;
    pending->offset = op->offset;
    pending->length = op->length;
    pending->count = 0;
    pending->file = NULL;
    pending->captured = NULL;
    pending->captured_count = 0;
    pending->captured_bytes = 0;
    pending->captured_class = 0;
    pending->changes_until = disk->change_number;
    pending->carried_out = false;
    pending->cancelled = false;
    pending->stale = false;
    pending->misdirected = false;
    pending->pool_class = pool_class;
    return pending;
}

static void disk_submit(void *ctx, const struct dfs_disk_op *op)
{
    struct sim_host *host = ctx;
    struct sim_world *world = host->world;
    struct sim_disk *disk = host->disk;
    struct sim_disk_verdict verdict = {.status = DFS_OK};
    struct sim_disk_pending *pending = pending_new(host, op);

    if (pending->name != NULL)
        __builtin_prefetch(pending->name->file); /* of a block: nobody has touched it for long */
    dfs_list_push(&disk->pending, &pending->of_disk);
    disk->pending_count++;
    world->counts.disk_operations++;
    sim_trace_mix(world, pending->token ^ op->offset << 20,
                  (pending->name != NULL ? pending->name->hash : 0) + op->length);
    sim_trace_mix(world, pending->name2 != NULL ? pending->name2->hash : 0, (uint64_t)op->verb << 32 | host->index);
    DFS_ASSERT(op->buf != NULL || (op->verb != DFS_DISK_READ && op->verb != DFS_DISK_WRITE));
    if (op->verb == DFS_DISK_SYNC)
        capture(disk, pending);
    if (disk->rules != NULL)
        rules_apply(disk, pending);
    if (world->observed & SIM_SEES_DISK_SUBMITTED) {
        const struct sim_disk_event event = event_of(pending, op, NULL);

        SIM_TELL(world, SIM_SEES_DISK_SUBMITTED, disk_submitted, &event, &verdict);
        if (verdict.delay != 0 || verdict.status != DFS_OK) /* whoever only looks changes no hash */
            sim_trace_mix(world, verdict.delay, verdict.status);
        if (verdict.status != DFS_OK)
            pending->status = verdict.status;
    }
    sim_push(world, &pending->item, done_at(disk, pending, verdict.delay));
    if (op->verb == DFS_DISK_READ)
        read_expect(pending);
}

const struct dfs_disk_ops sim_disk_ops = {.submit = disk_submit};

/* The verbs -------------------------------------------------------------------------------------------------------- */

static bool has_room(const struct sim_disk *disk, uint64_t more)
{
    return more == 0 || (!disk->full && more <= disk->options.capacity_bytes &&
                         disk->used_bytes <= disk->options.capacity_bytes - more);
}

static enum dfs_status do_create(struct sim_disk *disk, const struct sim_disk_pending *pending)
{
    struct sim_file *file;

    if (disk->gone)
        return DFS_IO;
    if (pending->name->file != NULL)
        return DFS_EXISTS;
    if (disk->full || pending->length > SIM_FILE_BYTES_MAX || pending->length > disk->options.capacity_bytes ||
        !has_room(disk, sim_file_charge_for(pending->length)))
        return DFS_NO_SPACE;
    file = sim_file_new(disk, pending->name, pending->length);
    file->open = true;
    return DFS_OK;
}

static enum dfs_status do_write(struct sim_disk *disk, const struct sim_disk_pending *pending)
{
    struct sim_file *file = pending->name->file;
    const uint64_t end = pending->offset + pending->length;
    uint64_t charge;
    uint64_t charged;

    if (disk->gone)
        return DFS_IO;
    if (file == NULL)
        return DFS_NOT_FOUND;
    if (!file->open || file->broken)
        return DFS_IO;
    if (pending->length > SIM_FILE_BYTES_MAX || pending->offset > SIM_FILE_BYTES_MAX - pending->length)
        return DFS_NO_SPACE;
    charge = sim_file_charge_for(end);
    charged = (uint64_t)file->charged_pages * SIM_PAGE_BYTES;
    if (charge > charged && !has_room(disk, charge - charged))
        return DFS_NO_SPACE;
    sim_file_write(disk, file, pending->offset, pending->buf->bytes + pending->buf_offset, (size_t)pending->length);
    disk->world->counts.disk_bytes_written += pending->length;
    sim_file_settle(disk, file);
    return DFS_OK;
}

static enum dfs_status do_sync(struct sim_disk *disk, struct sim_disk_pending *pending)
{
    struct sim_file *file = pending->file;

    disk->world->counts.syncs++;
    if (disk->gone)
        return DFS_IO;
    if (file == NULL)
        return pending->name->file != NULL ? DFS_OK : DFS_NOT_FOUND; /* covers nothing */
    if (!file->open || file->broken)
        return DFS_IO;
    for (uint32_t i = 0; i < pending->captured_count; i++)
        sim_file_page_stored(disk, file, pending->captured[i].place, pending->captured[i].page);
    if (pending->captured_bytes > file->durable_bytes)
        file->durable_bytes = pending->captured_bytes;
    return DFS_OK;
}

/* What Linux does to dirty pages when writing them back fails (faults.h): each is written all the same,
 * dropped, or marked clean. */
static void sync_failed(struct sim_disk *disk, struct sim_disk_pending *pending)
{
    struct sim_world *world = disk->world;
    struct sim_file *file = pending->file;
    const uint64_t key = sim_prf(disk->key, SIM_DRAW_DISK_SYNC_FAILED, pending->number);

    for (uint32_t i = 0; file != NULL && i < pending->captured_count; i++) {
        const struct sim_capture *captured = &pending->captured[i];
        struct sim_page **page = &sim_file_pages(file)[captured->place];
        const uint32_t mark = sim_file_marks(file)[captured->place];

        if (mark == 0 || *page != captured->page)
            continue;
        switch (sim_below(sim_draw(world, key, SIM_DRAW_DISK_SYNC_FAILED, captured->place), 3)) {
        case 0:
            sim_file_page_stored(disk, file, captured->place, captured->page);
            break;
        case 1: {
            struct sim_page *stored = sim_page_ref(file->dirty[mark - 1].stored);

            sim_page_unref(&world->store, *page);
            *page = stored;
            sim_file_dirty_remove(disk, file, mark - 1);
            file->version = ++disk->version_last;
            break;
        }
        default:
            file->dirty[mark - 1].lost = true;
            break;
        }
    }
}

static enum dfs_status do_publish(struct sim_disk *disk, const struct sim_disk_pending *pending)
{
    struct sim_file *file = pending->name->file;

    if (disk->gone || file == NULL)
        return DFS_NOT_FOUND;
    if (pending->name2->file != NULL)
        return DFS_EXISTS;
    file->open = false;
    sim_file_intern(disk, file);
    sim_file_rename(disk, file, pending->name2);
    sim_file_settle(disk, file);
    return DFS_OK;
}

static enum dfs_status do_remove(struct sim_disk *disk, const struct sim_disk_pending *pending)
{
    struct sim_file *file = pending->name->file;

    if (disk->gone || file == NULL)
        return DFS_NOT_FOUND;
    file->open = false;
    for (uint32_t i = 0; i < SIM_PAGES_OWN && i < file->page_count; i++)
        __builtin_prefetch(sim_file_pages(file)[i]); /* given back when the removal is durable */
    sim_file_rename(disk, file, NULL);
    sim_file_settle(disk, file);
    return DFS_OK;
}

static enum dfs_status do_forget(struct sim_disk *disk, const struct sim_disk_pending *pending)
{
    struct sim_file *file = pending->name->file;

    if (disk->gone || file == NULL)
        return DFS_NOT_FOUND;
    file->open = false;
    sim_file_settle(disk, file);
    return DFS_OK;
}

/* Another file with a name, found from a place that the draw says; NULL when there is none. */
static const struct sim_file *file_other(const struct sim_disk *disk, const struct sim_file *not_this, uint64_t draw)
{
    const struct sim_table *names = &disk->names;
    const size_t first = (size_t)sim_below(draw, names->capacity);

    for (size_t i = 0; i < names->capacity; i++) {
        const struct sim_name *name = sim_table_at(names, (first + i) & (names->capacity - 1));

        if (name != NULL && name->file != NULL && name->file != not_this)
            return name->file;
    }
    return NULL;
}

/* Replaces what was read of one page by something else that the disk has, or had. */
static void read_lie(struct sim_disk *disk, const struct sim_disk_pending *pending, const struct sim_file *file,
                     uint8_t *bytes, size_t count)
{
    struct sim_world *world = disk->world;
    const uint64_t first = pending->offset / SIM_PAGE_BYTES;
    const uint64_t last = (pending->offset + count - 1) / SIM_PAGE_BYTES;
    const uint64_t place =
        first + sim_below(sim_draw(world, disk->key, SIM_DRAW_DISK_LIE_PLACE, pending->number), last - first + 1);
    const uint64_t begin = place * SIM_PAGE_BYTES > pending->offset ? place * SIM_PAGE_BYTES : pending->offset;
    const uint64_t end =
        pending->offset + count < (place + 1) * SIM_PAGE_BYTES ? pending->offset + count : (place + 1) * SIM_PAGE_BYTES;
    uint8_t *at = bytes + (begin - pending->offset);
    const struct sim_file *source = file;

    memset(at, 0, (size_t)(end - begin));
    if (pending->misdirected)
        source = file_other(disk, file, sim_draw(world, disk->key, SIM_DRAW_DISK_LIE, pending->number));
    if (pending->misdirected && source != NULL)
        (void)sim_file_read(source, SIM_NOW, begin, at, (size_t)(end - begin));
    else if (!pending->misdirected && sim_file_is_dirty(file, place))
        (void)sim_file_read(source, SIM_DURABLE, begin, at, (size_t)(end - begin));
}

/* What was read, into the trace; pages whose hash is known are not hashed again. */
static void trace_read(struct sim_world *world, const struct sim_file *file, uint64_t offset, const uint8_t *bytes,
                       size_t count)
{
    while (count > 0) {
        const size_t in_page = offset % SIM_PAGE_BYTES;
        const size_t part = SIM_PAGE_BYTES - in_page < count ? SIM_PAGE_BYTES - in_page : count;
        const struct sim_page *page = sim_file_page(file, SIM_NOW, offset / SIM_PAGE_BYTES);

        if (page != NULL && page->interned && in_page == 0 && page->count == part)
            sim_trace_mix(world, page->hash, offset);
        else
            sim_trace_bytes(world, bytes, part);
        offset += part;
        bytes += part;
        count -= part;
    }
}

static enum dfs_status do_read(struct sim_disk *disk, struct sim_disk_pending *pending)
{
    const struct sim_file *file = pending->name->file;
    uint8_t *bytes = pending->buf->bytes + pending->buf_offset;

    if (disk->gone || file == NULL)
        return DFS_NOT_FOUND;
    if (file->broken)
        return DFS_IO;
    pending->count = sim_file_read(file, SIM_NOW, pending->offset, bytes, (size_t)pending->length);
    if (pending->count > 0 && (pending->stale || pending->misdirected)) {
        read_lie(disk, pending, file, bytes, (size_t)pending->count);
        sim_trace_bytes(disk->world, bytes, (size_t)pending->count);
    } else {
        trace_read(disk->world, file, pending->offset, bytes, (size_t)pending->count);
    }
    disk->world->counts.disk_bytes_read += pending->count;
    return DFS_OK;
}

/* An operation that fails by decree has no effect, except what a failed SYNC does to its pages. */
void sim_disk_carry_out(struct sim_disk_pending *pending)
{
    struct sim_disk *disk = pending->disk;

    pending->carried_out = true;
    dfs_list_remove(&pending->of_disk);
    disk->pending_count--;
    if (pending->status != DFS_OK) {
        if (pending->verb == DFS_DISK_SYNC)
            sync_failed(disk, pending);
        sim_disk_capture_drop(pending);
        return;
    }
    switch (pending->verb) {
    case DFS_DISK_CREATE:
        pending->status = do_create(disk, pending);
        break;
    case DFS_DISK_WRITE:
        pending->status = do_write(disk, pending);
        break;
    case DFS_DISK_SYNC:
        pending->status = do_sync(disk, pending);
        sim_disk_capture_drop(pending);
        break;
    case DFS_DISK_PUBLISH:
        pending->status = do_publish(disk, pending);
        break;
    case DFS_DISK_SYNC_DIR:
        disk->world->counts.syncs++;
        if (disk->gone)
            pending->status = DFS_IO;
        else
            sim_changes_apply(disk, pending->changes_until);
        break;
    case DFS_DISK_READ:
        pending->status = do_read(disk, pending);
        break;
    case DFS_DISK_REMOVE:
        pending->status = do_remove(disk, pending);
        break;
    case DFS_DISK_FORGET:
        pending->status = do_forget(disk, pending);
        break;
    case DFS_DISK_LIST:
    case DFS_DISK_SPACE:
        break; /* looked up when the answer is told */
    case DFS_DISK_VERB_COUNT:
        dfs_unreachable("sim_disk_carry_out");
    }
}

/* Answers ---------------------------------------------------------------------------------------------------------- */

struct listing {
    struct dfs_disk_entry *entries;
    uint64_t count;
};

static bool listing_add(void *arg, const char *name, const struct sim_file *file)
{
    struct listing *listing = arg;

    listing->entries[listing->count++] = (struct dfs_disk_entry){.name = name, .bytes = file->bytes};
    return true;
}

static void list_fill(struct sim_disk *disk, struct dfs_disk_done *done)
{
    struct listing listing = {.count = 0};

    if (disk->entry_capacity < disk->file_count) {
        disk->entry_capacity = disk->file_count;
        disk->entries = dfs_realloc_array(disk->entries, disk->entry_capacity, sizeof *disk->entries);
    }
    listing.entries = disk->entries;
    sim_disk_each(disk, SIM_NOW, listing_add, &listing);
    done->entries = disk->entries;
    done->count = listing.count;
}

static void answer(struct sim_disk_pending *pending)
{
    struct sim_disk *disk = pending->disk;
    struct sim_host *host = pending->host;
    struct sim_world *world = disk->world;
    struct dfs_event event = {
        .kind = DFS_EV_DISK,
        .disk =
            {
                .verb = pending->verb,
                .token = pending->token,
                .status = pending->status,
                .count = pending->count,
            },
    };

    if (pending->status == DFS_OK && pending->verb == DFS_DISK_LIST && !disk->gone)
        list_fill(disk, &event.disk);
    if (pending->status == DFS_OK && pending->verb == DFS_DISK_SPACE) {
        const uint64_t capacity = disk->options.capacity_bytes;

        event.disk.capacity_bytes = capacity;
        event.disk.free_bytes =
            disk->full || disk->gone || disk->used_bytes > capacity ? 0 : capacity - disk->used_bytes;
    }
    if ((host->hears_disk_done >> pending->verb & 1) != 0) {
        const struct sim_disk_event seen = event_of(pending, NULL, &event.disk);

        SIM_TELL(world, SIM_SEES_DISK_DONE, disk_done, &seen);
    }
    sim_host_step(host, &event,
                  sim_mix(pending->token ^ (uint64_t)pending->status << 56, event.disk.free_bytes ^ event.disk.count));
}

void sim_disk_on_done(struct sim_world *world, struct sim_disk_pending *pending)
{
    struct sim_host *host = pending->host;

    (void)world;
    if (pending->cancelled) {
        pending_free(pending);
        return;
    }
    if (!pending->carried_out)
        sim_disk_carry_out(pending);
    if (host->held && pending->item.host == NULL) {
        /* Done on time; told when the host can hear. */
        pending->item.host = host;
        sim_host_hold(host, &pending->item);
        return;
    }
    answer(pending);
    pending_free(pending);
}

/* Looking and rotting ---------------------------------------------------------------------------------------------- */

struct sim_disk_usage sim_disk_usage(const struct sim_disk *disk)
{
    return (struct sim_disk_usage){
        .files = disk->file_count,
        .capacity_bytes = disk->options.capacity_bytes,
        .used_bytes = disk->used_bytes,
        .unsynced_pages = disk->unsynced_pages,
        .unsynced_names = disk->change_count,
        .operations = disk->operations,
        .pending = disk->pending_count,
    };
}

static void flip(struct sim_disk *disk, struct sim_file *file, uint64_t offset, unsigned bit)
{
    const uint32_t place = (uint32_t)(offset / SIM_PAGE_BYTES);
    const uint64_t left = file->bytes - (uint64_t)place * SIM_PAGE_BYTES;
    const size_t count = left < SIM_PAGE_BYTES ? (size_t)left : SIM_PAGE_BYTES;
    struct sim_page *page = sim_page_new(&disk->world->store, count);

    (void)sim_file_read(file, SIM_NOW, (uint64_t)place * SIM_PAGE_BYTES, page->bytes, count);
    page->count = (uint16_t)count;
    page->bytes[offset % SIM_PAGE_BYTES] ^= (uint8_t)(1u << bit);
    sim_file_page_rot(disk, file, place, page);
    file->version = ++disk->version_last;
}

bool sim_disk_flip(struct sim_disk *disk, const char *name, uint64_t offset, unsigned bit)
{
    const struct sim_name *wanted = sim_name_find(disk, name);
    struct sim_file *file = wanted == NULL ? NULL : wanted->file;

    if (file == NULL || offset >= file->bytes)
        return false;
    sim_trace_mix(disk->world, file->number, offset << 3 | (bit & 7));
    flip(disk, file, offset, bit & 7);
    return true;
}

struct rot {
    bool (*wanted)(void *arg, const char *name);
    void *arg;
    struct sim_file **files; /* by name */
    size_t count;
    struct sim_disk *disk;
};

static bool rot_gather(void *arg, const char *name, const struct sim_file *seen)
{
    struct rot *rot = arg;
    struct sim_file *file = seen->name->file;

    if (!file->open && file->bytes > 0 && (rot->wanted == NULL || rot->wanted(rot->arg, name)))
        rot->files[rot->count++] = file;
    return true;
}

uint64_t sim_disk_rot(struct sim_disk *disk, uint64_t count, uint64_t salt, bool (*wanted)(void *arg, const char *name),
                      void (*hit)(void *arg, const char *name, uint64_t offset), void *arg)
{
    struct rot rot = {.wanted = wanted, .arg = arg, .disk = disk};
    const uint64_t key = sim_prf(disk->key, SIM_DRAW_DISK_ROT, salt);
    uint64_t done = 0;

    DFS_ASSERT(disk->world->stepping == NULL);
    rot.files = dfs_alloc_zero_array(disk->file_count, sizeof(struct sim_file *));
    sim_disk_each(disk, SIM_NOW, rot_gather, &rot);
    for (; done < count && done < rot.count; done++) {
        const uint64_t draw = sim_draw(disk->world, key, SIM_DRAW_DISK_ROT, done);
        const size_t chosen = (size_t)(done + sim_below(draw, rot.count - done));
        struct sim_file *file = rot.files[chosen];
        const uint64_t offset = sim_below(sim_mix(draw, 1), file->bytes);

        rot.files[chosen] = rot.files[done];
        flip(disk, file, offset, (unsigned)(sim_mix(draw, 2) & 7));
        if (hit != NULL)
            hit(arg, file->name->text, offset);
    }
    dfs_free(rot.files);
    return done;
}

/*
 * disk_internal.h - what disk_sim.c, disk_file.c and disk_crash.c share; nobody else includes it.
 */
#ifndef DFS_NET_SIM_DISK_INTERNAL_H
#define DFS_NET_SIM_DISK_INTERNAL_H

#include "net_sim/internal.h"
#include "net_sim/table.h"

/* Names, shared by files, pending changes and pending operations: one for each text, so two are equal when they are the same. */
struct sim_name {
    uint64_t hash; /* of the text, for the trace */
    struct sim_disk *disk;
    struct sim_file *file;  /* that has the name now */
    dfs_time_ns any_done;   /* an operation that changes something comes after this */
    dfs_time_ns write_done; /* a read comes after this */
    uint32_t references;
    uint16_t bytes;
    uint8_t pool_class;
    char text[];
};

struct sim_dirty {
    struct sim_page *stored; /* what stable storage has instead of the page */
    uint32_t place;          /* of the page */
    bool lost;               /* a failed sync has marked it clean: no later sync writes it */
};

/* Pages inside the file itself: a block of 4 KB with its header and checksums has two. */
#define SIM_PAGES_OWN 2

/*
 * In the order of use. Most files are blocks that are written once, read now and then, and removed when nobody has touched them for long: for a read and for
 * a removal the first cache line is enough.
 */
struct sim_file {
    struct sim_name *name;         /* now; NULL: removed */
    struct sim_name *durable_name; /* on stable storage; NULL: not there */
    union {
        struct sim_page *own[SIM_PAGES_OWN];
        struct sim_page **outside; /* when there are more: the pages, then the marks */
    } pages;
    uint64_t bytes;
    uint32_t page_count;
    uint32_t charged_pages; /* of the disk's capacity */
    uint32_t dirty_count;
    uint32_t changes;    /* of its name, not durable */
    uint32_t references; /* pending syncs */
    bool open;
    bool broken;     /* was open when the disk vanished */
    bool settled;    /* not open and wholly on stable storage, for ever: nothing opens a file again */
    bool is_outside; /* pages.outside, marks.capacity */

    uint64_t durable_bytes;
    union {
        uint32_t own[SIM_PAGES_OWN];
        uint32_t capacity; /* pages that there is room for outside */
    } marks;               /* of each page, 1 + its place in `dirty`; 0: it is on stable storage */
    struct sim_dirty *dirty;
    struct dfs_list of_disk; /* in disk->active, while it is not settled */
    uint32_t dirty_capacity;
    uint32_t reserved_pages;
    uint64_t number; /* of the disk's files: keys the draws of a crash */
    uint64_t version;
};

#define SIM_CACHE_LINE 64
_Static_assert(offsetof(struct sim_file, durable_bytes) == SIM_CACHE_LINE, "what rests needs one line");
_Static_assert(sizeof(struct sim_file) == 2 * SIM_CACHE_LINE, "and a file two");

/* A creation, rename or removal that no SYNC_DIR has covered. */
struct sim_change {
    struct sim_change *next;
    struct sim_file *file;
    struct sim_name *name; /* NULL: removed */
    uint64_t number;
    bool kept; /* while a crash is decided */
    uint8_t pool_class;
};

struct sim_capture {
    struct sim_page *page;
    uint32_t place;
};

struct sim_disk_pending {
    struct sim_item item; /* first: the world casts */
    struct dfs_list of_disk;
    struct sim_disk *disk;
    struct sim_host *host;
    enum dfs_disk_verb verb;
    enum dfs_status status;
    uint64_t token;
    uint64_t number;
    struct sim_name *name;
    struct sim_name *name2;
    struct dfs_buf *buf;
    size_t buf_offset;
    uint64_t offset;
    uint64_t length;
    uint64_t count;        /* of the answer */
    struct sim_file *file; /* SYNC: as it was at submission */
    struct sim_capture *captured;
    uint32_t captured_count;
    uint64_t captured_bytes; /* its size then */
    uint64_t changes_until;  /* SYNC_DIR: covers changes up to this number */
    bool carried_out;
    bool cancelled; /* the host went down */
    bool stale;
    bool misdirected;
    uint8_t pool_class;
    uint8_t captured_class;
};

struct sim_rule {
    struct sim_rule *next;
    sim_rule_id id;
    struct sim_disk_rule rule;
    uint64_t seen;
    uint64_t hits;
};

struct sim_disk {
    struct sim_disk *next; /* of the world */
    struct sim_world *world;
    char *label;
    uint64_t key;
    struct sim_disk_options options;
    uint32_t slow_factor;
    bool full;
    bool gone;
    dfs_time_ns busy_until;
    struct sim_table names; /* struct sim_name, by their texts */
    size_t file_count;      /* with a name now */
    struct dfs_list active; /* files that are not settled; those are found by their names and changes */
    struct sim_change *changes;
    struct sim_change *changes_last;
    uint64_t change_count;
    uint64_t change_number;
    struct dfs_list pending;
    uint64_t pending_count;
    struct sim_rule *rules;
    sim_rule_id rule_last;
    uint64_t used_bytes;
    uint64_t unsynced_pages;
    uint64_t operations;
    uint64_t file_number;
    uint64_t version_last;
    uint64_t crashes;
    struct dfs_disk_entry *entries; /* of the LIST being answered */
    size_t entry_capacity;
};

/* disk_name.c ------------------------------------------------------------------------------------------------------ */

void sim_names_init(struct sim_table *names);
void sim_names_close(struct sim_table *names); /* every name must have been dropped */

/* A reference to the name with that text of `bytes` characters; asserts that it is one: not empty, not too long, no dot before it, no slash in it. */
struct sim_name *sim_name_ref_text(struct sim_disk *disk, const char *text, size_t bytes);

/* NULL when nothing uses such a name; no reference. */
struct sim_name *sim_name_find(const struct sim_disk *disk, const char *text);

void sim_name_free(struct sim_name *name);

/* NULL is fine for both. */
static inline struct sim_name *sim_name_ref(struct sim_name *name)
{
    if (name != NULL)
        name->references++;
    return name;
}

static inline void sim_name_unref(struct sim_name *name)
{
    if (name != NULL && --name->references == 0)
        sim_name_free(name);
}

/* disk_file.c ------------------------------------------------------------------------------------------------------ */

static inline struct sim_page **sim_file_pages(struct sim_file *file)
{
    return file->is_outside ? file->pages.outside : file->pages.own;
}

static inline uint32_t *sim_file_marks(struct sim_file *file)
{
    return file->is_outside ? (uint32_t *)(void *)(file->pages.outside + file->marks.capacity) : file->marks.own;
}

/* Of a page that is there. */
static inline uint32_t sim_file_mark(const struct sim_file *file, uint64_t place)
{
    return file->is_outside ? ((const uint32_t *)(const void *)(file->pages.outside + file->marks.capacity))[place]
                            : file->marks.own[place];
}

static inline bool sim_file_is_dirty(const struct sim_file *file, uint64_t place)
{
    return file->dirty_count > 0 && place < file->page_count && sim_file_mark(file, place) != 0;
}

/* `reserved_bytes` up to SIM_FILE_BYTES_MAX. */
struct sim_file *sim_file_new(struct sim_disk *disk, struct sim_name *name, uint64_t reserved_bytes);

/* Records the change; `name` NULL removes. */
void sim_file_rename(struct sim_disk *disk, struct sim_file *file, struct sim_name *name);

/* Under that name from now on, without a record. */
void sim_file_name_set(struct sim_disk *disk, struct sim_file *file, struct sim_name *name);

void sim_file_write(struct sim_disk *disk, struct sim_file *file, uint64_t offset, const uint8_t *bytes, size_t count);
void sim_file_page_set(struct sim_disk *disk, struct sim_file *file, uint32_t place, struct sim_page *page);

/* The medium itself has changed: a page that was on stable storage still is, with other bytes. */
void sim_file_page_rot(struct sim_disk *disk, struct sim_file *file, uint32_t place, struct sim_page *page);
struct sim_page *sim_file_page(const struct sim_file *file, enum sim_view view, uint64_t place);
void sim_file_intern(struct sim_disk *disk, struct sim_file *file); /* shares what can be shared */
void sim_file_charge(struct sim_disk *disk, struct sim_file *file); /* brings used_bytes up to date */
uint64_t sim_file_charge_for(uint64_t bytes);

/* The page is on stable storage as `stored`: clean if that is what it is now. */
void sim_file_page_stored(struct sim_disk *disk, struct sim_file *file, uint32_t place, struct sim_page *stored);
void sim_file_dirty_remove(struct sim_disk *disk, struct sim_file *file, uint32_t dirty);

/* Takes the file from the active ones when it rests; frees it when nothing refers to it any more. */
void sim_file_settle(struct sim_disk *disk, struct sim_file *file);
void sim_file_close(struct sim_disk *disk, struct sim_file *file); /* frees in any state */

void sim_change_free(struct sim_disk *disk, struct sim_change *change); /* and drops its name */

/* All changes up to that number are durable. */
void sim_changes_apply(struct sim_disk *disk, uint64_t until);

/* disk_sim.c ------------------------------------------------------------------------------------------------------- */

void sim_disk_carry_out(struct sim_disk_pending *pending);
void sim_disk_capture_drop(struct sim_disk_pending *pending);

static inline bool sim_disk_verb_changes(enum dfs_disk_verb verb)
{
    return verb != DFS_DISK_READ && verb != DFS_DISK_LIST && verb != DFS_DISK_SPACE;
}

#endif

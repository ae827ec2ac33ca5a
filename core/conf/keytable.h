/*
 * keytable.h - objects of JSON read by a table: one row a key.
 *
 * Daemon configurations, profiles, settings and scenarios are all read by this. A row names a key, its type,
 * range, default and place in a struct; from the same rows come the reader, its messages, the text of
 * `--help-config` and the JSON Schema. A table is constant data.
 *
 * Conventions
 * - Reading stops at the first error, in the order of the file; missing keys and rules between keys come after.
 * - Where a scenario is read (`draw` is set), {"between":[LOW,HIGH]} may stand for a duration, size, rate, count,
 *   share or decimal, and {"one_of":[...]} for anything; the callback draws. Elsewhere such an object is a wrong
 *   type. So no table may have a key named "between" or "one_of".
 * - What is written: duration, size, rate, count, share, decimal: int64_t (ns, bytes, bytes a second, itself, parts
 *   per billion, millionths); flag: bool; choice: int, the position in `words`; text: char[size].
 */
#ifndef DFS_CORE_CONF_KEYTABLE_H
#define DFS_CORE_CONF_KEYTABLE_H

#include "core/base/status.h"
#include "core/conf/json_doc.h"
#include "core/conf/text.h"
#include "core/conf/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dfs_key_type {
    DFS_KEY_DURATION,
    DFS_KEY_SIZE,
    DFS_KEY_RATE,
    DFS_KEY_COUNT,   /* a whole number */
    DFS_KEY_SHARE,   /* shares and probabilities */
    DFS_KEY_DECIMAL, /* a number with at most six decimals */
    DFS_KEY_FLAG,    /* true or false */
    DFS_KEY_CHOICE,  /* one of `words` */
    DFS_KEY_TEXT,    /* copied; min and max bound its bytes */
    DFS_KEY_OBJECT,  /* read by `table` into the struct that stands at `offset` */
    DFS_KEY_LIST,    /* elements read by the row `items` to where `grow` says; min and max bound their number */
    DFS_KEY_CUSTOM,  /* read by `read` */
    DFS_KEY_IGNORED  /* accepted, for people and editors ("$schema") */
};

/* Flags of a row. */
#define DFS_KEY_REQUIRED 1u /* must be there */
#define DFS_KEY_FIXED 2u    /* never drawn: names, versions */
#define DFS_KEY_SPREAD 4u  /* numbers only: not drawn but kept as struct dfs_spread, to be drawn from again and again */
#define DFS_KEY_RELAXED 8u /* relaxed_min replaces min where the reader is relaxed */

/* Whose key it is: bits of `roles`. 0 in a row means everybody's. */
#define DFS_FOR_AUTH 1u
#define DFS_FOR_META 2u
#define DFS_FOR_DATA 4u
#define DFS_FOR_CLIENT 8u
#define DFS_FOR_SERVERS (DFS_FOR_AUTH | DFS_FOR_META | DFS_FOR_DATA)
#define DFS_FOR_ALL (DFS_FOR_SERVERS | DFS_FOR_CLIENT)

/* Groups of a table are numbered 1 to 8. */
#define DFS_KEY_GROUPS_MAX 8

/* Where a row notes that its key was there: a bool of the struct. */
#define DFS_KEY_SEEN_AT(type, member) (offsetof(type, member) + 1)

struct dfs_conf_key;
struct dfs_key_reader;

/* The rows of one object. */
struct dfs_keytable {
    const char *name; /* unique among the tables of a document: its name in the JSON Schema */
    const struct dfs_conf_key *rows;
    size_t count;
    const char *help; /* one sentence, may be NULL */
    /*
     * Rules between keys; called after all rows were read, may be NULL. Returns DFS_OK, or refuses with
     * dfs_key_refuse.
     */
    enum dfs_status (*check)(struct dfs_key_reader *reader, const struct dfs_json_node *object, void *base);
};

/*
 * One key. Members that a type does not need stay 0. A max of 0 means the largest that the type can hold
 * (shares 1, texts what `size` allows, all others INT64_MAX), unless min is negative.
 */
struct dfs_conf_key {
    const char *name; /* of an element of a list: what messages may call it, for example "fault" */
    enum dfs_key_type type;
    unsigned flags;
    unsigned roles;
    unsigned group; /* not 0: exactly one key of the same group must be there */
    size_t offset;  /* of the field in the struct */
    size_t size;    /* of a text's field, with NUL */
    size_t seen;    /* DFS_KEY_SEEN_AT, or 0 */
    int64_t min;
    int64_t max;
    int64_t relaxed_min;
    const char *default_text; /* as on a command line: "1s", "3", "0.4", "true", "all"; NULL leaves the field alone */
    const char *words;        /* of a choice: "all|quorum"; of a custom key: what messages call its value, "a host" */
    const struct dfs_keytable *table;
    const struct dfs_conf_key *items;
    /*
     * The struct into which element `index` (from 0, ascending) is read with `items`' offset; called before
     * it is read. `field` is the list's own field. NULL when there is no room for more: the reader names
     * `max`.
     */
    void *(*grow)(struct dfs_key_reader *reader, void *field, size_t index);
    /* Reads `node` into `field`. Returns DFS_OK, or refuses with dfs_key_refuse. */
    enum dfs_status (*read)(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                            const struct dfs_json_node *node, void *field);
    const char *schema; /* of a custom key: what JSON Schema says of it; NULL is anything */
    const char *help;   /* one sentence, without the default and the range: those are printed from the row */
};

/*
 * A uniform number from 0 to count - 1. `index` is the place of the draw among all draws of the file, in the
 * order of the file: a source of numbers that is keyed with it gives each draw its own, whatever else is
 * drawn.
 */
typedef uint64_t (*dfs_draw)(void *context, uint32_t index, uint64_t count);

struct dfs_key_reader {
    const struct dfs_json_doc *doc;
    unsigned roles;  /* whose keys are accepted; 0 accepts all */
    bool is_relaxed; /* rows with DFS_KEY_RELAXED use relaxed_min */
    dfs_draw draw;   /* NULL: nothing is drawn */
    void *draw_context;
    struct dfs_conf_error *error; /* filled by the first refusal */
};

/* A table and the struct that it fills. */
struct dfs_key_part {
    const struct dfs_keytable *table;
    void *base;
};

/* Longest list of a "one_of" in a spread. */
#define DFS_SPREAD_VALUES_MAX 16

/* A number from which is drawn many times. With count 0 all from low to high, else the values listed. */
struct dfs_spread {
    int64_t low;
    int64_t high;
    uint32_t count;
    int64_t values[DFS_SPREAD_VALUES_MAX];
};

/* How many numbers there are to draw from, and the one at `index` below that. */
uint64_t dfs_spread_width(const struct dfs_spread *spread);
int64_t dfs_spread_at(const struct dfs_spread *spread, uint64_t index);

/*
 * Reads an object whose keys are those of all parts together. Keys that are not there get their default;
 * objects that are not there get the defaults of their table.
 *
 * DFS_OK          everything was read.
 * DFS_BAD_CONFIG  reader->error says what and where; the structs hold part of it and should be dropped.
 */
DFS_MUST_CHECK enum dfs_status dfs_keytable_read(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                                 const struct dfs_key_part *parts, size_t parts_count);

/* Reads one value by one row: for custom keys that pass on a part of their value. `base` is where `offset`
 * counts from. */
DFS_MUST_CHECK enum dfs_status dfs_key_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                            const struct dfs_json_node *node, void *base);

/* Refuses a value; the format makes the part behind `FILE:LINE: key "PATH": `. Returns DFS_BAD_CONFIG. */
enum dfs_status dfs_key_refuse(struct dfs_key_reader *reader, const struct dfs_json_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Gives every field of the table its default. Rows whose default does not parse are a mistake of ours and
 * assert. */
void dfs_keytable_defaults(const struct dfs_keytable *table, void *base);

/* Row of exactly this name; NULL when there is none. */
const struct dfs_conf_key *dfs_keytable_find(const struct dfs_keytable *table, const char *name);

/*
 * Sets a field from text as on a command line. Not for objects, lists and custom keys.
 *
 * DFS_BAD_CONFIG  the field is untouched; ret_why, unless NULL, is what stands behind "--option: ".
 */
DFS_MUST_CHECK enum dfs_status dfs_key_set_text(const struct dfs_conf_key *row, void *base, const char *text,
                                                bool is_relaxed, struct dfs_why *ret_why);

/* The range that holds, ends included; of a choice its positions, of a flag 0 to 1. */
void dfs_key_range(const struct dfs_conf_key *row, bool is_relaxed, int64_t *ret_min, int64_t *ret_max);

/* Does the row hold a number, a choice or a flag (and no spread)? */
bool dfs_key_is_number(const struct dfs_conf_key *row);

/* The field as a number, and the other way; the latter asserts the relaxed range. Only where
 * dfs_key_is_number. */
int64_t dfs_key_get(const struct dfs_conf_key *row, const void *base);
void dfs_key_put(const struct dfs_conf_key *row, void *base, int64_t value);

/* A number of the row's type as people write it: "1s", "0.4", "quorum", "true". */
struct dfs_quoted dfs_key_value_text(const struct dfs_conf_key *row, int64_t value);

/* "duration", "whole number", ... */
const char *dfs_key_type_name(enum dfs_key_type type);

/*
 * The struct as JSON that reads back to the same struct; lists, custom keys and spreads are left out. A new
 * reference. Dump it with JSON_REAL_PRECISION(15), which keeps 0.4 from being 0.40000000000000002.
 */
json_t *dfs_keytable_export(const struct dfs_keytable *table, const void *base);

/* Adds what `--help-config` prints for the keys of `roles` (0: all). */
void dfs_keytable_help(const struct dfs_keytable *const *tables, size_t count, unsigned roles,
                       struct dfs_conf_text *text);

/*
 * JSON Schema (2020-12) of an object whose keys are those of all tables together; with `is_drawn` drawn
 * values are allowed where the reader allows them. A new reference.
 */
json_t *dfs_keytable_schema(const struct dfs_keytable *const *tables, size_t count, unsigned roles, bool is_relaxed,
                            bool is_drawn);

#endif

/*
 * json_doc.h - a JSON document that knows where each of its values stands, and errors that say so.
 *
 * jansson parses; a scan of the same bytes then gives every value and key its line and column. On top of
 * jansson's rules: a key that stands twice in one object is refused (both lines are named), and depth, bytes
 * and values are limited. The text must be UTF-8; a byte order mark is passed over.
 *
 * The document is read-only after it was made and owns everything that is reached through it. Nothing here
 * reads a file: the caller brings the bytes, and the file's name for the messages.
 */
#ifndef DFS_CORE_CONF_JSON_DOC_H
#define DFS_CORE_CONF_JSON_DOC_H

#include "core/base/status.h"
#include "core/conf/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A scenario written by hand is 2 KB, a recorded one some 100 KB. */
#define DFS_JSON_BYTES_MAX (4 * 1024 * 1024)

/* The deepest thing in the languages that are read here is 8; beyond this somebody is testing us. */
#define DFS_JSON_DEPTH_MAX 32

/* Bounds the memory of a document: about 150 bytes a value. */
#define DFS_JSON_VALUES_MAX 200000

/* A line of an error: file, path of keys, reason, each shortened to its share. */
#define DFS_CONF_ERROR_BYTES 1024

/*
 * What is wrong with a text, in exactly one line without a line break:
 *
 *     FILE:LINE: key "network.los": unknown key; did you mean "loss"?
 *
 * Filled on failure only. `line` and `column` count from 1; 0 when the error is about no place.
 */
struct dfs_conf_error {
    enum dfs_status status;
    uint32_t line;
    uint32_t column;
    char text[DFS_CONF_ERROR_BYTES];
};

struct dfs_json_doc;

/*
 * One value. Nodes stand in one array in the order of the file, so that a node's first member or element is
 * the next node; walk them with the functions below. Lines and columns count from 1, columns in characters.
 */
struct dfs_json_node {
    json_t *value;   /* borrowed; true, false and null are shared by jansson between all places */
    const char *key; /* of a member; NULL for an element of a list and for the root */
    uint32_t parent; /* position of the value it stands in; its own for the root */
    uint32_t index;  /* among its siblings, from 0 */
    uint32_t end;    /* position behind its last descendant */
    uint32_t draw;   /* how many objects with the single key "between" or "one_of" begin before this one */
    uint32_t line;
    uint32_t column;
    uint32_t key_line; /* 0 without a key */
    uint32_t key_column;
};

/*
 * Parses `count` bytes. `copy_file` is what messages call the source; it may be any text.
 *
 * DFS_OK          *ret_doc is to be freed with dfs_json_doc_free.
 * DFS_BAD_CONFIG  *ret_error says where and why.
 */
DFS_MUST_CHECK enum dfs_status dfs_json_doc_new(const char *copy_file, const void *bytes, size_t count,
                                                struct dfs_json_doc **ret_doc, struct dfs_conf_error *ret_error);

/* NULL is fine. */
void dfs_json_doc_free(struct dfs_json_doc *doc);

const struct dfs_json_node *dfs_json_root(const struct dfs_json_doc *doc);

/* First member or element, and the next sibling; NULL when there is none. */
const struct dfs_json_node *dfs_json_first(const struct dfs_json_doc *doc, const struct dfs_json_node *node);
const struct dfs_json_node *dfs_json_next(const struct dfs_json_doc *doc, const struct dfs_json_node *node);

/* The value in which this one stands; NULL for the root. */
const struct dfs_json_node *dfs_json_parent(const struct dfs_json_doc *doc, const struct dfs_json_node *node);

/* Member of an object; NULL when there is none or `node` is not an object. */
const struct dfs_json_node *dfs_json_get(const struct dfs_json_doc *doc, const struct dfs_json_node *node,
                                         const char *key);

/* By JSON pointer (RFC 6901: "" is the root, "/network/loss", "/faults/0/at"); NULL when nothing is there. */
const struct dfs_json_node *dfs_json_find(const struct dfs_json_doc *doc, const char *pointer);

/* The node that holds exactly this value; NULL for the shared true, false and null, and for values of other
 * documents. */
const struct dfs_json_node *dfs_json_node_of(const struct dfs_json_doc *doc, const json_t *value);

/* Line of a value, 0 where dfs_json_node_of finds none. */
uint32_t dfs_json_line(const struct dfs_json_doc *doc, const json_t *value);

/* Line of what stands at a JSON pointer, 0 when nothing is there. */
uint32_t dfs_json_line_at(const struct dfs_json_doc *doc, const char *pointer);

/* "network.latency.between[0]"; "" for the root. A long path keeps its end. */
void dfs_json_path(const struct dfs_json_doc *doc, const struct dfs_json_node *node, char *out, size_t out_bytes);

/* "the number 5", `the text "abc"`, "a list", "an object", "true", "false", "null". */
struct dfs_quoted dfs_json_described(const json_t *value);

/*
 * Fill *ret_error for a value (where the value stands) or for a key (where the key stands), and return
 * DFS_BAD_CONFIG. The format makes the part behind `FILE:LINE: key "PATH": `; for the root the part behind
 * `FILE:LINE: `.
 */
enum dfs_status dfs_json_refuse(const struct dfs_json_doc *doc, const struct dfs_json_node *node,
                                struct dfs_conf_error *ret_error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
enum dfs_status dfs_json_refuse_key(const struct dfs_json_doc *doc, const struct dfs_json_node *node,
                                    struct dfs_conf_error *ret_error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif

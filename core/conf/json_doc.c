#include "core/conf/json_doc.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(JANSSON_VERSION_HEX >= 0x020b00,
               "jansson 2.11 is needed: it keeps members in the order of the file and numbers its errors");

/* Shares of the line of an error. */
#define FILE_BYTES 256
#define PATH_BYTES 192
#define REASON_BYTES 512

struct dfs_json_doc {
    char *file;
    json_t *tree;
    struct dfs_json_node *nodes;
    uint32_t count;
    uint32_t capacity;
};

/* Where the scan is. The bytes were accepted by jansson up to the place that the scan will reach, so it
 * checks little. */
struct scan {
    struct dfs_json_doc *doc;
    const char *at;
    const char *end;
    uint32_t line;
    uint32_t column;
    uint32_t depth;
    struct dfs_conf_error *error;
    /* Without a tree only a key that stands twice is looked for; see scan_for_twice. */
    bool has_tree;
};

static const char *file_shortened(const char *file, char *out, size_t out_bytes)
{
    size_t count = strlen(file);
    const char *prefix = "";
    if (count > out_bytes - 16) {
        file += count - (out_bytes - 16); /* the end of a path says more than its beginning */
        prefix = "...";
    }
    size_t prefix_bytes = strlen(prefix);
    memcpy(out, prefix, prefix_bytes);
    dfs_quote_into(out + prefix_bytes, out_bytes - prefix_bytes, file, strlen(file));
    return out;
}

__attribute__((format(printf, 5, 6))) static enum dfs_status
refuse_at(const char *file, uint32_t line, uint32_t column, struct dfs_conf_error *ret_error, const char *format, ...)
{
    char short_file[FILE_BYTES];
    char reason[REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    ret_error->status = DFS_BAD_CONFIG;
    ret_error->line = line;
    ret_error->column = column;
    (void)file_shortened(file, short_file, sizeof(short_file));
    if (line > 0)
        (void)snprintf(ret_error->text, sizeof(ret_error->text), "%s:%" PRIu32 ": %s", short_file, line, reason);
    else
        (void)snprintf(ret_error->text, sizeof(ret_error->text), "%s: %s", short_file, reason);
    return DFS_BAD_CONFIG;
}

/* ---- The scan ------------------------------------------------------------------------------------------ */

static void advance(struct scan *scan)
{
    DFS_ASSERT(scan->at < scan->end);
    unsigned char c = (unsigned char)*scan->at++;
    if (c == '\n') {
        scan->line++;
        scan->column = 1;
    } else if (c >> 6 != 0x2) {
        scan->column++; /* bytes inside a UTF-8 character are not columns */
    }
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) != NULL && *scan->at != '\0')
        advance(scan);
}

static char peek(const struct scan *scan)
{
    DFS_ASSERT(scan->at < scan->end);
    return *scan->at;
}

/* Passes a string; *ret_count counts its bytes with both quotation marks. */
static const char *skip_string(struct scan *scan, size_t *ret_count)
{
    const char *begin = scan->at;
    DFS_ASSERT(peek(scan) == '"');
    advance(scan);
    while (peek(scan) != '"') {
        if (peek(scan) == '\\')
            advance(scan);
        advance(scan);
    }
    advance(scan);
    *ret_count = (size_t)(scan->at - begin);
    return begin;
}

/* Passes a number, true, false or null: all that is left. */
static void skip_literal(struct scan *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n,]}", *scan->at) == NULL)
        advance(scan);
}

/* Position of a new node. */
static enum dfs_status node_add(struct scan *scan, uint32_t parent, uint32_t index, uint32_t *ret_position)
{
    struct dfs_json_doc *doc = scan->doc;
    if (doc->count == DFS_JSON_VALUES_MAX)
        return refuse_at(doc->file, scan->line, scan->column, scan->error, "more than %d values; split the document",
                         DFS_JSON_VALUES_MAX);
    if (doc->count == doc->capacity) {
        doc->capacity = doc->capacity == 0 ? 64 : doc->capacity * 2;
        doc->nodes = dfs_realloc_array(doc->nodes, doc->capacity, sizeof(*doc->nodes));
    }
    doc->nodes[doc->count] = (struct dfs_json_node){.parent = parent, .index = index};
    *ret_position = doc->count++;
    return DFS_OK;
}

static enum dfs_status scan_value(struct scan *scan, uint32_t position, json_t *value);

/*
 * Is `key` (as it stands in the file, with marks) in `seen` already? Decoded by jansson, so that "a" and
 * "\u0061" are one key.
 */
static enum dfs_status refuse_twice(struct scan *scan, json_t *seen, const char *key, size_t key_bytes, uint32_t line,
                                    uint32_t column)
{
    json_t *decoded = json_loadb(key, key_bytes, JSON_DECODE_ANY, NULL);
    DFS_ASSERT(json_is_string(decoded));
    const char *text = json_string_value(decoded);
    json_t *first = json_object_get(seen, text);
    enum dfs_status status = DFS_OK;
    if (first != NULL) {
        status = refuse_at(scan->doc->file, line, column, scan->error,
                           "key \"%s\" stands twice in one object; it stands in line %" JSON_INTEGER_FORMAT " too",
                           dfs_quote_text(text).text, json_integer_value(first));
    } else {
        int failed = json_object_set_new(seen, text, json_integer(line));
        DFS_ASSERT(failed == 0);
    }
    json_decref(decoded);
    return status;
}

static enum dfs_status scan_members(struct scan *scan, uint32_t position, json_t *object, json_t *seen)
{
    uint32_t index = 0;
    void *member = scan->has_tree ? json_object_iter(object) : NULL;
    for (skip_space(scan); peek(scan) != '}'; skip_space(scan), index++) {
        if (index > 0) {
            advance(scan); /* , */
            skip_space(scan);
        }
        uint32_t line = scan->line;
        uint32_t column = scan->column;
        size_t key_bytes = 0;
        const char *key = skip_string(scan, &key_bytes);
        enum dfs_status status = DFS_OK;
        if (!scan->has_tree)
            status = refuse_twice(scan, seen, key, key_bytes, line, column);
        if (status != DFS_OK)
            return status;
        skip_space(scan);
        advance(scan); /* : */
        uint32_t child = 0;
        status = node_add(scan, position, index, &child);
        if (status != DFS_OK)
            return status;
        json_t *value = NULL;
        if (scan->has_tree) {
            DFS_ASSERT(member != NULL);
            value = json_object_iter_value(member);
            scan->doc->nodes[child].key = json_object_iter_key(member);
            member = json_object_iter_next(object, member);
        }
        scan->doc->nodes[child].key_line = line;
        scan->doc->nodes[child].key_column = column;
        status = scan_value(scan, child, value);
        if (status != DFS_OK)
            return status;
    }
    DFS_ASSERT(member == NULL);
    advance(scan);
    return DFS_OK;
}

static enum dfs_status scan_elements(struct scan *scan, uint32_t position, json_t *array)
{
    uint32_t index = 0;
    for (skip_space(scan); peek(scan) != ']'; skip_space(scan), index++) {
        if (index > 0)
            advance(scan); /* , */
        skip_space(scan);
        uint32_t child = 0;
        enum dfs_status status = node_add(scan, position, index, &child);
        if (status == DFS_OK)
            status = scan_value(scan, child, json_array_get(array, index));
        if (status != DFS_OK)
            return status;
    }
    advance(scan);
    return DFS_OK;
}

/* Passes one value and what stands in it, and fills its node. */
static enum dfs_status scan_value(struct scan *scan, uint32_t position, json_t *value)
{
    skip_space(scan);
    scan->doc->nodes[position].value = value;
    scan->doc->nodes[position].line = scan->line;
    scan->doc->nodes[position].column = scan->column;
    enum dfs_status status = DFS_OK;
    char first = peek(scan);
    if (first == '{' || first == '[') {
        if (scan->depth == DFS_JSON_DEPTH_MAX)
            return refuse_at(scan->doc->file, scan->line, scan->column, scan->error,
                             "deeper than %d objects and lists inside each other", DFS_JSON_DEPTH_MAX);
        scan->depth++;
        advance(scan);
        if (first == '{') {
            json_t *seen = scan->has_tree ? NULL : json_object();
            status = scan_members(scan, position, value, seen);
            json_decref(seen);
        } else {
            status = scan_elements(scan, position, value);
        }
        scan->depth--;
    } else if (first == '"') {
        size_t ignored = 0;
        (void)skip_string(scan, &ignored);
    } else {
        skip_literal(scan);
    }
    scan->doc->nodes[position].end = scan->doc->count;
    return status;
}

static enum dfs_status scan_document(struct dfs_json_doc *doc, const char *bytes, size_t count, bool has_tree,
                                     struct dfs_conf_error *ret_error)
{
    struct scan scan = {.doc = doc,
                        .at = bytes,
                        .end = bytes + count,
                        .line = 1,
                        .column = 1,
                        .error = ret_error,
                        .has_tree = has_tree};
    uint32_t root = 0;
    enum dfs_status status = node_add(&scan, 0, 0, &root);
    return status == DFS_OK ? scan_value(&scan, root, doc->tree) : status;
}

/* ---- Errors of the syntax ------------------------------------------------------------------------------ */

/* What people write in JSON by habit of other languages; "" when it is none of these. */
static const char *syntax_hint(const char *bytes, size_t count, const json_error_t *error)
{
    size_t at = error->position > 0 && (size_t)error->position <= count ? (size_t)error->position - 1 : 0;
    if (at >= count)
        return "";
    if (bytes[at] == '/' || bytes[at] == '#')
        return "; JSON has no comments";
    if (bytes[at] == '\'')
        return "; JSON quotes texts with \"";
    if (bytes[at] == '}' || bytes[at] == ']') {
        size_t before = at;
        while (before > 0 && strchr(" \t\r\n", bytes[before - 1]) != NULL)
            before--;
        if (before > 0 && bytes[before - 1] == ',')
            return "; JSON allows no comma before a closing bracket";
    }
    return "";
}

static enum dfs_status refuse_syntax(const struct dfs_json_doc *doc, const char *bytes, size_t count,
                                     const json_error_t *error, struct dfs_conf_error *ret_error)
{
    uint32_t line = error->line > 0 ? (uint32_t)error->line : 1;
    uint32_t column = error->column > 0 ? (uint32_t)error->column : 1;
    if (json_error_code(error) == json_error_stack_overflow)
        return refuse_at(doc->file, line, column, ret_error, "deeper than %d objects and lists inside each other",
                         DFS_JSON_DEPTH_MAX);
    /* jansson would speak of its own flags here. */
    if (json_error_code(error) == json_error_null_character || json_error_code(error) == json_error_null_byte_in_key)
        return refuse_at(doc->file, line, column, ret_error, "the character \\u0000 cannot stand in a text");
    return refuse_at(doc->file, line, column, ret_error, "not JSON: %s%s", dfs_quote_text(error->text).text,
                     syntax_hint(bytes, count, error));
}

/*
 * jansson found a key twice and stopped there. The scan goes the same way over the same bytes and finds both
 * lines; it ends where jansson ended, so it never sees bytes that were not checked.
 */
static enum dfs_status refuse_duplicate(struct dfs_json_doc *doc, const char *bytes, size_t count,
                                        struct dfs_conf_error *ret_error)
{
    enum dfs_status status = scan_document(doc, bytes, count, false, ret_error);
    DFS_ASSERT(status != DFS_OK);
    return status;
}

static void number_draws(struct dfs_json_doc *doc)
{
    uint32_t draws = 0;
    for (uint32_t i = 0; i < doc->count; i++) {
        struct dfs_json_node *node = &doc->nodes[i];
        node->draw = draws;
        if (!json_is_object(node->value) || json_object_size(node->value) != 1)
            continue;
        const char *key = doc->nodes[i + 1].key;
        if (strcmp(key, "between") == 0 || strcmp(key, "one_of") == 0)
            draws++;
    }
}

/* jansson passes over a NUL behind a number, and ends at others: neither is JSON. */
static enum dfs_status refuse_nul(const struct dfs_json_doc *doc, const char *bytes, const char *nul,
                                  struct dfs_conf_error *ret_error)
{
    struct scan scan = {.at = bytes, .end = nul, .line = 1, .column = 1};
    while (scan.at < scan.end)
        advance(&scan);
    return refuse_at(doc->file, scan.line, scan.column, ret_error, "not JSON: a byte 0; is this a text?");
}

static enum dfs_status parse(struct dfs_json_doc *doc, const char *bytes, size_t count,
                             struct dfs_conf_error *ret_error)
{
    if (count > DFS_JSON_BYTES_MAX)
        return refuse_at(doc->file, 0, 0, ret_error, "%zu bytes; at most %d are read", count, DFS_JSON_BYTES_MAX);
    if (count >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        count -= 3;
    }
    const char *nul = memchr(bytes, 0, count);
    if (nul != NULL)
        return refuse_nul(doc, bytes, nul, ret_error);
    size_t blank = 0;
    while (blank < count && strchr(" \t\r\n", bytes[blank]) != NULL)
        blank++;
    if (blank == count)
        return refuse_at(doc->file, 1, 1, ret_error, "the document is empty; write at least {}");
    json_error_t error;
    doc->tree = json_loadb(bytes, count, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (doc->tree == NULL && json_error_code(&error) == json_error_duplicate_key)
        return refuse_duplicate(doc, bytes, count, ret_error);
    if (doc->tree == NULL)
        return refuse_syntax(doc, bytes, count, &error, ret_error);
    enum dfs_status status = scan_document(doc, bytes, count, true, ret_error);
    if (status == DFS_OK)
        number_draws(doc);
    return status;
}

enum dfs_status dfs_json_doc_new(const char *copy_file, const void *bytes, size_t count, struct dfs_json_doc **ret_doc,
                                 struct dfs_conf_error *ret_error)
{
    struct dfs_json_doc *doc = dfs_alloc(sizeof(*doc));
    size_t file_bytes = strlen(copy_file) + 1;
    *doc = (struct dfs_json_doc){.file = dfs_alloc(file_bytes)};
    memcpy(doc->file, copy_file, file_bytes);
    enum dfs_status status = parse(doc, count > 0 ? bytes : "", count, ret_error);
    if (status != DFS_OK) {
        dfs_json_doc_free(doc);
        return status;
    }
    *ret_doc = doc;
    return DFS_OK;
}

void dfs_json_doc_free(struct dfs_json_doc *doc)
{
    if (doc == NULL)
        return;
    json_decref(doc->tree);
    dfs_free(doc->nodes);
    dfs_free(doc->file);
    dfs_free(doc);
}

/* ---- Walking ------------------------------------------------------------------------------------------- */

static uint32_t position_of(const struct dfs_json_doc *doc, const struct dfs_json_node *node)
{
    DFS_ASSERT(node >= doc->nodes && node < doc->nodes + doc->count);
    return (uint32_t)(node - doc->nodes);
}

const struct dfs_json_node *dfs_json_root(const struct dfs_json_doc *doc)
{
    return &doc->nodes[0];
}

const struct dfs_json_node *dfs_json_first(const struct dfs_json_doc *doc, const struct dfs_json_node *node)
{
    return node->end > position_of(doc, node) + 1 ? node + 1 : NULL;
}

const struct dfs_json_node *dfs_json_next(const struct dfs_json_doc *doc, const struct dfs_json_node *node)
{
    const struct dfs_json_node *parent = dfs_json_parent(doc, node);
    return parent != NULL && node->end < parent->end ? &doc->nodes[node->end] : NULL;
}

const struct dfs_json_node *dfs_json_parent(const struct dfs_json_doc *doc, const struct dfs_json_node *node)
{
    return position_of(doc, node) > 0 ? &doc->nodes[node->parent] : NULL;
}

/* Member whose key is the `count` bytes at `key`. */
static const struct dfs_json_node *member(const struct dfs_json_doc *doc, const struct dfs_json_node *node,
                                          const char *key, size_t count)
{
    if (!json_is_object(node->value))
        return NULL;
    const struct dfs_json_node *child = dfs_json_first(doc, node);
    while (child != NULL && (strlen(child->key) != count || memcmp(child->key, key, count) != 0))
        child = dfs_json_next(doc, child);
    return child;
}

const struct dfs_json_node *dfs_json_get(const struct dfs_json_doc *doc, const struct dfs_json_node *node,
                                         const char *key)
{
    return member(doc, node, key, strlen(key));
}

static const struct dfs_json_node *element(const struct dfs_json_doc *doc, const struct dfs_json_node *node,
                                           const char *digits)
{
    if (!json_is_array(node->value) || digits[0] == '\0' || (digits[0] == '0' && digits[1] != '\0') ||
        strspn(digits, "0123456789") != strlen(digits) || strlen(digits) > 9)
        return NULL;
    unsigned long index = strtoul(digits, NULL, 10);
    const struct dfs_json_node *child = dfs_json_first(doc, node);
    while (child != NULL && child->index != index)
        child = dfs_json_next(doc, child);
    return child;
}

const struct dfs_json_node *dfs_json_find(const struct dfs_json_doc *doc, const char *pointer)
{
    const struct dfs_json_node *node = dfs_json_root(doc);
    char *token = dfs_alloc(strlen(pointer) + 1);
    while (node != NULL && *pointer == '/') {
        size_t count = 0;
        for (pointer++; *pointer != '\0' && *pointer != '/'; pointer++) {
            char c = *pointer;
            if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
                c = *++pointer == '0' ? '~' : '/';
            token[count++] = c;
        }
        token[count] = '\0';
        node = json_is_array(node->value) ? element(doc, node, token) : member(doc, node, token, count);
    }
    dfs_free(token);
    return *pointer == '\0' ? node : NULL;
}

const struct dfs_json_node *dfs_json_node_of(const struct dfs_json_doc *doc, const json_t *value)
{
    if (value == NULL || json_is_true(value) || json_is_false(value) || json_is_null(value))
        return NULL;
    for (uint32_t i = 0; i < doc->count; i++)
        if (doc->nodes[i].value == value)
            return &doc->nodes[i];
    return NULL;
}

uint32_t dfs_json_line(const struct dfs_json_doc *doc, const json_t *value)
{
    const struct dfs_json_node *node = dfs_json_node_of(doc, value);
    return node != NULL ? node->line : 0;
}

uint32_t dfs_json_line_at(const struct dfs_json_doc *doc, const char *pointer)
{
    const struct dfs_json_node *node = dfs_json_find(doc, pointer);
    return node != NULL ? node->line : 0;
}

/* ---- Messages ------------------------------------------------------------------------------------------ */

static void path_add(const struct dfs_json_doc *doc, const struct dfs_json_node *node, struct dfs_conf_text *path)
{
    const struct dfs_json_node *parent = dfs_json_parent(doc, node);
    if (parent == NULL)
        return;
    path_add(doc, parent, path); /* as deep as DFS_JSON_DEPTH_MAX */
    if (node->key != NULL)
        dfs_conf_text_add(path, "%s%s", path->count > 0 ? "." : "", dfs_quote_text(node->key).text);
    else
        dfs_conf_text_add(path, "[%" PRIu32 "]", node->index);
}

void dfs_json_path(const struct dfs_json_doc *doc, const struct dfs_json_node *node, char *out, size_t out_bytes)
{
    struct dfs_conf_text path = {0};
    dfs_conf_text_add(&path, "%s", "");
    path_add(doc, node, &path);
    const char *from = path.bytes;
    if (path.count > out_bytes - 1) {
        from += path.count - (out_bytes - 4);
        while ((unsigned char)*from >> 6 == 0x2)
            from++; /* not from inside a character */
    }
    (void)snprintf(out, out_bytes, "%s%s", from == path.bytes ? "" : "...", from);
    dfs_conf_text_close(&path);
}

struct dfs_quoted dfs_json_described(const json_t *value)
{
    struct dfs_quoted out;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return dfs_quote_text("an object");
    case JSON_ARRAY:
        return dfs_quote_text("a list");
    case JSON_STRING: {
        char quoted[40];
        dfs_quote_into(quoted, sizeof(quoted), json_string_value(value), json_string_length(value));
        (void)snprintf(out.text, sizeof(out.text), "the text \"%s\"", quoted);
        return out;
    }
    case JSON_INTEGER:
        (void)snprintf(out.text, sizeof(out.text), "the number %" JSON_INTEGER_FORMAT, json_integer_value(value));
        return out;
    case JSON_REAL: {
        char number[40];
        size_t count = json_dumpb(value, number, sizeof(number), JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        DFS_ASSERT(count > 0 && count < sizeof(number));
        (void)snprintf(out.text, sizeof(out.text), "the number %.*s", (int)count, number);
        return out;
    }
    case JSON_TRUE:
        return dfs_quote_text("true");
    case JSON_FALSE:
        return dfs_quote_text("false");
    case JSON_NULL:
        return dfs_quote_text("null");
    }
    dfs_unreachable("dfs_json_described");
}

static enum dfs_status refuse_node(const struct dfs_json_doc *doc, const struct dfs_json_node *node, uint32_t line,
                                   uint32_t column, struct dfs_conf_error *ret_error, const char *reason)
{
    char path[PATH_BYTES];
    dfs_json_path(doc, node, path, sizeof(path));
    if (path[0] == '\0')
        return refuse_at(doc->file, line, column, ret_error, "%s", reason);
    return refuse_at(doc->file, line, column, ret_error, "key \"%s\": %s", path, reason);
}

enum dfs_status dfs_json_refuse(const struct dfs_json_doc *doc, const struct dfs_json_node *node,
                                struct dfs_conf_error *ret_error, const char *format, ...)
{
    char reason[REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    return refuse_node(doc, node, node->line, node->column, ret_error, reason);
}

enum dfs_status dfs_json_refuse_key(const struct dfs_json_doc *doc, const struct dfs_json_node *node,
                                    struct dfs_conf_error *ret_error, const char *format, ...)
{
    char reason[REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    bool has_key = node->key != NULL;
    return refuse_node(doc, node, has_key ? node->key_line : node->line, has_key ? node->key_column : node->column,
                       ret_error, reason);
}

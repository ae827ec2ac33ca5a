/*
 * text.h - text for people: one-line quotations, reasons, and a text that grows.
 *
 * Messages quote what a file said, and a file may say anything: control characters, line breaks, megabytes.
 * What passes through dfs_quote is always one short line.
 */
#ifndef DFS_CORE_CONF_TEXT_H
#define DFS_CORE_CONF_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/* Longest quotation in a message; what is longer ends with "...". */
#define DFS_QUOTED_BYTES 96

/* A reason is one clause or two, each with a quotation. */
#define DFS_WHY_BYTES 480

/*
 * Why something was refused: one line without prefix and full stop, made to follow `key "x": ` or `--option:
 * `. Filled on failure only.
 */
struct dfs_why {
    char text[DFS_WHY_BYTES];
};

/* A piece of somebody's text, safe inside one line of a message. */
struct dfs_quoted {
    char text[DFS_QUOTED_BYTES];
};

/* A text that grows; `bytes` ends with NUL. {0} is the empty text. */
struct dfs_conf_text {
    char *bytes;
    size_t count;
    size_t capacity;
};

/* Sets `why` unless it is NULL; cuts what does not fit. */
void dfs_why_set(struct dfs_why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The first `count` bytes with control characters escaped as in JSON, bytes that are not UTF-8 replaced by
 * "?", and cut at a whole character where they do not fit. Adds no quotation marks.
 */
struct dfs_quoted dfs_quote(const char *bytes, size_t count);

/* dfs_quote of a text that ends with NUL. */
struct dfs_quoted dfs_quote_text(const char *text);

/* The same into `out` (at least 8 bytes), for callers that need other lengths. */
void dfs_quote_into(char *out, size_t out_bytes, const char *bytes, size_t count);

void dfs_conf_text_add(struct dfs_conf_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void dfs_conf_text_add_list(struct dfs_conf_text *text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Frees; the text is empty again. */
void dfs_conf_text_close(struct dfs_conf_text *text);

/* The bytes, to be freed by the caller with dfs_free; the text is empty again. Never NULL. */
char *dfs_conf_text_take(struct dfs_conf_text *text);

#endif

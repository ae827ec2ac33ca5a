#include "core/conf/text.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* "..." and NUL. */
#define ELLIPSIS_BYTES 4

/* The longest that one character of the source becomes: \u and four digits (the compiler fears six), NUL. */
#define ESCAPE_BYTES 9

void dfs_why_set(struct dfs_why *why, const char *format, ...)
{
    if (why == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why->text, sizeof(why->text), format, arguments);
    va_end(arguments);
}

/* Length of the UTF-8 character at `at`, 0 when it is none. Overlong forms and surrogates count as none. */
static size_t character_bytes(const unsigned char *at, size_t left, uint32_t *ret_code)
{
    static const uint32_t lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = at[0] < 0x80 ? 1 : at[0] >> 5 == 0x6 ? 2 : at[0] >> 4 == 0xe ? 3 : at[0] >> 3 == 0x1e ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t code = length == 1 ? at[0] : at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 0x2)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (code < lowest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return length;
}

/* Characters that break a line or redirect a terminal: C0, DEL, C1, the two separators, and the bidirectional
 * marks. */
static bool is_unprintable(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

void dfs_quote_into(char *out, size_t out_bytes, const char *bytes, size_t count)
{
    DFS_ASSERT(out_bytes >= ELLIPSIS_BYTES + 1);
    const unsigned char *at = (const unsigned char *)bytes;
    size_t used = 0;
    size_t fits = 0; /* `used` after the last character that leaves room for "..." */
    for (size_t i = 0; i < count;) {
        char piece[ESCAPE_BYTES];
        uint32_t code = 0;
        size_t length = character_bytes(at + i, count - i, &code);
        if (length == 0)
            (void)snprintf(piece, sizeof(piece), "?");
        else if (code == '\n' || code == '\t' || code == '\r')
            (void)snprintf(piece, sizeof(piece), "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : 'r');
        else if (is_unprintable(code))
            (void)snprintf(piece, sizeof(piece), "\\u%04x", (unsigned)code);
        else
            (void)snprintf(piece, sizeof(piece), "%.*s", (int)length, bytes + i);
        size_t piece_bytes = strlen(piece);
        if (used + piece_bytes + 1 > out_bytes) {
            memcpy(out + fits, "...", ELLIPSIS_BYTES);
            return;
        }
        memcpy(out + used, piece, piece_bytes);
        used += piece_bytes;
        if (used + ELLIPSIS_BYTES <= out_bytes)
            fits = used;
        i += length > 0 ? length : 1;
    }
    out[used] = '\0';
}

struct dfs_quoted dfs_quote(const char *bytes, size_t count)
{
    struct dfs_quoted quoted;
    dfs_quote_into(quoted.text, sizeof(quoted.text), bytes, count);
    return quoted;
}

struct dfs_quoted dfs_quote_text(const char *text)
{
    return dfs_quote(text, strlen(text));
}

void dfs_conf_text_add_list(struct dfs_conf_text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    DFS_ASSERT(length >= 0);
    size_t needed = text->count + (size_t)length + 1;
    if (needed > text->capacity) {
        text->capacity = needed * 2;
        text->bytes = dfs_realloc_array(text->bytes, text->capacity, 1);
    }
    (void)vsnprintf(text->bytes + text->count, text->capacity - text->count, format, again);
    va_end(again);
    text->count += (size_t)length;
}

void dfs_conf_text_add(struct dfs_conf_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    dfs_conf_text_add_list(text, format, arguments);
    va_end(arguments);
}

void dfs_conf_text_close(struct dfs_conf_text *text)
{
    dfs_free(text->bytes);
    *text = (struct dfs_conf_text){0};
}

char *dfs_conf_text_take(struct dfs_conf_text *text)
{
    dfs_conf_text_add(text, "%s", ""); /* an empty text has no bytes yet */
    char *bytes = text->bytes;
    *text = (struct dfs_conf_text){0};
    return bytes;
}

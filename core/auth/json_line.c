#include "core/auth/json_line.h"

#include "core/base/mac.h"
#include "core/base/mem.h"

#include <stdio.h>
#include <string.h>

/* Writing -------------------------------------------------------------------------------------------------------------- */

void dfs_lines_close(struct dfs_lines *lines)
{
    if (lines->text != NULL)
        dfs_wipe(lines->text, lines->room);
    dfs_free(lines->text);
    *lines = (struct dfs_lines){0};
}

void dfs_lines_add(struct dfs_lines *lines, const void *bytes, size_t count)
{
    if (lines->room - lines->count < count) {
        const size_t room = (lines->count + count) * 2;
        char *text = dfs_alloc(room);

        /* Never realloc: it would leave a copy of a secret behind. */
        if (lines->text != NULL) {
            memcpy(text, lines->text, lines->count);
            dfs_wipe(lines->text, lines->room);
            dfs_free(lines->text);
        }
        lines->text = text;
        lines->room = room;
    }
    if (count > 0)
        memcpy(lines->text + lines->count, bytes, count);
    lines->count += count;
}

static void add_terminated(struct dfs_lines *lines, const char *text)
{
    dfs_lines_add(lines, text, strlen(text));
}

static void add_quoted(struct dfs_lines *lines, const char *text)
{
    add_terminated(lines, "\"");
    for (const char *at = text; *at != '\0'; at++) {
        char escaped[8] = {*at, '\0'};

        if (*at == '"' || *at == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", *at);
        else if (*at == '\n')
            snprintf(escaped, sizeof escaped, "\\n");
        else if ((unsigned char)*at < 0x20)
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)(unsigned char)*at);
        add_terminated(lines, escaped);
    }
    add_terminated(lines, "\"");
}

static void add_key(struct dfs_lines *lines, const char *key)
{
    if (lines->text[lines->count - 1] != '{')
        add_terminated(lines, ",");
    add_quoted(lines, key);
    add_terminated(lines, ":");
}

void dfs_line_begin(struct dfs_lines *lines)
{
    add_terminated(lines, "{");
}

void dfs_line_end(struct dfs_lines *lines)
{
    add_terminated(lines, "}\n");
}

void dfs_line_text(struct dfs_lines *lines, const char *key, const char *value)
{
    add_key(lines, key);
    add_quoted(lines, value);
}

void dfs_line_hex(struct dfs_lines *lines, const char *key, const uint8_t *bytes, size_t count)
{
    char digits[3];

    add_key(lines, key);
    add_terminated(lines, "\"");
    for (size_t i = 0; i < count; i++) {
        snprintf(digits, sizeof digits, "%02x", (unsigned)bytes[i]);
        add_terminated(lines, digits);
    }
    add_terminated(lines, "\"");
}

void dfs_line_number(struct dfs_lines *lines, const char *key, uint64_t value)
{
    char digits[24];

    add_key(lines, key);
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    add_terminated(lines, digits);
}

void dfs_line_bool(struct dfs_lines *lines, const char *key, bool value)
{
    add_key(lines, key);
    add_terminated(lines, value ? "true" : "false");
}

/* Reading -------------------------------------------------------------------------------------------------------------- */

char *dfs_lines_next(char **at, char *end)
{
    char *line = *at;
    char *stop = line == end ? NULL : memchr(line, '\n', (size_t)(end - line));

    if (stop == NULL)
        return NULL;
    *stop = '\0';
    *at = stop + 1;
    /* A NUL inside would end the line for every reader of text: such a line is malformed, and so made to look. */
    if (strlen(line) != (size_t)(stop - line) || line[0] != '{')
        line[0] = '\0';
    return line;
}

static uint32_t hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint32_t)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (uint32_t)(c - 'A') + 10;
    return 16;
}

bool dfs_auth_hex_parse(const char *text, uint8_t *ret_bytes, size_t count)
{
    if (strlen(text) != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const uint32_t high = hex_value(text[2 * i]);
        const uint32_t low = hex_value(text[2 * i + 1]);

        if (high > 15 || low > 15)
            return false;
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The character that follows a backslash at *from, which moves to its last digit; 0: none that we write. */
static char unescape(char **from)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char *name = **from == '\0' ? NULL : strchr(names, **from);
    uint32_t code = 0;

    if (name != NULL)
        return values[name - names];
    if (**from != 'u')
        return '\0';
    for (int i = 0; i < 4; i++) {
        const uint32_t digit = hex_value(*++*from);

        if (digit > 15)
            return '\0';
        code = code << 4 | digit;
    }
    if (code >= 0x80)
        return '\0';
    return (char)code;
}

/* A text in quotation marks at *at, decoded in place; NULL: malformed. */
static char *read_quoted(char **at)
{
    char *from = *at;
    char *text;
    char *to;

    if (*from++ != '"')
        return NULL;
    text = from;
    to = from;
    for (; *from != '"'; from++) {
        char c = *from;

        if ((unsigned char)c < 0x20)
            return NULL; /* the end of the line, too */
        if (c == '\\') {
            from++;
            c = unescape(&from);
            if (c == '\0')
                return NULL;
        }
        *to++ = c;
    }
    *at = from + 1;
    *to = '\0';
    return text;
}

static bool read_number(char **at, uint64_t *ret_number)
{
    char *begin = *at;
    uint64_t number = 0;

    for (; **at >= '0' && **at <= '9'; ++*at) {
        const uint64_t digit = (uint64_t)(**at - '0');

        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return *at > begin && (*begin != '0' || *at == begin + 1);
}

static bool read_word(char **at, const char *word)
{
    if (strncmp(*at, word, strlen(word)) != 0)
        return false;
    *at += strlen(word);
    return true;
}

static bool read_value(char **at, struct dfs_member *member)
{
    if (**at == '"') {
        member->text = read_quoted(at);
        return member->text != NULL;
    }
    if (read_word(at, "true") || read_word(at, "false")) {
        member->kind = DFS_MEMBER_BOOL;
        member->truth = (*at)[-2] == 'u';
        return true;
    }
    member->kind = DFS_MEMBER_NUMBER;
    return read_number(at, &member->number);
}

int dfs_line_member(char **at, struct dfs_member *ret_member)
{
    *ret_member = (struct dfs_member){.kind = DFS_MEMBER_TEXT};
    if (**at == '}')
        return (*at)[1] == '\0' ? 0 : -1;
    if (**at != '{' && **at != ',')
        return -1;
    const bool first = **at == '{';

    ++*at;
    if (first && **at == '}')
        return (*at)[1] == '\0' ? 0 : -1;
    ret_member->key = read_quoted(at);
    if (ret_member->key == NULL || **at != ':')
        return -1;
    ++*at;
    return read_value(at, ret_member) && (**at == ',' || **at == '}') ? 1 : -1;
}

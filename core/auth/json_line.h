/*
 * json_line.h - one flat JSON object on one line: how accounts and keys stand on the disk.
 *
 * Values are texts, whole numbers and booleans; nothing nests. The reader is strict about form (a line that jansson would refuse is refused)
 * and lets keys pass that it does not know, so that a later version may add some. Pure; works on memory only.
 */
#ifndef DFS_CORE_AUTH_JSON_LINE_H
#define DFS_CORE_AUTH_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text that grows; the family of lines that make a file. */
struct dfs_lines {
    char *text; /* not terminated */
    size_t count;
    size_t room;
};

void dfs_lines_close(struct dfs_lines *lines); /* wipes: private keys pass through here */
void dfs_lines_add(struct dfs_lines *lines, const void *bytes, size_t count);

/* A line is begin, members, end. */
void dfs_line_begin(struct dfs_lines *lines);
void dfs_line_text(struct dfs_lines *lines, const char *key, const char *value);
void dfs_line_hex(struct dfs_lines *lines, const char *key, const uint8_t *bytes, size_t count);
void dfs_line_number(struct dfs_lines *lines, const char *key, uint64_t value);
void dfs_line_bool(struct dfs_lines *lines, const char *key, bool value);
void dfs_line_end(struct dfs_lines *lines);

enum dfs_member_kind { DFS_MEMBER_TEXT, DFS_MEMBER_NUMBER, DFS_MEMBER_BOOL };

struct dfs_member {
    const char *key; /* terminated */
    enum dfs_member_kind kind;
    const char *text; /* terminated, without NUL inside */
    uint64_t number;
    bool truth;
};

/*
 * Cuts the next line off *at (which moves behind it) and terminates it; NULL when none is left. Only whole lines count: what follows the last
 * line break is no line.
 */
char *dfs_lines_next(char **at, char *end);

/* Walks the members of a line, which is overwritten. 1: *ret_member is the next; 0: the object ended, and the line with it; -1: malformed. `*at` is the
 * line at first. */
int dfs_line_member(char **at, struct dfs_member *ret_member);

/* The bytes of a text of hex digits; false unless there are exactly `count`. */
bool dfs_auth_hex_parse(const char *text, uint8_t *ret_bytes, size_t count);

#endif

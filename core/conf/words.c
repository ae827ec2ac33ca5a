#include "core/conf/words.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Names shown when none is near: a line that still fits a terminal. */
#define NAMES_SHOWN_MAX 8

/* tolower without a locale; "-" counts as "_" because people remember one of the two. */
static unsigned char folded(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned char)(c - 'A' + 'a');
    return c == '-' ? (unsigned char)'_' : (unsigned char)c;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t dfs_words_distance(const char *a, const char *b)
{
    size_t a_count = strlen(a);
    size_t b_count = strlen(b);
    if (a_count > DFS_WORD_BYTES_MAX || b_count > DFS_WORD_BYTES_MAX)
        return SIZE_MAX;
    /* rows[i % 3][j]: changes that turn the first i letters of a into the first j letters of b */
    size_t rows[3][DFS_WORD_BYTES_MAX + 1];
    for (size_t j = 0; j <= b_count; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_count; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above_that = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_count; j++) {
            size_t same = folded(a[i - 1]) == folded(b[j - 1]) ? 0 : 1;
            row[j] = smaller(smaller(above[j] + 1, row[j - 1] + 1), above[j - 1] + same);
            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) && folded(a[i - 2]) == folded(b[j - 1]))
                row[j] = smaller(row[j], above_that[j - 2] + 1);
        }
    }
    return rows[a_count % 3][b_count];
}

static bool begins_with(const char *name, const char *word)
{
    while (*word != '\0' && folded(*name) == folded(*word)) {
        name++;
        word++;
    }
    return *word == '\0';
}

/* Is `word` the beginning of `name`, or one or more of its whole parts between underscores? */
static bool is_part_of(const char *word, const char *name)
{
    if (begins_with(name, word))
        return true;
    for (const char *part = strchr(name, '_'); part != NULL; part = strchr(part + 1, '_')) {
        char end = part[1 + smaller(strlen(word), strlen(part + 1))];
        if (begins_with(part + 1, word) && (end == '\0' || end == '_'))
            return true;
    }
    return false;
}

const char *dfs_words_nearest(const char *word, const char *const *names, size_t count)
{
    size_t word_count = strlen(word);
    if (word_count == 0 || word_count > DFS_WORD_BYTES_MAX)
        return NULL;
    const char *nearest = NULL;
    size_t nearest_distance = 1 + (word_count - 1) / 3; /* a single letter: one; four letters: two */
    for (size_t i = 0; i < count; i++) {
        size_t distance = dfs_words_distance(word, names[i]);
        /* A change of every letter makes any word of any other: that is not near. */
        if (distance >= word_count && distance >= strlen(names[i]))
            continue;
        if (distance < nearest_distance || (distance == nearest_distance && nearest == NULL)) {
            nearest = names[i];
            nearest_distance = distance;
        }
    }
    if (nearest != NULL || word_count < 3)
        return nearest;
    for (size_t i = 0; i < count; i++) {
        if (!is_part_of(word, names[i]))
            continue;
        if (nearest != NULL)
            return NULL;
        nearest = names[i];
    }
    return nearest;
}

struct dfs_why dfs_words_suggest(const char *word, const char *const *names, size_t count)
{
    struct dfs_why why;
    why.text[0] = '\0';
    if (count == 0)
        return why;
    const char *nearest = dfs_words_nearest(word, names, count);
    if (nearest != NULL) {
        dfs_why_set(&why, "; did you mean \"%s\"?", nearest);
        return why;
    }
    struct dfs_conf_text list = {0};
    size_t shown = count <= NAMES_SHOWN_MAX + 1 ? count : NAMES_SHOWN_MAX; /* never "and 1 more" */
    for (size_t i = 0; i < shown; i++)
        dfs_conf_text_add(&list, "%s%s", i == 0 ? (count == 1 ? "; known is " : "; known are ") : ", ", names[i]);
    if (shown < count)
        dfs_conf_text_add(&list, " and %zu more", count - shown);
    dfs_why_set(&why, "%s", list.bytes);
    dfs_conf_text_close(&list);
    return why;
}

/* First byte and length of the word at `index`; false behind the last. */
static bool word_at(const char *bars, size_t index, const char **ret_at, size_t *ret_count)
{
    const char *at = bars;
    for (size_t i = 0; i < index; i++) {
        at = strchr(at, '|');
        if (at == NULL)
            return false;
        at++;
    }
    *ret_at = at;
    *ret_count = strcspn(at, "|");
    return true;
}

size_t dfs_words_count(const char *bars)
{
    size_t count = 1;
    for (const char *at = strchr(bars, '|'); at != NULL; at = strchr(at + 1, '|'))
        count++;
    return count;
}

struct dfs_quoted dfs_words_at(const char *bars, size_t index)
{
    const char *at = NULL;
    size_t count = 0;
    bool is_there = word_at(bars, index, &at, &count);
    DFS_ASSERT(is_there);
    return dfs_quote(at, count);
}

int dfs_words_find(const char *bars, const char *word)
{
    const char *at = NULL;
    size_t count = 0;
    for (size_t i = 0; word_at(bars, i, &at, &count); i++)
        if (count == strlen(word) && memcmp(at, word, count) == 0)
            return (int)i;
    return -1;
}

struct dfs_why dfs_words_suggest_bars(const char *word, const char *bars)
{
    size_t count = dfs_words_count(bars);
    struct dfs_quoted *words = dfs_alloc(count * sizeof(*words));
    const char **names = dfs_alloc(count * sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        words[i] = dfs_words_at(bars, i);
        names[i] = words[i].text;
    }
    struct dfs_why why = dfs_words_suggest(word, names, count);
    dfs_free(names);
    dfs_free(words);
    return why;
}

struct dfs_why dfs_words_listed(const char *bars)
{
    struct dfs_conf_text list = {0};
    size_t count = dfs_words_count(bars);
    for (size_t i = 0; i < count; i++)
        dfs_conf_text_add(&list, "%s\"%s\"", i == 0 ? "" : i + 1 == count ? " or " : ", ", dfs_words_at(bars, i).text);
    struct dfs_why why;
    dfs_why_set(&why, "%s", list.bytes);
    dfs_conf_text_close(&list);
    return why;
}

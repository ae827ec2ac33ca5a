/*
 * words.h - short lists of words: find one, and name the nearest when there is none.
 *
 * A list is either an array of names or one text with bars between the words ("all|quorum"), the form that
 * tables of keys carry.
 */
#ifndef DFS_CORE_CONF_WORDS_H
#define DFS_CORE_CONF_WORDS_H

#include "core/conf/text.h"

#include <stddef.h>

/* Longer words are never compared: nobody mistypes them, and the comparison takes the square of the length.
 */
#define DFS_WORD_BYTES_MAX 64

/*
 * Damerau-Levenshtein distance (insert, delete, replace, swap of neighbours; a pair is swapped once). Letters
 * of either case are equal, and so are "-" and "_". SIZE_MAX when either is longer than DFS_WORD_BYTES_MAX.
 */
size_t dfs_words_distance(const char *a, const char *b);

/*
 * The name nearest to `word`, the first of equally near ones; NULL when none is near. Near is at most one
 * change for three letters, or `word` being the beginning or a whole part ("grace" of "repair_grace") of
 * exactly one name.
 */
const char *dfs_words_nearest(const char *word, const char *const *names, size_t count);

/*
 * What follows "unknown key": `; did you mean "loss"?`, or the first names of the list when none is near:
 * `; known are a, b, c and 4 more`.
 */
struct dfs_why dfs_words_suggest(const char *word, const char *const *names, size_t count);

/* Words in "all|quorum". */
size_t dfs_words_count(const char *bars);

/* The word at `index` as a quotation (shortened only if absurdly long). Asserts that there is one. */
struct dfs_quoted dfs_words_at(const char *bars, size_t index);

/* Position of exactly `word`, or -1. */
int dfs_words_find(const char *bars, const char *word);

/* dfs_words_suggest for a list with bars. */
struct dfs_why dfs_words_suggest_bars(const char *word, const char *bars);

/* `"all", "quorum" or "none"`. */
struct dfs_why dfs_words_listed(const char *bars);

#endif

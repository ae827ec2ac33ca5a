/*
 * diff.h - which lines of two texts differ: for goldens and transcripts.
 */
#ifndef DFS_SIM_DIFF_H
#define DFS_SIM_DIFF_H

#include <stddef.h>
#include <stdio.h>

/*
 * Writes the lines that only one of the texts has, "- " those of `old`, "+ " those of `now`, each run of them under the nearest line before it that both have and
 * that begins without a blank (the heading it belongs to). Returns their number. For texts of some thousand lines: time and memory grow with the product.
 */
size_t sim_diff_lines(FILE *file, const char *old, size_t old_count, const char *now, size_t now_count);

#endif

#include "sim/diff.h"

#include "core/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct line {
    const char *at;
    size_t count;
};

struct lines {
    struct line *at;
    size_t count;
};

static struct lines split(const char *text, size_t text_count)
{
    const char *end = text + text_count;
    struct lines lines = {0};
    size_t room = 1;

    for (const char *at = text; at < end; at++)
        room += *at == '\n';
    lines.at = dfs_alloc_zero_array(room, sizeof *lines.at);
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline == NULL ? end : newline;

        lines.at[lines.count++] = (struct line){text, (size_t)(stop - text)};
        text = newline == NULL ? end : newline + 1;
    }
    return lines;
}

static bool equal(const struct line *a, const struct line *b)
{
    return a->count == b->count && memcmp(a->at, b->at, a->count) == 0;
}

/* common[i * (now.count + 1) + k]: lines of the longest common part of what stands from i and k on. */
static uint32_t *common_lengths(const struct lines *old, const struct lines *now)
{
    const size_t width = now->count + 1;
    uint32_t *common = dfs_alloc_zero_array((old->count + 1) * width, sizeof *common);

    for (size_t i = old->count; i-- > 0;) {
        for (size_t k = now->count; k-- > 0;) {
            const uint32_t down = common[(i + 1) * width + k];
            const uint32_t right = common[i * width + k + 1];

            common[i * width + k] = equal(&old->at[i], &now->at[k]) ? common[(i + 1) * width + k + 1] + 1
                                    : down > right                  ? down
                                                                    : right;
        }
    }
    return common;
}

static void write_line(FILE *file, const struct line **heading, const char *sign, const struct line *line)
{
    if (*heading != NULL)
        (void)fprintf(file, "  %.*s\n", (int)(*heading)->count, (*heading)->at);
    *heading = NULL;
    (void)fprintf(file, "%s %.*s\n", sign, (int)line->count, line->at);
}

size_t sim_diff_lines(FILE *file, const char *old_text, size_t old_count, const char *now_text, size_t now_count)
{
    struct lines old = split(old_text, old_count);
    struct lines now = split(now_text, now_count);
    uint32_t *common = common_lengths(&old, &now);
    const struct line *heading = NULL; /* not written yet */
    size_t i = 0, k = 0, differences = 0;

    while (i < old.count || k < now.count) {
        const size_t here = i * (now.count + 1) + k;

        if (i < old.count && k < now.count && equal(&old.at[i], &now.at[k])) {
            if (now.at[k].count > 0 && now.at[k].at[0] != ' ')
                heading = &now.at[k];
            i++;
            k++;
        } else if (i < old.count && (k == now.count || common[here + now.count + 1] >= common[here + 1])) {
            write_line(file, &heading, "-", &old.at[i++]);
            differences++;
        } else {
            write_line(file, &heading, "+", &now.at[k++]);
            differences++;
        }
    }
    dfs_free(common);
    dfs_free(old.at);
    dfs_free(now.at);
    return differences;
}

/* `dfs-sim costs`: prints, compares with a file, rewrites it. */
#include "sim/costs.h"

#include "core/base/mem.h"
#include "core/conf/words.h"
#include "sim/diff.h"
#include "sim/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN "tests/golden/costs.txt"

static const char help[] =
    "dfs-sim costs                    messages by kind, bytes, disk operations and virtual time of PUT, GET, eviction and repair\n"
    "dfs-sim costs --check [FILE]     compares with FILE (" GOLDEN "); exit 1 and the lines that differ\n"
    "dfs-sim costs --update [FILE]    rewrites FILE\n"
    "\n"
    "Latencies and the seed are fixed and nothing is lost, so the figures are exact: they change only when what the machines do changes.\n";

int sim_command_costs(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const char *name = argc > 2 ? argv[2] : GOLDEN;
    int code = 0;
    size_t count = 0, golden_count = 0;
    char *golden = NULL;
    struct dfs_why why;

    if (strcmp(what, "--help") == 0) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (argc > 3 || (argc > 1 && strcmp(what, "--check") != 0 && strcmp(what, "--update") != 0)) {
        (void)fprintf(stderr, "dfs-sim: costs takes --check [FILE] or --update [FILE], not \"%s\"\n",
                      dfs_quote_text(argc > 3 ? argv[3] : what).text);
        return 2;
    }
    if (strcmp(what, "--check") == 0 && sim_file_load(name, &golden, &golden_count, &why) != DFS_OK) {
        (void)fprintf(stderr, "dfs-sim: %s\n", why.text);
        return 7;
    }
    char *text = sim_costs_text(&count);

    if (argc == 1) {
        (void)fputs(text, stdout);
    } else if (golden == NULL) {
        FILE *file = fopen(name, "w");

        if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
            (void)fprintf(stderr, "dfs-sim: cannot write %s: %s\n", name, strerror(errno));
            code = 7;
        }
    } else if (sim_diff_lines(stdout, golden, golden_count, text, count) > 0) {
        (void)printf("Costs differ from %s (- as it was, + as it is). If that is meant: dfs-sim costs --update %s\n",
                     name, name);
        code = 1;
    }
    dfs_free(golden);
    dfs_free(text);
    return code;
}

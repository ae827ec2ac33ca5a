/* dfs-sim: chooses the command. */
#include "sim/commands.h"

#include "core/conf/words.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* More commands than there are. */
#define COMMANDS_MAX 32

static int help(void)
{
    (void)printf("dfs-sim %s: a distributed file system in a simulated world, the same way every time\n\n",
                 DFS_VERSION);
    for (size_t i = 0; sim_commands[i] != NULL; i++)
        (void)printf("  dfs-sim %s\n", sim_commands[i]->line);
    (void)printf(
        "\nEach command has --help. Scenario files are in sim/scenarios; their language is in `dfs-sim schema`.\n");
    return 0;
}

#ifdef DFS_JEMALLOC
/* What jemalloc reads before main. A world is hundreds of MiB of small things met in no order: large pages are a tenth of the time. Nothing is given back to the
 * kernel, for keep_memory's reason. */
extern const char *malloc_conf;
const char *malloc_conf = "thp:always,metadata_thp:auto,oversize_threshold:0,dirty_decay_ms:-1,muzzy_decay_ms:-1";
#endif

/* Worlds come and go in one process, and their memory is touched anew by the next: the kernel would clear every page again. */
static void keep_memory(void)
{
#if defined(__GLIBC__) && !defined(DFS_JEMALLOC)
    (void)mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    (void)mallopt(M_TOP_PAD, 1024 * 1024);
#endif
}

/* Whoever starts us without standard input, output or error would find them in the first files that we open. */
static void hold_standard_files(void)
{
    while (true) {
        const int file = open("/dev/null", O_RDONLY); /* for writing it is as good as closed: that fails */

        if (file > STDERR_FILENO)
            (void)close(file);
        if (file < 0 || file > STDERR_FILENO)
            return;
    }
}

/* What was printed has arrived, or nobody can rely on "0 pass". */
static int printed(int code)
{
    const bool bad = ferror(stdout) != 0;
    const int error = fflush(stdout) == 0 ? 0 : errno;

    if (!bad && error == 0)
        return code;
    const int world =
        sim_world_error("cannot write standard output: %s", error != 0 ? strerror(error) : "not all of it went out");

    return code == 0 ? world : code;
}

static int command(int argc, char **argv)
{
    const char *names[COMMANDS_MAX];
    size_t count = 0;

    if (argc < 2)
        return sim_usage_error("needs a command; see dfs-sim --help");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help();
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("dfs-sim %s\n", DFS_VERSION);
        return 0;
    }
    for (; sim_commands[count] != NULL && count < COMMANDS_MAX; count++) {
        names[count] = sim_commands[count]->name;
        if (strcmp(argv[1], names[count]) == 0)
            return sim_commands[count]->run(sim_commands[count], argv[0], argc - 1, argv + 1);
    }
    return sim_usage_error("\"%s\" is no command%s", dfs_quote_text(argv[1]).text,
                           dfs_words_suggest(argv[1], names, count).text);
}

int main(int argc, char **argv)
{
    hold_standard_files();
    keep_memory();
    json_object_seed(1); /* or the order of keys would depend on the process */
    return printed(command(argc, argv));
}

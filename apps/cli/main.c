/* dfs: the command line of clients, and `dfs local`, a cluster for trying. */
#include "apps/cli/cli.h"
#include "core/conf/words.h"

#include <stdio.h>
#include <string.h>

static const struct cli_command commands[] = {
    {"login", "USER [--password-file FILE]", "Gets a token and keeps it in the profile.", cli_login},
    {"logout", "", "Forgets the token.", cli_logout},
    {"whoami", "", "Says whose token the profile holds.", cli_whoami},
    {"put", "LOCAL... PATH", "Stores files; LOCAL - is standard input, directories with -r.", cli_put},
    {"get", "PATH... LOCAL", "Reads files; LOCAL - is standard output.", cli_get},
    {"ls", "[-l] [-r] [PREFIX]", "Lists paths that begin with PREFIX.", cli_ls},
    {"stat", "PATH", "Says all about a file: its blocks, and where their copies are.", cli_stat},
    {"versions", "PATH", "Lists what is kept of a path.", cli_versions},
    {"mv", "PATH TO", "Renames a file, atomically.", cli_mv},
    {"rm", "PATH...", "Removes files; they can be restored for a time.", cli_rm},
    {"restore", "PATH [--version ID]", "Brings back a removed or replaced version.", cli_restore},
    {"nodes", "", "Lists the data servers, evicted ones included.", cli_nodes},
    {"status", "", "Says how the cluster is, and how much more it survives.", cli_status},
    {"fsck", "[PREFIX]", "Counts copies of every file; exit 1 when some are missing or bad.", cli_fsck},
    {"explain", "PATH", "Says for each block why it is not whole, and what happens next.", cli_explain},
    {"drain", "NODE", "Empties a data server: its blocks are copied elsewhere.", cli_drain},
    {"undrain", "NODE", "Takes that back.", cli_undrain},
    {"bench", "[--size SIZE] [--files N]", "Measures PUT and GET, and removes its files.", cli_bench},
    {"local", "up|down|status [--data N] [--dir DIR]", "Runs a whole cluster on this machine.", cli_local},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

const struct cli_command *cli_find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void help(void)
{
    (void)printf("usage: dfs COMMAND [OPTION...] ...\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        (void)printf("  %-9s %-38s %s\n", commands[i].name, commands[i].usage, commands[i].help);
    (void)printf("\nEvery command has --help, --profile FILE and --json.\n"
                 "Exit codes: 0 done, 1 done and false (fsck: copies are missing), 2 wrong usage or configuration,\n"
                 "3 not done because of the world.\n");
}

static int unknown(const char *name)
{
    const char *names[COMMANDS];

    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    (void)fprintf(stderr, "dfs: unknown command \"%s\"%s\n", dfs_quote_text(name).text,
                  dfs_words_suggest(name, names, COMMANDS).text);
    return dfs_status_exit_code(DFS_BAD_USAGE);
}

int main(int argc, char **argv)
{
    const struct cli_command *command;

    if (argc < 2) {
        (void)fprintf(stderr, "dfs: which command? see dfs --help\n");
        return dfs_status_exit_code(DFS_BAD_USAGE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help();
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("dfs " DFS_VERSION "\n");
        return 0;
    }
    command = cli_find(argv[1]);
    return command != NULL ? command->run(argc - 1, argv + 1) : unknown(argv[1]);
}

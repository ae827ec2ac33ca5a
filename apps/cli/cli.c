#include "apps/cli/cli.h"

#include "core/base/assert.h"
#include "core/conf/settings.h"
#include "core/conf/units.h"
#include "core/conf/words.h"
#include "core/meta/namespace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Options ---------------------------------------------------------------------------------------------------------- */

void cli_options_init(struct cli_options *cli, const char *command, const struct dfs_option *list, size_t count)
{
    DFS_ASSERT(count >= CLI_OPTIONS_COMMON);
    *cli = (struct cli_options){.command = command};
    (void)snprintf(cli->program, sizeof cli->program, "dfs: %s", command);
    cli->options = (struct dfs_options){.program = cli->program, .list = list, .count = count};
}

static void help(const struct cli_options *cli)
{
    const struct cli_command *command = cli_find(cli->command);

    if (command != NULL)
        (void)printf("usage: dfs %s%s%s\n%s\n\n", command->name, command->usage[0] != '\0' ? " " : "", command->usage,
                     command->help);
    dfs_options_help(cli->options.list, cli->options.count);
}

int cli_options_next(struct cli_options *cli, int argc, char **argv)
{
    const int first = (int)cli->options.count - CLI_OPTIONS_COMMON;
    int at;

    cli->options.program = cli->program; /* the struct may have been copied */
    while ((at = dfs_options_next(&cli->options, argc, argv)) >= first) {
        if (at - first == CLI_OPTION_PROFILE) {
            cli->profile = cli->options.value;
        } else if (at - first == CLI_OPTION_JSON) {
            cli->json = true;
        } else {
            help(cli);
            exit(0);
        }
    }
    return at;
}

int cli_bad_usage(const struct cli_options *cli, const char *format, ...)
{
    va_list arguments;

    (void)fprintf(stderr, "dfs: %s: ", cli->command);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "\n");
    return dfs_status_exit_code(DFS_BAD_USAGE);
}

int cli_read_version(const struct cli_options *cli, const char *option, uint64_t *ret_version)
{
    int64_t version = 0;

    if (dfs_count_parse(cli->options.value, &version, NULL) != DFS_OK || version < 1)
        return cli_bad_usage(cli, "--%s: \"%s\" is no version; see dfs versions PATH", option,
                             dfs_quote_text(cli->options.value).text);
    *ret_version = (uint64_t)version;
    return -1;
}

int cli_read_word(const struct cli_options *cli, const char *option, const char *words, int *ret_word)
{
    const int word = dfs_words_find(words, cli->options.value);

    if (word < 0)
        return cli_bad_usage(cli, "--%s: \"%s\" must be %s", option, dfs_quote_text(cli->options.value).text,
                             dfs_words_listed(words).text);
    *ret_word = word;
    return -1;
}

int cli_read_parallel(struct cli_options *cli)
{
    struct dfs_settings settings;
    struct dfs_why why;

    dfs_settings_init(&settings);
    if (dfs_settings_set(&settings, "parallel", cli->options.value, false, &why) != DFS_OK)
        return cli_bad_usage(cli, "--parallel: %s", why.text);
    cli->parallel = settings.parallel;
    return -1;
}

int cli_check_arguments(const struct cli_options *cli, int min, int max, const char *what)
{
    const struct cli_command *command = cli_find(cli->command);
    const char *usage = command != NULL ? command->usage : "";

    if (cli->options.arguments_count < min)
        return cli_bad_usage(cli, "%s is missing; usage: dfs %s %s", what, cli->command, usage);
    if (cli->options.arguments_count > max)
        return cli_bad_usage(cli, "\"%s\" is not expected here; usage: dfs %s%s%s",
                             dfs_quote_text(cli->options.arguments[max]).text, cli->command,
                             usage[0] != '\0' ? " " : "", usage);
    return -1;
}

const char *cli_path(const char *typed)
{
    while (*typed == '/')
        typed++;
    return typed;
}

/* What was probably meant by a path that is none: without empty components and ".", and with ".." followed. */
static void nearest_path(const char *path, char ret_near[DFS_PATH_BYTES_MAX + 1])
{
    size_t length = 0;

    while (*path != '\0') {
        const size_t bytes = strcspn(path, "/");

        if (bytes == 2 && memcmp(path, "..", 2) == 0) {
            while (length > 0 && ret_near[--length] != '/') {
                /* one component back */
            }
        } else if (bytes > 0 && !(bytes == 1 && path[0] == '.')) {
            if (length > 0)
                ret_near[length++] = '/';
            memcpy(ret_near + length, path, bytes);
            length += bytes;
        }
        path += bytes + (path[bytes] == '/');
    }
    ret_near[length] = '\0';
}

int cli_take_path(const struct cli_options *cli, const char *typed, const char **ret_path)
{
    const char *path = cli_path(typed);
    const size_t bytes = strlen(path);
    char near[DFS_PATH_BYTES_MAX + 1];
    char words[CLI_WORDS_BYTES];

    *ret_path = path;
    if (meta_path_is_valid(path, bytes))
        return -1;
    if (bytes > DFS_PATH_BYTES_MAX) {
        (void)snprintf(words, sizeof words, "\"%s\": a path has at most %d bytes, this one has %zu",
                       dfs_quote_text(path).text, DFS_PATH_BYTES_MAX, bytes);
        return cli_fail(cli->command, DFS_TOO_LARGE, words);
    }
    nearest_path(path, near);
    if (strcmp(near, path) != 0 && meta_path_is_valid(near, strlen(near)))
        return cli_bad_usage(cli, "\"%s\" is no path; did you mean \"%s\"?", dfs_quote_text(path).text,
                             dfs_quote_text(near).text);
    return cli_bad_usage(cli,
                         "\"%s\" is no path; write for example \"albums/photo.jpg\": names separated by single '/', in "
                         "UTF-8 without control characters, none \".\" or \"..\"",
                         dfs_quote_text(path).text);
}

/* Printing --------------------------------------------------------------------------------------------------------- */

/* What to look at next, for words that say no more than the status itself does. */
static const struct {
    enum dfs_status status;
    const char *words;
} advices[] = {
    {DFS_NOT_FOUND, "; see dfs ls, dfs versions and dfs nodes"},
    {DFS_EXISTS, "; see dfs versions"},
    {DFS_PRECONDITION_FAILED, "; see dfs versions"},
    {DFS_DENIED, "; see dfs whoami"},
    {DFS_TOKEN_MISSING, "; log in with: dfs login USER"},
    {DFS_TOKEN_INVALID, "; log in with: dfs login USER"},
    {DFS_TOKEN_NOT_YOURS, "; log in with: dfs login USER"},
    {DFS_TOKEN_REVOKED, "; log in with: dfs login USER"},
    {DFS_NO_SPACE,
     "; see dfs nodes; what was removed keeps its room for trash_keep, and a store that cannot be written has none"},
    {DFS_NOT_ENOUGH_NODES, "; see dfs nodes"},
    {DFS_DATA_LOST, "; see dfs explain"},
    {DFS_BLOCK_CORRUPT, "; see dfs explain"},
};

static const char *advice(enum dfs_status status, const char *words)
{
    const char *own = dfs_status_words(status);
    const size_t bytes = strlen(words);
    const size_t own_bytes = strlen(own);

    if (bytes < own_bytes || strcmp(words + bytes - own_bytes, own) != 0)
        return "";
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++)
        if (advices[i].status == status)
            return advices[i].words;
    return "";
}

/* The machine's words begin with the command and its path, and so does our line. */
static const char *without_head(const char *what, const char *words)
{
    const char *path = strchr(what, ' ');
    const char *head = strchr(words, ' ');
    size_t bytes;

    if (path == NULL || head == NULL)
        return words;
    bytes = strlen(path);
    return strncmp(head, path, bytes) == 0 && strncmp(head + bytes, ": ", 2) == 0 ? head + bytes + 2 : words;
}

int cli_fail(const char *what, enum dfs_status status, const char *words)
{
    char line[CLI_WORDS_BYTES];
    char head[DFS_PATH_BYTES_MAX + 64];
    size_t head_bytes = strlen(what);

    if (words == NULL || words[0] == '\0')
        words = dfs_status_words(status);
    words = without_head(what, words);
    dfs_quote_into(line, sizeof line, words, strlen(words));
    while (head_bytes > 0 && what[head_bytes - 1] == ' ') /* "LIST " of everything */
        head_bytes--;
    dfs_quote_into(head, sizeof head, what, head_bytes);
    (void)fprintf(stderr, "dfs: %s: %s: %s%s\n", head, dfs_status_name(status), line, advice(status, words));
    return dfs_status_exit_code(status);
}

static void print_json(json_t *take_value, size_t flags)
{
    char *text = json_dumps(take_value, flags | JSON_REAL_PRECISION(15));

    (void)printf("%s\n", text != NULL ? text : "null");
    free(text);
    json_decref(take_value);
}

void cli_print_json(json_t *take_value)
{
    print_json(take_value, JSON_INDENT(1));
}

void cli_print_json_line(json_t *take_value)
{
    print_json(take_value, JSON_COMPACT);
}

json_t *cli_json_id(const struct dfs_id *id)
{
    char text[DFS_ID_TEXT_BYTES];

    dfs_id_print(id, text);
    return json_string(text);
}

json_t *cli_json_text(const struct dfs_text *text)
{
    return json_stringn(text->at, text->count);
}

json_t *cli_json_number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

const char *cli_size(uint64_t bytes, char ret_text[CLI_SIZE_BYTES])
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
    uint64_t unit = 1;
    size_t at = 0;

    while (bytes / unit >= 1000 && at + 1 < sizeof units / sizeof units[0]) {
        unit *= 1000;
        at++;
    }
    if (at == 0)
        (void)snprintf(ret_text, CLI_SIZE_BYTES, "%llu B", (unsigned long long)bytes);
    else
        (void)snprintf(ret_text, CLI_SIZE_BYTES, "%llu.%llu %s", (unsigned long long)(bytes / unit),
                       (unsigned long long)(bytes % unit / (unit / 10)), units[at]);
    return ret_text;
}

const char *cli_time(uint64_t ms, char ret_text[CLI_TIME_BYTES])
{
    const time_t seconds = (time_t)(ms / 1000);
    struct tm tm = {0};

    if (ms == 0 || localtime_r(&seconds, &tm) == NULL ||
        strftime(ret_text, CLI_TIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        (void)snprintf(ret_text, CLI_TIME_BYTES, "-");
    return ret_text;
}

/* The progress bar ------------------------------------------------------------------------------------------------- */

#define BAR_CELLS 30
#define REDRAW_NS (100 * DFS_MILLISECONDS)

/* Nothing is shown of what is done sooner than this. */
#define PATIENCE_NS (500 * DFS_MILLISECONDS)

void cli_progress_begin(struct cli_progress *progress, bool is_wanted)
{
    *progress = (struct cli_progress){.is_on = is_wanted && isatty(STDERR_FILENO) == 1, .began = dfs_real_mono()};
}

void cli_progress_show(struct cli_progress *progress, const char *what, uint64_t done, uint64_t total)
{
    const dfs_time_ns now = progress->is_on ? dfs_real_mono() : 0;
    const dfs_duration_ns took = now - progress->began;
    char size[CLI_SIZE_BYTES];
    char rate[CLI_SIZE_BYTES];
    char bar[BAR_CELLS + 1];
    uint64_t per_second;

    if (!progress->is_on || took < PATIENCE_NS || now - progress->drawn_at < REDRAW_NS)
        return;
    progress->drawn_at = now;
    progress->drawn = true;
    per_second = done / (took / DFS_MILLISECONDS) * 1000;
    (void)fprintf(stderr, "\r\033[K%s  %s", dfs_quote_text(what).text, cli_size(done, size));
    if (total != DFS_SIZE_UNKNOWN && total > 0) {
        const size_t cells = (size_t)(done >= total ? BAR_CELLS : done / (total / BAR_CELLS + 1));

        memset(bar, '.', BAR_CELLS);
        memset(bar, '#', cells);
        bar[BAR_CELLS] = '\0';
        (void)fprintf(stderr, " of %s [%s]", cli_size(total, size), bar);
    }
    (void)fprintf(stderr, "  %s/s", cli_size(per_second, rate));
    if (total != DFS_SIZE_UNKNOWN && per_second > 0 && total > done) {
        const uint64_t left_s = (total - done) / per_second;

        (void)fprintf(stderr, "  %llu:%02llu left", (unsigned long long)(left_s / 60),
                      (unsigned long long)(left_s % 60));
    }
    (void)fflush(stderr);
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->drawn)
        (void)fprintf(stderr, "\r\033[K");
    progress->drawn = false;
}

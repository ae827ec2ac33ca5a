#include "sim/command_why.h"

#include "core/base/mem.h"
#include "sim/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EXIT_USAGE 2
#define EXIT_WORLD 7

/* The last search that was made says most. */
static const struct sim_why_search *deciding(const struct sim_why_result *result)
{
    const struct sim_why_search *calm = &result->searches[SIM_WHY_CALM];

    return calm->points_count > 0 ? calm : &result->searches[SIM_WHY_DRAWN];
}

static uint32_t branches_of(const struct sim_why_point *point)
{
    return point->failed + point->otherwise + point->passed + point->unknown;
}

static const struct sim_why_point *point_of(const struct sim_why_search *search, uint64_t event)
{
    static const struct sim_why_point none;

    for (size_t i = 0; i < search->points_count; i++)
        if (search->points[i].event == event)
            return &search->points[i];
    return &none;
}

/* So many lines further; NULL: the text has not so many. */
static const char *line_of(const char *text, uint64_t skip)
{
    while (skip > 0 && text != NULL) {
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
        skip--;
    }
    return text;
}

/* Words --------------------------------------------------------------------------------------------------------------- */

static void print_points(const struct sim_why_search *search)
{
    bool otherwise = false;
    bool unknown = false;

    for (size_t i = 0; i < search->points_count; i++) {
        otherwise = otherwise || search->points[i].otherwise > 0;
        unknown = unknown || search->points[i].unknown > 0;
    }
    (void)printf("  after event       at (s)  survived%s%s\n", otherwise ? "  of them failed otherwise" : "",
                 unknown ? "  unknown" : "");
    for (size_t i = 0; i < search->points_count; i++) {
        const struct sim_why_point *point = &search->points[i];
        char grouped[SIM_GROUPED_BYTES];

        (void)printf("  %11s %c%11.6f  %3u of %-3u", sim_grouped(point->event, grouped), point->before_zero ? '<' : ' ',
                     (double)point->at / 1e9, point->passed + point->otherwise, branches_of(point));
        if (otherwise)
            (void)printf("%25u", point->otherwise);
        if (unknown)
            (void)printf("%9u", point->unknown);
        (void)printf("\n");
    }
}

static void print_context(const struct sim_why_result *result, const struct sim_why_search *search)
{
    const char *line = result->context;

    for (uint64_t event = result->context_first; line != NULL && *line != '\0'; event++) {
        const int count = (int)strcspn(line, "\n");

        (void)printf("%c %11" PRIu64 " %.*s\n", event == search->first ? '>' : ' ', event, count, line);
        line = line_of(line, 1);
    }
}

static void print_certainty(const struct sim_why_search *search)
{
    const struct sim_why_point *before = point_of(search, search->last);
    const struct sim_why_point *at = point_of(search, search->first);
    const uint32_t more = branches_of(&search->more);

    if (search->first - search->last > 1)
        (void)printf("The time was over before it was narrowed down: it lies after event %" PRIu64 ".\n", search->last);
    (void)printf("Of the branches after event %" PRIu64 ", %u of %u survived; after event %" PRIu64
                 ", all %u failed in the same way",
                 search->last, before->passed + before->otherwise, branches_of(before), search->first, at->failed);
    if (more == 0)
        (void)printf(".\n");
    else if (sim_why_all_failed(&search->more))
        (void)printf(", and so did %u more. No more than that is meant by certain.\n", more);
    else
        (void)printf(
            ", but of %u more %u survived and %u are unknown: it is not quite certain. --suffixes %u looks closer.\n",
            more, search->more.passed + search->more.otherwise, search->more.unknown,
            branches_of(at) * 4 < SIM_WHY_SUFFIXES_MAX ? branches_of(at) * 4 : SIM_WHY_SUFFIXES_MAX);
}

static void print_search(const struct sim_why_result *result, enum sim_why_futures futures)
{
    static const char *const words[SIM_WHY_FUTURES] = {
        [SIM_WHY_DRAWN] =
            "Branches in which what had not been drawn yet is drawn anew; what the scenario says by itself stays:",
        [SIM_WHY_CALM] = "Branches in which, besides, no further fault begins:",
    };
    const struct sim_why_search *search = &result->searches[futures];

    if (search->points_count == 0)
        return;
    (void)printf("\n%s\n", words[futures]);
    print_points(search);
    if (!search->survived && search->doubtful)
        (void)printf("None is known to have survived, but not all came to an end within their limits.\n");
    else if (!search->survived)
        (void)printf("None survived: %s\n",
                     futures == SIM_WHY_DRAWN
                         ? "whatever is drawn, it comes to this."
                         : "it takes no fault either; the scenario and the machines come to this by "
                           "themselves.");
}

static void print_indented(const char *words)
{
    while (words != NULL && *words != '\0') {
        (void)printf("  %.*s\n", (int)strcspn(words, "\n"), words);
        words = line_of(words, 1);
    }
}

static void print_words(const struct sim_why_options *options, const struct sim_why_result *result)
{
    const struct sim_why_search *search = deciding(result);
    char events[SIM_GROUPED_BYTES];
    char known[SIM_GROUPED_BYTES];
    char branches[SIM_GROUPED_BYTES];

    (void)printf("%s, seed %" PRIu64 ": %s\n", result->scenario, options->seed, sim_verdict_name(result->verdict));
    if (!result->fails) {
        (void)printf("It does not fail: there is no point of no return to look for.%s%s\n",
                     result->words[0] != '\0' ? "\n" : "", result->words);
        return;
    }
    print_indented(result->words);
    (void)printf("  %s events (an event is a line of --trace); by event %s it has failed\n",
                 sim_grouped(result->events, events), sim_grouped(result->known, known));
    for (int futures = 0; futures < SIM_WHY_FUTURES; futures++)
        print_search(result, (enum sim_why_futures)futures);
    if (search->found) {
        (void)printf("\nPoint of no return: event %" PRIu64 "\n", search->first);
        print_context(result, search);
        print_certainty(search);
    } else if (search->survived) {
        (void)printf("\nNo point of no return: %s\n", result->out_of_time
                                                          ? "the time was over before one was found."
                                                          : "some branches survived to the very event of the failure.");
    }
    (void)printf("\n%s branches%s\n", sim_grouped(result->branches, branches),
                 result->out_of_time ? "; the time was over (--time gives more)" : "");
}

/* JSON ---------------------------------------------------------------------------------------------------------------- */

static json_t *at_ms_json(const struct sim_why_point *point)
{
    return point->before_zero ? json_null() : json_integer((json_int_t)(point->at / DFS_MILLISECONDS));
}

static json_t *point_json(const struct sim_why_point *point)
{
    return json_pack("{s:I, s:o, s:i, s:i, s:i, s:i}", "line", (json_int_t)point->event, "at_ms", at_ms_json(point),
                     "passed", (int)point->passed, "failed_otherwise", (int)point->otherwise, "failed",
                     (int)point->failed, "unknown", (int)point->unknown);
}

static json_t *search_json(const struct sim_why_search *search)
{
    json_t *list = json_array();

    for (size_t i = 0; i < search->points_count; i++)
        (void)json_array_append_new(list, point_json(&search->points[i]));
    return list;
}

/* The event, as the trace has it. */
static json_t *event_json(const struct sim_why_result *result, const struct sim_why_search *search)
{
    const struct sim_why_point *at = point_of(search, search->first);
    const char *line = line_of(result->context, search->first - result->context_first);
    json_t *before = json_array();
    char host[SIM_HOST_NAME_BYTES + 1] = "";
    char kind[32] = "";
    int fields = 0;

    for (uint64_t event = result->context_first; event < search->first; event++) {
        const char *text = line_of(result->context, event - result->context_first);

        (void)json_array_append_new(before, text != NULL ? json_stringn(text, strcspn(text, "\n")) : json_null());
    }
    line = line != NULL ? line : "";
    (void)sscanf(line, "%*[ <0-9.]%16s %31s %n", host, kind, &fields);
    return json_pack("{s:I, s:I, s:o, s:I, s:o, s:s, s:o, s:o, s:o}", "line", (json_int_t)search->first,
                     "survived_after", (json_int_t)search->last, "at_ms", at_ms_json(at), "at_ns", (json_int_t)at->at,
                     "host", strcmp(host, "-") == 0 ? json_null() : json_string(host), "kind", kind, "text",
                     json_stringn(line + fields, strcspn(line + fields, "\n")), "before", before, "more",
                     point_json(&search->more));
}

static const char *certain_from(const struct sim_why_result *result, const struct sim_why_search *search)
{
    if (!result->fails)
        return "never";
    if (search->found && search->first - search->last == 1)
        return "line";
    if (result->out_of_time || (!search->survived && search->doubtful))
        return "unknown";
    return search->survived ? "failure" : "start";
}

static void print_json(const struct sim_why_options *options, const struct sim_why_result *result)
{
    const struct sim_why_search *search = deciding(result);
    json_t *object = json_pack(
        "{s:s, s:I, s:s, s:o, s:s, s:I, s:I, s:i, s:I, s:b, s:o, s:o, s:s, s:o}", "scenario", result->scenario, "seed",
        (json_int_t)options->seed, "verdict", sim_verdict_name(result->verdict), "checker",
        result->checker[0] != '\0' ? json_string(result->checker) : json_null(), "reason", result->words, "trace_lines",
        (json_int_t)result->events, "failed_by_line", (json_int_t)result->known, "suffixes", (int)options->suffixes,
        "branches", (json_int_t)result->branches, "out_of_time", (int)result->out_of_time, "drawn_anew",
        search_json(&result->searches[SIM_WHY_DRAWN]), "without_further_faults",
        search_json(&result->searches[SIM_WHY_CALM]), "certain_from", certain_from(result, search),
        "point_of_no_return", search->found ? event_json(result, search) : json_null());

    (void)json_dumpf(object, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(object);
}

int sim_command_why(const struct sim_why_options *options, bool json)
{
    struct sim_why_result *result = dfs_alloc(sizeof *result);
    struct dfs_why why;
    const enum dfs_status status = sim_why(options, result, &why);
    int code = status == DFS_BAD_CONFIG ? EXIT_USAGE : EXIT_WORLD;

    if (status != DFS_OK) {
        (void)fprintf(stderr, "dfs-sim: %s\n", why.text);
    } else {
        code = sim_verdict_exit_code(result->verdict);
        if (json)
            print_json(options, result);
        else
            print_words(options, result);
    }
    dfs_free(result);
    return code;
}

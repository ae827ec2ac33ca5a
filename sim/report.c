#include "sim/report.h"

#include <inttypes.h>
#include <string.h>

/* Violations that a report shows; the JSON has more. */
#define SHOWN_MAX 10

enum sim_verdict_kind sim_result_verdict(const json_t *result)
{
    const char *name = json_string_value(json_object_get(result, "verdict"));

    for (int verdict = 0; verdict < SIM_VERDICT_COUNT && name != NULL; verdict++) {
        if (strcmp(sim_verdict_name((enum sim_verdict_kind)verdict), name) == 0)
            return (enum sim_verdict_kind)verdict;
    }
    return SIM_VERDICT_COUNT;
}

const char *sim_grouped(uint64_t value, char text[SIM_GROUPED_BYTES])
{
    char plain[24];
    size_t at = 0;
    const int count = snprintf(plain, sizeof plain, "%" PRIu64, value);

    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = plain[i];
    }
    text[at] = '\0';
    return text;
}

static json_int_t integer(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : "";
}

static void print_at(FILE *out, const json_t *at_ms)
{
    if (json_is_integer(at_ms))
        (void)fprintf(out, "at %.3f s", (double)json_integer_value(at_ms) / 1e3);
    else
        (void)fprintf(out, "before time 0");
}

static void print_operations(FILE *out, const json_t *operations)
{
    void *at = json_object_iter((json_t *)(uintptr_t)operations);
    bool first = true;

    (void)fprintf(out, "  operations   ");
    for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)operations, at)) {
        const json_t *counts = json_object_iter_value(at);

        if (integer(counts, "ok") + integer(counts, "failed") == 0)
            continue;
        (void)fprintf(out, "%s%s %lld", first ? "" : ", ", json_object_iter_key(at), (long long)integer(counts, "ok"));
        if (integer(counts, "failed") > 0)
            (void)fprintf(out, " (and %lld failed)", (long long)integer(counts, "failed"));
        first = false;
    }
    (void)fprintf(out, "%s\n", first ? "none" : "");
}

static void print_evictions(FILE *out, const json_t *evictions)
{
    (void)fprintf(out, "  evictions    ");
    for (size_t i = 0; i < json_array_size(evictions); i++) {
        const json_t *eviction = json_array_get(evictions, i);

        (void)fprintf(out, "%s%s ", i > 0 ? ", " : "", text(eviction, "host"));
        print_at(out, json_object_get(eviction, "at_ms"));
    }
    (void)fprintf(out, "%s\n", json_array_size(evictions) == 0 ? "none" : "");
}

static void print_violations(FILE *out, const json_t *violations)
{
    const size_t count = json_array_size(violations);

    for (size_t i = 0; i < count && i < SHOWN_MAX; i++) {
        const json_t *violation = json_array_get(violations, i);

        (void)fprintf(out, "  violation    %s, ", text(violation, "checker"));
        print_at(out, json_object_get(violation, "at_ms"));
        (void)fprintf(out, "%s%s: %s\n", json_is_string(json_object_get(violation, "host")) ? ", " : "",
                      text(violation, "host"), text(violation, "message"));
    }
    if (count > SHOWN_MAX)
        (void)fprintf(out, "               and %zu more (--json has them)\n", count - SHOWN_MAX);
}

/* Each line of the reason. */
static void print_reason(FILE *out, const char *reason)
{
    while (*reason != '\0') {
        const size_t count = strcspn(reason, "\n");

        (void)fprintf(out, "  reason       %.*s\n", (int)count, reason);
        reason += count;
        reason += *reason == '\n';
    }
}

static void print_expectations(FILE *out, const json_t *expectations)
{
    size_t ok = 0;
    const size_t count = json_array_size(expectations);

    for (size_t i = 0; i < count; i++)
        ok += json_is_true(json_object_get(json_array_get(expectations, i), "ok"));
    if (count > 0)
        (void)fprintf(out, "  expected     %zu of %zu came about\n", ok, count);
}

/* How long anything lacked copies. */
static void print_risk(FILE *out, const json_t *risk)
{
    if (integer(risk, "block_ms") == 0)
        return;
    (void)fprintf(out, "  at risk      a block lacked copies for %.3f s at most",
                  (double)integer(risk, "longest_ms") / 1e3);
    if (integer(risk, "one_copy_longest_ms") > 0)
        (void)fprintf(out, ", had a single one for %.3f s", (double)integer(risk, "one_copy_longest_ms") / 1e3);
    (void)fprintf(out, "\n");
}

void sim_report_run(FILE *out, const json_t *result, const char *repeat)
{
    const json_t *repairs = json_object_get(result, "repairs");
    const json_t *stats = json_object_get(result, "stats");
    const json_t *settled = json_object_get(stats, "settled_at_ms");
    char events[SIM_GROUPED_BYTES];
    char messages[SIM_GROUPED_BYTES];
    char bytes[SIM_GROUPED_BYTES];

    (void)fprintf(out, "%s, seed %lld: %s\n", text(result, "scenario"), (long long)integer(result, "seed"),
                  text(result, "verdict"));
    (void)fprintf(out, "  simulated    %.3f s, %s events, %s messages; trace hash %s\n",
                  (double)integer(result, "virtual_ms") / 1e3, sim_grouped((uint64_t)integer(result, "events"), events),
                  sim_grouped((uint64_t)integer(result, "messages"), messages), text(result, "trace_hash"));
    print_operations(out, json_object_get(result, "operations"));
    print_evictions(out, json_object_get(result, "evictions"));
    (void)fprintf(out, "  repairs      %lld copies, %s bytes", (long long)integer(repairs, "copies"),
                  sim_grouped((uint64_t)integer(repairs, "bytes"), bytes));
    if (json_is_integer(json_object_get(repairs, "last_at_ms")))
        (void)fprintf(out, ", the last at %.3f s", (double)integer(repairs, "last_at_ms") / 1e3);
    (void)fprintf(out, "\n");
    print_risk(out, json_object_get(stats, "under_replicated"));
    if (json_is_integer(settled))
        (void)fprintf(out, "  at rest      at %.3f s; %lld files read back\n",
                      (double)json_integer_value(settled) / 1e3, (long long)integer(stats, "files_read_back"));
    print_expectations(out, json_object_get(result, "expectations"));
    print_violations(out, json_object_get(result, "violations"));
    print_reason(out, text(result, "reason"));
    if (sim_result_verdict(result) != SIM_PASS)
        (void)fprintf(out, "  repeat with  %s\n", repeat);
}

void sim_report_failure(FILE *out, const json_t *result, const char *repeat)
{
    (void)fprintf(out, "%s, seed %lld: %s\n", text(result, "scenario"), (long long)integer(result, "seed"),
                  text(result, "verdict"));
    print_violations(out, json_object_get(result, "violations"));
    print_reason(out, text(result, "reason"));
    (void)fprintf(out, "  repeat with  %s\n", repeat);
}

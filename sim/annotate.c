#include "sim/annotate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool sim_annotate_wanted(void)
{
    const char *value = getenv("GITHUB_ACTIONS");

    return value != NULL && strcmp(value, "true") == 0;
}

/* Line ends and % everywhere; : and , where a property stands. */
static void escaped(FILE *stream, const char *text, bool is_property)
{
    for (; *text != '\0'; text++) {
        if (*text == '%' || *text == '\n' || *text == '\r' || (is_property && (*text == ':' || *text == ',')))
            (void)fprintf(stream, "%%%02X", (unsigned)(unsigned char)*text);
        else
            (void)fputc(*text, stream);
    }
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static uint32_t line_of_expectation(const json_t *result, const struct sim_scenario *scenario)
{
    const json_t *expectations = json_object_get(result, "expectations");

    for (size_t i = 0; i < json_array_size(expectations) && i < scenario->expects_count; i++) {
        if (!json_is_true(json_object_get(json_array_get(expectations, i), "ok")))
            return scenario->expects[i].line;
    }
    return 0;
}

static uint32_t line_of_reason(const json_t *result)
{
    static const char words[] = "(line ";
    const char *named = strstr(text_of(result, "reason"), words);

    return named != NULL ? (uint32_t)strtoul(named + sizeof words - 1, NULL, 10) : 0;
}

uint32_t sim_annotate_line(const json_t *result, const struct sim_scenario *scenario)
{
    const json_t *violation = json_array_get(json_object_get(result, "violations"), 0);
    uint32_t line = (uint32_t)json_integer_value(json_object_get(violation, "line"));

    if (line == 0 && scenario != NULL)
        line = line_of_expectation(result, scenario);
    if (line == 0)
        line = line_of_reason(result);
    return line > 0 ? line : 1;
}

void sim_annotate(FILE *stream, const char *file, uint32_t line, const json_t *result, const char *repeat)
{
    const json_t *violation = json_array_get(json_object_get(result, "violations"), 0);

    (void)fputs("::error ", stream);
    if (file != NULL) {
        (void)fputs("file=", stream);
        escaped(stream, file, true);
        (void)fprintf(stream, ",line=%" PRIu32 ",", line);
    }
    (void)fputs("title=", stream);
    escaped(stream, text_of(result, "scenario"), true);
    (void)fprintf(stream, " seed %" JSON_INTEGER_FORMAT " %s::", json_integer_value(json_object_get(result, "seed")),
                  text_of(result, "verdict"));
    if (violation != NULL) {
        escaped(stream, text_of(violation, "checker"), false);
        (void)fputs(": ", stream);
        escaped(stream, text_of(violation, "message"), false);
    } else {
        escaped(stream, text_of(result, "reason"), false);
    }
    (void)fputs("%0A", stream);
    escaped(stream, repeat, false);
    (void)fputc('\n', stream);
}

#include "sim/junit.h"

#include "core/base/assert.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Names of files are any bytes, XML is text: UTF-8 without control characters and the two that are none. */
static bool is_text(const char *text)
{
    json_t *probe = json_string(text); /* NULL: not UTF-8 */
    const bool is_utf8 = probe != NULL && strstr(text, "\xef\xbf\xbe") == NULL && strstr(text, "\xef\xbf\xbf") == NULL;

    json_decref(probe);
    return is_utf8;
}

static void write_text(FILE *file, const char *text)
{
    const bool ascii_only = !is_text(text);

    for (; *text != '\0'; text++) {
        if (ascii_only && (unsigned char)*text >= 0x80) {
            (void)fputc('?', file);
            continue;
        }
        switch (*text) {
        case '&':
            (void)fputs("&amp;", file);
            break;
        case '<':
            (void)fputs("&lt;", file);
            break;
        case '>':
            (void)fputs("&gt;", file);
            break;
        case '"':
            (void)fputs("&quot;", file);
            break;
        default:
            /* Other control characters are not allowed in XML, however they are written. */
            (void)fputc((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t' ? '?' : *text, file);
        }
    }
}

bool sim_junit_open(struct sim_junit *junit, const char *path)
{
    *junit = (struct sim_junit){.file = fopen(path, "we")};
    if (junit->file == NULL)
        return false;
    junit->cases = open_memstream(&junit->cases_text, &junit->cases_bytes);
    DFS_ASSERT(junit->cases != NULL);
    return true;
}

static void case_begin(struct sim_junit *junit, const char *scenario, uint64_t seed, double seconds)
{
    junit->tests_count++;
    (void)fputs("  <testcase classname=\"", junit->cases);
    write_text(junit->cases, scenario);
    (void)fprintf(junit->cases, "\" name=\"seed %" PRIu64 "\" time=\"%.3f\"", seed, seconds);
}

void sim_junit_pass(struct sim_junit *junit, const char *scenario, uint64_t seed, double seconds)
{
    case_begin(junit, scenario, seed, seconds);
    (void)fputs("/>\n", junit->cases);
}

void sim_junit_fail_begin(struct sim_junit *junit, const char *scenario, uint64_t seed, double seconds,
                          const char *type, const char *message, bool aborted)
{
    case_begin(junit, scenario, seed, seconds);
    junit->failures_count += !aborted;
    junit->errors_count += aborted;
    (void)fprintf(junit->cases, ">\n    <%s type=\"", aborted ? "error" : "failure");
    write_text(junit->cases, type);
    (void)fputs("\" message=\"", junit->cases);
    write_text(junit->cases, message);
    (void)fputs("\">", junit->cases);
}

void sim_junit_text(struct sim_junit *junit, const char *text)
{
    write_text(junit->cases, text);
}

void sim_junit_fail_end(struct sim_junit *junit, bool aborted)
{
    (void)fprintf(junit->cases, "</%s>\n  </testcase>\n", aborted ? "error" : "failure");
}

bool sim_junit_close(struct sim_junit *junit, double seconds)
{
    bool written = fclose(junit->cases) == 0; /* cases_text is whole now */

    written = fprintf(junit->file,
                      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                      "<testsuite name=\"dfs-sim\" tests=\"%" PRIu64 "\" failures=\"%" PRIu64 "\" errors=\"%" PRIu64
                      "\" skipped=\"0\" time=\"%.3f\">\n",
                      junit->tests_count, junit->failures_count, junit->errors_count, seconds) > 0 &&
              written;
    written = fwrite(junit->cases_text, 1, junit->cases_bytes, junit->file) == junit->cases_bytes && written;
    written = fputs("</testsuite>\n", junit->file) >= 0 && written;
    free(junit->cases_text);
    return fclose(junit->file) == 0 && written;
}

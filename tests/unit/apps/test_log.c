#include "apps/common/events.h"
#include "apps/common/log.h"
#include "core/base/assert.h"
#include "tests/unit/apps/scratch.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static char captured[8192];
static int kept = -1;
static int file = -1;

static void capture(void)
{
    char name[] = "/tmp/dfs-test-XXXXXX";

    (void)fflush(stderr);
    file = mkstemp(name);
    (void)unlink(name);
    kept = dup(STDERR_FILENO);
    (void)dup2(file, STDERR_FILENO);
}

static const char *release(void)
{
    ssize_t got;

    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    (void)lseek(file, 0, SEEK_SET);
    got = read(file, captured, sizeof captured - 1);
    captured[got > 0 ? got : 0] = '\0';
    (void)close(file);
    return captured;
}

static const struct dfs_trace evicted = {
    .kind = DFS_TRACE_EVICTED,
    .node = {{0x6f, 0xa4, 0x59, 0xea, 0xee, 0x8a, 0x4c, 0xa4, 0x89, 0x4e, 0xdb, 0x77, 0xe1, 0x60, 0x35, 0x5e}},
    .a = 4,
    .b = 99};

static void text_lines(void **state)
{
    const char *line;

    (void)state;
    capture();
    dfs_log_open("test", DFS_LOG_INFO, DFS_LOG_TEXT);
    dfs_log_trace(&evicted);
    dfs_log(DFS_LOG_DEBUG, "hidden", "not shown");
    dfs_log(DFS_LOG_ERROR, "said", "two\nlines \"%d\"", 1);
    line = release();
    /* 2026-03-01T12:00:00.123Z */
    assert_int_equal(line[23], 'Z');
    assert_string_equal(line + 25, strchr(line, 'w'));
    assert_int_equal(
        strncmp(line + 25, "warning test evicted node=6fa459ea-ee8a-4ca4-894e-db77e160355e incarnation=4\n", 76), 0);
    assert_non_null(strstr(line, "error   test said: two\\nlines \"1\"\n"));
    assert_null(strstr(line, "hidden"));
}

static void json_lines(void **state)
{
    json_t *line;
    char *at;

    (void)state;
    capture();
    dfs_log_open("test", DFS_LOG_DEBUG, DFS_LOG_JSON);
    dfs_log_trace(&evicted);
    dfs_log(DFS_LOG_INFO, "said", "a \"quoted\" \x01 word");
    (void)release();
    at = strtok(captured, "\n");
    line = json_loads(at, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "event")), "evicted");
    assert_string_equal(json_string_value(json_object_get(line, "node")), "6fa459ea-ee8a-4ca4-894e-db77e160355e");
    assert_int_equal(json_integer_value(json_object_get(line, "incarnation")), 4);
    json_decref(line);
    at = strtok(NULL, "\n");
    line = json_loads(at, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "text")), "a \"quoted\" \x01 word");
    json_decref(line);
    assert_null(strtok(NULL, "\n"));
}

static void a_panic_is_in_the_log(void **state)
{
    (void)state;
    capture();
    dfs_log_open("test", DFS_LOG_ERROR, DFS_LOG_TEXT);
    dfs_panic_hook("a.c:1: f: assertion failed: x");
    assert_string_equal(release(), "test: a.c:1: f: assertion failed: x\n");
}

static void event_lines(void **state)
{
    const struct dfs_trace moved = {
        .kind = DFS_TRACE_STATE, .text = "node", .text2 = "A", .text3 = "B", .text4 = "timeout"};
    const struct dfs_id self = {{1}};
    struct scratch scratch = scratch_make();
    const char *path = scratch_path(&scratch, "events");
    struct dfs_events *events = NULL;
    struct dfs_why why;
    char *bytes = NULL;
    json_t *line;
    char *at;

    (void)state;
    assert_int_equal(dfs_events_open(path, DFS_ROLE_META, &self, &events, &why), DFS_OK);
    dfs_events_put(events, 11, 22, &evicted);
    dfs_events_put(events, 12, 23, &moved);
    dfs_events_close(events);
    assert_int_equal(dfs_file_read(path, 10000, &bytes, NULL, &why), DFS_OK);
    at = strtok(bytes, "\n");
    assert_non_null(strstr(at, "\"event\":\"started\",\"pid\":"));
    at = strtok(NULL, "\n");
    assert_string_equal(
        at, "{\"mono_ns\":11,\"wall_ns\":22,\"role\":\"meta\",\"self\":\"01000000-0000-0000-0000-000000000000\","
            "\"event\":\"evicted\",\"node\":\"6fa459ea-ee8a-4ca4-894e-db77e160355e\",\"a\":4,\"b\":99}");
    line = json_loads(strtok(NULL, "\n"), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(line, "from")), "A");
    assert_string_equal(json_string_value(json_object_get(line, "to")), "B");
    assert_string_equal(json_string_value(json_object_get(line, "why")), "timeout");
    json_decref(line);
    dfs_free(bytes);
    assert_int_equal(dfs_events_open(scratch_path(&scratch, "no/dir"), DFS_ROLE_META, &self, &events, &why),
                     DFS_BAD_CONFIG);
    scratch_end(&scratch);
}

static void times_are_utc(void **state)
{
    char text[DFS_LOG_TIME_BYTES];

    (void)state;
    dfs_log_time(UINT64_C(1772366400123456789), text);
    assert_string_equal(text, "2026-03-01T12:00:00.123Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_lines),  cmocka_unit_test(json_lines),    cmocka_unit_test(a_panic_is_in_the_log),
        cmocka_unit_test(event_lines), cmocka_unit_test(times_are_utc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Local sources and sinks: files whole or not at all, pipes in order, functions of the program. */
#include "tests/unit/net_real/toy.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct toy_cluster home;
static struct toy toy;
static char directory[64];

static int set_up_group(void **state)
{
    (void)state;
    toy_cluster_init(&home, 1);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    toy_cluster_close(&home);
    return 0;
}

static int set_up(void **state)
{
    struct dfs_real_config config = toy_config(&toy, &home, DFS_ROLE_CLIENT, 0);

    (void)state;
    toy_mkdir(directory);
    toy_start(&toy, &config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    toy_stop(&toy);
    toy_rmdir(directory);
    return 0;
}

static struct dfs_local *local(void)
{
    return dfs_real_local(toy.real);
}

static const char *in_directory(const char *name)
{
    static char full[128];

    (void)snprintf(full, sizeof full, "%s/%s", directory, name);
    return full;
}

static void put_file(const char *name, const char *text)
{
    FILE *file = fopen(in_directory(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char *get_file(const char *name)
{
    static char text[256];
    FILE *file = fopen(in_directory(name), "r");
    size_t count;

    if (file == NULL)
        return NULL;
    count = fread(text, 1, sizeof text - 1, file);
    text[count] = '\0';
    (void)fclose(file);
    return text;
}

static unsigned files(void)
{
    char command[160];
    unsigned count = 0;
    FILE *pipe;

    (void)snprintf(command, sizeof command, "ls -A '%s' | wc -l", directory);
    pipe = popen(command, "r");
    assert_int_equal(fscanf(pipe, "%u", &count), 1);
    (void)pclose(pipe);
    return count;
}

static enum dfs_status pull(uint64_t source, uint64_t offset, size_t length, char *ret_text)
{
    struct dfs_buf *buf = dfs_buf_new(&toy.pool, 65536);
    const unsigned before = toy.seen[DFS_EV_SOURCE];

    toy.env.local->pull(toy.env.ctx, source, offset, buf, 5, length, 77);
    assert_int_equal(toy.seen[DFS_EV_SOURCE], before);
    TOY_UNTIL(toy.seen[DFS_EV_SOURCE] == before + 1, &toy, NULL, NULL);
    assert_int_equal(toy.local_token, 77);
    memcpy(ret_text, buf->bytes + 5, toy.local_count);
    ret_text[toy.local_count] = '\0';
    dfs_buf_unref(buf);
    return toy.local_status;
}

static enum dfs_status push(uint64_t sink, uint64_t offset, const char *text)
{
    struct dfs_buf *buf = dfs_buf_new(&toy.pool, 65536);
    const unsigned before = toy.seen[DFS_EV_SINK];

    memcpy(buf->bytes + 5, text, strlen(text));
    toy.env.local->push(toy.env.ctx, sink, offset, buf, 5, strlen(text), 78);
    TOY_UNTIL(toy.seen[DFS_EV_SINK] == before + 1, &toy, NULL, NULL);
    assert_int_equal(toy.local_token, 78);
    assert_false(toy.local_finished);
    dfs_buf_unref(buf);
    return toy.local_status;
}

static enum dfs_status finish(uint64_t sink, bool commit)
{
    toy.local_finished = false;
    toy.env.local->finish(toy.env.ctx, sink, commit, 79);
    TOY_UNTIL(toy.local_finished, &toy, NULL, NULL);
    assert_int_equal(toy.local_token, 79);
    return toy.local_status;
}

static void a_file_is_pulled_anywhere(void **state)
{
    struct dfs_local_info info;
    uint64_t number;
    char text[64];

    (void)state;
    put_file("in", "0123456789");
    assert_int_equal(dfs_local_source_file(local(), in_directory("in"), NULL, &number, &info), DFS_OK);
    assert_true(info.seekable);
    assert_int_equal(info.bytes, 10);
    assert_int_equal(pull(number, 4, 3, text), DFS_OK);
    assert_string_equal(text, "456");
    assert_int_equal(pull(number, 8, 50, text), DFS_OK);
    assert_string_equal(text, "89");
    assert_int_equal(pull(number, 10, 50, text), DFS_OK);
    assert_string_equal(text, "");
    dfs_local_forget(local(), number);
    assert_int_equal(pull(number, 0, 1, text), DFS_NOT_FOUND);
}

static void a_file_that_is_not_there_is_said_so(void **state)
{
    struct dfs_local_info info;
    char words[DFS_WORDS_BYTES_MAX];
    uint64_t number;

    (void)state;
    assert_int_equal(dfs_local_source_file(local(), in_directory("none"), words, &number, &info), DFS_NOT_FOUND);
    assert_non_null(strstr(words, "No such file"));
    assert_int_equal(dfs_local_source_file(local(), directory, words, &number, &info), DFS_BAD_USAGE);
    assert_int_equal(dfs_local_sink_file(local(), in_directory("none/x"), false, words, &number), DFS_NOT_FOUND);
    assert_int_equal(dfs_local_sink_file(local(), directory, false, words, &number), DFS_BAD_USAGE);
    assert_int_equal(files(), 0);
}

static void a_sink_appears_whole_at_the_commit(void **state)
{
    uint64_t number;

    (void)state;
    put_file("out", "old");
    assert_int_equal(chmod(in_directory("out"), 0640), 0);
    assert_int_equal(dfs_local_sink_file(local(), in_directory("out"), true, NULL, &number), DFS_OK);
    assert_int_equal(push(number, 6, "world"), DFS_OK);
    assert_int_equal(push(number, 0, "hello "), DFS_OK);
    assert_string_equal(get_file("out"), "old");
    assert_int_equal(finish(number, true), DFS_OK);
    assert_string_equal(get_file("out"), "hello world");
    {
        struct stat stat_buf;

        assert_int_equal(stat(in_directory("out"), &stat_buf), 0);
        assert_int_equal(stat_buf.st_mode & 0777, 0640);
    }
    dfs_local_forget(local(), number);
    assert_int_equal(files(), 1);
}

static void a_sink_given_up_leaves_nothing(void **state)
{
    uint64_t number;

    (void)state;
    assert_int_equal(dfs_local_sink_file(local(), in_directory("out"), false, NULL, &number), DFS_OK);
    assert_int_equal(push(number, 0, "hello"), DFS_OK);
    assert_int_equal(files(), 1);
    assert_int_equal(finish(number, false), DFS_OK);
    assert_int_equal(files(), 0);
    dfs_local_forget(local(), number);

    assert_int_equal(dfs_local_sink_file(local(), in_directory("out"), false, NULL, &number), DFS_OK);
    dfs_local_forget(local(), number); /* without finish */
    assert_int_equal(files(), 0);

    assert_int_equal(dfs_local_sink_file(local(), in_directory("out"), false, NULL, &number), DFS_OK);
    toy_stop(&toy); /* the program ends */
    assert_int_equal(files(), 0);
}

static void a_link_is_followed_and_not_replaced(void **state)
{
    char target[128];
    struct stat stat_buf;
    uint64_t number;

    (void)state;
    put_file("real", "old");
    (void)snprintf(target, sizeof target, "%s", in_directory("real"));
    assert_int_equal(symlink(target, in_directory("link")), 0);
    assert_int_equal(dfs_local_sink_file(local(), in_directory("link"), false, NULL, &number), DFS_OK);
    assert_int_equal(push(number, 0, "new"), DFS_OK);
    assert_int_equal(finish(number, true), DFS_OK);
    assert_int_equal(lstat(in_directory("link"), &stat_buf), 0);
    assert_true(S_ISLNK(stat_buf.st_mode));
    assert_string_equal(get_file("real"), "new");
}

static void a_device_is_written_in_place(void **state)
{
    uint64_t number;

    (void)state;
    assert_int_equal(dfs_local_sink_file(local(), "/dev/null", false, NULL, &number), DFS_OK);
    assert_int_equal(push(number, 0, "nothing"), DFS_OK);
    assert_int_equal(finish(number, true), DFS_OK);
    assert_int_equal(dfs_local_sink_file(local(), "/dev/full", false, NULL, &number), DFS_OK);
    assert_int_equal(push(number, 0, "nothing"), DFS_NO_SPACE);
}

static void a_pipe_is_pulled_in_order_to_its_end(void **state)
{
    struct dfs_local_info info;
    uint64_t number;
    char text[64];
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(dfs_local_source_descriptor(local(), fds[0], &number, &info), DFS_OK);
    assert_false(info.seekable);
    assert_int_equal(write(fds[1], "hello world", 11), 11);
    assert_int_equal(pull(number, 0, 6, text), DFS_OK);
    assert_string_equal(text, "hello ");
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(pull(number, 6, 60, text), DFS_OK);
    assert_string_equal(text, "world");
    assert_int_equal(pull(number, 11, 60, text), DFS_OK);
    assert_string_equal(text, "");
    dfs_local_forget(local(), number);
    assert_int_equal(close(fds[0]), 0); /* it stayed ours */
}

static void a_pipe_without_data_does_not_hold_up_the_end(void **state)
{
    struct dfs_buf *buf = dfs_buf_new(&toy.pool, 4096);
    struct dfs_local_info info;
    uint64_t number;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(dfs_local_source_descriptor(local(), fds[0], &number, &info), DFS_OK);
    toy.env.local->pull(toy.env.ctx, number, 0, buf, 0, 10, 1);
    toy_for_ms(&toy, NULL, 20);
    dfs_real_end(toy.real);
    dfs_buf_unref(buf);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* Blocks arrive in any order; a pipe gets them in one. */
static void a_pipe_is_pushed_in_order(void **state)
{
    struct dfs_buf *buf = dfs_buf_new(&toy.pool, 4096);
    uint64_t number;
    char text[64] = "";
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(dfs_local_sink_descriptor(local(), fds[1], &number), DFS_OK);
    memcpy(buf->bytes, "hello world", 11);
    toy.env.local->push(toy.env.ctx, number, 8, buf, 8, 3, 3);
    toy.env.local->push(toy.env.ctx, number, 5, buf, 5, 3, 2);
    toy_for_ms(&toy, NULL, 20);
    assert_int_equal(toy.seen[DFS_EV_SINK], 0);
    toy.env.local->push(toy.env.ctx, number, 0, buf, 0, 5, 1);
    TOY_UNTIL(toy.seen[DFS_EV_SINK] == 3, &toy, NULL, NULL);
    assert_int_equal(read(fds[0], text, sizeof text - 1), 11);
    assert_string_equal(text, "hello world");
    toy.env.local->push(toy.env.ctx, number, 20, buf, 0, 5, 4); /* a hole before it */
    assert_int_equal(finish(number, true), DFS_IO);
    assert_int_equal(toy.seen[DFS_EV_SINK], 5);
    dfs_local_forget(local(), number);
    dfs_buf_unref(buf);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void a_full_pipe_does_not_hold_up_the_end(void **state)
{
    struct dfs_buf *buf = dfs_buf_new(&toy.pool, 1000000);
    uint64_t number;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(dfs_local_sink_descriptor(local(), fds[1], &number), DFS_OK);
    toy.env.local->push(toy.env.ctx, number, 0, buf, 0, 1000000, 1);
    toy_for_ms(&toy, NULL, 20);
    dfs_real_end(toy.real);
    dfs_buf_unref(buf);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

struct memory {
    char bytes[64];
    bool finished;
    bool committed;
    bool closed;
};

static enum dfs_status memory_read(void *ctx, uint64_t offset, uint8_t *bytes, size_t length, size_t *ret_count)
{
    struct memory *memory = ctx;
    const size_t all = strlen(memory->bytes);

    *ret_count = offset >= all ? 0 : length < all - offset ? length : all - offset;
    memcpy(bytes, memory->bytes + offset, *ret_count);
    return DFS_OK;
}

static enum dfs_status memory_write(void *ctx, uint64_t offset, const uint8_t *bytes, size_t length)
{
    struct memory *memory = ctx;

    if (offset + length > sizeof memory->bytes)
        return DFS_NO_SPACE;
    memcpy(memory->bytes + offset, bytes, length);
    return DFS_OK;
}

static enum dfs_status memory_finish(void *ctx, bool commit)
{
    struct memory *memory = ctx;

    memory->finished = true;
    memory->committed = commit;
    return DFS_OK;
}

static void memory_close(void *ctx)
{
    struct memory *memory = ctx;

    memory->closed = true;
}

static void functions_of_the_program(void **state)
{
    static const struct dfs_local_source_ops source_ops = {.read = memory_read, .close = memory_close};
    static const struct dfs_local_sink_ops sink_ops = {
        .write = memory_write, .finish = memory_finish, .close = memory_close};
    struct memory in = {.bytes = "from memory"};
    struct memory out = {0};
    uint64_t source;
    uint64_t sink;
    char text[64];

    (void)state;
    assert_int_equal(dfs_local_source_custom(local(), &source_ops, &in, true, &source), DFS_OK);
    assert_int_equal(pull(source, 5, 50, text), DFS_OK);
    assert_string_equal(text, "memory");
    assert_int_equal(dfs_local_sink_custom(local(), &sink_ops, &out, true, &sink), DFS_OK);
    assert_int_equal(push(sink, 0, "to memory"), DFS_OK);
    assert_int_equal(push(sink, 60, "too far"), DFS_NO_SPACE);
    assert_int_equal(finish(sink, true), DFS_OK);
    assert_string_equal(out.bytes, "to memory");
    assert_true(out.finished && out.committed && !out.closed);
    dfs_local_forget(local(), source);
    dfs_local_forget(local(), sink);
    assert_true(in.closed && out.closed);
}

static void the_wrong_kind_is_not_found(void **state)
{
    struct dfs_local_info info;
    uint64_t number;

    (void)state;
    put_file("in", "x");
    assert_int_equal(dfs_local_source_file(local(), in_directory("in"), NULL, &number, &info), DFS_OK);
    assert_int_equal(push(number, 0, "x"), DFS_NOT_FOUND);
    assert_int_equal(finish(12345, true), DFS_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_pulled_anywhere),
        TEST(a_file_that_is_not_there_is_said_so),
        TEST(a_sink_appears_whole_at_the_commit),
        TEST(a_sink_given_up_leaves_nothing),
        TEST(a_link_is_followed_and_not_replaced),
        TEST(a_device_is_written_in_place),
        TEST(a_pipe_is_pulled_in_order_to_its_end),
        TEST(a_pipe_without_data_does_not_hold_up_the_end),
        TEST(a_pipe_is_pushed_in_order),
        TEST(a_full_pipe_does_not_hold_up_the_end),
        TEST(functions_of_the_program),
        TEST(the_wrong_kind_is_not_found),
    };

    return cmocka_run_group_tests_name("net_real/local", tests, set_up_group, tear_down_group);
}

/* The disk verbs over a real directory: statuses, order on a name, batches of directory syncs, what is left behind. */
#include "tests/unit/net_real/toy.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct toy_cluster home;
static struct toy toy;
static char path[64];

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

static struct dfs_real_config disk_config(void)
{
    struct dfs_real_config config = toy_config(&toy, &home, DFS_ROLE_CLIENT, 0);

    config.disk_directory = path;
    config.disk_threads = 4;
    return config;
}

static int set_up(void **state)
{
    struct dfs_real_config config;

    (void)state;
    toy_mkdir(path);
    config = disk_config();
    toy_start(&toy, &config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    toy_stop(&toy);
    toy_rmdir(path);
    return 0;
}

static void submit(const struct dfs_disk_op *op)
{
    toy.env.disk->submit(toy.env.ctx, op);
}

static void wait_for(unsigned count)
{
    TOY_UNTIL(toy.seen[DFS_EV_DISK] == count, &toy, NULL, NULL);
}

static enum dfs_status carry_out(const struct dfs_disk_op *op)
{
    const unsigned before = toy.seen[DFS_EV_DISK];

    submit(op);
    assert_int_equal(toy.seen[DFS_EV_DISK], before); /* never from inside the verb */
    wait_for(before + 1);
    assert_int_equal(toy.done.verb, op->verb);
    assert_true(toy.done.token == op->token);
    return toy.done.status;
}

static enum dfs_status verb(enum dfs_disk_verb what, const char *name, const char *name2)
{
    static uint64_t token = 1000;
    const struct dfs_disk_op op = {.verb = what, .token = token++, .name = name, .name2 = name2};

    return carry_out(&op);
}

static enum dfs_status write_text(const char *name, uint64_t offset, const char *text)
{
    struct dfs_buf *buf = dfs_buf_new(&toy.pool, 4096);
    const struct dfs_disk_op op = {
        .verb = DFS_DISK_WRITE, .name = name, .buf = buf, .buf_offset = 7, .offset = offset, .length = strlen(text)};
    enum dfs_status status;

    memcpy(buf->bytes + 7, text, strlen(text));
    status = carry_out(&op);
    dfs_buf_unref(buf);
    return status;
}

static enum dfs_status read_text(const char *name, uint64_t offset, char *ret_text, size_t length)
{
    struct dfs_buf *buf = dfs_buf_new(&toy.pool, 65536);
    const struct dfs_disk_op op = {
        .verb = DFS_DISK_READ, .name = name, .buf = buf, .buf_offset = 3, .offset = offset, .length = length};
    const enum dfs_status status = carry_out(&op);

    memcpy(ret_text, buf->bytes + 3, toy.done.count);
    ret_text[toy.done.count] = '\0';
    dfs_buf_unref(buf);
    return status;
}

static void a_file_is_written_synced_published_and_read(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(verb(DFS_DISK_CREATE, "one.tmp", NULL), DFS_OK);
    assert_int_equal(write_text("one.tmp", 0, "hello "), DFS_OK);
    assert_int_equal(write_text("one.tmp", 6, "world"), DFS_OK);
    assert_int_equal(verb(DFS_DISK_SYNC, "one.tmp", NULL), DFS_OK);
    assert_int_equal(verb(DFS_DISK_PUBLISH, "one.tmp", "one"), DFS_OK);
    assert_int_equal(verb(DFS_DISK_SYNC_DIR, NULL, NULL), DFS_OK);
    assert_int_equal(read_text("one", 0, text, 50), DFS_OK);
    assert_string_equal(text, "hello world");
    assert_int_equal(read_text("one", 6, text, 3), DFS_OK);
    assert_string_equal(text, "wor");
    assert_int_equal(read_text("one", 11, text, 3), DFS_OK);
    assert_int_equal(toy.done.count, 0);
    assert_int_equal(read_text("one.tmp", 0, text, 3), DFS_NOT_FOUND);
}

static void creating_is_exclusive(void **state)
{
    (void)state;
    assert_int_equal(verb(DFS_DISK_CREATE, "a", NULL), DFS_OK);
    assert_int_equal(verb(DFS_DISK_CREATE, "a", NULL), DFS_EXISTS);
    assert_int_equal(write_text("a", 0, "mine"), DFS_OK);
    assert_int_equal(verb(DFS_DISK_FORGET, "a", NULL), DFS_OK);
    assert_int_equal(verb(DFS_DISK_CREATE, "a", NULL), DFS_EXISTS);
    assert_int_equal(write_text("a", 0, "not open any more"), DFS_NOT_FOUND);
    assert_int_equal(verb(DFS_DISK_SYNC, "a", NULL), DFS_NOT_FOUND);
}

static void publishing_never_replaces(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(verb(DFS_DISK_CREATE, "a.tmp", NULL), DFS_OK);
    assert_int_equal(write_text("a.tmp", 0, "first"), DFS_OK);
    assert_int_equal(verb(DFS_DISK_PUBLISH, "a.tmp", "a"), DFS_OK);
    assert_int_equal(verb(DFS_DISK_CREATE, "b.tmp", NULL), DFS_OK);
    assert_int_equal(write_text("b.tmp", 0, "second"), DFS_OK);
    assert_int_equal(verb(DFS_DISK_PUBLISH, "b.tmp", "a"), DFS_EXISTS);
    assert_int_equal(read_text("a", 0, text, 50), DFS_OK);
    assert_string_equal(text, "first");
    assert_int_equal(write_text("b.tmp", 0, "still open"), DFS_OK);
    assert_int_equal(verb(DFS_DISK_PUBLISH, "nothing", "c"), DFS_NOT_FOUND);
}

static void removing(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(verb(DFS_DISK_REMOVE, "a", NULL), DFS_NOT_FOUND);
    assert_int_equal(verb(DFS_DISK_CREATE, "a", NULL), DFS_OK);
    assert_int_equal(verb(DFS_DISK_REMOVE, "a", NULL), DFS_OK);
    assert_int_equal(write_text("a", 0, "gone"), DFS_NOT_FOUND);
    assert_int_equal(read_text("a", 0, text, 1), DFS_NOT_FOUND);
    assert_int_equal(verb(DFS_DISK_CREATE, "a", NULL), DFS_OK);
}

static void listing_is_in_byte_order(void **state)
{
    (void)state;
    assert_int_equal(verb(DFS_DISK_LIST, NULL, NULL), DFS_OK);
    assert_int_equal(toy.done.count, 0);
    assert_int_equal(verb(DFS_DISK_CREATE, "b", NULL), DFS_OK);
    assert_int_equal(verb(DFS_DISK_CREATE, "a-2", NULL), DFS_OK);
    assert_int_equal(verb(DFS_DISK_CREATE, "a", NULL), DFS_OK);
    assert_int_equal(verb(DFS_DISK_CREATE, "Z", NULL), DFS_OK);
    assert_int_equal(verb(DFS_DISK_CREATE, "\xc3\xa9", NULL), DFS_OK);
    assert_int_equal(write_text("a", 2, "xyz"), DFS_OK);
    assert_int_equal(verb(DFS_DISK_LIST, NULL, NULL), DFS_OK);
    assert_string_equal(toy.names, "Z:0 a:5 a-2:0 b:0 \xc3\xa9:0 ");
}

static void space_is_what_we_may_use(void **state)
{
    (void)state;
    assert_int_equal(verb(DFS_DISK_SPACE, NULL, NULL), DFS_OK);
    assert_true(toy.done.capacity_bytes > 0);
    assert_true(toy.done.free_bytes <= toy.done.capacity_bytes);
}

static void reserved_room_does_not_show_in_the_size(void **state)
{
    const struct dfs_disk_op op = {.verb = DFS_DISK_CREATE, .name = "big", .length = 1000000};
    char full[128];
    struct stat stat_buf;

    (void)state;
    assert_int_equal(carry_out(&op), DFS_OK);
    (void)snprintf(full, sizeof full, "%s/big", path);
    assert_int_equal(stat(full, &stat_buf), 0);
    assert_int_equal(stat_buf.st_size, 0);
    assert_true(stat_buf.st_blocks * 512 >= 1000000 || stat_buf.st_blocks == 0);
}

static void more_than_there_is_is_no_space(void **state)
{
    const struct dfs_disk_op op = {.verb = DFS_DISK_CREATE, .name = "huge", .length = UINT64_C(1) << 42};

    (void)state;
    assert_int_equal(verb(DFS_DISK_SPACE, NULL, NULL), DFS_OK);
    if (toy.done.capacity_bytes >= op.length)
        skip();
    if (carry_out(&op) == DFS_OK)
        skip();                                                                /* a file system that cannot reserve */
    assert_true(toy.done.status == DFS_NO_SPACE || toy.done.status == DFS_IO); /* IO: larger than any file may be */
    assert_int_equal(verb(DFS_DISK_LIST, NULL, NULL), DFS_OK);
    assert_int_equal(toy.done.count, 0);
}

/* All submitted at once: the order of submission holds on the name, so each does what it would do alone. */
static void operations_on_a_name_keep_their_order(void **state)
{
    struct dfs_buf *out = dfs_buf_new(&toy.pool, 1000000);
    struct dfs_buf *in = dfs_buf_new(&toy.pool, 1000000);
    unsigned before;

    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        before = toy.seen[DFS_EV_DISK];
        memset(out->bytes, (int)round, 1000000);
        memset(in->bytes, 0xff, 1000000);
        submit(&(struct dfs_disk_op){.verb = DFS_DISK_CREATE, .name = "t"});
        for (unsigned i = 0; i < 10; i++)
            submit(&(struct dfs_disk_op){.verb = DFS_DISK_WRITE,
                                         .name = "t",
                                         .buf = out,
                                         .buf_offset = i * 100000,
                                         .offset = i * 100000,
                                         .length = 100000});
        submit(&(struct dfs_disk_op){.verb = DFS_DISK_PUBLISH, .name = "t", .name2 = "u"});
        for (unsigned i = 0; i < 4; i++)
            submit(&(struct dfs_disk_op){.verb = DFS_DISK_READ,
                                         .name = "u",
                                         .buf = in,
                                         .buf_offset = i * 250000,
                                         .offset = i * 250000,
                                         .length = 250000});
        submit(&(struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = "u"});
        wait_for(before + 17);
        assert_int_equal(toy.done.status, DFS_OK);
        assert_memory_equal(in->bytes, out->bytes, 1000000);
    }
    dfs_buf_unref(in);
    dfs_buf_unref(out);
}

static void a_later_write_lies_over_an_earlier_one(void **state)
{
    struct dfs_buf *bufs[20];
    const unsigned before = toy.seen[DFS_EV_DISK];
    char text[64];

    (void)state;
    submit(&(struct dfs_disk_op){.verb = DFS_DISK_CREATE, .name = "t"});
    for (unsigned i = 0; i < 20; i++) {
        bufs[i] = dfs_buf_new(&toy.pool, 512);
        (void)snprintf((char *)bufs[i]->bytes, 512, "%05u", i);
        submit(&(struct dfs_disk_op){.verb = DFS_DISK_WRITE, .name = "t", .buf = bufs[i], .length = 5});
    }
    wait_for(before + 21);
    assert_int_equal(read_text("t", 0, text, 50), DFS_OK);
    assert_string_equal(text, "00019");
    for (unsigned i = 0; i < 20; i++)
        dfs_buf_unref(bufs[i]);
}

static void directory_syncs_are_all_answered(void **state)
{
    const unsigned before = toy.seen[DFS_EV_DISK];

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        submit(&(struct dfs_disk_op){.verb = DFS_DISK_SYNC_DIR, .token = i});
        if (i % 100 == 0)
            toy_turn(&toy, NULL, NULL);
    }
    wait_for(before + 500);
    assert_int_equal(toy.done.status, DFS_OK);
}

/* More names than descriptors are kept for; each is read twice. */
static void many_files_are_read_with_few_descriptors(void **state)
{
    char name[32];
    char text[64];

    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        (void)snprintf(name, sizeof name, "f%u", i);
        assert_int_equal(verb(DFS_DISK_CREATE, name, NULL), DFS_OK);
        assert_int_equal(write_text(name, 0, name), DFS_OK);
        assert_int_equal(verb(DFS_DISK_FORGET, name, NULL), DFS_OK);
    }
    for (unsigned i = 0; i < 1200; i++) {
        (void)snprintf(name, sizeof name, "f%u", i % 600);
        assert_int_equal(read_text(name, 0, text, 50), DFS_OK);
        assert_string_equal(text, name);
    }
}

/* Somebody removed the file by hand: a kept descriptor must not serve what the disk does not have. */
static void a_file_removed_behind_our_back_is_gone(void **state)
{
    char full[128];
    char text[64];

    (void)state;
    assert_int_equal(verb(DFS_DISK_CREATE, "a", NULL), DFS_OK);
    assert_int_equal(write_text("a", 0, "old"), DFS_OK);
    assert_int_equal(verb(DFS_DISK_FORGET, "a", NULL), DFS_OK);
    assert_int_equal(read_text("a", 0, text, 50), DFS_OK);
    (void)snprintf(full, sizeof full, "%s/a", path);
    assert_int_equal(unlink(full), 0);
    assert_int_equal(read_text("a", 0, text, 50), DFS_NOT_FOUND);
    assert_int_equal(verb(DFS_DISK_CREATE, "a", NULL), DFS_OK);
    assert_int_equal(write_text("a", 0, "new"), DFS_OK);
    assert_int_equal(read_text("a", 0, text, 50), DFS_OK);
    assert_string_equal(text, "new");
}

static void a_disk_has_one_process(void **state)
{
    static struct toy second;
    struct dfs_real_config config;
    char words[DFS_WORDS_BYTES_MAX] = "";

    (void)state;
    config = disk_config();
    assert_int_equal(toy_try(&second, &config, words), DFS_IO);
    assert_non_null(strstr(words, "in use"));
    config.disk_directory = "/does/not/exist";
    assert_int_equal(toy_try(&second, &config, words), DFS_IO);
    assert_non_null(strstr(words, "/does/not/exist"));
}

static void what_is_unpublished_stays_for_the_next_life(void **state)
{
    struct dfs_real_config config;

    (void)state;
    assert_int_equal(verb(DFS_DISK_CREATE, "x.tmp", NULL), DFS_OK);
    assert_int_equal(write_text("x.tmp", 0, "half"), DFS_OK);
    toy_stop(&toy);
    config = disk_config();
    toy_start(&toy, &config);
    assert_int_equal(verb(DFS_DISK_LIST, NULL, NULL), DFS_OK);
    assert_string_equal(toy.names, "x.tmp:4 ");
    assert_int_equal(write_text("x.tmp", 4, "?"), DFS_NOT_FOUND);
    assert_int_equal(verb(DFS_DISK_REMOVE, "x.tmp", NULL), DFS_OK);
}

static void the_end_waits_for_what_runs(void **state)
{
    struct dfs_buf *buf = dfs_buf_new(&toy.pool, 1000000);

    (void)state;
    submit(&(struct dfs_disk_op){.verb = DFS_DISK_CREATE, .name = "t"});
    for (unsigned i = 0; i < 20; i++)
        submit(&(struct dfs_disk_op){
            .verb = DFS_DISK_WRITE, .name = "t", .buf = buf, .offset = i * 1000000, .length = 1000000});
    submit(&(struct dfs_disk_op){.verb = DFS_DISK_SYNC, .name = "t"});
    submit(&(struct dfs_disk_op){.verb = DFS_DISK_SYNC_DIR});
    dfs_real_end(toy.real);
    assert_int_equal(toy.seen[DFS_EV_DISK], 0); /* no events after the end, and nobody touches buf */
    dfs_buf_unref(buf);
}

static void a_failing_disk_says_what_where_and_why(void **state)
{
    char full[128];
    char text[64];

    (void)state;
    (void)snprintf(full, sizeof full, "%s/directory", path);
    assert_int_equal(mkdir(full, 0700), 0);
    assert_int_equal(read_text("directory", 0, text, 5), DFS_IO);
    assert_string_equal(toy.log, "disk: read directory: Is a directory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_written_synced_published_and_read),
        TEST(creating_is_exclusive),
        TEST(publishing_never_replaces),
        TEST(removing),
        TEST(listing_is_in_byte_order),
        TEST(space_is_what_we_may_use),
        TEST(reserved_room_does_not_show_in_the_size),
        TEST(more_than_there_is_is_no_space),
        TEST(operations_on_a_name_keep_their_order),
        TEST(a_later_write_lies_over_an_earlier_one),
        TEST(directory_syncs_are_all_answered),
        TEST(many_files_are_read_with_few_descriptors),
        TEST(a_file_removed_behind_our_back_is_gone),
        TEST(a_disk_has_one_process),
        TEST(what_is_unpublished_stays_for_the_next_life),
        TEST(the_end_waits_for_what_runs),
        TEST(a_failing_disk_says_what_where_and_why),
    };

    return cmocka_run_group_tests_name("net_real/disk", tests, set_up_group, tear_down_group);
}

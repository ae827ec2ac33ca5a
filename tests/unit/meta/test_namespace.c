/* Paths, versions and trash; and that assignments end in one state however often they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/list.h"
#include "core/meta/namespace.h"

static struct meta_namespace ns;

static int set_up(void **state)
{
    (void)state;
    meta_namespace_init(&ns, 7);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_true(meta_namespace_is_sound(&ns));
    meta_namespace_close(&ns);
    assert_int_equal(meta_namespace_bytes(&ns), 0);
    return 0;
}

static struct dfs_id id_of(unsigned number)
{
    struct dfs_id id = {{0}};

    id.bytes[14] = (uint8_t)(number >> 8);
    id.bytes[15] = (uint8_t)number;
    return id;
}

static struct meta_version *file(unsigned number)
{
    const struct dfs_id id = id_of(number);

    return meta_namespace_file(&ns, &id);
}

static struct meta_version *add(unsigned number)
{
    const struct dfs_id id = id_of(number);

    return meta_namespace_add(&ns, &id, number);
}

static void place(struct meta_version *version, const char *path, uint64_t number)
{
    meta_namespace_place(&ns, version, path, strlen(path), number);
}

static void trash(struct meta_version *version, const char *path, uint64_t removed_ms)
{
    meta_namespace_trash(&ns, version, path, strlen(path), version->version, removed_ms, removed_ms * DFS_MILLISECONDS);
}

/* What may expire next behind this one (NULL: first). */
static const struct meta_trash *due_after(const struct meta_trash *last)
{
    const struct meta_trash *next = NULL;

    for (size_t i = 0; i < ns.due.count; i++) {
        const struct meta_trash *at = dfs_container_of_const(ns.due.entries[i].item, struct meta_trash, by_due);

        if ((last == NULL || at->due > last->due) && (next == NULL || at->due < next->due))
            next = at;
    }
    return next;
}

/* "a=2 b=3 a~1": current versions in the order of paths, then the trash, the oldest removal first. */
static const char *dump(void)
{
    static char text[4096];
    size_t at = 0;

    text[0] = '\0';
    for (const struct meta_path *path = meta_namespace_seek(&ns, "", 0, false); path != NULL;
         path = meta_namespace_next(&ns, path))
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s=%llu", at == 0 ? "" : " ", (int)path->text_bytes,
                               path->text, (unsigned long long)meta_path_current(&ns, path)->version);
    const struct meta_trash *trash = NULL;

    while ((trash = due_after(trash)) != NULL) {
        const struct meta_version *version = meta_version_at(&ns, trash->version);
        const struct meta_path *path = meta_version_path(&ns, version);

        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s~%llu", at == 0 ? "" : " ", (int)path->text_bytes,
                               path->text, (unsigned long long)version->version);
    }
    return text;
}

static void paths_are_utf8_without_traps(void **state)
{
    static const struct {
        const char *path;
        bool ok;
    } cases[] = {
        {"a", true},
        {"a/b", true},
        {"a b/c.d", true},
        {"...", true},
        {"a/.b", true},
        {"\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x98\x80", true},
        {"", false},
        {"/a", false},
        {"a/", false},
        {"a//b", false},
        {".", false},
        {"..", false},
        {"a/./b", false},
        {"a/..", false},
        {"../a", false},
        {"/", false},
        {"a\nb", false},
        {"a\x7f", false},
        {"\xff", false},
        {"\xc0\xaf", false},
        {"\xe0\x80\xaf", false},
        {"\xed\xa0\x80", false},
        {"\xf4\x90\x80\x80", false},
        {"\xc3", false},
        {"a\xe2\x82", false},
        {"\x80", false},
    };
    char longest[DFS_PATH_BYTES_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (meta_path_is_valid(cases[i].path, strlen(cases[i].path)) != cases[i].ok)
            fail_msg("case %zu: \"%s\"", i, cases[i].path);
    }
    assert_false(meta_path_is_valid("a\0b", 3));
    memset(longest, 'x', sizeof longest);
    assert_true(meta_path_is_valid(longest, DFS_PATH_BYTES_MAX));
    assert_false(meta_path_is_valid(longest, DFS_PATH_BYTES_MAX + 1));
}

static void a_flat_namespace_may_have_a_and_a_slash_b(void **state)
{
    (void)state;
    place(add(1), "a/b", 1);
    place(add(2), "a", 2);
    place(add(3), "a-", 3);
    assert_string_equal(dump(), "a=2 a-=3 a/b=1");
    assert_int_equal(meta_namespace_current(&ns, "a", 1)->version, 2);
    assert_null(meta_namespace_current(&ns, "a/", 2));
    assert_int_equal(ns.sequence, 3);
}

static void a_replaced_version_waits_in_the_trash_and_comes_back(void **state)
{
    struct meta_version *one = add(1);
    struct meta_version *two;

    (void)state;
    place(one, "p", 1);
    trash(one, "p", 100);
    two = add(2);
    place(two, "p", 2);
    assert_string_equal(dump(), "p=2 p~1");
    assert_ptr_equal(meta_namespace_version(&ns, "p", 1, 1), one);
    assert_ptr_equal(meta_namespace_version(&ns, "p", 1, 2), two);
    assert_null(meta_namespace_version(&ns, "p", 1, 3));
    one->file.flags |= META_FILE_EXPIRING;
    assert_null(meta_namespace_version(&ns, "p", 1, 1));
    one->file.flags &= (uint8_t)~META_FILE_EXPIRING;

    trash(two, "p", 200);
    assert_string_equal(dump(), "p~1 p~2");
    assert_null(meta_namespace_current(&ns, "p", 1));
    assert_non_null(meta_namespace_path(&ns, "p", 1));
    place(one, "p", 3);
    assert_string_equal(dump(), "p=3 p~2");
    assert_int_equal(one->serial, 1);

    meta_namespace_drop(&ns, two);
    meta_namespace_drop(&ns, one);
    assert_null(meta_namespace_path(&ns, "p", 1));
    assert_null(file(1));
    assert_int_equal(ns.versions.count + ns.trash.count + ns.paths.index.count, 0);
}

static void a_move_frees_the_old_path(void **state)
{
    struct meta_version *one = add(1);

    (void)state;
    place(one, "from", 1);
    place(one, meta_version_path(&ns, one)->text, 2); /* its own path's memory as the argument */
    place(one, "to", 3);
    assert_string_equal(dump(), "to=3");
    assert_null(meta_namespace_path(&ns, "from", 4));
    trash(one, "to", 1);
    trash(one, "to", 1); /* told twice */
    assert_int_equal(ns.trash.count, 1);
    trash(one, "elsewhere", 2);
    assert_string_equal(dump(), "elsewhere~3");
    assert_null(meta_namespace_path(&ns, "to", 2));
}

/* A checkpoint is read in the order of files, not of removals. */
static void what_is_due_first_expires_first_in_whatever_order_it_was_told(void **state)
{
    struct meta_version *versions[3] = {add(1), add(2), add(3)};
    static const uint64_t removed_ms[3] = {300, 100, 200};

    (void)state;
    assert_null(meta_namespace_due(&ns));
    for (unsigned i = 0; i < 3; i++)
        trash(versions[i], "p", removed_ms[i]);
    assert_int_equal(meta_namespace_due(&ns)->version, versions[1]->number);
    meta_namespace_expiring(&ns, versions[1]);
    assert_int_equal(meta_namespace_due(&ns)->version, versions[2]->number);
    place(versions[2], "q", 4);
    assert_int_equal(meta_namespace_due(&ns)->version, versions[0]->number);
    meta_namespace_drop(&ns, versions[1]);
    meta_namespace_drop(&ns, versions[0]);
    assert_null(meta_namespace_due(&ns));
}

static void after_a_replay_the_trash_of_a_path_is_in_the_order_of_removal(void **state)
{
    static const struct {
        uint64_t version;
        uint64_t removed_ms;
    } told[] = {{5, 50}, {2, 20}, {9, 90}, {4, 20}, {7, 70}};
    static const uint64_t expected[] = {9, 7, 5, 4, 2};
    unsigned i = 0;

    (void)state;
    for (; i < 5; i++) {
        struct meta_version *version = add(i + 1);

        version->version = told[i].version;
        trash(version, "p", told[i].removed_ms);
    }
    place(add(6), "q", 10);
    meta_namespace_replayed(&ns);
    assert_true(meta_namespace_is_sound(&ns));
    i = 0;
    for (meta_trash_no no = meta_namespace_path(&ns, "p", 1)->trash; no != 0; no = meta_trash_at(&ns, no)->older)
        assert_int_equal(meta_version_at(&ns, meta_trash_at(&ns, no)->version)->version, expected[i++]);
    assert_int_equal(i, 5);
    meta_namespace_replayed(&ns); /* it stays so */
    assert_true(meta_namespace_is_sound(&ns));
}

static void seeking_finds_the_neighbours(void **state)
{
    (void)state;
    place(add(1), "b", 1);
    place(add(2), "d", 2);
    assert_string_equal(meta_namespace_seek(&ns, "", 0, false)->text, "b");
    assert_memory_equal(meta_namespace_seek(&ns, "b", 1, false)->text, "b", 1);
    assert_memory_equal(meta_namespace_seek(&ns, "b", 1, true)->text, "d", 1);
    assert_memory_equal(meta_namespace_seek(&ns, "c", 1, true)->text, "d", 1);
    assert_null(meta_namespace_seek(&ns, "d", 1, true));
    assert_null(meta_namespace_seek(&ns, "e", 1, false));
}

/* A history of assignments, of which a checkpoint may have seen any mixture of moments. */
struct assignment {
    unsigned file;
    const char *path;
    bool current;
    uint64_t number;
};

static void assign(const struct assignment *a)
{
    struct meta_version *version = file(a->file);

    if (version == NULL)
        version = add(a->file);
    version->version = a->number;
    if (a->current)
        place(version, a->path, a->number);
    else
        trash(version, a->path, a->number);
}

/* As checkpoints do it: each file as it was at some moment after the beginning, in the order of moments;
 * then the whole history. */
static void any_mixture_of_moments_and_the_history_end_alike(void **state)
{
    static const struct assignment history[] = {
        {1, "a", true, 1},  {2, "b", true, 2},                     /* before the checkpoint begins */
        {2, "b", false, 2}, {1, "b", true, 3},                     /* a is moved over b */
        {3, "a", true, 4},  {3, "a", false, 4}, {2, "b", true, 0}, /* put; removed; ... */
        {1, "b", false, 3}, {2, "b", true, 5},                     /* b is restored */
        {2, "c", true, 6},  {3, "c", true, 7},  {2, "c", false, 6},
    };
    enum { BEGIN = 2, END = sizeof history / sizeof history[0] };
    char expected[256];

    (void)state;
    for (unsigned i = 0; i < END; i++) {
        if (history[i].number != 0)
            assign(&history[i]);
    }
    (void)snprintf(expected, sizeof expected, "%s", dump());
    for (unsigned seen1 = BEGIN; seen1 <= END; seen1++) {
        for (unsigned seen2 = seen1; seen2 <= END; seen2++) {
            const unsigned moments[2] = {seen1, seen2};

            meta_namespace_close(&ns);
            meta_namespace_init(&ns, 7);
            for (unsigned f = 1; f <= 2; f++) {
                const struct assignment *last = NULL;

                for (unsigned i = 0; i < moments[f - 1]; i++) {
                    if (history[i].file == f && history[i].number != 0)
                        last = &history[i];
                }
                assign(last);
            }
            for (unsigned i = BEGIN; i < END; i++) {
                if (history[i].number != 0)
                    assign(&history[i]);
            }
            assert_true(meta_namespace_is_sound(&ns));
            /* The trash may be in another order; what is current where may not. */
            assert_int_equal(strlen(dump()), strlen(expected));
            assert_memory_equal(dump(), expected, strlen("c=7"));
        }
    }
}

/* A checkpoint saw two files at one path, at two moments; then the history takes the one away that was seen later. */
static void two_files_met_at_one_path_in_a_replay_part_again(void **state)
{
    struct meta_version *one = add(1);
    struct meta_version *two = add(2);

    (void)state;
    place(one, "a", 1);
    place(two, "a", 3);
    place(two, "b", 2); /* an older place of it, told again */
    place(one, "c", 4);
    place(two, "a", 3);
    assert_string_equal(dump(), "a=3 c=4");
    assert_true(meta_namespace_is_sound(&ns));
}

static void thousands_of_random_changes_keep_it_sound(void **state)
{
    uint32_t random = 1;
    unsigned files = 0;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        char path[16];
        unsigned number;

        random = random * 1664525 + 1013904223;
        (void)snprintf(path, sizeof path, "%u/%u", random >> 28, random >> 24 & 15);
        number = files == 0 ? 0 : (random >> 8) % files + 1;
        struct meta_version *version = number == 0 ? NULL : file(number);
        struct meta_version *current = meta_namespace_current(&ns, path, strlen(path));

        switch (random >> 4 & 3) {
        case 0:
            version = add(++files);
            break;
        case 1:
            if (version != NULL)
                meta_namespace_drop(&ns, version);
            continue;
        case 2:
            if (version != NULL)
                trash(version, path, i);
            continue;
        default:
            break;
        }
        if (version == NULL)
            continue;
        if (current != NULL && current != version)
            trash(current, path, i);
        place(version, path, ns.sequence + 1);
        if (i % 1000 == 0)
            assert_true(meta_namespace_is_sound(&ns));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_are_utf8_without_traps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flat_namespace_may_have_a_and_a_slash_b, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_replaced_version_waits_in_the_trash_and_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_move_frees_the_old_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_due_first_expires_first_in_whatever_order_it_was_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(after_a_replay_the_trash_of_a_path_is_in_the_order_of_removal, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(seeking_finds_the_neighbours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_mixture_of_moments_and_the_history_end_alike, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_files_met_at_one_path_in_a_replay_part_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(thousands_of_random_changes_keep_it_sound, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

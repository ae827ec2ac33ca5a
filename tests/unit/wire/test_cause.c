/* Causes: each name is known once, lists are walked to their end. */
#include "tests/unit/base/check.h"

#include "core/wire/cause.h"
#include "core/wire/message.h"

static void messages_statuses_and_the_list_are_found(void **state)
{
    enum dfs_cause_kind kind = DFS_CAUSE_KIND_COUNT;
    const char *words = "";

    (void)state;
    assert_true(dfs_cause_find("put_plan", &kind, &words));
    assert_int_equal(kind, DFS_CAUSE_MESSAGE);
    assert_null(words);
    assert_true(dfs_cause_find("NO_SPACE", &kind, &words));
    assert_int_equal(kind, DFS_CAUSE_STATUS);
    assert_null(words);
    assert_true(dfs_cause_find("timeout", &kind, &words));
    assert_int_equal(kind, DFS_CAUSE_TIMER);
    assert_string_equal(words, "reached its deadline");
    assert_false(dfs_cause_find("PUT_PLAN", &kind, NULL));
    assert_false(dfs_cause_find("weather", &kind, NULL));
    assert_string_equal(dfs_cause_of_message(DFS_MSG_INVENTORY_END), "inventory_end");
    assert_string_equal(dfs_cause_kind_name(DFS_CAUSE_LOCAL), "local file");
}

/* "status" would be both a message and a word of ours: the message comes first. No other name may be two things. */
static void no_name_of_the_list_is_a_message_or_a_status(void **state)
{
    static const char *const names[] = {
#define X(KIND, name, words) #name,
        DFS_CAUSE_MAP(X)
#undef X
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        enum dfs_cause_kind kind = DFS_CAUSE_KIND_COUNT;
        const char *words = NULL;

        assert_true(dfs_cause_find(names[i], &kind, &words));
        assert_non_null(words);
        assert_true(strlen(names[i]) < DFS_CAUSE_BYTES);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    }
}

static void a_list_is_walked_to_its_end(void **state)
{
    char name[DFS_CAUSE_BYTES];
    const char *rest = dfs_cause_next("join heartbeat closed", name);

    (void)state;
    assert_string_equal(name, "join");
    rest = dfs_cause_next(rest, name);
    assert_string_equal(name, "heartbeat");
    rest = dfs_cause_next(rest, name);
    assert_string_equal(name, "closed");
    assert_null(rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_statuses_and_the_list_are_found),
        cmocka_unit_test(no_name_of_the_list_is_a_message_or_a_status),
        cmocka_unit_test(a_list_is_walked_to_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

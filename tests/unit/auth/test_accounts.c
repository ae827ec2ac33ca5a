/* Users: their names, scopes and passwords, in memory and as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/auth/accounts.h"

#include <stdio.h>
#include <string.h>

static const uint8_t salt[DFS_SALT_BYTES] = {1, 2, 3};

static void add(struct dfs_accounts *accounts, const char *user)
{
    const char *words = NULL;

    assert_int_equal(dfs_accounts_set(accounts, user, "secret", "rw:/", 16, salt, 100, &words), DFS_OK);
}

static bool check(const struct dfs_accounts *accounts, const char *user, const char *password)
{
    return dfs_account_check(dfs_accounts_find(accounts, user, strlen(user)), password, strlen(password), 16);
}

static void accounts_are_found_whatever_the_order_of_their_making(void **state)
{
    struct dfs_accounts accounts = {0};
    char user[16];

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(user, sizeof user, "u%u", i * 37 % 100);
        add(&accounts, user);
    }
    for (unsigned i = 0; i < 100; i++) {
        snprintf(user, sizeof user, "u%u", i);
        assert_non_null(dfs_accounts_find(&accounts, user, strlen(user)));
        if (i > 0)
            assert_true(strcmp(accounts.all[i - 1].user, accounts.all[i].user) < 0);
    }
    assert_null(dfs_accounts_find(&accounts, "u100", 4));
    assert_null(dfs_accounts_find(&accounts, "", 0));
    assert_int_equal(dfs_accounts_remove(&accounts, "u50"), DFS_OK);
    assert_int_equal(dfs_accounts_remove(&accounts, "u50"), DFS_NOT_FOUND);
    assert_int_equal(accounts.count, 99);
    dfs_accounts_close(&accounts);
}

static void only_the_right_password_is_right(void **state)
{
    struct dfs_accounts accounts = {0};

    (void)state;
    add(&accounts, "ann");
    assert_true(check(&accounts, "ann", "secret"));
    assert_false(check(&accounts, "ann", "secret "));
    assert_false(check(&accounts, "ann", ""));
    assert_false(check(&accounts, "bob", "secret"));
    accounts.all[0].disabled = true;
    assert_false(check(&accounts, "ann", "secret"));
    dfs_accounts_close(&accounts);
}

static void cost_and_salt_make_the_hash(void **state)
{
    const uint8_t nothing[DFS_SALT_BYTES] = {0};
    struct dfs_accounts accounts = {0};
    const char *words = NULL;

    (void)state;
    assert_int_equal(dfs_accounts_set(&accounts, "a", "secret", "r:/", 16, salt, 1, &words), DFS_OK);
    assert_int_equal(dfs_accounts_set(&accounts, "b", "secret", "r:/", 32, salt, 1, &words), DFS_OK);
    assert_int_equal(dfs_accounts_set(&accounts, "c", "secret", "r:/", 16, nothing, 1, &words), DFS_OK);
    assert_memory_not_equal(accounts.all[0].hash, accounts.all[1].hash, DFS_SCRYPT_BYTES);
    assert_memory_not_equal(accounts.all[0].hash, accounts.all[2].hash, DFS_SCRYPT_BYTES);
    dfs_accounts_close(&accounts);
}

static void a_copy_lives_apart(void **state)
{
    struct dfs_accounts accounts = {0};
    struct dfs_accounts copy;
    const char *words = NULL;

    (void)state;
    add(&accounts, "ann");
    dfs_accounts_copy(&accounts, &copy);
    assert_int_equal(dfs_accounts_set(&copy, "ann", NULL, "r:/", 16, salt, 100, &words), DFS_OK);
    add(&copy, "bob");
    assert_string_equal(accounts.all[0].scope, "rw:/");
    assert_int_equal(accounts.count, 1);
    dfs_accounts_close(&accounts);
    assert_true(check(&copy, "ann", "secret"));
    dfs_accounts_close(&copy);
}

static void text_and_back(void **state)
{
    struct dfs_accounts accounts = {0};
    struct dfs_accounts back = {0};
    struct dfs_lines lines = {0};

    (void)state;
    add(&accounts, "bob");
    add(&accounts, "ann@example.org");
    dfs_accounts_write(&accounts, &lines);
    assert_int_equal(dfs_accounts_read(lines.text, lines.count, &back), DFS_OK);
    assert_int_equal(back.count, 2);
    assert_string_equal(back.all[0].user, "ann@example.org");
    assert_int_equal(back.all[1].since_s, 100);
    assert_true(check(&back, "bob", "secret"));
    dfs_accounts_close(&accounts);
    dfs_accounts_close(&back);
    dfs_lines_close(&lines);
}

static void lines_that_are_no_accounts(void **state)
{
#define TAIL \
    "\"n\":16,\"r\":8,\"p\":1,\"salt\":\"00112233445566778899aabbccddeeff\"," \
    "\"hash\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"}\n"
    static const char *const bad[] = {
        "{\"user\":\"ann\",\"scope\":\"rw:/\"}\n",
        "{\"user\":\"a nn\",\"scope\":\"rw:/\"," TAIL,
        "{\"user\":\"ann\",\"scope\":\"everything\"," TAIL,
        "{\"user\":7,\"scope\":\"rw:/\"," TAIL,
        "{\"user\":\"bob\",\"scope\":\"rw:/\"," TAIL "{\"user\":\"ann\",\"scope\":\"rw:/\"," TAIL,
        "{\"user\":\"ann\",\"scope\":\"rw:/\"," TAIL "{\"user\":\"ann\",\"scope\":\"rw:/\"," TAIL,
        "{\"user\":\"ann\",\"scope\":\"rw:/\",\"n\":17,\"r\":8,\"p\":1,\"salt\":\"00112233445566778899aabbccddeeff\",\"hash\":\"00\"}\n",
        "{\"user\":\"ann\",\"scope\":\"rw:/\"," TAIL "rubbish",
        "rubbish\n",
    };
    static const char good[] = "{\"user\":\"ann\",\"scope\":\"rw:/\",\"later\":[]"
                               "," TAIL;
    static const char newer[] = "{\"user\":\"ann\",\"scope\":\"rw:/\",\"later\":true," TAIL;
    struct dfs_accounts accounts = {0};
    char text[1024];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "%s", bad[i]);
        if (dfs_accounts_read(text, strlen(bad[i]), &accounts) != DFS_BAD_CONFIG)
            fail_msg("line %u was taken", (unsigned)i);
        assert_int_equal(accounts.count, 0);
    }
    snprintf(text, sizeof text, "%s", good);
    assert_int_equal(dfs_accounts_read(text, strlen(good), &accounts), DFS_BAD_CONFIG); /* lists are not of this form */
    snprintf(text, sizeof text, "%s", newer);
    assert_int_equal(dfs_accounts_read(text, strlen(newer), &accounts), DFS_OK); /* a member of a later version */
    assert_int_equal(accounts.count, 1);
    dfs_accounts_close(&accounts);
#undef TAIL
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_are_found_whatever_the_order_of_their_making),
        cmocka_unit_test(only_the_right_password_is_right),
        cmocka_unit_test(cost_and_salt_make_the_hash),
        cmocka_unit_test(a_copy_lives_apart),
        cmocka_unit_test(text_and_back),
        cmocka_unit_test(lines_that_are_no_accounts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

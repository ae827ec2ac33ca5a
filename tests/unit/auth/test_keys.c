/* Signing keys: made, settled, retired, gone. */
#include "tests/unit/auth/forge.h"

#include "core/auth/token_jwt.h"

#include <stdlib.h>

#define LIFETIME_S 600

static void rotate(struct dfs_signing_keys *keys, uint8_t number, uint64_t now_s)
{
    const uint8_t random[DFS_KEY_KID_RANDOM_BYTES] = {number};

    assert_int_equal(dfs_signing_keys_rotate(keys, random, now_s, LIFETIME_S), DFS_OK);
}

static void a_new_key_signs_when_it_has_settled(void **state)
{
    struct dfs_signing_keys keys = {.count = 0};

    (void)state;
    rotate(&keys, 1, 1000);
    assert_string_equal(dfs_signing_keys_signer(&keys, 1000)->kid, "0100000000000000"); /* the first at once */
    rotate(&keys, 2, 2000);
    assert_string_equal(dfs_signing_keys_signer(&keys, 2000)->kid, "0100000000000000");
    assert_string_equal(dfs_signing_keys_signer(&keys, 2000 + DFS_KEY_SETTLE_S)->kid, "0200000000000000");
    assert_string_equal(dfs_signing_keys_signer(&keys, 500)->kid, "0100000000000000"); /* a clock that was set back */
    dfs_signing_keys_close(&keys);
}

static void the_old_key_verifies_until_its_last_token_has_run_out(void **state)
{
    struct dfs_signing_keys keys = {.count = 0};
    const uint64_t last_signed = 2000 + DFS_KEY_SETTLE_S;

    (void)state;
    rotate(&keys, 1, 1000);
    rotate(&keys, 2, 2000);
    assert_true(dfs_signing_key_is_live(&keys.all[0], last_signed + LIFETIME_S, LIFETIME_S));
    assert_true(dfs_signing_key_is_live(&keys.all[0], last_signed + LIFETIME_S + DFS_KEY_KEEP_S - 1, LIFETIME_S));
    assert_false(dfs_signing_key_is_live(&keys.all[0], last_signed + LIFETIME_S + DFS_KEY_KEEP_S, LIFETIME_S));
    assert_true(dfs_signing_key_is_live(&keys.all[1], UINT64_MAX, LIFETIME_S));
    rotate(&keys, 3, last_signed + LIFETIME_S + DFS_KEY_KEEP_S);
    assert_int_equal(keys.count, 2); /* the first is gone */
    dfs_signing_keys_close(&keys);
}

static void eight_keys_overlap_at_most(void **state)
{
    struct dfs_signing_keys keys = {.count = 0};
    const uint8_t random[DFS_KEY_KID_RANDOM_BYTES] = {9};

    (void)state;
    for (uint8_t i = 0; i < DFS_TOKEN_KEYS_MAX; i++)
        rotate(&keys, i, 1000 + i);
    assert_int_equal(dfs_signing_keys_rotate(&keys, random, 1010, LIFETIME_S), DFS_RATE_LIMITED);
    assert_int_equal(keys.count, DFS_TOKEN_KEYS_MAX);
    dfs_signing_keys_close(&keys);
}

static void text_and_back(void **state)
{
    struct dfs_signing_keys keys = {.count = 0};
    struct dfs_signing_keys back = {.count = 0};
    struct dfs_lines lines = {0};

    (void)state;
    rotate(&keys, 1, 1000);
    rotate(&keys, 2, 2000);
    dfs_signing_keys_write(&keys, &lines);
    assert_int_equal(dfs_signing_keys_read(lines.text, lines.count, &back), DFS_OK);
    assert_int_equal(back.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(back.all[i].kid, keys.all[i].kid);
        assert_string_equal(back.all[i].private_pem, keys.all[i].private_pem);
        assert_string_equal(back.all[i].public_pem, keys.all[i].public_pem); /* derived again */
        assert_int_equal(back.all[i].created_s, keys.all[i].created_s);
        assert_int_equal(back.all[i].retired_s, keys.all[i].retired_s);
        assert_true(dfs_jwt_key_is_public_p256(back.all[i].public_pem, strlen(back.all[i].public_pem)));
    }
    dfs_signing_keys_close(&keys);
    dfs_signing_keys_close(&back);
    dfs_lines_close(&lines);
}

static void lines_that_are_no_keys(void **state)
{
    static const char *const bad[] = {"{}\n",
                                      "{\"kid\":\"a\",\"pem\":\"rubbish\",\"created\":1,\"retired\":0}\n",
                                      "{\"kid\":\"\",\"pem\":\"x\"}\n",
                                      "{\"kid\":\"a\"}",
                                      "{\"pem\":\"x\"}\n",
                                      "x\n"};
    struct dfs_signing_keys keys = {.count = 0};
    struct dfs_lines lines = {0};
    EVP_PKEY *other = EVP_EC_gen("P-384");
    BIO *bio = BIO_new(BIO_s_mem());
    char text[128];
    char *pem = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "%s", bad[i]);
        assert_int_equal(dfs_signing_keys_read(text, strlen(bad[i]), &keys), DFS_BAD_CONFIG);
        assert_int_equal(keys.count, 0);
    }
    PEM_write_bio_PrivateKey(bio, other, NULL, NULL, 0, NULL, NULL);
    const long count = BIO_get_mem_data(bio, &pem);
    char *terminated = calloc(1, (size_t)count + 1);

    memcpy(terminated, pem, (size_t)count);
    dfs_line_begin(&lines);
    dfs_line_text(&lines, "kid", "a");
    dfs_line_text(&lines, "pem", terminated);
    dfs_line_end(&lines);
    assert_int_equal(dfs_signing_keys_read(lines.text, lines.count, &keys), DFS_BAD_CONFIG); /* another curve */
    free(terminated);
    dfs_lines_close(&lines);
    BIO_free(bio);
    EVP_PKEY_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_key_signs_when_it_has_settled),
        cmocka_unit_test(the_old_key_verifies_until_its_last_token_has_run_out),
        cmocka_unit_test(eight_keys_overlap_at_most),
        cmocka_unit_test(text_and_back),
        cmocka_unit_test(lines_that_are_no_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

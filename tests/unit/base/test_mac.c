/* Tags and keys: the vectors of RFC 4231, RFC 5869 and FIPS 180-4, and what a forger would try. */
#include "tests/unit/base/check.h"

#include "core/base/mac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <pthread.h>

static void put_hex(char *text, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * count] = 0;
}

static void check_hex(const uint8_t *bytes, size_t count, const char *expected)
{
    char text[2 * 64 + 1];

    put_hex(text, bytes, count);
    assert_string_equal(text, expected);
}

static void *use_everything(void *argument)
{
    const struct dfs_key key = {{1}};
    struct dfs_mac mac;
    uint8_t tag[DFS_MAC_BYTES];
    uint8_t digest[32];

    (void)argument;
    dfs_sha256("abc", 3, digest);
    dfs_mac_init(&mac, &key);
    dfs_mac_make(&mac, "abc", 3, tag);
    dfs_mac_close(&mac);
    return NULL;
}

/* Must run first: the look-up of the algorithms is what threads could fall over. */
static void threads_may_meet_at_the_first_use(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_everything, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* HMAC fills short keys up with zeros, so the shorter keys of the RFC are keys of ours. */
static void check_tag(const void *key_bytes, size_t key_count, const void *bytes, size_t count, const char *expected)
{
    struct dfs_key key = {{0}};
    struct dfs_mac mac;
    uint8_t tag[DFS_MAC_BYTES];

    memcpy(key.bytes, key_bytes, key_count);
    dfs_mac_init(&mac, &key);
    dfs_mac_make(&mac, bytes, count, tag);
    check_hex(tag, sizeof tag, expected);
    assert_true(dfs_mac_check(&mac, bytes, count, tag));
    dfs_mac_close(&mac);
}

static void the_vectors_of_rfc_4231_hold(void **state)
{
    uint8_t key[25];
    uint8_t bytes[50];

    (void)state;
    memset(key, 0x0b, 20);
    check_tag(key, 20, "Hi There", 8, "b0344c61d8db38535ca8afceaf0bf12b");
    check_tag("Jefe", 4, "what do ya want for nothing?", 28, "5bdcc146bf60754e6a042426089575c7");
    memset(key, 0xaa, 20);
    memset(bytes, 0xdd, 50);
    check_tag(key, 20, bytes, 50, "773ea91e36800e46854db8ebd09181a7");
    for (uint8_t i = 0; i < 25; i++)
        key[i] = (uint8_t)(i + 1);
    memset(bytes, 0xcd, 50);
    check_tag(key, 25, bytes, 50, "82558a389a443c0ea4cc819899f2083a");
    memset(key, 0x0c, 20);
    check_tag(key, 20, "Test With Truncation", 20, "a3b6167473100ee06e0c796c2955552b");
}

static void a_ready_key_serves_any_number_of_messages_of_every_length(void **state)
{
    struct sequence sequence = {10};
    struct dfs_key key;
    struct dfs_mac mac;
    uint8_t bytes[200];

    (void)state;
    draw_bytes(&sequence, key.bytes, sizeof key.bytes);
    draw_bytes(&sequence, bytes, sizeof bytes);
    dfs_mac_init(&mac, &key);
    for (size_t count = 0; count <= sizeof bytes; count++) {
        uint8_t expected[32];
        uint8_t tag[DFS_MAC_BYTES];
        size_t expected_count = 0;

        assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.bytes, sizeof key.bytes, bytes, count,
                                  expected, sizeof expected, &expected_count));
        dfs_mac_make(&mac, bytes, count, tag);
        assert_memory_equal(tag, expected, DFS_MAC_BYTES);
        assert_true(dfs_mac_check(&mac, bytes, count, expected));
    }
    dfs_mac_close(&mac);
}

static void one_wrong_bit_anywhere_is_refused(void **state)
{
    const struct dfs_key key = {{1, 2, 3}};
    const struct dfs_key other_key = {{1, 2, 4}};
    struct dfs_mac mac;
    struct dfs_mac other;
    uint8_t bytes[40] = "forty bytes of something that matters";
    uint8_t tag[DFS_MAC_BYTES];

    (void)state;
    dfs_mac_init(&mac, &key);
    dfs_mac_init(&other, &other_key);
    dfs_mac_make(&mac, bytes, sizeof bytes, tag);
    for (size_t bit = 0; bit < 8 * sizeof tag; bit++) {
        tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(dfs_mac_check(&mac, bytes, sizeof bytes, tag));
        tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(dfs_mac_check(&mac, bytes, sizeof bytes, tag));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_false(dfs_mac_check(&mac, bytes, sizeof bytes - 1, tag));
    assert_false(dfs_mac_check(&other, bytes, sizeof bytes, tag));
    assert_true(dfs_mac_check(&mac, bytes, sizeof bytes, tag));
    dfs_mac_close(&mac);
    dfs_mac_close(&other);
}

static void a_message_may_be_begun_once_for_many(void **state)
{
    const struct dfs_key key = {{5}};
    uint8_t bytes[5 * DFS_MAC_SECTION_BYTES];
    struct sequence sequence = {12};
    struct dfs_mac mac;

    (void)state;
    dfs_mac_init(&mac, &key);
    draw_bytes(&sequence, bytes, sizeof bytes);
    for (size_t before = 0; before < 4; before++) {
        struct dfs_mac_state begun;

        dfs_mac_begin(&mac, &begun);
        dfs_mac_go_on(&begun, bytes, before / 2);
        dfs_mac_go_on(&begun, bytes + before / 2 * DFS_MAC_SECTION_BYTES, before - before / 2);
        for (size_t count = 0; count <= DFS_MAC_SECTION_BYTES + 1; count++) {
            uint8_t expected[DFS_MAC_BYTES];
            uint8_t tag[DFS_MAC_BYTES];

            dfs_mac_make(&mac, bytes, before * DFS_MAC_SECTION_BYTES + count, expected);
            dfs_mac_end(&mac, &begun, before, bytes + before * DFS_MAC_SECTION_BYTES, count, tag);
            assert_memory_equal(tag, expected, sizeof tag);
            assert_true(dfs_mac_end_check(&mac, &begun, before, bytes + before * DFS_MAC_SECTION_BYTES, count, tag));
            tag[count % DFS_MAC_BYTES] ^= 1;
            assert_false(dfs_mac_end_check(&mac, &begun, before, bytes + before * DFS_MAC_SECTION_BYTES, count, tag));
        }
    }
    dfs_mac_close(&mac);
}

static void closing_twice_or_what_was_never_ready_is_harmless(void **state)
{
    const struct dfs_key key = {{0}};
    struct dfs_mac mac = {NULL};

    (void)state;
    dfs_mac_close(&mac);
    dfs_mac_init(&mac, &key);
    dfs_mac_close(&mac);
    dfs_mac_close(&mac);
    assert_null(mac.context);
}

static void make_without_a_key(void)
{
    struct dfs_mac mac = {NULL};
    uint8_t tag[DFS_MAC_BYTES];

    dfs_mac_make(&mac, "", 0, tag);
}

static void a_tag_without_a_key_panics(void **state)
{
    (void)state;
    assert_true(panics(make_without_a_key, "mac->context != NULL"));
}

static void the_vector_of_rfc_5869_without_salt_holds(void **state)
{
    uint8_t secret[22];
    struct dfs_key key;

    (void)state;
    memset(secret, 0x0b, sizeof secret);
    dfs_key_derive(secret, sizeof secret, NULL, 0, &key);
    check_hex(key.bytes, sizeof key.bytes, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

/* libcrypto's own HKDF. */
static void derive_otherwise(uint8_t *secret, size_t secret_bytes, uint8_t *info, size_t info_bytes,
                             uint8_t ret_key[32])
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret, secret_bytes),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, info_bytes),
        OSSL_PARAM_construct_end(),
    };

    assert_int_equal(EVP_KDF_derive(context, ret_key, 32, params), 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
}

static void derived_keys_are_those_of_libcrypto(void **state)
{
    struct sequence sequence = {11};

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        uint8_t secret[100];
        uint8_t info[100];
        uint8_t expected[32];
        const size_t secret_bytes = 1 + draw_below(&sequence, sizeof secret);
        const size_t info_bytes = draw_below(&sequence, sizeof info + 1);
        struct dfs_key key;

        draw_bytes(&sequence, secret, sizeof secret);
        draw_bytes(&sequence, info, sizeof info);
        derive_otherwise(secret, secret_bytes, info, info_bytes, expected);
        dfs_key_derive(secret, secret_bytes, info, info_bytes, &key);
        assert_memory_equal(key.bytes, expected, sizeof expected);
    }
}

static void digests_are_those_of_fips_180_4(void **state)
{
    uint8_t digest[32];

    (void)state;
    dfs_sha256(NULL, 0, digest);
    check_hex(digest, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    dfs_sha256("abc", 3, digest);
    check_hex(digest, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    dfs_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, digest);
    check_hex(digest, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void a_wiped_secret_is_gone_and_its_neighbours_stay(void **state)
{
    uint8_t bytes[] = "a secret between";
    const char expected[] = {'a', ' ', 0, 0, 0, 0, 0, 0, ' ', 'b', 'e', 't', 'w', 'e', 'e', 'n', 0};

    (void)state;
    dfs_wipe(bytes + 2, 6);
    assert_memory_equal(bytes, expected, sizeof bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_may_meet_at_the_first_use),
        cmocka_unit_test(the_vectors_of_rfc_4231_hold),
        cmocka_unit_test(a_ready_key_serves_any_number_of_messages_of_every_length),
        cmocka_unit_test(one_wrong_bit_anywhere_is_refused),
        cmocka_unit_test(a_message_may_be_begun_once_for_many),
        cmocka_unit_test(closing_twice_or_what_was_never_ready_is_harmless),
        cmocka_unit_test(a_tag_without_a_key_panics),
        cmocka_unit_test(the_vector_of_rfc_5869_without_salt_holds),
        cmocka_unit_test(derived_keys_are_those_of_libcrypto),
        cmocka_unit_test(digests_are_those_of_fips_180_4),
        cmocka_unit_test(a_wiped_secret_is_gone_and_its_neighbours_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

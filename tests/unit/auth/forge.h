/* Tokens made by hand, right ones and wrong ones: what an attacker with our public key could write. */
#ifndef DFS_TESTS_UNIT_AUTH_FORGE_H
#define DFS_TESTS_UNIT_AUTH_FORGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/auth/keys.h"
#include "core/auth/token.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#define FORGE_NOW_S UINT64_C(1700000000)
#define FORGE_CLUSTER "6fa459ea-ee8a-4ca4-894e-db77e160355e"

static inline size_t forge_base64url(const void *bytes, size_t count, char *ret_text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *in = bytes;
    uint32_t bits = 0;
    unsigned have = 0;
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        bits = bits << 8 | in[i];
        for (have += 8; have >= 6; have -= 6)
            ret_text[at++] = digits[bits >> (have - 6) & 63];
    }
    if (have > 0)
        ret_text[at++] = digits[bits << (6 - have) & 63];
    ret_text[at] = '\0';
    return at;
}

/* "HEADER.CLAIMS" without a signature. */
static inline size_t forge_unsigned(const char *header, const char *claims, char *ret_text)
{
    size_t at = forge_base64url(header, strlen(header), ret_text);

    ret_text[at++] = '.';
    return at + forge_base64url(claims, strlen(claims), ret_text + at);
}

/* Signed as ES256 says, whatever the header says. */
static inline size_t forge_es256(const char *header, const char *claims, const char *private_pem, char *ret_text)
{
    size_t at = forge_unsigned(header, claims, ret_text);
    BIO *bio = BIO_new_mem_buf(private_pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t der[128];
    uint8_t raw[64];
    size_t der_count = sizeof der;
    const uint8_t *der_at = der;

    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, der, &der_count, (const uint8_t *)ret_text, at), 1);
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der_at, (long)der_count);

    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + 32, 32);
    ECDSA_SIG_free(signature);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    BIO_free(bio);
    ret_text[at++] = '.';
    return at + forge_base64url(raw, sizeof raw, ret_text + at);
}

static inline size_t forge_hs256(const char *header, const char *claims, const char *secret, char *ret_text)
{
    size_t at = forge_unsigned(header, claims, ret_text);
    uint8_t tag[32];
    unsigned count = 0;

    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)ret_text, at, tag, &count);
    ret_text[at++] = '.';
    return at + forge_base64url(tag, count, ret_text + at);
}

/* A bearer whose fingerprint is all `byte`. */
static inline void forge_bearer(uint8_t byte, uint8_t ret_bearer[DFS_FINGERPRINT_BYTES])
{
    memset(ret_bearer, byte, DFS_FINGERPRINT_BYTES);
}

/* What auth would say at FORGE_NOW_S for bearer 7, good for ten minutes. */
static inline struct dfs_claims forge_claims(void)
{
    struct dfs_claims claims = {.issuer = "dfs",
                                .audience = FORGE_CLUSTER,
                                .subject = "ann",
                                .id = "00000000-0000-4000-8000-000000000001",
                                .scope = "rw:/",
                                .issued_s = FORGE_NOW_S,
                                .not_before_s = FORGE_NOW_S,
                                .expires_s = FORGE_NOW_S + 600};

    forge_bearer(7, claims.bearer);
    return claims;
}

/* The same as JSON, with %s-free parts that a test may replace: `cnf` is the whole value of the claim. */
static inline void forge_json(const char *extra, const char *cnf, char *ret_json, size_t room)
{
    snprintf(ret_json, room,
             "{\"iss\":\"dfs\",\"aud\":\"" FORGE_CLUSTER "\",\"sub\":\"ann\",\"jti\":\"1\",\"scope\":\"rw:/\","
             "\"iat\":1700000000,\"nbf\":1700000000,\"exp\":1700000600,\"cnf\":%s%s}",
             cnf, extra);
}

#define FORGE_CNF_7 "{\"x5t#S256\":\"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\"}"

static inline struct dfs_verifier *forge_verifier(const struct dfs_signing_keys *keys, uint32_t cache_max)
{
    const struct dfs_verifier_config config = {
        .issuer = "dfs", .audience = FORGE_CLUSTER, .leeway_s = 30, .cache_max = cache_max};
    struct dfs_verifier *verifier = dfs_verifier_new(&config);
    struct dfs_token_public_key public[DFS_TOKEN_KEYS_MAX];

    for (size_t i = 0; i < keys->count; i++)
    public[i] = (struct dfs_token_public_key){.kid = keys->all[i].kid,
                                              .kid_bytes = strlen(keys->all[i].kid),
                                              .pem = keys->all[i].public_pem,
                                              .pem_bytes = strlen(keys->all[i].public_pem)};
    assert_int_equal(dfs_verifier_set_keys(verifier, public, keys->count), DFS_OK);
    return verifier;
}

static inline void forge_keys(struct dfs_signing_keys *ret_keys, uint8_t first)
{
    const uint8_t random[DFS_KEY_KID_RANDOM_BYTES] = {first, 2, 3, 4, 5, 6, 7, 8};

    *ret_keys = (struct dfs_signing_keys){.count = 0};
    assert_int_equal(dfs_signing_keys_rotate(ret_keys, random, FORGE_NOW_S, 600), DFS_OK);
}

#endif

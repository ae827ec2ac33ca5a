#include "core/auth/token_jwt.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <jwt.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

/* base64url of a SHA-256, without padding (RFC 8705, section 3.1). */
#define THUMBPRINT_CHARS 43

/* The smallest thing that could be a token: a header, a dot, claims, a dot, and 86 characters of signature. */
#define TOKEN_BYTES_MIN 100

/* What failed inside libcrypto stands in the thread's error queue, where the TLS of the same thread would take it for its own. */
static void forget_errors(void)
{
    ERR_clear_error();
}

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Value of a character of base64url, or 64. */
static uint32_t base64url_value(char c)
{
    const char *at = c == '\0' ? NULL : strchr(base64url, c);

    return at == NULL ? 64 : (uint32_t)(at - base64url);
}

static void thumbprint_print(const uint8_t bytes[DFS_FINGERPRINT_BYTES], char ret_text[THUMBPRINT_CHARS + 1])
{
    uint32_t bits = 0;
    unsigned bits_count = 0;
    size_t at = 0;

    for (size_t i = 0; i < DFS_FINGERPRINT_BYTES; i++) {
        bits = bits << 8 | bytes[i];
        for (bits_count += 8; bits_count >= 6; bits_count -= 6)
            ret_text[at++] = base64url[bits >> (bits_count - 6) & 63];
    }
    ret_text[at++] = base64url[bits << (6 - bits_count) & 63]; /* 256 = 42 * 6 + 4 */
    ret_text[at] = '\0';
    DFS_ASSERT(at == THUMBPRINT_CHARS);
}

/* Exactly THUMBPRINT_CHARS characters, the unused bits zero: one text for one fingerprint. */
static bool thumbprint_parse(const char *text, uint8_t ret_bytes[DFS_FINGERPRINT_BYTES])
{
    uint32_t bits = 0;
    unsigned bits_count = 0;
    size_t at = 0;

    for (size_t i = 0; i < THUMBPRINT_CHARS; i++) {
        const uint32_t value = base64url_value(text[i]);

        if (value > 63)
            return false;
        bits = bits << 6 | value;
        bits_count += 6;
        if (bits_count >= 8) {
            bits_count -= 8;
            ret_bytes[at++] = (uint8_t)(bits >> bits_count);
        }
    }
    return at == DFS_FINGERPRINT_BYTES && (bits & 3) == 0;
}

bool dfs_jwt_key_is_public_p256(const char *pem, size_t count)
{
    char group[32] = "";
    size_t group_count = 0;

    if (count == 0 || count > DFS_PEM_BYTES_MAX || memchr(pem, '\0', count) != NULL)
        return false;
    BIO *bio = BIO_new_mem_buf(pem, (int)count);

    DFS_ASSERT(bio != NULL);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    const bool good = key != NULL && EVP_PKEY_is_a(key, "EC") == 1 &&
                      EVP_PKEY_get_group_name(key, group, sizeof group, &group_count) == 1 &&
                      strcmp(group, "prime256v1") == 0;

    EVP_PKEY_free(key);
    BIO_free(bio);
    forget_errors();
    return good;
}

bool dfs_jwt_is_plausible(const char *token, size_t count)
{
    unsigned dots = 0;

    if (count < TOKEN_BYTES_MIN || count > DFS_TOKEN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (token[i] == '.')
            dots++;
        else if (base64url_value(token[i]) > 63)
            return false;
    }
    return dots == 2;
}

bool dfs_jwt_header(const char *token, char ret_kid[DFS_KID_BYTES_MAX + 1])
{
    jwt_t *jwt = NULL;
    bool good = false;

    /* No key: libjwt only parses. */
    if (jwt_decode(&jwt, token, NULL, 0) != 0)
        return false;
    const char *alg = jwt_get_header(jwt, "alg");
    const char *kid = jwt_get_header(jwt, "kid");

    if (alg != NULL && kid != NULL && strcmp(alg, "ES256") == 0 && kid[0] != '\0' && strlen(kid) <= DFS_KID_BYTES_MAX) {
        memcpy(ret_kid, kid, strlen(kid) + 1);
        good = true;
    }
    jwt_free(jwt);
    return good;
}

static bool text_claim(jwt_t *jwt, const char *name, char *ret_text, size_t room)
{
    const char *value = jwt_get_grant(jwt, name);

    if (value == NULL || strlen(value) >= room)
        return false;
    memcpy(ret_text, value, strlen(value) + 1);
    return true;
}

static bool time_claim(jwt_t *jwt, const char *name, uint64_t *ret_seconds)
{
    const long value = jwt_get_grant_int(jwt, name);

    if (value <= 0)
        return false;
    *ret_seconds = (uint64_t)value;
    return true;
}

/* cnf is exactly {"x5t#S256":"..."}: the one confirmation that we know. */
static bool bearer_claim(jwt_t *jwt, uint8_t ret_bearer[DFS_FINGERPRINT_BYTES])
{
    static const char before[] = "{\"x5t#S256\":\"";
    static const char after[] = "\"}";
    char *json = jwt_get_grants_json(jwt, "cnf");
    const bool good = json != NULL && strlen(json) == sizeof before - 1 + THUMBPRINT_CHARS + sizeof after - 1 &&
                      memcmp(json, before, sizeof before - 1) == 0 &&
                      strcmp(json + sizeof before - 1 + THUMBPRINT_CHARS, after) == 0 &&
                      thumbprint_parse(json + sizeof before - 1, ret_bearer);

    dfs_free(json); /* libjwt's allocator is malloc */
    return good;
}

enum dfs_status dfs_jwt_verify(const char *token, const char *public_pem, struct dfs_claims *ret_claims)
{
    jwt_t *jwt = NULL;

    const int rc = jwt_decode(&jwt, token, (const unsigned char *)public_pem, (int)strlen(public_pem));

    forget_errors();
    if (rc != 0)
        return DFS_TOKEN_INVALID;
    /* Asked again of what was verified: the header was read from the same bytes, but this is the line that counts. */
    const bool good =
        jwt_get_alg(jwt) == JWT_ALG_ES256 && text_claim(jwt, "iss", ret_claims->issuer, sizeof ret_claims->issuer) &&
        text_claim(jwt, "aud", ret_claims->audience, sizeof ret_claims->audience) &&
        text_claim(jwt, "sub", ret_claims->subject, sizeof ret_claims->subject) && ret_claims->subject[0] != '\0' &&
        text_claim(jwt, "jti", ret_claims->id, sizeof ret_claims->id) &&
        text_claim(jwt, "scope", ret_claims->scope, sizeof ret_claims->scope) &&
        time_claim(jwt, "iat", &ret_claims->issued_s) && time_claim(jwt, "nbf", &ret_claims->not_before_s) &&
        time_claim(jwt, "exp", &ret_claims->expires_s) && bearer_claim(jwt, ret_claims->bearer);

    jwt_free(jwt);
    return good ? DFS_OK : DFS_TOKEN_INVALID;
}

enum dfs_status dfs_jwt_sign(const struct dfs_claims *claims, const char *kid, const char *private_pem,
                             char ret_token[DFS_TOKEN_BYTES_MAX + 1], size_t *ret_count)
{
    char thumbprint[THUMBPRINT_CHARS + 1];
    char cnf[THUMBPRINT_CHARS + 64] = "{\"cnf\":{\"x5t#S256\":\"";
    enum dfs_status status = DFS_INTERNAL;
    jwt_t *jwt = NULL;

    DFS_ASSERT(jwt_new(&jwt) == 0);
    thumbprint_print(claims->bearer, thumbprint);
    strcat(cnf, thumbprint);
    strcat(cnf, "\"}}");
    DFS_ASSERT(jwt_add_grant(jwt, "iss", claims->issuer) == 0 && jwt_add_grant(jwt, "aud", claims->audience) == 0 &&
               jwt_add_grant(jwt, "sub", claims->subject) == 0 && jwt_add_grant(jwt, "jti", claims->id) == 0 &&
               jwt_add_grant(jwt, "scope", claims->scope) == 0 &&
               jwt_add_grant_int(jwt, "iat", (long)claims->issued_s) == 0 &&
               jwt_add_grant_int(jwt, "nbf", (long)claims->not_before_s) == 0 &&
               jwt_add_grant_int(jwt, "exp", (long)claims->expires_s) == 0 && jwt_add_grants_json(jwt, cnf) == 0 &&
               jwt_add_header(jwt, "kid", kid) == 0);
    DFS_ASSERT(jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)private_pem, (int)strlen(private_pem)) == 0);
    char *text = jwt_encode_str(jwt);

    jwt_free(jwt);
    forget_errors();
    if (text == NULL)
        return DFS_INTERNAL;
    const size_t count = strlen(text);

    if (count <= DFS_TOKEN_BYTES_MAX) {
        memcpy(ret_token, text, count + 1);
        *ret_count = count;
        status = DFS_OK;
    } else {
        status = DFS_TOO_LARGE;
    }
    dfs_free(text);
    return status;
}

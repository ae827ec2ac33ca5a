#include "core/auth/keys.h"

#include "core/auth/token_jwt.h"
#include "core/base/assert.h"
#include "core/base/mac.h"
#include "core/base/mem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

/* A P-256 private key in PKCS#8 is 241 bytes of PEM. */
#define PRIVATE_PEM_BYTES_MAX 1024

/* PEM ------------------------------------------------------------------------------------------------------------------- */

static void free_secret(char *text)
{
    if (text != NULL)
        dfs_wipe(text, strlen(text));
    dfs_free(text);
}

static char *copy_text(const char *text)
{
    const size_t bytes = strlen(text) + 1;

    return memcpy(dfs_alloc(bytes), text, bytes);
}

/* What was written into a memory BIO, as terminated text; frees the BIO. */
static char *take_text(BIO *bio)
{
    char *bytes = NULL;
    const long count = BIO_get_mem_data(bio, &bytes);

    DFS_ASSERT(count > 0);
    char *text = dfs_alloc((size_t)count + 1);

    memcpy(text, bytes, (size_t)count);
    text[count] = '\0';
    BIO_free(bio);
    return text;
}

static char *public_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    DFS_ASSERT(bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1);
    return take_text(bio);
}

static char *private_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    DFS_ASSERT(bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    return take_text(bio);
}

/* The public half of a private key's PEM; NULL: it is no private key on P-256. */
static char *derive_public(const char *private_pem)
{
    BIO *bio = BIO_new_mem_buf(private_pem, (int)strlen(private_pem));
    char *text = NULL;

    DFS_ASSERT(bio != NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    if (key != NULL)
        text = public_text(key);
    EVP_PKEY_free(key);
    ERR_clear_error(); /* or TLS on this thread would take it for its own */
    if (text != NULL && !dfs_jwt_key_is_public_p256(text, strlen(text))) {
        dfs_free(text);
        return NULL;
    }
    return text;
}

/* The set --------------------------------------------------------------------------------------------------------------- */

static void key_close(struct dfs_signing_key *key)
{
    free_secret(key->private_pem);
    dfs_free(key->public_pem);
    *key = (struct dfs_signing_key){0};
}

void dfs_signing_keys_close(struct dfs_signing_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        key_close(&keys->all[i]);
    keys->count = 0;
}

void dfs_signing_keys_copy(const struct dfs_signing_keys *from, struct dfs_signing_keys *ret_keys)
{
    *ret_keys = *from;
    for (size_t i = 0; i < from->count; i++) {
        ret_keys->all[i].private_pem = copy_text(from->all[i].private_pem);
        ret_keys->all[i].public_pem = copy_text(from->all[i].public_pem);
    }
}

bool dfs_signing_key_is_live(const struct dfs_signing_key *key, uint64_t now_s, uint64_t token_lifetime_s)
{
    return key->retired_s == 0 || now_s < key->retired_s || now_s - key->retired_s < token_lifetime_s + DFS_KEY_KEEP_S;
}

static void drop_dead(struct dfs_signing_keys *keys, uint64_t now_s, uint64_t token_lifetime_s)
{
    size_t kept = 0;

    for (size_t i = 0; i < keys->count; i++) {
        if (dfs_signing_key_is_live(&keys->all[i], now_s, token_lifetime_s))
            keys->all[kept++] = keys->all[i];
        else
            key_close(&keys->all[i]);
    }
    keys->count = kept;
}

enum dfs_status dfs_signing_keys_rotate(struct dfs_signing_keys *keys, const uint8_t random[DFS_KEY_KID_RANDOM_BYTES],
                                        uint64_t now_s, uint64_t token_lifetime_s)
{
    drop_dead(keys, now_s, token_lifetime_s);
    if (keys->count == DFS_TOKEN_KEYS_MAX)
        return DFS_RATE_LIMITED;
    for (size_t i = 0; i < keys->count; i++)
        if (keys->all[i].retired_s == 0)
            keys->all[i].retired_s = now_s + DFS_KEY_SETTLE_S;

    EVP_PKEY *made = EVP_EC_gen("P-256");

    DFS_ASSERT(made != NULL);
    struct dfs_signing_key *key = &keys->all[keys->count++];

    *key = (struct dfs_signing_key){
        .created_s = now_s, .private_pem = private_text(made), .public_pem = public_text(made)};
    for (size_t i = 0; i < DFS_KEY_KID_RANDOM_BYTES; i++)
        snprintf(key->kid + 2 * i, 3, "%02x", (unsigned)random[i]);
    EVP_PKEY_free(made);
    return DFS_OK;
}

const struct dfs_signing_key *dfs_signing_keys_signer(const struct dfs_signing_keys *keys, uint64_t now_s)
{
    DFS_ASSERT(keys->count > 0);
    /* The newest that has settled; with a clock that was set back none may have, then the oldest does: all of them verify. */
    for (size_t i = keys->count; i-- > 1;)
        if (now_s >= keys->all[i].created_s && now_s - keys->all[i].created_s >= DFS_KEY_SETTLE_S)
            return &keys->all[i];
    return &keys->all[0];
}

/* Text ------------------------------------------------------------------------------------------------------------------ */

void dfs_signing_keys_write(const struct dfs_signing_keys *keys, struct dfs_lines *lines)
{
    for (size_t i = 0; i < keys->count; i++) {
        dfs_line_begin(lines);
        dfs_line_text(lines, "kid", keys->all[i].kid);
        dfs_line_text(lines, "pem", keys->all[i].private_pem);
        dfs_line_number(lines, "created", keys->all[i].created_s);
        dfs_line_number(lines, "retired", keys->all[i].retired_s);
        dfs_line_end(lines);
    }
}

static bool read_key(char *line, struct dfs_signing_key *ret_key)
{
    struct dfs_signing_key key = {0};
    const char *pem = NULL;
    struct dfs_member member;
    int more;

    while ((more = dfs_line_member(&line, &member)) == 1) {
        const size_t count = member.kind == DFS_MEMBER_TEXT ? strlen(member.text) : 0;

        if (strcmp(member.key, "kid") == 0 && count > 0 && count <= DFS_KID_BYTES_MAX)
            memcpy(key.kid, member.text, count + 1);
        else if (strcmp(member.key, "pem") == 0 && count > 0 && count <= PRIVATE_PEM_BYTES_MAX)
            pem = member.text;
        else if (strcmp(member.key, "created") == 0 && member.kind == DFS_MEMBER_NUMBER)
            key.created_s = member.number;
        else if (strcmp(member.key, "retired") == 0 && member.kind == DFS_MEMBER_NUMBER)
            key.retired_s = member.number;
    }
    if (more != 0 || key.kid[0] == '\0' || pem == NULL)
        return false;
    key.public_pem = derive_public(pem);
    if (key.public_pem == NULL)
        return false;
    key.private_pem = copy_text(pem);
    *ret_key = key;
    return true;
}

enum dfs_status dfs_signing_keys_read(char *text, size_t count, struct dfs_signing_keys *ret_keys)
{
    struct dfs_signing_keys keys = {0};
    char *at = text;
    char *line;

    while ((line = dfs_lines_next(&at, text + count)) != NULL) {
        if (keys.count == DFS_TOKEN_KEYS_MAX || !read_key(line, &keys.all[keys.count])) {
            dfs_signing_keys_close(&keys);
            return DFS_BAD_CONFIG;
        }
        keys.count++;
    }
    if (at != text + count) {
        dfs_signing_keys_close(&keys);
        return DFS_BAD_CONFIG;
    }
    *ret_keys = keys;
    return DFS_OK;
}

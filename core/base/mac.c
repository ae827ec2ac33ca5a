/*
 * Tags are made by the thousand, so the two hashed pads of a key are kept and a tag costs its compressions alone: libcrypto's block function
 * through SHA256_Transform, which its 3.x marks as old and keeps. Measured with 100 bytes: this 0.1 us, EVP_MAC with a prepared context 0.24 us,
 * copies of two EVP_MD_CTX 0.20 us, HMAC() 1.1 us. Digests are made the same way, since tags are made of them; keys are derived by the interfaces of today.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/base/mac.h"

#include "core/base/assert.h"
#include "core/base/cursor.h"
#include "core/base/mem.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include <string.h>

#define SHA256_BYTES 32
#define SHA256_BLOCK_BYTES 64
#define SHA256_LENGTH_BYTES 8 /* the message's bits, at the end of the last block */

/* RFC 2104, section 2 */
#define PAD_INNER 0x36
#define PAD_OUTER 0x5c

/* The state after the key's padded block: where the inner and the outer hash of every message begin. */
struct pads {
    SHA256_CTX inner;
    SHA256_CTX outer;
};

/* Looked up once per process: that costs more than ten tags. Read-only afterwards, so any thread may use them. */
static CRYPTO_ONCE algorithms_once = CRYPTO_ONCE_STATIC_INIT;
static EVP_MAC *hmac;

static void fetch_algorithms(void)
{
    hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
}

/* A libcrypto without HMAC is a broken installation; its other failures here are lack of memory. */
static void need_algorithms(void)
{
    DFS_ASSERT(CRYPTO_THREAD_run_once(&algorithms_once, fetch_algorithms) == 1);
    DFS_ASSERT(hmac != NULL);
}

/* A context under `key`, ready for the first message. */
static EVP_MAC_CTX *new_context(const uint8_t *key, size_t key_bytes)
{
    char digest[] = OSSL_DIGEST_NAME_SHA2_256;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *context;

    need_algorithms();
    context = EVP_MAC_CTX_new(hmac);
    DFS_ASSERT(context != NULL);
    DFS_ASSERT(EVP_MAC_init(context, key, key_bytes, params) == 1);
    return context;
}

static void update(EVP_MAC_CTX *context, const void *bytes, size_t count)
{
    DFS_ASSERT(count == 0 || EVP_MAC_update(context, bytes, count) == 1);
}

static void final(EVP_MAC_CTX *context, uint8_t ret_tag[SHA256_BYTES])
{
    size_t count = 0;

    DFS_ASSERT(EVP_MAC_final(context, ret_tag, &count, SHA256_BYTES) == 1 && count == SHA256_BYTES);
}

/* Tags ------------------------------------------------------------------------------------------------------------- */

static void begin_padded(SHA256_CTX *hash, const struct dfs_key *key, uint8_t pad)
{
    uint8_t block[SHA256_BLOCK_BYTES];

    _Static_assert(DFS_KEY_BYTES <= SHA256_BLOCK_BYTES, "a longer key would have to be hashed");
    memset(block, pad, sizeof block);
    for (size_t i = 0; i < DFS_KEY_BYTES; i++)
        block[i] ^= key->bytes[i];
    DFS_ASSERT(SHA256_Init(hash) == 1);
    SHA256_Transform(hash, block);
    dfs_wipe(block, sizeof block);
}

void dfs_mac_init(struct dfs_mac *mac, const struct dfs_key *key)
{
    struct pads *pads = dfs_alloc(sizeof *pads);

    begin_padded(&pads->inner, key, PAD_INNER);
    begin_padded(&pads->outer, key, PAD_OUTER);
    mac->context = pads;
}

void dfs_mac_close(struct dfs_mac *mac)
{
    if (mac->context != NULL)
        dfs_wipe(mac->context, sizeof(struct pads)); /* as good as the key */
    dfs_free(mac->context);
    mac->context = NULL;
}

/* The rest of a message behind whole blocks of `before` bytes, and the padding (FIPS 180-4, section 5.1.1). */
static void hash_rest(SHA256_CTX *hash, uint64_t before, const uint8_t *bytes, size_t count)
{
    const uint64_t bits = (before + count) * 8;
    uint8_t block[SHA256_BLOCK_BYTES] = {0};

    for (; count >= SHA256_BLOCK_BYTES; count -= SHA256_BLOCK_BYTES, bytes += SHA256_BLOCK_BYTES)
        SHA256_Transform(hash, bytes);
    if (count > 0)
        memcpy(block, bytes, count);
    block[count] = 0x80;
    if (count >= SHA256_BLOCK_BYTES - SHA256_LENGTH_BYTES) {
        SHA256_Transform(hash, block);
        memset(block, 0, sizeof block);
    }
    dfs_store_be64(block + SHA256_BLOCK_BYTES - SHA256_LENGTH_BYTES, bits);
    SHA256_Transform(hash, block);
}

static inline void put_words(const SHA256_CTX *hash, uint8_t *bytes, size_t words)
{
    for (size_t i = 0; i < words; i++)
        dfs_store_be32(bytes + 4 * i, hash->h[i]);
}

/* The outer hash, over the inner one's digest: one block, of which all but the digest is always the same. */
static void end_outer(const struct pads *pads, const SHA256_CTX *inner, uint8_t ret_tag[DFS_MAC_BYTES])
{
    uint8_t block[SHA256_BLOCK_BYTES] = {[SHA256_BYTES] = 0x80};
    SHA256_CTX hash;

    put_words(inner, block, SHA256_BYTES / 4);
    dfs_store_be64(block + SHA256_BLOCK_BYTES - SHA256_LENGTH_BYTES, (SHA256_BLOCK_BYTES + SHA256_BYTES) * 8);
    memcpy(hash.h, pads->outer.h, sizeof hash.h);
    SHA256_Transform(&hash, block);
    put_words(&hash, ret_tag, DFS_MAC_BYTES / 4);
}

void dfs_mac_make(struct dfs_mac *mac, const void *bytes, size_t count, uint8_t ret_tag[DFS_MAC_BYTES])
{
    const struct pads *pads = mac->context;
    SHA256_CTX hash;

    DFS_ASSERT(mac->context != NULL);
    memcpy(hash.h, pads->inner.h, sizeof hash.h); /* the block function reads and writes nothing else of it */
    hash_rest(&hash, SHA256_BLOCK_BYTES, bytes, count);
    end_outer(pads, &hash, ret_tag);
}

bool dfs_mac_check(struct dfs_mac *mac, const void *bytes, size_t count, const uint8_t tag[DFS_MAC_BYTES])
{
    uint8_t expected[DFS_MAC_BYTES];

    dfs_mac_make(mac, bytes, count, expected);
    return CRYPTO_memcmp(expected, tag, DFS_MAC_BYTES) == 0;
}

/* Messages that begin alike ---------------------------------------------------------------------------------------- */

_Static_assert(DFS_MAC_SECTION_BYTES == SHA256_BLOCK_BYTES, "between blocks alone the state is short");
_Static_assert(sizeof((SHA256_CTX *)NULL)->h == sizeof(struct dfs_mac_state), "the state of SHA-256");

void dfs_mac_begin(const struct dfs_mac *mac, struct dfs_mac_state *ret_state)
{
    const struct pads *pads = mac->context;

    DFS_ASSERT(pads != NULL);
    memcpy(ret_state->words, pads->inner.h, sizeof ret_state->words);
}

void dfs_mac_go_on(struct dfs_mac_state *state, const void *sections, size_t sections_count)
{
    SHA256_CTX hash;

    memcpy(hash.h, state->words, sizeof hash.h);
    for (size_t i = 0; i < sections_count; i++)
        SHA256_Transform(&hash, (const uint8_t *)sections + i * SHA256_BLOCK_BYTES);
    memcpy(state->words, hash.h, sizeof hash.h);
}

void dfs_mac_end(const struct dfs_mac *mac, const struct dfs_mac_state *state, size_t before, const void *bytes,
                 size_t count, uint8_t ret_tag[DFS_MAC_BYTES])
{
    SHA256_CTX hash;

    DFS_ASSERT(mac->context != NULL);
    memcpy(hash.h, state->words, sizeof hash.h);
    hash_rest(&hash, (1 + before) * SHA256_BLOCK_BYTES, bytes, count);
    end_outer(mac->context, &hash, ret_tag);
}

bool dfs_mac_end_check(const struct dfs_mac *mac, const struct dfs_mac_state *state, size_t before, const void *bytes,
                       size_t count, const uint8_t tag[DFS_MAC_BYTES])
{
    uint8_t expected[DFS_MAC_BYTES];

    dfs_mac_end(mac, state, before, bytes, count, expected);
    return CRYPTO_memcmp(expected, tag, DFS_MAC_BYTES) == 0;
}

/* Keys and digests ------------------------------------------------------------------------------------------------- */

/* RFC 5869 with L = HashLen, so that the first block of the expansion is the whole of it. */
void dfs_key_derive(const void *secret, size_t secret_bytes, const void *info, size_t info_bytes,
                    struct dfs_key *ret_key)
{
    static const uint8_t no_salt[SHA256_BYTES];
    static const uint8_t block_number = 1;
    uint8_t extracted[SHA256_BYTES];
    EVP_MAC_CTX *context;

    _Static_assert(DFS_KEY_BYTES == SHA256_BYTES, "one block of HKDF is one key");
    context = new_context(no_salt, sizeof no_salt);
    update(context, secret, secret_bytes);
    final(context, extracted);
    DFS_ASSERT(EVP_MAC_init(context, extracted, sizeof extracted, NULL) == 1);
    update(context, info, info_bytes);
    update(context, &block_number, sizeof block_number);
    final(context, ret_key->bytes);
    EVP_MAC_CTX_free(context);
    dfs_wipe(extracted, sizeof extracted);
}

void dfs_sha256(const void *bytes, size_t count, uint8_t ret_digest[32])
{
    SHA256_CTX hash;

    DFS_ASSERT(SHA256_Init(&hash) == 1);
    hash_rest(&hash, 0, bytes, count);
    put_words(&hash, ret_digest, SHA256_BYTES / 4);
}

void dfs_wipe(void *bytes, size_t count)
{
    OPENSSL_cleanse(bytes, count);
}

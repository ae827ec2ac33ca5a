#include "core/auth/token.h"

#include "core/auth/token_jwt.h"
#include "core/base/assert.h"
#include "core/base/list.h"
#include "core/base/mac.h"
#include "core/base/map.h"
#include "core/base/mem.h"

#include <string.h>

#define DIGEST_BYTES 32

struct known_key {
    char kid[DFS_KID_BYTES_MAX + 1];
    char pem[DFS_PEM_BYTES_MAX + 1];
};

/* A token whose signature was right, by the digest of its text. */
struct verified {
    struct dfs_list link; /* in order of arrival: the oldest leaves first */
    uint8_t digest[DIGEST_BYTES];
    struct dfs_claims claims;
};

struct dfs_verifier {
    struct dfs_verifier_config config;
    struct known_key keys[DFS_TOKEN_KEYS_MAX];
    size_t keys_count;
    struct dfs_map cache;
    struct dfs_list cache_order;
};

/* The cache ---------------------------------------------------------------------------------------------------------- */

static void cache_drop(struct dfs_verifier *verifier, struct verified *entry)
{
    dfs_map_remove(&verifier->cache, entry->digest);
    dfs_list_remove(&entry->link);
    dfs_free(entry);
}

static void cache_clear(struct dfs_verifier *verifier)
{
    struct dfs_list *oldest;

    while ((oldest = dfs_list_first(&verifier->cache_order)) != NULL)
        cache_drop(verifier, dfs_container_of(oldest, struct verified, link));
}

static struct verified *cache_add(struct dfs_verifier *verifier, const uint8_t digest[DIGEST_BYTES],
                                  const struct dfs_claims *claims)
{
    struct verified *entry = dfs_alloc(sizeof *entry);

    DFS_ASSERT(verifier->config.cache_max > 0);
    while (verifier->cache.count >= verifier->config.cache_max)
        cache_drop(verifier, dfs_container_of(dfs_list_first(&verifier->cache_order), struct verified, link));
    memcpy(entry->digest, digest, DIGEST_BYTES);
    entry->claims = *claims;
    dfs_list_push(&verifier->cache_order, &entry->link);
    dfs_map_insert(&verifier->cache, entry);
    return entry;
}

/* Life --------------------------------------------------------------------------------------------------------------- */

struct dfs_verifier *dfs_verifier_new(const struct dfs_verifier_config *config)
{
    struct dfs_verifier *verifier = dfs_alloc_zero(sizeof *verifier);

    verifier->config = *config;
    dfs_list_init(&verifier->cache_order);
    /* The keys are SHA-256 digests: nobody chooses where they fall, so the seed may be fixed. */
    dfs_map_init(&verifier->cache, offsetof(struct verified, digest), DIGEST_BYTES, 0);
    return verifier;
}

void dfs_verifier_free(struct dfs_verifier *verifier)
{
    if (verifier == NULL)
        return;
    cache_clear(verifier);
    dfs_map_close(&verifier->cache);
    dfs_free(verifier);
}

/* Keys --------------------------------------------------------------------------------------------------------------- */

static bool same_keys(const struct dfs_verifier *verifier, const struct dfs_token_public_key *keys, size_t count)
{
    if (count != verifier->keys_count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strlen(verifier->keys[i].kid) != keys[i].kid_bytes || strlen(verifier->keys[i].pem) != keys[i].pem_bytes ||
            memcmp(verifier->keys[i].kid, keys[i].kid, keys[i].kid_bytes) != 0 ||
            memcmp(verifier->keys[i].pem, keys[i].pem, keys[i].pem_bytes) != 0)
            return false;
    return true;
}

enum dfs_status dfs_verifier_set_keys(struct dfs_verifier *verifier, const struct dfs_token_public_key *keys,
                                      size_t count)
{
    if (same_keys(verifier, keys, count))
        return DFS_OK;
    if (count > DFS_TOKEN_KEYS_MAX)
        return DFS_BAD_REQUEST;
    for (size_t i = 0; i < count; i++)
        if (keys[i].kid_bytes == 0 || keys[i].kid_bytes > DFS_KID_BYTES_MAX ||
            memchr(keys[i].kid, '\0', keys[i].kid_bytes) != NULL ||
            !dfs_jwt_key_is_public_p256(keys[i].pem, keys[i].pem_bytes))
            return DFS_BAD_REQUEST;
    memset(verifier->keys, 0, sizeof verifier->keys);
    for (size_t i = 0; i < count; i++) {
        memcpy(verifier->keys[i].kid, keys[i].kid, keys[i].kid_bytes);
        memcpy(verifier->keys[i].pem, keys[i].pem, keys[i].pem_bytes);
    }
    verifier->keys_count = count;
    cache_clear(verifier); /* a key that left takes its tokens along; the others pay 0.6 ms once more */
    return DFS_OK;
}

bool dfs_verifier_has_keys(const struct dfs_verifier *verifier)
{
    return verifier->keys_count > 0;
}

static const struct known_key *find_key(const struct dfs_verifier *verifier, const char *kid)
{
    for (size_t i = 0; i < verifier->keys_count; i++)
        if (strcmp(verifier->keys[i].kid, kid) == 0)
            return &verifier->keys[i];
    return NULL;
}

/* Check -------------------------------------------------------------------------------------------------------------- */

/* What stands in the token, once its signature was found right. */
static enum dfs_status verify_text(struct dfs_verifier *verifier, const char *token, size_t count,
                                   struct dfs_claims *ret_claims, bool *ret_unknown_kid)
{
    char text[DFS_TOKEN_BYTES_MAX + 1];
    char kid[DFS_KID_BYTES_MAX + 1];

    memcpy(text, token, count);
    text[count] = '\0';
    if (!dfs_jwt_header(text, kid))
        return DFS_TOKEN_INVALID;
    const struct known_key *key = find_key(verifier, kid);

    if (key == NULL) {
        *ret_unknown_kid = true;
        return DFS_TOKEN_INVALID;
    }
    return dfs_jwt_verify(text, key->pem, ret_claims);
}

/* What has to be asked every time: the clock moves, and a token may be shown by another bearer. */
static enum dfs_status judge(const struct dfs_verifier_config *config, const struct dfs_claims *claims,
                             dfs_wall_ns wall, const uint8_t bearer[DFS_FINGERPRINT_BYTES])
{
    const uint64_t now_s = wall / DFS_SECONDS;

    if (now_s >= claims->expires_s && now_s - claims->expires_s >= config->leeway_s)
        return DFS_TOKEN_EXPIRED;
    if (now_s < claims->not_before_s && claims->not_before_s - now_s > config->leeway_s)
        return DFS_TOKEN_NOT_YET_VALID;
    if (strcmp(claims->issuer, config->issuer) != 0)
        return DFS_TOKEN_WRONG_ISSUER;
    if (strcmp(claims->audience, config->audience) != 0)
        return DFS_TOKEN_WRONG_AUDIENCE;
    if (memcmp(claims->bearer, bearer, DFS_FINGERPRINT_BYTES) != 0)
        return DFS_TOKEN_NOT_YOURS;
    return DFS_OK;
}

enum dfs_status dfs_verifier_check(struct dfs_verifier *verifier, const char *token, size_t count, dfs_wall_ns wall,
                                   const uint8_t bearer[DFS_FINGERPRINT_BYTES], struct dfs_claims *ret_claims,
                                   bool *ret_unknown_kid)
{
    uint8_t digest[DIGEST_BYTES];
    struct dfs_claims claims;
    bool unknown_kid = false;
    enum dfs_status status = DFS_OK;

    if (ret_unknown_kid != NULL)
        *ret_unknown_kid = false;
    if (count == 0)
        return DFS_TOKEN_MISSING;
    if (!dfs_jwt_is_plausible(token, count))
        return DFS_TOKEN_INVALID;
    dfs_sha256(token, count, digest);
    struct verified *entry = dfs_map_find(&verifier->cache, digest);

    if (entry == NULL) {
        memset(&claims, 0, sizeof claims);
        status = verify_text(verifier, token, count, &claims, &unknown_kid);
        if (ret_unknown_kid != NULL)
            *ret_unknown_kid = unknown_kid;
        if (status != DFS_OK)
            return status;
    } else {
        claims = entry->claims;
    }
    status = judge(&verifier->config, &claims, wall, bearer);
    if (entry == NULL && status != DFS_TOKEN_EXPIRED && verifier->config.cache_max > 0)
        cache_add(verifier, digest, &claims);
    else if (entry != NULL && status == DFS_TOKEN_EXPIRED)
        cache_drop(verifier, entry);
    if (status == DFS_OK)
        *ret_claims = claims;
    return status;
}

/* Scope -------------------------------------------------------------------------------------------------------------- */

/* One "MODE:PREFIX" of a scope; `prefix` without its leading '/'. */
struct scope_item {
    const char *modes;
    size_t modes_count;
    const char *prefix;
    size_t prefix_count;
};

/* The item at *at, which moves behind it; false at the end. A malformed item has modes_count 0 and allows nothing. */
static bool scope_next(const char **at, struct scope_item *ret_item)
{
    const char *begin = *at + strspn(*at, " ");
    const size_t count = strcspn(begin, " ");
    const char *colon = count == 0 ? NULL : memchr(begin, ':', count);

    if (count == 0)
        return false;
    *at = begin + count;
    *ret_item = (struct scope_item){.modes = begin, .modes_count = 0, .prefix = begin, .prefix_count = 0};
    if (colon == NULL || colon + 1 == begin + count || colon[1] != '/')
        return true;
    ret_item->modes_count = (size_t)(colon - begin);
    ret_item->prefix = colon + 2;
    ret_item->prefix_count = count - ret_item->modes_count - 2;
    return true;
}

static bool covers(const struct scope_item *item, const char *path, size_t path_bytes)
{
    if (item->prefix_count == 0)
        return true;
    return path_bytes >= item->prefix_count && memcmp(path, item->prefix, item->prefix_count) == 0 &&
           (path_bytes == item->prefix_count || path[item->prefix_count] == '/');
}

bool dfs_scope_allows(const char *scope, char mode, const char *path, size_t path_bytes)
{
    struct scope_item item;

    while (scope_next(&scope, &item)) {
        if (item.modes_count > 0 && memchr(item.modes, 'a', item.modes_count) != NULL)
            return true;
        if (mode != 'a' && item.modes_count > 0 && memchr(item.modes, mode, item.modes_count) != NULL &&
            covers(&item, path, path_bytes))
            return true;
    }
    return false;
}

/* The reason why a prefix (without its leading '/') is no path; NULL when it is one. */
static const char *prefix_fault(const char *prefix, size_t count)
{
    size_t begin = 0;

    if (count == 0)
        return NULL; /* "/": everything */
    for (size_t i = 0; i <= count; i++) {
        if (i < count && ((unsigned char)prefix[i] < 0x20 || prefix[i] == 0x7f))
            return "a prefix has a control character in it";
        if (i < count && prefix[i] != '/')
            continue;
        const size_t part = i - begin;

        if (part == 0)
            return i == count ? "a prefix ends in '/': leave it out" : "a prefix has an empty component";
        if ((part == 1 && prefix[begin] == '.') || (part == 2 && memcmp(prefix + begin, "..", 2) == 0))
            return "a prefix has '.' or '..' in it";
        begin = i + 1;
    }
    return NULL;
}

bool dfs_scope_is_valid(const char *scope, const char **ret_words)
{
    const char *fault = NULL;
    struct scope_item item;
    size_t items = 0;
    const char *at = scope;

    if (strlen(scope) > DFS_SCOPE_BYTES_MAX)
        fault = "the scope is longer than 1024 bytes";
    while (fault == NULL && scope_next(&at, &item)) {
        items++;
        if (item.modes_count == 0) {
            fault = "each part is MODE:/PREFIX, for example rw:/home/ann";
            break;
        }
        for (size_t i = 0; i < item.modes_count; i++)
            if (strchr("rwa", item.modes[i]) == NULL || memchr(item.modes, item.modes[i], i) != NULL)
                fault = "a mode is made of the letters r (read), w (write) and a (admin), each once";
        if (fault == NULL && memchr(item.modes, 'a', item.modes_count) != NULL && item.prefix_count > 0)
            fault = "admin is about all paths: write a:/";
        if (fault == NULL)
            fault = prefix_fault(item.prefix, item.prefix_count);
    }
    if (fault == NULL && items == 0)
        fault = "the scope is empty; rw:/ is everything";
    if (fault != NULL && ret_words != NULL)
        *ret_words = fault;
    return fault == NULL;
}

/* Tokens as strangers write them: the verifier never crashes, and never believes one that auth did not sign. */
#include "core/auth/keys.h"
#include "core/auth/token.h"
#include "core/base/assert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static struct dfs_verifier *make_verifier(void)
{
    const struct dfs_verifier_config config = {
        .issuer = "dfs", .audience = "6fa459ea-ee8a-4ca4-894e-db77e160355e", .leeway_s = 30, .cache_max = 16};
    struct dfs_verifier *verifier = dfs_verifier_new(&config);
    const uint8_t random[DFS_KEY_KID_RANDOM_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct dfs_signing_keys keys = {.count = 0};

    if (dfs_signing_keys_rotate(&keys, random, 1700000000, 600) != DFS_OK)
        abort();
    const struct dfs_token_public_key key = {.kid = keys.all[0].kid,
                                             .kid_bytes = strlen(keys.all[0].kid),
                                             .pem = keys.all[0].public_pem,
                                             .pem_bytes = strlen(keys.all[0].public_pem)};

    if (dfs_verifier_set_keys(verifier, &key, 1) != DFS_OK)
        abort();
    dfs_signing_keys_close(&keys);
    return verifier;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct dfs_verifier *verifier;
    const uint8_t bearer[DFS_FINGERPRINT_BYTES] = {7};
    struct dfs_claims claims;
    bool unknown_kid = false;
    char *text;

    if (verifier == NULL)
        verifier = make_verifier();
    const enum dfs_status status = dfs_verifier_check(
        verifier, (const char *)bytes, count, UINT64_C(1700000000) * DFS_SECONDS, bearer, &claims, &unknown_kid);

    if (status == DFS_OK) /* the private key is gone: nobody can sign */
        abort();

    /* The same bytes as the other texts that this folder reads. */
    text = malloc(count + 1);
    memcpy(text, bytes, count);
    text[count] = '\0';
    (void)dfs_scope_is_valid(text, NULL);
    (void)dfs_scope_allows(text, 'r', "a/b", 3);
    struct dfs_signing_keys keys = {.count = 0};

    if (dfs_signing_keys_read(text, count, &keys) == DFS_OK)
        dfs_signing_keys_close(&keys);
    free(text);
    return 0;
}

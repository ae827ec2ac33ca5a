/*
 * token.h - the claims of a token, and whether to believe them.
 *
 * A token is a JWT signed with ES256. Claims: iss aud sub iat nbf exp jti scope cnf{"x5t#S256"} (RFC 7519; RFC 8705 section 3: `cnf` binds the
 * token to the SHA-256 fingerprint of the bearer's certificate, so that a stolen token is worth nothing on another connection).
 *
 * libjwt 1.10 verifies whatever algorithm the header names and checks no time: here the header must say exactly ES256 and a known `kid` before any key is
 * used, and times are compared with the event's wall clock. A verification costs 0.6 ms, so verified tokens are kept by their SHA-256 until they
 * expire (`cache_max` of them, the oldest leave first); bearer, times and audience are still checked every time.
 */
#ifndef DFS_CORE_AUTH_TOKEN_H
#define DFS_CORE_AUTH_TOKEN_H

#include "core/base/limits.h"
#include "core/base/status.h"
#include "core/base/time.h"
#include "core/env/env.h"

struct dfs_claims {
    char issuer[64];
    char audience[64]; /* the cluster id as text */
    char subject[DFS_USER_BYTES_MAX + 1];
    char id[DFS_ID_TEXT_BYTES]; /* jti */
    char scope[DFS_SCOPE_BYTES_MAX + 1];
    uint64_t issued_s;
    uint64_t not_before_s;
    uint64_t expires_s;
    uint8_t bearer[DFS_FINGERPRINT_BYTES];
};

/* Who we are when we verify, and what we demand. */
struct dfs_verifier_config {
    char issuer[64];
    char audience[64];
    uint64_t leeway_s;
    uint32_t cache_max;
};

struct dfs_verifier; /* heap; owns keys and cache */

struct dfs_verifier *dfs_verifier_new(const struct dfs_verifier_config *config);
void dfs_verifier_free(struct dfs_verifier *verifier); /* NULL is fine */

/* Replaces the set of public keys (PEM by kid, at most DFS_TOKEN_KEYS_MAX). BAD_REQUEST: one of them is no P-256 public key; the old set stays. */
struct dfs_token_public_key {
    const char *kid;
    size_t kid_bytes;
    const char *pem;
    size_t pem_bytes;
};
enum dfs_status dfs_verifier_set_keys(struct dfs_verifier *verifier, const struct dfs_token_public_key *keys,
                                      size_t count) DFS_MUST_CHECK;
bool dfs_verifier_has_keys(const struct dfs_verifier *verifier);

/*
 * OK                    *ret_claims is what the issuer said about the bearer.
 * TOKEN_MISSING         count is 0
 * TOKEN_INVALID         malformed, another algorithm than ES256, unknown kid, bad signature, a claim missing
 * TOKEN_EXPIRED, TOKEN_NOT_YET_VALID   by `wall`, with the leeway
 * TOKEN_WRONG_ISSUER, TOKEN_WRONG_AUDIENCE, TOKEN_NOT_YOURS   in this order
 * *ret_unknown_kid (may be NULL) is set when the kid is not among the keys: the caller may ask for newer keys and try again.
 */
enum dfs_status dfs_verifier_check(struct dfs_verifier *verifier, const char *token, size_t count, dfs_wall_ns wall,
                                   const uint8_t bearer[DFS_FINGERPRINT_BYTES], struct dfs_claims *ret_claims,
                                   bool *ret_unknown_kid) DFS_MUST_CHECK;

/*
 * Scope: space-separated "MODE:PREFIX", MODE of the letters r (read), w (write), a (admin: nodes, drain, all paths); "rw:/" is everything of a user. A prefix
 * ends on a component boundary: "rw:/home/ann" covers "home/ann" and "home/ann/x", not "home/anna". Paths carry no leading '/'.
 */
bool dfs_scope_allows(const char *scope, char mode, const char *path, size_t path_bytes);

/* Is this a scope a person may give an account? false with *ret_words (static) otherwise. */
bool dfs_scope_is_valid(const char *scope, const char **ret_words);

#endif

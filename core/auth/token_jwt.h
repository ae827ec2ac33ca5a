/*
 * token_jwt.h - tokens as text: what libjwt is used for, and nothing of it outside token_jwt.c.
 *
 * libjwt 1.10 verifies with whatever algorithm the token's header names (an HS256 token keyed with our public PEM passes) and checks no time.
 * So the header is read first, without a key, and only ES256 with a kid goes further; times are token.c's affair.
 */
#ifndef DFS_CORE_AUTH_TOKEN_JWT_H
#define DFS_CORE_AUTH_TOKEN_JWT_H

#include "core/auth/token.h"

/* Is this the PEM of a public key on P-256? `pem` need not be terminated. */
bool dfs_jwt_key_is_public_p256(const char *pem, size_t count);

/* Only characters of a JWT in compact form, two dots, a sane size: everything else never reaches a parser. */
bool dfs_jwt_is_plausible(const char *token, size_t count);

/* Reads the header without any key: true when it says exactly ES256 and names a kid, which is copied. `token` is terminated and plausible. */
bool dfs_jwt_header(const char *token, char ret_kid[DFS_KID_BYTES_MAX + 1]);

/*
 * Signature and claims, after dfs_jwt_header said yes. `token` and `public_pem` are terminated.
 *
 * TOKEN_INVALID  bad signature, or a claim that is missing, of another type or too long.
 */
enum dfs_status dfs_jwt_verify(const char *token, const char *public_pem, struct dfs_claims *ret_claims) DFS_MUST_CHECK;

/* The token's text, terminated, and its length. TOO_LARGE: more than DFS_TOKEN_BYTES_MAX. INTERNAL: the key is none. */
enum dfs_status dfs_jwt_sign(const struct dfs_claims *claims, const char *kid, const char *private_pem,
                             char ret_token[DFS_TOKEN_BYTES_MAX + 1], size_t *ret_count) DFS_MUST_CHECK;

#endif

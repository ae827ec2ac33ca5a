/*
 * keys.h - the keys that sign tokens: made, kept, overlapping.
 *
 * A new key is published at once and signs only after DFS_KEY_SETTLE_S, when everyone who verifies has asked for the keys again; the old one signs
 * until then and verifies until the last token it signed has run out. So a rotation refuses no valid token.
 *
 * One line of JSON a key: {"kid","pem","created","retired"}; the public half is derived. Pure but for the generation, whose randomness is libcrypto's.
 */
#ifndef DFS_CORE_AUTH_KEYS_H
#define DFS_CORE_AUTH_KEYS_H

#include "core/auth/json_line.h"
#include "core/base/limits.h"
#include "core/base/status.h"

/* Twice the time between two looks of metadata for new keys. */
#define DFS_KEY_SETTLE_S 60

/* Beside a token's lifetime: the leeway of those who verify, and a renewal on its way. */
#define DFS_KEY_KEEP_S 660

#define DFS_KEY_KID_RANDOM_BYTES 8

struct dfs_signing_key {
    char kid[DFS_KID_BYTES_MAX + 1];
    char *private_pem;
    char *public_pem;
    uint64_t created_s;
    uint64_t retired_s; /* no longer signs from here on; 0: not retired */
};

/* In order of their making. */
struct dfs_signing_keys {
    struct dfs_signing_key all[DFS_TOKEN_KEYS_MAX];
    size_t count;
};

void dfs_signing_keys_close(struct dfs_signing_keys *keys); /* wipes */
void dfs_signing_keys_copy(const struct dfs_signing_keys *from, struct dfs_signing_keys *ret_keys);

/* Drops keys whose last token has run out, retires the others, makes a new one. RATE_LIMITED: DFS_TOKEN_KEYS_MAX of them still overlap. */
enum dfs_status dfs_signing_keys_rotate(struct dfs_signing_keys *keys, const uint8_t random[DFS_KEY_KID_RANDOM_BYTES],
                                        uint64_t now_s, uint64_t token_lifetime_s) DFS_MUST_CHECK;

/* The key that signs at this time; asserts that there is one at all. */
const struct dfs_signing_key *dfs_signing_keys_signer(const struct dfs_signing_keys *keys, uint64_t now_s);

/* Does this key still verify? */
bool dfs_signing_key_is_live(const struct dfs_signing_key *key, uint64_t now_s, uint64_t token_lifetime_s);

void dfs_signing_keys_write(const struct dfs_signing_keys *keys, struct dfs_lines *lines);

/* Overwrites `text`. BAD_CONFIG: a line is no key. */
enum dfs_status dfs_signing_keys_read(char *text, size_t count, struct dfs_signing_keys *ret_keys) DFS_MUST_CHECK;

#endif

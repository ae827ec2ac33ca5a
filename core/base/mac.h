/*
 * mac.h - message authentication and key derivation: HMAC-SHA-256 cut to 128 bits (RFC 2104, RFC 4231), HKDF-SHA-256 (RFC 5869).
 *
 * By OpenSSL's libcrypto, without its random source. Heartbeats, grants, receipts and orders carry these tags.
 */
#ifndef DFS_CORE_BASE_MAC_H
#define DFS_CORE_BASE_MAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DFS_KEY_BYTES 32
#define DFS_MAC_BYTES 16

struct dfs_key {
    uint8_t bytes[DFS_KEY_BYTES];
};

/* A key made ready: about four times faster for short messages than starting from the bytes. Holds memory of its own. */
struct dfs_mac {
    void *context; /* NULL: not ready */
};

void dfs_mac_init(struct dfs_mac *mac, const struct dfs_key *key);
void dfs_mac_close(struct dfs_mac *mac); /* harmless on a zeroed one; wipes the key */
void dfs_mac_make(struct dfs_mac *mac, const void *bytes, size_t count, uint8_t ret_tag[DFS_MAC_BYTES]);
bool dfs_mac_check(struct dfs_mac *mac, const void *bytes, size_t count,
                   const uint8_t tag[DFS_MAC_BYTES]); /* constant time */

/*
 * Many messages that begin alike: what they share is whole sections of DFS_MAC_SECTION_BYTES, hashed once and kept as a state. The tag is that of the
 * whole message, as dfs_mac_make() gives it. A state belongs to its key; it forges nothing without it.
 */
#define DFS_MAC_SECTION_BYTES 64

struct dfs_mac_state {
    uint32_t words[8];
};

void dfs_mac_begin(const struct dfs_mac *mac, struct dfs_mac_state *ret_state);
void dfs_mac_go_on(struct dfs_mac_state *state, const void *sections, size_t sections_count);
/* The tag of `before` sections, which brought the state here, and `count` bytes behind them. The state stays as it is. */
void dfs_mac_end(const struct dfs_mac *mac, const struct dfs_mac_state *state, size_t before, const void *bytes,
                 size_t count, uint8_t ret_tag[DFS_MAC_BYTES]);
bool dfs_mac_end_check(const struct dfs_mac *mac, const struct dfs_mac_state *state, size_t before, const void *bytes,
                       size_t count, const uint8_t tag[DFS_MAC_BYTES]); /* constant time */

/* HKDF-Expand of HKDF-Extract(salt = none, secret): a key for `info`. */
void dfs_key_derive(const void *secret, size_t secret_bytes, const void *info, size_t info_bytes,
                    struct dfs_key *ret_key);

/* SHA-256, for digests and fingerprints. */
void dfs_sha256(const void *bytes, size_t count, uint8_t ret_digest[32]);

/* Overwrites secrets so that the compiler cannot leave it out. */
void dfs_wipe(void *bytes, size_t count);

#endif

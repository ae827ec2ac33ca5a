/*
 * digest.h - what stands for a frame in the trace hash when a library decides some of its bytes.
 *
 * A token's signature is made by OpenSSL: another version of it, or another nonce, gives other bytes for the same claims. So a frame that carries a token is hashed
 * without the signature; header and claims, and everything around the token, count byte by byte. All other frames are hashed as they are.
 */
#ifndef DFS_SIM_DIGEST_H
#define DFS_SIM_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For sim_world_options.digest. true and *ret_digest when the head carries a token, false otherwise. */
bool sim_token_digest(void *arg, const uint8_t *head, size_t head_bytes, uint64_t *ret_digest);

#endif

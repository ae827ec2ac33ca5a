/*
 * content.h - the bytes of a simulated file: a function of (key, offset), so that nothing has to be kept to check it.
 *
 * A fingerprint is a sum over the file's 8-byte words of word times a factor of its place. It is linear in the bytes, so it can be taken in pieces of any
 * cut, in any order, and of a file that was never held in memory. It finds every accident; it is no defence against a forger.
 */
#ifndef DFS_SIM_CONTENT_H
#define DFS_SIM_CONTENT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes offset .. offset + count - 1 of the file of this key. */
void sim_content_fill(uint64_t key, uint64_t offset, uint8_t *bytes, size_t count);

/* What those bytes, standing at `offset` of the file, add to its fingerprint. */
uint64_t sim_content_fingerprint(uint64_t offset, const uint8_t *bytes, size_t count);

/* The fingerprint of bytes first .. first + count - 1 of the file of this key. */
uint64_t sim_content_expected(uint64_t key, uint64_t first, uint64_t count);

#endif

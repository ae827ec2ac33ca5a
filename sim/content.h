/*
 * content.h - the bytes of a simulated file: a function of (key, offset), so that nothing has to be kept to check it.
 */
#ifndef DFS_SIM_CONTENT_H
#define DFS_SIM_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes offset .. offset + count - 1 of the file of this key. */
void sim_content_fill(uint64_t key, uint64_t offset, uint8_t *bytes, size_t count);

/* Are these the bytes that stand at `offset` of the file of this key? */
bool sim_content_is(uint64_t key, uint64_t offset, const uint8_t *bytes, size_t count);

#endif

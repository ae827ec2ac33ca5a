/*
 * token_make.h - tokens that nobody should accept, made as a thief or a fool would make them.
 */
#ifndef DFS_SIM_TOKEN_MAKE_H
#define DFS_SIM_TOKEN_MAKE_H

#include "sim/cluster.h"
#include "sim/ledger.h"

/*
 * A token of that kind (EXPIRED, FORGED, WRONG_ISSUER) for client `client`, terminated. `number` keys its random bytes. The cluster's own signing key is read from
 * auth's disk. false when that has none.
 */
bool sim_token_make(struct sim_cluster *cluster, enum sim_token kind, uint32_t client, uint64_t number,
                    char ret_token[DFS_TOKEN_BYTES_MAX + 1]);

#endif

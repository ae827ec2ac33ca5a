/*
 * ca.h - the cluster's certificate authority, node certificates, and self-signed certificates of clients.
 *
 * Keys are P-256 (ES256): 31,000 signatures a second of a core, and 600-byte certificates. All dates begin a day early, so that a host
 * whose clock is behind accepts what was made just now.
 */
#ifndef DFS_NET_REAL_CA_H
#define DFS_NET_REAL_CA_H

#include "core/env/env.h"

/* Of a CA: it outlives the cluster's machines, and replacing it means touching every host. */
#define DFS_CA_DAYS (20 * 365)

/* Of nodes and clients: renewed by a reload, long before. */
#define DFS_CERT_DAYS (5 * 365)

/* A certificate and its private key as PEM texts, each with its end. */
struct dfs_cert {
    char *certificate;
    char *key;
};

/* Wipes the key and frees both. Harmless on a zeroed one. */
void dfs_cert_close(struct dfs_cert *cert);

/* A new CA; `name` (at most 64 bytes) is for people. INTERNAL: OpenSSL failed, which it does not. */
enum dfs_status dfs_ca_make(const char *name, struct dfs_cert *ret_ca) DFS_MUST_CHECK;

/*
 * A certificate that makes its holder the node `node` in `role` (auth, meta, data) of `cluster`: URI:urn:dfs:CLUSTER:ROLE:NODE, for server and
 * client use; localhost stands in it as well, for tools that look at names.
 *
 * DFS_BAD_CONFIG  `ca` cannot be read or its key does not fit.
 */
enum dfs_status dfs_ca_issue(const struct dfs_cert *ca, enum dfs_role role, const struct dfs_id *cluster,
                             const struct dfs_id *node, struct dfs_cert *ret_cert) DFS_MUST_CHECK;

/* A client's certificate, which only says "the same one as before". */
enum dfs_status dfs_cert_self_signed(const char *name, struct dfs_cert *ret_cert) DFS_MUST_CHECK;

/* SHA-256 of the first certificate in DER: what tokens are bound to. BAD_CONFIG: no certificate. */
enum dfs_status dfs_cert_fingerprint(const char *pem, uint8_t ret_fingerprint[DFS_FINGERPRINT_BYTES]) DFS_MUST_CHECK;

#endif

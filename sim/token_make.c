#include "sim/token_make.h"

#include "core/auth/keys.h"
#include "core/auth/token_jwt.h"
#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As "expired" as can be: longer ago than any leeway. */
#define EXPIRED_SINCE_S 86400
#define LIFETIME_S 900

struct newest {
    uint64_t number;
    char name[DFS_FILE_NAME_BYTES_MAX];
};

static bool look_for_keys(void *arg, const char *name, const struct sim_file *file)
{
    struct newest *newest = arg;
    char *end = NULL;

    (void)file;
    if (strncmp(name, "keys-", 5) != 0)
        return true;
    const uint64_t number = strtoull(name + 5, &end, 10);

    if (*end == '\0' && number > newest->number) {
        newest->number = number;
        (void)snprintf(newest->name, sizeof newest->name, "%s", name);
    }
    return true;
}

/* The file's last line is its checksum (core/auth/store.h): cut off. */
static size_t without_last_line(const char *text, size_t count)
{
    if (count > 0 && text[count - 1] == '\n')
        count--;
    while (count > 0 && text[count - 1] != '\n')
        count--;
    return count;
}

static bool cluster_keys(struct sim_cluster *cluster, struct dfs_signing_keys *ret_keys)
{
    struct newest newest = {0};

    sim_disk_each(cluster->auth.disk, SIM_DURABLE, look_for_keys, &newest);
    if (newest.number == 0)
        return false;
    const struct sim_file *file = sim_disk_find(cluster->auth.disk, SIM_DURABLE, newest.name);
    const size_t count = sim_file_bytes(file, SIM_DURABLE);
    char *text = dfs_alloc_zero(count + 1);
    const size_t got = sim_file_read(file, SIM_DURABLE, 0, text, count);
    const size_t lines = without_last_line(text, got);

    text[lines] = '\0';
    const bool ok = dfs_signing_keys_read(text, lines, ret_keys) == DFS_OK && ret_keys->count > 0;

    dfs_free(text);
    return ok;
}

bool sim_token_make(struct sim_cluster *cluster, enum sim_token kind, uint32_t client, uint64_t number,
                    char ret_token[DFS_TOKEN_BYTES_MAX + 1])
{
    const struct dfs_claims none = {0};
    struct dfs_signing_keys keys = {0};
    struct dfs_signing_keys forged = {0};
    struct dfs_claims claims = none;
    struct dfs_id id;
    const uint64_t now_s = sim_host_wall(cluster->auth.host) / DFS_SECONDS;
    size_t count = 0;
    uint8_t random[DFS_KEY_KID_RANDOM_BYTES] = {0};

    if (!cluster_keys(cluster, &keys))
        return false;
    /* A stream of its own: no machine's step has this number. */
    sim_random_stream(UINT64_MAX, number);
    for (size_t i = 0; i < sizeof id.bytes; i++)
        id.bytes[i] = (uint8_t)sim_world_draw(cluster->world, "token", number << 8 | i);
    dfs_id_make_random(&id);
    dfs_id_print(&id, claims.id);
    (void)snprintf(claims.issuer, sizeof claims.issuer, "%s",
                   kind == SIM_TOKEN_WRONG_ISSUER ? "somebody-else" : cluster->issuer);
    char audience[DFS_ID_TEXT_BYTES];

    dfs_id_print(&cluster->id, audience);
    (void)snprintf(claims.audience, sizeof claims.audience, "%s", audience);
    (void)snprintf(claims.subject, sizeof claims.subject, "c%u", client + 1);
    (void)snprintf(claims.scope, sizeof claims.scope, "rw:/");
    claims.issued_s = now_s;
    if (kind == SIM_TOKEN_EXPIRED)
        claims.issued_s -= EXPIRED_SINCE_S + LIFETIME_S;
    claims.not_before_s = claims.issued_s;
    claims.expires_s = claims.issued_s + LIFETIME_S;
    sim_client_fingerprint(cluster, client, claims.bearer);

    const struct dfs_signing_key *key = dfs_signing_keys_signer(&keys, now_s);
    const char *pem = key->private_pem;

    if (kind == SIM_TOKEN_FORGED) { /* the right kid, another key */
        const enum dfs_status made = dfs_signing_keys_rotate(&forged, random, now_s, LIFETIME_S);

        DFS_ASSERT(made == DFS_OK);
        pem = forged.all[0].private_pem;
    }
    const bool ok = dfs_jwt_sign(&claims, key->kid, pem, ret_token, &count) == DFS_OK;

    dfs_signing_keys_close(&keys);
    dfs_signing_keys_close(&forged);
    return ok;
}

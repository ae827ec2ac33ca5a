/*
 * profile.h - where the cluster is and who we are there: one JSON file, readable by its owner only.
 *
 *     {"auth": "127.0.0.1:7400", "metadata": "127.0.0.1:7401", "ca": "ca.pem", "certificate": "client.pem", "key": "client.key",
 *      "user": "ann", "token": "...", "token_expires_s": 1893456000}
 *
 * Beside these keys: "password_file" (the login is then repeated without asking when the token has run out), "names" (node ids to
 * names, for people), and the client's settings. Paths count from the profile's directory; instead of a path the PEM text itself
 * may stand there.
 */
#ifndef DFS_APPS_CLI_PROFILE_H
#define DFS_APPS_CLI_PROFILE_H

#include "apps/common/config.h"
#include "net_real/real.h"

#include <jansson.h>

/* A PEM text of a key or certificate with its chain. */
#define DFS_PROFILE_PEM_BYTES 8192

struct dfs_profile {
    char *file;
    struct dfs_settings settings;
    char auth[DFS_ADDRESS_TEXT_BYTES];
    char metadata[DFS_ADDRESS_TEXT_BYTES];
    char ca[DFS_PROFILE_PEM_BYTES];
    char certificate[DFS_PROFILE_PEM_BYTES];
    char key[DFS_PROFILE_PEM_BYTES];
    char user[DFS_USER_BYTES_MAX + 1];
    char password_file[DFS_CONFIG_PATH_BYTES];
    char token[DFS_TOKEN_BYTES_MAX + 1];
    int64_t token_expires_s;
    json_t *names; /* object: node id -> name; NULL: none */
};

/* --profile, then DFS_PROFILE, then ~/.config/dfs/profile.json. To be freed with dfs_free. */
char *dfs_profile_path(const char *option);

/* BAD_CONFIG: ret_error->text is the whole line to print. NOT_FOUND: there is no such file; the same. */
enum dfs_status dfs_profile_read(const char *file, struct dfs_profile *ret_profile,
                                 struct dfs_conf_error *ret_error) DFS_MUST_CHECK;
void dfs_profile_close(struct dfs_profile *profile); /* wipes the token; harmless on a zeroed one */

/* Sets (a NULL or null value: removes) keys of the file, leaving all others as they are; makes the file and its directory. Takes
 * the object. */
enum dfs_status dfs_profile_change(const char *file, json_t *take_keys, struct dfs_why *ret_why) DFS_MUST_CHECK;

/* For dfs_real_config: a text or a path. */
struct dfs_real_pem dfs_profile_pem(const char *value);

/* The name of a node, or NULL. */
const char *dfs_profile_name(const struct dfs_profile *profile, const struct dfs_id *node);

#endif

/*
 * config.h - the JSON configuration of a daemon: who and where it is, and the settings of its role.
 *
 * Read by core/conf's table of keys: an unknown key, a wrong type or a value out of range is one line
 * `FILE:LINE: key "NAME": what is wrong, and the nearest valid thing`. Every key has a default. Paths in the file count from
 * the file's own directory.
 */
#ifndef DFS_APPS_COMMON_CONFIG_H
#define DFS_APPS_COMMON_CONFIG_H

#include "apps/common/address.h"
#include "apps/common/log.h"
#include "core/base/mac.h"
#include "core/conf/json_doc.h"
#include "core/conf/settings.h"
#include "core/env/env.h"

/* A path in a configuration. */
#define DFS_CONFIG_PATH_BYTES 1024

/* The cluster's root secret: 32 bytes as 64 hex digits. */
#define DFS_ROOT_SECRET_FILE_BYTES_MAX 256

/* Ports of a host's only daemon of a role; "HOST:0" asks the system for one. */
#define DFS_PORT_AUTH "7400"
#define DFS_PORT_META "7401"
#define DFS_PORT_DATA "7402"

struct dfs_daemon_config {
    struct dfs_settings settings;
    struct dfs_id cluster; /* zero: as the certificate says */
    struct dfs_id node;
    char listen[DFS_ADDRESS_TEXT_BYTES];
    char advertise[DFS_ADDRESS_TEXT_BYTES]; /* "": as listen */
    char auth[DFS_ADDRESS_TEXT_BYTES];
    char metadata[DFS_ADDRESS_TEXT_BYTES];
    char http[DFS_ADDRESS_TEXT_BYTES]; /* "": none */
    char zone[DFS_ZONE_BYTES_MAX + 1];
    char issuer[64];
    int64_t capacity_bytes; /* 0: what the disk has */
    char data_dir[DFS_CONFIG_PATH_BYTES];
    char ca[DFS_CONFIG_PATH_BYTES];
    char certificate[DFS_CONFIG_PATH_BYTES];
    char key[DFS_CONFIG_PATH_BYTES];
    char root_secret[DFS_CONFIG_PATH_BYTES];
    char control[DFS_CONFIG_PATH_BYTES];
    int log_level;
    int log_format;
};

/*
 * Reads the file; paths come back absolute or as the file's directory makes them.
 *
 * BAD_CONFIG   ret_error->text is the whole line to print.
 */
enum dfs_status dfs_config_read(const char *file, enum dfs_role role, struct dfs_daemon_config *ret_config,
                                struct dfs_conf_error *ret_error) DFS_MUST_CHECK;

/* What --help-config prints. */
void dfs_config_help(enum dfs_role role);

/* Cluster and node that the certificate names are put where the file said nothing. BAD_CONFIG: it names none of this role, or others. */
enum dfs_status dfs_config_identify(struct dfs_daemon_config *config, enum dfs_role role,
                                    struct dfs_why *ret_why) DFS_MUST_CHECK;

/* BAD_CONFIG: cannot be read, or is not 64 hex digits. */
enum dfs_status dfs_config_root_secret(const char *file, struct dfs_key *ret_key,
                                       struct dfs_why *ret_why) DFS_MUST_CHECK;

/* Bits of core/conf/keytable.h. */
unsigned dfs_config_roles(enum dfs_role role);

/* Custom readers for tables of other programs (the client's profile). */
struct dfs_key_reader;
struct dfs_conf_key;
enum dfs_status dfs_config_read_address(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                        const struct dfs_json_node *node, void *field);

#endif

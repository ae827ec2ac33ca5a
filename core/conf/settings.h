/*
 * settings.h - what an operator or a scenario may change, with ranges and defaults.
 *
 * The list is settings.def. A struct of settings is plain data: it is copied by assignment and owns nothing.
 * Machines read the fields; nobody changes them while a machine runs.
 *
 * Every number is an int64_t in the unit that ends its name (_ns, _bytes, _bytes_per_s, _ppb: parts per
 * billion, _intervals: of the heartbeat), every choice an int that is one of the enums below, every text a
 * char array.
 */
#ifndef DFS_CORE_CONF_SETTINGS_H
#define DFS_CORE_CONF_SETTINGS_H

#include "core/base/status.h"
#include "core/conf/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who reads or writes JSON includes keytable.h as well; who only uses settings sees nothing of jansson. */
struct dfs_json_node;
struct dfs_key_reader;
struct dfs_keytable;
struct json_t;

/* Positions of the words in settings.def. */
enum dfs_setting_ack { DFS_SETTING_ACK_ALL, DFS_SETTING_ACK_QUORUM };
enum dfs_setting_durability { DFS_SETTING_DURABILITY_SYNC, DFS_SETTING_DURABILITY_ASYNC };
enum dfs_setting_data_transport { DFS_SETTING_DATA_TRANSPORT_TLS, DFS_SETTING_DATA_TRANSPORT_PLAIN };

struct dfs_settings {
#define DFS_SETTING_NUMBER(type, name, field, ...) int64_t field;
#define DFS_SETTING_CHOICE(name, field, ...) int field;
#define DFS_SETTING_TEXT(name, field, bytes, ...) char field[bytes];
#include "core/conf/settings.def"
};

/* The position of each setting in the table: DFS_SETTING_AT_heartbeat_interval ... */
enum dfs_setting {
#define DFS_SETTING_NUMBER(type, name, ...) DFS_SETTING_AT_##name,
#define DFS_SETTING_CHOICE(name, ...) DFS_SETTING_AT_##name,
#define DFS_SETTING_TEXT(name, ...) DFS_SETTING_AT_##name,
#include "core/conf/settings.def"
    DFS_SETTING_COUNT /* not a setting */
};

/*
 * The settings as a table of keys (keytable.h): name, type, range, default and help by position, dfs_key_get
 * and dfs_key_put for the values, help and schema; its check is dfs_settings_check. It may be one of several
 * parts of a daemon's configuration, and a row with this as `table` reads a scenario's cluster.config.
 */
extern const struct dfs_keytable dfs_settings_table;

/* What a swarm draws a setting from, ends included; false where it should leave the default. */
bool dfs_settings_knob(size_t index, int64_t *ret_low, int64_t *ret_high);

/* Every byte of the struct is defined afterwards. */
void dfs_settings_init(struct dfs_settings *settings);

/*
 * Reads an object of settings and nothing else, with all checks; keys that are not there get their defaults.
 *
 * DFS_BAD_CONFIG  reader->error says what and where; *settings is not to be used.
 */
DFS_MUST_CHECK enum dfs_status dfs_settings_read(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                                 struct dfs_settings *settings);

/*
 * Sets one by name from text, as on a command line.
 *
 * DFS_BAD_CONFIG  nothing was changed; ret_why, unless NULL, says why (an unknown name with the nearest one).
 */
DFS_MUST_CHECK enum dfs_status dfs_settings_set(struct dfs_settings *settings, const char *name, const char *text,
                                                bool is_relaxed, struct dfs_why *ret_why);

/* Two settings that do not go together (for a rule about one, both are the same). */
struct dfs_settings_conflict {
    enum dfs_setting settings[2];
    struct dfs_why why;
};

/*
 * Rules between settings that are each within their range. Rules about a setting that is none of `roles` (0:
 * all) are passed over: who cannot set it cannot mend it. To be called after settings were set one by one;
 * reading does it by itself.
 *
 * DFS_BAD_CONFIG  *ret_conflict names the first broken rule.
 */
DFS_MUST_CHECK enum dfs_status dfs_settings_check(const struct dfs_settings *settings, unsigned roles,
                                                  struct dfs_settings_conflict *ret_conflict);

/* All of them as JSON that reads back to the same struct; a new reference, see dfs_keytable_export. */
struct json_t *dfs_settings_export(const struct dfs_settings *settings);

/* Adds the part of `--help-config` about the settings of `roles` (0: all). */
void dfs_settings_help(unsigned roles, struct dfs_conf_text *text);

#endif

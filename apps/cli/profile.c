#include "apps/cli/profile.h"

#include "apps/common/file.h"
#include "core/base/mem.h"
#include "core/conf/keytable.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEM_BEGIN "-----BEGIN"

static enum dfs_status read_names(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                  const struct dfs_json_node *node, void *field)
{
    json_t **names = field;
    const char *key;
    json_t *value;

    (void)row;
    if (!json_is_object(node->value))
        return dfs_key_refuse(reader, node, "must be an object from node ids to names, not %s",
                              dfs_json_described(node->value).text);
    json_object_foreach(node->value, key, value) if (!json_is_string(value)) return dfs_key_refuse(
        reader, node, "the name of %s must be a text", dfs_quote_text(key).text);
    *names = json_incref(node->value);
    return DFS_OK;
}

#define AT(member) .offset = offsetof(struct dfs_profile, member)
#define TEXT_AT(member) AT(member), .size = sizeof(((struct dfs_profile *)NULL)->member), .min = 0, .default_text = ""

static const struct dfs_conf_key rows[] = {
    {.name = "$schema", .type = DFS_KEY_IGNORED, .help = "For editors."},
    {.name = "auth",
     .type = DFS_KEY_CUSTOM,
     AT(auth),
     .read = dfs_config_read_address,
     .help = "The authorization server."},
    {.name = "metadata",
     .type = DFS_KEY_CUSTOM,
     AT(metadata),
     .read = dfs_config_read_address,
     .help = "The metadata server."},
    {.name = "ca", .type = DFS_KEY_TEXT, TEXT_AT(ca), .help = "The cluster's CA: a file, or the PEM text."},
    {.name = "certificate",
     .type = DFS_KEY_TEXT,
     TEXT_AT(certificate),
     .help = "The client's certificate, self-signed or not."},
    {.name = "key", .type = DFS_KEY_TEXT, TEXT_AT(key), .help = "Its private key."},
    {.name = "user", .type = DFS_KEY_TEXT, TEXT_AT(user), .help = "Whose token it is."},
    {.name = "password_file",
     .type = DFS_KEY_TEXT,
     TEXT_AT(password_file),
     .help = "Log in again with this when needed."},
    {.name = "token", .type = DFS_KEY_TEXT, TEXT_AT(token), .help = "Written by dfs login."},
    {.name = "token_expires_s",
     .type = DFS_KEY_COUNT,
     AT(token_expires_s),
     .default_text = "0",
     .help = "Seconds since 1970."},
    {.name = "names", .type = DFS_KEY_CUSTOM, AT(names), .read = read_names, .help = "Names of nodes, for people."},
};

static const struct dfs_keytable table = {.name = "profile",
                                          .rows = rows,
                                          .count = sizeof rows / sizeof rows[0],
                                          .help = "Where the cluster is and who we are there."};

char *dfs_profile_path(const char *option)
{
    const char *set = option != NULL ? option : getenv("DFS_PROFILE");
    const char *home = getenv("HOME");
    const struct passwd *entry;

    if (set != NULL && set[0] != '\0')
        return dfs_path_beside("", set);
    if (home == NULL || home[0] == '\0') {
        entry = getpwuid(getuid());
        home = entry != NULL ? entry->pw_dir : "/";
    }
    return dfs_path_join(home, ".config/dfs/profile.json");
}

static bool is_text(const char *value)
{
    return strncmp(value, PEM_BEGIN, strlen(PEM_BEGIN)) == 0;
}

struct dfs_real_pem dfs_profile_pem(const char *value)
{
    if (value[0] == '\0')
        return (struct dfs_real_pem){0};
    return is_text(value) ? (struct dfs_real_pem){.text = value} : (struct dfs_real_pem){.path = value};
}

/* Relative paths count from the profile's directory. */
static void place(const char *file, char *path, size_t room)
{
    char *whole;

    if (path[0] == '\0' || is_text(path))
        return;
    whole = dfs_path_beside(file, path);
    (void)snprintf(path, room, "%s", whole);
    dfs_free(whole);
}

enum dfs_status dfs_profile_read(const char *file, struct dfs_profile *profile, struct dfs_conf_error *ret_error)
{
    struct dfs_key_part parts[] = {{&table, profile}, {&dfs_settings_table, &profile->settings}};
    struct dfs_key_reader reader = {.roles = DFS_FOR_CLIENT, .error = ret_error};
    struct dfs_json_doc *doc = NULL;
    struct dfs_why why;
    char *bytes = NULL;
    size_t count = 0;
    enum dfs_status status;

    memset(profile, 0, sizeof *profile);
    profile->file = dfs_path_beside("", file);
    dfs_settings_init(&profile->settings);
    status = dfs_file_read(file, DFS_JSON_BYTES_MAX, &bytes, &count, &why);
    if (status != DFS_OK) {
        ret_error->status = DFS_BAD_CONFIG;
        (void)snprintf(ret_error->text, sizeof ret_error->text, "%s%s", why.text,
                       status == DFS_NOT_FOUND
                           ? "; name a profile with --profile, make one with dfs login, or try dfs local up"
                           : "");
        return status == DFS_NOT_FOUND ? DFS_NOT_FOUND : DFS_BAD_CONFIG;
    }
    status = dfs_json_doc_new(file, bytes, count, &doc, ret_error);
    dfs_wipe(bytes, count);
    dfs_free(bytes);
    if (status != DFS_OK)
        return status;
    reader.doc = doc;
    status = dfs_keytable_read(&reader, dfs_json_root(doc), parts, 2);
    dfs_json_doc_free(doc);
    place(file, profile->ca, sizeof profile->ca);
    place(file, profile->certificate, sizeof profile->certificate);
    place(file, profile->key, sizeof profile->key);
    place(file, profile->password_file, sizeof profile->password_file);
    return status;
}

void dfs_profile_close(struct dfs_profile *profile)
{
    dfs_free(profile->file);
    profile->file = NULL;
    json_decref(profile->names);
    profile->names = NULL;
    dfs_wipe(profile->token, sizeof profile->token);
    dfs_wipe(profile->key, sizeof profile->key);
}

enum dfs_status dfs_profile_change(const char *file, json_t *take_keys, struct dfs_why *ret_why)
{
    json_error_t error;
    json_t *whole = NULL;
    char *directory;
    char *slash;
    char *bytes = NULL;
    size_t count = 0;
    const char *key;
    json_t *value;
    enum dfs_status status = dfs_file_read(file, DFS_JSON_BYTES_MAX, &bytes, &count, ret_why);

    if (status == DFS_OK)
        whole = json_loadb(bytes, count, 0, &error);
    else if (status == DFS_NOT_FOUND)
        whole = json_object();
    dfs_free(bytes);
    if (!json_is_object(whole)) {
        if (status == DFS_OK)
            dfs_why_set(ret_why, "%s: is no JSON object", file);
        json_decref(whole);
        json_decref(take_keys);
        return DFS_BAD_CONFIG;
    }
    json_object_foreach(take_keys, key, value)
    {
        if (json_is_null(value))
            (void)json_object_del(whole, key);
        else
            (void)json_object_set(whole, key, value);
    }
    json_decref(take_keys);
    directory = dfs_path_absolute(file);
    slash = strrchr(directory, '/');
    *slash = '\0';
    status = slash == directory ? DFS_OK : dfs_directory_make(directory, 0700, ret_why);
    dfs_free(directory);
    if (status == DFS_OK) {
        char *text = json_dumps(whole, JSON_INDENT(2));

        count = strlen(text);
        text[count] = '\n'; /* in place of the end */
        status = dfs_file_write(file, text, count + 1, 0600, ret_why);
        dfs_wipe(text, count);
        free(text);
    }
    json_decref(whole);
    return status;
}

const char *dfs_profile_name(const struct dfs_profile *profile, const struct dfs_id *node)
{
    char text[DFS_ID_TEXT_BYTES];

    dfs_id_print(node, text);
    return json_string_value(json_object_get(profile->names, text));
}

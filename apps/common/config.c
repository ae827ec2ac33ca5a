#include "apps/common/config.h"

#include "apps/common/file.h"
#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/conf/keytable.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* Certificates with a chain and keys: net_real has the same bound. */
#define PEM_FILE_BYTES_MAX (256 * 1024)

/* Custom keys ------------------------------------------------------------------------------------------------------- */

/* Empty is allowed: it switches off what has an address of its own (http), or means "as listen". */
enum dfs_status dfs_config_read_address(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                        const struct dfs_json_node *node, void *field)
{
    const char *text = json_string_value(node->value);
    struct dfs_why why;

    if (text == NULL)
        return dfs_key_refuse(reader, node, "must be an address such as \"127.0.0.1:7401\", not %s",
                              dfs_json_described(node->value).text);
    if ((row->flags & DFS_KEY_FIXED) != 0 && (text[0] == '\0' || strcmp(text, "off") == 0)) {
        memset(field, 0, DFS_ADDRESS_TEXT_BYTES);
        return DFS_OK;
    }
    if (dfs_address_check(text, &why) != DFS_OK)
        return dfs_key_refuse(reader, node, "%s", why.text);
    (void)snprintf(field, DFS_ADDRESS_TEXT_BYTES, "%s", text);
    return DFS_OK;
}

static enum dfs_status read_id(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                               const struct dfs_json_node *node, void *field)
{
    const char *text = json_string_value(node->value);

    (void)row;
    if (text == NULL || !dfs_id_parse(text, field))
        return dfs_key_refuse(reader, node, "must be a UUID such as \"6fa459ea-ee8a-4ca4-894e-db77e160355e\", not %s",
                              dfs_json_described(node->value).text);
    return DFS_OK;
}

/* The keys ---------------------------------------------------------------------------------------------------------- */

#define AT(member) .offset = offsetof(struct dfs_daemon_config, member)
#define TEXT_AT(member) AT(member), .size = sizeof(((struct dfs_daemon_config *)NULL)->member)
#define STRING_SCHEMA "{\"type\": \"string\"}"

/* The same rows for each role, but for the ports. An address that may be "" has DFS_KEY_FIXED (it has no other use here). */
#define ROWS(port, http_port) \
    { \
        {.name = "$schema", .type = DFS_KEY_IGNORED, .help = "For editors."}, \
            {.name = "cluster", \
             .type = DFS_KEY_CUSTOM, \
             AT(cluster), \
             .read = read_id, \
             .schema = STRING_SCHEMA, \
             .help = "The cluster's UUID; default: what the certificate says."}, \
            {.name = "node", \
             .type = DFS_KEY_CUSTOM, \
             AT(node), \
             .read = read_id, \
             .schema = STRING_SCHEMA, \
             .help = "This node's UUID; default: what the certificate says."}, \
            {.name = "listen", \
             .type = DFS_KEY_CUSTOM, \
             AT(listen), \
             .read = dfs_config_read_address, \
             .schema = STRING_SCHEMA, \
             .help = "Where it listens, HOST:PORT; default \"0.0.0.0:" port "\"."}, \
            {.name = "advertise", \
             .type = DFS_KEY_CUSTOM, \
             .flags = DFS_KEY_FIXED, \
             .roles = DFS_FOR_DATA, \
             AT(advertise), \
             .read = dfs_config_read_address, \
             .schema = STRING_SCHEMA, \
             .help = "The address that clients and peers are told; default: as listen, which must then name a host."}, \
            {.name = "auth", \
             .type = DFS_KEY_CUSTOM, \
             .roles = DFS_FOR_META, \
             AT(auth), \
             .read = dfs_config_read_address, \
             .schema = STRING_SCHEMA, \
             .help = "The authorization server; default \"127.0.0.1:" DFS_PORT_AUTH "\"."}, \
            {.name = "metadata", \
             .type = DFS_KEY_CUSTOM, \
             .roles = DFS_FOR_DATA, \
             AT(metadata), \
             .read = dfs_config_read_address, \
             .schema = STRING_SCHEMA, \
             .help = "The metadata server, TCP and UDP; default \"127.0.0.1:" DFS_PORT_META "\"."}, \
            {.name = "http", \
             .type = DFS_KEY_CUSTOM, \
             .flags = DFS_KEY_FIXED, \
             AT(http), \
             .read = dfs_config_read_address, \
             .schema = STRING_SCHEMA, \
             .help = \
                 "Where GET /healthz and /metrics are answered; \"off\" for nowhere; default \"127.0.0.1:" http_port \
                 "\"."}, \
            {.name = "zone", \
             .type = DFS_KEY_TEXT, \
             .roles = DFS_FOR_DATA, \
             TEXT_AT(zone), \
             .min = 0, \
             .default_text = "", \
             .help = "What fails together with this server: a rack, a room. Copies are spread over zones."}, \
            {.name = "capacity", \
             .type = DFS_KEY_SIZE, \
             .roles = DFS_FOR_DATA, \
             AT(capacity_bytes), \
             .default_text = "0B", \
             .help = "How much of the disk may be used; 0B is all of it."}, \
            {.name = "issuer", \
             .type = DFS_KEY_TEXT, \
             TEXT_AT(issuer), \
             .min = 1, \
             .default_text = "dfs", \
             .help = "The issuer that stands in tokens: the same in the whole cluster."}, \
            {.name = "data_dir", \
             .type = DFS_KEY_TEXT, \
             TEXT_AT(data_dir), \
             .min = 1, \
             .default_text = "data", \
             .help = "The directory of the daemon's disk; nothing else may be in it."}, \
            {.name = "ca", \
             .type = DFS_KEY_TEXT, \
             TEXT_AT(ca), \
             .min = 1, \
             .default_text = "ca.pem", \
             .help = "The cluster's CA, PEM."}, \
            {.name = "certificate", \
             .type = DFS_KEY_TEXT, \
             TEXT_AT(certificate), \
             .min = 1, \
             .default_text = "node.pem", \
             .help = "This node's certificate by that CA, PEM."}, \
            {.name = "key", \
             .type = DFS_KEY_TEXT, \
             TEXT_AT(key), \
             .min = 1, \
             .default_text = "node.key", \
             .help = "The certificate's private key, PEM."}, \
            {.name = "root_secret", \
             .type = DFS_KEY_TEXT, \
             .roles = DFS_FOR_META, \
             TEXT_AT(root_secret), \
             .min = 1, \
             .default_text = "root.secret", \
             .help = "File with 64 hex digits from which all node keys are derived."}, \
            {.name = "control", \
             .type = DFS_KEY_TEXT, \
             .roles = DFS_FOR_AUTH, \
             TEXT_AT(control), \
             .min = 1, \
             .default_text = "auth.control", \
             .help = \
                 "Unix socket through which \"dfs-auth user ...\" speaks to the running server; only its owner may."}, \
            {.name = "log_level", \
             .type = DFS_KEY_CHOICE, \
             AT(log_level), \
             .words = DFS_LOG_LEVELS, \
             .default_text = "info", \
             .help = "What goes to the log; taken up again at SIGHUP."}, \
            {.name = "log_format", \
             .type = DFS_KEY_CHOICE, \
             AT(log_format), \
             .words = DFS_LOG_FORMATS, \
             .default_text = "text", \
             .help = "Form of a line of the log; --log-format goes before it."}, \
    }

static const struct dfs_conf_key auth_rows[] = ROWS(DFS_PORT_AUTH, "7410");
static const struct dfs_conf_key meta_rows[] = ROWS(DFS_PORT_META, "7411");
static const struct dfs_conf_key data_rows[] = ROWS(DFS_PORT_DATA, "7412");

#define ROWS_COUNT (sizeof auth_rows / sizeof auth_rows[0])

struct role_keys {
    struct dfs_keytable table;
    unsigned roles;
    const char *listen;
    const char *http;
};

static const struct role_keys keys_of[DFS_ROLE_COUNT] = {
    [DFS_ROLE_AUTH] =
        {{.name = "daemon", .rows = auth_rows, .count = ROWS_COUNT, .help = "Who and where the server is."},
         DFS_FOR_AUTH,
         "0.0.0.0:" DFS_PORT_AUTH,
         "127.0.0.1:7410"},
    [DFS_ROLE_META] =
        {{.name = "daemon", .rows = meta_rows, .count = ROWS_COUNT, .help = "Who and where the server is."},
         DFS_FOR_META,
         "0.0.0.0:" DFS_PORT_META,
         "127.0.0.1:7411"},
    [DFS_ROLE_DATA] =
        {{.name = "daemon", .rows = data_rows, .count = ROWS_COUNT, .help = "Who and where the server is."},
         DFS_FOR_DATA,
         "0.0.0.0:" DFS_PORT_DATA,
         "127.0.0.1:7412"},
};

unsigned dfs_config_roles(enum dfs_role role)
{
    return keys_of[role].roles;
}

void dfs_config_help(enum dfs_role role)
{
    const struct dfs_keytable *const tables[] = {&keys_of[role].table, &dfs_settings_table};
    struct dfs_conf_text text = {0};

    DFS_ASSERT(keys_of[role].roles != 0);
    dfs_keytable_help(tables, 2, keys_of[role].roles, &text);
    (void)fputs(text.bytes != NULL ? text.bytes : "", stdout);
    dfs_conf_text_close(&text);
}

/* Reading ----------------------------------------------------------------------------------------------------------- */

static enum dfs_status place(const char *file, const char *name, char *path, struct dfs_conf_error *ret_error)
{
    char *whole;
    size_t count;

    if (path[0] == '\0') /* a key of another role */
        return DFS_OK;
    whole = dfs_path_beside(file, path);
    count = strlen(whole);
    if (count < DFS_CONFIG_PATH_BYTES)
        memcpy(path, whole, count + 1);
    dfs_free(whole);
    if (count < DFS_CONFIG_PATH_BYTES)
        return DFS_OK;
    ret_error->status = DFS_BAD_CONFIG;
    (void)snprintf(ret_error->text, sizeof ret_error->text, "%.512s: key \"%s\": the path is longer than %d bytes",
                   file, name, DFS_CONFIG_PATH_BYTES - 1);
    return DFS_BAD_CONFIG;
}

static enum dfs_status place_all(const char *file, struct dfs_daemon_config *config, struct dfs_conf_error *ret_error)
{
    struct {
        const char *name;
        char *path;
    } const paths[] = {
        {"data_dir", config->data_dir},       {"ca", config->ca},
        {"certificate", config->certificate}, {"key", config->key},
        {"root_secret", config->root_secret}, {"control", config->control},
    };

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (place(file, paths[i].name, paths[i].path, ret_error) != DFS_OK)
            return DFS_BAD_CONFIG;
    return DFS_OK;
}

enum dfs_status dfs_config_read(const char *file, enum dfs_role role, struct dfs_daemon_config *ret_config,
                                struct dfs_conf_error *ret_error)
{
    const struct role_keys *keys = &keys_of[role];
    struct dfs_key_part parts[] = {{&keys->table, ret_config}, {&dfs_settings_table, &ret_config->settings}};
    struct dfs_json_doc *doc = NULL;
    struct dfs_key_reader reader = {.roles = keys->roles, .error = ret_error};
    struct dfs_why why;
    char *bytes = NULL;
    size_t count = 0;
    enum dfs_status status;

    DFS_ASSERT(keys->roles != 0);
    memset(ret_config, 0, sizeof *ret_config);
    dfs_settings_init(&ret_config->settings);
    (void)snprintf(ret_config->listen, sizeof ret_config->listen, "%s", keys->listen);
    (void)snprintf(ret_config->http, sizeof ret_config->http, "%s", keys->http);
    (void)snprintf(ret_config->auth, sizeof ret_config->auth, "127.0.0.1:" DFS_PORT_AUTH);
    (void)snprintf(ret_config->metadata, sizeof ret_config->metadata, "127.0.0.1:" DFS_PORT_META);
    if (dfs_file_read(file, DFS_JSON_BYTES_MAX, &bytes, &count, &why) != DFS_OK) {
        ret_error->status = DFS_BAD_CONFIG;
        (void)snprintf(ret_error->text, sizeof ret_error->text, "%s", why.text);
        return DFS_BAD_CONFIG;
    }
    status = dfs_json_doc_new(file, bytes, count, &doc, ret_error);
    dfs_free(bytes);
    if (status != DFS_OK)
        return status;
    reader.doc = doc;
    status = dfs_keytable_read(&reader, dfs_json_root(doc), parts, 2);
    dfs_json_doc_free(doc);
    if (status == DFS_OK)
        status = place_all(file, ret_config, ret_error);
    return status;
}

/* The certificate --------------------------------------------------------------------------------------------------- */

static X509 *certificate_read(const char *file, struct dfs_why *ret_why)
{
    char *bytes = NULL;
    size_t count = 0;
    X509 *found = NULL;
    BIO *bio;

    if (dfs_file_read(file, PEM_FILE_BYTES_MAX, &bytes, &count, ret_why) != DFS_OK)
        return NULL;
    bio = BIO_new_mem_buf(bytes, (int)count);
    if (bio != NULL)
        found = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    dfs_free(bytes);
    if (found == NULL)
        dfs_why_set(ret_why, "%s: holds no certificate", file);
    return found;
}

/* "urn:dfs:CLUSTER:ROLE:NODE" */
static bool identity_parse(const char *uri, enum dfs_role role, struct dfs_id *ret_cluster, struct dfs_id *ret_node)
{
    char cluster[DFS_ID_TEXT_BYTES] = "";
    char name[8] = "";
    char node[DFS_ID_TEXT_BYTES] = "";

    return sscanf(uri, "urn:dfs:%36[0-9a-fA-F-]:%7[a-z]:%36[0-9a-fA-F-]", cluster, name, node) == 3 &&
           strcmp(name, dfs_role_name(role)) == 0 && dfs_id_parse(cluster, ret_cluster) && dfs_id_parse(node, ret_node);
}

static bool identity_find(X509 *cert, enum dfs_role role, struct dfs_id *ret_cluster, struct dfs_id *ret_node)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_URI) {
            char uri[128];

            (void)snprintf(uri, sizeof uri, "%.*s", ASN1_STRING_length(name->d.uniformResourceIdentifier),
                           (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier));
            found = identity_parse(uri, role, ret_cluster, ret_node);
        }
    }
    GENERAL_NAMES_free(names);
    return found;
}

enum dfs_status dfs_config_identify(struct dfs_daemon_config *config, enum dfs_role role, struct dfs_why *ret_why)
{
    X509 *cert = certificate_read(config->certificate, ret_why);
    struct dfs_id cluster = {{0}};
    struct dfs_id node = {{0}};
    bool found;

    if (cert == NULL)
        return DFS_BAD_CONFIG;
    found = identity_find(cert, role, &cluster, &node);
    X509_free(cert);
    if (!found) {
        dfs_why_set(ret_why, "%s: is not the certificate of a %s server", config->certificate, dfs_role_name(role));
        return DFS_BAD_CONFIG;
    }
    if (dfs_id_is_zero(&config->cluster))
        config->cluster = cluster;
    if (dfs_id_is_zero(&config->node))
        config->node = node;
    if (!dfs_id_equal(&config->cluster, &cluster) || !dfs_id_equal(&config->node, &node)) {
        dfs_why_set(ret_why, "%s: names another cluster or node than the keys \"cluster\" and \"node\"",
                    config->certificate);
        return DFS_BAD_CONFIG;
    }
    return DFS_OK;
}

/* The root secret --------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum dfs_status dfs_config_root_secret(const char *file, struct dfs_key *ret_key, struct dfs_why *ret_why)
{
    struct dfs_key key = {{0}};
    char *bytes = NULL;
    size_t count = 0;
    bool good;

    if (dfs_file_read(file, DFS_ROOT_SECRET_FILE_BYTES_MAX, &bytes, &count, ret_why) != DFS_OK)
        return DFS_BAD_CONFIG;
    while (count > 0 && (bytes[count - 1] == '\n' || bytes[count - 1] == '\r' || bytes[count - 1] == ' '))
        count--;
    good = count == 2 * sizeof key.bytes;
    for (size_t i = 0; good && i < sizeof key.bytes; i++) {
        const int high = hex_digit(bytes[2 * i]);
        const int low = hex_digit(bytes[2 * i + 1]);

        good = high >= 0 && low >= 0;
        key.bytes[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
    dfs_wipe(bytes, count);
    dfs_free(bytes);
    if (good)
        *ret_key = key;
    else
        dfs_why_set(ret_why, "%s: must hold 64 hex digits; make it with: openssl rand -hex 32", file);
    dfs_wipe(&key, sizeof key);
    return good ? DFS_OK : DFS_BAD_CONFIG;
}

#include "apps/cli/local.h"

#include "apps/cli/profile.h"
#include "apps/common/file.h"
#include "core/base/mem.h"
#include "core/conf/keytable.h"
#include "core/conf/units.h"
#include "core/conf/words.h"
#include "net_real/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Below the range from which systems take ports of connections by themselves (32768 on Linux), so that a daemon finds its port
 * free when it is started again. */
#define PORT_FIRST 20000
#define PORT_COUNT 12000

#define ADMIN_SCOPE "rwa:/"

/* 24 letters of 32: 120 bits. */
#define PASSWORD_LETTERS 24

void local_close(struct local_cluster *cluster)
{
    dfs_free(cluster->directory);
    cluster->directory = NULL;
    if (cluster->claim >= 0)
        (void)close(cluster->claim);
    cluster->claim = -1;
}

char *local_path(const struct local_cluster *cluster, const char *name, const char *suffix)
{
    struct dfs_conf_text text = {0};

    dfs_conf_text_add(&text, "%s/%s%s", cluster->directory, name, suffix);
    return dfs_conf_text_take(&text);
}

static void draw(void *bytes, size_t count)
{
    ssize_t got;

    do
        got = getrandom(bytes, count, 0);
    while (got < 0 && errno == EINTR);
}

static struct dfs_id new_id(void)
{
    struct dfs_id id;

    draw(&id, sizeof id);
    dfs_id_make_random(&id);
    return id;
}

static enum dfs_status write_text(const struct local_cluster *cluster, const char *name, const char *suffix,
                                  const char *text, struct dfs_why *ret_why)
{
    char *path = local_path(cluster, name, suffix);
    const enum dfs_status status = dfs_file_write(path, text, strlen(text), 0600, ret_why);

    dfs_free(path);
    return status;
}

/* Takes the value. */
static enum dfs_status write_json(const struct local_cluster *cluster, const char *name, const char *suffix,
                                  json_t *take_value, struct dfs_why *ret_why)
{
    struct dfs_conf_text text = {0};
    char *dumped = json_dumps(take_value, JSON_INDENT(2));
    enum dfs_status status;

    json_decref(take_value);
    dfs_conf_text_add(&text, "%s\n", dumped);
    free(dumped);
    status = write_text(cluster, name, suffix, text.bytes, ret_why);
    dfs_conf_text_close(&text);
    return status;
}

/* Ports ------------------------------------------------------------------------------------------------------------ */

/* Between the moment in which ports are found free and the moment in which the daemons have taken them, another `dfs local up` must
 * not find the same. The one that looks therefore holds a name in the abstract namespace, which ends with its process. One that
 * hangs does not stop the others: after this time they look without it. */
#define CLAIM_WAIT_MS 30000
#define CLAIM_LOOK_MS 20

static int claim_ports(void)
{
    static const char name[] = "dfs local up";
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timespec pause = {.tv_nsec = CLAIM_LOOK_MS * 1000000L};

    memcpy(addr.sun_path + 1, name, sizeof name - 1);
    for (unsigned waited_ms = 0; fd >= 0 && waited_ms < CLAIM_WAIT_MS; waited_ms += CLAIM_LOOK_MS) {
        if (bind(fd, (const struct sockaddr *)&addr,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof name)) == 0)
            return fd;
        (void)nanosleep(&pause, NULL);
    }
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static bool is_port_free(int type, unsigned port)
{
    const struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    const bool is_free = fd >= 0 && bind(fd, (const struct sockaddr *)&addr, sizeof addr) == 0;

    if (fd >= 0)
        (void)close(fd);
    return is_free;
}

/* The first of so many successive ports, each free for TCP and UDP on loopback; 0: none found. They are successive so that the port
 * of a daemon that is down for a moment is not found by a new cluster: those beside it are taken. */
static unsigned find_ports(unsigned count)
{
    for (unsigned tries = 0; tries < 1000; tries++) {
        uint32_t random = 0;
        unsigned first;
        unsigned found = 0;

        draw(&random, sizeof random);
        first = PORT_FIRST + random % (PORT_COUNT - count);
        while (found < count && is_port_free(SOCK_STREAM, first + found) && is_port_free(SOCK_DGRAM, first + found))
            found++;
        if (found == count)
            return first;
    }
    return 0;
}

/* cluster.json ----------------------------------------------------------------------------------------------------- */

static json_t *id_json(const struct dfs_id *id)
{
    char text[DFS_ID_TEXT_BYTES];

    dfs_id_print(id, text);
    return json_string(text);
}

static enum dfs_status save(const struct local_cluster *cluster, struct dfs_why *ret_why)
{
    json_t *daemons = json_array();

    for (size_t i = 0; i < cluster->count; i++) {
        const struct local_daemon *daemon = &cluster->daemons[i];

        (void)json_array_append_new(daemons, json_pack("{s:s, s:s, s:o, s:i, s:i}", "name", daemon->name, "role",
                                                       dfs_role_name(daemon->role), "node", id_json(&daemon->node),
                                                       "port", (int)daemon->port, "http", (int)daemon->http));
    }
    return write_json(
        cluster, "cluster", ".json",
        json_pack("{s:i, s:o, s:o}", "dfs_local", 1, "cluster", id_json(&cluster->cluster), "daemons", daemons),
        ret_why);
}

static bool load_daemon(json_t *from, struct local_daemon *daemon)
{
    const char *name = json_string_value(json_object_get(from, "name"));
    const char *role = json_string_value(json_object_get(from, "role"));
    const char *node = json_string_value(json_object_get(from, "node"));

    if (name == NULL || strlen(name) >= sizeof daemon->name || role == NULL || node == NULL ||
        !dfs_id_parse(node, &daemon->node))
        return false;
    (void)snprintf(daemon->name, sizeof daemon->name, "%s", name);
    daemon->role = DFS_ROLE_AUTH;
    while (daemon->role < DFS_ROLE_COUNT && strcmp(role, dfs_role_name(daemon->role)) != 0)
        daemon->role++;
    daemon->port = (uint16_t)json_integer_value(json_object_get(from, "port"));
    daemon->http = (uint16_t)json_integer_value(json_object_get(from, "http"));
    return daemon->role < DFS_ROLE_CLIENT;
}

enum dfs_status local_load(struct local_cluster *cluster, struct dfs_why *ret_why)
{
    char *path = local_path(cluster, "cluster", ".json");
    char *bytes = NULL;
    const char *id;
    json_t *whole;
    json_t *list;
    json_t *daemon;
    size_t i;
    bool good;
    enum dfs_status status = dfs_file_read(path, DFS_JSON_BYTES_MAX, &bytes, NULL, ret_why);

    if (status != DFS_OK) {
        dfs_free(path);
        return status == DFS_NOT_FOUND ? DFS_NOT_FOUND : DFS_BAD_CONFIG;
    }
    whole = json_loads(bytes, 0, NULL);
    dfs_free(bytes);
    id = json_string_value(json_object_get(whole, "cluster"));
    list = json_object_get(whole, "daemons");
    good = id != NULL && dfs_id_parse(id, &cluster->cluster) && json_array_size(list) >= 3 &&
           json_array_size(list) <= LOCAL_DAEMONS_MAX;
    cluster->count = 0;
    if (good)
        json_array_foreach(list, i, daemon) good = good && load_daemon(daemon, &cluster->daemons[cluster->count++]);
    if (!good)
        dfs_why_set(ret_why, "%s: is not what dfs local up wrote; remove the directory and start anew", path);
    json_decref(whole);
    dfs_free(path);
    return good ? DFS_OK : DFS_BAD_CONFIG;
}

/* Programs ----------------------------------------------------------------------------------------------------------- */

/* The daemons' programs stand beside this one. */
static char *program_path(const char *name)
{
    char own[4096];
    const ssize_t count = readlink("/proc/self/exe", own, sizeof own - 1);
    struct dfs_conf_text text = {0};

    own[count > 0 ? count : 0] = '\0';
    while (own[0] != '\0' && own[strlen(own) - 1] != '/')
        own[strlen(own) - 1] = '\0';
    dfs_conf_text_add(&text, "%s%s", own, name);
    return dfs_conf_text_take(&text);
}

/* In the child: standard input from nowhere, output to the log; never returns. */
static _Noreturn void become(const char *program, const char *log, char **argv)
{
    const int null = open("/dev/null", O_RDONLY);
    const int out = log != NULL ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;

    (void)setsid();
    if (null >= 0)
        (void)dup2(null, STDIN_FILENO);
    if (out >= 0) {
        (void)dup2(out, STDOUT_FILENO);
        (void)dup2(out, STDERR_FILENO);
    }
    /* Nothing else is inherited: a pipe of whoever called us would stay open as long as the daemon lives. */
    (void)closefrom(3);
    (void)execv(program, argv);
    (void)fprintf(stderr, "dfs: local: %s: %s\n", program, strerror(errno));
    _exit(127);
}

/* The first account, by the authorization server's own program. */
static enum dfs_status make_admin(const struct local_cluster *cluster, struct dfs_why *ret_why)
{
    char *program = program_path("dfs-auth");
    char *config = local_path(cluster, "auth", ".json");
    char *password = local_path(cluster, LOCAL_ADMIN, ".password");
    char words[][20] = {"user", "add", LOCAL_ADMIN, "--scope", ADMIN_SCOPE, "--config", "--password-file"};
    char *argv[] = {program,  words[0], words[1], words[2], words[3], words[4],
                    words[5], config,   words[6], password, NULL};
    int code = -1;
    const pid_t pid = fork();

    if (pid == 0)
        become(program, NULL, argv);
    while (pid > 0 && waitpid(pid, &code, 0) < 0 && errno == EINTR) {
        /* again */
    }
    dfs_free(program);
    dfs_free(config);
    dfs_free(password);
    if (pid > 0 && WIFEXITED(code) && WEXITSTATUS(code) == 0)
        return DFS_OK;
    dfs_why_set(ret_why, "the first account could not be made");
    return DFS_IO;
}

/* Making a cluster --------------------------------------------------------------------------------------------------- */

static enum dfs_status write_cert(const struct local_cluster *cluster, const char *name, const struct dfs_cert *cert,
                                  struct dfs_why *ret_why)
{
    const enum dfs_status status = write_text(cluster, name, ".pem", cert->certificate, ret_why);

    return status == DFS_OK ? write_text(cluster, name, ".key", cert->key, ret_why) : status;
}

static enum dfs_status make_secrets(const struct local_cluster *cluster, struct dfs_why *ret_why)
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789z";
    uint8_t bytes[32];
    char hex[2 * sizeof bytes + 2];
    char password[PASSWORD_LETTERS + 2];
    enum dfs_status status;

    draw(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(hex + 2 * i, 4, "%02x\n", bytes[i]);
    status = write_text(cluster, "root", ".secret", hex, ret_why);
    draw(bytes, sizeof bytes);
    for (size_t i = 0; i < PASSWORD_LETTERS; i++)
        password[i] = letters[bytes[i] % (sizeof letters - 1)];
    password[PASSWORD_LETTERS] = '\n';
    password[PASSWORD_LETTERS + 1] = '\0';
    if (status == DFS_OK)
        status = write_text(cluster, LOCAL_ADMIN, ".password", password, ret_why);
    dfs_wipe(bytes, sizeof bytes);
    dfs_wipe(hex, sizeof hex);
    dfs_wipe(password, sizeof password);
    return status;
}

static json_t *address_json(unsigned port)
{
    char text[32];

    (void)snprintf(text, sizeof text, "127.0.0.1:%u", port);
    return json_string(text);
}

static json_t *file_json(const char *name, const char *suffix)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%s%s", name, suffix);
    return json_string(text);
}

static enum dfs_status make_daemon(const struct local_cluster *cluster, const struct local_daemon *daemon,
                                   const struct dfs_cert *ca, struct dfs_why *ret_why)
{
    struct dfs_cert cert = {NULL, NULL};
    enum dfs_status status = dfs_ca_issue(ca, daemon->role, &cluster->cluster, &daemon->node, &cert);
    json_t *config;

    if (status != DFS_OK) {
        dfs_why_set(ret_why, "no certificate could be made for %s", daemon->name);
        return status;
    }
    status = write_cert(cluster, daemon->name, &cert, ret_why);
    dfs_cert_close(&cert);
    if (status != DFS_OK)
        return status;
    config = json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:s}", "cluster", id_json(&cluster->cluster), "node",
                       id_json(&daemon->node), "listen", address_json(daemon->port), "http", address_json(daemon->http),
                       "ca", "ca.pem", "certificate", file_json(daemon->name, ".pem"), "key",
                       file_json(daemon->name, ".key"), "data_dir", daemon->name);
    if (daemon->role == DFS_ROLE_AUTH)
        (void)json_object_set_new(config, "control", json_string("auth.control"));
    if (daemon->role == DFS_ROLE_META) {
        (void)json_object_set_new(config, "auth", address_json(cluster->daemons[0].port));
        (void)json_object_set_new(config, "root_secret", json_string("root.secret"));
    }
    if (daemon->role == DFS_ROLE_DATA)
        (void)json_object_set_new(config, "metadata", address_json(cluster->daemons[1].port));
    return write_json(cluster, daemon->name, ".json", config, ret_why);
}

static enum dfs_status make_profile(const struct local_cluster *cluster, struct dfs_why *ret_why)
{
    struct dfs_cert cert = {NULL, NULL};
    json_t *names = json_object();
    enum dfs_status status = dfs_cert_self_signed(LOCAL_ADMIN, &cert);

    if (status == DFS_OK)
        status = write_cert(cluster, "client", &cert, ret_why);
    dfs_cert_close(&cert);
    for (size_t i = 0; i < cluster->count; i++) {
        char id[DFS_ID_TEXT_BYTES];

        dfs_id_print(&cluster->daemons[i].node, id);
        (void)json_object_set_new(names, id, json_string(cluster->daemons[i].name));
    }
    if (status != DFS_OK) {
        json_decref(names);
        return status;
    }
    return write_json(
        cluster, "profile", ".json",
        json_pack("{s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:o}", "auth", address_json(cluster->daemons[0].port),
                  "metadata", address_json(cluster->daemons[1].port), "ca", "ca.pem", "certificate", "client.pem",
                  "key", "client.key", "user", LOCAL_ADMIN, "password_file", LOCAL_ADMIN ".password", "names", names),
        ret_why);
}

static enum dfs_status name_daemons(struct local_cluster *cluster, unsigned data, struct dfs_why *ret_why)
{
    unsigned port;

    cluster->cluster = new_id();
    cluster->count = data + 2;
    cluster->claim = claim_ports();
    port = find_ports(2 * (unsigned)cluster->count);
    if (port == 0) {
        dfs_why_set(ret_why, "no %zu successive ports are free on 127.0.0.1 between %d and %d", 2 * cluster->count,
                    PORT_FIRST, PORT_FIRST + PORT_COUNT);
        return DFS_IO;
    }
    for (size_t i = 0; i < cluster->count; i++) {
        struct local_daemon *daemon = &cluster->daemons[i];

        *daemon = (struct local_daemon){
            .role = i == 0   ? DFS_ROLE_AUTH
                    : i == 1 ? DFS_ROLE_META
                             : DFS_ROLE_DATA,
            .node = new_id(),
            .port = (uint16_t)(port + 2 * i),
            .http = (uint16_t)(port + 2 * i + 1),
        };
        if (daemon->role == DFS_ROLE_DATA)
            (void)snprintf(daemon->name, sizeof daemon->name, "d%u", (unsigned)(i - 1) % 1000);
        else
            (void)snprintf(daemon->name, sizeof daemon->name, "%s", dfs_role_name(daemon->role));
    }
    return DFS_OK;
}

enum dfs_status local_make(struct local_cluster *cluster, unsigned data, struct dfs_why *ret_why)
{
    struct dfs_cert ca = {NULL, NULL};
    enum dfs_status status = dfs_directory_make(cluster->directory, 0700, ret_why);

    if (status == DFS_OK)
        status = name_daemons(cluster, data, ret_why);
    if (status == DFS_OK) {
        status = dfs_ca_make("dfs local cluster", &ca);
        if (status == DFS_OK)
            status = write_cert(cluster, "ca", &ca, ret_why);
    }
    if (status == DFS_OK)
        status = make_secrets(cluster, ret_why);
    for (size_t i = 0; i < cluster->count && status == DFS_OK; i++)
        status = make_daemon(cluster, &cluster->daemons[i], &ca, ret_why);
    dfs_cert_close(&ca);
    if (status == DFS_OK)
        status = make_profile(cluster, ret_why);
    if (status == DFS_OK)
        status = make_admin(cluster, ret_why);
    /* Last: a directory with this file is a whole cluster. */
    return status == DFS_OK ? save(cluster, ret_why) : status;
}

/* --config --------------------------------------------------------------------------------------------------------- */

static enum dfs_status set_everywhere(const struct local_cluster *cluster, unsigned roles, const char *key,
                                      json_t *value, struct dfs_why *ret_why)
{
    enum dfs_status status = DFS_OK;

    for (size_t i = 0; i <= cluster->count && status == DFS_OK; i++) {
        const bool is_profile = i == cluster->count;
        const unsigned bit = is_profile ? DFS_FOR_CLIENT : dfs_config_roles(cluster->daemons[i].role);
        char *path = local_path(cluster, is_profile ? "profile" : cluster->daemons[i].name, ".json");

        if ((roles & bit) != 0)
            status = dfs_profile_change(path, json_pack("{s:O}", key, value), ret_why);
        dfs_free(path);
    }
    return status;
}

enum dfs_status local_configure(const struct local_cluster *cluster, const char *pair, struct dfs_why *ret_why)
{
    const char *equals = strchr(pair, '=');
    struct dfs_settings settings;
    const struct dfs_conf_key *row;
    char key[64] = "";
    json_t *all;
    json_t *value;
    enum dfs_status status;

    if (equals == NULL || equals == pair || (size_t)(equals - pair) >= sizeof key) {
        dfs_why_set(ret_why, "\"%s\" is not KEY=VALUE, such as repair_grace=0s", dfs_quote_text(pair).text);
        return DFS_BAD_USAGE;
    }
    memcpy(key, pair, (size_t)(equals - pair));
    if (strcmp(key, "log_level") == 0) {
        if (dfs_words_find(DFS_LOG_LEVELS, equals + 1) < 0) {
            dfs_why_set(ret_why, "log_level must be %s", dfs_words_listed(DFS_LOG_LEVELS).text);
            return DFS_BAD_USAGE;
        }
        value = json_string(equals + 1);
        status = set_everywhere(cluster, DFS_FOR_SERVERS, key, value, ret_why);
        json_decref(value);
        return status;
    }
    if (strcmp(key, "capacity") == 0) {
        int64_t bytes = 0;

        if (dfs_size_parse(equals + 1, &bytes, ret_why) != DFS_OK)
            return DFS_BAD_USAGE;
        value = json_string(equals + 1);
        status = set_everywhere(cluster, DFS_FOR_DATA, key, value, ret_why);
        json_decref(value);
        return status;
    }
    dfs_settings_init(&settings);
    if (dfs_settings_set(&settings, key, equals + 1, false, ret_why) != DFS_OK)
        return DFS_BAD_USAGE;
    row = dfs_keytable_find(&dfs_settings_table, key);
    all = dfs_settings_export(&settings);
    status =
        set_everywhere(cluster, row->roles != 0 ? row->roles : DFS_FOR_ALL, key, json_object_get(all, key), ret_why);
    json_decref(all);
    return status;
}

/* Processes -------------------------------------------------------------------------------------------------------- */

static bool runs_config(pid_t pid, const char *config)
{
    char path[64];
    char *bytes = NULL;
    size_t count = 0;
    bool found = false;

    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    if (dfs_file_read(path, 65536, &bytes, &count, NULL) != DFS_OK)
        return false;
    for (size_t at = 0; at < count; at += strlen(bytes + at) + 1)
        found = found || strcmp(bytes + at, config) == 0;
    dfs_free(bytes);
    return found;
}

pid_t local_pid(const struct local_cluster *cluster, const struct local_daemon *daemon)
{
    char *path = local_path(cluster, daemon->name, ".pid");
    char *config = local_path(cluster, daemon->name, ".json");
    char *bytes = NULL;
    pid_t pid = 0;

    if (dfs_file_read(path, 64, &bytes, NULL, NULL) == DFS_OK)
        pid = (pid_t)strtol(bytes, NULL, 10);
    if (pid > 0 && !runs_config(pid, config))
        pid = 0; /* it ended, and the number may be another's by now */
    dfs_free(bytes);
    dfs_free(config);
    dfs_free(path);
    return pid > 0 ? pid : 0;
}

enum dfs_status local_start(const struct local_cluster *cluster, const struct local_daemon *daemon, bool faults,
                            struct dfs_why *ret_why)
{
    char name[16];
    char *config = local_path(cluster, daemon->name, ".json");
    char *disk = local_path(cluster, daemon->name, "");
    char *log = local_path(cluster, daemon->name, ".log");
    char *pid_file = local_path(cluster, daemon->name, ".pid");
    char *fault = local_path(cluster, daemon->name, ".fault");
    char *events = local_path(cluster, daemon->name, ".events");
    char option_config[] = "--config";
    char option_fresh[] = "--fresh-store";
    char option_fault[] = "--fault-socket";
    char option_events[] = "--event-log";
    char *program;
    char *argv[9];
    size_t argc = 0;
    char text[24];
    enum dfs_status status = DFS_OK;
    pid_t pid;

    (void)snprintf(name, sizeof name, "dfs-%s", dfs_role_name(daemon->role));
    program = program_path(name);
    argv[argc++] = program;
    argv[argc++] = option_config;
    argv[argc++] = config;
    if (faults) {
        argv[argc++] = option_fault;
        argv[argc++] = fault;
        argv[argc++] = option_events;
        argv[argc++] = events;
    }
    if (daemon->role == DFS_ROLE_DATA && !dfs_file_exists(disk))
        argv[argc++] = option_fresh;
    argv[argc] = NULL;
    if (access(program, X_OK) != 0) {
        dfs_why_set(ret_why, "%s: %s", program, strerror(errno));
        status = DFS_IO;
    } else {
        pid = fork();
        if (pid == 0)
            become(program, log, argv);
        (void)snprintf(text, sizeof text, "%d\n", (int)pid);
        if (pid < 0) {
            dfs_why_set(ret_why, "no process for %s: %s", daemon->name, strerror(errno));
            status = DFS_IO;
        } else {
            status = dfs_file_write(pid_file, text, strlen(text), 0600, ret_why);
        }
    }
    dfs_free(program);
    dfs_free(config);
    dfs_free(disk);
    dfs_free(log);
    dfs_free(pid_file);
    dfs_free(fault);
    dfs_free(events);
    return status;
}

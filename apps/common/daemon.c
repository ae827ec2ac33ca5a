#include "apps/common/daemon.h"

#include "apps/common/events.h"
#include "apps/common/faults.h"
#include "apps/common/file.h"
#include "apps/common/http.h"
#include "apps/common/line_socket.h"
#include "apps/common/options.h"
#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/conf/words.h"
#include "net_real/real.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_STOP = 1, COMMAND_RELOAD };

struct daemon {
    const struct dfs_daemon_role *role;
    char *config_file;
    struct dfs_daemon_config config;
    int log_level;  /* of --log-level, or -1 */
    int log_format; /* of --log-format, or -1 */
    const char *fault_socket;
    const char *event_log;
    bool fresh_store;
    bool accept_older_journal;

    struct dfs_real *real;
    void *machine; /* NULL: gone, or not there yet */
    struct dfs_http *http;
    struct dfs_events *events;
    struct dfs_faults *faults;
    struct dfs_line_socket *fault_line;
    struct dfs_control *control;
    struct dfs_line_socket *control_line;

    bool stopping;
    dfs_time_ns stop_until;
    enum dfs_status failure;
};

/* What the host calls ------------------------------------------------------------------------------------------------- */

static void on_log(void *ctx, enum dfs_real_level level, const char *text)
{
    static const enum dfs_log_level levels[] = {[DFS_REAL_ERROR] = DFS_LOG_ERROR,
                                                [DFS_REAL_WARNING] = DFS_LOG_WARNING,
                                                [DFS_REAL_INFO] = DFS_LOG_INFO,
                                                [DFS_REAL_DEBUG] = DFS_LOG_DEBUG};

    (void)ctx;
    dfs_log(levels[level], "host", "%s", text);
}

static void on_trace(void *ctx, const struct dfs_trace *trace)
{
    struct daemon *daemon = ctx;

    dfs_log_trace(trace);
    if (daemon->events != NULL)
        dfs_events_put(daemon->events, dfs_real_mono(), dfs_real_wall(), trace);
}

static void on_answer(void *ctx, uint64_t command, const void *result)
{
    struct daemon *daemon = ctx;
    const char *words = NULL;
    enum dfs_status status;

    if (command >= DFS_DAEMON_COMMANDS_MAX) {
        daemon->role->control_answer(daemon->control, command, result);
        return;
    }
    status = daemon->role->answered(result, &words);
    if (command == COMMAND_STOP) {
        dfs_log(status == DFS_OK ? DFS_LOG_INFO : DFS_LOG_WARNING, "stopped", "%s%s%s", dfs_status_name(status),
                words != NULL ? ": " : "", words != NULL ? words : "");
        dfs_real_stop(daemon->real);
    } else {
        dfs_log(status == DFS_OK ? DFS_LOG_INFO : DFS_LOG_ERROR, "reloaded", "%s%s%s", dfs_status_name(status),
                words != NULL ? ": " : "", words != NULL ? words : "");
    }
}

static void stop(struct daemon *daemon, int number)
{
    if (daemon->stopping) {
        dfs_log(DFS_LOG_WARNING, "signal", "%s again: ending at once", strsignal(number));
        dfs_real_stop(daemon->real);
        return;
    }
    dfs_log(DFS_LOG_INFO, "signal", "%s: stopping", strsignal(number));
    daemon->stopping = true;
    daemon->stop_until = dfs_time_add(dfs_real_mono(), DFS_DAEMON_STOP_MS * DFS_MILLISECONDS);
    dfs_real_command(daemon->real, COMMAND_STOP, daemon->role->stop_command, NULL);
}

static void reload(struct daemon *daemon)
{
    struct dfs_daemon_config *next = dfs_alloc_zero(sizeof *next);
    char words[DFS_WORDS_BYTES_MAX] = "";
    struct dfs_conf_error error;
    enum dfs_status status;

    if (dfs_config_read(daemon->config_file, daemon->role->role, next, &error) != DFS_OK) {
        dfs_log(DFS_LOG_ERROR, "reload", "%s; nothing was changed", error.text);
    } else {
        const struct dfs_real_pem certificate = {.path = next->certificate};
        const struct dfs_real_pem key = {.path = next->key};
        const struct dfs_real_pem ca = {.path = next->ca};

        if (daemon->log_level < 0)
            dfs_log_set_level((enum dfs_log_level)next->log_level);
        status = dfs_real_reload(daemon->real, &certificate, &key, &ca, words);
        if (status == DFS_OK)
            dfs_log(DFS_LOG_INFO, "reload", "log level and certificates are taken up; other keys need a restart");
        else
            dfs_log(DFS_LOG_ERROR, "reload", "%s; the certificates in use stay in use", words);
        if (daemon->role->reload_command != 0)
            dfs_real_command(daemon->real, COMMAND_RELOAD, daemon->role->reload_command, NULL);
    }
    dfs_free(next);
}

static void on_signal(void *ctx, int number)
{
    if (number == SIGHUP)
        reload(ctx);
    else
        stop(ctx, number);
}

static dfs_time_ns step(void *ctx, const struct dfs_event *event)
{
    struct daemon *daemon = ctx;
    const dfs_time_ns deadline = daemon->role->step(daemon->machine, event);
    const char *words = NULL;

    if (daemon->role->failure != NULL && daemon->failure == DFS_OK) {
        daemon->failure = daemon->role->failure(daemon->machine, &words);
        if (daemon->failure != DFS_OK) {
            dfs_log(DFS_LOG_ERROR, "failed", "%s: %s", dfs_status_name(daemon->failure),
                    words != NULL ? words : dfs_status_words(daemon->failure));
            dfs_real_stop(daemon->real);
        }
    }
    return deadline;
}

/* /healthz and /metrics ------------------------------------------------------------------------------------------------ */

struct emitting {
    const struct daemon *daemon;
    struct dfs_conf_text *text;
};

static void emit(void *ctx, const char *name, const char *help, uint64_t value)
{
    struct emitting *emitting = ctx;
    const char *prefix = strncmp(name, "dfs_", 4) == 0 ? "" : emitting->daemon->role->metric_prefix;
    const size_t bytes = strlen(name);
    const bool is_counter = bytes > 6 && strcmp(name + bytes - 6, "_total") == 0;

    dfs_conf_text_add(emitting->text, "# HELP %s%s %s\n# TYPE %s%s %s\n%s%s %llu\n", prefix, name, help, prefix, name,
                      is_counter ? "counter" : "gauge", prefix, name, (unsigned long long)value);
}

static void emit_host(struct emitting *emitting)
{
    struct dfs_real_stats stats;

    dfs_real_get_stats(emitting->daemon->real, &stats);
    emit(emitting, "dfs_host_connections", "Streams open now", stats.connections);
    emit(emitting, "dfs_host_accepted_total", "Streams accepted, after their handshake", stats.accepted);
    emit(emitting, "dfs_host_opened_total", "Streams opened, after their handshake", stats.opened);
    emit(emitting, "dfs_host_resumed_total", "Streams of both kinds that a session ticket shortened", stats.resumed);
    emit(emitting, "dfs_host_refused_total", "Streams over the limit", stats.refused);
    emit(emitting, "dfs_host_handshakes_failed_total", "Handshakes that failed or took too long",
         stats.handshakes_failed);
    emit(emitting, "dfs_host_received_bytes_total", "Bytes of streams, as the machine sees them", stats.received_bytes);
    emit(emitting, "dfs_host_sent_bytes_total", "Bytes of streams, as the machine sees them", stats.sent_bytes);
    emit(emitting, "dfs_host_datagrams_received_total", "Datagrams", stats.datagrams_received);
    emit(emitting, "dfs_host_datagrams_sent_total", "Datagrams", stats.datagrams_sent);
    emit(emitting, "dfs_host_datagrams_dropped_total", "Datagrams that could not be sent", stats.datagrams_dropped);
    emit(emitting, "dfs_host_disk_operations_total", "Disk operations asked for", stats.disk_operations);
    emit(emitting, "dfs_host_disk_failures_total", "Disk operations that failed with IO or NO_SPACE",
         stats.disk_failures);
    emit(emitting, "dfs_host_steps_total", "Steps of the machine", stats.steps);
    emit(emitting, "dfs_host_step_longest_ns", "The longest of them", stats.step_longest_ns);
}

static void picture(void *ctx, struct dfs_ask *ask, const char *line)
{
    struct daemon *daemon = ctx;
    struct dfs_conf_text text = {0};
    struct emitting emitting = {.daemon = daemon, .text = &text};

    if (daemon->machine == NULL) {
        dfs_conf_text_add(&text, "503 stopping\n");
    } else if (strcmp(line, "/metrics") == 0) {
        dfs_conf_text_add(&text, "200 ");
        daemon->role->metrics(daemon->machine, emit, &emitting);
        emit_host(&emitting);
    } else if (daemon->stopping) {
        dfs_conf_text_add(&text, "503 stopping\n");
    } else {
        dfs_conf_text_add(&text, daemon->role->is_ready(daemon->machine) ? "200 ok\n" : "503 not ready yet\n");
    }
    dfs_ask_done(ask, &text);
}

/* Start ---------------------------------------------------------------------------------------------------------------- */

static int refuse(const struct daemon *daemon, const char *key, const char *words)
{
    (void)fprintf(stderr, "%s: key \"%s\": %s\n", daemon->config_file, key, words);
    return dfs_status_exit_code(DFS_BAD_CONFIG);
}

/* The host gave no place to run: the world's doing is told by its status, a configuration's by its file. */
static int cannot_open(const struct daemon *daemon, enum dfs_status status, const char *words)
{
    const int rc = dfs_status_exit_code(status);
    const bool is_world = rc != dfs_status_exit_code(DFS_BAD_CONFIG);

    (void)fprintf(stderr, "%s: %s: %s%s%s\n", daemon->role->program, daemon->config_file,
                  is_world ? dfs_status_name(status) : "", is_world ? ": " : "", words);
    return rc;
}

void dfs_daemon_real_config(const struct dfs_daemon_config *config, enum dfs_role role,
                            struct dfs_real_config *ret_config)
{
    dfs_real_config_init(ret_config);
    ret_config->role = role;
    ret_config->cluster = config->cluster;
    ret_config->node = config->node;
    ret_config->certificate.path = config->certificate;
    ret_config->key.path = config->key;
    ret_config->ca.path = config->ca;
    ret_config->disk_directory = config->data_dir;
    ret_config->congestion = config->settings.congestion;
    ret_config->connections_max = (unsigned)config->settings.conns_max;
}

static bool is_any(const struct dfs_addr *addr)
{
    static const struct dfs_addr v6;
    static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff};

    return memcmp(addr->ip, v6.ip, sizeof addr->ip) == 0 || memcmp(addr->ip, v4, sizeof v4) == 0;
}

/* The addresses of the configuration as numbers. 0, or the exit code. */
static int resolve(const struct daemon *daemon, struct dfs_addr *ret_listen, struct dfs_daemon_start *start)
{
    const struct dfs_daemon_config *config = &daemon->config;
    struct dfs_why why;

    if (dfs_address_resolve(config->listen, ret_listen, &why) != DFS_OK)
        return refuse(daemon, "listen", why.text);
    if (daemon->role->role == DFS_ROLE_META && dfs_address_resolve(config->auth, &start->auth, &why) != DFS_OK)
        return refuse(daemon, "auth", why.text);
    if (daemon->role->role != DFS_ROLE_DATA)
        return 0;
    if (dfs_address_resolve(config->metadata, &start->metadata, &why) != DFS_OK)
        return refuse(daemon, "metadata", why.text);
    start->addr = *ret_listen;
    if (config->advertise[0] != '\0' && dfs_address_resolve(config->advertise, &start->addr, &why) != DFS_OK)
        return refuse(daemon, "advertise", why.text);
    if (is_any(&start->addr))
        return refuse(daemon, "advertise",
                      "must say how clients and peers reach this server, since \"listen\" names no single host");
    return 0;
}

/* A data server's directory is never made by itself: one that is missing is a disk that is not mounted. */
static int make_directory(const struct daemon *daemon)
{
    const char *directory = daemon->config.data_dir;
    struct dfs_why why;

    if (dfs_file_exists(directory))
        return 0;
    if (daemon->role->role == DFS_ROLE_DATA && !daemon->fresh_store) {
        (void)snprintf(why.text, sizeof why.text,
                       "%.300s is not there; mount the disk, or start once with --fresh-store", directory);
        return refuse(daemon, "data_dir", why.text);
    }
    return dfs_directory_make(directory, 0700, &why) == DFS_OK ? 0 : refuse(daemon, "data_dir", why.text);
}

static int open_real(struct daemon *daemon, struct dfs_daemon_start *start)
{
    struct dfs_real_config config;
    char words[DFS_WORDS_BYTES_MAX] = "";
    struct dfs_addr listen = {.port = 0};
    enum dfs_status status;
    int rc = resolve(daemon, &listen, start);

    if (rc != 0)
        return rc;
    dfs_daemon_real_config(&daemon->config, daemon->role->role, &config);
    config.listens = true;
    config.listen = listen;
    config.udp = daemon->role->role == DFS_ROLE_META   ? DFS_REAL_UDP_SAME_PORT
                 : daemon->role->role == DFS_ROLE_DATA ? DFS_REAL_UDP_EPHEMERAL
                                                       : DFS_REAL_UDP_NONE;
    config.ctx = daemon;
    config.log = on_log;
    config.trace = on_trace;
    config.answer = on_answer;
    config.signal = on_signal;
    status = dfs_real_new(&config, words, &daemon->real);
    if (status != DFS_OK)
        return cannot_open(daemon, status, words);
    if (start->addr.port == 0)
        start->addr.port = dfs_real_port(daemon->real);
    return 0;
}

static int open_beside(struct daemon *daemon)
{
    struct dfs_addr http;
    struct dfs_why why;

    if (daemon->event_log != NULL &&
        dfs_events_open(daemon->event_log, daemon->role->role, &daemon->config.node, &daemon->events, &why) != DFS_OK)
        goto failed;
    if (daemon->config.http[0] != '\0') {
        enum dfs_status status = dfs_address_resolve(daemon->config.http, &http, &why);

        if (status == DFS_OK)
            status = dfs_http_open(&http, daemon->real, picture, daemon, &daemon->http, &why);
        if (status == DFS_UNAVAILABLE) {
            char words[DFS_WORDS_BYTES_MAX + 128];

            (void)snprintf(words, sizeof words, "key \"http\": %.100s: %.200s", daemon->config.http, why.text);
            return cannot_open(daemon, status, words);
        }
        if (status != DFS_OK)
            return refuse(daemon, "http", why.text);
        if (!dfs_address_is_loopback(&http))
            dfs_log(DFS_LOG_WARNING, "http", "/metrics answers anybody who reaches %s", daemon->config.http);
    }
    if (daemon->fault_socket != NULL) {
        daemon->faults = dfs_faults_new(daemon->real);
        if (dfs_line_socket_open(daemon->fault_socket, daemon->real, dfs_faults_line, daemon->faults,
                                 &daemon->fault_line, &why) != DFS_OK)
            goto failed;
        dfs_log(DFS_LOG_WARNING, "faults", "a fault socket is open: this server is under test");
    }
    if (daemon->role->control_new != NULL) {
        daemon->control = daemon->role->control_new(daemon->real);
        if (dfs_line_socket_open(daemon->config.control, daemon->real, daemon->role->control_line, daemon->control,
                                 &daemon->control_line, &why) != DFS_OK)
            return refuse(daemon, "control", why.text);
    }
    return 0;
failed:
    (void)fprintf(stderr, "%s: %s\n", daemon->role->program, why.text);
    return dfs_status_exit_code(DFS_BAD_USAGE);
}

static void close_beside(struct daemon *daemon)
{
    dfs_line_socket_close(daemon->fault_line);
    dfs_line_socket_close(daemon->control_line);
    dfs_http_close(daemon->http);
    dfs_faults_free(daemon->faults);
    if (daemon->control != NULL)
        daemon->role->control_free(daemon->control);
}

static int wait_ms(const struct daemon *daemon)
{
    dfs_time_ns now;

    if (!daemon->stopping)
        return -1;
    now = dfs_real_mono();
    return now >= daemon->stop_until ? 0 : (int)((daemon->stop_until - now) / DFS_MILLISECONDS) + 1;
}

static void run(struct daemon *daemon)
{
    dfs_real_start(daemon->real, step, daemon);
    while (dfs_real_poll(daemon->real, wait_ms(daemon)))
        if (daemon->stopping && dfs_real_mono() >= daemon->stop_until) {
            dfs_log(DFS_LOG_WARNING, "stopped", "not done after %d ms: ending all the same", DFS_DAEMON_STOP_MS);
            break;
        }
    dfs_real_end(daemon->real);
}

static int serve(struct daemon *daemon)
{
    struct dfs_daemon_start start = {.config = &daemon->config,
                                     .fresh_store = daemon->fresh_store,
                                     .accept_older_journal = daemon->accept_older_journal};
    struct dfs_why why;
    struct dfs_env env;
    void *machine;
    int rc = 0;

    if (dfs_config_identify(&daemon->config, daemon->role->role, &why) != DFS_OK)
        return refuse(daemon, "certificate", why.text);
    if (daemon->role->role == DFS_ROLE_META &&
        dfs_config_root_secret(daemon->config.root_secret, &start.root, &why) != DFS_OK)
        return refuse(daemon, "root_secret", why.text);
    rc = make_directory(daemon);
    if (rc != 0)
        return rc;
    dfs_log_open(daemon->role->program,
                 (enum dfs_log_level)(daemon->log_level >= 0 ? daemon->log_level : daemon->config.log_level),
                 (enum dfs_log_format)(daemon->log_format >= 0 ? daemon->log_format : daemon->config.log_format));
    (void)dfs_real_raise_descriptor_limit();
    (void)signal(SIGPIPE, SIG_IGN);
    rc = open_real(daemon, &start);
    if (rc == 0) {
        char self[DFS_ID_TEXT_BYTES];

        env = dfs_real_env(daemon->real);
        machine = daemon->role->make(&start, &env);
        daemon->machine = machine;
        rc = open_beside(daemon);
        if (rc == 0) {
            dfs_id_print(&daemon->config.node, self);
            dfs_log(DFS_LOG_INFO, "started", "node %s, version " DFS_VERSION ", port %u, http %s", self,
                    dfs_real_port(daemon->real), daemon->config.http[0] != '\0' ? daemon->config.http : "off");
            run(daemon);
            rc = dfs_status_exit_code(daemon->failure);
        }
        daemon->machine = NULL; /* what is still asked finds nothing */
        close_beside(daemon);
        daemon->role->free(machine);
    }
    dfs_real_free(daemon->real);
    dfs_events_close(daemon->events);
    dfs_wipe(&start.root, sizeof start.root);
    return rc;
}

/* Options -------------------------------------------------------------------------------------------------------------- */

enum option {
    OPTION_CONFIG,
    OPTION_CHECK,
    OPTION_LOG_FORMAT,
    OPTION_LOG_LEVEL,
    OPTION_FAULT_SOCKET,
    OPTION_EVENT_LOG,
    OPTION_HELP_CONFIG,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_FRESH_STORE, /* data servers only, from here on */
    OPTION_OLDER_JOURNAL,
    OPTION_COUNT
};

static const struct dfs_option option_list[] = {
    [OPTION_CONFIG] = {"config", 'c', "FILE", "the configuration (JSON); needed"},
    [OPTION_CHECK] = {"check-config", 0, NULL, "read and judge the configuration, start nothing"},
    [OPTION_LOG_FORMAT] = {"log-format", 0, "text|json", "form of the log; goes before the configuration"},
    [OPTION_LOG_LEVEL] = {"log-level", 0, "LEVEL", "error, warning, info or debug; goes before the configuration"},
    [OPTION_FAULT_SOCKET] = {"fault-socket", 0, "PATH", "for tests: a Unix socket that takes network faults"},
    [OPTION_EVENT_LOG] = {"event-log", 0, "FILE", "append every event as one line of JSON"},
    [OPTION_HELP_CONFIG] = {"help-config", 0, NULL, "every key of the configuration"},
    [OPTION_HELP] = {"help", 'h', NULL, "this text"},
    [OPTION_VERSION] = {"version", 0, NULL, "the version"},
    [OPTION_FRESH_STORE] = {"fresh-store", 0, NULL, "first start: an empty directory is a new store, not a lost one"},
    [OPTION_OLDER_JOURNAL] = {"accept-older-journal", 0, NULL, "after metadata was restored from a backup"},
};

static void help(const struct dfs_daemon_role *role, size_t options)
{
    (void)printf("usage: %s --config FILE [OPTION...]\n%s\n", role->program, role->about);
    dfs_options_help(option_list, options);
    (void)printf("\nSIGTERM stops cleanly, SIGHUP reads keys, certificates and the log level again.\n");
}

static int bad_word(const struct dfs_daemon_role *role, const char *option, const char *value, const char *words)
{
    (void)fprintf(stderr, "%s: --%s: \"%s\" must be %s\n", role->program, option, dfs_quote_text(value).text,
                  dfs_words_listed(words).text);
    return dfs_status_exit_code(DFS_BAD_USAGE);
}

/* -1: go on and serve; otherwise the exit code. */
static int take_options(struct daemon *daemon, int argc, char **argv, bool *ret_check)
{
    const struct dfs_daemon_role *role = daemon->role;
    struct dfs_options options = {.program = role->program,
                                  .list = option_list,
                                  .count =
                                      role->role == DFS_ROLE_DATA ? (size_t)OPTION_COUNT : (size_t)OPTION_FRESH_STORE};
    const char *config = NULL;
    int at;

    while ((at = dfs_options_next(&options, argc, argv)) >= 0) {
        switch ((enum option)at) {
        case OPTION_CONFIG:
            config = options.value;
            break;
        case OPTION_CHECK:
            *ret_check = true;
            break;
        case OPTION_LOG_FORMAT:
            daemon->log_format = dfs_words_find(DFS_LOG_FORMATS, options.value);
            if (daemon->log_format < 0)
                return bad_word(role, "log-format", options.value, DFS_LOG_FORMATS);
            break;
        case OPTION_LOG_LEVEL:
            daemon->log_level = dfs_words_find(DFS_LOG_LEVELS, options.value);
            if (daemon->log_level < 0)
                return bad_word(role, "log-level", options.value, DFS_LOG_LEVELS);
            break;
        case OPTION_FAULT_SOCKET:
            daemon->fault_socket = options.value;
            break;
        case OPTION_EVENT_LOG:
            daemon->event_log = options.value;
            break;
        case OPTION_FRESH_STORE:
            daemon->fresh_store = true;
            break;
        case OPTION_OLDER_JOURNAL:
            daemon->accept_older_journal = true;
            break;
        case OPTION_HELP_CONFIG:
            dfs_config_help(role->role);
            return 0;
        case OPTION_HELP:
            help(role, options.count);
            return 0;
        case OPTION_VERSION:
            (void)printf("%s " DFS_VERSION "\n", role->program);
            return 0;
        case OPTION_COUNT:
            break;
        }
    }
    if (at == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    if (options.arguments_count > 0) {
        (void)fprintf(stderr, "%s: \"%s\" is not expected here; see --help\n", role->program,
                      dfs_quote_text(options.arguments[0]).text);
        return dfs_status_exit_code(DFS_BAD_USAGE);
    }
    if (config == NULL) {
        (void)fprintf(stderr, "%s: which configuration? say --config FILE; --help-config shows its keys\n",
                      role->program);
        return dfs_status_exit_code(DFS_BAD_USAGE);
    }
    daemon->config_file = dfs_path_beside("", config);
    return -1;
}

int dfs_daemon_main(const struct dfs_daemon_role *role, int argc, char **argv)
{
    struct daemon *daemon = dfs_alloc_zero(sizeof *daemon);
    struct dfs_conf_error error;
    bool check = false;
    int rc;

    daemon->role = role;
    daemon->log_level = -1;
    daemon->log_format = -1;
    rc = take_options(daemon, argc, argv, &check);
    if (rc < 0) {
        if (dfs_config_read(daemon->config_file, role->role, &daemon->config, &error) != DFS_OK) {
            (void)fprintf(stderr, "%s\n", error.text);
            rc = dfs_status_exit_code(DFS_BAD_CONFIG);
        } else if (check) {
            (void)printf("%s: good\n", daemon->config_file);
            rc = 0;
        } else {
            rc = serve(daemon);
        }
    }
    dfs_free(daemon->config_file);
    dfs_free(daemon);
    return rc;
}

/* dfs-auth: the authorization server, and what an operator does with its accounts and keys. */
#include "apps/common/auth_control.h"
#include "apps/common/daemon.h"
#include "apps/common/file.h"
#include "apps/common/line_socket.h"
#include "apps/common/options.h"
#include "apps/common/password.h"
#include "core/base/mem.h"
#include "core/conf/words.h"
#include "core/setup/setup.h"
#include "net_real/real.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "dfs-auth"

/* Where `dfs-auth user ...` looks for the configuration when --config does not say. */
#define CONFIG_DEFAULT "/etc/dfs/auth.json"

/* A password costs the running server a scrypt (50 ms) and a few syncs. */
#define ANSWER_MS 30000

/* Between two looks at the clock. */
#define LOOK_MS 100

/* The daemon ---------------------------------------------------------------------------------------------------------- */

static void machine_config(const struct dfs_daemon_config *from, struct dfs_auth_config *config)
{
    *config = (struct dfs_auth_config){.cluster = from->cluster};
    dfs_setup_auth(&from->settings, config);
    (void)snprintf(config->issuer, sizeof config->issuer, "%s", from->issuer);
}

static void *make(const struct dfs_daemon_start *start, const struct dfs_env *env)
{
    struct dfs_auth_config config;

    machine_config(start->config, &config);
    return dfs_auth_new(&config, env);
}

static void auth_free(void *machine)
{
    dfs_auth_free(machine);
}

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_auth_step(machine, event);
}

static bool is_ready(const void *machine)
{
    return dfs_auth_is_ready(machine);
}

static void metrics(const void *machine, dfs_daemon_emit emit, void *ctx)
{
    dfs_auth_metrics(machine, emit, ctx);
}

static enum dfs_status answered(const void *result, const char **ret_words)
{
    const struct dfs_auth_answer *answer = result;

    *ret_words = answer->words;
    return answer->status;
}

static struct dfs_control *control_new(struct dfs_real *real)
{
    return dfs_control_new(real, DFS_DAEMON_COMMANDS_MAX);
}

static void control_done(void *ctx, struct dfs_conf_text *reply)
{
    dfs_ask_done(ctx, reply);
}

static void control_line(void *control, struct dfs_ask *ask, const char *line)
{
    dfs_control_do(control, line, control_done, ask);
}

static void control_answer(struct dfs_control *control, uint64_t command, const void *result)
{
    dfs_control_answer(control, command, result);
}

/* The same without a daemon: a machine of our own over its directory, which is locked meanwhile ------------------------- */

struct offline {
    struct dfs_real *real;
    struct dfs_control *control;
    bool done;
    struct dfs_conf_text reply;
};

static void offline_done(void *ctx, struct dfs_conf_text *reply)
{
    struct offline *offline = ctx;

    offline->reply = *reply;
    *reply = (struct dfs_conf_text){0};
    offline->done = true;
}

static void offline_answer(void *ctx, uint64_t command, const void *result)
{
    struct offline *offline = ctx;

    dfs_control_answer(offline->control, command, result);
}

static enum dfs_status run_offline(struct dfs_daemon_config *config, const char *line, struct dfs_conf_text *ret_reply,
                                   struct dfs_why *ret_why)
{
    struct offline offline = {.done = false};
    dfs_time_ns until;
    struct dfs_auth *auth;
    struct dfs_auth_config machine;
    struct dfs_real_config host;
    char words[DFS_WORDS_BYTES_MAX] = "";
    struct dfs_env env;
    enum dfs_status status;

    if (dfs_config_identify(config, DFS_ROLE_AUTH, ret_why) != DFS_OK)
        return DFS_BAD_CONFIG;
    if (dfs_directory_make(config->data_dir, 0700, ret_why) != DFS_OK)
        return DFS_IO;
    dfs_daemon_real_config(config, DFS_ROLE_AUTH, &host);
    host.ctx = &offline;
    host.answer = offline_answer;
    status = dfs_real_new(&host, words, &offline.real);
    if (status != DFS_OK) {
        dfs_why_set(ret_why, "%s", words);
        return status;
    }
    machine_config(config, &machine);
    env = dfs_real_env(offline.real);
    auth = dfs_auth_new(&machine, &env);
    offline.control = dfs_control_new(offline.real, 1);
    until = dfs_time_add(dfs_real_mono(), ANSWER_MS * DFS_MILLISECONDS);
    dfs_real_start(offline.real, step, auth);
    while (!dfs_auth_is_ready(auth) && dfs_real_mono() < until && dfs_real_poll(offline.real, LOOK_MS)) {
        /* reads accounts and keys; makes the first key */
    }
    dfs_control_do(offline.control, line, offline_done, &offline);
    while (!offline.done && dfs_real_mono() < until && dfs_real_poll(offline.real, LOOK_MS)) {
        /* writes */
    }
    dfs_real_end(offline.real);
    dfs_control_free(offline.control); /* answers what is still open */
    dfs_auth_free(auth);
    dfs_real_free(offline.real);
    *ret_reply = offline.reply;
    return DFS_OK;
}

/* The command line ---------------------------------------------------------------------------------------------------- */

enum option { OPTION_CONFIG, OPTION_SCOPE, OPTION_PASSWORD_FILE, OPTION_JSON, OPTION_HELP, OPTION_COUNT };

static const struct dfs_option option_list[] = {
    [OPTION_CONFIG] = {"config", 'c', "FILE", "the server's configuration; default " CONFIG_DEFAULT},
    [OPTION_SCOPE] = {"scope", 0, "SCOPE", "add: what the user may do, such as \"rw:/home/ann r:/shared\""},
    [OPTION_PASSWORD_FILE] = {"password-file", 0, "FILE", "add, passwd: the password is the file's first line"},
    [OPTION_JSON] = {"json", 0, NULL, "list: as JSON"},
    [OPTION_HELP] = {"help", 'h', NULL, "this text"},
};

struct order {
    const char *noun; /* "user", "key" */
    const char *verb;
    const char *user;
    const char *config;
    const char *scope;
    const char *password_file;
    bool json;
};

static int bad_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int bad_usage(const char *format, ...)
{
    va_list arguments;

    (void)fprintf(stderr, PROGRAM ": ");
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "\n");
    return dfs_status_exit_code(DFS_BAD_USAGE);
}

static void help(void)
{
    (void)printf("usage: dfs-auth user add NAME [--scope SCOPE] [--password-file FILE]\n"
                 "       dfs-auth user passwd NAME [--password-file FILE]\n"
                 "       dfs-auth user remove NAME\n"
                 "       dfs-auth user list [--json]\n"
                 "       dfs-auth key rotate\n"
                 "Accounts and signing keys of the authorization server, whether or not it runs.\n\n");
    dfs_options_help(option_list, OPTION_COUNT);
    (void)printf(
        "\nA scope is MODE:PREFIX ..., MODE of the letters r (read), w (write) and a (administer); default \"rw:/\".\n");
}

/* -1: go on. */
static int check_order(struct order *order, const struct dfs_options *options)
{
    static const char *const user_verbs[] = {"add", "remove", "passwd", "list"};
    const bool is_user = strcmp(order->noun, "user") == 0;
    char **arguments = options->arguments;
    int wanted;

    if (options->arguments_count < 2)
        return bad_usage("%s: what? %s", order->noun, is_user ? "add, remove, passwd or list" : "rotate");
    order->verb = arguments[1];
    if (!is_user && strcmp(order->verb, "rotate") != 0)
        return bad_usage("key: unknown command \"%s\"; there is rotate", dfs_quote_text(order->verb).text);
    if (is_user) {
        bool known = false;

        for (size_t i = 0; i < sizeof user_verbs / sizeof user_verbs[0]; i++)
            known = known || strcmp(order->verb, user_verbs[i]) == 0;
        if (!known)
            return bad_usage("user: unknown command \"%s\"%s", dfs_quote_text(order->verb).text,
                             dfs_words_suggest(order->verb, user_verbs, sizeof user_verbs / sizeof user_verbs[0]).text);
    }
    wanted = is_user && strcmp(order->verb, "list") != 0 ? 3 : 2;
    if (options->arguments_count < wanted)
        return bad_usage("user %s: the user's name is missing", order->verb);
    if (options->arguments_count > wanted)
        return bad_usage("%s %s: \"%s\" is not expected here", order->noun, order->verb,
                         dfs_quote_text(arguments[wanted]).text);
    order->user = wanted == 3 ? arguments[2] : NULL;
    if (order->scope != NULL && strcmp(order->verb, "add") != 0)
        return bad_usage("%s %s: --scope belongs to user add", order->noun, order->verb);
    return -1;
}

static int take_order(struct order *order, int argc, char **argv)
{
    struct dfs_options options = {.program = PROGRAM, .list = option_list, .count = OPTION_COUNT};
    int at;

    while ((at = dfs_options_next(&options, argc, argv)) >= 0) {
        switch ((enum option)at) {
        case OPTION_CONFIG:
            order->config = options.value;
            break;
        case OPTION_SCOPE:
            order->scope = options.value;
            break;
        case OPTION_PASSWORD_FILE:
            order->password_file = options.value;
            break;
        case OPTION_JSON:
            order->json = true;
            break;
        case OPTION_HELP:
            help();
            return 0;
        case OPTION_COUNT:
            break;
        }
    }
    if (at == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    if (options.arguments_count > 0)
        order->noun = options.arguments[0];
    return check_order(order, &options);
}

static char *order_line(const struct order *order, const char *password)
{
    json_t *value = json_object();
    json_t *line = json_object();
    char *text;

    if (order->user != NULL)
        (void)json_object_set_new(value, "user", json_string(order->user));
    if (password != NULL)
        (void)json_object_set_new(value, "password", json_string(password));
    if (order->scope != NULL)
        (void)json_object_set_new(value, "scope", json_string(order->scope));
    (void)json_object_set_new(line, order->verb, value);
    text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    return text;
}

static int print_reply(const struct order *order, const char *text)
{
    json_t *reply = json_loads(text, 0, NULL);
    json_t *users = json_object_get(reply, "users");
    const char *name = json_string_value(json_object_get(reply, "status"));
    enum dfs_status status = DFS_INTERNAL;
    size_t i;
    json_t *user;

    if (json_is_true(json_object_get(reply, "ok"))) {
        status = DFS_OK;
        if (order->json && users != NULL) {
            char *list = json_dumps(users, JSON_INDENT(1));

            (void)printf("%s\n", list != NULL ? list : "[]");
            free(list);
        } else {
            json_array_foreach(users, i, user)(void)
                printf("%-24s %s\n", json_string_value(json_object_get(user, "user")),
                       json_string_value(json_object_get(user, "scope")));
        }
    } else {
        const char *words = json_string_value(json_object_get(reply, "error"));

        if (name == NULL || !dfs_status_find(name, &status))
            status = DFS_IO;
        (void)fprintf(stderr, PROGRAM ": %s %s%s%s: %s: %s\n", order->noun, order->verb, order->user != NULL ? " " : "",
                      order->user != NULL ? order->user : "", dfs_status_name(status),
                      words != NULL ? words : dfs_status_words(status));
    }
    json_decref(reply);
    return dfs_status_exit_code(status);
}

/* Through the running server; where none runs, over its directory. */
static int carry_out(const struct order *order, struct dfs_daemon_config *config, const char *line)
{
    struct dfs_conf_text reply = {0};
    struct dfs_why why;
    enum dfs_status status = dfs_line_socket_ask(config->control, line, ANSWER_MS, &reply, &why);
    int rc;

    if (status == DFS_UNREACHABLE)
        status = run_offline(config, line, &reply, &why);
    if (status != DFS_OK) {
        (void)fprintf(stderr, PROGRAM ": %s %s: %s: %s\n", order->noun, order->verb, dfs_status_name(status), why.text);
        return dfs_status_exit_code(status);
    }
    rc = print_reply(order, reply.bytes != NULL ? reply.bytes : "");
    dfs_conf_text_close(&reply);
    return rc;
}

static int accounts_main(int argc, char **argv)
{
    struct order order = {.noun = "user", .verb = "", .config = CONFIG_DEFAULT};
    char password[DFS_PASSWORD_BYTES_MAX + 1] = "";
    struct dfs_daemon_config *config;
    struct dfs_conf_error error;
    struct dfs_why why;
    bool wants_password;
    char *line;
    int rc = take_order(&order, argc, argv);

    if (rc >= 0)
        return rc;
    config = dfs_alloc_zero(sizeof *config);
    wants_password = strcmp(order.verb, "add") == 0 || strcmp(order.verb, "passwd") == 0;
    if (dfs_config_read(order.config, DFS_ROLE_AUTH, config, &error) != DFS_OK) {
        (void)fprintf(stderr, "%s\n", error.text);
        rc = dfs_status_exit_code(DFS_BAD_CONFIG);
    } else if (wants_password &&
               dfs_password_read(order.password_file, "new password: ", true, password, &why) != DFS_OK) {
        rc = bad_usage("%s", why.text);
    } else {
        line = order_line(&order, wants_password ? password : NULL);
        if (line == NULL) {
            rc = bad_usage("names and passwords must be UTF-8");
        } else {
            rc = carry_out(&order, config, line);
            dfs_wipe(line, strlen(line));
            free(line);
        }
    }
    dfs_wipe(password, sizeof password);
    dfs_free(config);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct dfs_daemon_role role = {
        .role = DFS_ROLE_AUTH,
        .program = PROGRAM,
        .about =
            "The authorization server: accounts, logins and tokens.\n"
            "Its accounts and keys: dfs-auth user add|remove|passwd|list, dfs-auth key rotate; see dfs-auth user --help.\n",
        .metric_prefix = "dfs_auth_",
        .stop_command = DFS_AUTH_STOP,
        .reload_command = DFS_AUTH_RELOAD,
        .make = make,
        .free = auth_free,
        .step = step,
        .is_ready = is_ready,
        .metrics = metrics,
        .answered = answered,
        .control_new = control_new,
        .control_free = dfs_control_free,
        .control_line = control_line,
        .control_answer = control_answer,
    };

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "user") == 0 || strcmp(argv[i], "key") == 0)
            return accounts_main(argc, argv);
    return dfs_daemon_main(&role, argc, argv);
}

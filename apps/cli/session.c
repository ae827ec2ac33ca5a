/* A session: the client machine over a real host, moved on until its commands are answered. */
#include "apps/cli/cli.h"
#include "apps/common/password.h"
#include "core/base/mem.h"
#include "core/setup/setup.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A token that runs out sooner than this is replaced first, if the profile can log in by itself. */
#define TOKEN_LEFT_MIN_S 30

/* After Ctrl-C: as long as it takes to tell metadata that an upload is given up. */
#define CANCEL_MS 3000

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_client_step(machine, event);
}

static void on_answer(void *ctx, uint64_t command, const void *answer)
{
    struct cli_session *session = ctx;
    const struct dfs_client_result *result = answer;

    dfs_list_each(at, &session->jobs)
    {
        struct cli_job *job = dfs_container_of(at, struct cli_job, link);

        if (job->id != command)
            continue;
        dfs_list_remove(&job->link);
        job->done = true;
        job->status = result->status;
        job->retry_after_ns = result->retry_after_ns;
        (void)snprintf(job->words, sizeof job->words, "%s", result->words != NULL ? result->words : "");
        if (job->take != NULL)
            job->take(job->ctx, result);
        return;
    }
}

static void on_signal(void *ctx, int number)
{
    struct cli_session *session = ctx;

    if (number == SIGHUP || ++session->interrupts > 1)
        _Exit(dfs_status_exit_code(DFS_ABORTED));
}

static enum dfs_status resolve(const struct dfs_profile *profile, const char *key, const char *text,
                               struct dfs_addr *ret_addr)
{
    struct dfs_why why;
    enum dfs_status status;

    if (text[0] == '\0') {
        (void)fprintf(stderr, "%s: key \"%s\" is missing: say where that server is\n", profile->file, key);
        return DFS_BAD_CONFIG;
    }
    status = dfs_address_resolve(text, ret_addr, &why);
    if (status != DFS_OK)
        (void)fprintf(stderr, "%s: key \"%s\": %s\n", profile->file, key, why.text);
    return status;
}

static int open_host(struct cli_session *session)
{
    const struct dfs_profile *profile = &session->profile;
    struct dfs_client_config client = {.parallel = 0};
    struct dfs_real_config host;
    char words[DFS_WORDS_BYTES_MAX] = "";
    struct dfs_env env;
    enum dfs_status status = resolve(profile, "auth", profile->auth, &client.auth);

    if (status == DFS_OK)
        status = resolve(profile, "metadata", profile->metadata, &client.meta);
    if (status != DFS_OK)
        return dfs_status_exit_code(status);
    dfs_real_config_init(&host);
    host.role = DFS_ROLE_CLIENT;
    host.ca = dfs_profile_pem(profile->ca);
    host.certificate = dfs_profile_pem(profile->certificate);
    host.key = dfs_profile_pem(profile->key);
    host.congestion = profile->settings.congestion;
    host.ctx = session;
    host.answer = on_answer;
    host.signal = on_signal;
    status = dfs_real_new(&host, words, &session->real);
    if (status != DFS_OK) {
        (void)fprintf(stderr, "dfs: %s: %s\n", profile->file, words);
        return dfs_status_exit_code(status);
    }
    dfs_setup_client(&profile->settings, &client);
    env = dfs_real_env(session->real);
    session->client = dfs_client_new(&client, &env);
    dfs_real_start(session->real, step, session->client);
    return 0;
}

static int login_by_file(struct cli_session *session, const char *what)
{
    const struct dfs_profile *profile = &session->profile;
    char password[DFS_PASSWORD_BYTES_MAX + 1] = "";
    struct dfs_why why;
    int rc;

    if (dfs_password_read(profile->password_file, "", false, password, &why) != DFS_OK) {
        (void)fprintf(stderr, "%s: key \"password_file\": %s\n", profile->file, why.text);
        return dfs_status_exit_code(DFS_BAD_CONFIG);
    }
    rc = cli_session_login(session, profile->user, password, what);
    dfs_wipe(password, sizeof password);
    return rc;
}

static int need_token(struct cli_session *session, const char *what)
{
    const struct dfs_profile *profile = &session->profile;
    const int64_t now_s = (int64_t)(dfs_real_wall() / DFS_SECONDS);
    const bool can_login = profile->user[0] != '\0' && profile->password_file[0] != '\0';
    const struct dfs_client_token token = {.token = profile->token, .expires_s = (uint64_t)profile->token_expires_s};

    if (can_login && (profile->token[0] == '\0' || profile->token_expires_s < now_s + TOKEN_LEFT_MIN_S))
        return login_by_file(session, what);
    if (profile->token[0] == '\0') {
        char words[CLI_WORDS_BYTES];

        (void)snprintf(words, sizeof words, "no token in %.300s; log in with: dfs login USER", profile->file);
        return cli_fail(what, DFS_TOKEN_MISSING, words);
    }
    return cli_session_do(session, what, DFS_CLIENT_SET_TOKEN, &token, NULL, NULL);
}

int cli_session_open(struct cli_session *session, const struct cli_options *cli, bool wants_token, const char *what)
{
    char *file = dfs_profile_path(cli->profile);
    struct dfs_conf_error error;
    enum dfs_status status;
    int rc;

    *session = (struct cli_session){.next = 1};
    dfs_list_init(&session->jobs);
    status = dfs_profile_read(file, &session->profile, &error);
    dfs_free(file);
    if (status != DFS_OK) {
        (void)fprintf(stderr, "dfs: %s\n", error.text);
        cli_session_close(session);
        return dfs_status_exit_code(DFS_BAD_CONFIG);
    }
    if (cli->parallel > 0)
        session->profile.settings.parallel = cli->parallel;
    (void)signal(SIGPIPE, SIG_IGN);
    rc = open_host(session);
    if (rc == 0 && wants_token)
        rc = need_token(session, what);
    if (rc != 0)
        cli_session_close(session);
    return rc;
}

void cli_session_close(struct cli_session *session)
{
    if (session->client != NULL) {
        dfs_real_end(session->real);
        dfs_client_free(session->client);
    }
    dfs_real_free(session->real);
    dfs_profile_close(&session->profile);
    session->client = NULL;
    session->real = NULL;
}

void cli_session_start(struct cli_session *session, struct cli_job *job, enum dfs_client_command code,
                       const void *argument)
{
    job->id = session->next++;
    job->done = false;
    dfs_list_push(&session->jobs, &job->link);
    dfs_real_command(session->real, job->id, (uint32_t)code, argument);
}

static void cancel_all(struct cli_session *session)
{
    uint64_t ids[64];
    size_t count = 0;

    session->cancelled = true;
    dfs_list_each(at, &session->jobs) if (count < sizeof ids / sizeof ids[0]) ids[count++] =
        dfs_container_of(at, struct cli_job, link)->id;
    for (size_t i = 0; i < count; i++) {
        const struct dfs_client_cancel cancel = {.command = ids[i]};

        dfs_real_command(session->real, 0, DFS_CLIENT_CANCEL, &cancel);
    }
}

void cli_session_poll(struct cli_session *session, int wait_ms)
{
    (void)dfs_real_poll(session->real, wait_ms);
    if (session->interrupts > 0 && !session->cancelled) {
        const dfs_time_ns until = dfs_time_add(dfs_real_mono(), CANCEL_MS * DFS_MILLISECONDS);

        cancel_all(session);
        while (dfs_client_running(session->client) > 0 && dfs_real_mono() < until)
            (void)dfs_real_poll(session->real, CANCEL_MS / 10);
    }
}

void cli_session_wait(struct cli_session *session, struct cli_job *job)
{
    while (!job->done)
        cli_session_poll(session, -1);
}

int cli_session_do(struct cli_session *session, const char *what, enum dfs_client_command code, const void *argument,
                   void (*take)(void *ctx, const struct dfs_client_result *result), void *ctx)
{
    struct cli_job job = {.take = take, .ctx = ctx};

    cli_session_start(session, &job, code, argument);
    cli_session_wait(session, &job);
    if (job.status != DFS_OK && session->quiet)
        return dfs_status_exit_code(job.status);
    return job.status == DFS_OK ? 0 : cli_fail(what, job.status, job.words);
}

/* Login ------------------------------------------------------------------------------------------------------------ */

struct token {
    char text[DFS_TOKEN_BYTES_MAX + 1];
    uint64_t expires_s;
};

static void take_token(void *ctx, const struct dfs_client_result *result)
{
    struct token *token = ctx;
    const struct dfs_m_token *message = result->message;

    if (result->status != DFS_OK || result->number != DFS_MSG_TOKEN)
        return;
    memcpy(token->text, message->token.at, message->token.count);
    token->text[message->token.count] = '\0';
    token->expires_s = message->expires_s;
}

int cli_session_login(struct cli_session *session, const char *user, const char *password, const char *what)
{
    const struct dfs_client_login login = {.user = user, .password = password};
    struct token token = {.expires_s = 0};
    struct dfs_why why;
    json_t *keys;
    int rc = cli_session_do(session, what, DFS_CLIENT_LOGIN, &login, take_token, &token);

    if (rc != 0)
        return rc;
    keys =
        json_pack("{s:s, s:s, s:I}", "user", user, "token", token.text, "token_expires_s", (json_int_t)token.expires_s);
    if (dfs_profile_change(session->profile.file, keys, &why) != DFS_OK) {
        rc = cli_fail(what, DFS_IO, why.text);
    } else {
        (void)snprintf(session->profile.user, sizeof session->profile.user, "%s", user);
        (void)snprintf(session->profile.token, sizeof session->profile.token, "%s", token.text);
        session->profile.token_expires_s = (int64_t)token.expires_s;
    }
    dfs_wipe(&token, sizeof token);
    return rc;
}

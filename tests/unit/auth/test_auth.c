/* The authorization server in a hand-cranked world: start, logins, renewals, keys, changes, crashes of its disk. */
#include "tests/unit/auth/forge.h"

#include "core/auth/auth.h"
#include "tests/support/fake_env.h"

#include <stdlib.h>

#define LIFETIME_NS (900 * DFS_SECONDS)

struct answer {
    uint64_t id;
    enum dfs_status status;
    char words[256];
    char users[1024];
    size_t count;
};

struct desk {
    struct fake_env f;
    struct dfs_auth *auth;
    struct dfs_auth_config config;
    struct answer answer;
    struct dfs_peer bearer;
    dfs_conn conn;
    uint32_t request;
};

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_auth_step(machine, event);
}

static void on_answer(void *ctx, uint64_t id, const void *result)
{
    struct desk *desk = ctx;
    const struct dfs_auth_answer *answer = result;

    desk->answer.id = id;
    desk->answer.status = answer->status;
    desk->answer.count++;
    snprintf(desk->answer.words, sizeof desk->answer.words, "%s", answer->words);
    desk->answer.users[0] = '\0';
    for (size_t i = 0; i < answer->users_count; i++) {
        strcat(desk->answer.users, answer->users[i].user);
        strcat(desk->answer.users, "=");
        strcat(desk->answer.users, answer->users[i].scope);
        strcat(desk->answer.users, ";");
        assert_null(answer->users[i].password);
    }
}

static void boot(struct desk *desk)
{
    desk->auth = dfs_auth_new(&desk->config, &desk->f.env);
    fake_attach(&desk->f, desk->auth, step);
    fake_start(&desk->f);
}

/* The process dies and another one finds its disk. */
static void reboot(struct desk *desk)
{
    fake_disk_crash(&desk->f);
    dfs_auth_free(desk->auth);
    boot(desk);
    desk->conn = 0;
}

static int open_desk(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);

    fake_init(&desk->f);
    desk->f.wall = FORGE_NOW_S * DFS_SECONDS;
    desk->f.on_answer = on_answer;
    desk->f.on_answer_ctx = desk;
    desk->config = (struct dfs_auth_config){.issuer = "dfs",
                                            .token_lifetime_ns = LIFETIME_NS,
                                            .request_timeout_ns = 5 * DFS_SECONDS,
                                            .scrypt_n = 16,
                                            .login_rate = 6,
                                            .conns_max = 16,
                                            .bounds = DFS_AUTH_BOUNDS};
    assert_true(dfs_id_parse(FORGE_CLUSTER, &desk->config.cluster));
    desk->bearer = (struct dfs_peer){.kind = DFS_PEER_CLIENT};
    forge_bearer(7, desk->bearer.fingerprint);
    boot(desk);
    *state = desk;
    return 0;
}

static int close_desk(void **state)
{
    struct desk *desk = *state;

    dfs_auth_free(desk->auth);
    fake_close(&desk->f);
    free(desk);
    return 0;
}

static enum dfs_status command(struct desk *desk, uint32_t code, const char *user, const char *password,
                               const char *scope)
{
    static uint64_t id;
    const struct dfs_auth_user argument = {.user = user, .password = password, .scope = scope};

    desk->answer = (struct answer){.id = 0};
    fake_command(&desk->f, ++id, code, &argument);
    fake_disk_run(&desk->f);
    assert_int_equal(desk->answer.count, 1);
    assert_int_equal(desk->answer.id, id);
    return desk->answer.status;
}

static void add_ann(struct desk *desk)
{
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "ann", "secret", "rw:/home/ann"), DFS_OK);
}

static struct fake_message ask(struct desk *desk, uint32_t number, const void *value)
{
    if (desk->conn == 0 || fake_conn_of(&desk->f, desk->conn)->closed)
        desk->conn = fake_accept(&desk->f, &desk->bearer);
    fake_receive(&desk->f, desk->conn, ++desk->request, number, value, NULL, 0);
    const struct fake_message m = fake_sent(&desk->f, desk->conn);

    assert_int_equal(m.request, desk->request);
    return m;
}

static enum dfs_status status_of(const struct fake_message *m)
{
    if (m->number != DFS_MSG_STATUS)
        return DFS_OK;
    assert_int_not_equal(m->body->status.words.count, 0);
    return (enum dfs_status)m->body->status.status;
}

static struct fake_message login(struct desk *desk, const char *user, const char *password)
{
    const struct dfs_m_login m = {.user = dfs_text_of(user), .password = dfs_text_of(password)};

    return ask(desk, DFS_MSG_LOGIN, &m);
}

static enum dfs_status login_status(struct desk *desk, const char *user, const char *password)
{
    const struct fake_message m = login(desk, user, password);

    return status_of(&m);
}

static enum dfs_status refresh_status(struct desk *desk, struct dfs_text token)
{
    const struct dfs_m_refresh m = {.token = token};
    const struct fake_message answer = ask(desk, DFS_MSG_REFRESH, &m);

    return status_of(&answer);
}

static struct dfs_text keep(struct dfs_text token)
{
    static char text[DFS_TOKEN_BYTES_MAX];

    memcpy(text, token.at, token.count);
    return (struct dfs_text){.at = text, .count = token.count};
}

/* As a server of the cluster: asks for the public keys and checks the token with them. */
static enum dfs_status checked(struct desk *desk, struct dfs_text token, struct dfs_claims *ret_claims)
{
    const struct dfs_peer node = {.kind = DFS_PEER_NODE, .role = DFS_ROLE_META};
    const struct dfs_m_keys_get get = {.reserved = 0};
    const dfs_conn conn = fake_accept(&desk->f, &node);
    const struct dfs_verifier_config config = {
        .issuer = "dfs", .audience = FORGE_CLUSTER, .leeway_s = 30, .cache_max = 1};
    struct dfs_verifier *verifier = dfs_verifier_new(&config);
    struct dfs_token_public_key keys[DFS_TOKEN_KEYS_MAX];

    fake_receive(&desk->f, conn, 1, DFS_MSG_KEYS_GET, &get, NULL, 0);
    const struct fake_message m = fake_expect(&desk->f, conn, DFS_MSG_KEYS);

    for (uint32_t i = 0; i < m.body->keys.keys_count; i++)
        keys[i] = (struct dfs_token_public_key){.kid = m.body->keys.keys[i].kid.at,
                                                .kid_bytes = m.body->keys.keys[i].kid.count,
                                                .pem = m.body->keys.keys[i].pem.at,
                                                .pem_bytes = m.body->keys.keys[i].pem.count};
    assert_int_equal(dfs_verifier_set_keys(verifier, keys, m.body->keys.keys_count), DFS_OK);
    const enum dfs_status status =
        dfs_verifier_check(verifier, token.at, token.count, desk->f.wall, desk->bearer.fingerprint, ret_claims, NULL);

    dfs_verifier_free(verifier);
    fake_closed(&desk->f, conn, DFS_OK);
    return status;
}

/* Stories ------------------------------------------------------------------------------------------------------------------ */

static void the_first_start_makes_a_key_and_has_no_users(void **state)
{
    struct desk *desk = *state;

    assert_true(dfs_auth_is_ready(desk->auth));
    assert_non_null(fake_disk_file(&desk->f, "keys-1"));
    assert_int_equal(fake_disk_count(&desk->f, "tmp"), 0);
    assert_int_equal(command(desk, DFS_AUTH_USER_LIST, NULL, NULL, NULL), DFS_OK);
    assert_string_equal(desk->answer.users, "");
    assert_int_equal(login_status(desk, "ann", "secret"), DFS_LOGIN_FAILED);
}

static void a_login_gives_a_token_that_servers_believe(void **state)
{
    struct desk *desk = *state;
    struct dfs_claims claims;

    add_ann(desk);
    const struct fake_message m = login(desk, "ann", "secret");

    assert_int_equal(m.number, DFS_MSG_TOKEN);
    assert_int_equal(m.body->token.expires_s, FORGE_NOW_S + 900);
    const struct dfs_text token = keep(m.body->token.token);

    assert_int_equal(checked(desk, token, &claims), DFS_OK);
    assert_string_equal(claims.subject, "ann");
    assert_string_equal(claims.scope, "rw:/home/ann");
    assert_int_equal(claims.issued_s, FORGE_NOW_S);
    assert_memory_equal(claims.bearer, desk->bearer.fingerprint, DFS_FINGERPRINT_BYTES);
    desk->f.wall += LIFETIME_NS + 30 * DFS_SECONDS;
    assert_int_equal(checked(desk, token, &claims), DFS_TOKEN_EXPIRED);
}

static void wrong_user_wrong_password_and_no_certificate_get_nothing(void **state)
{
    struct desk *desk = *state;

    add_ann(desk);
    assert_int_equal(login_status(desk, "ann", "Secret"), DFS_LOGIN_FAILED);
    assert_int_equal(login_status(desk, "bob", "secret"), DFS_LOGIN_FAILED);
    assert_int_equal(login_status(desk, "", ""), DFS_LOGIN_FAILED);
    desk->bearer.kind = DFS_PEER_NONE;
    desk->conn = 0;
    assert_int_equal(login_status(desk, "ann", "secret"), DFS_BAD_REQUEST);
}

static void guessing_is_limited_and_good_logins_are_not(void **state)
{
    struct desk *desk = *state;

    add_ann(desk);
    for (int i = 0; i < 30; i++)
        assert_int_equal(login_status(desk, "ann", "secret"), DFS_OK);
    for (int i = 0; i < 6; i++)
        assert_int_equal(login_status(desk, "ann", "guess"), DFS_LOGIN_FAILED);
    const struct fake_message m = login(desk, "ann", "secret");

    assert_int_equal(status_of(&m), DFS_RATE_LIMITED);
    assert_int_equal(m.body->status.retry_after_ns, 10 * DFS_SECONDS); /* six a minute */
    fake_pass(&desk->f, 10 * DFS_SECONDS - 1);
    assert_int_equal(login_status(desk, "ann", "secret"), DFS_RATE_LIMITED);
    fake_pass(&desk->f, 1);
    assert_int_equal(login_status(desk, "ann", "secret"), DFS_OK);
}

static void one_address_cannot_guess_for_all_users(void **state)
{
    struct desk *desk = *state;
    unsigned failed = 0;
    char user[16];

    add_ann(desk);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(user, sizeof user, "user%u", i);
        if (login_status(desk, user, "guess") == DFS_LOGIN_FAILED)
            failed++;
    }
    assert_int_equal(failed, 6 * 8);
    assert_int_equal(login_status(desk, "ann", "secret"), DFS_RATE_LIMITED);
}

static void a_token_is_renewed_for_its_bearer_only(void **state)
{
    struct desk *desk = *state;

    add_ann(desk);
    const struct fake_message m = login(desk, "ann", "secret");
    const struct dfs_text token = keep(m.body->token.token);

    desk->f.wall += LIFETIME_NS / 2;
    const struct dfs_m_refresh refresh = {.token = token};
    const struct fake_message renewed = ask(desk, DFS_MSG_REFRESH, &refresh);

    assert_int_equal(renewed.number, DFS_MSG_TOKEN);
    assert_int_equal(renewed.body->token.expires_s, FORGE_NOW_S + 450 + 900);
    desk->bearer.fingerprint[0] ^= 1; /* a thief */
    desk->conn = 0;
    assert_int_equal(refresh_status(desk, token), DFS_TOKEN_NOT_YOURS);
    assert_int_equal(fake_traces(&desk->f, DFS_TRACE_TOKEN_REFUSED), 1);
    desk->bearer.fingerprint[0] ^= 1;
    desk->conn = 0;
    desk->f.wall += LIFETIME_NS;
    assert_int_equal(refresh_status(desk, token), DFS_TOKEN_EXPIRED);
    assert_int_equal(refresh_status(desk, dfs_text_of("rubbish")), DFS_TOKEN_INVALID);
    assert_int_equal(refresh_status(desk, (struct dfs_text){.at = "", .count = 0}), DFS_TOKEN_MISSING);
}

static void a_removed_user_or_a_new_password_ends_the_renewals(void **state)
{
    struct desk *desk = *state;

    add_ann(desk);
    desk->f.wall += 10 * DFS_SECONDS;
    const struct fake_message m = login(desk, "ann", "secret");
    const struct dfs_text token = keep(m.body->token.token);

    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "ann", NULL, "r:/"), DFS_OK);
    const struct dfs_m_refresh refresh = {.token = token};
    const struct fake_message renewed = ask(desk, DFS_MSG_REFRESH, &refresh);

    assert_int_equal(renewed.number, DFS_MSG_TOKEN); /* with the scope of now */
    assert_true(dfs_text_equal(renewed.body->token.scope, dfs_text_of("r:/")));
    desk->f.wall += 10 * DFS_SECONDS;
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "ann", "other", NULL), DFS_OK);
    assert_int_equal(refresh_status(desk, token), DFS_TOKEN_REVOKED);
    assert_int_equal(login_status(desk, "ann", "secret"), DFS_LOGIN_FAILED);
    assert_int_equal(login_status(desk, "ann", "other"), DFS_OK);
    assert_int_equal(command(desk, DFS_AUTH_USER_REMOVE, "ann", NULL, NULL), DFS_OK);
    assert_int_equal(refresh_status(desk, token), DFS_TOKEN_REVOKED);
    assert_int_equal(login_status(desk, "ann", "other"), DFS_LOGIN_FAILED);
    assert_int_equal(command(desk, DFS_AUTH_USER_REMOVE, "ann", NULL, NULL), DFS_NOT_FOUND);
}

static void keys_are_for_nodes_only(void **state)
{
    struct desk *desk = *state;
    const struct dfs_m_keys_get get = {.reserved = 0};
    const struct fake_message m = ask(desk, DFS_MSG_KEYS_GET, &get);

    assert_int_equal(status_of(&m), DFS_DENIED);
}

static void a_rotation_refuses_no_valid_token(void **state)
{
    struct desk *desk = *state;
    struct dfs_claims claims;

    add_ann(desk);
    desk->f.wall += 1000 * DFS_SECONDS;
    for (unsigned i = 0; i < 40; i++) { /* a rotation every five minutes, a login every minute */
        if (i % 5 == 0)
            assert_int_equal(command(desk, DFS_AUTH_KEY_ROTATE, NULL, NULL, NULL), DFS_OK);
        const struct fake_message m = login(desk, "ann", "secret");
        const struct dfs_text token = keep(m.body->token.token);

        desk->f.wall += 60 * DFS_SECONDS;
        assert_int_equal(checked(desk, token, &claims), DFS_OK);
    }
    for (unsigned i = 0; i < 4; i++) /* what is left of them overlaps */
        (void)command(desk, DFS_AUTH_KEY_ROTATE, NULL, NULL, NULL);
    while (command(desk, DFS_AUTH_KEY_ROTATE, NULL, NULL, NULL) == DFS_OK)
        continue;
    assert_int_equal(desk->answer.status, DFS_RATE_LIMITED);
    assert_int_equal(fake_disk_count(&desk->f, "keys-"), 1);
}

static void accounts_and_keys_outlive_the_process(void **state)
{
    struct desk *desk = *state;
    struct dfs_claims claims;

    add_ann(desk);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "bob", "hunter2", "r:/ w:/in"), DFS_OK);
    const struct fake_message m = login(desk, "ann", "secret");
    const struct dfs_text token = keep(m.body->token.token);

    reboot(desk);
    assert_int_equal(command(desk, DFS_AUTH_USER_LIST, NULL, NULL, NULL), DFS_OK);
    assert_string_equal(desk->answer.users, "ann=rw:/home/ann;bob=r:/ w:/in;");
    assert_int_equal(login_status(desk, "bob", "hunter2"), DFS_OK);
    assert_int_equal(checked(desk, token, &claims), DFS_OK);
    assert_int_equal(fake_disk_count(&desk->f, "accounts-"), 1);
}

static void secrets_are_not_on_the_disk_in_the_clear(void **state)
{
    struct desk *desk = *state;

    add_ann(desk);
    const struct fake_file *file = fake_disk_file(&desk->f, "accounts-1");

    assert_non_null(file);
    for (size_t i = 0; i + 6 <= file->count; i++)
        assert_memory_not_equal(file->bytes + i, "secret", 6);
}

/* Crash after every disk operation of a change: afterwards either the old accounts or the new ones, never neither. */
static void a_crash_at_any_step_leaves_the_old_or_the_new(void **state)
{
    struct desk *desk = *state;
    const struct dfs_auth_user bob = {.user = "bob", .password = "hunter2", .scope = "r:/"};
    bool done = false;

    add_ann(desk);
    for (unsigned steps = 0; !done; steps++) {
        done = true;
        (void)command(desk, DFS_AUTH_USER_REMOVE, "bob", NULL, NULL);
        fake_command(&desk->f, 1000, DFS_AUTH_USER_SET, &bob);
        for (unsigned i = 0; i < steps; i++)
            if (!fake_disk_one(&desk->f))
                break;
        done = fake_disk_pending(&desk->f, 0) == NULL;
        reboot(desk);
        assert_true(dfs_auth_is_ready(desk->auth));
        assert_int_equal(login_status(desk, "ann", "secret"), DFS_OK);
        const enum dfs_status status = login_status(desk, "bob", "hunter2");

        assert_true(status == DFS_OK || status == DFS_LOGIN_FAILED);
        if (done)
            assert_int_equal(status, DFS_OK);
        fake_pass(&desk->f, 60 * DFS_SECONDS);
        assert_in_range(steps, 0, 20);
    }
}

static void put_over(struct desk *desk, const char *name, const void *bytes, size_t count)
{
    struct fake_file *file = fake_disk_file(&desk->f, name);

    if (file != NULL) {
        free(file->bytes);
        *file = (struct fake_file){.bytes = NULL};
    }
    fake_disk_put(&desk->f, name, bytes, count);
}

static void a_damaged_version_falls_back_to_the_one_before(void **state)
{
    struct desk *desk = *state;
    const struct fake_file *file;
    uint8_t bytes[4096];

    add_ann(desk);
    file = fake_disk_file(&desk->f, "accounts-1");
    memcpy(bytes, file->bytes, file->count);
    for (size_t cut = 0; cut < file->count; cut += 37) {
        put_over(desk, "accounts-2", bytes, cut);
        reboot(desk);
        assert_true(dfs_auth_is_ready(desk->auth));
        assert_int_equal(login_status(desk, "ann", "secret"), DFS_OK);
    }
    bytes[5] ^= 1;
    put_over(desk, "accounts-2", bytes, file->count);
    reboot(desk);
    assert_int_equal(login_status(desk, "ann", "secret"), DFS_OK);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "bob", "x", "r:/"), DFS_OK); /* above the damaged one */
    assert_non_null(fake_disk_file(&desk->f, "accounts-3"));
    assert_int_equal(fake_disk_count(&desk->f, "accounts-"), 1);
}

static void without_any_whole_version_auth_does_not_serve(void **state)
{
    struct desk *desk = *state;

    add_ann(desk);
    struct fake_file *file = fake_disk_file(&desk->f, "accounts-1");

    file->bytes[3] ^= 1;
    reboot(desk);
    assert_false(dfs_auth_is_ready(desk->auth));
    assert_int_equal(login_status(desk, "ann", "secret"), DFS_UNAVAILABLE);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "bob", "x", "r:/"),
                     DFS_IO); /* or it would bury what can be restored */
    assert_int_equal(command(desk, DFS_AUTH_USER_LIST, NULL, NULL, NULL), DFS_UNAVAILABLE);
    file->bytes[3] ^= 1;
    assert_int_equal(command(desk, DFS_AUTH_RELOAD, NULL, NULL, NULL), DFS_OK);
    assert_true(dfs_auth_is_ready(desk->auth));
    assert_int_equal(login_status(desk, "ann", "secret"), DFS_OK);
}

static void a_change_that_the_disk_refuses_changes_nothing(void **state)
{
    static const enum dfs_disk_verb verbs[] = {DFS_DISK_CREATE, DFS_DISK_WRITE, DFS_DISK_SYNC, DFS_DISK_PUBLISH};
    struct desk *desk = *state;

    add_ann(desk);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        fake_disk_fail(&desk->f, verbs[i], 0, 1, DFS_NO_SPACE);
        assert_int_equal(command(desk, DFS_AUTH_USER_SET, "ann", "other", NULL), DFS_NO_SPACE);
        assert_int_equal(login_status(desk, "ann", "secret"), DFS_OK);
        assert_int_equal(fake_disk_count(&desk->f, "tmp"), 0);
    }
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "ann", "other", NULL), DFS_OK);
    assert_int_equal(login_status(desk, "ann", "other"), DFS_OK);
}

static void two_processes_that_change_at_once_lose_nothing(void **state)
{
    struct desk *desk = *state;
    const struct fake_file *file;
    uint8_t bytes[4096];

    add_ann(desk);
    file = fake_disk_file(&desk->f, "accounts-1");
    memcpy(bytes, file->bytes, file->count);
    fake_disk_put(&desk->f, "accounts-2", bytes, file->count); /* the other process was faster */
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "bob", "x", "r:/"), DFS_EXISTS);
    fake_disk_run(&desk->f);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "bob", "x", "r:/"), DFS_OK);
    assert_non_null(fake_disk_file(&desk->f, "accounts-3"));
}

static void changes_wait_in_line_and_a_stop_waits_for_them(void **state)
{
    struct desk *desk = *state;
    char name[8];

    desk->answer.count = 0;
    for (unsigned i = 0; i < 5; i++) {
        const struct dfs_auth_user user = {.user = name, .password = "x", .scope = "r:/"};

        snprintf(name, sizeof name, "u%u", i);
        fake_command(&desk->f, 100 + i, DFS_AUTH_USER_SET, &user);
    }
    fake_command(&desk->f, 200, DFS_AUTH_STOP, NULL);
    assert_int_equal(desk->answer.count, 0);
    fake_disk_run(&desk->f);
    assert_int_equal(desk->answer.count, 6);
    assert_int_equal(desk->answer.id, 200);
    assert_false(dfs_auth_is_ready(desk->auth));
    fake_command(&desk->f, 201, DFS_AUTH_RELOAD, NULL);
    assert_int_equal(desk->answer.status, DFS_ABORTED);
    reboot(desk);
    assert_int_equal(command(desk, DFS_AUTH_USER_LIST, NULL, NULL, NULL), DFS_OK);
    assert_string_equal(desk->answer.users, "u0=r:/;u1=r:/;u2=r:/;u3=r:/;u4=r:/;");
}

/* Before it has read its disk, and after it was told to stop, auth answers whoever asks that it is not there for them. */
static void who_comes_too_early_or_too_late_is_told_so(void **state)
{
    struct desk *desk = *state;
    const struct dfs_m_keys_get get = {.reserved = 0};
    const struct dfs_m_put_abort stray = {.epoch = 1};
    struct dfs_text token;

    add_ann(desk);
    token = keep(login(desk, "ann", "secret").body->token.token);
    for (unsigned late = 0; late < 2; late++) {
        struct fake_message keys;

        if (late == 0) {
            struct dfs_event start = {.kind = DFS_EV_START};

            fake_disk_crash(&desk->f);
            dfs_auth_free(desk->auth);
            desk->auth = dfs_auth_new(&desk->config, &desk->f.env);
            fake_attach(&desk->f, desk->auth, step);
            fake_step(&desk->f, &start); /* the disk has answered nothing yet */
        } else {
            fake_disk_run(&desk->f);
            assert_int_equal(login_status(desk, "ann", "secret"), DFS_OK);
            fake_command(&desk->f, 300, DFS_AUTH_STOP, NULL);
        }
        if (late == 0)
            desk->conn = fake_accept(&desk->f, &desk->bearer);
        assert_int_equal(login_status(desk, "ann", "secret"), DFS_UNAVAILABLE);
        assert_int_equal(refresh_status(desk, token), DFS_UNAVAILABLE);
        keys = ask(desk, DFS_MSG_KEYS_GET, &get);
        assert_int_equal(status_of(&keys), DFS_UNAVAILABLE);
        if (late == 0) { /* nonsense ends the connection then, too */
            fake_receive(&desk->f, desk->conn, 77, DFS_MSG_PUT_ABORT, &stray, NULL, 0);
            assert_true(fake_conn_of(&desk->f, desk->conn)->closed);
            desk->conn = fake_accept(&desk->f, &desk->bearer);
            fake_bytes(&desk->f, desk->conn, "GET / HTTP/1.1\r\n\r\n", 18, 18);
            assert_true(fake_conn_of(&desk->f, desk->conn)->closed);
            desk->conn = fake_accept(&desk->f, &desk->bearer);
        }
        fake_closed(&desk->f, desk->conn, DFS_OK);
        desk->conn = 0;
    }
}

static void bad_names_passwords_and_scopes_are_refused_in_words(void **state)
{
    struct desk *desk = *state;
    char long_name[80] = "";

    memset(long_name, 'a', 65);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "", "x", "r:/"), DFS_BAD_REQUEST);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "a b", "x", "r:/"), DFS_BAD_REQUEST);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, long_name, "x", "r:/"), DFS_BAD_REQUEST);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "ann", "", "r:/"), DFS_BAD_REQUEST);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "ann", "x", "r:home"), DFS_BAD_REQUEST);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "ann", "x", NULL), DFS_BAD_REQUEST);
    assert_int_equal(command(desk, DFS_AUTH_USER_SET, "ann", NULL, "r:/"), DFS_BAD_REQUEST);
    assert_int_equal(command(desk, 99, NULL, NULL, NULL), DFS_BAD_USAGE);
}

static void silent_peers_are_closed_and_too_many_refused(void **state)
{
    struct desk *desk = *state;
    dfs_conn conns[16];

    for (size_t i = 0; i < 16; i++)
        conns[i] = fake_accept(&desk->f, &desk->bearer);
    assert_true(fake_conn_of(&desk->f, fake_accept(&desk->f, &desk->bearer))->closed);
    fake_pass(&desk->f, 4 * DFS_SECONDS);
    fake_bytes(&desk->f, conns[3], "\0\0\0", 3, 1); /* slow, but half a header is no EV_RECV: not heard */
    fake_pass(&desk->f, 2 * DFS_SECONDS);
    for (size_t i = 0; i < 16; i++)
        assert_true(fake_conn_of(&desk->f, conns[i])->closed);
    assert_false(fake_conn_of(&desk->f, fake_accept(&desk->f, &desk->bearer))->closed);
}

static void nonsense_closes_the_connection(void **state)
{
    struct desk *desk = *state;
    const struct dfs_m_list list = {.limit = 1};
    dfs_conn conn = fake_accept(&desk->f, &desk->bearer);

    fake_bytes(&desk->f, conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, 27);
    assert_true(fake_conn_of(&desk->f, conn)->closed);
    conn = fake_accept(&desk->f, &desk->bearer);
    fake_receive(&desk->f, conn, 1, DFS_MSG_LIST, &list, NULL, 0);
    const struct fake_message m = fake_expect(&desk->f, conn, DFS_MSG_STATUS);

    assert_int_equal(m.body->status.status, DFS_BAD_REQUEST);
    assert_true(fake_conn_of(&desk->f, conn)->closed);
}

static uint64_t metric(const struct desk *desk, const char *wanted);

static void what_happened_is_counted(void **state)
{
    struct desk *desk = *state;

    add_ann(desk);
    (void)login_status(desk, "ann", "secret");
    (void)login_status(desk, "ann", "guess");
    assert_int_equal(metric(desk, "logins"), 1);
    assert_int_equal(metric(desk, "logins_failed"), 1);
    assert_int_equal(metric(desk, "accounts"), 1);
    assert_int_equal(metric(desk, "keys"), 1);
}

struct wanted {
    const char *name;
    uint64_t value;
};

static void emit(void *ctx, const char *name, const char *help, uint64_t value)
{
    struct wanted *wanted = ctx;

    assert_int_not_equal(strlen(help), 0);
    if (strcmp(name, wanted->name) == 0)
        wanted->value = value;
}

static uint64_t metric(const struct desk *desk, const char *name)
{
    struct wanted wanted = {.name = name, .value = UINT64_MAX};

    dfs_auth_metrics(desk->auth, emit, &wanted);
    return wanted.value;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)
        STORY(the_first_start_makes_a_key_and_has_no_users),
        STORY(a_login_gives_a_token_that_servers_believe),
        STORY(wrong_user_wrong_password_and_no_certificate_get_nothing),
        STORY(guessing_is_limited_and_good_logins_are_not),
        STORY(one_address_cannot_guess_for_all_users),
        STORY(a_token_is_renewed_for_its_bearer_only),
        STORY(a_removed_user_or_a_new_password_ends_the_renewals),
        STORY(keys_are_for_nodes_only),
        STORY(a_rotation_refuses_no_valid_token),
        STORY(accounts_and_keys_outlive_the_process),
        STORY(secrets_are_not_on_the_disk_in_the_clear),
        STORY(a_crash_at_any_step_leaves_the_old_or_the_new),
        STORY(a_damaged_version_falls_back_to_the_one_before),
        STORY(without_any_whole_version_auth_does_not_serve),
        STORY(a_change_that_the_disk_refuses_changes_nothing),
        STORY(two_processes_that_change_at_once_lose_nothing),
        STORY(changes_wait_in_line_and_a_stop_waits_for_them),
        STORY(who_comes_too_early_or_too_late_is_told_so),
        STORY(bad_names_passwords_and_scopes_are_refused_in_words),
        STORY(silent_peers_are_closed_and_too_many_refused),
        STORY(nonsense_closes_the_connection),
        STORY(what_happened_is_counted),
#undef STORY
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

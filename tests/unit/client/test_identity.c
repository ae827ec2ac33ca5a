/* The token: got, shown, renewed, refused. */
#include "tests/unit/client/stories.h"

#include <stdio.h>

static const struct dfs_client_login ann = {.user = "ann", .password = "secret"};

static char shown[8][64];

/* Remembers the tokens that were shown. */
static bool remember_hello(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)conn;
    (void)node;
    if (m->number == DFS_MSG_HELLO && r->story < 8)
        snprintf(shown[r->story++], 64, "%.*s", (int)m->body->hello.token.count, m->body->hello.token.at);
    return false;
}

static void a_login_gives_the_token_that_is_shown(void **state)
{
    struct client_rig *r = *state;

    r->on_message = remember_hello;
    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    assert_ok(r, 1);
    assert_int_equal(r->results[1].number, DFS_MSG_TOKEN);
    assert_words(r, 1, "ann");
    client_rig_put(r, 2, "a/one", 1000);
    assert_ok(r, 2);
    assert_int_equal(r->story, 2); /* to metadata and to a data server */
    assert_string_equal(shown[0], "a.token.of.auth");
    assert_string_equal(shown[1], "a.token.of.auth");
}

static void a_refused_login_says_so_in_auths_words(void **state)
{
    struct client_rig *r = *state;

    r->login_status = DFS_LOGIN_FAILED;
    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    assert_status(r, 1, DFS_LOGIN_FAILED);
    assert_words(r, 1, "auth says no");
    assert_words(r, 1, "10.0.0.1:7001");
    r->login_status = DFS_RATE_LIMITED;
    client_rig_do(r, 2, DFS_CLIENT_LOGIN, &ann);
    assert_status(r, 2, DFS_RATE_LIMITED);
}

static void an_auth_that_is_away_is_tried_until_given_up(void **state)
{
    struct client_rig *r = *state;

    r->auth_mode = RIG_REFUSES;
    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    client_rig_pass(r, 10 * DFS_SECONDS);
    assert_running(r, 1);
    client_rig_pass(r, 11 * DFS_SECONDS);
    assert_status(r, 1, DFS_UNREACHABLE);
    assert_words(r, 1, "does auth run there?");
    r->auth_mode = RIG_MUTE;
    client_rig_do(r, 2, DFS_CLIENT_LOGIN, &ann);
    client_rig_pass(r, 12 * DFS_SECONDS);
    r->auth_mode = RIG_WELL;
    client_rig_pass(r, 6 * DFS_SECONDS);
    assert_ok(r, 2);
    r->login_status = DFS_UNAVAILABLE;
    client_rig_do(r, 3, DFS_CLIENT_LOGIN, &ann);
    client_rig_pass(r, 2 * DFS_SECONDS);
    r->login_status = DFS_OK;
    client_rig_pass(r, 10 * DFS_SECONDS);
    assert_ok(r, 3);
}

static void logins_take_turns_and_can_be_cancelled(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_cancel cancel = {.command = 1};

    r->auth_mode = RIG_MUTE;
    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    client_rig_do(r, 2, DFS_CLIENT_LOGIN, &ann);
    client_rig_do(r, 3, DFS_CLIENT_LOGIN, &ann);
    client_rig_do(r, 4, DFS_CLIENT_CANCEL, &cancel);
    assert_int_equal(r->results[1].status, DFS_ABORTED);
    r->auth_mode = RIG_WELL;
    client_rig_run(r);
    assert_ok(r, 2);
    assert_ok(r, 3);
    assert_int_equal(r->asked[DFS_MSG_LOGIN], 2);
}

static void commands_wait_for_the_first_token(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_token none = {.token = ""};

    r->on_message = remember_hello;
    r->auth_mode = RIG_UNSEEN;
    client_rig_do(r, 1, DFS_CLIENT_SET_TOKEN, &none);
    client_rig_do(r, 2, DFS_CLIENT_LOGIN, &ann);
    client_rig_put(r, 3, "a/one", 1000);
    assert_int_equal(client_rig_conn(r, DFS_ROLE_META, NULL), 0);
    r->auth_mode = RIG_WELL;
    client_rig_pass(r, DFS_SECONDS);
    assert_ok(r, 2);
    assert_ok(r, 3);
    assert_string_equal(shown[0], "a.token.of.auth");
}

static bool need_token(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)node;
    if (m->number == DFS_MSG_HELLO && m->body->hello.token.count == 0) {
        client_rig_status(r, conn, m->request, DFS_TOKEN_MISSING, "no token was shown");
        return true;
    }
    return false;
}

static void without_a_token_the_servers_say_so(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_token none = {.token = ""};

    r->on_message = need_token;
    client_rig_do(r, 1, DFS_CLIENT_SET_TOKEN, &none);
    client_rig_put(r, 2, "a/one", 1000);
    assert_status(r, 2, DFS_TOKEN_MISSING);
    assert_words(r, 2, "no token was shown");
}

static void a_token_is_renewed_at_half_its_life(void **state)
{
    struct client_rig *r = *state;

    r->on_message = remember_hello;
    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    client_rig_put(r, 2, "a/one", 1000);
    strcpy(r->token, "a.second.token");
    client_rig_pass(r, 449 * DFS_SECONDS);
    assert_int_equal(r->asked[DFS_MSG_REFRESH], 0);
    client_rig_pass(r, 2 * DFS_SECONDS);
    assert_int_equal(r->asked[DFS_MSG_REFRESH], 1);
    client_rig_put(r, 3, "a/one", 1000);
    assert_ok(r, 3);
    assert_string_equal(shown[r->story - 1], "a.second.token");
    client_rig_pass(r, 452 * DFS_SECONDS);
    assert_int_equal(r->asked[DFS_MSG_REFRESH], 2);
}

static void a_renewal_that_reaches_nobody_is_tried_again(void **state)
{
    struct client_rig *r = *state;

    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    r->auth_mode = RIG_REFUSES;
    client_rig_pass(r, 600 * DFS_SECONDS);
    r->auth_mode = RIG_WELL;
    client_rig_pass(r, 280 * DFS_SECONDS);
    assert_int_equal(r->asked[DFS_MSG_REFRESH], 1);
}

static void a_refused_renewal_ends_the_renewals(void **state)
{
    struct client_rig *r = *state;

    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    r->login_status = DFS_TOKEN_REVOKED;
    client_rig_pass(r, 900 * DFS_SECONDS);
    assert_int_equal(r->asked[DFS_MSG_REFRESH], 1);
    assert_int_equal(r->f.deadline, DFS_NEVER);
}

static bool expired_until_new(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    static char last[64];

    (void)node;
    if (m->number == DFS_MSG_HELLO)
        snprintf(last, sizeof last, "%.*s", (int)m->body->hello.token.count, m->body->hello.token.at);
    if (m->number != DFS_MSG_PUT_OPEN || strcmp(last, "a.second.token") == 0)
        return false;
    r->story++;
    client_rig_status(r, conn, m->request, DFS_TOKEN_EXPIRED, "past its time");
    return true;
}

static void an_expired_token_is_said_and_a_new_one_helps(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_token second = {.token = "a.second.token"};

    r->on_message = expired_until_new;
    client_rig_put(r, 1, "a/one", 1000);
    assert_status(r, 1, DFS_TOKEN_EXPIRED);
    client_rig_do(r, 2, DFS_CLIENT_SET_TOKEN, &second);
    client_rig_put(r, 3, "a/one", 1000);
    assert_ok(r, 3);
    assert_int_equal(r->story, 1);
}

static void another_token_is_shown_on_other_connections_and_nothing_is_lost(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_token second = {.token = "a.second.token"};

    r->on_message = remember_hello;
    r->nodes[0].mode = RIG_MUTE;
    client_rig_put(r, 1, "a/one", 800000);
    assert_running(r, 1);
    const dfs_conn meta = client_rig_conn(r, DFS_ROLE_META, NULL);
    const dfs_conn data = client_rig_conn(r, DFS_ROLE_DATA, &r->nodes[0].id);

    r->nodes[0].mode = RIG_WELL;
    client_rig_do(r, 2, DFS_CLIENT_SET_TOKEN, &second);
    assert_true(fake_conn_of(&r->f, meta)->closed);
    assert_true(fake_conn_of(&r->f, data)->closed);
    client_rig_pass(r, 5 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    client_rig_do(r, 3, DFS_CLIENT_SET_TOKEN, &second); /* the same: nothing happens */
    assert_int_not_equal(client_rig_conn(r, DFS_ROLE_META, NULL), 0);
}

/* A renewal in the middle of an upload: blocks under way end on the old connections. */
static void a_renewal_disturbs_no_block(void **state)
{
    struct client_rig *r = *state;

    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    r->config.give_up_after_ns = 2000 * DFS_SECONDS;
    r->source_stalls = true;
    client_rig_put(r, 2, "a/one", 800000);
    strcpy(r->token, "a.second.token");
    client_rig_pass(r, 460 * DFS_SECONDS);
    assert_int_equal(r->asked[DFS_MSG_REFRESH], 1);
    r->source_stalls = false;
    client_rig_run(r);
    assert_ok(r, 2);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_WRITE], 8);
}

/* A renewal that is under way when the client closes its connections is begun again: the token will be needed. */
static void closing_in_the_middle_of_a_renewal_keeps_the_token(void **state)
{
    struct client_rig *r = *state;

    r->on_message = remember_hello;
    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    strcpy(r->token, "a.second.token");
    r->auth_mode = RIG_MUTE;
    client_rig_pass(r, 451 * DFS_SECONDS);
    client_rig_do(r, 2, DFS_CLIENT_CLOSE, NULL);
    assert_ok(r, 2);
    r->auth_mode = RIG_WELL;
    client_rig_put(r, 3, "a/one", 1000);
    assert_ok(r, 3);
    assert_string_equal(shown[r->story - 1], "a.token.of.auth");
    client_rig_pass(r, 300 * DFS_SECONDS); /* half of what is left of its life */
    client_rig_put(r, 4, "a/one", 1000);
    assert_ok(r, 4);
    assert_string_equal(shown[r->story - 1], "a.second.token");
}

/* Its host ends it with commands under way: nobody is answered, nothing is kept. */
static void a_client_that_is_freed_answers_nobody(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_path path = {.path = "a/one"};

    r->meta_mode = RIG_MUTE;
    client_rig_do(r, 1, DFS_CLIENT_STAT, &path);
    r->auth_mode = RIG_MUTE;
    client_rig_do(r, 2, DFS_CLIENT_LOGIN, &ann);
    client_rig_do(r, 3, DFS_CLIENT_LOGIN, &ann);
    client_rig_pass(r, DFS_SECONDS);
    client_rig_stop(r);
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(r->results[i].count, 0);
}

/* The second waits for the first, and its own patience ends after that: each is told. */
static void logins_behind_one_that_reaches_nobody_are_given_up_too(void **state)
{
    struct client_rig *r = *state;

    r->auth_mode = RIG_MUTE;
    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    client_rig_do(r, 2, DFS_CLIENT_LOGIN, &ann);
    client_rig_pass(r, 60 * DFS_SECONDS);
    assert_status(r, 1, DFS_TIMEOUT);
    assert_status(r, 2, DFS_TIMEOUT);
}

static bool answers_with_keys(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    const struct dfs_m_keys keys = {0};

    (void)node;
    if (m->number != DFS_MSG_LOGIN)
        return false;
    fake_receive(&r->f, conn, m->request, DFS_MSG_KEYS, &keys, NULL, 0);
    return true;
}

static bool answers_with_noise(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    static const uint8_t noise[] = "HTTP/1.1 400 Bad Request\r\n\r\n";

    (void)node;
    if (m->number != DFS_MSG_LOGIN)
        return false;
    fake_bytes(&r->f, conn, noise, sizeof noise - 1, sizeof noise - 1);
    return true;
}

/* Another service behind the port, or one that is just being restarted: tried again until it is given up. */
static void noise_instead_of_auth_is_given_up_in_the_end(void **state)
{
    struct client_rig *r = *state;

    r->on_message = answers_with_noise;
    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    client_rig_pass(r, DFS_SECONDS);
    assert_running(r, 1);
    client_rig_pass(r, 30 * DFS_SECONDS);
    assert_status(r, 1, DFS_UNREACHABLE);
    assert_true(r->asked[DFS_MSG_LOGIN] > 3);
}

static void auth_that_answers_something_else_is_not_believed(void **state)
{
    struct client_rig *r = *state;

    r->on_message = answers_with_keys;
    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &ann);
    assert_status(r, 1, DFS_BAD_REQUEST);
}

static void names_and_passwords_that_cannot_be(void **state)
{
    struct client_rig *r = *state;
    char long_name[DFS_USER_BYTES_MAX + 2];
    struct dfs_client_login login = {.user = long_name, .password = "x"};

    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    client_rig_do(r, 1, DFS_CLIENT_LOGIN, &login);
    assert_status(r, 1, DFS_LOGIN_FAILED);
    login.user = "\xfe";
    client_rig_do(r, 2, DFS_CLIENT_LOGIN, &login);
    assert_status(r, 2, DFS_LOGIN_FAILED);
    assert_int_equal(r->f.conns_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_login_gives_the_token_that_is_shown),
        STORY(a_refused_login_says_so_in_auths_words),
        STORY(an_auth_that_is_away_is_tried_until_given_up),
        STORY(logins_take_turns_and_can_be_cancelled),
        STORY(commands_wait_for_the_first_token),
        STORY(without_a_token_the_servers_say_so),
        STORY(a_token_is_renewed_at_half_its_life),
        STORY(a_renewal_that_reaches_nobody_is_tried_again),
        STORY(a_refused_renewal_ends_the_renewals),
        STORY(an_expired_token_is_said_and_a_new_one_helps),
        STORY(another_token_is_shown_on_other_connections_and_nothing_is_lost),
        STORY(a_renewal_disturbs_no_block),
        STORY(closing_in_the_middle_of_a_renewal_keeps_the_token),
        STORY(a_client_that_is_freed_answers_nobody),
        STORY(logins_behind_one_that_reaches_nobody_are_given_up_too),
        STORY(noise_instead_of_auth_is_given_up_in_the_end),
        STORY(auth_that_answers_something_else_is_not_believed),
        STORY(names_and_passwords_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

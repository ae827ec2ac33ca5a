/* What a frame with a token adds to the trace hash: its claims and all around it, not the signature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/wire/frame.h"
#include "core/wire/message.h"
#include "sim/digest.h"
#include "sim/random.h"
#include "sim/run.h"

#include <string.h>

static size_t frame_of(uint32_t number, const void *message, uint8_t *bytes, size_t room)
{
    const struct dfs_layout *layout = dfs_message_layout(number);
    const struct dfs_frame frame = {
        .type = (uint16_t)number, .request = 7, .body_bytes = (uint32_t)dfs_encoded_bytes(layout, message)};
    struct dfs_wr body = dfs_wr_make(bytes + DFS_FRAME_HEADER_BYTES, room - DFS_FRAME_HEADER_BYTES);

    dfs_frame_encode(&frame, bytes);
    dfs_encode(layout, message, &body);
    return DFS_FRAME_HEADER_BYTES + dfs_wr_count(&body);
}

static bool digest_of(uint32_t number, const char *token, uint64_t expires_s, uint64_t *ret_digest)
{
    uint8_t bytes[1024];
    size_t count;

    if (number == DFS_MSG_TOKEN) {
        const struct dfs_m_token m = {
            .expires_s = expires_s, .scope = dfs_text_of("rw:/"), .token = dfs_text_of(token)};

        count = frame_of(number, &m, bytes, sizeof bytes);
    } else if (number == DFS_MSG_REFRESH) {
        const struct dfs_m_refresh m = {.token = dfs_text_of(token)};

        count = frame_of(number, &m, bytes, sizeof bytes);
    } else {
        const struct dfs_m_hello m = {.version = 1, .token = dfs_text_of(token)};

        count = frame_of(number, &m, bytes, sizeof bytes);
    }
    return sim_token_digest(NULL, bytes, count, ret_digest);
}

static void signatures_do_not_count(void **state)
{
    static const uint32_t numbers[] = {DFS_MSG_TOKEN, DFS_MSG_REFRESH, DFS_MSG_HELLO};

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint64_t one;
        uint64_t other;

        assert_true(digest_of(numbers[i], "head.claims.signature", 5, &one));
        assert_true(digest_of(numbers[i], "head.claims.SIGNATURE", 5, &other));
        assert_true(one == other);
        assert_true(digest_of(numbers[i], "head.Claims.signature", 5, &other));
        assert_true(one != other);
        assert_true(digest_of(numbers[i], "Head.claims.signature", 5, &other));
        assert_true(one != other);
    }
}

static void what_stands_around_counts(void **state)
{
    uint64_t one;
    uint64_t other;

    (void)state;
    assert_true(digest_of(DFS_MSG_TOKEN, "h.c.s", 5, &one));
    assert_true(digest_of(DFS_MSG_TOKEN, "h.c.s", 6, &other));
    assert_true(one != other);
}

static void other_frames_are_hashed_as_they_are(void **state)
{
    const struct dfs_m_keys_get m = {0};
    uint8_t bytes[64];
    uint64_t digest;

    (void)state;
    assert_false(sim_token_digest(NULL, bytes, frame_of(DFS_MSG_KEYS_GET, &m, bytes, sizeof bytes), &digest));
    assert_false(sim_token_digest(NULL, bytes, 3, &digest));
    assert_false(digest_of(DFS_MSG_HELLO, "", 0, &digest)); /* a node's */
    memset(bytes, 0xff, sizeof bytes);                      /* TOKEN by its number, and no message */
    bytes[8] = 0;
    bytes[9] = DFS_MSG_TOKEN;
    assert_false(sim_token_digest(NULL, bytes, sizeof bytes, &digest));
}

/* A run whose tokens were signed with other nonces: other bytes, the same hash. */
struct play {
    bool other_nonces;
    char token[DFS_TOKEN_BYTES_MAX + 1];
};

static void on_begun(struct sim_run *run, void *state)
{
    const struct play *play = state;

    (void)run;
    if (play->other_nonces)
        assert_true(sim_random_install(4711));
}

static void on_token(struct sim_run *run, void *state, const struct sim_seen *seen, unsigned when)
{
    struct play *play = state;
    const struct dfs_m_token *m = seen->body;

    (void)when;
    if (run->zero == DFS_NEVER)
        return;
    memcpy(play->token, m->token.at, m->token.count);
    play->token[m->token.count] = '\0';
}

static const struct sim_message_hook token_hooks[] = {{DFS_MSG_TOKEN, SIM_SENT, on_token}};
static const struct sim_hooks play_hooks = {.begun = on_begun, .messages = token_hooks, .messages_count = 1};

static void attach(struct sim_run *run, void *arg)
{
    sim_run_listen(run, "play", &play_hooks, arg);
}

static uint64_t hash_of(struct play *play)
{
    static const char text[] =
        "{\"dfs_scenario\":1,\"duration\":\"5s\",\"cluster\":{\"data\":3,\"clients\":2},\"workload\":["
        "{\"at\":\"1s\",\"login\":\"c1\"},{\"at\":\"2s\",\"put\":\"x\"},{\"at\":\"3s\",\"get\":\"x\"}]}";
    const struct sim_run_options options = {.seed = 3, .attach = attach, .attach_arg = play};
    struct sim_scenario scenario;
    struct dfs_conf_error error = {.text = ""};

    assert_int_equal(sim_scenario_read(&scenario, "play", text, strlen(text), 3, &error), DFS_OK);
    struct sim_run *run = sim_run_new(&scenario, &options);

    sim_run_go(run);
    assert_int_equal(run->verdict, SIM_PASS);
    const uint64_t hash = sim_world_hash(run->world);

    sim_run_free(run);
    sim_scenario_close(&scenario);
    return hash;
}

static void nonces_do_not_reach_the_hash(void **state)
{
    struct play same = {.other_nonces = false};
    struct play other = {.other_nonces = true};

    (void)state;
    const uint64_t one = hash_of(&same);
    const uint64_t two = hash_of(&other);

    assert_string_not_equal(same.token, other.token);
    assert_int_equal(strrchr(same.token, '.') - same.token, strrchr(other.token, '.') - other.token);
    assert_memory_equal(same.token, other.token, (size_t)(strrchr(same.token, '.') - same.token));
    assert_true(one == two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_do_not_count),
        cmocka_unit_test(what_stands_around_counts),
        cmocka_unit_test(other_frames_are_hashed_as_they_are),
        cmocka_unit_test(nonces_do_not_reach_the_hash),
    };

    json_object_seed(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

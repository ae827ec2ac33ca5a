#include "apps/common/address.h"
#include "apps/common/faults.h"
#include "apps/common/line_socket.h"
#include "core/wire/frame.h"
#include "core/wire/message.h"
#include "net_real/host.h"
#include "net_real/ca.h"
#include "tests/unit/apps/scratch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A host without listeners and without a machine: its fault table is what the commands change. */
struct rig {
    struct dfs_real *real;
    struct dfs_faults *faults;
};

static int make(void **state)
{
    struct rig *rig = dfs_alloc_zero(sizeof *rig);
    struct dfs_real_config config;
    struct dfs_cert ca = {NULL, NULL};
    char words[DFS_WORDS_BYTES_MAX];

    if (dfs_ca_make("test", &ca) != DFS_OK)
        return -1;
    dfs_real_config_init(&config);
    config.role = DFS_ROLE_CLIENT;
    config.ca.text = ca.certificate;
    if (dfs_real_new(&config, words, &rig->real) != DFS_OK)
        return -1;
    dfs_cert_close(&ca);
    rig->faults = dfs_faults_new(rig->real);
    *state = rig;
    return 0;
}

static int end(void **state)
{
    struct rig *rig = *state;

    dfs_faults_free(rig->faults);
    dfs_real_free(rig->real);
    dfs_free(rig);
    return 0;
}

static void expect_answer(const struct rig *rig, const char *line, const char *answer)
{
    struct dfs_conf_text reply = {0};

    dfs_faults_do(rig->faults, line, &reply);
    assert_string_equal(reply.bytes, answer);
    dfs_conf_text_close(&reply);
}

#define OK "{\"ok\":true}"

/* What happens to a message that leaves for, or comes from, this address. */
static enum dfs_fault_verdict judge(const struct rig *rig, enum dfs_fault_passing passing, const char *address,
                                    uint16_t message, dfs_duration_ns *ret_delay_ns)
{
    const struct dfs_frame frame = {.type = message};
    uint8_t bytes[DFS_FRAME_HEADER_BYTES];
    struct dfs_addr addr;
    const struct dfs_fault_subject subject = {.passing = passing, .addr = &addr, .bytes = bytes, .count = sizeof bytes};

    assert_int_equal(dfs_address_resolve(address, &addr, NULL), DFS_OK);
    dfs_frame_encode(&frame, bytes);
    return dfs_fault_judge(&rig->real->fault, &subject, ret_delay_ns);
}

static enum dfs_fault_verdict out(const struct rig *rig, uint16_t message)
{
    dfs_duration_ns delay_ns;

    return judge(rig, DFS_FAULT_DATAGRAM_OUT, "127.0.0.1:1", message, &delay_ns);
}

static void drops_one_kind_of_message(void **state)
{
    const struct rig *rig = *state;
    dfs_duration_ns delay_ns;

    assert_int_equal(out(rig, DFS_MSG_HEARTBEAT), DFS_FAULT_PASS);
    expect_answer(rig, "{\"drop\":{\"message\":\"HEARTBEAT\"}}", OK);
    assert_int_equal(out(rig, DFS_MSG_HEARTBEAT), DFS_FAULT_DROP);
    assert_int_equal(out(rig, DFS_MSG_HEARTBEAT_ACK), DFS_FAULT_PASS);
    assert_int_equal(judge(rig, DFS_FAULT_DATAGRAM_IN, "127.0.0.1:1", DFS_MSG_HEARTBEAT, &delay_ns), DFS_FAULT_DROP);
    /* A stream loses nothing: it is cut. */
    assert_int_equal(judge(rig, DFS_FAULT_FRAME_OUT, "127.0.0.1:1", DFS_MSG_HEARTBEAT, &delay_ns), DFS_FAULT_CUT);
    assert_int_equal(judge(rig, DFS_FAULT_CONNECT, "127.0.0.1:1", DFS_MSG_HEARTBEAT, &delay_ns), DFS_FAULT_PASS);
    expect_answer(rig, "{\"rules\":{}}", "{\"ok\":true,\"cuts\":0,\"rules\":[{\"seen\":3,\"hits\":3}]}");
    expect_answer(rig, "{\"heal\":{}}", OK);
    assert_int_equal(out(rig, DFS_MSG_HEARTBEAT), DFS_FAULT_PASS);
}

static void counts_and_picks(void **state)
{
    const struct rig *rig = *state;

    expect_answer(rig, "{\"drop\":{\"message\":\"JOIN\",\"count\":2}}", OK);
    expect_answer(rig, "{\"drop\":{\"message\":\"LEAVE\",\"nth\":3}}", OK);
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(out(rig, DFS_MSG_JOIN), i <= 2 ? DFS_FAULT_DROP : DFS_FAULT_PASS);
        assert_int_equal(out(rig, DFS_MSG_LEAVE), i == 3 ? DFS_FAULT_DROP : DFS_FAULT_PASS);
    }
}

static void strikes_by_chance_and_by_seed(void **state)
{
    const struct rig *rig = *state;
    unsigned hits[2] = {0, 0};
    uint64_t pattern[2] = {0, 0};

    for (int run = 0; run < 2; run++) {
        expect_answer(rig, "{\"heal\":{}}", OK);
        expect_answer(rig, "{\"seed\":7}", OK);
        expect_answer(rig, "{\"drop\":{\"probability\":0.25}}", OK);
        for (int i = 0; i < 4000; i++) {
            const bool hit = out(rig, DFS_MSG_JOIN) == DFS_FAULT_DROP;

            hits[run] += hit;
            pattern[run] = pattern[run] * 31 + hit;
        }
    }
    assert_in_range(hits[0], 800, 1200);
    assert_int_equal(pattern[0], pattern[1]);
    expect_answer(rig, "{\"heal\":{}}", OK);
    expect_answer(rig, "{\"drop\":{\"probability\":0}}", OK);
    assert_int_equal(out(rig, DFS_MSG_JOIN), DFS_FAULT_PASS);
}

static void delays_in_one_direction(void **state)
{
    const struct rig *rig = *state;
    dfs_duration_ns delay_ns = 0;

    expect_answer(rig, "{\"delay\":{\"addr\":\"127.0.0.1:9\",\"by\":\"200ms\",\"in\":false}}", OK);
    assert_int_equal(judge(rig, DFS_FAULT_DATAGRAM_OUT, "127.0.0.1:9", DFS_MSG_JOIN, &delay_ns), DFS_FAULT_DELAY);
    assert_int_equal(delay_ns, 200000000);
    assert_int_equal(judge(rig, DFS_FAULT_DATAGRAM_IN, "127.0.0.1:9", DFS_MSG_JOIN, &delay_ns), DFS_FAULT_PASS);
    assert_int_equal(judge(rig, DFS_FAULT_DATAGRAM_OUT, "127.0.0.1:8", DFS_MSG_JOIN, &delay_ns), DFS_FAULT_PASS);
}

static void cuts_and_heals(void **state)
{
    const struct rig *rig = *state;
    struct dfs_addr addr;
    bool in;
    bool is_out;

    assert_int_equal(dfs_address_resolve("127.0.0.1:7401", &addr, NULL), DFS_OK);
    expect_answer(rig, "{\"cut\":{\"addr\":\"127.0.0.1:7401\",\"out\":false}}", OK);
    dfs_fault_find(&rig->real->fault, &addr, NULL, &in, &is_out);
    assert_true(in && !is_out);
    expect_answer(rig, "{\"cut\":{\"node\":\"6fa459ea-ee8a-4ca4-894e-db77e160355e\"}}", OK);
    expect_answer(rig, "{\"rules\":{}}", "{\"ok\":true,\"cuts\":2,\"rules\":[]}");
    expect_answer(rig, "{\"heal\":{}}", OK);
    dfs_fault_find(&rig->real->fault, &addr, NULL, &in, &is_out);
    assert_true(!in && !is_out);
    assert_int_equal(rig->real->fault.cut_count, 0);
}

static void refuses_in_words(void **state)
{
    static const char *const cases[][2] = {
        {"{\"cutt\":{}}", "unknown command \\\"cutt\\\"; did you mean \\\"cut\\\"?"},
        {"{\"cut\":{}}", "cut: say whom, by \\\"addr\\\" or \\\"node\\\""},
        {"{\"cut\":{\"adr\":\"127.0.0.1:1\"}}", "unknown key \\\"adr\\\"; did you mean \\\"addr\\\"?"},
        {"{\"drop\":{\"message\":\"HARTBEAT\"}}", "there is no message \\\"HARTBEAT\\\""},
        {"{\"drop\":{\"probability\":1.5}}", "\\\"probability\\\" must be a number from 0 to 1"},
        {"{\"drop\":{\"count\":0}}", "\\\"count\\\" must be a whole number from 1"},
        {"{\"delay\":{}}", "delay: \\\"by\\\" must be a duration such as \\\"200ms\\\""},
        {"{\"drop\":{\"by\":\"1s\"}}", "drop: \\\"by\\\" belongs to delay"},
        {"{\"cut\":1}", "the command's value must be an object"},
        {"{\"cut\":{\"node\":\"x\"}}", "\\\"node\\\": \\\"x\\\" is no UUID"},
    };
    const struct rig *rig = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char answer[300];

        (void)snprintf(answer, sizeof answer, "{\"ok\":false,\"error\":\"%s\"}", cases[i][1]);
        expect_answer(rig, cases[i][0], answer);
    }
    assert_int_equal(out(rig, DFS_MSG_JOIN), DFS_FAULT_PASS);
}

/* Through the socket: another thread asks, the loop answers. */

struct asker {
    const char *path;
    enum dfs_status status;
    struct dfs_conf_text reply;
    struct dfs_real *real;
};

static void *ask(void *ctx)
{
    struct asker *asker = ctx;

    asker->status = dfs_line_socket_ask(asker->path, "{\"drop\":{\"message\":\"JOIN\"}}", 10000, &asker->reply, NULL);
    dfs_real_stop(asker->real);
    return NULL;
}

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    (void)machine;
    (void)event;
    return DFS_NEVER;
}

static void answers_over_a_socket(void **state)
{
    const struct rig *rig = *state;
    struct scratch scratch = scratch_make();
    struct dfs_line_socket *served = NULL;
    struct dfs_line_socket *second = NULL;
    struct asker asker = {.path = scratch_path(&scratch, "socket"), .real = rig->real};
    struct dfs_why why;
    pthread_t thread;

    assert_int_equal(dfs_line_socket_ask(asker.path, "{}", 1000, &asker.reply, &why), DFS_UNREACHABLE);
    assert_int_equal(dfs_line_socket_open(asker.path, rig->real, dfs_faults_line, rig->faults, &served, &why), DFS_OK);
    assert_int_equal(dfs_line_socket_open(asker.path, rig->real, dfs_faults_line, rig->faults, &second, &why),
                     DFS_BAD_CONFIG);
    assert_non_null(strstr(why.text, "another process serves"));
    assert_int_equal(pthread_create(&thread, NULL, ask, &asker), 0);
    dfs_real_run(rig->real, step, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(asker.status, DFS_OK);
    assert_string_equal(asker.reply.bytes, OK "\n");
    dfs_conf_text_close(&asker.reply);
    dfs_line_socket_close(served);
    assert_false(dfs_file_exists(asker.path));
    scratch_end(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(drops_one_kind_of_message, make, end),
        cmocka_unit_test_setup_teardown(counts_and_picks, make, end),
        cmocka_unit_test_setup_teardown(strikes_by_chance_and_by_seed, make, end),
        cmocka_unit_test_setup_teardown(delays_in_one_direction, make, end),
        cmocka_unit_test_setup_teardown(cuts_and_heals, make, end),
        cmocka_unit_test_setup_teardown(refuses_in_words, make, end),
        cmocka_unit_test_setup_teardown(answers_over_a_socket, make, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

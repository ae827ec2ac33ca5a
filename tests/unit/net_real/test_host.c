/* The host itself: clocks and deadlines, commands from here and elsewhere, datagrams, signals, the end. */
#include "tests/unit/net_real/toy.h"

#include <pthread.h>
#include <signal.h>

static struct toy_cluster home;
static struct toy meta;
static struct toy data;

static int set_up_group(void **state)
{
    (void)state;
    toy_cluster_init(&home, 1);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    toy_cluster_close(&home);
    return 0;
}

static void start_client(struct toy *toy)
{
    toy_start_client(toy, &home, NULL);
}

static void a_deadline_is_kept(void **state)
{
    dfs_time_ns wanted;

    (void)state;
    start_client(&data);
    wanted = dfs_real_mono() + 30 * DFS_MILLISECONDS;
    data.deadline = wanted;
    dfs_real_command(data.real, 1, 2, NULL); /* a step, so that the deadline is heard of */
    TOY_UNTIL(data.seen[DFS_EV_TICK] == 1, &data, NULL, NULL);
    assert_true(data.mono >= wanted);
    assert_true(data.mono < wanted + 10 * DFS_SECONDS); /* busy machines are late */
    assert_true(data.wall > UINT64_C(1700000000) * DFS_SECONDS);
    toy_for_ms(&data, NULL, 50);
    assert_int_equal(data.seen[DFS_EV_TICK], 1);
    toy_stop(&data);
}

static void a_later_deadline_is_not_ticked_early(void **state)
{
    dfs_time_ns wanted;

    (void)state;
    start_client(&data);
    data.deadline = dfs_real_mono() + 20 * DFS_MILLISECONDS;
    dfs_real_command(data.real, 1, 2, NULL);
    wanted = dfs_real_mono() + 120 * DFS_MILLISECONDS; /* moved away: the timer that is set finds nothing due */
    data.deadline = wanted;
    dfs_real_command(data.real, 1, 2, NULL);
    TOY_UNTIL(data.seen[DFS_EV_TICK] == 1, &data, NULL, NULL);
    assert_true(data.mono >= wanted);
    toy_stop(&data);
}

static unsigned released;

static void release(void *argument)
{
    (void)argument;
    released++;
}

static void *post_from_elsewhere(void *argument)
{
    static char text[] = "from another thread";

    for (uint64_t i = 1; i <= 100; i++)
        dfs_real_post(argument, i, 7, text, release);
    return NULL;
}

static void commands_come_from_any_thread(void **state)
{
    pthread_t thread;

    (void)state;
    released = 0;
    start_client(&data);
    assert_int_equal(pthread_create(&thread, NULL, post_from_elsewhere, data.real), 0);
    TOY_UNTIL(data.seen[DFS_EV_COMMAND] == 100, &data, NULL, NULL);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(released, 100);
    assert_int_equal(data.command_id, 100);
    assert_int_equal(data.command_code, 7);
    assert_string_equal(data.command_text, "from another thread");
    (void)post_from_elsewhere(data.real);
    toy_stop(&data);
    assert_int_equal(released, 200); /* what nobody heard any more is released too */
}

static void *run_host(void *argument)
{
    struct toy *toy = argument;

    dfs_real_run(toy->real, toy_step, toy);
    return NULL;
}

static void a_host_runs_in_its_thread_and_stops_from_another(void **state)
{
    struct dfs_real_config config = toy_config(&data, &home, DFS_ROLE_CLIENT, 0);
    char words[DFS_WORDS_BYTES_MAX];
    pthread_t thread;

    (void)state;
    data = (struct toy){.deadline = DFS_NEVER};
    assert_int_equal(dfs_real_new(&config, words, &data.real), DFS_OK);
    data.env = dfs_real_env(data.real);
    assert_null(data.env.disk);
    assert_int_equal(dfs_real_port(data.real), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_host, &data), 0);
    dfs_real_post(data.real, 5, 6, NULL, NULL);
    usleep(20000);
    dfs_real_stop(data.real);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(data.seen[DFS_EV_START], 1);
    assert_int_equal(data.seen[DFS_EV_COMMAND], 1);
    dfs_real_free(data.real);
}

static const void *answered;
static uint64_t answered_command;

static void on_answer(void *ctx, uint64_t command, const void *result)
{
    (void)ctx;
    answered = result;
    answered_command = command;
}

static int signal_seen;

static void on_signal(void *ctx, int number)
{
    (void)ctx;
    signal_seen = number;
}

static void answers_and_signals_reach_the_program(void **state)
{
    struct dfs_real_config config = toy_config(&data, &home, DFS_ROLE_CLIENT, 0);
    static const int result = 42;

    (void)state;
    config.answer = on_answer;
    config.signal = on_signal;
    toy_start(&data, &config);
    data.env.local->answer(data.env.ctx, 9, &result);
    assert_ptr_equal(answered, &result);
    assert_int_equal(answered_command, 9);
    assert_int_equal(raise(SIGHUP), 0);
    TOY_UNTIL(signal_seen == SIGHUP, &data, NULL, NULL);
    assert_int_equal(raise(SIGTERM), 0);
    TOY_UNTIL(signal_seen == SIGTERM, &data, NULL, NULL);
    toy_stop(&data);
}

static void start_udp(void)
{
    struct dfs_real_config config = toy_config(&meta, &home, DFS_ROLE_META, 10);
    struct dfs_cert cert;

    assert_int_equal(dfs_ca_issue(&home.ca, DFS_ROLE_META, &home.id, &config.node, &cert), DFS_OK);
    config.certificate.text = cert.certificate;
    config.key.text = cert.key;
    config.udp = DFS_REAL_UDP_SAME_PORT;
    toy_start(&meta, &config);
    config = toy_config(&data, &home, DFS_ROLE_CLIENT, 0);
    config.udp = DFS_REAL_UDP_EPHEMERAL;
    toy_start(&data, &config);
    dfs_cert_close(&cert);
}

static void stop_udp(void)
{
    toy_stop(&data);
    toy_stop(&meta);
}

static void say(struct toy *from, const struct dfs_addr *to, const char *text)
{
    from->env.net->datagram(from->env.ctx, to, text, strlen(text));
}

static void datagrams_go_and_come_back(void **state)
{
    struct dfs_addr addr;

    (void)state;
    start_udp();
    addr = toy_loopback(dfs_real_port(meta.real));
    say(&data, &addr, "heartbeat");
    TOY_UNTIL(meta.seen[DFS_EV_DATAGRAM] == 1, &data, &meta, NULL);
    assert_string_equal(meta.datagram, "heartbeat");
    say(&meta, &meta.datagram_from, "ack");
    TOY_UNTIL(data.seen[DFS_EV_DATAGRAM] == 1, &data, &meta, NULL);
    assert_string_equal(data.datagram, "ack");
    assert_true(dfs_endpoint_equal(&data.datagram_from, &addr));
    stop_udp();
}

/* Nobody is there, or not in that family: lost without a word, and the socket goes on working. */
static void lost_datagrams_hurt_nobody(void **state)
{
    const struct dfs_addr nobody = toy_loopback(1);
    const struct dfs_addr v6_nobody = {.ip = {[15] = 1}, .port = 1};
    struct dfs_addr addr;

    (void)state;
    start_udp();
    addr = toy_loopback(dfs_real_port(meta.real));
    for (int i = 0; i < 10; i++) {
        say(&data, &nobody, "lost");
        say(&data, &v6_nobody, "lost");
        say(&meta, &v6_nobody, "lost");
        toy_turn(&data, &meta, NULL);
    }
    say(&data, &addr, "found");
    TOY_UNTIL(meta.seen[DFS_EV_DATAGRAM] == 1, &data, &meta, NULL);
    assert_string_equal(meta.datagram, "found");
    stop_udp();
}

static enum dfs_fault_verdict verdict;

static enum dfs_fault_verdict judge(void *ctx, const struct dfs_fault_subject *subject, dfs_duration_ns *ret_delay_ns)
{
    const enum dfs_fault_passing *passing = ctx;

    if (subject->passing != *passing)
        return DFS_FAULT_PASS;
    assert_memory_equal(subject->bytes, "text", subject->count);
    *ret_delay_ns = 40 * DFS_MILLISECONDS;
    return verdict;
}

static void faults_of_datagrams(void **state)
{
    static enum dfs_fault_passing passing;
    const struct dfs_fault_match loopback = {.addr = toy_loopback(0)};
    struct dfs_real_stats stats;
    struct dfs_addr addr;
    dfs_time_ns begin;

    (void)state;
    start_udp();
    addr = toy_loopback(dfs_real_port(meta.real));
    dfs_real_set_filter(data.real, judge, &passing);
    dfs_real_set_filter(meta.real, judge, &passing);
    for (passing = DFS_FAULT_DATAGRAM_OUT; passing <= DFS_FAULT_DATAGRAM_IN; passing++) {
        const unsigned before = meta.seen[DFS_EV_DATAGRAM];

        verdict = DFS_FAULT_DROP;
        say(&data, &addr, "text");
        toy_for_ms(&data, &meta, 20);
        assert_int_equal(meta.seen[DFS_EV_DATAGRAM], before);
        verdict = DFS_FAULT_DELAY;
        begin = dfs_real_mono();
        say(&data, &addr, "text");
        TOY_UNTIL(meta.seen[DFS_EV_DATAGRAM] == before + 1, &data, &meta, NULL);
        assert_true(dfs_real_mono() - begin >= 39 * DFS_MILLISECONDS);
    }
    dfs_real_set_filter(data.real, NULL, NULL);
    dfs_real_set_filter(meta.real, NULL, NULL);
    assert_int_equal(dfs_real_cut(meta.real, &loopback, true, false), DFS_OK);
    say(&data, &addr, "text");
    toy_for_ms(&data, &meta, 20);
    assert_int_equal(meta.seen[DFS_EV_DATAGRAM], 2);
    assert_int_equal(dfs_real_cut(meta.real, &loopback, false, false), DFS_OK);
    say(&data, &addr, "text");
    TOY_UNTIL(meta.seen[DFS_EV_DATAGRAM] == 3, &data, &meta, NULL);
    dfs_real_get_stats(meta.real, &stats);
    assert_int_equal(stats.datagrams_received, 3);
    assert_int_equal(stats.datagrams_dropped, 2);
    verdict = DFS_FAULT_DELAY;
    dfs_real_set_filter(data.real, judge, &passing);
    passing = DFS_FAULT_DATAGRAM_OUT;
    say(&data, &addr, "text"); /* still held back at the end */
    stop_udp();
}

static void a_port_that_is_taken_is_said_so(void **state)
{
    static struct toy second;
    struct dfs_real_config config;
    struct dfs_cert cert;
    char words[DFS_WORDS_BYTES_MAX] = "";

    (void)state;
    start_udp();
    config = toy_config(&second, &home, DFS_ROLE_META, 10);
    assert_int_equal(dfs_ca_issue(&home.ca, DFS_ROLE_META, &home.id, &config.node, &cert), DFS_OK);
    config.certificate.text = cert.certificate;
    config.key.text = cert.key;
    config.listen.port = dfs_real_port(meta.real);
    assert_int_equal(toy_try(&second, &config, words), DFS_UNAVAILABLE);
    assert_non_null(strstr(words, "Address already in use"));
    config.listen.port = 0;
    config.congestion = "no-such-thing";
    assert_int_equal(toy_try(&second, &config, words), DFS_BAD_CONFIG);
    assert_non_null(strstr(words, "no-such-thing"));
    dfs_cert_close(&cert);
    stop_udp();
}

static void every_address_serves_both_families(void **state)
{
    static struct toy any;
    struct dfs_real_config config = toy_config(&any, &home, DFS_ROLE_META, 10);
    struct toy_conn *conn;
    struct dfs_cert cert;
    struct dfs_addr addr;

    (void)state;
    assert_int_equal(dfs_ca_issue(&home.ca, DFS_ROLE_META, &home.id, &config.node, &cert), DFS_OK);
    config.certificate.text = cert.certificate;
    config.key.text = cert.key;
    config.listen = (struct dfs_addr){0};
    config.udp = DFS_REAL_UDP_SAME_PORT;
    toy_start(&any, &config);
    config = toy_config(&data, &home, DFS_ROLE_CLIENT, 0);
    config.udp = DFS_REAL_UDP_EPHEMERAL;
    config.binds_source = true;
    config.source = toy_loopback(0);
    config.source.ip[15] = 9; /* 127.0.0.9 */
    toy_start(&data, &config);
    dfs_cert_close(&cert);
    conn = toy_connect(&data, &any, DFS_ROLE_META, NULL);
    TOY_UNTIL(conn->open && any.seen[DFS_EV_ACCEPT] == 1, &data, &any, NULL);
    assert_memory_equal(any.conns[0].addr.ip, config.source.ip, 16);
    addr = toy_loopback(dfs_real_port(any.real));
    say(&data, &addr, "v4");
    TOY_UNTIL(any.seen[DFS_EV_DATAGRAM] == 1, &data, &any, NULL);
    assert_memory_equal(any.datagram_from.ip, config.source.ip, 16);
    say(&any, &any.datagram_from, "back");
    TOY_UNTIL(data.seen[DFS_EV_DATAGRAM] == 1, &data, &any, NULL);
    toy_stop(&data);
    toy_stop(&any);
}

struct watched {
    int fd;
    unsigned calls;
    struct dfs_real_watch *watch;
};

static void on_readable(void *ctx)
{
    struct watched *watched = ctx;
    char byte;

    assert_int_equal(read(watched->fd, &byte, 1), 1);
    if (++watched->calls == 3)
        dfs_real_unwatch(watched->watch);
}

static void descriptors_of_the_program_are_watched(void **state)
{
    struct watched watched = {0};
    int fds[2];

    (void)state;
    start_client(&data);
    assert_int_equal(pipe(fds), 0);
    watched.fd = fds[0];
    watched.watch = dfs_real_watch(data.real, fds[0], on_readable, &watched);
    assert_non_null(watched.watch);
    assert_int_equal(write(fds[1], "12345", 5), 5);
    TOY_UNTIL(watched.calls == 3, &data, NULL, NULL);
    toy_for_ms(&data, NULL, 10);
    assert_int_equal(watched.calls, 3);
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_null(dfs_real_watch(data.real, -1, on_readable, &watched));
    toy_stop(&data);
}

static void random_bytes_differ(void **state)
{
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};

    (void)state;
    start_client(&data);
    data.env.rng->random(data.env.ctx, DFS_RNG_ID, a, sizeof a);
    data.env.rng->random(data.env.ctx, DFS_RNG_ID, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    toy_stop(&data);
}

static void endpoints_are_read_and_printed(void **state)
{
    static const struct {
        const char *text;
        enum dfs_status status;
        const char *printed;
        bool loopback;
    } cases[] = {
        {"127.0.0.1:9000", DFS_OK, "127.0.0.1:9000", true},
        {"127.2.3.4:9000", DFS_OK, "127.2.3.4:9000", true},
        {"128.0.0.1:9000", DFS_OK, "128.0.0.1:9000", false},
        {"[::1]:80", DFS_OK, "[::1]:80", true},
        {"[::2]:80", DFS_OK, "[::2]:80", false},
        {"[7f00::1]:80", DFS_OK, "[7f00::1]:80", false},
        {":7000", DFS_OK, "[::]:7000", false},
        {"0.0.0.0:1", DFS_OK, "0.0.0.0:1", false},
        {"127.0.0.1", DFS_BAD_CONFIG, NULL, false},
        {"127.0.0.1:", DFS_BAD_CONFIG, NULL, false},
        {"127.0.0.1:65536", DFS_BAD_CONFIG, NULL, false},
        {"127.0.0.1:x", DFS_BAD_CONFIG, NULL, false},
        {"::1:80", DFS_BAD_CONFIG, NULL, false},
        {"[::1:80", DFS_BAD_CONFIG, NULL, false},
        {"", DFS_BAD_CONFIG, NULL, false},
        {"no such name.invalid:1", DFS_UNREACHABLE, NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[DFS_ENDPOINT_TEXT_BYTES];
        struct dfs_addr addr;

        assert_int_equal(dfs_endpoint_resolve(cases[i].text, &addr), cases[i].status);
        if (cases[i].status != DFS_OK)
            continue;
        dfs_endpoint_print(&addr, text);
        assert_string_equal(text, cases[i].printed);
        assert_true(dfs_endpoint_is_loopback(&addr) == cases[i].loopback);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_is_kept),
        cmocka_unit_test(a_later_deadline_is_not_ticked_early),
        cmocka_unit_test(commands_come_from_any_thread),
        cmocka_unit_test(a_host_runs_in_its_thread_and_stops_from_another),
        cmocka_unit_test(answers_and_signals_reach_the_program),
        cmocka_unit_test(datagrams_go_and_come_back),
        cmocka_unit_test(lost_datagrams_hurt_nobody),
        cmocka_unit_test(faults_of_datagrams),
        cmocka_unit_test(a_port_that_is_taken_is_said_so),
        cmocka_unit_test(every_address_serves_both_families),
        cmocka_unit_test(descriptors_of_the_program_are_watched),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(endpoints_are_read_and_printed),
    };

    return cmocka_run_group_tests_name("net_real/host", tests, set_up_group, tear_down_group);
}

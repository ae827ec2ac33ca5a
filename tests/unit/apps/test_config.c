#include "apps/common/config.h"
#include "net_real/ca.h"
#include "tests/unit/apps/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct scratch scratch;

static int make(void **state)
{
    (void)state;
    scratch = scratch_make();
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_end(&scratch);
    return 0;
}

/* The whole line behind the file's name; "" when it was read. */
static const char *line_of(enum dfs_role role, const char *text, struct dfs_daemon_config *config)
{
    static struct dfs_conf_error error;
    const char *path = scratch_write(&scratch, "config.json", text);

    if (dfs_config_read(path, role, config, &error) == DFS_OK)
        return "";
    assert_int_equal(strncmp(error.text, path, strlen(path)), 0);
    return error.text + strlen(path);
}

static void defaults_of_each_role(void **state)
{
    static const struct {
        enum dfs_role role;
        const char *listen;
        const char *http;
    } roles[] = {{DFS_ROLE_AUTH, "0.0.0.0:7400", "127.0.0.1:7410"},
                 {DFS_ROLE_META, "0.0.0.0:7401", "127.0.0.1:7411"},
                 {DFS_ROLE_DATA, "0.0.0.0:7402", "127.0.0.1:7412"}};
    struct dfs_daemon_config config;
    struct dfs_settings settings;

    (void)state;
    dfs_settings_init(&settings);
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        assert_string_equal(line_of(roles[i].role, "{}", &config), "");
        assert_string_equal(config.listen, roles[i].listen);
        assert_string_equal(config.http, roles[i].http);
        assert_string_equal(config.issuer, "dfs");
        assert_int_equal(config.log_level, DFS_LOG_INFO);
        assert_true(dfs_id_is_zero(&config.cluster));
        assert_memory_equal(&config.settings, &settings, sizeof settings);
        /* Paths count from the file. */
        assert_string_equal(config.data_dir, scratch_path(&scratch, "data"));
        assert_string_equal(config.ca, scratch_path(&scratch, "ca.pem"));
    }
}

static void reads_every_kind_of_key(void **state)
{
    struct dfs_daemon_config config;
    char id[DFS_ID_TEXT_BYTES];

    (void)state;
    assert_string_equal(
        line_of(DFS_ROLE_DATA,
                "{\"node\": \"6fa459ea-ee8a-4ca4-894e-db77e160355e\", \"listen\": \"[::1]:9\", \"http\": \"off\",\n"
                "\"zone\": \"rack 1\", \"capacity\": \"1GB\", \"log_level\": \"debug\", \"log_format\": \"json\",\n"
                "\"data_dir\": \"/disk\", \"hop_timeout\": \"2s\", \"metadata\": \"meta.example:1\"}",
                &config),
        "");
    dfs_id_print(&config.node, id);
    assert_string_equal(id, "6fa459ea-ee8a-4ca4-894e-db77e160355e");
    assert_string_equal(config.listen, "[::1]:9");
    assert_string_equal(config.http, "");
    assert_string_equal(config.zone, "rack 1");
    assert_int_equal(config.capacity_bytes, 1000000000);
    assert_int_equal(config.log_level, DFS_LOG_DEBUG);
    assert_int_equal(config.log_format, DFS_LOG_JSON);
    assert_string_equal(config.data_dir, "/disk");
    assert_int_equal(config.settings.hop_timeout_ns, 2000000000);
    assert_string_equal(config.metadata, "meta.example:1");
}

static void refuses_with_a_line(void **state)
{
    static const struct {
        enum dfs_role role;
        const char *text;
        const char *line;
    } cases[] = {
        {DFS_ROLE_DATA, "{\n\"zon\": \"\"}", ":2: key \"zon\": unknown key; did you mean \"zone\"?"},
        {DFS_ROLE_META, "{\"listen\": 7401}",
         ":1: key \"listen\": must be an address such as \"127.0.0.1:7401\", not the number 7401"},
        {DFS_ROLE_META, "{\"listen\": \"\"}",
         ":1: key \"listen\": \"\" is no address; write HOST:PORT, for example \"127.0.0.1:7401\" or \"[::1]:7401\""},
        {DFS_ROLE_META, "{\"node\": 1}",
         ":1: key \"node\": must be a UUID such as \"6fa459ea-ee8a-4ca4-894e-db77e160355e\", not the number 1"},
    };
    struct dfs_daemon_config config;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(line_of(cases[i].role, cases[i].text, &config), cases[i].line);
    /* Keys of other roles. */
    assert_non_null(strstr(line_of(DFS_ROLE_AUTH, "{\"zone\": \"a\"}", &config), "key \"zone\""));
    assert_non_null(strstr(line_of(DFS_ROLE_DATA, "{\"repair_total\": 1}", &config), "key \"repair_total\""));
    assert_non_null(strstr(line_of(DFS_ROLE_META, "{\"capacity\": \"1GB\"}", &config), "key \"capacity\""));
}

static void takes_its_identity_from_the_certificate(void **state)
{
    struct dfs_id cluster = {{1, 2, 3}};
    struct dfs_id node = {{4, 5, 6}};
    struct dfs_daemon_config config;
    struct dfs_cert ca = {NULL, NULL};
    struct dfs_cert cert = {NULL, NULL};
    struct dfs_why why;

    (void)state;
    dfs_id_make_random(&cluster);
    dfs_id_make_random(&node);
    assert_int_equal(dfs_ca_make("test", &ca), DFS_OK);
    assert_int_equal(dfs_ca_issue(&ca, DFS_ROLE_DATA, &cluster, &node, &cert), DFS_OK);
    (void)scratch_write(&scratch, "node.pem", cert.certificate);

    assert_string_equal(line_of(DFS_ROLE_DATA, "{}", &config), "");
    assert_int_equal(dfs_config_identify(&config, DFS_ROLE_DATA, &why), DFS_OK);
    assert_true(dfs_id_equal(&config.cluster, &cluster) && dfs_id_equal(&config.node, &node));

    assert_int_equal(dfs_config_identify(&config, DFS_ROLE_META, &why), DFS_BAD_CONFIG);
    assert_non_null(strstr(why.text, "not the certificate of a meta server"));
    config.node.bytes[0] ^= 1;
    assert_int_equal(dfs_config_identify(&config, DFS_ROLE_DATA, &why), DFS_BAD_CONFIG);
    assert_non_null(strstr(why.text, "another cluster or node"));
    (void)scratch_write(&scratch, "node.pem", "nonsense");
    assert_int_equal(dfs_config_identify(&config, DFS_ROLE_DATA, &why), DFS_BAD_CONFIG);
    assert_non_null(strstr(why.text, "holds no certificate"));
    dfs_cert_close(&cert);
    dfs_cert_close(&ca);
}

static void reads_the_root_secret(void **state)
{
    static const char good[] = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n";
    struct dfs_key key = {{0}};
    struct dfs_why why;

    (void)state;
    assert_int_equal(dfs_config_root_secret(scratch_write(&scratch, "root", good), &key, &why), DFS_OK);
    for (uint8_t i = 0; i < DFS_KEY_BYTES; i++)
        assert_int_equal(key.bytes[i], i);
    assert_int_equal(dfs_config_root_secret(scratch_write(&scratch, "root", good + 2), &key, &why), DFS_BAD_CONFIG);
    assert_int_equal(dfs_config_root_secret(scratch_write(&scratch, "root", ""), &key, &why), DFS_BAD_CONFIG);
    assert_int_equal(
        dfs_config_root_secret(
            scratch_write(&scratch, "root", "g00102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"), &key,
            &why),
        DFS_BAD_CONFIG);
    assert_non_null(strstr(why.text, "openssl rand -hex 32"));
    assert_int_equal(dfs_config_root_secret(scratch_path(&scratch, "none"), &key, &why), DFS_BAD_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_of_each_role, make, end),
        cmocka_unit_test_setup_teardown(reads_every_kind_of_key, make, end),
        cmocka_unit_test_setup_teardown(refuses_with_a_line, make, end),
        cmocka_unit_test_setup_teardown(takes_its_identity_from_the_certificate, make, end),
        cmocka_unit_test_setup_teardown(reads_the_root_secret, make, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

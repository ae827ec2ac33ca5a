/* The product's own settings: names, defaults, ranges, and the rules between them. */
#include "core/conf/settings.h"

#include "core/conf/keytable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum dfs_status read_text(const char *text, unsigned roles, bool is_relaxed, struct dfs_settings *settings,
                                 struct dfs_conf_error *error)
{
    struct dfs_json_doc *doc = NULL;
    enum dfs_status status = dfs_json_doc_new("meta.json", text, strlen(text), &doc, error);
    if (status != DFS_OK)
        return status;
    struct dfs_key_reader reader = {.doc = doc, .roles = roles, .is_relaxed = is_relaxed, .error = error};
    status = dfs_settings_read(&reader, dfs_json_root(doc), settings);
    dfs_json_doc_free(doc);
    return status;
}

static struct dfs_settings reads(const char *text, unsigned roles, bool is_relaxed)
{
    struct dfs_settings settings;
    struct dfs_conf_error error = {0};
    if (read_text(text, roles, is_relaxed, &settings, &error) != DFS_OK)
        fail_msg("%s", error.text);
    return settings;
}

static void refuses(const char *text, unsigned roles, bool is_relaxed, const char *expected)
{
    struct dfs_settings settings;
    struct dfs_conf_error error = {0};
    assert_int_equal(read_text(text, roles, is_relaxed, &settings, &error), DFS_BAD_CONFIG);
    assert_string_equal(error.text, expected);
}

static void defaults_are_those_of_the_design(void **state)
{
    (void)state;
    struct dfs_settings s;
    dfs_settings_init(&s);
    assert_true(s.heartbeat_interval_ns == 1000000000);
    assert_true(s.replication == 3 && s.ack == DFS_SETTING_ACK_ALL && s.durability == DFS_SETTING_DURABILITY_SYNC);
    assert_true(s.block_min_bytes == 100000 && s.block_max_bytes == 10000000 && s.blocks_spread == 4);
    assert_true(s.frame_bytes == 262144 && s.upload_lease_ns == INT64_C(600000000000));
    assert_true(s.trash_keep_ns == INT64_C(86400000000000) && s.repair_grace_ns == INT64_C(10000000000));
    assert_true(s.repair_per_source == 2 && s.repair_per_target == 2 && s.repair_total == 64);
    assert_true(s.repair_bandwidth_bytes_per_s == 0 && s.brake_share_ppb == 400000000 && s.brake_nodes == 3);
    assert_true(s.brake_release_intervals == 30 && s.maintenance_ns == INT64_C(600000000000));
    assert_true(s.warmup_intervals == 5 && s.scrub_interval_ns == INT64_C(14) * 86400 * 1000000000);
    assert_true(s.reserve_ppb == 50000000 && s.token_lifetime_ns == INT64_C(900000000000));
    assert_true(s.token_leeway_ns == INT64_C(30000000000) && s.key_lifetime_ns == INT64_C(3600000000000));
    assert_true(s.scrypt_n == 16384 && s.data_transport == DFS_SETTING_DATA_TRANSPORT_TLS);
    assert_string_equal(s.congestion, "");
    assert_true(s.checkpoint_every_bytes == 64000000 && s.pool_bytes == 67108864 && s.parallel == 4);
    assert_true(s.hop_timeout_ns == INT64_C(10000000000) && s.request_timeout_ns == INT64_C(30000000000));
    assert_true(s.connect_timeout_ns == INT64_C(5000000000) && s.hedge_after_ns == 1000000000);
    assert_true(s.list_page == 1000 && s.inventory_page == 1000 && s.placement_page == 64);
    assert_true(s.events_page == 500 && s.remove_page == 256);
    assert_true(s.journal_batch == 1000 && s.login_rate_per_minute == 30 && s.conns_max == 1024);
    assert_true(s.token_cache == 10000 && s.ring_weight_unit == 64);
    struct dfs_settings_conflict conflict;
    assert_int_equal(dfs_settings_check(&s, 0, &conflict), DFS_OK);
}

static void the_enums_are_the_words(void **state)
{
    (void)state;
    struct dfs_settings s = reads("{\"ack\": \"quorum\", \"durability\": \"async\", \"data_transport\": \"plain\", "
                                  "\"congestion\": \"cubic\"}",
                                  DFS_FOR_META, false);
    assert_int_equal(s.ack, DFS_SETTING_ACK_QUORUM);
    assert_int_equal(s.durability, DFS_SETTING_DURABILITY_ASYNC);
    assert_int_equal(s.data_transport, DFS_SETTING_DATA_TRANSPORT_PLAIN);
    assert_string_equal(s.congestion, "cubic");
}

/* What the table itself must keep: a default and a knob inside the range, a role, a sentence, and names that differ. */
static void every_row_is_sound(void **state)
{
    (void)state;
    struct dfs_settings s;
    dfs_settings_init(&s);
    for (size_t i = 0; i < DFS_SETTING_COUNT; i++) {
        const struct dfs_conf_key *row = &dfs_settings_table.rows[i];
        assert_ptr_equal(dfs_keytable_find(&dfs_settings_table, row->name), row);
        assert_true(row->roles != 0 && (row->roles & ~DFS_FOR_ALL) == 0);
        assert_non_null(row->default_text);
        assert_true(row->help != NULL && row->help[strlen(row->help) - 1] == '.' && strlen(row->help) < 100);
        if (!dfs_key_is_number(row))
            continue;
        int64_t min = 0;
        int64_t max = 0;
        int64_t low = 0;
        int64_t high = 0;
        dfs_key_range(row, false, &min, &max);
        assert_true(min >= 0 && min < max && max < INT64_MAX);
        assert_true(dfs_key_get(row, &s) >= min && dfs_key_get(row, &s) <= max);
        dfs_key_range(row, true, &min, &max);
        if (dfs_settings_knob(i, &low, &high))
            assert_true(min <= low && low < high && high <= max);
        struct dfs_why why;
        if (dfs_key_set_text(row, &s, dfs_key_value_text(row, dfs_key_get(row, &s)).text, false, &why) != DFS_OK)
            fail_msg("%s: %s", row->name, why.text);
    }
    assert_false(dfs_settings_knob(DFS_SETTING_AT_scrypt_n, &(int64_t){0}, &(int64_t){0}));
    assert_string_equal(dfs_settings_table.rows[DFS_SETTING_AT_repair_grace].name, "repair_grace");
}

static void values_out_of_range(void **state)
{
    (void)state;
    refuses("{\n\"replication\": 10}", DFS_FOR_META, false,
            "meta.json:2: key \"replication\": 10 is out of range; allowed is 1 to 9");
    refuses("{\"heartbeat_interval\": \"0s\"}", DFS_FOR_META, false,
            "meta.json:1: key \"heartbeat_interval\": \"0s\" is out of range; allowed is \"50ms\" to \"10m\"");
    refuses("{\"repair_grace\": \"-1s\"}", DFS_FOR_META, false,
            "meta.json:1: key \"repair_grace\": \"-1s\" is out of range; allowed is \"0s\" to \"7d\"");
    refuses("{\"repair_bandwidth\": \"-1MB/s\"}", DFS_FOR_META, false,
            "meta.json:1: key \"repair_bandwidth\": \"-1MB/s\": a rate cannot be negative; write for example "
            "\"1Gbps\" (bits) or \"200MB/s\" (bytes)");
    refuses("{\"brake_share\": 1.01}", DFS_FOR_META, false,
            "meta.json:1: key \"brake_share\": 1.01 is out of range; allowed is 0 to 1");
    refuses("{\"congestion\": \"a-very-long-name-of-one\"}", DFS_FOR_META, false,
            "meta.json:1: key \"congestion\": \"a-very-long-name-of-one\" is 23 bytes long; allowed is 0 to 15");
    struct dfs_settings s = reads("{\"repair_grace\": \"0s\", \"trash_keep\": \"0s\", \"repair_bandwidth\": \"0B/s\"}",
                                  DFS_FOR_META, false);
    assert_true(s.repair_grace_ns == 0 && s.trash_keep_ns == 0);
}

static void scenarios_may_go_lower(void **state)
{
    (void)state;
    refuses("{\"block_min\": \"1KB\"}", 0, false,
            "meta.json:1: key \"block_min\": \"1KB\" is out of range; allowed is \"100KB\" to \"10MB\"");
    refuses("{\"scrypt_n\": 16}", 0, false,
            "meta.json:1: key \"scrypt_n\": 16 is out of range; allowed is 16384 to 1048576");
    refuses("{\"block_min\": \"999B\"}", 0, true,
            "meta.json:1: key \"block_min\": \"999B\" is out of range; allowed is \"1KB\" to \"10MB\"");
    struct dfs_settings s =
        reads("{\"block_min\": \"1KB\", \"block_max\": \"4KB\", \"frame\": \"1KB\", \"scrypt_n\": 16}", 0, true);
    assert_true(s.block_min_bytes == 1000 && s.block_max_bytes == 4000 && s.frame_bytes == 1000 && s.scrypt_n == 16);
}

static void rules_between_settings(void **state)
{
    (void)state;
    refuses("{\"replication\": 2,\n\"block_min\": \"5MB\",\n\"block_max\": \"1MB\"}", DFS_FOR_META, false,
            "meta.json:2: key \"block_min\": block_min (5MB) must be at most block_max (1MB)");
    refuses("{\n\"block_max\": \"5KB\"}", 0, true,
            "meta.json:2: key \"block_max\": block_min (100KB) must be at most block_max (5KB)");
    refuses("{\"pool_bytes\": \"1MiB\", \"frame\": \"512KiB\"}", DFS_FOR_DATA, false,
            "meta.json:1: key \"frame\": frame (512KiB) must be at most a quarter of pool_bytes (1MiB)");
    refuses("{\"request_timeout\": \"10s\"}", DFS_FOR_DATA, false,
            "meta.json:1: key \"request_timeout\": hop_timeout (10s) must be below request_timeout (10s)");
    refuses("{\"connect_timeout\": \"31s\"}", DFS_FOR_DATA, false,
            "meta.json:1: key \"connect_timeout\": connect_timeout (31s) must be at most request_timeout (30s)");
    refuses("{\"token_lifetime\": \"10s\"}", DFS_FOR_AUTH, false,
            "meta.json:1: key \"token_lifetime\": token_leeway (30s) must be at most token_lifetime (10s)");
    refuses("{\"scrypt_n\": 20000}", DFS_FOR_AUTH, false,
            "meta.json:1: key \"scrypt_n\": scrypt_n (20000) must be a power of two, such as 16384");
    /* The client has no hop_timeout to mend this with. */
    (void)reads("{\"request_timeout\": \"10s\"}", DFS_FOR_CLIENT, false);
}

static void names_of_others(void **state)
{
    (void)state;
    refuses("{\"heartbeat_intervall\": \"1s\"}", DFS_FOR_META, false,
            "meta.json:1: key \"heartbeat_intervall\": unknown key; did you mean \"heartbeat_interval\"?");
    refuses("{\"scrypt_n\": 16384}", DFS_FOR_META, false,
            "meta.json:1: key \"scrypt_n\": not a key of this program; it belongs to dfs-auth");
    refuses("{\"frame\": \"1MiB\"}", DFS_FOR_META, false,
            "meta.json:1: key \"frame\": not a key of this program; it belongs to dfs-data and dfs");
}

static void one_by_one_from_text(void **state)
{
    (void)state;
    struct dfs_settings s;
    struct dfs_why why;
    dfs_settings_init(&s);
    assert_int_equal(dfs_settings_set(&s, "ack", "quorum", false, &why), DFS_OK);
    assert_int_equal(dfs_settings_set(&s, "brake_share", "0.25", false, &why), DFS_OK);
    assert_true(s.ack == DFS_SETTING_ACK_QUORUM && s.brake_share_ppb == 250000000);
    assert_int_equal(dfs_settings_set(&s, "akc", "quorum", false, &why), DFS_BAD_CONFIG);
    assert_string_equal(why.text, "there is no setting \"akc\"; did you mean \"ack\"?");
    assert_int_equal(dfs_settings_set(&s, "parallel", "0", false, &why), DFS_BAD_CONFIG);
    assert_string_equal(why.text, "0 is out of range; allowed is 1 to 64");
    assert_int_equal(dfs_settings_set(&s, "no such thing", "0", false, NULL), DFS_BAD_CONFIG);
}

static void export_reads_back(void **state)
{
    (void)state;
    struct dfs_settings s;
    dfs_settings_init(&s);
    s.brake_share_ppb = 123456789;
    s.block_max_bytes = 1234567;
    s.ack = DFS_SETTING_ACK_QUORUM;
    json_t *object = dfs_settings_export(&s);
    assert_int_equal(json_object_size(object), DFS_SETTING_COUNT);
    char *text = json_dumps(object, JSON_REAL_PRECISION(15));
    struct dfs_settings again = reads(text, 0, false);
    assert_memory_equal(&s, &again, sizeof(s));
    free(text);
    json_decref(object);
}

static void help_and_schema(void **state)
{
    (void)state;
    struct dfs_conf_text text = {0};
    dfs_settings_help(DFS_FOR_AUTH, &text);
    assert_non_null(strstr(text.bytes, "token_lifetime: duration, \"10s\" to \"1d\"; default \"15m\"\n"
                                       "    A token is good for this long after the login.\n"));
    assert_null(strstr(text.bytes, "heartbeat_interval"));
    dfs_conf_text_close(&text);
    static const struct dfs_keytable *const tables[] = {&dfs_settings_table};
    json_t *schema = dfs_keytable_schema(tables, 1, 0, true, true);
    assert_int_equal(json_object_size(json_object_get(schema, "properties")), DFS_SETTING_COUNT);
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_design),
        cmocka_unit_test(the_enums_are_the_words),
        cmocka_unit_test(every_row_is_sound),
        cmocka_unit_test(values_out_of_range),
        cmocka_unit_test(scenarios_may_go_lower),
        cmocka_unit_test(rules_between_settings),
        cmocka_unit_test(names_of_others),
        cmocka_unit_test(one_by_one_from_text),
        cmocka_unit_test(export_reads_back),
        cmocka_unit_test(help_and_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

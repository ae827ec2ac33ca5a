/*
 * Any bytes as a configuration: they are read or refused in one line, and what was read can be written and read again.
 *
 * The bytes go through the JSON document into the settings (as a daemon's and as a scenario's), into a small table that
 * has every type of key, and as a text into the parsers of units.
 */
#include "core/base/mem.h"
#include "core/conf/keytable.h"
#include "core/conf/settings.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void expect(bool is_true)
{
    if (!is_true)
        abort();
}

/* The promise of every refusal. */
static void expect_one_line(const char *text)
{
    expect(text[0] != '\0');
    for (const char *at = text; *at != '\0'; at++)
        expect((unsigned char)*at >= 0x20 && *at != 0x7f);
}

#define ITEMS_MAX 4

struct item {
    struct dfs_spread wait_ns;
    char name[8];
    bool has_name;
    int64_t number_millionths;
};

struct root {
    int64_t size_bytes;
    int64_t rate_bytes_per_s;
    int64_t share_ppb;
    int64_t count;
    bool flag;
    int choice;
    struct item one;
    struct item items[ITEMS_MAX];
};

static const struct dfs_conf_key item_rows[] = {
    {.name = "w", .type = DFS_KEY_DURATION, .flags = DFS_KEY_SPREAD, .offset = offsetof(struct item, wait_ns)},
    {.name = "n",
     .type = DFS_KEY_TEXT,
     .group = 1,
     .offset = offsetof(struct item, name),
     .size = 8,
     .seen = DFS_KEY_SEEN_AT(struct item, has_name)},
    {.name = "x",
     .type = DFS_KEY_DECIMAL,
     .group = 1,
     .min = INT64_MIN,
     .max = INT64_MAX,
     .offset = offsetof(struct item, number_millionths)},
};
static const struct dfs_keytable item_table = {.name = "item", .rows = item_rows, .count = 3};
static const struct dfs_conf_key item_item = {.name = "item", .type = DFS_KEY_OBJECT, .table = &item_table};

static void *item_grow(struct dfs_key_reader *reader, void *field, size_t index)
{
    (void)reader;
    struct item *items = field;
    return index < ITEMS_MAX ? &items[index] : NULL;
}

static enum dfs_status any_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                const struct dfs_json_node *node, void *field)
{
    (void)row;
    (void)field;
    return json_is_null(node->value) ? dfs_key_refuse(reader, node, "is nothing") : DFS_OK;
}

static const struct dfs_conf_key root_rows[] = {
    {.name = "b", .type = DFS_KEY_SIZE, .offset = offsetof(struct root, size_bytes), .default_text = "1KB"},
    {.name = "r", .type = DFS_KEY_RATE, .offset = offsetof(struct root, rate_bytes_per_s)},
    {.name = "p", .type = DFS_KEY_SHARE, .offset = offsetof(struct root, share_ppb), .default_text = "0.5"},
    {.name = "c", .type = DFS_KEY_COUNT, .min = INT64_MIN, .max = INT64_MAX, .offset = offsetof(struct root, count)},
    {.name = "f", .type = DFS_KEY_FLAG, .offset = offsetof(struct root, flag)},
    {.name = "k", .type = DFS_KEY_CHOICE, .words = "all|quorum", .offset = offsetof(struct root, choice)},
    {.name = "o", .type = DFS_KEY_OBJECT, .table = &item_table, .offset = offsetof(struct root, one)},
    {.name = "l", .type = DFS_KEY_LIST, .items = &item_item, .grow = item_grow, .offset = offsetof(struct root, items)},
    {.name = "a", .type = DFS_KEY_CUSTOM, .read = any_read},
    {.name = "$schema", .type = DFS_KEY_IGNORED},
};
static const struct dfs_keytable root_table = {
    .name = "root", .rows = root_rows, .count = sizeof(root_rows) / sizeof(root_rows[0])};

static uint64_t draw(void *context, uint32_t index, uint64_t count)
{
    (void)context;
    expect(count > 0);
    return (uint64_t)(index + 1) * UINT64_C(0x9e3779b97f4a7c15) % count;
}

static void read_table(struct dfs_key_reader *reader, const struct dfs_json_node *object)
{
    struct root root;
    memset(&root, 0, sizeof(root));
    struct dfs_key_part part = {&root_table, &root};
    if (dfs_keytable_read(reader, object, &part, 1) != DFS_OK)
        expect_one_line(reader->error->text);
    else if (dfs_spread_width(&root.one.wait_ns) > 0)
        (void)dfs_spread_at(&root.one.wait_ns, dfs_spread_width(&root.one.wait_ns) - 1);
}

static void read_settings(struct dfs_key_reader *reader, const struct dfs_json_node *object)
{
    struct dfs_settings settings;
    if (dfs_settings_read(reader, object, &settings) != DFS_OK) {
        expect_one_line(reader->error->text);
        return;
    }
    json_t *exported = dfs_settings_export(&settings);
    char *text = json_dumps(exported, JSON_REAL_PRECISION(15));
    struct dfs_json_doc *doc = NULL;
    struct dfs_settings again;
    struct dfs_conf_error error;
    expect(dfs_json_doc_new("exported", text, strlen(text), &doc, &error) == DFS_OK);
    struct dfs_key_reader second = {.doc = doc, .is_relaxed = reader->is_relaxed, .error = &error};
    /* Without the roles, rules about settings of others hold too. */
    struct dfs_settings_conflict conflict;
    if (dfs_settings_check(&settings, 0, &conflict) == DFS_OK) {
        expect(dfs_settings_read(&second, dfs_json_root(doc), &again) == DFS_OK);
        expect(memcmp(&settings, &again, sizeof(settings)) == 0);
    } else {
        expect_one_line(conflict.why.text);
    }
    dfs_json_doc_free(doc);
    json_decref(exported);
    free(text);
}

static void walk(const struct dfs_json_doc *doc, const struct dfs_json_node *node)
{
    char path[40];
    dfs_json_path(doc, node, path, sizeof(path));
    expect(node->line > 0 && node->column > 0);
    expect_one_line(dfs_json_described(node->value).text);
    size_t children = 0;
    for (const struct dfs_json_node *at = dfs_json_first(doc, node); at != NULL; at = dfs_json_next(doc, at)) {
        expect(at->index == children++ && dfs_json_parent(doc, at) == node);
        expect((at->key != NULL) == json_is_object(node->value));
        walk(doc, at);
    }
    expect(children == json_array_size(node->value) + json_object_size(node->value));
}

static void read_unit(enum dfs_status (*parse)(const char *, int64_t *, struct dfs_why *),
                      struct dfs_unit_text (*print)(int64_t), const char *text)
{
    int64_t value = 0;
    int64_t again = 0;
    struct dfs_why why;
    if (parse(text, &value, &why) != DFS_OK)
        expect_one_line(why.text);
    else
        expect(parse(print(value).text, &again, &why) == DFS_OK && again == value);
}

static void read_units(const uint8_t *bytes, size_t count)
{
    char *text = dfs_alloc(count + 1);
    if (count > 0)
        memcpy(text, bytes, count);
    text[count] = '\0';
    read_unit(dfs_duration_parse, dfs_duration_text, text);
    read_unit(dfs_size_parse, dfs_size_text, text);
    read_unit(dfs_rate_parse, dfs_rate_text, text);
    read_unit(dfs_share_parse, dfs_share_text, text);
    read_unit(dfs_decimal_parse, dfs_decimal_text, text);
    read_unit(dfs_count_parse, dfs_count_text, text);
    dfs_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct dfs_json_doc *doc = NULL;
    struct dfs_conf_error error;
    read_units(bytes, count);
    if (dfs_json_doc_new("fuzz.json", bytes, count, &doc, &error) != DFS_OK) {
        expect_one_line(error.text);
        return 0;
    }
    const struct dfs_json_node *root = dfs_json_root(doc);
    walk(doc, root);
    struct dfs_key_reader daemon = {.doc = doc, .roles = DFS_FOR_META, .error = &error};
    struct dfs_key_reader scenario = {.doc = doc, .is_relaxed = true, .draw = draw, .error = &error};
    read_settings(&daemon, root);
    read_settings(&scenario, root);
    read_table(&daemon, root);
    read_table(&scenario, root);
    dfs_json_doc_free(doc);
    return 0;
}

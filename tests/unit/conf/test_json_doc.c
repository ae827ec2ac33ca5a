/* Broken texts and the exact line that each gets; whole texts and where their values stand. */
#include "core/conf/json_doc.h"

#include "core/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct dfs_json_doc *parsed(const char *text)
{
    struct dfs_json_doc *doc = NULL;
    struct dfs_conf_error error = {0};
    if (dfs_json_doc_new("a.json", text, strlen(text), &doc, &error) != DFS_OK)
        fail_msg("%s", error.text);
    return doc;
}

static struct dfs_conf_error refused_bytes(const char *file, const void *bytes, size_t count)
{
    struct dfs_json_doc *doc = NULL;
    struct dfs_conf_error error = {0};
    assert_int_equal(dfs_json_doc_new(file, bytes, count, &doc, &error), DFS_BAD_CONFIG);
    assert_null(doc);
    assert_int_equal(error.status, DFS_BAD_CONFIG);
    assert_null(strchr(error.text, '\n'));
    return error;
}

static void refuses(const char *text, const char *expected)
{
    struct dfs_conf_error error = refused_bytes("a.json", text, strlen(text));
    assert_string_equal(error.text, expected);
}

static void syntax_errors(void **state)
{
    (void)state;
    refuses("", "a.json:1: the document is empty; write at least {}");
    refuses(" \n\n ", "a.json:1: the document is empty; write at least {}");
    refuses("{\n \"a\": 1,\n}", "a.json:3: not JSON: string or '}' expected near '}'; JSON allows no comma before a "
                                "closing bracket");
    refuses("[1,\n]", "a.json:2: not JSON: unexpected token near ']'; JSON allows no comma before a closing bracket");
    refuses("{\n \"a\": 1 // one\n}", "a.json:2: not JSON: '}' expected near '/'; JSON has no comments");
    refuses("# hello\n{}", "a.json:1: not JSON: invalid token near '#'; JSON has no comments");
    refuses("{'a': 1}", "a.json:1: not JSON: string or '}' expected near '''; JSON quotes texts with \"");
    refuses("{\"a\": 1", "a.json:1: not JSON: '}' expected near end of file");
    refuses("{\"a\" 1}", "a.json:1: not JSON: ':' expected near '1'");
    refuses("{} {}", "a.json:1: not JSON: end of file expected near '{'");
    refuses("{\"a\": \"one\ntwo\"}", "a.json:1: not JSON: unexpected newline near '\"one'");
    refuses("{\"a\": 99999999999999999999}", "a.json:1: not JSON: too big integer near '99999999999999999999'");
    refuses("{\"a\": 1e999}", "a.json:1: not JSON: real number overflow near '1e999'");
    refuses("{\"a\": \"\\u0000\"}", "a.json:1: the character \\u0000 cannot stand in a text");
    refuses("{\"\\u0000\": 1}", "a.json:1: the character \\u0000 cannot stand in a text");
    refuses("{\"a\": \"\xff\"}", "a.json:1: not JSON: unable to decode byte 0xff near '\"'");
    refuses("]", "a.json:1: not JSON: unexpected token near ']'");
    struct dfs_conf_error error = refused_bytes("a.json", "{}\n\0", 4);
    assert_string_equal(error.text, "a.json:2: not JSON: a byte 0; is this a text?");
    error = refused_bytes("a.json", "{\"a\": 2\0}", 9); /* jansson alone would take this */
    assert_string_equal(error.text, "a.json:1: not JSON: a byte 0; is this a text?");
}

static void a_key_that_stands_twice(void **state)
{
    (void)state;
    refuses("{\n\"loss\": 0.1,\n\"latency\": \"1ms\",\n\"loss\": 0.2\n}",
            "a.json:4: key \"loss\" stands twice in one object; it stands in line 2 too");
    refuses("{\"a\": {\"b\": 1,\n \"\\u0062\": 2}}",
            "a.json:2: key \"b\" stands twice in one object; it stands in line 1 too");
    refuses("[{\"a\": [1, {\"x\": \"\\\"}\"}]}, {\"a\": 1,\n\n\"a\": !", "a.json:3: key \"a\" stands twice in one "
                                                                         "object; it stands in line 1 too");
    /* In two objects it does not. */
    dfs_json_doc_free(parsed("{\"a\": {\"a\": 1}, \"b\": {\"a\": 1}}"));
}

static char *repeated(const char *piece, size_t count, const char *end)
{
    size_t piece_count = strlen(piece);
    char *text = dfs_alloc(piece_count * count + strlen(end) + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * piece_count, piece, piece_count);
    memcpy(text + piece_count * count, end, strlen(end) + 1);
    return text;
}

static void limits(void **state)
{
    (void)state;
    char closing[DFS_JSON_DEPTH_MAX + 2];
    memset(closing, ']', sizeof(closing) - 1);
    closing[DFS_JSON_DEPTH_MAX] = '\0';
    char *deep = repeated("[", DFS_JSON_DEPTH_MAX, closing);
    dfs_json_doc_free(parsed(deep));
    dfs_free(deep);

    closing[DFS_JSON_DEPTH_MAX] = ']';
    closing[DFS_JSON_DEPTH_MAX + 1] = '\0';
    deep = repeated("[", DFS_JSON_DEPTH_MAX + 1, closing);
    refuses(deep, "a.json:1: deeper than 32 objects and lists inside each other");
    dfs_free(deep);
    deep = repeated("[\n", 5000, "");
    refuses(deep, "a.json:2049: deeper than 32 objects and lists inside each other");
    dfs_free(deep);

    char *wide = repeated("1,\n", DFS_JSON_VALUES_MAX, "1]");
    wide[0] = '[';
    wide[1] = ' ';
    refuses(wide, "a.json:200001: more than 200000 values; split the document");
    dfs_free(wide);

    char *large = repeated(" ", DFS_JSON_BYTES_MAX - 1, "{}");
    refuses(large, "a.json: 4194305 bytes; at most 4194304 are read");
    dfs_json_doc_free(parsed(large + 1));
    dfs_free(large);
}

static void lines_and_columns(void **state)
{
    (void)state;
    struct dfs_json_doc *doc = parsed("{\n"
                                      "  \"network\": { \"loss\": 0.1,\n"
                                      "    \"latency\":\n"
                                      "      {\"between\": [\"1ms\", \"2ms\"]} },\n"
                                      "  \"Zürich\": true, \"on\": true,\n"
                                      "  \"a/b~c\": [[], {}, null]\n"
                                      "}\n");
    const struct dfs_json_node *loss = dfs_json_find(doc, "/network/loss");
    assert_int_equal(loss->line, 2);
    assert_int_equal(loss->column, 24);
    assert_int_equal(loss->key_line, 2);
    assert_int_equal(loss->key_column, 16);
    const struct dfs_json_node *latency = dfs_json_find(doc, "/network/latency");
    assert_int_equal(latency->key_line, 3);
    assert_int_equal(latency->line, 4);
    assert_int_equal(latency->column, 7);
    assert_int_equal(dfs_json_find(doc, "/on")->key_column, 19); /* characters, not bytes */
    assert_int_equal(dfs_json_line_at(doc, "/network/latency/between/1"), 4);
    assert_int_equal(dfs_json_line_at(doc, "/a~1b~0c/2"), 6);
    assert_int_equal(dfs_json_line_at(doc, ""), 1);

    assert_int_equal(dfs_json_line(doc, latency->value), 4);
    assert_int_equal(dfs_json_line(doc, json_true()), 0); /* there are two */
    assert_int_equal(dfs_json_line(doc, NULL), 0);
    json_t *stranger = json_integer(1);
    assert_int_equal(dfs_json_line(doc, stranger), 0);
    json_decref(stranger);

    static const char *const nowhere[] = {
        "network",     "/net",       "/network/loss/0", "/a~1b~0c/3",
        "/a~1b~0c/02", "/a~1b~0c/-", "/a~1b~0c/",       "/a~1b~0c/99999999999999999999"};
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
        assert_int_equal(dfs_json_line_at(doc, nowhere[i]), 0);
    dfs_json_doc_free(doc);
}

static void walking(void **state)
{
    (void)state;
    struct dfs_json_doc *doc = parsed("{\"a\": [1, [2, 3], {}], \"b\": \"x\\\"}\", \"c\": -1.5e3}");
    const struct dfs_json_node *root = dfs_json_root(doc);
    assert_null(dfs_json_parent(doc, root));
    assert_null(dfs_json_next(doc, root));
    const struct dfs_json_node *a = dfs_json_first(doc, root);
    assert_string_equal(a->key, "a");
    const struct dfs_json_node *one = dfs_json_first(doc, a);
    assert_null(dfs_json_first(doc, one));
    const struct dfs_json_node *pair = dfs_json_next(doc, one);
    assert_int_equal(pair->index, 1);
    const struct dfs_json_node *empty = dfs_json_next(doc, pair);
    assert_true(json_is_object(empty->value));
    assert_null(dfs_json_first(doc, empty));
    assert_null(dfs_json_next(doc, empty));
    assert_ptr_equal(dfs_json_parent(doc, empty), a);
    const struct dfs_json_node *b = dfs_json_next(doc, a);
    assert_string_equal(json_string_value(b->value), "x\"}");
    assert_null(dfs_json_next(doc, dfs_json_next(doc, b)));
    assert_ptr_equal(dfs_json_get(doc, root, "b"), b);
    assert_null(dfs_json_get(doc, root, "d"));
    assert_null(dfs_json_get(doc, b, "d"));
    dfs_json_doc_free(doc);
    dfs_json_doc_free(NULL);
}

static void draws_are_numbered_in_the_order_of_the_file(void **state)
{
    (void)state;
    struct dfs_json_doc *doc = parsed("{\"a\": {\"between\": [1, 2]}, \"b\": {\"between\": 1, \"c\": 2},"
                                      " \"d\": [{\"one_of\": [3]}, {\"one_of\": [{\"between\": [4, 5]}]}], \"e\": {}}");
    assert_int_equal(dfs_json_find(doc, "/a")->draw, 0);
    assert_int_equal(dfs_json_find(doc, "/d/0")->draw, 1);
    assert_int_equal(dfs_json_find(doc, "/d/1")->draw, 2);
    assert_int_equal(dfs_json_find(doc, "/d/1/one_of/0")->draw, 3);
    assert_int_equal(dfs_json_find(doc, "/e")->draw, 4);
    dfs_json_doc_free(doc);
}

static void roots_and_marks(void **state)
{
    (void)state;
    struct dfs_json_doc *doc = parsed("\xef\xbb\xbf{\"a\": 1}");
    assert_int_equal(dfs_json_find(doc, "/a")->column, 7);
    dfs_json_doc_free(doc);
    static const char *const scalars[] = {"5", "\"x\"", "null", " true ", "[]", "{}"};
    for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++)
        dfs_json_doc_free(parsed(scalars[i]));
}

static void paths_in_messages(void **state)
{
    (void)state;
    struct dfs_json_doc *doc = parsed("{\"network\":\n {\"los\\nt\": 1}, \"faults\": [1, [\n2]]}");
    struct dfs_conf_error error;
    assert_int_equal(dfs_json_refuse(doc, dfs_json_find(doc, "/faults/1/0"), &error, "is %d", 2), DFS_BAD_CONFIG);
    assert_string_equal(error.text, "a.json:3: key \"faults[1][0]\": is 2");
    assert_int_equal(error.line, 3);
    assert_int_equal(error.column, 1);
    (void)dfs_json_refuse(doc, dfs_json_root(doc), &error, "is no good");
    assert_string_equal(error.text, "a.json:1: is no good");
    (void)dfs_json_refuse(doc, dfs_json_find(doc, "/network"), &error, "value");
    assert_string_equal(error.text, "a.json:2: key \"network\": value");
    (void)dfs_json_refuse_key(doc, dfs_json_find(doc, "/network"), &error, "key");
    assert_string_equal(error.text, "a.json:1: key \"network\": key");
    (void)dfs_json_refuse_key(doc, dfs_json_find(doc, "/faults/0"), &error, "no key");
    assert_string_equal(error.text, "a.json:2: key \"faults[0]\": no key");
    (void)dfs_json_refuse(doc, dfs_json_find(doc, "/network/los\nt"), &error, "odd");
    assert_string_equal(error.text, "a.json:2: key \"network.los\\nt\": odd");
    char path[12];
    dfs_json_path(doc, dfs_json_find(doc, "/faults/1/0"), path, sizeof(path));
    assert_string_equal(path, "...ts[1][0]");
    dfs_json_doc_free(doc);
}

static void names_of_files_in_messages(void **state)
{
    (void)state;
    char *name = repeated("directory/", 100, "x\ny.json");
    struct dfs_conf_error error = refused_bytes(name, "", 0);
    dfs_free(name);
    assert_memory_equal(error.text, "...", 3);
    assert_non_null(strstr(error.text, "/directory/x\\ny.json:1: the document is empty"));
    assert_true(strlen(error.text) < 350);
}

static void described(const char *text, const char *expected)
{
    struct dfs_json_doc *doc = parsed(text);
    assert_string_equal(dfs_json_described(dfs_json_root(doc)->value).text, expected);
    dfs_json_doc_free(doc);
}

static void values_described(void **state)
{
    (void)state;
    described("{}", "an object");
    described("[]", "a list");
    described("\"a\\nb\"", "the text \"a\\nb\"");
    described("\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee\"",
              "the text \"aaaaaaaaaabbbbbbbbbbccccccccccdddddd...\"");
    described("-7", "the number -7");
    described("0.4", "the number 0.4");
    described("1e300", "the number 1e300");
    described("true", "true");
    described("false", "false");
    described("null", "null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax_errors),
        cmocka_unit_test(a_key_that_stands_twice),
        cmocka_unit_test(limits),
        cmocka_unit_test(lines_and_columns),
        cmocka_unit_test(walking),
        cmocka_unit_test(draws_are_numbered_in_the_order_of_the_file),
        cmocka_unit_test(roots_and_marks),
        cmocka_unit_test(paths_in_messages),
        cmocka_unit_test(names_of_files_in_messages),
        cmocka_unit_test(values_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A message's fields as JSON: every value, by its name; texts that would end a script; the bound. */
#include "sim/fields.h"

#include "core/base/mem.h"

#include <jansson.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Blocks of the inventory: more values than any bound below. */
#define BLOCKS 100

/* The fields of a message, read back; *ret_more is what was left out. */
static json_t *fields_of(uint32_t number, const void *message, uint32_t max, uint32_t *ret_more)
{
    struct sim_cluster cluster = {0}; /* knows no data server */
    char *text = NULL;
    size_t count = 0;
    FILE *out = open_memstream(&text, &count);

    dfs_map_init(&cluster.data_by_id, offsetof(struct sim_node, id), sizeof(struct dfs_id), 0);
    *ret_more = sim_fields_write(out, &cluster, dfs_message_layout(number), message, max);
    assert_int_equal(fclose(out), 0);
    assert_null(strchr(text, '<'));
    assert_null(strchr(text, '\n'));
    json_t *fields = json_loads(text, 0, NULL);

    assert_non_null(fields);
    free(text);
    dfs_map_close(&cluster.data_by_id);
    return fields;
}

static void texts_and_secrets_do_not_break_the_page(void **state)
{
    const struct dfs_m_login login = {.user = dfs_text_of("</script>\n\"\\"), .password = dfs_text_of("hidden")};
    uint32_t more;
    json_t *fields = fields_of(DFS_MSG_LOGIN, &login, 100, &more);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(fields, "user")), "</script>\n\"\\");
    assert_string_equal(json_string_value(json_object_get(fields, "password")), "***");
    assert_int_equal(more, 0);
    json_decref(fields);
}

static void a_status_is_a_word(void **state)
{
    const struct dfs_m_status status = {.status = DFS_NOT_FOUND};
    uint32_t more;
    json_t *fields = fields_of(DFS_MSG_STATUS, &status, 100, &more);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(fields, "status")), "NOT_FOUND");
    json_decref(fields);
}

static size_t leaves(json_t *value)
{
    const char *key;
    json_t *part;
    size_t index;
    size_t sum = 0;

    if (!json_is_object(value) && !json_is_array(value))
        return 1;
    json_object_foreach(value, key, part) sum += leaves(part);
    json_array_foreach(value, index, part) sum += leaves(part);
    return sum;
}

static void what_is_left_out_is_counted(void **state)
{
    static struct dfs_w_stored stored[BLOCKS];
    const struct dfs_m_inventory inventory = {.blocks = stored, .blocks_count = BLOCKS};
    uint32_t more;
    json_t *whole = fields_of(DFS_MSG_INVENTORY, &inventory, UINT32_MAX, &more);

    (void)state;
    assert_int_equal(more, 0);
    assert_int_equal(json_array_size(json_object_get(whole, "blocks")), BLOCKS);
    for (uint32_t max = 1; max < 40; max++) {
        json_t *part = fields_of(DFS_MSG_INVENTORY, &inventory, max, &more);

        assert_int_equal(leaves(part), max);
        assert_int_equal(leaves(part) + more, leaves(whole));
        json_decref(part);
    }
    json_decref(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_secrets_do_not_break_the_page),
        cmocka_unit_test(a_status_is_a_word),
        cmocka_unit_test(what_is_left_out_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

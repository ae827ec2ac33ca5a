/* What a table says about itself: ranges and examples for messages, help, JSON Schema, export. */
#include "core/base/assert.h"
#include "core/conf/keytable.h"
#include "core/conf/keytable_internal.h"
#include "core/conf/words.h"

#include <stdio.h>
#include <string.h>

/* ---- Values as text ------------------------------------------------------------------------------------ */

const char *dfs_key_type_name(enum dfs_key_type type)
{
    switch (type) {
    case DFS_KEY_DURATION:
        return "duration";
    case DFS_KEY_SIZE:
        return "size";
    case DFS_KEY_RATE:
        return "rate";
    case DFS_KEY_COUNT:
        return "whole number";
    case DFS_KEY_SHARE:
        return "share from 0 to 1";
    case DFS_KEY_DECIMAL:
        return "number";
    case DFS_KEY_FLAG:
        return "flag";
    case DFS_KEY_CHOICE:
        return "word";
    case DFS_KEY_TEXT:
        return "text";
    case DFS_KEY_OBJECT:
        return "object";
    case DFS_KEY_LIST:
        return "list";
    case DFS_KEY_CUSTOM:
    case DFS_KEY_IGNORED:
        return "value";
    }
    dfs_unreachable("dfs_key_type_name");
}

/* An example of the type, as it stands in JSON; NULL where the row itself would have to make one up. */
static const char *example(enum dfs_key_type type)
{
    switch (type) {
    case DFS_KEY_DURATION:
        return "\"250ms\", \"2s\" or \"10m\"";
    case DFS_KEY_SIZE:
        return "\"100KB\" or \"64KiB\"";
    case DFS_KEY_RATE:
        return "\"1Gbps\" or \"200MB/s\"";
    case DFS_KEY_COUNT:
        return "3";
    case DFS_KEY_SHARE:
        return "0.05";
    case DFS_KEY_DECIMAL:
        return "2.5";
    case DFS_KEY_FLAG:
        return "true";
    case DFS_KEY_TEXT:
        return "\"abc\"";
    case DFS_KEY_OBJECT:
        return "{\"key\": \"value\"}";
    case DFS_KEY_LIST:
        return "[...]";
    case DFS_KEY_CHOICE:
    case DFS_KEY_CUSTOM:
    case DFS_KEY_IGNORED:
        return NULL;
    }
    dfs_unreachable("example");
}

struct dfs_why dfs_key_wanted(const struct dfs_conf_key *row)
{
    struct dfs_why why;
    const char *such = example(row->type);
    if (row->type == DFS_KEY_CHOICE)
        return dfs_words_listed(row->words);
    if (row->type == DFS_KEY_CUSTOM && row->words != NULL) {
        dfs_why_set(&why, "%s", row->words);
        return why;
    }
    dfs_why_set(&why, "%s %s%s%s", row->type == DFS_KEY_OBJECT ? "an" : "a", dfs_key_type_name(row->type),
                such != NULL ? " such as " : "", such != NULL ? such : "");
    return why;
}

struct dfs_quoted dfs_key_value_text(const struct dfs_conf_key *row, int64_t value)
{
    switch (row->type) {
    case DFS_KEY_DURATION:
        return dfs_quote_text(dfs_duration_text(value).text);
    case DFS_KEY_SIZE:
        return dfs_quote_text(dfs_size_text(value).text);
    case DFS_KEY_RATE:
        return dfs_quote_text(dfs_rate_text(value).text);
    case DFS_KEY_COUNT:
        return dfs_quote_text(dfs_count_text(value).text);
    case DFS_KEY_SHARE:
        return dfs_quote_text(dfs_share_text(value).text);
    case DFS_KEY_DECIMAL:
        return dfs_quote_text(dfs_decimal_text(value).text);
    case DFS_KEY_FLAG:
        return dfs_quote_text(value != 0 ? "true" : "false");
    case DFS_KEY_CHOICE:
        return dfs_words_at(row->words, (size_t)value);
    case DFS_KEY_TEXT:
    case DFS_KEY_LIST:
        return dfs_quote_text(dfs_count_text(value).text); /* a length */
    case DFS_KEY_OBJECT:
    case DFS_KEY_CUSTOM:
    case DFS_KEY_IGNORED:
        break;
    }
    dfs_unreachable("dfs_key_value_text");
}

/* Does a value of the row stand in quotation marks? */
static bool is_quoted(const struct dfs_conf_key *row)
{
    return row->type == DFS_KEY_DURATION || row->type == DFS_KEY_SIZE || row->type == DFS_KEY_RATE ||
           row->type == DFS_KEY_CHOICE;
}

struct dfs_quoted dfs_key_value_json(const struct dfs_conf_key *row, int64_t value)
{
    struct dfs_quoted text = dfs_key_value_text(row, value);
    if (!is_quoted(row))
        return text;
    struct dfs_quoted out;
    (void)snprintf(out.text, sizeof(out.text), "\"%.*s\"", (int)sizeof(out.text) - 3, text.text);
    return out;
}

struct dfs_quoted dfs_key_range_text(const struct dfs_conf_key *row, bool is_relaxed)
{
    int64_t min = 0;
    int64_t max = 0;
    struct dfs_quoted out;
    dfs_key_range(row, is_relaxed, &min, &max);
    if (max == INT64_MAX)
        (void)snprintf(out.text, sizeof(out.text), "at least %.80s", dfs_key_value_json(row, min).text);
    else
        (void)snprintf(out.text, sizeof(out.text), "%.45s to %.45s", dfs_key_value_json(row, min).text,
                       dfs_key_value_json(row, max).text);
    return out;
}

/* ---- Help ---------------------------------------------------------------------------------------------- */

/* `duration, "50ms" to "10m"`. */
static void help_type(const struct dfs_conf_key *row, struct dfs_conf_text *text)
{
    switch (row->type) {
    case DFS_KEY_DURATION:
    case DFS_KEY_SIZE:
    case DFS_KEY_RATE:
    case DFS_KEY_COUNT:
    case DFS_KEY_DECIMAL:
        dfs_conf_text_add(text, "%s, %s", dfs_key_type_name(row->type), dfs_key_range_text(row, false).text);
        break;
    case DFS_KEY_SHARE:
        dfs_conf_text_add(text, "share, %s", dfs_key_range_text(row, false).text);
        break;
    case DFS_KEY_FLAG:
        dfs_conf_text_add(text, "true or false");
        break;
    case DFS_KEY_CHOICE:
        dfs_conf_text_add(text, "%s", dfs_words_listed(row->words).text);
        break;
    case DFS_KEY_TEXT:
    case DFS_KEY_LIST:
    case DFS_KEY_OBJECT:
    case DFS_KEY_CUSTOM:
    case DFS_KEY_IGNORED:
        dfs_conf_text_add(text, "%s", dfs_key_type_name(row->type));
        break;
    }
}

static void help_rows(const struct dfs_keytable *table, unsigned roles, const char *prefix, struct dfs_conf_text *text)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct dfs_conf_key *row = &table->rows[i];
        if (!dfs_key_is_for(row, roles) || row->type == DFS_KEY_IGNORED)
            continue;
        dfs_conf_text_add(text, "%s%s: ", prefix, row->name);
        help_type(row, text);
        if (row->default_text != NULL) {
            const char *mark = is_quoted(row) || row->type == DFS_KEY_TEXT ? "\"" : "";
            dfs_conf_text_add(text, "; default %s%s%s", mark, row->default_text, mark);
        }
        if ((row->flags & DFS_KEY_REQUIRED) != 0)
            dfs_conf_text_add(text, "; required");
        dfs_conf_text_add(text, "\n");
        if (row->help != NULL)
            dfs_conf_text_add(text, "    %s\n", row->help);
        if (row->type == DFS_KEY_OBJECT) {
            struct dfs_conf_text inner = {0};
            dfs_conf_text_add(&inner, "%s%s.", prefix, row->name);
            help_rows(row->table, roles, inner.bytes, text);
            dfs_conf_text_close(&inner);
        }
    }
}

void dfs_keytable_help(const struct dfs_keytable *const *tables, size_t count, unsigned roles,
                       struct dfs_conf_text *text)
{
    for (size_t i = 0; i < count; i++)
        help_rows(tables[i], roles, "", text);
}

/* ---- Export -------------------------------------------------------------------------------------------- */

/* jansson fails only where there is no memory, or on text that is not UTF-8: both are ours. */
static void member_set(json_t *object, const char *key, json_t *take_value)
{
    int failed = json_object_set_new(object, key, take_value);
    DFS_ASSERT(failed == 0);
}

static void element_add(json_t *array, json_t *take_value)
{
    int failed = json_array_append_new(array, take_value);
    DFS_ASSERT(failed == 0);
}

/* A number of the row's type as a JSON value. */
static json_t *value_json(const struct dfs_conf_key *row, int64_t value)
{
    switch (row->type) {
    case DFS_KEY_COUNT:
        return json_integer(value);
    case DFS_KEY_SHARE:
        return json_real((double)value / (double)DFS_SHARE_ONE);
    case DFS_KEY_DECIMAL:
        return json_real((double)value / (double)DFS_DECIMAL_ONE);
    case DFS_KEY_FLAG:
        return json_boolean(value != 0);
    case DFS_KEY_DURATION:
    case DFS_KEY_SIZE:
    case DFS_KEY_RATE:
    case DFS_KEY_CHOICE:
        return json_string(dfs_key_value_text(row, value).text);
    case DFS_KEY_TEXT:
    case DFS_KEY_OBJECT:
    case DFS_KEY_LIST:
    case DFS_KEY_CUSTOM:
    case DFS_KEY_IGNORED:
        break;
    }
    dfs_unreachable("value_json");
}

json_t *dfs_keytable_export(const struct dfs_keytable *table, const void *base)
{
    json_t *object = json_object();
    DFS_ASSERT(object != NULL);
    for (size_t i = 0; i < table->count; i++) {
        const struct dfs_conf_key *row = &table->rows[i];
        const char *field = (const char *)base + row->offset;
        if (dfs_key_is_number(row))
            member_set(object, row->name, value_json(row, dfs_key_get(row, base)));
        else if (row->type == DFS_KEY_TEXT)
            member_set(object, row->name, json_string(field));
        else if (row->type == DFS_KEY_OBJECT)
            member_set(object, row->name, dfs_keytable_export(row->table, field));
    }
    return object;
}

/* ---- JSON Schema --------------------------------------------------------------------------------------- */

/* What a schema is made with. `definitions` gets one entry a table and one a kind of unit. */
struct schema {
    json_t *definitions;
    unsigned roles;
    bool is_relaxed;
    bool is_drawn;
};

static json_t *object_new(void)
{
    json_t *object = json_object();
    DFS_ASSERT(object != NULL);
    return object;
}

static json_t *array_new(void)
{
    json_t *array = json_array();
    DFS_ASSERT(array != NULL);
    return array;
}

static json_t *typed(const char *type)
{
    json_t *schema = object_new();
    member_set(schema, "type", json_string(type));
    return schema;
}

static json_t *reference(const char *name)
{
    json_t *schema = object_new();
    member_set(schema, "$ref", json_sprintf("#/$defs/%s", name));
    return schema;
}

/* A text with a unit, defined once. */
static json_t *unit_schema(struct schema *schema, const char *name, const char *pattern)
{
    if (json_object_get(schema->definitions, name) == NULL) {
        json_t *definition = typed("string");
        member_set(definition, "pattern", json_string(pattern));
        member_set(schema->definitions, name, definition);
    }
    return reference(name);
}

static json_t *table_schema(struct schema *schema, const struct dfs_keytable *const *tables, size_t count);

static json_t *row_schema(struct schema *schema, const struct dfs_conf_key *row);

static json_t *number_schema(const struct schema *schema, const struct dfs_conf_key *row, const char *type)
{
    json_t *number = typed(type);
    int64_t min = 0;
    int64_t max = 0;
    dfs_key_range(row, schema->is_relaxed, &min, &max);
    member_set(number, "minimum", value_json(row, min));
    if (max != INT64_MAX)
        member_set(number, "maximum", value_json(row, max));
    return number;
}

/* The schema of a value that is not drawn. */
static json_t *plain_schema(struct schema *schema, const struct dfs_conf_key *row)
{
    json_t *plain = NULL;
    switch (row->type) {
    case DFS_KEY_DURATION:
        if (row->min >= 0)
            return unit_schema(schema, "duration", "^[0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h|d)$");
        return unit_schema(schema, "signed_duration", "^-?[0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h|d)$");
    case DFS_KEY_SIZE:
        return unit_schema(schema, "size", "^[0-9]+(\\.[0-9]+)?([KMGT]i?)?B$");
    case DFS_KEY_RATE:
        return unit_schema(schema, "rate", "^[0-9]+(\\.[0-9]+)?([KMG]?B/s|[KMG]iB/s|[KkMGT]?bps)$");
    case DFS_KEY_COUNT:
        return number_schema(schema, row, "integer");
    case DFS_KEY_SHARE:
    case DFS_KEY_DECIMAL:
        return number_schema(schema, row, "number");
    case DFS_KEY_FLAG:
        return typed("boolean");
    case DFS_KEY_CHOICE: {
        plain = object_new();
        json_t *words = array_new();
        for (size_t i = 0; i < dfs_words_count(row->words); i++)
            element_add(words, json_string(dfs_words_at(row->words, i).text));
        member_set(plain, "enum", words);
        return plain;
    }
    case DFS_KEY_TEXT: {
        int64_t min = 0;
        int64_t max = 0;
        dfs_key_range(row, schema->is_relaxed, &min, &max);
        plain = typed("string");
        /* Ours counts bytes and JSON Schema characters, of which there are never more: nothing right is
         * refused. */
        if (min > 0)
            member_set(plain, "minLength", json_integer(1));
        member_set(plain, "maxLength", json_integer(max));
        return plain;
    }
    case DFS_KEY_OBJECT:
        DFS_ASSERT(row->table->name != NULL);
        if (json_object_get(schema->definitions, row->table->name) == NULL) {
            /* The name is taken before the table is described, so that a table may contain itself. */
            member_set(schema->definitions, row->table->name, object_new());
            member_set(schema->definitions, row->table->name, table_schema(schema, &row->table, 1));
        }
        return reference(row->table->name);
    case DFS_KEY_LIST: {
        int64_t min = 0;
        int64_t max = 0;
        dfs_key_range(row, schema->is_relaxed, &min, &max);
        plain = typed("array");
        member_set(plain, "items", row_schema(schema, row->items));
        if (min > 0)
            member_set(plain, "minItems", json_integer(min));
        if (max != INT64_MAX)
            member_set(plain, "maxItems", json_integer(max));
        return plain;
    }
    case DFS_KEY_CUSTOM:
        /* Its own words may refer to the table that it reads objects by. */
        if (row->table != NULL && json_object_get(schema->definitions, row->table->name) == NULL)
            member_set(schema->definitions, row->table->name, table_schema(schema, &row->table, 1));
        plain = json_loads(row->schema != NULL ? row->schema : "{}", 0, NULL);
        DFS_ASSERT(plain != NULL);
        return plain;
    case DFS_KEY_IGNORED:
        return object_new();
    }
    dfs_unreachable("plain_schema");
}

/* {"type":"object","properties":{KEY:{"type":"array","items":ITEMS,...}},"required":[KEY],...}. */
static json_t *draw_schema(const char *key, json_t *items, json_int_t min, json_int_t max)
{
    json_t *list = typed("array");
    member_set(list, "items", json_incref(items));
    member_set(list, "minItems", json_integer(min));
    if (max > 0)
        member_set(list, "maxItems", json_integer(max));
    json_t *properties = object_new();
    member_set(properties, key, list);
    json_t *required = array_new();
    element_add(required, json_string(key));
    json_t *object = typed("object");
    member_set(object, "properties", properties);
    member_set(object, "required", required);
    member_set(object, "additionalProperties", json_false());
    return object;
}

/* What may stand in the list of a one_of: a value, or one that is drawn itself; what a one_of in it holds is left to the reader. */
static json_t *choice_schema(const struct dfs_conf_key *row, json_t *plain)
{
    if ((row->flags & DFS_KEY_SPREAD) != 0)
        return json_incref(plain);
    json_t *ways = array_new();
    json_t *anything = object_new();
    element_add(ways, json_incref(plain));
    if (dfs_key_is_quantity(row))
        element_add(ways, draw_schema("between", plain, 2, 2));
    element_add(ways, draw_schema("one_of", anything, 1, 0));
    json_decref(anything);
    json_t *whole = object_new();
    member_set(whole, "anyOf", ways);
    return whole;
}

static json_t *row_schema(struct schema *schema, const struct dfs_conf_key *row)
{
    json_t *plain = plain_schema(schema, row);
    json_t *whole = plain;
    if (schema->is_drawn && (row->flags & DFS_KEY_FIXED) == 0 && row->type != DFS_KEY_IGNORED) {
        json_t *ways = array_new();
        element_add(ways, json_incref(plain));
        if (dfs_key_is_quantity(row))
            element_add(ways, draw_schema("between", plain, 2, 2));
        bool is_spread = (row->flags & DFS_KEY_SPREAD) != 0;
        json_t *choice = choice_schema(row, plain);
        element_add(ways, draw_schema("one_of", choice, 1, is_spread ? DFS_SPREAD_VALUES_MAX : 0));
        json_decref(choice);
        json_decref(plain);
        whole = object_new();
        member_set(whole, "anyOf", ways);
    }
    return whole;
}

/* The description of a row: what it is, and the range where the schema itself cannot say it. */
static void describe(const struct schema *schema, const struct dfs_conf_key *row, json_t *property)
{
    bool has_unit = row->type == DFS_KEY_DURATION || row->type == DFS_KEY_SIZE || row->type == DFS_KEY_RATE;
    struct dfs_conf_text text = {0};
    if (row->help != NULL)
        dfs_conf_text_add(&text, "%s", row->help);
    if (has_unit)
        dfs_conf_text_add(&text, "%s%s",
                          text.count > 0 ? " Range: " : "Range: ", dfs_key_range_text(row, schema->is_relaxed).text);
    if (text.count > 0)
        member_set(property, "description", json_string(text.bytes));
    dfs_conf_text_close(&text);
    if (row->default_text == NULL)
        return;
    if (row->type == DFS_KEY_TEXT) {
        member_set(property, "default", json_string(row->default_text));
        return;
    }
    struct dfs_conf_key plain = *row;
    plain.flags &= ~DFS_KEY_SPREAD;
    plain.offset = 0;
    int64_t field = 0; /* large enough for a choice and a flag too */
    enum dfs_status status = dfs_key_set_text(&plain, &field, row->default_text, true, NULL);
    DFS_ASSERT(status == DFS_OK);
    member_set(property, "default", value_json(row, dfs_key_get(&plain, &field)));
}

/* "oneOf" a group: exactly one of its keys is required. */
static void groups_schema(const struct schema *schema, const struct dfs_keytable *table, json_t *all_of)
{
    for (unsigned group = 1; group <= DFS_KEY_GROUPS_MAX; group++) {
        json_t *ways = array_new();
        for (size_t i = 0; i < table->count; i++) {
            if (table->rows[i].group != group || !dfs_key_is_for(&table->rows[i], schema->roles))
                continue;
            json_t *required = array_new();
            element_add(required, json_string(table->rows[i].name));
            json_t *way = object_new();
            member_set(way, "required", required);
            element_add(ways, way);
        }
        if (json_array_size(ways) > 0) {
            json_t *one_of = object_new();
            member_set(one_of, "oneOf", json_incref(ways));
            element_add(all_of, one_of);
        }
        json_decref(ways);
    }
}

static json_t *table_schema(struct schema *schema, const struct dfs_keytable *const *tables, size_t count)
{
    json_t *object = typed("object");
    json_t *properties = object_new();
    json_t *required = array_new();
    json_t *all_of = array_new();
    for (size_t i = 0; i < count; i++) {
        if (tables[i]->help != NULL && count == 1)
            member_set(object, "description", json_string(tables[i]->help));
        for (size_t j = 0; j < tables[i]->count; j++) {
            const struct dfs_conf_key *row = &tables[i]->rows[j];
            if (!dfs_key_is_for(row, schema->roles))
                continue;
            json_t *property = row_schema(schema, row);
            describe(schema, row, property);
            member_set(properties, row->name, property);
            if ((row->flags & DFS_KEY_REQUIRED) != 0)
                element_add(required, json_string(row->name));
        }
        groups_schema(schema, tables[i], all_of);
    }
    member_set(object, "properties", properties);
    member_set(object, "additionalProperties", json_false());
    if (json_array_size(required) > 0)
        member_set(object, "required", json_incref(required));
    if (json_array_size(all_of) > 0)
        member_set(object, "allOf", json_incref(all_of));
    json_decref(required);
    json_decref(all_of);
    return object;
}

json_t *dfs_keytable_schema(const struct dfs_keytable *const *tables, size_t count, unsigned roles, bool is_relaxed,
                            bool is_drawn)
{
    struct schema schema = {
        .definitions = object_new(), .roles = roles, .is_relaxed = is_relaxed, .is_drawn = is_drawn};
    json_t *root = object_new();
    member_set(root, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    json_t *object = table_schema(&schema, tables, count);
    int failed = json_object_update(root, object);
    DFS_ASSERT(failed == 0);
    json_decref(object);
    member_set(root, "$defs", schema.definitions);
    return root;
}

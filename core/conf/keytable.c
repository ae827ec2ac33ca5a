#include "core/conf/keytable.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/conf/keytable_internal.h"
#include "core/conf/words.h"

#include <stdio.h>
#include <string.h>

/* ---- Fields -------------------------------------------------------------------------------------------- */

static void *field_of(const struct dfs_conf_key *row, void *base)
{
    return (char *)base + row->offset;
}

static const void *field_of_const(const struct dfs_conf_key *row, const void *base)
{
    return (const char *)base + row->offset;
}

bool dfs_key_is_number(const struct dfs_conf_key *row)
{
    return row->type <= DFS_KEY_CHOICE && (row->flags & DFS_KEY_SPREAD) == 0;
}

/* memcpy: a field is what the row says, whatever the compiler thinks of the struct. */
static void field_put(const struct dfs_conf_key *row, void *field, int64_t value)
{
    if ((row->flags & DFS_KEY_SPREAD) != 0) {
        struct dfs_spread spread = {.low = value, .high = value};
        memcpy(field, &spread, sizeof(spread));
    } else if (row->type == DFS_KEY_FLAG) {
        bool flag = value != 0;
        memcpy(field, &flag, sizeof(flag));
    } else if (row->type == DFS_KEY_CHOICE) {
        int choice = (int)value;
        memcpy(field, &choice, sizeof(choice));
    } else {
        memcpy(field, &value, sizeof(value));
    }
}

int64_t dfs_key_get(const struct dfs_conf_key *row, const void *base)
{
    DFS_ASSERT(dfs_key_is_number(row));
    const void *field = field_of_const(row, base);
    if (row->type == DFS_KEY_FLAG) {
        bool flag;
        memcpy(&flag, field, sizeof(flag));
        return flag ? 1 : 0;
    }
    if (row->type == DFS_KEY_CHOICE) {
        int choice;
        memcpy(&choice, field, sizeof(choice));
        return choice;
    }
    int64_t value;
    memcpy(&value, field, sizeof(value));
    return value;
}

void dfs_key_put(const struct dfs_conf_key *row, void *base, int64_t value)
{
    int64_t min = 0;
    int64_t max = 0;
    DFS_ASSERT(dfs_key_is_number(row));
    dfs_key_range(row, true, &min, &max);
    DFS_ASSERT(value >= min && value <= max);
    field_put(row, field_of(row, base), value);
}

void dfs_key_range(const struct dfs_conf_key *row, bool is_relaxed, int64_t *ret_min, int64_t *ret_max)
{
    *ret_min = is_relaxed && (row->flags & DFS_KEY_RELAXED) != 0 ? row->relaxed_min : row->min;
    *ret_max = row->max;
    if (row->type == DFS_KEY_FLAG)
        *ret_max = 1;
    else if (row->type == DFS_KEY_CHOICE)
        *ret_max = (int64_t)dfs_words_count(row->words) - 1;
    else if (row->min >= 0 && row->max == 0)
        *ret_max = row->type == DFS_KEY_SHARE  ? DFS_SHARE_ONE
                   : row->type == DFS_KEY_TEXT ? (int64_t)row->size - 1
                                               : INT64_MAX;
}

uint64_t dfs_spread_width(const struct dfs_spread *spread)
{
    return spread->count > 0 ? spread->count : (uint64_t)spread->high - (uint64_t)spread->low + 1;
}

int64_t dfs_spread_at(const struct dfs_spread *spread, uint64_t index)
{
    DFS_ASSERT(index < dfs_spread_width(spread));
    return spread->count > 0 ? spread->values[index] : (int64_t)((uint64_t)spread->low + index);
}

/* ---- Values of one row --------------------------------------------------------------------------------- */

static enum dfs_status check_range(const struct dfs_conf_key *row, bool is_relaxed, int64_t value,
                                   struct dfs_why *ret_why)
{
    int64_t min = 0;
    int64_t max = 0;
    dfs_key_range(row, is_relaxed, &min, &max);
    if (value >= min && value <= max)
        return DFS_OK;
    dfs_why_set(ret_why, "%s is out of range; allowed is %s", dfs_key_value_json(row, value).text,
                dfs_key_range_text(row, is_relaxed).text);
    return DFS_BAD_CONFIG;
}

/* A number, choice or flag from text. */
static enum dfs_status number_from_text(const struct dfs_conf_key *row, const char *text, int64_t *ret_value,
                                        struct dfs_why *ret_why)
{
    switch (row->type) {
    case DFS_KEY_DURATION:
        return dfs_duration_parse(text, ret_value, ret_why);
    case DFS_KEY_SIZE:
        return dfs_size_parse(text, ret_value, ret_why);
    case DFS_KEY_RATE:
        return dfs_rate_parse(text, ret_value, ret_why);
    case DFS_KEY_COUNT:
        return dfs_count_parse(text, ret_value, ret_why);
    case DFS_KEY_SHARE:
        return dfs_share_parse(text, ret_value, ret_why);
    case DFS_KEY_DECIMAL:
        return dfs_decimal_parse(text, ret_value, ret_why);
    case DFS_KEY_FLAG:
    case DFS_KEY_CHOICE: {
        const char *words = row->type == DFS_KEY_FLAG ? "false|true" : row->words;
        int found = dfs_words_find(words, text);
        if (found >= 0) {
            *ret_value = found;
            return DFS_OK;
        }
        dfs_why_set(ret_why, "\"%s\" is not one of %s%s", dfs_quote_text(text).text, dfs_words_listed(words).text,
                    dfs_words_suggest_bars(text, words).text);
        return DFS_BAD_CONFIG;
    }
    case DFS_KEY_TEXT:
    case DFS_KEY_OBJECT:
    case DFS_KEY_LIST:
    case DFS_KEY_CUSTOM:
    case DFS_KEY_IGNORED:
        break;
    }
    dfs_unreachable("number_from_text");
}

static enum dfs_status text_set(const struct dfs_conf_key *row, void *field, const char *text, struct dfs_why *ret_why)
{
    int64_t min = 0;
    int64_t max = 0;
    size_t count = strlen(text);
    dfs_key_range(row, false, &min, &max);
    DFS_ASSERT(row->size > 0 && max < (int64_t)row->size);
    if (count == 0 && min > 0) {
        dfs_why_set(ret_why, "must not be empty");
        return DFS_BAD_CONFIG;
    }
    if ((int64_t)count < min || (int64_t)count > max) {
        dfs_why_set(ret_why, "\"%s\" is %zu bytes long; allowed is %lld to %lld", dfs_quote_text(text).text, count,
                    (long long)min, (long long)max);
        return DFS_BAD_CONFIG;
    }
    if (field != NULL)
        memcpy(field, text, count + 1);
    return DFS_OK;
}

enum dfs_status dfs_key_set_text(const struct dfs_conf_key *row, void *base, const char *text, bool is_relaxed,
                                 struct dfs_why *ret_why)
{
    if (row->type == DFS_KEY_TEXT)
        return text_set(row, field_of(row, base), text, ret_why);
    int64_t value = 0;
    enum dfs_status status = number_from_text(row, text, &value, ret_why);
    if (status == DFS_OK)
        status = check_range(row, is_relaxed, value, ret_why);
    if (status == DFS_OK)
        field_put(row, field_of(row, base), value);
    return status;
}

void dfs_keytable_defaults(const struct dfs_keytable *table, void *base)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct dfs_conf_key *row = &table->rows[i];
        if (row->default_text != NULL) {
            enum dfs_status status = dfs_key_set_text(row, base, row->default_text, true, NULL);
            DFS_ASSERT(status == DFS_OK);
        } else if (row->type == DFS_KEY_OBJECT) {
            dfs_keytable_defaults(row->table, field_of(row, base));
        }
    }
}

const struct dfs_conf_key *dfs_keytable_find(const struct dfs_keytable *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    return NULL;
}

enum dfs_status dfs_key_refuse(struct dfs_key_reader *reader, const struct dfs_json_node *node, const char *format, ...)
{
    struct dfs_why why;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why.text, sizeof(why.text), format, arguments);
    va_end(arguments);
    return dfs_json_refuse(reader->doc, node, reader->error, "%s", why.text);
}

static enum dfs_status refuse_type(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                   const struct dfs_json_node *node)
{
    const char *drawn = "";
    if (json_is_object(node->value) && reader->draw == NULL && dfs_json_first(reader->doc, node) != NULL) {
        const char *key = dfs_json_first(reader->doc, node)->key;
        if (strcmp(key, "between") == 0 || strcmp(key, "one_of") == 0)
            drawn = "; only scenarios draw their values";
    }
    return dfs_key_refuse(reader, node, "expected %s, found %s%s", dfs_key_wanted(row).text,
                          dfs_json_described(node->value).text, drawn);
}

/* A number, choice or flag from a JSON value that is not drawn. */
static enum dfs_status number_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                   const struct dfs_json_node *node, int64_t *ret_value)
{
    const json_t *value = node->value;
    struct dfs_why why;
    switch (row->type) {
    case DFS_KEY_DURATION:
    case DFS_KEY_SIZE:
    case DFS_KEY_RATE:
    case DFS_KEY_CHOICE:
        if (!json_is_string(value))
            return refuse_type(reader, row, node);
        if (number_from_text(row, json_string_value(value), ret_value, &why) != DFS_OK)
            return dfs_key_refuse(reader, node, "%s", why.text);
        break;
    case DFS_KEY_COUNT:
        if (!json_is_integer(value))
            return refuse_type(reader, row, node);
        *ret_value = json_integer_value(value);
        break;
    case DFS_KEY_SHARE:
    case DFS_KEY_DECIMAL: {
        if (!json_is_number(value))
            return refuse_type(reader, row, node);
        bool is_share = row->type == DFS_KEY_SHARE;
        double number = json_number_value(value);
        if (!(is_share ? dfs_share_from_number(number, ret_value) : dfs_decimal_from_number(number, ret_value)))
            return dfs_key_refuse(reader, node, "%s is too %s; allowed is %s in steps of %s",
                                  dfs_json_described(value).text, number < 1 && number > -1 ? "small" : "large",
                                  dfs_key_range_text(row, reader->is_relaxed).text,
                                  is_share ? "0.000000001" : "0.000001");
        break;
    }
    case DFS_KEY_FLAG:
        if (!json_is_boolean(value))
            return refuse_type(reader, row, node);
        *ret_value = json_is_true(value) ? 1 : 0;
        break;
    case DFS_KEY_TEXT:
    case DFS_KEY_OBJECT:
    case DFS_KEY_LIST:
    case DFS_KEY_CUSTOM:
    case DFS_KEY_IGNORED:
        dfs_unreachable("number_read");
    }
    if (check_range(row, reader->is_relaxed, *ret_value, &why) != DFS_OK)
        return dfs_key_refuse(reader, node, "%s", why.text);
    return DFS_OK;
}

/* ---- Drawn values -------------------------------------------------------------------------------------- */

enum draw_kind { DRAW_NONE, DRAW_BETWEEN, DRAW_ONE_OF };

/* Is this a drawn value, where the row and the reader allow one? *ret_list is its list; refuses malformed
 * ones. */
static enum dfs_status draw_find(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                 const struct dfs_json_node *node, enum draw_kind *ret_kind,
                                 const struct dfs_json_node **ret_list)
{
    static const char *const keys[] = {"between", "one_of"};
    *ret_kind = DRAW_NONE;
    if (!json_is_object(node->value) || reader->draw == NULL || (row->flags & DFS_KEY_FIXED) != 0 ||
        row->type == DFS_KEY_IGNORED)
        return DFS_OK;
    const struct dfs_json_node *between = dfs_json_get(reader->doc, node, keys[0]);
    const struct dfs_json_node *one_of = dfs_json_get(reader->doc, node, keys[1]);
    const struct dfs_json_node *first = dfs_json_first(reader->doc, node);
    if (between == NULL && one_of == NULL) {
        if (!dfs_key_is_quantity(row) || first == NULL)
            return DFS_OK; /* an ordinary object, or an ordinary wrong type */
        return dfs_json_refuse_key(reader->doc, first, reader->error, "unknown key%s",
                                   dfs_words_suggest(first->key, keys, 2).text);
    }
    const struct dfs_json_node *list = between != NULL ? between : one_of;
    if (json_object_size(node->value) != 1)
        return dfs_json_refuse_key(reader->doc, list, reader->error, "a drawn value has no other keys beside \"%s\"",
                                   list->key);
    if (between != NULL && !dfs_key_is_quantity(row))
        return dfs_json_refuse_key(reader->doc, list, reader->error,
                                   "a %s cannot be drawn from between two values; write \"one_of\"",
                                   dfs_key_type_name(row->type));
    if (between != NULL && (!json_is_array(list->value) || json_array_size(list->value) != 2))
        return dfs_key_refuse(reader, list, "expected [LOW, HIGH], found %s%s", dfs_json_described(list->value).text,
                              json_is_array(list->value) ? " of another length" : "");
    if (one_of != NULL && (!json_is_array(list->value) || json_array_size(list->value) == 0))
        return dfs_key_refuse(reader, list, "expected a list of at least one value, found %s",
                              json_is_array(list->value) ? "an empty list" : dfs_json_described(list->value).text);
    *ret_kind = between != NULL ? DRAW_BETWEEN : DRAW_ONE_OF;
    *ret_list = list;
    return DFS_OK;
}

static enum dfs_status between_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                    const struct dfs_json_node *list, int64_t *ret_low, int64_t *ret_high)
{
    const struct dfs_json_node *low = dfs_json_first(reader->doc, list);
    const struct dfs_json_node *high = dfs_json_next(reader->doc, low);
    enum dfs_status status = number_read(reader, row, low, ret_low);
    if (status == DFS_OK)
        status = number_read(reader, row, high, ret_high);
    if (status == DFS_OK && *ret_low > *ret_high)
        return dfs_key_refuse(reader, list, "expected [LOW, HIGH] with LOW not above HIGH, found [%s, %s]",
                              dfs_key_value_json(row, *ret_low).text, dfs_key_value_json(row, *ret_high).text);
    if (status == DFS_OK && (uint64_t)*ret_high - (uint64_t)*ret_low == UINT64_MAX)
        return dfs_key_refuse(reader, list, "the two are too far apart");
    return status;
}

static uint64_t draw_below(struct dfs_key_reader *reader, const struct dfs_json_node *node, uint64_t count)
{
    uint64_t drawn = reader->draw(reader->draw_context, node->draw, count);
    DFS_ASSERT(drawn < count);
    return drawn;
}

static enum dfs_status spread_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                   const struct dfs_json_node *node, void *field)
{
    struct dfs_spread spread = {0};
    enum draw_kind kind = DRAW_NONE;
    const struct dfs_json_node *list = NULL;
    enum dfs_status status = draw_find(reader, row, node, &kind, &list);
    if (status != DFS_OK)
        return status;
    if (kind == DRAW_NONE) {
        status = number_read(reader, row, node, &spread.low);
        spread.high = spread.low;
    } else if (kind == DRAW_BETWEEN) {
        status = between_read(reader, row, list, &spread.low, &spread.high);
    } else {
        if (json_array_size(list->value) > DFS_SPREAD_VALUES_MAX)
            return dfs_key_refuse(reader, list, "%zu values; at most %d are read", json_array_size(list->value),
                                  DFS_SPREAD_VALUES_MAX);
        const struct dfs_json_node *element = dfs_json_first(reader->doc, list);
        for (; element != NULL && status == DFS_OK; element = dfs_json_next(reader->doc, element)) {
            int64_t value = 0;
            status = number_read(reader, row, element, &value);
            spread.values[spread.count] = value;
            spread.low = spread.count == 0 || value < spread.low ? value : spread.low;
            spread.high = spread.count == 0 || value > spread.high ? value : spread.high;
            spread.count++;
        }
    }
    if (status == DFS_OK && field != NULL)
        memcpy(field, &spread, sizeof(spread));
    return status;
}

/* ---- Any value ----------------------------------------------------------------------------------------- */

static enum dfs_status value_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                  const struct dfs_json_node *node, void *field);

/*
 * Reads all elements and keeps the drawn one: a wrong element is refused whatever the seed. Elements that
 * have no plain field (objects, lists, custom) would leave traces when read, so of these only the drawn one
 * is.
 */
static enum dfs_status one_of_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                   const struct dfs_json_node *node, const struct dfs_json_node *list, void *field)
{
    bool is_plain = row->type <= DFS_KEY_TEXT;
    uint64_t drawn = draw_below(reader, node, json_array_size(list->value));
    const struct dfs_json_node *element = dfs_json_first(reader->doc, list);
    for (; element != NULL; element = dfs_json_next(reader->doc, element)) {
        bool is_drawn = element->index == drawn;
        if (!is_drawn && !is_plain)
            continue;
        enum dfs_status status = value_read(reader, row, element, is_drawn ? field : NULL);
        if (status != DFS_OK)
            return status;
    }
    return DFS_OK;
}

static enum dfs_status list_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                 const struct dfs_json_node *node, void *field)
{
    if (!json_is_array(node->value))
        return refuse_type(reader, row, node);
    int64_t min = 0;
    int64_t max = 0;
    size_t count = json_array_size(node->value);
    dfs_key_range(row, reader->is_relaxed, &min, &max);
    if ((int64_t)count < min || (int64_t)count > max)
        return dfs_key_refuse(reader, node, "%zu elements; allowed is %s", count,
                              dfs_key_range_text(row, reader->is_relaxed).text);
    const struct dfs_json_node *element = dfs_json_first(reader->doc, node);
    for (; element != NULL; element = dfs_json_next(reader->doc, element)) {
        void *base = row->grow(reader, field, element->index);
        if (base == NULL)
            return dfs_key_refuse(reader, element, "no room for more than %u elements", (unsigned)element->index);
        enum dfs_status status = dfs_key_read(reader, row->items, element, base);
        if (status != DFS_OK)
            return status;
    }
    return DFS_OK;
}

/* `field` NULL only checks; plain types only. */
static enum dfs_status value_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                  const struct dfs_json_node *node, void *field)
{
    if ((row->flags & DFS_KEY_SPREAD) != 0)
        return spread_read(reader, row, node, field);
    enum draw_kind kind = DRAW_NONE;
    const struct dfs_json_node *list = NULL;
    enum dfs_status status = draw_find(reader, row, node, &kind, &list);
    if (status != DFS_OK)
        return status;
    if (kind == DRAW_ONE_OF)
        return one_of_read(reader, row, node, list, field);

    switch (row->type) {
    case DFS_KEY_DURATION:
    case DFS_KEY_SIZE:
    case DFS_KEY_RATE:
    case DFS_KEY_COUNT:
    case DFS_KEY_SHARE:
    case DFS_KEY_DECIMAL:
    case DFS_KEY_FLAG:
    case DFS_KEY_CHOICE: {
        int64_t value = 0;
        if (kind == DRAW_BETWEEN) {
            struct dfs_spread spread = {0};
            status = between_read(reader, row, list, &spread.low, &spread.high);
            if (status == DFS_OK)
                value = dfs_spread_at(&spread, draw_below(reader, node, dfs_spread_width(&spread)));
        } else {
            status = number_read(reader, row, node, &value);
        }
        if (status == DFS_OK && field != NULL)
            field_put(row, field, value);
        return status;
    }
    case DFS_KEY_TEXT: {
        struct dfs_why why;
        if (!json_is_string(node->value))
            return refuse_type(reader, row, node);
        if (text_set(row, field, json_string_value(node->value), &why) != DFS_OK)
            return dfs_key_refuse(reader, node, "%s", why.text);
        return DFS_OK;
    }
    case DFS_KEY_OBJECT: {
        if (!json_is_object(node->value))
            return refuse_type(reader, row, node);
        struct dfs_key_part part = {row->table, field};
        return dfs_keytable_read(reader, node, &part, 1);
    }
    case DFS_KEY_LIST:
        return list_read(reader, row, node, field);
    case DFS_KEY_CUSTOM:
        return row->read(reader, row, node, field);
    case DFS_KEY_IGNORED:
        return DFS_OK;
    }
    dfs_unreachable("value_read");
}

enum dfs_status dfs_key_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                             const struct dfs_json_node *node, void *base)
{
    return value_read(reader, row, node, field_of(row, base));
}

/* ---- Objects ------------------------------------------------------------------------------------------- */

/* Row of a key and the part it belongs to; NULL when no part has it. */
static const struct dfs_conf_key *row_find(const struct dfs_key_part *parts, size_t parts_count, const char *name,
                                           const struct dfs_key_part **ret_part)
{
    for (size_t i = 0; i < parts_count; i++) {
        const struct dfs_conf_key *row = dfs_keytable_find(parts[i].table, name);
        if (row != NULL) {
            *ret_part = &parts[i];
            return row;
        }
    }
    return NULL;
}

static enum dfs_status refuse_unknown(struct dfs_key_reader *reader, const struct dfs_json_node *node,
                                      const struct dfs_key_part *parts, size_t parts_count)
{
    size_t capacity = 0;
    for (size_t i = 0; i < parts_count; i++)
        capacity += parts[i].table->count;
    const char **names = dfs_alloc(capacity * sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; i < parts_count; i++)
        for (size_t j = 0; j < parts[i].table->count; j++)
            if (dfs_key_is_for(&parts[i].table->rows[j], reader->roles))
                names[count++] = parts[i].table->rows[j].name;
    struct dfs_why suggestion = dfs_words_suggest(node->key, names, count);
    dfs_free(names);
    return dfs_json_refuse_key(reader->doc, node, reader->error, "unknown key%s", suggestion.text);
}

static enum dfs_status refuse_role(struct dfs_key_reader *reader, const struct dfs_json_node *node,
                                   const struct dfs_conf_key *row)
{
    static const char *const names[] = {"dfs-auth", "dfs-meta", "dfs-data", "dfs"};
    struct dfs_conf_text owners = {0};
    unsigned left = row->roles;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((left & (1u << i)) == 0)
            continue;
        left &= ~(1u << i);
        dfs_conf_text_add(&owners, "%s%s", owners.count == 0 ? "" : left != 0 ? ", " : " and ", names[i]);
    }
    enum dfs_status status = dfs_json_refuse_key(reader->doc, node, reader->error,
                                                 "not a key of this program; it belongs to %s", owners.bytes);
    dfs_conf_text_close(&owners);
    return status;
}

static enum dfs_status members_read(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                    const struct dfs_key_part *parts, size_t parts_count)
{
    const struct dfs_json_node *node = dfs_json_first(reader->doc, object);
    for (; node != NULL; node = dfs_json_next(reader->doc, node)) {
        const struct dfs_key_part *part = NULL;
        const struct dfs_conf_key *row = row_find(parts, parts_count, node->key, &part);
        if (row == NULL)
            return refuse_unknown(reader, node, parts, parts_count);
        if (!dfs_key_is_for(row, reader->roles))
            return refuse_role(reader, node, row);
        enum dfs_status status = dfs_key_read(reader, row, node, part->base);
        if (status != DFS_OK)
            return status;
    }
    return DFS_OK;
}

/* Exactly one key of each group of the table. */
static enum dfs_status check_groups(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                    const struct dfs_keytable *table)
{
    for (unsigned group = 1; group <= DFS_KEY_GROUPS_MAX; group++) {
        const struct dfs_json_node *first = NULL;
        struct dfs_conf_text names = {0};
        enum dfs_status status = DFS_OK;
        for (size_t i = 0; i < table->count && status == DFS_OK; i++) {
            const struct dfs_conf_key *row = &table->rows[i];
            if (row->group != group || !dfs_key_is_for(row, reader->roles))
                continue;
            const struct dfs_json_node *node = dfs_json_get(reader->doc, object, row->name);
            if (node != NULL && first != NULL)
                status = dfs_json_refuse_key(reader->doc, node, reader->error,
                                             "stands beside \"%s\"; only one of the two may be there", first->key);
            if (node != NULL)
                first = node;
            dfs_conf_text_add(&names, "%s\"%s\"", names.count > 0 ? ", " : "", row->name);
        }
        if (status == DFS_OK && first == NULL && names.count > 0)
            status = dfs_key_refuse(reader, object, "needs one of the keys %s", names.bytes);
        dfs_conf_text_close(&names);
        if (status != DFS_OK)
            return status;
    }
    return DFS_OK;
}

/* Defaults of the keys that are not there, and the rules about which must be. */
static enum dfs_status absent_fill(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                   const struct dfs_key_part *part)
{
    for (size_t i = 0; i < part->table->count; i++) {
        const struct dfs_conf_key *row = &part->table->rows[i];
        const struct dfs_json_node *node = dfs_json_get(reader->doc, object, row->name);
        bool is_there = node != NULL;
        if (row->seen != 0)
            memcpy((char *)part->base + (row->seen - 1), &is_there, sizeof(is_there));
        if (is_there)
            continue;
        if ((row->flags & DFS_KEY_REQUIRED) != 0 && dfs_key_is_for(row, reader->roles)) {
            return dfs_key_refuse(reader, object, "the key \"%s\" is missing; it is %s", row->name,
                                  dfs_key_wanted(row).text);
        }
        struct dfs_keytable single = {.rows = row, .count = 1};
        dfs_keytable_defaults(&single, part->base);
    }
    return check_groups(reader, object, part->table);
}

enum dfs_status dfs_keytable_read(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                  const struct dfs_key_part *parts, size_t parts_count)
{
    if (!json_is_object(object->value))
        return dfs_key_refuse(reader, object, "expected an object such as {\"key\": \"value\"}, found %s",
                              dfs_json_described(object->value).text);
    enum dfs_status status = members_read(reader, object, parts, parts_count);
    for (size_t i = 0; i < parts_count && status == DFS_OK; i++)
        status = absent_fill(reader, object, &parts[i]);
    for (size_t i = 0; i < parts_count && status == DFS_OK; i++)
        if (parts[i].table->check != NULL)
            status = parts[i].table->check(reader, object, parts[i].base);
    return status;
}

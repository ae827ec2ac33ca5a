#include "core/conf/settings.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/conf/keytable.h"
#include "core/conf/words.h"

#include <string.h>

/* Numbers as settings.def writes them. */
#define MS(n) (INT64_C(1000000) * (n))
#define S(n) (INT64_C(1000000000) * (n))
#define MIN(n) (S(60) * (n))
#define HOUR(n) (S(3600) * (n))
#define DAY(n) (S(86400) * (n))
#define KB(n) (INT64_C(1000) * (n))
#define MB(n) (INT64_C(1000000) * (n))
#define GB(n) (INT64_C(1000000000) * (n))
#define KIB(n) (INT64_C(1024) * (n))
#define MIB(n) (INT64_C(1048576) * (n))
#define GIB(n) (INT64_C(1073741824) * (n))
#define PERCENT(n) (DFS_SHARE_ONE / 100 * (n))

/* Frames that the pool must hold: one arriving and one leaving, for two blocks at a time. */
#define POOL_FRAMES_MIN 4

static const struct dfs_conf_key rows[DFS_SETTING_COUNT] = {
#define DFS_SETTING_NUMBER(type_word, name_word, field, default_words, low, high, relaxed_low, knob_low, knob_high, \
                           owners, help_words) \
    {.name = #name_word, \
     .type = DFS_KEY_##type_word, \
     .flags = DFS_KEY_RELAXED, \
     .roles = (owners), \
     .offset = offsetof(struct dfs_settings, field), \
     .min = (low), \
     .max = (high), \
     .relaxed_min = (relaxed_low), \
     .default_text = (default_words), \
     .help = (help_words)},
#define DFS_SETTING_CHOICE(name_word, field, default_words, words_listed, knob_low, knob_high, owners, help_words) \
    {.name = #name_word, \
     .type = DFS_KEY_CHOICE, \
     .roles = (owners), \
     .offset = offsetof(struct dfs_settings, field), \
     .default_text = (default_words), \
     .words = (words_listed), \
     .help = (help_words)},
#define DFS_SETTING_TEXT(name_word, field, bytes, default_words, owners, help_words) \
    {.name = #name_word, \
     .type = DFS_KEY_TEXT, \
     .roles = (owners), \
     .offset = offsetof(struct dfs_settings, field), \
     .size = (bytes), \
     .default_text = (default_words), \
     .help = (help_words)},
#include "core/conf/settings.def"
};

static const struct {
    int64_t low;
    int64_t high;
} knobs[DFS_SETTING_COUNT] = {
#define DFS_SETTING_NUMBER(type, name, field, default_words, low, high, relaxed_low, knob_low, knob_high, ...) \
    {(knob_low), (knob_high)},
#define DFS_SETTING_CHOICE(name, field, default_words, words, knob_low, knob_high, ...) {(knob_low), (knob_high)},
#define DFS_SETTING_TEXT(...) {0, 0},
#include "core/conf/settings.def"
};

static enum dfs_status check_read(struct dfs_key_reader *reader, const struct dfs_json_node *object, void *base);

const struct dfs_keytable dfs_settings_table = {
    .name = "settings",
    .rows = rows,
    .count = DFS_SETTING_COUNT,
    .help = "Settings of the servers and the client.",
    .check = check_read,
};

bool dfs_settings_knob(size_t index, int64_t *ret_low, int64_t *ret_high)
{
    DFS_ASSERT(index < DFS_SETTING_COUNT);
    if (knobs[index].low == knobs[index].high)
        return false;
    *ret_low = knobs[index].low;
    *ret_high = knobs[index].high;
    return true;
}

void dfs_settings_init(struct dfs_settings *settings)
{
    memset(settings, 0, sizeof(*settings)); /* padding too: settings are hashed into traces */
    dfs_keytable_defaults(&dfs_settings_table, settings);
}

enum dfs_status dfs_settings_read(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                  struct dfs_settings *settings)
{
    dfs_settings_init(settings);
    struct dfs_key_part part = {&dfs_settings_table, settings};
    return dfs_keytable_read(reader, object, &part, 1);
}

enum dfs_status dfs_settings_set(struct dfs_settings *settings, const char *name, const char *text, bool is_relaxed,
                                 struct dfs_why *ret_why)
{
    const struct dfs_conf_key *row = dfs_keytable_find(&dfs_settings_table, name);
    if (row != NULL)
        return dfs_key_set_text(row, settings, text, is_relaxed, ret_why);
    const char *names[DFS_SETTING_COUNT];
    for (size_t i = 0; i < DFS_SETTING_COUNT; i++)
        names[i] = rows[i].name;
    dfs_why_set(ret_why, "there is no setting \"%s\"%s", dfs_quote_text(name).text,
                dfs_words_suggest(name, names, DFS_SETTING_COUNT).text);
    return DFS_BAD_CONFIG;
}

/* ---- Rules between settings ---------------------------------------------------------------------------- */

static struct dfs_quoted shown(const struct dfs_settings *settings, enum dfs_setting which)
{
    return dfs_key_value_text(&rows[which], dfs_key_get(&rows[which], settings));
}

static bool is_power_of_two(int64_t value)
{
    return value > 0 && (value & (value - 1)) == 0;
}

/* A rule that is kept or broken, about two settings: "a must be `words` b". */
struct rule {
    enum dfs_setting a;
    enum dfs_setting b;
    const char *words;
    bool is_kept;
};

static enum dfs_status refuse_scrypt(const struct dfs_settings *settings, struct dfs_settings_conflict *ret_conflict)
{
    int64_t below = 1;
    while (below <= settings->scrypt_n / 2)
        below *= 2;
    ret_conflict->settings[0] = ret_conflict->settings[1] = DFS_SETTING_AT_scrypt_n;
    dfs_why_set(&ret_conflict->why, "scrypt_n (%s) must be a power of two, such as %s",
                shown(settings, DFS_SETTING_AT_scrypt_n).text, dfs_count_text(below).text);
    return DFS_BAD_CONFIG;
}

static bool is_for(enum dfs_setting which, unsigned roles)
{
    return roles == 0 || (rows[which].roles & roles) != 0;
}

enum dfs_status dfs_settings_check(const struct dfs_settings *settings, unsigned roles,
                                   struct dfs_settings_conflict *ret_conflict)
{
    const struct dfs_settings *s = settings;
    const struct rule rules[] = {
        {DFS_SETTING_AT_block_min, DFS_SETTING_AT_block_max, "at most", s->block_min_bytes <= s->block_max_bytes},
        {DFS_SETTING_AT_frame, DFS_SETTING_AT_pool_bytes, "at most a quarter of",
         s->frame_bytes <= s->pool_bytes / POOL_FRAMES_MIN},
        /* The hop gives up first, so that the chain can go on without it while the client still waits. */
        {DFS_SETTING_AT_hop_timeout, DFS_SETTING_AT_request_timeout, "below",
         s->hop_timeout_ns < s->request_timeout_ns},
        {DFS_SETTING_AT_connect_timeout, DFS_SETTING_AT_request_timeout, "at most",
         s->connect_timeout_ns <= s->request_timeout_ns},
        /* Otherwise every token would be good for more than twice its lifetime. */
        {DFS_SETTING_AT_token_leeway, DFS_SETTING_AT_token_lifetime, "at most",
         s->token_leeway_ns <= s->token_lifetime_ns},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct rule *rule = &rules[i];
        if (rule->is_kept || !is_for(rule->a, roles) || !is_for(rule->b, roles))
            continue;
        ret_conflict->settings[0] = rule->a;
        ret_conflict->settings[1] = rule->b;
        dfs_why_set(&ret_conflict->why, "%s (%s) must be %s %s (%s)", rows[rule->a].name, shown(s, rule->a).text,
                    rule->words, rows[rule->b].name, shown(s, rule->b).text);
        return DFS_BAD_CONFIG;
    }
    if (is_for(DFS_SETTING_AT_scrypt_n, roles) && !is_power_of_two(s->scrypt_n))
        return refuse_scrypt(s, ret_conflict);
    return DFS_OK;
}

/* Shows the conflict at a key that stands in the file: its line is the one to change. */
static enum dfs_status check_read(struct dfs_key_reader *reader, const struct dfs_json_node *object, void *base)
{
    struct dfs_settings_conflict found;
    const struct dfs_settings *settings = base;
    if (dfs_settings_check(settings, reader->roles, &found) == DFS_OK)
        return DFS_OK;
    const struct dfs_json_node *node = dfs_json_get(reader->doc, object, rows[found.settings[0]].name);
    if (node == NULL)
        node = dfs_json_get(reader->doc, object, rows[found.settings[1]].name);
    return dfs_key_refuse(reader, node != NULL ? node : object, "%s", found.why.text);
}

json_t *dfs_settings_export(const struct dfs_settings *settings)
{
    return dfs_keytable_export(&dfs_settings_table, settings);
}

void dfs_settings_help(unsigned roles, struct dfs_conf_text *text)
{
    static const struct dfs_keytable *const tables[] = {&dfs_settings_table};
    dfs_keytable_help(tables, 1, roles, text);
}

#include "apps/common/faults.h"

#include "apps/common/address.h"
#include "core/base/mem.h"
#include "core/conf/units.h"
#include "core/conf/words.h"
#include "core/wire/frame.h"
#include "core/wire/message.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Odds are parts of 2^32. */
#define ODDS_ONE (UINT64_C(1) << 32)

enum kind { DROP, DELAY };

/* What happens to messages that fit. 0 in a member that selects means: any. */
struct rule {
    enum kind kind;
    uint32_t message;
    bool has_whom;
    struct dfs_fault_match whom;
    bool in; /* datagrams that come; streams are judged where they leave */
    bool out;
    uint64_t nth;  /* only the nth that fits, counted from 1 */
    uint64_t left; /* UINT64_MAX: no end */
    uint64_t odds; /* ODDS_ONE: always */
    dfs_duration_ns by_ns;
    uint64_t seen;
    uint64_t hits;
};

struct dfs_faults {
    struct dfs_real *real;
    struct rule rules[DFS_FAULT_RULES_MAX];
    size_t rules_count;
    struct dfs_fault_match cuts[DFS_REAL_CUTS_MAX];
    size_t cuts_count;
    uint64_t random; /* xorshift64*: the same seed, the same draws */
};

static uint64_t draw(struct dfs_faults *faults)
{
    faults->random ^= faults->random >> 12;
    faults->random ^= faults->random << 25;
    faults->random ^= faults->random >> 27;
    return faults->random * UINT64_C(2685821657736338717) >> 32;
}

/* The filter --------------------------------------------------------------------------------------------------------- */

static bool fits(const struct rule *rule, const struct dfs_fault_subject *subject)
{
    const struct dfs_id *node =
        subject->peer != NULL && subject->peer->kind == DFS_PEER_NODE ? &subject->peer->node : NULL;
    struct dfs_frame frame;

    if (subject->passing == DFS_FAULT_CONNECT)
        return false;
    if (subject->passing == DFS_FAULT_DATAGRAM_IN ? !rule->in : !rule->out)
        return false;
    if (rule->has_whom && !dfs_fault_matches(&rule->whom, subject->addr, node))
        return false;
    if (rule->message == 0)
        return true;
    return subject->count >= DFS_FRAME_HEADER_BYTES && dfs_frame_decode(subject->bytes, &frame) == DFS_OK &&
           frame.type == rule->message;
}

static bool strikes(struct dfs_faults *faults, struct rule *rule)
{
    rule->seen++;
    if (rule->left == 0 || (rule->nth != 0 && rule->seen != rule->nth))
        return false;
    if (rule->odds < ODDS_ONE && draw(faults) >= rule->odds)
        return false;
    if (rule->left != UINT64_MAX)
        rule->left--;
    rule->hits++;
    return true;
}

static enum dfs_fault_verdict judge(void *ctx, const struct dfs_fault_subject *subject, dfs_duration_ns *ret_delay_ns)
{
    struct dfs_faults *faults = ctx;

    for (size_t i = 0; i < faults->rules_count; i++) {
        struct rule *rule = &faults->rules[i];

        if (!fits(rule, subject) || !strikes(faults, rule))
            continue;
        if (rule->kind == DELAY) {
            *ret_delay_ns = rule->by_ns;
            return DFS_FAULT_DELAY;
        }
        /* A stream loses nothing: it is cut in front of the frame. */
        return subject->passing == DFS_FAULT_FRAME_OUT ? DFS_FAULT_CUT : DFS_FAULT_DROP;
    }
    return DFS_FAULT_PASS;
}

/* Commands ----------------------------------------------------------------------------------------------------------- */

static bool refuse(struct dfs_conf_text *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(struct dfs_conf_text *reply, const char *format, ...)
{
    char words[DFS_WHY_BYTES];
    json_t *answer;
    char *text;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    answer = json_pack("{s:b, s:s}", "ok", 0, "error", words);
    text = json_dumps(answer, JSON_COMPACT);
    dfs_conf_text_add(reply, "%s", text != NULL ? text : "{\"ok\":false}");
    free(text);
    json_decref(answer);
    return false;
}

static bool only_keys(json_t *object, const char *const *names, size_t count, struct dfs_conf_text *reply)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return refuse(reply, "the command's value must be an object");
    json_object_foreach(object, key, value)
    {
        bool known = false;

        for (size_t i = 0; i < count; i++)
            known = known || strcmp(names[i], key) == 0;
        if (!known)
            return refuse(reply, "unknown key \"%s\"%s", dfs_quote_text(key).text,
                          dfs_words_suggest(key, names, count).text);
    }
    return true;
}

/* "addr": "127.0.0.1:7401" (port 0: any) or "node": UUID. */
static bool read_whom(json_t *object, struct dfs_fault_match *ret_whom, bool *ret_found, struct dfs_conf_text *reply)
{
    const char *addr = json_string_value(json_object_get(object, "addr"));
    const char *node = json_string_value(json_object_get(object, "node"));
    struct dfs_why why;

    *ret_whom = (struct dfs_fault_match){.by_node = node != NULL};
    *ret_found = addr != NULL || node != NULL;
    if (node != NULL && !dfs_id_parse(node, &ret_whom->node))
        return refuse(reply, "\"node\": \"%s\" is no UUID", dfs_quote_text(node).text);
    if (node == NULL && addr != NULL && dfs_address_resolve(addr, &ret_whom->addr, &why) != DFS_OK)
        return refuse(reply, "\"addr\": %s", why.text);
    return true;
}

static bool read_flag(json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);

    return value == NULL ? fallback : json_is_true(value);
}

static bool command_cut(struct dfs_faults *faults, json_t *object, struct dfs_conf_text *reply)
{
    static const char *const names[] = {"addr", "node", "in", "out"};
    struct dfs_fault_match whom;
    bool found;
    bool in;
    bool out;

    if (!only_keys(object, names, sizeof names / sizeof names[0], reply) || !read_whom(object, &whom, &found, reply))
        return false;
    if (!found)
        return refuse(reply, "cut: say whom, by \"addr\" or \"node\"");
    in = read_flag(object, "in", true);
    out = read_flag(object, "out", true);
    if (faults->cuts_count == DFS_REAL_CUTS_MAX || dfs_real_cut(faults->real, &whom, in, out) != DFS_OK)
        return refuse(reply, "cut: %d are set already; heal first", DFS_REAL_CUTS_MAX);
    faults->cuts[faults->cuts_count++] = whom;
    return true;
}

static bool command_reset(struct dfs_faults *faults, json_t *object, struct dfs_conf_text *reply)
{
    static const char *const names[] = {"addr", "node"};
    struct dfs_fault_match whom;
    bool found;

    if (!only_keys(object, names, sizeof names / sizeof names[0], reply) || !read_whom(object, &whom, &found, reply))
        return false;
    if (!found)
        return refuse(reply, "reset: say whom, by \"addr\" or \"node\"");
    dfs_conf_text_add(reply, "{\"ok\":true,\"streams\":%u}", dfs_real_reset(faults->real, &whom));
    return true;
}

static bool read_message(json_t *object, uint32_t *ret_message, struct dfs_conf_text *reply)
{
    const char *name = json_string_value(json_object_get(object, "message"));

    if (name == NULL)
        return true;
    if (!dfs_message_find(name, ret_message))
        return refuse(reply, "there is no message \"%s\"", dfs_quote_text(name).text);
    return true;
}

static bool read_odds(json_t *object, uint64_t *ret_odds, struct dfs_conf_text *reply)
{
    const json_t *value = json_object_get(object, "probability");
    int64_t ppb = DFS_SHARE_ONE;

    if (value != NULL && (!json_is_number(value) || !dfs_share_from_number(json_number_value(value), &ppb) || ppb < 0 ||
                          ppb > DFS_SHARE_ONE))
        return refuse(reply, "\"probability\" must be a number from 0 to 1");
    *ret_odds = (uint64_t)ppb * ODDS_ONE / (uint64_t)DFS_SHARE_ONE;
    return true;
}

static bool read_count(json_t *object, const char *key, uint64_t *ret_count, struct dfs_conf_text *reply)
{
    const json_t *value = json_object_get(object, key);

    if (value == NULL)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 1)
        return refuse(reply, "\"%s\" must be a whole number from 1", key);
    *ret_count = (uint64_t)json_integer_value(value);
    return true;
}

static bool command_rule(struct dfs_faults *faults, enum kind kind, json_t *object, struct dfs_conf_text *reply)
{
    static const char *const names[] = {"message", "addr", "node", "in", "out", "count", "nth", "probability", "by"};
    struct rule rule = {.kind = kind, .left = UINT64_MAX};
    const char *by = json_string_value(json_object_get(object, "by"));
    struct dfs_why why;
    int64_t by_ns = 0;

    if (!only_keys(object, names, sizeof names / sizeof names[0], reply) ||
        !read_message(object, &rule.message, reply) || !read_whom(object, &rule.whom, &rule.has_whom, reply) ||
        !read_odds(object, &rule.odds, reply) || !read_count(object, "count", &rule.left, reply) ||
        !read_count(object, "nth", &rule.nth, reply))
        return false;
    if (kind == DELAY && (by == NULL || dfs_duration_parse(by, &by_ns, &why) != DFS_OK || by_ns <= 0))
        return refuse(reply, "delay: \"by\" must be a duration such as \"200ms\"");
    if (kind == DROP && by != NULL)
        return refuse(reply, "drop: \"by\" belongs to delay");
    if (faults->rules_count == DFS_FAULT_RULES_MAX)
        return refuse(reply, "%d rules are set already; heal first", DFS_FAULT_RULES_MAX);
    rule.by_ns = (dfs_duration_ns)by_ns;
    rule.in = read_flag(object, "in", true);
    rule.out = read_flag(object, "out", true);
    faults->rules[faults->rules_count++] = rule;
    dfs_real_set_filter(faults->real, judge, faults);
    return true;
}

static void command_heal(struct dfs_faults *faults)
{
    for (size_t i = 0; i < faults->cuts_count; i++)
        if (dfs_real_cut(faults->real, &faults->cuts[i], false, false) != DFS_OK)
            break; /* taking a cut away needs no room: cannot happen */
    faults->cuts_count = 0;
    faults->rules_count = 0;
    dfs_real_set_filter(faults->real, NULL, NULL);
}

static void command_rules(const struct dfs_faults *faults, struct dfs_conf_text *reply)
{
    dfs_conf_text_add(reply, "{\"ok\":true,\"cuts\":%zu,\"rules\":[", faults->cuts_count);
    for (size_t i = 0; i < faults->rules_count; i++)
        dfs_conf_text_add(reply, "%s{\"seen\":%llu,\"hits\":%llu}", i > 0 ? "," : "",
                          (unsigned long long)faults->rules[i].seen, (unsigned long long)faults->rules[i].hits);
    dfs_conf_text_add(reply, "]}");
}

static void carry_out(struct dfs_faults *faults, const char *name, json_t *value, struct dfs_conf_text *reply)
{
    static const char *const names[] = {"cut", "reset", "drop", "delay", "heal", "rules", "seed"};
    bool good = true;

    if (strcmp(name, "cut") == 0) {
        good = command_cut(faults, value, reply);
    } else if (strcmp(name, "reset") == 0) {
        good = command_reset(faults, value, reply);
    } else if (strcmp(name, "drop") == 0) {
        good = command_rule(faults, DROP, value, reply);
    } else if (strcmp(name, "delay") == 0) {
        good = command_rule(faults, DELAY, value, reply);
    } else if (strcmp(name, "heal") == 0) {
        command_heal(faults);
    } else if (strcmp(name, "rules") == 0) {
        command_rules(faults, reply);
    } else if (strcmp(name, "seed") == 0) {
        faults->random = (uint64_t)json_integer_value(value) * 2 + 1; /* never 0, where xorshift stays */
    } else {
        good = refuse(reply, "unknown command \"%s\"%s", dfs_quote_text(name).text,
                      dfs_words_suggest(name, names, sizeof names / sizeof names[0]).text);
    }
    if (good && reply->count == 0)
        dfs_conf_text_add(reply, "{\"ok\":true}");
}

void dfs_faults_do(struct dfs_faults *faults, const char *line, struct dfs_conf_text *reply)
{
    json_error_t error;
    json_t *command = json_loads(line, JSON_REJECT_DUPLICATES, &error);

    if (command == NULL)
        (void)refuse(reply, "no JSON: %s", error.text);
    else if (!json_is_object(command) || json_object_size(command) != 1)
        (void)refuse(reply, "one command a line, such as {\"cut\":{\"addr\":\"127.0.0.1:7401\"}}");
    else
        carry_out(faults, json_object_iter_key(json_object_iter(command)),
                  json_object_iter_value(json_object_iter(command)), reply);
    json_decref(command);
}

void dfs_faults_line(void *ctx, struct dfs_ask *ask, const char *line)
{
    struct dfs_conf_text reply = {0};

    dfs_faults_do(ctx, line, &reply);
    dfs_ask_done(ask, &reply);
}

struct dfs_faults *dfs_faults_new(struct dfs_real *real)
{
    struct dfs_faults *faults = dfs_alloc_zero(sizeof *faults);

    faults->real = real;
    faults->random = 1;
    return faults;
}

void dfs_faults_free(struct dfs_faults *faults)
{
    if (faults == NULL)
        return;
    dfs_real_set_filter(faults->real, NULL, NULL);
    dfs_free(faults);
}

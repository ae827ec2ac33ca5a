#include "sim/scenario_internal.h"

#include "core/conf/words.h"
#include "core/wire/message.h"

#include <string.h>

#define AT(member) offsetof(struct sim_fault, member)
#define SEEN(member) DFS_KEY_SEEN_AT(struct sim_fault, member)
#define HOSTS_ROW(key, member, flags, ...) SIM_HOSTS_ROW(key, struct sim_fault, member, flags, __VA_ARGS__)
#define REST_OK .size = 1 /* see sim_hosts_read */

/* How much slower than healthy: a disk that retries, a machine that swaps. */
#define FACTOR_DEFAULT 10
#define FACTOR_MAX 1000000

/* Thirty years: beyond it a clock says 1970. */
#define OFFSET_MAX_NS (INT64_C(30) * 366 * 86400 * INT64_C(1000000000))

/* A delay that nobody gave: longer than any round trip, shorter than a heartbeat interval. */
#define DELAY_DEFAULT_NS (500 * INT64_C(1000000))

static const char *const kind_names[SIM_FAULT_COUNT] = {
#define X(name, text, drawn) text,
    SIM_FAULT_MAP(X)
#undef X
};

const char *sim_fault_name(enum sim_fault_kind kind)
{
    return kind_names[kind];
}

bool sim_fault_is_drawn(enum sim_fault_kind kind)
{
    static const bool drawn_kinds[SIM_FAULT_COUNT] = {
#define X(name, text, drawn) drawn,
        SIM_FAULT_MAP(X)
#undef X
    };

    return drawn_kinds[kind];
}

static const char *const event_names[SIM_EVENT_COUNT] = {
#define X(name, text) text,
    SIM_EVENT_MAP(X)
#undef X
};

const char *sim_event_name(enum sim_event event)
{
    return event_names[event];
}

/* ---- Triggers -------------------------------------------------------------------------------------------------------- */

#define VERB_WORDS "any|create|write|sync|publish|sync_dir|read|remove|list|space"

enum dfs_status sim_event_read(struct dfs_key_reader *reader, const struct dfs_json_node *node,
                               enum sim_event *ret_event)
{
    if (!json_is_string(node->value))
        return dfs_key_refuse(reader, node, "expected an event such as \"evicted\", found %s",
                              dfs_json_described(node->value).text);
    for (size_t i = 0; i < SIM_EVENT_COUNT; i++) {
        if (strcmp(event_names[i], json_string_value(node->value)) == 0) {
            *ret_event = (enum sim_event)i;
            return DFS_OK;
        }
    }
    return dfs_key_refuse(reader, node, "\"%s\" is no event%s", dfs_quote_text(json_string_value(node->value)).text,
                          dfs_words_suggest(json_string_value(node->value), event_names, SIM_EVENT_COUNT).text);
}

static enum dfs_status event_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                  const struct dfs_json_node *node, void *field)
{
    struct sim_fault *fault = field;

    (void)row;
    return sim_event_read(reader, node, &fault->on.event);
}

static const struct dfs_conf_key trigger_rows[] = {
    {.name = "event",
     .type = DFS_KEY_CUSTOM,
     .flags = DFS_KEY_REQUIRED,
     .offset = 0,
     .read = event_read,
     .words = "an event such as \"evicted\"",
     .schema = SIM_EVENT_SCHEMA,
     .help = "What is waited for."},
    HOSTS_ROW("host", on.host, 0, .help = "About whom; anybody when absent."),
    HOSTS_ROW("from", on.from, 0, .help = "Of a message: who sends it."),
    HOSTS_ROW("to", on.to, 0, .help = "Of a message: to whom."),
    {.name = "message",
     .type = DFS_KEY_CUSTOM,
     .offset = AT(on.message),
     .read = sim_message_read,
     .schema = SIM_MESSAGE_SCHEMA,
     .help = "Of a message: its name; any when absent."},
    {.name = "operation",
     .type = DFS_KEY_CHOICE,
     .offset = AT(on.operation),
     .words = VERB_WORDS,
     .help = "Of a disk_operation: which."},
    {.name = "nth",
     .type = DFS_KEY_COUNT,
     .offset = AT(on.nth),
     .min = 1,
     .help = "The how manieth; the first when absent."},
};

static enum dfs_status trigger_check(struct dfs_key_reader *reader, const struct dfs_json_node *object, void *base)
{
    struct sim_fault *fault = base;
    const bool is_message = fault->on.event == SIM_EVENT_MESSAGE;
    const bool is_disk = fault->on.event == SIM_EVENT_DISK_OPERATION;
    static const char *const of_messages[] = {"from", "to", "message"};

    for (size_t i = 0; i < sizeof of_messages / sizeof of_messages[0] && !is_message; i++) {
        const struct dfs_json_node *node = dfs_json_get(reader->doc, object, of_messages[i]);

        if (node != NULL)
            return dfs_json_refuse_key(reader->doc, node, reader->error, "belongs to the event \"message\"");
    }
    if (is_message && dfs_json_get(reader->doc, object, "host") != NULL)
        return dfs_json_refuse_key(reader->doc, dfs_json_get(reader->doc, object, "host"), reader->error,
                                   "does not go with the event \"message\", which has \"from\" and \"to\"");
    if (!is_disk && dfs_json_get(reader->doc, object, "operation") != NULL)
        return dfs_json_refuse_key(reader->doc, dfs_json_get(reader->doc, object, "operation"), reader->error,
                                   "belongs to the event \"disk_operation\"");
    if (fault->on.nth == 0)
        fault->on.nth = 1;
    return DFS_OK;
}

static const struct dfs_keytable trigger_table = {
    .name = "trigger", SIM_ROWS(trigger_rows), .help = "An event that starts a fault.", .check = trigger_check};

/* ---- Kinds that are objects -------------------------------------------------------------------------------------------- */

/* No row here has a default: all tables lie over the same struct. */

#define COUNT_ROW \
    { \
        .name = "count", .type = DFS_KEY_COUNT, .offset = AT(count), .min = 1, .help = "So many, then no more." \
    }
#define PROBABILITY_ROW \
    { \
        .name = "probability", .type = DFS_KEY_SHARE, .offset = AT(ppb), .seen = SEEN(ppb_seen), \
        .help = "Of each; all of them when absent." \
    }
#define FACTOR_ROW \
    { \
        .name = "factor", .type = DFS_KEY_COUNT, .offset = AT(factor), .min = 1, .max = FACTOR_MAX, \
        .help = "How many times slower." \
    }
#define HOST_ROW HOSTS_ROW("host", hosts, DFS_KEY_REQUIRED, .help = "Who.")

static const struct dfs_conf_key slow_rows[] = {HOST_ROW, FACTOR_ROW};
static const struct dfs_keytable slow_table = {.name = "slow", SIM_ROWS(slow_rows)};

static const struct dfs_conf_key clock_rows[] = {
    HOST_ROW,
    {.name = "offset",
     .type = DFS_KEY_DURATION,
     .offset = AT(offset_ns),
     .seen = SEEN(offset_seen),
     .min = -OFFSET_MAX_NS,
     .max = OFFSET_MAX_NS,
     .help = "Of wall time."},
    {.name = "drift_ppm",
     .type = DFS_KEY_COUNT,
     .offset = AT(drift_ppm),
     .seen = SEEN(drift_seen),
     .min = -500000,
     .max = 500000,
     .help = "Of both clocks."},
};
static const struct dfs_keytable clock_table = {.name = "clock", SIM_ROWS(clock_rows)};

static const struct dfs_conf_key rot_rows[] = {
    HOST_ROW,
    {.name = "blocks", .type = DFS_KEY_COUNT, .offset = AT(blocks), .min = 1, .help = "In how many files a bit flips."},
};
static const struct dfs_keytable rot_table = {.name = "bit_rot", SIM_ROWS(rot_rows)};

static const struct dfs_conf_key full_rows[] = {HOST_ROW};
static const struct dfs_keytable full_table = {.name = "disk_state", SIM_ROWS(full_rows)};

static const struct dfs_conf_key disk_slow_rows[] = {HOST_ROW, FACTOR_ROW};
static const struct dfs_keytable disk_slow_table = {.name = "disk_slow", SIM_ROWS(disk_slow_rows)};

static const struct dfs_conf_key reads_rows[] = {HOST_ROW, COUNT_ROW, PROBABILITY_ROW};
static const struct dfs_keytable reads_table = {.name = "disk_operations", SIM_ROWS(reads_rows)};

static const struct dfs_conf_key disk_error_rows[] = {
    HOST_ROW,
    COUNT_ROW,
    PROBABILITY_ROW,
    {.name = "operation",
     .type = DFS_KEY_CHOICE,
     .offset = AT(operation),
     .words = VERB_WORDS,
     .help = "Which operations; any when absent."},
};
static const struct dfs_keytable disk_error_table = {.name = "disk_error", SIM_ROWS(disk_error_rows)};

#define MESSAGE_ROW \
    { \
        .name = "message", .type = DFS_KEY_CUSTOM, .offset = AT(message), .read = sim_message_read, \
        .schema = SIM_MESSAGE_SCHEMA, .help = "Which message; any when absent." \
    }

#define MESSAGE_ROWS \
    HOSTS_ROW("from", from, 0, .help = "Who sends; anybody when absent."), \
        HOSTS_ROW("to", to, 0, .help = "To whom; anybody when absent."), MESSAGE_ROW, COUNT_ROW, PROBABILITY_ROW, \
    { \
        .name = "nth", .type = DFS_KEY_COUNT, .offset = AT(nth), .min = 1, \
        .help = "Only that one, counted from the fault's start." \
    }

static const struct dfs_conf_key message_rows[] = {MESSAGE_ROWS};
static const struct dfs_keytable message_table = {.name = "message_fault", SIM_ROWS(message_rows)};

static const struct dfs_conf_key delay_rows[] = {
    MESSAGE_ROWS,
    {.name = "by",
     .type = DFS_KEY_DURATION,
     .offset = AT(by_ns),
     .min = 1,
     .max = SIM_NETWORK_LATENCY_MAX_NS,
     .help = "How much later; 500ms when absent."},
};
static const struct dfs_keytable delay_table = {.name = "delay", SIM_ROWS(delay_rows)};

/* Of streams between hosts: those of the first to those of the second. */
static const struct dfs_conf_key ends_rows[] = {
    HOSTS_ROW("from", from, DFS_KEY_REQUIRED, .help = "Whose streams."),
    HOSTS_ROW("to", to, DFS_KEY_REQUIRED, .help = "With whom."),
};
static const struct dfs_keytable ends_table = {.name = "ends", SIM_ROWS(ends_rows)};

static const struct dfs_conf_key link_rows[] = {
    HOSTS_ROW("from", from, DFS_KEY_REQUIRED, .help = "Whose links."),
    HOSTS_ROW("to", to, DFS_KEY_REQUIRED, .help = "To whom; the way back is another link."),
    SIM_NETWORK_ROWS(struct sim_fault, network.),
};
static const struct dfs_keytable link_table = {.name = "link", SIM_ROWS(link_rows)};

static const struct dfs_conf_key forge_rows[] = {
    MESSAGE_ROW,
    HOSTS_ROW("as", hosts, 0, .help = "Who seems to send it."),
    COUNT_ROW,
};
static const struct dfs_keytable forge_table = {.name = "forge", SIM_ROWS(forge_rows)};

static const struct dfs_conf_key replay_rows[] = {
    MESSAGE_ROW,
    HOSTS_ROW("of", hosts, 0, .help = "Whose messages come again."),
    COUNT_ROW,
};
static const struct dfs_keytable replay_table = {.name = "replay", SIM_ROWS(replay_rows)};

static enum dfs_status kinds_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                  const struct dfs_json_node *node, void *field)
{
    uint32_t kinds = 0;

    (void)row;
    if (!json_is_array(node->value) || json_array_size(node->value) == 0)
        return dfs_key_refuse(reader, node, "expected a list of kinds of fault such as [\"crash\", \"pause\"]");
    for (const struct dfs_json_node *at = dfs_json_first(reader->doc, node); at != NULL;
         at = dfs_json_next(reader->doc, at)) {
        const char *word = json_is_string(at->value) ? json_string_value(at->value) : "";
        size_t kind = 0;

        while (kind < SIM_FAULT_COUNT && strcmp(kind_names[kind], word) != 0)
            kind++;
        if (kind == SIM_FAULT_COUNT)
            return dfs_key_refuse(reader, at, "%s is no kind of fault%s", dfs_json_described(at->value).text,
                                  dfs_words_suggest(word, kind_names, SIM_FAULT_COUNT).text);
        if (!sim_fault_is_drawn((enum sim_fault_kind)kind))
            return dfs_key_refuse(reader, at, "\"%s\" is not drawn at random: it needs words of its own", word);
        kinds |= UINT32_C(1) << kind;
    }
    memcpy(field, &kinds, sizeof kinds);
    return DFS_OK;
}

static const struct dfs_conf_key random_rows[] = {
    {.name = "kinds",
     .type = DFS_KEY_CUSTOM,
     .flags = DFS_KEY_REQUIRED,
     .offset = AT(random.kinds),
     .read = kinds_read,
     .words = "a list of kinds of fault such as [\"crash\", \"pause\"]",
     .schema = "{\"type\":\"array\",\"minItems\":1,\"items\":" SIM_KIND_SCHEMA "}",
     .help = "Kinds of fault to draw from."},
    {.name = "rate",
     .type = DFS_KEY_DECIMAL,
     .offset = AT(random.rate_millionths),
     .seen = SEEN(random.rate_seen),
     .min = 1,
     .max = 1000 * DFS_DECIMAL_ONE,
     .help = "Faults a second."},
    {.name = "count",
     .type = DFS_KEY_COUNT,
     .offset = AT(random.count),
     .seen = SEEN(random.count_seen),
     .min = 1,
     .max = 100000,
     .help = "Faults in all."},
    {.name = "from", .type = DFS_KEY_DURATION, .offset = AT(random.from_ns), .seen = SEEN(random.from_seen)},
    {.name = "to", .type = DFS_KEY_DURATION, .offset = AT(random.to_ns), .seen = SEEN(random.to_seen)},
    HOSTS_ROW("hosts", random.hosts, 0, .help = "Whom they hit; data servers when absent."),
};
static const struct dfs_keytable random_table = {.name = "random", SIM_ROWS(random_rows)};

/* ---- Kinds that are read by hand ----------------------------------------------------------------------------------------- */

/* HOST, or {"host": HOST, ...}: the object's table belongs to the row. */
static enum dfs_status host_or_object_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                           const struct dfs_json_node *node, void *field)
{
    struct sim_fault *fault = field;
    const struct dfs_key_part part = {row->table, fault};

    /* {"one_of": ...} and {"between": ...} are hosts that are drawn. */
    if (json_is_object(node->value) && dfs_json_get(reader->doc, node, "one_of") == NULL &&
        dfs_json_get(reader->doc, node, "between") == NULL)
        return dfs_keytable_read(reader, node, &part, 1);
    return sim_hosts_read(reader, row, node, &fault->hosts);
}

static enum dfs_status partition_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                      const struct dfs_json_node *node, void *field)
{
    const struct dfs_conf_key group = {
        .name = "group", .type = DFS_KEY_CUSTOM, .flags = DFS_KEY_FIXED, .read = sim_hosts_read, REST_OK};
    struct sim_fault *fault = field;

    (void)row;
    if (!json_is_array(node->value) || json_array_size(node->value) < 2 ||
        json_array_size(node->value) > SIM_GROUPS_MAX)
        return dfs_key_refuse(reader, node,
                              "expected a list of 2 to %d groups such as [[\"d1\", \"d2\"], \"rest\"], found %s",
                              SIM_GROUPS_MAX, dfs_json_described(node->value).text);
    for (const struct dfs_json_node *at = dfs_json_first(reader->doc, node); at != NULL;
         at = dfs_json_next(reader->doc, at)) {
        const enum dfs_status status = dfs_key_read(reader, &group, at, &fault->groups[fault->groups_count]);

        if (status != DFS_OK)
            return status;
        fault->groups_count++;
    }
    return DFS_OK;
}

/* [A, B], or {"from": A, "to": B}. */
static enum dfs_status ends_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                 const struct dfs_json_node *node, void *field)
{
    static const struct dfs_conf_key one = {
        .name = "hosts", .type = DFS_KEY_CUSTOM, .flags = DFS_KEY_FIXED, .read = sim_hosts_read};
    struct sim_fault *fault = field;
    const struct dfs_key_part part = {&ends_table, fault};

    (void)row;
    if (json_is_object(node->value))
        return dfs_keytable_read(reader, node, &part, 1);
    if (!json_is_array(node->value) || json_array_size(node->value) != 2)
        return dfs_key_refuse(reader, node, "expected two hosts such as [\"c1\", \"d2\"], found %s",
                              dfs_json_described(node->value).text);
    const struct dfs_json_node *first = dfs_json_first(reader->doc, node);
    const enum dfs_status status = dfs_key_read(reader, &one, first, &fault->from);

    return status != DFS_OK ? status : dfs_key_read(reader, &one, dfs_json_next(reader->doc, first), &fault->to);
}

/* true or {}, or the host that makes the keys. */
static enum dfs_status rotate_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                   const struct dfs_json_node *node, void *field)
{
    struct sim_fault *fault = field;

    if (json_is_true(node->value) || (json_is_object(node->value) && json_object_size(node->value) == 0)) {
        sim_host_refs_add(&fault->hosts, SIM_HOST_AUTH, 0);
        return DFS_OK;
    }
    const enum dfs_status status = sim_hosts_read(reader, row, node, &fault->hosts);

    if (status == DFS_OK && (fault->hosts.count != 1 || fault->hosts.refs[0].kind != SIM_HOST_AUTH))
        return dfs_key_refuse(reader, node, "only \"auth\" makes keys that can be rotated; write true or \"auth\"");
    return status;
}

/* ---- The fault ------------------------------------------------------------------------------------------------------------ */

#define KIND(NAME, text, type_word, ...) \
    { \
        .name = text, .type = type_word, .group = 1, .seen = SEEN(kinds_seen[SIM_FAULT_##NAME]), __VA_ARGS__ \
    }
#define BY_HAND(reader_function, schema_text) .offset = 0, .read = reader_function, .schema = schema_text
#define OF_HOSTS .flags = DFS_KEY_FIXED, .offset = AT(hosts), .read = sim_hosts_read, .schema = SIM_HOSTS_SCHEMA
#define HOST_OR(of_table, name) \
    .flags = DFS_KEY_FIXED, .offset = 0, .read = host_or_object_read, .table = &(of_table), \
    .schema = "{\"anyOf\":[" SIM_HOSTS_SCHEMA "," SIM_REF_SCHEMA(name) "]}"
#define ENDS \
    .flags = DFS_KEY_FIXED, .offset = 0, .read = ends_read, .table = &ends_table, \
    .schema = "{\"anyOf\":[{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":" SIM_HOSTS_SCHEMA \
              "}," SIM_REF_SCHEMA("ends") "]}"

static const struct dfs_conf_key rows[] = {
    KIND(CRASH, "crash", DFS_KEY_CUSTOM, OF_HOSTS,
         .help = "The host dies in the middle of everything; down until `restart`."),
    KIND(RESTART, "restart", DFS_KEY_CUSTOM, OF_HOSTS, .help = "The host is started on what its disk has."),
    KIND(PAUSE, "pause", DFS_KEY_CUSTOM, OF_HOSTS, .help = "As SIGSTOP."),
    KIND(SLOW, "slow", DFS_KEY_OBJECT, .offset = 0, .table = &slow_table,
         .help = "Every step of the host takes longer."),
    KIND(LEAVE, "leave", DFS_KEY_CUSTOM, OF_HOSTS, .help = "A clean stop."),
    KIND(PARTITION, "partition", DFS_KEY_CUSTOM,
         BY_HAND(partition_read, "{\"type\":\"array\",\"minItems\":2,\"maxItems\":8,\"items\":" SIM_HOSTS_SCHEMA "}"),
         .help = "Groups that do not hear each other."),
    KIND(LINK, "link", DFS_KEY_OBJECT, .offset = 0, .table = &link_table,
         .help = "Other properties for the links from some hosts to others; any key of `network`."),
    KIND(DROP, "drop", DFS_KEY_OBJECT, .offset = 0, .table = &message_table,
         .help = "Messages are lost; a stream is cut in front of one."),
    KIND(DUPLICATE, "duplicate", DFS_KEY_OBJECT, .offset = 0, .table = &message_table, .help = "Datagrams come twice."),
    KIND(DELAY, "delay", DFS_KEY_OBJECT, .offset = 0, .table = &delay_table, .help = "Messages come later."),
    KIND(CORRUPT, "corrupt", DFS_KEY_OBJECT, .offset = 0, .table = &message_table,
         .help = "A client's memory goes bad: one bit of a BLOCK_DATA is another than its checksum was made of."),
    KIND(RESET, "reset", DFS_KEY_CUSTOM, ENDS, .help = "Streams between two hosts end at once."),
    KIND(
        STALL, "stall", DFS_KEY_CUSTOM, ENDS,
        .help =
            "On the streams there are now, nothing from the first arrives at the second until `for` is over; nothing is lost."),
    KIND(
        HALF_OPEN, "half_open", DFS_KEY_CUSTOM, ENDS,
        .help =
            "On the streams there are now, nothing from the first ever arrives at the second again, and nobody is told."),
    KIND(CLOCK, "clock", DFS_KEY_OBJECT, .offset = 0, .table = &clock_table,
         .help = "A clock that is off, or runs at another speed."),
    KIND(BIT_ROT, "bit_rot", DFS_KEY_OBJECT, .offset = 0, .table = &rot_table, .help = "Stored blocks go bad."),
    KIND(DISK_FULL, "disk_full", DFS_KEY_CUSTOM, HOST_OR(full_table, "disk_state"), .help = "No room is left."),
    KIND(DISK_ERROR, "disk_error", DFS_KEY_OBJECT, .offset = 0, .table = &disk_error_table,
         .help = "Operations fail with IO."),
    KIND(DISK_SLOW, "disk_slow", DFS_KEY_CUSTOM, HOST_OR(disk_slow_table, "disk_slow"),
         .help = "Every operation takes longer."),
    KIND(DISK_VANISH, "disk_vanish", DFS_KEY_CUSTOM, HOST_OR(full_table, "disk_state"),
         .help = "An empty directory; open files fail, creating fails."),
    KIND(DISK_STALE, "disk_stale", DFS_KEY_CUSTOM, HOST_OR(reads_table, "disk_operations"),
         .help = "Reads see what was there before."),
    KIND(DISK_MISDIRECT, "disk_misdirect", DFS_KEY_CUSTOM, HOST_OR(reads_table, "disk_operations"),
         .help = "Reads see another place."),
    KIND(SYNC_ERROR, "sync_error", DFS_KEY_CUSTOM, HOST_OR(reads_table, "disk_operations"),
         .help = "Syncs fail, and drop what they should have kept."),
    KIND(IMPERSONATE, "impersonate", DFS_KEY_CUSTOM, OF_HOSTS,
         .help = "A second host with this one's identity, on a copy of its synced disk."),
    KIND(FORGE, "forge", DFS_KEY_OBJECT, .offset = 0, .table = &forge_table,
         .help = "Datagrams that somebody else made up."),
    KIND(REPLAY, "replay", DFS_KEY_OBJECT, .offset = 0, .table = &replay_table,
         .help = "Datagrams of the past come again."),
    KIND(ROTATE_KEYS, "rotate_keys", DFS_KEY_CUSTOM, BY_HAND(rotate_read, "{\"enum\":[true,\"auth\",{}]}"),
         .help = "Auth signs with a new key."),
    KIND(RANDOM, "random", DFS_KEY_OBJECT, .offset = 0, .table = &random_table, .help = "Faults that the seed draws."),

    {.name = "at", .type = DFS_KEY_DURATION, .offset = AT(at_ns), .seen = SEEN(at_seen), .help = "When it begins."},
    {.name = "on",
     .type = DFS_KEY_OBJECT,
     .offset = 0,
     .table = &trigger_table,
     .seen = SEEN(on_seen),
     .help = "Or what it waits for."},
    {.name = "after",
     .type = DFS_KEY_DURATION,
     .offset = AT(after_ns),
     .seen = SEEN(after_seen),
     .help = "So long after the event."},
    {.name = "every",
     .type = DFS_KEY_FLAG,
     .offset = AT(every),
     .seen = SEEN(every_seen),
     .help = "At every such event, not the first only."},
    {.name = "for",
     .type = DFS_KEY_DURATION,
     .offset = AT(for_ns),
     .seen = SEEN(for_seen),
     .min = 1,
     .help = "Undone after so long; never when absent."},
    {.name = "from",
     .type = DFS_KEY_DURATION,
     .offset = AT(random.from_ns),
     .seen = SEEN(from_seen),
     .help = "Of random faults."},
    {.name = "to",
     .type = DFS_KEY_DURATION,
     .offset = AT(random.to_ns),
     .seen = SEEN(to_seen),
     .help = "Of random faults."},
    {.name = "one_way",
     .type = DFS_KEY_FLAG,
     .offset = AT(one_way),
     .seen = SEEN(one_way_seen),
     .help = "Of a partition: only the first group's messages to the others are stopped."},
    {.name = "unsynced",
     .type = DFS_KEY_CHOICE,
     .offset = AT(unsynced),
     .seen = SEEN(unsynced_seen),
     .default_text = "seeded",
     .words = "lose|keep|torn|seeded",
     .help = "Of a crash: what becomes of bytes and names that no sync has covered."},
    {.name = "streams",
     .type = DFS_KEY_CHOICE,
     .offset = AT(streams),
     .seen = SEEN(streams_seen),
     .default_text = "default",
     .words = "default|silent|reset",
     .help = "Of a crash: as by loss of power, or as by the end of a process."},
};

/* ---- Rules ------------------------------------------------------------------------------------------------------------------ */

static enum dfs_status belongs(struct dfs_key_reader *reader, const struct dfs_json_node *object, const char *key,
                               const char *where)
{
    return dfs_json_refuse_key(reader->doc, dfs_json_get(reader->doc, object, key), reader->error, "belongs to %s",
                               where);
}

static enum dfs_status check_random(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                    struct sim_fault *fault)
{
    struct sim_random_faults *random = &fault->random;

    if (fault->at_seen || fault->on_seen)
        return belongs(reader, object, fault->at_seen ? "at" : "on",
                       "a single fault; random ones have \"from\" and \"to\"");
    if (fault->for_seen)
        return belongs(reader, object, "for", "a single fault; random ones last 1 to 10 s each");
    if (fault->after_seen || fault->every_seen)
        return belongs(reader, object, fault->after_seen ? "after" : "every", "a fault with \"on\"");
    if (random->rate_seen == random->count_seen)
        return dfs_key_refuse(reader, dfs_json_get(reader->doc, object, "random"),
                              "needs exactly one of the keys \"rate\", \"count\"");
    random->from_seen = random->from_seen || fault->from_seen;
    random->to_seen = random->to_seen || fault->to_seen;
    if (random->to_seen && random->to_ns <= random->from_ns)
        return dfs_key_refuse(reader, object, "random faults must end (\"to\") after they begin (\"from\")");
    if (random->hosts.count == 0)
        sim_host_refs_add(&random->hosts, SIM_HOST_ALL_DATA, 0);
    return DFS_OK;
}

/* Faults that are over as soon as they have happened. */
static bool is_momentary(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_RESTART || kind == SIM_FAULT_RESET || kind == SIM_FAULT_HALF_OPEN ||
           kind == SIM_FAULT_BIT_ROT || kind == SIM_FAULT_FORGE || kind == SIM_FAULT_REPLAY ||
           kind == SIM_FAULT_ROTATE_KEYS || kind == SIM_FAULT_IMPERSONATE || kind == SIM_FAULT_RANDOM;
}

static enum dfs_status check_times(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                   const struct sim_fault *fault)
{
    if (fault->at_seen && fault->on_seen)
        return dfs_json_refuse_key(reader->doc, dfs_json_get(reader->doc, object, "on"), reader->error,
                                   "stands beside \"at\"; only one of the two may be there");
    if (!fault->at_seen && !fault->on_seen)
        return dfs_key_refuse(reader, object, "needs one of the keys \"at\", \"on\"");
    if (!fault->on_seen && fault->after_seen)
        return belongs(reader, object, "after", "a fault with \"on\"");
    if (!fault->on_seen && fault->every_seen)
        return belongs(reader, object, "every", "a fault with \"on\"");
    if (fault->from_seen || fault->to_seen)
        return belongs(reader, object, fault->from_seen ? "from" : "to", "random faults");
    if (fault->for_seen && is_momentary(fault->kind))
        return dfs_json_refuse_key(reader->doc, dfs_json_get(reader->doc, object, "for"), reader->error,
                                   "cannot be undone: \"%s\" happens at one moment", sim_fault_name(fault->kind));
    return DFS_OK;
}

/* What cannot be done to these hosts; NULL: can be done to each of them, or to some of a set. */
static const char *impossible(enum sim_fault_kind kind, struct sim_host_ref ref)
{
    const bool is_client = ref.kind == SIM_HOST_CLIENT || ref.kind == SIM_HOST_ALL_CLIENTS;
    const bool is_data = ref.kind == SIM_HOST_DATA || ref.kind == SIM_HOST_ALL_DATA || ref.kind == SIM_HOST_ZONE;

    switch ((int)kind) {
    case SIM_FAULT_IMPERSONATE:
        return is_data ? NULL : "only data servers join with an identity";
    case SIM_FAULT_BIT_ROT:
    case SIM_FAULT_DISK_FULL:
    case SIM_FAULT_DISK_ERROR:
    case SIM_FAULT_DISK_SLOW:
    case SIM_FAULT_DISK_VANISH:
    case SIM_FAULT_DISK_STALE:
    case SIM_FAULT_DISK_MISDIRECT:
    case SIM_FAULT_SYNC_ERROR:
        return is_client ? "clients have no disk in this world" : NULL;
    default:
        return NULL;
    }
}

static enum dfs_status check_hosts(struct dfs_key_reader *reader, const struct dfs_json_node *value,
                                   const struct sim_fault *fault)
{
    char name[SIM_HOST_NAME_BYTES];

    for (uint32_t i = 0; i < fault->hosts.count; i++) {
        const char *why = impossible(fault->kind, fault->hosts.refs[i]);

        sim_host_ref_print(fault->hosts.refs[i], name);
        if (why != NULL)
            return dfs_key_refuse(reader, value, "\"%s\" of %s cannot be injected: %s", sim_fault_name(fault->kind),
                                  name, why);
    }
    return DFS_OK;
}

/* Who sends the datagrams that `forge` and `replay` are about. */
static enum dfs_status check_senders(struct dfs_key_reader *reader, const struct dfs_json_node *value,
                                     struct sim_fault *fault)
{
    const bool of_data = fault->message == DFS_MSG_HEARTBEAT;
    char name[SIM_HOST_NAME_BYTES];

    if (fault->hosts.count == 0)
        sim_host_refs_add(&fault->hosts, of_data ? SIM_HOST_ALL_DATA : SIM_HOST_META, 0);
    for (uint32_t i = 0; i < fault->hosts.count; i++) {
        const struct sim_host_ref ref = fault->hosts.refs[i];
        const bool fits =
            ref.kind == SIM_HOST_ALL ||
            (of_data ? ref.kind == SIM_HOST_DATA || ref.kind == SIM_HOST_ALL_DATA || ref.kind == SIM_HOST_ZONE
                     : ref.kind == SIM_HOST_META);

        sim_host_ref_print(ref, name);
        if (!fits)
            return dfs_key_refuse(reader, value, "\"%s\" of %s from %s cannot be injected: %s",
                                  sim_fault_name(fault->kind), dfs_message_name(fault->message), name,
                                  of_data ? "data servers send it" : "\"meta\" sends it");
    }
    return DFS_OK;
}

/* What a kind needs beyond its own table. */
static enum dfs_status check_kind(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                  struct sim_fault *fault)
{
    const enum sim_fault_kind kind = fault->kind;
    const struct dfs_json_node *value = dfs_json_get(reader->doc, object, sim_fault_name(kind));

    if (fault->one_way_seen && kind != SIM_FAULT_PARTITION)
        return belongs(reader, object, "one_way", "a partition");
    if ((fault->unsynced_seen || fault->streams_seen) && kind != SIM_FAULT_CRASH)
        return belongs(reader, object, fault->unsynced_seen ? "unsynced" : "streams", "a crash");
    if (fault->nth > 0 && (fault->ppb_seen || fault->count > 0))
        return dfs_key_refuse(reader, value, "\"nth\" stands beside \"%s\"; it is one message",
                              fault->ppb_seen ? "probability" : "count");
    if (kind == SIM_FAULT_CLOCK && !fault->offset_seen && !fault->drift_seen)
        return dfs_key_refuse(reader, value, "needs one of the keys \"offset\", \"drift_ppm\"");
    if (kind == SIM_FAULT_LINK && json_object_size(value->value) <= 2)
        return dfs_key_refuse(reader, value, "needs a key of \"network\" beside \"from\" and \"to\", such as \"loss\"");
    if (kind == SIM_FAULT_STALL && !fault->for_seen)
        return dfs_key_refuse(reader, object,
                              "the key \"for\" is missing; streams that are silent for ever are \"half_open\"");
    if ((kind == SIM_FAULT_SLOW || kind == SIM_FAULT_DISK_SLOW) && fault->factor == 0)
        fault->factor = FACTOR_DEFAULT;
    if (kind == SIM_FAULT_DELAY && fault->by_ns == 0)
        fault->by_ns = DELAY_DEFAULT_NS;
    if (kind == SIM_FAULT_BIT_ROT && fault->blocks == 0)
        fault->blocks = 1;
    if ((kind == SIM_FAULT_FORGE || kind == SIM_FAULT_REPLAY)) {
        if (fault->message == 0)
            fault->message = DFS_MSG_HEARTBEAT;
        if (fault->count == 0)
            fault->count = 1;
        if (fault->message != DFS_MSG_HEARTBEAT && fault->message != DFS_MSG_HEARTBEAT_ACK)
            return dfs_key_refuse(
                reader, value,
                "\"%s\" of %s cannot be injected: it travels in TLS; datagrams are HEARTBEAT and HEARTBEAT_ACK",
                sim_fault_name(kind), dfs_message_name(fault->message));
        return check_senders(reader, value, fault);
    }
    if (kind == SIM_FAULT_CORRUPT && fault->message == 0)
        fault->message = DFS_MSG_BLOCK_DATA;
    if (kind == SIM_FAULT_CORRUPT && fault->message != DFS_MSG_BLOCK_DATA)
        return dfs_key_refuse(reader, value,
                              "\"corrupt\" of %s cannot be injected: what is not block data travels as it was encoded",
                              dfs_message_name(fault->message));
    if (kind == SIM_FAULT_DUPLICATE && fault->message != 0 && fault->message != DFS_MSG_HEARTBEAT &&
        fault->message != DFS_MSG_HEARTBEAT_ACK)
        return dfs_key_refuse(
            reader, value,
            "\"duplicate\" of %s cannot be injected: streams repeat nothing; datagrams are HEARTBEAT and "
            "HEARTBEAT_ACK",
            dfs_message_name(fault->message));
    return DFS_OK;
}

static enum dfs_status check(struct dfs_key_reader *reader, const struct dfs_json_node *object, void *base)
{
    struct sim_fault *fault = base;
    enum dfs_status status;

    for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
        if (fault->kinds_seen[i])
            fault->kind = (enum sim_fault_kind)i;
    }
    fault->line = object->line;
    fault->triggered = fault->on_seen;
    if (fault->kind == SIM_FAULT_RANDOM)
        status = check_random(reader, object, fault);
    else
        status = check_times(reader, object, fault);
    if (status == DFS_OK)
        status = check_hosts(reader, dfs_json_get(reader->doc, object, sim_fault_name(fault->kind)), fault);
    return status == DFS_OK ? check_kind(reader, object, fault) : status;
}

const struct dfs_keytable sim_fault_table = {
    .name = "fault", SIM_ROWS(rows), .help = "Something goes wrong, at a time or at an event.", .check = check};

#include "sim/real.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/wire/message.h"
#include "net_sim/prf.h"
#include "sim/content.h"
#include "sim/run.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 512
#define WORD_BYTES 160 /* KEY=VALUE */

/* Between two looks at children, logs and the clock. */
#define TICK_NS (10 * DFS_MILLISECONDS)

/* A whole file of an operation lies in memory while it is checked; larger ones belong into the simulator. */
#define FILE_BYTES_MAX (256 * 1000 * 1000)

/* One command of a client, and the start or end of a cluster. */
#define COMMAND_LIMIT_NS (60 * DFS_SECONDS)

struct daemon {
    char name[16];
    char node[DFS_ID_TEXT_BYTES];
    int port;
    pid_t own; /* started again by us; 0: by `dfs local up` */
    bool up;
    long events_at; /* read up to here of its event log */
};

/* An operation that waits, runs, or is over. */
struct task {
    struct sim_operation *operation;
    const struct sim_work *work; /* NULL: of the audit */
    dfs_time_ns at;
    pid_t pid;
    bool audit;
};

struct moment { /* a fault begins or ends */
    dfs_time_ns at;
    size_t fault;
    bool ends;
};

struct heard { /* an event of the logs */
    enum sim_event event;
    uint32_t data; /* UINT32_MAX: none */
    dfs_time_ns at;
};

struct real {
    const struct sim_scenario *scenario;
    uint64_t seed;
    char bin[PATH_BYTES];
    char top[PATH_BYTES];
    struct daemon *daemons; /* auth, meta, d1.. as in the simulator's order */
    uint32_t daemons_count;
    dfs_time_ns zero;
    struct sim_ledger ledger;
    struct task *tasks;
    size_t tasks_count;
    size_t running;
    struct moment *moments;
    size_t moments_count;
    size_t moments_done;
    bool *fault_effect;
    dfs_time_ns fault_last;
    struct heard *heard;
    size_t heard_count;
    json_t *violations;
    json_t *evictions;
    uint64_t copies;
    uint64_t copy_bytes;
    dfs_time_ns copy_last;
    enum sim_verdict_kind verdict;
    dfs_time_ns replicated_at; /* all blocks whole after the last fault; DFS_NEVER */
    char reason[512];
};

/* The world ------------------------------------------------------------------------------------------------------------------ */

static dfs_time_ns now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (dfs_time_ns)now.tv_sec * DFS_SECONDS + (dfs_time_ns)now.tv_nsec;
}

static dfs_time_ns scenario_now(const struct real *real)
{
    return now_ns() - real->zero;
}

static void wait_ns(dfs_duration_ns length)
{
    const struct timespec pause = {.tv_sec = (time_t)(length / DFS_SECONDS), .tv_nsec = (long)(length % DFS_SECONDS)};

    (void)nanosleep(&pause, NULL);
}

static void path_of(const struct real *real, char *path, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void path_of(const struct real *real, char *path, const char *format, ...)
{
    char rest[PATH_BYTES / 2];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(rest, sizeof rest, format, values);
    va_end(values);
    DFS_ASSERT(strlen(real->top) + strlen(rest) + 2 < PATH_BYTES);
    (void)stpcpy(stpcpy(stpcpy(path, real->top), "/"), rest);
}

/* A process of one of our programs, its output and errors in files (NULL: nowhere). */
static pid_t start(const struct real *real, char *const argv[], const char *out, const char *err, bool append)
{
    char program[PATH_BYTES + 32];
    const pid_t pid = fork();

    if (pid != 0)
        return pid;
    const int flags = O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC);
    const int in_fd = open("/dev/null", O_RDONLY);
    const int out_fd = open(out != NULL ? out : "/dev/null", flags, 0600);
    const int err_fd = open(err != NULL ? err : "/dev/null", flags, 0600);

    (void)snprintf(program, sizeof program, "%s/%s", real->bin, argv[0]);
    if (in_fd < 0 || out_fd < 0 || err_fd < 0 || dup2(in_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(err_fd, 2) < 0)
        _exit(127);
    (void)execv(program, argv);
    _exit(127);
}

/* Its exit code; -1: still running after the limit (killed), or by a signal. */
static int finish(pid_t pid, dfs_duration_ns limit)
{
    const dfs_time_ns end = now_ns() + limit;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now_ns() > end) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return -1;
        }
        wait_ns(TICK_NS);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *slurp(const char *path, size_t *ret_count)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long size;

    *ret_count = 0;
    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && size <= FILE_BYTES_MAX &&
        fseek(file, 0, SEEK_SET) == 0) {
        bytes = dfs_alloc((size_t)size + 1);
        *ret_count = fread(bytes, 1, (size_t)size, file);
        bytes[*ret_count] = '\0';
    }
    (void)fclose(file);
    return bytes;
}

static json_t *slurp_json(const char *path)
{
    size_t count;
    char *text = slurp(path, &count);
    json_t *json = text == NULL ? NULL : json_loadb(text, count, 0, NULL);

    dfs_free(text);
    return json;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static void violation(struct real *real, const char *checker, const char *message)
{
    (void)json_array_append_new(real->violations, json_pack("{s:s, s:I, s:n, s:s}", "checker", checker, "at_ms",
                                                            (json_int_t)(scenario_now(real) / DFS_MILLISECONDS), "host",
                                                            "message", message));
    real->verdict = SIM_FAIL;
}

/* What has a real form -------------------------------------------------------------------------------------------------------------- */

static bool fault_is_real(enum sim_fault_kind kind)
{
    switch ((int)kind) {
    case SIM_FAULT_CRASH:
    case SIM_FAULT_RESTART:
    case SIM_FAULT_PAUSE:
    case SIM_FAULT_PARTITION:
    case SIM_FAULT_DROP:
        return true;
    default:
        return false;
    }
}

static bool work_is_real(const struct sim_work *work)
{
    static const uint32_t kinds = 1u << SIM_OP_PUT | 1u << SIM_OP_GET | 1u << SIM_OP_STAT | 1u << SIM_OP_LIST |
                                  1u << SIM_OP_MOVE | 1u << SIM_OP_REMOVE;

    if (!work->is_mix)
        return (kinds >> work->kind & 1u) != 0 && work->token == SIM_TOKEN_GOOD;
    for (unsigned kind = 0; kind < SIM_OP_COUNT; kind++) {
        if (work->weights[kind] > 0 && (kinds >> kind & 1u) == 0)
            return false;
    }
    return true;
}

/* NULL: all of it can be done here. */
static const char *no_form(const struct sim_scenario *scenario, char *words, size_t room)
{
    for (size_t i = 0; i < scenario->faults_count; i++) {
        const struct sim_fault *fault = &scenario->faults[i];
        const char *name = sim_fault_name(fault->kind);

        if (!fault_is_real(fault->kind))
            (void)snprintf(
                words, room,
                "line %u: the fault \"%s\" has no real form (crash, restart, pause, partition and drop have)",
                fault->line, name);
        else if (fault->triggered)
            (void)snprintf(
                words, room,
                "line %u: a fault that waits for an event (\"on\") has no real form; give it a time (\"at\")",
                fault->line);
        else
            continue;
        return words;
    }
    for (size_t i = 0; i < scenario->works_count; i++) {
        if (!work_is_real(&scenario->works[i])) {
            (void)snprintf(
                words, room,
                "line %u: this step has no real form (put, get, stat, list, move and remove with a good token have)",
                scenario->works[i].line);
            return words;
        }
    }
    return NULL;
}

/* The cluster ------------------------------------------------------------------------------------------------------------------------ */

/* KEY=VALUE for every setting that is not the default. What only scenarios may go below (scrypt_n) keeps the product's least. */
static size_t settings_words(const struct dfs_settings *settings, char words[][WORD_BYTES], size_t room)
{
    struct dfs_settings plain;
    size_t count = 0;

    dfs_settings_init(&plain);
    for (size_t i = 0; i < DFS_SETTING_COUNT && count < room; i++) {
        const struct dfs_conf_key *row = &dfs_settings_table.rows[i];
        int64_t low;
        int64_t high;

        if (!dfs_key_is_number(row) || dfs_key_get(row, settings) == dfs_key_get(row, &plain))
            continue;
        dfs_key_range(row, false, &low, &high);
        int64_t value = dfs_key_get(row, settings);

        value = value < low ? low : value;
        (void)snprintf(words[count++], WORD_BYTES, "%s=%s", row->name, dfs_key_value_text(row, value).text);
    }
    return count;
}

static bool cluster_read(struct real *real)
{
    char path[PATH_BYTES];

    path_of(real, path, "cluster/cluster.json");
    json_t *cluster = slurp_json(path);
    json_t *list = json_object_get(cluster, "daemons");
    size_t index;
    json_t *each;

    real->daemons_count = 2 + (uint32_t)real->scenario->cluster.data;
    real->daemons = dfs_alloc_zero(real->daemons_count * sizeof *real->daemons);
    json_array_foreach(list, index, each)
    {
        const char *name = json_string_value(json_object_get(each, "name"));
        const char *node = json_string_value(json_object_get(each, "node"));
        struct sim_host_ref ref;
        uint32_t number;

        if (name == NULL || node == NULL || !sim_host_ref_parse(name, &ref))
            continue;
        number = ref.kind == SIM_HOST_AUTH ? 0 : ref.kind == SIM_HOST_META ? 1 : 2 + ref.index;
        if (number >= real->daemons_count)
            continue;
        struct daemon *daemon = &real->daemons[number];

        (void)snprintf(daemon->name, sizeof daemon->name, "%s", name);
        (void)snprintf(daemon->node, sizeof daemon->node, "%s", node);
        daemon->port = (int)json_integer_value(json_object_get(each, "port"));
        daemon->up = true;
    }
    json_decref(cluster);
    for (uint32_t i = 0; i < real->daemons_count; i++) {
        if (real->daemons[i].port == 0)
            return false;
    }
    return true;
}

static bool cluster_up(struct real *real, struct dfs_why *ret_why)
{
    static char words[DFS_SETTING_COUNT][WORD_BYTES];
    const size_t settings = settings_words(&real->scenario->cluster.settings, words, DFS_SETTING_COUNT);
    char cluster[PATH_BYTES];
    char err[PATH_BYTES];
    char data[16];
    char *argv[12 + 2 * DFS_SETTING_COUNT];
    size_t argc = 0;
    size_t count;

    path_of(real, cluster, "cluster");
    path_of(real, err, "up.err");
    (void)snprintf(data, sizeof data, "%u", (unsigned)real->scenario->cluster.data);
    char *const fixed[] = {(char[]){"dfs"},    (char[]){"local"},
                           (char[]){"up"},     (char[]){"--faults"},
                           (char[]){"--data"}, data,
                           (char[]){"--dir"},  cluster};

    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        argv[argc++] = fixed[i];
    char option[] = "--config";

    for (size_t i = 0; i < settings; i++) {
        argv[argc++] = option;
        argv[argc++] = words[i];
    }
    argv[argc] = NULL;
    const int code = finish(start(real, argv, NULL, err, false), COMMAND_LIMIT_NS);

    if (code == 0 && cluster_read(real))
        return true;
    char *said = slurp(err, &count);

    dfs_why_set(ret_why, "dfs local up: exit %d: %s", code, said == NULL ? "" : dfs_quote_text(said).text);
    dfs_free(said);
    return false;
}

static pid_t daemon_pid(const struct real *real, const struct daemon *daemon)
{
    char path[PATH_BYTES];
    size_t count;

    if (daemon->own != 0)
        return daemon->own;
    path_of(real, path, "cluster/%s.pid", daemon->name);
    char *text = slurp(path, &count);
    const pid_t pid = text == NULL ? 0 : (pid_t)strtol(text, NULL, 10);

    dfs_free(text);
    return pid;
}

static void daemon_start(struct real *real, struct daemon *daemon, uint32_t number)
{
    char program[24];
    char config[PATH_BYTES];
    char fault[PATH_BYTES];
    char events[PATH_BYTES];
    char log[PATH_BYTES];
    char pid_file[PATH_BYTES];
    char words[][16] = {"--config", "--fault-socket", "--event-log"};

    (void)snprintf(program, sizeof program, "dfs-%s", number == 0 ? "auth" : number == 1 ? "meta" : "data");
    path_of(real, config, "cluster/%s.json", daemon->name);
    path_of(real, fault, "cluster/%s.fault", daemon->name);
    path_of(real, events, "cluster/%s.events", daemon->name);
    path_of(real, log, "cluster/%s.log", daemon->name);
    path_of(real, pid_file, "cluster/%s.pid", daemon->name);
    char *const argv[] = {program, words[0], config, words[1], fault, words[2], events, NULL};

    daemon->own = start(real, argv, log, log, true);
    daemon->up = true;
    FILE *file = fopen(pid_file, "w"); /* so that `dfs local down` finds it */

    if (file != NULL) {
        (void)fprintf(file, "%d\n", (int)daemon->own);
        (void)fclose(file);
    }
}

static void daemon_kill(struct real *real, struct daemon *daemon)
{
    const pid_t pid = daemon_pid(real, daemon);

    if (pid > 0)
        (void)kill(pid, SIGKILL);
    if (daemon->own != 0)
        (void)waitpid(daemon->own, NULL, 0);
    daemon->own = 0;
    daemon->up = false;
}

/* One line to a fault socket; true when it was carried out. */
static bool fault_say(const struct real *real, const struct daemon *daemon, const char *line)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[PATH_BYTES];
    char reply[512];
    const struct timeval limit = {.tv_sec = 5};
    ssize_t count = -1;

    path_of(real, path, "cluster/%s.fault", daemon->name);
    if (!daemon->up || strlen(path) >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        write(fd, line, strlen(line)) == (ssize_t)strlen(line))
        count = read(fd, reply, sizeof reply - 1);
    (void)close(fd);
    if (count <= 0)
        return false;
    reply[count] = '\0';
    return strstr(reply, "\"ok\":true") != NULL || strstr(reply, "\"ok\": true") != NULL;
}

/* Faults -------------------------------------------------------------------------------------------------------------------------------- */

static void hosts_of(const struct real *real, const struct sim_host_refs *refs, struct sim_host_set *set)
{
    memset(set, 0, sizeof *set);
    sim_host_refs_expand(refs, sim_scenario_hosts(real->scenario), set);
}

/* Everything that `a` sends to `b`, and (unless one_way) what b sends to a: said at both ends, streams by node, datagrams by address. */
static bool cut(struct real *real, uint32_t a, uint32_t b, bool one_way)
{
    const struct daemon *ends[2] = {&real->daemons[a], &real->daemons[b]};
    bool done = false;

    for (unsigned side = 0; side < 2; side++) {
        const char *out = one_way && side == 1 ? "false" : "true";
        const char *in = one_way && side == 0 ? "false" : "true";
        char line[256];

        (void)snprintf(line, sizeof line, "{\"cut\":{\"addr\":\"127.0.0.1:%d\",\"in\":%s,\"out\":%s}}\n",
                       ends[1 - side]->port, in, out);
        done |= fault_say(real, ends[side], line);
        (void)snprintf(line, sizeof line, "{\"cut\":{\"node\":\"%s\",\"in\":%s,\"out\":%s}}\n", ends[1 - side]->node,
                       in, out);
        done |= fault_say(real, ends[side], line);
    }
    return done;
}

static bool partition(struct real *real, const struct sim_fault *fault)
{
    struct sim_host_set groups[SIM_GROUPS_MAX];
    uint32_t rest = UINT32_MAX;
    bool done = false;

    for (uint32_t g = 0; g < fault->groups_count; g++) {
        hosts_of(real, &fault->groups[g], &groups[g]);
        for (uint32_t i = 0; i < fault->groups[g].count; i++) {
            if (fault->groups[g].refs[i].kind == SIM_HOST_REST)
                rest = g;
        }
    }
    for (uint32_t i = 0; rest != UINT32_MAX && i < real->daemons_count; i++) {
        bool named = false;

        for (uint32_t g = 0; g < fault->groups_count; g++)
            named |= g != rest && sim_host_set_has(&groups[g], i);
        if (!named)
            sim_host_set_add(&groups[rest], i);
    }
    for (uint32_t g = 0; g < fault->groups_count; g++) {
        for (uint32_t h = g + 1; h < fault->groups_count; h++) {
            if (fault->one_way && g != 0)
                continue;
            for (uint32_t a = 0; a < real->daemons_count; a++) {
                for (uint32_t b = 0; b < real->daemons_count; b++) {
                    if (a != b && sim_host_set_has(&groups[g], a) && sim_host_set_has(&groups[h], b))
                        done |= cut(real, a, b, fault->one_way);
                }
            }
        }
    }
    return done;
}

static bool drop(struct real *real, const struct sim_fault *fault)
{
    struct sim_host_set from;
    struct sim_host_set to;
    bool done = false;

    hosts_of(real, &fault->from, &from);
    hosts_of(real, &fault->to, &to);
    for (uint32_t a = 0; a < real->daemons_count; a++) {
        if (fault->from.count > 0 && !sim_host_set_has(&from, a))
            continue;
        for (uint32_t b = 0; b < real->daemons_count; b++) {
            char line[512];
            int at;

            if (a == b || (fault->to.count > 0 ? !sim_host_set_has(&to, b) : b != (a == 1 ? 2 : 1)))
                continue;
            at = snprintf(line, sizeof line, "{\"drop\":{\"out\":true,\"in\":false");
            if (fault->message != 0)
                at += snprintf(line + at, sizeof line - (size_t)at, ",\"message\":\"%s\"",
                               dfs_message_name(fault->message));
            if (fault->to.count > 0)
                at +=
                    snprintf(line + at, sizeof line - (size_t)at, ",\"addr\":\"127.0.0.1:%d\"", real->daemons[b].port);
            if (fault->count > 0)
                at += snprintf(line + at, sizeof line - (size_t)at, ",\"count\":%" PRId64, fault->count);
            if (fault->nth > 0)
                at += snprintf(line + at, sizeof line - (size_t)at, ",\"nth\":%" PRId64, fault->nth);
            if (fault->ppb > 0 || fault->ppb_seen)
                at += snprintf(line + at, sizeof line - (size_t)at, ",\"probability\":%.9f", (double)fault->ppb / 1e9);
            (void)snprintf(line + at, sizeof line - (size_t)at, "}}\n");
            done |= fault_say(real, &real->daemons[a], line);
        }
    }
    return done;
}

static void fault_begin(struct real *real, size_t index)
{
    const struct sim_fault *fault = &real->scenario->faults[index];
    struct sim_host_set hosts;
    bool done = false;

    hosts_of(real, &fault->hosts, &hosts);
    if (fault->kind == SIM_FAULT_PARTITION)
        done = partition(real, fault);
    else if (fault->kind == SIM_FAULT_DROP)
        done = drop(real, fault);
    for (uint32_t i = 0; i < real->daemons_count; i++) {
        struct daemon *daemon = &real->daemons[i];

        if (!sim_host_set_has(&hosts, i))
            continue;
        if (fault->kind == SIM_FAULT_CRASH && daemon->up) {
            daemon_kill(real, daemon);
            done = true;
        } else if (fault->kind == SIM_FAULT_RESTART && !daemon->up) {
            daemon_start(real, daemon, i);
            done = true;
        } else if (fault->kind == SIM_FAULT_PAUSE && daemon->up) {
            done |= kill(daemon_pid(real, daemon), SIGSTOP) == 0;
        }
    }
    real->fault_effect[index] |= done;
    real->fault_last = scenario_now(real);
}

static void fault_end(struct real *real, size_t index)
{
    const struct sim_fault *fault = &real->scenario->faults[index];
    struct sim_host_set hosts;

    hosts_of(real, &fault->hosts, &hosts);
    for (uint32_t i = 0; i < real->daemons_count; i++) {
        struct daemon *daemon = &real->daemons[i];

        if (fault->kind == SIM_FAULT_PARTITION || fault->kind == SIM_FAULT_DROP)
            (void)fault_say(real, daemon, "{\"heal\":{}}\n");
        else if (sim_host_set_has(&hosts, i) && fault->kind == SIM_FAULT_CRASH && !daemon->up)
            daemon_start(real, daemon, i);
        else if (sim_host_set_has(&hosts, i) && fault->kind == SIM_FAULT_PAUSE && daemon->up)
            (void)kill(daemon_pid(real, daemon), SIGCONT);
    }
    real->fault_last = scenario_now(real);
}

static int moment_compare(const void *left, const void *right)
{
    const struct moment *a = left;
    const struct moment *b = right;

    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->fault < b->fault ? -1 : a->fault > b->fault;
}

static void moments_make(struct real *real)
{
    real->moments = dfs_alloc_zero((2 * real->scenario->faults_count + 1) * sizeof *real->moments);
    real->fault_effect = dfs_alloc_zero(real->scenario->faults_count + 1);
    for (size_t i = 0; i < real->scenario->faults_count; i++) {
        const struct sim_fault *fault = &real->scenario->faults[i];

        real->moments[real->moments_count++] = (struct moment){(dfs_time_ns)fault->at_ns, i, false};
        if (fault->for_ns > 0)
            real->moments[real->moments_count++] =
                (struct moment){(dfs_time_ns)(fault->at_ns + fault->for_ns), i, true};
    }
    qsort(real->moments, real->moments_count, sizeof *real->moments, moment_compare);
}

/* Events -------------------------------------------------------------------------------------------------------------------------------- */

static void event_line(struct real *real, const char *line, size_t count)
{
    json_t *event = json_loadb(line, count, 0, NULL);
    const char *name = json_string_value(json_object_get(event, "event"));
    const char *node = json_string_value(json_object_get(event, "node"));
    enum sim_event kind = SIM_EVENT_COUNT;
    uint32_t data = UINT32_MAX;

    for (unsigned i = 0; name != NULL && i < SIM_EVENT_COUNT; i++) {
        if (strcmp(name, sim_event_name((enum sim_event)i)) == 0)
            kind = (enum sim_event)i;
    }
    for (uint32_t i = 2; node != NULL && i < real->daemons_count; i++) {
        if (strcmp(node, real->daemons[i].node) == 0)
            data = i - 2;
    }
    if (kind == SIM_EVENT_REPAIR_DONE && json_object_get(event, "status") == NULL) {
        real->copies++;
        real->copy_bytes += (uint64_t)json_integer_value(json_object_get(event, "a"));
        real->copy_last = scenario_now(real);
    }
    if (kind == SIM_EVENT_EVICTED && data != UINT32_MAX)
        (void)json_array_append_new(real->evictions,
                                    json_pack("{s:s, s:I}", "host", real->daemons[data + 2].name, "at_ms",
                                              (json_int_t)(scenario_now(real) / DFS_MILLISECONDS)));
    if (kind != SIM_EVENT_COUNT) {
        real->heard = dfs_realloc_array(real->heard, real->heard_count + 1, sizeof *real->heard);
        real->heard[real->heard_count++] = (struct heard){kind, data, scenario_now(real)};
    }
    json_decref(event);
}

/* What has come to the event logs since the last look. `skip`: of the time before 0. */
static void events_read(struct real *real, bool skip)
{
    for (uint32_t i = 0; i < real->daemons_count; i++) {
        struct daemon *daemon = &real->daemons[i];
        char path[PATH_BYTES];
        char *line = NULL;
        size_t room = 0;
        ssize_t count;

        path_of(real, path, "cluster/%s.events", daemon->name);
        FILE *file = fopen(path, "r");

        if (file == NULL)
            continue;
        if (fseek(file, daemon->events_at, SEEK_SET) == 0) {
            while ((count = getline(&line, &room, file)) > 0 && line[count - 1] == '\n') {
                daemon->events_at += count;
                if (!skip)
                    event_line(real, line, (size_t)count);
            }
        }
        free(line);
        (void)fclose(file);
    }
}

/* Operations ------------------------------------------------------------------------------------------------------------------------------ */

static uint64_t draw(const struct real *real, uint64_t stream, uint64_t number, uint64_t count)
{
    return sim_below(sim_prf(sim_mix(real->seed, stream), 7, number), count);
}

static struct task *task_add(struct real *real, dfs_time_ns at)
{
    real->tasks = dfs_realloc_array(real->tasks, real->tasks_count + 1, sizeof *real->tasks);
    real->tasks[real->tasks_count] = (struct task){.at = at};
    return &real->tasks[real->tasks_count++];
}

static void file_of(const struct real *real, char *path, const struct sim_operation *operation, const char *what)
{
    path_of(real, path, "op-%" PRIu64 ".%s", operation->number, what);
}

static bool source_write(const struct real *real, const struct sim_operation *put)
{
    char path[PATH_BYTES];
    uint8_t bytes[65536];
    bool good = true;

    file_of(real, path, put, "source");
    FILE *file = fopen(path, "wb");

    for (uint64_t at = 0; file != NULL && at < put->size_bytes;) {
        const size_t part = put->size_bytes - at < sizeof bytes ? (size_t)(put->size_bytes - at) : sizeof bytes;

        sim_content_fill(put->key, at, bytes, part);
        good &= fwrite(bytes, 1, part, file) == part;
        at += part;
    }
    return file != NULL && fclose(file) == 0 && good;
}

/* Starts the process of an operation that was asked. */
static void task_start(struct real *real, struct task *task)
{
    struct sim_operation *operation = task->operation;

    DFS_ASSERT(operation != NULL);
    char source[PATH_BYTES];
    char target[PATH_BYTES];
    char out[PATH_BYTES];
    char err[PATH_BYTES];
    char profile[PATH_BYTES];
    char words[][16] = {"dfs", "--profile", "put", "get", "stat", "ls", "mv", "rm", "--json", "-r"};
    char *argv[10];
    size_t argc = 0;

    file_of(real, source, operation, "source");
    file_of(real, target, operation, "target");
    file_of(real, out, operation, "out");
    file_of(real, err, operation, "err");
    path_of(real, profile, "cluster/profile.json");
    (void)setenv("DFS_PROFILE", profile, 1);
    argv[argc++] = words[0];
    switch ((int)operation->kind) {
    case SIM_OP_PUT:
        (void)source_write(real, operation); /* what is missing, the program says */
        argv[argc++] = words[2];
        argv[argc++] = words[8];
        argv[argc++] = source;
        argv[argc++] = operation->path->name;
        break;
    case SIM_OP_GET:
        argv[argc++] = words[3];
        argv[argc++] = operation->path->name;
        argv[argc++] = target;
        break;
    case SIM_OP_STAT:
        argv[argc++] = words[4];
        argv[argc++] = words[8];
        argv[argc++] = operation->path->name;
        break;
    case SIM_OP_LIST:
        argv[argc++] = words[5];
        argv[argc++] = words[9];
        break;
    case SIM_OP_MOVE:
        argv[argc++] = words[6];
        argv[argc++] = words[8];
        argv[argc++] = operation->path->name;
        argv[argc++] = operation->to_path->name;
        break;
    default:
        argv[argc++] = words[7];
        argv[argc++] = words[8];
        argv[argc++] = operation->path->name;
        break;
    }
    argv[argc] = NULL;
    task->pid = start(real, argv, out, err, false);
    real->running++;
}

/* The status in "dfs: put a/b: NOT_FOUND: ..."; INTERNAL when there is none. */
static enum dfs_status status_said(const char *err)
{
    enum dfs_status status = DFS_INTERNAL;
    const char *at = err;
    char word[48];

    while (at != NULL && (at = strstr(at, ": ")) != NULL) {
        size_t length = strspn(at + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

        at += 2;
        if (length > 0 && length < sizeof word && (at[length] == ':' || at[length] == '\n')) {
            memcpy(word, at, length);
            word[length] = '\0';
            if (dfs_status_find(word, &status))
                return status;
        }
    }
    return status;
}

/* The PUT whose bytes these are; NULL: nobody's. */
static const struct sim_operation *put_of(const struct real *real, const struct sim_operation *get)
{
    for (size_t i = real->ledger.operations_count; i > 0; i--) {
        const struct sim_operation *put = real->ledger.operations[i - 1];

        if (put->kind == SIM_OP_PUT && put->size_bytes == get->got_bytes &&
            sim_content_is(put->key, 0, get->got, (size_t)get->got_bytes))
            return put;
    }
    return NULL;
}

static bool was_moved_to(const struct real *real, const struct sim_path *path)
{
    for (size_t i = 0; i < real->ledger.operations_count; i++) {
        if (real->ledger.operations[i]->kind == SIM_OP_MOVE && real->ledger.operations[i]->to_path == path)
            return true;
    }
    return false;
}

/* `dfs get` names no version: the bytes do. A path that something was moved to has versions that no PUT was given. */
static uint64_t get_take(struct real *real, struct sim_operation *get, struct dfs_id *ret_file)
{
    char path[PATH_BYTES];
    size_t count;

    file_of(real, path, get, "target");
    char *bytes = slurp(path, &count);

    if (bytes == NULL)
        return get->floor_version;
    sim_ledger_got(get, 0, (const uint8_t *)bytes, count);
    get->got_all = true;
    dfs_free(bytes);
    const struct sim_operation *put = put_of(real, get);

    if (put == NULL)
        return get->floor_version;
    *ret_file = put->file;
    if (put->version == 0 || put->path != get->path || was_moved_to(real, get->path))
        return put->version > get->floor_version ? put->version : get->floor_version;
    return put->version;
}

static void task_end(struct real *real, struct task *task, int exit_status)
{
    struct sim_operation *operation = task->operation;
    struct sim_ledger_violation broken;
    enum dfs_status status = DFS_OK;
    struct dfs_id file = {{0}};
    uint64_t version = 0;
    char path[PATH_BYTES];
    size_t count;

    task->pid = 0;
    real->running--;
    if (!WIFEXITED(exit_status) || WEXITSTATUS(exit_status) != 0) {
        file_of(real, path, operation, "err");
        char *said = slurp(path, &count);

        status = status_said(said);
        dfs_free(said);
    }
    file_of(real, path, operation, "out");
    json_t *facts = slurp_json(path);

    if (json_is_array(facts)) {
        json_t *first = json_incref(json_array_get(facts, 0));

        json_decref(facts);
        facts = first;
    }
    version = (uint64_t)json_integer_value(json_object_get(facts, "version"));
    const char *id = json_string_value(json_object_get(facts, "file"));

    if (id != NULL)
        (void)dfs_id_parse(id, &file);
    json_decref(facts);
    if (operation->kind == SIM_OP_GET && status == DFS_OK)
        version = get_take(real, operation, &file);
    if ((operation->kind == SIM_OP_MOVE || operation->kind == SIM_OP_REMOVE) && version == 0)
        version = operation->floor_version;
    if (!sim_ledger_answer(&real->ledger, operation, scenario_now(real), status, version,
                           dfs_id_is_zero(&file) ? NULL : &file, &broken))
        violation(real, broken.checker, broken.text);
    for (unsigned i = 0; i < 4; i++) {
        file_of(real, path, operation, (const char *const[]){"source", "target", "out", "err"}[i]);
        (void)unlink(path);
    }
}

static struct sim_operation *ask(struct real *real, enum sim_operation_kind kind, const char *path, const char *to_path,
                                 uint64_t size)
{
    struct sim_operation *operation = sim_ledger_ask(&real->ledger, kind, 0, path, to_path, scenario_now(real));

    if (kind == SIM_OP_PUT)
        sim_ledger_put(&real->ledger, operation, sim_mix(real->seed, operation->number), size);
    return operation;
}

static void mix_ask(struct real *real, struct task *task, uint64_t number)
{
    const struct sim_work *work = task->work;
    const uint64_t stream = (uint64_t)(work - real->scenario->works) + 1;
    int64_t sum = 0;
    unsigned kind = 0;
    char path[64];
    char to_path[64];

    for (unsigned i = 0; i < SIM_OP_COUNT; i++)
        sum += work->weights[i];
    int64_t left = (int64_t)draw(real, stream, 8 * number, (uint64_t)sum);

    while (left >= work->weights[kind])
        left -= work->weights[kind++];
    (void)snprintf(path, sizeof path, "mix-%" PRIu64 "/%" PRIu64, stream,
                   draw(real, stream, 8 * number + 1, (uint64_t)work->paths));
    (void)snprintf(to_path, sizeof to_path, "mix-%" PRIu64 "/%" PRIu64, stream,
                   draw(real, stream, 8 * number + 2, (uint64_t)work->paths));
    const uint64_t width = dfs_spread_width(&work->size);
    const uint64_t size = (uint64_t)dfs_spread_at(&work->size, draw(real, stream, 8 * number + 3, width));

    task->operation = ask(real, (enum sim_operation_kind)kind, path, kind == SIM_OP_MOVE ? to_path : NULL, size);
}

static void tasks_make(struct real *real)
{
    for (size_t i = 0; i < real->scenario->works_count; i++) {
        const struct sim_work *work = &real->scenario->works[i];

        if (!work->is_mix) {
            task_add(real, (dfs_time_ns)work->at_ns)->work = work;
            continue;
        }
        const int64_t to =
            work->to_ns > 0 && work->to_ns < real->scenario->duration_ns ? work->to_ns : real->scenario->duration_ns;
        const int64_t step =
            work->rate_millionths > 0 ? (int64_t)(UINT64_C(1000000000000000) / (uint64_t)work->rate_millionths) : to;

        for (int64_t at = work->from_ns; at<to; at += step> 0 ? step : 1)
            task_add(real, (dfs_time_ns)at)->work = work;
    }
}

static void task_ask(struct real *real, struct task *task)
{
    const struct sim_work *work = task->work;

    if (task->audit)
        return;
    if (work->is_mix) {
        mix_ask(real, task, (uint64_t)(task - real->tasks));
        return;
    }
    const uint64_t size = (uint64_t)dfs_spread_at(
        &work->size, draw(real, 0, (uint64_t)(work - real->scenario->works), dfs_spread_width(&work->size)));

    task->operation = ask(real, work->kind, work->path, work->kind == SIM_OP_MOVE ? work->to_path : NULL, size);
    task->operation->step = (uint32_t)(work - real->scenario->works);
}

static void tasks_step(struct real *real)
{
    for (size_t i = 0; i < real->tasks_count; i++) {
        struct task *task = &real->tasks[i];
        int status;

        if (task->pid > 0 && waitpid(task->pid, &status, WNOHANG) == task->pid)
            task_end(real, task, status);
        if (task->pid == 0 && (task->operation == NULL || (task->audit && task->operation->answered_at == DFS_NEVER)) &&
            task->at <= scenario_now(real) && real->running < SIM_REAL_RUNNING_MAX) {
            task_ask(real, task);
            task_start(real, task);
        }
    }
}

static void step(struct real *real)
{
    while (real->moments_done < real->moments_count && real->moments[real->moments_done].at <= scenario_now(real)) {
        const struct moment *moment = &real->moments[real->moments_done++];

        if (moment->ends)
            fault_end(real, moment->fault);
        else
            fault_begin(real, moment->fault);
    }
    tasks_step(real);
    events_read(real, false);
    wait_ns(TICK_NS);
}

static bool all_answered(const struct real *real)
{
    for (size_t i = 0; i < real->tasks_count; i++) {
        if (real->tasks[i].operation == NULL || real->tasks[i].operation->answered_at == DFS_NEVER)
            return false;
    }
    return true;
}

/* Rest ---------------------------------------------------------------------------------------------------------------------------------------- */

/* A `dfs` command's JSON; NULL when it failed. */
static json_t *facts_of(struct real *real, const char *verb, const char *path)
{
    char words[][16] = {"dfs", "", "--json"};
    char name[DFS_PATH_BYTES_MAX + 1] = "";
    char out[PATH_BYTES];

    (void)snprintf(words[1], sizeof words[1], "%s", verb);
    (void)snprintf(name, sizeof name, "%s", path == NULL ? "" : path);
    path_of(real, out, "facts.out");
    char *const argv[] = {words[0], words[1], words[2], path == NULL ? NULL : name, NULL};

    return finish(start(real, argv, out, NULL, false), COMMAND_LIMIT_NS) == 0 ? slurp_json(out) : NULL;
}

/* Has every block of every file that must be there as many copies on ACTIVE servers as it can have? */
static bool all_whole(struct real *real)
{
    json_t *nodes = facts_of(real, "nodes", NULL);
    int64_t active = 0;
    bool whole = nodes != NULL;
    size_t index;
    json_t *each;

    json_array_foreach(nodes, index, each) active +=
        strcmp(json_string_value(json_object_get(each, "state")), "ACTIVE") == 0;
    json_decref(nodes);
    const int64_t wanted =
        active < real->scenario->cluster.settings.replication ? active : real->scenario->cluster.settings.replication;

    for (size_t i = 0; whole && i < real->ledger.paths_count; i++) {
        const struct sim_path *path = real->ledger.paths[i];

        if (!sim_path_must_exist(path))
            continue;
        json_t *stat = facts_of(real, "stat", path->name);

        whole = stat != NULL;
        json_array_foreach(json_object_get(stat, "blocks"), index, each)
        {
            size_t copy;
            json_t *replica;
            int64_t copies = 0;

            json_array_foreach(json_object_get(each, "replicas"), copy, replica) copies +=
                strcmp(json_string_value(json_object_get(replica, "state")), "ACTIVE") == 0;
            whole &= copies >= wanted;
        }
        json_decref(stat);
    }
    return whole && active > 0;
}

static void settle(struct real *real)
{
    const dfs_time_ns end = scenario_now(real) + (dfs_duration_ns)real->scenario->settle_ns;

    while (scenario_now(real) < end) {
        step(real);
        if (all_answered(real) && all_whole(real)) {
            real->replicated_at = scenario_now(real);
            return;
        }
    }
    real->verdict = real->verdict == SIM_FAIL ? SIM_FAIL : SIM_STUCK;
    (void)snprintf(real->reason, sizeof real->reason, "%s",
                   all_answered(real) ? "blocks lack copies" : "operations are not answered");
}

/* Every file that must be there is read back. */
static void audit(struct real *real)
{
    const size_t paths = real->ledger.paths_count;

    for (size_t i = 0; i < paths; i++) {
        const struct sim_path *path = real->ledger.paths[i];

        if (!sim_path_must_exist(path))
            continue;
        struct task *task = task_add(real, scenario_now(real));

        task->audit = true;
        task->operation = ask(real, SIM_OP_GET, path->name, NULL, 0);
    }
    const dfs_time_ns end = scenario_now(real) + COMMAND_LIMIT_NS;

    while (!all_answered(real) && scenario_now(real) < end)
        step(real);
    for (size_t i = 0; i < real->tasks_count; i++) {
        char text[DFS_PATH_BYTES_MAX + 64];

        if (!real->tasks[i].audit || real->tasks[i].operation->status == DFS_OK)
            continue;
        (void)snprintf(text, sizeof text, "\"%s\" cannot be read back: %s", real->tasks[i].operation->path->name,
                       dfs_status_name(real->tasks[i].operation->status));
        violation(real, "acked_data", text);
    }
}

/* Expectations ------------------------------------------------------------------------------------------------------------------------------------ */

static bool heard_within(const struct real *real, enum sim_event event, uint32_t data, dfs_time_ns from, dfs_time_ns to)
{
    for (size_t i = 0; i < real->heard_count; i++) {
        const struct heard *heard = &real->heard[i];

        if (heard->event == event && (data == UINT32_MAX || heard->data == data) && heard->at >= from &&
            heard->at <= to)
            return true;
    }
    return false;
}

static uint64_t heard_count(const struct real *real, const struct sim_expect *expect)
{
    uint64_t count = 0;

    if (expect->event == SIM_EVENT_PUT_ACKNOWLEDGED)
        return real->ledger.put_acknowledged;
    for (size_t i = 0; i < real->heard_count; i++)
        count += real->heard[i].event == expect->event;
    return count;
}

static bool each_host(const struct real *real, const struct sim_expect *expect, enum sim_event event, bool wanted)
{
    const dfs_time_ns from =
        (dfs_time_ns)expect->from_ns > SIM_REAL_SLACK_NS ? (dfs_time_ns)expect->from_ns - SIM_REAL_SLACK_NS : 0;
    const dfs_time_ns to = dfs_time_add((dfs_time_ns)expect->to_ns, SIM_REAL_SLACK_NS);
    struct sim_host_set hosts;

    hosts_of(real, &expect->hosts, &hosts);
    for (uint32_t i = 2; i < real->daemons_count; i++) {
        if (sim_host_set_has(&hosts, i) &&
            heard_within(real, event, i - 2, wanted ? from : 0, wanted ? to : DFS_NEVER) != wanted)
            return false;
    }
    return true;
}

static const struct sim_operation *step_operation(const struct real *real, const char *id)
{
    for (size_t i = 0; i < real->ledger.operations_count; i++) {
        const struct sim_operation *operation = real->ledger.operations[i];

        if (operation->step != UINT32_MAX && strcmp(real->scenario->works[operation->step].id, id) == 0)
            return operation;
    }
    return NULL;
}

static bool expected(const struct real *real, const struct sim_expect *expect)
{
    switch (expect->kind) {
    case SIM_EXPECT_EVICTED:
        return each_host(real, expect, SIM_EVENT_EVICTED, true);
    case SIM_EXPECT_JOINED:
        return each_host(real, expect, SIM_EVENT_JOINED, true);
    case SIM_EXPECT_NEVER_EVICTED:
        return each_host(real, expect, SIM_EVENT_EVICTED, false);
    case SIM_EXPECT_REPLICATED:
        /* Looked at from the end of the scenario on: what was whole before is whole then. */
        return real->replicated_at != DFS_NEVER &&
               real->replicated_at <=
                   dfs_time_max((dfs_time_ns)expect->by_ns, (dfs_time_ns)real->scenario->duration_ns) +
                       3 * SIM_REAL_SLACK_NS;
    case SIM_EXPECT_READABLE:
        return real->verdict != SIM_FAIL; /* the audit reads everything */
    case SIM_EXPECT_OPERATION: {
        const struct sim_operation *operation = step_operation(real, expect->id);

        for (uint32_t i = 0; operation != NULL && i < expect->statuses_count; i++) {
            if (operation->answered_at != DFS_NEVER && operation->status == expect->statuses[i])
                return true;
        }
        return false;
    }
    case SIM_EXPECT_REPAIRS:
        return real->copies <= (uint64_t)expect->at_most && real->copies >= (uint64_t)expect->at_least;
    case SIM_EXPECT_EVENT:
        return heard_count(real, expect) >= (uint64_t)expect->at_least &&
               heard_count(real, expect) <= (uint64_t)expect->at_most;
    case SIM_EXPECT_COUNT:
        break;
    }
    dfs_unreachable("expected");
}

static json_t *judge(struct real *real)
{
    json_t *expectations = json_array();
    json_t *operations = json_object();

    for (size_t i = 0; i < real->scenario->expects_count; i++) {
        const bool ok = expected(real, &real->scenario->expects[i]);
        char words[64];

        (void)snprintf(words, sizeof words, "line %u did not come about", real->scenario->expects[i].line);
        (void)json_array_append_new(expectations, json_pack("{s:I, s:b, s:n, s:o}", "index", (json_int_t)i, "ok", ok,
                                                            "at_ms", "message", ok ? json_null() : json_string(words)));
        if (!ok)
            real->verdict = SIM_FAIL;
    }
    for (size_t i = 0; real->verdict == SIM_PASS && i < real->scenario->faults_count; i++) {
        if (!real->fault_effect[i]) {
            real->verdict = SIM_VACUOUS;
            (void)snprintf(real->reason, sizeof real->reason, "fault %zu (line %u, %s) never took effect", i,
                           real->scenario->faults[i].line, sim_fault_name(real->scenario->faults[i].kind));
        }
    }
    if (real->verdict == SIM_PASS && real->ledger.asked[SIM_OP_PUT] > 0 && real->ledger.put_acknowledged == 0)
        real->verdict = SIM_VACUOUS;
    for (unsigned kind = 0; kind < SIM_OP_COUNT; kind++) {
        if (real->ledger.asked[kind] > 0)
            (void)json_object_set_new(operations, sim_operation_name((enum sim_operation_kind)kind),
                                      json_pack("{s:I, s:I}", "ok", (json_int_t)real->ledger.ok[kind], "failed",
                                                (json_int_t)real->ledger.failed[kind]));
    }
    json_t *result =
        json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:O, s:o, s:o, s:O, s:{s:I, s:I, s:I}, s:{s:b}}", "scenario",
                  real->scenario->name, "seed", (json_int_t)real->seed, "verdict", sim_verdict_name(real->verdict),
                  "trace_hash", "", "virtual_ms", (json_int_t)(scenario_now(real) / DFS_MILLISECONDS), "events",
                  (json_int_t)real->heard_count, "messages", (json_int_t)0, "violations", real->violations,
                  "expectations", expectations, "operations", operations, "evictions", real->evictions, "repairs",
                  "copies", (json_int_t)real->copies, "bytes", (json_int_t)real->copy_bytes, "last_at_ms",
                  (json_int_t)(real->copy_last / DFS_MILLISECONDS), "stats", "real", 1);

    if (real->reason[0] != '\0')
        (void)json_object_set_new(result, "reason", json_string(real->reason));
    return result;
}

/* The whole --------------------------------------------------------------------------------------------------------------------------------------- */

static void cluster_down(struct real *real)
{
    char cluster[PATH_BYTES];
    char words[][16] = {"dfs", "local", "down", "--dir"};

    for (uint32_t i = 0; i < real->daemons_count; i++) {
        if (real->daemons[i].up && daemon_pid(real, &real->daemons[i]) > 0)
            (void)kill(daemon_pid(real, &real->daemons[i]), SIGCONT); /* what is paused cannot leave */
        if (real->daemons[i].own != 0) {
            (void)kill(real->daemons[i].own, SIGTERM);
            (void)finish(real->daemons[i].own, COMMAND_LIMIT_NS);
        }
    }
    path_of(real, cluster, "cluster");
    char *const argv[] = {words[0], words[1], words[2], words[3], cluster, NULL};

    (void)finish(start(real, argv, NULL, NULL, false), COMMAND_LIMIT_NS);
    (void)nftw(real->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void real_free(struct real *real)
{
    sim_ledger_close(&real->ledger);
    dfs_free(real->daemons);
    dfs_free(real->tasks);
    dfs_free(real->moments);
    dfs_free(real->fault_effect);
    dfs_free(real->heard);
    json_decref(real->violations);
    json_decref(real->evictions);
}

json_t *sim_real_run(const struct sim_scenario *scenario, uint64_t seed, const char *program, struct dfs_why *ret_why,
                     int *ret_code)
{
    struct real real = {.scenario = scenario, .seed = seed, .replicated_at = DFS_NEVER, .verdict = SIM_PASS};
    const char *slash = strrchr(program, '/');
    const char *temporary = getenv("TMPDIR");
    char words[256];
    json_t *result = NULL;

    *ret_code = 2;
    if (no_form(scenario, words, sizeof words) != NULL) {
        dfs_why_set(ret_why, "%s", words);
        return NULL;
    }
    *ret_code = 7;
    (void)snprintf(real.bin, sizeof real.bin, "%.*s", slash == NULL ? 1 : (int)(slash - program),
                   slash == NULL ? "." : program);
    (void)snprintf(real.top, sizeof real.top, "%s/dfs-sim-XXXXXX", temporary == NULL ? "/tmp" : temporary);
    if (mkdtemp(real.top) == NULL) {
        dfs_why_set(ret_why, "%s: %s", real.top, strerror(errno));
        return NULL;
    }
    sim_ledger_init(&real.ledger);
    real.violations = json_array();
    real.evictions = json_array();
    if (cluster_up(&real, ret_why)) {
        events_read(&real, true);
        real.zero = now_ns();
        moments_make(&real);
        tasks_make(&real);
        while (scenario_now(&real) < (dfs_time_ns)scenario->duration_ns)
            step(&real);
        settle(&real);
        audit(&real);
        result = judge(&real);
    }
    cluster_down(&real);
    real_free(&real);
    return result;
}

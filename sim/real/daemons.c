#include "sim/real/daemons.h"

#include "core/base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a daemon may take to answer its fault socket. */
#define SAY_LIMIT_S 5

/* The start --------------------------------------------------------------------------------------------------------- */

#define WORD_BYTES 160 /* KEY=VALUE */

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

/* One daemon of cluster.json. */
static void daemon_read(struct sim_real_daemons *daemons, const json_t *facts)
{
    const char *name = json_string_value(json_object_get(facts, "name"));
    const char *node = json_string_value(json_object_get(facts, "node"));
    struct sim_host_ref ref;

    if (name == NULL || node == NULL || !sim_host_ref_parse(name, &ref))
        return;
    const uint32_t number = ref.kind == SIM_HOST_AUTH ? 0 : ref.kind == SIM_HOST_META ? 1 : 2 + ref.index;

    if (number >= daemons->count)
        return;
    struct sim_real_daemon *daemon = &daemons->list[number];

    (void)snprintf(daemon->name, sizeof daemon->name, "%s", name);
    (void)snprintf(daemon->node, sizeof daemon->node, "%s", node);
    daemon->port = (int)json_integer_value(json_object_get(facts, "port"));
    daemon->up = true;
}

/* False: some daemon of the scenario is not among those that stand. */
static bool cluster_read(struct sim_real_daemons *daemons)
{
    char path[SIM_REAL_PATH_BYTES];

    sim_real_path(daemons->site, path, "cluster/cluster.json");
    json_t *cluster = sim_real_slurp_json(path);
    size_t index;
    json_t *each;

    daemons->count = 2 + (uint32_t)daemons->scenario->cluster.data;
    daemons->list = dfs_alloc_zero(daemons->count * sizeof *daemons->list);
    json_array_foreach(json_object_get(cluster, "daemons"), index, each) daemon_read(daemons, each);
    json_decref(cluster);
    for (uint32_t i = 0; i < daemons->count; i++) {
        if (daemons->list[i].port == 0)
            return false;
    }
    return true;
}

enum dfs_status sim_real_daemons_up(struct sim_real_daemons *daemons, const struct sim_real_site *site,
                                    const struct sim_scenario *scenario, struct dfs_why *ret_why)
{
    char settings[DFS_SETTING_COUNT][WORD_BYTES];
    const size_t settings_count = settings_words(&scenario->cluster.settings, settings, DFS_SETTING_COUNT);
    char cluster[SIM_REAL_PATH_BYTES];
    char profile[SIM_REAL_PATH_BYTES];
    char err[SIM_REAL_PATH_BYTES];
    char data[16];
    const char *words[SIM_REAL_WORDS_MAX] = {"dfs", "local", "up", "--faults", "--data", data, "--dir", cluster};
    size_t words_count = 8;
    size_t said_bytes;

    _Static_assert(8 + 2 * DFS_SETTING_COUNT < SIM_REAL_WORDS_MAX, "every setting can be said");
    *daemons = (struct sim_real_daemons){.site = site, .scenario = scenario};
    sim_real_path(site, cluster, "cluster");
    sim_real_path(site, err, "up.err");
    (void)snprintf(data, sizeof data, "%u", (unsigned)scenario->cluster.data);
    for (size_t i = 0; i < settings_count; i++) {
        words[words_count++] = "--config";
        words[words_count++] = settings[i];
    }
    const pid_t pid = sim_real_start(site, words, (struct sim_real_output){.err = err});
    const int code = sim_real_finish(pid, SIM_REAL_COMMAND_LIMIT_NS);

    if (code == 0 && cluster_read(daemons)) {
        sim_real_path(site, profile, "cluster/profile.json");
        (void)setenv("DFS_PROFILE", profile, 1);
        return DFS_OK;
    }
    char *said = sim_real_slurp(err, &said_bytes);

    dfs_why_set(ret_why, "dfs local up: exit %d: %s", code, said == NULL ? "" : dfs_quote_text(said).text);
    dfs_free(said);
    return DFS_IO;
}

/* One process ------------------------------------------------------------------------------------------------------- */

/* 0: none is known. */
static pid_t daemon_pid(const struct sim_real_daemons *daemons, uint32_t number)
{
    const struct sim_real_daemon *daemon = &daemons->list[number];
    char path[SIM_REAL_PATH_BYTES];
    size_t count;

    if (daemon->own != 0)
        return daemon->own;
    sim_real_path(daemons->site, path, "cluster/%s.pid", daemon->name);
    char *text = sim_real_slurp(path, &count);
    const pid_t pid = text == NULL ? 0 : (pid_t)strtol(text, NULL, 10);

    dfs_free(text);
    return pid;
}

bool sim_real_daemon_signal(const struct sim_real_daemons *daemons, uint32_t number, int signal_number)
{
    const pid_t pid = daemon_pid(daemons, number);

    return pid > 0 && kill(pid, signal_number) == 0;
}

void sim_real_daemon_kill(struct sim_real_daemons *daemons, uint32_t number)
{
    struct sim_real_daemon *daemon = &daemons->list[number];

    (void)sim_real_daemon_signal(daemons, number, SIGKILL);
    if (daemon->own != 0)
        (void)waitpid(daemon->own, NULL, 0);
    daemon->own = 0;
    daemon->up = false;
}

void sim_real_daemon_start(struct sim_real_daemons *daemons, uint32_t number)
{
    struct sim_real_daemon *daemon = &daemons->list[number];
    const char *program = number == 0 ? "dfs-auth" : number == 1 ? "dfs-meta" : "dfs-data";
    char config[SIM_REAL_PATH_BYTES];
    char fault[SIM_REAL_PATH_BYTES];
    char events[SIM_REAL_PATH_BYTES];
    char log[SIM_REAL_PATH_BYTES];
    char pid_file[SIM_REAL_PATH_BYTES];
    const char *words[] = {program, "--config", config, "--fault-socket", fault, "--event-log", events, NULL};

    sim_real_path(daemons->site, config, "cluster/%s.json", daemon->name);
    sim_real_path(daemons->site, fault, "cluster/%s.fault", daemon->name);
    sim_real_path(daemons->site, events, "cluster/%s.events", daemon->name);
    sim_real_path(daemons->site, log, "cluster/%s.log", daemon->name);
    sim_real_path(daemons->site, pid_file, "cluster/%s.pid", daemon->name);
    daemon->own = sim_real_start(daemons->site, words, (struct sim_real_output){log, log, true});
    daemon->up = true;
    FILE *file = fopen(pid_file, "w"); /* so that `dfs local down` finds it */

    if (file != NULL) {
        (void)fprintf(file, "%d\n", (int)daemon->own);
        (void)fclose(file);
    }
}

bool sim_real_daemon_say(const struct sim_real_daemons *daemons, uint32_t number, const char *line)
{
    const struct sim_real_daemon *daemon = &daemons->list[number];
    const struct timeval limit = {.tv_sec = SAY_LIMIT_S};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[SIM_REAL_PATH_BYTES];
    char reply[512];
    ssize_t count = -1;

    sim_real_path(daemons->site, path, "cluster/%s.fault", daemon->name);
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

void sim_real_hosts(const struct sim_real_daemons *daemons, const struct sim_host_refs *refs,
                    struct sim_host_set *ret_set)
{
    memset(ret_set, 0, sizeof *ret_set);
    sim_host_refs_expand(refs, sim_scenario_hosts(daemons->scenario), ret_set);
}

/* The end ----------------------------------------------------------------------------------------------------------- */

void sim_real_daemons_down(struct sim_real_daemons *daemons)
{
    char cluster[SIM_REAL_PATH_BYTES];
    const char *words[] = {"dfs", "local", "down", "--dir", cluster, NULL};

    for (uint32_t i = 0; i < daemons->count; i++) {
        struct sim_real_daemon *daemon = &daemons->list[i];

        if (daemon->up)
            (void)sim_real_daemon_signal(daemons, i, SIGCONT); /* what is paused cannot leave */
        if (daemon->own != 0) {
            (void)kill(daemon->own, SIGTERM);
            (void)sim_real_finish(daemon->own, SIM_REAL_COMMAND_LIMIT_NS);
        }
    }
    sim_real_path(daemons->site, cluster, "cluster");
    const pid_t pid = sim_real_start(daemons->site, words, (struct sim_real_output){.out = NULL});

    (void)sim_real_finish(pid, SIM_REAL_COMMAND_LIMIT_NS);
    dfs_free(daemons->list);
}

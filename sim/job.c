#include "sim/job.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/coverage.h"
#include "sim/html.h"
#include "sim/pcap.h"
#include "sim/perfetto.h"
#include "sim/record.h"
#include "sim/swarm.h"
#include "sim/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* A line of a failed assertion: file, line, function, condition. */
#define PANIC_BYTES 1024

/* For the record of a run that a signal ends. */
#define LAST_SECONDS 10

/* Sources ------------------------------------------------------------------------------------------------------------------ */

enum dfs_status sim_source_load(struct sim_source *source, const char *file, struct dfs_why *ret_why)
{
    *source = (struct sim_source){.file = file};
    if (strcmp(file, "swarm") == 0 && access(file, F_OK) != 0)
        return DFS_OK;
    return sim_file_load(file, &source->bytes, &source->count, ret_why);
}

void sim_source_close(struct sim_source *source)
{
    dfs_free(source->bytes);
    *source = (struct sim_source){0};
}

/* "sim/scenarios/crash-one-node.json": crash-one-node */
static void name_after(const char *file, char name[SIM_NAME_BYTES])
{
    const char *slash = strrchr(file, '/');
    const char *stem = slash != NULL ? slash + 1 : file;
    const char *dot = strrchr(stem, '.');
    const size_t count = dot != NULL && dot != stem ? (size_t)(dot - stem) : strlen(stem);

    (void)snprintf(name, SIM_NAME_BYTES, "%.*s", (int)(count < SIM_NAME_BYTES ? count : SIM_NAME_BYTES - 1), stem);
}

enum dfs_status sim_source_read(const struct sim_source *source, uint64_t seed, struct sim_scenario *ret_scenario,
                                struct dfs_conf_error *ret_error)
{
    if (source->bytes == NULL) {
        sim_swarm_draw(seed, ret_scenario);
        return DFS_OK;
    }
    const enum dfs_status status =
        sim_scenario_read(ret_scenario, source->file, source->bytes, source->count, seed, ret_error);

    if (status == DFS_OK && ret_scenario->name[0] == '\0')
        name_after(source->file, ret_scenario->name);
    return status;
}

/* In the child ---------------------------------------------------------------------------------------------------------------- */

struct attachments {
    const struct sim_job *job;
    struct sim_run *run; /* while it runs */
    FILE *trace_stream;
    struct sim_trace_file *trace;
    struct sim_html *html;
    FILE *pcap_stream;
    struct sim_pcap *pcap;
    FILE *perfetto_stream;
    struct sim_perfetto *perfetto;
    struct sim_record *record;
};

static char *panic_line;            /* the page shared with the parent; the hooks have no argument */
static struct attachments *at_work; /* of a run that is recorded */

/* The run ends here, in the middle of a step: the record as far as it came. */
static void write_last(void)
{
    struct attachments *attachments = at_work;

    at_work = NULL; /* should that fail too */
    if (attachments != NULL && attachments->record != NULL)
        /* on_signal says why: NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c) */
        (void)sim_record_write(attachments->record, attachments->run, attachments->job->record_file);
}

static void panic_note(const char *line)
{
    (void)snprintf(panic_line, PANIC_BYTES, "%s", line);
    write_last();
}

/* Not what a handler may do by the book, but there is nothing left to lose: at worst the file is not written, and an alarm ends it. */
static void on_signal(int number)
{
    (void)signal(number, SIG_DFL);
    (void)alarm(LAST_SECONDS);
    write_last();
    (void)raise(number);
}

static void attach(struct sim_run *run, void *arg)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct attachments *attachments = arg;

    attachments->run = run;
    if (attachments->trace_stream != NULL)
        attachments->trace = sim_trace_file_new(run, attachments->trace_stream);
    if (attachments->job->html_file != NULL)
        attachments->html = sim_html_attach(run);
    if (attachments->pcap_stream != NULL)
        attachments->pcap = sim_pcap_attach(run, attachments->pcap_stream);
    if (attachments->perfetto_stream != NULL)
        attachments->perfetto = sim_perfetto_attach(run, attachments->perfetto_stream);
    if (attachments->job->record_file != NULL) {
        attachments->record = sim_record_attach(run, attachments->job->record_detail);
        at_work = attachments;
        for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
            (void)signal(fatal[i], on_signal);
    }
}

static json_t *failure(int exit_code, const char *words)
{
    return json_pack("{s:s, s:i}", "error", words, "exit", exit_code);
}

static json_t *cannot_write(const char *file)
{
    struct dfs_why why;

    dfs_why_set(&why, "cannot write %s: %s", file, strerror(errno));
    return failure(7, why.text);
}

static json_t *run_scenario(const struct sim_job *job, const struct sim_scenario *scenario,
                            struct attachments *attachments)
{
    const struct sim_run_options options = {.seed = job->seed,
                                            .coverage = job->coverage,
                                            .events_max = job->events_max,
                                            .attach = attach,
                                            .attach_arg = attachments};
    struct sim_run *run = sim_run_new(scenario, &options);
    json_t *outcome;

    sim_run_go(run);
    at_work = NULL;
    outcome = json_pack("{s:o, s:o}", "result", sim_run_json(run), "coverage",
                        run->coverage != NULL ? sim_coverage_json(run->coverage) : json_null());
    if (job->html_file != NULL && !sim_html_write(attachments->html, run, job->html_file)) {
        json_decref(outcome);
        outcome = cannot_write(job->html_file);
    }
    if (job->record_file != NULL && !sim_record_write(attachments->record, run, job->record_file)) {
        json_decref(outcome);
        outcome = cannot_write(job->record_file);
    }
    sim_run_free(run);
    sim_record_free(attachments->record);
    sim_trace_file_free(attachments->trace);
    sim_html_free(attachments->html);
    sim_pcap_free(attachments->pcap);
    sim_perfetto_free(attachments->perfetto);
    return outcome;
}

/* No file is wanted, or it is open. */
static bool stream_open(const char *file, FILE **ret_stream)
{
    if (file != NULL)
        *ret_stream = fopen(file, "w");
    return file == NULL || *ret_stream != NULL;
}

/* false: not all of it could be written. */
static bool stream_close(FILE *stream)
{
    if (stream == NULL)
        return true;
    const bool bad = ferror(stream) != 0;

    return fclose(stream) == 0 && !bad;
}

static json_t *job_do(const struct sim_job *job)
{
    struct sim_scenario scenario;
    struct dfs_conf_error error;
    struct attachments attachments = {.job = job};
    json_t *outcome;

    if (sim_source_read(job->source, job->seed, &scenario, &error) != DFS_OK) {
        sim_scenario_close(&scenario);
        return failure(2, error.text);
    }
    if (!stream_open(job->trace_file, &attachments.trace_stream))
        outcome = cannot_write(job->trace_file);
    else if (!stream_open(job->pcap_file, &attachments.pcap_stream))
        outcome = cannot_write(job->pcap_file);
    else if (!stream_open(job->perfetto_file, &attachments.perfetto_stream))
        outcome = cannot_write(job->perfetto_file);
    else
        outcome = run_scenario(job, &scenario, &attachments);
    if (!stream_close(attachments.trace_stream)) {
        json_decref(outcome);
        outcome = cannot_write(job->trace_file);
    }
    if (!stream_close(attachments.pcap_stream)) {
        json_decref(outcome);
        outcome = cannot_write(job->pcap_file);
    }
    if (!stream_close(attachments.perfetto_stream)) {
        json_decref(outcome);
        outcome = cannot_write(job->perfetto_file);
    }
    sim_scenario_close(&scenario);
    return outcome;
}

static int write_all(const char *bytes, size_t count, void *fd)
{
    while (count > 0) {
        const ssize_t part = write(*(const int *)fd, bytes, count);

        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return -1;
        bytes += part;
        count -= (size_t)part;
    }
    return 0;
}

_Noreturn static void child_main(const struct sim_job *job, char *panic, int fd)
{
    panic_line = panic;
    dfs_panic_hook = panic_note;
    const struct itimerval limit = {.it_value.tv_sec = job->seconds_max};

    (void)setitimer(ITIMER_PROF, &limit, NULL); /* 0: none */
    json_t *outcome = job_do(job);
    const int failed = json_dump_callback(outcome, write_all, &fd, JSON_COMPACT | JSON_ENCODE_ANY);

    json_decref(outcome);
    (void)fflush(NULL);
    exit(failed == 0 ? 0 : 7); /* not _exit: leak and coverage tools write at the end */
}

/* In the parent ----------------------------------------------------------------------------------------------------------------- */

bool sim_child_start(struct sim_child *child, const struct sim_job *job)
{
    int fds[2];

    *child = (struct sim_child){.job = job, .fd = -1};
    child->panic = mmap(NULL, PANIC_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (child->panic == MAP_FAILED)
        return false;
    if (pipe2(fds, O_CLOEXEC) != 0) {
        (void)munmap(child->panic, PANIC_BYTES);
        return false;
    }
    (void)fflush(NULL);
    child->pid = fork();
    if (child->pid == 0) {
        (void)close(fds[0]);
        child_main(job, child->panic, fds[1]);
    }
    (void)close(fds[1]);
    if (child->pid < 0) {
        (void)close(fds[0]);
        (void)munmap(child->panic, PANIC_BYTES);
        return false;
    }
    child->fd = fds[0];
    return true;
}

bool sim_child_read(struct sim_child *child)
{
    char bytes[16384];
    const ssize_t count = read(child->fd, bytes, sizeof bytes);

    if (count < 0 && errno == EINTR)
        return false;
    if (count <= 0)
        return true;
    dfs_conf_text_add(&child->said, "%.*s", (int)count, bytes);
    return false;
}

/* The object of a run that ended before it could say anything. */
static json_t *aborted(const struct sim_child *child, int status)
{
    char reason[PANIC_BYTES + 64];
    struct sim_scenario scenario;
    struct dfs_conf_error error;
    const char *name =
        sim_source_read(child->job->source, child->job->seed, &scenario, &error) == DFS_OK ? scenario.name : "?";

    if (child->panic[0] != '\0')
        (void)snprintf(reason, sizeof reason, "%s", child->panic);
    else if (WIFSIGNALED(status))
        (void)snprintf(reason, sizeof reason, "a machine was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(reason, sizeof reason, "the run ended with exit code %d and no result", WEXITSTATUS(status));
    json_t *result =
        json_pack("{s:s, s:I, s:s, s:s, s:n, s:i, s:i, s:i, s:[], s:[], s:{}, s:[], s:{s:i, s:i, s:n}, s:{}}",
                  "scenario", name, "seed", (json_int_t)child->job->seed, "verdict", sim_verdict_name(SIM_ABORTED),
                  "reason", reason, "trace_hash", "virtual_ms", 0, "events", 0, "messages", 0, "violations",
                  "expectations", "operations", "evictions", "repairs", "copies", 0, "bytes", 0, "last_at_ms", "stats");

    sim_scenario_close(&scenario);
    return json_pack("{s:o, s:n}", "result", result, "coverage");
}

json_t *sim_child_end(struct sim_child *child)
{
    json_t *outcome = NULL;
    int status = 0;

    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    (void)close(child->fd);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && child->said.count > 0)
        outcome = json_loadb(child->said.bytes, child->said.count, 0, NULL);
    if (outcome == NULL)
        outcome = aborted(child, status);
    dfs_conf_text_close(&child->said);
    (void)munmap(child->panic, PANIC_BYTES);
    return outcome;
}

json_t *sim_job_run(const struct sim_job *job)
{
    struct sim_child child;

    if (!sim_child_start(&child, job))
        return NULL;
    while (!sim_child_read(&child))
        ;
    return sim_child_end(&child);
}

static const char *hash_of(const json_t *outcome)
{
    const char *hash = json_string_value(json_object_get(json_object_get(outcome, "result"), "trace_hash"));

    return hash != NULL ? hash : "";
}

void sim_job_compare(json_t *outcome, const json_t *second)
{
    json_t *result = json_object_get(outcome, "result");
    char words[128];

    if (strcmp(hash_of(outcome), hash_of(second)) == 0)
        return;
    (void)snprintf(words, sizeof words, "the second run has the trace hash %s", hash_of(second));
    (void)json_object_set_new(result, "verdict", json_string(sim_verdict_name(SIM_NONDETERMINISTIC)));
    (void)json_object_set_new(result, "reason", json_string(words));
}

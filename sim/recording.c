#include "sim/recording.h"

#include "sim/output.h"
#include "sim/record.h"
#include "sim/report.h"

#include <string.h>

static const json_t *result_of(const json_t *outcome)
{
    return json_object_get(outcome, "result");
}

static bool is_equal(const json_t *a, const json_t *b, const char *key)
{
    return json_equal(json_object_get(a, key), json_object_get(b, key)) == 1;
}

/* Where the run has aborted there are no figures: it aborts in the same place. */
static bool is_same(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"verdict",    "events",    "messages",     "virtual_ms", "violations",
                                       "operations", "evictions", "expectations", "repairs"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!is_equal(a, b, keys[i]))
            return false;
    return sim_result_verdict(a) != SIM_ABORTED || is_equal(a, b, "reason");
}

static enum sim_recording_end compare(const json_t *first, const json_t *again)
{
    if (!is_same(first, again))
        return SIM_RECORDING_OTHER;
    /* An aborted run has no hash. */
    return json_is_string(json_object_get(first, "trace_hash")) && is_equal(first, again, "trace_hash")
               ? SIM_RECORDING_EQUAL
               : SIM_RECORDING_SAME;
}

static bool is_lossy(const struct sim_network *network)
{
    return network->loss_ppb > 0 || network->duplicate_ppb > 0 || network->reorder_ppb > 0;
}

static void look_at(const struct sim_job *job, struct sim_recording *recording)
{
    struct sim_scenario scenario;
    struct dfs_conf_error error;

    if (sim_source_read(job->source, job->seed, &scenario, &error) == DFS_OK) {
        recording->lossy = is_lossy(&scenario.network);
        for (size_t i = 0; i < scenario.faults_count; i++) {
            const struct sim_fault *fault = &scenario.faults[i];

            recording->triggers = recording->triggers || fault->triggered;
            recording->lossy = recording->lossy || (fault->kind == SIM_FAULT_LINK && is_lossy(&fault->network)) ||
                               (fault->kind == SIM_FAULT_RANDOM && (fault->random.kinds >> SIM_FAULT_LINK & 1u) != 0);
        }
    }
    sim_scenario_close(&scenario);
}

/* The result of the file that was just written. */
static json_t *replay(const char *file, const struct sim_job *job)
{
    struct sim_source source;
    struct dfs_why why;
    json_t *result = NULL;

    if (sim_source_load(&source, file, &why) != DFS_OK)
        return NULL;
    const struct sim_job again = {
        .source = &source, .seed = job->seed, .events_max = job->events_max, .seconds_max = job->seconds_max};
    json_t *outcome = sim_job_run(&again);

    sim_source_close(&source);
    result = json_incref(json_object_get(outcome, "result"));
    json_decref(outcome);
    return result;
}

json_t *sim_recording_run(const struct sim_job *job, struct sim_recording *ret_recording)
{
    struct sim_job recorded = *job;
    json_t *outcome = NULL;

    *ret_recording = (struct sim_recording){.end = SIM_RECORDING_NONE};
    look_at(job, ret_recording);
    for (unsigned detail = SIM_RECORD_ALL;; detail--) {
        const bool useless = ((detail & SIM_RECORD_TIMES) != 0 && !ret_recording->triggers) ||
                             ((detail & SIM_RECORD_NETWORK) != 0 && !ret_recording->lossy);

        if (useless)
            continue;
        json_decref(outcome);
        json_decref(ret_recording->replay);
        ret_recording->detail = detail;
        recorded.record_detail = detail;
        sim_output_clear(job->record_file);
        outcome = sim_job_run(&recorded);
        if (!sim_output_is_plain(job->record_file)) /* a pipe or a device cannot be read again */
            return outcome;
        ret_recording->replay = result_of(outcome) != NULL ? replay(job->record_file, job) : NULL;
        if (ret_recording->replay == NULL)
            return outcome;
        ret_recording->end = compare(result_of(outcome), ret_recording->replay);
        if (ret_recording->end != SIM_RECORDING_OTHER || detail == 0)
            return outcome;
    }
}

void sim_recording_close(struct sim_recording *recording)
{
    json_decref(recording->replay);
    recording->replay = NULL;
}

void sim_recording_print(FILE *stream, const struct sim_recording *recording, const char *file)
{
    const char *verdict = json_string_value(json_object_get(recording->replay, "verdict"));

    if (recording->end == SIM_RECORDING_NONE)
        return;
    (void)fprintf(stream, "dfs-sim: %s is the run", file);
    if (recording->end == SIM_RECORDING_OTHER)
        (void)fprintf(stream, " but for what a record cannot say: it ends with \"%s\"\n",
                      verdict != NULL ? verdict : "?");
    else if (recording->end == SIM_RECORDING_EQUAL)
        (void)fprintf(stream, ": its trace hash is the same");
    else if (recording->detail != 0)
        (void)fprintf(
            stream,
            ", step by step; its trace hash is another, since the hash covers faults, and what was drawn or triggered is one now");
    else
        (void)fprintf(stream, ", step by step");
    if (recording->end == SIM_RECORDING_OTHER)
        return;
    if (recording->lossy && (recording->detail & SIM_RECORD_NETWORK) == 0)
        (void)fprintf(stream, "; loss stays a probability, with every single one as a fault it ends otherwise");
    if (recording->triggers && (recording->detail & SIM_RECORD_TIMES) == 0)
        (void)fprintf(stream, "; triggers stay, at fixed times it ends otherwise");
    (void)fprintf(stream, "\n");
}

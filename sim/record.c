#include "sim/record.h"

#include "core/base/mem.h"
#include "sim/listen.h"
#include "sim/nemesis.h"
#include "sim/own_seed.h"
#include "sim/scenario_write.h"

#include <stdlib.h>
#include <string.h>

struct sim_record {
    struct sim_scenario recorded;
};

static void asked(struct sim_run *run, void *state, const struct sim_operation *operation)
{
    struct sim_record *record = *(struct sim_record **)state;

    if (operation->audit || !run->scenario->works[operation->work].is_mix)
        return;
    struct sim_work *work = sim_scenario_work(&record->recorded);
    const struct sim_work *mix = &run->scenario->works[operation->work];

    work->at_ns = (int64_t)(operation->asked_at - run->zero);
    work->kind = operation->kind;
    work->client = (struct sim_host_ref){SIM_HOST_CLIENT, (uint16_t)operation->client};
    if (operation->path != NULL)
        (void)snprintf(work->path, sizeof work->path, "%s", operation->path->name);
    if (operation->to_path != NULL)
        (void)snprintf(work->to_path, sizeof work->to_path, "%s", operation->to_path->name);
    work->size = (struct dfs_spread){.low = (int64_t)operation->size_bytes, .high = (int64_t)operation->size_bytes};
    work->first = (int64_t)operation->first;
    work->last = (int64_t)operation->last;
    work->after_bytes = (int64_t)operation->abort_after_bytes;
    work->after_bytes_seen = operation->kind == SIM_OP_ABORT_PUT;
    work->ack = mix->ack;
    work->durability = mix->durability;
    work->if_absent = mix->if_absent && (work->kind == SIM_OP_PUT || work->kind == SIM_OP_MOVE);
}

static const struct sim_hooks hooks = {.asked = asked};

struct sim_record *sim_record_attach(struct sim_run *run)
{
    struct sim_record *record = dfs_alloc_zero(sizeof *record);
    const struct sim_scenario *scenario = run->scenario;

    record->recorded = *scenario;
    record->recorded.works = NULL;
    record->recorded.works_count = 0;
    record->recorded.faults = NULL;
    record->recorded.faults_count = 0;
    record->recorded.expects = NULL;
    record->recorded.expects_count = 0;
    for (size_t i = 0; i < scenario->works_count; i++) {
        if (!scenario->works[i].is_mix) {
            struct sim_work *work = sim_scenario_work(&record->recorded);

            *work = scenario->works[i];
        }
    }
    for (size_t i = 0; i < scenario->expects_count; i++) {
        struct sim_expect *expect = sim_scenario_expect(&record->recorded);

        *expect = scenario->expects[i];
    }
    *(struct sim_record **)sim_listeners_add_owned(run, "record", &hooks, sizeof record) = record;
    return record;
}

static void add_fault(void *arg, const struct sim_fault *drawn, dfs_time_ns at)
{
    struct sim_record *record = arg;
    struct sim_fault *fault = sim_scenario_fault(&record->recorded);

    *fault = *drawn;
    fault->triggered = false;
    fault->at_ns = (int64_t)at;
}

bool sim_record_write(struct sim_record *record, const struct sim_run *run, const char *file)
{
    struct sim_scenario *recorded = &record->recorded;

    for (size_t i = 0; i < run->scenario->faults_count; i++) {
        if (run->scenario->faults[i].kind != SIM_FAULT_RANDOM) {
            struct sim_fault *fault = sim_scenario_fault(recorded);

            *fault = run->scenario->faults[i];
        }
    }
    sim_nemesis_drawn(run->nemesis, add_fault, record);
    sim_own_seed_put(recorded, run->options.seed);
    char *text = sim_scenario_text(recorded);
    FILE *stream = fopen(file, "w");
    bool written = stream != NULL && fputs(text, stream) >= 0;

    if (stream != NULL && fclose(stream) != 0)
        written = false;
    dfs_free(text);
    return written;
}

void sim_record_free(struct sim_record *record)
{
    if (record == NULL)
        return;
    sim_scenario_close(&record->recorded);
    dfs_free(record);
}

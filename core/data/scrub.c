/*
 * scrub.c - every block is read and verified within scrub_interval: one at a time, in the order in which they came,
 * evenly over the time.
 *
 * A pass begins anywhere (a server that is restarted often would otherwise never see its last blocks) and
 * goes round once: from scrub_first to the end, then from the beginning to scrub_first. Both places are marks
 * (order.h): what is there when the pass begins and stays is read in this pass, whatever comes or goes beside it, and so
 * is what comes before the end was reached. Blocks that come, go or are replaced meanwhile are no findings.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"

/* So often in an interval the schedule is looked at, if nothing is due. */
#define SCRUB_LOOKS 16

/* part / whole of `length`, without overflow and without more precision than needed */
static dfs_duration_ns share_of_time(dfs_duration_ns length, uint64_t part, uint64_t whole)
{
    if (whole == 0 || part >= whole)
        return length;
    while (whole > UINT32_MAX) {
        whole >>= 1;
        part >>= 1;
    }
    return length / whole * part + length % whole * part / whole;
}

static void pass_begin(struct dfs_data *data)
{
    data->scrub_began = data->now;
    data->scrub_wrapped = false;
    dfs_mark_move(&data->scrub_at, &data->scrub_first);
    data->scrub_blocks = 0;
    data->scrub_bytes = 0;
    data->scrub_bad = 0;
}

/* The next block round the circle after scrub_at; NULL: the pass has seen all there are. */
static struct data_block *scrub_candidate(struct dfs_data *data, bool *ret_wrapped)
{
    const struct data_block *last = data_block_before(&data->scrub_first); /* NULL: with the end of the list */
    struct data_block *block = data_block_before(&data->scrub_at);
    bool wrapped = data->scrub_wrapped;

    do {
        if (wrapped && block == last) {
            block = NULL;
            break;
        }
        block = data_block_next(data, block);
        DFS_ASSERT(block != NULL || !wrapped); /* both marks keep their order, so the last one is still ahead */
        wrapped = wrapped || block == NULL;
    } while (block == NULL || block->bad || block->removing);
    *ret_wrapped = wrapped;
    return block;
}

/* A block is due as far into the interval as its end is into the store's bytes; the pass ends with the interval. */
static dfs_time_ns due_at(const struct dfs_data *data, const struct data_block *block)
{
    const dfs_duration_ns interval = data->config.scrub_interval_ns;
    dfs_duration_ns due = interval;

    if (block != NULL)
        due = share_of_time(interval, data->scrub_bytes + block->file_bytes, data->blocks_bytes);
    return dfs_time_max(dfs_time_add(data->scrub_began, due), data->scrub_rest);
}

/* Looks again before the time has come, since blocks come meanwhile. */
static void scrub_schedule(struct dfs_data *data)
{
    bool wrapped;
    const dfs_time_ns due = due_at(data, scrub_candidate(data, &wrapped));
    const dfs_time_ns look = dfs_time_add(data->now, data->config.scrub_interval_ns / SCRUB_LOOKS + 1);

    data_timer_set(data, &data->scrub_timer, dfs_time_min(due, look));
}

static void pass_end(struct dfs_data *data)
{
    const struct dfs_trace trace = {
        .kind = DFS_TRACE_SCRUB_DONE, .node = data->config.node, .a = data->scrub_blocks, .b = data->scrub_bad};

    data->counters.scrub_passes++;
    data->scrub_finished = data->now;
    dfs_trace_put(&data->env, &trace);
    pass_begin(data);
    scrub_schedule(data);
}

static void on_scrubbed(struct data_check *check, enum dfs_status status)
{
    struct dfs_data *data = check->data;
    const uint64_t bytes = (uint64_t)check->length_bytes + data_footer_bytes(check->length_bytes);
    const struct data_block *block = data_block_find(data, &check->block);

    data->scrub = NULL;
    data->scrub_blocks++;
    data->scrub_bytes += bytes;
    data->counters.scrub_blocks++;
    if (status != DFS_OK && block != NULL && !block->removing && !data_block_is_written(data, &check->block)) {
        data->scrub_bad++;
        data_block_failed(data, &check->block, status);
    }
    data->scrub_rest = dfs_time_add(data->now, bytes * DFS_SECONDS / DATA_SCRUB_BYTES_PER_S_MAX);
    data_check_free(check);
    scrub_schedule(data);
}

static void on_scrub_timer(struct dfs_data *data, struct data_timer *timer)
{
    bool wrapped;
    struct data_block *block = scrub_candidate(data, &wrapped);

    (void)timer;
    DFS_ASSERT(data->scrub == NULL);
    if (data->now < due_at(data, block)) {
        scrub_schedule(data);
        return;
    }
    if (block == NULL) {
        pass_end(data);
        return;
    }
    data->scrub_wrapped = wrapped;
    dfs_mark_set(&data->scrub_at, &block->order);
    data->scrub = data_check_begin(data, block, on_scrubbed);
    data_check_run(data->scrub);
}

void data_scrub_init(struct dfs_data *data)
{
    data_timer_init(&data->scrub_timer, on_scrub_timer);
}

/* scrub_first behind any block: after a number of them that is drawn. */
static void first_choose(struct dfs_data *data)
{
    uint8_t drawn[DFS_ID_BYTES];
    struct data_block *block = NULL;
    uint64_t steps = 0;

    data->env.rng->random(data->env.ctx, DFS_RNG_CHOICE, drawn, sizeof drawn);
    for (unsigned i = 0; i < 8; i++)
        steps = steps << 8 | drawn[i];
    steps = data->blocks.count == 0 ? 0 : steps % data->blocks.count;
    while (steps-- > 0)
        block = data_block_next(data, block);
    if (block != NULL)
        dfs_mark_set(&data->scrub_first, &block->order);
}

/* All blocks were listed just now: that this walks through half of them, once in a process's life, adds little. */
void data_scrub_begin(struct dfs_data *data)
{
    if (data->config.scrub_interval_ns == 0 || data->scrub_begun)
        return;
    data->scrub_begun = true;
    first_choose(data);
    pass_begin(data);
    scrub_schedule(data);
}

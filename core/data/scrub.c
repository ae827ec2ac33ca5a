/*
 * scrub.c - every block is read and verified within scrub_interval: one at a time, in name order, evenly over the time.
 *
 * A pass begins anywhere (a server that is restarted often would otherwise never see its last blocks) and goes round once. Blocks that come, go or
 * are replaced meanwhile are no findings.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"

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
    data->scrub_first = data->scrub_after;
    data->scrub_blocks = 0;
    data->scrub_bytes = 0;
    data->scrub_bad = 0;
}

/* The next block round the circle after scrub_after; NULL: the pass is over. */
static struct data_block *scrub_candidate(struct dfs_data *data)
{
    struct data_block *block = data_block_after(data, &data->scrub_after);

    while (true) {
        if (block == NULL && !data->scrub_wrapped) {
            data->scrub_wrapped = true;
            block = data_block_after(data, NULL);
        }
        if (block == NULL || (data->scrub_wrapped && data_block_compare(&block->id, &data->scrub_first) > 0))
            return NULL;
        if (!block->bad && !block->removing)
            return block;
        data->scrub_after = block->id;
        block = data_block_after(data, &block->id);
    }
}

/* The next block is due as far into the interval as its end is into the store's bytes; the pass ends with the interval. After a block of
 * `last_bytes` there is a pause in proportion to it. */
static void scrub_schedule(struct dfs_data *data, uint64_t last_bytes)
{
    const dfs_duration_ns interval = data->config.scrub_interval_ns;
    const struct data_block *block = scrub_candidate(data);
    dfs_duration_ns due = interval;
    dfs_time_ns at;

    if (block != NULL)
        due = share_of_time(interval, data->scrub_bytes + block->file_bytes, data->blocks_bytes);
    at = dfs_time_add(data->scrub_began, due);
    data_timer_set(data, &data->scrub_timer,
                   dfs_time_max(at, data->now + last_bytes * DFS_SECONDS / DATA_SCRUB_BYTES_PER_S_MAX));
}

static void pass_end(struct dfs_data *data)
{
    const struct dfs_trace trace = {.kind = DFS_TRACE_SCRUB_DONE,
                                    .node = data->config.node,
                                    .a = data->scrub_blocks,
                                    .b = data->scrub_bad};

    data->counters.scrub_passes++;
    data->scrub_finished = data->now;
    dfs_trace_put(&data->env, &trace);
    data->scrub_after = data->scrub_first;
    pass_begin(data);
    scrub_schedule(data, 0);
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
    data_check_free(check);
    scrub_schedule(data, bytes);
}

static void on_scrub_timer(struct dfs_data *data, struct data_timer *timer)
{
    const struct data_block *block = scrub_candidate(data);

    (void)timer;
    DFS_ASSERT(data->scrub == NULL);
    if (block == NULL) {
        pass_end(data);
        return;
    }
    data->scrub_after = block->id;
    data->scrub = data_check_begin(data, block, on_scrubbed);
    data_check_run(data->scrub);
}

void data_scrub_init(struct dfs_data *data)
{
    data_timer_init(&data->scrub_timer, on_scrub_timer);
}

void data_scrub_begin(struct dfs_data *data)
{
    if (data->config.scrub_interval_ns == 0 || data->scrub_begun)
        return;
    data->scrub_begun = true;
    data->env.rng->random(data->env.ctx, DFS_RNG_CHOICE, data->scrub_after.file.bytes, DFS_ID_BYTES);
    pass_begin(data);
    scrub_schedule(data, 0);
}

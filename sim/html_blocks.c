#include "core/base/mem.h"
#include "sim/copies.h"
#include "sim/html_parts.h"

#include <string.h>

/* Blocks whose copies are followed one by one. More are only counted. */
#define BLOCKS_MAX 5000

/* Changes of one block that are kept: a copy that comes and goes every second for an hour. */
#define CHANGES_MAX 4000

struct followed {
    struct dfs_block_id id; /* first: the key of its map */
    json_t *row;
    uint64_t places;
    uint32_t good;
    uint32_t anywhere;
    uint64_t look; /* in which it was seen */
    bool gone;
};

struct sim_html_blocks {
    struct sim_run *run;
    uint32_t wanted; /* copies of a block */
    json_t *samples;
    struct dfs_map by_id;
    struct followed *followed[BLOCKS_MAX];
    size_t count;
    uint64_t more; /* of the present look: not followed */
    uint64_t look; /* the present one, from 1 */
    uint64_t lost;
    uint64_t *by_copies; /* of the present look: wanted + 2 of them */
};

static double now_ms(const struct sim_html_blocks *blocks)
{
    return (double)sim_run_time(blocks->run) / 1e6;
}

static json_t *hosts_of(const struct sim_block *block, uint64_t places)
{
    json_t *hosts = json_array();

    for (uint32_t i = 0; i < block->holders_count && i < SIM_COPIES_PLACES_MAX; i++) {
        if ((places >> i & 1) != 0)
            (void)json_array_append_new(hosts, json_integer(2 + (json_int_t)block->holders[i].data));
    }
    return hosts;
}

/* NULL: there are too many. */
static struct followed *follow(struct sim_html_blocks *blocks, const struct sim_version *version,
                               const struct sim_block *block)
{
    struct followed *followed = dfs_map_find(&blocks->by_id, &block->id);

    if (followed != NULL)
        return followed;
    if (blocks->count == BLOCKS_MAX) {
        blocks->more++;
        return NULL;
    }
    followed = dfs_alloc_zero(sizeof *followed);
    followed->id = block->id;
    followed->row = json_pack("[s,i,i]", version->path, (int)block->id.index, (int)block->id.generation);
    followed->gone = true; /* until its first change */
    dfs_map_insert(&blocks->by_id, followed);
    blocks->followed[blocks->count++] = followed;
    return followed;
}

static void change(struct sim_html_blocks *blocks, struct followed *followed, int copies, json_t *hosts,
                   uint32_t anywhere)
{
    if (json_array_size(followed->row) < CHANGES_MAX)
        (void)json_array_append_new(followed->row,
                                    json_pack("[f,i,o,i]", now_ms(blocks), copies, hosts, (int)anywhere));
    else
        json_decref(hosts);
}

static void on_block(void *arg, const struct sim_version *version, const struct sim_block *block,
                     const struct sim_block_copies *copies)
{
    struct sim_html_blocks *blocks = arg;
    struct followed *followed = follow(blocks, version, block);

    blocks->lost += copies->anywhere == 0;
    blocks->by_copies[copies->good <= blocks->wanted ? copies->good : blocks->wanted + 1]++;
    if (followed == NULL)
        return;
    followed->look = blocks->look;
    if (!followed->gone && followed->places == copies->places && followed->good == copies->good &&
        followed->anywhere == copies->anywhere)
        return;
    followed->gone = false;
    followed->places = copies->places;
    followed->good = copies->good;
    followed->anywhere = copies->anywhere;
    change(blocks, followed, (int)copies->good, hosts_of(block, copies->places), copies->anywhere);
}

void sim_html_blocks_look(struct sim_html_blocks *blocks)
{
    blocks->look++;
    blocks->lost = 0;
    blocks->more = 0;
    memset(blocks->by_copies, 0, (blocks->wanted + 2) * sizeof *blocks->by_copies);
    const uint32_t active = sim_copies_each(blocks->run, on_block, blocks);

    for (size_t i = 0; i < blocks->count; i++) {
        struct followed *followed = blocks->followed[i];

        if (followed->look == blocks->look || followed->gone)
            continue;
        followed->gone = true;
        change(blocks, followed, -1, json_array(), 0);
    }
    json_t *row = json_pack("[f,i,I]", now_ms(blocks), (int)active, (json_int_t)blocks->lost);

    for (uint32_t i = 0; i < blocks->wanted + 2; i++)
        (void)json_array_append_new(row, json_integer((json_int_t)blocks->by_copies[i]));
    (void)json_array_append_new(blocks->samples, row);
}

struct sim_html_blocks *sim_html_blocks_new(struct sim_run *run)
{
    struct sim_html_blocks *blocks = dfs_alloc_zero(sizeof *blocks);

    blocks->run = run;
    blocks->wanted = (uint32_t)run->scenario->cluster.settings.replication;
    blocks->by_copies = dfs_alloc_zero((blocks->wanted + 2) * sizeof *blocks->by_copies);
    blocks->samples = json_array();
    dfs_map_init(&blocks->by_id, offsetof(struct followed, id), sizeof(struct dfs_block_id), 0);
    return blocks;
}

void sim_html_blocks_free(struct sim_html_blocks *blocks)
{
    for (size_t i = 0; i < blocks->count; i++) {
        json_decref(blocks->followed[i]->row);
        dfs_free(blocks->followed[i]);
    }
    dfs_map_close(&blocks->by_id);
    json_decref(blocks->samples);
    dfs_free(blocks->by_copies);
    dfs_free(blocks);
}

json_t *sim_html_blocks_samples(const struct sim_html_blocks *blocks)
{
    return json_incref(blocks->samples);
}

json_t *sim_html_blocks_json(const struct sim_html_blocks *blocks)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < blocks->count; i++)
        (void)json_array_append(rows, blocks->followed[i]->row);
    return rows;
}

uint64_t sim_html_blocks_more(const struct sim_html_blocks *blocks)
{
    return blocks->more;
}

/*
 * inventory.c - what is stored here, told to metadata: once whole (INVENTORY, INVENTORY_END), then change by
 * change (BLOCK_EVENTS).
 *
 * The inventory is exactly the state as of change N, the newest change when it begins: blocks published
 * meanwhile have higher numbers and are left out, removals are refused until it is finished, and events after
 * N are sent behind INVENTORY_END. Metadata answers each page, and the end, by STATUS; a few pages may be
 * unanswered, so that neither side's queue grows.
 *
 * Pages tell the blocks in the order in which they came, each once, and go on at a mark (order.h) that holds its
 * place whatever comes or goes between two pages. A block that goes before its page all the same, because a write
 * replaced a bad copy or the store vanished, is missing in the count, and metadata asks for another inventory.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#define CHANGES_ROOM_FIRST 64

/* Changes ------------------------------------------------------------------------------------------------ */

void data_changes_reset(struct dfs_data *data)
{
    data->changes_head = 0;
    data->changes_count = 0;
    data->change_last = 0;
    data->change_sent = 0;
    data->changes_lost = false;
    /* What is there stands in the inventory, under no number of this incarnation. */
    for (struct data_block *block = data_block_next(data, NULL); block != NULL; block = data_block_next(data, block))
        block->change = 0;
}

static void changes_grow(struct dfs_data *data)
{
    const uint32_t room = data->changes_room == 0 ? CHANGES_ROOM_FIRST : 2 * data->changes_room;
    struct dfs_w_change *larger = dfs_alloc_zero_array(room, sizeof larger[0]);

    for (uint32_t i = 0; i < data->changes_count; i++)
        larger[i] = data->changes[(data->changes_head + i) & (data->changes_room - 1)];
    dfs_free(data->changes);
    data->changes = larger;
    data->changes_room = room;
    data->changes_head = 0;
}

/* The number of the oldest change that is kept; one past the last when none is. */
static uint64_t change_first(const struct dfs_data *data)
{
    return data->change_last + 1 - data->changes_count;
}

uint64_t data_change(struct dfs_data *data, enum dfs_change kind, const struct dfs_block_id *block,
                     uint32_t length_bytes, uint32_t crc)
{
    data->change_last++;
    if (data->changes_lost || data->incarnation == 0)
        return data->change_last; /* a new inventory will tell */
    if (data->changes_count >= data->config.bounds.changes_kept) {
        data->changes_lost = true;
        return data->change_last;
    }
    if (data->changes_count == data->changes_room)
        changes_grow(data);
    data->changes[(data->changes_head + data->changes_count) & (data->changes_room - 1)] = (struct dfs_w_change){
        .kind = (uint8_t)kind, .block = data_w_block(block), .length_bytes = length_bytes, .crc32c = crc};
    data->changes_count++;
    return data->change_last;
}

void data_changes_applied(struct dfs_data *data, uint64_t applied)
{
    if (applied > data->change_sent)
        applied = data->change_sent; /* it cannot have applied what it was not sent */
    while (data->changes_count > 0 && change_first(data) <= applied) {
        data->changes_head = (data->changes_head + 1) & (data->changes_room - 1);
        data->changes_count--;
    }
}

bool data_changes_resume(struct dfs_data *data, uint64_t applied)
{
    if (data->changes_lost || applied > data->change_last || applied + 1 < change_first(data))
        return false;
    data->change_sent = applied;
    return true;
}

void data_changes_flush(struct dfs_data *data)
{
    if (data->phase != DATA_NODE_SERVING || data->control == NULL)
        return;
    if (data->changes_lost) {
        data_control_again(data, false, "events");
        return;
    }
    while (data->change_sent < data->change_last) {
        const uint32_t skip = (uint32_t)(data->change_sent + 1 - change_first(data));
        const uint32_t at = (data->changes_head + skip) & (data->changes_room - 1);
        uint32_t count = data->changes_count - skip;

        if (count > data->changes_room - at)
            count = data->changes_room - at; /* up to the ring's end; the rest in the next message */
        if (count > data->config.events_page)
            count = data->config.events_page;

        const struct dfs_m_block_events message = {
            .first = data->change_sent + 1, .changes = data->changes + at, .changes_count = count};
        dfs_link_send(&data->control->link, 0, DFS_MSG_BLOCK_EVENTS, &message);
        data->change_sent += count;
    }
}

/* Inventory ---------------------------------------------------------------------------------------------- */

/* What was found bad before this incarnation began: the inventory lists it as a block like others. */
static void report_bad_again(struct dfs_data *data)
{
    const struct data_block *block = NULL;

    while ((block = data_block_next(data, block)) != NULL) {
        if (block->bad && block->length_bytes > 0 && block->change <= data->inventory_change)
            (void)data_change(data, DFS_CHANGE_BAD, &block->id, block->length_bytes, 0);
    }
}

static void inventory_end(struct dfs_data *data)
{
    const struct dfs_m_inventory_end message = {.pages = data->inventory_page,
                                                .count = data->inventory_count,
                                                .digest = data->inventory_digest,
                                                .change = data->inventory_change};

    data->inventory_end_request = dfs_link_request(&data->control->link);
    dfs_link_send(&data->control->link, data->inventory_end_request, DFS_MSG_INVENTORY_END, &message);
    data_control_enter(data, DATA_NODE_SERVING, "inventory_end");
    report_bad_again(data);
}

/* The next block of the inventory, at the mark; NULL when all were told. */
static struct data_block *next_told(struct dfs_data *data)
{
    struct data_block *block = data_block_behind(&data->inventory_at);

    while (block != NULL && (block->length_bytes == 0 || block->change > data->inventory_change))
        block = data_block_next(data, block);
    return block;
}

static bool inventory_page(struct dfs_data *data)
{
    uint32_t max = data->config.inventory_page;
    struct dfs_w_stored *stored;
    struct dfs_m_inventory message = {.page = data->inventory_page};
    struct data_block *block = next_told(data);

    if (block == NULL)
        return false;
    if (max == 0 || max > DFS_INVENTORY_PAGE_MAX)
        max = DFS_INVENTORY_PAGE_MAX;
    stored = dfs_alloc(max * sizeof stored[0]);
    while (block != NULL && message.blocks_count < max) {
        stored[message.blocks_count++] =
            (struct dfs_w_stored){.block = data_w_block(&block->id), .length_bytes = block->length_bytes};
        dfs_mark_set(&data->inventory_at, &block->order);
        block = next_told(data);
    }
    message.blocks = stored;
    dfs_link_send(&data->control->link, dfs_link_request(&data->control->link), DFS_MSG_INVENTORY, &message);
    dfs_free(stored);
    data->inventory_page++;
    data->inventory_unanswered++;
    return true;
}

void data_inventory_continue(struct dfs_data *data)
{
    while (data->inventory_unanswered < data->config.bounds.inventory_window) {
        if (!inventory_page(data)) {
            inventory_end(data);
            return;
        }
    }
}

void data_inventory_begin(struct dfs_data *data)
{
    dfs_mark_rewind(&data->inventory_at);
    data->inventory_confirmed = false;
    data->inventory_page = 0;
    data->inventory_unanswered = 0;
    data->inventory_change = data->change_last;
    data->inventory_count = data->blocks_good;
    data->inventory_digest = data->digest;
    data->change_sent = data->change_last; /* the inventory covers them */
    data_inventory_continue(data);
}

void data_inventory_answered(struct dfs_data *data, uint32_t request, enum dfs_status status)
{
    if (status != DFS_OK) {
        data_control_again(data, false, "status");
        return;
    }
    if (data->phase == DATA_NODE_SERVING && request == data->inventory_end_request) {
        data->inventory_confirmed = true; /* from now on a broken connection can be resumed */
        data_stumps_remove(data);
        return;
    }
    data_control_alive(data);
    if (data->inventory_unanswered > 0)
        data->inventory_unanswered--;
    if (data->phase == DATA_NODE_REPORTING)
        data_inventory_continue(data);
}

/* GET: the machine of one download. Blocks are get_block.c's. */
#include "core/client/get.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/mem.h"
#include "core/env/trace.h"

#include <string.h>

/* Pages looked at until the one is found in which a range begins. The guess is right within a page; more means that the plan contradicts itself. */
#define LOOKS_MAX 64

static const char *const phase_names[] = {
#define X(name) #name,
    CLIENT_GET_PHASES(X)
#undef X
};

#define TO(phase) (1u << CLIENT_GET_##phase)
static const uint32_t phase_edges[CLIENT_GET_PHASE_COUNT] = {
    [CLIENT_GET_OPENING] = TO(READING) | TO(CLOSING),
    [CLIENT_GET_READING] = TO(OPENING) | TO(FINISHING) | TO(CLOSING),
    [CLIENT_GET_FINISHING] = TO(DONE) | TO(FAILED),
    [CLIENT_GET_CLOSING] = TO(FAILED),
}; /* DONE and FAILED lead nowhere */
static const struct dfs_path paths[] = {
    {CLIENT_GET_OPENING, "get_plan", TO(READING) | TO(OPENING)},
    {CLIENT_GET_OPENING,
     "NOT_FOUND DENIED BAD_REQUEST UNREACHABLE TIMEOUT UNAVAILABLE ABORTED IO TOKEN_MISSING "
     "TOKEN_INVALID TOKEN_EXPIRED TOKEN_NOT_YOURS TOKEN_WRONG_ISSUER",
     TO(CLOSING)},
    {CLIENT_GET_READING, "NOT_FOUND", TO(OPENING) | TO(CLOSING)},
    {CLIENT_GET_READING, "get_plan", TO(FINISHING) | TO(READING)},
    {CLIENT_GET_READING, "sink", TO(FINISHING)},
    {CLIENT_GET_READING,
     "DATA_LOST BLOCK_CORRUPT UNAVAILABLE UNREACHABLE TIMEOUT ABORTED IO NO_SPACE BAD_REQUEST "
     "TOO_LARGE DENIED TOKEN_EXPIRED",
     TO(CLOSING)},
    {CLIENT_GET_FINISHING, "sink", TO(DONE) | TO(FAILED)},
    {CLIENT_GET_CLOSING, "sink", TO(FAILED)},
};
#undef TO

const struct dfs_gate dfs_client_get_gate = {
    "get", phase_names, phase_edges, CLIENT_GET_PHASE_COUNT, "the GET of a client", DFS_GATE_PATHS(paths)};

static void enter(struct client_get *get, enum client_get_phase next, const char *why)
{
    DFS_GATE(&get->base.client->env, &dfs_client_get_gate, get->phase, next, why);
}

static struct client_get *get_of(struct client_command *command)
{
    return dfs_container_of(command, struct client_get, base);
}

/* The end ------------------------------------------------------------------------------------------------------------------ */

static void get_free(struct client_get *get)
{
    dfs_client_local_leave(&get->pushes);
    dfs_client_local_leave(&get->finish);
    dfs_client_pages_free(&get->pages);
    dfs_free(get->path);
    dfs_stock_give(&get->base.client->gets, get);
}

static void get_stop(struct client_get *get)
{
    struct dfs_list *at;

    dfs_client_ask_stop(&get->open);
    while ((at = dfs_list_first(&get->running)) != NULL)
        dfs_client_get_block_drop(dfs_container_of(at, struct client_get_block, link));
}

static void get_drop(struct client_command *command)
{
    struct client_get *get = get_of(command);

    get_stop(get);
    dfs_client_command_forget(command);
    get_free(get);
}

static void close_sink(struct client_get *get)
{
    if (dfs_list_empty(&get->pushes.locals) && dfs_list_empty(&get->finish.locals))
        dfs_client_finish(get->base.client, &get->finish, get->sink, false);
}

void dfs_client_get_fail(struct client_get *get, enum dfs_status status, const char *words)
{
    if (get->phase != CLIENT_GET_OPENING && get->phase != CLIENT_GET_READING)
        return; /* closing already; or finishing, which cannot be taken back */
    get->failure = status;
    get->failure_words[0] = '\0'; /* mostly of a file that is not there: no need of a format's work */
    dfs_client_append(get->failure_words, "get ", CLIENT_WORDS_BYTES);
    dfs_client_append(get->failure_words, get->path, 100);
    dfs_client_append(get->failure_words, ": ", CLIENT_WORDS_BYTES);
    dfs_client_append(get->failure_words, words, CLIENT_WORDS_BYTES);
    get_stop(get);
    enter(get, CLIENT_GET_CLOSING, dfs_status_name(status));
    close_sink(get);
}

static void get_fail_command(struct client_command *command, enum dfs_status status, const char *words)
{
    dfs_client_get_fail(get_of(command), status, words);
}

static void get_end(struct client_get *get, enum dfs_status sink_status)
{
    const struct dfs_m_get_plan figures = {.file = get->file,
                                           .version = get->version,
                                           .size_bytes = get->size_bytes,
                                           .blocks = get->blocks,
                                           .digest = get->digest};
    struct dfs_client_result result = {.status = DFS_OK, .bytes = get->end - get->first};
    char words[CLIENT_WORDS_BYTES];

    if (get->phase == CLIENT_GET_CLOSING) {
        result.status = get->failure;
        result.words = get->failure_words;
        enter(get, CLIENT_GET_FAILED, "sink");
    } else if (sink_status != DFS_OK) {
        result.status = sink_status;
        result.words = dfs_client_say(words, "get %.100s: the sink could not be finished: %s", get->path,
                                      dfs_status_words(sink_status));
        enter(get, CLIENT_GET_FAILED, "sink");
    } else {
        words[0] = '\0';
        dfs_client_append(words, "get ", SIZE_MAX);
        dfs_client_append(words, get->path, CLIENT_PATH_SAID_BYTES);
        dfs_client_append(words, ": every byte was verified", SIZE_MAX);
        result.words = words;
        result.number = DFS_MSG_GET_PLAN;
        result.message = &figures;
        enter(get, CLIENT_GET_DONE, "sink");
    }
    dfs_client_command_end(&get->base, &result);
    get_free(get);
}

static void on_finished(struct client_local *local, const struct dfs_event *event)
{
    struct client_get *get = local->owner;

    dfs_list_remove(&local->link);
    get_end(get, event->local.status);
}

/* The sink ------------------------------------------------------------------------------------------------------------------- */

void dfs_client_get_push(struct client_get *get, uint64_t file_offset, struct dfs_buf *buf, size_t buf_offset,
                         size_t bytes)
{
    const uint64_t end = file_offset - get->first + bytes;

    if (get->pushed_end < end)
        get->pushed_end = end;
    /* A range is a file of its own: its first byte stands at 0. */
    dfs_client_push(get->base.client, &get->pushes, get->sink, file_offset - get->first, buf, buf_offset, bytes, 0);
}

/* From the beginning, when the sink has taken what is on its way: bytes of the version before must not arrive after those of the next. */
static void open_anew(struct client_get *get)
{
    if (dfs_list_empty(&get->pushes.locals))
        dfs_client_ask_start(&get->open);
}

/* The version that was being read is gone: it was replaced, and is not kept. Its successor is as good, if the sink can still become that. */
static void start_anew(struct client_get *get)
{
    if ((get->ordered && get->pushed_end > 0) || ++get->restarts > CLIENT_GET_RESTARTS_MAX) {
        dfs_client_get_fail(get, DFS_UNAVAILABLE, "the file was replaced while it was read; get it again");
        return;
    }
    get_stop(get);
    dfs_client_pages_free(&get->pages);
    enter(get, CLIENT_GET_OPENING, "NOT_FOUND");
    get->planned = false;
    get->version = 0;
    get->end = get->first;
    get->page_first = 0;
    get->digest_so_far = 0;
    get->looked = 0;
    get->base.done_bytes = 0;
    open_anew(get);
}

void dfs_client_get_refused(struct client_get *get, const struct client_status *answer)
{
    if (answer->status == DFS_NOT_FOUND && get->version_wanted == 0 && get->phase == CLIENT_GET_READING)
        start_anew(get);
    else
        dfs_client_get_fail(get, answer->status, answer->words);
}

static void on_pushed(struct client_local *local, const struct dfs_event *event)
{
    struct client_get *get = local->owner;
    char words[CLIENT_WORDS_BYTES];

    dfs_list_remove(&local->link);
    dfs_client_command_progress(&get->base);
    if (get->phase == CLIENT_GET_CLOSING) {
        close_sink(get);
    } else if (event->local.status != DFS_OK) {
        dfs_client_say(words, "the sink took no more: %s", dfs_status_words(event->local.status));
        dfs_client_get_fail(get, event->local.status, words);
    } else if (get->phase == CLIENT_GET_OPENING) {
        open_anew(get);
    } else {
        dfs_client_get_moved_on(get, "sink");
    }
}

/* Is the file whole? Then the sink is told so. */
void dfs_client_get_moved_on(struct client_get *get, const char *why)
{
    if (get->phase != CLIENT_GET_READING)
        return;
    if (get->next_offset < get->end || !dfs_list_empty(&get->running) || !dfs_list_empty(&get->pushes.locals)) {
        dfs_client_command_ready(&get->base);
        return;
    }
    if (get->first == 0 && get->end == get->size_bytes && get->digest_so_far != get->digest) {
        dfs_client_get_fail(get, DFS_BLOCK_CORRUPT,
                            "every block is right but they do not make up the file that was put");
        return;
    }
    enter(get, CLIENT_GET_FINISHING, why);
    dfs_client_finish(get->base.client, &get->finish, get->sink, true);
}

/* The plan ------------------------------------------------------------------------------------------------------------------- */

/* The next page is asked for before it is needed. */
static void plan_ahead(struct client_get *get)
{
    if (get->phase != CLIENT_GET_READING || dfs_client_ask_is_running(&get->open) || get->planned_offset >= get->end ||
        get->page_first - get->next > get->base.client->config.parallel)
        return;
    dfs_client_ask_start(&get->open);
}

static void open_send(struct client_ask *ask)
{
    const struct client_get *get = dfs_container_of(ask, struct client_get, open);
    const struct dfs_m_get_open m = {
        .path = dfs_text_of(get->path), .version = get->version, .first_block = get->page_first};

    dfs_client_ask_send(ask, DFS_MSG_GET_OPEN, &m);
}

/* Sum of the lengths of a page's blocks. */
static uint64_t page_bytes(const struct dfs_m_get_plan *m)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < m->plan_count; i++)
        bytes += m->plan[i].length_bytes;
    return bytes;
}

bool dfs_client_get_page_is_good(const struct client_get *get, const struct dfs_m_get_plan *m)
{
    if (get->planned && (!dfs_id_equal(&m->file, &get->file) || m->version != get->version ||
                         m->size_bytes != get->size_bytes || m->blocks != get->blocks))
        return false;
    if (m->blocks > DFS_BLOCKS_PER_FILE_MAX || (m->blocks == 0) != (m->size_bytes == 0))
        return false;
    if (m->blocks > 0 &&
        (m->plan_count == 0 || m->first_block >= m->blocks || m->plan_count > m->blocks - m->first_block))
        return false;
    if (m->first_offset > m->size_bytes || page_bytes(m) > m->size_bytes - m->first_offset)
        return false;
    for (uint32_t i = 0; i < m->plan_count; i++)
        if (!dfs_id_equal(&m->plan[i].grant.block.file, &m->file) ||
            m->plan[i].grant.block.index != m->first_block + i || m->plan[i].grant.operation != DFS_GRANT_READ)
            return false;
    return true;
}

/* The first page says what the file is, and what of it is wanted. false: the command has failed. */
static bool take_figures(struct client_get *get, const struct dfs_m_get_plan *m)
{
    char words[CLIENT_WORDS_BYTES];

    get->planned = true;
    get->file = m->file;
    get->version = m->version;
    get->size_bytes = m->size_bytes;
    get->blocks = m->blocks;
    get->digest = m->digest;
    if (get->first > 0 && get->first >= m->size_bytes) {
        dfs_client_say(words, "the range begins at %llu, the file has %llu bytes", (unsigned long long)get->first,
                       (unsigned long long)m->size_bytes);
        dfs_client_get_fail(get, DFS_BAD_REQUEST, words);
        return false;
    }
    get->end = get->range_last < m->size_bytes ? get->range_last + 1 : m->size_bytes;
    if (get->pushed_end > get->end - get->first) {
        dfs_client_get_fail(get, DFS_UNAVAILABLE,
                            "the file was replaced by a shorter one while it was read; get it again");
        return false;
    }
    get->base.total_bytes = get->end - get->first;
    return true;
}

/* The page does not hold the beginning of the range: where to look next. false: nowhere sensible. */
static bool look_elsewhere(struct client_get *get, const struct dfs_m_get_plan *m)
{
    uint32_t longest = 1;

    if (++get->looked > LOOKS_MAX)
        return false;
    if (get->first < m->first_offset) {
        get->page_first = m->first_block > DFS_PLACEMENT_PAGE_MAX ? m->first_block - DFS_PLACEMENT_PAGE_MAX : 0;
        return m->first_block > 0;
    }
    if (get->looked > 1) {
        get->page_first = m->first_block + m->plan_count;
        return get->page_first < get->blocks;
    }
    for (uint32_t i = 0; i < m->plan_count; i++)
        if (longest < m->plan[i].length_bytes)
            longest = m->plan[i].length_bytes;
    /* Blocks are equal to within a byte, so this is a block before the right one, by at most a few. */
    const uint64_t guess = get->first / longest;

    get->page_first = guess < get->blocks ? (uint32_t)guess : get->blocks - 1;
    return true;
}

static void take_page(struct client_get *get, const struct dfs_m_get_plan *m)
{
    struct client_page *page = dfs_client_page_of_plan(m->first_block, m->plan, m->plan_count);

    dfs_list_push(&get->pages, &page->link);
    for (uint32_t i = 0; i < m->plan_count; i++)
        get->digest_so_far = dfs_crc32c_combine(get->digest_so_far, m->plan[i].crc32c, m->plan[i].length_bytes);
    get->page_first = m->first_block + m->plan_count;
    get->planned_offset = m->first_offset + page_bytes(m);
}

/* The first block of the range, in the page that holds it. */
static void begin_reading(struct client_get *get, const struct dfs_m_get_plan *m)
{
    uint32_t index = 0;
    uint64_t offset = m->first_offset;

    while (index < m->plan_count && offset + m->plan[index].length_bytes <= get->first)
        offset += m->plan[index++].length_bytes;
    get->next = m->first_block + index;
    get->next_offset = offset;
    enter(get, CLIENT_GET_READING, "get_plan");
    if (m->plan_count > 0)
        take_page(get, m);
}

static void open_answered(struct client_ask *ask, const struct dfs_incoming *in)
{
    struct client_get *get = dfs_container_of(ask, struct client_get, open);
    const struct dfs_m_get_plan *m = in->body;
    struct client_status answer;

    if (dfs_client_is_status(in, &answer) && answer.status != DFS_OK) {
        dfs_client_get_refused(get, &answer);
        return;
    }
    if (in->number != DFS_MSG_GET_PLAN || m->first_block != get->page_first || !dfs_client_get_page_is_good(get, m)) {
        dfs_client_get_fail(get, DFS_BAD_REQUEST,
                            "metadata answered GET_OPEN with a plan that makes no sense; do the versions match?");
        return;
    }
    dfs_client_command_progress(&get->base);
    if (!get->planned && !take_figures(get, m))
        return;
    if (get->phase == CLIENT_GET_OPENING) {
        const bool here = get->first >= m->first_offset && get->first < m->first_offset + page_bytes(m);

        if (!here && get->end > get->first) {
            if (!look_elsewhere(get, m)) {
                dfs_client_get_fail(get, DFS_BAD_REQUEST, "metadata's plan does not say where the range begins");
                return;
            }
            DFS_GATE_STAY(&get->base.client->env, &dfs_client_get_gate, get->phase, "get_plan");
            dfs_client_ask_start(ask);
            return;
        }
        begin_reading(get, m);
    } else if (m->first_offset != get->planned_offset) {
        dfs_client_get_fail(get, DFS_BAD_REQUEST, "metadata's plan has gaps");
        return;
    } else {
        DFS_GATE_STAY(&get->base.client->env, &dfs_client_get_gate, get->phase, "get_plan");
        take_page(get, m);
    }
    plan_ahead(get);
    dfs_client_get_moved_on(get, "get_plan");
}

/* Blocks ----------------------------------------------------------------------------------------------------------------------- */

/* Pages below the first block under way have served: no block of them will be begun, nor put back and begun anew. */
static void drop_pages(struct client_get *get)
{
    uint32_t lowest = get->next;
    struct dfs_list *at;

    if (!dfs_list_empty(&get->running))
        lowest = dfs_container_of(dfs_list_first(&get->running), struct client_get_block, link)->index;
    while ((at = dfs_list_first(&get->pages)) != NULL) {
        struct client_page *page = dfs_container_of(at, struct client_page, link);

        if (page->first + page->count > lowest)
            return;
        dfs_list_remove(at);
        dfs_free(page);
    }
}

static enum client_start start_block(struct client_command *command)
{
    struct client_get *get = get_of(command);

    if (get->phase != CLIENT_GET_READING || get->next_offset >= get->end || get->waiting > 0)
        return CLIENT_NOTHING_TO_START;
    const struct dfs_w_plan_block *planned = dfs_client_page_find(&get->pages, get->next, NULL);

    if (planned == NULL)
        return CLIENT_NOTHING_TO_START; /* the page is on its way */
    size_t cost = dfs_client_get_block_cost(get, get->next_offset, planned->length_bytes);
    const bool through = get->ordered && cost > dfs_client_reserve_max(command->client);

    if (through) {
        if (!dfs_list_empty(&get->running))
            return CLIENT_NOTHING_TO_START; /* it is pushed as it comes, when it is its turn */
        cost =
            command->client->config.bounds.get_window * dfs_client_cost(command->client, command->client->frame_bytes);
    }
    if (!dfs_client_reserve(command->client, cost))
        return CLIENT_NO_ROOM;
    dfs_client_get_block_start(get, planned, get->next, get->next_offset, cost, through);
    get->next++;
    get->next_offset += planned->length_bytes;
    drop_pages(get);
    plan_ahead(get);
    return CLIENT_STARTED;
}

static bool waits_for_sink(struct client_command *command)
{
    struct client_get *get = get_of(command);

    return !dfs_list_empty(&get->pushes.locals) || !dfs_list_empty(&get->finish.locals);
}

static const struct client_command_kind get_kind = {.name = "get",
                                                    .start_block = start_block,
                                                    .fail = get_fail_command,
                                                    .waits_for_host = waits_for_sink,
                                                    .drop = get_drop};

void dfs_client_get_start(struct dfs_client *client, uint64_t id, const struct dfs_client_get *wanted)
{
    const char *fault = dfs_client_path_fault(wanted->path);
    struct client_get *get = dfs_stock_take_zero(&client->gets);

    dfs_client_command_init(client, &get->base, &get_kind, id);
    get->base.total_bytes = DFS_SIZE_UNKNOWN;
    get->path = dfs_client_copy_text(wanted->path);
    get->sink = wanted->sink;
    get->ordered = wanted->ordered;
    get->version = wanted->version;
    get->version_wanted = wanted->version;
    get->first = wanted->first;
    get->end = wanted->first;
    get->range_last = wanted->last;
    dfs_list_init(&get->pages);
    dfs_list_init(&get->running);
    dfs_client_local_init(&get->pushes, get, on_pushed);
    dfs_client_local_init(&get->finish, get, on_finished);
    dfs_client_ask_init(&get->open, &get->base, open_send, open_answered);
    if (fault != NULL)
        dfs_client_get_fail(get, DFS_BAD_REQUEST, fault);
    else if (wanted->first > wanted->last)
        dfs_client_get_fail(get, DFS_BAD_REQUEST, "the range ends before it begins");
    else
        dfs_client_ask_start(&get->open);
}

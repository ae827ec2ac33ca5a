#include "core/client/client_internal.h"

#include "core/auth/auth_client.h"
#include "core/base/assert.h"
#include "core/base/mac.h"
#include "core/base/mem.h"
#include "core/client/get.h"
#include "core/client/put.h"
#include "core/env/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* After a stall, what lies in the sockets is heard before anybody is called silent. */
#define STALL_GRACE_NS (10 * DFS_MILLISECONDS)

/* Frames that may lie between the books and the pool: one that comes for a block nobody waits for, one that is received. */
#define HEADROOM_FRAMES 2

const struct dfs_gate *const dfs_client_gates[] = {
    &dfs_auth_client_gate,      &dfs_client_session_gate, &dfs_client_node_gate,      &dfs_client_put_gate,
    &dfs_client_put_block_gate, &dfs_client_get_gate,     &dfs_client_get_block_gate, NULL};

/* Timers ------------------------------------------------------------------------------------------------------------------- */

void dfs_client_timer_init(struct client_timer *timer, void (*fire)(struct dfs_client *, struct client_timer *))
{
    dfs_heap_item_init(&timer->item);
    timer->fire = fire;
}

void dfs_client_timer_set(struct dfs_client *client, struct client_timer *timer, dfs_time_ns at)
{
    if (at == DFS_NEVER)
        dfs_heap_remove(&client->timers, &timer->item);
    else
        dfs_heap_set(&client->timers, &timer->item, at);
}

void dfs_client_timer_stop(struct dfs_client *client, struct client_timer *timer)
{
    dfs_heap_remove(&client->timers, &timer->item);
}

dfs_duration_ns dfs_client_back_off(struct dfs_client *client, uint32_t tries)
{
    uint64_t random = 0;
    dfs_duration_ns wait_ns = CLIENT_BACK_OFF_FIRST_NS << (tries < 10 ? tries : 10);

    if (wait_ns > CLIENT_BACK_OFF_MAX_NS)
        wait_ns = CLIENT_BACK_OFF_MAX_NS;
    client->env.rng->random(client->env.ctx, DFS_RNG_JITTER, &random, sizeof random);
    return wait_ns / 2 + random % (wait_ns / 2);
}

/* Words -------------------------------------------------------------------------------------------------------------------- */

const char *dfs_client_addr_text(const struct dfs_addr *addr, char ret_text[CLIENT_ADDR_TEXT_BYTES])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t *ip = addr->ip;
    size_t at = 1;

    if (memcmp(ip, mapped, sizeof mapped) == 0) {
        snprintf(ret_text, CLIENT_ADDR_TEXT_BYTES, "%u.%u.%u.%u:%u", (unsigned)ip[12], (unsigned)ip[13],
                 (unsigned)ip[14], (unsigned)ip[15], (unsigned)addr->port);
        return ret_text;
    }
    ret_text[0] = '[';
    for (size_t i = 0; i < 16; i += 2) { /* in full: an address in an error is to be compared, not admired */
        snprintf(ret_text + at, CLIENT_ADDR_TEXT_BYTES - at, i == 0 ? "%x" : ":%x", (unsigned)ip[i] << 8 | ip[i + 1]);
        at += strlen(ret_text + at);
    }
    snprintf(ret_text + at, CLIENT_ADDR_TEXT_BYTES - at, "]:%u", (unsigned)addr->port);
    return ret_text;
}

const char *dfs_client_say(char words[CLIENT_WORDS_BYTES], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words, CLIENT_WORDS_BYTES, format, arguments);
    va_end(arguments);
    return words;
}

void dfs_client_append(char words[CLIENT_WORDS_BYTES], const char *text, size_t max)
{
    const size_t have = strlen(words);
    const size_t room = CLIENT_WORDS_BYTES - 1 - have;
    size_t count = strnlen(text, max);

    if (count > room)
        count = room;
    memcpy(words + have, text, count);
    words[have + count] = '\0';
}

char *dfs_client_copy_text(const char *text)
{
    const size_t bytes = strlen(text) + 1;

    return memcpy(dfs_alloc(bytes), text, bytes);
}

/* Would the other side take this message? Text that is no UTF-8 is refused where it was typed, not by a closed connection. */
static bool is_sendable(uint32_t number, const void *message)
{
    uint8_t bytes[DFS_PATH_BYTES_MAX + DFS_USER_BYTES_MAX + DFS_PASSWORD_BYTES_MAX];
    const struct dfs_layout *layout = dfs_message_layout(number);
    struct dfs_wr w = dfs_wr_make(bytes, sizeof bytes);
    union dfs_any_message back;

    dfs_encode(layout, message, &w);
    DFS_ASSERT(!w.bad);
    struct dfs_rd r = dfs_rd_make(bytes, dfs_wr_count(&w));
    const bool sound = dfs_decode(layout, &r, NULL, &back) == DFS_OK;

    dfs_wipe(bytes, dfs_wr_count(&w)); /* it may have been a password */
    return sound;
}

const char *dfs_client_path_fault(const char *path)
{
    const struct dfs_m_versions m = {.path = dfs_text_of(path)};

    if (m.path.count > DFS_PATH_BYTES_MAX)
        return "a path has at most 1024 bytes";
    return is_sendable(DFS_MSG_VERSIONS, &m) ? NULL : "a path is UTF-8";
}

const char *dfs_client_login_fault(const char *user, const char *password)
{
    const struct dfs_m_login m = {.user = dfs_text_of(user), .password = dfs_text_of(password)};

    if (m.user.count > DFS_USER_BYTES_MAX || m.password.count > DFS_PASSWORD_BYTES_MAX)
        return "a user's name has at most 64 bytes, a password 1024";
    return is_sendable(DFS_MSG_LOGIN, &m) ? NULL : "user and password are UTF-8";
}

bool dfs_client_is_status(const struct dfs_incoming *in, struct client_status *ret_status)
{
    ret_status->status = DFS_OK;
    ret_status->retry_after_ns = 0;
    ret_status->words[0] = '\0';
    if (in->number != DFS_MSG_STATUS)
        return false;
    const struct dfs_m_status *m = in->body;

    ret_status->status = (enum dfs_status)m->status;
    ret_status->retry_after_ns = m->retry_after_ns;
    if (m->words.count > 0)
        dfs_client_append(ret_status->words, m->words.at, m->words.count);
    else
        dfs_client_append(ret_status->words, dfs_status_words(ret_status->status), CLIENT_WORDS_BYTES);
    return true;
}

bool dfs_client_is_about_token(enum dfs_status status)
{
    return status == DFS_TOKEN_MISSING || status == DFS_TOKEN_INVALID || status == DFS_TOKEN_EXPIRED ||
           status == DFS_TOKEN_NOT_YET_VALID || status == DFS_TOKEN_WRONG_ISSUER ||
           status == DFS_TOKEN_WRONG_AUDIENCE || status == DFS_TOKEN_NOT_YOURS || status == DFS_TOKEN_REVOKED;
}

/* Memory of blocks under way ------------------------------------------------------------------------------------------------- */

uint32_t dfs_client_frame_length(const struct dfs_client *client, uint32_t offset, uint32_t length)
{
    return client->frame_bytes < length - offset ? client->frame_bytes : length - offset;
}

/* A buffer takes the room of its class, a power of two, and its slack. */
static size_t buffer_cost(uint32_t bytes)
{
    size_t cost = 512;

    while (cost < bytes)
        cost *= 2;
    return cost + DFS_BULK_SLACK_BYTES;
}

size_t dfs_client_cost(const struct dfs_client *client, uint32_t bytes)
{
    const uint32_t whole = bytes / client->frame_bytes;
    const uint32_t rest = bytes % client->frame_bytes;

    return whole * buffer_cost(client->frame_bytes) + (rest > 0 ? buffer_cost(rest) : 0);
}

size_t dfs_client_reserve_max(const struct dfs_client *client)
{
    const size_t headroom = HEADROOM_FRAMES * buffer_cost(client->frame_bytes);

    return client->pool.bytes_max > headroom ? client->pool.bytes_max - headroom : 0;
}

bool dfs_client_reserve(struct dfs_client *client, size_t bytes)
{
    const size_t max = dfs_client_reserve_max(client);

    if (client->reserved_bytes > 0 && (bytes > max || client->reserved_bytes > max - bytes))
        return false;
    client->reserved_bytes += bytes;
    return true;
}

void dfs_client_unreserve(struct dfs_client *client, size_t bytes)
{
    DFS_ASSERT(client->reserved_bytes >= bytes);
    client->reserved_bytes -= bytes;
}

static void pool_has_room(struct dfs_buf_waiter *waiter)
{
    struct dfs_client *client = dfs_container_of(waiter, struct dfs_client, pool_waiter);

    client->pool_has_room = true;
}

/* Commands ------------------------------------------------------------------------------------------------------------------- */

dfs_duration_ns dfs_client_unreached_ns(const struct dfs_client *client)
{
    return client->config.give_up_after_ns < CLIENT_UNREACHED_NS ? client->config.give_up_after_ns
                                                                 : CLIENT_UNREACHED_NS;
}

static dfs_duration_ns patience_ns(const struct client_command *command)
{
    const bool is_out_of_reach = command->trouble == DFS_UNREACHABLE || command->trouble == DFS_TIMEOUT;

    return !command->moved && is_out_of_reach ? dfs_client_unreached_ns(command->client)
                                              : command->client->config.give_up_after_ns;
}

static void on_give_up(struct dfs_client *client, struct client_timer *timer)
{
    struct client_command *command = dfs_container_of(timer, struct client_command, give_up);
    const dfs_time_ns at = dfs_time_add(command->progress_at, patience_ns(command));
    char words[CLIENT_WORDS_BYTES];

    if (command->kind->waits_for_host != NULL && command->kind->waits_for_host(command)) {
        dfs_client_timer_set(client, timer, dfs_time_add(client->now, client->config.give_up_after_ns));
        return;
    }
    if (client->now < at) { /* it moved on meanwhile */
        dfs_client_timer_set(client, timer, at);
        return;
    }
    if (command->trouble != DFS_OK)
        dfs_client_say(words, "%s (given up after no progress for too long)", command->trouble_words);
    else
        dfs_client_say(words, "%s: no progress for too long; is metadata running, and the network there?",
                       command->kind->name);
    command->kind->fail(command, command->trouble != DFS_OK ? command->trouble : DFS_TIMEOUT, words);
}

void dfs_client_command_init(struct dfs_client *client, struct client_command *command,
                             const struct client_command_kind *kind, uint64_t id)
{
    command->client = client;
    command->kind = kind;
    command->id = id;
    command->progress_at = client->now;
    dfs_list_init(&command->ready);
    dfs_client_timer_init(&command->give_up, on_give_up);
    dfs_client_timer_set(client, &command->give_up, dfs_time_add(client->now, dfs_client_unreached_ns(client)));
    dfs_list_push(&client->commands, &command->link);
    client->commands_count++;
    if (id != 0)
        dfs_map_insert(&client->commands_map, command);
}

void dfs_client_command_progress(struct client_command *command)
{
    command->progress_at = command->client->now;
    command->moved = true;
    command->trouble = DFS_OK;
}

void dfs_client_command_trouble(struct client_command *command, enum dfs_status status, const char *words)
{
    command->trouble = status;
    dfs_client_say(command->trouble_words, "%s", words);
}

void dfs_client_command_ready(struct client_command *command)
{
    if (!dfs_list_linked(&command->ready))
        dfs_list_push(&command->client->ready, &command->ready);
}

void dfs_client_command_forget(struct client_command *command)
{
    struct dfs_client *client = command->client;

    dfs_client_timer_stop(client, &command->give_up);
    dfs_list_remove(&command->ready);
    dfs_list_remove(&command->link);
    client->commands_count--;
    if (command->id != 0)
        dfs_map_remove(&client->commands_map, &command->id);
}

static void answer(struct dfs_client *client, uint64_t id, const struct dfs_client_result *result)
{
    if (id != 0)
        client->env.local->answer(client->env.ctx, id, result);
}

void dfs_client_command_end(struct client_command *command, const struct dfs_client_result *result)
{
    dfs_client_command_forget(command);
    answer(command->client, command->id, result);
}

void dfs_client_answer(struct dfs_client *client, uint64_t id, enum dfs_status status, const char *words)
{
    const struct dfs_client_result result = {.status = status,
                                             .words = words != NULL ? words : dfs_status_words(status)};

    answer(client, id, &result);
}

bool dfs_client_progress(const struct dfs_client *client, uint64_t id, uint64_t *ret_done_bytes,
                         uint64_t *ret_total_bytes)
{
    const struct client_command *command = id == 0 ? NULL : dfs_map_find(&client->commands_map, &id);

    if (command == NULL)
        return false;
    *ret_done_bytes = command->done_bytes;
    *ret_total_bytes = command->total_bytes;
    return true;
}

size_t dfs_client_running(const struct dfs_client *client)
{
    return client->commands_count;
}

/* Starts blocks of the commands in turn, while there is leave (parallel) and memory. */
static void pump(struct dfs_client *client)
{
    struct dfs_list waiting;
    struct dfs_list *at;

    if (client->pool_has_room) {
        client->pool_has_room = false;
        dfs_client_put_feed(client);
    }
    if (dfs_list_empty(&client->ready))
        return;
    dfs_list_init(&waiting);
    while (client->blocks_running < client->config.parallel && (at = dfs_list_pop(&client->ready)) != NULL) {
        struct client_command *command = dfs_container_of(at, struct client_command, ready);
        enum client_start started;

        /* First back in its place: starting may end the command. */
        dfs_list_push(&client->ready, &command->ready);
        started = command->kind->start_block(command);
        if (started == CLIENT_STARTED)
            continue;
        dfs_list_remove(&command->ready);
        if (started == CLIENT_NO_ROOM)
            dfs_list_push(&waiting, &command->ready);
    }
    while ((at = dfs_list_pop(&waiting)) != NULL)
        dfs_list_push(&client->ready, at);
}

/* Ends all commands with ABORTED, closes all connections. */
static void close_all(struct dfs_client *client)
{
    dfs_list_each(at, &client->commands)
    {
        struct client_command *command = dfs_container_of(at, struct client_command, link);

        command->kind->fail(command, DFS_ABORTED, "the client was closed");
    }
    dfs_client_identity_close(client);
    dfs_client_session_close(client);
    dfs_client_nodes_close(client);
}

static void cancel(struct dfs_client *client, uint64_t id, const struct dfs_client_cancel *cancelled)
{
    struct client_command *command =
        cancelled->command == 0 ? NULL : dfs_map_find(&client->commands_map, &cancelled->command);
    char words[CLIENT_WORDS_BYTES];

    if (command == NULL) {
        dfs_client_answer(client, id, DFS_NOT_FOUND, "no such command runs");
        return;
    }
    /* Who loses patience wants to know with whom. */
    if (command->trouble != DFS_OK)
        dfs_client_say(words, "given up by the caller; the last trouble was: %s", command->trouble_words);
    command->kind->fail(command, DFS_ABORTED, command->trouble != DFS_OK ? words : "given up by the caller");
    dfs_client_answer(client, id, DFS_OK, NULL);
}

static void on_command(struct dfs_client *client, uint64_t id, uint32_t code, const void *argument)
{
    if (client->commands_count >= CLIENT_COMMANDS_MAX) {
        dfs_client_answer(client, id, DFS_UNAVAILABLE, "too many commands run at once; wait for some of them");
        return;
    }
    switch ((enum dfs_client_command)code) {
    case DFS_CLIENT_LOGIN:
        dfs_client_identity_login(client, id, argument);
        return;
    case DFS_CLIENT_SET_TOKEN:
        dfs_client_identity_set(client, argument);
        dfs_client_answer(client, id, DFS_OK, NULL);
        return;
    case DFS_CLIENT_PUT:
        dfs_client_put_start(client, id, argument);
        return;
    case DFS_CLIENT_GET:
        dfs_client_get_start(client, id, argument);
        return;
    case DFS_CLIENT_CANCEL:
        cancel(client, id, argument);
        return;
    case DFS_CLIENT_CLOSE:
        close_all(client);
        dfs_client_answer(client, id, DFS_OK, NULL);
        return;
    case DFS_CLIENT_STAT:
    case DFS_CLIENT_LIST:
    case DFS_CLIENT_MOVE:
    case DFS_CLIENT_REMOVE:
    case DFS_CLIENT_RESTORE:
    case DFS_CLIENT_VERSIONS:
    case DFS_CLIENT_NODES:
    case DFS_CLIENT_FSCK:
    case DFS_CLIENT_EXPLAIN:
    case DFS_CLIENT_DRAIN:
    case DFS_CLIENT_HEALTH:
        dfs_client_small_start(client, id, code, argument);
        return;
    default:
        dfs_client_answer(client, id, DFS_BAD_USAGE, "the client knows no such command");
        return;
    }
}

/* Life ------------------------------------------------------------------------------------------------------------------------ */

/* Whole chunks, for those are what servers verify; and so small that a few of them fit into the pool. */
static uint32_t frame_bytes_of(const struct dfs_client_config *config)
{
    uint32_t chunks = config->frame_bytes / DFS_CHUNK_BYTES;

    if (chunks > DFS_CHUNKS_PER_FRAME_MAX)
        chunks = DFS_CHUNKS_PER_FRAME_MAX;
    while (chunks > 1 && buffer_cost(chunks * DFS_CHUNK_BYTES) * (HEADROOM_FRAMES + 2) > config->pool_bytes)
        chunks /= 2;
    return (chunks > 0 ? chunks : 1) * DFS_CHUNK_BYTES;
}

struct dfs_client *dfs_client_new(const struct dfs_client_config *config, const struct dfs_env *env)
{
    struct dfs_client *client = dfs_alloc_zero(sizeof *client);
    uint64_t seed = 0;

    client->config = *config;
    client->env = *env;
    client->env.rng->random(client->env.ctx, DFS_RNG_KEY, &seed, sizeof seed);
    dfs_stall_init(&client->stall, config->request_timeout_ns);
    DFS_ASSERT(config->frame_bytes > 0 && config->parallel > 0);
    client->frame_bytes = frame_bytes_of(config);
    dfs_buf_pool_init(&client->pool, config->pool_bytes);
    client->pool_waiter.ready = pool_has_room;
    dfs_list_init(&client->pool_waiter.link);
    dfs_links_init(&client->links);
    dfs_heap_init(&client->timers);
    dfs_list_init(&client->commands);
    dfs_list_init(&client->ready);
    dfs_list_init(&client->starving);
    dfs_map_init(&client->commands_map, offsetof(struct client_command, id), sizeof(uint64_t), seed);
    client->locals_free = UINT32_MAX;
    dfs_stock_init(&client->puts, sizeof(struct client_put));
    dfs_stock_init(&client->put_blocks, sizeof(struct client_put_block));
    dfs_stock_init(&client->gets, sizeof(struct client_get));
    dfs_stock_init(&client->get_blocks, sizeof(struct client_get_block));
    dfs_client_identity_init(client);
    dfs_client_session_init(client);
    dfs_client_nodes_init(client);
    return client;
}

void dfs_client_free(struct dfs_client *client)
{
    struct dfs_list *at;

    if (client == NULL)
        return;
    while ((at = dfs_list_first(&client->commands)) != NULL) {
        struct client_command *command = dfs_container_of(at, struct client_command, link);

        command->kind->drop(command);
    }
    dfs_client_identity_drop(client);
    dfs_client_session_drop(client);
    dfs_client_nodes_drop(client);
    dfs_client_local_drop(client);
    dfs_stock_close(&client->puts);
    dfs_stock_close(&client->put_blocks);
    dfs_stock_close(&client->gets);
    dfs_stock_close(&client->get_blocks);
    dfs_links_close(&client->links);
    dfs_buf_pool_unwait(&client->pool_waiter);
    dfs_map_close(&client->commands_map);
    dfs_heap_close(&client->timers);
    dfs_buf_pool_close(&client->pool);
    dfs_free(client);
}

/* The door -------------------------------------------------------------------------------------------------------------------- */

static void on_net(struct dfs_client *client, const struct dfs_event *event)
{
    struct client_end *end = event->net.user;

    switch (end->kind) {
    case CLIENT_END_AUTH:
        dfs_client_identity_on_event(client, event);
        return;
    case CLIENT_END_META:
        dfs_client_session_on_event(client, event);
        return;
    case CLIENT_END_DATA:
        dfs_client_nodes_on_event(client, dfs_container_of(end, struct client_node, end), event);
        return;
    }
    dfs_unreachable("on_net");
}

static void step_event(struct dfs_client *client, const struct dfs_event *event)
{
    switch (event->kind) {
    case DFS_EV_OPEN:
    case DFS_EV_RECV:
    case DFS_EV_SENT:
    case DFS_EV_CLOSED:
        on_net(client, event);
        return;
    case DFS_EV_SOURCE:
    case DFS_EV_SINK:
        dfs_client_local_on_event(client, event);
        return;
    case DFS_EV_COMMAND:
        on_command(client, event->command.id, event->command.code, event->command.argument);
        return;
    case DFS_EV_ACCEPT: /* nobody calls a client: not ours to serve */
        client->env.net->close(client->env.ctx, event->net.conn);
        return;
    case DFS_EV_START:
    case DFS_EV_TICK:     /* timers are looked at after every event */
    case DFS_EV_DATAGRAM: /* a client has no UDP port */
    case DFS_EV_DISK:     /* nor a disk */
        return;
    case DFS_EV_COUNT:
        break;
    }
    dfs_unreachable("dfs_client_step");
}

dfs_time_ns dfs_client_step(struct dfs_client *client, const struct dfs_event *event)
{
    const dfs_duration_ns late = dfs_stall_step(&client->stall, event->mono);
    struct dfs_heap_item *item;
    dfs_time_ns deadline;

    client->now = event->mono - client->stall.total_ns;
    client->wall = event->wall;
    step_event(client, event);
    while (late == 0 && (item = dfs_heap_pop(&client->timers, client->now)) != NULL) {
        struct client_timer *timer = dfs_container_of(item, struct client_timer, item);

        timer->fire(client, timer);
    }
    pump(client);
    dfs_links_resume_due(&client->links);
    deadline = dfs_time_add(dfs_heap_next(&client->timers), client->stall.total_ns);
    if (late > 0)
        deadline = dfs_time_max(deadline, event->mono + STALL_GRACE_NS);
    client->stall.deadline = deadline;
    return deadline;
}

#include "core/base/mem.h"
#include "core/wire/frame.h"
#include "sim/fields.h"
#include "sim/html_parts.h"

#include <inttypes.h>

/* Messages of the diagram: some 40 MB of page. More are counted. */
#define MESSAGES_MAX 100000

/* Values of a message: a plan of 16 blocks with their replicas. More are counted. */
#define FIELDS_MAX 200

struct sim_html_messages {
    struct sim_run *run;
    FILE *numbers; /* NULL: no room for a temporary file */
    FILE *fields;
    uint32_t count;
    uint64_t more;
    struct dfs_arena arena;
    union dfs_any_message decoded;
};

/* Returns how many fields are not among them. */
static uint32_t put_fields(struct sim_html_messages *messages, const struct sim_message *message)
{
    struct dfs_frame frame;
    uint32_t more = 0;

    if (message->head_bytes < DFS_FRAME_HEADER_BYTES || dfs_frame_decode(message->head, &frame) != DFS_OK) {
        (void)fputs("{\"problem\":\"no frame of the protocol\"}\n", messages->fields);
        return 0;
    }
    struct dfs_rd body =
        dfs_rd_make(message->head + DFS_FRAME_HEADER_BYTES, message->head_bytes - DFS_FRAME_HEADER_BYTES);
    const struct dfs_layout *layout = dfs_message_layout(frame.type);

    dfs_arena_reset(&messages->arena);
    if (layout == NULL || dfs_decode(layout, &body, &messages->arena, &messages->decoded) != DFS_OK)
        (void)fputs("{\"problem\":\"does not decode\"}", messages->fields);
    else
        more = sim_fields_write(messages->fields, messages->run->cluster, layout, &messages->decoded, FIELDS_MAX);
    (void)fputc('\n', messages->fields);
    return more;
}

static void put_message(struct sim_html_messages *messages, const struct sim_message *message, bool lost)
{
    const dfs_time_ns zero = messages->run->zero;
    const dfs_time_ns now = sim_world_now(messages->run->world);
    const uint32_t from = sim_run_host_number(messages->run, message->from);
    const uint32_t to = message->to == NULL ? UINT32_MAX : sim_run_host_number(messages->run, message->to);

    if (zero == DFS_NEVER || message->sent_at < zero || from == UINT32_MAX || to == UINT32_MAX)
        return;
    if (messages->numbers == NULL || messages->fields == NULL || messages->count >= MESSAGES_MAX) {
        messages->more++;
        return;
    }
    const uint32_t fields_more = put_fields(messages, message);

    (void)fprintf(messages->numbers, "%s%" PRIu64 ",%" PRIu64 ",%u,%u,%d,%u,%zu,%u",
                  messages->count++ == 0 ? "" : ",\n", (message->sent_at - zero) / 1000,
                  (now - message->sent_at) / 1000, from, to, lost, sim_message_number(message),
                  message->head_bytes + message->bulk_bytes, fields_more);
}

static void on_delivered(void *arg, const struct sim_message *message)
{
    put_message(arg, message, false);
}

static void on_lost(void *arg, const struct sim_message *message)
{
    put_message(arg, message, true);
}

struct sim_html_messages *sim_html_messages_new(struct sim_run *run)
{
    struct sim_html_messages *messages = dfs_alloc_zero(sizeof *messages);
    const struct sim_observer observer = {.arg = messages,
                                          .frame_delivered = on_delivered,
                                          .datagram_delivered = on_delivered,
                                          .datagram_lost = on_lost,
                                          .frame_lost = on_lost};

    messages->run = run;
    messages->numbers = tmpfile();
    messages->fields = tmpfile();
    dfs_arena_init(&messages->arena, DFS_DECODE_BYTES_MAX);
    sim_world_observe(run->world, &observer);
    return messages;
}

void sim_html_messages_free(struct sim_html_messages *messages)
{
    if (messages->numbers != NULL)
        (void)fclose(messages->numbers);
    if (messages->fields != NULL)
        (void)fclose(messages->fields);
    dfs_arena_close(&messages->arena);
    dfs_free(messages);
}

uint64_t sim_html_messages_more(const struct sim_html_messages *messages)
{
    return messages->more;
}

static bool put_spool(FILE *spool, FILE *out)
{
    char bytes[65536];
    size_t count;

    if (spool == NULL)
        return true;
    if (fflush(spool) != 0 || ferror(spool) != 0)
        return false;
    rewind(spool);
    while ((count = fread(bytes, 1, sizeof bytes, spool)) > 0)
        (void)fwrite(bytes, 1, count, out);
    return ferror(spool) == 0;
}

bool sim_html_messages_write(struct sim_html_messages *messages, FILE *out)
{
    bool written;

    (void)fputs("<script id=\"messages\" type=\"application/json\">[", out);
    written = put_spool(messages->numbers, out);
    (void)fputs("]</script>\n<script id=\"fields\" type=\"text/plain\">", out);
    written &= put_spool(messages->fields, out);
    (void)fputs("</script>\n", out);
    return written;
}

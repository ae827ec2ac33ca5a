/* Faults of messages: filters on what is sent, datagrams that are made up or come again. */
#include "sim/nemesis_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/wire/link.h"

#include <string.h>

/* Filters ---------------------------------------------------------------------------------------------------------------- */

void sim_blow_filter(struct sim_blow *blow)
{
    const struct sim_fault *fault = blow->fault;
    struct sim_nemesis *nemesis = blow->wound->nemesis;
    const struct sim_host_counts counts = sim_scenario_hosts(nemesis->run->scenario);

    blow->from_any = fault->from.count == 0;
    blow->to_any = fault->to.count == 0;
    sim_host_refs_expand(&fault->from, counts, &blow->from);
    sim_host_refs_expand(&fault->to, counts, &blow->to);
    for (uint32_t i = 0; i < nemesis->hosts_count; i++) {
        if (i != 1 && (sim_host_set_has(&blow->from, i) || sim_host_set_has(&blow->to, i)))
            sim_blow_touch(blow, i);
    }
    dfs_list_push(&nemesis->rules, &blow->rule);
}

static bool matches(const struct sim_blow *blow, uint32_t number, uint32_t from, uint32_t to)
{
    if (blow->fault->message != 0 && blow->fault->message != number)
        return false;
    if (!blow->from_any && (from == UINT32_MAX || !sim_host_set_has(&blow->from, from)))
        return false;
    return blow->to_any || (to != UINT32_MAX && sim_host_set_has(&blow->to, to));
}

/* The rule has looked at one more: is it hit? */
static bool hits(struct sim_blow *blow)
{
    const struct sim_fault *fault = blow->fault;

    blow->seen++;
    if (fault->nth > 0)
        return blow->seen == (uint64_t)fault->nth;
    if (fault->ppb > 0 || fault->ppb_seen)
        return sim_blow_draw(blow, "filter", blow->seen, SIM_PPB_ONE) < (uint64_t)fault->ppb;
    return true;
}

/* One bit of the sender's buffer, after its checksum was made: what bad memory does (the transport would not let it happen on the way). The buffer is the
 * client's own, so the receiver sees it and so does a second sending from the same buffer. */
static void corrupt(const struct sim_blow *blow, const struct sim_message *message)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)message->bulk;
    const uint64_t bit = sim_blow_draw(blow, "corrupt", blow->hits, 8 * (uint64_t)message->bulk_bytes);

    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void hit(struct sim_blow *blow, const struct sim_message *message, struct sim_verdict *verdict)
{
    const struct sim_fault *fault = blow->fault;
    struct sim_host *host = message->from;

    blow->hits++;
    if (fault->kind == SIM_FAULT_CORRUPT)
        corrupt(blow, message);
    else if (fault->kind == SIM_FAULT_DROP)
        verdict->drop = true;
    else if (fault->kind == SIM_FAULT_DELAY)
        verdict->delay += (dfs_duration_ns)fault->by_ns;
    else
        verdict->copies++;
    sim_blow_effect(blow, host);
    if (fault->nth > 0 || (fault->count > 0 && blow->hits == (uint64_t)fault->count))
        sim_blow_over(blow);
}

static void capture(struct sim_nemesis *nemesis, const struct sim_message *message, uint32_t number)
{
    size_t place = nemesis->captures_count;

    if (message->injected || message->to == NULL || (number != DFS_MSG_HEARTBEAT && number != DFS_MSG_HEARTBEAT_ACK))
        return;
    const uint32_t from = sim_run_host_number(nemesis->run, message->from);
    const uint32_t to = sim_run_host_number(nemesis->run, message->to);

    if (from == UINT32_MAX || to == UINT32_MAX || message->head_bytes > DFS_DATAGRAM_BYTES_MAX)
        return;
    nemesis->captured++;
    if (nemesis->captures == NULL)
        nemesis->captures = dfs_alloc_zero_array(SIM_CAPTURES_MAX, sizeof *nemesis->captures);
    if (place == SIM_CAPTURES_MAX) /* any may go: what stays is a sample of the whole past */
        place = (size_t)sim_nemesis_draw(nemesis, "capture", 0, nemesis->captured, SIM_CAPTURES_MAX);
    else
        nemesis->captures_count++;
    struct sim_capture *made = &nemesis->captures[place];

    *made = (struct sim_capture){.from = from, .to = to, .message = number, .count = (uint32_t)message->head_bytes};
    memcpy(made->bytes, message->head, message->head_bytes);
}

static void look(struct sim_nemesis *nemesis, const struct sim_message *message, struct sim_verdict *verdict)
{
    const uint32_t number = sim_message_number(message);

    if (nemesis->captures_on && message->conn == 0)
        capture(nemesis, message, number);
    if (!nemesis->filters || nemesis->run->zero == DFS_NEVER || message->injected)
        return;
    if (!nemesis->stopped)
        sim_nemesis_message(nemesis, number, message->from, message->to);
    if (dfs_list_empty(&nemesis->rules))
        return;
    const uint32_t from = sim_run_host_number(nemesis->run, message->from);
    const uint32_t first_client = 2 + nemesis->run->cluster->options.data;
    const uint32_t to = message->to != NULL ? sim_run_host_number(nemesis->run, message->to) : UINT32_MAX;

    dfs_list_each(at, &nemesis->rules)
    {
        struct sim_blow *blow = dfs_container_of(at, struct sim_blow, rule);

        if (blow->fault->kind == SIM_FAULT_DUPLICATE && message->conn != 0)
            continue; /* streams repeat nothing */
        if (blow->fault->kind == SIM_FAULT_CORRUPT && (message->bulk_bytes == 0 || from < first_client))
            continue; /* a data server that sends bytes which do not verify is a fault of ours, not of the world */
        if (matches(blow, number, from, to) && hits(blow))
            hit(blow, message, verdict);
    }
}

static void on_sent(void *arg, const struct sim_message *message, struct sim_verdict *verdict)
{
    look(arg, message, verdict);
}

void sim_nemesis_observe(struct sim_nemesis *nemesis)
{
    struct sim_observer observer = {.arg = nemesis};

    if (nemesis->filters)
        observer.frame_sent = on_sent;
    if (nemesis->filters || nemesis->captures_on)
        observer.datagram_sent = on_sent;
    if (observer.datagram_sent != NULL)
        sim_world_observe(nemesis->run->world, &observer);
}

/* Forgeries ------------------------------------------------------------------------------------------------------------------ */

/* The captured ones of this message and these senders. Returns how many; the `wanted`-th at *ret. */
static size_t captured_of(const struct sim_nemesis *nemesis, uint32_t message, const struct sim_host_set *from,
                          size_t wanted, const struct sim_capture **ret)
{
    size_t count = 0;

    for (size_t i = 0; i < nemesis->captures_count; i++) {
        const struct sim_capture *captured = &nemesis->captures[i];

        if (captured->message != message || !sim_host_set_has(from, captured->from))
            continue;
        if (count == wanted)
            *ret = captured;
        count++;
    }
    return count;
}

/* From where the attacker sits: the first client's machine, as good as any. */
static void inject(struct sim_blow *blow, const struct sim_capture *captured, const uint8_t *bytes, size_t count)
{
    struct sim_run *run = blow->wound->nemesis->run;
    struct sim_host *sender = run->cluster->clients[0].host;

    sim_datagram_inject(sender, sim_run_host(run, captured->to), sim_host_addr(sim_run_host(run, captured->from)),
                        bytes, count);
    sim_blow_effect(blow, sim_run_host(run, captured->from));
}

/* The newest datagram known, with a higher sequence number and a tag that is a guess. */
static void forge_one(struct sim_blow *blow, const struct sim_capture *captured, uint64_t number)
{
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    union dfs_any_message message;
    uint32_t type = 0;
    struct dfs_mac mac = {0};
    struct dfs_key guess;

    if (dfs_datagram_decode(captured->bytes, captured->count, &type, &message) != DFS_OK)
        return;
    if (type == DFS_MSG_HEARTBEAT)
        message.heartbeat.sequence += 1 + number;
    else
        message.heartbeat_ack.sequence += 1 + number;
    for (size_t i = 0; i < sizeof guess.bytes; i++)
        guess.bytes[i] = (uint8_t)sim_blow_draw(blow, "forge", number << 6 | i, 256);
    dfs_mac_init(&mac, &guess);
    const size_t count = dfs_datagram_encode(type, &message, &mac, bytes);

    dfs_mac_close(&mac);
    inject(blow, captured, bytes, count);
}

static void senders(const struct sim_blow *blow, struct sim_host_set *ret_set)
{
    sim_host_refs_expand(&blow->fault->hosts, sim_scenario_hosts(blow->wound->nemesis->run->scenario), ret_set);
}

void sim_blow_forge(struct sim_blow *blow)
{
    struct sim_nemesis *nemesis = blow->wound->nemesis;
    struct sim_host_set from = {{0}};

    senders(blow, &from);
    const size_t known = captured_of(nemesis, blow->fault->message, &from, SIZE_MAX, NULL);

    for (uint64_t i = 0; i < (uint64_t)blow->fault->count && known > 0; i++) {
        const struct sim_capture *captured = NULL;
        /* one of the last few: of the present incarnations */
        const size_t back = 1 + (size_t)sim_blow_draw(blow, "forge-of", i, known < 8 ? known : 8);

        (void)captured_of(nemesis, blow->fault->message, &from, known - back, &captured);
        forge_one(blow, captured, i);
    }
}

void sim_blow_replay(struct sim_blow *blow)
{
    struct sim_nemesis *nemesis = blow->wound->nemesis;
    struct sim_host_set from = {{0}};

    senders(blow, &from);
    const size_t known = captured_of(nemesis, blow->fault->message, &from, SIZE_MAX, NULL);

    for (uint64_t i = 0; i < (uint64_t)blow->fault->count && known > 0; i++) {
        const struct sim_capture *captured = NULL;
        const size_t which = (size_t)sim_blow_draw(blow, "replay", i, known);

        (void)captured_of(nemesis, blow->fault->message, &from, which, &captured);
        DFS_ASSERT(captured != NULL); /* as many are known */
        inject(blow, captured, captured->bytes, captured->count);
    }
}

/*
 * toy.h - toy machines for the tests of net_sim.
 *
 * A toy counts its events, takes notes that outlive it (struct toy_plan belongs to the test) and does what
 * the test's function says. Static functions only: each test program has its own copy.
 */
#ifndef DFS_TESTS_UNIT_NET_SIM_TOY_H
#define DFS_TESTS_UNIT_NET_SIM_TOY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_sim/world.h"

#include "core/base/mem.h"

#include <stdio.h>
#include <string.h>

#define TOY_SINKS 8
#define TOY_BUFS 32
#define TOY_NOTES 4096

struct toy;

/* Collects what a stream brings. */
struct toy_sink {
    struct dfs_sink sink;
    uint8_t *bytes;
    size_t count;
    size_t room;  /* of bytes */
    size_t grant; /* bytes granted in all; SIZE_MAX: no end */
    size_t each;  /* at most so many a want; 0: no limit */
    size_t frame; /* complete every so many bytes; 0: with every got */
    size_t told_at;
    size_t gots;
    bool told;
};

struct toy_plan {
    void (*on)(struct toy *toy, const struct dfs_event *event);
    void *arg;
    struct sim_host *host;
    struct toy *toy; /* of the present life */
    uint64_t events[DFS_EV_COUNT];
    enum dfs_status closed; /* of the last EV_CLOSED */
    dfs_time_ns closed_at;
    dfs_time_ns open_at;
    dfs_time_ns accept_at;
    dfs_time_ns recv_at;
    dfs_time_ns sent_at;
    struct dfs_peer peer;
    struct dfs_conn_note {
        dfs_conn conn;
    } conns[TOY_SINKS];
    unsigned conn_count;
    struct toy_sink sinks[TOY_SINKS];
    struct {
        dfs_time_ns at; /* of the world */
        dfs_time_ns mono;
        uint64_t value;
    } notes[TOY_NOTES];
    size_t note_count;
    bool attach;  /* attaches a sink to what it accepts or opens */
    size_t grant; /* of those sinks; 0: no end */
    size_t frame;
    unsigned destroyed;
};

struct toy {
    struct dfs_env env;
    struct toy_plan *plan;
    struct dfs_buf_pool pool;
    struct dfs_buf *sending[TOY_BUFS]; /* a reference of ours each, until EV_SENT */
    dfs_time_ns deadline;
};

static inline void toy_note(struct toy_plan *plan, dfs_time_ns mono, uint64_t value)
{
    if (plan->note_count == TOY_NOTES)
        return;
    plan->notes[plan->note_count].at = sim_world_now(sim_host_world(plan->host));
    plan->notes[plan->note_count].mono = mono;
    plan->notes[plan->note_count++].value = value;
}

static inline size_t toy_sink_want(struct dfs_sink *sink, uint8_t **ret_at)
{
    struct toy_sink *toy = (struct toy_sink *)(void *)sink;
    size_t most = toy->grant == SIZE_MAX ? SIZE_MAX : toy->grant - toy->count;

    if (toy->told)
        return 0;
    if (toy->each != 0 && most > toy->each)
        most = toy->each;
    if (most > 65536)
        most = 65536;
    if (most == 0)
        return 0;
    if (toy->room - toy->count < most) {
        toy->room = toy->count + most + toy->room;
        toy->bytes = dfs_realloc_array(toy->bytes, toy->room, 1);
    }
    *ret_at = toy->bytes + toy->count;
    return most;
}

static inline bool toy_sink_got(struct dfs_sink *sink, size_t count)
{
    struct toy_sink *toy = (struct toy_sink *)(void *)sink;

    assert_true(count > 0);
    toy->count += count;
    toy->gots++;
    toy->told = toy->count - toy->told_at >= (toy->frame == 0 ? 1 : toy->frame);
    return toy->told;
}

static inline struct toy_sink *toy_attach(struct toy *toy, dfs_conn conn)
{
    struct toy_plan *plan = toy->plan;
    struct toy_sink *sink;

    assert_true(plan->conn_count < TOY_SINKS);
    sink = &plan->sinks[plan->conn_count];
    plan->conns[plan->conn_count++].conn = conn;
    *sink = (struct toy_sink){
        .sink = {.want = toy_sink_want, .got = toy_sink_got},
        .grant = plan->grant == 0 ? SIZE_MAX : plan->grant,
        .frame = plan->frame,
    };
    toy->env.net->attach(toy->env.ctx, conn, &sink->sink, sink);
    return sink;
}

static inline void *toy_create(void *arg, const struct dfs_env *env)
{
    struct toy *toy = dfs_alloc_zero(sizeof *toy);

    toy->env = *env;
    toy->plan = arg;
    toy->plan->toy = toy;
    toy->deadline = DFS_NEVER;
    dfs_buf_pool_init(&toy->pool, (size_t)64 << 20);
    return toy;
}

/* Remembers a buffer that is being sent, and drops it. */
static inline void toy_sending(struct toy *toy, struct dfs_buf *buf)
{
    for (unsigned i = 0; i < TOY_BUFS; i++) {
        if (toy->sending[i] == NULL) {
            toy->sending[i] = buf;
            return;
        }
    }
    fail();
}

static inline void toy_sent(struct toy *toy, struct dfs_buf *buf)
{
    for (unsigned i = 0; i < TOY_BUFS; i++) {
        if (toy->sending[i] == buf) {
            assert_int_equal(buf->references, 1); /* the world has dropped its own */
            toy->sending[i] = NULL;
            dfs_buf_unref(buf);
            return;
        }
    }
    fail();
}

static inline dfs_time_ns toy_step(void *machine, const struct dfs_event *event)
{
    struct toy *toy = machine;
    struct toy_plan *plan = toy->plan;
    const dfs_time_ns now = sim_world_now(sim_host_world(plan->host));

    plan->events[event->kind]++;
    if (event->kind == DFS_EV_ACCEPT) {
        plan->accept_at = now;
        plan->peer = *event->net.peer;
        if (plan->attach)
            (void)toy_attach(toy, event->net.conn);
    } else if (event->kind == DFS_EV_OPEN) {
        plan->open_at = now;
    } else if (event->kind == DFS_EV_RECV) {
        struct toy_sink *sink = event->net.user;

        plan->recv_at = now;
        sink->told = false;
        sink->told_at = sink->count;
    } else if (event->kind == DFS_EV_CLOSED) {
        plan->closed = event->net.status;
        plan->closed_at = now;
    } else if (event->kind == DFS_EV_SENT) {
        plan->sent_at = now;
        toy_sent(toy, event->net.bulk);
    }
    if (plan->on != NULL)
        plan->on(toy, event);
    return toy->deadline;
}

static inline void toy_destroy(void *machine)
{
    struct toy *toy = machine;

    toy->plan->destroyed++;
    toy->plan->toy = NULL;
    for (unsigned i = 0; i < TOY_BUFS; i++)
        dfs_buf_unref(toy->sending[i]);
    dfs_buf_pool_close(&toy->pool); /* asserts that the world holds none */
    memset(machine, 0xa5, sizeof *toy);
    dfs_free(machine);
}

static const struct sim_machine_ops toy_ops = {.create = toy_create, .step = toy_step, .destroy = toy_destroy};

static inline struct dfs_addr toy_addr(unsigned number)
{
    struct dfs_addr addr = {.port = 7000};

    addr.ip[10] = 0xff;
    addr.ip[11] = 0xff;
    addr.ip[12] = 10;
    addr.ip[14] = (uint8_t)(number >> 8);
    addr.ip[15] = (uint8_t)number;
    return addr;
}

static inline struct dfs_id toy_id(unsigned number)
{
    struct dfs_id id = {.bytes = {0xd}};

    id.bytes[15] = (uint8_t)number;
    return id;
}

/* Host `number`: a data node that listens, with that id and address. Not started. */
static inline struct sim_host *toy_host_add(struct sim_world *world, const char *name, unsigned number,
                                            struct toy_plan *plan, struct sim_disk *disk)
{
    const struct dfs_addr addr = toy_addr(number);
    struct sim_host_options options = sim_host_options_default();

    options.listens = true;
    options.disk = disk;
    options.peer = (struct dfs_peer){.kind = DFS_PEER_NODE, .role = DFS_ROLE_DATA, .node = toy_id(number)};
    plan->host = sim_host_add(world, name, &addr, &options);
    return plan->host;
}

static inline struct sim_host *toy_host(struct sim_world *world, const char *name, unsigned number,
                                        struct toy_plan *plan)
{
    struct sim_host *host = toy_host_add(world, name, number, plan, NULL);

    sim_host_start(host, &toy_ops, plan);
    return host;
}

static inline void toy_plan_close(struct toy_plan *plan)
{
    for (unsigned i = 0; i < TOY_SINKS; i++)
        dfs_free(plan->sinks[i].bytes);
}

/* Bytes that differ from place to place and from salt to salt. */
static inline uint8_t toy_byte(uint64_t salt, uint64_t at)
{
    return (uint8_t)(sim_prf(salt, 77, at / 8) >> 8 * (at % 8));
}

static inline void toy_fill(uint8_t *bytes, uint64_t salt, uint64_t offset, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = toy_byte(salt, offset + i);
}

static inline bool toy_is_filled(const uint8_t *bytes, uint64_t salt, uint64_t offset, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != toy_byte(salt, offset + i))
            return false;
    return true;
}

/* Runs a function inside a step of the toy: by a command of that code. */
static inline void toy_do(struct toy_plan *plan, uint32_t code)
{
    assert_true(sim_host_command(plan->host, code, code, NULL, 0));
}

static inline dfs_conn toy_connect(struct toy *toy, unsigned number)
{
    const struct dfs_addr addr = toy_addr(number);
    const struct dfs_id node = toy_id(number);

    return toy->env.net->connect(toy->env.ctx, &addr, DFS_ROLE_DATA, &node, NULL);
}

static inline void toy_datagram(struct toy *toy, unsigned number, const void *bytes, size_t count)
{
    const struct dfs_addr addr = toy_addr(number);

    toy->env.net->datagram(toy->env.ctx, &addr, bytes, count);
}

#endif

/*
 * Everything at once: hosts that connect, send, stop reading, close, write and remove files, under a nemesis
 * that knows every fault. Held against it: a stream brings a prefix of what was sent; what a disk promised is
 * there after any crash; what it was told to forget is not; nothing leaks; a seed repeats to the bit.
 */
#include "tests/unit/net_sim/toy.h"

#include <stdlib.h>

/* The trace of seed 1: the same with every compiler, option and sanitizer. A change on purpose changes it
 * here. */
#define GOLDEN UINT64_C(0xfb02f2476fa31087)

#define HOSTS 6
#define CONNS 12
#define FILES 24
#define LENGTH (1500 * DFS_MILLISECONDS)

enum file_state { FILE_NONE, FILE_WORKING, FILE_SAFE, FILE_LEAVING, FILE_DOUBT };

struct file {
    enum file_state state;
    uint64_t salt;
    size_t bytes;
    unsigned step; /* of the chain of operations */
};

struct machine;

struct link {
    struct dfs_sink sink;
    struct machine *machine;
    dfs_conn conn;
    uint64_t out_salt;
    uint64_t out;
    uint64_t in_salt;
    uint64_t in;
    unsigned gots;
    bool blocked;
    bool told;
    bool open;
    uint8_t bytes[3000];
};

/* Lives as long as the test: what the disk has promised to this host. */
struct record {
    struct chaos *chaos;
    struct sim_host *host;
    struct file files[FILES];
    uint64_t salt;
};

struct machine {
    struct dfs_env env;
    struct record *record;
    struct dfs_buf_pool pool;
    struct dfs_buf *sending[64];
    struct dfs_buf *disk_buf[FILES];
    struct link *links[CONNS];
    dfs_time_ns deadline;
    uint64_t draws;
    bool listed;
};

struct chaos {
    struct sim_world *world;
    struct record records[HOSTS];
    sim_partition_id partitions[4];
    uint64_t rng;
    uint64_t faults;
    uint64_t verified_bytes;
    uint64_t verified_files;
    uint64_t promises;
};

static uint64_t draw(struct machine *machine, uint64_t below)
{
    uint64_t value;

    machine->env.rng->random(machine->env.ctx, DFS_RNG_CHOICE, &value, sizeof value);
    return sim_below(value, below);
}

/* Streams: eight bytes that name the salt, then the bytes of that salt --------------------------------------------- */

static size_t link_want(struct dfs_sink *sink, uint8_t **ret_at)
{
    struct link *link = (struct link *)(void *)sink;

    if (link->blocked || link->told)
        return 0;
    *ret_at = link->bytes;
    if (link->in < 8) /* the salt comes first, whole or in parts */
        return 8 - link->in;
    return 1 + (size_t)sim_below(sim_prf(link->in_salt, 3, link->gots), sizeof link->bytes);
}

static bool link_got(struct dfs_sink *sink, size_t count)
{
    struct link *link = (struct link *)(void *)sink;

    if (link->in < 8) {
        for (size_t i = 0; i < count; i++)
            link->in_salt |= (uint64_t)link->bytes[i] << 8 * (link->in + i);
    } else {
        assert_true(toy_is_filled(link->bytes, link->in_salt, link->in, count));
        link->machine->record->chaos->verified_bytes += count;
    }
    link->in += count;
    link->told = ++link->gots % 3 == 0;
    return link->told;
}

static struct link *link_new(struct machine *machine, dfs_conn conn)
{
    for (unsigned i = 0; i < CONNS; i++) {
        struct link *link = machine->links[i];

        if (link != NULL)
            continue;
        link = dfs_alloc_zero(sizeof *link);
        link->sink = (struct dfs_sink){.want = link_want, .got = link_got};
        link->machine = machine;
        link->conn = conn;
        link->out_salt = ++machine->record->salt << 8 | sim_host_index(machine->record->host);
        machine->links[i] = link;
        machine->env.net->attach(machine->env.ctx, conn, &link->sink, link);
        return link;
    }
    machine->env.net->close(machine->env.ctx, conn);
    return NULL;
}

static void link_free(struct machine *machine, struct link *link)
{
    for (unsigned i = 0; i < CONNS; i++)
        if (machine->links[i] == link)
            machine->links[i] = NULL;
    dfs_free(link);
}

static void out_fill(struct link *link, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t at = link->out + i;

        bytes[i] = (uint8_t)(at < 8 ? link->out_salt >> 8 * at : toy_byte(link->out_salt, at));
    }
    link->out += count;
}

static void link_send(struct machine *machine, struct link *link, bool bulk)
{
    uint8_t head[300];
    const size_t head_bytes = 1 + draw(machine, sizeof head - 1);
    struct dfs_buf *buf = NULL;
    size_t bulk_bytes = 0;
    unsigned slot = 0;

    while (slot < 64 && machine->sending[slot] != NULL)
        slot++;
    out_fill(link, head, head_bytes);
    if (bulk && slot < 64) {
        bulk_bytes = 1 + draw(machine, 20000);
        buf = dfs_buf_new(&machine->pool, bulk_bytes);
        machine->sending[slot] = buf;
        out_fill(link, buf->bytes, bulk_bytes);
    }
    machine->env.net->send(machine->env.ctx, link->conn, head, head_bytes, buf, 0, bulk_bytes);
}

/* Files: created, written, synced, published, synced again: then they are a promise -------------------------------- */

static void file_names(unsigned file, char *tmp, char *name)
{
    (void)snprintf(tmp, DFS_FILE_NAME_BYTES_MAX, "f%02u.tmp", file);
    (void)snprintf(name, DFS_FILE_NAME_BYTES_MAX, "f%02u", file);
}

static void file_step(struct machine *machine, unsigned which)
{
    struct file *file = &machine->record->files[which];
    char tmp[DFS_FILE_NAME_BYTES_MAX];
    char name[DFS_FILE_NAME_BYTES_MAX];
    struct dfs_disk_op op = {.token = which};

    file_names(which, tmp, name);
    op.name = tmp;
    switch (file->step) {
    case 0:
        op.verb = DFS_DISK_CREATE;
        op.length = which % 2 == 0 ? file->bytes : 0;
        break;
    case 1:
        op.verb = DFS_DISK_WRITE;
        machine->disk_buf[which] = dfs_buf_new(&machine->pool, file->bytes);
        toy_fill(machine->disk_buf[which]->bytes, file->salt, 0, file->bytes);
        op.buf = machine->disk_buf[which];
        op.length = file->bytes;
        break;
    case 2:
        op.verb = DFS_DISK_SYNC;
        break;
    case 3:
        op.verb = DFS_DISK_PUBLISH;
        op.name2 = name;
        break;
    case 4:
    case 6:
        op.verb = DFS_DISK_SYNC_DIR;
        op.name = NULL;
        break;
    default:
        op.verb = DFS_DISK_REMOVE;
        op.name = name;
        break;
    }
    machine->env.disk->submit(machine->env.ctx, &op);
}

static void file_begin(struct machine *machine, unsigned which)
{
    struct file *file = &machine->record->files[which];

    if (file->state == FILE_NONE) {
        file->state = FILE_WORKING;
        file->step = 0;
        file->salt = ++machine->record->salt;
        file->bytes = 1 + draw(machine, 20000);
    } else if (file->state == FILE_SAFE) {
        file->state = FILE_LEAVING;
        file->step = 5;
    } else {
        return;
    }
    file_step(machine, which);
}

static void file_done(struct machine *machine, const struct dfs_disk_done *done)
{
    const unsigned which = (unsigned)done->token;
    struct file *file = &machine->record->files[which];

    assert_int_equal(done->status, DFS_OK);
    if (machine->disk_buf[which] != NULL) {
        dfs_buf_unref(machine->disk_buf[which]);
        machine->disk_buf[which] = NULL;
    }
    file->step++;
    if (file->step == 5) {
        file->state = FILE_SAFE;
        machine->record->chaos->promises++;
    } else if (file->step == 7) {
        file->state = FILE_NONE;
    } else {
        file_step(machine, which);
    }
}

/* After a restart: promises are kept, what was between may be anything, and is removed so that the name can
 * be used again. */
static void files_check(struct record *record, struct sim_disk *disk)
{
    for (unsigned i = 0; i < FILES; i++) {
        struct file *file = &record->files[i];
        char tmp[DFS_FILE_NAME_BYTES_MAX];
        char name[DFS_FILE_NAME_BYTES_MAX];
        const struct sim_file *there;
        const struct sim_file *unfinished;

        file_names(i, tmp, name);
        there = sim_disk_find(disk, SIM_NOW, name);
        unfinished = sim_disk_find(disk, SIM_NOW, tmp);
        if (file->state == FILE_NONE || file->state == FILE_SAFE)
            assert_null(unfinished);
        if (file->state == FILE_NONE)
            assert_null(there);
        assert_true(there == NULL || unfinished == NULL);
        if (there != NULL) {
            /* Whatever has its final name was synced before. */
            uint8_t *bytes = dfs_alloc(file->bytes);

            assert_int_equal(sim_file_bytes(there, SIM_NOW), file->bytes);
            assert_int_equal(sim_file_read(there, SIM_NOW, 0, bytes, file->bytes), file->bytes);
            assert_true(toy_is_filled(bytes, file->salt, 0, file->bytes));
            dfs_free(bytes);
            record->chaos->verified_files++;
        } else {
            assert_int_not_equal(file->state, FILE_SAFE);
        }
        if (file->state == FILE_WORKING || file->state == FILE_LEAVING)
            file->state = FILE_DOUBT;
    }
}

/* What is in doubt is removed, one name at a time, by an operation with a token beyond the files. */
static void doubt_clear(struct machine *machine)
{
    for (unsigned i = 0; i < FILES; i++) {
        char tmp[DFS_FILE_NAME_BYTES_MAX];
        char name[DFS_FILE_NAME_BYTES_MAX];

        if (machine->record->files[i].state != FILE_DOUBT)
            continue;
        file_names(i, tmp, name);
        machine->env.disk->submit(machine->env.ctx,
                                  &(struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .token = 1000, .name = tmp});
        machine->env.disk->submit(machine->env.ctx,
                                  &(struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .token = 2000 + i, .name = name});
    }
}

/* The machine ------------------------------------------------------------------------------------------------------ */

static void act(struct machine *machine)
{
    struct link *link = machine->links[draw(machine, CONNS)];
    const uint64_t what = draw(machine, 16);
    const unsigned to = (unsigned)draw(machine, HOSTS);
    struct dfs_addr addr = toy_addr(1 + to);

    if (what < 2) {
        struct link *made =
            link_new(machine, machine->env.net->connect(machine->env.ctx, &addr, DFS_ROLE_DATA, NULL, NULL));

        if (made != NULL && draw(machine, 2) == 0)
            link_send(machine, made, draw(machine, 2) == 0);
    } else if (what < 3) {
        machine->env.net->datagram(machine->env.ctx, &addr, &what, sizeof what);
    } else if (what < 6) {
        file_begin(machine, (unsigned)draw(machine, FILES));
    } else if (link == NULL) {
        return;
    } else if (what < 7) {
        machine->env.net->close(machine->env.ctx, link->conn);
        link_free(machine, link);
    } else if (what < 8) {
        link->blocked = !link->blocked;
        if (!link->blocked)
            machine->env.net->resume(machine->env.ctx, link->conn);
    } else {
        link_send(machine, link, what < 12);
    }
}

static dfs_time_ns step(void *self, const struct dfs_event *event)
{
    struct machine *machine = self;

    if (event->kind == DFS_EV_START) {
        doubt_clear(machine);
        machine->deadline = event->mono + DFS_MILLISECONDS;
    } else if (event->kind == DFS_EV_TICK) {
        for (uint64_t i = 1 + draw(machine, 4); i > 0; i--)
            act(machine);
        machine->deadline = event->mono + 1 + draw(machine, 2 * DFS_MILLISECONDS);
    } else if (event->kind == DFS_EV_ACCEPT) {
        (void)link_new(machine, event->net.conn);
    } else if (event->kind == DFS_EV_OPEN) {
        ((struct link *)event->net.user)->open = true;
    } else if (event->kind == DFS_EV_RECV) {
        ((struct link *)event->net.user)->told = false;
    } else if (event->kind == DFS_EV_CLOSED) {
        link_free(machine, event->net.user);
    } else if (event->kind == DFS_EV_SENT) {
        unsigned slot = 0;

        while (slot < 64 && machine->sending[slot] != event->net.bulk)
            slot++;
        assert_true(slot < 64);
        assert_int_equal(event->net.bulk->references, 1);
        dfs_buf_unref(event->net.bulk);
        machine->sending[slot] = NULL;
    } else if (event->kind == DFS_EV_DISK && event->disk.token < FILES) {
        file_done(machine, &event->disk);
    } else if (event->kind == DFS_EV_DISK && event->disk.token >= 3000) {
        machine->record->files[event->disk.token - 3000].state = FILE_NONE;
    } else if (event->kind == DFS_EV_DISK && event->disk.token >= 2000) {
        machine->env.disk->submit(machine->env.ctx,
                                  &(struct dfs_disk_op){.verb = DFS_DISK_SYNC_DIR, .token = event->disk.token + 1000});
    }
    /* Buffers whose frames went down with their connection are never told: dropped here when only we hold
     * them. */
    for (unsigned i = 0; i < 64; i++) {
        if (machine->sending[i] != NULL && machine->sending[i]->references == 1 && event->kind == DFS_EV_TICK) {
            dfs_buf_unref(machine->sending[i]);
            machine->sending[i] = NULL;
        }
    }
    return machine->deadline;
}

static void *create(void *arg, const struct dfs_env *env)
{
    struct machine *machine = dfs_alloc_zero(sizeof *machine);

    machine->env = *env;
    machine->record = arg;
    dfs_buf_pool_init(&machine->pool, (size_t)64 << 20);
    return machine;
}

static void destroy(void *self)
{
    struct machine *machine = self;

    for (unsigned i = 0; i < CONNS; i++)
        dfs_free(machine->links[i]);
    for (unsigned i = 0; i < 64; i++)
        dfs_buf_unref(machine->sending[i]);
    for (unsigned i = 0; i < FILES; i++)
        dfs_buf_unref(machine->disk_buf[i]);
    dfs_buf_pool_close(&machine->pool);
    memset(machine, 0xa5, sizeof *machine);
    dfs_free(machine);
}

static const struct sim_machine_ops machine_ops = {.create = create, .step = step, .destroy = destroy};

/* The nemesis ------------------------------------------------------------------------------------------------------ */

static uint64_t nemesis_draw(struct chaos *chaos, uint64_t below)
{
    return sim_below(sim_world_draw(chaos->world, "nemesis", ++chaos->rng), below);
}

static void strike(struct chaos *chaos)
{
    struct sim_host *host = chaos->records[nemesis_draw(chaos, HOSTS)].host;
    struct sim_host *other = chaos->records[nemesis_draw(chaos, HOSTS)].host;
    struct sim_link_options link = *sim_world_link_get(chaos->world);
    sim_partition_id *slot = &chaos->partitions[nemesis_draw(chaos, 4)];
    const uint64_t what = nemesis_draw(chaos, 14);

    chaos->faults++;
    if (what < 3 && !sim_host_is_up(host)) {
        files_check(sim_host_user(host), sim_host_disk(host));
        sim_host_restart(host);
    } else if (what < 2) {
        const enum sim_unsynced unsynced = (enum sim_unsynced)nemesis_draw(chaos, SIM_UNSYNCED_COUNT);

        sim_host_crash(host, unsynced, nemesis_draw(chaos, 2) == 0 ? SIM_STREAMS_SILENT : SIM_STREAMS_RESET);
    } else if (what == 3 && sim_host_is_up(host)) {
        sim_host_pause(host);
    } else if (what == 4) {
        sim_host_resume(host);
    } else if (what == 5 && *slot == 0 && host != other) {
        const struct sim_group groups[] = {{&host, 1}, {&other, 1}};

        *slot = sim_partition_cut(chaos->world, groups, 2, nemesis_draw(chaos, 2) == 0);
    } else if (what == 6 && *slot != 0) {
        assert_true(sim_partition_heal(chaos->world, *slot));
        *slot = 0;
    } else if (what == 7) {
        (void)sim_streams_reset(host, other);
    } else if (what == 8) {
        (void)sim_streams_stall(host, other, nemesis_draw(chaos, 50 * DFS_MILLISECONDS));
    } else if (what == 9) {
        (void)sim_streams_mute(host, other);
    } else if (what == 10) {
        sim_host_slow(host, 1 + (uint32_t)nemesis_draw(chaos, 20));
    } else if (what == 11) {
        const int64_t offset = (int64_t)nemesis_draw(chaos, 1000) - 500;

        sim_host_clock(host, offset, (int64_t)nemesis_draw(chaos, 1000) - 500);
    } else if (what == 12) {
        link.cut_ppb = (uint32_t)nemesis_draw(chaos, SIM_PPB_ONE);
        link.dribble_ppb = (uint32_t)nemesis_draw(chaos, SIM_PPB_ONE / 50);
        link.loss_ppb = (uint32_t)nemesis_draw(chaos, SIM_PPB_ONE / 5);
        link.duplicate_ppb = link.loss_ppb;
        link.reorder_ppb = link.loss_ppb;
        link.bytes_per_second = nemesis_draw(chaos, 2) == 0 ? 0 : 1000000 + nemesis_draw(chaos, 100000000);
        link.latency.max = link.latency.min + nemesis_draw(chaos, 5 * DFS_MILLISECONDS);
        sim_link_set(host, other, &link);
    } else if (what == 13 && sim_host_is_up(host) && nemesis_draw(chaos, 4) == 0) {
        struct record *record = sim_host_user(host);

        sim_host_stop(host);
        files_check(record, sim_host_disk(host));
        sim_host_restart(host);
    }
}

static void nemesis(void *arg, struct sim_world *world)
{
    struct chaos *chaos = arg;

    strike(chaos);
    sim_world_call(world, sim_world_now(world) + nemesis_draw(chaos, 8 * DFS_MILLISECONDS), nemesis, chaos);
}

static uint64_t run(uint64_t seed, struct chaos *chaos)
{
    struct sim_world_options options = sim_world_options_default();
    uint64_t hash;

    memset(chaos, 0, sizeof *chaos);
    options.link.latency = (struct sim_range){.min = 50000, .max = 1500000};
    chaos->world = sim_world_new(seed, &options);
    for (unsigned i = 0; i < HOSTS; i++) {
        struct record *record = &chaos->records[i];
        struct sim_host_options host = sim_host_options_default();
        const struct dfs_addr addr = toy_addr(1 + i);
        char name[] = {'h', (char)('0' + i), 0};

        host.listens = true;
        host.peer = (struct dfs_peer){.kind = DFS_PEER_NODE, .role = DFS_ROLE_DATA, .node = toy_id(i)};
        host.disk = sim_disk_new(chaos->world, name, NULL);
        record->chaos = chaos;
        record->host = sim_host_add(chaos->world, name, &addr, &host);
        sim_host_user_set(record->host, record);
        sim_host_start(record->host, &machine_ops, record);
    }
    sim_world_call(chaos->world, DFS_MILLISECONDS, nemesis, chaos);
    (void)sim_world_run(chaos->world, LENGTH);
    hash = sim_world_hash(chaos->world);
    sim_world_free(chaos->world);
    return hash;
}

static void test_chaos(void **state)
{
    const char *wanted = getenv("DFS_CHAOS_SEEDS");
    const uint64_t seeds = wanted != NULL ? strtoull(wanted, NULL, 10) : 12;
    uint64_t bytes = 0;
    uint64_t files = 0;
    uint64_t promises = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        static struct chaos chaos;
        const uint64_t hash = run(seed, &chaos);

        assert_true(chaos.faults > 100);
        bytes += chaos.verified_bytes;
        files += chaos.verified_files;
        promises += chaos.promises;
        if (seed == 1)
            assert_int_equal(hash, GOLDEN);
        if (run(seed, &chaos) != hash)
            fail_msg("seed %llu differs from itself", (unsigned long long)seed);
    }
    assert_true(bytes > seeds * 1000000);
    assert_true(files > seeds * 20);
    assert_true(promises > seeds * 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chaos),
    };

    return cmocka_run_group_tests_name("net_sim/chaos", tests, NULL, NULL);
}

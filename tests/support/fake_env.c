#include "tests/support/fake_env.h"

#include "tests/support/paths.h"

#include "core/base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void feed_resumed(struct fake_env *f);

/* Clocks ------------------------------------------------------------------------------------------------- */

void fake_step(struct fake_env *f, struct dfs_event *event)
{
    assert_false(f->stepping);
    event->mono = f->mono;
    event->wall = f->wall;
    f->stepping = true;
    f->deadline = f->step(f->machine, event);
    f->stepping = false;
    f->steps++;
    feed_resumed(f);
}

void fake_tick(struct fake_env *f)
{
    struct dfs_event event = {.kind = DFS_EV_TICK};

    fake_step(f, &event);
}

void fake_start(struct fake_env *f)
{
    struct dfs_event event = {.kind = DFS_EV_START};

    fake_step(f, &event);
    fake_disk_run(f);
}

void fake_command(struct fake_env *f, uint64_t id, uint32_t code, const void *argument)
{
    struct dfs_event event = {.kind = DFS_EV_COMMAND, .command = {.id = id, .code = code, .argument = argument}};

    fake_step(f, &event);
}

void fake_until(struct fake_env *f, dfs_time_ns mono, bool disk)
{
    unsigned ticks = 0;

    for (;;) {
        if (disk)
            fake_disk_run(f);
        if (f->deadline > mono)
            break;
        if (f->deadline > f->mono) {
            f->wall += f->deadline - f->mono;
            f->mono = f->deadline;
            ticks = 0;
        }
        assert_in_range(++ticks, 1, 1000); /* a machine that asks for now again and again spins */
        fake_tick(f);
    }
    f->wall += mono - f->mono;
    f->mono = mono;
}

void fake_pass(struct fake_env *f, dfs_duration_ns length)
{
    fake_until(f, f->mono + length, true);
}

/* Net ---------------------------------------------------------------------------------------------------- */

struct fake_conn *fake_conn_of(struct fake_env *f, dfs_conn conn)
{
    assert_in_range(conn, 1, f->conns_count);
    return &f->conns[conn - 1];
}

static struct fake_conn *new_conn(struct fake_env *f)
{
    struct fake_conn *c = &f->conns[f->conns_count];

    assert_true(f->conns_count < FAKE_CONNS_MAX);
    *c = (struct fake_conn){.id = ++f->conns_count};
    return c;
}

static dfs_conn on_connect(void *ctx, const struct dfs_addr *to, enum dfs_role role, const struct dfs_id *node,
                           void *user)
{
    struct fake_env *f = ctx;
    struct fake_conn *c = new_conn(f);

    c->outgoing = true;
    c->to = *to;
    c->role = role;
    c->user = user;
    if (node != NULL) {
        c->node = *node;
        c->node_given = true;
    }
    return c->id;
}

static void on_attach(void *ctx, dfs_conn conn, struct dfs_sink *sink, void *user)
{
    struct fake_conn *c = fake_conn_of(ctx, conn);

    if (c->closed)
        return;
    assert_false(c->attached);
    c->attached = true;
    c->sink = sink;
    c->user = user;
}

static void on_resume(void *ctx, dfs_conn conn)
{
    fake_conn_of(ctx, conn)->resumed++;
}

static void put_out(struct fake_conn *c, const void *bytes, size_t count)
{
    if (c->out_count + count > c->out_room) {
        c->out_room = 2 * (c->out_count + count);
        c->out = realloc(c->out, c->out_room);
        assert_non_null(c->out);
    }
    if (count > 0)
        memcpy(c->out + c->out_count, bytes, count);
    c->out_count += count;
}

static void on_send(void *ctx, dfs_conn conn, const void *head, size_t head_bytes, struct dfs_buf *bulk,
                    size_t bulk_offset, size_t bulk_bytes)
{
    struct fake_conn *c = fake_conn_of(ctx, conn);

    if (c->closed)
        return;
    put_out(c, head, head_bytes);
    if (bulk == NULL)
        return;
    assert_true(bulk_offset + bulk_bytes <= bulk->capacity);
    put_out(c, bulk->bytes + bulk_offset, bulk_bytes);
    assert_true(c->bulks_count < FAKE_BULKS_MAX);
    c->bulks[c->bulks_count++] = dfs_buf_ref(bulk);
}

static void drop_bulks(struct fake_conn *c)
{
    for (size_t i = 0; i < c->bulks_count; i++)
        dfs_buf_unref(c->bulks[i]);
    c->bulks_count = 0;
}

static void end_conn(struct fake_conn *c)
{
    c->closed = true;
    c->open = false;
    c->sink = NULL;
    drop_bulks(c);
}

static void on_close(void *ctx, dfs_conn conn)
{
    end_conn(fake_conn_of(ctx, conn));
}

static void on_datagram(void *ctx, const struct dfs_addr *to, const void *bytes, size_t count)
{
    struct fake_env *f = ctx;
    struct fake_datagram *d = &f->datagrams[f->datagrams_count];

    assert_true(f->datagrams_count < FAKE_DATAGRAMS_MAX);
    assert_in_range(count, 1, DFS_DATAGRAM_BYTES_MAX);
    *d = (struct fake_datagram){.to = *to, .count = count};
    memcpy(d->bytes, bytes, count);
    f->datagrams_count++;
}

dfs_conn fake_connected(struct fake_env *f)
{
    for (size_t i = f->conns_count; i-- > 0;) {
        if (f->conns[i].outgoing)
            return f->conns[i].id;
    }
    return 0;
}

void fake_open(struct fake_env *f, dfs_conn conn)
{
    struct fake_conn *c = fake_conn_of(f, conn);
    struct dfs_event event = {.kind = DFS_EV_OPEN, .net = {.conn = conn, .user = c->user, .peer = &c->peer}};

    assert_true(c->outgoing && !c->closed && !c->open);
    c->open = true;
    c->peer = (struct dfs_peer){.kind = DFS_PEER_NODE, .role = c->role, .node = c->node};
    fake_step(f, &event);
}

dfs_conn fake_accept(struct fake_env *f, const struct dfs_peer *peer)
{
    struct fake_conn *c = new_conn(f);
    struct dfs_event event = {.kind = DFS_EV_ACCEPT,
                              .net = {.conn = c->id, .peer = peer, .addr = &c->to, .order = c->id}};

    c->open = true;
    c->peer = *peer;
    c->to.port = 4711;
    fake_step(f, &event);
    return c->id;
}

void fake_closed(struct fake_env *f, dfs_conn conn, enum dfs_status status)
{
    struct fake_conn *c = fake_conn_of(f, conn);
    struct dfs_event event = {.kind = DFS_EV_CLOSED, .net = {.conn = conn, .user = c->user, .status = status}};

    assert_false(c->closed);
    end_conn(c);
    fake_step(f, &event);
}

/* Gives the machine what waits, as far as it grants room. */
static void feed(struct fake_env *f, struct fake_conn *c, size_t piece)
{
    size_t at = 0;

    f->feeding = true;
    c->resumed = 0;
    while (at < c->in_count && !c->closed && c->attached) {
        uint8_t *room = NULL;
        size_t count = c->sink->want(c->sink, &room);

        if (count == 0)
            break;
        assert_non_null(room);
        if (count > c->in_count - at)
            count = c->in_count - at;
        if (count > piece)
            count = piece;
        memcpy(room, c->in + at, count);
        at += count;
        if (c->sink->got(c->sink, count)) {
            struct dfs_event event = {.kind = DFS_EV_RECV, .net = {.conn = c->id, .user = c->user}};

            fake_step(f, &event);
        }
    }
    memmove(c->in, c->in + at, c->in_count - at);
    c->in_count -= at;
    f->feeding = false;
}

/* A machine that resumes a connection gets more of what waits there. */
static void feed_resumed(struct fake_env *f)
{
    for (size_t i = 0; i < f->conns_count && !f->feeding; i++) {
        if (f->conns[i].resumed > 0 && f->conns[i].in_count > 0 && !f->conns[i].closed)
            feed(f, &f->conns[i], f->piece);
    }
}

void fake_bytes(struct fake_env *f, dfs_conn conn, const void *bytes, size_t count, size_t piece)
{
    struct fake_conn *c = fake_conn_of(f, conn);

    if (c->closed)
        return;
    assert_false(f->feeding);
    c->in = realloc(c->in, c->in_count + count + 1);
    assert_non_null(c->in);
    if (count > 0)
        memcpy(c->in + c->in_count, bytes, count);
    c->in_count += count;
    f->piece = piece;
    feed(f, c, piece);
    feed_resumed(f);
}

void fake_receive(struct fake_env *f, dfs_conn conn, uint32_t request, uint32_t number, const void *value,
                  const void *bulk, size_t bulk_count)
{
    const struct dfs_layout *layout = dfs_message_layout(number);
    const size_t body = dfs_encoded_bytes(layout, value);
    const struct dfs_frame frame = {
        .body_bytes = (uint32_t)body, .bulk_bytes = (uint32_t)bulk_count, .type = (uint16_t)number, .request = request};
    uint8_t *bytes = malloc(DFS_FRAME_HEADER_BYTES + body + bulk_count);
    struct dfs_wr w = dfs_wr_make(bytes + DFS_FRAME_HEADER_BYTES, body);

    assert_non_null(bytes);
    dfs_frame_encode(&frame, bytes);
    dfs_encode(layout, value, &w);
    assert_false(w.bad);
    if (bulk_count > 0)
        memcpy(bytes + DFS_FRAME_HEADER_BYTES + body, bulk, bulk_count);
    fake_bytes(f, conn, bytes, DFS_FRAME_HEADER_BYTES + body + bulk_count, f->piece_max > 0 ? f->piece_max : SIZE_MAX);
    free(bytes);
}

struct fake_message fake_sent(struct fake_env *f, dfs_conn conn)
{
    struct fake_conn *c = fake_conn_of(f, conn);
    struct fake_message m = {0};
    struct dfs_frame frame;
    struct dfs_rd r;

    if (c->out_at == c->out_count)
        return m;
    assert_true(c->out_count - c->out_at >= DFS_FRAME_HEADER_BYTES);
    assert_int_equal(dfs_frame_decode(c->out + c->out_at, &frame), DFS_OK);
    c->out_at += DFS_FRAME_HEADER_BYTES;
    assert_true(c->out_count - c->out_at >= (size_t)frame.body_bytes + frame.bulk_bytes);
    r = dfs_rd_make(c->out + c->out_at, frame.body_bytes);
    dfs_arena_reset(&f->arena);
    assert_int_equal(dfs_decode(dfs_message_layout(frame.type), &r, &f->arena, &f->decoded), DFS_OK);
    m = (struct fake_message){.number = frame.type,
                              .request = frame.request,
                              .body = &f->decoded,
                              .bulk = c->out + c->out_at + frame.body_bytes,
                              .bulk_count = frame.bulk_bytes};
    c->out_at += (size_t)frame.body_bytes + frame.bulk_bytes;
    return m;
}

struct fake_message fake_expect(struct fake_env *f, dfs_conn conn, uint32_t number)
{
    const struct fake_message m = fake_sent(f, conn);

    if (m.number != number)
        fail_msg("connection %u: expected %s, the machine sent %s", (unsigned)conn, dfs_message_name(number),
                 m.number == 0 ? "nothing" : dfs_message_name(m.number));
    return m;
}

void fake_sent_one(struct fake_env *f, dfs_conn conn)
{
    struct fake_conn *c = fake_conn_of(f, conn);
    struct dfs_event event = {.kind = DFS_EV_SENT, .net = {.conn = conn, .user = c->user}};
    struct dfs_buf *bulk;

    assert_true(c->bulks_count > 0);
    bulk = c->bulks[0];
    c->bulks_count--;
    for (size_t i = 0; i < c->bulks_count; i++)
        c->bulks[i] = c->bulks[i + 1];
    event.net.bulk = bulk;
    fake_step(f, &event);
    dfs_buf_unref(bulk);
}

void fake_sent_all(struct fake_env *f, dfs_conn conn)
{
    while (!fake_conn_of(f, conn)->closed && fake_conn_of(f, conn)->bulks_count > 0) {
        fake_sent_one(f, conn);
        fake_disk_run(f);
    }
}

void fake_datagram_in(struct fake_env *f, const struct dfs_addr *from, const void *bytes, size_t count)
{
    struct dfs_event event = {.kind = DFS_EV_DATAGRAM, .datagram = {.from = from, .bytes = bytes, .count = count}};

    fake_step(f, &event);
}

const struct fake_datagram *fake_datagram_out(struct fake_env *f)
{
    return f->datagrams_at == f->datagrams_count ? NULL : &f->datagrams[f->datagrams_at++];
}

/* Disk --------------------------------------------------------------------------------------------------- */

static void on_submit(void *ctx, const struct dfs_disk_op *op)
{
    struct fake_env *f = ctx;
    struct fake_op *o = &f->ops[f->ops_count];

    assert_true(f->ops_count < FAKE_OPS_MAX);
    *o = (struct fake_op){.op = *op};
    if (op->name != NULL) {
        assert_in_range(strlen(op->name), 1, DFS_FILE_NAME_BYTES_MAX - 1);
        assert_true(op->name[0] != '.' && strchr(op->name, '/') == NULL);
        snprintf(o->name, sizeof o->name, "%s", op->name);
    }
    if (op->name2 != NULL) {
        assert_in_range(strlen(op->name2), 1, DFS_FILE_NAME_BYTES_MAX - 1);
        assert_true(op->name2[0] != '.' && strchr(op->name2, '/') == NULL);
        snprintf(o->name2, sizeof o->name2, "%s", op->name2);
    }
    if (op->verb == DFS_DISK_WRITE || op->verb == DFS_DISK_READ) {
        assert_non_null(op->buf);
        assert_true(op->buf_offset + op->length <= op->buf->capacity);
        assert_true(op->buf->references > 0);
    }
    f->ops_count++;
}

struct fake_file *fake_disk_file(struct fake_env *f, const char *name)
{
    for (size_t i = 0; i < FAKE_FILES_MAX; i++) {
        if (f->files[i].name[0] != 0 && strcmp(f->files[i].name, name) == 0)
            return &f->files[i];
    }
    return NULL;
}

size_t fake_disk_count(struct fake_env *f, const char *part)
{
    size_t count = 0;

    for (size_t i = 0; i < FAKE_FILES_MAX; i++)
        count += f->files[i].name[0] != 0 && strstr(f->files[i].name, part) != NULL;
    return count;
}

static struct fake_file *make_file(struct fake_env *f, const char *name)
{
    for (size_t i = 0; i < FAKE_FILES_MAX; i++) {
        struct fake_file *file = &f->files[i];

        if (file->name[0] == 0) {
            *file = (struct fake_file){0};
            snprintf(file->name, sizeof file->name, "%s", name);
            return file;
        }
    }
    fail_msg("the fake disk has %d files", FAKE_FILES_MAX);
    return NULL;
}

static void drop_file(struct fake_file *file)
{
    free(file->bytes);
    *file = (struct fake_file){0};
}

static void set_bytes(struct fake_file *file, size_t offset, const void *bytes, size_t count)
{
    if (count == 0)
        return;
    if (offset + count > file->count) {
        file->bytes = realloc(file->bytes, offset + count);
        assert_non_null(file->bytes);
        if (offset > file->count)
            memset(file->bytes + file->count, 0, offset - file->count);
        file->count = offset + count;
    }
    memcpy(file->bytes + offset, bytes, count);
}

void fake_disk_put(struct fake_env *f, const char *name, const void *bytes, size_t count)
{
    assert_null(fake_disk_file(f, name));
    set_bytes(make_file(f, name), 0, bytes, count);
}

void fake_disk_vanish(struct fake_env *f)
{
    for (size_t i = 0; i < FAKE_FILES_MAX; i++)
        drop_file(&f->files[i]);
}

void fake_disk_crash(struct fake_env *f)
{
    f->ops_count = 0;
    for (size_t i = 0; i < FAKE_FILES_MAX; i++)
        f->files[i].is_open = false;
}

void fake_disk_fail(struct fake_env *f, enum dfs_disk_verb verb, unsigned skip, unsigned count, enum dfs_status status)
{
    assert_true(f->faults_count < FAKE_FAULTS_MAX);
    f->faults[f->faults_count++] = (struct fake_fault){.verb = verb, .status = status, .skip = skip, .count = count};
}

static enum dfs_status fault_of(struct fake_env *f, enum dfs_disk_verb verb)
{
    for (size_t i = 0; i < f->faults_count; i++) {
        struct fake_fault *fault = &f->faults[i];

        if (fault->verb != verb)
            continue;
        if (fault->skip > 0) {
            fault->skip--;
            continue;
        }
        if (fault->count > 0) {
            fault->count--;
            return fault->status;
        }
    }
    return DFS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct dfs_disk_entry *)a)->name, ((const struct dfs_disk_entry *)b)->name);
}

static void carry_out_read(const struct fake_op *o, const struct fake_file *file, struct dfs_disk_done *done)
{
    size_t count = 0;

    if (o->op.offset < file->count)
        count = file->count - o->op.offset;
    if (count > o->op.length)
        count = o->op.length;
    if (count > 0)
        memcpy(o->op.buf->bytes + o->op.buf_offset, file->bytes + o->op.offset, count);
    done->count = count;
}

static enum dfs_status carry_out_publish(struct fake_env *f, const struct fake_op *o, struct fake_file *file)
{
    if (file == NULL)
        return DFS_NOT_FOUND;
    if (fake_disk_file(f, o->name2) != NULL)
        return DFS_EXISTS;
    snprintf(file->name, sizeof file->name, "%s", o->name2);
    file->is_open = false;
    return DFS_OK;
}

static void carry_out(struct fake_env *f, const struct fake_op *o, struct dfs_disk_done *done,
                      struct dfs_disk_entry *entries)
{
    struct fake_file *file = fake_disk_file(f, o->name);

    done->status = fault_of(f, o->op.verb);
    if (done->status != DFS_OK)
        return;
    switch (o->op.verb) {
    case DFS_DISK_CREATE:
        if (file != NULL)
            done->status = DFS_EXISTS;
        else if (o->op.length > f->disk_free_bytes)
            done->status = DFS_NO_SPACE;
        else
            make_file(f, o->name)->is_open = true;
        break;
    case DFS_DISK_WRITE:
        if (file == NULL || !file->is_open)
            done->status = DFS_IO;
        else
            set_bytes(file, o->op.offset, o->op.buf->bytes + o->op.buf_offset, o->op.length);
        break;
    case DFS_DISK_SYNC:
        done->status = file == NULL || !file->is_open ? DFS_IO : DFS_OK;
        break;
    case DFS_DISK_PUBLISH:
        done->status = carry_out_publish(f, o, file);
        break;
    case DFS_DISK_SYNC_DIR:
        break;
    case DFS_DISK_READ:
        if (file == NULL)
            done->status = DFS_NOT_FOUND;
        else
            carry_out_read(o, file, done);
        break;
    case DFS_DISK_REMOVE:
        if (file == NULL)
            done->status = DFS_NOT_FOUND;
        else
            drop_file(file);
        break;
    case DFS_DISK_LIST:
        for (size_t i = 0; i < FAKE_FILES_MAX; i++) {
            if (f->files[i].name[0] != 0)
                entries[done->count++] = (struct dfs_disk_entry){.name = f->files[i].name, .bytes = f->files[i].count};
        }
        qsort(entries, done->count, sizeof entries[0], by_name);
        done->entries = entries;
        break;
    case DFS_DISK_SPACE:
        done->capacity_bytes = f->disk_capacity_bytes;
        done->free_bytes = f->disk_free_bytes;
        break;
    case DFS_DISK_FORGET:
        if (file != NULL)
            file->is_open = false;
        break;
    case DFS_DISK_VERB_COUNT:
        fail();
    }
}

void fake_disk_nth(struct fake_env *f, size_t index)
{
    struct dfs_disk_entry entries[FAKE_FILES_MAX];
    struct dfs_event event = {.kind = DFS_EV_DISK};
    struct fake_op o;

    assert_true(index < f->ops_count);
    o = f->ops[index];
    memmove(f->ops + index, f->ops + index + 1, (--f->ops_count - index) * sizeof f->ops[0]);
    event.disk = (struct dfs_disk_done){.verb = o.op.verb, .token = o.op.token};
    carry_out(f, &o, &event.disk, entries);
    f->disk_done[o.op.verb]++;
    fake_step(f, &event);
}

bool fake_disk_one(struct fake_env *f)
{
    if (f->ops_count == 0)
        return false;
    fake_disk_nth(f, 0);
    return true;
}

void fake_disk_run(struct fake_env *f)
{
    unsigned count = 0;

    while (fake_disk_one(f))
        assert_in_range(++count, 1, 100000);
}

const struct fake_op *fake_disk_pending(struct fake_env *f, size_t index)
{
    return index < f->ops_count ? &f->ops[index] : NULL;
}

/* The client's local files ------------------------------------------------------------------------------- */

static struct fake_local *new_local(struct fake_env *f)
{
    assert_true(f->locals_count < FAKE_LOCALS_MAX);
    return &f->locals[f->locals_count++];
}

static void on_pull(void *ctx, uint64_t source, uint64_t offset, struct dfs_buf *buf, size_t buf_offset, size_t length,
                    uint64_t token)
{
    *new_local(ctx) = (struct fake_local){.kind = FAKE_PULL,
                                          .file = source,
                                          .offset = offset,
                                          .buf = buf,
                                          .buf_offset = buf_offset,
                                          .length = length,
                                          .token = token};
    assert_true(buf_offset + length <= buf->capacity);
}

static void on_push(void *ctx, uint64_t sink, uint64_t offset, struct dfs_buf *buf, size_t buf_offset, size_t length,
                    uint64_t token)
{
    *new_local(ctx) = (struct fake_local){.kind = FAKE_PUSH,
                                          .file = sink,
                                          .offset = offset,
                                          .buf = buf,
                                          .buf_offset = buf_offset,
                                          .length = length,
                                          .token = token};
    assert_true(buf_offset + length <= buf->capacity);
}

static void on_finish(void *ctx, uint64_t sink, bool commit, uint64_t token)
{
    *new_local(ctx) = (struct fake_local){.kind = FAKE_FINISH, .file = sink, .commit = commit, .token = token};
}

static void on_answer(void *ctx, uint64_t command, const void *result)
{
    struct fake_env *f = ctx;

    if (f->on_answer != NULL)
        f->on_answer(f->on_answer_ctx, command, result);
}

struct fake_local fake_local_answer(struct fake_env *f, uint64_t count, enum dfs_status status)
{
    struct fake_local l;
    struct dfs_event event;

    assert_true(f->locals_count > 0);
    l = f->locals[0];
    memmove(f->locals, f->locals + 1, --f->locals_count * sizeof f->locals[0]);
    event = (struct dfs_event){
        .kind = l.kind == FAKE_PULL ? DFS_EV_SOURCE : DFS_EV_SINK,
        .local = {.token = l.token, .count = count, .status = status, .finished = l.kind == FAKE_FINISH}};
    fake_step(f, &event);
    return l;
}

/* Randomness and trace ----------------------------------------------------------------------------------- */

/* splitmix64 by Sebastiano Vigna: each purpose has its own stream, the same in every test. */
static void on_random(void *ctx, uint32_t purpose, void *bytes, size_t count)
{
    struct fake_env *f = ctx;
    uint8_t *at = bytes;

    assert_in_range(purpose, 0, DFS_RNG_PURPOSE_COUNT - 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t z = f->rng_state[purpose] += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        at[i] = (uint8_t)(z ^ (z >> 31));
    }
}

static const char *keep_text(char *room, size_t bytes, const char *text)
{
    if (text == NULL)
        return NULL;
    snprintf(room, bytes, "%s", text);
    return room;
}

static void on_trace(void *ctx, const struct dfs_trace *trace)
{
    struct fake_env *f = ctx;
    struct fake_trace *t;

    assert_in_range(trace->kind, 0, DFS_TRACE_COUNT - 1);
    if (f->paths) {
        support_paths_add(trace);
        if (trace->kind == DFS_TRACE_STAY)
            return; /* for path coverage alone: a test sees the same with and without */
    }
    f->traces_by_kind[trace->kind]++;
    if (getenv("FAKE_TRACE") != NULL)
        fprintf(stderr, "%8.3f %s %s %s %s %s %s\n", (double)f->mono / 1e9, dfs_trace_name(trace->kind),
                dfs_status_name(trace->status), trace->text ? trace->text : "", trace->text2 ? trace->text2 : "",
                trace->text3 ? trace->text3 : "", trace->text4 ? trace->text4 : "");
    if (f->traces_count == FAKE_TRACES_MAX)
        return;
    t = &f->traces[f->traces_count++];
    t->trace = *trace;
    t->trace.text = keep_text(t->texts[0], sizeof t->texts[0], trace->text);
    t->trace.text2 = keep_text(t->texts[1], sizeof t->texts[1], trace->text2);
    t->trace.text3 = keep_text(t->texts[2], sizeof t->texts[2], trace->text3);
    t->trace.text4 = keep_text(t->texts[3], sizeof t->texts[3], trace->text4);
}

size_t fake_traces(const struct fake_env *f, enum dfs_trace_kind kind)
{
    return f->traces_by_kind[kind];
}

const struct dfs_trace *fake_trace_last(const struct fake_env *f, enum dfs_trace_kind kind)
{
    for (size_t i = f->traces_count; i-- > 0;) {
        if (f->traces[i].trace.kind == kind)
            return &f->traces[i].trace;
    }
    return NULL;
}

bool fake_trace_state(const struct fake_env *f, const char *machine, const char *from, const char *to, const char *why)
{
    for (size_t i = 0; i < f->traces_count; i++) {
        const struct dfs_trace *t = &f->traces[i].trace;

        if (t->kind == DFS_TRACE_STATE && strcmp(t->text, machine) == 0 && strcmp(t->text2, from) == 0 &&
            strcmp(t->text3, to) == 0 && (why == NULL || strcmp(t->text4, why) == 0))
            return true;
    }
    return false;
}

void fake_forget(struct fake_env *f)
{
    f->traces_count = 0;
    memset(f->traces_by_kind, 0, sizeof f->traces_by_kind);
    f->datagrams_count = 0;
    f->datagrams_at = 0;
    for (size_t i = 0; i < f->conns_count; i++)
        f->conns[i].out_at = f->conns[i].out_count;
}

/* Life --------------------------------------------------------------------------------------------------- */

static const struct dfs_net_ops net_ops = {.connect = on_connect,
                                           .attach = on_attach,
                                           .resume = on_resume,
                                           .send = on_send,
                                           .close = on_close,
                                           .datagram = on_datagram};
static const struct dfs_disk_ops disk_ops = {.submit = on_submit};
static const struct dfs_local_ops local_ops = {
    .pull = on_pull, .push = on_push, .finish = on_finish, .answer = on_answer};
static const struct dfs_rng_ops rng_ops = {.random = on_random};
static const struct dfs_trace_ops trace_ops = {.trace = on_trace};
static const struct dfs_trace_ops trace_ops_stays = {.trace = on_trace, .stays = true};

static void say_panic(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

void fake_init(struct fake_env *f)
{
    memset(f, 0, sizeof *f);
    dfs_panic_hook = say_panic;
    f->paths = support_paths_wanted();
    f->env = (struct dfs_env){.ctx = f,
                              .net = &net_ops,
                              .disk = &disk_ops,
                              .local = &local_ops,
                              .rng = &rng_ops,
                              .trace = f->paths ? &trace_ops_stays : &trace_ops};
    f->mono = 1000 * DFS_SECONDS;
    f->wall = UINT64_C(1700000000) * DFS_SECONDS;
    f->deadline = DFS_NEVER;
    f->disk_capacity_bytes = UINT64_C(1000000000);
    f->disk_free_bytes = UINT64_C(1000000000);
    for (uint64_t i = 0; i < DFS_RNG_PURPOSE_COUNT; i++)
        f->rng_state[i] = i << 32;
    dfs_arena_init(&f->arena, 1 << 20);
}

void fake_attach(struct fake_env *f, void *machine, dfs_time_ns (*step)(void *machine, const struct dfs_event *event))
{
    f->machine = machine;
    f->step = step;
}

void fake_close(struct fake_env *f)
{
    for (size_t i = 0; i < f->conns_count; i++) {
        drop_bulks(&f->conns[i]);
        free(f->conns[i].out);
        free(f->conns[i].in);
    }
    for (size_t i = 0; i < FAKE_FILES_MAX; i++)
        drop_file(&f->files[i]);
    dfs_arena_close(&f->arena);
}

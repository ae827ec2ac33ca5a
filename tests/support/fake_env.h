/*
 * fake_env.h - a hand-cranked world for one machine: records what the machine asks for, and does nothing by
 * itself.
 *
 *     fake_init(&f);  machine = dfs_data_new(&config, &f.env);  fake_attach(&f, machine, step);
 *     fake_start(&f);                          EV_START, the disk's answers too (fake_disk_run)
 *     conn = fake_connected(&f);               the newest connect() of the machine
 *     fake_open(&f, conn);                     EV_OPEN
 *     msg = fake_sent(&f, conn);               the next frame that the machine sent there, decoded
 *     fake_receive(&f, conn, request, DFS_MSG_JOINED, &joined, NULL, 0);
 *     fake_until(&f, 3 * DFS_SECONDS);         ticks at the deadlines that the machine asked for
 *
 * The disk is a directory in memory. Operations wait until fake_disk_run() (all of them, and what follows
 * from them) or fake_disk_one(). Faults: fake_disk_fail() for the n-th operation of a verb, fake_disk_file()
 * to look at bytes or spoil them. Whatever the machine got wrong about the rules of env.h is a failed cmocka
 * assertion here.
 */
#ifndef DFS_TESTS_SUPPORT_FAKE_ENV_H
#define DFS_TESTS_SUPPORT_FAKE_ENV_H

#include "core/env/env.h"
#include "core/wire/frame.h"
#include "core/wire/link.h"
#include "core/wire/message.h"

#define FAKE_CONNS_MAX 64
#define FAKE_FILES_MAX 256
#define FAKE_OPS_MAX 1024
#define FAKE_DATAGRAMS_MAX 256
#define FAKE_TRACES_MAX 4096
#define FAKE_LOCALS_MAX 1024
#define FAKE_FAULTS_MAX 16
#define FAKE_BULKS_MAX 256

struct fake_conn {
    dfs_conn id; /* its index + 1 */
    bool outgoing;
    bool attached;
    bool open;
    bool closed; /* by the machine, or EV_CLOSED was given */
    struct dfs_addr to;
    enum dfs_role role;
    struct dfs_id node;
    bool node_given;
    struct dfs_peer peer;
    struct dfs_sink *sink;
    void *user;
    uint8_t *out; /* all bytes that the machine sent */
    size_t out_count;
    size_t out_room;
    size_t out_at;                         /* read by fake_sent */
    struct dfs_buf *bulks[FAKE_BULKS_MAX]; /* not yet acknowledged by EV_SENT, oldest first */
    size_t bulks_count;
    uint8_t *in; /* waits because the machine grants no room */
    size_t in_count;
    unsigned resumed;
};

/* A frame that the machine sent. `body` is valid until the next fake_sent on the same fake. */
struct fake_message {
    uint32_t number; /* 0: there is none */
    uint32_t request;
    const union dfs_any_message *body;
    const uint8_t *bulk;
    size_t bulk_count;
};

struct fake_datagram {
    struct dfs_addr to;
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    size_t count;
};

struct fake_op {
    struct dfs_disk_op op;
    char name[DFS_FILE_NAME_BYTES_MAX];
    char name2[DFS_FILE_NAME_BYTES_MAX];
};

struct fake_file {
    char name[DFS_FILE_NAME_BYTES_MAX]; /* "": free */
    uint8_t *bytes;
    size_t count;
    bool is_open; /* created, not yet published or forgotten */
};

struct fake_fault {
    enum dfs_disk_verb verb;
    enum dfs_status status;
    unsigned skip;  /* operations that still succeed */
    unsigned count; /* operations that then fail */
};

struct fake_trace {
    struct dfs_trace trace; /* texts point into the copies below */
    char texts[4][128];
};

enum fake_local_kind { FAKE_PULL, FAKE_PUSH, FAKE_FINISH };

struct fake_local {
    enum fake_local_kind kind;
    uint64_t file; /* source or sink */
    uint64_t offset;
    struct dfs_buf *buf;
    size_t buf_offset;
    size_t length;
    bool commit;
    uint64_t token;
};

struct fake_env {
    struct dfs_env env; /* give this to the machine */
    void *machine;
    dfs_time_ns (*step)(void *machine, const struct dfs_event *event);
    dfs_time_ns mono;
    dfs_wall_ns wall;
    dfs_time_ns deadline; /* what the last step returned */
    bool stepping;
    bool feeding;
    size_t piece_max; /* not 0: fake_receive gives its bytes in pieces of at most this size */
    size_t piece;     /* waiting bytes are given in pieces of this size */
    uint64_t steps;

    struct fake_conn conns[FAKE_CONNS_MAX];
    size_t conns_count;
    struct fake_datagram datagrams[FAKE_DATAGRAMS_MAX]; /* sent by the machine */
    size_t datagrams_count;
    size_t datagrams_at; /* read by fake_datagram */

    struct fake_file files[FAKE_FILES_MAX];
    uint64_t disk_capacity_bytes;
    uint64_t disk_free_bytes;
    struct fake_op ops[FAKE_OPS_MAX]; /* submitted, not answered */
    size_t ops_count;
    struct fake_fault faults[FAKE_FAULTS_MAX];
    size_t faults_count;
    uint64_t disk_done[DFS_DISK_VERB_COUNT]; /* operations carried out so far */

    struct fake_local locals[FAKE_LOCALS_MAX]; /* not answered */
    size_t locals_count;
    void (*on_answer)(void *ctx, uint64_t command, const void *result); /* local.answer is handed on here */
    void *on_answer_ctx;

    uint64_t rng_state[DFS_RNG_PURPOSE_COUNT];

    bool paths;                                /* tells support/paths.h */
    struct fake_trace traces[FAKE_TRACES_MAX]; /* the first ones; later ones are only counted */
    size_t traces_count;
    size_t traces_by_kind[DFS_TRACE_COUNT];

    struct dfs_arena arena;
    union dfs_any_message decoded;
};

void fake_init(struct fake_env *f);
void fake_attach(struct fake_env *f, void *machine, dfs_time_ns (*step)(void *machine, const struct dfs_event *event));
void fake_close(
    struct fake_env *
        f); /* after the machine was freed; drops the buffers that the env still held, so before a pool of the test's */

/* Gives the machine an event: kind and its part filled by the caller, clocks by the fake. */
void fake_step(struct fake_env *f, struct dfs_event *event);
void fake_start(struct fake_env *f); /* EV_START, then fake_disk_run */
void fake_tick(struct fake_env *f);
void fake_command(struct fake_env *f, uint64_t id, uint32_t code, const void *argument);

/* Moves time to `mono`, with an EV_TICK at every deadline on the way; disk operations are answered at once if
 * `disk`. */
void fake_until(struct fake_env *f, dfs_time_ns mono, bool disk);
void fake_pass(struct fake_env *f, dfs_duration_ns length); /* fake_until(now + length, true) */

/* Net */
struct fake_conn *fake_conn_of(struct fake_env *f, dfs_conn conn);
dfs_conn fake_connected(struct fake_env *f);       /* the newest outgoing connection; 0 when there is none */
void fake_open(struct fake_env *f, dfs_conn conn); /* EV_OPEN; the peer is what connect() asked for */
dfs_conn fake_accept(struct fake_env *f, const struct dfs_peer *peer);       /* EV_ACCEPT */
void fake_closed(struct fake_env *f, dfs_conn conn, enum dfs_status status); /* EV_CLOSED */
void fake_bytes(struct fake_env *f, dfs_conn conn, const void *bytes, size_t count,
                size_t piece); /* cut into pieces; EV_RECV as due */
void fake_receive(struct fake_env *f, dfs_conn conn, uint32_t request, uint32_t number, const void *value,
                  const void *bulk, size_t bulk_count);
struct fake_message fake_sent(struct fake_env *f, dfs_conn conn);
struct fake_message fake_expect(struct fake_env *f, dfs_conn conn,
                                uint32_t number); /* the next frame has this number, or the test fails */
void fake_sent_all(struct fake_env *f,
                   dfs_conn conn); /* EV_SENT for every bulk frame, also those that follow from it */
void fake_sent_one(struct fake_env *f, dfs_conn conn); /* EV_SENT for the oldest */
void fake_datagram_in(struct fake_env *f, const struct dfs_addr *from, const void *bytes, size_t count);
const struct fake_datagram *fake_datagram_out(struct fake_env *f); /* the next one that the machine sent, or NULL */

/* Disk */
void fake_disk_run(struct fake_env *f);               /* until nothing is submitted */
bool fake_disk_one(struct fake_env *f);               /* the oldest operation; false when there is none */
void fake_disk_nth(struct fake_env *f, size_t index); /* one that is pending: a disk answers in any order */
const struct fake_op *fake_disk_pending(struct fake_env *f, size_t index); /* NULL past the end */
void fake_disk_fail(struct fake_env *f, enum dfs_disk_verb verb, unsigned skip, unsigned count, enum dfs_status status);
struct fake_file *fake_disk_file(struct fake_env *f, const char *name); /* NULL when absent */
size_t fake_disk_count(struct fake_env *f, const char *part);           /* names that contain `part` */
void fake_disk_put(struct fake_env *f, const char *name, const void *bytes, size_t count);
void fake_disk_vanish(struct fake_env *f); /* an empty directory */
void fake_disk_crash(struct fake_env *f);  /* forgets operations under way; files stay as they are */

/* The client's local files: answers the oldest pull, push or finish; returns it, kind included; count is for pulls. */
struct fake_local fake_local_answer(struct fake_env *f, uint64_t count, enum dfs_status status);

/* Trace: how many of a kind; the newest of a kind or NULL; was there a state change "machine: from -> to (why)"? */
size_t fake_traces(const struct fake_env *f, enum dfs_trace_kind kind);
const struct dfs_trace *fake_trace_last(const struct fake_env *f, enum dfs_trace_kind kind);
bool fake_trace_state(const struct fake_env *f, const char *machine, const char *from, const char *to, const char *why);
/* Forgets traces, sent frames that were not read and datagrams: what follows is the story. */
void fake_forget(struct fake_env *f);

#endif

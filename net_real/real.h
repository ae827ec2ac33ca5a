/*
 * real.h - the env of core/env/env.h over the operating system: one machine, one loop, one host.
 *
 * A host is made from a configuration, gives out the env with which the machine is created, and then runs it:
 *
 *     dfs_real_config_init(&config);              ... fill in ...
 *     status = dfs_real_new(&config, words, &real);
 *     machine = x_new(dfs_real_env(real), ...);
 *     dfs_real_run(real, x_step_untyped, machine); (until dfs_real_stop)
 *     x_free(machine);
 *     dfs_real_free(real);
 *
 * One thread (that of dfs_real_run) steps the machine, moves all network bytes and does all TLS; files are touched by the
 * host's own pool threads only. Nothing calls the machine from inside one of its own verbs: this is asserted.
 *
 * Functions are for the loop's thread (or for any one thread before the loop runs), except those marked "any thread".
 *
 * Clocks: `mono` is CLOCK_BOOTTIME, which goes on while the computer sleeps. A lease is a promise about everybody's time:
 * a data server that slept through the end of its lease has to find it over when it wakes, and CLOCK_MONOTONIC would hide
 * that. `wall` is CLOCK_REALTIME. Both are read when the event is delivered.
 */
#ifndef DFS_NET_REAL_REAL_H
#define DFS_NET_REAL_REAL_H

#include "core/env/env.h"
#include "net_real/fault.h"
#include "net_real/limits.h"
#include "net_real/local_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dfs_real;

/* Configuration ---------------------------------------------------------------------------------------------------- */

/* A certificate or key: the text itself, or the file that has it. Text wins; both NULL: none. */
struct dfs_real_pem {
    const char *text;
    const char *path;
};

enum dfs_real_udp {
    DFS_REAL_UDP_NONE,      /* verbs drop datagrams */
    DFS_REAL_UDP_SAME_PORT, /* bound to the number of the TCP port: metadata */
    DFS_REAL_UDP_EPHEMERAL  /* a port of the system's choice, made at the first datagram: data servers */
};

enum dfs_real_level { DFS_REAL_ERROR, DFS_REAL_WARNING, DFS_REAL_INFO, DFS_REAL_DEBUG };

/* The machine's door, with its type forgotten: cast inside. */
typedef dfs_time_ns (*dfs_real_step)(void *machine, const struct dfs_event *event);

/* Everything is copied by dfs_real_new. */
struct dfs_real_config {
    enum dfs_role role;
    struct dfs_id cluster; /* zero: whatever cluster the CA stands for (a client that knows only the CA) */
    struct dfs_id node;    /* not of clients */

    bool listens;           /* clients do not */
    struct dfs_addr listen; /* port 0: the system's choice, see dfs_real_port. An all-zero ip is every address */
    bool binds_source;      /* streams we open come from `source` (port ignored); otherwise the system chooses */
    struct dfs_addr source;
    enum dfs_real_udp udp;

    /* Servers need all three; a client needs the CA and may have a certificate, which may be self-signed. */
    struct dfs_real_pem certificate;
    struct dfs_real_pem key;
    struct dfs_real_pem ca;

    const char *disk_directory; /* NULL: no disk. Locked against a second process */
    const char *congestion;     /* TCP congestion control; NULL or "": the system's, on loopback reno */
    unsigned disk_threads;      /* of the pool that does files */
    unsigned connections_max;   /* accepted, those of nodes of the cluster not counted */
    unsigned handshake_ms;      /* for a connect or accept until the peer is known */

    /* Called on the loop's thread with `ctx`; any may be NULL. `log` never gets a secret. */
    void *ctx;
    void (*log)(void *ctx, enum dfs_real_level level, const char *text);
    void (*trace)(void *ctx, const struct dfs_trace *trace);         /* inside a step */
    void (*answer)(void *ctx, uint64_t command, const void *result); /* inside a step: env local.answer */
    void (*signal)(void *ctx, int number); /* SIGTERM, SIGINT, SIGHUP; NULL: this host leaves signals alone */
};

/* Zeroes, then the defaults of numbers (limits.h). */
void dfs_real_config_init(struct dfs_real_config *config);

/* Life ------------------------------------------------------------------------------------------------------------- */

/*
 * Loads certificates, binds the sockets, opens the disk, starts the pool. Nothing is accepted before dfs_real_run.
 *
 * DFS_BAD_CONFIG   certificates or keys that cannot be read, do not belong together, or name another node; an address that
 *                  cannot be bound; an unknown congestion control. `ret_words` says which.
 * DFS_IO           the disk directory cannot be opened, or another process has it.
 */
enum dfs_status dfs_real_new(const struct dfs_real_config *copy_config, char ret_words[DFS_WORDS_BYTES_MAX],
                             struct dfs_real **ret_real) DFS_MUST_CHECK;

/* NULL is fine. Not while it runs. Unfinished local sinks are removed. */
void dfs_real_free(struct dfs_real *real);

/* The env for the machine's creation. Without a disk directory its `disk` is NULL; `local` is there for every role. */
struct dfs_env dfs_real_env(struct dfs_real *real);

/* The bound TCP port, 0 when it does not listen. */
uint16_t dfs_real_port(const struct dfs_real *real);

/*
 * Delivers START, then events until dfs_real_stop. On return every connection is closed, every disk operation has ended
 * (its answer is not delivered any more), and nothing refers to the machine or to its buffers.
 */
void dfs_real_run(struct dfs_real *real, dfs_real_step step, void *machine);

/* The same in three pieces, for programs with a loop of their own: start delivers START; poll does what is due and waits at most
 * `wait_ms` for more (0: not at all, -1: until something happens), false once stopped; end is the second half of run's contract. */
void dfs_real_start(struct dfs_real *real, dfs_real_step step, void *machine);
bool dfs_real_poll(struct dfs_real *real, int wait_ms);
void dfs_real_end(struct dfs_real *real);

/* A descriptor that is readable when dfs_real_poll has something to do, and the milliseconds after which it has (-1: never). */
int dfs_real_descriptor(const struct dfs_real *real);
int dfs_real_timeout_ms(const struct dfs_real *real);

/* Any thread, also from inside a step or a signal callback: run returns soon, poll returns false. */
void dfs_real_stop(struct dfs_real *real);

/* Commands --------------------------------------------------------------------------------------------------------- */

/* Delivers EV_COMMAND at once; not from inside a step. `argument` is lent for the call. */
void dfs_real_command(struct dfs_real *real, uint64_t id, uint32_t code, const void *argument);

/* Any thread: `function(ctx)` runs on the loop's thread, outside any step. What is still waiting when the loop ends is called
 * by dfs_real_end, when events go nowhere any more, so that `ctx` can be released in one place. */
void dfs_real_call(struct dfs_real *real, void (*function)(void *ctx), void *ctx);

/* Any thread: dfs_real_command later, on the loop's thread; then release(argument) unless NULL. */
void dfs_real_post(struct dfs_real *real, uint64_t id, uint32_t code, void *take_argument,
                   void (*release)(void *argument));

/*
 * Reads certificates, keys and CA again (new texts in `pem` where not NULL, otherwise from where they came) and uses them
 * for every new connection; established ones go on. Old session tickets are void.
 *
 * DFS_BAD_CONFIG   as in dfs_real_new; what was in use stays in use.
 */
enum dfs_status dfs_real_reload(struct dfs_real *real, const struct dfs_real_pem *certificate,
                                const struct dfs_real_pem *key, const struct dfs_real_pem *ca,
                                char ret_words[DFS_WORDS_BYTES_MAX]) DFS_MUST_CHECK;

/* Descriptors of the program ---------------------------------------------------------------------------------------- */

struct dfs_real_watch;

/* Calls `ready(ctx)` on the loop's thread, outside any step, whenever `descriptor` (which stays the caller's) is readable. NULL: the system
 * refuses it. */
struct dfs_real_watch *dfs_real_watch(struct dfs_real *real, int descriptor, void (*ready)(void *ctx), void *ctx);

/* Before the descriptor is closed, and before dfs_real_free. NULL is fine. */
void dfs_real_unwatch(struct dfs_real_watch *watch);

/* Facts ------------------------------------------------------------------------------------------------------------ */

struct dfs_real_stats {
    uint64_t connections; /* now */
    uint64_t accepted;    /* since the start, after their handshake */
    uint64_t opened;      /* since the start, after their handshake */
    uint64_t resumed;     /* of both, by a session ticket */
    uint64_t refused;     /* over connections_max */
    uint64_t handshakes_failed;
    uint64_t received_bytes; /* of streams, as the machine sees them */
    uint64_t sent_bytes;
    uint64_t datagrams_received;
    uint64_t datagrams_sent;
    uint64_t datagrams_dropped; /* ours, by a full socket, a missing address family or a fault */
    uint64_t disk_operations;
    uint64_t disk_failures; /* answered with IO or NO_SPACE */
    uint64_t steps;
    dfs_duration_ns step_longest_ns;
};

void dfs_real_get_stats(const struct dfs_real *real, struct dfs_real_stats *ret_stats);

/* Both clocks, as in events. */
dfs_time_ns dfs_real_mono(void);
dfs_wall_ns dfs_real_wall(void);

/* Raises the soft limit of open descriptors to the hard one: a server of many connections wants it. Process-wide, therefore
 * asked for by the program and not done by dfs_real_new. The limit now in force. */
uint64_t dfs_real_raise_descriptor_limit(void);

/* Faults for tests (fault.h) --------------------------------------------------------------------------------------- */

/* NULL takes it away again. */
void dfs_real_set_filter(struct dfs_real *real, dfs_fault_filter filter, void *ctx);

/*
 * Cuts off, or with both false reconnects, whoever `whom` names. Streams stall: `in` stops reading, `out` stops writing;
 * with either, connects never complete and accepted ones are not greeted. Datagrams of that direction are dropped. Nothing is
 * reset: as when a cable is pulled. At most DFS_REAL_CUTS_MAX; TOO_LARGE beyond.
 */
enum dfs_status dfs_real_cut(struct dfs_real *real, const struct dfs_fault_match *whom, bool in,
                             bool out) DFS_MUST_CHECK;

/* Resets (RST) every stream of whoever `whom` names; how many. */
unsigned dfs_real_reset(struct dfs_real *real, const struct dfs_fault_match *whom);

/* Local files (local_file.h) --------------------------------------------------------------------------------------- */

struct dfs_local *dfs_real_local(struct dfs_real *real);

#endif

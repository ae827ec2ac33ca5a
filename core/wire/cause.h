/*
 * cause.h - the events that gates name (core/base/gate.h), and how people say them.
 *
 * A cause is a message's name in lower case ("put_plan"), the name of a status in capitals ("NO_SPACE": how an operation ended), or one of the list
 * below: what the world or another machine of the same role does to a machine.
 */
#ifndef DFS_CORE_WIRE_CAUSE_H
#define DFS_CORE_WIRE_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

/* X(KIND, "kind") */
#define DFS_CAUSE_KIND_MAP(X) \
    X(MESSAGE, "message") \
    X(STATUS, "status") \
    X(TIMER, "timer") \
    X(CONNECTION, "connection") \
    X(DISK, "disk") \
    X(LOCAL, "local file") \
    X(COMMAND, "command") \
    X(INNER, "inner") /* another machine of the same role, or the machine's own judgement */

enum dfs_cause_kind {
#define X(NAME, name) DFS_CAUSE_##NAME,
    DFS_CAUSE_KIND_MAP(X)
#undef X
        DFS_CAUSE_KIND_COUNT
};

const char *dfs_cause_kind_name(enum dfs_cause_kind kind);

/* X(KIND, name, "what the machine never did") */
#define DFS_CAUSE_MAP(X) \
    X(TIMER, timeout, "reached its deadline") \
    X(TIMER, stranger, "found a connection that does not say who it is") \
    X(TIMER, slow, "found half a message that is not finished") \
    X(TIMER, idle, "found that nobody needs it any more") \
    X(CONNECTION, open, "saw its connection come up") \
    X(CONNECTION, closed, "lost its connection") \
    X(CONNECTION, sent, "saw its last frame leave") \
    X(CONNECTION, frame_bad, "received bytes that are no message") \
    X(CONNECTION, unexpected, "received a message that makes no sense here") \
    X(CONNECTION, replaced, "was replaced by a newer connection of the same node") \
    X(DISK, disk, "saw its disk operation end") \
    X(DISK, exists, "found another file under the name") \
    X(DISK, stored, "had its copy on the disk and all answers from behind it") \
    X(DISK, damaged, "read a file that is not whole") \
    X(DISK, journal, "waited for the journal") \
    X(LOCAL, source, "read its local file") \
    X(LOCAL, sink, "wrote its local file") \
    X(COMMAND, command, "was given a command") \
    X(COMMAND, start, "was started") \
    X(COMMAND, load, "was asked to load") \
    X(COMMAND, save, "was asked to save") \
    X(INNER, begin, "was begun") \
    X(INNER, aborted, "was given up by what it served") \
    X(INNER, full, "found no room for one more connection") \
    X(INNER, fenced, "was sent back because its lease had run out") \
    X(INNER, turn, "had its turn come") \
    X(INNER, events, "lost count of its own changes") \
    X(INNER, request, "was asked something") \
    X(INNER, store_lost, "heard that the store was lost") \
    X(INNER, token_expired, "found the token of its peer expired") \
    X(INNER, bad, "received what makes no sense") \
    X(INNER, reset, "was reset in the middle of a message") \
    X(INNER, heartbeat_again, "heard a heartbeat repeated") \
    X(INNER, heartbeat_late, "heard a heartbeat older than the newest") \
    X(INNER, heartbeat_stale, "heard a heartbeat of a life that has ended") \
    X(INNER, heartbeat_forged, "heard a heartbeat with a wrong tag")

/* Room for a name. */
#define DFS_CAUSE_BYTES 32

/* The first name of a list as in struct dfs_path; what stands behind it, NULL at the end. */
const char *dfs_cause_next(const char *names, char ret_name[DFS_CAUSE_BYTES]);

/* "put_plan" of DFS_MSG_PUT_PLAN; static. `number` is a message's. */
const char *dfs_cause_of_message(uint32_t number);

/* What kind of event a gate's `why` names. false: none that is known here. `ret_words` (may be NULL) gets what the machine did when it came, as in
 * "never ...": static for the list above, NULL for messages and statuses, whose name says it. */
bool dfs_cause_find(const char *name, enum dfs_cause_kind *ret_kind, const char **ret_words);

#endif

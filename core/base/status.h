/*
 * status.h - the one list of outcomes: number, name, exit code of the command line, words.
 *
 * A status travels on the wire as its position in this list, is printed by its name and ends `dfs` with its exit
 * code. New ones are added at the end: positions are a contract between versions.
 *
 * A status says what happened in the world (peers, disks, people). Our own mistakes are not statuses: they abort
 * (assert.h).
 */
#ifndef DFS_CORE_BASE_STATUS_H
#define DFS_CORE_BASE_STATUS_H

#include <stdbool.h>

/* X(name, exit code of dfs, words) */
#define DFS_STATUS_MAP(X) \
    X(OK, 0, "done") \
    X(NOT_FOUND, 3, "no such path, version, user or node") \
    X(EXISTS, 3, "already there with other content, or --if-absent failed") \
    X(PRECONDITION_FAILED, 3, "--if-version named another version") \
    X(DENIED, 3, "the token's scope does not cover this") \
    X(LOGIN_FAILED, 3, "wrong user or password") \
    X(RATE_LIMITED, 3, "too many attempts; says when to retry") \
    X(TOKEN_MISSING, 3, "no token was shown on this connection") \
    X(TOKEN_INVALID, 3, "malformed, wrong algorithm or bad signature") \
    X(TOKEN_EXPIRED, 3, "the token is past its time; log in again") \
    X(TOKEN_NOT_YET_VALID, 3, "the token's time has not come; check the clocks") \
    X(TOKEN_WRONG_ISSUER, 3, "the token comes from another issuer") \
    X(TOKEN_WRONG_AUDIENCE, 3, "the token is meant for another service") \
    X(TOKEN_NOT_YOURS, 3, "bound to another certificate") \
    X(TOKEN_REVOKED, 3, "the token was withdrawn") \
    X(GRANT_INVALID, 3, "the grant does not verify or does not cover this") \
    X(GRANT_EXPIRED, 3, "the grant was made under a key that is no longer accepted") \
    X(RECEIPT_INVALID, 3, "the receipt does not verify") \
    X(LEASE_EXPIRED, 3, "the upload took too long and was given up") \
    X(UPLOAD_LOST, 3, "metadata restarted during the upload") \
    X(BLOCK_MISSING, 3, "the block is not stored here") \
    X(BLOCK_CORRUPT, 3, "stored bytes do not verify") \
    X(BLOCK_LOST, 3, "copies counted on are gone; place again") \
    X(DATA_LOST, 3, "no good copy of a block is left") \
    X(NO_SPACE, 3, "no room left on the disk or over the reserve") \
    X(NOT_ENOUGH_NODES, 3, "fewer data servers than the acknowledgement rule needs") \
    X(QUOTA_EXCEEDED, 3, "over the quota") \
    X(TOO_LARGE, 3, "over a named limit") \
    X(BAD_REQUEST, 3, "a message that does not decode or makes no sense here") \
    X(BAD_CONFIG, 2, "the configuration is wrong") \
    X(BAD_USAGE, 2, "the command line is wrong") \
    X(UNREACHABLE, 3, "no connection to the host") \
    X(TIMEOUT, 3, "no answer in time") \
    X(UNAVAILABLE, 3, "warming up or overloaded; retry") \
    X(STALE_INCARNATION, 3, "an older life of this node; it has to join again") \
    X(SUPERSEDED, 3, "another process took this identity") \
    X(WRONG_CLUSTER, 3, "the other side belongs to another cluster") \
    X(OLDER_JOURNAL, 3, "metadata runs on an older journal than this node has seen") \
    X(STORE_LOST, 3, "the store's marker is gone") \
    X(FENCED, 3, "the node lost metadata's lease") \
    X(REFUSED, 3, "a data node will not remove this copy") \
    X(IO, 3, "the disk failed; names the operation") \
    X(ABORTED, 3, "given up by the caller") \
    X(INTERNAL, 3, "a fault of ours")

enum dfs_status {
#define X(name, exit_code, words) DFS_##name,
    DFS_STATUS_MAP(X)
#undef X
        DFS_STATUS_COUNT /* not a status */
};

#define DFS_MUST_CHECK __attribute__((warn_unused_result))

/* "NOT_FOUND"; "?" for a number outside the list. Static memory. */
const char *dfs_status_name(enum dfs_status status);

/* One sentence without the name. Static memory; "unknown status" for a number outside the list. */
const char *dfs_status_words(enum dfs_status status);

/* Exit code of `dfs` for this status. */
int dfs_status_exit_code(enum dfs_status status);

/* true and *ret_status when `name` is the exact name of a status; false and *ret_status untouched otherwise. */
bool dfs_status_find(const char *name, enum dfs_status *ret_status);

#endif

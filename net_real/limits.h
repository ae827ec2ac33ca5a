/*
 * limits.h - every size, count and time of the real world's env, with its reason.
 */
#ifndef DFS_NET_REAL_LIMITS_H
#define DFS_NET_REAL_LIMITS_H

/* Connections ---------------------------------------------------------------------------------------------------- */

/* Default of connections_max: 4,096 TLS streams are about 250 MiB of TLS buffers. */
#define DFS_REAL_CONNECTIONS_DEFAULT 4096

/* Accepted connections in their handshake; one more ends the oldest. A handshake takes milliseconds, so that those who have something to
 * say come through a flood of those who have not. */
#define DFS_REAL_HANDSHAKES_MAX 256

/* Slots fit 20 bits of a dfs_conn; the other 44 count, so that no handle comes back. */
#define DFS_REAL_CONNECTION_SLOT_BITS 20

/* Connections that the kernel keeps for us while we are busy; it caps the number at net.core.somaxconn. */
#define DFS_REAL_BACKLOG 1024

/* A handshake costs 1-2 ms: so many accepted at a time delay the others by at most 10 ms. */
#define DFS_REAL_ACCEPTS_PER_TURN 8

/* After accept() ran out of descriptors: trying again at once would spin. */
#define DFS_REAL_ACCEPT_PAUSE_MS 100

/* Default of handshake_ms, TCP connect and TLS handshake together: above three retransmissions of a SYN (7 s), below a person's
 * patience. */
#define DFS_REAL_HANDSHAKE_MS 10000

/* How long a closed connection may take to send what is queued to a peer that does not read. */
#define DFS_REAL_DRAIN_MS 10000

/* After the last byte we wait for the peer's end: closing over unread bytes makes the kernel send RST, which would overtake
 * our last frame. */
#define DFS_REAL_LINGER_MS 2000

/* Bytes that a closed connection still takes in and throws away. */
#define DFS_REAL_LINGER_BYTES (16 * 1024 * 1024)

/* Sent bytes that nobody acknowledges end the connection (TCP_USER_TIMEOUT). The kernel counts the time in which a living peer
 * grants no window too, so this is also the longest back-pressure that a stream survives; a machine's own deadlines are shorter. */
#define DFS_REAL_USER_TIMEOUT_MS 60000

/* An idle peer that vanished is found after 30 + 3 x 10 s. */
#define DFS_REAL_KEEPALIVE_IDLE_S 30
#define DFS_REAL_KEEPALIVE_INTERVAL_S 10
#define DFS_REAL_KEEPALIVE_COUNT 3

/* Bytes of one connection in one turn of the loop, each way. Two bulk frames: 1.5 ms of TLS, after which the others have
 * their turn; less would only add polls. */
#define DFS_REAL_TURN_BYTES (512 * 1024)

/* A chunk of queued control bytes: one TLS record. */
#define DFS_REAL_CHUNK_BYTES 16384

/* Small encrypted records on their way to the kernel, and what it did not take of a full one: one send() for several. */
#define DFS_REAL_OUT_BYTES (64 * 1024)

/* Of the bytes that a peer has announced, those for which a reader is woken: two segments of the loopback device, or what is left if that is worth a
 * system call. A wake-up costs as much as decrypting 16 KiB. */
#define DFS_REAL_AWAIT_BYTES_MIN (16 * 1024)
#define DFS_REAL_AWAIT_BYTES_MAX (128 * 1024)

/* How much TLS reads ahead: two records a recv(). Rates are the same from 17 to 128 KiB; memory of idle streams is not. */
#define DFS_REAL_READ_AHEAD_BYTES (33 * 1024)

/* TLS ------------------------------------------------------------------------------------------------------------ */

/* AES-GCM keys are good for 2^24.5 full records (RFC 8446, 5.5); a connection of the pool can pass that (256 GiB). */
#define DFS_TLS_RECORDS_PER_KEY (UINT64_C(1) << 24)

/* What a stranger may send as his chain: a P-256 certificate is 600 bytes. */
#define DFS_TLS_CHAIN_BYTES_MAX (16 * 1024)

/* Sessions remembered for resumption: one for each node of the largest cluster. */
#define DFS_TLS_SESSIONS_MAX DFS_NODES_MAX

/* A ticket's life: resumed sessions stand on a certificate check of this age at most. */
#define DFS_TLS_SESSION_SECONDS 3600

/* Files with certificates or keys. */
#define DFS_TLS_FILE_BYTES_MAX (256 * 1024)

/* Datagrams ------------------------------------------------------------------------------------------------------ */

/* Heartbeats of a large cluster come in bursts; streams must still get their turn. */
#define DFS_UDP_DATAGRAMS_PER_TURN 64

/* Room in the kernel for the heartbeats of DFS_NODES_MAX nodes that come while we are busy. */
#define DFS_UDP_RECEIVE_BYTES (4 * 1024 * 1024)

/* Tries to find a number that is free for TCP and for UDP. */
#define DFS_UDP_PORT_TRIES 16

/* Files ---------------------------------------------------------------------------------------------------------- */

/* Threads mostly wait for the disk: eight syncs at once share a commit of the file system's journal. */
#define DFS_POOL_THREADS_DEFAULT 8
#define DFS_POOL_THREADS_MAX 64

/* Descriptors kept open for reading. */
#define DFS_DISK_READ_FILES_MAX 256

/* Written bytes of one file after which write-back starts, so that the sync at the end has little left to wait for. Smaller
 * files (a small block, a log record) are synced at once anyway. */
#define DFS_DISK_EARLY_BYTES (512 * 1024)

/* Local sources and sinks known at a time. */
#define DFS_LOCAL_FILES_MAX 65536

/* Faults --------------------------------------------------------------------------------------------------------- */

#define DFS_REAL_CUTS_MAX 1024      /* a partition of a large test cluster names every host */
#define DFS_FAULT_DELAYED_MAX 65536 /* datagrams held back at a time; beyond, they are dropped */

#endif

/*
 * limits.h - every size and count that the protocol fixes, with its reason.
 *
 * What an operator may change is a setting (core/conf/settings.def), not a limit. A limit is part of the protocol: both
 * sides of a connection rely on it, so changing one is a change of version.
 */
#ifndef DFS_CORE_BASE_LIMITS_H
#define DFS_CORE_BASE_LIMITS_H

/* Wire ---------------------------------------------------------------------------------------------------------- */

/* A frame header: lengths, type, request id. See core/wire/frame.h. */
#define DFS_FRAME_HEADER_BYTES 16

/* The control part of a frame. A page of 64 placements with nine replicas each is 45 KB; nothing else comes near. */
#define DFS_FRAME_BODY_BYTES_MAX 65536

/* The bulk part of a frame. `frame` (256 KiB by default) may be raised to this; larger ones gain nothing measurable and
 * cost every hop of a chain its latency. */
#define DFS_FRAME_BULK_BYTES_MAX (1024 * 1024)

/* Room behind the payload in a bulk buffer, so that a small block and its footer are one disk read. */
#define DFS_BULK_SLACK_BYTES 4096

/* A UDP datagram of ours: fits every path MTU in use. */
#define DFS_DATAGRAM_BYTES_MAX 512

/* What one decoded message may take beside its own struct (lists). */
#define DFS_DECODE_BYTES_MAX (256 * 1024)

/* Control bytes that may wait for a peer that does not read: beyond it the connection is closed. Eight of the largest
 * bodies: pages are asked for one at a time, so a healthy peer stays far below. */
#define DFS_SEND_QUEUE_BYTES_MAX (8 * 65536)

/* Protocol version, first field of every HELLO and JOIN. */
#define DFS_PROTOCOL_VERSION 1

/* Names and texts ------------------------------------------------------------------------------------------------ */

#define DFS_PATH_BYTES_MAX 1024     /* as PATH_MAX of most systems is 4096, S3 keys are 1024 */
#define DFS_USER_BYTES_MAX 64       /* a login name */
#define DFS_PASSWORD_BYTES_MAX 1024 /* longer ones only cost scrypt time */
#define DFS_SCOPE_BYTES_MAX 1024    /* a handful of path prefixes */
#define DFS_TOKEN_BYTES_MAX 4096    /* an ES256 token with our claims is about 700 bytes */
#define DFS_KID_BYTES_MAX 64        /* key id in a token header */
#define DFS_PEM_BYTES_MAX 1024      /* a P-256 public key is 178 */
#define DFS_WORDS_BYTES_MAX 256     /* the sentence that explains a status */
#define DFS_ZONE_BYTES_MAX 64       /* a zone's name */
#define DFS_FILE_NAME_BYTES_MAX 96  /* a name on a dfs_disk: "uuid-index-generation.tmp-attempt" is 64 */

/* Counts --------------------------------------------------------------------------------------------------------- */

#define DFS_REPLICAS_MAX 9              /* `replication` goes to 9: a bit set of 16 holds them all */
#define DFS_NODES_MAX 4096              /* data servers of one cluster: a node index fits 12 bits */
#define DFS_ZONES_MAX 256               /* distinct zones */
#define DFS_BLOCKS_PER_FILE_MAX 1048576 /* 10 TB at 10 MB a block */
#define DFS_LIST_PAGE_MAX 1000          /* entries of a page, cut sooner by DFS_FRAME_BODY_BYTES_MAX */
#define DFS_PLACEMENT_PAGE_MAX 64       /* grants of a page */
#define DFS_RECEIPT_PAGE_MAX 256        /* receipts of a page: 256 x 87 bytes */
#define DFS_INVENTORY_PAGE_MAX 1000     /* blocks of a page: 1000 x 32 bytes */
#define DFS_EVENTS_PAGE_MAX 500         /* changes of a BLOCK_EVENTS */
#define DFS_REMOVE_PAGE_MAX 256         /* blocks of a REMOVE_BLOCK: what one step looks at */
#define DFS_TOKEN_KEYS_MAX 8            /* public keys that overlap */
#define DFS_GRANT_KEYS_MAX 2            /* the newest two are accepted */

/* Data ----------------------------------------------------------------------------------------------------------- */

/* The unit of checksums inside a block. */
#define DFS_CHUNK_BYTES 65536

/* Checksums of one data frame. */
#define DFS_CHUNKS_PER_FRAME_MAX (DFS_FRAME_BULK_BYTES_MAX / DFS_CHUNK_BYTES)

/* The product's bounds of a block (settings block_min, block_max narrow them; scenarios may go below). */
#define DFS_BLOCK_BYTES_MIN 100000
#define DFS_BLOCK_BYTES_MAX 10000000

#endif

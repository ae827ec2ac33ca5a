/*
 * faults.h - the fault model: what the simulated world does to machines, and what it never does.
 *
 * This is a contract with two sides. What stands under "does" may happen at any time that the scenario and the seed
 * choose, so a machine that breaks under it has a bug. What stands under "never" does not happen, so nobody has to
 * defend against it, and a world that does it has a bug. A red run is therefore a bug, not a debate. Real systems fail
 * in more ways than these; a fault that is missing here is added here first.
 *
 * Every choice below is a keyed draw (prf.h): the same seed makes the same choices, and one event less shifts no other.
 *
 * Datagrams (link.h)
 *   does    lose, repeat, delay and reorder, each by its own probability; delay by bandwidth, drop when the queue of
 *           the link is longer than queue_max_ns; drop what is under way when a cut begins, or its receiver is down
 *           when it comes; drop beyond SIM_INBOX_DATAGRAMS_MAX while the receiver is paused or busy. A scenario may
 *           drop, delay or repeat the n-th of a kind, and may send datagrams of its own, under any sender's address:
 *           forged ones, and exact copies of earlier ones.
 *           Forged and repeated are datagrams alone: a stream's bytes come from the end that holds its keys.
 *   never   changes, cuts or joins their bytes; delivers them to another host than the addressed one.
 *
 * Streams (stream.c, connect.c, pipe.c)
 *   does    deliver late, each segment with a latency of its own; deliver in any pieces, down to single bytes, without
 *           regard to frames; hold all that follows a lost packet for 1 ... 4 round trips; share a link's bandwidth in
 *           the order of sending (the link is the unit: a host's links do not slow each other down); stop the sender
 *           when SIM_STREAM_BUFFER_BYTES are not read; stall; go silent in one direction for ever (half open); break
 *           at any moment, which both ends see as UNREACHABLE, at different times; break in front of a frame that the
 *           scenario names, after all frames before it.
 *           Behind a cut of their own direction bytes wait; behind a cut of the way back at most
 *           SIM_STREAM_WINDOW_BYTES still get through, then they wait too. After the heal they go on within
 *           SIM_HEAL_DELAY_MAX_NS. No cut and no silence ends a stream by itself, however long: deadlines are the
 *           machines' own.
 *           The news that a stream broke (a reset) travels the link once: behind a cut it is lost, and the end that
 *           would have heard it stays open until it sends something and the other host is there to refuse it.
 *   never   loses, repeats, changes or reorders bytes; delivers bytes that were not sent, or after EV_CLOSED; tells an
 *           orderly end before everything sent in front of it was read.
 *
 * Connects
 *   does    take 1.5 round trips, and longer when packets are lost; wait for ever behind a cut, whichever way, and
 *           while the other host is dark or paused; go on after the heal; fail with UNREACHABLE after a round trip
 *           where nobody listens; fail with UNREACHABLE or WRONG_CLUSTER when the other host shows the wrong identity, which
 *           a scenario may give it.
 *   never   lie about an identity: what a machine is told of its peer is what the scenario gave that host. Certificates
 *           themselves (chains, expiry, TLS) are not simulated; net_real's tests are about them.
 *
 * Partitions (partition.h)
 *   does    cut any sets of hosts from each other, both ways or one way, several at a time and overlapping.
 *
 * Hosts (world.h)
 *   does    crash between any two steps: the machine is gone with all it held in memory, what had not left is gone,
 *           what had come and was not read is gone. As SIGKILL: streams are reset, connects refused. As loss of power:
 *           silence, until the host is up again and refuses what it does not know.
 *           restart on what the disk has, with other random draws;
 *           stop cleanly: streams end orderly, the disk keeps everything;
 *           pause: nothing runs, what comes waits, deadlines pass; the disk goes on with what it was given;
 *           be slow: every step occupies the host for a time;
 *           run wrong clocks: wall off by any amount and jumping either way, both clocks fast or slow by up to
 *           SIM_DRIFT_PPM_MAX. Hosts' monos begin anywhere.
 *           exist twice: a second host with a copy of another's stable storage and its identity;
 *           flip a bit of block bytes in a client's buffer, after their checksum was made and before they leave: whoever
 *           gets them, now or when they are sent again, gets them so. Of data servers' and metadata's memory never.
 *   never   crash in the middle of a step; let mono run backwards or jump; step a machine before its deadline without
 *           an event, or twice at once; change a machine's memory in any other way.
 *
 * Disks (disk_sim.h, disk_crash.c)
 *   does    answer late, in any order between names; take longer under load, and under `slow` by a factor;
 *           run full (CREATE and every WRITE that needs room get NO_SPACE; what is reserved stays writable, removing
 *           works); fail any verb with IO or NO_SPACE by probability, count or number; an operation that fails has no
 *           effect, except SYNC: of the pages it covered each is written all the same, reverted to what was stored, or
 *           kept in memory as if clean - then no later SYNC writes it, though it answers OK;
 *           vanish: an empty directory, open files broken for ever, creating fails; and come back with its files;
 *           rot: flip single bits of stored files;
 *           lie when reading: one page of the answer stale (as it was stored before an unsynced write, otherwise
 *           zeros), or of another file (at the same offset);
 *           at a crash, for every operation under way, name and page not covered by a completed sync:
 *             lose     operations under way were not carried out; names and contents as on stable storage
 *             keep     everything was carried out and kept
 *             torn     each operation under way was carried out or not (on one name, none after one that was not); each
 *                      file's names stopped somewhere between the stored and the present one, independently of
 *                      other files; each sector of SIM_SECTOR_BYTES of an unsynced page is the new or the stored one
 *                      (zeros where nothing was stored); a grown file ends anywhere between its old and its new size
 *             seeded   each file lost, kept or torn, names and contents apart
 *           A page that a failed SYNC left in memory as clean is lost in every mode.
 *   never   lose what a completed SYNC or SYNC_DIR covers, except by rot; let a SYNC cover a write whose EV_DISK came
 *           after it was submitted, or a SYNC_DIR such a name; leave a renamed file under both names or neither; give
 *           one name to two files; tear inside a sector; mix files' contents at a crash; write anywhere but where it
 *           was told (misdirected and lost writes show as what reads find: stale and misdirected reads, rot); undo what
 *           was kept at an earlier crash; change the order of operations on one name, reads among reads excepted.
 *
 * Local files of clients (world.h)
 *   does    answer a little later; fail where the scenario's own source or sink says so.
 *   never   lose or change bytes.
 *
 * Not simulated: memory (running out of it ends the process), processors (a step takes no time, or a fixed time),
 * threads, routes between hosts, MTU and fragmentation, and the bytes of TLS.
 */
#ifndef DFS_NET_SIM_FAULTS_H
#define DFS_NET_SIM_FAULTS_H

#include "core/base/time.h"

#include <stddef.h>

/* Limits ----------------------------------------------------------------------------------------------------------- */

/* Datagrams that wait for a paused or busy host; Linux's default receive buffer holds about as many small
 * ones. */
#define SIM_INBOX_DATAGRAMS_MAX 256

/* Bytes of one direction of a stream that have left the sender and were not read: the socket buffers of both
 * ends. */
#define SIM_STREAM_BUFFER_BYTES ((size_t)4 * 1024 * 1024)

/* What still gets through while acknowledgements do not come back. */
#define SIM_STREAM_WINDOW_BYTES ((size_t)64 * 1024)

/* A stream that a partition held goes on at most so long after the heal (retransmission back-off). */
#define SIM_HEAL_DELAY_MAX_NS (1 * DFS_SECONDS)

#endif

/*
 * pcap.h - a run as a capture file (pcapng) for Wireshark; `dfs-sim dissector` prints what makes it understand our messages.
 *
 * Each host is an interface. A message stands where and when it arrived, as UDP or TCP over IPv6 with the lengths, sequence numbers and checksums of a real
 * one; what was lost, a datagram or a frame that went with its stream (reset, crash, nobody there any more), stands at its sender's, with a comment, at its place in the sequence. Times are virtual, in nanoseconds since the world began. A message's head is kept whole
 * and in segments with PSH; bulk follows in segments without, of which SIM_PCAP_BULK_BYTES each are kept. Streams are plain: TLS is not simulated.
 */
#ifndef DFS_SIM_PCAP_H
#define DFS_SIM_PCAP_H

#include "sim/run.h"

#include <stdio.h>

/* What is kept of a segment of bulk: enough to recognise a block; all of it would make a file as large as what was stored. */
#define SIM_PCAP_BULK_BYTES 64

struct sim_pcap;

/* Adds the listener; in sim_run_options.attach. Writes as the run goes on; `file` stays the caller's, who looks at ferror. */
struct sim_pcap *sim_pcap_attach(struct sim_run *run, FILE *file);
void sim_pcap_free(struct sim_pcap *pcap);

/* sim/dissector.lua, made a part of the program by the build. */
extern const char sim_dissector_lua[];

/* The Lua dissector: tables made from the schema, then what reads them. */
void sim_dissector_print(FILE *file);

#endif

#include "sim/pcap.h"

#include "core/base/mem.h"

#include <string.h>

/* pcapng: little endian here, as the magic says; each block is padded to 4 bytes. */
enum { BLOCK_SECTION = 0x0A0D0D0A, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6, LINK_RAW = 101 };
enum { OPTION_END = 0, OPTION_COMMENT = 1, OPTION_IF_NAME = 2, OPTION_IF_TSRESOL = 9 };
enum { IP_BYTES = 40, TCP_BYTES = 20, UDP_BYTES = 8, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* A segment fits an IPv6 packet. */
#define SEGMENT_BYTES 32768

/* Streams whose sequence numbers are known at a time. A stream that lost its place to a younger one begins anew in the capture. */
#define STREAMS 65536

/* The first port of those who connect; a stream's port follows from its number. */
#define PORT_FIRST 20000
#define PORT_COUNT 45000

/* Of a stream's first byte: behind the SYN. */
#define FIRST_SEQUENCE 1

#define LOST_BYTES 64

struct stream {
    uint64_t conn; /* 0: free */
    const struct sim_host *opener;
    const struct sim_host *other;
    uint32_t sequence[2]; /* of the next byte that arrives: from the opener, to it */
};

struct sim_pcap {
    struct sim_run *run;
    FILE *file;
    struct stream *streams;
};

struct packet {
    uint8_t bytes[IP_BYTES + TCP_BYTES + SEGMENT_BYTES];
    size_t count; /* on the wire */
    size_t kept;
};

/* Blocks ---------------------------------------------------------------------------------------------------------------------- */

static void put32(FILE *file, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

    (void)fwrite(bytes, 1, sizeof bytes, file);
}

static size_t padded(size_t count)
{
    return (count + 3) & ~(size_t)3;
}

static void put_padded(FILE *file, const void *bytes, size_t count)
{
    static const uint8_t zeros[4];

    (void)fwrite(bytes, 1, count, file);
    (void)fwrite(zeros, 1, padded(count) - count, file);
}

static void put_option(FILE *file, uint32_t code, const void *bytes, size_t count)
{
    put32(file, code | (uint32_t)count << 16);
    put_padded(file, bytes, count);
}

static void put_section(FILE *file)
{
    put32(file, BLOCK_SECTION);
    put32(file, 28);
    put32(file, 0x1A2B3C4D);
    put32(file, 1); /* version 1.0 */
    put32(file, UINT32_MAX);
    put32(file, UINT32_MAX); /* the section's length is not known yet */
    put32(file, 28);
}

static void put_interface(FILE *file, const char *name)
{
    static const uint8_t nanoseconds = 9;
    const uint32_t total = (uint32_t)(20 + 4 + padded(strlen(name)) + 8 + 4);

    put32(file, BLOCK_INTERFACE);
    put32(file, total);
    put32(file, LINK_RAW);
    put32(file, 0); /* no limit of its own: packets say what was kept */
    put_option(file, OPTION_IF_NAME, name, strlen(name));
    put_option(file, OPTION_IF_TSRESOL, &nanoseconds, 1);
    put32(file, OPTION_END);
    put32(file, total);
}

static void put_packet(struct sim_pcap *pcap, const struct sim_host *where, const struct packet *packet,
                       const char *comment)
{
    const dfs_time_ns now = sim_world_now(pcap->run->world);
    const size_t options = comment == NULL ? 0 : 4 + padded(strlen(comment)) + 4;
    const uint32_t total = (uint32_t)(32 + padded(packet->kept) + options);

    put32(pcap->file, BLOCK_PACKET);
    put32(pcap->file, total);
    put32(pcap->file, sim_host_index(where));
    put32(pcap->file, (uint32_t)(now >> 32));
    put32(pcap->file, (uint32_t)now);
    put32(pcap->file, (uint32_t)packet->kept);
    put32(pcap->file, (uint32_t)packet->count);
    put_padded(pcap->file, packet->bytes, packet->kept);
    if (comment != NULL) {
        put_option(pcap->file, OPTION_COMMENT, comment, strlen(comment));
        put32(pcap->file, OPTION_END);
    }
    put32(pcap->file, total);
}

/* Packets --------------------------------------------------------------------------------------------------------------------- */

static void net16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void net32(uint8_t *at, uint32_t value)
{
    net16(at, value >> 16);
    net16(at + 2, value & 0xFFFF);
}

static void addr_put(uint8_t *at, const struct sim_host *host)
{
    if (host != NULL)
        memcpy(at, sim_host_addr(host)->ip, 16);
    else
        memset(at, 0, 16); /* nobody has the address that it was sent to */
}

static uint16_t checksum(const struct packet *packet, uint8_t protocol)
{
    const uint8_t *at = packet->bytes + 8; /* both addresses count, and all that follows them */
    const size_t count = packet->count - 8;
    uint64_t sum = protocol + packet->count - IP_BYTES;

    for (size_t i = 0; i < count; i++)
        sum += i % 2 == 0 ? (uint64_t)at[i] << 8 : at[i];
    while (sum > 0xFFFF)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

static void ip_put(struct packet *packet, const struct sim_host *from, const struct sim_host *to, uint8_t protocol,
                   size_t payload)
{
    uint8_t *at = packet->bytes;

    packet->count = IP_BYTES + payload;
    packet->kept = packet->count;
    net32(at, 6u << 28);
    net16(at + 4, (uint32_t)payload);
    at[6] = protocol;
    at[7] = 64;
    addr_put(at + 8, from);
    addr_put(at + 24, to);
}

static void datagram(struct sim_pcap *pcap, const struct sim_message *message, const struct sim_host *where,
                     const char *comment)
{
    struct packet packet;
    uint8_t *udp = packet.bytes + IP_BYTES;
    const uint32_t port = sim_host_addr(message->from)->port;

    if (message->head_bytes > SEGMENT_BYTES)
        return;
    ip_put(&packet, message->from, message->to, PROTOCOL_UDP, UDP_BYTES + message->head_bytes);
    net16(udp, port);
    net16(udp + 2, message->to != NULL ? sim_host_addr(message->to)->port : port);
    net16(udp + 4, (uint32_t)(UDP_BYTES + message->head_bytes));
    net16(udp + 6, 0);
    memcpy(udp + UDP_BYTES, message->head, message->head_bytes);
    const uint16_t sum = checksum(&packet, PROTOCOL_UDP);

    net16(udp + 6, sum == 0 ? 0xFFFF : sum);
    put_packet(pcap, where, &packet, comment);
}

static void segment(struct sim_pcap *pcap, const struct stream *stream, bool back, unsigned flags, uint32_t sequence,
                    const uint8_t *bytes, size_t count, const struct sim_host *where, const char *comment)
{
    struct packet packet;
    uint8_t *tcp = packet.bytes + IP_BYTES;
    const struct sim_host *from = back ? stream->other : stream->opener;
    const struct sim_host *to = back ? stream->opener : stream->other;
    const uint32_t opener_port = PORT_FIRST + (uint32_t)(stream->conn % PORT_COUNT);
    const uint32_t port = sim_host_addr(to != NULL ? to : from)->port;

    ip_put(&packet, from, to, PROTOCOL_TCP, TCP_BYTES + count);
    memset(tcp, 0, TCP_BYTES);
    net16(tcp, back ? port : opener_port);
    net16(tcp + 2, back ? opener_port : port);
    net32(tcp + 4, sequence);
    net32(tcp + 8, (flags & ACK) != 0 ? stream->sequence[!back] : 0);
    tcp[12] = TCP_BYTES / 4 << 4;
    tcp[13] = (uint8_t)flags;
    net16(tcp + 14, 0xFFFF);
    if (count > 0)
        memcpy(tcp + TCP_BYTES, bytes, count);
    net16(tcp + 16, checksum(&packet, PROTOCOL_TCP));
    if ((flags & PSH) == 0 && count > SIM_PCAP_BULK_BYTES)
        packet.kept -= count - SIM_PCAP_BULK_BYTES;
    put_packet(pcap, where != NULL ? where : to != NULL ? to : from, &packet, comment);
}

/* One that says something of the connection, and carries no bytes. */
static void control(struct sim_pcap *pcap, struct stream *stream, bool back, unsigned flags, const char *comment)
{
    segment(pcap, stream, back, flags, stream->sequence[back], NULL, 0, NULL, comment);
    if ((flags & (SYN | FIN)) != 0)
        stream->sequence[back]++;
}

static struct stream *stream_of(struct sim_pcap *pcap, uint64_t conn, const struct sim_host *from,
                                const struct sim_host *to)
{
    struct stream *stream = &pcap->streams[conn % STREAMS];

    if (stream->conn != conn)
        *stream = (struct stream){.conn = conn, .opener = from, .other = to};
    return stream;
}

static void segments(struct sim_pcap *pcap, const struct stream *stream, bool back, unsigned flags, uint32_t sequence,
                     const uint8_t *bytes, size_t count, const struct sim_host *where, const char *comment)
{
    for (size_t done = 0; done < count;) {
        const size_t part = count - done < SEGMENT_BYTES ? count - done : SEGMENT_BYTES;

        segment(pcap, stream, back, flags, sequence + (uint32_t)done, bytes + done, part, where, comment);
        done += part;
    }
}

/* A frame where it stands in the stream: one that is lost may be told before those in front of it arrive. */
static void frame(struct sim_pcap *pcap, const struct sim_message *message, bool lost, const char *comment)
{
    struct stream *stream = stream_of(pcap, message->conn, message->from, message->to);
    const struct sim_host *where = lost ? message->from : NULL;
    const bool back = message->from != stream->opener;
    const uint32_t sequence = FIRST_SEQUENCE + (uint32_t)message->offset;
    const uint32_t bulk = sequence + (uint32_t)message->head_bytes;

    segments(pcap, stream, back, PSH | ACK, sequence, message->head, message->head_bytes, where, comment);
    segments(pcap, stream, back, ACK, bulk, message->bulk, message->bulk_bytes, where, comment);
    if (!lost)
        stream->sequence[back] = bulk + (uint32_t)message->bulk_bytes;
}

/* What happens ---------------------------------------------------------------------------------------------------------------- */

static void on_frame(void *arg, const struct sim_message *message)
{
    frame(arg, message, false, NULL);
}

/* "lost on the way to d3" */
static const char *lost_words(const struct sim_message *message, char text[static LOST_BYTES])
{
    (void)snprintf(text, LOST_BYTES, "lost on the way to %s",
                   message->to != NULL ? sim_host_name(message->to) : "nobody");
    return text;
}

static void on_frame_lost(void *arg, const struct sim_message *message)
{
    char text[LOST_BYTES];

    frame(arg, message, true, lost_words(message, text));
}

static void on_datagram(void *arg, const struct sim_message *message)
{
    datagram(arg, message, message->to != NULL ? message->to : message->from,
             message->injected ? "forged by a fault" : NULL);
}

static void on_lost(void *arg, const struct sim_message *message)
{
    char text[LOST_BYTES];

    datagram(arg, message, message->from, lost_words(message, text));
}

static void on_opened(void *arg, const struct sim_connection *connection)
{
    struct stream *stream = stream_of(arg, connection->conn, connection->from, connection->to);

    control(arg, stream, false, SYN, NULL);
    if (connection->to == NULL)
        return;
    control(arg, stream, true, SYN | ACK, NULL);
    control(arg, stream, false, ACK, NULL);
}

static void on_closed(void *arg, const struct sim_connection *connection, struct sim_host *told, enum dfs_status status)
{
    struct sim_pcap *pcap = arg;
    struct stream *stream = &pcap->streams[connection->conn % STREAMS];
    const bool back = told == connection->from;

    if (stream->conn != connection->conn || (back && connection->to == NULL))
        return; /* it never opened */
    control(pcap, stream, back, status == DFS_OK ? FIN | ACK : RST | ACK, dfs_status_name(status));
}

struct sim_pcap *sim_pcap_attach(struct sim_run *run, FILE *file)
{
    struct sim_pcap *pcap = dfs_alloc_zero(sizeof *pcap);
    const struct sim_observer observer = {
        .arg = pcap,
        .frame_delivered = on_frame,
        .frame_lost = on_frame_lost,
        .datagram_delivered = on_datagram,
        .datagram_lost = on_lost,
        .connection_opened = on_opened,
        .connection_closed = on_closed,
    };

    pcap->run = run;
    pcap->file = file;
    pcap->streams = dfs_alloc_zero(STREAMS * sizeof *pcap->streams);
    put_section(file);
    for (size_t i = 0; i < sim_world_host_count(run->world); i++)
        put_interface(file, sim_host_name(sim_world_host_get(run->world, i)));
    sim_world_observe(run->world, &observer);
    return pcap;
}

void sim_pcap_free(struct sim_pcap *pcap)
{
    if (pcap == NULL)
        return;
    dfs_free(pcap->streams);
    dfs_free(pcap);
}

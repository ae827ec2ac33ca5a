#include "net_real/net_udp.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/endpoint.h"
#include "net_real/host.h"
#include "net_real/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A datagram that a fault holds back. */
struct delayed {
    struct dfs_list link;
    struct dfs_udp *udp;
    uv_timer_t timer;
    bool incoming;
    struct dfs_addr addr;
    size_t count;
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
};

/* Sockets ----------------------------------------------------------------------------------------------------------- */

/* 0 or errno. Port 0: the system's choice. */
static int open_socket(struct dfs_udp *udp, struct dfs_udp_socket *sock, const struct dfs_addr *addr,
                       bool both_families)
{
    const int receive_bytes = DFS_UDP_RECEIVE_BYTES;
    const int v6_only = both_families ? 0 : 1;
    struct sockaddr_storage system;
    const socklen_t size = dfs_endpoint_to_system(addr, &system);
    const int fd = socket(system.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    if (system.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
    error = bind(fd, (const struct sockaddr *)&system, size) == 0 ? 0 : errno;
    if (error == 0)
        error = -uv_poll_init(&udp->real->loop, &sock->poll, fd);
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    sock->poll.data = sock;
    sock->fd = fd;
    sock->both_families = both_families;
    return 0;
}

static void deliver(struct dfs_real *real, const struct dfs_addr *from, const uint8_t *bytes, size_t count)
{
    struct dfs_event event = {.kind = DFS_EV_DATAGRAM, .datagram = {.from = from, .bytes = bytes, .count = count}};

    real->stats.datagrams_received++;
    dfs_real_deliver(real, &event);
}

static void transmit(struct dfs_udp *udp, const struct dfs_addr *to, const uint8_t *bytes, size_t count);

/* Faults ------------------------------------------------------------------------------------------------------------ */

static void on_delay_closed(uv_handle_t *handle)
{
    dfs_free(handle->data);
}

static void forget_delayed(struct delayed *delayed)
{
    delayed->udp->delayed_count--;
    dfs_list_remove(&delayed->link);
    uv_close((uv_handle_t *)&delayed->timer, on_delay_closed);
}

static void on_delay(uv_timer_t *handle)
{
    struct delayed *delayed = handle->data;
    struct dfs_real *real = delayed->udp->real;

    if (delayed->incoming)
        deliver(real, &delayed->addr, delayed->bytes, delayed->count);
    else
        transmit(delayed->udp, &delayed->addr, delayed->bytes, delayed->count);
    forget_delayed(delayed);
    dfs_real_settle(real);
}

static void hold_back(struct dfs_udp *udp, bool incoming, const struct dfs_addr *addr, const uint8_t *bytes,
                      size_t count, dfs_duration_ns delay)
{
    struct delayed *delayed;

    if (udp->delayed_count >= DFS_FAULT_DELAYED_MAX) {
        udp->real->stats.datagrams_dropped++;
        return;
    }
    delayed = dfs_alloc(sizeof *delayed);
    delayed->udp = udp;
    delayed->incoming = incoming;
    delayed->addr = *addr;
    delayed->count = count;
    memcpy(delayed->bytes, bytes, count);
    dfs_list_push(&udp->delayed, &delayed->link);
    udp->delayed_count++;
    (void)uv_timer_init(&udp->real->loop, &delayed->timer);
    delayed->timer.data = delayed;
    uv_update_time(&udp->real->loop);
    (void)uv_timer_start(&delayed->timer, on_delay, delay / DFS_MILLISECONDS, 0);
}

/* False: it was dropped or held back. */
static bool passes(struct dfs_udp *udp, bool incoming, const struct dfs_addr *addr, const uint8_t *bytes, size_t count)
{
    const struct dfs_fault_table *fault = &udp->real->fault;
    const struct dfs_fault_subject subject = {.passing = incoming ? DFS_FAULT_DATAGRAM_IN : DFS_FAULT_DATAGRAM_OUT,
                                              .addr = addr,
                                              .bytes = bytes,
                                              .count = count};
    dfs_duration_ns delay;
    bool cut_in;
    bool cut_out;

    dfs_fault_find(fault, addr, NULL, &cut_in, &cut_out);
    if (incoming ? cut_in : cut_out) {
        udp->real->stats.datagrams_dropped++;
        return false;
    }
    switch (dfs_fault_judge(fault, &subject, &delay)) {
    case DFS_FAULT_PASS:
        return true;
    case DFS_FAULT_DELAY:
        hold_back(udp, incoming, addr, bytes, count, delay);
        return false;
    case DFS_FAULT_DROP:
    case DFS_FAULT_CUT:
        udp->real->stats.datagrams_dropped++;
        return false;
    }
    dfs_unreachable("verdict");
}

static bool faults_are_set(const struct dfs_udp *udp)
{
    return udp->real->fault.filter != NULL || udp->real->fault.cut_count > 0;
}

/* Receiving --------------------------------------------------------------------------------------------------------- */

/* False when there is no more. */
static bool receive_one(struct dfs_udp_socket *sock)
{
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX + 1]; /* one more tells a longer one, which is not ours */
    struct sockaddr_storage from = {0};
    socklen_t size = sizeof from;
    struct dfs_real *real = sock->real;
    struct dfs_addr addr;
    const ssize_t got = recvfrom(sock->fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);

    if (got < 0)
        return errno == EINTR || errno == ECONNREFUSED; /* an earlier one of ours came back: the next may be good */
    dfs_endpoint_from_system(&from, &addr);
    if (got == 0 || (size_t)got > DFS_DATAGRAM_BYTES_MAX)
        return true;
    if (faults_are_set(&real->udp) && !passes(&real->udp, true, &addr, bytes, (size_t)got))
        return true;
    deliver(real, &addr, bytes, (size_t)got);
    return true;
}

static void start_reading(struct dfs_udp_socket *sock);

static void on_readable(uv_poll_t *handle, int status, int events)
{
    struct dfs_udp_socket *sock = handle->data;

    (void)events;
    for (int i = 0; i < DFS_UDP_DATAGRAMS_PER_TURN && receive_one(sock); i++)
        ;
    if (status < 0)
        start_reading(sock); /* libuv has stopped it over an error, which recvfrom took off the socket */
    dfs_real_settle(sock->real);
}

static void start_reading(struct dfs_udp_socket *sock)
{
    if (sock->fd >= 0)
        (void)uv_poll_start(&sock->poll, UV_READABLE, on_readable);
}

/* Sending ----------------------------------------------------------------------------------------------------------- */

static void any_address(bool v4, struct dfs_addr *ret_addr)
{
    *ret_addr = (struct dfs_addr){0};
    if (v4)
        ret_addr->ip[10] = ret_addr->ip[11] = 0xff;
}

/* NULL: this host sends none, or not in that family. */
static struct dfs_udp_socket *socket_for(struct dfs_udp *udp, const struct dfs_addr *to)
{
    const struct dfs_real_config *config = &udp->real->config;
    const bool v4 = dfs_endpoint_is_v4(to);
    struct dfs_udp_socket *sock = v4 ? &udp->v4 : &udp->v6;
    struct dfs_addr from;

    if (v4 && udp->v6.fd >= 0 && udp->v6.both_families)
        return &udp->v6;
    if (sock->fd >= 0)
        return sock;
    if (config->udp == DFS_REAL_UDP_NONE)
        return NULL;
    any_address(v4, &from);
    if (config->binds_source && dfs_endpoint_is_v4(&config->source) == v4)
        memcpy(from.ip, config->source.ip, sizeof from.ip);
    if (open_socket(udp, sock, &from, false) != 0)
        return NULL;
    if (udp->listening)
        start_reading(sock);
    return sock;
}

static void transmit(struct dfs_udp *udp, const struct dfs_addr *to, const uint8_t *bytes, size_t count)
{
    struct dfs_udp_socket *sock = socket_for(udp, to);
    struct sockaddr_storage system;
    socklen_t size;

    if (sock != NULL) {
        size = sock->both_families ? dfs_endpoint_to_system_v6(to, &system) : dfs_endpoint_to_system(to, &system);
        /* An error may be that of an earlier datagram (ECONNREFUSED), so there is a second try. */
        for (int i = 0; i < 2; i++) {
            if (sendto(sock->fd, bytes, count, MSG_NOSIGNAL, (const struct sockaddr *)&system, size) < 0)
                continue;
            udp->real->stats.datagrams_sent++;
            return;
        }
    }
    udp->real->stats.datagrams_dropped++;
}

void dfs_udp_send(void *ctx, const struct dfs_addr *to, const void *bytes, size_t count)
{
    struct dfs_real *real = ctx;

    DFS_ASSERT(count > 0 && count <= DFS_DATAGRAM_BYTES_MAX);
    if (faults_are_set(&real->udp) && !passes(&real->udp, false, to, bytes, count))
        return;
    transmit(&real->udp, to, bytes, count);
}

/* Life -------------------------------------------------------------------------------------------------------------- */

void dfs_udp_init(struct dfs_udp *udp, struct dfs_real *real)
{
    *udp = (struct dfs_udp){.real = real, .v4 = {.real = real, .fd = -1}, .v6 = {.real = real, .fd = -1}};
    dfs_list_init(&udp->delayed);
}

int dfs_udp_bind(struct dfs_udp *udp, const struct dfs_addr *addr)
{
    const bool v4 = dfs_endpoint_is_v4(addr);

    return open_socket(udp, v4 ? &udp->v4 : &udp->v6, addr, !v4);
}

void dfs_udp_listen(struct dfs_udp *udp)
{
    udp->listening = true;
    start_reading(&udp->v4);
    start_reading(&udp->v6);
}

static void close_socket(struct dfs_udp_socket *sock)
{
    if (sock->fd < 0)
        return;
    uv_close((uv_handle_t *)&sock->poll, NULL);
    (void)close(sock->fd);
    sock->fd = -1;
}

void dfs_udp_close(struct dfs_udp *udp)
{
    dfs_list_each(link, &udp->delayed) forget_delayed(dfs_container_of(link, struct delayed, link));
    close_socket(&udp->v4);
    close_socket(&udp->v6);
}

#include "net_real/endpoint.h"

#include "core/base/assert.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool dfs_endpoint_is_v4(const struct dfs_addr *addr)
{
    return memcmp(addr->ip, v4_mapped, sizeof v4_mapped) == 0;
}

bool dfs_endpoint_is_loopback(const struct dfs_addr *addr)
{
    static const uint8_t v6_loopback[16] = {[15] = 1};

    if (dfs_endpoint_is_v4(addr))
        return addr->ip[sizeof v4_mapped] == 127;
    return memcmp(addr->ip, v6_loopback, sizeof v6_loopback) == 0;
}

bool dfs_endpoint_equal(const struct dfs_addr *a, const struct dfs_addr *b)
{
    return a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

socklen_t dfs_endpoint_to_system(const struct dfs_addr *addr, struct sockaddr_storage *ret_system)
{
    memset(ret_system, 0, sizeof *ret_system);
    if (dfs_endpoint_is_v4(addr)) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};

        memcpy(&in.sin_addr, addr->ip + sizeof v4_mapped, sizeof in.sin_addr);
        memcpy(ret_system, &in, sizeof in);
        return sizeof in;
    }
    return dfs_endpoint_to_system_v6(addr, ret_system);
}

socklen_t dfs_endpoint_to_system_v6(const struct dfs_addr *addr, struct sockaddr_storage *ret_system)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};

    memset(ret_system, 0, sizeof *ret_system);
    memcpy(&in6.sin6_addr, addr->ip, sizeof in6.sin6_addr);
    memcpy(ret_system, &in6, sizeof in6);
    return sizeof in6;
}

void dfs_endpoint_from_system(const struct sockaddr_storage *system, struct dfs_addr *ret_addr)
{
    *ret_addr = (struct dfs_addr){0};
    if (system->ss_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, system, sizeof in);
        memcpy(ret_addr->ip, v4_mapped, sizeof v4_mapped);
        memcpy(ret_addr->ip + sizeof v4_mapped, &in.sin_addr, sizeof in.sin_addr);
        ret_addr->port = ntohs(in.sin_port);
    } else if (system->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, system, sizeof in6);
        memcpy(ret_addr->ip, &in6.sin6_addr, sizeof in6.sin6_addr);
        ret_addr->port = ntohs(in6.sin6_port);
    }
}

void dfs_endpoint_print(const struct dfs_addr *addr, char ret_text[DFS_ENDPOINT_TEXT_BYTES])
{
    char ip[INET6_ADDRSTRLEN] = "?";

    if (dfs_endpoint_is_v4(addr)) {
        (void)inet_ntop(AF_INET, addr->ip + sizeof v4_mapped, ip, sizeof ip);
        (void)snprintf(ret_text, DFS_ENDPOINT_TEXT_BYTES, "%s:%u", ip, addr->port);
    } else {
        (void)inet_ntop(AF_INET6, addr->ip, ip, sizeof ip);
        (void)snprintf(ret_text, DFS_ENDPOINT_TEXT_BYTES, "[%s]:%u", ip, addr->port);
    }
}

/* Cuts "host:port" or "[host]:port" in two; host may be empty. */
static bool split(const char *text, char *ret_host, size_t host_bytes, const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    const char *begin = text;
    const char *end = colon;

    if (colon == NULL || colon[1] == '\0')
        return false;
    if (*begin == '[') {
        begin++;
        end--;
        if (end < begin || *end != ']')
            return false;
    } else if (memchr(begin, ':', (size_t)(end - begin)) != NULL) {
        return false; /* an IPv6 address without brackets: where does the port begin? */
    }
    if ((size_t)(end - begin) >= host_bytes)
        return false;
    memcpy(ret_host, begin, (size_t)(end - begin));
    ret_host[end - begin] = '\0';
    *ret_port = colon + 1;
    return true;
}

static bool parse_port(const char *text, uint16_t *ret_port)
{
    unsigned value = 0;

    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > UINT16_MAX)
            return false;
    }
    *ret_port = (uint16_t)value;
    return true;
}

enum dfs_status dfs_endpoint_resolve(const char *text, struct dfs_addr *ret_addr)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct sockaddr_storage system = {0};
    char host[256];
    const char *port_text;
    uint16_t port;

    if (!split(text, host, sizeof host, &port_text) || !parse_port(port_text, &port))
        return DFS_BAD_CONFIG;
    if (host[0] == '\0') {
        *ret_addr = (struct dfs_addr){.port = port};
        return DFS_OK;
    }
    if (getaddrinfo(host, NULL, &hints, &found) != 0 || found == NULL)
        return DFS_UNREACHABLE;
    DFS_ASSERT(found->ai_addrlen <= sizeof system);
    memcpy(&system, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    dfs_endpoint_from_system(&system, ret_addr);
    ret_addr->port = port;
    return DFS_OK;
}

#include "apps/common/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct parts {
    char host[DFS_ADDRESS_TEXT_BYTES];
    uint16_t port;
};

static enum dfs_status split(const char *text, struct parts *ret_parts, struct dfs_why *ret_why)
{
    const char *colon = strrchr(text, ':');
    const char *host = text;
    size_t count = colon == NULL ? 0 : (size_t)(colon - text);
    char *end = NULL;
    unsigned long port;

    if (count >= 2 && host[0] == '[' && host[count - 1] == ']') {
        host++;
        count -= 2;
    } else if (memchr(host, ':', count) != NULL) {
        count = 0; /* an IPv6 address without brackets: nobody knows where its port begins */
    }
    if (count == 0 || strlen(text) >= DFS_ADDRESS_TEXT_BYTES) {
        dfs_why_set(ret_why, "\"%s\" is no address; write HOST:PORT, for example \"127.0.0.1:7401\" or \"[::1]:7401\"",
                    dfs_quote_text(text).text);
        return DFS_BAD_CONFIG;
    }
    port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > UINT16_MAX) {
        dfs_why_set(ret_why, "\"%s\": the port must be a number from 0 to 65535", dfs_quote_text(text).text);
        return DFS_BAD_CONFIG;
    }
    memcpy(ret_parts->host, host, count);
    ret_parts->host[count] = '\0';
    ret_parts->port = (uint16_t)port;
    return DFS_OK;
}

enum dfs_status dfs_address_check(const char *text, struct dfs_why *ret_why)
{
    struct parts parts;

    return split(text, &parts, ret_why);
}

static void take(const struct sockaddr *from, struct dfs_addr *to)
{
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, from, sizeof in);
        memset(to->ip, 0, 10);
        to->ip[10] = to->ip[11] = 0xff;
        memcpy(to->ip + 12, &in.sin_addr, 4);
    } else {
        struct sockaddr_in6 in6;

        memcpy(&in6, from, sizeof in6);
        memcpy(to->ip, &in6.sin6_addr, 16);
    }
}

enum dfs_status dfs_address_resolve(const char *text, struct dfs_addr *ret_addr, struct dfs_why *ret_why)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    const struct addrinfo *best = NULL;
    struct addrinfo *found = NULL;
    struct parts parts;
    enum dfs_status status = split(text, &parts, ret_why);
    int rc;

    if (status != DFS_OK)
        return status;
    rc = getaddrinfo(parts.host, NULL, &hints, &found);
    for (const struct addrinfo *at = found; rc == 0 && at != NULL; at = at->ai_next) {
        if (at->ai_family == AF_INET || (at->ai_family == AF_INET6 && best == NULL))
            best = at;
        if (at->ai_family == AF_INET)
            break;
    }
    if (best != NULL) {
        take(best->ai_addr, ret_addr);
        ret_addr->port = parts.port;
    } else {
        dfs_why_set(ret_why, "\"%s\": %s", dfs_quote_text(parts.host).text,
                    rc != 0 ? gai_strerror(rc) : "the name has no IP address");
        status = DFS_UNREACHABLE;
    }
    if (found != NULL)
        freeaddrinfo(found);
    return status;
}

static bool is_mapped(const struct dfs_addr *addr)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(addr->ip, prefix, sizeof prefix) == 0;
}

void dfs_address_print(const struct dfs_addr *addr, char ret_text[DFS_ADDRESS_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "";

    if (is_mapped(addr)) {
        (void)inet_ntop(AF_INET, addr->ip + 12, host, sizeof host);
        (void)snprintf(ret_text, DFS_ADDRESS_TEXT_BYTES, "%s:%u", host, addr->port);
    } else {
        (void)inet_ntop(AF_INET6, addr->ip, host, sizeof host);
        (void)snprintf(ret_text, DFS_ADDRESS_TEXT_BYTES, "[%s]:%u", host, addr->port);
    }
}

bool dfs_address_is_loopback(const struct dfs_addr *addr)
{
    static const uint8_t one[16] = {[15] = 1};

    return is_mapped(addr) ? addr->ip[12] == 127 : memcmp(addr->ip, one, sizeof one) == 0;
}

#include "apps/common/http.h"

#include "core/base/mem.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A loop that is silent for so long is not healthy. */
#define PICTURE_MS 2000

struct dfs_http {
    struct dfs_real *real;
    dfs_ask_start picture;
    void *ctx;
    struct MHD_Daemon *daemon;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *type, const char *text)
{
    union {
        const char *lent;
        void *any;
    } bytes = {.lent = text};
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), bytes.any, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    if (response == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_bytes, void **state)
{
    struct dfs_http *http = ctx;
    struct dfs_conf_text text = {0};
    enum MHD_Result result;

    (void)version;
    (void)upload;
    if (*state == NULL) { /* the headers only: answered when the request is complete */
        *state = http;
        return MHD_YES;
    }
    *upload_bytes = 0;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "only GET\n");
    if (strcmp(url, "/healthz") != 0 && strcmp(url, "/metrics") != 0)
        return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", "there are /healthz and /metrics\n");
    if (!dfs_ask_run(http->real, http->picture, http->ctx, url, PICTURE_MS, &text) || text.count < 4)
        result = answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", "the daemon's loop does not answer\n");
    else
        result = answer(connection, (unsigned)strtoul(text.bytes, NULL, 10),
                        strcmp(url, "/metrics") == 0 ? "text/plain; version=0.0.4" : "text/plain", text.bytes + 4);
    dfs_conf_text_close(&text);
    return result;
}

enum dfs_status dfs_http_open(const struct dfs_addr *addr, struct dfs_real *real, dfs_ask_start picture, void *ctx,
                              struct dfs_http **ret_http, struct dfs_why *ret_why)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const bool v4 = memcmp(addr->ip, mapped, sizeof mapped) == 0;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
    struct dfs_http *http = dfs_alloc_zero(sizeof *http);
    const void *bound = v4 ? (const void *)&in : (const void *)&in6;

    memcpy(&in.sin_addr, addr->ip + 12, 4);
    memcpy(&in6.sin6_addr, addr->ip, 16);
    http->real = real;
    http->picture = picture;
    http->ctx = ctx;
    http->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | (v4 ? 0u : (unsigned)MHD_USE_IPv6), addr->port,
                                    NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR, bound,
                                    MHD_OPTION_CONNECTION_LIMIT, (unsigned)DFS_HTTP_CONNECTIONS_MAX,
                                    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)DFS_HTTP_TIMEOUT_S, MHD_OPTION_END);
    if (http->daemon == NULL) {
        const bool in_use = errno == EADDRINUSE;

        dfs_why_set(ret_why, "%s%s", errno != 0 ? strerror(errno) : "cannot be bound",
                    in_use ? "; end the process that has it, or choose another port" : "");
        dfs_free(http);
        return in_use ? DFS_UNAVAILABLE : DFS_BAD_CONFIG;
    }
    *ret_http = http;
    return DFS_OK;
}

void dfs_http_close(struct dfs_http *http)
{
    if (http == NULL)
        return;
    MHD_stop_daemon(http->daemon);
    dfs_free(http);
}

uint16_t dfs_http_port(const struct dfs_http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);

    return info != NULL ? info->port : 0;
}

#include "apps/common/line_socket.h"

#include "apps/common/file.h"
#include "core/base/mac.h"
#include "core/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A line that the loop does not take up in this time is answered with an error; it may still be carried out. */
#define ANSWER_MS 30000

struct peer {
    int fd; /* -1: free */
    size_t count;
    char line[DFS_LINE_BYTES_MAX];
};

struct dfs_line_socket {
    struct dfs_real *real;
    dfs_ask_start start;
    void *ctx;
    char *path;
    int listener;
    int wake[2]; /* a byte here ends the thread */
    pthread_t thread;
    struct peer peers[DFS_LINE_PEERS_MAX];
};

/* A socket's address holds 107 bytes: longer paths go through the open directory. */
struct place {
    struct sockaddr_un addr;
    int directory;
};

static bool place_open(const char *path, struct place *ret_place)
{
    char *whole = dfs_path_absolute(path);
    char *slash = strrchr(whole, '/');

    *ret_place = (struct place){.addr = {.sun_family = AF_UNIX}, .directory = -1};
    if (strlen(whole) < sizeof ret_place->addr.sun_path) {
        memcpy(ret_place->addr.sun_path, whole, strlen(whole) + 1);
    } else {
        *slash = '\0';
        ret_place->directory = open(whole, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (ret_place->directory < 0 || strlen(slash + 1) > 64) {
            dfs_free(whole);
            return false;
        }
        (void)snprintf(ret_place->addr.sun_path, sizeof ret_place->addr.sun_path, "/proc/self/fd/%d/%s",
                       ret_place->directory, slash + 1);
    }
    dfs_free(whole);
    return true;
}

static void place_close(struct place *place)
{
    if (place->directory >= 0)
        (void)close(place->directory);
}

static int connect_to(const struct place *place)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&place->addr, sizeof place->addr) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

/* The server -------------------------------------------------------------------------------------------------------- */

static void hang_up(struct peer *peer)
{
    (void)close(peer->fd);
    dfs_wipe(peer->line, sizeof peer->line); /* passwords pass here */
    peer->fd = -1;
    peer->count = 0;
}

static bool send_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t put = send(fd, bytes, count, MSG_NOSIGNAL);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        bytes += put;
        count -= (size_t)put;
    }
    return true;
}

static void carry_out(struct dfs_line_socket *at, struct peer *peer, const char *line)
{
    struct dfs_conf_text reply = {0};

    if (!dfs_ask_run(at->real, at->start, at->ctx, line, ANSWER_MS, &reply))
        dfs_conf_text_add(&reply, "{\"ok\":false,\"error\":\"the daemon did not answer in time\"}");
    dfs_conf_text_add(&reply, "\n");
    if (!send_all(peer->fd, reply.bytes, reply.count))
        hang_up(peer);
    dfs_conf_text_close(&reply);
}

static void read_more(struct dfs_line_socket *at, struct peer *peer)
{
    const ssize_t got = recv(peer->fd, peer->line + peer->count, sizeof peer->line - peer->count, 0);
    char *end;

    if (got <= 0) {
        if (got < 0 && errno == EINTR)
            return;
        hang_up(peer);
        return;
    }
    peer->count += (size_t)got;
    while (peer->fd >= 0 && (end = memchr(peer->line, '\n', peer->count)) != NULL) {
        const size_t used = (size_t)(end - peer->line) + 1;

        *end = '\0';
        carry_out(at, peer, peer->line);
        if (peer->fd >= 0) {
            memmove(peer->line, peer->line + used, peer->count - used);
            peer->count -= used;
        }
    }
    if (peer->fd >= 0 && peer->count == sizeof peer->line) {
        static const char words[] = "{\"ok\":false,\"error\":\"the line is too long\"}\n";

        (void)send_all(peer->fd, words, sizeof words - 1);
        hang_up(peer);
    }
}

static void *serve(void *ctx)
{
    struct dfs_line_socket *at = ctx;

    for (;;) {
        struct pollfd polls[DFS_LINE_PEERS_MAX + 2];
        struct peer *free_peer = NULL;

        for (size_t i = 0; i < DFS_LINE_PEERS_MAX; i++) {
            polls[i] = (struct pollfd){.fd = at->peers[i].fd, .events = POLLIN};
            if (at->peers[i].fd < 0)
                free_peer = &at->peers[i];
        }
        polls[DFS_LINE_PEERS_MAX] = (struct pollfd){.fd = at->wake[0], .events = POLLIN};
        polls[DFS_LINE_PEERS_MAX + 1] = (struct pollfd){.fd = free_peer != NULL ? at->listener : -1, .events = POLLIN};
        if (poll(polls, DFS_LINE_PEERS_MAX + 2, -1) < 0)
            continue;
        if (polls[DFS_LINE_PEERS_MAX].revents != 0)
            return NULL;
        for (size_t i = 0; i < DFS_LINE_PEERS_MAX; i++)
            if (polls[i].fd >= 0 && polls[i].revents != 0)
                read_more(at, &at->peers[i]);
        if (free_peer != NULL && polls[DFS_LINE_PEERS_MAX + 1].revents != 0)
            free_peer->fd = accept4(at->listener, NULL, NULL, SOCK_CLOEXEC);
    }
}

static int listen_at(const char *path, struct dfs_why *ret_why)
{
    struct place place;
    mode_t old;
    int fd = -1;
    int other;

    if (!place_open(path, &place)) {
        dfs_why_set(ret_why, "%s: the directory is not there, or the name is longer than 64 bytes", path);
        place_close(&place);
        return -1;
    }
    other = connect_to(&place);
    if (other >= 0) {
        (void)close(other);
        dfs_why_set(ret_why, "%s: another process serves this socket", path);
        place_close(&place);
        return -1;
    }
    (void)unlink(place.addr.sun_path); /* left behind by a process that was killed */
    old = umask(0177);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&place.addr, sizeof place.addr) != 0 ||
        listen(fd, DFS_LINE_PEERS_MAX) != 0) {
        dfs_why_set(ret_why, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
    (void)umask(old);
    place_close(&place);
    return fd;
}

enum dfs_status dfs_line_socket_open(const char *path, struct dfs_real *real, dfs_ask_start start, void *ctx,
                                     struct dfs_line_socket **ret_socket, struct dfs_why *ret_why)
{
    const int listener = listen_at(path, ret_why);
    struct dfs_line_socket *at;

    if (listener < 0)
        return DFS_BAD_CONFIG;
    at = dfs_alloc_zero(sizeof *at);
    at->real = real;
    at->start = start;
    at->ctx = ctx;
    at->path = dfs_path_absolute(path);
    at->listener = listener;
    for (size_t i = 0; i < DFS_LINE_PEERS_MAX; i++)
        at->peers[i].fd = -1;
    if (pipe2(at->wake, O_CLOEXEC) != 0 || pthread_create(&at->thread, NULL, serve, at) != 0) {
        dfs_why_set(ret_why, "%s: the system gives no pipe or thread", path);
        (void)close(listener);
        (void)unlink(at->path);
        dfs_free(at->path);
        dfs_free(at);
        return DFS_BAD_CONFIG;
    }
    *ret_socket = at;
    return DFS_OK;
}

void dfs_line_socket_close(struct dfs_line_socket *at)
{
    ssize_t put;

    if (at == NULL)
        return;
    do
        put = write(at->wake[1], "", 1);
    while (put < 0 && errno == EINTR);
    pthread_join(at->thread, NULL);
    for (size_t i = 0; i < DFS_LINE_PEERS_MAX; i++)
        if (at->peers[i].fd >= 0)
            hang_up(&at->peers[i]);
    (void)close(at->wake[0]);
    (void)close(at->wake[1]);
    (void)close(at->listener);
    (void)unlink(at->path);
    dfs_free(at->path);
    dfs_free(at);
}

/* The other end ----------------------------------------------------------------------------------------------------- */

enum dfs_status dfs_line_socket_ask(const char *path, const char *line, unsigned timeout_ms,
                                    struct dfs_conf_text *ret_reply, struct dfs_why *ret_why)
{
    struct place place;
    bool placed = place_open(path, &place);
    int fd = placed ? connect_to(&place) : -1;
    bool whole = false;

    place_close(&place);
    if (fd < 0) {
        dfs_why_set(ret_why, "%s: nobody serves this socket", path);
        return DFS_UNREACHABLE;
    }
    if (send_all(fd, line, strlen(line)) && send_all(fd, "\n", 1)) {
        char bytes[4096];
        struct pollfd readable = {.fd = fd, .events = POLLIN};

        while (!whole && poll(&readable, 1, (int)timeout_ms) > 0) {
            const ssize_t got = recv(fd, bytes, sizeof bytes, 0);

            if (got <= 0)
                break;
            dfs_conf_text_add(ret_reply, "%.*s", (int)got, bytes);
            whole = bytes[got - 1] == '\n';
        }
    }
    (void)close(fd);
    if (whole)
        return DFS_OK;
    dfs_conf_text_close(ret_reply);
    dfs_why_set(ret_why, "%s: no answer", path);
    return DFS_TIMEOUT;
}

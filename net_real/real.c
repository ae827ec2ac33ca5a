#include "net_real/real.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/endpoint.h"
#include "net_real/host.h"
#include "net_real/limits.h"
#include "net_real/os.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Something to be run on the loop's thread. */
struct call {
    struct dfs_list link;
    void (*function)(void *ctx);
    void *ctx;
};

static const int signal_numbers[DFS_REAL_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

dfs_time_ns dfs_real_mono(void)
{
    return dfs_os_mono();
}

dfs_wall_ns dfs_real_wall(void)
{
    return dfs_os_wall();
}

void dfs_real_log(struct dfs_real *real, enum dfs_real_level level, const char *format, ...)
{
    char text[DFS_WORDS_BYTES_MAX];
    va_list arguments;

    if (real->config.log == NULL)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    real->config.log(real->config.ctx, level, text);
}

/* Steps ------------------------------------------------------------------------------------------------------------- */

void dfs_real_deliver(struct dfs_real *real, struct dfs_event *event)
{
    dfs_duration_ns took;

    DFS_ASSERT(!real->in_step);
    if (real->polling)
        uv_stop(&real->loop); /* something happened: this turn is the last, and does not wait */
    if (real->step == NULL)
        return;
    event->mono = dfs_os_mono();
    event->wall = dfs_os_wall();
    real->in_step = true;
    real->deadline = real->step(real->machine, event);
    real->in_step = false;
    took = dfs_os_mono() - event->mono;
    real->stats.steps++;
    if (took > real->stats.step_longest_ns)
        real->stats.step_longest_ns = took;
}

static void tick(struct dfs_real *real)
{
    struct dfs_event event = {.kind = DFS_EV_TICK};

    real->tick_due = false;
    dfs_real_deliver(real, &event);
}

static void on_deadline(uv_timer_t *handle);

/* The timer is left alone when it fires early enough: steps are many, and most leave the deadline as it was or move it away. */
static void arm(struct dfs_real *real)
{
    dfs_time_ns now;
    uint64_t ms;

    if (real->deadline >= real->armed)
        return;
    now = dfs_os_mono();
    ms = real->deadline <= now ? 0 : (real->deadline - now + DFS_MILLISECONDS - 1) / DFS_MILLISECONDS;
    uv_update_time(&real->loop);
    (void)uv_timer_start(&real->timer, on_deadline, ms, 0);
    real->armed = real->deadline;
}

static void on_deadline(uv_timer_t *handle)
{
    struct dfs_real *real = handle->data;

    real->armed = DFS_NEVER;
    if (real->deadline <= dfs_os_mono())
        tick(real);
    dfs_real_settle(real);
}

static void on_busy(uv_idle_t *handle)
{
    (void)handle; /* being active is all it has to do: the loop does not sleep then */
}

void dfs_real_settle(struct dfs_real *real)
{
    DFS_ASSERT(!real->in_step);
    for (;;) {
        dfs_net_pump(&real->net);
        if (!real->tick_due)
            break;
        tick(real);
    }
    arm(real);
    if (dfs_list_empty(&real->net.later))
        (void)uv_idle_stop(&real->busy);
    else
        (void)uv_idle_start(&real->busy, on_busy);
}

static void on_turn(uv_prepare_t *handle)
{
    struct dfs_real *real = handle->data;

    dfs_net_next_turn(&real->net);
    dfs_real_settle(real);
}

/* The env ----------------------------------------------------------------------------------------------------------- */

static void verb_submit(void *ctx, const struct dfs_disk_op *op)
{
    struct dfs_real *real = ctx;

    real->stats.disk_operations++;
    dfs_disk_posix_submit(&real->disk, op);
}

static void verb_pull(void *ctx, uint64_t source, uint64_t offset, struct dfs_buf *buf, size_t buf_offset,
                      size_t length, uint64_t token)
{
    struct dfs_real *real = ctx;

    dfs_local_pull(&real->local, source, offset, buf, buf_offset, length, token);
}

static void verb_push(void *ctx, uint64_t sink, uint64_t offset, struct dfs_buf *buf, size_t buf_offset, size_t length,
                      uint64_t token)
{
    struct dfs_real *real = ctx;

    dfs_local_push(&real->local, sink, offset, buf, buf_offset, length, token);
}

static void verb_finish(void *ctx, uint64_t sink, bool commit, uint64_t token)
{
    struct dfs_real *real = ctx;

    dfs_local_finish(&real->local, sink, commit, token);
}

static void verb_answer(void *ctx, uint64_t command, const void *result)
{
    struct dfs_real *real = ctx;

    if (real->config.answer != NULL)
        real->config.answer(real->config.ctx, command, result);
}

static void verb_random(void *ctx, uint32_t purpose, void *bytes, size_t count)
{
    (void)ctx;
    (void)purpose;
    dfs_os_random(bytes, count);
}

static void verb_trace(void *ctx, const struct dfs_trace *trace)
{
    struct dfs_real *real = ctx;

    if (real->config.trace != NULL)
        real->config.trace(real->config.ctx, trace);
}

static const struct dfs_net_ops net_ops = {
    .connect = dfs_net_connect,
    .attach = dfs_net_attach,
    .resume = dfs_net_resume,
    .send = dfs_net_send,
    .close = dfs_net_close,
    .datagram = dfs_udp_send,
};
static const struct dfs_disk_ops disk_ops = {.submit = verb_submit};
static const struct dfs_local_ops local_ops = {
    .pull = verb_pull, .push = verb_push, .finish = verb_finish, .answer = verb_answer};
static const struct dfs_rng_ops rng_ops = {.random = verb_random};
static const struct dfs_trace_ops trace_ops = {.trace = verb_trace};

struct dfs_env dfs_real_env(struct dfs_real *real)
{
    return (struct dfs_env){
        .ctx = real,
        .net = &net_ops,
        .disk = real->disk.directory >= 0 ? &disk_ops : NULL,
        .local = &local_ops,
        .rng = &rng_ops,
        .trace = &trace_ops,
    };
}

/* What the pool reports --------------------------------------------------------------------------------------------- */

static void on_disk_answer(void *ctx, const struct dfs_disk_done *done)
{
    struct dfs_real *real = ctx;
    struct dfs_event event = {.kind = DFS_EV_DISK, .disk = *done};

    real->stats.disk_failures += done->status == DFS_IO || done->status == DFS_NO_SPACE;
    dfs_real_deliver(real, &event);
}

static void on_disk_complaint(void *ctx, const char *text)
{
    dfs_real_log(ctx, DFS_REAL_ERROR, "%s", text);
}

static void on_local_answer(void *ctx, bool of_sink, uint64_t token, uint64_t count, enum dfs_status status,
                            bool finished)
{
    struct dfs_event event = {
        .kind = of_sink ? DFS_EV_SINK : DFS_EV_SOURCE,
        .local = {.token = token, .count = count, .status = status, .finished = finished},
    };

    dfs_real_deliver(ctx, &event);
}

static void after_reports(void *ctx)
{
    dfs_real_settle(ctx);
}

/* Calls from other threads ------------------------------------------------------------------------------------------ */

static void run_calls(struct dfs_real *real)
{
    for (;;) {
        struct dfs_list *link;
        struct call *call;

        pthread_mutex_lock(&real->calls_mutex);
        link = dfs_list_pop(&real->calls);
        pthread_mutex_unlock(&real->calls_mutex);
        if (link == NULL)
            return;
        call = dfs_container_of(link, struct call, link);
        call->function(call->ctx);
        dfs_free(call);
    }
}

static void on_wake(uv_async_t *handle)
{
    struct dfs_real *real = handle->data;

    if (real->started)
        run_calls(real);
    if (atomic_load(&real->stopping))
        uv_stop(&real->loop);
    dfs_real_settle(real);
}

void dfs_real_call(struct dfs_real *real, void (*function)(void *ctx), void *ctx)
{
    struct call *call = dfs_alloc_zero(sizeof *call);

    call->function = function;
    call->ctx = ctx;
    pthread_mutex_lock(&real->calls_mutex);
    dfs_list_push(&real->calls, &call->link);
    pthread_mutex_unlock(&real->calls_mutex);
    (void)uv_async_send(&real->wake);
}

void dfs_real_stop(struct dfs_real *real)
{
    atomic_store(&real->stopping, true);
    (void)uv_async_send(&real->wake);
}

void dfs_real_command(struct dfs_real *real, uint64_t id, uint32_t code, const void *argument)
{
    struct dfs_event event = {.kind = DFS_EV_COMMAND, .command = {.id = id, .code = code, .argument = argument}};

    dfs_real_deliver(real, &event);
    dfs_real_settle(real);
}

struct posted {
    struct dfs_real *real;
    uint64_t id;
    uint32_t code;
    void *argument;
    void (*release)(void *argument);
};

static void run_posted(void *ctx)
{
    struct posted *posted = ctx;

    dfs_real_command(posted->real, posted->id, posted->code, posted->argument);
    if (posted->release != NULL)
        posted->release(posted->argument);
    dfs_free(posted);
}

void dfs_real_post(struct dfs_real *real, uint64_t id, uint32_t code, void *take_argument,
                   void (*release)(void *argument))
{
    struct posted *posted = dfs_alloc_zero(sizeof *posted);

    *posted = (struct posted){.real = real, .id = id, .code = code, .argument = take_argument, .release = release};
    dfs_real_call(real, run_posted, posted);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct dfs_real *real = handle->data;

    real->config.signal(real->config.ctx, number);
    dfs_real_settle(real);
}

/* Descriptors of the program ---------------------------------------------------------------------------------------- */

struct dfs_real_watch {
    struct dfs_real *real;
    uv_poll_t poll;
    void (*ready)(void *ctx);
    void *ctx;
};

static void on_watch(uv_poll_t *handle, int status, int events)
{
    struct dfs_real_watch *watch = handle->data;
    struct dfs_real *real = watch->real;

    (void)events;
    if (status < 0)
        (void)uv_poll_start(&watch->poll, UV_READABLE, on_watch); /* libuv has stopped it; reading shows the error */
    watch->ready(watch->ctx);                                     /* may unwatch */
    dfs_real_settle(real);
}

static void on_watch_closed(uv_handle_t *handle)
{
    dfs_free(handle->data);
}

struct dfs_real_watch *dfs_real_watch(struct dfs_real *real, int descriptor, void (*ready)(void *ctx), void *ctx)
{
    struct dfs_real_watch *watch = dfs_alloc_zero(sizeof *watch);

    watch->real = real;
    watch->ready = ready;
    watch->ctx = ctx;
    if (uv_poll_init(&real->loop, &watch->poll, descriptor) != 0) {
        dfs_free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    (void)uv_poll_start(&watch->poll, UV_READABLE, on_watch);
    return watch;
}

void dfs_real_unwatch(struct dfs_real_watch *watch)
{
    if (watch != NULL)
        uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

/* Faults ------------------------------------------------------------------------------------------------------------ */

void dfs_real_set_filter(struct dfs_real *real, dfs_fault_filter filter, void *ctx)
{
    real->fault.filter = filter;
    real->fault.ctx = ctx;
}

enum dfs_status dfs_real_cut(struct dfs_real *real, const struct dfs_fault_match *whom, bool in, bool out)
{
    if (!dfs_fault_cut(&real->fault, whom, in, out))
        return DFS_TOO_LARGE;
    dfs_net_recut(&real->net);
    (void)uv_async_send(&real->wake); /* the rest happens in the loop */
    return DFS_OK;
}

unsigned dfs_real_reset(struct dfs_real *real, const struct dfs_fault_match *whom)
{
    const unsigned count = dfs_net_reset(&real->net, whom);

    (void)uv_async_send(&real->wake);
    return count;
}

/* Facts ------------------------------------------------------------------------------------------------------------- */

void dfs_real_get_stats(const struct dfs_real *real, struct dfs_real_stats *ret_stats)
{
    *ret_stats = real->stats;
}

uint16_t dfs_real_port(const struct dfs_real *real)
{
    return real->net.port;
}

struct dfs_local *dfs_real_local(struct dfs_real *real)
{
    return &real->local;
}

uint64_t dfs_real_raise_descriptor_limit(void)
{
    struct rlimit limit = {0};

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur != limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

/* Life -------------------------------------------------------------------------------------------------------------- */

void dfs_real_config_init(struct dfs_real_config *config)
{
    *config = (struct dfs_real_config){
        .disk_threads = DFS_POOL_THREADS_DEFAULT,
        .connections_max = DFS_REAL_CONNECTIONS_DEFAULT,
        .handshake_ms = DFS_REAL_HANDSHAKE_MS,
    };
}

static const char *copy_text(const char *text)
{
    size_t count;
    char *copy;

    if (text == NULL || text[0] == '\0')
        return NULL;
    count = strlen(text) + 1;
    copy = dfs_alloc(count);
    memcpy(copy, text, count);
    return copy;
}

static void free_text(const char *text)
{
    union {
        const char *lent;
        char *owned;
    } both = {.lent = text};

    dfs_free(both.owned);
}

static struct dfs_real_pem copy_pem(const struct dfs_real_pem *pem)
{
    return (struct dfs_real_pem){.text = copy_text(pem->text), .path = copy_text(pem->path)};
}

static void free_pem(struct dfs_real_pem *pem)
{
    free_text(pem->text);
    free_text(pem->path);
    *pem = (struct dfs_real_pem){0};
}

static void copy_config(struct dfs_real_config *config, const struct dfs_real_config *from)
{
    *config = *from;
    config->certificate = copy_pem(&from->certificate);
    config->key = copy_pem(&from->key);
    config->ca = copy_pem(&from->ca);
    config->disk_directory = copy_text(from->disk_directory);
    config->congestion = copy_text(from->congestion);
}

static void free_config(struct dfs_real_config *config)
{
    free_pem(&config->certificate);
    free_pem(&config->key);
    free_pem(&config->ca);
    free_text(config->disk_directory);
    free_text(config->congestion);
}

static struct dfs_tls_config tls_config(const struct dfs_real_config *config)
{
    return (struct dfs_tls_config){
        .role = config->role,
        .cluster = config->cluster,
        .node = config->node,
        .serves = config->listens,
        .certificate = {.text = config->certificate.text, .path = config->certificate.path},
        .key = {.text = config->key.text, .path = config->key.path},
        .ca = {.text = config->ca.text, .path = config->ca.path},
    };
}

enum dfs_status dfs_real_reload(struct dfs_real *real, const struct dfs_real_pem *certificate,
                                const struct dfs_real_pem *key, const struct dfs_real_pem *ca,
                                char ret_words[DFS_WORDS_BYTES_MAX])
{
    struct dfs_real_config next = real->config;
    struct dfs_tls_config tls;
    enum dfs_status status;

    next.certificate = copy_pem(certificate != NULL ? certificate : &real->config.certificate);
    next.key = copy_pem(key != NULL ? key : &real->config.key);
    next.ca = copy_pem(ca != NULL ? ca : &real->config.ca);
    tls = tls_config(&next);
    status = dfs_tls_reload(&real->net.tls, &tls, ret_words);
    if (status == DFS_OK) {
        const struct dfs_real_config old = real->config;

        real->config = next;
        next = old;
    }
    free_pem(&next.certificate);
    free_pem(&next.key);
    free_pem(&next.ca);
    return status;
}

static enum dfs_status check_congestion(const char *name, char *ret_words)
{
    int fd;
    int rc;

    if (name == NULL)
        return DFS_OK;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rc = fd < 0 ? -1 : setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
    if (fd >= 0)
        (void)close(fd);
    if (rc == 0)
        return DFS_OK;
    (void)snprintf(ret_words, DFS_WORDS_BYTES_MAX, "congestion control %.64s: not available here", name);
    return DFS_BAD_CONFIG;
}

/* 0 or errno. All zero is every address: of both families, or of IPv4 where the system has no IPv6. */
static int bind_tcp(struct dfs_real *real, struct dfs_addr *addr)
{
    static const uint8_t none[16];
    int error = dfs_net_bind(&real->net, addr);

    if ((error == EAFNOSUPPORT || error == EADDRNOTAVAIL) && memcmp(addr->ip, none, sizeof none) == 0) {
        addr->ip[10] = addr->ip[11] = 0xff;
        error = dfs_net_bind(&real->net, addr);
    }
    addr->port = error == 0 ? real->net.port : addr->port;
    return error;
}

static enum dfs_status bind_sockets(struct dfs_real *real, char *ret_words)
{
    const struct dfs_addr *wanted = &real->config.listen;
    char text[DFS_ENDPOINT_TEXT_BYTES];
    int error = 0;

    if (!real->config.listens)
        return DFS_OK;
    for (int i = 0; i < DFS_UDP_PORT_TRIES; i++) {
        struct dfs_addr addr = *wanted;

        error = bind_tcp(real, &addr);
        if (error != 0)
            break;
        if (real->config.udp == DFS_REAL_UDP_SAME_PORT)
            error = dfs_udp_bind(&real->udp, &addr);
        if (error != EADDRINUSE || wanted->port != 0)
            break;
        dfs_net_unbind(&real->net); /* the system chose a number that is taken for UDP: once more */
    }
    if (error == 0)
        return DFS_OK;
    dfs_endpoint_print(wanted, text);
    (void)snprintf(ret_words, DFS_WORDS_BYTES_MAX, "%s: %s%s", text, strerror(error),
                   error == EADDRINUSE ? "; end the process that has it, or choose another port" : "");
    return error == EADDRINUSE ? DFS_UNAVAILABLE : DFS_BAD_CONFIG;
}

static void init_handles(struct dfs_real *real)
{
    (void)uv_timer_init(&real->loop, &real->timer);
    (void)uv_timer_init(&real->loop, &real->poll_wait);
    (void)uv_prepare_init(&real->loop, &real->turn);
    (void)uv_idle_init(&real->loop, &real->busy);
    (void)uv_async_init(&real->loop, &real->wake, on_wake);
    real->timer.data = real;
    real->turn.data = real;
    real->wake.data = real;
    for (int i = 0; i < DFS_REAL_SIGNALS; i++) {
        (void)uv_signal_init(&real->loop, &real->signals[i]);
        real->signals[i].data = real;
    }
}

static enum dfs_status open_parts(struct dfs_real *real, char *ret_words)
{
    const struct dfs_real_config *config = &real->config;
    const struct dfs_tls_config tls = tls_config(config);
    enum dfs_status status = check_congestion(config->congestion, ret_words);

    if (status == DFS_OK)
        status = dfs_tls_init(&real->net.tls, &tls, ret_words);
    if (status == DFS_OK && config->disk_directory != NULL)
        status = dfs_disk_posix_open(&real->disk, config->disk_directory, ret_words);
    if (status == DFS_OK)
        status = bind_sockets(real, ret_words);
    if (status != DFS_OK)
        return status;
    if (dfs_pool_init(&real->pool, &real->loop, config->disk_threads, after_reports, real) != 0) {
        (void)snprintf(ret_words, DFS_WORDS_BYTES_MAX, "the system gives no threads");
        return DFS_IO;
    }
    real->pool_open = true;
    return DFS_OK;
}

enum dfs_status dfs_real_new(const struct dfs_real_config *config, char ret_words[DFS_WORDS_BYTES_MAX],
                             struct dfs_real **ret_real)
{
    struct dfs_real *real = dfs_alloc_zero(sizeof *real);
    enum dfs_status status;

    DFS_ASSERT(config->disk_threads > 0 && config->disk_threads <= DFS_POOL_THREADS_MAX && config->handshake_ms > 0);
    copy_config(&real->config, config);
    real->deadline = DFS_NEVER;
    real->armed = DFS_NEVER;
    dfs_list_init(&real->calls);
    pthread_mutex_init(&real->calls_mutex, NULL);
    if (uv_loop_init(&real->loop) != 0) {
        pthread_mutex_destroy(&real->calls_mutex);
        free_config(&real->config);
        dfs_free(real);
        (void)snprintf(ret_words, DFS_WORDS_BYTES_MAX, "the system gives no event loop: %s", strerror(errno));
        return DFS_IO;
    }
    init_handles(real);
    dfs_net_init(&real->net, real);
    dfs_udp_init(&real->udp, real);
    dfs_disk_posix_init(&real->disk, &real->pool);
    real->disk.answer = on_disk_answer;
    real->disk.complain = on_disk_complaint;
    real->disk.ctx = real;
    dfs_local_init(&real->local, &real->pool);
    real->local.answer = on_local_answer;
    real->local.ctx = real;
    status = open_parts(real, ret_words);
    if (status != DFS_OK) {
        dfs_real_free(real);
        return status;
    }
    *ret_real = real;
    return DFS_OK;
}

void dfs_real_start(struct dfs_real *real, dfs_real_step step, void *machine)
{
    struct dfs_event event = {.kind = DFS_EV_START};

    DFS_ASSERT(!real->started);
    real->started = true;
    real->step = step;
    real->machine = machine;
    (void)uv_prepare_start(&real->turn, on_turn);
    for (int i = 0; i < DFS_REAL_SIGNALS && real->config.signal != NULL; i++)
        (void)uv_signal_start(&real->signals[i], on_signal, signal_numbers[i]);
    dfs_real_deliver(real, &event);
    dfs_net_listen(&real->net);
    dfs_udp_listen(&real->udp);
    dfs_real_settle(real);
    (void)uv_async_send(&real->wake); /* for calls that came before */
}

/* libuv runs timers before it waits: a wait that is over by then must not begin. */
static void on_poll_wait(uv_timer_t *handle)
{
    uv_stop(handle->loop);
}

bool dfs_real_poll(struct dfs_real *real, int wait_ms)
{
    if (atomic_load(&real->stopping))
        return false;
    if (wait_ms > 0) {
        uv_update_time(&real->loop);
        (void)uv_timer_start(&real->poll_wait, on_poll_wait, (uint64_t)wait_ms, 0);
    }
    real->polling = true;
    (void)uv_run(&real->loop, wait_ms == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    real->polling = false;
    (void)uv_timer_stop(&real->poll_wait);
    return !atomic_load(&real->stopping);
}

int dfs_real_descriptor(const struct dfs_real *real)
{
    return uv_backend_fd(&real->loop);
}

int dfs_real_timeout_ms(const struct dfs_real *real)
{
    return uv_backend_timeout(&real->loop);
}

void dfs_real_run(struct dfs_real *real, dfs_real_step step, void *machine)
{
    dfs_real_start(real, step, machine);
    while (!atomic_load(&real->stopping))
        (void)uv_run(&real->loop, UV_RUN_DEFAULT);
    dfs_real_end(real);
}

void dfs_real_end(struct dfs_real *real)
{
    DFS_ASSERT(!real->in_step);
    real->step = NULL;
    real->machine = NULL;
    real->deadline = DFS_NEVER;
    real->armed = DFS_NEVER;
    real->tick_due = false;
    (void)uv_timer_stop(&real->timer);
    (void)uv_prepare_stop(&real->turn);
    (void)uv_idle_stop(&real->busy);
    run_calls(real);
    dfs_net_abort(&real->net);
    dfs_udp_close(&real->udp);
    if (real->pool_open) {
        dfs_local_abort(&real->local);
        dfs_pool_drain(&real->pool);
    }
    while (real->net.handles > 0)
        (void)uv_run(&real->loop, UV_RUN_NOWAIT);
}

void dfs_real_free(struct dfs_real *real)
{
    int rc;

    if (real == NULL)
        return;
    dfs_real_end(real);
    if (real->pool_open)
        dfs_pool_close(&real->pool);
    dfs_local_close(&real->local);
    dfs_disk_posix_close(&real->disk);
    dfs_net_close_all(&real->net);
    dfs_fault_close(&real->fault);
    uv_close((uv_handle_t *)&real->timer, NULL);
    uv_close((uv_handle_t *)&real->poll_wait, NULL);
    uv_close((uv_handle_t *)&real->turn, NULL);
    uv_close((uv_handle_t *)&real->busy, NULL);
    uv_close((uv_handle_t *)&real->wake, NULL);
    for (int i = 0; i < DFS_REAL_SIGNALS; i++)
        uv_close((uv_handle_t *)&real->signals[i], NULL);
    (void)uv_run(&real->loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&real->loop);
    DFS_ASSERT(rc == 0);
    pthread_mutex_destroy(&real->calls_mutex);
    free_config(&real->config);
    dfs_free(real);
}

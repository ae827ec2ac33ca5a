#include "apps/common/ask.h"

#include "core/base/mem.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

struct dfs_ask {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    unsigned holders; /* the thread that asks, and the loop */
    bool done;
    dfs_ask_start start;
    void *ctx;
    char *line;
    struct dfs_conf_text reply;
};

static void leave(struct dfs_ask *ask) /* with the mutex held; releases it */
{
    const bool last = --ask->holders == 0;

    pthread_mutex_unlock(&ask->mutex);
    if (!last)
        return;
    pthread_mutex_destroy(&ask->mutex);
    pthread_cond_destroy(&ask->answered);
    dfs_conf_text_close(&ask->reply);
    dfs_free(ask->line);
    dfs_free(ask);
}

static void on_loop(void *ctx)
{
    struct dfs_ask *ask = ctx;

    ask->start(ask->ctx, ask, ask->line);
}

void dfs_ask_done(struct dfs_ask *ask, struct dfs_conf_text *take_reply)
{
    pthread_mutex_lock(&ask->mutex);
    ask->reply = *take_reply;
    *take_reply = (struct dfs_conf_text){0};
    ask->done = true;
    pthread_cond_signal(&ask->answered);
    leave(ask);
}

static struct timespec after(unsigned ms)
{
    struct timespec at = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

bool dfs_ask_run(struct dfs_real *real, dfs_ask_start start, void *ctx, const char *line, unsigned timeout_ms,
                 struct dfs_conf_text *ret_reply)
{
    struct dfs_ask *ask = dfs_alloc_zero(sizeof *ask);
    const struct timespec until = after(timeout_ms);
    const size_t bytes = strlen(line) + 1;
    pthread_condattr_t monotonic;
    bool done;

    pthread_mutex_init(&ask->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ask->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    ask->holders = 2;
    ask->start = start;
    ask->ctx = ctx;
    ask->line = memcpy(dfs_alloc(bytes), line, bytes);
    dfs_real_call(real, on_loop, ask);
    pthread_mutex_lock(&ask->mutex);
    while (!ask->done && pthread_cond_timedwait(&ask->answered, &ask->mutex, &until) == 0) {
        /* woken: look again */
    }
    done = ask->done;
    if (done) {
        *ret_reply = ask->reply;
        ask->reply = (struct dfs_conf_text){0};
    }
    leave(ask);
    return done;
}

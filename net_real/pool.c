#include "net_real/pool.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <signal.h>

void dfs_pool_strand_init(struct dfs_pool_strand *strand)
{
    *strand = (struct dfs_pool_strand){0};
    dfs_list_init(&strand->waiting);
}

/* Order ------------------------------------------------------------------------------------------------------------ */

static bool place_is_first(const struct dfs_pool_place *place)
{
    return place->strand->waiting.next == &place->link;
}

static bool place_may_run(const struct dfs_pool_place *place)
{
    const struct dfs_pool_strand *strand = place->strand;

    if (strand == NULL)
        return true;
    if (strand->exclusive_running || !place_is_first(place))
        return false;
    return place->job->shared || strand->shared_running == 0;
}

static void place_occupy(struct dfs_pool_place *place)
{
    if (place->strand == NULL)
        return;
    dfs_list_remove(&place->link);
    if (place->job->shared)
        place->strand->shared_running++;
    else
        place->strand->exclusive_running = true;
}

static void place_vacate(struct dfs_pool_place *place)
{
    if (place->strand == NULL)
        return;
    if (place->job->shared)
        place->strand->shared_running--;
    else
        place->strand->exclusive_running = false;
}

/* Called with the mutex held, as all of the static functions below. */
static bool job_start(struct dfs_pool *pool, struct dfs_pool_job *job)
{
    if (!place_may_run(&job->places[0]) || !place_may_run(&job->places[1]))
        return false;
    place_occupy(&job->places[0]);
    place_occupy(&job->places[1]);
    dfs_list_push(job->slow ? &pool->runnable_slow : &pool->runnable, &job->link);
    pthread_cond_signal(&pool->work);
    return true;
}

static void strand_advance(struct dfs_pool *pool, struct dfs_pool_strand *strand)
{
    struct dfs_list *first;

    if (strand == NULL)
        return;
    while ((first = dfs_list_first(&strand->waiting)) != NULL)
        if (!job_start(pool, dfs_container_of(first, struct dfs_pool_place, link)->job))
            return;
}

/* Threads ---------------------------------------------------------------------------------------------------------- */

/* With one thread it does everything; with more, one stays free for what is quick. */
static bool slow_may_run(const struct dfs_pool *pool)
{
    return pool->thread_count == 1 || pool->slow_running + 1 < pool->thread_count;
}

static struct dfs_pool_job *take_job(struct dfs_pool *pool)
{
    const bool slow = slow_may_run(pool);
    struct dfs_list *link = NULL;

    if (slow && pool->slow_next)
        link = dfs_list_pop(&pool->runnable_slow);
    pool->slow_next = !pool->slow_next; /* by turns, so that neither kind waits for an end of the other */
    if (link == NULL)
        link = dfs_list_pop(&pool->runnable);
    if (link == NULL && slow)
        link = dfs_list_pop(&pool->runnable_slow);
    return link == NULL ? NULL : dfs_container_of(link, struct dfs_pool_job, link);
}

static void finish_job(struct dfs_pool *pool, struct dfs_pool_job *job)
{
    const bool first = dfs_list_empty(&pool->finished);

    for (int i = 0; i < 2; i++)
        place_vacate(&job->places[i]);
    for (int i = 0; i < 2; i++)
        strand_advance(pool, job->places[i].strand);
    dfs_list_push(&pool->finished, &job->link);
    if (first)
        (void)uv_async_send(&pool->wake);
}

static void *thread_main(void *argument)
{
    struct dfs_pool *pool = argument;

    (void)pthread_setname_np(pthread_self(), "dfs-files");
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        struct dfs_pool_job *job = take_job(pool);

        if (job == NULL) {
            if (pool->ending)
                break;
            pthread_cond_wait(&pool->work, &pool->mutex);
            continue;
        }
        pool->slow_running += job->slow;
        pthread_mutex_unlock(&pool->mutex);
        job->run(job);
        pthread_mutex_lock(&pool->mutex);
        pool->slow_running -= job->slow;
        if (job->slow && !dfs_list_empty(&pool->runnable_slow))
            pthread_cond_signal(&pool->work);
        finish_job(pool, job);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* Loop's thread ---------------------------------------------------------------------------------------------------- */

static bool report(struct dfs_pool *pool)
{
    struct dfs_list batch;
    struct dfs_list *link;
    bool any = false;

    dfs_list_init(&batch);
    pthread_mutex_lock(&pool->mutex);
    while ((link = dfs_list_pop(&pool->finished)) != NULL)
        dfs_list_push(&batch, link);
    pthread_mutex_unlock(&pool->mutex);
    while ((link = dfs_list_pop(&batch)) != NULL) {
        struct dfs_pool_job *job = dfs_container_of(link, struct dfs_pool_job, link);

        pool->pending--;
        any = true;
        job->done(job);
    }
    return any;
}

static void on_wake(uv_async_t *handle)
{
    struct dfs_pool *pool = handle->data;

    if (report(pool))
        pool->after(pool->ctx);
}

static int start_threads(struct dfs_pool *pool, unsigned threads)
{
    sigset_t all;
    sigset_t before;
    int rc = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited: signals are for the program's own threads */
    while (rc == 0 && pool->thread_count < threads) {
        rc = pthread_create(&pool->threads[pool->thread_count], NULL, thread_main, pool);
        pthread_mutex_lock(&pool->mutex);
        pool->thread_count += rc == 0;
        pthread_mutex_unlock(&pool->mutex);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int dfs_pool_init(struct dfs_pool *pool, uv_loop_t *loop, unsigned threads, void (*after)(void *ctx), void *ctx)
{
    int rc;

    DFS_ASSERT(threads > 0);
    *pool = (struct dfs_pool){.after = after, .ctx = ctx};
    dfs_list_init(&pool->runnable);
    dfs_list_init(&pool->runnable_slow);
    dfs_list_init(&pool->finished);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    rc = uv_async_init(loop, &pool->wake, on_wake);
    DFS_ASSERT(rc == 0);
    pool->wake.data = pool;
    pool->threads = dfs_alloc_zero_array(threads, sizeof pool->threads[0]);
    rc = start_threads(pool, threads);
    if (rc != 0)
        dfs_pool_close(pool);
    return rc;
}

static void place_queue(struct dfs_pool_place *place, struct dfs_pool_job *job, struct dfs_pool_strand *strand)
{
    place->job = job;
    place->strand = strand;
    dfs_list_init(&place->link);
    if (strand != NULL)
        dfs_list_push(&strand->waiting, &place->link);
}

void dfs_pool_submit(struct dfs_pool *pool, struct dfs_pool_job *job, struct dfs_pool_strand *strand,
                     struct dfs_pool_strand *second)
{
    DFS_ASSERT(second == NULL || (!job->shared && second != strand));
    pool->pending++;
    pthread_mutex_lock(&pool->mutex);
    DFS_ASSERT(!pool->ending);
    place_queue(&job->places[0], job, strand);
    place_queue(&job->places[1], job, second);
    (void)job_start(pool, job); /* otherwise when what stands before it has ended */
    pthread_mutex_unlock(&pool->mutex);
}

void dfs_pool_drain(struct dfs_pool *pool)
{
    /* The async handle cannot be waited for here without running the loop, and with it everything else. A short sleep between looks is good
     * enough for an end that comes once. */
    while (pool->pending > 0)
        if (!report(pool))
            uv_sleep(1);
}

void dfs_pool_close(struct dfs_pool *pool)
{
    dfs_pool_drain(pool);
    pthread_mutex_lock(&pool->mutex);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    dfs_free(pool->threads);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    uv_close((uv_handle_t *)&pool->wake, NULL);
}

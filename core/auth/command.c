/* Accounts and keys: read at the start, changed by commands, always on the disk before they count. */
#include "core/auth/auth_internal.h"
#include "core/base/assert.h"
#include "core/base/mac.h"
#include "core/base/mem.h"
#include "core/env/trace.h"

#include <string.h>

static void answer(struct dfs_auth *auth, uint64_t id, enum dfs_status status, const char *words)
{
    const struct dfs_auth_answer result = {.status = status, .words = words != NULL ? words : dfs_status_words(status)};

    if (id != 0 && auth->env.local != NULL)
        auth->env.local->answer(auth->env.ctx, id, &result);
}

/* Jobs: one at a time, in the order in which they came -------------------------------------------------------------------- */

static char *copy_text(const char *text)
{
    if (text == NULL)
        return NULL;
    const size_t bytes = strlen(text) + 1;

    return memcpy(dfs_alloc(bytes), text, bytes);
}

static void job_free(struct dfs_auth *auth, struct auth_job *job)
{
    dfs_list_remove(&job->link);
    auth->jobs_count--;
    dfs_free(job->user);
    if (job->password != NULL)
        dfs_wipe(job->password, strlen(job->password));
    dfs_free(job->password);
    dfs_free(job->scope);
    dfs_free(job);
}

void dfs_auth_jobs_close(struct dfs_auth *auth)
{
    struct dfs_list *at;

    while ((at = dfs_list_first(&auth->jobs)) != NULL)
        job_free(auth, dfs_container_of(at, struct auth_job, link));
    dfs_accounts_close(&auth->accounts_next);
    dfs_signing_keys_close(&auth->keys_next);
}

static void job_add(struct dfs_auth *auth, uint64_t id, enum dfs_auth_command code, const struct dfs_auth_user *user)
{
    struct auth_job *job = dfs_alloc_zero(sizeof *job);

    job->id = id;
    job->code = code;
    if (user != NULL) {
        job->user = copy_text(user->user);
        job->password = copy_text(user->password);
        job->scope = copy_text(user->scope);
    }
    dfs_list_push(&auth->jobs, &job->link);
    auth->jobs_count++;
}

static struct auth_job *job_current(struct dfs_auth *auth)
{
    struct dfs_list *first = dfs_list_first(&auth->jobs);

    return first == NULL ? NULL : dfs_container_of(first, struct auth_job, link);
}

static bool stores_idle(const struct dfs_auth *auth)
{
    return auth->accounts_store.phase == DFS_AUTH_STORE_IDLE && auth->keys_store.phase == DFS_AUTH_STORE_IDLE;
}

/* The beginning of each job; true: it waits for the disk; false: it is answered already. */

static bool start_user_set(struct dfs_auth *auth, const struct auth_job *job)
{
    uint8_t salt[DFS_SALT_BYTES] = {0};
    struct dfs_lines lines = {0};
    const char *words = NULL;

    auth->env.rng->random(auth->env.ctx, DFS_RNG_KEY, salt, sizeof salt);
    dfs_accounts_copy(&auth->accounts, &auth->accounts_next);
    const enum dfs_status status = dfs_accounts_set(&auth->accounts_next, job->user, job->password, job->scope,
                                                    auth->config.scrypt_n, salt, dfs_auth_now_s(auth), &words);

    if (status != DFS_OK) {
        dfs_accounts_close(&auth->accounts_next);
        answer(auth, job->id, status, words);
        return false;
    }
    dfs_accounts_write(&auth->accounts_next, &lines);
    dfs_auth_store_save(&auth->accounts_store, &lines);
    return true;
}

static bool start_user_remove(struct dfs_auth *auth, const struct auth_job *job)
{
    struct dfs_lines lines = {0};

    dfs_accounts_copy(&auth->accounts, &auth->accounts_next);
    const enum dfs_status status = dfs_accounts_remove(&auth->accounts_next, job->user);

    if (status != DFS_OK) {
        dfs_accounts_close(&auth->accounts_next);
        answer(auth, job->id, status, "no such user");
        return false;
    }
    dfs_accounts_write(&auth->accounts_next, &lines);
    dfs_auth_store_save(&auth->accounts_store, &lines);
    return true;
}

static bool start_rotate(struct dfs_auth *auth, uint64_t id)
{
    uint8_t random[DFS_KEY_KID_RANDOM_BYTES] = {0};
    struct dfs_lines lines = {0};

    auth->env.rng->random(auth->env.ctx, DFS_RNG_KEY, random, sizeof random);
    dfs_signing_keys_copy(&auth->keys, &auth->keys_next);
    const enum dfs_status status = dfs_signing_keys_rotate(&auth->keys_next, random, dfs_auth_now_s(auth),
                                                           auth->config.token_lifetime_ns / DFS_SECONDS);

    if (status != DFS_OK) {
        dfs_signing_keys_close(&auth->keys_next);
        answer(auth, id, status, "eight keys overlap already; wait until the tokens of the oldest have run out");
        return false;
    }
    dfs_signing_keys_write(&auth->keys_next, &lines);
    dfs_auth_store_save(&auth->keys_store, &lines);
    return true;
}

static bool job_start(struct dfs_auth *auth, const struct auth_job *job)
{
    switch (job->code) {
    case DFS_AUTH_RELOAD:
        dfs_auth_load(auth);
        return true;
    case DFS_AUTH_USER_SET:
        return start_user_set(auth, job);
    case DFS_AUTH_USER_REMOVE:
        return start_user_remove(auth, job);
    case DFS_AUTH_KEY_ROTATE:
        return start_rotate(auth, job->id);
    case DFS_AUTH_USER_LIST: /* needs no disk */
    case DFS_AUTH_STOP:
        break;
    }
    dfs_unreachable("job_start");
}

/* Starts the next job, as long as they need no disk; afterwards a stop that waited for them. */
static void jobs_go_on(struct dfs_auth *auth)
{
    struct auth_job *job;

    while (stores_idle(auth) && (job = job_current(auth)) != NULL) {
        /* Before the first load is over nothing may be written; one that failed can only be loaded again. */
        if (!(auth->accounts_loaded && auth->keys_loaded) && job->code != DFS_AUTH_RELOAD) {
            if (auth->failure == NULL)
                return;
            answer(auth, job->id, DFS_IO, auth->failure);
        } else if (job_start(auth, job)) {
            job->started = true;
            return;
        }
        job_free(auth, job);
    }
    if (auth->stopping && auth->stop_command != 0 && stores_idle(auth)) {
        const uint64_t id = auth->stop_command;

        auth->stop_command = 0;
        answer(auth, id, DFS_OK, NULL);
    }
}

static void job_end(struct dfs_auth *auth, enum dfs_status status, const char *words)
{
    struct auth_job *job = job_current(auth);

    if (job != NULL) {
        answer(auth, job->id, status, words);
        job_free(auth, job);
    }
}

/* Load ---------------------------------------------------------------------------------------------------------------------- */

void dfs_auth_load(struct dfs_auth *auth)
{
    auth->failure = NULL;
    dfs_auth_store_load(&auth->accounts_store);
    dfs_auth_store_load(&auth->keys_store);
}

static void cannot_read(struct dfs_auth *auth, const char *words)
{
    auth->failure = words;
    dfs_trace_note(&auth->env, DFS_IO, words);
}

static void accounts_read(struct dfs_auth *auth, enum dfs_auth_store_outcome outcome)
{
    static const char damaged[] =
        "no version of accounts-N on auth's disk is whole: restore one from a backup, then reload";
    struct dfs_accounts accounts = {0};

    if (outcome == DFS_AUTH_STORE_LOADED) {
        struct dfs_lines *lines = &auth->accounts_store.lines;
        const enum dfs_status status = dfs_accounts_read(lines->text, lines->count, &accounts);

        dfs_lines_close(lines);
        if (status != DFS_OK)
            outcome = DFS_AUTH_STORE_FAILED;
    }
    if (outcome == DFS_AUTH_STORE_FAILED) {
        cannot_read(auth, damaged);
        return;
    }
    dfs_accounts_close(&auth->accounts);
    auth->accounts = accounts;
    auth->accounts_loaded = true;
}

/* No key yet: the first start makes one, which is on the disk before anything is signed with it. */
static void make_first_key(struct dfs_auth *auth)
{
    job_add(auth, 0, DFS_AUTH_KEY_ROTATE, NULL);
    struct dfs_list *last = auth->jobs.prev;

    dfs_list_remove(last);
    dfs_list_push_front(&auth->jobs, last);
    if (!start_rotate(auth, 0))
        dfs_unreachable("make_first_key");
}

static void keys_read(struct dfs_auth *auth, enum dfs_auth_store_outcome outcome)
{
    static const char damaged[] =
        "no version of keys-N on auth's disk is whole: restore one from a backup, then reload";
    struct dfs_signing_keys keys = {.count = 0};

    if (outcome == DFS_AUTH_STORE_NONE) {
        if (!auth->keys_loaded)
            return; /* made when accounts are read, too */
        outcome = DFS_AUTH_STORE_FAILED;
    } else if (outcome == DFS_AUTH_STORE_LOADED) {
        struct dfs_lines *lines = &auth->keys_store.lines;
        const enum dfs_status status = dfs_signing_keys_read(lines->text, lines->count, &keys);

        dfs_lines_close(lines);
        if (status != DFS_OK || keys.count == 0)
            outcome = DFS_AUTH_STORE_FAILED;
    }
    if (outcome == DFS_AUTH_STORE_FAILED) {
        dfs_signing_keys_close(&keys);
        cannot_read(auth, damaged);
        return;
    }
    dfs_signing_keys_close(&auth->keys);
    auth->keys = keys;
    auth->keys_loaded = true;
    dfs_auth_keys_changed(auth);
}

/* Both stores have been read, whatever came of it. */
static void load_ended(struct dfs_auth *auth)
{
    if (auth->failure == NULL && !auth->keys_loaded) {
        make_first_key(auth);
        return;
    }
    struct auth_job *job = job_current(auth);

    if (job != NULL && job->started && job->code == DFS_AUTH_RELOAD)
        job_end(auth, auth->failure == NULL ? DFS_OK : DFS_IO, auth->failure);
}

/* Save ---------------------------------------------------------------------------------------------------------------------- */

static void saved(struct dfs_auth *auth, bool keys)
{
    auth->counters.saves++;
    if (keys) {
        dfs_signing_keys_close(&auth->keys);
        auth->keys = auth->keys_next;
        auth->keys_next = (struct dfs_signing_keys){.count = 0};
        auth->keys_loaded = true;
        dfs_auth_keys_changed(auth);
    } else {
        dfs_accounts_close(&auth->accounts);
        auth->accounts = auth->accounts_next;
        auth->accounts_next = (struct dfs_accounts){0};
    }
    job_end(auth, DFS_OK, NULL);
}

static void save_failed(struct dfs_auth *auth, enum dfs_status status)
{
    static const char raced[] = "another process changed this at the same time; it was read again, repeat the command";

    auth->counters.saves_failed++;
    dfs_accounts_close(&auth->accounts_next);
    dfs_signing_keys_close(&auth->keys_next);
    dfs_trace_note(&auth->env, status, "accounts or keys could not be written");
    if (!auth->keys_loaded)
        cannot_read(auth,
                    "the first signing key could not be written to auth's disk: make room or repair it, then reload");
    if (status == DFS_EXISTS) {
        job_end(auth, status, raced);
        job_add(auth, 0, DFS_AUTH_RELOAD, NULL);
    } else {
        job_end(auth, status, NULL);
    }
}

void dfs_auth_on_disk(struct dfs_auth *auth, const struct dfs_disk_done *done)
{
    const bool keys = (done->token & DFS_AUTH_DISK_KEYS) != 0;
    struct dfs_auth_store *store = keys ? &auth->keys_store : &auth->accounts_store;
    const bool loading = store->phase == DFS_AUTH_STORE_LISTING || store->phase == DFS_AUTH_STORE_READING;

    if (done->token == DFS_AUTH_DISK_ACCOUNTS || done->token == DFS_AUTH_DISK_KEYS)
        return; /* a removal: nobody waits for it */
    const enum dfs_auth_store_outcome outcome = dfs_auth_store_step(store, done);

    if (outcome == DFS_AUTH_STORE_BUSY)
        return;
    if (loading) {
        if (keys)
            keys_read(auth, outcome);
        else
            accounts_read(auth, outcome);
        if (stores_idle(auth))
            load_ended(auth);
    } else if (outcome == DFS_AUTH_STORE_SAVED) {
        saved(auth, keys);
    } else {
        save_failed(auth, store->status);
    }
    jobs_go_on(auth);
}

/* Commands ------------------------------------------------------------------------------------------------------------------ */

static void list_users(struct dfs_auth *auth, uint64_t id)
{
    struct dfs_auth_user *users = dfs_alloc_zero_array(auth->accounts.count, sizeof *users);
    struct dfs_auth_answer result = {.status = DFS_OK, .words = dfs_status_words(DFS_OK), .users = users};

    for (size_t i = 0; i < auth->accounts.count; i++) {
        users[i].user = auth->accounts.all[i].user;
        users[i].scope = auth->accounts.all[i].scope;
    }
    result.users_count = auth->accounts.count;
    if (id != 0 && auth->env.local != NULL)
        auth->env.local->answer(auth->env.ctx, id, &result);
    dfs_free(users);
}

void dfs_auth_on_command(struct dfs_auth *auth, uint64_t id, uint32_t code, const void *argument)
{
    const struct dfs_auth_user *user = argument;

    if (auth->stopping) {
        answer(auth, id, DFS_ABORTED, "auth is stopping");
        return;
    }
    switch ((enum dfs_auth_command)code) {
    case DFS_AUTH_USER_LIST:
        if (!dfs_auth_is_ready(auth))
            answer(auth, id, DFS_UNAVAILABLE, auth->failure);
        else
            list_users(auth, id);
        return;
    case DFS_AUTH_STOP:
        auth->stopping = true;
        auth->stop_command = id;
        break;
    case DFS_AUTH_USER_SET:
    case DFS_AUTH_USER_REMOVE:
    case DFS_AUTH_RELOAD:
    case DFS_AUTH_KEY_ROTATE:
        if (auth->jobs_count >= DFS_AUTH_COMMANDS_MAX) {
            answer(auth, id, DFS_UNAVAILABLE, "too many changes wait for the disk; try again");
            return;
        }
        if (code == DFS_AUTH_RELOAD || code == DFS_AUTH_KEY_ROTATE)
            user = NULL; /* no argument */
        job_add(auth, id, (enum dfs_auth_command)code, user);
        break;
    default:
        answer(auth, id, DFS_BAD_USAGE, "auth knows no such command");
        return;
    }
    jobs_go_on(auth);
}

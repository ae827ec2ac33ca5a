#include "apps/common/auth_control.h"

#include "core/base/mac.h"
#include "core/base/mem.h"
#include "core/conf/words.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* An account that is added without one may do everything with files, and nothing with the cluster. */
#define SCOPE_DEFAULT "rw:/"

enum verb { ADD, PASSWD, REMOVE, LIST, ROTATE };
static const char *const verb_names[] = {"add", "passwd", "remove", "list", "rotate"};
#define VERBS (sizeof verb_names / sizeof verb_names[0])

struct request {
    uint64_t command; /* 0: free */
    enum verb verb;
    bool looked; /* ADD, PASSWD: the accounts were listed, the change is under way */
    char *user;
    char *password;
    char *scope;
    dfs_control_done done;
    void *ctx;
};

struct dfs_control {
    struct dfs_real *real;
    uint64_t next;
    struct request requests[DFS_CONTROL_REQUESTS_MAX];
};

static char *copy(const char *text)
{
    const size_t bytes = text == NULL ? 0 : strlen(text) + 1;

    return text == NULL ? NULL : memcpy(dfs_alloc(bytes), text, bytes);
}

static void wipe_free(char *text)
{
    if (text != NULL)
        dfs_wipe(text, strlen(text));
    dfs_free(text);
}

static void clear(struct request *request)
{
    dfs_free(request->user);
    wipe_free(request->password);
    dfs_free(request->scope);
    *request = (struct request){.command = 0};
}

static void say(struct dfs_conf_text *reply, json_t *take_answer)
{
    char *text = json_dumps(take_answer, JSON_COMPACT);

    dfs_conf_text_add(reply, "%s",
                      text != NULL ? text : "{\"ok\":false,\"status\":\"INTERNAL\",\"error\":\"no UTF-8\"}");
    free(text);
    json_decref(take_answer);
}

static void end(struct request *request, enum dfs_status status, const char *words, const struct dfs_auth_answer *users)
{
    struct dfs_conf_text reply = {0};
    json_t *answer;

    if (status == DFS_OK)
        answer = json_pack("{s:b}", "ok", 1);
    else
        answer = json_pack("{s:b, s:s, s:s}", "ok", 0, "status", dfs_status_name(status), "error",
                           words != NULL ? words : dfs_status_words(status));
    if (status == DFS_OK && users != NULL) {
        json_t *list = json_array();

        for (size_t i = 0; i < users->users_count; i++)
            (void)json_array_append_new(list, json_pack("{s:s, s:s}", "user", users->users[i].user, "scope",
                                                        users->users[i].scope != NULL ? users->users[i].scope : ""));
        (void)json_object_set_new(answer, "users", list);
    }
    say(&reply, answer);
    request->done(request->ctx, &reply);
    dfs_conf_text_close(&reply);
    clear(request);
}

/* Commands ------------------------------------------------------------------------------------------------------------ */

static void release_user(void *argument)
{
    struct dfs_auth_user *user = argument;
    union {
        const char *lent;
        char *owned;
    } text = {.lent = user->user};

    dfs_free(text.owned);
    text.lent = user->password;
    wipe_free(text.owned);
    text.lent = user->scope;
    dfs_free(text.owned);
    dfs_free(user);
}

/* From any place, also inside a step. */
static void post(struct dfs_control *control, struct request *request, enum dfs_auth_command code)
{
    struct dfs_auth_user *user = dfs_alloc_zero(sizeof *user);

    user->user = copy(request->user);
    user->password = copy(request->password);
    user->scope = copy(request->scope);
    dfs_real_post(control->real, request->command, (uint32_t)code, user, release_user);
}

static enum dfs_auth_command first_command(enum verb verb)
{
    switch (verb) {
    case ADD:
    case PASSWD:
    case LIST:
        return DFS_AUTH_USER_LIST;
    case REMOVE:
        return DFS_AUTH_USER_REMOVE;
    case ROTATE:
        break;
    }
    return DFS_AUTH_KEY_ROTATE;
}

static bool is_listed(const struct dfs_auth_answer *answer, const char *user)
{
    for (size_t i = 0; i < answer->users_count; i++)
        if (strcmp(answer->users[i].user, user) == 0)
            return true;
    return false;
}

void dfs_control_answer(struct dfs_control *control, uint64_t command, const struct dfs_auth_answer *answer)
{
    struct request *request = NULL;

    for (size_t i = 0; i < DFS_CONTROL_REQUESTS_MAX; i++)
        if (control->requests[i].command == command)
            request = &control->requests[i];
    if (request == NULL)
        return;
    if (answer->status != DFS_OK) {
        end(request, answer->status, answer->words, NULL);
    } else if ((request->verb == ADD || request->verb == PASSWD) && !request->looked) {
        const bool there = is_listed(answer, request->user);

        if (request->verb == ADD && there)
            end(request, DFS_EXISTS, "there is a user of this name; change it with: user passwd", NULL);
        else if (request->verb == PASSWD && !there)
            end(request, DFS_NOT_FOUND, "no such user; make one with: user add", NULL);
        else {
            request->looked = true;
            post(control, request, DFS_AUTH_USER_SET);
        }
    } else {
        end(request, DFS_OK, NULL, request->verb == LIST ? answer : NULL);
    }
}

static bool read_request(json_t *line, struct request *request, const char **ret_words)
{
    const char *name = json_object_iter_key(json_object_iter(line));
    json_t *value = json_object_iter_value(json_object_iter(line));

    *ret_words = "one command a line: add, passwd, remove, list or rotate";
    if (name == NULL || json_object_size(line) != 1 || !json_is_object(value))
        return false;
    for (request->verb = ADD; (size_t)request->verb < VERBS && strcmp(name, verb_names[request->verb]) != 0;)
        request->verb++;
    if ((size_t)request->verb == VERBS)
        return false;
    request->user = copy(json_string_value(json_object_get(value, "user")));
    request->password = copy(json_string_value(json_object_get(value, "password")));
    request->scope = copy(json_string_value(json_object_get(value, "scope")));
    *ret_words = "the user's name is missing";
    if (request->verb != LIST && request->verb != ROTATE && request->user == NULL)
        return false;
    *ret_words = "the password is missing";
    if ((request->verb == ADD || request->verb == PASSWD) && request->password == NULL)
        return false;
    if (request->verb == ADD && request->scope == NULL)
        request->scope = copy(SCOPE_DEFAULT);
    return true;
}

void dfs_control_do(struct dfs_control *control, const char *line, dfs_control_done done, void *ctx)
{
    struct request refused = {.done = done, .ctx = ctx};
    struct request *request = NULL;
    const char *words = NULL;
    json_t *json;

    for (size_t i = 0; i < DFS_CONTROL_REQUESTS_MAX && request == NULL; i++)
        if (control->requests[i].command == 0)
            request = &control->requests[i];
    if (request == NULL) {
        end(&refused, DFS_UNAVAILABLE, "too many requests are under way", NULL);
        return;
    }
    *request = (struct request){.done = done, .ctx = ctx};
    json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    if (read_request(json, request, &words)) {
        request->command = control->next++;
        post(control, request, first_command(request->verb));
    } else {
        end(request, DFS_BAD_REQUEST, words, NULL);
    }
    json_decref(json);
}

struct dfs_control *dfs_control_new(struct dfs_real *real, uint64_t first)
{
    struct dfs_control *control = dfs_alloc_zero(sizeof *control);

    control->real = real;
    control->next = first;
    return control;
}

void dfs_control_free(struct dfs_control *control)
{
    if (control == NULL)
        return;
    for (size_t i = 0; i < DFS_CONTROL_REQUESTS_MAX; i++)
        if (control->requests[i].command != 0)
            end(&control->requests[i], DFS_ABORTED, "the server stopped before it was done", NULL);
    dfs_free(control);
}

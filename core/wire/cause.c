#include "core/wire/cause.h"

#include "core/base/assert.h"
#include "core/base/status.h"
#include "core/wire/message.h"

#include <string.h>

static const char *const message_causes[DFS_MSG_NUMBER_MAX + 1] = {
#define X(number, NAME, name) [number] = #name,
    DFS_MESSAGE_MAP(X)
#undef X
};

struct cause {
    const char *name;
    enum dfs_cause_kind kind;
    const char *words;
};

static const struct cause causes[] = {
#define X(KIND, name, words) {#name, DFS_CAUSE_##KIND, words},
    DFS_CAUSE_MAP(X)
#undef X
};

const char *dfs_cause_kind_name(enum dfs_cause_kind kind)
{
    static const char *const names[DFS_CAUSE_KIND_COUNT] = {
#define X(NAME, name) [DFS_CAUSE_##NAME] = (name),
        DFS_CAUSE_KIND_MAP(X)
#undef X
    };

    return (unsigned)kind < DFS_CAUSE_KIND_COUNT ? names[kind] : "?";
}

const char *dfs_cause_of_message(uint32_t number)
{
    DFS_ASSERT(number <= DFS_MSG_NUMBER_MAX && message_causes[number] != NULL);
    return message_causes[number];
}

const char *dfs_cause_next(const char *names, char ret_name[DFS_CAUSE_BYTES])
{
    const size_t count = strcspn(names, " ");

    DFS_ASSERT(count > 0 && count < DFS_CAUSE_BYTES);
    memcpy(ret_name, names, count);
    ret_name[count] = '\0';
    return names[count] == ' ' ? names + count + 1 : NULL;
}

static bool is_message(const char *name)
{
    for (uint32_t i = 0; i <= DFS_MSG_NUMBER_MAX; i++) {
        if (message_causes[i] != NULL && strcmp(message_causes[i], name) == 0)
            return true;
    }
    return false;
}

static bool is_status(const char *name)
{
    for (unsigned i = 0; i < DFS_STATUS_COUNT; i++) {
        if (strcmp(dfs_status_name((enum dfs_status)i), name) == 0)
            return true;
    }
    return false;
}

bool dfs_cause_find(const char *name, enum dfs_cause_kind *ret_kind, const char **ret_words)
{
    const char *words = NULL;

    if (is_message(name)) {
        *ret_kind = DFS_CAUSE_MESSAGE;
    } else if (is_status(name)) {
        *ret_kind = DFS_CAUSE_STATUS;
    } else {
        size_t i = 0;

        while (i < sizeof causes / sizeof causes[0] && strcmp(causes[i].name, name) != 0)
            i++;
        if (i == sizeof causes / sizeof causes[0])
            return false;
        *ret_kind = causes[i].kind;
        words = causes[i].words;
    }
    if (ret_words != NULL)
        *ret_words = words;
    return true;
}

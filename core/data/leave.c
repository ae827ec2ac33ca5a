/*
 * leave.c - the clean stop: metadata hears LEAVE (and gives a maintenance time instead of an eviction),
 * writes under way are finished.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"

static void leave_done(struct dfs_data *data)
{
    const struct dfs_data_answer answer = {.status = DFS_OK, .words = "left"};
    const uint64_t command = data->leave_command;

    data->leaving = false;
    data_control_enter(data, DATA_NODE_LEFT, "command");
    data_retire(data);
    if (data->env.local != NULL)
        data->env.local->answer(data->env.ctx, command, &answer);
}

static void on_leave_timer(struct dfs_data *data, struct data_timer *timer)
{
    (void)timer;
    leave_done(data); /* whoever is not finished by now is not waited for: what it wrote is a temporary */
}

void data_leave_init(struct dfs_data *data)
{
    data_timer_init(&data->leave_timer, on_leave_timer);
}

void data_leave(struct dfs_data *data, uint64_t command)
{
    if (data->phase == DATA_NODE_STOPPED || data->phase == DATA_NODE_LEFT || data->leaving) {
        const struct dfs_data_answer answer = {.status = data->leaving ? DFS_UNAVAILABLE : DFS_OK,
                                               .words = data->leaving ? "already leaving" : "nothing runs"};

        if (data->env.local != NULL)
            data->env.local->answer(data->env.ctx, command, &answer);
        return;
    }
    data->leaving = true;
    data->leave_command = command;
    data->leave_said = true;
    data_patience_set(data, &data->leave_timer, data->config.request_timeout_ns);
    data_seen_store(data);
    if (data->control != NULL && (data->phase == DATA_NODE_SERVING || data->phase == DATA_NODE_REPORTING)) {
        const struct dfs_m_leave message = {.incarnation = data->incarnation};

        data->leave_said = false;
        data->leave_request = dfs_link_request(&data->control->link);
        dfs_link_send(&data->control->link, data->leave_request, DFS_MSG_LEAVE, &message);
    }
}

void data_leave_answered(struct dfs_data *data, uint32_t request)
{
    (void)request;
    data->leave_said = true;
}

void data_leave_continue(struct dfs_data *data)
{
    if (!data->leave_said && data->control == NULL)
        data->leave_said = true; /* the connection broke: nobody to wait for */
    if (data->leave_said && data->writes_count == 0 && data->removals_count == 0 && data->copies_count == 0 &&
        !data->seen_writing)
        leave_done(data);
}

#include "apps/common/password.h"

#include "core/base/mac.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* One byte at a time: what stands behind the line is another reader's. */
static enum dfs_status read_line(int fd, char *line, struct dfs_why *ret_why)
{
    size_t count = 0;

    for (;;) {
        char c;
        const ssize_t got = read(fd, &c, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || c == '\n')
            break;
        if (count == DFS_PASSWORD_BYTES_MAX) {
            dfs_why_set(ret_why, "the password is longer than %d bytes", DFS_PASSWORD_BYTES_MAX);
            return DFS_BAD_USAGE;
        }
        line[count++] = c;
    }
    if (count > 0 && line[count - 1] == '\r')
        count--;
    line[count] = '\0';
    if (count == 0) {
        dfs_why_set(ret_why, "the password is empty");
        return DFS_BAD_USAGE;
    }
    return DFS_OK;
}

static enum dfs_status ask(const char *prompt, char *line, struct dfs_why *ret_why)
{
    struct termios old;
    struct termios quiet;
    enum dfs_status status;

    (void)fprintf(stderr, "%s", prompt);
    (void)fflush(stderr);
    (void)tcgetattr(STDIN_FILENO, &old);
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    status = read_line(STDIN_FILENO, line, ret_why);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
    (void)fprintf(stderr, "\n");
    return status;
}

enum dfs_status dfs_password_read(const char *file, const char *prompt, bool twice,
                                  char password[DFS_PASSWORD_BYTES_MAX + 1], struct dfs_why *ret_why)
{
    char again[DFS_PASSWORD_BYTES_MAX + 1];
    enum dfs_status status;

    if (file != NULL) {
        const int fd = open(file, O_RDONLY | O_CLOEXEC);

        if (fd < 0) {
            dfs_why_set(ret_why, "%s: %s", file, strerror(errno));
            return DFS_BAD_USAGE;
        }
        status = read_line(fd, password, ret_why);
        (void)close(fd);
        return status;
    }
    if (!isatty(STDIN_FILENO))
        return read_line(STDIN_FILENO, password, ret_why);
    status = ask(prompt, password, ret_why);
    if (status != DFS_OK || !twice)
        return status;
    status = ask("again: ", again, ret_why);
    if (status == DFS_OK && strcmp(password, again) != 0) {
        dfs_why_set(ret_why, "the two passwords differ");
        status = DFS_BAD_USAGE;
    }
    dfs_wipe(again, sizeof again);
    return status;
}

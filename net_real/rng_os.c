#include "core/base/assert.h"
#include "net_real/os.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

/* getrandom and not OpenSSL: ids and jitter need no second generator, and a fork of the program cannot repeat them. */
void dfs_os_random(void *bytes, size_t count)
{
    uint8_t *at = bytes;

    while (count > 0) {
        const ssize_t got = getrandom(at, count, 0);

        if (got < 0 && errno == EINTR)
            continue;
        DFS_ASSERT(got > 0);
        at += got;
        count -= (size_t)got;
    }
}

#include "sim/output.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

bool sim_output_is_plain(const char *name)
{
    struct stat status;

    return stat(name, &status) == 0 ? S_ISREG(status.st_mode) : errno == ENOENT;
}

void sim_output_clear(const char *name)
{
    if (sim_output_is_plain(name))
        (void)unlink(name);
}

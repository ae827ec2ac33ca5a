/*
 * numbered.h - pointers by numbers that grow: each number is given once, in order as a rule, and taken back some time later. Takes memory for as many as are kept, in pages: of a page
 * of which all were taken back, its place is left.
 */
#ifndef DFS_SIM_NUMBERED_H
#define DFS_SIM_NUMBERED_H

#include <stddef.h>
#include <stdint.h>

#define SIM_NUMBERED_PAGE 256

struct sim_numbered_page {
    void *at[SIM_NUMBERED_PAGE];
    uint32_t kept;
};

/* Zeroed is an empty one. */
struct sim_numbered {
    struct sim_numbered_page **pages; /* NULL: nothing is kept of it */
    struct sim_numbered_page *spare;
    size_t count;
    size_t room;
};

void sim_numbered_close(struct sim_numbered *numbered);

/* `number` has nothing yet. */
void sim_numbered_put(struct sim_numbered *numbered, uint64_t number, void *pointer);

/* Takes it back. */
void sim_numbered_drop(struct sim_numbered *numbered, uint64_t number);

/* NULL: nothing was put, or it was taken back. */
static inline void *sim_numbered_at(const struct sim_numbered *numbered, uint64_t number)
{
    const uint64_t page = number / SIM_NUMBERED_PAGE;

    return page < numbered->count && numbered->pages[page] != NULL
               ? numbered->pages[page]->at[number % SIM_NUMBERED_PAGE]
               : NULL;
}

#endif

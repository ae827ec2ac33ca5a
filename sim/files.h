/*
 * files.h - one record for each file that a run has heard of. Whoever keeps something of files has a part of the record instead of a map of its own: the
 * first who looks a file up in an event finds it for all who come after.
 *
 * A record says nothing of who has heard of the file: a part that must tell "never" from "nothing yet" says so itself.
 */
#ifndef DFS_SIM_FILES_H
#define DFS_SIM_FILES_H

#include "core/base/id.h"
#include "core/base/map.h"

#include <stddef.h>
#include <stdint.h>

/* The parts stand behind it. */
struct sim_about {
    struct dfs_id file; /* first: the key */
};

/* Files that are at hand: more than live at a time where each lives for some seconds, so that the map, of which no cache holds much, is asked once or twice in the life of one. */
#define SIM_FILES_AT_HAND 8192

struct sim_files {
    struct dfs_map by_id;
    struct sim_about *at_hand[SIM_FILES_AT_HAND]; /* by bits of their ids; NULL: none yet */
    struct sim_about **all;                       /* in the order of first use; owned */
    size_t count;
    size_t room;
    size_t bytes; /* of a record */
};

void sim_files_init(struct sim_files *files);
void sim_files_close(struct sim_files *files);

/* Room for `bytes` more in every record, zeroed in a new one: where it stands. Before the first record. */
size_t sim_files_part(struct sim_files *files, size_t bytes);

/* The file's record, made on first use. It stays where it is. */
struct sim_about *sim_files_of(struct sim_files *files, const struct dfs_id *file);

/* NULL: nobody has heard of the file. */
struct sim_about *sim_files_find(struct sim_files *files, const struct dfs_id *file);

static inline void *sim_about_part(struct sim_about *about, size_t part)
{
    return (uint8_t *)about + part;
}

#endif

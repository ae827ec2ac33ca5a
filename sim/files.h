/*
 * files.h - one record for each file that a run has heard of. Whoever keeps something of files has a part of the record instead of a map of its own: the
 * first who looks a file up in an event finds it for all who come after.
 *
 * A record says nothing of who has heard of the file: a part that must tell "never" from "nothing yet" says so itself.
 *
 * Files come and go for as long as a run lasts, and a record takes hundreds of bytes. When whoever knows says that nothing more is expected of a file
 * (sim_files_tire), its record is put to rest: each part says in a few bytes what could still be asked of it, and is made again from these as soon as somebody looks the file up, be
 * that hours later. So nothing depends on nobody asking; when a file may tire, and what its parts leave out for good, is said where the parts are.
 */
#ifndef DFS_SIM_FILES_H
#define DFS_SIM_FILES_H

#include "core/base/id.h"
#include "core/base/list.h"
#include "core/base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The parts stand behind it. */
struct sim_about {
    struct dfs_id file;    /* first: the key */
    struct dfs_list tired; /* of those whose turn to rest will come */
};

enum sim_rest {
    SIM_REST_NO,    /* something is expected of it again: until it is told anew that it is tired */
    SIM_REST_LATER, /* it will be asked again, and before all that tired after it */
    SIM_REST_YES
};

/* How a part rests. */
struct sim_resting {
    size_t bytes;
    void *arg;
    /* May it, and what of it is kept? Changes nothing: another part may have to stay. */
    enum sim_rest (*rest)(void *arg, const void *part, uint8_t *ret_bytes);
    void (*leave)(void *arg,
                  void *part); /* it does: lets go of what it has, before it is zeroed; NULL: it has nothing */
    void (*wake)(void *arg, const struct dfs_id *file, void *part, const uint8_t *bytes); /* a zeroed one */
};

#define SIM_FILES_PARTS_MAX 8
#define SIM_FILES_RESTING_BYTES_MAX 128 /* of all parts and the id */

/* Files that are at hand: more than are awake as a rule, so that the map is asked once or twice in the life of one. */
#define SIM_FILES_AT_HAND 8192

struct sim_files_part {
    size_t at;
    struct sim_resting resting; /* without `rest`: whoever has such a part never rests */
};

/* Where a resting file is: its place in the pages, and enough of its hash that another one's is hardly ever looked at. */
struct sim_files_slot {
    uint32_t hash;
    uint32_t number; /* from 1; 0: none */
};

struct sim_files {
    struct dfs_map by_id;                         /* that are awake */
    struct sim_about *at_hand[SIM_FILES_AT_HAND]; /* by bits of their ids; NULL: none yet */
    struct sim_about **all;                       /* records, used or spare; owned */
    size_t count;
    size_t room;
    size_t bytes; /* of a record */
    struct dfs_list tired;
    struct dfs_list spare; /* zeroed */
    struct sim_files_part parts[SIM_FILES_PARTS_MAX];
    size_t parts_count;
    uint8_t **pages; /* of those that have ever rested: an id, and what its parts said */
    size_t resting_count;
    size_t resting_bytes; /* of one */
    struct sim_files_slot *slots;
    size_t slots_count; /* a power of two, or 0 */
};

void sim_files_init(struct sim_files *files); /* it stays where it is */
void sim_files_close(struct sim_files *files);

/* Room for `bytes` more in every record, zeroed in a new one: where it stands. Before the first record. `resting` NULL: no record may rest. */
size_t sim_files_part(struct sim_files *files, size_t bytes, const struct sim_resting *resting);

/* The file's record, made on first use. It stays where it is until the next sim_files_rest. */
struct sim_about *sim_files_of(struct sim_files *files, const struct dfs_id *file);

/* NULL: nobody has heard of the file. */
struct sim_about *sim_files_find(struct sim_files *files, const struct dfs_id *file);

/* Nothing more is expected of the file. May be said again. */
void sim_files_tire(struct sim_files *files, struct sim_about *about);

/* Puts some of the tired ones to rest: more in a call than can tire between two operations of a steady load. Where nobody holds a record. */
void sim_files_rest(struct sim_files *files);

static inline void *sim_about_part(struct sim_about *about, size_t part)
{
    return (uint8_t *)about + part;
}

#endif

/*
 * story.h - a small cluster, arranged in three lines, and what happened in it, as a transcript that reads like a story.
 *
 *     static const struct story story = {.name = "put", .cluster = "\"data\":3,\"replication\":3",
 *                                        .workload = "{\"at\":\"1s\",\"client\":\"c1\",\"put\":\"f\",\"size\":\"90KB\"}",
 *                                        .faults = ""};
 *     story_is(&story);          compares with tests/story/put.txt; the lines that differ are shown
 *
 * The machines are the real ones, on net_sim: links of 1 ms, disks of 0.1 ms, a sync of 1 ms, nothing lost, seed 1. Told are what clients ask and are answered, messages
 * (heartbeats, greetings and bytes are left out), what faults do, changes of state of members and data servers, and what machines want to be known.
 * STORY_UPDATE=1 in the environment rewrites the transcripts.
 */
#ifndef DFS_TESTS_SUPPORT_STORY_H
#define DFS_TESTS_SUPPORT_STORY_H

struct story {
    const char *name;
    const char *cluster;  /* members of the scenario's "cluster"; heartbeat_interval is 1s, repair_grace 0s */
    const char *workload; /* elements of "workload" */
    const char *faults;   /* elements of "faults"; "": none */
    const char *duration; /* NULL: "10s" */
    const char *from;     /* the story begins then; NULL: "0s". What was before has only prepared it */
};

/* Fails the test when the run does not pass or the transcript is another one. `folder` is where NAME.txt stands. */
void story_is(const struct story *story, const char *folder);

#endif

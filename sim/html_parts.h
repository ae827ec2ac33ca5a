/*
 * html_parts.h - parts of a page (html.h) that gather what they show while the run goes on.
 */
#ifndef DFS_SIM_HTML_PARTS_H
#define DFS_SIM_HTML_PARTS_H

#include "sim/run.h"

/* Messages: numbers in one temporary file, fields in another, one line a message. */
struct sim_html_messages;
struct sim_html_messages *sim_html_messages_new(struct sim_run *run); /* observes the world */
void sim_html_messages_free(struct sim_html_messages *messages);
uint64_t sim_html_messages_more(const struct sim_html_messages *messages); /* not kept */

/*
 * Two elements of the page: "messages" is JSON, eight numbers a message (sent and taken in microseconds, from, to, lost, number of the message, bytes, fields that
 * were not kept), "fields" their fields (fields.h), a line each. false: the temporary files failed.
 */
bool sim_html_messages_write(struct sim_html_messages *messages, FILE *out);

/* Copies of blocks over time. */
struct sim_html_blocks;
struct sim_html_blocks *sim_html_blocks_new(struct sim_run *run);
void sim_html_blocks_free(struct sim_html_blocks *blocks);
void sim_html_blocks_look(struct sim_html_blocks *blocks);

/*
 * New references. Samples: [ms, active servers, blocks with no copy on any disk, blocks with 0 good copies, with 1, ..., with more than wanted].
 * Blocks: [path, index, generation, [ms, good copies, [their hosts], copies on any disk]...]: what changed when; copies -1: the version is gone.
 */
json_t *sim_html_blocks_samples(const struct sim_html_blocks *blocks);
json_t *sim_html_blocks_json(const struct sim_html_blocks *blocks);
uint64_t sim_html_blocks_more(const struct sim_html_blocks *blocks); /* blocks that were only counted */

#endif

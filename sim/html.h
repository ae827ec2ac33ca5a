/*
 * html.h - the picture of a run: one page that needs nothing but a browser.
 *
 * A space-time diagram of the messages; hosts up, paused and down; copies per block over time; every event with a filter; violations marked. A listener that only looks: a run has the same trace
 * with and without it.
 */
#ifndef DFS_SIM_HTML_H
#define DFS_SIM_HTML_H

#include "sim/run.h"

/* sim/spacetime.js, made a part of the program by the build. */
extern const char sim_spacetime_js[];

struct sim_html;

/* Adds the listener; in sim_run_options.attach. */
struct sim_html *sim_html_attach(struct sim_run *run);

/* Writes the page after the run. false: the file could not be written. */
bool sim_html_write(const struct sim_html *html, const struct sim_run *run, const char *file);
void sim_html_free(struct sim_html *html);

#endif

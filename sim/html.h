/*
 * html.h - the picture of a run: one page that needs nothing but a browser.
 *
 * One diagram over time: messages between hosts, hosts up, paused, down and in the ring, clients' operations, faults, copies of blocks, and what failed; a list of all
 * events. A listener that only looks: a run has the same trace with and without it.
 */
#ifndef DFS_SIM_HTML_H
#define DFS_SIM_HTML_H

#include "sim/run.h"

/* sim/page.html and so on, made a part of the program by the build. */
extern const char sim_page_html[];
extern const char sim_page_css[];
extern const char sim_page_js[];
extern const char sim_spacetime_js[];

struct sim_html;

/* Adds the listener; in sim_run_options.attach. */
struct sim_html *sim_html_attach(struct sim_run *run);

/* Writes the page after the run. false: the file could not be written. */
bool sim_html_write(const struct sim_html *html, const struct sim_run *run, const char *file);
void sim_html_free(struct sim_html *html);

#endif

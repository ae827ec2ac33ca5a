/*
 * plainer.h - single steps that make a scenario plainer: fewer hosts, defaults, smaller files, shorter faults, rounder and nearer times.
 *
 * A step says nothing of whether the scenario still means the same: shrink tries it.
 */
#ifndef DFS_SIM_PLAINER_H
#define DFS_SIM_PLAINER_H

#include "sim/scenario.h"

/* Kinds of steps, in the order in which they are worth trying. */
size_t sim_plainer_kinds(void);

/* How many numbers a kind has for this scenario: of hosts, of settings, of entries. */
size_t sim_plainer_numbers(const struct sim_scenario *scenario, size_t kind);

/* Takes the step; false: there is nothing to do for this number. It may be taken again and again until there is not. */
bool sim_plainer_step(struct sim_scenario *scenario, size_t kind, size_t number);

#endif

/*
 * shell_word.h - a word of a command that is printed for people to type again.
 */
#ifndef DFS_SIM_SHELL_WORD_H
#define DFS_SIM_SHELL_WORD_H

#include <stddef.h>

/* Longer words are cut: longer than any name of a file that opens. */
#define SIM_SHELL_WORD_BYTES 8192

/* A command with two such words: the program, and the scenario. */
#define SIM_REPEAT_BYTES (2 * SIM_SHELL_WORD_BYTES + 64)

struct sim_shell_word {
    char text[SIM_SHELL_WORD_BYTES];
};

/* As a shell takes it for one word: as it is when nothing in it means anything to a shell, otherwise in single quotes. */
struct sim_shell_word sim_shell_word(const char *word);

#endif

#include "sim/shell_word.h"

#include <string.h>

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=+@%"
#define QUOTE "'\\''" /* out of the quotes, one of its own, and in again */

struct sim_shell_word sim_shell_word(const char *word)
{
    const size_t last = SIM_SHELL_WORD_BYTES - sizeof QUOTE - 1;
    struct sim_shell_word said;
    size_t at = 0;

    if (word[0] != '\0' && word[strspn(word, PLAIN)] == '\0' && strlen(word) < SIM_SHELL_WORD_BYTES) {
        memcpy(said.text, word, strlen(word) + 1);
        return said;
    }
    said.text[at++] = '\'';
    for (; *word != '\0' && at < last; word++) {
        if (*word != '\'') {
            said.text[at++] = *word;
            continue;
        }
        memcpy(said.text + at, QUOTE, sizeof QUOTE - 1);
        at += sizeof QUOTE - 1;
    }
    said.text[at++] = '\'';
    said.text[at] = '\0';
    return said;
}

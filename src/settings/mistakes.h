/* What is wrong with a configuration, collected while loading it. */
#ifndef SETTINGS_MISTAKES_H
#define SETTINGS_MISTAKES_H

#include "settings/settings.h"

struct mistake {
    char *text; /* "file:line: what" */
    size_t file_length;
    int line;
    size_t order; /* of finding */
};

/* Zero-initialised = none. */
struct mistakes {
    const char *first_file; /* the one whose mistakes come first */
    struct mistake items[SETTINGS_ERRORS_MAX];
    size_t count, dropped;
    bool no_memory;
};

/* Keeps a mistake, or counts it when SETTINGS_ERRORS_MAX are kept. */
void mistakes_add(struct mistakes *mistakes, const char *file, int line, const char *text);

/* True when nothing more is kept: what costs time to explain need not be explained. */
bool mistakes_full(const struct mistakes *mistakes);

/* Moves all into errors, sorted: the first file, then the others by name; in a file by line. */
void mistakes_hand_over(struct mistakes *mistakes, struct settings_errors *errors);

#endif

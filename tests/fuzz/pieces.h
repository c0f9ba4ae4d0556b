/* An input that is several texts: 0x1E separates them, what is left out is empty. */
#ifndef TESTS_FUZZ_PIECES_H
#define TESTS_FUZZ_PIECES_H

#include "fuzz.h"

#define PIECES_MAX 8

struct pieces {
    char *copy;
    const char *of[PIECES_MAX]; /* without NUL and 0x1E; never NULL */
};

static inline struct pieces pieces_cut(const uint8_t *data, size_t size)
{
    struct pieces pieces = { .copy = malloc(size + 1) };
    char *rest = pieces.copy;
    ENSURE(rest != NULL);
    memcpy(rest, fuzz_text(data, size), size);
    rest[size] = '\0';
    for (size_t i = 0; i < PIECES_MAX; i++) {
        const char *piece = strsep(&rest, "\x1e");
        pieces.of[i] = piece == NULL ? "" : piece;
    }
    return pieces;
}

static inline void pieces_free(struct pieces *pieces)
{
    free(pieces->copy);
}

#endif

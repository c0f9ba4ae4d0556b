/*
 * Memory that is freed as a whole: what one load of the settings keeps. A
 * failure sticks, so that the loader may go on and look once at the end.
 */
#ifndef SETTINGS_ARENA_H
#define SETTINGS_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#define ARENA_MAX ((size_t)512 << 20) /* bytes in all; beyond it allocation fails */

struct arena_block;

/* Zero-initialised = empty. */
struct arena {
    struct arena_block *blocks;
    size_t total;
    bool failed;
};

/* Zeroed memory for any type, or NULL. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);

/* A copy of a string; "" when out of memory (and failed is set). */
const char *arena_text(struct arena *arena, const char *text);

/* printf into the arena; "" when out of memory (and failed is set). */
const char *arena_print(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Room for one more item: items itself while count < *capacity, otherwise a copy
 * twice as large. NULL when out of memory.
 */
void *arena_extend(struct arena *arena, void *items, size_t count, size_t *capacity, size_t size);

void arena_free(struct arena *arena);

#endif

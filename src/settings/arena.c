#include "settings/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)64 << 10)

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

static size_t round_up(size_t bytes)
{
    return (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

static struct arena_block *add_block(struct arena *arena, size_t least)
{
    size_t size = least > BLOCK_BYTES ? least : BLOCK_BYTES;
    struct arena_block *block = NULL;
    if (size <= ARENA_MAX - arena->total) {
        block = calloc(1, sizeof *block + size);
    }
    if (block == NULL) {
        arena->failed = true;
        return NULL;
    }
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->total += size;
    return block;
}

static void *take(struct arena *arena, size_t bytes)
{
    struct arena_block *block = arena->blocks;
    if (block == NULL || bytes > block->size - block->used) {
        block = add_block(arena, bytes);
    }
    if (block == NULL) {
        return NULL;
    }
    void *memory = block->bytes + block->used;
    block->used += bytes;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > ARENA_MAX) {
        arena->failed = true;
        return NULL;
    }
    return take(arena, round_up(bytes));
}

const char *arena_text(struct arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = take(arena, round_up(bytes));
    return copy == NULL ? "" : memcpy(copy, text, bytes);
}

const char *arena_print(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        arena->failed = true;
        return "";
    }
    const char *copy = arena_text(arena, text);
    free(text);
    return copy;
}

void *arena_extend(struct arena *arena, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return items;
    }
    size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *larger = arena_alloc(arena, wanted, size);
    if (larger == NULL) {
        return NULL;
    }
    if (count > 0) {
        memcpy(larger, items, count * size);
    }
    *capacity = wanted;
    return larger;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    *arena = (struct arena){ 0 };
}

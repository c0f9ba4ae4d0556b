/* A run of bytes that somebody else owns: not terminated, may hold any byte. */
#ifndef PHUSA_TEXT_H
#define PHUSA_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct phusa_text {
    const char *data;
    size_t length;
};

/* A literal as a text: PHUSA_TEXT("temp"). */
#define PHUSA_TEXT(literal) ((struct phusa_text){ (literal), sizeof(literal) - 1 })

/* The text over a terminated string, which must outlive it. NULL gives the empty text. */
static inline struct phusa_text phusa_text_of(const char *string)
{
    return (struct phusa_text){ string, string == NULL ? 0 : strlen(string) };
}

static inline bool phusa_text_equal(struct phusa_text a, struct phusa_text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

#endif

/* Text into a bounded buffer, without the C library's formatting: for answers and JSON. */
#ifndef FIRMWARE_PRINT_H
#define FIRMWARE_PRINT_H

#include <stdint.h>

#include "phusa/json.h"
#include "phusa/number.h"
#include "phusa/text.h"

/* What does not fit is left out whole, and everything behind it, too: `full` says so. */
struct print {
    char *buffer;
    size_t capacity, length;
    bool full;
};

static inline void print_text(struct print *print, struct phusa_text text)
{
    if (print->full || text.length > print->capacity - print->length) {
        print->full = true;
    } else if (text.length > 0) {
        memcpy(print->buffer + print->length, text.data, text.length);
        print->length += text.length;
    }
}

static inline void print_word(struct print *print, const char *word)
{
    print_text(print, phusa_text_of(word));
}

static inline void print_uint(struct print *print, uint64_t value)
{
    char digits[PHUSA_INTEGER_CHARS];
    print_text(print, (struct phusa_text){ digits, phusa_uint_print(value, digits) });
}

/* A finite number; another one becomes null. */
static inline void print_double(struct print *print, double value)
{
    char digits[PHUSA_DOUBLE_CHARS];
    size_t length = phusa_double_print(value, digits);
    print_text(print, length > 0 ? (struct phusa_text){ digits, length } : PHUSA_TEXT("null"));
}

/* As a JSON string with its quotes. */
static inline void print_quoted(struct print *print, struct phusa_text text)
{
    size_t length = print->full ? 0
                                : phusa_json_quote(text, print->buffer + print->length,
                                                   print->capacity - print->length);
    print->length += length;
    print->full |= length == 0;
}

/* ,"name": */
static inline void print_member(struct print *print, const char *name)
{
    print_word(print, ",\"");
    print_word(print, name);
    print_word(print, "\":");
}

#endif

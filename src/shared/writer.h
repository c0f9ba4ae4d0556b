/* Bytes being put into the caller's buffer. What does not fit sets `full` and nothing else. */
#ifndef SHARED_WRITER_H
#define SHARED_WRITER_H

#include "phusa/json.h"
#include "phusa/number.h"
#include "phusa/text.h"

struct writer {
    char *buffer;
    size_t capacity, used;
    bool full;
};

static inline void put_bytes(struct writer *writer, const void *bytes, size_t length)
{
    if (writer->full || length > writer->capacity - writer->used) {
        writer->full = true;
    } else if (length > 0) {
        memcpy(writer->buffer + writer->used, bytes, length);
        writer->used += length;
    }
}

static inline void put_text(struct writer *writer, struct phusa_text text)
{
    put_bytes(writer, text.data, text.length);
}

static inline void put_string(struct writer *writer, const char *string)
{
    put_bytes(writer, string, strlen(string));
}

/* A JSON string with its quotes; the text must be UTF-8. */
static inline void put_quoted(struct writer *writer, struct phusa_text text)
{
    size_t length = phusa_json_quote(text, writer->buffer + writer->used,
                                     writer->full ? 0 : writer->capacity - writer->used);

    writer->full = writer->full || length == 0;
    writer->used += length;
}

static inline void put_uint(struct writer *writer, uint64_t value)
{
    char digits[PHUSA_INTEGER_CHARS];

    put_bytes(writer, digits, phusa_uint_print(value, digits));
}

/* A finite double. */
static inline void put_double(struct writer *writer, double value)
{
    char digits[PHUSA_DOUBLE_CHARS];

    put_bytes(writer, digits, phusa_double_print(value, digits));
}

static inline void put_seconds(struct writer *writer, int64_t nanos)
{
    char digits[PHUSA_DOUBLE_CHARS];

    put_bytes(writer, digits, phusa_seconds_print(nanos, digits));
}

#endif

/*
 * Bytes of a state that is kept over a restart: little-endian, numbers as LEB128
 * varints (signed ones zigzag), texts and blocks with their length before them.
 * Pure. What is written is read back in the same order; a reader trusts nothing.
 */
#ifndef BASE_STATE_H
#define BASE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phusa/text.h"

#define STATE_BYTES_MAX (UINT64_C(2) << 30) /* of one state; beyond it the writer fails */

/* Grows as needed; zero-initialise, end with state_writer_free. */
struct state_writer {
    uint8_t *bytes;
    size_t used, capacity;
    bool failed; /* out of memory or over STATE_BYTES_MAX: what stands there is not whole */
};

void state_writer_free(struct state_writer *writer);

void state_put(struct state_writer *writer, uint64_t value);
void state_put_signed(struct state_writer *writer, int64_t value);
void state_put_bool(struct state_writer *writer, bool value);
void state_put_double(struct state_writer *writer, double value); /* its 8 bytes, exactly */
void state_put_text(struct state_writer *writer, struct phusa_text text);

/* After the first thing that cannot be read `failed` is set and everything reads as zero. */
struct state_reader {
    const uint8_t *at, *end;
    bool failed;
};

struct state_reader state_reader_of(const void *bytes, size_t length);

uint64_t state_get(struct state_reader *reader);
/* The same, and failed when it is above most. */
uint64_t state_get_upto(struct state_reader *reader, uint64_t most);
int64_t state_get_signed(struct state_reader *reader);
bool state_get_bool(struct state_reader *reader);
double state_get_double(struct state_reader *reader);
/* Points into the reader's bytes; empty when failed. */
struct phusa_text state_get_text(struct state_reader *reader);

#endif

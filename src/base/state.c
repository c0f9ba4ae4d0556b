#include "base/state.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096
#define VARINT_MAX     10 /* bytes of 64 bits, 7 in each */

/* --- writing ------------------------------------------------------------------- */

static bool make_room(struct state_writer *writer, size_t more)
{
    if (writer->failed || more > STATE_BYTES_MAX - writer->used) {
        writer->failed = true;
        return false;
    }
    if (writer->used + more <= writer->capacity) {
        return true;
    }
    size_t capacity = writer->capacity == 0 ? FIRST_CAPACITY : writer->capacity;
    while (capacity < writer->used + more) {
        capacity *= 2;
    }
    uint8_t *bytes = realloc(writer->bytes, capacity);
    if (bytes == NULL) {
        writer->failed = true;
        return false;
    }
    writer->bytes = bytes;
    writer->capacity = capacity;
    return true;
}

void state_writer_free(struct state_writer *writer)
{
    free(writer->bytes);
    *writer = (struct state_writer){ 0 };
}

static void put_bytes(struct state_writer *writer, const void *bytes, size_t length)
{
    if (length > 0 && make_room(writer, length)) {
        memcpy(writer->bytes + writer->used, bytes, length);
        writer->used += length;
    }
}

void state_put(struct state_writer *writer, uint64_t value)
{
    if (!make_room(writer, VARINT_MAX)) {
        return;
    }
    while (value >= 0x80) {
        writer->bytes[writer->used++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    writer->bytes[writer->used++] = (uint8_t)value;
}

void state_put_signed(struct state_writer *writer, int64_t value)
{
    uint64_t bits = (uint64_t)value << 1;
    state_put(writer, value < 0 ? ~bits : bits);
}

void state_put_bool(struct state_writer *writer, bool value)
{
    state_put(writer, value ? 1 : 0);
}

void state_put_double(struct state_writer *writer, double value)
{
    uint64_t bits;
    uint8_t bytes[8];
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(bits >> (8 * i));
    }
    put_bytes(writer, bytes, sizeof bytes);
}

void state_put_text(struct state_writer *writer, struct phusa_text text)
{
    state_put(writer, text.length);
    put_bytes(writer, text.data, text.length);
}

/* --- reading ------------------------------------------------------------------- */

struct state_reader state_reader_of(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    return (struct state_reader){ .at = at, .end = length == 0 ? at : at + length };
}

static size_t left(const struct state_reader *reader)
{
    return reader->failed ? 0 : (size_t)(reader->end - reader->at);
}

uint64_t state_get(struct state_reader *reader)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_MAX && left(reader) > 0; i++) {
        uint8_t byte = *reader->at++;
        if (i == VARINT_MAX - 1 && byte > 1) {
            break; /* more than 64 bits */
        }
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            return value;
        }
    }
    reader->failed = true;
    return 0;
}

uint64_t state_get_upto(struct state_reader *reader, uint64_t most)
{
    uint64_t value = state_get(reader);
    if (value > most) {
        reader->failed = true;
        return 0;
    }
    return value;
}

int64_t state_get_signed(struct state_reader *reader)
{
    uint64_t bits = state_get(reader);
    uint64_t half = bits >> 1;
    return (bits & 1) != 0 ? -(int64_t)half - 1 : (int64_t)half;
}

bool state_get_bool(struct state_reader *reader)
{
    return state_get_upto(reader, 1) != 0;
}

double state_get_double(struct state_reader *reader)
{
    uint64_t bits = 0;
    double value;
    if (left(reader) < 8) {
        reader->failed = true;
        return 0;
    }
    for (int i = 0; i < 8; i++) {
        bits |= (uint64_t)reader->at[i] << (8 * i);
    }
    reader->at += 8;
    memcpy(&value, &bits, sizeof value);
    return value;
}

struct phusa_text state_get_text(struct state_reader *reader)
{
    uint64_t length = state_get(reader);
    if (length > left(reader)) {
        reader->failed = true;
    }
    if (reader->failed || length == 0) {
        return (struct phusa_text){ "", 0 };
    }
    struct phusa_text text = { (const char *)reader->at, (size_t)length };
    reader->at += length;
    return text;
}

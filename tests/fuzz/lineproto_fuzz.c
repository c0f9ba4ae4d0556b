/*
 * Any bytes: line_valid comes to an answer, and what the writer makes of them is a
 * valid line or nothing. The input is cut into measurement, tags and values at its
 * zero bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/lineproto.h"

#define HEAD_MAX 4096
#define LINE_MAX 8192
#define PARTS    3 /* measurement, tag key, tag value */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct phusa_text next_part(const uint8_t **at, size_t *left)
{
    const uint8_t *end = memchr(*at, '\0', *left);
    size_t length = end == NULL ? *left : (size_t)(end - *at);
    struct phusa_text part = { (const char *)*at, length };
    size_t taken = end == NULL ? length : length + 1;
    *at += taken;
    *left -= taken;
    return part;
}

/* The head "measurement,key=value"; 0 if a part cannot stand there. */
static size_t write_head(const uint8_t **at, size_t *left, char *head)
{
    size_t used = 0;
    for (int part = 0; part < PARTS; part++) {
        struct phusa_text text = next_part(at, left);
        size_t room = HEAD_MAX - used - 1;
        size_t length = part == 0 ? line_escape_measurement(text, head + used, room)
                                  : line_escape_tag(text, head + used, room);
        if (length == 0) {
            return 0;
        }
        used += length;
        if (part + 1 < PARTS) {
            head[used++] = part == 0 ? ',' : '=';
        }
    }
    return used;
}

static int64_t take_number(const uint8_t **at, size_t *left)
{
    int64_t number = 0;
    size_t taken = *left < sizeof number ? *left : sizeof number;
    memcpy(&number, *at, taken);
    *at += taken;
    *left -= taken;
    return number;
}

static void write_line(const uint8_t *at, size_t left)
{
    char head[HEAD_MAX], line[LINE_MAX];
    size_t length = write_head(&at, &left, head);
    if (length == 0) {
        return;
    }
    int64_t time = take_number(&at, &left);
    size_t capacity = left > 0 ? LINE_MAX - (size_t)at[0] * 32 : LINE_MAX;
    struct line_writer writer;
    line_writer_init(&writer, line, capacity);
    line_begin(&writer, (struct phusa_text){ head, length });
    while (left > 0) {
        int64_t bits = take_number(&at, &left);
        double value;
        memcpy(&value, &bits, sizeof value);
        line_field_double(&writer, PHUSA_TEXT("value"), value);
        line_field_int(&writer, PHUSA_TEXT("value"), PHUSA_TEXT("_qc"), bits);
    }
    bool whole = line_end(&writer, time);
    require(writer.used <= capacity);
    require(whole == (writer.used > 0));
    require(!whole || line[writer.used - 1] == '\n');
    require(!whole || line_valid((struct phusa_text){ line, writer.used - 1 }));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    /* A copy of its own size, so that a read beyond it is seen. */
    char *copy = malloc(size);
    require(copy != NULL);
    memcpy(copy, data, size);
    struct phusa_text text = { copy, size };
    bool valid = line_valid(text);
    require(!valid || memchr(copy, '\n', size) == NULL);
    require(line_readings(text, NULL) <= size);
    free(copy);
    write_line(data, size);
    return 0;
}

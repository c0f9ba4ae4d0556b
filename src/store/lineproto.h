/*
 * InfluxDB line protocol, written: one line per station and time. Pure.
 * Grammar: https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
 */
#ifndef STORE_LINEPROTO_H
#define STORE_LINEPROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phusa/number.h"
#include "phusa/text.h"
#include "settings/station.h"

#define LINE_TAGS_MAX                                                                              \
    256 /* tags in a line that line_valid accepts; the contract's lines have at most 10 */

/* A growing line in the caller's buffer. A write that does not fit sets full and leaves used at
 * the end of the last whole line; what is written after that is dropped. A number is taken to
 * fit only where the longest number would. */
struct line_writer {
    char *buffer;
    size_t capacity, used;
    size_t line_start; /* where the open line began */
    bool fields;       /* the open line has a field already */
    bool full;
    /* The time of the last line as it was written: it is mostly that of the next, too. */
    int64_t time_ns;
    uint8_t time_length; /* 0: none yet */
    char time[PHUSA_INTEGER_CHARS];
};

void line_writer_init(struct line_writer *writer, char *buffer, size_t capacity);

/*
 * Escapes a measurement, or a tag's key or value. Returns the bytes written or 0
 * if capacity is too small or the text cannot stand in line protocol: empty, a
 * control character, not UTF-8, a trailing backslash, a measurement with '#' in
 * front.
 */
size_t line_escape_measurement(struct phusa_text text, char *buffer, size_t capacity);
size_t line_escape_tag(struct phusa_text text, char *buffer, size_t capacity);

/* Opens a line with its head: measurement and tags, escaped and joined ("water,site=a,station=b").
 * Heads are made once per station. */
void line_begin(struct line_writer *writer, struct phusa_text head);

/* Fields; the key is written as it is (parameters' names need no escape). A value that is not
 * finite writes no field. */
void line_field_double(struct line_writer *writer, struct phusa_text key, double value);
void line_field_int(struct line_writer *writer, struct phusa_text key, struct phusa_text suffix,
                    int64_t value);

/* Closes the line with its time and a line break; a line without fields, or with a time that no
 * store takes (the first two and the last nanosecond of 64 bits), is taken back. True if a whole
 * line stands in the buffer. */
bool line_end(struct line_writer *writer, int64_t time_ns);

/*
 * True if text is exactly one valid line without line break, as a store would
 * accept it (used on what leaves for a store that does not check). Fields of
 * types float, integer, unsigned, boolean and string. The time may be missing.
 * Stricter than the grammar in three things: no line break inside a string, at
 * most LINE_TAGS_MAX tags, floats below 1.7976931348623158e308.
 */
bool line_valid(struct phusa_text text);

/* The field of a line whose time is not the stamp of its readings, 1i. */
#define LINE_RECONSTRUCTED "time_reconstructed"

/*
 * Readings in a line: its fields but for the flags (`_qc`) and `time_reconstructed`. Lines of
 * measurements window, correction and index hold none, nor do quantities that the line's station
 * has derived by the registry (NULL: not told apart). Of a line that is not valid, what can be seen
 * of them.
 *
 * A station that itself reports what it also has derived cannot be told by its line: that reading
 * is not counted here. So what a store refuses never takes more from the books than was accepted.
 */
uint32_t line_readings(struct phusa_text text, const struct registry *registry);

/* Takes the next line off *text, without its break; false at the end. */
bool text_next_line(struct phusa_text *text, struct phusa_text *line);

/* The value of a tag as it stands in the line (escapes and all); empty if there is no such tag. */
struct phusa_text line_tag(struct phusa_text line, const char *key);

/* The time at the end of the line, in nanoseconds; false if there is none. */
bool line_time(struct phusa_text line, int64_t *time_ns);

#endif

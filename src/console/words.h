/* The words, times and numbers that the page is made of. Pure. */
#ifndef CONSOLE_WORDS_H
#define CONSOLE_WORDS_H

#include "console/console.h"

/* A word in both languages with the style that goes with it (a class of the page's stylesheet). */
struct word {
    const char *vi, *en, *style;
};

struct word word_of_link(enum console_link link);
struct word word_of_flag(uint8_t flag);
struct word word_of_severity(enum severity severity);
/* What people did about an alarm, or what holds it back. */
struct word word_of_life(const struct console_alarm *alarm);
struct word word_of_outcome(enum console_outcome outcome);

/* Why the collector is not ready, in Vietnamese; NULL for an English reason that is not known. */
const char *vietnamese_of(const char *reason);

/* "<vi> <span class=en lang=en>en</span>"; both are ours, so not escaped. */
void add_both(struct text_buffer *out, const char *vi, const char *en);

/* A word as a coloured badge. */
void add_badge(struct text_buffer *out, struct word word);

/* The tests that gave their reading a flag other than good, in words; nothing if there are none. */
void add_tests(struct text_buffer *out, const struct console_tests *tests);

/* How long ago, in both languages: "3 phút trước", "3 min ago"; ahead of now, it says so. */
void add_age(struct text_buffer *out, wall_time now, int64_t then_ns);

/* How long something lasts, in its largest unit, both languages: "3 giờ", "3 h". */
void add_duration(struct text_buffer *out, int64_t lasted_ns);

/* Local time as "21:05", or "21:05:09" with seconds, and the date as "21/11/2025". */
void add_local_time(struct text_buffer *out, int64_t time_ns, int32_t utc_offset_s, bool seconds);

/* The date alone. */
void add_local_date(struct text_buffer *out, int64_t time_ns, int32_t utc_offset_s);

/* A count with its thousands set apart by a narrow space. */
void add_count(struct text_buffer *out, uint64_t count);

/* A value in its parameter's digits, with its unit. */
void add_value(struct text_buffer *out, const struct phusa_parameter *parameter, double value);

/* A parameter's name in one language, or its id; and in both. */
void add_label_in(struct text_buffer *out, const char *label, struct phusa_text name);
void add_label(struct text_buffer *out, const struct phusa_parameter *parameter);

#endif

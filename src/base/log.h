/*
 * The log: lines on stderr, with journald priorities (<3>, <4>, <6>, <7>) when
 * stderr is journald's, otherwise with the level's name. Thread-safe; a line is
 * one write. Only daemons' rooms that decide may call it; pure rooms do not.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#define LOG_LINE_MAX 1024 /* bytes; longer lines are cut */

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

/* Lines less important than level are dropped; the start is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A complaint that says itself once when it begins, then at growing distance
 * (1 min, 2 min, ... 1 h), and once when it ends. Zero-initialise. Not thread-safe.
 */
struct log_complaint {
    bool active;
    long long since_ns, next_ns, pause_ns;
    unsigned long suppressed;
};

/* True if the complaint is to be logged now (mono_ns = monotonic time). */
bool log_complaint_due(struct log_complaint *complaint, long long mono_ns);

/* True if it was active: log that it is better; *lasted_ns says for how long it was not. */
bool log_complaint_over(struct log_complaint *complaint, long long mono_ns, long long *lasted_ns);

#endif

/* Inside of base/config: a look at a file's bytes before libconfig reads them. */
#ifndef BASE_CONFIG_SCAN_H
#define BASE_CONFIG_SCAN_H

#include <stdbool.h>
#include <stddef.h>

typedef void config_scan_report(void *context, int line, const char *text);

/*
 * Finds what libconfig 1.5 would swallow without a word: zero bytes, comments
 * and strings that never end, whole numbers beyond 32 bits, and @include (whose
 * files would be read without our limits). True if there is none; text[length]
 * must be 0.
 */
bool config_scan(const char *text, size_t length, config_scan_report *report, void *context);

/* What stands in a line (from 1), without the space around it, cut to capacity. Returns buffer. */
const char *config_scan_line(const char *text, int line, char *buffer, size_t capacity);

#endif

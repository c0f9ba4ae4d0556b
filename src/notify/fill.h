/*
 * A request's template filled in: {name} is replaced by the value of that name, escaped as its
 * place demands; braces around anything else stand for themselves, so that JSON needs no escapes of
 * its own. Pure.
 */
#ifndef NOTIFY_FILL_H
#define NOTIFY_FILL_H

#include <stddef.h>

enum fill_escape {
    FILL_PERCENT, /* URLs and forms: all but RFC 3986's unreserved characters */
    FILL_JSON,    /* within the quotes of a JSON string */
    FILL_LINE     /* plain text and headers: control characters are spaces */
};

struct fill_value {
    const char *name, *text; /* UTF-8 */
};

/* The escapes of a body of this type; a form unless it is some JSON. */
enum fill_escape fill_escape_of(const char *content_type);

/* Writes the template with its values; terminated. Returns the length, 0 if it does not fit. */
size_t fill_template(const char *template, const struct fill_value *values, size_t count,
                     enum fill_escape escape, char *out, size_t capacity);

#endif

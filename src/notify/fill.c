#include "notify/fill.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ESCAPED_MAX 8 /* the longest escape: "\u001f" */

struct page {
    char *out;
    size_t used, capacity;
    bool full;
};

static void put(struct page *page, const char *bytes, size_t length)
{
    if (page->full || length >= page->capacity - page->used) {
        page->full = true;
        return;
    }
    memcpy(page->out + page->used, bytes, length);
    page->used += length;
}

static bool is_unreserved(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("-._~", byte) != NULL);
}

/* The escape of a byte; "" when it stands for itself. */
static void escape_byte(unsigned char byte, enum fill_escape escape, char out[ESCAPED_MAX])
{
    out[0] = '\0';
    switch (escape) {
    case FILL_PERCENT:
        if (!is_unreserved(byte)) {
            (void)snprintf(out, ESCAPED_MAX, "%%%02X", byte);
        }
        break;
    case FILL_JSON:
        if (byte == '"' || byte == '\\') {
            (void)snprintf(out, ESCAPED_MAX, "\\%c", byte);
        } else if (byte < ' ') {
            (void)snprintf(out, ESCAPED_MAX, "\\u%04x", byte);
        }
        break;
    case FILL_LINE:
        (void)snprintf(out, ESCAPED_MAX, "%s", byte < ' ' || byte == 0x7f ? " " : "");
        break;
    }
}

static void put_escaped(struct page *page, const char *text, enum fill_escape escape)
{
    char escaped[ESCAPED_MAX];
    for (; *text != '\0'; text++) {
        escape_byte((unsigned char)*text, escape, escaped);
        if (escaped[0] != '\0') {
            put(page, escaped, strlen(escaped));
        } else {
            put(page, text, 1);
        }
    }
}

/* The value whose name in braces stands at the beginning of text, or NULL. */
static const struct fill_value *value_at(const char *text, const struct fill_value *values,
                                         size_t count)
{
    for (size_t i = 0; *text == '{' && i < count; i++) {
        size_t length = strlen(values[i].name);
        if (strncmp(text + 1, values[i].name, length) == 0 && text[1 + length] == '}') {
            return &values[i];
        }
    }
    return NULL;
}

size_t fill_template(const char *template, const struct fill_value *values, size_t count,
                     enum fill_escape escape, char *out, size_t capacity)
{
    struct page page = { out, 0, capacity, capacity == 0 };
    for (const char *at = template; *at != '\0';) {
        const struct fill_value *value = value_at(at, values, count);
        if (value == NULL) {
            put(&page, at++, 1);
        } else {
            put_escaped(&page, value->text, escape);
            at += strlen(value->name) + 2;
        }
    }
    if (page.full) {
        return 0;
    }
    out[page.used] = '\0';
    return page.used;
}

enum fill_escape fill_escape_of(const char *content_type)
{
    return strstr(content_type, "json") != NULL ? FILL_JSON : FILL_PERCENT;
}

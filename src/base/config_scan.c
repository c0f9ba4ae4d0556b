#include "base/config_scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scan {
    const char *at, *end;
    int line;
    bool clean;
    config_scan_report *report;
    void *context;
};

static void complain(struct scan *scan, int line, const char *text)
{
    scan->report(scan->context, line, text);
    scan->clean = false;
}

/* Moves to `to`, counting lines. */
static void advance(struct scan *scan, const char *to)
{
    for (; scan->at < to; scan->at++) {
        scan->line += *scan->at == '\n';
    }
}

static void skip_line(struct scan *scan)
{
    const char *end = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
    scan->at = end == NULL ? scan->end : end;
}

static void skip_block(struct scan *scan)
{
    int line = scan->line;
    const char *end = strstr(scan->at + 2, "*/");
    if (end == NULL) {
        complain(scan, line, "this comment never ends; close it with */");
    }
    advance(scan, end == NULL ? scan->end : end + 2);
}

static void skip_string(struct scan *scan)
{
    int line = scan->line;
    const char *at = scan->at + 1;
    while (at < scan->end && *at != '"') {
        at += *at == '\\' && at + 1 < scan->end ? 2 : 1;
    }
    if (at == scan->end) {
        complain(scan, line, "this string never ends; close it with \"");
    }
    advance(scan, at == scan->end ? at : at + 1);
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*';
}

static void skip_word(struct scan *scan)
{
    while (in_word(*scan->at)) {
        scan->at++;
    }
}

/* A number with point, exponent, 0x or the suffix L is libconfig's own business. */
static void check_number(struct scan *scan)
{
    char *end;
    errno = 0;
    long long value = strtoll(scan->at, &end, 10);
    bool plain = strchr(".eExXL", *end) == NULL || *end == '\0';
    if (plain && (errno == ERANGE || value > INT32_MAX || value < INT32_MIN)) {
        char text[160];
        (void)snprintf(text, sizeof text,
                       "%.*s is too large for a plain number and would be misread; write sizes "
                       "and times as strings with a unit, such as \"20G\" or \"30d\"",
                       (int)(end - scan->at > 40 ? 40 : end - scan->at), scan->at);
        complain(scan, scan->line, text);
    }
    scan->at = end;
    while (in_word(*scan->at) || *scan->at == '.' || *scan->at == '+') {
        scan->at++;
    }
}

static void step(struct scan *scan)
{
    char c = *scan->at, next = scan->at[1]; /* the text ends with a 0 */
    if (c == '#' || (c == '/' && next == '/')) {
        skip_line(scan);
    } else if (c == '/' && next == '*') {
        skip_block(scan);
    } else if (c == '"') {
        skip_string(scan);
    } else if (isdigit((unsigned char)c) ||
               ((c == '-' || c == '+') && isdigit((unsigned char)next))) {
        check_number(scan);
    } else if (in_word(c)) {
        skip_word(scan);
    } else {
        if (c == '@') {
            complain(scan, scan->line,
                     "@include is not supported; stations and rules may each be a folder of files");
        }
        advance(scan, scan->at + 1);
    }
}

bool config_scan(const char *text, size_t length, config_scan_report *report, void *context)
{
    struct scan scan = { text, text + length, 1, true, report, context };
    const char *zero = memchr(text, '\0', length);
    if (zero != NULL) {
        advance(&scan, zero);
        complain(&scan, scan.line, "the file holds a zero byte here; it must be plain text");
        return false;
    }
    while (scan.at < scan.end) {
        step(&scan);
    }
    return scan.clean;
}

const char *config_scan_line(const char *text, int line, char *buffer, size_t capacity)
{
    for (int i = 1; i < line && text != NULL; i++) {
        text = strchr(text, '\n');
        text = text == NULL ? NULL : text + 1;
    }
    text = text == NULL ? "" : text + strspn(text, " \t\r");
    size_t length = strcspn(text, "\r\n");
    while (length > 0 && isspace((unsigned char)text[length - 1])) {
        length--;
    }
    (void)snprintf(buffer, capacity, "%.*s", (int)(length < capacity ? length : capacity), text);
    return buffer;
}

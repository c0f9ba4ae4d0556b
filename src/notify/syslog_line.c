#include "notify/syslog_line.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "phusa/number.h"

#define BOM           "\xEF\xBB\xBF"
#define TIME_MAX      40
#define FACILITY_LAST 23

struct page {
    char *out;
    size_t used;
    bool full;
};

__attribute__((format(printf, 2, 3))) static void put(struct page *page, const char *format, ...)
{
    size_t room = SYSLOG_LINE_MAX + 1 - page->used;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(page->out + page->used, room, format, arguments);
    va_end(arguments);
    if (page->full || length < 0 || (size_t)length >= room) {
        page->full = true;
        return;
    }
    page->used += (size_t)length;
}

static int severity_of(enum severity to)
{
    static const int numbers[] = { [SEVERITY_NORMAL] = 5,
                                   [SEVERITY_MINOR] = 4,
                                   [SEVERITY_MODERATE] = 3,
                                   [SEVERITY_SEVERE] = 2,
                                   [SEVERITY_EXTREME] = 1 };
    return numbers[to];
}

static const char *kind_of(const struct letter *letter)
{
    if (letter->escalated) {
        return "ESCALATED";
    }
    if (letter->flapping) {
        return "FLAPPING";
    }
    if (letter->to == SEVERITY_NORMAL) {
        return "CLEARED";
    }
    return letter->from == SEVERITY_NORMAL ? "RAISED" : "CHANGED";
}

/* RFC 3339, to the millisecond. */
static void print_time(int64_t ns, int32_t utc_offset_s, char text[TIME_MAX])
{
    int64_t second = ns / SECOND_NS - (ns % SECOND_NS < 0);
    int millis = (int)((ns - second * SECOND_NS) / MILLI_NS);
    int32_t minutes = (utc_offset_s < 0 ? -utc_offset_s : utc_offset_s) / 60;
    time_t local = (time_t)(second + utc_offset_s);
    struct tm parts = { 0 };
    (void)gmtime_r(&local, &parts);
    size_t used = strftime(text, TIME_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    used += (size_t)snprintf(text + used, TIME_MAX - used, ".%03d", millis);
    if (minutes == 0) {
        (void)snprintf(text + used, TIME_MAX - used, "Z");
    } else {
        (void)snprintf(text + used, TIME_MAX - used, "%c%02d:%02d", utc_offset_s < 0 ? '-' : '+',
                       (int)(minutes / 60), (int)(minutes % 60));
    }
}

static void put_host(struct page *page, const char *host)
{
    size_t length = strnlen(host, SYSLOG_HOST_MAX);
    for (size_t i = 0; i < length; i++) {
        put(page, "%c", host[i] > ' ' && host[i] < 0x7f ? host[i] : '-');
    }
    put(page, "%s", length == 0 ? "-" : "");
}

/* A parameter of the structured data; ", \ and ] are escaped (RFC 5424, section 6.3.3). */
static void put_parameter(struct page *page, const char *name, const char *value)
{
    put(page, " %s=\"", name);
    for (; *value != '\0'; value++) {
        put(page, "%s%c", strchr("\"\\]", *value) != NULL ? "\\" : "", *value);
    }
    put(page, "\"");
}

static void put_data(struct page *page, const struct letter *letter)
{
    char since[TIME_MAX], value[PHUSA_DOUBLE_CHARS + 1];
    print_time(letter->since_ns, letter->utc_offset_s, since);
    put(page, "[" SYSLOG_SD_ID);
    put_parameter(page, "rule", letter->rule);
    put_parameter(page, "site", letter->site);
    put_parameter(page, "station", letter->station);
    put_parameter(page, "parameter", letter->parameter);
    put_parameter(page, "from", severity_name(letter->from));
    put_parameter(page, "to", severity_name(letter->to));
    put_parameter(page, "since", since);
    if (isfinite(letter->value)) {
        value[phusa_double_print(letter->value, value)] = '\0';
        put_parameter(page, "value", value);
        put_parameter(page, "unit", letter->unit);
    }
    if (letter->historical) {
        put_parameter(page, "historical", "true");
    }
    put_parameter(page, "key", letter->key);
    put(page, "]");
}

/* What fits of the text, whole characters. */
static void put_text(struct page *page, const char *text)
{
    size_t room = SYSLOG_LINE_MAX - page->used, length = strlen(text);
    if (length > room) {
        length = room;
        while (length > 0 && ((unsigned char)text[length] & 0xC0U) == 0x80) {
            length--;
        }
    }
    put(page, "%.*s", (int)length, text);
}

size_t syslog_print(const struct letter *letter, int facility, enum language language,
                    const char *host, char line[SYSLOG_LINE_MAX + 1])
{
    struct page page = { line, 0, false };
    char time[TIME_MAX];
    if (facility < 0 || facility > FACILITY_LAST) {
        return 0;
    }
    print_time(letter->time_ns, letter->utc_offset_s, time);
    put(&page, "<%d>1 %s ", facility * 8 + severity_of(letter->to), time);
    put_host(&page, host);
    put(&page, " phusa - %s ", kind_of(letter));
    put_data(&page, letter);
    put(&page, " " BOM);
    if (page.full) {
        return 0;
    }
    put_text(&page, letter->text.in[language]);
    return page.used;
}

#include "base/iso_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

/* Reads exactly `digits` digits. */
static bool take_digits(const char **at, const char *end, int digits, int *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        if (*at == end || **at < '0' || **at > '9') {
            return false;
        }
        *value = *value * 10 + (*(*at)++ - '0');
    }
    return true;
}

static bool take_char(const char **at, const char *end, const char *allowed)
{
    if (*at == end || **at == '\0' || strchr(allowed, **at) == NULL) {
        return false;
    }
    (*at)++;
    return true;
}

/* ".5" to nanoseconds; nothing gives 0. */
static bool take_fraction(const char **at, const char *end, int64_t *ns)
{
    *ns = 0;
    if (*at == end || **at != '.') {
        return true;
    }
    (*at)++;
    const char *begin = *at;
    for (int64_t scale = SECOND_NS / 10; *at < end && **at >= '0' && **at <= '9';
         (*at)++, scale /= 10) {
        *ns += (**at - '0') * scale;
    }
    return *at > begin;
}

static bool take_offset(const char **at, const char *end, int64_t *seconds)
{
    int hours, minutes;
    *seconds = 0;
    if (take_char(at, end, "Zz")) {
        return true;
    }
    bool west = *at < end && **at == '-';
    if (!take_char(at, end, "+-") || !take_digits(at, end, 2, &hours)) {
        return false;
    }
    (void)take_char(at, end, ":");
    if (!take_digits(at, end, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *seconds = (west ? -1 : 1) * ((int64_t)hours * 60 + minutes) * 60;
    return true;
}

bool iso_time_parse(struct phusa_text text, int64_t *ns)
{
    const char *at = text.data, *end = text.data + text.length;
    struct tm parts = { 0 };
    int64_t fraction, offset;
    bool good = take_digits(&at, end, 4, &parts.tm_year) && take_char(&at, end, "-") &&
                take_digits(&at, end, 2, &parts.tm_mon) && take_char(&at, end, "-") &&
                take_digits(&at, end, 2, &parts.tm_mday) && take_char(&at, end, "Tt ") &&
                take_digits(&at, end, 2, &parts.tm_hour) && take_char(&at, end, ":") &&
                take_digits(&at, end, 2, &parts.tm_min);
    if (good && at < end && *at == ':') {
        at++;
        good = take_digits(&at, end, 2, &parts.tm_sec) && take_fraction(&at, end, &fraction);
    } else {
        fraction = 0;
    }
    if (!good || !take_offset(&at, end, &offset) || at != end || parts.tm_year < 1970 ||
        parts.tm_year > 2261 || parts.tm_mon < 1 || parts.tm_mon > 12 || parts.tm_mday < 1 ||
        parts.tm_mday > 31 || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60) {
        return false;
    }
    int month = --parts.tm_mon, day = parts.tm_mday;
    parts.tm_year -= 1900;
    int64_t seconds = (int64_t)timegm(&parts) - offset;
    *ns = seconds * SECOND_NS + fraction;
    return parts.tm_mon == month && parts.tm_mday == day; /* otherwise there is no such day */
}

bool iso_time_or_day_parse(struct phusa_text text, int32_t utc_offset_s, int64_t *ns)
{
    static const char midnight[] = "T00:00Z";
    char whole[sizeof "2026-01-01" + sizeof midnight];
    if (text.length != sizeof "2026-01-01" - 1) {
        return iso_time_parse(text, ns);
    }
    memcpy(whole, text.data, text.length);
    memcpy(whole + text.length, midnight, sizeof midnight);
    bool good = iso_time_parse(phusa_text_of(whole), ns);
    *ns -= good ? utc_offset_s * SECOND_NS : 0;
    return good;
}

void iso_time_print(int64_t ns, int32_t utc_offset_s, char text[ISO_TIME_CHARS + 1])
{
    int64_t second = ns / SECOND_NS - (ns % SECOND_NS < 0 ? 1 : 0);
    time_t local = (time_t)(second + utc_offset_s);
    unsigned minutes = (unsigned)(utc_offset_s < 0 ? -utc_offset_s : utc_offset_s) / 60u % 1440u;
    struct tm parts;
    text[0] = '\0';
    if (gmtime_r(&local, &parts) != NULL) {
        size_t used = strftime(text, ISO_TIME_CHARS + 1, "%Y-%m-%dT%H:%M:%S", &parts);
        (void)snprintf(text + used, ISO_TIME_CHARS + 1 - used, "%c%02u:%02u",
                       utc_offset_s > 0 ? '+' : '-', minutes / 60u, minutes % 60u);
    }
}

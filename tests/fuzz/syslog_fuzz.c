/*
 * Syslog messages of letters with any text, unit, name and host: one line of RFC 5424 that is read
 * back: header, structured data with what was handed in, and a text that is cut at a character.
 */
#include "notify/syslog_line.h"
#include "pieces.h"
#include "shared/utf8.h"

#define BOM "\xEF\xBB\xBF"

/* The value behind name="; returns where it ends. */
static const char *check_parameter(const char *at, const char *name, const char *value)
{
    ENSURE(*at++ == ' ');
    ENSURE(strncmp(at, name, strlen(name)) == 0);
    at += strlen(name);
    ENSURE(at[0] == '=' && at[1] == '"');
    for (at += 2; *value != '\0'; value++, at++) {
        at += *at == '\\' ? 1 : 0;
        ENSURE(*at == *value);
    }
    ENSURE(*at == '"');
    return at + 1;
}

static void check_line(const char *line, const struct letter *letter, const char *text)
{
    size_t length = strlen(line), shown;
    const char *at = strstr(line, " [" SYSLOG_SD_ID " "); /* no host has a blank */
    int spaces = 1;
    ENSURE(strncmp(line, "<130>1 ", 7) == 0 && at != NULL);
    for (const char *head = line; head < at; head++) {
        ENSURE(*head >= ' ' && *head < 0x7f);
        spaces += *head == ' ' ? 1 : 0;
    }
    ENSURE(spaces == 6); /* PRI and version, time, host, name, process, kind */
    at = check_parameter(at + strlen(" [" SYSLOG_SD_ID), "rule", letter->rule);
    at = check_parameter(at, "site", letter->site);
    at = strstr(at, " value=\"4.25\" unit=");
    ENSURE(at != NULL);
    at = check_parameter(at + strlen(" value=\"4.25\""), "unit", letter->unit);
    at = check_parameter(at, "key", letter->key);
    ENSURE(strncmp(at, "] " BOM, 5) == 0);
    shown = length - (size_t)(at + 5 - line);
    ENSURE(strncmp(at + 5, text, shown) == 0);
    ENSURE(text[shown] == '\0' || length > SYSLOG_LINE_MAX - 4);
    ENSURE(!utf8_valid(text, strlen(text)) || utf8_valid(at + 5, shown));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pieces pieces = pieces_cut(data, size);
    char line[SYSLOG_LINE_MAX + 1];
    struct letter letter = { .key = pieces.of[4],
                             .rule = pieces.of[3],
                             .site = "my-tho",
                             .station = "s1",
                             .parameter = "salinity",
                             .from = SEVERITY_MINOR,
                             .to = SEVERITY_SEVERE,
                             .time_ns = INT64_C(1762000200123456789),
                             .since_ns = INT64_C(1762000200123456789),
                             .value = 4.25,
                             .unit = pieces.of[2],
                             .text = { { pieces.of[0], pieces.of[0] } },
                             .utc_offset_s = 7 * 3600 };
    size_t length = syslog_print(&letter, 16, LANGUAGE_VI, pieces.of[1], line);
    ENSURE(length == 0 || strlen(line) == length);
    if (length > 0) {
        check_line(line, &letter, letter.text.in[LANGUAGE_VI]);
    } else {
        ENSURE(strlen(pieces.of[2]) + strlen(pieces.of[3]) + strlen(pieces.of[4]) > 400);
    }
    pieces_free(&pieces);
    return 0;
}

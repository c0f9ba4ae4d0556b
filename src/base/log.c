#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MINUTE_NS 60000000000LL
#define HOUR_NS   (60 * MINUTE_NS)

static enum log_level threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    threshold = level;
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARNING:
        return "warning";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_DEBUG:
        return "debug";
    }
    return "log";
}

__attribute__((format(printf, 2, 0))) static void log_line(enum log_level level, const char *format,
                                                           va_list arguments)
{
    if (level > threshold) {
        return;
    }
    char line[LOG_LINE_MAX];
    int head = getenv("JOURNAL_STREAM") != NULL
                   ? snprintf(line, sizeof line, "<%d>", (int)level)
                   : snprintf(line, sizeof line, "%s: ", level_name(level));
    size_t used = head > 0 ? (size_t)head : 0;
    int body = vsnprintf(line + used, sizeof line - used - 1, format, arguments);
    if (body > 0) {
        size_t room = sizeof line - used - 2;
        used += (size_t)body < room ? (size_t)body : room;
    }
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written; /* nobody to tell */
}

#define LOG_FUNCTION(name, level)                                                                  \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        log_line((level), format, arguments);                                                      \
        va_end(arguments);                                                                         \
    }

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

bool log_complaint_due(struct log_complaint *complaint, long long mono_ns)
{
    if (!complaint->active) {
        *complaint = (struct log_complaint){ .active = true,
                                             .since_ns = mono_ns,
                                             .next_ns = mono_ns + MINUTE_NS,
                                             .pause_ns = MINUTE_NS };
        return true;
    }
    if (mono_ns < complaint->next_ns) {
        complaint->suppressed++;
        return false;
    }
    complaint->pause_ns = complaint->pause_ns * 2 < HOUR_NS ? complaint->pause_ns * 2 : HOUR_NS;
    complaint->next_ns = mono_ns + complaint->pause_ns;
    return true;
}

bool log_complaint_over(struct log_complaint *complaint, long long mono_ns, long long *lasted_ns)
{
    if (!complaint->active) {
        return false;
    }
    if (lasted_ns != NULL) {
        *lasted_ns = mono_ns - complaint->since_ns;
    }
    *complaint = (struct log_complaint){ 0 };
    return true;
}

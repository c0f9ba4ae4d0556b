/* What the commands have in common. */
#include "cli/cli.h"

#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/csv.h"

struct settings *cli_load(const char *file, unsigned need)
{
    struct settings_errors errors = { 0 };
    struct settings *settings = NULL;
    if (settings_load(file, need, &settings, &errors) == SETTINGS_NO_MEMORY) {
        (void)fprintf(stderr, "phusa: %s: out of memory\n", file);
    }
    settings_errors_print(&errors, stderr);
    settings_errors_clear(&errors);
    if (settings != NULL) {
        settings_warnings_print(&settings->warnings, stderr);
    }
    return settings;
}

int cli_point_to_help(const char *command)
{
    (void)fprintf(stderr, "`phusa %s --help` says more\n", command);
    return CLI_USAGE;
}

int cli_misuse(const char *command, const char *format, ...)
{
    va_list arguments;
    (void)fprintf(stderr, "phusa %s: ", command);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    return cli_point_to_help(command);
}

void cli_print_plain(FILE *out, struct phusa_text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20 || byte == 0x7f) {
            (void)fprintf(out, "\\x%02x", (unsigned)byte);
        } else {
            (void)putc(byte, out);
        }
    }
}

const char *cli_default_config(char *buffer, size_t capacity)
{
    static const char *const beside[] = { "../config/phusa.cfg", "../../config/phusa.cfg",
                                          "../share/phusa/phusa.cfg" };
    const char *named = getenv("PHUSA_CONFIG");
    if (named != NULL && *named != '\0') {
        return named;
    }
    char program[2048];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) {
        return NULL;
    }
    program[length] = '\0';
    const char *folder = dirname(program);
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        int needed = snprintf(buffer, capacity, "%s/%s", folder, beside[i]);
        if (needed > 0 && (size_t)needed < capacity && access(buffer, R_OK) == 0) {
            return buffer;
        }
    }
    return access("config/phusa.cfg", R_OK) == 0 ? "config/phusa.cfg" : NULL;
}

struct settings *cli_load_or_default(const char *command, const char *file, unsigned need)
{
    char buffer[CLI_PATH_MAX];
    const char *path = file != NULL ? file : cli_default_config(buffer, sizeof buffer);
    if (path == NULL) {
        (void)fprintf(stderr, "phusa %s: no configuration found: name it with -c FILE\n", command);
        return NULL;
    }
    return cli_load(path, need);
}

void cli_local_time(int64_t ns, int32_t utc_offset_s, char text[CLI_TIME_MAX])
{
    int64_t whole = ns / SECOND_NS - (ns % SECOND_NS < 0);
    time_t seconds = (time_t)(whole + utc_offset_s);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts);
    size_t used = strftime(text, CLI_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    unsigned minutes = (unsigned)abs(utc_offset_s) / 60;
    (void)snprintf(text + used, CLI_TIME_MAX - used, "%c%02u:%02u", utc_offset_s < 0 ? '-' : '+',
                   minutes / 60 % 100, minutes % 60);
}

bool cli_read_time(const char *command, const char *option, const char *text, int64_t *ns)
{
    if (csv_time(phusa_text_of(text), ns)) {
        return true;
    }
    (void)fprintf(stderr,
                  "phusa %s: --%s %s: write seconds since 1970, or ISO 8601 with an offset such as "
                  "2026-03-01T06:00:00+07:00\n",
                  command, option, text);
    return false;
}

bool cli_read_number(const char *text, uint64_t *number)
{
    char *end = NULL;
    if (*text < '0' || *text > '9') {
        return false; /* strtoull would take a sign */
    }
    *number = strtoull(text, &end, 10);
    return *end == '\0';
}

bool cli_read_count(const char *command, const char *option, const char *text, uint64_t *number)
{
    if (cli_read_number(text, number)) {
        return true;
    }
    (void)fprintf(stderr, "phusa %s: --%s %s: write a whole number\n", command, option, text);
    return false;
}

/* phusa: finds the command. */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    { "decode", cli_decode, "one payload on stdin becomes line protocol on stdout" },
    { "tap", cli_tap, "live readings and alarms in a terminal" },
    { "journal", cli_journal, "stat, verify or dump a journal" },
    { "replay", cli_replay, "which alarms the past would have raised" },
};

static void print_usage(FILE *out)
{
    (void)fputs("usage: phusa COMMAND [OPTION ...]\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        (void)fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
    }
    (void)fputs("  --help, --version; `phusa COMMAND --help` says more\n", out);
}

struct settings *cli_load(const char *file, unsigned need)
{
    struct settings_errors errors = { 0 };
    struct settings *settings = NULL;
    if (settings_load(file, need, &settings, &errors) == SETTINGS_NO_MEMORY) {
        (void)fprintf(stderr, "phusa: %s: out of memory\n", file);
    }
    settings_errors_print(&errors, stderr);
    settings_errors_clear(&errors);
    return settings;
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

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return CLI_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        (void)puts("phusa " PHUSA_VERSION);
        return CLI_GOOD;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    (void)fprintf(stderr, "phusa: no command \"%s\"\n", argv[1]);
    print_usage(stderr);
    return CLI_USAGE;
}

/* phusa: finds the command, and sees that what it printed arrived. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    { "decode", cli_decode, "one payload on stdin becomes line protocol on stdout" },
    { "tap", cli_tap, "live readings and alarms in a terminal" },
    { "ledger", cli_ledger, "what came, what is stored, set aside and missing" },
    { "quarantine", cli_quarantine, "list, show or put back what was set aside" },
    { "resend", cli_resend, "writes a past range to the store again" },
    { "journal", cli_journal, "stat, verify, dump or repair a journal" },
    { "qc", cli_qc, "quality flags of a series" },
    { "replay", cli_replay, "which alarms the past would have raised" },
    { "rules", cli_rules, "tests of rules, written as data" },
    { "alarms", cli_alarms, "alarms: what is active, what befell them, what to do with them" },
    { "station", cli_station, "makes stations, lists them, has them do something" },
    { "subscribers", cli_subscribers, "who wants to be warned: list, add, import, opt out" },
    { "messages", cli_messages, "what people are told, by every rule, in both languages" },
    { "calc", cli_calc, "salinity, EC25, oxygen, ammonia, VN_AQI: of values or tables" },
};

static void print_usage(FILE *out)
{
    (void)fputs("usage: phusa COMMAND [OPTION ...]\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        (void)fprintf(out, "  %-11s  %s\n", commands[i].name, commands[i].summary);
    }
    (void)fputs("  --help, --version; `phusa COMMAND --help` says more\n", out);
}

/* Data that did not arrive is no success, whatever the command says. */
static int see_written(int result)
{
    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return result;
    }
    (void)fprintf(stderr, "phusa: what was printed could not be written: %s\n",
                  errno != 0 ? strerror(errno) : "an earlier write failed");
    return CLI_BAD;
}

/* Its messages, and getopt's, begin with "phusa COMMAND:". */
static int run(const struct command *command, int argc, char **argv)
{
    char name[32];
    (void)snprintf(name, sizeof name, "phusa %s", command->name);
    argv[0] = name;
    return command->run(argc, argv);
}

static int obey(int argc, char **argv)
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
            return run(&commands[i], argc - 1, argv + 1);
        }
    }
    (void)fprintf(stderr, "phusa: no command \"%s\"\n`phusa --help` lists them\n", argv[1]);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    return see_written(obey(argc, argv));
}

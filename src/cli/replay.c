/*
 * phusa replay: takes the past in order of reading time through the pipeline and prints
 * the transitions that the rules make of it, ordered by time, rule, station; with --diff what other
 * rules would have made of it (replay_diff.c).
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/past.h"
#include "cli/replay_diff.h"

static int help(void)
{
    (void)fputs(
        "usage: phusa replay -c FILE (--csv FILE | --journal DIR) [--diff OTHER]\n"
        "  -c, --config FILE  configuration with parameters, stations and rules\n"
        "      --csv FILE     time,station,parameter,value[,status] with a header; - is stdin\n"
        "      --journal DIR  a journal of phusad\n"
        "      --as-received  with --journal: as phusad judged it, in the order of arrival\n"
        "                     (late readings as history); otherwise by time of reading\n"
        "      --diff OTHER   a second configuration: what its rules would have done differently,\n"
        "                     and how many messages each minute and subscriber would have got\n"
        "  -h, --help         print this\n"
        "Prints one JSON object a line for each change of an alarm's state; sends nothing.\n",
        stdout);
    return CLI_GOOD;
}

/* --- printing ------------------------------------------------------------------------ */

/* The transitions that phusad made of this journal, in the order in which it made them. */
static void print_notice(void *context, const struct notice *notice)
{
    char line[NOTICE_BODY_MAX];
    (void)context;
    if (notice->event == NULL && notice->transition && notice->rule->level_count > 0) {
        size_t length = notice_replay_json(notice, line, sizeof line);
        (void)fwrite(line, 1, length, stdout);
        (void)putchar('\n');
    }
}

static int replay_as_received(const struct settings *settings, const char *journal)
{
    struct pipeline_sink sink = { .notice = print_notice };
    return past_take_journal("replay", settings, journal, &sink) ? CLI_GOOD : CLI_BAD;
}

static bool print_verdicts(struct past *past, const struct settings *settings)
{
    struct verdicts verdicts;
    bool good = past_judge(past, settings, false, &verdicts);
    for (size_t i = 0; i < verdicts.count; i++) {
        print_notice(NULL, &verdicts.notices[i]);
    }
    verdicts_free(&verdicts);
    return good;
}

struct options {
    const char *config, *csv, *journal, *diff;
    bool as_received;
};

static int replay(const struct settings *settings, const struct settings *other,
                  const struct options *options)
{
    struct past *past = past_create(settings);
    bool good = past != NULL &&
                (options->csv != NULL ? past_read_csv(past, options->csv)
                                      : past_read_journal(past, "replay", options->journal));
    if (past == NULL ||
        !(other == NULL ? print_verdicts(past, settings) : replay_diff(past, settings, other))) {
        (void)fputs("phusa replay: out of memory\n", stderr);
        good = false;
    }
    past_free(past);
    return good ? CLI_GOOD : CLI_BAD;
}

static int mistake_of(const struct options *options, int argc, char **argv)
{
    if (options->config == NULL) {
        return cli_misuse("replay", "which configuration? -c FILE");
    }
    if ((options->csv == NULL) == (options->journal == NULL)) {
        return cli_misuse("replay", "either --csv FILE or --journal DIR");
    }
    if (options->as_received && (options->csv != NULL || options->diff != NULL)) {
        return cli_misuse("replay", "--as-received goes with --journal only");
    }
    return optind != argc ? cli_misuse("replay", "\"%s\" is too much", argv[optind]) : CLI_GOOD;
}

/* For a comparison with its channels and subscribers, if the file says who they are. */
static struct settings *load(const char *file, bool compare)
{
    struct settings_errors *errors = compare ? calloc(1, sizeof *errors) : NULL;
    struct settings *settings = NULL;
    if (errors != NULL) {
        (void)settings_load(file, SETTINGS_ALL, &settings, errors);
        settings_errors_clear(errors);
        free(errors);
    }
    if (settings != NULL) {
        settings_warnings_print(&settings->warnings, stderr);
    } else if (compare) {
        (void)fprintf(stderr, "phusa replay: %s: without its services no messages are counted\n",
                      file);
    }
    return settings != NULL ? settings : cli_load(file, SETTINGS_RULES);
}

static int run(const struct options *options)
{
    struct settings *settings = load(options->config, options->diff != NULL);
    struct settings *other =
        options->diff == NULL || settings == NULL ? NULL : load(options->diff, true);
    int result = CLI_BAD;
    if (settings != NULL && (options->diff == NULL || other != NULL)) {
        result = options->as_received ? replay_as_received(settings, options->journal)
                                      : replay(settings, other, options);
    }
    settings_free(settings);
    settings_free(other);
    return result;
}

int cli_replay(int argc, char **argv)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },
        { "csv", required_argument, NULL, 's' },
        { "journal", required_argument, NULL, 'j' },
        { "as-received", no_argument, NULL, 'a' },
        { "diff", required_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = { 0 };
    int option;
    while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        if (option == 'c') {
            options.config = optarg;
        } else if (option == 's') {
            options.csv = optarg;
        } else if (option == 'j') {
            options.journal = optarg;
        } else if (option == 'd') {
            options.diff = optarg;
        } else if (option == 'a') {
            options.as_received = true;
        } else {
            return option == 'h' ? help() : cli_point_to_help("replay");
        }
    }
    int mistake = mistake_of(&options, argc, argv);
    return mistake == CLI_GOOD ? run(&options) : mistake;
}

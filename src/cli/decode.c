/* phusa decode: one payload through the pipeline. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "phusa/number.h"
#include "pipeline.h"

struct options {
    const char *site, *station, *config;
    bool has_at;
    int64_t at_ns;
};

static int help(void)
{
    (void)fputs(
        "usage: phusa decode --site S --station ID [--at SECONDS] [-c FILE] < PAYLOAD\n"
        "  -s, --site S       the site in the topic\n"
        "  -i, --station ID   the station in the topic\n"
        "  -a, --at SECONDS   receive time, seconds since 1970 (default: now)\n"
        "  -c, --config FILE  configuration with parameters and stations (default: the shipped\n"
        "                     one; a station it does not know is then taken as it is named)\n"
        "  -h, --help         print this\n"
        "Line protocol goes to stdout, what was set aside to stderr; exit 1 if anything was.\n",
        stdout);
    return CLI_GOOD;
}

static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        { "site", required_argument, NULL, 's' }, { "station", required_argument, NULL, 'i' },
        { "at", required_argument, NULL, 'a' },   { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },       { NULL, 0, NULL, 0 },
    };
    int option;
    while ((option = getopt_long(argc, argv, "s:i:a:c:h", known, NULL)) != -1) {
        struct phusa_decimal decimal;
        switch (option) {
        case 's':
            options->site = optarg;
            break;
        case 'i':
            options->station = optarg;
            break;
        case 'a':
            options->has_at =
                phusa_decimal_scan(optarg, strlen(optarg), &decimal) == strlen(optarg) &&
                *optarg != '\0' && phusa_decimal_to_nanos(&decimal, &options->at_ns);
            if (!options->has_at) {
                return cli_misuse("decode", "--at %s: write seconds since 1970", optarg) + 1;
            }
            break;
        case 'c':
            options->config = optarg;
            break;
        case 'h':
            return help() + 1;
        default:
            return cli_point_to_help("decode") + 1;
        }
    }
    if (options->site == NULL || options->station == NULL) {
        return cli_misuse("decode", "whose report is it? --site and --station say it") + 1;
    }
    if (optind != argc) {
        return cli_misuse("decode", "\"%s\" is too much; the payload is read from standard input",
                          argv[optind]) +
               1;
    }
    return 0;
}

static void print_lines(void *context, struct phusa_text lines, uint32_t readings,
                        uint64_t position)
{
    (void)context;
    (void)readings;
    (void)position;
    (void)fwrite(lines.data, 1, lines.length, stdout);
}

static void print_set_aside(void *context, const struct set_aside *item)
{
    bool *any = context;
    *any = true;
    if (item->whole) {
        (void)fprintf(stderr, "quarantined: %s: %s (byte %zu)\n", phusa_reason_name(item->reason),
                      item->detail, item->offset);
        return;
    }
    char number[PHUSA_DOUBLE_CHARS];
    size_t length = phusa_double_print(item->value, number);
    (void)fprintf(stderr, "quarantined: %s: ", phusa_reason_name(item->reason));
    cli_print_plain(stderr, item->name);
    (void)fprintf(stderr, " = %.*s: %s\n", length > 0 ? (int)length : 3,
                  length > 0 ? number : "NaN", item->detail);
}

/* A registry of just this station, for a payload of a station that nobody has described. */
static void assume_station(struct settings *settings, struct station *station,
                           const struct options *options)
{
    if (registry_find(&settings->registry, phusa_text_of(options->station)) != NULL) {
        return;
    }
    *station = (struct station){ .id = options->station,
                                 .site = options->site,
                                 .kind = "station",
                                 .name = options->station,
                                 .every_ns = 300 * SECOND_NS };
    settings->registry = (struct registry){ .stations = station, .count = 1 };
}

static int decode(struct settings *settings, const struct options *options,
                  const struct clock *clock)
{
    bool any = false;
    struct pipeline_sink sink = {
        .context = &any, .single = true, .lines = print_lines, .set_aside = print_set_aside
    };
    struct pipeline *pipeline = pipeline_create(settings, &sink);
    char *payload = malloc(JOURNAL_BODY_MAX);
    char topic[PHUSA_TOPIC_MAX * 4];
    if (pipeline == NULL || payload == NULL) {
        (void)fputs("phusa decode: out of memory\n", stderr);
        free(payload);
        pipeline_free(pipeline);
        return CLI_BAD;
    }
    size_t length = fread(payload, 1, JOURNAL_BODY_MAX, stdin);
    (void)snprintf(topic, sizeof topic, "phusa/1/%s/%s/obs", options->site, options->station);
    struct journal_record record = { .position = 1,
                                     .kind = JOURNAL_MESSAGE,
                                     .time = options->has_at ? (wall_time){ options->at_ns }
                                                             : clock_wall(clock),
                                     .topic = phusa_text_of(topic),
                                     .payload = { payload, length } };
    if (length > PHUSA_REPORT_BYTES_MAX) {
        record.flags = JOURNAL_FLAG_CUT;
    }
    pipeline_take(pipeline, &record);
    free(payload);
    pipeline_free(pipeline);
    return any ? CLI_BAD : CLI_GOOD;
}

int cli_decode(int argc, char **argv)
{
    struct options options = { 0 };
    int ended = parse_options(argc, argv, &options);
    if (ended != 0) {
        return ended - 1;
    }
    struct clock clock;
    struct problem problem = { 0 };
    if (clock_parse(&clock, getenv("PHUSA_CLOCK"), &problem) != CLOCK_OK) {
        (void)fprintf(stderr, "phusa decode: %s\n", problem.text);
        return CLI_USAGE;
    }
    char path[4096];
    const char *file =
        options.config != NULL ? options.config : cli_default_config(path, sizeof path);
    if (file == NULL) {
        (void)fputs("phusa decode: no configuration found; name one with -c FILE\n", stderr);
        return CLI_USAGE;
    }
    struct settings *settings = cli_load(file, SETTINGS_STATIONS);
    if (settings == NULL) {
        return CLI_BAD;
    }
    struct station assumed;
    if (options.config == NULL) {
        assume_station(settings, &assumed, &options);
    }
    int result = decode(settings, &options, &clock);
    settings_free(settings);
    return result;
}

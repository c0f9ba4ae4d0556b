/*
 * phusa ledger: what became of every reading and report, as the running phusad says it. The last
 * line checks the books: received = duplicates + stored + quarantined + pending.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "phusa/topic.h"

#define UTC_OFFSET_DEFAULT 25200 /* without a configuration: Vietnam */
#define NAME_MAX_SHOWN     (2 * PHUSA_ID_MAX + 2)

struct options {
    const char *config, *url, *station;
    bool json;
};

static int help(void)
{
    (void)fputs("usage: phusa ledger [--station ID] [--json] [-c FILE] [--url URL]\n"
                "  -i, --station ID   one station, with its logs and each gap in them\n"
                "  -j, --json         as phusad answers it\n"
                "  -c, --config FILE  phusad's configuration (default: the shipped one)\n"
                "  -u, --url URL      where phusad listens (default: http.listen of the "
                "configuration)\n"
                "  -h, --help         print this\n"
                "Exit 1 if phusad does not answer or knows no such station.\n",
                stdout);
    return CLI_GOOD;
}

/* --- the table -------------------------------------------------------------------------- */

enum column { RECEIVED, DUPLICATES, STORED, QUARANTINED, PENDING, MISSING, CLOSED, COLUMNS };

static const struct {
    const char *key, *title;
} columns[COLUMNS] = {
    [RECEIVED] = { "received", "received" },   [DUPLICATES] = { "duplicates", "duplicates" },
    [STORED] = { "stored", "stored" },         [QUARANTINED] = { "quarantined", "quarantined" },
    [PENDING] = { "pending", "pending" },      [MISSING] = { "missing_reports", "missing" },
    [CLOSED] = { "closed_reports", "closed" },
};

struct row {
    uint64_t values[COLUMNS];
};

static uint64_t count_of(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static struct row row_of(const json_t *object)
{
    struct row row;
    for (int column = 0; column < COLUMNS; column++) {
        row.values[column] = count_of(object, columns[column].key);
    }
    return row;
}

static void print_row(const char *name, int name_width, const struct row *row)
{
    (void)printf("%-*s", name_width, name);
    for (int column = 0; column < COLUMNS; column++) {
        (void)printf(" %12" PRIu64, row->values[column]);
    }
    (void)putchar('\n');
}

static void print_titles(int name_width)
{
    (void)printf("%-*s", name_width, "site/station");
    for (int column = 0; column < COLUMNS; column++) {
        (void)printf(" %12s", columns[column].title);
    }
    (void)putchar('\n');
}

static int name_of(const json_t *station, char name[NAME_MAX_SHOWN])
{
    int length =
        snprintf(name, NAME_MAX_SHOWN, "%s/%s", text_of(station, "site"), text_of(station, "id"));
    return length < NAME_MAX_SHOWN ? length : NAME_MAX_SHOWN - 1;
}

static int widest_name(const json_t *stations)
{
    char name[NAME_MAX_SHOWN];
    int widest = (int)strlen("no known station");
    for (size_t i = 0; i < json_array_size(stations); i++) {
        int length = name_of(json_array_get(stations, i), name);
        widest = length > widest ? length : widest;
    }
    return widest;
}

/* What came under no station's name stands only in the totals. */
static void print_unknown(const struct row *sum, const struct row *totals, int width)
{
    struct row unknown = { { 0 } };
    bool any = false;
    const enum column only[] = { RECEIVED, QUARANTINED };
    for (size_t i = 0; i < sizeof only / sizeof only[0]; i++) {
        enum column column = only[i];
        unknown.values[column] = totals->values[column] > sum->values[column]
                                     ? totals->values[column] - sum->values[column]
                                     : 0;
        any |= unknown.values[column] > 0;
    }
    if (any) {
        print_row("no known station", width, &unknown);
    }
}

static void print_books(const struct row *row)
{
    const uint64_t *values = row->values;
    uint64_t accounted =
        values[DUPLICATES] + values[STORED] + values[QUARANTINED] + values[PENDING];
    (void)printf("received %" PRIu64 " %s %" PRIu64 " = duplicates + stored + quarantined + "
                 "pending: the books %s\n",
                 values[RECEIVED], values[RECEIVED] == accounted ? "=" : "is not", accounted,
                 values[RECEIVED] == accounted ? "balance" : "do NOT balance");
}

static void print_all(const json_t *root)
{
    const json_t *stations = json_object_get(root, "stations");
    int width = widest_name(stations);
    struct row sum = { { 0 } }, totals = row_of(json_object_get(root, "totals"));
    print_titles(width);
    for (size_t i = 0; i < json_array_size(stations); i++) {
        const json_t *station = json_array_get(stations, i);
        char name[NAME_MAX_SHOWN];
        struct row row = row_of(station);
        (void)name_of(station, name);
        print_row(name, width, &row);
        for (int column = 0; column < COLUMNS; column++) {
            sum.values[column] += row.values[column];
        }
    }
    print_unknown(&sum, &totals, width);
    print_row("total", width, &totals);
    print_books(&totals);
}

/* --- one station -------------------------------------------------------------------------- */

/* Seconds since 1970, or null, to local time. */
static const char *when(const json_t *object, const char *name, int32_t utc_offset_s,
                        char text[CLI_TIME_MAX])
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_number(value)) {
        return "?";
    }
    cli_local_time((int64_t)(json_number_value(value) * 1e9), utc_offset_s, text);
    return text;
}

static void print_gap(const json_t *gap, int32_t utc_offset_s)
{
    char range[64], time[CLI_TIME_MAX];
    uint64_t first = count_of(gap, "first"), last = count_of(gap, "last");
    const char *closed = json_string_value(json_object_get(gap, "closed"));
    (void)snprintf(range, sizeof range, first == last ? "%" PRIu64 : "%" PRIu64 "-%" PRIu64, first,
                   last);
    (void)printf("  %-24s %10" PRIu64 "  %s %s\n", range, last - first + 1,
                 closed == NULL ? "missing since" : closed, when(gap, "since", utc_offset_s, time));
}

static void print_log(const json_t *log, int32_t utc_offset_s)
{
    const json_t *gaps = json_object_get(log, "gaps");
    (void)printf("log %s%s: %" PRIu64 " reports received, %" PRIu64
                 " of them after they had been missing; highest %" PRIu64 ", announced %" PRIu64
                 "; %" PRIu64 " missing, %" PRIu64 " overwritten, %" PRIu64 " erased\n",
                 text_of(log, "log"),
                 json_is_true(json_object_get(log, "current")) ? " (current)" : "",
                 count_of(log, "received"), count_of(log, "filled"), count_of(log, "highest"),
                 count_of(log, "announced"), count_of(log, "missing"), count_of(log, "overwritten"),
                 count_of(log, "erased"));
    for (size_t i = 0; i < json_array_size(gaps); i++) {
        print_gap(json_array_get(gaps, i), utc_offset_s);
    }
}

static void print_reasons(const json_t *station)
{
    const char *reason;
    json_t *value;
    json_object_foreach(json_object_get(station, "reasons"), reason, value)
    {
        (void)printf("quarantined: %s %" JSON_INTEGER_FORMAT "\n", reason,
                     json_integer_value(value));
    }
}

/* What a station that was reset or restored from a copy does to its numbers. */
static void print_oddities(const json_t *station)
{
    uint64_t back = count_of(station, "went_back"), again = count_of(station, "renumbered");
    if (back > 0) {
        (void)printf("announced a number below one that had come %" PRIu64 " times\n", back);
    }
    if (again > 0) {
        (void)printf("%" PRIu64 " reports came under a number that had come before\n", again);
    }
}

static void print_one(const json_t *root, int32_t utc_offset_s)
{
    const json_t *stations = json_object_get(root, "stations"),
                 *station = json_array_get(stations, 0), *logs = json_object_get(station, "logs");
    char name[NAME_MAX_SHOWN];
    int width = widest_name(stations);
    struct row row = row_of(station);
    (void)name_of(station, name);
    print_titles(width);
    print_row(name, width, &row);
    print_reasons(station);
    print_oddities(station);
    for (size_t i = 0; i < json_array_size(logs); i++) {
        print_log(json_array_get(logs, i), utc_offset_s);
    }
    print_books(&row);
}

/* --- asking ------------------------------------------------------------------------------- */

static int print_answer(const struct options *options, const struct text_buffer *body,
                        int32_t utc_offset_s)
{
    if (options->json) {
        (void)fputs(body->data, stdout);
        return CLI_GOOD;
    }
    json_error_t error;
    json_t *root = json_loads(body->data, 0, &error);
    if (root == NULL) {
        (void)fprintf(stderr, "phusa ledger: phusad's answer is no JSON: %s\n", error.text);
        return CLI_BAD;
    }
    if (options->station != NULL) {
        print_one(root, utc_offset_s);
    } else {
        print_all(root);
    }
    json_decref(root);
    return CLI_GOOD;
}

static int judge(const struct options *options, int code, const struct text_buffer *body,
                 int32_t utc_offset_s)
{
    if (code == 200) {
        return print_answer(options, body, utc_offset_s);
    }
    if (code == 404 && options->station != NULL) {
        (void)fprintf(stderr, "phusa ledger: phusad knows no station \"%s\"\n", options->station);
    } else {
        (void)fprintf(stderr, "phusa ledger: phusad answered %d: %s\n", code, body->data);
    }
    return CLI_BAD;
}

static int ask_ledger(const struct options *options, const char *url, int32_t utc_offset_s)
{
    char path[64 + PHUSA_ID_MAX];
    struct text_buffer body = { 0 };
    struct problem problem = { "" };
    (void)snprintf(path, sizeof path, "/api/v1/ledger%s%s",
                   options->station == NULL ? "" : "?station=",
                   options->station == NULL ? "" : options->station);
    struct ask *ask = ask_create(url, "", &problem);
    int code = ask == NULL ? 0 : ask_perform(ask, path, NULL, &body, &problem);
    int result = CLI_BAD;
    if (code == 0) {
        (void)fprintf(stderr, "phusa ledger: %s\n", problem.text);
    } else {
        result = judge(options, code, &body, utc_offset_s);
    }
    text_buffer_free(&body);
    ask_free(ask);
    return result;
}

static int run(const struct options *options)
{
    char url[ASK_URL_MAX];
    if (options->url != NULL && options->config == NULL) {
        return ask_ledger(options, options->url, UTC_OFFSET_DEFAULT);
    }
    struct settings *settings = cli_load_or_default("ledger", options->config, SETTINGS_SERVICES);
    if (settings == NULL) {
        return CLI_BAD;
    }
    int result = CLI_BAD;
    if (options->url != NULL || ask_url_of(settings->http.listen, url)) {
        result =
            ask_ledger(options, options->url != NULL ? options->url : url, settings->utc_offset_s);
    } else {
        (void)fprintf(stderr,
                      "phusa ledger: http.listen = \"%s\" leaves the port to the system: "
                      "name it with --url\n",
                      settings->http.listen);
    }
    settings_free(settings);
    return result;
}

int cli_ledger(int argc, char **argv)
{
    static const struct option known[] = {
        { "station", required_argument, NULL, 'i' }, { "json", no_argument, NULL, 'j' },
        { "config", required_argument, NULL, 'c' },  { "url", required_argument, NULL, 'u' },
        { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
    };
    struct options options = { 0 };
    int option;
    while ((option = getopt_long(argc, argv, "i:jc:u:h", known, NULL)) != -1) {
        if (option == 'i') {
            options.station = optarg;
        } else if (option == 'j') {
            options.json = true;
        } else if (option == 'c') {
            options.config = optarg;
        } else if (option == 'u') {
            options.url = optarg;
        } else {
            return option == 'h' ? help() : cli_point_to_help("ledger");
        }
    }
    if (optind != argc) {
        return cli_misuse("ledger", "\"%s\" is too much; one station is named with --station",
                          argv[optind]);
    }
    if (options.station != NULL && !phusa_id_valid(phusa_text_of(options.station))) {
        (void)fprintf(stderr, "phusa ledger: phusad knows no station \"%s\"\n", options.station);
        return CLI_BAD;
    }
    return run(&options);
}

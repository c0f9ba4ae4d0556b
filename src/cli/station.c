/* phusa station: makes new ones, lists those there are; `ask` has a file of its own. */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/station_ask.h"
#include "cli/station_new.h"

struct options {
    struct station_new make;
    bool json;
};

static int help(void)
{
    (void)fputs(
        "usage: phusa station new  --id ID --site SITE --kind KIND [--every TIME]\n"
        "                          [--parameters A,B,...] [--name N] [--lat L --lon L]\n"
        "                          [--broker ADDRESS] [--ca PEM] [--broker-passwords F]\n"
        "                          [--out FILE] [--password-file FILE] [-c FILE]\n"
        "       phusa station list [--json] [-c FILE]\n"
        "       phusa station ask  ID ORDER ... (see below)\n"
        "\n"
        "  new      makes a station: its password, its entry in the registry (a file of its own\n"
        "           in the folder `stations`; printed when that is one file), its entry for\n"
        "           mosquitto's password file, and the provisioning file that the workshop\n"
        "           writes into its board; no station or file that is there is overwritten\n"
        "  list     the stations of the registry\n"
        "Options:\n"
        "      --id ID               new: its id, and its user at the broker\n"
        "      --site SITE           new: where it stands\n"
        "      --kind KIND           new: water, air, trap, ...\n"
        "      --new-site            new: it is the first one at its site\n"
        "      --new-kind            new: it is the first one of its kind\n"
        "      --every TIME          new: distance of its reports, such as 30s, 5m or 1h\n"
        "      --parameters A,B      new: what it reports. This and --every are by default as at "
        "a\n"
        "                            station of that kind, at its site if there is one\n"
        "      --name N              new: its name for people\n"
        "      --lat L, --lon L      new: degrees, both or none\n"
        "      --broker ADDRESS      new: HOST:PORT, as it reaches the broker; default phusad's\n"
        "      --ca PEM              new: who signs the broker's certificate; default phusad's\n"
        "      --broker-passwords F  new: mosquitto's password file, to which the entry is added;\n"
        "                            without it the entry is printed\n"
        "      --out FILE            new: the provisioning file; default ID.provision, \"-\" = "
        "stdout\n"
        "      --password-file FILE  new: the password alone, too, for phusa-station\n"
        "  -j, --json                list: one JSON object a line\n"
        "  -c, --config FILE         phusad's configuration (default: the shipped one)\n"
        "  -h, --help                print this\n"
        "\n",
        stdout);
    station_ask_help();
    return CLI_GOOD;
}

/* --- list ------------------------------------------------------------------------------------- */

static json_t *degrees_or_null(double degrees)
{
    return isnan(degrees) ? json_null() : json_real(degrees);
}

static void print_json(const struct station *station)
{
    json_t *names = json_array();
    for (size_t i = 0; i < station->parameter_count; i++) {
        (void)json_array_append_new(names, json_string(station->parameters[i]->name.data));
    }
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:f, s:o}", "id", station->id, "site",
                  station->site, "kind", station->kind, "name", station->name, "lat",
                  degrees_or_null(station->lat), "lon", degrees_or_null(station->lon), "every",
                  (double)station->every_ns / SECOND_NS, "parameters", names);
    char *line = json_dumps(object, JSON_COMPACT);
    if (line != NULL) {
        (void)puts(line);
    }
    free(line);
    json_decref(object);
}

static void print_row(const struct station *station)
{
    char every[24];
    if (station->every_ns % SECOND_NS != 0) {
        (void)snprintf(every, sizeof every, "%lldms", (long long)(station->every_ns / MILLI_NS));
    } else {
        (void)enrol_span(station->every_ns, every);
    }
    (void)printf("%-32s %-20s %-12s %6s %3zu  %s\n", station->id, station->site, station->kind,
                 every, station->parameter_count, station->name);
}

static int list(bool as_json, const struct settings *settings)
{
    const struct registry *registry = &settings->registry;
    if (!as_json) {
        (void)printf("%-32s %-20s %-12s %6s %3s  %s\n", "STATION", "SITE", "KIND", "EVERY", "N",
                     "NAME");
    }
    for (size_t i = 0; i < registry->count; i++) {
        (as_json ? print_json : print_row)(&registry->stations[i]);
    }
    if (!as_json) {
        (void)printf("%zu stations\n", registry->count);
    }
    return CLI_GOOD;
}

/* --- words ------------------------------------------------------------------------------------ */

static int run(const struct options *options, bool make)
{
    struct settings *settings = cli_load_or_default("station", options->make.config,
                                                    make ? SETTINGS_ALL : SETTINGS_STATIONS);
    int result = settings == NULL ? CLI_BAD
                 : make           ? station_new(&options->make, settings)
                                  : list(options->json, settings);
    settings_free(settings);
    return result;
}

static int find_and_run(const struct options *options, int argc, char **argv)
{
    const struct enrolment *wish = &options->make.wish;
    if (argc == 0) {
        return cli_misuse("station", "what is to be done? new, list or ask");
    }
    if (argc > 1) {
        return cli_misuse("station", "\"%s\" is too much", argv[1]);
    }
    if (strcmp(argv[0], "list") == 0) {
        return run(options, false);
    }
    if (strcmp(argv[0], "new") != 0) {
        return cli_misuse("station", "no verb \"%s\"", argv[0]);
    }
    if (wish->id == NULL || wish->site == NULL || wish->kind == NULL) {
        return cli_misuse("station", "which one? new --id ID --site SITE --kind KIND");
    }
    return run(options, true);
}

enum {
    ID = 256,
    SITE,
    KIND,
    NAME,
    LAT,
    LON,
    EVERY,
    PARAMETERS,
    BROKER,
    CA,
    BROKER_PASSWORDS,
    OUT,
    PASSWORD_FILE,
    NEW_SITE,
    NEW_KIND
};

/* Where an option's text goes; NULL if it has none. */
static const char **place_of(struct options *options, int option)
{
    switch (option) {
    case ID:
        return &options->make.wish.id;
    case SITE:
        return &options->make.wish.site;
    case KIND:
        return &options->make.wish.kind;
    case NAME:
        return &options->make.wish.name;
    case LAT:
        return &options->make.wish.lat;
    case LON:
        return &options->make.wish.lon;
    case EVERY:
        return &options->make.wish.every;
    case PARAMETERS:
        return &options->make.wish.parameters;
    case BROKER:
        return &options->make.wish.broker;
    case CA:
        return &options->make.ca;
    case BROKER_PASSWORDS:
        return &options->make.broker_passwords;
    case OUT:
        return &options->make.out;
    case PASSWORD_FILE:
        return &options->make.password_file;
    case 'c':
        return &options->make.config;
    default:
        return NULL;
    }
}

static bool take_option(struct options *options, int option, const char *text)
{
    const char **place = place_of(options, option);
    if (place != NULL) {
        *place = text;
        return true;
    }
    options->json = options->json || option == 'j';
    options->make.wish.new_site = options->make.wish.new_site || option == NEW_SITE;
    options->make.wish.new_kind = options->make.wish.new_kind || option == NEW_KIND;
    return option == 'j' || option == NEW_SITE || option == NEW_KIND;
}

int cli_station(int argc, char **argv)
{
    static const struct option known[] = {
        { "id", required_argument, NULL, ID },
        { "site", required_argument, NULL, SITE },
        { "kind", required_argument, NULL, KIND },
        { "name", required_argument, NULL, NAME },
        { "lat", required_argument, NULL, LAT },
        { "lon", required_argument, NULL, LON },
        { "every", required_argument, NULL, EVERY },
        { "parameters", required_argument, NULL, PARAMETERS },
        { "broker", required_argument, NULL, BROKER },
        { "ca", required_argument, NULL, CA },
        { "broker-passwords", required_argument, NULL, BROKER_PASSWORDS },
        { "out", required_argument, NULL, OUT },
        { "password-file", required_argument, NULL, PASSWORD_FILE },
        { "new-site", no_argument, NULL, NEW_SITE },
        { "new-kind", no_argument, NULL, NEW_KIND },
        { "json", no_argument, NULL, 'j' },
        { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = { 0 };
    int option;
    if (argc > 1 && strcmp(argv[1], "ask") == 0) {
        return station_ask(argc, argv);
    }
    while ((option = getopt_long(argc, argv, "jc:h", known, NULL)) != -1) {
        if (option == 'h') {
            return help();
        }
        if (!take_option(&options, option, optarg)) {
            return cli_point_to_help("station");
        }
    }
    return find_and_run(&options, argc - optind, argv + optind);
}

/* phusa tap: live readings and alarms in a terminal. */
#include <getopt.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "ingest/mqtt.h"
#include "phusa/number.h"
#include "phusa/senml.h"
#include "phusa/topic.h"

#define NAME_SHOWN_MAX 255 /* bytes of a parameter's name */
#define PATH_COLUMNS   44

struct tap {
    struct clock clock;
    const char *filter; /* NULL, or a part of site/station/parameter or of an alarm's topic */
    bool json;
    int32_t utc_offset_s;
    const char *uri; /* of the broker */
    bool complained; /* that it is away */
    /* scratch of Paho's thread */
    struct phusa_reading readings[PHUSA_REPORT_READINGS_MAX];
    struct phusa_senml_scratch scratch;
};

static int help(void)
{
    (void)fputs("usage: phusa tap [--json] [--for SECONDS] -c FILE [FILTER]\n"
                "  -c, --config FILE  the collector's configuration: its broker is listened to\n"
                "  -j, --json         one JSON object a line\n"
                "  -f, --for SECONDS  end after that time (default: at Ctrl-C)\n"
                "  -h, --help         print this\n"
                "FILTER is a part of site/station/parameter, e.g. my-tho or /salinity.\n",
                stdout);
    return CLI_GOOD;
}

/* The parameter: what follows the last colon of the resolved name. */
static struct phusa_text parameter_of(const struct phusa_reading *reading)
{
    struct phusa_text name = reading->name.length > 0 ? reading->name : reading->base_name;
    for (size_t i = name.length; i > 0; i--) {
        if (name.data[i - 1] == ':') {
            return (struct phusa_text){ name.data + i, name.length - i };
        }
    }
    return name;
}

static void print_json(const char *series, const char *when, const char *number)
{
    (void)printf("{\"time\":%s,\"series\":", when);
    json_t *text = json_string(series); /* NULL if it is no UTF-8 */
    if (text == NULL || json_dumpf(text, stdout, JSON_ENCODE_ANY) != 0) {
        (void)fputs("null", stdout);
    }
    json_decref(text);
    (void)printf(",\"value\":%s}\n", number);
}

static void print_reading(const struct tap *tap, const struct phusa_topic *topic,
                          const struct phusa_reading *reading)
{
    char path[PHUSA_TOPIC_MAX + 512], number[PHUSA_DOUBLE_CHARS + 1];
    char when[PHUSA_DOUBLE_CHARS + 1], local[CLI_TIME_MAX];
    struct phusa_text name = parameter_of(reading);
    (void)snprintf(path, sizeof path, "%.*s/%.*s/%.*s", (int)topic->site.length, topic->site.data,
                   (int)topic->station.length, topic->station.data,
                   name.length < NAME_SHOWN_MAX ? (int)name.length : NAME_SHOWN_MAX,
                   name.length > 0 ? name.data : "");
    if (reading->kind != PHUSA_VALUE_NUMBER ||
        (tap->filter != NULL && strstr(path, tap->filter) == NULL)) {
        return;
    }
    number[phusa_double_print(reading->value, number)] = '\0';
    if (tap->json) {
        when[phusa_seconds_print(reading->time_ns, when)] = '\0';
        print_json(path, when, number[0] != '\0' ? number : "null");
        return;
    }
    cli_local_time(reading->time_ns, tap->utc_offset_s, local);
    (void)printf("%s  ", local);
    cli_print_plain(stdout, phusa_text_of(path));
    (void)printf("%*s %12s ", (int)(strlen(path) < PATH_COLUMNS ? PATH_COLUMNS - strlen(path) : 0),
                 "", number);
    cli_print_plain(stdout, reading->unit);
    (void)putchar('\n');
}

static void on_report(struct tap *tap, const struct phusa_topic *topic, struct phusa_text payload)
{
    struct phusa_report report = { .readings = tap->readings,
                                   .capacity = PHUSA_REPORT_READINGS_MAX };
    enum phusa_status status = phusa_senml_decode(
        payload.data, payload.length, clock_wall(&tap->clock).ns, &report, &tap->scratch, NULL);
    if (status != PHUSA_OK) {
        (void)fprintf(stderr, "%.*s/%.*s: not a report: %s\n", (int)topic->site.length,
                      topic->site.data, (int)topic->station.length, topic->station.data,
                      phusa_status_name(status));
        return;
    }
    for (size_t i = 0; i < report.count; i++) {
        print_reading(tap, topic, &report.readings[i]);
    }
}

/* Nobody waits for what a tap prints, so every message counts as taken. */
static bool on_message(void *context, struct phusa_text name, struct phusa_text payload)
{
    struct tap *tap = context;
    struct phusa_topic topic;
    if (phusa_topic_parse(name, &topic) != PHUSA_OK) {
        return true;
    }
    if (topic.leaf == PHUSA_LEAF_OBS) {
        on_report(tap, &topic, payload);
    } else if (topic.leaf == PHUSA_LEAF_ALARM && payload.length > 0) {
        if (tap->json) {
            (void)printf("%.*s\n", (int)payload.length, payload.data);
        } else {
            (void)printf("*** alarm %.*s/%.*s ", (int)topic.station.length, topic.station.data,
                         (int)topic.rest.length, topic.rest.data);
            cli_print_plain(stdout, payload);
            (void)putchar('\n');
        }
    }
    (void)fflush(stdout);
    return true;
}

static void on_link(void *context, bool up, const char *why)
{
    struct tap *tap = context;
    if (!up && !tap->complained) {
        (void)fprintf(stderr, "broker %s: %s; trying again\n", tap->uri, why);
    } else if (up && tap->complained) {
        (void)fprintf(stderr, "broker %s: connected\n", tap->uri);
    }
    tap->complained = !up;
}

static int listen_in(struct tap *tap, const struct settings *settings, double seconds)
{
    static const char *const subscriptions[] = { "phusa/1/+/+/obs", "phusa/1/+/+/alarm/+", NULL };
    struct broker_settings broker = settings->broker;
    char client_id[32];
    (void)snprintf(client_id, sizeof client_id, "phusa-tap-%ld", (long)getpid());
    broker.client_id = client_id;
    struct mqtt_handlers handlers = { .context = tap, .message = on_message, .link = on_link };
    struct problem problem = { 0 };
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    struct mqtt *mqtt = mqtt_create(&broker, false, subscriptions, &handlers, &problem);
    if (mqtt == NULL) {
        (void)fprintf(stderr, "phusa tap: %s\n", problem.text);
        return CLI_BAD;
    }
    static const struct timespec pause = { .tv_nsec = 100 * MILLI_NS };
    mono_time begun = clock_mono();
    do {
        mqtt_tend(mqtt, clock_mono());
    } while (sigtimedwait(&signals, NULL, &pause) < 0 &&
             (seconds <= 0 || (double)(clock_mono().ns - begun.ns) < seconds * 1e9));
    mqtt_free(mqtt);
    return CLI_GOOD;
}

int cli_tap(int argc, char **argv)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },
        { "json", no_argument, NULL, 'j' },
        { "for", required_argument, NULL, 'f' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *config = NULL;
    double seconds = 0;
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:jf:h", known, NULL)) != -1) {
        if (option == 'c') {
            config = optarg;
        } else if (option == 'j') {
            json = true;
        } else if (option == 'f') {
            if (!phusa_double_parse(optarg, strlen(optarg), &seconds)) {
                return cli_misuse("tap", "--for %s: write a number of seconds", optarg);
            }
        } else {
            return option == 'h' ? help() : cli_point_to_help("tap");
        }
    }
    if (config == NULL) {
        return cli_misuse("tap", "whose broker? -c FILE");
    }
    if (argc - optind > 1) {
        return cli_misuse("tap", "\"%s\" is too much; one filter", argv[optind + 1]);
    }
    struct tap *tap = calloc(1, sizeof *tap);
    struct problem problem = { 0 };
    if (tap == NULL || clock_parse(&tap->clock, getenv("PHUSA_CLOCK"), &problem) != CLOCK_OK) {
        (void)fprintf(stderr, "phusa tap: %s\n", tap == NULL ? "out of memory" : problem.text);
        free(tap);
        return CLI_USAGE;
    }
    tap->json = json;
    tap->filter = optind < argc ? argv[optind] : NULL;
    struct settings *settings = cli_load(config, SETTINGS_ALL);
    int result = CLI_BAD;
    if (settings != NULL) {
        tap->utc_offset_s = settings->utc_offset_s;
        tap->uri = settings->broker.uri;
        result = listen_in(tap, settings, seconds);
    }
    settings_free(settings);
    free(tap);
    return result;
}

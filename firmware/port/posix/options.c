#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flash_file.h"
#include "phusa/number.h"
#include "source_replay.h"

#define BACKLOG_DEFAULT 200
#define BACKLOG_MAX     100000

const char OPTIONS_HELP[] =
    "usage: phusa-station -c FILE (--station ID ... | --all) --broker URI [options]\n"
    "       phusa-station --dump-log FILE\n"
    "       phusa-station --check-map FILE\n"
    "\n"
    "  -c, --config FILE        the configuration with the stations (phusa.cfg)\n"
    "      --station ID         this station of the registry; may be repeated\n"
    "      --all                all stations of the registry\n"
    "      --broker URI         tcp://HOST:PORT or ssl://HOST:PORT\n"
    "      --user NAME          user at the broker; default the station's id\n"
    "      --password-file FILE file whose first line is the password\n"
    "      --ca FILE            PEM file of the authority for ssl; default the system's\n"
    "      --source sim|replay  where readings come from; default sim\n"
    "      --csv FILE           rows to replay, plain or gzip; first column is the time\n"
    "      --map PARAM=COLUMN   column of a parameter; default the parameter's name\n"
    "      --devices FILE       read real sensors instead, as this device map says\n"
    "      --bus WHERE          unix:SOCKET or a serial port (/dev/ttyUSB0) for the next bus of "
    "the\n"
    "                           device map; may be repeated\n"
    "      --trap WHERE         be a pest-light trap, its classifier at WHERE (as of --bus)\n"
    "      --trap-wind PARAM    the lamp stays dark in wind, by this parameter of the station\n"
    "      --trap-battery PARAM  ... while its battery is low\n"
    "      --console PATH       a technician's console on the unix socket PATH\n"
    "      --csv-offset +HH:MM  offset of times without one of their own; default +00:00\n"
    "      --every TIME         distance of reports (15m, 30s, 1h, 1d); default the registry's,\n"
    "                           with replay the median distance of the rows\n"
    "      --sample-every TIME  distance of samples, of which a report has the mean (of pulses\n"
    "                           the sum); a whole part of the distance of reports, which is the\n"
    "                           default\n"
    "      --fast-every TIME    distance of looks at what has an --event-step, while it moves; a\n"
    "                           whole part of the distance of samples\n"
    "      --event-step PARAM=N  report this parameter at once when it has moved N of its unit;\n"
    "                           may be repeated\n"
    "      --jitter TIME        reports leave up to so much later, each station its own\n"
    "      --from TIME          first moment to sample (epoch seconds or ISO 8601)\n"
    "      --until TIME         last moment to sample\n"
    "      --exit-when-delivered  end when all is sampled and covered by receipts\n"
    "      --data DIR           folder of the stations' logs; default station-data\n"
    "      --keep               keep what is set by command, in ID.keep beside the log\n"
    "      --memory             logs in memory, for load: nothing is left at the end\n"
    "      --log-size SIZE      size of one station's log; default 12M\n"
    "      --backlog-rate N     reports of the backlog a second and station; default 200; a\n"
    "                           station's backlog_rate in the registry goes before it\n"
    "      --dump-log FILE      print what the log FILE (ID.log) of a station that is not running\n"
    "                           holds, one JSON object a line, and end\n"
    "      --check-map FILE     print what the device map FILE gives, a device or channel a line, "
    "or\n"
    "                           what is wrong with it, and end\n"
    "      --format json|cbor   form of the reports; default json\n"
    "      --seed N             of the simulation; default 1\n"
    "      --clock SPEC         start=EPOCH,speed=N,origin=EPOCH; default PHUSA_CLOCK or the real "
    "one\n"
    "  -h, --help               this text\n";

enum option_code {
    OPT_CONFIG = 'c',
    OPT_HELP = 'h',
    OPT_STATION = 256,
    OPT_ALL,
    OPT_BROKER,
    OPT_USER,
    OPT_PASSWORD_FILE,
    OPT_CA,
    OPT_SOURCE,
    OPT_CSV,
    OPT_MAP,
    OPT_DEVICES,
    OPT_BUS,
    OPT_TRAP,
    OPT_TRAP_WIND,
    OPT_TRAP_BATTERY,
    OPT_CONSOLE,
    OPT_CSV_OFFSET,
    OPT_EVERY,
    OPT_SAMPLE_EVERY,
    OPT_FAST_EVERY,
    OPT_EVENT_STEP,
    OPT_JITTER,
    OPT_KEEP,
    OPT_MEMORY,
    OPT_FROM,
    OPT_UNTIL,
    OPT_EXIT,
    OPT_DATA,
    OPT_LOG_SIZE,
    OPT_BACKLOG_RATE,
    OPT_DUMP_LOG,
    OPT_CHECK_MAP,
    OPT_FORMAT,
    OPT_SEED,
    OPT_CLOCK
};

static const struct option OPTIONS[] = {
    { "config", required_argument, NULL, OPT_CONFIG },
    { "help", no_argument, NULL, OPT_HELP },
    { "station", required_argument, NULL, OPT_STATION },
    { "all", no_argument, NULL, OPT_ALL },
    { "broker", required_argument, NULL, OPT_BROKER },
    { "user", required_argument, NULL, OPT_USER },
    { "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
    { "ca", required_argument, NULL, OPT_CA },
    { "source", required_argument, NULL, OPT_SOURCE },
    { "csv", required_argument, NULL, OPT_CSV },
    { "map", required_argument, NULL, OPT_MAP },
    { "devices", required_argument, NULL, OPT_DEVICES },
    { "bus", required_argument, NULL, OPT_BUS },
    { "trap", required_argument, NULL, OPT_TRAP },
    { "trap-wind", required_argument, NULL, OPT_TRAP_WIND },
    { "trap-battery", required_argument, NULL, OPT_TRAP_BATTERY },
    { "console", required_argument, NULL, OPT_CONSOLE },
    { "csv-offset", required_argument, NULL, OPT_CSV_OFFSET },
    { "every", required_argument, NULL, OPT_EVERY },
    { "sample-every", required_argument, NULL, OPT_SAMPLE_EVERY },
    { "fast-every", required_argument, NULL, OPT_FAST_EVERY },
    { "event-step", required_argument, NULL, OPT_EVENT_STEP },
    { "jitter", required_argument, NULL, OPT_JITTER },
    { "keep", no_argument, NULL, OPT_KEEP },
    { "memory", no_argument, NULL, OPT_MEMORY },
    { "from", required_argument, NULL, OPT_FROM },
    { "until", required_argument, NULL, OPT_UNTIL },
    { "exit-when-delivered", no_argument, NULL, OPT_EXIT },
    { "data", required_argument, NULL, OPT_DATA },
    { "log-size", required_argument, NULL, OPT_LOG_SIZE },
    { "backlog-rate", required_argument, NULL, OPT_BACKLOG_RATE },
    { "dump-log", required_argument, NULL, OPT_DUMP_LOG },
    { "check-map", required_argument, NULL, OPT_CHECK_MAP },
    { "format", required_argument, NULL, OPT_FORMAT },
    { "seed", required_argument, NULL, OPT_SEED },
    { "clock", required_argument, NULL, OPT_CLOCK },
    { NULL, 0, NULL, 0 },
};

/* --- values ---------------------------------------------------------------------- */

/* A whole number in [low, high], all of text up to *end. */
static bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *value,
                         const char **end)
{
    char *behind = NULL;
    if (*text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *value = strtoull(text, &behind, 10);
    *end = behind;
    return errno == 0 && *value >= low && *value <= high;
}

static bool parse_whole(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
    const char *end = text;
    return parse_number(text, low, high, value, &end) && *end == '\0';
}

static bool parse_duration(const char *text, int64_t *ns)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    uint64_t number = 0;
    const char *end = text;
    if (!parse_number(text, 1, 1000000, &number, &end)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (end[0] == units[i].unit && end[1] == '\0' &&
            number * (uint64_t)units[i].seconds <= 31622400) {
            *ns = (int64_t)number * units[i].seconds * SECOND_NS;
            return true;
        }
    }
    return false;
}

static bool parse_size(const char *text, uint32_t *bytes)
{
    uint64_t number = 0;
    const char *end = text;
    if (!parse_number(text, 1, FLASH_FILE_BYTES_MAX, &number, &end)) {
        return false;
    }
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    end += shift > 0;
    if (*end != '\0' || number > FLASH_FILE_BYTES_MAX >> shift ||
        number << shift < FLASH_FILE_BYTES_MIN) {
        return false;
    }
    *bytes = (uint32_t)(number << shift);
    return true;
}

static bool parse_choice(const char *text, const char *first, const char *second, bool *is_second)
{
    *is_second = strcmp(text, second) == 0;
    return *is_second || strcmp(text, first) == 0;
}

static bool add_map(struct options *options, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0' ||
        options->map_count == OPTIONS_MAPS_MAX) {
        return false;
    }
    options->maps[options->map_count++] =
        (struct options_map){ text, equals + 1, (size_t)(equals - text) };
    return true;
}

static bool add_step(struct options *options, const char *text)
{
    const char *equals = strchr(text, '=');
    double step = 0;
    if (equals == NULL || equals == text || options->step_count == OPTIONS_MAPS_MAX ||
        !phusa_double_parse(equals + 1, strlen(equals + 1), &step) ||
        !(step > 0 && step <= OPTIONS_STEP_MAX)) {
        return false;
    }
    options->steps[options->step_count++] =
        (struct options_step){ text, (size_t)(equals - text), step };
    return true;
}

static bool add_bus(struct options *options, const char *where)
{
    if (options->bus_count == OPTIONS_BUSES_MAX) {
        return false;
    }
    options->buses[options->bus_count++] = where;
    return true;
}

static bool add_station(struct options *options, const char *id)
{
    if (options->station_count == OPTIONS_STATIONS_MAX) {
        return false;
    }
    options->stations[options->station_count++] = id;
    return true;
}

/* A line, or as much of it as there is room for, and its length without its end; or errno. */
static bool read_line(int fd, char *line, size_t capacity, size_t *line_length)
{
    size_t length = 0;
    ssize_t got = 1;
    while (got > 0 && length < capacity && memchr(line, '\n', length) == NULL) {
        got = read(fd, line + length, capacity - length); /* a pipe gives it in pieces */
        length += got > 0 ? (size_t)got : 0;
    }
    const char *end = memchr(line, '\n', length);
    length = end != NULL ? (size_t)(end - line) : length;
    length -= length > 0 && line[length - 1] == '\r';
    *line_length = length;
    return got >= 0;
}

/* NULL if it is one. */
static const char *why_no_password(const char *line, size_t length)
{
    if (length == 0) {
        return "its first line is to hold the password and is empty";
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) {
            return "its first line holds a control character";
        }
    }
    return length < OPTIONS_SECRET_MAX ? NULL : "its first line is longer than 511 bytes";
}

/* The first line of a file. */
static bool read_password(struct options *options, const char *path, struct problem *problem)
{
    char line[OPTIONS_SECRET_MAX + 1] = ""; /* the longest, and the end of its line */
    size_t length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_read = fd >= 0 && read_line(fd, line, sizeof line, &length);
    const char *why = is_read ? why_no_password(line, length) : strerror(errno);
    if (why != NULL) {
        problem_set(problem, "--password-file %s: %s", path, why);
    } else {
        memcpy(options->password, line, length);
        options->password[length] = '\0';
        options->has_password = true;
    }
    if (fd >= 0) {
        close(fd);
    }
    return why == NULL;
}

/* --- options ------------------------------------------------------------------------ */

/* Options that take a text as it is; true if code is one of them. */
static bool set_text(struct options *options, int code, const char *value)
{
    switch (code) {
    case OPT_CONFIG:
        options->config = value;
        return true;
    case OPT_BROKER:
        options->broker = value;
        return true;
    case OPT_USER:
        options->user = value;
        return true;
    case OPT_CA:
        options->ca = value;
        return true;
    case OPT_CSV:
        options->csv = value;
        return true;
    case OPT_DATA:
        options->data = value;
        return true;
    case OPT_DUMP_LOG:
        options->dump_log = value;
        return true;
    case OPT_CHECK_MAP:
        options->check_map = value;
        return true;
    case OPT_DEVICES:
        options->devices = value;
        return true;
    case OPT_TRAP:
        options->trap = value;
        return true;
    case OPT_TRAP_WIND:
        options->trap_wind = value;
        return true;
    case OPT_TRAP_BATTERY:
        options->trap_battery = value;
        return true;
    case OPT_CONSOLE:
        options->console = value;
        return true;
    case OPT_ALL:
        options->all = true;
        return true;
    case OPT_KEEP:
        options->keep = true;
        return true;
    case OPT_MEMORY:
        options->memory = true;
        return true;
    case OPT_EXIT:
        options->exit_when_delivered = true;
        return true;
    case OPT_HELP:
        options->help = true;
        return true;
    default:
        return false;
    }
}

/* Options whose value is read; NULL if it is good, else what would be right. */
static const char *set_value(struct options *options, int code, const char *value)
{
    bool second = false, good = true;
    uint64_t number = 0;
    switch (code) {
    case OPT_STATION:
        return add_station(options, value) ? NULL : "at most 1024 stations";
    case OPT_MAP:
        return add_map(options, value) ? NULL : "PARAMETER=COLUMN, at most 64 times";
    case OPT_BUS:
        return add_bus(options, value) ? NULL : "at most 2 buses";
    case OPT_SOURCE:
        good = parse_choice(value, "sim", "replay", &second);
        options->source = second ? SOURCE_REPLAY : SOURCE_SIM;
        return good ? NULL : "sim or replay";
    case OPT_FORMAT:
        return parse_choice(value, "json", "cbor", &options->cbor) ? NULL : "json or cbor";
    case OPT_CSV_OFFSET:
        return replay_parse_offset(value, &options->csv_offset_s) ? NULL : "+07:00";
    case OPT_EVERY:
        return parse_duration(value, &options->every_ns) ? NULL
                                                         : "a time with unit: 30s, 15m, 1h, 1d";
    case OPT_SAMPLE_EVERY:
        good = parse_duration(value, &options->sample_every_ns);
        return good ? NULL : "a time with unit: 30s, 1m";
    case OPT_FAST_EVERY:
        good = parse_duration(value, &options->fast_every_ns);
        return good ? NULL : "a time with unit: 5s, 10s";
    case OPT_EVENT_STEP:
        return add_step(options, value) ? NULL
                                        : "PARAMETER=STEP, a number above 0, at most 64 times";
    case OPT_JITTER:
        return parse_duration(value, &options->jitter_ns) ? NULL : "a time with unit: 30s";
    case OPT_FROM:
        good = replay_parse_time(value, 0, &options->from_ns);
        return good ? NULL : "epoch seconds or 2026-01-31T00:00:00Z";
    case OPT_UNTIL:
        good = replay_parse_time(value, 0, &options->until_ns);
        return good ? NULL : "epoch seconds or 2026-01-31T00:00:00Z";
    case OPT_LOG_SIZE:
        return parse_size(value, &options->log_bytes) ? NULL : "8K .. 1G";
    case OPT_BACKLOG_RATE:
        good = parse_whole(value, 1, BACKLOG_MAX, &number);
        options->backlog_per_s = (uint32_t)number;
        return good ? NULL : "1 .. 100000";
    case OPT_SEED:
        return parse_whole(value, 0, UINT64_MAX, &options->seed) ? NULL : "a whole number";
    default:
        return "see --help";
    }
}

static const char *option_name(int code)
{
    for (size_t i = 0; OPTIONS[i].name != NULL; i++) {
        if (OPTIONS[i].val == code) {
            return OPTIONS[i].name;
        }
    }
    return "";
}

static bool check_clock(struct options *options, const char *clock, struct problem *problem)
{
    const char *specification = clock != NULL ? clock : getenv("PHUSA_CLOCK");
    return clock_parse(&options->clock, specification, problem) == CLOCK_OK;
}

/* Real sensors belong to one station, and nothing else says what it measures. */
static const char *find_devices_misfit(const struct options *options)
{
    if (options->devices == NULL) {
        return options->bus_count > 0 ? "--bus belongs to --devices" : NULL;
    }
    if (options->station_count != 1) {
        return "--devices are those of one station: give --station ID once";
    }
    return options->source == SOURCE_REPLAY ? "give either --devices or --source replay" : NULL;
}

/* One trap and one console are those of one station. */
static const char *find_single_misfit(const struct options *options)
{
    if (options->console != NULL && options->station_count != 1) {
        return "--console is that of one station: give --station ID once";
    }
    if (options->trap != NULL && options->station_count != 1) {
        return "--trap is one station: give --station ID once";
    }
    if (options->trap != NULL && (options->source == SOURCE_REPLAY || options->devices != NULL)) {
        return "--trap goes neither with --devices nor with --source replay";
    }
    if (options->trap == NULL && (options->trap_wind != NULL || options->trap_battery != NULL)) {
        return "--trap-wind and --trap-battery belong to --trap";
    }
    if (options->trap != NULL && options->sample_every_ns != 0) {
        return "--trap tells whole nights: no --sample-every";
    }
    return options->trap != NULL && options->step_count > 0
               ? "--trap tells whole nights: no --event-step"
               : NULL;
}

/* What only shows when all options are known; NULL if it fits together. */
static const char *find_misfit(const struct options *options)
{
    if (options->config == NULL) {
        return "-c FILE is missing: the configuration with the stations";
    }
    if (options->broker == NULL || (strncmp(options->broker, "tcp://", 6) != 0 &&
                                    strncmp(options->broker, "ssl://", 6) != 0)) {
        return "--broker wants tcp://HOST:PORT or ssl://HOST:PORT";
    }
    if (options->all == (options->station_count > 0)) {
        return "give either --station ID (one or more) or --all";
    }
    if (options->ca != NULL && strncmp(options->broker, "ssl://", 6) != 0) {
        return "--ca is for ssl://HOST:PORT";
    }
    if ((options->source == SOURCE_REPLAY) != (options->csv != NULL)) {
        return "--csv FILE belongs to --source replay, and the other way round";
    }
    if (options->map_count > 0 && options->csv == NULL) {
        return "--map belongs to --source replay";
    }
    const char *devices = find_devices_misfit(options);
    if (devices != NULL) {
        return devices;
    }
    if (options->keep && options->memory) {
        return "give either --keep or --memory";
    }
    const char *single = find_single_misfit(options);
    if (single != NULL) {
        return single;
    }
    if (options->user != NULL && !options->has_password) {
        return "--user wants --password-file";
    }
    if (options->until_ns != 0 && options->until_ns < options->from_ns) {
        return "--until lies before --from";
    }
    if (options->exit_when_delivered && options->source == SOURCE_SIM && options->until_ns == 0) {
        return "--exit-when-delivered wants --until, since only a replay ends by itself";
    }
    return NULL;
}

bool options_parse(struct options *options, int argc, char **argv, struct problem *problem)
{
    *options = (struct options){ .data = "station-data",
                                 .log_bytes = FLASH_FILE_BYTES_DEFAULT,
                                 .backlog_per_s = BACKLOG_DEFAULT,
                                 .seed = 1 };
    const char *clock = NULL;
    int code;
    opterr = 0;
    while ((code = getopt_long(argc, argv, "+c:h", OPTIONS, NULL)) != -1) {
        if (code == OPT_CLOCK) {
            clock = optarg;
        } else if (code == '?') {
            problem_set(problem, "%s: unknown, or its value is missing; see --help",
                        argv[optind - 1]);
            return false;
        } else if (code == OPT_PASSWORD_FILE) {
            if (!read_password(options, optarg, problem)) {
                return false;
            }
        } else if (!set_text(options, code, optarg)) {
            const char *right = set_value(options, code, optarg);
            if (right != NULL) {
                problem_set(problem, "--%s %s: write %s", option_name(code), optarg, right);
                return false;
            }
        }
    }
    if (options->help || options->dump_log != NULL || options->check_map != NULL) {
        return true;
    }
    if (optind < argc) {
        problem_set(problem, "%s: not understood; see --help", argv[optind]);
        return false;
    }
    const char *misfit = find_misfit(options);
    if (misfit != NULL) {
        problem_set(problem, "%s", misfit);
        return false;
    }
    return check_clock(options, clock, problem);
}

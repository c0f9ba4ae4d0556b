/*
 * Each station has in the data folder
 *   <id>.log   its flash (flash_file.c)
 *   <id>.boot  its count of starts, decimal
 *   <id>.keep  what was set by command, with --keep, and a trap's nights, with --trap: a flash like
 *              the log's (core/keep.c)
 */
#include "fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/files.h"
#include "console_socket.h"
#include "field.h"
#include "flash_file.h"
#include "flash_memory.h"
#include "light_trap.h"
#include "network_mqtt.h"
#include "port/technician.h"
#include "report.h"
#include "source_replay.h"
#include "source_sim.h"

#define PATH_BYTES    4096
#define RESEND_AFTER  (60 * SECOND_NS) /* contract */
#define SENDINGS_MAX  5                /* contract */
#define CLIENT_ID_MAX 48               /* "phusa-" and a station's id */
#define KEEP_BYTES    (16u * FLASH_FILE_BLOCK)
#define TYPED_MAX     256 /* bytes that were typed, in one step */
#define FILES_BESIDE  64u /* open files that do not belong to one station */

struct unit {
    const struct station *registered;
    struct station_core core;
    struct flash_file *flash, *kept;
    struct flash_memory *memory; /* instead of flash, with --memory */
    struct keep keep;
    struct network *network;
    struct field *field;            /* its real sensors; NULL = source */
    struct light_trap *trap;        /* NULL = none */
    struct console_socket *console; /* NULL = none */
    struct technician technician;   /* at the console */
    union {
        struct sim_source sim;
        struct replay_source replay;
    } source;
    const struct phusa_parameter *parameters[STATION_CHANNELS_MAX];
    const char *columns[STATION_CHANNELS_MAX]; /* with replay */
    struct station_channel_settings settings[STATION_CHANNELS_MAX];
    size_t channel_count;
    char client_id[CLIENT_ID_MAX];
    uint32_t boot;
};

struct fleet {
    const struct options *options;
    struct replay_table *table;
    char **columns; /* of each parameter of the catalogue, in its order; with replay */
    size_t column_count;
    struct networks *networks;
    struct unit *units;
    int64_t *wake_ns; /* of each unit, when it wants its next step: side by side, since all are
                         looked through at every step */
    size_t count;
};

/* --- columns of a replay ---------------------------------------------------------------- */

/* The column that a parameter is read from. The text is new. */
static char *column_of(const struct options *options, const struct phusa_parameter *parameter)
{
    for (size_t i = 0; i < options->map_count; i++) {
        const struct options_map *map = &options->maps[i];
        if (phusa_text_equal((struct phusa_text){ map->parameter, map->parameter_length },
                             parameter->name)) {
            return strdup(map->column);
        }
    }
    return strndup(parameter->name.data, parameter->name.length);
}

static bool check_maps(const struct options *options, const struct phusa_catalogue *catalogue,
                       struct problem *problem)
{
    for (size_t i = 0; i < options->map_count; i++) {
        const struct options_map *map = &options->maps[i];
        if (phusa_catalogue_find(
                catalogue, (struct phusa_text){ map->parameter, map->parameter_length }) == NULL) {
            problem_set(problem, "--map %s: the catalogue has no such parameter", map->parameter);
            return false;
        }
    }
    return true;
}

static bool check_columns(const struct fleet *fleet, struct problem *problem)
{
    for (size_t i = 0; i < fleet->options->map_count; i++) {
        const char *column = fleet->options->maps[i].column;
        if (!replay_has_column(fleet->table, column)) {
            problem_set(problem, "--map %s: %s has no such column",
                        fleet->options->maps[i].parameter, fleet->options->csv);
            return false;
        }
    }
    return true;
}

static bool load_table(struct fleet *fleet, const struct phusa_catalogue *catalogue,
                       struct problem *problem)
{
    const struct options *options = fleet->options;
    if (options->source != SOURCE_REPLAY) {
        return true;
    }
    if (!check_maps(options, catalogue, problem)) {
        return false;
    }
    fleet->columns = calloc(catalogue->count + 1, sizeof *fleet->columns);
    for (size_t i = 0; fleet->columns != NULL && i < catalogue->count; i++) {
        fleet->columns[i] = column_of(options, &catalogue->parameters[i]);
        if (fleet->columns[i] == NULL) {
            break;
        }
        fleet->column_count++;
    }
    if (fleet->column_count < catalogue->count) {
        problem_set(problem, "out of memory");
        return false;
    }
    fleet->table = replay_load(options->csv, options->csv_offset_s,
                               (const char *const *)fleet->columns, fleet->column_count, problem);
    return fleet->table != NULL && check_columns(fleet, problem);
}

/* --- one station ----------------------------------------------------------------------- */

/* Names that a station reports beside a channel's, and what it then reports (core/report.c). */
static const struct {
    const char *suffix;
    uint8_t statistic; /* 0: checks, which are set by command */
} beside[] = { { "_min", STATISTIC_MINIMUM },  { "_max", STATISTIC_MAXIMUM },
               { "_sd", STATISTIC_DEVIATION }, { "_n", STATISTIC_COUNT },
               { "_raw", STATISTIC_RAW },      { "_check", 0 } };

/* The channel that a listed parameter is reported beside; channel_count: it is one itself. */
static size_t reported_beside(const struct unit *unit, struct phusa_text name, uint8_t *statistic)
{
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        struct phusa_text suffix = phusa_text_of(beside[i].suffix);
        *statistic = beside[i].statistic;
        for (size_t k = 0; k < unit->channel_count; k++) {
            struct phusa_text base = unit->parameters[k]->name;
            if (name.length == base.length + suffix.length &&
                memcmp(name.data, base.data, base.length) == 0 &&
                memcmp(name.data + base.length, suffix.data, suffix.length) == 0) {
                return k;
            }
        }
    }
    return unit->channel_count;
}

/* True if the parameter is a statistic of a channel before it, which reports it from now on. */
static bool add_statistic(struct unit *unit, const struct phusa_parameter *parameter,
                          const char *column)
{
    uint8_t statistic;
    size_t channel = reported_beside(unit, parameter->name, &statistic);
    if (column != NULL || channel == unit->channel_count) {
        return false;
    }
    unit->settings[channel].statistics |= statistic;
    return true;
}

/* The column of a parameter with replay; NULL: it has none. */
static const char *column_for(const struct fleet *fleet, const struct phusa_catalogue *catalogue,
                              const struct phusa_parameter *parameter)
{
    if (fleet->table == NULL) {
        return NULL;
    }
    const char *column = fleet->columns[parameter - catalogue->parameters];
    return replay_has_column(fleet->table, column) ? column : NULL;
}

/* True if something measures the parameter. */
static bool is_given(const struct fleet *fleet, const struct unit *unit,
                     const struct phusa_parameter *parameter, const char *column)
{
    if (unit->field != NULL) {
        return field_find(unit->field, parameter->name) != NULL;
    }
    return fleet->table == NULL || column != NULL;
}

/* True if a parameter takes the unit that the device map gives it in. */
static bool check_unit(const struct device_point *point, const struct phusa_parameter *parameter,
                       const char *map, struct problem *problem)
{
    double value = 0;
    if (phusa_unit_convert(parameter, point->unit, &value)) {
        return true;
    }
    problem_set(problem, "%s: %.*s: unit %.*s; the catalogue has it in %.*s", map,
                (int)point->name.length, point->name.data, (int)point->unit.length,
                point->unit.data, (int)parameter->unit.length, parameter->unit.data);
    return false;
}

/* The channels are what the devices are asked for. */
static bool bind_devices(const struct fleet *fleet, struct unit *unit, struct problem *problem)
{
    struct phusa_text names[STATION_CHANNELS_MAX];
    for (size_t i = 0; i < unit->channel_count; i++) {
        names[i] = unit->parameters[i]->name;
        if (!check_unit(field_find(unit->field, names[i]), unit->parameters[i],
                        fleet->options->devices, problem)) {
            return false;
        }
    }
    return field_bind(unit->field, names, unit->channel_count);
}

/* The channel that a step is for; channel_count: it is none of this station's. */
static size_t channel_of_step(const struct unit *unit, const struct options_step *step)
{
    struct phusa_text name = { step->parameter, step->parameter_length };
    size_t channel = 0;
    while (channel < unit->channel_count &&
           !phusa_text_equal(unit->parameters[channel]->name, name)) {
        channel++;
    }
    return channel;
}

static void set_steps(const struct options *options, struct unit *unit)
{
    for (size_t i = 0; i < options->step_count; i++) {
        size_t channel = channel_of_step(unit, &options->steps[i]);
        if (channel < unit->channel_count) {
            unit->settings[channel].event_step = options->steps[i].step;
        }
    }
}

/* A step that belongs to no station is a mistake. */
static bool check_steps(const struct fleet *fleet, struct problem *problem)
{
    const struct options *options = fleet->options;
    for (size_t i = 0; i < options->step_count; i++) {
        size_t having = 0;
        for (size_t k = 0; k < fleet->count; k++) {
            const struct unit *unit = &fleet->units[k];
            having += channel_of_step(unit, &options->steps[i]) < unit->channel_count;
        }
        if (having == 0) {
            problem_set(problem, "--event-step %s: no station here reports that parameter",
                        options->steps[i].parameter);
            return false;
        }
    }
    return true;
}

/* The station's parameters become its channels; those that the file or the device map has. */
static bool choose_channels(const struct fleet *fleet, const struct phusa_catalogue *catalogue,
                            struct unit *unit, struct problem *problem)
{
    const struct station *registered = unit->registered;
    for (size_t i = 0; i < registered->parameter_count; i++) {
        const struct phusa_parameter *parameter = registered->parameters[i];
        const char *column = column_for(fleet, catalogue, parameter);
        if (add_statistic(unit, parameter, column) || !is_given(fleet, unit, parameter, column)) {
            continue;
        }
        if (unit->channel_count == STATION_CHANNELS_MAX) {
            problem_set(problem, "%s: more than %d parameters", registered->id,
                        STATION_CHANNELS_MAX);
            return false;
        }
        unit->columns[unit->channel_count] = column;
        unit->parameters[unit->channel_count++] = parameter;
    }
    if (unit->channel_count == 0) {
        problem_set(problem, "%s: has no parameter to report%s", registered->id,
                    unit->field != NULL    ? ": the device map has none of them"
                    : fleet->table != NULL ? "; name the columns with --map"
                                           : "");
        return false;
    }
    set_steps(fleet->options, unit);
    return unit->field == NULL || bind_devices(fleet, unit, problem);
}

static int64_t period_of(const struct fleet *fleet, const struct station *registered)
{
    if (fleet->options->every_ns > 0) {
        return fleet->options->every_ns;
    }
    return fleet->table != NULL ? replay_step_ns(fleet->table) : registered->every_ns;
}

/* Opens the station's real sensors, if it has any. */
static bool open_field(const struct fleet *fleet, struct unit *unit, struct problem *problem)
{
    const struct options *options = fleet->options;
    if (options->devices == NULL) {
        return true;
    }
    int64_t sample_every = options->sample_every_ns > 0 ? options->sample_every_ns
                                                        : period_of(fleet, unit->registered);
    unit->field =
        field_open(options->devices, options->buses, options->bus_count, sample_every / 2, problem);
    return unit->field != NULL;
}

static struct hal_sensors open_source(const struct fleet *fleet, struct unit *unit)
{
    if (unit->field != NULL) {
        return field_sensors(unit->field);
    }
    if (fleet->table != NULL) {
        replay_source_init(&unit->source.replay, fleet->table, unit->columns, unit->channel_count);
        return replay_sensors(&unit->source.replay);
    }
    sim_source_init(&unit->source.sim, fleet->options->seed, unit->registered->id,
                    unit->registered->kind, unit->parameters, unit->channel_count,
                    period_of(fleet, unit->registered));
    return sim_sensors(&unit->source.sim);
}

static bool make_path(char path[PATH_BYTES], const struct fleet *fleet, const struct unit *unit,
                      const char *suffix, struct problem *problem)
{
    int length =
        snprintf(path, PATH_BYTES, "%s/%s%s", fleet->options->data, unit->registered->id, suffix);
    if (length < 0 || length >= PATH_BYTES) {
        problem_set(problem, "--data %.200s...: too long", fleet->options->data);
        return false;
    }
    return true;
}

static uint32_t read_count(const char *path)
{
    char text[16] = "";
    int fd = files_posix.open(files_posix.context, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd >= 0) {
        ssize_t length = files_pread_all(&files_posix, fd, text, sizeof text - 1, 0);
        text[length > 0 ? length : 0] = '\0';
        files_posix.close(files_posix.context, fd);
    }
    return (uint32_t)strtoul(text, NULL, 10);
}

static bool count_boot(const struct fleet *fleet, struct unit *unit, struct problem *problem)
{
    char path[PATH_BYTES], text[16];
    if (fleet->options->memory) {
        unit->boot = 1;
        return true;
    }
    if (!make_path(path, fleet, unit, ".boot", problem)) {
        return false;
    }
    unit->boot = read_count(path) + 1;
    unit->boot += unit->boot == 0;
    int length = snprintf(text, sizeof text, "%u\n", unit->boot);
    const struct file_part part = { text, (size_t)length };
    if (files_replace(&files_posix, path, &part, 1) != 0) {
        problem_set(problem, "%s: %s", path, strerror(errno));
        return false;
    }
    return true;
}

static bool open_flash(const struct fleet *fleet, struct unit *unit, struct problem *problem)
{
    char path[PATH_BYTES];
    if (fleet->options->memory) {
        unit->memory = flash_memory_create(fleet->options->log_bytes);
        if (unit->memory == NULL) {
            problem_set(problem, "out of memory");
        }
        return unit->memory != NULL;
    }
    if (!make_path(path, fleet, unit, ".log", problem)) {
        return false;
    }
    unit->flash = flash_file_open(&files_posix, path, fleet->options->log_bytes, problem);
    return unit->flash != NULL;
}

/* Where commands leave what they set; without --keep nowhere. */
static bool open_keep(const struct fleet *fleet, struct unit *unit, struct problem *problem)
{
    char path[PATH_BYTES];
    if (!fleet->options->keep && fleet->options->trap == NULL) {
        return true;
    }
    if (!make_path(path, fleet, unit, ".keep", problem)) {
        return false;
    }
    unit->kept = flash_file_open(&files_posix, path, KEEP_BYTES, problem);
    if (unit->kept == NULL) {
        return false;
    }
    struct hal_flash flash = flash_file_hal(unit->kept);
    if (keep_open(&unit->keep, &flash) != KEEP_OK) {
        problem_set(problem, "%s: cannot be read", path);
        return false;
    }
    return true;
}

static uint32_t random_next(void *context)
{
    uint32_t value = 0;
    (void)context;
    /* Short reads of 4 bytes do not happen; a fixed value would only spread less. */
    ssize_t got = getrandom(&value, sizeof value, 0);
    (void)got;
    return value;
}

static bool open_network(const struct fleet *fleet, struct unit *unit, struct problem *problem)
{
    const struct options *options = fleet->options;
    (void)snprintf(unit->client_id, sizeof unit->client_id, "phusa-%s", unit->registered->id);
    const char *user = options->user;
    if (user == NULL && options->has_password) {
        user = unit->registered->id;
    }
    struct network_options network = { .site = unit->registered->site,
                                       .station = unit->registered->id,
                                       .client_id = unit->client_id,
                                       .user = user,
                                       .password = options->password,
                                       .jitter = random_next(NULL) };
    unit->network = network_create(fleet->networks, &network, problem);
    return unit->network != NULL;
}

/* What a channel's values are in: what the device map says, or the parameter's own. */
static struct phusa_text unit_of(const struct unit *unit, size_t channel)
{
    const struct phusa_parameter *parameter = unit->parameters[channel];
    const struct device_point *point =
        unit->field == NULL ? NULL : field_find(unit->field, parameter->name);
    return point != NULL && point->unit.length > 0 ? point->unit : parameter->unit;
}

static const char *lamp_refusal(void *context)
{
    return trap_refusal(context);
}

static void fill_options(const struct fleet *fleet, const struct unit *unit,
                         struct station_options *station)
{
    const struct options *options = fleet->options;
    *station = (struct station_options){ .id = phusa_text_of(unit->registered->id),
                                         .channel_count = unit->channel_count,
                                         .every_ns = period_of(fleet, unit->registered),
                                         .encode = options->cbor ? report_cbor : report_json,
                                         .firmware = PHUSA_VERSION,
                                         .hardware = "posix",
                                         .reset = "start",
                                         .boot = unit->boot,
                                         .resend_after_ns = RESEND_AFTER,
                                         .sendings_max = SENDINGS_MAX,
                                         .backlog_per_s = unit->registered->backlog_rate > 0
                                                              ? unit->registered->backlog_rate
                                                              : options->backlog_per_s,
                                         .sample_every_ns = options->sample_every_ns,
                                         .fast_every_ns = options->fast_every_ns,
                                         .jitter_ns = options->jitter_ns,
                                         .simulated = options->clock.speed > 0,
                                         .channel_settings = unit->settings,
                                         .sample_from_ns = options->from_ns,
                                         .sample_until_ns = options->until_ns };
    for (size_t i = 0; i < unit->channel_count; i++) {
        station->channels[i] =
            (struct station_channel){ unit->parameters[i]->name, unit_of(unit, i) };
    }
    if (unit->field != NULL) {
        station->sample_wait_ns = field_round_max_ns(unit->field);
    }
    if (unit->trap != NULL) { /* the ends of its nights are among its moments */
        int64_t noon_ns = night_end(0, LIGHT_TRAP_UTC_OFFSET_S);
        station->phase_ns = noon_ns % station->every_ns;
        station->has_lamp = true;
        station->lamp_refusal = lamp_refusal;
        station->lamp_context = light_trap_core(unit->trap);
    }
    if (fleet->table != NULL) {
        int64_t first = replay_first_ns(fleet->table), last = replay_last_ns(fleet->table);
        station->phase_ns = first % station->every_ns;
        if (station->sample_from_ns == 0) {
            station->sample_from_ns = first;
        }
        if (station->sample_until_ns == 0 || station->sample_until_ns > last) {
            station->sample_until_ns = last;
        }
    }
}

/* A clock that an offset is added to is kept right by nobody. */
static struct hal_time hal_now(const struct fleet *fleet, wall_time wall, mono_time mono)
{
    bool synced = fleet->options->clock.offset_file == NULL;
    return (struct hal_time){ wall.ns, mono.ns, true, synced };
}

/* Makes a trap of the station: it gives what it knows, others the rest. */
static bool open_trap(const struct fleet *fleet, struct unit *unit, struct hal_sensors *sensors,
                      struct problem *problem)
{
    const struct clock *clock = &fleet->options->clock;
    const struct light_trap_options options = { .registered = unit->registered,
                                                .where = fleet->options->trap,
                                                .wind = fleet->options->trap_wind,
                                                .battery = fleet->options->trap_battery,
                                                .keep = &unit->keep,
                                                .boot = unit->boot,
                                                .seed = fleet->options->seed,
                                                .simulated = clock->speed > 0 };
    struct phusa_text names[STATION_CHANNELS_MAX];
    const struct hal_sensors others = *sensors;
    if (fleet->options->trap == NULL) {
        return true;
    }
    unit->trap =
        light_trap_open(&options, hal_now(fleet, clock_wall(clock), clock_mono()), problem);
    if (unit->trap == NULL) {
        return false;
    }
    for (size_t i = 0; i < unit->channel_count; i++) {
        names[i] = unit->parameters[i]->name;
    }
    return light_trap_join(unit->trap, &others, names, unit->channel_count, sensors, problem);
}

/* Somebody may sit down at the station. */
static bool open_console(const struct fleet *fleet, struct unit *unit, struct problem *problem)
{
    const struct clock *clock = &fleet->options->clock;
    if (fleet->options->console == NULL) {
        return true;
    }
    unit->console = console_socket_open(fleet->options->console, problem);
    if (unit->console == NULL) {
        return false;
    }
    const struct technician_parts parts = {
        .station = &unit->core,
        .site = phusa_text_of(unit->registered->site),
        .hub = unit->field != NULL ? field_hub(unit->field) : NULL,
        .trap = unit->trap != NULL ? light_trap_core(unit->trap) : NULL,
        .classifier = unit->trap != NULL ? light_trap_classifier(unit->trap) : NULL,
        .keep = unit->kept != NULL ? &unit->keep : NULL,
        .utc_offset_s = LIGHT_TRAP_UTC_OFFSET_S,
        .context = unit->console,
        .write = console_socket_write,
    };
    technician_init(&unit->technician, &parts, hal_now(fleet, clock_wall(clock), clock_mono()));
    return true;
}

/* True if the distances of a station's moments go with each other; else says which does not. */
static bool times_fit(const struct station_options *station, const char *id,
                      struct problem *problem)
{
    int64_t every = station->every_ns;
    int64_t sample = station->sample_every_ns > 0 ? station->sample_every_ns : every;
    if (every % sample != 0) {
        problem_set(problem, "--sample-every %gs: %s reports each %gs; write a whole part of that",
                    (double)sample / 1e9, id, (double)every / 1e9);
        return false;
    }
    if (station->fast_every_ns > 0 && sample % station->fast_every_ns != 0) {
        problem_set(problem, "--fast-every %gs: %s samples each %gs; write a whole part of that",
                    (double)station->fast_every_ns / 1e9, id, (double)sample / 1e9);
        return false;
    }
    if (station->jitter_ns >= every) {
        problem_set(problem, "--jitter %gs: %s reports each %gs; write less than that",
                    (double)station->jitter_ns / 1e9, id, (double)every / 1e9);
        return false;
    }
    return true;
}

static bool start_core(const struct fleet *fleet, struct unit *unit, struct hal_sensors sensors,
                       struct problem *problem)
{
    const struct clock *clock = &fleet->options->clock;
    struct hal_time now = hal_now(fleet, clock_wall(clock), clock_mono());
    struct station_ports ports = { .sensors = sensors,
                                   .flash = unit->memory != NULL ? flash_memory_hal(unit->memory)
                                                                 : flash_file_hal(unit->flash),
                                   .network = network_hal(unit->network),
                                   .random = { .next = random_next },
                                   .keep = unit->kept != NULL ? &unit->keep : NULL };
    struct station_options station;
    fill_options(fleet, unit, &station);
    if (!times_fit(&station, unit->registered->id, problem)) {
        return false;
    }
    switch (station_init(&unit->core, &station, &ports, now)) {
    case STATION_OK:
        break;
    case STATION_BAD_OPTIONS:
        problem_set(problem,
                    "%s: what it reports does not fit into a report: at most %d values, names of "
                    "at most 32 bytes, 26 where they have a suffix, and units of at most 16",
                    unit->registered->id, STATION_CHANNELS_MAX);
        return false;
    case STATION_LOG_FAILED:
        problem_set(problem, "%s: --log-size is too small", unit->registered->id);
        return false;
    }
    if (!network_set_will(unit->network, station_log_id(&unit->core))) {
        problem_set(problem, "%s: no will", unit->registered->id);
        return false;
    }
    return true;
}

static bool start_unit(const struct fleet *fleet, struct unit *unit, struct problem *problem)
{
    struct hal_sensors sensors = open_source(fleet, unit);
    return open_trap(fleet, unit, &sensors, problem) && start_core(fleet, unit, sensors, problem) &&
           open_console(fleet, unit, problem);
}

static bool open_unit(struct fleet *fleet, const struct settings *settings,
                      const struct station *registered, struct problem *problem)
{
    struct unit *unit = &fleet->units[fleet->count++];
    unit->registered = registered;
    return open_field(fleet, unit, problem) &&
           choose_channels(fleet, &settings->catalogue, unit, problem) &&
           open_flash(fleet, unit, problem) && open_keep(fleet, unit, problem) &&
           count_boot(fleet, unit, problem) && open_network(fleet, unit, problem) &&
           start_unit(fleet, unit, problem);
}

/* --- all of them ----------------------------------------------------------------------- */

static bool open_named(struct fleet *fleet, const struct settings *settings,
                       struct problem *problem)
{
    const struct options *options = fleet->options;
    for (size_t i = 0; i < options->station_count; i++) {
        const struct station *registered =
            registry_find(&settings->registry, phusa_text_of(options->stations[i]));
        if (registered == NULL) {
            problem_set(problem, "--station %s: the registry has no such station",
                        options->stations[i]);
            return false;
        }
        if (!open_unit(fleet, settings, registered, problem)) {
            return false;
        }
    }
    return true;
}

static bool open_all(struct fleet *fleet, const struct settings *settings, struct problem *problem)
{
    for (size_t i = 0; i < settings->registry.count; i++) {
        if (!open_unit(fleet, settings, &settings->registry.stations[i], problem)) {
            return false;
        }
    }
    if (fleet->count == 0) {
        problem_set(problem, "--all: the registry has no station");
    }
    return fleet->count > 0;
}

/* Each station holds its connection, its log unless that is in memory, and what it keeps. */
static bool check_files(const struct options *options, size_t count, struct problem *problem)
{
    bool keeps = options->keep || options->trap != NULL;
    size_t wanted = FILES_BESIDE + count * (1u + !options->memory + keeps);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < wanted) {
        problem_set(problem,
                    "%zu stations need %zu open files, and %llu are allowed: `ulimit -Hn`, of a "
                    "service LimitNOFILE, tells how many%s",
                    count, wanted, (unsigned long long)limit.rlim_cur,
                    options->memory ? "" : "; with --memory a station needs one less");
        return false;
    }
    return true;
}

static bool make_room(struct fleet *fleet, size_t count, struct problem *problem)
{
    const struct options *options = fleet->options;
    fleet->units = calloc(count + 1, sizeof *fleet->units);
    fleet->wake_ns = calloc(count + 1, sizeof *fleet->wake_ns);
    if (fleet->units == NULL || fleet->wake_ns == NULL) {
        problem_set(problem, "out of memory");
        return false;
    }
    fleet->networks = networks_create(count + 1, options->broker, options->ca, problem);
    return fleet->networks != NULL;
}

struct fleet *fleet_create(const struct options *options, const struct settings *settings,
                           struct problem *problem)
{
    if (files_make_path(&files_posix, options->data) != 0) {
        problem_set(problem, "--data %s: %s", options->data, strerror(errno));
        return NULL;
    }
    size_t count = options->all ? settings->registry.count : options->station_count;
    struct fleet *fleet = calloc(1, sizeof *fleet);
    if (fleet == NULL) {
        problem_set(problem, "out of memory");
        return NULL;
    }
    fleet->options = options;
    bool good = check_files(options, count, problem) && make_room(fleet, count, problem) &&
                load_table(fleet, &settings->catalogue, problem) &&
                (options->all ? open_all(fleet, settings, problem)
                              : open_named(fleet, settings, problem)) &&
                check_steps(fleet, problem);
    if (!good) {
        fleet_free(fleet);
        return NULL;
    }
    return fleet;
}

void fleet_free(struct fleet *fleet)
{
    if (fleet == NULL) {
        return;
    }
    for (size_t i = 0; i < fleet->count; i++) {
        flash_file_close(fleet->units[i].flash);
        flash_memory_free(fleet->units[i].memory);
        flash_file_close(fleet->units[i].kept);
        field_free(fleet->units[i].field);
        light_trap_free(fleet->units[i].trap);
        console_socket_close(fleet->units[i].console);
    }
    for (size_t i = 0; i < fleet->column_count; i++) {
        free(fleet->columns[i]);
    }
    networks_free(fleet->networks);
    free(fleet->columns);
    replay_free(fleet->table);
    free(fleet->wake_ns);
    free(fleet->units);
    free(fleet);
}

/* Real sensors do what is due; returns when they want to go on. */
static int64_t step_field(const struct unit *unit, struct hal_time now)
{
    return unit->field == NULL ? INT64_MAX : field_step(unit->field, now);
}

static void step_trap(struct unit *unit, struct hal_time now)
{
    if (unit->trap != NULL) {
        light_trap_step(unit->trap, &unit->core, now);
    }
}

/* Whoever sits down finds an empty line, whatever the one before left there. */
static void step_console(struct unit *unit, struct hal_time now)
{
    char typed[TYPED_MAX];
    if (unit->console == NULL) {
        return;
    }
    technician_step(&unit->technician, now);
    if (console_socket_accept(unit->console)) {
        technician_greet(&unit->technician);
    }
    size_t length = console_socket_read(unit->console, typed, sizeof typed);
    if (length > 0) {
        technician_take(&unit->technician, typed, length, now);
    }
}

/* True if more than its moments and its connection moves it. */
static bool is_attended(const struct unit *unit)
{
    return unit->field != NULL || unit->trap != NULL || unit->console != NULL;
}

/* Returns when its sensors want to go on. */
static int64_t attend(struct unit *unit, struct hal_time now, bool due, int64_t *wake_ns)
{
    (void)step_field(unit, now);
    step_trap(unit, now);
    if (due) {
        *wake_ns = station_step(&unit->core, now);
    }
    int64_t field = step_field(unit, now); /* the step may have begun a round */
    step_console(unit, now);
    return field;
}

int64_t fleet_step(struct fleet *fleet, wall_time wall, mono_time mono, bool all)
{
    const struct hal_time now = hal_now(fleet, wall, mono);
    const bool attended = fleet->count > 0 && is_attended(&fleet->units[0]); /* each or none */
    int64_t next = INT64_MAX;
    size_t number;
    networks_step(fleet->networks, mono.ns);
    while (networks_take_event(fleet->networks, &number)) {
        fleet->wake_ns[number] = mono.ns;
    }
    for (size_t i = 0; i < fleet->count; i++) {
        bool due = all || fleet->wake_ns[i] <= mono.ns;
        if (attended) {
            int64_t field = attend(&fleet->units[i], now, due, &fleet->wake_ns[i]);
            next = field < next ? field : next;
        } else if (due) {
            fleet->wake_ns[i] = station_step(&fleet->units[i].core, now);
        }
        next = fleet->wake_ns[i] < next ? fleet->wake_ns[i] : next;
    }
    return next;
}

void fleet_wait(struct fleet *fleet, int wait_ms)
{
    networks_wait(fleet->networks, wait_ms);
}

void fleet_part(struct fleet *fleet, mono_time mono)
{
    networks_step(fleet->networks, mono.ns);
}

void fleet_goodbye(struct fleet *fleet, wall_time wall, mono_time mono)
{
    for (size_t i = 0; i < fleet->count; i++) {
        station_stop(&fleet->units[i].core, hal_now(fleet, wall, mono));
        network_goodbye(fleet->units[i].network);
    }
}

void fleet_print_devices(const struct fleet *fleet, FILE *out)
{
    for (size_t i = 0; i < fleet->count; i++) {
        if (fleet->units[i].field != NULL) {
            field_print(fleet->units[i].field, out);
        }
    }
}

static void add_counters(struct station_counters *sum, const struct station_counters *add)
{
    sum->sampled += add->sampled;
    sum->missing += add->missing;
    sum->failed += add->failed;
    sum->reports += add->reports;
    sum->unlogged += add->unlogged;
    sum->published += add->published;
    sum->resent += add->resent;
    sum->covered += add->covered;
    sum->set_aside += add->set_aside;
    sum->overwritten += add->overwritten;
    sum->log_errors += add->log_errors;
    sum->receipts += add->receipts;
    sum->receipts_ignored += add->receipts_ignored;
    sum->commands += add->commands;
}

void fleet_total(const struct fleet *fleet, struct fleet_totals *totals)
{
    *totals =
        (struct fleet_totals){ .stations = fleet->count, .finished = true, .delivered = true };
    for (size_t i = 0; i < fleet->count; i++) {
        const struct unit *unit = &fleet->units[i];
        totals->connected += network_is_up(unit->network);
        totals->finished = totals->finished && station_finished(&unit->core);
        totals->delivered = totals->delivered && station_delivered(&unit->core);
        add_counters(&totals->counters, station_counters(&unit->core));
    }
}

bool fleet_complaint(const struct fleet *fleet, struct problem *problem)
{
    for (size_t i = 0; i < fleet->count; i++) {
        struct problem reason;
        network_reason(fleet->units[i].network, &reason);
        if (reason.text[0] != '\0') {
            problem_set(problem, "%s: %.400s", fleet->units[i].registered->id, reason.text);
            return true;
        }
    }
    return false;
}

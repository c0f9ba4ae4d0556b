/*
 * A trap counts minutes by monotonic time. With a simulated clock it is handed one that runs as
 * fast as the wall's.
 */
#include "light_trap.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bus_tty.h"
#include "port/trap_rig.h"

#define RETRY_NS    SECOND_NS
#define HOUR_NS     (3600 * SECOND_NS)
#define SHOWER_NS   (1200 * SECOND_NS) /* at the begin of an hour ... */
#define SHOWER_EACH 8                  /* ... of so many */
#define LAMP_START  (2 * SECOND_NS)
#define LAMP_REST   (10 * SECOND_NS)

enum { PIN_RELAY, PIN_RAIN };

struct light_trap {
    struct trap_rig rig;
    struct bus_tty *line;
    struct hal_line wanted; /* how the line is to be set up; baud 0 = nobody said yet */
    bool open;
    int64_t retry_ns; /* monotonic */
    bool relay;
    uint64_t seed;
    bool simulated;
    int64_t began_ns, reached_ns; /* wall time: at the start; the latest seen */
};

/* --- the classifier's line, whether somebody is there or not ---------------------------- */

static void try_line(struct light_trap *trap)
{
    const struct hal_bus *bus = bus_tty_hal(trap->line);
    trap->open = bus->configure(bus->context, &trap->wanted) == HAL_OK;
}

static enum hal_result configure(void *context, const struct hal_line *line)
{
    struct light_trap *trap = context;
    trap->wanted = *line;
    try_line(trap);
    return HAL_OK;
}

static enum hal_result write_line(void *context, const void *bytes, size_t length)
{
    struct light_trap *trap = context;
    const struct hal_bus *bus = bus_tty_hal(trap->line);
    return bus->write(bus->context, bytes, length);
}

static bool sent(void *context)
{
    const struct hal_bus *bus = bus_tty_hal(((struct light_trap *)context)->line);
    return bus->sent(bus->context);
}

static size_t read_line(void *context, void *bytes, size_t capacity)
{
    const struct hal_bus *bus = bus_tty_hal(((struct light_trap *)context)->line);
    return bus->read(bus->context, bytes, capacity);
}

static void keep_line_open(struct light_trap *trap, int64_t mono_ns)
{
    trap->open = trap->open && bus_tty_is_open(trap->line);
    if (!trap->open && mono_ns >= trap->retry_ns) {
        trap->retry_ns = mono_ns + RETRY_NS;
        try_line(trap);
    }
}

/* --- pins that are simulated -------------------------------------------------------------- */

static void set_pin(void *context, unsigned pin, bool on)
{
    if (pin == PIN_RELAY) {
        ((struct light_trap *)context)->relay = on;
    }
}

/* The same seed and hour always give the same weather (mixing as in SplitMix64). */
static bool rains(uint64_t seed, int64_t wall_ns)
{
    uint64_t mixed = seed + (uint64_t)(wall_ns / HOUR_NS) * UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return (mixed ^ mixed >> 31) % SHOWER_EACH == 0 && wall_ns % HOUR_NS < SHOWER_NS;
}

static bool get_pin(void *context, unsigned pin)
{
    const struct light_trap *trap = context;
    return pin == PIN_RELAY ? trap->relay : rains(trap->seed, trap->reached_ns);
}

/* --- the trap ------------------------------------------------------------------------------ */

static struct hal_time own_time(struct light_trap *trap, struct hal_time now)
{
    trap->reached_ns = now.wall_ns > trap->reached_ns ? now.wall_ns : trap->reached_ns;
    if (trap->simulated) {
        now.mono_ns = SECOND_NS + trap->reached_ns - trap->began_ns;
    }
    return now;
}

static struct phusa_text text_of(const char *word)
{
    return word == NULL ? (struct phusa_text){ NULL, 0 } : phusa_text_of(word);
}

static bool fill_settings(const struct light_trap_options *options, struct trap_settings *settings,
                          struct problem *problem)
{
    const struct station *registered = options->registered;
    const struct station_trap *trap = &registered->trap;
    if (!trap->given || isnan(registered->lat) || isnan(registered->lon) ||
        trap->species_count > NIGHT_CLASSES) {
        problem_set(problem,
                    "--trap: %s: no trap with lat, lon and 1 to %d species in the registry",
                    registered->id, NIGHT_CLASSES);
        return false;
    }
    trap_settings_default(settings, &(struct sun_site){ registered->lat, registered->lon });
    settings->utc_offset_s = LIGHT_TRAP_UTC_OFFSET_S;
    settings->wind = text_of(options->wind);
    settings->battery = text_of(options->battery);
    settings->classes = trap->species_count;
    for (size_t i = 0; i < trap->species_count; i++) {
        settings->names[i] = trap->species[i]->name;
    }
    return true;
}

static bool begin_rig(struct light_trap *trap, const struct light_trap_options *options,
                      struct hal_time now, struct problem *problem)
{
    const struct hal_pins pins = { .context = trap, .set = set_pin, .get = get_pin };
    const struct hal_bus bus = { trap, configure, write_line, sent, read_line, NULL };
    struct trap_rig_settings settings = {
        .lamp = { .pin = PIN_RELAY, .start_ns = LAMP_START, .rest_ns = LAMP_REST },
        .has_classifier = true,
        .has_rain_switch = true,
        .rain_pin = PIN_RAIN,
    };
    if (!fill_settings(options, &settings.trap, problem)) {
        return false;
    }
    if (!trap_rig_init(&trap->rig, &settings, &pins, &bus, options->keep, options->boot,
                       own_time(trap, now))) {
        problem_set(problem, "--trap: %s: its place is none on earth", options->registered->id);
        return false;
    }
    return true;
}

struct light_trap *light_trap_open(const struct light_trap_options *options, struct hal_time now,
                                   struct problem *problem)
{
    struct light_trap *trap = calloc(1, sizeof *trap);
    if (trap != NULL) {
        trap->line = bus_tty_create(options->where);
    }
    if (trap == NULL || trap->line == NULL) {
        problem_set(problem, "out of memory");
        free(trap);
        return NULL;
    }
    trap->seed = options->seed;
    trap->simulated = options->simulated;
    trap->began_ns = trap->reached_ns = now.wall_ns;
    if (!begin_rig(trap, options, now, problem)) {
        light_trap_free(trap);
        return NULL;
    }
    return trap;
}

void light_trap_free(struct light_trap *trap)
{
    if (trap != NULL) {
        bus_tty_free(trap->line);
        free(trap);
    }
}

bool light_trap_join(struct light_trap *trap, const struct hal_sensors *others,
                     const struct phusa_text *names, size_t count, struct hal_sensors *sensors,
                     struct problem *problem)
{
    if (!trap_rig_join(&trap->rig, others, names, count, sensors)) {
        problem_set(problem,
                    "--trap-wind, --trap-battery: name parameters that the station reports, and "
                    "not of the trap");
        return false;
    }
    return true;
}

void light_trap_step(struct light_trap *trap, const struct station_core *core, struct hal_time now)
{
    struct hal_time own = own_time(trap, now);
    keep_line_open(trap, now.mono_ns);
    trap_rig_serve(&trap->rig, core, own);
    trap_rig_step(&trap->rig, own);
}

struct trap *light_trap_core(struct light_trap *trap)
{
    return &trap->rig.trap;
}

const struct classifier *light_trap_classifier(const struct light_trap *trap)
{
    return &trap->rig.classifier;
}

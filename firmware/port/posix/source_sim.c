/*
 * The model. Each value is a function of (seed, station, parameter, time) only: no
 * state, so any moment may be asked for in any order and a restart changes nothing.
 *
 *   x(t) = tide * T(t) + daily * cos(2 pi (h - peak) / 24) + rush * R(t)
 *        + slow * D(t) + noise * W(t)
 *   value = base + x, or base * exp(x) for what cannot be negative, or another shape made of it
 *
 * T  the tide of the East Sea at the mouths of the Tiền, damped at a station about 50 km
 *    inland: M2, S2, K1, O1 with the periods of their astronomical arguments (hours
 *    12.4206012, 12, 23.9344696, 25.8193417) and amplitudes 0.55, 0.20, 0.40, 0.30 m; the
 *    phases are counted from 1970 and stand for no real place. Levels take T in metres.
 *    Salinity takes the salt front's passage: it runs 1.5 h behind the level and, the front
 *    being steep, saturates: tanh(T / 0.3 m). The model stays in the dry season: the
 *    river's discharge changes over days (D), not with the calendar, so that a
 *    demonstration crosses 0.5, 1 and 4 g/l in any month.
 * h  local hour, UTC+7.
 * R  two rush hours, 07:00 and 18:00, and half of it on Sundays.
 * D  smooth noise of unit size with periods of 5 days and 14 hours, shared by the parameters
 *    with the same driver: discharge (salinity with EC), air mass (PM2.5 with PM10), own.
 * W  white noise of unit size (sum of uniforms), new at each moment.
 *
 * Ozone is what the sun makes: little at night. Traps count insects: Poisson with a mean from
 * the generation (28 days, a peak of a week), the moon (a full one takes 60 %), and the hour
 * (dusk 18:00 to dawn 06:00, most by 21:00). A parameter without a model moves around the
 * middle of its range. Every value is held inside the range and rounded to the resolution.
 *
 * Faults: one value in 4,000 is a spike; in one of 50 quarters of a day the station is silent
 * for 10 to 60 minutes; on one day in 100 a channel does not answer for up to two hours.
 */
#include "source_sim.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define SECOND          INT64_C(1000000000)
#define HOUR            (3600 * SECOND)
#define DAY             (24 * HOUR)
#define LOCAL_OFFSET    (7 * HOUR)
#define PI              3.14159265358979323846
#define FRONT_LAG_NS    (HOUR * 3 / 2)
#define FRONT_SCALE_M   0.3
#define SPIKE_CHANCE    (1.0 / 4000)
#define SILENCE_CHANCE  (1.0 / 50)
#define FAILURE_CHANCE  (1.0 / 100)
#define GENERATION_DAYS 28.0
#define LUNATION_DAYS   29.530588853
#define FULL_MOON_DAYS  22.0 /* the first full moon of 1970, about 22 January */
#define DUSK_HOUR       18
#define DAWN_HOUR       6
#define METER_START     (19723 * DAY) /* 2024-01-01 */
#define POISSON_EXACT   30.0          /* above this mean the normal approximation is good enough */

enum driver { OWN, DISCHARGE, AIRMASS, WEATHER };

enum shape {
    LINEAR,  /* base + x */
    LOG,     /* base * exp(x) */
    FRONT,   /* the same with the salt front for the tide */
    SUN,     /* base + x, the daily wave only while it is positive */
    NIGHT,   /* base + x from dusk to dawn, else 0: lamps */
    SHOWERS, /* base * exp(x) in some hours of an afternoon, else 0 */
    RARE,    /* 1 .. base for some hours on one day in 100, else 0 */
    METER    /* base an hour since 2024, and the daily wave of it */
};

struct sim_model {
    const char *kind; /* NULL = any */
    const char *name;
    enum shape shape;
    enum driver driver;
    double base, tide, daily, peak, rush, slow, noise;
};

/* clang-format off */
static const struct sim_model MODELS[] = {
    /* kind    name             shape    driver       base  tide  daily peak  rush   slow  noise */
    { "air",   "temp",          LINEAR,  WEATHER,     28.0,  0.0,  3.5,  14,  0.0,   1.2,  0.10 },
    { "air",   "pm25",          LOG,     AIRMASS,     24.0,  0.0,  0.20,  3,  0.50,  0.45, 0.08 },
    { "air",   "pm10",          LOG,     AIRMASS,     42.0,  0.0,  0.15,  3,  0.55,  0.40, 0.08 },
    { "air",   "no2",           LOG,     AIRMASS,     22.0,  0.0,  0.15,  2,  0.80,  0.25, 0.08 },
    { "air",   "so2",           LOG,     AIRMASS,     12.0,  0.0,  0.10,  4,  0.35,  0.30, 0.10 },
    { "air",   "co",            LOG,     AIRMASS,    700.0,  0.0,  0.15,  2,  0.70,  0.25, 0.06 },
    { "air",   "o3",            SUN,     WEATHER,     18.0,  0.0, 75.0,  13, -6.0,   9.0,  2.00 },
    { "room",  "temp",          LINEAR,  OWN,         23.5,  0.0,  0.4,  15,  0.0,   0.4,  0.05 },
    { "room",  "rh",            LINEAR,  OWN,         48.0,  0.0,  1.0,   6,  0.0,   1.5,  0.20 },
    { NULL,    "rh",            LINEAR,  WEATHER,     78.0,  0.0,-12.0,  14,  0.0,   5.0,  0.60 },
    { NULL,    "pressure",      LINEAR,  WEATHER,   1009.0,  0.0,  1.5,  10,  0.0,   2.5,  0.10 },
    { NULL,    "wind_speed",    LOG,     WEATHER,      2.2,  0.0,  0.50, 15,  0.0,   0.35, 0.20 },
    { NULL,    "wind_dir",      LINEAR,  WEATHER,    170.0,  0.0, 40.0,  14,  0.0,  45.0,  8.00 },
    { NULL,    "rain",          SHOWERS, WEATHER,      1.6,  0.0,  0.0,   0,  0.0,   0.60, 0.50 },
    { NULL,    "radiation",     SUN,     WEATHER,      0.0,  0.0,820.0,  12,  0.0,   0.0,  2.00 },
    { "farm",  "salinity",      LINEAR,  DISCHARGE,   12.0,  1.2,  0.0,   0,  0.0,   1.0,  0.05 },
    { "farm",  "do",            LINEAR,  OWN,          6.4,  0.1,  0.9,  15,  0.0,   0.3,  0.06 },
    { "water", "salinity",      FRONT,   DISCHARGE,    1.2,  1.45, 0.0,   0,  0.0,   0.18, 0.02 },
    { "water", "ec",            FRONT,   DISCHARGE,    2.3,  1.38, 0.0,   0,  0.0,   0.17, 0.02 },
    { "water", "ec25",          FRONT,   DISCHARGE,    2.2,  1.38, 0.0,   0,  0.0,   0.17, 0.02 },
    { "water", "tds",           FRONT,   DISCHARGE, 1300.0,  1.40, 0.0,   0,  0.0,   0.17, 0.02 },
    { NULL,    "level",         LINEAR,  DISCHARGE,    0.9,  1.0,  0.0,   0,  0.0,  -0.15, 0.01 },
    { NULL,    "depth",         LINEAR,  OWN,          6.0,  0.8,  0.0,   0,  0.0,   0.05, 0.02 },
    { NULL,    "temp",          LINEAR,  WEATHER,     29.0,  0.1,  0.9,  15,  0.0,   0.7,  0.04 },
    { NULL,    "do",            LINEAR,  OWN,          6.0,  0.2,  0.7,  15,  0.0,   0.3,  0.06 },
    { NULL,    "ph",            LINEAR,  OWN,          7.4,  0.08, 0.15, 15,  0.0,   0.10, 0.01 },
    { NULL,    "turb",          LOG,     DISCHARGE,   38.0, -0.30, 0.0,   0,  0.0,   0.35, 0.10 },
    { NULL,    "tss",           LOG,     DISCHARGE,   45.0, -0.30, 0.0,   0,  0.0,   0.35, 0.10 },
    { NULL,    "nh4",           LOG,     OWN,          0.25,-0.20, 0.10,  6,  0.0,   0.35, 0.08 },
    { NULL,    "cod",           LOG,     OWN,         32.0,  0.0,  0.15, 11,  0.0,   0.25, 0.06 },
    { NULL,    "bod5",          LOG,     OWN,         14.0,  0.0,  0.15, 11,  0.0,   0.25, 0.06 },
    { NULL,    "flow_in",       LOG,     OWN,         24.0,  0.0,  0.45, 11,  0.0,   0.20, 0.08 },
    { NULL,    "flow_out",      LOG,     OWN,         22.0,  0.0,  0.40, 12,  0.0,   0.20, 0.08 },
    { NULL,    "gw_level",      LINEAR,  OWN,         14.0,  0.02, 0.05,  4,  0.0,   0.30, 0.01 },
    { NULL,    "ec25",          LOG,     OWN,          1.4,  0.0,  0.0,   0,  0.0,   0.06, 0.01 },
    { NULL,    "tds",           LOG,     OWN,        780.0,  0.0,  0.0,   0,  0.0,   0.06, 0.01 },
    { NULL,    "cl",            LOG,     OWN,        160.0,  0.0,  0.0,   0,  0.0,   0.10, 0.02 },
    { NULL,    "soil_moisture", LINEAR,  OWN,         34.0,  0.0, -1.0,  14,  0.0,   4.0,  0.20 },
    { NULL,    "soil_temp",     LINEAR,  WEATHER,     28.5,  0.0,  1.6,  16,  0.0,   0.7,  0.05 },
    { NULL,    "soil_ec",       LOG,     OWN,          0.9,  0.0,  0.0,   0,  0.0,   0.12, 0.02 },
    { NULL,    "lamp_minutes",  LINEAR,  OWN,        690.0,  0.0,  0.0,   0,  0.0,   6.0,  8.00 },
    { "light", "power",         NIGHT,   OWN,       4200.0,  0.0,  0.0,   0,  0.0,  90.0, 25.00 },
    { "light", "current",       NIGHT,   OWN,         19.5,  0.0,  0.0,   0,  0.0,   0.4,  0.12 },
    { "light", "energy",        METER,   OWN,          2.1,  0.0, -1.0,  12,  0.0,   0.0,  0.00 },
    { NULL,    "switched_on",   NIGHT,   OWN,          1.0,  0.0,  0.0,   0,  0.0,   0.0,  0.00 },
    { NULL,    "power",         LOG,     OWN,       5200.0,  0.0,  0.35, 12,  0.30,  0.20, 0.08 },
    { NULL,    "current",       LOG,     OWN,         24.0,  0.0,  0.35, 12,  0.30,  0.20, 0.08 },
    { NULL,    "energy",        METER,   OWN,          5.6,  0.0,  0.6,  12,  0.0,   0.0,  0.00 },
    { NULL,    "voltage",       LINEAR,  OWN,        223.0,  0.0, -2.0,  19,  0.0,   1.5,  0.50 },
    { NULL,    "power_factor",  LINEAR,  OWN,          0.93, 0.0,  0.0,   0,  0.0,   0.01, 0.01 },
    { NULL,    "frequency",     LINEAR,  OWN,         50.0,  0.0,  0.0,   0,  0.0,   0.01, 0.02 },
    { NULL,    "battery",       LINEAR,  WEATHER,     12.9,  0.0,  0.4,  14,  0.0,   0.1,  0.02 },
    { NULL,    "faults",        RARE,    OWN,          3.0,  0.0,  0.0,   0,  0.0,   0.0,  0.00 },
    { NULL,    "lamps_out",     RARE,    OWN,          6.0,  0.0,  0.0,   0,  0.0,   0.0,  0.00 },
    { NULL,    "smoke",         RARE,    OWN,          1.0,  0.0,  0.0,   0,  0.0,   0.0,  0.00 },
    { NULL,    "leak",          RARE,    OWN,          1.0,  0.0,  0.0,   0,  0.0,   0.0,  0.00 },
    { NULL,    "door",          RARE,    OWN,          1.0,  0.0,  0.0,   0,  0.0,   0.0,  0.00 },
};
/* clang-format on */

/* --- randomness without state ----------------------------------------------------- */

/* splitmix64's mixing of key and n. */
static uint64_t mix(uint64_t key, uint64_t n)
{
    uint64_t z = key + n * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t mix_text(uint64_t key, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        key = mix(key, (unsigned char)text[i] + UINT64_C(1));
    }
    return mix(key, length);
}

/* In [0, 1). */
static double uniform(uint64_t key, uint64_t n)
{
    return (double)(mix(key, n) >> 11) * 0x1p-53;
}

/* Mean 0, variance 1, nearly normal. */
static double white(uint64_t key, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < 4; i++) {
        sum += uniform(mix(key, n), i);
    }
    return (sum - 2) * sqrt(3);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Smooth noise of about unit size: white at multiples of period, cosine between. */
static double smooth(uint64_t key, int64_t t_ns, int64_t period_ns)
{
    int64_t slot = floor_div(t_ns, period_ns);
    double part = (double)(t_ns - slot * period_ns) / (double)period_ns;
    double weight = (1 - cos(PI * part)) / 2;
    return white(key, (uint64_t)slot) * (1 - weight) + white(key, (uint64_t)slot + 1) * weight;
}

static double drift(uint64_t key, int64_t t_ns)
{
    return 0.85 * smooth(mix(key, 1), t_ns, 5 * DAY) + 0.45 * smooth(mix(key, 2), t_ns, 14 * HOUR);
}

/* --- nature ------------------------------------------------------------------------ */

/* Metres around the mean level. */
static double tide(int64_t t_ns)
{
    static const struct {
        double hours, amplitude, phase;
    } constituents[] = { { 12.4206012, 0.55, 0.3 },
                         { 12.0, 0.20, 1.1 },
                         { 23.9344696, 0.40, 2.0 },
                         { 25.8193417, 0.30, 0.7 } };
    double hours = (double)t_ns / (double)HOUR, sum = 0;
    for (size_t i = 0; i < sizeof constituents / sizeof constituents[0]; i++) {
        sum += constituents[i].amplitude *
               cos(2 * PI * hours / constituents[i].hours - constituents[i].phase);
    }
    return sum;
}

static double front(int64_t t_ns)
{
    return tanh(tide(t_ns - FRONT_LAG_NS) / FRONT_SCALE_M);
}

static double local_hour(int64_t t_ns)
{
    int64_t local = t_ns + LOCAL_OFFSET;
    return (double)(local - floor_div(local, DAY) * DAY) / (double)HOUR;
}

static double bump(double hour, double centre, double width)
{
    double distance = fabs(hour - centre);
    distance = distance > 12 ? 24 - distance : distance;
    return exp(-distance * distance / (2 * width * width));
}

static double rush(int64_t t_ns)
{
    double hour = local_hour(t_ns);
    bool sunday = (floor_div(t_ns + LOCAL_OFFSET, DAY) + 4) % 7 == 0; /* 1970-01-01: a Thursday */
    return (bump(hour, 7, 1.2) + bump(hour, 18, 1.6)) * (sunday ? 0.5 : 1);
}

static double daily(const struct sim_model *model, int64_t t_ns)
{
    double wave = cos(2 * PI * (local_hour(t_ns) - model->peak) / 24);
    return model->daily * (model->shape == SUN && wave < 0 ? 0 : wave);
}

/* True within an event that begins somewhere in the slot of t and lasts low to high. */
static bool in_event(uint64_t key, int64_t t_ns, int64_t slot_ns, double chance, int64_t low,
                     int64_t high)
{
    int64_t slot = floor_div(t_ns, slot_ns);
    uint64_t n = (uint64_t)slot * 4;
    if (uniform(key, n) >= chance) {
        return false;
    }
    int64_t length = low + (int64_t)(uniform(key, n + 1) * (double)(high - low));
    int64_t begin = slot * slot_ns + (int64_t)(uniform(key, n + 2) * (double)(slot_ns - length));
    return t_ns >= begin && t_ns < begin + length;
}

/* --- channels ------------------------------------------------------------------------ */

static double wave(const struct sim_source *source, const struct sim_channel *channel, int64_t t_ns)
{
    const struct sim_model *model = channel->model;
    uint64_t driver =
        model->driver == OWN ? channel->key : mix(source->key, 100 + (uint64_t)model->driver);
    double water = model->shape == FRONT ? front(t_ns) : tide(t_ns);
    return model->tide * water + daily(model, t_ns) + model->rush * rush(t_ns) +
           model->slow * drift(driver, t_ns) + model->noise * white(channel->key, (uint64_t)t_ns);
}

/* What a meter shows: the integral of base + daily * base * cos(2 pi (h - peak) / 24). */
static double meter_value(const struct sim_model *model, int64_t t_ns)
{
    double hours = (double)(t_ns - METER_START) / (double)HOUR;
    double swing = sin(2 * PI * (local_hour(t_ns) - model->peak) / 24) * 24 / (2 * PI);
    return model->base * (hours + model->daily * swing);
}

static double model_value(const struct sim_source *source, const struct sim_channel *channel,
                          int64_t t_ns)
{
    const struct sim_model *model = channel->model;
    double x = wave(source, channel, t_ns), hour = local_hour(t_ns);
    bool event = false;
    switch (model->shape) {
    case LINEAR:
    case SUN:
        return model->base + x;
    case LOG:
    case FRONT:
        return model->base * exp(x);
    case NIGHT:
        return hour >= DUSK_HOUR || hour < DAWN_HOUR ? model->base + x : 0;
    case SHOWERS:
        event = in_event(mix(source->key, 31), t_ns, DAY / 2, 0.25, HOUR / 4, 2 * HOUR);
        return event ? model->base * exp(x) : 0;
    case RARE:
        event = in_event(mix(channel->key, 32), t_ns, DAY, FAILURE_CHANCE, HOUR / 2, 6 * HOUR);
        return event ? 1 + floor(model->base * uniform(channel->key, (uint64_t)(t_ns / DAY))) : 0;
    case METER:
        return meter_value(model, t_ns);
    }
    return 0;
}

static double range_value(const struct sim_channel *channel, int64_t t_ns)
{
    double low = channel->parameter->minimum;
    double span = channel->parameter->maximum - low;
    return low + span * (0.4 + 0.05 * drift(channel->key, t_ns) +
                         0.003 * white(channel->key, (uint64_t)t_ns));
}

/* Insects in a whole night around t, by the generation and the moon. */
static double night_mean(const struct sim_channel *channel, int64_t t_ns)
{
    double days = (double)t_ns / (double)DAY;
    double phase = fmod(days / GENERATION_DAYS + uniform(channel->key, 7), 1);
    double wave = exp(-(phase - 0.5) * (phase - 0.5) / (2 * 0.08 * 0.08));
    double moon = (1 + cos(2 * PI * (days - FULL_MOON_DAYS) / LUNATION_DAYS)) / 2;
    double size = 40 + 500 * uniform(channel->key, 8);
    return size * (0.06 + wave) * (1 - 0.6 * moon);
}

/* The share of a night's insects that come in the hour around a local hour; the day sums to 1. */
static double hour_share(double hour)
{
    bool night = hour >= DUSK_HOUR || hour < DAWN_HOUR;
    return night ? 0.03 + 0.165 * bump(hour, 20.5, 1.6) : 0;
}

static double poisson(uint64_t key, uint64_t n, double mean)
{
    if (mean > POISSON_EXACT) {
        return fmax(0, round(mean + sqrt(mean) * white(key, n)));
    }
    double limit = exp(-mean), product = 1;
    uint64_t stream = mix(key, n);
    for (int count = 0; count < 200; count++) {
        product *= uniform(stream, (uint64_t)count);
        if (product <= limit) {
            return count;
        }
    }
    return mean;
}

/* Insects since the report before; a report a night or rarer counts whole nights. */
static double trap_value(const struct sim_source *source, const struct sim_channel *channel,
                         int64_t t_ns)
{
    double mean;
    if (source->every_ns >= DAY / 2) {
        mean = night_mean(channel, t_ns) * fmax(1, (double)source->every_ns / (double)DAY);
    } else {
        double hours = (double)source->every_ns / (double)HOUR;
        mean =
            night_mean(channel, t_ns) * hour_share(local_hour(t_ns - source->every_ns / 2)) * hours;
    }
    return poisson(channel->key, (uint64_t)t_ns, mean);
}

static bool is_counted(const struct sim_source *source, const struct sim_channel *channel)
{
    return source->trap && channel->model == NULL && channel->parameter->resolution >= 1;
}

/* Counts, meters and contacts have none: what they show is digital. */
static bool has_spikes(const struct sim_source *source, const struct sim_channel *channel)
{
    bool digital =
        channel->model != NULL && (channel->model->shape == METER ||
                                   channel->model->shape == RARE || channel->model->shape == NIGHT);
    return !digital && !is_counted(source, channel);
}

static double raw_value(const struct sim_source *source, const struct sim_channel *channel,
                        int64_t t_ns)
{
    if (channel->model != NULL) {
        return model_value(source, channel, t_ns);
    }
    return is_counted(source, channel) ? trap_value(source, channel, t_ns)
                                       : range_value(channel, t_ns);
}

static double spike(const struct sim_channel *channel, int64_t t_ns, double value)
{
    uint64_t key = mix(channel->key, 11);
    if (uniform(key, (uint64_t)t_ns) >= SPIKE_CHANCE) {
        return value;
    }
    return value * (1.5 + 2 * uniform(mix(key, 1), (uint64_t)t_ns));
}

/* Inside the range, on a multiple of the resolution, printed without a tail of digits. */
static double settle(const struct phusa_parameter *parameter, double value)
{
    value = fmin(fmax(value, parameter->minimum), parameter->maximum);
    if (parameter->resolution >= 1) {
        return round(value / parameter->resolution) * parameter->resolution;
    }
    double per_unit = round(1 / parameter->resolution);
    return round(value * per_unit) / per_unit;
}

static struct hal_sample sample(void *context, size_t index, int64_t at_ns)
{
    const struct sim_source *source = context;
    const struct sim_channel *channel = &source->channels[index];
    if (in_event(mix(source->key, 21), at_ns, DAY / 4, SILENCE_CHANCE, HOUR / 6, HOUR)) {
        return (struct hal_sample){ .kind = HAL_SAMPLE_MISSING };
    }
    if (in_event(mix(channel->key, 22), at_ns, DAY, FAILURE_CHANCE, HOUR / 2, 2 * HOUR)) {
        return (struct hal_sample){ .kind = HAL_SAMPLE_FAILED };
    }
    double value = raw_value(source, channel, at_ns);
    if (has_spikes(source, channel)) {
        value = spike(channel, at_ns, value);
    }
    return (struct hal_sample){ .kind = HAL_SAMPLE_VALUE,
                                .value = settle(channel->parameter, value) };
}

/* --- set-up ------------------------------------------------------------------------- */

static const struct sim_model *find_model(const char *kind, struct phusa_text name)
{
    for (size_t i = 0; i < sizeof MODELS / sizeof MODELS[0]; i++) {
        if (phusa_text_equal(name, phusa_text_of(MODELS[i].name)) &&
            (MODELS[i].kind == NULL || strcmp(MODELS[i].kind, kind) == 0)) {
            return &MODELS[i];
        }
    }
    return NULL;
}

void sim_source_init(struct sim_source *source, uint64_t seed, const char *station,
                     const char *kind, const struct phusa_parameter *const *parameters,
                     size_t count, int64_t every_ns)
{
    *source =
        (struct sim_source){ .key = mix_text(mix(seed, 1), station, strlen(station)),
                             .every_ns = every_ns,
                             .trap = strcmp(kind, "trap") == 0,
                             .channel_count = count < SIM_CHANNELS_MAX ? count : SIM_CHANNELS_MAX };
    for (size_t i = 0; i < source->channel_count; i++) {
        struct phusa_text name = parameters[i]->name;
        source->channels[i] = (struct sim_channel){
            .parameter = parameters[i],
            .model = find_model(kind, name),
            .key = mix_text(source->key, name.data, name.length),
        };
    }
}

struct hal_sensors sim_sensors(struct sim_source *source)
{
    return (struct hal_sensors){ .context = source, .sample = sample };
}

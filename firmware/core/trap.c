/*
 * What is kept, little-endian:
 *   KEEP_NIGHT   0 u8 version   1 u8 the counters were seen   2 u32 their session
 *                6 u32 for each class: where they stood   then the night (night.c)
 *   KEEP_NIGHTS  0 u8 version   1 u8 nights   2 u64 end of the last night closed
 *                10 the nights, oldest first
 * A night that closes is written to KEEP_NIGHTS first, and then the new one to KEEP_NIGHT. So a
 * cut between leaves the closed one in both: what KEEP_NIGHT holds is over then, but for its
 * counters.
 */
#include "trap.h"

#include <assert.h>
#include <math.h>

#include "bytes.h"

#define MS            INT64_C(1000000)
#define SECOND        (1000 * MS)
#define HOUR          (3600 * SECOND)
#define HOUR_S        3600
#define DAY_S         86400
#define NIGHT_MINUTES 1440
#define VERSION       1
#define OPEN_FIXED    6
#define CLOSED_FIXED  10
#define URGENT_AFTER  (10 * SECOND) /* a button that bounces wears no flash out */
#define TOLD_AFTER    HOUR /* a report is in the log by then, however slow the other sensors */
#define MISSED_AFTER  (60 * SECOND) /* by the wall: no sample of that moment will come */
#define PAST_AFTER    (60 * SECOND) /* what is so now is not so at a moment so far back */
#define LOOK_EVERY    (60 * SECOND) /* at wind and battery */
#define STATE_FAULT   2             /* TT 10 */

static_assert(OPEN_FIXED + 4 * NIGHT_CLASSES + NIGHT_BYTES_MAX <= KEEP_BYTES_MAX, "a record");
static_assert(CLOSED_FIXED + TRAP_CLOSED_MAX * (NIGHT_BYTES_MAX - 8) <= KEEP_BYTES_MAX, "a record");

/* --- settings ----------------------------------------------------------------------- */

void trap_settings_default(struct trap_settings *settings, const struct sun_site *site)
{
    *settings = (struct trap_settings){
        .site = *site,
        .utc_offset_s = 7 * HOUR_S,
        .elevation = SUN_HORIZON,
        .from = { TRAP_DUSK, 15 * 60 },
        .until = { TRAP_CLOCK, 22 * HOUR_S },
        .wind_stop = 8,
        .wind_go = 6,
        .battery_low = 11.6,
        .battery_ok = 12.4,
        .hold_ns = { 900 * SECOND, 600 * SECOND, 1800 * SECOND },
        .stale_ns = HOUR,
        .keep_every_ns = 60 * SECOND,
        .classes = 1,
        .names = { PHUSA_TEXT("other_insects") },
    };
}

static bool edge_good(const struct trap_edge *edge)
{
    return edge->moment == TRAP_CLOCK ? edge->seconds >= 0 && edge->seconds < DAY_S
                                      : edge->seconds >= -DAY_S / 2 && edge->seconds <= DAY_S;
}

static bool holds_good(const struct trap_settings *settings)
{
    bool good = settings->stale_ns >= 60 * SECOND && settings->stale_ns <= 24 * HOUR;
    for (size_t i = 0; i < NIGHT_GATES; i++) {
        good = good && settings->hold_ns[i] >= 0 && settings->hold_ns[i] <= 24 * HOUR;
    }
    return good;
}

static bool site_good(const struct trap_settings *settings)
{
    return fabs(settings->site.latitude) <= 90 && fabs(settings->site.longitude) <= 180 &&
           fabs(settings->elevation) <= 18 && settings->utc_offset_s >= -14 * HOUR_S &&
           settings->utc_offset_s <= 14 * HOUR_S;
}

const char *trap_settings_problem(const struct trap_settings *settings)
{
    const struct {
        bool good;
        const char *name;
    } checks[] = {
        { site_good(settings), "site" },
        { edge_good(&settings->from), "from" },
        { edge_good(&settings->until), "until" },
        { settings->wind_go >= 0 && settings->wind_stop >= settings->wind_go, "wind" },
        { settings->battery_low >= 0 && settings->battery_ok >= settings->battery_low, "battery" },
        { holds_good(settings), "hold" },
        { settings->keep_every_ns >= 10 * SECOND && settings->keep_every_ns <= HOUR, "keep" },
        { settings->classes >= 1 && settings->classes <= NIGHT_CLASSES, "classes" },
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (!checks[i].good) {
            return checks[i].name;
        }
    }
    return NULL;
}

/* --- the hours of a night ------------------------------------------------------------- */

/* A dusk or dawn as wall time; where there is none, the night's begin or end, and *none says so if
 * it is never dark. */
static int64_t sun_at(enum sun_result result, int64_t found_s, int64_t otherwise_ns, bool *none)
{
    *none |= result == SUN_STAYS_UP;
    return result == SUN_FOUND ? found_s * SECOND : otherwise_ns;
}

static int64_t edge_at(const struct trap *trap, const struct trap_edge *edge)
{
    int64_t midnight_ns = trap->night.end_ns - NIGHT_NS / 2;
    int64_t after_ns = edge->seconds * SECOND;
    if (edge->moment == TRAP_CLOCK) {
        return midnight_ns + after_ns - (edge->seconds >= DAY_S / 2 ? NIGHT_NS : 0);
    }
    return (edge->moment == TRAP_DUSK ? trap->dusk_ns : trap->dawn_ns) + after_ns;
}

/* Dusk, dawn and the lamp's hours of the night under way. */
static void plan(struct trap *trap)
{
    const struct trap_settings *settings = &trap->settings;
    int64_t begin_ns = trap->night.end_ns - NIGHT_NS, dusk_s = 0, dawn_s = 0;
    int64_t evening = (begin_ns / SECOND + settings->utc_offset_s) / DAY_S;
    bool bright = false;
    enum sun_result dusk = sun_dusk(&settings->site, evening, settings->elevation, &dusk_s);
    enum sun_result dawn = sun_dawn(&settings->site, evening + 1, settings->elevation, &dawn_s);
    trap->dusk_ns = sun_at(dusk, dusk_s, begin_ns, &bright);
    trap->dawn_ns = sun_at(dawn, dawn_s, trap->night.end_ns, &bright);
    if (bright) {
        trap->dawn_ns = trap->dusk_ns;
    }
    trap->from_ns = edge_at(trap, &settings->from);
    trap->until_ns = edge_at(trap, &settings->until);
}

/* --- keeping ---------------------------------------------------------------------------- */

static void keep_slot(struct trap *trap, unsigned slot, const uint8_t *bytes, size_t length)
{
    if (keep_write(trap->keep, slot, bytes, length) != KEEP_OK) {
        trap->keep_errors++;
    }
}

static void keep_night(struct trap *trap, struct hal_time now)
{
    uint8_t bytes[KEEP_BYTES_MAX] = { VERSION, trap->counters.known };
    size_t classes = trap->settings.classes;
    put_u32(bytes + 2, trap->counters.session);
    for (size_t i = 0; i < classes; i++) {
        put_u32(bytes + OPEN_FIXED + 4 * i, trap->counters.counts[i]);
    }
    size_t length = OPEN_FIXED + 4 * classes;
    length += night_save(&trap->night, classes, bytes + length);
    keep_slot(trap, KEEP_NIGHT, bytes, length);
    if (keep_sync(trap->keep) != KEEP_OK) {
        trap->keep_errors++;
    }
    trap->kept_ns = now.mono_ns;
    trap->changed = trap->urgent = false;
}

static void keep_closed(struct trap *trap)
{
    uint8_t bytes[KEEP_BYTES_MAX] = { VERSION, (uint8_t)trap->closed_count };
    put_u64(bytes + 2, (uint64_t)trap->last_end_ns);
    size_t length = CLOSED_FIXED;
    for (size_t i = 0; i < trap->closed_count; i++) {
        length += night_save(&trap->closed[i].night, trap->settings.classes, bytes + length);
    }
    keep_slot(trap, KEEP_NIGHTS, bytes, length);
}

static void load_closed(struct trap *trap)
{
    uint8_t bytes[KEEP_BYTES_MAX];
    size_t length = 0, at = CLOSED_FIXED;
    if (keep_read(trap->keep, KEEP_NIGHTS, bytes, sizeof bytes, &length) != KEEP_OK ||
        length < CLOSED_FIXED || bytes[0] != VERSION || bytes[1] > TRAP_CLOSED_MAX) {
        return;
    }
    int64_t last_end_ns = (int64_t)get_u64(bytes + 2);
    if (last_end_ns > 0 && last_end_ns <= NIGHT_TIME_MAX) {
        trap->last_end_ns = night_end(last_end_ns, trap->settings.utc_offset_s);
    }
    for (size_t i = 0; i < bytes[1]; i++) {
        size_t taken = night_load(&trap->closed[i].night, bytes + at, length - at);
        if (taken == 0) {
            return;
        }
        at += taken;
        trap->closed[trap->closed_count++].late = true;
    }
}

/* The night under way; of one that was closed already only where its counters stood. */
static void load_night(struct trap *trap)
{
    uint8_t bytes[KEEP_BYTES_MAX];
    size_t length = 0, classes = trap->settings.classes, fixed = OPEN_FIXED + 4 * classes;
    if (keep_read(trap->keep, KEEP_NIGHT, bytes, sizeof bytes, &length) != KEEP_OK ||
        length < fixed + 2 || bytes[0] != VERSION || bytes[fixed + 1] != classes ||
        night_load(&trap->night, bytes + fixed, length - fixed) == 0) {
        trap->night = (struct night){ 0 };
        return;
    }
    trap->counters.known = bytes[1] == 1;
    trap->counters.session = get_u32(bytes + 2);
    for (size_t i = 0; i < classes; i++) {
        trap->counters.counts[i] = get_u32(bytes + OPEN_FIXED + 4 * i);
    }
    trap->look = TRAP_LOOK_RESUMED;
    if (trap->night.end_ns <= trap->last_end_ns) {
        trap->night = (struct night){ 0 };
        trap->look = TRAP_LOOK_OLD;
        return;
    }
    trap->night.end_ns = night_end(trap->night.end_ns, trap->settings.utc_offset_s);
    trap->night.resets++;
    plan(trap);
}

static bool has_wind(const struct trap_settings *settings)
{
    return settings->wind.length > 0 && settings->wind_stop > 0;
}

static bool has_battery(const struct trap_settings *settings)
{
    return settings->battery.length > 0 && settings->battery_low > 0;
}

static void init_gates(struct trap *trap, struct hal_time now)
{
    for (size_t i = 0; i < NIGHT_GATES; i++) {
        trap->gates[i] = (struct trap_gate){ .bad_ns = now.mono_ns, .heard_ns = now.mono_ns };
    }
    /* A battery that the lamp pulls down would start it again after each reset: it must be good. */
    struct trap_gate *battery = &trap->gates[NIGHT_BATTERY];
    battery->closed = has_battery(&trap->settings);
    battery->bad_ns -= trap->settings.hold_ns[NIGHT_BATTERY];
}

bool trap_init(struct trap *trap, const struct trap_settings *settings, struct keep *keep,
               struct hal_time now)
{
    if (trap_settings_problem(settings) != NULL) {
        return false;
    }
    *trap = (struct trap){ .settings = *settings, .keep = keep, .reason = TRAP_NO_CLOCK };
    trap->before = (struct trap_inputs){ .wind = NAN, .battery = NAN };
    init_gates(trap, now);
    load_closed(trap);
    load_night(trap);
    return true;
}

/* --- gates ------------------------------------------------------------------------------ */

struct weather {
    bool known, bad, good; /* neither bad nor good: it stays as it is */
};

static void step_gate(struct trap_gate *gate, struct weather weather, int64_t hold_ns,
                      int64_t stale_ns, int64_t now_ns)
{
    if (!weather.known) {
        gate->closed = gate->closed && now_ns - gate->heard_ns < stale_ns;
        return;
    }
    gate->heard_ns = now_ns;
    if (weather.bad || !weather.good) {
        gate->bad_ns = now_ns;
    }
    if (weather.bad) {
        gate->closed = true;
    } else if (now_ns - gate->bad_ns >= hold_ns) {
        gate->closed = false;
    }
}

static void step_gates(struct trap *trap, const struct trap_inputs *inputs, int64_t now_ns)
{
    const struct trap_settings *settings = &trap->settings;
    const struct weather weather[NIGHT_GATES] = {
        { inputs->rain_known, inputs->raining, !inputs->raining },
        { has_wind(settings) && !isnan(inputs->wind), inputs->wind >= settings->wind_stop,
          inputs->wind < settings->wind_go },
        { has_battery(settings) && !isnan(inputs->battery), inputs->battery < settings->battery_low,
          inputs->battery >= settings->battery_ok },
    };
    for (size_t i = 0; i < NIGHT_GATES; i++) {
        step_gate(&trap->gates[i], weather[i], settings->hold_ns[i], settings->stale_ns, now_ns);
    }
}

/* --- the lamp --------------------------------------------------------------------------- */

static bool in_hours(const struct trap *trap, int64_t wall_ns)
{
    return wall_ns >= trap->from_ns && wall_ns < trap->until_ns;
}

/* Why the lamp is to be lit or dark. */
static enum trap_reason judge(const struct trap *trap, const struct trap_inputs *inputs,
                              struct hal_time now)
{
    if (trap->order == TRAP_OFF) {
        return TRAP_BY_ORDER;
    }
    if (trap->order == TRAP_ON) {
        return trap->gates[NIGHT_BATTERY].closed ? TRAP_BATTERY : TRAP_BY_ORDER;
    }
    if (!now.wall_set) {
        return TRAP_NO_CLOCK;
    }
    if (!in_hours(trap, now.wall_ns)) {
        return TRAP_NOT_NOW;
    }
    for (size_t i = 0; i < NIGHT_GATES; i++) {
        if (trap->gates[i].closed) {
            return (enum trap_reason)(TRAP_RAIN + i);
        }
    }
    return inputs->door_open ? TRAP_DOOR : TRAP_BY_HOURS;
}

static void decide(struct trap *trap, const struct trap_inputs *inputs, struct hal_time now)
{
    if (trap->order != TRAP_AUTOMATIC && now.mono_ns >= trap->order_until_ns) {
        trap->order = TRAP_AUTOMATIC;
    }
    trap->reason = judge(trap, inputs, now);
    trap->wanted =
        trap->reason == TRAP_BY_HOURS || (trap->reason == TRAP_BY_ORDER && trap->order == TRAP_ON);
}

void trap_order(struct trap *trap, enum trap_order order, int64_t until_ns)
{
    trap->order = order;
    trap->order_until_ns = until_ns;
}

const char *trap_refusal(const struct trap *trap)
{
    return trap->gates[NIGHT_BATTERY].closed ? "refused: the battery is low, or not measured yet"
                                             : NULL;
}

/* --- the night --------------------------------------------------------------------------- */

/* Time passes as it was at the last step: what was decided then, and what was seen. */
static void pass(struct trap *trap, uint32_t ms)
{
    struct night *night = &trap->night;
    const struct trap_inputs *before = &trap->before;
    night->watched_ms += ms;
    night->lit_ms += before->lit ? ms : 0;
    night->unsure_ms += before->lit && before->unsure ? ms : 0;
    night->dark_ms += trap->wanted && !before->lit ? ms : 0;
    if (trap->reason >= TRAP_RAIN && trap->reason <= TRAP_BATTERY) {
        night->gated_ms[trap->reason - TRAP_RAIN] += ms;
        trap->changed = trap->changed || ms > 0;
    }
    trap->changed = trap->changed || (ms > 0 && (before->lit || trap->wanted));
}

static void drop_closed(struct trap *trap, size_t index)
{
    trap->closed_count--;
    for (size_t i = index; i < trap->closed_count; i++) {
        trap->closed[i] = trap->closed[i + 1];
    }
}

static bool worth_telling(const struct night *night)
{
    bool caught = false;
    for (size_t i = 0; i < NIGHT_CLASSES; i++) {
        caught = caught || night->counts[i] > 0;
    }
    return caught || night->lit_ms > 0 || night->watched_ms >= TRAP_WATCHED_MS;
}

static void open_night(struct trap *trap, int64_t end_ns, struct hal_time now)
{
    trap->night = (struct night){ .end_ns = end_ns };
    if (trap->look == TRAP_LOOK_RESUMED) {
        trap->look = TRAP_LOOK_OLD;
    }
    plan(trap);
    keep_night(trap, now);
}

static void close_night(struct trap *trap, struct hal_time now, int64_t next_end_ns, bool late)
{
    trap->last_end_ns = trap->night.end_ns;
    if (worth_telling(&trap->night)) {
        if (trap->closed_count == TRAP_CLOSED_MAX) {
            drop_closed(trap, 0);
            trap->nights_lost++;
        }
        trap->closed[trap->closed_count++] =
            (struct trap_closed){ .night = trap->night, .late = late };
    }
    keep_closed(trap);
    open_night(trap, next_end_ns, now);
}

/* The end of the night that a wall time is taken for: none that was closed. */
static int64_t name_night(struct trap *trap, int64_t wall_ns)
{
    int64_t end_ns = night_end(wall_ns, trap->settings.utc_offset_s);
    if (trap->last_end_ns - end_ns > TRAP_BACK_MAX * NIGHT_NS) {
        trap->last_end_ns = end_ns - NIGHT_NS; /* closed by a clock that was far ahead */
        keep_closed(trap);
    }
    return end_ns > trap->last_end_ns ? end_ns : trap->last_end_ns + NIGHT_NS;
}

/* Brings the night under way to a wall time. late: the first one after a start. */
static void follow(struct trap *trap, int64_t wall_ns, struct hal_time now, bool late)
{
    int64_t end_ns = name_night(trap, wall_ns);
    if (trap->night.end_ns == 0) {
        open_night(trap, end_ns, now);
    } else if (end_ns > trap->night.end_ns) {
        close_night(trap, now, end_ns, late);
    } else if (trap->night.end_ns - end_ns > TRAP_BACK_MAX * NIGHT_NS) {
        trap->night.end_ns = end_ns;
        plan(trap);
        keep_night(trap, now);
    }
}

/* The time since the last step belongs to the night it lay in. */
static void take_time(struct trap *trap, struct hal_time now)
{
    if (!trap->begun) {
        trap->begun = true;
        trap->stepped_ns = now.mono_ns;
        follow(trap, now.wall_ns, now, true);
        return;
    }
    int64_t ms = (now.mono_ns - trap->stepped_ns) / MS;
    int64_t behind = (now.wall_ns - trap->night.end_ns) / MS;
    int64_t later = behind < 0 ? 0 : behind < ms ? behind : ms;
    trap->stepped_ns += ms * MS;
    pass(trap, (uint32_t)(ms - later));
    follow(trap, now.wall_ns, now, false);
    pass(trap, (uint32_t)later);
}

static bool counts_now(const struct trap *trap, const struct trap_inputs *inputs, int64_t wall_ns)
{
    bool night =
        (wall_ns >= trap->dusk_ns && wall_ns < trap->dawn_ns) || inputs->lit || trap->before.lit;
    return trap->look == TRAP_LOOK_ORDINARY ? night && !inputs->door_open && !trap->before.door_open
                                            : trap->look == TRAP_LOOK_RESUMED;
}

static void take_counts(struct trap *trap, const struct trap_inputs *inputs, int64_t wall_ns)
{
    const struct night_counters *now = &inputs->counters;
    if (!now->known) {
        return;
    }
    bool moved = memcmp(now->counts, trap->counters.counts, sizeof now->counts) != 0;
    if (!night_count(&trap->night, trap->settings.classes, &trap->counters, now,
                     counts_now(trap, inputs, wall_ns))) {
        trap->nonsense++;
    }
    trap->changed = trap->changed || moved;
    trap->look = TRAP_LOOK_ORDINARY;
}

static void take_events(struct trap *trap, const struct trap_inputs *inputs)
{
    bool emptied = inputs->emptied != trap->before.emptied;
    bool opened = inputs->door_open && !trap->before.door_open;
    trap->night.services = (uint16_t)(trap->night.services + emptied);
    trap->night.doors = (uint16_t)(trap->night.doors + opened);
    trap->served = trap->served || emptied;
    trap->urgent = trap->urgent || emptied;
    trap->changed = trap->changed || opened;
}

static void forget_told(struct trap *trap, struct hal_time now)
{
    size_t before = trap->closed_count;
    for (size_t i = trap->closed_count; i-- > 0;) {
        const struct trap_closed *closed = &trap->closed[i];
        if (closed->told && (closed->over || now.mono_ns - closed->told_ns >= TOLD_AFTER)) {
            drop_closed(trap, i);
        }
    }
    if (trap->closed_count != before) {
        keep_closed(trap);
        keep_night(trap, now);
    }
}

/* How long the night may stay as it is before it is kept. */
static int64_t keep_after(const struct trap *trap)
{
    if (trap->urgent) {
        return URGENT_AFTER;
    }
    return trap->changed ? trap->settings.keep_every_ns : HOUR;
}

static void take_in(struct trap *trap, const struct trap_inputs *inputs, struct hal_time now)
{
    take_time(trap, now);
    take_counts(trap, inputs, now.wall_ns);
    take_events(trap, inputs);
    if (now.mono_ns - trap->kept_ns >= keep_after(trap)) {
        keep_night(trap, now);
    }
    forget_told(trap, now);
}

void trap_step(struct trap *trap, const struct trap_inputs *inputs, struct hal_time now)
{
    trap->now = now;
    step_gates(trap, inputs, now.mono_ns);
    if (now.wall_set) {
        take_in(trap, inputs, now);
        trap->before = *inputs;
    }
    decide(trap, inputs, now);
}

/* --- its values ---------------------------------------------------------------------------- */

static const char *const channel_names[TRAP_CHANNELS - NIGHT_CLASSES] = {
    "lamp_minutes", "gate_minutes",   "wind_minutes",    "battery_minutes",
    "dark_minutes", "unsure_minutes", "watched_minutes", "strays",
    "trap_resets",  "lamp",           "rain_gate",       "service",
};

int trap_channel(const struct trap *trap, struct phusa_text name)
{
    for (size_t i = 0; i < trap->settings.classes; i++) {
        if (phusa_text_equal(name, trap->settings.names[i])) {
            return (int)i;
        }
    }
    for (int i = NIGHT_CLASSES; i < TRAP_CHANNELS; i++) {
        if (phusa_text_equal(name, phusa_text_of(channel_names[i - NIGHT_CLASSES]))) {
            return i;
        }
    }
    return -1;
}

static double minutes(uint32_t ms)
{
    uint32_t nearest = ms / 60000 + (ms % 60000 >= 30000);
    return nearest < NIGHT_MINUTES ? nearest : NIGHT_MINUTES;
}

/* A closed night's value. */
static double night_value(const struct night *night, int channel)
{
    switch (channel) {
    case TRAP_LAMP_MINUTES:
        return minutes(night->lit_ms);
    case TRAP_GATE_MINUTES:
        return minutes(night->gated_ms[NIGHT_RAIN]);
    case TRAP_WIND_MINUTES:
        return minutes(night->gated_ms[NIGHT_WIND]);
    case TRAP_BATTERY_MINUTES:
        return minutes(night->gated_ms[NIGHT_BATTERY]);
    case TRAP_DARK_MINUTES:
        return minutes(night->dark_ms);
    case TRAP_UNSURE_MINUTES:
        return minutes(night->unsure_ms);
    case TRAP_WATCHED_MINUTES:
        return minutes(night->watched_ms);
    case TRAP_STRAYS:
        return night->stray;
    case TRAP_RESETS:
        return night->resets;
    default:
        return channel >= 0 && channel < NIGHT_CLASSES ? (double)night->counts[channel] : NAN;
    }
}

static struct hal_sample sample_now(struct trap *trap, int channel)
{
    struct hal_sample sample = { .kind = HAL_SAMPLE_VALUE };
    if (channel == TRAP_LAMP_STATE) {
        sample.value = trap->before.lit;
    } else if (channel == TRAP_GATE_STATE) {
        sample.value = trap->gates[NIGHT_RAIN].closed;
    } else {
        sample.value = 1;
        sample.kind = trap->served ? HAL_SAMPLE_VALUE : HAL_SAMPLE_MISSING;
        trap->served = false;
    }
    return sample;
}

struct hal_sample trap_sample(struct trap *trap, int channel, int64_t at_ns)
{
    struct hal_sample sample = { .kind = HAL_SAMPLE_MISSING };
    struct hal_time now = trap->now;
    if (channel < 0 || channel >= TRAP_CHANNELS) {
        sample.kind = HAL_SAMPLE_FAILED;
        return sample;
    }
    if (channel >= TRAP_LAMP_STATE) {
        return now.wall_set && now.wall_ns - at_ns >= PAST_AFTER ? sample
                                                                 : sample_now(trap, channel);
    }
    if (trap->begun && at_ns == trap->night.end_ns && now.wall_ns >= at_ns) {
        close_night(trap, now, at_ns + NIGHT_NS, false);
    }
    for (size_t i = 0; i < trap->closed_count && now.wall_set; i++) {
        struct trap_closed *closed = &trap->closed[i];
        if (closed->night.end_ns == at_ns) {
            sample.kind = HAL_SAMPLE_VALUE;
            sample.value = night_value(&closed->night, channel);
            closed->told = true;
            closed->told_ns = now.mono_ns;
        }
        closed->over = closed->told && at_ns > closed->night.end_ns;
    }
    return sample;
}

bool trap_missed(struct trap *trap, int64_t *end_ns)
{
    struct hal_time now = trap->now;
    for (size_t i = 0; i < trap->closed_count && trap->begun; i++) {
        struct trap_closed *closed = &trap->closed[i];
        int64_t age = now.wall_ns - closed->night.end_ns;
        if (!closed->told && !closed->handed && (closed->late ? age > 0 : age >= MISSED_AFTER)) {
            closed->handed = true;
            *end_ns = closed->night.end_ns;
            return true;
        }
    }
    return false;
}

/* --- its place in a station --------------------------------------------------------------- */

static void joint_begin(void *context, int64_t at_ns)
{
    const struct trap_joint *joint = context;
    if (joint->others.begin != NULL) {
        joint->others.begin(joint->others.context, at_ns);
    }
}

/* A sample that was given, whoever asked for it: what it says to the gates. */
static void hear(struct trap_joint *joint, size_t channel, const struct hal_sample *sample)
{
    bool given = sample->kind == HAL_SAMPLE_VALUE || sample->kind == HAL_SAMPLE_FAILED;
    bool good =
        sample->kind == HAL_SAMPLE_VALUE && sample->state != STATE_FAULT && isfinite(sample->value);
    for (size_t i = 0; i < NIGHT_GATES; i++) {
        if (given && joint->gates[i] == (int)channel) {
            joint->heard[i] = good ? sample->value : NAN;
            joint->looked_ns = joint->trap->now.mono_ns;
        }
    }
}

static struct hal_sample ask_others(struct trap_joint *joint, size_t channel, int64_t at_ns)
{
    struct hal_sample sample = { .kind = HAL_SAMPLE_FAILED };
    if (joint->others.sample != NULL) {
        sample = joint->others.sample(joint->others.context, channel, at_ns);
    }
    hear(joint, channel, &sample);
    return sample;
}

static struct hal_sample joint_sample(void *context, size_t channel, int64_t at_ns)
{
    struct trap_joint *joint = context;
    return channel < TRAP_JOINT_CHANNELS && joint->channels[channel] >= 0
               ? trap_sample(joint->trap, joint->channels[channel], at_ns)
               : ask_others(joint, channel, at_ns);
}

static bool joint_missed(void *context, int64_t *at_ns)
{
    const struct trap_joint *joint = context;
    const struct hal_sensors *others = &joint->others;
    return trap_missed(joint->trap, at_ns) ||
           (others->missed != NULL && others->missed(others->context, at_ns));
}

static bool joint_is_sum(void *context, size_t channel)
{
    const struct trap_joint *joint = context;
    const struct hal_sensors *others = &joint->others;
    return channel < TRAP_JOINT_CHANNELS && joint->channels[channel] < 0 &&
           others->is_sum != NULL && others->is_sum(others->context, channel);
}

/* The parameter that a gate goes by; empty: there is no such gate, or it has a pin. */
static struct phusa_text gate_name(const struct trap_settings *settings, enum night_gate gate)
{
    if (gate == NIGHT_WIND && has_wind(settings)) {
        return settings->wind;
    }
    return gate == NIGHT_BATTERY && has_battery(settings) ? settings->battery
                                                          : (struct phusa_text){ NULL, 0 };
}

static int8_t find_gate(const struct trap_joint *joint, enum night_gate gate,
                        const struct phusa_text *names, size_t count)
{
    struct phusa_text name = gate_name(&joint->trap->settings, gate);
    for (size_t i = 0; i < count && i < TRAP_JOINT_CHANNELS && name.length > 0; i++) {
        if (joint->channels[i] < 0 && phusa_text_equal(names[i], name)) {
            return (int8_t)i;
        }
    }
    return -1;
}

struct hal_sensors trap_join(struct trap_joint *joint, struct trap *trap,
                             const struct hal_sensors *others, const struct phusa_text *names,
                             size_t count)
{
    *joint = (struct trap_joint){ .trap = trap, .looked_ns = trap->now.mono_ns - LOOK_EVERY };
    joint->others = others != NULL ? *others : (struct hal_sensors){ .context = NULL };
    for (size_t i = 0; i < TRAP_JOINT_CHANNELS; i++) {
        joint->channels[i] = (int8_t)(i < count ? trap_channel(trap, names[i]) : -1);
    }
    for (size_t i = 0; i < NIGHT_GATES; i++) {
        joint->heard[i] = NAN;
        joint->gates[i] = find_gate(joint, (enum night_gate)i, names, count);
    }
    return (struct hal_sensors){ .context = joint,
                                 .begin = joint_begin,
                                 .sample = joint_sample,
                                 .missed = joint_missed,
                                 .is_sum = joint_is_sum };
}

bool trap_joint_whole(const struct trap_joint *joint)
{
    bool whole = true;
    for (size_t i = 0; i < NIGHT_GATES; i++) {
        whole = whole && (joint->gates[i] >= 0 ||
                          gate_name(&joint->trap->settings, (enum night_gate)i).length == 0);
    }
    return whole;
}

static uint8_t bit_of(size_t gate)
{
    return (uint8_t)(UINT32_C(1) << gate);
}

/* Those that did not answer the look before are not known any more. */
static void begin_look(struct trap_joint *joint, struct hal_time now)
{
    uint8_t wired = 0;
    for (size_t i = 0; i < NIGHT_GATES; i++) {
        wired |= joint->gates[i] >= 0 ? bit_of(i) : 0;
        joint->heard[i] = (joint->looking & bit_of(i)) != 0 ? NAN : joint->heard[i];
    }
    joint->looking = wired;
    joint->looked_ns = now.mono_ns;
    joint->look_at_ns = now.wall_set ? now.wall_ns : now.mono_ns;
    if (wired != 0) {
        joint_begin(joint, joint->look_at_ns);
    }
}

void trap_look(struct trap_joint *joint, bool busy, struct hal_time now)
{
    if (busy) {
        joint->looking = 0; /* it asks them itself, or will be looked for later */
        return;
    }
    if (now.mono_ns - joint->looked_ns >= LOOK_EVERY) {
        begin_look(joint, now);
    }
    for (size_t i = 0; i < NIGHT_GATES && joint->looking != 0; i++) {
        if ((joint->looking & bit_of(i)) != 0 &&
            ask_others(joint, (size_t)joint->gates[i], joint->look_at_ns).kind !=
                HAL_SAMPLE_PENDING) {
            joint->looking ^= bit_of(i);
        }
    }
}

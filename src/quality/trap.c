#include "quality/trap.h"

#include <math.h>
#include <string.h>

#define SECOND_NS     INT64_C(1000000000)
#define HOUR_NS       (3600 * SECOND_NS)
#define NIGHT_NS      (24 * HOUR_NS)
#define MINUTE_NS     (60 * INT64_C(1000000000))
#define NIGHT_MINUTES (24 * 60)
#define NOON_NS       (12 * HOUR_NS)
#define TIME_LEAST_NS (INT64_C(366) * NIGHT_NS)
#define TIME_MOST_NS  (INT64_C(7258118400) * SECOND_NS) /* 2200 */

struct view {
    struct trap *trap;
    const struct trap_settings *settings;
    trap_sink *sink;
    void *context;
};

/* The end of the night that a time belongs to. */
static int64_t night_end(const struct trap_settings *settings, int64_t time_ns)
{
    int64_t shift = settings->utc_offset_s * SECOND_NS - NOON_NS;
    return (time_ns + shift + NIGHT_NS - 1) / NIGHT_NS * NIGHT_NS - shift;
}

static void open_night(struct trap *trap, int64_t end_ns)
{
    trap->night = (struct trap_night){ .end_ns = end_ns };
}

/* How long a state is known between two times. */
static int64_t known_for(const struct trap_state *state, const struct trap_settings *settings,
                         int64_t from_ns, int64_t to_ns)
{
    int64_t last = state->since_ns + settings->hold_ns;
    int64_t until = last < to_ns ? last : to_ns;
    int64_t since = state->since_ns > from_ns ? state->since_ns : from_ns;
    return state->known && until > since ? until - since : 0;
}

/* Time passes within the open night. */
static void pass(struct trap *trap, const struct trap_settings *settings, int64_t to_ns)
{
    int64_t lamp = known_for(&trap->lamp, settings, trap->done_ns, to_ns);
    int64_t gate = known_for(&trap->gate, settings, trap->done_ns, to_ns);
    trap->night.known_ns += lamp;
    trap->night.lamp_ns += trap->lamp.on ? lamp : 0;
    trap->night.gated_ns += trap->gate.on ? gate : 0;
    trap->done_ns = to_ns;
}

static enum trap_outcome outcome_of(const struct trap_night *night)
{
    if (night->lamp_ns == 0 && night->known_ns >= TRAP_OFF_KNOWN_NS && !(night->count > 0)) {
        return TRAP_OFF;
    }
    return night->reports > 0 ? TRAP_COUNTED : TRAP_MISSING;
}

static void end_night(const struct view *view)
{
    struct trap *trap = view->trap;
    struct trap_night *night = &trap->night;
    int64_t end_ns = night->end_ns;
    night->outcome = outcome_of(night);
    night->coverage = (double)night->reports * (double)view->settings->every_ns / (double)NIGHT_NS;
    if (night->outcome != TRAP_COUNTED) {
        night->count = NAN;
    }
    if (night->outcome != TRAP_MISSING) {
        trap->silent = 0;
    } else if (trap->silent < TRAP_SILENT_MAX + 1) {
        trap->silent++;
    }
    if (trap->silent <= TRAP_SILENT_MAX) {
        view->sink(view->context, night);
    }
    open_night(trap, end_ns + NIGHT_NS);
}

/* Brings the trap to a time, over the ends of nights. */
static void move_to(const struct view *view, int64_t to_ns)
{
    struct trap *trap = view->trap;
    while (to_ns > trap->night.end_ns) {
        pass(trap, view->settings, trap->night.end_ns);
        end_night(view);
        if (trap->silent > TRAP_SILENT_MAX) { /* nothing is held any more, nothing will be told */
            open_night(trap, night_end(view->settings, to_ns));
            trap->done_ns = trap->night.end_ns - NIGHT_NS;
        }
    }
    pass(trap, view->settings, to_ns);
}

static double rise(struct trap *trap, const struct trap_settings *settings, double total)
{
    if (!trap->has_total) {
        return 0;
    }
    if (total >= trap->total) {
        return total - trap->total;
    }
    trap->night.resets++;
    return trap->served || settings->drop == TRAP_DROP_RESTARTS ? total : 0;
}

static void take_count(const struct view *view, const struct trap_event *event)
{
    struct trap *trap = view->trap;
    struct trap_night *night = &trap->night;
    double caught = event->value;
    if (view->settings->counter == TRAP_CUMULATIVE) {
        caught = rise(trap, view->settings, event->value);
        night->spans = night->spans || (caught > 0 && trap->total_ns <= night->end_ns - NIGHT_NS);
        trap->has_total = true;
        trap->total = event->value;
        trap->total_ns = event->time_ns;
        trap->served = false;
    }
    night->saturated =
        night->saturated || (view->settings->limit > 0 && event->value >= view->settings->limit);
    night->count += caught;
    night->reports++;
}

static int64_t at_most(int64_t value, int64_t most)
{
    return value < most ? value : most;
}

static int64_t minutes_of(double minutes)
{
    return minutes < NIGHT_MINUTES ? (int64_t)(minutes * MINUTE_NS) : NIGHT_NS;
}

/* No more than there can be up to the end of a night. */
static void take_lamp_minutes(const struct view *view, const struct trap_event *event)
{
    struct trap_night *night = &view->trap->night;
    int64_t lamp = minutes_of(event->value), every = view->settings->every_ns;
    night->lamp_ns = at_most(night->lamp_ns + lamp, NIGHT_NS);
    night->known_ns =
        at_most(night->known_ns + (every > lamp ? at_most(every, NIGHT_NS) : lamp), NIGHT_NS);
}

static void take(const struct view *view, const struct trap_event *event)
{
    struct trap *trap = view->trap;
    struct trap_state state = { true, event->value != 0, event->time_ns };
    if (!trap->begun) {
        trap->begun = true;
        trap->done_ns = event->time_ns;
        open_night(trap, night_end(view->settings, event->time_ns));
    }
    move_to(view, event->time_ns);
    switch (event->what) {
    case TRAP_COUNT:
        take_count(view, event);
        break;
    case TRAP_LAMP:
        trap->lamp = state;
        break;
    case TRAP_GATE:
        trap->gate = state;
        break;
    case TRAP_LAMP_MINUTES:
        take_lamp_minutes(view, event);
        break;
    case TRAP_GATE_MINUTES:
        trap->night.gated_ns = at_most(trap->night.gated_ns + minutes_of(event->value), NIGHT_NS);
        break;
    case TRAP_SERVICE:
        trap->served = true;
        trap->night.services++;
        break;
    }
}

static void take_oldest(const struct view *view)
{
    struct trap *trap = view->trap;
    struct trap_event oldest = trap->waiting[0];
    trap->waiting_count--;
    memmove(trap->waiting, trap->waiting + 1, trap->waiting_count * sizeof trap->waiting[0]);
    take(view, &oldest);
}

static bool is_before(const struct trap_event *a, const struct trap_event *b)
{
    if (a->time_ns != b->time_ns) {
        return a->time_ns < b->time_ns;
    }
    return a->what != b->what ? a->what < b->what : a->value < b->value;
}

static bool is_usable(const struct trap_event *event)
{
    if (event->time_ns < TIME_LEAST_NS || event->time_ns > TIME_MOST_NS || isnan(event->value)) {
        return false;
    }
    if (event->what == TRAP_LAMP_MINUTES || event->what == TRAP_GATE_MINUTES) {
        return event->value >= 0;
    }
    return event->what != TRAP_COUNT || (event->value >= 0 && event->value <= TRAP_COUNT_MAX &&
                                         event->value == floor(event->value));
}

bool trap_add(struct trap *trap, const struct trap_settings *settings,
              const struct trap_event *event, trap_sink *sink, void *context)
{
    struct view view = { trap, settings, sink, context };
    if (!is_usable(event) || (trap->begun && event->time_ns <= trap->done_ns)) {
        return false;
    }
    if (trap->waiting_count == TRAP_WAITING_MAX) {
        if (is_before(event, &trap->waiting[0])) {
            take(&view, event);
            return true;
        }
        take_oldest(&view);
    }
    size_t at = trap->waiting_count++;
    while (at > 0 && is_before(event, &trap->waiting[at - 1])) {
        trap->waiting[at] = trap->waiting[at - 1];
        at--;
    }
    trap->waiting[at] = *event;
    return true;
}

void trap_advance(struct trap *trap, const struct trap_settings *settings, int64_t watermark_ns,
                  trap_sink *sink, void *context)
{
    struct view view = { trap, settings, sink, context };
    int64_t until = watermark_ns - settings->lateness_ns;
    while (trap->waiting_count > 0 && trap->waiting[0].time_ns <= until) {
        take_oldest(&view);
    }
    if (trap->begun && until > trap->done_ns && until <= TIME_MOST_NS) {
        move_to(&view, until);
    }
}

/* --- kept over a restart --------------------------------------------------------------------- */

static void save_state(const struct trap_state *state, struct state_writer *writer)
{
    state_put_bool(writer, state->known);
    if (state->known) {
        state_put_bool(writer, state->on);
        state_put_signed(writer, state->since_ns);
    }
}

static void save_night(const struct trap_night *night, struct state_writer *writer)
{
    state_put_signed(writer, night->end_ns);
    state_put_double(writer, night->count);
    state_put(writer, night->reports);
    state_put(writer, night->resets);
    state_put(writer, night->services);
    state_put_bool(writer, night->saturated);
    state_put_bool(writer, night->spans);
    state_put_signed(writer, night->lamp_ns);
    state_put_signed(writer, night->gated_ns);
    state_put_signed(writer, night->known_ns);
}

/* 1 if it has begun, then all that is known; the events that wait. */
void trap_save(const struct trap *trap, struct state_writer *writer)
{
    state_put_bool(writer, trap->begun);
    if (trap->begun) {
        state_put_signed(writer, trap->done_ns);
        state_put(writer, trap->silent);
        state_put_bool(writer, trap->served);
        state_put_bool(writer, trap->has_total);
        if (trap->has_total) {
            state_put_double(writer, trap->total);
            state_put_signed(writer, trap->total_ns);
        }
        save_state(&trap->lamp, writer);
        save_state(&trap->gate, writer);
        save_night(&trap->night, writer);
    }
    state_put(writer, trap->waiting_count);
    for (size_t i = 0; i < trap->waiting_count; i++) {
        state_put_signed(writer, trap->waiting[i].time_ns);
        state_put(writer, trap->waiting[i].what);
        state_put_double(writer, trap->waiting[i].value);
    }
}

static int64_t load_between(int64_t least, int64_t most, struct state_reader *reader)
{
    int64_t number = state_get_signed(reader);
    if (number < least || number > most) {
        reader->failed = true;
        return least;
    }
    return number;
}

static double load_number(double most, struct state_reader *reader)
{
    double number = state_get_double(reader);
    if (!(number >= 0 && number <= most)) {
        reader->failed = true;
        return 0;
    }
    return number;
}

static void load_state(struct trap_state *state, struct state_reader *reader)
{
    state->known = state_get_bool(reader);
    if (state->known) {
        state->on = state_get_bool(reader);
        state->since_ns = load_between(TIME_LEAST_NS, TIME_MOST_NS, reader);
    }
}

/* done_ns: how far the night has come; no state can have been known for longer. */
static void load_night(struct trap_night *night, int64_t done_ns, struct state_reader *reader)
{
    night->end_ns = load_between(TIME_LEAST_NS, TIME_MOST_NS + NIGHT_NS, reader);
    int64_t most_ns = done_ns - (night->end_ns - NIGHT_NS);
    night->count = load_number(TRAP_COUNT_MAX * UINT32_MAX, reader);
    night->reports = (uint32_t)state_get_upto(reader, UINT32_MAX);
    night->resets = (uint32_t)state_get_upto(reader, UINT32_MAX);
    night->services = (uint32_t)state_get_upto(reader, UINT32_MAX);
    night->saturated = state_get_bool(reader);
    night->spans = state_get_bool(reader);
    night->lamp_ns = load_between(0, most_ns, reader);
    night->gated_ns = load_between(0, most_ns, reader);
    night->known_ns = load_between(0, most_ns, reader);
}

static void load_waiting(struct trap *trap, struct state_reader *reader)
{
    uint64_t count = state_get_upto(reader, TRAP_WAITING_MAX);
    for (size_t i = 0; i < count && !reader->failed; i++) {
        struct trap_event *event = &trap->waiting[i];
        event->time_ns = state_get_signed(reader);
        event->what = (enum trap_what)state_get_upto(reader, TRAP_GATE_MINUTES);
        event->value = state_get_double(reader);
        if (!is_usable(event) || (trap->begun && event->time_ns <= trap->done_ns) ||
            (i > 0 && is_before(event, event - 1))) {
            reader->failed = true;
        }
        trap->waiting_count++;
    }
}

bool trap_load(struct trap *trap, const struct trap_settings *settings, struct state_reader *reader)
{
    struct trap read = { .begun = state_get_bool(reader) };
    *trap = (struct trap){ 0 };
    if (read.begun) {
        read.done_ns = load_between(TIME_LEAST_NS, TIME_MOST_NS, reader);
        read.silent = (uint8_t)state_get_upto(reader, TRAP_SILENT_MAX + 1);
        read.served = state_get_bool(reader);
        read.has_total = state_get_bool(reader);
        if (read.has_total) {
            read.total = load_number(TRAP_COUNT_MAX, reader);
            read.total_ns = load_between(TIME_LEAST_NS, TIME_MOST_NS, reader);
        }
        load_state(&read.lamp, reader);
        load_state(&read.gate, reader);
        load_night(&read.night, read.done_ns, reader);
    }
    load_waiting(&read, reader);
    if (reader->failed) {
        return false;
    }
    if (!read.begun || read.night.end_ns == night_end(settings, read.done_ns)) {
        *trap = read;
    }
    return true;
}

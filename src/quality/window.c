#include "quality/window.h"

#include <math.h>
#include <stdlib.h>

#include "quality/window_inside.h"

#define NEVER      INT64_MAX
#define TOLD_FIRST 2 /* mostly one or two hours are pending, else room for all is made */

/* One series under the settings of a call. */
struct view {
    struct window_series *series;
    const struct window_settings *settings;
    struct window_out out;
};

struct window_series *window_create(const struct window_settings *settings)
{
    struct window_series *series = calloc(1, sizeof *series);
    if (series != NULL) {
        series->utc_offset_s = settings->utc_offset_s;
        series->edge = (uint8_t)settings->edge;
        series->exponent = (int16_t)exact_exponent(settings->largest);
        series->due_ns = NEVER;
    }
    return series;
}

void window_free(struct window_series *series)
{
    if (series != NULL) {
        free(series->provisional);
        free(series->base_told);
        free(series->told);
        free(series);
    }
}

size_t window_bytes(const struct window_series *series)
{
    return sizeof *series + series->told_capacity * sizeof *series->told +
           (series->base_told == NULL ? 0 : sizeof *series->base_told) +
           (series->provisional == NULL ? 0 : sizeof *series->provisional);
}

/* --- telling --------------------------------------------------------------------------------- */

static bool wanted(const struct view *view, enum window_kind kind)
{
    return (view->settings->kinds & WINDOW_BIT(kind)) != 0;
}

static int64_t end_ns(const struct window_series *series, int64_t hour)
{
    return hour * HOUR_NS - series->utc_offset_s * SECOND_OF_NS;
}

/* old: as it was told before, NULL if it was not. */
static void tell(const struct view *view, enum window_kind kind, int64_t hour, int64_t length_ns,
                 const struct window_numbers *now, const struct window_numbers *old)
{
    if (!wanted(view, kind)) {
        return;
    }
    int64_t end = end_ns(view->series, hour);
    int64_t behind = view->series->watermark_ns - end - view->settings->lateness_ns;
    struct window_result result = { .kind = kind,
                                    .end_ns = end,
                                    .length_ns = length_ns,
                                    .now = *now,
                                    .correction = old != NULL,
                                    .behind_ns = behind > 0 ? behind : 0 };
    if (old != NULL) {
        result.old = *old;
        result.round = view->series->rounds[window_slot(hour)];
    }
    result.live = old == NULL && result.behind_ns <= view->settings->live_within_ns;
    view->out.sink(view->out.context, &result);
}

/* The day, which also has the changes of the 8 h means that reach into it. */
static void tell_day(const struct view *view, int64_t hour, int64_t changed,
                     struct window_numbers *now, struct window_numbers *old)
{
    if (!window_ends_day(hour) || !wanted(view, WINDOW_DAY)) {
        return;
    }
    window_tally_largest(view->series, view->settings, hour, false, now);
    if (old != NULL) {
        window_tally_largest(view->series, view->settings, hour, true, old);
        /* A change in the evening before need not reach the largest mean. */
        if (changed <= hour - HOURS_OF_DAY && !(now->max_8h > old->max_8h) &&
            !(now->max_8h < old->max_8h) && isnan(now->max_8h) == isnan(old->max_8h)) {
            return;
        }
    }
    tell(view, WINDOW_DAY, hour, HOURS_OF_DAY * HOUR_NS, now, old);
}

/* The windows but the year that end at an hour and hold a change in the hour `changed`. */
static void tell_hour(const struct view *view, int64_t hour, int64_t changed, bool was_told)
{
    struct window_lengths now, before = { 0 };
    struct window_lengths *old = was_told ? &before : NULL;

    window_tally(view->series, view->settings, hour, false, &now);
    if (was_told) {
        window_tally(view->series, view->settings, hour, true, &before);
    }
    if (changed == hour) {
        tell(view, WINDOW_1H, hour, HOUR_NS, &now.one, old == NULL ? NULL : &old->one);
    }
    if (changed > hour - HOURS_OF_8H) {
        tell(view, WINDOW_8H, hour, HOURS_OF_8H * HOUR_NS, &now.eight,
             old == NULL ? NULL : &old->eight);
    }
    if (changed > hour - HOURS_OF_DAY) {
        struct window_numbers *old_day = old == NULL ? NULL : &old->day;
        tell(view, WINDOW_24H, hour, HOURS_OF_DAY * HOUR_NS, &now.day, old_day);
        if (hour % HOURS_OF_DAY == NOON) {
            tell(view, WINDOW_NIGHT, hour, HOURS_OF_DAY * HOUR_NS, &now.day, old_day);
        }
    }
    tell_day(view, hour, changed, &now.day, old == NULL ? NULL : &old->day);
}

static void tell_year(const struct view *view, int64_t hour, bool was_told)
{
    if (!window_ends_day(hour) || !wanted(view, WINDOW_YEAR)) {
        return;
    }
    struct window_numbers now = window_tally_year(view->series, view->settings, hour, false);
    struct window_numbers old = window_tally_year(view->series, view->settings, hour, true);
    tell(view, WINDOW_YEAR, hour, (hour - window_year_begin(window_year(hour))) * HOUR_NS, &now,
         was_told ? &old : NULL);
}

static void close_next(const struct view *view)
{
    int64_t hour = ++view->series->closed;
    if (window_speaks(view->series, hour, false)) {
        tell_hour(view, hour, hour, false);
        tell_year(view, hour, false);
    }
}

/* --- correcting ------------------------------------------------------------------------------ */

static bool is_pending(const struct window_series *series, int64_t hour)
{
    for (size_t i = 0; i < series->told_count; i++) {
        if (series->told[i].slot == window_slot(hour)) {
            return true;
        }
    }
    return false;
}

/* The latest hour with a pending change that a window ending at `hour` can hold; INT64_MIN: none.
 * A day's largest 8 h mean looks back farthest. */
static int64_t latest_change(const struct window_series *series, int64_t hour)
{
    int64_t back_most = HOURS_OF_DAY + (window_ends_day(hour) ? HOURS_OF_8H - 1 : 0);
    for (int64_t back = 0; back < back_most; back++) {
        if (is_pending(series, hour - back)) {
            return hour - back;
        }
    }
    return INT64_MIN;
}

/* The earliest hour with a pending change; the one after `closed` if there is none. */
static int64_t first_change(const struct window_series *series)
{
    int64_t hour = series->hour - OLDEST_BEFORE;
    while (hour <= series->closed && !is_pending(series, hour)) {
        hour++;
    }
    return hour;
}

static bool year_changed(const struct window_series *series, int64_t hour)
{
    int32_t year = window_year(hour);
    int64_t first = window_year_begin(year) + 1, oldest = series->hour - OLDEST_BEFORE;
    for (int64_t at = first > oldest ? first : oldest; at <= hour; at++) {
        if (is_pending(series, at)) {
            return true;
        }
    }
    return series->base_told != NULL && year == series->base_year;
}

/* All windows that end at an hour share a count, whichever of them a round changes. */
static void note_round(struct window_series *series, int64_t hour)
{
    uint8_t *round = &series->rounds[window_slot(hour)];
    *round = *round < UINT8_MAX ? (uint8_t)(*round + 1) : UINT8_MAX;
}

static void correct_hour(const struct view *view, int64_t hour)
{
    const struct window_series *series = view->series;
    bool spoke = window_speaks(series, hour, true);
    if (!spoke && !window_speaks(series, hour, false)) {
        return;
    }
    /* It may have been silenced by a correction. */
    bool was_told = spoke || series->rounds[window_slot(hour)] > 0;
    int64_t changed = was_told ? latest_change(series, hour) : hour;
    bool year = window_ends_day(hour) && (!was_told || year_changed(series, hour));
    if (was_told && (changed != INT64_MIN || year)) {
        note_round(view->series, hour);
    }
    if (changed != INT64_MIN) {
        tell_hour(view, hour, changed, was_told);
    }
    if (year) {
        tell_year(view, hour, was_told);
    }
}

static void forget_base_told(struct window_series *series)
{
    free(series->base_told);
    series->base_told = NULL;
}

/* Tells all that is pending. */
static void correct(const struct view *view)
{
    struct window_series *series = view->series;
    int64_t first = first_change(series), reach = series->hour - WINDOW_REACH_HOURS;

    for (int64_t hour = series->base_told != NULL && reach < first ? reach : first;
         hour <= series->closed; hour++) {
        correct_hour(view, hour);
    }
    free(series->told);
    series->told = NULL;
    series->told_count = series->told_capacity = 0;
    forget_base_told(series);
    series->due_ns = NEVER;
}

/* --- the watermark --------------------------------------------------------------------------- */

static void set_base_year(struct window_series *series, int32_t year)
{
    if (year != series->base_year) {
        series->base = (struct year_base){ 0 };
        forget_base_told(series); /* no window of that year is within reach any more */
        series->base_year = year;
    }
}

static void add_to_base(struct year_base *base, const struct aggregate *more, uint32_t count)
{
    if (count <= BASE_COUNT_MAX - base->count) {
        window_merge(&base->all, base->count, more, count);
        base->count += count;
    }
}

/* An hour leaves the ring for the year before it. */
static void retire(struct window_series *series, int64_t hour)
{
    size_t slot = window_slot(hour);
    if (window_ends_day(hour - 1)) {
        set_base_year(series, window_year(hour));
    }
    if (series->counts[slot] > 0) {
        add_to_base(&series->base, &series->ring[slot], series->counts[slot]);
        if (series->base_told != NULL) {
            add_to_base(series->base_told, &series->ring[slot], series->counts[slot]);
        }
    }
    series->counts[slot] = 0;
    series->rounds[slot] = 0;
    series->ring[slot] = (struct aggregate){ 0 };
}

/* Brings the ring to the hour of the watermark. */
static void roll(struct window_series *series, int64_t to)
{
    for (int steps = 0; series->hour < to && steps < WINDOW_RING_HOURS; steps++) {
        retire(series, series->hour - OLDEST_BEFORE);
        series->hour++;
    }
    if (series->hour < to) { /* the ring is empty */
        series->hour = to;
        set_base_year(series, window_year(to - OLDEST_BEFORE - 1));
    }
}

/* The last hour whose windows close at or before a time. */
static int64_t last_closing(const struct view *view, int64_t time_ns)
{
    int64_t local = time_ns + view->series->utc_offset_s * SECOND_OF_NS;
    return (local - view->settings->lateness_ns) / HOUR_NS;
}

/* Passes over hours whose windows would be silent. */
static void skip_silence(const struct view *view)
{
    struct window_series *series = view->series;
    if (series->newest > series->closed + 1 - HOURS_OF_DAY) {
        return;
    }
    int64_t until =
        series->due_ns <= series->watermark_ns ? series->due_ns - 1 : series->watermark_ns;
    int64_t last = last_closing(view, until);
    series->closed = last > series->closed ? last : series->closed;
}

static void set_next(const struct view *view)
{
    struct window_series *series = view->series;
    int64_t close_ns = end_ns(series, series->closed + 1) + view->settings->lateness_ns;
    int64_t hour_ns = end_ns(series, series->hour);
    series->next_ns = close_ns < hour_ns ? close_ns : hour_ns;
    series->next_ns = series->due_ns < series->next_ns ? series->due_ns : series->next_ns;
}

static void catch_up(const struct view *view)
{
    struct window_series *series = view->series;
    for (;;) {
        skip_silence(view);
        int64_t close_ns = end_ns(series, series->closed + 1) + view->settings->lateness_ns;
        int64_t event_ns = series->due_ns < close_ns ? series->due_ns : close_ns;
        if (event_ns > series->watermark_ns) {
            break;
        }
        roll(series, window_hour(series, event_ns));
        if (series->due_ns != NEVER) {
            correct(view); /* before a closing, too: what closes holds the pending changes */
        }
        if (event_ns == close_ns) {
            close_next(view);
        }
    }
    roll(series, window_hour(series, series->watermark_ns));
    set_next(view);
}

static bool is_time(int64_t time_ns)
{
    return time_ns >= TIME_LEAST_NS && time_ns <= TIME_MOST_NS;
}

void window_advance(struct window_series *series, const struct window_settings *settings,
                    int64_t watermark_ns, struct window_out out)
{
    struct view view = { series, settings, out };
    if (!series->begun || watermark_ns <= series->watermark_ns || !is_time(watermark_ns)) {
        return;
    }
    if (series->next_ns == 0) {
        set_next(&view);
    }
    /* Else it is left as it is, so that the state does not depend on how often time is told. */
    if (watermark_ns >= series->next_ns) {
        series->watermark_ns = watermark_ns;
        catch_up(&view);
    }
}

void window_expect(const struct window_series *series, int64_t time_ns)
{
    if (is_time(time_ns)) {
        size_t slot = window_slot(window_hour(series, time_ns));
        __builtin_prefetch(&series->ring[slot], 1);
        __builtin_prefetch(&series->counts[slot], 1);
    }
    if (series->begun && time_ns >= series->next_ns) { /* windows close: a day is added up */
        for (int64_t back = 0; back < HOURS_OF_DAY; back += 2) {
            __builtin_prefetch(&series->ring[window_slot(series->closed + 1 - back)]);
        }
    }
}

int64_t window_due(const struct window_series *series)
{
    return series->begun ? series->next_ns : NEVER;
}

/* --- readings -------------------------------------------------------------------------------- */

static void begin(const struct view *view)
{
    struct window_series *series = view->series;
    series->begun = true;
    series->hour = window_hour(series, series->watermark_ns);
    series->closed = last_closing(view, series->watermark_ns);
    series->base_year = window_year(series->hour - OLDEST_BEFORE - 1);
    set_next(view);
}

void window_ready(struct window_series *series, const struct window_settings *settings,
                  int64_t watermark_ns)
{
    const struct view view = { .series = series, .settings = settings };
    if (!series->begun && is_time(watermark_ns)) {
        series->watermark_ns = watermark_ns;
        begin(&view);
    } else if (series->begun && series->next_ns == 0) {
        set_next(&view);
    }
}

/* A correction is told one lateness after the first reading that brings it. */
static void set_due(const struct view *view)
{
    struct window_series *series = view->series;
    if (series->due_ns == NEVER) {
        series->due_ns = series->watermark_ns + view->settings->lateness_ns;
        set_next(view);
    }
}

/* False when out of memory. */
static bool keep_base_told(struct window_series *series)
{
    if (series->base_told == NULL) {
        series->base_told = malloc(sizeof *series->base_told);
        if (series->base_told != NULL) {
            *series->base_told = series->base;
        }
    }
    return series->base_told != NULL;
}

static enum window_taken add_old(const struct view *view, int64_t hour,
                                 const struct aggregate *sample)
{
    struct window_series *series = view->series;
    if (window_year(hour) != series->base_year) {
        return WINDOW_TOO_LATE;
    }
    if (series->base.count >= BASE_COUNT_MAX) {
        return WINDOW_FULL;
    }
    if (!keep_base_told(series)) {
        return WINDOW_FULL;
    }
    add_to_base(&series->base, sample, 1);
    set_due(view);
    return WINDOW_YEAR_ONLY;
}

bool window_told_room(struct window_series *series)
{
    if (series->told_count < series->told_capacity) {
        return true;
    }
    uint8_t capacity = series->told_capacity == 0 ? TOLD_FIRST : WINDOW_TOLD_MAX;
    struct told_hour *told = realloc(series->told, capacity * sizeof *told);
    if (told == NULL) {
        return false;
    }
    series->told = told;
    series->told_capacity = capacity;
    return true;
}

/* Keeps a closed hour as it was told, before it changes. False when out of memory. */
static bool keep_told(const struct view *view, int64_t hour)
{
    struct window_series *series = view->series;
    if (is_pending(series, hour)) {
        return true;
    }
    if (series->told_count == WINDOW_TOLD_MAX) {
        correct(view);
    }
    if (!window_told_room(series)) {
        return false;
    }
    size_t slot = window_slot(hour);
    series->told[series->told_count++] =
        (struct told_hour){ series->ring[slot], series->counts[slot], (uint8_t)slot };
    set_due(view);
    return true;
}

/* Of a reading at hand: what the watermark closes comes first. */
static void go_on(const struct view *view, int64_t watermark_ns)
{
    struct window_series *series = view->series;
    if (watermark_ns >= series->next_ns) {
        window_advance(series, view->settings, watermark_ns, view->out);
    }
    series->watermark_ns =
        watermark_ns > series->watermark_ns ? watermark_ns : series->watermark_ns;
    if (!series->begun) {
        begin(view);
    }
}

enum window_taken window_put(struct window_series *series, const struct window_settings *settings,
                             int64_t time_ns, double value, int64_t watermark_ns,
                             struct window_out out)
{
    struct view view = { series, settings, out };
    /* + 0.0 makes a zero of -0: which of the two is the least must not depend on the order. */
    struct aggregate sample = { .min = value + 0.0, .max = value + 0.0 };

    if (!is_time(time_ns) || !is_time(watermark_ns) ||
        !exact_of(value, series->exponent, &sample.sum)) {
        return WINDOW_UNUSABLE;
    }
    go_on(&view, watermark_ns);
    int64_t hour = window_hour(series, time_ns);
    if (hour > series->hour + AHEAD_HOURS) {
        return WINDOW_AHEAD;
    }
    if (hour < series->hour - WINDOW_REACH_HOURS) {
        return add_old(&view, hour, &sample);
    }
    size_t slot = window_slot(hour);
    if (series->counts[slot] == WINDOW_HOUR_COUNT_MAX) {
        return WINDOW_FULL;
    }
    bool late = hour <= series->closed;
    if (late && !keep_told(&view, hour)) {
        return WINDOW_FULL;
    }
    window_merge(&series->ring[slot], series->counts[slot], &sample, 1);
    series->counts[slot]++;
    series->newest = hour > series->newest ? hour : series->newest;
    return late ? WINDOW_LATE : WINDOW_TAKEN;
}

enum window_taken window_add(struct window_series *series, const struct window_settings *settings,
                             int64_t time_ns, double value, int64_t watermark_ns,
                             struct window_out out)
{
    enum window_taken taken = window_put(series, settings, time_ns, value, watermark_ns, out);
    if (series->provisional != NULL && (taken == WINDOW_TAKEN || taken == WINDOW_LATE)) {
        window_note_settled(series, time_ns, value);
    }
    return taken;
}

enum window_taken window_take_out(struct window_series *series,
                                  const struct window_settings *settings,
                                  const struct provisional *reading, int64_t watermark_ns,
                                  struct window_out out)
{
    struct view view = { series, settings, out };
    struct exact less;
    if (!is_time(watermark_ns) || !exact_of(-reading->value, series->exponent, &less)) {
        return WINDOW_UNUSABLE;
    }
    go_on(&view, watermark_ns);
    int64_t hour = window_hour(series, reading->time_ns);
    size_t slot = window_slot(hour);
    if (hour < series->hour - WINDOW_REACH_HOURS || series->counts[slot] == 0) {
        return WINDOW_TOO_LATE;
    }
    bool late = hour <= series->closed;
    if (late && !keep_told(&view, hour)) {
        return WINDOW_FULL;
    }
    struct exact rest = exact_plus(series->ring[slot].sum, less);
    series->counts[slot]--;
    series->ring[slot] =
        series->counts[slot] == 0
            ? (struct aggregate){ 0 }
            : (struct aggregate){ .sum = rest, .min = reading->min, .max = reading->max };
    return late ? WINDOW_LATE : WINDOW_TAKEN;
}

bool window_closes(const struct window_series *series, const struct window_settings *settings,
                   int64_t watermark_ns, int64_t *from_ns, int64_t *upto_ns)
{
    const struct view view = { .series = (struct window_series *)series, .settings = settings };
    if (!series->begun || !is_time(watermark_ns)) {
        return false;
    }
    int64_t last = last_closing(&view, watermark_ns);
    int64_t shift = series->edge == WINDOW_EDGE_BEGINS ? 1 : 0;
    *from_ns = end_ns(series, series->closed) + 1 - shift;
    *upto_ns = end_ns(series, last) - shift;
    return last > series->closed;
}

/* The local hour that ends at a time; -1 if none does, or the `length` hours up to it are not all
 * kept. */
static int64_t hour_kept(const struct window_series *series, int64_t end, int64_t length)
{
    int64_t local = end + series->utc_offset_s * SECOND_OF_NS, hour = local / HOUR_NS;
    if (!series->begun || !is_time(end) || local % HOUR_NS != 0 || hour > series->hour ||
        hour - length + 1 < series->hour - OLDEST_BEFORE) {
        return -1;
    }
    return hour;
}

static const struct window_numbers *choose(const struct window_lengths *lengths,
                                           enum window_kind kind)
{
    return kind == WINDOW_1H ? &lengths->one : kind == WINDOW_8H ? &lengths->eight : &lengths->day;
}

static const int64_t hours_of[] = { [WINDOW_1H] = 1,
                                    [WINDOW_8H] = HOURS_OF_8H,
                                    [WINDOW_24H] = HOURS_OF_DAY,
                                    [WINDOW_DAY] = HOURS_OF_DAY,
                                    [WINDOW_NIGHT] = HOURS_OF_DAY };

bool window_look(const struct window_series *series, const struct window_settings *settings,
                 enum window_kind kind, int64_t end, struct window_numbers *numbers)
{
    int64_t hour = kind > WINDOW_24H ? -1 : hour_kept(series, end, hours_of[kind]);
    if (hour < 0) {
        return false;
    }
    *numbers = window_tally_one(series, settings, hour, kind);
    return true;
}

static bool ends_with(enum window_kind kind, int64_t hour)
{
    switch (kind) {
    case WINDOW_DAY:
        return window_ends_day(hour);
    case WINDOW_NIGHT:
        return hour % HOURS_OF_DAY == NOON;
    default:
        return true;
    }
}

bool window_told(const struct window_series *series, const struct window_settings *settings,
                 enum window_kind kind, int64_t end, struct window_numbers *numbers)
{
    int64_t hour = kind > WINDOW_NIGHT ? -1 : hour_kept(series, end, hours_of[kind]);
    if (hour < 0 || hour > series->closed || !ends_with(kind, hour) ||
        !(window_speaks(series, hour, true) || series->rounds[window_slot(hour)] > 0)) {
        return false;
    }
    struct window_lengths lengths;
    window_tally(series, settings, hour, true, &lengths);
    *numbers = *choose(&lengths, kind);
    return true;
}

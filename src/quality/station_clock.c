#include "quality/station_clock.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define MILLI_NS  INT64_C(1000000)
#define DAY_NS    (INT64_C(24) * 3600 * SECOND_NS)
#define HOUR_S    3600u

#define UP_MOST_S 1e9    /* 31 years: a longer time since boot dates nothing */
#define REBASE_NS DAY_NS /* a tenth of more would be no comparison */
#define SILENT_EVERYS                                                                              \
    8                    /* reports missed, and an hour: what was steady before may not be so now  \
                          */
#define RATE_DIVISOR  10 /* the same rate: within a tenth */
#define AGREE_PERCENT 90 /* of the pairs of hours, for a drift */
#define PAIRS_MAX     (STATION_CLOCK_HOURS * (STATION_CLOCK_HOURS - 1) / 2)
#define RATE_MOST     8640000.0 /* ms a day, a tenth: what differs more is no clock's drift */

_Static_assert(sizeof(struct station_clock) <= 512, "20,000 stations: 10 MB");

static const char *const names[STATION_CLOCK_KINDS] = { "good",   "ahead", "unset",  "future",
                                                        "behind", "dated", "arrival" };

const char *station_clock_name(enum station_clock_kind kind)
{
    return names[kind];
}

/* --- times may be absurd: nothing overflows -------------------------------------------------- */

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return b > 0 ? INT64_MAX : INT64_MIN;
    }
    return sum;
}

static int64_t less(int64_t a, int64_t b)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference)) {
        return a > b ? INT64_MAX : INT64_MIN;
    }
    return difference;
}

static int64_t size_of(int64_t value)
{
    return value < 0 ? less(0, value) : value;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- what a record's time is ------------------------------------------------------------------ */

enum stamp {
    STAMP_PLAIN,    /* possible */
    STAMP_RELATIVE, /* counted back from the receive time: no clock is in it */
    STAMP_BOOT,     /* counted from boot + up */
    STAMP_UNSET,
    STAMP_FUTURE
};

/* Before that no reading of the report can have been made. */
static int64_t least_of(const struct station_clock_report *report)
{
    return later(STATION_CLOCK_LEAST_NS, less(report->received_ns, STATION_CLOCK_LOG_MOST_NS));
}

static enum stamp stamp_of(const struct station_clock_report *report, int64_t time_ns,
                           bool relative)
{
    int64_t ahead = less(time_ns, report->received_ns);
    if (relative) {
        /* A station that has just begun at 1970 is ahead by little; only its status can tell. */
        bool told = report->said == STATION_CLOCK_SAID_UNSET;
        bool since_1970 = ahead > (told ? 0 : report->limits.ahead_ns);
        bool absurd = since_1970 || time_ns < STATION_CLOCK_LEAST_NS;
        return report->unset ? STAMP_BOOT : (absurd ? STAMP_UNSET : STAMP_RELATIVE);
    }
    if (report->unset || time_ns < least_of(report)) {
        return STAMP_UNSET;
    }
    return ahead > report->limits.wrong_ns ? STAMP_FUTURE : STAMP_PLAIN;
}

static void note_newest(bool *has, int64_t *newest_ns, int64_t time_ns)
{
    *newest_ns = *has ? later(*newest_ns, time_ns) : time_ns;
    *has = true;
}

struct station_clock_report station_clock_begin(const struct station_clock *clock,
                                                const struct station_clock_limits *limits,
                                                int64_t received_ns)
{
    return (struct station_clock_report){ .limits = *limits,
                                          .received_ns = received_ns,
                                          .said = (enum station_clock_said)clock->said };
}

void station_clock_see(struct station_clock_report *report, int64_t time_ns, bool relative)
{
    report->has_stamp |= !relative;
    switch (stamp_of(report, time_ns, relative)) {
    case STAMP_PLAIN:
        note_newest(&report->has_plain, &report->plain_ns, time_ns);
        break;
    case STAMP_UNSET:
        note_newest(&report->has_unset, &report->unset_ns, time_ns);
        break;
    case STAMP_FUTURE:
        note_newest(&report->has_future, &report->future_ns, time_ns);
        break;
    case STAMP_RELATIVE:
    case STAMP_BOOT:
        break;
    }
}

/* --- the collector's own clock ---------------------------------------------------------------- */

/* False while it has gone back: what it says now is not to be believed more than the stations. */
static bool note_received(struct station_clock *clock, const struct station_clock_report *report)
{
    int64_t received = report->received_ns;
    if (received < STATION_CLOCK_LEAST_NS) {
        return false;
    }
    if (add(received, report->limits.ahead_ns) >= clock->newest_received_ns) {
        clock->newest_received_ns = later(clock->newest_received_ns, received);
        clock->back_since_ns = 0;
        return true;
    }
    if (clock->back_since_ns == 0 || received < clock->back_since_ns) {
        clock->back_since_ns = received;
    }
    if (less(received, clock->back_since_ns) < DAY_NS) {
        return false;
    }
    clock->newest_received_ns = received;
    clock->back_since_ns = 0;
    return true;
}

/* --- at its arrival --------------------------------------------------------------------------- */

/* A millisecond after what was put before, unless that is too far away. */
static int64_t put_after(int64_t put_ns, int64_t moment_ns, int64_t ahead_ns)
{
    int64_t next = add(put_ns, MILLI_NS);
    return next > moment_ns && less(next, moment_ns) <= ahead_ns ? next : moment_ns;
}

/* --- boot and up ------------------------------------------------------------------------------ */

/* Not later than this was the report made. */
static int64_t bound_of(const struct station_clock *clock,
                        const struct station_clock_report *report)
{
    int64_t bound = report->received_ns;
    for (size_t i = 0; i < clock->boot_count; i++) {
        const struct station_clock_boot *other = &clock->boots[i];
        if (other->log == report->log && other->boot > report->boot) {
            bound = earlier(bound, other->begin_ns);
        }
    }
    return bound;
}

/* Moves the boot to the front, in place of the one last heard of longest ago if it is new. */
static void keep_boot(struct station_clock *clock, size_t at, struct station_clock_boot boot)
{
    if (at == STATION_CLOCK_BOOTS) {
        at--;
    }
    if (at == clock->boot_count) {
        clock->boot_count++;
    }
    memmove(clock->boots + 1, clock->boots, at * sizeof clock->boots[0]);
    clock->boots[0] = boot;
}

/* When the report was made; *dated: that is more than its arrival. */
static int64_t date(struct station_clock *clock, const struct station_clock_report *report,
                    bool learn, bool *dated)
{
    *dated = false;
    if (!report->dateable || !(report->up_s >= 0 && report->up_s < UP_MOST_S)) {
        return report->received_ns;
    }
    int64_t up = (int64_t)(report->up_s * (double)SECOND_NS + 0.5);
    int64_t bound = bound_of(clock, report);
    struct station_clock_boot boot = { .log = report->log,
                                       .boot = report->boot,
                                       .begin_ns = less(bound, up) };
    size_t at = 0;
    while (at < clock->boot_count &&
           (clock->boots[at].log != boot.log || clock->boots[at].boot != boot.boot)) {
        at++;
    }
    *dated = at < clock->boot_count || bound < report->received_ns;
    bool moved = true;
    if (at < clock->boot_count) {
        moved = boot.begin_ns < clock->boots[at].begin_ns;
        boot.begin_ns = earlier(boot.begin_ns, clock->boots[at].begin_ns);
        boot.put_ns = clock->boots[at].put_ns;
    }
    int64_t moment = add(boot.begin_ns, up);
    if (moved) {
        moment = boot.put_ns = put_after(boot.put_ns, moment, report->limits.ahead_ns);
    }
    if (moment < STATION_CLOCK_LEAST_NS) { /* some report of it said a wrong `up` */
        *dated = false;
        return report->received_ns;
    }
    if (learn) {
        keep_boot(clock, at, boot);
    }
    return moment;
}

/* --- steadily behind -------------------------------------------------------------------------- */

static void begin_steady(struct station_clock_steady *steady, int64_t received, int64_t difference)
{
    *steady = (struct station_clock_steady){ .count = 1,
                                             .begun_ns = received,
                                             .base_ns = received,
                                             .last_ns = received,
                                             .base_difference = difference,
                                             .difference = difference };
}

static void go_on(struct station_clock_steady *steady, int64_t received, int64_t difference)
{
    steady->count += steady->count < UINT32_MAX ? 1 : 0;
    steady->last_ns = received;
    steady->difference = difference;
    steady->wrong |= steady->count >= STATION_CLOCK_STEADY_LEAST &&
                     less(received, steady->begun_ns) >= STATION_CLOCK_STEADY_NS;
    if (less(received, steady->base_ns) > REBASE_NS) {
        steady->base_ns = received;
        steady->base_difference = difference;
    }
}

static bool gone_silent(const struct station_clock_steady *steady,
                        const struct station_clock_limits *limits, int64_t received)
{
    int64_t since = less(received, steady->last_ns);
    return since > STATION_CLOCK_STEADY_NS && since / SILENT_EVERYS > limits->every_ns;
}

/* The difference of a clock that is behind, by which the report's stamps are to be moved; else 0.
 */
static int64_t behind(struct station_clock_steady *steady,
                      const struct station_clock_report *report, int64_t difference)
{
    const struct station_clock_limits *limits = &report->limits;
    if (difference <= limits->wrong_ns || report->said == STATION_CLOCK_SAID_SYNCED) {
        *steady = (struct station_clock_steady){ 0 };
        return 0;
    }
    if (steady->count == 0 || gone_silent(steady, limits, report->received_ns)) {
        begin_steady(steady, report->received_ns, difference);
        return 0;
    }
    int64_t passed = less(report->received_ns, steady->base_ns);
    int64_t allowed = add(later(passed, 0) / RATE_DIVISOR, limits->ahead_ns);
    int64_t changed = less(difference, steady->base_difference);
    if (size_of(changed) <= allowed) {
        go_on(steady, report->received_ns, difference);
        return steady->wrong ? difference : 0;
    }
    if (changed < 0) {
        begin_steady(steady, report->received_ns, difference);
        return 0;
    }
    return steady->wrong ? steady->difference : 0; /* older than the others: a backlog */
}

/* --- drift ------------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* ms a day from one hour to another. */
static double slope(const struct station_clock_hour *from, const struct station_clock_hour *to)
{
    double days = ((double)to->at_s - (double)from->at_s) / 86400.0;
    return ((double)to->difference_ms - (double)from->difference_ms) / days;
}

/* Draws the line through all hours, which are complete. */
static void draw_line(struct station_clock *clock, int64_t ahead_ns)
{
    double slopes[PAIRS_MAX];
    size_t count = 0, up = 0, down = 0;
    clock->has_rate = clock->drifting = false;
    if (clock->hour_count < STATION_CLOCK_HOURS_LEAST) {
        return;
    }
    for (size_t i = 0; i < clock->hour_count; i++) {
        for (size_t k = i + 1; k < clock->hour_count; k++) {
            slopes[count] = slope(&clock->hours[i], &clock->hours[k]);
            up += slopes[count] > 0 ? 1 : 0;
            down += slopes[count] < 0 ? 1 : 0;
            count++;
        }
    }
    qsort(slopes, count, sizeof slopes[0], by_size);
    double rate = slopes[count / 2];
    if (rate > RATE_MOST || rate < -RATE_MOST) {
        return;
    }
    int64_t last = clock->hours[clock->hour_count - 1].difference_ms * MILLI_NS;
    clock->has_rate = true;
    clock->drift_ms_per_day = (int64_t)(rate < 0 ? rate - 0.5 : rate + 0.5);
    clock->drifting =
        size_of(last) > ahead_ns && (last > 0 ? up : down) * 100 >= count * AGREE_PERCENT;
}

/* From one hour to the next by more than a clock drifts: it was set, or what came is a backlog. */
static bool jumped(const struct station_clock *clock, const struct station_clock_limits *limits)
{
    const struct station_clock_hour *before = &clock->hours[clock->hour_count - 2];
    const struct station_clock_hour *last = before + 1;
    int64_t change = ((int64_t)last->difference_ms - before->difference_ms) * MILLI_NS;
    int64_t passed = ((int64_t)last->at_s - before->at_s) * SECOND_NS;
    return size_of(change) > passed / RATE_DIVISOR + limits->ahead_ns;
}

static void end_hour(struct station_clock *clock, const struct station_clock_limits *limits)
{
    if (clock->hour_count >= 2 && jumped(clock, limits)) {
        clock->hours[0] = clock->hours[clock->hour_count - 1];
        clock->hour_count = 1;
    }
    draw_line(clock, limits->ahead_ns);
    if (clock->hour_count == STATION_CLOCK_HOURS) {
        clock->hour_count--;
        memmove(clock->hours, clock->hours + 1, clock->hour_count * sizeof clock->hours[0]);
    }
}

static void note_hour(struct station_clock *clock, const struct station_clock_report *report,
                      int64_t difference)
{
    int64_t since_2001 = (report->received_ns - STATION_CLOCK_LEAST_NS) / SECOND_NS;
    int64_t difference_ms = difference / MILLI_NS;
    if (since_2001 > UINT32_MAX || size_of(difference_ms) > INT32_MAX) {
        return;
    }
    struct station_clock_hour fresh = { (uint32_t)since_2001, (int32_t)difference_ms };
    struct station_clock_hour *last =
        clock->hour_count == 0 ? NULL : &clock->hours[clock->hour_count - 1];
    if (last != NULL && fresh.at_s / HOUR_S <= last->at_s / HOUR_S) {
        if (fresh.difference_ms < last->difference_ms) {
            last->difference_ms = fresh.difference_ms;
            last->at_s = last->at_s / HOUR_S == fresh.at_s / HOUR_S ? fresh.at_s : last->at_s;
        }
        return;
    }
    end_hour(clock, &report->limits);
    clock->hours[clock->hour_count++] = fresh;
}

/* --- differences ---------------------------------------------------------------------------- */

static void note_difference(struct station_clock *clock, int64_t difference)
{
    clock->has_difference = true;
    clock->difference_ns = difference;
    clock->recent[clock->recent_next] = difference;
    clock->recent_next = (uint8_t)((clock->recent_next + 1) % STATION_CLOCK_RECENT);
    if (clock->recent_count < STATION_CLOCK_RECENT) {
        clock->recent_count++;
    }
}

int64_t station_clock_smallest(const struct station_clock *clock)
{
    int64_t smallest = INT64_MAX;
    for (size_t i = 0; i < clock->recent_count; i++) {
        smallest = earlier(smallest, clock->recent[i]);
    }
    return smallest;
}

/* The newest stamp of the report; the unset ones only if there is no other. */
static int64_t newest_stamp(const struct station_clock_report *report)
{
    if (report->has_future) {
        return report->future_ns;
    }
    return report->has_plain ? report->plain_ns : report->unset_ns;
}

/* --- the verdict ---------------------------------------------------------------------------- */

static enum station_clock_kind kind_of(const struct station_clock_report *report, bool believed,
                                       int64_t behind_by)
{
    if (report->has_future) {
        return believed ? STATION_CLOCK_FUTURE : STATION_CLOCK_AHEAD;
    }
    if (report->has_unset) {
        return STATION_CLOCK_UNSET;
    }
    if (!report->has_plain) {
        return STATION_CLOCK_GOOD;
    }
    bool ahead = less(report->plain_ns, report->received_ns) > report->limits.ahead_ns;
    return ahead ? STATION_CLOCK_AHEAD
                 : (behind_by != 0 ? STATION_CLOCK_BEHIND : STATION_CLOCK_GOOD);
}

/* Learns from the stamps of a report; returns what a clock that is behind is behind by. */
static int64_t compare(struct station_clock *clock, const struct station_clock_report *report)
{
    if (report->unset || !report->has_stamp) {
        return 0;
    }
    int64_t difference = less(report->received_ns, newest_stamp(report));
    note_difference(clock, difference);
    if (report->has_future || !report->has_plain) {
        clock->steady = (struct station_clock_steady){ 0 };
        return 0;
    }
    note_hour(clock, report, difference);
    return behind(&clock->steady, report, difference);
}

/* What is known of a clock when nothing may be learnt. */
static int64_t known_behind(const struct station_clock *clock,
                            const struct station_clock_report *report)
{
    struct station_clock_steady copy = clock->steady;
    if (!copy.wrong || report->unset || report->has_future || !report->has_plain) {
        return 0;
    }
    return behind(&copy, report, less(report->received_ns, report->plain_ns));
}

struct station_clock_verdict station_clock_take(struct station_clock *clock,
                                                const struct station_clock_report *report)
{
    bool believed =
        report->past ? report->received_ns >= STATION_CLOCK_LEAST_NS : note_received(clock, report);
    bool learn = believed && !report->past, dated = false;
    int64_t behind_by = learn ? compare(clock, report) : known_behind(clock, report);
    enum station_clock_kind kind = kind_of(report, believed, behind_by);
    int64_t moment = report->received_ns;
    if (report->unset) {
        moment = date(clock, report, learn, &dated);
        kind = dated ? STATION_CLOCK_DATED : STATION_CLOCK_ARRIVAL;
    }
    if (!report->unset || !report->dateable) {
        moment = put_after(clock->put_ns, moment, report->limits.ahead_ns);
        if (learn && kind != STATION_CLOCK_GOOD && kind != STATION_CLOCK_AHEAD) {
            clock->put_ns = moment;
        }
    }
    int64_t late = less(moment, report->received_ns);
    struct station_clock_verdict verdict = {
        .kind = kind,
        .moment_ns = moment,
        .move_plain = behind_by != 0,
        .move_future = believed,
        .plain_shift = add(behind_by, late),
        .unset_shift = less(moment, report->unset_ns),
        .future_shift = less(moment, report->future_ns),
        .boot_shift = late,
    };
    if (!report->past) {
        clock->kind = (uint8_t)verdict.kind;
    }
    return verdict;
}

/* It keeps its distance to the newest, unless that would lead to before 2001 or to the future. */
static struct station_clock_place put(const struct station_clock_report *report,
                                      const struct station_clock_verdict *verdict, int64_t time_ns,
                                      int64_t shift, bool stamped)
{
    int64_t moved = add(time_ns, shift);
    bool fits = moved >= STATION_CLOCK_LEAST_NS &&
                less(moved, verdict->moment_ns) <= report->limits.ahead_ns;
    return (struct station_clock_place){ fits ? moved : verdict->moment_ns, true, stamped };
}

struct station_clock_place station_clock_place(const struct station_clock_report *report,
                                               const struct station_clock_verdict *verdict,
                                               int64_t time_ns, bool relative)
{
    switch (stamp_of(report, time_ns, relative)) {
    case STAMP_BOOT:
        return put(report, verdict, time_ns, verdict->boot_shift, false);
    case STAMP_UNSET:
        return put(report, verdict, time_ns, verdict->unset_shift, false);
    case STAMP_FUTURE:
        if (verdict->move_future) {
            return put(report, verdict, time_ns, verdict->future_shift, true);
        }
        break;
    case STAMP_PLAIN:
        if (verdict->move_plain) {
            return put(report, verdict, time_ns, verdict->plain_shift, true);
        }
        break;
    case STAMP_RELATIVE:
        break;
    }
    return (struct station_clock_place){ time_ns, false, !relative };
}

/* --- state ---------------------------------------------------------------------------------- */

static void save_steady(const struct station_clock_steady *steady, struct state_writer *writer)
{
    state_put(writer, steady->count);
    if (steady->count > 0) {
        state_put_bool(writer, steady->wrong);
        state_put_signed(writer, steady->begun_ns);
        state_put_signed(writer, steady->base_ns);
        state_put_signed(writer, steady->last_ns);
        state_put_signed(writer, steady->base_difference);
        state_put_signed(writer, steady->difference);
    }
}

void station_clock_save(const struct station_clock *clock, struct state_writer *writer)
{
    state_put(writer, clock->kind);
    state_put(writer, clock->said);
    state_put_signed(writer, clock->newest_received_ns);
    state_put_signed(writer, clock->back_since_ns);
    state_put_signed(writer, clock->put_ns);
    state_put(writer, clock->boot_count);
    for (size_t i = 0; i < clock->boot_count; i++) {
        state_put(writer, clock->boots[i].log);
        state_put(writer, clock->boots[i].boot);
        state_put_signed(writer, clock->boots[i].begin_ns);
        state_put_signed(writer, clock->boots[i].put_ns);
    }
    state_put(writer, clock->hour_count);
    for (size_t i = 0; i < clock->hour_count; i++) {
        state_put(writer, clock->hours[i].at_s);
        state_put_signed(writer, clock->hours[i].difference_ms);
    }
    state_put(writer, clock->recent_count);
    state_put(writer, clock->recent_next);
    for (size_t i = 0; i < clock->recent_count; i++) {
        state_put_signed(writer, clock->recent[i]);
    }
    save_steady(&clock->steady, writer);
    state_put_bool(writer, clock->has_difference);
    state_put_signed(writer, clock->difference_ns);
    state_put_bool(writer, clock->has_rate);
    state_put_bool(writer, clock->drifting);
    state_put_signed(writer, clock->drift_ms_per_day);
}

static void load_boots(struct station_clock *clock, struct state_reader *reader)
{
    clock->boot_count = (uint8_t)state_get_upto(reader, STATION_CLOCK_BOOTS);
    for (size_t i = 0; i < clock->boot_count; i++) {
        clock->boots[i].log = (uint32_t)state_get_upto(reader, UINT32_MAX);
        clock->boots[i].boot = (uint32_t)state_get_upto(reader, UINT32_MAX);
        clock->boots[i].begin_ns = state_get_signed(reader);
        clock->boots[i].put_ns = state_get_signed(reader);
    }
}

/* Hours ascend, so no slope divides by zero. */
static void load_hours(struct station_clock *clock, struct state_reader *reader)
{
    clock->hour_count = (uint8_t)state_get_upto(reader, STATION_CLOCK_HOURS);
    for (size_t i = 0; i < clock->hour_count; i++) {
        clock->hours[i].at_s = (uint32_t)state_get_upto(reader, UINT32_MAX);
        int64_t difference_ms = state_get_signed(reader);
        reader->failed |= difference_ms > INT32_MAX || difference_ms < INT32_MIN;
        clock->hours[i].difference_ms = (int32_t)difference_ms;
        reader->failed |=
            i > 0 && clock->hours[i].at_s / HOUR_S <= clock->hours[i - 1].at_s / HOUR_S;
    }
}

static void load_recent(struct station_clock *clock, struct state_reader *reader)
{
    clock->recent_count = (uint8_t)state_get_upto(reader, STATION_CLOCK_RECENT);
    clock->recent_next = (uint8_t)state_get_upto(reader, STATION_CLOCK_RECENT - 1);
    for (size_t i = 0; i < clock->recent_count; i++) {
        clock->recent[i] = state_get_signed(reader);
    }
}

static void load_steady(struct station_clock_steady *steady, struct state_reader *reader)
{
    steady->count = (uint32_t)state_get_upto(reader, UINT32_MAX);
    if (steady->count > 0) {
        steady->wrong = state_get_bool(reader);
        steady->begun_ns = state_get_signed(reader);
        steady->base_ns = state_get_signed(reader);
        steady->last_ns = state_get_signed(reader);
        steady->base_difference = state_get_signed(reader);
        steady->difference = state_get_signed(reader);
    }
}

bool station_clock_load(struct station_clock *clock, struct state_reader *reader)
{
    struct station_clock read = { 0 };
    read.kind = (uint8_t)state_get_upto(reader, STATION_CLOCK_KINDS - 1);
    read.said = (uint8_t)state_get_upto(reader, STATION_CLOCK_SAID_SYNCED);
    read.newest_received_ns = state_get_signed(reader);
    read.back_since_ns = state_get_signed(reader);
    read.put_ns = state_get_signed(reader);
    load_boots(&read, reader);
    load_hours(&read, reader);
    load_recent(&read, reader);
    load_steady(&read.steady, reader);
    read.has_difference = state_get_bool(reader);
    read.difference_ns = state_get_signed(reader);
    read.has_rate = state_get_bool(reader);
    read.drifting = state_get_bool(reader);
    read.drift_ms_per_day = state_get_signed(reader);
    *clock = reader->failed ? (struct station_clock){ 0 } : read;
    return !reader->failed;
}

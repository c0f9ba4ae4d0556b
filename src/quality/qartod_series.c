/*
 * Reading by reading. A ring holds, in order of time, readings that are final (as far back as a
 * test looks) and, behind them, those that are not (pending). A reading becomes final in order
 * of time only, so that flat run and spread go over the same readings in the same order as over
 * a whole series.
 */
#include <stdlib.h>

#include "quality/qartod_kernel.h"

#define FIRST_CAPACITY  8
#define PENDING_LEAST   8
#define DECIMAL_SCALE   1e4 /* most readings are decimals of at most 4 places */
#define DECIMAL_LARGEST ((double)(INT64_C(1) << 40)) /* of a scaled one */

struct qartod_series {
    const struct qc_settings *qc;
    int64_t every_ns, lateness_ns, watermark_ns;
    int64_t *times; /* capacity of them, then as many values */
    double *values;
    uint32_t first, capacity;
    uint32_t finals, pending; /* readings in the ring */
    uint32_t finals_limit, pending_limit;
    uint32_t run_most; /* readings that the flat line test needs at most */
    struct flat_counts flat;
    struct flat_run run;    /* of the newest final reading */
    struct flat_run newest; /* of the newest reading, while newest_known */
    bool newest_known;
    struct spread spread;
    int64_t needed; /* numbers in the period of the attenuated test */
};

/* ---- create, free ---- */

static uint32_t at_most(int64_t value, int64_t most)
{
    return (uint32_t)(value < most ? value : most);
}

bool qartod_fits(const struct qc_settings *qc, int64_t every_ns)
{
    return qc_fits(qc, every_ns);
}

struct qartod_series *qartod_create(const struct qc_settings *qc, int64_t every_ns,
                                    int64_t lateness_ns)
{
    struct qartod_series *series = calloc(1, sizeof *series);
    if (series == NULL) {
        return NULL;
    }
    int64_t samples = qc_samples(qc, every_ns), late = lateness_ns / every_ns;
    struct flat_counts flat = { qc_steps(qc->flat_line.suspect_s, every_ns),
                                qc_steps(qc->flat_line.fail_s, every_ns) };
    *series = (struct qartod_series){
        .qc = qc,
        .every_ns = every_ns,
        .lateness_ns = lateness_ns,
        .watermark_ns = INT64_MIN,
        .finals_limit = at_most(samples < 1 ? 1 : samples, QARTOD_SAMPLES_MAX),
        .pending_limit = at_most(late, QARTOD_PENDING_MAX / 2) * 2 + PENDING_LEAST,
        .run_most =
            at_most((flat.suspect > flat.fail ? flat.suspect : flat.fail) + 1, QARTOD_SAMPLES_MAX),
        .flat = flat,
        .run = FLAT_RUN_NONE,
        .needed = spread_needed(&qc->attenuated, every_ns),
    };
    return series;
}

void qartod_free(struct qartod_series *series)
{
    if (series != NULL) {
        free(series->times);
        free(series);
    }
}

size_t qartod_bytes(const struct qartod_series *series)
{
    return sizeof *series + series->capacity * (sizeof *series->times + sizeof *series->values);
}

/* ---- the ring ---- */

static struct qartod_view view_of(const struct qartod_series *series)
{
    return (struct qartod_view){ series->times, series->values, series->first, series->capacity };
}

static uint32_t held(const struct qartod_series *series)
{
    return series->finals + series->pending;
}

/* Twice the room, but no more than is ever needed. */
static uint32_t next_capacity(const struct qartod_series *series)
{
    uint32_t twice = series->capacity == 0 ? FIRST_CAPACITY : 2 * series->capacity;
    uint32_t needed = series->finals_limit + series->pending_limit + 1;
    return twice > needed && held(series) < needed ? needed : twice;
}

static bool grow(struct qartod_series *series)
{
    uint32_t capacity = next_capacity(series);
    int64_t *times = malloc(capacity * (sizeof *series->times + sizeof *series->values));
    if (times == NULL) {
        return false;
    }
    double *values = (double *)(void *)(times + capacity);
    struct qartod_view view = view_of(series);
    for (uint32_t i = 0; i < held(series); i++) {
        times[i] = view_time(&view, i);
        values[i] = view_value(&view, i);
    }
    free(series->times);
    series->times = times;
    series->values = values;
    series->first = 0;
    series->capacity = capacity;
    return true;
}

/* Puts a reading at its place among the pending ones; its index. There is room. */
static uint32_t insert(struct qartod_series *series, int64_t time_ns, double value)
{
    struct qartod_view view = view_of(series);
    uint32_t index = held(series);
    while (index > series->finals && view_time(&view, index - 1) > time_ns) {
        size_t to = view_slot(&view, index), from = view_slot(&view, index - 1);
        series->times[to] = series->times[from];
        series->values[to] = series->values[from];
        index--;
    }
    series->times[view_slot(&view, index)] = time_ns;
    series->values[view_slot(&view, index)] = value;
    series->pending++;
    return index;
}

static bool is_pending(const struct qartod_series *series, int64_t time_ns)
{
    struct qartod_view view = view_of(series);
    for (uint32_t i = held(series); i > series->finals; i--) {
        int64_t other = view_time(&view, i - 1);
        if (other <= time_ns) {
            return other == time_ns;
        }
    }
    return false;
}

/* Forgets final readings that no test looks back on. */
static void trim(struct qartod_series *series)
{
    while (series->finals > series->finals_limit) {
        struct qartod_view view = view_of(series);
        if (series->spread.count >= series->finals) {
            spread_drop(&series->spread, &series->qc->attenuated, &view, 0);
        }
        series->first = (uint32_t)view_slot(&view, 1);
        series->finals--;
    }
}

/* ---- flags ---- */

static bool judges_spread(const struct qartod_series *series)
{
    return series->qc->attenuated.given && series->qc->attenuated.period_s > 0;
}

static void run_extend(const struct qartod_series *series, const struct qartod_view *view,
                       uint32_t index, struct flat_run *run)
{
    if (series->qc->flat_line.given) {
        flat_run_extend(run, view, index, series->qc->flat_line.tolerance, series->run_most);
    }
}

/* Gross range, rate of change and flat line; run is that of the reading before. */
static struct qartod_flags judge_back(const struct qartod_series *series,
                                      const struct qartod_view *view, uint32_t index,
                                      struct flat_run *run)
{
    double value = view_value(view, index);
    run_extend(series, view, index, run);
    if (!isfinite(value)) {
        return qartod_all(PHUSA_FLAG_MISSING);
    }
    struct qartod_flags flags = qartod_all(PHUSA_FLAG_NOT_EVALUATED);
    double before = index == 0 ? (double)NAN : view_value(view, index - 1);
    uint64_t step =
        index == 0 ? 0 : time_between(view_time(view, index - 1), view_time(view, index));
    flags.gross = (uint8_t)qartod_gross(&series->qc->gross, value);
    flags.rate = (uint8_t)qartod_rate(&series->qc->rate, step, before, value);
    if (series->qc->flat_line.given) {
        flags.flat_line = (uint8_t)qartod_flat_line(&series->flat, run);
    }
    qartod_aggregate(&flags);
    return flags;
}

/* Of the reading just inserted. The usual one is the newest, and the run before it is known. */
static struct qartod_flags judge_now(struct qartod_series *series, uint32_t index)
{
    struct qartod_view view = view_of(series);
    bool last = index + 1 == held(series);
    struct flat_run run = series->run;
    if (last && series->newest_known) {
        run = series->newest;
    } else {
        for (uint32_t i = series->finals; i < index; i++) {
            run_extend(series, &view, i, &run);
        }
    }
    struct qartod_flags flags = judge_back(series, &view, index, &run);
    series->newest = run;
    series->newest_known = last;
    return flags;
}

/* The oldest pending reading becomes final. */
static struct qartod_final settle(struct qartod_series *series)
{
    struct qartod_view view = view_of(series);
    uint32_t index = series->finals;
    struct qartod_final final = { .time_ns = view_time(&view, index),
                                  .value = view_value(&view, index) };
    final.flags = judge_back(series, &view, index, &series->run);
    if (index > 0) {
        uint64_t step = time_between(view_time(&view, index - 1), final.time_ns);
        final.step_ns = step > INT64_MAX ? INT64_MAX : (int64_t)step;
    }
    if (judges_spread(series)) {
        spread_move(&series->spread, &series->qc->attenuated, &view, index);
    }
    series->finals++;
    series->pending--;
    if (!isfinite(final.value)) {
        return final;
    }
    double before = index == 0 ? (double)NAN : view_value(&view, index - 1);
    double after = series->pending == 0 ? (double)NAN : view_value(&view, index + 1);
    final.flags.spike = (uint8_t)qartod_spike(&series->qc->spike, before, final.value, after);
    if (judges_spread(series)) {
        double spread = spread_value(&series->spread, &series->qc->attenuated, series->needed);
        final.flags.attenuated = (uint8_t)qartod_attenuated(&series->qc->attenuated, spread);
    }
    qartod_aggregate(&final.flags);
    return final;
}

/* ---- when a reading is final ---- */

/* Two readings `every` apart, give or take a quarter: a regular series has none between them. */
static bool adjoin(const struct qartod_series *series, int64_t earlier, int64_t later)
{
    uint64_t step = time_between(earlier, later), every = (uint64_t)series->every_ns;
    return step >= every - every / 4 && step <= every + every / 4;
}

static int64_t later_by(int64_t time_ns, int64_t ns)
{
    return time_ns > INT64_MAX - ns ? INT64_MAX : time_ns + ns;
}

int64_t qartod_due(const struct qartod_series *series)
{
    if (series->pending == 0) {
        return INT64_MAX;
    }
    if (series->pending > series->pending_limit) {
        return INT64_MIN;
    }
    struct qartod_view view = view_of(series);
    uint32_t index = series->finals;
    int64_t oldest = view_time(&view, index);
    bool settled = index > 0 && adjoin(series, view_time(&view, index - 1), oldest);
    if (series->pending == 1) {
        return later_by(oldest, series->every_ns + series->every_ns / 2);
    }
    int64_t next = view_time(&view, index + 1);
    if (!adjoin(series, oldest, next)) {
        return next;
    }
    return settled ? INT64_MIN : oldest;
}

void qartod_advance(struct qartod_series *series, int64_t watermark_ns, qartod_emit *emit,
                    void *context)
{
    if (watermark_ns > series->watermark_ns) {
        series->watermark_ns = watermark_ns;
    }
    while (series->pending > 0 && qartod_due(series) <= series->watermark_ns) {
        struct qartod_final final = settle(series);
        trim(series);
        emit(context, &final);
    }
}

/* ---- taking ---- */

struct qartod_flags qartod_alone(const struct qc_settings *qc, double value)
{
    if (!isfinite(value)) {
        return qartod_all(PHUSA_FLAG_MISSING);
    }
    struct qartod_flags flags = qartod_all(PHUSA_FLAG_NOT_EVALUATED);
    flags.gross = (uint8_t)qartod_gross(&qc->gross, value);
    qartod_aggregate(&flags);
    return flags;
}

static enum qartod_status place(const struct qartod_series *series, int64_t time_ns)
{
    struct qartod_view view = view_of(series);
    if (series->finals > 0 && time_ns <= view_time(&view, series->finals - 1)) {
        return time_ns == view_time(&view, series->finals - 1) ? QARTOD_DUPLICATE : QARTOD_LATE;
    }
    return is_pending(series, time_ns) ? QARTOD_DUPLICATE : QARTOD_TAKEN;
}

/* By the flat run that would end with this value after the final reading before `index`. What is
 * no longer remembered may have been flat, too. */
static enum phusa_flag judge_late_flat(const struct qartod_series *series,
                                       const struct qartod_view *view, uint32_t index, double value)
{
    double tolerance = series->qc->flat_line.tolerance;
    struct flat_run run = { tolerance > 0 ? 1 : 0, value, value };
    bool flat = tolerance > 0;
    for (uint32_t i = index; flat && i-- > 0 && run.length < series->run_most;) {
        double other = view_value(view, i);
        if (isfinite(other)) {
            run.low = fmin(run.low, other);
            run.high = fmax(run.high, other);
        }
        flat = run.high - run.low < tolerance;
        run.length += flat ? 1 : 0;
    }
    enum phusa_flag flag = qartod_flat_line(&series->flat, &run);
    bool forgotten =
        flat && run.length < series->run_most && series->finals >= series->finals_limit;
    return flag == PHUSA_FLAG_GOOD && forgotten ? PHUSA_FLAG_NOT_EVALUATED : flag;
}

/* Between two final readings, whose own flags stay what they are. */
static struct qartod_flags judge_late(const struct qartod_series *series, int64_t time_ns,
                                      double value)
{
    struct qartod_view view = view_of(series);
    const struct qc_settings *qc = series->qc;
    struct qartod_flags flags = qartod_alone(qc, value);
    uint32_t index = series->finals;
    while (index > 0 && view_time(&view, index - 1) > time_ns) {
        index--;
    }
    if (index == 0 || !isfinite(value)) {
        return flags;
    }
    double before = view_value(&view, index - 1), after = view_value(&view, index);
    uint64_t step = time_between(view_time(&view, index - 1), time_ns);
    flags.spike = (uint8_t)qartod_spike(&qc->spike, before, value, after);
    flags.rate = (uint8_t)qartod_rate(&qc->rate, step, before, value);
    if (qc->flat_line.given) {
        flags.flat_line = (uint8_t)judge_late_flat(series, &view, index, value);
    }
    qartod_aggregate(&flags);
    return flags;
}

enum qartod_status qartod_take(struct qartod_series *series, int64_t time_ns, double value,
                               struct qartod_flags *now, qartod_emit *emit, void *context)
{
    enum qartod_status status = place(series, time_ns);
    if (status == QARTOD_TAKEN && held(series) == series->capacity && !grow(series)) {
        status = QARTOD_NO_MEMORY;
    }
    if (status != QARTOD_TAKEN) {
        *now = status == QARTOD_LATE ? judge_late(series, time_ns, value)
                                     : qartod_alone(series->qc, value);
        return status;
    }
    *now = judge_now(series, insert(series, time_ns, value));
    int64_t newest = qartod_newest(series);
    int64_t watermark =
        newest < INT64_MIN + series->lateness_ns ? INT64_MIN : newest - series->lateness_ns;
    qartod_advance(series, watermark, emit, context);
    return QARTOD_TAKEN;
}

/* The newest readings and, for the spread, the oldest of its period. */
void qartod_expect(const struct qartod_series *series)
{
    if (series->capacity == 0) {
        return;
    }
    struct qartod_view view = view_of(series);
    size_t newest = view_slot(&view, held(series) > 0 ? held(series) - 1 : 0);
    __builtin_prefetch(&series->times[newest], 1);
    __builtin_prefetch(&series->values[newest], 1);
    if (series->spread.count > 0 && series->spread.count <= series->finals) {
        size_t oldest = view_slot(&view, series->finals - series->spread.count);
        __builtin_prefetch(&series->times[oldest]);
        __builtin_prefetch(&series->values[oldest]);
    }
}

/* ---- what a device as a whole is judged by ---- */

int64_t qartod_newest(const struct qartod_series *series)
{
    struct qartod_view view = view_of(series);
    return held(series) == 0 ? INT64_MIN : view_time(&view, held(series) - 1);
}

enum qartod_timing qartod_timing(int64_t step_ns, int64_t every_ns, int64_t *missed)
{
    *missed = 0;
    if (step_ns <= 0 || every_ns <= 0) {
        return QARTOD_ON_TIME;
    }
    int64_t half = every_ns - every_ns / 2;
    if (step_ns < every_ns / 2) {
        return QARTOD_EARLY;
    }
    if (step_ns - every_ns < half) {
        return QARTOD_ON_TIME;
    }
    *missed = step_ns / every_ns - (step_ns % every_ns >= half ? 0 : 1);
    return QARTOD_GAP;
}

/* ---- kept over a restart ---- */

/*
 * Final and pending readings by number; the watermark; each reading's time as difference of
 * differences (0 while the station keeps its pace) and its value; then the spread: for how many
 * readings, over which period, and the numbers that do not follow from the readings alone. The
 * flat run follows from them.
 */

/* A decimal of at most 4 places as its difference to the one before, times two; others as 1 and
 * their bytes. */
static void save_value(struct state_writer *writer, double value, int64_t *decimal)
{
    double scaled = value * DECIMAL_SCALE;
    if (fabs(scaled) < DECIMAL_LARGEST) {
        int64_t whole = (int64_t)llround(scaled);
        double back = (double)whole / DECIMAL_SCALE;
        if (back == value && !signbit(back) == !signbit(value)) {
            state_put_signed(writer, 2 * (whole - *decimal));
            *decimal = whole;
            return;
        }
    }
    state_put_signed(writer, 1);
    state_put_double(writer, value);
}

static double load_value(struct state_reader *reader, int64_t *decimal)
{
    int64_t code = state_get_signed(reader);
    if (code == 1) {
        return state_get_double(reader);
    }
    uint64_t whole = (uint64_t)*decimal + (uint64_t)(code / 2);
    *decimal = (int64_t)whole;
    if (code % 2 != 0 || fabs((double)*decimal) > DECIMAL_LARGEST) {
        reader->failed = true;
    }
    return (double)*decimal / DECIMAL_SCALE;
}

void qartod_save(const struct qartod_series *series, struct state_writer *writer)
{
    struct qartod_view view = view_of(series);
    uint64_t time = 0, step = 0; /* unsigned: they may wrap */
    int64_t decimal = 0;
    state_put(writer, series->finals);
    state_put(writer, series->pending);
    state_put_signed(writer, series->watermark_ns);
    for (uint32_t i = 0; i < held(series); i++) {
        uint64_t next = (uint64_t)view_time(&view, i);
        state_put_signed(writer, (int64_t)(next - time - step));
        step = next - time;
        time = next;
        save_value(writer, view_value(&view, i), &decimal);
    }
    state_put_double(writer, judges_spread(series) ? series->qc->attenuated.period_s : 0);
    state_put(writer, series->spread.count);
    state_put_double(writer, series->spread.mean);
    state_put_double(writer, series->spread.squares);
    state_put_double(writer, series->spread.added);
    state_put_double(writer, series->spread.removed);
}

/* As far as the ring reaches; the oldest give way. */
static bool load_readings(struct qartod_series *series, uint64_t finals, uint64_t pending,
                          struct state_reader *reader)
{
    uint64_t time = 0, step = 0;
    int64_t decimal = 0;
    for (uint64_t i = 0; i < finals + pending && !reader->failed; i++) {
        step += (uint64_t)state_get_signed(reader);
        time += step;
        double value = load_value(reader, &decimal);
        if (i > 0 && (int64_t)time <= qartod_newest(series)) {
            reader->failed = true;
        }
        if (held(series) == series->capacity && !grow(series)) {
            return false;
        }
        (void)insert(series, (int64_t)time, value);
        if (i < finals) {
            series->finals++;
            series->pending--;
            trim(series);
        }
    }
    return !reader->failed;
}

/* The spread that the last final reading had, over the readings alone. */
static void find_spread(struct qartod_series *series)
{
    struct qartod_view view = view_of(series);
    series->spread.count = 0;
    for (uint32_t i = 0; judges_spread(series) && i < series->finals; i++) {
        spread_move(&series->spread, &series->qc->attenuated, &view, i);
    }
}

static void find_run(struct qartod_series *series)
{
    struct qartod_view view = view_of(series);
    series->run = (struct flat_run)FLAT_RUN_NONE;
    for (uint32_t i = 0; i < series->finals; i++) {
        run_extend(series, &view, i, &series->run);
    }
}

static void load_spread(struct qartod_series *series, struct state_reader *reader)
{
    double period = state_get_double(reader);
    uint64_t count = state_get_upto(reader, QARTOD_SAMPLES_MAX);
    struct spread kept = { .mean = state_get_double(reader),
                           .squares = state_get_double(reader),
                           .added = state_get_double(reader),
                           .removed = state_get_double(reader) };
    find_spread(series);
    if (judges_spread(series) && period == series->qc->attenuated.period_s &&
        count == series->spread.count) {
        series->spread.mean = kept.mean;
        series->spread.squares = kept.squares;
        series->spread.added = kept.added;
        series->spread.removed = kept.removed;
    }
}

static void forget(struct qartod_series *series)
{
    free(series->times);
    series->times = NULL;
    series->values = NULL;
    series->first = series->capacity = series->finals = series->pending = 0;
    series->run = (struct flat_run)FLAT_RUN_NONE;
    series->newest_known = false;
    series->spread = (struct spread){ .count = 0 };
    series->watermark_ns = INT64_MIN;
}

bool qartod_load(struct qartod_series *series, struct state_reader *reader)
{
    uint64_t finals = state_get_upto(reader, QARTOD_SAMPLES_MAX);
    uint64_t pending = state_get_upto(reader, QARTOD_PENDING_MAX + PENDING_LEAST + 1);
    series->watermark_ns = state_get_signed(reader);
    if (!reader->failed && load_readings(series, finals, pending, reader)) {
        load_spread(series, reader);
        find_run(series);
    } else {
        forget(series);
        return false;
    }
    if (reader->failed) {
        forget(series);
    }
    return !reader->failed;
}

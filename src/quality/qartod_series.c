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

/* What the tests that look back say of a reading, and the flat run that ends with it. */
struct judged {
    struct flat_run run;
    struct qartod_flags flags;
};

struct qartod_series {
    const struct qc_settings *qc;
    int64_t every_ns, lateness_ns, watermark_ns;
    int64_t due_ns; /* what qartod_due says */
    struct readings ring;
    uint32_t finals, pending; /* readings in the ring */
    uint32_t finals_limit, pending_limit;
    uint32_t run_most; /* readings that the flat line test needs at most */
    struct flat_counts flat;
    struct flat_run run; /* of the newest final reading */
    /* Of the newest reading, and of the oldest pending one while it is another: most readings are
     * judged once, when they come, and final as they were judged. */
    struct judged newest, oldest;
    bool newest_known, oldest_known;
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
        .due_ns = INT64_MAX,
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
        readings_free(&series->ring);
        free(series);
    }
}

size_t qartod_bytes(const struct qartod_series *series)
{
    return sizeof *series + readings_bytes(&series->ring);
}

/* ---- the ring ---- */

static uint32_t held(const struct qartod_series *series)
{
    return series->finals + series->pending;
}

/* Twice the room, but no more than is ever needed. */
static uint32_t next_capacity(const struct qartod_series *series)
{
    uint32_t twice = series->ring.capacity == 0 ? FIRST_CAPACITY : 2 * series->ring.capacity;
    uint32_t needed = series->finals_limit + series->pending_limit + 1;
    return twice > needed && held(series) < needed ? needed : twice;
}

/* Room for one more reading. */
static bool prepare(struct qartod_series *series, struct readings_entry *entry)
{
    bool full = held(series) == series->ring.capacity;
    return readings_prepare(&series->ring, held(series),
                            full ? next_capacity(series) : series->ring.capacity, entry);
}

/* Puts a reading at its place among the pending ones; its index. There is room. */
static uint32_t insert(struct qartod_series *series, const struct readings_entry *entry)
{
    struct readings *ring = &series->ring;
    uint32_t index = held(series);
    while (index > series->finals && readings_time(ring, index - 1) > entry->time_ns) {
        readings_move(ring, index, index - 1);
        index--;
    }
    readings_put(ring, index, entry);
    series->pending++;
    return index;
}

static bool is_pending(const struct qartod_series *series, int64_t time_ns)
{
    for (uint32_t i = held(series); i > series->finals; i--) {
        int64_t other = readings_time(&series->ring, i - 1);
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
        if (series->spread.count >= series->finals) {
            spread_drop(&series->spread, &series->qc->attenuated, &series->ring, 0);
        }
        readings_drop(&series->ring, held(series));
        series->finals--;
    }
}

/* ---- flags ---- */

static bool judges_spread(const struct qartod_series *series)
{
    return series->qc->attenuated.given && series->qc->attenuated.period_s > 0;
}

static void run_extend(const struct qartod_series *series, uint32_t index, struct flat_run *run)
{
    if (series->qc->flat_line.given) {
        flat_run_extend(run, &series->ring, index, series->qc->flat_line.tolerance,
                        series->run_most);
    }
}

/* Gross range, rate of change and flat line; judged comes with the run of the reading before. */
static void judge_back(const struct qartod_series *series, uint32_t index, struct judged *judged)
{
    const struct readings *ring = &series->ring;
    double value = readings_value(ring, index);
    run_extend(series, index, &judged->run);
    if (!isfinite(value)) {
        judged->flags = qartod_all(PHUSA_FLAG_MISSING);
        return;
    }
    double before = index == 0 ? (double)NAN : readings_value(ring, index - 1);
    uint64_t step =
        index == 0 ? 0 : time_between(readings_time(ring, index - 1), readings_time(ring, index));
    struct qartod_flags *flags = &judged->flags;
    *flags = qartod_all(PHUSA_FLAG_NOT_EVALUATED);
    flags->gross = (uint8_t)qartod_gross(&series->qc->gross, value);
    flags->rate = (uint8_t)qartod_rate(&series->qc->rate, step, before, value);
    if (series->qc->flat_line.given) {
        flags->flat_line = (uint8_t)qartod_flat_line(&series->flat, &judged->run);
    }
    qartod_aggregate(flags);
}

/* The run up to the reading before index, which is pending or the first that is. */
static struct flat_run run_before(const struct qartod_series *series, uint32_t index)
{
    struct flat_run run = series->run;
    for (uint32_t i = series->finals; i < index; i++) {
        run_extend(series, i, &run);
    }
    return run;
}

/* Of the reading just inserted. The usual one is the newest, and the run before it is known. */
static struct qartod_flags judge_now(struct qartod_series *series, uint32_t index)
{
    if (index + 1 != held(series)) { /* what is known of the others may be so no more */
        struct judged judged = { .run = run_before(series, index) };
        series->newest_known = series->oldest_known = false;
        judge_back(series, index, &judged);
        return judged.flags;
    }
    if (series->pending == 2) { /* the newest so far is the oldest now */
        series->oldest = series->newest;
        series->oldest_known = series->newest_known;
    }
    if (!series->newest_known) {
        series->newest.run = run_before(series, index);
        series->newest_known = true;
    }
    judge_back(series, index, &series->newest);
    return series->newest.flags;
}

/* Of the oldest pending reading; nothing comes before it any more. */
static const struct judged *judge_oldest(struct qartod_series *series)
{
    if (series->pending == 1 && series->newest_known) {
        return &series->newest;
    }
    if (!series->oldest_known) {
        series->oldest.run = series->run;
        judge_back(series, series->finals, &series->oldest);
    }
    series->oldest_known = false;
    return &series->oldest;
}

/* By its neighbours; it is a number. */
static enum phusa_flag judge_spike(const struct qartod_series *series, uint32_t index)
{
    const struct readings *ring = &series->ring;
    double before = index == 0 ? (double)NAN : readings_value(ring, index - 1);
    double after = index + 1 == held(series) ? (double)NAN : readings_value(ring, index + 1);
    return qartod_spike(&series->qc->spike, before, readings_value(ring, index), after);
}

/* The oldest pending reading becomes final. */
static struct qartod_final settle(struct qartod_series *series)
{
    const struct readings *ring = &series->ring;
    uint32_t index = series->finals;
    const struct judged *judged = judge_oldest(series);
    struct qartod_final final = { .time_ns = readings_time(ring, index),
                                  .value = readings_value(ring, index),
                                  .flags = judged->flags };
    series->run = judged->run;
    if (index > 0) {
        uint64_t step = time_between(readings_time(ring, index - 1), final.time_ns);
        final.step_ns = step > INT64_MAX ? INT64_MAX : (int64_t)step;
    }
    if (judges_spread(series)) {
        spread_move(&series->spread, &series->qc->attenuated, ring, index);
    }
    series->finals++;
    series->pending--;
    if (!isfinite(final.value)) {
        return final;
    }
    final.flags.spike = (uint8_t)judge_spike(series, index);
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

static int64_t find_due(const struct qartod_series *series)
{
    if (series->pending == 0) {
        return INT64_MAX;
    }
    if (series->pending > series->pending_limit) {
        return INT64_MIN;
    }
    const struct readings *ring = &series->ring;
    uint32_t index = series->finals;
    int64_t oldest = readings_time(ring, index);
    if (series->pending == 1) {
        return later_by(oldest, series->every_ns + series->every_ns / 2);
    }
    int64_t next = readings_time(ring, index + 1);
    if (!adjoin(series, oldest, next)) {
        return next;
    }
    bool settled = index > 0 && adjoin(series, readings_time(ring, index - 1), oldest);
    return settled ? INT64_MIN : oldest;
}

int64_t qartod_due(const struct qartod_series *series)
{
    return series->due_ns;
}

void qartod_advance(struct qartod_series *series, int64_t watermark_ns, qartod_emit *emit,
                    void *context)
{
    if (watermark_ns > series->watermark_ns) {
        series->watermark_ns = watermark_ns;
    }
    while (series->pending > 0 && series->due_ns <= series->watermark_ns) {
        struct qartod_final final = settle(series);
        trim(series);
        series->due_ns = find_due(series);
        emit(context, &final);
    }
}

void qartod_peek(const struct qartod_series *series, int64_t from_ns, int64_t upto_ns,
                 qartod_emit *emit, void *context)
{
    const struct readings *ring = &series->ring;
    struct judged judged = { .run = series->run };
    for (uint32_t i = series->finals; i < held(series) && readings_time(ring, i) <= upto_ns; i++) {
        judge_back(series, i, &judged);
        struct qartod_final now = { .time_ns = readings_time(ring, i),
                                    .value = readings_value(ring, i),
                                    .flags = judged.flags };
        if (isfinite(now.value)) {
            now.flags.spike = (uint8_t)judge_spike(series, i);
            qartod_aggregate(&now.flags);
        }
        if (now.time_ns >= from_ns) {
            emit(context, &now);
        }
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
    if (series->finals > 0) {
        int64_t newest = readings_time(&series->ring, series->finals - 1);
        if (time_ns <= newest) {
            return time_ns == newest ? QARTOD_DUPLICATE : QARTOD_LATE;
        }
    }
    return is_pending(series, time_ns) ? QARTOD_DUPLICATE : QARTOD_TAKEN;
}

/* By the flat run that would end with this value after the final reading before `index`. What is
 * no longer remembered may have been flat, too. */
static enum phusa_flag judge_late_flat(const struct qartod_series *series, uint32_t index,
                                       double value)
{
    double tolerance = series->qc->flat_line.tolerance;
    struct flat_run run = { value, value, tolerance > 0 ? 1 : 0 };
    bool flat = tolerance > 0;
    for (uint32_t i = index; flat && i-- > 0 && run.length < series->run_most;) {
        double other = readings_value(&series->ring, i);
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
    const struct readings *ring = &series->ring;
    const struct qc_settings *qc = series->qc;
    struct qartod_flags flags = qartod_alone(qc, value);
    uint32_t index = series->finals;
    while (index > 0 && readings_time(ring, index - 1) > time_ns) {
        index--;
    }
    if (index == 0 || !isfinite(value)) {
        return flags;
    }
    double before = readings_value(ring, index - 1), after = readings_value(ring, index);
    uint64_t step = time_between(readings_time(ring, index - 1), time_ns);
    flags.spike = (uint8_t)qartod_spike(&qc->spike, before, value, after);
    flags.rate = (uint8_t)qartod_rate(&qc->rate, step, before, value);
    if (qc->flat_line.given) {
        flags.flat_line = (uint8_t)judge_late_flat(series, index, value);
    }
    qartod_aggregate(&flags);
    return flags;
}

enum qartod_status qartod_take(struct qartod_series *series, int64_t time_ns, double value,
                               struct qartod_flags *now, qartod_emit *emit, void *context)
{
    struct readings_entry entry = { .time_ns = time_ns, .value = value };
    enum qartod_status status = place(series, time_ns);
    if (status == QARTOD_TAKEN && !prepare(series, &entry)) {
        status = QARTOD_NO_MEMORY;
    }
    if (status != QARTOD_TAKEN) {
        *now = status == QARTOD_LATE ? judge_late(series, time_ns, value)
                                     : qartod_alone(series->qc, value);
        return status;
    }
    *now = judge_now(series, insert(series, &entry));
    series->due_ns = find_due(series);
    int64_t newest = qartod_newest(series);
    int64_t watermark =
        newest < INT64_MIN + series->lateness_ns ? INT64_MIN : newest - series->lateness_ns;
    qartod_advance(series, watermark, emit, context);
    return QARTOD_TAKEN;
}

/* The newest readings and, for the spread, the oldest of its period. */
void qartod_expect(const struct qartod_series *series)
{
    if (series->ring.capacity == 0) {
        return;
    }
    readings_expect(&series->ring, held(series) > 0 ? held(series) - 1 : 0);
    if (series->spread.count > 0 && series->spread.count <= series->finals) {
        readings_expect(&series->ring, series->finals - series->spread.count);
    }
}

/* ---- what a device as a whole is judged by ---- */

int64_t qartod_newest(const struct qartod_series *series)
{
    return held(series) == 0 ? INT64_MIN : readings_time(&series->ring, held(series) - 1);
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
    uint64_t time = 0, step = 0; /* unsigned: they may wrap */
    int64_t decimal = 0;
    state_put(writer, series->finals);
    state_put(writer, series->pending);
    state_put_signed(writer, series->watermark_ns);
    for (uint32_t i = 0; i < held(series); i++) {
        uint64_t next = (uint64_t)readings_time(&series->ring, i);
        state_put_signed(writer, (int64_t)(next - time - step));
        step = next - time;
        time = next;
        save_value(writer, readings_value(&series->ring, i), &decimal);
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
        struct readings_entry entry = { .time_ns = (int64_t)time,
                                        .value = load_value(reader, &decimal) };
        if (i > 0 && entry.time_ns <= qartod_newest(series)) {
            reader->failed = true;
        }
        if (!prepare(series, &entry)) {
            return false;
        }
        (void)insert(series, &entry);
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
    series->spread.count = 0;
    for (uint32_t i = 0; judges_spread(series) && i < series->finals; i++) {
        spread_move(&series->spread, &series->qc->attenuated, &series->ring, i);
    }
}

static void find_run(struct qartod_series *series)
{
    series->run = (struct flat_run)FLAT_RUN_NONE;
    for (uint32_t i = 0; i < series->finals; i++) {
        run_extend(series, i, &series->run);
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
    readings_free(&series->ring);
    series->finals = series->pending = 0;
    series->run = (struct flat_run)FLAT_RUN_NONE;
    series->newest_known = series->oldest_known = false;
    series->due_ns = INT64_MAX;
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
        series->due_ns = find_due(series);
    } else {
        forget(series);
        return false;
    }
    if (reader->failed) {
        forget(series);
    }
    return !reader->failed;
}

/*
 * QARTOD's tests: the vectors and series of the public reference implementation (shared data), both
 * over a whole series and reading by reading; that both agree whatever the order of arrival; what
 * is late, missing or damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/clock.h"
#include "draws.h"
#include "quality/qartod.h"
#include "quality/stuck_bus.h"
#include "shared_data.h"

#define MINUTE   (60 * SECOND_NS)
#define HOUR     (60 * MINUTE)
#define START    (1600000000 * SECOND_NS)
#define EVERY    (5 * MINUTE)
#define LATENESS (10 * MINUTE)
#define ROWS_MAX 20000
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- a series and what is said of it ---- */

struct rows {
    size_t count;
    int64_t times[ROWS_MAX];
    double values[ROWS_MAX];
    struct qartod_flags flags[ROWS_MAX];
};

static struct rows whole, streamed; /* too large for the stack */

static int64_t steps[ROWS_MAX];

static int64_t step_of(const struct rows *rows)
{
    for (size_t i = 1; i < rows->count; i++) {
        steps[i - 1] = rows->times[i] - rows->times[i - 1];
    }
    return qartod_median(steps, rows->count == 0 ? 0 : rows->count - 1);
}

static void judge_whole(const struct qc_settings *qc, struct rows *rows)
{
    qartod_batch(qc, step_of(rows), rows->times, rows->values, rows->count, rows->flags);
}

static void collect(void *context, const struct qartod_final *final)
{
    struct rows *rows = context;
    assert_true(rows->count < ROWS_MAX);
    if (rows->count > 0) {
        assert_true(final->time_ns > rows->times[rows->count - 1]);
        uint64_t step = (uint64_t) final->time_ns - (uint64_t)rows->times[rows->count - 1];
        assert_int_equal(final->step_ns, step > INT64_MAX ? INT64_MAX : step);
    }
    rows->times[rows->count] = final->time_ns;
    rows->values[rows->count] = final->value;
    rows->flags[rows->count++] = final->flags;
}

static void expect_same(const struct rows *got, const struct rows *wanted)
{
    assert_int_equal(got->count, wanted->count);
    for (size_t i = 0; i < wanted->count; i++) {
        assert_int_equal(got->times[i], wanted->times[i]);
        if (memcmp(&got->flags[i], &wanted->flags[i], sizeof got->flags[i]) != 0) {
            const struct qartod_flags *g = &got->flags[i], *w = &wanted->flags[i];
            fail_msg("reading %zu, %g: %u %u %u %u %u %u instead of %u %u %u %u %u %u", i,
                     wanted->values[i], g->gross, g->spike, g->rate, g->flat_line, g->attenuated,
                     g->aggregate, w->gross, w->spike, w->rate, w->flat_line, w->attenuated,
                     w->aggregate);
        }
    }
}

static struct qartod_series *create(const struct qc_settings *qc)
{
    struct qartod_series *series = qartod_create(qc, EVERY, LATENESS);
    assert_non_null(series);
    return series;
}

static enum qartod_status take(struct qartod_series *series, int64_t time_ns, double value)
{
    struct qartod_flags now;
    return qartod_take(series, time_ns, value, &now, collect, &streamed);
}

/* ---- the reference's own vectors ---- */

static double number_of(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static int64_t time_of(const json_t *value)
{
    struct tm parts = { 0 };
    if (json_is_number(value)) {
        return (int64_t)json_number_value(value) * SECOND_NS;
    }
    assert_non_null(strptime(json_string_value(value), "%Y-%m-%dT%H:%M:%S", &parts));
    return timegm(&parts) * SECOND_NS;
}

static void read_readings(const json_t *vector, struct rows *rows)
{
    const json_t *inputs = json_object_get(vector, "inp"), *times = json_object_get(vector, "tinp");
    rows->count = json_array_size(inputs);
    for (size_t i = 0; i < rows->count; i++) {
        const json_t *given = json_array_get(times, i);
        rows->values[i] = number_of(json_array_get(inputs, i));
        rows->times[i] = given == NULL ? (int64_t)i * SECOND_NS : time_of(given);
    }
}

static double parameter(const json_t *vector, const char *name)
{
    return number_of(json_object_get(json_object_get(vector, "params"), name));
}

static double or_zero(double value)
{
    return isnan(value) ? 0 : value;
}

static bool parameter_is(const json_t *vector, const char *name, const char *word)
{
    const char *text = json_string_value(json_object_get(json_object_get(vector, "params"), name));
    return text != NULL && strcmp(text, word) == 0;
}

static struct qc_span span_of(const json_t *vector, const char *name)
{
    const json_t *span = json_object_get(json_object_get(vector, "params"), name);
    return (struct qc_span){ number_of(json_array_get(span, 0)),
                             number_of(json_array_get(span, 1)) };
}

static struct qc_settings gross_settings(const json_t *vector)
{
    struct qc_settings qc = qc_none();
    qc.gross =
        (struct qc_gross){ true, span_of(vector, "fail_span"), span_of(vector, "suspect_span") };
    return qc;
}

static struct qc_settings spike_settings(const json_t *vector)
{
    struct qc_settings qc = qc_none();
    qc.spike = (struct qc_spike){ .given = true,
                                  .method = parameter_is(vector, "method", "differential")
                                                ? QC_SPIKE_DIFFERENTIAL
                                                : QC_SPIKE_AVERAGE,
                                  .suspect = parameter(vector, "suspect_threshold"),
                                  .fail = parameter(vector, "fail_threshold") };
    return qc;
}

static struct qc_settings rate_settings(const json_t *vector)
{
    struct qc_settings qc = qc_none();
    qc.rate = (struct qc_rate){ true, parameter(vector, "threshold"),
                                parameter(vector, "fail_threshold") };
    return qc;
}

static struct qc_settings flat_line_settings(const json_t *vector)
{
    struct qc_settings qc = qc_none();
    qc.flat_line = (struct qc_flat_line){ true, parameter(vector, "tolerance"),
                                          parameter(vector, "suspect_threshold"),
                                          parameter(vector, "fail_threshold") };
    return qc;
}

static struct qc_settings attenuated_settings(const json_t *vector)
{
    struct qc_settings qc = qc_none();
    qc.attenuated = (struct qc_attenuated){
        .given = true,
        .method = parameter_is(vector, "check_type", "range") ? QC_SPREAD_RANGE : QC_SPREAD_STD,
        .period_s = or_zero(parameter(vector, "test_period")),
        .suspect = parameter(vector, "suspect_threshold"),
        .fail = parameter(vector, "fail_threshold"),
        .min_obs = (int64_t)or_zero(parameter(vector, "min_obs")),
        .min_period_s = or_zero(parameter(vector, "min_period"))
    };
    return qc;
}

static const struct vectors {
    const char *function;
    struct qc_settings (*settings)(const json_t *vector);
    size_t flag; /* offset of what is expected */
} vectors[] = {
    { "gross_range_test", gross_settings, offsetof(struct qartod_flags, gross) },
    { "spike_test", spike_settings, offsetof(struct qartod_flags, spike) },
    { "rate_of_change_test", rate_settings, offsetof(struct qartod_flags, rate) },
    { "flat_line_test", flat_line_settings, offsetof(struct qartod_flags, flat_line) },
    { "attenuated_signal_test", attenuated_settings, offsetof(struct qartod_flags, attenuated) },
};

static void check_vector(const struct vectors *kind, const json_t *vector)
{
    const json_t *wanted = json_object_get(vector, "expect_flags");
    struct qc_settings qc = kind->settings(vector);
    read_readings(vector, &whole);
    judge_whole(&qc, &whole);
    assert_int_equal(json_array_size(wanted), whole.count);
    for (size_t i = 0; i < whole.count; i++) {
        int64_t flag = ((const uint8_t *)&whole.flags[i])[kind->flag];
        if (flag != json_integer_value(json_array_get(wanted, i))) {
            fail_msg("%s, reading %zu: %d", json_string_value(json_object_get(vector, "id")), i,
                     (int)flag);
        }
    }
}

static void the_vectors_of_the_reference(void **state)
{
    (void)state;
    size_t length, checked = 0;
    unsigned char *bytes = shared_read("6-qc/ioos_qc_vectors_core.json", &length);
    if (bytes == NULL) {
        skip();
    }
    json_t *all = json_loadb((const char *)bytes, length, 0, NULL);
    assert_non_null(all);
    for (size_t k = 0; k < COUNT(vectors); k++) {
        const json_t *list =
            json_object_get(json_object_get(all, "functions"), vectors[k].function);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *vector = json_array_get(list, i);
            if (json_object_get(vector, "expect_error") == NULL) {
                check_vector(&vectors[k], vector);
                checked++;
            }
        }
    }
    printf("%zu vectors\n", checked);
    assert_int_equal(checked, 75); /* those with an error are for the configuration's reader */
    json_decref(all);
    free(bytes);
}

/* ---- the reference on two real series ---- */

enum { GROSS, SPIKE_AVERAGE, SPIKE_DIFFERENTIAL, RATE, FLAT_LINE, STD, RANGE, AGGREGATE, COLUMNS };

static struct rows real;
static uint8_t expected[ROWS_MAX][COLUMNS];

static bool read_real(const char *name)
{
    char path[512], line[256];
    gzFile file = gzopen(shared_path(name, path, sizeof path), "rb");
    if (file == NULL) {
        printf("skipped: no %s (set PHUSA_SHARED)\n", path);
        return false;
    }
    real.count = 0;
    assert_non_null(gzgets(file, line, sizeof line));
    while (gzgets(file, line, sizeof line) != NULL) {
        char *at = line;
        assert_true(real.count < ROWS_MAX);
        real.times[real.count] = strtoll(at, &at, 10) * SECOND_NS;
        at++;
        real.values[real.count] = *at == ',' ? (double)NAN : strtod(at, &at);
        for (int i = 0; i < COLUMNS; i++) {
            expected[real.count][i] = (uint8_t)strtoul(at + 1, &at, 10);
        }
        real.count++;
    }
    gzclose(file);
    return true;
}

static void expect_columns(const struct rows *got, const int columns[6])
{
    assert_int_equal(got->count, real.count);
    for (size_t i = 0; i < got->count; i++) {
        const uint8_t *flags = (const uint8_t *)&got->flags[i];
        for (size_t k = 0; k < 6; k++) {
            if (columns[k] >= 0 && flags[k] != expected[i][columns[k]]) {
                fail_msg("row %zu, flag %zu: %u instead of %u", i, k, flags[k],
                         expected[i][columns[k]]);
            }
        }
    }
}

static void stream_real(const struct qc_settings *qc)
{
    struct qartod_series *series = qartod_create(qc, 15 * MINUTE, LATENESS);
    assert_non_null(series);
    streamed.count = 0;
    for (size_t i = 0; i < real.count; i++) {
        assert_int_equal(take(series, real.times[i], real.values[i]), QARTOD_TAKEN);
    }
    qartod_advance(series, INT64_MAX, collect, &streamed);
    qartod_free(series);
}

static void check_real(struct qc_settings qc, double std_suspect, double std_fail,
                       double range_suspect, double range_fail)
{
    static const int first[] = { GROSS, SPIKE_AVERAGE, RATE, FLAT_LINE, STD, AGGREGATE };
    static const int second[] = { GROSS, SPIKE_DIFFERENTIAL, RATE, FLAT_LINE, RANGE, -1 };
    qc.spike.method = QC_SPIKE_AVERAGE;
    qc.attenuated.method = QC_SPREAD_STD;
    qc.attenuated.suspect = std_suspect;
    qc.attenuated.fail = std_fail;
    for (int round = 0; round < 2; round++) {
        judge_whole(&qc, &real);
        expect_columns(&real, round == 0 ? first : second);
        stream_real(&qc);
        expect_columns(&streamed, round == 0 ? first : second);
        qc.spike.method = QC_SPIKE_DIFFERENTIAL;
        qc.attenuated.method = QC_SPREAD_RANGE;
        qc.attenuated.suspect = range_suspect;
        qc.attenuated.fail = range_fail;
    }
}

static void the_reference_on_real_series(void **state)
{
    (void)state;
    struct qc_settings ph = {
        .gross = { true, { 0, 14 }, { 6, 9 } },
        .spike = { true, QC_SPIKE_AVERAGE, 0.3, 0.8 },
        .rate = { true, 0.0004, 0.001 },
        .flat_line = { true, 0.05, 43200, 86400 },
        .attenuated = { true, QC_SPREAD_STD, 86400, 0, 0, 0, 0 },
    };
    struct qc_settings conductivity = {
        .gross = { true, { 0, 70 }, { 8, 28 } },
        .spike = { true, QC_SPIKE_AVERAGE, 0.5, 1.5 },
        .rate = { true, 0.0006, 0.002 },
        .flat_line = { true, 0.03, 7200, 14400 },
        .attenuated = { true, QC_SPREAD_STD, 43200, 0, 0, 0, 0 },
    };
    if (!read_real("6-qc/oracle_apadb_ph_2012.csv.gz")) {
        skip();
    }
    assert_int_equal(real.count, 17664);
    check_real(ph, 0.03, 0.01, 0.09, 0.03);
    assert_true(read_real("6-qc/oracle_gndbl_spcond_2021.csv.gz"));
    assert_int_equal(real.count, 5856);
    check_real(conductivity, 0.5, 0.2, 1.5, 0.6000000000000001);
}

/* ---- reading by reading equals the whole ---- */

/* A signal with what the tests look for: noise, spikes, flat stretches, missing values. */
static void draw_signal(struct draws *draws, struct rows *rows, size_t count, unsigned dropped)
{
    double value = 20;
    size_t flat = 0;
    int64_t time = START;
    rows->count = 0;
    for (size_t i = 0; i < count; i++) {
        flat = flat > 0 ? flat - 1 : draw_below(draws, 200) == 0 ? 1 + draw_below(draws, 60) : 0;
        value += flat > 0 ? 0 : ((double)draw_below(draws, 201) - 100) / 500;
        double shown = round(value * 100) / 100;
        unsigned odd = (unsigned)draw_below(draws, 100);
        shown = odd == 0 ? (double)NAN : odd == 1 ? shown + 5 : odd == 2 ? shown * 1e8 : shown;
        if (i == 0 || draw_below(draws, 100) >= dropped) {
            rows->times[rows->count] = time;
            rows->values[rows->count++] = shown;
        }
        time += EVERY;
    }
}

static struct qc_settings draw_settings(struct draws *draws, unsigned tests)
{
    struct qc_settings qc = {
        .gross = { (tests & 1) != 0, { 0, 40 }, { 15, 25 } },
        .spike = { (tests & 2) != 0,
                   draw_below(draws, 2) == 0 ? QC_SPIKE_AVERAGE : QC_SPIKE_DIFFERENTIAL, 0.2, 1 },
        .rate = { (tests & 4) != 0, 0.0005, 0.005 },
        .flat_line = { (tests & 8) != 0, 0.05, 300.0 * (double)draw_below(draws, 12),
                       300.0 * (double)draw_below(draws, 40) },
        .attenuated = { .given = (tests & 16) != 0,
                        .method = draw_below(draws, 2) == 0 ? QC_SPREAD_STD : QC_SPREAD_RANGE,
                        .period_s = 300.0 * (double)(1 + draw_below(draws, 50)),
                        .suspect = 0.2,
                        .fail = 0.05,
                        .min_obs = (int64_t)draw_below(draws, 4),
                        .min_period_s = 300.0 * (double)draw_below(draws, 4) },
    };
    return qc;
}

struct arrival {
    int64_t due;
    size_t row;
};

static int by_arrival(const void *left, const void *right)
{
    const struct arrival *a = left, *b = right;
    return a->due != b->due ? (a->due > b->due) - (a->due < b->due)
                            : (a->row > b->row) - (a->row < b->row);
}

/* Each is under way for up to `lateness`. Now and then the state goes through a snapshot. */
static void stream(struct draws *draws, const struct qc_settings *qc, const struct rows *rows,
                   int64_t lateness, bool snapshots)
{
    static struct arrival arrivals[ROWS_MAX];
    struct qartod_series *series = create(qc);
    for (size_t i = 0; i < rows->count; i++) {
        int64_t way = lateness == 0 ? 0 : (int64_t)draw_below(draws, (uint64_t)lateness + 1);
        arrivals[i] = (struct arrival){ rows->times[i] + way, i };
    }
    qsort(arrivals, rows->count, sizeof *arrivals, by_arrival);
    streamed.count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        size_t row = arrivals[i].row;
        struct qartod_flags now;
        assert_int_equal(
            qartod_take(series, rows->times[row], rows->values[row], &now, collect, &streamed),
            QARTOD_TAKEN);
        if (lateness == 0) { /* what needs no later reading is right at once */
            assert_int_equal(now.gross, rows->flags[row].gross);
            assert_int_equal(now.rate, rows->flags[row].rate);
            assert_int_equal(now.flat_line, rows->flags[row].flat_line);
        }
        if (snapshots && draw_below(draws, 20) == 0) {
            struct state_writer writer = { 0 };
            qartod_save(series, &writer);
            qartod_free(series);
            series = create(qc);
            struct state_reader reader = state_reader_of(writer.bytes, writer.used);
            assert_true(qartod_load(series, &reader));
            assert_ptr_equal(reader.at, reader.end);
            state_writer_free(&writer);
        }
    }
    qartod_advance(series, INT64_MAX, collect, &streamed);
    assert_int_equal(qartod_due(series), INT64_MAX);
    qartod_free(series);
}

static void in_any_order_the_flags_are_those_of_the_whole(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (unsigned round = 0; round < 200; round++) {
        unsigned tests = round % 8 < 5 ? 1u << (round % 8) : 31; /* each alone, then all */
        struct qc_settings qc = draw_settings(&draws, tests);
        draw_signal(&draws, &whole, 100 + draw_below(&draws, 900),
                    (unsigned)draw_below(&draws, 3) * 5);
        qartod_batch(&qc, EVERY, whole.times, whole.values, whole.count, whole.flags);
        stream(&draws, &qc, &whole, 0, false);
        expect_same(&streamed, &whole);
        stream(&draws, &qc, &whole, LATENESS, false);
        expect_same(&streamed, &whole);
        stream(&draws, &qc, &whole, LATENESS, true);
        expect_same(&streamed, &whole);
    }
}

/* ---- when ---- */

static struct qc_settings spike_and_rate(void)
{
    struct qc_settings qc = qc_none();
    qc.gross = (struct qc_gross){ true, { 0, 40 }, { 5, 30 } };
    qc.spike = (struct qc_spike){ true, QC_SPIKE_AVERAGE, 1, 5 };
    qc.rate = (struct qc_rate){ true, 0.01, 0.1 };
    return qc;
}

static void a_regular_reading_is_final_with_the_next(void **state)
{
    (void)state;
    struct qc_settings qc = spike_and_rate();
    struct qartod_series *series = create(&qc);
    struct qartod_flags now;
    streamed.count = 0;
    for (int i = 0; i < 20; i++) {
        double value = i == 10 ? 35 : 20;
        assert_int_equal(qartod_take(series, START + i * EVERY, value, &now, collect, &streamed),
                         QARTOD_TAKEN);
        assert_int_equal(now.spike, PHUSA_FLAG_NOT_EVALUATED);
        assert_int_equal(now.aggregate, i == 10 || i == 11 ? PHUSA_FLAG_SUSPECT : PHUSA_FLAG_GOOD);
        /* The first waits until no earlier one can come: the lateness, two steps. */
        assert_int_equal(streamed.count, i < 2 ? 0 : i);
    }
    assert_int_equal(streamed.flags[10].spike, PHUSA_FLAG_FAIL);
    assert_int_equal(streamed.flags[10].aggregate, PHUSA_FLAG_FAIL);
    qartod_free(series);
}

static void without_a_next_one_the_end_of_the_lateness_decides(void **state)
{
    (void)state;
    struct qc_settings qc = spike_and_rate();
    struct qartod_series *series = create(&qc);
    streamed.count = 0;
    assert_int_equal(take(series, START, 20), QARTOD_TAKEN);
    assert_int_equal(qartod_due(series), START + EVERY + EVERY / 2);
    qartod_advance(series, START + EVERY, collect, &streamed);
    assert_int_equal(streamed.count, 0);
    qartod_advance(series, qartod_due(series), collect, &streamed);
    assert_int_equal(streamed.count, 1);
    assert_int_equal(streamed.flags[0].spike, PHUSA_FLAG_NOT_EVALUATED);
    assert_int_equal(streamed.flags[0].rate, PHUSA_FLAG_GOOD);
    qartod_advance(series, INT64_MAX, collect, &streamed);
    assert_int_equal(streamed.count, 1); /* once */
    qartod_free(series);
}

static void late_and_repeated_readings_are_not_taken(void **state)
{
    (void)state;
    struct qc_settings qc = spike_and_rate();
    struct qartod_series *series = create(&qc);
    struct qartod_flags now;
    streamed.count = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(take(series, START + i * EVERY, 20), QARTOD_TAKEN);
    }
    assert_int_equal(take(series, START + 9 * EVERY, 21), QARTOD_DUPLICATE); /* pending */
    assert_int_equal(take(series, START + 8 * EVERY, 21), QARTOD_DUPLICATE); /* final */
    assert_int_equal(qartod_take(series, START - 1, 99, &now, collect, &streamed), QARTOD_LATE);
    assert_int_equal(now.gross, PHUSA_FLAG_FAIL);
    assert_int_equal(now.rate, PHUSA_FLAG_NOT_EVALUATED); /* nothing is known before it */
    assert_int_equal(now.aggregate, PHUSA_FLAG_FAIL);
    assert_int_equal(streamed.count, 9);
    qartod_free(series);
}

static void a_late_reading_is_judged_by_those_around_it(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    unsigned known = 0;
    for (unsigned round = 0; round < 300 || (known <= 50 && round < 3000); round++) {
        struct qc_settings qc = draw_settings(&draws, 15);
        draw_signal(&draws, &whole, 120, 0);
        qartod_batch(&qc, EVERY, whole.times, whole.values, whole.count, whole.flags);
        struct qartod_series *series = create(&qc);
        struct qartod_flags now;
        size_t late = 60 + draw_below(&draws, 50);
        streamed.count = 0;
        for (size_t i = 0; i < whole.count; i++) {
            assert_true(i == late || take(series, whole.times[i], whole.values[i]) == QARTOD_TAKEN);
        }
        enum qartod_status status =
            qartod_take(series, whole.times[late], whole.values[late], &now, collect, &streamed);
        assert_int_equal(status, QARTOD_LATE);
        int64_t held = qc_samples(&qc, EVERY);
        if ((int64_t)(whole.count - late) < held) { /* both neighbours are remembered */
            assert_int_equal(now.gross, whole.flags[late].gross);
            assert_int_equal(now.spike, whole.flags[late].spike);
            assert_int_equal(now.rate, whole.flags[late].rate);
            uint8_t flat = whole.flags[late].flat_line; /* it may be no longer known so far back */
            assert_true(now.flat_line == flat || now.flat_line == PHUSA_FLAG_NOT_EVALUATED ||
                        (now.flat_line == PHUSA_FLAG_SUSPECT && flat == PHUSA_FLAG_FAIL));
            known += now.flat_line == flat;
        }
        qartod_free(series);
    }
    assert_true(known > 50);
}

static void a_year_of_gap_is_a_gap(void **state)
{
    (void)state;
    struct qc_settings qc = draw_settings(&(struct draws){ 99 }, 31);
    struct qartod_series *series = create(&qc);
    int64_t year = 365 * 24 * HOUR;
    whole.count = 0;
    streamed.count = 0;
    for (int64_t i = 0; i < 40; i++) {
        whole.times[whole.count] = START + i * EVERY + (i < 20 ? 0 : year);
        whole.values[whole.count++] = (double)i;
        assert_int_equal(take(series, whole.times[i], (double)i), QARTOD_TAKEN);
    }
    qartod_advance(series, INT64_MAX, collect, &streamed);
    qartod_batch(&qc, EVERY, whole.times, whole.values, whole.count, whole.flags);
    expect_same(&streamed, &whole);
    qartod_free(series);
}

static void times_at_both_ends_of_time(void **state)
{
    (void)state;
    struct qc_settings qc = draw_settings(&(struct draws){ 7 }, 31);
    struct qartod_series *series = create(&qc);
    streamed.count = 0;
    assert_int_equal(take(series, INT64_MIN + 1, 1), QARTOD_TAKEN);
    assert_int_equal(take(series, INT64_MAX - 1, 1e308), QARTOD_TAKEN);
    assert_int_equal(take(series, INT64_MAX, -1e308), QARTOD_TAKEN);
    qartod_advance(series, INT64_MAX, collect, &streamed);
    assert_int_equal(streamed.count, 3);
    qartod_free(series);
}

/* The readings that have come, in order of time; the place of the new one. */
static size_t put(struct rows *rows, int64_t time_ns, double value)
{
    size_t at = rows->count++;
    for (; at > 0 && rows->times[at - 1] > time_ns; at--) {
        rows->times[at] = rows->times[at - 1];
        rows->values[at] = rows->values[at - 1];
    }
    rows->times[at] = time_ns;
    rows->values[at] = value;
    return at;
}

static void what_is_said_at_once_is_right_for_what_has_come(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    struct qc_settings qc = spike_and_rate();
    qc.flat_line = (struct qc_flat_line){ true, 0.5, 900, 2400 };
    for (unsigned round = 0; round < 30; round++) {
        struct qartod_series *series = create(&qc);
        whole.count = streamed.count = 0;
        for (size_t i = 0; i < 150; i++) {
            size_t slip = draw_below(&draws, 3) == 0 ? i % 2 : 0; /* some pairs are exchanged */
            int64_t time = START + (int64_t)(slip == 0 ? i : i - 1) * EVERY +
                           (int64_t)draw_below(&draws, 1000) + (i % 2 == 0 ? MINUTE : 0);
            double value = 20 + (double)draw_below(&draws, 12) / 10;
            struct qartod_flags now;
            if (qartod_take(series, time, value, &now, collect, &streamed) != QARTOD_TAKEN) {
                continue;
            }
            size_t at = put(&whole, time, value);
            qartod_batch(&qc, EVERY, whole.times, whole.values, whole.count, whole.flags);
            assert_int_equal(now.gross, whole.flags[at].gross);
            assert_int_equal(now.rate, whole.flags[at].rate);
            assert_int_equal(now.flat_line, whole.flags[at].flat_line);
        }
        qartod_free(series);
    }
}

/* ---- bad values ---- */

static void an_outlier_leaves_no_trace_in_the_deviation(void **state)
{
    (void)state;
    struct qc_settings qc = qc_none();
    qc.attenuated = (struct qc_attenuated){ true, QC_SPREAD_STD, 3000, 0.1, 0.001, 0, 0 };
    whole.count = 40;
    for (double outlier = 1e9; outlier < 1e13; outlier *= 1.7) { /* some leave more, some less */
        for (size_t i = 0; i < whole.count; i++) {
            whole.times[i] = START + (int64_t)i * EVERY;
            whole.values[i] = i == 15 ? outlier : i % 2 == 0 ? 5.00001 : 5;
        }
        judge_whole(&qc, &whole);
        for (size_t i = 0; i < whole.count; i++) {
            bool within = i >= 15 && i < 25;
            assert_int_equal(whole.flags[i].attenuated, within ? PHUSA_FLAG_GOOD : PHUSA_FLAG_FAIL);
        }
    }
}

static void what_is_not_finite_is_missing(void **state)
{
    (void)state;
    static const double values[] = { 20, (double)INFINITY, 20, (double)-INFINITY, (double)NAN, 20 };
    struct qc_settings qc = draw_settings(&(struct draws){ 3 }, 31);
    whole.count = COUNT(values);
    for (size_t i = 0; i < COUNT(values); i++) {
        whole.times[i] = START + (int64_t)i * EVERY;
        whole.values[i] = values[i];
    }
    judge_whole(&qc, &whole);
    for (size_t i = 0; i < COUNT(values); i++) {
        const uint8_t *flags = (const uint8_t *)&whole.flags[i];
        for (size_t k = 0; k < 6; k++) {
            assert_int_equal(flags[k] == PHUSA_FLAG_MISSING, !isfinite(values[i]));
        }
    }
}

static void nothing_one_and_two_readings(void **state)
{
    (void)state;
    struct qc_settings qc = spike_and_rate();
    qc.flat_line = (struct qc_flat_line){ true, 1, 300, 600 };
    qc.attenuated = (struct qc_attenuated){ true, QC_SPREAD_STD, 600, 1, 0.5, 0, 300 };
    whole.count = 0;
    judge_whole(&qc, &whole);
    whole.times[0] = START;
    whole.times[1] = START + EVERY;
    whole.values[0] = whole.values[1] = 50;
    for (whole.count = 1; whole.count <= 2; whole.count++) {
        judge_whole(&qc, &whole);
        for (size_t i = 0; i < whole.count; i++) {
            assert_int_equal(whole.flags[i].gross, PHUSA_FLAG_FAIL);
            assert_int_equal(whole.flags[i].spike, PHUSA_FLAG_NOT_EVALUATED);
            assert_int_equal(whole.flags[i].rate, PHUSA_FLAG_GOOD);
            assert_int_equal(whole.flags[i].flat_line, PHUSA_FLAG_GOOD);
            assert_int_equal(whole.flags[i].aggregate, PHUSA_FLAG_FAIL);
        }
    }
    struct qc_settings none = qc_none();
    whole.values[1] = (double)NAN;
    whole.count = 2;
    judge_whole(&none, &whole);
    assert_int_equal(whole.flags[0].aggregate, PHUSA_FLAG_NOT_EVALUATED);
    assert_int_equal(whole.flags[1].aggregate, PHUSA_FLAG_MISSING);
}

static void without_a_step_what_counts_by_it_is_not_evaluated(void **state)
{
    (void)state;
    struct qc_settings qc = qc_none();
    qc.flat_line = (struct qc_flat_line){ true, 1, 300, 600 };
    qc.attenuated = (struct qc_attenuated){ true, QC_SPREAD_RANGE, 600, 1, 0.5, 0, 300 };
    whole.count = 5;
    for (size_t i = 0; i < whole.count; i++) {
        whole.times[i] = START; /* all at once */
        whole.values[i] = 4;
    }
    judge_whole(&qc, &whole);
    assert_int_equal(whole.flags[4].flat_line, PHUSA_FLAG_NOT_EVALUATED);
    assert_int_equal(whole.flags[4].attenuated, PHUSA_FLAG_NOT_EVALUATED);
}

static void the_median_of_steps(void **state)
{
    (void)state;
    int64_t odd[] = { 900, 1, 900, 5000, 900 }, even[] = { 40, 10, 20, 30 };
    assert_int_equal(qartod_median(odd, 5), 900);
    assert_int_equal(qartod_median(even, 4), 25);
    assert_int_equal(qartod_median(odd, 0), 0);
}

static void gaps_and_early_readings(void **state)
{
    (void)state;
    static const struct {
        int64_t step, missed;
        enum qartod_timing timing;
    } cases[] = {
        { 0, 0, QARTOD_ON_TIME },
        { EVERY, 0, QARTOD_ON_TIME },
        { EVERY / 2 - 1, 0, QARTOD_EARLY },
        { EVERY / 2, 0, QARTOD_ON_TIME },
        { 3 * EVERY / 2 - 1, 0, QARTOD_ON_TIME },
        { 3 * EVERY / 2, 1, QARTOD_GAP },
        { 2 * EVERY, 1, QARTOD_GAP },
        { 13 * EVERY + 1, 12, QARTOD_GAP },
        { 13 * EVERY - 1, 12, QARTOD_GAP },
        { INT64_MAX, INT64_MAX / EVERY - 1, QARTOD_GAP },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t missed;
        assert_int_equal(qartod_timing(cases[i].step, EVERY, &missed), cases[i].timing);
        assert_true(llabs(missed - cases[i].missed) <= (i == COUNT(cases) - 1 ? 1 : 0));
    }
}

/* ---- memory ---- */

static struct qc_settings a_day_of_all(void)
{
    struct qc_settings qc = spike_and_rate();
    qc.flat_line = (struct qc_flat_line){ true, 0.05, 43200, 86400 };
    qc.attenuated = (struct qc_attenuated){ true, QC_SPREAD_STD, 86400, 0.03, 0.01, 0, 0 };
    return qc;
}

static void a_day_of_five_minutes_fits_in_six_kibibytes(void **state)
{
    (void)state;
    struct qc_settings qc = a_day_of_all();
    struct draws draws = draws_begin();
    struct qartod_series *series = create(&qc);
    draw_signal(&draws, &whole, 5000, 0);
    streamed.count = 0;
    for (size_t i = 0; i < whole.count; i++) {
        assert_int_equal(take(series, whole.times[i], whole.values[i]), QARTOD_TAKEN);
    }
    struct state_writer writer = { 0 };
    qartod_save(series, &writer);
    printf("%zu bytes, %zu in a snapshot\n", qartod_bytes(series), writer.used);
    assert_in_range(qartod_bytes(series), 1, 6 * 1024);
    assert_in_range(writer.used, 1, 3 * 1024);
    state_writer_free(&writer);
    qartod_free(series);
}

static void what_never_becomes_final_is_bounded(void **state)
{
    (void)state;
    struct qc_settings qc = a_day_of_all();
    struct qartod_series *series = qartod_create(&qc, EVERY, 1000 * HOUR);
    assert_non_null(series);
    streamed.count = 0;
    for (int64_t i = 0; i < 10000; i++) { /* a second apart: none adjoins another */
        assert_int_equal(take(series, START + i * SECOND_NS, 1), QARTOD_TAKEN);
    }
    assert_in_range(qartod_bytes(series), 1, 16 * (2 * QARTOD_PENDING_MAX + 1000));
    assert_true(streamed.count >= 10000 - QARTOD_PENDING_MAX - 16);
    qartod_free(series);
    struct qc_settings month = qc;
    month.flat_line.fail_s = 86400 * 31;
    assert_false(qartod_fits(&month, EVERY));
    assert_true(qartod_fits(&qc, EVERY));
}

/* ---- snapshots ---- */

static void what_is_no_series_is_not_loaded(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    struct qc_settings qc = a_day_of_all();
    struct qartod_series *series = create(&qc);
    draw_signal(&draws, &whole, 400, 10);
    streamed.count = 0;
    for (size_t i = 0; i < whole.count; i++) {
        assert_int_equal(take(series, whole.times[i], whole.values[i]), QARTOD_TAKEN);
    }
    struct state_writer writer = { 0 };
    qartod_save(series, &writer);
    qartod_free(series);
    size_t refused = 0;
    for (size_t round = 0; round < 3000; round++) {
        size_t length = round < writer.used ? round : writer.used;
        uint8_t *bytes = malloc(writer.used);
        assert_non_null(bytes);
        memcpy(bytes, writer.bytes, writer.used);
        for (uint64_t i = round < writer.used ? 0 : 1 + draw_below(&draws, 8); i > 0; i--) {
            bytes[draw_below(&draws, writer.used)] = (uint8_t)draw(&draws);
        }
        struct state_reader reader = state_reader_of(bytes, length);
        series = create(&qc);
        bool good = qartod_load(series, &reader);
        refused += good ? 0 : 1;
        assert_true(good || round >= writer.used || reader.failed);
        assert_false(good && round < writer.used);
        assert_true(good || qartod_newest(series) == INT64_MIN);
        streamed.count = 0;
        (void)take(series, START + 100000 * EVERY, 1); /* it works all the same */
        qartod_advance(series, INT64_MAX, collect, &streamed);
        qartod_free(series);
        free(bytes);
    }
    assert_true(refused >= writer.used);
    state_writer_free(&writer);
}

static void other_settings_take_what_they_can_of_a_snapshot(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    struct qc_settings before = a_day_of_all(), after = before;
    after.flat_line.suspect_s = 1800;
    after.flat_line.fail_s = 3600;
    after.attenuated.period_s = 7200;
    struct qartod_series *old = create(&before), *new = create(&after);
    draw_signal(&draws, &whole, 600, 0);
    whole.values[299] = 3; /* no noise of a former outlier in the deviation */
    streamed.count = 0;
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(take(old, whole.times[i], whole.values[i]), QARTOD_TAKEN);
    }
    struct state_writer writer = { 0 };
    qartod_save(old, &writer);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_true(qartod_load(new, &reader));
    for (size_t i = 300; i < 600; i++) {
        assert_int_equal(take(new, whole.times[i], whole.values[i]), QARTOD_TAKEN);
    }
    qartod_advance(new, INT64_MAX, collect, &streamed);
    qartod_batch(&before, EVERY, whole.times, whole.values, 300, whole.flags);
    struct qartod_flags last = whole.flags[298];
    qartod_batch(&after, EVERY, whole.times, whole.values, 600, whole.flags);
    whole.flags[298] = last;
    assert_int_equal(streamed.count, 600);
    for (size_t i = 299; i < 600; i++) {
        assert_memory_equal(&streamed.flags[i], &whole.flags[i], sizeof whole.flags[i]);
    }
    state_writer_free(&writer);
    qartod_free(old);
    qartod_free(new);
    qartod_free(NULL);
}

/* ---- a device as a whole ---- */

static void a_bus_is_stuck_when_all_of_a_device_is_frozen(void **state)
{
    (void)state;
    struct still temperature = { 0 }, level = { 0 };
    const struct still *device[] = { &temperature, &level };
    for (int i = 0; i < 40; i++) {
        still_note(&temperature, START + i * EVERY, i < 10 ? i : 27.31);
        still_note(&level, START + i * EVERY, i < 20 ? i : 1.204);
        struct stuck_bus found = stuck_bus_judge(device, 2, HOUR);
        assert_int_equal(found.stuck, i >= 20 + 12);
        if (found.stuck) {
            assert_int_equal(found.since_ns, START + 20 * EVERY);
        }
    }
    assert_false(stuck_bus_judge(device, 1, HOUR).stuck); /* one alone is no finding */
    assert_false(stuck_bus_judge(device, 0, HOUR).stuck);
    still_note(&level, START + 39 * EVERY, 1.3); /* late: says nothing of now */
    assert_true(stuck_bus_judge(device, 2, HOUR).stuck);
    still_note(&level, START + 40 * EVERY, 1.205);
    assert_false(stuck_bus_judge(device, 2, HOUR).stuck);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_reference),
        cmocka_unit_test(the_reference_on_real_series),
        cmocka_unit_test(in_any_order_the_flags_are_those_of_the_whole),
        cmocka_unit_test(a_regular_reading_is_final_with_the_next),
        cmocka_unit_test(without_a_next_one_the_end_of_the_lateness_decides),
        cmocka_unit_test(late_and_repeated_readings_are_not_taken),
        cmocka_unit_test(a_late_reading_is_judged_by_those_around_it),
        cmocka_unit_test(a_year_of_gap_is_a_gap),
        cmocka_unit_test(times_at_both_ends_of_time),
        cmocka_unit_test(what_is_said_at_once_is_right_for_what_has_come),
        cmocka_unit_test(an_outlier_leaves_no_trace_in_the_deviation),
        cmocka_unit_test(what_is_not_finite_is_missing),
        cmocka_unit_test(nothing_one_and_two_readings),
        cmocka_unit_test(without_a_step_what_counts_by_it_is_not_evaluated),
        cmocka_unit_test(the_median_of_steps),
        cmocka_unit_test(gaps_and_early_readings),
        cmocka_unit_test(a_day_of_five_minutes_fits_in_six_kibibytes),
        cmocka_unit_test(what_never_becomes_final_is_bounded),
        cmocka_unit_test(what_is_no_series_is_not_loaded),
        cmocka_unit_test(other_settings_take_what_they_can_of_a_snapshot),
        cmocka_unit_test(a_bus_is_stuck_when_all_of_a_device_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

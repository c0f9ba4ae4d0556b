/*
 * Settings of the quality tests of one parameter: the group `qc` of the catalogue, of a station or
 * of a file for `phusa qc`. Values are in the parameter's own unit, times in seconds. Pure.
 *
 * Meaning: QARTOD's tests (IOOS, "Manual for Real-Time Quality Control" series) as their public
 * reference implementation, ioos_qc, computes them; src/quality/qartod.h says how.
 */
#ifndef SETTINGS_QC_H
#define SETTINGS_QC_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define QC_SECONDS_MAX (400.0 * 86400) /* of any time in the settings: a year with room */
#define QC_SAMPLES_MAX 8784            /* readings looked back on: a month of one every 5 min */
#define QC_NO_LIMIT    ((double)NAN)   /* of a limit that is not given: nothing compares with it */

enum qc_spike_method { QC_SPIKE_AVERAGE, QC_SPIKE_DIFFERENTIAL };
enum qc_spread_method { QC_SPREAD_STD, QC_SPREAD_RANGE };

/* A range with both its ends; low = high = QC_NO_LIMIT when not given. */
struct qc_span {
    double low, high;
};

/* `given` false: the test is not made, its flag is "not evaluated". */
struct qc_gross {
    bool given;
    struct qc_span fail, suspect; /* outside of them; suspect lies within fail */
};

struct qc_spike {
    bool given;
    enum qc_spike_method method;
    double suspect, fail; /* a difference above it; 0 is no such limit, as in the reference */
};

struct qc_rate {
    bool given;
    double suspect, fail; /* per second, above it */
};

struct qc_flat_line {
    bool given;
    double tolerance;         /* a range below it is flat */
    double suspect_s, fail_s; /* flat for so long; whole seconds count */
};

struct qc_attenuated {
    bool given;
    enum qc_spread_method method;
    double period_s;      /* before and up to the reading; 0 = the whole series */
    double suspect, fail; /* a spread below it */
    int64_t min_obs;      /* numbers needed in the period; 0 = as min_period_s says */
    double min_period_s;  /* numbers needed, as so much time; 0 = one number is enough */
};

struct qc_settings {
    struct qc_gross gross;
    struct qc_spike spike;
    struct qc_rate rate;
    struct qc_flat_line flat_line;
    struct qc_attenuated attenuated;
};

/* No test at all. */
struct qc_settings qc_none(void);

/*
 * How many steps a time holds, as the reference counts: the step in whole seconds (below one
 * second: as it is). -1 without such a limit, or when step_ns is not above 0.
 */
int64_t qc_steps(double seconds, int64_t step_ns);

/* Readings before the newest that the flat-line and attenuated tests look back on, at `every_ns`
 * (above 0). */
int64_t qc_samples(const struct qc_settings *qc, int64_t every_ns);

/* Whether these are QC_SAMPLES_MAX at most: what a series reading by reading can hold. */
bool qc_fits(const struct qc_settings *qc, int64_t every_ns);

#endif

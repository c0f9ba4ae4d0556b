#include "settings/qc.h"

#include <math.h>

#include "base/clock.h"

#define NO_SPAN                                                                                    \
    {                                                                                              \
        QC_NO_LIMIT, QC_NO_LIMIT                                                                   \
    }

struct qc_settings qc_none(void)
{
    return (struct qc_settings){
        .gross = { .fail = NO_SPAN, .suspect = NO_SPAN },
        .spike = { .suspect = QC_NO_LIMIT, .fail = QC_NO_LIMIT },
        .rate = { .suspect = QC_NO_LIMIT, .fail = QC_NO_LIMIT },
        .flat_line = { .suspect_s = QC_NO_LIMIT, .fail_s = QC_NO_LIMIT },
        .attenuated = { .suspect = QC_NO_LIMIT, .fail = QC_NO_LIMIT },
    };
}

int64_t qc_steps(double seconds, int64_t step_ns)
{
    if (isnan(seconds) || step_ns <= 0) {
        return -1;
    }
    int64_t whole = step_ns / SECOND_NS;
    double step = whole > 0 ? (double)whole : (double)step_ns / (double)SECOND_NS;
    return (int64_t)(trunc(seconds) / step);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t qc_samples(const struct qc_settings *qc, int64_t every_ns)
{
    int64_t flat = qc->flat_line.given ? larger(qc_steps(qc->flat_line.suspect_s, every_ns),
                                                qc_steps(qc->flat_line.fail_s, every_ns))
                                       : 0;
    /* A sixteenth and two more: clocks drift, and an extra reading must not push one out. */
    double period = qc->attenuated.given ? qc->attenuated.period_s : 0;
    int64_t spread = (int64_t)ceil(period * 1.0625 * (double)SECOND_NS / (double)every_ns);
    return larger(flat, period > 0 ? spread + 2 : 0);
}

bool qc_fits(const struct qc_settings *qc, int64_t every_ns)
{
    return qc_samples(qc, every_ns) <= QC_SAMPLES_MAX;
}

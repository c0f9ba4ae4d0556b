/*
 * The change per hour of a series over a span, for rules with `rate` (contract, Rules).
 *
 * At a reading of time t the rate is (v - v0) / (t - t0) per hour, where (t0, v0) is the newest
 * reading at or before t - span. There is none while the span is not covered yet; two readings
 * further apart than the rule's max_gap begin anew, as its runs do: from t0 to t there is no such
 * gap. Late readings are known as far back as twice the span before the newest. Pure.
 */
#ifndef ALARM_RATE_H
#define ALARM_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/state.h"
#include "settings/rule.h"

/* Readings by time. When RULE_RATE_SAMPLES are there (a span that holds thousands of readings)
 * those go that lie closer to the one kept before than 4 spans / RULE_RATE_SAMPLES: t0 may then be
 * so much older, and a gap must be so much longer to be seen. */
struct alarm_rate;

/* NULL when out of memory. */
struct alarm_rate *alarm_rate_create(void);
void alarm_rate_free(struct alarm_rate *rate); /* NULL is fine */

/* Takes a reading, in any order; true and *per_hour when it has a rate. False also for a second one
 * of the same time, and when memory is out. */
bool alarm_rate_take(struct alarm_rate *rate, const struct rule *rule, int64_t time_ns,
                     double value, double *per_hour);

void alarm_rate_save(const struct alarm_rate *rate, struct state_writer *writer);
/* NULL when what is read is none (then reader->failed is set), or memory is out. */
struct alarm_rate *alarm_rate_load(struct state_reader *reader);

#endif

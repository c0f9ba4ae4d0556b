/* The times of the week at which a rule is told. Pure. */
#ifndef ALARM_SCHEDULE_H
#define ALARM_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "settings/rule.h"

/* True if the moment lies within the schedule, by local time. A span over midnight belongs to the
 * day on which it begins. */
bool alarm_schedule_holds(const struct rule_schedule *schedule, int64_t time_ns,
                          int32_t utc_offset_s);

#endif

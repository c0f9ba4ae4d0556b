#include "alarm/schedule.h"

#define DAY_S         86400
#define THURSDAY      3 /* 1 January 1970; Monday = 0 */
#define NS_PER_SECOND INT64_C(1000000000)

static bool has_day(const struct rule_schedule *schedule, int64_t day)
{
    return (schedule->days >> ((day + THURSDAY) % 7) & 1) != 0;
}

bool alarm_schedule_holds(const struct rule_schedule *schedule, int64_t time_ns,
                          int32_t utc_offset_s)
{
    if (schedule->days == 0) {
        return true;
    }
    int64_t local = time_ns / NS_PER_SECOND + utc_offset_s;
    int64_t day = (local + DAY_S) / DAY_S - 1; /* also west of Greenwich at the first of all days */
    int32_t second = (int32_t)(local - day * DAY_S);
    if (schedule->from_s < schedule->until_s) {
        return has_day(schedule, day) && second >= schedule->from_s && second < schedule->until_s;
    }
    return (has_day(schedule, day) && second >= schedule->from_s) ||
           (has_day(schedule, day - 1) && second < schedule->until_s);
}

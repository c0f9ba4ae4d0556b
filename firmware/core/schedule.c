#include "schedule.h"

int64_t schedule_align(const struct schedule *schedule, int64_t at_ns)
{
    int64_t over = (at_ns - schedule->phase_ns) % schedule->every_ns;
    if (over < 0) {
        over += schedule->every_ns;
    }
    return over == 0 ? at_ns : at_ns - over + schedule->every_ns;
}

bool schedule_finished(const struct schedule *schedule)
{
    return schedule->next_ns > schedule->until_ns;
}

bool schedule_due(const struct schedule *schedule, int64_t now_ns)
{
    return schedule->next_ns <= now_ns && !schedule_finished(schedule);
}

int64_t schedule_take(struct schedule *schedule)
{
    int64_t moment = schedule->next_ns;
    schedule->next_ns += schedule->every_ns;
    schedule->running = true;
    return moment;
}

void schedule_follow(struct schedule *schedule, int64_t now_ns)
{
    if (schedule->running && schedule->next_ns - now_ns > 2 * schedule->every_ns) {
        schedule->next_ns = schedule_align(schedule, now_ns);
    }
}

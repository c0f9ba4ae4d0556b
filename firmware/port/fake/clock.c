#include "clock.h"

#define FIRST_NS INT64_C(1000000000)

void fake_clock_pass(struct hal_time *now, int64_t duration_ns)
{
    now->wall_ns += duration_ns;
    now->mono_ns += duration_ns;
}

void fake_clock_start(struct hal_time *now, int64_t off_ns, bool keeps)
{
    now->wall_ns += off_ns;
    now->mono_ns = FIRST_NS;
    now->wall_set = now->wall_set && keeps;
    now->wall_synced = false;
}

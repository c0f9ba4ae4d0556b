#include "wallclock.h"

#include "board.h"
#include <lwip/opt.h>

#define SECOND        INT64_C(1000000000)
#define SYNCED_FOR_NS (86400 * SECOND) /* of monotonic time after an answer */

static struct {
    int64_t wall_ns, mono_ns; /* of the latest answer */
    uint32_t speed;
    uint16_t port;
    bool set;
} state = { .speed = 1 };

void wallclock_start(uint32_t speed, uint16_t port)
{
    state.speed = speed;
    state.port = port;
}

uint16_t wallclock_port(void)
{
    return state.port;
}

void wallclock_set(uint32_t seconds, uint32_t microseconds)
{
    state.mono_ns = board_mono_ns();
    state.wall_ns = (int64_t)seconds * SECOND + (int64_t)microseconds * 1000;
    state.set = true;
}

/* What goes into a question to the time server, and must come back in its answer. */
void wallclock_raw(uint32_t *seconds, uint32_t *microseconds)
{
    int64_t now = board_mono_ns();
    *seconds = lwip_random();
    *microseconds = (uint32_t)(now / 1000 % 1000000);
}

struct hal_time wallclock_now(void)
{
    int64_t mono = board_mono_ns(), since = mono - state.mono_ns;
    return (struct hal_time){ .mono_ns = mono,
                              .wall_ns = state.wall_ns + since * (int64_t)state.speed,
                              .wall_set = state.set,
                              .wall_synced = state.set && since < SYNCED_FOR_NS };
}

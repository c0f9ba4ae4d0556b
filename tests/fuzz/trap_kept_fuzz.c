/*
 * What a trap finds in its flash: any bytes as the night under way and the closed ones. It goes
 * on, tells nothing impossible, and finds again what it keeps itself.
 */
#include <math.h>

#include "fuzz.h"
#include "port/fake/flash.h"
#include "trap.h"

#define SECOND INT64_C(1000000000)
#define DAY    (86400 * SECOND)
#define START  (INT64_C(1734757200) * SECOND) /* 21 December 2024 12:00 +07 */

static const struct sun_site site = { 10.2270, 103.9640 };

static void begin(struct trap *trap, struct keep *keep, struct fake_flash *flash,
                  struct hal_time now, size_t classes)
{
    struct hal_flash hal = fake_flash_hal(flash);
    struct trap_settings settings;
    trap_settings_default(&settings, &site);
    settings.classes = classes;
    ENSURE(keep_open(keep, &hal) == KEEP_OK);
    ENSURE(trap_init(trap, &settings, keep, now));
}

/* Every night that is handed out ends at noon and has minutes of one night. */
static void tell(struct trap *trap)
{
    int64_t end_ns;
    for (size_t i = 0; trap_missed(trap, &end_ns); i++) {
        ENSURE(i <= TRAP_CLOSED_MAX);
        for (int channel = 0; channel < TRAP_LAMP_STATE; channel++) {
            struct hal_sample sample = trap_sample(trap, channel, end_ns);
            ENSURE(sample.kind == HAL_SAMPLE_VALUE && sample.value >= 0);
            ENSURE(channel < TRAP_LAMP_MINUTES || channel > TRAP_WATCHED_MINUTES ||
                   sample.value <= 1440);
        }
    }
}

static void run(struct trap *trap, struct hal_time *now, int64_t duration_ns)
{
    struct trap_inputs inputs = { .counters = { .known = true, .session = 1 },
                                  .wind = 1,
                                  .battery = 13 };
    for (int64_t passed = 0; passed < duration_ns; passed += 1200 * SECOND) {
        now->wall_ns += 1200 * SECOND;
        now->mono_ns += 1200 * SECOND;
        inputs.counters.counts[0]++;
        trap_step(trap, &inputs, *now);
        inputs.lit = trap->wanted;
        ENSURE(trap->closed_count <= TRAP_CLOSED_MAX);
        ENSURE(trap->night.end_ns > now->wall_ns - DAY);
        tell(trap);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_flash flash;
    struct keep keep;
    struct trap trap;
    struct hal_time now = { .wall_ns = START, .mono_ns = SECOND, .wall_set = true };
    if (size < 3) {
        return 0;
    }
    size_t classes = 1 + data[0] % NIGHT_CLASSES, rest = size - 2;
    size_t open = data[1] < rest ? data[1] : rest;
    size_t closed = rest - open < KEEP_BYTES_MAX ? rest - open : KEEP_BYTES_MAX;
    fake_flash_create(&flash, 2048, 2, 1);
    struct hal_flash hal = fake_flash_hal(&flash);
    ENSURE(keep_open(&keep, &hal) == KEEP_OK);
    ENSURE(keep_write(&keep, KEEP_NIGHT, data + 2, open) == KEEP_OK);
    ENSURE(keep_write(&keep, KEEP_NIGHTS, data + 2 + open, closed) == KEEP_OK);
    begin(&trap, &keep, &flash, now, classes);
    run(&trap, &now, DAY);
    struct night before = trap.night;
    begin(&trap, &keep, &flash, now, classes);
    ENSURE(trap.night.end_ns == before.end_ns && trap.night.lit_ms <= before.lit_ms);
    run(&trap, &now, DAY / 4);
    fake_flash_destroy(&flash);
    return 0;
}

/*
 * SDI-12 answers: each line of the input answers one command. Values that are taken are finite and
 * no more than promised, and every measurement ends.
 */
#include <math.h>

#include "drivers/sdi12.h"
#include "fuzz.h"
#include "port/fake/bus.h"
#include <string.h>

#define STEP  (5 * FAKE_MILLI)
#define STEPS 20000 /* 100 s: more than a sensor may take */

static const uint8_t *rest;
static size_t rest_size;

/* The next line of the input, its end included. */
static void answer(struct fake_bus *bus, const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    const uint8_t *end = rest_size > 0 ? memchr(rest, '\n', rest_size) : NULL;
    size_t size = end == NULL ? rest_size : (size_t)(end - rest) + 1;
    fake_bus_put(bus, rest, size < 200 ? size : 200, 10 * FAKE_MILLI);
    rest += size;
    rest_size -= size;
}

static void check_values(const struct sdi12 *sdi12)
{
    size_t count = 0;
    const double *values = sdi12_values(sdi12, &count);
    ENSURE(count <= SDI12_VALUES_MAX && count <= sdi12_expected(sdi12));
    for (size_t i = 0; i < count; i++) {
        ENSURE(isfinite(values[i]) && fabs(values[i]) < 1e7);
    }
}

static enum sdi12_result run(struct sdi12 *sdi12, struct fake_bus *bus)
{
    for (int steps = 0; steps < STEPS; steps++) {
        enum sdi12_result result = sdi12_step(sdi12, bus->now);
        if (result != SDI12_BUSY) {
            return result;
        }
        bus->now += STEP;
    }
    ENSURE(!"it does not end");
    return SDI12_BUSY;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake_bus bus;
    static struct sdi12 sdi12;
    if (size < 1) {
        return 0;
    }
    struct sdi12_measurement measurement = { '0', (data[0] & 1) != 0, (data[0] & 2) != 0,
                                             (uint8_t)((data[0] >> 2) % 10) };
    rest = data + 1;
    rest_size = size - 1;
    fake_bus_init(&bus, 1200);
    bus.answer = answer;
    sdi12_init(&sdi12, &bus.hal, 0);
    sdi12_start(&sdi12, &measurement, 20, bus.now);
    enum sdi12_result result = run(&sdi12, &bus);
    if (result == SDI12_OK && measurement.concurrent) {
        ENSURE(sdi12_wait_s(&sdi12) <= 20 && sdi12_expected(&sdi12) > 0);
        sdi12_collect(&sdi12, &measurement, sdi12_expected(&sdi12), bus.now);
        result = run(&sdi12, &bus);
    }
    if (result == SDI12_OK) {
        check_values(&sdi12);
    }
    return 0;
}

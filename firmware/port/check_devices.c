/* The check list on what hangs at the board: bus, pins, sensors. */
#include <string.h>

#include "check_items.h"

#define ALL_BYTES    256u
#define HELD_BYTES   300u /* an answer of Modbus has 256, and the main loop may be late */
#define MARGIN_MS    2000 /* beside the time that bytes take on their line */
#define LINE_MS      100u /* a wire is as fast as its line; an emulated one may be late */
#define SETTLE_MS    20u  /* a pin, its wire and its filter */
#define TOGGLES      5u
#define BREAK_US     12000u /* SDI-12's */
#define CURRENT_MAX  25000  /* microamperes: no loop gives more */
#define CURRENT_MIN  (-100)
#define STATE_MAX    2
#define POLL_MS      10u
#define ROUND_MS_MIN 1000

/* --- bus ------------------------------------------------------------------------------ */

static const struct hal_bus *bus_of(const struct check *check)
{
    return &check->port->bus;
}

static bool configure(const struct check *check)
{
    return bus_of(check)->configure(bus_of(check)->context, &check->port->line) == HAL_OK;
}

/* Configures it when what an item before this one sent has come back. */
static bool begin_anew(struct check *check)
{
    return configure(check) && check_pause(check, LINE_MS) && configure(check);
}

static size_t fetch(const struct check *check, void *bytes, size_t capacity)
{
    return bus_of(check)->read(bus_of(check)->context, bytes, capacity);
}

/* How long so many bytes take to leave, in milliseconds. */
static int64_t line_ms(const struct check *check, size_t bytes)
{
    const struct hal_line *line = &check->port->line;
    unsigned bits = 1u + line->data_bits + line->stop_bits + (line->parity != HAL_PARITY_NONE);
    return (int64_t)bytes * bits * 1000 / line->baud;
}

/* Waits until all has left; -1: it does not, or the board is down. */
static int64_t wait_sent(struct check *check, int64_t limit_ms)
{
    int64_t begun = check_mono(check);
    while (!bus_of(check)->sent(bus_of(check)->context)) {
        if (check_since_ms(check, begun) > limit_ms || !check_pause(check, 1)) {
            return -1;
        }
    }
    return check_since_ms(check, begun);
}

/* Writes when the line is free, and waits until all has left. */
static bool push(struct check *check, const void *bytes, size_t length)
{
    return wait_sent(check, line_ms(check, ALL_BYTES) + MARGIN_MS) >= 0 &&
           bus_of(check)->write(bus_of(check)->context, bytes, length) == HAL_OK &&
           wait_sent(check, line_ms(check, length) + MARGIN_MS) >= 0;
}

static void fill(struct check *check)
{
    unsigned mask = check->port->line.data_bits == 7 ? 0x7Fu : 0xFFu;
    for (size_t i = 0; i < ALL_BYTES; i++) {
        check->bytes[i] = (uint8_t)(i & mask);
    }
}

static struct check_finding configures(struct check *check)
{
    return configure(check) ? check_passed() : check_failed("refused");
}

static struct check_finding is_silent(struct check *check)
{
    if (!begin_anew(check)) {
        return check_failed("it cannot be configured");
    }
    int64_t begun = check_mono(check);
    size_t got = fetch(check, check->found, sizeof check->found);
    int64_t took_ms = check_since_ms(check, begun);
    if (took_ms > CHECK_WAIT_MS) {
        return check_failed_at("it waited, in ms", took_ms);
    }
    return got == 0 ? check_passed() : check_failed_at("bytes that nobody sent", (int64_t)got);
}

static struct check_finding sends(struct check *check)
{
    int64_t begun = check_mono(check), should_ms = line_ms(check, ALL_BYTES);
    fill(check);
    if (!configure(check) ||
        bus_of(check)->write(bus_of(check)->context, check->bytes, ALL_BYTES) != HAL_OK) {
        return check_failed("256 bytes were refused");
    }
    int64_t took_ms = check_since_ms(check, begun);
    if (took_ms > CHECK_WAIT_MS) {
        return check_failed_at("the write waited, in ms", took_ms);
    }
    int64_t sent_ms = wait_sent(check, should_ms + MARGIN_MS);
    if (sent_ms < 0) {
        return check_failed("they never leave");
    }
    bool early = check->port->bus_timed && sent_ms + took_ms < should_ms - should_ms / 10;
    return early ? check_failed_at("said to have left too early, after ms", sent_ms)
                 : check_passed();
}

/* Reads until so many came, or none comes any more. */
static size_t collect(struct check *check, size_t wanted)
{
    size_t got = 0;
    int64_t begun = check_mono(check), limit_ms = line_ms(check, wanted) + MARGIN_MS;
    while (got < wanted && check_since_ms(check, begun) <= limit_ms) {
        got += fetch(check, check->found + got, sizeof check->found - got);
        if (!check_pause(check, 1)) {
            break;
        }
    }
    return got;
}

static struct check_finding loops(struct check *check)
{
    if (!check->port->bus_loops) {
        return check_skipped("no loop-back is connected");
    }
    fill(check);
    if (!begin_anew(check) ||
        bus_of(check)->write(bus_of(check)->context, check->bytes, ALL_BYTES) != HAL_OK) {
        return check_failed("256 bytes were refused");
    }
    size_t got = collect(check, ALL_BYTES);
    if (got != ALL_BYTES) {
        return check_failed_at("of 256 bytes came back", (int64_t)got);
    }
    return memcmp(check->found, check->bytes, ALL_BYTES) == 0 ? check_passed()
                                                              : check_failed("others came back");
}

/* What comes while nobody reads. */
static struct check_finding holds(struct check *check)
{
    if (!check->port->bus_loops) {
        return check_skipped("no loop-back is connected");
    }
    fill(check);
    if (!begin_anew(check) || !push(check, check->bytes, ALL_BYTES) ||
        !push(check, check->bytes, HELD_BYTES - ALL_BYTES) || !check_pause(check, LINE_MS)) {
        return check_failed("an operation failed");
    }
    size_t got = collect(check, HELD_BYTES);
    return got == HELD_BYTES ? check_passed()
                             : check_failed_at("of 300 bytes were there", (int64_t)got);
}

static struct check_finding forgets(struct check *check)
{
    if (!check->port->bus_loops) {
        return check_skipped("no loop-back is connected");
    }
    if (!begin_anew(check) || !push(check, "old", 3) || !check_pause(check, LINE_MS) ||
        !configure(check)) {
        return check_failed("an operation failed");
    }
    size_t got = fetch(check, check->found, sizeof check->found);
    return got == 0 ? check_passed() : check_failed_at("bytes came all the same", (int64_t)got);
}

static struct check_finding breaks(struct check *check)
{
    const struct hal_bus *bus = bus_of(check);
    if (bus->send_break == NULL) {
        return check_skipped("the port sends none: no SDI-12 on this line");
    }
    if (!configure(check) || bus->send_break(bus->context, BREAK_US) != HAL_OK) {
        return check_failed("refused");
    }
    int64_t took_ms = wait_sent(check, BREAK_US / 1000 + MARGIN_MS);
    if (took_ms < 0) {
        return check_failed("it does not end");
    }
    return check->port->bus_timed && took_ms < BREAK_US / 1000 - 1
               ? check_failed_at("it ended after, in ms", took_ms)
               : check_passed();
}

/* --- pins ----------------------------------------------------------------------------- */

static bool put(struct check *check, bool on)
{
    const struct hal_pins *pins = &check->port->pins;
    pins->set(pins->context, check->port->output, on);
    return check_pause(check, SETTLE_MS);
}

static struct check_finding follows(struct check *check)
{
    const struct hal_pins *pins = &check->port->pins;
    if (!check->port->pins_loop || pins->set == NULL || pins->get == NULL) {
        return check_skipped("no wire is connected");
    }
    for (unsigned i = 0; i < TOGGLES; i++) {
        for (int on = 1; on >= 0; on--) {
            if (put(check, on == 1) && pins->get(pins->context, check->port->input) != (on == 1)) {
                return check_failed(on == 1 ? "it stays off" : "it stays on");
            }
        }
    }
    return check_passed();
}

/* One or both edges may be counted, as the port likes: never none, never bounces. */
static struct check_finding counts(struct check *check)
{
    const struct hal_pins *pins = &check->port->pins;
    if (!check->port->pins_loop || pins->set == NULL || pins->edges == NULL) {
        return check_skipped("no wire is connected");
    }
    uint32_t before = pins->edges(pins->context, check->port->counter);
    for (unsigned i = 0; i < TOGGLES; i++) {
        (void)put(check, true);
        (void)put(check, false);
    }
    uint32_t counted = pins->edges(pins->context, check->port->counter) - before;
    return counted == TOGGLES || counted == 2 * TOGGLES
               ? check_passed()
               : check_failed_at("of 5 pulses it counted", counted);
}

static struct check_finding measures(struct check *check)
{
    const struct hal_pins *pins = &check->port->pins;
    if (check->port->loop_count == 0 || pins->current_ua == NULL) {
        return check_skipped("no current loop");
    }
    for (unsigned i = 0; i < check->port->loop_count; i++) {
        int32_t current = 0;
        if (pins->current_ua(pins->context, i, &current) != HAL_OK) {
            return check_failed_at("no answer from loop", i);
        }
        if (current < CURRENT_MIN || current > CURRENT_MAX) {
            return check_failed_at("not possible, in microamperes", current);
        }
    }
    return check_passed();
}

/* --- sensors -------------------------------------------------------------------------- */

static int64_t moment(const struct check *check)
{
    struct hal_time now = check->port->now(check->port->context);
    return now.wall_set ? now.wall_ns : now.mono_ns;
}

static struct hal_sample sample(const struct check *check, size_t channel, int64_t at_ns)
{
    const struct hal_sensors *sensors = &check->port->sensors;
    return sensors->sample(sensors->context, channel, at_ns);
}

/* A round over the sensors. */
struct round {
    int64_t at_ns, begun_ns;
    int64_t longest_ms; /* of its calls */
};

static struct round begin_round(const struct check *check)
{
    const struct hal_sensors *sensors = &check->port->sensors;
    struct round round = { .at_ns = moment(check), .begun_ns = check_mono(check) };
    if (sensors->begin != NULL) {
        sensors->begin(sensors->context, round.at_ns);
    }
    round.longest_ms = check_since_ms(check, round.begun_ns);
    return round;
}

/* Asks a channel until it is no longer pending, or its time is over. */
static struct hal_sample settle(struct check *check, struct round *round, size_t channel)
{
    int64_t limit_ms = check->port->sensors_ms > 0 ? check->port->sensors_ms : ROUND_MS_MIN;
    for (;;) {
        int64_t before = check_mono(check);
        struct hal_sample found = sample(check, channel, round->at_ns);
        int64_t took_ms = check_since_ms(check, before);
        round->longest_ms = took_ms > round->longest_ms ? took_ms : round->longest_ms;
        if (found.kind != HAL_SAMPLE_PENDING || check_since_ms(check, round->begun_ns) > limit_ms ||
            !check_pause(check, POLL_MS)) {
            return found;
        }
    }
}

static struct check_finding answers(struct check *check)
{
    struct round round = begin_round(check);
    for (size_t i = 0; i < check->port->channels; i++) {
        if (settle(check, &round, i).kind == HAL_SAMPLE_PENDING) {
            return check_failed_at("pending for ever: channel", (int64_t)i);
        }
    }
    return round.longest_ms <= CHECK_WAIT_MS
               ? check_passed()
               : check_failed_at("a call waited, in ms", round.longest_ms);
}

static struct check_finding gives_numbers(struct check *check)
{
    struct round round = begin_round(check);
    for (size_t i = 0; i < check->port->channels; i++) {
        struct hal_sample found = settle(check, &round, i);
        bool number = found.value - found.value == 0; /* neither NaN nor infinite */
        if (found.kind != HAL_SAMPLE_VALUE || !number) {
            return check_failed_at("none from channel", (int64_t)i);
        }
        if (found.state > STATE_MAX) {
            return check_failed_at("there is no such state", found.state);
        }
    }
    return check_passed();
}

const struct check_item check_bus_items[] = {
    { "bus: it takes the line that it is made for", configures },
    { "bus: nothing comes from a silent line, and no call waits", is_silent },
    { "bus: 256 bytes leave, and it is said when they have", sends },
    { "bus: what is sent comes back", loops },
    { "bus: 300 bytes wait until they are read", holds },
    { "bus: what came before is forgotten when it is configured", forgets },
    { "bus: a break ends by itself", breaks },
    { NULL, NULL },
};
const struct check_item check_pin_items[] = {
    { "pins: an input follows the output it is wired to", follows },
    { "pins: edges are counted, each once", counts },
    { "pins: currents are possible ones", measures },
    { NULL, NULL },
};
const struct check_item check_sensor_items[] = {
    { "sensors: each channel answers in time, and no call waits", answers },
    { "sensors: what they give are numbers", gives_numbers },
    { NULL, NULL },
};

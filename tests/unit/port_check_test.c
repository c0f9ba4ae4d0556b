/*
 * The check list of the porting guide: all of it passes on the fake port; each rule of hal.h that a
 * port breaks fails its item; and the guide names every item.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "port/check.h"
#include "port/fake/board.h"
#include "port/fake/bus.h"
#include "port/fake/clock.h"
#include "port/fake/flash.h"
#include "port/fake/network.h"
#include "port/fake/pins.h"
#include "port/fake/random.h"

#define MILLI     FAKE_MILLI
#define SECOND    (1000 * MILLI)
#define START     INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */
#define LINES_MAX 128
#define AWAY      (200 * MILLI) /* a new connection takes so long */
#define STARTS    4             /* a whole list needs three */

enum { WIRE = 2, COUNTER = 1 };

/* What is wrong with a port; each with the item that finds it. */
enum defect {
    SOUND,
    ODD_BLOCKS,
    ONE_BLOCK,
    HALF_ERASES,
    FAILED_ERASES,
    WORDS_ONLY,
    FORGETS_A_BYTE,
    PADS,
    SETS_BITS,
    ERASES_MORE,
    ENDLESS,
    FAILED_SYNCS,
    LOST_SYNCS,
    LOST_NOTES,
    SLOW_ERASES,
    CLOCK_BACK,
    CLOCK_STUCK,
    CLOCK_FAST,
    WALL_1970,
    WALL_PARTS,
    SYNCED_UNSET,
    STUCK_BIT,
    SAME_TWICE,
    SAME_SEED,
    NO_SUCH_WHY,
    WHY_FORGOTTEN,
    NO_RESET,
    NO_BITE,
    BITES_FED,
    NO_LINE,
    NOISE,
    BUS_WAITS,
    SENT_EARLY,
    SENT_NEVER,
    LOSES_BYTES,
    SMALL_RING,
    KEEPS_OLD,
    NO_END_OF_BREAK,
    PIN_STUCK,
    BOUNCES,
    NO_CONVERTER,
    NO_LOOP,
    PENDING,
    SENSOR_WAITS,
    NOT_A_NUMBER,
    NO_STATE,
    NO_NETWORK,
    FLAPS,
    FULL,
    NETWORK_WAITS,
    ENDLESS_INBOX,
    SAME_NUMBER,
    TAKEN_WHILE_GONE,
    DEFECTS
};

struct rig {
    enum defect defect;
    struct hal_time now;
    struct fake_flash memory;
    struct hal_flash flash; /* of it */
    struct fake_board board;
    struct fake_bus bus;
    struct fake_pins pins;
    struct fake_network network;
    uint64_t random;
    uint32_t drawn;
    int64_t linked_at, asked_at; /* when the link comes back; a round began */
    char lines[LINES_MAX][CHECK_LINE_MAX];
    size_t line_count;
    struct check_tally tally;
};

static struct rig rig;

static void pass_time(int64_t duration_ns)
{
    fake_clock_pass(&rig.now, rig.defect == CLOCK_STUCK  ? 0
                              : rig.defect == CLOCK_FAST ? 100 * duration_ns
                                                         : duration_ns);
    rig.now.wall_ns += rig.defect == WALL_PARTS ? duration_ns : 0;
    fake_board_pass(&rig.board, duration_ns);
    rig.bus.now = rig.now.mono_ns;
    if (rig.network.connection == 0 && rig.now.mono_ns >= rig.linked_at &&
        rig.defect != NO_NETWORK) {
        fake_network_link(&rig.network, true);
    } else if (rig.defect == FLAPS && rig.now.mono_ns - rig.linked_at > 300 * MILLI) {
        fake_network_link(&rig.network, true);
        rig.linked_at = rig.now.mono_ns;
    }
}

static struct hal_time now(void *context)
{
    (void)context;
    rig.now.mono_ns -= rig.defect == CLOCK_BACK ? 1 : 0;
    return rig.now;
}

static bool pause_port(void *context, uint32_t ms, bool feed)
{
    struct hal_board board = fake_board_hal(&rig.board);
    (void)context;
    if (feed && rig.defect != BITES_FED) {
        board.feed(board.context);
    }
    pass_time(ms * MILLI);
    return !rig.board.down;
}

static void say(void *context, const char *line)
{
    (void)context;
    assert_true(rig.line_count < LINES_MAX && strlen(line) < CHECK_LINE_MAX);
    strcpy(rig.lines[rig.line_count++], line);
}

/* --- defects of each part ---------------------------------------------------------------- */

static enum hal_result flash_read(void *context, uint32_t offset, void *bytes, size_t length)
{
    (void)context;
    uint32_t end = rig.flash.block_size * rig.flash.block_count;
    if (rig.defect == ENDLESS && offset >= end) {
        return HAL_OK;
    }
    return rig.flash.read(rig.flash.context, offset, bytes, length);
}

static enum hal_result flash_program(void *context, uint32_t offset, const void *bytes,
                                     size_t length)
{
    static const uint8_t zero = 0;
    (void)context;
    if (rig.defect == WORDS_ONLY && (offset | length) % 4 != 0) {
        return HAL_FAILED;
    }
    if (rig.defect == SETS_BITS && offset + length <= 512 * rig.memory.block_count) {
        memcpy(rig.memory.now + offset, bytes, length);
        memcpy(rig.memory.synced + offset, bytes, length);
        return HAL_OK;
    }
    enum hal_result result = rig.flash.program(rig.flash.context, offset, bytes,
                                               length - (rig.defect == FORGETS_A_BYTE));
    if (rig.defect == PADS && length % 2 == 1) {
        (void)rig.flash.program(rig.flash.context, offset + (uint32_t)length, &zero, 1);
    }
    return result;
}

static enum hal_result flash_erase(void *context, uint32_t block)
{
    static const uint8_t zero = 0;
    (void)context;
    pass_time(rig.defect == SLOW_ERASES ? 3 * SECOND : 50 * MILLI);
    enum hal_result result = rig.flash.erase(rig.flash.context, block);
    if (rig.defect == HALF_ERASES) {
        (void)rig.flash.program(rig.flash.context, (block + 1) * rig.flash.block_size - 1, &zero,
                                1);
    } else if (rig.defect == ERASES_MORE && block > 0) {
        (void)rig.flash.erase(rig.flash.context, block - 1);
    }
    return rig.defect == FAILED_ERASES && block > 0 ? HAL_FAILED : result;
}

static enum hal_result flash_sync(void *context)
{
    (void)context;
    enum hal_result result = fake_flash_sync(rig.flash.context);
    return rig.defect == FAILED_SYNCS ? HAL_FAILED : result;
}

static uint32_t random_next(void *context)
{
    struct hal_random random = fake_random_hal(&rig.random);
    (void)context;
    rig.drawn++;
    if (rig.defect == SAME_TWICE && rig.drawn % 100 == 0) {
        return 0;
    }
    uint32_t number =
        rig.defect == SAME_TWICE && rig.drawn % 100 == 1 ? 0 : random.next(random.context);
    return number | (rig.defect == STUCK_BIT ? 0x100 : 0);
}

static enum hal_reset why(void *context)
{
    (void)context;
    return rig.defect == NO_SUCH_WHY     ? HAL_RESET_OTHER + 1
           : rig.defect == WHY_FORGOTTEN ? HAL_RESET_POWER
                                         : rig.board.why;
}

static void reset(void *context)
{
    struct hal_board board = fake_board_hal(&rig.board);
    (void)context;
    if (rig.defect != NO_RESET) {
        board.reset(board.context);
    }
}

static enum hal_result bus_configure(void *context, const struct hal_line *line)
{
    (void)context;
    size_t taken = rig.bus.in_taken;
    enum hal_result result = rig.bus.hal.configure(&rig.bus, line);
    if (rig.defect == KEEPS_OLD) {
        rig.bus.in_taken = taken;
    }
    return rig.defect == NO_LINE ? HAL_FAILED : result;
}

static bool bus_sent(void *context)
{
    (void)context;
    return rig.defect == SENT_EARLY || (rig.defect != SENT_NEVER && rig.bus.hal.sent(&rig.bus) &&
                                        (rig.defect != NO_END_OF_BREAK || rig.bus.breaks == 0));
}

static size_t bus_read(void *context, void *bytes, size_t capacity)
{
    (void)context;
    if (rig.defect == NOISE) {
        memset(bytes, 0, 1);
        return 1;
    }
    pass_time(rig.defect == BUS_WAITS ? 200 * MILLI : 0);
    return rig.bus.hal.read(&rig.bus, bytes, capacity);
}

static void loop_back(struct fake_bus *bus, const uint8_t *bytes, size_t length)
{
    int64_t while_it_leaves = (1 - (int64_t)length) * bus->character_ns;
    size_t held = bus->in_count - bus->in_taken, room = held < 256 ? 256 - held : 0;
    length = rig.defect == SMALL_RING && length > room ? room : length;
    fake_bus_put(bus, bytes, length - (rig.defect == LOSES_BYTES), while_it_leaves);
}

/* The wire from the output goes to the counter, too. */
static void pin_set(void *context, unsigned pin, bool on)
{
    struct hal_pins pins = fake_pins_hal(&rig.pins);
    (void)context;
    bool was = pins.get(pins.context, pin);
    pins.set(pins.context, pin, on && rig.defect != PIN_STUCK);
    rig.pins.edges[COUNTER] += (on && !was) * (rig.defect == BOUNCES ? 3u : 1u);
}

static void begin_round(void *context, int64_t at_ns)
{
    (void)context;
    (void)at_ns;
    rig.asked_at = rig.now.mono_ns;
}

static struct hal_sample sample(void *context, size_t channel, int64_t at_ns)
{
    (void)context;
    (void)at_ns;
    struct hal_sample found = { .kind = HAL_SAMPLE_VALUE, .value = (double)channel };
    pass_time(rig.defect == SENSOR_WAITS ? 500 * MILLI : 0);
    if (rig.defect == PENDING || rig.now.mono_ns - rig.asked_at < 700 * MILLI) {
        found.kind = HAL_SAMPLE_PENDING;
    }
    found.value = rig.defect == NOT_A_NUMBER ? NAN : found.value;
    found.state = rig.defect == NO_STATE ? 3 : 0;
    return found;
}

static uint32_t connection(void *context)
{
    (void)context;
    return rig.defect == SAME_NUMBER && rig.network.connection > 0 ? 1 : rig.network.connection;
}

static enum hal_result publish(void *context, enum hal_leaf leaf, const void *bytes, size_t length)
{
    struct hal_network network = fake_network_hal(&rig.network);
    (void)context;
    pass_time(rig.defect == NETWORK_WAITS ? 300 * MILLI : 0);
    if (rig.defect == TAKEN_WHILE_GONE && rig.network.connection == 0) {
        return HAL_OK;
    }
    return network.publish(network.context, leaf, bytes, length);
}

static enum hal_inbound receive(void *context, void *buffer, size_t capacity, size_t *length)
{
    struct hal_network network = fake_network_hal(&rig.network);
    (void)context;
    return rig.defect == ENDLESS_INBOX ? HAL_INBOUND_CMD
                                       : network.receive(network.context, buffer, capacity, length);
}

static void connect_again(void *context, const char *host, uint16_t port)
{
    struct hal_network network = fake_network_hal(&rig.network);
    (void)context;
    network.connect(network.context, host, port);
    fake_network_link(&rig.network, false);
    rig.linked_at = rig.now.mono_ns + AWAY;
}

/* --- the port ------------------------------------------------------------------------------ */

static struct check_port whole_port(void)
{
    struct check_port port = { .now = now, .pause = pause_port, .say = say };
    port.flash = (struct hal_flash){ NULL,       rig.flash.block_size, rig.flash.block_count,
                                     flash_read, flash_program,        flash_erase,
                                     flash_sync };
    port.flash.block_size += rig.defect == ODD_BLOCKS ? 256 : 0;
    port.flash.block_count = rig.defect == ONE_BLOCK ? 1 : port.flash.block_count;
    port.random = (struct hal_random){ NULL, random_next };
    port.board = fake_board_hal(&rig.board);
    port.board.why = why;
    port.board.reset = reset;
    port.watchdog_ms = 10000;
    port.bus = (struct hal_bus){ &rig.bus, bus_configure, rig.bus.hal.write,
                                 bus_sent, bus_read,      rig.bus.hal.send_break };
    port.line = (struct hal_line){ 9600, 8, 1, HAL_PARITY_NONE };
    port.bus_loops = port.bus_timed = port.pins_loop = true;
    port.pins = fake_pins_hal(&rig.pins);
    port.pins.set = pin_set;
    port.output = port.input = WIRE;
    port.counter = COUNTER;
    port.loop_count = 2;
    port.sensors = (struct hal_sensors){ .begin = begin_round, .sample = sample };
    port.channels = 3;
    port.sensors_ms = 2000;
    port.network = (struct hal_network){ NULL, connection, publish, receive, connect_again, NULL };
    port.network_ms = 5000;
    return port;
}

static void power_on(enum defect defect, uint32_t blocks)
{
    memset(&rig, 0, sizeof rig);
    rig.defect = defect;
    rig.now = (struct hal_time){ defect == WALL_1970 ? SECOND : START, SECOND,
                                 defect != SYNCED_UNSET, true };
    fake_flash_create(&rig.memory, 512, blocks, 1);
    rig.flash = fake_flash_hal(&rig.memory);
    rig.board.watchdog_ns = defect == NO_BITE ? 0 : defect == BITES_FED ? SECOND : 10 * SECOND;
    fake_bus_init(&rig.bus, 9600);
    rig.bus.character_ns = 10 * SECOND / 9600;
    rig.bus.answer = loop_back;
    fake_network_init(&rig.network, 1);
    rig.network.refuses = defect == FULL;
    rig.pins.current_ua[0] = 4000;
    rig.pins.current_ua[1] = defect == NO_LOOP ? 90000 : 20000;
    rig.pins.silent[1] = defect == NO_CONVERTER;
    rig.random = 5;
}

/* Starts the board after it went down. */
static void restart(void)
{
    rig.memory.lose_unsynced = true;
    fake_flash_power_on(&rig.memory);
    if (rig.defect == LOST_SYNCS) { /* block 0 with the notes stays */
        memset(rig.memory.now + 512, 0xff, (size_t)512 * (rig.memory.block_count - 1));
    }
    if (rig.defect == LOST_NOTES) {
        memset(rig.memory.now, 0xff, (size_t)512 * rig.memory.block_count);
    }
    fake_clock_start(&rig.now, SECOND, true);
    fake_board_start(&rig.board);
    fake_bus_clear(&rig.bus);
    fake_network_link(&rig.network, false);
    rig.linked_at = 0;
    rig.random = rig.defect == SAME_SEED ? 5 : rig.random + 77;
}

static void go_through(enum defect defect, uint32_t blocks)
{
    power_on(defect, blocks);
    enum check_end end = CHECK_RESTARTS;
    for (int start = 0; start < STARTS && end == CHECK_RESTARTS; start++) {
        struct check_port port = whole_port();
        end = check_run(&port, &rig.tally);
        if (end == CHECK_RESTARTS) {
            restart();
        }
    }
    if (end != CHECK_DONE) {
        fail_msg("defect %d: no end", (int)defect);
    }
}

static const char *find_line(const char *begin)
{
    for (size_t i = 0; i < rig.line_count; i++) {
        if (strncmp(rig.lines[i], begin, strlen(begin)) == 0) {
            return rig.lines[i];
        }
    }
    return NULL;
}

static void print_lines(void)
{
    for (size_t i = 0; i < rig.line_count; i++) {
        print_message("%s\n", rig.lines[i]);
    }
}

#define PASSED "[pass] "

/* --- tests --------------------------------------------------------------------------------- */

static void test_a_sound_port_passes_all(void **state)
{
    (void)state;
    for (uint32_t blocks = 2; blocks < 5; blocks++) {
        go_through(SOUND, blocks);
        if (rig.tally.failed > 0 || rig.tally.skipped > 0) {
            print_lines();
        }
        assert_int_equal(rig.tally.failed, 0);
        assert_int_equal(rig.tally.skipped, 0);
        assert_int_equal(rig.line_count, rig.tally.passed + 1);
        for (size_t i = 0; i < rig.tally.passed; i++) {
            assert_memory_equal(rig.lines[i], PASSED, strlen(PASSED));
            assert_ptr_equal(find_line(rig.lines[i]), rig.lines[i]); /* each once */
        }
        assert_int_equal(rig.board.resets, 1);
        assert_int_equal(rig.board.bites, 1);
        for (size_t i = 0; i < 512; i++) {
            assert_int_equal(rig.memory.now[i], 0xff); /* no note is left */
        }
        fake_flash_destroy(&rig.memory);
    }
}

static void test_each_defect_is_found(void **state)
{
    (void)state;
    static const char *const found_by[DEFECTS] = {
        [ODD_BLOCKS] = "flash: blocks are",
        [ONE_BLOCK] = "flash: blocks are",
        [HALF_ERASES] = "flash: an erase sets",
        [FAILED_ERASES] = "flash: an erase sets",
        [WORDS_ONLY] = "flash: any number of bytes",
        [FORGETS_A_BYTE] = "flash: any number of bytes",
        [PADS] = "flash: a program touches nothing",
        [SETS_BITS] = "flash: a program clears bits",
        [ERASES_MORE] = "flash: an erase touches no other",
        [ENDLESS] = "flash: it ends where it says",
        [FAILED_SYNCS] = "flash: a sync is done",
        [LOST_NOTES] = "reset: the board starts anew",
        [LOST_SYNCS] = "reset: the flash keeps",
        [SLOW_ERASES] = "flash: an erase takes less",
        [CLOCK_BACK] = "clock: monotonic time never goes back",
        [CLOCK_STUCK] = "clock: monotonic time goes on",
        [CLOCK_FAST] = "clock: monotonic time goes on",
        [WALL_1970] = "clock: wall time",
        [WALL_PARTS] = "clock: wall time",
        [SYNCED_UNSET] = "clock: wall time",
        [STUCK_BIT] = "random: numbers differ",
        [SAME_TWICE] = "random: numbers differ",
        [SAME_SEED] = "reset: random numbers",
        [NO_SUCH_WHY] = "board: it says why",
        [WHY_FORGOTTEN] = "reset: the board starts anew",
        [NO_RESET] = "reset: the board starts anew",
        [NO_BITE] = "watchdog: it bites",
        [BITES_FED] = "board: it starts only when it should",
        [NO_LINE] = "bus: it takes the line",
        [NOISE] = "bus: nothing comes",
        [BUS_WAITS] = "bus: nothing comes",
        [SENT_EARLY] = "bus: 256 bytes leave",
        [SENT_NEVER] = "bus: 256 bytes leave",
        [LOSES_BYTES] = "bus: what is sent comes back",
        [SMALL_RING] = "bus: 300 bytes wait",
        [KEEPS_OLD] = "bus: what came before is forgotten",
        [NO_END_OF_BREAK] = "bus: a break ends",
        [PIN_STUCK] = "pins: an input follows",
        [BOUNCES] = "pins: edges are counted",
        [NO_CONVERTER] = "pins: currents",
        [NO_LOOP] = "pins: currents",
        [PENDING] = "sensors: each channel answers",
        [SENSOR_WAITS] = "sensors: each channel answers",
        [NOT_A_NUMBER] = "sensors: what they give",
        [NO_STATE] = "sensors: what they give",
        [NO_NETWORK] = "network: a connection comes",
        [FLAPS] = "network: it keeps its number",
        [FULL] = "network: a message is taken",
        [NETWORK_WAITS] = "network: a message is taken",
        [ENDLESS_INBOX] = "network: an empty inbox",
        [SAME_NUMBER] = "network: a new connection",
        [TAKEN_WHILE_GONE] = "network: a new connection",
    };
    unsigned unfound = 0;
    for (enum defect defect = SOUND + 1; defect < DEFECTS; defect++) {
        char line[CHECK_LINE_MAX];
        go_through(defect, 4);
        (void)snprintf(line, sizeof line, "[FAIL] %s", found_by[defect]);
        if (find_line(line) == NULL || rig.tally.failed == 0) {
            print_message("not found, %d: %s\n", (int)defect, found_by[defect]);
            print_lines();
            unfound++;
        }
        fake_flash_destroy(&rig.memory);
    }
    assert_int_equal(unfound, 0);
}

/* What a board does not have is left out, and said to be; a clock there is always. */
static void test_a_board_with_nothing(void **state)
{
    (void)state;
    go_through(SOUND, 2);
    size_t items = rig.tally.passed;
    fake_flash_destroy(&rig.memory);
    power_on(SOUND, 2);
    struct check_port port = { .now = now, .pause = pause_port, .say = say };
    struct check_tally tally;
    assert_int_equal(check_run(&port, &tally), CHECK_DONE);
    assert_int_equal(tally.passed, 3);
    assert_int_equal(tally.failed, 0);
    assert_int_equal(tally.skipped, items - 3);
    assert_string_equal(rig.lines[3], "[skip] random: numbers differ, in all bits: none");
    char last[64];
    (void)snprintf(last, sizeof last, "3 passed, 0 failed, %zu left out", items - 3);
    assert_string_equal(rig.lines[rig.line_count - 1], last);
    fake_flash_destroy(&rig.memory);
}

/* Lines of the guide that name an item. */
static size_t count_named(const char *guide)
{
    size_t count = 0;
    for (const char *at = strstr(guide, "\n- `"); at != NULL; at = strstr(at + 1, "\n- `")) {
        count++;
    }
    return count;
}

static void test_the_guide_names_every_item(void **state)
{
    (void)state;
    static char guide[1 << 16];
    FILE *file = fopen("docs/porting.md", "r");
    if (file == NULL) {
        print_message("docs/porting.md is not here: run it in the project's root\n");
        skip();
    }
    guide[fread(guide, 1, sizeof guide - 1, file)] = '\0';
    (void)fclose(file);
    go_through(SOUND, 2);
    for (size_t i = 0; i < rig.tally.passed; i++) {
        char named[CHECK_LINE_MAX + 8];
        (void)snprintf(named, sizeof named, "\n- `%s`\n", rig.lines[i] + strlen(PASSED));
        if (strstr(guide, named) == NULL) {
            fail_msg("docs/porting.md does not name: %s", rig.lines[i]);
        }
    }
    assert_int_equal(count_named(guide), rig.tally.passed); /* and no other */
    fake_flash_destroy(&rig.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sound_port_passes_all),
        cmocka_unit_test(test_each_defect_is_found),
        cmocka_unit_test(test_a_board_with_nothing),
        cmocka_unit_test(test_the_guide_names_every_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

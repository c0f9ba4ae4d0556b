/*
 * Runs the list. Between two starts it remembers in block 0 of the flash where it is: slots of
 * 32 bytes, the last good one counts, each once programmed:
 *
 *     u32 magic | u32 stage | u32 passed | u32 failed | u32 skipped | u32 random | u32 sum | 0xFF..
 *
 * sum: of the six before it, inverted. In the board's own byte order: nobody else reads it.
 */
#include "check.h"

#include <string.h>

#include "check_items.h"
#include "print.h"

#define NOTE_MAGIC   0x50684B31u
#define NOTE_BYTES   32u
#define NOTE_SLOTS   16u
#define STEP_MS      100u
#define STEP_MS_MAX  5000 /* a pause that others have held up */
#define READINGS     10000
#define NUMBERS      256
#define WALL_MIN_NS  INT64_C(1577836800000000000) /* 2020 */
#define BITES_WITHIN 3                            /* times the watchdog's time */

enum stage {
    STAGE_NONE,
    STAGE_FIRST,    /* the first part is under way */
    STAGE_RESET,    /* it has asked for a reset */
    STAGE_STARVING, /* the watchdog is not fed any more */
    STAGES
};

struct note {
    uint32_t magic, stage;
    struct check_tally tally;
    uint32_t random, sum;
};

/* --- notes ---------------------------------------------------------------------------- */

static uint32_t sum_of(const struct note *note)
{
    return ~(note->magic + note->stage * 3 + note->tally.passed * 5 + note->tally.failed * 7 +
             note->tally.skipped * 11 + note->random);
}

/* Reads the latest note; *slot becomes the first one that is free. */
static struct note read_note(const struct hal_flash *flash, uint32_t *slot)
{
    struct note latest = { .stage = STAGE_NONE }, note;
    for (*slot = 0; *slot < NOTE_SLOTS; ++*slot) {
        if (flash->read(flash->context, *slot * NOTE_BYTES, &note, sizeof note) != HAL_OK ||
            note.magic != NOTE_MAGIC || note.sum != sum_of(&note) || note.stage >= STAGES) {
            break;
        }
        latest = note;
    }
    return latest;
}

/* A list has three notes; the first erases what was there. */
static bool write_note(const struct hal_flash *flash, struct note note)
{
    uint32_t slot = 0;
    (void)read_note(flash, &slot);
    if (note.stage == STAGE_FIRST) {
        slot = 0;
        if (flash->erase(flash->context, 0) != HAL_OK) {
            return false;
        }
    }
    note.magic = NOTE_MAGIC;
    note.sum = sum_of(&note);
    return flash->program(flash->context, slot * NOTE_BYTES, &note, sizeof note) == HAL_OK &&
           flash->sync(flash->context) == HAL_OK && read_note(flash, &slot).stage == note.stage;
}

static void forget(const struct hal_flash *flash)
{
    (void)flash->erase(flash->context, 0);
    (void)flash->sync(flash->context);
}

/* --- clock, randomness, board --------------------------------------------------------- */

static struct check_finding goes_forward(struct check *check)
{
    int64_t last = check_mono(check);
    for (int i = 0; i < READINGS; i++) {
        int64_t now = check_mono(check);
        if (now < last) {
            return check_failed_at("it went back by, in ns", last - now);
        }
        last = now;
    }
    return check_passed();
}

static struct check_finding goes_on(struct check *check)
{
    int64_t begun = check_mono(check);
    if (!check_pause(check, STEP_MS)) {
        return check_passed();
    }
    int64_t ms = check_since_ms(check, begun);
    return ms >= STEP_MS / 2 && ms <= STEP_MS_MAX
               ? check_passed()
               : check_failed_at("in 100 ms it went on by, in ms", ms);
}

static struct check_finding wall_is_told(struct check *check)
{
    struct hal_time then = check->port->now(check->port->context);
    if (then.wall_synced && !then.wall_set) {
        return check_failed("synced, and never set");
    }
    if (!then.wall_set) {
        return check_skipped("it is not set yet");
    }
    if (then.wall_ns < WALL_MIN_NS) {
        return check_failed("set to a time before 2020");
    }
    (void)check_pause(check, STEP_MS);
    struct hal_time now = check->port->now(check->port->context);
    int64_t off_ms = (now.wall_ns - then.wall_ns - now.mono_ns + then.mono_ns) / CHECK_MILLI_NS;
    return off_ms >= -5 && off_ms <= 5 ? check_passed()
                                       : check_failed_at("in 100 ms they part, in ms", off_ms);
}

static struct check_finding random_differs(struct check *check)
{
    const struct hal_random *random = &check->port->random;
    uint32_t last = random->next(random->context), ones = last, zeros = ~last;
    for (int i = 0; i < NUMBERS; i++) {
        uint32_t number = random->next(random->context);
        if (number == last) {
            return check_failed("the same one twice running");
        }
        ones |= number;
        zeros |= ~number;
        last = number;
    }
    return (ones & zeros) == UINT32_MAX
               ? check_passed()
               : check_failed_at("bits that never change", ~(ones & zeros));
}

static struct check_finding why_is_known(struct check *check)
{
    enum hal_reset why = check->port->board.why(check->port->board.context);
    return why <= HAL_RESET_OTHER ? check_passed() : check_failed_at("no such reason", why);
}

/* --- after a reset -------------------------------------------------------------------- */

static struct check_finding random_is_new(struct check *check)
{
    if (check->port->random.next == NULL) {
        return check_skipped("none");
    }
    return check->random != check->last_random
               ? check_passed()
               : check_failed("the same numbers as at the start before");
}

static struct check_finding why_is(struct check *check, enum hal_reset expected)
{
    enum hal_reset why = check->port->board.why(check->port->board.context);
    return why == expected ? check_passed() : check_failed_at("it says, in order of hal.h", why);
}

static struct check_finding why_is_command(struct check *check)
{
    return why_is(check, HAL_RESET_COMMAND);
}

static struct check_finding why_is_watchdog(struct check *check)
{
    return why_is(check, HAL_RESET_WATCHDOG);
}

static struct check_finding restarted_by_itself(struct check *check)
{
    (void)check;
    return check_failed("the first part was cut short by a restart: the watchdog? a fault?");
}

/* Begun again after a reset: without this it would reset for ever. */
static struct check_finding notes_are_gone(struct check *check)
{
    (void)check;
    return check_failed("the notes in flash are gone; or begin with switching the power on");
}

static struct check_finding did_not_reset(struct check *check)
{
    (void)check;
    return check_failed("it went on");
}

static const struct check_item clock_items[] = {
    { "clock: monotonic time never goes back", goes_forward },
    { "clock: monotonic time goes on", goes_on },
    { NULL, NULL },
};
static const struct check_item wall_items[] = {
    { "clock: wall time is plausible and goes with it", wall_is_told },
    { NULL, NULL },
};
static const struct check_item random_items[] = {
    { "random: numbers differ, in all bits", random_differs },
    { NULL, NULL },
};
static const struct check_item board_items[] = {
    { "board: it says why it started", why_is_known },
    { NULL, NULL },
};

static const struct check_item geometry_items[] = {
    { "flash: blocks are a power of two of at least 512 bytes, and at least two",
      check_flash_geometry },
    { NULL, NULL },
};

#define RESETS  "reset: the board starts anew when asked, and says so"
#define SURVIVE "reset: the flash keeps what was synced"
#define RANDOM  "reset: random numbers are others after each start"
#define BITES   "watchdog: it bites when nobody feeds it, and the next start says so"
#define WHOLE   "board: it starts only when it should"

static const struct check_item after_reset[] = {
    { RESETS, why_is_command },
    { SURVIVE, check_flash_kept },
    { RANDOM, random_is_new },
    { NULL, NULL },
};
static const struct check_item after_bite[] = { { BITES, why_is_watchdog }, { NULL, NULL } };
static const struct check_item no_reset[] = { { RESETS, did_not_reset }, { NULL, NULL } };
static const struct check_item no_bite[] = { { BITES, did_not_reset }, { NULL, NULL } };
static const struct check_item no_notes[] = { { RESETS, notes_are_gone }, { NULL, NULL } };
static const struct check_item cut_short[] = { { WHOLE, restarted_by_itself }, { NULL, NULL } };

/* --- the list ------------------------------------------------------------------------- */

static void say_item(const struct check *check, const char *name, struct check_finding finding)
{
    static const char *const marks[] = { "[pass] ", "[FAIL] ", "[skip] " };
    char line[CHECK_LINE_MAX];
    struct print print = { .buffer = line, .capacity = sizeof line - 1 };
    print_word(&print, marks[finding.outcome]);
    print_word(&print, name);
    if (finding.why != NULL) {
        print_word(&print, ": ");
        print_word(&print, finding.why);
    }
    if (finding.has_number) {
        print_word(&print, finding.number < 0 ? ": -" : ": ");
        print_uint(&print,
                   finding.number < 0 ? 0 - (uint64_t)finding.number : (uint64_t)finding.number);
    }
    line[print.length] = '\0';
    check->port->say(check->port->context, line);
}

static void count(struct check_tally *tally, enum check_outcome outcome)
{
    tally->passed += outcome == CHECK_PASSED;
    tally->failed += outcome == CHECK_FAILED;
    tally->skipped += outcome == CHECK_SKIPPED;
}

/* Does a list of items; without what they look at (missing says what) they are left out. */
static void look_at(struct check *check, const struct check_item *items, const char *missing,
                    struct check_tally *tally)
{
    for (; items->name != NULL && !check->down; items++) {
        struct check_finding finding =
            missing == NULL ? items->look(check) : check_skipped(missing);
        if (!check->down) {
            count(tally, finding.outcome);
            say_item(check, items->name, finding);
        }
    }
}

/* Without a clock there is no limit to anything that follows. */
static void first_part(struct check *check, struct check_tally *tally)
{
    const struct check_port *port = check->port;
    look_at(check, clock_items, NULL, tally);
    const char *all = tally->failed > 0 ? "it needs a clock" : NULL;
    const struct {
        const struct check_item *items;
        bool there;
    } parts[] = {
        { wall_items, true },
        { random_items, port->random.next != NULL },
        { board_items, port->board.why != NULL },
        { geometry_items, port->flash.read != NULL },
        { check_flash_items, check->flash },
        { check_bus_items, port->bus.configure != NULL },
        { check_pin_items, port->pins.set != NULL || port->pins.get != NULL ||
                               port->pins.edges != NULL || port->pins.current_ua != NULL },
        { check_sensor_items, port->sensors.sample != NULL },
        { check_network_items, port->network.connection != NULL },
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        look_at(check, parts[i].items, (all != NULL || parts[i].there) ? all : "none", tally);
    }
}

static enum check_end finish(const struct check *check, const struct check_tally *tally)
{
    char line[CHECK_LINE_MAX];
    struct print print = { .buffer = line, .capacity = sizeof line - 1 };
    print_uint(&print, tally->passed);
    print_word(&print, " passed, ");
    print_uint(&print, tally->failed);
    print_word(&print, " failed, ");
    print_uint(&print, tally->skipped);
    print_word(&print, " left out");
    line[print.length] = '\0';
    check->port->say(check->port->context, line);
    if (check->flash) {
        forget(&check->port->flash);
    }
    return CHECK_DONE;
}

/* A board that has no reset, or nowhere to note that it asked for one. */
static enum check_end without_resets(struct check *check, struct check_tally *tally)
{
    static const char missing[] = "it needs a reset and flash for its notes";
    look_at(check, after_reset, missing, tally);
    look_at(check, after_bite, missing, tally);
    return finish(check, tally);
}

static enum check_end reset_board(struct check *check, struct check_tally *tally)
{
    const struct check_port *port = check->port;
    struct note note = { .stage = STAGE_RESET, .tally = *tally, .random = check->random };
    if (!check_flash_leave(check) || !write_note(&port->flash, note)) {
        return without_resets(check, tally);
    }
    port->board.reset(port->board.context);
    if (!check_pause(check, STEP_MS)) {
        return CHECK_RESTARTS;
    }
    look_at(check, no_reset, NULL, tally);
    return finish(check, tally);
}

/* Feeds no more. Whoever comes back from that has no watchdog. */
static enum check_end starve(struct check *check, struct check_tally *tally)
{
    const struct check_port *port = check->port;
    uint64_t steps = (uint64_t)port->watchdog_ms * BITES_WITHIN / STEP_MS + 1;
    struct note note = { .stage = STAGE_STARVING, .tally = *tally };
    if (port->watchdog_ms == 0) {
        look_at(check, after_bite, "no watchdog", tally);
        return finish(check, tally);
    }
    if (!write_note(&port->flash, note)) {
        return without_resets(check, tally);
    }
    for (uint64_t i = 0; i < steps; i++) {
        if (!port->pause(port->context, STEP_MS, false)) {
            return CHECK_RESTARTS;
        }
    }
    look_at(check, no_bite, NULL, tally);
    return finish(check, tally);
}

static enum check_end begin(struct check *check, struct check_tally *tally)
{
    const struct check_port *port = check->port;
    bool notes = check->flash && port->board.reset != NULL && port->board.why != NULL &&
                 write_note(&port->flash, (struct note){ .stage = STAGE_FIRST });
    first_part(check, tally);
    if (check->down) {
        return CHECK_RESTARTS;
    }
    if (!notes) {
        return without_resets(check, tally);
    }
    enum hal_reset why = port->board.why(port->board.context);
    if (why == HAL_RESET_COMMAND || why == HAL_RESET_WATCHDOG) {
        look_at(check, no_notes, NULL, tally);
        return finish(check, tally);
    }
    return reset_board(check, tally);
}

enum check_end check_run(const struct check_port *port, struct check_tally *tally)
{
    struct check check = { .port = port };
    struct note note = { .stage = STAGE_NONE };
    uint32_t slot = 0;
    check.flash = port->flash.read != NULL && check_flash_geometry(&check).outcome == CHECK_PASSED;
    if (check.flash) {
        note = read_note(&port->flash, &slot);
    }
    *tally = note.tally;
    check.last_random = note.random;
    if (port->random.next != NULL) {
        check.random = port->random.next(port->random.context);
    }
    switch ((enum stage)note.stage) {
    case STAGE_FIRST:
        look_at(&check, cut_short, NULL, tally);
        return finish(&check, tally);
    case STAGE_RESET:
        look_at(&check, after_reset, NULL, tally);
        return starve(&check, tally);
    case STAGE_STARVING:
        look_at(&check, after_bite, NULL, tally);
        return finish(&check, tally);
    case STAGE_NONE:
    case STAGES:
        break;
    }
    return begin(&check, tally);
}

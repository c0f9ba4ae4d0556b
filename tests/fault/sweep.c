#include "sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#define PLACE_CHARS 256
#define SEED        20260117u

static char place[PLACE_CHARS];
static bool broken; /* some promise was */

struct counts {
    unsigned long operations, faults, crashes, survivors, lives;
};

struct trial {
    const char *name;
    struct disk_fault fault;
};

static const struct trial trials[] = {
    { "EIO", { .kind = DISK_ERROR, .classes = DISK_ALL, .error = EIO } },
    { "ENOSPC", { .kind = DISK_ERROR, .classes = DISK_CHANGES, .error = ENOSPC } },
    { "short", { .kind = DISK_SHORT, .classes = DISK_READS | DISK_WRITES } },
    { "torn", { .kind = DISK_TORN, .classes = DISK_CHANGES, .error = EIO } },
    { "torn, full", { .kind = DISK_TORN, .classes = DISK_WRITES, .error = ENOSPC } },
    { "EIO twice", { .kind = DISK_ERROR, .classes = DISK_CHANGES, .times = 2 } },
    { "torn twice", { .kind = DISK_TORN, .classes = DISK_CHANGES, .times = 2 } },
    { "EIO for ever", { .kind = DISK_ERROR, .classes = DISK_CHANGES, .times = DISK_FOR_EVER } },
    { "torn for ever", { .kind = DISK_TORN, .classes = DISK_CHANGES, .times = DISK_FOR_EVER } },
};
#define TRIALS (sizeof trials / sizeof trials[0])

static bool lasts(const struct disk_fault *fault)
{
    return fault->times == DISK_FOR_EVER;
}

/* Asked by the leak sanitizer at the end: what a failed test leaves behind would only hide why it
 * failed. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return broken ? 1 : 0;
}

uint64_t sweep_seed(void)
{
    static uint64_t seed;
    if (seed == 0) {
        const char *given = getenv("PHUSA_SEED");
        seed = given != NULL ? strtoull(given, NULL, 10) : SEED;
        print_message("# seed %llu (PHUSA_SEED)\n", (unsigned long long)seed);
    }
    return seed;
}

void sweep_stands_at(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(place, sizeof place, format, arguments);
    va_end(arguments);
}

void sweep_broken(const char *format, ...)
{
    char text[512];
    va_list arguments;
    broken = true;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fail_msg("%s: %s", place, text);
    abort();
}

static void *new_promises(const struct scenario *scenario, const void *from)
{
    void *promises = calloc(1, scenario->promises_size);
    if (promises == NULL) {
        abort();
    }
    if (from != NULL) {
        memcpy(promises, from, scenario->promises_size);
    }
    return promises;
}

static void live(const struct scenario *scenario, struct disk *disk, void *promises,
                 enum health health, struct counts *counts)
{
    counts->lives++;
    scenario->live(disk, promises, health);
    if (disk_open_files(disk) != 0) {
        sweep_broken("%zu descriptors are left open", disk_open_files(disk));
    }
}

/* A life on what a disk becomes, with promises of its own; then the power goes, and another. */
static void live_after(const struct scenario *scenario, const struct disk *disk,
                       const void *promises, enum disk_survival survival, uint64_t seed,
                       struct counts *counts)
{
    void *own = new_promises(scenario, promises);
    struct disk *survivor = disk_survivor(disk, survival, seed);
    counts->survivors++;
    live(scenario, survivor, own, HEALTHY, counts);
    struct disk *again = disk_survivor(survivor, DISK_NOTHING, seed);
    live(scenario, again, own, HEALTHY, counts);
    disk_free(again);
    disk_free(survivor);
    free(own);
}

/*
 * Bytes that a failed sync dropped are still to be read when only the program is killed. It may
 * have left a mark that says so, unless the disk took nothing more at all.
 */
static bool deceives(const struct scenario *scenario, const struct disk *disk, bool lasting)
{
    return disk_dropped(disk) && (lasting || scenario->trusts_cache);
}

static unsigned long count_operations(const struct scenario *scenario, unsigned classes,
                                      struct counts *counts)
{
    void *promises = new_promises(scenario, NULL);
    struct disk *disk = disk_create(sweep_seed());
    sweep_stands_at("%s: nothing goes wrong", scenario->name);
    live(scenario, disk, promises, HEALTHY, counts);
    unsigned long count = disk_count(disk, classes);
    live_after(scenario, disk, promises, DISK_NOTHING, sweep_seed(), counts);
    disk_free(disk);
    free(promises);
    counts->operations = count;
    return count;
}

static void show(const char *what, const struct scenario *scenario, const struct counts *counts)
{
    print_message("# %s: %s: %lu operations, %lu faults, %lu crashes, %lu disks left by one, "
                  "%lu lives\n",
                  scenario->name, what, counts->operations, counts->faults, counts->crashes,
                  counts->survivors, counts->lives);
    assert_true(counts->operations > 0 && counts->faults + counts->crashes > 0);
    assert_true(counts->survivors > 0);
}

/* --- one fault ------------------------------------------------------------------ */

/* False: the life had fewer operations of those classes. */
static bool try_fault(const struct scenario *scenario, const struct trial *trial, unsigned long at,
                      struct counts *counts)
{
    struct disk_fault fault = trial->fault;
    void *promises = new_promises(scenario, NULL);
    struct disk *disk = disk_create(sweep_seed() + at);
    fault.at = at;
    disk_plan(disk, &fault);
    sweep_stands_at("%s: %s at operation %lu", scenario->name, trial->name, at);
    live(scenario, disk, promises, lasts(&fault) ? DYING : FAULTY, counts);
    bool struck = disk_struck(disk);
    counts->faults += struck ? 1 : 0;
    disk_plan(disk, NULL);
    static const enum disk_survival after[] = { DISK_KILLED, DISK_NOTHING, DISK_SOME };
    size_t first = deceives(scenario, disk, lasts(&fault)) ? 1 : 0;
    for (size_t i = first; struck && i < sizeof after / sizeof after[0]; i++) {
        sweep_stands_at("%s: %s at operation %lu, then %s", scenario->name, trial->name, at,
                        disk_survival_names[after[i]]);
        live_after(scenario, disk, promises, after[i], sweep_seed() + at, counts);
    }
    disk_free(disk);
    free(promises);
    return struck;
}

void sweep_faults(const struct scenario *scenario)
{
    struct counts counts = { 0 };
    (void)count_operations(scenario, DISK_ALL, &counts);
    for (size_t i = 0; i < TRIALS; i++) {
        unsigned long at = 1;
        while (try_fault(scenario, &trials[i], at, &counts)) {
            at++;
        }
    }
    show("faults", scenario, &counts);
}

/* --- one crash ------------------------------------------------------------------ */

/* The disk after a crash at the at-th change. */
static struct disk *crash(const struct scenario *scenario, unsigned long at, void *promises,
                          struct counts *counts)
{
    const struct disk_fault fault = { .kind = DISK_CRASH, .classes = DISK_CHANGES, .at = at };
    struct disk *disk = disk_create(sweep_seed() + at);
    disk_plan(disk, &fault);
    sweep_stands_at("%s: crash at change %lu", scenario->name, at);
    live(scenario, disk, promises, DYING, counts);
    if (!disk_struck(disk)) {
        sweep_broken("it was not reached: the scenario is not the same each time");
    }
    counts->crashes++;
    return disk;
}

void sweep_crashes(const struct scenario *scenario)
{
    struct counts counts = { 0 };
    unsigned long operations = count_operations(scenario, DISK_CHANGES, &counts);
    for (unsigned long at = 1; at <= operations; at++) {
        void *promises = new_promises(scenario, NULL);
        struct disk *disk = crash(scenario, at, promises, &counts);
        for (int i = 0; i < DISK_SURVIVALS; i++) {
            sweep_stands_at("%s: crash at change %lu, %s", scenario->name, at,
                            disk_survival_names[i]);
            live_after(scenario, disk, promises, (enum disk_survival)i, sweep_seed() + at, &counts);
        }
        disk_free(disk);
        free(promises);
    }
    show("crashes", scenario, &counts);
}

/* --- a crash soon after a fault --------------------------------------------------------- */

#define SOON 14 /* changes */

/* False: the life ended before the crash. */
static bool try_soon(const struct scenario *scenario, unsigned long at, unsigned long after,
                     struct counts *counts)
{
    uint64_t seed = sweep_seed() + at * 100 + after;
    const struct trial *trial = &trials[seed % 2 == 0 ? 0 : 3];
    struct disk_fault fault = trial->fault;
    void *promises = new_promises(scenario, NULL);
    struct disk *disk = disk_create(seed);
    fault.classes = DISK_WRITES | DISK_SYNCS;
    fault.at = at;
    fault.crash_after = after;
    disk_plan(disk, &fault);
    sweep_stands_at("%s: %s at write or sync %lu, crash %lu behind it", scenario->name, trial->name,
                    at, after);
    live(scenario, disk, promises, DYING, counts);
    bool crashed = disk_stopped(disk);
    counts->faults += disk_struck(disk) ? 1 : 0;
    counts->crashes += crashed ? 1 : 0;
    for (int i = deceives(scenario, disk, false) ? 1 : 0; i < DISK_SURVIVALS && crashed; i++) {
        sweep_stands_at("%s: %s at write or sync %lu, crash %lu behind it, %s", scenario->name,
                        trial->name, at, after, disk_survival_names[i]);
        live_after(scenario, disk, promises, (enum disk_survival)i, seed, counts);
    }
    disk_free(disk);
    free(promises);
    return crashed;
}

void sweep_faults_and_crashes(const struct scenario *scenario)
{
    struct counts counts = { 0 };
    unsigned long operations = count_operations(scenario, DISK_WRITES | DISK_SYNCS, &counts);
    for (unsigned long at = 1; at <= operations; at++) {
        unsigned long after = 1;
        while (after <= SOON && try_soon(scenario, at, after, &counts)) {
            after++;
        }
    }
    show("faults with a crash behind", scenario, &counts);
}

/* --- a second one ------------------------------------------------------------------ */

#define SECONDS_MAX 48 /* tries of one recovery, spread over its operations */

struct crashed {
    unsigned long at; /* the change */
    struct disk *disk;
    void *promises;
    enum disk_survival survival;
};

static struct disk *found_after(const struct crashed *crashed)
{
    return disk_survivor(crashed->disk, crashed->survival, sweep_seed() + crashed->at);
}

/* Another crash or fault at the at-th of a recovery's operations. */
static void try_second(const struct scenario *scenario, const struct crashed *crashed,
                       const struct disk *healthy, unsigned long at, struct counts *counts)
{
    uint64_t seed = sweep_seed() + crashed->at * 1000 + at;
    size_t way = (size_t)(seed % (TRIALS + 2)); /* some of each, and more crashes */
    struct disk_fault fault = { .kind = DISK_CRASH, .classes = DISK_CHANGES };
    fault = way < TRIALS ? trials[way].fault : fault;
    fault.at = (at - 1) * disk_count(healthy, fault.classes) / disk_count(healthy, DISK_ALL) + 1;
    void *own = new_promises(scenario, crashed->promises);
    struct disk *disk = found_after(crashed);
    disk_plan(disk, &fault);
    bool dies = way >= TRIALS || lasts(&fault);
    enum disk_survival then = (enum disk_survival)(seed / 7 % DISK_SURVIVALS);
    sweep_stands_at("%s: crash at change %lu, %s; then %s at %lu of the recovery, %s",
                    scenario->name, crashed->at, disk_survival_names[crashed->survival],
                    way < TRIALS ? trials[way].name : "crash", fault.at, disk_survival_names[then]);
    live(scenario, disk, own, dies ? DYING : FAULTY, counts);
    bool deceived = deceives(scenario, disk, lasts(&fault)) &&
                    (crashed->survival == DISK_KILLED || then == DISK_KILLED);
    if (disk_struck(disk) && !deceived) {
        disk_plan(disk, NULL);
        counts->faults += way < TRIALS ? 1 : 0;
        counts->crashes += way < TRIALS ? 0 : 1;
        live_after(scenario, disk, own, then, seed, counts);
    }
    disk_free(disk);
    free(own);
}

static void try_seconds(const struct scenario *scenario, const struct crashed *crashed,
                        struct counts *counts)
{
    struct disk *healthy = found_after(crashed);
    void *own = new_promises(scenario, crashed->promises);
    sweep_stands_at("%s: crash at change %lu, %s", scenario->name, crashed->at,
                    disk_survival_names[crashed->survival]);
    live(scenario, healthy, own, HEALTHY, counts);
    unsigned long operations = disk_count(healthy, DISK_ALL);
    unsigned long step = operations / SECONDS_MAX + 1;
    for (unsigned long at = 1 + crashed->at % step; at <= operations; at += step) {
        try_second(scenario, crashed, healthy, at, counts);
    }
    disk_free(healthy);
    free(own);
}

void sweep_seconds(const struct scenario *scenario)
{
    struct counts counts = { 0 };
    unsigned long operations = count_operations(scenario, DISK_CHANGES, &counts);
    for (unsigned long at = 1; at <= operations; at++) {
        struct crashed crashed = { .at = at, .promises = new_promises(scenario, NULL) };
        crashed.survival = (enum disk_survival)((sweep_seed() + at) % DISK_SURVIVALS);
        crashed.disk = crash(scenario, at, crashed.promises, &counts);
        try_seconds(scenario, &crashed, &counts);
        disk_free(crashed.disk);
        free(crashed.promises);
    }
    show("second faults", scenario, &counts);
}

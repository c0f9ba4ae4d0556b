#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OFFSET_AGE_NS (100 * MILLI_NS) /* the offset's file is read again after so long */
#define OFFSET_MOST_S 1e9
#define OFFSET        "offset="

static int64_t now_ns(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* Takes "name=NUMBER" off *at; the number must be finite. */
static bool take_field(const char **at, const char *name, double *value)
{
    size_t length = strlen(name);
    if (strncmp(*at, name, length) != 0 || (*at)[length] != '=') {
        return false;
    }
    const char *begin = *at + length + 1;
    char *end = NULL;
    errno = 0;
    *value = strtod(begin, &end);
    if (end == begin || errno != 0 || !isfinite(*value) || (*end != '\0' && *end != ',')) {
        return false;
    }
    *at = *end == ',' ? end + 1 : end;
    return true;
}

enum clock_status clock_parse(struct clock *clock, const char *specification,
                              struct problem *problem)
{
    *clock = (struct clock){ 0 };
    if (specification == NULL || *specification == '\0') {
        return CLOCK_OK;
    }
    const char *at = specification;
    double start = NAN, speed = NAN, origin = NAN;
    while (*at != '\0' && strncmp(at, OFFSET, strlen(OFFSET)) != 0) {
        if (!take_field(&at, "start", &start) && !take_field(&at, "speed", &speed) &&
            !take_field(&at, "origin", &origin)) {
            problem_set(
                problem,
                "clock: cannot read \"%s\"; write start=EPOCH,speed=N,origin=EPOCH in seconds", at);
            return CLOCK_BAD_SPEC;
        }
    }
    clock->offset_file = *at == '\0' ? NULL : at + strlen(OFFSET);
    if (at == specification) {
        return CLOCK_OK; /* only an offset */
    }
    bool in_range = fabs(start) < 9e9 && fabs(origin) < 9e9 && speed > 0 && speed <= 1e6;
    if (!in_range || (speed > 1 && start > origin)) {
        problem_set(problem,
                    "clock: \"%s\" needs start, speed in (0, 1000000] and origin, "
                    "with start not after origin",
                    specification);
        return CLOCK_BAD_SPEC;
    }
    clock->start_ns = (int64_t)(start * 1e6) * 1000;
    clock->origin_ns = (int64_t)(origin * 1e6) * 1000;
    clock->speed = speed;
    return CLOCK_OK;
}

wall_time clock_at(const struct clock *clock, wall_time real)
{
    if (clock->speed <= 0) {
        return real;
    }
    double passed = (double)(real.ns - clock->origin_ns) * clock->speed;
    if (passed >= (double)(real.ns - clock->start_ns)) {
        return real; /* the present is reached */
    }
    return (wall_time){ clock->start_ns + (int64_t)passed };
}

static int64_t read_offset(const char *path)
{
    char line[64] = "";
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        (void)fgets(line, sizeof line, file);
        (void)fclose(file);
    }
    double seconds = strtod(line, NULL);
    return isfinite(seconds) && fabs(seconds) <= OFFSET_MOST_S ? (int64_t)(seconds * 1e9) : 0;
}

/* A process has one clock, and so one offset, which all its threads share. */
static int64_t offset_now(const char *path)
{
    static atomic_int_fast64_t offset, read_again;
    int_fast64_t now = clock_mono().ns, due = atomic_load(&read_again);
    if (now >= due && atomic_compare_exchange_strong(&read_again, &due, now + OFFSET_AGE_NS)) {
        atomic_store(&offset, read_offset(path));
    }
    return atomic_load(&offset);
}

wall_time clock_wall(const struct clock *clock)
{
    wall_time wall = clock_at(clock, clock_real());
    if (clock->offset_file != NULL) {
        wall.ns += offset_now(clock->offset_file);
    }
    return wall;
}

wall_time clock_real(void)
{
    return (wall_time){ now_ns(CLOCK_REALTIME) };
}

mono_time clock_mono(void)
{
    return (mono_time){ now_ns(CLOCK_MONOTONIC) };
}

void clock_sleep_until(mono_time until)
{
    struct timespec at = { .tv_sec = (time_t)(until.ns / SECOND_NS),
                           .tv_nsec = (long)(until.ns % SECOND_NS) };
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

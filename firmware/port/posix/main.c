/*
 * phusa-station: the station firmware's core on a computer, for simulation, for
 * replaying recorded data, and for gateways. One thread steps every station.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "dump.h"
#include "field.h"
#include "fleet.h"

#define WAIT_MAX_NS (50 * MILLI_NS) /* a step at least this often, for simulated time */
#define CHECK_NS    SECOND_NS       /* counts and the link are looked at this often */
#define REPORT_NS   (60 * SECOND_NS)
#define GOODBYE_NS  (3 * SECOND_NS) /* for all to disconnect in good order */
#define SETTLE_NS   (5 * SECOND_NS) /* no complaint about the link this soon after the start */

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

struct run {
    const struct options *options;
    struct fleet *fleet;
    int64_t start_ns, check_ns, report_ns, all_ns;
    struct log_complaint link;
};

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static void catch_signals(void)
{
    struct sigaction stop = { .sa_handler = on_signal };
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

/* Each station needs descriptors of its own; the soft limit is often 1,024. */
static void allow_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void print_totals(const struct fleet_totals *totals)
{
    const struct station_counters *c = &totals->counters;
    fprintf(
        stderr,
        "phusa-station: %zu stations, %zu connected; reports %llu, covered %llu, published %llu "
        "(again %llu), set aside %llu, overwritten %llu, without number %llu; readings %llu, "
        "missing %llu, failed %llu; log errors %llu\n",
        totals->stations, totals->connected, (unsigned long long)c->reports,
        (unsigned long long)c->covered, (unsigned long long)c->published,
        (unsigned long long)c->resent, (unsigned long long)c->set_aside,
        (unsigned long long)c->overwritten, (unsigned long long)c->unlogged,
        (unsigned long long)c->sampled, (unsigned long long)c->missing,
        (unsigned long long)c->failed, (unsigned long long)c->log_errors);
}

static void watch_link(struct run *run, const struct fleet_totals *totals, int64_t mono_ns)
{
    struct problem why = { 0 };
    long long lasted = 0;
    if (totals->connected == totals->stations) {
        if (log_complaint_over(&run->link, mono_ns, &lasted)) {
            log_info("all %zu stations are connected again after %lld s", totals->stations,
                     lasted / SECOND_NS);
        }
    } else if (mono_ns - run->start_ns >= SETTLE_NS && fleet_complaint(run->fleet, &why) &&
               log_complaint_due(&run->link, mono_ns)) {
        log_warning("%zu of %zu stations are not connected; %s",
                    totals->stations - totals->connected, totals->stations, why.text);
    }
}

/* Once a second: the link, the counts, and whether all is done. True to end. */
static bool look_around(struct run *run, int64_t mono_ns)
{
    struct fleet_totals totals;
    if (mono_ns < run->check_ns) {
        return false;
    }
    fleet_total(run->fleet, &totals);
    bool done = run->options->exit_when_delivered && totals.finished && totals.delivered;
    watch_link(run, &totals, mono_ns);
    run->check_ns = mono_ns + (run->options->exit_when_delivered ? CHECK_NS / 10 : CHECK_NS);
    if (mono_ns >= run->report_ns) {
        run->report_ns = mono_ns + REPORT_NS;
        if (isatty(STDERR_FILENO)) {
            print_totals(&totals);
        }
    }
    return done;
}

static void wait_until(const struct run *run, int64_t next_ns)
{
    int64_t pause = next_ns - clock_mono().ns;
    pause = pause < 0 ? 0 : pause > WAIT_MAX_NS ? WAIT_MAX_NS : pause;
    fleet_wait(run->fleet, (int)((pause + MILLI_NS - 1) / MILLI_NS));
}

static void loop(struct run *run)
{
    bool simulated = run->options->clock.speed > 0;
    while (!stop_asked) {
        mono_time mono = clock_mono();
        bool all = simulated && mono.ns >= run->all_ns;
        if (all) {
            run->all_ns = mono.ns + WAIT_MAX_NS;
        }
        int64_t next = fleet_step(run->fleet, clock_wall(&run->options->clock), mono, all);
        if (look_around(run, mono.ns)) {
            return;
        }
        wait_until(run, next);
    }
}

static void say_goodbye(struct run *run)
{
    struct fleet_totals totals;
    int64_t end = clock_mono().ns + GOODBYE_NS;
    fleet_goodbye(run->fleet, clock_wall(&run->options->clock), clock_mono());
    do {
        wait_until(run, end);
        fleet_part(run->fleet, clock_mono());
        fleet_total(run->fleet, &totals);
    } while (totals.connected > 0 && clock_mono().ns < end);
}

/* True if the end is a good one: asked for by a signal, or all was delivered. */
static bool finish(struct run *run)
{
    struct fleet_totals totals;
    fleet_total(run->fleet, &totals);
    say_goodbye(run);
    fleet_print_devices(run->fleet, stderr);
    print_totals(&totals);
    const struct station_counters *c = &totals.counters;
    return !run->options->exit_when_delivered || stop_asked ||
           (c->set_aside == 0 && c->overwritten == 0 && c->log_errors == 0);
}

static int run_fleet(const struct options *options, const struct settings *settings)
{
    struct problem problem = { 0 };
    struct run run = { .options = options, .fleet = fleet_create(options, settings, &problem) };
    if (run.fleet == NULL) {
        log_error("%s", problem.text);
        return EXIT_BAD;
    }
    run.start_ns = clock_mono().ns;
    run.report_ns = run.start_ns + REPORT_NS;
    loop(&run);
    bool good = finish(&run);
    fleet_free(run.fleet);
    return good ? EXIT_GOOD : EXIT_BAD;
}

static int run_dump(const char *path)
{
    struct problem problem = { 0 };
    struct dump_totals totals;
    if (!dump_log(path, stdout, &totals, &problem)) {
        fprintf(stderr, "phusa-station: %s\n", problem.text);
        return EXIT_BAD;
    }
    if (totals.printed == 0 || totals.absent > 0 || totals.nameless > 0) {
        fprintf(stderr, "phusa-station: %s: %llu reports, %llu without names; %llu not readable\n",
                path, (unsigned long long)totals.printed, (unsigned long long)totals.nameless,
                (unsigned long long)totals.absent);
    }
    return EXIT_GOOD;
}

static int run_check_map(const char *path)
{
    struct problem problem = { 0 };
    if (!field_print_map(path, stdout, &problem)) {
        fprintf(stderr, "phusa-station: %s\n", problem.text);
        return EXIT_BAD;
    }
    return EXIT_GOOD;
}

int main(int argc, char **argv)
{
    static struct options options;
    static struct settings_errors errors;
    struct problem problem = { 0 };
    struct settings *settings = NULL;
    if (!options_parse(&options, argc, argv, &problem)) {
        fprintf(stderr, "phusa-station: %s\n", problem.text);
        return EXIT_USAGE;
    }
    if (options.help) {
        fputs(OPTIONS_HELP, stdout);
        return EXIT_GOOD;
    }
    if (options.dump_log != NULL) {
        return run_dump(options.dump_log);
    }
    if (options.check_map != NULL) {
        return run_check_map(options.check_map);
    }
    catch_signals();
    allow_files();
    if (settings_load(options.config, SETTINGS_STATIONS, &settings, &errors) != SETTINGS_OK) {
        settings_errors_print(&errors, stderr);
        settings_errors_clear(&errors);
        return EXIT_BAD;
    }
    int code = run_fleet(&options, settings);
    settings_free(settings);
    settings_errors_clear(&errors);
    return code;
}

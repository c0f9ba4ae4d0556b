/* phusad: options, start, the loop that waits for signals, stop. */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/http.h"
#include "base/log.h"
#include "collector.h"

#define TEND_NS (100 * MILLI_NS)

/*
 * Blocks from this size on are mapped one by one and go back to the system when they are freed.
 * Left alone the allocator raises its limit to 32 MiB with the first large block that is freed, and
 * keeps from then on what a moment of trouble took (what waits for a slow disk, a snapshot).
 */
#define MAPPED_FROM (1 << 20)

struct options {
    const char *file;
    const char *clock;
    bool check_only;
};

static void print_usage(FILE *out)
{
    (void)fputs(
        "usage: phusad [-n] [-v] [--clock SPEC] -c FILE\n"
        "  -c, --config FILE  the configuration, see phusa.cfg(5)\n"
        "  -n, --check        check the configuration with all it includes, and end\n"
        "  -v, --verbose      log more\n"
        "      --clock SPEC   simulated time, start=EPOCH,speed=N,origin=EPOCH[,offset=FILE]\n"
        "                     (default: the environment's PHUSA_CLOCK, else real time)\n"
        "  -V, --version      print the version\n"
        "  -h, --help         print this\n",
        out);
}

/* 0 go on, otherwise the exit code plus one. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },
        { "check", no_argument, NULL, 'n' },
        { "verbose", no_argument, NULL, 'v' },
        { "clock", required_argument, NULL, 'k' },
        { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;
    while ((option = getopt_long(argc, argv, "c:nvVh", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->file = optarg;
            break;
        case 'n':
            options->check_only = true;
            break;
        case 'v':
            log_set_level(LOG_LEVEL_DEBUG);
            break;
        case 'k':
            options->clock = optarg;
            break;
        case 'V':
            (void)puts("phusad " PHUSA_VERSION);
            return 1;
        case 'h':
            print_usage(stdout);
            return 1;
        default:
            print_usage(stderr);
            return 3;
        }
    }
    if (options->file == NULL || optind != argc) {
        print_usage(stderr);
        return 3;
    }
    return 0;
}

/* Wrong lines of the subscribers' table: the others count, so they are no mistake of the
 * configuration. */
static void tell_subscribers(const struct subscribers *subscribers)
{
    for (size_t i = 0; i < subscribers->mistake_count; i++) {
        log_warning("%s", subscribers->mistakes[i]);
    }
    if (subscribers->bad > 0) {
        log_warning("subscribers: %zu good, %zu %s left out", subscribers->count, subscribers->bad,
                    subscribers->bad == 1 ? "line" : "lines");
    }
}

/* What a check prints, in the same words. */
static void log_warnings(const struct settings_warnings *warnings)
{
    for (size_t i = 0; i < warnings->count; i++) {
        log_warning("%s", warnings->items[i]);
    }
    if (warnings->dropped > 0) {
        log_warning("and %zu more warnings", warnings->dropped);
    }
}

/* NULL after printing every mistake. */
static struct settings *load(const char *file, struct settings_errors *errors)
{
    struct settings *settings = NULL;
    if (settings_load(file, SETTINGS_ALL, &settings, errors) == SETTINGS_NO_MEMORY) {
        log_error("%s: out of memory", file);
        return NULL;
    }
    if (settings == NULL) {
        settings_errors_print(errors, stderr);
    } else {
        tell_subscribers(&settings->subscribers);
    }
    return settings;
}

/* The last line of a check: whether phusad starts with it, and what of it would not count. */
static void print_verdict(const char *file, const struct settings *settings)
{
    if (settings == NULL) {
        (void)printf("%s: not good, phusad does not start with it\n", file);
        return;
    }
    size_t bad = settings->subscribers.bad;
    (void)printf("%s: good (%zu parameters, %zu stations, %zu rules)", file,
                 settings->catalogue.count, settings->registry.count, settings->rulebook.count);
    if (bad > 0) {
        (void)printf(", but %zu %s of the subscribers %s wrong and left out", bad,
                     bad == 1 ? "line" : "lines", bad == 1 ? "is" : "are");
    }
    (void)putchar('\n');
}

static int check(const char *file)
{
    struct settings_errors errors = { 0 };
    struct settings *settings = load(file, &errors);
    bool good = settings != NULL;
    if (good) {
        settings_warnings_print(&settings->warnings, stderr);
    }
    print_verdict(file, settings);
    settings_free(settings);
    settings_errors_clear(&errors);
    return good ? 0 : 1;
}

static void reload(struct collector *collector, const char *file)
{
    struct settings_errors errors = { 0 };
    struct settings *settings = load(file, &errors);
    if (settings != NULL) {
        log_info("%s: loaded again: %zu stations, %zu rules", file, settings->registry.count,
                 settings->rulebook.count);
        log_warnings(&settings->warnings);
        collector_reload(collector, settings);
    } else {
        collector_reload_refused(collector,
                                 errors.count > 0 ? errors.items[0].text : "out of memory");
        log_error("%s: has mistakes; the settings in force stay", file);
    }
    settings_errors_clear(&errors);
}

static void tend_until_stopped(struct collector *collector, const char *file,
                               const sigset_t *signals)
{
    static const struct timespec pause = { .tv_nsec = TEND_NS };
    for (;;) {
        int signal = sigtimedwait(signals, NULL, &pause);
        if (signal == SIGHUP) {
            reload(collector, file);
        } else if (signal == SIGTERM || signal == SIGINT) {
            log_info("stopping");
            return;
        }
        collector_tend(collector);
    }
}

/* Blocked in every thread; tend_until_stopped takes them one by one. */
static void block_signals(sigset_t *signals)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    (void)sigaddset(signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static int run(const char *file, const struct clock *clock)
{
    sigset_t signals;
    block_signals(&signals);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
    struct settings_errors errors = { 0 };
    struct settings *settings = load(file, &errors);
    settings_errors_clear(&errors);
    if (settings == NULL) {
        return 1;
    }
    log_warnings(&settings->warnings);
    struct problem problem = { 0 };
    http_global_init();
    struct collector *collector = collector_create(settings, clock, &problem);
    if (collector == NULL) {
        log_error("%s", problem.text);
        http_global_end();
        return 1;
    }
    log_info("phusad " PHUSA_VERSION ": http on port %u", collector_port(collector));
    tend_until_stopped(collector, file, &signals);
    collector_free(collector);
    http_global_end();
    log_info("stopped");
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = { .clock = getenv("PHUSA_CLOCK") };
    struct clock clock;
    struct problem problem = { 0 };
    int ended = parse_options(argc, argv, &options);
    if (ended != 0) {
        return ended - 1;
    }
    if (clock_parse(&clock, options.clock, &problem) != CLOCK_OK) {
        (void)fprintf(stderr, "phusad: %s\n", problem.text);
        return 2;
    }
    return options.check_only ? check(options.file) : run(options.file, &clock);
}

/*
 * Ten thousand stations cross a limit at once, and 150 people on three channels must hear of each:
 * how fast that is written down, how soon the first message leaves, and what a person gets.
 *
 *   storm_bench FOLDER [SERIES]
 *
 * Prints one JSON object. The folder is for the outbox; its files stay there. The other side takes
 * every parcel at once.
 */
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../unit/storm.h"
#include "base/log.h"

#define SERIES    10000
#define BATCH     64 /* notices in a commit, as from a batch of the journal */
#define GATHER_NS (30 * SECOND_NS)
#define PATIENCE  (120 * SECOND_NS)

static atomic_llong first_ns; /* when the first message left; 0 = none has */
static atomic_ullong singles, digests, told;

static enum delivery take_parcel(void *self, const struct parcel *parcel, struct problem *problem)
{
    (void)self;
    (void)problem;
    long long none = 0;
    (void)atomic_compare_exchange_strong(&first_ns, &none, clock_mono().ns);
    bool digest = parcel->count + parcel->more > 1;
    atomic_fetch_add(digest ? &digests : &singles, 1);
    atomic_fetch_add(&told, parcel->count + parcel->more);
    return DELIVERY_DONE;
}

static void nothing(void *self)
{
    (void)self;
}

static bool open_fake(struct carrier *carrier, const struct channel_settings *channel,
                      const struct carrier_means *means, struct problem *problem)
{
    (void)channel;
    (void)means;
    (void)problem;
    *carrier = (struct carrier){
        .deliver = take_parcel, .abort = nothing, .free = nothing, .most = PARCEL_LETTERS_MAX
    };
    return true;
}

static bool publish(void *context, const char *topic, const char *payload, size_t length)
{
    (void)context;
    (void)topic;
    (void)payload;
    (void)length;
    return true;
}

static double seconds_since(mono_time begin)
{
    return (double)(clock_mono().ns - begin.ns) / 1e9;
}

/* Commits the storm; returns the longest commit. False when one fails. */
static bool commit_all(struct outbox *outbox, struct notifier *notifier, const struct storm *storm,
                       double *longest_s)
{
    static struct notice notices[BATCH];
    struct problem problem = { "" };
    for (size_t at = 0; at < storm->series;) {
        size_t count = 0;
        while (count < BATCH && at < storm->series) {
            notices[count++] = storm_notice(storm, at++);
        }
        mono_time begin = clock_mono();
        if (outbox_commit(outbox, notices, count, &storm->settings, at, clock_real(), &problem) !=
            OUTBOX_OK) {
            (void)fprintf(stderr, "%s\n", problem.text);
            return false;
        }
        double lasted_s = seconds_since(begin);
        *longest_s = lasted_s > *longest_s ? lasted_s : *longest_s;
        notifier_wake(notifier);
    }
    return true;
}

static bool await_all(struct outbox *outbox)
{
    struct outbox_counters counters;
    int64_t end_ns = clock_mono().ns + PATIENCE;
    do {
        clock_sleep_until((mono_time){ clock_mono().ns + 10 * MILLI_NS });
        outbox_read_counters(outbox, &counters);
    } while (counters.waiting > 0 && clock_mono().ns < end_ns);
    return counters.waiting == 0 && counters.dropped == 0;
}

static double mebibytes_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (double)info.st_size / 1048576.0 : 0;
}

static void print_figures(const struct storm *storm, const char *path, double commit_s,
                          double longest_s, double first_s, double all_s)
{
    struct rusage usage;
    double messages = (double)storm->series * (STORM_CHANNELS * STORM_PEOPLE + 1);
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("{\"series\": %zu, \"messages\": %.0f, \"commit_s\": %.2f, "
                 "\"messages_per_s\": %.0f, \"longest_commit_s\": %.3f, \"first_s\": %.4f, "
                 "\"all_s\": %.1f, \"singles\": %llu, \"digests\": %llu, \"told\": %llu, "
                 "\"rss_mib\": %.1f, \"file_mib\": %.0f}\n",
                 storm->series, messages, commit_s, messages / commit_s, longest_s, first_s, all_s,
                 (unsigned long long)atomic_load(&singles),
                 (unsigned long long)atomic_load(&digests), (unsigned long long)atomic_load(&told),
                 (double)usage.ru_maxrss / 1024, mebibytes_of(path));
}

static bool run(const struct storm *storm, const char *path)
{
    static const struct carriers fakes = {
        .of = { [CHANNEL_EMAIL] = open_fake, [CHANNEL_SMS] = open_fake }, .retained = retained_open
    };
    const struct notifier_publish nowhere = { NULL, publish };
    struct outbox *outbox = NULL;
    uint64_t position = 0;
    double longest_s = 0;
    if (outbox_open(path, &outbox, &position, NULL) != OUTBOX_OK) {
        return false;
    }
    struct notifier *notifier = notifier_create_with(outbox, &storm->settings, &nowhere, 1, &fakes);
    mono_time begin = clock_mono();
    bool good = notifier != NULL && commit_all(outbox, notifier, storm, &longest_s);
    double commit_s = seconds_since(begin);
    good = good && await_all(outbox);
    double all_s = seconds_since(begin);
    notifier_free(notifier);
    outbox_close(outbox);
    print_figures(storm, path, commit_s, longest_s,
                  (double)(atomic_load(&first_ns) - begin.ns) / 1e9, all_s);
    return good;
}

int main(int argc, char **argv)
{
    static struct storm storm;
    char path[4096];
    if (argc < 2) {
        (void)fprintf(stderr, "usage: storm_bench FOLDER [SERIES]\n");
        return 2;
    }
    (void)snprintf(path, sizeof path, "%s/outbox.db", argv[1]);
    size_t series = argc > 2 ? strtoul(argv[2], NULL, 10) : SERIES;
    bool good = storm_make(&storm, series, GATHER_NS) && run(&storm, path);
    storm_free(&storm);
    return good ? 0 : 1;
}

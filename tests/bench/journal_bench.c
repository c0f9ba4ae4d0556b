/*
 * The journal by itself: records of 400 bytes appended as fast as one thread can, while another
 * syncs every 20 ms, as the collector does. A record counts once it is on disk.
 *
 * Then a journal of MIB is written, opened as after a kill, and read from its beginning, from the
 * page cache.
 *
 *   journal_bench FOLDER [SECONDS [MIB]]
 *
 * The folder must not exist yet; the caller removes it.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "journal/journal.h"

#define PAYLOAD_BYTES 368
#define TOPIC         "phusa/1/bench/bench-0001/obs---" /* with the payload 400 bytes */
#define SYNC_NS       (20 * MILLI_NS)
#define SYNCS_MAX     100000
#define SEGMENT_BYTES (INT64_C(64) << 20)
#define KEEP_BYTES    (INT64_C(512) << 20) /* older segments are removed meanwhile */
#define RETAIN_EVERY  200000               /* records */

struct syncer {
    struct journal *journal;
    atomic_bool stopping;
    double *took_ms;
    size_t count;
};

static void give_up(const char *what)
{
    (void)fprintf(stderr, "journal_bench: %s\n", what);
    exit(1);
}

static void *sync_run(void *context)
{
    struct syncer *syncer = context;
    while (!atomic_load(&syncer->stopping)) {
        struct problem problem;
        mono_time begun = clock_mono();
        if (journal_sync(syncer->journal, &problem) != JOURNAL_OK) {
            give_up(problem.text);
        }
        if (syncer->count < SYNCS_MAX) {
            syncer->took_ms[syncer->count++] =
                (double)(clock_mono().ns - begun.ns) / (double)MILLI_NS;
        }
        clock_sleep_until((mono_time){ begun.ns + SYNC_NS });
    }
    return NULL;
}

static struct journal_record sample(void)
{
    static char payload[PAYLOAD_BYTES];
    memset(payload, 'x', PAYLOAD_BYTES);
    return (struct journal_record){ .kind = JOURNAL_MESSAGE,
                                    .topic = phusa_text_of(TOPIC),
                                    .payload = { payload, PAYLOAD_BYTES } };
}

static void append(struct journal *journal, struct journal_record *record)
{
    record->time = clock_real();
    if (journal_append(journal, record, NULL) != JOURNAL_OK) {
        give_up("append failed");
    }
}

static uint64_t append_for(struct journal *journal, int64_t duration_ns)
{
    struct journal_record record = sample();
    mono_time until = { clock_mono().ns + duration_ns };
    uint64_t count = 0;
    for (; clock_mono().ns < until.ns; count++) {
        append(journal, &record);
        if (count % RETAIN_EVERY == 0) {
            (void)journal_retain(journal, UINT64_MAX, (wall_time){ INT64_MIN }, KEEP_BYTES);
        }
    }
    return count;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double seconds_since(mono_time begun)
{
    return (double)(clock_mono().ns - begun.ns) / (double)SECOND_NS;
}

static struct journal *open_journal(const char *folder, struct journal_recovery *found)
{
    struct journal_options options = { .path = folder, .segment_bytes = SEGMENT_BYTES };
    struct problem problem;
    struct journal *journal;
    if (journal_open(&options, &journal, found, &problem) != JOURNAL_OK) {
        give_up(problem.text);
    }
    return journal;
}

static void measure_appending(const char *folder, double seconds)
{
    struct syncer syncer = { .journal = open_journal(folder, NULL),
                             .took_ms = calloc(SYNCS_MAX, sizeof(double)) };
    struct problem problem;
    pthread_t thread;
    mono_time begun = clock_mono();
    if (syncer.took_ms == NULL || pthread_create(&thread, NULL, sync_run, &syncer) != 0) {
        give_up("no memory or no thread");
    }
    uint64_t count = append_for(syncer.journal, (int64_t)(seconds * (double)SECOND_NS));
    atomic_store(&syncer.stopping, true);
    (void)pthread_join(thread, NULL);
    if (journal_sync(syncer.journal, &problem) != JOURNAL_OK) {
        give_up(problem.text);
    }
    double took = seconds_since(begun);
    journal_close(syncer.journal);
    qsort(syncer.took_ms, syncer.count, sizeof(double), by_value);
    printf("records/s %.0f\nsyncs %zu\nsync_ms median %.2f p99 %.2f\n", (double)count / took,
           syncer.count, syncer.took_ms[syncer.count / 2], syncer.took_ms[syncer.count * 99 / 100]);
    free(syncer.took_ms);
}

static void measure_opening(const char *folder, uint64_t mib)
{
    struct journal_recovery found;
    struct journal_reader *reader;
    struct journal_record record = sample();
    struct journal *journal = open_journal(folder, &found);
    uint64_t read = 0, appended = found.last_position;
    for (; journal_bytes(journal) < mib << 20; appended++) {
        append(journal, &record);
    }
    journal_close(journal);
    mono_time begun = clock_mono();
    journal = open_journal(folder, &found);
    double opened = seconds_since(begun);
    double mb = (double)journal_bytes(journal) / 1e6;
    uint64_t due = found.last_position - journal_oldest(journal) + 1;
    begun = clock_mono();
    if (journal_reader_open(journal, 0, &reader, NULL) != JOURNAL_OK) {
        give_up("no reader");
    }
    while (journal_next(reader, &record) == JOURNAL_OK) {
        read++;
    }
    double took = seconds_since(begun);
    if (read != due || found.last_position != appended) {
        give_up("the journal does not hold what was appended");
    }
    printf("open_s %.3f of %.0f MB\nread_s %.3f MB/s %.0f records/s %.0f\n", opened, mb, took,
           mb / took, (double)read / took);
    journal_reader_close(reader);
    journal_close(journal);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        give_up("usage: journal_bench FOLDER [SECONDS [MIB]]");
    }
    measure_appending(argv[1], argc > 2 ? strtod(argv[2], NULL) : 2);
    measure_opening(argv[1], argc > 3 ? strtoull(argv[3], NULL, 10) : 1024);
    return 0;
}

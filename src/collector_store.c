/*
 * The sender's thread and its end of the spool. The cursor file is one line,
 * "phusa-cursor 1 SAFE SENT CRC\n": the positions in decimal, the CRC32C of
 * everything before it in hex. It is written only after the spool is synced, so it never
 * names a position that a power cut could take back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collector_state.h"
#include "phusa/crc32c.h"
#include "store/lineproto.h"

#define CURSOR_CHARS     128
#define REFUSAL_QUIET_NS (60 * SECOND_NS) /* so long without a refused line, and it is over */

void store_read_cursor(struct collector *collector, uint64_t *safe, uint64_t *sent)
{
    char line[CURSOR_CHARS] = { 0 };
    *safe = *sent = 0;
    FILE *file = fopen(collector->cursor_path, "re");
    if (file == NULL) {
        return;
    }
    size_t length = fread(line, 1, sizeof line - 1, file);
    (void)fclose(file);
    uint32_t crc = 0;
    int head = 0;
    bool whole = length > 0 && sscanf(line, "phusa-cursor 1 %" SCNu64 " %" SCNu64 " %n%8" SCNx32,
                                      safe, sent, &head, &crc) == 3;
    if (!whole || crc != phusa_crc32c(0, line, (size_t)head)) {
        log_warning("%s is damaged: what the spool still holds is sent again",
                    collector->cursor_path);
        *safe = *sent = 0;
    }
}

static int spool_remember(void *context, uint64_t safe, uint64_t sent)
{
    struct collector *collector = context;
    char line[CURSOR_CHARS];
    if (journal_sync(collector->spool, NULL) != JOURNAL_OK) {
        return -1;
    }
    int head = snprintf(line, sizeof line, "phusa-cursor 1 %" PRIu64 " %" PRIu64 " ", safe, sent);
    uint32_t crc = phusa_crc32c(0, line, (size_t)head);
    int tail = snprintf(line + head, sizeof line - (size_t)head, "%08" PRIx32 "\n", crc);
    return files_replace(&files_posix, collector->cursor_path, line, (size_t)head + (size_t)tail);
}

static int spool_next(void *context, struct spool_item *item)
{
    struct collector *collector = context;
    struct journal_record record;
    switch (journal_next(collector->spool_reader, &record)) {
    case JOURNAL_OK:
        *item = (struct spool_item){ record.position, record.count, record.payload };
        return 1;
    case JOURNAL_NOTHING_YET:
        return 0;
    default:
        return -1;
    }
}

static int spool_seek(void *context, uint64_t from)
{
    struct collector *collector = context;
    struct journal_reader *fresh;
    if (journal_reader_open(collector->spool, from, &fresh, NULL) != JOURNAL_OK) {
        return -1;
    }
    journal_reader_close(collector->spool_reader);
    collector->spool_reader = fresh;
    return 0;
}

static void quarantine_line(struct collector *collector, struct phusa_text line, const char *why)
{
    json_t *text = json_object();
    (void)json_object_set_new(text, "reason", json_string(phusa_reason_name(PHUSA_REASON_STORE)));
    (void)json_object_set_new(text, "detail", json_string(why));
    (void)json_object_set_new(text, "line", json_stringn(line.data, line.length));
    quarantine_append(collector, text,
                      (struct journal_record){ .time = clock_wall(&collector->clock) });
}

static void spool_refused(void *context, struct phusa_text line, const char *why)
{
    struct collector *collector = context;
    collector->last_refusal = clock_mono();
    (void)atomic_fetch_add(&collector->refused_readings, line_readings(line));
    if (log_complaint_due(&collector->refusal_complaint, collector->last_refusal.ns)) {
        log_warning("the store refuses lines for ever, they are set aside: %s", why);
    }
    quarantine_line(collector, line, why);
}

/* Readings behind the cursor: what earlier runs left for this one to deliver. */
static uint64_t count_pending(struct collector *collector, uint64_t safe)
{
    struct journal_reader *reader;
    struct journal_record record;
    uint64_t readings = 0;
    if (journal_reader_open(collector->spool, safe + 1, &reader, NULL) != JOURNAL_OK) {
        return 0;
    }
    while (journal_next(reader, &record) == JOURNAL_OK) {
        readings += record.count;
    }
    journal_reader_close(reader);
    return readings;
}

bool store_create(struct collector *collector, struct problem *problem)
{
    struct spool_source source = { collector, spool_next, spool_seek, spool_remember,
                                   spool_refused };
    uint64_t safe, sent;
    store_read_cursor(collector, &safe, &sent);
    collector->pending_at_start = count_pending(collector, safe);
    if (journal_reader_open(collector->spool, safe + 1, &collector->spool_reader, problem) !=
        JOURNAL_OK) {
        return false;
    }
    collector->sender = sender_create(&collector->first->settings->store, &source, safe, sent,
                                      (uint64_t)clock_mono().ns);
    if (collector->sender == NULL) {
        problem_set(problem, "out of memory for the sender");
        return false;
    }
    return true;
}

void store_free(struct collector *collector)
{
    sender_free(collector->sender);
    journal_reader_close(collector->spool_reader);
}

/* Says once that the store is away or refuses lines, and once that it is better. */
static void report_store(struct collector *collector, mono_time now)
{
    struct problem problem;
    sender_read_problem(collector->sender, &problem);
    long long lasted = 0;
    if (problem.text[0] != '\0') {
        if (log_complaint_due(&collector->store_complaint, now.ns)) {
            log_warning("store: %s; readings wait in the spool", problem.text);
        }
    } else if (log_complaint_over(&collector->store_complaint, now.ns, &lasted)) {
        log_info("store: answers again after %lld s", lasted / SECOND_NS);
    }
    if (now.ns - collector->last_refusal.ns >= REFUSAL_QUIET_NS &&
        log_complaint_over(&collector->refusal_complaint, now.ns, &lasted)) {
        log_info("store: refuses no line any more after %lld s", lasted / SECOND_NS);
    }
}

/* At the stop: what is there without waiting for a full batch, until the time is over. */
static void flush(struct collector *collector)
{
    (void)journal_sync(collector->spool, NULL);
    while (clock_mono().ns < atomic_load(&collector->flush_until_ns) &&
           !sender_flush(collector->sender, clock_mono())) {
        clock_sleep_until((mono_time){ clock_mono().ns + 20 * MILLI_NS });
    }
}

void *store_run(void *context)
{
    struct collector *collector = context;
    while (atomic_load(&collector->flush_until_ns) == 0) {
        (void)journal_sync(collector->spool, NULL);
        mono_time now = clock_mono();
        mono_time next = sender_step(collector->sender, now);
        report_store(collector, clock_mono());
        int64_t pause = next.ns - clock_mono().ns;
        if (pause > 0) {
            (void)journal_wait_appended(collector->spool, pause < SECOND_NS ? pause : SECOND_NS);
        }
    }
    flush(collector);
    return NULL;
}

/* The sender's thread and its end of the spool. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector_state.h"
#include "store/cursor.h"
#include "store/lineproto.h"

#define REFUSAL_QUIET_NS (60 * SECOND_NS) /* so long without a refused line, and it is over */
#define REFUSED_BEFORE_MAX                                                                         \
    65536 /* refusals of the last second before a crash; more may count twice */

void store_read_cursor(struct collector *collector, struct store_cursor *cursor)
{
    switch (store_cursor_read(&files_posix, collector->cursor_path, cursor)) {
    case KEPT_OK:
    case KEPT_ABSENT:
        return;
    default:
        log_warning("%s cannot be read: what the spool still holds is sent again",
                    collector->cursor_path);
    }
}

static int spool_remember(void *context, uint64_t safe, uint64_t sent)
{
    struct collector *collector = context;
    struct store_cursor cursor = { safe, sent };
    if (collector->refusal_lost || journal_sync(collector->spool, NULL) != JOURNAL_OK) {
        return -1;
    }
    return store_cursor_write(&files_posix, collector->cursor_path, &cursor) == KEPT_OK ? 0 : -1;
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

/* --- what the store will never have ----------------------------------------------------------- */

/*
 * A line that was refused before a crash is refused again when the cursor had not been written
 * since; it must not count twice. With each refusal stands how far the store had got ("after"), so
 * the start knows which of them will come again.
 */
static uint64_t hash_of(struct phusa_text line)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a (Fowler, Noll, Vo) */
    for (size_t i = 0; i < line.length; i++) {
        hash = (hash ^ (uint8_t)line.data[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void recall_refusal(struct collector *collector, struct phusa_text payload, uint64_t sent,
                           struct store_cursor *cursor)
{
    const char *line = NULL;
    json_int_t after = -1, next = 0;
    json_t *item = json_loadb(payload.data, payload.length, 0, NULL);
    if (item != NULL && json_unpack(item, "{s:s, s:I}", "line", &line, "after", &after) == 0 &&
        after >= 0 && (uint64_t)after >= sent && collector->refused_count < REFUSED_BEFORE_MAX) {
        collector->refused_before[collector->refused_count++] = hash_of(phusa_text_of(line));
    }
    if (item != NULL && json_unpack(item, "{s:I}", "spool_next", &next) == 0 && next > 0 &&
        (uint64_t)next > cursor->safe + 1 &&
        (uint64_t)next <= journal_appended(collector->spool) + 1) {
        cursor->safe = (uint64_t)next - 1; /* what went with a full spool is not to be sent */
        cursor->sent = cursor->sent > cursor->safe ? cursor->sent : cursor->safe;
    }
    json_decref(item);
}

static bool recall_refusals(struct collector *collector, struct store_cursor *cursor)
{
    struct journal_reader *reader;
    struct journal_record record;
    uint64_t sent = cursor->sent;
    collector->refused_before = calloc(REFUSED_BEFORE_MAX, sizeof *collector->refused_before);
    if (collector->refused_before == NULL ||
        journal_reader_open(collector->quarantine, 0, &reader, NULL) != JOURNAL_OK) {
        return false;
    }
    while (journal_next(reader, &record) == JOURNAL_OK) {
        if (record.kind == JOURNAL_SET_ASIDE && record.topic.length == 0) {
            recall_refusal(collector, record.payload, sent, cursor);
        }
    }
    journal_reader_close(reader);
    qsort(collector->refused_before, collector->refused_count, sizeof *collector->refused_before,
          by_value);
    return true;
}

/* True once for each: what is refused later, after it was put back, is another refusal. */
static bool was_refused(struct collector *collector, struct phusa_text line)
{
    uint64_t hash = hash_of(line);
    uint64_t *found = collector->refused_count == 0
                          ? NULL
                          : bsearch(&hash, collector->refused_before, collector->refused_count,
                                    sizeof hash, by_value);
    if (found == NULL) {
        return false;
    }
    size_t behind = collector->refused_count - (size_t)(found - collector->refused_before) - 1;
    memmove(found, found + 1, behind * sizeof *found);
    collector->refused_count--;
    return true;
}

/* Its readings count as quarantined from here on; both under the lock, as a snapshot takes both. */
static bool set_aside(struct collector *collector, json_t *text, struct phusa_text station,
                      enum phusa_reason reason, uint64_t readings)
{
    (void)json_object_set_new(text, "reason", json_string(phusa_reason_name(reason)));
    (void)json_object_set_new(text, "station", json_stringn(station.data, station.length));
    (void)json_object_set_new(text, "readings", json_integer((json_int_t)readings));
    (void)pthread_mutex_lock(&collector->state_lock);
    bool kept = quarantine_append(collector, text,
                                  (struct journal_record){ .kind = JOURNAL_SET_ASIDE,
                                                           .time = clock_wall(&collector->clock) });
    if (kept) {
        pipeline_lost(collector->pipeline, station, reason, readings);
    }
    (void)pthread_mutex_unlock(&collector->state_lock);
    return kept;
}

static uint32_t readings_in(struct collector *collector, struct phusa_text line)
{
    struct shared_settings *current = shared_settings_current(collector);
    uint32_t readings = line_readings(line, &current->settings->registry);
    shared_settings_drop(current);
    return readings;
}

static void spool_refused(void *context, struct phusa_text line, const char *why)
{
    struct collector *collector = context;
    struct sender_counters sender;
    if (was_refused(collector, line)) {
        return;
    }
    sender_read_counters(collector->sender, &sender);
    collector->last_refusal = clock_mono();
    if (log_complaint_due(&collector->refusal_complaint, collector->last_refusal.ns)) {
        log_warning("the store refuses lines for ever, they are set aside: %s", why);
    }
    json_t *text = json_object();
    (void)json_object_set_new(text, "detail", json_string(why));
    (void)json_object_set_new(text, "line", json_stringn(line.data, line.length));
    (void)json_object_set_new(text, "after", json_integer((json_int_t)sender.position_sent));
    /* Nobody else has the line: it is kept at hand until the quarantine takes it, or the end. */
    uint32_t readings = readings_in(collector, line);
    while (!set_aside(collector, text, line_tag(line, "station"), PHUSA_REASON_STORE, readings)) {
        if (atomic_load(&collector->flush_until_ns) != 0) {
            collector->refusal_lost = true;
            break;
        }
        clock_sleep_until((mono_time){ clock_mono().ns + SECOND_NS });
    }
    json_decref(text);
}

/* --- a full spool --------------------------------------------------------------------------- */

/* What goes of one station with a segment of the spool. */
struct loss {
    char station[PHUSA_ID_MAX + 1];
    uint64_t readings;
    int64_t from_ns, to_ns; /* times of its first and last reading */
};

/* Ascending by station; a station that does not fit counts with the last one's place. */
struct losses {
    uint64_t next;     /* position of the spool that stays */
    uint64_t readings; /* of those told */
    size_t count, told;
    struct loss items[STATIONS_MAX];
};

static struct loss *loss_of(struct losses *losses, struct phusa_text station)
{
    size_t low = 0, high = losses->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strncmp(losses->items[middle].station, station.data, station.length);
        order = order == 0 ? losses->items[middle].station[station.length] != '\0' : order;
        if (order == 0) {
            return &losses->items[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    if (losses->count == STATIONS_MAX || station.length > PHUSA_ID_MAX) {
        return NULL;
    }
    struct loss *fresh = &losses->items[low];
    memmove(fresh + 1, fresh, (losses->count - low) * sizeof *fresh);
    *fresh = (struct loss){ .from_ns = INT64_MAX, .to_ns = INT64_MIN };
    memcpy(fresh->station, station.data, station.length);
    losses->count++;
    return fresh;
}

static void add_lines(struct losses *losses, const struct registry *registry,
                      struct phusa_text lines)
{
    struct phusa_text line;
    while (text_next_line(&lines, &line)) {
        struct loss *loss = loss_of(losses, line_tag(line, "station"));
        int64_t time_ns = 0;
        if (loss != NULL && line_time(line, &time_ns)) {
            loss->readings += line_readings(line, registry);
            loss->from_ns = time_ns < loss->from_ns ? time_ns : loss->from_ns;
            loss->to_ns = time_ns > loss->to_ns ? time_ns : loss->to_ns;
        }
    }
}

/* Lines of the records from..next - 1 that were not handed to the store. */
static bool add_segment(struct collector *collector, struct losses *losses, uint64_t from,
                        uint64_t next)
{
    struct journal_reader *reader;
    struct journal_record record;
    if (journal_reader_open(collector->spool, from, &reader, NULL) != JOURNAL_OK) {
        return false;
    }
    struct shared_settings *current = shared_settings_current(collector);
    while (journal_next(reader, &record) == JOURNAL_OK && record.position < next) {
        add_lines(losses, &current->settings->registry, record.payload);
    }
    shared_settings_drop(current);
    journal_reader_close(reader);
    return true;
}

/* One record for each station. The last one also says up to where the spool is gone, so that after
 * a crash in between either all of it was told or all of it is sent. */
static bool tell_loss(struct collector *collector, const struct losses *losses, size_t which)
{
    const struct loss *loss = &losses->items[which];
    json_t *text = json_object();
    (void)json_object_set_new(
        text, "detail",
        json_string("the spool was full; phusa resend writes this range from the journal"));
    (void)json_object_set_new(text, "from_ns", json_integer(loss->from_ns));
    (void)json_object_set_new(text, "to_ns", json_integer(loss->to_ns));
    if (which + 1 == losses->count) {
        (void)json_object_set_new(text, "spool_next", json_integer((json_int_t)losses->next));
    }
    bool kept = set_aside(collector, text, phusa_text_of(loss->station), PHUSA_REASON_SPOOL,
                          loss->readings);
    json_decref(text);
    return kept;
}

/*
 * Lets the oldest segments of a full spool go, in the sender's thread, so that nothing of them is
 * sent meanwhile. First it is written down what goes, and up to where: after a crash in between
 * the next start leaves out what was written down (store_create).
 */
static struct losses *begin_drop(struct collector *collector, uint64_t first, uint64_t next)
{
    struct sender_counters sender;
    sender_read_counters(collector->sender, &sender);
    uint64_t from = sender.position_sent + 1 > first ? sender.position_sent + 1 : first;
    struct losses *losses = calloc(1, sizeof *losses);
    if (losses == NULL || (from < next && !add_segment(collector, losses, from, next)) ||
        !sender_skip(collector->sender, next - 1)) {
        free(losses);
        return NULL;
    }
    losses->next = next;
    return losses;
}

/* False when something takes nothing now: it goes on there in the next round. */
static bool finish_drop(struct collector *collector, struct losses *losses)
{
    for (; losses->told < losses->count; losses->told++) {
        if (!tell_loss(collector, losses, losses->told)) {
            return false;
        }
        losses->readings += losses->items[losses->told].readings;
    }
    if (journal_sync(collector->quarantine, NULL) != JOURNAL_OK ||
        journal_retain(collector->spool, losses->next, (wall_time){ INT64_MAX }, INT64_MAX) == 0) {
        return false;
    }
    if (losses->readings > 0) {
        log_error("the spool is full: its oldest %" PRIu64 " readings of %zu stations are set "
                  "aside; the journal still has them, see phusa resend",
                  losses->readings, losses->count);
        (void)atomic_fetch_add(&collector->spool_lost, losses->readings);
    }
    return true;
}

static void make_room(struct collector *collector)
{
    uint64_t limit = (uint64_t)collector->first->settings->store.spool_bytes;
    uint64_t first, next;
    while (collector->losses != NULL || (journal_bytes(collector->spool) > limit &&
                                         journal_oldest_segment(collector->spool, &first, &next))) {
        if (collector->losses == NULL) {
            collector->losses = begin_drop(collector, first, next);
        }
        if (collector->losses == NULL || !finish_drop(collector, collector->losses)) {
            return;
        }
        free(collector->losses);
        collector->losses = NULL;
    }
}

bool store_create(struct collector *collector, struct problem *problem)
{
    struct spool_source source = { collector, spool_next, spool_seek, spool_remember,
                                   spool_refused };
    struct store_cursor cursor;
    store_read_cursor(collector, &cursor);
    if (!recall_refusals(collector, &cursor)) {
        problem_set(problem, "out of memory for the sender");
        return false;
    }
    if (journal_reader_open(collector->spool, cursor.safe + 1, &collector->spool_reader, problem) !=
        JOURNAL_OK) {
        return false;
    }
    collector->sender = sender_create(&collector->first->settings->store, &source, cursor.safe,
                                      cursor.sent, (uint64_t)clock_mono().ns);
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
    free(collector->refused_before);
    free(collector->losses);
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
        make_room(collector);
        int64_t pause = next.ns - clock_mono().ns;
        if (pause > 0) {
            (void)journal_wait_appended(collector->spool, pause < SECOND_NS ? pause : SECOND_NS);
        }
    }
    flush(collector);
    return NULL;
}

/*
 * Writing. The format stands in format.h.
 *
 * journal_append takes the lock, gives the record its position, puts it behind those that wait for
 * their sync in memory (sync.c), and writes it from there with one call. journal_append_later
 * leaves it there: what waits is written, all of it with one call, in front of the next record that
 * must be, when waiting_bytes are passed, before the segment is full, and by journal_sync.
 */
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/fresh.h"
#include "journal/inside.h"

#define SEGMENT_BYTES_DEFAULT (INT64_C(64) << 20)
#define WAITING_BYTES_DEFAULT (64u << 10)
#define ROOM_TRIES            16 /* syncs that an append waits for before it gives up */
#define NAME_TRIES            16 /* names a new segment tries, when files nobody listed have them */

/* --- opening ---------------------------------------------------------------- */

static void set_up_conditions(struct journal *journal)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&journal->appended_more, &attributes);
    (void)pthread_cond_init(&journal->synced_more, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&journal->lock, NULL);
    (void)pthread_mutex_init(&journal->sync_lock, NULL);
}

enum journal_status journal_open(const struct journal_options *options, struct journal **result,
                                 struct journal_recovery *recovery, struct problem *problem)
{
    struct journal_recovery found = { 0 };
    struct journal *journal = calloc(1, sizeof *journal);
    *result = NULL;
    if (journal == NULL || strlen(options->path) >= sizeof journal->path) {
        free(journal);
        problem_set(problem, "journal %s: no memory, or the path is too long", options->path);
        return JOURNAL_FAILED;
    }
    (void)snprintf(journal->path, sizeof journal->path, "%s", options->path);
    journal->files = options->files != NULL ? options->files : &files_posix;
    journal->segment_bytes =
        options->segment_bytes > 0 ? options->segment_bytes : SEGMENT_BYTES_DEFAULT;
    journal->waiting_bytes =
        options->waiting_bytes > 0 ? (size_t)options->waiting_bytes : WAITING_BYTES_DEFAULT;
    journal->fd = -1;
    set_up_conditions(journal);
    if (journal_recover(journal, options->least_position, &found) != JOURNAL_OK) {
        problem_set(problem, "journal %s: %s", options->path, strerror(errno));
        journal_close(journal);
        return JOURNAL_FAILED;
    }
    journal->synced = journal->appended;
    journal->next = journal->appended + 1;
    journal->reserve_bytes = options->reserve_bytes;
    (void)journal_reserve(journal);
    if (recovery != NULL) {
        *recovery = found;
    }
    *result = journal;
    return JOURNAL_OK;
}

void journal_close(struct journal *journal)
{
    if (journal == NULL) {
        return;
    }
    (void)journal_sync(journal, NULL);
    if (journal->fd >= 0) {
        (void)journal->files->close(journal->files->context, journal->fd);
    }
    segments_free(&journal->segments);
    free(journal->older.bytes);
    free(journal->newer.bytes);
    (void)pthread_cond_destroy(&journal->appended_more);
    (void)pthread_cond_destroy(&journal->synced_more);
    (void)pthread_mutex_destroy(&journal->lock);
    (void)pthread_mutex_destroy(&journal->sync_lock);
    free(journal);
}

/* --- appending --------------------------------------------------------------- */

static struct segment *newest_segment(struct journal *journal)
{
    size_t count = journal->segments.count;
    return journal->segments.items == NULL || count == 0 ? NULL
                                                         : &journal->segments.items[count - 1];
}

/* The full segment waits for its last sync. */
static void retire(struct journal *journal)
{
    if (journal->fd >= 0) {
        journal->retired[journal->retired_count++] = journal->fd;
        journal->fd = -1;
    }
}

/* *left says whether a file of that name is there after a failure. */
static int create_segment(struct journal *journal, const struct segment_header *header, bool *left)
{
    char path[JOURNAL_FILE_PATH_MAX];
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    journal_segment_path(journal->path, header->first, path);
    segment_header_write(header, bytes);
    int fd = journal->files->open(journal->files->context, path,
                                  O_WRONLY | O_APPEND | O_CREAT | O_EXCL, 0640);
    *left = fd < 0 && errno == EEXIST;
    if (fd >= 0 && files_write_all(journal->files, fd, bytes, sizeof bytes) != 0) {
        int failed = errno;
        (void)journal->files->close(journal->files->context, fd);
        *left = journal->files->unlink(journal->files->context, path) != 0;
        errno = failed;
        fd = -1;
    }
    return fd;
}

/* A file that is left without being one of ours stays in the list: its name counts all the same. */
static enum journal_status begin_segment(struct journal *journal)
{
    struct segment_header header = { .created_ns = clock_real().ns, .synced = journal->synced };
    int fd = -1;
    retire(journal);
    for (int tries = 0; tries < NAME_TRIES && fd < 0; tries++) {
        bool left;
        header.first = journal->next;
        header.salt = fresh_salt(header.first);
        struct segment segment = { header.first, 0, header.created_ns, ++journal->births, 0 };
        if (!segments_put(&journal->segments, segment)) {
            return JOURNAL_FAILED;
        }
        fd = create_segment(journal, &header, &left);
        if (fd < 0 && !left) {
            segments_remove(&journal->segments, journal->segments.count - 1);
        }
        if (fd < 0 && errno != EEXIST) {
            return errno == ENOSPC || errno == EDQUOT ? JOURNAL_FULL : JOURNAL_FAILED;
        }
        journal->next += fd < 0 ? 1 : 0;
    }
    struct segment *segment = newest_segment(journal);
    if (fd < 0 || segment == NULL) {
        return JOURNAL_FAILED;
    }
    segment->bytes = SEGMENT_HEADER_BYTES;
    journal->fd = fd;
    journal->salt = header.salt;
    journal->torn = false;
    journal->directory_dirty = true;
    journal->total_bytes += SEGMENT_HEADER_BYTES;
    return JOURNAL_OK;
}

static bool unsynced_reserve(struct unsynced *unsynced, size_t bytes)
{
    size_t capacity = unsynced->capacity > 0 ? unsynced->capacity : UNSYNCED_LEAST;
    while (capacity < unsynced->used + bytes) {
        capacity *= 2; /* ends: both are bounded by JOURNAL_UNSYNCED_MAX and a record */
    }
    if (capacity == unsynced->capacity) {
        return true;
    }
    uint8_t *larger = realloc(unsynced->bytes, capacity);
    if (larger == NULL) {
        return false;
    }
    unsynced->bytes = larger;
    unsynced->capacity = capacity;
    return true;
}

/* What went in only in part is cut off again; if even that fails the segment is given up. */
static enum journal_status write_failed(struct journal *journal, const struct segment *segment)
{
    int failed = errno;
    if (journal->files->ftruncate(journal->files->context, journal->fd, segment->bytes) != 0) {
        journal->torn = true;
    }
    errno = failed;
    return failed == ENOSPC || failed == EDQUOT ? JOURNAL_FULL : JOURNAL_FAILED;
}

static size_t waiting(const struct journal *journal)
{
    return journal->newer.used - journal->written;
}

/* Records that wait are sealed with the segment's salt: if it is given up, only a sync can put them
 * elsewhere. */
static bool is_stranded(const struct journal *journal)
{
    return journal->torn && waiting(journal) > 0;
}

/* On failure they wait on. */
static enum journal_status write_waiting(struct journal *journal)
{
    struct segment *segment = newest_segment(journal);
    size_t bytes = waiting(journal);
    if (bytes == 0) {
        return JOURNAL_OK;
    }
    if (segment == NULL || journal->fd < 0 || journal->torn) {
        errno = EIO;
        return JOURNAL_FAILED;
    }
    if (files_write_all(journal->files, journal->fd, journal->newer.bytes + journal->written,
                        bytes) != 0) {
        return write_failed(journal, segment);
    }
    journal->written = journal->newer.used;
    segment->bytes += (int64_t)bytes;
    journal->total_bytes += bytes;
    return JOURNAL_OK;
}

/* --- the reserve ------------------------------------------------------------- */

static void reserve_path(const struct journal *journal, char path[JOURNAL_FILE_PATH_MAX])
{
    (void)snprintf(path, JOURNAL_FILE_PATH_MAX, "%s/reserve", journal->path);
}

bool journal_spend_reserve(struct journal *journal)
{
    char path[JOURNAL_FILE_PATH_MAX];
    if (!journal->reserve_there) {
        return false;
    }
    reserve_path(journal, path);
    journal->reserve_there = false;
    return journal->files->unlink(journal->files->context, path) == 0;
}

static bool take_reserve(struct journal *journal)
{
    char path[JOURNAL_FILE_PATH_MAX];
    reserve_path(journal, path);
    int fd = journal->files->open(journal->files->context, path, O_RDWR | O_CREAT, 0640);
    if (fd < 0) {
        return false;
    }
    bool taken = journal->files->allocate(journal->files->context, fd, journal->reserve_bytes) == 0;
    (void)journal->files->close(journal->files->context, fd);
    if (!taken) {
        (void)journal->files->unlink(journal->files->context, path);
    }
    return taken;
}

bool journal_reserve(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    if (journal->reserve_bytes > 0 && !journal->reserve_there) {
        journal->reserve_there = take_reserve(journal);
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return journal_reserve_there(journal);
}

bool journal_reserve_there(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    bool there = journal->reserve_there || journal->reserve_bytes == 0;
    (void)pthread_mutex_unlock(&journal->lock);
    return there;
}

/* --- a record ---------------------------------------------------------------- */

bool journal_write_out(struct journal *journal)
{
    enum journal_status status = write_waiting(journal);
    if (status == JOURNAL_FULL && journal_spend_reserve(journal)) {
        status = write_waiting(journal);
    }
    return status == JOURNAL_OK;
}

static bool needs_segment(const struct journal *journal, size_t bytes)
{
    const struct segments *segments = &journal->segments;
    if (segments->count == 0 || journal->fd < 0 || journal->torn) {
        return true;
    }
    int64_t used = segments->items[segments->count - 1].bytes + (int64_t)waiting(journal);
    return used + (int64_t)bytes > journal->segment_bytes && used > SEGMENT_HEADER_BYTES;
}

/* What waits belongs to the segment before. */
static enum journal_status change_segment(struct journal *journal)
{
    const struct segment *segment = newest_segment(journal);
    enum journal_status status = write_waiting(journal);
    if (status != JOURNAL_OK) {
        return status;
    }
    if (segment != NULL && segment->first >= journal->next) {
        journal->next = segment->first + 1; /* it holds no record: its name stays its own */
    }
    return begin_segment(journal);
}

/* `bytes` of memory are there. */
static enum journal_status
append_locked(struct journal *journal, const struct journal_record *given, size_t bytes, bool later)
{
    struct journal_record record = *given;
    enum journal_status status = JOURNAL_OK;
    if (needs_segment(journal, bytes)) {
        status = change_segment(journal);
    }
    struct segment *segment = newest_segment(journal);
    if (status != JOURNAL_OK || segment == NULL) {
        return status;
    }
    record.position = journal->next;
    (void)record_write(&record, journal->salt, journal->newer.bytes + journal->newer.used);
    journal->newer.used += bytes;
    if (!later || waiting(journal) > journal->waiting_bytes) {
        status = write_waiting(journal);
    }
    if (status != JOURNAL_OK) {
        journal->newer.used -= bytes;
        return status;
    }
    segment->last_time_ns = record.time.ns;
    journal->appended = journal->next++;
    return JOURNAL_OK;
}

/* A sync is needed before more is taken. */
static bool is_behind(const struct journal *journal, size_t bytes)
{
    size_t unsynced = journal->older.used + journal->newer.used;
    return (unsynced > 0 && unsynced + bytes > JOURNAL_UNSYNCED_MAX) ||
           journal->retired_count == RETIRED_MAX || is_stranded(journal);
}

/* Memory for a further record, after a sync if need be: the lock is given up for it. */
static bool make_room(struct journal *journal, size_t bytes)
{
    for (int tries = 0; tries < ROOM_TRIES && !journal->failed && is_behind(journal, bytes);
         tries++) {
        (void)pthread_mutex_unlock(&journal->lock);
        enum journal_status status = journal_sync(journal, NULL);
        (void)pthread_mutex_lock(&journal->lock);
        if (status != JOURNAL_OK) {
            return false;
        }
    }
    return !journal->failed && !is_behind(journal, bytes) &&
           unsynced_reserve(&journal->newer, bytes);
}

static enum journal_status append(struct journal *journal, const struct journal_record *record,
                                  bool later, uint64_t *position)
{
    size_t body = record->topic.length + record->payload.length;
    if (record->topic.length > JOURNAL_TOPIC_MAX || record->payload.length > JOURNAL_BODY_MAX ||
        body > JOURNAL_BODY_MAX) {
        return JOURNAL_TOO_LARGE;
    }
    size_t bytes = record_bytes(body);
    (void)pthread_mutex_lock(&journal->lock);
    enum journal_status status = JOURNAL_FAILED;
    if (make_room(journal, bytes)) {
        status = append_locked(journal, record, bytes, later);
        if (status == JOURNAL_FULL && journal_spend_reserve(journal)) {
            status = append_locked(journal, record, bytes, later);
        }
    }
    if (position != NULL) {
        *position = journal->appended;
    }
    if (status == JOURNAL_OK) {
        (void)pthread_cond_signal(&journal->appended_more);
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}

enum journal_status journal_append(struct journal *journal, const struct journal_record *record,
                                   uint64_t *position)
{
    return append(journal, record, false, position);
}

enum journal_status journal_append_later(struct journal *journal,
                                         const struct journal_record *record, uint64_t *position)
{
    return append(journal, record, true, position);
}

/* --- asking and waiting --------------------------------------------------------- */

uint64_t journal_appended(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    uint64_t position = journal->appended;
    (void)pthread_mutex_unlock(&journal->lock);
    return position;
}

uint64_t journal_synced(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    uint64_t position = journal->synced;
    (void)pthread_mutex_unlock(&journal->lock);
    return position;
}

static struct timespec after(int64_t timeout_ns)
{
    int64_t at = clock_mono().ns + timeout_ns;
    return (struct timespec){ .tv_sec = (time_t)(at / SECOND_NS),
                              .tv_nsec = (long)(at % SECOND_NS) };
}

/* After a failure there is something to do even if nothing waits: journal_append takes nothing. */
static bool wants_sync(const struct journal *journal)
{
    return journal->appended > journal->synced || journal->failed;
}

bool journal_wait_appended(struct journal *journal, int64_t timeout_ns)
{
    struct timespec until = after(timeout_ns);
    (void)pthread_mutex_lock(&journal->lock);
    if (!wants_sync(journal)) {
        (void)pthread_cond_timedwait(&journal->appended_more, &journal->lock, &until);
    }
    bool there = wants_sync(journal);
    (void)pthread_mutex_unlock(&journal->lock);
    return there;
}

bool journal_wait_synced(struct journal *journal, uint64_t position, int64_t timeout_ns)
{
    struct timespec until = after(timeout_ns);
    (void)pthread_mutex_lock(&journal->lock);
    if (journal->synced <= position) {
        (void)pthread_cond_timedwait(&journal->synced_more, &journal->lock, &until);
    }
    bool there = journal->synced > position;
    (void)pthread_mutex_unlock(&journal->lock);
    return there;
}

void journal_wake(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    (void)pthread_cond_broadcast(&journal->appended_more);
    (void)pthread_cond_broadcast(&journal->synced_more);
    (void)pthread_mutex_unlock(&journal->lock);
}

uint64_t journal_bytes(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    uint64_t bytes = journal->total_bytes;
    (void)pthread_mutex_unlock(&journal->lock);
    return bytes;
}

uint64_t journal_oldest(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    uint64_t oldest = journal->segments.count == 0 ? 0 : journal->segments.items[0].first;
    (void)pthread_mutex_unlock(&journal->lock);
    return oldest;
}

bool journal_oldest_segment(struct journal *journal, uint64_t *first, uint64_t *next)
{
    (void)pthread_mutex_lock(&journal->lock);
    bool there = journal->segments.count > 1;
    if (there) {
        *first = journal->segments.items[0].first;
        *next = journal->segments.items[1].first;
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return there;
}

void journal_read_counters(struct journal *journal, struct journal_counters *counters)
{
    (void)pthread_mutex_lock(&journal->lock);
    *counters = journal->counters;
    (void)pthread_mutex_unlock(&journal->lock);
}

/* --- retention ------------------------------------------------------------------ */

/* The newest segment stays; another may go if all its records are below. */
static bool may_remove(const struct journal *journal, uint64_t below, wall_time before,
                       int64_t max_bytes)
{
    if (journal->segments.count < 2 || journal->segments.items[1].first > below) {
        return false;
    }
    return journal->segments.items[0].last_time_ns < before.ns ||
           journal->total_bytes > (uint64_t)max_bytes;
}

uint64_t journal_retain(struct journal *journal, uint64_t below, wall_time before,
                        int64_t max_bytes)
{
    uint64_t removed = 0;
    (void)pthread_mutex_lock(&journal->lock);
    while (may_remove(journal, below, before, max_bytes)) {
        struct segments *segments = &journal->segments;
        char path[JOURNAL_FILE_PATH_MAX];
        journal_segment_path(journal->path, segments->items[0].first, path);
        if (journal->files->unlink(journal->files->context, path) != 0 && errno != ENOENT) {
            break;
        }
        removed += segments->items[1].first - segments->items[0].first;
        journal->total_bytes -= (uint64_t)segments->items[0].bytes;
        segments_remove(segments, 0);
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return removed;
}

/* --- for the reader --------------------------------------------------------------- */

const char *journal_path(const struct journal *journal)
{
    return journal->path;
}

const struct file_ops *journal_files(const struct journal *journal)
{
    return journal->files;
}

static struct segment_place place_at(const struct journal *journal, size_t index)
{
    const struct segment *segment = &journal->segments.items[index];
    return (struct segment_place){ segment->first, segments_below(&journal->segments, index),
                                   segment->born };
}

bool journal_place_of(struct journal *journal, uint64_t position, struct segment_place *place)
{
    (void)pthread_mutex_lock(&journal->lock);
    bool there = journal->segments.count > 0;
    if (there) {
        *place = place_at(journal, segments_find(&journal->segments, position));
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return there;
}

bool journal_place_after(struct journal *journal, uint64_t first, struct segment_place *place)
{
    (void)pthread_mutex_lock(&journal->lock);
    size_t at = segments_find(&journal->segments, first);
    if (at < journal->segments.count && journal->segments.items[at].first <= first) {
        at++;
    }
    bool there = at < journal->segments.count;
    if (there) {
        *place = place_at(journal, at);
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return there;
}

bool journal_place_stands(struct journal *journal, struct segment_place *place)
{
    (void)pthread_mutex_lock(&journal->lock);
    const struct segments *segments = &journal->segments;
    size_t at = segments_find(segments, place->first);
    bool retained = segments->count > 0 && place->first < segments->items[0].first;
    bool there = at < segments->count && segments->items[at].first == place->first &&
                 segments->items[at].born == place->born;
    if (there) {
        *place = place_at(journal, at);
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return there || retained;
}

void journal_published(struct journal *journal, uint64_t *synced, uint64_t *replacements)
{
    (void)pthread_mutex_lock(&journal->lock);
    *synced = journal->synced;
    *replacements = journal->replacements;
    (void)pthread_mutex_unlock(&journal->lock);
}

void journal_note_damage(struct journal *journal, uint64_t first, uint64_t bytes)
{
    (void)pthread_mutex_lock(&journal->lock);
    struct segments *segments = &journal->segments;
    size_t at = segments_find(segments, first);
    if (at < segments->count && segments->items[at].first == first &&
        bytes > segments->items[at].damaged) {
        journal->counters.damaged_bytes += bytes - segments->items[at].damaged;
        segments->items[at].damaged = bytes;
    }
    (void)pthread_mutex_unlock(&journal->lock);
}

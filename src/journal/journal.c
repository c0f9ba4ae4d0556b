/*
 * Writing. The format stands in format.h.
 *
 * journal_append takes the lock, gives the record its position and writes it with
 * one call. journal_sync, in a thread of its own, notes what has been appended, syncs
 * without holding that lock, and then publishes the position: so appending goes on
 * while the disk works, and one sync covers all that came before it.
 */
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "journal/format.h"
#include "journal/inside.h"
#include "journal/scan.h"

#define SEGMENT_BYTES_DEFAULT (INT64_C(64) << 20)
#define RETIRED_MAX           64 /* full segments that wait for their last sync */

struct journal {
    const struct file_ops *files;
    char path[JOURNAL_PATH_MAX];
    int64_t segment_bytes;

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t appended_more, synced_more;
    struct segments segments;
    int fd; /* newest segment, -1 before the first append */
    uint32_t salt;
    uint64_t appended, synced;
    uint64_t total_bytes;
    int64_t reserve_bytes; /* 0 = none is to be kept */
    bool reserve_there;
    bool directory_dirty; /* a segment was made since the directory was synced */
    bool sync_failed;     /* what was appended may never reach the disk: no promise any more */
    bool torn;            /* the segment ends in a record that could not be written whole */
    int retired[RETIRED_MAX];
    size_t retired_count;
    uint8_t *buffer; /* one record */
    size_t buffer_bytes;

    pthread_mutex_t sync_lock; /* one sync at a time */
};

void journal_segment_path(const char *folder, uint64_t first, char path[JOURNAL_FILE_PATH_MAX])
{
    char name[SEGMENT_NAME_CHARS + 1];
    segment_name(first, name);
    (void)snprintf(path, JOURNAL_FILE_PATH_MAX, "%s/%s", folder, name);
}

static uint64_t highest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* --- opening ---------------------------------------------------------------- */

/* Reads one segment to its end; remembers what recovery wants to know. */
static enum journal_status survey(struct journal *journal, struct segment *segment,
                                  struct scan *scan, struct journal_recovery *found)
{
    char path[JOURNAL_FILE_PATH_MAX];
    journal_segment_path(journal->path, segment->first, path);
    enum scan_result result = scan_open(scan, journal->files, path);
    struct journal_record record;
    if (result == SCAN_RECORD) {
        while ((result = scan_next(scan, &record)) == SCAN_RECORD) {
            found->records++;
            found->last_position = record.position;
            found->last_origin = highest(found->last_origin, record.origin);
            segment->last_time_ns = record.time.ns;
        }
    }
    if (result == SCAN_FAILED) {
        return JOURNAL_FAILED;
    }
    segment->bytes = journal->files->size(journal->files->context, scan->fd);
    if (result == SCAN_END && segment->bytes > scan->offset) {
        scan->damaged += (uint64_t)(segment->bytes - scan->offset);
    }
    return JOURNAL_OK;
}

static enum journal_status recover(struct journal *journal, struct journal_recovery *found)
{
    struct scan scan = { .fd = -1 };
    enum journal_status status = JOURNAL_OK;
    for (size_t i = 0; i < journal->segments.count && status == JOURNAL_OK; i++) {
        status = survey(journal, &journal->segments.items[i], &scan, found);
        journal->total_bytes += (uint64_t)journal->segments.items[i].bytes;
    }
    found->segments = journal->segments.count;
    found->damaged_bytes = scan.damaged;
    scan_free(&scan);
    return status;
}

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

/* Even a segment without a single valid record had a position to begin with. */
static uint64_t highest_named(const struct segments *segments)
{
    return segments->count == 0 ? 0 : segments->items[segments->count - 1].first;
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
    journal->fd = -1;
    set_up_conditions(journal);
    if (files_make_path(journal->files, journal->path) != 0 ||
        segments_list(&journal->segments, journal->files, journal->path) != 0 ||
        recover(journal, &found) != JOURNAL_OK) {
        problem_set(problem, "journal %s: %s", options->path, strerror(errno));
        journal_close(journal);
        return JOURNAL_FAILED;
    }
    journal->appended = highest(highest(found.last_position, options->least_position),
                                highest_named(&journal->segments));
    journal->synced = journal->appended;
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
    free(journal->buffer);
    (void)pthread_cond_destroy(&journal->appended_more);
    (void)pthread_cond_destroy(&journal->synced_more);
    (void)pthread_mutex_destroy(&journal->lock);
    (void)pthread_mutex_destroy(&journal->sync_lock);
    free(journal);
}

/* --- appending --------------------------------------------------------------- */

/* The full segment waits for its last sync. */
static bool retire(struct journal *journal)
{
    if (journal->fd < 0) {
        return true;
    }
    if (journal->retired_count == RETIRED_MAX) {
        return false; /* the disk does not follow: what comes is refused rather than promised */
    }
    journal->retired[journal->retired_count++] = journal->fd;
    journal->fd = -1;
    return true;
}

static uint32_t new_salt(uint64_t first)
{
    uint32_t salt = 0;
    if (getrandom(&salt, sizeof salt, GRND_NONBLOCK) != (ssize_t)sizeof salt) {
        salt = (uint32_t)(first * 2654435761u) ^ (uint32_t)clock_real().ns;
    }
    return salt;
}

static enum journal_status begin_segment(struct journal *journal, uint64_t first)
{
    char path[JOURNAL_FILE_PATH_MAX];
    journal_segment_path(journal->path, first, path);
    struct segment_header header = { new_salt(first), first, clock_real().ns };
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    segment_header_write(&header, bytes);
    struct segment segment = { first, SEGMENT_HEADER_BYTES, header.created_ns };
    if (!retire(journal) || !segments_add(&journal->segments, segment)) {
        return JOURNAL_FAILED;
    }
    int fd = journal->files->open(journal->files->context, path,
                                  O_WRONLY | O_APPEND | O_CREAT | O_EXCL, 0640);
    if (fd < 0 || files_write_all(journal->files, fd, bytes, sizeof bytes) != 0) {
        int failed = errno;
        if (fd >= 0) {
            (void)journal->files->close(journal->files->context, fd);
            (void)journal->files->unlink(journal->files->context, path);
        }
        journal->segments.count--;
        journal->appended += failed == EEXIST ? 1 : 0; /* that name is taken by a torn beginning */
        return failed == ENOSPC || failed == EDQUOT ? JOURNAL_FULL : JOURNAL_FAILED;
    }
    journal->fd = fd;
    journal->salt = header.salt;
    journal->torn = false;
    journal->directory_dirty = true;
    journal->total_bytes += SEGMENT_HEADER_BYTES;
    return JOURNAL_OK;
}

static bool has_room(struct journal *journal, size_t bytes)
{
    if (bytes <= journal->buffer_bytes) {
        return true;
    }
    size_t larger = bytes < 65536 ? 65536 : bytes;
    uint8_t *buffer = realloc(journal->buffer, larger);
    if (buffer == NULL) {
        return false;
    }
    journal->buffer = buffer;
    journal->buffer_bytes = larger;
    return true;
}

/* A record that went in only in part is cut off again; if even that fails the segment is given up.
 */
static enum journal_status write_failed(struct journal *journal, const struct segment *segment)
{
    int failed = errno;
    if (journal->files->ftruncate(journal->files->context, journal->fd, segment->bytes) != 0) {
        journal->torn = true;
    }
    return failed == ENOSPC || failed == EDQUOT ? JOURNAL_FULL : JOURNAL_FAILED;
}

/* --- the reserve ------------------------------------------------------------- */

static void reserve_path(const struct journal *journal, char path[JOURNAL_FILE_PATH_MAX])
{
    (void)snprintf(path, JOURNAL_FILE_PATH_MAX, "%s/reserve", journal->path);
}

/* Gives the reserve back to the disk; true if there was one. */
static bool spend_reserve(struct journal *journal)
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

static struct segment *newest_segment(struct journal *journal)
{
    size_t count = journal->segments.count;
    return journal->segments.items == NULL || count == 0 ? NULL
                                                         : &journal->segments.items[count - 1];
}

static enum journal_status append_locked(struct journal *journal,
                                         const struct journal_record *given, size_t bytes)
{
    struct segment *segment = newest_segment(journal);
    if (segment == NULL || journal->fd < 0 || journal->torn ||
        (segment->bytes + (int64_t)bytes > journal->segment_bytes &&
         segment->bytes > SEGMENT_HEADER_BYTES)) {
        if (segment != NULL && segment->first > journal->appended) {
            journal->appended = segment->first; /* it holds no record: its name stays its own */
        }
        enum journal_status status = begin_segment(journal, journal->appended + 1);
        segment = newest_segment(journal);
        if (status != JOURNAL_OK || segment == NULL) {
            return status;
        }
    }
    struct journal_record record = *given;
    record.position = journal->appended + 1;
    (void)record_write(&record, journal->salt, journal->buffer);
    if (files_write_all(journal->files, journal->fd, journal->buffer, bytes) != 0) {
        return write_failed(journal, segment);
    }
    segment->bytes += (int64_t)bytes;
    segment->last_time_ns = record.time.ns;
    journal->total_bytes += bytes;
    journal->appended = record.position;
    return JOURNAL_OK;
}

enum journal_status journal_append(struct journal *journal, const struct journal_record *record,
                                   uint64_t *position)
{
    size_t body = record->topic.length + record->payload.length;
    if (record->topic.length > JOURNAL_TOPIC_MAX || record->payload.length > JOURNAL_BODY_MAX ||
        body > JOURNAL_BODY_MAX) {
        return JOURNAL_TOO_LARGE;
    }
    size_t bytes = record_bytes(body);
    (void)pthread_mutex_lock(&journal->lock);
    enum journal_status status = JOURNAL_FAILED;
    if (has_room(journal, bytes) && !journal->sync_failed) {
        status = append_locked(journal, record, bytes);
        if (status == JOURNAL_FULL && spend_reserve(journal)) {
            status = append_locked(journal, record, bytes);
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

/* --- syncing ----------------------------------------------------------------- */

struct sync_work {
    int fds[RETIRED_MAX + 1];
    size_t count, retired;
    uint64_t upto;
    bool directory;
};

static struct sync_work take_work(struct journal *journal)
{
    struct sync_work work = { .upto = journal->appended, .directory = journal->directory_dirty };
    journal->directory_dirty = false; /* a segment made from now on is the next sync's */
    for (size_t i = 0; i < journal->retired_count; i++) {
        work.fds[work.count++] = journal->retired[i];
    }
    work.retired = journal->retired_count;
    if (journal->fd >= 0) {
        work.fds[work.count++] = journal->fd;
    }
    return work;
}

static bool do_work(struct journal *journal, const struct sync_work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        if (journal->files->fdatasync(journal->files->context, work->fds[i]) != 0) {
            return false;
        }
    }
    return !work->directory ||
           journal->files->sync_directory(journal->files->context, journal->path) == 0;
}

/* The retired segments are whole and durable: their files can be closed. */
static void finish_work(struct journal *journal, const struct sync_work *work)
{
    for (size_t i = 0; i < work->retired; i++) {
        (void)journal->files->close(journal->files->context, work->fds[i]);
    }
    journal->retired_count -= work->retired;
    memmove(journal->retired, journal->retired + work->retired,
            journal->retired_count * sizeof journal->retired[0]);
    journal->synced = work->upto;
    (void)pthread_cond_broadcast(&journal->synced_more);
}

enum journal_status journal_sync(struct journal *journal, struct problem *problem)
{
    (void)pthread_mutex_lock(&journal->sync_lock);
    (void)pthread_mutex_lock(&journal->lock);
    struct sync_work work = take_work(journal);
    bool due = work.upto > journal->synced || work.retired > 0;
    bool failed_before = journal->sync_failed;
    (void)pthread_mutex_unlock(&journal->lock);
    enum journal_status status = JOURNAL_OK;
    if (failed_before || (due && !do_work(journal, &work))) {
        problem_set(problem, "journal %s: sync failed%s%s", journal->path,
                    failed_before ? " before" : ": ", failed_before ? "" : strerror(errno));
        (void)pthread_mutex_lock(&journal->lock);
        journal->sync_failed = true;
        (void)pthread_mutex_unlock(&journal->lock);
        status = JOURNAL_FAILED;
    }
    if (due && status == JOURNAL_OK) {
        (void)pthread_mutex_lock(&journal->lock);
        finish_work(journal, &work);
        (void)pthread_mutex_unlock(&journal->lock);
    }
    (void)pthread_mutex_unlock(&journal->sync_lock);
    return status;
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

bool journal_wait_appended(struct journal *journal, int64_t timeout_ns)
{
    struct timespec until = after(timeout_ns);
    (void)pthread_mutex_lock(&journal->lock);
    if (journal->appended == journal->synced) {
        (void)pthread_cond_timedwait(&journal->appended_more, &journal->lock, &until);
    }
    bool there = journal->appended > journal->synced;
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
        segments->count--;
        memmove(segments->items, segments->items + 1, segments->count * sizeof *segments->items);
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

bool journal_segment_for(struct journal *journal, uint64_t position, uint64_t *first)
{
    (void)pthread_mutex_lock(&journal->lock);
    bool there = journal->segments.count > 0;
    if (there) {
        *first = journal->segments.items[segments_find(&journal->segments, position)].first;
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return there;
}

bool journal_segment_after(struct journal *journal, uint64_t first, uint64_t *next)
{
    (void)pthread_mutex_lock(&journal->lock);
    bool there = false;
    for (size_t i = segments_find(&journal->segments, first); i < journal->segments.count; i++) {
        if (journal->segments.items[i].first > first) {
            *next = journal->segments.items[i].first;
            there = true;
            break;
        }
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return there;
}

/*
 * Making durable what was appended. journal_sync, in a thread of its own, writes what waits in
 * memory, notes what has been appended, syncs without holding the lock, and then publishes the
 * position: so appending goes on while the disk works, and one sync covers all that came before it.
 * What happens when it fails stands in format.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "journal/fresh.h"
#include "journal/inside.h"

/* Memory of which less than this share was needed is given back: it was for a disk that stood
 * still, not for how much comes. */
#define UNSYNCED_SHARE_KEPT 8

struct sync_work {
    int fds[RETIRED_MAX + 1];
    size_t count, retired;
    uint64_t upto;
    bool directory;
};

static bool is_due(const struct journal *journal)
{
    return journal->appended > journal->synced || journal->retired_count > 0;
}

/* All that is not synced, and now written, belongs to this sync from now on; what comes next, to
 * the next. */
static struct sync_work take_work(struct journal *journal)
{
    struct sync_work work = { .upto = journal->appended, .directory = journal->directory_dirty };
    struct unsynced empty = journal->older;
    journal->older = journal->newer;
    journal->newer = empty;
    journal->written = 0;
    journal->directory_dirty = false;
    for (size_t i = 0; i < journal->retired_count; i++) {
        work.fds[work.count++] = journal->retired[i];
    }
    work.retired = journal->retired_count;
    if (journal->fd >= 0) {
        work.fds[work.count++] = journal->fd;
    }
    return work;
}

static bool do_work(const struct journal *journal, const struct sync_work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        if (journal->files->fdatasync(journal->files->context, work->fds[i]) != 0) {
            return false;
        }
    }
    return !work->directory ||
           journal->files->sync_directory(journal->files->context, journal->path) == 0;
}

static void forget(struct unsynced *unsynced)
{
    if (unsynced->capacity > UNSYNCED_LEAST &&
        unsynced->used < unsynced->capacity / UNSYNCED_SHARE_KEPT) {
        free(unsynced->bytes);
        *unsynced = (struct unsynced){ 0 };
    }
    unsynced->used = 0;
}

static void publish(struct journal *journal, uint64_t upto)
{
    journal->synced = upto;
    (void)pthread_cond_broadcast(&journal->synced_more);
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
    forget(&journal->older);
    publish(journal, work->upto);
}

/* --- after a failure: all of it under the lock -------------------------------------- */

static void abandon_files(struct journal *journal)
{
    for (size_t i = 0; i < journal->retired_count; i++) {
        (void)journal->files->close(journal->files->context, journal->retired[i]);
    }
    journal->retired_count = 0;
    if (journal->fd >= 0) {
        (void)journal->files->close(journal->files->context, journal->fd);
    }
    journal->fd = -1;
}

void journal_mark_unsure(const struct journal *journal)
{
    char path[JOURNAL_FILE_PATH_MAX];
    journal_file_path(journal->path, UNSURE_NAME, path);
    int fd = journal->files->open(journal->files->context, path, O_WRONLY | O_CREAT, 0640);
    if (fd >= 0) {
        (void)journal->files->close(journal->files->context, fd);
    }
}

void journal_clear_unsure(const struct journal *journal)
{
    char path[JOURNAL_FILE_PATH_MAX];
    journal_file_path(journal->path, UNSURE_NAME, path);
    (void)journal->files->unlink(journal->files->context, path);
}

static uint64_t reseal(struct unsynced *unsynced, uint32_t salt)
{
    uint64_t records = 0;
    for (size_t at = 0; at < unsynced->used; records++) {
        at += record_seal(unsynced->bytes + at, salt);
    }
    return records;
}

/* What the segments named above `first` held is in it. */
static bool remove_above(struct journal *journal, uint64_t first)
{
    struct segments *segments = &journal->segments;
    while (segments->count > 0 && segments->items[segments->count - 1].first > first) {
        const struct segment *stale = &segments->items[segments->count - 1];
        char path[JOURNAL_FILE_PATH_MAX];
        journal_segment_path(journal->path, stale->first, path);
        if (journal->files->unlink(journal->files->context, path) != 0 && errno != ENOENT) {
            return false;
        }
        journal->total_bytes -= (uint64_t)stale->bytes;
        segments->count--;
    }
    return true;
}

static bool take_place(struct journal *journal, const struct fresh *fresh)
{
    struct segments *segments = &journal->segments;
    uint64_t first = fresh->header.first;
    size_t at = segments_find(segments, first);
    bool replaced = at < segments->count && segments->items[at].first == first;
    uint64_t before = replaced ? (uint64_t)segments->items[at].bytes : 0;
    struct segment segment = { first, fresh->bytes, fresh->header.created_ns, ++journal->births,
                               0 };
    journal->replacements++;
    if (!segments_put(segments, segment)) {
        return false;
    }
    journal->total_bytes += (uint64_t)fresh->bytes - before;
    return remove_above(journal, first) &&
           journal->files->sync_directory(journal->files->context, journal->path) == 0;
}

static bool write_anew(struct journal *journal)
{
    struct unsynced *parts[] = { &journal->older, &journal->newer };
    uint64_t records = 0;
    if (journal->older.used + journal->newer.used == 0) {
        return journal->files->sync_directory(journal->files->context, journal->path) == 0;
    }
    const uint8_t *first = parts[0]->used > 0 ? parts[0]->bytes : parts[1]->bytes;
    struct segment_header header = { .first = record_position(first),
                                     .created_ns = clock_real().ns,
                                     .synced = journal->synced };
    struct fresh fresh;
    if (!fresh_begin(&fresh, journal->files, journal->path, header)) {
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        records += reseal(parts[i], fresh.header.salt);
        if (!fresh_write(&fresh, parts[i]->bytes, parts[i]->used)) {
            return false;
        }
    }
    if (!fresh_place(&fresh)) {
        return false;
    }
    if (!take_place(journal, &fresh)) {
        (void)journal->files->close(journal->files->context, fresh.fd);
        return false;
    }
    journal->fd = fresh.fd;
    journal->salt = fresh.header.salt;
    journal->torn = false;
    journal->counters.rewritten_records += records;
    return true;
}

/* From files that are not to be trusted any more to a new one. */
static bool start_over(struct journal *journal)
{
    abandon_files(journal);
    if (!journal->failed) {
        journal_mark_unsure(journal);
    }
    bool done = write_anew(journal);
    if (!done && (errno == ENOSPC || errno == EDQUOT) && journal_spend_reserve(journal)) {
        done = write_anew(journal);
    }
    journal->failed = !done;
    if (!done) {
        journal->counters.sync_failures++;
        return false;
    }
    journal_clear_unsure(journal);
    journal->directory_dirty = false;
    forget(&journal->older);
    forget(&journal->newer);
    journal->written = 0;
    publish(journal, journal->appended);
    return true;
}

/* --- the call --------------------------------------------------------------------- */

/* Called and returns with the lock held, which is given up while the disk works. */
static bool sync_once(struct journal *journal)
{
    if (!journal_write_out(journal)) {
        journal->counters.sync_failures++;
        return false;
    }
    struct sync_work work = take_work(journal);
    (void)pthread_mutex_unlock(&journal->lock);
    bool done = do_work(journal, &work);
    int failed = errno;
    (void)pthread_mutex_lock(&journal->lock);
    if (done) {
        finish_work(journal, &work);
    } else {
        journal->counters.sync_failures++;
    }
    errno = failed;
    return done;
}

enum journal_status journal_sync(struct journal *journal, struct problem *problem)
{
    bool done = true;
    (void)pthread_mutex_lock(&journal->sync_lock);
    (void)pthread_mutex_lock(&journal->lock);
    if (journal->failed) {
        done = start_over(journal);
    } else if (is_due(journal)) {
        done = sync_once(journal) || start_over(journal);
    }
    if (!done) {
        problem_set(problem, "journal %s: sync failed, and so did a new segment: %s", journal->path,
                    strerror(errno));
    }
    (void)pthread_mutex_unlock(&journal->lock);
    (void)pthread_mutex_unlock(&journal->sync_lock);
    return done ? JOURNAL_OK : JOURNAL_FAILED;
}

/* Opening: what the folder holds, and making it durable. The rule stands in format.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/damage.h"
#include "journal/fresh.h"
#include "journal/inside.h"
#include "journal/scan.h"

struct survey {
    struct segment_header header;
    bool sound;    /* its header */
    bool seen;     /* its records */
    bool unsynced; /* it holds records that may not be durable */
};

struct recovery {
    struct journal *journal;
    struct journal_recovery *found;
    struct survey *surveys; /* one a segment */
    struct damage damage;
    struct scan scan;
    uint64_t durable; /* up to here, as the newest sound header says */
    uint64_t bound;   /* no position above it can have been given out */
};

uint64_t journal_position_bound(uint64_t last, int64_t bytes)
{
    return last + (bytes > 0 ? (uint64_t)bytes / RECORD_HEADER_BYTES : 0);
}

/* --- headers ------------------------------------------------------------------ */

static bool read_header(struct recovery *recovery, size_t index)
{
    const struct file_ops *files = recovery->journal->files;
    struct segment *segment = &recovery->journal->segments.items[index];
    struct survey *survey = &recovery->surveys[index];
    char path[JOURNAL_FILE_PATH_MAX];
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    journal_segment_path(recovery->journal->path, segment->first, path);
    int fd = files->open(files->context, path, O_RDONLY, 0);
    if (fd < 0) {
        return false;
    }
    ssize_t got = files_pread_all(files, fd, bytes, sizeof bytes, 0);
    segment->bytes = files->size(files->context, fd);
    survey->sound = got == (ssize_t)sizeof bytes && segment_header_read(bytes, &survey->header);
    int failed = errno;
    (void)files->close(files->context, fd);
    errno = failed;
    return got >= 0 && segment->bytes >= 0;
}

static bool read_headers(struct recovery *recovery)
{
    struct segments *segments = &recovery->journal->segments;
    for (size_t i = 0; i < segments->count; i++) {
        if (!read_header(recovery, i)) {
            return false;
        }
        segments->items[i].born = ++recovery->journal->births;
        recovery->journal->total_bytes += (uint64_t)segments->items[i].bytes;
        if (recovery->surveys[i].sound) {
            recovery->durable = recovery->surveys[i].header.synced;
        }
    }
    /* No record of a segment is younger than the next segment. */
    int64_t next_ns = clock_real().ns;
    for (size_t i = segments->count; i-- > 0;) {
        bool sound = recovery->surveys[i].sound, newest = i + 1 == segments->count;
        int64_t created_ns = sound ? recovery->surveys[i].header.created_ns : next_ns;
        segments->items[i].last_time_ns = newest ? created_ns : next_ns;
        next_ns = created_ns;
    }
    return true;
}

/* --- records ------------------------------------------------------------------ */

static void keep_damage(void *context, const struct scan *scan, int64_t offset, int64_t length)
{
    struct recovery *recovery = context;
    (void)damage_keep(&recovery->damage, scan->first, scan->fd, offset, length);
}

/* Reads one segment to its end. */
static bool survey(struct recovery *recovery, size_t index)
{
    struct journal *journal = recovery->journal;
    struct segment *segment = &journal->segments.items[index];
    struct scan *scan = &recovery->scan;
    struct journal_record record;
    uint64_t damaged_before = scan->damaged;
    enum scan_result result = scan_open(scan, journal->files, journal->path, segment->first,
                                        segments_below(&journal->segments, index));
    scan->last = 0;
    while (result == SCAN_RECORD && (result = scan_next(scan, &record)) == SCAN_RECORD) {
        if (record.position > recovery->found->last_position) {
            recovery->found->last_position = record.position;
            recovery->found->last_origin = record.origin;
        }
        segment->last_time_ns =
            index + 1 == journal->segments.count ? record.time.ns : segment->last_time_ns;
    }
    if (result == SCAN_FAILED) {
        return false;
    }
    if (result == SCAN_END) {
        scan_tail(scan);
        recovery->surveys[index].unsynced = scan->last > recovery->durable;
    }
    segment->damaged = scan->damaged - damaged_before;
    recovery->surveys[index].seen = true;
    uint64_t last = scan->last > 0 ? scan->last : segment->first - 1;
    int64_t behind = scan->superseded ? 0 : scan->end - scan->offset;
    uint64_t bound = journal_position_bound(last, behind);
    bound = bound < scan->below ? bound : scan->below - 1;
    recovery->bound = journal_highest(recovery->bound, bound);
    return true;
}

/* The segments that hold what may not be durable, those before them until a record is found, and
 * those whose damaged headers have been seen. */
static bool survey_all(struct recovery *recovery)
{
    const struct segments *segments = &recovery->journal->segments;
    size_t begin = segments_find(segments, recovery->durable);
    bool done = true;
    for (size_t i = begin; i < segments->count && done; i++) {
        done = survey(recovery, i);
    }
    for (size_t i = begin; i-- > 0 && recovery->found->last_position == 0 && done;) {
        done = survey(recovery, i);
    }
    for (size_t i = 0; i < begin && done; i++) {
        const struct survey *known = &recovery->surveys[i];
        done = known->sound || known->seen || survey(recovery, i);
    }
    return done;
}

/* --- durability ----------------------------------------------------------------- */

static bool sync_segment(struct journal *journal, uint64_t first)
{
    char path[JOURNAL_FILE_PATH_MAX];
    journal_segment_path(journal->path, first, path);
    int fd = journal->files->open(journal->files->context, path, O_WRONLY, 0);
    if (fd < 0) {
        return false;
    }
    int result = journal->files->fdatasync(journal->files->context, fd);
    (void)journal->files->close(journal->files->context, fd);
    return result == 0;
}

enum how { BY_SYNC, ANEW };

static bool settle(struct recovery *recovery, enum how how)
{
    struct journal *journal = recovery->journal;
    bool any = false;
    for (size_t i = 0; i < journal->segments.count; i++) {
        uint64_t first = journal->segments.items[i].first;
        if (!recovery->surveys[i].unsynced) {
            continue;
        }
        any = true;
        if (how == BY_SYNC ? !sync_segment(journal, first)
                           : !fresh_rewrite(journal->files, journal->path, first,
                                            segments_below(&journal->segments, i))) {
            return false;
        }
    }
    return !any || journal->files->sync_directory(journal->files->context, journal->path) == 0;
}

static void remove_beside(const struct journal *journal, const char *name)
{
    char path[JOURNAL_FILE_PATH_MAX];
    journal_file_path(journal->path, name, path);
    (void)journal->files->unlink(journal->files->context, path);
}

/* What a kill left in the page cache is made durable before anybody reads it. */
static bool make_durable(struct recovery *recovery)
{
    struct journal *journal = recovery->journal;
    if (!journal->segments.unsure && settle(recovery, BY_SYNC)) {
        return true;
    }
    if (!journal->segments.unsure) {
        journal->counters.sync_failures++;
        journal_mark_unsure(journal);
    }
    bool done = settle(recovery, ANEW);
    if (!done && (errno == ENOSPC || errno == EDQUOT)) {
        remove_beside(journal, "reserve");
        done = settle(recovery, ANEW);
    }
    if (done) {
        journal_clear_unsure(journal);
    }
    return done;
}

static bool recover(struct recovery *recovery, uint64_t least_position)
{
    struct journal *journal = recovery->journal;
    remove_beside(journal, TEMPORARY_NAME);
    size_t count = journal->segments.count;
    if (count == 0) {
        journal->appended = least_position;
        return true;
    }
    recovery->surveys = calloc(count, sizeof *recovery->surveys);
    if (recovery->surveys == NULL || !read_headers(recovery) || !survey_all(recovery) ||
        !make_durable(recovery)) {
        return false;
    }
    /* Even a segment without a single valid record had a position to begin with. */
    uint64_t named = journal->segments.items[count - 1].first;
    journal->appended = journal_highest(journal_highest(recovery->bound, named), least_position);
    return true;
}

enum journal_status journal_recover(struct journal *journal, uint64_t least_position,
                                    struct journal_recovery *found)
{
    struct recovery recovery = { .journal = journal,
                                 .found = found,
                                 .damage = { .files = journal->files, .folder = journal->path },
                                 .scan = { .fd = -1, .on_damage = keep_damage } };
    recovery.scan.context = &recovery;
    if (files_make_path(journal->files, journal->path) != 0 ||
        segments_list(&journal->segments, journal->files, journal->path) != 0) {
        return JOURNAL_FAILED;
    }
    bool done = recover(&recovery, least_position);
    int failed = errno;
    found->segments = journal->segments.count;
    found->damaged_bytes = recovery.scan.damaged;
    journal->counters.damaged_bytes = recovery.scan.damaged;
    scan_free(&recovery.scan);
    free(recovery.surveys);
    errno = failed;
    return done ? JOURNAL_OK : JOURNAL_FAILED;
}

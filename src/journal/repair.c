/* Taking damaged bytes out of a journal that nobody has open, into side files. */
#include <errno.h>
#include <string.h>

#include "journal/damage.h"
#include "journal/fresh.h"
#include "journal/inside.h"
#include "journal/scan.h"

struct work {
    const struct file_ops *files;
    const char *path;
    struct segments segments;
    struct damage damage;
    struct scan scan;
    uint64_t durable; /* up to here, as the headers seen so far say */
    bool not_kept;    /* damaged bytes could not be put into a side file; errno says why */
    struct journal_repair *repair;
};

static void keep(void *context, const struct scan *scan, int64_t offset, int64_t length)
{
    struct work *work = context;
    if (offset > 0 && !work->not_kept && /* else the whole file: that is renamed */
        damage_keep(&work->damage, scan->first, scan->fd, offset, length) != DAMAGE_KEPT) {
        work->not_kept = true;
    }
}

static bool sync_folder(const struct work *work)
{
    return work->files->sync_directory(work->files->context, work->path) == 0;
}

/* An empty segment named above what is taken away, so that no position is given out twice. */
static bool hold_position(const struct work *work, uint64_t position)
{
    struct fresh fresh;
    struct segment_header header = { .first = position,
                                     .created_ns = clock_real().ns,
                                     .synced = work->durable };
    if (!fresh_begin(&fresh, work->files, work->path, header) || !fresh_place(&fresh)) {
        return false;
    }
    (void)work->files->close(work->files->context, fresh.fd);
    return true;
}

/* Reads the segment; its damaged bytes are in side files then. */
static enum scan_result look_at(struct work *work, size_t index, uint64_t *records)
{
    struct scan *scan = &work->scan;
    struct journal_record record;
    enum scan_result result =
        scan_open(scan, work->files, work->path, work->segments.items[index].first,
                  segments_below(&work->segments, index));
    scan->last = 0;
    if (result != SCAN_RECORD) {
        return result;
    }
    work->durable = journal_highest(work->durable, scan->header.synced);
    while ((result = scan_next(scan, &record)) == SCAN_RECORD) {
        (*records)++;
    }
    if (result == SCAN_END) {
        scan_tail(scan);
    }
    return work->not_kept ? SCAN_FAILED : result;
}

/* The damage is in side files, but for that of a segment without a sound header. */
static bool take_out(struct work *work, size_t index, bool foreign)
{
    const struct scan *scan = &work->scan;
    uint64_t first = work->segments.items[index].first;
    bool newest = index + 1 == work->segments.count;
    uint64_t last = scan->last > 0 ? scan->last : first - 1;
    uint64_t bound = journal_position_bound(last, scan->end - scan->offset);
    if (newest && !scan->superseded && bound > last && !hold_position(work, bound + 1)) {
        return false;
    }
    if (!sync_folder(work)) { /* the side files' names, before the bytes go */
        return false;
    }
    bool done = foreign ? damage_keep_whole(&work->damage, first) == DAMAGE_KEPT
                        : fresh_rewrite(work->files, work->path, first, scan->below);
    return done && sync_folder(work);
}

static bool repair_segment(struct work *work, size_t index)
{
    uint64_t before = work->scan.damaged, records = 0;
    enum scan_result result = look_at(work, index, &records);
    if (result == SCAN_FAILED) {
        return false;
    }
    bool foreign = result == SCAN_FOREIGN;
    if ((foreign || work->scan.damaged > before) && !take_out(work, index, foreign)) {
        return false;
    }
    work->repair->segments++;
    work->repair->records += records;
    work->repair->segments_rewritten += foreign || work->scan.damaged > before;
    work->repair->damaged_bytes = work->scan.damaged;
    return true;
}

enum journal_status journal_repair(const char *path, const struct file_ops *files,
                                   void (*progress)(void *context, uint64_t done, uint64_t of),
                                   void *context, struct journal_repair *repair,
                                   struct problem *problem)
{
    struct work work = { .files = files != NULL ? files : &files_posix,
                         .path = path,
                         .scan = { .fd = -1, .on_damage = keep },
                         .repair = repair };
    work.damage = (struct damage){ .files = work.files, .folder = path, .unlimited = true };
    work.scan.context = &work;
    *repair = (struct journal_repair){ 0 };
    bool done =
        strlen(path) < JOURNAL_PATH_MAX && segments_list(&work.segments, work.files, path) == 0;
    for (size_t i = 0; i < work.segments.count && done; i++) {
        done = repair_segment(&work, i);
        if (progress != NULL) {
            progress(context, i + 1, work.segments.count);
        }
    }
    if (!done) {
        problem_set(problem, "journal %s: %s", path, strerror(errno));
    }
    scan_free(&work.scan);
    segments_free(&work.segments);
    return done ? JOURNAL_OK : JOURNAL_FAILED;
}

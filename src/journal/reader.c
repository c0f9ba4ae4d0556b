/*
 * Reading, in order, while another thread appends: only what is synced is
 * handed out, so everything a reader sees survives a power cut.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/inside.h"
#include "journal/scan.h"

struct journal_reader {
    struct journal *journal;  /* NULL: reads a folder */
    struct segments segments; /* of the folder */
    char path[JOURNAL_PATH_MAX];
    const struct file_ops *files;
    struct scan scan;
    uint64_t from;    /* records below it are passed over */
    uint64_t synced;  /* of the journal, when last asked: asking takes the writer's lock */
    uint64_t segment; /* first position of the open segment */
    bool open;        /* a segment is open (or was tried, if its header is damaged) */
    bool readable;
};

static bool segment_for(struct journal_reader *reader, uint64_t position, uint64_t *first)
{
    if (reader->journal != NULL) {
        return journal_segment_for(reader->journal, position, first);
    }
    if (reader->segments.count == 0) {
        return false;
    }
    *first = reader->segments.items[segments_find(&reader->segments, position)].first;
    return true;
}

static bool segment_after(struct journal_reader *reader, uint64_t *next)
{
    if (reader->journal != NULL) {
        return journal_segment_after(reader->journal, reader->segment, next);
    }
    size_t at = segments_find(&reader->segments, reader->segment) + 1;
    if (at >= reader->segments.count) {
        return false;
    }
    *next = reader->segments.items[at].first;
    return true;
}

static enum scan_result open_segment(struct journal_reader *reader, uint64_t first)
{
    char path[JOURNAL_FILE_PATH_MAX];
    journal_segment_path(reader->path, first, path);
    enum scan_result result = scan_open(&reader->scan, reader->files, path);
    if (result == SCAN_FAILED && errno != ENOENT) {
        return result; /* try again later */
    }
    reader->segment = first;
    reader->open = true;
    reader->readable = result == SCAN_RECORD;
    return SCAN_RECORD;
}

static struct journal_reader *new_reader(const char *path, const struct file_ops *files,
                                         uint64_t from)
{
    struct journal_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL || strlen(path) >= sizeof reader->path) {
        free(reader);
        return NULL;
    }
    (void)snprintf(reader->path, sizeof reader->path, "%s", path);
    reader->files = files;
    reader->scan.fd = -1;
    reader->from = from;
    return reader;
}

enum journal_status journal_reader_open(struct journal *journal, uint64_t from,
                                        struct journal_reader **reader, struct problem *problem)
{
    *reader = new_reader(journal_path(journal), journal_files(journal), from);
    if (*reader == NULL) {
        problem_set(problem, "journal %s: no memory for a reader", journal_path(journal));
        return JOURNAL_FAILED;
    }
    (*reader)->journal = journal;
    return JOURNAL_OK;
}

enum journal_status journal_reader_open_path(const char *path, const struct file_ops *files,
                                             uint64_t from, struct journal_reader **reader,
                                             struct problem *problem)
{
    *reader = new_reader(path, files != NULL ? files : &files_posix, from);
    if (*reader == NULL || segments_list(&(*reader)->segments, (*reader)->files, path) != 0) {
        problem_set(problem, "journal %s: %s", path,
                    *reader == NULL ? "no memory" : strerror(errno));
        journal_reader_close(*reader);
        *reader = NULL;
        return JOURNAL_FAILED;
    }
    return JOURNAL_OK;
}

void journal_reader_close(struct journal_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    scan_free(&reader->scan);
    segments_free(&reader->segments);
    free(reader);
}

/* What stands behind the last record of a segment that is complete is damage, too. */
static void count_tail(struct journal_reader *reader)
{
    int64_t size = reader->files->size(reader->files->context, reader->scan.fd);
    if (reader->readable && size > reader->scan.offset) {
        reader->scan.damaged += (uint64_t)(size - reader->scan.offset);
    }
}

/* Goes on to the next segment. SCAN_END if there is none. */
static enum scan_result advance(struct journal_reader *reader)
{
    uint64_t next;
    if (!reader->open) {
        return segment_for(reader, reader->from, &next) ? open_segment(reader, next) : SCAN_END;
    }
    bool more = segment_after(reader, &next);
    if (more || reader->journal == NULL) {
        count_tail(reader); /* nobody writes to it any more */
        reader->readable = false;
    }
    if (!more) {
        return SCAN_END;
    }
    return open_segment(reader, next);
}

/* True if there is more that is synced. A folder is read to its end. */
static bool may_go_on(struct journal_reader *reader)
{
    if (reader->scan.last >= reader->synced) {
        reader->synced = reader->journal != NULL ? journal_synced(reader->journal) : UINT64_MAX;
    }
    return reader->scan.last < reader->synced;
}

enum journal_status journal_next(struct journal_reader *reader, struct journal_record *record)
{
    if (!may_go_on(reader)) {
        return JOURNAL_NOTHING_YET;
    }
    enum scan_result result = reader->open && reader->readable ? SCAN_RECORD : advance(reader);
    while (result == SCAN_RECORD) {
        result = reader->readable ? scan_next(&reader->scan, record) : SCAN_END;
        if (result == SCAN_RECORD && record->position > reader->synced) {
            /* Reading went past damage beyond what is synced: come back to it later. */
            reader->scan.offset -=
                (int64_t)record_bytes(record->topic.length + record->payload.length);
            reader->scan.last = record->position - 1;
            return JOURNAL_NOTHING_YET;
        }
        if (result == SCAN_RECORD && record->position >= reader->from) {
            return JOURNAL_OK;
        }
        if (result == SCAN_END) {
            result = advance(reader);
        }
    }
    if (result == SCAN_FAILED) {
        return JOURNAL_FAILED;
    }
    return reader->journal != NULL ? JOURNAL_NOTHING_YET : JOURNAL_END;
}

uint64_t journal_reader_damaged(const struct journal_reader *reader)
{
    return reader->scan.damaged;
}

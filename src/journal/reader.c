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
    uint64_t from; /* records below it are passed over */
    /* Of the journal, when last asked (asking takes the writer's lock): what is at or below
     * `synced` is superseded by no segment that came later. */
    uint64_t synced, replacements;
    uint64_t passed;            /* the last record handed out, or below `from` */
    struct segment_place place; /* the open segment */
    bool open;                  /* a segment is open (or was tried, if its header is damaged) */
    bool readable;
    uint64_t damaged_before; /* damaged bytes of the segments before this one */
    void (*found)(void *context, const struct journal_damage *damage);
    void *context;
};

static struct segment_place place_at(const struct segments *segments, size_t index)
{
    return (struct segment_place){ segments->items[index].first, segments_below(segments, index),
                                   0 };
}

static bool place_of(struct journal_reader *reader, uint64_t position, struct segment_place *place)
{
    if (reader->journal != NULL) {
        return journal_place_of(reader->journal, position, place);
    }
    if (reader->segments.count == 0) {
        return false;
    }
    *place = place_at(&reader->segments, segments_find(&reader->segments, position));
    return true;
}

static bool place_after(struct journal_reader *reader, struct segment_place *place)
{
    if (reader->journal != NULL) {
        return journal_place_after(reader->journal, reader->place.first, place);
    }
    size_t at = segments_find(&reader->segments, reader->place.first) + 1;
    if (at >= reader->segments.count) {
        return false;
    }
    *place = place_at(&reader->segments, at);
    return true;
}

static void tell(const struct journal_reader *reader, enum journal_damage_kind kind, int64_t offset,
                 int64_t bytes)
{
    struct journal_damage damage = { kind, reader->place.first, (uint64_t)offset, (uint64_t)bytes };
    if (reader->found != NULL) {
        reader->found(reader->context, &damage);
    }
}

static void tell_bytes(void *context, const struct scan *scan, int64_t offset, int64_t bytes)
{
    tell(context, offset == 0 ? JOURNAL_DAMAGED_HEADER : JOURNAL_DAMAGED_BYTES, offset, bytes);
    (void)scan;
}

/* The journal counts damage once for each segment, whoever finds it. */
static void tell_damage(struct journal_reader *reader)
{
    if (reader->journal != NULL && reader->scan.damaged > reader->damaged_before) {
        journal_note_damage(reader->journal, reader->place.first,
                            reader->scan.damaged - reader->damaged_before);
    }
}

static enum scan_result open_segment(struct journal_reader *reader, struct segment_place place)
{
    struct segment_place before = reader->place;
    uint64_t damaged = reader->scan.damaged;
    tell_damage(reader);
    reader->place = place; /* told of with what is found */
    enum scan_result result =
        scan_open(&reader->scan, reader->files, reader->path, place.first, place.below);
    if (result == SCAN_FAILED && errno != ENOENT) {
        reader->place = before;
        return result; /* try again later */
    }
    reader->damaged_before = damaged;
    reader->open = true;
    reader->readable = result == SCAN_RECORD;
    if (reader->readable && reader->scan.header.first != place.first) {
        tell(reader, JOURNAL_MISNAMED, 0, 0);
    } else if (result == SCAN_FOREIGN && reader->scan.end == 0) {
        tell(reader, JOURNAL_DAMAGED_HEADER, 0, 0); /* an empty file */
    }
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
    reader->scan.on_damage = tell_bytes;
    reader->scan.context = reader;
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

void journal_reader_watch(struct journal_reader *reader,
                          void (*found)(void *context, const struct journal_damage *damage),
                          void *context)
{
    reader->found = found;
    reader->context = context;
}

/* Goes on to the next segment. SCAN_END if there is none. */
static enum scan_result advance(struct journal_reader *reader)
{
    struct segment_place next;
    if (!reader->open) {
        return place_of(reader, reader->from, &next) ? open_segment(reader, next) : SCAN_END;
    }
    bool more = place_after(reader, &next);
    if (reader->readable && (more || reader->journal == NULL)) {
        scan_tail(&reader->scan); /* nobody writes to it any more */
        reader->readable = false;
    }
    return more ? open_segment(reader, next) : SCAN_END;
}

/*
 * Segments were replaced after a failed sync. If the open one was, nothing it held had been synced,
 * so nothing of it was handed out: its successor is read in its stead. What was seen of it behind
 * the last record handed out does not count either.
 */
static void follow_replacement(struct journal_reader *reader)
{
    if (reader->open && !journal_place_stands(reader->journal, &reader->place)) {
        reader->from = journal_highest(reader->from, reader->passed + 1);
        reader->open = false;
        reader->readable = false;
    }
    reader->scan.below = reader->place.below;
    reader->scan.last = reader->passed;
}

/* True if there is more that is synced. A folder is read to its end. */
static bool may_go_on(struct journal_reader *reader)
{
    if (reader->journal == NULL) {
        return true;
    }
    if (reader->scan.last >= reader->synced) {
        uint64_t before = reader->replacements;
        journal_published(reader->journal, &reader->synced, &reader->replacements);
        if (reader->replacements != before) {
            follow_replacement(reader);
        }
    }
    return reader->scan.last < reader->synced;
}

/* Reading went past damage beyond what is synced: come back to the record later. */
static void step_back(struct journal_reader *reader, const struct journal_record *record)
{
    reader->scan.offset -= (int64_t)record_bytes(record->topic.length + record->payload.length);
    reader->scan.last = record->position - 1;
}

/* *went_back: there is a record, but not one that was synced when that was last asked. */
static enum journal_status next_record(struct journal_reader *reader, struct journal_record *record,
                                       bool *went_back)
{
    enum scan_result result = reader->open && reader->readable ? SCAN_RECORD : advance(reader);
    while (result == SCAN_RECORD) {
        result = reader->readable ? scan_next(&reader->scan, record) : SCAN_END;
        if (result == SCAN_RECORD && reader->journal != NULL && record->position > reader->synced) {
            step_back(reader, record);
            *went_back = true;
            return JOURNAL_NOTHING_YET;
        }
        if (result == SCAN_RECORD) {
            reader->passed = record->position;
            if (record->position >= reader->from) {
                return JOURNAL_OK;
            }
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

enum journal_status journal_next(struct journal_reader *reader, struct journal_record *record)
{
    enum journal_status status = JOURNAL_NOTHING_YET;
    bool again = true;
    while (again && may_go_on(reader)) {
        again = false;
        status = next_record(reader, record, &again);
    }
    if (status == JOURNAL_NOTHING_YET) {
        reader->synced = 0; /* to be asked for again, even if positions were passed over */
    }
    tell_damage(reader);
    return status;
}

uint64_t journal_reader_damaged(const struct journal_reader *reader)
{
    return reader->scan.damaged;
}

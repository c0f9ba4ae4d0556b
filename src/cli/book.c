#include "cli/book.h"

#include <stdlib.h>
#include <string.h>

#include "journal/journal.h"
#include "phusa/topic.h"
#include "store/lineproto.h"

struct book {
    const char *path;
    struct book_positions put_back; /* ascending */
};

bool book_positions_add(struct book_positions *positions, uint64_t position)
{
    if (positions->count == positions->capacity) {
        size_t capacity = positions->capacity == 0 ? 1024 : positions->capacity * 2;
        uint64_t *items = capacity > BOOK_POSITIONS_MAX
                              ? NULL
                              : realloc(positions->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        positions->items = items;
        positions->capacity = capacity;
    }
    positions->items[positions->count++] = position;
    return true;
}

void book_positions_free(struct book_positions *positions)
{
    free(positions->items);
    *positions = (struct book_positions){ 0 };
}

static int by_position(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The position that a mark names; 0 if it names none. */
static uint64_t marked(struct phusa_text payload)
{
    json_t *root = json_loadb(payload.data, payload.length, 0, NULL);
    json_int_t position = json_integer_value(json_object_get(root, "position"));
    json_decref(root);
    return position > 0 ? (uint64_t)position : 0;
}

static bool read_marks(struct book *book, struct problem *problem)
{
    struct journal_reader *reader;
    struct journal_record record;
    enum journal_status status;
    if (journal_reader_open_path(book->path, NULL, 0, &reader, problem) != JOURNAL_OK) {
        return false;
    }
    bool room = true;
    while (room && (status = journal_next(reader, &record)) == JOURNAL_OK) {
        room = record.kind != JOURNAL_REQUEUED ||
               book_positions_add(&book->put_back, marked(record.payload));
    }
    journal_reader_close(reader);
    if (!room || status == JOURNAL_FAILED) {
        problem_set(problem, room ? "%s: cannot be read to its end" : "%s: too much was put back",
                    book->path);
        return false;
    }
    if (book->put_back.count > 1) {
        qsort(book->put_back.items, book->put_back.count, sizeof *book->put_back.items,
              by_position);
    }
    return true;
}

struct book *book_open(const char *path, struct problem *problem)
{
    struct book *book = calloc(1, sizeof *book);
    if (book == NULL) {
        problem_set(problem, "out of memory");
        return NULL;
    }
    book->path = path;
    if (!read_marks(book, problem)) {
        book_close(book);
        return NULL;
    }
    return book;
}

void book_close(struct book *book)
{
    if (book != NULL) {
        book_positions_free(&book->put_back);
        free(book);
    }
}

static bool was_put_back(const struct book *book, uint64_t position)
{
    return book->put_back.count > 0 &&
           bsearch(&position, book->put_back.items, book->put_back.count,
                   sizeof *book->put_back.items, by_position) != NULL;
}

/* Whose it is: as the payload says, else the refused line, else the topic. */
static struct phusa_text station_of(const json_t *root, struct phusa_text topic)
{
    struct phusa_text station = phusa_text_of(json_string_value(json_object_get(root, "station")));
    struct phusa_text line = phusa_text_of(json_string_value(json_object_get(root, "line")));
    struct phusa_topic parts;
    if (station.length == 0) {
        station = line_tag(line, "station");
    }
    if (station.length > 0) {
        return station;
    }
    return phusa_topic_parse(topic, &parts) == PHUSA_OK ? parts.station
                                                        : (struct phusa_text){ "", 0 };
}

static bool passes(const struct book_filter *filter, const struct book_item *item)
{
    return (filter->put_back_too || !item->put_back) && item->time_ns >= filter->from_ns &&
           item->time_ns < filter->to_ns &&
           (filter->reason == NULL || strcmp(filter->reason, item->reason) == 0) &&
           (filter->station == NULL ||
            phusa_text_equal(phusa_text_of(filter->station), item->station));
}

/* Returns what the visitor says; true for what the filter keeps back. */
static bool take(const struct book *book, const struct book_filter *filter,
                 const struct journal_record *record,
                 bool (*visit)(void *context, const struct book_item *item), void *context)
{
    json_t *root = json_loadb(record->payload.data, record->payload.length, 0, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        root = json_object();
    }
    const char *reason = json_string_value(json_object_get(root, "reason"));
    struct book_item item = { .position = record->position,
                              .origin = record->origin,
                              .time_ns = record->time.ns,
                              .topic = record->topic,
                              .payload = record->payload,
                              .station = station_of(root, record->topic),
                              .reason = reason == NULL ? "?" : reason,
                              .root = root,
                              .put_back = was_put_back(book, record->position) };
    bool on = !passes(filter, &item) || visit(context, &item);
    json_decref(root);
    return on;
}

bool book_each(const struct book *book, const struct book_filter *filter, uint64_t from,
               bool (*visit)(void *context, const struct book_item *item), void *context,
               struct problem *problem)
{
    struct journal_reader *reader;
    struct journal_record record;
    enum journal_status status = JOURNAL_END;
    bool on = true;
    if (journal_reader_open_path(book->path, NULL, from, &reader, problem) != JOURNAL_OK) {
        return false;
    }
    while (on && (status = journal_next(reader, &record)) == JOURNAL_OK) {
        on = record.kind != JOURNAL_SET_ASIDE || take(book, filter, &record, visit, context);
    }
    journal_reader_close(reader);
    if (status == JOURNAL_FAILED) {
        problem_set(problem, "%s: cannot be read to its end", book->path);
        return false;
    }
    return true;
}

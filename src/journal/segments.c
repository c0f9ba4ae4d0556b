#include "journal/segments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/format.h"

static bool grow(struct segments *segments)
{
    if (segments->count < segments->capacity) {
        return true;
    }
    size_t capacity = segments->capacity == 0 ? 64 : segments->capacity * 2;
    if (capacity > JOURNAL_SEGMENTS_MAX) {
        return false;
    }
    struct segment *items = realloc(segments->items, capacity * sizeof *items);
    if (items == NULL) {
        return false;
    }
    segments->items = items;
    segments->capacity = capacity;
    return true;
}

bool segments_put(struct segments *segments, struct segment segment)
{
    size_t at = segments->count;
    while (at > 0 && segments->items[at - 1].first > segment.first) {
        at--; /* the newest most of the time: nothing to go over */
    }
    if (at > 0 && segments->items[at - 1].first == segment.first) {
        segments->items[at - 1] = segment;
        return true;
    }
    if (!grow(segments)) {
        return false;
    }
    memmove(segments->items + at + 1, segments->items + at,
            (segments->count - at) * sizeof *segments->items);
    segments->items[at] = segment;
    segments->count++;
    return true;
}

void segments_remove(struct segments *segments, size_t index)
{
    segments->count--;
    memmove(segments->items + index, segments->items + index + 1,
            (segments->count - index) * sizeof *segments->items);
}

void segments_free(struct segments *segments)
{
    free(segments->items);
    *segments = (struct segments){ 0 };
}

static void visit_name(void *visitor, const char *name)
{
    struct segments *segments = visitor;
    struct segment found = { 0 };
    if (!segment_name_read(name, &found.first)) {
        segments->unsure = segments->unsure || strcmp(name, UNSURE_NAME) == 0;
    } else if (!grow(segments)) {
        segments->failed = true;
    } else {
        segments->items[segments->count++] = found; /* sorted when all are there */
    }
}

static int by_first(const void *a, const void *b)
{
    uint64_t left = ((const struct segment *)a)->first;
    uint64_t right = ((const struct segment *)b)->first;
    return left < right ? -1 : left > right;
}

int segments_list(struct segments *segments, const struct file_ops *files, const char *path)
{
    if (files->list(files->context, path, visit_name, segments) != 0) {
        return -1;
    }
    if (segments->failed) {
        errno = ENOMEM;
        return -1;
    }
    if (segments->count > 0) {
        qsort(segments->items, segments->count, sizeof *segments->items, by_first);
    }
    return 0;
}

size_t segments_find(const struct segments *segments, uint64_t position)
{
    size_t low = 0, high = segments->count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (segments->items[middle].first <= position) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

uint64_t segments_below(const struct segments *segments, size_t index)
{
    return index + 1 < segments->count ? segments->items[index + 1].first : UINT64_MAX;
}

void journal_file_path(const char *folder, const char *name, char path[JOURNAL_FILE_PATH_MAX])
{
    (void)snprintf(path, JOURNAL_FILE_PATH_MAX, "%s/%s", folder, name);
}

void journal_segment_path(const char *folder, uint64_t first, char path[JOURNAL_FILE_PATH_MAX])
{
    char name[SEGMENT_NAME_CHARS + 1];
    segment_name(first, name);
    journal_file_path(folder, name, path);
}

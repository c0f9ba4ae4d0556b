#include "journal/segments.h"

#include <errno.h>
#include <stdlib.h>

#include "journal/format.h"

bool segments_add(struct segments *segments, struct segment segment)
{
    if (segments->count == segments->capacity) {
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
    }
    segments->items[segments->count++] = segment;
    return true;
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
    if (segment_name_read(name, &found.first) && !segments_add(segments, found)) {
        segments->failed = true;
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

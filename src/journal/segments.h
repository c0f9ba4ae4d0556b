/* The list of a journal's segments, ascending by first position. */
#ifndef JOURNAL_SEGMENTS_H
#define JOURNAL_SEGMENTS_H

#include "journal/journal.h"

struct segment {
    uint64_t first;
    int64_t bytes;
    int64_t last_time_ns; /* receive time of its last record, or its creation */
};

struct segments {
    size_t count, capacity; /* at most JOURNAL_SEGMENTS_MAX */
    struct segment *items;
    bool failed; /* out of memory or over the limit while listing */
};

/* Appends; false when out of memory or at the limit. */
bool segments_add(struct segments *segments, struct segment segment);
void segments_free(struct segments *segments);

/* Lists a folder. 0, or -1 with errno. */
int segments_list(struct segments *segments, const struct file_ops *files, const char *path);

/* Index of the last segment whose first position is <= position (0 if there is none such). */
size_t segments_find(const struct segments *segments, uint64_t position);

#endif

/* The list of a journal's segments, ascending by first position. */
#ifndef JOURNAL_SEGMENTS_H
#define JOURNAL_SEGMENTS_H

#include "journal/journal.h"

#define JOURNAL_PATH_MAX      3072
#define JOURNAL_FILE_PATH_MAX (JOURNAL_PATH_MAX + 64)

struct segment {
    uint64_t first;
    int64_t bytes;
    int64_t last_time_ns; /* receive time of its last record, or not before that */
    uint64_t born;        /* tells apart two files that had the same name one after the other */
    uint64_t damaged;     /* bytes of it that are no records, as far as somebody has looked */
};

struct segments {
    size_t count, capacity; /* at most JOURNAL_SEGMENTS_MAX */
    struct segment *items;
    bool failed; /* out of memory or over the limit while listing */
    bool unsure; /* the folder has a file UNSURE_NAME */
};

/* Puts a segment in its place, over one of the same first position; false when out of memory or at
 * the limit. */
bool segments_put(struct segments *segments, struct segment segment);
void segments_remove(struct segments *segments, size_t index);
void segments_free(struct segments *segments);

/* Lists a folder. 0, or -1 with errno. */
int segments_list(struct segments *segments, const struct file_ops *files, const char *path);

/* Index of the last segment whose first position is <= position (0 if there is none such). */
size_t segments_find(const struct segments *segments, uint64_t position);

/* First position of the segment behind the one at index; UINT64_MAX behind the newest. */
uint64_t segments_below(const struct segments *segments, size_t index);

/* Path of a segment, or of another file, in a folder. */
void journal_segment_path(const char *folder, uint64_t first, char path[JOURNAL_FILE_PATH_MAX]);
void journal_file_path(const char *folder, const char *name, char path[JOURNAL_FILE_PATH_MAX]);

#endif

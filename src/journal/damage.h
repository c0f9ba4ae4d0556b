/*
 * Side files: copies of damaged bytes, for whoever wants to look at them. A file
 * FIRST-OFFSET.damaged holds the bytes of the segment FIRST from OFFSET on (both in hex); if other
 * bytes are found there later, they go to FIRST-OFFSET-2.damaged and so on. It gets its name
 * when its bytes are durable, and is never written again.
 */
#ifndef JOURNAL_DAMAGE_H
#define JOURNAL_DAMAGE_H

#include "journal/journal.h"

#define DAMAGED_KEPT_MAX   (INT64_C(64) << 20) /* bytes in side files of a journal */
#define DAMAGED_FILES_MAX  256                 /* side files of a journal */
#define DAMAGED_COPIES_MAX 9                   /* side files of one place */

/* Zero-initialise but for files and folder. */
struct damage {
    const struct file_ops *files;
    const char *folder;
    bool unlimited; /* the limits do not hold: what is not kept here would be lost */
    bool measured;
    int64_t bytes; /* in side files */
    size_t count;
};

enum damage_result {
    DAMAGE_KEPT,       /* in a side file, from now on or before */
    DAMAGE_OVER_LIMIT, /* not kept */
    DAMAGE_FAILED      /* not kept; errno says why */
};

/* Copies bytes of a segment's file. The folder's sync is the caller's. */
enum damage_result damage_keep(struct damage *damage, uint64_t first, int fd, int64_t offset,
                               int64_t length);

/* Makes the segment's file itself the side file, for one whose header is damaged. */
enum damage_result damage_keep_whole(struct damage *damage, uint64_t first);

#endif

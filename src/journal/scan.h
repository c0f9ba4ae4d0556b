/* Reads the records of one segment file in order, past damage. */
#ifndef JOURNAL_SCAN_H
#define JOURNAL_SCAN_H

#include "journal/format.h"

#define SCAN_CHUNK                                                                                 \
    (256u << 10) /* bytes read at once; the buffer grows to one record of the largest size */

struct scan {
    const struct file_ops *files;
    int fd; /* -1 = closed */
    struct segment_header header;
    uint64_t first;   /* of the segment's name */
    uint64_t below;   /* what is at or above it is superseded by the next segment */
    bool superseded;  /* such a record has been met: what stands behind it does not count */
    int64_t offset;   /* of the next record in the file */
    int64_t end;      /* the file's size when scan_next last said SCAN_END */
    int64_t padded;   /* up to here padding has been looked at: a reader may step back */
    uint64_t last;    /* highest position read so far: a valid record lies above it */
    uint64_t damaged; /* bytes passed over, padding that is not zero among them */
    /* NULL, or is told of damaged bytes as they are passed over. */
    void (*on_damage)(void *context, const struct scan *scan, int64_t offset, int64_t length);
    void *context;
    uint8_t *buffer;
    size_t capacity, filled;
    int64_t base; /* file offset of buffer[0] */
};

enum scan_result {
    SCAN_RECORD,
    SCAN_END,    /* no further record in what the file holds now */
    SCAN_FAILED, /* could not read; errno says why */
    SCAN_FOREIGN /* scan_open: the segment's header is damaged, and all of it counted as damage */
};

/* Zero-initialise with fd = -1. Keeps buffer, last, damaged and on_damage of an earlier segment. */
enum scan_result scan_open(struct scan *scan, const struct file_ops *files, const char *folder,
                           uint64_t first, uint64_t below);
void scan_close(struct scan *scan); /* the file only */
void scan_free(struct scan *scan);  /* and the buffer */

enum scan_result scan_next(struct scan *scan, struct journal_record *record);

/* After SCAN_END, in a file that nobody writes to any more: bytes behind the last record are
 * damage. */
void scan_tail(struct scan *scan);

#endif

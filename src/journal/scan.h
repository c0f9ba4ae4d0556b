/* Reads the records of one segment file in order, past damage. */
#ifndef JOURNAL_SCAN_H
#define JOURNAL_SCAN_H

#include "journal/format.h"

#define SCAN_CHUNK                                                                                 \
    (256u << 10) /* bytes read at once; the buffer grows to one record of the largest size */

struct scan {
    const struct file_ops *files;
    int fd; /* -1 = closed */
    uint32_t salt;
    int64_t offset;   /* of the next record in the file */
    uint64_t last;    /* highest position read so far: a valid record lies above it */
    uint64_t damaged; /* bytes passed over */
    uint8_t *buffer;
    size_t capacity, filled;
    int64_t base; /* file offset of buffer[0] */
};

enum scan_result {
    SCAN_RECORD,
    SCAN_END,    /* no further record in what the file holds now */
    SCAN_FAILED, /* could not read; errno says why */
    SCAN_FOREIGN /* scan_open: the segment's header is damaged */
};

/* Zero-initialise with fd = -1. Keeps buffer, last and damaged of an earlier segment. */
enum scan_result scan_open(struct scan *scan, const struct file_ops *files, const char *path);
void scan_close(struct scan *scan); /* the file only */
void scan_free(struct scan *scan);  /* and the buffer */

enum scan_result scan_next(struct scan *scan, struct journal_record *record);

#endif

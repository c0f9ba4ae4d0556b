/*
 * A segment that is written as new.tmp and takes its name, and the place of a segment that had
 * it, when it is durable. Interrupted at any point it changes nothing but that.
 */
#ifndef JOURNAL_FRESH_H
#define JOURNAL_FRESH_H

#include "journal/format.h"

struct fresh {
    const struct file_ops *files;
    const char *folder;
    struct segment_header header;
    int fd; /* -1 = none */
    int64_t bytes;
};

/* Salts the header and begins. On failure of any of these there is nothing left to clear away, and
 * errno says why. */
bool fresh_begin(struct fresh *fresh, const struct file_ops *files, const char *folder,
                 struct segment_header header);
bool fresh_write(struct fresh *fresh, const void *bytes, size_t length);
/* The descriptor stays open for more. The folder's sync is the caller's. */
bool fresh_place(struct fresh *fresh);

/* A salt for a segment's header. */
uint32_t fresh_salt(uint64_t first);

/* Writes a segment anew with the records of it that are valid and count. The folder's sync is
 * the caller's. False on failure; errno says why. */
bool fresh_rewrite(const struct file_ops *files, const char *folder, uint64_t first,
                   uint64_t below);

#endif

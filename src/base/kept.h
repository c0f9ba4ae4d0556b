/*
 * A small file that is kept over restarts and always replaced as a whole: after a
 * crash either the old or the new content is there. One line of text in front says
 * what it is, so that a person and a program of another version see it:
 *
 *   "phusa-<kind> <version> <length of the body> <CRC32C of kind, version and body, hex>\n" body
 */
#ifndef BASE_KEPT_H
#define BASE_KEPT_H

#include "base/files.h"

#define KEPT_KIND_MAX 32 /* bytes of a kind, [a-z]+ */

enum kept_status {
    KEPT_OK = 0,
    KEPT_ABSENT,
    KEPT_DAMAGED, /* not what the line in front says */
    KEPT_FOREIGN, /* of another version */
    KEPT_FAILED   /* input/output error or out of memory; errno says why */
};

/* Durable on return (the folder's entry too). KEPT_FAILED leaves the old content. */
enum kept_status kept_write(const struct file_ops *files, const char *path, const char *kind,
                            unsigned version, const void *body, size_t length);

/* *body is to be freed by the caller; it is terminated by a zero byte that is not counted.
 * Files larger than most bytes are KEPT_DAMAGED. */
enum kept_status kept_read(const struct file_ops *files, const char *path, const char *kind,
                           unsigned version, size_t most, void **body, size_t *length);

#endif

/*
 * How far the store has what the spool holds, remembered over restarts: a kept
 * file (base/kept.h) of kind "cursor" whose body is "SAFE SENT\n", two positions of the
 * spool in decimal. It must be written only after the spool is synced, so that it
 * never names a position that a power cut can take back.
 */
#ifndef STORE_CURSOR_H
#define STORE_CURSOR_H

#include <stdint.h>

#include "base/kept.h"

struct store_cursor {
    uint64_t safe; /* everything up to here is in the store for good */
    uint64_t sent; /* up to here the store has answered 2xx */
};

/* Both are 0 unless KEPT_OK. */
enum kept_status store_cursor_read(const struct file_ops *files, const char *path,
                                   struct store_cursor *cursor);
enum kept_status store_cursor_write(const struct file_ops *files, const char *path,
                                    const struct store_cursor *cursor);

#endif

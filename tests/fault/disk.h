/*
 * A disk in memory behind struct file_ops that forgets as a real one does. What is durable and
 * what is not are kept apart:
 *
 *  - of each file, the bytes on disk and the list of writes and truncations since its last sync;
 *  - of the directories, the entries on disk and the list of creations, renames and removals
 *    since the last sync of the directory they stand in.
 *
 * fdatasync carries the bytes and the size of one file to disk, sync_directory the entries of one
 * directory. An fdatasync that fails drops what it should have carried, as Linux does: the bytes
 * can still be read, until the power goes, and the next fdatasync is a success without them.
 *
 * Faults are planned by the number of an operation. After a DISK_CRASH each operation fails and
 * changes nothing; disk_survivor then gives the disk as it is found afterwards. It may also be
 * asked of a disk that did not crash: what if it came now?
 *
 * Single-threaded; paths are absolute. Directories are entries too: one whose own entry did not
 * survive takes all in it along. Limits abort the test that exceeds them.
 */
#ifndef TESTS_FAULT_DISK_H
#define TESTS_FAULT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/files.h"

/* Classes of operations, to be combined. */
enum {
    DISK_READS = 1,   /* open of what is there, pread, size, list */
    DISK_WRITES = 2,  /* write, pwrite, ftruncate, allocate */
    DISK_ENTRIES = 4, /* open that creates, rename, unlink, mkdir */
    DISK_SYNCS = 8,   /* fdatasync, sync_directory */
    DISK_CLOSES = 16, /* the descriptor is gone even when it fails */
    DISK_CHANGES = DISK_WRITES | DISK_ENTRIES | DISK_SYNCS,
    DISK_ALL = 31
};

enum disk_fault_kind {
    DISK_NO_FAULT,
    DISK_ERROR, /* fails, changes nothing */
    DISK_SHORT, /* a write, pwrite or pread does only part, and says so; other operations work */
    DISK_TORN,  /* part of a write is done, part of an fdatasync carried, then it fails */
    DISK_CRASH  /* the operation under way may or may not be done; nothing works after it */
};

#define DISK_FOR_EVER 0xffffffffu

struct disk_fault {
    enum disk_fault_kind kind;
    unsigned classes;          /* which operations count */
    unsigned long at;          /* the fault strikes at this one of them, from 1 */
    unsigned times;            /* and at those behind it, so many in all; 0 is 1 */
    int error;                 /* errno of DISK_ERROR and DISK_TORN; default EIO */
    unsigned long crash_after; /* a crash at so many DISK_CHANGES behind the first; 0 = none */
};

/* What is found when the program starts again. */
enum disk_survival {
    DISK_KILLED,      /* only the program died: everything is there, and still not durable */
    DISK_NOTHING,     /* the power went: nothing that was not synced survived */
    DISK_EVERYTHING,  /* all of it did */
    DISK_SOME,        /* entries by chance; each sector (512 bytes) of a file as of some moment */
    DISK_SOME_DATA,   /* all entries; each sector as of some moment */
    DISK_TORN_SECTOR, /* all; the last write of each file ends at a multiple of 512 in it */
    DISK_TORN_BYTE,   /* all; the last write of each file ends anywhere in it */
    DISK_SIZE_ZEROS,  /* entries and sizes survived, the bytes are zeros */
    DISK_SIZE_GARBAGE /* entries and sizes survived, the bytes are chance */
};
#define DISK_SURVIVALS 9

extern const char *const disk_survival_names[DISK_SURVIVALS];

struct disk;

/* An empty disk with the durable directory /d. Never NULL. */
struct disk *disk_create(uint64_t seed);
void disk_free(struct disk *disk);

/* The operations on it, valid until disk_free. */
const struct file_ops *disk_files(struct disk *disk);

/* Counting begins anew; NULL or DISK_NO_FAULT: nothing goes wrong. */
void disk_plan(struct disk *disk, const struct disk_fault *fault);

/* Operations of these classes since disk_plan. */
unsigned long disk_count(const struct disk *disk, unsigned classes);

/* The planned fault has struck. */
bool disk_struck(const struct disk *disk);

/* A crash has come. */
bool disk_stopped(const struct disk *disk);

/* A failed fdatasync dropped bytes that can still be read: files show what the disk does not have.
 */
bool disk_dropped(const struct disk *disk);

/* No more than so many bytes in files; 0 = no limit. Writes go in as far as there is room. */
void disk_limit(struct disk *disk, uint64_t bytes);

/* A new disk: what is found after a crash. The old one stays as it is. */
struct disk *disk_survivor(const struct disk *disk, enum disk_survival survival, uint64_t seed);

/* Descriptors that are open. */
size_t disk_open_files(const struct disk *disk);

/* Bytes of a file as the program sees them, to look at or to damage; NULL if there is none. */
uint8_t *disk_bytes(struct disk *disk, const char *path, size_t *length);

/* Makes path a durable file with these bytes. */
void disk_put(struct disk *disk, const char *path, const void *bytes, size_t length);

#endif

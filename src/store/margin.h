/*
 * What the store may still lose. A 2xx is a promise that some stores break when
 * they are killed within seconds (VictoriaMetrics); so what was answered is
 * believed only when the store has been seen alive a margin later, and what lies
 * within the margin is sent again ("a rewind") when the store may have restarted.
 *
 * Invariants
 * - Everything up to `safe` is in the store for good. It never goes back.
 * - Entries ascend in position and in time and cover (safe, newest].
 * - While a rewind is wanted, safe does not pass the position it begins behind.
 * - At most one rewind a margin: a store that closes its connection after each
 *   answer costs each reading one sending more and no livelock, since what was
 *   sent again is not doubted again for a new connection. It is doubted again
 *   for a restart, which only the store itself can report.
 * Pure: all time is handed in.
 */
#ifndef STORE_MARGIN_H
#define STORE_MARGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define MARGIN_ENTRIES 128 /* remembered answers; more are merged into their successors */
#define MARGIN_BUCKETS 64  /* answers within margin / 64 share an entry */

enum suspicion {
    SUSPECT_CONNECTION, /* a request had to open a new one */
    SUSPECT_RESTART     /* the store says that it started anew */
};

struct margin_entry {
    uint64_t position; /* the last one of what was answered */
    uint64_t readings;
    mono_time answered; /* not before the answer came */
};

struct margin {
    int64_t length_ns;
    struct margin_entry entries[MARGIN_ENTRIES]; /* a ring */
    size_t first, count;
    uint64_t safe;
    uint64_t readings_safe; /* passed the margin since margin_init */
    bool wanted;            /* a rewind */
    uint64_t wanted_from;   /* it begins behind this position */
    bool rewound;           /* ever */
    mono_time rewound_at;
    uint64_t resent_upto; /* rewinds have sent everything in doubt up to here again */
};

void margin_init(struct margin *margin, int64_t length_ns, uint64_t safe);

/* Everything up to position was answered 2xx, at the latest at `answered`. */
void margin_add(struct margin *margin, uint64_t position, uint64_t readings, mono_time answered);

/* The store was alive at `alive` and, for all one knows, has not restarted since it last was. */
void margin_advance(struct margin *margin, mono_time alive);

/* The store may have lost what it answered lately: a rewind is wanted, if there is anything in
 * doubt. */
void margin_suspect(struct margin *margin, enum suspicion suspicion);

/* If a rewind is wanted and allowed at now: takes back what lies behind *from and returns true; the
 * caller sends again all positions above *from. */
bool margin_rewind(struct margin *margin, mono_time now, uint64_t *from);

#endif

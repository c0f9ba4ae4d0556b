/*
 * What has become of each report of the log: a list of runs of consecutive
 * numbers that share a fate. Pure bookkeeping, bounded: when the list is full,
 * neighbouring runs are joined into one that may be sent once too often but is
 * never forgotten.
 */
#ifndef FIRMWARE_DELIVERY_H
#define FIRMWARE_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phusa/message.h"

#define DELIVERY_RUNS_MAX 192 /* 61 waves of two streams, a receipt's 16 ranges, and room */
#define DELIVERY_WAVES    60  /* resend_after is divided into that many waves */

enum delivery_fate {
    DELIVERY_WAITING, /* to be sent, or sent again */
    DELIVERY_SENT,    /* on its way, in a known wave */
    DELIVERY_COVERED, /* on the collector's disk */
    DELIVERY_ASIDE    /* given up: sent too often, or no longer readable */
};

struct delivery_run {
    uint64_t first; /* it ends where the next run begins */
    uint32_t wave;  /* SENT: the wave of the last sending, from 1 */
    uint8_t fate;
    uint8_t strikes; /* sendings that stayed uncovered while later ones were covered */
};

/* Read what you like; change nothing. */
struct delivery {
    struct delivery_run runs[DELIVERY_RUNS_MAX]; /* ascending; the first covered ones are dropped */
    size_t count;
    uint64_t end;     /* one behind the newest report */
    int64_t start_ns; /* monotonic origin of the waves */
    int64_t wave_ns, resend_after_ns;
    int64_t silence_ns; /* how long uncovered reports wait now; doubles while no receipt comes */
    int64_t silent_since_ns; /* the last receipt or connection */
    uint64_t last_upto;      /* of the latest receipt */
    uint32_t covered_wave;   /* the latest wave of which something was covered */
    uint32_t strikes_max;
    uint64_t covered, set_aside; /* counts */
};

/* Reports first .. end - 1 wait for their first sending. */
void delivery_init(struct delivery *delivery, uint64_t first, uint64_t end, int64_t resend_after_ns,
                   uint32_t strikes_max, int64_t mono_ns);

/* The log has grown: reports up to end - 1 exist and those new wait. */
void delivery_extend(struct delivery *delivery, uint64_t end);

/* The log has lost what is below first. Returns how many of those were not covered. */
uint64_t delivery_drop_below(struct delivery *delivery, uint64_t first);

/* The oldest waiting report with a number >= from; 0 if there is none. */
uint64_t delivery_waiting(const struct delivery *delivery, uint64_t from);

/* True if seq was sent before (and so is sent again when it is sent now). */
bool delivery_was_sent(const struct delivery *delivery, uint64_t seq);

void delivery_sent(struct delivery *delivery, uint64_t seq, int64_t mono_ns);

/* seq cannot be sent at all. */
void delivery_give_up(struct delivery *delivery, uint64_t seq);

/* A receipt for this log came in; held is the oldest report that could still be sent. */
void delivery_receipt(struct delivery *delivery, const struct phusa_receipt *receipt, uint64_t held,
                      int64_t mono_ns);

/* The connection is gone or new: what was on its way counts as unsent. */
void delivery_unsend(struct delivery *delivery, int64_t mono_ns);

/* Turns into waiting what has been on its way for too long. */
void delivery_expire(struct delivery *delivery, int64_t mono_ns);

/* Reports that were sent within the last resend_after and are not covered. */
uint64_t delivery_in_flight(const struct delivery *delivery, int64_t mono_ns);

/* True if nothing is waiting or on its way. */
bool delivery_settled(const struct delivery *delivery);

/* The number below which everything is covered. */
uint64_t delivery_covered_below(const struct delivery *delivery);

#endif

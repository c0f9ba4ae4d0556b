/* How long to wait before the next try: exponential with full jitter. Pure. */
#ifndef STORE_BACKOFF_H
#define STORE_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_NS INT64_C(100000000) /* 100 ms */
#define BACKOFF_MOST_NS                                                                            \
    INT64_C(10000000000)         /* 10 s: a store that comes back is not kept waiting for long */
#define BACKOFF_RETRY_AFTER_S 60 /* a store that asks for more is asked again sooner */

struct backoff {
    uint64_t random;   /* state of the generator */
    unsigned failures; /* in a row */
};

/*
 * Counts a failure and returns the wait: evenly distributed between 0 and
 * 100 ms, 200 ms, 400 ms ... 10 s, so that many senders do not return together;
 * at least retry_after_s (what the store asked for, 0 = nothing), of which 60 s
 * are honoured.
 */
int64_t backoff_next(struct backoff *backoff, int64_t retry_after_s);

/* It worked: the next failure is the first again. */
void backoff_reset(struct backoff *backoff);

#endif

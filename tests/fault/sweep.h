/*
 * Runs a scenario over and over, each time with something else going wrong, and lets it check
 * after each what it promised. A scenario is one life of a program: it starts from what is on the
 * disk, checks all promises, works, notes what it promised, and stops. So the recovery after a
 * fault is just its next life.
 */
#ifndef TESTS_FAULT_SWEEP_H
#define TESTS_FAULT_SWEEP_H

#include "disk.h"

/* How much the scenario may expect of a life. */
enum health {
    HEALTHY, /* nothing goes wrong: everything must work */
    FAULTY,  /* one or two operations go wrong: that may be refused, what comes later must work */
    DYING    /* from some moment on nothing works */
};

struct scenario {
    const char *name;
    size_t promises_size; /* of the promises: plain memory, zero before the first life */
    void (*live)(struct disk *disk, void *promises, enum health health);
    /*
     * It leaves no mark when a sync fails, and its next life takes what it reads for what the next
     * sync will make durable: a kill between a failed sync and its repair is not tried.
     */
    bool trusts_cache;
};

/* The seed of the run, printed once; PHUSA_SEED sets another. */
uint64_t sweep_seed(void);

/* Each operation fails in each way; then a life on the same disk, and one after a power cut. */
void sweep_faults(const struct scenario *scenario);

/* A crash at each operation that changes something; then lives on each disk that may be left. */
void sweep_crashes(const struct scenario *scenario);

/* Each write and sync fails, and a crash comes at each of the next changes. */
void sweep_faults_and_crashes(const struct scenario *scenario);

/* After a crash at each such operation, another crash or fault at operations all over the recovery:
 * at each of them after one crash or another. */
void sweep_seconds(const struct scenario *scenario);

/* A promise is broken: fails the test and says where the sweep stands. */
void sweep_broken(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* For sweeps of another kind: notes where it stands. */
void sweep_stands_at(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

/*
 * The collector at work: journals, threads and connections around the pipeline.
 * phusad.c creates it, tends it and ends it.
 *
 * Files under journal.path: the raw journal's segments themselves; spool/ and
 * quarantine/ (journals, too); store.cursor (how far the store has got);
 * outbox.db (alarms and their messages).
 *
 * Threads: Paho's (writes messages to the raw journal), sync (group commit), flow (the
 * pipeline), sender (spool to store), the notifier's, the console's. They meet
 * only at the journals, the outbox and one lock around the pipeline's state.
 */
#ifndef COLLECTOR_H
#define COLLECTOR_H

#include "base/clock.h"
#include "base/problem.h"
#include "settings/settings.h"

struct collector;

/*
 * Opens everything and starts the threads; owns settings from here on, even on
 * failure (NULL with a problem). Reads the whole journal again to know
 * the state of stations and alarms, discarding what earlier runs have already passed on.
 */
struct collector *collector_create(struct settings *settings, const struct clock *clock,
                                   struct problem *problem);

/* To be called about every 100 ms: keeps the connection, writes ticks, retires old segments. */
void collector_tend(struct collector *collector);

/* Goes over to new settings (stations, rules, parameters, channels) and owns them. */
void collector_reload(struct collector *collector, struct settings *settings);

/* A reload that was refused: shown on the page until one is accepted. */
void collector_reload_refused(struct collector *collector, const char *why);

/* The port the console listens on. */
unsigned collector_port(const struct collector *collector);

/* Stops in reverse order, within 5 s, with nothing lost, and frees. NULL is fine. */
void collector_free(struct collector *collector);

#endif

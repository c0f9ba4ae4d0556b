/*
 * Alarms over HTTP, everything but the server itself: pure but for the source.
 *
 * GET  /api/v1/alarms          ?rule&station: {"alarms":[...]}: what is active, or not
 *                              acknowledged, or held back.
 * POST /api/v1/alarms          {"do","rule","station","who","text","until"}: what an operator does;
 *                              see pipeline_verbs.c. 200 {"taken":true}; 400 with what would be
 *                              right; 401, 403 without the token; 503 when the journal is full.
 * GET  /api/v1/alarms/history  ?rule&station&from&to&limit: {"events":[...],"more":bool}, by time.
 * GET  /api/v1/alarms/load     ?from&to&operators: how much of it people had to bear.
 * GET  /api/v1/messages        ?channel&station&rule&waiting&before&limit: what was sent to whom,
 *                              newest first; recipients with their middle left out.
 * Each GET that finds nothing and was asked for a rule, station or channel that there is not
 * answers 404 {"error": which}. Times are epoch seconds, also in queries (there ISO 8601 as well).
 */
#ifndef CONSOLE_ALARMS_H
#define CONSOLE_ALARMS_H

#include "console/console.h"

#define ALARMS_BODY_MAX    4096 /* bytes of a verb's JSON */
#define HISTORY_EVENTS_MAX 1000 /* in one answer, and the default */
#define MESSAGES_MAX       1000 /* likewise */
#define LOAD_DAYS_MAX      92   /* that a load report may span; default: the last day */
#define LOAD_OPERATORS_MAX 1000

/* Values of a request, NULL where it has none. */
struct alarms_asked {
    const char *rule, *station, *from, *to, *limit, *operators, *channel, *waiting, *before;
};

/* Each returns the HTTP status; out is what to answer. now is the collector's time. */
unsigned alarms_list(const struct console_source *source, const struct alarms_asked *asked,
                     struct text_buffer *out);
unsigned alarms_verb(const struct console_source *source, struct phusa_text body,
                     struct text_buffer *out);
unsigned alarms_history(const struct console_source *source, const struct alarms_asked *asked,
                        wall_time now, struct text_buffer *out);
unsigned alarms_load(const struct console_source *source, const struct alarms_asked *asked,
                     wall_time now, struct text_buffer *out);
unsigned alarms_messages(const struct console_source *source, const struct alarms_asked *asked,
                         struct text_buffer *out);

#endif

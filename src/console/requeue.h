/*
 * POST /api/v1/quarantine/requeue: what was set aside is taken again. Everything but the
 * server itself, so that it can be tested without one.
 *
 * Body: {"positions":[P, ...]}, at most CONSOLE_REQUEUE_MAX positions of the quarantine. Answer:
 * 200 {"requeued":N}; 400 with what is wrong with the body; 401 without the right token; 403 when
 * none is configured; 404 with the position that cannot be put back (then none was); 503 when the
 * journal takes no more.
 */
#ifndef CONSOLE_REQUEUE_H
#define CONSOLE_REQUEUE_H

#include "console/console.h"

/* Bytes of a body: the longest number, a comma and a space for each position, and the rest. */
#define REQUEUE_BODY_MAX (CONSOLE_REQUEUE_MAX * 22u + 1024u)

/* HTTP status for a request with this Authorization header (NULL = none): 200, 401 or 403. The time
 * it takes does not depend on how much of the token is right. */
unsigned requeue_authorize(const char *authorization, const char *token);

/* Reads the body and asks the source. Returns the HTTP status; out is what to answer. */
unsigned requeue_answer(const struct console_source *source, struct phusa_text body,
                        struct text_buffer *out);

#endif

/*
 * GET and POST /api/v1/delivery: an SMS gateway says what became of a message it took. The address
 * it was given (with the message) has `channel`, `key` and `proof`; the gateway adds `state`, there
 * or in the form of a POST. The proof is the credential: no other is asked for.
 *
 * Answer: 200 {"report":"delivered" | "again" | "failed" | "noted" | "unchanged"}; 400 without a
 * state; 403 without the right proof; 503 when it could not be written down.
 *
 * Everything but the server itself, so that it can be tested without one.
 */
#ifndef CONSOLE_DELIVERY_H
#define CONSOLE_DELIVERY_H

#include "console/console.h"

#define DELIVERY_BODY_MAX  4096u /* bytes of a form */
#define DELIVERY_STATE_MAX 64    /* bytes of a state in it */

/* The value of `state` in a form (application/x-www-form-urlencoded), "" if it has none or one that
 * is too long. Terminated. */
void delivery_read_form(struct phusa_text form, char state[DELIVERY_STATE_MAX + 1]);

/* What a request holds; NULL where it has no such value. Returns the HTTP status. */
unsigned delivery_answer(const struct console_source *source, const struct console_delivery *asked,
                         struct text_buffer *out);

#endif

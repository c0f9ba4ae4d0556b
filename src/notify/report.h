/*
 * Delivery reports: how a gateway that took a message tells later what became of it. With each
 * request it is given an address
 *
 *   BASE/api/v1/delivery?channel=ID&key=KEY&proof=PROOF
 *
 * to which it adds its own word for the state ("&state=8"). KEY is a random number made for one
 * sending of one parcel to one recipient, so that a report of an earlier sending, of another
 * outbox or of nothing at all names nothing. PROOF is HMAC-SHA256 of "ID\nKEY" under the channel's
 * secret, or under one that the outbox keeps: whoever shows it was given the address.
 */
#ifndef NOTIFY_REPORT_H
#define NOTIFY_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phusa/text.h"
#include "settings/channel.h"

#define REPORT_SECRET_BYTES 32
#define REPORT_KEY_CHARS    16 /* hex of a sending's number */
#define REPORT_PROOF_CHARS  64 /* hex of HMAC-SHA256 */
#define REPORT_URL_MAX      512

/* What a report comes to, as the outbox keeps it. */
enum report_outcome { REPORT_NOTED = 1, REPORT_DONE = 2, REPORT_FAILED = 3 };

/* Random bytes; false when the crypto library fails. */
bool report_make_secret(unsigned char secret[REPORT_SECRET_BYTES]);

/* A random number above 0, for one sending; false when the crypto library fails. */
bool report_make_number(int64_t *number);

void report_print_key(int64_t number, char key[REPORT_KEY_CHARS + 1]);

/* The number of a key; 0, which names nothing, if it is none. */
int64_t report_read_key(const char *key);

/* False when the crypto library fails. */
bool report_prove(struct phusa_text secret, const char *channel, const char *key,
                  char proof[REPORT_PROOF_CHARS + 1]);

/* Whether that is the proof; the time it takes does not depend on how much of it is right. */
bool report_is_proven(struct phusa_text secret, const char *channel, const char *key,
                      const char *proof);

/* The address for a gateway, terminated; false if it does not fit or cannot be proven. */
bool report_print_url(const struct channel_settings *channel, struct phusa_text secret,
                      const char *key, char url[REPORT_URL_MAX]);

/* What the gateway's word for a state means to the channel. */
enum report_outcome report_judge(const struct channel_settings *channel, const char *state);

#endif

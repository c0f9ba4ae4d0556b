/*
 * What a channel is given to tell: letters, in parcels.
 *
 * A letter is one change of an alarm's state, with every text that any channel may want, as it was
 * made at the commit (letter.c): all tries say the same, whatever the settings are by then. It is
 * kept in the outbox as two pieces of JSON: the body that webhooks get (notice.c) and the details.
 *
 * A parcel is what goes out in one delivery: a letter, or many for the same recipient (a digest).
 */
#ifndef NOTIFY_LETTER_H
#define NOTIFY_LETTER_H

#include "notify/notify.h"
#include "settings/template.h"

#define LETTER_DETAILS_MAX 24576 /* bytes of a letter's details as JSON, all of it escaped */
#define PARCEL_LETTERS_MAX 200   /* letters in one delivery; of further ones only the number */

/* Lengths of the texts in a letter, as letter_make keeps to them, in bytes. */
#define LETTER_TEXT_MAX  768
#define LETTER_BRIEF_MAX BRIEF_MAX /* SMS, before its diacritics go */
#define LETTER_LINE_MAX  160
#define HEADLINE_MAX     (2 * LETTER_TEXT_MAX)

/* A text in both languages, valid UTF-8 in one line; index by enum language; never NULL. */
struct letter_text {
    const char *in[LANGUAGES];
};

struct letter {
    const char *key;  /* NOTICE_KEY_CHARS */
    const char *body; /* the contract's JSON */
    size_t body_length;
    const char *topic; /* of the alarm */
    const char *rule, *site, *station, *parameter;
    enum severity from, to;
    int64_t time_ns, since_ns;
    double value; /* NaN: none */
    bool historical;
    bool escalated; /* nobody acknowledged it: told again, to others */
    bool flapping;  /* it changes too often: no more is told until it is calm */
    const char *station_name;
    double lat, lon; /* NaN = unknown */
    struct letter_text label;
    const char *unit; /* as people write it; may be "" */
    struct letter_text hazard, text, brief, line, action, stop, severity_name;
    struct letter_text text_stop, brief_stop; /* for subscribers: with how to stop receiving it */
    struct letter_text value_text;            /* "4,3 g/L" */
    const char *category, *urgency, *certainty;
    int32_t utc_offset_s;
};

struct parcel {
    const struct letter *letters; /* at least one; of a digest the last of each series, the gravest
                                     first, the newest of the same severity first */
    size_t count;
    size_t more;           /* series that are told with it, but not among its letters */
    const char *recipient; /* "" for channels without recipients */
    bool subscriber;       /* the recipient is one */
    enum language language;
    const char *key; /* idempotency: that of the letter, or of the parcel; the same at each try */
    const char *report; /* names this sending in a delivery report (report.h); of its own at each */
};

/* Writes the details of a notice; terminated, returns the length, 0 if they do not fit, which
 * cannot be with a capacity of LETTER_DETAILS_MAX. The settings give the words that are no rule's.
 */
size_t letter_details(const struct notice *notice, const struct settings *settings, char *buffer,
                      size_t capacity);

struct letter_store; /* what a letter that was read points into */

/* Reads what the outbox holds; false when it is nothing of that kind or memory is out. The letter
 * lives until letter_store_free. */
bool letter_read(struct phusa_text body, struct phusa_text details, struct letter *letter,
                 struct letter_store **store);
void letter_store_free(struct letter_store *store);

/* The text of a parcel for people: that of its letter, or for several a heading ("30 cảnh báo") and
 * a line each, ended by "\n"; what does not fit is counted in the last line. Terminated; returns
 * the length. brief: for SMS. */
size_t parcel_text(const struct parcel *parcel, bool brief, char *out, size_t capacity);

/* "Xâm nhập mặn – Cống Xuân Hòa: nghiêm trọng", "Hết cảnh báo: Xâm nhập mặn – Cống Xuân Hòa". Cut
 * at a character, terminated; returns the length. */
size_t letter_headline(const struct letter *letter, enum language language, char *out,
                       size_t capacity);

/* Its subject: hazard, station and state, or the number of alarms and the gravest state. */
size_t parcel_subject(const struct parcel *parcel, char *out, size_t capacity);

#endif

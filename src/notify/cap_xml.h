/*
 * CAP 1.2 (OASIS, CAP-v1.2-os) and its Atom feed as text. Pure.
 *
 * One message per letter. All messages of an alarm, from the first Alert to the Cancel, are one
 * incident and have the same <incidents>: "SITE/STATION/RULE/PARAMETER@SECONDS", where the
 * seconds are those of the first change. An Update or Cancel has all earlier ones in <references>.
 *
 * The files are their own index: what the folder must remember of a message is read back from
 * it (cap_facts_read), and the feed is made of the same facts. Only what cap_write wrote is read,
 * where each element stands on a line of its own and text is escaped, so finding a tag finds
 * the element.
 */
#ifndef NOTIFY_CAP_XML_H
#define NOTIFY_CAP_XML_H

#include "base/iso_time.h"
#include "notify/delivery.h"

#define CAP_IDENTIFIER_MAX 80     /* characters [0-9a-f-] of an identifier */
#define CAP_SENDER_MAX     128    /* bytes of a sender, escaped */
#define CAP_INCIDENT_MAX   160    /* bytes: four ids, a time */
#define CAP_REFERENCES_MAX 64     /* earlier messages named in one: the first and the latest */
#define CAP_MESSAGE_MAX    131072 /* bytes of a message */
#define CAP_ENTRY_MAX      16384  /* bytes of a feed's entry */
#define CAP_HEAD_MAX       4096   /* bytes of a feed before its entries */
#define CAP_RADIUS_KM      "0.5"  /* of the circle around a station: the place, not the reach */

/* "sender,identifier,sent", escaped */
#define CAP_REFERENCE_MAX (CAP_SENDER_MAX + CAP_IDENTIFIER_MAX + ISO_TIME_CHARS + 2)

enum cap_type { CAP_ALERT, CAP_UPDATE, CAP_CANCEL };

/* What a message needs besides its letter. */
struct cap_message {
    const char *identifier;
    enum cap_type type;
    int64_t sent_ns, expires_ns;
    const char *incident;
    const char *const *references; /* each "sender,identifier,sent", escaped; oldest first */
    size_t reference_count;
};

/* What the channel has set. */
struct cap_source {
    const char *sender, *sender_name, *status, *link;
};

/* "SITE/STATION/RULE/PARAMETER": what the incidents of a series begin with. False if the ids are
 * longer than ids can be. */
bool cap_series_print(const struct letter *letter, char series[CAP_INCIDENT_MAX + 1]);

/* The whole document; terminated, returns its length, 0 if it does not fit, which cannot be with a
 * capacity of CAP_MESSAGE_MAX and a letter within its limits. */
size_t cap_write(const struct letter *letter, const struct cap_message *message,
                 const struct cap_source *source, char *buffer, size_t capacity);

/* What a message says, as slices of it; texts are as they stand there: escaped. Those of the first
 * info block, which is Vietnamese. */
struct cap_facts {
    struct phusa_text identifier, sender, sent, incident;
    struct phusa_text event, urgency, severity, certainty, expires, headline, description, area;
    enum cap_type type;
    int64_t sent_ns, expires_ns;
};

/* False if it is not one that cap_write may have written. */
bool cap_facts_read(struct phusa_text message, struct cap_facts *facts);

/* --- Atom (RFC 4287) ---------------------------------------------------------------- */

/* The entry of a message; returns its length, 0 if it does not fit. Not terminated. */
size_t cap_entry_write(const struct cap_facts *facts, char *buffer, size_t capacity);

/* What stands before the entries; CAP_FEED_END behind them. `channel` is the channel's id. */
size_t cap_head_write(const struct cap_source *source, const char *channel, int64_t updated_ns,
                      int32_t utc_offset_s, char *buffer, size_t capacity);

#define CAP_FEED_END "</feed>\n"

#endif

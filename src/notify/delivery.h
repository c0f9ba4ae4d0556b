/* What the files of this room share: messages, the ways they leave by, and when to try again. */
#ifndef NOTIFY_DELIVERY_H
#define NOTIFY_DELIVERY_H

#include "notify/letter.h"
#include "notify/notify.h"
#include "notify/report.h"

/* --- wording.c (pure) ----------------------------------------------------- */

#define WORDING_MAX                                                                                \
    768 /* bytes of a sentence; two of them, every byte escaped, fit NOTICE_BODY_MAX */

enum wording_part {
    WORDING_TEXT,  /* the whole message */
    WORDING_BRIEF, /* for SMS */
    WORDING_LINE   /* one alarm in a digest or on a board */
};

/* One line for people: valid UTF-8 without control characters, cut at a character, terminated;
 * returns its length. Of a rule without template the text is a sentence of wording.c with
 * source, time and how to stop; everything without settings is a bare one. stop: with how to stop
 * receiving it. */
size_t wording_part(const struct notice *notice, const struct settings *settings,
                    enum language language, enum wording_part part, bool stop, char *text,
                    size_t capacity);

/* Pieces of it, of the same form: the hazard (or the rule's message), "4,3 g/L", and the unit. */
void wording_hazard(const struct notice *notice, enum language language, char text[WORDING_MAX]);
void wording_value(const struct notice *notice, enum language language, char text[WORDING_MAX]);
void wording_unit(const struct rule *rule, char text[WORDING_MAX]);

/* A text of the configuration in that form. */
void wording_clean(const char *from, char text[WORDING_MAX]);

/* --- letter.c ----------------------------------------------------------------- */

/* A letter as it is committed. */
struct letter_draft {
    size_t body_length, details_length;
    char body[NOTICE_BODY_MAX], details[LETTER_DETAILS_MAX];
};

/* False when none can be made (out of memory). */
bool letter_draft(const struct notice *notice, const struct settings *settings,
                  struct letter_draft *draft);

/* --- recipients.c (pure) --------------------------------------------------------- */

/* The name under which messages for the alarm topic wait; no channel's id is empty. */
#define CHANNEL_RETAINED ""

/* One who must hear of a notice. */
struct recipient {
    size_t slot;         /* that of his channel and address */
    const char *channel; /* its id; CHANNEL_RETAINED for the alarm topic */
    const char *address; /* "" where the channel has none */
    enum language language;
    bool subscriber;
    bool put_off;   /* messages to him may wait for a time: quiet hours, or one that failed later */
    int64_t due_ns; /* not before: now, or the end of his quiet hours */
};

struct recipients;

/* Indexes channels, subscribers and own limits of the settings, which must outlive it. NULL when
 * out of memory. */
struct recipients *recipients_create(const struct settings *settings);
void recipients_free(struct recipients *index);
size_t recipients_slots(const struct recipients *index);

typedef void recipient_visit(void *context, const struct recipient *recipient);

/* Hands each recipient of the notice to visit, once. Costs nothing for subscribers of other
 * places. The rule is one of the settings, or has places of their channels. */
void recipients_each(struct recipients *index, const struct notice *notice, wall_time now,
                     recipient_visit *visit, void *context);

/* When a message to that address may go, by its quiet hours. */
int64_t recipients_due_to(const struct recipients *index, const char *channel, const char *address,
                          enum severity severity, wall_time now);

/* When a message of that severity may go: now, or at the end of the quiet hours. */
int64_t recipients_due(const struct channel_quiet *quiet, enum severity severity,
                       int32_t utc_offset_s, wall_time now);

/* --- pace.c (pure) --------------------------------------------------------------- */

/* What a recipient got lately; zero: nothing. */
struct pace_state {
    int64_t from_ns; /* when the burst began */
    int64_t count;   /* messages since */
};

enum pace_kind {
    PACE_ONE, /* the oldest message may go */
    PACE_ALL, /* all may go, as one */
    PACE_WAIT /* none may go before when_ns */
};

struct pace_turn {
    enum pace_kind kind;
    int64_t when_ns;
};

/* Whether messages, the oldest of which came at oldest_ns, may go now. Without gather_ns there are
 * no digests; with no burst either, all go at once. */
struct pace_turn pace_next(const struct channel_pace *pace, const struct pace_state *state,
                           int64_t oldest_ns, wall_time now);

/* One message went, or all. */
void pace_sent(const struct channel_pace *pace, struct pace_state *state, bool all, wall_time now);

/* --- outbox.c -------------------------------------------------------------------- */

/* How a channel takes messages. */
struct outbox_terms {
    bool digests; /* for people: by the pace, in digests of which letters beyond `most` are only
                     counted; else up to `most` letters, each once, as they are due */
    size_t most;  /* letters in a parcel; 1 .. PARCEL_LETTERS_MAX */
    struct channel_pace pace;
    bool reports; /* the gateway tells later what became of them; then digests */
};

struct outbox_letter {
    int64_t id; /* of its message */
    char *body, *details;
};

/* What was taken. Zero-initialised = nothing; to be cleared at the end. */
struct outbox_parcel {
    int64_t recipient; /* row */
    char address[SUBSCRIBER_ADDRESS_MAX + 1];
    enum language language;
    bool subscriber;
    int64_t digest;  /* 0: its messages are those of its letters */
    size_t messages; /* that it ends */
    size_t more;     /* series that are only counted */
    size_t count;
    struct outbox_letter letters[PARCEL_LETTERS_MAX];
    unsigned tries;     /* so far */
    int64_t refused_ns; /* since when it is refused at each try; 0 = it is not */
    struct pace_state pace;
    int64_t sending;  /* its number for delivery reports; 0 = there are none */
    int64_t again_ns; /* OUTBOX_NONE: there may be something then, INT64_MAX: never by itself */
};

/*
 * The next parcel of a channel that is due at now. OUTBOX_NONE if there is none, with again_ns.
 * It stays in the outbox until marked. Clears the parcel first.
 */
enum outbox_status outbox_take(struct outbox *outbox, const char *channel,
                               const struct outbox_terms *terms, wall_time now,
                               struct outbox_parcel *parcel, struct problem *problem);
void outbox_parcel_clear(struct outbox_parcel *parcel);

enum outbox_end { OUTBOX_SENT, OUTBOX_GIVEN_UP };

/* Ends the messages of a parcel, which lets the next of their series come; fine if some were
 * dropped meanwhile. A mark may be lost with the power: then the parcel is sent again. */
enum outbox_status outbox_mark(struct outbox *outbox, const struct outbox_parcel *parcel,
                               const struct outbox_terms *terms, enum outbox_end end, wall_time now,
                               struct problem *problem);

/* A try that did not get through. */
struct failure {
    bool refused;
    wall_time now, again; /* it is not taken before `again` */
    const char *words;    /* why */
};

/* Writes a failed try down and counts it. */
enum outbox_status outbox_fail(struct outbox *outbox, const struct outbox_parcel *parcel,
                               const struct failure *failure, struct problem *problem);

/* What failed on the channel is due at once: it is a new try, by a new run or other settings. */
enum outbox_status outbox_retry(struct outbox *outbox, const char *channel, wall_time now,
                                struct problem *problem);

/*
 * Hands to visit the letter told last of every series that is not normal and whose rule goes to the
 * channel: the gravest first, of equals the newest. The letter lives for the call. False when the
 * database could not be read to its end. Delays nobody.
 */
bool outbox_each_active(struct outbox *outbox, const char *channel,
                        void (*visit)(void *context, const struct letter *letter), void *context);

/* Gives up what waits for channels that are not among these; *given_up receives how many. */
enum outbox_status outbox_give_up_unknown(struct outbox *outbox,
                                          const struct channel_settings *channels, size_t count,
                                          uint64_t *given_up, struct problem *problem);

void outbox_count_retry(struct outbox *outbox);

/* The secret that proves delivery reports of channels without one of their own. */
void outbox_copy_secret(struct outbox *outbox, unsigned char secret[REPORT_SECRET_BYTES]);

/* Lets fewer messages wait than OUTBOX_WAITING_MAX. */
void outbox_limit_waiting(struct outbox *outbox, uint64_t most);

/* --- urgent.c (pure) -------------------------------------------------------------- */

struct urgent_message {
    int64_t id; /* ascending */
    char topic[PHUSA_TOPIC_MAX + 1];
    char *body, *details;
    size_t reached; /* addresses that have it */
    unsigned tries; /* for the next address */
    bool refused;
    mono_time refused_since, next; /* not tried before `next` */
};

/* Zero-initialised = empty. All have a topic, by which a series is known. */
struct urgent_queue {
    int64_t last_id;
    size_t count;
    struct urgent_message messages[NOTIFIER_URGENT_MAX]; /* oldest first */
};

/* Copies a letter into the queue; when it is full the oldest goes. False when out of memory. */
bool urgent_add(struct urgent_queue *queue, const char *topic, const struct letter_draft *letter);

/* The oldest that is first of its series and due; NULL if there is none. It stays until it is
 * ended. */
struct urgent_message *urgent_next(struct urgent_queue *queue, mono_time now);

/* The one of that id; NULL if it has gone meanwhile. */
struct urgent_message *urgent_find(struct urgent_queue *queue, int64_t id);

/* Fine if it has gone meanwhile. */
void urgent_end(struct urgent_queue *queue, int64_t id);

/* When the next is due; INT64_MAX ns when there is none. */
mono_time urgent_due(const struct urgent_queue *queue);

void urgent_clear(struct urgent_queue *queue);

/* --- ways out --------------------------------------------------------------- */

enum delivery {
    DELIVERY_DONE,
    DELIVERY_REFUSED,    /* this message is not wanted (4xx): others may be */
    DELIVERY_FAILED,     /* the other side had trouble; perhaps with this message */
    DELIVERY_UNREACHABLE /* nobody there: no message can pass */
};

/* A way out, used by one thread but for abort. */
struct carrier {
    void *self;
    enum delivery (*deliver)(void *self, const struct parcel *parcel, struct problem *problem);
    void (*abort)(void *self); /* ends a delivery under way, from another thread */
    void (*free)(void *self);
    size_t most; /* letters it takes in one parcel; 1 .. PARCEL_LETTERS_MAX */
    /* For those that must say again and again what is active: called after the start and whenever
     * refresh_ns has passed, however much is delivered meanwhile; NULL = no need. */
    enum delivery (*refresh)(void *self, struct problem *problem);
    int64_t refresh_ns;
};

/* What carriers may ask for when they are opened; all of it outlives them. */
struct carrier_means {
    const struct notifier_publish *publish;
    struct outbox *outbox; /* outbox_each_active */
    int32_t utc_offset_s;
};

/* One file each. False when out of memory, or with the problem when a folder cannot be used. The
 * channel outlives the carrier. */
typedef bool carrier_open(struct carrier *carrier, const struct channel_settings *channel,
                          const struct carrier_means *means, struct problem *problem);
carrier_open webhook_open, alertmanager_open, email_open, sms_open, board_open, cap_open,
    syslog_open, retained_open;

#define CHANNEL_KINDS (CHANNEL_SYSLOG + 1)

/* How the carriers of each kind are opened; NULL = there is none of that kind. */
struct carriers {
    carrier_open *of[CHANNEL_KINDS];
    carrier_open *retained;
};

/* As notifier_create, with carriers of the caller's. */
struct notifier *notifier_create_with(struct outbox *outbox, const struct settings *settings,
                                      const struct notifier_publish *publish, uint64_t seed,
                                      const struct carriers *carriers);

/* --- channel_copy.c ------------------------------------------------------------------ */

/* A copy of a channel that needs nothing of its settings. */
struct channel_copy;

/* NULL when out of memory. */
struct channel_copy *channel_copy_create(const struct channel_settings *channel);
void channel_copy_free(struct channel_copy *copy);
const struct channel_settings *channel_copy_get(const struct channel_copy *copy);

/* True if nothing of the channel is another now, but for where it stands in the files. */
bool channel_same(const struct channel_settings *a, const struct channel_settings *b);

/* --- schedule.c (pure) --------------------------------------------------------- */

#define BACKOFF_FIRST_NS (SECOND_NS / 2)
#define BACKOFF_LAST_NS  (300 * SECOND_NS)
#define REFUSED_FIRST_NS (60 * SECOND_NS)
#define REFUSED_LAST_NS  (3600 * SECOND_NS)
#define REFUSED_UP_NS    (86400 * SECOND_NS) /* refused for so long: given up */

/* When a channel may be tried. Kept in memory only: after a restart it is tried at once. When a
 * message may be tried again stands with it. */
struct schedule {
    uint64_t random;
    unsigned tries; /* failures of the channel in a row */
    mono_time open; /* nothing is tried before */
};

enum verdict { VERDICT_AGAIN, VERDICT_GIVE_UP };

void schedule_init(struct schedule *schedule, uint64_t seed);

void schedule_done(struct schedule *schedule);

/* A try failed after `tries` others of the same message, which has been refused for refused_ns at
 * each of them (below 0: the last was none). *pause_ns receives how long the message waits. */
enum verdict schedule_failed(struct schedule *schedule, enum delivery delivery, unsigned tries,
                             int64_t refused_ns, mono_time now, int64_t *pause_ns);

#endif

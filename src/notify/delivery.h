/* What the files of this room share: messages, the ways they leave by, and when to try again. */
#ifndef NOTIFY_DELIVERY_H
#define NOTIFY_DELIVERY_H

#include "notify/letter.h"
#include "notify/notify.h"

/* --- wording.c (pure) ----------------------------------------------------- */

#define WORDING_MAX                                                                                \
    768 /* bytes of a sentence; two of them, every byte escaped, fit NOTICE_BODY_MAX */

/* One line for people: valid UTF-8 without control characters, cut at a character, terminated. */
void wording_print(const struct notice *notice, enum language language, char text[WORDING_MAX]);

/* --- outbox.c -------------------------------------------------------------- */

/* The name under which messages for the alarm topic wait; no channel's id is empty. */
#define CHANNEL_RETAINED ""

struct outbox_message {
    int64_t id; /* ascending in the order of commits, never used again */
    char key[NOTICE_KEY_CHARS + 1];
    char topic[PHUSA_TOPIC_MAX + 1]; /* of the alarm; empty for channels */
    size_t length;
    char body[NOTICE_BODY_MAX];
};

/*
 * The oldest message of the channel that is first of its series and not among
 * the ids to skip. OUTBOX_NONE if there is none. It stays in the outbox until marked.
 */
enum outbox_status outbox_take(struct outbox *outbox, const char *channel, const int64_t *skip,
                               size_t skip_count, struct outbox_message *message,
                               struct problem *problem);

/* The message of a notice as channels get it, with the topic of its series and without an id. False
 * when none can be made (out of memory). */
bool outbox_describe(const struct notice *notice, struct outbox_message *message);

enum outbox_end { OUTBOX_SENT, OUTBOX_GIVEN_UP };

/* Ends a message, which lets the next of its series come; fine if it was dropped meanwhile.
 * A mark may be lost with the power: then the message is sent again. */
enum outbox_status outbox_mark(struct outbox *outbox, int64_t id, enum outbox_end end,
                               struct problem *problem);

/* Gives up what waits for channels that are not among these; *given_up receives how many. */
enum outbox_status outbox_give_up_unknown(struct outbox *outbox,
                                          const struct channel_settings *channels, size_t count,
                                          uint64_t *given_up, struct problem *problem);

void outbox_count_retry(struct outbox *outbox);

/* --- urgent.c (pure) -------------------------------------------------------- */

/* Zero-initialised = empty. Its messages have ids below 0, which no message of the outbox has, and
 * all have a topic, by which a series is known. */
struct urgent_queue {
    int64_t last_id;
    size_t count;
    struct outbox_message messages[NOTIFIER_URGENT_MAX]; /* oldest first */
};

/* Copies a message into the queue, with an id of its own; when it is full the oldest goes. */
void urgent_add(struct urgent_queue *queue, const struct outbox_message *message);

/* Copies the oldest that is first of its series and not among the ids to skip; false if there is
 * none. It stays until it is ended. */
bool urgent_next(const struct urgent_queue *queue, const int64_t *skip, size_t skip_count,
                 struct outbox_message *message);

/* Fine if it has gone meanwhile. */
void urgent_end(struct urgent_queue *queue, int64_t id);

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
    /* For those that must say again and again what is active: called when a delivery or
     * refresh_ns has passed; NULL = no need. */
    enum delivery (*refresh)(void *self, struct problem *problem);
    int64_t refresh_ns;
};

/* What carriers may ask for when they are opened; all of it outlives them. */
struct carrier_means {
    const struct notifier_publish *publish;
    struct outbox *outbox; /* outbox_each_active */
    int32_t utc_offset_s;
};

/* One file each. False when out of memory, or with the problem when a folder cannot be used. */
typedef bool carrier_open(struct carrier *carrier, const struct channel_settings *channel,
                          const struct carrier_means *means, struct problem *problem);
carrier_open webhook_open, alertmanager_open, email_open, sms_open, board_open, cap_open,
    syslog_open, retained_open;

/* --- schedule.c (pure) --------------------------------------------------------- */

#define BACKOFF_FIRST_NS (SECOND_NS / 2)
#define BACKOFF_LAST_NS  (300 * SECOND_NS)
#define REFUSED_FIRST_NS (60 * SECOND_NS)
#define REFUSED_LAST_NS  (3600 * SECOND_NS)
#define REFUSED_UP_NS    (86400 * SECOND_NS) /* refused for so long: given up */
#define HOLDS_MAX        256                 /* messages of a channel that wait on their own */

/* A message that waits on its own, and with it the rest of its series. */
struct hold {
    int64_t id;
    unsigned tries;
    bool refused;
    mono_time refused_since, next;
};

/*
 * When a channel may try what. Kept in memory only: after a restart all is due
 * at once. When HOLDS_MAX messages wait on their own, a further one makes the whole
 * channel wait.
 */
struct schedule {
    uint64_t random;
    unsigned tries; /* failures of the channel in a row */
    mono_time open; /* nothing is tried before */
    size_t hold_count;
    struct hold holds[HOLDS_MAX];
};

enum verdict { VERDICT_AGAIN, VERDICT_GIVE_UP };

void schedule_init(struct schedule *schedule, uint64_t seed);

/* Writes the ids that must still wait (room for HOLDS_MAX); returns how many. */
size_t schedule_held(const struct schedule *schedule, mono_time now, int64_t *ids);

/* The outbox gave `id` as its oldest but for those held (INT64_MAX: nothing): older ones that
 * were due are gone and forgotten here. */
void schedule_offered(struct schedule *schedule, mono_time now, int64_t id);

void schedule_done(struct schedule *schedule, int64_t id);
enum verdict schedule_failed(struct schedule *schedule, int64_t id, enum delivery delivery,
                             mono_time now);

/* When the next held message is due; INT64_MAX ns when none is held. */
mono_time schedule_next(const struct schedule *schedule);

#endif

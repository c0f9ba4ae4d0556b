/*
 * The outbox's inside, for outbox*.c. One SQLite file, PRAGMA user_version = 3.
 *
 * meta(name, value)   `position`: the highest journal position committed.
 * series              one rule at one station: what it was told last (0: nothing), and its
 *                     severity, value and channels then; `severity` 0 is normal.
 * transition          every change of an alarm's state, and each telling that came later (changed
 *                     0). Kept for the time the settings say, at most OUTBOX_TRANSITIONS_MAX of
 *                     them; but what a series was told last stays as long as it is not normal.
 * event               what operators did and what befell an alarm; kept for the same time, at most
 *                     OUTBOX_EVENTS_MAX of them.
 * letter              what is told of a transition, under its id: once, however many are told.
 *                     Kept for OUTBOX_KEEP_NS, and while it is what an alarm that is not normal was
 *                     told last; what waits for longer is given up.
 * recipient           an address of a channel ("" where a channel has none), with its pace: when
 *                     a burst of messages to it began and how many have gone. next_ns: when to
 *                     look for messages to it (NULL: none waits); gathering: that the pace put it
 *                     off, and not a message of its own.
 * message             lies beside the others of its recipient, so that a digest of thousands
 *                     changes a few pages. What one recipient is to be told of one transition;
 * `state` is 0 behind another of its series, 1 ready, 2 sent, 3 given up, 4 dropped, 5 delivered
 *                     (reported so), 6 failed later (reported so, and not sent again because a
 * newer one of its series went). due_ns: not before (quiet hours, or a try that failed). parcel: 0,
 * or the id of the first message of the digest it goes in, which stays together at each try. Of
 * delivery reports (report.h): sending, the random number under which it went out last, the same
 * for all of a digest; NULL when no report is awaited, or the last word of it has come. outcome and
 * report: what came (enum report_outcome) and the gateway's word. later: how often it failed after
 * it was sent. secret              one row: what proves the reports of channels without a secret of
 * their own.
 *
 * Invariant: of the waiting messages (state 0 or 1) of one recipient and series exactly the oldest
 * is ready. Whatever ends a ready message makes the next of its series ready in the same
 * transaction. A message is never due later than one behind it: one that is due now takes along
 * those of its series that wait for the morning, or because they failed later.
 *
 * A report may come before the mark that its message was sent: then the outcome waits in the
 * message, and the mark brings it about.
 *
 * Two connections, one lock. `writer` commits with synchronous=FULL: what a commit
 * said is on disk. `sender` marks with synchronous=NORMAL: a mark that the
 * power takes away costs one message sent twice, and no sync. The lock
 * keeps both from meeting in SQLite, where waiting means polling. Lists are read by a connection
 * of their own, which delays nobody (outbox_read.c).
 *
 * A database that turns out damaged, when it is opened or later, is set aside whole and a new
 * one begun: people are told what happens from then on, and the journal still has the rest.
 */
#ifndef NOTIFY_OUTBOX_STATE_H
#define NOTIFY_OUTBOX_STATE_H

#include <pthread.h>
#include <sqlite3.h>

#include "notify/delivery.h"
#include "notify/report.h"

#define OUTBOX_VERSION  3
#define BUSY_TIMEOUT_MS 5000 /* for another program that reads or keeps the file */

enum message_state {
    BEHIND = 0,
    READY = 1,
    SENT = 2,
    GIVEN_UP = 3,
    DROPPED = 4,
    DELIVERED = 5,
    FAILED_LATER = 6
};

enum statement {
    W_BEGIN,
    W_COMMIT,
    W_ROLLBACK,
    W_POSITION,
    W_TRANSITION,
    W_EVENT,
    W_LETTER,
    W_SERIES,
    W_RECIPIENT,
    W_MESSAGE,
    W_HURRY,
    W_TOUCH,
    W_OLDEST,
    W_END,
    W_PROMOTE,
    W_COUNTER,
    W_PRUNE,
    W_EXPIRED,
    W_TRIM,
    W_TRIM_SERIES,
    W_TRIM_EVENTS,
    W_SWEEP_TO,
    W_SWEEP,
    W_IDLE,
    W_FORGET_MESSAGES,
    W_FORGET,
    WRITER_STATEMENTS,
    S_BEGIN = WRITER_STATEMENTS,
    S_COMMIT,
    S_ROLLBACK,
    S_NEXT,
    S_HEAD,
    S_PUT_OFF,
    S_READY,
    S_GATHER,
    S_DIGEST,
    S_DIGEST_SIZE,
    S_END,
    S_PROMOTE,
    S_END_PARCEL,
    S_PROMOTE_ALL,
    S_FAIL,
    S_FAIL_PARCEL,
    S_SETTLE,
    S_RETRY,
    S_RETRY_RECIPIENTS,
    S_WAITING,
    S_UNKNOWN,
    S_UNKNOWN_RECIPIENTS,
    S_NUMBER,
    S_NUMBER_PARCEL,
    S_SENDING,
    S_NOTE,
    S_DELIVERED,
    S_FAILED,
    S_FAILED_TOO_OFTEN,
    S_AGAIN,
    S_BEHIND_ALL,
    S_HASTEN,
    S_OVERTAKEN,
    STATEMENTS
};

struct message_id {
    int64_t recipient, id;
};

/* What the outbox knows of a slot of the recipients, while it is open. */
struct known_slot {
    int64_t row;    /* in the table recipient; 0 = not looked up */
    int64_t due_ns; /* earliest message of the batch under way */
    uint64_t added; /* messages of that batch; 0 = it has none */
};

struct outbox {
    pthread_mutex_t turn; /* held while waiting for the lock: outbox_lock */
    pthread_mutex_t lock; /* guards all below */
    sqlite3 *writer, *sender;
    sqlite3_stmt *statements[STATEMENTS];
    struct outbox_counters counters;
    struct outbox_reports reports[CHANNELS_MAX]; /* of channels that have had one */
    size_t report_channels;
    unsigned char secret[REPORT_SECRET_BYTES]; /* as in the table */
    char *path;
    bool damaged;      /* a call met damage: the next replaces the database */
    bool open;         /* false only after a replacement that could not be finished */
    bool read_only;    /* for lists only: has no connections */
    uint64_t position; /* the highest committed, when it was opened */
    uint64_t waiting_max;
    int64_t newest;       /* id of a transition; 0 = there is none */
    int64_t newest_event; /* likewise */
    int64_t trimmed; /* up to this id all transitions were looked at and what may go has gone */
    int64_t swept;   /* likewise for letters; begins anew when it has come to the end */
    int64_t last_message; /* id */
    /* for whom messages are */
    const struct settings *settings; /* that the index is of; compared, never read */
    struct recipients *recipients;
    struct known_slot *slots; /* one for each slot */
    size_t *touched;          /* places among the slots */
    size_t touched_count;
};

/* --- outbox_schema.c ---- */

extern const char *const outbox_sql[STATEMENTS];

/* Makes the tables in an empty database, or those of version 1 over. OUTBOX_FAILED when it is
 * somebody else's or of a newer version. */
enum outbox_status outbox_make_schema(struct outbox *outbox, struct problem *problem);

/* --- outbox.c ---- */

/*
 * Whoever waits is next. With the lock alone a thread that commits a storm, batch upon batch, has
 * it again before a courier that was woken gets to run: the first message left seconds late.
 */
static inline void outbox_lock(struct outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->turn);
    (void)pthread_mutex_lock(&outbox->lock);
    (void)pthread_mutex_unlock(&outbox->turn);
}

static inline void outbox_unlock(struct outbox *outbox)
{
    (void)pthread_mutex_unlock(&outbox->lock);
}

/* To be called right after what failed. */
enum outbox_status outbox_failed(struct outbox *outbox, sqlite3 *db, const char *what,
                                 struct problem *problem);

/* Takes the lock, and mends first what an earlier call left. To be followed by leave in any case.
 */
enum outbox_status outbox_enter(struct outbox *outbox, struct problem *problem);
enum outbox_status outbox_leave(struct outbox *outbox, enum outbox_status status);

/* What is remembered of recipients: is looked up again; goes with its index. */
void outbox_forget_slots(struct outbox *outbox);
void outbox_forget_recipients(struct outbox *outbox);

/* Runs a prepared statement to its end and leaves it ready for the next time. */
bool outbox_run(struct outbox *outbox, enum statement which);
bool outbox_query_integer(sqlite3 *db, const char *query, int64_t *value);

void outbox_bind_integer(struct outbox *outbox, enum statement which, int at, int64_t value);
/* The text must live until the statement has run. */
void outbox_bind_text(struct outbox *outbox, enum statement which, int at, struct phusa_text text);
void outbox_bind_string(struct outbox *outbox, enum statement which, int at, const char *text);

/* Ends a waiting message and makes the next of its series ready. *ended tells whether it waited. */
bool outbox_end_message(struct outbox *outbox, enum statement end, enum statement promote,
                        struct message_id id, enum message_state state, int64_t now_ns,
                        bool *ended);

/* A text of a row; "" for NULL. */
void outbox_copy_column(sqlite3_stmt *statement, int column, char *text, size_t capacity);

/* Runs one that gives a row at most; *found. The row can be read until the statement is reset. */
bool outbox_step_row(sqlite3_stmt *statement, bool *found);

/* --- outbox_report.c ---- */

/* What a change by a report comes to, to be counted when it is committed. */
struct report_effect {
    char channel[PHUSA_ID_MAX + 1];             /* "" = nothing was reported */
    uint64_t delivered, again, given_up, stale; /* messages; again: they wait again */
    uint64_t ended;                             /* messages that waited and wait no more */
};

/* Reads the secret, or makes one in a database that has none. */
enum outbox_status outbox_read_secret(struct outbox *outbox, struct problem *problem);

/* A parcel is about to go: gives it a number by which a report can name it. */
bool outbox_number(struct outbox *outbox, struct outbox_parcel *parcel);

/* A parcel with a number was marked sent: older ones of its series are not sent any more, and a
 * report that came before takes effect. */
bool outbox_settle_reports(struct outbox *outbox, const struct outbox_parcel *parcel, wall_time now,
                           struct report_effect *effect);
void outbox_count_effect(struct outbox *outbox, const struct report_effect *effect);

/* --- outbox_read.c ---- */

/* Is it there, and of our version? */
bool outbox_can_be_read(struct outbox *outbox, struct problem *problem);

#endif

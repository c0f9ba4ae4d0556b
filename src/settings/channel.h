/* Where alarms go: the channels of the configuration. Plain data, checked at load. */
#ifndef SETTINGS_CHANNEL_H
#define SETTINGS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phusa/topic.h"
#include "settings/rule.h"

#define CHANNELS_MAX        64
#define CHANNEL_TO_MAX      64 /* addresses listed by one channel */
#define CHANNEL_HEADERS_MAX 4  /* of an SMS gateway's request */
#define CHANNEL_STATE_MAX   32 /* bytes of a gateway's word for one */
/* What the console serves and gateways are told, behind report_base. */
#define CHANNEL_REPORT_PATH "/api/v1/delivery"
#define SMS_PARTS_MAX       4 /* that a phone need put together */
#define BOARDS_MAX          256
#define BOARD_WIDTH_MAX     64 /* characters of a line */
#define BOARD_LINES_MAX     16
#define BOARD_STATIONS_MAX  64

enum channel_kind {
    CHANNEL_WEBHOOK,      /* the contract's JSON by HTTP POST */
    CHANNEL_ALERTMANAGER, /* Prometheus Alertmanager, API v2 */
    CHANNEL_EMAIL,        /* SMTP */
    CHANNEL_SMS,          /* an HTTP gateway: Kannel's sendsms, or whatever its template says */
    CHANNEL_BOARD,        /* text lines on retained MQTT topics: LED boards, loudspeakers */
    CHANNEL_CAP,          /* CAP 1.2: files and an Atom feed */
    CHANNEL_SYSLOG        /* RFC 5424, for the security operations centre */
};

enum language { LANGUAGE_VI, LANGUAGE_EN };
#define LANGUAGES 2

/* How many messages a recipient gets at once; more of them go together as one (a digest). */
struct channel_pace {
    int64_t burst;     /* messages a recipient gets within `gather` one by one; default by kind */
    int64_t gather_ns; /* further ones wait so long for each other; default 60 s; 0 = no digests */
};

/* Messages below a severity wait for the morning. Local times of day; from = until: never. */
struct channel_quiet {
    int32_t from_s, until_s; /* seconds of the day, 0 .. 86,399; may span midnight */
    enum severity below;     /* default severe: minor and moderate wait */
};

/* An LED board or loudspeaker: the gravest active alarms of some stations, a line each. */
struct board_settings {
    const char *id, *site;       /* topic phusa/1/<site>/board/<id> */
    const char *const *stations; /* ids; none = all of the site */
    size_t station_count;
    int64_t width, lines; /* characters, 8 .. BOARD_WIDTH_MAX; 1 .. BOARD_LINES_MAX */
    bool ascii;           /* without diacritics, for boards that have none; default false */
    const char *calm;     /* its line while there is no alarm; default "Bình thường" */
};

/* RFC 5424 facilities as numbers; "local0" = 16 .. "local7" = 23, "alert" (log alert) = 14 ... */
struct channel_settings {
    const char *id;
    enum channel_kind kind;
    const char *file;
    int line;
    /* webhook, alertmanager, sms: http(s)://; email: smtp:// or smtps://HOST:PORT; syslog: udp://,
     * tcp:// or tls://HOST:PORT; NULL for board and cap. sms: what is in braces is filled in,
     * percent-encoded: {to}, {text}, {from}, {user}, {password}, {key}, {coding} (0 GSM-7, 2 UCS-2,
     * as Kannel has it), {report} (where the gateway says what became of it). */
    const char *url;
    const char *ca;              /* PEM; "" = the system's */
    int64_t timeout_ns;          /* default 10 s */
    const char *secret;          /* webhook; sms: of its delivery reports; read from secret_file;
                                    "" = none */
    const char *user, *password; /* email, sms; from password_file; "" = none; never logged */
    const char *link;            /* alertmanager, cap: a page of the alarms for people; "" or NULL
                                    = none */
    const char *const *to;       /* email, sms: fixed recipients, each an address or number */
    size_t to_count;
    bool subscribers;       /* email, sms: those of the subscribers whose channel it is */
    enum language language; /* of fixed recipients, boards and syslog; default vi */
    const char *from;       /* email: sender's address; sms: sender's name or number */
    bool starttls;          /* email: smtp:// must go over to TLS; default true unless the
                               host is a loopback address */
    /* sms: method and template of the request, filled in as the URL (in the body JSON- or
     * form-escaped by content_type); accepted: text that stands in the answer's body when the
     * gateway took the message ("" = the code 2xx is enough). */
    const char *method, *body, *content_type, *accepted;
    const char *headers[CHANNEL_HEADERS_MAX]; /* "Name: value"; NULL-terminated early */
    bool diacritics;                          /* sms: keep them (UCS-2); default false */
    int64_t parts; /* sms: of 160 or 70 characters that one message may have, 1 (default) ..
                      SMS_PARTS_MAX; 0 = the gateway sends no SMS, there is no such limit */
    /* sms: delivery reports. Where the gateway reaches the console, http(s)://HOST:PORT; "" or NULL
     * = none are asked for. The gateway's own words for a message that failed, or reached its
     * phone; all others are only noted. */
    const char *report_base;
    const char *const *report_failed, *const *report_done;
    size_t report_failed_count, report_done_count;
    int64_t report_within_ns; /* one that has not come by then is overdue; 0 = none ever is */
    const struct board_settings *boards;
    size_t board_count;
    /* cap */
    const char *path;        /* folder of its files */
    const char *sender;      /* CAP <sender>: an address or domain, no spaces or commas */
    const char *sender_name; /* <senderName> */
    const char *status;      /* "Actual", "Exercise", "Test" */
    int64_t expires_ns;      /* <expires> after <sent>; default 24 h */
    int facility;            /* syslog */
    struct channel_pace pace;
    struct channel_quiet quiet;
    int64_t per_minute; /* deliveries at most, evenly spread, to all recipients together; 0 = as
                           fast as they go */
};

/* Its gateway is asked for delivery reports. */
static inline bool channel_reports(const struct channel_settings *channel)
{
    return channel->report_base != NULL && channel->report_base[0] != '\0';
}

#endif

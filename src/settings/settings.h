/*
 * What one run is told: the configuration file with all it includes, checked
 * as a whole, in one immutable value. Rooms take from it what concerns them.
 *
 * Reading is schema-driven: each group has one table of its keys (name, type,
 * limits), from which unknown keys, wrong types and missing keys are found; the
 * same tables are what the man page phusa.cfg(5) documents.
 */
#ifndef SETTINGS_SETTINGS_H
#define SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "phusa/parameter.h"
#include "settings/channel.h"
#include "settings/rule.h"
#include "settings/station.h"
#include "settings/subscriber.h"
#include "settings/template.h"

#define SETTINGS_ERRORS_MAX   200 /* mistakes reported in one check; the rest is counted */
#define SETTINGS_WARNINGS_MAX 200 /* the same of warnings */

enum store_kind { STORE_VICTORIA, STORE_INFLUXDB1, STORE_INFLUXDB2 };
enum gzip_choice { GZIP_AUTO, GZIP_ON, GZIP_OFF }; /* auto: on unless the store is on loopback */

struct broker_settings {
    const char *uri;       /* tcp://HOST:PORT or ssl://HOST:PORT */
    const char *client_id; /* default "phusa" */
    const char *user;      /* "" = none */
    const char *password;  /* read from password_file; "" = none; never logged */
    const char *ca;        /* PEM file for ssl; "" = the system's */
    int64_t keepalive_ns;  /* default 30 s */
};

struct journal_settings {
    const char *path;      /* folder; absolute or relative to the configuration file */
    int64_t keep_ns;       /* default 30 d */
    int64_t keep_bytes;    /* default 20 G */
    int64_t reserve_bytes; /* default 64 M */
    int64_t segment_bytes; /* default 64 M; 1 M .. 1 G */
    int64_t sync_ns;       /* longest wait for a sync while there is data; default 20 ms */
    bool strict;           /* sync before the broker hears of a message; default false */
    int64_t snapshot_ns;   /* between two snapshots of the pipeline's state; default 1 m */
};

struct store_settings {
    enum store_kind kind;
    const char *url;          /* base, e.g. http://127.0.0.1:8428 */
    const char *database;     /* influxdb1; default "phusa" */
    const char *org, *bucket; /* influxdb2; bucket default "phusa" */
    const char *user,
        *password;     /* influxdb1 basic authentication, password from password_file; "" = none */
    const char *token; /* read from token_file; "" = none; never logged */
    const char *ca;    /* "" = the system's */
    int64_t batch_lines;  /* default 5000 */
    int64_t batch_bytes;  /* default 1 M */
    int64_t batch_age_ns; /* default 200 ms */
    int64_t timeout_ns;   /* for one request; default 30 s */
    enum gzip_choice gzip;
    int64_t margin_ns; /* what is sent again after a restart of the store; default 10 s, at least 10
                          s */
    int64_t spool_bytes; /* default 10 G */
};

struct http_settings {
    const char *listen; /* ADDRESS:PORT, default 127.0.0.1:8080; port 0 = any free one */
    const char *token;  /* what changes state needs it as "Authorization: Bearer"; read from
                           token_file; "" = nothing can be changed over HTTP; never logged */
};

/* Windows of event time and indices: what is computed and written (contract, Windows). */
struct window_choice {
    unsigned kinds;  /* bit 1 << enum rule_length: written for every series; default all but night
                        (that of traps is always told) */
    double coverage; /* default 0.75 */
    int64_t lateness_ns;     /* default 10 min, at most 2 h: of windows and quality tests */
    bool begins;             /* a reading at the full hour begins the hour; default: it ends it */
    bool nowcast_normalised; /* of the index: the other reading of the Decision; default false */
};

/* The collector's own alarms: about itself and about reports that do not come. */
enum maintenance {
    MAINTENANCE_REPORTS_MISSING, /* of one station: a gap is older than maintenance.gap */
    MAINTENANCE_DISK_FULL,
    MAINTENANCE_SPOOL_FULL,   /* readings were set aside to make room in the spool */
    MAINTENANCE_BROKER_DROPS, /* the broker says that it threw messages away */
    MAINTENANCE_JOURNAL,      /* the disk failed, or damaged bytes were found in the journal */
    MAINTENANCE_NEVER_SEEN,   /* of one station: in the registry, but never heard of */
    MAINTENANCE_QUIET,        /* of one station: nothing for maintenance.quiet of its `every` */
    MAINTENANCE_FLAT,         /* of one station: all its readings stand still (a stuck bus) */
    MAINTENANCE_CLOCK_WRONG,  /* of one station: its clock cannot be believed */
    MAINTENANCE_SITE_SILENT,  /* of a site: most of its stations at once; the rest is not told */
    MAINTENANCE_LINK_DOWN,    /* the collector's link to the broker, or the broker itself */
    MAINTENANCE_COUNT
};

struct maintenance_settings {
    int64_t gap_ns;     /* a gap in a station's reports older than this is an alarm; default 6 h */
    double quiet_every; /* silence of so many `every`, but at least quiet_least_ns, is an alarm */
    int64_t quiet_least_ns; /* default 3 x every, at least 15 min */
    /* One rule for each, without levels, with a parameter of its own that is in no catalogue; its
     * channels are maintenance.channels, by default all; not enabled when it stands in
     * maintenance.off. Its template is that of the same id, if there is one. Ids:
     * "reports-missing", "disk-full", "spool-full", "broker-drops", "journal", "never-seen",
     * "quiet", "flat", "clock-wrong", "site-silent", "link-down". The station ids they are about:
     * the station's, or that of `self`. */
    struct rule rules[MAINTENANCE_COUNT];
    /* The collector as a station of the alarms about itself: site "collector", id = the broker's
     * client_id if that is an id, else "phusa" (as without SETTINGS_SERVICES). No station of the
     * registry may have this id. */
    struct station self;
};

/* What all alarms have in common. */
struct alarm_settings {
    const char *source;            /* who warns, for messages; default "Phù Sa" */
    const char *stop_vi, *stop_en; /* how to stop receiving messages; "" = nothing is said */
    int64_t keep_ns;               /* transitions and what operators did are kept so long; default
                                      36,500 d, which is for ever */
    int64_t shelve_most_ns;        /* nobody can shelve for longer; default 7 d */
    double site_share;             /* of a site's stations silent at once: one alarm; default 0.5 */
    int64_t link_grace_ns; /* after the broker's link is up again stations have so long to be
                              heard before they count as silent; default 5 min */
    struct rule_flapping flapping; /* of rules without their own; default 8 within 1 h, calm 1 h */
};

/* How grave such an alarm is. */
enum severity maintenance_severity(enum maintenance which);

/* The maintenance alarm of that id; -1 if it is none. */
int maintenance_find(const struct maintenance_settings *maintenance, const char *rule);

/* What is in order, and counts, but can hardly be meant. */
struct settings_warnings {
    const char *const *items; /* "file:line: warning: what, and what would be right", as found */
    size_t count;             /* kept, at most SETTINGS_WARNINGS_MAX */
    size_t dropped;           /* found beyond that */
};

struct settings {
    const char *file;     /* the path given */
    const char *stations; /* the file or folder that holds the registry; NULL = not asked for */
    int32_t utc_offset_s; /* local time, default +07:00 */
    int64_t ahead_ns; /* readings further ahead of their receive time are flagged; default 5 min */
    int64_t clock_wrong_ns; /* a clock off by more is wrong: dated by arrival; default 1 d */
    struct window_choice windows;
    struct phusa_catalogue catalogue;
    struct registry registry;
    struct rulebook rulebook;
    struct broker_settings broker;
    struct journal_settings journal;
    struct store_settings store;
    struct http_settings http;
    struct maintenance_settings maintenance;
    struct alarm_settings alarms;
    const struct channel_settings *channels;
    size_t channel_count;
    struct template_book templates;
    struct subscribers subscribers;
    struct settings_warnings warnings;
};

/* What is loaded and checked: each tool asks for no more than it uses. */
enum settings_need {
    SETTINGS_CATALOGUE = 1, /* parameters */
    SETTINGS_STATIONS = 2,  /* stations (implies the catalogue) */
    SETTINGS_RULES = 4,     /* rules (implies stations); channels are not checked */
    SETTINGS_SERVICES = 8,  /* broker, journal, store, http, channels, and rules against channels */
    SETTINGS_ALL = 15
};

struct settings_error {
    char *text; /* "file:line: what, and what would be right", one line */
};

struct settings_errors {
    size_t count;   /* kept, at most SETTINGS_ERRORS_MAX */
    size_t dropped; /* found beyond that */
    struct settings_error items[SETTINGS_ERRORS_MAX];
};

enum settings_status { SETTINGS_OK = 0, SETTINGS_BAD, SETTINGS_NO_MEMORY };

/*
 * Loads a file and all it names. On SETTINGS_OK *settings is to be freed with
 * settings_free. On SETTINGS_BAD *settings is NULL and errors holds every
 * mistake found, in the order of files and lines. Errors must be
 * zero-initialised and cleared with settings_errors_clear.
 */
enum settings_status settings_load(const char *file, unsigned need, struct settings **settings,
                                   struct settings_errors *errors);
void settings_free(struct settings *settings);

void settings_errors_print(const struct settings_errors *errors, FILE *out);
void settings_errors_clear(struct settings_errors *errors);

void settings_warnings_print(const struct settings_warnings *warnings, FILE *out);

#endif

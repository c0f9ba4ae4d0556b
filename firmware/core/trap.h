/*
 * A pest-light trap: when its lamp is to be lit, what keeps it dark, what was caught, night by
 * night (night.h). Pure: what the port's drivers saw goes in, what the lamp shall do comes out.
 *
 * Lamp. It is wanted from one moment of the night to another (by the clock, from dusk or dawn
 * on). Gates keep it dark: rain, wind, a low battery. A gate closes at once and opens when it
 * was good (the wind below wind_go, the battery above battery_ok) for its hold. Without a sensor
 * there is no gate; one that says nothing for stale_ns gates no more. An order (a command, the
 * console) overrules the hours and the weather for a time, but not the battery. With the door
 * open the lamp is dark unless ordered: its light is bad for eyes. While the clock is unset nobody
 * knows when it is night: the lamp is dark unless ordered.
 *
 * Counts. Insects count while it is dark or the lamp is lit, and the door is closed; others are
 * strays. Counters run (a beam's since the start of the board, a classifier's since its own), so
 * only differences count. What a classifier saw while the station was down is counted after a reset
 * in the same night; what it saw over the end of a night is stray; of a beam, what it saw since the
 * night was last kept is lost (at most keep_every_ns). Nothing is ever counted twice.
 *
 * Nights. One is closed when the clock passes its end, and is then told: as the values of the
 * sample at exactly that moment, which falls on the station's schedule, or of a moment that was
 * missed (hal.h) if the station was down then. It is forgotten when its report is in the log. One
 * that was kept is continued after a reset, and closed if its end has passed. A night that was
 * watched for less than an hour and knows of nothing is not told. A clock set back a little changes
 * nothing: no night is closed twice. One set back by more than TRAP_BACK_MAX nights was wrong
 * before: the night under way is then named anew.
 *
 * Flash: the night under way is kept every keep_every_ns while something changes, hourly else,
 * about 130 bytes each for 8 classes: at 60 s and 12 h of light 100 KB a night, so in two
 * blocks of 4 KiB 12 erases of each a night; 100,000 erases last 22 years.
 */
#ifndef FIRMWARE_TRAP_H
#define FIRMWARE_TRAP_H

#include "hal/hal.h"
#include "keep.h"
#include "night.h"
#include "phusa/text.h"
#include "sun.h"

#define TRAP_CLOSED_MAX 4        /* nights that wait to be told; the oldest goes */
#define TRAP_BACK_MAX   2        /* nights: see above */
#define TRAP_WATCHED_MS 3600000u /* a night seen for less is told only if something happened */

/* --- settings ----------------------------------------------------------------------- */

enum trap_moment {
    TRAP_CLOCK, /* local time: 12:00 .. 23:59 in the evening, 0:00 .. 11:59 in the morning after */
    TRAP_DUSK,  /* so long after dusk, or before (negative) */
    TRAP_DAWN
};

struct trap_edge {
    enum trap_moment moment;
    int32_t seconds; /* since local midnight; or after dusk or dawn, -12 h .. 24 h */
};

struct trap_settings {
    struct sun_site site;
    int32_t utc_offset_s;         /* local time - UTC */
    double elevation;             /* of the sun at dusk and dawn: SUN_HORIZON, SUN_CIVIL_TWILIGHT */
    struct trap_edge from, until; /* of the lamp; nothing if until is not later */
    /* The channels of the station that measure them; empty = nobody does, there is no such gate. */
    struct phusa_text wind, battery;
    double wind_stop, wind_go;      /* m/s; stop at or above, go below; stop 0 = no such gate */
    double battery_low, battery_ok; /* V; low below, good at or above; low 0 = no such gate */
    int64_t hold_ns[NIGHT_GATES];   /* good for so long before it opens */
    int64_t stale_ns;               /* a silent sensor gates no longer than this */
    int64_t keep_every_ns;          /* 10 s .. 1 h; 60 s is good */
    size_t classes;                 /* 1 .. NIGHT_CLASSES */
    struct phusa_text names[NIGHT_CLASSES]; /* their parameters; must outlive the trap */
};

/* A usual trap: from 15 min after dusk to 22:00, off in rain for 15 min; if wind or battery are
 * measured, above 8 m/s and below 11.6 V; it counts all insects as one class. */
void trap_settings_default(struct trap_settings *settings, const struct sun_site *site);

/* NULL if they are good, else the name of the setting that is not. */
const char *trap_settings_problem(const struct trap_settings *settings);

/* --- the trap ------------------------------------------------------------------------- */

/* What the drivers saw. */
struct trap_inputs {
    struct night_counters counters; /* insects; known false: nothing is heard of the counter */
    bool unsure;                    /* it is crowded or blocked */
    bool rain_known, raining;
    double wind;    /* m/s, of some minutes; NaN: unknown */
    double battery; /* V; NaN: unknown */
    bool lit;       /* the lamp burns */
    bool door_open;
    uint32_t emptied; /* how often somebody said so (a button), since the start; wraps */
};

/* Why the lamp is as it is. */
enum trap_reason {
    TRAP_BY_HOURS, /* wanted */
    TRAP_BY_ORDER, /* wanted or dark */
    TRAP_NO_CLOCK, /* from here on dark */
    TRAP_NOT_NOW,
    TRAP_RAIN,
    TRAP_WIND,
    TRAP_BATTERY,
    TRAP_DOOR
};

struct trap_gate {
    bool closed;
    int64_t bad_ns, heard_ns; /* monotonic: last not good; last known at all */
};

struct trap_closed {
    struct night night;
    bool late;       /* its end passed while the station was down */
    bool handed;     /* given as missed; its sample comes then, or when its moment's turn comes */
    bool told;       /* given as a sample */
    bool over;       /* and a later moment was asked for since: its report is in the log */
    int64_t told_ns; /* monotonic: when it was told */
};

/* What the next look at the counters means. */
enum trap_look {
    TRAP_LOOK_ORDINARY,
    TRAP_LOOK_RESUMED, /* they were kept in this night, before a reset: it all counts */
    TRAP_LOOK_OLD      /* they were kept in an earlier night: nobody knows when it came */
};

enum trap_order { TRAP_AUTOMATIC, TRAP_ON, TRAP_OFF };

/* Read wanted, reason, night, and the counters at the end; change nothing. */
struct trap {
    struct trap_settings settings;
    struct keep *keep;
    bool wanted; /* what the lamp shall do */
    enum trap_reason reason;
    struct night night;                         /* under way; end_ns 0 = none yet */
    struct trap_closed closed[TRAP_CLOSED_MAX]; /* oldest first */
    size_t closed_count;
    int64_t last_end_ns;                         /* of the last night closed */
    struct night_counters counters;              /* seen last, for the night under way */
    int64_t dusk_ns, dawn_ns, from_ns, until_ns; /* of that night, wall time */
    struct trap_gate gates[NIGHT_GATES];
    enum trap_order order;
    int64_t order_until_ns; /* monotonic */
    struct trap_inputs before;
    struct hal_time now; /* of the last step */
    int64_t stepped_ns;  /* monotonic: how far the night's times go */
    int64_t kept_ns;     /* monotonic: when the night was last kept */
    bool begun;          /* stepped with a set clock */
    enum trap_look look;
    bool changed;      /* since it was last kept, more than the time */
    bool urgent;       /* and so that it is kept soon */
    bool served;       /* emptied since the last sample of "service" */
    uint32_t nonsense; /* impossible steps of a counter */
    uint32_t keep_errors, nights_lost;
};

/*
 * Begins with what is kept (the night under way, nights not yet told). keep must be open and
 * outlive the trap. False: the settings are no good; nothing is done.
 */
bool trap_init(struct trap *trap, const struct trap_settings *settings, struct keep *keep,
               struct hal_time now);

/* Takes in what was seen and decides; call at least every few seconds. */
void trap_step(struct trap *trap, const struct trap_inputs *inputs, struct hal_time now);

/* Orders the lamp on or off until a monotonic time, or back to automatic. */
void trap_order(struct trap *trap, enum trap_order order, int64_t until_ns);

/* Why an order would not light the lamp now, in English; NULL: it would. */
const char *trap_refusal(const struct trap *trap);

/* --- its values ------------------------------------------------------------------------- */

/* The classes are channels 0 .. NIGHT_CLASSES - 1. */
enum trap_channel {
    TRAP_LAMP_MINUTES = NIGHT_CLASSES,
    TRAP_GATE_MINUTES, /* dark for rain */
    TRAP_WIND_MINUTES,
    TRAP_BATTERY_MINUTES,
    TRAP_DARK_MINUTES,
    TRAP_UNSURE_MINUTES,
    TRAP_WATCHED_MINUTES,
    TRAP_STRAYS,
    TRAP_RESETS,
    TRAP_LAMP_STATE, /* from here on not of a night, but now */
    TRAP_GATE_STATE,
    TRAP_SERVED,
    TRAP_CHANNELS
};

/* The channel that has a parameter's name ("bph", "lamp_minutes", "lamp" ...); -1: none has. */
int trap_channel(const struct trap *trap, struct phusa_text name);

/*
 * The value of a channel at a scheduled moment (wall time), after a step at or behind it. A
 * night's values are there only at its very end; that closes it, if it is still open.
 */
struct hal_sample trap_sample(struct trap *trap, int channel, int64_t at_ns);

/* As missed of hal_sensors: the end of a night that was not sampled in time. */
bool trap_missed(struct trap *trap, int64_t *end_ns);

/* --- its place in a station --------------------------------------------------------------- */

#define TRAP_JOINT_CHANNELS 32 /* of the station */

/* The owner provides the memory and touches nothing in it. */
struct trap_joint {
    struct trap *trap;
    struct hal_sensors others;
    int8_t channels[TRAP_JOINT_CHANNELS]; /* enum trap_channel; -1: one of the others' */
    int8_t gates[NIGHT_GATES];            /* the channel that one goes by; -1: none */
    double heard[NIGHT_GATES];            /* its latest sample; NaN: not known */
    int64_t looked_ns;                    /* monotonic, the trap's: when one was heard or asked */
    int64_t look_at_ns;                   /* the moment of the look under way */
    uint8_t looking;                      /* bit n: gate n has not answered */
};

/*
 * The sensors of a station whose channels have these names: those that the trap knows are its
 * own, the others belong to others (copied; NULL: there are none, they fail). Step the trap before
 * the station, with the same time. joint and trap must outlive the station.
 */
struct hal_sensors trap_join(struct trap_joint *joint, struct trap *trap,
                             const struct hal_sensors *others, const struct phusa_text *names,
                             size_t count);

/* False: the settings name a channel for wind or battery that the station does not have. */
bool trap_joint_whole(const struct trap_joint *joint);

/*
 * Looks at the sensors of wind and battery each minute, however seldom the station samples; what
 * it samples is heard, too. To be called at each step; busy: the station measures now, and nobody
 * may ask its sensors in between.
 */
void trap_look(struct trap_joint *joint, bool busy, struct hal_time now);

#endif

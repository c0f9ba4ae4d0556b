/*
 * The console of a technician in the field: text lines on a serial port, Vietnamese first, English
 * beside it (UTF-8). Bytes come in by field_console_take, leave by the port's write. Whoever is at
 * the port stands at the station: it asks for no password, shows no secret, and changes nothing
 * that lasts.
 *
 *   help | status (or ready) | scan | clock | flash | link | last | lamp [on|off|auto [minutes]] |
 *   identify [seconds] | language vi|en|both
 *
 * scan asks each device that is wired, now, and says how long ago it was last measured well. status
 * scans, too, then says what is good, notable or bad, and whether the station is ready to be left
 * alone. Ready: each device answers and each channel has one, the clock is set, the flash did all
 * it was asked, the link is up, and the last receipt is no older than two reports.
 *
 * A line ends with CR, LF or both; backspace and Ctrl-U edit it, Ctrl-C gives up (a scan, too);
 * escape sequences and what is not ASCII are passed over. Longer lines than
 * FIELD_CONSOLE_LINE_MAX are refused whole.
 */
#ifndef FIRMWARE_CONSOLE_H
#define FIRMWARE_CONSOLE_H

#include "hal/hal.h"
#include "phusa/text.h"
#include "trap.h"

#define FIELD_CONSOLE_LINE_MAX     64
#define FIELD_CONSOLE_DEVICES_MAX  64 /* of a scan */
#define FIELD_CONSOLE_READINGS_MAX 32 /* shown by last */
#define FIELD_CONSOLE_MINUTES_MAX  720
#define FIELD_CONSOLE_SECONDS_MAX  600
#define FIELD_CONSOLE_GRACE_NS     (INT64_C(600) * 1000000000) /* a receipt that much late is bad */
#define FIELD_CONSOLE_SCAN_NS      (INT64_C(60) * 1000000000)  /* a scan ends after this */

/* What the station is and has; texts must live until the call that asked returns. */
struct field_facts {
    struct phusa_text site, id, firmware, hardware;
    uint32_t boot; /* count of starts */
    enum hal_reset why;
    int64_t up_ns;
    int32_t utc_offset_s;
    uint64_t log_errors, keep_errors; /* operations of the flash that failed since the start */
    uint64_t overwritten;             /* reports lost to newer ones before the collector had them */
    uint64_t held, waiting;           /* reports in the log; of them not yet receipted */
    double days_held;                 /* between the oldest and the newest of them */
    uint32_t erases;                  /* of the small records' area */
    struct phusa_text unwired;        /* the first channel that no sensor gives; empty: none */
    bool connected;
    uint32_t connections;            /* since the start */
    uint32_t troubles[HAL_TROUBLES]; /* likewise */
    bool receipted;                  /* a receipt came since the start ... */
    int64_t receipt_ns;              /* monotonic: the last one */
    int64_t every_ns;                /* distance of reports: so often a receipt is due */
    const struct trap *trap;         /* NULL: this station is none */
};

/* Where a device is wired. */
enum field_bus { FIELD_MODBUS, FIELD_SDI12, FIELD_INPUT, FIELD_UART };

/* What came of asking it. */
enum field_answer {
    FIELD_ANSWERS,
    FIELD_CURRENT,     /* it is a current loop, and measures */
    FIELD_NOTHING,     /* there is nothing to ask: it only counts */
    FIELD_SILENT,      /* from here on bad */
    FIELD_NOISE,       /* something came that is no answer */
    FIELD_DAMAGED,     /* by its checksum */
    FIELD_STRANGER,    /* another device answered */
    FIELD_MALFORMED,   /* an answer, but not of the right form */
    FIELD_REFUSED,     /* the device says that it cannot */
    FIELD_BAD_CURRENT, /* none that a transmitter in order gives */
    FIELD_NOT_SENT,    /* the station's port does not work */
    FIELD_LINE_TAKEN   /* it could not be asked: the line is in use all the time */
};

/* What the rounds of measuring say of it. */
enum field_round {
    FIELD_NO_ROUND,  /* nothing: nobody asks it in rounds */
    FIELD_NOT_ASKED, /* since the start */
    FIELD_NEVER_GOOD,
    FIELD_GOOD /* at least once */
};

/* One device that is wired, and how it is. */
struct field_device {
    enum field_bus bus;
    struct phusa_text address; /* empty: it has none */
    struct phusa_text name;
    enum field_answer answer;
    uint32_t exception;  /* of FIELD_REFUSED: Modbus' code, 0 = none */
    double milliamperes; /* of FIELD_CURRENT and FIELD_BAD_CURRENT */
    enum field_round round;
    int64_t age_ns; /* of FIELD_GOOD: how long ago it was */
};

/* One value of the last report. */
struct field_reading {
    struct phusa_text name, unit;
    double value;
    bool present;  /* there was one */
    uint8_t state; /* TT 10: 0 measuring, 1 calibrating, 2 fault */
};

enum field_lamp { FIELD_LAMP_ORDERED, FIELD_LAMP_NONE, FIELD_LAMP_BATTERY /* low: refused */ };

struct field_port {
    void *context;
    /* Takes all; what it has no room for is lost. */
    void (*write)(void *context, const char *bytes, size_t length);
    void (*facts)(void *context, struct field_facts *facts);
    /*
     * Asks device number index, from 0, which takes a while. HAL_OK: *device says how it is, until
     * the next call; HAL_AGAIN: not known yet; anything else: there are no more.
     */
    enum hal_result (*scan)(void *context, size_t index, struct field_device *device);
    /* Value number index of the last report; false: there are no more. */
    bool (*last)(void *context, size_t index, struct field_reading *reading);
    /* Orders the lamp for some minutes. NULL: there is none. */
    enum field_lamp (*lamp)(void *context, enum trap_order order, uint32_t minutes);
    /* Lights the light that shows which one it is. NULL: there is none. */
    void (*identify)(void *context, uint32_t seconds);
};

enum field_language { FIELD_BOTH, FIELD_VIETNAMESE, FIELD_ENGLISH };

/* The owner provides the memory and touches nothing in it. */
struct field_console {
    struct field_port port;
    enum field_language language;
    char line[FIELD_CONSOLE_LINE_MAX];
    size_t length;
    bool overlong;
    bool after_cr;            /* an LF that follows belongs to it */
    uint8_t escape;           /* within an escape sequence */
    bool scanning, reporting; /* reporting: the report follows the scan */
    size_t scanned, answered;
    int64_t scan_until_ns;
};

/* Greets. The port is copied. */
void field_console_init(struct field_console *console, const struct field_port *port);

/* Takes in bytes that were typed. Those that come during a scan are dropped, but for Ctrl-C. */
void field_console_take(struct field_console *console, const void *bytes, size_t length,
                        struct hal_time now);

/*
 * Says unasked how the link is, in Vietnamese if that is spoken, and then again what was typed so
 * far: for ports whose log stands on the same line, in English. Nothing during a scan.
 */
void field_console_tell_link(struct field_console *console, struct hal_time now);

/* Goes on with a scan. Call often while it returns true. */
bool field_console_step(struct field_console *console, struct hal_time now);

#endif

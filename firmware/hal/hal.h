/*
 * What a port provides to the station core. The core calls these from
 * station_step only, never from an interrupt, and keeps nothing that they hand
 * out beyond the call unless said otherwise.
 */
#ifndef FIRMWARE_HAL_H
#define FIRMWARE_HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The moment of a step, as the port's clocks see it. */
struct hal_time {
    int64_t wall_ns;  /* since 1970 UTC; meaningless while wall_set is false */
    int64_t mono_ns;  /* since boot or any fixed moment; never goes back */
    bool wall_set;    /* the wall clock has been set at least once */
    bool wall_synced; /* and a time source has kept it right within the last day */
};

enum hal_result {
    HAL_OK = 0,
    HAL_AGAIN, /* not now (a queue is full, a bus is busy): ask in a later step */
    HAL_GONE,  /* the link is down; nothing handed over in this connection can be relied on */
    HAL_FAILED /* the device answers wrongly or not at all */
};

/* --- sensors ---------------------------------------------------------------- */

enum hal_sample_kind {
    HAL_SAMPLE_VALUE,   /* value and state are set */
    HAL_SAMPLE_MISSING, /* the sensor had nothing for this moment */
    HAL_SAMPLE_FAILED,  /* the sensor did not answer */
    HAL_SAMPLE_PENDING  /* it is being measured: ask again in a later step */
};

struct hal_sample {
    enum hal_sample_kind kind;
    double value;
    uint8_t state; /* TT 10/2021: 0 measuring, 1 calibrating, 2 fault */
    bool least;    /* of an amount: there may have been more, the counter could not follow */
};

struct hal_sensors {
    void *context;
    /* Begins to measure all channels for the scheduled moment; NULL if there is nothing to begin.
     */
    void (*begin)(void *context, int64_t at_ns);
    /*
     * Reads channel (0 .. count - 1 of the station's configuration) for the scheduled moment.
     * After a jump of the wall clock that moment may lie in the past: a sensor that can only
     * measure now says HAL_SAMPLE_MISSING then. Times are the core's: wall time, or since
     * boot while the clock is unset.
     */
    struct hal_sample (*sample)(void *context, size_t channel, int64_t at_ns);
    /*
     * A wall time that has passed while the station was down and that can still be sampled (a
     * trap's night); false: there is none. Each is handed out once after a start, oldest first, and
     * reported before any later one if it falls on the schedule, which is past it, and the log is
     * not. NULL: there never is one.
     */
    bool (*missed)(void *context, int64_t *at_ns);
    /*
     * True if the channel's samples are amounts (rain, insects), each what came since the one that
     * was given before: a moment that was not asked for, or had no value, loses nothing. NULL: none
     * is.
     */
    bool (*is_sum)(void *context, size_t channel);
};

/* --- flash -------------------------------------------------------------------
 * NOR rules: program only clears bits, erase sets a whole block to 0xFF. A cut of
 * the power may leave the operation under way half done, and touches nothing else.
 */
struct hal_flash {
    void *context;
    uint32_t block_size;  /* bytes, a power of two, at least 512 */
    uint32_t block_count; /* at least 2 */
    enum hal_result (*read)(void *context, uint32_t offset, void *bytes, size_t length);
    /* Programs bytes that are erased; done means durable after the next sync. */
    enum hal_result (*program)(void *context, uint32_t offset, const void *bytes, size_t length);
    enum hal_result (*erase)(void *context, uint32_t block);
    /*
     * HAL_OK: everything before it stays. HAL_FAILED: that is not certain; asked again, HAL_OK
     * says so for what the failed one was to cover, too.
     */
    enum hal_result (*sync)(void *context);
};

/* --- network -----------------------------------------------------------------
 * One MQTT 3.1.1 session. The port connects and reconnects by itself, with backoff,
 * with the will it was given at its creation, and subscribes to ack and cmd
 * at each connection. The core polls.
 */
enum hal_leaf { HAL_LEAF_OBS, HAL_LEAF_STATUS, HAL_LEAF_RSP };
enum hal_inbound { HAL_INBOUND_NONE, HAL_INBOUND_ACK, HAL_INBOUND_CMD };

/* Why there is no connection, and, last, what goes wrong while there is one. */
enum hal_trouble {
    HAL_TROUBLE_AUTHORITY, /* refused by us: the certificate is not of our authority */
    HAL_TROUBLE_HOST,      /* ... is for another host */
    HAL_TROUBLE_DATE,      /* ... has expired, or is not valid yet */
    HAL_TROUBLE_TLS,       /* ... or there is no TLS that we trust */
    HAL_TROUBLE_PASSWORD,  /* the broker refuses user or password */
    HAL_TROUBLE_REFUSED,   /* ... or the station for another reason */
    HAL_TROUBLE_LINK,      /* no way to the broker, no answer, the connection was lost */
    HAL_TROUBLE_INBOX,     /* a receipt or command was dropped: too long, cut, no room */
    HAL_TROUBLES
};

struct hal_network {
    void *context;
    /* A number that changes with every new connection; 0 while there is none. */
    uint32_t (*connection)(void *context);
    /*
     * Hands a message over; the bytes are copied before it returns. HAL_OK says
     * only that it was taken, not that it arrived. status is retained, QoS is 1.
     * Anything but HAL_OK and HAL_GONE is tried again in a later step.
     */
    enum hal_result (*publish)(void *context, enum hal_leaf leaf, const void *bytes, size_t length);
    /*
     * The next message that came in, copied to buffer (a longer one is dropped). Of receipts
     * that wait the latest is enough: it says all that the earlier ones did.
     */
    enum hal_inbound (*receive)(void *context, void *buffer, size_t capacity, size_t *length);
    /*
     * Drops the connection, after what was handed over has left if that takes no time, and makes
     * the next ones to this broker; host NULL: to the one the station was made for. User,
     * password and authority stay. The texts are copied. NULL: the port has one broker.
     */
    void (*connect)(void *context, const char *host, uint16_t port);
    /*
     * How often it was met since the start; a connection that connect() ended was not lost. NULL:
     * the port does not count.
     */
    uint32_t (*troubles)(void *context, enum hal_trouble which);
};

/* --- bus ---------------------------------------------------------------------
 * Bytes on a half-duplex line: RS-485, SDI-12 behind its level shifter, a plain UART.
 * Nothing here waits: what takes time is asked for again in a later step.
 */
enum hal_parity { HAL_PARITY_NONE, HAL_PARITY_EVEN, HAL_PARITY_ODD };

struct hal_line {
    uint32_t baud;     /* 1,200 .. 115,200 */
    uint8_t data_bits; /* 7 or 8 */
    uint8_t stop_bits; /* 1 or 2 */
    enum hal_parity parity;
};

struct hal_bus {
    void *context;
    /* Sets the line up, and forgets what came in. HAL_FAILED if the port cannot. */
    enum hal_result (*configure)(void *context, const struct hal_line *line);
    /*
     * Sends all bytes (at most 256); the sender of the line is on only while they leave.
     * HAL_AGAIN, nothing taken: earlier ones are still leaving.
     */
    enum hal_result (*write)(void *context, const void *bytes, size_t length);
    /* True when all has left, the last stop bit included, and no break is under way. */
    bool (*sent)(void *context);
    /* Copies what came in since, in order; returns its length. What nobody fetched in time is lost.
     */
    size_t (*read)(void *context, void *bytes, size_t capacity);
    /*
     * Holds the line in its spacing state for us microseconds, then marks; sent() says when. NULL
     * if it cannot.
     */
    enum hal_result (*send_break)(void *context, uint32_t us);
};

/* --- pins, pulses, currents ----------------------------------------------------- */

struct hal_pins {
    void *context;
    void (*set)(void *context, unsigned pin, bool on); /* lamp relay, lights */
    bool (*get)(void *context, unsigned pin);          /* rain switch, service button */
    /* Edges counted since the start of the board; wraps at 2^32. */
    uint32_t (*edges)(void *context, unsigned input);
    /* Current of an analogue loop in microamperes; HAL_FAILED if the converter does not answer. */
    enum hal_result (*current_ua)(void *context, unsigned input, int32_t *current);
};

/* --- board ------------------------------------------------------------------------ */

enum hal_reset {
    HAL_RESET_POWER,    /* power came (back) */
    HAL_RESET_WATCHDOG, /* nobody fed it */
    HAL_RESET_COMMAND,  /* asked for by reset() */
    HAL_RESET_BROWNOUT,
    HAL_RESET_OTHER
};

struct hal_board {
    void *context;
    enum hal_reset (*why)(void *context); /* of the start we are in */
    /* Feeds the watchdog, which is armed before main and never stops. */
    void (*feed)(void *context);
    void (*reset)(void *context); /* starts the board anew; a port on a computer may exit */
};

/* --- randomness ------------------------------------------------------------- */

struct hal_random {
    void *context;
    uint32_t (*next)(void *context); /* for log identities and jitter; not for keys */
};

#endif

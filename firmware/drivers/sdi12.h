/*
 * SDI-12 version 1.4, the data recorder's side: "SDI-12, A Serial-Digital Interface Standard for
 * Microprocessor-Based Sensors", SDI-12 Support Group. 1,200 baud, 7 data bits, even parity, one
 * stop bit; every command and answer is a line of text, an answer ends with CR LF.
 *
 * One command at a time, with the retries that the standard asks for (section 7.2): three
 * attempts after a break, three breaks. Nothing here waits; sdi12_step does what is due.
 */
#ifndef FIRMWARE_SDI12_H
#define FIRMWARE_SDI12_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hal/hal.h"
#include "phusa/text.h"

#define SDI12_LINE_MAX   96 /* bytes of an answer: 75 of values, address, CRC, CR LF, and room */
#define SDI12_VALUES_MAX 20 /* of one measurement; further ones are not fetched */
#define SDI12_PAGES      10 /* D0 .. D9 */
#define SDI12_ATTEMPTS   3  /* after a break */
#define SDI12_BREAKS     3

extern const struct hal_line SDI12_LINE;

enum sdi12_result {
    SDI12_OK = 0,
    SDI12_BUSY,        /* under way */
    SDI12_SILENT,      /* no answer to any attempt */
    SDI12_BAD_ADDRESS, /* another sensor answered */
    SDI12_BAD_CRC,
    SDI12_BAD_ANSWER, /* not in the form of an answer to that command */
    SDI12_ABORTED,    /* the sensor measured nothing, or fewer values than it said */
    SDI12_TOO_SLOW,   /* it says it needs longer than wait_max_s */
    SDI12_BUS_FAILED  /* the port cannot send */
};

/* What aM!, aMC!, aC!, aCC!, aM1! ... ask for. */
struct sdi12_measurement {
    char address;
    bool concurrent; /* C: others may be asked meanwhile, and nobody says when it is done */
    bool crc;        /* values come with a CRC */
    uint8_t number;  /* 0 = aM!, 1 .. 9 = aM1! ... aM9! */
};

/* --- parts of the protocol, by themselves ------------------------------------------------ */

/* True for 0-9, A-Z, a-z. */
bool sdi12_is_address(char c);

/* CRC-16/ARC (polynomial 0xA001 reflected, begins with 0) as its three characters. */
void sdi12_crc(const char *text, size_t length, char crc[3]);

/* True if a line (without CR LF) ends with the CRC of what stands before it. */
bool sdi12_crc_right(struct phusa_text line);

/* Reads "ttt" and "n" (M) or "nn" (C) behind the address. False if the line is anything else. */
bool sdi12_parse_start(struct phusa_text line, bool concurrent, unsigned *seconds, unsigned *count);

/*
 * Reads values behind the address: each a sign and up to 7 digits with or without a point. Those
 * beyond capacity are read and left out. Returns how many there are; -1 if it is anything else.
 */
int sdi12_parse_values(struct phusa_text text, double *values, size_t capacity);

/* --- commands ------------------------------------------------------------------------------ */

enum sdi12_phase { SDI12_PHASE_TEXT, SDI12_PHASE_START, SDI12_PHASE_WAIT, SDI12_PHASE_DATA };
enum sdi12_state {
    SDI12_IDLE,
    SDI12_PAUSE,
    SDI12_BREAKING,
    SDI12_MARKING,
    SDI12_SENDING,
    SDI12_LISTENING,
    SDI12_WAITING
};

/* The owner provides the memory and touches nothing in it. */
struct sdi12 {
    const struct hal_bus *bus;
    int64_t slack_ns;
    struct sdi12_measurement measurement;
    enum sdi12_phase phase;
    enum sdi12_state state;
    unsigned attempts, breaks; /* of this command */
    bool want_break;
    char awake;        /* the address that was spoken to last; 0 = none */
    int64_t active_ns; /* the line was last used */
    int64_t until_ns;  /* of the state */
    unsigned wait_max_s, wait_s, expected, page;
    size_t value_count;
    double values[SDI12_VALUES_MAX];
    size_t command_length, length;
    char command[8];
    char line[SDI12_LINE_MAX];
};

/*
 * bus must outlive it and be configured as SDI12_LINE. slack_ns is added to every time that a
 * sensor has: computers hand bytes over late; 0 on a board.
 */
void sdi12_init(struct sdi12 *sdi12, const struct hal_bus *bus, int64_t slack_ns);

/*
 * Each begins a command; the one before must have ended. Then sdi12_step until it is not
 * SDI12_BUSY any more.
 *
 * ping: a!, is there anybody? See sdi12_text. start: aM! or aC!; a concurrent
 * measurement ends with sdi12_wait_s and sdi12_expected and is to be collected after that time;
 * the other waits for the sensor's service request, or for the time it gave, fetches the values
 * and ends with them, the line being the sensor's for so long. collect: D0 ... D9.
 */
void sdi12_ping(struct sdi12 *sdi12, char address, int64_t mono_ns);
void sdi12_start(struct sdi12 *sdi12, const struct sdi12_measurement *measurement,
                 unsigned wait_max_s, int64_t mono_ns);
void sdi12_collect(struct sdi12 *sdi12, const struct sdi12_measurement *measurement,
                   unsigned expected, int64_t mono_ns);

enum sdi12_result sdi12_step(struct sdi12 *sdi12, int64_t mono_ns);

/* What the sensor said: until the next command. */
struct phusa_text sdi12_text(const struct sdi12 *sdi12); /* without address and CR LF */
unsigned sdi12_wait_s(const struct sdi12 *sdi12);
unsigned sdi12_expected(const struct sdi12 *sdi12);
const double *sdi12_values(const struct sdi12 *sdi12, size_t *count);

#endif

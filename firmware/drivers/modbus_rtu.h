/*
 * Modbus RTU, the master's side: reads registers of one slave at a time (functions 3 and 4).
 * After "MODBUS over Serial Line, Specification and Implementation Guide V1.02" (frames, CRC,
 * silent intervals) and "MODBUS Application Protocol Specification V1.1b3" (functions, exceptions).
 *
 * One exchange at a time and no retries: who asks again, and when, is the business of the hub.
 * Nothing here waits; modbus_step does what is due.
 */
#ifndef FIRMWARE_MODBUS_RTU_H
#define FIRMWARE_MODBUS_RTU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hal/hal.h"

#define MODBUS_REGISTERS_MAX 125 /* of one answer, by the specification */
#define MODBUS_FRAME_MAX     256 /* bytes of a frame, by the specification */
#define MODBUS_REQUEST_BYTES 8
#define MODBUS_SLAVE_MAX     247 /* 1 .. 247; 0 is broadcast and has no answer */
#define MODBUS_GLITCH_MAX    2 /* bytes of noise that may stand before an answer: the line turns */

enum modbus_function { MODBUS_HOLDING = 3, MODBUS_INPUT = 4 };

struct modbus_request {
    uint8_t slave;    /* 1 .. MODBUS_SLAVE_MAX */
    uint8_t function; /* enum modbus_function */
    uint16_t address; /* of the first register, from 0 as it goes over the line */
    uint16_t count;   /* 1 .. MODBUS_REGISTERS_MAX */
};

enum modbus_result {
    MODBUS_OK = 0,
    MODBUS_BUSY,        /* under way */
    MODBUS_SILENT,      /* nothing came in time */
    MODBUS_NOISE,       /* something came, but no frame of this slave */
    MODBUS_BAD_CRC,     /* right in shape, wrong in its checksum */
    MODBUS_BAD_ADDRESS, /* a sound frame of another slave, and none of this one */
    MODBUS_BAD_ANSWER,  /* of this slave, but too short, too long or of another function */
    MODBUS_EXCEPTION,   /* the slave refuses: see modbus_exception */
    MODBUS_BUS_FAILED   /* the port cannot send */
};

/* Exceptions after which asking again soon makes sense. */
enum modbus_exception { MODBUS_EXCEPTION_ACKNOWLEDGE = 5, MODBUS_EXCEPTION_DEVICE_BUSY = 6 };

/* CRC-16/MODBUS: polynomial 0xA001 (reflected), begins with 0xFFFF; sent low byte first. */
uint16_t modbus_crc(const uint8_t *bytes, size_t length);

void modbus_encode(const struct modbus_request *request, uint8_t frame[MODBUS_REQUEST_BYTES]);

/*
 * Judges what came in answer to request. Up to MODBUS_GLITCH_MAX bytes before the frame, and the
 * echo of the request itself (adapters that hear what they send), are passed over; bytes behind
 * it make it MODBUS_BAD_ANSWER. With MODBUS_OK *data is the first register's high byte,
 * count * 2 bytes inside bytes; with MODBUS_EXCEPTION it is the exception's code.
 */
enum modbus_result modbus_judge(const struct modbus_request *request, const uint8_t *bytes,
                                size_t length, const uint8_t **data);

/* --- values ---------------------------------------------------------------------- */

enum modbus_type { MODBUS_U16, MODBUS_S16, MODBUS_U32, MODBUS_S32, MODBUS_F32 };

/*
 * Where the bytes of a value, A its most significant, stand in the order of the line: ABCD is
 * what the specification means, CDAB swaps the words, BADC the bytes of each word, DCBA both.
 * Of 16-bit values the first two letters count: AB (ABCD, CDAB) or BA (BADC, DCBA).
 */
enum modbus_order { MODBUS_ABCD, MODBUS_CDAB, MODBUS_BADC, MODBUS_DCBA };

/* Registers that a value takes. */
size_t modbus_width(enum modbus_type type);

/* The value at data, modbus_width(type) * 2 bytes; not finite if the slave sent such a float. */
double modbus_value(const uint8_t *data, enum modbus_type type, enum modbus_order order);

/* --- an exchange ------------------------------------------------------------------ */

enum modbus_state { MODBUS_IDLE, MODBUS_QUIET, MODBUS_SENDING, MODBUS_LISTENING };

/* The owner provides the memory and touches nothing in it. */
struct modbus_master {
    const struct hal_bus *bus;
    struct modbus_request request;
    enum modbus_state state;
    enum modbus_result so_far; /* what the end of the time will be called */
    int64_t gap_ns;            /* 3.5 characters */
    int64_t slack_ns;          /* a frame that is not whole may pause this long */
    int64_t timeout_ns;
    int64_t heard_ns; /* the last step in which bytes came */
    int64_t until_ns; /* of the state */
    const uint8_t *data;
    size_t length;
    uint8_t frame[MODBUS_FRAME_MAX];
};

/*
 * bus must outlive the master and be configured as line says. slack_ns: computers hand bytes
 * over in slices of up to 16 ms; 0 on a board that sees each byte as it comes.
 */
void modbus_init(struct modbus_master *master, const struct hal_bus *bus,
                 const struct hal_line *line, int64_t slack_ns);

/* Begins an exchange; the one before must have ended. An answer must begin within timeout_ns. */
void modbus_begin(struct modbus_master *master, const struct modbus_request *request,
                  int64_t timeout_ns, int64_t mono_ns);

/* MODBUS_BUSY until the exchange has ended; then its result, once. */
enum modbus_result modbus_step(struct modbus_master *master, int64_t mono_ns);

/* After MODBUS_OK the registers' bytes, until the next modbus_begin. */
const uint8_t *modbus_data(const struct modbus_master *master);

/* After MODBUS_EXCEPTION its code. */
uint8_t modbus_exception(const struct modbus_master *master);

#endif

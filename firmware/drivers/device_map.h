/*
 * Which devices a station has on its lines and inputs, and how each of its parameters is read
 * from them: data, not code. The text is the same wherever it comes from, a file on a computer
 * or a page of flash on a board. One statement a line, words separated by blanks, # begins a
 * comment:
 *
 *   bus modbus baud=9600 line=8N1
 *     device sonde address=1 timeout=500
 *       state register=40 calibrating=0x0001 fault=0x0006
 *       channel temp register=0 type=s16 divide=100 unit=Cel
 *       channel ec25 register=2 type=f32 order=cdab multiply=0.001 unit=mS/cm decimals=3
 *   bus sdi12
 *     device probe address=0 measure=MC
 *       channel level value=1 divide=1000 unit=m
 *   inputs
 *     device gauge
 *       channel level loop=0 zero=0 full=10 unit=m
 *       channel rain pulse=1 divide=5 debounce=100 rate=40 unit=mm
 *
 * bus: the next of the port's buses, in their order. modbus: baud (9600), line (8N1: data bits,
 *   parity N E O, stop bits). sdi12: always 1200 7E1.
 * device: a name; on modbus address (1 .. 247), timeout in ms (500), span (125): registers it
 *   gives in one answer at most; on sdi12 address (one character), measure (M, MC, C, CC, M1 ...
 *   CC9; default M), wait in s (60): longer the device may not take.
 * state: on modbus, one 16-bit register of the device's own state and the bits in it that mean
 *   calibrating and fault (TT 10/2021: states 1 and 2); fault goes before calibrating.
 * channel: the parameter, and where it stands: on modbus register (0 .. 65535, as it goes over
 *   the line), function (3), type (u16 s16 u32 s32 f32; u16), order (abcd cdab badc dcba; abcd); on
 *   sdi12 value (1 .. 20: which of those that the measurement gives); of inputs loop with zero
 *   and full (the values at 4 and 20 mA), or pulse, counted since the moment before, with debounce
 *   in ms (0: every edge is a pulse) and rate (1 .. 60000 a minute; beyond it the amount is a least
 *   one, and said to be): an amount, of which reports have the sum, so it has neither offset nor
 *   decimals. The value is raw * multiply / divide + offset in unit (empty: the parameter's own),
 *   rounded to decimals if given. A raw value equal to absent means that the device has none.
 *
 * Divide rather than multiply where the device sends whole numbers: 57 / 100 is 0.57 as everybody
 * writes it, 57 * 0.01 is not.
 */
#ifndef FIRMWARE_DEVICE_MAP_H
#define FIRMWARE_DEVICE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hal/hal.h"
#include "modbus_rtu.h"
#include "phusa/text.h"
#include "sdi12.h"

#define DEVICE_MAP_BUSES_MAX   2
#define DEVICE_MAP_DEVICES_MAX 12
#ifndef DEVICE_MAP_POINTS_MAX    /* a small board has room for fewer */
#define DEVICE_MAP_POINTS_MAX 40 /* channels and states */
#endif
#define DEVICE_MAP_PULSES_MAX   4  /* of the channels */
#define DEVICE_MAP_NAME_MAX     32 /* bytes of a parameter's or a device's name */
#define DEVICE_MAP_UNIT_MAX     16 /* bytes of a unit */
#define DEVICE_MAP_DECIMALS_MAX 9

enum device_protocol { DEVICE_MODBUS, DEVICE_SDI12, DEVICE_INPUTS };

struct device_bus {
    enum device_protocol protocol; /* DEVICE_MODBUS or DEVICE_SDI12 */
    struct hal_line line;
};

struct device {
    struct phusa_text name;
    enum device_protocol protocol;
    uint8_t bus; /* index; not for inputs */
    uint8_t slave;
    uint16_t timeout_ms, span;
    uint16_t wait_max_s;
    struct sdi12_measurement measurement;
    bool has_state;
    uint16_t state_calibrating, state_fault; /* bits of its state */
};

enum device_source {
    DEVICE_REGISTER,
    DEVICE_STATE, /* a register that holds the device's state; no channel */
    DEVICE_VALUE, /* of an SDI-12 measurement */
    DEVICE_LOOP,
    DEVICE_PULSE
};

struct device_point {
    struct phusa_text name, unit;
    uint8_t device; /* index */
    uint8_t source; /* enum device_source */
    uint8_t function, type, order;
    int8_t decimals; /* -1 = as it comes */
    bool has_absent;
    uint16_t at;          /* register, value (from 0), input */
    uint16_t debounce_ms; /* of pulses */
    uint16_t rate;        /* pulses a minute that are rightly counted; 0 = any */
    double multiply, divide, offset, absent;
    double zero, full; /* of a loop */
};

/* Points of a device stand together, in the order of the text. */
struct device_map {
    struct device_bus buses[DEVICE_MAP_BUSES_MAX];
    struct device devices[DEVICE_MAP_DEVICES_MAX];
    struct device_point points[DEVICE_MAP_POINTS_MAX];
    size_t bus_count, device_count, point_count, pulse_count;
};

struct device_map_error {
    unsigned line;          /* from 1 */
    const char *what;       /* and what would be right; static */
    struct phusa_text word; /* the one it is about, inside the text; may be empty */
};

/*
 * Reads a map. Names and units point into text, which must outlive the map. False with *error
 * set at the first thing that is wrong; map is then of no use.
 */
bool device_map_parse(struct device_map *map, struct phusa_text text,
                      struct device_map_error *error);

/* The point that gives a parameter, or NULL. */
const struct device_point *device_map_find(const struct device_map *map,
                                           struct phusa_text parameter);

/* What a raw value means: scaled and rounded as the point says. */
double device_point_value(const struct device_point *point, double raw);

#endif

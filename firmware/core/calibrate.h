/*
 * Calibration of a channel: value = c0 + c1 raw + c2 raw^2 + c3 raw^3. The procedure in the
 * field gives c0 (one point) or c0 and c1 (two points); a polynomial is given as a whole. What
 * was in force before stays beside it, with the time, the operator and the points.
 *
 * Form in which it is kept (little-endian):
 *   u8 version 1, u8 points, u8 length of the name, name, u8 length of the operator, operator,
 *   i64 time, 4 f64 coefficients, 4 f64 of those before, for each point f64 raw, f64 reference
 */
#ifndef FIRMWARE_CALIBRATE_H
#define FIRMWARE_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phusa/text.h"

#define CALIBRATE_ORDER        4 /* coefficients */
#define CALIBRATE_POINTS       2
#define CALIBRATE_OPERATOR_MAX 32 /* bytes */
#define CALIBRATE_NAME_MAX     32 /* bytes of a parameter's name */
#define CALIBRATE_BYTES_MAX    (12 + CALIBRATE_NAME_MAX + CALIBRATE_OPERATOR_MAX + 64 + 32)
/* A gain beyond these says that the probe is broken or the references are mixed up. */
#define CALIBRATE_GAIN_MIN     0.2
#define CALIBRATE_GAIN_MAX     5.0

struct calibrate_point {
    double raw, reference;
};

struct calibration {
    char name[CALIBRATE_NAME_MAX]; /* not terminated */
    uint8_t name_length;
    char operator_name[CALIBRATE_OPERATOR_MAX]; /* not terminated */
    uint8_t operator_length;
    int64_t time_ns; /* wall time; 0 = the clock was unset */
    double now[CALIBRATE_ORDER], before[CALIBRATE_ORDER];
    uint8_t point_count;
    struct calibrate_point points[CALIBRATE_POINTS];
};

enum calibrate_result {
    CALIBRATE_OK = 0,
    CALIBRATE_NO_POINTS,
    CALIBRATE_SAME_POINT, /* both raw values are the same */
    CALIBRATE_BAD_GAIN    /* outside CALIBRATE_GAIN_MIN .. _MAX */
};

/* The calibration that changes nothing, of a parameter. name at most CALIBRATE_NAME_MAX bytes. */
void calibrate_begin(struct calibration *calibration, struct phusa_text name);

/* The coefficients with which every value is its raw number. */
extern const double calibrate_none[CALIBRATE_ORDER];

/* False if these are the same. */
bool calibrate_changes(const double coefficients[CALIBRATE_ORDER]);

/* The value for a raw number. */
double calibrate_apply(const double coefficients[CALIBRATE_ORDER], double raw);

/*
 * Coefficients from the points taken: two points give offset and gain, one moves the offset
 * of what was in force so that the point is met. now becomes before. Nothing is changed
 * unless CALIBRATE_OK.
 */
enum calibrate_result calibrate_finish(struct calibration *calibration);

/* Returns the bytes written. */
size_t calibrate_pack(const struct calibration *calibration, uint8_t bytes[CALIBRATE_BYTES_MAX]);

/* False if bytes are no calibration; *calibration is undefined then. */
bool calibrate_unpack(const uint8_t *bytes, size_t length, struct calibration *calibration);

#endif

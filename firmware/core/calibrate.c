#include "calibrate.h"

#include <math.h>

#include "bytes.h"

#define VERSION 1u

const double calibrate_none[CALIBRATE_ORDER] = { 0, 1, 0, 0 };

void calibrate_begin(struct calibration *calibration, struct phusa_text name)
{
    *calibration = (struct calibration){ .name_length = (uint8_t)name.length };
    memcpy(calibration->name, name.data, name.length);
    memcpy(calibration->now, calibrate_none, sizeof calibrate_none);
    memcpy(calibration->before, calibrate_none, sizeof calibrate_none);
}

bool calibrate_changes(const double coefficients[CALIBRATE_ORDER])
{
    bool changes = false;
    for (size_t i = 0; i < CALIBRATE_ORDER; i++) {
        changes = changes || fabs(coefficients[i] - calibrate_none[i]) > 0;
    }
    return changes;
}

double calibrate_apply(const double coefficients[CALIBRATE_ORDER], double raw)
{
    double value = coefficients[CALIBRATE_ORDER - 1];
    for (int i = CALIBRATE_ORDER - 2; i >= 0; i--) {
        value = value * raw + coefficients[i];
    }
    return value;
}

static enum calibrate_result from_two(const struct calibrate_point *points, double *coefficients)
{
    double raw = points[1].raw - points[0].raw;
    if (!(fabs(raw) > 0)) {
        return CALIBRATE_SAME_POINT;
    }
    double gain = (points[1].reference - points[0].reference) / raw;
    if (!(gain >= CALIBRATE_GAIN_MIN && gain <= CALIBRATE_GAIN_MAX)) {
        return CALIBRATE_BAD_GAIN;
    }
    coefficients[0] = points[0].reference - gain * points[0].raw;
    coefficients[1] = gain;
    return CALIBRATE_OK;
}

enum calibrate_result calibrate_finish(struct calibration *calibration)
{
    double coefficients[CALIBRATE_ORDER] = { 0 };
    const struct calibrate_point *points = calibration->points;
    if (calibration->point_count == 0) {
        return CALIBRATE_NO_POINTS;
    }
    if (calibration->point_count == 1) {
        memcpy(coefficients, calibration->now, sizeof coefficients);
        coefficients[0] += points[0].reference - calibrate_apply(coefficients, points[0].raw);
    } else {
        enum calibrate_result result = from_two(points, coefficients);
        if (result != CALIBRATE_OK) {
            return result;
        }
    }
    memcpy(calibration->before, calibration->now, sizeof calibration->before);
    memcpy(calibration->now, coefficients, sizeof calibration->now);
    return CALIBRATE_OK;
}

/* --- kept ------------------------------------------------------------------------- */

static size_t put_doubles(uint8_t *bytes, size_t at, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++, at += 8) {
        put_double(bytes + at, values[i]);
    }
    return at;
}

static size_t put_text(uint8_t *bytes, size_t at, const char *text, uint8_t length)
{
    bytes[at] = length;
    memcpy(bytes + at + 1, text, length);
    return at + 1 + length;
}

size_t calibrate_pack(const struct calibration *calibration, uint8_t bytes[CALIBRATE_BYTES_MAX])
{
    bytes[0] = VERSION;
    bytes[1] = calibration->point_count;
    size_t at = put_text(bytes, 2, calibration->name, calibration->name_length);
    at = put_text(bytes, at, calibration->operator_name, calibration->operator_length);
    put_u64(bytes + at, (uint64_t)calibration->time_ns);
    at = put_doubles(bytes, at + 8, calibration->now, CALIBRATE_ORDER);
    at = put_doubles(bytes, at, calibration->before, CALIBRATE_ORDER);
    for (size_t i = 0; i < calibration->point_count; i++) {
        const double point[2] = { calibration->points[i].raw, calibration->points[i].reference };
        at = put_doubles(bytes, at, point, 2);
    }
    return at;
}

/* Takes a text of at most room bytes; false if there is none. */
static bool take_text(const uint8_t *bytes, size_t length, size_t *at, char *text, uint8_t *taken,
                      size_t room)
{
    if (*at >= length || bytes[*at] > room || bytes[*at] > length - *at - 1) {
        return false;
    }
    *taken = bytes[*at];
    memcpy(text, bytes + *at + 1, *taken);
    *at += 1u + *taken;
    return true;
}

static bool take_doubles(const uint8_t *bytes, size_t *at, double *values, size_t count)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++, *at += 8) {
        values[i] = get_double(bytes + *at);
        finite = finite && isfinite(values[i]);
    }
    return finite;
}

bool calibrate_unpack(const uint8_t *bytes, size_t length, struct calibration *calibration)
{
    size_t at = 2;
    *calibration = (struct calibration){ 0 };
    if (length < 2 || bytes[0] != VERSION || bytes[1] > CALIBRATE_POINTS ||
        !take_text(bytes, length, &at, calibration->name, &calibration->name_length,
                   sizeof calibration->name) ||
        !take_text(bytes, length, &at, calibration->operator_name, &calibration->operator_length,
                   sizeof calibration->operator_name)) {
        return false;
    }
    calibration->point_count = bytes[1];
    if (length - at != 8u + 16u * CALIBRATE_ORDER + 16u * calibration->point_count) {
        return false;
    }
    calibration->time_ns = (int64_t)get_u64(bytes + at);
    at += 8;
    bool good = take_doubles(bytes, &at, calibration->now, CALIBRATE_ORDER);
    good = take_doubles(bytes, &at, calibration->before, CALIBRATE_ORDER) && good;
    for (size_t i = 0; i < calibration->point_count; i++) {
        double point[2];
        good = take_doubles(bytes, &at, point, 2) && good;
        calibration->points[i] = (struct calibrate_point){ point[0], point[1] };
    }
    return good && calibration->name_length > 0;
}

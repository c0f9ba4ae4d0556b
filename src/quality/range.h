/* What a single reading says about itself: gross range, time ahead, device state. Pure. */
#ifndef QUALITY_RANGE_H
#define QUALITY_RANGE_H

#include <stdbool.h>

#include "phusa/parameter.h"
#include "phusa/report.h"

/*
 * QARTOD's gross range test against the catalogue's limits (inclusive): good or
 * fail. NaN does not reach here. What the device itself says comes first: a fault
 * (TT 10/2021 status 02) is fail, a calibration (01) suspect at best, and so is
 * a reading ahead of its receive time.
 */
enum phusa_flag quality_flag(const struct phusa_parameter *parameter, double value,
                             enum phusa_device_state state, bool ahead);

#endif

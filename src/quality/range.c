#include "quality/range.h"

enum phusa_flag quality_flag(const struct phusa_parameter *parameter, double value,
                             enum phusa_device_state state, bool ahead)
{
    if (state == PHUSA_DEVICE_FAULT || value < parameter->minimum || value > parameter->maximum) {
        return PHUSA_FLAG_FAIL;
    }
    return state == PHUSA_DEVICE_CALIBRATING || ahead ? PHUSA_FLAG_SUSPECT : PHUSA_FLAG_GOOD;
}

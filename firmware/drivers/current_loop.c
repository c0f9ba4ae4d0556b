#include "current_loop.h"

enum current_loop_state current_loop_state(int32_t microamperes)
{
    if (microamperes <= CURRENT_LOOP_FAULT_LOW) {
        return CURRENT_LOOP_FAULT_BELOW;
    }
    if (microamperes >= CURRENT_LOOP_FAULT_HIGH) {
        return CURRENT_LOOP_FAULT_ABOVE;
    }
    if (microamperes < CURRENT_LOOP_LOW) {
        return CURRENT_LOOP_BELOW;
    }
    return microamperes > CURRENT_LOOP_HIGH ? CURRENT_LOOP_ABOVE : CURRENT_LOOP_MEASURING;
}

double current_loop_value(int32_t microamperes, double zero, double full)
{
    double part = (double)microamperes - CURRENT_LOOP_ZERO;
    return zero + part * (full - zero) / (CURRENT_LOOP_FULL - CURRENT_LOOP_ZERO);
}

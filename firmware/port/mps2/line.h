/* The third serial line, UART 2: 8 data bits, no parity, for a trap's classifier. */
#ifndef MPS2_LINE_H
#define MPS2_LINE_H

#include "hal/hal.h"

#define LINE_WRITE_MAX 16u /* bytes that can be on their way: a question is 3 */

/* No break, and no other form than 8N1. */
struct hal_bus line_hal(void);

#endif

/* A log's identity as text: 8 hexadecimal digits, read in either case, written in lower. */
#ifndef SHARED_HEX_H
#define SHARED_HEX_H

#include <stdint.h>

#include "phusa/text.h"

#define HEX_LOG_DIGITS 8

static inline bool hex_log_parse(struct phusa_text text, uint32_t *log)
{
    uint32_t value = 0;

    if (text.length != HEX_LOG_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];

        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            value = value << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        } else {
            return false;
        }
    }
    *log = value;
    return true;
}

static inline void hex_log_print(uint32_t log, char digits[HEX_LOG_DIGITS])
{
    for (int i = 0; i < HEX_LOG_DIGITS; i++) {
        digits[i] = "0123456789abcdef"[log >> (28 - 4 * i) & 15];
    }
}

#endif

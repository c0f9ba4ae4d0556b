/* A letter with every text, for the tests of channels. */
#ifndef LETTER_SAMPLE_H
#define LETTER_SAMPLE_H

#include <math.h>

#include "notify/delivery.h"

#define LETTER_TIME_S INT64_C(1762000200) /* 2025-11-01 19:30:00 +07:00 */

#define BOTH(vi, en)                                                                               \
    {                                                                                              \
        .in = { [LANGUAGE_VI] = (vi), [LANGUAGE_EN] = (en) }                                       \
    }

/* The state changes after_s behind LETTER_TIME_S, and `to` began then. */
static inline struct letter sample_letter(const char *key, enum severity from, enum severity to,
                                          int64_t after_s)
{
    return (struct letter){
        .key = key,
        .body = "{}",
        .body_length = 2,
        .topic = "phusa/1/my-tho/s1/alarm/salinity-fields",
        .rule = "salinity-fields",
        .site = "my-tho",
        .station = "s1",
        .parameter = "salinity",
        .from = from,
        .to = to,
        .time_ns = (LETTER_TIME_S + after_s) * SECOND_NS,
        .since_ns = (LETTER_TIME_S + after_s) * SECOND_NS,
        .value = 4.25,
        .station_name = "Cống Xuân Hòa",
        .lat = 10.35,
        .lon = 106.37,
        .label = BOTH("Độ mặn", "Salinity"),
        .unit = "g/L",
        .hazard = BOTH("Xâm nhập mặn", "Salinity intrusion"),
        .text = BOTH("Xâm nhập mặn – Cống Xuân Hòa: Độ mặn 4,25 g/L (≥ 4 g/L).",
                     "Salinity intrusion – Cống Xuân Hòa: Salinity 4.25 g/L (≥ 4 g/L)."),
        .brief = BOTH("Man 4,25 g/L Cong Xuan Hoa", "Salinity 4.25 g/L Cong Xuan Hoa"),
        .line = BOTH("Cống Xuân Hòa: mặn 4,25 g/L", "Cống Xuân Hòa: salinity 4.25 g/L"),
        .action = BOTH("Đóng cống, không lấy nước.", "Close the sluice; take no water."),
        .stop = BOTH("", ""),
        .severity_name = BOTH("nghiêm trọng", "severe"),
        .value_text = BOTH("4,25 g/L", "4.25 g/L"),
        .category = "Env",
        .urgency = "Expected",
        .certainty = "Observed",
        .utc_offset_s = 7 * 3600,
    };
}

#endif

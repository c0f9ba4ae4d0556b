/*
 * Table 1 of Decision 1459/QĐ-TCMT: levels, colours and what to tell people. The Vietnamese stands
 * as it is printed there, with the fifth level's "Cảnh báo hưởng". The Decision has no English;
 * that is a translation.
 */
#include <stddef.h>

#include "quality/vn_aqi.h"

static const struct vn_aqi_level levels[] = {
    { .to = 50,
      .id = "good",
      .vi = "Tốt",
      .en = "Good",
      .colour_vi = "Xanh",
      .colour_en = "green",
      .rgb = { 0, 228, 0 },
      .message_vi = "Chất lượng không khí tốt, không ảnh hưởng tới sức khỏe",
      .message_en = "The air is good and does not affect health" },
    { .to = 100,
      .id = "moderate",
      .vi = "Trung bình",
      .en = "Moderate",
      .colour_vi = "Vàng",
      .colour_en = "yellow",
      .rgb = { 255, 255, 0 },
      .message_vi =
          "Chất lượng không khí ở mức chấp nhận được. Tuy nhiên, đối với những người nhạy "
          "cảm (người già, trẻ em, người mắc các bệnh hô hấp, tim mạch…) có thể chịu "
          "những tác động nhất định tới sức khỏe.",
      .message_en = "The air is acceptable. Sensitive people (the elderly, children, people with "
                    "respiratory or heart disease …) may however feel some effects on their "
                    "health." },
    { .to = 150,
      .id = "poor",
      .vi = "Kém",
      .en = "Poor",
      .colour_vi = "Da cam",
      .colour_en = "orange",
      .rgb = { 255, 126, 0 },
      .message_vi = "Những người nhạy cảm gặp phải các vấn đề về sức khỏe, những người bình thường "
                    "ít ảnh hưởng.",
      .message_en = "Sensitive people have health problems; others are little affected." },
    { .to = 200,
      .id = "bad",
      .vi = "Xấu",
      .en = "Bad",
      .colour_vi = "Đỏ",
      .colour_en = "red",
      .rgb = { 255, 0, 0 },
      .message_vi =
          "Những người bình thường bắt đầu có các ảnh hưởng tới sức khỏe, nhóm người nhạy "
          "cảm có thể gặp những vấn đề sức khỏe nghiêm trọng hơn.",
      .message_en = "Everyone begins to feel effects on health; sensitive people may have more "
                    "serious problems." },
    { .to = 300,
      .id = "very-bad",
      .vi = "Rất xấu",
      .en = "Very bad",
      .colour_vi = "Tím",
      .colour_en = "purple",
      .rgb = { 143, 63, 151 },
      .message_vi = "Cảnh báo hưởng tới sức khỏe: mọi người bị ảnh hưởng tới sức khỏe nghiêm trọng "
                    "hơn.",
      .message_en = "Health warning: everyone's health is affected more seriously." },
    { .to = VN_AQI_MAX,
      .id = "hazardous",
      .vi = "Nguy hại",
      .en = "Hazardous",
      .colour_vi = "Nâu",
      .colour_en = "brown",
      .rgb = { 126, 0, 35 },
      .message_vi = "Cảnh báo khẩn cấp về sức khỏe: Toàn bộ dân số bị ảnh hưởng tới sức khỏe tới "
                    "mức nghiêm trọng.",
      .message_en = "Health emergency: the health of the whole population is seriously affected." },
};

const struct vn_aqi_level *vn_aqi_level(int index)
{
    for (size_t i = 0; index >= 0 && i < sizeof levels / sizeof levels[0]; i++) {
        if (index <= levels[i].to) {
            return &levels[i];
        }
    }
    return NULL;
}

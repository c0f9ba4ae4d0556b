#include "trap_page.h"

#include "bytes.h"

#define SECOND      INT64_C(1000000000)
#define MICROSECOND INT64_C(1000)
#define ANGLES      1e7 /* a degree */
#define THOUSANDS   1e3
#define NAME_MAX    32
#define KEEP_EVERY  (60 * SECOND)

/* Where the fixed part has what. */
enum {
    AT_LATITUDE = 0,
    AT_LONGITUDE = 4,
    AT_OFFSET = 8,
    AT_ELEVATION = 12,
    AT_MOMENTS = 16,
    AT_COUNTER = 18,
    AT_WIRED = 19,
    AT_FROM = 20,
    AT_UNTIL = 24,
    AT_WIND = 28,
    AT_BATTERY = 36,
    AT_HOLDS = 44,
    AT_STALE = 56,
    AT_LAMP = 60,
    AT_BEAM = 72,
    AT_CLASSES = 76,
    AT_TEXTS = 77
};

struct texts {
    const uint8_t *bytes;
    size_t at, length;
};

static int32_t get_i32(const uint8_t *bytes)
{
    return (int32_t)get_u32(bytes);
}

static double get_angle(const uint8_t *bytes)
{
    return get_i32(bytes) / ANGLES;
}

static int64_t get_seconds(const uint8_t *bytes)
{
    return (int64_t)get_u32(bytes) * SECOND;
}

static bool take_text(struct texts *texts, struct phusa_text *text)
{
    if (texts->at == texts->length) {
        return false;
    }
    size_t length = texts->bytes[texts->at++];
    if (length > NAME_MAX || length > texts->length - texts->at) {
        return false;
    }
    *text = (struct phusa_text){ (const char *)texts->bytes + texts->at, length };
    texts->at += length;
    return true;
}

/* The parameters; all of the section is to be used up. */
static bool take_texts(struct trap_page *page, size_t length)
{
    struct trap_settings *settings = &page->settings;
    struct texts texts = { page->bytes, AT_TEXTS, length };
    settings->classes = page->bytes[AT_CLASSES];
    if (settings->classes > NIGHT_CLASSES) {
        return false;
    }
    for (size_t i = 0; i < settings->classes; i++) {
        if (!take_text(&texts, &settings->names[i]) || settings->names[i].length == 0) {
            return false;
        }
    }
    return take_text(&texts, &settings->wind) && take_text(&texts, &settings->battery) &&
           texts.at == length;
}

static void take_settings(const uint8_t *bytes, struct trap_settings *settings)
{
    *settings = (struct trap_settings){
        .site = { get_angle(bytes + AT_LATITUDE), get_angle(bytes + AT_LONGITUDE) },
        .utc_offset_s = get_i32(bytes + AT_OFFSET),
        .elevation = get_angle(bytes + AT_ELEVATION),
        .from = { (enum trap_moment)bytes[AT_MOMENTS], get_i32(bytes + AT_FROM) },
        .until = { (enum trap_moment)bytes[AT_MOMENTS + 1], get_i32(bytes + AT_UNTIL) },
        .wind_stop = get_u32(bytes + AT_WIND) / THOUSANDS,
        .wind_go = get_u32(bytes + AT_WIND + 4) / THOUSANDS,
        .battery_low = get_u32(bytes + AT_BATTERY) / THOUSANDS,
        .battery_ok = get_u32(bytes + AT_BATTERY + 4) / THOUSANDS,
        .stale_ns = get_seconds(bytes + AT_STALE),
        .keep_every_ns = KEEP_EVERY,
    };
    for (size_t i = 0; i < NIGHT_GATES; i++) {
        settings->hold_ns[i] = get_seconds(bytes + AT_HOLDS + 4 * i);
    }
}

bool trap_page_read(const struct hal_flash *flash, const struct provision *provision,
                    struct trap_page *page)
{
    size_t length = provision->trap_length;
    uint8_t *bytes = page->bytes;
    if (length < AT_TEXTS || length > sizeof page->bytes ||
        flash->read(flash->context, provision->trap_offset, bytes, length) != HAL_OK) {
        return false;
    }
    take_settings(bytes, &page->settings);
    page->classifier = bytes[AT_COUNTER] == 1;
    page->wired = bytes[AT_WIRED];
    page->lamp_start_ns = get_seconds(bytes + AT_LAMP);
    page->lamp_rest_ns = get_seconds(bytes + AT_LAMP + 4);
    page->lamp_retry_ns = get_seconds(bytes + AT_LAMP + 8);
    page->beam_dead_ns = get_u32(bytes + AT_BEAM) * MICROSECOND;
    return bytes[AT_MOMENTS] <= TRAP_DAWN && bytes[AT_MOMENTS + 1] <= TRAP_DAWN &&
           bytes[AT_COUNTER] <= 1 && page->wired <= TRAP_WIRED_ALL && take_texts(page, length) &&
           (page->classifier || page->settings.classes == 1) &&
           trap_settings_problem(&page->settings) == NULL;
}

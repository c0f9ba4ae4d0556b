/*
 * A station's settings: as JSON (first byte even) or as kept (odd). What is taken is in its
 * limits, is kept and read again the same, and a refusal changes nothing and says why.
 */
#include "fuzz.h"
#include "settings.h"

static const struct phusa_text channels[] = { { "salinity", 8 }, { "level", 5 }, { "temp", 4 } };
static const struct settings_names names = { channels, 3 };

static void check_why(const char *why)
{
    size_t length = strlen(why);
    ENSURE(length > 0 && length < SETTINGS_WHY_MAX);
    for (size_t i = 0; i < length; i++) {
        ENSURE(why[i] >= 0x20 && why[i] < 0x7f && why[i] != '"' && why[i] != '\\');
    }
}

static void check_taken(const struct settings_changes *changes)
{
    struct settings_changes again;
    struct station_settings settings = { .every_ns = INT64_C(900000000000),
                                         .sample_every_ns = INT64_C(900000000000),
                                         .share = 90,
                                         .events_per_hour = 12,
                                         .backlog_per_s = 10 };
    uint8_t bytes[SETTINGS_BYTES_MAX];
    char why[SETTINGS_WHY_MAX] = "";
    ENSURE(changes->count <= SETTINGS_CHANGES_MAX);
    size_t length = settings_pack(changes, &names, bytes);
    ENSURE(length <= sizeof bytes);
    ENSURE(settings_unpack(bytes, length, &names, &again));
    ENSURE(again.count == changes->count && again.broker.port == changes->broker.port);
    ENSURE(strcmp(again.broker.host, changes->broker.host) == 0);
    for (size_t i = 0; i < changes->count; i++) {
        ENSURE(again.items[i].field == changes->items[i].field);
        ENSURE(again.items[i].channel == changes->items[i].channel);
        ENSURE(fuzz_same_double(again.items[i].value, changes->items[i].value));
    }
    if (settings_apply(changes, &names, &settings, why)) {
        ENSURE(settings_values(&settings, names.count) <= STATION_CHANNELS_MAX);
        ENSURE(settings.every_ns % settings.sample_every_ns == 0);
    } else {
        check_why(why);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings_changes changes = { .items = { { 0, 0, 60 } }, .count = 1 };
    const struct settings_changes before = changes;
    char why[SETTINGS_WHY_MAX] = "";
    if (size == 0) {
        return 0;
    }
    if (data[0] % 2 != 0) {
        if (settings_unpack(data + 1, size - 1, &names, &changes)) {
            check_taken(&changes);
        }
        return 0;
    }
    struct phusa_text json = { fuzz_text(data + 1, size - 1), size - 1 };
    if (settings_read(json, &names, &changes, why)) {
        check_taken(&changes);
    } else {
        check_why(why);
        ENSURE(memcmp(&before, &changes, sizeof before) == 0);
    }
    return 0;
}

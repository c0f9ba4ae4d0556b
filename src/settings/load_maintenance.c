/* The collector's own alarms. They are no part of the rulebook: what they judge is no reading. */
#include <math.h>
#include <string.h>

#include "phusa/report.h"
#include "phusa/topic.h"
#include "settings/load.h"
#include "settings/schema.h"

#define KIND       "collector" /* of the rules, and kind and site of `self` */
#define EVERY_NS   INT64_C(60000000000)
#define MAX_GAP_NS (60 * EVERY_NS)
#define TEXT(string)                                                                               \
    {                                                                                              \
        (string), sizeof(string) - 1                                                               \
    }

/* ---- what each is about ---- */

/* What the alarms' values are, as parameters: in no catalogue, since no station reports them. */
#define QUANTITY(id, vi, en, of)                                                                   \
    {                                                                                              \
        .name = TEXT(id), .unit = TEXT(of), .label_vi = (vi), .label_en = (en), .minimum = 0,      \
        .maximum = 1e18, .resolution = 1                                                           \
    }

static const struct phusa_parameter quantities[MAINTENANCE_COUNT] = {
    [MAINTENANCE_REPORTS_MISSING] =
        QUANTITY("reports_missing", "Số bản tin còn thiếu", "Missing reports", ""),
    [MAINTENANCE_DISK_FULL] =
        QUANTITY("disk_free", "Dung lượng đĩa còn trống", "Free disk space", "MB"),
    [MAINTENANCE_SPOOL_FULL] =
        QUANTITY("spool_lost", "Số giá trị đo bị gác lại", "Readings set aside", ""),
    [MAINTENANCE_BROKER_DROPS] = QUANTITY("broker_dropped", "Số bản tin máy chủ MQTT đã bỏ",
                                          "Messages dropped by the broker", ""),
    [MAINTENANCE_JOURNAL] = QUANTITY("journal_damaged", "Dữ liệu hỏng trong nhật ký (byte)",
                                     "Damaged bytes in the journal", ""),
    [MAINTENANCE_NEVER_SEEN] =
        QUANTITY("never_seen", "Thời gian chờ tin đầu tiên", "Time without a first message", "s"),
    [MAINTENANCE_QUIET] = QUANTITY("quiet", "Thời gian im lặng", "Time without a message", "s"),
    [MAINTENANCE_FLAT] =
        QUANTITY("flat", "Thời gian số đo đứng yên", "Time without any change", "s"),
    [MAINTENANCE_CLOCK_WRONG] =
        QUANTITY("clock_wrong", "Độ lệch đồng hồ", "Difference of the clock", "s"),
    [MAINTENANCE_SITE_SILENT] = QUANTITY("site_silent", "Số trạm im lặng", "Silent stations", ""),
    [MAINTENANCE_LINK_DOWN] =
        QUANTITY("link_down", "Thời gian mất kết nối", "Time without the link", "s"),
};

struct wording {
    const char *id, *vi, *en;
};

static const struct wording wordings[MAINTENANCE_COUNT] = {
    [MAINTENANCE_REPORTS_MISSING] = { "reports-missing",
                                      "Trạm thiếu bản tin trong thời gian dài: hãy kiểm tra đường "
                                      "truyền và bộ nhớ của trạm",
                                      "Reports have been missing for long: check the station's "
                                      "link and its log" },
    [MAINTENANCE_DISK_FULL] = { "disk-full",
                                "Đĩa của bộ thu thập đã đầy: dữ liệu đang nằm lại ở trạm; hãy giải "
                                "phóng dung lượng, ít nhất bằng journal.reserve",
                                "The collector's disk is full: readings stay at the stations; free "
                                "some space, at least as much as journal.reserve" },
    [MAINTENANCE_SPOOL_FULL] = { "spool-full",
                                 "Kho số liệu ngừng nhận đã lâu, hàng đợi đầy nên phần cũ nhất bị "
                                 "gác lại: hãy sửa kho, rồi chạy phusa resend",
                                 "The store has taken nothing for long, so the oldest part of the "
                                 "spool was set aside: mend the store, then run phusa resend" },
    [MAINTENANCE_BROKER_DROPS] = { "broker-drops",
                                   "Máy chủ MQTT đã bỏ bớt bản tin: hãy nới giới hạn hàng đợi của "
                                   "nó và xem bộ thu thập có theo kịp không",
                                   "The MQTT broker threw messages away: raise the limits of its "
                                   "queue, and see whether the collector keeps up" },
    [MAINTENANCE_JOURNAL] = { "journal",
                              "Đĩa báo lỗi hoặc nhật ký có byte hỏng: hãy kiểm tra đĩa, rồi chạy "
                              "phusa journal verify",
                              "The disk failed, or the journal holds damaged bytes: check the "
                              "disk, then run phusa journal verify" },
    [MAINTENANCE_NEVER_SEEN] = { "never-seen",
                                 "Trạm có trong danh sách nhưng chưa từng gửi tin: hãy kiểm tra "
                                 "nguồn, sim và mã trạm",
                                 "The station is in the registry but was never heard of: check its "
                                 "power, its link and its id" },
    [MAINTENANCE_QUIET] = { "quiet", "Trạm im lặng quá lâu: hãy kiểm tra nguồn và đường truyền",
                            "The station has been quiet for too long: check its power and link" },
    [MAINTENANCE_FLAT] = { "flat", "Mọi số đo của trạm đứng yên: hãy kiểm tra đầu đo và dây nối",
                           "All readings of the station stand still: check its probes and wiring" },
    [MAINTENANCE_CLOCK_WRONG] = { "clock-wrong",
                                  "Đồng hồ của trạm sai: hãy chỉnh giờ hoặc thay pin",
                                  "The station's clock is wrong: set it, or replace its battery" },
    [MAINTENANCE_SITE_SILENT] = { "site-silent",
                                  "Phần lớn các trạm của điểm này cùng im lặng: hãy kiểm tra nguồn "
                                  "điện và đường truyền chung",
                                  "Most stations of the site are silent at once: check what they "
                                  "share, power or link" },
    [MAINTENANCE_LINK_DOWN] = { "link-down",
                                "Mất kết nối tới máy chủ MQTT: không trạm nào gửi tới được; hãy "
                                "kiểm tra máy chủ và mạng",
                                "The link to the MQTT broker is down: no station can be heard; "
                                "check the broker and the network" },
};

enum severity maintenance_severity(enum maintenance which)
{
    static const enum severity severities[MAINTENANCE_COUNT] = {
        [MAINTENANCE_REPORTS_MISSING] = SEVERITY_MINOR,
        [MAINTENANCE_DISK_FULL] = SEVERITY_SEVERE,
        [MAINTENANCE_SPOOL_FULL] = SEVERITY_SEVERE,
        [MAINTENANCE_BROKER_DROPS] = SEVERITY_MODERATE,
        [MAINTENANCE_JOURNAL] = SEVERITY_MODERATE,
        [MAINTENANCE_NEVER_SEEN] = SEVERITY_MINOR,
        [MAINTENANCE_QUIET] = SEVERITY_MINOR,
        [MAINTENANCE_FLAT] = SEVERITY_MINOR,
        [MAINTENANCE_CLOCK_WRONG] = SEVERITY_MINOR,
        [MAINTENANCE_SITE_SILENT] = SEVERITY_MODERATE,
        [MAINTENANCE_LINK_DOWN] = SEVERITY_SEVERE,
    };
    return severities[which];
}

int maintenance_find(const struct maintenance_settings *maintenance, const char *rule)
{
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        if (strcmp(maintenance->rules[i].id, rule) == 0) {
            return i;
        }
    }
    return -1;
}

/* What explains that a station is silent. */
static const char *const silenced_by[] = { "link-down", "site-silent" };

static size_t silenced_count(int which)
{
    bool station = which == MAINTENANCE_NEVER_SEEN || which == MAINTENANCE_QUIET;
    return station ? 2 : which == MAINTENANCE_SITE_SILENT ? 1 : 0;
}

/* ---- reading ---- */

struct silence_read {
    double every;
    int64_t least_ns;
};

#define AT(member) offsetof(struct silence_read, member)
static const struct config_key silence_keys[] = {
    { "every", CONFIG_NUMBER, AT(every), .fallback = "3", .least = "1", .most = "1000" },
    { "least", CONFIG_DURATION, AT(least_ns), .fallback = "15m", .least = "1s", .most = "30d" },
};
#undef AT
const struct config_schema schema_silence = SCHEMA("quiet of maintenance", silence_keys);

struct maintenance_read {
    int64_t gap_ns;
    struct config_list channels, off;
    const struct config_node *quiet;
};

#define AT(member) offsetof(struct maintenance_read, member)
static const struct config_key maintenance_keys[] = {
    { "gap", CONFIG_DURATION, AT(gap_ns), .fallback = "6h", .least = "1m", .most = "365d" },
    { "quiet", CONFIG_GROUP, AT(quiet), .example = "{ every = 3; least = \"15m\"; }" },
    { "off", CONFIG_STRINGS, AT(off), .most = "11", .example = "[\"never-seen\"]" },
    { "channels", CONFIG_STRINGS, AT(channels), .most = "16", .example = "[\"ioc\"]" },
};
#undef AT
const struct config_schema schema_maintenance = SCHEMA("maintenance", maintenance_keys);

static void set_rules(struct loader *loader, int line)
{
    struct maintenance_settings *maintenance = &loader->settings->maintenance;
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        maintenance->rules[i] =
            (struct rule){ .id = wordings[i].id,
                           .kind = KIND,
                           .parameter = &quantities[i],
                           .from_ns = INT64_MIN,
                           .until_ns = INT64_MAX,
                           .max_gap_ns = MAX_GAP_NS,
                           .accept = 1u << PHUSA_FLAG_GOOD,
                           .message_vi = wordings[i].vi,
                           .message_en = wordings[i].en,
                           .message = template_find(&loader->settings->templates, wordings[i].id),
                           .flapping = loader->settings->alarms.flapping,
                           .threshold = NAN,
                           .enabled = true,
                           .inhibited_by = silenced_by,
                           .inhibit_count = silenced_count(i),
                           .file = loader->settings->file,
                           .line = line };
    }
}

static void set_off(struct loader *loader, const struct config_list *list)
{
    struct rule *rules = loader->settings->maintenance.rules;
    for (size_t i = 0; i < list->count; i++) {
        const char *id = config_string_at(list, i);
        int found = maintenance_find(&loader->settings->maintenance, id);
        if (found >= 0) {
            rules[found].enabled = false;
            continue;
        }
        char hint[128];
        struct config_nearest nearest = { .word = id };
        for (int j = 0; j < MAINTENANCE_COUNT; j++) {
            config_nearest_offer(&nearest, rules[j].id);
        }
        config_complain(config_element(list->node, i),
                        "\"off\" holds \"%.64s\", which is no alarm of the collector's own%s", id,
                        config_nearest_hint(&nearest, hint, sizeof hint));
    }
}

static void set_silence(struct loader *loader, const struct config_node *group)
{
    struct silence_read read = { 0 };
    if (group == NULL) {
        config_read_fallbacks(&loader->sink, &schema_silence, &read);
    } else {
        (void)config_read_group(group, &schema_silence, &read);
    }
    loader->settings->maintenance.quiet_every = read.every;
    loader->settings->maintenance.quiet_least_ns = read.least_ns;
}

/* A rule has room for fewer channels than a configuration may hold. */
static void tell_all_channels(const struct loader *loader, const struct config_node *phusa,
                              struct rule *rule)
{
    size_t count = loader->settings->channel_count;
    if (count > RULE_CHANNELS_MAX) {
        config_complain(phusa,
                        "%zu channels are too many to tell all of the collector's own alarms; "
                        "write maintenance : { channels = [...]; } with at most %d of them",
                        count, RULE_CHANNELS_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        rule->channels[rule->channel_count++] = i;
    }
}

static void set_channels(struct loader *loader, const struct config_node *phusa,
                         const struct config_node *group, const struct config_list *list)
{
    struct rule *rules = loader->settings->maintenance.rules;
    if (list->node != NULL && list->count == 0) {
        config_complain_at(group, "channels",
                           "\"channels\" is empty: nobody would hear that reports are missing or "
                           "the disk is full; name channels, or leave it out to tell all of them");
    } else if (list->node != NULL) {
        rules[0].channel_count = load_channel_names(loader, list, rules[0].channels);
    } else {
        tell_all_channels(loader, phusa, &rules[0]);
    }
    for (int i = 1; i < MAINTENANCE_COUNT; i++) {
        memcpy(rules[i].channels, rules[0].channels, sizeof rules[i].channels);
        rules[i].channel_count = rules[0].channel_count;
    }
}

/* Without services the broker's part is not read: then it has its default name. */
static void set_self(struct loader *loader, int line)
{
    const struct settings *settings = loader->settings;
    const char *name = settings->broker.client_id;
    const char *id = name != NULL && phusa_id_valid(phusa_text_of(name)) ? name : "phusa";
    loader->settings->maintenance.self =
        (struct station){ .id = id,
                          .site = KIND,
                          .kind = KIND,
                          .name = arena_print(loader->arena, "Bộ thu thập %s", id),
                          .lat = NAN,
                          .lon = NAN,
                          .every_ns = EVERY_NS,
                          .file = settings->file,
                          .line = line };
    const struct station *same = registry_find(&settings->registry, phusa_text_of(id));
    if (same != NULL && (loader->need & SETTINGS_SERVICES) != 0) {
        loader_complain(loader, same->file, same->line,
                        "station \"%s\" has the id of the collector itself; choose another, or "
                        "another client_id of the broker",
                        id);
    }
}

void load_maintenance(struct loader *loader, const struct config_node *phusa,
                      const struct config_node *group)
{
    struct maintenance_read read = { 0 };
    if (group == NULL) {
        config_read_fallbacks(&loader->sink, &schema_maintenance, &read);
    } else {
        (void)config_read_group(group, &schema_maintenance, &read);
    }
    int line = config_line(group == NULL ? phusa : group);
    loader->settings->maintenance.gap_ns = read.gap_ns;
    set_silence(loader, read.quiet);
    set_rules(loader, line);
    set_off(loader, &read.off);
    set_channels(loader, phusa, group, &read.channels);
    set_self(loader, line);
}

#include "console.h"

#include <math.h>

#include "phusa/number.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define KEY_CANCEL    0x03 /* Ctrl-C */
#define KEY_BACKSPACE 0x08
#define KEY_CLEAR     0x15 /* Ctrl-U */
#define KEY_ESCAPE    0x1b
#define KEY_DELETE    0x7f

enum { VI, EN, LANGUAGES };

/* One thing said in both languages; each % stands for the next word. */
struct phrase {
    const char *text[LANGUAGES];
};

#define WORDS_MAX 8

/* What stands for the % of a phrase. */
struct words {
    struct phusa_text texts[WORDS_MAX];
    char digits[WORDS_MAX][PHUSA_DOUBLE_CHARS];
    size_t count;
};

/* --- words ---------------------------------------------------------------------------- */

static void add_text(struct words *words, struct phusa_text text)
{
    if (words->count < WORDS_MAX) {
        words->texts[words->count++] = text;
    }
}

static void add_word(struct words *words, const char *word)
{
    add_text(words, phusa_text_of(word));
}

static void add_number(struct words *words, uint64_t number)
{
    if (words->count < WORDS_MAX) {
        char *digits = words->digits[words->count];
        add_text(words, (struct phusa_text){ digits, phusa_uint_print(number, digits) });
    }
}

static void add_double(struct words *words, double number)
{
    if (words->count < WORDS_MAX) {
        char *digits = words->digits[words->count];
        add_text(words, (struct phusa_text){ digits, phusa_double_print(number, digits) });
    }
}

/* At least so many digits, at most four. */
static void add_padded(struct words *words, uint64_t number, size_t width)
{
    if (words->count < WORDS_MAX) {
        char *digits = words->digits[words->count];
        for (size_t i = width; i-- > 0; number /= 10) {
            digits[i] = (char)('0' + number % 10);
        }
        add_text(words, (struct phusa_text){ digits, width });
    }
}

/* --- output ---------------------------------------------------------------------------- */

static void write_text(const struct field_console *console, struct phusa_text text)
{
    if (text.length > 0) {
        console->port.write(console->port.context, text.data, text.length);
    }
}

static void write_word(const struct field_console *console, const char *word)
{
    write_text(console, phusa_text_of(word));
}

static void prompt(const struct field_console *console)
{
    write_word(console, "> ");
}

/* A phrase in one language. */
static void tell(const struct field_console *console, int language, const struct phrase *phrase,
                 const struct words *words)
{
    const char *from = phrase->text[language], *at = from;
    size_t used = 0;
    for (; *at != '\0'; at++) {
        if (*at == '%') {
            write_text(console, (struct phusa_text){ from, (size_t)(at - from) });
            if (words != NULL && used < words->count) {
                write_text(console, words->texts[used++]);
            }
            from = at + 1;
        }
    }
    write_text(console, (struct phusa_text){ from, (size_t)(at - from) });
}

static bool speaks(const struct field_console *console, int language)
{
    return console->language == FIELD_BOTH ||
           (console->language == FIELD_VIETNAMESE) == (language == VI);
}

/* A line in each language that is spoken, for words that are the same in both. */
static void say(const struct field_console *console, const struct phrase *phrase,
                const struct words *words)
{
    for (int language = VI; language < LANGUAGES; language++) {
        if (speaks(console, language)) {
            tell(console, language, phrase, words);
            write_word(console, "\r\n");
        }
    }
}

/* --- times ------------------------------------------------------------------------------ */

static void add_duration(struct words *words, int language, int64_t ns)
{
    static const struct {
        int64_t unit, below;
        const char *names[LANGUAGES];
    } scales[] = {
        { SECOND, 2 * MINUTE, { " giây", " s" } },
        { MINUTE, 2 * HOUR, { " phút", " min" } },
        { HOUR, 2 * DAY, { " giờ", " h" } },
        { DAY, INT64_MAX, { " ngày", " d" } },
    };
    size_t i = 0;
    while (ns >= scales[i].below && i + 1 < sizeof scales / sizeof scales[0]) {
        i++;
    }
    add_number(words, (uint64_t)(ns < 0 ? 0 : ns / scales[i].unit));
    add_word(words, scales[i].names[language]);
}

/* Day, month, year of days since 1970 (proleptic Gregorian, years counted from March). */
static void civil_date(int64_t days, uint32_t date[3])
{
    uint64_t z = (uint64_t)(days + 719468);
    uint64_t era = z / 146097, in_era = z % 146097;
    uint64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * in_year + 2) / 153;
    date[0] = (uint32_t)(in_year - (153 * month + 2) / 5 + 1);
    date[1] = (uint32_t)(month < 10 ? month + 3 : month - 9);
    date[2] = (uint32_t)(year + era * 400 + (date[1] <= 2));
}

static void say_time(const struct field_console *console, int language, int64_t wall_ns,
                     int32_t utc_offset_s)
{
    static const struct phrase forms = { { "%/%/% %:%:%", "%-%-% %:%:%" } };
    int64_t local = wall_ns / SECOND + utc_offset_s;
    local = local < 0 ? 0 : local;
    uint32_t date[3];
    struct words words = { .count = 0 };
    civil_date(local / 86400, date);
    add_padded(&words, language == VI ? date[0] : date[2], language == VI ? 2 : 4);
    add_padded(&words, date[1], 2);
    add_padded(&words, language == VI ? date[2] : date[0], language == VI ? 4 : 2);
    add_padded(&words, (uint64_t)(local % 86400 / 3600), 2);
    add_padded(&words, (uint64_t)(local % 3600 / 60), 2);
    add_padded(&words, (uint64_t)(local % 60), 2);
    tell(console, language, &forms, &words);
}

/* --- what is told about --------------------------------------------------------------------- */

enum mark { GOOD, NOTE, BAD };

static const struct phrase marks[] = {
    [GOOD] = { { "[TỐT]   ", "[good] " } },
    [NOTE] = { { "[CHÚ Ý] ", "[note] " } },
    [BAD] = { { "[HỎNG]  ", "[bad]  " } },
};

/* What a line of the report is about. */
enum topic {
    TOPIC_SENSORS,
    TOPIC_CLOCK,
    TOPIC_FLASH,
    TOPIC_HELD,
    TOPIC_RECEIPT,
    TOPIC_LINK,
    TOPICS
};

struct view {
    const struct field_console *console;
    struct field_facts facts;
    struct hal_time now;
};

static struct view look(const struct field_console *console, struct hal_time now)
{
    struct view view = { .console = console, .now = now };
    console->port.facts(console->port.context, &view.facts);
    return view;
}

static enum mark judge(const struct view *view, enum topic topic)
{
    const struct field_facts *facts = &view->facts;
    const struct field_console *console = view->console;
    switch (topic) {
    case TOPIC_SENSORS:
        return console->scanned > 0 && console->answered == console->scanned &&
                       facts->unwired.length == 0
                   ? GOOD
                   : BAD;
    case TOPIC_CLOCK:
        return !view->now.wall_set ? BAD : view->now.wall_synced ? GOOD : NOTE;
    case TOPIC_FLASH:
        return facts->log_errors + facts->keep_errors > 0 ? BAD : GOOD;
    case TOPIC_HELD:
        return facts->overwritten > 0 ? NOTE : GOOD;
    case TOPIC_RECEIPT:
        return facts->receipted && view->now.mono_ns - facts->receipt_ns <
                                       2 * facts->every_ns + FIELD_CONSOLE_GRACE_NS
                   ? GOOD
                   : BAD;
    default:
        return facts->connected ? GOOD : BAD;
    }
}

static void tell_sensors(const struct view *view, int language)
{
    static const struct phrase phrase = { { "Cảm biến: % trên % trả lời",
                                            "Sensors: % of % answer" } },
                               none = { { "Cảm biến: trạm chưa khai báo cảm biến nào",
                                          "Sensors: the station has been told of none" } },
                               unwired = { { "; không có cảm biến nào đo %",
                                             "; no sensor gives %" } };
    struct words words = { .count = 0 }, channel = { .count = 0 };
    add_number(&words, view->console->answered);
    add_number(&words, view->console->scanned);
    tell(view->console, language, view->console->scanned > 0 ? &phrase : &none, &words);
    if (view->facts.unwired.length > 0) {
        add_text(&channel, view->facts.unwired);
        tell(view->console, language, &unwired, &channel);
    }
}

static void tell_clock(const struct view *view, int language)
{
    static const struct phrase unset = { { "Đồng hồ: chưa có giờ", "Clock: not set" } },
                               begin = { { "Đồng hồ: ", "Clock: " } },
                               synced = { { " (đã đồng bộ)", " (synchronised)" } },
                               held = { { " (tự chạy, chưa đồng bộ)",
                                          " (held, not synchronised)" } };
    if (!view->now.wall_set) {
        tell(view->console, language, &unset, NULL);
        return;
    }
    tell(view->console, language, &begin, NULL);
    say_time(view->console, language, view->now.wall_ns, view->facts.utc_offset_s);
    tell(view->console, language, view->now.wall_synced ? &synced : &held, NULL);
}

static void tell_flash(const struct view *view, int language)
{
    static const struct phrase phrase = {
        { "Bộ nhớ: % lỗi ghi số liệu, % lỗi ghi cài đặt (đã dùng % lượt xóa)",
          "Flash: % errors of the log, % of small records, % erases" }
    };
    struct words words = { .count = 0 };
    add_number(&words, view->facts.log_errors);
    add_number(&words, view->facts.keep_errors);
    add_number(&words, view->facts.erases);
    tell(view->console, language, &phrase, &words);
}

static void tell_held(const struct view *view, int language)
{
    static const struct phrase phrase = {
        { "Dữ liệu giữ: % bản tin, % ngày; % bản tin chờ biên nhận, % đã mất",
          "Data held: % reports, % days; % without receipt, % lost" }
    };
    struct words words = { .count = 0 };
    double days = view->facts.days_held;
    add_number(&words, view->facts.held);
    add_double(&words, days >= 0 && days < 1e6 ? floor(days * 10 + 0.5) / 10 : 0);
    add_number(&words, view->facts.waiting);
    add_number(&words, view->facts.overwritten);
    tell(view->console, language, &phrase, &words);
}

static void tell_receipt(const struct view *view, int language)
{
    static const struct phrase never = { { "Biên nhận của trung tâm: chưa có từ khi khởi động",
                                           "Receipt: none since the start" } },
                               last = { { "Biên nhận của trung tâm: %% trước",
                                          "Receipt: %% ago" } };
    struct words words = { .count = 0 };
    add_duration(&words, language, view->now.mono_ns - view->facts.receipt_ns);
    tell(view->console, language, view->facts.receipted ? &last : &never, &words);
}

/* While there is no connection why, as often as each was met; and always what was dropped. */
static void tell_troubles(const struct view *view, int language)
{
    static const struct phrase troubles[] = {
        [HAL_TROUBLE_AUTHORITY] = { { "; chứng thư của máy chủ không do trung tâm cấp: % lần",
                                      "; certificate not of our authority: % times" } },
        [HAL_TROUBLE_HOST] = { { "; chứng thư của máy chủ mang tên máy khác: % lần",
                                 "; certificate for another host: % times" } },
        [HAL_TROUBLE_DATE] = { { "; chứng thư của máy chủ hết hạn hoặc chưa có hiệu lực: % lần",
                                 "; certificate out of date: % times" } },
        [HAL_TROUBLE_TLS] = { { "; kết nối bảo mật (TLS) không đáng tin: % lần",
                                "; no TLS that we trust: % times" } },
        [HAL_TROUBLE_PASSWORD] = { { "; máy chủ không nhận tên hoặc mật khẩu của trạm: % lần",
                                     "; user or password refused: % times" } },
        [HAL_TROUBLE_REFUSED] = { { "; máy chủ từ chối trạm này: % lần",
                                    "; the broker refuses this station: % times" } },
        [HAL_TROUBLE_LINK] = { { "; không tới được máy chủ hoặc mất kết nối: % lần",
                                 "; no way to the broker, or lost: % times" } },
        [HAL_TROUBLE_INBOX] = { { "; bản tin đến bị bỏ (quá dài, bị cắt, hết chỗ): % lần",
                                  "; messages dropped (too long, cut, no room): % times" } },
    };
    for (int i = view->facts.connected ? HAL_TROUBLE_INBOX : 0; i < HAL_TROUBLES; i++) {
        if (view->facts.troubles[i] > 0) {
            struct words words = { .count = 0 };
            add_number(&words, view->facts.troubles[i]);
            tell(view->console, language, &troubles[i], &words);
        }
    }
}

static void tell_link(const struct view *view, int language)
{
    static const struct phrase up = { { "Đường truyền: đã nối (lần thứ %)",
                                        "Link: connected (time %)" } },
                               down = {
                                   { "Đường truyền: không nối được (từ khi khởi động đã nối % lần)",
                                     "Link: down (% connections so far)" }
                               };
    struct words words = { .count = 0 };
    add_number(&words, view->facts.connections);
    tell(view->console, language, view->facts.connected ? &up : &down, &words);
    tell_troubles(view, language);
}

static void (*const tellers[TOPICS])(const struct view *view, int language) = {
    [TOPIC_SENSORS] = tell_sensors, [TOPIC_CLOCK] = tell_clock,     [TOPIC_FLASH] = tell_flash,
    [TOPIC_HELD] = tell_held,       [TOPIC_RECEIPT] = tell_receipt, [TOPIC_LINK] = tell_link,
};

static void tell_topic(const struct view *view, int language, enum topic topic)
{
    tell(view->console, language, &marks[judge(view, topic)], NULL);
    tellers[topic](view, language);
    write_word(view->console, "\r\n");
}

/* One line of the report by itself. */
static void say_topic(const struct field_console *console, struct hal_time now, enum topic topic)
{
    struct view view = look(console, now);
    for (int language = VI; language < LANGUAGES; language++) {
        if (speaks(console, language)) {
            tell_topic(&view, language, topic);
        }
    }
}

/* --- the trap --------------------------------------------------------------------------------- */

static void tell_trap(const struct view *view, int language)
{
    static const struct phrase lit = { { "Bẫy đèn: sáng", "Trap: lit" } },
                               dark = { { "Bẫy đèn: tối", "Trap: dark" } },
                               night = { { "; đêm này sáng % phút, % con",
                                           "; this night lit % min, % insects" } };
    static const struct phrase reasons[] = {
        [TRAP_BY_HOURS] = { { ", đang trong giờ", ", within its hours" } },
        [TRAP_BY_ORDER] = { { ", theo lệnh", ", as ordered" } },
        [TRAP_NO_CLOCK] = { { ", chưa có giờ", ", no clock" } },
        [TRAP_NOT_NOW] = { { ", ngoài giờ", ", not within its hours" } },
        [TRAP_RAIN] = { { ", vì mưa", ", for rain" } },
        [TRAP_WIND] = { { ", vì gió", ", for wind" } },
        [TRAP_BATTERY] = { { ", vì ắc quy yếu hoặc chưa đo được",
                             ", for its battery: low, or not measured yet" } },
        [TRAP_DOOR] = { { ", vì cửa mở", ", its door is open" } },
    };
    const struct trap *trap = view->facts.trap;
    struct words words = { .count = 0 };
    uint64_t insects = 0;
    for (size_t i = 0; i < trap->settings.classes; i++) {
        insects += trap->night.counts[i];
    }
    add_number(&words, trap->night.lit_ms / 60000);
    add_number(&words, insects);
    tell(view->console, language, trap->before.lit ? &lit : &dark, NULL);
    tell(view->console, language, &reasons[trap->reason], NULL);
    tell(view->console, language, &night, &words);
    write_word(view->console, "\r\n");
}

static void say_trap(const struct field_console *console, struct hal_time now)
{
    static const struct phrase none = { { "Trạm này không có đèn bẫy.",
                                          "This station has no lamp." } };
    struct view view = look(console, now);
    if (view.facts.trap == NULL) {
        say(console, &none, NULL);
        return;
    }
    for (int language = VI; language < LANGUAGES; language++) {
        if (speaks(console, language)) {
            tell_trap(&view, language);
        }
    }
}

/* --- the report ------------------------------------------------------------------------------- */

static void tell_head(const struct view *view, int language)
{
    static const struct phrase phrase = {
        { "TRẠM %/% - phần mềm %, phần cứng %\r\nKhởi động lần thứ %, lý do: %; đã chạy %%\r\n",
          "STATION %/% - firmware %, hardware %\r\nStart number %, after %; up %%\r\n" }
    };
    static const struct phrase reasons[] = {
        [HAL_RESET_POWER] = { { "có điện lại", "power-up" } },
        [HAL_RESET_WATCHDOG] = { { "chương trình bị treo (watchdog)", "a watchdog reset" } },
        [HAL_RESET_COMMAND] = { { "có lệnh", "a command" } },
        [HAL_RESET_BROWNOUT] = { { "sụt điện áp", "a brownout" } },
        [HAL_RESET_OTHER] = { { "nguyên nhân khác", "another cause" } },
    };
    const struct field_facts *facts = &view->facts;
    enum hal_reset why = facts->why <= HAL_RESET_OTHER ? facts->why : HAL_RESET_OTHER;
    struct words words = { .count = 0 };
    add_text(&words, facts->site);
    add_text(&words, facts->id);
    add_text(&words, facts->firmware);
    add_text(&words, facts->hardware);
    add_number(&words, facts->boot);
    add_word(&words, reasons[why].text[language]);
    add_duration(&words, language, facts->up_ns);
    tell(view->console, language, &phrase, &words);
}

/* Ready, or what stands in its way. */
static void tell_verdict(const struct view *view, int language)
{
    static const struct phrase ready = { { "SẴN SÀNG", "READY" } },
                               not_ready = { { "CHƯA SẴN SÀNG:", "NOT READY:" } };
    static const struct phrase topics[TOPICS] = {
        [TOPIC_SENSORS] = { { " cảm biến", " sensors" } },
        [TOPIC_CLOCK] = { { " đồng hồ", " clock" } },
        [TOPIC_FLASH] = { { " bộ nhớ", " flash" } },
        [TOPIC_HELD] = { { " dữ liệu", " data" } },
        [TOPIC_RECEIPT] = { { " biên nhận", " receipt" } },
        [TOPIC_LINK] = { { " đường truyền", " link" } },
    };
    bool bad = false;
    for (int topic = 0; topic < TOPICS; topic++) {
        if (judge(view, (enum topic)topic) == BAD) {
            if (bad) {
                write_word(view->console, ",");
            } else {
                tell(view->console, language, &not_ready, NULL);
            }
            tell(view->console, language, &topics[topic], NULL);
            bad = true;
        }
    }
    if (!bad) {
        tell(view->console, language, &ready, NULL);
    }
    write_word(view->console, "\r\n");
}

static void say_report(const struct field_console *console, struct hal_time now)
{
    struct view view = look(console, now);
    for (int language = VI; language < LANGUAGES; language++) {
        if (!speaks(console, language)) {
            continue;
        }
        tell_head(&view, language);
        for (int topic = 0; topic < TOPICS; topic++) {
            tell_topic(&view, language, (enum topic)topic);
        }
        if (view.facts.trap != NULL) {
            tell_trap(&view, language);
        }
        tell_verdict(&view, language);
    }
}

/* --- the scan ------------------------------------------------------------------------------- */

static void begin_scan(struct field_console *console, bool reporting, struct hal_time now)
{
    static const struct phrase phrase = { { "Đang hỏi cảm biến ...", "Asking the sensors ..." } };
    say(console, &phrase, NULL);
    console->scanning = true;
    console->reporting = reporting;
    console->scanned = console->answered = 0;
    console->scan_until_ns = now.mono_ns + FIELD_CONSOLE_SCAN_NS;
}

static void tell_place(const struct field_console *console, int language,
                       const struct field_device *device)
{
    static const struct phrase buses[] = {
        [FIELD_MODBUS] = { { "  Modbus", "  Modbus" } },
        [FIELD_SDI12] = { { "  SDI-12", "  SDI-12" } },
        [FIELD_INPUT] = { { "  Ngõ vào", "  Input" } },
        [FIELD_UART] = { { "  UART", "  UART" } },
    };
    static const struct phrase address = { { " địa chỉ %", " address %" } },
                               name = { { ", %: ", ", %: " } };
    struct words words = { .count = 0 };
    tell(console, language, &buses[device->bus], NULL);
    if (device->address.length > 0) {
        add_text(&words, device->address);
        tell(console, language, &address, &words);
    }
    words.count = 0;
    add_text(&words, device->name);
    tell(console, language, &name, &words);
}

static void tell_answer(const struct field_console *console, int language,
                        const struct field_device *device)
{
    static const struct phrase answers[] = {
        [FIELD_ANSWERS] = { { "TRẢ LỜI", "ANSWERS" } },
        [FIELD_CURRENT] = { { "ĐO ĐƯỢC, dòng % mA", "MEASURES, % mA" } },
        [FIELD_NOTHING] = { { "không có gì để hỏi, chỉ đếm", "nothing to ask, it only counts" } },
        [FIELD_SILENT] = { { "IM LẶNG (xem nguồn điện, dây nối, địa chỉ, tốc độ)",
                             "SILENT (see power, wires, address, speed)" } },
        [FIELD_NOISE] = { { "SAI: có tín hiệu nhưng không phải câu trả lời (xem dây A/B, tốc độ)",
                            "WRONG: something came that is no answer (see wires A/B, speed)" } },
        [FIELD_DAMAGED] = { { "SAI: câu trả lời bị hỏng trên đường dây (xem dây nối, chống nhiễu)",
                              "WRONG: its answer was damaged on the line (see wires, shield)" } },
        [FIELD_STRANGER] = { { "SAI: thiết bị khác trả lời (xem địa chỉ)",
                               "WRONG: another device answers (see addresses)" } },
        [FIELD_MALFORMED] = { { "SAI: câu trả lời không đúng dạng (có đúng loại thiết bị không?)",
                                "WRONG: its answer is not in form (is it the right model?)" } },
        [FIELD_REFUSED] = { { "SAI: thiết bị từ chối, mã lỗi % (có đúng loại thiết bị không?)",
                              "WRONG: it refuses, code % (is it the right model?)" } },
        [FIELD_BAD_CURRENT] = { { "SAI: dòng % mA (đứt dây, chập dây, hoặc đầu đo báo lỗi)",
                                  "WRONG: % mA (broken or shorted wire, or it reports a fault)" } },
        [FIELD_NOT_SENT] = { { "CHƯA HỎI ĐƯỢC: cổng của trạm không gửi được",
                               "NOT ASKED: the station's port cannot send" } },
        [FIELD_LINE_TAKEN] = { { "CHƯA HỎI ĐƯỢC: đường dây đang bận đo",
                                 "NOT ASKED: the line is busy with measuring" } },
    };
    struct words words = { .count = 0 };
    if (device->answer == FIELD_REFUSED) {
        add_number(&words, device->exception);
    } else {
        add_double(&words, floor(device->milliamperes * 100 + 0.5) / 100);
    }
    tell(console, language, &answers[device->answer], &words);
}

static void tell_round(const struct field_console *console, int language,
                       const struct field_device *device)
{
    static const struct phrase rounds[] = {
        [FIELD_NO_ROUND] = { { "", "" } },
        [FIELD_NOT_ASKED] = { { "; lần đo tốt gần nhất: chưa hỏi",
                                "; last good round: not asked yet" } },
        [FIELD_NEVER_GOOD] = { { "; lần đo tốt gần nhất: chưa có",
                                 "; last good round: none yet" } },
        [FIELD_GOOD] = { { "; lần đo tốt gần nhất: %% trước", "; last good round: %% ago" } },
    };
    struct words words = { .count = 0 };
    add_duration(&words, language, device->age_ns);
    tell(console, language, &rounds[device->round], &words);
    write_word(console, "\r\n");
}

static void say_device(const struct field_console *console, const struct field_device *device)
{
    for (int language = VI; language < LANGUAGES; language++) {
        if (speaks(console, language)) {
            tell_place(console, language, device);
            tell_answer(console, language, device);
            tell_round(console, language, device);
        }
    }
}

static void end_scan(struct field_console *console, struct hal_time now)
{
    console->scanning = false;
    if (console->reporting) {
        say_report(console, now);
    } else {
        say_topic(console, now, TOPIC_SENSORS);
    }
    prompt(console);
}

bool field_console_step(struct field_console *console, struct hal_time now)
{
    static const struct phrase late = { { "Hết giờ chờ; các cảm biến còn lại chưa được hỏi.",
                                          "It took too long; the other sensors were not asked." } };
    while (console->scanning) {
        struct field_device device = { .answer = FIELD_SILENT };
        enum hal_result result =
            console->scanned < FIELD_CONSOLE_DEVICES_MAX
                ? console->port.scan(console->port.context, console->scanned, &device)
                : HAL_GONE;
        if (result == HAL_AGAIN && now.mono_ns < console->scan_until_ns) {
            return true;
        }
        if (result == HAL_AGAIN) {
            say(console, &late, NULL);
            console->scanned++; /* the one that was waited for */
        }
        if (result != HAL_OK) {
            end_scan(console, now);
            return false;
        }
        console->scanned++;
        console->answered += device.answer < FIELD_SILENT;
        say_device(console, &device);
    }
    return false;
}

/* --- other commands ------------------------------------------------------------------------- */

/* A value without a remark reads the same in both languages, and is told once. */
static void say_reading(const struct field_console *console, const struct field_reading *reading)
{
    static const struct phrase good = { { "  %: % %", "  %: % %" } },
                               missing = { { "  %: không có", "  %: missing" } },
                               calibrating = { { "  %: % % (đang hiệu chuẩn)",
                                                 "  %: % % (calibrating)" } },
                               fault = { { "  %: % % (báo lỗi)", "  %: % % (fault)" } };
    struct words words = { .count = 0 };
    add_text(&words, reading->name);
    add_double(&words, reading->value);
    add_text(&words, reading->unit);
    if (!reading->present) {
        say(console, &missing, &words);
    } else if (reading->state == 0) {
        tell(console, VI, &good, &words);
        write_word(console, "\r\n");
    } else {
        say(console, reading->state == 1 ? &calibrating : &fault, &words);
    }
}

static void say_last(const struct field_console *console)
{
    static const struct phrase none = { { "Chưa có bản tin nào.", "No report yet." } };
    struct field_reading reading = { .present = false };
    size_t count = 0;
    for (; count < FIELD_CONSOLE_READINGS_MAX &&
           console->port.last(console->port.context, count, &reading);
         count++) {
        say_reading(console, &reading);
    }
    if (count == 0) {
        say(console, &none, NULL);
    }
}

struct arguments {
    struct phusa_text words[3];
    size_t count;
};

/* An argument that is a whole number from 1 to most; absent: otherwise. 0: it is none. */
static uint32_t number_at(const struct arguments *arguments, size_t index, uint32_t otherwise,
                          uint32_t most)
{
    if (index >= arguments->count) {
        return otherwise;
    }
    uint32_t number = 0;
    struct phusa_text text = arguments->words[index];
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number > most) {
            return 0;
        }
        number = number * 10 + (uint32_t)(text.data[i] - '0');
    }
    return number <= most ? number : 0;
}

static void say_range(const struct field_console *console, const struct phrase *range,
                      uint32_t most)
{
    struct words words = { .count = 0 };
    add_number(&words, most);
    say(console, range, &words);
}

static bool word_is(const struct arguments *arguments, size_t index, const char *word)
{
    return index < arguments->count &&
           phusa_text_equal(arguments->words[index], phusa_text_of(word));
}

static void order_lamp(struct field_console *console, enum trap_order order, uint32_t minutes)
{
    static const struct phrase results[] = {
        [FIELD_LAMP_ORDERED] = { { "Đã ra lệnh.", "Ordered." } },
        [FIELD_LAMP_NONE] = { { "Trạm này không có đèn bẫy.", "This station has no lamp." } },
        [FIELD_LAMP_BATTERY] = { { "Không bật đèn: ắc quy yếu, hoặc chưa đo được.",
                                   "Refused: the battery is low, or not measured yet." } },
    };
    static const struct phrase range = { { "Số phút phải từ 1 đến %.", "Minutes from 1 to %." } };
    if (minutes == 0) {
        say_range(console, &range, FIELD_CONSOLE_MINUTES_MAX);
        return;
    }
    const struct field_port *port = &console->port;
    enum field_lamp result =
        port->lamp != NULL ? port->lamp(port->context, order, minutes) : FIELD_LAMP_NONE;
    say(console, &results[result], NULL);
}

static bool do_lamp(struct field_console *console, const struct arguments *arguments,
                    struct hal_time now)
{
    static const struct {
        const char *word;
        enum trap_order order;
    } orders[] = { { "on", TRAP_ON }, { "off", TRAP_OFF }, { "auto", TRAP_AUTOMATIC } };
    if (arguments->count == 1) {
        say_trap(console, now);
        return true;
    }
    uint32_t minutes = number_at(arguments, 2, 10, FIELD_CONSOLE_MINUTES_MAX);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        if (word_is(arguments, 1, orders[i].word)) {
            order_lamp(console, orders[i].order, minutes);
            return true;
        }
    }
    return false;
}

static bool do_identify(struct field_console *console, const struct arguments *arguments,
                        struct hal_time now)
{
    static const struct phrase none = { { "Trạm này không có đèn báo.",
                                          "This station has no light." } },
                               done = { { "Đèn báo sáng % giây.", "The light is on for % s." } },
                               range = { { "Số giây phải từ 1 đến %.", "Seconds from 1 to %." } };
    uint32_t seconds = number_at(arguments, 1, 30, FIELD_CONSOLE_SECONDS_MAX);
    (void)now;
    if (seconds == 0) {
        say_range(console, &range, FIELD_CONSOLE_SECONDS_MAX);
        return true;
    }
    if (console->port.identify == NULL) {
        say(console, &none, NULL);
        return true;
    }
    struct words words = { .count = 0 };
    add_number(&words, seconds);
    console->port.identify(console->port.context, seconds);
    say(console, &done, &words);
    return true;
}

static bool do_language(struct field_console *console, const struct arguments *arguments,
                        struct hal_time now)
{
    static const struct phrase done = { { "Tiếng Việt.", "English." } };
    static const char *const words[] = {
        [FIELD_BOTH] = "both", [FIELD_VIETNAMESE] = "vi", [FIELD_ENGLISH] = "en"
    };
    (void)now;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (word_is(arguments, 1, words[i])) {
            console->language = (enum field_language)i;
            say(console, &done, NULL);
            return true;
        }
    }
    return false;
}

static bool do_help(struct field_console *console, const struct arguments *arguments,
                    struct hal_time now)
{
    static const struct phrase lines[] = {
        { { "status            kiểm tra trạm đã sẵn sàng chưa (cũng là: ready)",
            "status            is the station ready? (also: ready)" } },
        { { "scan              hỏi từng cảm biến", "scan              asks each sensor" } },
        { { "clock flash link  đồng hồ, bộ nhớ, đường truyền",
            "clock flash link  each by itself" } },
        { { "last              bản tin mới nhất", "last              the last report" } },
        { { "lamp [on|off|auto [phút]]  đèn bẫy",
            "lamp [on|off|auto [minutes]]  the trap's lamp" } },
        { { "identify [giây]   bật đèn báo", "identify [seconds]  lights its light" } },
        { { "language vi|en|both  ngôn ngữ", "language vi|en|both" } },
    };
    (void)arguments;
    (void)now;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        say(console, &lines[i], NULL);
    }
    return true;
}

static bool do_status(struct field_console *console, const struct arguments *arguments,
                      struct hal_time now)
{
    (void)arguments;
    begin_scan(console, true, now);
    return true;
}

static bool do_scan(struct field_console *console, const struct arguments *arguments,
                    struct hal_time now)
{
    (void)arguments;
    begin_scan(console, false, now);
    return true;
}

static bool do_clock(struct field_console *console, const struct arguments *arguments,
                     struct hal_time now)
{
    (void)arguments;
    say_topic(console, now, TOPIC_CLOCK);
    return true;
}

static bool do_flash(struct field_console *console, const struct arguments *arguments,
                     struct hal_time now)
{
    (void)arguments;
    say_topic(console, now, TOPIC_FLASH);
    say_topic(console, now, TOPIC_HELD);
    return true;
}

static bool do_link(struct field_console *console, const struct arguments *arguments,
                    struct hal_time now)
{
    (void)arguments;
    say_topic(console, now, TOPIC_LINK);
    say_topic(console, now, TOPIC_RECEIPT);
    return true;
}

static bool do_last(struct field_console *console, const struct arguments *arguments,
                    struct hal_time now)
{
    (void)arguments;
    (void)now;
    say_last(console);
    return true;
}

/* --- lines ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t arguments; /* at most, besides the name */
    bool (*act)(struct field_console *console, const struct arguments *arguments,
                struct hal_time now);
} commands[] = {
    { "help", 0, do_help }, { "status", 0, do_status },     { "ready", 0, do_status },
    { "scan", 0, do_scan }, { "clock", 0, do_clock },       { "flash", 0, do_flash },
    { "link", 0, do_link }, { "last", 0, do_last },         { "lamp", 2, do_lamp },
    { "?", 0, do_help },    { "identify", 1, do_identify }, { "language", 1, do_language },
};

/* Splits at blanks. False: too many words. */
static bool split(struct phusa_text line, struct arguments *arguments)
{
    const size_t most = sizeof arguments->words / sizeof arguments->words[0];
    arguments->count = 0;
    for (size_t at = 0; at < line.length;) {
        size_t end = at;
        while (end < line.length && line.data[end] != ' ') {
            end++;
        }
        if (end > at) {
            if (arguments->count == most) {
                return false;
            }
            arguments->words[arguments->count++] = (struct phusa_text){ line.data + at, end - at };
        }
        at = end + 1;
    }
    return true;
}

static bool act(struct field_console *console, const struct arguments *arguments,
                struct hal_time now)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (word_is(arguments, 0, commands[i].name) &&
            arguments->count <= commands[i].arguments + 1) {
            return commands[i].act(console, arguments, now);
        }
    }
    return false;
}

static void run_line(struct field_console *console, struct hal_time now)
{
    static const struct phrase unknown = { { "Không hiểu. Gõ help để xem các lệnh.",
                                             "Not understood. Type help for the commands." } };
    struct phusa_text line = { console->line, console->length };
    struct arguments arguments = { .count = 0 };
    bool good = !console->overlong && split(line, &arguments);
    write_word(console, "\r\n");
    console->length = 0;
    console->overlong = false;
    if (!good || (arguments.count > 0 && !act(console, &arguments, now))) {
        say(console, &unknown, NULL);
    }
    if (!console->scanning) {
        prompt(console);
    }
}

static void erase_last(struct field_console *console)
{
    if (console->length > 0) {
        console->length--;
        write_word(console, "\b \b");
    }
}

static void give_up(struct field_console *console)
{
    console->scanning = false;
    console->length = 0;
    console->overlong = false;
    write_word(console, "^C\r\n");
    prompt(console);
}

static void add_character(struct field_console *console, char character)
{
    if (console->length == sizeof console->line) {
        console->overlong = true;
        return;
    }
    console->line[console->length++] = character;
    write_text(console, (struct phusa_text){ &character, 1 });
}

/* True if the byte is of an escape sequence: ESC, [ or O and what follows up to a letter or ~. */
static bool in_escape(struct field_console *console, uint8_t byte)
{
    if (byte < ' ') { /* a key of its own, whatever was begun */
        console->escape = byte == KEY_ESCAPE;
        return console->escape != 0;
    }
    bool inside = console->escape != 0;
    if (console->escape == 1 && (byte == '[' || byte == 'O')) {
        console->escape = 2;
    } else if (console->escape == 1 || (byte >= 0x40 && byte <= 0x7e)) {
        console->escape = 0;
    }
    return inside;
}

static void take_key(struct field_console *console, uint8_t byte, struct hal_time now)
{
    bool follows = console->after_cr && byte == '\n';
    console->after_cr = byte == '\r';
    if (byte == '\r' || (byte == '\n' && !follows)) {
        run_line(console, now);
    } else if (byte == KEY_BACKSPACE || byte == KEY_DELETE) {
        erase_last(console);
    } else if (byte == KEY_CLEAR) {
        while (console->length > 0) {
            erase_last(console);
        }
        console->overlong = false;
    } else if (byte >= ' ' && byte < KEY_DELETE) {
        add_character(console, (char)byte);
    }
}

void field_console_tell_link(struct field_console *console, struct hal_time now)
{
    if (console->scanning || !speaks(console, VI)) {
        return;
    }
    struct view view = look(console, now);
    write_word(console, "\r\n");
    tell_topic(&view, VI, TOPIC_LINK);
    prompt(console);
    write_text(console, (struct phusa_text){ console->line, console->length });
}

void field_console_take(struct field_console *console, const void *bytes, size_t length,
                        struct hal_time now)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++) {
        if (at[i] == KEY_CANCEL) {
            console->escape = 0;
            give_up(console);
        } else if (!console->scanning && !in_escape(console, at[i])) {
            take_key(console, at[i], now);
        }
    }
}

void field_console_init(struct field_console *console, const struct field_port *port)
{
    static const struct phrase phrase = { { "Phù Sa. Gõ help để xem các lệnh.",
                                            "Type help for the commands." } };
    *console = (struct field_console){ .port = *port };
    say(console, &phrase, NULL);
    prompt(console);
}

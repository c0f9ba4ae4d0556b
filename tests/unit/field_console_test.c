/* The technician's console: what is typed, and exactly what is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "console.h"

#define SECOND INT64_C(1000000000)
#define HOUR   (3600 * SECOND)

struct world {
    char out[8192];
    size_t length;
    struct field_facts facts;
    struct field_device devices[3];
    size_t device_count, busy; /* busy: how often a device is not known yet */
    struct field_reading readings[4];
    size_t reading_count;
    enum trap_order order;
    enum field_lamp lamp; /* what becomes of an order */
    uint32_t minutes, seconds;
    struct hal_time now;
    struct field_console console;
    struct trap trap;
};

static struct world world;

static void write_out(void *context, const char *bytes, size_t length)
{
    struct world *to = context;
    assert_true(to->length + length < sizeof to->out);
    memcpy(to->out + to->length, bytes, length);
    to->length += length;
    to->out[to->length] = '\0';
}

static void give_facts(void *context, struct field_facts *facts)
{
    *facts = ((struct world *)context)->facts;
}

static enum hal_result scan(void *context, size_t index, struct field_device *device)
{
    struct world *from = context;
    if (from->busy > 0) {
        from->busy--;
        return HAL_AGAIN;
    }
    if (index >= from->device_count) {
        return HAL_GONE;
    }
    *device = from->devices[index];
    return HAL_OK;
}

static bool last(void *context, size_t index, struct field_reading *reading)
{
    struct world *from = context;
    if (index < from->reading_count) {
        *reading = from->readings[index];
    }
    return index < from->reading_count;
}

static enum field_lamp lamp(void *context, enum trap_order order, uint32_t minutes)
{
    struct world *to = context;
    to->order = order;
    to->minutes = minutes;
    return to->facts.trap != NULL ? to->lamp : FIELD_LAMP_NONE;
}

static void identify(void *context, uint32_t seconds)
{
    ((struct world *)context)->seconds = seconds;
}

/* A station where all is well. */
static void begin(void)
{
    static const struct field_port port = { &world, write_out, give_facts, scan,
                                            last,   lamp,      identify };
    memset(&world, 0, sizeof world);
    world.facts = (struct field_facts){ .site = PHUSA_TEXT("my-tho"),
                                        .id = PHUSA_TEXT("s1"),
                                        .firmware = PHUSA_TEXT("0.1.0"),
                                        .hardware = PHUSA_TEXT("mps2-an385"),
                                        .boot = 12,
                                        .why = HAL_RESET_POWER,
                                        .up_ns = 3 * HOUR + 7 * SECOND,
                                        .utc_offset_s = 7 * 3600,
                                        .held = 5120,
                                        .waiting = 3,
                                        .days_held = 17.7777,
                                        .erases = 41,
                                        .connected = true,
                                        .connections = 2,
                                        .receipted = true,
                                        .receipt_ns = 100 * SECOND,
                                        .every_ns = 300 * SECOND };
    world.devices[0] = (struct field_device){ .bus = FIELD_MODBUS,
                                              .address = PHUSA_TEXT("17"),
                                              .name = PHUSA_TEXT("sonde"),
                                              .round = FIELD_GOOD,
                                              .age_ns = 42 * SECOND };
    world.devices[1] = (struct field_device){ .bus = FIELD_SDI12,
                                              .address = PHUSA_TEXT("a"),
                                              .name = PHUSA_TEXT("level"),
                                              .round = FIELD_NOT_ASKED };
    world.device_count = 2;
    world.now = (struct hal_time){ .wall_ns = INT64_C(1734764602) * SECOND, /* 21 Dec 2024 14:03 */
                                   .mono_ns = 142 * SECOND,
                                   .wall_set = true,
                                   .wall_synced = true };
    field_console_init(&world.console, &port);
    world.length = 0;
}

static void type(const char *text)
{
    field_console_take(&world.console, text, strlen(text), world.now);
    while (field_console_step(&world.console, world.now)) {
        world.now.mono_ns += SECOND;
    }
}

/* What a command answers, without its echo and the prompt behind it. */
static void check(const char *command, const char *expected)
{
    char line[FIELD_CONSOLE_LINE_MAX + 80];
    size_t length = strlen(command);
    memcpy(line, command, length);
    memcpy(line + length, "\r", 2);
    world.length = 0;
    type(line);
    assert_true(world.length >= length + 4);
    assert_memory_equal(world.out, command, length);
    assert_memory_equal(world.out + length, "\r\n", 2);
    assert_string_equal(world.out + world.length - 2, "> ");
    world.out[world.length - 2] = '\0';
    assert_string_equal(world.out + length + 2, expected);
}

static void a_ready_station_says_so_in_both_languages(void **state)
{
    (void)state;
    begin();
    check("status",
          "Đang hỏi cảm biến ...\r\n"
          "Asking the sensors ...\r\n"
          "  Modbus địa chỉ 17, sonde: TRẢ LỜI; lần đo tốt gần nhất: 42 giây trước\r\n"
          "  Modbus address 17, sonde: ANSWERS; last good round: 42 s ago\r\n"
          "  SDI-12 địa chỉ a, level: TRẢ LỜI; lần đo tốt gần nhất: chưa hỏi\r\n"
          "  SDI-12 address a, level: ANSWERS; last good round: not asked yet\r\n"
          "TRẠM my-tho/s1 - phần mềm 0.1.0, phần cứng mps2-an385\r\n"
          "Khởi động lần thứ 12, lý do: có điện lại; đã chạy 3 giờ\r\n"
          "[TỐT]   Cảm biến: 2 trên 2 trả lời\r\n"
          "[TỐT]   Đồng hồ: 21/12/2024 14:03:22 (đã đồng bộ)\r\n"
          "[TỐT]   Bộ nhớ: 0 lỗi ghi số liệu, 0 lỗi ghi cài đặt (đã dùng 41 lượt xóa)\r\n"
          "[TỐT]   Dữ liệu giữ: 5120 bản tin, 17.8 ngày; 3 bản tin chờ biên nhận, 0 đã mất\r\n"
          "[TỐT]   Biên nhận của trung tâm: 42 giây trước\r\n"
          "[TỐT]   Đường truyền: đã nối (lần thứ 2)\r\n"
          "SẴN SÀNG\r\n"
          "STATION my-tho/s1 - firmware 0.1.0, hardware mps2-an385\r\n"
          "Start number 12, after power-up; up 3 h\r\n"
          "[good] Sensors: 2 of 2 answer\r\n"
          "[good] Clock: 2024-12-21 14:03:22 (synchronised)\r\n"
          "[good] Flash: 0 errors of the log, 0 of small records, 41 erases\r\n"
          "[good] Data held: 5120 reports, 17.8 days; 3 without receipt, 0 lost\r\n"
          "[good] Receipt: 42 s ago\r\n"
          "[good] Link: connected (time 2)\r\n"
          "READY\r\n");
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    begin();
    world.console.language = FIELD_VIETNAMESE;
    world.devices[1].answer = FIELD_SILENT;
    world.devices[1].round = FIELD_NEVER_GOOD;
    world.now.wall_set = world.now.wall_synced = false;
    world.facts.why = HAL_RESET_WATCHDOG;
    world.facts.up_ns = 90 * SECOND;
    world.facts.log_errors = 2;
    world.facts.keep_errors = 1;
    world.facts.overwritten = 9;
    world.facts.receipted = world.facts.connected = false;
    world.facts.connections = 0;
    check("ready",
          "Đang hỏi cảm biến ...\r\n"
          "  Modbus địa chỉ 17, sonde: TRẢ LỜI; lần đo tốt gần nhất: 42 giây trước\r\n"
          "  SDI-12 địa chỉ a, level: IM LẶNG (xem nguồn điện, dây nối, địa chỉ, tốc độ); "
          "lần đo tốt gần nhất: chưa có\r\n"
          "TRẠM my-tho/s1 - phần mềm 0.1.0, phần cứng mps2-an385\r\n"
          "Khởi động lần thứ 12, lý do: chương trình bị treo (watchdog); đã chạy 90 giây\r\n"
          "[HỎNG]  Cảm biến: 1 trên 2 trả lời\r\n"
          "[HỎNG]  Đồng hồ: chưa có giờ\r\n"
          "[HỎNG]  Bộ nhớ: 2 lỗi ghi số liệu, 1 lỗi ghi cài đặt (đã dùng 41 lượt xóa)\r\n"
          "[CHÚ Ý] Dữ liệu giữ: 5120 bản tin, 17.8 ngày; 3 bản tin chờ biên nhận, 9 đã mất\r\n"
          "[HỎNG]  Biên nhận của trung tâm: chưa có từ khi khởi động\r\n"
          "[HỎNG]  Đường truyền: không nối được (từ khi khởi động đã nối 0 lần)\r\n"
          "CHƯA SẴN SÀNG: cảm biến, đồng hồ, bộ nhớ, biên nhận, đường truyền\r\n");
}

static void a_held_clock_and_an_old_receipt(void **state)
{
    (void)state;
    begin();
    world.console.language = FIELD_ENGLISH;
    world.now.wall_synced = false;
    world.now.wall_ns = INT64_C(1709139601) * SECOND; /* 00:00:01 of 29 February 2024 */
    check("clock", "[note] Clock: 2024-02-29 00:00:01 (held, not synchronised)\r\n");
    world.now.mono_ns = (100 + 1199) * SECOND;
    check("link", "[good] Link: connected (time 2)\r\n[good] Receipt: 19 min ago\r\n");
    world.now.mono_ns = (100 + 1200) * SECOND;
    check("link", "[good] Link: connected (time 2)\r\n[bad]  Receipt: 20 min ago\r\n");
    world.now.mono_ns = 100 * SECOND + 60 * HOUR;
    check("link", "[good] Link: connected (time 2)\r\n[bad]  Receipt: 2 d ago\r\n");
    check("flash", "[good] Flash: 0 errors of the log, 0 of small records, 41 erases\r\n"
                   "[good] Data held: 5120 reports, 17.8 days; 3 without receipt, 0 lost\r\n");
}

static void a_station_without_sensors_is_not_ready(void **state)
{
    (void)state;
    begin();
    world.console.language = FIELD_ENGLISH;
    world.device_count = 0;
    check("scan", "Asking the sensors ...\r\n"
                  "[bad]  Sensors: the station has been told of none\r\n");
}

static void a_channel_without_a_sensor_is_named(void **state)
{
    (void)state;
    begin();
    world.facts.unwired = PHUSA_TEXT("battery");
    type("status\r");
    assert_non_null(strstr(world.out, "[HỎNG]  Cảm biến: 2 trên 2 trả lời"));
    assert_non_null(strstr(world.out, "; không có cảm biến nào đo battery\r\n"));
    assert_non_null(strstr(world.out, "; no sensor gives battery\r\n"));
    assert_non_null(strstr(world.out, "NOT READY: sensors\r\n"));
}

static void a_slow_scan_is_waited_for_but_not_for_ever(void **state)
{
    (void)state;
    begin();
    world.console.language = FIELD_ENGLISH;
    world.busy = 30;
    check("scan", "Asking the sensors ...\r\n"
                  "  Modbus address 17, sonde: ANSWERS; last good round: 42 s ago\r\n"
                  "  SDI-12 address a, level: ANSWERS; last good round: not asked yet\r\n"
                  "[good] Sensors: 2 of 2 answer\r\n");
    world.busy = SIZE_MAX;
    check("scan", "Asking the sensors ...\r\n"
                  "It took too long; the other sensors were not asked.\r\n"
                  "[bad]  Sensors: 0 of 1 answer\r\n");
}

/* Each way to answer and not to answer, and where a device is wired, in both languages. */
static void every_device_says_how_it_is(void **state)
{
    (void)state;
    static const struct {
        struct field_device device;
        bool good;
        const char *lines;
    } cases[] = {
        { { .bus = FIELD_INPUT, .answer = FIELD_CURRENT, .milliamperes = 12.3449 },
          true,
          "  Ngõ vào, d: ĐO ĐƯỢC, dòng 12.34 mA\r\n"
          "  Input, d: MEASURES, 12.34 mA\r\n" },
        { { .bus = FIELD_INPUT, .answer = FIELD_NOTHING },
          true,
          "  Ngõ vào, d: không có gì để hỏi, chỉ đếm\r\n"
          "  Input, d: nothing to ask, it only counts\r\n" },
        { { .bus = FIELD_UART, .answer = FIELD_NOISE },
          false,
          "  UART, d: SAI: có tín hiệu nhưng không phải câu trả lời (xem dây A/B, tốc độ)\r\n"
          "  UART, d: WRONG: something came that is no answer (see wires A/B, speed)\r\n" },
        { { .bus = FIELD_UART, .answer = FIELD_DAMAGED },
          false,
          "  UART, d: SAI: câu trả lời bị hỏng trên đường dây (xem dây nối, chống nhiễu)\r\n"
          "  UART, d: WRONG: its answer was damaged on the line (see wires, shield)\r\n" },
        { { .bus = FIELD_UART, .answer = FIELD_STRANGER },
          false,
          "  UART, d: SAI: thiết bị khác trả lời (xem địa chỉ)\r\n"
          "  UART, d: WRONG: another device answers (see addresses)\r\n" },
        { { .bus = FIELD_UART, .answer = FIELD_MALFORMED },
          false,
          "  UART, d: SAI: câu trả lời không đúng dạng (có đúng loại thiết bị không?)\r\n"
          "  UART, d: WRONG: its answer is not in form (is it the right model?)\r\n" },
        { { .bus = FIELD_UART, .answer = FIELD_REFUSED, .exception = 2 },
          false,
          "  UART, d: SAI: thiết bị từ chối, mã lỗi 2 (có đúng loại thiết bị không?)\r\n"
          "  UART, d: WRONG: it refuses, code 2 (is it the right model?)\r\n" },
        { { .bus = FIELD_INPUT, .answer = FIELD_BAD_CURRENT, .milliamperes = 0.02 },
          false,
          "  Ngõ vào, d: SAI: dòng 0.02 mA (đứt dây, chập dây, hoặc đầu đo báo lỗi)\r\n"
          "  Input, d: WRONG: 0.02 mA (broken or shorted wire, or it reports a fault)\r\n" },
        { { .bus = FIELD_UART, .answer = FIELD_NOT_SENT },
          false,
          "  UART, d: CHƯA HỎI ĐƯỢC: cổng của trạm không gửi được\r\n"
          "  UART, d: NOT ASKED: the station's port cannot send\r\n" },
        { { .bus = FIELD_UART, .answer = FIELD_LINE_TAKEN },
          false,
          "  UART, d: CHƯA HỎI ĐƯỢC: đường dây đang bận đo\r\n"
          "  UART, d: NOT ASKED: the line is busy with measuring\r\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        char expected[1024] = "Đang hỏi cảm biến ...\r\nAsking the sensors ...\r\n";
        world.devices[0] = cases[i].device;
        world.devices[0].name = PHUSA_TEXT("d");
        world.device_count = 1;
        (void)strcat(expected, cases[i].lines);
        (void)strcat(expected, cases[i].good ? "[TỐT]   Cảm biến: 1 trên 1 trả lời\r\n"
                                               "[good] Sensors: 1 of 1 answer\r\n"
                                             : "[HỎNG]  Cảm biến: 0 trên 1 trả lời\r\n"
                                               "[bad]  Sensors: 0 of 1 answer\r\n");
        check("scan", expected);
    }
}

static void a_scan_can_be_given_up(void **state)
{
    (void)state;
    begin();
    world.console.language = FIELD_ENGLISH;
    world.busy = SIZE_MAX;
    field_console_take(&world.console, "scan\rclock\r", 11, world.now); /* the rest is dropped */
    assert_true(field_console_step(&world.console, world.now));
    field_console_take(&world.console, "\x03", 1, world.now);
    assert_false(field_console_step(&world.console, world.now));
    assert_string_equal(world.out, "scan\r\nAsking the sensors ...\r\n^C\r\n> ");
}

static void the_last_report_is_shown(void **state)
{
    (void)state;
    begin();
    world.console.language = FIELD_VIETNAMESE;
    check("last", "Chưa có bản tin nào.\r\n");
    world.readings[0] =
        (struct field_reading){ PHUSA_TEXT("salinity"), PHUSA_TEXT("/1000"), 1.25, true, 0 };
    world.readings[1] = (struct field_reading){ PHUSA_TEXT("ph"), PHUSA_TEXT("pH"), 7, true, 1 };
    world.readings[2] =
        (struct field_reading){ PHUSA_TEXT("temp"), PHUSA_TEXT("Cel"), -3.5, true, 2 };
    world.readings[3] =
        (struct field_reading){ PHUSA_TEXT("level"), PHUSA_TEXT("m"), NAN, false, 0 };
    world.reading_count = 4;
    check("last", "  salinity: 1.25 /1000\r\n"
                  "  ph: 7 pH (đang hiệu chuẩn)\r\n"
                  "  temp: -3.5 Cel (báo lỗi)\r\n"
                  "  level: không có\r\n");
    world.console.language = FIELD_BOTH; /* what reads the same is told once */
    check("last", "  salinity: 1.25 /1000\r\n"
                  "  ph: 7 pH (đang hiệu chuẩn)\r\n"
                  "  ph: 7 pH (calibrating)\r\n"
                  "  temp: -3.5 Cel (báo lỗi)\r\n"
                  "  temp: -3.5 Cel (fault)\r\n"
                  "  level: không có\r\n"
                  "  level: missing\r\n");
}

static void the_lamp_is_shown_and_ordered(void **state)
{
    (void)state;
    begin();
    check("lamp", "Trạm này không có đèn bẫy.\r\nThis station has no lamp.\r\n");
    check("lamp on", "Trạm này không có đèn bẫy.\r\nThis station has no lamp.\r\n");
    world.facts.trap = &world.trap;
    world.trap.settings.classes = 2;
    world.trap.night.counts[0] = 130;
    world.trap.night.counts[1] = 7;
    world.trap.night.lit_ms = 95 * 60000 + 59999;
    world.trap.reason = TRAP_RAIN;
    check("lamp", "Bẫy đèn: tối, vì mưa; đêm này sáng 95 phút, 137 con\r\n"
                  "Trap: dark, for rain; this night lit 95 min, 137 insects\r\n");
    world.trap.before.lit = true;
    world.trap.reason = TRAP_BY_HOURS;
    world.console.language = FIELD_ENGLISH;
    check("lamp", "Trap: lit, within its hours; this night lit 95 min, 137 insects\r\n");
    check("lamp on", "Ordered.\r\n");
    assert_int_equal(world.order, TRAP_ON);
    assert_int_equal(world.minutes, 10);
    check("lamp off 720", "Ordered.\r\n");
    assert_int_equal(world.order, TRAP_OFF);
    assert_int_equal(world.minutes, 720);
    check("lamp auto", "Ordered.\r\n");
    assert_int_equal(world.order, TRAP_AUTOMATIC);
    world.lamp = FIELD_LAMP_BATTERY;
    world.trap.before.lit = false;
    world.trap.reason = TRAP_BATTERY;
    world.console.language = FIELD_BOTH;
    check("lamp on 5", "Không bật đèn: ắc quy yếu, hoặc chưa đo được.\r\n"
                       "Refused: the battery is low, or not measured yet.\r\n");
    check("lamp", "Bẫy đèn: tối, vì ắc quy yếu hoặc chưa đo được; đêm này sáng 95 phút, 137 con\r\n"
                  "Trap: dark, for its battery: low, or not measured yet; this night lit 95 min, "
                  "137 insects\r\n");
}

static void the_light_is_lit(void **state)
{
    (void)state;
    begin();
    check("identify", "Đèn báo sáng 30 giây.\r\nThe light is on for 30 s.\r\n");
    assert_int_equal(world.seconds, 30);
    check("identify 600", "Đèn báo sáng 600 giây.\r\nThe light is on for 600 s.\r\n");
    world.console.port.identify = NULL;
    check("identify", "Trạm này không có đèn báo.\r\nThis station has no light.\r\n");
}

static void the_language_is_chosen(void **state)
{
    (void)state;
    begin();
    check("language vi", "Tiếng Việt.\r\n");
    check("clock", "[TỐT]   Đồng hồ: 21/12/2024 14:03:22 (đã đồng bộ)\r\n");
    check("language en", "English.\r\n");
    check("clock", "[good] Clock: 2024-12-21 14:03:22 (synchronised)\r\n");
    check("language both", "Tiếng Việt.\r\nEnglish.\r\n");
}

static void help_names_every_command(void **state)
{
    (void)state;
    begin();
    world.console.language = FIELD_ENGLISH;
    check("help", "status            is the station ready? (also: ready)\r\n"
                  "scan              asks each sensor\r\n"
                  "clock flash link  each by itself\r\n"
                  "last              the last report\r\n"
                  "lamp [on|off|auto [minutes]]  the trap's lamp\r\n"
                  "identify [seconds]  lights its light\r\n"
                  "language vi|en|both\r\n");
}

#define NOT_UNDERSTOOD "Not understood. Type help for the commands.\r\n"

/* In the midst of a line that is being typed. */
static void the_link_is_told_unasked(void **state)
{
    (void)state;
    begin();
    type("clo");
    world.length = 0;
    world.facts.connected = false;
    world.facts.troubles[HAL_TROUBLE_AUTHORITY] = 3;
    field_console_tell_link(&world.console, world.now);
    assert_string_equal(world.out,
                        "\r\n[HỎNG]  Đường truyền: không nối được (từ khi khởi động đã nối 2 lần); "
                        "chứng thư của máy chủ không do trung tâm cấp: 3 lần\r\n> clo");
    world.length = 0;
    type("ck\r");
    assert_memory_equal(world.out, "ck\r\n[TỐT]", 9);
    world.busy = SIZE_MAX;
    field_console_take(&world.console, "scan\r", 5, world.now);
    world.length = 0;
    field_console_tell_link(&world.console, world.now);
    field_console_take(&world.console, "\x03", 1, world.now);
    world.console.language = FIELD_ENGLISH;
    field_console_tell_link(&world.console, world.now);
    assert_string_equal(world.out, "^C\r\n> ");
}

static void what_was_dropped_is_told_while_connected_too(void **state)
{
    (void)state;
    begin();
    world.facts.troubles[HAL_TROUBLE_AUTHORITY] = 3;
    world.facts.troubles[HAL_TROUBLE_INBOX] = 4;
    check("link", "[TỐT]   Đường truyền: đã nối (lần thứ 2); "
                  "bản tin đến bị bỏ (quá dài, bị cắt, hết chỗ): 4 lần\r\n"
                  "[good] Link: connected (time 2); "
                  "messages dropped (too long, cut, no room): 4 times\r\n"
                  "[TỐT]   Biên nhận của trung tâm: 42 giây trước\r\n"
                  "[good] Receipt: 42 s ago\r\n");
}

static void nonsense_is_answered_and_harmless(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "reboot", "STATUS", "status now", "lamp blue", "lamp on 10 1", "language", "language fr",
    };
    static const char *const minutes[] = { "lamp on 0", "lamp on 721", "lamp on -1",
                                           "lamp on 99999999999999999999" };
    static const char *const seconds[] = { "identify 0", "identify 601", "identify x" };
    begin();
    world.facts.trap = &world.trap;
    world.console.language = FIELD_ENGLISH;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        check(lines[i], NOT_UNDERSTOOD);
    }
    for (size_t i = 0; i < sizeof minutes / sizeof minutes[0]; i++) {
        check(minutes[i], "Minutes from 1 to 720.\r\n");
    }
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        check(seconds[i], "Seconds from 1 to 600.\r\n");
    }
    check("", "");
    check("   ", "");
    check("  clock  ", "[good] Clock: 2024-12-21 14:03:22 (synchronised)\r\n");
    assert_int_equal(world.minutes + world.seconds, 0);
}

static void a_line_is_edited(void **state)
{
    (void)state;
    begin();
    world.console.language = FIELD_ENGLISH;
    type("clok\b\x7fock\r\n");
    assert_string_equal(world.out, "clok\b \b\b \bock\r\n[good] Clock: 2024-12-21 14:03:22 "
                                   "(synchronised)\r\n> ");
    world.length = 0;
    type("xy\x15\b"
         "link\n");
    assert_memory_equal(world.out, "xy\b \b\b \blink\r\n[good] Link", 25);
    world.length = 0;
    type("cl\x1b[A\x1b[3~\xc4\x91\x1bOPock\x1b[\r"); /* arrows, letters of other alphabets */
    assert_memory_equal(world.out, "clock\r\n[good] Clock", 19);
}

static void a_line_too_long_is_refused_whole(void **state)
{
    (void)state;
    begin();
    world.console.language = FIELD_ENGLISH;
    type("clock");
    for (int i = 0; i < 40; i++) {
        type("  ");
    }
    world.length = 0;
    type("\r");
    assert_string_equal(world.out, "\r\n" NOT_UNDERSTOOD "> ");
    check("clock", "[good] Clock: 2024-12-21 14:03:22 (synchronised)\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ready_station_says_so_in_both_languages),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_held_clock_and_an_old_receipt),
        cmocka_unit_test(a_station_without_sensors_is_not_ready),
        cmocka_unit_test(a_channel_without_a_sensor_is_named),
        cmocka_unit_test(a_slow_scan_is_waited_for_but_not_for_ever),
        cmocka_unit_test(every_device_says_how_it_is),
        cmocka_unit_test(a_scan_can_be_given_up),
        cmocka_unit_test(the_last_report_is_shown),
        cmocka_unit_test(the_lamp_is_shown_and_ordered),
        cmocka_unit_test(the_light_is_lit),
        cmocka_unit_test(the_language_is_chosen),
        cmocka_unit_test(help_names_every_command),
        cmocka_unit_test(the_link_is_told_unasked),
        cmocka_unit_test(what_was_dropped_is_told_while_connected_too),
        cmocka_unit_test(nonsense_is_answered_and_harmless),
        cmocka_unit_test(a_line_is_edited),
        cmocka_unit_test(a_line_too_long_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

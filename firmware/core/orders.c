/*
 * What people order by command, each done once however often it is asked: the same id is
 * answered the same. The latest answer is kept, so that a command that ended in a reset is not
 * done again by the station that comes up.
 *
 * Forms in which orders are kept (little-endian):
 *   maintenance: u8 version 1, u32 minutes, i64 wall time of its end (0 = the clock was unset)
 *   a calibration under way: u8 version 1, u8 points, u8 length of the name, name, for each point
 *     f64 raw, f64 reference
 *   the latest answer: u8 version 1, u8 length of the id, id, answer
 */
#include <math.h>

#include "bytes.h"
#include "command.h"
#include "inside.h"
#include "print.h"
#include "report.h"

#define VERSION               1u
#define MAINTENANCE_MINUTES   60u
#define MINUTES_MAX           10080u /* a week */
#define LAMP_MINUTES          10u
#define LAMP_MINUTES_MAX      720u /* half a day */
#define CALIBRATE_MINUTES     60u
#define CALIBRATE_MINUTES_MAX 240u
#define IDENTIFY_SECONDS      60u
#define IDENTIFY_MAX          3600u
#define TRIAL_SECONDS         600u
#define TRIAL_SECONDS_MIN     30u
#define TRIAL_SECONDS_MAX     86400u
#define RESEND_MAX            100000u      /* reports asked for again by one command */
#define REBOOT_AFTER          (2 * SECOND) /* for the answer to leave */
#define CALIBRATE_PENDING     (3 + CALIBRATE_NAME_MAX + 16 * CALIBRATE_POINTS)

struct order {
    struct station_core *station;
    const struct command *command;
    struct hal_time now;
    struct print *print; /* members of the answer, each with a comma before it */
    bool asks;           /* it orders nothing */
    char why[SETTINGS_WHY_MAX];
};

/* --- what is kept ------------------------------------------------------------------------ */

static bool keep_bytes(struct station_core *station, unsigned slot, const void *bytes,
                       size_t length)
{
    struct keep *keep = station->ports.keep;
    if (keep == NULL) {
        return true; /* it lasts until the next start */
    }
    bool kept = keep_write(keep, slot, bytes, length) == KEEP_OK && keep_sync(keep) == KEEP_OK;
    station->counters.keep_errors += !kept;
    return kept;
}

static size_t kept_bytes(const struct station_core *station, unsigned slot, uint8_t *bytes,
                         size_t capacity)
{
    size_t length = 0;
    const struct keep *keep = station->ports.keep;
    return keep != NULL && keep_read(keep, slot, bytes, capacity, &length) == KEEP_OK &&
                   bytes[0] == VERSION
               ? length
               : 0;
}

static size_t channel_named(const struct station_core *station, struct phusa_text name)
{
    size_t channel = 0;
    while (channel < station->options.channel_count &&
           !phusa_text_equal(station->names[channel], name)) {
        channel++;
    }
    return channel;
}

/* --- answers ----------------------------------------------------------------------------- */

static void send_answer(struct station_core *station, const char *answer, size_t length)
{
    const struct hal_network *network = &station->ports.network;
    /* Not taken: the collector asks again. */
    (void)network->publish(network->context, HAL_LEAF_RSP, answer, length);
}

static void begin_answer(struct print *print, struct phusa_text id, const char *error)
{
    print_word(print, "{\"id\":");
    print_quoted(print, id);
    print_word(print, error == NULL ? ",\"ok\":true" : ",\"ok\":false,\"error\":");
    if (error != NULL) {
        print_quoted(print, phusa_text_of(error));
    }
}

static void remember(struct station_core *station, struct phusa_text id, struct phusa_text answer)
{
    struct orders *orders = &station->orders;
    if (id.length > STATION_ID_MAX || answer.length > STATION_ANSWER_MAX) {
        return;
    }
    unsigned place = orders->answer_next;
    for (unsigned i = 0; i < STATION_ANSWERS; i++) { /* a trial's end replaces its beginning */
        struct phusa_text held = { orders->answers[i].id, orders->answers[i].id_length };
        place = phusa_text_equal(held, id) ? i : place;
    }
    orders->answer_next =
        place == orders->answer_next ? (place + 1) % STATION_ANSWERS : orders->answer_next;
    orders->answers[place].id_length = (uint8_t)id.length;
    orders->answers[place].length = (uint16_t)answer.length;
    memcpy(orders->answers[place].id, id.data, id.length);
    memcpy(orders->answers[place].answer, answer.data, answer.length);
    uint8_t bytes[2 + STATION_ID_MAX + STATION_ANSWER_MAX] = { VERSION, (uint8_t)id.length };
    memcpy(bytes + 2, id.data, id.length);
    memcpy(bytes + 2 + id.length, answer.data, answer.length);
    (void)keep_bytes(station, KEEP_COMMAND, bytes, 2 + id.length + answer.length);
}

/* True if this command was done already: it is answered as then. */
static bool repeated(struct station_core *station, struct phusa_text id)
{
    const struct orders *orders = &station->orders;
    for (unsigned i = 0; i < STATION_ANSWERS; i++) {
        struct phusa_text held = { orders->answers[i].id, orders->answers[i].id_length };
        if (held.length > 0 && phusa_text_equal(held, id)) {
            station->counters.commands_repeated++;
            send_answer(station, orders->answers[i].answer, orders->answers[i].length);
            return true;
        }
    }
    return false;
}

static void recall_answer(struct station_core *station)
{
    uint8_t bytes[2 + STATION_ID_MAX + STATION_ANSWER_MAX];
    size_t length = kept_bytes(station, KEEP_COMMAND, bytes, sizeof bytes);
    if (length < 2 || bytes[1] > STATION_ID_MAX || length < 2u + bytes[1] ||
        length - 2 - bytes[1] > STATION_ANSWER_MAX) {
        return;
    }
    struct orders *orders = &station->orders;
    orders->answers[0].id_length = bytes[1];
    orders->answers[0].length = (uint16_t)(length - 2 - bytes[1]);
    memcpy(orders->answers[0].id, bytes + 2, bytes[1]);
    memcpy(orders->answers[0].answer, bytes + 2 + bytes[1], orders->answers[0].length);
    orders->answer_next = 1;
}

/* --- arguments --------------------------------------------------------------------------- */

/* A whole number of the command within limits, or the usual one; 0: it is not right. */
static uint64_t whole(const struct command *command, unsigned bit, uint64_t given, uint64_t usual,
                      uint64_t most)
{
    if ((command->has & bit) == 0) {
        return usual;
    }
    return given <= most ? given : 0;
}

static int64_t minutes_of(const struct command *command, uint64_t usual, uint64_t most)
{
    return (int64_t)whole(command, COMMAND_HAS_MINUTES, command->minutes, usual, most) * MINUTE;
}

/* --- maintenance --------------------------------------------------------------------------- */

static void keep_maintenance(struct station_core *station, int64_t lasts_ns, struct hal_time now)
{
    uint8_t bytes[13] = { VERSION };
    put_u32(bytes + 1, (uint32_t)(lasts_ns / MINUTE));
    put_u64(bytes + 5, (uint64_t)(now.wall_set ? now.wall_ns + lasts_ns : 0));
    (void)keep_bytes(station, KEEP_MAINTENANCE, bytes,
                     station->orders.maintenance ? sizeof bytes : 0);
}

/* Under way when the board started anew: until its end, or as long again if that is not known. */
static void recall_maintenance(struct station_core *station, struct hal_time now)
{
    uint8_t bytes[13];
    if (kept_bytes(station, KEEP_MAINTENANCE, bytes, sizeof bytes) != sizeof bytes) {
        return;
    }
    int64_t left = (int64_t)(get_u32(bytes + 1) % (MINUTES_MAX + 1)) * MINUTE;
    int64_t end_ns = (int64_t)get_u64(bytes + 5);
    if (now.wall_set && end_ns > 0 && end_ns - now.wall_ns < left) {
        left = end_ns - now.wall_ns;
    }
    station->orders.maintenance = left > 0;
    station->orders.maintenance_until_ns = now.mono_ns + left;
}

static const char *do_maintenance(struct order *order)
{
    struct orders *orders = &order->station->orders;
    int64_t lasts = minutes_of(order->command, MAINTENANCE_MINUTES, MINUTES_MAX);
    if ((order->command->has & COMMAND_HAS_ON) == 0) {
        return "on: true or false expected";
    }
    if (order->command->on && lasts == 0) {
        return "minutes: 1 to 10080 expected";
    }
    orders->maintenance = order->command->on;
    orders->maintenance_until_ns = order->now.mono_ns + lasts;
    keep_maintenance(order->station, lasts, order->now);
    return NULL;
}

/* --- lights ---------------------------------------------------------------------------------- */

static void show_light(const struct station_core *station, bool on)
{
    const struct hal_pins *pins = &station->ports.pins;
    if (pins->set != NULL) {
        pins->set(pins->context, station->options.identify_pin, on);
    }
}

static const char *do_identify(struct order *order)
{
    const struct command *command = order->command;
    uint64_t seconds =
        whole(command, COMMAND_HAS_SECONDS, command->seconds, IDENTIFY_SECONDS, IDENTIFY_MAX);
    if (order->station->ports.pins.set == NULL) {
        return "this station has no light";
    }
    if (seconds == 0) {
        return "seconds: 1 to 3600 expected";
    }
    order->station->orders.identify_until_ns = order->now.mono_ns + (int64_t)seconds * SECOND;
    show_light(order->station, true);
    return NULL;
}

static const char *do_lamp(struct order *order)
{
    const struct command *command = order->command;
    int64_t lasts = minutes_of(command, LAMP_MINUTES, LAMP_MINUTES_MAX);
    const struct station_options *options = &order->station->options;
    bool leave = (command->has & COMMAND_HAS_MINUTES) != 0 && command->minutes == 0;
    if (!options->has_lamp) {
        return "this station has no lamp";
    }
    if ((command->has & COMMAND_HAS_ON) == 0) {
        return "on: true or false expected";
    }
    if (lasts == 0 && !leave) {
        return "minutes: 0 to 720 expected";
    }
    if (options->lamp_refusal != NULL && command->on && !leave) {
        const char *why = options->lamp_refusal(options->lamp_context);
        if (why != NULL) {
            return why;
        }
    }
    order->station->orders.lamp_on = command->on;
    order->station->orders.lamp_until_ns = leave ? 0 : order->now.mono_ns + lasts;
    return NULL;
}

/* --- settings, reports, start --------------------------------------------------------------- */

static const char *do_set(struct order *order)
{
    const struct command *command = order->command;
    uint64_t seconds =
        whole(command, COMMAND_HAS_TRIAL, command->trial_s, TRIAL_SECONDS, TRIAL_SECONDS_MAX);
    if (seconds < TRIAL_SECONDS_MIN) {
        return "trial_s: 30 to 86400 expected";
    }
    const char *error = trial_start(order->station, command->id, command->settings,
                                    (int64_t)seconds * SECOND, order->now, order->why);
    if (error == NULL) {
        print_member(order->print, "trial_s");
        print_uint(order->print, seconds);
    }
    return error;
}

static const char *do_resend(struct order *order)
{
    const struct command *command = order->command;
    const struct station_log *log = &order->station->log;
    uint64_t end = order->station->delivery.end;
    uint64_t from = command->from > log->first ? command->from : log->first;
    uint64_t to = command->to < end ? command->to : end - 1;
    if ((command->has & (COMMAND_HAS_FROM | COMMAND_HAS_TO)) !=
            (COMMAND_HAS_FROM | COMMAND_HAS_TO) ||
        command->from > command->to) {
        return "from and to: numbers of reports expected";
    }
    if (from > to) {
        return "none of these reports is held";
    }
    if (to - from >= RESEND_MAX) {
        return "more than 100000 reports";
    }
    order->station->orders.resend_next = from;
    order->station->orders.resend_end = to + 1;
    print_member(order->print, "from");
    print_uint(order->print, from);
    print_member(order->print, "to");
    print_uint(order->print, to);
    return NULL;
}

static const char *do_reboot(struct order *order)
{
    if (order->station->ports.board.reset == NULL) {
        return "this station cannot start itself";
    }
    order->station->orders.reboot_at_ns = order->now.mono_ns + REBOOT_AFTER;
    return NULL;
}

static const char *do_report(struct order *order)
{
    order->asks = true;
    order->station->status_due = true;
    diagnostics_print(order->station, order->now, order->print);
    return NULL;
}

/* --- calibration ---------------------------------------------------------------------------- */

static uint32_t bit_of(size_t channel)
{
    return UINT32_C(1) << channel;
}

static struct phusa_text name_of(const struct calibration *calibration)
{
    return (struct phusa_text){ calibration->name, calibration->name_length };
}

/* The calibration of slot number index; false: there is none. */
static bool read_calibration(const struct station_core *station, unsigned index,
                             struct calibration *calibration)
{
    uint8_t bytes[CALIBRATE_BYTES_MAX];
    size_t length = kept_bytes(station, KEEP_CALIBRATION + index, bytes, sizeof bytes);
    return length > 0 && calibrate_unpack(bytes, length, calibration);
}

/* The slot that holds a channel's calibration, or one that is free; 0: there is none. */
static unsigned calibration_slot(const struct station_core *station, struct phusa_text name,
                                 struct calibration *calibration)
{
    unsigned free_slot = 0;
    for (unsigned i = 0; i < KEEP_CALIBRATIONS && station->ports.keep != NULL; i++) {
        if (!read_calibration(station, i, calibration)) {
            free_slot = free_slot == 0 ? KEEP_CALIBRATION + i : free_slot;
        } else if (phusa_text_equal(name_of(calibration), name)) {
            return KEEP_CALIBRATION + i;
        }
    }
    calibrate_begin(calibration, name);
    return free_slot;
}

static void use_calibration(struct station_core *station, size_t channel,
                            const struct calibration *calibration)
{
    struct orders *orders = &station->orders;
    memcpy(orders->coefficients[channel], calibration->now, sizeof calibration->now);
    orders->calibrated &= ~bit_of(channel);
    orders->calibrated |= calibrate_changes(calibration->now) ? bit_of(channel) : 0;
}

static void recall_calibrations(struct station_core *station)
{
    struct calibration calibration;
    for (unsigned i = 0; i < KEEP_CALIBRATIONS; i++) {
        if (read_calibration(station, i, &calibration)) {
            size_t channel = channel_named(station, name_of(&calibration));
            if (channel < station->options.channel_count) {
                use_calibration(station, channel, &calibration);
            }
        }
    }
}

static size_t channel_calibrating(const struct station_core *station)
{
    size_t channel = 0;
    while (channel < station->options.channel_count &&
           (station->orders.calibrating & bit_of(channel)) == 0) {
        channel++;
    }
    return channel;
}

/* A reset does not end a calibration: the probe still stands in its reference. */
static void keep_procedure(struct station_core *station)
{
    uint8_t bytes[CALIBRATE_PENDING] = { VERSION, station->orders.point_count };
    size_t channel = channel_calibrating(station), at = 3;
    if (station->orders.calibrating == 0) {
        (void)keep_bytes(station, KEEP_PROCEDURE, NULL, 0);
        return;
    }
    struct phusa_text name = station->names[channel];
    bytes[2] = (uint8_t)name.length;
    memcpy(bytes + at, name.data, name.length);
    at += name.length;
    for (size_t i = 0; i < station->orders.point_count; i++, at += 16) {
        put_double(bytes + at, station->orders.points[i].raw);
        put_double(bytes + at + 8, station->orders.points[i].reference);
    }
    (void)keep_bytes(station, KEEP_PROCEDURE, bytes, at);
}

static void recall_procedure(struct station_core *station, struct hal_time now)
{
    uint8_t bytes[CALIBRATE_PENDING];
    struct orders *orders = &station->orders;
    size_t length = kept_bytes(station, KEEP_PROCEDURE, bytes, sizeof bytes), at = 3;
    if (length < 3 || bytes[1] > CALIBRATE_POINTS || length != 3u + bytes[2] + 16u * bytes[1]) {
        return;
    }
    size_t channel =
        channel_named(station, (struct phusa_text){ (const char *)bytes + at, bytes[2] });
    if (channel == station->options.channel_count) {
        return;
    }
    at += bytes[2];
    for (size_t i = 0; i < bytes[1]; i++, at += 16) {
        orders->points[i] =
            (struct calibrate_point){ get_double(bytes + at), get_double(bytes + at + 8) };
        if (!isfinite(orders->points[i].raw) || !isfinite(orders->points[i].reference)) {
            return;
        }
    }
    orders->point_count = bytes[1];
    orders->calibrating = bit_of(channel);
    orders->calibrating_until_ns = now.mono_ns + CALIBRATE_MINUTES * MINUTE;
}

static void end_procedure(struct station_core *station)
{
    station->orders.calibrating = 0;
    station->orders.point_count = 0;
    keep_procedure(station);
}

static void print_numbers(struct print *print, const double *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        print_word(print, i == 0 ? "[" : ",");
        print_double(print, numbers[i]);
    }
    print_word(print, "]");
}

/* What a calibration changed. */
static void print_change(struct print *print, const struct calibration *calibration)
{
    print_member(print, "before");
    print_numbers(print, calibration->before, CALIBRATE_ORDER);
    print_member(print, "after");
    print_numbers(print, calibration->now, CALIBRATE_ORDER);
}

static const char *keep_calibration(struct order *order, size_t channel, unsigned slot,
                                    struct calibration *calibration)
{
    uint8_t bytes[CALIBRATE_BYTES_MAX];
    struct phusa_text by = order->command->operator_name;
    calibration->operator_length = (uint8_t)by.length;
    memcpy(calibration->operator_name, by.data, by.length);
    calibration->time_ns = order->now.wall_set ? order->now.wall_ns : 0;
    size_t length = calibrate_pack(calibration, bytes);
    if (!keep_bytes(order->station, slot, bytes, length)) {
        return "the calibration could not be kept";
    }
    use_calibration(order->station, channel, calibration);
    trial_add_unasked(order->station);
    end_procedure(order->station);
    print_change(order->print, calibration);
    return NULL;
}

static bool is_amount(const struct station_core *station, size_t channel)
{
    return (station->sampling.sums & bit_of(channel)) != 0;
}

static const char *calibrate_start(struct order *order, size_t channel)
{
    struct orders *orders = &order->station->orders;
    int64_t lasts = minutes_of(order->command, CALIBRATE_MINUTES, CALIBRATE_MINUTES_MAX);
    if (is_amount(order->station, channel)) {
        return "amounts have no points: step set with coefficients [0, gain]";
    }
    if (orders->calibrating != 0) {
        return "a calibration is under way";
    }
    if (lasts == 0) {
        return "minutes: 1 to 240 expected";
    }
    orders->calibrating = bit_of(channel);
    orders->calibrating_until_ns = order->now.mono_ns + lasts;
    orders->point_count = 0;
    order->station->sampling.raw_known &= ~bit_of(channel);
    keep_procedure(order->station);
    return NULL;
}

static const char *calibrate_point(struct order *order, size_t channel)
{
    struct orders *orders = &order->station->orders;
    if (orders->point_count == CALIBRATE_POINTS) {
        return "two points are taken";
    }
    if ((order->command->has & COMMAND_HAS_REFERENCE) == 0) {
        return "reference: a number expected";
    }
    if ((order->station->sampling.raw_known & bit_of(channel)) == 0) {
        return "no sample since the last step: wait for one";
    }
    double raw = order->station->sampling.raw[channel];
    orders->points[orders->point_count++] =
        (struct calibrate_point){ raw, order->command->reference };
    order->station->sampling.raw_known &= ~bit_of(channel);
    keep_procedure(order->station);
    print_member(order->print, "raw");
    print_double(order->print, raw);
    return NULL;
}

static const char *calibrate_end(struct order *order, size_t channel, unsigned slot,
                                 struct calibration *calibration)
{
    static const char *const reasons[] = {
        [CALIBRATE_NO_POINTS] = "no point was taken",
        [CALIBRATE_SAME_POINT] = "both points have the same raw value",
        [CALIBRATE_BAD_GAIN] = "the gain is beyond 0.2 to 5: are the references mixed up?",
    };
    const struct orders *orders = &order->station->orders;
    calibration->point_count = orders->point_count;
    memcpy(calibration->points, orders->points, sizeof orders->points);
    enum calibrate_result result = calibrate_finish(calibration);
    return result != CALIBRATE_OK ? reasons[result]
                                  : keep_calibration(order, channel, slot, calibration);
}

/* The whole polynomial, as a laboratory gives it; none: back to what the sensor says. */
static const char *calibrate_set(struct order *order, size_t channel, unsigned slot,
                                 struct calibration *calibration)
{
    double coefficients[CALIBRATE_ORDER];
    memcpy(coefficients, calibrate_none, sizeof coefficients);
    struct phusa_text array = order->command->coefficients;
    size_t count = command_numbers(array, coefficients, CALIBRATE_ORDER);
    if (array.data != NULL && count < 2) {
        return "coefficients: 2 to 4 numbers expected";
    }
    if (is_amount(order->station, channel) && fabs(coefficients[0]) > 0) {
        return "coefficients: of amounts, which add up, the first is 0";
    }
    memcpy(calibration->before, calibration->now, sizeof calibration->before);
    memcpy(calibration->now, coefficients, sizeof calibration->now);
    calibration->point_count = 0;
    return keep_calibration(order, channel, slot, calibration);
}

/* Seconds; 0: the clock was unset. */
static void print_time(struct print *print, const struct calibration *calibration)
{
    print_uint(print, (uint64_t)(calibration->time_ns / SECOND));
}

/* Which parameters have one, and since when. */
static const char *show_calibrations(struct order *order)
{
    struct calibration calibration;
    const char *before = "";
    print_member(order->print, "calibrations");
    print_word(order->print, "{");
    for (unsigned i = 0; i < KEEP_CALIBRATIONS; i++) {
        if (read_calibration(order->station, i, &calibration)) {
            print_word(order->print, before);
            print_quoted(order->print, name_of(&calibration));
            print_word(order->print, ":");
            print_time(order->print, &calibration);
            before = ",";
        }
    }
    print_word(order->print, "}");
    return NULL;
}

static bool reports_raw(const struct station_core *station, size_t channel)
{
    bool found = false;
    for (size_t i = 0; i < station->value_count; i++) {
        found |= station->values[i].channel == channel && station->values[i].kind == REPORT_RAW;
    }
    return found;
}

/* All that is kept of a parameter's calibration. */
static const char *calibrate_show(struct order *order, size_t channel,
                                  const struct calibration *calibration)
{
    struct print *print = order->print;
    print_member(print, "parameter");
    print_quoted(print, name_of(calibration));
    print_change(print, calibration);
    print_member(print, "points");
    print_word(print, "[");
    for (size_t i = 0; i < calibration->point_count; i++) {
        const double point[2] = { calibration->points[i].raw, calibration->points[i].reference };
        print_word(print, i == 0 ? "" : ",");
        print_numbers(print, point, 2);
    }
    print_word(print, "]");
    print_member(print, "operator");
    print_quoted(print,
                 (struct phusa_text){ calibration->operator_name, calibration->operator_length });
    print_member(print, "time");
    print_time(print, calibration);
    print_member(print, "raw_sent");
    print_word(print, reports_raw(order->station, channel) ? "true" : "false");
    return NULL;
}

static const char *do_calibrate(struct order *order)
{
    const struct command *command = order->command;
    struct station_core *station = order->station;
    struct calibration calibration;
    bool show = phusa_text_equal(command->step, PHUSA_TEXT("show"));
    order->asks = show;
    if (show && command->parameter.data == NULL) {
        return show_calibrations(order);
    }
    size_t channel = channel_named(station, command->parameter);
    if (channel == station->options.channel_count) {
        return "parameter: one of this station's expected";
    }
    unsigned slot = calibration_slot(station, command->parameter, &calibration);
    if (show) {
        return calibration.operator_length > 0 ? calibrate_show(order, channel, &calibration)
                                               : "never calibrated";
    }
    if (command->operator_name.length == 0 ||
        command->operator_name.length > CALIBRATE_OPERATOR_MAX) {
        return "operator: a name of 1 to 32 bytes expected";
    }
    if (slot == 0) {
        return "no more calibrations can be kept here";
    }
    if (phusa_text_equal(command->step, PHUSA_TEXT("begin"))) {
        return calibrate_start(order, channel);
    }
    if (phusa_text_equal(command->step, PHUSA_TEXT("set"))) {
        return calibrate_set(order, channel, slot, &calibration);
    }
    if (station->orders.calibrating != bit_of(channel)) {
        return "no calibration of this parameter is under way";
    }
    if (phusa_text_equal(command->step, PHUSA_TEXT("point"))) {
        return calibrate_point(order, channel);
    }
    if (phusa_text_equal(command->step, PHUSA_TEXT("finish"))) {
        return calibrate_end(order, channel, slot, &calibration);
    }
    if (phusa_text_equal(command->step, PHUSA_TEXT("cancel"))) {
        end_procedure(station);
        return NULL;
    }
    return "step: begin, point, finish, cancel, set or show expected";
}

/* --- a command ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    const char *(*run)(struct order *order); /* NULL = done, else why not */
} actions[] = {
    { "set", do_set },           { "resend", do_resend },
    { "identify", do_identify }, { "calibrate", do_calibrate },
    { "lamp", do_lamp },         { "maintenance", do_maintenance },
    { "reboot", do_reboot },     { "report", do_report },
};
#define ACTIONS (sizeof actions / sizeof actions[0])

static const char *run(struct order *order)
{
    for (size_t i = 0; i < ACTIONS; i++) {
        if (phusa_text_equal(order->command->action, phusa_text_of(actions[i].name))) {
            return actions[i].run(order);
        }
    }
    return "unknown command";
}

/* A good answer and its members are printed already. */
static void answer(const struct order *order, const char *error)
{
    struct print *print = order->print;
    struct phusa_text id = order->command->id;
    if (error != NULL) {
        *print = (struct print){ .buffer = print->buffer, .capacity = print->capacity };
        begin_answer(print, id, error);
    }
    print_word(print, "}");
    if (!order->asks) { /* else it may be asked again */
        remember(order->station, id, (struct phusa_text){ print->buffer, print->length });
    }
    send_answer(order->station, print->buffer, print->full ? 0 : print->length);
}

void orders_take(struct station_core *station, size_t length, struct hal_time now)
{
    char text[COMMAND_RSP_MAX];
    struct print print = { .buffer = text, .capacity = sizeof text };
    struct command command;
    bool right =
        command_parse((struct phusa_text){ (const char *)station->buffer, length }, &command);
    if (!right) {
        station->counters.commands_malformed++;
        if (command.id.length > 0) {
            begin_answer(&print, command.id,
                         length > COMMAND_BYTES_MAX ? "too long" : "not understood");
            print_word(&print, "}");
            send_answer(station, text, print.length);
        }
        return;
    }
    station->counters.commands++;
    if (repeated(station, command.id)) {
        return;
    }
    struct order order = { .station = station, .command = &command, .now = now, .print = &print };
    begin_answer(&print, command.id, NULL);
    const char *error = run(&order);
    answer(&order, error);
}

/* --- in time -------------------------------------------------------------------------------- */

/* The end of a trial is told once it can be, and remembered as the answer to its command. */
static void tell_trial(struct station_core *station)
{
    static const char *const errors[] = {
        [TRIAL_KEPT] = NULL,
        [TRIAL_ROLLED_BACK] = "rolled back: no receipt came in time",
        [TRIAL_RESET] = "rolled back: the station started anew",
    };
    struct orders *orders = &station->orders;
    const struct hal_network *network = &station->ports.network;
    struct phusa_text id = { orders->trial_id, orders->trial_id_length };
    char text[STATION_ANSWER_MAX];
    struct print print = { .buffer = text, .capacity = sizeof text };
    begin_answer(&print, id, errors[orders->told]);
    print_word(&print, orders->told == TRIAL_KEPT ? ",\"kept\":true}" : "}");
    if (station->connection != 0 && !station->status_due &&
        network->publish(network->context, HAL_LEAF_RSP, text, print.length) == HAL_OK) {
        orders->told = TRIAL_NOTHING;
        remember(station, id, (struct phusa_text){ text, print.length });
    }
}

static bool is_over(int64_t *until_ns, struct hal_time now)
{
    bool over = *until_ns != 0 && now.mono_ns >= *until_ns;
    *until_ns = over ? 0 : *until_ns;
    return over;
}

static void start_anew(struct station_core *station, struct hal_time now)
{
    const struct hal_board *board = &station->ports.board;
    (void)station_log_sync(&station->log);
    diagnostics_keep(station, now.wall_set ? now.wall_ns : 0);
    board->reset(board->context);
}

void orders_step(struct station_core *station, struct hal_time now)
{
    struct orders *orders = &station->orders;
    if (orders->maintenance && now.mono_ns >= orders->maintenance_until_ns) {
        orders->maintenance = false;
        keep_maintenance(station, 0, now);
    }
    if (orders->calibrating != 0 && now.mono_ns >= orders->calibrating_until_ns) {
        end_procedure(station);
    }
    if (is_over(&orders->identify_until_ns, now)) {
        show_light(station, false);
    }
    (void)is_over(&orders->lamp_until_ns, now);
    if (trial_step(station, now)) {
        tell_trial(station);
    }
    if (is_over(&orders->reboot_at_ns, now)) {
        start_anew(station, now);
    }
}

bool orders_begin(struct station_core *station, struct hal_time now)
{
    for (size_t i = 0; i < station->options.channel_count; i++) {
        station->names[i] = station->options.channels[i].name;
    }
    recall_calibrations(station); /* reports hold what they want */
    if (!trial_begin(station)) {
        return false;
    }
    recall_answer(station);
    recall_maintenance(station, now);
    recall_procedure(station, now);
    return true;
}

enum station_lamp station_lamp(const struct station_core *station)
{
    if (station->orders.lamp_until_ns == 0) {
        return STATION_LAMP_AUTO;
    }
    return station->orders.lamp_on ? STATION_LAMP_ON : STATION_LAMP_OFF;
}

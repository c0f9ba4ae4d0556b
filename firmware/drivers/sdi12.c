/*
 * An attempt: break and marking (if the sensor may be asleep) - command - answer. An attempt that
 * fails is repeated after a pause. A measurement is a chain of commands: aM!, the sensor's service
 * request or its time, aD0!, aD1! ... until all values it promised are here. Values that came
 * damaged are asked for again: the sensor keeps them until it is asked for something else.
 */
#include "sdi12.h"

#include <string.h>

#include "phusa/number.h"

#define MILLI        INT64_C(1000000)
#define SECOND       INT64_C(1000000000)
#define BREAK_US     12500                    /* at least 12 ms */
#define MARK         (9 * MILLI)              /* at least 8.33 ms of marking after a break */
#define AWAKE        (80 * MILLI)             /* after 87 ms of marking a break is needed */
#define PAUSE        (17 * MILLI)             /* at least 16.67 ms before a retry */
#define CHARACTER    INT64_C(8333334)         /* 10 bits at 1,200 baud */
#define FIRST_WITHIN (16 * MILLI + CHARACTER) /* 15 ms (+0.4) to the start bit; then it comes */
#define NEXT_WITHIN  (10 * MILLI + CHARACTER) /* 1.66 ms between characters, and some room */
#define SEND_MAX     (SECOND + SECOND / 4)    /* break and 6 characters take 0.07 s */
#define VALUE_DIGITS 7                        /* by the standard */
#define CRC_CHARS    3

const struct hal_line SDI12_LINE = { 1200, 7, 1, HAL_PARITY_EVEN };

/* --- parts of the protocol ---------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool sdi12_is_address(char c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

void sdi12_crc(const char *text, size_t length, char crc[3])
{
    uint32_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum ^= (uint8_t)text[i];
        for (int bit = 0; bit < 8; bit++) {
            sum = (sum & 1u) != 0 ? sum >> 1 ^ 0xA001u : sum >> 1;
        }
    }
    crc[0] = (char)(0x40u | sum >> 12);
    crc[1] = (char)(0x40u | (sum >> 6 & 0x3Fu));
    crc[2] = (char)(0x40u | (sum & 0x3Fu));
}

bool sdi12_crc_right(struct phusa_text line)
{
    char crc[CRC_CHARS];
    if (line.length <= CRC_CHARS) {
        return false;
    }
    sdi12_crc(line.data, line.length - CRC_CHARS, crc);
    return memcmp(line.data + line.length - CRC_CHARS, crc, CRC_CHARS) == 0;
}

bool sdi12_parse_start(struct phusa_text line, bool concurrent, unsigned *seconds, unsigned *count)
{
    unsigned number = 0;
    if (line.length != (concurrent ? 6u : 5u)) {
        return false;
    }
    for (size_t i = 1; i < line.length; i++) {
        if (!is_digit(line.data[i])) {
            return false;
        }
        number = number * 10 + (unsigned)(line.data[i] - '0');
    }
    *seconds = number / (concurrent ? 100 : 10);
    *count = number % (concurrent ? 100 : 10);
    return true;
}

/* Bytes of the value at the start of text; 0 if there is none. */
static size_t parse_value(struct phusa_text text, double *value)
{
    struct phusa_decimal decimal = { 0 };
    size_t at = 1, digits = 0;
    bool point = false;
    if (text.length == 0 || (text.data[0] != '+' && text.data[0] != '-')) {
        return 0;
    }
    decimal.negative = text.data[0] == '-';
    for (; at < text.length && (is_digit(text.data[at]) || text.data[at] == '.'); at++) {
        if (text.data[at] == '.') {
            if (point) {
                return 0;
            }
            point = true;
            continue;
        }
        decimal.digits = decimal.digits * 10 + (unsigned)(text.data[at] - '0');
        decimal.exponent -= point;
        if (++digits > VALUE_DIGITS) {
            return 0;
        }
    }
    *value = phusa_decimal_to_double(NULL, 0, &decimal);
    return digits > 0 ? at : 0;
}

int sdi12_parse_values(struct phusa_text text, double *values, size_t capacity)
{
    int count = 0;
    while (text.length > 0) {
        double value = 0;
        size_t taken = parse_value(text, &value);
        if (taken == 0) {
            return -1;
        }
        if ((size_t)count < capacity) {
            values[count] = value;
        }
        count++;
        text.data += taken;
        text.length -= taken;
    }
    return count;
}

/* --- one attempt -------------------------------------------------------------------- */

void sdi12_init(struct sdi12 *sdi12, const struct hal_bus *bus, int64_t slack_ns)
{
    memset(sdi12, 0, sizeof *sdi12);
    sdi12->bus = bus;
    sdi12->slack_ns = slack_ns;
}

static void go(struct sdi12 *sdi12, enum sdi12_state state, int64_t until_ns)
{
    sdi12->state = state;
    sdi12->until_ns = until_ns;
}

static enum sdi12_result finish(struct sdi12 *sdi12, enum sdi12_result result)
{
    sdi12->state = SDI12_IDLE;
    return result;
}

/* Sends address, letters and a digit (0 = none), with fresh attempts. */
static void ask(struct sdi12 *sdi12, const char *letters, char digit, int64_t mono_ns)
{
    size_t length = 0;
    sdi12->command[length++] = sdi12->measurement.address;
    for (; *letters != '\0'; letters++) {
        sdi12->command[length++] = *letters;
    }
    if (digit != 0) {
        sdi12->command[length++] = digit;
    }
    sdi12->command[length++] = '!';
    sdi12->command_length = length;
    sdi12->attempts = sdi12->breaks = 0;
    sdi12->want_break = false;
    go(sdi12, SDI12_PAUSE, mono_ns);
}

/* The line is ours; drops what came meanwhile, wakes the sensor if it may be asleep. */
static enum sdi12_result begin_attempt(struct sdi12 *sdi12, int64_t mono_ns)
{
    const struct hal_bus *bus = sdi12->bus;
    (void)bus->read(bus->context, sdi12->line, sizeof sdi12->line);
    sdi12->length = 0;
    sdi12->attempts++;
    bool asleep = sdi12->awake != sdi12->command[0] || mono_ns - sdi12->active_ns >= AWAKE;
    if (!sdi12->want_break && !asleep) {
        go(sdi12, SDI12_MARKING, mono_ns);
        return SDI12_BUSY;
    }
    if (bus->send_break == NULL || bus->send_break(bus->context, BREAK_US) != HAL_OK) {
        return finish(sdi12, SDI12_BUS_FAILED);
    }
    sdi12->want_break = false;
    go(sdi12, SDI12_BREAKING, mono_ns + SEND_MAX);
    return SDI12_BUSY;
}

static enum sdi12_result step_breaking(struct sdi12 *sdi12, int64_t mono_ns)
{
    if (sdi12->bus->sent(sdi12->bus->context)) {
        go(sdi12, SDI12_MARKING, mono_ns + MARK);
        return SDI12_BUSY;
    }
    return mono_ns < sdi12->until_ns ? SDI12_BUSY : finish(sdi12, SDI12_BUS_FAILED);
}

static enum sdi12_result step_marking(struct sdi12 *sdi12, int64_t mono_ns)
{
    const struct hal_bus *bus = sdi12->bus;
    if (mono_ns < sdi12->until_ns) {
        return SDI12_BUSY;
    }
    enum hal_result sent = bus->write(bus->context, sdi12->command, sdi12->command_length);
    if (sent == HAL_AGAIN && mono_ns < sdi12->until_ns + SEND_MAX) {
        return SDI12_BUSY;
    }
    if (sent != HAL_OK) {
        return finish(sdi12, SDI12_BUS_FAILED);
    }
    sdi12->awake = sdi12->command[0];
    go(sdi12, SDI12_SENDING, mono_ns + SEND_MAX);
    return SDI12_BUSY;
}

static enum sdi12_result step_sending(struct sdi12 *sdi12, int64_t mono_ns)
{
    if (sdi12->bus->sent(sdi12->bus->context)) {
        sdi12->active_ns = mono_ns;
        go(sdi12, SDI12_LISTENING, mono_ns + FIRST_WITHIN + sdi12->slack_ns);
        return SDI12_BUSY;
    }
    return mono_ns < sdi12->until_ns ? SDI12_BUSY : finish(sdi12, SDI12_BUS_FAILED);
}

/* An attempt failed with why: the next one, or the end. */
static enum sdi12_result retry(struct sdi12 *sdi12, enum sdi12_result why, int64_t mono_ns)
{
    if (sdi12->attempts % SDI12_ATTEMPTS == 0) {
        if (++sdi12->breaks == SDI12_BREAKS) {
            return finish(sdi12, why);
        }
        sdi12->want_break = true;
    }
    go(sdi12, SDI12_PAUSE, mono_ns + PAUSE);
    return SDI12_BUSY;
}

/* --- answers ------------------------------------------------------------------------ */

/* Takes one character; true if the line is complete. What does not fit is left out. */
static bool take_character(struct sdi12 *sdi12, char c)
{
    if (c == '\n' && sdi12->length > 0 && sdi12->line[sdi12->length - 1] == '\r') {
        sdi12->length--;
        return true;
    }
    if (c == '\0' && sdi12->length == 0) {
        return false; /* what a break looks like to those who hear themselves */
    }
    if (sdi12->length < sizeof sdi12->line) {
        sdi12->line[sdi12->length++] = c;
    }
    return false;
}

/* Takes in what came; true if a line is complete. */
static bool take_line(struct sdi12 *sdi12, int64_t mono_ns)
{
    char c;
    /* Bounded: a line is complete, or all is read that fits one twice. */
    for (size_t left = 2 * sizeof sdi12->line; left > 0; left--) {
        if (sdi12->bus->read(sdi12->bus->context, &c, 1) == 0) {
            return false;
        }
        sdi12->active_ns = mono_ns;
        if (sdi12->state == SDI12_LISTENING) {
            sdi12->until_ns = mono_ns + NEXT_WITHIN + sdi12->slack_ns;
        }
        if (take_character(sdi12, c)) {
            return true;
        }
    }
    return false;
}

/* The line without the echo of our own command, which some adapters hear. */
static struct phusa_text answer_of(const struct sdi12 *sdi12)
{
    struct phusa_text line = { sdi12->line, sdi12->length };
    if (line.length > sdi12->command_length &&
        memcmp(line.data, sdi12->command, sdi12->command_length) == 0) {
        line.data += sdi12->command_length;
        line.length -= sdi12->command_length;
    }
    return line;
}

static enum sdi12_result next_page(struct sdi12 *sdi12, int64_t mono_ns)
{
    ask(sdi12, "D", (char)('0' + sdi12->page), mono_ns);
    sdi12->phase = SDI12_PHASE_DATA;
    return SDI12_BUSY;
}

static enum sdi12_result take_start(struct sdi12 *sdi12, struct phusa_text line, int64_t mono_ns)
{
    unsigned seconds = 0, count = 0;
    if (!sdi12_parse_start(line, sdi12->measurement.concurrent, &seconds, &count)) {
        return retry(sdi12, SDI12_BAD_ANSWER, mono_ns);
    }
    sdi12->wait_s = seconds;
    sdi12->expected = count;
    if (count == 0) {
        return finish(sdi12, SDI12_ABORTED);
    }
    if (seconds > sdi12->wait_max_s) {
        return finish(sdi12, SDI12_TOO_SLOW);
    }
    if (sdi12->measurement.concurrent) {
        return finish(sdi12, SDI12_OK);
    }
    if (seconds == 0) {
        return next_page(sdi12, mono_ns);
    }
    sdi12->phase = SDI12_PHASE_WAIT;
    sdi12->length = 0;
    go(sdi12, SDI12_WAITING, mono_ns + (int64_t)seconds * SECOND + sdi12->slack_ns);
    return SDI12_BUSY;
}

static enum sdi12_result take_data(struct sdi12 *sdi12, struct phusa_text line, int64_t mono_ns)
{
    if (sdi12->measurement.crc) {
        if (!sdi12_crc_right(line)) {
            return retry(sdi12, SDI12_BAD_CRC, mono_ns);
        }
        line.length -= CRC_CHARS;
    }
    struct phusa_text text = { line.data + 1, line.length - 1 };
    int count = sdi12_parse_values(text, sdi12->values + sdi12->value_count,
                                   SDI12_VALUES_MAX - sdi12->value_count);
    if (count < 0) {
        return retry(sdi12, SDI12_BAD_ANSWER, mono_ns);
    }
    size_t total = sdi12->value_count + (size_t)count;
    if (count == 0 || total > sdi12->expected) {
        return finish(sdi12, count == 0 ? SDI12_ABORTED : SDI12_BAD_ANSWER);
    }
    sdi12->value_count = total < SDI12_VALUES_MAX ? total : SDI12_VALUES_MAX;
    if (total == sdi12->expected || total >= SDI12_VALUES_MAX) {
        return finish(sdi12, SDI12_OK);
    }
    if (++sdi12->page == SDI12_PAGES) {
        return finish(sdi12, SDI12_ABORTED);
    }
    return next_page(sdi12, mono_ns);
}

static enum sdi12_result take_answer(struct sdi12 *sdi12, int64_t mono_ns)
{
    struct phusa_text line = answer_of(sdi12);
    if (line.length == 0 || line.data[0] != sdi12->command[0]) {
        bool other = line.length > 0 && sdi12_is_address(line.data[0]);
        return retry(sdi12, other ? SDI12_BAD_ADDRESS : SDI12_BAD_ANSWER, mono_ns);
    }
    switch (sdi12->phase) {
    case SDI12_PHASE_START:
        return take_start(sdi12, line, mono_ns);
    case SDI12_PHASE_DATA:
        return take_data(sdi12, line, mono_ns);
    case SDI12_PHASE_TEXT:
    case SDI12_PHASE_WAIT:
        break;
    }
    return finish(sdi12, SDI12_OK);
}

static enum sdi12_result step_listening(struct sdi12 *sdi12, int64_t mono_ns)
{
    if (take_line(sdi12, mono_ns)) {
        return take_answer(sdi12, mono_ns);
    }
    if (sdi12->length == sizeof sdi12->line) {
        return retry(sdi12, SDI12_BAD_ANSWER, mono_ns);
    }
    if (mono_ns < sdi12->until_ns) {
        return SDI12_BUSY;
    }
    return retry(sdi12, sdi12->length > 0 ? SDI12_BAD_ANSWER : SDI12_SILENT, mono_ns);
}

/* Until the sensor asks for service, or until its time is over. */
static enum sdi12_result step_waiting(struct sdi12 *sdi12, int64_t mono_ns)
{
    bool asked = false;
    if (take_line(sdi12, mono_ns)) {
        asked = sdi12->length == 1 && sdi12->line[0] == sdi12->command[0];
        sdi12->length = 0;
    }
    return asked || mono_ns >= sdi12->until_ns ? next_page(sdi12, mono_ns) : SDI12_BUSY;
}

enum sdi12_result sdi12_step(struct sdi12 *sdi12, int64_t mono_ns)
{
    switch (sdi12->state) {
    case SDI12_PAUSE:
        return mono_ns < sdi12->until_ns ? SDI12_BUSY : begin_attempt(sdi12, mono_ns);
    case SDI12_BREAKING:
        return step_breaking(sdi12, mono_ns);
    case SDI12_MARKING:
        return step_marking(sdi12, mono_ns);
    case SDI12_SENDING:
        return step_sending(sdi12, mono_ns);
    case SDI12_LISTENING:
        return step_listening(sdi12, mono_ns);
    case SDI12_WAITING:
        return step_waiting(sdi12, mono_ns);
    case SDI12_IDLE:
        break;
    }
    return SDI12_BUS_FAILED; /* nothing was begun */
}

/* --- commands ----------------------------------------------------------------------- */

void sdi12_ping(struct sdi12 *sdi12, char address, int64_t mono_ns)
{
    sdi12->measurement = (struct sdi12_measurement){ .address = address };
    sdi12->phase = SDI12_PHASE_TEXT;
    ask(sdi12, "", 0, mono_ns);
}

static void begin_measurement(struct sdi12 *sdi12, const struct sdi12_measurement *measurement)
{
    sdi12->measurement = *measurement;
    sdi12->page = 0;
    sdi12->value_count = 0;
}

void sdi12_start(struct sdi12 *sdi12, const struct sdi12_measurement *measurement,
                 unsigned wait_max_s, int64_t mono_ns)
{
    const char *letters = measurement->crc ? "MC" : "M";
    if (measurement->concurrent) {
        letters = measurement->crc ? "CC" : "C";
    }
    begin_measurement(sdi12, measurement);
    sdi12->wait_max_s = wait_max_s;
    ask(sdi12, letters, measurement->number > 0 ? (char)('0' + measurement->number) : 0, mono_ns);
    sdi12->phase = SDI12_PHASE_START;
}

void sdi12_collect(struct sdi12 *sdi12, const struct sdi12_measurement *measurement,
                   unsigned expected, int64_t mono_ns)
{
    begin_measurement(sdi12, measurement);
    sdi12->expected = expected;
    (void)next_page(sdi12, mono_ns);
}

struct phusa_text sdi12_text(const struct sdi12 *sdi12)
{
    struct phusa_text line = answer_of(sdi12);
    return line.length == 0 ? line : (struct phusa_text){ line.data + 1, line.length - 1 };
}

unsigned sdi12_wait_s(const struct sdi12 *sdi12)
{
    return sdi12->wait_s;
}

unsigned sdi12_expected(const struct sdi12 *sdi12)
{
    return sdi12->expected;
}

const double *sdi12_values(const struct sdi12 *sdi12, size_t *count)
{
    *count = sdi12->value_count;
    return sdi12->values;
}

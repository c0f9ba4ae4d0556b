#include "classifier.h"

/* --- a line --------------------------------------------------------------------------- */

uint16_t classifier_crc(struct phusa_text text)
{
    uint32_t crc = 0xffff;
    for (size_t i = 0; i < text.length; i++) {
        crc ^= (uint32_t)(uint8_t)text.data[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000) != 0 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1;
        }
    }
    return (uint16_t)crc;
}

struct reader {
    const char *at, *end;
};

static bool take(struct reader *reader, char wanted)
{
    if (reader->at < reader->end && *reader->at == wanted) {
        reader->at++;
        return true;
    }
    return false;
}

static bool take_number(struct reader *reader, uint32_t most, uint32_t *number)
{
    const char *begin = reader->at;
    uint64_t value = 0;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        value = value * 10 + (uint64_t)(*reader->at - '0');
        if (value > most) {
            return false;
        }
    }
    size_t digits = (size_t)(reader->at - begin);
    *number = (uint32_t)value;
    return digits > 0 && (digits == 1 || *begin != '0');
}

static bool hex_digit(char character, uint32_t *digit)
{
    if (character >= '0' && character <= '9') {
        *digit = (uint32_t)(character - '0');
    } else if (character >= 'a' && character <= 'f') {
        *digit = (uint32_t)(character - 'a') + 10;
    } else if (character >= 'A' && character <= 'F') {
        *digit = (uint32_t)(character - 'A') + 10;
    } else {
        return false;
    }
    return true;
}

static bool take_hex(struct reader *reader, int digits, uint32_t *number)
{
    *number = 0;
    for (; digits > 0; digits--) {
        uint32_t digit;
        if (reader->at == reader->end || !hex_digit(*reader->at, &digit)) {
            return false;
        }
        *number = *number << 4 | digit;
        reader->at++;
    }
    return true;
}

static bool take_header(struct reader *reader)
{
    static const char header[] = "INS,1,";
    for (size_t i = 0; i + 1 < sizeof header; i++) {
        if (!take(reader, header[i])) {
            return false;
        }
    }
    return true;
}

static bool take_body(struct reader *reader, struct classifier_line *line)
{
    uint32_t number, state, classes;
    if (!take_header(reader) || !take_hex(reader, 8, &line->session) || !take(reader, ',') ||
        !take_number(reader, UINT16_MAX, &number) || !take(reader, ',') ||
        !take_number(reader, CLASSIFIER_FAULT, &state) || !take(reader, ',') ||
        !take_number(reader, CLASSIFIER_CLASSES, &classes) || classes == 0) {
        return false;
    }
    line->number = (uint16_t)number;
    line->state = (enum classifier_state)state;
    line->classes = classes;
    for (size_t i = 0; i < classes; i++) {
        if (!take(reader, ',') || !take_number(reader, UINT32_MAX, &line->counts[i])) {
            return false;
        }
    }
    return true;
}

bool classifier_parse(struct phusa_text text, struct classifier_line *line)
{
    struct reader reader = { text.data, text.data + text.length };
    uint32_t crc;
    *line = (struct classifier_line){ 0 };
    if (text.length > CLASSIFIER_LINE_MAX || !take(&reader, '$')) {
        return false;
    }
    const char *body = reader.at;
    if (!take_body(&reader, line)) {
        return false;
    }
    struct phusa_text checked = { body, (size_t)(reader.at - body) };
    return take(&reader, '*') && take_hex(&reader, 4, &crc) && reader.at == reader.end &&
           crc == classifier_crc(checked);
}

/* --- the module ------------------------------------------------------------------------- */

enum hal_result classifier_init(struct classifier *classifier, const struct hal_bus *bus,
                                int64_t now_ns)
{
    static const struct hal_line line = { CLASSIFIER_BAUD, 8, 1, HAL_PARITY_NONE };
    *classifier = (struct classifier){ .bus = *bus, .heard_ns = now_ns, .asked_ns = now_ns };
    return bus->configure(bus->context, &line);
}

static void note_line(struct classifier *classifier, const struct classifier_line *line,
                      int64_t now_ns)
{
    bool known = classifier->heard && line->session == classifier->latest.session;
    if (known) {
        uint16_t ahead = (uint16_t)(line->number - classifier->latest.number);
        classifier->lost += ahead > 1 && ahead < UINT16_MAX / 2 ? ahead - 1u : 0;
    }
    classifier->sessions += !known;
    classifier->lines++;
    classifier->heard = true;
    classifier->heard_ns = now_ns;
    classifier->latest = *line;
}

/* A line came to its end. */
static void end_line(struct classifier *classifier, int64_t now_ns)
{
    struct classifier_line line;
    struct phusa_text text = { classifier->text, classifier->length };
    if (classifier->overlong || (text.length > 0 && !classifier_parse(text, &line))) {
        classifier->bad++;
    } else if (text.length > 0) {
        note_line(classifier, &line, now_ns);
    }
    classifier->length = 0;
    classifier->overlong = false;
}

/* A line begins at each $: what stood before is noise, or the begin of one whose end was lost. */
static void take_byte(struct classifier *classifier, char byte, int64_t now_ns)
{
    if (byte == '\r' || byte == '\n') {
        end_line(classifier, now_ns);
        return;
    }
    if (byte == '$') {
        classifier->bad += classifier->length > 0 || classifier->overlong;
        classifier->length = 0;
        classifier->overlong = false;
    }
    if (classifier->length == sizeof classifier->text) {
        classifier->overlong = true;
    } else if (classifier->length > 0 || byte == '$') {
        classifier->text[classifier->length++] = byte;
    }
}

static void ask(struct classifier *classifier, int64_t now_ns)
{
    const struct hal_bus *bus = &classifier->bus;
    if (bus->write(bus->context, "?\r\n", 3) == HAL_OK) {
        classifier->asked_ns = now_ns;
    }
}

void classifier_step(struct classifier *classifier, int64_t now_ns)
{
    char bytes[64];
    size_t total = 0, length;
    const struct hal_bus *bus = &classifier->bus;
    do {
        length = bus->read(bus->context, bytes, sizeof bytes);
        for (size_t i = 0; i < length && i < sizeof bytes; i++) {
            take_byte(classifier, bytes[i], now_ns);
        }
        total += length;
    } while (length > 0 && total < CLASSIFIER_READ_MAX);
    if (now_ns - classifier->heard_ns >= CLASSIFIER_ASK &&
        now_ns - classifier->asked_ns >= CLASSIFIER_ASK) {
        ask(classifier, now_ns);
    }
}

bool classifier_alive(const struct classifier *classifier, int64_t now_ns)
{
    return classifier->heard && now_ns - classifier->heard_ns <= CLASSIFIER_SILENT;
}

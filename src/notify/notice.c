/*
 * A notice as JSON, and its key. The bodies must be the same at every try,
 * so they are made once, at the commit, and kept in the outbox.
 */
#include <openssl/evp.h>
#include <stdio.h>

#include "notify/delivery.h"
#include "phusa/number.h"

#define KEY_INPUT_MAX 256 /* three ids, a time, a severity, and that nobody acknowledged */

/* --- a bounded JSON writer ------------------------------------------------------ */

struct writer {
    char *at;
    size_t left; /* with room for the terminator */
    bool full;
};

static void put(struct writer *writer, const char *bytes, size_t length)
{
    if (length >= writer->left) {
        writer->full = true;
        return;
    }
    memcpy(writer->at, bytes, length);
    writer->at += length;
    writer->left -= length;
}

static void put_text(struct writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

/* A string of RFC 8259, section 7. */
static void put_string(struct writer *writer, struct phusa_text text)
{
    put_text(writer, "\"");
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        char escaped[8];
        if (byte == '"' || byte == '\\') {
            put(writer, (char[]){ '\\', (char)byte }, 2);
        } else if (byte < 0x20) {
            put(writer, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", byte));
        } else {
            put(writer, &text.data[i], 1);
        }
    }
    put_text(writer, "\"");
}

/* `separator` is what stands before the name: "{" or ",". */
static void put_name(struct writer *writer, const char *separator, const char *name)
{
    put_text(writer, separator);
    put_string(writer, phusa_text_of(name));
    put_text(writer, ":");
}

static void put_member(struct writer *writer, const char *name, const char *value)
{
    put_name(writer, ",", name);
    put_string(writer, phusa_text_of(value));
}

static void put_seconds(struct writer *writer, int64_t time_ns)
{
    char digits[PHUSA_DOUBLE_CHARS];
    put(writer, digits, phusa_seconds_print(time_ns, digits));
}

static void put_double(struct writer *writer, double value)
{
    char digits[PHUSA_DOUBLE_CHARS];
    size_t length = phusa_double_print(value, digits);
    put(writer, length > 0 ? digits : "null", length > 0 ? length : strlen("null"));
}

static size_t finish(struct writer *writer, char *buffer, size_t capacity)
{
    put_text(writer, "}");
    if (capacity > 0) {
        *(writer->full ? buffer : writer->at) = '\0';
    }
    return writer->full ? 0 : (size_t)(writer->at - buffer);
}

/* --- the notice ------------------------------------------------------------------- */

bool notice_key(const struct notice *notice, char key[NOTICE_KEY_CHARS + 1])
{
    char time[PHUSA_DOUBLE_CHARS], input[KEY_INPUT_MAX];
    struct phusa_text parameter = notice->rule->parameter->name;
    int length = snprintf(input, sizeof input, "%s\n%s\n%.*s\n%.*s\n%s%s", notice->rule->id,
                          notice->station->id, (int)parameter.length, parameter.data,
                          (int)phusa_seconds_print(notice->time_ns, time), time,
                          severity_name(notice->to), notice->escalated ? "\nescalated" : "");
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    key[0] = '\0';
    if (length <= 0 || (size_t)length >= sizeof input ||
        EVP_Digest(input, (size_t)length, digest, &size, EVP_sha256(), NULL) != 1) {
        return false;
    }
    for (unsigned i = 0; i < size && i < NOTICE_KEY_CHARS / 2; i++) {
        (void)snprintf(key + (size_t)2 * i, 3, "%02x", digest[i]);
    }
    return true;
}

/* What replay and webhook have in common. */
static void put_transition(struct writer *writer, const struct notice *notice)
{
    put_name(writer, "{", "time");
    put_seconds(writer, notice->time_ns);
    put_member(writer, "rule", notice->rule->id);
    put_member(writer, "station", notice->station->id);
    put_name(writer, ",", "parameter");
    put_string(writer, notice->rule->parameter->name);
    put_member(writer, "from", severity_name(notice->from));
    put_member(writer, "to", severity_name(notice->to));
    put_name(writer, ",", "value");
    put_double(writer, notice->value);
}

static void put_message(struct writer *writer, const struct notice *notice,
                        const struct settings *settings)
{
    char text[WORDING_MAX];
    put_name(writer, ",", "message");
    put_name(writer, "{", "vi");
    (void)wording_part(notice, settings, LANGUAGE_VI, WORDING_TEXT, false, text, sizeof text);
    put_string(writer, phusa_text_of(text));
    (void)wording_part(notice, settings, LANGUAGE_EN, WORDING_TEXT, false, text, sizeof text);
    put_member(writer, "en", text);
    put_text(writer, "}");
}

size_t notice_json(const struct notice *notice, const struct settings *settings, char *buffer,
                   size_t capacity)
{
    struct writer writer = { buffer, capacity, false };
    char key[NOTICE_KEY_CHARS + 1];
    writer.full = !notice_key(notice, key);
    put_transition(&writer, notice);
    put_member(&writer, "key", key);
    put_name(&writer, ",", "since");
    put_seconds(&writer, notice->since_ns);
    put_member(&writer, "site", notice->station->site);
    put_member(&writer, "severity", severity_name(notice->to));
    put_message(&writer, notice, settings);
    put_name(&writer, ",", "historical");
    put_text(&writer, notice->historical ? "true" : "false");
    if (notice->escalated) {
        put_name(&writer, ",", "escalated");
        put_text(&writer, "true");
    }
    if (notice->flapping) {
        put_name(&writer, ",", "flapping");
        put_text(&writer, "true");
    }
    return finish(&writer, buffer, capacity);
}

size_t notice_replay_json(const struct notice *notice, char *buffer, size_t capacity)
{
    struct writer writer = { buffer, capacity, false };
    put_transition(&writer, notice);
    return finish(&writer, buffer, capacity);
}

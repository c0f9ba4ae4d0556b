/*
 * E-mails of any texts: subject, text, unsubscribe, addresses and key, in this order. What is
 * written is ASCII in lines as SMTP has them, no text makes a header of its own, and the text is
 * read back as it was, its lines ended by CRLF.
 */
#include <openssl/evp.h>

#include "notify/mime.h"
#include "pieces.h"

#define LINE_MAX_BYTES 998 /* RFC 5322, section 2.1.1 */
#define TEXT_MAX       20000

static const char *const names[] = { "Date",
                                     "From",
                                     "To",
                                     "Subject",
                                     "Message-ID",
                                     "Auto-Submitted",
                                     "MIME-Version",
                                     "Content-Type",
                                     "Content-Language",
                                     "Content-Transfer-Encoding",
                                     "List-Unsubscribe" };
#define NAMES (sizeof names / sizeof names[0])

static char out[MIME_MAX(TEXT_MAX)];

static size_t name_of(const char *line)
{
    for (size_t i = 0; i < NAMES; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(line, names[i], length) == 0 && line[length] == ':') {
            return i;
        }
    }
    return NAMES;
}

/* Each of ours once, the last one at most; returns where the body begins. */
static const char *check_header(void)
{
    unsigned seen[NAMES] = { 0 };
    const char *line = out;
    for (const char *end; line[0] != '\r'; line = end + 2) {
        end = strstr(line, "\r\n");
        ENSURE(end != NULL);
        if (line[0] != ' ') {
            size_t name = name_of(line);
            ENSURE(name < NAMES && seen[name]++ == 0);
        }
    }
    for (size_t i = 0; i + 1 < NAMES; i++) {
        ENSURE(seen[i] == 1);
    }
    return line + 2;
}

static void check_lines(size_t length)
{
    size_t begin = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)out[i];
        ENSURE(byte < 0x7f && (byte >= ' ' || byte == '\r' || byte == '\n'));
        ENSURE(byte != '\r' || out[i + 1] == '\n');
        ENSURE(byte != '\n' || (i > 0 && out[i - 1] == '\r'));
        ENSURE(i - begin <= LINE_MAX_BYTES + 1);
        begin = byte == '\n' ? i + 1 : begin;
    }
    ENSURE(begin == length);
}

/* Line by line, as a mail program reads it. */
static void check_body(const char *body, const char *text)
{
    static unsigned char read[2 * TEXT_MAX + 3];
    size_t used = 0, at = 0;
    for (const char *end; *body != '\0'; body = end + 2) {
        end = strstr(body, "\r\n");
        ENSURE(end != NULL && end - body <= 76);
        int bytes = EVP_DecodeBlock(read + used, (const unsigned char *)body, (int)(end - body));
        ENSURE(bytes > 0);
        used += (size_t)bytes - (end[-1] == '=') - (end[-2] == '=');
    }
    for (; *text != '\0'; text++) {
        ENSURE(*text != '\n' || read[at++] == '\r');
        ENSURE(read[at++] == (unsigned char)*text);
    }
    ENSURE(at == used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pieces pieces = pieces_cut(data, size < TEXT_MAX ? size : TEXT_MAX);
    struct mime_mail mail = { .subject = pieces.of[0],
                              .text = pieces.of[1],
                              .unsubscribe = pieces.of[2],
                              .from = pieces.of[3][0] == '\0' ? "phusa@example.vn" : pieces.of[3],
                              .to = pieces.of[4][0] == '\0' ? "people@example.vn" : pieces.of[4],
                              .key = pieces.of[5],
                              .language = size % 2 == 0 ? LANGUAGE_VI : LANGUAGE_EN,
                              .now = { INT64_C(1762000200) * SECOND_NS },
                              .utc_offset_s = 7 * 3600 };
    size_t length = mime_compose(&mail, out, sizeof out);
    bool plain = pieces.of[3][0] == '\0' && pieces.of[4][0] == '\0' && strlen(mail.key) <= 64;
    ENSURE(length > 0 || !plain);
    if (length > 0) {
        ENSURE(strlen(out) == length);
        check_lines(length);
        check_body(check_header(), mail.text);
        ENSURE(mime_compose(&mail, out, length) == 0); /* not even its end fits */
    }
    pieces_free(&pieces);
    return 0;
}

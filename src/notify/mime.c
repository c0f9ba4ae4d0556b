#include "notify/mime.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/smtp.h"

#define LINE_MAX_CHARS  76 /* RFC 2045, section 6.8; RFC 2047, section 2 */
#define LINE_BYTES      57 /* that are 76 in base64 */
#define WORD_BYTES      45 /* at most, of an encoded word: " =?UTF-8?B?" + 60 + "?=" is 73 */
#define FIRST_BYTES     39 /* behind "Subject: " */
#define SUBJECT_MAX     2048
#define BASE64_MAX      (LINE_MAX_CHARS + 1)
#define UNSUBSCRIBE_MAX 500 /* bytes of a mailto address with its query */

struct page {
    char *out;
    size_t used, capacity;
    bool full;
};

static void put_bytes(struct page *page, const char *bytes, size_t length)
{
    if (page->full || length >= page->capacity - page->used) {
        page->full = true;
        return;
    }
    memcpy(page->out + page->used, bytes, length);
    page->used += length;
    page->out[page->used] = '\0';
}

__attribute__((format(printf, 2, 3))) static void put(struct page *page, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(page->out + page->used, page->capacity - page->used, format, arguments);
    va_end(arguments);
    if (page->full || length < 0 || (size_t)length >= page->capacity - page->used) {
        page->full = true;
        return;
    }
    page->used += (size_t)length;
}

/* --- base64 -------------------------------------------------------------------- */

static void put_base64(struct page *page, const unsigned char *bytes, size_t length)
{
    unsigned char line[BASE64_MAX];
    int chars = EVP_EncodeBlock(line, bytes, (int)length);
    put_bytes(page, (const char *)line, (size_t)chars);
}

/* The text with CRLF at the ends of its lines, in lines of base64. */
static void put_text(struct page *page, const char *text)
{
    unsigned char line[LINE_BYTES];
    size_t used = 0;
    bool cr = false; /* was written for the line feed that is next */
    for (const char *at = text; *at != '\0';) {
        cr = *at == '\n' && !cr;
        line[used++] = cr ? '\r' : (unsigned char)*at;
        at += !cr;
        if (used == LINE_BYTES) {
            put_base64(page, line, used);
            put_bytes(page, "\r\n", 2);
            used = 0;
        }
    }
    if (used > 0) {
        put_base64(page, line, used);
        put_bytes(page, "\r\n", 2);
    }
}

/* --- the subject ----------------------------------------------------------------- */

static bool is_plain_subject(const char *subject)
{
    size_t length = strlen(subject);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)subject[i];
        if (byte < ' ' || byte >= 0x7f) {
            return false;
        }
    }
    return length + strlen("Subject: ") <= LINE_MAX_CHARS && strstr(subject, "=?") == NULL &&
           length > 0 && subject[0] != ' ' && subject[length - 1] != ' ';
}

/* As many bytes as are whole characters, at most `most`. */
static size_t whole_characters(const char *text, size_t length, size_t most)
{
    if (length <= most) {
        return length;
    }
    size_t end = most;
    while (end > most - 4 && ((unsigned char)text[end] & 0xc0U) == 0x80) {
        end--;
    }
    return end;
}

static void copy_subject(const char *subject, char copy[SUBJECT_MAX])
{
    size_t length = whole_characters(subject, strlen(subject), SUBJECT_MAX - 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)subject[i];
        copy[i] = byte < ' ' || byte == 0x7f ? ' ' : subject[i];
    }
    copy[length] = '\0';
}

static void put_subject(struct page *page, const char *subject)
{
    char copy[SUBJECT_MAX] = { 0 };
    copy_subject(subject, copy);
    put(page, "Subject: ");
    if (is_plain_subject(copy)) {
        put(page, "%s\r\n", copy);
        return;
    }
    size_t length = strlen(copy), most = FIRST_BYTES;
    for (size_t at = 0, step; at < length; at += step, most = WORD_BYTES) {
        step = whole_characters(copy + at, length - at, most);
        put(page, "%s=?UTF-8?B?", at == 0 ? "" : "\r\n ");
        put_base64(page, (const unsigned char *)copy + at, step);
        put(page, "?=");
    }
    put(page, "\r\n");
}

/* --- the rest of the header ------------------------------------------------------ */

/* RFC 5322, section 3.3; the names are English in any locale. */
static void put_date(struct page *page, wall_time now, int32_t utc_offset_s)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t local = (time_t)(now.ns / SECOND_NS + utc_offset_s);
    int32_t minutes = (utc_offset_s < 0 ? -utc_offset_s : utc_offset_s) / 60;
    struct tm parts;
    if (gmtime_r(&local, &parts) == NULL) {
        page->full = true;
        return;
    }
    put(page, "Date: %s, %d %s %d %02d:%02d:%02d %c%02d%02d\r\n", days[parts.tm_wday],
        parts.tm_mday, months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
        parts.tm_sec, utc_offset_s < 0 ? '-' : '+', (int)(minutes / 60), (int)(minutes % 60));
}

/* What may stand in the left half of a Message-ID (RFC 5322, section 3.6.4), or a dot for it. */
static void put_message_id(struct page *page, const char *key, const char *from)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    const char *at = strrchr(from, '@');
    put(page, "Message-ID: <");
    for (; *key != '\0'; key++) {
        put(page, "%c", strchr(allowed, *key) != NULL ? *key : '_');
    }
    put(page, "@%s>\r\n", at == NULL ? "localhost" : at + 1);
}

/* The first mailto: in a text, up to what cannot be in it; marks at its end belong to the sentence.
 * RFC 2369, section 3.2. */
static void put_unsubscribe(struct page *page, const char *text)
{
    const char *begin = strstr(text, "mailto:");
    char address[UNSUBSCRIBE_MAX + 1];
    size_t length = 0;
    if (begin == NULL) {
        return;
    }
    while (begin[length] > ' ' && begin[length] < 0x7f &&
           strchr("<>\"()[]", begin[length]) == NULL) {
        length++;
    }
    while (length > 0 && strchr(".,;:!?'", begin[length - 1]) != NULL) {
        length--;
    }
    if (length > UNSUBSCRIBE_MAX || memchr(begin, '@', length) == NULL) {
        return;
    }
    memcpy(address, begin, length);
    address[length] = '\0';
    put(page, "List-Unsubscribe: <%s>\r\n", address);
}

size_t mime_compose(const struct mime_mail *mail, char *out, size_t capacity)
{
    struct page page = { out, 0, capacity, capacity == 0 };
    if (!smtp_address_plain(mail->from) || !smtp_address_plain(mail->to)) {
        return 0;
    }
    put_date(&page, mail->now, mail->utc_offset_s);
    put(&page, "From: <%s>\r\nTo: <%s>\r\n", mail->from, mail->to);
    put_subject(&page, mail->subject);
    put_message_id(&page, mail->key, mail->from);
    put(&page, "Auto-Submitted: auto-generated\r\n"); /* RFC 3834, section 5 */
    put_unsubscribe(&page, mail->unsubscribe);
    put(&page,
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Language: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        mail->language == LANGUAGE_EN ? "en" : "vi");
    put_text(&page, mail->text);
    return page.full ? 0 : page.used;
}

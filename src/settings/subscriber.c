/* Addresses of people. */
#include "settings/subscriber.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- phone numbers ---- */

#define DIGITS_LEAST 8  /* after the plus; shorter numbers are services */
#define DIGITS_MOST  15 /* ITU-T E.164, section 6.2.1 */
#define VIETNAM      "84"

/* The digits of a number as people write it; 0 when there is something else, or too many. *plus:
 * with the country's. */
static size_t gather_digits(struct phusa_text text, char digits[DIGITS_MOST + 3], bool *plus)
{
    size_t count = 0;
    *plus = text.length > 0 && text.data[0] == '+';
    for (size_t i = *plus ? 1 : 0; i < text.length; i++) {
        char c = text.data[i];
        if (isdigit((unsigned char)c) && count < DIGITS_MOST + 2) {
            digits[count++] = c;
        } else if (isdigit((unsigned char)c) || c == '\0' || strchr(" .-", c) == NULL) {
            return 0;
        }
    }
    digits[count] = '\0';
    return count;
}

/* Nine digits after the country's, the first of them one that mobile numbers have since 2018
 * (Decision 2036/QD-BTTTT, 21 November 2017: what began with 1 has moved). Fixed lines begin with 2
 * and read no messages. */
static bool vietnamese_mobile(const char *digits)
{
    return strlen(digits) == 9 && strchr("35789", digits[0]) != NULL;
}

/* Digits that follow the plus: "0901234567" and "84901234567" are of Vietnam, "0084..." as well. */
static const char *international(const char *digits, bool plus, char out[DIGITS_MOST + 4])
{
    if (plus || strncmp(digits, "00", 2) == 0) {
        (void)snprintf(out, DIGITS_MOST + 4, "%s", plus ? digits : digits + 2);
    } else if (digits[0] == '0') {
        (void)snprintf(out, DIGITS_MOST + 4, VIETNAM "%s", digits + 1);
    } else {
        (void)snprintf(out, DIGITS_MOST + 4, "%s", digits);
    }
    return out;
}

bool subscriber_phone(struct phusa_text text, char out[17])
{
    char digits[DIGITS_MOST + 3], buffer[DIGITS_MOST + 4];
    bool plus = false;
    if (gather_digits(text, digits, &plus) == 0) {
        return false;
    }
    const char *number = international(digits, plus, buffer);
    size_t length = strlen(number);
    bool vietnam = strncmp(number, VIETNAM, 2) == 0;
    bool local = !plus && digits[0] != '0';
    if (length < DIGITS_LEAST || length > DIGITS_MOST || number[0] == '0' || (local && !vietnam) ||
        (vietnam && !vietnamese_mobile(number + 2))) {
        return false;
    }
    (void)snprintf(out, 17, "+%.*s", DIGITS_MOST, number);
    return true;
}

/* ---- e-mail ---- */

#define LOCAL_MAX 64 /* bytes before the @ (RFC 5321, section 4.5.3.1.1) */
#define LABEL_MAX 63 /* of a domain (RFC 1035) */

static bool dotted(const char *text, size_t length, const char *more, size_t piece_max)
{
    size_t piece = 0;
    for (size_t i = 0; i < length; i++) {
        bool fits =
            isalnum((unsigned char)text[i]) || (text[i] != '\0' && strchr(more, text[i]) != NULL);
        if (text[i] == '.' ? piece == 0 : !fits || piece == piece_max) {
            return false;
        }
        piece = text[i] == '.' ? 0 : piece + 1;
    }
    return piece > 0;
}

bool subscriber_email(struct phusa_text text)
{
    const char *at = text.length == 0 ? NULL : memchr(text.data, '@', text.length);
    if (at == NULL || text.length > SUBSCRIBER_ADDRESS_MAX) {
        return false;
    }
    size_t local = (size_t)(at - text.data);
    return local <= LOCAL_MAX && dotted(text.data, local, "!#$%&'*+-/=?^_`{|}~", LOCAL_MAX) &&
           dotted(at + 1, text.length - local - 1, "-", LABEL_MAX);
}

/* ---- for logs ---- */

char *subscriber_mask(const char *address, char out[ADDRESS_MASKED_MAX])
{
    const char *at = strchr(address, '@');
    size_t length = strlen(address);
    if (at != NULL) {
        int shown = at - address > 2 ? 2 : at - address > 1 ? 1 : 0;
        (void)snprintf(out, ADDRESS_MASKED_MAX, "%.*s***%s", shown, address, at);
    } else if (length >= 12) {
        (void)snprintf(out, ADDRESS_MASKED_MAX, "%.5s***%s", address, address + length - 4);
    } else {
        (void)snprintf(out, ADDRESS_MASKED_MAX, "%.*s***", length > 6 ? 3 : 0, address);
    }
    return out;
}

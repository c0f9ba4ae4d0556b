#include "notify/report.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNED_MAX 256 /* bytes of a channel's id and a key, a line each */

bool report_make_secret(unsigned char secret[REPORT_SECRET_BYTES])
{
    return RAND_bytes(secret, REPORT_SECRET_BYTES) == 1;
}

bool report_make_number(int64_t *number)
{
    uint64_t random = 0;
    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1) {
        return false;
    }
    *number = (int64_t)(random >> 1 | 1); /* above 0 */
    return true;
}

/* --- keys -------------------------------------------------------------------------- */

void report_print_key(int64_t number, char key[REPORT_KEY_CHARS + 1])
{
    (void)snprintf(key, REPORT_KEY_CHARS + 1, "%016llx", (unsigned long long)number);
}

int64_t report_read_key(const char *key)
{
    size_t digits = strspn(key, "0123456789abcdef");
    if (digits != REPORT_KEY_CHARS || key[digits] != '\0') {
        return 0;
    }
    unsigned long long number = strtoull(key, NULL, 16);
    return number > INT64_MAX ? 0 : (int64_t)number;
}

/* --- proofs ------------------------------------------------------------------------ */

bool report_prove(struct phusa_text secret, const char *channel, const char *key,
                  char proof[REPORT_PROOF_CHARS + 1])
{
    unsigned char code[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    char text[SIGNED_MAX];
    int length = snprintf(text, sizeof text, "%s\n%s", channel, key);
    if (length < 0 || (size_t)length >= sizeof text ||
        HMAC(EVP_sha256(), secret.data, (int)secret.length, (const unsigned char *)text,
             (size_t)length, code, &size) == NULL) {
        return false;
    }
    for (unsigned i = 0; i < REPORT_PROOF_CHARS / 2; i++) {
        (void)snprintf(proof + (size_t)2 * i, 3, "%02x", code[i]);
    }
    return true;
}

bool report_is_proven(struct phusa_text secret, const char *channel, const char *key,
                      const char *proof)
{
    char right[REPORT_PROOF_CHARS + 1];
    return secret.length > 0 && report_prove(secret, channel, key, right) &&
           strlen(proof) == REPORT_PROOF_CHARS &&
           CRYPTO_memcmp(proof, right, REPORT_PROOF_CHARS) == 0;
}

bool report_print_url(const struct channel_settings *channel, struct phusa_text secret,
                      const char *key, char url[REPORT_URL_MAX])
{
    char proof[REPORT_PROOF_CHARS + 1];
    size_t base = strlen(channel->report_base);
    base -= base > 0 && channel->report_base[base - 1] == '/';
    if (!report_prove(secret, channel->id, key, proof)) {
        return false;
    }
    int length =
        snprintf(url, REPORT_URL_MAX, "%.*s" CHANNEL_REPORT_PATH "?channel=%s&key=%s&proof=%s",
                 (int)base, channel->report_base, channel->id, key, proof);
    return length > 0 && length < REPORT_URL_MAX;
}

/* --- what they say ------------------------------------------------------------------ */

static bool is_among(const char *const *states, size_t count, const char *state)
{
    bool found = false;
    for (size_t i = 0; i < count && !found; i++) {
        found = strcmp(states[i], state) == 0;
    }
    return found;
}

enum report_outcome report_judge(const struct channel_settings *channel, const char *state)
{
    if (is_among(channel->report_failed, channel->report_failed_count, state)) {
        return REPORT_FAILED;
    }
    return is_among(channel->report_done, channel->report_done_count, state) ? REPORT_DONE
                                                                             : REPORT_NOTED;
}

/* Random numbers from the kernel, all else by libcrypto. */
#include "cli/credentials.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define PASSWORD_BYTES (CREDENTIALS_PASSWORD_CHARS / 2)
#define HASH_BYTES     64 /* of SHA-512 */
/* mosquitto_passwd's own. They are there to slow down who guesses; nobody guesses 160 bits, and a
 * broker to which thousands of stations come back at once has to do them for each. */
#define ITERATIONS     101

static size_t base64_chars(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

bool credentials_password(char password[CREDENTIALS_PASSWORD_CHARS + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[PASSWORD_BYTES]; /* below 256 bytes getrandom gives all or none */
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return false;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        password[2 * i] = digits[bytes[i] >> 4];
        password[2 * i + 1] = digits[bytes[i] & 15];
    }
    password[CREDENTIALS_PASSWORD_CHARS] = '\0';
    explicit_bzero(bytes, sizeof bytes);
    return true;
}

bool credentials_salt(unsigned char salt[CREDENTIALS_SALT_BYTES])
{
    return getrandom(salt, CREDENTIALS_SALT_BYTES, 0) == CREDENTIALS_SALT_BYTES;
}

bool credentials_entry(const char *user, const char *password,
                       const unsigned char salt[CREDENTIALS_SALT_BYTES],
                       char entry[CREDENTIALS_ENTRY_MAX])
{
    unsigned char hash[HASH_BYTES], salt_text[CREDENTIALS_SALT_BYTES / 3 * 4 + 1],
        hash_text[(HASH_BYTES + 2) / 3 * 4 + 1];
    if (PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, CREDENTIALS_SALT_BYTES, ITERATIONS,
                          EVP_sha512(), HASH_BYTES, hash) != 1) {
        return false;
    }
    (void)EVP_EncodeBlock(salt_text, salt, CREDENTIALS_SALT_BYTES);
    (void)EVP_EncodeBlock(hash_text, hash, HASH_BYTES);
    return snprintf(entry, CREDENTIALS_ENTRY_MAX, "%s:$7$%d$%s$%s", user, ITERATIONS,
                    (const char *)salt_text, (const char *)hash_text) < CREDENTIALS_ENTRY_MAX;
}

/* DER of the file's first certificate, to be freed with OPENSSL_free; length 0 if it is none or
 * more than one. */
static int read_der(FILE *file, unsigned char **der)
{
    X509 *first = PEM_read_X509(file, NULL, NULL, NULL);
    X509 *second = first == NULL ? NULL : PEM_read_X509(file, NULL, NULL, NULL);
    int length = first == NULL || second != NULL ? 0 : i2d_X509(first, der);
    X509_free(first);
    X509_free(second);
    return length < 0 ? 0 : length;
}

bool credentials_ca(const char *path, char text[CREDENTIALS_CA_MAX], struct problem *problem)
{
    unsigned char *der = NULL;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        problem_set(problem, "%s: %s", path, strerror(errno));
        return false;
    }
    int length = read_der(file, &der);
    (void)fclose(file);
    bool good = length > 0 && length <= CREDENTIALS_CA_DER_MAX &&
                base64_chars((size_t)length) < CREDENTIALS_CA_MAX;
    if (length == 0) {
        problem_set(problem, "%s: holds not exactly one certificate in PEM", path);
    } else if (!good) {
        problem_set(problem, "%s: a certificate of %d bytes; a board has room for %d", path, length,
                    CREDENTIALS_CA_DER_MAX);
    } else {
        (void)EVP_EncodeBlock((unsigned char *)text, der, length);
    }
    OPENSSL_free(der);
    return good;
}

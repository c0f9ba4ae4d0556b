/*
 * What a station shows the broker, how mosquitto remembers it, and by what the station knows the
 * broker.
 */
#ifndef CLI_CREDENTIALS_H
#define CLI_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/problem.h"

#define CREDENTIALS_PASSWORD_CHARS 40  /* hexadecimal digits: 160 random bits */
#define CREDENTIALS_SALT_BYTES     12  /* as mosquitto_passwd has them; the broker wants no other */
#define CREDENTIALS_ENTRY_MAX      192 /* user of an id's length, and 113 bytes behind it */
#define CREDENTIALS_CA_DER_MAX     2048 /* bytes of a certificate that a board has room for */
#define CREDENTIALS_CA_MAX         2736 /* such a certificate in base64, terminated */

/* A password that nobody had before, terminated; false with errno. */
bool credentials_password(char password[CREDENTIALS_PASSWORD_CHARS + 1]);

/* The salt of an entry, random; false with errno. */
bool credentials_salt(unsigned char salt[CREDENTIALS_SALT_BYTES]);

/*
 * A line of mosquitto's password file without its end: USER:$7$101$SALT$HASH, PBKDF2 with
 * HMAC-SHA-512, salt and hash in base64 (mosquitto 2.0, src/security_default.c). False if it does
 * not fit or libcrypto is out of memory.
 */
bool credentials_entry(const char *user, const char *password,
                       const unsigned char salt[CREDENTIALS_SALT_BYTES],
                       char entry[CREDENTIALS_ENTRY_MAX]);

/* The only certificate of a PEM file: DER in base64 on one line, terminated. */
bool credentials_ca(const char *path, char text[CREDENTIALS_CA_MAX], struct problem *problem);

#endif

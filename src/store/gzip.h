/* Bodies in gzip (RFC 1952), one after the other through one buffer. */
#ifndef STORE_GZIP_H
#define STORE_GZIP_H

#include <stdbool.h>

#include "phusa/text.h"

struct gzip;

/* NULL when out of memory; free of NULL is fine. */
struct gzip *gzip_create(void);
void gzip_free(struct gzip *gzip);

/* Packs text; *packed is valid until the next call. False when out of memory. */
bool gzip_pack(struct gzip *gzip, struct phusa_text text, struct phusa_text *packed);

#endif

#include "store/gzip.h"

#include <limits.h>
#include <stdlib.h>
#define ZLIB_CONST /* next_in may point at what is not ours to change */
#include <zlib.h>

#define WINDOW_GZIP  (15 + 16) /* zlib's: the largest window, gzip's frame */
#define MEMORY_LEVEL 8         /* zlib's default */

struct gzip {
    z_stream stream;
    char *buffer;
    size_t capacity;
};

struct gzip *gzip_create(void)
{
    struct gzip *gzip = calloc(1, sizeof *gzip);
    /* Lines repeat their heads and keys: the fastest level finds nearly all there is to find. */
    if (gzip != NULL && deflateInit2(&gzip->stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_GZIP,
                                     MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

void gzip_free(struct gzip *gzip)
{
    if (gzip == NULL) {
        return;
    }
    (void)deflateEnd(&gzip->stream);
    free(gzip->buffer);
    free(gzip);
}

static bool reserve(struct gzip *gzip, size_t bytes)
{
    if (bytes <= gzip->capacity) {
        return true;
    }
    char *larger = realloc(gzip->buffer, bytes);
    if (larger == NULL) {
        return false;
    }
    gzip->buffer = larger;
    gzip->capacity = bytes;
    return true;
}

bool gzip_pack(struct gzip *gzip, struct phusa_text text, struct phusa_text *packed)
{
    z_stream *stream = &gzip->stream;
    if (text.length > UINT_MAX / 2 || deflateReset(stream) != Z_OK ||
        !reserve(gzip, deflateBound(stream, text.length))) {
        return false;
    }
    stream->next_in = (const Bytef *)text.data;
    stream->avail_in = (uInt)text.length;
    stream->next_out = (Bytef *)gzip->buffer;
    stream->avail_out = (uInt)gzip->capacity;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END) {
        return false;
    }
    *packed = (struct phusa_text){ gzip->buffer, gzip->capacity - stream->avail_out };
    return true;
}

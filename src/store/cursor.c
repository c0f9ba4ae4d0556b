#include "store/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KIND       "cursor"
#define VERSION    1
#define BODY_CHARS 64

enum kept_status store_cursor_read(const struct file_ops *files, const char *path,
                                   struct store_cursor *cursor)
{
    void *body = NULL;
    size_t length = 0;
    *cursor = (struct store_cursor){ 0 };
    enum kept_status status = kept_read(files, path, KIND, VERSION, BODY_CHARS, &body, &length);
    struct store_cursor found;
    if (status == KEPT_OK) {
        if (sscanf(body, "%" SCNu64 " %" SCNu64 "\n", &found.safe, &found.sent) == 2 &&
            found.safe <= found.sent) {
            *cursor = found;
        } else {
            status = KEPT_DAMAGED;
        }
    }
    free(body);
    return status;
}

enum kept_status store_cursor_write(const struct file_ops *files, const char *path,
                                    const struct store_cursor *cursor)
{
    char body[BODY_CHARS];
    int length =
        snprintf(body, sizeof body, "%" PRIu64 " %" PRIu64 "\n", cursor->safe, cursor->sent);
    return kept_write(files, path, KIND, VERSION, body, (size_t)length);
}

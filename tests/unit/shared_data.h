/* Data to test with that is not part of the project: under PHUSA_SHARED, by default ../shared. */
#ifndef TESTS_SHARED_DATA_H
#define TESTS_SHARED_DATA_H

#include <stdio.h>
#include <stdlib.h>

/* The path of a file of that data. */
static inline const char *shared_path(const char *name, char *buffer, size_t capacity)
{
    const char *root = getenv("PHUSA_SHARED");

    snprintf(buffer, capacity, "%s/data/%s", root == NULL ? "../shared" : root, name);
    return buffer;
}

/* A whole file, to be freed; NULL, with a message, if it is not there. */
static inline unsigned char *shared_read(const char *name, size_t *length)
{
    char path[512];
    FILE *file = fopen(shared_path(name, path, sizeof(path)), "rb");
    unsigned char *bytes = NULL;

    *length = 0;
    if (file == NULL) {
        printf("skipped: no %s (set PHUSA_SHARED)\n", path);
        return NULL;
    }
    if (fseek(file, 0, SEEK_END) == 0 && ftell(file) >= 0) {
        size_t size = (size_t)ftell(file);

        rewind(file);
        bytes = malloc(size + 1);
        *length = bytes == NULL ? 0 : fread(bytes, 1, size, file);
    }
    fclose(file);
    return bytes;
}

#endif

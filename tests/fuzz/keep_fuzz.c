/*
 * Kept records over a flash that holds anything: opening finds records or none, reading gives
 * what is within limits, and what is written then is there, over reopening.
 */
#include "fuzz.h"
#include "keep.h"

#define BLOCK 1024u

static uint8_t image[2 * BLOCK];

static enum hal_result read_bytes(void *context, uint32_t offset, void *bytes, size_t length)
{
    (void)context;
    ENSURE(offset <= sizeof image && length <= sizeof image - offset);
    memcpy(bytes, image + offset, length);
    return HAL_OK;
}

static enum hal_result program(void *context, uint32_t offset, const void *bytes, size_t length)
{
    (void)context;
    ENSURE(offset <= sizeof image && length <= sizeof image - offset);
    for (size_t i = 0; i < length; i++) {
        ENSURE(image[offset + i] == 0xff);
        image[offset + i] = ((const uint8_t *)bytes)[i];
    }
    return HAL_OK;
}

static enum hal_result erase(void *context, uint32_t block)
{
    (void)context;
    ENSURE(block < 2);
    memset(image + block * BLOCK, 0xff, BLOCK);
    return HAL_OK;
}

static enum hal_result sync_all(void *context)
{
    (void)context;
    return HAL_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct hal_flash flash = { NULL, BLOCK, 2, read_bytes, program, erase, sync_all };
    struct keep keep, again;
    uint8_t before[KEEP_BYTES_MAX], bytes[KEEP_BYTES_MAX], written[40];
    size_t length, held;
    memset(image, 0xff, sizeof image);
    memcpy(image, data, size < sizeof image ? size : sizeof image);
    ENSURE(keep_open(&keep, &flash) == KEEP_OK);
    enum keep_status first = keep_read(&keep, 1, before, sizeof before, &held);
    for (unsigned slot = 1; slot <= KEEP_SLOTS; slot++) {
        enum keep_status status = keep_read(&keep, slot, bytes, sizeof bytes, &length);
        ENSURE(status == KEEP_OK || status == KEEP_ABSENT);
        ENSURE((length > 0) == (status == KEEP_OK) && length <= KEEP_BYTES_MAX);
    }
    for (unsigned i = 0; i < 60; i++) { /* over the end of the block */
        memset(written, (int)i, sizeof written);
        enum keep_status status = keep_write(&keep, 2, written, sizeof written);
        ENSURE(status == KEEP_OK || status == KEEP_FULL);
        if (status == KEEP_FULL) {
            return 0;
        }
    }
    ENSURE(keep_open(&again, &flash) == KEEP_OK);
    ENSURE(keep_read(&again, 2, bytes, sizeof bytes, &length) == KEEP_OK);
    ENSURE(length == sizeof written && memcmp(bytes, written, length) == 0);
    ENSURE(keep_read(&again, 1, bytes, sizeof bytes, &length) == first && length == held);
    ENSURE(memcmp(bytes, before, held) == 0);
    return 0;
}

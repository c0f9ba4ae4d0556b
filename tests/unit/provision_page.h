/* Provisioning pages made by hand, in a flash that can only be read. */
#ifndef TESTS_PROVISION_PAGE_H
#define TESTS_PROVISION_PAGE_H

#include <string.h>

#include "hal/hal.h"
#include "phusa/crc32c.h"

#define PAGE_BLOCK  4096u
#define PAGE_BYTES  (2 * PAGE_BLOCK)
#define PAGE_HEADER 16u

struct page {
    uint8_t bytes[PAGE_BYTES];
    size_t length; /* of the fields */
};

static inline enum hal_result page_read(void *context, uint32_t offset, void *bytes, size_t length)
{
    const struct page *page = context;
    if (offset > PAGE_BYTES || length > PAGE_BYTES - offset) {
        return HAL_FAILED;
    }
    memcpy(bytes, page->bytes + offset, length);
    return HAL_OK;
}

static inline struct hal_flash page_flash(struct page *page)
{
    return (struct hal_flash){
        .context = page, .block_size = PAGE_BLOCK, .block_count = 2, .read = page_read
    };
}

static inline void page_number(uint8_t *at, uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(number >> 8 * i);
    }
}

/* Writes the header over the fields that are there. */
static inline void page_close(struct page *page)
{
    memcpy(page->bytes, "PSPV", 4);
    page_number(page->bytes + 4, 1);
    page_number(page->bytes + 8, (uint32_t)page->length);
    page_number(page->bytes + 12, phusa_crc32c(0, page->bytes + PAGE_HEADER, page->length));
}

#endif

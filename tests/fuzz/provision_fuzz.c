/* Provisioning pages with a right check sum over anything: what is accepted is whole and in bounds.
 */
#include "trap_page.h"

#include "../unit/provision_page.h"
#include "fuzz.h"

static bool inside(const struct page *page, uint32_t offset, uint32_t length)
{
    return length == 0 || (offset >= PAGE_HEADER && length <= page->length &&
                           offset + length <= PAGE_HEADER + page->length);
}

static bool held(const struct trap_page *page, struct phusa_text text)
{
    const char *begin = (const char *)page->bytes, *end = begin + sizeof page->bytes;
    return text.length <= 32 && text.data >= begin && text.data + text.length <= end;
}

/* What makes a trap is possible, and its texts stand in it. */
static void read_trap(const struct hal_flash *flash, const struct provision *provision)
{
    static struct trap_page trap;
    if (provision->trap_length > 0 && trap_page_read(flash, provision, &trap)) {
        ENSURE(trap_settings_problem(&trap.settings) == NULL);
        ENSURE(trap.settings.classes >= 1 && trap.settings.classes <= NIGHT_CLASSES);
        for (size_t i = 0; i < trap.settings.classes; i++) {
            ENSURE(held(&trap, trap.settings.names[i]) && trap.settings.names[i].length > 0);
        }
        ENSURE(held(&trap, trap.settings.wind) && held(&trap, trap.settings.battery));
        ENSURE(trap.lamp_start_ns >= 0 && trap.beam_dead_ns >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct page page;
    static struct provision provision;
    page.length = size < PAGE_BYTES - PAGE_HEADER ? size : PAGE_BYTES - PAGE_HEADER;
    if (page.length > 0) {
        memcpy(page.bytes + PAGE_HEADER, data, page.length);
    }
    page_close(&page);
    struct hal_flash flash = page_flash(&page);
    enum provision_status status = provision_read(&flash, &provision);
    ENSURE(status != PROVISION_ABSENT && *provision_text(status) != '\0');
    if (status == PROVISION_OK) {
        ENSURE(memchr(provision.station, '\0', sizeof provision.station) != NULL);
        ENSURE(memchr(provision.password, '\0', sizeof provision.password) != NULL);
        ENSURE(memchr(provision.host, '\0', sizeof provision.host) != NULL && provision.port != 0);
        ENSURE(provision.every_ns > 0 && provision.speed > 0);
        ENSURE(provision.layout_length <= sizeof provision.layout);
        ENSURE(inside(&page, provision.ca_offset, provision.ca_length));
        ENSURE(inside(&page, provision.map_offset, provision.map_length));
        ENSURE(inside(&page, provision.trap_offset, provision.trap_length));
        read_trap(&flash, &provision);
    }
    return 0;
}

/* Status and receipt: what is read can be written, and reads the same again. */
#include "fuzz.h"
#include "phusa/message.h"

static void check_status(struct phusa_text text)
{
    struct phusa_status_message message, again;
    char buffer[PHUSA_MESSAGE_MAX];
    size_t length;

    if (phusa_status_parse(text, &message) != PHUSA_OK) {
        return;
    }
    length = phusa_status_print(&message, buffer, sizeof(buffer));
    ENSURE(length > 0);
    ENSURE(phusa_status_parse((struct phusa_text){ buffer, length }, &again) == PHUSA_OK);
    ENSURE(again.online == message.online && again.has_log == message.has_log);
    ENSURE(again.log == message.log && again.first == message.first);
    if (!message.online && !message.has_first) {
        return; /* written as a will */
    }
    ENSURE(again.next == message.next && again.clock == message.clock);
    ENSURE(again.boot == message.boot);
    ENSURE(fuzz_same_double(again.days_held, message.days_held));
    ENSURE(strcmp(again.firmware, message.firmware) == 0);
    ENSURE(strcmp(again.hardware, message.hardware) == 0);
    ENSURE(strcmp(again.reset, message.reset) == 0);
}

static void check_receipt(struct phusa_text text)
{
    struct phusa_receipt receipt, again;
    char buffer[PHUSA_MESSAGE_MAX];
    size_t length;

    if (phusa_receipt_parse(text, &receipt) != PHUSA_OK) {
        return;
    }
    length = phusa_receipt_print(&receipt, buffer, sizeof(buffer));
    ENSURE(length > 0);
    ENSURE(phusa_receipt_parse((struct phusa_text){ buffer, length }, &again) == PHUSA_OK);
    ENSURE(again.log == receipt.log && again.upto == receipt.upto);
    ENSURE(again.missing_count == receipt.missing_count);
    for (size_t i = 0; i < receipt.missing_count; i++) {
        ENSURE(again.missing[i].first == receipt.missing[i].first);
        ENSURE(again.missing[i].last == receipt.missing[i].last);
        ENSURE(!phusa_receipt_covers(&receipt, receipt.missing[i].first));
        ENSURE(!phusa_receipt_covers(&receipt, receipt.missing[i].last));
    }
    ENSURE(!phusa_receipt_covers(&receipt, receipt.upto + 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phusa_text text = { fuzz_text(data, size), size };

    check_status(text);
    check_receipt(text);
    return 0;
}

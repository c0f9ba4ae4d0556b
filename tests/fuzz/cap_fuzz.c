/*
 * Any bytes as a message that lies in the folder: what is read back lies within them and makes an
 * entry of the feed or none. And as the texts of a letter: what is written of them is read back.
 */
#include "fuzz.h"
#include "notify/cap_xml.h"

static char message[CAP_MESSAGE_MAX], entry[CAP_ENTRY_MAX];

static void ensure_within(struct phusa_text part, struct phusa_text whole)
{
    ENSURE(part.length == 0 || (part.data >= whole.data && part.length <= whole.length &&
                                part.data + part.length <= whole.data + whole.length));
}

static bool read_back(struct phusa_text text, struct cap_facts *facts)
{
    if (!cap_facts_read(text, facts)) {
        return false;
    }
    ENSURE(facts->identifier.length <= CAP_IDENTIFIER_MAX);
    ENSURE(facts->incident.length <= CAP_INCIDENT_MAX && facts->sender.length <= CAP_SENDER_MAX);
    ensure_within(facts->headline, text);
    ensure_within(facts->description, text);
    ensure_within(facts->area, text);
    ENSURE(cap_entry_write(facts, entry, sizeof entry) <= sizeof entry);
    return true;
}

/* No text of a letter makes an element of its own. */
static void write_and_read(const char *text)
{
    static const struct cap_source source = { "a@b", "c", "Test", "" };
    struct letter_text both = { { text, text } };
    struct letter letter = { .key = "0",
                             .rule = "r",
                             .site = "s",
                             .station = "t",
                             .parameter = "p",
                             .from = SEVERITY_MINOR,
                             .to = SEVERITY_SEVERE,
                             .station_name = text,
                             .unit = text,
                             .hazard = both,
                             .text = both,
                             .action = both,
                             .severity_name = both,
                             .category = "Env",
                             .urgency = "Expected",
                             .certainty = "Observed" };
    struct cap_message made = { .identifier = "0f", .type = CAP_UPDATE, .incident = "s/t/r/p@0" };
    struct cap_facts facts;
    size_t length = cap_write(&letter, &made, &source, message, sizeof message);
    if (length > 0) {
        ENSURE(read_back((struct phusa_text){ message, length }, &facts));
        ENSURE(facts.type == CAP_UPDATE && phusa_text_equal(facts.identifier, PHUSA_TEXT("0f")));
        ENSURE(phusa_text_equal(facts.urgency, PHUSA_TEXT("Expected")));
        ENSURE(memmem(message, length, "<area>", 6) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its own size, so that a read beyond it is seen. */
    char *copy = malloc(size + 1);
    struct cap_facts facts;
    ENSURE(copy != NULL);
    memcpy(copy, fuzz_text(data, size), size);
    char *exact = malloc(size == 0 ? 1 : size);
    ENSURE(exact != NULL);
    memcpy(exact, copy, size);
    (void)read_back((struct phusa_text){ exact, size }, &facts);
    free(exact);
    copy[size] = '\0';
    write_and_read(copy);
    free(copy);
    return 0;
}

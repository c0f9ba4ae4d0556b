/* Topics: what comes apart goes together again. */
#include "fuzz.h"
#include "phusa/topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phusa_topic topic;
    char buffer[PHUSA_TOPIC_MAX + 1];

    if (phusa_topic_parse((struct phusa_text){ fuzz_text(data, size), size }, &topic) != PHUSA_OK) {
        return 0;
    }
    ENSURE(phusa_id_valid(topic.site) && phusa_id_valid(topic.station));
    ENSURE(phusa_topic_print(&topic, buffer, sizeof(buffer)) == size);
    ENSURE(memcmp(buffer, data, size) == 0 && buffer[size] == '\0');
    ENSURE(phusa_topic_print(&topic, buffer, size) == 0);
    return 0;
}

/* What several parts of the collector use: settings held by many, and the quarantine. */
#include <stdlib.h>

#include "collector_state.h"

struct shared_settings *shared_settings_new(struct settings *settings)
{
    struct shared_settings *shared = malloc(sizeof *shared);
    if (shared == NULL) {
        return NULL;
    }
    shared->settings = settings;
    atomic_init(&shared->users, 1);
    return shared;
}

void shared_settings_drop(struct shared_settings *shared)
{
    if (shared != NULL && atomic_fetch_sub(&shared->users, 1) == 1) {
        settings_free(shared->settings);
        free(shared);
    }
}

void quarantine_append(struct collector *collector, json_t *text, struct journal_record record)
{
    char *body = text == NULL ? NULL : json_dumps(text, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (body != NULL) {
        record.kind = JOURNAL_SET_ASIDE;
        record.count = 1;
        record.payload = phusa_text_of(body);
        (void)journal_append(collector->quarantine, &record, NULL);
    }
    free(body);
    json_decref(text);
}

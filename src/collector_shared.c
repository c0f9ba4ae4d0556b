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

struct shared_settings *shared_settings_current(struct collector *collector)
{
    (void)pthread_mutex_lock(&collector->state_lock);
    struct shared_settings *current = collector->current;
    (void)atomic_fetch_add(&current->users, 1);
    (void)pthread_mutex_unlock(&collector->state_lock);
    return current;
}

bool quarantine_append(struct collector *collector, const json_t *text,
                       struct journal_record record)
{
    char *body = json_dumps(text, JSON_COMPACT | JSON_REAL_PRECISION(17));
    bool kept = false;
    if (record.origin > collector->set_aside_origin) {
        collector->set_aside_origin = record.origin;
    }
    if (body != NULL) {
        record.count = 1;
        record.origin = collector->set_aside_origin;
        record.payload = phusa_text_of(body);
        kept = journal_append(collector->quarantine, &record, NULL) == JOURNAL_OK;
    }
    free(body);
    long long now = clock_mono().ns;
    if (!kept && log_complaint_due(&collector->quarantine_complaint, now)) {
        log_error("what is set aside cannot be written down, trying again");
    } else if (kept && log_complaint_over(&collector->quarantine_complaint, now, NULL)) {
        log_info("what is set aside is written down again");
    }
    return kept;
}
